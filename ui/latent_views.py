"""How latents look: which points, lines and bars their pictures consist of.  Arrays in, places out; no window needed.

An `area` is a rectangle (left, top, right, bottom) whose middle is 0; a value of `edge` lies at its edge.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from graph import rules, subpatch
from graph.errors import PatchError
from graph.patch import Patch

from .shapes import Box, Point, Rect
from .theme import Colour, Theme

KINDS = ("view/latent-path", "view/latent-bars", "view/latent-scatter", "latent/plane")
STILL = ("view/latent-scatter", "latent/plane")
"""Those with a cursor, which is seen in silence too."""
RATE = 20.0
"""Frames a second where it is not known."""
PARTS = 8  # of a tail, each paler than the next
LINES = 64  # dimensions that are drawn
SPOTS = 600  # of a scatter; where there are more, near ones are drawn as one
GOLDEN = 0.618034


def value(box: Box, name: str) -> Any:
    """Param, choice or setting of a view as the patch has it."""
    assert box.spec is not None
    for part in ("params", "choices", "settings"):
        declared = getattr(box.spec, part)
        if name in declared:
            return getattr(box.data, part).get(name, declared[name].default)
    raise KeyError(name)


def rate(patch: Patch, node: str, letter: str = "z") -> float:
    """Latent frames a second at a node (full path) of a patch; `RATE` where the latent space is not known there."""
    try:
        deep = any(d.type == subpatch.PATCH for d in patch.nodes.values())
        space = rules.spaces(subpatch.flatten(patch) if deep else patch).get((node, letter))
        return float(patch.rate / Fraction(space.ratio)) if space and space.ratio else RATE
    except (PatchError, ZeroDivisionError):
        return RATE


def colour(theme: Theme, dim: int) -> Colour:
    """Colour of a dimension, counted from 0: hues far apart, light on a dark theme and dark on a light one."""
    light = sum(theme.canvas[:3]) > 3 * 128
    r, g, b = colorsys.hsv_to_rgb((0.55 + dim * GOLDEN) % 1.0, 0.85 if light else 0.6, 0.62 if light else 0.98)
    return round(255 * r), round(255 * g), round(255 * b), 255


def nice(most: float) -> float:
    """The smallest of … 0.5, 1, 2, 5, 10 … that is not below `most`."""
    if not math.isfinite(most) or most <= 1e-6:
        return 1.0
    step = 10.0 ** math.floor(math.log10(most))
    return next(k * step for k in (1.0, 2.0, 5.0, 10.0) if k * step >= most * (1 - 1e-9))


def edge(box: Box, seen: np.ndarray) -> float:
    """The value at the edge of a picture: what is set, or where it fits what is seen a round number."""
    if value(box, "scale") == "fixed":
        return float(value(box, "edge"))
    return nice(float(np.abs(clean(seen)).max(initial=0.0)))


def clean(values: np.ndarray) -> np.ndarray:
    """Finite numbers only."""
    found: np.ndarray = np.nan_to_num(np.asarray(values, float), posinf=0.0, neginf=0.0)
    return found


def spots_at(points: np.ndarray, area: Rect, edge: float) -> np.ndarray:
    """Where values [n, 2] lie, [n, 2]; those beyond the edge lie on it."""
    x0, y0, x1, y1 = area
    part = np.clip(clean(points) / edge, -1.0, 1.0)
    return np.stack([(x0 + x1) / 2 + part[:, 0] * (x1 - x0) / 2, (y0 + y1) / 2 - part[:, 1] * (y1 - y0) / 2], 1)


def pair(heard: np.ndarray, x: int, y: int) -> np.ndarray:
    """Two dimensions, counted from 1, of frames [n, dims]: [n, 2]; 0 where there is no such dimension."""
    found = np.zeros((len(heard), 2))
    for k, dim in enumerate((x, y)):
        if 1 <= dim <= heard.shape[1]:
            found[:, k] = heard[:, dim - 1]
    return found


def tail(points: np.ndarray, area: Rect, edge: float) -> list[tuple[list[Point], float]]:
    """The way through values [n, 2], the oldest first: lines, and how opaque each is (the last one wholly)."""
    places = [(float(x), float(y)) for x, y in spots_at(points, area, edge)]
    if len(places) < 2:
        return []
    cuts = sorted({round(k * (len(places) - 1) / PARTS) for k in range(PARTS + 1)})
    count = len(cuts) - 1
    return [(places[a : b + 1], (k + 1) / count) for k, (a, b) in enumerate(pairwise(cuts))]


def lines(heard: np.ndarray, area: Rect, edge: float, frames: int) -> list[list[Point]]:
    """A line for each dimension of frames [n, dims]: the last is at the right, the left edge is `frames` ago."""
    x0, y0, x1, y1 = area
    seen = clean(heard[-frames:, :LINES])
    if len(seen) < 2:
        return []
    xs = x1 - np.arange(len(seen) - 1, -1, -1) * (x1 - x0) / max(frames - 1, 1)
    ys = (y0 + y1) / 2 - np.clip(seen / edge, -1, 1) * (y1 - y0) / 2
    return [list(zip(xs.tolist(), ys[:, d].tolist(), strict=True)) for d in range(seen.shape[1])]


@dataclass(frozen=True)
class Bar:
    """One dimension: the bar from the middle to its value, the field of its swing, and the height of its mean."""

    bar: Rect
    field: Rect
    mean: float


def bars(heard: np.ndarray, area: Rect, edge: float) -> list[Bar]:
    """A bar for each dimension of frames [n, dims], the last one being now."""
    x0, y0, x1, y1 = area
    seen = clean(heard)
    middle, half = (y0 + y1) / 2, (y1 - y0) / 2

    def at(values: np.ndarray) -> list[float]:
        found: list[float] = (middle - np.clip(values / edge, -1, 1) * half).tolist()
        return found

    now, mean, swing = seen[-1], seen.mean(0), 2 * seen.std(0)
    w = (x1 - x0) / len(now)
    found = []
    for k, (y, m, top, bottom) in enumerate(zip(at(now), at(mean), at(mean + swing), at(mean - swing), strict=True)):
        left, right = x0 + (k + 0.12) * w, x0 + (k + 0.88) * w
        bar = (left, min(y, middle), right, max(y, middle, min(y, middle) + 1))
        found.append(Bar(bar, (x0 + k * w, top, x0 + (k + 1) * w, bottom), m))
    return found


# the scatter


def dots(points: np.ndarray, area: Rect, edge: float, cell: float = 3.0, most: int = SPOTS) -> list[tuple[float, float, int]]:
    """Where values [n, 2] are drawn, and how many lie there: those in one square cell are one dot.

    A dot lies at the mean of its points; the cells grow until there are at most `most` dots.
    """
    places = spots_at(points, area, edge)
    while True:
        keys = np.floor(places / cell).astype(np.int64)
        _, cells, counts = np.unique((keys[:, 0] << 32) + keys[:, 1], return_inverse=True, return_counts=True)
        if len(counts) <= most:
            break
        cell *= 1.5
    xs, ys = (np.bincount(cells, places[:, k]) / counts for k in (0, 1))
    return list(zip(xs.tolist(), ys.tolist(), counts.tolist(), strict=True))


def nearest(points: np.ndarray, cursor: Point, count: int) -> list[tuple[int, float]]:
    """The `count` values [n, 2] nearest to a place, the nearest first, each with its part of the mixture (they sum to 1)."""
    far = np.square(clean(points) - np.asarray(cursor)).sum(1)
    best = np.argsort(far, kind="stable")[:count]
    weights = 1.0 / (far[best] + 1e-9)
    return [(int(k), float(w)) for k, w in zip(best, weights / weights.sum(), strict=True)]


def position(area: Rect, x: float, y: float) -> Point:
    """The cursor (−1 … 1 each) at a place in the picture; places outside are at the edge."""
    x0, y0, x1, y1 = area
    across, up = (2 * x - x0 - x1) / max(x1 - x0, 1e-9), (y0 + y1 - 2 * y) / max(y1 - y0, 1e-9)
    return min(max(across, -1.0), 1.0), min(max(up, -1.0), 1.0)


def inside(area: Rect | None, x: float, y: float) -> bool:
    """Whether a place lies in a picture."""
    return area is not None and area[0] <= x <= area[2] and area[1] <= y <= area[3]


def table(rows: Sequence[Sequence[float]]) -> np.ndarray:
    """A table of the patch as an array [rows, columns]."""
    found = np.asarray(rows, float)
    return found.reshape(len(found), -1)
