"""Model files for tests: made by the package nn_tilde as its users make them, and by hand as others did.

`exported(folder, *names)` writes good ones; `malformed` and `turning` come from `tests.nn_malformed`.
"""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import cached_conv as cc
import nn_tilde
import torch
from torch import Tensor, nn

from tests.nn_big import Big, Hush
from tests.nn_malformed import One, load, malformed, turning, write

__all__ = ["exported", "load", "malformed", "turning", "write"]

# The package keeps generated sources in its own folder, which other processes empty at any time.
_sources = tempfile.TemporaryDirectory(prefix="nn_tilde.")
nn_tilde.codegen.TMP_FILE_OUTPUT = Path(_sources.name)
nn_tilde.Module.__del__ = lambda self: None

CARD = {"name": "plain", "licence": "CC0-1.0", "sample_rate": 32000}


# ---------------------------------------------------------------------------------------------- made with nn_tilde


class Plain(nn_tilde.Module):
    """Gain, two channels in, one out, at the audio rate."""

    def __init__(self) -> None:
        super().__init__(sr=44100)
        self.register_attribute("gain", 0.5)
        self.register_method("forward", 2, 1, 1, 1, input_labels=["left in", "right in"], output_labels=["sum out"])

    @torch.jit.export
    def forward(self, x: Tensor) -> Tensor:
        return x.sum(1, keepdim=True) * self.gain[0]


class Coder(nn_tilde.Module):
    """Cuts sound into frames of `ratio` samples, turns them by a fixed orthogonal matrix into latents, and back."""

    def __init__(self, ratio: int = 512, dims: int = 4, channels: int = 1) -> None:
        super().__init__(sr=48000)
        self.ratio, self.dims, self.channels = ratio, dims, channels
        rows = torch.arange(dims)[:, None] * torch.arange(ratio * channels)[None] + 0.5 * torch.arange(dims)[:, None]
        self.register_buffer("turn", torch.cos(math.pi * rows / (ratio * channels)) * math.sqrt(2 / (ratio * channels)))
        names = [f"(signal) latent {i}" for i in range(dims)]
        n = 4 * ratio
        self.register_method("encode", channels, 1, dims, ratio, output_labels=names, test_buffer_size=n)
        self.register_method("decode", dims, ratio, channels, 1, input_labels=names, test_buffer_size=n)
        self.register_method("forward", channels, 1, channels, 1, test_buffer_size=n)

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        frames = x.reshape(x.size(0), self.channels, -1, self.ratio).transpose(1, 2).flatten(2)
        return torch.matmul(frames, self.turn.t()).transpose(1, 2).contiguous()

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        frames = torch.matmul(z.transpose(1, 2), self.turn)
        return frames.reshape(z.size(0), -1, self.channels, self.ratio).transpose(1, 2).flatten(2)

    @torch.jit.export
    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class Attributes(nn_tilde.Module):
    """An attribute of every kind, and one of several; what comes out shows what each of them is."""

    def __init__(self) -> None:
        super().__init__()
        self.register_attribute("on", True)
        self.register_attribute("steps", 3)
        self.register_attribute("gain", 0.25)
        self.register_attribute("word", "dark")
        self.register_attribute("mix", (1, 2.5, True, "a"))
        self.register_attribute("curve", torch.tensor([1.0, 2.0]))
        self.register_attribute("level", 0.5)
        self.register_attribute("pair", (0.5, 1.5))
        self.register_method("forward", 1, 1, 8, 1)

    @torch.jit.export
    def get_level(self) -> float:  # a scalar, where the package would give a tuple
        return self.level[0]

    @torch.jit.export
    def set_level(self, value: float) -> int:  # refuses what it does not like
        if value < 0.0 or value > 1.0:
            return -1
        self.level = (value,)
        return 0

    @torch.jit.export
    def get_pair(self) -> list[float]:  # a list
        return [self.pair[0], self.pair[1]]

    @torch.jit.export
    def forward(self, x: Tensor) -> Tensor:
        word = 1.0 if self.word[0] == "dark" else 2.0
        shown = [float(self.on[0]), float(self.steps[0]), self.gain[0], word, self.mix[1], float(self.curve[0].sum())]
        shown.extend([self.level[0], self.pair[0] + self.pair[1]])
        return torch.tensor(shown)[None, :, None] * torch.ones_like(x)


