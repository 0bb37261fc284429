"""From mel bands to sound: a causal network, an inverse Fourier transform, and phases that are drawn from what it learned.

One network says how loud every bin of a short-time spectrum is.  Another, which is the same for all bins and sees the levels
around one, says how its phase goes on from the frame before and how it stands to that of the bin below.  Both are
distributions over the circle (von Mises), so the network can also say that it does not know: then the phase is drawn at
random, and the sound is noise.  Nothing is asked that mels cannot answer, namely absolute phases, and little of what the
networks know has to be learned bin by bin, which is why they learn within minutes.

Inverse-transform heads for vocoders: Siuzdak, "Vocos" (2023), whose blocks of depthwise convolutions are taken up here.
Phases from differences in time and frequency: Průša and Søndergaard, "Real-time spectrogram inversion using phase gradient heap
integration" (2016).  Von Mises phases: Takamichi and others, "Phase reconstruction from amplitude spectrograms based on
von-Mises-distribution deep neural network" (2018).
"""

# No `from __future__ import annotations` here, as in nodes.ml.streaming.

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .small import mel_bands
from .spectral import ISTFT
from .streaming import ROWS, Conv1d, Layer, Parallel, Residual, Sequential

QUIETEST, LOUDEST, NEIGHBOURS = -12.0, 0.7, 4
"""Least and greatest log magnitude (natural, a full-scale sine is 0); bins on either side that a bin agrees its phase with."""


class Depthwise(Conv1d):
    """A causal convolution of each channel by itself.  Where frames come one by one, torch's own takes ten times as long."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__(width, width, kernel, groups=width)
        self.kernel = kernel

    def forward(self, x: Tensor) -> Tensor:
        x = self.gate(x)
        if not self.streaming:
            return self.conv(F.pad(x, [self.span, 0]))
        rows = x.size(0)
        x = torch.cat([self.state[:rows], x], 2)
        self.state[:rows] = x[..., x.size(2) - self.span :].detach()
        y = (x.unfold(2, self.kernel, 1) * self.conv.weight).sum(3)
        bias = self.conv.bias
        return y if bias is None else y + bias[:, None]


class Mlp(nn.Module):
    """Two layers that treat every frame [batch, width, frames] for itself, after a norm over its channels."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.scale = nn.Parameter(torch.full((width,), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        y = self.down(F.gelu(self.up(self.norm(x.transpose(1, 2)))))
        return (y * self.scale).transpose(1, 2)


class Block(Residual):
    """What all networks here are built of: every channel over time, then all channels of each frame."""

    def __init__(self, width: int, kernel: int = 7) -> None:
        super().__init__(Depthwise(width, kernel), Mlp(width, 3 * width))


class Spread(nn.Module):
    """Mel bands [batch, mels, frames] → log magnitudes above QUIETEST [batch, bins, frames]: each bin as the bands over it.

    What the network begins with and adds to.
    """

    spread: Tensor

    def __init__(self, mels: int, size: int, rate: int) -> None:
        super().__init__()
        bank = mel_bands(mels, size, rate)
        bank[:, 0] = bank[:, 1]
        bank = bank / bank.amax(1, keepdim=True)
        bank[-1] += (bank.sum(0) < 1e-3).float()
        self.register_buffer("spread", (bank / bank.sum(0)).T.contiguous(), persistent=False)
        self.step, self.least = 5.0 * math.log(10.0), QUIETEST  # of mel bands, 0 … 1 for −100 … 0 dB

    def forward(self, mel: Tensor) -> Tensor:
        return torch.matmul(self.spread, self.step * (mel - 1.0) - self.least)


class Last(nn.Module):
    """[batch, width, frames] → [batch, outs, frames], after a norm; all outputs begin near `start`."""

    def __init__(self, width: int, outs: int, start: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, outs)
        with torch.no_grad():
            self.out.bias.fill_(start)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.norm(x.transpose(1, 2))).transpose(1, 2)


class Steps(nn.Module):
    """Levels of this frame and the last, [rows, 2, bins] → [rows, 4, bins]: for every bin two vectors.

    They are the natural parameters of von Mises distributions: their directions are the likeliest steps of phase, their
    lengths say how sure that is.
    """

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv1d(2, width, 9, padding=4), nn.GELU(),
            nn.Conv1d(width, width, 9, padding=4), nn.GELU(), nn.Conv1d(width, 4, 3, padding=1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x * 0.25 - 1.5)


def unit(z: Tensor) -> Tensor:
    """Complex numbers of the same direction and length 1."""
    return z / (torch.abs(z) + 1e-12)


