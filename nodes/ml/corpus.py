"""Makes corpora: from folders of somebody's sounds, or from free instruments.  See `nodes.ml.data` for what comes out."""

from __future__ import annotations

import hashlib
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import instruments
from .data import DataError, Writer, resampled

ENDINGS = {
    ".aac", ".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".m4a", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".rf64", ".sd2",
    ".snd", ".voc", ".w64", ".wav", ".wave", ".wma", ".wv",
}  # fmt: skip
"""Of files that are meant as sound, though not all can be read."""
BLOCK = 1 << 16
"""Frames of a file that are read at a time."""
HOPS = 50
"""A second; each is loud enough or not."""
MARGIN = 2
"""Hops that are kept before and after what is loud enough."""
LOUDEST = 100.0
"""Times full scale; more is no sound but a damaged file."""
QUIET = -60.0
"""dBFS below which sound counts as silence."""
README = """\
# {name}

A corpus for `zrack train`: mono or stereo sound, float32 at {rate} Hz, in `audio/`; a line for each stretch of it in
`index.jsonl`; how it was made in `corpus.json`.

## Licence

"""
FOREIGN = """\
What you may do with this sound is what you may do with the files that it was made of; their names are in `index.jsonl`.
"""
PATTERN = re.compile(r"\{(\w+)\}|(\*)|([^{*]+)")
Progress = Callable[[float, float, str], None]
"""How much is done, of how much, and what is at hand."""
Tell = Callable[[str], None]
"""Takes a sentence about something that was left out."""


def gather(folders: Sequence[Path], output: Path, rate: int, *, channels: int = 1, labels: str = "", quiet: float = QUIET,
           pause: float = 0.5, longest: float = 30.0, tell: Tell = lambda _: None,
           progress: Progress = lambda *_: None) -> list[Path]:  # fmt: skip
    """Makes a corpus in `output` of all sound files in and below `folders`; returns those that could not be used.

    Each is brought to `rate` Hz and to one channel (or two), and cut into stretches where nothing is louder than `quiet` dBFS
    for `pause` seconds, or after `longest` seconds.  All stretches of a file are in one split: of ten files in a row, in the
    order of a hash of their name, one is for valid and one for test.  A file that is more than a fifth of everything is split
    by its stretches instead: of ten in a row, one and one.
    Asked again, it goes on where it was stopped, and takes what is new in the folders.

    `labels` says what folder and file names mean: `{instrument}/{pitch}_{dynamics}` for the end of a path, with * for what
    means nothing.  Without it, the folder is the label `folder`.  Raises DataError.
    """
    pattern = _pattern(labels)
    sources = _sources(folders, output)
    if not sources:
        raise DataError(f"{', '.join(map(str, folders))}: holds no sound files")
    names = [folder.resolve().name for folder in folders]
    how = {"from": names, "labels": labels, "quiet": quiet, "pause": pause, "longest": longest}
    bad: list[Path] = []
    nameless: list[Path] = []
    total, done = sum(path.stat().st_size for path in sources.values()), 0
    with Writer(output, rate, channels, how, README.format(name=output.name, rate=rate) + FOREIGN) as writer:
        for name, path in sorted(sources.items(), key=lambda entry: hashlib.sha256(entry[0].encode()).digest()):
            progress(done, total, path.name)
            done += path.stat().st_size
            if name in writer.done:
                continue
            found = pattern(Path(name))
            if found is None:
                nameless.append(path)
            try:
                heard = _stretches(_blocks(path, rate, channels), rate, quiet, pause, longest)
                number, large = len(writer.done), 5 * path.stat().st_size > total
                pieces = ((_turn(i if large else number), sound, found or {}) for i, sound in enumerate(heard))
                if not writer.add(name, pieces):
                    raise DataError(f"{path}: holds nothing louder than {quiet:g} dBFS")
            except DataError as error:
                bad.append(path)
                tell(str(error))
    if nameless:
        tell(f"{nameless[0]}: its name does not follow {labels}, so it has no labels; {len(nameless)} files are like that")
    return bad


def make(kind: str, output: Path, rate: int, minutes: float, seed: int = 0, *, channels: int = 1, only: tuple[str, ...] = (),
         tell: Tell = lambda _: None, progress: Progress = lambda *_: None) -> None:  # fmt: skip
    """Makes a corpus of free instruments: "strings", "voice", "drums" or single "notes", until it has so many minutes.

    `only` keeps to these instruments, kits or languages (`instruments.choices`).  Of ten takes in a row one is for valid and
    one for test.  Asked again for more minutes, it goes on.  Notes may run out.  Raises DataError where a program is missing.
    """
    known = instruments.choices(kind)
    for name in only:
        if name not in known:
            raise DataError(f"there is no {name} among {kind}; there are {', '.join(known)}")
    readme = README.format(name=output.name, rate=rate) + instruments.licence(kind)
    with Writer(output, rate, channels, {"make": kind, "seed": seed, "only": list(only)}, readme) as writer:
        seconds, number, silent = sum(item.frames for item in writer.items) / rate, 0, 0
        while seconds < 60.0 * minutes:
            if number >= instruments.most(kind, only):
                tell(f"{output}: no two {kind} are the same, and there are no more than {number}")
                break
            source = f"{kind}/{number}"
            if source not in writer.done:
                progress(seconds, 60.0 * minutes, source)
                sound, own, found = instruments.take(kind, seed, number, only)
                heard = _ended(resampled(_mixed(sound, channels), own, rate), rate)
                new = writer.add(source, [(_turn(number), heard, found)] if len(heard) else [])
                seconds += sum(item.frames for item in new) / rate
                silent = 0 if new else silent + 1
                if silent >= 20:
                    raise DataError(f"{output}: nothing is heard of {kind}; is the sound font a General MIDI one?")
            number += 1


