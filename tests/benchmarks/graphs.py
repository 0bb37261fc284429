"""The graphs that every peer plays, as numbers; and what the simple ones must sound like."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

RATE = 48000
BLOCK = 64
CHAIN = 1000
VOICES = 64
CHAIN_HZ = 220.0
GAIN, OFFSET = 0.999, 0.0001  # the chain's two kinds of node, in turn
LOOP_HZ, LOOP_LEVEL, LOOP_CUTOFF, LOOP_FEEDBACK = 110.0, 0.5, 2000.0, 0.9
GRAPHS = ("chain", "voices", "polyphonic", "loop", "loop_fused")


@dataclass(frozen=True)
class Voice:
    """A sine bends a saw's frequency, another a low-pass's cutoff.  No two voices share a number, so none can share work."""

    pitch: float  # Hz
    bend: float  # Hz
    bend_rate: float  # Hz
    sweep_rate: float  # Hz
    cutoff: float = 1200.0  # Hz
    sweep: float = 800.0  # Hz
    q: float = 3.0
    level: float = 0.01


def voice(i: int) -> Voice:
    """Voice `i`: linear in `i`, but for the pitch, which is linear in octaves, so that one ramp over channels gives all."""
    pitch = 55.0 * 2.0 ** (i / 16)
    return Voice(pitch, 0.02 * pitch, 0.3 + 0.0171 * i, 0.11 + 0.0132 * i)


def chain_level(nodes: int = CHAIN) -> tuple[float, float]:
    """(mean, standard deviation) of a sine of amplitude 1 after `nodes` alternating nodes."""
    mean, gain = 0.0, 1.0
    for k in range(nodes):
        if k % 2 == 0:
            mean, gain = mean * GAIN, gain * GAIN
        else:
            mean += OFFSET
    return mean, gain / math.sqrt(2)


def loop_sound(frames: int, pole: tuple[float, float, float]) -> np.ndarray:
    """The loop in float64.  `pole` is a peer's own low-pass, (p, q, r): y = p · x + q · last x + r · last y."""
    out = np.empty(frames)
    p, q, r = pole
    x = y = 0.0
    for k in range(frames):
        last, x = x, math.tanh(LOOP_LEVEL * (LOOP_HZ * k / RATE % 1.0 * 2 - 1) + LOOP_FEEDBACK * y)
        y = p * x + q * last + r * y
        out[k] = y
    return out
