"""`Layout`: where everything of a patch lies, and what is under the pointer.  Geometry without a window.

`rev` numbers tell the drawing what changed: a box or wire whose `rev` is as it was looks as it did (a box may only have
moved).  Boxes and wires are replaced when they change; hold names and keys, not them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from operator import is_
from typing import Any

from graph import rules, subpatch
from graph.patch import Cable, Key, NodeData, Patch
from graph.spec import In, NodeSpec, Out

from . import boxes as making
from . import placing
from .boxes import SHOWN, size
from .ground import CELL, Ground, along
from .shapes import (
    FOOT,
    KNOB_R,
    KNOB_ROW,
    KNOB_X,
    PORT_R,
    ROW,
    TITLE,
    WIDEST,
    WIDTH,
    Box,
    Fold,
    Hit,
    Kind,
    Knob,
    Look,
    Point,
    Port,
    Rect,
    Switch,
    Wire,
    around,
    curve,
    leads_back,
    sample,
)

__all__ = [
    "CELL", "FOOT", "KNOB_R", "KNOB_ROW", "KNOB_X", "PORT_R", "ROW", "SHOWN", "TITLE", "WIDEST", "WIDTH", "Box", "Fold", "Hit",
    "Kind", "Knob", "Layout", "Look", "Port", "Switch", "Wire", "curve", "size",
]  # fmt: skip


class Layout(Ground):
    """The geometry of one patch.  Call `update` after every change of the patch, with the editor's lock held.

    `scale` is the UI scale: tolerances of `hit` are so many pixels larger.
    """

    def __init__(self, patch: Patch | None = None, scale: float = 1.0) -> None:
        super().__init__(scale)
        self.rev = 0
        """Counts changes of any kind."""
        self.unfolded: set[Hashable] = set()  # uids of the nodes that show all params
        self._specs: dict[str, NodeSpec | None] = {}
        self._lacks: dict[str, str] = {}  # why placeholders are such
        self._at: dict[str, list[Key]] = {}  # wires at a box
        self._flat: list[Cable] = []  # cables as the graph has them, and where each starts
        self._from: list[str] = []
        self._generation: Any = None
        self._patch: Patch | None = None
        self._stamp: Any = None
        self._over: dict[tuple[str, str], Any] = {}
        self._spaces: dict[tuple[str, str], str] = {}
        self._latent: set[str] = set()
        self._uses: set[str] = set()  # nodes that hold a patch
        self._places: dict[Hashable, Point] = {}  # of nodes that have none of their own
        self._shift: dict[str, Point] = {}
        self._top = 0
        if patch is not None:
            self.update(patch)

    # ------------------------------------------------------------------ following the patch

    def update(self, patch: Patch, over: Mapping[tuple[str, str], Any] | None = None) -> set[str]:
        """Follows the patch; gives the names of the boxes that changed, came or went.

        `over` are values (node, param or choice) that hold instead of the patch's: knobs that are being turned, values
        of the use that is looked into (`Editor.over`).
        """
        given = dict(over or {})
        if patch is not self._patch:
            self._patch, self._stamp = patch, None
        stamp = patch.stamp
        if stamp == self._stamp and given == self._over:
            return set()
        stale, gone = self._compare(patch) if stamp != self._stamp else (set(), set())
        for place in self._over.keys() | given.keys() if self._over or given else ():
            if place[0] in self._specs and self._over.get(place) != given.get(place):
                stale.add(place[0])
        stale -= gone
        self._over = given
        cables = self._changed_cables(patch, stale, gone) if stamp != self._stamp else set()
        self._stamp = stamp
        if not stale and not gone and not cables:
            return set()
        self.rev += 1
        lost = self._areas(gone)
        for name in gone:
            self._drop(name)
        for key in cables:
            stale.update(n for n in (key[0], key[2]) if n in patch.nodes)
        self._settle_spaces(patch, stale, bool(cables or gone))
        node = patch.graph._node
        before = self._areas(stale)
        ends = {name for key in cables for name in (key[0], key[2])}
        changed = [n for n in stale if n in ends or not self._same_look(n, node[n]["data"])]
        self._find_places(patch, stale)
        for name in changed:
            self._make(patch, name, node[name]["data"])
        for name in stale:
            box = self.boxes[name]
            if box.data is not node[name]["data"]:
                box.data = node[name]["data"]
                self._shift.pop(name, None)
            self._put(name)
        touched = {key for name in stale for key in self._at.get(name, ())} | cables
        for key in touched:
            self._wire(patch, key)
        self._give_way({*lost, *(before ^ self._areas(stale))}, touched)
        return stale | gone

    def _compare(self, patch: Patch) -> tuple[set[str], set[str]]:
        """Names of the nodes that are new or other than they were, and of those that are gone."""
        boxes, node = self.boxes, patch.graph._node
        stale = {n for n, d in node.items() if n not in boxes or boxes[n].data is not d["data"]}
        generation = id(patch.specs), getattr(patch.specs, "generation", 0)
        suspects: Iterable[str] = stale
        if generation != self._generation:
            self._generation, suspects = generation, list(node)
        else:  # what is inside a sub-patch by file may change by itself
            suspects = stale.union(n for n in self._uses if n in node) if self._uses else stale
        for name in suspects:
            spec = patch.spec(name)
            why = "" if spec is not None else making.lacks(patch, name)
            if name not in self._specs or spec is not self._specs[name] or why != self._lacks.get(name, ""):
                stale.add(name)
                self._specs[name], self._lacks[name] = spec, why
                (self._uses.add if node[name]["data"].type == subpatch.PATCH else self._uses.discard)(name)
                ports: list[In | Out] = [*spec.inlets.values(), *spec.outlets.values()] if spec is not None else []
                (self._latent.add if any(map(rules.is_latent, ports)) else self._latent.discard)(name)
        gone = boxes.keys() - node.keys() if len(boxes) + len(stale - boxes.keys()) != len(node) else set()
        return stale, set(gone)

    def _changed_cables(self, patch: Patch, stale: set[str], gone: set[str]) -> set[Key]:
        """Keys of the cables that came, went or are other than they were: looked for at the outlets where any did."""
        adjacent = patch.graph._adj
        fresh = [n for n in stale if n not in self.boxes]
        cables = [a["cable"] for edges in adjacent.values() for keys in edges.values() for a in keys.values()]
        old, before_from = self._flat, self._from
        if not fresh and not gone and len(cables) == len(old) and all(map(is_, cables, old)):
            return set()
        self._flat = cables
        self._from = [src for src, edges in adjacent.items() for keys in edges.values() for _ in keys]
        least = min(len(cables), len(old))
        same = next((k for k in range(least) if cables[k] is not old[k]), least)
        end = next((k for k in range(least - same) if cables[-1 - k] is not old[-1 - k]), least - same)
        sources = {*gone, *fresh, *self._from[same : len(cables) - end], *before_from[same : len(old) - end]}
        # a cable keeps its identity when a node at its end is renamed
        sources.update(key[0] for name in gone for key in self._at.get(name, ()))
        sources.update(src for name in fresh for src in patch.graph._pred[name])
        changed: set[Key] = set()
        for src in sources:
            before = {k for k in self._at.get(src, ()) if k[0] == src}
            edges = patch.graph._adj.get(src, {})
            after = {(src, o, dst, i): a["cable"] for dst, keys in edges.items() for (o, i), a in keys.items()}
            changed |= before - after.keys()
            changed |= {k for k, c in after.items() if k not in before or _differs(self.wires[k], c)}
        return changed

    def _settle_spaces(self, patch: Patch, stale: set[str], structure: bool) -> None:
        """Which latent spaces there are now; nodes where they are others become stale."""
        if not self._latent or not (structure or stale & self._latent):
            return
        found = making.spaces(patch, self._specs, self._latent)
        for letter in self._spaces.keys() | found.keys():
            if self._spaces.get(letter) != found.get(letter) and letter[0] in self._latent:
                stale.add(letter[0])
                if letter[0] in self.boxes:
                    self.boxes[letter[0]].rev = -1
        self._spaces = found

    def _same_look(self, name: str, data: NodeData) -> bool:
        """Whether a node looks as it did, wherever it lies now."""
        box = self.boxes.get(name)
        if box is None or box.rev < 0 or box.spec is not self._specs[name] or box.lacks != self._lacks.get(name, ""):
            return False
        old = box.data
        if old is not data and any(getattr(old, f) is not getattr(data, f) for f in _LOOKS):
            return False
        for knob in box.knobs:
            if knob.value != self._over.get((name, knob.param), data.params.get(knob.param, knob.item.default)):
                return False
        for switch in box.switches:
            if switch.option != self._over.get((name, switch.choice), data.choices.get(switch.choice, switch.item.default)):
                return False
        return True

    def _make(self, patch: Patch, name: str, data: NodeData) -> None:
        into, out_of = making.ends(patch, name)
        old = self.boxes.get(name)
        box = making.make(
            name, data, self._specs[name], into, out_of, over=self._over, spaces=self._spaces,
            unfolded=data.uid in self.unfolded, at=self._base(data), lacks=self._lacks.get(name, ""),
        )  # fmt: skip
        box.rev = self.rev
        if old is None:
            self._top += 1
        box.order = self._top if old is None else old.order
        if old is not None and old.data.at != data.at:
            self._shift.pop(name, None)
        self.boxes[name] = box

    def _drop(self, name: str) -> None:
        self._box_cells.remove(name)
        uid = self.boxes.pop(name).data.uid
        self._places.pop(uid, None)
        self._specs.pop(name, None)
        self._lacks.pop(name, None)
        self._latent.discard(name)
        self._uses.discard(name)
        self._shift.pop(name, None)

    # ------------------------------------------------------------------ places

    def _base(self, data: NodeData) -> Point:
        return self._places.get(data.uid, data.at) if data.at == (0.0, 0.0) else data.at

    def place(self, name: str) -> tuple[float, float]:
        """Where the box is without `shift`: what an edit has to count from."""
        return self._base(self.boxes[name].data)

    def _find_places(self, patch: Patch, stale: Iterable[str]) -> None:
        """Places for new nodes at (0, 0), where another is already: they were added by hands that see no canvas."""
        node = patch.graph._node
        lost = [n for n in sorted(stale) if node[n]["data"].at == (0.0, 0.0) and node[n]["data"].uid not in self._places]
        if not lost:
            return
        others = [b for n, b in self.boxes.items() if n not in lost]
        if len(lost) == 1 and not any(b.x < WIDTH and b.y < 100 and b.x + b.w > 0 and b.y + b.h > 0 for b in others):
            self._places[node[lost[0]]["data"].uid] = 0.0, 0.0
            return
        known = [d["data"].at for n, d in node.items() if n not in lost]
        left, top = min((at[0] for at in known), default=0.0), 0.0
        if known:
            under = [b.y + b.h for b in others] + [at[1] + 200.0 for n, at in _placed(patch, lost) if n not in self.boxes]
            top = max(under, default=0.0) + 60.0
        sizes = {n: size(self._specs[n], n) for n in lost}
        inside = set(lost)
        pairs = [(s, d) for s in lost for d in patch.graph._adj[s] if d in inside]
        for name, at in placing.places(sizes, pairs, left, top).items():
            self._places[node[name]["data"].uid] = at

    def _put(self, name: str) -> None:
        """Moves a box to where it belongs."""
        box = self.boxes[name]
        x, y = self._base(box.data)
        dx, dy = self._shift.get(name, (0.0, 0.0))
        if (box.x, box.y) != (x + dx, y + dy):
            box.move(x + dx, y + dy)
        self._hash(box)

    def shift(self, names: Iterable[str], dx: float, dy: float) -> None:
        """Shows boxes displaced from where the patch has them, while they are dragged.

        `dx`, `dy` count from `place`, not from the last shift.  An edit to their place, or `shift(names, 0, 0)`, ends it.
        """
        touched: set[Key] = set()
        names = [n for n in names if n in self.boxes]
        before = self._areas(names)
        for name in names:
            if dx or dy:
                self._shift[name] = dx, dy
            else:
                self._shift.pop(name, None)
            self._put(name)
            touched.update(self._at.get(name, ()))
        self.rev += 1
        for key in touched:
            self._shape(self.wires[key])
        self._give_way(before ^ self._areas(names), touched)

    def toggle(self, name: str) -> None:
        """Shows all params of a node, or folds them again; seen after the next `update`."""
        box = self.boxes.get(name)
        if box is not None:
            self.unfolded ^= {box.data.uid}
            box.rev = -1
            self._specs.pop(name, None)  # so that it counts as changed
            self._generation = self._stamp = None

    def raise_(self, name: str) -> None:
        """Puts a box on top."""
        if name in self.boxes and self.boxes[name].order != self._top:
            self._top += 1
            self.boxes[name].order = self._top
            self.rev += 1

    # ------------------------------------------------------------------ wires

    def _wire(self, patch: Patch, key: Key) -> None:
        """Makes, changes or removes the wire of a cable."""
        cable = patch.cables.get(key)
        old = self.wires.get(key)
        if cable is None:
            if old is not None:
                del self.wires[key]
                self._wire_cells.remove(key)
                self._lanes.remove(key)
                for name in {key[0], key[2]}:
                    if key in self._at.get(name, ()):
                        self._at[name].remove(key)
                        if not self._at[name]:
                            del self._at[name]
            return
        source = self.boxes[key[0]].port("out", key[1])
        end = self.boxes[key[2]].port("in", key[3])
        kind: Kind = "latent" if any(p is not None and p.kind == "latent" for p in (source, end)) else "signal"
        space = (source.space if source else "") or (end.space if end else "")
        if old is None:
            for name in {key[0], key[2]}:
                self._at.setdefault(name, []).append(key)
            wire = Wire(key, _FLAT, [], (0, 0, 0, 0), cable.delayed, kind, space, cable.amount, cable.mode, self.rev)
            self.wires[key] = wire
        else:
            wire = old
            if _differs(wire, cable) or (wire.kind, wire.space) != (kind, space):
                wire.rev = self.rev
            wire.delayed, wire.amount, wire.mode, wire.kind, wire.space = cable.delayed, cable.amount, cable.mode, kind, space
        self._shape(wire)

    def _shape(self, wire: Wire) -> None:
        """The curve between where the ports are now."""
        src, outlet, dst, inlet = wire.key
        one, two = self.boxes[src], self.boxes[dst]
        start, end = one.port("out", outlet), two.port("in", inlet)
        a = (start.x, start.y) if start else (one.x + one.w, one.y + TITLE / 2)
        b = (end.x, end.y) if end else (two.x, two.y + TITLE / 2)
        if leads_back(a, b):
            shape, points = None, around(a, b, self.lane(wire.key, a, b))
            if points == wire.points:
                return
        else:
            self._lanes.remove(wire.key)
            shape = curve(a, b)
            if shape == wire.curve:
                return
            points = sample(shape)
        wire.curve, wire.points, wire.rev = shape, points, self.rev
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        wire.box = min(xs), min(ys), max(xs), max(ys)
        self._wire_cells.put(wire.key, along(points))

    def _areas(self, names: Iterable[str]) -> set[Rect]:
        """Where boxes lie now."""
        return {(b.x, b.y, b.x + b.w, b.y + b.h) for b in map(self.boxes.get, names) if b is not None}

    def _give_way(self, areas: Iterable[Rect], done: Iterable[Key]) -> None:
        """Finds new ways for the wires that lead back through where boxes came or went."""
        if not self._lanes.at:
            return
        keys: set[Key] = set()
        for area in areas:
            keys.update(self._lanes.near(area))
        for key in keys.difference(done):
            self._shape(self.wires[key])


_LOOKS = ("type", "params", "choices", "settings", "bypass", "patch")
_FLAT = ((0.0, 0.0),) * 4


def _placed(patch: Patch, lost: Iterable[str]) -> list[tuple[str, Point]]:
    out = set(lost)
    return [(n, d["data"].at) for n, d in patch.graph._node.items() if n not in out]


def _differs(wire: Wire, cable: Cable) -> bool:
    return (wire.amount, wire.mode, wire.delayed) != (cable.amount, cable.mode, cable.delayed)
