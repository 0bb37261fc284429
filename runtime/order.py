"""What runs when: channels, clocks and cycles of a flat patch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import networkx as nx

from graph import Patch, PatchError
from graph.spec import In, NodeSpec, Out, Param

MAX_CHANNELS = 256
Key = tuple[str, str]  # node, port


@dataclass(frozen=True)
class Source:
    """One cable as its inlet sees it."""

    node: str
    outlet: str
    amount: float
    mode: str
    delayed: bool


@dataclass
class Order:
    """`units` in running order: the nodes of each, and whether they form a loop that runs sample by sample."""

    units: list[tuple[list[str], bool]] = field(default_factory=list)
    cables: dict[Key, list[Source]] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)  # of each node
    outlets: dict[Key, int] = field(default_factory=dict)  # channels (or dims) of each outlet
    periods: dict[Key, Fraction] = field(default_factory=dict)  # samples a frame, of each latent outlet
    clocks: list[Fraction] = field(default_factory=list)  # the latent clocks there are


def arrange(patch: Patch, specs: Mapping[str, NodeSpec | None]) -> Order:
    """Order of a patch without sub-patches.  Raises PatchError where a loop has no delayed cable."""
    order = Order()
    cables: dict[Key, list[Source]] = defaultdict(list)
    for (src, outlet, dst, inlet), cable in sorted(patch.cables.items()):
        cables[dst, inlet].append(Source(src, outlet, cable.amount, cable.mode, cable.delayed))
    order.cables = dict(cables)
    _sort(patch, specs, order)
    _spread(patch, specs, order)
    return order


def _sort(patch: Patch, specs: Mapping[str, NodeSpec | None], order: Order) -> None:
    """Units in lexicographic topological order of the condensation; a work node cuts what runs through it."""
    graph = nx.DiGraph()
    graph.add_nodes_from(patch.nodes)
    for (dst, _), sources in order.cables.items():
        for s in sources:
            spec = specs[s.node]
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
            for port in [*specs[name].inlets, *specs[name].params]:  # type: ignore[union-attr]
                for s in order.cables.get((name, port), ()):
                    if s.node in inside and not s.delayed:
                        inner.add_edge(s.node, name)
        try:
            order.units.append((list(nx.lexicographical_topological_sort(inner)), True))
        except nx.NetworkXUnfeasible:
            raise PatchError(f"the loop through {', '.join(names[:4])} has no delayed cable") from None


def _spread(patch: Patch, specs: Mapping[str, NodeSpec | None], order: Order) -> None:
    """Channel counts and latent clocks: the least fixed point over the cables."""
    sequence = [name for names, _ in order.units for name in names]
    for _ in range(len(sequence) + 1):
        changed = False
        for name in sequence:
            changed |= _node(patch, name, specs[name], order)
        if not changed:
            break
    order.clocks = sorted(set(order.periods.values()))


def _node(patch: Patch, name: str, spec: NodeSpec | None, order: Order) -> bool:
    """Channels of one node and its outlets from what its cables bring; True where something grew."""
    if spec is None:
        return False

    def brought(port: str) -> int:
        return max((order.outlets.get((s.node, s.outlet), 1) for s in order.cables.get((name, port), ())), default=1)

    def setting(key: str) -> int | float | str:
        return patch.nodes[name].settings.get(key, spec.settings[key].default)

    inputs: dict[str, In | Param] = spec.inputs()
    latent = [(p.latent, n) for n, p in spec.inlets.items() if p.latent]
    free = [n for n, p in inputs.items() if isinstance(p, Param) or (p.channels is None and not p.latent)]
    width = max([brought(n) for n in free] + [1])
    period: dict[str, Fraction] = {}
    if latent and not free and all(p.latent for p in spec.outlets.values()):
        width = max(brought(n) for _, n in latent)
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
        count = _width(out, width, setting, brought)
        if out.latent:
            if out.space:
                count = int(setting(out.space[1]))
                ratio, rate = int(setting(out.space[2])), int(setting(out.space[3])) or patch.rate
                period[out.latent] = Fraction(ratio * patch.rate, rate)
                if period[out.latent] < 1:
                    raise PatchError(f"node {name}: {outlet} would have more than one frame a sample")
            else:
                count = max([brought(n) for letter, n in latent if letter == out.latent] or [1])
            if out.latent in period and order.periods.get(key) != period[out.latent]:
                order.periods[key] = period[out.latent]
                changed = True
        if order.outlets.get(key) != count:
            order.outlets[key] = count
            changed = True
    return changed


def _width(out: Out, width: int, setting: object, brought: object) -> int:
    if out.channels is None:
        return width
    if isinstance(out.channels, int):
        return out.channels
    if out.channels == "any":
        return brought("audio")  # type: ignore[operator,no-any-return]
    return int(setting(out.channels))  # type: ignore[operator]
