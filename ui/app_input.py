"""Mouse and keys of the window, told to the gestures and the table of actions.

Keys are named as people write them ("A", "F1", "Delete", "?"), whatever the platform calls them.  While a text field has the
keyboard, nothing is told.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import dearpygui.dearpygui as dpg

from .overlay import Mods

if TYPE_CHECKING:
    from .app import App

APPLE = sys.platform == "darwin"
L_SUPER, R_SUPER = dpg.mvKey_LAlt + 1, dpg.mvKey_RAlt + 1  # DearPyGui's numbers for these are of another system


def key_names() -> dict[int, str]:
    """Names of keys by DearPyGui's number."""
    named = {
        "Tab": "Tab", "Delete": "Delete", "Back": "Backspace", "Escape": "Escape", "Return": "Enter", "NumPadEnter": "Enter",
        "Spacebar": "Space", "Left": "Left", "Right": "Right", "Up": "Up", "Down": "Down", "Home": "Home", "End": "End",
        "Prior": "PageUp", "Next": "PageDown", "Insert": "Insert", "Add": "+", "Subtract": "-",
    }  # fmt: skip
    found = {getattr(dpg, f"mvKey_{name}"): shown for name, shown in named.items()}
    # DearPyGui's own names for punctuation are those of another system; in ImGui these follow one another
    found |= {dpg.mvKey_Slash - 4 + k: sign for k, sign in enumerate("',-./;=[\\]`")}
    for name in [*(chr(c) for c in range(ord("A"), ord("Z") + 1)), *map(str, range(10)), *(f"F{n}" for n in range(1, 13))]:
        found[getattr(dpg, f"mvKey_{name}")] = name
    for n in range(10):
        found[getattr(dpg, f"mvKey_NumPad{n}")] = str(n)
    return found


class Input:
    """What the hands do."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.names = key_names()
        self.over_canvas = False
        self._held: set[int] = set()
        self._down: set[int] = set()  # keys in the order of what happened: a quick chord is over when its frame is looked at
        self._moved: tuple[float, float] | None = None
        self._mods = Mods()
        with dpg.handler_registry():
            dpg.add_mouse_click_handler(callback=lambda s, button: self.press(button))
            dpg.add_mouse_release_handler(callback=lambda s, button: self.release(button))
            dpg.add_mouse_wheel_handler(callback=lambda s, turn: self.wheel(turn))
            dpg.add_key_press_handler(callback=lambda s, key: self.key(key))
            dpg.add_key_release_handler(callback=lambda s, key: self._down.discard(key))

    # ------------------------------------------------------------------ where and how

    def mouse(self) -> tuple[float, float]:
        """The pointer on the canvas, in pixels."""
        x, y = dpg.get_mouse_pos(local=False)
        left, top = self.app.docks.origin
        return x - left, y - top

    def mods(self) -> Mods:
        """Which modifiers are held."""

        def down(key: int) -> bool:
            return key in self._down or bool(dpg.is_key_down(key))

        return Mods(
            shift=down(dpg.mvKey_LShift) or down(dpg.mvKey_RShift),
            ctrl=down(dpg.mvKey_LControl) or down(dpg.mvKey_RControl) or (APPLE and (down(L_SUPER) or down(R_SUPER))),
            alt=down(dpg.mvKey_LAlt) or down(dpg.mvKey_RAlt),
            space=down(dpg.mvKey_Spacebar),
        )

    def typing(self) -> bool:
        """Whether a text field has the keyboard."""
        item = dpg.get_focused_item()
        if not item or not dpg.does_item_exist(item):
            return False
        kind = dpg.get_item_type(item)
        return ("InputText" in kind or "InputFloat" in kind or "InputInt" in kind) and dpg.is_item_focused(item)

    def frame(self) -> None:
        """Once a frame: where the pointer is, and which modifiers are held."""
        self.over_canvas = dpg.is_item_hovered(self.app.canvas.drawlist)
        self._down = {key for key in self._down if dpg.is_key_down(key)}
        at, mods = self.mouse(), self.mods()
        if (at, mods) == (self._moved, self._mods) and not self._held:
            return
        self._moved, self._mods = at, mods
        if self.over_canvas or self._held:
            self.app.gestures.move(*at, mods)
        else:
            self.app.gestures.overlay.hover = None

    # ------------------------------------------------------------------ what happened

    def press(self, button: int) -> None:
        """A button went down."""
        app = self.app
        if not dpg.is_item_hovered(app.canvas.drawlist) or app.docks.asking:
            return
        x, y = self.mouse()
        depth = app.over.crumb(x, y)
        if depth is not None and button == 0:
            app.editor.leave(depth)
            return
        if app.waiting and button == 0 and not self.mods().space:
            return
        self._held.add(button)
        app.gestures.minimap = app.over.minimap
        app.gestures.press(button, x, y, self.mods())

    def release(self, button: int) -> None:
        """A button came up."""
        if button in self._held:
            self._held.discard(button)
            self.app.gestures.release(button, *self.mouse(), self.mods())

    def wheel(self, turn: float) -> None:
        """The wheel turned."""
        if dpg.is_item_hovered(self.app.canvas.drawlist) and not self.app.docks.asking:
            self.app.gestures.wheel(turn, *self.mouse(), self.mods())

    def key(self, key: Any) -> None:
        """A key went down."""
        key = key if isinstance(key, int) else key[0]
        self._down.add(key)
        name = self.names.get(key)
        if name is None:
            return
        if name == "Escape" and (self.app.docks.escape() or self.app.gestures.key(name, self.mods())):
            return
        if self.typing() or self.app.docks.asking or self.app.docks.typing():
            return
        self.app.key(name, self.mods())
