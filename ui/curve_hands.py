"""What a held mouse button does with the curves of a tape: draw, draw a line, bend at a point, select rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graph.edits import Edit

from . import curve_tools as tools

if TYPE_CHECKING:
    from .curves import Curves

GRAB = 8.0  # pixels, at scale 1, at which a point or a curve is met

MOUSE: tuple[tuple[str, str, str], ...] = (
    ("curves", "drag", "draw the active curve; with Shift, a straight line"),
    ("curves", "click at points", "add a point; with Shift, take one away"),
    ("curves", "drag a point", "bend the curve there"),
    ("curves", "drag at select, or Alt and drag", "select a time, which the operators keep to"),
    ("curves", "Ctrl and click, or 1 to 9", "pick the active curve"),
    ("curves", "wheel", "zoom in time; with Shift, move in time; with Ctrl, make the curves higher"),
    ("curves", "drag with the middle button", "move in time"),
)
"""What the mouse does in the window of curves, as in `ui.gestures.MOUSE`."""


class Held:
    """Base of what a held button does."""

    def __init__(self, c: Curves, x: float, y: float) -> None:
        self.c, self.start = c, (c.row(x), c.value(y))

    def move(self, x: float, y: float) -> None:
        """The pointer is there now."""

    def done(self) -> Edit | None:
        """The button was let go."""
        return None


class Free(Held):
    """Draws the active curve with the pointer."""

    def __init__(self, c: Curves, x: float, y: float) -> None:
        super().__init__(c, x, y)
        self.last = self.start
        self.move(x, y)

    def move(self, x: float, y: float) -> None:
        here = self.c.row(x), self.c.value(y)
        self.c.show(tools.line(self.c.shown, self.c.active, self.last, here))
        self.last = here

    def done(self) -> Edit | None:
        return self.c.edit(self.c.shown, self.c.title("draw"))


class Straight(Held):
    """Draws a straight line from where the button went down."""

    def move(self, x: float, y: float) -> None:
        self.c.show(tools.line(self.c.table, self.c.active, self.start, (self.c.row(x), self.c.value(y))))

    def done(self) -> Edit | None:
        return self.c.edit(self.c.shown, self.c.title("draw a line in"))


class Bend(Held):
    """Takes a breakpoint, or makes one; with Shift, takes one away.  Between its neighbours the curve is straight."""

    def __init__(self, c: Curves, x: float, y: float, away: bool) -> None:
        super().__init__(c, x, y)
        kept = c.points()
        curve = c.table[:, c.active]
        near = [r for r in kept if abs(c.x(r) - x) <= GRAB * c.scale and abs(c.y(float(curve[r])) - y) <= GRAB * c.scale]
        self.met = min(near, key=lambda r: abs(c.x(r) - x), default=None)
        row = self.met if self.met is not None else min(max(round(c.row(x)), 0), c.rows - 1)
        self.left = max((r for r in kept if r < row), default=None)
        self.right = min((r for r in kept if r > row), default=None)
        self.others = [r for r in kept if r != self.met]
        self.kept, self.away = kept, away
        if away:
            if self.met is not None and self.left is not None and self.right is not None:
                ends = ((float(r), float(curve[r])) for r in (self.left, self.right))
                c.show(tools.line(c.table, c.active, *ends))
                self.kept = self.others
        elif self.met is None:
            self.move(x, y)

    def move(self, x: float, y: float) -> None:
        c, curve = self.c, self.c.table[:, self.c.active]
        if self.away:
            return
        low = 0 if self.left is None else self.left + 1
        high = c.rows - 1 if self.right is None else self.right - 1
        row = min(max(round(c.row(x)), low), high)
        if self.met is not None and (self.left is None or self.right is None):
            row = self.met  # an end stays at its end
        at, new = (float(row), c.value(y)), c.table
        if self.left is not None:
            new = tools.line(new, c.active, (float(self.left), float(curve[self.left])), at)
        if self.right is not None:
            new = tools.line(new, c.active, at, (float(self.right), float(curve[self.right])))
        if new is c.table:
            new = tools.line(new, c.active, at, at)
        c.show(new)
        self.kept = sorted({*self.others, row})

    def done(self) -> Edit | None:
        what = "take a point from" if self.away else "move a point of" if self.met is not None else "add a point to"
        return self.c.edit(self.c.shown, self.c.title(what))


class Select(Held):
    """Selects rows; a click selects none, and on a curve makes it the active one."""

    def __init__(self, c: Curves, x: float, y: float) -> None:
        super().__init__(c, x, y)
        self.from_ = x, y
        self.far = False

    def move(self, x: float, y: float) -> None:
        c = self.c
        self.far = self.far or abs(x - self.from_[0]) > 3 * c.scale
        if self.far:
            a, b = sorted(min(max(round(r), 0), c.rows - 1) for r in (self.start[0], c.row(x)))
            c.selected = (a, b)

    def done(self) -> Edit | None:
        if not self.far:
            found = self.c.over(*self.from_)
            self.c.selected = None
            if found is not None:
                self.c.pick(found)
        self.c.rev += 1
        return None
