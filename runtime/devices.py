"""A sound device that plays decks through the compiled callback, is lost and is found again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import ticks
from .decks import CHUNK, Deck
from .engine import Engine
from .layout import *  # noqa: F403 - cell names, all constants
from .library import function
from .portaudio import BAD_PAIR, BAD_RATE, NULL, Card, DeviceError, Null, find, listing, portaudio, rescan

__all__ = ["NULL", "Device", "DeviceError", "find", "listing"]

RETRY = 2.0
"""Seconds between two looks for a device that was lost."""
SILENT = 1.0
"""Seconds without a callback after which a device counts as lost."""
XRUNS = ("input_underflow", "input_overflow", "output_underflow", "output_overflow")

_streams: set[Device] = set()
"""Those that hold a card: they must stay in memory, and PortAudio must not be restarted below another one."""


class Device:
    """A device that plays `engine` (None: silence until `switch`).  It opens stopped; `play` fades in.

    `output` and `input` are texts for `find`; `input` None hears nothing.  `rate` None is the engine's, where the device
    refuses it the device's own, with conversion.  `buffer` 0 leaves the frames a buffer to the device.  `fade` is seconds.
    An engine with inputs needs a lead of block − 1.  With `wait`, a device that is not there is waited for.  `notes` are
    sentences about what is not as it was asked for.  Not thread safe: one thread opens, switches and watches.

    Raises DeviceError.
    """

    def __init__(
        self, engine: Engine | None, output: str = "", input: str | None = None, *, rate: int | None = None, buffer: int = 0,
        out_map: Sequence[int] | None = None, in_map: Sequence[int] | None = None, fade: float = 0.01, wait: bool = False,
    ) -> None:  # fmt: skip
        self.wanted, self.asked, self.buffer, self.maps, self.fade = (output, input), rate, buffer, (out_map, in_map), fade
        self.notes: list[str] = []
        self._e = e = np.zeros(D_CELLS, np.int64)
        self._f = e.view(np.float64)
        self._hist, self._flags = np.zeros(HISTOGRAM, np.int64), np.zeros(5, np.int64)
        self._peaks = np.zeros(1, np.float32)
        e[D_HIST], e[D_FLAGS], e[D_CHUNK] = self._hist.ctypes.data, self._flags.ctypes.data, CHUNK
        self._at = int(e.ctypes.data)
        self._decks: list[Deck] = []  # what the callback may look at: the one that plays, the one that comes
        self._engine = engine
        self._base = self._snapshot()
        self._seen, self._moved, self._tried = -1, time.monotonic(), time.monotonic()
        self.lost = ""  # the device that is waited for
        self._stream: Card | Null
        try:
            self._open()
        except DeviceError as error:
            if not wait and (output or input):
                raise
            self._nothing(str(error))

    # -------------------------------------------------------------------------------------------- open, lose, find

    def _open(self) -> None:
        """Opens what is wanted and lets it take over.  Raises DeviceError and leaves everything as it was."""
        output, input = self.wanted
        if output == NULL:
            self._take(
                Null, ("", NULL), (0, 2 if self._engine is None else max(self._engine.out_channels, 2)), self._rates(None)[0]
            )
            return
        out = find(output, "output")
        into = find(input, "input") if input is not None else None
        names = (into["label"] if into else "", out["label"])
        channels = (min(into["inputs"], 64) if into else 0, self._wide(out))
        sd, rates = portaudio(), self._rates(out)

        def make(cells: int, inputs: int, outputs: int, rate: int, buffer: int) -> Card:
            return Card((into["index"] if into else -1, out["index"]), (inputs, outputs), rate, buffer, cells)

        for rate in rates:
            try:
                self._take(make, names, channels, rate)
            except sd.PortAudioError as error:
                code = error.args[1] if len(error.args) > 1 else 0
                if code == BAD_RATE and rate != rates[-1]:
                    continue
                if code == BAD_PAIR:
                    text = f"{names[0]} and {names[1]} cannot be opened together; take both from one system, or run JACK"
                    raise DeviceError(text) from None
                raise DeviceError(f"{names[1]}: {error.args[0]} ({rate} Hz, buffer {self.buffer or 'as it likes'})") from None
            return

    def _rates(self, out: dict[str, Any] | None) -> list[int]:
        """Rates to try, the wanted one first."""
        own = out["rate"] if out else 48000
        first = self.asked or (self._engine.rate if self._engine else own)
        return [first] if self.asked or not out or first == own else [first, own]

    def _wide(self, out: dict[str, Any]) -> int:
        """Output channels to open: all of a sound card, but not the many that a sound server only offers."""
        need = max(2, self._engine.out_channels if self._engine else 0, len(self.maps[0] or ()))
        return int(out["outputs"] if out["outputs"] <= 32 else min(out["outputs"], need))

    def _take(
        self,
        make: Callable[[int, int, int, int, int], Card | Null],
        names: tuple[str, str],
        channels: tuple[int, int],
        rate: int,
    ) -> None:
        """Makes a stream, ends the one before, fits the decks to it, starts it."""
        stream = make(self._at, *channels, rate, self.buffer)
        if hasattr(self, "_stream"):
            self._stream.close()
        e = self._e
        self._stream, self.names, self.channels, self.rate = stream, names, channels, rate
        if len(self._peaks) != channels[1]:
            self._peaks = np.zeros(channels[1], np.float32)
        e[D_PEAKS], e[D_IN_CH], e[D_OUT_CH] = self._peaks.ctypes.data, *channels
        e[D_FADE] = max(round(self.fade * rate), 1)
        self._f[D_RATE], self._f[D_NOMINAL], self._f[D_PACE] = rate, ticks.hz() / rate, 0.0
        e[[D_NEXT, D_MIXED, D_GAIN, D_DECK]] = 0
        self._decks = []
        if self._engine is not None:
            self._decks = [self.deck(self._engine)]
            e[D_DECK] = self._decks[0].address
            self.notes += self._decks[0].notes
        self._seen, self._moved, self.lost = -1, time.monotonic(), ""
        if isinstance(stream, Card):
            _streams.add(self)
        else:
            _streams.discard(self)
        stream.start()

    def _nothing(self, why: str) -> str:
        """Time goes on without a device."""
        waited = self.wanted[0] or "a device"
        channels = getattr(self, "channels", (0, 2 if self._engine is None else max(self._engine.out_channels, 2)))
        rate = getattr(self, "rate", self._rates(None)[0])
        self._take(Null, ("", NULL), channels, rate)
        self.lost, self._tried = waited, time.monotonic()
        self.notes.append(f"{why}; it plays on in silence until {waited} is there")
        return self.notes[-1]

    def watch(self) -> str | None:
        """Notices a lost device and looks for it again.  Call it twice a second; a sentence when something changed."""
        now = time.monotonic()
        if self.lost:
            if now - self._tried < RETRY:
                return None
            self._tried = now
            name = self.lost
            try:
                if not _streams:
                    rescan()
                self._open()
            except DeviceError:
                return None
            return f"{self.names[1]} is there and plays" + (f" (asked for was {name})" if name not in self.names[1] else "")
        if isinstance(self._stream, Null):
            return None
        calls = int(self._e[D_CALLS])
        if calls != self._seen:
            self._seen, self._moved = calls, now
        if self._stream.active and now - self._moved < SILENT:
            return None
        return self._nothing(f"{self.names[1]} is gone")

    def close(self) -> None:
        """Fades out and lets the device go."""
        self.stop()
        self._stream.close()
        _streams.discard(self)

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -------------------------------------------------------------------------------------------- play

    def deck(self, engine: Engine) -> Deck:
        """An engine made fit for this device; `notes` of it say what does not fit."""
        return Deck(engine, *self.channels, self.rate, self.names[1], *self.maps)

    def switch(self, deck: Deck, timeout: float = 2.0) -> None:
        """Changes over to another deck by a crossfade; when this returns, the old one is free.  Raises DeviceError."""
        self._decks.append(deck)
        function("store")(self._at + 8 * D_NEXT, deck.address)
        if not self._until(lambda: not self._e[D_NEXT], timeout):
            raise DeviceError(f"{self.names[1]} takes no other patch, as it does not run; watch it")
        self._decks, self._engine = [deck], deck.engine

    def play(self) -> None:
        """Lets time run, with a fade."""
        function("store")(self._at + 8 * D_WANT, 1)

    def stop(self, fade: bool = True) -> None:
        """Fades out (or stops at once); when this returns, sample time stands still."""
        kept = int(self._e[D_FADE])
        if not fade:
            self._e[D_FADE] = 1
        function("store")(self._at + 8 * D_WANT, 0)
        if self._until(lambda: not self._e[D_GAIN], 0.5):
            calls = int(self._e[D_CALLS])
            self._until(lambda: self._e[D_CALLS] != calls, 0.5)  # the callback that faded has ended
        self._e[D_FADE] = kept

    @property
    def running(self) -> bool:
        """Whether sample time runs."""
        return bool(self._e[D_WANT])

    def _until(self, done: Callable[[], Any], timeout: float) -> bool:
        end = time.monotonic() + timeout
        while not done():
            if time.monotonic() > end or not self._stream.active:
                return bool(done())
            time.sleep(0.001)
        return True

    # -------------------------------------------------------------------------------------------- what it says

    def _stamp(self) -> tuple[float, float, int, int, float, float]:
        """The callback's last stamp, whole: due cycle, cycles a frame, sample, engine, stream time, DAC time."""
        while True:
            before = int(self._e[D_SEQ])
            cells = self._e[D_SEQ + 1 : D_SEQ + 7].copy()
            if before % 2 == 0 and before == self._e[D_SEQ]:
                f = cells.view(np.float64)
                return float(f[0]), float(f[1]), int(cells[2]), int(cells[3]), float(f[4]), float(f[5])

    def sample(self, unix: float) -> int:
        """The sample of the engine that sounds at a wall-clock time (seconds since 1970), by the smoothed clock."""
        due, pace, now, _, _, _ = self._stamp()
        cycle, wall = ticks.pair(time.time)
        engine = self._decks[-1] if self._decks else None
        if pace == 0.0 or engine is None:
            return 0
        frames = (cycle + (unix - wall) * ticks.hz() - due) / pace - self._stream.latency[1] * self.rate
        return now + math.floor(frames * engine.engine.rate / self.rate + 0.5)

    def _snapshot(self) -> tuple[np.ndarray, np.ndarray, int, int, int]:
        e = self._e
        return self._hist.copy(), self._flags.copy(), int(e[D_CALLS]), int(e[D_FRAMES]), int(e[D_BUSY])

    def reset(self) -> None:
        """Counts and times start again."""
        self._base = self._snapshot()
        self._e[D_LONGEST] = 0
        self._peaks[:] = 0.0

    def peaks(self) -> list[float]:
        """The largest magnitude of each device channel since the last call."""
        out = [float(p) for p in self._peaks]
        self._peaks[:] = 0.0
        return out

    def status(self) -> dict[str, Any]:
        """How it goes: device, rate, buffer, callbacks since `reset`, their times in µs, xruns, latency in seconds."""
        now, then = self._snapshot(), self._base
        hist, flags = now[0] - then[0], now[1] - then[1]
        calls, frames, busy = (a - b for a, b in zip(now[2:], then[2:]))
        us = 1e6 / ticks.hz()
        load = busy * us / 1e6 * self.rate / frames if frames else 0.0
        into, out = self._stream.latency
        converted = self._decks[-1].latency if self._decks else 0.0
        return {
            "output": self.names[1], "input": self.names[0], "lost": self.lost, "playing": bool(self._e[D_WANT]),
            "inputs": self.channels[0], "outputs": self.channels[1], "rate": self.rate,
            "engine_rate": self._engine.rate if self._engine else self.rate, "buffer": self.buffer, "calls": calls,
            "frames": frames, "xruns": {name: int(n) for name, n in zip(XRUNS, flags)}, "load": load,
            "us": {name: quantile(hist, q) * us for name, q in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))}
            | {"max": int(self._e[D_LONGEST]) * us},
            "latency": {"input": into, "output": out, "conversion": converted},
        }  # fmt: skip


def quantile(hist: np.ndarray, q: float) -> float:
    """Cycles below which a share `q` of the callbacks stayed, to one part in 22."""
    total = int(hist.sum())
    if total == 0:
        return 0.0
    k = int(np.searchsorted(np.cumsum(hist), q * total))
    return float(2.0 ** ((min(k, HISTOGRAM - 1) + 0.5) / 16))
