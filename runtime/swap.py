"""Hot swap: which nodes go on playing, and the rack of the transition from one patch to the next.

A node goes on where its instance and shape are the same; another shape (channels, settings, class) is a new instance
beside the old one.  Cables that come or go at a node that goes on are faded; whatever only one of the two patches has
runs at full level behind such a fade.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

from graph.spec import In

from .order import Key, Order, Rack, Source

OUTPUTS = ("io/output", "io/cv")
"""Node types that are added to the master."""


def shape(rack: Rack, order: Order, name: str) -> Hashable:
    """Equal where a node may keep its state in another plan."""
    cls, spec = rack.classes[name], rack.spec(name)
    if cls is None or spec is None:
        return rack.nodes[name].type
    settings = tuple(rack.setting(name, s) for s in spec.settings)
    outlets = tuple((order.outlets[name, o], order.periods.get((name, o))) for o in spec.outlets)
    widths = tuple(order.brought(name, n) for n, p in spec.inlets.items() if p.channels == "any" or p.latent)
    tables: Any = tuple(rack.nodes[name].data.items()) if spec.work else None
    return cls, settings, order.channels[name], outlets, widths, tables


def identify(new: Rack, order: Order, old: Rack | None, before: Order | None, fresh: Callable[[], int]) -> dict[str, str]:
    """Gives every node of `new` its instance; those that go on as {old name: new name}."""
    playing = {d.uid: n for n, d in old.nodes.items()} if old is not None else {}
    same: dict[str, str] = {}
    for name, data in new.nodes.items():
        was = playing.get(data.uid)
        if was is not None and old is not None and before is not None and shape(old, before, was) == shape(new, order, name):
            new.ids[name] = old.ids[was]
            same[was] = name
        else:
            new.ids[name] = fresh()
    return same


def union(old: Rack, new: Rack, same: dict[str, str]) -> Rack | None:
    """The rack between two: both at once, what changed faded.  None where nothing can be heard of a fade.

    A node that only the old one has is called "name~".
    """

    def now(name: str) -> str:
        return same.get(name, f"{name}~") if name else name

    gone = [n for n in old.nodes if n not in same]
    kept = set(same.values())
    rack = replace(new, nodes=dict(new.nodes), classes=dict(new.classes), cables={}, ids=dict(new.ids), fades={})
    for n in gone:
        rack.nodes[now(n)], rack.classes[now(n)], rack.ids[now(n)] = old.nodes[n], old.classes[n], old.ids[n]
    was: dict[Key, dict[Source, float]] = {}
    for (dst, inlet), sources in old.cables.items():
        was[now(dst), inlet] = {replace(s, node=now(s.node), amount=0.0): s.amount for s in sources}
    goes: dict[Key, dict[Source, float]] = {}
    for key, sources in new.cables.items():
        goes[key] = {replace(s, amount=0.0): s.amount for s in sources}
    faded = False
    for key in sorted({*was, *goes}):
        a, b = was.get(key, {}), goes.get(key, {})
        if key[0] not in kept:
            # what a new node hears begins softly too, or its delay lines would give the edge back later
            start = 0.0 if b and _inlet(rack, *key) is not None and not _rest(rack, *key) else None
            rack.cables[key] = sorted((replace(s, amount=x, start=start) for s, x in {**a, **b}.items()), key=_place)
            continue
        sources = []
        for s in {**a, **b}:
            start, goal = a.get(s, 0.0), b.get(s, 0.0)
            sources.append(replace(s, amount=goal, start=start if start != goal else None))
        port = _inlet(rack, *key)
        if port is not None and port.rest and bool(a) != bool(b):
            sources.append(Source("", str(port.rest), 0.0 if b else 1.0, "knob", False, 1.0 if b else 0.0))
        rack.cables[key] = sorted(sources, key=_place)
        faded = faded or any(s.start is not None for s in sources)
    for n, data in rack.nodes.items():
        if data.type in OUTPUTS and n not in kept:
            rack.fades[n] = (1.0, 0.0) if n.endswith("~") else (0.0, 1.0)
    return rack if faded or rack.fades else None


def without(old: Rack, new: Rack, same: dict[str, str]) -> Rack:
    """The first of two steps, where both at once would be a loop that cannot run: the old rack without what goes."""
    cables: dict[Key, list[Source]] = {}
    for (dst, inlet), sources in old.cables.items():
        there = {(s.node, s.outlet) for s in new.cables.get((same.get(dst, ""), inlet), ())}
        left = [s for s in sources if dst not in same or (same.get(s.node, ""), s.outlet) in there]
        if left:
            cables[dst, inlet] = left
    return replace(old, cables=cables, nodes=dict(old.nodes), ids=dict(old.ids))


def _place(s: Source) -> tuple[str, str, bool]:
    return s.node, s.outlet, s.delayed


def _rest(rack: Rack, node: str, port: str) -> float:
    inlet = _inlet(rack, node, port)
    return inlet.rest if inlet else 0.0


def _inlet(rack: Rack, node: str, port: str) -> In | None:
    spec = rack.spec(node)
    return spec.inlets.get(port) if spec else None