class Buffers(nn_tilde.Module):
    """Adds a recorded sound's mean to what comes in."""

    def __init__(self) -> None:
        super().__init__()
        self.register_attribute("sound", nn_tilde.Buffer(None, 4, 48000))
        self.register_attribute("both", (0.5, nn_tilde.Buffer()))
        self.register_method("forward", 1, 1, 1, 1)

    @torch.jit.export
    def forward(self, x: Tensor) -> Tensor:
        if self.sound[0].has_value:
            x = x + self.sound[0].value.mean() * float(self.sound[0].sr)
        if self.both[1].has_value:
            x = x + self.both[0] * self.both[1].value.mean()
        return x


class Stream(nn_tilde.Module):
    """Convolutions, strided and transposed: ratio 128, four latents, one memory for each stream of a batch.

    Cached, so that chunks equal the whole, late by `delay` samples; or not `cached`, for a whole sound at once and not late.
    """

    def __init__(self, cached: bool = True) -> None:
        super().__init__(sr=48000)
        torch.manual_seed(3)
        cc.use_cached_conv(cached)
        a = cc.Conv1d(1, 8, 17, stride=8, padding=cc.get_padding(17, 8))
        b = cc.Conv1d(8, 4, 33, stride=16, padding=cc.get_padding(33, 16), cumulative_delay=a.cumulative_delay)
        c = cc.ConvTranspose1d(4, 8, 32, stride=16, padding=8, cumulative_delay=b.cumulative_delay)
        d = cc.ConvTranspose1d(8, 1, 16, stride=8, padding=4, cumulative_delay=c.cumulative_delay)
        e = cc.Conv1d(1, 1, 9, padding=cc.get_padding(9), cumulative_delay=d.cumulative_delay)
        cc.use_cached_conv(False)
        self.down = nn.Sequential(a, nn.Tanh(), b)
        self.up = nn.Sequential(c, nn.Tanh(), d, e)
        self.delay = int(e.cumulative_delay)
        self.register_method("encode", 1, 1, 4, 128)
        self.register_method("decode", 4, 128, 1, 1)
        self.register_method("forward", 1, 1, 1, 1)

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        return self.down(x)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return self.up(z)

    @torch.jit.export
    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.down(x))


class Sampling(nn_tilde.Module):
    """Draws its latents, as a RAVE encoder does, and keeps what it drew last in ways that are no buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.last = torch.zeros(1)
        self.calls = 0
        self.kept: list[Tensor] = [torch.zeros(1)]
        self.register_method("encode", 1, 1, 2, 64)

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        z = torch.randn(x.size(0), 2, x.size(2) // 64) + self.last + float(self.calls) + self.kept[0]
        self.last = z.mean().reshape(1)
        self.calls += 1
        self.kept[0] = self.kept[0] + 1.0
        return z


class Chunk(nn_tilde.Module):
    """Always gives four frames, as the timbre of AFTER does, and cannot take a batch."""

    def __init__(self) -> None:
        super().__init__(sr=44100)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nn_tilde says in a deprecated way that it did not test a method
            self.register_method("timbre", 1, 1, 3, 256, test_method=False)
        self.register_method("forward", 1, 1, 1, 1)

    @torch.jit.export
    def timbre(self, x: Tensor) -> Tensor:
        return x[:1].mean() * torch.ones(x.size(0), 3, 4)

    @torch.jit.export
    def forward(self, x: Tensor) -> Tensor:
        return x


class Late(nn_tilde.Module):
    """A delay of 1500 samples on the way through frames of `ratio` samples, which are as many dims: known to the sample."""

    def __init__(self, ratio: int = 256, rate: int = 48000) -> None:
        super().__init__(sr=rate)
        self.ratio = ratio
        self.register_buffer("past", torch.zeros(64, 1, 1500))
        self.register_method("forward", 1, 1, 1, 1)
        self.register_method("encode", 1, 1, ratio, ratio)
        self.register_method("decode", ratio, ratio, 1, 1)

    def lag(self, x: Tensor) -> Tensor:
        rows = x.size(0)
        line = torch.cat([self.past[:rows], x], 2)
        self.past[:rows] = line[:, :, -1500:]
        return line[:, :, : x.size(2)]

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        return x.reshape(x.size(0), -1, self.ratio).transpose(1, 2).contiguous()

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return self.lag(z.transpose(1, 2).reshape(z.size(0), 1, -1))

    @torch.jit.export
    def forward(self, x: Tensor) -> Tensor:
        return self.lag(torch.tanh(x))


class Tuned(Stream):
    """The same with a knob, in `tuned`; `weight` tells one such file from another."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight
        self.register_attribute("gain", 1.0)
        self.register_method("tuned", 1, 1, 1, 1)

    @torch.jit.export
    def tuned(self, x: Tensor) -> Tensor:
        return self.up(self.down(x)) * self.gain[0] * self.weight


