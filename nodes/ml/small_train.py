"""Makes the small models that are shipped: `python -m nodes.ml.small_train guitar`.

One recording, one core, minutes.  The loss compares spectra at three resolutions, so the output may have other phases than the
input; it is compared with the input `LATE` samples earlier, which gives the decoder time to hear an attack before it plays it.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .small import BANDS, DIMS, HOP, RATE, RATIO, Autoencoder, Decoder, Encoder, mel_bands

ROOT = Path(__file__).parent.parent.parent
SOUNDS, MODELS = ROOT / "patches" / "sounds", ROOT / "patches" / "models"
WHAT = {
    "guitar": "an electric guitar: one E minor 9 chord, struck string by string and left to ring",
    "tabla": "a tabla: sixteen beats at 90 bpm",
}
"""The recordings, and what is heard in them."""

LATE = 768
"""Samples by which the decoder may be late, its own delay not counted."""
PARTIALS = 160
SIZES = (4096, 1024, 256)
"""Frames of the loss, samples."""
STEPS, BATCH, FRAMES = 3000, 4, 144
"""Steps of training; sounds in a step; latent frames a sound."""


def recording(path: Path) -> Tensor:
    """The sound in `path` at RATE, [channels, samples], peak 0.7."""
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    sound = torch.from_numpy(np.ascontiguousarray(soxr.resample(audio, rate, RATE).T))
    return sound * (0.7 / float(sound.abs().max()))


def spectrum(x: Tensor, size: int) -> Tensor:
    """Magnitudes [..., bins, frames] of `x` [..., samples], frames of `size` that overlap by half; a full-scale sine is 1."""
    window = torch.hann_window(size)
    z = torch.stft(x.reshape(-1, x.size(-1)), size, size // 2, window=window, center=False, return_complex=True)
    return z.abs() * (2.0 / float(window.sum()))


def peaks(sound: Tensor, count: int, size: int = 32768) -> tuple[Tensor, Tensor]:
    """The `count` strongest peaks of the spectrum of `sound`: frequencies in Hz, ascending, and the most each reaches.

    High ones count for more (√f), as ears would have it; a parabola through the log magnitudes finds them between bins.
    """
    mags = spectrum(sound, size)
    mean = mags.square().mean(dim=(0, 2)).sqrt()
    f = torch.arange(len(mean)) * RATE / size
    inner = mean[1:-1]
    found = torch.nonzero((inner > mean[:-2]) & (inner >= mean[2:]) & (f[1:-1] > 30) & (f[1:-1] < 18000))[:, 0] + 1
    order = (mean[found] * f[found].sqrt()).argsort(descending=True)
    best = found[order[:count]].sort().values
    a, b, c = (torch.log(mean[best + step] + 1e-9) for step in (-1, 0, 1))
    freqs = (best + 0.5 * (a - c) / (a - 2 * b + c).clamp(max=-1e-6)) * RATE / size
    short = spectrum(sound, 4096).amax(dim=(0, 2))
    most = torch.stack([short[max(int(i), 1) - 1 : int(i) + 2].max() for i in (freqs * 4096 / RATE).round()])
    return freqs, most


def loudest_noise(sound: Tensor) -> Tensor:
    """The most that each of the decoder's bands of noise need be, [BANDS]."""
    size = 2 * HOP
    power = torch.stft(sound, size, HOP, window=torch.hann_window(size), center=False, return_complex=True).abs().square()
    white = size * 0.375 / 3  # power of a bin of white noise in ±1 under this window
    return (torch.einsum("bf,cft->bct", mel_bands(BANDS, size, RATE), power).amax(dim=(1, 2)) / white).sqrt()


def loss(y: Tensor, x: Tensor) -> Tensor:
    """How far the spectra of `y` are from those of `x`, both [batch, samples]: linear and logarithmic, at all SIZES."""
    total = torch.zeros(())
    for size in SIZES:
        a, b = spectrum(y, size), spectrum(x, size)
        linear = (a - b).abs().mean() / (b.mean() + 1e-4)
        total = total + linear + 0.5 * (torch.log(a + 1e-4) - torch.log(b + 1e-4)).abs().mean()
    return total / len(SIZES)


