"""Settings: theme, UI scale, what the canvas shows.  They are kept on this machine and are no part of a patch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dearpygui.dearpygui as dpg

from .. import settings as kept
from .. import theme
from . import parts

if TYPE_CHECKING:
    from ..app import App


class Panel:
    """A window, made when it is asked for."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.window: parts.Item = 0

    def open(self) -> None:
        """Opens the window."""
        self.remove()
        w, h, wide = dpg.get_viewport_client_width(), dpg.get_viewport_client_height(), self.app.px(360)
        with dpg.window(
            label="Settings", width=wide, autosize=True, no_collapse=True, no_saved_settings=True, pos=((w - wide) // 2, h // 5)
        ) as self.window:
            self._fill()

    @property
    def showing(self) -> bool:
        """Whether it is open."""
        return bool(self.window and dpg.does_item_exist(self.window) and dpg.is_item_shown(self.window))

    def _fill(self) -> None:
        app = self.app
        names = list(theme.THEMES)
        dpg.add_text("Theme")
        dpg.add_radio_button(
            items=names, default_value=app.theme.name, horizontal=True, callback=lambda s, name: self._dress(name)
        )
        dpg.add_text("Size of everything")
        scales = {"as the display says": 0.0, **{f"{s:g} ×": s for s in theme.SCALES}}
        now = next((k for k, v in scales.items() if v == app.settings.scale), "as the display says")
        dpg.add_combo(
            items=list(scales), default_value=now, width=app.px(330),
            callback=lambda s, name: self._dress(scale=scales[name]),
        )  # fmt: skip
        dpg.add_text("Canvas")
        dpg.add_checkbox(label="small map", default_value=app.settings.minimap, callback=lambda s, on: self._map(on))
        levels = dpg.add_checkbox(
            label="cables show what they carry", default_value=app.settings.cable_levels,
            callback=lambda s, on: self._levels(on),
        )  # fmt: skip
        parts.tip(app, levels, "thicker where more passes, with dots that run")
        dpg.add_spacer(height=app.px(4))
        parts.dim(app, f"These are kept in {kept.folder()}.", app.px(320))

    def _dress(self, name: str | None = None, scale: float | None = None) -> None:
        """Another theme or size (0: the display's); the window opens again in it."""

        def then() -> None:
            self.app.restyle(name, scale)
            self.app.docks.made("settings").open()

        self.app.later(then)

    def _map(self, on: bool) -> None:
        self.app.settings.minimap = on
        self.app.settings.save()

    def _levels(self, on: bool) -> None:
        self.app.settings.cable_levels = on
        self.app.show_levels(on)
        self.app.settings.save()

    def refresh(self) -> None:
        """Nothing changes by itself."""

    def remove(self) -> None:
        """Takes it away."""
        parts.gone(self.window)
        self.window = 0
