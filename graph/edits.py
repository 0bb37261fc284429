"""Every change to a patch is an edit: a value that applies itself and returns what undoes it exactly.

An edit checks, then writes; the writes are recorded, and the recorded ones make the inverse (`Changes`).  One that is
refused raises `PatchError` and changes nothing.  `label` is what history calls it, `key` says which edits of one
gesture may merge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graph import fields, rules, subpatch, values
from graph.editing import Changes, Edit, Edits, loops, set_value
from graph.errors import show, suggest
from graph.fields import port
from graph.groups import Group, Inside
from graph.patch import ABSENT, Cable, Key, NodeData, Patch
from graph.spec import Mode, Param

__all__ = [
    "AddNode", "Changes", "Connect", "Disconnect", "Edit", "Edits", "Group", "Inside", "Move", "RemoveNode", "Rename",
    "SetBypass", "SetCable", "SetData", "SetParam", "SetPatch", "SetSetting", "assign",
]  # fmt: skip


# nodes


@dataclass(frozen=True)
class AddNode(Edit):
    """A new node; `values` are params, choices, settings and data by name, `patch` an embedded definition."""

    type: str
    name: str
    values: Mapping[str, Any] = field(default_factory=dict)
    at: tuple[float, float] = (0.0, 0.0)
    seed: int | None = None
    patch: Patch | None = None
    bypass: bool = False

    @property
    def label(self) -> str:
        return f"add {self.name}"

    def _run(self, patch: Patch) -> None:
        name = values.node_name(self.name)
        if name in patch.nodes:
            raise patch.error(f"there is a node {name} already")
        spec = patch.specs.get(self.type) or subpatch.BUILTIN.get(self.type)
        if spec is None:
            raise patch.error(f"no node type {show(self.type)}{suggest(str(self.type), patch.specs)}", name)
        given = fields.make_seed(patch, self.type, name) if self.seed is None else self.seed
        seed = values.whole("seed", given, 0, (1 << 31) - 1)
        node = NodeData(self.type, seed, at=fields.position(self.at), bypass=values.flag("bypass", self.bypass))
        if self.patch is not None and "file" in self.values:
            raise patch.error("holds a patch of its own or names a file, not both", name)
        if self.patch is not None:
            node = replace(node, patch=fields.embedded(patch, name, self.type, self.patch))
        patch.write("node", name, node)
        # settings first: they may decide which params there are
        order = sorted(self.values.items(), key=lambda item: item[0] not in spec.settings)
        for item, value in order:
            set_value(patch, name, item, value)


@dataclass(frozen=True)
class RemoveNode(Edit):
    """Removes a node, its cables, and what the patch exposed of it."""

    name: str

    @property
    def label(self) -> str:
        return f"remove {self.name}"

    def _run(self, patch: Patch) -> None:
        patch.node(self.name)
        with loops(patch):
            for key in {k: None for k, _ in patch.into(self.name) + patch.out_of(self.name)}:
                patch.write("cable", key, ABSENT)
            exposed = {k: e for k, e in patch.exposed.items() if e["node"] != self.name}
            if len(exposed) < len(patch.exposed):
                patch.write("field", "exposed", exposed)
            patch.write("node", self.name, ABSENT)


@dataclass(frozen=True)
class Rename(Edit):
    """Another name for a node; cables, exposed params and snapshots follow."""

    old: str
    new: str

    @property
    def label(self) -> str:
        return f"rename {self.old} -> {self.new}"

    def _run(self, patch: Patch) -> None:
        node = patch.node(self.old)
        new = values.node_name(self.new)
        if new == self.old:
            return
        if new in patch.nodes:
            raise patch.error(f"there is a node {new} already")
        cables = dict(patch.into(self.old) + patch.out_of(self.old))
        for key in cables:
            patch.write("cable", key, ABSENT)
        patch.write("node", self.old, ABSENT)
        patch.write("node", new, node)
        for (src, out_name, dst, in_name), cable in cables.items():
            key = (new if src == self.old else src, out_name, new if dst == self.old else dst, in_name)
            patch.write("cable", key, cable)
        if any(e["node"] == self.old for e in patch.exposed.values()):
            exposed = {k: {**e, "node": new} if e["node"] == self.old else e for k, e in patch.exposed.items()}
            patch.write("field", "exposed", exposed)
        if any(self.old in s for s in patch.snapshots.values()):
            snaps = {k: {new if n == self.old else n: v for n, v in s.items()} for k, s in patch.snapshots.items()}
            patch.write("field", "snapshots", snaps)


@dataclass(frozen=True)
class Move(Edit):
    """Where a node lies on the canvas."""

    name: str
    at: tuple[float, float]

    @property
    def label(self) -> str:
        return f"move {self.name}"

    @property
    def key(self) -> tuple[Any, ...]:
        return "Move", self.name

    def _run(self, patch: Patch) -> None:
        patch.node(self.name)
        patch.write("attr", (self.name, "at"), fields.position(self.at))


@dataclass(frozen=True)
class SetBypass(Edit):
    """Takes a node out of the way, or back in."""

    name: str
    bypass: bool = True

    @property
    def label(self) -> str:
        return f"{'bypass' if self.bypass else 'switch on'} {self.name}"

    def _run(self, patch: Patch) -> None:
        patch.node(self.name)
        with patch.blame(self.name):
            patch.write("attr", (self.name, "bypass"), values.flag("bypass", self.bypass))


# values


@dataclass(frozen=True)
class SetParam(Edit):
    """The base value of a param (in its unit) or the option of a choice."""

    node: str
    name: str
    value: float | str

    @property
    def label(self) -> str:
        return f"set {self.node}.{self.name}"

    @property
    def key(self) -> tuple[Any, ...]:
        return "SetParam", self.node, self.name

    def _run(self, patch: Patch) -> None:
        patch.node(self.node)
        set_value(patch, self.node, self.name, self.value, "params and choices")


@dataclass(frozen=True)
class SetSetting(Edit):
    """A setting; a running engine makes a new plan."""

    node: str
    name: str
    value: int | float | str

    @property
    def label(self) -> str:
        return f"set {self.node}.{self.name}"

    @property
    def key(self) -> tuple[Any, ...]:
        return "SetSetting", self.node, self.name

    def _run(self, patch: Patch) -> None:
        patch.node(self.node)
        with loops(patch):
            set_value(patch, self.node, self.name, self.value, "settings")


@dataclass(frozen=True)
class SetData(Edit):
    """A table, or with `start` only the rows from there on: a delta."""

    node: str
    name: str
    rows: Sequence[Any]
    start: int | None = None

    @property
    def label(self) -> str:
        return f"edit {self.node}.{self.name}"

    @property
    def key(self) -> tuple[Any, ...]:
        return "SetData", self.node, self.name

    def _run(self, patch: Patch) -> None:
        patch.node(self.node)
        spec = patch.spec(self.node)
        rows = self.rows
        if self.start is not None and spec is not None and self.name in spec.data:
            with patch.blame(self.node):
                rows = values.table(self.name, spec.data[self.name], rows)
                old = patch.value(self.node, self.name)
                start = values.whole("start", self.start, 0, len(old))
            rows = (*old[:start], *rows, *old[start + len(rows) :])
        set_value(patch, self.node, self.name, rows, "data")


def assign(patch: Patch, node: str, given: Mapping[str, Any]) -> Edit:
    """The edit that sets params, choices, settings and data by name."""
    patch.node(node)
    spec = patch.spec(node) or patch.base(node)
    if spec is None:
        raise patch.error(f"its type {patch.nodes[node].type} is unknown here, so nothing can be set", node)
    kinds: dict[str, Any] = {"params": SetParam, "choices": SetParam, "settings": SetSetting, "data": SetData}
    with patch.blame(node):
        parts = {name: values.section(spec, name) for name in given}
    edits = tuple(kinds[part](node, today, given[name]) for name, (part, today) in parts.items())
    return edits[0] if len(edits) == 1 else Edits(edits, f"set {node}")


# cables


def _key(patch: Patch, src: str, dst: str) -> Key:
    """The key of a cable between two written ports, with today's names."""
    start, end = port(patch, src), port(patch, dst)
    patch.node(start[0])
    patch.node(end[0])
    spec = patch.spec(end[0])
    name = end[1] if spec is None or end[1] in spec.inlets else spec.renamed(end[1])
    return (*start, end[0], name)


