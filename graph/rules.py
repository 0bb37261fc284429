"""May this cable exist, does it close a loop, and do the latent spaces that it joins agree.

A loop is a ring of cables without delay.  Reaching works on *entries*: (node, "") for an ordinary node, where every
inlet leads to every outlet, and (node, inlet) for a sub-patch, where only the ways inside count, so that grouping
nodes never makes a loop.  `work` nodes cut every way: their ring is the delay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import networkx as nx

from graph import values
from graph.errors import PatchError, show, suggest
from graph.patch import Key, Patch
from graph.spec import In, Out, Param

FREE = "free"
"""The name of a latent space that goes into any other of its size and clock."""
Entry = tuple[str, str]
Ways = Mapping[str, frozenset[str]]


class Space(NamedTuple):
    """A latent space; None where it is not known."""

    name: str | None
    dims: int | None = None
    ratio: str | None = None

    def __str__(self) -> str:
        known = [f"{self.dims} dims" if self.dims else "", f"a frame every {self.ratio} samples" if self.ratio else ""]
        inside = ", ".join(k for k in known if k)
        return f"{self.name or FREE} ({inside})" if inside else self.name or FREE


def outlet(patch: Patch, node: str, name: str) -> Out | None:
    """The outlet `name` of `node`, None at a placeholder, PatchError where the type has none."""
    spec = patch.spec(node)
    if spec is None:
        values.node_name(name)
        return None
    if name in spec.outlets:
        return spec.outlets[name]
    if name in spec.inputs() or name in spec.choices:
        raise patch.error(f"{name} is no outlet, and a cable starts at one{suggest('', spec.outlets)}", node, name)
    raise patch.error(f"{spec.id} has no outlet {show(name)}{suggest(name, spec.outlets)}", node, name)


def inlet(patch: Patch, node: str, name: str) -> tuple[str, In | Param | None]:
    """Today's name of the inlet or param `name` and its declaration, None at a placeholder."""
    spec = patch.spec(node)
    if spec is None:
        values.node_name(name)
        return name, None
    inputs = spec.inputs()
    name = spec.renamed(name) if name not in inputs else name
    if name in inputs:
        return name, inputs[name]
    if name in spec.choices or name in spec.settings or name in spec.data:
        raise patch.error(f"{name} takes no cable; only inlets and params do{suggest('', inputs)}", node, name)
    if name in spec.outlets:
        raise patch.error(f"{name} is an outlet, and a cable ends at an inlet{suggest('', inputs)}", node, name)
    raise patch.error(f"{spec.id} has no inlet {show(name)}{suggest(name, inputs)}", node, name)


def is_latent(port: In | Out | Param | None) -> bool:
    """Whether a port carries latent frames."""
    return not isinstance(port, Param) and port is not None and bool(port.latent or getattr(port, "space", None))


def check_cable(patch: Patch, key: Key) -> Key:
    """The cable `key` with today's port names, or PatchError: ports that do not exist or are of different kinds."""
    src, out_name, dst, in_name = key
    patch.node(src)
    patch.node(dst)
    with patch.blame():
        start = outlet(patch, src, out_name)
        in_name, end = inlet(patch, dst, in_name)
    if start is not None and end is not None and is_latent(start) != is_latent(end):
        kinds = ("a latent", "a signal") if is_latent(start) else ("a signal", "a latent")
        raise patch.error(f"{in_name} takes {kinds[1]}, and {src}.{out_name} is {kinds[0]}", dst, in_name)
    return src, out_name, dst, in_name


# latent spaces


def spaces(patch: Patch) -> dict[tuple[str, str], Space]:
    """The latent space of every letter (node, letter) that is known.  PatchError names the cable where two spaces meet."""
    groups: nx.utils.UnionFind[tuple[str, str]] = nx.utils.UnionFind()
    known: dict[tuple[str, str], Space] = {}
    for node in patch.nodes:
        spec = patch.spec(node)
        ports: dict[str, In | Out] = {**spec.inlets, **spec.outlets} if spec else {}
        for name, port in ports.items():
            if is_latent(port):
                space = _own_space(patch, node, port)
                if space:
                    known[_letter(node, name, port)] = space
    for key in patch.cables:
        src, out_name, dst, in_name = key
        start = outlet(patch, src, out_name)
        in_name, end = inlet(patch, dst, in_name)
        if start is None or end is None or isinstance(end, Param) or not (is_latent(start) and is_latent(end)):
            continue
        a, b = groups[_letter(src, out_name, start)], groups[_letter(dst, in_name, end)]
        one, two = known.get(a), known.get(b)
        if one and two and any(x != y for x, y in zip(one, two, strict=True) if x is not None and y is not None):
            raise patch.error(f"{in_name} takes the latent space {two}, and {src}.{out_name} is {one}", dst, in_name)
        groups.union(a, b)
        both = [s for s in (one, two) if s]
        if both:
            known[groups[a]] = max(both, key=lambda s: sum(x is not None for x in s))
    return {letter: known[groups[letter]] for letter in list(groups) + list(known) if groups[letter] in known}


