"""Patches that play WaVAE models: a loop shaped by a filter, one sound in three voices, the way from one sound to another."""

from __future__ import annotations

from collections.abc import Mapping

from graph import Patch

from . import paths
from .latents import model
from .layout import tidy

DOMAINS = ("strings", "voice", "drums")
FRAME = 512 / 24000
"""Seconds of a latent frame of these models."""

STRENGTH = 0.4
"""How far a stranger's sound moves the latents of a model."""
LOUDER = 0.28
"""How much louder the loop speaks than it hears itself (1 is 60 dB): it makes up for what the filter takes away."""
CEILING = -24.0
"""dB that the loop hears at most; with `LOUDER` on top, what is heard outside stays below the master limiter."""
SPARK = 0.01
"""How much noise the filter gets, for the loop to begin with."""
FREQ, Q, GAIN = 200.0, 2.0, 1.5
"""Where the filter and the gain of the loop stand by hand; the gesture is on top of that."""
GESTURE: dict[str, list[tuple[float, float]]] = {
    "freq-gesture": [
        (0, 200),
        (2, 200),
        (5, 620),
        (7, 450),
        (11, 1800),
        (12, 1800),
        (13, 700),
        (17, 1150),
        (20, 300),
        (24, 200),
    ],
    "q-gesture": [(0, 2), (3, 2), (5, 7.3), (8, 4), (11, 6), (14, 2.5), (18, 7.3), (21, 3), (24, 2)],
    "gain-gesture": [
        (0, 0),
        (0.1, 11.5),
        (0.8, 5.5),
        (1.5, 2),
        (9, 1.2),
        (11, 1.6),
        (15, 1),
        (18, 2),
        (22, 1.4),
        (23.8, 1),
        (24, 0),
    ],
}
"""The recorded gesture: seconds and Hz, Q, and factor.  A burst starts the loop, then the gain stays between 1 and 2."""


def pair(p: Patch, domain: str, suffix: str = "") -> tuple[str, str]:
    """Encoder and decoder of one domain; only the loudness goes from one to the other yet.  Returns their names."""
    encode, decode = f"encode{suffix}", f"decode{suffix}"
    for name, method in ((encode, "encode"), (decode, "decode")):
        model(p, name, f"models/wavae_{domain}.ts", method)
    return encode, decode


def feedback_shaping() -> Patch:
    """A model of strings that hears itself through a band-pass: a recorded gesture moves the filter and the gain of the loop.

    Listen for: a burst of gain wakes the loop, then where the filter lies decides what the strings say next. Turn `gesture.b`
    to 0 and play by hand: `band.freq` (200 … 1800 Hz), `band.q` (2 … 7.3), `again.b` (0 … 11.5; above 5 it bursts, 1 … 2
    keeps it going). `ceiling` holds the loop in bounds; `bend.bias` leans what the model hears of itself.
    """
    p = Patch()
    p.meta = {"seconds": 24.0}
    p.add("maths/pack", "three", count=3)
    for n, (name, start) in enumerate(zip(GESTURE, (FREQ, Q, GAIN), strict=True), 1):
        p.add("mod/curve", name, loop="on", curve=[(t, round(y - start, 3)) for t, y in GESTURE[name]])
        p.connect(f"{name}.out", f"three.in{n}")
    p.add("maths/multiply", "gesture", b=1.0)
    p.add("maths/unpack", "hands")
    p.connect("three.out", "gesture.a")
    p.connect("gesture.out", "hands.a")
    p.add("source/noise", "spark", colour="pink")
    p.add("filter/bandpass", "band", freq=FREQ, q=Q)
    p.add("maths/multiply", "again", b=GAIN)
    p.add("effect/limiter", "ceiling", ceiling=CEILING, release=0.05)
    pair(p, "strings")
    p.add("latent/affine", "bend")
    p.add("latent/affine", "louder", bias=LOUDER)
    p.connect("spark.out", "band.audio", SPARK)
    for a, b in (("ceiling.out", "encode.audio"), ("encode.z", "bend.z"), ("bend.out", "decode.z"),
                 ("encode.loudness", "louder.z"), ("louder.out", "decode.loudness"), ("decode.out", "band.audio"),
                 ("band.out", "again.a"), ("again.out", "ceiling.audio")):  # fmt: skip
        p.connect(a, b)
    for n, knob in enumerate(("band.freq", "band.q", "again.b"), 1):
        p.connect(f"hands.out{n}", knob, mode="units")
    p.add("effect/pan", "wide", spread=0.4)
    p.add("effect/reverb", "room", decay=1.8, mix=0.22)
    p.add("io/output", "out")
    p.connect("decode.out", "wide.audio")
    p.connect("wide.out", "room.audio")
    p.connect("room.out", "out.audio", 0.6)
    return tidy(p)


