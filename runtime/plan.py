"""A patch becomes a plan: an ordered list of steps over memory that is already there.

A node becomes up to four kinds of steps: sums of the cables at an inlet, modulation of a knob by its cables,
coefficients (`prepare`), and the kernel.  Everything that does not move is done here once: constants share one buffer
by value, coefficients of still params are computed when the plan is made and again only while a param moves.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from graph import PatchError
from graph.disk import confined
from graph.spec import In, NodeSpec, Param
from graph.values import AMOUNT
from nodes import catalog
from nodes.base import Node
from nodes.units import unit as unit_of

from .hiring import readers, writer
from .lags import Lag, lags, waits
from .layout import SET_BYPASS, SET_CELL, SET_CHOICE, SET_PARAM
from .memory import Memory
from .order import Order, Rack, Source
from .rows import write
from .steps import Buffer, Draft, Plan, Port, Progress, Step, Target, bits, joined
from .swap import OUTPUTS
from .workers import Port as Worker

ALWAYS = 1 << 30
"""What `moving` counts from where an input is a signal."""
AMOUNTS = Param(0.0, -AMOUNT, AMOUNT, doc="amount of a cable")
GAINS = Param(0.0, 0.0, 1.0, doc="gain of an output node")
_serial = count(1)


class Builder(Draft):
    """Makes one plan; see `make_plan`."""

    def __init__(self, rack: Rack, order: Order, memory: Memory, workers: Mapping[Hashable, Worker],
                 tables: dict[Hashable, dict[str, Any]], channels: tuple[int, int] | None) -> None:  # fmt: skip
        self.rack, self.order, self.memory, self.workers, self.tables_of = rack, order, memory, workers, tables
        specs = {n: rack.spec(n) for n in rack.nodes}
        super().__init__(block=rack.block, rate=rack.rate, specs=specs, periods=order.clocks, ids=rack.ids)
        self.names = {d.uid: n for n, d in rack.nodes.items() if not n.endswith("~")}
        self.serial = next(_serial)
        self.clock = {period: k + 1 for k, period in enumerate(order.clocks)}
        self.ticks = [memory.take(("ticks", k, self.block), 4 * (self.block + 1)) for k in range(len(order.clocks) + 1)]
        self.constants: dict[tuple[float, int], Buffer] = {}
        self.inside: set[str] = set()  # nodes of the loop being built
        self.inner: list[Step] = []
        self.pre: list[Step] = []
        self.delayed = {(s.node, s.outlet) for ss in order.cables.values() for s in ss if s.delayed}
        inputs = [n for n, d in rack.nodes.items() if d.type == "io/input"]
        takes = max((int(self.setting(n, "channel")) - 1 + int(self.setting(n, "count")) for n in inputs), default=0)
        self.needs_in, (self.in_channels, self.out_channels) = takes, channels or (takes, 0)
        self.opened: list[Worker] = []
        self.lags: dict[str, Lag] = {}
        self.device = Buffer(memory.take("device input", 4 * self.block * max(self.in_channels, 1)), self.in_channels)

    # ------------------------------------------------------------------ values and buffers

    def setting(self, node: str, name: str) -> Any:
        return self.rack.setting(node, name)

    def key(self, node: str, *more: Hashable) -> Hashable:
        """What memory of a node is kept under."""
        return (self.ids.get(node, node), *more)

    def constant(self, value: float, channels: int) -> Buffer:
        """The shared buffer that holds one value everywhere."""
        key = (value, channels)
        if key not in self.constants:
            size = 4 * self.block * channels
            at = self.memory.take(("constant", struct.pack("<f", value), channels), size)
            self.memory.view(at, size, "float32")[:] = value
            self.constants[key] = Buffer(at, channels, roots=())
        return self.constants[key]

    def buffer(self, key: Any, channels: int, clock: int = 0, front: int = 0, roots: tuple[Port, ...] | None = None) -> Buffer:
        """A block of `channels`, with a frame in front where a delayed cable starts.

        What only controls move is computed when the plan is made, so it belongs to this plan alone.
        """
        head = -(-4 * channels * front // 64) * 64
        own = 0 if roots is None else self.serial
        at = self.memory.take(("buffer", key, clock, front, own), head + 4 * self.block * channels)
        return Buffer(at + head, channels, clock, front, roots)

    def source(self, s: Source) -> Buffer:
        """Where a cable reads: a delayed one a frame earlier than what its outlet writes."""
        if not s.node:
            return self.constant(float(s.outlet), 1)
        found = self.outlets.get((s.node, s.outlet))
        if found is None:
            return self.constant(0.0, 1)
        if not s.delayed:
            return found
        self.carries[found.at] = (found.at, found.channels, found.clock)
        return Buffer(found.at - 4 * found.channels, found.channels, found.clock)

    # ------------------------------------------------------------------ steps

    def place(self, step: Step, sources: Iterable[Source], roots: tuple[Port, ...] | None) -> None:
        """Where a step goes: nowhere that runs if only controls change it, else into the loop or before it."""
        if roots is not None:
            self.on_demand.append(step)
            for r in roots:
                self.targets[r].prepare.append(step)
        elif any(s.node in self.inside for s in sources):
            self.inner.append(step)
        else:
            self.pre.append(step)

    def plumb(
        self, kind: str, node: str, key: Any, channels: int, sources: list[Source], extra: Mapping[str, int] = {},
        clock: int = 0, **inlets: Buffer,
    ) -> tuple[Buffer, Step]:  # fmt: skip
        """A step of the planner's own."""
        roots = joined(inlets.values()) if not clock else None
        out = self.buffer(key, channels, clock, roots=roots)
        u = unit_of(catalog.classes[kind], "kernel", channels == 1)
        cells = {k: (b.at, b.channels) for k, b in {**inlets, "out": out}.items()}
        step = Step(node, u, channels, {**cells, **{k: (v,) for k, v in extra.items()}}, clock, outs=[out])
        self.place(step, sources, roots)
        return out, step

    def amount(self, node: str, port: str, s: Source) -> tuple[Port, Buffer]:
        """The amount of a cable: a target, so that it can be turned and faded while it plays."""
        key = (node, f"{port}<{s.node}.{s.outlet} {s.mode}{' delayed' * s.delayed}")
        start = s.amount if s.start is None else s.start
        if key not in self.targets:
            target = Target(
                SET_PARAM, AMOUNTS, start, uid=self.key(node, port, self.ids.get(s.node), s.outlet, s.mode, s.delayed)
            )
            target.own = self.memory.take(("param", target.uid), 4 * self.block)
            self.targets[key] = target
            if s.start is not None:
                self.ramps.append((key, s.amount))
        return key, replace(self.constant(start, 1), roots=(key,))

    def total(self, node: str, port: str, sources: list[Source], channels: int) -> Buffer:
        """The sum of cables, brought to `channels`; the outlet itself where that is the same."""
        if len(sources) == 1 and sources[0].amount == 1.0 and sources[0].start is None:
            found = self.source(sources[0])
            if found.channels == channels or found.clock:
                return found
        clock = max(self.source(s).clock for s in sources)
        if clock:
            channels = max(self.source(s).channels for s in sources)
        y = self.constant(0.0, channels)
        for k, s in enumerate(sources):
            b = self.source(s)
            if b.clock != clock and s.node:
                raise PatchError(f"node {node}: {port} takes cables of one clock; put a resampling node between")
            target, amount = self.amount(node, port, s)
            y, step = self.plumb(
                "rack/sum", node, self.key(node, port, "sum", k), channels, sources[: k + 1], clock=clock,
                before=y, audio=b, amount=amount,
            )  # fmt: skip
            self.targets[target].cells.append((step, "amount"))
        return y

    def param(self, node: str, name: str, p: Param, channels: int) -> Buffer:
        """The buffer a param is read from; makes its target."""
        sources = self.order.cables.get((node, name), [])
        value = float(self.rack.nodes[node].params.get(name, p.default))
        knobs = [s for s in sources if s.mode == "knob"]
        units = [s for s in sources if s.mode != "knob"]
        target = Target(SET_PARAM, p, value, knob=bool(knobs), channels=channels, uid=self.key(node, name))
        target.own = self.memory.take(("param", target.uid, bool(knobs)), 4 * self.block * channels)
        self.targets[node, name] = target
        b = replace(self.constant(p.knob(value) if knobs else value, channels), roots=((node, name),))
        if knobs:
            octaves = {"octaves": bits(math.log2(p.high / p.low))} if p.curve == "exp" else {}
            b = self.modulate(f"rack/knob-{p.curve}", node, name, target, b, knobs, knobs, octaves)
        if units:
            b = self.modulate("rack/units", node, name, target, b, units, sources, {})
        return b

    def modulate(
        self, kind: str, node: str, name: str, target: Target, base: Buffer, cables: list[Source], needs: list[Source],
        extra: Mapping[str, int],
    ) -> Buffer:  # fmt: skip
        """The step that moves a param by `cables`; it must come after all of `needs`."""
        assert target.spec is not None
        b = self.source(cables[0])
        if b.clock:
            raise PatchError(f"node {node}: a latent cannot go into the param {name}; take a component out first")
        if len(cables) > 1 or b.channels != target.channels:
            b, amount, turned = self.total(node, f"{name} {kind}", cables, target.channels), self.constant(1.0, 1), None
        else:
            turned, amount = self.amount(node, name, cables[0])
        out, step = self.plumb(
            kind, node, self.key(node, name, kind), target.channels, needs,
            {"low": bits(target.spec.low), "high": bits(target.spec.high), **extra},
            base=base, audio=b, amount=amount,
        )  # fmt: skip
        if turned:
            self.targets[turned].cells.append((step, "amount"))
        if not target.cells:
            target.cells.append((step, "base"))
        return out

    def node(self, name: str) -> None:
        """All steps of one node."""
        cls, spec = self.rack.classes[name], self.specs[name]
        if cls is None or spec is None:
            return  # a placeholder: its outlets are silent
        data = self.rack.nodes[name]
        channels = self.order.channels[name]
        inputs: dict[str, Buffer] = {}
        clock = 0
        for port, inlet in spec.inlets.items():
            b = self.inlet(name, port, inlet, channels)
            inputs[port] = b
            clock = max(clock, b.clock if inlet.latent else 0)
        for port, p in spec.params.items():
            inputs[port] = self.param(name, port, p, channels)
        if spec.work:
            writer(self, name, spec, channels, inputs)
            return
        cells: dict[str, tuple[int, ...]] = {port: (b.at, b.channels) for port, b in inputs.items()}
        self.tables(name, cls, spec, cells)
        for port, choice in spec.choices.items():
            index = choice.options.index(str(data.choices.get(port, choice.default)))
            cells[port] = (index,)
            self.targets[name, port] = Target(SET_CHOICE, value=index, uid=self.key(name, port))
        cells["seed"] = (data.seed,)
        self.targets[name, "bypass"] = Target(SET_BYPASS, value=float(data.bypass), uid=self.key(name, "bypass"))
        if cls.coefs:
            self.coefs(name, cls, channels, cells, inputs)
        u = unit_of(cls, "kernel", channels == 1)
        arguments = [a.name for a in u.args]
        pure = not cls.state and "ticks" not in arguments and data.type != "io/input" and not clock
        roots = joined(inputs[n] for n in inputs if n in arguments or n in spec.params) if pure else None
        if roots is not None:
            roots = (*roots, *((name, p) for p in [*spec.choices, "bypass"]))
        period = next((self.order.periods[name, o] for o in spec.outlets if (name, o) in self.order.periods), None)
        if period is None and clock:
            period = self.order.clocks[clock - 1]
        whole = clock > 0 and all(a.kind != "latent" for a in u.args)  # every port is latent: it runs on their clock
        outs = []
        for o in spec.outlets:
            b = self.outlet(name, o, inputs, roots)
            self.outlets[name, o] = b
            cells[o] = (b.at, b.channels)
            outs.append(b)
            if b.front:
                self.checks.append((b.at, b.channels, b.clock, 0))
        quiet = joined(inputs[n] for n in inputs if n in arguments)
        cells["moving"] = (ALWAYS if quiet is None else 0,)
        if "ticks" in arguments:
            cells["ticks"] = (self.ticks[self.clock[period] if period else 0],)
        for port, inlet in spec.inlets.items():
            own = inputs[port].clock
            if f"ticks_{port}" in arguments:
                cells[f"ticks_{port}"] = (self.ticks[own],)
            elif inlet.latent and own and self.order.clocks[own - 1] != period:
                raise PatchError(f"node {name}: {port} has another clock than the node; put a latent/resample between")
        through = inputs[passed] if (passed := passes(spec)) and (name, passed) in self.order.cables else None
        step = Step(
            name, u, outs[0].channels if whole else channels, cells, self.clock[period] if whole and period else 0, outs,
            self.states(name, cls, channels, cells), through, off=data.bypass,
        )  # fmt: skip
        if "moving" in arguments:
            for r in quiet or ():
                self.targets[r].moving.append(step)
        self.place(step, [s for n in inputs for s in self.order.cables.get((name, n), ())] if roots is None else (), roots)
        for port in [*spec.params, *spec.choices]:
            if port in arguments and not self.order.cables.get((name, port)):
                self.targets[name, port].cells.append((step, port))
        self.targets[name, "bypass"].cells.append((step, ""))
        if data.type in OUTPUTS:
            self.checks.append((outs[0].at, outs[0].channels, 0, 1))

    def inlet(self, name: str, port: str, inlet: In, channels: int) -> Buffer:
        """What an inlet reads."""
        sources = self.order.cables.get((name, port), [])
        if self.rack.nodes[name].type == "io/input" and port == "device":
            return self.device
        if inlet.latent and not sources:
            spec = self.specs[name]
            assert spec is not None
            same = [o for o, out in spec.outlets.items() if out.latent == inlet.latent]
            dims = inlet.fixed.dims if inlet.fixed else max((self.order.outlets[name, o] for o in same), default=1)
            return replace(self.constant(0.0, 256), channels=dims)
        want = channels
        if isinstance(inlet.channels, int):
            want = inlet.channels
        elif inlet.channels == "any":
            want = max([self.source(s).channels for s in sources] or [1])
        elif isinstance(inlet.channels, str):
            want = int(self.setting(name, inlet.channels))
        return self.total(name, port, sources, want) if sources else self.constant(inlet.rest, want)

    def outlet(self, name: str, port: str, inputs: Mapping[str, Buffer], roots: tuple[Port, ...] | None) -> Buffer:
        """Where an outlet writes."""
        spec = self.specs[name]
        assert spec is not None
        count = self.order.outlets[name, port]
        if self.rack.nodes[name].type == "io/output":
            count = 2 if self.setting(name, "to") == "stereo" else self.order.brought(name, "audio")
        period = self.order.periods.get((name, port))
        clock = self.clock[period] if spec.outlets[port].latent and period else 0
        return self.buffer(self.key(name, port), count, clock, 1 if (name, port) in self.delayed else 0, roots)

    def coefs(
        self, name: str, cls: type[Node], channels: int, cells: dict[str, tuple[int, ...]], inputs: dict[str, Buffer]
    ) -> None:
        """The coefficients of a node: made once where only controls move them, else a step."""
        u = unit_of(cls, "prepare", channels == 1)
        used = [a.name for a in u.args]
        roots = joined(inputs[n] for n in inputs if n in used)
        if roots is not None:
            roots = (*roots, *((name, c) for c in cls.spec.choices if c in used))
        for c in cls.coefs:
            b = self.buffer(self.key(name, c, "coef"), channels, roots=roots)
            inputs[c] = b
            cells[c] = (b.at, channels)
        step = Step(name, u, channels, dict(cells))
        self.place(step, [s for n in used for s in self.order.cables.get((name, n), ())], roots)
        for port in [*cls.spec.params, *cls.spec.choices]:
            if port in used and not self.order.cables.get((name, port)):
                self.targets[name, port].cells.append((step, port))

    def tables(self, name: str, cls: type[Node], spec: NodeSpec, cells: dict[str, tuple[int, ...]]) -> None:
        """Settings, data and the line sizes of a node as row cells."""
        settings = {n: self.setting(name, n) for n in spec.settings}
        waiting = [n for n in cls.waits if settings[n] < 0]
        if waiting:
            settings |= zip(waiting, waits(self.rack, self.order, self.lags, name, [cls.waits[n] for n in waiting]))
        for n, s in spec.settings.items():
            v = settings[n]
            if s.kind == "float":
                cells[n] = (bits(float(v)),)
            elif s.kind == "choice":
                cells[n] = (s.options.index(v),)
            elif s.kind == "int":
                cells[n] = (int(v),)
            elif s.kind == "file" and v:
                try:
                    confined(self.rack.folder or Path.cwd(), str(v))
                except PatchError as error:
                    raise PatchError(f"node {name}: {n}: {error}") from None
        given: dict[str, Any] = {n: self.rack.nodes[name].data.get(n, d.default) for n, d in spec.data.items()}
        if hasattr(cls, "load"):
            try:
                if self.ids[name] not in self.tables_of:
                    self.tables_of[self.ids[name]] = cls.load(settings, self.rate, self.rack.folder)
                given.update(self.tables_of[self.ids[name]])
            except (OSError, ValueError, RuntimeError) as error:
                raise PatchError(f"node {name}: {error}") from None
        for n, d in spec.data.items():
            table = np.ascontiguousarray(given[n], np.float32)
            table = table.reshape(-1, d.columns) if table.ndim == 1 else table
            self.keep.append(table)
            cells[n] = (table.ctypes.data, *table.shape)

    def states(
        self, name: str, cls: type[Node], channels: int, cells: dict[str, tuple[int, ...]]
    ) -> list[tuple[int, int, int]]:
        """Memory of a node's state: address, count and bytes of a float (0: integers) of each kind of cell."""
        out = []
        for n, c in cls.state.items():
            rows: int = 1
            if isinstance(c.size, str):
                value = self.setting(name, c.size)
                unit = cls.spec.settings[c.size].unit
                rows = math.ceil(value * self.rate) + 4 if unit == "s" else int(value)
                if unit == "frames":  # of a latent: a row for each number of each frame
                    rows *= max(self.order.outlets[name, o] for o, out in cls.spec.outlets.items() if out.latent)
            elif c.size is not None:
                rows = c.size
            width = np.dtype(c.dtype).itemsize
            at = self.memory.take(self.key(name, n, "state"), rows * channels * width)
            cells[n] = (at, rows) if isinstance(c.size, str) else (at,)
            if cls.live and n in cls.live:
                self.targets[name, n] = Target(SET_CELL, own=at, channels=rows * channels, uid=self.key(name, n))
            out.append((at, rows * channels, width if c.dtype.startswith("f") else 0))
        return out

    # ------------------------------------------------------------------ all of it

    def build(self, progress: Progress | None) -> Plan:
        readers(self)
        self.lags = lags(self.rack, self.order, self.ports) if self.ports else {}  # nothing is late without work
        for names, loop in self.order.units:
            if loop:
                self.flush()
                for n in names:  # buffers first: a delayed cable reads what comes later
                    self.promise(n)
                self.inside = set(names)
            for n in names:
                self.node(n)
            if loop:
                self.flush()
                self.units.append((self.inner, 0, True))
                self.inner, self.inside = [], set()
        self.master()
        self.flush()
        plan = write(self, self.memory, progress)
        plan.lags = self.lags
        return plan

    def promise(self, name: str) -> None:
        """Makes the outlets of a loop's node known before the node is built."""
        spec = self.specs[name]
        for o in spec.outlets if spec else ():
            self.outlets[name, o] = self.outlet(name, o, {}, None)

    def flush(self) -> None:
        """Closes the run of block steps, one segment a clock change."""
        for step in self.pre:
            if self.units and not self.units[-1][2] and self.units[-1][1] == step.clock:
                self.units[-1][0].append(step)
            else:
                self.units.append(([step], step.clock, False))
        self.pre = []

    def master(self) -> None:
        """Sums the output nodes and limits what is heard."""
        outputs = sorted(n for n, d in self.rack.nodes.items() if d.type in OUTPUTS)
        firsts = {n: int(self.setting(n, "first")) - 1 for n in outputs}
        needs = max([firsts[n] + self.outlets[n, "bus"].channels for n in outputs] + [2])
        self.needs = needs
        self.out_channels = self.out_channels or needs
        bus, out = self.buffer("master bus", self.out_channels), self.buffer("master", self.out_channels)
        for n in outputs:
            if self.rack.nodes[n].type == "io/output":
                self.add(n, firsts[n], bus)
        cls = catalog.classes["rack/master"]
        cells = {"audio": (bus.at, bus.channels), "limiter": (int(self.rack.limiter),), "out": (out.at, out.channels),
                 "bus": (bus.at, bus.channels)}  # fmt: skip
        states = self.states("(master)", cls, 1, cells)
        self.pre.append(Step("(master)", unit_of(cls, "kernel", True), 1, cells, outs=[out], states=states))
        for n in outputs:  # control voltage is never limited: what it drives counts on its volts
            if self.rack.nodes[n].type != "io/output":
                self.add(n, firsts[n], out)
        self.outlets["(master)", "out"] = out

    def add(self, name: str, first: int, bus: Buffer) -> None:
        """Adds an output node to `bus`; one that comes or goes is faded."""
        b, gain = self.outlets[name, "bus"], self.constant(1.0, 1)
        cells = {"audio": (b.at, b.channels), "first": (first,), "out": (bus.at, bus.channels), "gain": (gain.at, 1)}
        step = Step(name, unit_of(catalog.classes["rack/bus"], "kernel", True), 1, cells, outs=[bus])
        if name in self.rack.fades:
            start, goal = self.rack.fades[name]
            target = self.targets[name, "gain of the output"] = Target(SET_PARAM, GAINS, start, uid=self.key(name, "gain"))
            target.own = self.memory.take(("param", target.uid), 4 * self.block)
            target.cells.append((step, "gain"))
            at = self.constant(start, 1).at
            step.cells["gain"] = (at, 1)
            self.ramps.append(((name, "gain of the output"), goal))
        self.pre.append(step)


