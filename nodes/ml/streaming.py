"""Layers that may be fed in chunks of any size and put out what they would put out for the whole sound.

Every layer takes float32 [batch, channels, frames] and has two ways to run.  *Offline* (as made; for training) takes a whole
sound with silence around it and keeps nothing.  *Streaming* (after `stream(net)`) keeps what it needs of the past in buffers,
so that chunks laid end to end equal the offline output, late by the layer's `delay`; rows of the batch are independent streams.

A layer may look ahead: its offline output at frame t depends on input up to t + `lookahead`.  Streaming cannot, so it is late
instead, and `Sequential` and `Parallel` see to it that frames which belong together meet.  The method is that of Caillon and
Esling, "Streamable Neural Audio Synthesis With Non-Causal Convolutions" (2022): keep the past of each convolution, delay the
shorter branches.  Two things go further here.  A strided layer counts the frames that arrive together with the newest one
as known, which saves up to stride − 1 frames.  And frames before the start, which a late layer still puts out, reach the
next one as zeros, so that both ways are equal from the first frame on.

All layers compile with TorchScript; streaming state lives in buffers with the names in `STATE`, zero at the start.
"""

# No `from __future__ import annotations` here: TorchScript reads the classes' annotations and wants types, not their names.

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROWS = 64
"""Streams that a layer has memory for: the largest batch."""
STATE = ("state", "passed", "clock")
"""The names of buffers that are streaming state."""


def stream(net: nn.Module, on: bool = True) -> nn.Module:
    """Switches every layer within `net` to streaming, or back to offline, and clears its state.  Returns `net`."""
    for module in net.modules():
        if isinstance(module, Layer):
            module.streaming = on
    reset(net)
    return net


def reset(net: nn.Module) -> None:
    """Puts every layer within `net`, a compiled one too, back to silence."""
    with torch.no_grad():
        for name, buffer in net.named_buffers():
            if name.rpartition(".")[2] in STATE:
                buffer.zero_()


def crop(net: nn.Module, rows: int) -> None:
    """Leaves memory for `rows` streams at most in every layer within `net`: a file gets smaller by what it keeps for others."""
    for module in net.modules():
        if isinstance(module, Layer):
            module.most = rows
            for name in STATE:
                if hasattr(module, name):
                    setattr(module, name, getattr(module, name)[:rows].clone())


class Layer(nn.Module):
    """What all layers share: where they stand in time, and zeros for what came before the start."""

    __jit_unused_properties__ = ["delay"]
    state: Tensor
    passed: Tensor

    def __init__(self, rate: Fraction = Fraction(1), grid: int = 1) -> None:
        """`rate` is frames out per frame in; chunks are whole multiples of `grid` frames."""
        super().__init__()
        self.rate = rate
        self.grid = grid
        self.most = ROWS  # TorchScript reads no globals
        self.streaming = False
        self.before = 0  # frames by which the input is late
        self.after = 0  # frames by which the output is
        self.register_buffer("state", torch.zeros(0), persistent=False)
        self.register_buffer("passed", torch.zeros(0, dtype=torch.int64), persistent=False)

    @property
    def delay(self) -> Fraction:
        """Frames at the input's rate by which this layer alone makes a stream late; below 0 where it makes up for some."""
        return self.after / self.rate - self.before

    def align(self, before: int) -> int:
        """Takes note that the input is `before` frames late; returns how late the output is.  Clears the state.

        For a layer that stands alone, or first, `before` is 0; containers call this for what they hold.
        """
        return self._place(before, before, ())

    def reset(self) -> None:
        """Back to silence."""
        reset(self)

    def _place(self, before: int, after: int, shape: Sequence[int]) -> int:
        """Notes both delays and makes the state, `shape` for each row; none where `shape` is empty."""
        self.before, self.after = before, after
        device = self.state.device
        self.state = torch.zeros((ROWS, *shape) if shape else (0,), device=device)
        self.passed = torch.zeros(ROWS if before else 0, dtype=torch.int64, device=device)
        return after

    def gate(self, x: Tensor) -> Tensor:
        """`x`, checked, with zeros where it belongs to the time before the start."""
        if x.size(2) % self.grid != 0:
            raise ValueError(f"a chunk must be a multiple of {self.grid} frames, this one has {x.size(2)}")
        if not self.streaming:
            return x
        rows = x.size(0)
        if rows > self.most:
            raise ValueError(f"{rows} streams are too many: there is memory for {self.most}")
        if self.before == 0:
            return x
        late = self.passed[:rows].clone()
        frames = torch.arange(x.size(2), device=x.device)
        self.passed[:rows] = (late + x.size(2)).clamp(max=self.before)
        started = late[:, None] + frames[None] >= self.before
        return torch.where(started[:, None], x, torch.zeros_like(x))


