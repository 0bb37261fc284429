"""Is this a value of that param, choice, setting or table: each function returns it in its stored form or refuses."""

from __future__ import annotations

import math
import numbers
import re
from array import array
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from graph.errors import PatchError, show, suggest
from graph.spec import NAME, RESERVED, Choice, Data, NodeSpec, Param, Setting

Table = tuple[tuple[float, ...], ...]

AMOUNT = 1e6  # largest cable amount, either sign
DEPTH = 256  # of plain values inside each other
RATES = (1000, 768_000)
BLOCKS = (1, 8192)
TEXT = 4096  # characters of a text setting
INLINE = 64 << 10  # bytes as float32; a larger table goes to a file of its own
FLOAT32 = (2 - 2**-23) * 2.0**127  # the largest


def number(name: str, value: Any, low: float, high: float, unit: str = "") -> float:
    """A finite number from `low` to `high`, or PatchError."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise PatchError(f"{name} takes a number, not {show(value)}", port=name)
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not (low <= result <= high and math.isfinite(result)):
        raise PatchError(f"{name} takes {span(low, high, unit)}, not {show(value)}", port=name)
    return result


def whole(name: str, value: Any, low: float, high: float, unit: str = "") -> int:
    """A whole number from `low` to `high`, or PatchError."""
    result = number(name, value, low, high, unit)
    if result != int(result):
        raise PatchError(f"{name} takes a whole number, not {show(value)}", port=name)
    return int(value)


def span(low: float, high: float, unit: str = "") -> str:
    """A range as artists read it: "20 … 20000 Hz"."""
    unit = f" {unit}" if unit else ""
    if math.isinf(low) and math.isinf(high):
        return "a finite number" + (f" in{unit}" if unit else "")
    if math.isinf(high):
        return f"{show(low)}{unit} or more"
    if math.isinf(low):
        return f"{show(high)}{unit} or less"
    return f"{show(low)} … {show(high)}{unit}"


def flag(name: str, value: Any) -> bool:
    """True or false, or PatchError."""
    if not isinstance(value, bool):
        raise PatchError(f"{name} takes true or false, not {show(value)}", port=name)
    return value


def text(name: str, value: Any, limit: int = TEXT) -> str:
    """Text of at most `limit` characters that can be written to a file, or PatchError."""
    if not isinstance(value, str):
        raise PatchError(f"{name} takes text, not {show(value)}", port=name)
    if len(value) > limit:
        raise PatchError(f"{name} takes at most {limit} characters, not {len(value)}", port=name)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise PatchError(f"{name} has characters that cannot be written", port=name) from None
    return value


def option(name: str, value: Any, options: Sequence[str]) -> str:
    """One of `options`, or PatchError."""
    if not isinstance(value, str) or value not in options:
        hint = suggest(value, options) if isinstance(value, str) else ""
        raise PatchError(f"{name} has no option {show(value)}{hint or suggest('', options)}", port=name)
    return value


def param(name: str, spec: Param, value: Any) -> float:
    """A param's value in its unit."""
    return number(name, value, spec.low, spec.high, spec.unit)


def choice(name: str, spec: Choice, value: Any) -> str:
    """A choice's option."""
    return option(name, value, spec.options)


def setting(name: str, spec: Setting, value: Any) -> int | float | str:
    """A setting's value: number, option, text or the relative name of a file."""
    if spec.kind == "int":
        return whole(name, value, spec.low, spec.high, spec.unit)
    if spec.kind == "float":
        return number(name, value, spec.low, spec.high, spec.unit)
    if spec.kind == "choice":
        return option(name, value, spec.options)
    return filename(name, value) if spec.kind == "file" else text(name, value)


def filename(name: str, value: Any) -> str:
    """A file's name relative to the patch ("" is none), refused if it could lead out of the patch's folder."""
    path = text(name, value)
    if not path:
        return ""
    parts = path.split("/")
    if path.startswith("/") or "\\" in path or re.match(r"[A-Za-z]:", path) or any(ord(c) < 32 for c in path):
        raise PatchError(f"{name} takes a path relative to the patch, not {show(path)}", port=name)
    if ".." in parts:
        raise PatchError(f"{name} may not leave the folder of the patch, as {show(path)} would", port=name)
    if "" in parts or "." in parts:
        raise PatchError(f"{name} takes a plain path such as sounds/kick.flac, not {show(path)}", port=name)
    return path


