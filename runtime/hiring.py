"""The part of a plan that is about work nodes: rings for those that do not run yet, and the steps at both ends of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from graph import PatchError
from graph.spec import In, NodeSpec, Param
from nodes.base import Node

from .layout import SET_CELL, SET_CHOICE, SET_PARAM, W_DRY, W_FROM, W_TELL, W_UID
from .steps import Buffer, Step, Target
from .workers import Port

if TYPE_CHECKING:
    from .plan import Builder

FROM, TOLD = "~from", "~told"
"""Targets that tell a work node with which hop to begin, and in a replay when its work was there; no ports have such names."""


def readers(plan: Builder) -> None:
    """A step for each work node that reads what it made; they come first, since they depend on nothing."""
    for name in sorted(plan.rack.nodes):
        cls, spec = plan.rack.classes[name], plan.specs[name]
        if cls is None or spec is None or not hasattr(cls, "work"):
            continue
        outs = [plan.outlet(name, o, {}, None) for o in spec.outlets]
        data = plan.rack.nodes[name]
        port = plan.workers.get(plan.ids[name]) or hire(plan, name, cls, outs)
        port.name = name
        plan.ports[name] = port
        for what, cell, value in (("bypass", W_DRY, int(data.bypass)), (FROM, W_FROM, int(port.rings.cells[W_FROM]))):
            uid = plan.key(name, what)
            plan.targets[name, what] = Target(SET_CHOICE, value=value, address=port.address + 8 * cell, uid=uid)
        port.rings.cells[W_UID] = plan.memory.number(plan.key(name, "bypass"))
        port.rings.cells[W_TELL] = plan.memory.number(plan.key(name, TOLD))
        signals = [x for out in outs if not out.clock for x in (out.at, out.channels)]
        latents = [x for out in outs if out.clock for x in (out.at, out.channels)]
        cols = sum(signals[1::2])
        fade = plan.memory.take(plan.key(name, "fade"), 8 * cols + 4 * plan.block + 4 * sum(latents[1::2]))
        plan.targets[name, TOLD] = Target(SET_CELL, own=fade + 8 * cols, channels=plan.block, uid=plan.key(name, TOLD))
        raw = (port.address, len(signals) // 2, *signals, len(latents) // 2, *latents, fade)
        plan.outlets.update({(name, o): out for o, out in zip(spec.outlets, outs, strict=True)})
        plan.pre.append(Step(name, None, 1, {}, outs=outs, function="work_read", raw=raw))


def hire(plan: Builder, name: str, cls: type[Node], outs: list[Buffer]) -> Port:
    """The rings of a work node that does not run yet.  Raises PatchError."""
    spec, data = cls.spec, plan.rack.nodes[name]
    settings = {n: plan.setting(name, n) for n in spec.settings}
    tables = {n: data.data.get(n, d.default) for n, d in spec.data.items()}
    inputs = [(n, _width(plan, name, p), bool(p.latent)) for n, p in spec.inlets.items()]
    inputs += [(n, plan.order.channels[name], False) for n in spec.params]
    inputs += [(n, 1, False) for n in spec.choices]
    taken = [p.fixed.period(plan.rate) for p in spec.inlets.values() if p.fixed]
    made = [plan.order.periods[name, o] for o, out in spec.outlets.items() if out.latent]
    if len({*taken}) > 1 or len({*made}) > 1:
        raise PatchError(f"node {name}: its latents have more than one clock")
    port = Port.open(
        data.type, name, settings, tables, data.seed, plan.rate, plan.block, inputs,
        [(o, out.channels, bool(out.clock)) for o, out in zip(spec.outlets, outs, strict=True)], plan.rack.folder,
        (taken[0] if taken else None, made[0] if made else None), cls,
    )  # fmt: skip
    port.rings.cells[W_DRY] = int(data.bypass)
    plan.opened.append(port)
    return port


def _width(plan: Builder, name: str, inlet: In) -> int:
    """Channels (or dims) of a work node's inlet."""
    if inlet.fixed:
        return inlet.fixed.dims
    if isinstance(inlet.channels, int):
        return inlet.channels
    return int(plan.setting(name, inlet.channels)) if inlet.channels else plan.order.channels[name]


def writer(plan: Builder, name: str, spec: NodeSpec, channels: int, inputs: Mapping[str, Buffer]) -> None:
    """The step that hands a work node its inlets, params and choices.  Raises PatchError for a latent of another space."""
    lines = {**inputs}
    for n, choice in spec.choices.items():
        index = choice.options.index(str(plan.rack.nodes[name].choices.get(n, choice.default)))
        target = Target(SET_PARAM, Param(0.0, 0.0, max(len(choice.options) - 1, 1)), index, uid=plan.key(name, n))
        target.own = plan.memory.take(("param", target.uid), 4 * plan.block)
        plan.targets[name, n] = target
        lines[n] = replace(plan.constant(float(index), 1), roots=((name, n),))
    flat: list[int] = []
    for n, line in lines.items():
        inlet = spec.inlets.get(n)
        if inlet and inlet.fixed and line.clock:
            here = line.channels, plan.order.clocks[line.clock - 1]
            if here != (inlet.fixed.dims, inlet.fixed.period(plan.rate)):
                raise PatchError(f"node {name}: {n} takes {inlet.fixed.dims} dims of the space {inlet.fixed.name}")
        flat += [line.at, line.channels, int(bool(inlet and inlet.latent))]
    plan.checks += [(line.at, line.channels, line.clock, 0) for line in inputs.values() if line.roots is None]
    step = Step(name, None, channels, {}, function="work_write", raw=(plan.ports[name].address, len(lines), *flat))
    plan.pre.append(step)
    for k, n in enumerate(lines):
        if n not in spec.inlets and not plan.targets[name, n].cells:
            plan.targets[name, n].cells.append((step, f"#{2 + 3 * k}"))
