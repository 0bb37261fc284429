"""Streaming layers between samples and frames: short-time Fourier transform and back, and a PQMF filter bank.

Both pairs, analysis then synthesis, give back what went in.  See `nodes.ml.streaming` for streaming, offline, `lookahead` and
`delay`.
"""

# No `from __future__ import annotations` here, as in nodes.ml.streaming.

import math
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor

from .streaming import Conv1d, ConvTranspose1d, Layer, cut, overlap


class STFT(Layer):
    """[batch, channels, samples] → [batch, channels·2·bins, samples ÷ hop]: of each channel the real parts, then the imaginary.

    Frames of `size` samples under a periodic Hann window, bins = size ÷ 2 + 1, not scaled.  Offline, frame t reaches up to
    sample t·hop + `lookahead`; as made that is the newest sample that has arrived with it (hop − 1), which costs no delay.
    """

    window: Tensor

    def __init__(self, channels: int, size: int, hop: int, lookahead: int = -1) -> None:
        super().__init__(Fraction(1, hop), hop)
        self.channels, self.size, self.hop = channels, size, hop
        self.lookahead = hop - 1 if lookahead < 0 else lookahead
        if not 0 < hop <= size or self.lookahead >= size:
            raise ValueError(f"frames of {size} samples take a hop of 1 to {size} and look at most {size - 1} ahead")
        self.register_buffer("window", torch.hann_window(size), persistent=False)
        self.align(0)

    def align(self, before: int) -> int:
        after, phase = divmod(before + self.lookahead, self.hop)
        self.history = self.size - 1 - phase
        return self._place(before, after, (self.channels, self.history))

    def forward(self, x: Tensor) -> Tensor:
        x = self.gate(x)
        rows, frames = x.size(0), x.size(2) // self.hop
        if self.streaming:
            x = torch.cat([self.state[:rows], x], 2)
            self.state[:rows] = x[..., x.size(2) - self.history :].detach()
        else:
            x = F.pad(x, [self.size - 1 - self.lookahead, max(self.lookahead - self.hop + 1, 0)])
        z = torch.fft.rfft(x.unfold(2, self.size, self.hop) * self.window)  # [batch, channels, frames, bins]
        return torch.cat([torch.real(z), torch.imag(z)], 3).transpose(2, 3).reshape(rows, -1, frames)


class ISTFT(Layer):
    """[batch, channels·2·bins, frames] → [batch, channels, frames·hop]: the inverse of `STFT` by overlap-add.

    Frames pass the Hann window a second time and their sum is levelled.  Offline, the first `lookahead` samples are cut off;
    as made that is size − hop, so that `STFT` and `ISTFT` as made are the identity offline, and late by that when streaming.
    Raises ValueError where frames overlap too little to be levelled.
    """

    window: Tensor

    def __init__(self, channels: int, size: int, hop: int, lookahead: int = -1) -> None:
        super().__init__(Fraction(hop))
        self.channels, self.size, self.hop, self.tail = channels, size, hop, size - hop
        self.lookahead = size - hop if lookahead < 0 else lookahead
        window = torch.hann_window(size, dtype=torch.float64)
        place = torch.arange(size) % hop
        level = torch.zeros(hop, dtype=torch.float64).index_add(0, place, window**2)
        if 2 * hop > size:
            raise ValueError(f"frames of {size} samples need a hop of at most {size // 2} to overlap, not {hop}")
        self.register_buffer("window", (window / level[place]).float(), persistent=False)
        self.align(0)

    def align(self, before: int) -> int:
        return self._place(before, before * self.hop + self.lookahead, (self.channels, self.tail))

    def forward(self, x: Tensor) -> Tensor:
        x = self.gate(x)
        rows, frames = x.size(0), x.size(2)
        n = frames * self.hop
        re, im = x.reshape(rows * self.channels, -1, frames).chunk(2, 1)
        y = torch.fft.irfft(torch.complex(re, im), self.size, 1) * self.window[:, None]  # [rows·channels, size, frames]
        y = F.fold(y, (1, n + self.tail), (1, self.size), stride=(1, self.hop)).reshape(rows, self.channels, -1)
        return overlap(y, n, self.state, self.tail) if self.streaming else cut(y, self.lookahead, n)


def pqmf(bands: int, taps: int = 0) -> tuple[Conv1d, ConvTranspose1d]:
    """Analysis [batch, 1, n] → [batch, bands, n ÷ bands] and synthesis back: cosine-modulated, right to about −60 dB.

    `taps` is the length of the filters, 16 × bands unless given.  Analysis is not late, synthesis by taps − bands samples; both
    in a row are the identity offline.  The prototype is a Kaiser window design whose cutoff makes |P(ω)|² + |P(ω − π/bands)|²
    flat (Creusere and Mitra, "A simple method for designing high-quality prototype filters for M-band pseudo QMF banks", 1995).
    """
    taps = taps or 16 * bands
    centre = (taps - 1) / 2
    n = torch.arange(taps, dtype=torch.float64) - centre
    window = torch.kaiser_window(taps, periodic=False, beta=9.0, dtype=torch.float64)

    def prototype(cutoff: float) -> Tensor:
        return window * cutoff * torch.special.sinc(cutoff * n)

    def ripple(cutoff: float) -> float:
        """How far from an impulse the autocorrelation is at multiples of 2·bands."""
        p = prototype(cutoff)
        power = torch.fft.irfft(torch.fft.rfft(p, 2 * taps).abs() ** 2)
        return float(power[2 * bands : taps : 2 * bands].abs().max() / power[0])

    low, high = 0.5 / bands, 1.0 / bands
    for _ in range(60):
        third = (high - low) / 3
        if ripple(low + third) < ripple(high - third):
            high -= third
        else:
            low += third
    p = prototype((low + high) / 2)
    k = torch.arange(bands, dtype=torch.float64)[:, None]
    angle = (2 * k + 1) * math.pi / (2 * bands) * n
    turn = (-1.0) ** k * math.pi / 4
    scale = 2.0 * math.sqrt(bands)
    analysis = Conv1d(1, bands, taps, bands, bias=False, lookahead=bands - 1)
    synthesis = ConvTranspose1d(bands, 1, taps, bands, bias=False, lookahead=taps - bands)
    with torch.no_grad():  # a convolution layer runs its kernel backwards in time
        analysis.conv.weight[:, 0] = (scale * p * torch.cos(angle + turn)).flip(1)
        synthesis.conv.weight[:, 0] = scale * p * torch.cos(angle - turn)
    for layer in (analysis, synthesis):
        layer.requires_grad_(False)
    return analysis, synthesis
