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
from .streaming import reset
from .torchscript import flushed

FLOOR = -80.0
"""dB of a mel band below which nothing is compared."""
ITERATIONS = 60
"""Of Griffin and Lim's algorithm."""
TRIALS = 60
"""Calls that are timed."""
GOALS = {"loudness_follows": 0.9, "streamed_difference": 1e-4, "realtime": 4.0}
"""What a model has to reach to be shipped; the mel error that it may have is its own, and a tenth."""
MOST = {"mel_error_db", "streamed_difference"}
"""Figures that must not be above their threshold; the others must not be below."""


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
    torch._C._set_graph_executor_optimize(False)  # every new length would be compiled, and none comes often
    try:
        figures = _measure(Subject(path), held, material, without, folder)
    finally:
        torch._C._set_graph_executor_optimize(True)
    figures["realtime"] = round(realtime(Subject(path)), 3)
    return figures


def _measure(
    it: Subject, held: Sequence[Tensor], material: Sequence[Tensor], without: Path | None, folder: Path | None
) -> dict[str, Any]:
    """All figures but `realtime`."""
    sounds = [it.fit(x) for x in held if len(x) >= 16 * it.ratio]
    zs = [it.encode(x) for x in sounds]
    ys = [it.decode(z) for z in zs]
    ears = [it.ear(x) for x in sounds]
    back = [it.ear(y) for y in ys]
    figures: dict[str, Any] = {
        "seconds": round(sum(x.size(2) for x in sounds) / it.rate, 1),
        "mel_error_db": mean(error(a[0], b[0]) for a, b in zip(ears, back, strict=True)),
        "mel_error_before_vocoder_db": mean(error(a[0], it.within(z)) for a, z in zip(ears, zs, strict=True)),
        "loudness_kept": correlation([a[1] for a in ears], [b[1] for b in back]),
        **swap(it, zs),
        "streamed_difference": streamed(it, sounds[0]),
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
        figures["traversal_centroid_hz"] = traversal(it, zs, folder)
    return {k: round(v, 7 if k == "streamed_difference" else 3) if isinstance(v, float) else v for k, v in figures.items()}


def mean(values: Any) -> float:
    return float(np.mean(list(values)))


def correlation(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    """Pearson's, over all frames."""
    pair = torch.stack([torch.cat([x.flatten() for x in s]) for s in (a, b)])
    return float(torch.corrcoef(pair)[0, 1])


def swap(it: Subject, zs: Sequence[Tensor]) -> dict[str, float]:
    """How the loudness of what comes out follows one that is another sound's: correlation, and the mean error in dB."""
    asked, heard = [], []
    for a, b in zip(zs, [*zs[1:], zs[0].flip(2)], strict=True):
        n = min(a.size(2), b.size(2))
        z = torch.cat([a[:, : it.latents, :n], b[:, it.latents :, :n]], 1)
        asked.append(z[:, it.latents :])
        heard.append(it.ear(it.decode(z))[1])
    floor = -float(it.card["config"]["floor"])
    off = torch.cat([(x - y).flatten()[x.flatten() > 0.1] for x, y in zip(asked, heard, strict=True)])
    return {"loudness_follows": correlation(asked, heard), "loudness_off_db": floor * float(off.abs().mean())}


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
    """How many times faster than its sound `forward` is, frame by frame on one core: processor time, median of calls."""
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
    return it.ratio / it.rate / float(np.median(times[TRIALS // 4 :]))


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


def traversal(it: Subject, zs: Sequence[Tensor], folder: Path) -> dict[str, list[float]]:
    """Moves each latent from −1 to 1 with the others at 0; draws the mel bands, returns the centroids of a few in Hz."""
    steps, frames = np.linspace(-1, 1, 5), 24
    loud = float(torch.cat([z[0, -1] for z in zs]).quantile(0.8))
    panels: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    centroids: dict[str, list[float]] = {}
    f = np.linspace(0, it.rate / 2, it.size // 2 + 1)
    for d in range(it.latents):
        panels[f"z{d + 1}"], centroids[f"z{d + 1}"] = {}, []
        for at in steps:
            z = torch.zeros(1, it.latents + 1, frames)
            z[:, -1], z[:, d] = loud, float(at)
            y = it.decode(z)
            reset(it.net)
            re, im, mel, _ = it.net.ear(y)
            spectrum = torch.sqrt(re * re + im * im)[0, :, 8:].mean(1).numpy()
            centroids[f"z{d + 1}"].append(round(float((f * spectrum).sum() / spectrum.sum())))
            curve = decibels(mel)[0, :, 8:].mean(1).numpy()
            panels[f"z{d + 1}"][f"{at:+.1f}"] = np.arange(len(curve)), curve
    pictures.lines(folder / "traversal.png", "Mel bands in dB, one latent moved, the others 0", panels)
    return centroids


def draw(it: Subject, folder: Path, sounds: Sequence[Tensor], ys: Sequence[Tensor]) -> None:
    """The longest sound under 8 s before and after: a picture, and both as one file of sound."""
    import soundfile

    most = 8 * it.rate
    best = max(range(len(sounds)), key=lambda i: min(sounds[i].size(2), most))
    x, y = (s[best][0, 0, :most].numpy() for s in (sounds, ys))
    pictures.spectrograms(
        folder / "round_trip.png",
        {"held out": x, "model": y, "Griffin–Lim": griffin_lim(it, sounds[best])[0, 0, :most].numpy()},
        it.rate,
    )
    soundfile.write(folder / "round_trip.flac", np.clip(np.concatenate([x, y]), -1, 1), it.rate)
