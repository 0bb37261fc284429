"""What can be done with the curves of a table besides `nodes.dsp.curves`: drawing, fewer points; and the edits it makes.

A table is an array of float64 [rows, dims].  Every function gives a new one and leaves what it was given.  Rows are counted
from 0, `first` and `last` belong to the range.
"""

from __future__ import annotations

import heapq
from typing import Any, cast

import numpy as np

from graph.edits import Edit, Edits, SetData
from graph.patch import Patch
from nodes.dsp.curves import Wish, copied, operate, resampled
from runtime import tapes

__all__ = ["DONE", "Wish", "breakpoints", "copied", "edit", "line", "operate", "outline", "resampled", "scattered"]

DONE: dict[str, str] = {
    "random": "randomise", "scale": "scale", "bias": "shift", "reverse": "reverse", "smooth": "smooth", "erase": "erase",
}  # fmt: skip
"""The operators, and how a step of the history calls each."""


def line(table: np.ndarray, dim: int, start: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    """A straight line in one dimension between two (row, value), both rows included; what lies beyond the table is cut."""
    found = table.copy()
    a, b = sorted((start, end))
    first, last = max(round(a[0]), 0), min(round(b[0]), len(table) - 1)
    if first > last:
        return found
    if round(a[0]) == round(b[0]):
        found[first, dim] = end[1]
    else:
        rows = np.arange(first, last + 1)
        found[rows, dim] = np.interp(rows, (round(a[0]), round(b[0])), (a[1], b[1]))
    return found


def breakpoints(curve: np.ndarray, tolerance: float, most: int = 200) -> list[int]:
    """The rows that a curve [rows] is made of if it is straight between them, to within `tolerance`; at most `most`.

    Greedy splitting (Ramer 1972, Douglas and Peucker 1973): each time the row that is farthest from its line is added.
    """
    last = len(curve) - 1
    kept = {0, last}
    heap: list[tuple[float, int, int, int]] = []

    def look(a: int, b: int) -> None:
        if b - a < 2:
            return
        straight = np.interp(np.arange(a + 1, b), (a, b), (curve[a], curve[b]))
        off = np.abs(curve[a + 1 : b] - straight)
        at = int(off.argmax())
        if off[at] > tolerance:
            heapq.heappush(heap, (-float(off[at]), a, a + 1 + at, b))

    look(0, last)
    while heap and len(kept) < most:
        _, a, at, b = heapq.heappop(heap)
        kept.add(at)
        look(a, at)
        look(at, b)
    return sorted(kept)


def outline(table: np.ndarray, first: float, span: float, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """What is drawn of all curves between the rows `first` and `first + span`: rows [n], values [n, dims].

    Where there are more than two rows in a column, its least and its greatest value stand for them.
    """
    a = max(int(np.floor(first)), 0)
    b = min(int(np.ceil(first + span)) + 1, len(table))
    seen = table[a:b]
    if len(seen) <= 2 * columns:
        return np.arange(a, b, dtype=float), seen
    edges = np.linspace(0, len(seen), columns + 1).astype(int)[:-1]
    low, high = np.minimum.reduceat(seen, edges, axis=0), np.maximum.reduceat(seen, edges, axis=0)
    rising = seen[edges] <= (low + high) / 2  # begins at the end that is nearer to where the column begins
    values = np.stack([np.where(rising, low, high), np.where(rising, high, low)], 1).reshape(-1, seen.shape[1])
    width = len(seen) / columns
    rows = a + np.repeat(edges, 2) + np.tile((0.25 * width, 0.75 * width), columns)
    return rows, values


def edit(node: str, name: str, before: Any, old: np.ndarray, new: np.ndarray, title: str) -> Edit | None:
    """The edit from one table to another with as few rows as may be; None where they are equal.

    `before` is the table as the patch has it; `old`, the same as an array, may have more dimensions.
    """
    if np.array_equal(old, new):
        return None
    start = None
    if (len(before), len(before[0])) == new.shape:
        changed = np.flatnonzero((old != new).any(1))
        first, last = int(changed[0]), int(changed[-1])
        start = first if (first, last) != (0, len(new) - 1) else None
        new = new[first : last + 1]
    return Edits((SetData(node, name, cast(Any, new), start),), title)


# from a tape to the points of a scatter


def scattered(patch: Patch, tape: str, scatter: str) -> Edit:
    """The rows of a tape as the points of a scatter, in the same latent space; of too many, as many as fit, evenly spread."""
    rows, spec = patch.value(tape, "path"), patch.spec(scatter)
    most = spec.data["points"].limit if spec is not None else len(rows)
    at = range(len(rows)) if len(rows) <= most else np.linspace(0, len(rows) - 1, most).astype(int).tolist()
    points = SetData(scatter, "points", [list(rows[k]) for k in at])
    return Edits((points, *tapes.alike(patch, scatter, tapes.space(patch, tape))), f"take the points of {scatter} from {tape}")
