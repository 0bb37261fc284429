"""Sources against closed forms, alias levels, spectra and exact sample positions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from scipy import signal

from nodes import sources as s
from nodes.base import Node
from nodes.dsp.maths import PI, approach, cos_cycles, db, exp, exp2, log2, noise, sin_cycles, tan_pi, tanh
from tests.rig import cells, run

SR = 48000
OSCILLATORS = [s.Sine, s.Saw, s.Pulse, s.Triangle]
TYPES = [*OSCILLATORS, s.Phasor, s.Noise, s.Impulse, s.Sample, s.Constant]
RNG = np.random.default_rng(11)


def ids(cls: type[Node]) -> str:
    return cls.id


def alias(cls: type[Node], hz: float, below: float, **values: Any) -> float:
    """Strongest line that is no harmonic, below `below` Hz, in dB relative to the fundamental.

    Method: 2^16 samples after a settling time, a fundamental that falls exactly on a bin, 4-term Blackman-Harris window
    (side lobes at -92 dB, main lobe ±4 bins), magnitude of the FFT; bins within 6 of DC and of a harmonic are left out.
    """
    n = 1 << 16
    k = round(hz * n / SR)
    if np.gcd(k, n) > 64:
        k += 1  # else alias would fall on the harmonics
    y = run(cls, n + 4096, freq=np.float32(k * SR / n), cut=n + 4096, **values)["out"][4096:, 0].astype(float)
    x = np.abs(np.fft.rfft(y * signal.windows.blackmanharris(n)))
    x = 20 * np.log10(x / x[k - 4 : k + 5].max() + 1e-15)
    keep = np.arange(len(x)) * SR / n < below
    for h in range(n // (2 * k) + 1):
        keep[max(0, h * k - 6) : h * k + 7] = False
    return float(x[keep].max())


def test_sine_is_the_closed_form() -> None:
    hz = np.float32(441.0)
    y = run(s.Sine, 48000, freq=hz)["out"][:, 0]
    step = np.int32(np.float32(hz / np.float32(SR)) * np.float32(2**32)) / 2.0**32  # the phase step as it is rounded
    assert step * SR == pytest.approx(441.0, abs=5e-5)
    np.testing.assert_allclose(y, np.sin(2 * np.pi * step * np.arange(48000)), atol=3e-7)


def test_pitch_is_octaves_and_phase_is_cycles() -> None:
    up = run(s.Sine, 4800, freq=110.0, pitch=np.full(4800, 2.0, np.float32))["out"]
    np.testing.assert_allclose(up, run(s.Sine, 4800, freq=440.0)["out"], atol=1e-4)
    shifted = run(s.Sine, 4800, freq=100.0, phase=0.25)["out"][:, 0]
    np.testing.assert_allclose(shifted, np.cos(2 * PI * 100.0 * np.arange(4800) / SR), atol=2e-5)
    moved = RNG.uniform(-4, 4, 4800).astype(np.float32)
    fm = run(s.Sine, 4800, freq=100.0, phase=moved)["out"][:, 0]
    np.testing.assert_allclose(fm, np.sin(2 * np.pi * (100.0 * np.arange(4800) / SR + moved.astype(float))), atol=2e-5)


@pytest.mark.parametrize("hz", [1234.0, 3001.0, 5000.7, 7001.0, 9001.0, 11003.0])
def test_saw_alias_stays_60_db_below_the_fundamental_up_to_15_khz(hz: float) -> None:
    assert alias(s.Saw, hz, 15000.0) < -60.0


@pytest.mark.parametrize(("cls", "values"), [(s.Pulse, {}), (s.Pulse, {"width": 0.2}), (s.Triangle, {})])
@pytest.mark.parametrize("hz", [1234.0, 5000.7, 9001.0])
def test_pulse_and_triangle_alias(cls: type[Node], values: dict[str, Any], hz: float) -> None:
    # a 9 kHz narrow pulse has a weaker fundamental than a square, hence the 3 dB
    assert alias(cls, hz, 15000.0, **values) < (-57.0 if values and hz > 9000 else -60.0)


def test_the_method_sees_the_alias_of_a_naive_saw() -> None:
    class Naive(Node):
        """A saw that is not band-limited."""

        id = "test/naive"
        out = s.Out()
        freq = s.Param(110.0, 1.0, 20000.0, "Hz", curve="exp")
        state = {"angle": s.f64}

        def kernel(frames, channels, sr, state, freq, out):  # type: ignore[no-untyped-def]
            for i in range(frames):
                for c in range(channels):
                    out[i, c] = 2.0 * state.angle[c] - 1.0
                    state.angle[c] += freq[i, c] / sr
                    if state.angle[c] >= 1.0:
                        state.angle[c] -= 1.0

    assert alias(Naive, 5000.7, 15000.0) > -25.0


@pytest.mark.parametrize(
    ("cls", "values", "partials"),
    [
        (s.Saw, {}, lambda k: 2 / (np.pi * k)),
        (s.Pulse, {"width": 0.3}, lambda k: 4 / (np.pi * k) * abs(np.sin(np.pi * k * 0.3))),
        (s.Triangle, {}, lambda k: 8 / (np.pi * k) ** 2 * (k % 2)),
    ],
)
def test_partials_have_their_fourier_amplitudes(cls: type[Node], values: dict[str, Any], partials: Any) -> None:
    n, k = 1 << 15, 150  # 219.7 Hz
    y = run(cls, 2 * n, freq=k * SR / n, **values)["out"][n:, 0].astype(float)
    got = np.abs(np.fft.rfft(y * signal.windows.hann(n, sym=False)))[k : 60 * k + 1 : k] * 4 / n
    want = np.array([partials(h) for h in range(1, 61)])  # up to 13 kHz
    np.testing.assert_allclose(got[want > 1e-3], want[want > 1e-3], rtol=0.09)
    assert got[want <= 1e-9].max(initial=0.0) < 1e-4


def test_where_waves_begin() -> None:
    saw = run(s.Saw, 480, freq=100.0)["out"][:, 0]
    assert saw[20] == pytest.approx(2 * 20 / 480 - 1, abs=1e-4) and saw[470] == pytest.approx(2 * 470 / 480 - 1, abs=1e-4)
    pulse = run(s.Pulse, 480, freq=100.0, width=0.25)["out"][:, 0]
    assert pulse[60] == pytest.approx(1, abs=1e-4) and pulse[300] == pytest.approx(-1, abs=1e-4)
    triangle = run(s.Triangle, 480, freq=100.0)["out"][:, 0]
    assert triangle[0] == pytest.approx(-1, abs=0.05) and triangle[240] == pytest.approx(1, abs=0.05)
    assert triangle[120] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("cls", OSCILLATORS, ids=ids)
def test_sync_restarts_the_cycle_between_samples(cls: type[Node]) -> None:
    frames = 9600
    sync = np.zeros(frames, np.float32)
    sync[:4000], sync[4000:] = -1.0, 3.0  # crosses 0 at 3999.25
    y = run(cls, frames, freq=100.0, sync=sync)["out"][4100:, 0]
    t = (np.arange(4100, frames) - 3999.25) * 100.0 / SR
    p = t - np.floor(t)
    want = {
        "source/sine": np.sin(2 * np.pi * p),
        "source/saw": 2 * p - 1,
        "source/pulse": np.where(p < 0.5, 1.0, -1.0),
        "source/triangle": 1 - 4 * np.abs(p - 0.5),
    }[cls.id]
    flat = np.minimum(np.abs(p - 0.5), np.minimum(p, 1 - p)) > 3.5 * 100.0 / SR  # away from rounded edges
    np.testing.assert_allclose(y[flat], want[flat], atol=2e-4)


def test_sync_is_anti_aliased() -> None:
    """A 1 kHz sine syncs a 2.7 kHz saw: against naive sync, what is no harmonic of 1 kHz is at least 25 dB less."""
    n = 1 << 15
    k = 683  # 1000.5 Hz
    master = np.sin(2 * np.pi * k * np.arange(2 * n) / n).astype(np.float32)
    y = run(s.Saw, 2 * n, freq=2701.0, sync=master)["out"][n:, 0].astype(float)
    x = np.abs(np.fft.rfft(y * signal.windows.blackmanharris(n)))
    since = (np.arange(2 * n) * k / n) % 1.0 * (SR * n / (k * SR))  # samples since the last crossing
    naive = (2 * ((since * 2701.0 / SR) % 1.0) - 1)[n:]
    z = np.abs(np.fft.rfft(naive * signal.windows.blackmanharris(n)))
    keep = np.arange(len(x)) * SR / n < 15000
    for h in range(25):
        keep[max(0, h * k - 6) : h * k + 7] = False
    assert 20 * np.log10(x[keep].max() / x.max()) < -50.0
    assert 20 * np.log10(z[keep].max() / z.max()) > -30.0


def inputs(cls: type[Node], frames: int, channels: int) -> dict[str, Any]:
    """Signals that take a node through all its ways: still, moving, synced, far up."""
    found: dict[str, Any] = {}
    hz = np.exp(RNG.uniform(np.log(20), np.log(15000), (frames, channels)))
    hz[: frames // 3] = RNG.uniform(50, 20000, channels)
    gate = np.repeat(RNG.uniform(-1, 1, (frames // 50 + 1, channels)), 50, axis=0)[:frames]
    gate[: frames // 4] = -1
    for name, port in cls.spec.inputs().items():
        if name == "freq":
            found[name] = hz
        elif name in ("sync", "reset", "gate"):
            found[name] = gate
        elif isinstance(port, s.Param):
            found[name] = RNG.uniform(port.low, min(port.high, 4.0), (frames, channels))
    return {k: v.astype(np.float32) for k, v in found.items()}


@pytest.fixture(name="wav")
def _wav(tmp_path: Path) -> str:
    path = tmp_path / "ramp.wav"
    soundfile.write(path, np.stack([np.arange(100) / 200, -np.arange(100) / 200], 1), SR, subtype="FLOAT")
    return str(path)


def options(cls: type[Node], wav: str) -> list[dict[str, Any]]:
    """One run for every position of every choice."""
    settings = {"settings": {"file": wav}} if cls is s.Sample else {}
    found = [settings]
    for name, choice in cls.spec.choices.items():
        found += [{**settings, name: o} for o in choice.options[1:]]
    return found


@pytest.mark.parametrize("cls", TYPES, ids=ids)
def test_cuts_channels_and_bounds(cls: type[Node], wav: str) -> None:
    """1, 7, 64 or all frames at a time, one channel or four, with bounds checks: the same bits."""
    frames = 1200
    for extra in options(cls, wav):
        x = inputs(cls, frames, 4)
        whole = run(cls, frames, channels=4, cut=frames, **x, **extra)
        assert np.isfinite(whole["out"]).all()
        for cut, checked in ((1, False), (7, False), (64, True)):
            part = run(cls, frames, channels=4, cut=cut, checked=checked, **x, **extra)
            for name in cls.spec.outlets:
                np.testing.assert_array_equal(part[name], whole[name])
        for c in range(1 if cls is s.Noise else 4):  # noise differs from channel to channel
            for cut, checked in ((64, False), (1, True)):
                mono = run(cls, frames, cut=cut, checked=checked, **{k: v[:, c] for k, v in x.items()}, **extra)
                for name in cls.spec.outlets:
                    np.testing.assert_array_equal(mono[name][:, 0], whole[name][:, c])


def test_phasor_is_a_naive_ramp() -> None:
    y = run(s.Phasor, 4800, freq=1500.0)["out"][:, 0]
    np.testing.assert_allclose(y, np.arange(4800) / 32 % 1, atol=1e-6)
    assert y.max() < 1.0


@pytest.mark.parametrize(("colour", "slope"), [("white", 0.0), ("pink", -3.01), ("brown", -6.02)])
def test_noise_slopes(colour: str, slope: float) -> None:
    """Slope of Welch's spectrum in dB an octave, by a straight line through third octaves from 100 Hz to 10 kHz."""
    y = run(s.Noise, 1 << 19, cut=4096, colour=colour, seed=5)["out"][:, 0]
    f, p = signal.welch(y, SR, nperseg=8192)
    bands = 100 * 2 ** np.arange(0, 6.6, 1 / 3)
    level = [10 * np.log10(p[(f >= b * 2 ** (-1 / 6)) & (f < b * 2 ** (1 / 6))].mean()) for b in bands]
    assert np.polyfit(np.log2(bands), level, 1)[0] == pytest.approx(slope, abs=0.12)
    assert abs(y.mean()) < 0.05
    assert np.sqrt(np.mean(y**2)) == pytest.approx(0.577 if colour == "white" else 0.25, abs=0.04)


