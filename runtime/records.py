"""Files of records that only grow: each is its length, its CRC-32 and one msgpack value.

A crash or a power cut can only spoil the end of such a file: whoever reads it gets every record before that, and is
told.  Journals and event logs are kept this way.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgpack

from graph import PatchError, codec

LIMIT = 64 << 20  # bytes of one record
_HEAD = struct.Struct("<II")  # length, CRC-32 of length and payload


def pack(value: Any) -> bytes:
    """One record with the plain `value`.  Raises PatchError where it is too large."""
    payload = codec.pack(value)
    if len(payload) > LIMIT:
        raise PatchError(f"a record would be larger than {LIMIT >> 20} MiB")
    return _HEAD.pack(len(payload), _crc(payload)) + payload


def _crc(payload: bytes) -> int:
    return zlib.crc32(payload, len(payload))


class Reader:
    """The values in a file of records, in order, up to the first one that is cut off or damaged.

    When the iteration is over, `size` is how many bytes were whole and `torn` a sentence about the rest ("" if there is
    none).  A file that is not there holds nothing.  Raises PatchError where the disk refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.size, self.torn = path, 0, ""

    def __iter__(self) -> Iterator[Any]:
        self.size, self.torn = 0, ""
        try:
            with open(self.path, "rb") as f:
                while True:
                    found = self._next(f)
                    if found is None:
                        return
                    self.size += _HEAD.size + found[1]
                    yield found[0]
        except FileNotFoundError:
            return
        except OSError as e:
            raise PatchError((e.strerror or str(e)).lower(), file=self.path.name) from None

    def _next(self, f: BinaryIO) -> tuple[Any, int] | None:
        """The next value and its bytes, or None at the end."""
        head = f.read(_HEAD.size)
        if not head:
            return None
        length, crc = _HEAD.unpack(head) if len(head) == _HEAD.size else (0, 0)
        payload = f.read(length) if 0 < length <= LIMIT else b""
        if len(head) < _HEAD.size or (0 < length <= LIMIT and len(payload) < length):
            self.torn = f"{self.path.name} is cut off after {self.size} bytes"
        elif not payload or _crc(payload) != crc:
            self.torn = f"{self.path.name} is damaged after {self.size} bytes"
        else:
            try:
                return msgpack.unpackb(payload, raw=False, strict_map_key=False, ext_hook=_refuse), length
            except (ValueError, TypeError, msgpack.UnpackException):
                self.torn = f"{self.path.name} holds something else after {self.size} bytes"
        return None


def _refuse(code: int, data: bytes) -> Any:
    raise ValueError("an extension type")


class Writer:
    """Appends records to a file (mode 0600).  One that ends in a torn record is first cut back to its last whole one.

    For one thread at a time.  Raises PatchError where the disk refuses; the file then ends where it ended before.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        whole = Reader(path)
        for _ in whole:
            pass
        self.torn = whole.torn
        self.size = whole.size
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            if self.torn:
                os.ftruncate(self._file, self.size)
        except OSError as e:
            raise self._error(e) from None

    def append(self, values: Iterable[Any]) -> None:
        """Writes `values`, each one record, at once."""
        self.write(b"".join(pack(v) for v in values))

    def write(self, packed: bytes) -> None:
        """Writes what `pack` made of some values, at once."""
        if not packed:
            return
        try:
            done = os.write(self._file, packed)
            while done < len(packed):  # a disk that is nearly full, or more than one call takes
                done += os.write(self._file, packed[done:])
        except OSError as e:
            os.ftruncate(self._file, self.size)  # what follows must not stand behind half a record
            raise self._error(e) from None
        self.size += len(packed)

    def fsync(self) -> None:
        """Returns when all that was written is on the disk."""
        try:
            os.fsync(self._file)
        except OSError as e:
            raise self._error(e) from None

    def close(self) -> None:
        """Closes the file; a second time does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _error(self, e: OSError) -> PatchError:
        return PatchError(f"could not be written: {(e.strerror or str(e)).lower()}", file=self.path.name)
