"""Latent clocks: rational periods, how many frames a block holds, delays of one frame, operators on frames."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from graph import PatchError
from graph.edits import SetBypass, SetPatch
from nodes import Patch
from runtime.engine import Engine
from runtime.offline import render


def latent_patch(ratio: int, rate: int, **operator: float) -> Patch:
    """A counter sampled into a latent and held again as a signal."""
    patch = Patch()
    patch.limiter = False
    patch.add("test/count", "n")
    patch.add("latent/pack", "p", dims=2, ratio=ratio, rate=rate)
    patch.add("latent/affine", "op", **operator)
    patch.add("latent/unpack", "u", count=2)
    patch.add("io/output", "out", to="channels")
    for a, b in (("n.out", "p.signals"), ("p.z", "op.z"), ("op.out", "u.z"), ("u.out", "out.audio")):
        patch.connect(a, b)
    return patch


@pytest.mark.parametrize(("ratio", "rate"), [(512, 0), (512, 44100), (7, 0), (1, 0), (2048, 16000)])
def test_frame_k_lies_at_the_next_sample_after_k_periods(ratio: int, rate: int) -> None:
    period = Fraction(ratio * 48000, rate or 48000)
    frames = 20000
    want = np.zeros(frames)
    for k in range(int(frames / period) + 2):
        at = math.ceil(k * period)
        if at < frames:  # a frame has the last sample before it
            want[at:] = max(at - 1, 0)
    for cut in (64, 100, 1000):
        got = render(latent_patch(ratio, rate), frames / 48000, cut=cut).audio
        assert np.array_equal(got[:, 0], want) and np.array_equal(got[:, 1], want)


def test_a_block_holds_none_one_or_several_frames() -> None:
    patch = latent_patch(20, 0)
    patch2 = latent_patch(700, 0)
    for p, period in ((patch, 20), (patch2, 700)):
        with Engine(p) as engine:
            assert engine.plan.outlets["p", "z"].clock == 1
            counts = []
            for _ in range(30):
                engine.process(64)
                counts.append(int(engine.clock_frames()[0]))
        assert counts == [math.ceil((t + 64) / period) - math.ceil(t / period) for t in range(0, 1920, 64)]


def test_an_operator_works_on_frames() -> None:
    assert np.array_equal(
        render(latent_patch(512, 0, gain=2.0, bias=1.0), 0.2).audio, 2.0 * render(latent_patch(512, 0), 0.2).audio + 1.0
    )


def test_two_clocks_do_not_meet() -> None:
    patch = latent_patch(512, 0)
    patch.add("latent/pack", "q", dims=2, ratio=512, rate=44100)
    patch.add("latent/mix", "m")
    patch.connect("p.z", "m.a")
    with pytest.raises(PatchError, match="space"):
        patch.connect("q.z", "m.b")


def test_a_latent_loop_is_late_by_one_frame_of_its_clock() -> None:
    # acc[k] = (in[k] + acc[k-1]) / 2, made of a mix whose second inlet is the delayed cable
    patch = Patch()
    patch.limiter = False
    patch.add("source/constant", "one", value=1.0)
    patch.add("latent/pack", "p", dims=1, ratio=100)
    patch.add("latent/mix", "m", mix=0.5)
    patch.add("latent/unpack", "u", count=1)
    patch.add("io/output", "out", to="channels")
    for a, b in (("one.out", "p.signals"), ("p.z", "m.a"), ("m.out", "m.b"), ("m.out", "u.z"), ("u.out", "out.audio")):
        patch.connect(a, b)
    assert [k for k, c in patch.cables.items() if c.delayed] == [("m", "out", "m", "b")]
    got = render(patch, 2000 / 48000).audio[:, 0][50::100]
    want, acc = [], 0.0
    for k in range(20):
        acc = 0.5 * (1.0 if k else 0.0) + 0.5 * acc  # nothing lies before frame 0
        want.append(acc)
    assert np.allclose(got, want, atol=1e-6)
    for cut in (1, 100, 256):
        assert np.array_equal(render(patch, 2000 / 48000, cut=cut).audio[:, 0][50::100], got)


@pytest.mark.parametrize("kind", ["latent/affine", "latent/smooth", "latent/tape", "latent/quantise"])
@pytest.mark.parametrize("looped", [False, True])
def test_a_bypassed_latent_operator_hands_its_latent_on(kind: str, looped: bool) -> None:
    p = Patch()
    p.limiter = False
    p.add("latent/prior", "prior", ratio=100, dims=3)
    p.add(kind, "op")
    p.add("latent/mix", "mix", mix=0.0)
    p.add("latent/unpack", "u", count=3)
    p.add("io/output", "out", to="channels")
    for a, b in (("prior.z", "mix.a"), ("mix.out", "op.z"), ("op.out", "u.z"), ("u.out", "out.audio")):
        p.connect(a, b)
    if looped:
        p.connect("op.out", "mix.b")
    for block in (64, 16):
        q = p.copy()
        q.apply(SetPatch("block", block))
        q.apply(SetBypass("op"))
        heard = render(q, 0.1).audio
        q.apply(SetBypass("op", False))
        q.disconnect("op.out", "u.z")
        q.connect("mix.out", "u.z")
        due = render(q, 0.1).audio
        assert due.any() and np.array_equal(heard, due)