def test_noise_differs_by_channel_and_seed_and_repeats() -> None:
    a, b = (run(s.Noise, 48000, channels=2, seed=seed)["out"] for seed in (1, 2))
    for x, y in ((a[:, 0], a[:, 1]), (a[:, 0], b[:, 0]), (a[:-1, 0], a[1:, 0])):
        assert abs(np.corrcoef(x, y)[0, 1]) < 0.02
    np.testing.assert_array_equal(a, run(s.Noise, 48000, channels=2, seed=1)["out"])


@pytest.mark.parametrize("hz", [100.0, 1.0, 20000.0, 440.0])
def test_impulses_come_at_exact_samples(hz: float) -> None:
    y = run(s.Impulse, 144001, freq=hz, cut=4096)["out"][:, 0]
    at = np.flatnonzero(y)
    period = float(np.float32(SR / hz))  # as `prepare` hands it over: exact where it is a whole number
    np.testing.assert_array_equal(at, np.ceil(np.arange(len(at)) * period - 1e-7))
    assert len(at) == int(144000 / period + 1e-8) + 1
    assert set(np.unique(y)) <= {0.0, 1.0}


def play(wav: str, frames: int = 300, **values: Any) -> dict[str, np.ndarray]:
    return run(s.Sample, frames, settings={"file": wav}, **values)


