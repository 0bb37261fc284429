"""Help windows: what a node does, its help patch and the patches that use it; and the cheat sheet of all keys and gestures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import dearpygui.dearpygui as dpg

from graph.errors import PatchError
from graph.patch import Patch
from graph.subpatch import BUILTIN

from .. import help_patch, library
from . import palette, parts

if TYPE_CHECKING:
    from ..app import App

MOST = 6  # patches that are named as examples
COLUMNS = {
    4: (("does", 3.0), ("keys", 2.0), ("right-click on", 1.5), ("in keys.toml", 1.5)),
    3: (("on", 1.0), ("gesture", 2.5), ("does", 3.0)),
}
"""Of the cheat sheet's tables, by how many they are: label and weight."""


class Window:
    """One window whose content changes."""

    def __init__(self, app: App, wide: int, high: int) -> None:
        self.app, self.wide, self.high = app, wide, high
        self.item = dpg.add_window(show=False, no_collapse=True, no_saved_settings=True)

    def open(self, title: str) -> int:
        """Shows it empty; gives the width of its text."""
        app = self.app
        w, h = dpg.get_viewport_client_width(), dpg.get_viewport_client_height()
        wide, high = min(app.px(self.wide), w - 20), min(app.px(self.high), h - 20)
        pos = ((w - wide) // 2, (h - high) // 2)
        parts.clear(self.item)
        dpg.configure_item(self.item, label=title, show=True, width=wide, height=high, pos=pos)
        dpg.focus_item(self.item)
        return int(wide - app.px(40))


_windows: dict[str, Window] = {}
_used: dict[str, list[Path]] = {}


def build(app: App) -> None:
    """Makes the windows, closed."""
    _windows["node"] = Window(app, 460, 520)
    _windows["keys"] = Window(app, 720, 600)


def open(app: App, type: str) -> None:
    """Shows the help of a node type."""
    window = _windows["node"]
    spec = app.editor.patch.specs.get(type) or BUILTIN.get(type)
    wrap = window.open(type)
    dpg.push_container_stack(window.item)
    try:
        if spec is None:
            dpg.add_text(f"There is no node type {type} here, so its node is silent and keeps its values.", wrap=wrap)
            return
        parts.button(
            app, "Open as patch", lambda: _play(app, type),
            f"a small patch in which {type.rpartition('/')[2]} is at work, as a new patch; what is open now is asked about",
        )  # fmt: skip
        parts.dim(app, _way(app, type), wrap)
        palette.lines(app, spec, wrap)
        if spec.tags:
            parts.dim(app, f"also found as {', '.join(spec.tags)}", wrap)
        found = examples(type)
        if found:
            parts.heading(app, "Heard in")
            with dpg.group(horizontal=True):
                for path in found[:MOST]:
                    dpg.add_button(label=path.stem, user_data=path, callback=lambda s, a, path: _show(app, path))
    finally:
        dpg.pop_container_stack()


def _way(app: App, type: str) -> str:
    """What is in the help patch, from left to right."""
    nodes = help_patch.build(type, app.editor.patch.specs).nodes
    return "with " + ", ".join(sorted((n for n in nodes if nodes[n].type != "view/note"), key=lambda n: nodes[n].at))


def _play(app: App, type: str) -> None:
    """Plays the help patch of a type as a new patch, once unsaved changes are settled."""
    specs = app.editor.patch.specs
    dpg.configure_item(_windows["node"].item, show=False)
    app.files.leave(lambda: app.files.play(help_patch.write(type, specs)))
    app.docks.settle()


def _show(app: App, path: Path) -> None:
    app.files.open(path)
    app.docks.settle()


def examples(type: str) -> list[Path]:
    """Example patches that hold a node of a type, those with the fewest nodes first.  Read once."""
    if not _used:
        sizes: dict[Path, int] = {}
        for entry in library.patches():
            if entry.group != "examples":
                continue
            path = Path(entry.id)
            try:
                patch = Patch.load(path)
            except PatchError:
                continue
            sizes[path] = len(patch.nodes)
            for name in {node.type for node in patch.nodes.values()}:
                _used.setdefault(name, []).append(path)
        for paths in _used.values():
            paths.sort(key=lambda p: sizes[p])
    return _used.get(type, [])


def keys(app: App) -> None:
    """Shows every key and gesture."""
    from .. import actions

    window = _windows["keys"]
    wrap = window.open("Keys and gestures")
    dpg.push_container_stack(window.item)
    try:
        for title, rows in tables(actions.cheatsheet(app.keys)):
            parts.heading(app, title)
            columns = COLUMNS[len(rows[0])]
            with dpg.table(header_row=True, policy=dpg.mvTable_SizingStretchProp, row_background=True, width=wrap):
                for label, weight in columns:
                    dpg.add_table_column(label=label, init_width_or_weight=weight)
                for row in rows:
                    with dpg.table_row():
                        for text in row:
                            dpg.add_text(text, wrap=0)
    finally:
        dpg.pop_container_stack()


def tables(markdown: str) -> list[tuple[str, list[list[str]]]]:
    """The tables of a text in Markdown, each with the heading above it; without their header rows."""
    found: list[tuple[str, list[list[str]]]] = []
    lines = markdown.splitlines()
    for k, line in enumerate(lines):
        text = line.strip()
        if text.startswith("#"):
            found.append((text.lstrip("# "), []))
        elif text.startswith("|"):
            after = lines[k + 1].strip() if k + 1 < len(lines) else ""
            if set(text) <= set("|-: ") or (after.startswith("|") and set(after) <= set("|-: ")):
                continue
            if not found:
                found.append(("", []))
            cells = text.strip("|").replace("\\|", "\0").split("|")
            found[-1][1].append([c.strip().replace("`", "").replace("\0", "|") for c in cells])
    return [(title, rows) for title, rows in found if rows]


def escape() -> bool:
    """Closes the help windows; whether one was open."""
    open = [w.item for w in _windows.values() if dpg.is_item_shown(w.item)]
    for item in open:
        dpg.configure_item(item, show=False)
    return bool(open)


def close(app: App) -> None:
    """Removes the windows."""
    parts.gone(*(w.item for w in _windows.values()))
    _windows.clear()
