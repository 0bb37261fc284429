"""Somebody who edits a playing patch without end: knobs, cables, nodes, bypass, undo, by mouse and keys alone."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

from graph import Patch, PatchError, rules
from graph.patch import Key
from runtime.attach import Client
from ui.model import Box, Knob, Port

from .screen import Eyes, Hands, Spot, until

ACROSS, DOWN = 230.0, 260.0  # between places for nodes
COLUMNS, ROWS = 5, 3
KEPT = ("keep", "out")
"""A tone that is always heard, and where; they lie in two corners, so that the view stays as it is."""
TYPES = ("sine", "lfo", "vca", "add", "noise", "onepole")
"""What is added: small nodes, by the name that is typed."""
MOST = 11  # nodes; there are 15 places
WEIGHTS = {"turn": 5, "plug": 4, "unplug": 2, "add": 3, "delete": 2, "bypass": 3, "undo": 3, "redo": 2}


def playground() -> Patch:
    """A tone to the output, and beside it a voice to play with."""
    from nodes import Patch as New

    p = New()
    p.add("source/sine", "keep", freq=220.0, at=(0.0, 8.0))
    p.add("source/saw", "saw", freq=110.0, at=(0.0, DOWN))
    p.add("filter/lowpass", "lp", at=(ACROSS, DOWN))
    p.add("effect/vca", "amp", at=(2 * ACROSS, DOWN))
    p.add("mod/lfo", "lfo", rate=0.5, at=(0.0, 2 * DOWN))
    p.add("io/output", "out", at=((COLUMNS - 1) * ACROSS, (ROWS - 1) * DOWN))
    for source, end, amount in (
        ("keep.out", "out.audio", 0.2), ("saw.out", "lp.audio", 1.0), ("lp.out", "amp.audio", 1.0),
        ("lfo.out", "lp.cutoff", 0.2), ("amp.out", "out.audio", 0.3),
    ):  # fmt: skip
        p.connect(source, end, amount)
    return p


class Player:
    """`client` gives a replica of the session's patch, which is all that the eyes need; `count` counts gestures that were
    made, `missed` those that led to nothing seen."""

    def __init__(self, hands: Hands, eyes: Eyes, client: Callable[[], Client], seed: int) -> None:
        self.hands, self.eyes, self.client = hands, eyes, client
        self.dice = random.Random(seed)
        self.count: Counter[str] = Counter()
        self.missed = 0
        self.patch = Patch()

    def step(self) -> None:
        """One gesture."""
        self.look()
        kind = self.dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if getattr(self, kind)():
            self.count[kind] += 1

    def look(self) -> None:
        """Puts all of it into view, and sees where it is."""
        self.hands.key("Escape", "f")
        client = self.client()
        with client.lock:
            self.patch = client.patch.copy()
        self.eyes.look(self.patch)

    @property
    def free(self) -> list[Box]:
        """Nodes that may be played with."""
        return [box for name, box in self.eyes.layout.boxes.items() if name not in KEPT]

    def some(self, parts: Sequence[Port | Knob]) -> Spot | None:
        """Where one of some ports or knobs is that can be got at, as nothing lies over it."""
        fit = []
        for part in parts:
            spot, name = self.eyes.spot(part.x, part.y), part.param if isinstance(part, Knob) else part.name
            found = self.eyes.at(spot)
            same = type(found) is type(part) and found.node == part.node
            if same and (found.param if isinstance(found, Knob) else found.name) == name and self.eyes.seen(spot, 4.0):
                fit.append(spot)
        return self.dice.choice(fit) if fit else None

    # gestures

    def turn(self) -> bool:
        """A knob, up or down."""
        at = self.some([knob for box in self.free for knob in box.knobs])
        if at is None:
            return False
        self.hands.drag(
            at, (at[0] + 3, at[1] + self.dice.choice((-1, 1)) * self.dice.randint(12, 90)), self.dice.uniform(0.2, 0.9)
        )
        return True

    def plug(self) -> bool:
        """A cable from an outlet to an inlet or a knob of another node; none that closes a loop, as that may scream."""
        ports = [p for box in self.eyes.layout.boxes.values() for p in box.ports]
        start = self.some([p for p in ports if p.side == "out" and p.node != "out"])
        if start is None:
            return False
        source = self.eyes.at(start)
        ends = [p for p in ports if p.side == "in" and (p.node not in KEPT or (p.node, p.name) == ("out", "audio"))]
        end = self.some([p for p in ends if not self.closes((source.node, source.name, p.node, p.name))])
        if end is None:
            return False
        self.hands.drag(start, end)
        return True

    def closes(self, key: Key) -> bool:
        """Whether a cable would close a loop, or may not be at all."""
        try:
            return rules.closes(self.patch, key)
        except PatchError:
            return True

    def unplug(self) -> bool:
        """The end of a cable into free ground."""
        ends = {key[2:] for key in self.patch.cables if key[2] not in KEPT}
        ports = [p for b in self.free for p in b.ports if (p.node, p.name) in ends and p.side == "in"]
        start, place = self.some(ports), self.ground()
        if start is None or place is None:
            return False
        self.hands.drag(start, place)
        return True

    def ground(self) -> Spot | None:
        """A free place for a node."""
        taken = [(b.x, b.y, b.x + b.w, b.y + b.h) for b in self.eyes.layout.boxes.values()]
        free = [
            (x, y)
            for x, y in ((ACROSS * k, 8.0 + DOWN * n) for k in range(COLUMNS) for n in range(ROWS))
            if not any(x < r + 20 and x + 180 > a and y < b + 20 and y + 150 > t for a, t, r, b in taken)
        ]
        spots = [s for s in (self.eyes.spot(*place) for place in free) if self.eyes.seen(s) and self.eyes.at(s) is None]
        return self.dice.choice(spots) if spots else None

    def add(self) -> bool:
        """A node by the palette."""
        place, before = self.ground(), len(self.patch.nodes)
        if place is None or before >= MOST:
            return False
        self.hands.go(place)
        self.hands.key("Tab")
        self.hands.do("sleep", "0.4")
        self.hands.type(self.dice.choice(TYPES))
        self.hands.key("Return")
        with suppress(AssertionError):
            until(lambda: len(self.client().patch.nodes) > before, 3)
            return True
        self.missed += 1
        return False

    def delete(self) -> bool:
        """A node, with its cables."""
        return len(self.patch.nodes) > 5 and self.act("Delete")

    def bypass(self) -> bool:
        """A node on, or off."""
        return self.act("ctrl+b")

    def act(self, key: str) -> bool:
        """Clicks a node, and presses a key."""
        titles = {box.name: self.eyes.title(box.name) for box in self.free}
        fit = [spot for name, spot in titles.items() if getattr(self.eyes.at(spot), "name", "") == name]
        if not fit:
            return False
        self.hands.click(self.dice.choice(fit))
        self.hands.key(key)
        return True

    def undo(self) -> bool:
        """Takes a step back."""
        self.hands.key("ctrl+z")
        return True

    def redo(self) -> bool:
        """Does it again."""
        self.hands.key("ctrl+shift+z")
        return True
