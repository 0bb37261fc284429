"""Sub-patches: a node that holds a patch, embedded or by file, and the flat patch that is planned.

Inside, a node of type "rack/inlet" or "rack/outlet" is a port of the sub-patch, called as that node is called.  The
patch's `exposed` map shows inner params as its own.  Each use keeps its own values for them; the rest is the
definition's.  `flatten` replaces every use by what is inside it, with names "sub/inner".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx

from graph.errors import PatchError, Recursion
from graph.patch import Cable, Key, NodeData, Patch
from graph.spec import Choice, In, NodeSpec, Out, Param, Setting

PATCH, INLET, OUTLET = "rack/patch", "rack/inlet", "rack/outlet"
NESTING = 32  # sub-patches inside each other
NODES = 1 << 17  # of a flattened patch, uses of sub-patches counted too

_kind = Setting("signal", kind="choice", options=("signal", "latent"), doc="what the cable carries")
_doc = "Text about the port, shown where the sub-patch is used."
_text = Setting("", kind="text", doc="what the port is for")

BUILTIN: Mapping[str, NodeSpec] = {
    PATCH: NodeSpec(
        PATCH,
        "A patch inside this patch.\n\nIt has the inlets, outlets and exposed params of the patch that it holds.",
        settings={"file": Setting("", kind="file", doc="the patch to use; empty where it is embedded")},
    ),
    INLET: NodeSpec(
        INLET,
        "An inlet of the sub-patch.\n\nIt is called as the node is called and hands on what arrives there.",
        outlets={"out": Out(doc="what arrives at the sub-patch")},
        settings={"kind": _kind, "text": _text},
    ),
    OUTLET: NodeSpec(
        OUTLET,
        "An outlet of the sub-patch.\n\nIt is called as the node is called and hands out what arrives at it.",
        inlets={"audio": In(doc="what leaves the sub-patch")},
        settings={"kind": _kind, "text": _text},
    ),
}

LATENT: Mapping[str, NodeSpec] = {
    INLET: replace(BUILTIN[INLET], outlets={"out": Out(doc="what arrives at the sub-patch", latent="z")}),
    OUTLET: replace(BUILTIN[OUTLET], inlets={"audio": In(doc="what leaves the sub-patch", latent="z")}),
}


def definition(patch: Patch, name: str) -> Patch | None:
    """The patch that the node `name` holds; None where its file is missing, broken or not known yet."""
    node = patch.node(name)
    inner = node.patch
    if inner is not None:
        # the embedded patch is a value that copies share; where it lies depends on who looks
        inner.folder, inner.lineage, inner.specs = patch.folder, patch.lineage, patch.specs
        inner._files = patch._files
        return inner
    try:
        return by_file(patch, str(node.settings.get("file", "")))
    except Recursion:
        raise
    except PatchError:
        return None


def by_file(patch: Patch, name: str) -> Patch:
    """The patch in the file `name` beside `patch`; read once for all uses.  PatchError where it cannot be used."""
    from graph import file

    if not name:
        raise PatchError("holds no patch and names no file")
    if patch.folder is None:
        raise PatchError(f"{name} is relative to the patch, which has not been saved yet")
    asked = f"{patch.folder}/{name}"
    found = patch._files.get(asked)
    if found is None:
        path = file.confined(patch.folder, name)
        if str(path) in patch.lineage:
            raise Recursion(f"{name} would contain itself", file=patch.file)
        found = patch._files.get(str(path))
    if found is None:
        try:
            found = file.load_inside(patch, path, name)
        except PatchError as e:
            found = e
        patch._files[asked] = patch._files[str(path)] = found
    if isinstance(found, Patch) and found.lineage[0] in patch.lineage:
        raise Recursion(f"{name} would contain itself", file=patch.file)
    if isinstance(found, PatchError):
        # a new one each time: errors gather where they passed
        raise type(found)(found.text, file=found.file, node=found.node, port=found.port)
    return found


def forget(patch: Patch, name: str) -> None:
    """Reads the file `name` anew when it is next asked for."""
    folder = patch.folder or Path()
    for path in (f"{folder}/{name}", str(folder / name), str((folder / name).resolve())):
        patch._files.pop(path, None)


def files(patch: Patch) -> set[str]:
    """The paths of all sub-patches by file that `patch` uses, at any depth."""
    found: set[str] = set()
    todo, seen = [patch], {id(patch)}
    while todo:
        one = todo.pop()
        for name, node in one.nodes.items():
            inner = definition(one, name) if node.type == PATCH else None
            if inner is not None and id(inner) not in seen:
                seen.add(id(inner))
                todo.append(inner)
                if node.patch is None:
                    found.add(inner.lineage[0])
    return found


def interface(inner: Patch) -> NodeSpec:
    """The type of a node that holds `inner`: ports in reading order of where their nodes lie, exposed params."""
    stamp, spec = inner.kept.get("interface", (None, None))
    if stamp != inner.stamp:
        spec = _interface(inner)
        inner.kept["interface"] = inner.stamp, spec
    result: NodeSpec = spec
    return result


def _interface(inner: Patch) -> NodeSpec:
    order = sorted(inner.nodes.items(), key=lambda item: (item[1].at[1], item[1].at[0], item[0]))

    def latent(node: NodeData) -> str | None:
        return "z" if node.settings.get("kind") == "latent" else None

    def doc(node: NodeData) -> str:
        return str(node.settings.get("text", ""))

    params: dict[str, Param] = {}
    choices: dict[str, Choice] = {}
    for name, entry in inner.exposed.items():
        item = exposed_item(inner, entry)
        if isinstance(item, Param):
            params[name] = item
        elif item is not None:
            choices[name] = item
    # every latent port is on its own here: what they share is found in the flattened patch
    return NodeSpec(
        PATCH,
        str(inner.meta.get("doc") or BUILTIN[PATCH].doc),
        {n: In(doc(d), latent=latent(d) and f"{n}?") for n, d in order if d.type == INLET},
        {n: Out(doc(d), latent=latent(d) and f"{n}?") for n, d in order if d.type == OUTLET},
        params,
        choices,
        BUILTIN[PATCH].settings,
    )


def exposed_item(inner: Patch, entry: Mapping[str, Any]) -> Param | Choice | None:
    """The param or choice that an exposed entry shows, with its range and the definition's value as default."""
    node, name = entry["node"], entry["param"]
    spec = inner.spec(node) if node in inner.nodes else None
    if spec is None:
        return None
    name = spec.renamed(name)
    value = inner.value(node, name) if name in spec.params or name in spec.choices else None
    if name in spec.params:
        low, high = entry.get("low", spec.params[name].low), entry.get("high", spec.params[name].high)
        return replace(spec.params[name], default=min(max(value, low), high), low=low, high=high, was=())
    return replace(spec.choices[name], default=str(value), was=()) if name in spec.choices else None