class Plain(Layer):
    """A module that treats every frame for itself: an activation, a norm over channels, a 1×1 convolution."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x)


class Delay(Layer):
    """Late by `frames` when streaming, nothing offline: what a branch needs to meet a later one."""

    def __init__(self, channels: int, frames: int) -> None:
        super().__init__()
        self.channels, self.frames = channels, frames
        self.align(0)

    def align(self, before: int) -> int:
        return self._place(before, before + self.frames, (self.channels, self.frames))

    def forward(self, x: Tensor) -> Tensor:
        x = self.gate(x)
        if not self.streaming or self.frames == 0:
            return x
        rows, n = x.size(0), x.size(2)
        x = torch.cat([self.state[:rows], x], 2)
        self.state[:rows] = x[..., n:].detach()
        return x[..., :n]


class Conv1d(Layer):
    """Convolution.  Offline, output frame t covers input up to frame t·stride + `lookahead`: 0 is causal.

    `lookahead` goes up to (kernel − 1)·dilation, half of which is centred.  Raises ValueError beyond.
    """

    def __init__(
        self,
        ins: int,
        outs: int,
        kernel: int,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        lookahead: int = 0,
    ) -> None:
        super().__init__(Fraction(1, stride), stride)
        self.ins, self.stride, self.lookahead = ins, stride, lookahead
        self.span = (kernel - 1) * dilation
        if not 0 <= lookahead <= self.span:
            raise ValueError(f"a kernel that spans {self.span + 1} frames can look 0 to {self.span} ahead, not {lookahead}")
        self.conv = nn.Conv1d(ins, outs, kernel, stride, dilation=dilation, groups=groups, bias=bias)
        self.align(0)

    def align(self, before: int) -> int:
        after, phase = divmod(before + self.lookahead, self.stride)
        self.history = self.span - phase  # frames before the chunk where the first window begins; below 0: inside it
        return self._place(before, after, (self.ins, max(self.history, 0)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.gate(x)
        if not self.streaming:
            return self.conv(F.pad(x, [self.span - self.lookahead, max(self.lookahead - self.stride + 1, 0)]))
        if self.history <= 0:
            return self.conv(x[..., -self.history :])
        rows = x.size(0)
        x = torch.cat([self.state[:rows], x], 2)
        self.state[:rows] = x[..., x.size(2) - self.history :].detach()
        return self.conv(x)


class ConvTranspose1d(Layer):
    """Transposed convolution, `stride` frames out per frame in.  Offline, the first `lookahead` frames out are cut off.

    An input frame t sounds from output frame t·stride − `lookahead` on, for `kernel` frames; `lookahead` goes up to
    kernel − 1.  Raises ValueError beyond.
    """

    def __init__(
        self, ins: int, outs: int, kernel: int, stride: int = 1, groups: int = 1, bias: bool = True, lookahead: int = 0
    ) -> None:
        super().__init__(Fraction(stride))
        self.outs, self.stride, self.lookahead = outs, stride, lookahead
        self.tail = max(kernel - stride, 0)
        if not 0 <= lookahead < kernel:
            raise ValueError(f"a kernel of {kernel} frames can look 0 to {kernel - 1} ahead, not {lookahead}")
        self.conv = nn.ConvTranspose1d(ins, outs, kernel, stride, groups=groups, bias=False)
        edge = 1.0 / math.sqrt(outs * kernel // groups)
        self.bias = nn.Parameter(torch.empty(outs).uniform_(-edge, edge)) if bias else None
        self.align(0)

    def align(self, before: int) -> int:
        return self._place(before, before * self.stride + self.lookahead, (self.outs, self.tail))

    def forward(self, x: Tensor) -> Tensor:
        x = self.gate(x)
        n = x.size(2) * self.stride
        y = self.conv(x)
        y = overlap(y, n, self.state, self.tail) if self.streaming else cut(y, self.lookahead, n)
        bias = self.bias
        return y if bias is None else y + bias[:, None]


def overlap(y: Tensor, n: int, state: Tensor, tail: int) -> Tensor:
    """The first `n` frames of `y` [batch, channels, about n + tail] on top of what `state` holds, which gets the rest."""
    if tail == 0:
        return cut(y, 0, n)
    rows = y.size(0)
    y = torch.cat([y[..., :tail] + state[:rows], y[..., tail:]], 2)
    state[:rows] = y[..., n:].detach()
    return y[..., :n]


def cut(y: Tensor, start: int, n: int) -> Tensor:
    """`n` frames of `y` from `start` on, with zeros past its end."""
    return F.pad(y, [-start, start + n - y.size(2)])


class GRU(Layer):
    """Gated recurrent units over the frames, `hidden` channels out; their memory carries on from chunk to chunk."""

    def __init__(self, ins: int, hidden: int, layers: int = 1) -> None:
        super().__init__()
        self.gru = nn.GRU(ins, hidden, layers, batch_first=True)
        self.align(0)

    def align(self, before: int) -> int:
        return self._place(before, before, (self.gru.num_layers, self.gru.hidden_size))

    def forward(self, x: Tensor) -> Tensor:
        rows, before = x.size(0), self.before
        waited = self.passed[:rows].clone()
        x = self.gate(x).transpose(1, 2).contiguous()
        if not self.streaming:
            return self.gru(x)[0].transpose(1, 2)
        h = self.state[:rows].transpose(0, 1).clone(memory_format=torch.contiguous_format)
        if before == 0 or bool((waited >= before).all()):
            y, h = self.gru(x, h)
        else:  # a row's memory starts with its first frame, not with what is put out before that
            steps: list[Tensor] = []
            for t in range(x.size(1)):
                step, new = self.gru(x[:, t : t + 1], h)
                h = torch.where((waited + t >= before)[None, :, None], new, h)
                steps.append(step)
            y = torch.cat(steps, 1)
        self.state[:rows] = h.transpose(0, 1).detach()
        return y.transpose(1, 2)


class Sequential(Layer):
    """Layers one after the other; plain modules among them treat every frame for itself.  Delays add up."""

    def __init__(self, *layers: nn.Module) -> None:
        held = [layer if isinstance(layer, Layer) else Plain(layer) for layer in layers]
        rate, grid = Fraction(1), 1
        for layer in held:
            grid = math.lcm(grid, (rate / layer.grid).denominator)
            rate *= layer.rate
        super().__init__(rate, grid)
        self.layers = nn.ModuleList(held)
        self.align(0)

    def align(self, before: int) -> int:
        after = before
        for layer in self.layers:
            after = _layer(layer).align(after)
        return self._place(before, after, ())

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class Parallel(Layer):
    """Branches side by side on one input, joined: "add" them up or "cat" their channels.  Earlier ones wait for later ones.

    `channels` is how many a branch puts out (one number for all, or one each): needed only where one has to wait.  Raises
    ValueError where it is missing then, and where branches differ in rate.
    """

    def __init__(self, *branches: nn.Module, channels: int | Sequence[int] | None = None, join: str = "add") -> None:
        held = [b if isinstance(b, Layer) else Plain(b) for b in branches]
        if not held or any(b.rate != held[0].rate for b in held):
            raise ValueError("branches in parallel need one rate: frames out per frame in differ")
        super().__init__(held[0].rate, math.lcm(*(b.grid for b in held)))
        if join not in ("add", "cat"):
            raise ValueError(f'branches are joined by "add" or "cat", not {join!r}')
        self.cat = join == "cat"
        self.branches = nn.ModuleList(held)
        self.known = channels is not None
        widths = [channels or 0] * len(held) if channels is None or isinstance(channels, int) else list(channels)
        self.waits = nn.ModuleList(Delay(width, 0) for width in widths)
        self.align(0)

    def align(self, before: int) -> int:
        afters = [_layer(branch).align(before) for branch in self.branches]
        for wait, after in zip(self.waits, afters, strict=True):
            assert isinstance(wait, Delay)
            wait.frames = max(afters) - after
            if wait.frames and not self.known:
                raise ValueError(f"a branch waits {wait.frames} frames for another: say how many channels it has")
            wait.align(after)
        return self._place(before, max(afters), ())

    def forward(self, x: Tensor) -> Tensor:
        outs: list[Tensor] = []
        for branch, wait in zip(self.branches, self.waits):
            outs.append(wait(branch(x)))
        if self.cat:
            return torch.cat(outs, 1)
        y = outs[0]
        for other in outs[1:]:
            y = y + other
        return y


class Residual(Parallel):
    """The input plus what `layers` make of it; the input waits for them.  `channels` is how many it has."""

    def __init__(self, *layers: nn.Module, channels: int | None = None) -> None:
        super().__init__(Sequential(), Sequential(*layers), channels=channels)


def _layer(module: Any) -> Layer:
    """`module`, which a container holds and therefore is a layer."""
    assert isinstance(module, Layer)
    return module
