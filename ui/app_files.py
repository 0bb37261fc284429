"""The window that asks for a file: folders and files to pick, a field for the name.  Pictures of the canvas; the tour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dearpygui.dearpygui as dpg
import numpy as np

from graph.errors import PatchError
from graph.patch import Patch

from . import places

if TYPE_CHECKING:
    from .app import App

MOST = 500  # entries of a folder that are listed


def choose(app: App, title: str, then: Callable[[Path], None], new: bool, endings: tuple[str, ...]) -> Chooser:
    """Opens the window.  `new`: a file that need not exist; one that does is asked about."""
    now = None if places.untitled(app.files.path) else app.files.path
    last = now or next(iter(places.recent()), None)
    name = "" if now is None or not new else now.name if now.suffix in endings else now.stem + endings[0]
    return Chooser(app, title, then, new, endings, last.parent if last is not None else Path.cwd(), name)


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
            dpg.add_selectable(label="◂ one folder up", parent=self.list, callback=lambda: self.enter(self.folder.parent))
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

    @property
    def open(self) -> bool:
        """Whether it is there still."""
        return bool(dpg.does_item_exist(self.window) and dpg.is_item_shown(self.window))

    def close(self) -> None:
        """The window goes."""
        if dpg.does_item_exist(self.window):
            dpg.delete_item(self.window)


class Picture:
    """Writes the canvas, with all of the patch in view and nothing on top, to a file; then everything is as it was.

    It takes a few frames: what is to be seen must be drawn before it can be read.
    """

    def __init__(self, app: App, path: Path) -> None:
        self.app, self.path = app, path
        docks = app.docks
        windows = (w for w in dpg.get_windows() if dpg.get_item_type(w).endswith("mvWindowAppItem"))  # and no registries
        self.hidden = [w for w in windows if w != docks.canvas and dpg.is_item_shown(w)]
        for window in self.hidden:
            dpg.hide_item(window)
        dpg.show_item(docks.canvas)
        dpg.hide_item(app.canvas.over)
        self.place = replace(app.view.place)
        app.fit()
        app.later(lambda: app.later(self._read))

    def _read(self) -> None:
        dpg.output_frame_buffer(callback=lambda s, found: self._write(found))

    def _write(self, found: Any) -> None:
        app = self.app
        try:
            w, h = found.get_width(), found.get_height()
            pixels = np.frombuffer(found, np.float32)[: w * h * 4].reshape(h, w, 4)
            scale = w / dpg.get_viewport_client_width()
            left, top = (round(at * scale) for at in app.docks.origin)
            wide, high = round(app.view.width * scale), round(app.view.height * scale)
            cut = pixels[::-1][top : top + high, left : left + wide] * 255.0  # read as 0…1 and the last row first
            cut[..., 3] = 255.0
            dpg.save_image(str(self.path), cut.shape[1], cut.shape[0], cut.ravel())
            app.say(f"the picture is {self.path.name}")
        finally:
            app.view.place = self.place
            dpg.show_item(app.canvas.over)
            for window in self.hidden:
                if dpg.does_item_exist(window):
                    dpg.show_item(window)
            app.docks.arrange()


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
