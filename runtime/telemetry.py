"""What clients see of a running session without asking: a mapped file with levels, CPU, counters and watched samples.

The session writes, any number of clients read; nobody waits for anybody.  Numbers are guarded by a counter that is odd
while they change.  Names of nodes and ports stand in the file too, under a version that counts plans.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from .engine import Engine
from .layout import (
    E_AT,
    E_CELLS,
    OUT_PEAK,
    OUT_ROW,
    R_CALLS,
    R_OUTS,
    R_TICKS,
    SET_WATCH,
    WATCH_CH,
    WATCH_CLOCK,
    WATCH_FRAMES,
    WATCH_N,
    WATCH_RING,
    WATCH_ROW,
    WATCH_SOURCE,
    WATCHES,
)  # fmt: skip
from .steps import Plan

MAGIC = 0x7A7261636B01
SEQ, VERSION, NAMES_SIZE, STATE_SIZE, NODES, PORTS, PID = range(1, 8)
HEAD = 64 * 8
CELLS_AT = HEAD  # headers of two engines: the one that plays, and the next or the last one
WATCH_AT = CELLS_AT + 2 * 8 * E_CELLS
RINGS_AT = WATCH_AT + 8 * WATCH_ROW * WATCHES
RING = 1 << 15  # floats of one watched port
STATE_AT = RINGS_AT + 4 * RING * WATCHES
STATE_ROOM = 1 << 16
LEVELS_AT = STATE_AT + STATE_ROOM
MANY = 1 << 16  # ports, and nodes, that there is room for
CPU_AT = LEVELS_AT + 4 * MANY
NAMES_AT = CPU_AT + 4 * MANY
NAMES_ROOM = 1 << 22
SIZE = NAMES_AT + NAMES_ROOM


def folder() -> Path:
    """The user's runtime folder."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    place = Path(given) if given else Path(tempfile.gettempdir()) / f"zrack-{os.getuid()}"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place


