"""Effects: exact delays, static curves, measured decays, and bounds that hold whatever is turned."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nodes import effects as e
from nodes.base import Node
from nodes.dsp.lines import length
from tests.rig import run
from tests.test_filters import impulse, moving

SR = 48000
FAMILY = [getattr(e, n) for n in dir(e) if isinstance(getattr(e, n), type) and getattr(getattr(e, n), "id", "")]
IDS = [c.id for c in FAMILY]
RNG = np.random.default_rng(11)


def at_level(decibels: float, frames: int = 24000) -> np.ndarray:
    return np.full(frames, 10 ** (decibels / 20), np.float32)


@pytest.mark.parametrize("how", ["none", "linear", "cubic"])
@pytest.mark.parametrize("frames", [5, 64, 441, 4799, 4800, 48000, 95999])
def test_delay_is_exact_to_the_sample(how: str, frames: int) -> None:
    x = RNG.standard_normal(frames + 300).astype(np.float32)
    got = run(e.Delay, len(x), audio=x, time=frames / SR, feedback=0.0, mix=1.0, interpolation=how, cut=1000)["out"][:, 0]
    assert np.array_equal(got[:frames], np.zeros(frames))
    assert np.array_equal(got[frames:], x[:300])


def test_every_whole_delay_up_to_ten_seconds_is_whole() -> None:
    for rate in (44100, 48000, 96000):
        for n in [*range(2, 3000), *range(3000, 10 * rate, 3331)]:
            assert length(rate, np.float32(n / rate)) == n
    assert length(48000, np.float32(100.25 / 48000)) == pytest.approx(100.25, abs=1e-4)


def test_ten_seconds_arrive_after_ten_seconds() -> None:
    frames = 10 * SR + 10
    got = run(e.Delay, frames, audio=impulse(frames), time=10.0, feedback=0.0, mix=1.0, settings={"longest": 10.0}, cut=4096)
    assert np.flatnonzero(got["out"][:, 0]).tolist() == [10 * SR]


def test_delay_repeats_and_mixes() -> None:
    got = run(e.Delay, 1000, audio=impulse(1000), time=100 / SR, feedback=-0.5, mix=0.25)["out"][:, 0]
    assert np.flatnonzero(got).tolist() == list(range(0, 1000, 100))
    assert got[0] == 0.75
    assert np.array_equal(got[100::100], np.float32(0.25) * np.float32(-0.5) ** np.arange(9))
    x = RNG.standard_normal(500).astype(np.float32)
    assert np.array_equal(run(e.Delay, 500, audio=x, mix=0.0)["out"][:, 0], x)


@pytest.mark.parametrize(("how", "limit"), [("linear", 3e-3), ("cubic", 3e-5)])
def test_broken_delays_shift_a_sine(how: str, limit: float) -> None:
    n, delay = np.arange(4000), 321.37
    x = np.sin(2 * np.pi * 1000 * n / SR)
    got = run(e.Delay, 4000, audio=x, time=delay / SR, feedback=0.0, mix=1.0, interpolation=how)["out"][1000:, 0]
    assert np.abs(got - np.sin(2 * np.pi * 1000 * (n[1000:] - delay) / SR)).max() < limit


def test_moving_delay_bends_pitch() -> None:
    n = np.arange(SR)
    time = 0.1 + 0.1 * n / SR  # a tenth of a sample more each sample: 1000 Hz falls to 900 Hz
    got = run(e.Delay, SR, audio=np.sin(2 * np.pi * 1000 * n / SR), time=time, feedback=0.0, mix=1.0)["out"][-20000:, 0]
    spectrum = np.abs(np.fft.rfft(got * np.hanning(20000)))
    assert abs(np.argmax(spectrum) * SR / 20000 - 900) <= 2.4


def test_chorus_sweeps_as_told() -> None:
    """One voice of a slow sweep on a ramp: what comes out lags by the delay of that moment."""
    n = np.arange(SR)
    ramp = n / SR
    got = run(e.Chorus, SR, audio=ramp, rate=1.0, depth=0.004, delay=0.01, mix=1.0, settings={"voices": 1})["out"][:, 0]
    lag = (ramp - got)[1000:]
    wanted = 0.01 + 0.004 * np.sin(2 * np.pi * n[1000:] / SR)
    assert np.abs(lag - wanted).max() < 2e-6
    side = run(e.Chorus, SR, audio=ramp, rate=1.0, depth=0.004, delay=0.01, mix=1.0, phase=0.25, settings={"voices": 1})
    assert np.abs((ramp - side["out"][:, 0])[1000:] - (0.01 + 0.004 * np.cos(2 * np.pi * n[1000:] / SR))).max() < 2e-6


def rt60(x: np.ndarray) -> float:
    """Seconds to fall by 60 dB: M. Schroeder's backward integration, line fitted from -5 to -35 dB."""
    energy = np.cumsum((x.astype(float) ** 2)[::-1])[::-1]
    level = 10 * np.log10(energy / energy[0])
    first, last = np.argmax(level < -5), np.argmax(level < -35)
    return float(-60 / np.polyfit(np.arange(first, last) / SR, level[first:last], 1)[0])


