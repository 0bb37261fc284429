"""How late each node is: what zrack adds on the way to it (exact), and what the models on the way lag by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

import networkx as nx

from .order import Order, Rack


@dataclass(frozen=True)
class Lag:
    """Samples from the start of the longest way to a node's outlets: `transport` is ours, `delay` the models' own, which is
    only a part of it where not all are `known`.
    """

    transport: Fraction = Fraction(0)
    delay: float = 0.0
    known: bool = True

    @property
    def total(self) -> float:
        """Both together."""
        return float(self.transport) + self.delay


class Late(Protocol):
    """What is asked of a work node's port."""

    @property
    def transport(self) -> Fraction: ...

    @property
    def delay(self) -> float | None: ...


def lags(rack: Rack, order: Order, ports: Mapping[str, Late]) -> dict[str, Lag]:
    """The lag of every node.  What goes round in a loop does not count: the way through it once does."""
    graph = _ways(rack, order)
    found: dict[str, Lag] = {}
    for name in nx.topological_sort(graph):
        before = [found[n] for n in graph.predecessors(name)]
        lag = max(before, key=lambda x: x.total, default=Lag())
        lag = replace(lag, known=all(x.known for x in before))
        port = ports.get(name)
        if port is not None:
            own = port.delay
            lag = Lag(lag.transport + port.transport, lag.delay + (own or 0.0), lag.known and own is not None)
        found[name] = lag
    return found


def waits(rack: Rack, order: Order, found: Mapping[str, Lag], name: str, inlets: list[str]) -> list[int]:
    """Samples that each inlet of a node has to wait for the latest of them; 0 for one in a loop, or without a cable."""
    graph = nx.DiGraph()
    graph.add_nodes_from(rack.nodes)
    graph.add_edges_from((s.node, dst) for (dst, _), sources in order.cables.items() for s in sources if s.node)
    after = nx.descendants(graph, name)
    lags_in: list[float | None] = []
    for inlet in inlets:
        sources = [s.node for s in order.cables.get((name, inlet), ()) if s.node]
        looped = not sources or any(s in after for s in sources)
        lags_in.append(None if looped else max(found.get(s, Lag()).total for s in sources))
    latest = max((x for x in lags_in if x is not None), default=0.0)
    return [0 if x is None else round(latest - x) for x in lags_in]


def _ways(rack: Rack, order: Order) -> nx.DiGraph:
    """The cables as a graph without those that lead back: in a loop, the ones that come to an inlet where something from
    outside comes too, and if there are none, those that a walk in order of name finds.
    """
    graph = nx.DiGraph()
    graph.add_nodes_from(sorted(rack.nodes))
    inlets = [(dst, {s.node for s in sources if s.node}) for (dst, _), sources in sorted(order.cables.items())]
    graph.add_edges_from((s, dst) for dst, sources in inlets for s in sorted(sources))
    for part in [p for p in nx.strongly_connected_components(graph) if len(p) > 1]:
        for dst, sources in inlets:
            if dst in part and sources - part:
                graph.remove_edges_from((s, dst) for s in sources & part)
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    while not nx.is_directed_acyclic_graph(graph):
        graph.remove_edge(*nx.find_cycle(graph)[-1])
    return graph
