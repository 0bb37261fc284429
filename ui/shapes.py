"""What the canvas consists of: ports, knobs, switches, boxes and wires with their places, and the curve of a cable.

All coordinates are world units (those of `NodeData.at`), absolute; a node is about 160 wide.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from graph.patch import Key, NodeData
from graph.spec import Choice, NodeSpec, Param

Kind = Literal["signal", "latent"]
Look = Literal["node", "patch", "inlet", "outlet", "view", "note", "placeholder"]
Point = tuple[float, float]
Rect = tuple[float, float, float, float]
"""Left, top, right, bottom."""
Bezier = tuple[Point, Point, Point, Point]

WIDTH, WIDEST, TITLE, ROW, KNOB_ROW, FOOT = 160.0, 220.0, 24.0, 18.0, 22.0, 4.0
KNOB_R, KNOB_X = 8.0, 20.0  # radius, and distance from the left edge
PORT_R = 5.0
BADGE, BADGE_R = 7.0, 7.0  # how far the mark of a fault is from the right edge of a title, and its radius
BACK = 12.0  # how far an inlet lies to the left of an outlet where a cable goes around


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


@dataclass(slots=True, eq=False)
class Box:
    """A node as it is drawn: upper left corner, size, and its rows.

    `colour` is a key for the theme: the first word of the node type ("source", "filter", …), "patch" for sub-patches,
    "inlet" and "outlet" for their ports.  `picture` is the area (left, top, right, bottom) where a view or note is drawn.
    A box whose `rev` is as it was looks as it did; it may only have moved.
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
    picture: Rect | None = None
    bypass: bool = False
    placeholder: bool = False
    lacks: str = ""  # why it is a placeholder, where that is known
    lines: tuple[str, ...] = ()  # what is known of it meanwhile, in rows from `written` on, which counts from the corner
    written: float = 0.0
    rev: int = 0
    order: int = 0  # later ones lie on top
    type: Literal["box"] = "box"

    def port(self, side: str, name: str) -> Port | None:
        """The port of that name; None where there is none, or where it is folded away."""
        return next((p for p in self.ports if p.name == name and p.side == side), None)

    def move(self, x: float, y: float) -> None:
        """Puts the box and all that is in it elsewhere."""
        dx, dy = x - self.x, y - self.y
        self.x, self.y = x, y
        parts: list[Port | Knob | Switch | Fold] = [*self.ports, *self.knobs, *self.switches]
        parts += [self.fold] if self.fold else []
        for item in parts:
            item.x += dx
            item.y += dy
        if self.picture:
            a, b, c, d = self.picture
            self.picture = a + dx, b + dy, c + dx, d + dy


@dataclass(slots=True, eq=False)
class Wire:
    """A cable: `curve` is the four control points of a cubic Bézier, `points` the curve sampled, `box` what it covers.

    One that leads back to the left has no `curve`: it goes around the nodes, along `points`.
    """

    key: Key
    curve: Bezier | None
    points: list[Point]
    box: Rect
    delayed: bool
    kind: Kind
    space: str
    amount: float
    mode: str
    rev: int = 0
    type: Literal["wire"] = "wire"


Hit = Port | Knob | Switch | Fold | Box | Wire


def curve(a: Point, b: Point) -> Bezier:
    """The control points of a cable from an outlet at `a` to an inlet at `b`; also of one that is being drawn."""
    k = max(40.0, min(220.0, abs(b[0] - a[0]) * 0.5 + abs(b[1] - a[1]) * 0.15))
    return a, (a[0] + k, a[1]), (b[0] - k, b[1]), b


def leads_back(a: Point, b: Point) -> bool:
    """Whether a cable from `a` to `b` has to go around nodes."""
    return b[0] < a[0] - BACK


def around(a: Point, b: Point, y: float) -> list[Point]:
    """The way of a cable that leads back: out of `a` to the right, to the left at the height `y`, from the left into `b`."""
    one, two = (min(30.0 + 0.12 * abs(y - end[1]), 70.0) for end in (a, b))
    count = max(1, int((a[0] - b[0]) / 40))
    lane = [(a[0] + (b[0] - a[0]) * k / count, y) for k in range(1, count)]
    out = sample((a, (a[0] + one, a[1]), (a[0] + one, y), (a[0], y)))
    return [*out, *lane, *sample(((b[0], y), (b[0] - two, y), (b[0] - two, b[1]), b))]


def sample(shape: Bezier) -> list[Point]:
    """Points along a curve, closer than 80 units."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = shape
    n = min(40, 8 + int((abs(dx - ax) + abs(dy - ay)) / 80))
    table = _TABLES.get(n)
    if table is None:
        table = _TABLES[n] = [
            ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t * t, t**3) for t in (k / n for k in range(n + 1))
        ]
    return [(p * ax + q * bx + r * cx + s * dx, p * ay + q * by + r * cy + s * dy) for p, q, r, s in table]


_TABLES: dict[int, list[tuple[float, float, float, float]]] = {}
