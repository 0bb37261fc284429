"""A field at a pixel: a value or expression, an amount, a name.  Enter takes it, Escape or a click elsewhere does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import dearpygui.dearpygui as dpg

from .. import overlay
from . import parts

if TYPE_CHECKING:
    from ..app import App

Taken = Callable[[str], str]
WIDE = 220
HINTS = {
    "param": "a number, a note (c4), a sum (440*3/2), a change (+=10, -6db)", "amount": "a number, or a change (+=0.1)",
    "rename": "letters, digits, _ and -", "expose": "a name for the performance page", "group": "a name for the sub-patch",
}  # fmt: skip


class Panel:
    """The window; `request` is what it was opened for, None while it is closed."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.request: overlay.Entry | None = None
        self.taken: Taken | None = None
        self.fresh = 0
        self.window = dpg.add_window(
            show=False, no_title_bar=True, no_resize=True, no_move=True, no_collapse=True, no_scrollbar=True, autosize=True,
            no_saved_settings=True,
        )  # fmt: skip
        with dpg.group(parent=self.window):
            self.title = dpg.add_text("", color=app.theme.accent)
            self.text = dpg.add_input_text(width=app.px(WIDE), auto_select_all=True)
            self.hint = dpg.add_text("", color=app.theme.dim, wrap=app.px(WIDE))
        with dpg.handler_registry() as self.handlers:
            dpg.add_key_press_handler(callback=lambda s, key: self._key(key))
            dpg.add_mouse_click_handler(callback=lambda s, a: self._outside())

    def open(self, request: overlay.Entry, taken: Taken | None = None) -> None:
        """Opens at the pixel of the request."""
        app = self.app
        self.request, self.taken, self.fresh = request, taken, 3
        left, top = app.docks.origin
        dpg.set_value(self.title, request.title)
        dpg.set_value(self.text, request.text)
        dpg.configure_item(self.hint, color=app.theme.dim)
        dpg.set_value(self.hint, HINTS.get(request.what, ""))
        pos = parts.place(app, request.x + left, request.y + top, app.px(WIDE + 24), app.px(110))
        dpg.configure_item(self.window, show=True, pos=pos)
        dpg.focus_item(self.text)

    def close(self) -> None:
        """The window goes."""
        self.request = None
        dpg.configure_item(self.window, show=False)

    def take(self) -> None:
        """What was typed counts, or why not is said below the field."""
        if self.request is None:
            return
        text = str(dpg.get_value(self.text))
        why = self.taken(text) if self.taken is not None else self.app.gestures.typed(self.request, text)
        if why:
            dpg.configure_item(self.hint, color=self.app.theme.bad)
            dpg.set_value(self.hint, why)
            self.fresh = 2
        else:
            self.close()

    def _key(self, key: int) -> None:
        if self.request is None:
            return
        if key == dpg.mvKey_Escape:
            self.close()
        elif key in (dpg.mvKey_Return, dpg.mvKey_NumPadEnter):
            self.take()

    def _outside(self) -> None:
        if self.request is None or self.fresh > 0:
            return
        x, y = dpg.get_mouse_pos(local=False)
        x0, y0 = dpg.get_item_pos(self.window)
        w, h = dpg.get_item_rect_size(self.window)
        if not (x0 <= x <= x0 + w and y0 <= y <= y0 + h):
            self.close()

    def refresh(self) -> None:
        """Gives the field the keyboard when it has just opened."""
        if self.fresh > 0:
            self.fresh -= 1
            if self.request is not None and not dpg.is_item_active(self.text):  # Enter leaves it focused, but not active
                dpg.focus_item(self.text)

    def remove(self) -> None:
        """Takes it away."""
        parts.gone(self.window, self.handlers)


def open(app: App, request: overlay.Entry, taken: Taken) -> None:
    """Opens the field for another panel; what is typed goes to `taken`, which says why it is refused."""
    app.docks.made("entry").open(request, taken)
