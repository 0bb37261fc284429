"""Studies: each patch shows one thing that a modular rack is good at."""

from __future__ import annotations

from math import log2
from pathlib import Path

from graph import Patch

from .layout import column, melody, tidy, volts


def poly_synth() -> Patch:
    """A four-voice polyphonic subtractive synthesiser.

    Listen for: every note rings on while the next three begin.  There is one chain of nodes, not four: its cables
    carry four channels.  `deal` gives every fourth note to each channel, as a keyboard deals keys to voices.
    """
    p = Patch()
    # The score: arpeggios over four chords, one note a sixteenth.  Velocity does not only change loudness: it opens
    # the filter too, so accents are bright.
    p.add("mod/clock", "clock", bpm=96, per_beat="4", width=0.7)
    p.add("mod/steps", "score", steps=melody(
        "A3 E4:0.6 B4:0.7 C5 G4:0.6 E4:0.5 B4:0.8 C4:0.5  F3 E4:0.6 A4:0.7 C5 G4:0.6 E4:0.5 A4:0.8 C4:0.5 "
        "C3 E4:0.6 G4:0.7 B4 D5:0.9 G4:0.5 E4:0.6 B3:0.5  G3 D4:0.6 A4:0.7 B4 F#5:0.9 D5:0.6 B4:0.5 D4:0.5"
    ))  # fmt: skip
    p.connect("clock.out", "score.clock")

    # Dealing the notes: a divider by four, with the shift of each channel one pulse later.  One gate goes in, four come
    # out, and each voice catches the pitch and velocity of its own note.
    p.add("maths/pack", "turns", count=4, values=[[0], [1], [2], [3]])
    p.add("mod/divider", "deal", by=4)
    p.connect("clock.out", "deal.clock")
    p.connect("turns.out", "deal.shift", mode="units")
    p.add("mod/sample-hold", "pitch")
    p.add("mod/sample-hold", "velocity")
    for catch in ("pitch", "velocity"):
        p.connect(f"score.{catch}", f"{catch}.signal")
        p.connect("deal.out", f"{catch}.trigger")

    # The voice: two saws 8 cents apart, a ladder filter, an envelope for filter and loudness.
    p.add("source/saw", "saw", freq=261.6256)
    p.add("source/saw", "detuned", freq=262.837)
    p.connect("pitch.out", "saw.pitch")
    p.connect("pitch.out", "detuned.pitch")
    p.add("mod/adsr", "envelope", attack=0.004, decay=1.1, sustain=0.15, release=2.2)
    p.connect("deal.out", "envelope.gate")
    p.add("filter/ladder", "filter", cutoff=170, resonance=0.45)
    p.connect("saw.out", "filter.audio", amount=0.5)
    p.connect("detuned.out", "filter.audio", amount=0.5)
    p.connect("envelope.out", "filter.cutoff", amount=0.32)
    p.connect("velocity.out", "filter.cutoff", amount=0.16)
    p.add("mod/lfo", "tide", rate=0.09, phase=0.75)  # begins at the bottom: the filter opens over the first five seconds
    p.connect("tide.out", "filter.cutoff", amount=0.12)
    p.add("filter/dcblock", "centre")  # a ladder saturates, and what saturates unevenly leaves an offset
    p.connect("filter.out", "centre.audio")
    p.add("effect/vca", "loudness", gain=1.2)
    p.connect("centre.out", "loudness.audio")
    p.connect("envelope.out", "loudness.cv")
    p.connect("velocity.out", "loudness.gain", amount=0.15)

    # Four channels become two: each voice has its own place.  Then a chorus and a little room.
    p.add("effect/pan", "stage", spread=0.7)
    p.connect("loudness.out", "stage.audio")
    p.add("effect/chorus", "chorus", rate=0.4, mix=0.3)
    p.connect("stage.out", "chorus.audio")
    p.add("effect/reverb", "room", decay=2.5, mix=0.22)
    p.connect("chorus.out", "room.audio")
    p.add("io/output", "out")
    p.connect("room.out", "out.audio")
    return tidy(p)


