"""Tables in the inspector: bars to draw with the mouse, and numbers to type.  Steps of a sequencer, points of a curve."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import dearpygui.dearpygui as dpg

from .. import sheet
from . import parts

if TYPE_CHECKING:
    from ..app import App

MOST = 64  # rows that have fields
BARS = 256  # rows that are drawn
HIGH = 70


class Tables:
    """The tables of the selected node."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.rows: dict[str, sheet.Row] = {}
        self.cells: dict[str, list[list[parts.Item]]] = {}
        self.bars: dict[str, list[parts.Item]] = {}
        self.shown: dict[str, Any] = {}

    def make(self, row: sheet.Row) -> parts.Item:
        """The widgets of a table; gives the group they lie in."""
        app, name = self.app, row.name
        self.rows[name] = row
        self.shown.pop(name, None)
        item: parts.Item
        with dpg.group() as item:
            self.bars[name] = [
                dpg.add_simple_plot(width=-1, height=app.px(HIGH) // max(min(row.item.columns, 2), 1), histogram=True)
                for _ in range(min(row.item.columns, 4))
            ]
            for bar in self.bars[name]:
                parts.tip(app, bar, row.tip)
            with dpg.group(horizontal=True):
                parts.button(app, "+ row", lambda: self._longer(name), "one more row", small=True)
                parts.button(app, "- row", lambda: self._shorter(name), "one row less", small=True)
                parts.dim(app, f"{len(row.value)} rows")
            self.cells[name] = []
            many = len(row.value)
            with dpg.child_window(height=min(app.px(26) * min(many, 8) + app.px(8), app.px(220)), border=False):
                for k in range(min(many, MOST)):
                    with dpg.group(horizontal=True):
                        parts.dim(app, f"{k + 1:2d}")
                        line = []
                        for c in range(row.item.columns):
                            low, high = row.item.low, row.item.high
                            line.append(
                                dpg.add_drag_float(
                                    width=app.px(220 // max(row.item.columns, 1)),
                                    speed=0.01,
                                    format="%.4g",
                                    min_value=low if math.isfinite(low) else -1e9,
                                    max_value=high if math.isfinite(high) else 1e9,
                                    user_data=(name, k, c),
                                    callback=lambda s, x, at: self._set(at, x),
                                )
                            )
                        self.cells[name].append(line)
                if many > MOST:
                    parts.dim(app, f"and {many - MOST} more rows")
        self.update(row)
        return item

    def _set(self, at: tuple[str, int, int], x: float) -> None:
        name, k, c = at
        row = self.rows[name]
        if k < len(row.value):
            self.app.editor.do(sheet.cell(row, k, c, x), gesture=("cell", row.names, name, k, c))

    def _longer(self, name: str) -> None:
        edit = sheet.longer(self.rows[name])
        if edit is not None:
            self.app.editor.do(edit)

    def _shorter(self, name: str) -> None:
        edit = sheet.shorter(self.rows[name])
        if edit is not None:
            self.app.editor.do(edit)

    def update(self, row: sheet.Row) -> None:
        """Brings the numbers up to date."""
        name = row.name
        self.rows[name] = row
        if self.shown.get(name) is row.value:
            return
        self.shown[name] = row.value
        for c, bar in enumerate(self.bars.get(name, ())):
            if dpg.does_item_exist(bar):
                column = [float(r[c]) for r in row.value[:BARS]]
                low, high = min([*column, 0.0]), max([*column, 1e-6])
                dpg.configure_item(bar, min_scale=low, max_scale=high)
                dpg.set_value(bar, column)
        for k, line in enumerate(self.cells.get(name, ())):
            for c, item in enumerate(line):
                if k < len(row.value) and dpg.does_item_exist(item) and not dpg.is_item_active(item):
                    dpg.set_value(item, float(row.value[k][c]))
