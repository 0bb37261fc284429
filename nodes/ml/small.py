"""Small autoencoders of one recording: bands of its spectrum to a few latents, and from them its partials and its noise.

The encoder reads the levels of mel bands; the decoder turns the latents back into the levels of fixed sine waves, which lie
where the recording's spectrum peaks, and of filtered noise.  Sines plus noise is Serra and Smith's model ("Spectral modeling
synthesis", 1990); a network that drives it and learns from spectra is Engel and others' ("DDSP", 2020), as is the curve that
makes levels of network outputs.  Everything is bounded, whatever the latents are, so a feedback loop cannot blow it up.
`nodes.ml.small_train` makes the models that are shipped.
"""

# No `from __future__ import annotations` here, as in nodes.ml.streaming.

import math

import torch
from torch import Tensor, nn

from .export import Module
from .spectral import ISTFT, STFT
from .streaming import ROWS, Conv1d, ConvTranspose1d, Layer, Parallel, Residual, Sequential

RATE = 48000
"""Hz."""
RATIO = 512
"""Samples a latent frame."""
HOP = 256
"""Samples a frame of levels in the decoder."""
DIMS = 8
BANDS = 64
"""Mel bands that the encoder reads, and bands of noise that the decoder shapes."""
WIDTH = 96
"""Channels inside.  Kernels have no holes: torch's dilated convolution takes ten times as long for one frame."""


