"""The callback of a sound device by itself: bits, channels, fades, rates, counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nodes import Patch, catalog
from runtime.decks import CHUNK, Converter, Deck, table
from runtime.devices import Run, quantile
from runtime.engine import Engine
from runtime.layout import D_BUSY, D_CALLS, D_DECK, D_FRAMES, D_LONGEST, D_NEXT, D_WANT, E_UNDERRUN
from runtime.library import function
from runtime.offline import render

from .test_engine import patch_of

DEMO = Path(__file__).parent.parent / "patches" / "demo.zrack"


def tone(freq: float = 997.0) -> Patch:
    """A sine of amplitude 0.5 in channel 1, as it is."""
    patch = patch_of(
        ("source/sine", "a", {"freq": freq}), ("maths/multiply", "half", {"b": 0.5}), ("io/output", "out", {"to": "channels"}),
        cables="a.out>half.a half.out>out.audio",
    )  # fmt: skip
    patch.limiter = False
    return patch


def through() -> Patch:
    """What comes in at two channels goes out at two."""
    patch = patch_of(("io/input", "in", {"count": 2}), ("io/output", "out", {"to": "channels"}), cables="in.out>out.audio")
    patch.limiter = False
    return patch


def live(patch: Patch) -> Engine:
    return Engine(patch, offline=False, lead=patch.block - 1)


class Hand:
    """The callback, called by hand on arrays instead of by a device."""

    active = True
    latency = (0.0, 0.0)

    def __init__(
        self, engine: Engine | None, inputs: int, outputs: int, rate: int = 48000, fade: float = 0.0, **maps: list[int]
    ) -> None:
        self.run = Run(lambda at: self, ("", "hand"), (inputs, outputs), rate, fade)  # type: ignore[arg-type,return-value]
        self.outputs = outputs
        if engine is not None:
            self.deck = Deck(engine, inputs, outputs, rate, "hand", **maps)
            self.run.e[D_DECK] = self.deck.address
        self.run.e[D_WANT] = 1

    def __call__(self, frames: int, source: np.ndarray | None = None, flags: int = 0) -> np.ndarray:
        out = np.full((frames, self.outputs), np.nan, np.float32)
        x = None if source is None else np.ascontiguousarray(source, np.float32)
        function("stream")(0 if x is None else x.ctypes.data, out.ctypes.data, frames, 0, flags, int(self.run.e.ctypes.data))
        return out

    def many(self, sizes: list[int], source: np.ndarray | None = None) -> np.ndarray:
        at = np.cumsum([0, *sizes])
        return np.concatenate([self(n, None if source is None else source[a : a + n]) for a, n in zip(at, sizes)])


def sizes_of(total: int, seed: int = 1) -> list[int]:
    """Device buffers of any size, the largest above what is computed at a time."""
    rng, out = np.random.default_rng(seed), [3 * CHUNK + 1]
    while sum(out) < total:
        out.append(int(rng.integers(1, 700)))
    return out


def sine_error(y: np.ndarray, freq: float, rate: int) -> tuple[float, float]:
    """(amplitude, signal to noise in dB) of the sine of `freq` that fits `y` best."""
    t = 2 * np.pi * freq * np.arange(len(y)) / rate
    basis = np.stack([np.sin(t), np.cos(t)], 1)
    fit, *_ = np.linalg.lstsq(basis, y.astype(np.float64), rcond=None)
    noise = y - basis @ fit
    return float(np.hypot(*fit)), float(10 * np.log10(np.mean((basis @ fit) ** 2) / np.mean(noise**2)))


# ---------------------------------------------------------------------------------------------- samples


def test_samples_pass_as_they_are_whatever_the_buffers() -> None:
    catalog.load()
    patch = Patch.load(DEMO)
    sizes = sizes_of(20000)
    want = render(patch, sum(sizes) / 48000).audio
    with live(patch) as engine:
        got = Hand(engine, 0, 2).many(sizes)
    assert np.array_equal(got, want)


def test_input_passes_as_it_is_and_what_is_not_finite_is_silence() -> None:
    sizes = sizes_of(9000)
    x = np.random.default_rng(2).uniform(-1, 1, (sum(sizes), 3)).astype(np.float32)
    x[100, 1] = np.nan
    with live(through()) as engine:
        y = Hand(engine, 3, 2, in_map=[1, 0]).many(sizes, x)
    want = x[:, [1, 0]].copy()
    want[100, 0] = 0.0
    assert np.array_equal(y[63:], want[:-63])


def test_channels_are_routed_and_what_does_not_fit_is_said() -> None:
    patch = Patch()
    for k in range(4):
        patch.add("source/constant", f"c{k}", value=0.1 * (k + 1))
    patch.add("maths/pack", "pack", count=4)
    for k in range(4):
        patch.connect(f"c{k}.out", f"pack.in{k + 1}")
    patch.add("io/output", "out", to="channels")
    patch.connect("pack.out", "out.audio")
    patch.limiter = False
    with live(patch) as engine:
        level = Hand(engine, 0, 4)(64)[-1]
        assert len(set(level.tolist())) == 4
        assert np.array_equal(Hand(engine, 0, 6)(64)[-1], [*level, 0.0, 0.0])
        mapped = Hand(engine, 0, 5, out_map=[3, -1, 0, 0])
        assert np.array_equal(mapped(64)[-1], [level[3], 0.0, level[0], level[0], 0.0]) and not mapped.deck.notes
        few = Hand(engine, 0, 2)
        assert np.array_equal(few(64)[-1], level[:2])
        assert few.deck.notes == [
            "hand: 2 output channels for the patch's 4, so channels 3, 4 cannot be heard; "
            "mix them down with a maths/mixdown before the output"
        ]
    with live(through()) as engine:
        assert Deck(engine, 0, 2, 48000, "hand").notes == [
            "hand: no input channels for the patch's 2, so channels 1, 2 are silent"
        ]


def test_stop_fades_and_sample_time_stands_still() -> None:
    with live(tone()) as engine:
        hand = Hand(engine, 0, 2, fade=0.01)
        first = hand(4800)
        hand.run.e[D_WANT] = 0
        last = hand(960)
        at = engine.now
        assert not hand(4800).any() and engine.now == at
        hand.run.e[D_WANT] = 1
        again = hand(960)
    own = 0.5 * 2 * np.pi * 997 / 48000
    heard = np.concatenate([np.zeros((1, 2)), first, last, again])[:, 0]
    assert np.abs(np.diff(heard)).max() < own * 1.05 + 0.5 / 480
    assert not last[480:].any() and last[:400].any()


def test_another_engine_takes_over_without_a_gap() -> None:
    sizes = sizes_of(4000)
    with live(tone(997.0)) as one, live(tone(1499.0)) as two:
        hand = Hand(one, 0, 2, fade=0.01)
        deck = Deck(two, 0, 2, 48000)
        before = hand.many(sizes)[480:, 0]
        hand.run.store(D_NEXT, deck.address)
        during = hand(100)[:, 0]
        assert hand.run.e[D_NEXT] == deck.address
        rest = hand.many(sizes)[:, 0]
        assert hand.run.e[D_NEXT] == 0 and hand.run.e[D_DECK] == deck.address
        heard = np.concatenate([before, during, rest])
        stood = one.now
        hand(64)
        assert one.now == stood
    with Engine(tone(1499.0)) as engine:
        alone = engine.process(len(during) + len(rest))[:, 0]
    assert np.array_equal(heard[-len(rest) + 480 :], alone[-len(rest) + 480 :])
    own = 0.5 * 2 * np.pi * 1499 / 48000
    assert np.abs(np.diff(heard)).max() < own + 1.0 / 480
    assert not (np.convolve(np.abs(heard) < 1e-4, np.ones(8)) > 7).any()


def test_what_is_measured_is_counted() -> None:
    with live(tone()) as engine:
        hand = Hand(engine, 0, 3)
        for flags in (0, 1, 2, 2, 4, 12):
            hand(64, flags=flags)
        run = hand.run
        assert run.flags.tolist() == [1, 2, 2, 1, 0]
        assert run.e[D_CALLS] == run.hist.sum() == 6 and run.e[D_FRAMES] == 6 * 64
        assert 0.45 < run.peaks[0] <= 0.5 and run.peaks[2] == 0.0
        low = quantile(run.hist, 0.5)
        assert 0 < low <= quantile(run.hist, 1.0) <= run.e[D_LONGEST] * 1.05 and run.e[D_BUSY] >= 6 * low * 0.5


# ---------------------------------------------------------------------------------------------- rates


@pytest.mark.parametrize(("source", "sink"), [(48000, 44100), (44100, 48000), (48000, 96000), (96000, 44100)])
def test_the_converter_stops_what_would_fold(source: int, sink: int) -> None:
    converter = Converter(source, sink, 1, 16)
    up, taps = converter.up, converter.taps
    whole = table(up, converter.step)[::-1].T.reshape(-1) / up  # the prototype filter at `up` times the rate
    size = 1 << 20
    gain = np.abs(np.fft.rfft(whole, size))
    freq = np.fft.rfftfreq(size, 1 / (source * up))
    half = min(source, sink) / 2
    assert len(whole) == up * taps
    assert 20 * np.log10(gain[freq > half].max()) < -95
    assert np.abs(20 * np.log10(gain[freq < 0.89 * half])).max() < 0.01


@pytest.mark.parametrize("rate", [44100, 96000])
@pytest.mark.parametrize("freq", [997.0, 15000.0])
def test_a_sine_keeps_its_frequency_and_level_at_another_rate(rate: int, freq: float) -> None:
    with live(tone(freq)) as engine:
        y = Hand(engine, 0, 2, rate).many(sizes_of(30000))[2000:, 0]
        with Engine(tone(freq)) as offline:
            own = sine_error(offline.process(30000)[:, 0], freq, 48000)
    amplitude, noise = sine_error(y, freq, rate)
    assert abs(20 * np.log10(amplitude / own[0])) < 0.01
    assert noise > min(own[1] - 3, 90)


@pytest.mark.parametrize("rate", [44100, 96000])
def test_input_comes_through_at_another_rate_and_never_runs_dry(rate: int) -> None:
    sizes = sizes_of(60000)
    t = np.arange(sum(sizes)) / rate
    x = np.stack([0.5 * np.sin(2 * np.pi * 997 * t), np.full(len(t), 0.25)], 1).astype(np.float32)
    with live(through()) as engine:
        y = Hand(engine, 2, 2, rate).many(sizes, x)[3000:]
        assert engine._e[E_UNDERRUN] == 0
    amplitude, noise = sine_error(y[:, 0], 997, rate)
    assert abs(amplitude - 0.5) < 1e-4 and noise > 90
    assert np.abs(y[:, 1] - 0.25).max() < 1e-6
