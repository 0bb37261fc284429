"""The palette window: type a few letters, arrows choose, Enter adds (or goes to the node that was looked for)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dearpygui.dearpygui as dpg

from graph.spec import NodeSpec

from .. import offers, overlay
from .. import palette as searching
from . import parts

if TYPE_CHECKING:
    from ..app import App

WIDE, HIGH, LIST = 620, 380, 230
MOST = 80


class Panel:
    """The window; `request` is what it was opened for, None while it is closed."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.request: overlay.Palette | None = None
        self.found: list[searching.Found] = []
        self.places: list[tuple[str, str]] = []  # nodes of the patch, where one of those is looked for
        self.at = 0
        self.lines: list[parts.Item] = []
        self.fresh = 0  # turns until the field has the keyboard
        self.window = dpg.add_window(
            show=False, no_title_bar=True, no_resize=True, no_move=True, no_collapse=True, no_scrollbar=True,
            no_saved_settings=True,
        )  # fmt: skip
        with dpg.group(parent=self.window):
            self.title = parts.dim(app, "")
            self.text = dpg.add_input_text(hint="what to add: name, tag, or what it does", width=-1, callback=self._typed)
            with dpg.group(horizontal=True):
                self.list = dpg.add_child_window(width=app.px(LIST), border=False)
                self.help = dpg.add_child_window(border=False)
        with dpg.handler_registry() as self.handlers:
            dpg.add_key_press_handler(callback=lambda s, key: self._key(key))
            dpg.add_mouse_click_handler(callback=lambda s, a: self._outside())

    def open(self, request: overlay.Palette) -> None:
        """Opens at the pixel of the request."""
        app = self.app
        self.request, self.at, self.fresh = request, 0, 3
        wide, high = dpg.get_viewport_client_width(), dpg.get_viewport_client_height()
        w, h = min(app.px(WIDE), wide - 8), min(app.px(HIGH), high - 8)
        left, top = app.docks.origin
        pos = parts.place(app, request.x + left, request.y + top, w, h)
        if request.wish is not None and request.port is not None:
            dpg.set_value(self.title, f"what fits {request.port[0]}.{request.port[2]}")
        dpg.configure_item(self.title, show=request.wish is not None and request.port is not None)
        dpg.set_value(self.text, "")
        dpg.configure_item(self.window, show=True, pos=pos, width=w, height=h)
        dpg.configure_item(self.list, width=min(app.px(LIST), w // 2))
        dpg.focus_item(self.text)
        self._search("")

    def close(self) -> None:
        """The window goes."""
        self.request = None
        dpg.configure_item(self.window, show=False)

    def _typed(self, sender: parts.Item, text: str) -> None:
        self._search(text)

    def _search(self, text: str) -> None:
        app = self.app
        wish = self.request.wish if self.request else None
        with app.editor.lock:
            specs = app.editor.here().specs
            self.places = searching.find(app.editor.patch, text)[:MOST] if self.request and self.request.find else []
            folder = app.editor.here().folder or app.editor.patch.folder
        inside = bool(app.editor.inside)
        more = offers.offers(folder)
        self.found = searching.search(specs, text, wish, recent=app.gestures.recent, inside=inside, more=more)[:MOST]
        self.at = 0
        parts.clear(self.list)
        self.lines = []
        if self.request and self.request.find:
            self.found = []
            for k, (path, type) in enumerate(self.places):
                label = f"{path}   ({type})"
                self.lines.append(
                    dpg.add_selectable(label=label, parent=self.list, user_data=k, callback=lambda s, a, k: self._click(k))
                )
            if not self.places:
                dpg.add_text("no node is called that", parent=self.list, color=app.theme.dim)
            self._mark()
            return
        grouped = not text.strip() and wish is None
        family = ""
        for k, found in enumerate(self.found):
            if grouped and found.family != family:
                family = found.family
                dpg.add_text(family, parent=self.list, color=app.theme.dim)
            label = found.name if grouped or found.label else f"{found.name}   ({found.family})"
            self.lines.append(
                dpg.add_selectable(label=label, parent=self.list, user_data=k, callback=lambda s, a, k: self._click(k))
            )
        if not self.found:
            dpg.add_text("nothing is called that", parent=self.list, color=app.theme.dim)
        self._mark()

    def _click(self, k: int) -> None:
        again = k == self.at
        self.at = k
        self._mark()
        if again or dpg.is_mouse_button_double_clicked(dpg.mvMouseButton_Left):
            self.take()

    def _mark(self) -> None:
        """Shows which line is chosen, and its help."""
        for k, item in enumerate(self.lines):
            dpg.set_value(item, k == self.at)
        parts.clear(self.help)
        if not self.found:
            return
        spec, values = self.found[self.at].spec, self.found[self.at].values
        app = self.app
        wrap = max(dpg.get_item_width(self.window) - dpg.get_item_width(self.list) - app.px(50), app.px(120))
        dpg.push_container_stack(self.help)
        dpg.add_text("   ".join([spec.id, *(values or {}).values()]), color=app.theme.accent)
        lines(app, spec, wrap)
        dpg.pop_container_stack()

    def take(self) -> None:
        """Adds what is chosen."""
        if self.request is None or not (self.found or self.places):
            return
        if self.request.find:
            path = self.places[self.at][0]
            self.close()
            self.app.gestures.found(path)
            return
        request, chosen = self.request, self.found[self.at]
        self.close()
        self.app.gestures.chosen(request, chosen.spec.id, chosen.values)

    def _key(self, key: int) -> None:
        if self.request is None:
            return
        if key == dpg.mvKey_Escape:
            self.close()
        elif key in (dpg.mvKey_Return, dpg.mvKey_NumPadEnter):
            self.take()
        elif self.lines and key in (dpg.mvKey_Down, dpg.mvKey_Up, dpg.mvKey_Next, dpg.mvKey_Prior):
            step = {dpg.mvKey_Down: 1, dpg.mvKey_Up: -1, dpg.mvKey_Next: 10, dpg.mvKey_Prior: -10}[key]
            self.at = min(max(self.at + step, 0), len(self.lines) - 1)
            self._mark()
            if self.lines and dpg.get_y_scroll_max(self.list) > 0:
                height = dpg.get_y_scroll_max(self.list) * self.at / max(len(self.lines) - 1, 1)
                dpg.set_y_scroll(self.list, height)

    def _outside(self) -> None:
        if self.request is None or self.fresh > 0:
            return
        x, y = dpg.get_mouse_pos(local=False)
        x0, y0 = dpg.get_item_pos(self.window)
        if not (x0 <= x <= x0 + dpg.get_item_width(self.window) and y0 <= y <= y0 + dpg.get_item_height(self.window)):
            self.close()

    def refresh(self) -> None:
        """Gives the field the keyboard when it has just opened."""
        if self.fresh > 0:
            self.fresh -= 1
            if self.request is not None and not dpg.is_item_focused(self.text):
                dpg.focus_item(self.text)

    def remove(self) -> None:
        """Takes it away."""
        parts.gone(self.window, self.handlers)


def lines(app: App, spec: NodeSpec, wrap: int) -> None:
    """The help of a type, as text inside the current container."""
    for kind, text in searching.help_lines(spec):
        if kind == "title":
            parts.heading(app, text)
        else:
            dpg.add_text(text.replace("`", ""), wrap=wrap, bullet=kind == "port")
