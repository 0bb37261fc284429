"""Where MIDI goes in a patch: its midi/… nodes at any depth, and the params that learnt a controller.

What was learnt lies in the patch's meta, under "midi": "channel/controller" (with "+controller" of the low part where it
has 14 bits) → "node.param".  Beside it stand "tempo" (False: a clock does not set the tempo), "transport" (True: start and
stop do), "pickup" (True: a knob is taken over where the controller passes it) and "programs" (number → snapshot).
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graph import Patch, PatchError
from graph.patch import NodeData
from graph.spec import Choice, Param

from .voices import Voices

BINDING = re.compile(r"(\d{1,2})/(\d{1,3})(?:\+(\d{1,3}))?\Z")
NEAR = 0.03
"""Part of a knob's travel within which a controller has picked it up."""
FINE = 32
"""From a controller to the one that holds its low seven bits."""


@dataclass
class Keys:
    """A midi/notes node, as its settings have it, and the voices that play it."""

    path: str
    config: tuple[Any, ...]
    voices: Voices


@dataclass
class Knob:
    """What a controller moves: `item` is what the port takes, None a bypass.  `high` waits for its low seven bits."""

    path: str
    port: str
    item: Param | Choice | None
    channel: int  # 0: all
    number: int
    fine: bool = False
    kept: bool = True  # the patch keeps the value
    learnt: bool = False
    high: int = 0
    last: float | None = None  # where the controller stood
    taken: bool = False  # pickup: the knob follows

    def position(self, number: int, value: int) -> float:
        """Where the controller now stands, 0 … 1, after one of its messages."""
        if not self.fine:
            return value / 127
        if number == self.number:
            self.high, value = value, 0
        return (self.high << 7 | value) / 16383

    def picked_up(self, at: float, position: float) -> bool:
        """Whether a knob that stands at `at` follows the controller, now at `position`: once that has reached it."""
        if self.taken and self.last is not None and abs(at - self.last) > NEAR:
            self.taken = False  # somebody else has moved it
        passed = self.last is not None and (self.last - at) * (position - at) <= 0.0
        self.taken = self.taken or passed or abs(position - at) <= NEAR
        self.last = position
        return self.taken


@dataclass
class Routes:
    """Everything in a patch that hears MIDI."""

    keys: dict[Hashable, Keys] = field(default_factory=dict)  # by instance
    clocks: dict[Hashable, str] = field(default_factory=dict)
    knobs: dict[int, list[Knob]] = field(default_factory=dict)  # by controller number
    midi: Mapping[str, Any] = field(default_factory=dict)

    def controllers(self, channel: int, number: int) -> list[Knob]:
        """The knobs that a controller message concerns."""
        found = self.knobs.get(number, [])
        if number >= FINE:
            found = [*found, *(k for k in self.knobs.get(number - FINE, ()) if k.fine)]
        return [k for k in found if k.channel in (0, channel)]


def walk(
    patch: Patch, prefix: str = "", outer: Hashable = None, kept: bool = True
) -> Iterator[tuple[str, Hashable, NodeData, bool]]:
    """(path, instance, node, whether values inside can be kept) of every node, at any depth."""
    for name, node in patch.nodes.items():
        uid: Hashable = (outer, node.uid) if outer else node.uid
        inner = patch.inner(name) if node.type == "rack/patch" else None
        if inner is not None:
            yield from walk(inner, f"{prefix}{name}/", uid, kept and node.patch is not None)
        elif node.type.startswith("midi/"):
            yield f"{prefix}{name}", uid, node, kept


def target(patch: Patch, path: str, port: str) -> Param | Choice | None:
    """What a port of "sub/inner" takes; None for a bypass.  Raises PatchError."""
    *outer, name = path.split("/")
    for sub in outer:
        inner = patch.inner(sub)
        if inner is None:
            raise patch.error("holds no patch that could be looked into", sub)
        patch = inner
    spec = patch.spec(name)
    if port == "bypass":
        return None
    found = None if spec is None else spec.params.get(port) or spec.choices.get(port)
    if found is None:
        raise patch.error("is no param or choice", name, port)
    return found


def routes_of(patch: Patch, counter: Iterator[int]) -> Routes:
    """The routes of a patch, with voices that are all at rest.  Hold the session's lock."""
    found = patch.meta.get("midi")
    out = Routes(midi=found if isinstance(found, Mapping) else {})
    for path, uid, node, kept in walk(patch):
        spec = patch.specs.get(node.type)
        if spec is None:
            continue
        s = {n: node.settings.get(n, default.default) for n, default in spec.settings.items()}
        if node.type == "midi/notes":
            voices = Voices(
                int(s["voices"]), str(s["mode"]), channel=int(s["channel"]), bend_range=float(s["bend_range"]),
                legato=s["legato"] == "on", counter=counter,
            )  # fmt: skip
            out.keys[uid] = Keys(path, tuple(s.values()), voices)
        elif node.type == "midi/clock":
            out.clocks[uid] = path
        elif node.type == "midi/cc":
            number = int(s["number"])
            fine = s["fine"] == "on" and number < FINE
            knob = Knob(path, "value", spec.params["value"], int(s["channel"]), number, fine, kept)
            out.knobs.setdefault(number, []).append(knob)
    for key, names in out.midi.items():
        match = BINDING.match(key)
        for name in names if isinstance(names, list) else [names]:
            if match is None or not isinstance(name, str) or "." not in name:
                continue
            path, _, port = name.rpartition(".")
            try:
                item = target(patch, path, port)
            except PatchError:
                continue  # the node is gone; it may come back by undo
            number = int(match[2])
            knob = Knob(path, port, item, int(match[1]), number, match[3] is not None, learnt=True)
            out.knobs.setdefault(number, []).append(knob)
    return out


def bound(patch: Patch, path: str, port: str, key: str | None) -> dict[str, Any]:
    """The meta of a patch after a param has learnt the controller `key` ("1/74"), or has forgotten its own (None)."""
    found = patch.meta.get("midi")
    name = f"{path}.{port}"
    midi = {k: v for k, v in (found.items() if isinstance(found, Mapping) else ()) if not (BINDING.match(k) and v == name)}
    if key is not None:
        midi[key] = name
    return {**patch.meta, "midi": midi}
