"""What lies where: a hash of cells for boxes and wires, and the questions that it answers quickly."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar
from zlib import crc32

from graph.patch import Key

from .shapes import KNOB_R, PORT_R, WIDTH, Box, Fold, Hit, Knob, Point, Port, Rect, Switch, Wire

CELL = 256.0
GAP = 12.0  # between boxes, where a free place is looked for
LANE = 20.0  # height of the free strip that a cable needs which leads back
TRIES = 8  # strips that are looked at above, and below
APART = 9.0  # between cables that lead back
Cell = tuple[int, int]
K = TypeVar("K", bound=Hashable)


class Cells(Generic[K]):
    """Which keys lie in which cells."""

    def __init__(self) -> None:
        self.grid: dict[Cell, set[K]] = {}
        self.at: dict[K, set[Cell]] = {}

    def put(self, key: K, cells: set[Cell]) -> None:
        """A key lies in these cells now."""
        old = self.at.get(key, set())
        if old == cells:
            return
        for cell in old - cells:
            self.grid[cell].discard(key)
        for cell in cells - old:
            self.grid.setdefault(cell, set()).add(key)
        self.at[key] = cells

    def remove(self, key: K) -> None:
        """A key is gone."""
        for cell in self.at.pop(key, set()):
            self.grid[cell].discard(key)

    def near(self, rect: Rect) -> Iterable[K]:
        """Keys in the cells that a rectangle meets."""
        i0, j0, i1, j1 = (int(v // CELL) for v in rect)
        if (i1 - i0 + 1) * (j1 - j0 + 1) > len(self.grid):
            return self.at
        found: set[K] = set()
        for i in range(i0, i1 + 1):
            for j in range(j0, j1 + 1):
                if (i, j) in self.grid:
                    found |= self.grid[i, j]
        return found


def along(points: list[Point]) -> set[Cell]:
    """The cells that a line through points meets; where it cuts a corner, both that it may cut."""
    cells: set[Cell] = set()
    last: Cell | None = None
    for x, y in points:
        cell = int(x // CELL), int(y // CELL)
        if cell != last:
            cells.add(cell)
            if last is not None and last[0] != cell[0] and last[1] != cell[1]:
                cells.update(((last[0], cell[1]), (cell[0], last[1])))
            last = cell
    return cells


class Ground:
    """Boxes and wires, and what is at a place.  `scale` is the UI scale: tolerances are so many pixels larger."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        self.boxes: dict[str, Box] = {}
        self.wires: dict[Key, Wire] = {}
        self._box_cells: Cells[str] = Cells()
        self._wire_cells: Cells[Key] = Cells()
        self._lanes: Cells[Key] = Cells()  # where boxes decide the way of the wires that lead back

    def _hash(self, box: Box) -> None:
        r = PORT_R + 3
        i0, i1, j0, j1 = (int(v // CELL) for v in (box.x - r, box.x + box.w + r, box.y, box.y + box.h))
        self._box_cells.put(box.name, {(i, j) for i in range(i0, i1 + 1) for j in range(j0, j1 + 1)})

    def _boxes_in(self, x0: float, y0: float, x1: float, y1: float) -> list[Box]:
        """Boxes that meet a rectangle, in any order."""
        near = [self.boxes[n] for n in self._box_cells.near((x0, y0, x1, y1))]
        return [b for b in near if b.x < x1 and b.x + b.w > x0 and b.y < y1 and b.y + b.h > y0]

    def lane(self, key: Key, a: Point, b: Point) -> float:
        """The height at which the cable `key` leads back from `a` to `b`: between its nodes, above or below all in its way."""
        one, two = self.boxes[key[0]], self.boxes[key[2]]
        x0, x1, half = b[0] - LANE, a[0] + LANE, LANE / 2
        aside = APART * (crc32(":".join(key).encode()) % 8)  # so that few lie on each other
        top, bottom = sorted((one, two), key=lambda box: box.y)
        room = bottom.y - top.y - top.h
        low, high = top.y, max(one.y + one.h, two.y + two.h)  # what was looked at
        found: list[float] = []
        if room >= LANE:
            middle = top.y + top.h + min(max(room / 2 + aside - 4 * APART, half), room - half)
            tries = (middle, top.y + top.h + half, bottom.y - half)
            found = [y for y in tries if not self._boxes_in(x0, y - half, x1, y + half)][:1]
        if not found:
            up, down = top.y - half - aside, high + half + aside
            for _ in range(TRIES):
                over = self._boxes_in(x0, up - half, x1, up + half)
                if not over:
                    break
                up = min(box.y for box in over) - half - aside
            for _ in range(TRIES):
                over = self._boxes_in(x0, down - half, x1, down + half)
                if not over:
                    break
                down = max(box.y + box.h for box in over) + half + aside
            found, low, high = [up, down], up, down
        i0, j0, i1, j1 = (int(v // CELL) for v in (x0, low - half, x1, high + half))
        self._lanes.put(key, {(i, j) for i in range(i0, i1 + 1) for j in range(j0, j1 + 1)})
        return min(found, key=lambda y: abs(a[1] - y) + abs(b[1] - y))

    def within(self, rect: tuple[float, float, float, float]) -> tuple[list[Box], list[Wire]]:
        """Boxes (lowest first) and wires that meet a rectangle (left, top, right, bottom)."""
        x0, y0, x1, y1 = rect
        r = PORT_R + 3
        boxes = [self.boxes[n] for n in self._box_cells.near(rect)]
        boxes = [b for b in boxes if b.x + b.w + r > x0 and b.x - r < x1 and b.y + b.h > y0 and b.y < y1]
        wires = [self.wires[k] for k in self._wire_cells.near(rect)]
        wires = [w for w in wires if w.box[2] > x0 and w.box[0] < x1 and w.box[3] > y0 and w.box[1] < y1]
        boxes.sort(key=lambda b: b.order)
        return boxes, wires

    def inside(self, rect: tuple[float, float, float, float]) -> set[str]:
        """Names of the boxes that lie in a rectangle at least half: a rubber band's selection."""
        found = set()
        for b in self.within(rect)[0]:
            w = min(b.x + b.w, rect[2]) - max(b.x, rect[0])
            h = min(b.y + b.h, rect[3]) - max(b.y, rect[1])
            if w > 0 and h > 0 and w * h * 2 >= b.w * b.h:
                found.add(b.name)
        return found

    def hit(self, x: float, y: float, zoom: float = 1.0, level: int = 2) -> Hit | None:
        """What is at a world position: port, knob (switch, fold), node, cable; the topmost first.

        `zoom` makes tolerances pixels; ports, knobs, switches and folds are hit from detail `level` 1 on.
        """
        s = self.scale / zoom
        reach = min(max(PORT_R + 3, 7 * s), 14.0)
        tolerance = 6 * s
        r = max(reach, tolerance)
        boxes, wires = self.within((x - r, y - r, x + r, y + r))
        for box in reversed(boxes):
            found = _in_box(box, x, y, reach) if level else None
            if found is not None:
                return found
            if box.x <= x <= box.x + box.w and box.y <= y <= box.y + box.h:
                return box
        best: Wire | None = None
        for wire in wires:
            d = _distance(wire.points, x, y, tolerance)
            if d < tolerance:
                tolerance, best = d, wire
        return best

    def wire_at(self, x: float, y: float, zoom: float = 1.0) -> Wire | None:
        """The cable at a world position, also where a node lies over it: a node that is dragged is dropped into it."""
        best, r = None, 10 * self.scale / zoom
        for wire in self.within((x - r, y - r, x + r, y + r))[1]:
            d = _distance(wire.points, x, y, r)
            if d < r:
                r, best = d, wire
        return best

    def port_near(self, x: float, y: float, distance: float) -> Port | None:
        """The nearest port within a distance: where a cable that is drawn snaps to."""
        best, least = None, distance
        for box in self.within((x - distance, y - distance, x + distance, y + distance))[0]:
            for port in box.ports:
                d = math.hypot(port.x - x, port.y - y)
                if d <= least:
                    best, least = port, d
        return best

    def output(self) -> Box | None:
        """The node where the sound leaves the patch; None where there is none."""
        return max((b for b in self.boxes.values() if b.data.type == "io/output"), key=lambda b: b.x, default=None)

    def free(self, x: float, y: float, w: float = WIDTH, h: float = 100.0) -> tuple[float, float]:
        """A place at or below (x, y) where a box of this size covers none."""
        for _ in range(1000):
            over = [b for b in self.within((x, y, x + w, y + h))[0] if b.x < x + w and b.x + b.w > x]
            if not over:
                break
            y = max(b.y + b.h for b in over) + GAP
        return x, y


def _in_box(box: Box, x: float, y: float, reach: float) -> Port | Knob | Switch | Fold | None:
    """The part of a box at a position."""
    if not (box.x - reach <= x <= box.x + box.w + reach and box.y - reach <= y <= box.y + box.h + reach):
        return None
    port, least = None, reach
    for p in box.ports:
        d = math.hypot(p.x - x, p.y - y)
        if d <= least:
            port, least = p, d
    if port is not None:
        return port
    for knob in box.knobs:
        if (knob.x - x) ** 2 + (knob.y - y) ** 2 <= (KNOB_R + 3) ** 2:
            return knob
    rows: list[Switch | Fold] = [*box.switches, *([box.fold] if box.fold else [])]
    for row in rows:
        if row.x <= x <= row.x + row.w and row.y <= y <= row.y + row.h:
            return row
    return None


def _distance(points: list[Point], x: float, y: float, most: float) -> float:
    """How far a position is from a line through points; at least `most` where it is farther."""
    best = most * most
    ax, ay = points[0]
    for bx, by in points[1:]:
        if not (x < ax - most and x < bx - most) and not (x > ax + most and x > bx + most):
            dx, dy = bx - ax, by - ay
            t = min(max(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy or 1.0), 0.0), 1.0)
            best = min(best, (x - ax - t * dx) ** 2 + (y - ay - t * dy) ** 2)
        ax, ay = bx, by
    return math.sqrt(best)
