"""Filters against scipy's designs and difference equations, and that no modulation makes them unstable."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import signal

from nodes import filters as f
from nodes.base import Node
from tests.rig import run

SR = 48000
FAMILY = [getattr(f, n) for n in dir(f) if isinstance(getattr(f, n), type) and getattr(getattr(f, n), "id", "")]
BAND = np.geomspace(30.0, 20000.0, 400)
RNG = np.random.default_rng(7)
IDS = [c.id for c in FAMILY]


def impulse(frames: int, level: float = 1.0) -> np.ndarray:
    x = np.zeros(frames, np.float32)
    x[0] = level
    return x


def response(node: type[Node], outlet: str = "out", frames: int = 1 << 15, level: float = 1.0, **values: Any) -> np.ndarray:
    """Complex gain at BAND, from the impulse response in double precision."""
    h = run(node, frames, audio=impulse(frames, level), **values)[outlet][:, 0].astype(float) / level
    return signal.freqz(h, worN=BAND, fs=SR)[1]


def cookbook(kind: str, freq: float, q: float, gain: float = 0.0) -> np.ndarray:
    """Gain at BAND of R. Bristow-Johnson's analogue prototypes under scipy's bilinear transform, prewarped."""
    w, a = 2 * SR * math.tan(math.pi * freq / SR), 10 ** (gain / 40)
    r = math.sqrt(a)
    numerator, denominator = {
        "lowpass": ([1], [1, 1 / q, 1]),
        "highpass": ([1, 0, 0], [1, 1 / q, 1]),
        "bandpass": ([1 / q, 0], [1, 1 / q, 1]),
        "notch": ([1, 0, 1], [1, 1 / q, 1]),
        "allpass": ([1, -1 / q, 1], [1, 1 / q, 1]),
        "peak": ([1, a / q, 1], [1, 1 / (a * q), 1]),
        "lowshelf": ([a, a * r / q, a * a], [a, r / q, 1]),
        "highshelf": ([a * a, a * r / q, a], [1, r / q, a]),
    }[kind]
    scale = [w**2, w, 1.0]  # s / w, highest power first: multiply through by w²
    b = [c * s for c, s in zip([0] * (3 - len(numerator)) + numerator, scale[::-1], strict=True)]
    d = [c * s for c, s in zip(denominator, scale[::-1], strict=True)]
    return signal.freqz(*signal.bilinear(b, d, SR), worN=BAND, fs=SR)[1]


@pytest.mark.parametrize(("freq", "q"), [(50.0, 0.7071068), (1000.0, 0.3), (1000.0, 8.0), (15000.0, 2.0)])
@pytest.mark.parametrize("kind", ["lowpass", "highpass", "bandpass", "notch", "allpass", "peak", "lowshelf", "highshelf"])
def test_second_order_sections_are_the_cookbook(kind: str, freq: float, q: float) -> None:
    node = next(c for c in FAMILY if c.id == f"filter/{kind}")
    for gain in (12.0, -20.0) if "gain" in node.spec.params else (0.0,):
        values = {"cutoff" if "cutoff" in node.spec.params else "freq": freq, "q": q}
        got = response(node, **values, **({"gain": gain} if gain else {}))
        wanted = cookbook(kind, freq, q, gain)
        assert np.abs(got - wanted).max() < 1e-4 * max(1.0, np.abs(wanted).max())  # of the loudest: -80 dB


def test_svf_outlets_are_the_three_cookbook_filters() -> None:
    for outlet, kind in (("low", "lowpass"), ("band", "bandpass"), ("high", "highpass")):
        assert np.abs(response(f.StateVariable, outlet, cutoff=2500.0, q=4.0) - cookbook(kind, 2500.0, 4.0)).max() < 4e-4
    x = RNG.standard_normal(2000).astype(np.float32)
    got = run(f.StateVariable, 2000, audio=x, cutoff=700.0)
    assert np.allclose(got["low"] + got["band"] + got["high"], x[:, None], atol=2e-6)


@pytest.mark.parametrize("freq", [20.0, 1000.0, 18000.0])
@pytest.mark.parametrize("kind", ["lowpass", "highpass"])
def test_one_pole_is_butterworth(kind: str, freq: float) -> None:
    b, a = signal.butter(1, freq, kind, fs=SR)
    assert np.abs(response(f.OnePole, cutoff=freq, mode=kind) - signal.freqz(b, a, worN=BAND, fs=SR)[1]).max() < 1e-4


def test_cutoff_beyond_the_rate_is_held() -> None:
    got = run(f.LowPass, 4000, sr=8000, audio=RNG.standard_normal(4000), cutoff=20000.0)["out"]
    assert np.abs(got).max() < 10.0


@pytest.mark.parametrize(("slope", "poles"), [("24 dB", 4), ("12 dB", 2)])
@pytest.mark.parametrize("resonance", [0.0, 0.7])
def test_quiet_ladder_is_four_poles_in_a_loop(slope: str, poles: int, resonance: float) -> None:
    w, k = 2 * SR * math.tan(math.pi * 900.0 / SR), 4 * resonance
    one = np.poly1d([1 / w, 1.0])
    b, a = signal.bilinear((one ** (4 - poles)).coeffs, (one**4 + np.poly1d([k])).coeffs, SR)
    wanted = signal.freqz(b, a, worN=BAND, fs=SR)[1]
    got = response(f.Ladder, level=1e-2, cutoff=900.0, resonance=resonance, slope=slope)
    assert np.abs(got - wanted).max() < 1e-3 * np.abs(wanted).max()  # an impulse of 0.01 saturates a little


def test_ladder_sings_at_its_cutoff_and_stays_in_bounds() -> None:
    got = run(f.Ladder, SR, audio=impulse(SR, 0.1), cutoff=440.0, resonance=1.1)["out"][SR // 2 :, 0]
    assert 0.1 < np.abs(got).max() <= 1.0
    spectrum = np.abs(np.fft.rfft(got * np.hanning(len(got))))
    assert abs(np.argmax(spectrum) * 2 - 440) <= 4  # bins of 2 Hz
    quiet = run(f.Ladder, SR, audio=impulse(SR, 0.1), cutoff=440.0, resonance=0.95)["out"][SR // 2 :]
    assert np.abs(quiet).max() < 1e-4


def test_comb_is_its_difference_equation_for_whole_periods() -> None:
    x = RNG.standard_normal(3000).astype(np.float32)
    got = run(f.Comb, 3000, audio=x, freq=480.0, feedback=0.9, feedforward=0.5)["out"][:, 0]
    b, a = np.zeros(101), np.zeros(101)
    b[[0, 100]], a[[0, 100]] = (1.0, 0.5), (1.0, -0.9)
    assert np.abs(got - signal.lfilter(b, a, x.astype(float))).max() < 1e-5
    first = run(f.Comb, 300, audio=impulse(300), freq=480.0, feedback=0.9)["out"][:, 0]
    assert first[100] == np.float32(0.9)
    assert np.flatnonzero(first).tolist() == [0, 100, 200]


def test_comb_rings_at_a_broken_period() -> None:
    got = run(f.Comb, SR, audio=impulse(SR), freq=443.21, feedback=0.999, damping=0.2)["out"][:, 0]
    spectrum = np.abs(np.fft.rfft(got[2000:] * np.hanning(SR - 2000), 1 << 18))
    low, high = (int(x * (1 << 18) / SR) for x in (400.0, 480.0))
    peak = (low + np.argmax(spectrum[low:high])) * SR / (1 << 18)
    lag = SR / 443.21 + 0.2 / 0.8  # the one-pole in the loop delays by p / (1 - p) samples at low frequencies
    assert abs(peak - SR / lag) < 0.25


def test_dc_block_removes_offsets_even_at_one_hertz() -> None:
    got = run(f.DCBlock, 4 * SR, audio=np.full(4 * SR, 0.8), cutoff=1.0, cut=1000)["out"]
    assert abs(got[-1, 0]) < 1e-6
    b, a = signal.butter(1, 10.0, "highpass", fs=SR)
    assert np.abs(response(f.DCBlock) - signal.freqz(b, a, worN=BAND, fs=SR)[1]).max() < 1e-4


def test_resonator_is_its_difference_equation() -> None:
    x = np.zeros(20000, np.float32)
    x[:500] = RNG.standard_normal(500)
    ratio, gain, ring = 1.7, 0.4, 0.5
    got = run(f.Resonators, 20000, audio=x, freq=300.0, decay=0.8, level="strike", partials=[[ratio, gain, ring]])["out"]
    w, r = 2 * math.pi * 300.0 * ratio / SR, 10 ** (-3 / (0.8 * ring * SR))
    wanted = np.zeros(len(x))
    y1 = y2 = before = 0.0
    for n, now in enumerate(x.astype(float)):  # y[n] = 2 r cos w y[n-1] - r² y[n-2] + r sin w x[n-1]
        y1, y2, before = 2 * r * math.cos(w) * y1 - r * r * y2 + r * math.sin(w) * before, y1, now
        wanted[n] = gain * y1
    assert np.abs(got[:, 0] - wanted).max() < 1e-3 * np.abs(wanted).max()


def test_resonators_decay_as_told_and_are_loud_as_told() -> None:
    got = run(f.Resonators, SR, audio=impulse(SR), freq=440.0, decay=0.5, level="strike", partials=[[1, 1, 1]])["out"]
    early, late = np.abs(got[2400:4800]).max(), np.abs(got[26400:28800]).max()
    assert abs(20 * math.log10(late / early) + 60) < 0.5
    tone = np.sin(2 * np.pi * 440 * np.arange(SR) / SR)
    steady = run(f.Resonators, SR, audio=tone, freq=440.0, decay=0.3, level="steady", partials=[[1, 1, 1]])["out"]
    assert np.abs(steady[-4800:]).max() == pytest.approx(1.0, abs=0.02)
    hiss = RNG.standard_normal(2 * SR)
    noise = run(f.Resonators, 2 * SR, audio=hiss, freq=440.0, decay=0.1, level="noise", partials=[[1, 1, 1]])["out"]
    assert np.std(noise[4800:]) == pytest.approx(1.0, abs=0.15)
    above = run(f.Resonators, 4800, audio=hiss[:4800], freq=20000.0, partials=[[2.0, 1.0, 1.0]])["out"]
    assert np.abs(above).max() == 0.0
    many = {"settings": {"count": 2}, "audio": hiss[:4800], "freq": 110.0}
    rows = [[1, 1, 1], [2, 0.5, 1], [3, 0.2, 1]]
    assert np.array_equal(run(f.Resonators, partials=rows, **many)["out"], run(f.Resonators, partials=rows[:2], **many)["out"])


def moving(node: type[Node], frames: int, channels: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Noise of ±100 in, and every param anywhere in its range, anew for each sample, or from end to end."""
    inputs = {n: rng.uniform(-100, 100, (frames, channels)) for n in node.spec.inlets}
    for name, p in node.spec.params.items():
        knob = rng.uniform(0, 1, (frames, channels))
        knob[frames // 2 :] = rng.integers(0, 2, (frames - frames // 2, channels))
        inputs[name] = np.vectorize(p.at)(knob)
    return inputs


@pytest.mark.parametrize("node", FAMILY, ids=IDS)
def test_extremes_at_audio_rate_stay_finite_and_in_bounds_of_memory(node: type[Node]) -> None:
    got = run(node, 3000, checked=True, **moving(node, 3000, 1, np.random.default_rng(1)))
    rates = run(node, 3000, sr=8000, channels=2, checked=True, mono=False, **moving(node, 3000, 2, np.random.default_rng(2)))
    for outlet in node.spec.outlets:
        assert np.isfinite(got[outlet]).all()
        assert np.isfinite(rates[outlet]).all()


@pytest.mark.parametrize("node", [c for c in FAMILY if c is not f.Resonators], ids=lambda c: c.id)
def test_sound_dies_away_after_modulation(node: type[Node]) -> None:
    """Cutoff between its ends for every sample pumps no energy in: what is left, at rest, is silence."""
    inputs = moving(node, 24000, 1, np.random.default_rng(3))
    for name in node.spec.inlets:
        inputs[name][1000:] = 0.0
    for name in {"q", "resonance", "feedback", "gain", "drive"} & set(inputs):
        inputs[name][:] = {"q": 20.0, "resonance": 0.9, "feedback": 0.9, "gain": 12.0, "drive": 0.0}[name]
    for name in {"cutoff", "freq"} & set(inputs):
        inputs[name][12000:] = 100.0 if name == "cutoff" and node is f.DCBlock else 1000.0
    got = run(node, 24000, **inputs)
    assert max(np.abs(got[o][-100:]).max() for o in node.spec.outlets) < 1e-3


@pytest.mark.parametrize("node", FAMILY, ids=IDS)
def test_cuts_and_channels_do_not_show(node: type[Node]) -> None:
    rng = np.random.default_rng(4)
    inputs = moving(node, 1500, 3, rng)
    for name in node.spec.inlets:
        inputs[name] = inputs[name] / 100
    for name in node.spec.params:
        inputs[name][:400] = inputs[name][0]  # still at first, then moving
    whole = run(node, 1500, channels=3, cut=1500, **inputs)
    for cut in (1, 7, 64, 1000):
        part = run(node, 1500, channels=3, cut=cut, **inputs)
        assert all(np.array_equal(part[o], whole[o]) for o in node.spec.outlets), cut
    for c in range(3):
        one = run(node, 1500, cut=64, **{k: v[:, c] for k, v in inputs.items()})
        assert all(np.array_equal(one[o][:, 0], whole[o][:, c]) for o in node.spec.outlets), c
