"""A corpus: labelled sound on the disk, as every system here is trained on it.  Nothing in this file needs torch.

A folder with `corpus.json` (format, rate, channels, how it was made), `index.jsonl` (one line a stretch of sound: where it
lies, its split, level and labels) and `audio/0000.wav`, `0001.wav` …: float32, so that any player plays them, and mapped into
memory, so that a corpus may be larger than it.  `Writer` makes one and goes on where it was stopped, `Corpus` reads it.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = 1
SPLITS = ("train", "valid", "test")
SHARD = 256 << 20
"""Bytes from which the next file of sound is begun."""
HEADER = 44
"""Bytes before the samples of such a file."""


class DataError(Exception):
    """A corpus, or a sound, that cannot be used; the text is a sentence that names it."""


@dataclass(frozen=True, slots=True)
class Item:
    """A stretch of sound: `frames` from `start` in `file`, both in sample frames at the corpus's rate.

    `peak` is linear (1 is full scale), `loudness` the mean power in dBFS, `source` what it was made of, and `labels` whatever
    is known: text, numbers or lists of these.
    """

    file: str
    start: int
    frames: int
    split: str
    peak: float
    loudness: float
    source: str
    labels: dict[str, Any] = field(default_factory=dict)


class Corpus:
    """The corpus in a folder.  `items` are all its stretches, `about` is what corpus.json says.  Raises DataError."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.about = _about(self.folder)
        self.rate, self.channels = int(self.about["rate"]), int(self.about["channels"])
        self.items = list(_lines(self.folder))
        self._maps: dict[str, np.ndarray] = {}

    def __reduce__(self) -> tuple[type[Corpus], tuple[Path]]:
        return Corpus, (self.folder,)  # a worker opens the files itself

    def of(self, split: str = "", **labels: Any) -> list[Item]:
        """The items of a split, or of all, whose labels have these values: `of("test", instrument="flute")`."""
        if split and split not in SPLITS:
            raise ValueError(f"there is no split {split}; there are {', '.join(SPLITS)}")
        found = (item for item in self.items if item.split == split or not split)
        return [item for item in found if all(item.labels.get(k) == v for k, v in labels.items())]

    def values(self, label: str) -> list[Any]:
        """Every value that a label has anywhere in the corpus, sorted: the position of one is the number of its class."""
        return sorted({item.labels[label] for item in self.items if label in item.labels}, key=lambda v: (str(type(v)), v))

    def seconds(self, split: str = "") -> float:
        """How much sound there is."""
        return sum(item.frames for item in self.of(split)) / self.rate

    def read(self, item: Item, start: int = 0, frames: int | None = None) -> np.ndarray:
        """Its samples, float32 [channels, frames], or `frames` of them from `start`; fewer where it ends.  A view.

        Raises DataError where the file of sound is missing or too short.
        """
        if item.file not in self._maps:
            path = self.folder / item.file
            try:
                whole = np.memmap(path, "<f4", "r", HEADER)
            except (OSError, ValueError):
                raise DataError(f"{path}: cannot be read, so {self.folder} has to be built again") from None
            self._maps[item.file] = whole[: len(whole) // self.channels * self.channels].reshape(-1, self.channels)
        end = item.frames if frames is None else min(start + frames, item.frames)
        sound = self._maps[item.file][item.start + start : item.start + end]
        if len(sound) < end - start:
            raise DataError(f"{self.folder / item.file}: is shorter than the index says, so the corpus has to be built again")
        return sound.T

    def chunks(self, split: str, frames: int, rate: int | None = None, seed: int = 0, *, first: int = 0, step: int = 1,
               among: Iterable[Item] | None = None, balance: str = "", gain: float = 0.0,
               polarity: bool = False) -> Iterator[tuple[np.ndarray, Item]]:  # fmt: skip
        """Endless random chunks: float32 [channels, frames] at `rate` Hz (the corpus's own if None), and where each is from.

        Chunk n depends on `seed` and n alone.  `first` and `step` say which n: worker w of W takes first = w, step = W, and
        one that goes on after n chunks begins there.  Every moment of sound is as likely as every other, or, with `balance`,
        every value of that label as every other.  Where an item is shorter than a chunk, silence is put around it.

        `gain` is the most by which a chunk is made louder or softer, in dB; `polarity` turns every second one round.
        `among` chooses from these items instead of the whole split.  Raises DataError where there is no sound to choose from.
        """
        items = list(self.of(split) if among is None else among)
        if not items:
            raise DataError(f"{self.folder}: there is no sound in its split {split}")
        rate = rate or self.rate
        size = -(-frames * self.rate // rate)
        weights = np.array([item.frames for item in items], np.float64)
        if balance:
            kinds = [str(item.labels.get(balance)) for item in items]
            sums: dict[str, float] = {}
            for kind, weight in zip(kinds, weights):
                sums[kind] = sums.get(kind, 0.0) + weight
            weights /= [sums[kind] for kind in kinds]
        edges = np.cumsum(weights)
        n = first
        while True:
            rng = np.random.default_rng([seed, n])
            item = items[min(int(np.searchsorted(edges, rng.random() * edges[-1], "right")), len(items) - 1)]
            room = item.frames - size
            at = int(rng.integers(abs(room) + 1))
            level = 10.0 ** (gain * rng.uniform(-1.0, 1.0) / 20.0) * (-1.0 if polarity and rng.random() < 0.5 else 1.0)
            sound = np.zeros((self.channels, size), np.float32)
            if room >= 0:
                sound[:] = self.read(item, at, size)
            else:
                sound[:, at : at + item.frames] = self.read(item)
            if rate != self.rate:
                sound = _fit(resampled(sound.T, self.rate, rate).T, frames)
            yield np.ascontiguousarray(sound * np.float32(level)), item
            n += step


class Writer:
    """Writes a corpus; where the folder holds one made in the same way, goes on with it.

    `how` is what it is made with, and must be the same to go on.  `done` holds the sources that are complete.
    Raises DataError where the folder holds something else.
    """

    def __init__(self, folder: Path, rate: int, channels: int, how: Mapping[str, Any], readme: str) -> None:
        self.folder, self.rate, self.channels = folder, rate, channels
        about = {"format": FORMAT, "rate": rate, "channels": channels, "made": dict(how)}
        if (folder / "corpus.json").is_file():
            _same(folder, about)
        elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DataError(f"{folder}: holds something else; name a folder that is new or empty")
        (folder / "audio").mkdir(parents=True, exist_ok=True)
        (folder / "corpus.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(readme, encoding="utf-8")
        self.items = list(_lines(folder, repair=True))
        self.done = {item.source for item in self.items}
        last = self.items[-1] if self.items else None
        self._number = int(Path(last.file).stem) if last else 0
        self._end = last.start + last.frames if last else 0
        for path in (folder / "audio").glob("*.wav"):  # what was written after the last line counts for nothing
            if int(path.stem) > self._number:
                path.unlink()
        self._sound = self._open(self._number, self._end)
        self._index = (folder / "index.jsonl").open("a", encoding="utf-8")

    def add(self, source: str, pieces: Iterable[tuple[str, np.ndarray, Mapping[str, Any]]]) -> list[Item]:
        """Adds all that one source gives: split, sound [frames, channels] and labels of each piece.  All of it or none."""
        new, number, end = [], self._number, self._end
        try:
            for split, sound, labels in pieces:
                if self._end and HEADER + 4 * self.channels * self._end >= SHARD:
                    self._close_sound()
                    self._number, self._end = self._number + 1, 0
                    self._sound = self._open(self._number, 0)
                sound = np.ascontiguousarray(sound, "<f4")
                self._sound.write(sound.tobytes())
                power, peak = float(np.mean(np.square(sound, dtype=np.float64))), float(np.abs(sound).max(initial=0.0))
                new.append(Item(
                    f"audio/{self._number:04d}.wav", self._end, len(sound), split, round(peak, 5),
                    round(10.0 * np.log10(max(power, 1e-12)), 2), source, dict(labels),
                ))  # fmt: skip
                self._end += len(sound)
        except BaseException:
            self._sound.close()
            for later in range(number + 1, self._number + 1):
                self._path(later).unlink()
            self._number, self._end = number, end
            self._sound = self._open(number, end)
            raise
        self._sound.flush()
        self._index.write("".join(json.dumps(asdict(item), ensure_ascii=False) + "\n" for item in new))
        self._index.flush()
        self.items += new
        self.done.add(source)
        return new

    def close(self) -> None:
        """Leaves files that any player understands."""
        self._close_sound()
        self._index.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _path(self, number: int) -> Path:
        return self.folder / "audio" / f"{number:04d}.wav"

    def _open(self, number: int, frames: int) -> Any:
        """A file of sound, to go on after so many frames.  Raises DataError where it has fewer."""
        path, length = self._path(number), HEADER + 4 * self.channels * frames
        if frames and (not path.is_file() or path.stat().st_size < length):
            raise DataError(f"{path}: is missing or shorter than the index says; build the corpus in a new folder")
        file = path.open("r+b" if path.is_file() else "w+b")
        file.truncate(length)
        file.seek(0)
        file.write(_header(self.rate, self.channels, length - HEADER))
        file.seek(length)
        return file

    def _close_sound(self) -> None:
        self._sound.seek(0)
        self._sound.write(_header(self.rate, self.channels, 4 * self.channels * self._end))
        self._sound.close()


def resampled(sound: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Sound [frames, channels] at another rate, float32."""
    if rate == wanted:
        return sound
    import soxr

    return np.asarray(soxr.resample(np.ascontiguousarray(sound, np.float32), rate, wanted, quality="HQ"))


def _fit(sound: np.ndarray, frames: int) -> np.ndarray:
    """Exactly so many frames of [channels, frames]: resampling may give one more or fewer."""
    return np.pad(sound[:, :frames], ((0, 0), (0, max(frames - sound.shape[1], 0))))


def _header(rate: int, channels: int, size: int) -> bytes:
    """Of a WAV file with `size` bytes of float32 samples."""
    kind = struct.pack("<HHIIHH", 3, channels, rate, 4 * channels * rate, 4 * channels, 32)
    return b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt \x10\0\0\0" + kind + b"data" + struct.pack("<I", size)


def _about(folder: Path) -> dict[str, Any]:
    """What corpus.json says.  Raises DataError."""
    path = folder / "corpus.json"
    if not path.is_file():
        raise DataError(f"{folder}: is no corpus; `zrack data FOLDER -o {folder}` makes one")
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        known = about["format"] == FORMAT and int(about["rate"]) > 0 and int(about["channels"]) > 0
    except (OSError, ValueError, TypeError, KeyError):
        known = False
    if not known:
        raise DataError(f"{path}: is not in a form that this version reads")
    return dict(about)


def _same(folder: Path, about: Mapping[str, Any]) -> None:
    """Raises DataError where the corpus there was made in another way."""
    there = _about(folder)
    flat, wanted = ({**a["made"], "rate": a["rate"], "channels": a["channels"]} for a in (there, json.loads(json.dumps(about))))
    other = [f"{k} {flat.get(k)}, not {wanted.get(k)}" for k in sorted({*flat, *wanted}) if flat.get(k) != wanted.get(k)]
    if other:
        raise DataError(f"{folder}: holds a corpus made with {'; '.join(other)}; name another folder")


def _lines(folder: Path, repair: bool = False) -> Iterator[Item]:
    """The items of an index.  A last line that was not finished is left out, and with `repair` cut off.  Raises DataError."""
    path = folder / "index.jsonl"
    if not path.is_file():
        return
    whole = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            try:
                yield Item(**json.loads(line))
            except (ValueError, TypeError):
                raise DataError(f"{path}: line {number} is damaged, so the corpus has to be built again") from None
    if repair and whole < path.stat().st_size:
        os.truncate(path, whole)