def mel_bands(bands: int, size: int, rate: int) -> Tensor:
    """Triangles [bands, size ÷ 2 + 1], equally far apart in mel (2595·log10(1 + f/700)) up to half the rate, each of sum 1."""
    top = 2595 * math.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, bands + 2, dtype=torch.float64) / 2595) - 1)
    f = torch.linspace(0, rate / 2, size // 2 + 1, dtype=torch.float64)
    width = edges.diff().clamp(min=rate / size)  # a triangle narrower than a bin would miss them all
    rise = 1 - (edges[1:-1, None] - f) / width[:-1, None]
    fall = 1 - (f - edges[1:-1, None]) / width[1:, None]
    bank = torch.minimum(rise, fall).clamp(min=0)
    return (bank / bank.sum(1, keepdim=True)).float()


class Encoder(nn.Module):
    """[batch, 1, n] → [batch, DIMS, n ÷ RATIO]."""

    mel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stft = STFT(1, 2 * RATIO, RATIO)
        self.register_buffer("mel", mel_bands(BANDS, 2 * RATIO, RATE))
        self.net = Sequential(
            Conv1d(BANDS, WIDTH, 1),
            Residual(nn.SiLU(), Conv1d(WIDTH, WIDTH, 3)),
            Residual(nn.SiLU(), Conv1d(WIDTH, WIDTH, 5)),
            nn.SiLU(),
            Conv1d(WIDTH, DIMS, 1),
        )
        self.fold = nn.Conv1d(DIMS, DIMS, 1)  # to latents of unit variance, the strongest first; set after training

    def forward(self, x: Tensor) -> Tensor:
        re, im = self.stft(x).chunk(2, 1)
        power = torch.matmul(self.mel, re * re + im * im)
        return self.fold(self.net(torch.log10(power * 1e4 + 1.0) * 0.5))  # silence is 0, as is what came before the start


class Sines(Layer):
    """Levels [batch, partials + …, frames] → [batch, 1, frames·HOP]: sines of fixed frequencies, their levels ramped.

    Each sine's phase comes from the count of samples since the start, so that chunks cannot drift apart.
    """

    turns: Tensor
    table: Tensor
    ramp: Tensor
    clock: Tensor

    def __init__(self, freqs: Tensor) -> None:
        """`freqs` [partials] in Hz."""
        super().__init__()
        self.partials, self.hop = len(freqs), HOP
        turns = freqs.double() / RATE
        angle = 2 * math.pi * turns[:, None] * torch.arange(HOP, dtype=torch.float64)
        self.register_buffer("turns", turns)
        self.register_buffer("table", torch.cat([angle.cos(), angle.sin()]).float())
        self.register_buffer("ramp", (torch.arange(HOP) + 1.0) / HOP)
        self.register_buffer("clock", torch.zeros(ROWS, dtype=torch.int64), persistent=False)
        self.rate = self.rate * HOP
        self.align(0)

    def align(self, before: int) -> int:
        return self._place(before, before * HOP, (self.partials, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.gate(x)[:, : self.partials]
        rows, frames = x.size(0), x.size(2)
        frame = torch.arange(frames, device=x.device)[None]
        if self.streaming:
            frame = frame + self.clock[:rows, None] - self.before
            self.clock[:rows] += frames
            past = torch.cat([self.state[:rows], x[..., :-1]], 2)
            self.state[:rows] = x[..., -1:].detach()
        else:
            past = torch.cat([torch.zeros_like(x[..., :1]), x[..., :-1]], 2)
        cycles = (frame * self.hop)[..., None] * self.turns
        phase = ((cycles - cycles.floor()) * (2 * math.pi)).to(x.dtype)
        wave = torch.cat([phase.sin(), phase.cos()], 2)  # [rows, frames, 2·partials]: sin(φ + a) = sin φ cos a + cos φ sin a
        y0 = torch.matmul(torch.cat([past, past], 1).transpose(1, 2) * wave, self.table)
        y1 = torch.matmul(torch.cat([x, x], 1).transpose(1, 2) * wave, self.table)
        return (y0 + (y1 - y0) * self.ramp).reshape(rows, 1, -1)


class Noise(Layer):
    """Levels [batch, … + BANDS, frames] → [batch, 1, frames·HOP]: white noise whose bands have these levels.

    The noise is a function of the count of samples since the start: the same every time.
    """

    bands: Tensor
    window: Tensor
    clock: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.count, self.hop = BANDS, HOP
        mel = mel_bands(BANDS, 2 * HOP, RATE)
        self.register_buffer("bands", (mel / mel.sum(0).clamp(min=1e-3)).T.contiguous())  # each bin shares out its bands
        self.register_buffer("window", torch.hann_window(2 * HOP))
        self.register_buffer("clock", torch.zeros(ROWS, dtype=torch.int64), persistent=False)
        self.istft = ISTFT(1, 2 * HOP, HOP)
        self.rate = self.rate * HOP
        self.align(0)

    def align(self, before: int) -> int:
        return self._place(before, self.istft.align(before), ())

    def forward(self, x: Tensor) -> Tensor:
        x = self.gate(x)[:, -self.count :]
        rows, frames = x.size(0), x.size(2)
        first = torch.zeros(rows, dtype=torch.int64, device=x.device)
        if self.streaming:
            first = self.clock[:rows] - self.before
            self.clock[:rows] += frames
        samples = torch.arange((frames + 1) * self.hop, device=x.device) + first[:, None] * self.hop
        grains = white(samples).unfold(1, 2 * self.hop, self.hop) * self.window
        shape = torch.matmul(self.bands, x)
        z = torch.fft.rfft(grains).transpose(1, 2)
        return self.istft(torch.cat([torch.real(z) * shape, torch.imag(z) * shape], 1))


def white(count: Tensor) -> Tensor:
    """White noise in ±1 as a function of whole numbers [...]: their bits, mixed (Wellons' `lowbias32`, public domain)."""
    h = count & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 0x846CA68B) & 0xFFFFFFFF
    h = h ^ (h >> 16)
    return h.to(torch.float32) / 2147483648.0 - 1.0


class Decoder(nn.Module):
    """[batch, DIMS, frames] → [batch, 1, frames·RATIO]."""

    loud: Tensor

    def __init__(self, freqs: Tensor, loud: Tensor) -> None:
        """`freqs` [partials] in Hz; `loud` [partials + BANDS]: the most that a partial and a band of noise can be."""
        super().__init__()
        self.partials = len(freqs)
        self.unfold = nn.Conv1d(DIMS, DIMS, 1)  # undoes the encoder's `fold`
        last = Conv1d(WIDTH, len(loud), 1)
        nn.init.constant_(last.conv.bias, -2.0)  # begins soft
        self.net = Sequential(
            Conv1d(DIMS, WIDTH, 3),
            Residual(nn.SiLU(), Conv1d(WIDTH, WIDTH, 3)),
            Residual(nn.SiLU(), Conv1d(WIDTH, WIDTH, 5)),
            nn.SiLU(),
            ConvTranspose1d(WIDTH, WIDTH, 2 * RATIO // HOP, RATIO // HOP),
            Residual(nn.SiLU(), Conv1d(WIDTH, WIDTH, 3)),
            nn.SiLU(),
            last,
        )
        self.register_buffer("loud", loud[:, None].clone())
        self.sound = Parallel(Sines(freqs), Noise(), channels=1)
        self.sound.align(self.net.after)

    def forward(self, z: Tensor, air: float) -> Tensor:
        """`air` multiplies the noise."""
        level = self.loud * torch.sigmoid(self.net(self.unfold(z))) ** 2.3
        return self.sound(torch.cat([level[:, : self.partials], level[:, self.partials :] * air], 1))


class Autoencoder(Module):
    """What is exported: methods encode, decode and forward, attributes temperature and noise."""

    temperature: tuple[float]
    noise: tuple[float]

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__(RATE)
        self.encoder, self.decoder = encoder, decoder
        names = [f"z{i + 1}" for i in range(DIMS)]
        self.register_attribute(
            "temperature",
            0.0,
            0.0,
            2.0,
            doc="random change of the latents, frame by frame; 1 is as much as they vary in training",
        )
        self.register_attribute("noise", 1.0, 0.0, 4.0, doc="level of the noisy part of the sound; 0 leaves the tones")
        self.register_method("encode", 1, 1, DIMS, RATIO, ["sound"], names)
        self.register_method("decode", DIMS, RATIO, 1, 1, names, ["sound"])
        self.register_method("forward", 1, 1, 1, 1, ["sound"], ["sound"])

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        temperature = self.temperature[0]
        if temperature > 0.0:
            z = z + temperature * torch.randn_like(z)
        return self.decoder(z, self.noise[0])

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))