# ---------------------------------------------------------------------------------------------------- what there is


def _sources(folders: Sequence[Path], output: Path) -> dict[str, Path]:
    """Sound files by the name that they have in the index: the path in their folder, after its name where there are several."""
    found: dict[str, Path] = {}
    for folder in folders:
        if not folder.exists():
            raise DataError(f"{folder}: there is no such file or folder")
        root = folder.resolve()
        if root.is_file():
            paths, root = [root], root.parent
        else:
            paths = [Path(at) / name for at, _, names in os.walk(root) for name in names]
        for path in sorted(paths):
            wanted = path.suffix.lower() in ENDINGS and not path.name.startswith(".") and path.is_file()
            if not wanted or path.is_relative_to(output.resolve()):
                continue
            name = path.relative_to(root if len(folders) == 1 else root.parent).as_posix()
            if found.setdefault(name, path) != path:
                raise DataError(f"{path}: there is another {name}; name the folder that both are in")
    return found


def _turn(number: int) -> str:
    """Of ten in a row the second is for valid and the third for test."""
    return {1: "valid", 2: "test"}.get(number % 10, "train")


def _pattern(text: str) -> Callable[[Path], dict[str, Any] | None]:
    """What finds labels in a path below the folder, or None where the path does not follow `text`.  Raises DataError."""
    if not text:
        return lambda path: {"folder": path.parts[0]} if len(path.parts) > 1 else {}
    written = "".join(
        f"(?P<{name}>[^/]+?)" if name else "[^/]*?" if star else re.escape(plain)
        for name, star, plain in PATTERN.findall(text.strip("/"))
    )
    try:
        known, parts = re.compile(written), text.strip("/").count("/") + 1
    except re.error:
        raise DataError(f"{text}: is no pattern of labels; write a name once each, as in {{instrument}}/{{pitch}}_*") from None

    def labels(path: Path) -> dict[str, Any] | None:
        found = known.fullmatch("/".join(path.with_suffix("").parts[-parts:]))
        if found is None:
            return None
        return {k: int(v) if re.fullmatch(r"-?[1-9]\d{0,8}|0", v) else v for k, v in found.groupdict().items()}

    return labels


# ------------------------------------------------------------------------------------------------------------ sound


def _blocks(path: Path, rate: int, channels: int) -> Iterator[np.ndarray]:
    """A file from the disk bit by bit, float32 [frames, channels] at `rate` Hz.  Raises DataError."""
    import soundfile
    import soxr

    try:
        with soundfile.SoundFile(path) as file:
            stream = soxr.ResampleStream(file.samplerate, rate, channels, dtype="float32", quality="HQ")
            while True:
                block = _mixed(file.read(BLOCK, dtype="float32", always_2d=True), channels)
                if not np.abs(block).max(initial=0.0) < LOUDEST:
                    raise DataError(f"{path}: holds samples that are not finite, or far over full scale")
                last = len(block) < BLOCK
                yield block if file.samplerate == rate else stream.resample_chunk(block, last=last)
                if last:
                    return
    except soundfile.SoundFileError as error:
        reason = str(getattr(error, "error_string", error)).rstrip(".")
        raise DataError(f"{path}: cannot be read as sound ({reason})") from None


def _mixed(sound: np.ndarray, channels: int) -> np.ndarray:
    """[frames, any] as one channel or two: what has not as many is mixed down, and mono is put on both."""
    if sound.shape[1] != channels:
        sound = np.repeat(sound.mean(1, keepdims=True), channels, 1)
    return np.ascontiguousarray(sound, np.float32)


def _stretches(blocks: Iterable[np.ndarray], rate: int, quiet: float, pause: float, longest: float) -> Iterator[np.ndarray]:
    """Cuts sound where nothing is louder than `quiet` dBFS for `pause` seconds, and after `longest`; see `gather`."""
    floor, wait, most = 10.0 ** (quiet / 10.0), max(round(pause * HOPS), 1), max(round(longest * HOPS), 1)
    before: deque[np.ndarray] = deque(maxlen=MARGIN)
    held: list[np.ndarray] = []
    loud = 0  # of what is held, up to the last hop that is loud enough
    for hop in _hops(blocks, max(rate // HOPS, 1)):
        on = float(np.mean(np.square(hop), axis=0).max()) > floor
        if not held and not on:
            before.append(hop)
            continue
        if not held:
            held += before
            before.clear()
        held.append(hop)
        if on:
            loud = len(held)
        if len(held) - loud >= wait or len(held) >= most:
            yield np.concatenate(held[: loud + MARGIN])
            before.extend(held[loud + MARGIN :])
            held, loud = [], 0
    if held:
        yield np.concatenate(held[: loud + MARGIN])


def _ended(sound: np.ndarray, rate: int) -> np.ndarray:
    """Without the silence at its end; the start stays, because the notes in the labels count from it."""
    loud = np.flatnonzero(np.abs(sound).max(1) > 10.0 ** (QUIET / 20.0))
    return sound[: loud[-1] + MARGIN * rate // HOPS if len(loud) else 0]


def _hops(blocks: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """The same frames, `size` at a time; the last may have fewer."""
    rest: np.ndarray | None = None
    for block in blocks:
        joined = block if rest is None else np.concatenate([rest, block])
        whole = len(joined) // size * size
        yield from joined[:whole].reshape(-1, size, joined.shape[1])
        rest = joined[whole:]
    if rest is not None and len(rest):
        yield rest
