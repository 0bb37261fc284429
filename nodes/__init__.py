"""What can be patched.  Importing this package makes every node type known; `from nodes import Patch` to begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .base import Choice, Data, In, Node, Out, Param, Setting, f32, f64, i32, i64
from .catalog import classes, load, problems, reload, watch

if TYPE_CHECKING:
    from graph import Patch

__all__ = [
    "Choice", "Data", "In", "Node", "Out", "Param", "Patch", "Setting", "classes", "f32", "f64", "i32", "i64", "load",
    "problems", "reload", "watch",
]  # fmt: skip

load()


def __getattr__(name: str) -> Any:
    """`Patch` comes from `graph`, whose networkx takes longer to import than all node types; so only when asked."""
    if name == "Patch":
        from graph import Patch

        return Patch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
