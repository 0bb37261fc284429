"""zrack's vocoder beside MelGAN: `python -m tests.benchmarks.vocoders CORPUS -o FOLDER [--minutes 8] [--warm 0.5]`.

Both learn from the same true mel bands of the same corpus for the same processor time on one core, and are then compared on
sound that neither heard.  Writes figures.json, vocoders.png (spectrograms) and vocoders.flac (the true sound, then each).

MelGAN is that of Kumar and others, "MelGAN: Generative Adversarial Networks for Conditional Waveform Synthesis" (2019): layers,
strides, dilations, losses and their weights.  What differs is scaled for minutes on a processor: fewer channels, so that its
generator is about as large as our network; smaller discriminators; and for the first part of the time, `--warm`, the generator
alone learns from a distance of spectra, because a discriminator teaches little at first.  It is not causal: it hears the whole
sound at once, which ours does not.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

from nodes.ml import pictures
from nodes.ml.data import Corpus
from nodes.ml.evaluate import held_out
from nodes.ml.vocoder import Vocoder
from nodes.ml.wavae import Config, Ear, config, unlike
from nodes.ml.wavae_eval import decibels, error

BATCH, FRAMES = 8, 16384
"""Chunks in a step, and samples in a chunk: as in training a WaVAE, and in MelGAN."""
GENERATOR, DISCRIMINATOR, WIDEST = 12, 4, 256
"""Channels: the original has 32, 16 and 1024."""
UPS = (8, 8, 2, 2)
HEARD = 40.0
"""Seconds of held-out sound."""
Tell = Callable[[str], None]


# ------------------------------------------------------------------------------------------------------------ MelGAN


class Dilated(nn.Module):
    """A residual block: a convolution with holes, one of each sample, and a way past them."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.LeakyReLU(0.2), nn.ReflectionPad1d(dilation), weight_norm(nn.Conv1d(width, width, 3, dilation=dilation)),
            nn.LeakyReLU(0.2), weight_norm(nn.Conv1d(width, width, 1)),
        )  # fmt: skip
        self.past = weight_norm(nn.Conv1d(width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.past(x) + self.block(x)
        return y


def generator(mels: int) -> nn.Sequential:
    """Mel bands [batch, mels, frames] → sound [batch, 1, 256·frames]."""
    width = GENERATOR * 2 ** len(UPS)
    layers: list[nn.Module] = [nn.ReflectionPad1d(3), weight_norm(nn.Conv1d(mels, width, 7))]
    for up in UPS:
        layers += [nn.LeakyReLU(0.2), weight_norm(nn.ConvTranspose1d(width, width // 2, 2 * up, up, up // 2 + up % 2))]
        width //= 2
        layers += [Dilated(width, 3**i) for i in range(3)]
    layers += [nn.LeakyReLU(0.2), nn.ReflectionPad1d(3), weight_norm(nn.Conv1d(width, 1, 7)), nn.Tanh()]
    return nn.Sequential(*layers)


class Judge(nn.Module):
    """One discriminator: sound → what it thinks at every layer, the verdict last."""

    def __init__(self) -> None:
        super().__init__()
        width = DISCRIMINATOR
        layers = [nn.Sequential(nn.ReflectionPad1d(7), weight_norm(nn.Conv1d(1, width, 15)), nn.LeakyReLU(0.2))]
        for _ in range(4):
            last, width = width, min(4 * width, WIDEST)
            layers.append(nn.Sequential(weight_norm(nn.Conv1d(last, width, 41, 4, 20, groups=last // 4)), nn.LeakyReLU(0.2)))
        layers.append(nn.Sequential(weight_norm(nn.Conv1d(width, width, 5, padding=2)), nn.LeakyReLU(0.2)))
        layers.append(nn.Sequential(weight_norm(nn.Conv1d(width, 1, 3, padding=1))))
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        out = []
        for layer in self.layers:
            x = layer(x)
            out.append(x)
        return out


class Judges(nn.Module):
    """Three of them, at the full rate, half of it and a quarter."""

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.ModuleList(Judge() for _ in range(3))

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        out = []
        for judge in self.each:
            out.append(judge(x))
            x = F.avg_pool1d(x, 4, 2, 1, count_include_pad=False)
        return out


# ---------------------------------------------------------------------------------------------------------- learning


def chunks(corpus: Corpus, rate: int, seed: int) -> Iterator[Tensor]:
    """Batches [BATCH, 1, FRAMES] of the training sound, the same for all."""
    streams = [corpus.chunks("train", FRAMES, rate, seed, first=i, step=BATCH, gain=10.0, polarity=True) for i in range(BATCH)]
    while True:
        yield torch.from_numpy(np.stack([next(s)[0][:1] for s in streams]))


def pace(done: float) -> float:
    """The rate of learning, 1 at most: rises and falls, as in `nodes.ml.train`."""
    return min(done / 0.05 + 0.01, 0.02 + 0.98 * math.cos(done * math.pi / 2) ** 2)


def timed(name: str, minutes: float, step: Callable[[float], float], tell: Tell) -> int:
    """Calls `step` with how much of the processor time is over, 0 … 1, until it is; returns how often."""
    start, said, count = time.process_time(), 0.0, 0
    while (spent := time.process_time() - start) < 60.0 * minutes:
        loss = step(spent / (60.0 * minutes))
        count += 1
        if spent - said > 30.0:
            said = spent
            tell(f"{name}: {spent / 60:.1f} of {minutes:g} minutes, {count} steps, loss {loss:.3f}")
    return count


def descend(optimiser: torch.optim.Optimizer, loss: Tensor, net: nn.Module, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimiser.step()


def ours(c: Config, ear: Ear, data: Iterator[Tensor], minutes: float, tell: Tell) -> tuple[Vocoder, int]:
    """The vocoder of a WaVAE, trained as there, but from true mel bands only."""
    voc = Vocoder(c.rate, c.mels, c.size, c.hop, c.voice_width, c.blocks, c.ahead)
    optimiser = torch.optim.Adam(voc.parameters(), betas=(0.9, 0.98))
    half, start = BATCH // 2, 4 * c.size

    def step(done: float) -> float:
        x = next(data)
        with torch.no_grad():
            re, im, mel, _ = ear(x)
        level = voc.net(mel)
        losses = voc.losses(level, re, im)
        if done > 0.7:
            losses["sound"] = 0.5 * unlike(voc.sound(level[half:], 1.0)[:, 0, start:], x[half:, 0, start:])
        loss = torch.stack(list(losses.values())).sum()
        descend(optimiser, loss, voc, 2e-3 * pace(done))
        return float(loss.detach())

    return voc.eval(), timed("ours", minutes, step, tell)


def melgan(c: Config, ear: Ear, data: Iterator[Tensor], minutes: float, warm: float, tell: Tell) -> tuple[nn.Module, int]:
    """MelGAN: `warm` of the time by a distance of spectra, then hinge losses and matched features."""
    net, judges = generator(c.mels), Judges()
    first = torch.optim.Adam(net.parameters(), betas=(0.5, 0.9))
    second = torch.optim.Adam(judges.parameters(), betas=(0.5, 0.9))

    def step(done: float) -> float:
        x = next(data)
        with torch.no_grad():
            mel = ear(x)[2]
        y = net(mel)
        if done < warm:
            loss = unlike(y[:, 0], x[:, 0])
            descend(first, loss, net, 1e-3 * min(done / 0.05 + 0.01, 1.0))
            return float(loss.detach())
        real, false = judges(x), judges(y.detach())
        loss = sum((F.relu(1 - r[-1]).mean() + F.relu(1 + f[-1]).mean() for r, f in zip(real, false)), torch.zeros(()))
        descend(second, loss, judges, 3e-4)
        told = judges(y)
        loss = sum((-t[-1].mean() for t in told), torch.zeros(()))
        for r, t in zip(real, told):
            for a, b in zip(r[:-1], t[:-1]):
                loss = loss + 10.0 * (4.0 / 5.0) / 3.0 * (a.detach() - b).abs().mean()
        descend(first, loss, net, 3e-4)
        return float(loss.detach())

    count = timed("MelGAN", minutes, step, tell)
    for module in net.modules():
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight")
    return net.eval(), count


# --------------------------------------------------------------------------------------------------------- comparing


def realtime(say: Callable[[Tensor], Tensor], mel: Tensor, hop: int, rate: int, trials: int = 15) -> float:
    """How many times faster than its sound, all at once: processor time on one core, median.  Frame by frame, see `zrack
    evaluate`, which measures ours as it is exported."""
    times = []
    for _ in range(trials):
        start = time.process_time()
        say(mel)
        times.append(time.process_time() - start)
    return mel.size(2) * hop / rate / float(np.median(times[trials // 3 :]))


@torch.no_grad()
def compare(c: Config, ear: Ear, sounds: list[Tensor], ways: dict[str, Callable[[Tensor], Tensor]]) -> dict[str, Any]:
    """Figures of each way from mel bands to sound, over all held-out sounds [1, 1, samples]."""
    figures: dict[str, Any] = {}
    for name, say in ways.items():
        off, far = [], []
        for x in sounds:
            mel = ear(x)[2]
            y = say(mel)[..., : x.size(2)]
            off.append(error(decibels(ear(y)[2]), decibels(mel)))
            far.append(float(unlike(y[:, 0], x[:, 0])))
        second = ear(sounds[0][..., : c.rate // c.ratio * c.ratio])[2]
        figures[name] = {
            "mel_error_db": round(float(np.mean(off)), 3),
            "spectral_distance": round(float(np.mean(far)), 4),
            "realtime": round(realtime(say, second, c.hop, c.rate), 2),
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=8.0, help="of processor time for each")
    parser.add_argument("--warm", type=float, default=0.5, help="part of it in which MelGAN has no discriminators yet, 0 … 1")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    given.output.mkdir(parents=True, exist_ok=True)
    c = config("small", "speech")
    if math.prod(UPS) != c.hop:
        parser.error(f"MelGAN makes {math.prod(UPS)} samples a frame, not {c.hop}")
    corpus, ear = Corpus(given.corpus), Ear(c)

    def tell(text: str) -> None:
        print(text, flush=True)

    torch.manual_seed(given.seed)
    voc, counted = ours(c, ear, chunks(corpus, c.rate, given.seed), given.minutes, tell)
    torch.manual_seed(given.seed)
    net, steps = melgan(c, ear, chunks(corpus, c.rate, given.seed), given.minutes, given.warm, tell)

    sounds = [x[: len(x) // c.ratio * c.ratio][None, None] for x in held_out(corpus, c.rate, HEARD) if len(x) > 2 * c.rate]
    ways: dict[str, Callable[[Tensor], Tensor]] = {"ours": lambda mel: voc(mel, 1.0), "MelGAN": net}
    figures = compare(c, ear, sounds, ways)
    with torch.no_grad():
        best = max(sounds, key=lambda x: min(x.size(2), 6 * c.rate))[..., : 6 * c.rate // c.ratio * c.ratio]
        heard = {"true": best[0, 0].numpy(), **{name: say(ear(best)[2])[0, 0].numpy() for name, say in ways.items()}}
    for name, made, count in (("ours", voc, counted), ("MelGAN", net, steps)):
        size = sum(p.numel() for p in made.parameters())
        figures[name] |= {"parameters": size, "megabytes": round(4e-6 * size, 2), "steps": count, "minutes": given.minutes}
    figures["MelGAN"]["warm"] = given.warm
    (given.output / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    pictures.spectrograms(given.output / "vocoders.png", heard, c.rate)
    soundfile.write(given.output / "vocoders.flac", np.clip(np.concatenate(list(heard.values())), -1, 1), c.rate)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