def unlike(z: Tensor) -> Tensor:
    """How far the latents [batch, DIMS, frames], of unit variance, are from what a hand can play on.

    That is their squared correlations, summed, and how far single ones reach beyond ±3: else attacks get all the room.
    """
    flat = z.transpose(0, 1).reshape(DIMS, -1)
    return 0.1 * (flat @ flat.T / flat.size(1) - torch.eye(DIMS)).square().sum() + F.relu(flat.abs() - 3).square().mean()


def segments(sound: Tensor, generator: torch.Generator) -> Tensor:
    """BATCH pieces of `sound`, [BATCH, 1, FRAMES·RATIO], each anywhere in it, from soft to loud, one in twelve silent."""
    n = FRAMES * RATIO
    padded = F.pad(sound, (RATE // 2, RATE // 2))
    rows = []
    for channel, start, gain, silent in torch.rand(BATCH, 4, generator=generator).tolist():
        first = int(start * (padded.size(1) - n))
        row = padded[int(channel * len(sound)), first : first + n]
        rows.append(row * (0.0 if silent < 1 / 12 else 10 ** ((gain * 30 - 27) / 20)))
    return torch.stack(rows)[:, None]


def train(sound: Tensor, seed: int, steps: int = STEPS, report: int = 100) -> tuple[Encoder, Decoder]:
    """An encoder and a decoder of `sound` [channels, samples], latents of unit variance and the strongest first."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    freqs, most = peaks(sound, PARTIALS)
    encoder, decoder = Encoder(), Decoder(freqs, torch.cat([2 * most, 2 * loudest_noise(sound)]))
    norm = nn.BatchNorm1d(DIMS, affine=False)
    weights = [p for m in (encoder.net, decoder.net) for p in m.parameters()]
    for layer in (encoder.fold, decoder.unfold):
        fill(layer, torch.eye(DIMS), torch.zeros(DIMS))
    optimiser = torch.optim.Adam(weights, 2e-3, betas=(0.9, 0.99))
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    began, mean = time.monotonic(), 0.0
    for step in range(steps):
        x = segments(sound, generator)
        z = norm(encoder(x))
        y = decoder(z + 0.1 * torch.randn_like(z), 1.0)
        late = LATE + 16 * RATIO  # the first frames lack a past
        cost = loss(y[:, 0, late:], x[:, 0, late - LATE : x.size(2) - LATE]) + unlike(z)
        optimiser.zero_grad()
        cost.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        rate.step()
        mean = mean + (cost.item() - mean) / (step % report + 1)
        if step % report == report - 1:
            sys.stderr.write(f"step {step + 1}: loss {mean:.3f}, {time.monotonic() - began:.0f} s\n")
            mean = 0.0
    rotate(encoder, decoder, norm.eval(), material(sound, generator))
    return encoder.eval(), decoder.eval()


def fill(layer: nn.Conv1d, weight: Tensor, bias: Tensor) -> None:
    """Gives a 1×1 convolution the weight [outs, ins] and the bias [outs]."""
    with torch.no_grad():
        layer.weight.copy_(weight[:, :, None])
        assert layer.bias is not None
        layer.bias.copy_(bias)


def material(sound: Tensor, generator: torch.Generator) -> Tensor:
    """A hundred pieces as they are trained on, which is what the latents are measured with."""
    return torch.cat([segments(sound, generator) for _ in range(100 // BATCH)])


def rotate(encoder: Encoder, decoder: Decoder, norm: nn.BatchNorm1d, pieces: Tensor) -> None:
    """Sets `fold` and `unfold` so that the latents of `pieces` have mean 0, variance 1 and no correlation, strongest first."""
    with torch.no_grad():
        z = norm(encoder(pieces)).transpose(1, 2).reshape(-1, DIMS)
        mean, centred = z.mean(0), z - z.mean(0)
        values, axes = torch.linalg.eigh(centred.T @ centred / len(z))
        values, axes = values.flip(0).clamp(min=1e-4), axes.flip(1)
        axes = axes * torch.sign(axes.sum(0))  # a direction has two signs: this one is the same each time
        assert norm.running_var is not None and norm.running_mean is not None
        scale = torch.rsqrt(norm.running_var.add(norm.eps))
        fold = (axes / values.sqrt()).T
        fill(encoder.fold, fold * scale, -fold @ (norm.running_mean * scale + mean))
        fill(decoder.unfold, axes * values.sqrt(), mean)


def level(sound: Tensor) -> Tensor:
    """Mel bands of `sound` [1, samples] in decades above −80 dB of full scale, [80, frames]."""
    return torch.log10(mel_bands(80, 2048, RATE) @ spectrum(sound, 2048)[0] + 1e-4)


def scores(model: Autoencoder, sound: Tensor) -> dict[str, float]:
    """Mean error of the mel bands in dB, of the model's offline output and of the recording's mean spectrum in its place."""
    with torch.no_grad():
        sound = sound[:1, : sound.size(1) // RATIO * RATIO]
        y = model(sound[None])[0][:, LATE:]
        due, got = level(sound[:, : y.size(1)]), level(y)
        mean = due.mean(1, keepdim=True)
    return {
        "mel_error_db": round(20 * float((got - due).abs().mean()), 2),
        "mel_error_of_mean_spectrum_db": round(20 * float((mean - due).abs().mean()), 2),
    }


def card(name: str, model: Autoencoder, sound: Tensor, seconds: float) -> dict[str, Any]:
    """What the file says about itself."""
    with torch.no_grad():
        z = model.encode(material(sound, torch.Generator().manual_seed(2))).transpose(0, 1).reshape(DIMS, -1)
        low, high = torch.quantile(z, torch.tensor([0.01, 0.99]), dim=1)
    whole = LATE + model.decoder.sound.after  # what the loss asks for, and what the layers add when streaming
    return {
        "name": name,
        "description": f"a small autoencoder of {WHAT[name]}",
        "licence": "CC0-1.0, as the recording; the program inside is Apache-2.0",
        "training_data": f"patches/sounds/{name}.flac, see README.md beside it",
        "command": f"python -m nodes.ml.small_train {name}",
        "seconds": round(seconds),
        "machine": f"one core, {platform.machine()}, torch {torch.__version__.split('+')[0]}",
        "metrics": scores(model, sound),
        "delay": {"encode": RATIO // 2, "decode": whole - RATIO // 2, "forward": whole},
        "latent": {
            "names": [f"z{i + 1}" for i in range(DIMS)],
            "mean": rounded(z.mean(1)),
            "std": rounded(z.std(1)),
            "low": rounded(low),  # one frame in a hundred lies below, one above `high`
            "high": rounded(high),
        },
    }


def rounded(values: Tensor) -> list[float]:
    return [round(v, 3) + 0.0 for v in values.tolist()]


def main(args: list[str]) -> int:
    """Trains the models called `args` and writes them where they are shipped.  Returns the exit code."""
    if not args or set(args) - set(WHAT):
        sys.stderr.write(f"say which: {', '.join(WHAT)}\n")
        return 2
    torch.set_num_threads(1)
    for name in args:
        sound = recording(SOUNDS / f"{name}.flac")
        began = time.monotonic()
        model = Autoencoder(*train(sound, seed=1))
        path = MODELS / f"{name}.ts"
        MODELS.mkdir(exist_ok=True)
        model.export(path, card(name, model, sound, time.monotonic() - began))
        hashes = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(MODELS.glob("*.ts"))}
        (MODELS / "sha256.json").write_text(json.dumps(hashes, indent=1) + "\n")
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
