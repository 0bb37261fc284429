"""What a plan is made of: buffers, steps, targets of controls, and the plan itself."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from graph.spec import NodeSpec, Param
from nodes import compile as compiler
from nodes.units import HEAD, Unit

from .lags import Lag
from .layout import R_OUTS, S_FUSED, S_FUSED_ROW
from .library import addresses
from .memory import Block

Progress = Callable[[int, int, str], None]
Port = tuple[str, str]  # node, port
Loop = tuple[int, list[Unit], np.ndarray, list[tuple[int, int, int, int]]]  # segment, kernels, row, see `compile.fuse`


@dataclass(frozen=True)
class Buffer:
    """Where an outlet or inlet lies: address of its first frame, channels, clock (0 is audio), frames in front.

    `roots` are the targets that can change it where nothing else does (none: a constant); None where it is a signal.
    """

    at: int
    channels: int
    clock: int = 0
    front: int = 0
    roots: tuple[Port, ...] | None = None


@dataclass
class Step:
    """One call of a compiled function in the plan."""

    node: str
    unit: Unit | None
    channels: int
    cells: dict[str, tuple[int, ...]]  # row cells of each argument
    clock: int = 0
    outs: list[Buffer] = field(default_factory=list)
    states: list[tuple[int, int, int]] = field(default_factory=list)  # address, count, bytes of a float
    through: Buffer | None = None  # what a bypass passes on
    function: str = ""  # of the engine, for steps that are no unit
    raw: tuple[int, ...] = ()  # and their cells
    off: bool = False  # bypassed from the start
    offset: int = 0  # of its row, in cells


@dataclass
class Target:
    """Something a control can move: a param, a choice or the bypass of a node."""

    kind: int
    spec: Param | None = None
    value: float = 0.0
    own: int = 0
    channels: int = 1
    knob: bool = False  # its buffer holds knob position, because cables move it
    cells: list[tuple[Step, str]] = field(default_factory=list)
    prepare: list[Step] = field(default_factory=list)
    address: int = 0  # of a cell that is in no row
    moving: list[Step] = field(default_factory=list)  # steps that are told when it moves
    uid: Hashable = None  # what it is called across plans


@dataclass
class Draft:
    """What a plan is written from (`runtime.rows`): steps in running order, and everything they refer to."""

    block: int
    rate: int
    specs: dict[str, NodeSpec | None]
    periods: list[Fraction]  # of the latent clocks
    ticks: list[int] = field(default_factory=list)  # address of the ticks of each clock; 0 is audio
    units: list[tuple[list[Step], int, bool]] = field(default_factory=list)  # steps, clock, whether they form a loop
    on_demand: list[Step] = field(default_factory=list)  # steps that nothing but a control moves
    targets: dict[Port, Target] = field(default_factory=dict)
    outlets: dict[Port, Buffer] = field(default_factory=dict)
    ports: dict[str, Any] = field(default_factory=dict)  # of the work nodes
    checks: list[tuple[int, int, int, int]] = field(default_factory=list)
    carries: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    keep: list[Any] = field(default_factory=list)  # arrays that must live as long as the plan
    ids: dict[str, Hashable] = field(default_factory=dict)  # instance of each node
    names: dict[Hashable, str] = field(default_factory=dict)
    ramps: list[tuple[Port, float]] = field(default_factory=list)  # what a transition moves, and where to
    in_channels: int = 0
    out_channels: int = 2
    needs: int = 2  # channels of the master that the outputs ask for
    needs_in: int = 0  # channels of the device that the inputs ask for


@dataclass
class Plan:
    """Arrays that the engine reads, and what keeps them alive."""

    address: int
    header: np.ndarray
    steps: list[Step]
    targets: dict[tuple[str, str], int]  # number of each
    rows: np.ndarray  # their cells, in this order
    uids: dict[int, Hashable]  # what the numbers are called across plans
    ramps: list[tuple[Port, float]]
    ids: dict[str, Hashable]
    names: dict[Hashable, str]  # of the nodes that go on, by their instance in the patch
    rows_at: int  # address of the steps' rows
    used: list[Block]  # of the arena
    needs: tuple[int, int]  # channels of the device input and of the master that the patch asks for
    ports: dict[str, Any]
    out_channels: int
    in_channels: int
    outlets: dict[tuple[str, str], Buffer]
    segments: np.ndarray
    loops: list[Loop]
    keep: list[Any]
    rate: int
    records: dict[int, Step]  # by address, as faults name them
    record_cells: np.ndarray
    specs: dict[str, NodeSpec | None]
    clocks: np.ndarray
    lags: dict[str, Lag] = field(default_factory=dict)  # how late each node is; none where no work node plays

    def record(self, address: int) -> np.ndarray:
        """The cells of a step's record."""
        return self.record_cells[(address - self.record_cells.ctypes.data) // 8 :][:R_OUTS]

    def fuse(self) -> int:
        """Compiles (or loads) the fused kernel of every loop and puts it in place; gives how many.

        A loop of which a node was bypassed meanwhile goes on as it is: the fused kernel knows no bypass.
        """
        for q, kernels, row, equal in self.loops:
            name, obj = compiler.fuse(kernels, range(len(kernels)), equal)
            self.segments[q, S_FUSED_ROW] = row.ctypes.data
            fused, aside = compiler.link(name, obj), (addresses()["bypass"], addresses()["fade"])
            if not any(ctypes.c_int64.from_address(at).value in aside for at in row[HEAD:].tolist()):
                self.segments[q, S_FUSED] = fused
        return len(self.loops)


def joined(buffers: Iterable[Buffer]) -> tuple[Port, ...] | None:
    """The roots of what depends on `buffers`: None as soon as one of them is a signal."""
    found: dict[Port, None] = {}
    for b in buffers:
        if b.roots is None:
            return None
        found.update(dict.fromkeys(b.roots))
    return tuple(found)


def bits(value: float) -> int:
    """A float64 as the int64 with the same bits."""
    return int(struct.unpack("<q", struct.pack("<d", value))[0])
