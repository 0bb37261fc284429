"""Work nodes: ordinary Python in a process of its own, behind rings that are addressed by absolute time.

The engine writes a work node's inlets into a ring and reads its outlets one latency later; it waits for nothing.
Latency is one hop (the time to gather it) plus the slack that the worker has, one hop in whole blocks.  The memory is
a file in the user's runtime folder that both processes map.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graph import PatchError

from .layout import (
    W_CELLS,
    W_CTL,
    W_FROM,
    W_HOP,
    W_IN,
    W_IN_CH,
    W_LATENCY,
    W_LENGTH,
    W_MAX_SLOTS,
    W_OUT,
    W_OUT_CH,
    W_POS,
    W_SEM,
    W_SEQ,
    W_SLOTS,
)  # fmt: skip
from .library import function
from .realtime import realtime

STOP, OFFLINE, SKIPPED, DONE, FAILED, READY, RUNS = (W_CTL + k for k in range(7))
PRIORITY = 10  # first-in-first-out, below that of any audio thread
SEM_AT = 8 * W_CELLS
TEXT_AT, TEXT_SIZE = SEM_AT + 64, 448
SKIPS_AT, SKIPS = TEXT_AT + TEXT_SIZE, 256  # runs of hops that were skipped: first, end
RINGS_AT = SKIPS_AT + 16 * SKIPS
_libc = ctypes.CDLL(None, use_errno=True)


class _Time(ctypes.Structure):
    _fields_ = [("sec", ctypes.c_long), ("nsec", ctypes.c_long)]


class Rings:
    """The shared memory of one work node, as either process sees it."""

    def __init__(self, path: Path, hop: int, slots: int, in_ch: int, out_ch: int) -> None:
        frames = hop * slots
        size = RINGS_AT + 4 * frames * (max(in_ch, 1) + max(out_ch, 1))
        with open(path, "r+b") as f:
            if f.seek(0, 2) < size:
                f.truncate(size)
            self.map = mmap.mmap(f.fileno(), size)
        self.cells = np.frombuffer(self.map, np.int64, W_CELLS)
        self.address = int(self.cells.ctypes.data)
        self.semaphore = ctypes.c_void_p(self.address + SEM_AT)
        self.skips = np.frombuffer(self.map, np.int64, 2 * SKIPS, SKIPS_AT).reshape(SKIPS, 2)
        split = RINGS_AT + 4 * frames * max(in_ch, 1)
        self.input = np.frombuffer(self.map, np.float32, frames * in_ch, RINGS_AT).reshape(frames, in_ch)
        self.output = np.frombuffer(self.map, np.float32, frames * out_ch, split).reshape(frames, out_ch)
        self._got = np.zeros(1, np.int64)

    def get(self, cell: int) -> int:
        """Atomic load of a cell."""
        function("load")(self.address + 8 * cell, self._got.ctypes.data)
        return int(self._got[0])

    def put(self, cell: int, value: int) -> None:
        """Atomic store of a cell."""
        function("store")(self.address + 8 * cell, value)

    def say(self, text: str) -> None:
        """Leaves a sentence for the other side and marks the work as failed: the engine bypasses its node."""
        raw = text.encode()[: TEXT_SIZE - 1]
        self.map[TEXT_AT : TEXT_AT + TEXT_SIZE] = raw.ljust(TEXT_SIZE, b"\0")
        self.put(FAILED, 1)

    def skip(self, first: int, end: int) -> None:
        """Notes that hops were left out."""
        n = self.get(RUNS)
        self.skips[n % SKIPS] = first, end
        self.put(RUNS, n + 1)
        self.put(SKIPPED, self.get(SKIPPED) + end - first)

    def said(self) -> str:
        return bytes(self.map[TEXT_AT : TEXT_AT + TEXT_SIZE]).split(b"\0")[0].decode(errors="replace")


class Port:
    """The engine's end of a work node: rings, and the process behind them."""

    def __init__(self, name: str, rings: Rings, path: Path, job: dict[str, Any]) -> None:
        self.name, self.rings, self.path, self.job = name, rings, path, job
        self.address = rings.address
        self.process: subprocess.Popen[bytes] | None = None
        self.begins = -1  # the hop that it was told to begin with, where it was added while others play
        self._runs = 0

    @classmethod
    def open(
        cls, kind: str, name: str, settings: dict[str, Any], data: dict[str, Any], seed: int, rate: int, block: int,
        inputs: Sequence[tuple[str, int]], outputs: Sequence[tuple[str, int]], folder: Path | None,
    ) -> Port:  # fmt: skip
        """Makes the rings; `start` makes the process.  Raises PatchError for a hop that does not fit the block."""
        hop = int(settings.get("hop", 1024))
        slack = -(-hop // block) * block
        latency = hop + slack
        slots = -(-(latency + hop + block) // hop) + 1
        if slots > W_MAX_SLOTS:
            raise PatchError(f"node {name}: a hop of {hop} is too short for a block of {block}")
        in_ch, out_ch = sum(c for _, c in inputs), sum(c for _, c in outputs)
        handle, text = tempfile.mkstemp(prefix="zrack-work-", dir=os.environ.get("XDG_RUNTIME_DIR") or None)  # mode 0600
        os.close(handle)
        rings = Rings(Path(text), hop, slots, in_ch, out_ch)
        c = rings.cells
        c[[W_HOP, W_LATENCY, W_LENGTH, W_SLOTS, W_IN_CH, W_OUT_CH]] = hop, latency, hop * slots, slots, in_ch, out_ch
        c[W_IN], c[W_OUT] = rings.input.ctypes.data, rings.output.ctypes.data
        _libc.sem_init(rings.semaphore, 1, 0)
        c[W_SEM] = rings.address + SEM_AT
        job = dict(kind=kind, name=name, settings={**settings, **data}, seed=seed, rate=rate, inputs=list(inputs),
                   outputs=list(outputs), folder=str(folder) if folder else None, path=text, hop=hop, slots=slots)  # fmt: skip
        return cls(name, rings, Path(text), job)

    @property
    def latency(self) -> int:
        """Samples from an inlet to the outlet."""
        return int(self.rings.cells[W_LATENCY])

    @property
    def slack(self) -> int:
        """Samples of time that the work has."""
        return self.latency - int(self.rings.cells[W_HOP])

    def start(self, offline: bool) -> None:
        """Starts the process; offline it may take its time, live it goes before all but the audio thread, where allowed."""
        self.rings.cells[OFFLINE] = int(offline)
        path = os.pathsep.join(p for p in sys.path if p)
        env = {**os.environ, "PYTHONPATH": path, "ZRACK_OFFLINE": str(int(offline)), "ZRACK_NODE": self.name}
        self.process = subprocess.Popen([sys.executable, "-m", "runtime.workers"], stdin=subprocess.PIPE, env=env)
        assert self.process.stdin is not None
        if not offline:
            realtime(self.process.pid, PRIORITY)
        self.process.stdin.write(pickle.dumps(self.job))
        self.process.stdin.close()

    def wait_ready(self, seconds: float = 30.0) -> None:
        """Waits until the process can take its first hop (or has failed)."""
        end = time.monotonic() + seconds
        while not self.rings.get(READY) and self.fault() is None and time.monotonic() < end:
            time.sleep(0.002)

    def again(self) -> None:
        """A new process in the place of one that failed.  It waits to be told with which hop to begin."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.begins = -1
        self.rings.put(W_FROM, -1)
        self.rings.put(READY, 0)
        self.rings.put(FAILED, 0)
        self.start(bool(self.rings.cells[OFFLINE]))

    @property
    def ready(self) -> bool:
        """Whether the process can take a hop."""
        return bool(self.rings.get(READY))

    def fault(self) -> str | None:
        """What went wrong in the process, or None."""
        if self.rings.get(FAILED):
            return f"node {self.name}: {self.rings.said()}"
        if self.process is not None and self.process.poll() is not None and not self.rings.get(STOP):
            self.rings.say(f"its process ended with code {self.process.returncode}")
            return self.fault()
        return None

    def skipped(self) -> list[tuple[int, int]]:
        """Runs of hops that were skipped since the last call: first, end."""
        n = self.rings.get(RUNS)
        first, self._runs = max(self._runs, n - SKIPS), n
        return [(int(a), int(b)) for a, b in self.rings.skips[np.arange(first, n) % SKIPS]]

    @property
    def late(self) -> tuple[int, int]:
        """Hops that were late, hops that were skipped."""
        from .layout import W_LATE

        return int(self.rings.cells[W_LATE]), self.rings.get(SKIPPED)

    def close(self) -> None:
        """Lets the process finish what it holds, and ends it."""
        self.rings.put(STOP, 1)
        _libc.sem_post(self.rings.semaphore)
        if self.process is not None:
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.path.unlink(missing_ok=True)


def _split(block: np.ndarray, inputs: list[tuple[str, int]]) -> dict[str, np.ndarray]:
    out, at = {}, 0
    for name, ch in inputs:
        out[name] = block[:, at : at + ch].copy()
        at += ch
    return out


def serve(job: dict[str, Any]) -> None:
    """The worker process: takes hops until it is told to stop or its parent is gone."""
    from nodes import catalog

    columns = [sum(c for _, c in job[side]) for side in ("inputs", "outputs")]
    rings = Rings(Path(job["path"]), job["hop"], job["slots"], *columns)
    hop, slots, parent = job["hop"], job["slots"], os.getppid()
    try:
        catalog.load()
        cls: Any = catalog.classes[job["kind"]]
        folder = Path(job["folder"]) if job["folder"] else None
        channels = job["outputs"][0][1] if job["outputs"] else 1
        thing = cls.open(job["rate"], channels, job["settings"], folder, job["seed"]) if hasattr(cls, "open") else None
        rings.put(READY, 1)
        k = 0
        while True:
            position, stop = rings.get(W_POS), rings.get(STOP)
            k = max(k, rings.get(W_FROM))
            if position // hop <= k or rings.get(W_FROM) < 0:
                if stop or os.getppid() != parent:
                    break
                _wait(rings)
                continue
            over = position - int(rings.cells[W_LATENCY]) - hop - k * hop
            if not rings.get(OFFLINE) and over >= 0:
                rings.skip(k, k + over // hop + 1)  # their time is over: skipped, never queued
                k += over // hop + 1
                continue
            if any(first <= k < end for first, end in job.get("skips", ())):  # as it was then
                rings.put(W_SEQ + k % slots, k + 1)
                k += 1
                continue
            at = (k % slots) * hop
            np.random.seed((job["seed"] + k) & 0x7FFFFFFF)
            made = cls.work(thing, **_split(rings.input[at : at + hop], job["inputs"]))
            made = made if isinstance(made, tuple) else (made,)
            if not all(np.isfinite(array).all() for array in made):
                raise ValueError("put out a number that is not finite")
            column = 0
            for (_, ch), array in zip(job["outputs"], made, strict=True):
                rings.output[at : at + hop, column : column + ch] = array
                column += ch
            rings.put(W_SEQ + k % slots, k + 1)
            k += 1
            rings.put(DONE, k)
        rest = rings.get(W_POS) - k * hop
        if rest > 0 and cls.partial:
            at = (k % slots) * hop
            cls.work(thing, **_split(rings.input[at : at + rest], job["inputs"]))
        if hasattr(cls, "close"):
            cls.close(thing)
    except Exception as error:
        rings.say(f"{type(error).__name__}: {error}")


def _wait(rings: Rings) -> None:
    """Until the engine posts, or a quarter of a second: then the parent is looked for."""
    now = time.time() + 0.25
    until = _Time(int(now), int((now % 1) * 1e9))
    _libc.sem_timedwait(rings.semaphore, ctypes.byref(until))


if __name__ == "__main__":
    serve(pickle.load(sys.stdin.buffer))  # noqa: S301 - from our own parent, over a pipe
