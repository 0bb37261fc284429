"""From A to B, measured: do the descriptors of an interpolated sound go evenly from those of one sound to the other's?"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from nodes.ml import pictures
from nodes.ml.data import Corpus
from patches import make, paths, wavae
from runtime.engine import Engine

RATE, OWN = 48000, 24000  # Hz, of the rack and of models and corpora
SIZE, HOP = 1024, 256
SEGMENTS = 5
SECONDS = 1.9
"""Of each sound of a pair."""
DESCRIPTORS = ("loudness, dB", "centroid, octaves", "rolloff, octaves", "flatness, dB")


def descriptors(x: np.ndarray) -> np.ndarray:
    """DESCRIPTORS of each of SEGMENTS equal parts of a sound [samples] at OWN, [SEGMENTS, 4]; of their frames above −60 dBFS.

    Loudness is the mean power; centroid and rolloff (85 % of the magnitudes lie below) are log2 of Hz; flatness is geometric by
    arithmetic mean of the power from 100 Hz to 10 kHz.
    """
    f = np.fft.rfftfreq(SIZE, 1 / OWN)
    middle = (f > 100) & (f < 10000)
    rows = []
    for part in np.array_split(x.astype(np.float64), SEGMENTS):
        frames = np.lib.stride_tricks.sliding_window_view(part, SIZE)[::HOP] * np.hanning(SIZE)
        mag = np.abs(np.fft.rfft(frames, axis=1)) * 4 / SIZE + 1e-7
        loud = np.sqrt(np.square(mag).sum(1)) > 1e-3
        mag = mag[loud] if loud.any() else mag
        centroid = (mag * f).sum(1) / mag.sum(1)
        rolloff = f[(np.cumsum(mag, 1) < 0.85 * mag.sum(1, keepdims=True)).sum(1)] + 1.0
        power = np.square(mag[:, middle])
        flat = 10 * (np.log10(power).mean(1) - np.log10(power.mean(1)))
        level = 10 * np.log10(np.square(part).mean() + 1e-7)
        rows.append([level, np.log2(centroid).mean(), np.log2(rolloff).mean(), flat.mean()])
    return np.array(rows)


def way(domain: str, ways: dict[str, paths.Path_]) -> np.ndarray:
    """What the patch plays from A to B once, float32 [samples] at OWN, not late."""
    patch = wavae.a_to_b(domain, ways, 1.0)
    patch.folder, patch.limiter = make.HERE, False
    patch.set("room", mix=0.0)
    samples = round(len(ways["a.z"]) * wavae.FRAME * RATE)
    with Engine(patch) as engine:
        lags = engine.plan.lags  # what a tape plays was not on the way through the encoder
        late = round(lags["decode"].total - lags["z-morph"].total)
        audio = engine.process(-(-(samples + late) // 64) * 64)[late : late + samples]
        if engine.faults():
            raise RuntimeError(str(engine.faults()[0]))
    found: np.ndarray = soxr.resample(audio.mean(1), RATE, OWN)
    return found


def held(corpus: Corpus, count: int) -> list[np.ndarray]:
    """Held-out sounds, `count` at most, of SECONDS each."""
    frames = round(SECONDS * OWN)
    items = [item for item in corpus.of("test") if item.frames >= frames][:count]
    return [corpus.read(item, 0, frames)[0] for item in items]


def a_to_b(corpora: dict[str, Corpus], count: int = 8, folder: Path | None = None) -> dict[str, Any]:
    """For each domain and descriptor: where between A's (0) and B's (1) the interpolated sound is, segment by segment.

    `count` held-out sounds make as many pairs, each sound being A once and B once.  Over all pairs, the least squares of
    x − a = p (b − a); `rises` says whether p grows from every segment to the next.  The first pair of each domain is drawn and
    kept in `folder`: A, B and the interpolation in order.
    """
    found: dict[str, Any] = {"pairs": {}, "position": {}, "rises": {}}
    for domain, corpus in corpora.items():
        sounds = [(x, encoded(domain, x)) for x in held(corpus, count)]
        rows = []
        for n, ((a, from_), (b, to)) in enumerate(zip(sounds, [*sounds[1:], sounds[0]], strict=True)):
            y = way(domain, {f"{side}.{k}": path for side, ways in (("a", from_), ("b", to)) for k, path in ways.items()})
            m = min(len(a), len(y))
            rows.append([descriptors(x[:m]) for x in (a, b, y)])
            if n == 0 and folder is not None:
                keep(folder, domain, a, b, y)
        a, b, y = np.array(rows).transpose(1, 0, 2, 3)
        place = ((y - a) * (b - a)).sum(0) / np.square(b - a).sum(0)
        found["pairs"][domain] = len(rows)
        found["position"][domain] = {name: np.round(place[:, k], 2).tolist() for k, name in enumerate(DESCRIPTORS)}
        found["rises"][domain] = {name: bool((np.diff(place[:, k]) > 0).all()) for k, name in enumerate(DESCRIPTORS)}
    return found


def encoded(domain: str, x: np.ndarray) -> dict[str, paths.Path_]:
    """The path of a sound at OWN, as `patches.paths` makes it."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "sound.wav"
        soundfile.write(file, x, OWN, subtype="FLOAT")
        return paths.encoded(file, f"models/wavae_{domain}.ts")


def keep(folder: Path, domain: str, a: np.ndarray, b: np.ndarray, y: np.ndarray) -> None:
    """The three spectrograms one below the other, and the three sounds one behind the other."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures.spectrograms(folder / f"a-to-b_{domain}.png", {"A": a, "B": b, "A to B": y}, OWN)
    gap = np.zeros(OWN // 4)
    soundfile.write(folder / f"a-to-b_{domain}.flac", np.clip(np.concatenate([a, gap, b, gap, y]), -1, 1), OWN)
