"""Where patching starts: the tour that is opened first, and the templates of new patches."""

from __future__ import annotations

from graph import Patch
from graph.edits import Move, SetPatch

from .layout import melody, tidy

STEPS = (
    ("tour-1", "# 1. Turn a knob\nThe sound you hear is made by the nodes below, from left to right.\nDrag the knob cutoff of "
     "the node filter up and down. Shift is finer, a double click sets the default.\n\nPlay and stop are in the bar below."),
    ("tour-2", "# 2. Pull a cable\nDrag from the dot out of wobble to q of filter. The ring around the knob shows what the "
     "cable does.\nClick a cable and press Delete to remove it.\n\nCtrl+Z takes anything back."),
    ("tour-3", "# 3. Add a node\nDouble-click on an empty place, type delay, press Enter.\n\nDrag it onto the cable between "
     "loudness and room: it goes into the cable."),
    ("tour-4", "# 4. Look\nSelect a node: the panel on the right has all that it can do. The scope is a node too: drag a cable "
     "from any out to it.\n\nThe wheel zooms, a drag with the middle button moves, F shows all."),
    ("tour-5", "# 5. Keep it\nCtrl+S saves. A snapshot (menu View) keeps all knobs; go back to it, or glide there.\n\n"
     "? lists all keys, F1 explains the selected node. File, New begins a patch of your own."),
)  # fmt: skip
"""The tour: five notes, by the name of their node."""
CLOSE = 0.78  # of the usual distance of columns, so that the first picture is large
DELAY = 190  # room for the node of the third note


def tour() -> Patch:
    """What the first run opens: one voice that plays by itself, and five notes that show what to do.

    Listen for: eight steps on a saw through a filter, whose cutoff an LFO moves and an envelope opens on each step, in a
    room.  Every step of the tour changes what is heard.
    """
    p = Patch()
    p.add("mod/clock", "clock", bpm=105, per_beat="4", width=0.6)
    p.add("mod/steps", "notes", steps=melody("A2 A2:0.4 E3:0.7 A3:0.5 G3 E3:0.5 D3:0.8 C3:0.6"))
    p.connect("clock.out", "notes.clock")
    p.add("source/saw", "saw", freq=261.6256)
    p.connect("notes.pitch", "saw.pitch")
    p.add("mod/adsr", "envelope", attack=0.004, decay=0.3, sustain=0.25, release=0.25)
    p.connect("notes.gate", "envelope.gate")
    p.add("mod/lfo", "wobble", rate=0.16, phase=0.75)
    p.add("filter/lowpass", "filter", cutoff=420, q=2.5)
    p.connect("saw.out", "filter.audio", amount=0.5)
    p.connect("wobble.out", "filter.cutoff", amount=0.14)
    p.connect("envelope.out", "filter.cutoff", amount=0.28)
    p.add("effect/vca", "loudness", gain=0.6)
    p.connect("filter.out", "loudness.audio")
    p.connect("envelope.out", "loudness.cv")
    p.add("effect/reverb", "room", decay=1.8, mix=0.3)
    p.connect("loudness.out", "room.audio")
    p.add("io/output", "out")
    p.connect("room.out", "out.audio")
    p.add("view/scope", "scope", time=0.03, width=240)
    p.connect("room.out", "scope.audio")
    p.expose("brightness", "filter.cutoff")
    p.expose("distance", "room.mix")
    p.expose("speed", "clock.bpm", 40, 200)
    tidy(p)
    for name, node in p.nodes.items():
        p.apply(Move(name, (round(node.at[0] * CLOSE) + (DELAY if name in ("room", "out", "scope") else 0), node.at[1])))
    top = min(node.at[1] for node in p.nodes.values())
    for k, (name, text) in enumerate(STEPS):
        p.add("view/note", name, text=text, width=280, height=150, at=(300.0 * k, top - 230.0))
    p.apply(SetPatch("snapshots", {
        "dark": {"filter": {"cutoff": 220.0, "q": 1.0}, "room": {"mix": 0.5}},
        "bright": {"filter": {"cutoff": 1800.0, "q": 5.0}, "room": {"mix": 0.15}},
    }))  # fmt: skip
    return p


def empty() -> Patch:
    """An output, and nothing that sounds yet.

    Listen for: silence, until a source is patched into `out`.
    """
    p = Patch()
    p.add("io/output", "out", at=(480.0, 160.0))
    return p


def voice() -> Patch:
    """A voice that plays eight steps: oscillator, filter, envelope.

    Listen for: what every subtractive synthesiser does.  Write other steps, or put midi/notes in their place.
    """
    p = Patch()
    p.add("mod/clock", "clock", bpm=110, per_beat="4")
    p.add("mod/steps", "notes", steps=melody("C3 - G3:0.7 Eb3 - C3:0.6 Bb2 G2:0.8"))
    p.connect("clock.out", "notes.clock")
    p.add("source/saw", "osc", freq=261.6256)
    p.connect("notes.pitch", "osc.pitch")
    p.add("mod/adsr", "envelope", decay=0.25, sustain=0.3)
    p.connect("notes.gate", "envelope.gate")
    p.add("filter/lowpass", "filter", cutoff=900)
    p.connect("osc.out", "filter.audio", amount=0.5)
    p.connect("envelope.out", "filter.cutoff", amount=0.3)
    p.add("effect/vca", "amp", gain=0.8)
    p.connect("filter.out", "amp.audio")
    p.connect("envelope.out", "amp.cv")
    p.add("io/output", "out")
    p.connect("amp.out", "out.audio")
    return tidy(p)


def effect() -> Patch:
    """An instrument or a microphone through filter, delay and reverb.

    Listen for: yourself.  Choose the input device in the bar at the bottom.
    """
    p = Patch()
    p.add("io/input", "in")
    p.add("filter/svf", "tone", cutoff=8000)
    p.connect("in.out", "tone.audio")
    p.add("effect/delay", "echo", time=0.375, feedback=0.35, mix=0.25)
    p.connect("tone.low", "echo.audio")
    p.add("effect/reverb", "room", decay=2.5, mix=0.25)
    p.connect("echo.out", "room.audio")
    p.add("io/output", "out")
    p.connect("room.out", "out.audio")
    p.add("view/meter", "level")
    p.connect("in.out", "level.audio")
    return tidy(p)