def turns(size: int, hop: int) -> Tensor:
    """By how much the phases of sines in the middle of their bins go on in a hop, complex [size ÷ 2 + 1]."""
    k = torch.arange(size // 2 + 1)
    return torch.polar(torch.ones(len(k)), 2 * math.pi * ((k * hop) % size) / size)


def normal(count: Tensor) -> Tensor:
    """Complex numbers, both parts normal with variance 1, from whole numbers: their bits, mixed (Wellons' `lowbias32`)."""
    h = torch.cat([count * 2, count * 2 + 1], -1) & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 0x846CA68B) & 0xFFFFFFFF
    u = ((h ^ (h >> 16)).to(torch.float32) + 0.5) / 4294967296.0
    a, b = u.chunk(2, -1)
    return torch.polar(torch.sqrt(-2.0 * torch.log(a.clamp(min=1e-10))), b * (2.0 * math.pi))


class Phases(Layer):
    """Levels [batch, bins, frames], log magnitudes above QUIETEST, → real and imaginary parts [batch, 2·bins, frames].

    Frame by frame, each bin's phase is drawn from a distribution around where the frame before and the bins nearby would
    have it.  The draws depend on the count of frames since the start only: the same every time.
    """

    clock: Tensor
    turn: Tensor
    flip: Tensor

    def __init__(self, size: int, hop: int) -> None:
        super().__init__()
        self.bins = size // 2 + 1
        self.least, self.top = QUIETEST, LOUDEST
        self.full = size / 4.0  # magnitude of a full-scale sine under the window
        self.lost = math.sqrt(size / hop) - 1.0  # see below
        self.near = NEIGHBOURS
        self.steps = Steps()
        k = torch.arange(self.bins)
        self.register_buffer("turn", turns(size, hop), persistent=False)
        self.register_buffer("flip", (1.0 - 2.0 * (k % 2)).to(torch.complex64), persistent=False)
        self.register_buffer("clock", torch.zeros(ROWS, dtype=torch.int64), persistent=False)
        self.align(0)

    def align(self, before: int) -> int:
        return self._place(before, before, (self.bins, 3))

    def said(self, level: Tensor, past: Tensor) -> Tensor:
        """What `steps` say of levels [batch, bins, frames], `past` [batch, bins] before them: [4, batch, frames, bins]."""
        rows, frames = level.size(0), level.size(2)
        now = level.transpose(1, 2)
        pair = torch.stack([now, torch.cat([past[:, None], now[:, :-1]], 1)], 2)
        return self.steps(pair.reshape(rows * frames, 2, self.bins)).reshape(rows, frames, 4, self.bins).permute(2, 0, 1, 3)

    def forward(self, x: Tensor, noise: float) -> Tensor:
        level = self.gate(x).clamp(0.0, self.top - self.least)
        rows, frames = x.size(0), x.size(2)
        frame = torch.arange(frames, device=x.device)[None].expand(rows, frames)
        past = torch.zeros(rows, self.bins, dtype=torch.complex64, device=x.device)
        before = torch.zeros(rows, self.bins, device=x.device)
        if self.streaming:
            state = self.state[:rows].clone()
            past, before = torch.view_as_complex(state[..., :2].contiguous()), state[..., 2]
            frame = frame + self.clock[:rows, None] - self.before
            self.clock[:rows] += frames
        with torch.no_grad():  # phases are learned from likelihoods, not from sound
            ax, ay, bx, by = self.said(level, before).unbind(0)
            a = torch.complex(ax, ay) * self.turn  # where the phase goes from the frame before, and how surely
            chain = torch.cumsum(torch.atan2(by, bx), 2)  # up the bins
            up = torch.polar(torch.ones_like(chain), chain) * self.flip
            near = torch.sqrt(bx * bx + by * by) * up
            draws = normal(frame[..., None] * self.bins + torch.arange(self.bins, device=x.device)) * noise
            started = frame >= 0
            turned, known = torch.zeros_like(up), torch.zeros_like(chain)
            for t in range(frames):
                alone = a[:, t] * past
                other = torch.view_as_real(alone * torch.conj(up[:, t])).transpose(1, 2)  # all seen from the lowest bin
                other = F.avg_pool1d(other, 2 * self.near + 1, 1, self.near).transpose(1, 2).contiguous()
                # What is near 0 has no direction, and what is made of its direction would blow up the last bits of a sum, by
                # which chunks differ from the whole, until nothing is the same.  So what is weak counts little, above all in
                # the next frame: with 1 there, such differences die away, with 0.3 they grow, and it sounds 0.02 dB better.
                agreed = torch.view_as_complex(other)
                h = alone + near[:, t] * agreed / (torch.abs(agreed) + 0.3)
                size = torch.abs(h)
                new = h + torch.sqrt(size + 1e-6) * draws[:, t] + 1e-6
                past = torch.where(started[:, t, None], new / (torch.abs(new) + 1.0), past)
                turned[:, t] = unit(new)
                known[:, t] = size
        level = level.transpose(1, 2)
        if self.streaming:
            self.state[:rows] = torch.cat([torch.view_as_real(past), level[:, -1, :, None].detach()], 2)
        # frames of independent phases lose amplitude in the overlap, √(size ÷ hop) of it, which is made up for
        mag = torch.exp(level + self.least) * self.full * (1.0 + self.lost / torch.sqrt(1.0 + known * known))
        z = turned * mag
        return torch.cat([torch.real(z), torch.imag(z)], 2).transpose(1, 2)