def _drawn(patch: Patch, src: str, dst: str) -> tuple[Key, Cable]:
    """A cable that is there, or PatchError."""
    key = _key(patch, src, dst)
    if key not in patch.cables:
        raise patch.error(f"no cable goes from {src} to {dst}")
    return key, patch.cables[key]


@dataclass(frozen=True)
class Connect(Edit):
    """A cable from "node.outlet" to "node.inlet"; one that closes a loop is delayed by one sample.

    Without a `mode` it gets the one that the param asks for (`Param.cable`), "knob" at an inlet.
    """

    src: str
    dst: str
    amount: float = 1.0
    mode: Mode | None = None

    @property
    def label(self) -> str:
        return f"connect {self.src.removesuffix('.out')} -> {self.dst}"

    def _run(self, patch: Patch) -> None:
        key = rules.check_cable(patch, (*port(patch, self.src), *port(patch, self.dst)))
        if key in patch.cables:
            raise patch.error(f"there is a cable from {self.src} to {self.dst} already; change its amount instead")
        with patch.blame(key[2]):
            amount = values.number("amount", self.amount, -values.AMOUNT, values.AMOUNT)
            end = rules.inlet(patch, key[2], key[3])[1]
            usual = end.cable if isinstance(end, Param) else "knob"
            mode: Any = usual if self.mode is None else values.option("mode", self.mode, ("knob", "units"))
        patch.write("cable", key, Cable(amount, mode, rules.closes(patch, key)))
        if patch.spec(key[0]) is not None and rules.is_latent(rules.outlet(patch, key[0], key[1])):
            rules.check_spaces(patch)


