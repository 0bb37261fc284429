"""WaVAE: a variational autoencoder of mel bands whose loudness is taken out of the latents and given back, and a vocoder.

Sound → mel bands → a few latents a frame, which an adversary keeps free of loudness → with a loudness put beside them, mel
bands again → sound (`nodes.ml.vocoder`).  After Caillon, Bitton, Gatinet and Esling, "Timbre latent space: exploration and
creative aspects" (2020), and the descriptions of its software; written anew.  What differs is said where it does.
"""

# No `from __future__ import annotations` here, as in nodes.ml.streaming.

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import jit
from .export import Module
from .small import mel_bands
from .spectral import STFT
from .streaming import Conv1d, ConvTranspose1d, Delay, Sequential
from .vocoder import QUIETEST, Block, Last, Vocoder


@dataclass(frozen=True)
class Config:
    """What a WaVAE is made of."""

    rate: int = 24000  # Hz
    ratio: int = 512  # samples a latent frame
    size: int = 1024  # samples of a short-time spectrum
    hop: int = 256  # and from one to the next; ratio is a multiple of it
    mels: int = 64
    latents: int = 16
    width: int = 144  # channels inside the autoencoder
    voice_width: int = 144  # channels inside the vocoder
    blocks: int = 4  # of the vocoder
    ahead: int = 2  # hops that the vocoder looks ahead
    floor: float = -60.0  # dB that count as loudness 0; the original has −40, which leaves out the ends of most notes
    kl: float = 0.1  # weight of the divergence from the prior
    swap: float = 1.0  # weight of being the same sound, softer or louder, at another's loudness; the original has none
    adversary: float = 1.0  # weight of the adversary; 0 leaves it out
    first: float = 0.7  # how much of the training is the autoencoder's; its steps take less time than the vocoder's, after it


PRESETS: dict[str, dict[str, float]] = {
    "tiny": {"mels": 16, "latents": 2, "width": 8, "voice_width": 8, "blocks": 1},
    "small": {"kl": 0.004},
    "full": {"mels": 128, "latents": 16, "width": 512, "voice_width": 512, "blocks": 8},
}
"""tiny is for tests, small learns on a CPU within a quarter of an hour, full wants a GPU for hours."""
SOUNDS: dict[str, dict[str, int]] = {
    "tones": {"size": 2048, "hop": 512, "ahead": 1, "mels": 96},
    "speech": {"size": 1024, "hop": 256, "ahead": 2, "mels": 96},
    "drums": {"size": 512, "hop": 128, "ahead": 2},
}
"""How finely to look: long frames tell pitches apart, short ones moments."""


def config(preset: str = "small", sound: str = "speech", **changes: float) -> Config:
    """A configuration by names.  Raises KeyError, TypeError."""
    return Config(**{**SOUNDS[sound], **PRESETS[preset], **changes})  # type: ignore[arg-type]


@dataclass
class Heard:
    """A sound as the model sees it: spectrum [batch, bins, hops], mels [batch, mels, hops], loudness [batch, 1, frames]."""

    re: Tensor
    im: Tensor
    mel: Tensor
    loud: Tensor


