"""Pieces: patches that play music by themselves."""

from __future__ import annotations

from graph import Patch

from .layout import column, melody, tidy, volts


def demo() -> Patch:
    """What `make run` plays: a band in E minor that nobody plays.

    Listen for: a recorded guitar and a recorded tabla from the first beat, a pad whose filter opens over four bars while
    only its lowest voice changes chord, a bass that hits five of sixteen steps, and a melody that is never written down: a
    random walk, caught by a rhythm and moved to the nearest note of the scale.
    """
    p = Patch()
    # Time.  The tabla loop has 16 beats at 90 bpm, so everything else has 90 bpm.
    p.add("mod/clock", "clock", bpm=90, per_beat="4", width=0.6)
    p.add("mod/divider", "bar", by=16)
    p.add("mod/divider", "verse", by=64)
    p.connect("clock.out", "bar.clock")
    p.connect("clock.out", "verse.clock")
    p.add("mod/ramp", "opening", time=10.0, begin=-0.3, end=1.0)  # opens filters over a verse of four bars
    p.connect("verse.out", "opening.trigger")

    # Recordings: both are stereo, so left and right are packed into one cable.
    # The guitar is struck every eight beats, and its strings are muted just before: without, each stroke would click.
    p.add("mod/clock", "strum", bpm=90 / 8, width=0.99)
    p.add("source/sample", "guitar", file="sounds/guitar.flac", loop="off", mode="hold")
    p.connect("strum.out", "guitar.gate")
    p.add("source/sample", "tabla", file="sounds/tabla.flac")
    for name in ("guitar", "tabla"):
        p.add("maths/pack", f"{name}-stereo", count=2)
        p.connect(f"{name}.left", f"{name}-stereo.in1")
        p.connect(f"{name}.right", f"{name}-stereo.in2")

    # Harmony: G, B and F# stay, only the root moves: Em9, Cmaj7(#11), Am9, D6(11).
    p.add("mod/steps", "roots", steps=melody("E3 C3 A2 D3"))
    p.connect("bar.out", "roots.clock")
    p.add("maths/pack", "chord", count=8, values=[  # four voices, each two saws some cents apart
        [0.003], [-0.003], *([volts(note) + cents] for note in ("G3", "B3", "F#4") for cents in (0.004, -0.004))
    ])  # fmt: skip
    p.connect("roots.pitch", "chord.in1")
    p.connect("roots.pitch", "chord.in2")
    p.add("source/saw", "pad", freq=261.6256)
    p.connect("chord.out", "pad.pitch")
    p.add("filter/ladder", "pad-filter", cutoff=350, resonance=0.35)
    p.connect("pad.out", "pad-filter.audio", amount=0.5)
    p.connect("opening.out", "pad-filter.cutoff", amount=0.33)
    p.add("filter/dcblock", "pad-centre")  # a ladder saturates, and what saturates unevenly leaves an offset
    p.connect("pad-filter.out", "pad-centre.audio")
    p.add("effect/pan", "pad-place", spread=0.8)
    p.connect("pad-centre.out", "pad-place.audio", amount=0.2)

    # Bass: the root an octave lower, on five of sixteen steps.
    p.add("mod/euclid", "bass-rhythm", pulses=5, length=16)
    p.connect("clock.out", "bass-rhythm.clock")
    p.add("mod/adsr", "bass-envelope", attack=0.006, decay=0.5, sustain=0.35, release=0.12)
    p.connect("bass-rhythm.out", "bass-envelope.gate")
    # Two sines: the second, an octave higher, bends the phase of the first, the more the louder the note.
    p.add("source/sine", "bass-overtone", freq=261.6256)
    p.connect("roots.pitch", "bass-overtone.pitch")
    p.add("effect/vca", "bass-bite")
    p.connect("bass-overtone.out", "bass-bite.audio")
    p.connect("bass-envelope.out", "bass-bite.cv")
    p.add("source/sine", "bass", freq=130.8128)
    p.connect("roots.pitch", "bass.pitch")
    p.connect("bass-bite.out", "bass.phase", amount=0.2, mode="units")
    p.add("effect/vca", "bass-loudness", gain=0.25)
    p.connect("bass.out", "bass-loudness.audio")
    p.connect("bass-envelope.out", "bass-loudness.cv")

    # Melody: a walk from -1 to 1 V, two octaves, caught three to eleven times in sixteen steps, moved to a scale.
    p.add("mod/euclid", "rhythm", pulses=5, length=16, rotate=3)
    p.connect("clock.out", "rhythm.clock")
    p.connect("opening.out", "rhythm.pulses", amount=6.0, mode="units")  # busier as the filters open
    p.add("mod/random-walk", "wander", rate=5.0, step=0.55)
    p.add("mod/sample-hold", "catch")
    p.connect("wander.out", "catch.signal")
    p.connect("rhythm.out", "catch.trigger")
    p.add("maths/quantise", "note", root="E", scale="minor pentatonic")
    p.connect("catch.out", "note.a")
    # A bell, made like the bass: its overtone is a twelfth above.
    p.add("mod/adsr", "bell-envelope", attack=0.002, decay=0.9, sustain=0.0, release=0.7)
    p.connect("rhythm.out", "bell-envelope.gate")
    p.add("source/sine", "overtone", freq=1569.754)
    p.connect("note.out", "overtone.pitch")
    p.add("effect/vca", "brightness")
    p.connect("overtone.out", "brightness.audio")
    p.connect("bell-envelope.out", "brightness.cv")
    p.add("source/sine", "bell", freq=523.2511)  # an octave above pitch 0
    p.connect("note.out", "bell.pitch")
    p.connect("brightness.out", "bell.phase", amount=0.16, mode="units")
    p.add("effect/vca", "bell-loudness", gain=0.26)
    p.connect("bell.out", "bell-loudness.audio")
    p.connect("bell-envelope.out", "bell-loudness.cv")
    p.add("effect/delay", "echo", time=0.5, feedback=0.45, mix=0.4)  # three sixteenths
    p.connect("bell-loudness.out", "echo.audio")
    p.add("effect/pan", "bell-place")
    p.connect("echo.out", "bell-place.audio")
    p.connect("wander.out", "bell-place.position", amount=0.35)  # the walk that makes the notes also walks about

    # The room hears everything but the bass; cables into the room are sends.
    p.add("effect/reverb", "room", decay=3.2, mix=1.0)
    p.add("io/output", "out", level=-1.2)
    for sound, dry, send in (
        ("guitar-stereo", 0.42, 0.1), ("tabla-stereo", 1.5, 0.15), ("pad-place", 1.0, 0.25), ("bell-place", 1.1, 0.4)
    ):  # fmt: skip
        p.connect(f"{sound}.out", "out.audio", amount=dry)
        p.connect(f"{sound}.out", "room.audio", amount=send)
    p.connect("bass-loudness.out", "out.audio")
    p.connect("room.out", "out.audio")
    return tidy(p)


