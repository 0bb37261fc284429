"""The performance page: what the artist exposed, as large knobs and switches, and nothing else."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import dearpygui.dearpygui as dpg

from graph.spec import Choice

from .. import sheet, text
from . import parts

if TYPE_CHECKING:
    from ..app import App

CELL, HIGH, MARGIN = 170, 200, 24
LARGEST = 2.5  # times this size, where there is room
KNOB = 54
TRAVEL = 260  # pixels of a drag from end to end
FINE = 0.1


class Panel:
    """The page is one drawing; `cells` are the rectangles of its controls."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.key: object = None
        self.controls: list[sheet.Control] = []
        self.cells: list[tuple[float, float, float, float]] = []
        self.held: tuple[int, float, float] | None = None  # which control, its position, the mouse's y
        self.big = 1.0
        with dpg.group(horizontal=True):
            parts.button(app, "Back to the patch", lambda: app.docks.open("perform", False))
            parts.dim(app, "drag turns, Shift is fine, a double click goes back to the default")
        self.page = dpg.add_drawlist(width=10, height=10)
        with dpg.handler_registry() as self.handlers:
            dpg.add_mouse_click_handler(button=0, callback=lambda s, a: self._press())
            dpg.add_mouse_double_click_handler(button=0, callback=lambda s, a: self._default())
            dpg.add_mouse_move_handler(callback=lambda s, a: self._move())
            dpg.add_mouse_release_handler(button=0, callback=lambda s, a: self._release())
            dpg.add_mouse_wheel_handler(callback=lambda s, turn: self._wheel(turn))

    def px(self, size: float) -> int:
        """Pixels of a size of the page."""
        return self.app.px(size * self.big)

    # what hands do

    def _under(self) -> int | None:
        if not self.app.docks.is_open("perform") or not dpg.is_item_hovered(self.page):
            return None
        x, y = self._mouse()
        return next((k for k, (x0, y0, x1, y1) in enumerate(self.cells) if x0 <= x <= x1 and y0 <= y <= y1), None)

    def _mouse(self) -> tuple[float, float]:
        x, y = dpg.get_mouse_pos(local=False)
        x0, y0 = dpg.get_item_rect_min(self.page)
        return x - x0, y - y0

    def _press(self) -> None:
        k = self._under()
        if k is None or k >= len(self.controls):
            return
        control = self.controls[k]
        if isinstance(control.item, Choice):
            options = control.item.options
            top = self.cells[k][1] + self.px(34)
            row = int((self._mouse()[1] - top) / self._row(len(options)))
            if 0 <= row < len(options):
                self._set(control, options[row])
                self.app.editor.end()
            return
        self.held = (k, control.position(), dpg.get_mouse_pos(local=False)[1])

    def _move(self) -> None:
        if self.held is None or self.held[0] >= len(self.controls):
            return
        k, position, y = self.held
        now = dpg.get_mouse_pos(local=False)[1]
        shift = dpg.is_key_down(dpg.mvKey_LShift) or dpg.is_key_down(dpg.mvKey_RShift)
        position += (y - now) / self.app.px(TRAVEL) * (FINE if shift else 1.0)
        position = min(max(position, 0.0), 1.0)
        self.held = (k, position, now)
        self._set(self.controls[k], self.controls[k].at(position))

    def _release(self) -> None:
        if self.held is not None:
            self.held = None
            self.app.editor.end()

    def _default(self) -> None:
        k = self._under()
        if k is None or isinstance(self.controls[k].item, Choice):
            return
        control = self.controls[k]
        self.held = None
        self._set(control, min(max(float(control.item.default), control.low), control.high))
        self.app.editor.end()

    def _wheel(self, turn: float) -> None:
        k = self._under()
        if k is None or isinstance(self.controls[k].item, Choice):
            return
        self._set(self.controls[k], self.controls[k].at(self.controls[k].position() + 0.02 * turn))

    def _set(self, control: sheet.Control, value: float | str) -> None:
        editor = self.app.editor
        editor.stream(control.node, control.param, value, gesture=("perform", control.name))

    # what is shown

    def _row(self, count: int) -> float:
        return min(self.px(HIGH - 16 - 40) / max(count, 1), self.px(30))

    def refresh(self) -> None:
        """Draws what changed."""
        app, editor = self.app, self.app.editor
        with editor.lock:
            self.controls = sheet.controls(editor.here(), editor.over())
        wide, high = int(app.view.width), int(app.view.height)
        key = (tuple((c.name, c.node, c.param, c.value, c.low, c.high) for c in self.controls), wide, high, app.theme.name)
        if key == self.key:
            return
        self.key = key
        self.big = enlarged(len(self.controls), wide / app.scale - 2 * MARGIN, high / app.scale - 3 * MARGIN)
        px = self.px
        across = max(int((wide - 2 * app.px(MARGIN)) // px(CELL)), 1)
        self.cells = []
        for k in range(len(self.controls)):
            x, y = app.px(MARGIN) + k % across * px(CELL), app.px(MARGIN) + k // across * px(HIGH)
            self.cells.append((x, y, x + px(CELL - 16), y + px(HIGH - 16)))
        rows = -(-len(self.controls) // across)
        dpg.configure_item(
            self.page, width=max(wide - app.px(24), 10), height=max(rows * px(HIGH) + app.px(MARGIN), app.px(120))
        )
        parts.clear(self.page)
        if not self.controls:
            said = "Nothing is exposed yet: right-click a knob of a node and choose to show it on the performance page."
            dpg.draw_text((app.px(MARGIN), app.px(MARGIN)), said, size=app.px(15), color=app.theme.dim, parent=self.page)
        for control, cell in zip(self.controls, self.cells, strict=True):
            (self._switch if control.shape == "switch" else self._knob)(control, cell)

    def _title(self, control: sheet.Control, cell: tuple[float, float, float, float]) -> None:
        size = self.px(16)
        label = text.fit(control.name, size, cell[2] - cell[0])
        x = (cell[0] + cell[2]) / 2 - text.width(label, size) / 2
        dpg.draw_text((x, cell[1] + self.px(6)), label, size=size, color=self.app.theme.text, parent=self.page)

    def _knob(self, control: sheet.Control, cell: tuple[float, float, float, float]) -> None:
        theme = self.app.theme
        dpg.draw_rectangle(cell[:2], cell[2:], color=theme.border, fill=theme.body, rounding=8, parent=self.page)
        self._title(control, cell)
        x, y, r = (cell[0] + cell[2]) / 2, cell[1] + self.px(92), self.px(KNOB)
        at = control.position()
        dpg.draw_polyline(arc(x, y, r, 0.0, 1.0), color=theme.track, thickness=self.px(9), parent=self.page)
        if at > 0.002:
            dpg.draw_polyline(arc(x, y, r, 0.0, at), color=theme.accent, thickness=self.px(9), parent=self.page)
        a = math.tau * (0.375 + 0.75 * at)
        tip = (x + math.cos(a) * r * 0.72, y + math.sin(a) * r * 0.72)
        dpg.draw_line((x + math.cos(a) * r * 0.2, y + math.sin(a) * r * 0.2), tip, color=theme.value, thickness=self.px(4),
                      parent=self.page)  # fmt: skip
        unit = getattr(control.item, "unit", "")
        said, size = text.number(float(control.value), unit), self.px(16)
        dpg.draw_text(
            (x - text.width(said, size) / 2, cell[3] - self.px(28)), said, size=size, color=theme.text, parent=self.page
        )

    def _switch(self, control: sheet.Control, cell: tuple[float, float, float, float]) -> None:
        theme = self.app.theme
        dpg.draw_rectangle(cell[:2], cell[2:], color=theme.border, fill=theme.body, rounding=8, parent=self.page)
        self._title(control, cell)
        assert isinstance(control.item, Choice)
        high, size = self._row(len(control.item.options)), self.px(14)
        for k, option in enumerate(control.item.options):
            y = cell[1] + self.px(34) + k * high
            on = option == control.value
            fill = theme.accent if on else theme.field
            dpg.draw_rectangle((cell[0] + 8, y + 1), (cell[2] - 8, y + high - 2), color=theme.border, fill=fill, rounding=4,
                               parent=self.page)  # fmt: skip
            colour = theme.canvas if on else theme.text
            label = text.fit(option, size, cell[2] - cell[0] - 24)
            dpg.draw_text((cell[0] + 16, y + (high - size) / 2), label, size=size, color=colour, parent=self.page)

    def remove(self) -> None:
        """Takes away what lies outside the dock."""
        parts.gone(self.handlers)


def enlarged(count: int, wide: float, high: float) -> float:
    """How large the page's controls are, so that all are seen where there is room for them; 1 where there is not."""
    for big in (LARGEST, 2.0, 1.75, 1.5, 1.25):
        across = int(wide // (CELL * big))
        if across and -(-count // across) * HIGH * big <= high:
            return big
    return 1.0


def arc(x: float, y: float, r: float, start: float, end: float) -> list[list[float]]:
    """Points of a part of a knob's ring; 0 is lower left, 1 lower right."""
    n = max(int(48 * (end - start)), 2)
    turns = [math.tau * (0.375 + 0.75 * (start + (end - start) * k / n)) for k in range(n + 1)]
    return [[x + math.cos(a) * r, y + math.sin(a) * r] for a in turns]
