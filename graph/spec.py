"""What a node type declares: inlets, outlets, params, choices, settings and data, as plain values.

Nothing here computes sound. `nodes.base.Node` turns a class into a `NodeSpec`; the patch, the rules, the command
line, OSC and the editor read only the `NodeSpec`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

Curve = Literal["lin", "exp"]
Mode = Literal["knob", "units"]
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}\Z")
RESERVED = frozenset({"bypass", "knob", "node"})  # last words of OSC addresses


@dataclass(frozen=True)
class Fixed:
    """A latent space that belongs to a type: its name, dimensions, and a frame every `ratio` samples at `rate` Hz
    (0: the rack's).
    """

    name: str
    dims: int
    ratio: int
    rate: int = 0

    def period(self, rate: int) -> Fraction:
        """Samples from one frame to the next in a rack at `rate` Hz."""
        return Fraction(self.ratio * rate, self.rate or rate)


@dataclass(frozen=True)
class In:
    """A place for cables.

    `channels`: None follows the node (one channel spreads to all), a number is fixed, a Setting's name takes its
    value, "any" keeps what the cables bring without widening the node.  `rest` is read when nothing is connected.
    `latent` names the latent space; equal letters on one node are the same space, `fixed` where it takes only one.
    """

    doc: str = ""
    channels: int | str | None = None
    rest: float = 0.0
    latent: str | None = None
    fixed: Fixed | None = None


@dataclass(frozen=True)
class Out:
    """Where a cable starts.

    `channels` as in `In`.  A node that makes a latent names the Settings that fix its space in
    `space = (name, dims, ratio, rate)`, or its `fixed` space; a node that hands one on gives only the letter `latent`.
    """

    doc: str = ""
    channels: int | str | None = None
    latent: str | None = None
    space: tuple[str, str, str, str] | None = None
    fixed: Fixed | None = None


@dataclass(frozen=True)
class Param:
    """A knob: `default` and range in `unit`, the `curve` that maps knob position 0…1 to it, `smooth` in seconds.

    `cable` is the mode of a cable newly drawn into it: "knob" adds to the knob's position, "units" to the value itself,
    for params that take a signal as it is.
    """

    default: float
    low: float
    high: float
    unit: str = ""
    curve: Curve = "lin"
    smooth: float = 0.01
    doc: str = ""
    was: tuple[str, ...] = ()
    cable: Mode = "knob"

    def __post_init__(self) -> None:
        if not self.low < self.high or not self.low <= self.default <= self.high:
            raise ValueError(f"param range {self.low} … {self.high} with default {self.default} is not in order")
        if self.curve not in ("lin", "exp"):
            raise ValueError(f"unknown curve {self.curve!r}; there are lin and exp")
        if self.cable not in ("knob", "units"):
            raise ValueError(f"unknown mode of a cable {self.cable!r}; there are knob and units")
        if self.curve == "exp" and self.low <= 0:
            raise ValueError(f"an exp curve needs a low above 0, not {self.low}")

    def knob(self, value: float) -> float:
        """Position 0…1 of `value` (in unit) on the curve; clamped."""
        value = min(max(value, self.low), self.high)
        if self.curve == "exp":
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def at(self, knob: float) -> float:
        """Value in unit at knob position 0…1; clamped.  The inverse of `knob`."""
        knob = min(max(knob, 0.0), 1.0)
        if self.curve == "exp":
            value: float = self.low * (self.high / self.low) ** knob
        else:
            value = self.low + (self.high - self.low) * knob
        return min(max(value, self.low), self.high)


@dataclass(frozen=True)
class Choice:
    """A switch among named positions; taken at a block edge, never smoothed."""

    default: str
    options: tuple[str, ...]
    doc: str = ""
    was: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.default not in self.options:
            raise ValueError(f"default {self.default!r} is not among {', '.join(self.options)}")


@dataclass(frozen=True)
class Setting:
    """A number, choice or text whose change makes a new plan: channel count, longest delay, file.

    `kind` is "int", "float", "choice", "text" or "file" (a path relative to the patch, inside its folder).
    """

    default: int | float | str
    low: float = -math.inf
    high: float = math.inf
    unit: str = ""
    kind: Literal["int", "float", "choice", "text", "file"] = "int"
    options: tuple[str, ...] = ()
    doc: str = ""


@dataclass(frozen=True)
class Data:
    """A typed table that belongs to a node: steps, curve, codes.  Rows × `columns` numbers of float32.

    `columns` 0: as many as the table has, the same in every row, such as the dimensions of a latent.
    """

    default: tuple[tuple[float, ...], ...] = ((0.0,),)
    columns: int = 1
    limit: int = 1 << 20
    low: float = -math.inf
    high: float = math.inf
    unit: str = ""
    doc: str = ""


@dataclass(frozen=True)
class NodeSpec:
    """One node type.  The mappings keep the order of declaration.

    `shaped`, where there is one, gives the declaration of a node from its settings and the folder of its patch: a model's
    ports follow from its file.  It raises PatchError, a sentence, where they are not known here: the node is a placeholder.
    """

    id: str
    doc: str
    inlets: Mapping[str, In] = field(default_factory=dict)
    outlets: Mapping[str, Out] = field(default_factory=dict)
    params: Mapping[str, Param] = field(default_factory=dict)
    choices: Mapping[str, Choice] = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)
    data: Mapping[str, Data] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    hidden: bool = False  # the planner's own steps; not offered to people
    work: bool = False  # runs in a worker process behind rings: it cuts loops (no delayed cable)
    shaped: Callable[[Mapping[str, Any], Path | None], NodeSpec] | None = field(default=None, compare=False, repr=False)

    @property
    def title(self) -> str:
        """First sentence of the help text."""
        return self.doc.strip().split("\n\n")[0].replace("\n", " ").strip()

    def inputs(self) -> dict[str, In | Param]:
        """Everything a cable may end at: inlets, then params (every param is an inlet too)."""
        return {**self.inlets, **self.params}

    def renamed(self, port: str) -> str:
        """Today's name of a param or choice that was once called `port`."""
        items: dict[str, Param | Choice] = {**self.params, **self.choices}
        for name, item in items.items():
            if port in item.was:
                return name
        return port


class Registry(dict[str, NodeSpec]):
    """Node types by id.  `generation` counts the changes, so that what is derived from types can be kept until one."""

    generation = 0

    def __setitem__(self, id: str, spec: NodeSpec) -> None:
        self.generation += 1
        super().__setitem__(id, spec)

    def __delitem__(self, id: str) -> None:
        self.generation += 1
        super().__delitem__(id)

    def pop(self, id: str, *default: Any) -> Any:
        """As in dict."""
        self.generation += 1
        return super().pop(id, *default)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """As in dict."""
        self.generation += 1
        super().update(*args, **kwargs)

    def clear(self) -> None:
        """As in dict."""
        self.generation += 1
        super().clear()


registry = Registry()
"""Every known node type by id.  `nodes.catalog` fills it; a `Patch` looks types up here unless told otherwise."""


def describe(spec: NodeSpec) -> dict[str, Any]:
    """The declaration as plain data, for `--json`, OSCQuery and the cheat sheet."""
    return {
        "id": spec.id,
        "doc": spec.doc,
        "inlets": {n: vars(p) for n, p in spec.inlets.items()},
        "outlets": {n: vars(p) for n, p in spec.outlets.items()},
        "params": {n: vars(p) for n, p in spec.params.items()},
        "choices": {n: vars(p) for n, p in spec.choices.items()},
        "settings": {n: vars(p) for n, p in spec.settings.items()},
        "data": {n: vars(p) for n, p in spec.data.items()},
    }
