"""Delay lines: circular float32 memory, one column a channel, read between its samples.

A line of `size` rows is written at row `at`, which then moves on by `step`.  Before the write, the sample written d
frames ago lies d rows behind `at`.  Indices wrap by comparison: a modulo could divide by zero, which a kernel may not.
"""

from __future__ import annotations

import numpy as np

from .maths import clamp

NONE, LINEAR, CUBIC = range(3)
"""How a line is read between samples."""

SHORT = 16384
"""Rows of a line that holds 0.07 s at any rate up to 192 kHz; only those that the rate needs are used."""
GRAIN = np.float64(1.2e-7)
"""Float32's resolution: seconds that are nearer than this to whole frames meant whole frames."""
LIMIT = 1000.0
"""Nothing louder is written back into a line (60 dB over full scale).  Cubic reading of a line whose length moves at
audio rate can amplify; without a bound, feedback near 1 would then run away."""


def step(at, size):
    """Row after `at`."""
    return at + 1 if at + 1 < size else 0


def behind(at, n, size):
    """Row that lies `n` rows before `at`, 0 <= n <= size."""
    row = at - n
    return row if row >= 0 else row + size


def length(sr, seconds):
    """`seconds` in frames; a whole number of frames within float32's precision of seconds becomes exactly that."""
    exact = np.float64(seconds) * np.float64(sr)
    whole = np.floor(exact + np.float64(0.5))
    return np.float32(whole if abs(exact - whole) <= whole * GRAIN else exact)


def lagrange(p, x, y, z, f):
    """Value f (0 … 1) of the way from `x` to `y` on the cubic through p, x, y, z; exactly `x` at f = 0.

    Third-order Lagrange in its middle interval: gain at most 1 at every frequency, so safe inside feedback.
    """
    a, b, c = f + 1.0, f - 1.0, f - 2.0
    return (x * (a * b * c * 0.5) - y * (a * f * c * 0.5)) + (z * (a * f * b) - p * (f * b * c)) * (1.0 / 6.0)


def read(line, at, size, d, c, how):
    """Channel `c` of `line`, `d` frames ago (kept within 2 … size - 3), read before this frame is written."""
    d = clamp(d, 2.0, np.float32(size - 3))
    if how == NONE:
        return line[behind(at, int(d + 0.5), size), c]
    n = int(d)
    f = d - np.float32(n)
    x, y = line[behind(at, n, size), c], line[behind(at, n + 1, size), c]
    if how == LINEAR:
        return x * (1.0 - f) + y * f
    return lagrange(line[behind(at, n - 1, size), c], x, y, line[behind(at, n + 2, size), c], f)
