"""Memory that compiled code works on: zeroed, 64-byte aligned, kept by key while something uses it."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from typing import TypeVar

import numpy as np

SLAB = 1 << 22
LINE = 64
REST = 1 << 12
"""Numbers that rest before one is given out again: a control may still be on its way to what had it before."""
Block = tuple[Hashable, int]  # key, bytes
K = TypeVar("K", bound=Hashable)


def touched(shape: int | tuple[int, ...], dtype: type = np.int64) -> np.ndarray:
    """A zeroed array whose pages are all there: the audio thread must not be the first to write to one."""
    out: np.ndarray = np.empty(shape, dtype)
    out.fill(0)
    return out


class Counts(dict[K, int]):
    """How many plans use a thing."""

    def add(self, things: Iterable[K]) -> None:
        for t in things:
            self[t] = self.get(t, 0) + 1

    def drop(self, things: Iterable[K]) -> list[K]:
        """Takes one use back from each; gives those that nothing uses any more."""
        gone = []
        for t in things:
            self[t] -= 1
            if self[t] == 0:
                del self[t]
                gone.append(t)
        return gone


class Memory:
    """An arena: the same key (and size) gives the same address, so a node that is in two plans keeps its state.

    What is taken between `open` and `seal` belongs to one plan, until `release`; the rest belongs to the arena for
    good.  Slabs are never moved or freed while the arena lives; all of it is touched when made, so that the audio
    thread meets no page fault.
    """

    def __init__(self) -> None:
        self._slabs: list[np.ndarray] = []
        self._at: dict[Block, int] = {}
        self._free: dict[int, deque[int]] = {}
        self._next = self._end = self._numbers = 0
        self._counts: Counts[Block] = Counts()
        self._plan: dict[Block, None] | None = None

    def open(self) -> None:
        """From now on, what is taken belongs to the plan that is being made."""
        self._plan = {}

    def seal(self) -> list[Block]:
        """The plan is made; gives what it uses."""
        used, self._plan = list(self._plan or ()), None
        self._counts.add(used)
        return used

    def release(self, used: Iterable[Block]) -> None:
        """A plan is gone: what no other plan uses may be given out again."""
        for block in self._counts.drop(used):
            self._free.setdefault(block[1], deque()).append(self._at.pop(block))

    def take(self, key: Hashable, size: int) -> int:
        """Address of `size` bytes under `key`; zero when new."""
        return self._take((key, max(-(-size // LINE) * LINE, LINE)))

    def number(self, key: Hashable) -> int:
        """A small number under `key`, kept and given out again like memory: what controls call their target."""
        return self._take((key, 0))

    def _take(self, block: Block) -> int:
        at = self._at.get(block)
        if at is None:
            at = self._at[block] = self._new(block[1])
        if self._plan is not None:
            self._plan[block] = None
        else:
            self._counts.add([block])
        return at

    def _new(self, size: int) -> int:
        free = self._free.get(size, ())
        if not size:
            if len(free) > REST:
                return self._free[size].popleft()
            self._numbers += 1
            return self._numbers - 1
        if free:
            at = self._free[size].pop()
            self.view(at, size)[:] = 0
            return at
        if self._next + size > self._end:
            slab = np.empty(max(SLAB, size) + LINE, np.uint8)
            slab.fill(0)  # touches every page
            self._slabs.append(slab)
            self._next = -(-slab.ctypes.data // LINE) * LINE
            self._end = slab.ctypes.data + slab.nbytes
        at, self._next = self._next, self._next + size
        return at

    def view(self, at: int, size: int, dtype: str = "uint8") -> np.ndarray:
        """The bytes at an address of this arena as an array of `dtype`."""
        for slab in self._slabs:
            start = at - slab.ctypes.data
            if start >= 0 and start + size <= slab.nbytes:
                return slab[start : start + size].view(dtype)
        raise KeyError(f"no memory of this arena at {at}")

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(s.nbytes for s in self._slabs)
