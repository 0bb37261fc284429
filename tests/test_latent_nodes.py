"""Latent operators: settings that change nothing change no bit, mixtures end where they should, chance repeats by its seed,
and nothing depends on how the sound was cut into blocks.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from graph import PatchError
from graph.edits import SetPatch
from nodes import Patch, classes, latents
from nodes import latent_maps as maps
from nodes import latent_mixes as mixes
from nodes import latent_moves as moves
from nodes.base import Node
from nodes.dsp import paths
from runtime.engine import Engine
from runtime.offline import render
from tests.rig import run

SPACING = 256  # samples a frame in the rig
RNG = np.random.default_rng(5)
Z = np.float32(RNG.normal(size=(20, 8)) * 2)
OTHER = np.float32(RNG.normal(size=(20, 8)) * 2)


def of(cls: type[Node], z: np.ndarray = Z, outlet: str = "out", **more: Any) -> np.ndarray:
    """What a node makes of a latent: [latent frames, dims]."""
    names = [n for n, p in cls.spec.inlets.items() if p.latent]
    given = {names[0]: z, **more} if names else more
    return run(cls, len(z) * SPACING, **given)[outlet]


def gate(frames: dict[int, float] | list[int], count: int = 20) -> np.ndarray:
    """A signal that is 1 during the samples that lead to these latent frames (each has the sample it lies at)."""
    x = np.zeros(count * SPACING, np.float32)
    for k in frames:
        x[k * SPACING : (k + 1) * SPACING] = 1.0
    return x


# ---------------------------------------------------------------------------------------------- identity

NOTHING: list[tuple[type[Node], dict[str, Any]]] = [
    (maps.Mirror, {"amount": 0.0}),
    (maps.Mirror, {"dimension": 9.0}),
    (maps.Clamp, {"low": -32.0, "high": 32.0}),
    (maps.Quantise, {"strength": 0.0}),
    (maps.Route, {"amount": 0.0}),
    (maps.Route, {"routes": [[k + 1, 1] for k in range(8)]}),
    (maps.Put, {"amount": 0.0, "signal": 5.0}),
    (maps.Put, {"dimension": 9.0, "signal": 5.0}),
    (maps.Rotate, {"gain": 3.0}),  # no matrix
    (maps.Rotate, {"matrix": paths.fit(Z)[1], "mean": paths.fit(Z)[0]}),
    (mixes.Sphere, {"b": OTHER, "mix": 0.0}),
    (mixes.Blend, {"b": OTHER}),
    (mixes.Blend, {"b": OTHER, "normalise": "off"}),
    (mixes.Splice, {"b": OTHER, "seam": 8.0}),
    (moves.Randomise, {"amount": 0.0}),
    (moves.Smooth, {"time": 0.0}),
    (moves.Smooth, {"time": 1e-5}),
    (moves.Delay, {"time": 0.0}),
    (moves.Hold, {}),
    (moves.Walk, {"reach": 0.0}),
    (moves.Walk, {"step": 0.0}),
]


@pytest.mark.parametrize(("cls", "values"), NOTHING, ids=lambda x: x.id if isinstance(x, type) else "-".join(x))
def test_what_should_change_nothing_changes_no_bit(cls: type[Node], values: dict[str, Any]) -> None:
    np.testing.assert_array_equal(of(cls, **values), Z)


# ---------------------------------------------------------------------------------------------- one latent


def test_mirror() -> None:
    np.testing.assert_array_equal(of(maps.Mirror), -Z)
    np.testing.assert_allclose(of(maps.Mirror, centre=1.5), 3.0 - Z, atol=1e-6)
    one = of(maps.Mirror, dimension=3.0)
    np.testing.assert_array_equal(one[:, 2], -Z[:, 2])
    np.testing.assert_array_equal(np.delete(one, 2, 1), np.delete(Z, 2, 1))
    np.testing.assert_allclose(of(maps.Mirror, centre=0.7, amount=0.5), np.full_like(Z, 0.7), atol=1e-6)


def test_clamp() -> None:
    np.testing.assert_array_equal(of(maps.Clamp, low=-1.0, high=0.5), np.clip(Z, np.float32(-1), np.float32(0.5)))
    np.testing.assert_array_equal(of(maps.Clamp, low=0.5, high=-1.0), np.clip(Z, np.float32(-1), np.float32(0.5)))
    np.testing.assert_allclose(of(maps.Clamp, low=-1.0, high=2.0, edge="soft"), 0.5 + 1.5 * np.tanh((Z - 0.5) / 1.5), atol=2e-6)
    assert (of(maps.Clamp, low=1.0, high=1.0, edge="soft") == 1.0).all()


def test_quantise() -> None:
    np.testing.assert_allclose(of(maps.Quantise, step=0.5), np.floor(Z / 0.5 + 0.5) * 0.5, atol=1e-6)
    half = of(maps.Quantise, step=0.5, strength=0.5)
    np.testing.assert_allclose(half, (Z + np.floor(Z / 0.5 + 0.5) * 0.5) / 2, atol=1e-6)


def test_a_dimension_each_with_many_channels() -> None:
    steps = np.float32([0.25, 0.5, 1.0])
    y = run(maps.Quantise, 20 * SPACING, channels=3, z=Z, step=np.broadcast_to(steps, (20 * SPACING, 3)))["out"]
    each = np.float32([0.25, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(y, np.floor(Z / each + 0.5) * each, atol=1e-6)


def test_route_swaps_and_scales() -> None:
    y = of(maps.Route, routes=[[2, 1], [1, -0.5], [0, 1], [99, 1], [-3, 1]])
    np.testing.assert_array_equal(y[:, 0], Z[:, 1])
    np.testing.assert_allclose(y[:, 1], Z[:, 0] * -0.5, atol=1e-7)
    assert not y[:, 2:5].any()
    np.testing.assert_array_equal(y[:, 5:], Z[:, 5:])


def test_pick_and_put_are_each_others_inverse() -> None:
    picked = run(maps.Pick, 20 * SPACING, z=Z, dimension=4.0)["out"]
    np.testing.assert_array_equal(picked[:, 0], np.repeat(Z[:, 3], SPACING))
    assert not run(maps.Pick, 20 * SPACING, z=Z, dimension=9.0)["out"].any()
    y = of(maps.Put, OTHER, signal=picked, dimension=2.0)
    np.testing.assert_array_equal(y[:, 1], Z[:, 3])
    np.testing.assert_array_equal(np.delete(y, 1, 1), np.delete(OTHER, 1, 1))
    np.testing.assert_array_equal(of(maps.Put, OTHER, signal=picked, mode="add")[:, 0], OTHER[:, 0] + Z[:, 3])
    two = run(maps.Put, 20 * SPACING, channels=2, z=Z, signal=np.full((20 * SPACING, 2), [7.0, 9.0]), dimension=8.0)["out"]
    assert (two[:, 7] == 7.0).all()  # there is no ninth
    np.testing.assert_array_equal(two[:, :7], Z[:, :7])


def test_pick_ramps_in_straight_lines() -> None:
    y = run(maps.Pick, 20 * SPACING, z=Z, dimension=1.0, shape="ramp")["out"][:, 0]
    at = np.arange(2 * SPACING, 20 * SPACING)
    want = np.interp(at / SPACING - 1, np.arange(20), Z[:, 0])
    np.testing.assert_allclose(y[at], want, atol=1e-5)


def test_rotate_bends_along_the_axes_that_were_fitted() -> None:
    mean, matrix = paths.fit(Z)
    exact = {"matrix": matrix, "mean": mean}
    y = (Z - mean) @ matrix.T
    np.testing.assert_allclose(of(maps.Rotate, way="forward", **exact), y, atol=1e-5)
    np.testing.assert_allclose(of(maps.Rotate, y, way="inverse", **exact), Z, atol=1e-5)
    gains = np.float32([0, 1, 1, 1, 1, 1, 1, 1])
    moved = run(maps.Rotate, 20 * SPACING, channels=8, z=Z, gain=np.broadcast_to(gains, (20 * SPACING, 8)), **exact)["out"]
    np.testing.assert_allclose(moved, (y * gains) @ matrix + mean, atol=1e-5)
    few = of(maps.Rotate, gain=0.0, matrix=matrix[:2], mean=mean)  # what lies across two axes stays
    np.testing.assert_allclose(few, (y * np.float32([0, 0, 1, 1, 1, 1, 1, 1])) @ matrix + mean, atol=1e-5)
    assert of(maps.Rotate, way="forward", matrix=matrix[:2], mean=mean)[:, 2:].any() == np.False_


def test_distance_and_its_gate() -> None:
    point = OTHER[:1]
    far = np.linalg.norm(Z - point, axis=1)
    got = run(maps.Distance, 20 * SPACING, z=Z, point=point, radius=float(np.median(far)))
    np.testing.assert_allclose(got["out"][::SPACING, 0], far, rtol=1e-6)
    np.testing.assert_array_equal(got["near"][::SPACING, 0], far < np.median(far))
    pair = run(maps.Distance, 20 * SPACING, z=Z, to=OTHER, place="to", measure="cosine")["out"][::SPACING, 0]
    lengths = np.linalg.norm(Z, axis=1) * np.linalg.norm(OTHER, axis=1)
    np.testing.assert_allclose(pair, 1 - (Z * OTHER).sum(1) / lengths, atol=1e-5)
    same = run(maps.Distance, 20 * SPACING, z=Z, to=Z, place="to", radius=0.01)
    assert not same["out"].any() and same["near"].all()
    assert (run(maps.Distance, 512, z=Z[:2] * 0, measure="cosine")["out"] == 1.0).all()


def test_nothing_is_near_before_it_was_measured() -> None:
    """A node that comes between two frames waits for the next."""
    p = Patch()
    p.limiter = False
    p.add("latent/prior", "z", ratio=2048)
    p.add("io/output", "out", to="channels")
    with Engine(p, offline=False) as engine:
        engine.process(64)
        p.add("latent/distance", "d", radius=100.0)
        p.connect("z.z", "d.z")
        p.connect("d.near", "out.audio")
        for plan in engine.stages(p):
            engine.publish(plan)
        heard = engine.process(4096 - 64)[:, 0]
    assert not heard[: 2048 - 64].any() and (heard[2048 - 64 :] == 1.0).all()


# ---------------------------------------------------------------------------------------------- several latents


def test_sphere_ends_turns_evenly_and_keeps_its_length() -> None:
    np.testing.assert_array_equal(of(mixes.Sphere, b=OTHER, mix=1.0), OTHER)
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (Z, OTHER)]
    angle = np.arccos((unit[0] * unit[1]).sum(1, keepdims=True))
    for t in (0.25, 0.5, 0.9):
        y = of(mixes.Sphere, unit[0], b=unit[1], mix=t)
        want = (np.sin((1 - t) * angle) * unit[0] + np.sin(t * angle) * unit[1]) / np.sin(angle)
        np.testing.assert_allclose(y, want, atol=1e-5)
        longer = of(mixes.Sphere, unit[0] * 2.0, b=unit[1] * 6.0, mix=t)
        np.testing.assert_allclose(np.linalg.norm(longer, axis=1), 2 + 4 * t, rtol=1e-5)


@pytest.mark.parametrize("turn", [0.0, 1e-7, 1e-5, 1e-3])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_sphere_is_stable_where_two_point_one_way_or_opposite_ways(turn: float, sign: float) -> None:
    a = np.zeros((20, 8), np.float32)
    a[:, 0] = 1.0
    b = np.zeros_like(a)
    b[:, 0], b[:, 1] = sign * np.cos(turn), np.sin(turn)
    mix = np.repeat(np.linspace(0, 1, 20), SPACING)
    y = of(mixes.Sphere, a, b=b, mix=mix)
    np.testing.assert_allclose(np.linalg.norm(y, axis=1), 1.0, rtol=1e-5)
    step = np.arccos(np.clip((y[1:] * y[:-1]).sum(1), -1, 1))
    whole = turn if sign > 0 else np.pi - turn
    np.testing.assert_allclose(step, whole / 19, atol=2e-3)
    assert not of(mixes.Sphere, a * 0, b=b * 0).any()


def test_weights_of_a_blend_are_shares() -> None:
    rows = {n: np.float32(RNG.normal(size=(20, 8))) for n in "abcdefgh"}
    weights = {f"weight_{n}": w for n, w in zip("abcdefgh", (0.5, 1.0, -0.5, 0.0, 2.0, 0.25, -2.0, 1.0))}
    total = sum(abs(w) for w in weights.values())
    want = sum(w * rows[n[-1]] for n, w in weights.items())
    np.testing.assert_allclose(of(mixes.Blend, rows.pop("a"), **rows, **weights), want / total, atol=1e-5)
    equal = dict.fromkeys("bcdefgh", Z)
    np.testing.assert_allclose(of(mixes.Blend, **equal, **{n: abs(w) for n, w in weights.items()}), Z, atol=1e-5)
    assert not of(mixes.Blend, weight_a=0.0).any()


def test_plane_is_each_latent_at_its_point_and_all_of_them_in_the_middle() -> None:
    four = {n: np.float32(RNG.normal(size=(20, 8))) for n in "bcd"}
    every = {"a": Z, **four}
    for name, (x, y) in zip("abcd", ((0, 0), (1, 0), (0, 1), (1, 1))):
        np.testing.assert_allclose(of(mixes.Plane, **four, x=x, y=y), every[name], atol=2e-3)
    mean = np.mean(list(every.values()), axis=0)
    np.testing.assert_allclose(of(mixes.Plane, **four), mean, atol=1e-5)
    np.testing.assert_allclose(of(mixes.Plane, **four, radius=0.1), mean, atol=1e-5)  # outside of every disc
    same = of(mixes.Plane, b=Z, c=Z, d=Z, x=0.3, y=0.8)  # weights sum to 1
    np.testing.assert_allclose(same, Z, atol=1e-5)


def test_plane_has_no_edges() -> None:
    four = {n: np.full((400, 1), v, np.float32) for n, v in zip("bcd", (1.0, 2.0, 3.0))}
    edge = np.sqrt(0.3**2 - 0.2**2)  # here the cursor leaves the only disc that it is in
    x = np.repeat(edge + np.linspace(-0.08, 0.08, 400), SPACING)
    y = of(mixes.Plane, np.zeros((400, 1), np.float32), **four, x=x, y=0.2, radius=0.3)[:, 0]
    assert y[0] < 0.05 and y[-1] > 0.4
    assert np.diff(y).min() > 0.0 and np.diff(y).max() < 0.02
    moved = of(mixes.Plane, Z, b=OTHER, points=[[0.5, 0.5], [0.0, 0.0]], x=0.5, y=0.5, radius=0.5)
    np.testing.assert_allclose(moved, Z, atol=2e-3)


def test_splice() -> None:
    y = of(mixes.Splice, b=OTHER, seam=3.0)
    np.testing.assert_array_equal(y[:, :3], Z[:, :3])
    np.testing.assert_array_equal(y[:, 3:], OTHER[:, 3:])
    np.testing.assert_array_equal(of(mixes.Splice, b=OTHER, seam=0.0), OTHER)
    soft = of(mixes.Splice, np.zeros((2, 8), np.float32), b=np.ones((2, 8), np.float32), seam=4.0, soft=4.0)
    np.testing.assert_allclose(soft[0], np.clip((np.arange(8) + 0.5 - 4) / 4 + 0.5, 0, 1), atol=1e-6)


# ---------------------------------------------------------------------------------------------- chance


@pytest.mark.parametrize("cls", [moves.Randomise, moves.Walk, moves.Prior], ids=lambda c: c.id)
def test_a_seed_gives_the_same_and_another_another(cls: type[Node]) -> None:
    name = "z" if cls is moves.Prior else "out"
    made = [run(cls, 20 * SPACING, seed=s, **({} if name == "z" else {"z": Z, "rate": 100.0}))[name] for s in (1, 1, 2)]
    np.testing.assert_array_equal(made[0], made[1])
    assert np.abs(made[0] - made[2])[1:].max() > 0.05
    columns = (made[0] - (0 if name == "z" else Z)).T
    assert np.abs(np.corrcoef(columns[:, 5:]) - np.eye(8)).max() < 0.95  # every dimension has its own


def test_randomise_holds_its_rate_and_its_amount() -> None:
    z = np.zeros((400, 8), np.float32)
    stepped = of(moves.Randomise, z, amount=0.5, rate=10.0)
    changes = np.flatnonzero(np.abs(np.diff(stepped, axis=0)).max(1)) + 1
    np.testing.assert_allclose(changes, np.ceil(np.arange(1, 22) * 4800 / SPACING)[: len(changes)], atol=1)
    assert 0.4 < np.abs(stepped).max() <= 0.5
    every = of(moves.Randomise, z, amount=0.5, shape="every frame")
    assert (np.diff(every, axis=0) != 0.0).all() and np.abs(every).max() <= 0.5 and abs(every.mean()) < 0.02
    smooth = of(moves.Randomise, z, amount=0.5, rate=10.0, shape="smooth")
    assert np.abs(np.diff(smooth, axis=0)).max() <= 1.0 * 10 * SPACING / 48000 + 1e-6


def test_walk_stays_within_reach_and_returns() -> None:
    z = np.zeros((2000, 8), np.float32)
    y = of(moves.Walk, z, rate=200.0, step=0.5, reach=1.0)
    assert 0.9 < np.abs(y).max() <= 1.0
    assert np.abs(y[-1]).max() > 0.1
    pulled = of(moves.Walk, z, rate=200.0, step=0.5, reach=1.0, pull=0.9)
    assert pulled.std() < 0.6 * y.std()
    reset = of(moves.Walk, z, rate=0.01, step=0.5, reset=gate([10], 2000))
    assert not reset[10].any()


def test_prior_is_normal_with_its_moments_and_its_time() -> None:
    y = run(moves.Prior, 3000 * 16, spacing=16, moments=[[1.0, 2.0], [0.0, 0.5]])["z"].astype(float)
    np.testing.assert_allclose(y.mean(0), [1.0] + [0.0] * 7, atol=0.15)
    np.testing.assert_allclose(y.std(0), [2.0] + [0.5] * 7, rtol=0.05)
    shape = (y - y.mean(0)) / y.std(0)
    assert abs((shape**4).mean() - 3.0) < 0.2
    slow = run(moves.Prior, 6000 * 16, spacing=16, time=10 * 16 / 48000)["z"].astype(float)
    assert slow.std() == pytest.approx(1.0, rel=0.1)
    kept = np.mean([np.corrcoef(x[:-1], x[1:])[0, 1] for x in slow.T])
    assert kept == pytest.approx(np.exp(-0.1), abs=0.02)
    np.testing.assert_array_equal(
        run(moves.Prior, 512, temperature=0.0, moments=[[0.7, 3.0]])["z"], np.full((2, 8), np.float32(0.7))
    )


def test_prior_stands_still_while_it_is_held() -> None:
    y = run(moves.Prior, 20 * SPACING, hold=gate([*range(5, 12)]))["z"]
    assert (y[5:12] == y[4]).all() and (y[12] != y[11]).all()
    assert run(moves.Prior, 512, hold=1.0)["z"].any()


# ---------------------------------------------------------------------------------------------- time


def test_smooth_has_its_time_constant() -> None:
    step = np.concatenate([np.zeros((1, 8)), np.ones((199, 8))]).astype(np.float32)
    y = of(moves.Smooth, step, time=0.1)
    np.testing.assert_allclose(y[:, 0], 1 - np.exp(-np.arange(200) * SPACING / 4800), atol=1e-5)
    assert (of(moves.Smooth, step[1:] * 5.0, time=30.0) == 5.0).all()  # begins where the latent does


def test_delay_counts_frames() -> None:
    z = np.float32(RNG.normal(size=(100, 8)))
    for n in (1, 7, 30):
        y = run(moves.Delay, 100 * SPACING, settings={"longest": 512}, z=z, time=float(n))["out"]
        assert not y[:n].any()
        np.testing.assert_array_equal(y[n:], z[:-n])


def test_hold_freezes_and_samples() -> None:
    y = of(moves.Hold, hold=gate([*range(5, 15)]))
    np.testing.assert_array_equal(y[:5], Z[:5])
    assert (y[5:15] == Z[4]).all()
    np.testing.assert_array_equal(y[15:], Z[15:])
    sample = np.zeros(20 * SPACING, np.float32)
    sample[8 * SPACING + 3 : 8 * SPACING + 9] = 1.0  # between two frames: the next one is taken
    y = of(moves.Hold, hold=1.0, sample=sample)
    assert (y[:9] == Z[0]).all() and (y[9:] == Z[9]).all()
    each = run(moves.Hold, 20 * SPACING, channels=2, z=Z, hold=np.tile([1.0, 0.0], (20 * SPACING, 1)))["out"]
    assert (each[:, 0] == Z[0, 0]).all()
    np.testing.assert_array_equal(each[:, 1:], Z[:, 1:])


# ---------------------------------------------------------------------------------------------- in a patch

CLOCK = {"dims": 8, "ratio": 256, "rate": 44100}  # a frame every 278.6 samples
MINE = [c for m in (maps, mixes, moves) for c in vars(m).values() if isinstance(c, type) and issubclass(c, Node) and c.id]
MINE += [classes["latent/tape"], classes["latent/morph"]]


def rack(cls: type[Node], block: int = 64, loop: bool = False) -> Patch:
    """A node with a prior at each latent inlet, square waves at its gates, sines in its first params, heard on channels."""
    p = Patch(block=block)
    p.limiter = False
    mine = {n: v for n, v in {**CLOCK, "dims_a": 3, "dims_b": 5}.items() if n in cls.spec.settings}
    p.add(cls.id, "n", seed=7, **mine)
    for k, (name, inlet) in enumerate(cls.spec.inlets.items()):
        if inlet.latent:
            p.add("latent/prior", f"z{k}", seed=k + 1, **CLOCK)
            p.connect(f"z{k}.z", f"n.{name}")
        else:
            p.add("mod/lfo", f"l{k}", rate=7.3 + 3.1 * k, shape="square")
            p.connect(f"l{k}.out", f"n.{name}")
    for k, name in enumerate(list(cls.spec.params)[:2]):
        p.add("mod/lfo", f"s{k}", rate=11.0 + 2.7 * k)
        p.connect(f"s{k}.out", f"n.{name}", amount=0.3)
    p.add("io/output", "out", to="channels")
    for name, outlet in cls.spec.outlets.items():
        if outlet.latent:
            p.add("latent/unpack", f"u_{name}", count=8)
            p.connect(f"n.{name}", f"u_{name}.z")
            p.connect(f"u_{name}.out", "out.audio")
        else:
            p.connect(f"n.{name}", "out.audio")
    if loop:
        first = next(n for n, i in cls.spec.inlets.items() if i.latent)
        p.add("latent/affine", "back", gain=0.5)
        p.connect("n.out", "back.z")
        p.connect("back.out", f"n.{first}")
        assert [k for k, c in p.cables.items() if c.delayed]
    return p


@pytest.mark.parametrize("cls", MINE, ids=lambda c: c.id)
def test_blocks_do_not_show(cls: type[Node]) -> None:
    want = render(rack(cls), 0.1).audio
    assert np.isfinite(want).all() and want.any()
    for block in (1, 16, 256):
        np.testing.assert_array_equal(render(rack(cls, block), 0.1).audio, want)


LOOPS = [
    c
    for c in MINE
    if "out" in c.spec.outlets and c.spec.outlets["out"].latent and any(i.latent for i in c.spec.inlets.values())
]


@pytest.mark.parametrize("cls", LOOPS, ids=lambda c: c.id)
def test_blocks_do_not_show_in_loops(cls: type[Node]) -> None:
    want = render(rack(cls, loop=True), 0.1).audio
    assert np.isfinite(want).all() and want.any()
    np.testing.assert_array_equal(render(rack(cls, loop=True), 0.1, fused=False).audio, want)
    for block in (1, 256):
        np.testing.assert_array_equal(render(rack(cls, block, loop=True), 0.1).audio, want)


def test_join_and_split_are_each_others_inverse() -> None:
    p = Patch()
    p.limiter = False
    p.add("latent/prior", "whole", **CLOCK)
    p.add("latent/split", "s", dims_a=3, dims_b=5, ratio=256, rate=44100, space_a="structure", space_b="timbre")
    p.add("latent/join", "j", **CLOCK)
    p.add("latent/unpack", "u", count=8)
    p.add("latent/unpack", "v", count=8)
    p.add("io/output", "out", to="channels")
    for a, b in (
        ("whole.z", "s.z"),
        ("s.a", "j.a"),
        ("s.b", "j.b"),
        ("j.z", "u.z"),
        ("whole.z", "v.z"),
        ("u.out", "out.audio"),
    ):
        p.connect(a, b)
    joined = render(p, 0.1).audio
    p.disconnect("u.out", "out.audio")
    p.connect("v.out", "out.audio")
    assert joined.any()
    np.testing.assert_array_equal(joined, render(p, 0.1).audio)
    p.add("latent/mix", "m")
    p.connect("s.a", "m.a")
    with pytest.raises(PatchError, match="timbre"):
        p.connect("s.b", "m.b")


def test_a_latent_goes_to_another_clock_through_signals() -> None:
    """Taken apart and put together again: held, or in straight lines one frame later."""
    for shape in ("hold", "ramp"):
        p = Patch()
        p.limiter = False
        p.add("source/phasor", "r", freq=2.0)
        p.add("latent/pack", "p", dims=1, ratio=2048, rate=44100)
        p.add("latent/unpack", "u", count=1, shape=shape)
        p.add("latent/pack", "q", dims=1, ratio=64)
        p.add("latent/unpack", "v", count=1)
        p.add("io/output", "out", to="channels")
        for a, b in (("r.out", "p.signals"), ("p.z", "u.z"), ("u.out", "q.signals"), ("q.z", "v.z"), ("v.out", "out.audio")):
            p.connect(a, b)
        y = render(p, 0.4).audio[:, 0].astype(float)
        period = 2048 * 48000 / 44100
        at = np.arange(12000, 19000)
        frame = np.floor((at // 64 * 64 - 1) / period)  # the last frame that the second clock could read
        if shape == "hold":
            np.testing.assert_allclose(y[at], (np.ceil(frame * period) - 1) * 2 / 48000, atol=1e-5)
        else:
            late = at // 64 * 64 - 2 - period
            np.testing.assert_allclose(y[at], late * 2 / 48000, atol=2.5e-4)


def test_every_latent_operator_tells_its_range_to_artists() -> None:
    for cls in [*MINE, *(c for c in vars(latents).values() if isinstance(c, type) and issubclass(c, Node) and c.id)]:
        text = cls.spec.doc
        assert len(text) > 120 and "\n\n" in text, cls.id  # what it is, then what it is good for
        assert cls.id.startswith("latent/")


def test_what_is_held_stays_while_the_patch_changes() -> None:
    p = Patch()
    p.limiter = False
    for kind, name in (("latent/prior", "z"), ("latent/hold", "h"), ("source/constant", "one"), ("latent/unpack", "u")):
        p.add(kind, name, **(CLOCK if kind == "latent/prior" else {}))
    p.add("io/output", "out", to="channels")
    for a, b in (("z.z", "h.z"), ("one.out", "h.hold"), ("h.out", "u.z"), ("u.out", "out.audio")):
        p.connect(a, b)
    with Engine(p, offline=False) as engine:
        before = engine.process(4800)[-1]
        p.add("source/saw", "other")
        for plan in engine.stages(p):
            engine.publish(plan)
        assert before.any()
        np.testing.assert_array_equal(engine.process(4800), np.tile(before, (4800, 1)))


@pytest.mark.parametrize("shape", ["hold", "ramp"])
@pytest.mark.parametrize(("ratio", "rate"), [(64, 0), (1024, 44100), (4096, 32000), (2048, 44100)])
def test_resample_is_unpack_and_pack(shape: str, ratio: int, rate: int) -> None:
    """But frame for frame: the last one before it, one that lies at the same sample included."""
    p = Patch()
    p.limiter = False
    p.add("latent/prior", "z", ratio=512, rate=44100)
    p.add("latent/resample", "r", shape=shape, ratio=ratio, rate=rate)
    p.add("latent/unpack", "u", shape=shape, count=8)
    p.add("latent/unpack", "v", count=8)
    p.add("io/output", "out", to="channels")
    for a, b in (("z.z", "r.z"), ("r.out", "v.z"), ("v.out", "out.audio")):
        p.connect(a, b)
    got = render(p, 0.5).audio
    for block in (1, 16, 256):
        p.apply(SetPatch("block", block))
        np.testing.assert_array_equal(render(p, 0.5).audio, got)
    p.disconnect("v.out", "out.audio")
    p.connect("z.z", "u.z")
    p.connect("u.out", "out.audio")
    signal = render(p, 0.5).audio
    period = Fraction(ratio * 48000, rate or 48000)
    at = np.array([math.ceil(k * period) for k in range(math.floor(24000 / period))])
    np.testing.assert_array_equal(got[at], signal[at])
    assert got[at].any()


def test_clocks_meet_only_through_a_resample() -> None:
    p = Patch()
    p.add("latent/prior", "a", ratio=512)
    p.add("latent/prior", "b", ratio=512, rate=44100)
    p.add("latent/join", "j", ratio=512)
    p.add("io/output", "out")
    p.add("latent/unpack", "u")
    for x, y in (("a.z", "j.a"), ("b.z", "j.b"), ("j.z", "u.z"), ("u.out", "out.audio")):
        p.connect(x, y)
    with pytest.raises(PatchError, match="node j: b has another clock than the node; put a latent/resample between"):
        render(p, 0.01)


def test_a_tape_takes_the_space_of_what_is_patched_into_it() -> None:
    p = Patch()
    p.limiter = False
    p.add("latent/prior", "z", ratio=300, rate=44100, dims=5, space="voice")
    p.add("latent/tape", "t", path=[[float(d) for d in range(6)]])
    p.add("latent/unpack", "u", count=8)
    p.add("io/output", "out", to="channels")
    for x, y in (("z.z", "t.z"), ("t.out", "u.z"), ("u.out", "out.audio")):
        p.connect(x, y)
    with Engine(p) as engine:
        assert engine.plan.outlets["t", "out"].channels == 5
        assert (engine.process(640)[-1] == [0, 1, 2, 3, 4, 0, 0, 0]).all()
    p.disconnect("z.z", "t.z")
    with Engine(p) as engine:
        assert engine.plan.outlets["t", "out"].channels == 8
    p.add("latent/prior", "other", ratio=300, rate=44100, dims=5, space="bells")
    p.add("latent/mix", "m")
    p.connect("z.z", "t.z")
    p.connect("t.out", "m.a")
    with pytest.raises(PatchError, match="voice"):
        p.connect("other.z", "m.b")
