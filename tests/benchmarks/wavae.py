"""WaVAE at play: `python -m tests.benchmarks.wavae transfer|a-to-b|feedback [--data DIR] [-o DIR] [--minutes M]`.

`transfer` sends voices and a cat through the style-transfer patch and asks a classifier that knows the real domains;
`a-to-b` follows descriptors from one held-out sound to another through the patch that interpolates; `feedback` sweeps the
filter of the feedback-shaping patch and plays its recorded gesture twice, and as it was live.  Figures are JSON; pictures and
sounds go to `-o`.  DIR of `--data` holds the corpora `strings`, `voice` and `drums` that `zrack data` makes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from scipy.stats import spearmanr

from nodes import Patch
from nodes.ml import pictures
from nodes.ml.data import Corpus
from patches.wavae import DOMAINS
from runtime import eventlog
from runtime.engine import Engine
from runtime.offline import Event, render
from runtime.session import Session
from tests import test_model_life
from tests.test_session import until

from .live import RATE
from .wavae_transfer import built, transfer
from .wavae_ways import a_to_b

LOW, HIGH = 200.0, 1800.0
"""Hz of the sweep's ends."""
WAKING = 2.0
"""Seconds of a high gain before the sweep, as the gesture begins."""
WINDOW = 12000
"""Samples that a spectral centroid is taken of: a quarter of a second."""
STEP = 0.05
"""Seconds from one turn of the knob to the next."""


def centroids(x: np.ndarray) -> np.ndarray:
    """Spectral centroid of each WINDOW of a sound [samples] at RATE, in Hz, of magnitudes."""
    frames = x[: len(x) // WINDOW * WINDOW].reshape(-1, WINDOW) * np.hanning(WINDOW)
    mag = np.abs(np.fft.rfft(frames, axis=1))
    found: np.ndarray = (mag * np.fft.rfftfreq(WINDOW, 1 / RATE)).sum(1) / (mag.sum(1) + 1e-9)
    return found


def sweep(seconds: float = 30.0, gain: float = 2.0, q: float = 4.0, folder: Path | None = None) -> dict[str, Any]:
    """The filter's knob is turned from LOW to HIGH, evenly in octaves: does what the model says follow it?"""
    patch = built("feedback-shaping")
    patch.set("gesture", b=0.0)
    patch.set("room", mix=0.0)
    patch.set("band", freq=LOW, q=q)
    patch.set("again", b=8.0)
    times = np.arange(0.0, seconds, STEP)
    turns = [Event(float(WAKING + t), "band", "freq", float(LOW * (HIGH / LOW) ** (t / seconds))) for t in times]
    heard = render(patch, WAKING + seconds, events=[Event(WAKING, "again", "b", gain), *turns])
    x = heard.audio.mean(1)[round(WAKING * RATE) :]
    found = centroids(x)
    at = LOW * (HIGH / LOW) ** ((np.arange(len(found)) + 0.5) * WINDOW / RATE / seconds)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / "sweep.flac", x, RATE)
        pictures.spectrograms(folder / "sweep.png", {"loop": x[::4]}, RATE // 4)
        curves = {"centroid of what is heard": (at, found), "band.freq": (at, at)}
        pictures.lines(
            folder / "sweep_centroid.png",
            "The loop and its filter",
            {"sweep": curves},
            "Hz of the filter",
            "Hz",
            size=(6.0, 4.0),
        )
    eighths = [round(float(part.mean())) for part in np.array_split(found, 8)]
    return {
        "rank_correlation": round(float(spearmanr(at, found)[0]), 3), "centroids_of_eighths_hz": eighths,
        "peak": round(float(np.abs(heard.audio).max()), 3), "faults": [f.reason for f in heard.faults],
        "rms_db": round(10 * float(np.log10(np.square(x).mean() + 1e-12)), 1),
    }  # fmt: skip


def played(patch: Patch, minutes: float) -> dict[str, Any]:
    """Peak, loudest and softest second and hash of a render, which is not kept."""
    sha, peak, finite, rms = hashlib.sha256(), 0.0, True, []
    with Engine(patch) as engine:
        for _ in range(max(round(60 * minutes), 2)):
            sound = engine.process(RATE)
            sha.update(sound.tobytes())
            peak, finite = max(peak, float(np.abs(sound).max())), finite and bool(np.isfinite(sound).all())
            rms.append(10 * float(np.log10(np.mean(sound**2) + 1e-12)))
        faults = [f.reason for f in engine.faults()]
    return {
        "seconds": len(rms), "peak": round(peak, 4), "finite": finite, "faults": faults, "sha": sha.hexdigest()[:16],
        "rms_db": [round(min(rms), 1), round(max(rms), 1)],
    }  # fmt: skip


def feedback(minutes: float = 10.0, folder: Path | None = None) -> dict[str, Any]:
    """The sweep; the recorded gesture over and over, bounded, twice the same; and live, then rendered from its event log."""
    found: dict[str, Any] = {"sweep": sweep(folder=folder)}
    patch = built("feedback-shaping")
    twice = [played(patch, minutes) for _ in range(2)]
    found |= {"gesture": twice[0], "same_bits_twice": twice[0]["sha"] == twice[1]["sha"]}
    with tempfile.TemporaryDirectory() as place:
        with Session(patch, logs=Path(place)) as session:
            session.record("live.wav")
            session.transport("play")
            test_model_life.begun(session, "encode", "decode")
            at = session.now()
            until(lambda: session.now() > at + 10 * RATE, 60)
            log = session.now_playing.log.path
            session.record(None)
        assert log is not None
        heard, _ = soundfile.read(Path(place) / "live.wav", dtype="float32", always_2d=True)
        again, _ = eventlog.render(log)
    same = bool(np.array_equal(heard, again[: len(heard)]))
    found["live"] = {
        "seconds": round(len(heard) / RATE, 1),
        "peak": round(float(np.abs(heard).max()), 3),
        "rendered_equal": same,
    }
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("transfer", "a-to-b", "feedback"))
    parser.add_argument("--data", type=Path, default=Path("corpora"), help="folder of the corpora")
    parser.add_argument("--count", type=int, default=8, help="of phrases, or of pairs for each domain")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the loop")
    parser.add_argument("-o", type=Path, default=None, metavar="DIR", help="where pictures and sounds go")
    args = parser.parse_args()
    if args.part == "feedback":
        figures = feedback(args.minutes, args.o)
    else:
        corpora = {domain: Corpus(args.data / domain) for domain in DOMAINS}
        figures = (transfer if args.part == "transfer" else a_to_b)(corpora, args.count, args.o)
    json.dump({"part": args.part, **figures}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
