"""Every change to a patch is an edit: a value that applies itself and returns what undoes it exactly.

An edit checks, then writes; the writes are recorded, and the recorded ones make the inverse (`Changes`).  One that is
refused raises `PatchError` and changes nothing.  `label` is what history calls it, `key` says which edits of one
gesture may merge.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from graph import rules, subpatch, values
from graph.errors import PatchError, Recursion, show, suggest
from graph.patch import ABSENT, Cable, Change, Key, Mode, NodeData, Patch


class Edit:
    """Base of every edit."""

    @property
    def label(self) -> str:
        """What history calls it."""
        return type(self).__name__

    @property
    def key(self) -> tuple[Any, ...] | None:
        """Edits with the same key write the same place, so that those of one gesture merge; None never merges."""
        return None

    def apply(self, patch: Patch) -> Edit:
        """Applies itself, all or not at all, and returns its inverse.  Raises PatchError where it is refused."""
        with patch.blame():
            return Changes(patch.transact(lambda: self._run(patch)), self.label)

    def _run(self, patch: Patch) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Changes(Edit):
    """Writes to the store as recorded: the inverse of an edit, good only for the patch as that edit left it."""

    writes: tuple[Change, ...]
    title: str = ""

    @property
    def label(self) -> str:
        return self.title

    def _run(self, patch: Patch) -> None:
        for change in self.writes:
            patch.write(*change)


@dataclass(frozen=True)
class Edits(Edit):
    """Several edits as one: all or none."""

    edits: tuple[Edit, ...]
    title: str = ""

    @property
    def label(self) -> str:
        return self.title or ", ".join(e.label for e in self.edits[:3]) + (" …" if len(self.edits) > 3 else "")

    @property
    def key(self) -> tuple[Any, ...] | None:
        keys = tuple(e.key for e in self.edits)
        return keys if keys and all(keys) else None

    def _run(self, patch: Patch) -> None:
        for edit in self.edits:
            edit._run(patch)


def port(patch: Patch, text: Any) -> tuple[str, str]:
    """(node, port) of "node.port", or PatchError."""
    if not isinstance(text, str) or text.count(".") != 1 or not all(text.split(".")):
        raise patch.error(f"a port is written node.port, not {show(text)}")
    node, _, name = text.partition(".")
    return node, name


def make_seed(patch: Patch, type: str, name: str) -> int:
    """A seed (31 bits) for a new node: the same for the same patch built again, different for every node in it."""
    taken = {d["data"].seed for _, d in patch.graph.nodes(data=True)} if len(patch.nodes) < 1024 else set()
    for count in range(1 << 10):
        digest = hashlib.blake2b(f"{type} {name} {count}".encode(), digest_size=4).digest()
        seed = int.from_bytes(digest, "little") & 0x7FFFFFFF
        if seed not in taken:
            break
    return seed


@contextmanager
def _loops(patch: Patch) -> Iterator[None]:
    """Around writes that may break a loop: cables whose loop is gone afterwards are no longer delayed."""
    before = rules.closing(patch) if patch.delayed else []
    yield
    rules.loose(patch, before)


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
        seed = make_seed(patch, self.type, name) if self.seed is None else values.whole("seed", self.seed, 0, (1 << 31) - 1)
        node = NodeData(self.type, seed, at=position(self.at), bypass=values.flag("bypass", self.bypass))
        if self.patch is not None:
            node = replace(node, patch=embedded(patch, name, self.type, self.patch))
        patch.write("node", name, node)
        # settings first: they may decide which params there are
        order = sorted(self.values.items(), key=lambda item: item[0] not in spec.settings)
        for item, value in order:
            _set(patch, name, item, value)


@dataclass(frozen=True)
class RemoveNode(Edit):
    """Removes a node, its cables, and what the patch exposed of it."""

    name: str

    @property
    def label(self) -> str:
        return f"remove {self.name}"

    def _run(self, patch: Patch) -> None:
        patch.node(self.name)
        with _loops(patch):
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
        patch.write("attr", (self.name, "at"), position(self.at))


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


def position(at: Any) -> tuple[float, float]:
    """Two finite numbers."""
    if not isinstance(at, Sequence) or isinstance(at, str | bytes) or len(at) != 2:
        raise PatchError(f"at takes two numbers, not {show(at)}")
    return values.number("at", at[0], -1e9, 1e9), values.number("at", at[1], -1e9, 1e9)


# values


def _set(patch: Patch, node: str, name: str, value: Any, part: str = "") -> None:
    """Sets one value of a node, in whichever section it is; `part` restricts to one or two of them."""
    spec = patch.spec(node)
    with patch.blame(node):
        if spec is None and patch.nodes[node].type == subpatch.PATCH:
            spec = subpatch.BUILTIN[subpatch.PATCH]  # its file can be set while it is missing
        if spec is None:
            raise patch.error(f"its type {patch.nodes[node].type} is unknown here, so {name} cannot be set")
        found, name = values.section(spec, name)
        if part and found not in part:
            raise PatchError(f"{name} is one of its {found}, not of its {part}", port=name)
        value = values.stored(spec, found, name, value)
        if patch.nodes[node].type == subpatch.PATCH and name == "file" and found == "settings":
            _set_file(patch, node, str(value))
            return
    patch.write("value", (node, found, name), value)
    if found == "settings":
        _settle(patch, node)


def _set_file(patch: Patch, node: str, file: str) -> None:
    """Another definition by file for a "rack/patch" node."""
    if file and patch.folder is not None:
        subpatch.by_file(patch, file)  # refuses what is missing, broken or would contain itself
    patch.write("attr", (node, "patch"), None)
    patch.write("value", (node, "settings", "file"), file if file else ABSENT)
    _fit(patch, node)


def _settle(patch: Patch, node: str) -> None:
    """After a setting of `node` changed: cables that its ports no longer carry go, latent spaces must still agree."""
    spec = patch.spec(node)
    if spec is None:
        return
    ports = {**spec.inlets, **spec.outlets}
    if patch.nodes[node].type in (subpatch.INLET, subpatch.OUTLET):
        for key, _ in patch.into(node) + patch.out_of(node):
            rules.check_cable(patch, key)
    if any(rules.is_latent(p) for p in ports.values()):
        rules.check_spaces(patch)


def _fit(patch: Patch, node: str) -> None:
    """After the definition of a use changed: values and cables at ports that are gone go too; loops are settled."""
    spec = patch.spec(node)
    if spec is None:
        return
    data = patch.nodes[node]
    for part, known in (("params", spec.params), ("choices", spec.choices)):
        for name, value in getattr(data, part).items():
            try:
                if name not in known:
                    raise PatchError("gone")
                values.stored(spec, part, name, value)
            except PatchError:
                patch.write("value", (node, part, name), ABSENT)
    for key, _ in patch.into(node) + patch.out_of(node):
        if key in patch.cables:
            try:
                rules.check_cable(patch, key)
            except PatchError:
                patch.write("cable", key, ABSENT)
    exposed = {k: e for k, e in patch.exposed.items() if e["node"] != node or subpatch.exposed_item(patch, e) is not None}
    if len(exposed) < len(patch.exposed):
        patch.write("field", "exposed", exposed)
    rules.repair(patch)


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
        _set(patch, self.node, self.name, self.value, "params and choices")


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
        with _loops(patch):
            _set(patch, self.node, self.name, self.value, "settings")


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
        _set(patch, self.node, self.name, rows, "data")


def assign(patch: Patch, node: str, given: Mapping[str, Any]) -> Edit:
    """The edit that sets params, choices, settings and data by name."""
    patch.node(node)
    spec = patch.spec(node) or subpatch.BUILTIN.get(patch.nodes[node].type)
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
    """A cable from "node.outlet" to "node.inlet"; one that closes a loop is delayed by one sample."""

    src: str
    dst: str
    amount: float = 1.0
    mode: Mode = "knob"

    @property
    def label(self) -> str:
        return f"connect {self.src.removesuffix('.out')} -> {self.dst}"

    def _run(self, patch: Patch) -> None:
        key = rules.check_cable(patch, (*port(patch, self.src), *port(patch, self.dst)))
        if key in patch.cables:
            raise patch.error(f"there is a cable from {self.src} to {self.dst} already; change its amount instead")
        with patch.blame(key[2]):
            amount = values.number("amount", self.amount, -values.AMOUNT, values.AMOUNT)
            mode: Any = values.option("mode", self.mode, ("knob", "units"))
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
        with _loops(patch):
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
        check = CHECKS.get(self.name)
        if check is None:
            raise patch.error(f"a patch has no field {show(self.name)}{suggest(str(self.name), CHECKS)}")
        patch.write("field", self.name, check(patch, self.value))


def meta(patch: Patch, value: Any) -> dict[str, Any]:
    """Free plain data about the patch: title, author, doc."""
    if not isinstance(value, Mapping):
        raise patch.error(f"meta takes a map, not {show(value)}")
    result: dict[str, Any] = values.plain("meta", value)
    return result


def snapshots(patch: Patch, value: Any) -> dict[str, dict[str, dict[str, float | str]]]:
    """Name → node → param or choice → value.  What does not exist is kept and skipped when recalled."""
    value = values.plain("snapshots", value)
    shapes = [value, *(value.values() if isinstance(value, dict) else ())]
    shapes += [n for s in shapes[1:] if isinstance(s, dict) for n in s.values()]
    leaves = [v for s in shapes[1:] if isinstance(s, dict) for n in s.values() if isinstance(n, dict) for v in n.values()]
    if not all(isinstance(s, dict) for s in shapes) or any(isinstance(v, bool) or not isinstance(v, int | float | str) for v in leaves):
        raise patch.error("snapshots takes name → node → param → value")
    result: dict[str, dict[str, dict[str, float | str]]] = value
    return result


def exposed(patch: Patch, value: Any) -> dict[str, dict[str, Any]]:
    """Name → {node, param, low, high}: inner params under their own names; a placeholder's are believed."""
    value = values.plain("exposed", value)
    if not isinstance(value, dict):
        raise patch.error(f"exposed takes a map, not {show(value)}")
    ports = {n for n, d in patch.nodes.items() if d.type in (subpatch.INLET, subpatch.OUTLET)}
    for name, entry in value.items():
        values.port_name(name)
        if name in ports or name == "file":
            raise patch.error(f"exposed {name} is the name of another port already")
        if not isinstance(entry, dict) or not isinstance(entry.get("node"), str) or not isinstance(entry.get("param"), str):
            raise patch.error(f"exposed {name} takes a node and a param")
        node = entry["node"]
        patch.node(node)
        spec = patch.spec(node)
        if spec is None:
            for end in ("low", "high"):
                if end in entry:
                    values.number(end, entry[end], -1e30, 1e30)
            continue
        with patch.blame(node):
            part, param = values.section(spec, entry["param"])
            if part not in ("params", "choices") or (part == "choices" and ("low" in entry or "high" in entry)):
                raise PatchError(f"{param} cannot be exposed{' on a range' if part == 'choices' else ''}", port=param)
        entry["param"] = param
        if part == "params":
            whole = spec.params[param]
            with patch.blame(node):
                for end in ("low", "high"):
                    if end in entry:
                        entry[end] = values.number(end, entry[end], whole.low, whole.high, whole.unit)
            low, high = entry.get("low", whole.low), entry.get("high", whole.high)
            if not low < high:
                raise patch.error(f"exposed {name} has a range {show(low)} … {show(high)} that is not in order")
    result: dict[str, dict[str, Any]] = value
    return result


