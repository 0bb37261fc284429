"""The patches that play WaVAE models, shortly; tests/benchmarks/wavae.py measures the same at length."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from nodes.ml import shelf
from patches import paths, wavae
from runtime.engine import Engine
from runtime.offline import Event, render
from tests.benchmarks.live import RATE
from tests.benchmarks.wavae import centroids
from tests.benchmarks.wavae_transfer import OWN, built, follows, meow, through
from tests.benchmarks.wavae_ways import SEGMENTS, descriptors, way


def needs(*domains: str) -> pytest.MarkDecorator:
    absent = [d for d in domains if not (shelf.SHIPPED / f"wavae_{d}.ts").is_file()]
    return pytest.mark.skipif(bool(absent), reason=f"no model of {', '.join(absent)} here")


def syllables(seconds: float = 1.5) -> np.ndarray:
    """A bright tone that comes and goes three times a second, [samples] at OWN."""
    t = np.arange(round(seconds * OWN)) / OWN
    buzz = sum(np.sin(2 * np.pi * 220 * k * t) / k for k in range(1, 12))
    return 0.25 * buzz * np.sin(3 * np.pi * t) ** 4


# ---------------------------------------------------------------------------------------------- feedback-shaping


def test_the_gesture_is_the_one_that_was_recorded() -> None:
    freq, q, gain = ([y for _, y in wavae.GESTURE[f"{name}-gesture"]] for name in ("freq", "q", "gain"))
    assert (min(freq), max(freq)) == (200, 1800) and (min(q), max(q)) == (2, 7.3) and (min(gain), max(gain)) == (0, 11.5)
    assert gain.index(11.5) < 3 and all(1 <= y <= 2 for y in gain[3:-1])
    if (shelf.SHIPPED / "wavae_strings.ts").is_file():
        patch = wavae.feedback_shaping()
        for name, (node, knob) in zip(wavae.GESTURE, (("band", "freq"), ("band", "q"), ("again", "b")), strict=True):
            curve, base = np.array(patch.value(name, "curve")), patch.value(node, knob)
            assert curve[:, 1] + base == pytest.approx([y for _, y in wavae.GESTURE[name]])


def looped(seconds: float, events: Iterable[Event] = (), **again: float) -> np.ndarray:
    """The loop played by hand, [samples]."""
    patch = built("feedback-shaping")
    patch.set("gesture", b=0.0)
    patch.set("room", mix=0.0)
    patch.set("again", **again)
    found = render(patch, seconds, events=list(events))
    assert not found.faults and np.isfinite(found.audio).all() and np.abs(found.audio).max() <= 1.0
    heard: np.ndarray = found.audio.mean(1)
    return heard


@needs("strings")
def test_the_loop_wakes_follows_the_filter_and_falls_asleep() -> None:
    x = looped(3.0, [Event(1.2, "band", "freq", 1800.0), Event(2.2, "again", "b", 0.0)], b=8.0)
    low, high = (centroids(x[round(start * RATE) :][: RATE // 2]).mean() for start in (0.7, 1.7))
    assert high > 1.3 * low
    awake, asleep = (float(np.square(x[round(start * RATE) :][: RATE // 4]).mean()) for start in (0.9, 2.7))
    assert awake > 1e-4 and asleep < 0.01 * awake


@needs("strings")
def test_the_recorded_gesture_plays_the_same_every_time() -> None:
    a, b = (render(built("feedback-shaping"), 0.6, cut=cut).audio for cut in (0, 480))
    assert np.abs(a).max() > 0.02 and np.array_equal(a, b)


# ---------------------------------------------------------------------------------------------- style-transfer


@needs(*wavae.DOMAINS)
def test_every_domain_says_it_in_its_own_way_and_as_loud() -> None:
    sound = np.concatenate([meow(0.8), np.zeros(OWN // 4), syllables()])
    said = through(built("style-transfer"), sound)
    for y in said:
        assert np.isfinite(y).all() and 0.01 < np.abs(y).max() < 4.0
        assert follows(sound, y) > 0.6
    spectra = [np.abs(np.fft.rfft(y)) for y in said]
    for n, a in enumerate(spectra):
        for b in spectra[n + 1 :]:
            assert np.corrcoef(a, b)[0, 1] < 0.9


@needs(*wavae.DOMAINS)
def test_the_knob_chooses_one_domain() -> None:
    patch = built("style-transfer")
    assert patch.value("domain", "select") == 1.0
    patch.set("tour", b=0.0)
    patch.set("domain", select=3.0)
    patch.disconnect("take.out", "heard.audio")
    patch.set("room", mix=0.0)
    patch.limiter = False
    patch.add("io/output", "alone", to="channels", first=3)
    patch.connect("align.out_c", "alone.audio")
    source = np.repeat(syllables(0.6), 2).astype(np.float32)[:, None]
    x = render(patch, 0.6, source).audio
    assert np.abs(x[:, 2]).max() > 0.01
    level = patch.cables["room", "out", "out", "audio"].amount
    assert np.abs(x[:, 0] - level * x[:, 2]).max() < 1e-6


# ---------------------------------------------------------------------------------------------- a-to-b


@needs("strings")
def test_the_way_from_a_to_b_begins_at_a_and_ends_at_b() -> None:
    kept = paths.read("a-to-b")
    loud, soft = ([[level]] * 60 for level in (0.85, 0.45))
    ways = {"a.z": kept["a.z"][40:100], "b.z": kept["b.z"][40:100], "a.loudness": loud, "b.loudness": soft}
    down = descriptors(way("strings", ways))[1:, 0]  # a model that begins is not in its stride yet
    assert (np.diff(down) < 0).all() and down[0] - down[-1] > 8.0
    swapped = {("b" if name[0] == "a" else "a") + name[1:]: rows for name, rows in ways.items()}
    up = descriptors(way("strings", swapped))[1:, 0]
    assert (np.diff(up) > 0).all() and up[-1] - up[0] > 8.0


@needs("strings")
def test_the_tapes_hold_both_sounds_and_the_clock_starts_all_of_them() -> None:
    patch, kept = wavae.a_to_b(), paths.read("a-to-b")
    frames = len(kept["a.z"])
    for side in "ab":
        assert np.array(patch.value(f"z-{side}", "path")) == pytest.approx(np.array(kept[f"{side}.z"]))
        assert np.array(patch.value(f"loud-{side}", "path")) == pytest.approx(np.array(kept[f"{side}.loudness"]))
    assert 60 / patch.value("again", "bpm") == pytest.approx(frames * wavae.FRAME, rel=1e-3)
    starts = {(dst, port) for (src, _, dst, port) in patch.cables if src == "again"}
    assert starts == {(f"{w}-{s}", "reset") for w in ("z", "loud") for s in "ab"} | {
        ("z-morph", "trigger"), ("loud-morph", "trigger"),
    }  # fmt: skip
    with Engine(patch) as engine:
        sound = engine.process(RATE // 2)
        assert np.isfinite(sound).all() and not engine.faults()


# ---------------------------------------------------------------------------------------------- what measures them


def test_descriptors_are_those_of_known_sounds() -> None:
    t = np.arange(OWN) / OWN
    tone = descriptors(0.5 * np.sin(2 * np.pi * 1500 * t))
    noise = descriptors(0.1 * np.random.default_rng(0).standard_normal(OWN))
    assert tone.shape == noise.shape == (SEGMENTS, 4)
    assert tone[:, 0] == pytest.approx(-9.03, abs=0.05) and 2 ** tone[:, 1] == pytest.approx(1500, rel=0.05)
    assert noise[:, 0] == pytest.approx(-20.0, abs=0.4) and (2 ** noise[:, 2] > 9000).all()
    assert (noise[:, 3] > -4.0).all() and (tone[:, 3] < -30.0).all()


def test_a_loudness_contour_is_compared_with_another() -> None:
    x = syllables()
    assert follows(x, 0.1 * x) == pytest.approx(1.0, abs=1e-3)
    assert follows(x, np.roll(x, OWN // 6)) < 0.0
