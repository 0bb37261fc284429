"""Autosave beside the patch, and what it offers after a crash: never over the patch, and only where it still fits.

An autosave (`.song.zrack.autosave`) says which file it belongs to and what that file held when it was read.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import time
from dataclasses import dataclass
from pathlib import Path

from graph import codec, disk, file
from graph.errors import PatchError
from graph.patch import Patch

from .places import digest, form, new_folder, state_folder


@dataclass(frozen=True)
class Recovery:
    """Work that was not saved: the patch it belongs to, what it holds, when it was written (seconds since 1970).

    `other` says that the patch was changed by another program after the autosave was begun.
    """

    path: Path
    autosave: Path
    patch: Patch
    time: float
    other: bool = False


def autosave_paths(path: Path) -> tuple[Path, Path]:
    """Where the autosave of a patch lies: beside it, or in the state folder where that cannot be written."""
    real = path.resolve()
    name = hashlib.sha256(str(real).encode()).hexdigest()[:24]
    return real.with_name(f".{real.name}.autosave"), state_folder() / "autosave" / f"{name}.autosave"


def autosave(patch: Patch, path: Path, held: str) -> Path:
    """Writes the patch beside `path`, never over it.  `held` is the digest of what the file held when it was read."""
    head = {"autosave": 1, "path": str(path.resolve()), "held": held, "time": time.time()}
    data = codec.pack({**head, "patch": file.dump(patch)})
    first, second = autosave_paths(path)
    try:
        disk.write_atomic(first, data)
        return first
    except PatchError:
        second.parent.mkdir(parents=True, exist_ok=True)
        disk.write_atomic(second, data)
        return second


def apart(found: Recovery) -> Path:
    """Writes unsaved work beside its patch as a file of its own ("song-recovered.zrack"), over none; gives its path."""
    ends = itertools.chain([""], (f"-{n}" for n in itertools.count(2)))
    names = (f"{found.path.stem}-recovered{end}{found.path.suffix}" for end in ends)
    copy = next(path for name in names if not (path := found.path.with_name(name)).exists())
    file.save(found.patch, copy, form(found.path))
    return copy


def discard(path: Path) -> None:
    """Removes the autosaves of a patch."""
    for place in autosave_paths(path):
        with contextlib.suppress(OSError):
            place.unlink(missing_ok=True)


def recovery(path: Path) -> Recovery | None:
    """Unsaved work of this very patch that is newer than what it holds, and differs; None where there is none."""
    real = path.resolve()
    best: Recovery | None = None
    for place in autosave_paths(path):
        try:
            found = codec.unpack(disk.read(place, place.name, codec.SIZE * 2))
            if not isinstance(found, dict) or found.get("path") != str(real):
                continue
            patch = file.loads(found["patch"], file=real.name, folder=real.parent)
            written = float(found["time"])
            other = found["held"] != digest(real)
            if other and real.exists() and place.stat().st_mtime_ns <= real.stat().st_mtime_ns:
                continue
            if best is None or written > best.time:
                best = Recovery(real, place, patch, written, other)
        except (PatchError, OSError, KeyError, TypeError, ValueError):
            continue  # a broken autosave is no reason to refuse the patch
    if best is None:
        return None
    with contextlib.suppress(PatchError):
        if Patch.load(real) == best.patch:
            return None
    return best


def leftovers() -> list[Recovery]:
    """Unsaved work in patches that never got a name, the latest first."""
    found = [recovery(path) for path in new_folder().glob("*/untitled.zrack")]
    return sorted((r for r in found if r is not None), key=lambda r: -r.time)
