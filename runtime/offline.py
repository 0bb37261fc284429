"""Faster than real time: the same engine as live, called in a loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from graph import Patch

from .engine import Engine, Fault
from .steps import Progress

CHUNK = 4096


@dataclass(frozen=True)
class Event:
    """A control at a time (seconds): param in its unit, choice by name, or `bypass` 0/1."""

    time: float
    node: str
    port: str
    value: float | str


@dataclass
class Render:
    """What a render gave: float32 [frames, channels], its rate, and the nodes that had to be bypassed."""

    audio: np.ndarray
    rate: int
    faults: list[Fault] = field(default_factory=list)


def render(
    patch: Patch, seconds: float, source: np.ndarray | None = None, events: Sequence[Event] = (), *, fused: bool = True,
    checks: bool = True, cut: int = 0, compiling: Progress | None = None, progress: Callable[[int, int], None] | None = None,
) -> Render:  # fmt: skip
    """Plays a patch for `seconds` into an array.

    `source` is input at the patch's rate, [frames, channels].  `cut` computes that many frames at a time, as a device
    with such buffers would; the samples are the same.  `compiling(done, all, name)` is told of kernels to compile,
    `progress(done, all)` of frames.  Raises PatchError, nodes.compile.CompileError.
    """
    frames = round(seconds * patch.rate)
    step = cut or CHUNK // patch.block * patch.block or patch.block
    pending = sorted(events, key=lambda e: e.time)
    behind = patch.block - 1 if step % patch.block else 0
    with Engine(patch, lead=behind, fused=fused, checks=checks, progress=compiling) as engine:
        lead = engine.lead
        out = np.zeros((frames + lead, engine.out_channels), np.float32)
        sent = 0
        for start in range(0, len(out), step):
            n = min(step, len(out) - start)
            whole = n if engine.lead or not engine.in_channels else -(-n // patch.block) * patch.block
            horizon = start + whole + patch.block
            while sent < len(pending) and pending[sent].time * patch.rate < horizon and engine.room > 1:
                e = pending[sent]
                engine.set(e.node, e.port, e.value, max(round(e.time * patch.rate), 0))
                sent += 1
            x = source[start : start + whole] if source is not None else None
            out[start : start + n] = engine.process(whole, x)[:n]
            if progress:
                progress(start + n, len(out))
        return Render(out[lead:], patch.rate, engine.faults())