def test_sample_plays_every_frame_once(wav: str) -> None:
    y = play(wav, loop="off")
    ramp = np.concatenate([np.arange(100) / 200, np.zeros(200)]).astype(np.float32)
    np.testing.assert_array_equal(y["left"][:, 0], ramp)
    np.testing.assert_array_equal(y["right"][:, 0], -ramp)
    np.testing.assert_array_equal(y["out"][:, 0], 0 * ramp)
    np.testing.assert_array_equal(y["playing"][:, 0], np.arange(300) < 100)


def test_sample_reverse_loop_speed_and_bounds(wav: str) -> None:
    ramp = np.arange(100, dtype=np.float32) / 200
    np.testing.assert_array_equal(play(wav, loop="off", reverse="on")["left"][:100, 0], ramp[::-1])
    np.testing.assert_array_equal(play(wav)["left"][:, 0], np.tile(ramp, 3))
    np.testing.assert_array_equal(play(wav, reverse="on")["left"][:, 0], np.tile(ramp[::-1], 3))
    half = play(wav, speed=0.5, loop="off")["left"][:, 0]
    np.testing.assert_allclose(half[2:190], np.arange(2, 190) / 400, atol=1e-6)  # a straight line stays one
    assert not half[200:].any()
    octave = play(wav, pitch=1.0, loop="off")
    assert octave["playing"].sum() == 50
    part = play(wav, start=0.2, end=0.5)["left"][:, 0]
    np.testing.assert_array_equal(part, np.tile(ramp[20:50], 10))


