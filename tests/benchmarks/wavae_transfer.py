"""Style transfer, measured: is what a model makes of a stranger's sound of its own domain, and as loud as what went in?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor, nn

from nodes import Patch
from nodes.ml import pictures
from nodes.ml.data import Corpus
from nodes.ml.small import mel_bands
from patches import make
from patches.wavae import DOMAINS
from runtime.engine import Engine

RATE, OWN = 48000, 24000  # Hz, of the rack and of models and corpora
SIZE, HOP, BANDS, CEPSTRA = 1024, 512, 40, 20
WINDOW = 47
"""Frames that the classifier hears at once: a second."""
GAP = 0.6
"""Seconds of silence between two phrases."""
BLOCKS = 4096
"""Samples that are computed at a time."""
FLOOR = -50.0
"""dB below the loudest frame, below which a contour does not tell anything."""

_cosines = torch.cos(torch.pi / BANDS * torch.arange(CEPSTRA)[:, None] * (torch.arange(BANDS) + 0.5))
_bank = mel_bands(BANDS, SIZE, OWN)


def bands(x: np.ndarray) -> Tensor:
    """Mel bands of a sound [samples] at OWN in dB, [frames, BANDS]."""
    frames = torch.from_numpy(np.ascontiguousarray(x, np.float32)).unfold(0, SIZE, HOP) * torch.hann_window(SIZE)
    power = torch.fft.rfft(frames).abs().square()
    found: Tensor = 10.0 * torch.log10(power @ _bank.square().T + 1e-7)
    return found


def features(x: np.ndarray) -> Tensor:
    """What the classifier hears of each second of a sound: its timbre, [windows, CEPSTRA].

    The cepstrum of the mel bands, mean of those frames of the window that are near its loudest, every frame at the same level:
    how loudness moves is the input's and is to be kept, so it must not tell the domain.
    """
    mel = bands(np.pad(x, (0, max(SIZE + HOP * WINDOW - len(x), 0))))
    rows = []
    for start in range(0, len(mel) - WINDOW + 1, WINDOW // 2):
        part = mel[start : start + WINDOW]
        loud = torch.logsumexp(part * 0.23, 1) / 0.23
        if loud.max() < (mel.max() - 40.0):  # as good as silence
            continue
        near = loud > loud.max() - 30.0
        part = (part[near] - loud[near, None]).clamp(min=-60.0) / 20.0
        rows.append(_cosines @ part.mean(0))
    return torch.stack(rows)


class Classifier:
    """Tells the domains apart; trained on the real sounds of corpora."""

    def __init__(self, corpora: dict[str, Corpus], split: str = "train") -> None:
        torch.manual_seed(0)
        sounds = [features(c.read(item)[0]) for c in corpora.values() for item in c.of(split)]
        labels = [n for n, c in enumerate(corpora.values()) for _ in c.of(split)]
        x, y = torch.cat(sounds), torch.cat([torch.full((len(s),), n) for s, n in zip(sounds, labels, strict=True)])
        self.mean, self.spread = x.mean(0), x.std(0) + 1e-3
        self.net = nn.Linear(x.size(1), len(corpora))
        weight = len(y) / torch.bincount(y).float()
        optimiser = torch.optim.Adam(self.net.parameters(), 1e-2, weight_decay=1e-3)
        for _ in range(400):
            loss = nn.functional.cross_entropy(self.net((x - self.mean) / self.spread), y, weight)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    @torch.no_grad()
    def __call__(self, x: np.ndarray) -> int:
        """The number of the domain that a sound at OWN belongs to, by the mean of its seconds."""
        said = self.net((features(x) - self.mean) / self.spread).log_softmax(1)
        return int(said.mean(0).argmax())

    def accuracy(self, corpora: dict[str, Corpus], split: str = "test") -> float:
        """Share of a split's sounds that it knows."""
        hits = [self(c.read(item)[0]) == n for n, c in enumerate(corpora.values()) for item in c.of(split)]
        return float(np.mean(hits))


def meow(seconds: float = 1.1) -> np.ndarray:
    """A cat, as near as a pulse train through four moving formants gets; float64 at OWN."""
    n = np.arange(round(seconds * OWN)) / OWN / seconds
    f0 = np.interp(n, [0, 0.25, 0.6, 1], [420, 640, 560, 340])
    pulses = np.diff(np.floor(np.cumsum(f0) / OWN), prepend=0.0)
    y = pulses - pulses.mean() + 0.01 * np.random.default_rng(1).standard_normal(len(n))
    for places, width in (([400, 800, 1300, 500], 90), ([2400, 2200, 1700, 900], 130), ([3300, 3200, 2900, 2500], 200)):
        f = np.interp(n, [0, 0.3, 0.6, 1], places)
        r, a, b = np.exp(-np.pi * width / OWN), 0.0, 0.0
        out = np.empty_like(y)
        for i, x in enumerate(y):
            a, b = x * (1 - r) + 2 * r * np.cos(2 * np.pi * f[i] / OWN) * a - r * r * b, a
            out[i] = a
        y = out
    y = y / np.abs(y).max() * np.interp(n, [0, 0.08, 0.5, 0.8, 1], [0, 0.7, 1, 0.5, 0])
    found: np.ndarray = 0.5 * y
    return found