def style_transfer() -> Patch:
    """One sound in three voices: what comes in is heard and said by a model of strings, one of voices and one of drums.

    Listen for: the same recording as strings, then as a voice, then as drums, each as loud as the recording is. Plug in a
    microphone: `in` is mixed to it, and `take.speed` 0 stops the recording. `tour.b` 0 stops the tour; then `domain.select`
    chooses (1 strings, 2 voice, 3 drums, between them a blend). `bend-strings.weight_a` … say how much each model hears, and
    `weight_b` of the same nodes how much of what it hears all the time is taken away.
    """
    p = Patch()
    p.add("io/input", "in")
    p.add("source/sample", "take", file="sounds/tabla.flac")
    p.add("effect/vca", "heard", gain=1.0)
    p.connect("in.out", "heard.audio")
    p.connect("take.out", "heard.audio")
    p.add("effect/align", "align")
    p.add("maths/switch", "domain", between="blend")
    for n, (domain, side) in enumerate(zip(DOMAINS, "abc", strict=True), 1):
        encode, decode = pair(p, domain, f"-{domain}")
        slow, bend = f"slow-{domain}", f"bend-{domain}"
        # a stranger's sound lies beside what a model knows: its own middle is taken away, so that it moves around the model's
        p.add("latent/smooth", slow, time=1.0)
        p.add("latent/blend", bend, weight_a=STRENGTH, weight_b=-STRENGTH, normalise="off")
        for a, b in (("heard.out", f"{encode}.audio"), (f"{encode}.loudness", f"{decode}.loudness"),
                     (f"{encode}.z", f"{slow}.z"), (f"{encode}.z", f"{bend}.a"), (f"{slow}.out", f"{bend}.b"),
                     (f"{bend}.out", f"{decode}.z"), (f"{decode}.out", f"align.{side}"),
                     (f"align.out_{side}", f"domain.in{n}")):  # fmt: skip
            p.connect(a, b)
    p.add("mod/curve", "rounds", loop="on", curve=[[0, 0], [3.9, 0], [4, 1], [7.9, 1], [8, 2], [11.9, 2], [12, 0]])
    p.add("maths/multiply", "tour", b=1.0)
    p.connect("rounds.out", "tour.a")
    p.connect("tour.out", "domain.select")
    p.add("effect/reverb", "room", decay=1.2, mix=0.12)
    p.add("io/output", "out")
    p.connect("domain.out", "room.audio")
    p.connect("room.out", "out.audio", 1.5)
    return tidy(p)


def a_to_b(domain: str = "strings", ways: Mapping[str, paths.Path_] | None = None, level: float = 5.0) -> Patch:
    """From sound A to sound B through the latent space of a model of strings: z = a (1 − n/N) + b n/N, and loudness as well.

    Listen for: one phrase of strings becomes another in four seconds, over and over. Other sounds: `zrack encode PATCH hear-a
    SOUND` puts one on A's tapes, `hear-b` on B's; or open `record-a.value` to 1 while you play. `z-morph.length` and
    `loud-morph.length` say in how many frames of 21 ms it goes from A to B; open a tape (double click) to draw its curves.
    """
    p = Patch()
    ways = paths.read("a-to-b") if ways is None else ways
    frames = len(ways["a.z"])
    p.add("io/input", "in")
    p.add("mod/clock", "again", bpm=round(60 / (FRAME * frames), 4))
    for side in "ab":
        model(p, f"hear-{side}", f"models/wavae_{domain}.ts", "encode")
        p.add("source/constant", f"record-{side}", value=0.0)
        p.connect("in.out", f"hear-{side}.audio")
    for what, outlet in (("z", "z"), ("loud", "loudness")):
        p.add("latent/morph", f"{what}-morph", length=float(frames - 1))
        p.connect("again.out", f"{what}-morph.trigger")
        for side in "ab":
            tape = f"{what}-{side}"
            p.add("latent/tape", tape, path=ways[f"{side}.{outlet}"])
            for a, b in ((f"hear-{side}.{outlet}", f"{tape}.z"), (f"record-{side}.out", f"{tape}.record"),
                         ("again.out", f"{tape}.reset"), (f"{tape}.out", f"{what}-morph.{side}")):  # fmt: skip
                p.connect(a, b)
    model(p, "decode", f"models/wavae_{domain}.ts", "decode")
    p.connect("z-morph.out", "decode.z")
    p.connect("loud-morph.out", "decode.loudness")
    p.add("effect/pan", "stage", spread=0.6)
    p.add("effect/reverb", "room", decay=1.2, mix=0.15)
    p.add("io/output", "out")
    for a, b in (("decode.out", "stage.audio"), ("stage.out", "room.audio")):
        p.connect(a, b)
    p.connect("room.out", "out.audio", level)
    return tidy(p)
