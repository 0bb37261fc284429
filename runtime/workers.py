"""Work nodes: ordinary Python in a process of its own, behind rings that are addressed by absolute time.

The engine writes a work node's inlets into a ring and reads its outlets one latency later; it waits for nothing.
Latency is the time to gather a hop plus the slack that the worker has (`runtime.hops`).  The memory is a file in the
user's runtime folder that both processes map.
"""

from __future__ import annotations

import ctypes
import inspect
import math
import mmap
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from graph import PatchError
from nodes import catalog
from nodes.base import Node
from nodes.ml.contract import ModelError

from . import nursery
from .hops import Timing, timing
from .layout import *  # noqa: F403 - cell names, all constants
from .library import function
from .realtime import realtime

SOON, LONG = 0.004, 0.02
"""Seconds: whose work has less than SOON waits to be woken; others look when it is time, and after LONG if nothing moves."""
STOP, OFFLINE, SKIPPED, DONE, FAILED, READY, RUNS = (W_CTL + k for k in range(7))
Line = tuple[str, int, bool]
"""An inlet or outlet of a work node: its name, channels, and whether it is a latent."""
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

    def __init__(self, path: Path, times: Timing, inputs: Sequence[Line], outputs: Sequence[Line]) -> None:
        self.times, self.inputs, self.outputs = times, inputs, outputs
        samples = times.slots * math.ceil(times.hop)
        frames = [times.slots * max(n, 1) for n in (times.frames_in, times.frames_out)]
        widths = [sum(c for _, c, z in side if z == latent) for side in (inputs, outputs) for latent in (False, True)]
        shapes = [(samples, widths[0]), (frames[0], widths[1]), (samples, widths[2]), (frames[1], widths[3])]
        size = RINGS_AT + 4 * sum(a * b for a, b in shapes) + 16
        with open(path, "r+b") as f:
            if f.seek(0, 2) < size:
                f.truncate(size)
            self.map = mmap.mmap(f.fileno(), size)
        self.cells = np.frombuffer(self.map, np.int64, W_CELLS)
        self.address = int(self.cells.ctypes.data)
        self.semaphore = ctypes.c_void_p(self.address + SEM_AT)
        self.skips = np.frombuffer(self.map, np.int64, 2 * SKIPS, SKIPS_AT).reshape(SKIPS, 2)
        at, rings = RINGS_AT, []
        for shape in shapes:
            rings.append(np.frombuffer(self.map, np.float32, math.prod(shape), at).reshape(shape))
            at += 4 * math.prod(shape)
        self.input, self.latents_in, self.output, self.latents_out = rings
        self._got = np.zeros(1, np.int64)

    def lay_out(self) -> None:
        """Writes into the cells what the engine needs to know; once, where the rings are made."""
        c, t = self.cells, self.times
        c[[W_NUM, W_DEN, W_OFF]] = t.ratio
        c[[W_LATENCY, W_SHIFT, W_SLOTS, W_LENGTH]] = t.latency, t.shift, t.slots, len(self.input)
        c[W_SEM] = self.address + SEM_AT
        c[[W_IN, W_IN_CH]] = self.input.ctypes.data, self.input.shape[1]
        c[[W_OUT, W_OUT_CH]] = self.output.ctypes.data, self.output.shape[1]
        for first, ring, period in ((W_ZIN, self.latents_in, t.period_in), (W_ZOUT, self.latents_out, t.period_out)):
            period = period or Fraction(1)
            c[first : first + 5] = ring.ctypes.data, ring.shape[1], len(ring), period.numerator, period.denominator

    def take(self, k: int, samples: int | None = None) -> dict[str, np.ndarray]:
        """What came in at hop k: an array [samples or frames, channels] for every inlet."""
        start, n = self.times.start(k), self.times.frames_in
        end = self.times.start(k + 1) if samples is None else start + samples
        return _split(_rows(self.input, start, end), _rows(self.latents_in, k * n, (k + 1) * n), self.inputs)

    def give(self, k: int, made: Sequence[np.ndarray]) -> None:
        """Puts out what was made of hop k, an array for every outlet, in order.  Raises ValueError."""
        if not all(np.isfinite(array).all() for array in made):
            raise ValueError("put out a number that is not finite")
        n = self.times.frames_out
        spans = (self.times.start(k), self.times.start(k + 1)), (k * n, (k + 1) * n)
        columns = [0, 0]
        for (_, ch, latent), array in zip(self.outputs, made, strict=True):
            ring = self.latents_out if latent else self.output
            first, end = spans[latent]
            at, there = first % len(ring), slice(columns[latent], columns[latent] + ch)
            if len(array) != end - first:
                raise ValueError(f"put out {len(array)} frames where {end - first} are expected")
            whole = min(end - first, len(ring) - at)  # up to where the ring begins again
            ring[at : at + whole, there] = array[:whole]
            ring[: end - first - whole, there] = array[whole:]
            columns[latent] += ch
        self.put(W_SEQ + k % self.times.slots, k + 1)

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
        self.process: subprocess.Popen[bytes] | nursery.Child | None = None
        self.later = 0  # samples by which its work lags besides
        self.delay: float | None = 0.0  # samples by which what it makes lags by its nature
        self.heavy = False  # takes long to start: while others play, nobody waits for it
        self.begins = -1  # the hop that it was told to begin with, where it was added while others play
        self._runs = 0

    @classmethod
    def open(
        cls, kind: str, name: str, settings: dict[str, Any], data: dict[str, Any], seed: int, rate: int, block: int,
        inputs: Sequence[Line], outputs: Sequence[Line], folder: Path | None,
        periods: tuple[Fraction | None, Fraction | None] = (None, None), what: type[Node] | None = None,
    ) -> Port:  # fmt: skip
        """Makes the rings; `start` makes the process.  `periods` are those of the latents in and out, in samples.

        Raises PatchError for a hop that does not fit the block.
        """
        what = what or catalog.classes[kind]
        gathers = any(not latent for n, _, latent in inputs if n in what.spec.inlets)
        try:
            times = timing(what.every(settings, rate), block, int(settings.get("slack", 0)),
                           None if gathers else periods[0], periods[1])  # fmt: skip
        except ValueError as error:
            raise PatchError(f"node {name}: {error}") from None
        handle, text = tempfile.mkstemp(prefix="zrack-work-", dir=os.environ.get("XDG_RUNTIME_DIR") or None)  # mode 0600
        os.close(handle)
        rings = Rings(Path(text), times, inputs, outputs)
        rings.lay_out()
        _libc.sem_init(rings.semaphore, 1, 0)
        job = dict(kind=kind, name=name, settings={**settings, **data}, seed=seed, rate=rate, inputs=list(inputs),
                   outputs=list(outputs), folder=str(folder) if folder else None, path=text, times=times)  # fmt: skip
        port = cls(name, rings, Path(text), job)
        port.later, port.heavy, port.delay = what.later(settings, rate), what.heavy, what.lags(settings, rate)
        return port

    @property
    def latency(self) -> int:
        """Samples from an inlet to a signal outlet, and to a latent one the whole samples in its frames."""
        return self.rings.times.latency

    @property
    def transport(self) -> Fraction:
        """Samples from an inlet to the outlets with all that zrack adds; a latent's is a whole number of its frames."""
        times = self.rings.times
        return self.later + (times.shift * times.period_out if times.period_out else Fraction(times.latency))

    @property
    def slack(self) -> int:
        """Samples of time that the work has."""
        return self.rings.times.slack

    def start(self, offline: bool) -> None:
        """Starts the process; offline it may take its time, live it goes before all but the audio thread, where allowed."""
        self.rings.cells[OFFLINE] = int(offline)
        path = os.pathsep.join(p for p in sys.path if p)
        own = {k: v for k, v in os.environ.items() if k.startswith("ZRACK_")}  # as it is now, not when the nursery began
        own |= {"ZRACK_OFFLINE": str(int(offline)), "ZRACK_NODE": self.name}
        if self.heavy and nursery.possible():
            self.process = nursery.child(self.job, own)
            if not offline:
                realtime(self.process.pid, PRIORITY)
            return
        env = {**os.environ, "PYTHONPATH": path, **own}
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
        self.rings.put(READY, 0)  # first of all, or the old one would be told to begin
        process, self.process = self.process, None  # so that nobody takes its end for a failure
        if process is not None:
            process.kill()
            process.wait()
        self.begins = -1
        self.rings.put(W_FROM, -1)
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
        process = self.process
        if process is not None and process.poll() is not None and process is self.process and not self.rings.get(STOP):
            code = process.returncode
            self.rings.say(f"its process ended with code {code}" if code != -1 else "its process ended")
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


