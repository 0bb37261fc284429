"""Patches that play models: sound becomes a latent, the latent is bent, and it becomes sound again."""

from __future__ import annotations

from math import cos, pi, sin

from graph import Patch

from .layout import tidy

GUITAR, TABLA = "models/guitar.ts", "models/tabla.ts"
FRAME = {"dims": 8, "ratio": 512}  # of the latents of both


def model(p: Patch, name: str, file: str, method: str, **values: object) -> None:
    """One method of a model as a node."""
    p.add("model/nn", name, file=file, method=method, **values)


def stage(p: Patch, dry: str, wet: str, level: float = 1.0) -> None:
    """The end of each of these patches: dry sound (a little) and wet sound at the same time, in a small room."""
    p.add("effect/align", "align")
    p.add("maths/mix", "mix", level1=level, level2=0.15)
    p.add("effect/reverb", "room", decay=1.5, mix=0.18)
    p.add("io/output", "out")
    for a, b in ((wet, "align.a"), (dry, "align.b"), ("align.out_a", "mix.in1"), ("align.out_b", "mix.in2"),
                 ("mix.out", "room.audio"), ("room.out", "out.audio")):  # fmt: skip
        p.connect(a, b)


def autoencode() -> Patch:
    """What you play, as a small model of a guitar hears and says it, with faders on its latents.

    Listen for: a recording through the model; slowly two of its eight latents are leaned to one side. Plug in a microphone:
    `in` is mixed to it. Turn `lean-1` … `lean-8` (what the model thinks it hears) and `stretch` (how much it exaggerates).
    """
    p = Patch()
    p.add("io/input", "in")
    p.add("source/sample", "take", file="sounds/guitar.flac")
    model(p, "encode", GUITAR, "encode")
    p.connect("in.out", "encode.audio")
    p.connect("take.out", "encode.audio", 0.9)
    # eight faders, side by side in one cable: channel n leans latent n
    p.add("maths/pack", "leans", count=8)
    for n in range(1, 9):
        p.add("source/constant", f"lean-{n}", value=0.0)
        p.connect(f"lean-{n}.out", f"leans.in{n}")
    for n, rate in ((1, 0.11), (3, 0.07)):
        p.add("mod/lfo", f"sway-{n}", rate=rate, phase=0.75)
        p.connect(f"sway-{n}.out", f"leans.in{n}", 0.8)
    p.add("source/constant", "stretch", value=1.2)
    p.add("latent/affine", "bend", gain=0.0)
    p.connect("encode.z", "bend.z")
    p.connect("leans.out", "bend.bias", mode="units")
    p.connect("stretch.out", "bend.gain", mode="units")
    model(p, "decode", GUITAR, "decode")
    p.connect("bend.out", "decode.z")
    stage(p, "take.out", "decode.out", 1.4)
    return tidy(p)


def crossed() -> Patch:
    """Two models crossed: the encoder of a tabla into the decoder of a guitar.

    Listen for: a chord that is struck by the hands of a drummer. The two latent spaces know nothing of each other, so a
    `latent/resample` carries the vectors over, and `swap` decides which latent of the drum moves which of the guitar.
    """
    p = Patch()
    p.add("source/sample", "drum", file="sounds/tabla.flac")
    model(p, "encode", TABLA, "encode")
    p.connect("drum.out", "encode.audio")
    p.add("latent/resample", "carry", space="free", **FRAME)
    p.connect("encode.z", "carry.z")
    p.add("latent/smooth", "soften", time=0.03)
    p.connect("carry.out", "soften.z")
    p.add("mod/lfo", "tide", rate=0.06, phase=0.25)
    p.add("latent/affine", "lean", gain=1.1)
    p.connect("soften.out", "lean.z")
    p.connect("tide.out", "lean.bias", 0.6, "units")
    model(p, "decode", GUITAR, "decode")
    p.connect("lean.out", "decode.z")
    stage(p, "drum.out", "decode.out", 1.5)
    return tidy(p)


