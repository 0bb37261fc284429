"""Hands for tests of the editor's gestures: mouse and keys on an editor without a window or a session."""

from __future__ import annotations

from typing import Any

from graph import Patch
from nodes import catalog
from ui import actions
from ui.client import Editor
from ui.gestures import LEFT, MIDDLE, RIGHT, Gestures
from ui.model import Box, Knob, Layout, Port, Switch
from ui.overlay import NO_MODS, Entry, Menu, Mods, Palette
from ui.settings import Settings
from ui.view import View

SHIFT, CTRL, ALT, SPACE = Mods(shift=True), Mods(ctrl=True), Mods(alt=True), Mods(space=True)
Spot = tuple[float, float]

catalog.load()


class Docks:
    """Panels and file windows that only say what was asked of them."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def toggle(self, name: str) -> None:
        self.said.append(("toggle", name))

    def is_open(self, name: str) -> bool:
        return ("toggle", name) in self.said

    def settle(self) -> None:
        self.said.append(("settle",))

    def save_as(self) -> None:
        self.said.append(("save_as",))

    def choose_file(self, title: str, then: Any, new: bool = False, endings: tuple[str, ...] = ()) -> None:
        self.said.append(("choose", title, new, endings))
        self.then = then


class Files:
    """A file that only notes what was done with it."""

    dirty = True

    def __init__(self) -> None:
        self.said: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self.said.append((name, *args))


class Hands:
    """An app without a window, and somebody who works with it.  `to` are pixels; the view is at zoom 1 unless moved."""

    def __init__(self, patch: Patch | None = None) -> None:
        self.editor = Editor(patch=Patch() if patch is None else patch)
        self.layout, self.view = Layout(), View(1200.0, 800.0)
        self.view.actual()
        self.view.place.x = self.view.place.y = 0.0
        self.gestures = Gestures(self.editor, self.layout, self.view)
        self.settings = Settings()
        self.docks, self.files = Docks(), Files()
        self.clipboard = ""
        self.said: list[Any] = []
        self.now = 0.0
        self.keys = actions.Keys()
        self.follow()

    # what an app can do

    def say(self, text: str) -> None:
        self.said.append(text)

    def restyle(self, name: str | None = None, scale: float | None = None) -> None:
        self.said.append(("restyle", name))

    def close(self) -> None:
        self.said.append(("close",))

    def show_help(self, type: str) -> None:
        self.said.append(("help", type))

    def export_png(self, path: Any) -> None:
        self.said.append(("png", path))

    def show_levels(self, on: bool) -> None:
        self.said.append(("levels", on))

    def copy_text(self, text: str) -> None:
        self.clipboard = text

    def copied_text(self) -> str:
        return self.clipboard

    # what the loop does

    def follow(self) -> None:
        with self.editor.lock:
            self.layout.update(self.editor.here(), self.editor.over())
        self.gestures.follow()

    # where things are

    def box(self, node: str) -> Box:
        return self.layout.boxes[node]

    def spot(self, node: str) -> Spot:
        """In the title of a node."""
        box = self.box(node)
        return self.view.screen(box.x + box.w / 2, box.y + 8)

    def port(self, node: str, name: str, side: str = "") -> Spot:
        found = self.box(node).port(side, name) if side else self.box(node).port("out", name) or self.box(node).port("in", name)
        assert isinstance(found, Port), (node, name)
        return self.view.screen(found.x, found.y)

    def knob(self, node: str, name: str) -> Spot:
        found = next(k for k in self.box(node).knobs if k.param == name)
        assert isinstance(found, Knob)
        return self.view.screen(found.x, found.y)

    def ring(self, node: str, name: str) -> Spot:
        x, y = self.knob(node, name)
        return x + 11 * self.view.zoom, y

    def switch(self, node: str, name: str) -> Spot:
        found = next(s for s in self.box(node).switches if s.choice == name)
        assert isinstance(found, Switch)
        return self.view.screen(found.x + found.w / 2, found.y + found.h / 2)

    def wire(self, index: int = 0) -> Spot:
        """The middle of a cable."""
        points = list(self.layout.wires.values())[index].points
        return self.view.screen(*points[len(points) // 2])

    # hands

    def drag(
        self, start: Spot, *to: Spot, mods: Mods = NO_MODS, button: int = LEFT, drop: bool = True, now: float | None = None,
    ) -> None:  # fmt: skip
        g = self.gestures
        g.move(*start, mods)
        self.now += 1.0 if now is None else now
        g.press(button, *start, mods, self.now)
        for end in to:
            last = g.pointer
            g.move((last[0] + end[0]) / 2, (last[1] + end[1]) / 2, mods)
            g.move(*end, mods)
        if drop:
            g.release(button, *g.pointer, mods)
            self.follow()

    def click(self, at: Spot, mods: Mods = NO_MODS, button: int = LEFT) -> None:
        self.drag(at, mods=mods, button=button)

    def double(self, at: Spot, mods: Mods = NO_MODS) -> None:
        self.drag(at, mods=mods)
        self.drag(at, mods=mods, now=0.2)

    def menu(self, at: Spot) -> list[str]:
        """Right-click: what the menu offers."""
        self.click(at, button=RIGHT)
        request = self.asked(Menu)
        return actions.offered(self, request.place)

    def act(self, id: str) -> bool:
        done = actions.run(self, id)
        self.follow()
        return done

    def key(self, name: str, mods: Mods = NO_MODS) -> str:
        """Presses a key; gives the action that it meant."""
        if self.gestures.key(name, mods):
            return "gesture"
        id = self.keys.action(name, mods)
        if id:
            self.act(id)
        return id

    def asked(self, kind: type[Any]) -> Any:
        """The window that was asked for last."""
        request = self.gestures.requests.pop()
        assert isinstance(request, kind), request
        return request

    def choose(self, type: str) -> str:
        """Chooses a type in the palette that was asked for."""
        name = self.gestures.chosen(self.asked(Palette), type)
        self.follow()
        return name

    def type(self, text: str) -> str:
        """Types into the field that was asked for; gives why it was refused."""
        why = self.gestures.typed(self.asked(Entry), text)
        self.follow()
        return why

    @property
    def cables(self) -> list[str]:
        return [f"{s}.{o} {d}.{i}" for s, o, d, i in self.editor.here().cables]

    @property
    def errors(self) -> list[str]:
        return [text for _, _, text in self.editor.errors]

    def undo(self) -> str | None:
        label = self.editor.undo()
        self.follow()
        return label


__all__ = ["ALT", "CTRL", "LEFT", "MIDDLE", "NO_MODS", "RIGHT", "SHIFT", "SPACE", "Entry", "Hands", "Menu", "Mods", "Palette"]


def rack() -> Hands:
    """A saw into a filter into the output, an LFO at the cutoff, and a free amplifier."""
    patch = Patch()
    patch.add("source/saw", "osc", at=(40.0, 40.0))
    patch.add("filter/lowpass", "lp", at=(400.0, 40.0))
    patch.add("io/output", "out", at=(760.0, 40.0))
    patch.add("mod/lfo", "lfo", at=(40.0, 320.0))
    patch.add("effect/vca", "vca", at=(400.0, 480.0))
    patch.connect("osc.out", "lp.audio")
    patch.connect("lp.out", "out.audio")
    patch.connect("lfo.out", "lp.cutoff", 0.5)
    return Hands(patch)