def _letter(node: str, name: str, port: In | Out) -> tuple[str, str]:
    """Ports with the same letter on one node are the same space; a port without one is on its own."""
    return node, port.latent or f".{name}"


def _own_space(patch: Patch, node: str, port: In | Out) -> Space | None:
    """The space that a port brings: from the settings it names, or its own name where that is no single letter."""
    if port.fixed:
        return Space(port.fixed.name, port.fixed.dims, str(port.fixed.period(patch.rate)))
    if isinstance(port, Out) and port.space and not _told(patch, node, port):
        name, dims, ratio, rate = (patch.value(node, s) for s in port.space)
        return Space(
            None if name == FREE else str(name), int(dims), str(Fraction(int(ratio) * patch.rate, int(rate) or patch.rate))
        )
    return Space(port.latent) if port.latent and len(port.latent) > 1 else None


def _told(patch: Patch, node: str, port: Out) -> bool:
    """Whether a cable brings the space of an outlet, at an inlet with the same letter: then the settings do not count."""
    spec = patch.spec(node)
    assert spec is not None
    return any(p.latent == port.latent is not None and patch.into(node, n) for n, p in spec.inlets.items())


def check_spaces(patch: Patch) -> None:
    """PatchError where a cable joins two latent spaces, sub-patches included."""
    from graph import subpatch

    if any_latent(patch, set()):
        deep = any(d.type == subpatch.PATCH for d in patch.nodes.values())
        spaces(subpatch.flatten(patch) if deep else patch)


def any_latent(patch: Patch, seen: set[int]) -> bool:
    """Whether a node has a latent port, at any depth; most patches have none and need not be laid out to be checked."""
    from graph import subpatch

    seen.add(id(patch))
    for name, node in patch.nodes.items():
        if node.type == subpatch.PATCH:
            inner = patch.inner(name)
            if inner is not None and id(inner) not in seen and any_latent(inner, seen):
                return True
            continue
        spec = patch.spec(name)
        if spec is not None and any(is_latent(p) for ports in (spec.inlets, spec.outlets) for p in ports.values()):
            return True
    return False


# loops


def ways(patch: Patch, node: str) -> Ways | None:
    """Which outlets each inlet of `node` leads to without delay; None where each leads to all."""
    from graph import subpatch

    data = patch.nodes[node]
    if data.type == subpatch.PATCH:
        inner = patch.inner(node)
        return None if inner is None else through(inner)
    spec = patch.specs.get(data.type)  # shaped or not, a type always is work or never
    return {} if spec is not None and spec.work else None


def through(inner: Patch) -> Ways:
    """From every inlet and exposed param of a sub-patch to the outlets that it reaches without delay."""
    from graph import subpatch

    stamp, found = inner.kept.get("through", (None, None))
    if stamp != inner.stamp:
        starts = {n: {(n, "")} for n, d in inner.nodes.items() if d.type == subpatch.INLET}
        for name, entry in inner.exposed.items():
            if entry["node"] in inner.nodes:
                starts[name] = {_entry(inner, entry["node"], entry["param"])}
        ends = {n for n, d in inner.nodes.items() if d.type == subpatch.OUTLET}
        found = {}
        for name, seen in starts.items():
            todo = list(seen)
            while todo:
                new = set(_after(inner, todo.pop())) - seen
                seen |= new
                todo += new
            found[name] = frozenset(n for n, _ in seen if n in ends)
        inner.kept["through"] = inner.stamp, found
    result: Ways = found
    return result


def _entry(patch: Patch, node: str, port: str) -> Entry:
    return (node, port if ways(patch, node) else "")


def _after(patch: Patch, entry: Entry) -> Iterator[Entry]:
    """Entries that the undelayed cables out of `entry` lead to."""
    node, port = entry
    way = ways(patch, node)
    if way is not None and not way:
        return
    for dst, edges in patch.graph._adj[node].items():
        for (out_name, in_name), attrs in edges.items():
            if not attrs["cable"].delayed and (way is None or out_name in way.get(port, ())):
                yield _entry(patch, dst, in_name)


