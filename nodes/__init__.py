"""What can be patched.  Importing this package makes every node type known; `from nodes import Patch` to begin."""

from graph import Patch

from .base import Choice, Data, In, Node, Out, Param, Setting, f32, f64, i32, i64
from .catalog import classes, load, problems, reload, watch

__all__ = [
    "Choice", "Data", "In", "Node", "Out", "Param", "Patch", "Setting", "classes", "f32", "f64", "i32", "i64", "load",
    "problems", "reload", "watch",
]  # fmt: skip

load()
