"""Edits that the editor makes of several: copy, paste, remove with bridging, insert, align.  Each is one undo step.

All functions read a patch (the editor's `here()`, with its lock held) and give an edit for `Editor.do`, None where there is
nothing to do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

from graph import rules, subpatch, wire
from graph.edits import AddNode, Connect, Disconnect, Edit, Edits, Group, Move, RemoveNode, SetBypass
from graph.errors import PatchError
from graph.patch import Cable, Key, Patch
from graph.spec import NodeSpec

from .model import Layout

Clip = dict[str, Any]
"""Copied nodes and the cables between them, as plain data (JSON or msgpack keep it)."""
PARTS = ("settings", "params", "choices", "data")


def _one(steps: list[Edit], title: str) -> Edit | None:
    return Edits(tuple(steps), title) if steps else None


def _said(names: Collection[str]) -> str:
    """Nodes as they stand in the name of a step."""
    return next(iter(names)) if len(names) == 1 else f"{len(names)} nodes"


def _ends(key: Key) -> tuple[str, str]:
    return f"{key[0]}.{key[1]}", f"{key[2]}.{key[3]}"


def _cable(key: Key, cable: Cable) -> Connect:
    return Connect(*_ends(key), cable.amount, cable.mode)


# ---------------------------------------------------------------------------------------------- copies


def copy(patch: Patch, names: Iterable[str]) -> Clip:
    """The nodes and the cables between them.  Nodes of types that are unknown here are left out (`lost` names them)."""
    nodes, lost = [], []
    for name in sorted(set(names) & patch.graph._node.keys()):
        node = patch.nodes[name]
        if patch.spec(name) is None and node.type != subpatch.PATCH:
            lost.append(name)
            continue
        values = {item: value for part in PARTS for item, value in getattr(node, part).items()}
        nodes.append(wire.to_map(AddNode(node.type, name, values, node.at, None, node.patch, node.bypass)))
    kept = {node["name"] for node in nodes}
    inner = [(key, cable) for key, cable in patch.cables.items() if key[0] in kept and key[2] in kept]
    inner.sort(key=lambda item: item[1].delayed)  # what closes a loop comes last, and is delayed again
    return {"nodes": nodes, "cables": [[*key, cable.amount, cable.mode] for key, cable in inner], "lost": lost}


def paste(
    patch: Patch, clip: Clip, at: tuple[float, float] | None = None, offset: float = 24.0, title: str = "paste"
) -> tuple[Edit, list[str]] | None:
    """Adds what was copied under free names; gives their names too (they become the selection).

    The upper left corner comes to `at`, or everything lies `offset` beside where it was.  PatchError where it is no clip.
    """
    try:
        found = [wire.from_map(node, patch) for node in clip["nodes"]]
        cables = [(str(s), str(o), str(d), str(i), float(a), m) for s, o, d, i, a, m in clip["cables"]]
    except (KeyError, TypeError, ValueError) as error:
        raise error if isinstance(error, PatchError) else PatchError("what was copied is no part of a patch") from None
    nodes = [node for node in found if isinstance(node, AddNode)]
    if not nodes:
        return None
    dx = dy = offset
    if at is not None:
        dx, dy = at[0] - min(n.at[0] for n in nodes), at[1] - min(n.at[1] for n in nodes)
    taken = set(patch.nodes)
    names: dict[str, str] = {}
    steps: list[Edit] = []
    for node in nodes:
        name = names[node.name] = free(taken, node.name)
        taken.add(name)
        steps.append(replace(node, name=name, at=(node.at[0] + dx, node.at[1] + dy)))
    for src, outlet, dst, inlet, amount, mode in cables:
        if src in names and dst in names:
            steps.append(Connect(f"{names[src]}.{outlet}", f"{names[dst]}.{inlet}", amount, mode))
    return Edits(tuple(steps), f"{title} {_said(list(names.values()))}"), list(names.values())


def duplicate(
    patch: Patch, names: Iterable[str], incoming: bool = False, offset: float = 24.0
) -> tuple[Edit, list[str]] | None:
    """A copy of nodes beside them; with `incoming`, the cables that come from elsewhere too."""
    clip = copy(patch, names)
    made = paste(patch, clip, offset=offset, title="duplicate")
    if made is None or not incoming:
        return made
    edit, new = made
    old = [node["name"] for node in clip["nodes"]]
    assert isinstance(edit, Edits)
    steps = list(edit.edits)
    for name, twin in zip(old, new, strict=True):
        for key, cable in patch.into(name):
            if key[0] not in old:
                steps.append(Connect(f"{key[0]}.{key[1]}", f"{twin}.{key[3]}", cable.amount, cable.mode))
    return Edits(tuple(steps), edit.title), new


def free(taken: Collection[str], name: str) -> str:
    """A name that is not taken: with a number, or a higher one."""
    if name not in taken:
        return name
    stem = name.rstrip("0123456789") or name
    stem = stem[:56]
    number = 2
    while f"{stem}{number}" in taken:
        number += 1
    return f"{stem}{number}"


# ---------------------------------------------------------------------------------------------- cables


def _inlets(spec: NodeSpec | None, latent: bool) -> list[str]:
    """Where a cable of this kind may end, the usual places first: inlets, then params."""
    if spec is None:
        return []
    found = [n for n, p in spec.inlets.items() if rules.is_latent(p) == latent]
    return found if latent else [*found, *spec.params]


def _outlets(spec: NodeSpec | None, latent: bool) -> list[str]:
    return [n for n, p in spec.outlets.items() if rules.is_latent(p) == latent] if spec is not None else []


def _main(spec: NodeSpec | None) -> tuple[str, str] | None:
    """The inlet and outlet between which a node passes on what it gets: the first two of one kind."""
    for latent in (False, True):
        if spec is not None:
            into = [n for n, p in spec.inlets.items() if rules.is_latent(p) == latent]
            out = _outlets(spec, latent)
            if into and out:
                return into[0], out[0]
    return None


def remove(patch: Patch, names: Collection[str], keys: Iterable[Key] = (), bridge: bool = False) -> Edit | None:
    """Removes nodes and cables; with `bridge`, what passed through the nodes is reconnected."""
    gone = {n for n in names if n in patch.nodes}
    loose = [key for key in keys if key in patch.cables and key[0] not in gone and key[2] not in gone]
    steps: list[Edit] = [Disconnect(*_ends(key)) for key in loose]
    steps += [RemoveNode(name) for name in sorted(gone)]
    if bridge:
        steps += _bridges(patch, gone)
    if not steps:
        return None
    title = (
        f"remove {_said(sorted(gone))}" if gone else steps[0].label if len(steps) == 1 else f"disconnect {len(steps)} cables"
    )
    return Edits(tuple(steps), title)


def _bridges(patch: Patch, gone: set[str]) -> list[Edit]:
    """Cables from what fed the nodes to what they fed."""
    found: dict[Key, Cable] = {}
    for name in sorted(gone):
        main = _main(patch.spec(name))
        if main is None:
            continue
        for key, cable in patch.out_of(name, main[1]):
            if key[2] in gone:
                continue
            for (src, outlet), amount in _feeding(patch, name, gone, {name}):
                new = (src, outlet, key[2], key[3])
                if new in patch.cables:
                    continue
                old = found.get(new, Cable(0.0, cable.mode))
                found[new] = Cable(old.amount + cable.amount * amount, cable.mode)
    return [_cable(key, cable) for key, cable in found.items()]


def _feeding(patch: Patch, name: str, gone: set[str], seen: set[str]) -> list[tuple[tuple[str, str], float]]:
    """Outlets of nodes that stay which reach the main inlet of `name` through nodes that go, and by how much."""
    main = _main(patch.spec(name))
    if main is None:
        return []
    found: list[tuple[tuple[str, str], float]] = []
    for key, cable in patch.into(name, main[0]):
        src, outlet = key[0], key[1]
        if src not in gone:
            found.append(((src, outlet), cable.amount))
        elif src not in seen:
            before = _main(patch.spec(src))
            if before is not None and before[1] == outlet:
                found += [(at, amount * cable.amount) for at, amount in _feeding(patch, src, gone, seen | {src})]
    return found


def declared(patch: Patch, type: str, values: Mapping[str, Any] | None = None) -> NodeSpec | None:
    """What a new node of a type declares; of one that follows from its settings, with these."""
    spec = patch.specs.get(type) or subpatch.BUILTIN.get(type)
    if spec is not None and spec.shaped is not None:
        with suppress(PatchError):
            return spec.shaped(values or {}, patch.folder)
    return spec


def insert(
    patch: Patch, key: Key, node: str, type: str = "", at: tuple[float, float] = (0.0, 0.0),
    values: Mapping[str, Any] | None = None,
) -> Edit | None:  # fmt: skip
    """Puts a node into a cable: a new one of `type` called `node`, or the one that is there; None where it does not fit."""
    if key not in patch.cables or node in (key[0], key[2]):
        return None
    spec = declared(patch, type, values) if type else patch.spec(node) if node in patch.nodes else None
    start = patch.spec(key[0])
    latent = rules.is_latent(start.outlets.get(key[1])) if start is not None else False
    into = [n for n in _inlets(spec, latent) if spec is not None and n in spec.inlets]  # nobody means a knob
    out = _outlets(spec, latent)
    if not into or not out:
        return None
    cable = patch.cables[key]
    steps: list[Edit] = [AddNode(type, node, dict(values or {}), at)] if type else []
    steps.append(Disconnect(*_ends(key)))
    if (key[0], key[1], node, into[0]) not in patch.cables:
        steps.append(Connect(f"{key[0]}.{key[1]}", f"{node}.{into[0]}"))
    if (node, out[0], key[2], key[3]) not in patch.cables:
        steps.append(Connect(f"{node}.{out[0]}", f"{key[2]}.{key[3]}", cable.amount, cable.mode))
    return Edits(tuple(steps), f"insert {node}")


def swap_end(patch: Patch, key: Key, end: Literal["src", "dst"], node: str, port: str) -> Edit | None:
    """Moves one end of a cable to another port; its amount stays."""
    if key not in patch.cables:
        return None
    cable = patch.cables[key]
    new = (node, port, key[2], key[3]) if end == "src" else (key[0], key[1], node, port)
    if new == key:
        return None
    mode = cable.mode if end == "src" else None  # another param may ask for another one
    connect = Connect(*_ends(new), cable.amount, mode)
    steps: list[Edit] = [Disconnect(*_ends(key))]
    if new not in patch.cables:
        steps.append(connect)
    return Edits(tuple(steps), connect.label)


def chain(patch: Patch, names: Collection[str]) -> Edit | None:
    """Connects nodes from left to right, the first outlet that fits to the first inlet."""
    order = sorted((n for n in names if n in patch.nodes), key=lambda n: (patch.nodes[n].at, n))
    steps: list[Edit] = []
    for a, b in pairwise(order):
        for latent in (False, True):
            out, into = _outlets(patch.spec(a), latent), _inlets(patch.spec(b), latent)
            if out and into:
                if (a, out[0], b, into[0]) not in patch.cables:
                    steps.append(Connect(f"{a}.{out[0]}", f"{b}.{into[0]}"))
                break
    return _one(steps, f"connect {_said(order)}")


# ---------------------------------------------------------------------------------------------- nodes


def bypass(patch: Patch, names: Collection[str]) -> Edit | None:
    """Takes nodes out of the way, or back in where all are out."""
    found = [n for n in sorted(names) if n in patch.nodes]
    on = not all(patch.nodes[n].bypass for n in found)
    steps: list[Edit] = [SetBypass(n, on) for n in found if patch.nodes[n].bypass != on]
    return _one(steps, f"{'bypass' if on else 'switch on'} {_said(found)}")


def group(patch: Patch, names: Collection[str], into: str = "") -> tuple[Edit, str] | None:
    """Puts nodes into a sub-patch; gives its name too."""
    found = tuple(sorted(n for n in names if n in patch.nodes))
    if not found:
        return None
    name = into or free(patch.graph._node, "group")
    return Group(found, name), name


def move(layout: Layout, names: Iterable[str], dx: float, dy: float) -> Edit | None:
    """Moves nodes by a distance."""
    found = sorted(n for n in names if n in layout.boxes)
    if not found or not (dx or dy):
        return None
    places = {n: layout.place(n) for n in found}
    return _one([Move(n, (x + dx, y + dy)) for n, (x, y) in places.items()], f"move {_said(found)}")


def align(layout: Layout, names: Iterable[str], how: str) -> Edit | None:
    """Aligns "left", "right", "top", "bottom", "centre" (of columns), "middle" (of rows), or spreads "across" or "down"."""
    boxes = [layout.boxes[n] for n in sorted(set(names)) if n in layout.boxes]
    if len(boxes) < 2:
        return None
    x0, x1 = min(b.x for b in boxes), max(b.x + b.w for b in boxes)
    y0, y1 = min(b.y for b in boxes), max(b.y + b.h for b in boxes)
    places: dict[str, tuple[float, float]] = {}
    if how in ("across", "down"):
        wide = how == "across"
        boxes.sort(key=lambda b: (b.x, b.name) if wide else (b.y, b.name))
        room = (x1 - x0 if wide else y1 - y0) - sum(b.w if wide else b.h for b in boxes)
        gap = max(room / (len(boxes) - 1), 12.0)
        at = x0 if wide else y0
        for b in boxes:
            places[b.name] = (at, b.y) if wide else (b.x, at)
            at += (b.w if wide else b.h) + gap
    else:
        for b in boxes:
            places[b.name] = {
                "left": (x0, b.y), "right": (x1 - b.w, b.y), "centre": ((x0 + x1 - b.w) / 2, b.y),
                "top": (b.x, y0), "bottom": (b.x, y1 - b.h), "middle": (b.x, (y0 + y1 - b.h) / 2),
            }[how]  # fmt: skip
    steps: list[Edit] = [Move(b.name, places[b.name]) for b in boxes if places[b.name] != (b.x, b.y)]
    return _one(steps, f"align {_said([b.name for b in boxes])}")


def settle(layout: Layout) -> Edit | None:
    """Keeps the places that were found for nodes without one."""
    steps: list[Edit] = [
        Move(name, layout.place(name)) for name, box in sorted(layout.boxes.items()) if layout.place(name) != box.data.at
    ]
    return _one(steps, "lay out")
