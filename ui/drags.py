"""What a held mouse button does: pan, draw a box, move or copy nodes, draw a cable, turn a knob, set an amount.

A drag hears of every move of the pointer (in pixels), and is released or cancelled (Escape).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from graph import rules
from graph.edits import AddNode, Connect, Disconnect, Edit, Edits, SetCable
from graph.errors import PatchError
from graph.patch import Cable, Key

from . import edits
from .model import Box, Knob, Port, Wire
from .overlay import Loose, Mods, Palette, Point, PortName
from .palette import wish
from .view import Minimap

if TYPE_CHECKING:
    from .gestures import Gestures

SNAP = 8.0  # world units
TURN = 200.0  # pixels, at scale 1, from one end of a knob to the other
FINE = 0.1  # with shift
REACH = 16.0  # pixels, at scale 1, at which a cable snaps to a port


def snapped(x: float) -> float:
    """On the grid of nodes."""
    return math.floor(x / SNAP + 0.5) * SNAP


class Drag:
    """Base: does nothing."""

    def __init__(self, g: Gestures, x: float, y: float) -> None:
        self.g, self.x, self.y = g, x, y

    def move(self, x: float, y: float, mods: Mods) -> None:
        """The pointer is there now."""

    def release(self, x: float, y: float, mods: Mods) -> None:
        """The button was let go."""

    def cancel(self) -> None:
        """Everything as it was before."""


class Pan(Drag):
    """Moves the view."""

    def move(self, x: float, y: float, mods: Mods) -> None:
        self.g.view.pan(x - self.x, y - self.y)
        self.x, self.y = x, y


class Map(Drag):
    """Moves the view by the minimap."""

    def __init__(self, g: Gestures, x: float, y: float, map: Minimap) -> None:
        super().__init__(g, x, y)
        self.map = map
        self.move(x, y, Mods())

    def move(self, x: float, y: float, mods: Mods) -> None:
        self.g.view.centre(*self.map.world(x, y))


class Band(Drag):
    """Selects what lies in a box, more than what is selected with shift."""

    def __init__(self, g: Gestures, x: float, y: float, mods: Mods) -> None:
        super().__init__(g, x, y)
        self.before = set(g.editor.selection)
        self.base = set(self.before) if mods.shift or mods.ctrl else set()
        if not self.base:
            g.overlay.wires.clear()
        g.select(self.base)

    def move(self, x: float, y: float, mods: Mods) -> None:
        left, top, right, bottom = min(x, self.x), min(y, self.y), max(x, self.x), max(y, self.y)
        self.g.overlay.band = left, top, right, bottom
        view = self.g.view
        self.g.select(self.base | self.g.layout.inside((*view.world(left, top), *view.world(right, bottom))))

    def cancel(self) -> None:
        self.g.select(self.before)


class Move(Drag):
    """Moves the selected nodes on a grid (ctrl: off it); one without cables goes into the cable it is dropped on."""

    def __init__(self, g: Gestures, x: float, y: float, box: Box) -> None:
        super().__init__(g, x, y)
        self.box = box.name
        self.names = sorted(g.editor.selection)
        self.from_ = g.layout.place(box.name)
        self.by: Point = (0.0, 0.0)
        self.moved = False
        with g.editor.lock:
            here = g.editor.here()
            self.loose = len(self.names) == 1 and not here.into(box.name) and not here.out_of(box.name)
        self.asked: Key | None = None  # the cable that was last tried, and whether the node fits into it
        self.fits = False

    def way(self, x: float, y: float, mods: Mods) -> Point:
        """How far the nodes are from where they were, in world units."""
        zoom, (left, top) = self.g.view.zoom, self.from_
        dx, dy = (x - self.x) / zoom, (y - self.y) / zoom
        return (dx, dy) if mods.ctrl else (snapped(left + dx) - left, snapped(top + dy) - top)

    def move(self, x: float, y: float, mods: Mods) -> None:
        g = self.g
        dx, dy = self.way(x, y, mods)
        if (dx, dy) != self.by:
            self.by, self.moved = (dx, dy), True
            g.layout.shift(self.names, dx, dy)
        g.overlay.insert = self._over() if self.loose and self.moved else None
        if g.overlay.insert is not None:
            key = g.overlay.insert
            g.tell(f"put {self.box} between {key[0]} and {key[2]}")

    def _over(self) -> Key | None:
        """The cable that the node would go into."""
        box = self.g.layout.boxes.get(self.box)
        if box is None:
            return None
        wire = wire_below(self.g, box.x, box.y, box.w, box.h, self.box)
        if wire is None:
            return None
        if wire.key != self.asked:
            self.asked = wire.key
            with self.g.editor.lock:
                edit = edits.insert(self.g.editor.here(), wire.key, self.box)
            self.fits = edit is not None and not self.g.editor.why_not(edit)
        return wire.key if self.fits else None

    def release(self, x: float, y: float, mods: Mods) -> None:
        g = self.g
        key = g.overlay.insert
        if not self.moved or self.by == (0.0, 0.0):
            g.layout.shift(self.names, 0.0, 0.0)
            return
        edit = edits.move(g.layout, self.names, *self.by)
        if key is not None:
            with g.editor.lock:
                into = edits.insert(g.editor.here(), key, self.box)
            if into is not None:
                edit = into if edit is None else Edits((edit, into), into.label)
        if edit is None or not g.editor.do(edit):
            g.layout.shift(self.names, 0.0, 0.0)

    def cancel(self) -> None:
        self.g.layout.shift(self.names, 0.0, 0.0)


class Copy(Move):
    """Drags a copy of the selected nodes away, with the cables between them."""

    def move(self, x: float, y: float, mods: Mods) -> None:
        over = self.g.overlay
        self.by = over.ghosts_by = self.way(x, y, mods)
        over.ghosts = tuple(self.names)

    def release(self, x: float, y: float, mods: Mods) -> None:
        g = self.g
        if not g.overlay.ghosts or self.by == (0.0, 0.0):
            return
        with g.editor.lock:
            here = g.editor.here()
            clip = edits.copy(here, self.names)
            made = edits.paste(here, clip, title="duplicate")
        if made is None:
            return
        edit, twins = made
        assert isinstance(edit, Edits)
        at = {twin: g.layout.place(node["name"]) for node, twin in zip(clip["nodes"], twins, strict=True)}
        moved = (
            replace(e, at=(at[e.name][0] + self.by[0], at[e.name][1] + self.by[1])) if isinstance(e, AddNode) else e
            for e in edit.edits
        )
        if g.editor.do(Edits(tuple(moved), edit.title)):
            g.select(set(twins))
            g.overlay.wires.clear()

    def cancel(self) -> None:
        pass  # nothing was done yet


def wire_below(g: Gestures, x: float, y: float, w: float, h: float, name: str = "") -> Wire | None:
    """The cable that passes nearest to the middle of a box, if through its inner half."""
    cx, cy = x + w / 2, y + h / 2
    best, least = None, min(w, h) / 3
    for wire in g.layout.within((x, y, x + w, y + h))[1]:
        if name in (wire.key[0], wire.key[2]):
            continue
        for (ax, ay), (bx, by) in zip(wire.points, wire.points[1:]):
            dx, dy = bx - ax, by - ay
            t = max(0.0, min(1.0, ((cx - ax) * dx + (cy - ay) * dy) / (dx * dx + dy * dy or 1.0)))
            d = math.hypot(cx - ax - t * dx, cy - ay - t * dy)
            if d < least:
                best, least = wire, d
    return best


class Draw(Drag):
    """Draws a cable from a port.  From an inlet that has cables it takes the end of the last one (shift: a new one)."""

    def __init__(self, g: Gestures, x: float, y: float, port: Port, mods: Mods) -> None:
        super().__init__(g, x, y)
        self.taken: Key | None = None
        with g.editor.lock:
            here = g.editor.here()
            ends = here.into(port.node, port.name) if port.side == "in" and not mods.shift else []
            picked = [key for key, _ in ends if key in g.overlay.wires] or [key for key, _ in ends]
            if picked:
                self.taken = picked[-1]
            self.latent = port.kind == "latent"
        fixed = port
        if self.taken is not None:
            box = g.layout.boxes.get(self.taken[0])
            fixed = (box.port("out", self.taken[1]) if box else None) or port
            self.taken = None if fixed is port else self.taken
        self.port: PortName = fixed.node, fixed.side, fixed.name
        forward = fixed.side == "out"
        g.overlay.cable = Loose(
            self.port, (fixed.x, fixed.y), g.view.world(x, y), forward, fixed.kind, "in" if forward else "out",
            replaces=self.taken,
        )  # fmt: skip
        self.loose = g.overlay.cable
        self.asked: PortName | None = None
        self.words: tuple[bool, str] = (True, "")

    def move(self, x: float, y: float, mods: Mods) -> None:
        g, loose = self.g, self.loose
        wx, wy = g.view.world(x, y)
        port = self._target(wx, wy)
        if port is None:
            loose.end, loose.ok, loose.over = (wx, wy), None, None
            if self.taken is not None:
                g.tell("let go to unplug it")
            return
        name: PortName = port.node, port.side, port.name
        loose.end, loose.over = (port.x, port.y), name
        if name != self.asked:
            self.asked, self.words = name, self._words(name)
        loose.ok = self.words[0]
        g.tell(self.words[1], not loose.ok)

    def _target(self, x: float, y: float) -> Port | None:
        """The port that the cable would snap to: a near one, or the first that takes it of the node under the pointer."""
        g, loose = self.g, self.loose
        near = g.layout.port_near(x, y, REACH * g.view.scale / g.view.zoom)
        if near is not None and (near.node, near.side, near.name) != self.port:
            return near
        hit = g.layout.hit(x, y, g.view.zoom, g.view.level)
        name = getattr(hit, "node", "") or (hit.name if isinstance(hit, Box) else "")
        box = g.layout.boxes.get(name)
        if box is None or isinstance(hit, Wire) or (name == self.port[0] and self.taken is None):
            return None
        if isinstance(hit, Knob) and loose.seeks == "in":
            return box.port("in", hit.param)
        fit = [p for p in box.ports if p.side == loose.seeks and p.kind == loose.kind]
        free = [p for p in fit if not p.cables and not p.is_param]
        return (free or fit or [None])[0]  # type: ignore[list-item]

    def _edit(self, name: PortName) -> Edit | None:
        """The edit that a release over the port would make; None where there is nothing to do."""
        node, side, port = name
        if self.taken is not None:
            if (node, port) == self.taken[2:]:
                return None
            with self.g.editor.lock:
                return edits.swap_end(self.g.editor.here(), self.taken, "dst", node, port)
        ends = (f"{self.port[0]}.{self.port[2]}", f"{node}.{port}")
        return Connect(*(ends if side == "in" else ends[::-1]))

    def _words(self, name: PortName) -> tuple[bool, str]:
        """Whether the cable may end there, and a sentence about it."""
        node, side, port = name
        if side != self.loose.seeks:
            return False, "a cable goes from an outlet to an inlet"
        edit = self._edit(name)
        if edit is None:
            return (
                (True, "as it was")
                if self.taken and (node, port) == self.taken[2:]
                else (False, "the cable does not fit there")
            )
        why = self.g.editor.why_not(edit)
        if why:
            return False, why
        src, dst = ((self.port[0], self.port[2]), (node, port))[:: 1 if side == "in" else -1]
        words = f"{src[0]}.{src[1]} → {dst[0]}.{dst[1]}"
        try:
            with self.g.editor.lock:
                if rules.closes(self.g.editor.here(), (*src, *dst)):
                    words += ", a loop: one sample later"
        except PatchError as e:
            return False, str(e)
        return True, words

    def release(self, x: float, y: float, mods: Mods) -> None:
        self.move(x, y, mods)
        g, loose = self.g, self.loose
        if loose.over is not None:
            edit = self._edit(loose.over) if loose.ok else None
            if edit is not None:
                g.editor.do(edit)
            elif not loose.ok:
                g.editor.fail(self.words[1], loose.over[0])
        elif math.hypot(x - self.x, y - self.y) <= g.slack:
            return
        elif self.taken is not None:
            src, outlet, dst, inlet = self.taken
            g.editor.do(Disconnect(f"{src}.{outlet}", f"{dst}.{inlet}"))
        else:
            with g.editor.lock:
                want = wish(g.editor.here(), self.port[0], self.port[2], self.port[1] == "out")
            g.ask(Palette(x, y, g.view.world(x, y), want, self.port))


class Turn(Drag):
    """Turns a knob: up is more, 200 pixels from end to end, a tenth as fast with shift."""

    def __init__(self, g: Gestures, x: float, y: float, knob: Knob) -> None:
        super().__init__(g, x, y)
        self.node, self.param = knob.node, knob.param
        self.start = self.at = knob.position
        self.value = knob.value
        self.gesture = g.fresh()
        self.turned = False

    def move(self, x: float, y: float, mods: Mods) -> None:
        g = self.g
        way = (self.y - y) / (TURN * g.view.scale) * (FINE if mods.shift else 1.0)
        self.x, self.y = x, y
        if way:
            at = min(max(self.at + way, 0.0), 1.0)
            if at != self.at:
                self.at, self.turned = at, True
                g.editor.stream(self.node, self.param, at, knob=True, gesture=self.gesture)

    def release(self, x: float, y: float, mods: Mods) -> None:
        self.move(x, y, mods)
        if self.turned:
            self.g.editor.end()

    def cancel(self) -> None:
        if self.turned:
            self.g.editor.stream(self.node, self.param, self.value, gesture=self.gesture)
            self.g.editor.end()


class Amount(Drag):
    """Sets how far a cable moves a knob, by the ring around it: 200 pixels are the whole way of the knob."""

    def __init__(self, g: Gestures, x: float, y: float, knob: Knob, key: Key) -> None:
        super().__init__(g, x, y)
        with g.editor.lock:
            cable = g.editor.here().cables.get(key, Cable())
        self.key = key
        self.start = self.at = cable.amount
        item = knob.item
        wide = item.high - item.low if item.curve == "lin" else max(abs(cable.amount), knob.value)
        self.whole = 1.0 if cable.mode == "knob" else wide
        self.gesture = g.fresh()
        self.moved = False
        g.overlay.shown = frozenset({key})

    def set(self, amount: float) -> None:
        self.moved = True
        src, outlet, dst, inlet = self.key
        self.g.editor.do(SetCable(f"{src}.{outlet}", f"{dst}.{inlet}", amount), self.gesture)

    def move(self, x: float, y: float, mods: Mods) -> None:
        way = (self.y - y) / (TURN * self.g.view.scale) * self.whole * (FINE if mods.shift else 1.0)
        self.x, self.y = x, y
        if way:
            self.at += way
            near = round(self.at / self.whole, 3) * self.whole
            self.set(0.0 if abs(near) < 0.01 * self.whole and not mods.shift else near)
        self.g.tell(f"{self.key[0]} × {self.at:.3g}")

    def release(self, x: float, y: float, mods: Mods) -> None:
        if self.moved:
            self.g.editor.end()
        self.g.overlay.shown = frozenset()

    def cancel(self) -> None:
        if self.moved:
            self.set(self.start)
        self.release(0, 0, Mods())