def table(name: str, spec: Data, value: Any) -> Table:
    """Rows of `spec.columns` finite numbers (0: as many as the first row has); a flat sequence of numbers is taken as rows
    of one.

    A large table is kept in a file of float32 numbers, so those are what it holds.
    """
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        tolist = getattr(value, "tolist", None)  # an array of any library
        if tolist is None:
            raise PatchError(f"{name} takes rows of numbers, not {show(value)}", port=name)
        value = tolist()
    if not value:
        raise PatchError(f"{name} takes at least one row", port=name)
    if len(value) > spec.limit:
        raise PatchError(f"{name} takes at most {spec.limit} rows, not {len(value)}", port=name)
    columns = spec.columns or width(name, value[0])
    low, high = max(spec.low, -FLOAT32), min(spec.high, FLOAT32)
    large = 4 * len(value) * columns > INLINE
    if large:  # the ends as float32 too, so that what was rounded there is still inside
        low, high = min(low, single(low)), max(high, single(high))
        quick = _large(columns, value, low, high)
        if quick is not None:
            return quick
    rows = []
    for row in value:
        if columns == 1 and isinstance(row, numbers.Real):
            row = (row,)
        if not isinstance(row, Sequence) or isinstance(row, str | bytes) or len(row) != columns:
            same = "" if spec.columns else " as its first row has"
            raise PatchError(f"{name} takes rows of {columns} numbers{same}, not {show(row)}", port=name)
        rows.append(tuple(number(name, x, low, high, spec.unit) for x in row))
    return _large(columns, rows, low, high) or tuple(rows) if large else tuple(rows)


def width(name: str, row: Any) -> int:
    """How many numbers the first row of a table of any width has, or PatchError."""
    if isinstance(row, numbers.Real):
        return 1
    if not isinstance(row, Sequence) or isinstance(row, str | bytes) or not row:
        raise PatchError(f"{name} takes rows of numbers, not {show(row)}", port=name)
    return len(row)


def single(x: float) -> float:
    """`x` rounded to float32."""
    return array("f", (x,))[0]


def _large(columns: int, value: Sequence[Any], low: float, high: float) -> Table | None:
    """The table of float32 numbers, or None where a value is anything but plain numbers in range: then look closer.

    Rows that are right as they are stay the same objects, so that the steps of a history share them.
    """
    flat: Sequence[Any] = value
    if columns > 1 or not isinstance(value[0], int | float):
        if not set(map(type, value)) <= {tuple, list} or set(map(len, value)) != {columns}:
            return None
        flat = list(chain.from_iterable(value))
    if not set(map(type, flat)) <= {float, int}:
        return None
    try:
        numbers = array("f", flat)
    except OverflowError:
        return None
    if not all(map(math.isfinite, flat)) or not low <= min(flat) <= max(flat) <= high:
        return None
    stored = numbers.tolist()
    rows = zip(*[iter(stored)] * columns, strict=True)
    if flat is value or set(map(type, flat)) != {float}:
        return tuple(rows)
    return tuple(old if old == row else row for old, row in zip(value, rows, strict=True))  # a list equals no tuple


def node_name(name: Any, flat: bool = False) -> str:
    """A node's name; "sub/inner" only in flattened patches."""
    parts = name.split("/") if flat and isinstance(name, str) else [name]
    if not all(isinstance(p, str) and NAME.match(p) for p in parts):
        raise PatchError(f"{show(name)} cannot be a name: letters, digits, _ and -, at most 64, a letter first")
    return str(name)


def port_name(name: Any) -> str:
    """A name that a port may have."""
    node_name(name)
    if name in RESERVED:
        raise PatchError(f"{show(name)} is reserved and cannot be the name of a port")
    return str(name)


def section(spec: NodeSpec, name: str) -> tuple[str, str]:
    """("params" | "choices" | "settings" | "data", today's name) of a value called `name`, or PatchError."""
    name = spec.renamed(name)
    for part in ("params", "choices", "settings", "data"):
        if name in getattr(spec, part):
            return part, name
    known = [*spec.params, *spec.choices, *spec.settings, *spec.data]
    raise PatchError(f"{spec.id} has no param {show(name)}{suggest(name, known)}", port=name)


def stored(spec: NodeSpec, part: str, name: str, value: Any) -> Any:
    """`value` of the item `name` in section `part`, checked and in its stored form."""
    check: Any = {"params": param, "choices": choice, "settings": setting, "data": table}[part]
    return check(name, getattr(spec, part)[name], value)


def plain(name: str, value: Any, depth: int = DEPTH) -> Any:
    """A copy of `value` made of None, bool, int, finite float, str, bytes, list and dict with text keys, or PatchError."""
    if value is None or isinstance(value, bool | bytes):
        return value
    if isinstance(value, str):
        return text(name, value, 1 << 20)
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 64:
            raise PatchError(f"{name} holds a whole number of more than 64 bits")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise PatchError(f"{name} holds {value}, which is not a finite number")
        return value
    if depth == 0:
        raise PatchError(f"{name} is nested too deeply")
    if isinstance(value, list | tuple):
        return [plain(name, item, depth - 1) for item in value]
    if isinstance(value, Mapping):
        if not all(isinstance(k, str) for k in value):
            raise PatchError(f"{name} has a key that is not text")
        return {text(name, k): plain(name, v, depth - 1) for k, v in value.items()}
    raise PatchError(f"{name} holds {show(value)}, which a patch cannot keep")