def test_sample_gate_starts_and_stops(wav: str) -> None:
    gate = np.zeros(1000, np.float32)
    gate[100:500] = 1.0
    y = play(wav, 1000, gate=gate)
    assert not y["playing"][:100].any() and y["playing"][100:500].all()
    assert y["playing"][500:].sum() == pytest.approx(240, abs=1)  # 5 ms
    assert y["left"][101, 0] == np.float32(1 / 200)
    assert play(wav, 1000, gate=gate, mode="trigger")["playing"][100:].all()


def test_sample_is_resampled_to_the_engine_rate_and_refuses_what_is_no_sound(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "low.wav", np.sin(2 * np.pi * 200 * np.arange(24000) / 24000), 24000)
    sound = s.Sample.load({"file": "low.wav"}, SR, tmp_path)["sound"]
    assert sound.shape == (48000, 1)
    np.testing.assert_allclose(sound[1000:40000, 0], np.sin(2 * np.pi * 200 * np.arange(1000, 40000) / SR), atol=1e-3)
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(ValueError, match=r"text\.wav"):
        s.Sample.load({"file": "text.wav"}, SR, tmp_path)


def test_state_goes_on_across_runs() -> None:
    state = cells(s.Saw, 1, SR, {})
    parts = [run(s.Saw, 500, freq=333.0, state=state)["out"] for _ in range(3)]
    np.testing.assert_array_equal(np.concatenate(parts), run(s.Saw, 1500, freq=333.0)["out"])