class Vocoder(nn.Module):
    """Mel bands [batch, mels, frames], 0 … 1, → sound [batch, 1, frames·hop].  Looks `ahead` frames ahead."""

    def __init__(self, rate: int, mels: int, size: int, hop: int, width: int, blocks: int, ahead: int) -> None:
        super().__init__()
        self.size, self.hop, self.bins = size, hop, size // 2 + 1
        first = Conv1d(mels, width, 7, lookahead=ahead)
        deep = Sequential(first, *(Block(width) for _ in range(blocks)), Last(width, self.bins))
        self.net = Parallel(deep, Spread(mels, size, rate), channels=self.bins)
        self.phases = Phases(size, hop)
        self.istft = ISTFT(1, size, hop)
        self.align(0)

    def align(self, before: int) -> int:
        """As `Layer.align`; the result is in samples."""
        return self.istft.align(self.phases.align(self.net.align(before)))

    @property
    def after(self) -> int:
        """Samples by which the sound of a stream is late."""
        return self.istft.after

    def forward(self, mel: Tensor, noise: float) -> Tensor:
        """`noise` multiplies what is random in the phases: 1 is as learned."""
        return self.sound(self.net(mel), noise)

    def sound(self, level: Tensor, noise: float) -> Tensor:
        """The second half: from levels."""
        return self.istft(self.phases(level, noise))

    def losses(self, level: Tensor, re: Tensor, im: Tensor) -> dict[str, Tensor]:
        """How far levels, and what is made of them, are from a spectrum: `re` and `im` [batch, bins, frames].

        "level": mean error of the log magnitudes, and of the magnitudes against their mean.  "on" and "up": negative log
        likelihoods of steps of phase from frame to frame and from bin to bin, in nats, 0 for one who knows nothing; loud bins
        count for more.  These two are of every fourth row, which is enough for so small a network.
        """
        mag = torch.sqrt(re * re + im * im + 1e-12) / (self.size / 4.0)
        heard = torch.exp((level + QUIETEST).clamp(max=LOUDEST))
        some, root = level.detach()[::4].clamp(0.0, LOUDEST - QUIETEST), mag[::4].sqrt()
        z = unit(torch.complex(re[::4], im[::4]))
        on = z[..., 1:] * torch.conj(z[..., :-1]) * torch.conj(self.phases.turn)[:, None]
        up = -z[:, 1:] * torch.conj(z[:, :-1])
        ax, ay, bx, by = self.phases.said(some, torch.zeros_like(some[..., 0])).transpose(2, 3).unbind(0)
        return {
            "level": (level - (torch.log(mag) - QUIETEST).clamp(min=0.0)).abs().mean()
            + (heard - mag).abs().mean() / (mag.mean() + 1e-4),
            "on": unlikely(ax[..., 1:], ay[..., 1:], on, torch.minimum(root[..., 1:], root[..., :-1])),
            "up": unlikely(bx[:, 1:], by[:, 1:], up, torch.minimum(root[:, 1:], root[:, :-1])),
        }


def unlikely(x: Tensor, y: Tensor, z: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of −log p(z) + log 1⁄2π, where z = e^iφ is von Mises: direction of (x, y), concentration its length."""
    kappa = torch.sqrt(x * x + y * y + 1e-6)
    nll = torch.log(torch.special.i0e(kappa)) + kappa - x * torch.real(z) - y * torch.imag(z)
    return (nll * weight).sum() / (weight.sum() + 1e-6)
