"""The menu bar and the right-click menus, made from the table of actions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import dearpygui.dearpygui as dpg

from . import actions, places
from .theme import SCALES

if TYPE_CHECKING:
    from .app import App

Item = int | str


class Menus:
    """The menu bar; and the right-click menu that is open, if one is."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.items: dict[str, Item] = {}
        self._shown: dict[str, tuple[str, bool, bool | None]] = {}
        self._recent: tuple[Path, ...] = ()
        self._popup: Item = 0
        self.bar = dpg.add_viewport_menu_bar()
        for name, ids in actions.bar().items():
            menu = dpg.add_menu(label=name, parent=self.bar)
            for id in ids:
                self.items[id] = self._item(id, menu)
                if id == "new":
                    self._templates(menu)
                if id == "open":
                    self._recents = dpg.add_menu(label="Open recent", parent=menu)
                if id == "theme":
                    self._scales(menu)
        self.refresh()

    def _item(self, id: str, parent: Item) -> Item:
        app = self.app
        keys = app.keys.of(id)
        item: Item = dpg.add_menu_item(
            label=actions.title(app, id), parent=parent, shortcut=keys[0] if keys else "", user_data=id,
            callback=lambda s, a, id: app.act(id),
        )  # fmt: skip
        return item

    def _choice(self, label: str, parent: Item, call: Callable[[], object]) -> Item:
        item: Item = dpg.add_menu_item(label=label, parent=parent, callback=lambda: call())
        return item

    def _templates(self, menu: Item) -> None:
        found = places.templates()
        if len(found) < 2:
            return
        inner = dpg.add_menu(label="New from template", parent=menu)
        for name in found:
            self._choice(name, inner, lambda name=name: self.app.docks.new_patch(name))  # type: ignore[misc]

    def _scales(self, menu: Item) -> None:
        inner = dpg.add_menu(label="Size of everything", parent=menu)
        self._choice("as the display says", inner, lambda: self.app.restyle(scale=0.0))
        for scale in SCALES:
            self._choice(f"{scale * 100:.0f} %", inner, lambda scale=scale: self.app.restyle(scale=scale))  # type: ignore[misc]

    def refresh(self) -> None:
        """Titles ("Undo connect lfo → cutoff"), what can be done now, what is on."""
        app = self.app
        for id, item in self.items.items():
            on = actions.checked(app, id)
            now = (actions.title(app, id), actions.enabled(app, id), on)
            if self._shown.get(id) != now:
                self._shown[id] = now
                dpg.configure_item(item, label=now[0], enabled=now[1], check=on is not None)
                if on is not None:
                    dpg.set_value(item, on)
        recent = tuple(places.recent()[:12])
        if recent != self._recent:
            self._recent = recent
            dpg.delete_item(self._recents, children_only=True)
            for path in recent:
                self._choice(path.name, self._recents, lambda path=path: self.app.docks.open_patch(path))  # type: ignore[misc]

    def popup(self, x: float, y: float, place: str, ids: Sequence[str]) -> None:
        """Opens a right-click menu at a pixel of the canvas."""
        self.close()
        app = self.app
        offered = [id for id in actions.offered(app, place) if id in ids or not id]
        if not offered:
            return
        left, top = app.docks.origin
        high = len(offered) * app.px(23)
        pos = (
            int(min(x + left, dpg.get_viewport_client_width() - app.px(330))),
            int(max(min(y + top, dpg.get_viewport_client_height() - high - app.px(16)), 0)),
        )
        self._popup = dpg.add_window(popup=True, no_title_bar=True, no_move=True, no_resize=True, pos=pos, autosize=True)
        for id in offered:
            if not id:
                dpg.add_separator(parent=self._popup)
                continue
            item = self._item(id, self._popup)
            on = actions.checked(app, id)
            if on:
                dpg.configure_item(item, check=True)
                dpg.set_value(item, True)

    def escape(self) -> bool:
        """Closes the right-click menu; whether there was one."""
        open = bool(self._popup) and dpg.does_item_exist(self._popup) and dpg.is_item_shown(self._popup)
        self.close()
        return open

    def close(self) -> None:
        """The right-click menu goes."""
        if self._popup and dpg.does_item_exist(self._popup):
            dpg.delete_item(self._popup)
        self._popup = 0
