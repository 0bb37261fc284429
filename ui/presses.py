"""What a press on a node does besides selecting it: the cursor of a scatter moves, curves open, a lock says why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graph.edits import SetParam

from . import latent_views
from .curves import is_tape
from .drags import Drag
from .overlay import NO_MODS, Curves, Mods
from .shapes import BADGE, BADGE_R, TITLE, Box

if TYPE_CHECKING:
    from .gestures import Gestures

SCATTER = "view/latent-scatter"
CURSOR = ("cursor_x", "cursor_y")


class Locked(Drag):
    """A node that cannot be moved says why."""

    def move(self, x: float, y: float, mods: Mods) -> None:
        self.g.tell(self.g.refusal(), True)


class Cursor(Drag):
    """Moves the cursor of a scatter; from press to release it is one step of the history."""

    def __init__(self, g: Gestures, x: float, y: float, box: Box) -> None:
        super().__init__(g, x, y)
        self.node = box.name
        self.before = [float(g.editor.value(box.name, port)) for port in CURSOR]
        self.gesture = g.fresh()
        self.move(x, y, NO_MODS)

    def move(self, x: float, y: float, mods: Mods) -> None:
        box = self.g.layout.boxes.get(self.node)
        if box is not None and box.picture is not None:
            self._set(latent_views.position(box.picture, *self.g.view.world(x, y)))

    def _set(self, at: tuple[float, float] | list[float]) -> None:
        for port, value in zip(CURSOR, at, strict=True):
            self.g.editor.stream(self.node, port, value, gesture=self.gesture)

    def release(self, x: float, y: float, mods: Mods) -> None:
        self.g.editor.end()

    def cancel(self) -> None:
        self._set(self.before)
        self.g.editor.end()


def plays(box: Box, x: float, y: float) -> bool:
    """Whether a place (world) is in a picture that is played with the mouse."""
    return box.data.type == SCATTER and latent_views.inside(box.picture, x, y)


def marked(g: Gestures, box: Box, x: float, y: float) -> bool:
    """Whether a place (world) is the mark of a fault in the title of a box."""
    r = BADGE_R + 2.0
    there = abs(x - (box.x + box.w - BADGE - BADGE_R)) <= r and abs(y - (box.y + TITLE / 2)) <= r
    return there and g.view.level == 2 and bool(box.lacks or g.editor.problem(box.name))


def press(g: Gestures, box: Box, x: float, y: float, mods: Mods) -> bool:
    """A press at a pixel of a box; False where it is one like on any other node."""
    if mods == NO_MODS and marked(g, box, *g.view.world(x, y)):
        g.menu(x, y)
        return True
    if mods != NO_MODS or not plays(box, *g.view.world(x, y)):
        return False
    g.select({box.name})
    g.overlay.wires.clear()
    why = g.editor.why_not(SetParam(box.name, CURSOR[0], 0.0)) if g.editor.inside else ""
    if why:  # a sub-patch by file, where the cursor is not shown
        g.tell(why, True)
    else:
        g.drag = Cursor(g, x, y, box)
    return True


def opens(g: Gestures, box: Box) -> bool:
    """A double click on a box; False where it is one like on any other node."""
    if not is_tape(box.spec):
        return False
    g.ask(Curves(box.name))
    return True
