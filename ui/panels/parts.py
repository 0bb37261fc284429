"""What panels share: tips, headings, buttons.  Callbacks of DearPyGui get (sender, value, user data)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import dearpygui.dearpygui as dpg

if TYPE_CHECKING:
    from ..app import App

Item = int | str


def tip(app: App, item: Item, text: str) -> None:
    """Help that is shown while the pointer rests on an item."""
    if text:
        with dpg.tooltip(item, delay=0.5, hide_on_activity=True):
            dpg.add_text(text, wrap=app.px(320))


def button(app: App, label: str, call: Callable[[], Any], help: str = "", width: int = 0, small: bool = False) -> Item:
    """A button that calls without arguments."""
    item: Item = dpg.add_button(label=label, width=width, small=small, callback=lambda: call())
    tip(app, item, help)
    return item


def heading(app: App, text: str) -> None:
    """A title between groups of rows."""
    dpg.add_spacer(height=app.px(3))
    dpg.add_text(text, color=app.theme.accent)


def dim(app: App, text: str, wrap: int = 0) -> Item:
    """Text of less weight."""
    item: Item = dpg.add_text(text, color=app.theme.dim, wrap=wrap or 0)
    return item


def clear(item: Item) -> None:
    """Removes what is inside an item."""
    dpg.delete_item(item, children_only=True)


def gone(*items: Item | None) -> None:
    """Removes items that may be gone already."""
    for item in items:
        if item:
            with suppress(SystemError):
                dpg.delete_item(item)


def place(app: App, x: float, y: float, w: float, h: float) -> tuple[int, int]:
    """Where a window of this size opens so that it stays inside."""
    wide, high = dpg.get_viewport_client_width(), dpg.get_viewport_client_height()
    return int(max(min(x, wide - w - 4), 4)), int(max(min(y, high - h - 4), 4))


def active(*items: Item) -> bool:
    """Whether somebody is at one of these widgets, so that they must not be set or removed."""
    return any(dpg.does_item_exist(i) and (dpg.is_item_active(i) or dpg.is_item_focused(i)) for i in items)