def recording() -> Patch:
    """Real recordings taken apart: a guitar as a cloud of grains, a tabla through strings, a piano backwards.

    Listen for: the cloud begins at the start of the chord and creeps through it within twelve seconds, while grains fall
    on the octave and the fifth; the tabla strikes four combs that are tuned as a chord and follow a slow filter.
    """
    p = Patch()
    # Granular: eight players of one file.  A fast clock deals its pulses to them in turn, and each grain keeps the place,
    # and the transposition, that was true when it began.
    p.add("mod/clock", "grains", bpm=90, per_beat="12", width=0.8)  # 18 grains a second
    p.add("maths/pack", "turns", count=8, values=[[k] for k in range(8)])
    p.add("mod/divider", "deal", by=8)
    p.connect("grains.out", "deal.clock")
    p.connect("turns.out", "deal.shift", mode="units")
    p.add("mod/clock", "again", bpm=5)
    p.add("mod/ramp", "creep", time=12.0, begin=0.01, end=0.45)
    p.connect("again.out", "creep.trigger")
    p.add("source/noise", "jitter")
    p.add("mod/sample-hold", "place")
    p.connect("creep.out", "place.signal")
    p.connect("jitter.out", "place.signal", amount=0.012)
    p.connect("deal.out", "place.trigger")
    p.add("mod/random-walk", "whim", rate=9.0, step=0.9)
    p.add("mod/sample-hold", "leap")
    p.connect("whim.out", "leap.signal", amount=1.3)
    p.connect("deal.out", "leap.trigger")
    p.add("maths/quantise", "interval", scale="fifths")  # unison, fifth, octave, …
    p.connect("leap.out", "interval.a")
    p.add("source/sample", "guitar", file="sounds/guitar.flac", start=0.0, loop="off", mode="trigger")
    p.connect("deal.out", "guitar.gate")
    p.connect("place.out", "guitar.start", mode="units")
    p.connect("interval.out", "guitar.pitch")
    p.add("mod/adsr", "window", attack=0.03, decay=0.5, sustain=0.0, release=0.35)
    p.connect("deal.out", "window.gate")
    p.add("effect/vca", "grain", gain=1.3)
    p.connect("guitar.out", "grain.audio")
    p.connect("window.out", "grain.cv")
    p.add("effect/pan", "cloud", spread=0.9)
    p.connect("grain.out", "cloud.audio")

    # The tabla excites four strings: a band-pass that wanders chooses what reaches them.
    p.add("source/sample", "tabla", file="sounds/tabla.flac")
    p.add("mod/lfo", "sweep", rate=0.17, phase=0.75)
    p.add("filter/bandpass", "focus", freq=900, q=1.2)
    p.connect("tabla.out", "focus.audio")
    p.connect("sweep.out", "focus.freq", amount=0.22)
    p.add("maths/pack", "strings", count=4, values=column("E2 B2 F#3 D4"))
    p.add("maths/mtof", "tuning", unit="volts")
    p.connect("strings.out", "tuning.a")
    p.add("filter/comb", "combs", freq=20, feedback=0.965, damping=0.12)
    p.connect("focus.out", "combs.audio")
    p.connect("tuning.out", "combs.freq", mode="units")
    p.add("effect/pan", "combs-place", spread=0.6)
    p.connect("combs.out", "combs-place.audio", amount=1.0)

    # The piano backwards, a semitone down so that its F is an E, slower and slower: speed is a param like any other.
    p.add("mod/clock", "turn", bpm=10)  # every six seconds
    p.add("source/constant", "semitone-down", value=-1 / 12)
    p.add("mod/curve", "slower", curve=[[0.0, 1.0], [1.5, 0.9], [4.0, 0.5], [6.0, 0.35]])
    p.connect("turn.out", "slower.trigger")
    p.add("source/sample", "piano", file="sounds/piano.flac", speed=0.0, reverse="on", loop="off", mode="trigger")
    p.connect("turn.out", "piano.gate")
    p.connect("semitone-down.out", "piano.pitch")
    p.connect("slower.out", "piano.speed", mode="units")
    p.add("filter/svf", "shade", cutoff=1200)
    p.connect("piano.out", "shade.audio")
    p.add("effect/delay", "echo", time=0.5, feedback=0.5, mix=0.4)
    p.connect("shade.low", "echo.audio", amount=0.25)

    p.add("effect/reverb", "hall", decay=4.0, size=0.8, mix=0.3)
    for end in ("cloud", "combs-place", "echo"):
        p.connect(f"{end}.out", "hall.audio")
    p.add("io/output", "out")
    p.connect("hall.out", "out.audio")
    p.connect("tabla.out", "out.audio", amount=1.2)
    return tidy(p)


