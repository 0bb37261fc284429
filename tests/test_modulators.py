"""Modulators: shapes in closed form, times exact in samples, sequences as written, and the same bits however cut."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from nodes import modulators as m
from nodes import sequencers as q
from nodes.base import Node
from tests.rig import cells, run

SR = 48000
TYPES = sorted(
    (c for x in (m, q) for c in vars(x).values() if isinstance(c, type) and issubclass(c, Node) and c.id.startswith("mod/")),
    key=lambda c: c.id,
)
RNG = np.random.default_rng(3)


def pulses(frames: int, every: int, width: int = 1, first: int = 0) -> np.ndarray:
    """A gate that opens for `width` frames at `first`, `first + every` …"""
    x = np.zeros(frames, np.float32)
    for at in range(first, frames, every):
        x[at : at + width] = 1.0
    return x


def rises(gate: np.ndarray) -> np.ndarray:
    """Frames at which a gate opens."""
    g = np.concatenate([[0.0], gate.ravel()])
    return np.flatnonzero((g[1:] >= 0.5) & (g[:-1] < 0.5))


def test_every_modulator_is_here() -> None:
    names = "adsr clock curve divider euclid follower lfo ramp random-walk sample-hold slew steps"
    assert {c.id for c in TYPES} >= {f"mod/{n}" for n in names.split()}


# ---------------------------------------------------------------------------------------------- LFO

P = np.arange(4800) / 480 % 1  # 100 Hz
CENTRED = np.where(P < 0.5, P, P - 1)
SHAPES = {
    "sine": np.sin(2 * np.pi * P),
    "triangle": np.where(P < 0.25, 4 * P, np.where(P < 0.75, 2 - 4 * P, 4 * P - 4)),
    "saw": 2 * CENTRED,
    "ramp up": 2 * P - 1,
    "ramp down": 1 - 2 * P,
    "square": np.where(P < 0.5, 1.0, -1.0),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_lfo_shapes(shape: str) -> None:
    y = run(m.Lfo, 4800, rate=100.0, shape=shape)["out"][:, 0]
    jump = np.minimum(np.abs(P - 0.5), np.minimum(P, 1 - P)) < 1e-3  # rounding decides on which side a jump falls
    smooth = shape in ("sine", "triangle")
    np.testing.assert_allclose(y[smooth | ~jump], SHAPES[shape][smooth | ~jump], atol=2e-5)
    half = run(m.Lfo, 4800, rate=100.0, shape=shape, unipolar="on")["out"][:, 0]
    np.testing.assert_allclose(half, y * 0.5 + 0.5, atol=1e-7)


def test_lfo_phase_and_reset() -> None:
    y = run(m.Lfo, 4800, rate=100.0, phase=0.25)["out"][:, 0]
    np.testing.assert_allclose(y, np.cos(2 * np.pi * P), atol=2e-5)
    y = run(m.Lfo, 4800, rate=77.0, reset=pulses(4800, 10000, 100, first=1234))["out"][:, 0]
    np.testing.assert_array_equal(y[1234:], run(m.Lfo, 4800 - 1234, rate=77.0)["out"][:, 0])


def test_lfo_sample_and_hold_takes_a_new_value_every_cycle() -> None:
    y = run(m.Lfo, 48000, rate=10.0, shape="sample & hold")["out"][:, 0]
    jumps = np.flatnonzero(np.diff(y)) + 1
    np.testing.assert_allclose(jumps, np.arange(1, 10) * 4800, atol=1)
    assert len(np.unique(y)) == 10 and np.abs(y).max() <= 1.0


def test_lfo_shape_can_change_while_it_runs() -> None:
    """The phase goes on, whichever loop computed it; only sample & hold counts cycles."""
    state = cells(m.Lfo, 1, 48000, {})
    drift = np.linspace(0, 1, 48000, dtype=np.float32)
    for shape, phase in (("sine", 0.0), ("sine", drift), ("square", 0.0), ("square", drift)):
        run(m.Lfo, 48000, rate=10.3, shape=shape, phase=phase, state=state)
        assert state["cycle"][0] == 0
    y = run(m.Lfo, 48000, rate=10.3, shape="sample & hold", state=state)["out"][:, 0]  # begins at 41.2 cycles
    np.testing.assert_allclose(np.flatnonzero(np.diff(y)) + 1, (np.arange(0.8, 10.3)) / 10.3 * 48000, atol=1.01)
    assert state["cycle"][0] == 10


# ---------------------------------------------------------------------------------------------- ramp, curve, envelope


def test_ramp_length_and_curve() -> None:
    trigger = pulses(2000, 10000, 10, first=100)
    y = run(m.Ramp, 2000, trigger=trigger, time=0.01, begin=-0.5, end=1.0)
    want = -0.5 + 1.5 * np.clip((np.arange(2000) - 100) / 480, 0, 1)
    np.testing.assert_allclose(y["out"][:, 0], want, atol=1e-6)
    np.testing.assert_array_equal(y["done"][:, 0], np.arange(2000) >= 580)
    for curve, sign in ((0.7, 1), (-0.7, -1)):
        bent = run(m.Ramp, 2000, trigger=trigger, time=0.01, curve=curve)["out"][:, 0]
        straight = np.clip((np.arange(2000) - 100) / 480, 0, 1)
        assert (np.diff(bent[100:581]) > 0).all() and bent[100] == 0.0 and bent[580] == 1.0
        assert (sign * (straight - bent)[101:580] > 0).all()


def test_curve_goes_through_its_points() -> None:
    curve = [[0.0, 0.2], [0.01, 1.0], [0.03, -1.0], [0.04, 0.5]]
    t = np.arange(4000) / SR
    line = np.interp(t, *np.transpose(curve))
    y = run(q.CurvePlayer, 4000, curve=curve, trigger=pulses(4000, 10000, 5))
    np.testing.assert_allclose(y["out"][:, 0], line, atol=2e-6)
    np.testing.assert_array_equal(y["done"][:, 0], np.arange(4000) >= 1920)
    idle = run(q.CurvePlayer, 4000, curve=curve)
    assert (idle["out"] == np.float32(0.2)).all() and not idle["done"].any()
    slow = run(q.CurvePlayer, 4000, curve=curve, trigger=pulses(4000, 10000, 5), stretch=2.0)
    np.testing.assert_allclose(slow["out"][:, 0], np.interp(t / 2, *np.transpose(curve)), atol=2e-6)
    loop = run(q.CurvePlayer, 4000, curve=curve, loop="on")
    np.testing.assert_allclose(loop["out"][:, 0], np.interp(t % 0.04, *np.transpose(curve)), atol=2e-4)
    np.testing.assert_array_equal(rises(loop["done"]), [1920, 3840])


def test_a_curve_of_one_point_or_of_equal_times_stays_finite() -> None:
    for curve in ([[0.0, 0.3]], [[0.0, 0.0], [0.0, 1.0], [0.0, 0.5]], [[0.1, 1.0], [0.05, 2.0], [0.2, 0.0]]):
        for loop in ("off", "on"):
            y = run(q.CurvePlayer, 20000, curve=curve, loop=loop, trigger=pulses(20000, 5000, 5), checked=True)["out"]
            assert np.isfinite(y).all() and np.abs(y).max() <= 2.0


@pytest.mark.parametrize("attack", [0.001, 0.01, 0.5])
def test_adsr_attack_takes_its_time_to_the_sample(attack: float) -> None:
    n = round(attack * SR)
    y = run(m.Adsr, n + 100, gate=1.0, attack=attack, sustain=1.0, cut=1024)["out"][:, 0]
    assert y[0] == 0.0 and (np.diff(y[: n + 1]) > 0).all()
    assert y[n - 1] < 1.0 and (y[n:] == 1.0).all()


def test_adsr_shape() -> None:
    gate = np.zeros(48000, np.float32)
    gate[:24000] = 1.0
    y = run(m.Adsr, 48000, gate=gate, attack=0.01, decay=0.1, sustain=0.4, release=0.2, cut=512)["out"][:, 0].astype(float)
    k = np.arange(480)
    np.testing.assert_allclose(y[:480], 1.2 * (1 - (1 / 6) ** (k / 480)), atol=1e-5)
    k = np.arange(20000)
    np.testing.assert_allclose(y[480 : 480 + 20000], 0.4 + 0.6 * 0.001 ** (k / 4800), atol=1e-5)
    k = np.arange(20000)
    np.testing.assert_allclose(y[24000 : 24000 + 20000], 0.4 * 0.001 ** (k / 9600), atol=1e-5)


def test_adsr_ends_in_silence_and_starts_again_from_where_it_is() -> None:
    gate = np.zeros(20000, np.float32)
    gate[:1000] = gate[1200:2000] = 1.0
    y = run(m.Adsr, 20000, gate=gate, attack=0.05, release=0.05)["out"][:, 0]
    assert abs(y[1200] - y[1199]) < 0.01 and y[1300] > y[1200] > 0.05
    assert y[-1] == 0.0


def test_follower_measures() -> None:
    t = np.arange(48000) / SR
    x = (0.5 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32)
    rms = run(m.Follower, 48000, audio=x, mode="RMS", attack=0.1, release=0.1, cut=512)["out"][-1, 0]
    assert rms == pytest.approx(0.5 / math.sqrt(2), rel=0.01)
    peak = run(m.Follower, 48000, audio=x, attack=0.0001, release=1.0, cut=512)["out"][-1, 0]
    assert peak == pytest.approx(0.5, rel=0.02)
    step = np.concatenate([np.ones(4800), np.zeros(9600)]).astype(np.float32)
    y = run(m.Follower, 14400, audio=step, attack=0.01, release=0.05)["out"][:, 0]
    assert y[479] == pytest.approx(1 - math.exp(-1), abs=2e-3)
    assert y[4800 + 2399] == pytest.approx(y[4799] * math.exp(-1), abs=2e-3)


def test_slew_rates() -> None:
    step = np.concatenate([np.ones(4800), np.zeros(4800)]).astype(np.float32)
    y = run(m.Slew, 9600, signal=step, rise=0.02, fall=0.05)["out"][:, 0]
    n = np.arange(1, 4801)
    np.testing.assert_allclose(y[:4800], np.minimum(1, n / 960), atol=1e-6)
    np.testing.assert_allclose(y[4800:], np.maximum(0, 1 - n / 2400), atol=1e-6)
    y = run(m.Slew, 9600, signal=step, rise=0.02, fall=0.05, shape="curved")["out"][:, 0]
    np.testing.assert_allclose(y[:4800], 1 - np.exp(-n / 960), atol=1e-5)


# ---------------------------------------------------------------------------------------------- held and random values


def test_sample_and_hold() -> None:
    x = RNG.uniform(-1, 1, 1000).astype(np.float32)
    trigger = pulses(1000, 100, 30, first=50)
    y = run(m.SampleHold, 1000, signal=x, trigger=trigger)["out"][:, 0]
    assert not y[:50].any()
    np.testing.assert_array_equal(y[50:], np.repeat(x[50::100], 100)[:950])
    y = run(m.SampleHold, 1000, signal=x, trigger=trigger, mode="track")["out"][:, 0]
    np.testing.assert_array_equal(y[50:80], x[50:80])
    np.testing.assert_array_equal(y[80:150], np.full(70, x[79]))


def test_random_walk() -> None:
    y = run(m.RandomWalk, 48000, rate=100.0, step=0.3, shape="stepped", cut=512)["out"][:, 0]
    np.testing.assert_array_equal(np.flatnonzero(np.diff(y)) + 1, np.arange(480, 48000, 480))
    values = y[::480]
    assert np.abs(np.diff(values)).max() <= 0.3 and np.abs(y).max() <= 1.0 and values.std() > 0.1
    smooth = run(m.RandomWalk, 48000, rate=100.0, step=0.3, cut=512)["out"][:, 0]
    np.testing.assert_allclose(smooth[480::480], values[:-1], atol=1e-6)
    assert np.abs(np.diff(smooth)).max() <= 0.3 / 480 + 1e-6
    slow = run(m.RandomWalk, 1000, rate=0.01, step=1.0, shape="stepped")["out"]
    assert len(np.unique(slow)) == 1
    back = run(m.RandomWalk, 4800, rate=10.0, step=1.0, reset=pulses(4800, 9999, 9, first=2400))
    assert back["out"][2400, 0] == 0.0


# ---------------------------------------------------------------------------------------------- clocks and sequencers


def test_clock_pulses_and_gates_are_exact() -> None:
    y = run(q.Clock, 5 * 24000 + 1, bpm=120.0, cut=4096)["out"][:, 0]
    np.testing.assert_array_equal(rises(y), np.arange(6) * 24000)
    np.testing.assert_array_equal(y[:-1].reshape(5, 24000).sum(1), np.full(5, 12000))
    fast = run(q.Clock, 48001, bpm=120.0, per_beat="24", width=0.25, cut=4096)["out"][:, 0]
    np.testing.assert_array_equal(rises(fast), np.arange(49) * 1000)
    assert fast[:1000].sum() == 250
    odd = run(q.Clock, 480000, bpm=133.0, cut=4096)["out"]
    at = rises(odd)
    np.testing.assert_allclose(at, np.arange(len(at)) * SR * 60 / 133, atol=1.01)


def test_clock_swing_run_and_reset() -> None:
    y = run(q.Clock, 96001, bpm=120.0, swing=0.5, cut=4096)["out"]
    np.testing.assert_array_equal(rises(y), [0, 36000, 48000, 84000, 96000])
    go = np.ones(60000, np.float32)
    go[30000:40000] = 0.0
    y = run(q.Clock, 60000, bpm=120.0, run=go, cut=4096)["out"][:, 0]
    assert not y[30000:40000].any()
    np.testing.assert_array_equal(rises(y), [0, 24000, 40000, 58000])  # 24000 frames of running time apart
    y = run(q.Clock, 60000, bpm=120.0, reset=pulses(60000, 10**6, 10, first=20000), cut=4096)["out"]
    np.testing.assert_array_equal(rises(y), [0, 20000, 44000])


@pytest.mark.parametrize(("by", "shift"), [(1, 0), (2, 0), (3, 1), (4, 3), (3, 9)])
def test_divider(by: int, shift: int) -> None:
    clock = pulses(2400, 100, 40)
    y = run(q.Divider, 2400, clock=clock, by=float(by), shift=float(shift))["out"][:, 0]
    np.testing.assert_array_equal(rises(y), np.arange(min(shift, by - 1), 24, by) * 100)
    assert y.sum() == 40 * len(rises(y))


def test_divider_reset() -> None:
    y = run(q.Divider, 1200, clock=pulses(1200, 100, 40), reset=pulses(1200, 9999, 9, first=450), by=4.0)["out"]
    np.testing.assert_array_equal(rises(y), [0, 400, 500, 900])


STEPS = [[0.0, 1.0], [0.5, 0.0], [1.0, 0.5], [-1.0, 0.25]]


def test_steps_play_rows_in_order() -> None:
    clock = pulses(1200, 100, 60)
    y = run(q.Steps, 1200, clock=clock, steps=STEPS)
    np.testing.assert_array_equal(y["pitch"][::100, 0], [0, 0, 1, -1] * 3)  # the rest keeps the pitch
    np.testing.assert_array_equal(y["velocity"][::100, 0], [1, 1, 0.5, 0.25] * 3)
    np.testing.assert_array_equal(rises(y["gate"]), [0, 200, 300, 400, 600, 700, 800, 1000, 1100])
    assert y["gate"][:100].sum() == 60
    back = run(q.Steps, 1200, clock=clock, steps=STEPS, order="backward")["pitch"][::100, 0]
    np.testing.assert_array_equal(back[:8], [-1, 1, 1, 0, -1, 1, 1, 0])
    both = run(q.Steps, 1200, clock=clock, steps=[[v, 1] for v in range(4)], order="there and back")["pitch"][::100, 0]
    np.testing.assert_array_equal(both, [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1])
    one = run(q.Steps, 1200, clock=clock, steps=[[2, 1]], order="there and back", checked=True)["pitch"][::100, 0]
    np.testing.assert_array_equal(one, np.full(12, 2))
    dice = run(q.Steps, 40000, clock=pulses(40000, 100, 50), steps=[[v, 1] for v in range(4)], order="random", checked=True)
    assert (np.bincount(dice["pitch"][::100, 0].astype(int), minlength=4) > 60).all()


def test_steps_reset() -> None:
    y = run(
        q.Steps, 1000, clock=pulses(1000, 100, 60), reset=pulses(1000, 9999, 9, first=250), steps=[[v, 1] for v in range(4)]
    )
    np.testing.assert_array_equal(y["pitch"][::100, 0], [0, 1, 2, 0, 1, 2, 3, 0, 1, 2])


@pytest.mark.parametrize(
    ("k", "n", "pattern"),
    [
        (3, 8, "x..x..x."), (5, 8, "x.xx.xx."), (4, 16, "x...x...x...x..."), (0, 8, "........"), (8, 8, "xxxxxxxx"),
        (9, 4, "xxxx"), (2, 5, "x..x."),
    ],
)  # fmt: skip
def test_euclid_patterns(k: int, n: int, pattern: str) -> None:
    frames = 2 * n * 100
    y = run(q.Euclid, frames, clock=pulses(frames, 100, 50), pulses=float(k), length=float(n))["out"][:, 0]
    got = "".join("x" if v else "." for v in y[::100])
    assert got == pattern * 2 or sorted_turns(got[:n]) == sorted_turns(pattern), got
    assert got[:n] == got[n:] and (k == 0 or got[0] == "x")
    turned = run(q.Euclid, frames, clock=pulses(frames, 100, 50), pulses=float(k), length=float(n), rotate=1.0)["out"][:, 0]
    assert "".join("x" if v else "." for v in turned[: n * 100 : 100]) == got[1:n] + got[0]


def sorted_turns(pattern: str) -> str:
    """The same text for every rotation of a rhythm."""
    return min(pattern[i:] + pattern[:i] for i in range(len(pattern)))


# ---------------------------------------------------------------------------------------------- all of them


@pytest.mark.parametrize("cls", TYPES, ids=lambda c: c.id)
def test_cuts_channels_and_bounds(cls: type[Node]) -> None:
    """1, 7, 64 or all frames at a time, one channel or three, with bounds checks: the same bits."""
    frames, random = 1500, cls in (m.Lfo, m.RandomWalk, q.Steps)
    options: list[dict[str, Any]] = [{}]
    for name, choice in cls.spec.choices.items():
        options += [{name: o} for o in choice.options[1:]]
    for still in (True, False):
        x: dict[str, np.ndarray] = {}
        for name, port in cls.spec.inputs().items():
            if isinstance(port, m.Param):
                top = min(port.high, 50.0)
                v = RNG.uniform(port.low, top, (1 if still else frames, 3)).repeat(frames if still else 1, axis=0)
            elif name in ("audio", "signal"):
                v = RNG.uniform(-2, 2, (frames, 3))
            else:
                v = (np.cumsum(RNG.uniform(size=(frames, 3)) < 0.03, axis=0) + (not still)) % 2
            x[name] = v.astype(np.float32)
        for extra in options:
            whole = run(cls, frames, channels=3, cut=frames, **x, **extra)
            for cut, checked in ((1, False), (7, False), (64, True)):
                part = run(cls, frames, channels=3, cut=cut, checked=checked, **x, **extra)
                for name in cls.spec.outlets:
                    assert np.isfinite(part[name]).all()
                    np.testing.assert_array_equal(part[name], whole[name])
            for c in range(1 if random else 3):  # random values differ from channel to channel
                for cut in (64, 1):
                    mono = run(cls, frames, cut=cut, checked=cut == 64, **{k: v[:, c] for k, v in x.items()}, **extra)
                    for name in cls.spec.outlets:
                        np.testing.assert_array_equal(mono[name][:, 0], whole[name][:, c])


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("shape", [c for c in m.Lfo.spec.choices["shape"].options if c != "sample & hold"])
def test_an_lfo_that_is_told_that_nothing_moves_gives_the_same_bits(channels: int, shape: str) -> None:
    rate = np.linspace(0.3, 150.0, channels).astype(np.float32)[None, :].repeat(3000, 0)
    told, untold = (run(m.Lfo, 3000, channels=channels, rate=rate, shape=shape, phase=0.3, moving=n, cut=64) for n in (0, 1))
    assert np.array_equal(told["out"], untold["out"])
