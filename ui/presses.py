"""What a press on a node does besides selecting it: cursors and points move, curves open, a lock says why not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from graph.edits import SetData, SetParam

from . import latent_plane, latent_views
from .curves import is_tape
from .drags import Drag
from .overlay import NO_MODS, Curves, Mods
from .shapes import BADGE, BADGE_R, TITLE, Box

if TYPE_CHECKING:
    from .gestures import Gestures

SCATTER = "view/latent-scatter"


class Locked(Drag):
    """A node that cannot be moved says why."""

    def move(self, x: float, y: float, mods: Mods) -> None:
        self.g.tell(self.g.refusal(), True)


class Cursor(Drag):
    """Moves the cursor of a scatter or a plane; from press to release it is one step of the history."""

    def __init__(self, g: Gestures, x: float, y: float, box: Box) -> None:
        super().__init__(g, x, y)
        self.node = box.name
        self.ports, self.position = PLAYED[box.data.type]
        self.before = [float(g.editor.value(box.name, port)) for port in self.ports]
        self.gesture = g.fresh()
        self.move(x, y, NO_MODS)

    def move(self, x: float, y: float, mods: Mods) -> None:
        box = self.g.layout.boxes.get(self.node)
        if box is not None and box.picture is not None:
            self._set(self.position(box.picture, *self.g.view.world(x, y)))

    def _set(self, at: tuple[float, float] | list[float]) -> None:
        for port, value in zip(self.ports, at, strict=True):
            self.g.editor.stream(self.node, port, value, gesture=self.gesture)

    def release(self, x: float, y: float, mods: Mods) -> None:
        self.g.editor.end()

    def cancel(self) -> None:
        self._set(self.before)
        self.g.editor.end()


class Spot(Drag):
    """Moves a point of a plane, or sets how wide its disc is; one step of the history.  A click puts the cursor on it.

    It is heard at once, but in a sub-patch, where tables of one gesture would be many steps, when it is let go.
    """

    def __init__(self, g: Gestures, x: float, y: float, box: Box, row: int, wide: bool) -> None:
        super().__init__(g, x, y)
        self.node, self.row, self.wide = box.name, row, wide
        self.before = self.table = latent_plane.rows(box)
        self.gesture, self.live = g.fresh(), not g.editor.inside
        self.begun, self.said = False, ""

    def move(self, x: float, y: float, mods: Mods) -> None:
        g, box = self.g, self.g.layout.boxes.get(self.node)
        if box is None or box.picture is None or not (self.begun or math.dist((x, y), (self.x, self.y)) > g.slack):
            return
        self.begun = True
        at = latent_plane.position(box.picture, *g.view.world(x, y))
        if self.wide:
            part = math.dist(at, latent_plane.spread(self.before)[self.row][:2]) / float(g.editor.value(self.node, "radius"))
            self.table = latent_plane.widened(self.before, self.row, part)
            g.tell(f"disc × {min(part, 1.0):.2f}")
        else:
            self.table = latent_plane.moved(self.before, self.row, at)
            g.tell(f"{at[0]:.2f}, {at[1]:.2f}")
        if self.live:
            self._set(self.table)

    def _set(self, table: latent_plane.Rows) -> None:
        self.g.editor.do(SetData(self.node, "points", table), self.gesture)
        self.said, self.g.editor.notice = self.g.editor.notice or self.said, ""  # said once, at the end

    def release(self, x: float, y: float, mods: Mods) -> None:
        box = self.g.layout.boxes.get(self.node)
        if self.begun:
            if not self.live:
                self._set(self.table)
            self.g.editor.end()
            self.g.editor.notice = self.said
        elif not self.wide and box is not None and box.picture is not None:
            point = latent_plane.place(box.picture, *latent_plane.spread(self.before)[self.row][:2])
            cursor = _cursor(self.g, box, *self.g.view.screen(*point))
            if cursor is not None:
                cursor.release(x, y, mods)

    def cancel(self) -> None:
        if self.begun and self.live:
            self._set(self.before)
            self.g.editor.end()


PLAYED = {
    SCATTER: (("cursor_x", "cursor_y"), latent_views.position),
    latent_plane.PLANE: (latent_plane.CURSOR, latent_plane.position),
}
"""Types with a picture that is played with the mouse: the params of the cursor, and its place at a place in the picture."""


def plays(box: Box, x: float, y: float) -> bool:
    """Whether a place (world) is in a picture that is played with the mouse."""
    return box.data.type in PLAYED and latent_views.inside(box.picture, x, y)


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
    if mods not in (NO_MODS, Mods(alt=True)) or not plays(box, *g.view.world(x, y)):
        return False
    reach = latent_plane.GRIP * max(1.0, g.view.scale / g.view.zoom)
    row = latent_plane.grip(box, *g.view.world(x, y), reach) if box.data.type == latent_plane.PLANE else None
    if mods.alt and row is None:
        return False
    g.select({box.name})
    g.overlay.wires.clear()
    why = g.refusal()
    if row is not None and not why:
        g.drag = Spot(g, x, y, box, row, mods.alt)
    elif mods.alt:
        g.tell(why, True)
    else:  # in a locked patch it is the cursor that moves, also from a point
        g.drag = _cursor(g, box, x, y)
    return True


def _cursor(g: Gestures, box: Box, x: float, y: float) -> Cursor | None:
    """The cursor in a hand at a pixel; None, and a sentence, in a sub-patch by file where it is not shown."""
    why = g.editor.why_not(SetParam(box.name, PLAYED[box.data.type][0][0], 0.0)) if g.editor.inside else ""
    if why:
        g.tell(why, True)
        return None
    return Cursor(g, x, y, box)


def opens(g: Gestures, box: Box) -> bool:
    """A double click on a box; False where it is one like on any other node."""
    if not is_tape(box.spec):
        return False
    g.ask(Curves(box.name))
    return True
