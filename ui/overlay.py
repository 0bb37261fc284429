"""What the gestures say to who draws and to who opens windows: plain data, no window needed.

`Overlay` is what lies on top of the canvas now.  A request (`Palette`, `Menu`, `Entry`) asks for something that needs a
window; who shows it answers by `Gestures.chosen`, `App.act` or `Gestures.typed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from graph.patch import Key

from .model import Hit
from .palette import Wish

Point = tuple[float, float]
Side = Literal["in", "out"]
PortName = tuple[str, Side, str]
"""Node, side, port."""


@dataclass(frozen=True)
class Mods:
    """Which modifier keys are held (command counts as ctrl), and the space bar."""

    shift: bool = False
    ctrl: bool = False
    alt: bool = False
    space: bool = False


NO_MODS = Mods()


@dataclass
class Loose:
    """A cable that is being drawn, in world units, from `start` (its fixed end) to `end` (the pointer, or a port).

    `forward` is False where the fixed end is an inlet: the curve then runs from `end` to `start`.  `kind` is "signal" or
    "latent"; ports of this kind on the side `seeks` would take it.  `ok` is None where the pointer is over no port.
    """

    port: PortName
    start: Point
    end: Point
    forward: bool
    kind: str
    seeks: Side
    ok: bool | None = None
    over: PortName | None = None
    replaces: Key | None = None  # the cable whose end this was


@dataclass
class Overlay:
    """On top of the canvas."""

    band: tuple[float, float, float, float] | None = None  # rubber band: left, top, right, bottom in pixels
    cable: Loose | None = None
    ghosts: tuple[str, ...] = ()  # nodes that are being copied by dragging, and how far, in world units
    ghosts_by: Point = (0.0, 0.0)
    insert: Key | None = None  # the cable that the dragged node would go into
    hint: str = ""  # a sentence at the pointer: what would happen, or why it is refused
    bad: bool = False  # the hint is a refusal
    hover: Hit | None = None  # what is under the pointer while nothing is dragged
    lit: frozenset[str] = frozenset()  # nodes that feed or hear what is under the pointer
    wires: set[Key] = field(default_factory=set)  # cables that are selected
    shown: frozenset[Key] = frozenset()  # cables that drive the knob somebody asked about
    cursor: Literal["", "hand", "grab", "turn", "cross"] = ""


@dataclass(frozen=True)
class Palette:
    """Open the palette at a pixel; what is chosen comes to `Gestures.chosen(request, type id)`."""

    x: float
    y: float
    at: Point  # world
    wish: Wish | None = None
    port: PortName | None = None  # what the new node is connected to
    wire: Key | None = None  # or the cable that it goes into
    find: bool = False  # look for a node of the patch instead (`palette.find`), and go there (`Gestures.found`)


@dataclass(frozen=True)
class Menu:
    """Open a menu at a pixel.  `ids` are those of actions, "" is a line; `App.act(id)` runs the one that is chosen."""

    x: float
    y: float
    place: str
    ids: Sequence[str]


@dataclass(frozen=True)
class Entry:
    """Open a field at a pixel; what is typed comes to `Gestures.typed(request, text)`, which says why it is refused."""

    x: float
    y: float
    what: Literal["param", "amount", "rename", "expose", "group"]
    title: str
    text: str  # what stands there first, selected
    node: str = ""
    name: str = ""
    key: Key | None = None


@dataclass(frozen=True)
class Curves:
    """Open the curves of a tape."""

    node: str


@dataclass(frozen=True)
class Trust:
    """Ask whether the model file of a node may run here."""

    node: str


Request = Palette | Menu | Entry | Curves | Trust
PANELS = {Palette: "palette", Entry: "entry", Curves: "curves", Trust: "trust"}
"""The panel that answers each kind of request."""
