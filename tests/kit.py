"""Small node types for tests of `graph`, which never compute, and ways to make patches from them."""

from __future__ import annotations

from pathlib import Path

from graph import Choice, Data, In, NodeSpec, Out, Param, Patch, Setting

_lp = NodeSpec(
    "filter/lowpass",
    "Keeps what is low.",
    inlets={"audio": In()},
    outlets={"out": Out()},
    params={
        "cutoff": Param(1000.0, 20.0, 20000.0, "Hz", "exp", was=("freq",)),
        "resonance": Param(0.0, 0.0, 1.0),
    },
    choices={"slope": Choice("12 dB", ("12 dB", "24 dB"))},
    settings={"longest": Setting(1.0, 0.01, 10.0, "s", kind="float"), "voices": Setting(1, 1, 64)},
)
SPECS = {
    s.id: s
    for s in (
        NodeSpec("source/saw", "A saw.", outlets={"out": Out()}, params={"freq": Param(110.0, 1.0, 20000.0, "Hz", "exp")}),
        NodeSpec(
            "source/sample", "A sound.", outlets={"out": Out()}, settings={"file": Setting("", kind="file")},
            params={"speed": Param(1.0, -4.0, 4.0)},
        ),
        _lp,
        NodeSpec("maths/add", "Adds.", inlets={"a": In()}, outlets={"out": Out()}, params={"b": Param(0.0, -10.0, 10.0)}),
        NodeSpec(
            "mod/steps", "Steps.", inlets={"clock": In()}, outlets={"out": Out(), "gate": Out()},
            data={"steps": Data(((0.0,),), 1, limit=64, low=-5.0, high=5.0), "pairs": Data(((0.0, 0.0),), 2)},
        ),
        NodeSpec(
            "maths/multiply", "Multiplies.", inlets={"a": In()}, outlets={"out": Out()},
            params={"b": Param(1.0, -1000.0, 1000.0, cable="units")},
        ),
        NodeSpec(
            "source/tape", "A recording.", outlets={"out": Out()},
            data={"tape": Data(((0.0, 0.0),), 2, low=-1.0, high=0.6), "curve": Data()},
        ),
        NodeSpec("model/slow", "Works elsewhere.", inlets={"audio": In()}, outlets={"out": Out()}, work=True),
        NodeSpec(
            "model/encode", "Sound to latent.", inlets={"audio": In()},
            outlets={"z": Out(space=("space", "dims", "ratio", "rate"))},
            settings={
                "space": Setting("voice", kind="text"), "dims": Setting(8, 1, 512), "ratio": Setting(2048, 1, 65536),
                "rate": Setting(0, 0, 768000),
            },
        ),
        NodeSpec(
            "latent/mix", "Mixes two latents of one space.", inlets={"a": In(latent="z"), "b": In(latent="z")},
            outlets={"out": Out(latent="z")},
        ),
    )
}  # fmt: skip


def new(**kw: int) -> Patch:
    """An empty patch that knows the types above."""
    return Patch(specs=SPECS, **kw)


def bass() -> Patch:
    """A saw through a low-pass that an LFO moves."""
    p = new()
    p.add("source/saw", "osc", freq=220.0)
    p.add("filter/lowpass", "lp", cutoff=800.0, slope="24 dB")
    p.add("source/saw", "lfo", freq=2.0)
    p.connect("osc.out", "lp.audio")
    p.connect("lfo.out", "lp.cutoff", amount=0.25)
    return p


def voice() -> Patch:
    """A sub-patch: inlet → low-pass → outlet, its cutoff exposed as `tone` from 100 to 10000 Hz."""
    p = new()
    p.add("rack/inlet", "in", at=(0, 0))
    p.add("filter/lowpass", "lp", at=(100, 0))
    p.add("rack/outlet", "wet", at=(200, 0))
    p.connect("in.out", "lp.audio", amount=0.5)
    p.connect("lp.out", "wet.audio", amount=0.25)
    p.expose("tone", "lp.cutoff", 100.0, 10000.0)
    p.expose("slope", "lp.slope")
    return p


def saved(patch: Patch, path: Path) -> Patch:
    """Saves and loads a patch."""
    patch.save(path)
    return Patch.load(path, SPECS)