@pytest.mark.parametrize(("decay", "size"), [(0.5, 0.3), (1.5, 0.6), (3.0, 1.0)])
def test_reverb_decays_as_told(decay: float, size: float) -> None:
    frames = int(1.2 * decay * SR)
    values = {"decay": decay, "size": size, "mix": 1.0, "motion": 0.0, "predelay": 0.0}
    got = run(e.Reverb, frames, audio=impulse(frames), damping=20000.0, cut=1000, **values)["out"]
    low = np.apply_along_axis(lambda x: np.convolve(x, np.hanning(65) / 32)[:frames], 0, got)  # below 1.5 kHz
    for side in (0, 1):
        assert rt60(low[:, side]) == pytest.approx(decay, rel=0.08)
    dull = run(e.Reverb, frames, audio=impulse(frames), damping=1500.0, cut=1000, **values)["out"]
    assert rt60(np.diff(dull[:, 0])) < 0.7 * rt60(np.diff(got[:, 0]))


def test_reverb_predelay_mix_and_sides() -> None:
    x = impulse(24000)
    got = run(e.Reverb, 24000, audio=x, predelay=0.1, mix=1.0, size=0.1)["out"]
    first = np.flatnonzero(got[:, 0])[0]
    assert 4800 < first < 4800 + 0.05 * SR
    assert np.corrcoef(got[first:, 0], got[first:, 1])[0, 1] < 0.3  # wide
    dry = run(e.Reverb, 500, audio=x[:500], mix=0.0)["out"]
    assert np.array_equal(dry, np.repeat(x[:500, None], 2, axis=1))
    left = run(e.Reverb, 500, audio=np.stack([x[:500], 0 * x[:500], x[:500]], 1), mix=0.0)["out"]
    assert left[0].tolist() == [2.0, 0.0]  # channels 1 and 3 are left
    echoes = np.count_nonzero(np.abs(run(e.Reverb, 24000, audio=x, mix=1.0)["out"][9600:14400, 0]) > 1e-6)
    assert echoes > 4000  # dense after 0.2 s


@pytest.mark.parametrize("knee", [0.0, 12.0])
@pytest.mark.parametrize("level", [-60.0, -26.0, -23.0, -20.0, -17.0, -12.0, 0.0, 20.0])
def test_compressor_static_curve(level: float, knee: float) -> None:
    threshold, ratio = -20.0, 4.0
    over = level - threshold
    if 2 * over < -knee:
        wanted = level
    elif 2 * abs(over) <= knee and knee > 0:
        wanted = level + (1 / ratio - 1) * (over + knee / 2) ** 2 / (2 * knee)
    else:
        wanted = threshold + over / ratio
    values = {"threshold": threshold, "ratio": ratio, "knee": knee, "attack": 0.001, "release": 0.01}
    got = run(e.Compressor, audio=at_level(level), makeup=3.0, frames=24000, **values)
    assert 20 * math.log10(got["out"][-1, 0]) == pytest.approx(wanted + 3.0, abs=2e-3)
    assert 20 * math.log10(got["gain"][-1, 0]) == pytest.approx(wanted - level, abs=2e-3)


def test_compressor_times_and_sidechain() -> None:
    key = np.concatenate([at_level(-60.0, 1000), at_level(0.0, 24000), at_level(-60.0, 48000)])
    values = {"threshold": -20.0, "ratio": 2.0, "knee": 0.0, "attack": 0.02, "release": 0.2}
    still = at_level(-60.0, len(key))
    got = run(e.Compressor, len(key), audio=still, sidechain=key, listen="sidechain", **values)
    drop = 20 * np.log10(got["gain"][:, 0].astype(float))
    assert np.array_equal(got["out"], still[:, None] * got["gain"])
    assert drop[999 + 960] == pytest.approx(-10 * (1 - math.exp(-1)), abs=0.01)  # after one attack time
    assert drop[24999] == pytest.approx(-10.0, abs=1e-3)
    assert drop[24999 + 9600] == pytest.approx(-10 * math.exp(-1), abs=0.01)  # after one release time
    assert np.array_equal(run(e.Compressor, len(key), audio=still, sidechain=key, **values)["out"], still[:, None])


def test_limiter_is_transparent_below_and_a_wall_above() -> None:
    x = RNG.uniform(-0.999, 0.999, 20000).astype(np.float32)
    assert np.array_equal(run(e.Limiter, 20000, audio=x)["out"][:, 0], x)
    for ceiling in (0.0, -6.0, -31.7):
        top = np.float32(10 ** (ceiling / 20))
        loud = (RNG.standard_normal(20000) * 10.0 ** RNG.uniform(-3, 38, 20000)).astype(np.float32)
        got = run(e.Limiter, 20000, audio=loud, ceiling=ceiling, release=0.001)["out"]
        assert np.abs(got).max() <= top * np.float32(1 + 3e-7)  # the ceiling in dB, as near as float32 has it
    low = run(e.Limiter, 20000, audio=loud)["out"]
    assert np.abs(low).max() <= 1.0


