"""Large tables beside the patch: `data/<hash>.f32` holds the numbers, the patch only their hash, rows and columns.

A file is rows × columns numbers of float32, little-endian, row by row, and is called by the first 32 hexadecimal digits
of its SHA-256.  So it never changes once it is written, two tables that are equal share one, and what was altered shows.
"""

from __future__ import annotations

import hashlib
import re
import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Any

from graph import disk, values
from graph.errors import PatchError, show
from graph.spec import Data

FOLDER = "data"
TOTAL = 64 << 20  # bytes of all tables of one patch file, each counted once
FIELDS = {"file", "rows", "columns"}
HASH = re.compile(r"[0-9a-f]{32}\Z")

Keep = Callable[[bytes], str | None]
"""What becomes of the bytes of a large table: the hash to write in their place, or None to write the numbers."""


def name(digest: str) -> str:
    """Where the table lies, seen from the patch."""
    return f"{FOLDER}/{digest}.f32"


def hashed(data: bytes) -> str:
    """The first 32 hexadecimal digits of the SHA-256."""
    return hashlib.sha256(data).hexdigest()[:32]


def packed(value: Any) -> bytes | None:
    """A table of float32 numbers as bytes; None where it is small, or (at a placeholder) anything else."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes) or not value:
        return None
    columns = len(value[0]) if isinstance(value[0], list | tuple) else 0
    if 4 * len(value) * columns <= values.INLINE or any(not isinstance(r, list | tuple) or len(r) != columns for r in value):
        return None
    flat = list(chain.from_iterable(value))
    if set(map(type, flat)) != {float}:
        return None
    numbers = array("f", flat)
    if numbers.tolist() != flat:
        return None
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def outward(value: Any, keep: Keep | None) -> Any:
    """What stands in a patch file for a table: the numbers, or where they are kept."""
    data = packed(value) if keep else None
    digest = keep(data) if keep and data is not None else None
    return value if digest is None else {"file": digest, "rows": len(value), "columns": len(value[0])}


class Reader:
    """Reads the tables of one patch file out of its folder; each once, all within `TOTAL` bytes."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._left = TOTAL
        self._read: dict[tuple[str, int], tuple[tuple[float, ...], ...]] = {}

    def table(self, item: str, value: Any, spec: Data | None) -> Any:
        """The table that `value` refers to; any other value as it is.  PatchError where it is not there or not it."""
        if not isinstance(value, Mapping):
            return value
        digest = value.get("file")
        if set(value) != FIELDS or not isinstance(digest, str) or not HASH.match(digest):
            raise PatchError(
                f"{item} takes rows of numbers, or file, rows and columns of a table, not {show(value)}", port=item
            )
        columns = values.whole("columns", value["columns"], 1, TOTAL // 4)
        rows = values.whole("rows", value["rows"], 1, min(spec.limit if spec else TOTAL, TOTAL // 4 // columns))
        if spec and spec.columns and columns != spec.columns:
            raise PatchError(f"{item} takes rows of {spec.columns} numbers, not of {columns}", port=item)
        found = self._read.get((digest, columns))
        if found is None:
            found = self._read[digest, columns] = self._open(item, digest, rows, columns)
        if len(found) != rows:
            raise PatchError(f"{item}: {name(digest)} holds {len(found)} rows, not {rows}", port=item)
        return found

    def _open(self, item: str, digest: str, rows: int, columns: int) -> tuple[tuple[float, ...], ...]:
        if self.folder is None:
            raise PatchError(f"{item} is kept in {name(digest)} beside the patch, which lies nowhere yet", port=item)
        count = rows * columns * 4
        self._left -= count
        if self._left < 0:
            raise PatchError(f"{item} exceeds {disk.size(TOTAL)}, the most that the tables of a patch may hold", port=item)
        try:
            data = fetch(self.folder, digest, count)
        except PatchError as e:
            raise PatchError(f"{item}: {e}", port=item) from None
        numbers = array("f", data)
        if sys.byteorder == "big":
            numbers.byteswap()
        if not all(map(isfinite, numbers)):
            raise PatchError(f"{item}: {name(digest)} holds a number that is not finite", port=item)
        return tuple(zip(*[iter(numbers)] * columns, strict=True))


def fetch(folder: Path, digest: str, count: int) -> bytes:
    """The `count` bytes that belong to a hash, or PatchError."""
    path = disk.confined(folder, name(digest))
    if path.stat().st_size != count:
        raise PatchError(f"{name(digest)} was altered: it holds {path.stat().st_size} bytes, not {count}")
    data = disk.read(path, name(digest), count)
    if hashed(data) != digest:
        raise PatchError(f"{name(digest)} was altered: its hash is another")
    return data


class Writer:
    """Takes the large tables of a patch while its map is made, and then writes those that `folder` lacks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tables: dict[str, bytes] = {}

    def keep(self, data: bytes) -> str:
        """Notes a table to be written."""
        digest = hashed(data)
        self._tables[digest] = data
        return digest

    def write(self) -> None:
        """Writes every table whose file is not there.  One that is there is never written again, but it must be right."""
        if not self._tables:
            return
        total = sum(map(len, self._tables.values()))
        if total > TOTAL:
            raise PatchError(f"has tables of {disk.size(total)}, more than the {disk.size(TOTAL)} that a patch may have")
        place = self.folder / FOLDER
        try:
            place.mkdir(exist_ok=True)
        except OSError as e:
            raise PatchError(f"the folder {FOLDER} could not be made: {(e.strerror or str(e)).lower()}") from None
        if not place.resolve().is_relative_to(self.folder.resolve()):
            raise PatchError(f"{FOLDER} leads out of the folder of the patch")
        for digest, data in self._tables.items():
            path = self.folder / name(digest)
            if path.exists() or path.is_symlink():
                try:
                    fetch(self.folder, digest, len(data))
                except PatchError as e:
                    raise PatchError(f"{e}; remove it and save again") from None
            else:
                disk.write_atomic(path, data)


def beside(folder: Path | None) -> Keep:
    """For text that is printed: a table is referred to where its file lies beside the patch already."""

    def keep(data: bytes) -> str | None:
        digest = hashed(data)
        return digest if folder is not None and (folder / name(digest)).is_file() else None

    return keep
