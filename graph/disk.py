"""Files on the disk: read within limits, found inside one folder, written whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from graph import values
from graph.errors import PatchError


def read(path: Path, file: str, limit: int) -> bytes:
    """The bytes of a regular file of at most `limit` bytes, or PatchError."""
    try:
        # not blocking: a named pipe must not hold up whoever asks
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as f:
            if not stat.S_ISREG(os.fstat(f.fileno()).st_mode):
                raise PatchError("is no regular file", file=file)
            data = f.read(limit + 1)
    except OSError as e:
        raise PatchError((e.strerror or str(e)).lower(), file=file) from None
    if len(data) > limit:
        raise PatchError(f"is larger than {size(limit)}", file=file)
    return data


def size(count: int) -> str:
    """A number of bytes as people read it."""
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count} bytes"


def confined(folder: Path, name: str) -> Path:
    """The file `name` inside `folder`, or PatchError: links may not lead out, and it must be a regular file."""
    values.filename("file", name)
    root = folder.resolve()
    try:
        path = (root / name).resolve(strict=True)
    except (OSError, RuntimeError):
        raise PatchError(f"there is no file {name} beside the patch") from None
    if not path.is_relative_to(root):
        raise PatchError(f"{name} leads out of the folder of the patch")
    if not path.is_file():
        raise PatchError(f"{name} is no regular file")
    return path


def write_atomic(path: Path, data: bytes) -> None:
    """Write beside, fsync, rename.  PatchError names the file where the disk refuses."""
    temporary = ""
    try:
        target = path.resolve()  # a link is followed, not replaced
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~_umask()
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name[:64]}.", delete=False) as f:
            temporary = f.name
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, target)
        temporary = ""
        if hasattr(os, "O_DIRECTORY"):  # the rename itself must reach the disk too
            folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as e:
        raise PatchError(f"could not be written: {(e.strerror or str(e)).lower()}", file=path.name) from None
    finally:
        if temporary:
            os.unlink(temporary)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