# ---------------------------------------------------------------------------------------------- dsp/maths


class Elementary(Node):
    """Every function of `nodes.dsp.maths` over one signal."""

    id = "test/elementary"
    a = s.In()
    sine, cosine, tangent, power, natural, octaves, hyperbolic, decibels, share = (s.Out() for _ in range(9))

    def kernel(  # type: ignore[no-untyped-def]
        frames, channels, sr, state, a, sine, cosine, tangent, power, natural, octaves, hyperbolic, decibels, share
    ):
        for i in range(frames):
            for c in range(channels):
                x = a[i, c]
                sine[i, c], cosine[i, c], tangent[i, c] = sin_cycles(x), cos_cycles(x), tan_pi(x)
                power[i, c], natural[i, c], octaves[i, c] = exp2(x), exp(x), log2(x)
                hyperbolic[i, c], decibels[i, c], share[i, c] = tanh(x), db(x), approach(x)


def test_elementary_functions_are_accurate() -> None:
    def check(name: str, x: np.ndarray, want: Any, relative: float = 0.0, absolute: float = 0.0) -> None:
        x = x.astype(np.float32)
        y = run(Elementary, len(x), a=x, cut=4096)[name][:, 0]
        np.testing.assert_allclose(y, want(x.astype(float)), rtol=relative, atol=absolute)

    turns, positive = np.linspace(-4, 4, 20001), np.geomspace(1e-9, 1e9, 20001)
    check("sine", turns, lambda x: np.sin(2 * np.pi * x), absolute=5e-7)
    check("cosine", turns, lambda x: np.cos(2 * np.pi * x), absolute=5e-7)
    check("tangent", np.linspace(1e-6, 0.49, 20001), lambda x: np.tan(np.pi * x), relative=1e-6)
    check("power", np.linspace(-100, 100, 20001), np.exp2, relative=2e-7)
    check("natural", np.linspace(-20, 20, 20001), np.exp, relative=2e-6)
    check("octaves", positive, np.log2, relative=3e-7)
    check("hyperbolic", np.linspace(-12, 12, 20001), np.tanh, relative=5e-7)
    check("decibels", np.linspace(-90, 40, 20001), lambda x: 10 ** (x / 20), relative=1e-6)
    check("share", np.geomspace(1e-9, 10, 20001), lambda x: -np.expm1(-x * np.log(2)), relative=2e-6)


def test_elementary_functions_stay_finite_and_in_range() -> None:
    x = np.array([0, 1e30, -1e30, 1e-45, -1e-45, 127.4, -126.4, 0.5], np.float32)
    y = run(Elementary, 8, a=x)
    for name in Elementary.spec.outlets:
        assert np.isfinite(y[name][x >= 0 if name == "share" else x < np.inf]).all(), name  # `approach` is for x >= 0
    assert np.abs(y["hyperbolic"]).max() == 1.0


class Dice(Node):
    """Numbers of one random stream."""

    id = "test/dice"
    a = s.In()
    out = s.Out()

    def kernel(frames, channels, sr, state, a, out):  # type: ignore[no-untyped-def]
        for i in range(frames):
            for c in range(channels):
                out[i, c] = noise(np.int32(a[i, c]), i)


def test_noise_is_uniform_and_independent() -> None:
    x = run(Dice, 1 << 16, cut=1 << 16, a=7.0)["out"][:, 0].astype(float)
    assert abs(x.mean()) < 0.01 and x.var() == pytest.approx(1 / 3, rel=0.02) and np.abs(x).max() <= 1.0
    counts = np.histogram(x, 64, (-1, 1))[0]
    assert ((counts - 1024) ** 2 / 1024).sum() < 110  # chi square, 63 degrees: p = 0.0002
    flat = np.abs(np.fft.rfft(x))[1:] ** 2 / len(x) * 3
    assert flat.max() < 20.0  # no hidden tone: exponential with mean 1
    assert abs(np.corrcoef(x, run(Dice, 1 << 16, cut=1 << 16, a=8.0)["out"][:, 0])[0, 1]) < 0.02
