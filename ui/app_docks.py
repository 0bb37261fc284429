"""The window's parts: menu, docks with panels at the edges, the canvas between them, and questions."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import dearpygui.dearpygui as dpg

from graph.errors import PatchError

from . import app_files
from .app_menu import Menus
from .models import Models
from .theme import FONT

if TYPE_CHECKING:
    from .app import App

PLACES = {
    "transport": "bottom", "log": "low", "browser": "left", "snapshots": "left", "inspector": "right",
    "perform": "whole", "palette": "window", "entry": "window", "settings": "window", "curves": "window",
    "trust": "window",
}  # fmt: skip
"""Where each panel is: at an edge (`low` lies above `bottom`), over the whole canvas, or in windows of its own."""
CLOSED = ("log", "perform", "snapshots")
"""Docked panels that are closed until they are asked for."""
SIZES = {"left": 230.0, "right": 290.0, "bottom": 40.0, "low": 150.0}
"""Width or height of a dock, in pixels at scale 1."""
LEAST = 900.0  # width of the canvas, at scale 1, below which docks are closed by themselves


@dataclass
class Panel:
    """A panel: the object that its module made of itself, once it was needed, and the group it lies in."""

    name: str
    place: str
    made: Any = None
    group: int | str = 0
    failed: bool = False


class Docks:
    """See the module."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.panels = {name: Panel(name, place) for name, place in PLACES.items()}
        flat: dict[str, Any] = {
            "no_title_bar": True, "no_move": True, "no_resize": True, "no_collapse": True, "no_close": True,
            "no_bring_to_front_on_focus": True,
        }  # fmt: skip
        self._bare = self._bare_theme()
        self.canvas = dpg.add_window(**flat, no_scrollbar=True, no_scroll_with_mouse=True, no_background=True)
        dpg.bind_item_theme(self.canvas, self._bare)
        self.edges = {
            edge: dpg.add_window(**flat, show=False, no_scrollbar=edge == "bottom", no_scroll_with_mouse=edge == "bottom")
            for edge in ("left", "right", "bottom", "low", "whole")
        }
        self._square = self._square_theme()
        for window in self.edges.values():
            dpg.bind_item_theme(window, self._square)
        self.menus: Menus | None = None
        self.models = Models(app.editor)
        self.models.begin()
        self._checked = 0.0
        self._question: int | str = 0
        self._chooser: app_files.Chooser | None = None
        self._helps = False  # the help windows were made
        self._size = (0, 0)
        self._ready = 0

    @staticmethod
    def _bare_theme() -> int | str:
        made: int | str
        with dpg.theme() as made, dpg.theme_component(dpg.mvAll):
            dpg.add_theme_style(dpg.mvStyleVar_WindowPadding, 0, 0)
            dpg.add_theme_style(dpg.mvStyleVar_WindowBorderSize, 0)
            dpg.add_theme_style(dpg.mvStyleVar_WindowRounding, 0)
        return made

    @staticmethod
    def _square_theme() -> int | str:
        made: int | str
        with dpg.theme() as made, dpg.theme_component(dpg.mvWindowAppItem):
            dpg.add_theme_style(dpg.mvStyleVar_WindowRounding, 0)
            dpg.add_theme_style(dpg.mvStyleVar_WindowBorderSize, 1)
        return made

    # ------------------------------------------------------------------ panels

    def is_open(self, name: str) -> bool:
        """Whether a docked panel is shown, or would be where there is room."""
        chosen = self.app.settings.panels.get(name)
        if chosen is not None:
            return chosen
        if name in CLOSED:
            return False
        place = PLACES[name]
        if place in ("left", "right"):
            room = dpg.get_viewport_client_width() / self.app.scale - LEAST
            return bool(room >= (SIZES["right"] if place == "right" else SIZES["right"] + SIZES["left"]))
        return True

    def open(self, name: str, on: bool = True) -> None:
        """Opens or closes a panel."""
        self.app.settings.panels[name] = on
        self.arrange()

    def toggle(self, name: str) -> None:
        """Opens a panel, or closes it."""
        if name == "help":
            self.help().keys(self.app)
        elif name == "settings":
            self.made("settings").open()
        elif name != "perform" and self.performing:
            self.open("perform", False)
            self.open(name)
        else:
            self.open(name, not self.is_open(name))

    @property
    def performing(self) -> bool:
        """Whether the performance page has the window to itself."""
        return self.is_open("perform") and not self.panels["perform"].failed

    def shown(self, panel: Panel) -> bool:
        """Whether a docked panel is seen."""
        return self.is_open(panel.name) and not panel.failed and (panel.place == "whole" or not self.performing)

    def _build(self, panel: Panel) -> None:
        """Makes a panel when it is needed first; one that fails is left out and told."""
        try:
            make = importlib.import_module(f"ui.panels.{panel.name}").Panel
            if panel.place == "window":
                panel.made = make(self.app)
            else:
                panel.group = dpg.add_group(parent=self.edges[panel.place])
                dpg.push_container_stack(panel.group)
                panel.made = make(self.app)
                dpg.pop_container_stack()
        except Exception as error:
            panel.failed = True
            dpg.empty_container_stack()
            self.app.trouble(f"the panel {panel.name}", error)

    def made(self, name: str) -> Any:
        """A panel, made if it was not yet."""
        panel = self.panels[name]
        if panel.made is None and not panel.failed:
            self._build(panel)
        if panel.made is None:
            raise PatchError(f"the panel {name} could not be made; the log says why")
        return panel.made

    def help(self) -> ModuleType:
        """The module of the help windows."""
        module = importlib.import_module("ui.panels.help")
        if not self._helps:
            self._helps = True
            module.build(self.app)
        return module

    def typing(self) -> bool:
        """Whether the palette or a field is open, so that keys are letters."""
        return any((made := self.panels[name].made) is not None and made.request is not None for name in ("palette", "entry"))

    def refresh(self, now: float) -> None:
        """Lets the panels that are shown look again.  Panels are built one at a time after the first picture."""
        if self._size != (dpg.get_viewport_client_width(), dpg.get_viewport_client_height()):
            self.arrange()
        if self.menus is None:
            self.menus = Menus(self.app)
            self.arrange()
        self.models.tick(now)
        if now - self._checked > 0.2:
            self._checked = now
            self.menus.refresh()
        for panel in self.panels.values():
            if panel.failed or (panel.place != "window" and not self.shown(panel)):
                continue
            if panel.made is None:
                self._build(panel)
                self.arrange()
                return
            try:
                panel.made.refresh()
            except Exception as error:
                self.app.trouble(f"the panel {panel.name}", error)

    def restyle(self) -> None:
        """The theme or scale is another: panels are built again."""
        for panel in self.panels.values():
            if hasattr(panel.made, "remove"):
                panel.made.remove()
            if panel.group:
                dpg.delete_item(panel.group)
            panel.made, panel.group, panel.failed = None, 0, False
        if self._helps:
            self.help().close(self.app)
            self._helps = False

    def arrange(self) -> None:
        """Gives every dock and the canvas their places."""
        w, h = self._size = dpg.get_viewport_client_width(), dpg.get_viewport_client_height()
        px = self.app.px
        top = px(FONT + 8)
        used = dict.fromkeys(self.edges, False)
        for panel in self.panels.values():
            if panel.place == "window":
                continue
            shown = self.shown(panel)
            used[panel.place] = used[panel.place] or shown
            if panel.group:
                dpg.configure_item(panel.group, show=shown)
        size = {edge: px(SIZES[edge]) if used[edge] else 0 for edge in SIZES}
        left, right = size["left"], w - size["right"]
        bottom = h - size["bottom"]
        low = bottom - size["low"]
        rects = {
            "left": (0, top, left, bottom - top), "right": (right, top, w - right, bottom - top),
            "bottom": (0, bottom, w, h - bottom), "low": (left, low, right - left, bottom - low),
            "whole": (left, top, right - left, low - top),
        }  # fmt: skip
        for edge, (x, y, width, height) in rects.items():
            dpg.configure_item(self.edges[edge], pos=(x, y), width=max(width, 1), height=max(height, 1), show=used[edge])
        width, height = max(right - left, 1), max(low - top, 1)
        dpg.configure_item(self.canvas, pos=(left, top), width=width, height=height, show=not used["whole"])
        if hasattr(self.app, "canvas"):
            self.app.canvas.size(width, height)
        self.origin = (left, top)

    # ------------------------------------------------------------------ questions

    def ask(self, text: str, answers: Mapping[str, Callable[[], None] | None]) -> None:
        """A window with a sentence and a button for each answer."""
        self._close_question()
        app = self.app
        wide = app.px(420)
        w, h = dpg.get_viewport_client_width(), dpg.get_viewport_client_height()
        with dpg.window(
            modal=True, no_title_bar=True, no_resize=True, no_move=True, autosize=True, pos=((w - wide) // 2, h // 3)
        ) as self._question:
            dpg.add_text(text, wrap=wide - app.px(30))
            dpg.add_spacer(height=app.px(6))
            with dpg.group(horizontal=True):
                for label, then in answers.items():
                    dpg.add_button(label=label, callback=lambda s, a, u: self._answered(u), user_data=then)
        self._escape = list(answers.values())[-1] if answers else None

    def _answered(self, then: Callable[[], None] | None) -> None:
        self._close_question()
        if then is not None:
            self.app.later(then)

    def _close_question(self) -> None:
        if self._question and dpg.does_item_exist(self._question):
            dpg.delete_item(self._question)
        self._question = 0

    @property
    def asking(self) -> bool:
        """Whether a question waits, or a file is asked for."""
        return bool(self._question) or (self._chooser is not None and self._chooser.open)

    def escape(self) -> bool:
        """Escape was pressed; whether what lies on top took it: a file or an answer is asked for, a menu, settings, help."""
        if self._chooser is not None and self._chooser.open:
            self._chooser.close()
            return True
        if self._question:
            self._answered(self._escape)
            return True
        if self.menus is not None and self.menus.escape():
            return True
        settings = self.panels["settings"].made
        if settings is not None and settings.showing:
            settings.remove()
            return True
        curves = self.panels["curves"].made
        if curves is not None and curves.escape():
            return True
        return self._helps and bool(self.help().escape())

    def settle(self) -> None:
        """Asks about unsaved changes where something waits for that."""
        files = self.app.files
        if files.pending is None:
            return
        name = files.title.removesuffix(" •")
        self.ask(
            f"Save the changes to {name}?",
            {"Save": self._save, "Don't save": lambda: files.answer("discard"), "Cancel": lambda: files.answer("cancel")},
        )

    def new_patch(self, template: str) -> None:
        """A new patch from a template."""
        self.app.files.new(template)
        self.settle()

    def open_patch(self, path: Path) -> None:
        """Opens another patch."""
        self.app.files.open(path)
        self.settle()

    def _save(self) -> None:
        try:
            self.app.files.answer("save")
        except PatchError as error:
            self.app.say(str(error))
            self.save_as(self.settle_now)

    def settle_now(self) -> None:
        """What waited goes on, now that everything is saved."""
        files = self.app.files
        pending, files.pending = files.pending, None
        if pending is not None:
            pending()

    def save_as(self, then: Callable[[], None] | None = None) -> None:
        """Asks where to save the patch."""

        def chosen(path: Path) -> None:
            self.app.files.save_as(path)
            if then is not None:
                then()

        self.choose_file("Save the patch as", chosen, new=True)

    def choose_file(self, title: str, then: Callable[[Path], None], new: bool = False, endings: tuple[str, ...] = ()) -> None:
        """Asks for a file: the name is typed or picked."""
        self._chooser = app_files.choose(self.app, title, then, new, endings or (".zrack", ".json"))

    def offer_recovery(self) -> None:
        """Offers unsaved work of a crash."""
        self.ask(*self.app.files.question())

    def take_file(self, path: Path) -> None:
        """A file that is no patch was dropped on the canvas."""
        x, y = self.app.input.mouse()
        self.app.gestures.drop_file(path, x, y)
