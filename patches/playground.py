"""The playground: the path of a sound through a model on tapes, its curves and operators, and a plane between four others."""

from __future__ import annotations

from graph import Patch
from graph.edits import Move

from . import paths
from .latents import model

SOUNDS = ("bowed", "guitar", "piano", "tabla")
"""The names of the paths at the corners of the plane, from the lower left one on."""
SECONDS = 4.0
PLACES = {
    "playhead": (-300, 0), "backwards": (-270, 170), "reverse": (-240, 330),
    "bowed": (0, 0), "bowed-loud": (210, 0), "guitar": (440, 0), "guitar-loud": (650, 0),
    "piano": (0, 275), "piano-loud": (210, 275), "tabla": (440, 275), "tabla-loud": (650, 275),
    "record": (-230, 560), "in": (-230, 660), "encode": (0, 560), "now": (210, 560), "now-loud": (440, 560),
    "operate": (650, 560), "random": (680, 680), "plane": (900, 0), "plane-loud": (1160, 0), "bars": (930, 500),
    "decode": (1190, 500), "stage": (1220, 640), "room": (1450, 420), "out": (1480, 640),
}  # fmt: skip
"""As on a desk: the four paths, the planes beside them, below them what is being made."""


def playground() -> Patch:
    """A sound as curves: its path through a model's latents on a tape, bent, drawn anew, or mixed with four others on a plane.

    Listen for: strings that play what a guitar, a piano, a tabla and a string player played, by the place of the cursor. Put
    your own sound on the tapes: right-click `encode`, "Encode a sound onto its tapes…", or open `record.value` to 1 while you
    play. Double-click `now` for its curves, one a latent, and `now-loud` for its loudness; send them to one of the four by
    name. `plane.interpolate` and `plane-loud.interpolate` off let `now` through, `random.amount`, `operate.gain` (scale),
    `operate.bias` and `reverse.mix` (1 is backwards) change it as it goes; `playhead.rate` is how fast.
    """
    p = Patch()
    found = paths.read("playground")
    dims = len(found["bowed.z"][0])
    p.meta = {"seconds": 2 * SECONDS}
    p.add("io/input", "in")
    model(p, "encode", paths.FILE, "encode")
    p.connect("in.out", "encode.audio")
    p.add("source/constant", "record", value=0.0)
    p.add("mod/lfo", "playhead", rate=1 / SECONDS, shape="ramp up", unipolar="on")
    p.add("maths/scale", "backwards", in_low=0.0, in_high=1.0, out_low=1.0, out_high=0.0)
    p.add("maths/crossfade", "reverse", mix=0.0, law="linear")
    for a, b in (("playhead.out", "backwards.a"), ("playhead.out", "reverse.a"), ("backwards.out", "reverse.b")):
        p.connect(a, b)
    for what, suffix, dim in (("z", "", dims), ("loudness", "-loud", 1)):
        place = {"dims": dim, "ratio": 512, "rate": 24000, "drive": "position"}
        p.add("latent/tape", f"now{suffix}", path=found[f"bowed.{what}"], **place)
        p.connect(f"encode.{what}", f"now{suffix}.z")
        p.connect("record.out", f"now{suffix}.record")
        p.connect("reverse.out" if what == "z" else "playhead.out", f"now{suffix}.position", mode="units")
        p.add("latent/plane", f"plane{suffix}", x=0.35 if what == "z" else 0.0, y=0.6 if what == "z" else 0.0)
        for name, inlet in zip(SOUNDS, "abcd", strict=True):
            p.add("latent/tape", f"{name}{suffix}", path=found[f"{name}.{what}"], **place)
            p.connect("playhead.out", f"{name}{suffix}.position", mode="units")
            p.connect(f"{name}{suffix}.out", f"plane{suffix}.{inlet}")
    p.add("latent/affine", "operate")
    p.add("latent/randomise", "random", amount=0.0, shape="smooth")
    p.add("view/latent-bars", "bars")
    model(p, "decode", paths.FILE, "decode")
    p.add("effect/pan", "stage", spread=0.5)
    p.add("effect/reverb", "room", decay=1.2, mix=0.15)
    p.add("io/output", "out")
    for a, b in (("now.out", "operate.z"), ("operate.out", "random.z"), ("random.out", "plane.z"),
                 ("now-loud.out", "plane-loud.z"), ("plane.out", "bars.z"), ("bars.out", "decode.z"),
                 ("plane-loud.out", "decode.loudness"),
                 ("decode.out", "stage.audio"), ("stage.out", "room.audio")):  # fmt: skip
        p.connect(a, b)
    p.connect("room.out", "out.audio", 4.0)
    for axis in "xy":
        p.connect(f"plane.at_{axis}", f"plane-loud.{axis}", mode="units")
    for name, (x, y) in PLACES.items():
        p.apply(Move(name, (float(x), float(y))))
    return p