class Page:
    """The mapped file as either side sees it."""

    def __init__(self, path: Path, create: bool = False) -> None:
        if create:
            path.unlink(missing_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with open(path, "r+b") as f:
            if create:
                f.truncate(SIZE)
            self.map = mmap.mmap(f.fileno(), SIZE)
        self.path = path
        self.head = np.frombuffer(self.map, np.int64, 64)
        self.cells = np.frombuffer(self.map, np.int64, 2 * E_CELLS, CELLS_AT).reshape(2, E_CELLS)
        self.watches = np.frombuffer(self.map, np.int64, WATCH_ROW * WATCHES, WATCH_AT).reshape(WATCHES, WATCH_ROW)
        self.rings = np.frombuffer(self.map, np.float32, RING * WATCHES, RINGS_AT).reshape(WATCHES, RING)
        self.levels = np.frombuffer(self.map, np.float32, MANY, LEVELS_AT)
        self.cpu = np.frombuffer(self.map, np.float32, MANY, CPU_AT)
        if create:
            self.rings.fill(0)  # touches every page: the audio thread writes here
            self.head[0] = MAGIC
            self.head[PID] = os.getpid()


class Telemetry:
    """The session's side."""

    def __init__(self, path: Path) -> None:
        self.page = Page(path, create=True)
        self.plan: Plan | None = None
        self.version = 0
        self.slot = 1
        self.watched: dict[int, tuple[str, str]] = {}
        self._rows: list[np.ndarray] = []  # kept while the audio thread may read them

    def _lay_out(self, plan: Plan) -> None:
        """Where each node's and port's figures are among the plan's records."""
        base = plan.record_cells.ctypes.data
        nodes: dict[str, int] = {}
        ticks: list[int] = []
        owner: list[int] = []
        ports: list[tuple[str, str]] = []
        peaks: list[int] = []
        where = {b.at: key for key, b in plan.outlets.items()}
        for at, step in plan.records.items():
            first = (at - base) // 8
            owner.append(nodes.setdefault(step.node, len(nodes)))
            ticks.append(first)
            for k, out in enumerate(step.outs):
                key = where.get(out.at)
                if key is not None and key[0] == step.node:
                    ports.append(key)
                    peaks.append(first + R_OUTS + k * OUT_ROW + OUT_PEAK)
        self.plan, self.version = plan, self.version + 1
        self.ticks, self.owner = np.array(ticks), np.array(owner)
        self.peaks, self.ports = np.array(peaks, np.int64), ports
        self.nodes = list(nodes)
        self.before = np.zeros((2, len(ticks)))
        rows = [plan.rows_at + 8 * step.offset for step in plan.records.values()]
        names = msgpack.packb({"nodes": self.nodes, "ports": ports, "rows": rows, "owners": owner})
        page = self.page
        page.head[SEQ] += 1
        if len(names) <= NAMES_ROOM:
            page.map[NAMES_AT : NAMES_AT + len(names)] = names
            page.head[NAMES_SIZE] = len(names)
        page.head[[VERSION, NODES, PORTS]] = self.version, len(self.nodes), len(ports)
        page.head[SEQ] += 1

    def write(self, engine: Engine, state: dict[str, Any]) -> None:
        """Levels since the last call, mean CPU cycles a block of each node, and `state`."""
        if engine.plan is not self.plan:
            self._lay_out(engine.plan)
            self._watch_again(engine)
        assert self.plan is not None
        cells = self.plan.record_cells
        levels = cells[self.peaks].astype(np.int32).view(np.float32)
        cells[self.peaks] = 0
        now = np.stack([cells[self.ticks + R_TICKS], cells[self.ticks + R_CALLS]]).astype(float)
        spent = now - self.before
        self.before = now
        each = np.divide(spent[0], spent[1], out=np.zeros(len(self.ticks)), where=spent[1] > 0)
        cpu = np.bincount(self.owner, each, len(self.nodes))
        text = msgpack.packb(state)
        page = self.page
        page.head[SEQ] += 1
        n = min(len(levels), MANY)
        page.levels[:n] = np.maximum(levels, page.levels[:n] * 0.7)[:n]
        m = min(len(cpu), MANY)
        page.cpu[:m] = np.where(cpu > 0, cpu, page.cpu[: len(cpu)])[:m]
        if len(text) <= STATE_ROOM:
            page.map[STATE_AT : STATE_AT + len(text)] = text
            page.head[STATE_SIZE] = len(text)
        page.head[SEQ] += 1

    def watch(self, engine: Engine, slot: int, node: str = "", outlet: str = "") -> None:
        """Copies the samples of an outlet into ring `slot` from now on; without a node, stops."""
        if not 0 <= slot < WATCHES:
            raise ValueError(f"there are {WATCHES} places to watch from")
        self.watched.pop(slot, None)
        if node:
            self.watched[slot] = (node, outlet)
        self._send(engine, slot)

    def _watch_again(self, engine: Engine) -> None:
        for slot in list(self.watched):
            self._send(engine, slot)

    def _send(self, engine: Engine, slot: int) -> None:
        b = engine.plan.outlets.get(self.watched.get(slot, ("", "")))
        row = np.zeros(WATCH_ROW, np.int64)
        if b is not None:
            columns = max(b.channels, 1)
            row[[WATCH_SOURCE, WATCH_CH, WATCH_CLOCK]] = b.at, b.channels, b.clock
            row[WATCH_RING], row[WATCH_FRAMES] = self.page.rings[slot].ctypes.data, RING // columns
        self._rows = [*self._rows[-4 * WATCHES :], row]
        engine.control(0, SET_WATCH, slot, row.ctypes.data, 0)

    def spare(self) -> np.ndarray:
        """Cells for the header of the next engine; should it crash, they name the node."""
        self.slot = 1 - self.slot
        cells: np.ndarray = self.page.cells[self.slot]
        cells[:] = 0
        return cells

    def attach(self, engine: Engine) -> None:
        """Lets this engine write the watched samples."""
        self.page.watches[:, WATCH_SOURCE] = 0  # these are another engine's
        engine.watches(self.page.watches.ctypes.data)
        self.plan = None

    def close(self) -> None:
        """Takes the file away; who has it mapped may go on looking."""
        self.page.path.unlink(missing_ok=True)


class View:
    """A client's side.  Raises FileNotFoundError where no session runs."""

    def __init__(self, path: Path) -> None:
        self.page = Page(path)
        self.version = -1
        self.nodes: list[str] = []
        self.ports: list[tuple[str, str]] = []
        self._last: tuple[dict[str, Any], dict[str, float], dict[tuple[str, str], float]] = {}, {}, {}

    def look(self) -> tuple[dict[str, Any], dict[str, float], dict[tuple[str, str], float]]:
        """State, mean CPU cycles a block by node, and peak level by (node, outlet)."""
        page = self.page
        for _ in range(1000):
            seq = int(page.head[SEQ])
            if seq % 2:
                continue
            if page.head[VERSION] != self.version:
                raw = bytes(page.map[NAMES_AT : NAMES_AT + int(page.head[NAMES_SIZE])])
                version = int(page.head[VERSION])
            else:
                raw, version = b"", self.version
            state = bytes(page.map[STATE_AT : STATE_AT + int(page.head[STATE_SIZE])])
            cpu, levels = page.cpu[: page.head[NODES]].copy(), page.levels[: page.head[PORTS]].copy()
            if int(page.head[SEQ]) == seq:
                break
        else:  # the session was interrupted while it wrote, or has died: what was seen last
            return self._last
        if raw:
            names = msgpack.unpackb(raw)
            self.nodes, self.ports, self.version = names["nodes"], [tuple(p) for p in names["ports"]], version
        found = msgpack.unpackb(state) if state else {}
        self._last = found, dict(zip(self.nodes, cpu.tolist())), dict(zip(self.ports, levels.tolist()))
        return self._last

    def samples(self, slot: int, frames: int) -> np.ndarray:
        """The last `frames` of what is watched in `slot`, float32 [frames, channels]; fewer where fewer were played."""
        row = self.page.watches[slot].copy()
        channels, room, written = int(row[WATCH_CH]), int(row[WATCH_FRAMES]), int(row[WATCH_N])
        if not row[WATCH_SOURCE] or not channels:
            return np.zeros((0, 1), np.float32)
        n = min(frames, room // 2, written)
        at = np.arange(written - n, written) % room
        seen: np.ndarray = self.page.rings[slot][: room * channels].reshape(room, channels)[at]
        return seen


def culprit(path: Path) -> str | None:
    """The node that ran when the session whose page lies here stopped; None where none did or nothing is known."""
    try:
        page = Page(path)
        names = msgpack.unpackb(bytes(page.map[NAMES_AT : NAMES_AT + int(page.head[NAMES_SIZE])]))
    except (OSError, ValueError, msgpack.UnpackException):
        return None
    where = dict(zip(names["rows"], names["owners"], strict=True))
    for at in page.cells[:, E_AT].tolist():
        if at in where:
            return str(names["nodes"][where[at]])
    return None
