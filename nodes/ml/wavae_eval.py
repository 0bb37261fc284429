"""How good a WaVAE is: its round trip against simpler ways, whether loudness obeys, what the latents do, how fast it is.

Everything is measured on the file as it is shipped, streaming, in dB of the model's own mel bands above −80.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from . import jit, pictures
from .data import DataError
from .streaming import reset
from .torchscript import flushed

FLOOR = -80.0
"""dB of a mel band below which nothing is compared."""
ITERATIONS = 60
"""Of Griffin and Lim's algorithm."""
TRIALS = 100
"""Calls that are timed."""
STEPS = 5
"""From one end of a latent to the other."""
SHORTEST = 16
"""Frames of a stretch of sound at least."""
GOALS = {"loudness_follows": 0.9, "streamed_difference": 1e-4, "realtime": 4.0}
"""What a model has to reach to be shipped; the mel error that it may have is its own, and a tenth."""
MOST = {"mel_error_db", "streamed_difference"}
"""Figures that must not be above their threshold; the others must not be below."""


TOLD = {
    "The round trip": {
        "mel_error_db": (
            "what comes out, off by, dB", "lower",
            "By how much a mel band of what comes out differs from what went in, on average.",
        ),
        "mel_error_before_vocoder_db": (
            "… before the vocoder, dB", "lower",
            "The same for the bands that the decoder hands to the vocoder: what latents and decoder lose. The rest is lost by "
            "the vocoder.",
        ),
        "pca_of_same_size_db": (
            "PCA of the same size, dB", "",
            "To compare with the row above: the true bands through as many numbers a frame, found by linear algebra instead of "
            "training. A model that is below it has learned something.",
        ),
        "griffin_lim_of_true_mel_db": (
            "Griffin–Lim of the true bands, dB", "",
            "To compare with the first row: an old way to make sound of bands, given the true ones. It passes no latents; it "
            "says how little a vocoder alone may lose.",
        ),
        "mean_spectrum_db": (
            "always the mean spectrum, dB", "",
            "To compare with the first row: who knows nothing and always says the average. A model has to be far below it.",
        ),
        "loudness_kept": (
            "its own loudness is kept, correlation", "higher",
            "Whether what comes out swells and fades as what went in: 1 is exactly so, 0 not at all.",
        ),
    },
    "Loudness as a hand on the model": {
        "loudness_follows": (
            "another's loudness is followed, correlation", "higher",
            "The latents of one sound with the loudness of another: whether what comes out swells and fades as asked. "
            "`loudness.png` shows some of it.",
        ),
        "loudness_off_db": ("… and missed by, dB", "lower", "By how much it is too loud or too soft, on average."),
        "loudness_known_from_latents": (
            "loudness that the latents give away, R²", "lower",
            "How much of the loudness a small network can tell from the latents alone: 1 is all, 0 or less is nothing. "
            "Nothing is best, for then latents say only how it sounds, and loudness is yours.",
        ),
        "loudness_known_without_adversary": (
            "… without the adversary, R²", "",
            "To compare: the same for a model that was trained without the adversary, which takes out the difference.",
        ),
    },
    "On stage": {
        "streamed_difference": (
            "in pieces against in one", "lower",
            "The greatest difference of sound made a frame at a time, as in a patch, from all at once; full scale is 1.",
        ),
        "realtime": (
            "times faster than it lasts", "higher",
            "How fast one core makes sound, frame by frame. What is above 1 is left for the rest of the patch.",
        ),
    },
}  # fmt: skip
"""Figures in the order of a report, by chapter: name → what it is called, what is better, and what it says."""


