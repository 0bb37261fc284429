"""`Curves`: the curves of a tape as they are looked at and changed.  Pixels and gestures in, edits out; no window needed.

One curve a dimension over time, one of them active.  A finished gesture or operator is one edit; while a gesture lasts, only
the copy that is shown here changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from graph.edits import Edit
from graph.patch import Patch
from graph.spec import NodeSpec

from . import curve_tools as tools
from .curve_hands import GRAB, Bend, Free, Held, Select, Straight
from .curve_tools import Wish
from .latent_views import clean, nice
from .shapes import Point, Rect

TABLE = "path"
"""The table of a tape whose curves are edited: rows × dimensions."""
MODES = ("draw", "points", "select")
STEP = 1.25  # zoom of one step of the wheel
PART = 0.15  # of what is seen: how far one step of the wheel moves
LEAST = 4.0  # rows that are shown when one has come closest
COARSE = 3.0  # pixels of a column of the faint curves
TOLERANCE = 0.002  # of the height: where curves count as straight between two points


def is_tape(spec: NodeSpec | None) -> bool:
    """Whether nodes of a type have curves: a table called as in `latent/tape`, of any width."""
    return spec is not None and TABLE in spec.data and not spec.data[TABLE].columns


class Curves:
    """The curves of one node.  `look` tells it the table; `press`, `move` and `release` what the mouse does in `area`."""

    def __init__(self, node: str, name: str = TABLE) -> None:
        self.node, self.name = node, name
        self.source: Any = ()
        self.table = np.zeros((1, 1))
        self.shown = self.table  # with what a gesture does that is not over
        self.active = 0
        self.mode = "draw"
        self.selected: tuple[int, int] | None = None  # rows
        self.first, self.span = 0.0, 1.0  # rows at the left edge, and from there to the right one
        self.edge = 1.0  # value at the top
        self.area: Rect = (0.0, 0.0, 100.0, 100.0)
        self.scale = 1.0
        self.rev = 0
        """Counts what changes the picture of all curves; `live` that of the active one."""
        self.live = 0
        self.held: Held | None = None
        self._points: tuple[object, list[int]] = (None, [])

    # ------------------------------------------------------------------ what there is

    def look(self, rows: Sequence[Sequence[float]], dims: int = 1) -> bool:
        """Takes the table as the patch has it; True where it is another than before.  A gesture that lasts is dropped.

        Where it has fewer than `dims` dimensions the others are 0.
        """
        if rows is self.source and self.dims == max(dims, len(rows[0])):
            return False
        before, self.source = self.table, rows
        found = clean(np.asarray(rows, float).reshape(len(rows), -1))
        self.table = self.shown = np.pad(found, ((0, 0), (0, max(dims - found.shape[1], 0))))
        self.held = None
        self.active = min(self.active, self.dims - 1)
        if self.table.shape != before.shape:
            self.selected = None
            self.fit()
        else:
            self.edge = max(self.edge, self._height())
        self.rev += 1
        return True

    @property
    def rows(self) -> int:
        return len(self.table)

    @property
    def dims(self) -> int:
        return int(self.table.shape[1])

    @property
    def range(self) -> tuple[int, int]:
        """The rows that operators work on: what is selected, else all."""
        return self.selected or (0, self.rows - 1)

    def points(self) -> list[int]:
        """Rows of the breakpoints of the active curve."""
        if isinstance(self.held, Bend):
            return self.held.kept
        key = id(self.shown), self.active, self.edge, self.live
        if self._points[0] != key:
            self._points = key, tools.breakpoints(self.shown[:, self.active], TOLERANCE * self.edge)
        return self._points[1]

    def _height(self) -> float:
        return nice(float(np.abs(self.table).max(initial=0.0)))

    # ------------------------------------------------------------------ where it is

    def x(self, row: float) -> float:
        return self.area[0] + (row - self.first) / self.span * (self.area[2] - self.area[0])

    def y(self, value: float) -> float:
        return (self.area[1] + self.area[3]) / 2 - value / self.edge * (self.area[3] - self.area[1]) / 2

    def row(self, x: float) -> float:
        return self.first + (x - self.area[0]) / max(self.area[2] - self.area[0], 1.0) * self.span

    def value(self, y: float) -> float:
        """The value at a height; at most what the edges are."""
        height = max(self.area[3] - self.area[1], 1.0)
        return min(max((self.area[1] + self.area[3] - 2 * y) / height, -1.0), 1.0) * self.edge

    def fit(self) -> None:
        """Shows all of it."""
        self.first, self.span = 0.0, float(max(self.rows - 1, 1))
        self.edge = self._height()
        self.rev += 1

    def zoom(self, factor: float, x: float) -> None:
        """Comes closer in time (`factor` above 1) about a pixel."""
        most = float(max(self.rows - 1, 1))
        held, span = self.row(x), min(max(self.span / factor, min(LEAST, most)), most)
        self.first += (held - self.first) * (1 - span / self.span)
        self.span = span
        self.scroll(0.0)

    def scroll(self, rows: float) -> None:
        """Moves in time, as far as there is something."""
        self.first = min(max(self.first + rows, 0.0), max(self.rows - 1 - self.span, 0.0))
        self.rev += 1

    def stretch(self, factor: float) -> None:
        """Makes the curves higher (`factor` above 1) or lower."""
        self.edge = min(max(self.edge / factor, 1e-3), 1e6)
        self.rev += 1

    def wheel(self, steps: float, x: float, shift: bool = False, ctrl: bool = False) -> None:
        """The wheel turned at a pixel (up is positive): zooms in time; with Shift moves in time, with Ctrl makes higher."""
        if ctrl:
            self.stretch(STEP**steps)
        elif shift:
            self.scroll(-steps * PART * self.span)
        else:
            self.zoom(STEP**steps, x)

    def outline(self) -> list[list[Point]]:
        """A line for each dimension as it is drawn behind the active one: a point every few pixels is enough."""
        columns = max(int((self.area[2] - self.area[0]) / COARSE), 1)
        rows, values = tools.outline(self.shown, self.first, self.span, columns)
        return [self._line(rows, values[:, d]) for d in range(self.dims)]

    def front(self) -> list[Point]:
        """The line of the active curve."""
        columns = max(int(self.area[2] - self.area[0]), 1)
        rows, values = tools.outline(self.shown[:, self.active : self.active + 1], self.first, self.span, columns)
        return self._line(rows, values[:, 0])

    def _line(self, rows: np.ndarray, values: np.ndarray) -> list[Point]:
        x0, y0, x1, y1 = self.area
        xs = x0 + (rows - self.first) / self.span * (x1 - x0)
        ys = np.clip((y0 + y1) / 2 - values / self.edge * (y1 - y0) / 2, y0, y1)
        found: list[Point] = np.stack([xs, ys], 1).tolist()
        return found if len(found) > 1 else [(x0, found[0][1]), (x1, found[0][1])]

    def over(self, x: float, y: float) -> int | None:
        """The dimension whose curve is nearest to a pixel, the active one first; None where none is near."""
        row = min(max(self.row(x), 0.0), self.rows - 1.0)
        a = int(row)
        b, part = min(a + 1, self.rows - 1), row - a
        here = self.shown[a] * (1 - part) + self.shown[b] * part
        away = np.abs((self.area[1] + self.area[3]) / 2 - here / self.edge * (self.area[3] - self.area[1]) / 2 - y)
        away[self.active] -= 0.5
        best = int(away.argmin())
        return best if away[best] <= GRAB * self.scale else None

    # ------------------------------------------------------------------ what hands do

    def pick(self, dim: int) -> None:
        """Another curve is the active one."""
        self.active = min(max(dim, 0), self.dims - 1)
        self.rev += 1

    def press(self, x: float, y: float, shift: bool = False, ctrl: bool = False, alt: bool = False) -> None:
        """The button goes down: Ctrl picks the curve that is there, Alt selects rows, Shift draws a straight line."""
        if ctrl:
            found = self.over(x, y)
            if found is not None:
                self.pick(found)
        elif alt or self.mode == "select":
            self.held = Select(self, x, y)
        elif self.mode == "points":
            self.held = Bend(self, x, y, shift)
        else:
            self.held = (Straight if shift else Free)(self, x, y)

    def move(self, x: float, y: float) -> None:
        """The pointer moves with the button held."""
        if self.held is not None:
            self.held.move(x, y)
            self.live += 1

    def release(self) -> Edit | None:
        """The button goes up: the edit, if something changed."""
        held, self.held = self.held, None
        return held.done() if held is not None else None

    def cancel(self) -> None:
        """Everything as it was before the button went down."""
        if self.held is not None:
            self.held = None
            self.show(self.table)

    def show(self, table: np.ndarray) -> None:
        """Shows a table that is not in the patch yet."""
        self.shown = table
        self.live += 1

    def edit(self, new: np.ndarray, title: str) -> Edit | None:
        """The edit to another table, which is shown at once; None where it is the same."""
        found = tools.edit(self.node, self.name, self.source, self.table, new, title)
        self.show(new if found is not None else self.table)
        return found

    def title(self, what: str, every: bool = False) -> str:
        """How a step of the history is called: "draw dimension 3 of tape"."""
        return f"{what} {'all dimensions' if every and self.dims > 1 else f'dimension {self.active + 1}'} of {self.node}"

    def operate(self, word: str, wish: Wish, every: bool = False) -> Edit | None:
        """One of `curve_tools.DONE` on the active curve or on all, in what is selected."""
        dims = range(self.dims) if every else [self.active]
        new = tools.operate(self.table, word, dims, *self.range, wish)
        return self.edit(new, self.title(tools.DONE[word], every))

    def copy(self, dim: int) -> Edit | None:
        """The active curve in another dimension too."""
        if not 0 <= dim < self.dims:
            return None
        new = tools.copied(self.table, self.active, dim, *self.range)
        return self.edit(new, f"copy dimension {self.active + 1} to {dim + 1} of {self.node}")

    def resample(self, rows: int) -> Edit | None:
        """All curves in another number of rows."""
        return self.edit(tools.resampled(self.table, max(rows, 1)), f"resample {self.node} to {max(rows, 1)} rows")


# what the node says besides


def dims(patch: Patch, node: str) -> int:
    """Dimensions of the latent that a node puts out; 1 where its settings do not tell."""
    spec = patch.spec(node)
    return int(patch.value(node, "dims")) if spec is not None and "dims" in spec.settings else 1


def head(value: float, rows: int) -> float:
    """The row where a tape is, from its `at` outlet: 0 is the first row, 1 the last."""
    return min(max(value, 0.0), 1.0) * (rows - 1)


def period(patch: Patch, node: str) -> float:
    """Seconds from one row to the next of a node with the settings of a latent space; 0 where it has none."""
    spec = patch.spec(node) if node in patch.nodes else None
    if spec is None or not {"ratio", "rate"} <= spec.settings.keys():
        return 0.0
    ratio, rate = int(patch.value(node, "ratio")), int(patch.value(node, "rate")) or patch.rate
    return float(Fraction(ratio, rate))


def clock(row: float, period: float) -> str:
    """A place in time as it is read: in seconds where that is known, else in rows."""
    return f"{row * period:.2f} s" if period else f"{row:.0f}"


def grid(first: float, span: float, period: float, count: float) -> list[float]:
    """Rows of upright lines, at most about `count` of them, at round seconds (or rows)."""
    unit = period or 1.0
    step = nice(span * unit / max(count, 1.0)) / unit
    if not period:
        step = max(round(step), 1)
    start = np.ceil(first / step) * step
    return [float(r) for r in np.arange(start, first + span + step * 1e-6, step)]
