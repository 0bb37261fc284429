"""The attributes of a loaded model: read with their kinds and values, and written with values of those kinds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .calls import reason
from .contract import KINDS, Attribute, ModelError, proper

MOST = 256
"""Attributes of a file."""
ELEMENTS = 64
"""Elements of an attribute."""
TEXT = 4096
"""Characters of a text."""
DEFAULTS: dict[str, Any] = {"bool": False, "int": 0, "float": 0.0, "str": "", "tensor": None, "buffer": None}


def attributes(part: Any, card: Mapping[str, Any], notes: list[str]) -> tuple[Attribute, ...]:
    """Every attribute that can be set, in the file's order; what cannot be used adds a sentence to `notes`."""
    methods = set(part._c._method_names())
    names: list[str] = []
    if "get_attributes" in methods:
        try:
            names = list(dict.fromkeys(str(n) for n in part.get_attributes() if n != "none"))
        except Exception as error:
            notes.append(f"get_attributes raises: {reason(error)}")
    elif "get_methods" not in methods:
        setters = sorted(m[4:] for m in methods if m.startswith("set_"))
        names = [n for n in setters if n not in methods and hasattr(part, f"{n}_params")]
    if len(names) > MOST:
        notes.append(f"lists {len(names)} attributes; {MOST} are read")
    found = (_attribute(part, name, methods, card, notes) for name in names[:MOST])
    return tuple(a for a in found if a)


def _attribute(part: Any, name: str, methods: set[str], card: Mapping[str, Any], notes: list[str]) -> Attribute | None:
    if not proper(name):
        notes.append(f"lists an attribute {name[:40]!r}, which cannot be a name in a patch")
        return None
    try:
        kinds = tuple(KINDS[int(k)] for k in getattr(part, f"{name}_params") if int(k) >= 0)
    except (AttributeError, TypeError, ValueError, IndexError, RuntimeError):
        notes.append(f"attribute {name} has no {name}_params that say what it is")
        return None
    if not 0 < len(kinds) <= ELEMENTS:
        notes.append(f"attribute {name} has {len(kinds)} elements; 1 to {ELEMENTS} are expected")
        return None
    if f"set_{name}" not in methods:
        notes.append(f"attribute {name} cannot be set: there is no set_{name}")
        return None
    taken = len(part._c._get_method(f"set_{name}").schema.arguments) - 1
    if taken != len(kinds):
        notes.append(f"attribute {name} cannot be set: set_{name} takes {taken} values, and it has {len(kinds)}")
        return None
    more = card.get("attributes")
    told = more.get(name) if isinstance(more, dict) else None
    told = told if isinstance(told, dict) else {}
    low, high = _number(told.get("low")), _number(told.get("high"))
    if low is not None and high is not None and low >= high:
        notes.append(f"the card's range of attribute {name} is empty")
        low = high = None
    unit, doc = str(told.get("unit", ""))[:16], str(told.get("doc", ""))[:TEXT]
    return Attribute(name, kinds, _values(part, name, kinds, methods, notes), low, high, unit, doc)


def _values(part: Any, name: str, kinds: Sequence[str], methods: set[str], notes: list[str]) -> tuple[Any, ...]:
    """What the elements are now; getters return a scalar, a list or a tuple."""
    try:
        value = getattr(part, f"get_{name}")() if f"get_{name}" in methods else getattr(part, name)
    except Exception as error:
        notes.append(f"get_{name} raises: {reason(error)}")
        return tuple(DEFAULTS[k] for k in kinds)
    held = list(value) if isinstance(value, list | tuple) else [value]
    if len(held) != len(kinds):
        if set(kinds) & {"tensor", "buffer"}:  # a lone tensor, or nothing said about a buffer
            return tuple(DEFAULTS[k] for k in kinds)
        notes.append(f"get_{name} gives {len(held)} values, and it has {len(kinds)}")
        return tuple(DEFAULTS[k] for k in kinds)
    try:
        return tuple(None if k in ("tensor", "buffer") else convert(k, v) for k, v in zip(kinds, held))
    except ModelError as error:
        notes.append(f"get_{name} gives what is none: {error}")
        return tuple(DEFAULTS[k] for k in kinds)


def convert(kind: str, value: Any) -> Any:
    """`value` as an element of this kind, a tensor as a float32 array of one dimension.  Raises ModelError."""
    try:
        if kind == "bool":
            return value not in ("0", "false", "False") and bool(value)  # as nn~ reads a text
        if kind == "int":
            whole = round(float(value)) if not isinstance(value, int) else int(value)
            if not -(1 << 63) <= whole < 1 << 63:
                raise OverflowError
            return whole
        if kind == "float":
            number = float(value)
            if not math.isfinite(number):
                raise OverflowError
            return number
        if kind == "tensor":
            return np.array(value, np.float32).reshape(-1)
    except (TypeError, ValueError, OverflowError):
        raise ModelError(f"{str(value)[:40]!r} is no {kind}") from None
    return str(value)[:TEXT]


def _number(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None
