"""OSC packets: every byte of one is checked before anything is believed, then its messages are plain values.

What comes in is read here, because python-osc's own parser never ends on a bundle element of size −4, takes half a
number for a whole one and leaves out arguments of type I, c and S.  What goes out is written by python-osc.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

NOW = 1  # the timetag that means at once
DEPTH = 16  # bundles inside each other
ELEMENTS = 4096  # of a packet, bundles counted too
ARGUMENTS = 1024  # of a message
EPOCH = 2208988800  # seconds from 1900, where timetags begin, to 1970

_int, _long, _float, _double = (struct.Struct(">" + c) for c in "iqfd")
_tag = struct.Struct(">Q")
FIXED: dict[str, struct.Struct] = {
    "i": _int, "f": _float, "d": _double, "h": _long, "t": _tag, "c": _int, "r": struct.Struct(">I"), "m": struct.Struct("4s"),
}  # fmt: skip
PLAIN: dict[str, Any] = {"T": True, "F": False, "N": None, "I": True}  # I is a bang


class Malformed(ValueError):
    """Bytes that are no OSC packet; `str()` says why."""


class Message(NamedTuple):
    """An address, its arguments, and the timetag of the bundle around it (`NOW` without one)."""

    address: str
    args: tuple[Any, ...]
    tag: int = NOW


def parse(data: bytes) -> list[Message]:
    """The messages of a packet, in order.  Raises Malformed, and then none of them counts."""
    found: list[Message] = []
    if data[:1] == b"/":
        found.append(_message(data, 0, len(data), NOW))
    elif data[:8] == b"#bundle\0":
        _bundle(data, 0, len(data), NOW, 1, found, [0])
    else:
        raise Malformed("it begins with neither an address nor #bundle")
    return found


def _bundle(data: bytes, at: int, end: int, outer: int, depth: int, found: list[Message], count: list[int]) -> None:
    if depth > DEPTH:
        raise Malformed(f"it has bundles more than {DEPTH} deep")
    if end - at < 16:
        raise Malformed("it has a bundle without a timetag")
    # an inner bundle may be later than the one around it, never earlier
    tag = max(_tag.unpack_from(data, at + 8)[0], outer)
    at += 16
    while at < end:
        count[0] += 1
        if count[0] > ELEMENTS:
            raise Malformed(f"it has more than {ELEMENTS} elements")
        if end - at < 4:
            raise Malformed("it ends within the size of an element")
        size = _int.unpack_from(data, at)[0]
        at += 4
        if size < 0 or size % 4 or size > end - at:
            raise Malformed(f"it has an element of size {size} where {end - at} bytes are left")
        kind = data[at : at + 8] if size else b""
        if kind[:1] == b"/":
            found.append(_message(data, at, at + size, tag))
        elif kind == b"#bundle\0":
            _bundle(data, at, at + size, tag, depth + 1, found, count)
        elif size:
            raise Malformed("it has an element that is neither a message nor a bundle")
        at += size


def _message(data: bytes, at: int, end: int, tag: int) -> Message:
    raw, at = _bytes(data, at, end)
    address = raw.decode("latin-1")
    if not (address.isascii() and address.isprintable() and " " not in address and "#" not in address):
        raise Malformed("it has an address that is not printable ASCII")
    if at == end:
        return Message(address, (), tag)
    kinds, at = _bytes(data, at, end)
    if kinds[:1] != b",":
        raise Malformed(f"{address} has arguments without type tags")
    if len(kinds) > ARGUMENTS:
        raise Malformed(f"{address} has more than {ARGUMENTS} arguments")
    args: list[Any] = []
    stack = [args]
    for kind in kinds[1:].decode("latin-1"):
        fixed = FIXED.get(kind)
        if fixed is not None:
            if end - at < fixed.size:
                raise Malformed(f"{address} ends within an argument of type {kind}")
            value: Any = fixed.unpack_from(data, at)[0]
            at += fixed.size
            if kind == "c":
                value = chr(value) if 0 <= value < 0x110000 else ""
        elif kind in PLAIN:
            value = PLAIN[kind]
        elif kind in "sS":
            raw, at = _bytes(data, at, end)
            try:
                value = raw.decode()
            except UnicodeDecodeError:
                raise Malformed(f"{address} has text that is not UTF-8") from None
        elif kind == "b":
            value, at = _blob(data, at, end, address)
        elif kind == "[" and len(stack) <= DEPTH:
            value = []
            stack[-1].append(value)
            stack.append(value)
            continue
        elif kind == "]" and len(stack) > 1:
            stack.pop()
            continue
        else:
            raise Malformed(f"{address} has an argument of the unknown type {kind!r}")
        stack[-1].append(value)
    if len(stack) > 1 or at != end:
        raise Malformed(f"{address} has {'an array without end' if len(stack) > 1 else 'bytes after its last argument'}")
    return Message(address, tuple(args), tag)


def _bytes(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    """What stands before the next zero byte, and where the padding after it ends."""
    stop = data.find(0, at, end)
    after = at + (stop - at & ~3) + 4
    if stop < 0 or after > end:
        raise Malformed("it has text without end")
    return data[at:stop], after


def _blob(data: bytes, at: int, end: int, address: str) -> tuple[bytes, int]:
    size = _int.unpack_from(data, at)[0] if end - at >= 4 else -1
    after = at + 4 + (size + 3 & ~3)
    if size < 0 or after > end:
        raise Malformed(f"{address} has a blob that is not whole")
    return data[at + 4 : at + 4 + size], after


def unix(tag: int) -> float:
    """Seconds since 1970 of a timetag."""
    return (tag >> 32) - EPOCH + (tag & 0xFFFFFFFF) / 4294967296.0


def timetag(seconds: float) -> int:
    """The timetag of a time in seconds since 1970."""
    return round((seconds + EPOCH) * 4294967296.0)


def message(address: str, *args: Any) -> bytes:
    """A message as bytes: text, numbers (whole ones as int32 or int64, others as float32), booleans, None, bytes."""
    from pythonosc.osc_message_builder import OscMessageBuilder

    builder = OscMessageBuilder(address)
    for arg in args:
        builder.add_arg(arg)
    data: bytes = builder.build().dgram
    return data


def bundle(messages: Sequence[bytes], tag: int = NOW) -> bytes:
    """Messages (or bundles) as one bundle."""
    return b"".join([b"#bundle\0", _tag.pack(tag), *(_int.pack(len(m)) + m for m in messages)])
