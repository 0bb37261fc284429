"""The pictures of latent views, drawn from watched frames: path, lines, bars, and the scatter and the plane with a cursor."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import dearpygui._dearpygui as raw
import numpy as np

from . import latent_plane as plane
from . import latent_views as how
from .client import Editor
from .draw_pen import NONE, Pen
from .shapes import Box, Point, Rect
from .theme import LATENT, Colour, faded

if TYPE_CHECKING:
    from .draw_views import Picture

AGAIN = 1.0  # seconds after which the rate of a latent is looked up again
DOT = 2.2  # radius of a point
SMALL = 9  # size of text
NAME = 11  # size of the names of points
OFF = 0.35  # how much is left of a plane's colours while it is not heard
FAINT = 0.35  # and of those of a point that nothing is patched into


class Latents:
    """Draws the latent views of one canvas."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self._rates: dict[str, tuple[float, int, float]] = {}  # by full path: when it was looked up, at which version, what
        self._tables: dict[str, tuple[object, np.ndarray]] = {}
        self._names: dict[str, tuple[int, tuple[str, ...]]] = {}  # of the points of a plane: at which version, what
        self._dots: dict[str, tuple[object, list[tuple[float, float, int]]]] = {}

    def frames(self, box: Box) -> int:
        """How many latent frames a picture needs."""
        if box.data.type in how.STILL:
            return 1
        return max(2, math.ceil(float(how.value(box, "time")) * self._rate(box)) + 1)

    def _rate(self, box: Box) -> float:
        """Latent frames a second; looked up again when the patch has changed, but not often."""
        path, now, version = self.editor.path(box.name), time.monotonic(), self.editor.version
        known = self._rates.get(path)
        if known is not None and (known[1] == version or now - known[0] < AGAIN):
            return known[2]
        with self.editor.lock:
            found = how.rate(self.editor.patch, path)
        self._rates[path] = now, version, found
        return found

    def points(self, box: Box) -> np.ndarray:
        """The points of a scatter, [rows, columns]."""
        rows = box.data.data.get("points", box.spec.data["points"].default if box.spec else ())
        known = self._tables.get(box.name)
        if known is None or known[0] is not rows:
            known = self._tables[box.name] = rows, how.table(rows)
        return known[1]

    def _spread(self, box: Box, area: Rect, cell: float) -> list[tuple[float, float, int]]:
        """The dots of a scatter; those of the last look, while only its cursor moves."""
        points, x, y = self.points(box), int(how.value(box, "x")), int(how.value(box, "y"))
        key = id(points), x, y, float(how.value(box, "edge")), area, cell
        known = self._dots.get(box.name)
        if known is None or known[0] != key:
            known = self._dots[box.name] = key, how.dots(how.pair(points, x, y), area, key[3], cell)
        return known[1]

    def _colour(self, pen: Pen, box: Box) -> Colour:
        port = next((p for p in box.ports if p.kind == "latent"), None)
        return pen.theme.cable(LATENT, port.space if port is not None else "")

    def still(self, pen: Pen, box: Box, area: Rect) -> None:
        """What does not move: axes, and the points of a scatter."""
        kind = box.data.type
        if kind == plane.PLANE:  # all of it may move
            return
        x0, y0, x1, y1 = area
        line = faded(pen.theme.edge, 0.45)
        pen.line((x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2), line)
        if kind == "view/latent-scatter" or (kind == "view/latent-path" and how.value(box, "draw") == "path"):
            pen.line(((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1), line)
            if pen.level > 1:
                across, up = f"{how.value(box, 'x')} →", f"{how.value(box, 'y')} ↑"
                pen.text(x1 - 3, (y0 + y1) / 2 + 1, across, SMALL, pen.theme.dim, right=True)
                pen.text((x0 + x1) / 2 + 3, y0 + 1, up, SMALL, pen.theme.dim)
        if kind != "view/latent-scatter":
            return
        dots = self._spread(box, area, 3.0 / max(pen.zoom, 0.2))
        thickest = max((n for _, _, n in dots), default=1)
        base = self._colour(pen, box)
        for x, y, n in dots:
            strength = 0.45 + 0.55 * math.log1p(n) / math.log1p(thickest) if thickest > 1 else 0.8
            pen.circle((x, y), DOT * (1.0 if n == 1 else 1.3), faded(base, strength))

    def draw(self, pen: Pen, picture: Picture, box: Box, heard: np.ndarray) -> None:
        """What moves; `heard` are latent frames [n, dims], the last one being now."""
        kind, area = box.data.type, picture.area
        if kind == "view/latent-scatter":
            self._scatter(pen, box, area, heard)
        elif kind == plane.PLANE:
            self._plane(pen, box, area, heard)
        elif kind == "view/latent-bars":
            self._bars(pen, box, area, heard)
        elif how.value(box, "draw") == "lines":
            self._lines(pen, box, area, heard)
        else:
            self._path(pen, box, area, heard)

    def _edge(self, pen: Pen, area: Rect, edge: float) -> None:
        """Says what the edge of the picture is."""
        if pen.level > 1:
            pen.text(area[0] + 3, area[1] + 1, f"± {edge:g}", SMALL, pen.theme.dim)

    def _path(self, pen: Pen, box: Box, area: Rect, heard: np.ndarray) -> None:
        way = how.pair(heard, int(how.value(box, "x")), int(how.value(box, "y")))
        edge, base = how.edge(box, way), self._colour(pen, box)
        for points, part in how.tail(way, area, edge):
            pen.path(points, faded(base, 0.1 + 0.9 * part * part), (1.0 + part) * pen.scale)
        x, y = how.spots_at(way[-1:], area, edge)[0]
        pen.circle((float(x), float(y)), 3.5, base, pen.theme.text)
        self._edge(pen, area, edge)

    def _lines(self, pen: Pen, box: Box, area: Rect, heard: np.ndarray) -> None:
        edge = how.edge(box, heard)
        for dim, points in enumerate(how.lines(heard, area, edge, self.frames(box))):
            pen.path(points, how.colour(pen.theme, dim), 1.3 * pen.scale)
        self._edge(pen, area, edge)

    def _bars(self, pen: Pen, box: Box, area: Rect, heard: np.ndarray) -> None:
        edge, base = how.edge(box, heard), self._colour(pen, box)
        for one in how.bars(heard, area, edge):
            pen.rect(one.field[:2], one.field[2:], faded(base, 0.22))
            pen.rect(one.bar[:2], one.bar[2:], base)
            pen.line((one.field[0], one.mean), (one.field[2], one.mean), pen.theme.text, 1.5 * pen.scale)
        self._edge(pen, area, edge)

    def _scatter(self, pen: Pen, box: Box, area: Rect, heard: np.ndarray) -> None:
        """The cursor where it was put, a line to each point that is heard, and a ring where the sound is."""
        theme, edge = pen.theme, float(how.value(box, "edge"))
        x, y = int(how.value(box, "x")), int(how.value(box, "y"))
        cursor = float(self.editor.value(box.name, "cursor_x")), float(self.editor.value(box.name, "cursor_y"))
        at = _place(area, cursor)
        points = how.pair(self.points(box), x, y)
        blend = self.editor.value(box.name, "read") == "blend"
        near = how.nearest(points, (cursor[0] * edge, cursor[1] * edge), int(how.value(box, "near")) if blend else 1)
        for (px, py), (_, part) in zip(how.spots_at(points[[k for k, _ in near]], area, edge).tolist(), near, strict=True):
            pen.line(at, (px, py), faded(theme.text, 0.25 + 0.65 * part), (1.0 + 2 * part) * pen.scale)
            pen.circle((px, py), 2.0 + 3.0 * math.sqrt(part), self._colour(pen, box), theme.text)
        _cross(pen, at, theme.selected)
        if len(heard):
            hx, hy = how.spots_at(how.pair(heard[-1:], x, y), area, edge)[0]
            pen.circle((float(hx), float(hy)), 6.0, NONE, theme.good, 2.0 * pen.scale)

    def _plane(self, pen: Pen, box: Box, area: Rect, heard: np.ndarray) -> None:
        """Discs, a line to each point as thick as it is heard, the points with their names, and the cursor.

        The cross is where the cursor was put, or where cables move it; the ring is where it sounds.  `heard` is [n, 2].
        """
        theme, table, radius = pen.theme, plane.rows(box), float(self.editor.value(box.name, "radius"))
        bright = 1.0 if self.editor.value(box.name, "interpolate") == "on" else OFF
        put = float(self.editor.value(box.name, "x")), float(self.editor.value(box.name, "y"))
        live = (float(heard[-1, 0]), float(heard[-1, 1])) if len(heard) else None
        driven = any(p.cables for p in box.ports if p.side == "in" and p.name in plane.CURSOR)
        cursor = live if live is not None and driven else put
        at, names, points = plane.place(area, *cursor), self.names(box), plane.spread(table)
        shares = plane.shares(table, cursor, radius)
        for k, (x, y, own) in enumerate(points):
            shape, part = plane.disc(area, x, y, radius * own), bright * (1.0 if names[k] else FAINT)
            if len(shape) > 2:
                base = how.colour(theme, k)
                raw.draw_polygon(shape, parent=pen.parent, fill=faded(base, 0.16 * part), color=NONE, thickness=1.0)
                pen.path([*shape, shape[0]], faded(base, 0.5 * part), 1.0 * pen.scale)
        for k, (x, y, _) in enumerate(points):
            spot, part = plane.place(area, x, y), bright * (1.0 if names[k] else FAINT)
            pen.line(at, spot, faded(theme.text, (0.1 + 0.6 * shares[k]) * part), (1.0 + 2 * shares[k]) * pen.scale)
            pen.circle(spot, 3.5 + 3.0 * math.sqrt(shares[k]), faded(how.colour(theme, k), part), faded(theme.text, part))
            if names[k] and pen.level > 1:
                _name(pen, area, spot, names[k], faded(theme.text, bright))
        _cross(pen, at, faded(theme.selected, bright))
        if live is not None:
            pen.circle(plane.place(area, *live), 6.0, NONE, faded(theme.good, bright), 2.0 * pen.scale)

    def names(self, box: Box) -> tuple[str, ...]:
        """What is patched in at each point of a plane, "" where nothing is; looked up again when the patch has changed."""
        path, version = self.editor.path(box.name), self.editor.version
        known = self._names.get(path)
        if known is None or known[0] != version:
            with self.editor.lock:
                here = self.editor.here()
                known = version, plane.names(here, box.name) if box.name in here.nodes else ("",) * len(plane.LATENTS)
            self._names[path] = known
        return known[1]


def _cross(pen: Pen, at: Point, colour: Colour) -> None:
    """A cursor."""
    for a, b in (((at[0] - 7, at[1]), (at[0] + 7, at[1])), ((at[0], at[1] - 7), (at[0], at[1] + 7))):
        pen.line(a, b, colour, 1.5 * pen.scale)


def _name(pen: Pen, area: Rect, spot: Point, name: str, colour: Colour) -> None:
    """The name of a point, on that side of it where there is more room, and never outside of the picture."""
    x0, y0, x1, y1 = area
    high, right = pen.size(NAME) / pen.zoom, spot[0] > (x0 + x1) / 2
    x = spot[0] + (-9 if right else 9)
    y = min(max(spot[1] - high / 2, y0 + 2), y1 - high - 3)
    pen.text(x, y, name, NAME, colour, (x1 - x0) / 2 - 6, right)


def _place(area: Rect, cursor: Point) -> Point:
    """Where a cursor (−1 … 1 each) lies in a picture."""
    x0, y0, x1, y1 = area
    return (x0 + x1) / 2 + cursor[0] * (x1 - x0) / 2, (y0 + y1) / 2 - cursor[1] * (y1 - y0) / 2