def generative() -> Patch:
    """A machine that composes: one clock, and chance inside rules.

    Listen for: the rhythm of the bells changes every bar, because a random walk says how many pulses the bar has; their
    notes wander within a scale; kick and hat share the same clock through other Euclidean rhythms.  It never repeats, and
    with the same seeds it is the same again.
    """
    p = Patch()
    p.add("mod/clock", "clock", bpm=112, per_beat="4", swing=0.18)
    p.add("mod/divider", "bar", by=16)
    p.connect("clock.out", "bar.clock")

    # How busy the bells are is decided once a bar: 3 to 13 pulses in 16.
    p.add("mod/random-walk", "mood", rate=3.0, step=0.8)
    p.add("mod/sample-hold", "decide")
    p.connect("mood.out", "decide.signal")
    p.connect("bar.out", "decide.trigger")
    p.add("mod/euclid", "rhythm", pulses=8, length=16)
    p.connect("clock.out", "rhythm.clock")
    p.connect("decide.out", "rhythm.pulses", amount=5.0, mode="units")

    # Notes: two walks of different temper, caught on every pulse, moved into D dorian.
    p.add("mod/random-walk", "wander", rate=6.0, step=0.5)
    p.add("mod/sample-hold", "catch")
    p.connect("wander.out", "catch.signal")
    p.connect("rhythm.out", "catch.trigger")
    p.add("maths/scale", "range", out_low=volts("D3"), out_high=volts("D6"))
    p.connect("catch.out", "range.a")
    p.add("maths/quantise", "note", root="D", scale="dorian")
    p.connect("range.out", "note.a")
    p.add("maths/mtof", "tune", unit="volts")
    p.connect("note.out", "tune.a")
    # A bell is a click into a bank of resonances.
    p.add("mod/adsr", "mallet", attack=0.0005, decay=0.004, sustain=0.0, release=0.004)
    p.connect("rhythm.out", "mallet.gate")
    p.add("filter/resonators", "bell", freq=20, decay=1.4, level="strike", partials=[
        [1.0, 1.0, 1.0], [2.0, 0.35, 0.8], [3.01, 0.3, 0.5], [4.1, 0.2, 0.35], [5.43, 0.16, 0.25], [6.79, 0.1, 0.2],
    ])  # fmt: skip
    p.connect("mallet.out", "bell.audio", amount=0.012)
    p.connect("tune.out", "bell.freq", mode="units")
    p.add("effect/delay", "echo", time=0.4018, feedback=0.4, mix=0.35)  # three sixteenths at 112 bpm
    p.connect("bell.out", "echo.audio")
    p.add("mod/lfo", "stroll", rate=0.2)
    p.add("effect/pan", "bell-place")
    p.connect("echo.out", "bell-place.audio")
    p.connect("stroll.out", "bell-place.position", amount=0.35)

    # Bass: written notes, but which comes next is drawn by lot every beat.
    p.add("mod/divider", "beat", by=4)
    p.connect("clock.out", "beat.clock")
    p.add("mod/steps", "bass-notes", order="random", steps=melody("D2 D2 A1 C2 F2 G2:0.7 -"))
    p.connect("beat.out", "bass-notes.clock")
    p.add("mod/slew", "glide", rise=0.12, fall=0.12, shape="curved")
    p.connect("bass-notes.pitch", "glide.signal")
    p.add("source/pulse", "bass", freq=261.6256, width=0.35)
    p.connect("glide.out", "bass.pitch")
    p.add("mod/adsr", "bass-envelope", attack=0.005, decay=0.45, sustain=0.2, release=0.15)
    p.connect("bass-notes.gate", "bass-envelope.gate")
    p.add("filter/ladder", "bass-filter", cutoff=110, resonance=0.5)
    p.connect("bass.out", "bass-filter.audio")
    p.connect("bass-envelope.out", "bass-filter.cutoff", amount=0.35)
    p.add("filter/dcblock", "bass-centre")  # a narrow pulse is low for most of its time
    p.connect("bass-filter.out", "bass-centre.audio")
    p.add("effect/vca", "bass-loudness", gain=0.7)
    p.connect("bass-centre.out", "bass-loudness.audio")
    p.connect("bass-envelope.out", "bass-loudness.cv")

    # Drums: a sine that falls is a kick, noise that is cut short is a hat.
    p.add("mod/euclid", "kick-rhythm", pulses=5, length=16)
    p.connect("clock.out", "kick-rhythm.clock")
    p.add("mod/adsr", "kick-envelope", attack=0.001, decay=0.28, sustain=0.0, release=0.2)
    p.connect("kick-rhythm.out", "kick-envelope.gate")
    p.add("maths/power", "kick-fall", exponent=4.0)
    p.connect("kick-envelope.out", "kick-fall.a")
    p.add("source/sine", "kick", freq=46.0)
    p.connect("kick-fall.out", "kick.pitch", amount=2.6)
    p.add("effect/vca", "kick-loudness", gain=0.45)
    p.connect("kick.out", "kick-loudness.audio")
    p.connect("kick-envelope.out", "kick-loudness.cv")
    p.add("mod/euclid", "hat-rhythm", pulses=11, length=16, rotate=2)
    p.connect("clock.out", "hat-rhythm.clock")
    p.add("mod/adsr", "hat-envelope", attack=0.0005, decay=0.07, sustain=0.0, release=0.05)
    p.connect("hat-rhythm.out", "hat-envelope.gate")
    p.connect("mood.out", "hat-envelope.decay", amount=0.1)
    p.add("source/noise", "hat")
    p.add("filter/highpass", "hat-top", cutoff=7500)
    p.connect("hat.out", "hat-top.audio")
    p.add("effect/vca", "hat-loudness", gain=0.15)
    p.connect("hat-top.out", "hat-loudness.audio")
    p.connect("hat-envelope.out", "hat-loudness.cv")

    p.add("effect/reverb", "room", decay=2.2, mix=1.0)
    p.connect("bell-place.out", "room.audio", amount=0.35)
    p.connect("hat-loudness.out", "room.audio", amount=0.2)
    p.add("io/output", "out", level=-1.5)
    for end in ("bell-place", "bass-loudness", "kick-loudness", "hat-loudness", "room"):
        p.connect(f"{end}.out", "out.audio")
    return tidy(p)


