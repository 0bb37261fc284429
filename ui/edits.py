"""Edits that the editor makes of several: copy, paste, remove with bridging, insert, align.  Each is one undo step.

All functions read a patch (the editor's `here()`, with its lock held) and give an edit for `Editor.do`, None where there is
nothing to do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Literal

from graph.edits import Edit
from graph.patch import Key, Patch

from .model import Layout

Clip = dict[str, Any]
"""Copied nodes and the cables between them, as plain data (JSON or msgpack keep it)."""


def copy(patch: Patch, names: Iterable[str]) -> Clip:
    """The nodes and the cables between them."""
    raise NotImplementedError


def paste(patch: Patch, clip: Clip, at: tuple[float, float] | None = None, offset: float = 24.0) -> tuple[Edit, list[str]] | None:
    """Adds what was copied under free names; gives their names too (they become the selection).

    The upper left corner comes to `at`, or everything lies `offset` beside where it was.
    """
    raise NotImplementedError


def duplicate(patch: Patch, names: Iterable[str], incoming: bool = False, offset: float = 24.0) -> tuple[Edit, list[str]] | None:
    """A copy of nodes beside them; with `incoming`, the cables that come from elsewhere too."""
    raise NotImplementedError


def remove(patch: Patch, names: Collection[str], keys: Iterable[Key] = (), bridge: bool = False) -> Edit | None:
    """Removes nodes and cables; with `bridge`, what passed through the nodes is reconnected."""
    raise NotImplementedError


def insert(patch: Patch, key: Key, node: str, type: str = "", at: tuple[float, float] = (0.0, 0.0)) -> Edit | None:
    """Puts a node into a cable: a new one of `type` called `node`, or the one that is there; None where it does not fit."""
    raise NotImplementedError


def swap_end(patch: Patch, key: Key, end: Literal["src", "dst"], node: str, port: str) -> Edit | None:
    """Moves one end of a cable to another port; its amount stays."""
    raise NotImplementedError


def align(layout: Layout, names: Iterable[str], how: str) -> Edit | None:
    """Aligns "left", "right", "top", "bottom", "centre" (of columns), "middle" (of rows), or spreads "across" or "down"."""
    raise NotImplementedError


def move(layout: Layout, names: Iterable[str], dx: float, dy: float) -> Edit | None:
    """Moves nodes by a distance."""
    raise NotImplementedError


def group(patch: Patch, names: Collection[str], into: str = "") -> tuple[Edit, str] | None:
    """Puts nodes into a sub-patch; gives its name too."""
    raise NotImplementedError


def chain(patch: Patch, names: Collection[str]) -> Edit | None:
    """Connects nodes from left to right, the first outlet that fits to the first inlet."""
    raise NotImplementedError


def bypass(patch: Patch, names: Collection[str]) -> Edit | None:
    """Takes nodes out of the way, or back in where all are out."""
    raise NotImplementedError
