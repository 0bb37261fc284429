"""The canvas: shows a `Layout` through a `View`, and redraws only what changed.

One drawing node a box and a few items a cable hang below a root that carries pan and zoom; a box is drawn again alone when
something that its picture depends on is another.  Levels, rings and badges move without redrawing.  See `ui.draw_nodes`,
`ui.draw_cables`, and `ui.draw_over` for what lies on top.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import dearpygui._dearpygui as raw
import dearpygui.dearpygui as dpg

from graph.patch import Key

from . import draw_cables, draw_nodes, flow
from .client import Editor
from .draw_pen import Pen, clear, configure, loudness
from .draw_views import Views
from .model import Box, Layout, Wire
from .theme import Theme
from .view import View

GRID = 40.0
RATE = 30.0  # times a second that levels are looked at
BADGES = 2.0  # times a second that CPU is looked at
AT_ONCE = 600  # boxes, or cables, whose levels are looked at in one go
PULSES = 300  # cables in view beyond which no dots run


@dataclass(slots=True)
class Shown:
    """A box on the canvas."""

    item: int
    key: tuple[object, ...] = ()
    at: tuple[float, float] | None = None
    order: int = -1
    live: draw_nodes.Live = field(default_factory=draw_nodes.Live)


class Canvas:
    """The drawing of one editor.  `update` once a frame; `drawlist` is the item that the mouse hovers."""

    def __init__(self, parent: int | str, editor: Editor, layout: Layout, view: View, theme: Theme) -> None:
        self.editor, self.layout, self.view, self.theme = editor, layout, view, theme
        self.drawlist = dpg.add_drawlist(int(view.width), int(view.height), parent=parent)
        self._grid = dpg.add_draw_node(parent=self.drawlist)
        self._root = dpg.add_draw_node(parent=self.drawlist)
        self._cables, self._boxes, self._marks = (dpg.add_draw_node(parent=self._root) for _ in range(3))
        self.over = dpg.add_draw_node(parent=self.drawlist)  # `ui.draw_over` draws here, in pixels
        self.views = Views(editor)
        self.cable_levels = False
        self.kinds: flow.Kinds = {}
        self.visible: tuple[list[Box], list[Wire]] = ([], [])
        self._shown: dict[str, Shown] = {}
        self._wires: dict[Key, draw_cables.Drawn] = {}
        self._seen: set[str | Key] = set()
        self._at: tuple[int, int] | None = None
        self._look: tuple[object, ...] = ()
        self._zoom = 0.0
        self._grid_key: tuple[object, ...] = ()
        self._rev = -1
        self._names: tuple[set[str], set[Key]] = (set(), set())
        self._kinds = 0
        self._turn = 0
        self._cpu: dict[str, int] = {}
        self._next_level = self._next_badge = 0.0
        self._key: tuple[str, ...] = ()

    # ------------------------------------------------------------------ the whole

    def size(self, width: int, height: int) -> None:
        """The canvas takes this many pixels."""
        raw.configure_item(self.drawlist, width=width, height=height)
        self.view.resize(width, height)

    def restyle(self, theme: Theme) -> None:
        """Another theme: everything is drawn again."""
        self.theme = theme
        self.reset()

    def reset(self) -> None:
        """Forgets what was drawn."""
        for node in (self._cables, self._boxes, self._marks, self._grid):
            clear(node)
        self._shown.clear()
        self._wires.clear()
        self._seen.clear()
        self.views.forget()
        self._look = self._grid_key = ()
        self._names = (set(), set())
        self._rev = -1

    def update(self, now: float | None = None) -> None:
        """Brings the picture up to date."""
        now = time.monotonic() if now is None else now
        view, editor = self.view, self.editor
        if self._key != editor.inside:
            self._key = editor.inside
            self.reset()
        badges = now >= self._next_badge and self._badges(now)
        x, y, zoom = round(view.place.x), round(view.place.y), view.zoom
        look = (zoom, view.width, view.height, tuple(sorted(editor.selection)), tuple(sorted(editor.problems)), editor.locked)
        if (x, y) != self._at or look != self._look or self.layout.rev != self._rev or badges:
            self._follow(x, y, zoom, look != self._look or badges)
            self._at, self._look = (x, y), look
        if now >= self._next_level:
            self._next_level = now + 1 / RATE
            self._enliven(now)

    def pen(self, parent: int) -> Pen:
        """A pen for this view."""
        return Pen(self.theme, self.view.zoom, self.view.scale, self.view.level, parent)

    # ------------------------------------------------------------------ what is seen

    def _follow(self, x: int, y: int, zoom: float, whole: bool) -> None:
        """What is seen is another.  Where the view only moved, only what comes into it is looked at."""
        view, layout = self.view, self.layout
        if (x, y) != self._at or zoom != self._zoom:
            self._zoom = zoom
            matrix = dpg.create_translation_matrix([x, y]) * dpg.create_scale_matrix([zoom, zoom])
            raw.apply_transform(self._root, transform=matrix)
        self._draw_grid(x, y, zoom)
        whole = whole or layout.rev != self._rev
        if layout.rev != self._rev:
            self._rev = layout.rev
            self._drop()
        boxes, wires = self.visible = layout.within(view.rect)
        now: set[str | Key] = {b.name for b in boxes}
        now.update([w.key for w in wires])
        for gone in self._seen - now:
            self._hide(gone)
        fresh = now - self._seen
        self._seen = now
        if not whole and not fresh:
            return
        pen, over = self.pen(self._cables), self.pen(self._marks)
        for wire in wires:
            if whole or wire.key in fresh:
                self._wire(pen, over, wire, wire.key in fresh)
        pen = self.pen(self._boxes)
        for box in boxes:
            if whole or box.name in fresh:
                self._box(pen, box, box.name in fresh)

    def _drop(self) -> None:
        """Takes away what is no longer in the layout, and looks again at what is sound and what moves things."""
        boxes, wires = self.layout.boxes, self.layout.wires
        if self._names[0] != set(boxes) or self._names[1] != set(wires):
            for name in [n for n in self._shown if n not in boxes]:
                raw.delete_item(self._shown.pop(name).item)
                self._seen.discard(name)
                self.views.drop(name)
            for key in [k for k in self._wires if k not in wires]:
                self._erase(self._wires.pop(key))
                self._seen.discard(key)
            self._names = set(boxes), set(wires)
            kinds = flow.kinds(boxes.values(), wires.values())
            if kinds != self.kinds:
                self.kinds, self._kinds = kinds, self._kinds + 1

    def _hide(self, what: str | Key) -> None:
        if isinstance(what, str):
            if what in self._shown:
                configure(self._shown[what].item, show=False)
                self.views.rest(what)
        elif what in self._wires:
            for item in self._items(self._wires[what]):
                configure(item, show=False)

    @staticmethod
    def _items(drawn: draw_cables.Drawn) -> Iterable[int]:
        return [*drawn.items, *drawn.marks]

    def _erase(self, drawn: draw_cables.Drawn) -> None:
        for item in self._items(drawn):
            raw.delete_item(item)
        drawn.items, drawn.marks = [], []

    def _wire(self, pen: Pen, over: Pen, wire: Wire, fresh: bool) -> None:
        drawn = self._wires.get(wire.key)
        if drawn is None:
            drawn = self._wires[wire.key] = draw_cables.Drawn()
        key = (wire.rev, pen.zoom, self._kinds)
        if drawn.key != key:
            drawn.key = key
            self._erase(drawn)
            draw_cables.draw(pen, over, wire, self.kind(wire), drawn)
        elif fresh:
            for item in self._items(drawn):
                configure(item, show=True)

    def kind(self, wire: Wire) -> str:
        """What a cable means to people: `ui.flow`."""
        box = self.layout.boxes.get(wire.key[2])
        port = box.port("in", wire.key[3]) if box is not None else None
        return flow.wire_kind(self.kinds, wire, port is not None and port.is_param)

    def _box(self, pen: Pen, box: Box, fresh: bool) -> None:
        shown = self._shown.get(box.name)
        if shown is None:
            shown = self._shown[box.name] = Shown(raw.add_draw_node(parent=self._boxes))
        elif fresh:
            configure(shown.item, show=True)
        if shown.order != box.order:
            if shown.order >= 0:
                raw.move_item(shown.item, parent=self._boxes)
            shown.order = box.order
        z = pen.zoom
        at = (round(box.x * z) / z, round(box.y * z) / z)  # whole pixels: crisp edges
        if shown.at != at:
            shown.at = at
            raw.apply_transform(shown.item, transform=dpg.create_translation_matrix([at[0], at[1]]))
        cpu = self._cpu.get(box.name, 0)
        editor = self.editor
        wrong = bool(box.lacks) or bool(editor.problems and editor.problem(box.name))
        look = draw_nodes.Look(box.name in editor.selection, wrong, cpu)
        key = (box.rev, z, look.selected, look.problem, cpu, self._kinds)
        if shown.key != key:
            shown.key = key
            clear(shown.item)
            pen.parent = shown.item
            shown.live = draw_nodes.draw(pen, box, look, self.kinds, self.layout.wires)
            if box.look == "view" and box.picture:
                self.views.draw(pen, box)

    # ------------------------------------------------------------------ what sounds

    def _badges(self, now: float) -> bool:
        """Whether a CPU badge changed by as much as one sees."""
        self._next_badge = now + 1 / BADGES
        if self.view.level < 2:
            return False
        changed = False
        for box in self.visible[0]:
            share = self.editor.share(box.name)
            percent = int(share * 100 + 0.5) if share >= draw_nodes.CPU_FROM else 0
            old = self._cpu.get(box.name, 0)
            if abs(percent - old) > max(1, old // 8):
                self._cpu[box.name] = percent
                changed = True
        return changed

    def _enliven(self, now: float) -> None:
        """Levels and rings.  Of many boxes, only a part each time."""
        pen = self.pen(self._boxes)
        shown, editor, wires = self._shown, self.editor, self.layout.wires
        boxes, cables = self.visible
        self._turn += 1
        parts = -(-len(boxes) // AT_ONCE)
        for box in boxes[self._turn % parts :: parts] if parts > 1 else boxes:
            live = shown[box.name].live
            if live.meters or live.rings:
                draw_nodes.enliven(live, box, editor, pen, wires)
        if pen.level:
            self.views.enliven(pen, [b for b in boxes if b.look == "view"])
        if self.cable_levels:
            pen = self.pen(self._cables)
            dots = pen.level > 0 and len(cables) <= PULSES
            parts = -(-len(cables) // AT_ONCE)
            for wire in cables[self._turn % parts :: parts] if parts > 1 else cables:
                drawn = self._wires[wire.key]
                level = loudness(editor.level(wire.key[0], wire.key[1]))
                draw_cables.embolden(pen, drawn, level)
                if dots:
                    draw_cables.pulse(pen, drawn, wire, (now * 0.7) % 1.0, level)

    def show_levels(self, on: bool) -> None:
        """Cables thicken and dots run along them with what they carry, or no longer."""
        self.cable_levels = on
        if not on:
            for drawn in self._wires.values():
                drawn.key = ()
            self._look = ()

    # ------------------------------------------------------------------ the grid

    def _draw_grid(self, x: int, y: int, zoom: float) -> None:
        """Lines a fixed step apart, which widens as one zooms out; every fifth is stronger."""
        step = GRID * zoom
        while step < 22 * self.view.scale:
            step *= 5
        key = (step, x % (5 * step), y % (5 * step), self.view.width, self.view.height)
        if key == self._grid_key:
            return
        self._grid_key = key
        clear(self._grid)
        w, h, t, grid = self.view.width, self.view.height, self.theme, self._grid
        raw.draw_rectangle((0, 0), (w, h), parent=grid, fill=t.canvas, color=t.canvas, thickness=1.0, rounding=0.0)
        for k in range(int(-x // step), int((w - x) // step) + 1):
            at = round(k * step + x)
            raw.draw_line((at, 0), (at, h), parent=grid, color=t.grid if k % 5 else t.grid_strong, thickness=1.0)
        for k in range(int(-y // step), int((h - y) // step) + 1):
            at = round(k * step + y)
            raw.draw_line((0, at), (w, at), parent=grid, color=t.grid if k % 5 else t.grid_strong, thickness=1.0)
