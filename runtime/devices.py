"""A sound device that plays decks through the compiled callback, is lost and is found again."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from . import ticks
from .decks import CHUNK, Deck
from .engine import Engine
from .layout import *  # noqa: F403 - cell names, all constants
from .library import function
from .portaudio import BAD_PAIR, BAD_RATE, NULL, Card, DeviceError, Null, find, listing, look, portaudio, rescan

__all__ = ["NULL", "Device", "DeviceError", "find", "listing"]

RETRY = 2.0
"""Seconds between two looks for a device that was lost."""
SILENT = 1.0
"""Seconds without a callback after which a device counts as lost."""
XRUNS = ("input_underflow", "input_overflow", "output_underflow", "output_overflow")


@dataclass(eq=False)
class Run:
    """One opening of a device: the memory of its callback, and the stream.  `make` gets the address of the cells."""

    make: Callable[[int], Card | Null]
    names: tuple[str, str]
    channels: tuple[int, int]
    rate: int
    fade: float

    def __post_init__(self) -> None:
        self.e = e = np.zeros(D_CELLS, np.int64)
        self.hist, self.flags = np.zeros(HISTOGRAM, np.int64), np.zeros(5, np.int64)
        self.peaks = np.zeros(max(self.channels[1], 1), np.float32)
        e[D_HIST], e[D_FLAGS], e[D_PEAKS] = self.hist.ctypes.data, self.flags.ctypes.data, self.peaks.ctypes.data
        e[D_CHUNK], e[D_IN_CH], e[D_OUT_CH], e[D_FADE] = CHUNK, *self.channels, max(round(self.fade * self.rate), 1)
        e.view(np.float64)[[D_RATE, D_NOMINAL]] = self.rate, ticks.hz() / self.rate
        self.lent: tuple[np.ndarray, ...] = ()
        self.decks: list[Deck] = []  # what the callback may look at: the one that plays, the one that comes
        self.base = self.count()
        self.stream = self.make(int(e.ctypes.data))

    def store(self, cell: int, value: int) -> None:
        """An atomic store into a cell."""
        function("store")(int(self.e.ctypes.data) + 8 * cell, value)

    def count(self) -> tuple[np.ndarray, np.ndarray, int, int, int]:
        """What is counted: durations, flags, calls, frames, busy cycles."""
        return self.hist.copy(), self.flags.copy(), int(self.e[D_CALLS]), int(self.e[D_FRAMES]), int(self.e[D_BUSY])


_open: list[Run] = []
"""Every run of this process: a callback may still come from a device that was lost, so none of their memory is freed."""


class Device:
    """A device that plays `engine` (None: silence until `switch`).  It opens stopped; `play` fades in.

    `output` and `input` are texts for `find`, or "null"; `input` None hears nothing.  `rate` None is the engine's, where the
    device refuses it the device's own, with conversion.  `buffer` 0 leaves the frames a buffer to the device.  `fade` is
    seconds.  An engine with inputs needs a lead of block − 1.  With `wait`, a device that is not there is waited for.  `notes`
    are sentences about what is not as it was asked for.  One thread at a time opens, plays, stops, switches and watches.

    Raises DeviceError.
    """

    def __init__(
        self, engine: Engine | None, output: str = "", input: str | None = None, *, rate: int | None = None, buffer: int = 0,
        out_map: Sequence[int] | None = None, in_map: Sequence[int] | None = None, fade: float = 0.01, wait: bool = False,
    ) -> None:  # fmt: skip
        self.wanted, self.asked, self.buffer, self.maps, self.fade = (output, input), rate, buffer, (out_map, in_map), fade
        self.notes: list[str] = []
        self.lost = ""  # the device that is waited for
        self._engine = engine
        self._run: Run | None = None
        self._found: Run | None = None
        self._ended = threading.Event()
        try:
            self._take(self._make())
        except DeviceError as error:
            if not wait and (output or input):
                raise
            self._nothing(str(error))

    # -------------------------------------------------------------------------------------------- open, lose, find

    def _make(self) -> Run:
        """A stream on what is wanted, not started yet.  Raises DeviceError."""
        output, input = self.wanted
        if output == NULL:
            return self._null(self._rates(None)[0], (0, max(2, self._engine.out_channels if self._engine else 0)))
        out = find(output, "output")
        into = find(input, "input") if input is not None else None
        names = (into["label"] if into else "", out["label"])
        channels = (min(into["inputs"], 64) if into else 0, self._wide(out))
        indices = (into["index"] if into else -1, out["index"])
        sd, rates = portaudio(), self._rates(out)
        for rate in rates:
            try:
                return Run(partial(Card, indices, channels, rate, self.buffer), names, channels, rate, self.fade)
            except sd.PortAudioError as error:
                code = error.args[1] if len(error.args) > 1 else 0
                if code == BAD_RATE and rate != rates[-1]:
                    continue
                if code == BAD_PAIR:
                    text = f"{names[0]} and {names[1]} cannot be opened together; take both from one system, or run JACK"
                    raise DeviceError(text) from None
                where = f"{rate} Hz, {self.buffer} frames a buffer" if self.buffer else f"{rate} Hz"
                raise DeviceError(f"{names[1]} cannot be opened at {where}: {error.args[0].split(': ')[-1]}") from None
        raise AssertionError

    def _null(self, rate: int, channels: tuple[int, int]) -> Run:
        return Run(partial(Null, *channels, rate, self.buffer), ("", NULL), channels, rate, self.fade)

    def _rates(self, out: dict[str, Any] | None) -> list[int]:
        """Rates to try, the wanted one first."""
        own = out["rate"] if out else 48000
        first = self.asked or (self._engine.rate if self._engine else own)
        return [first] if self.asked or not out or first == own else [first, own]

    def _wide(self, out: dict[str, Any]) -> int:
        """Output channels to open: all of a sound card, but not the many that a sound server only offers."""
        need = max(2, self._engine.out_channels if self._engine else 0, len(self.maps[0] or ()))
        return int(out["outputs"] if out["outputs"] <= 32 else min(out["outputs"], need))

    def _take(self, run: Run) -> None:
        """Lets a run take over from the one before.  Raises DeviceError where it does not start; then nothing plays."""
        before, self._run = self._run, run
        if before is not None:
            run.e[D_WANT] = before.e[D_WANT]
            before.e[[D_DECK, D_NEXT, D_WANT]] = 0
            if isinstance(before.stream, Null):
                before.stream.close()
                _open.remove(before)
        if self._engine is not None:
            run.decks = [self.deck(self._engine)]
            run.e[D_DECK] = run.decks[0].address
            self.notes += [n for n in run.decks[0].notes if n not in self.notes]
        self._seen, self._moved, self.lost = -1, time.monotonic(), ""
        _open.append(run)
        try:
            run.stream.start()
        except portaudio().PortAudioError as error:
            raise DeviceError(f"{run.names[1]} does not start: {error.args[0].split(': ')[-1]}") from None

    def _nothing(self, why: str) -> str:
        """Time goes on without a device, and a thread looks for it.  A sentence about that."""
        before = self._run
        channels = before.channels if before else (0, max(2, self._engine.out_channels if self._engine else 0))
        self._take(self._null(before.rate if before else self._rates(None)[0], channels))
        self.lost = self.wanted[0] or "a device"
        self.notes.append(f"{why}; it plays on in silence until {self.lost} is there")
        threading.Thread(target=self._search, args=(before,), name="device search", daemon=True).start()
        return self.notes[-1]

    def _search(self, gone: Run | None) -> None:
        """Looks for the wanted device until it can be opened; `watch` takes it then."""
        if gone is not None:
            gone.stream.close(lost=True)
        wait = RETRY
        while not self._ended.wait(wait):
            output, input = self.wanted
            try:
                devices = look()
                find(output, "output", devices)
                if input is not None:
                    find(input, "input", devices)
            except DeviceError:
                continue
            try:
                if not any(isinstance(r.stream, Card) and r.stream.active for r in _open):  # it would end them too
                    rescan()
                self._found = self._make()
                return
            except (DeviceError, OSError, portaudio().PortAudioError):
                wait = min(2 * wait, 60.0)  # it is there, but not to be had

    def watch(self) -> str | None:
        """Notices a lost device and takes it again when it is found.  Call it twice a second; a sentence on a change."""
        found, self._found = self._found, None
        if found is not None:
            try:
                self._take(found)
            except DeviceError as error:
                return self._nothing(str(error))
            return f"{found.names[1]} is there and plays"
        run, now = self._now, time.monotonic()
        if isinstance(run.stream, Null):
            return None
        calls = int(run.e[D_CALLS])
        if calls != self._seen:
            self._seen, self._moved = calls, now
        if run.stream.active and now - self._moved < SILENT:
            return None
        return self._nothing(f"{run.names[1]} is gone")

    def close(self) -> None:
        """Fades out and lets the device go."""
        self._ended.set()
        if self._run is not None:
            self.stop()
            active = self._run.stream.active
            self._run.stream.close()
            if active:
                _open.remove(self._run)
            self._run.e[[D_DECK, D_NEXT]] = 0

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _now(self) -> Run:
        assert self._run is not None
        return self._run

    # -------------------------------------------------------------------------------------------- play

    def deck(self, engine: Engine) -> Deck:
        """An engine made fit for this device; `notes` of it say what does not fit."""
        run = self._now
        made = Deck(engine, *run.channels, run.rate, run.names[1], *self.maps)
        if isinstance(run.stream, Null):
            made.notes.clear()  # nobody hears it anyway
        return made

    def switch(self, deck: Deck, timeout: float = 2.0) -> None:
        """Changes over to another deck by a crossfade; when this returns, the old one is free.

        Raises DeviceError where no callback comes; the deck is taken as soon as one does.
        """
        run = self._now
        run.decks.append(deck)
        self._engine = deck.engine
        run.store(D_NEXT, deck.address)
        if not self._until(lambda: not run.e[D_NEXT], timeout):
            raise DeviceError(f"{run.names[1]} takes no other patch, as it does not run")
        run.decks = [deck]

    def play(self) -> None:
        """Lets time run, with a fade."""
        self._now.store(D_WANT, 1)

    def stop(self, fade: bool = True) -> None:
        """Fades out (or stops at once); when this returns, sample time stands still."""
        run = self._now
        kept = int(run.e[D_FADE])
        if not fade:
            run.e[D_FADE] = 1
        run.store(D_WANT, 0)
        if self._until(lambda: not run.e[D_GAIN], 0.5):
            calls = int(run.e[D_CALLS])
            self._until(lambda: run.e[D_CALLS] != calls, 0.5)  # the callback that faded has ended
        run.e[D_FADE] = kept

    @property
    def running(self) -> bool:
        """Whether sample time runs, or is about to."""
        return bool(self._now.e[D_WANT])

    def _until(self, done: Callable[[], Any], timeout: float) -> bool:
        end = time.monotonic() + timeout
        while not done():
            if time.monotonic() > end or not self._now.stream.active:
                return bool(done())
            time.sleep(0.001)
        return True

    def exchange(self, frames: int, sound: np.ndarray | None = None, channel: int = 0) -> Callable[[], np.ndarray]:
        """Captures the next `frames` of input and, beginning with the same frame, sends a sound [n] to an output channel.

        The answer gives what was captured so far, float32 [n, inputs].
        """
        run = self._now
        run.e[D_CAPTURE] = 0
        kept = np.zeros((frames, max(run.channels[0], 1)), np.float32)
        given = np.ascontiguousarray(sound if sound is not None else [], np.float32)
        run.lent = kept, given
        run.e[[D_SENT, D_CAPTURED]] = 0
        run.e[D_SEND], run.e[D_SEND_N], run.e[D_SEND_CH] = given.ctypes.data, len(given), channel
        run.e[D_CAPTURE_N] = frames
        run.store(D_CAPTURE, kept.ctypes.data)
        return lambda: kept[: int(run.e[D_CAPTURED])]

    # -------------------------------------------------------------------------------------------- what it says

    def sample(self, unix: float) -> int:
        """The sample of the engine that sounds at a wall-clock time (seconds since 1970), by the smoothed clock."""
        run = self._now
        before = -1
        while before != run.e[D_SEQ] or before % 2:
            before = int(run.e[D_SEQ])
            stamp = run.e[D_SEQ + 1 : D_SEQ + 4].copy()
        due, pace = (float(x) for x in stamp.view(np.float64)[:2])
        cycle, wall = ticks.pair(time.time)
        if pace == 0.0 or self._engine is None:
            return 0
        frames = (cycle + (unix - wall) * ticks.hz() - due) / pace - run.stream.latency[1] * run.rate
        return int(stamp[2]) + math.floor(frames * self._engine.rate / run.rate + 0.5)

    def reset(self) -> None:
        """Counts and times start again."""
        run = self._now
        run.base = run.count()
        run.e[D_LONGEST] = 0
        run.peaks[:] = 0.0

    def peaks(self) -> list[float]:
        """The largest magnitude of each device channel since the last call."""
        peaks = self._now.peaks
        out = [float(p) for p in peaks]
        peaks[:] = 0.0
        return out

    def status(self) -> dict[str, Any]:
        """How it goes: device, rate, buffer, callbacks since `reset`, their times in µs, xruns, latency in seconds."""
        run = self._now
        now, then = run.count(), run.base
        hist, flags = now[0] - then[0], now[1] - then[1]
        calls, frames, busy = (a - b for a, b in zip(now[2:], then[2:]))
        us = 1e6 / ticks.hz()
        into, out = run.stream.latency
        return {
            "output": run.names[1], "input": run.names[0], "lost": self.lost, "playing": self.running,
            "inputs": run.channels[0], "outputs": run.channels[1], "rate": run.rate,
            "engine_rate": self._engine.rate if self._engine else run.rate, "buffer": self.buffer, "calls": calls,
            "frames": frames, "xruns": {name: int(n) for name, n in zip(XRUNS, flags)},
            "load": busy * us / 1e6 * run.rate / frames if frames else 0.0,
            "us": {name: quantile(hist, q) * us for name, q in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))}
            | {"max": int(run.e[D_LONGEST]) * us},
            "latency": {"input": into, "output": out, "conversion": run.decks[-1].latency if run.decks else 0.0},
        }  # fmt: skip


def quantile(hist: np.ndarray, q: float) -> float:
    """Cycles below which a share `q` of the callbacks stayed, to one part in 22."""
    total = int(hist.sum())
    if total == 0:
        return 0.0
    k = int(np.searchsorted(np.cumsum(hist), q * total))
    return float(2.0 ** ((min(k, HISTOGRAM - 1) + 0.5) / 16))