def _leading_to(patch: Patch, node: str, out_name: str) -> list[Entry]:
    """Entries of `node` that lead to its outlet."""
    way = ways(patch, node)
    return [(node, "")] if way is None else [(node, port) for port, outs in way.items() if out_name in outs]


def _before(patch: Patch, entry: Entry) -> Iterator[Entry]:
    """Entries whose undelayed cables lead to `entry`."""
    node, port = entry
    for src, edges in patch.graph._pred[node].items():
        for (out_name, in_name), attrs in edges.items():
            if not attrs["cable"].delayed and (not port or in_name == port):
                yield from _leading_to(patch, src, out_name)


def closes(patch: Patch, key: Key) -> bool:
    """Whether the cable `key` (drawn or not, delayed or not) closes a loop of undelayed cables.

    Searches from both ends by turns, so that a cable to or from a loose end costs nothing in a large patch.
    """
    src, out_name, dst, in_name = key
    ahead = {_entry(patch, dst, in_name)}
    behind = set(_leading_to(patch, src, out_name))
    if ahead & behind:
        return True
    rim = [list(ahead), list(behind)]
    while rim[0] and rim[1]:
        side = 0 if len(ahead) <= len(behind) else 1
        seen, other, step = (ahead, behind, _after) if side == 0 else (behind, ahead, _before)
        new: list[Entry] = []
        for entry in rim[side]:
            for found in step(patch, entry):
                if found in other:
                    return True
                if found not in seen:
                    seen.add(found)
                    new.append(found)
        rim[side] = new
    return False


def loose(patch: Patch, before: Iterable[Key]) -> None:
    """Clears the flag of those delayed cables in `before` that no longer close a loop; an edit that breaks one calls it."""
    for key in sorted(before):
        if key in patch.delayed and not closes(patch, key):
            patch.write("cable", key, replace(patch.cables[key], delayed=False))


def closing(patch: Patch) -> list[Key]:
    """The delayed cables that close a loop now."""
    return [k for k in patch.delayed if closes(patch, k)]


def undelayed(patch: Patch) -> list[Key]:
    """The cables without delay that close a loop, in order: those for which `closes` holds, found all at once."""
    graph, parts = _rings(patch)
    return sorted({k for part in parts for a, b, keys in graph.edges(part, data="keys") if b in part for k in keys})


def _rings(patch: Patch) -> tuple[nx.DiGraph, list[set[Entry]]]:
    """The undelayed cables as a graph of entries, and the parts of it in which every entry reaches every other."""
    graph: nx.DiGraph = nx.DiGraph()
    for key in patch.cables:
        src, out_name, dst, in_name = key
        if not patch.cables[key].delayed:
            end = _entry(patch, dst, in_name)
            for start in _leading_to(patch, src, out_name):
                graph.add_edge(start, end)
                graph.edges[start, end].setdefault("keys", []).append(key)
    parts = nx.strongly_connected_components(graph)
    return graph, [part for part in parts if len(part) > 1 or any(graph.has_edge(n, n) for n in part)]


def repair(patch: Patch) -> list[Key]:
    """Flags a deterministic set of cables as delayed until none closes a loop; returns the new ones, in order."""
    graph, parts = _rings(patch)
    flagged: set[Key] = set()
    for part in parts:
        flagged |= _back_edges(graph, part)
    for key in sorted(flagged):
        patch.write("cable", key, replace(patch.cables[key], delayed=True))
    return sorted(flagged)


def _back_edges(graph: nx.DiGraph, part: set[Entry]) -> set[Key]:
    """The cables that a depth-first walk through `part`, in order of name, finds leading back onto its own path."""
    found: set[Key] = set()
    done: set[Entry] = set()
    for root in sorted(part):
        if root in done:
            continue
        path = {root}
        stack = [(root, iter(sorted(n for n in graph[root] if n in part)))]
        while stack:
            node, rest = stack[-1]
            for nxt in rest:
                if nxt in path:
                    found.update(graph.edges[node, nxt]["keys"])
                elif nxt not in done:
                    path.add(nxt)
                    stack.append((nxt, iter(sorted(n for n in graph[nxt] if n in part))))
                    break
            else:
                stack.pop()
                path.discard(node)
                done.add(node)
    return found


__all__ = [
    "PatchError", "Space", "check_cable", "check_spaces", "closes", "closing", "inlet", "is_latent", "loose", "outlet",
    "repair", "spaces", "through", "undelayed", "ways",
]  # fmt: skip
