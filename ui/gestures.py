"""`Gestures`: mouse and keys on the canvas become edits, streams and requests.  No window needed.

Positions are pixels from the canvas's upper left corner, buttons are LEFT, RIGHT and MIDDLE.  What lies on top of the canvas
meanwhile is `overlay`; windows that are wanted stand in `requests`, which who shows them takes out.  Keys that mean an
action are no matter of this module (`ui.actions`), except Escape while something is dragged.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graph import PatchError
from graph.edits import Edit, SetParam

from . import adding, entries, menus, presses
from .client import Editor
from .drags import Amount, Band, Copy, Drag, Draw, Map, Move, Pan, Turn
from .model import KNOB_R, Box, Fold, Hit, Knob, Layout, Port, Switch, Wire
from .overlay import NO_MODS, Entry, Menu, Mods, Overlay, Palette, Request
from .view import Minimap, View

LEFT, RIGHT, MIDDLE = 0, 1, 2
DOUBLE = 0.35  # seconds between the clicks of a double click
SLACK = 4.0  # pixels, at scale 1, that a click may wander
STEP = 1.15  # zoom of one step of the wheel
SCROLL = 60.0  # pixels that one step of a scroll pans

MOUSE: tuple[tuple[str, str, str], ...] = (
    ("canvas", "double-click", "the palette: add a node"),
    ("canvas", "drag", "select what lies in a box; with Shift, more than before"),
    ("canvas", "Space and drag, or drag with the middle button", "move the view"),
    ("canvas", "wheel", "zoom at the pointer"),
    ("canvas", "scroll on a trackpad, or Shift and wheel", "move the view"),
    ("canvas", "click in the minimap", "look there"),
    ("canvas", "drop a node type, a patch or a sound", "add it there; on a cable, into the cable; a model too"),
    ("node", "click", "select it; with Shift, add it to the selection or take it out"),
    ("node", "drag", "move the selection on a grid of 8; off the grid while Ctrl is held"),
    ("node", "Alt and drag", "drag a copy of the selection away, with the cables inside it"),
    ("node", "drag one without cables onto a cable", "insert it into the cable"),
    ("node", "double-click", "rename it; a sub-patch opens, and the curves of a tape"),
    ("node", "click on its !", "a menu of what can be done about what is wrong"),
    ("node", "drag in the picture of a latent scatter or plane", "move its cursor; on a plane, a point too"),
    ("node", "Alt and drag a point of a latent plane", "set how wide its disc is"),
    ("port", "drag", "draw a cable, from an outlet or from an inlet"),
    ("port", "drag into empty space", "the palette of what fits there, connected at once"),
    ("port", "drag onto a node", "connect with its first port that fits"),
    ("port", "drag from an inlet with a cable", "take the cable's end elsewhere; let go in empty space to unplug it"),
    ("port", "Shift and drag from an inlet with a cable", "draw another cable"),
    ("port", "double-click", "the palette of what fits"),
    ("cable", "click", "select it; with Shift, more than one"),
    ("cable", "double-click", "the palette: put a node into it"),
    ("knob", "drag up or down", "turn it; with Shift, ten times finer"),
    ("knob", "Ctrl and wheel", "turn it in steps; with Shift, finer"),
    ("knob", "double-click", "back to its default"),
    ("knob", "Ctrl and click", "type a number or a sum: 440*3/2, c4, 1/16, +=10, -6db"),
    ("knob", "drag its ring, or Alt and drag", "set how far its cable moves it"),
    ("switch", "click", "the next position; with Shift, the one before"),
    ("switch", "Ctrl and click", "type the position"),
    ("all", "right-click", "a menu of what can be done there"),
    ("all", "Escape while dragging", "everything as it was"),
)
"""What the mouse does: where, the gesture, what happens.  The cheat sheet prints it, and each has a test."""


class Gestures:
    """The hands of one person on one canvas."""

    def __init__(self, editor: Editor, layout: Layout, view: View) -> None:
        self.editor, self.layout, self.view = editor, layout, view
        self.overlay = Overlay()
        self.requests: list[Request] = []
        self.target: Hit | None = None  # what the last menu was opened on
        self.pointer = (view.width / 2, view.height / 2)
        self.minimap: Minimap | None = None  # where it was drawn, so that it hears clicks
        self.recent: list[str] = []  # types that were added lately
        self.scroll_pans: bool | None = None  # whether a wheel without Ctrl pans; None: where it sends parts of steps
        self.drag: Drag | None = None
        self._button = LEFT
        self._from = (0.0, 0.0)
        self._one = ""  # the node to select alone, if nothing is dragged
        self._wheel: tuple[str, str] | None = None
        self._last: tuple[float, float, float, int] = (-1.0, 0.0, 0.0, -1)  # when and where was the last press
        self._inside = editor.inside
        self._reveal = ""  # a node to bring into view as soon as the layout has it
        self._count = itertools.count(1)

    # ------------------------------------------------------------------ for the parts

    @property
    def slack(self) -> float:
        """Pixels that a click may wander."""
        return SLACK * self.view.scale

    def fresh(self) -> str:
        """A name for a new gesture."""
        return f"hand {next(self._count)}"

    def select(self, names: set[str]) -> None:
        """Selects these nodes."""
        self.editor.selection = set(names)

    def tell(self, words: str, bad: bool = False) -> None:
        """A sentence at the pointer."""
        self.overlay.hint, self.overlay.bad = words, bad

    def ask(self, request: Request) -> None:
        """Wants a window."""
        self.requests.append(request)

    def hit(self, x: float, y: float) -> Hit | None:
        """What is at a pixel."""
        return self.layout.hit(*self.view.world(x, y), self.view.zoom, self.view.level)

    def refusal(self) -> str:
        """Why nothing can be moved or connected now; "" where it can."""
        if self.editor.locked:
            return "the patch is locked for playing; Ctrl+E unlocks it"
        return self.editor.readonly

    def change(self, edit: Edit | None) -> bool:
        """Does an edit unless the patch is locked."""
        why = self.refusal()
        if why:
            self.editor.fail(why)
            return False
        return edit is not None and self.editor.do(edit)

    def follow(self) -> None:
        """After the layout followed the patch: forgets what was in another sub-patch, brings into view what was searched."""
        if self._inside != self.editor.inside:
            self._inside = self.editor.inside
            self.overlay, self.target, self.drag = Overlay(), None, None
        box = self.layout.boxes.get(self._reveal) if self._reveal else None
        if box is not None:
            self.view.reveal(box)
            self._reveal = ""

    # ------------------------------------------------------------------ buttons

    def press(self, button: int, x: float, y: float, mods: Mods = NO_MODS, now: float | None = None) -> None:
        """A button goes down.  The second time within a moment is a double click."""
        now = time.monotonic() if now is None else now
        last, self._last = self._last, (now, x, y, button)
        if not self._began(button, x, y, mods):
            return
        hit = self.hit(x, y)
        if button == last[3] and now - last[0] < DOUBLE and math.hypot(x - last[1], y - last[2]) <= self.slack:
            self._last = (-1.0, 0.0, 0.0, -1)
            if self._double(hit, x, y, mods):
                return
        self._press(hit, x, y, mods)

    def _began(self, button: int, x: float, y: float, mods: Mods) -> bool:
        """What a press does wherever it is; True where it depends on what is there."""
        if self.drag is not None:
            return False
        self._settle()
        self.pointer, self._from, self._button, self._one = (x, y), (x, y), button, ""
        if button == MIDDLE or (button == LEFT and mods.space):
            self.drag = Pan(self, x, y)
        elif button == RIGHT:
            self.menu(x, y)
        elif self.minimap is not None and self.minimap.over(x, y):
            self.drag = Map(self, x, y, self.minimap)
        else:
            self.overlay.shown, self.overlay.lit = frozenset(), frozenset()
            return True
        return False

    def _press(self, hit: Hit | None, x: float, y: float, mods: Mods) -> None:
        why = self.refusal()
        if isinstance(hit, Knob):
            self._press_knob(hit, x, y, mods)
        elif isinstance(hit, Switch):
            self._press_switch(hit, x, y, mods)
        elif isinstance(hit, Fold):
            self.layout.toggle(hit.node)
        elif isinstance(hit, Port):
            if why:
                self.tell(why, True)
            else:
                self.drag = Draw(self, x, y, hit, mods)
        elif isinstance(hit, Box):
            if not presses.press(self, hit, x, y, mods):
                self._press_box(hit, x, y, mods)
        elif isinstance(hit, Wire):
            more = mods.shift or mods.ctrl
            if not more:
                self.select(set())
            self.overlay.wires = (self.overlay.wires if more else set()) ^ {hit.key}
        else:
            self.drag = Band(self, x, y, mods)

    def _press_box(self, box: Box, x: float, y: float, mods: Mods) -> None:
        selection = self.editor.selection
        if mods.shift or mods.ctrl:
            self.select(selection ^ {box.name})
        elif box.name not in selection:
            self.select({box.name})
            self.overlay.wires.clear()
        else:
            self._one = box.name
        self.layout.raise_(box.name)
        if box.name in self.editor.selection:
            if self.refusal():
                self.drag = presses.Locked(self, x, y)
            else:
                self.drag = (Copy if mods.alt else Move)(self, x, y, box)

    def _press_knob(self, knob: Knob, x: float, y: float, mods: Mods) -> None:
        if mods.ctrl:
            self.ask(entries.param_entry(self, knob.node, knob.param, x, y))
            return
        wx, wy = self.view.world(x, y)
        ring = math.hypot(wx - knob.x, wy - knob.y) > KNOB_R + 1.0
        if knob.modulation and (ring or mods.alt):
            if self.refusal():
                self.tell(self.refusal(), True)
                return
            picked = [m for m in knob.modulation if m[0] in self.overlay.wires] or list(knob.modulation)
            self.drag = Amount(self, x, y, knob, max(picked, key=lambda m: abs(m[1]))[0])
            return
        why = self.editor.why_not(SetParam(knob.node, knob.param, knob.value)) if self.editor.inside else ""
        if why:  # a sub-patch by file, where this knob is not shown
            self.tell(why, True)
        else:
            self.drag = Turn(self, x, y, knob)

    def _press_switch(self, switch: Switch, x: float, y: float, mods: Mods) -> None:
        if mods.ctrl:
            self.ask(entries.param_entry(self, switch.node, switch.choice, x, y))
            return
        options = switch.item.options
        at = options.index(switch.option) if switch.option in options else 0
        self.set(switch.node, switch.choice, options[(at + (-1 if mods.shift else 1)) % len(options)])

    def set(self, node: str, port: str, value: float | str) -> None:
        """Sets a value as one step."""
        self.editor.stream(node, port, value, gesture=self.fresh())
        self.editor.end()

    def _double(self, hit: Hit | None, x: float, y: float, mods: Mods) -> bool:
        """What a double click does; False where it is two clicks."""
        why, at = self.refusal(), self.view.world(x, y)
        if isinstance(hit, Knob) and not mods.ctrl:
            self.set(hit.node, hit.param, hit.item.default)
        elif isinstance(hit, Box) and hit.look == "patch":
            self.editor.enter(hit.name)
        elif isinstance(hit, Box) and presses.plays(hit, *at):
            return False
        elif isinstance(hit, Box) and presses.opens(self, hit):
            pass
        elif isinstance(hit, Box) and not why:
            self.ask(entries.rename_entry(self, hit.name))
        elif hit is not None and not isinstance(hit, Port | Wire | Box):
            return False
        elif why:
            self.tell(why, True)
        elif isinstance(hit, Port):
            with self.editor.lock:
                self.ask(menus.palette_for(self.editor.here(), hit, x, y, at))
        elif isinstance(hit, Wire):
            self.ask(Palette(x, y, at, wire=hit.key))
        else:
            self.ask(Palette(x, y, at))
        return True

    def menu(self, x: float, y: float) -> None:
        """Asks for the menu of what is at a pixel."""
        hit = self.target = self.hit(x, y)
        place, name = "canvas", getattr(hit, "node", "")
        if isinstance(hit, Box | Fold):
            place, name = "node", getattr(hit, "name", name)
        elif isinstance(hit, Wire):
            place = "cable"
            if hit.key not in self.overlay.wires:
                self.overlay.wires = {hit.key}
                self.select(set())
        elif isinstance(hit, Knob | Switch):
            place = "knob" if isinstance(hit, Knob) else "switch"
        elif isinstance(hit, Port):
            place = "port"
        if name and name not in self.editor.selection:
            self.select({name})
            self.overlay.wires.clear()
        self.ask(Menu(x, y, place, menus.MENUS[place]))

    def move(self, x: float, y: float, mods: Mods = NO_MODS) -> None:
        """The pointer moved (or a modifier changed)."""
        self.pointer = (x, y)
        self.follow()
        if self.drag is not None:
            far = math.hypot(x - self._from[0], y - self._from[1]) > self.slack
            if far:
                self._one = ""
                self._from = (math.inf, math.inf)  # once is enough
            if far or self._from[0] == math.inf or not isinstance(self.drag, Move | Band):
                self.tell("")
                self.drag.move(x, y, mods)
            return
        hit = self.hit(x, y)
        self.overlay.hover = hit
        if self._wheel is not None and (getattr(hit, "node", ""), getattr(hit, "param", "")) != self._wheel:
            self._settle()
        knobs = {Knob: "turn", Switch: "turn", Port: "cross"}
        self.overlay.cursor = "hand" if mods.space else knobs.get(type(hit), "")  # type: ignore[assignment]

    def release(self, button: int, x: float, y: float, mods: Mods = NO_MODS) -> None:
        """A button goes up."""
        self.pointer = (x, y)
        if button != self._button:
            return
        drag, self.drag = self.drag, None
        if drag is not None:
            drag.release(x, y, mods)
            self.overlay.hover = None  # what lies here now may be another thing, and has another value
        elif self.overlay.bad:
            self.tell("")
        if self._one:
            self.select({self._one})
            self._one = ""
        self._clean()

    def key(self, name: str, mods: Mods = NO_MODS) -> bool:
        """Escape ends a drag; True where the key was meant for here."""
        if name != "Escape" or self.drag is None:
            return False
        drag, self.drag = self.drag, None
        drag.cancel()
        self._clean()
        return True

    def _clean(self) -> None:
        """Nothing of a drag is left on the canvas."""
        over = self.overlay
        over.band = over.cable = over.insert = None
        over.ghosts = ()
        over.cursor = ""
        self.tell("")

    def _settle(self) -> None:
        """Ends turning by the wheel."""
        if self._wheel is not None:
            self._wheel = None
            self.editor.end()

    # ------------------------------------------------------------------ the wheel

    def wheel(self, steps: float, x: float, y: float, mods: Mods = NO_MODS, sideways: float = 0.0) -> None:
        """A wheel turned (up is positive) or two fingers moved.  Parts of steps come from a trackpad, which pans."""
        hit = self.hit(x, y)
        if mods.ctrl and isinstance(hit, Knob) and steps:
            place = hit.node, hit.param
            if self._wheel != place:
                self._settle()
            self._wheel = place
            try:
                now = hit.item.knob(float(self.editor.value(hit.node, hit.param)))
            except PatchError:
                return  # it has just gone
            at = min(max(now + steps * (0.001 if mods.shift else 0.01), 0.0), 1.0)
            self.editor.stream(hit.node, hit.param, at, knob=True, gesture=f"wheel {hit.node}.{hit.param}")
            return
        pans = self.scroll_pans if self.scroll_pans is not None else steps != int(steps) or sideways != 0.0
        size = SCROLL * self.view.scale
        if mods.ctrl or not (mods.shift or pans):
            self.view.zoom_at(STEP**steps, x, y)
        elif mods.shift and not sideways:
            self.view.pan(size * steps, 0.0)
        else:
            self.view.pan(size * sideways, size * steps)
        if self.drag is not None:
            self.drag.move(x, y, mods)

    # ------------------------------------------------------------------ answers to requests

    def chosen(self, request: Palette, type: str, values: Mapping[str, Any] | None = None) -> str:
        """The palette's answer: adds a node of that type where it was asked for.  Gives its name, "" where it is refused."""
        return adding.add(self, type, request.at, request.port, request.wire, values)

    def found(self, path: str) -> None:
        """The answer to a search: looks where the node of a full path is, and selects it."""
        self._reveal = self.editor.show(path)

    def drop(self, type: str, x: float, y: float, values: Mapping[str, Any] | None = None) -> str:
        """A node type was dropped at a pixel; on a cable, it goes into it.  Gives its name."""
        return adding.drop(self, type, x, y, values)

    def drop_file(self, path: Path, x: float, y: float, onto: bool = True) -> str:
        """A sound, a patch or a model was dropped at a pixel: it becomes a node.  Gives its name."""
        return adding.drop_file(self, path, x, y, onto)

    def typed(self, request: Entry, text: str) -> str:
        """The answer to an entry; gives the sentence why it is refused, "" where it is taken."""
        return entries.typed(self, request, text)
