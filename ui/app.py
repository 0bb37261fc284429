"""The window: opens it, runs the loop, and puts the parts together.

`App` is what panels and actions are given.  Its fields: `editor`, `layout`, `view`, `gestures`, `canvas`, `files`, `settings`,
`theme`, `scale`.  Its doors: `say(text)` shows a sentence in passing, `ask(text, answers)` asks one, `px(n)` makes pixels of
sizes at scale 1, `docks.open(name)` and `docks.toggle(name)` open and close panels, `later(call)` runs something in the
next turn of the loop.  A panel is the class `Panel` of a module of `ui.panels`, made inside the dock where it belongs
(`ui.app_docks.PLACES`); its `refresh()` is called at most 20 times a second while it is open, and `remove()`, if it has one,
takes away what it made elsewhere.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import dearpygui.dearpygui as dpg

from graph.errors import PatchError
from graph.patch import Patch

from . import actions, app_files, display, files, overlay, places, recovery, start, theme
from .app_docks import Docks
from .app_input import Input
from .client import Editor
from .draw import Canvas
from .draw_over import Over
from .gestures import Gestures
from .model import Layout
from .settings import Settings
from .view import View

REFRESH = 0.05  # seconds between looks of the panels
FRAME = 1 / 60  # seconds of a frame
TOAST = 5.0  # seconds that a sentence is shown
EARLY = ("quit", "fit", "zoom-in", "zoom-out", "zoom-actual", "theme", "minimap")  # actions that need no session


class App:
    """The editor's window.  Where `editor` is given, no session is started: for tests and benchmarks."""

    def __init__(
        self, path: Path | None = None, *, editor: Editor | None = None, settings: Settings | None = None,
        size: tuple[int, int] | None = None, vsync: bool = True, job: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.settings = settings or Settings.load()
        self.theme = theme.THEMES[self.settings.theme]
        self.scale = 1.0
        self.layout, self.view = Layout(), View()
        self.said: list[tuple[float, str]] = []
        self.ended = False
        self.opening: start.Opening | None = None  # the session of the patch that is open
        self.waiting = False
        """Whether that session is not there yet, so that nothing can be changed."""
        self.job = dict(job or {})
        self._given = editor
        self.editor = editor or Editor()
        self.files = files.Files(self.editor, self.play, self.say)
        self._path = path
        self._size, self._vsync = size or self.settings.size, vsync
        self._fonts: dict[tuple[str, int], int | str] = {}
        self._later: list[Callable[[], None]] = []
        self._refreshed = self._errors_seen = 0.0
        self._version = -1
        self._inside: tuple[str, ...] | None = None
        self._title = ""
        self._fit = True
        self._troubles: set[str] = set()
        self.frames = 0
        self.keys, self._wrong = actions.load_keys()

    # ------------------------------------------------------------------ the window

    def open_window(self) -> None:
        """Makes the window and what the first picture needs."""
        w, h = self._size
        dpg.create_context()
        dpg.configure_app(manual_callback_management=True)
        dpg.create_viewport(
            title="zrack", width=w, height=h, x_pos=0, y_pos=0, min_width=640, min_height=400, vsync=self._vsync,
            clear_color=self.theme.canvas, disable_close=True,
        )  # fmt: skip
        self._registry = dpg.add_font_registry()
        dpg.setup_dearpygui()
        dpg.show_viewport()
        room = display.room()
        if room is not None and (w > room[0] or h > room[1]):
            dpg.set_viewport_width(min(w, room[0]))
            dpg.set_viewport_height(min(h, room[1]))
        self.scale = theme.scale_of(self.settings.scale, display.content_scale())
        self.view.scale = self.scale
        self.view.actual()
        self._dress()
        self.gestures = Gestures(self.editor, self.layout, self.view)
        self.docks = Docks(self)
        self.canvas = Canvas(self.docks.canvas, self.editor, self.layout, self.view, self.theme)
        self.canvas.cable_levels = self.settings.cable_levels
        self.over = Over(self)
        self.docks.arrange()
        self.input = Input(self)
        for sentence in self._wrong:
            self.editor.fail(sentence)
        dpg.set_exit_callback(lambda: self.close())
        display.on_drop(lambda paths: self.later(lambda: self.dropped(paths)))

    def _dress(self) -> None:
        """Fonts and colours of theme and scale."""
        size = round(theme.FONT * self.scale)
        for name, file in (("sans", theme.SANS), ("mono", theme.MONO)):
            if (name, size) not in self._fonts:
                self._fonts[name, size] = dpg.add_font(str(file), size, parent=self._registry)
        self.sans, self.mono = self._fonts["sans", size], self._fonts["mono", size]
        dpg.bind_font(self.sans)
        theme.apply(self.theme, self.scale)
        dpg.set_viewport_clear_color(list(self.theme.canvas))

    def restyle(self, name: str | None = None, scale: float | None = None) -> None:
        """Another theme or UI scale, from now on."""
        if name is not None:
            self.settings.theme = name
            self.theme = theme.THEMES[name]
        if scale is not None:
            self.settings.scale = scale or None
            self.scale = theme.scale_of(scale, display.content_scale())
            self.view.rescale(self.scale)
        self._dress()
        self.docks.restyle()
        self.canvas.restyle(self.theme)
        self.docks.arrange()
        self.settings.save()

    def px(self, size: float) -> int:
        """Pixels of a size at scale 1."""
        return round(size * self.scale)

    # ------------------------------------------------------------------ the loop

    def run(self) -> int:
        """Opens the window and stays until it is closed.  Returns the exit code."""
        self.open_window()
        try:
            if self._given is None:
                self._begin()
            while self.frame():
                pass
        except KeyboardInterrupt:  # at the terminal: there is nobody to ask
            self.files.rescue()
        except Exception:
            self.opening = None  # the sound outlives the window
            raise
        finally:
            self._end()
        return 0

    def frame(self) -> bool:
        """One turn of the loop; False when the window is to go."""
        if self.ended or not dpg.is_dearpygui_running():
            return False
        start = time.monotonic()
        self.turn()
        dpg.render_dearpygui_frame()
        self.frames += 1
        if self._vsync:  # where the display itself does not hold us
            time.sleep(max(0.0, FRAME - (time.monotonic() - start)))
        return True

    def turn(self) -> None:
        """All of a frame but its rendering.  What fails is told and does not end the window."""
        for job in dpg.get_callback_queue() or ():
            self._try("a key or button", lambda job=job: dpg.run_callbacks([job]))  # type: ignore[misc]
        calls, self._later = self._later, []
        for call in calls:
            self._try("a delayed call", call)
        now = time.monotonic()
        self._try("the session", self._poll)
        self._try("the layout", self._follow)
        self._try("the mouse", self.input.frame)
        if now - self._refreshed >= REFRESH and self.frames:
            self._refreshed = now
            self._try("the panels", lambda: self.docks.refresh(now))
        self._try("what was asked for", self._answer)
        self._try("autosave", self.files.tick)
        self._try("the canvas", self.canvas.update)
        self._try("the overlay", lambda: self.over.update(now))

    def later(self, call: Callable[[], None]) -> None:
        """Runs something in the next turn of the loop."""
        self._later.append(call)

    def _try(self, what: str, call: Callable[[], Any]) -> None:
        try:
            call()
        except PatchError as error:
            self.say(str(error))
        except Exception as error:
            self.trouble(what, error)

    def trouble(self, what: str, error: Exception) -> None:
        """A mistake of ours: told once, written to stderr, and the window goes on."""
        text = "".join(traceback.format_exception(error))
        if text in self._troubles:
            return
        self._troubles.add(text)
        sys.stderr.write(text)
        self.editor.fail(f"the editor stumbled over {what}: {' '.join(str(error).split()) or type(error).__name__}")

    def _follow(self) -> None:
        """Brings the layout to the patch that is looked at."""
        editor = self.editor
        if editor.version != self._version or editor.inside != self._inside:
            self._version = editor.version
            with editor.lock:
                self.layout.update(editor.here(), editor.over())
            if editor.inside != self._inside:
                self._inside = editor.inside
                self.view.enter(editor.inside, self.layout.boxes.values())
            self.gestures.follow()
        if self._fit and (self.layout.boxes or not self.waiting):
            self._fit = False  # in an empty patch too: the first node stays where it was put
            if self.layout.boxes:
                self.view.begin(self.layout.boxes.values(), self.layout.output())

    def fit(self) -> None:
        """Shows everything."""
        self.view.fit(self.layout.boxes.values())

    # ------------------------------------------------------------------ words

    def say(self, text: str) -> None:
        """Shows a sentence in passing."""
        if text:
            self.said = [*self.said[-3:], (time.monotonic() + TOAST, text)]

    def ask(self, text: str, answers: Mapping[str, Callable[[], None] | None]) -> None:
        """Asks: a window with the text and a button for each answer; None does nothing.  The last one is also Escape."""
        self.docks.ask(text, answers)

    # ------------------------------------------------------------------ actions

    def act(self, id: str) -> None:
        """Does an action of the table."""
        if self.waiting and id not in EARLY:
            self.say("the sound is starting; a moment")
        else:
            actions.run(self, id)

    def key(self, name: str, mods: overlay.Mods) -> None:
        """A key that is for no text field."""
        id = self.keys.action(name, mods)
        if id:
            self.act(id)

    def _answer(self) -> None:
        """Opens what the gestures asked for."""
        wanted = self.gestures.requests[:]
        self.gestures.requests.clear()
        for request in wanted:
            if isinstance(request, overlay.Menu):
                if self.docks.menus is not None:
                    self.docks.menus.popup(request.x, request.y, request.place, request.ids)
            else:
                self.docks.made(overlay.PANELS[type(request)]).open(request)

    def show_help(self, type: str) -> None:
        """Opens the help of a node type."""
        self.docks.help().open(self, type)

    def show_levels(self, on: bool) -> None:
        """Cables show what they carry, or no longer."""
        self.canvas.show_levels(on)

    def copy_text(self, text: str) -> None:
        """Puts text on the clipboard."""
        dpg.set_clipboard_text(text)

    def copied_text(self) -> str:
        """The text on the clipboard."""
        return str(dpg.get_clipboard_text() or "")

    def export_png(self, path: Path) -> None:
        """Writes a picture of the canvas with the whole patch in view."""
        app_files.Picture(self, path)

    # ------------------------------------------------------------------ the session

    def _begin(self) -> None:
        """Shows the patch at once, and starts its session meanwhile."""
        self.play(self._path or self._first())

    def _first(self) -> Path:
        """What is opened where no patch is named: the tour the first time, what plays without an editor or died with it,
        unsaved work that has no name, or a new patch.
        """
        if not self.settings.toured:
            self.settings.toured = True
            self.docks.open("transport")
            return app_files.tour()
        for path in [*start.alone(), *(found.path for found in recovery.leftovers())]:
            with suppress(PatchError):
                Patch.load(path)
                return path
        return places.fresh()

    def play(self, path: Path) -> None:
        """Goes on with another patch: seen at once, heard when its session is there."""
        patch = Patch.load(path)
        self.hold(patch)
        if self._given is None:
            self.opening, self.waiting = start.Opening(path, self.opening, **self.job), True
            self.say(f"starting the sound of {path.name} …")

    def hold(self, patch: Patch) -> None:
        """Shows a patch that nothing plays yet."""
        self.editor.open(patch)
        self._fit, self._version = True, -1

    def _join(self, opening: start.Opening) -> None:
        """Goes on in the session, now that it is there."""
        self.waiting = False
        client, opening.client = opening.client, None
        if client is not None:
            self.editor.attach(client)
            self.editor.reconnect = opening.again
            self.say(
                "the patch played already; here it is" if opening.found
                else "what was not saved is here again, with its history" if self.files.dirty else "the patch plays"
            )  # fmt: skip
        else:
            self.editor.fail(opening.error or "there is no sound: the session did not start")
        for sentence in opening.said:
            self.editor.fail(sentence)
        self._version = -1
        self.files.opened()
        if self.files.offer is not None:
            self.docks.offer_recovery()

    def _poll(self) -> None:
        if self.waiting and self.opening is not None and self.opening.ready.is_set():
            self._join(self.opening)
        self.editor.poll()
        if self.editor.notice:
            self.say(self.editor.notice)
            self.editor.notice = ""
        for when, node, text in self.editor.errors[-4:]:
            if when > self._errors_seen:
                self._errors_seen = when
                self.say(f"{node}: {text}" if node and node not in text else text)
        title = f"{self.files.title} — zrack"
        if title != self._title:
            self._title = title
            dpg.set_viewport_title(title)

    # ------------------------------------------------------------------ files and the end

    def dropped(self, paths: list[Path]) -> None:
        """Files were dropped on the window: a patch is opened; a sound becomes a node where the mouse is."""
        for path in paths[:8]:
            if path.suffix in places.ENDINGS:
                self.docks.open_patch(path)
                return
            self.docks.take_file(path)

    def close(self) -> None:
        """Closes the window, once unsaved changes are settled."""
        self.files.leave(self.finish)
        self.docks.settle()

    def finish(self) -> None:
        """The window goes; nothing is asked."""
        self.ended = True

    def _end(self) -> None:
        try:
            if self._given is None:
                self.settings.size = (dpg.get_viewport_width(), dpg.get_viewport_height())
                self.settings.save()
            self.editor.close()
        finally:
            dpg.destroy_context()
            if self.opening is not None:
                self.opening.end()


def main(path: Path | str | None = None, **job: Any) -> int:
    """Opens the editor.  Without a display: one sentence on stderr, exit code 1."""
    why = display.why_not()
    if why:
        sys.stderr.write(f"zrack: {why}, so no window can be opened; `zrack play {path or 'PATCH'}` plays without one\n")
        return 1
    from nodes import catalog

    problems = catalog.load()
    app = App(Path(path) if path is not None else None, job=job)
    for sentence in problems:
        app.editor.fail(sentence)
    return app.run()
