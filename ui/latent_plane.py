"""The face of `latent/plane`: where its points and discs lie, what they are called, and what dragging makes of its table.

A place on the plane is x and y, 0 … 1 each, from left to right and from below upwards.  No window needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np

from graph.patch import Patch
from nodes.latent_mixes import weight

from . import latent_views
from .shapes import Box, Point, Rect

PLANE = "latent/plane"
LATENTS = ("a", "b", "c", "d")
"""The inlet of each point."""
CURSOR = ("x", "y")
LIVE = ("at_x", "at_y")
"""The params that place the cursor, and the outlets that say where it is."""
GRIP = 9.0  # world units around a point at which it is taken
INSET = 10.0  # of the plane in its picture, so that a point in a corner is wholly in it
CORNERS = 64  # of a disc

Rows = tuple[tuple[float, ...], ...]


def rows(box: Box) -> Rows:
    """The points as the patch has them: rows of x, y and, where there is a third column, the part of `radius`."""
    assert box.spec is not None
    found: Rows = tuple(box.data.data.get("points", box.spec.data["points"].default))
    return found


def spread(table: Rows) -> list[tuple[float, float, float]]:
    """x, y and own part of the radius of every point; 1 where the table has no such column."""
    return [(row[0], row[1] if len(row) > 1 else 0.0, row[2] if len(row) > 2 else 1.0) for row in table]


def names(patch: Patch, node: str) -> tuple[str, ...]:
    """What is patched in at each point: names of nodes, "" where nothing is."""
    return tuple(" + ".join(dict.fromkeys(key[0] for key, _ in patch.into(node, n))) for n in LATENTS)


def inner(area: Rect) -> Rect:
    """Where the plane lies in a picture."""
    x0, y0, x1, y1 = area
    return x0 + INSET, y0 + INSET, x1 - INSET, y1 - INSET


def place(area: Rect, x: float, y: float) -> Point:
    """Where a place on the plane lies in the picture."""
    x0, y0, x1, y1 = inner(area)
    return x0 + x * (x1 - x0), y1 - y * (y1 - y0)


def position(area: Rect, x: float, y: float) -> Point:
    """The place on the plane at a place in the picture; those outside are at the edge."""
    across, up = latent_views.position(inner(area), x, y)
    return (across + 1) / 2, (up + 1) / 2


def grip(box: Box, x: float, y: float, reach: float = GRIP) -> int | None:
    """The point (its row) that a hand at a place of the canvas takes: the nearest within `reach`; None where none is."""
    if box.picture is None:
        return None
    far = [math.dist((x, y), place(box.picture, px, py)) for px, py, _ in spread(rows(box))]
    nearest = min(range(len(far)), key=far.__getitem__)
    return nearest if far[nearest] <= reach else None


def moved(table: Rows, row: int, at: Point) -> Rows:
    """The table with a point elsewhere."""
    new = [(x, y, *old[2:]) for (x, y, _), old in zip(spread(table), table, strict=True)]
    new[row] = (round(at[0], 4), round(at[1], 4), *table[row][2:])
    return tuple(new)


def widened(table: Rows, row: int, part: float) -> Rows:
    """The table with another part of the radius for one point, 0 … 1; those without one have 1."""
    return tuple((x, y, round(min(max(part, 0.0), 1.0), 4) if k == row else own) for k, (x, y, own) in enumerate(spread(table)))


def shares(table: Rows, cursor: Point, radius: float) -> list[float]:
    """How much of the mixture each point is; they sum to 1."""
    points = np.asarray(table, float)
    found = [float(weight(points, k, *cursor, radius)) for k in range(len(table))]  # type: ignore[no-untyped-call]
    return [w / sum(found) for w in found]


@lru_cache(256)
def disc(area: Rect, x: float, y: float, radius: float) -> tuple[Point, ...]:
    """The outline of a disc, as far as it is in the picture: a convex polygon; empty where nothing of it is."""
    turns = (math.tau * k / CORNERS for k in range(CORNERS))
    shape = [place(area, x + radius * math.cos(t), y + radius * math.sin(t)) for t in turns]
    for axis, edge, sign in ((0, area[0], 1.0), (1, area[1], 1.0), (0, area[2], -1.0), (1, area[3], -1.0)):
        shape = _cut(shape, axis, edge, sign)
    return tuple(shape)


def _cut(shape: Sequence[Point], axis: int, edge: float, sign: float) -> list[Point]:
    """What of a convex polygon lies on one side of an edge (I. Sutherland and G. Hodgman, 1974)."""
    found: list[Point] = []
    for one, two in pairwise((*shape, *shape[:1])):
        a, b = sign * (one[axis] - edge), sign * (two[axis] - edge)
        if a >= 0:
            found.append(one)
        if (a < 0) != (b < 0):
            t = a / (a - b)
            found.append((one[0] + t * (two[0] - one[0]), one[1] + t * (two[1] - one[1])))
    return found
