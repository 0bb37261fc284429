"""Records what the engine puts out, and its live input, to sound files while it plays.

The audio thread lays every block into a ring (float32 [frames, channels]) and counts the frames in one cell, which is
the sample time; it never waits and never looks back.  A thread here drains the ring.  What was overwritten before it
came to it is silent in the file, so that every other sample stays at its place, and is counted.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from graph import PatchError

if TYPE_CHECKING:
    from .engine import Engine

PIECE = 1 << 15  # frames written at once
WAIT = 0.05  # seconds between two looks at the ring
SYNC = 5.0  # seconds between two syncs to the disk
ALL = 0xFFFFFFFF  # in RF64: see ds64


class Sink(Protocol):
    """A sound file that grows.  Whatever was written is a valid file at any moment, also after a kill."""

    path: Path
    channels: int

    def write(self, sound: np.ndarray) -> None: ...
    def sync(self) -> None: ...
    def close(self) -> None: ...


class Wave:
    """A WAV file of float32: RIFF, and RF64 (which every large-file reader knows) from 4 GiB on.

    Written here and not by a library because its head is kept right while the file grows, and because no library turns
    one form into the other on the way.
    """

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        self.path, self.rate, self.channels, self.frames = path, rate, channels, 0
        self._file = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        os.write(self._file, self.head())

    def head(self) -> bytes:
        """All that stands before the samples, for `frames` of them; always equally long."""
        frame = 4 * self.channels
        size = frame * self.frames
        form = struct.pack("<4sIHHIIHHH", b"fmt ", 18, 3, self.channels, self.rate, self.rate * frame, frame, 32, 0)
        whole = 12 + 36 + len(form) + 12 + 8 + size - 8
        large = whole > ALL
        if large:
            first = struct.pack("<4sI4s4sIQQQI", b"RF64", ALL, b"WAVE", b"ds64", 28, whole, size, self.frames, 0)
        else:
            first = struct.pack("<4sI4s4sI28x", b"RIFF", whole, b"WAVE", b"JUNK", 28)
        counts = (ALL, ALL) if large else (self.frames, size)
        return first + form + struct.pack("<4sII4sI", b"fact", 4, counts[0], b"data", counts[1])

    def write(self, sound: np.ndarray) -> None:
        data = memoryview(np.ascontiguousarray(sound, "<f4").tobytes())
        while data:
            data = data[os.write(self._file, data) :]
        self.frames += len(sound)
        os.pwrite(self._file, self.head(), 0)

    def sync(self) -> None:
        os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)


class Flac:
    """A FLAC file of 24 bits; its length stands in the head all the while, where the library writes it only at the end."""

    BLOCK, TOTAL = 4096, 21  # frames of a block; where in the file the 36 bits of the length begin, in the lower half

    def __init__(self, file: Any) -> None:
        self.path = Path(file.name)
        self._file, self._frames, self.channels = file, 0, int(file.channels)
        self._head = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)

    def write(self, sound: np.ndarray) -> None:
        self._file.write(sound)
        self._frames += len(sound)
        whole = max(self._frames - 1, 0) // self.BLOCK * self.BLOCK  # the encoder holds the rest
        first = os.pread(self._head, 1, self.TOTAL)[0] & 0xF0
        os.pwrite(self._head, bytes([first | whole >> 32]) + (whole & 0xFFFFFFFF).to_bytes(4, "big"), self.TOTAL)

    def sync(self) -> None:
        os.fsync(self._head)

    def close(self) -> None:
        os.close(self._head)
        self._file.close()


def create(path: Path, rate: int, channels: int) -> Sink:
    """A new sound file, as the ending says; where there is one already, name-2, name-3, ….  Raises PatchError."""
    from soundfile import SoundFileError

    from nodes.io import Record

    node: Any = Record
    try:
        file = node.open(rate, channels, {"file": path.name}, path.parent, 0)
        if path.suffix == ".flac":
            return Flac(file)
        file.close()
        return Wave(Path(file.name), rate, channels)
    except OSError as e:
        raise PatchError(f"could not be written: {(e.strerror or str(e)).lower()}", file=path.name) from None
    except (SoundFileError, ValueError) as e:
        raise PatchError(f"cannot be a recording: {str(e).rstrip('.')}", file=path.name) from None


class Recorder:
    """Records rings from now on, until `stop`.

    `rings` are (path, ring) pairs that `written` counts together: frames laid into each so far, as the sample time is.
    `block` frames behind that count may be half overwritten already.  `begins` is the sample time of the first frame in
    the files, `frames` how many there are, `lost` how many of them are silent because the drain was late.  `fault` is a
    sentence once the disk refused; `said` hears it, and what was lost.
    """

    def __init__(
        self, rings: Sequence[tuple[Path, np.ndarray]], written: Callable[[], int], rate: int, block: int, *, start: int = 0,
        said: Callable[[str], None] | None = None,
    ) -> None:  # fmt: skip
        self.rate, self.frames, self.lost, self.fault = rate, 0, 0, ""
        self._rings, self._written, self._block = [ring for _, ring in rings], written, block
        self._said = said or (lambda text: None)
        self._sinks: list[Sink] = []
        try:
            for path, ring in rings:
                self._sinks.append(create(path, rate, ring.shape[1]))
        except PatchError:
            self._close()
            raise
        self.begins = self._at = max(start, written())
        self._end = -1
        self._over = threading.Event()
        self._lock = threading.Lock()  # of what is drained
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @classmethod
    def of(cls, engine: Engine, path: Path, said: Callable[[str], None] | None = None, start: int = 0) -> Recorder:
        """Records what `engine` (made with a `tap`) puts out, and what it takes in to name-input.  Raises PatchError."""
        rings = [(path, engine.tapped[0])]
        if engine.in_channels:
            rings.append((path.with_name(f"{path.stem}-input{path.suffix}"), engine.tapped[1]))
        return cls(rings, _count(engine), engine.rate, engine.block, start=start, said=said)

    @property
    def path(self) -> Path:
        """The file that the master is recorded to."""
        return self._sinks[0].path

    @property
    def paths(self) -> list[Path]:
        """All files, the master's first."""
        return [sink.path for sink in self._sinks]

    def state(self) -> dict[str, Any]:
        """Figures of the moment."""
        return {"recording": self.path.name, "recorded": round(self.frames / self.rate, 3), "recorder_lost": self.lost}

    def stop(self, end: int = -1) -> str:
        """Ends the recording, now or before the sample time `end`, which has come; gives the name of the master's file."""
        self._end = self._written() if end < 0 else min(end, self._written())
        self._over.set()
        self._thread.join()
        return self.path.name

    def _run(self) -> None:
        looks, shown = 0, 0
        try:
            over = False
            while not over:
                over = self._over.wait(WAIT)
                with self._lock:
                    self._drain(self._end if over else self._written())
                looks += 1
                if looks % round(SYNC / WAIT) == 0:
                    for sink in self._sinks:
                        sink.sync()
                if self.lost > shown:
                    self._said(f"the recorder of {self.path.name} came too late and lost {self.lost - shown} samples")
                    shown = self.lost
        except OSError as e:
            self.fault = f"{self.path.name} could not be written: {(e.strerror or str(e)).lower()}; the recording ends here"
        except Exception as e:  # soundfile's own
            self.fault = f"{self.path.name} could not be written: {e}; the recording ends here"
        finally:
            self._close()
            if self.fault:
                self._said(self.fault)

    def _close(self) -> None:
        for sink in self._sinks:
            try:
                sink.close()
            except Exception as e:
                self.fault = self.fault or f"{sink.path.name} could not be closed: {e}"

    def follow(self, engine: Engine) -> tuple[int, int]:
        """Goes on with another engine; gives the frame in the files from which on it is heard, and its sample there.

        Channels that the other has more are left out, those that it lacks are silent.  PatchError at another rate.
        """
        if engine.rate != self.rate:
            raise PatchError(f"a recording at {self.rate} Hz cannot go on at {engine.rate} Hz", file=self.path.name)
        written = _count(engine)
        with self._lock:
            if not self._over.is_set() and not self.fault:
                self._drain(self._written())
            self._rings, self._written, self._block = engine.tapped[: len(self._sinks)], written, engine.block
            self._at = written()
            return self.frames, self._at

    def _drain(self, end: int) -> None:
        """Writes what the rings hold up to the sample time `end`."""
        while self._at < end:
            count = min(end - self._at, PIECE)
            gap = min(self._oldest() - self._at, count)
            if gap > 0:
                count = gap
                pieces = [np.zeros((count, ring.shape[1]), np.float32) for ring in self._rings]
            else:
                pieces = [_taken(ring, self._at, count) for ring in self._rings]
                gap = min(max(self._oldest() - self._at, 0), count)  # overwritten while it was taken
            for sink, piece in zip(self._sinks, pieces, strict=True):
                piece[:gap] = 0.0
                sink.write(_fitted(piece, sink.channels))
            self._at += count
            self.frames += count
            self.lost += gap

    def _oldest(self) -> int:
        """The first sample time that all rings still hold for sure."""
        return self._written() + self._block - min(len(ring) for ring in self._rings)


def _taken(ring: np.ndarray, at: int, count: int) -> np.ndarray:
    """A copy of `count` frames from the sample time `at` on."""
    first = at % len(ring)
    if first + count <= len(ring):
        return ring[first : first + count].copy()
    return np.concatenate([ring[first:], ring[: count - (len(ring) - first)]])


def _fitted(sound: np.ndarray, channels: int) -> np.ndarray:
    """`sound` with so many channels: those that are too many left out, those that lack silent."""
    if sound.shape[1] == channels:
        return sound
    out = np.zeros((len(sound), channels), np.float32)
    out[:, : sound.shape[1]] = sound[:, :channels]
    return out


def _count(engine: Engine) -> Callable[[], int]:
    """Reads how many frames an engine has laid into its taps, so that what it counts is seen to be there."""
    from .layout import E_TAPPED
    from .library import function

    load, got = function("load"), np.zeros(1, np.int64)

    def written() -> int:
        load(engine.address + 8 * E_TAPPED, got.ctypes.data)  # the engine must live as long
        return int(got[0])

    return written
