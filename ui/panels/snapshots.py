"""Snapshots: capture, recall over seconds, rename, delete; a fader between two, a pad between four."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dearpygui.dearpygui as dpg

from graph.edits import SetPatch
from graph.errors import PatchError
from graph.snapshots import blend, corners, goals

from . import parts

if TYPE_CHECKING:
    from ..app import App

PAD = 180


class Panel:
    """Widgets, the snapshots that the fader and the pad lead between, and where they stand."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.names: tuple[str, ...] | None = None
        self.point = (0.5, 0.5)
        self.ends = ["", ""]
        self.four = ["", "", "", ""]
        parts.heading(app, "Snapshots")
        with dpg.group(horizontal=True):
            self.name = dpg.add_input_text(hint="name", width=app.px(110), on_enter=True, callback=lambda: self._capture())
            parts.button(app, "Capture", self._capture, "Keeps all knobs and switches as they are now, under this name")
        self.seconds = dpg.add_slider_float(
            width=-1, max_value=30.0, default_value=0.0, format="recall in %.1f s", clamped=True
        )  # fmt: skip
        parts.tip(app, self.seconds, "how long the way to a snapshot takes; Ctrl-click to type")
        self.list = dpg.add_group()
        self.between = dpg.add_group()
        with dpg.group(parent=self.between):
            parts.heading(app, "Between two")
            with dpg.group(horizontal=True):
                self.picks = [self._pick(k, self.ends, app.px(98)) for k in range(2)]
            self.fader = dpg.add_slider_float(
                width=-1, max_value=1.0, format="", clamped=True, callback=lambda s, x: self._fade(x)
            )  # fmt: skip
            parts.heading(app, "Between four")
            with dpg.group(horizontal=True):
                top = [self._pick(k, self.four, app.px(98)) for k in (2, 3)]
            self.pad = dpg.add_drawlist(width=app.px(PAD), height=app.px(PAD))
            with dpg.group(horizontal=True):
                bottom = [self._pick(k, self.four, app.px(98)) for k in (0, 1)]
            self.corners = [*bottom, *top]
        self.down = False

    def _pick(self, k: int, into: list[str], width: int) -> parts.Item:
        def chosen(sender: Any, name: str) -> None:
            into[k] = name

        item: parts.Item = dpg.add_combo(width=width, callback=chosen)
        return item

    # what hands do

    def _capture(self) -> None:
        editor = self.app.editor
        name = dpg.get_value(self.name).strip() or free(editor.patch.snapshots)
        dpg.set_value(self.name, "")
        if editor.client is not None:
            editor.call("capture", name)
            return
        from graph.snapshots import capture

        self._do({**editor.patch.snapshots, name: capture(editor.patch)})

    def _recall(self, name: str) -> None:
        editor = self.app.editor
        if editor.client is not None:
            editor.call("recall", name, float(dpg.get_value(self.seconds)))
            return
        for node, port, value in goals(editor.patch, editor.patch.snapshots[name])[0]:
            editor.stream(node, port, value, gesture=("recall", name))
        editor.end()

    def _rename(self, old: str, new: str) -> None:
        new = new.strip()
        kept = self.app.editor.patch.snapshots
        if not new or new == old:
            return
        if new in kept:
            self.app.say(f"there is a snapshot {new} already")
            self.names = None
            return
        self._do({new if k == old else k: v for k, v in kept.items()})

    def _delete(self, name: str) -> None:
        self._do({k: v for k, v in self.app.editor.patch.snapshots.items() if k != name})

    def _do(self, kept: dict[str, Any]) -> None:
        """A change to the outermost patch, wherever the editor looks."""
        editor = self.app.editor
        inside = editor.inside
        if inside:
            editor.leave(0)
        editor.do(SetPatch("snapshots", kept))
        for name in inside:
            editor.enter(name)

    def _fade(self, x: float) -> None:
        a, b = self.ends
        if a and b:
            self._blend({a: 1.0 - x, b: x} if a != b else {a: 1.0})

    def _blend(self, weights: dict[str, float]) -> None:
        editor = self.app.editor
        if editor.client is not None:
            editor.tell("blend", weights)
            return
        try:
            for node, port, value in blend(editor.patch, weights):
                editor.stream(node, port, value, gesture=("blend", *sorted(weights)))
        except PatchError as error:
            self.app.say(str(error))

    def _drag(self) -> None:
        """The pad follows the mouse while its button is down."""
        down = dpg.is_mouse_button_down(dpg.mvMouseButton_Left)
        self.down = down and (self.down or dpg.is_item_hovered(self.pad))
        if not self.down or not dpg.is_item_visible(self.pad):
            return
        x0, y0 = dpg.get_item_rect_min(self.pad)
        x, y = dpg.get_mouse_pos(local=False)
        size = self.app.px(PAD)
        point = (min(max((x - x0) / size, 0.0), 1.0), 1.0 - min(max((y - y0) / size, 0.0), 1.0))
        if point == self.point:
            return
        self.point = point
        self._draw()
        weights: dict[str, float] = {}
        for name, weight in zip(self.four, corners(*point), strict=True):
            if name:
                weights[name] = weights.get(name, 0.0) + weight
        if weights:
            self._blend(weights)

    # what is shown

    def _draw(self) -> None:
        theme, size = self.app.theme, self.app.px(PAD)
        parts.clear(self.pad)
        dpg.draw_rectangle((0, 0), (size, size), color=theme.border, fill=theme.field, rounding=4, parent=self.pad)
        x, y = self.point[0] * size, (1.0 - self.point[1]) * size
        dpg.draw_line((x, 0), (x, size), color=theme.border, parent=self.pad)
        dpg.draw_line((0, y), (size, y), color=theme.border, parent=self.pad)
        dpg.draw_circle((x, y), self.app.px(7), color=theme.text, fill=theme.accent, parent=self.pad)

    def refresh(self) -> None:
        """Shows the snapshots that there are."""
        with self.app.editor.lock:
            names = tuple(self.app.editor.patch.snapshots)
        self._drag()
        if names == self.names:
            return
        self.names = names
        parts.clear(self.list)
        if not names:
            dpg.push_container_stack(self.list)
            parts.dim(
                self.app, "A snapshot keeps every knob as it is now; recall one, or glide between several.", self.app.px(200)
            )
            dpg.pop_container_stack()
        for name in names:
            with dpg.group(horizontal=True, parent=self.list):
                go = dpg.add_button(
                    label=name, width=self.app.px(120), user_data=name, callback=lambda s, a, n: self._recall(n)
                )
                parts.tip(self.app, go, "Goes there")
                more = dpg.add_button(label="…", width=self.app.px(28))
                with dpg.popup(more, mousebutton=dpg.mvMouseButton_Left):
                    dpg.add_input_text(
                        default_value=name, on_enter=True, width=self.app.px(140), user_data=name,
                        callback=lambda s, new, old: self._rename(old, new),
                    )  # fmt: skip
                    parts.dim(self.app, "Enter renames")
                    dpg.add_selectable(label="Capture again", user_data=name, callback=lambda s, a, n: self._again(n))
                    dpg.add_selectable(label="Delete", user_data=name, callback=lambda s, a, n: self._delete(n))
        for combos, chosen in ((self.picks, self.ends), (self.corners, self.four)):
            for k, combo in enumerate(combos):
                if chosen[k] not in names:
                    chosen[k] = names[k % len(names)] if names else ""
                dpg.configure_item(combo, items=list(names))
                dpg.set_value(combo, chosen[k])
        dpg.configure_item(self.between, show=len(names) > 1)
        self._draw()

    def _again(self, name: str) -> None:
        dpg.set_value(self.name, name)
        self._capture()


def free(kept: Any) -> str:
    """A name that no snapshot has yet."""
    return next(name for name in (f"snapshot {i}" for i in range(1, 1 << 16)) if name not in kept)