def level(x: np.ndarray) -> np.ndarray:
    """Loudness of a sound [samples] at OWN in dB, frame by frame of HOP."""
    power = np.square(x[: len(x) // HOP * HOP].astype(np.float64)).reshape(-1, HOP).mean(1)
    found: np.ndarray = 10.0 * np.log10(power + 1e-10)
    return found


def follows(x: np.ndarray, y: np.ndarray) -> float:
    """Correlation of two loudness contours in dB, kept above FLOOR below their loudest frame."""
    a, b = level(x), level(y)
    n = min(len(a), len(b))
    a, b = (np.maximum(v[:n], v[:n].max() + FLOOR) for v in (a, b))
    return float(np.corrcoef(a, b)[0, 1])


def built(name: str) -> Patch:
    """A patch of `patches`, in its folder."""
    patch = make.build(name)
    patch.folder = make.HERE
    return patch


def through(patch: Patch, sound: np.ndarray) -> list[np.ndarray]:
    """What each domain of the style-transfer patch makes of a sound at OWN, in time with it; the patch has no other input."""
    patch.disconnect("take.out", "heard.audio")
    patch.add("maths/pack", "three", count=len(DOMAINS))
    patch.add("io/output", "each", to="channels")
    for n, side in enumerate("abc"[: len(DOMAINS)], 1):
        patch.connect(f"align.out_{side}", f"three.in{n}")
    patch.connect("three.out", "each.audio")
    patch.disconnect("room.out", "out.audio")
    patch.limiter = False
    source = soxr.resample(np.pad(sound, (0, OWN)), OWN, RATE).astype(np.float32)[:, None]
    with Engine(patch) as engine:
        late = round(engine.plan.lags["align"].total)
        heard = [engine.process(BLOCKS, source[at : at + BLOCKS]) for at in range(0, len(source) // BLOCKS * BLOCKS, BLOCKS)]
        if engine.faults():
            raise RuntimeError(str(engine.faults()[0]))
    audio = soxr.resample(np.concatenate(heard)[late:], RATE, OWN)
    return [y[: len(sound)] for y in audio.T]


def transfer(corpora: dict[str, Corpus], phrases: int = 10, folder: Path | None = None) -> dict[str, Any]:
    """Share of outputs that sound like their model's domain, and how their loudness follows; pictures and sounds in `folder`.

    A voice or a cat goes through strings and drums; the voice model gets drums and strings.  `own_sounds_of_its_domain` is the
    share for sounds of the model's own domain, which also go this way.
    """
    know = Classifier(corpora)
    given = [("voice", corpora["voice"].read(item)[0]) for item in corpora["voice"].of("test")[:phrases]]
    given += [("cat", meow()), ("cat", meow(0.7))]
    for domain in ("strings", "drums"):
        items = corpora[domain].of("test")[: phrases // 2]
        given += [(domain, corpora[domain].read(item, 0, 4 * OWN)[0]) for item in items]
    given = [(kind, x / max(np.abs(x).max(), 1e-3) * 0.5) for kind, x in given]
    starts, parts, at = [], [], 0
    for _, x in given:
        starts.append(at)
        parts += [x, np.zeros(round(GAP * OWN))]
        at += len(x) + len(parts[-1])
    whole = np.concatenate(parts)
    said = through(built("style-transfer"), whole)
    found: dict[str, Any] = {"classifier_accuracy_on_real_sounds": round(know.accuracy(corpora), 3)}
    hits, contours = [], []
    for n, domain in enumerate(DOMAINS):
        rows = [(kind, x, said[n][start : start + len(x)]) for start, (kind, x) in zip(starts, given, strict=True)]
        rows = [r for r in rows if (r[0] != "voice" and r[0] != "cat") == (domain == "voice")]
        mine = [said[n][start : start + len(x)] for start, (kind, x) in zip(starts, given, strict=True) if kind == domain]
        own = [know(y) == n for y in mine]
        guesses = [know(y) for _, _, y in rows]
        right, kept = [g == n for g in guesses], [follows(x, y) for _, x, y in rows]
        hits += right
        contours += kept
        found[domain] = {
            "phrases": len(rows), "of_its_domain": round(float(np.mean(right)), 3),
            "own_sounds_of_its_domain": round(float(np.mean(own)), 3),
            "loudness_kept": round(float(np.mean(kept)), 3), "least": round(min(kept), 3),
            "heard_as": {d: guesses.count(k) for k, d in enumerate(DOMAINS)},
            "inputs_heard_as": {d: [know(x) for _, x, _ in rows].count(k) for k, d in enumerate(DOMAINS)},
        }  # fmt: skip
    found |= {"of_the_target_domain": round(float(np.mean(hits)), 3), "loudness_kept": round(float(np.mean(contours)), 3)}
    if folder is not None:
        keep(folder, whole, said)
    return found


def keep(folder: Path, whole: np.ndarray, said: list[np.ndarray]) -> None:
    """The sounds, and spectrograms of their first eight seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    sounds = {"in": whole, **dict(zip(DOMAINS, said, strict=True))}
    for name, x in sounds.items():
        soundfile.write(folder / f"transfer_{name}.flac", np.clip(x, -1, 1), OWN)
    pictures.spectrograms(folder / "transfer.png", {k: x[: 8 * OWN] for k, x in sounds.items()}, OWN)