@dataclass(frozen=True)
class Disconnect(Edit):
    """Removes the cable from "node.outlet" to "node.inlet"."""

    src: str
    dst: str

    @property
    def label(self) -> str:
        return f"disconnect {self.src.removesuffix('.out')} -> {self.dst}"

    def _run(self, patch: Patch) -> None:
        key, _ = _drawn(patch, self.src, self.dst)
        with loops(patch):
            patch.write("cable", key, ABSENT)


@dataclass(frozen=True)
class SetCable(Edit):
    """Another amount or mode for a cable; None leaves it."""

    src: str
    dst: str
    amount: float | None = None
    mode: Mode | None = None

    @property
    def label(self) -> str:
        return f"set {self.src.removesuffix('.out')} -> {self.dst}"

    @property
    def key(self) -> tuple[Any, ...]:
        return "SetCable", self.src, self.dst

    def _run(self, patch: Patch) -> None:
        key, cable = _drawn(patch, self.src, self.dst)
        with patch.blame(key[2]):
            if self.amount is not None:
                cable = replace(cable, amount=values.number("amount", self.amount, -values.AMOUNT, values.AMOUNT))
            if self.mode is not None:
                mode: Any = values.option("mode", self.mode, ("knob", "units"))
                cable = replace(cable, mode=mode)
        patch.write("cable", key, cable)


# the patch itself


@dataclass(frozen=True)
class SetPatch(Edit):
    """A field of the patch: rate (Hz), block (samples), limiter, meta, snapshots or exposed."""

    name: str
    value: Any

    @property
    def label(self) -> str:
        return f"set {self.name}"

    @property
    def key(self) -> tuple[Any, ...]:
        return "SetPatch", self.name

    def _run(self, patch: Patch) -> None:
        check = fields.CHECKS.get(self.name)
        if check is None:
            raise patch.error(f"a patch has no field {show(self.name)}{suggest(str(self.name), fields.CHECKS)}")
        patch.write("field", self.name, check(patch, self.value))
        if self.name == "rate":
            rules.check_spaces(patch)  # a latent clock counts samples of the engine or of a model