CHECKS: Mapping[str, Any] = {
    "rate": lambda patch, value: values.whole("rate", value, *values.RATES, "Hz"),
    "block": lambda patch, value: values.whole("block", value, *values.BLOCKS, "samples"),
    "limiter": lambda patch, value: values.flag("limiter", value),
    "meta": meta,
    "snapshots": snapshots,
    "exposed": exposed,
}


# sub-patches


def embedded(patch: Patch, name: str, type: str, inner: Patch) -> Patch:
    """A copy of `inner` for the node `name` to hold, or PatchError."""
    if type != subpatch.PATCH:
        raise patch.error(f"only {subpatch.PATCH} holds a patch", name)
    if inner is patch or (inner.lineage and inner.lineage[0] in patch.lineage):
        raise Recursion("the patch would contain itself", file=patch.file, node=name)
    inner = inner.copy()
    inner.file, inner.rate, inner.block = "", patch.rate, patch.block
    return inner


@dataclass(frozen=True)
class Inside(Edit):
    """An edit to the definition that the node `name` embeds.  Cables and values at ports that vanish go with them."""

    name: str
    edit: Edit

    @property
    def label(self) -> str:
        return f"{self.edit.label} in {self.name}"

    @property
    def key(self) -> tuple[Any, ...] | None:
        # an inner structural edit can write around the use, so only values merge
        return ("Inside", self.name, *self.edit.key) if self.edit.key and self.edit.key[0] in ("SetParam", "Move") else None

    def _run(self, patch: Patch) -> None:
        inner = patch.node(self.name).patch
        if inner is None:
            raise patch.error("holds no patch of its own to edit", self.name)
        inner = patch.inner(self.name)
        assert inner is not None
        changed = inner.copy()
        with patch.blame(self.name):
            self.edit.apply(changed)
        with _loops(patch):
            patch.write("attr", (self.name, "patch"), changed)
            _fit(patch, self.name)