class Subject:
    """A model file at work."""

    def __init__(self, path: Path) -> None:
        import json

        self.net, text = jit.load(path)
        self.card: dict[str, Any] = json.loads(text)
        made = self.card["config"]
        self.rate, self.ratio, self.size, self.hop = (int(made[k]) for k in ("rate", "ratio", "size", "hop"))
        self.latents = int(made["latents"])
        self.late = int(self.card["delay"]["forward"])

    def fit(self, x: Tensor) -> Tensor:
        """A sound [samples] as [1, 1, samples], whole frames only."""
        return x[: len(x) // self.ratio * self.ratio][None, None]

    def encode(self, x: Tensor) -> Tensor:
        """[1, 1, samples] → [1, latents + 1, frames]."""
        reset(self.net)
        return self.net.encode(x)

    def decode(self, z: Tensor) -> Tensor:
        """[1, latents + 1, frames] → [1, 1, samples], not late: the first frames of what follows are zeros."""
        reset(self.net)
        more = -(-self.late // self.ratio)
        y = self.net.decode(torch.cat([z, z[..., -1:].expand(-1, -1, more)], 2))
        return y[..., self.late : self.late + z.size(2) * self.ratio]

    def ear(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mel bands in dB [1, mels, hops] and loudness [1, 1, frames] of [1, 1, samples]."""
        reset(self.net)
        _, _, mel, loud = self.net.ear(x)
        return decibels(mel), loud

    def within(self, z: Tensor) -> Tensor:
        """Mel bands in dB that the decoder hands to the vocoder."""
        reset(self.net)
        inside = self.net.unfold(z[:, : self.latents])
        raw = self.net.decoder(torch.cat([inside, z[:, self.latents :]], 1))
        return decibels(self.net.scale.back(raw[:, : raw.size(1) // 2]))


def decibels(mel: Tensor) -> Tensor:
    return (100.0 * (mel - 1.0)).clamp(min=FLOOR)


def error(a: Tensor, b: Tensor) -> float:
    """Mean absolute difference."""
    return float((a - b).abs().mean())


@torch.no_grad()
def measure(path: Path, held: Sequence[Tensor], material: Sequence[Tensor] = (), without: Path | None = None,
            folder: Path | None = None) -> dict[str, Any]:  # fmt: skip
    """Figures of a model file on `held`-out sounds [samples] each.

    With `material` that it was trained on, also the baselines and the probe that need some; with `without`, a model that had
    no adversary, the probe for that one too; with `folder`, pictures and sounds in it.
    """
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model gains nothing by more, and waits for them where others work too
    torch._C._set_graph_executor_optimize(False)  # every new length would be compiled, and none comes often
    try:
        figures = _measure(Subject(path), held, material, without, folder)
    finally:
        torch._C._set_graph_executor_optimize(True)
        torch.set_num_threads(threads)
    figures["realtime"] = round(realtime(Subject(path)), 3)
    return figures


def _measure(
    it: Subject, held: Sequence[Tensor], material: Sequence[Tensor], without: Path | None, folder: Path | None
) -> dict[str, Any]:
    """All figures but `realtime`."""
    sounds = [it.fit(x) for x in held if len(x) >= SHORTEST * it.ratio]
    if not sounds:
        raise DataError(f"no stretch of held-out sound is as long as {SHORTEST * it.ratio / it.rate:.2f} s")
    zs = [it.encode(x) for x in sounds]
    ys = [it.decode(z) for z in zs]
    ears = [it.ear(x) for x in sounds]
    back = [it.ear(y) for y in ys]
    asked, heard = swap(it, zs)
    figures: dict[str, Any] = {
        "seconds": round(sum(x.size(2) for x in sounds) / it.rate, 1),
        "mel_error_db": mean(error(a[0], b[0]) for a, b in zip(ears, back, strict=True)),
        "mel_error_before_vocoder_db": mean(error(a[0], it.within(z)) for a, z in zip(ears, zs, strict=True)),
        "loudness_kept": correlation([a[1] for a in ears], [b[1] for b in back]),
        "loudness_follows": correlation(asked, heard),
        "loudness_off_db": missed(it, asked, heard),
        "streamed_difference": max(streamed(it, x) for x in sounds[:8]),
    }
    if material:
        known = [it.fit(x) for x in material]
        figures["griffin_lim_of_true_mel_db"] = mean(
            error(a[0], it.ear(griffin_lim(it, x))[0]) for a, x in zip(ears[:6], sounds, strict=False)
        )
        mels = [it.ear(x)[0] for x in known]
        figures["pca_of_same_size_db"] = mean(pca(it, mels, [a[0] for a in ears]))
        level = torch.cat(mels, 2).mean(2, keepdim=True)
        figures["mean_spectrum_db"] = mean(error(a[0], level) for a in ears)
        figures["loudness_known_from_latents"] = probe(it, known, sounds)
        if without is not None:
            figures["loudness_known_without_adversary"] = probe(Subject(without), known, sounds)
    if folder is not None:
        draw(it, folder, sounds, ys)
        draw_loudness(it, folder, asked, heard)
        figures |= traversal(it, zs, folder)
    return {k: round(v, 7 if k == "streamed_difference" else 3) if isinstance(v, float) else v for k, v in figures.items()}


def mean(values: Any) -> float:
    return float(np.mean(list(values)))


def correlation(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    """Pearson's, over all frames."""
    pair = torch.stack([torch.cat([x.flatten() for x in s]) for s in (a, b)])
    return float(torch.corrcoef(pair)[0, 1])


def swap(it: Subject, zs: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Every sound with the loudness of the next: loudness as asked for, and of what comes out, [1, 1, frames] each."""
    asked, heard = [], []
    for a, b in zip(zs, [*zs[1:], zs[0].flip(2)], strict=True):
        n = min(a.size(2), b.size(2))
        z = torch.cat([a[:, : it.latents, :n], b[:, it.latents :, :n]], 1)
        asked.append(z[:, it.latents :])
        heard.append(it.ear(it.decode(z))[1])
    return asked, heard


def missed(it: Subject, asked: Sequence[Tensor], heard: Sequence[Tensor]) -> float:
    """Mean error of loudness in dB, where it was not asked to be silent."""
    off = torch.cat([(x - y).flatten()[x.flatten() > 0.1] for x, y in zip(asked, heard, strict=True)])
    return -float(it.card["config"]["floor"]) * float(off.abs().mean())


def streamed(it: Subject, x: Tensor) -> float:
    """Greatest difference between the whole sound at once and in chunks of one frame, and of three."""
    x = x[..., : 48 * it.ratio]
    reset(it.net)
    whole, most = it.net(x), 0.0
    for step in (it.ratio, 3 * it.ratio):
        reset(it.net)
        parts = torch.cat([it.net(x[..., i : i + step]) for i in range(0, x.size(2), step)], 2)
        most = max(most, float((parts - whole).abs().max()))
    return most


def realtime(it: Subject) -> float:
    """How many times faster than its sound `forward` is, frame by frame on one core: processor time.

    Calls do the same work, so those that take longer were held up by others at the same caches; a tenth are faster than what
    is said.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    x = torch.randn(1, 1, it.ratio) * 0.1
    times = []
    with flushed():
        for _ in range(TRIALS):
            start = time.thread_time()
            it.net(x)
            times.append(time.thread_time() - start)
    torch.set_num_threads(threads)
    return it.ratio / it.rate / float(np.quantile(times[TRIALS // 4 :], 0.1))


def griffin_lim(it: Subject, x: Tensor) -> Tensor:
    """What Griffin and Lim (1984) make of the true mel bands of a sound, from random phases."""
    reset(it.net)
    bank = it.net.ear.mel
    _, _, mel, _ = it.net.ear(x)
    mag = (torch.linalg.pinv(bank) @ 10.0 ** (5.0 * (mel - 1.0))).clamp(min=0)[0]
    window = torch.hann_window(it.size)
    z = torch.polar(mag, 2 * torch.pi * torch.rand_like(mag))
    for _ in range(ITERATIONS):
        z = torch.stft(torch.istft(z, it.size, it.hop, window=window), it.size, it.hop, window=window, return_complex=True)
        z = torch.polar(mag, torch.angle(z))
    y = torch.istft(z, it.size, it.hop, window=window)[it.size // 2 - it.hop :]  # the model's frames are not centred
    return nn.functional.pad(y, (0, x.size(2) - len(y)))[None, None]


def pca(it: Subject, known: Sequence[Tensor], held: Sequence[Tensor]) -> list[float]:
    """Error of mel bands that are kept as so many numbers a frame as the model has latents and loudness."""
    steps = it.ratio // it.hop

    def rows(mel: Tensor) -> Tensor:
        return mel[0].reshape(mel.size(1), -1, steps).permute(1, 0, 2).reshape(-1, mel.size(1) * steps)

    x = torch.cat([rows(m) for m in known])
    middle = x.mean(0)
    axes = torch.linalg.eigh(torch.cov(x.T))[1][:, -(it.latents + 1) :]
    return [error(r, ((r - middle) @ axes @ axes.T + middle).clamp(min=FLOOR)) for r in map(rows, held)]


def probe(it: Subject, known: Sequence[Tensor], held: Sequence[Tensor]) -> float:
    """R² of a small network that is to tell the loudness of held-out frames, silent ones left out, from their latents."""

    def frames(sounds: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        z = torch.cat([it.encode(x)[0] for x in sounds], 1).T
        z = z[z[:, -1] > 0.02]
        return z[:, :-1], z[:, -1:]

    (x, y), (a, b) = frames(known), frames(held)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(it.latents, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    with torch.enable_grad():
        for _ in range(300):
            pick = torch.randint(len(x), (512,))
            loss = (net(x[pick]) - y[pick]).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return float(1.0 - (net(a) - b).square().mean() / b.var())


def traversal(it: Subject, zs: Sequence[Tensor], folder: Path) -> dict[str, dict[str, Any]]:
    """Moves each latent from −1 to 1 with the others at 0, and loudness from 0.2 to 1: traversal.png.

    Returns, by latent, the centroid in Hz at each step, and by how many dB bands differ from one end to the other.
    """
    frames = 24
    loud = float(torch.cat([z[0, -1] for z in zs]).quantile(0.8))
    panels: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    centroids: dict[str, list[int]] = {}
    moves: dict[str, float] = {}
    f = torch.linspace(0, it.rate / 2, it.size // 2 + 1)
    bank = it.net.ear.mel
    middles = (bank @ f / bank.sum(1)).numpy()
    for d in range(it.latents + 1):
        name = f"z{d + 1}" if d < it.latents else "loudness, 0.2 … 1"
        at = torch.linspace(-1, 1, STEPS) if d < it.latents else torch.linspace(0.2, 1, STEPS)
        z = torch.zeros(STEPS, it.latents + 1, frames)
        z[:, -1] = loud
        z[:, d] = at[:, None]
        y = it.decode(z)
        reset(it.net)
        re, im, mel, _ = it.net.ear(y)
        spectrum = torch.sqrt(re * re + im * im)[..., 8:].mean(2)
        curves = decibels(mel)[..., 8:].mean(2)
        centroids[name] = [round(v) for v in (spectrum @ f / spectrum.sum(1).clamp(min=1e-9)).tolist()]
        moves[name] = round(error(curves[0], curves[-1]), 2)
        panels[f"{name}  ({moves[name]:.0f} dB)"] = {
            f"{v:+.1f}": (middles, curve.numpy()) for v, curve in zip(torch.linspace(-1, 1, STEPS), curves)
        }
    pictures.lines(
        folder / "traversal.png", "What each latent does: one is moved from −1 (blue) to +1 (red), the others are 0", panels,
        "Hz", "dB", columns=max(4, round(len(panels) ** 0.5 * 1.3)), size=(2.6, 1.9), log=True, ramp=True,
    )  # fmt: skip
    return {"traversal_centroid_hz": centroids, "traversal_moves_db": moves}


def draw_loudness(it: Subject, folder: Path, asked: Sequence[Tensor], heard: Sequence[Tensor]) -> None:
    """loudness.png: what the longest sounds were asked for, and how loud they are, in dB."""
    floor = float(it.card["config"]["floor"])
    longest = sorted(range(len(asked)), key=lambda i: -asked[i].size(2))[:3]
    panels = {}
    for n, i in enumerate(longest):
        t = np.arange(asked[i].size(2)) * it.ratio / it.rate
        told = {"asked for": asked[i], "heard": heard[i]}
        panels[f"{n + 1}"] = {name: (t, floor * (1.0 - x[0, 0].numpy())) for name, x in told.items()}
    pictures.lines(folder / "loudness.png", "Sounds with the loudness of others", panels, "s", "dB", columns=1, size=(9.0, 1.8))


def draw(it: Subject, folder: Path, sounds: Sequence[Tensor], ys: Sequence[Tensor]) -> None:
    """The longest sound under 8 s before and after: a picture, and both as one file of sound."""
    import soundfile

    most = 8 * it.rate
    best = max(range(len(sounds)), key=lambda i: min(sounds[i].size(2), most))
    x, y = (s[best][0, 0, :most].numpy() for s in (sounds, ys))
    pictures.spectrograms(
        folder / "round_trip.png",
        {"what went in": x, "what comes out": y, "Griffin–Lim": griffin_lim(it, sounds[best])[0, 0, :most].numpy()},
        it.rate,
    )
    soundfile.write(folder / "round_trip.flac", np.clip(np.concatenate([x, y]), -1, 1), it.rate)
