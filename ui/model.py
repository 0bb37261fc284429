"""Where everything lies: boxes of nodes, ports, knobs, cables, and what is under the pointer.  Geometry without a window.

All coordinates are world units (those of `NodeData.at`), absolute; a node is about 160 wide.  `rev` numbers tell the
drawing what changed: a box or wire whose `rev` is as it was looks as it did (a box may only have moved).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from graph.patch import Key, NodeData, Patch
from graph.spec import Choice, NodeSpec, Param

Kind = Literal["signal", "latent"]
Look = Literal["node", "patch", "inlet", "outlet", "view", "note", "placeholder"]

WIDTH, TITLE, ROW, KNOB_ROW, FOOT = 160.0, 24.0, 18.0, 22.0, 4.0
KNOB_R, KNOB_X = 8.0, 20.0  # radius, and distance from the left edge
PORT_R = 5.0
SHOWN = 8  # params beyond these fold, unless connected
CELL = 256.0


@dataclass(slots=True)
class Port:
    """Where a cable starts ("out", at the right edge) or ends ("in", at the left edge; params are inlets too)."""

    node: str
    name: str
    side: Literal["in", "out"]
    kind: Kind
    is_param: bool
    x: float
    y: float
    space: str = ""  # latent space, where it is known
    cables: int = 0  # how many end or start here
    doc: str = ""
    type: Literal["port"] = "port"


@dataclass(slots=True)
class Knob:
    """A param's knob, centre (x, y): base `value` in the param's unit and its `position` 0…1; what drives it."""

    node: str
    param: str
    x: float
    y: float
    value: float
    position: float
    item: Param
    modulation: tuple[tuple[Key, float], ...] = ()  # cables that end at it, with their amounts
    type: Literal["knob"] = "knob"


@dataclass(slots=True)
class Switch:
    """The row of a choice, which shows the option that is on."""

    node: str
    choice: str
    x: float
    y: float
    w: float
    h: float
    option: str
    item: Choice
    type: Literal["switch"] = "switch"


@dataclass(slots=True)
class Fold:
    """The row "… 5 more" (or "less"): a click shows or folds the other params (`Layout.toggle`)."""

    node: str
    x: float
    y: float
    w: float
    h: float
    hidden: int  # 0: all are shown
    type: Literal["fold"] = "fold"


@dataclass(slots=True)
class Box:
    """A node as it is drawn: upper left corner, size, and its rows.

    `colour` is a key for the theme: the first word of the node type ("source", "filter", …), "patch" for sub-patches.
    `picture` is the area (left, top, right, bottom) where a view or note is drawn.
    """

    name: str
    x: float
    y: float
    w: float
    h: float
    title: str
    colour: str
    look: Look
    data: NodeData
    spec: NodeSpec | None
    ports: list[Port] = field(default_factory=list)
    knobs: list[Knob] = field(default_factory=list)
    switches: list[Switch] = field(default_factory=list)
    fold: Fold | None = None
    picture: tuple[float, float, float, float] | None = None
    bypass: bool = False
    placeholder: bool = False
    rev: int = 0
    order: int = 0  # later ones lie on top
    type: Literal["box"] = "box"

    def port(self, side: str, name: str) -> Port | None:
        """The port of that name, None where there is none (or where it is folded away)."""
        raise NotImplementedError


@dataclass(slots=True)
class Wire:
    """A cable: `curve` is the four control points of a cubic Bézier, `points` the curve sampled."""

    key: Key
    curve: tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
    points: list[tuple[float, float]]
    box: tuple[float, float, float, float]
    delayed: bool
    kind: Kind
    space: str
    amount: float
    mode: str
    rev: int = 0
    type: Literal["wire"] = "wire"


Hit = Port | Knob | Switch | Fold | Box | Wire


class Layout:
    """The geometry of one patch.  Call `update` after every change of the patch (with the editor's lock held)."""

    def __init__(self, patch: Patch | None = None, scale: float = 1.0) -> None:
        self.boxes: dict[str, Box] = {}
        self.wires: dict[Key, Wire] = {}
        self.rev = 0
        """Counts changes of any kind."""

    # following the patch

    def update(self, patch: Patch, over: Mapping[tuple[str, str], Any] | None = None) -> set[str]:
        """Follows the patch; gives the names of the boxes that changed, came or went.

        `over` are values (node, param or choice) that hold instead of the patch's: knobs that are being turned, values
        of the use that is looked into (`Editor.over`).
        """
        raise NotImplementedError

    def shift(self, names: Iterable[str], dx: float, dy: float) -> None:
        """Shows boxes displaced from where the patch has them, while they are dragged; `update` with an edit to their
        place, or `shift(names, 0, 0)`, ends it.
        """
        raise NotImplementedError

    def place(self, name: str) -> tuple[float, float]:
        """Where the box is without `shift`: what an edit has to count from."""
        raise NotImplementedError

    def toggle(self, name: str) -> None:
        """Shows all params of a node, or folds them again."""
        raise NotImplementedError

    def raise_(self, name: str) -> None:
        """Puts a box on top."""
        raise NotImplementedError

    # asking

    def hit(self, x: float, y: float, zoom: float = 1.0, level: int = 2) -> Hit | None:
        """What is at a world position: port, knob (switch, fold), node, cable; the topmost first.

        `zoom` makes tolerances pixels; knobs, switches and folds are hit from detail `level` 1 on.
        """
        raise NotImplementedError

    def port_near(self, x: float, y: float, distance: float) -> Port | None:
        """The nearest port within a distance: where a cable that is drawn snaps to."""
        raise NotImplementedError

    def within(self, rect: tuple[float, float, float, float]) -> tuple[list[Box], list[Wire]]:
        """Boxes (lowest first) and wires that meet a rectangle (left, top, right, bottom)."""
        raise NotImplementedError

    def inside(self, rect: tuple[float, float, float, float]) -> set[str]:
        """Names of the boxes that lie in a rectangle at least half: a rubber band's selection."""
        raise NotImplementedError

    def free(self, x: float, y: float, w: float = WIDTH, h: float = 100.0) -> tuple[float, float]:
        """A place at or below (x, y) where a box of this size covers none."""
        raise NotImplementedError


def curve(a: tuple[float, float], b: tuple[float, float], loop: bool = False) -> tuple[
    tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]
]:
    """The control points of a cable from an outlet at `a` to an inlet at `b`; also of one that is being drawn."""
    raise NotImplementedError


def size(spec: NodeSpec | None) -> tuple[float, float]:
    """Width and height of a fresh node of a type."""
    raise NotImplementedError