def test_limiter_lets_go_smoothly_and_wholly() -> None:
    x = at_level(-20.0, 48000)
    x[100] = 10.0
    got = run(e.Limiter, 48000, audio=x, release=0.05)["out"][:, 0]
    assert got[100] == 1.0
    gain = got / x
    assert gain[101 + 2400] / gain[101] == pytest.approx(math.e, rel=0.01)
    assert (np.diff(gain[101:]) > -1e-7).all()
    assert np.abs(np.diff(gain[101:])).max() < 1e-3
    assert np.array_equal(got[20000:], x[20000:])


def test_limiter_forgets_even_infinity() -> None:
    x = at_level(-20.0, 48000)
    x[100:103] = np.inf, -np.inf, 1e30
    got = run(e.Limiter, 48000, audio=x, release=0.05)["out"][:, 0]
    assert got[100:103].tolist() == [1.0, -1.0, 1.0]
    assert np.array_equal(got[24000:], x[24000:])


def test_pan_keeps_power_and_spreads_voices() -> None:
    x = at_level(0.0, 2001)
    position = np.linspace(-1, 1, 2001)
    got = run(e.Pan, 2001, audio=x, position=position)["out"]
    assert np.allclose((got.astype(float) ** 2).sum(1), 1.0, atol=1e-6)
    assert got[0].tolist() == [1.0, 0.0]
    assert got[1000] == pytest.approx([math.sqrt(0.5)] * 2, abs=1e-6)
    assert got[-1] == pytest.approx([0.0, 1.0], abs=1e-6)
    pair = np.stack([x * 0.25, x * 0.5], 1)
    assert np.allclose(run(e.Pan, 2001, audio=pair, channels=2, spread=1.0)["out"], pair, atol=1e-6)


def test_vca_multiplies() -> None:
    x, cv = RNG.standard_normal((2, 300)).astype(np.float32)
    assert np.array_equal(run(e.VCA, 300, audio=x)["out"][:, 0], x)
    assert np.array_equal(run(e.VCA, 300, audio=x, cv=cv, gain=2.0)["out"][:, 0], x * (cv * np.float32(2)))


def test_crush_rounds_and_holds() -> None:
    x = RNG.uniform(-1, 1, 4800).astype(np.float32)
    got = run(e.Crush, 4800, audio=x, bits=4.0, rate=192000.0)["out"][:, 0]
    assert np.array_equal(got, np.floor(x * 8 + 0.5) / 8)
    held = run(e.Crush, 4800, audio=x, bits=24.0, rate=12000.0)["out"][:, 0]
    assert np.allclose(held, np.repeat(x[::4], 4), atol=1e-6)
    slow = run(e.Crush, 4800, audio=np.arange(4800.0), bits=24.0, rate=11025.0)["out"][:, 0]
    assert abs(len(np.unique(slow)) - 4800 * 11025 / SR) <= 1


@pytest.mark.parametrize("node", FAMILY, ids=IDS)
def test_extremes_at_audio_rate_stay_finite_and_in_bounds_of_memory(node: type[Node]) -> None:
    got = run(node, 3000, checked=True, **moving(node, 3000, 1, np.random.default_rng(1)))
    fast = run(node, 3000, sr=8000, channels=2, checked=True, mono=False, **moving(node, 3000, 2, np.random.default_rng(2)))
    high = run(node, 3000, sr=192000, checked=True, **moving(node, 3000, 1, np.random.default_rng(3)))
    for outlet in node.spec.outlets:
        for result in (got, fast, high):
            assert np.isfinite(result[outlet]).all()


@pytest.mark.parametrize("node", FAMILY, ids=IDS)
def test_cuts_and_channels_do_not_show(node: type[Node]) -> None:
    inputs = moving(node, 1500, 3, np.random.default_rng(4))
    for name in node.spec.inlets:
        inputs[name] = inputs[name] / 100
    for name in node.spec.params:
        inputs[name][:400] = inputs[name][0]  # still at first, then moving
    whole = run(node, 1500, channels=3, cut=1500, **inputs)
    for cut in (1, 7, 64, 1000):
        part = run(node, 1500, channels=3, cut=cut, **inputs)
        assert all(np.array_equal(part[o], whole[o]) for o in node.spec.outlets), cut
    if node in (e.Pan, e.Reverb):  # they mix their channels
        return
    for c in range(3):
        one = run(node, 1500, cut=64, **{k: v[:, c] for k, v in inputs.items()})
        assert all(np.array_equal(one[o][:, 0], whole[o][:, c]) for o in node.spec.outlets), c