@dataclass(frozen=True)
class Group(Edit):
    """Puts nodes into a sub-patch called `into`; what they sound like does not change."""

    names: tuple[str, ...]
    into: str

    @property
    def label(self) -> str:
        return f"group {self.into}"

    def _run(self, patch: Patch) -> None:
        inside = dict.fromkeys(self.names)
        if not inside:
            raise patch.error("a group needs at least one node")
        nodes = {name: patch.node(name) for name in inside}
        into = values.node_name(self.into)
        if into in patch.nodes and into not in inside:
            raise patch.error(f"there is a node {into} already")
        inner = patch.copy()
        inner.exposed, inner.snapshots, inner.meta, inner.extra, inner.file = {}, {}, {}, {}, ""
        for name in patch.nodes:
            if name not in inside:
                for key in {k: None for k, _ in inner.into(name) + inner.out_of(name)}:
                    inner.write("cable", key, ABSENT)
                inner.write("node", name, ABSENT)
        at = (sum(n.at[0] for n in nodes.values()) / len(nodes), sum(n.at[1] for n in nodes.values()) / len(nodes))
        left, right = min(n.at[0] for n in nodes.values()) - 200.0, max(n.at[0] for n in nodes.values()) + 200.0

        ports: dict[tuple[str, str, str], str] = {}
        outer: dict[Key, Cable] = {}
        for key, cable in patch.cables.items():
            src, out_name, dst, in_name = key
            if src not in inside and dst not in inside:
                continue
            patch.write("cable", key, ABSENT)
            if src in inside and dst in inside:
                continue
            if dst in inside:
                name = self.port(inner, ports, (dst, in_name, cable.mode), subpatch.INLET, (left, nodes[dst].at[1]))
                inner.write("cable", (name, "out", dst, in_name), Cable(1.0, cable.mode))
                outer[src, out_name, into, name] = replace(cable, mode="knob")
            else:
                name = self.port(inner, ports, (src, out_name, ""), subpatch.OUTLET, (right, nodes[src].at[1]))
                inner.write("cable", (src, out_name, name, "audio"), Cable())
                outer[into, name, dst, in_name] = cable
        shown: dict[str, dict[str, Any]] = {}
        for name, entry in patch.exposed.items():
            if entry["node"] in inside:
                inner.exposed = {**inner.exposed, name: entry}
                shown[name] = {"node": into, "param": name}
        for name in inside:
            patch.write("node", name, ABSENT)
        seed = make_seed(patch, subpatch.PATCH, into)
        inner.version = 0
        patch.write("node", into, NodeData(subpatch.PATCH, seed, at=at, patch=inner))
        for key, cable in outer.items():
            patch.write("cable", key, cable)
        if shown:
            patch.write("field", "exposed", {**patch.exposed, **shown})
        rules.repair(patch)

    def port(self, inner: Patch, ports: dict[tuple[str, str, str], str], of: tuple[str, str, str], type: str,
             at: tuple[float, float]) -> str:  # fmt: skip
        """The inlet or outlet node inside that stands for an inner port; made when first asked for."""
        if of not in ports:
            start, end = rules.outlet(inner, of[0], of[1]) if type == subpatch.OUTLET else None, None
            if type == subpatch.INLET:
                _, found = rules.inlet(inner, of[0], of[1])
                latent = rules.is_latent(found)
            else:
                latent = rules.is_latent(start)
            del end
            name = inner.free(f"{of[0]}_{of[1]}"[:50])
            settings: dict[str, int | float | str] = {"kind": "latent"} if latent else {}
            inner.write("node", name, NodeData(type, settings=settings, at=at))
            ports[of] = name
        return ports[of]