def latent_lfos() -> Patch:
    """A decoder with nothing to hear: eight LFOs are its latents.

    Listen for: a guitar that nobody plays, drifting through all that the model knows. `tides` sets the pace, `reach` how far
    from the middle it goes; beyond 3 the model is lost, and sounds like it.
    """
    p = Patch()
    p.add("maths/pack", "paces", count=8, values=[[0.13], [0.21], [0.34], [0.55], [0.08], [0.89], [0.05], [1.44]])
    p.add("maths/pack", "phases", count=8, values=[[0.0], [0.3], [0.6], [0.1], [0.8], [0.45], [0.2], [0.7]])
    p.add("mod/lfo", "tides", rate=0.02)
    p.connect("paces.out", "tides.rate", mode="units")
    p.connect("phases.out", "tides.phase", mode="units")
    p.add("latent/pack", "vector", **FRAME)
    p.connect("tides.out", "vector.signals")
    p.add("source/constant", "reach", value=1.3)
    p.add("latent/affine", "far", gain=0.0)
    p.connect("vector.z", "far.z")
    p.connect("reach.out", "far.gain", mode="units")
    p.add("view/latent-path", "path")
    p.connect("far.out", "path.z")
    model(p, "decode", GUITAR, "decode")
    p.connect("path.out", "decode.z")
    p.add("effect/pan", "wide", spread=0.5)
    p.connect("decode.out", "wide.audio")
    p.add("effect/chorus", "air", rate=0.3, mix=0.35)
    p.connect("wide.out", "air.audio")
    p.add("effect/reverb", "room", decay=2.5, mix=0.25)
    p.connect("air.out", "room.audio")
    p.add("io/output", "out")
    p.connect("room.out", "out.audio", 1.6)
    return tidy(p)


def latent_loop() -> Patch:
    """A model that listens to itself: encoder, decoder, a band-pass filter, a gain of 4, and back into the encoder.

    Listen for: what begins as a click becomes a howl in the model's own voice; where the band lies decides what it says.
    Turn `band.freq` (200 … 1800 Hz), `band.q` and `again.gain`; `bend.bias` leans what it hears. `soft` keeps it in bounds.
    """
    p = Patch()
    p.add("source/impulse", "spark", freq=0.5)
    model(p, "encode", TABLA, "encode")
    p.add("latent/affine", "bend", gain=1.2)
    model(p, "decode", TABLA, "decode")
    p.add("filter/bandpass", "band", freq=600.0, q=2.5)
    p.add("effect/vca", "again", gain=4.0)
    p.add("maths/saturate", "soft", drive=1.0)
    p.add("mod/lfo", "sweep", rate=0.07)
    for a, b in (("spark.out", "encode.audio"), ("encode.z", "bend.z"), ("bend.out", "decode.z"), ("decode.out", "band.audio"),
                 ("band.out", "again.audio"), ("again.out", "soft.a"), ("soft.out", "encode.audio")):  # fmt: skip
        p.connect(a, b)
    p.connect("sweep.out", "band.freq", 0.16)
    p.add("mod/lfo", "mood", rate=0.11)
    p.connect("mood.out", "bend.bias", 0.05)
    p.add("effect/pan", "wide", spread=0.4)
    p.add("effect/reverb", "room", decay=1.8, mix=0.22)
    p.add("io/output", "out")
    for a, b in (("decode.out", "wide.audio"), ("wide.out", "room.audio")):
        p.connect(a, b)
    p.connect("room.out", "out.audio", 6.0)
    return tidy(p)


def path(turns: float, spiral: float, phase: float, frames: int = 188) -> list[list[float]]:
    """A way through eight latents that ends where it began: each goes round `turns` times, the later ones less far."""
    rows = []
    for n in range(frames):
        x = 2 * pi * n / frames
        rows.append([
            round((1.6 - 0.15 * d) * sin(turns * x + phase + d * spiral) * (0.6 + 0.4 * cos(x)), 3) for d in range(8)
        ])  # fmt: skip
    return rows


def tape_morph() -> Patch:
    """Two paths through a latent space, drawn on tape, and a morph from one to the other, over and over.

    Listen for: a slow phrase becomes a restless one in six seconds, and again. Open the tapes (double click) and draw other
    curves; open `a.record` while something plays into `a.z` to record a path, and keep it.
    """
    p = Patch()
    p.add("mod/clock", "clock", bpm=10.0)
    p.add("latent/tape", "a", path=path(2, 0.7, 0.0), speed=0.5, **FRAME)
    p.add("latent/tape", "b", path=path(9, 1.9, 1.0), **FRAME)
    p.add("latent/morph", "morph", length=500.0)
    for a, b in (("clock.out", "a.reset"), ("clock.out", "b.reset"), ("clock.out", "morph.trigger"), ("a.out", "morph.a"),
                 ("b.out", "morph.b")):  # fmt: skip
        p.connect(a, b)
    p.add("view/latent-bars", "bars")
    p.connect("morph.out", "bars.z")
    model(p, "decode", GUITAR, "decode")
    p.connect("bars.out", "decode.z")
    p.add("effect/chorus", "wide", rate=0.5, mix=0.3)
    p.add("effect/pan", "stage", spread=0.6)
    p.add("effect/reverb", "room", decay=2.2, mix=0.22)
    p.add("io/output", "out")
    for a, b in (("decode.out", "stage.audio"), ("stage.out", "wide.audio"), ("wide.out", "room.audio")):
        p.connect(a, b)
    p.connect("room.out", "out.audio", 2.5)
    return tidy(p)