def polyrhythm() -> Patch:
    """Eight gongs, each in its own time: 2, 3, 4, 5, 6, 7, 9 and 11 pulses.

    Listen for: all strike together at the start, drift apart and form patterns; slow ones are low, fast ones high.  There is
    one divider, one mallet and one bank of resonances; eight channels run through them.
    """
    p = Patch()
    p.add("mod/clock", "clock", bpm=105, per_beat="4")
    p.add("maths/pack", "times", count=8, values=[[11], [9], [7], [6], [5], [4], [3], [2]])
    p.add("mod/divider", "divide", by=1)
    p.connect("clock.out", "divide.clock")
    p.connect("times.out", "divide.by", mode="units")
    p.add("maths/pack", "notes", count=8, values=column("C2 G2 D3 Eb3 G3 Bb3 D4 F4"))
    p.add("maths/mtof", "tune", unit="volts")
    p.connect("notes.out", "tune.a")
    p.add("mod/adsr", "mallet", attack=0.001, decay=0.02, sustain=0.0, release=0.01)
    p.connect("divide.out", "mallet.gate")
    p.add("source/noise", "felt")
    p.add("effect/vca", "strike", gain=0.025)
    p.connect("felt.out", "strike.audio")
    p.connect("mallet.out", "strike.cv")
    p.add("filter/resonators", "gongs", freq=20, decay=1.6, level="strike")
    p.connect("strike.out", "gongs.audio")
    p.connect("tune.out", "gongs.freq", mode="units")
    # The gongs ring longer and longer: at the end the strokes drown in their own sound.
    p.add("mod/clock", "again", bpm=5)
    p.add("mod/ramp", "longer", time=11.0)
    p.connect("again.out", "longer.trigger")
    p.connect("longer.out", "gongs.decay", amount=0.14)
    p.add("effect/pan", "circle", spread=1.0)
    p.connect("gongs.out", "circle.audio")
    p.add("effect/reverb", "temple", decay=3.5, size=0.9, mix=0.25)
    p.connect("circle.out", "temple.audio")
    p.add("io/output", "out")
    p.connect("temple.out", "out.audio")
    return tidy(p)
