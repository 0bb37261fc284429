"""What runs when: channels, clocks and cycles of a flat patch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import networkx as nx

from graph import Patch, PatchError
from graph.patch import NodeData
from graph.spec import In, NodeSpec, Out, Param
from graph.subpatch import flatten
from nodes import catalog
from nodes.base import Node

MAX_CHANNELS = 256
Key = tuple[str, str]  # node, port


@dataclass(frozen=True)
class Source:
    """One cable as its inlet sees it.  A cable of a transition has a `start`: the amount that it fades from.

    Without a node it stands for what the inlet reads when nothing is connected: the number in `outlet`.
    """

    node: str
    outlet: str
    amount: float
    mode: str
    delayed: bool
    start: float | None = None


@dataclass
class Rack:
    """A flat patch as it is to be planned: nodes with their classes and instances, and cables by the inlet they end at.

    `fades` are the gains of output nodes that come or go: from, to.
    """

    rate: int
    block: int
    limiter: bool
    folder: Path | None
    nodes: dict[str, NodeData]
    classes: dict[str, type[Node] | None]
    cables: dict[Key, list[Source]]
    ids: dict[str, Hashable]
    fades: dict[str, tuple[float, float]] = field(default_factory=dict)

    def spec(self, name: str) -> NodeSpec | None:
        """The declaration of a node's type; None for a placeholder."""
        cls = self.classes[name]
        return cls.spec if cls else None

    def setting(self, name: str, key: str) -> int | float | str:
        """A setting's value, or its default."""
        spec = self.spec(name)
        assert spec is not None
        return self.nodes[name].settings.get(key, spec.settings[key].default)


def rack_of(patch: Patch) -> Rack:
    """The rack of a patch, its sub-patches laid out.  Raises PatchError."""
    flat = flatten(patch)
    nodes = dict(flat.nodes)
    cables: dict[Key, list[Source]] = defaultdict(list)
    for (src, outlet, dst, inlet), cable in sorted(flat.cables.items()):
        cables[dst, inlet].append(Source(src, outlet, cable.amount, cable.mode, cable.delayed))
    classes = {n: catalog.of(d.type, d.settings, flat.folder) for n, d in nodes.items()}
    return Rack(patch.rate, patch.block, patch.limiter, patch.folder, nodes, classes, dict(cables), dict.fromkeys(nodes))


@dataclass
class Order:
    """`units` in running order: the nodes of each, and whether they form a loop that runs sample by sample."""

    units: list[tuple[list[str], bool]] = field(default_factory=list)
    cables: dict[Key, list[Source]] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)  # of each node
    outlets: dict[Key, int] = field(default_factory=dict)  # channels (or dims) of each outlet
    periods: dict[Key, Fraction] = field(default_factory=dict)  # samples a frame, of each latent outlet
    clocks: list[Fraction] = field(default_factory=list)  # the latent clocks there are

    def brought(self, name: str, port: str) -> int:
        """The most channels that a cable brings to an inlet."""
        return max((self.outlets.get((s.node, s.outlet), 1) for s in self.cables.get((name, port), ())), default=1)


class Unordered(PatchError):
    """A loop without a delayed cable."""


def arrange(rack: Rack) -> Order:
    """Order of a rack.  Raises Unordered where a loop has no delayed cable, PatchError."""
    order = Order(cables=rack.cables)
    _sort(rack, order)
    _spread(rack, order)
    return order


def _sort(rack: Rack, order: Order) -> None:
    """Units in lexicographic topological order of the condensation; a work node cuts what runs through it."""
    graph = nx.DiGraph()
    graph.add_nodes_from(rack.nodes)
    for (dst, _), sources in order.cables.items():
        for s in sources:
            spec = rack.spec(s.node) if s.node else None
            if spec is not None and not spec.work:
                graph.add_edge(s.node, dst)
    folded = nx.condensation(graph)
    members = {k: sorted(d["members"]) for k, d in folded.nodes(data=True)}
    for k in nx.lexicographical_topological_sort(folded, key=lambda k: members[k][0]):
        names = members[k]
        loop = len(names) > 1 or graph.has_edge(names[0], names[0])
        if not loop:
            order.units.append((names, False))
            continue
        inner = nx.DiGraph()
        inner.add_nodes_from(names)
        inside = set(names)
        for name in names:
            spec = rack.spec(name)
            assert spec is not None
            for port in [*spec.inlets, *spec.params]:
                for s in order.cables.get((name, port), ()):
                    if s.node in inside and not s.delayed:
                        inner.add_edge(s.node, name)
        try:
            order.units.append((list(nx.lexicographical_topological_sort(inner)), True))
        except nx.NetworkXUnfeasible:
            raise Unordered(f"the loop through {', '.join(names[:4])} has no delayed cable") from None


def _spread(rack: Rack, order: Order) -> None:
    """Channel counts and latent clocks: the least fixed point over the cables."""
    sequence = [name for names, _ in order.units for name in names]
    for _ in range(len(sequence) + 1):
        changed = False
        for name in sequence:
            changed |= _node(rack, name, order)
        if not changed:
            break
    order.clocks = sorted(set(order.periods.values()))


def _node(rack: Rack, name: str, order: Order) -> bool:
    """Channels of one node and its outlets from what its cables bring; True where something grew."""
    spec = rack.spec(name)
    if spec is None:
        return False
    inputs: dict[str, In | Param] = spec.inputs()
    latent = [(p.latent, n) for n, p in spec.inlets.items() if p.latent]
    free = [n for n, p in inputs.items() if isinstance(p, Param) or (p.channels is None and not p.latent)]
    width = max([order.brought(name, n) for n in free] + [1])
    period: dict[str, Fraction] = {}
    if latent and not free and all(p.latent for p in spec.outlets.values()):
        width = max(order.brought(name, n) for _, n in latent)
    for letter, port in latent:
        for s in order.cables.get((name, port), ()):
            if (s.node, s.outlet) in order.periods:
                period[letter] = order.periods[s.node, s.outlet]
    if width > MAX_CHANNELS:
        raise PatchError(f"node {name}: {width} channels are more than {MAX_CHANNELS}")
    changed = order.channels.get(name) != width
    order.channels[name] = width
    for outlet, out in spec.outlets.items():
        key = (name, outlet)
        count = _width(rack, name, out, width, order)
        if out.latent:
            if out.fixed:
                count = out.fixed.dims
                period[out.latent] = out.fixed.period(rack.rate)
            elif out.space and out.latent not in period:  # a cable at an inlet of the same letter knows better
                count = int(rack.setting(name, out.space[1]))
                ratio, rate = int(rack.setting(name, out.space[2])), int(rack.setting(name, out.space[3])) or rack.rate
                period[out.latent] = Fraction(ratio * rack.rate, rate)
            else:
                count = max([order.brought(name, n) for letter, n in latent if letter == out.latent] or [1])
            if period.get(out.latent, 1) < 1:
                raise PatchError(f"node {name}: {outlet} would have more than one frame a sample")
            if out.latent in period and order.periods.get(key) != period[out.latent]:
                order.periods[key] = period[out.latent]
                changed = True
        if order.outlets.get(key) != count:
            order.outlets[key] = count
            changed = True
    return changed


def _width(rack: Rack, name: str, out: Out, width: int, order: Order) -> int:
    if out.channels is None:
        return width
    if isinstance(out.channels, int):
        return out.channels
    if out.channels == "any":
        return order.brought(name, "audio")
    return int(rack.setting(name, out.channels))