# ---------------------------------------------------------------------------------------------- made by hand


class Params(nn.Module):
    """An export of nn~ 1.3: params and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("decode_params", torch.tensor([2, 64, 1, 1]))
        self.register_buffer("encode_params", torch.tensor([1, 1, 2, 64]))
        self.register_buffer("tilt_params", torch.tensor([2]))
        self.tilt = 0.5

    def forward(self, x: Tensor) -> Tensor:
        return x

    @torch.jit.export
    def get_tilt(self) -> float:
        return self.tilt

    @torch.jit.export
    def set_tilt(self, value: float) -> int:
        self.tilt = value
        return 0

    @torch.jit.export
    def decode(self, z: Tensor, loud: bool = False) -> Tensor | None:
        return z.sum(1, keepdim=True).repeat_interleave(64, 2)

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        return x.reshape(x.size(0), -1, 64).transpose(1, 2)[:, :2]


class Rave(nn.Module):
    """The inside of a RAVE of version 1: no get_methods, a latent size of its own, a batch limit."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("sampling_rate", torch.tensor(44100))
        self.register_buffer("latent_size", torch.tensor(3))
        self.register_buffer("max_batch_size", torch.tensor(2))
        self.register_buffer("encode_params", torch.tensor([1, 1, 3, 128]))
        self.register_buffer("decode_params", torch.tensor([3, 128, 1, 1]))
        self.register_buffer("forward_params", torch.tensor([1, 1, 1, 1]))

    @torch.jit.export
    def encode_amortized(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = x.reshape(x.size(0), -1, 128).transpose(1, 2)[:, :3]
        return z, torch.ones_like(z)

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        return self.encode_amortized(x)[0]

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return z.mean(1, keepdim=True).repeat_interleave(128, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class Wrapped(nn.Module):
    """The same under the name `_rave`."""

    def __init__(self) -> None:
        super().__init__()
        self._rave = Rave()

    def forward(self, x: Tensor) -> Tensor:
        return self._rave(x)


class Wavae(nn.Module):
    """Encode and decode, and nothing that says what they take."""

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        return x.reshape(x.size(0), 1, -1, 512).mean(3).repeat(1, 5, 1)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return (z * torch.ones(5)[None, :, None]).sum(1, keepdim=True).repeat_interleave(512, 2)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class Perhaps(nn.Module):
    """Returns nothing where nothing comes in."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("forward_params", torch.tensor([1, 1, 1, 1]))

    def forward(self, x: Tensor) -> Tensor | None:
        if bool((x == 0.0).all()):
            return None
        return x


GOOD: dict[str, tuple[Callable[[], nn.Module], object]] = {
    "plain": (Plain, CARD | {"attributes": {"gain": {"low": 0, "high": 2, "unit": "x", "doc": "loudness"}}}),
    "coder128": (lambda: Coder(128), None),
    "coder512": (lambda: Coder(512, 8), None),
    "coder2048": (lambda: Coder(2048, 16), {"delay": {"encode": 100, "decode": 200.5}}),
    "stereo": (lambda: Coder(384, 4, 2), None),
    "attributes": (Attributes, None),
    "buffers": (Buffers, None),
    "stream": (Stream, None),
    "sampling": (Sampling, None),
    "chunk": (Chunk, None),
    "late": (Late, None),
    "big": (Big, None),
    "hush": (Hush, None),
    "same": (lambda: One("fine"), None),
    "same_r44100": (lambda: One("fine"), None),
    "tuned1": (Tuned, None),
    "tuned2": (lambda: Tuned(0.5), None),
    "params_r32000_z2": (Params, None),
    "rave1": (Rave, None),
    "wrapped": (Wrapped, None),
    "wavae_b2048_r48000_z5": (Wavae, None),
}


def exported(folder: Path, *names: str) -> dict[str, Path]:
    """Name → file of good models, all of them unless some are named."""
    folder.mkdir(parents=True, exist_ok=True)
    return {name: write(GOOD[name][0](), folder / f"{name}.ts", GOOD[name][1]) for name in names or GOOD}