class Ear(nn.Module):
    """Sound [batch, 1, n] → spectrum, mel bands and loudness."""

    mel: Tensor
    power: Tensor

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.stft = STFT(1, c.size, c.hop)
        self.steps, self.floor = c.ratio // c.hop, c.floor
        bank = mel_bands(c.mels, c.size, c.rate)
        self.register_buffer("mel", bank * (4.0 / c.size), persistent=False)  # a full-scale sine has magnitude 1
        weights = torch.full((c.size // 2 + 1,), 2.0)
        weights[0] = weights[-1] = 1.0
        self.register_buffer("power", weights / (c.size * c.size * 0.375), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Real and imaginary parts, mel bands (0 … 1 for −100 … 0 dB), loudness (0 … 1 for `floor` … 0 dB).

        Loudness is the mean square under the Hann window, which is Parseval's sum over the spectrum, averaged over the hops of
        a latent frame.
        """
        re, im = self.stft(x).chunk(2, 1)
        square = re * re + im * im
        mel = torch.log10(torch.matmul(self.mel, torch.sqrt(square)).clamp(1e-5, 1.0)) * 0.2 + 1.0
        mean = torch.matmul(self.power, square)
        mean = mean.reshape(mean.size(0), 1, -1, self.steps).mean(3)
        loud = 1.0 - 10.0 * torch.log10(mean.clamp(10.0 ** (self.floor / 10.0), 1.0)) / self.floor
        return re, im, mel, loud


class Adversary(nn.Module):
    """Latents → mean and log variance of the flattened loudness of the same frame, [batch, 1, frames] each."""

    def __init__(self, latents: int, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv1d(latents, width // 2, 5, padding=2), nn.LeakyReLU(0.2),
            nn.Conv1d(width // 2, width, 5, padding=2), nn.LeakyReLU(0.2),
            nn.Conv1d(width, width // 2, 1), nn.LeakyReLU(0.2), nn.Conv1d(width // 2, 2, 1),
        )  # fmt: skip

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        mean, logvar = self.net(z).chunk(2, 1)
        return torch.sigmoid(mean), logvar.clamp(-5.0, 1.0)


def likelihood(mean: Tensor, logvar: Tensor, x: Tensor, even: float = 0.0) -> Tensor:
    """Gaussian negative log likelihood without its constants, mean over everything.

    With variances that are learned, what is hard is soon given up: its gradient is divided by them.  `even` takes that back,
    in part or (1) wholly: Seitzer and others, "On the pitfalls of heteroscedastic uncertainty estimation" (2022).
    """
    nll = logvar + (x - mean) ** 2 * torch.exp(-logvar)
    return (nll * torch.exp(even * logvar.detach())).mean()


class Scale(nn.Module):
    """Mel bands [batch, mels, frames] to and from mean 0 and variance 1."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((mels, 1), 0.4))
        self.register_buffer("deviation", torch.full((mels, 1), 0.2))

    def forward(self, mel: Tensor) -> Tensor:
        return (mel - self.mean) / self.deviation

    @jit.export
    def back(self, x: Tensor) -> Tensor:
        return (x * self.deviation + self.mean).clamp(0.0, 1.0)


class WaVAE(nn.Module):
    """All that is trained."""

    ranks: Tensor

    def __init__(self, c: Config) -> None:
        super().__init__()
        if c.ratio % c.hop or c.ratio // c.hop > 8:
            raise ValueError(f"{c.ratio} samples a latent frame are no small multiple of a hop of {c.hop}")
        steps = c.ratio // c.hop
        self.config = c
        self.ear = Ear(c)
        w = c.width
        self.encoder = Sequential(
            Conv1d(c.mels, w, 5), Block(w), Conv1d(w, w, 2 * steps - 1, steps, lookahead=steps - 1),
            Block(w), Last(w, 2 * c.latents),
        )  # fmt: skip
        self.decoder = Sequential(
            Conv1d(c.latents + 1, w, 3), Block(w), ConvTranspose1d(w, w, 2 * steps, steps),
            Block(w), Last(w, 2 * c.mels),
        )  # fmt: skip
        with torch.no_grad():
            for part in self.encoder.modules():
                if isinstance(part, Last):
                    part.out.bias[c.latents :] = -4.0  # else the decoder first learns that latents say nothing
        self.adversary = Adversary(c.latents, w)
        self.vocoder = Vocoder(c.rate, c.mels, c.size, c.hop, c.voice_width, c.blocks, c.ahead)
        self.register_buffer("ranks", torch.linspace(0.0, 1.0, 257))
        self.scale = Scale(c.mels)

    def hear(self, x: Tensor) -> Heard:
        """What of a sound [batch, 1, n] the model is trained on."""
        with torch.no_grad():
            return Heard(*self.ear(x))

    def measure(self, x: Tensor) -> None:
        """Takes means and variances of mel bands from training material [batch, 1, n], and how loudness is distributed.

        The latter by its quantiles, to flatten it for the adversary; the original fits ten Gaussians.
        """
        heard = self.hear(x)
        loud = heard.loud.flatten()
        spread = torch.quantile(loud[:: max(len(loud) // 100_000, 1)], torch.linspace(0.0, 1.0, 257, device=loud.device))
        self.ranks.copy_(spread)
        self.scale.mean.copy_(heard.mel.mean((0, 2))[:, None])
        self.scale.deviation.copy_(heard.mel.std((0, 2))[:, None] + 0.02)

    def flat(self, loud: Tensor) -> Tensor:
        """Loudness as its rank in the training material, 0 … 1; silence, which is often, is in the middle of its ranks."""
        ranks = self.ranks.contiguous()
        low, high = torch.searchsorted(ranks, loud.contiguous()), torch.searchsorted(ranks, loud.contiguous(), right=True)
        return ((low + high).float() / 2 / len(ranks)).clamp(0.0, 1.0)

    def encode(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latents, [batch, latents, frames] each."""
        mean, logvar = self.encoder(self.scale(mel)).chunk(2, 1)
        return mean, logvar.clamp(-10.0, 4.0)

    def decode(self, z: Tensor, loud: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of mel bands, scaled, from latents and raw loudness."""
        mean, logvar = self.decoder(torch.cat([z, loud], 1)).chunk(2, 1)
        return mean, logvar.clamp(-5.0, 1.0)

    def losses(self, x: Tensor, done: float) -> dict[str, Tensor]:
        """Everything to be made small, weighted, for sounds [batch, 1, n]; `done` is how much of the training, 0 … 1."""
        c, heard = self.config, self.hear(x)
        if done >= c.first:
            return self.voice(x, heard, (done - c.first) / (1.0 - c.first))
        mean, logvar = self.encode(heard.mel)
        z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)  # the original's code takes exp(logvar)
        mel, spread = self.decode(z, heard.loud)
        out = {
            "mel": likelihood(mel, spread, self.scale(heard.mel), 0.5),
            "kl": c.kl * (mean * mean + torch.exp(logvar) - logvar - 1.0).mean(),
        }
        if c.adversary > 0:
            out |= self.contest(z, self.flat(heard.loud), c.adversary * (1.0 - math.exp(-5.0 * done)))
        if c.swap > 0:
            other = heard.loud.roll(1, 0)
            steps = c.ratio // c.hop
            louder = ((other - heard.loud) * (-c.floor / 100.0)).repeat_interleave(steps, 2)
            both = ((other > 0.1) & (heard.loud > 0.1)).repeat_interleave(steps, 2)
            off = (self.decode(z, other)[0] - self.scale((heard.mel + louder).clamp(0.0, 1.0))).abs()
            out["swap"] = c.swap * (off * both).mean()
        return out

    def voice(self, x: Tensor, heard: Heard, done: float) -> dict[str, Tensor]:
        """What the vocoder is to make small; it learns from true mel bands at first, and ever more from decoded ones."""
        with torch.no_grad():
            mel = self.scale.back(self.decode(self.encode(heard.mel)[0], heard.loud)[0])
        voc, rows = self.vocoder, len(x)
        true = rows - int(rows * min(2.0 * done, 0.75))
        level = voc.net(torch.cat([heard.mel[:true], mel[true:]]))
        out = voc.losses(level, heard.re, heard.im)
        if done > 0.7:
            half, start = rows // 2, 4 * self.config.size
            out["sound"] = 0.5 * unlike(voc.sound(level[half:], 1.0)[:, 0, start:], x[half:, 0, start:])
        return out

    def contest(self, z: Tensor, rank: Tensor, weight: float) -> dict[str, Tensor]:
        """The adversary learns to tell loudness from latents; the encoder, that it cannot tell more than one who knows nothing.

        The original reverses the adversary's gradient, which does not stop there: an encoder may then win by latents that
        make a sure adversary ever more wrong, and leaves everything else for it.
        """
        fixed = {name: p.detach() for name, p in self.adversary.named_parameters()}
        told = torch.func.functional_call(self.adversary, fixed, (z,))
        knows = likelihood(told[0], told[1], rank)
        nothing = torch.log(rank.var() + 1e-4) + 1.0
        mean, logvar = self.adversary(z.detach())
        return {
            "adversary": likelihood(mean, logvar, rank),
            "fooled": weight * F.relu(nothing - knows),
        }

    @torch.no_grad()
    def axes(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Principal axes of the latents of sounds [batch, 1, n]: mean [Z], axes [Z, Z] (a column each), deviations [Z].

        Frames that are silent or beyond 10 do not count.
        """
        heard = self.hear(x)
        z = self.encode(heard.mel)[0].transpose(1, 2).reshape(-1, self.config.latents)
        z = z[(heard.loud.flatten() > 0.02) & (z.abs().amax(1) < 10.0)]
        mean = z.mean(0)
        values, axes = torch.linalg.eigh(torch.cov(z.T).reshape(len(mean), len(mean)))
        axes = axes.flip(1) * torch.sign(axes.flip(1).sum(0))  # a direction has two signs: this one is the same each time
        return mean, axes, values.flip(0).clamp(min=1e-6).sqrt()


def unlike(y: Tensor, x: Tensor) -> Tensor:
    """How far spectra of `y` are from those of `x`, both [batch, n], at three resolutions, linear and logarithmic."""
    total = torch.zeros((), device=x.device)
    for size in (2048, 512, 128):
        window = torch.hann_window(size, device=x.device)
        scale = 2.0 / float(window.sum())
        a, b = (torch.stft(s, size, size // 4, window=window, center=False, return_complex=True).abs() * scale for s in (y, x))
        total = total + (a - b).abs().mean() / (b.mean() + 1e-4) + (torch.log(a + 1e-4) - torch.log(b + 1e-4)).abs().mean()
    return total / 3.0


class Obey(nn.Module):
    """Log magnitudes above QUIETEST [batch, bins, hops], made as loud as was asked: [batch, 1, hops], 0 … 1.

    What is asked waits for the network before, which looks ahead; both are compared over a latent frame.  `usual` is by how
    much (of a natural logarithm of power) that network is too soft with the sounds it knows: it says middle magnitudes, and
    louder ones would all be further from the sound's.  So this much stays, and loudness is off by a constant.
    """

    power: Tensor
    usual: Tensor

    def __init__(self, ear: Ear, size: int, late: int, most: float = 12.0) -> None:
        """`late` is the hops by which magnitudes of a stream come after what was asked, `most` the dB that are made up for."""
        super().__init__()
        self.register_buffer("power", ear.power * (size / 4.0) ** 2, persistent=False)
        self.register_buffer("usual", torch.zeros(()))
        self.floor, self.least = ear.floor, QUIETEST
        self.most = most * math.log(10.0) / 10.0
        self.wait, self.mean = Delay(1, late), Conv1d(2, 2, ear.steps, groups=2, bias=False)
        self.mean.align(late)
        with torch.no_grad():
            self.mean.conv.weight.fill_(1.0 / ear.steps)

    def forward(self, level: Tensor, loud: Tensor) -> Tensor:
        return level + 0.5 * (self.lacking(level, loud) - self.usual).clamp(-self.most, self.most)

    def lacking(self, level: Tensor, loud: Tensor) -> Tensor:
        """By how much more power is asked, as a natural logarithm, [batch, 1, hops]."""
        asked = torch.pow(10.0, (1.0 - self.wait(loud)) * (self.floor / 10.0))
        heard = torch.matmul(self.power, torch.exp(2.0 * (level + self.least)))[:, None]
        both = torch.log(self.mean(torch.cat([asked, heard], 1)) + 1e-9)
        return both[:, :1] - both[:, 1:]


class Wavae(Module):
    """What is exported: encode, decode and forward, and the attribute `noise`.  The last latent is loudness, 0 … 1.

    A stream is worked on frame by frame, however many come at once: sums of other lengths have other last bits, and phases may
    make much of these.  So a sound is the same to the last bit in buffers of every size.
    """

    noise: tuple[float]

    def __init__(self, model: WaVAE, mean: Tensor, axes: Tensor, spread: Tensor) -> None:
        """`mean`, `axes` and `spread` are `WaVAE.axes`: latents become their principal axes, 3 deviations as ±1."""
        c = model.config
        super().__init__(c.rate)
        self.ear, self.scale, self.vocoder = model.ear, model.scale, model.vocoder
        self.encoder, self.decoder = model.encoder, model.decoder
        self.mels, self.latents, self.ratio = c.mels, c.latents, c.ratio
        self.fold, self.unfold = nn.Conv1d(c.latents, c.latents, 1), nn.Conv1d(c.latents, c.latents, 1)
        scale = 3.0 * spread
        with torch.no_grad():
            for layer, weight, bias in (
                (self.fold, axes.T / scale[:, None], -(mean @ axes) / scale),
                (self.unfold, axes * scale, mean),
            ):
                layer.weight.copy_(weight[:, :, None])
                assert layer.bias is not None
                layer.bias.copy_(bias)
        self.vocoder.align(self.decoder.align(0))
        self.obey = Obey(model.ear, c.size, self.vocoder.net.after)
        names = [f"z{i + 1}" for i in range(c.latents)] + ["loudness"]
        self.register_attribute(
            "noise", 1.0, 0.0, 2.0,
            doc="how much of the phases is chance: 1 as learned, 0 makes breath metallic, above 1 roughens tones",
        )  # fmt: skip
        self.register_method("encode", 1, 1, c.latents + 1, c.ratio, ["sound"], names)
        self.register_method("decode", c.latents + 1, c.ratio, 1, 1, names, ["sound"])
        self.register_method("forward", 1, 1, 1, 1, ["sound"], ["sound"])

    def encode(self, x: Tensor) -> Tensor:
        if not self.vocoder.phases.streaming or x.size(2) == self.ratio:
            return self.heard(x)
        return torch.cat([self.heard(frame) for frame in x.split(self.ratio, 2)], 2)

    def heard(self, x: Tensor) -> Tensor:
        """What `encode` gives, all at once."""
        _re, _im, mel, loud = self.ear(x)
        return torch.cat([self.fold(self.encoder(self.scale(mel))[:, : self.latents]), loud], 1)

    def decode(self, z: Tensor) -> Tensor:
        """Latents beyond ±4 and loudness beyond 0 … 1 are cut, so that the output is bounded."""
        if not self.vocoder.phases.streaming or z.size(2) == 1:
            return self.said(z)
        return torch.cat([self.said(frame) for frame in z.split(1, 2)], 2)

    def said(self, z: Tensor) -> Tensor:
        """What `decode` gives, all at once."""
        loud = z[:, self.latents :].clamp(0.0, 1.0)
        level = self.obey(self.levels(z, loud), loud.repeat_interleave(self.ear.steps, 2))
        return self.vocoder.sound(level, self.noise[0])

    def levels(self, z: Tensor, loud: Tensor) -> Tensor:
        """What the networks make of latents: log magnitudes above QUIETEST."""
        inside = self.unfold(z[:, : self.latents].clamp(-4.0, 4.0))
        scaled = self.decoder(torch.cat([inside, loud], 1))[:, : self.mels]
        return self.vocoder.net(self.scale.back(scaled))

    @torch.no_grad()
    def calibrate(self, x: Tensor) -> None:
        """Learns from sounds [batch, 1, n], before it streams, how much softer than asked the networks are as a rule."""
        z = self.encode(x)
        loud = z[:, self.latents :]
        hops = loud.repeat_interleave(self.ear.steps, 2)
        self.obey.usual.copy_(self.obey.lacking(self.levels(z, loud), hops)[hops > 0.1].median())

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))
