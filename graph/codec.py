"""Bytes to plain values and back: msgpack, and JSON for people.  Nothing is built before size, depth and count fit."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

import msgpack

from graph.errors import PatchError

SIZE = 32 << 20  # bytes of a file
COUNT = 1 << 21  # values in it
DEPTH = 512  # containers inside each other

# first byte → bytes of the payload, or of the length that follows
_SIZES = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_FIXED = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_ARRAYS = {0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
_SHORT = "ends too early; it was cut off"


def scan(data: bytes) -> None:
    """PatchError unless `data` is one msgpack value within the limits.  Allocates nothing that grows with its claims."""
    end, pos, count = len(data), 0, 0
    left = [1]
    while left:
        if left[-1] == 0:
            left.pop()
            continue
        left[-1] -= 1
        count += 1
        if pos >= end:
            raise PatchError(_SHORT)
        first = data[pos]
        pos += 1
        items = -1
        if first < 0x80 or first >= 0xE0:
            continue
        if 0xA0 <= first < 0xC0:
            pos += first - 0xA0
        elif first < 0x90:
            items = 2 * (first - 0x80)
        elif first < 0xA0:
            items = first - 0x90
        elif first in _FIXED:
            pos += _FIXED[first]
        elif first in _SIZES:
            size = _SIZES[first]
            pos += size + int.from_bytes(data[pos : pos + size], "big")
        elif first in _ARRAYS:
            size = _ARRAYS[first]
            items = int.from_bytes(data[pos : pos + size], "big") * (2 if first >= 0xDE else 1)
            pos += size
        else:
            raise PatchError("is no patch: it holds an extension type" if first != 0xC1 else "is no patch: it holds no msgpack")
        if pos > end or items > end - pos:
            raise PatchError(_SHORT)
        if count + items > COUNT:
            raise PatchError(f"holds more than {COUNT} values")
        if items >= 0:
            left.append(items)
            if len(left) > DEPTH:
                raise PatchError(f"is nested more than {DEPTH} deep")
        if count > COUNT:
            raise PatchError(f"holds more than {COUNT} values")
    if pos != end:
        raise PatchError("has bytes behind its end")


def _pairs(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[Any] = set()
        double = next(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
        raise PatchError(f"has the key {str(double)[:64]!r} twice in one map")
    if not all(isinstance(k, str) for k in found):
        raise PatchError("has a map with a key that is not text")
    return found


def unpack(data: bytes) -> Any:
    """The plain value in msgpack bytes, or PatchError."""
    scan(data)
    try:
        return msgpack.unpackb(
            data, raw=False, strict_map_key=False, object_pairs_hook=_pairs,
            max_str_len=SIZE, max_bin_len=SIZE, max_array_len=COUNT, max_map_len=COUNT, max_ext_len=0,
        )  # fmt: skip
    except PatchError:
        raise
    except UnicodeDecodeError:
        raise PatchError("holds text that is not UTF-8") from None
    except (ValueError, TypeError, msgpack.UnpackException):
        raise PatchError("is no patch: it cannot be unpacked") from None


def pack(value: Any) -> bytes:
    """Plain values as msgpack bytes."""
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def to_text(value: Any) -> str:
    """Plain values as JSON, one thing a line where that reads well.  Bytes are `{"$bin": base64}`; a key that begins with
    $ gets one more.
    """
    return _layout(_escape(value), 0) + "\n"


def from_text(data: bytes) -> Any:
    """The plain value in JSON, or PatchError."""
    if len(data) > SIZE:
        raise PatchError(f"is larger than {SIZE >> 20} MiB")
    # what a parser will build is bounded by these before it builds anything
    if data.count(b",") + data.count(b"[") + data.count(b"{") > COUNT:
        raise PatchError(f"holds more than {COUNT} values")
    try:
        value = json.loads(data.decode(), object_pairs_hook=_pairs, parse_int=_integer, parse_constant=_constant)
        value = _unescape(value)
        # one road: what passes as msgpack is what is believed
        return unpack(pack(value))
    except PatchError:
        raise
    except UnicodeDecodeError:
        raise PatchError("holds text that is not UTF-8") from None
    except json.JSONDecodeError as e:
        raise PatchError(f"is no JSON: {e.msg[:1].lower()}{e.msg[1:]} in line {e.lineno}, column {e.colno}") from None
    except RecursionError:
        raise PatchError(f"is nested more than {DEPTH} deep") from None
    except (ValueError, OverflowError, TypeError):
        raise PatchError("is no patch: it holds a value that no patch can hold") from None


def _integer(text: str) -> int:
    if len(text) > 20:
        raise PatchError("holds a whole number of more than 64 bits")
    return int(text)


def _constant(text: str) -> float:
    raise PatchError(f"holds {text}, which is not a finite number")


def _escape(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$bin": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {f"${k}" if k.startswith("$") else k: _escape(v) for k, v in value.items()}
    return [_escape(v) for v in value] if isinstance(value, list | tuple) else value


def _unescape(value: Any) -> Any:
    if isinstance(value, dict):
        if len(value) == 1 and "$bin" in value:
            try:
                return base64.b64decode(value["$bin"], validate=True)
            except (binascii.Error, ValueError, TypeError):
                raise PatchError('holds a "$bin" that is not base64') from None
        return {k[1:] if k.startswith("$$") else k: _unescape(v) for k, v in value.items()}
    return [_unescape(v) for v in value] if isinstance(value, list) else value


def _layout(value: Any, indent: int) -> str:
    """JSON with maps and lists on one line where they fit, so that a diff shows one node or cable a line."""
    line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if not isinstance(value, dict | list) or not value or (indent >= 2 and len(line) + indent <= 120):
        return line
    pad, inner = "  " * indent, "  " * (indent + 1)
    if isinstance(value, dict):
        rows = [f"{inner}{json.dumps(k, ensure_ascii=False)}: {_layout(v, indent + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{pad}}}"
    return "[\n" + ",\n".join(f"{inner}{_layout(v, indent + 1)}" for v in value) + f"\n{pad}]"
