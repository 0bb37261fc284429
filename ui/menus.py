"""Which actions the right-click menus offer, by what was clicked; "" is a line.  Titles and keys are in `ui.actions`."""

from __future__ import annotations

from collections.abc import Mapping

from graph.patch import Patch

from .model import Port
from .overlay import Palette, Point, PortName
from .palette import Wish, wish

MENUS: Mapping[str, tuple[str, ...]] = {
    "canvas": (
        "add", "paste", "", "undo", "redo", "", "select-all", "find", "fit", "", "leave", "lock", "panic",
    ),
    "node": (
        "trust", "", "enter", "curves", "points", "rename", "help", "", "cut", "copy", "duplicate", "duplicate-incoming",
        "delete", "delete-bridge", "", "bypass", "mute", "solo", "rearm", "reload", "encode", "", "group", "connect",
        "align-left", "align-right", "align-top", "align-bottom", "align-centre", "align-middle", "spread-across",
        "spread-down", "",
    ),
    "port": ("add-here", "disconnect", "drivers", "copy-address"),
    "cable": ("insert", "amount", "amount-zero", "invert", "mode", "delete", "drivers"),
    "knob": (
        "type-value", "default", "", "add-lfo", "learn", "drivers", "amount", "disconnect", "", "expose", "copy-address",
    ),
    "switch": ("type-value", "default", "", "learn", "expose", "copy-address"),
}  # fmt: skip


def wish_of(patch: Patch, port: PortName | None) -> Wish | None:
    """What a port asks of a node that is added at it."""
    return None if port is None else wish(patch, port[0], port[2], port[1] == "out")


def palette_for(patch: Patch, port: Port, x: float, y: float, at: Point) -> Palette:
    """The palette of what fits a port."""
    name: PortName = port.node, port.side, port.name
    return Palette(x, y, (at[0] + (60.0 if port.side == "out" else -60.0), at[1]), wish_of(patch, name), name)
