"""Memory that compiled code works on: zeroed, 64-byte aligned, kept by key while something uses it."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

SLAB = 1 << 20
LINE = 64


class Memory:
    """An arena: the same key (and size) gives the same address, so a node that is in two plans keeps its state.

    Slabs are never moved or freed while the arena lives; all of it is touched when made, so that the audio thread
    meets no page fault.
    """

    def __init__(self) -> None:
        self._slabs: list[np.ndarray] = []
        self._at: dict[tuple[Hashable, int], int] = {}
        self._free: dict[int, list[int]] = {}
        self._next = self._end = 0

    def take(self, key: Hashable, size: int) -> int:
        """Address of `size` bytes under `key`; zero when new."""
        size = max(-(-size // LINE) * LINE, LINE)
        full = (key, size)
        at = self._at.get(full)
        if at is None:
            at = self._at[full] = self._new(size)
        return at

    def _new(self, size: int) -> int:
        if self._free.get(size):
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
