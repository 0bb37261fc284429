"""Edits as plain maps, for journals, sockets and the network.

`{"edit": "connect", "src": "lfo.out", "dst": "filter.cutoff", "amount": 0.3}` is `Connect("lfo.out", "filter.cutoff", 0.3)`:
fields are called as in `graph.edits`, and those at their default are left out.  What is read is checked for its form
here and for its sense when it is applied, so that any value is an edit or a PatchError.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import MISSING
from dataclasses import fields as fields_of
from typing import Any

from graph import codec, edits, fields, file, subpatch, tables, values
from graph.errors import PatchError, show, suggest
from graph.groups import SetValues
from graph.patch import ABSENT, BLOCK, FIELDS, RATE, Cable, Change, Patch
from graph.values import plain

COUNT = 1 << 16  # edits in one list
DEPTH = subpatch.NESTING + 4  # edits inside each other

Check = Callable[[str, Any, "Reader"], Any]


# out


def to_map(edit: edits.Edit) -> dict[str, Any]:
    """The edit as plain data.  Raises PatchError where it holds what no patch could keep."""
    word = _WORDS.get(type(edit))
    if word is None:
        raise PatchError(f"a {type(edit).__name__} cannot be written as a map")
    found: dict[str, Any] = {"edit": word}
    if isinstance(edit, edits.Changes):
        return found | {"writes": [_write(*w) for w in edit.writes]} | ({"title": edit.title} if edit.title else {})
    for field in fields_of(edit):  # type: ignore[arg-type]
        value = getattr(edit, field.name)
        if type(value) is not type(field.default) or value != field.default:
            name = "inner" if field.name == "edit" else field.name
            found[name] = _out(name, value)
    return {k: v for k, v in found.items() if k != "values" or v}


def _out(name: str, value: Any) -> Any:
    """A field of an edit as plain data."""
    if isinstance(value, edits.Edit):
        return to_map(value)
    if isinstance(value, Patch):
        return _definition(value)
    if isinstance(value, tuple | list) and value and isinstance(value[0], edits.Edit):
        return [to_map(e) for e in value]
    return plain(name, _numbers(value))


def _numbers(value: Any) -> Any:
    """`value` with the numbers and arrays of any library as Python's own."""
    if value is None or isinstance(value, str | bytes | bool):
        return value
    if isinstance(value, numbers.Real):
        return int(value) if isinstance(value, numbers.Integral) else float(value)
    if isinstance(value, Mapping):
        return {k: _numbers(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_numbers(v) for v in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _definition(patch: Patch) -> dict[str, Any]:
    found = file.to_map(patch)
    del found["rate"], found["block"]  # those of the outermost patch hold
    return found


def _write(what: str, key: Any, value: Any) -> list[Any]:
    """One write to the store; what is to be removed is a list without its last part."""
    place = [what, *([key] if isinstance(key, str) else key)]
    if what == "cable":
        place = [what, f"{key[0]}.{key[1]}", f"{key[2]}.{key[3]}"]
        return place if value is ABSENT else [*place, value.amount, value.mode, value.delayed, *plain("cable", value.extra)]
    if value is ABSENT:
        return place
    if what == "node":
        return [*place, file._node_map(value, None)]
    return [*place, _definition(value) if isinstance(value, Patch) else plain(what, value)]


# in


def from_map(found: Any, patch: Patch | None = None, *, recorded: bool = False) -> edits.Edit:
    """The edit in a plain map, or PatchError.

    `patch` is what it will be applied to: it knows the node types, and the folder for definitions by file.  Recorded
    writes (`Changes`) pass no checks when they are applied, so they are believed only with `recorded`: from one's own
    journal.
    """
    return Reader(Patch() if patch is None else patch, recorded).edit("edit", found)


class Reader:
    """Reads edits for `patch`."""

    def __init__(self, patch: Patch, recorded: bool) -> None:
        self.patch, self.recorded, self.depth = patch, recorded, 0

    def edit(self, name: str, found: Any) -> edits.Edit:
        if self.depth > DEPTH:
            raise PatchError(f"edits are nested more than {DEPTH} deep")
        self.depth += 1
        try:
            return self._edit(name, found)
        finally:
            self.depth -= 1

    def _edit(self, name: str, found: Any) -> edits.Edit:
        if not isinstance(found, Mapping):
            raise PatchError(f"{name} takes a map, not {show(found)}")
        word = found.get("edit")
        if not isinstance(word, str) or word not in EDITS:
            raise PatchError(f"there is no edit {show(word)}{suggest(word, EDITS) if isinstance(word, str) else ''}")
        kind, checks = EDITS[word]
        if kind is edits.Changes and not self.recorded:
            raise PatchError("recorded writes are only read from a journal")
        unknown = next((k for k in found if k != "edit" and k not in checks), None)
        if unknown is not None:
            raise PatchError(f"the edit {word} has no field {show(unknown)}{suggest(str(unknown), checks)}")
        given: dict[str, Any] = {}
        for field in fields_of(kind):  # type: ignore[arg-type]
            key = "inner" if field.name == "edit" else field.name
            if key not in found:
                if field.default is MISSING and field.default_factory is MISSING:
                    raise PatchError(f"the edit {word} needs {key}")
            elif found[key] is not None or field.default is not None:
                given[field.name] = checks[key](key, found[key], self)
        return kind(**given)

    def definition(self, value: Any) -> Patch:
        """An embedded definition, which knows what the patch around it knows."""
        value = plain("patch", value)
        if not isinstance(value, dict) or "zrack" not in value:
            raise PatchError("patch takes the map of a patch")
        inner = self._beside()
        file._fill(inner, value, 1, tables.Reader(self.patch.folder))
        inner.rate, inner.block = RATE, BLOCK
        inner.notes = []
        return inner

    def write(self, found: Any) -> Change:
        """One recorded write."""
        if not isinstance(found, list) or len(found) < 2 or not all(isinstance(x, str) for x in found[:2]):
            raise PatchError(f"a write is a list, not {show(found)}")
        what, name = found[0], found[1]
        if what == "cable" and len(found) >= 3:
            start, end = (_port("cable", x, self).split(".") for x in found[1:3])
            key = (start[0], start[1], end[0], end[1])
            if len(found) == 3:
                return what, key, ABSENT
            if len(found) >= 6:
                amount = values.number("amount", found[3], -values.AMOUNT, values.AMOUNT)
                mode: Any = values.option("mode", found[4], ("knob", "units"))
                delayed = values.flag("delayed", found[5])
                return what, key, Cable(amount, mode, delayed, tuple(plain("cable", found[6:])))
        if what == "node" and len(found) in (2, 3):
            values.node_name(name)
            return what, name, self._node(name, found[2]) if len(found) == 3 else ABSENT
        if what == "value" and len(found) in (4, 5):
            part, item = found[2], values.text("value", found[3], 256)
            if part in ("params", "choices", "settings", "data"):
                values.node_name(name)
                value = plain(item, found[4]) if len(found) == 5 else ABSENT
                return what, (name, part, item), _rows(item, value) if part == "data" and value is not ABSENT else value
        if what == "attr" and len(found) == 4 and found[2] in ("at", "bypass", "patch"):
            values.node_name(name)
            value = found[3]
            if found[2] == "at":
                value = fields.position(value)
            elif found[2] == "bypass":
                value = values.flag("bypass", value)
            elif value is not None:
                value = self.definition(value)
            return what, (name, found[2]), value
        if what == "field" and len(found) == 3 and name in FIELDS:
            return what, name, _field(name, plain(name, found[2]))
        raise PatchError(f"there is no write {show(what)} of this form")

    def _beside(self) -> Patch:
        inner = Patch(specs=self.patch.specs)
        inner.folder, inner.lineage, inner._files = self.patch.folder, self.patch.lineage, self.patch._files
        return inner

    def _node(self, name: str, found: Any) -> Any:
        """A node as a file holds it, checked as there."""
        scratch, reader = self._beside(), tables.Reader(self.patch.folder)
        with scratch.blame(name):
            scratch.write("node", name, file._node(scratch, plain("node", found), 0, reader))
            file._values(scratch, name, reader)
        return scratch.nodes[name]


def _field(name: str, value: Any) -> Any:
    if name in ("rate", "block"):
        return values.whole(name, value, *(values.RATES if name == "rate" else values.BLOCKS))
    if name == "limiter":
        return values.flag(name, value)
    if not isinstance(value, dict):
        raise PatchError(f"{name} takes a map, not {show(value)}")
    return value


def _rows(name: str, value: Any) -> Any:
    if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
        raise PatchError(f"{name} takes rows of numbers, not {show(value)}")
    return tuple(tuple(values.number(name, x, -math.inf, math.inf) for x in row) for row in value)


def _text(name: str, value: Any, reader: Reader) -> str:
    return values.text(name, value, 1024)


def _port(name: str, value: Any, reader: Reader) -> str:
    return ".".join(fields.port(reader.patch, _text(name, value, reader)))


def _flag(name: str, value: Any, reader: Reader) -> bool:
    return values.flag(name, value)


def _number(name: str, value: Any, reader: Reader) -> float:
    return values.number(name, value, -math.inf, math.inf)


def _whole(name: str, value: Any, reader: Reader) -> int:
    return values.whole(name, value, 0, (1 << 31) - 1)


def _value(name: str, value: Any, reader: Reader) -> float | str:
    if isinstance(value, str):
        return values.text(name, value)
    values.number(name, value, -math.inf, math.inf)
    return value  # type: ignore[no-any-return]  # a whole number stays one


def _map(name: str, value: Any, reader: Reader) -> Any:
    if not isinstance(value, Mapping):
        raise PatchError(f"{name} takes a map, not {show(value)}")
    return plain(name, value)


def items(name: str, value: Any, limit: int) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise PatchError(f"{name} takes a list, not {show(value)}")
    if len(value) > limit:
        raise PatchError(f"{name} holds more than {limit} entries")
    return list(value)


def places(name: str, value: Any, reader: Reader) -> tuple[tuple[str, str, float | str], ...]:
    rows = [items(name, row, 3) for row in items(name, value, COUNT)]
    if not rows or any(len(row) != 3 for row in rows):
        raise PatchError(f"{name} takes a list of [node, param, value]")
    return tuple((_text(name, n, reader), _text(name, p, reader), _value(p, v, reader)) for n, p, v in rows)


def _several(name: str, value: Any, reader: Reader) -> tuple[edits.Edit, ...]:
    return tuple(reader.edit(name, e) for e in items(name, value, COUNT))


_node: dict[str, Check] = {"name": _text}
_cable: dict[str, Check] = {"src": _port, "dst": _port}
_item: dict[str, Check] = {"node": _text, "name": _text, "value": _value}

EDITS: Mapping[str, tuple[type[edits.Edit], Mapping[str, Check]]] = {
    "add": (edits.AddNode, {
        "type": _text, **_node, "values": _map, "at": lambda n, v, r: fields.position(v), "seed": _whole,
        "patch": lambda n, v, r: r.definition(v), "bypass": _flag,
    }),
    "remove": (edits.RemoveNode, _node),
    "rename": (edits.Rename, {"old": _text, "new": _text}),
    "move": (edits.Move, {**_node, "at": lambda n, v, r: fields.position(v)}),
    "bypass": (edits.SetBypass, {**_node, "bypass": _flag}),
    "set": (edits.SetParam, _item),
    "values": (SetValues, {"values": places}),
    "setting": (edits.SetSetting, _item),
    "data": (edits.SetData, {
        "node": _text, "name": _text, "rows": lambda n, v, r: items(n, plain(n, v), codec.COUNT), "start": _whole,
    }),
    "connect": (edits.Connect, {**_cable, "amount": _number, "mode": _text}),
    "disconnect": (edits.Disconnect, _cable),
    "cable": (edits.SetCable, {**_cable, "amount": _number, "mode": _text}),
    "field": (edits.SetPatch, {"name": _text, "value": lambda n, v, r: plain(n, v)}),
    "group": (edits.Group, {"names": lambda n, v, r: tuple(_text(n, x, r) for x in items(n, v, COUNT)), "into": _text}),
    "inside": (edits.Inside, {**_node, "inner": lambda n, v, r: r.edit(n, v)}),
    "edits": (edits.Edits, {"edits": _several, "title": _text}),
    "changes": (edits.Changes, {
        "writes": lambda n, v, r: tuple(r.write(w) for w in items(n, v, codec.COUNT)), "title": _text,
    }),
}  # fmt: skip
"""Every edit by the word it has in a map, and how each of its fields is read."""

_WORDS = {kind: word for word, (kind, _) in EDITS.items()}
