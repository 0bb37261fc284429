"""The library: node types by family, patches, sounds, models.  Double-click or drag one to the canvas."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import dearpygui.dearpygui as dpg

from .. import library
from . import parts

if TYPE_CHECKING:
    from ..app import App

DOUBLE = 0.45  # seconds between the clicks of a double click
AGAIN = 5.0
"""Seconds after which the folder of the patch is looked at again."""
TABS: tuple[tuple[library.Kind, str], ...] = (("node", "Nodes"), ("patch", "Patches"), ("sound", "Sounds"), ("model", "Models"))
HINTS = {
    "sound": "Sounds beside the patch are listed here; drop a file on the window to bring one in.",
    "model": "Models beside the patch and in the models folder are listed here; drop a .ts file on the window to bring one in.",
    "patch": "No patch is called that.",
    "node": "No node type is called that.",
}


class Panel:
    """Widgets; `dragged` is the entry that is being dragged to the canvas."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.kind: library.Kind = "node"
        self.key: object = None
        self.looked = 0.0
        self.entries: list[library.Entry] = []
        self.items: dict[parts.Item, library.Entry] = {}
        self.dragged: library.Entry | None = None
        self.clicked: tuple[library.Entry, float] | None = None
        self.tabs: dict[library.Kind, parts.Item] = {}
        with dpg.group(horizontal=True, horizontal_spacing=app.px(6)):
            for kind, label in TABS:
                self.tabs[kind] = dpg.add_selectable(
                    label=label, width=app.px(7 * len(label) + 3), user_data=kind, callback=lambda s, a, kind: self.turn(kind)
                )
        self.text = dpg.add_input_text(hint="search", width=-1)
        self.list = dpg.add_child_window(border=False)
        with dpg.handler_registry() as self.handlers:
            dpg.add_mouse_click_handler(button=0, callback=lambda s, a: self._grab())
            dpg.add_mouse_release_handler(button=0, callback=lambda s, a: self._drop())
        self.turn("node")

    def turn(self, kind: library.Kind) -> None:
        """Shows another kind."""
        self.kind, self.key = kind, None
        for other, item in self.tabs.items():
            dpg.set_value(item, other == kind)

    # what hands do

    def _click(self, entry: library.Entry) -> None:
        now = time.monotonic()
        again = self.clicked is not None and self.clicked[0] == entry and now - self.clicked[1] < DOUBLE
        self.clicked = None if again else (entry, now)
        if again:
            self._take(entry, None)

    def _take(self, entry: library.Entry, at: tuple[float, float] | None) -> None:
        """Adds an entry at a pixel of the canvas; without one in its middle.  A patch that is clicked is opened."""
        app = self.app
        if entry.kind == "patch" and at is None:
            app.files.open(Path(entry.id))
            app.docks.settle()
            return
        x, y = at or (app.view.width / 2, app.view.height / 2)
        if entry.kind == "node":
            app.gestures.drop(entry.id, x, y)
        else:
            app.gestures.drop_file(Path(entry.id), x, y, at is not None)

    def _drop(self) -> None:
        entry, self.dragged = self.dragged, None
        if entry is None or not dpg.is_item_visible(self.app.canvas.drawlist):
            return
        x, y = self.app.input.mouse()
        if 0 <= x <= self.app.view.width and 0 <= y <= self.app.view.height:
            self._take(entry, (x, y))

    def _grab(self) -> None:
        """The button went down: on an entry, a drag to the canvas may begin."""
        found = (e for item, e in self.items.items() if dpg.does_item_exist(item) and dpg.is_item_hovered(item))
        self.dragged = next(found, None) if self.app.docks.is_open("browser") else None

    # what is shown

    def _entries(self, text: str) -> list[library.Entry]:
        editor = self.app.editor
        with editor.lock:
            specs, folder = editor.here().specs, editor.patch.folder
        if self.kind == "node":
            return library.nodes(specs, text, bool(editor.inside))
        if self.kind == "patch":
            return library.patches(text, folder)
        return library.sounds(folder, text) if self.kind == "sound" else library.models(folder, text)

    def refresh(self) -> None:
        """Shows what fits the search; looks at the disk now and then."""
        editor, now = self.app.editor, time.monotonic()
        text = str(dpg.get_value(self.text))
        specs = editor.patch.specs
        key = (self.kind, text, editor.inside, editor.patch.folder, id(specs), getattr(specs, "generation", 0))
        fresh = self.kind != "node" and now - self.looked > AGAIN
        if key == self.key and not fresh:
            return
        self.looked = now
        entries = self._entries(text)
        if key == self.key and entries == self.entries:
            return
        self.key, self.entries = key, entries
        self._fill(bool(text.strip()))

    def _fill(self, searching: bool) -> None:
        app = self.app
        parts.clear(self.list)
        self.items = {}
        group, inside = "", self.list
        for entry in self.entries:
            if entry.group != group:
                group = entry.group
                inside = self.list
                if group != "found":
                    many = self.kind == "node"
                    inside = dpg.add_tree_node(label=group, parent=self.list, default_open=not many or searching)
            label = f"{entry.label}"
            item = dpg.add_selectable(
                label=label, parent=inside, user_data=entry, callback=lambda s, a, entry: self._clicked(s, entry)
            )
            self.items[item] = entry
            if entry.tip:
                parts.tip(app, item, entry.tip)
        if not self.entries:
            dpg.add_text(HINTS[self.kind], parent=self.list, color=app.theme.dim, wrap=app.px(200))

    def _clicked(self, item: parts.Item, entry: library.Entry) -> None:
        dpg.set_value(item, False)
        self._click(entry)

    def remove(self) -> None:
        """Takes away what lies outside the dock."""
        parts.gone(self.handlers)