def feedback() -> Patch:
    """Two loops that scream at each other; one click starts them and nothing else is played.

    Listen for: howls that slide, break into noise and fall silent for a breath.  Each ring is filter → saturation →
    delay, closed by a cable with one sample of delay; each bends the other's filter at audio rate.  An ear hears how loud
    its ring is and takes the drive away, so the network never settles.  The master limiter holds what comes out.
    """
    p = Patch()
    p.add("source/impulse", "spark", freq=0.05)  # the only sound from outside: one click
    for side, cutoff, time in (("left", 420.0, 0.0031), ("right", 1300.0, 0.0173)):
        p.add("maths/mix", f"{side}-sum", level2=1.0, level3=0.6)
        p.add("filter/svf", f"{side}-filter", cutoff=cutoff, q=3.0)
        p.add("maths/saturate", f"{side}-drive", drive=5.0, bias=0.06)
        p.add("effect/delay", f"{side}-line", time=time, feedback=0.0, mix=1.0, longest=0.5)
        p.add("filter/dcblock", f"{side}-centre", cutoff=12.0)  # the bias makes an offset; it must not go round
        p.connect("spark.out", f"{side}-sum.in1", amount=0.8)
        p.connect(f"{side}-sum.out", f"{side}-filter.audio")
        p.connect(f"{side}-filter.band", f"{side}-drive.a")
        p.connect(f"{side}-drive.out", f"{side}-line.audio")
        p.connect(f"{side}-line.out", f"{side}-centre.audio")
        p.connect(f"{side}-centre.out", f"{side}-sum.in2")  # closes the loop: one sample late
        # Slow hands: the delay is the pitch of the howl, the filter chooses which of its partials wins.
        p.add("mod/random-walk", f"{side}-hand", rate=0.7, step=0.8)
        p.connect(f"{side}-hand.out", f"{side}-filter.cutoff", amount=0.22)
        p.add("mod/random-walk", f"{side}-tape", rate=0.4, step=0.9)
        p.connect(f"{side}-tape.out", f"{side}-line.time", amount=0.12)
    for one, other in (("left", "right"), ("right", "left")):
        p.connect(f"{one}-centre.out", f"{other}-sum.in3")
        p.connect(f"{one}-line.out", f"{other}-filter.cutoff", amount=0.1)  # at audio rate: sidebands, then chaos
    # Breath: a ring that has been loud for a while loses its drive, and the other takes over.
    for side, attack, release in (("left", 0.7, 1.3), ("right", 0.45, 0.8)):
        p.add("mod/follower", f"{side}-ear", attack=attack, release=release, mode="RMS")
        p.connect(f"{side}-centre.out", f"{side}-ear.audio")
        p.connect(f"{side}-ear.out", f"{side}-drive.drive", amount=-0.55)
    p.add("maths/pack", "stereo", count=2)
    p.connect("left-centre.out", "stereo.in1")
    p.connect("right-centre.out", "stereo.in2")
    p.add("io/output", "out", level=3.0)
    p.connect("stereo.out", "out.audio")
    return tidy(p)


def faders() -> Patch:
    """A mixer without hands: every fader is moved by a control voltage.

    Listen for: the same four sounds all the time, and only their levels change.  A sine breathes, a saw cuts, a ramp builds
    up once, a drawn curve stutters; and `flutter`'s own rate climbs from a slow swell to a buzz, where a moving fader
    becomes a timbre.
    """
    p = Patch()
    # Four sounds that never change by themselves.
    p.add("maths/pack", "chord", count=6, values=column("D3 A3 E4 F4 C5 E5"))
    p.add("source/saw", "strings", freq=261.6256)
    p.connect("chord.out", "strings.pitch")
    p.add("filter/lowpass", "soft", cutoff=1400)
    p.connect("strings.out", "soft.audio")
    p.add("source/noise", "sea", colour="pink")
    p.add("source/sample", "tabla", file="sounds/tabla.flac")
    p.add("source/saw", "bass", freq=73.4162)

    # Four faders.  A VCA has its level in `cv`; what is patched there moves it.
    p.add("mod/lfo", "sine", rate=0.25, phase=0.75, unipolar="on")  # a breath of four seconds
    p.add("mod/lfo", "saw", rate=3.0, shape="ramp down", unipolar="on")  # cuts the bass into pulses
    p.add("mod/slew", "edge", rise=0.004, fall=0.004)  # a saw jumps, and a jump of a level is a click
    p.connect("saw.out", "edge.signal")
    p.add("mod/clock", "once", bpm=5)  # a pulse every twelve seconds starts the ramp again
    p.add("mod/ramp", "ramp", time=11.0, curve=0.35)
    p.connect("once.out", "ramp.trigger")
    p.add("mod/curve", "drawn", loop="on", curve=[
        [0.0, 0.0], [0.02, 1.0], [0.6, 0.9], [0.62, 0.0], [1.0, 0.0], [1.02, 0.8], [1.1, 0.0], [1.33, 0.0], [1.35, 0.8],
        [1.45, 0.0], [1.67, 0.0], [1.69, 0.9], [2.6, 0.2], [2.667, 0.0],
    ])  # fmt: skip
    for fader, sound, level in (
        ("sine", "soft.out", 0.26), ("edge", "bass.out", 0.17), ("ramp", "sea.out", 0.5), ("drawn", "tabla.out", 2.5)
    ):  # fmt: skip
        p.add("effect/vca", f"{fader}-fader", gain=level)
        p.connect(sound, f"{fader}-fader.audio")
        p.connect(f"{fader}.out", f"{fader}-fader.cv")

    # A fader on a fader: the strings also flutter, and the ramp speeds the flutter up, from 0.8 Hz to 75 Hz.
    p.add("mod/lfo", "flutter", rate=0.8, unipolar="on")
    p.connect("ramp.out", "flutter.rate", amount=0.37)
    p.add("effect/vca", "fluttered")
    p.connect("sine-fader.out", "fluttered.audio")
    p.connect("flutter.out", "fluttered.cv")

    # Panoramas are faders too: two for each sound.  The six strings fan out, the bass stays.
    p.add("effect/pan", "strings-place", spread=0.8)
    p.connect("fluttered.out", "strings-place.audio")
    p.add("mod/lfo", "orbit", rate=0.11)
    p.add("effect/pan", "sea-place")
    p.connect("ramp-fader.out", "sea-place.audio")
    p.connect("orbit.out", "sea-place.position", amount=0.45)
    p.add("effect/pan", "tabla-place")
    p.connect("drawn-fader.out", "tabla-place.audio")
    p.connect("orbit.out", "tabla-place.position", amount=-0.3)
    p.add("io/output", "out", level=-0.8)
    for end in ("strings-place", "sea-place", "tabla-place", "edge-fader"):
        p.connect(f"{end}.out", "out.audio")
    return tidy(p)


