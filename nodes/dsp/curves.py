"""The curves of a path, one a dimension over time: operators on them, copies of them, other lengths.

A table is an array [rows, dims] of float64 or float32.  Every function gives a new one and leaves what it was given.  Rows and
dimensions are counted from 0, `first` and `last` belong to the range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Wish:
    """What an operator is told: `amount` is a factor, a shift, the reach of chance or a number of rows; `step` are the rows
    from one random number to the next; `seed` makes the numbers.
    """

    amount: float = 1.0
    step: int = 1
    seed: int = 0


def _random(part: np.ndarray, wish: Wish) -> np.ndarray:
    """Even chance within ± `amount` every `step` rows, and straight lines between."""
    rows, dims = part.shape
    step = max(wish.step, 1)
    count = -(-(rows - 1) // step) + 1
    goals = np.random.default_rng(wish.seed).uniform(-wish.amount, wish.amount, (count, dims))
    at = np.arange(rows) / step
    return np.stack([np.interp(at, np.arange(count), goals[:, d]) for d in range(dims)], 1)


def _smooth(part: np.ndarray, wish: Wish) -> np.ndarray:
    """Moving mean over about `amount` rows (an odd number); what lies beyond an end is taken to be as the end."""
    half = max(round(wish.amount) // 2, 0)
    if half == 0 or len(part) < 2:
        return part.copy()
    wide = np.concatenate([np.repeat(part[:1], half, 0), part, np.repeat(part[-1:], half, 0)])
    sums = np.concatenate([np.zeros((1, part.shape[1])), np.cumsum(wide, 0, dtype=np.float64)])
    found: np.ndarray = (sums[2 * half + 1 :] - sums[: -2 * half - 1]) / (2 * half + 1)
    return found


OPERATORS: dict[str, Callable[[np.ndarray, Wish], np.ndarray]] = {
    "random": _random,
    "scale": lambda part, wish: part * wish.amount,
    "bias": lambda part, wish: part + wish.amount,
    "reverse": lambda part, wish: part[::-1],
    "smooth": _smooth,
    "erase": lambda part, wish: np.zeros_like(part),
}
"""What can be done with a part of a table, by name."""


def operate(table: np.ndarray, word: str, dims: Iterable[int], first: int, last: int, wish: Wish) -> np.ndarray:
    """One of `OPERATORS` on the given dimensions in a range of rows."""
    chosen, found = list(dims), table.copy()
    found[first : last + 1, chosen] = OPERATORS[word](table[first : last + 1, chosen], wish)
    return found


def copied(table: np.ndarray, source: int, dim: int, first: int, last: int) -> np.ndarray:
    """The curve of one dimension in another one too, in a range of rows."""
    found = table.copy()
    found[first : last + 1, dim] = table[first : last + 1, source]
    return found


def resampled(table: np.ndarray, rows: int) -> np.ndarray:
    """The same curves in another number of rows: straight between the old ones, both ends as they were."""
    if rows == len(table):
        return table.copy()
    at = np.linspace(0.0, len(table) - 1, rows)
    made = np.stack([np.interp(at, np.arange(len(table)), table[:, d]) for d in range(table.shape[1])], 1)
    return made.astype(table.dtype, copy=False)


def widened(table: np.ndarray, dims: int) -> np.ndarray:
    """The same curves, and flat ones at 0 until there are `dims`."""
    return np.pad(table, ((0, 0), (0, max(dims - table.shape[1], 0))))


def sent(source: np.ndarray, goal: np.ndarray, dims: Iterable[int]) -> np.ndarray:
    """`goal` with these curves of `source`; the others stay.

    It keeps its length, and the curves are resampled to that; with one row only it has no length, and takes that of `source`.
    Raises ValueError where `source` has no such curve.
    """
    chosen = list(dims)
    wide = 1 + max(chosen, default=0)
    if wide > source.shape[1]:
        raise ValueError(f"there is no dimension {wide} of {source.shape[1]} to take")
    rows = len(goal) if len(goal) > 1 else len(source)
    found = widened(resampled(goal, rows), wide)
    found[:, chosen] = resampled(source, rows)[:, chosen]
    return found
