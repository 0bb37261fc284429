"""Snapshots: the base values of a patch at one moment, brought back, or mixed in knob position.

A snapshot is a map of node → param or choice → value, kept in the patch (`edits.SetPatch("snapshots", …)`).  What a
sub-patch exposes counts as its use's own.  Settings, data and bypass are no part of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from graph import values
from graph.errors import show, suggest
from graph.groups import shown
from graph.patch import Patch
from graph.spec import Choice, Param

Snapshot = Mapping[str, Mapping[str, float | str]]
Goal = tuple[str, str, float | str]
"""A value to go to: (node, param or choice, value)."""


def capture(patch: Patch, only: Iterable[tuple[str, str]] | None = None) -> dict[str, dict[str, float | str]]:
    """The base values of all params and choices, defaults among them; of those in `only` (node, port) where given.

    PatchError where `only` names what is not there, or what a sub-patch holds and does not expose.
    """
    found: dict[str, dict[str, float | str]] = {}
    for node, port in _all(patch) if only is None else only:
        place, name = shown(patch, node, port)
        if "/" in place:
            raise patch.error(f"{port} is inside a sub-patch; expose it to keep it in a snapshot", node, port)
        spec = patch.spec(place)
        if spec is not None and name not in spec.params and name not in spec.choices:
            known = [*spec.params, *spec.choices]
            raise patch.error(f"{spec.id} has no param {show(name)}{suggest(name, known)}", place, name)
        found.setdefault(place, {})[name] = patch.value(place, name)
    return found


def _all(patch: Patch) -> list[tuple[str, str]]:
    specs = ((node, patch.spec(node)) for node in patch.nodes)
    return [(node, port) for node, spec in specs if spec is not None for port in (*spec.params, *spec.choices)]


def goals(patch: Patch, snapshot: Snapshot) -> tuple[list[Goal], list[str]]:
    """What to set to go to a snapshot, and sentences about what no longer exists.

    A value out of the range that its param has today goes to the end of it.
    """
    found: list[Goal] = []
    notes: list[str] = []
    for node in sorted(snapshot):
        if node not in patch.nodes:
            notes.append(f"there is no node {node} any more")
            continue
        spec = patch.spec(node)
        if spec is None:
            notes.append(f"node {node}: its type {patch.nodes[node].type} is unknown here")
            continue
        for port, value in sorted(snapshot[node].items()):
            name = port if port in spec.params else spec.renamed(port)
            item = spec.params.get(name) or spec.choices.get(name)
            fit = None if item is None else _fit(item, value)
            if item is None:
                notes.append(f"node {node}: it has no param {port} any more")
            elif fit is None:
                notes.append(f"node {node}: {name} cannot be {show(value)} any more")
            else:
                found.append((node, name, fit))
    return found, notes


def _fit(item: Param | Choice, value: object) -> float | str | None:
    """The value as the param or choice takes it, None where it cannot."""
    if isinstance(item, Choice):
        return value if isinstance(value, str) and value in item.options else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return min(max(float(value), item.low), item.high)


def mix(patch: Patch, parts: Sequence[tuple[float, Snapshot]]) -> list[Goal]:
    """Values between snapshots, each with its weight (0 or more): params in knob position, choices of the heaviest.

    Of two that are equally heavy, the first counts.  A param that some of them lack is mixed from the others.
    """
    seen: dict[tuple[str, str], list[tuple[float, float | str]]] = {}
    for weight, snapshot in parts:
        if weight > 0.0:
            for node, port, value in goals(patch, snapshot)[0]:
                seen.setdefault((node, port), []).append((weight, value))
    found: list[Goal] = []
    for (node, port), shares in sorted(seen.items()):
        value = max(shares, key=lambda share: share[0])[1]
        if not isinstance(value, str) and any(other != value for _, other in shares):
            spec = patch.spec(node)
            assert spec is not None
            value = _between(spec.params[port], shares)
        found.append((node, port, value))
    return found


def _between(param: Param, shares: Sequence[tuple[float, float | str]]) -> float:
    """The weighted mean of values of a param in knob position."""
    total = math.fsum(weight for weight, _ in shares)
    knob = math.fsum(weight * param.knob(value) for weight, value in shares if not isinstance(value, str))
    return param.at(knob / total)


def blend(patch: Patch, weights: Mapping[str, float]) -> list[Goal]:
    """Values between the patch's snapshots, by name → weight; only the weights' proportions count, all 0 changes nothing.

    PatchError where there is no such snapshot or a weight is not 0 or more.
    """
    for name, weight in weights.items():
        if name not in patch.snapshots:
            raise patch.error(f"there is no snapshot {show(name)}{suggest(str(name), patch.snapshots)}")
        values.number(name, weight, 0.0, 1e9)
    return mix(patch, [(weights[name], patch.snapshots[name]) for name in sorted(weights)])


def morph(patch: Patch, start: Snapshot, end: Snapshot, at: float) -> list[Goal]:
    """Values on the way from `start` (0) to `end` (1); choices switch half-way.  What only one of them has is not set."""
    both = [
        {node: {p: v for p, v in ports.items() if p in other.get(node, {})} for node, ports in one.items()}
        for one, other in ((start, end), (end, start))
    ]
    at = min(max(at, 0.0), 1.0)
    return mix(patch, [(at, both[1]), (1.0 - at, both[0])])


def corners(x: float, y: float) -> tuple[float, float, float, float]:
    """Weights of four corners for a point of the unit square: bottom left, bottom right, top left, top right; sum 1."""
    x, y = min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)
    return (1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y