def _rows(ring: np.ndarray, first: int, end: int) -> np.ndarray:
    """Rows `first` to `end` of a ring that is addressed by absolute time."""
    at = first % len(ring)
    if at + end - first <= len(ring):
        return ring[at : at + end - first]
    return np.concatenate([ring[at:], ring[: at + end - first - len(ring)]])


def _split(block: np.ndarray, latents: np.ndarray, inputs: Sequence[Line]) -> dict[str, np.ndarray]:
    out, at = {}, [0, 0]
    for name, ch, latent in inputs:
        out[name] = (latents if latent else block)[:, at[latent] : at[latent] + ch].copy()
        at[latent] += ch
    return out


def serve(job: dict[str, Any]) -> None:
    """The worker process: takes hops until it is told to stop or its parent is gone."""
    times: Timing = job["times"]
    rings = Rings(Path(job["path"]), times, job["inputs"], job["outputs"])
    parent = os.getppid()
    try:
        catalog.load()
        folder = Path(job["folder"]) if job["folder"] else None
        cls: Any = catalog.classes.get(job["kind"])
        if cls is None:
            raise ValueError(f"there is no {job['kind']} here")
        if cls.spec.shaped is not None:
            cls = cls.variant(job["settings"], folder)  # its file may be another by now
        channels = job["outputs"][0][1] if job["outputs"] else 1
        thing = cls.open(job["rate"], channels, job["settings"], folder, job["seed"]) if hasattr(cls, "open") else None
        counted = "hop" in inspect.signature(cls.work).parameters
        rings.put(READY, 1)
        k, still, cells = 0, 0.0, rings.cells  # what no data depends on is read without a fence
        while True:
            position, stop, begins = rings.get(W_POS), cells[STOP], int(cells[W_FROM])
            k = max(k, begins)
            if times.ready(position) <= k or begins < 0:
                if stop or os.getppid() != parent:
                    break
                still = _wait(rings, times.due(k) - position, job["rate"], still)
                continue
            still = 0.0
            over = times.at(position - times.latency) if position >= times.latency else 0
            if not cells[OFFLINE] and over > k:
                rings.skip(k, over)  # their time is over: skipped, never queued
                k = over
                continue
            if any(first <= k < end for first, end in job.get("skips", ())):  # as it was then
                rings.put(W_SEQ + k % times.slots, k + 1)
                k += 1
                continue
            np.random.seed((job["seed"] + k) & 0x7FFFFFFF)
            made = cls.work(thing, **rings.take(k), **({"hop": k} if counted else {}))
            rings.give(k, made if isinstance(made, tuple) else (made,))
            k += 1
            rings.put(DONE, k)
        rest = rings.get(W_POS) - times.start(k)
        if rest > 0 and cls.partial:
            cls.work(thing, **rings.take(k, rest))
        if hasattr(cls, "close"):
            cls.close(thing)
    except Exception as error:
        rings.say(str(error) if isinstance(error, PatchError | ModelError) else f"{type(error).__name__}: {error}")


def _wait(rings: Rings, samples: int, rate: int, still: float) -> float:
    """Until the input is `samples` further, or for a while: then the parent is looked for.

    Somebody who waits at the semaphore has to be woken by the audio thread, which takes it 10 µs and more.  So who has time
    sleeps instead for as long as that takes; longer where nothing has moved for `still` seconds.  Gives that time.
    """
    cells, slack = rings.cells, rings.times.slack / rate
    if cells[OFFLINE] or cells[W_FROM] < 0 or slack < SOON:
        now = time.time() + 0.25
        until = _Time(int(now), int((now % 1) * 1e9))
        _libc.sem_timedwait(rings.semaphore, ctypes.byref(until))
        return 0.0
    before = int(cells[W_POS])
    pause = LONG if still > 0.25 else max(samples / rate, slack / 20)
    time.sleep(pause)
    return still + pause if cells[W_POS] == before else 0.0


if __name__ == "__main__":
    serve(pickle.load(sys.stdin.buffer))  # noqa: S301 - from our own parent, over a pipe