def passes(spec: NodeSpec) -> str:
    """The inlet that a bypass passes on: the first.  What makes sound or control of its own falls silent instead."""
    first = next(iter(spec.inlets), "")
    makes = spec.id.startswith(("source/", "mod/")) and first != "signal"
    out = next(iter(spec.outlets.values()), None)
    same = out is not None and first and spec.inlets[first].latent == out.latent  # the same space, or both signals
    return "" if makes or not same else first


def make_plan(
    rack: Rack, order: Order, memory: Memory, progress: Progress | None = None,
    workers: Mapping[Hashable, Worker] = {}, tables: dict[Hashable, dict[str, Any]] | None = None,
    channels: tuple[int, int] | None = None,
) -> Plan:  # fmt: skip
    """The plan of a rack.  `progress(done, all, name)` is told of kernels to compile.

    `workers` are those that run already and `tables` what nodes have loaded, by instance; `channels` those of the device
    input and of the master, None for what the patch needs.
    Raises PatchError where the patch cannot run, compile.CompileError where a kernel cannot become machine code.
    """
    memory.open()
    builder = Builder(rack, order, memory, workers, {} if tables is None else tables, channels)
    try:
        return builder.build(progress)
    except BaseException:
        for port in builder.opened:
            port.close()  # its rings are a file
        memory.release(memory.seal())
        raise
