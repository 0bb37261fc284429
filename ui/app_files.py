"""The window that asks for a file: folders and files to pick, a field for the name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import dearpygui.dearpygui as dpg

from graph.errors import PatchError
from graph.patch import Patch

from . import places

if TYPE_CHECKING:
    from .app import App

MOST = 500  # entries of a folder that are listed


def choose(app: App, title: str, then: Callable[[Path], None], new: bool, endings: tuple[str, ...]) -> None:
    """Opens the window.  `new`: a file that need not exist; one that does is asked about."""
    now = app.files.path
    Chooser(app, title, then, new, endings, now.parent if now is not None else Path.cwd(), now.name if new and now else "")


class Chooser:
    """One such window."""

    def __init__(
        self, app: App, title: str, then: Callable[[Path], None], new: bool, endings: tuple[str, ...], folder: Path, name: str
    ) -> None:
        self.app, self.then, self.new, self.endings, self.folder = app, then, new, endings, folder
        px = app.px
        w, h = dpg.get_viewport_client_width(), dpg.get_viewport_client_height()
        wide, high = min(px(620), w - px(20)), min(px(440), h - px(20))
        self.window = dpg.add_window(
            label=title, modal=True, width=wide, height=high, pos=((w - wide) // 2, (h - high) // 2), no_resize=True,
            no_collapse=True, no_move=True,
        )  # fmt: skip
        self.where = dpg.add_text("", parent=self.window, color=app.theme.dim)
        self.list = dpg.add_child_window(parent=self.window, height=high - px(150))
        with dpg.group(horizontal=True, parent=self.window):
            self.field = dpg.add_input_text(
                default_value=name, width=wide - px(220), on_enter=True, callback=lambda: self.take(), hint="name of the file"
            )
            dpg.add_button(label="Save" if new else "Open", width=px(80), callback=lambda: self.take())
            dpg.add_button(label="Cancel", width=px(80), callback=lambda: self.close())
        self.note = dpg.add_text("", parent=self.window, color=app.theme.bad)
        self.show()
        dpg.focus_item(self.field)

    def show(self) -> None:
        """Lists the folder."""
        dpg.set_value(self.where, str(self.folder))
        dpg.delete_item(self.list, children_only=True)
        try:
            found = sorted(self.folder.iterdir(), key=lambda p: (not p.is_dir(), p.name.lower()))
        except OSError as error:
            dpg.set_value(self.note, error.strerror or "this folder cannot be read")
            found = []
        if self.folder != self.folder.parent:
            dpg.add_selectable(label="⤴  one folder up", parent=self.list, callback=lambda: self.enter(self.folder.parent))
        shown = [p for p in found if not p.name.startswith(".") and (p.is_dir() or p.suffix in self.endings)]
        for path in shown[:MOST]:
            label = f"▸ {path.name}" if path.is_dir() else f"   {path.name}"
            dpg.add_selectable(label=label, parent=self.list, user_data=path, callback=lambda s, a, p: self.pick(p))

    def enter(self, folder: Path) -> None:
        """Goes to another folder."""
        self.folder = folder
        self.app.later(self.show)

    def pick(self, path: Path) -> None:
        """Something was clicked: a folder is entered; a file is named, and taken when it is clicked again."""
        if path.is_dir():
            self.enter(path)
        elif dpg.get_value(self.field) == path.name and not self.new:
            self.take()
        else:
            dpg.set_value(self.field, path.name)

    def take(self) -> None:
        """The name counts."""
        name = str(dpg.get_value(self.field)).strip()
        if not name:
            dpg.set_value(self.note, "type a name, or pick a file")
            return
        path = (self.folder / Path(name).expanduser()).resolve()
        if path.is_dir():
            self.enter(path)
            return
        if self.new and path.suffix not in self.endings:
            path = path.with_name(path.name + self.endings[0])
        if not self.new and not path.is_file():
            dpg.set_value(self.note, f"there is no file {path.name} here")
            return
        self.close()
        if self.new and path.exists() and path != self.app.files.path:
            self.app.later(
                lambda: self.app.ask(f"Write over {path.name}?", {"Write over it": lambda: self.then(path), "Cancel": None})
            )
        else:
            self.app.later(lambda: self.then(path))

    def close(self) -> None:
        """The window goes."""
        if dpg.does_item_exist(self.window):
            dpg.delete_item(self.window)


def tour() -> Path:
    """A copy of the patch that a first run shows, in a place where it can be changed; a new patch where it is missing."""
    path = places.fresh()
    try:
        patch = Patch.load(places.TEMPLATES.parent / "tour.zrack")
        places.carry(patch, path.parent)
        patch.save(path)
    except (PatchError, OSError):
        return path
    return path
