"""What lies on top of the canvas, in pixels: what the gestures show, highlights, minimap, breadcrumb, sentences in passing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import dearpygui._dearpygui as raw
import dearpygui.dearpygui as dpg

from graph.patch import Key

from . import model, text
from .draw_pen import NONE, Pen, Point, clear
from .draw_tip import Tip
from .model import PORT_R, Box, Wire
from .overlay import Loose
from .theme import MODULATION, faded, mixed
from .view import Minimap, Rect, bounds

if TYPE_CHECKING:
    from .app import App

MAP = (180.0, 120.0)  # size of the minimap at scale 1
MANY = 400  # boxes from which the minimap shows areas
SIZE = 13  # of text


@dataclass
class Whole:
    """One box around everything, for the minimap."""

    x: float
    y: float
    w: float
    h: float


class Over:
    """The top of the canvas.  `crumbs` are where the breadcrumb's words are, `minimap` is where the map is."""

    def __init__(self, app: App) -> None:
        self.app = app
        over = app.canvas.over
        self._light = dpg.add_draw_node(parent=over)
        self._map = dpg.add_draw_node(parent=over)
        self._map_boxes = dpg.add_draw_node(parent=self._map)
        self._map_seen = dpg.add_draw_node(parent=self._map)
        self._words = dpg.add_draw_node(parent=over)
        self._tip = dpg.add_draw_node(parent=over)
        self.tip = Tip(app)
        self.minimap: Minimap | None = None
        self.crumbs: list[tuple[Rect, int]] = []
        self._light_key: object = None
        self._map_key: object = None
        self._words_key: object = None
        self._bounds: tuple[int, Rect | None] = (-1, None)

    def pen(self, parent: int) -> Pen:
        """A pen that draws in pixels."""
        return Pen(self.app.theme, 1.0, self.app.scale, 2, parent)

    def update(self, now: float) -> None:
        """Once a frame, after the canvas."""
        self._lights()
        self._minimap()
        self._say(now)
        self.tip.update(self.pen(self._tip), now)

    # ------------------------------------------------------------------ gestures and highlights

    def _lights(self) -> None:
        app = self.app
        o, view, layout = app.gestures.overlay, app.view, app.layout
        place = view.place
        key = (
            round(place.x), round(place.y), place.zoom, layout.rev, o.band, o.cable and (o.cable.end, o.cable.ok, o.cable.port),
            o.ghosts, o.ghosts_by, o.insert, o.hint, o.bad, _name(o.hover), o.lit, frozenset(o.wires), o.shown,
            app.theme.name, app.input.mouse() if o.hint else None,
        )  # fmt: skip
        if key == self._light_key:
            return
        self._light_key = key
        clear(self._light)
        pen = self.pen(self._light)
        t = app.theme
        for k in o.wires:
            self._wire(pen, k, t.selected, 1.6)
        for k in o.shown:
            self._wire(pen, k, t.cables[MODULATION], 2.0)
        if o.insert is not None:
            self._wire(pen, o.insert, t.good, 2.0)
        for name in o.ghosts:
            ghost = layout.boxes.get(name)
            if ghost is not None:
                x, y = ghost.x + o.ghosts_by[0], ghost.y + o.ghosts_by[1]
                a, b = view.screen(x, y), view.screen(x + ghost.w, y + ghost.h)
                pen.rect(a, b, faded(t.body, 0.7), t.selected, 1.5 * app.scale, 5)
                self._word(pen, ghost.title, a, b)
        for name in o.lit:
            box = layout.boxes.get(name)
            if box is not None:
                a, b = view.screen(box.x, box.y), view.screen(box.x + box.w, box.y + box.h)
                pen.rect((a[0] - 2, a[1] - 2), (b[0] + 2, b[1] + 2), NONE, faded(t.accent, 0.8), 2.0, 5)
        if isinstance(o.hover, Wire):
            self._wire(pen, o.hover.key, None, 1.5)
        elif isinstance(o.hover, model.Port):
            self._ring(pen, o.hover, t.text)
            side = 0 if o.hover.side == "out" else 2
            for k in [k for k in layout.wires if (k[side], k[side + 1]) == (o.hover.node, o.hover.name)]:
                self._wire(pen, k, None, 1.4)
        elif isinstance(o.hover, model.Knob):
            for k, _ in o.hover.modulation:
                self._wire(pen, k, None, 1.5)
        if o.cable is not None:
            self._loose(pen, o.cable)
        if o.band is not None:
            pen.rect(o.band[:2], o.band[2:], faded(t.selected, 0.12), t.selected)
        if o.hint:
            x, y = app.input.mouse()
            self._label(pen, x + app.px(16), y + app.px(18), o.hint, t.bad if o.bad else t.text)

    def _word(self, pen: Pen, title: str, a: Point, b: Point) -> None:
        """The name of a node in the upper left corner of a box, as far as it fits."""
        size = min(self.app.px(SIZE), int(b[1] - a[1]))
        shown = text.fit(title, size, b[0] - a[0] - self.app.px(12))
        if shown:
            raw.draw_text(
                (a[0] + self.app.px(6), a[1] + self.app.px(3)), shown, parent=pen.parent, size=size, color=self.app.theme.text
            )

    def _wire(self, pen: Pen, key: Key, colour: tuple[int, int, int, int] | None, wider: float) -> None:
        """A cable again, above the nodes and thicker."""
        app = self.app
        wire = app.layout.wires.get(key)
        if wire is None:
            return
        colour = colour or mixed(app.theme.cable(app.canvas.kind(wire), wire.space), app.theme.text, 0.35)
        thick = max(2.0 * app.scale, 2.4 * wider * app.view.zoom)
        if wire.curve is None:
            pen.path([app.view.screen(*p) for p in wire.points], colour, thick)
        else:
            pen.bezier([app.view.screen(*p) for p in wire.curve], colour, thick)

    def _ring(self, pen: Pen, port: model.Port, colour: tuple[int, int, int, int], more: float = 4.0) -> None:
        z = self.app.view.zoom
        at = self.app.view.screen(port.x, port.y)
        raw.draw_circle(
            at, PORT_R * z + more * self.app.scale, parent=pen.parent, color=colour, fill=NONE, thickness=2.0 * self.app.scale,
            segments=0,
        )  # fmt: skip

    def _loose(self, pen: Pen, cable: Loose) -> None:
        """The cable that is being drawn, and every port that would take it."""
        app = self.app
        t, view = app.theme, app.view
        for box in app.canvas.visible[0]:
            for port in box.ports:
                if port.side == cable.seeks and port.kind == cable.kind and (port.node, port.side, port.name) != cable.port:
                    self._ring(pen, port, faded(t.good, 0.75), 2.0)
        colour = t.text if cable.ok is None else t.good if cable.ok else t.bad
        a, b = (cable.start, cable.end) if cable.forward else (cable.end, cable.start)
        pen.bezier([view.screen(*p) for p in model.curve(a, b)], colour, max(2.0 * app.scale, 2.6 * view.zoom))
        if cable.over is not None:
            node, side, name = cable.over
            found = app.layout.boxes.get(node)
            port_over = found.port(side, name) if found is not None else None
            if port_over is not None:
                self._ring(pen, port_over, colour, 4.0)

    def _label(self, pen: Pen, x: float, y: float, words: str, colour: tuple[int, int, int, int]) -> float:
        """A sentence in a box, wholly on the canvas; gives its height."""
        app = self.app
        size, pad = app.px(SIZE), app.px(6)
        broken = text.lines(words, size, min(app.px(420), app.view.width - 4 * pad), 6)
        wide, high = max(text.width(line, size) for line in broken) + 2 * pad, len(broken) * size * 1.2 + 2 * pad
        x = max(2.0, min(x, app.view.width - wide - 2))
        y = max(2.0, min(y, app.view.height - high - 2))
        pen.rect((x, y), (x + wide, y + high), app.theme.tip, faded(colour, 0.8), 1.0, 4)
        for k, line in enumerate(broken):
            raw.draw_text((x + pad, y + pad + k * size * 1.2), line, parent=pen.parent, size=size, color=colour)
        return high

    # ------------------------------------------------------------------ the minimap

    def _whole(self) -> Rect | None:
        rev = self.app.layout.rev
        if self._bounds[0] != rev:
            self._bounds = rev, bounds(self.app.layout.boxes.values())
        return self._bounds[1]

    def _minimap(self) -> None:
        app = self.app
        view, t = app.view, app.theme
        whole = self._whole()
        seen = view.rect
        hidden = (
            not app.settings.minimap or whole is None or view.width < app.px(620) or view.height < app.px(360)
            or (seen[0] <= whole[0] and seen[1] <= whole[1] and seen[2] >= whole[2] and seen[3] >= whole[3])
        )  # fmt: skip
        if hidden:
            self.minimap = None
            if self._map_key is not None:
                self._map_key = None
                raw.configure_item(self._map, show=False)
            return
        assert whole is not None
        w, h = app.px(MAP[0]), app.px(MAP[1])
        box = Whole(whole[0], whole[1], whole[2] - whole[0], whole[3] - whole[1])
        m = self.minimap = view.minimap([box], view.width - w - app.px(12), view.height - h - app.px(12), w, h)
        key = (app.layout.rev, round(m.left, 1), round(m.top, 1), m.zoom, m.area, t.name)
        if key != self._map_key:
            if self._map_key is None:
                raw.configure_item(self._map, show=True)
            self._map_key = key
            clear(self._map_boxes)
            pen = self.pen(self._map_boxes)
            a = m.area
            pen.rect((a[0] - 4, a[1] - 4), (a[2] + 4, a[3] + 4), t.panel, t.border, 1.0, 4)
            boxes = list(app.layout.boxes.values())
            if len(boxes) <= MANY:
                for b in boxes:
                    pen.rect(m.point(b.x, b.y), m.point(b.x + b.w, b.y + b.h), t.family(b.data.type))
            else:
                for run in areas(boxes, m, 4.0 * app.scale):
                    pen.rect(run[:2], run[2:], mixed(t.edge, t.panel, 0.3))
        clear(self._map_seen)
        s, a = m.seen, m.area
        corner = (max(s[0], a[0]), max(s[1], a[1])), (min(s[2], a[2]), min(s[3], a[3]))
        self.pen(self._map_seen).rect(*corner, faded(t.text, 0.08), t.text, 1.0, 2)

    # ------------------------------------------------------------------ words

    def _say(self, now: float) -> None:
        app = self.app
        app.said = [s for s in app.said if s[0] > now]
        lines = [s[1] for s in app.said]
        key = (tuple(lines), app.editor.inside, app.view.width, app.view.height, app.theme.name, app.scale, app.editor.locked,
               app.waiting, not app.layout.boxes)  # fmt: skip
        if key == self._words_key:
            return
        self._words_key = key
        clear(self._words)
        pen = self.pen(self._words)
        t = app.theme
        y = app.view.height - app.px(14)
        for line in reversed(lines):
            y -= self._label(pen, app.px(12), y - app.px(25), line, t.text) + app.px(4)
        self._crumbs(pen)
        if not app.layout.boxes:
            size = app.px(16)
            for k, line in enumerate(("Double-click or press Tab to add a node.", "Drop a patch or a sound here.")):
                x = (app.view.width - text.width(line, size)) / 2
                raw.draw_text((x, app.view.height / 2 + k * size * 1.6), line, parent=self._words, size=size, color=t.dim)

    def _crumbs(self, pen: Pen) -> None:
        """Where one is in sub-patches; each word leads back there."""
        app = self.app
        t, size, pad = app.theme, app.px(SIZE), app.px(6)
        self.crumbs = []
        marks = []
        if app.editor.locked:
            marks.append(("run lock", t.warn))
        if app.editor.inside:
            readonly = app.editor.readonly
            if readonly:
                marks.append((readonly, t.warn))
        x, y = float(app.px(12)), float(app.px(10))
        if app.editor.inside:
            words = [app.files.title.removesuffix(" •"), *app.editor.inside]
            for depth, word in enumerate(words):
                last = depth == len(words) - 1
                wide = text.width(word, size) + 2 * pad
                rect = (x, y, x + wide, y + size + 2 * pad)
                pen.rect(rect[:2], rect[2:], t.tip, t.accent if last else t.border, 1.0, 4)
                raw.draw_text((x + pad, y + pad), word, parent=pen.parent, size=size, color=t.text if last else t.dim)
                if not last:
                    self.crumbs.append((rect, depth))
                x += wide
                if not last:
                    raw.draw_text((x + pad * 0.5, y + pad), "▸", parent=pen.parent, size=size, color=t.dim)
                    x += text.width("▸", size) + pad
            x += pad * 2
        for word, colour in marks:
            self._label(pen, x, y, word, colour)
            x += text.width(word, size) + 4 * pad

    def crumb(self, x: float, y: float) -> int | None:
        """The depth of the breadcrumb's word at a pixel."""
        return next((d for r, d in self.crumbs if r[0] <= x <= r[2] and r[1] <= y <= r[3]), None)


def areas(boxes: list[Box], m: Minimap, cell: float) -> list[Rect]:
    """Many boxes in a map as few rectangles: the runs of cells that they touch."""
    rows: dict[int, set[int]] = {}
    for b in boxes:
        x, y = m.point(b.x, b.y)
        x1, y1 = m.point(b.x + b.w, b.y + b.h)
        for j in range(int(y // cell), int(y1 // cell) + 1):
            rows.setdefault(j, set()).update(range(int(x // cell), int(x1 // cell) + 1))
    found: list[Rect] = []
    for j, columns in rows.items():
        ordered = sorted(columns)
        start = last = ordered[0]
        for i in [*ordered[1:], 1 << 30]:
            if i != last + 1:
                found.append((start * cell, j * cell, (last + 1) * cell - 1, (j + 1) * cell - 1))
                start = i
            last = i
    return found


def _name(hit: model.Hit | None) -> object:
    """What is hovered, as something to compare."""
    if hit is None:
        return None
    if isinstance(hit, Wire):
        return hit.key
    if isinstance(hit, Box):
        return hit.name
    found: Point = (hit.x, hit.y)
    return hit.type, hit.node, found