def pluck() -> Patch:
    """The part that `subpatch_twice` uses: a plucked string after Karplus and Strong, with a gate and a pitch inlet.

    A short burst of noise goes round in a comb whose period is the pitch; each round it loses a little of its top.
    """
    p = Patch()
    p.meta = {"doc": "A plucked string.\n\nPatch a gate and a pitch in; `sustain`, `dullness` and `pick` make the string."}
    p.add("rack/inlet", "gate", text="plucks when it opens")
    p.add("rack/inlet", "pitch", text="volts, 1 per octave, 0 = C4")
    p.add("source/noise", "burst")
    p.add("mod/adsr", "finger", attack=0.0005, decay=0.012, sustain=0.0, release=0.012)
    p.connect("gate.out", "finger.gate")
    p.add("effect/vca", "strike")
    p.connect("burst.out", "strike.audio")
    p.connect("finger.out", "strike.cv")
    p.add("filter/onepole", "plectrum", cutoff=5000)
    p.connect("strike.out", "plectrum.audio")
    p.add("maths/mtof", "tune", unit="volts")
    p.connect("pitch.out", "tune.a")
    p.add("filter/comb", "string", freq=20, feedback=0.995, damping=0.2)
    p.connect("plectrum.out", "string.audio")
    p.connect("tune.out", "string.freq", mode="units")
    p.add("filter/dcblock", "bridge", cutoff=30)
    p.connect("string.out", "bridge.audio")
    p.add("rack/outlet", "out", text="the string")
    p.connect("bridge.out", "out.audio")
    p.expose("sustain", "string.feedback", 0.9, 0.9995)
    p.expose("dullness", "string.damping", 0.0, 0.9)
    p.expose("pick", "plectrum.cutoff", 200.0, 15000.0)
    return tidy(p)


