"""A node's help patch: a small patch in which a node of one type is heard or seen, made from its declaration alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from graph import rules, subpatch
from graph.edits import Move
from graph.errors import PatchError
from graph.patch import Patch
from graph.spec import In, NodeSpec, Out

from . import boxes, places, placing, text

Cable = tuple[str, float]
"""An outlet ("node.outlet") and the amount of a cable from it."""

SETTINGS: Mapping[str, dict[str, Any]] = {
    "source/sample": {"file": "sounds/tabla.flac"},
    "latent/unpack": {"count": 4},
    "model/nn": {"file": "models/guitar.ts", "method": "forward"},
    "maths/pack": {"count": 2},
}
"""What a type needs to be heard, besides cables."""
FED = {
    "mod/slew": "jump", "midi/clock-out": "ticks", "view/history": "sway", "view/meter": "voice", "view/xy": "sine",
    "maths/compare": "sway", "maths/spread": "sway",
}  # fmt: skip
"""What feeds a type whose declaration does not tell."""
HEARD = {"source/constant": "pitch", "maths/spread": "pitch", "io/input": "look"}
"""How a type is heard whose declaration does not tell."""
ASIDE = ("reset", "sync", "run", "sidechain", "device")  # inlets that may stay free
TOO = ("b", "y", "in2", "gate", "trigger", "clock", "cv")  # inlets that are fed besides the first
LEVEL = 0.3  # of what is sent to the output
NOTE = 420  # width of the note


def build(type: str, specs: Mapping[str, NodeSpec] | None = None) -> Patch:
    """A patch with a node of the type: what feeds it, what makes it heard or seen, and a note with its help text.

    PatchError where there is no such type.
    """
    patch = Patch(specs=specs)
    patch.folder = places.TEMPLATES.parent
    spec = patch.specs.get(type) or subpatch.BUILTIN.get(type)
    if spec is None:
        raise PatchError(f"there is no node type {type}")
    made = Maker(patch, type)
    made.feed()
    made.hear()
    made.explain(spec)
    return patch


def write(type: str, specs: Mapping[str, NodeSpec] | None = None) -> Path:
    """Puts the help patch of a type where new patches lie, with the sounds that it needs; gives its path."""
    patch, path = build(type, specs), places.fresh()
    places.carry(patch, path.parent)
    patch.save(path)
    return path


def needs(spec: NodeSpec) -> list[str]:
    """The inlets that are fed: the first one, and those without which nothing happens."""
    found: list[str] = []
    free = [n for n, inlet in spec.inlets.items() if n not in ASIDE]
    for name in free:
        inlet = spec.inlets[name]
        rests = inlet.rest != 0.0 and name != "cv"
        if not rests and (not found or name in TOO or rules.is_latent(inlet)):
            found.append(name)
    return found or free[:1]


def wanted(spec: NodeSpec, name: str, inlet: In) -> str:
    """What an inlet hopes for: the name of a method of `Maker`."""
    family, doc = spec.id.partition("/")[0], inlet.doc
    if rules.is_latent(inlet):
        return "latent"
    if spec.id in FED:
        return FED[spec.id]
    if name in ("cv", "value"):
        return "lift"
    if name in ("gate", "trigger", "clock") or re.search(r"\bgate\b", doc):
        return "clock"
    if name == "pitch" or "volts" in doc or name == "volts":
        return "notes" if family in ("io", "midi") else "sway"
    if doc.endswith("Hz"):
        return "frequency"
    if doc == "note":
        return "key"
    if name == "audio" or family in ("effect", "io"):
        return "saw" if family in ("filter", "view") else "voice"
    return "sine" if family == "maths" else "saw" if family in ("filter", "view") else "sway"


def means(spec: NodeSpec, name: str, outlet: Out) -> str:
    """What an outlet gives: the name of a method of `Maker` that makes it heard."""
    family, doc = spec.id.partition("/")[0], outlet.doc
    if rules.is_latent(outlet):
        return "vector"
    if spec.id in HEARD:
        return HEARD[spec.id]
    if family in ("source", "filter", "effect", "view", "rack"):
        return "sound"
    if name == "pitch" or "volts" in doc:
        return "pitch"
    if re.search(r"\bgates?\b", doc):
        return "strikes"
    if doc.endswith("Hz"):
        return "tune"
    if doc == "note":
        return "look"
    if family in ("maths", "io"):
        return "sound"
    if doc.startswith("0 … 1") and family == "mod":
        return "loudness"
    return "glide"


class Maker:
    """Puts one help patch together.  `name` is the node that it is about."""

    def __init__(self, patch: Patch, type: str) -> None:
        self.patch = patch
        self.count = 0  # of sources of one kind, which differ
        if type in subpatch.BUILTIN:  # a sub-patch, and what is in it
            self.name = patch.add(subpatch.PATCH, "patch", patch=inner(patch))
        else:
            self.name = patch.add(type, **SETTINGS.get(type, {}))
        spec = patch.spec(self.name)
        if spec is None:
            raise PatchError(boxes.lacks(patch, self.name), node=self.name)
        self.spec = spec

    def join(self, src: str, dst: str, amount: float = 1.0) -> None:
        """A cable."""
        self.patch.connect(src, dst, amount)

    # ------------------------------------------------------------------ before it

    def feed(self) -> None:
        """Gives the node's inlets what they hope for; a filter's corner moves, so that it is heard."""
        for inlet in needs(self.spec):
            make: Callable[[], list[Cable]] = getattr(self, wanted(self.spec, inlet, self.spec.inlets[inlet]))
            gently = 0.2 if inlet == "pitch" and self.spec.id.startswith("source/") else 1.0
            for src, amount in make():
                self.join(src, f"{self.name}.{inlet}", amount * gently)
        corner = next((p for p in ("cutoff", "freq") if p in self.spec.params), "")
        if corner and self.spec.id.startswith("filter/"):
            self.join(self.sway(0.3)[0][0], f"{self.name}.{corner}", 0.2)

    def saw(self) -> list[Cable]:
        """A bright tone."""
        return [(f"{self.patch.add('source/saw')}.out", 1.0)]

    def sine(self) -> list[Cable]:
        """A plain tone; the second one is a fifth above the first."""
        self.count += 1
        return [(f"{self.patch.add('source/sine', freq=220.0 if self.count == 1 else 330.0)}.out", 1.0)]

    def sway(self, rate: float = 2.0) -> list[Cable]:
        """A slow wave, -1 … 1."""
        return [(f"{self.patch.add('mod/lfo', rate=rate)}.out", 1.0)]

    def lift(self) -> list[Cable]:
        """A slow wave, 0 … 1."""
        return [(f"{self.patch.add('mod/lfo', rate=1.0, unipolar='on', phase=0.25)}.out", 1.0)]

    def jump(self) -> list[Cable]:
        """Up and down, at once."""
        return [(f"{self.patch.add('mod/lfo', rate=2.0, shape='square')}.out", 1.0)]

    def clock(self) -> list[Cable]:
        """Gates; the second clock is faster than the first."""
        self.count += 1
        return [(f"{self.patch.add('mod/clock', per_beat='2' if self.count == 1 else '3')}.out", 1.0)]

    def ticks(self) -> list[Cable]:
        """Pulses of a MIDI clock."""
        return [(f"{self.patch.add('mod/clock', per_beat='24')}.out", 1.0)]

    def notes(self) -> list[Cable]:
        """A melody in volts."""
        steps = self.patch.add("mod/steps")
        self.join(self.clock()[0][0], f"{steps}.clock")
        return [(f"{steps}.pitch", 1.0)]

    def key(self) -> list[Cable]:
        """A note by number, which moves."""
        still = self.patch.add("source/constant", value=57.0)
        return [(f"{still}.out", 1.0), (self.sway(0.5)[0][0], 7.0)]

    def frequency(self) -> list[Cable]:
        """Hertz, which move."""
        still = self.patch.add("source/constant", value=220.0)
        return [(f"{still}.out", 1.0), (self.sway(0.5)[0][0], 50.0)]

    def latent(self) -> list[Cable]:
        """A latent that moves; each one at a speed of its own."""
        pack, spread = self.patch.add("latent/pack", dims=4), self.patch.add("maths/spread", count=4, spread=0.7)
        self.count += 1
        self.join(self.sway(0.7 * self.count)[0][0], f"{spread}.a")
        self.join(f"{spread}.out", f"{pack}.signals")
        return [(f"{pack}.z", 1.0)]

    def voice(self) -> list[Cable]:
        """Notes that begin and end."""
        saw, vca = self.patch.add("source/saw"), self.patch.add("effect/vca")
        self.join(f"{saw}.out", f"{vca}.audio")
        self.opened(self.clock()[0][0], vca)
        return [(f"{vca}.out", 1.0)]

    # ------------------------------------------------------------------ after it

    def hear(self) -> None:
        """Makes what the node gives heard and seen; of one that only takes, what it takes is seen."""
        outs = {n: o for n, o in self.spec.outlets.items() if n != "bus"}
        if not outs:
            if self.spec.id not in ("view/note", "io/output"):
                self.look(next((f"{k[0]}.{k[1]}" for k, _ in self.patch.into(self.name)), ""))
            return
        name, outlet = next(iter(outs.items()))
        if {"pitch", "gate"} <= outs.keys():
            self.strikes(f"{self.name}.gate", self.tone(f"{self.name}.pitch"))
        else:
            getattr(self, means(self.spec, name, outlet))(f"{self.name}.{name}")
        if not self.spec.id.startswith("view/") and not rules.is_latent(outlet):
            self.look(f"{self.name}.{name}")

    def look(self, src: str) -> None:
        """A picture: the wave of a sound, the past of what is slow."""
        if src:
            fast = self.spec.id.partition("/")[0] in ("source", "filter", "effect", "io", "rack")
            self.join(src, f"{self.patch.add('view/scope' if fast else 'view/history')}.audio")

    def sound(self, src: str) -> None:
        """To the output."""
        self.join(src, f"{self.patch.add('io/output')}.audio", LEVEL)

    def tone(self, src: str) -> str:
        """A tone whose pitch it is; its outlet."""
        tone = self.patch.add("source/triangle", freq=220.0)
        self.join(src, f"{tone}.pitch")
        return f"{tone}.out"

    def pitch(self, src: str) -> None:
        """The pitch of a tone."""
        self.sound(self.tone(src))

    def glide(self, src: str) -> None:
        """Moves the pitch of a tone by half an octave."""
        tone = self.patch.add("source/triangle", freq=220.0)
        self.join(src, f"{tone}.pitch", 0.5)
        self.sound(f"{tone}.out")

    def tune(self, src: str) -> None:
        """The frequency of a tone in Hertz."""
        tone = self.patch.add("source/triangle", freq=1.0)
        self.patch.connect(src, f"{tone}.freq", 1.0, "units")
        self.sound(f"{tone}.out")

    def loudness(self, src: str) -> None:
        """The loudness of a tone."""
        vca = self.patch.add("effect/vca")
        tone = self.patch.add("source/triangle", freq=220.0)
        self.join(f"{tone}.out", f"{vca}.audio")
        self.join(src, f"{vca}.cv")
        self.sound(f"{vca}.out")

    def strikes(self, src: str, tone: str = "") -> None:
        """A tone that each gate opens."""
        vca = self.patch.add("effect/vca")
        self.join(tone or f"{self.patch.add('source/triangle', freq=220.0)}.out", f"{vca}.audio")
        self.opened(src, vca)
        self.sound(f"{vca}.out")

    def opened(self, gate: str, vca: str) -> None:
        """An envelope between a gate and what it opens."""
        envelope = self.patch.add("mod/adsr", sustain=0.3)
        self.join(gate, f"{envelope}.gate")
        self.join(f"{envelope}.out", f"{vca}.cv")

    def vector(self, src: str) -> None:
        """A latent's dimensions as the pitches of tones."""
        unpack = self.patch.add("latent/unpack", count=4)
        self.join(src, f"{unpack}.z")
        self.glide(f"{unpack}.out")
        self.look(f"{unpack}.out")

    # ------------------------------------------------------------------ on the canvas

    def explain(self, spec: NodeSpec) -> None:
        """A note with the help text above, and a place for every node."""
        patch = self.patch
        sizes = {n: boxes.size(patch.spec(n), n) for n in patch.nodes if n != self.name or spec.id != "view/note"}
        found = placing.places(sizes, [(key[2], key[0]) for key in patch.cables])  # from the end: as near to it as may be
        right = max((x + sizes[n][0] for n, (x, _) in found.items()), default=0.0)
        for name, (x, y) in found.items():
            patch.apply(Move(name, (round((right - x - sizes[name][0]) / 8) * 8.0, round(y / 8) * 8.0)))
        paragraphs = [" ".join(part.split()) for part in spec.doc.strip().split("\n\n")]
        content = "\n\n".join([f"# {spec.id}", *paragraphs])
        high = text.note(content, boxes.NOTE, NOTE - 2 * boxes.INSET)[1] + boxes.INSET
        note = self.name if spec.id == "view/note" else patch.add("view/note")
        patch.set(note, text=content, width=NOTE, height=max(int(high) + 1, 40))
        patch.apply(Move(note, (0.0, -round((high + 64.0) / 8 + 1) * 8.0)))


def inner(outer: Patch) -> Patch:
    """What is in the sub-patch that explains sub-patches."""
    made = Patch(outer.rate, outer.block, outer.specs)
    made.add(subpatch.INLET, "audio", at=(0.0, 40.0), text="sound to filter")
    made.add("filter/lowpass", at=(176.0, 0.0))
    made.add(subpatch.OUTLET, "out", at=(400.0, 40.0), text="filtered sound")
    made.connect("audio.out", "lowpass.audio")
    made.connect("lowpass.out", "out.audio")
    made.expose("tone", "lowpass.cutoff")
    return made
