"""The menu bar and right-click menus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dearpygui.dearpygui as dpg

if TYPE_CHECKING:
    from .app import App


def build(app: App) -> int | str:
    """The menu bar."""
    bar: int | str = dpg.add_viewport_menu_bar()
    return bar