def subpatch_twice() -> Patch:
    """One sub-patch, used twice: two strings that share a definition and differ in what it exposes.

    Listen for: left a bright short string with a fast figure, right a dark long one below; after a while the left one
    becomes long too, because a ramp is patched into its exposed `sustain`.  Change `parts/pluck.zrack` and both change.
    """
    p = Patch()
    p.folder = Path(__file__).parent  # files are looked for beside the patch, and this one was not saved yet
    p.add("rack/patch", "lute", file="parts/pluck.zrack", sustain=0.965, dullness=0.08, pick=9000)
    p.add("rack/patch", "theorbo", file="parts/pluck.zrack", sustain=0.9985, dullness=0.42, pick=1500)

    # Both play from one clock: the lute in a pattern of 11 in 16, the theorbo 5 in 16.
    p.add("mod/clock", "clock", bpm=108, per_beat="4", swing=0.12)
    for name, pulses, notes in (
        ("lute", 11, "D4 A4 F4 C5 A4 E5 D5 G4 F4 A4 D5 F5 E5"), ("theorbo", 5, "D2 A2 Bb2 F2 C3 G2 A2")
    ):  # fmt: skip
        p.add("mod/euclid", f"{name}-rhythm", pulses=pulses, length=16)
        p.connect("clock.out", f"{name}-rhythm.clock")
        p.add("mod/steps", f"{name}-notes", steps=melody(notes))  # 13 and 7 notes: they meet again only after 91 bars
        p.connect(f"{name}-rhythm.out", f"{name}-notes.clock")
        p.connect(f"{name}-notes.gate", f"{name}.gate")
        p.connect(f"{name}-notes.pitch", f"{name}.pitch")

    p.add("mod/clock", "start", bpm=5)
    p.add("mod/ramp", "longer", time=9.0)
    p.connect("start.out", "longer.trigger")
    p.connect("longer.out", "lute.sustain", amount=0.27)  # a cable into an exposed param, as into any other

    p.add("effect/pan", "lute-place", position=-0.55)
    p.add("effect/pan", "theorbo-place", position=0.4)
    p.add("effect/reverb", "chamber", decay=1.6, size=0.4, mix=0.25)
    for name, level in (("lute", 0.42), ("theorbo", 0.65)):
        p.connect(f"{name}.out", f"{name}-place.audio", amount=level)
        p.connect(f"{name}-place.out", "chamber.audio")
    p.add("io/output", "out", level=8.0)
    p.connect("chamber.out", "out.audio")
    return tidy(p)


def drone() -> Patch:
    """Sixty-four sines in one cable: a chord that never stands still.

    Listen for: partials that come and go, each at its own pace, over a ground that stays.  One oscillator, one LFO and one VCA
    carry 64 channels.  Turn `ground`: all sixty-four follow.
    """
    p = Patch()
    # Eight notes of a just-intoned ninth chord over D, each with eight harmonics: pitch in volts is log2 of the ratio.
    # Scattered over the channels, because later the first channel is left and the last is right.
    partials = [(chord * harmonic, harmonic) for chord in (1, 1.5, 2, 2.25, 2.5, 3, 3.75, 4.5) for harmonic in range(1, 9)]
    partials = [partials[k * 27 % 64] for k in range(64)]
    p.add("maths/pack", "partials", count=64, values=[[log2(ratio)] for ratio, _ in partials])
    p.add("source/sine", "bank", freq=volts_to_hertz("D2"))
    p.connect("partials.out", "bank.pitch")
    # Tides: 64 LFOs, from 14 to 3 seconds a swell, each beginning elsewhere; high partials are softer.
    p.add("maths/pack", "rates", count=64, values=[[0.07 + 0.27 * ((k * 0.618034) % 1)] for k in range(64)])
    p.add("maths/pack", "phases", count=64, values=[[(k * 0.414214 + 0.55) % 1] for k in range(64)])
    p.add("mod/lfo", "tides", rate=0.001)
    p.connect("rates.out", "tides.rate", mode="units")
    p.connect("phases.out", "tides.phase", mode="units")
    # Drift: a walk of its own for each channel, some cents wide.  Many channels into any inlet make a node as wide.
    p.add("mod/random-walk", "drift", rate=1.5, step=0.6)
    p.connect("rates.out", "drift.rate", mode="units")
    p.connect("drift.out", "bank.pitch", amount=0.004)
    p.add("maths/pack", "slope", count=64, values=[[0.15 / harmonic**0.7] for _, harmonic in partials])
    p.add("maths/multiply", "swell", b=0.0)
    p.add("maths/absolute", "half", keep="positive")  # half of the time a partial is silent: chords, not a cluster
    p.connect("tides.out", "half.a")
    p.connect("half.out", "swell.a")
    p.connect("slope.out", "swell.b", mode="units")
    p.add("mod/slew", "dawn", rise=0.5, fall=0.5, shape="curved")  # no partial begins with a corner
    p.connect("swell.out", "dawn.signal")
    p.add("effect/vca", "levels")
    p.connect("bank.out", "levels.audio")
    p.connect("dawn.out", "levels.cv")

    p.add("effect/pan", "fan", spread=0.9)
    p.connect("levels.out", "fan.audio")
    p.add("effect/reverb", "cathedral", decay=7.0, size=1.0, mix=0.4)
    p.connect("fan.out", "cathedral.audio")
    p.add("io/output", "out")
    p.connect("cathedral.out", "out.audio")
    return tidy(p)


def volts_to_hertz(note: str) -> float:
    """A note by name as a frequency in Hz, A4 = 440."""
    return float(261.6255653 * 2 ** volts(note))
