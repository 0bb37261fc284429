"""Settings: theme, UI scale, what the canvas shows.  They are kept on this machine and are no part of a patch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dearpygui.dearpygui as dpg

from .. import settings as kept
from .. import theme
from . import parts

if TYPE_CHECKING:
    from ..app import App

_window: parts.Item = 0


def build(app: App) -> None:
    """Nothing is made before it is asked for."""


def open(app: App) -> None:
    """Opens the window."""
    global _window
    parts.gone(_window)
    w, h = dpg.get_viewport_client_width(), dpg.get_viewport_client_height()
    wide = app.px(360)
    _window = dpg.add_window(
        label="Settings", width=wide, autosize=True, no_collapse=True, no_saved_settings=True, pos=((w - wide) // 2, h // 5)
    )
    dpg.push_container_stack(_window)
    try:
        _fill(app)
    finally:
        dpg.pop_container_stack()


def _fill(app: App) -> None:
    names = {t: t for t in theme.THEMES}
    dpg.add_text("Theme")
    dpg.add_radio_button(
        items=list(names), default_value=app.theme.name, horizontal=True, callback=lambda s, name: _dress(app, name)
    )
    dpg.add_text("Size of everything")
    scales = {"as the display says": 0.0, **{f"{s:g} ×": s for s in theme.SCALES}}
    now = next((k for k, v in scales.items() if v == app.settings.scale), "as the display says")
    dpg.add_combo(
        items=list(scales), default_value=now, width=-1, callback=lambda s, name: _dress(app, scale=scales[name] or None)
    )
    dpg.add_text("Canvas")
    dpg.add_checkbox(label="small map", default_value=app.settings.minimap, callback=lambda s, on: _map(app, on))
    levels = dpg.add_checkbox(
        label="cables show what they carry", default_value=app.settings.cable_levels, callback=lambda s, on: _levels(app, on)
    )
    parts.tip(app, levels, "thicker where more passes, with dots that run")
    dpg.add_spacer(height=app.px(4))
    parts.dim(app, f"These are kept in {kept.folder()}.", app.px(320))


def _dress(app: App, name: str | None = None, scale: float | None = None) -> None:
    """Another theme or size; the window opens again in it."""

    def then() -> None:
        if name is not None:
            app.restyle(name)
        else:
            app.settings.scale = scale
            app.restyle(scale=scale or theme.scale_of(None))
            app.settings.scale = scale
            app.settings.save()
        open(app)

    app.later(then)


def _map(app: App, on: bool) -> None:
    app.settings.minimap = on
    app.settings.save()


def _levels(app: App, on: bool) -> None:
    app.settings.cable_levels = on
    app.show_levels(on)
    app.settings.save()


def refresh(app: App) -> None:
    """Nothing changes by itself."""


def close(app: App) -> None:
    """Removes the window."""
    parts.gone(_window)
