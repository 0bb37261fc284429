"""What the inspector shows of the selected nodes, and the edits it makes; and what the performance page shows.

All functions read a patch with the editor's lock held; names of nodes are those of that patch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from graph.edits import Connect, Disconnect, Edit, Edits, SetBypass, SetCable, SetData, SetParam, SetPatch, SetSetting
from graph.patch import Cable, Key, Patch
from graph.spec import Choice, Data, NodeSpec, Param, Setting
from graph.values import span

from . import models
from .boxes import lacks
from .models import MODEL

Part = Literal["params", "choices", "settings", "data"]
PARTS: tuple[Part, ...] = ("params", "choices", "settings", "data")
Item = Param | Choice | Setting | Data


@dataclass
class Row:
    """One value: `names` are the nodes that have it, `mixed` says that they differ (then `value` is the first one's)."""

    part: Part
    name: str
    item: Any
    names: tuple[str, ...]
    value: Any
    mixed: bool = False
    cables: list[tuple[Key, Cable]] = field(default_factory=list)  # what moves it
    options: tuple[str, ...] = ()  # of a text: what can be chosen, the first where it is empty

    @property
    def key(self) -> tuple[Any, ...]:
        """Another where other widgets are needed."""
        tall = len(self.value) if self.part == "data" else 0
        return self.part, self.name, self.names, id(self.item), tuple(k for k, _ in self.cables), tall, self.options

    @property
    def tip(self) -> str:
        """What it is for and what it takes."""
        return ". ".join(filter(None, [self.item.doc, reach(self.item)]))


@dataclass
class Sheet:
    """Everything about the selected nodes.  `bypass` is None where they differ; `fed` are cables into inlets."""

    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    spec: NodeSpec | None = None
    rows: list[Row] = field(default_factory=list)
    fed: list[tuple[Key, Cable]] = field(default_factory=list)
    bypass: bool | None = False
    lacks: str = ""  # why the node is a placeholder that knows its settings
    card: list[tuple[str, str]] = field(default_factory=list)  # what a model says of itself

    @property
    def key(self) -> tuple[Any, ...]:
        """Another where other widgets are needed."""
        rows, fed = tuple(r.key for r in self.rows), tuple(k for k, _ in self.fed)
        doc = self.spec.doc if self.spec is not None else ""
        return self.names, self.types, rows, fed, self.lacks, tuple(self.card), doc

    @property
    def title(self) -> str:
        """Name of the node, or how many there are."""
        return self.names[0] if len(self.names) == 1 else f"{len(self.names)} nodes" if self.names else ""


def reach(item: Item) -> str:
    """Range, options or default of a value, as artists read it."""
    if isinstance(item, Param):
        return f"{span(item.low, item.high, item.unit)}, at first {item.default:g}"
    if isinstance(item, Choice):
        return f"one of {', '.join(item.options)}"
    if isinstance(item, Data):
        return f"rows of {item.columns or 'any number'}, {span(item.low, item.high, item.unit)}"
    if item.kind == "choice":
        return f"one of {', '.join(item.options)}"
    return span(item.low, item.high, item.unit) if item.kind in ("int", "float") else ""


def sheet(patch: Patch, selection: Iterable[str], over: Mapping[tuple[str, str], Any] | None = None) -> Sheet:
    """What to show of the selected nodes: of several, what all of them have."""
    names = tuple(sorted(name for name in selection if name in patch.nodes))
    if not names:
        return Sheet()
    specs = {name: patch.spec(name) or _base(patch, name) for name in names}
    known = [spec for spec in specs.values() if spec is not None]
    first = specs[names[0]]
    made = Sheet(names, tuple(patch.nodes[n].type for n in names), first if len(names) == 1 else _same(known, len(names)))
    states = {patch.nodes[n].bypass for n in names}
    made.bypass = states.pop() if len(states) == 1 else None
    made.lacks = lacks(patch, names[0]) if len(names) == 1 else ""
    if first is None or len(known) < len(names):
        return made
    over = over or {}
    for part in PARTS:
        for name, item in getattr(first, part).items():
            if not all(name in getattr(spec, part) and alike(item, getattr(spec, part)[name]) for spec in known):
                continue
            values = [over[n, name] if (n, name) in over else _value(patch, n, part, name, item) for n in names]
            cables = patch.into(names[0], name) if part == "params" and len(names) == 1 else []
            made.rows.append(Row(part, name, item, names, values[0], any(v != values[0] for v in values), cables))
    if len(names) == 1 and first.id == MODEL:
        made.card = models.card(patch, names[0])
        for row in made.rows:
            if row.name == "method":
                row.options = models.methods(patch, names[0])
    if len(names) == 1:
        made.fed = [(key, cable) for key, cable in patch.into(names[0]) if key[3] in first.inlets]
    return made


def _base(patch: Patch, name: str) -> NodeSpec | None:
    """What a node declares whose ports follow from its settings, while they are not known."""
    base = patch.base(name)
    return base if base is not None and base.shaped is not None else None


def _value(patch: Patch, node: str, part: Part, name: str, item: Item) -> Any:
    """A value of a node, of a placeholder too."""
    return getattr(patch.nodes[node], part).get(name, item.default)


def _same(specs: Sequence[NodeSpec], count: int) -> NodeSpec | None:
    return specs[0] if len(specs) == count and all(s.id == specs[0].id for s in specs) else None


def alike(a: Item, b: Item) -> bool:
    """Whether one widget can set both."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Param) and isinstance(b, Param):
        return (a.unit, a.curve, a.low, a.high) == (b.unit, b.curve, b.low, b.high)
    if isinstance(a, Choice) and isinstance(b, Choice):
        return a.options == b.options
    if isinstance(a, Setting) and isinstance(b, Setting):
        return (a.kind, a.options, a.low, a.high) == (b.kind, b.options, b.low, b.high)
    return isinstance(a, Data) and isinstance(b, Data) and a.columns == b.columns


# edits


def assigned(row: Row, value: Any) -> Edit:
    """Sets a value on all nodes of a row."""
    kind: Any = {"params": SetParam, "choices": SetParam, "settings": SetSetting, "data": SetData}[row.part]
    return _all([kind(name, row.name, value) for name in row.names], f"set {row.name}")


def bypassed(names: Sequence[str], on: bool) -> Edit:
    """Takes nodes out of the way, or back in."""
    return _all([SetBypass(name, on) for name in names], "bypass" if on else "switch on")


def _all(edits: list[Edit], title: str) -> Edit:
    return edits[0] if len(edits) == 1 else Edits(tuple(edits), f"{title} of {len(edits)} nodes")


def amount(key: Key, value: float) -> Edit:
    """Another amount for a cable."""
    return SetCable(f"{key[0]}.{key[1]}", f"{key[2]}.{key[3]}", amount=value)


def mode(key: Key, word: Any) -> Edit:
    """Another mode for a cable."""
    return SetCable(f"{key[0]}.{key[1]}", f"{key[2]}.{key[3]}", mode=word)


def unplugged(key: Key) -> Edit:
    """Removes a cable."""
    return Disconnect(f"{key[0]}.{key[1]}", f"{key[2]}.{key[3]}")


def plugged(src: str, dst: str, amount: float = 0.3) -> Edit:
    """Draws a cable."""
    return Connect(src, dst, amount)


# tables: steps of a sequencer, points of a curve


def cell(row: Row, line: int, column: int, value: float) -> Edit:
    """Another number in a table; within its range."""
    value = min(max(value, row.item.low), row.item.high)
    rows = [list(r) for r in row.value]
    rows[line][column] = value
    return assigned(row, rows)


def longer(row: Row) -> Edit | None:
    """One more row, like the last one; None at the limit."""
    return assigned(row, [*map(list, row.value), list(row.value[-1])]) if len(row.value) < row.item.limit else None


def shorter(row: Row) -> Edit | None:
    """One row less; None at one."""
    return assigned(row, [list(r) for r in row.value[:-1]]) if len(row.value) > 1 else None


# the performance page


@dataclass(frozen=True)
class Control:
    """One exposed param or choice, large: `low` and `high` are the range on the page."""

    name: str
    node: str
    param: str
    item: Param | Choice
    value: float | str
    low: float = 0.0
    high: float = 1.0

    @property
    def shape(self) -> Literal["knob", "switch"]:
        return "switch" if isinstance(self.item, Choice) else "knob"

    def position(self) -> float:
        """Where the value is between the ends, 0…1."""
        if isinstance(self.item, Choice):
            return 0.0
        a, b = self.item.knob(self.low), self.item.knob(self.high)
        return min(max((self.item.knob(float(self.value)) - a) / (b - a), 0.0), 1.0)

    def at(self, position: float) -> float:
        """The value at a position."""
        assert isinstance(self.item, Param)
        a, b = self.item.knob(self.low), self.item.knob(self.high)
        return self.item.at(a + (b - a) * min(max(position, 0.0), 1.0))


def controls(patch: Patch, over: Mapping[tuple[str, str], Any] | None = None) -> list[Control]:
    """What the artist exposed, in the order it was exposed in the file (by name)."""
    found = []
    for name, entry in patch.exposed.items():
        node, param = str(entry["node"]), str(entry["param"])
        spec = patch.spec(node) if node in patch.nodes else None
        item = (spec.params.get(param) or spec.choices.get(param)) if spec else None
        if item is None:
            continue
        value = (over or {}).get((node, param), patch.value(node, param))
        low, high = (item.low, item.high) if isinstance(item, Param) else (0.0, 1.0)
        found.append(Control(name, node, param, item, value, float(entry.get("low", low)), float(entry.get("high", high))))
    return found


def exposed(patch: Patch, node: str, param: str) -> str:
    """The name under which a param is on the performance page, "" where it is not."""
    found = [n for n, e in patch.exposed.items() if (e["node"], e["param"]) == (node, param)]
    return found[0] if found else ""


def expose(patch: Patch, node: str, param: str, on: bool = True) -> Edit:
    """Puts a param on the performance page, or takes it off."""
    if not on:
        return SetPatch("exposed", {n: e for n, e in patch.exposed.items() if (e["node"], e["param"]) != (node, param)})
    names = [param, f"{node}-{param}"[:64], *(f"{param}-{i}" for i in range(2, 1000))]
    taken = {*patch.exposed, *patch.nodes}
    name = next(n for n in names if n not in taken)
    return SetPatch("exposed", {**patch.exposed, name: {"node": node, "param": param}})
