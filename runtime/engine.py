"""Python's side of the compiled engine: memory, plans, controls and what it reports."""

from __future__ import annotations

import contextlib
import ctypes
import math
import threading
import time as clock
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from graph import Patch, PatchError

from .hiring import FROM
from .layout import *  # noqa: F403 - cell names, all constants
from .library import addresses, function
from .memory import Counts, Memory, touched
from .order import Order, Rack, Unordered, arrange, rack_of
from .plan import make_plan
from .steps import Plan, Progress, bits
from .swap import identify, union, without
from .workers import Port

RING = 4096
FADE = 0.01
"""Seconds in which a cable that comes or goes is faded."""


@dataclass(frozen=True)
class Fault:
    """A node that was bypassed: when (sample), which, and why."""

    time: int
    node: str
    reason: str


class Refit(PatchError):
    """A patch that needs more channels than the engine has; another engine can play it."""


class Engine:
    """Runs plans block by block.  Knows no device, no file, no screen.

    `lead` is how many frames the output is behind the input; block − 1 serves any device buffer, 0 needs buffers that
    are whole blocks.  Live (`offline` False), plans are swapped while it plays: `stages`, then `publish` each.  `log`
    is how many applied controls are kept for who reads them (a power of two); `cells` may be shared memory.
    """

    def __init__(
        self, patch: Patch, offline: bool = True, lead: int = 0, fused: bool = True, checks: bool = True,
        progress: Progress | None = None, log: int = 0, cells: np.ndarray | None = None, tap: int = 0, replay: bool = False,
        skips: Mapping[Hashable, list[tuple[int, int]]] = {},
    ) -> None:  # fmt: skip
        self.rate, self.block, self.offline = patch.rate, patch.block, offline
        self.memory = Memory()
        self.lock = threading.Lock()  # one at a time pushes
        self.rack: Rack | None = None
        self.order: Order | None = None
        self.workers: dict[Hashable, Port] = {}  # by instance
        self._replay = replay
        self._skips = skips  # hops that work nodes left out when what is replayed was played
        self._skipped: deque[tuple[Hashable, int, int]] = deque()
        self._users: Counts[Hashable] = Counts()
        self._tables: dict[Hashable, dict[str, Any]] = {}  # what nodes have loaded, by instance
        self._ids = count(1)
        self._published = self.collected = 0
        self._alive: dict[int, Plan] = {}
        self.published: Callable[[Plan], None] = lambda plan: None
        self._gone: deque[Plan] = deque(maxlen=8)  # faults may still name their steps
        self._progress = progress
        self.in_channels = self.out_channels = 0
        plan = next(self.stages(patch))
        self.in_channels, self.out_channels = plan.in_channels, plan.out_channels
        self.lead = lead = lead if self.in_channels else 0
        self._e = e = cells if cells is not None else np.zeros(E_CELLS, np.int64)
        self.address = int(e.ctypes.data)
        self._ring = touched((4 * RING if replay else RING, CONTROL_ROW))  # replayed, no control ever waits
        self._pending = touched((PENDING, CONTROL_ROW))
        self._log = touched((log, CONTROL_ROW))
        self._returned = np.zeros(64, np.int64)
        self._faults = touched((FAULT_CAP, FAULT_ROW))
        self._fifo = touched((self.block + lead) * self.out_channels + 16, np.float32)
        self._last = np.zeros(max(self.out_channels, 1), np.float32)
        e[[E_BLOCK, E_MASK, E_OUT_CH, E_IN_CH]] = self.block, len(self._ring) - 1, self.out_channels, self.in_channels
        e[E_RING], e[E_FAULTS], e[E_OUT_FIFO] = self._ring.ctypes.data, self._faults.ctypes.data, self._fifo.ctypes.data
        e[E_LOG], e[E_LOG_CAP], e[E_LAST] = self._log.ctypes.data, log, self._last.ctypes.data
        e[E_PENDING], e[E_RETURNED] = self._pending.ctypes.data, self._returned.ctypes.data
        e[E_IN_BUF] = self.memory.take("device input", 4 * self.block * max(self.in_channels, 1))
        e[E_OFFLINE] = 2 if replay else int(offline)  # in a replay, failures come from the log
        e[E_OUT_HAVE], e[E_BYPASS] = lead, addresses()["bypass"]
        e[E_SEM_POST] = ctypes.cast(ctypes.CDLL(None).sem_post, ctypes.c_void_p).value or 0
        e[E_CHECKS], e[E_WINDOW] = int(checks), 8 if checks else 0
        self.tapped = [touched((tap, max(c, 1)), np.float32) for c in (self.out_channels, self.in_channels)]
        if tap:
            e[[E_TAP, E_TAP_IN]], e[E_TAP_FRAMES] = [t.ctypes.data for t in self.tapped], tap
        self._got = np.zeros(1, np.int64)
        self._seen_faults = 0
        self._failed: set[tuple[str, str]] = set()
        self.plan: Plan = plan
        for port in plan.ports.values():
            if port.rings.cells[W_FROM] >= 0:
                port.wait_ready()
        self.fused = threading.Thread(target=plan.fuse, daemon=True)
        if fused:  # live, the loops are walked until their fused kernels are there; the samples are the same
            self.fused.start()
            if offline:
                self.fused.join()
        self.publish(plan)

    # ------------------------------------------------------------------ plans

    def stages(self, patch: Patch) -> Iterator[Plan]:
        """The plans that lead from what plays to `patch`, each made when it is asked for.  To be published one after the
        other: while one has `ramps`, the next must wait until they are done.  Raises PatchError, Refit,
        nodes.compile.CompileError.
        """
        new = rack_of(patch)
        order = arrange(new)
        ids = self._ids
        same = identify(new, order, self.rack, self.order, lambda: next(ids))
        steps: list[tuple[Rack, Order]] = []
        if self.rack is not None and self.order is not None:
            try:
                steps = self._between(self.rack, new, same)
            except Unordered:
                middle = without(self.rack, new, same)
                steps = [*self._between(self.rack, middle, {n: n for n in middle.nodes}), (middle, arrange(middle))]
                with contextlib.suppress(Unordered):  # else it is a hard change
                    steps += self._between(middle, new, same)
        for rack, arranged in [*steps, (new, order)]:
            plan = self._make(rack, arranged)
            needs_in, needs = plan.needs
            if self.out_channels and (needs_in > self.in_channels or needs > self.out_channels):
                self._release(plan)
                raise Refit(f"the patch needs {needs_in} input and {needs} output channels")
            if rack is new:
                self.rack, self.order = new, order
            yield plan

    def _between(self, old: Rack, new: Rack, same: dict[str, str]) -> list[tuple[Rack, Order]]:
        rack = union(old, new, same)
        return [] if rack is None else [(rack, arrange(rack))]

    def _make(self, rack: Rack, order: Order) -> Plan:
        channels = (self.in_channels, self.out_channels) if self.out_channels else None
        plan = make_plan(rack, order, self.memory, self._progress, self.workers, self._tables, channels)
        self._progress = None
        self._alive[plan.address] = plan
        used = {plan.ids[name]: port for name, port in plan.ports.items()}
        self._users.add(used)
        for id, port in used.items():
            if id not in self.workers:
                self.workers[id] = port
                port.job["skips"] = self._skips.get(id, [])
                # what plays does not wait: it begins when it is ready, and in a replay when it was
                if self.out_channels or (port.heavy and (self._replay or not self.offline)):
                    port.rings.cells[W_FROM] = -1
                port.start(self.offline)
        return plan

    def _release(self, plan: Plan) -> None:
        """Gives back what only this plan used."""
        del self._alive[plan.address]
        self._gone.append(plan)
        self.memory.release(plan.used)
        playing = {id for p in self._alive.values() for id in p.ids.values()}
        self._tables = {id: table for id, table in self._tables.items() if id in playing}
        for id in self._users.drop([plan.ids[name] for name in plan.ports]):
            gone = self.workers.pop(id)
            self._skipped.extend((id, *run) for run in gone.skipped())
            threading.Thread(target=gone.close, daemon=True).start()

    def publish(self, plan: Plan, time: int = 0, ramps: bool = True) -> None:
        """Hands a plan over; the engine takes it at the edge of the block that holds sample `time` (0: the next)."""
        for port in plan.ports.values():
            port.rings.cells[W_ENGINE] = self.address
        with self.lock:
            self.published(plan)
            self._published += 1
            self._push(time, SET_PLAN, 0, plan.address, 0)
            for key, goal in plan.ramps if ramps else ():
                self._push(time, SET_PARAM, plan.targets[key], bits(goal), round(FADE * self.rate))
            self.plan = plan

    def collect(self, upto: int | None = None) -> None:
        """Frees the plans that the engine gave back, or only the first `upto` of all.  Call it from the thread that makes
        plans: what a plan finds in memory depends on which were freed before, so the event log counts them."""
        while upto is None or self.collected < upto:
            function("collect")(self.address)
            at = int(self._e[E_RR + 1])
            if at == 0:
                return
            self._release(self._alive[at])
            self.collected += 1

    @property
    def swaps(self) -> int:
        """Plans taken so far."""
        return int(self._e[E_SWAPS])

    @property
    def coming(self) -> int:
        """Plans that were handed over and not taken yet."""
        return self._published - self.swaps

    def begin(self) -> list[str]:
        """Lets work nodes begin whose process has become ready; gives their names."""
        begun = []
        for name, port in self.plan.ports.items():
            if port.rings.cells[W_FROM] < 0 and port.ready and port.name not in begun:
                first = port.rings.times.at(self.now + 2 * self.block) + 2
                if port.begins != first:
                    port.begins = first
                    self.turn((name, FROM), float(first))
                    begun.append(name)
        return begun

    # ------------------------------------------------------------------ controls

    def _push(self, time: int, kind: int, target: int, value: int, ramp: int) -> None:
        function("push")(self.address, time, kind << 32 | target, value, ramp)
        if not self._e[E_CW + 1]:
            raise BufferError("the control ring is full")

    def control(self, time: int, kind: int, target: int, value: int, more: int) -> None:
        """A control as the log keeps it: the number of its target and the bits of its value."""
        with self.lock:
            self._push(time, kind, target, value, more)

    def read_log(self) -> tuple[int, np.ndarray]:
        """The controls applied since the last call (rows: time, kind and target, value bits, ramp or index), and a sample
        time up to which they are all there; of the block that begins there, none is."""
        function("load")(self.address + 8 * E_NOW, self._got.ctypes.data)
        now, read = int(self._got[0]), int(self._e[E_LOG_R])
        function("load")(self.address + 8 * E_LOG_W, self._got.ctypes.data)
        rows = self._log[np.arange(read, int(self._got[0])) & (len(self._log) - 1)].copy()
        early = rows[:, 0] < now
        rows = rows if early.all() else rows[: int(early.argmin())]
        function("store")(self.address + 8 * E_LOG_R, read + len(rows))
        return now, rows

    @property
    def log_lost(self) -> int:
        """Controls that nobody read in time."""
        return int(self._e[E_LOG_LOST])

    def skipped(self) -> list[tuple[Hashable, int, int]]:
        """Runs of hops that work nodes left out since the last call: instance, first, end."""
        gone = [self._skipped.popleft() for _ in range(len(self._skipped))]
        return gone + [(id, *run) for id, port in list(self.workers.items()) for run in port.skipped()]

    def watches(self, address: int) -> None:
        """Rows of what is watched (`layout.WATCH_ROW`), in memory that stays."""
        self._e[E_WATCH] = address

    def late_work(self) -> int:
        """Hops that work nodes made too late."""
        return sum(port.late[0] for port in list(self.workers.values()))

    @property
    def at(self) -> int:
        """Address of the step that runs at this moment, 0 between blocks."""
        return int(self._e[E_AT])

    @property
    def late(self) -> int:
        """Controls that came after their time."""
        return int(self._e[E_LATE])

    def rearm(self, name: str) -> None:
        """Lets a node that was bypassed play again; failed work gets a new process."""
        self.again(name)
        self.turn((name, "bypass"), 0.0)

    def again(self, name: str) -> None:
        """A new process for a node whose work failed; nothing for every other."""
        port = self.plan.ports.get(name)
        if port is not None and port.fault():
            self.reload(name)

    def reload(self, name: str) -> None:
        """A new process for a node with work, which fades out and comes back fresh; nothing for every other."""
        port = self.plan.ports.get(name)
        if port is not None:
            self.turn((name, FROM), -1.0)
            port.again()
            self._failed = {f for f in self._failed if f[0] != name}

    @property
    def room(self) -> int:
        """Controls that still fit into the ring."""
        return len(self._ring) - int(self._e[E_CW] - self._e[E_CR])

    def set(self, node: str, port: str, value: float | str, time: int = 0, ramp: float | None = None) -> None:
        """Moves a param (in its unit), a choice (its name) or "bypass" (0 or 1) at sample `time`; 0 is at once.

        `ramp` seconds instead of the param's own smoothing.  Raises PatchError where there is no such param.
        """
        spec: Any = self.plan.specs.get(node)
        if (node, port) not in self.plan.targets or spec is None:
            raise PatchError(f"node {node} has no param or choice {port}")
        if port in spec.choices:
            options = spec.choices[port].options
            if value not in options:
                raise PatchError(f"node {node}: {port} is one of {', '.join(options)}, not {value}")
            self.turn((node, port), float(options.index(value)), time)
            return
        number = float(value)
        if not math.isfinite(number):
            raise PatchError(f"node {node}: {port} takes a number, not {value}")
        p = spec.params.get(port)
        smooth = p.smooth if ramp is None and p is not None else ramp or 0.0
        self.turn((node, port), number, time, round(smooth * self.rate))

    def turn(self, key: tuple[str, str], value: float, time: int = 0, more: int = 0) -> None:
        """A control for a target of the plan: `more` is the ramp in frames of a param, the index of a cell."""
        with self.lock:
            self._push(time, SET_PARAM, self.plan.targets[key], bits(value), more)

    def amount(self, cable: tuple[str, str, str, str], mode: str, delayed: bool, value: float) -> bool:
        """Turns the amount of a cable (source, outlet, destination, inlet); False where that needs another plan."""
        src, outlet, dst, inlet = cable
        key = (dst, f"{inlet}<{src}.{outlet} {mode}{' delayed' * delayed}")
        if key not in self.plan.targets:
            return False
        self.turn(key, value, 0, round(FADE * self.rate))
        return True

    # ------------------------------------------------------------------ sound

    @property
    def now(self) -> int:
        """Samples computed so far."""
        return int(self._e[E_NOW])

    def process(self, frames: int, source: np.ndarray | None = None) -> np.ndarray:
        """The next `frames` of output, float32 [frames, channels]; `source` is as many frames of input.

        Offline it waits for work nodes; one that failed is bypassed and stands in `faults`.
        """
        out = np.zeros((frames, self.out_channels), np.float32)
        x = None
        if source is not None and self.in_channels:
            x = np.zeros((frames, self.in_channels), np.float32)
            n = min(self.in_channels, source.shape[1])
            x[: len(source), :n] = source[:, :n]
        done = 0
        exchange = function("exchange")
        while done < frames:
            at = x.ctypes.data + 4 * done * self.in_channels if x is not None else 0
            exchange(self.address, at, out.ctypes.data + 4 * done * self.out_channels, frames - done)
            n = int(self._e[E_DONE])
            done += n
            if n == 0:
                for port in self.plan.ports.values():
                    port.fault()  # marks a dead process, so that nobody waits for it
                clock.sleep(0.0002)
        return out

    def faults(self) -> list[Fault]:
        """What was bypassed since the last call."""
        out = []
        n = int(self._e[E_FAULT_N])
        for k in range(max(self._seen_faults, n - FAULT_CAP), n):
            time, record, _, _ = self._faults[k % FAULT_CAP]
            name = self.step_name(int(record))
            out.append(Fault(int(time), name, "put out a number that is not finite"))
        self._seen_faults = n
        for port in list(self.workers.values()):
            text = port.fault()
            if text and (port.name, text) not in self._failed:
                self._failed.add((port.name, text))
                out.append(Fault(self.now, port.name, text))
        return out

    def step_name(self, record: int) -> str:
        """The node whose step has the record at this address."""
        for plan in [*self._alive.values(), *self._gone]:
            if record in plan.records:
                return plan.records[record].node
        return "?"

    def cpu(self) -> dict[str, float]:
        """Mean CPU cycles a block of each node since the plan was made; a loop counts as its first node."""
        total: dict[str, float] = {}
        for at, step in self.plan.records.items():
            cells = self.plan.record(at)
            if cells[R_CALLS]:
                total[step.node] = total.get(step.node, 0.0) + cells[R_TICKS] / cells[R_CALLS]
        return total

    def clock_frames(self) -> list[int]:
        """Frames of each latent clock in the block that was computed last."""
        return [int(c[L_COUNT]) for c in self.plan.clocks]

    def close(self) -> None:
        """Ends the workers."""
        for port in self.workers.values():
            port.close()
        self.workers.clear()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