# flattening


class _Flat:
    """The flat patch while it grows.  A junction is a port of a sub-patch: a name without a node."""

    def __init__(self, patch: Patch) -> None:
        self.patch = Patch(patch.rate, patch.block, patch.specs, flat=True)
        for name in ("limiter", "meta", "snapshots", "extra", "folder", "file", "lineage"):
            setattr(self.patch, name, getattr(patch, name))
        self.patch.notes = list(patch.notes)
        self.patch._files = patch._files
        self.segments: list[tuple[tuple[str, str], tuple[str, str], Cable]] = []

    def expand(self, patch: Patch, prefix: str, folder: str, seed: int | None, outer: Any, bypass: bool,
               over: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:  # fmt: skip
        """Adds the nodes of `patch` under `prefix`; `over` holds the values that its use sets: node → section → values."""
        subs: dict[str, Patch] = {}
        for name, node in patch.nodes.items():
            if name in over:
                given: dict[str, Any] = {part: {**getattr(node, part), **vals} for part, vals in over[name].items()}
                node = replace(node, **given)
            inner = patch.inner(name) if node.type == PATCH else None
            if inner is not None:
                subs[name] = inner
                file = "" if node.patch is not None else str(node.settings.get("file", ""))
                below = f"{folder}{file.rpartition('/')[0]}/" if "/" in file else folder
                uid = (outer, node.uid) if outer else node.uid
                with self.patch.blame(prefix + name):
                    self.expand(inner, f"{prefix}{name}/", below, mixed(seed, node.seed), uid, bypass or node.bypass,
                                _overrides(inner, node))  # fmt: skip
            elif node.type not in (INLET, OUTLET):
                self.add(patch, prefix + name, node, folder, seed, outer, bypass)
        for (src, out_name, dst, in_name), cable in patch.cables.items():
            start, end = (src, out_name), (dst, in_name)
            if src in subs:
                start = (f"{src}/{out_name}", "")
            elif patch.nodes[src].type == INLET:
                start = (src, "")
            if dst in subs:
                end, cable = self.into(subs[dst], dst, in_name, cable)
            elif patch.nodes[dst].type == OUTLET:
                end = (dst, "")
            self.segments.append(((prefix + start[0], start[1]), (prefix + end[0], end[1]), cable))

    def into(self, inner: Patch, name: str, port: str, cable: Cable) -> tuple[tuple[str, str], Cable]:
        """Where a cable to `port` of a sub-patch ends inside: a junction, or the param that the port exposes."""
        if port not in inner.exposed:
            return (f"{name}/{port}", ""), cable
        entry = inner.exposed[port]
        node, param = entry["node"], entry["param"]
        spec = inner.spec(node)
        if spec is not None and param in spec.params and cable.mode == "knob":
            # the outer knob's travel is a part of the inner knob's travel, on the same curve
            whole, shown = spec.params[param], interface(inner).params[port]
            cable = replace(cable, amount=cable.amount * (whole.knob(shown.high) - whole.knob(shown.low)))
        deeper = inner.inner(node) if inner.nodes[node].type == PATCH else None
        if deeper is not None:
            return self.into(deeper, f"{name}/{node}", param, cable)
        return (f"{name}/{node}", param), cable

    def add(self, patch: Patch, name: str, node: NodeData, folder: str, seed: int | None, outer: Any, bypass: bool) -> None:
        """Adds one inner node under its full name."""
        if outer:
            node = replace(node, seed=mixed(seed, node.seed), uid=(outer, node.uid), bypass=bypass or node.bypass)
        spec = patch.specs.get(node.type)
        if folder and spec is not None and spec.shaped is not None:
            with suppress(PatchError):  # else a placeholder; what its type declares is rewritten
                spec = spec.shaped(node.settings, patch.folder)
        if folder and spec is not None:
            names = [n for n, s in spec.settings.items() if s.kind == "file" and node.settings.get(n)]
            node = replace(node, settings={**node.settings, **{n: folder + str(node.settings[n]) for n in names}})
        self.patch.write("node", name, node)

    def join(self) -> None:
        """Turns chains of segments through junctions into cables: amounts multiply, parallel ways add up."""
        graph: nx.DiGraph = nx.DiGraph()
        ends: dict[str, list[tuple[tuple[str, str], Cable]]] = {}
        arrived: dict[str, dict[tuple[str, str, bool], float]] = {}
        for start, end, cable in self.segments:
            if not start[1]:
                ends.setdefault(start[0], []).append((end, cable))
                if not end[1]:
                    graph.add_edge(start[0], end[0])
            elif end[1]:
                self.cable((*start, *end), cable)
            else:
                sums = arrived.setdefault(end[0], {})
                sums[*start, cable.delayed] = sums.get((*start, cable.delayed), 0.0) + cable.amount
        graph.add_nodes_from(ends)
        try:
            order = list(nx.lexicographical_topological_sort(graph))
        except nx.NetworkXUnfeasible:
            names = sorted(n for part in nx.strongly_connected_components(graph) if len(part) > 1 for n in part)
            names = names or sorted(n for n in graph if graph.has_edge(n, n))
            raise self.patch.error(f"{names[0]} is in a loop of cables that passes no node") from None
        for junction in order:
            for end, cable in ends.get(junction, ()):
                for (node, port, delayed), amount in arrived.get(junction, {}).items():
                    joined = replace(cable, amount=cable.amount * amount, delayed=cable.delayed or delayed)
                    if end[1]:
                        self.cable((node, port, *end), joined)
                    else:
                        sums = arrived.setdefault(end[0], {})
                        sums[node, port, joined.delayed] = sums.get((node, port, joined.delayed), 0.0) + joined.amount

    def cable(self, key: Key, cable: Cable) -> None:
        """Adds a cable; one that is there already from the same outlet takes the amount on."""
        old = self.patch.cables.get(key)
        if old is not None:
            if (old.mode, old.delayed) != (cable.mode, cable.delayed):
                text = f"{key[3]} gets {key[0]}.{key[1]} on two ways that differ in mode or delay; put a node into one"
                raise self.patch.error(text, key[2], key[3])
            cable = replace(old, amount=old.amount + cable.amount)
        self.patch.write("cable", key, cable)


def _overrides(inner: Patch, node: NodeData) -> dict[str, dict[str, dict[str, Any]]]:
    """What a use sets, as values of the nodes inside; a definition's value outside the exposed range is clamped too."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    spec = interface(inner)
    for part in ("params", "choices"):
        own = getattr(node, part)
        for name, item in getattr(spec, part).items():
            entry = inner.exposed[name]
            value = own.get(name, item.default)
            if name in own or value != inner.value(entry["node"], entry["param"]):
                found.setdefault(entry["node"], {}).setdefault(part, {})[entry["param"]] = value
    return found


def mixed(outer: int | None, seed: int) -> int:
    """The seed of a node inside a use that has the seed `outer`, so that two uses differ; 0 leaves it (a group)."""
    if not outer:
        return seed
    return int.from_bytes(hashlib.blake2b(f"{outer}/{seed}".encode(), digest_size=4).digest(), "little") & 0x7FFFFFFF


def measure(patch: Patch, known: dict[int, int], depth: int = 0) -> int:
    """How many nodes `patch` has with all sub-patches laid out, themselves included; PatchError where they lie too deep.

    Every definition is counted once (`known`), so that what would never fit is refused before it is laid out.
    """
    if depth > NESTING:
        raise patch.error(f"holds sub-patches more than {NESTING} deep")
    count = len(patch.nodes)
    for name, node in patch.nodes.items():
        inner = definition(patch, name) if node.type == PATCH else None
        if inner is not None:
            if id(inner) not in known:
                known[id(inner)] = measure(inner, known, depth + 1)
            count += known[id(inner)]
    return count


def flatten(patch: Patch) -> Patch:
    """A new patch without sub-patches, "rack/inlet" and "rack/outlet" nodes; inner nodes are called "sub/inner".

    Amounts multiply along a way; a way is delayed where one of its cables is.  Seeds of inner nodes are mixed with
    that of the use, file settings become relative to the outer patch, a bypassed use bypasses what is inside.  A
    sub-patch whose file is missing stays as a placeholder.  Raises PatchError where cables loop through no node.
    """
    from graph import rules

    flat = _Flat(patch)
    if measure(patch, {}) > NODES:
        raise patch.error(f"holds more than {NODES} nodes once its sub-patches are laid out")
    flat.expand(patch, "", "", None, None, False, {})
    flat.join()
    for src, out_name, dst, in_name in rules.repair(flat.patch):
        if not patch.flat and any(d.type == PATCH for d in patch.nodes.values()):
            flat.patch.notes.append(f"{src}.{out_name} -> {dst}.{in_name} closes a loop and is delayed")
    flat.patch.version = 0
    return flat.patch
