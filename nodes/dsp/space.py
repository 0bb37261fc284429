"""The parts of the reverb: pre-delay and diffusers, eight lines, and the matrix that feeds them back.

A feedback delay network (J.-M. Jot, A. Chaigne, "Digital delay networks for designing artificial reverberators", 1991):
a line loses 60 dB · its length / `decay` each time round, the matrix between the lines loses nothing, so the whole decays
as it is told.  The lines lie side by side, row 8 n + k being frame n of line k: a frame is written to one place.
"""

from __future__ import annotations

import numpy as np

from .lines import LIMIT, behind, lagrange, step
from .maths import clamp, exp2, sin_cycles

LINES = 8
LINE = 32768  # frames a line: 0.17 s at 192 kHz
PRE = 65536  # frames a side: 0.34 s at 192 kHz
DIFFUSER = 4096  # frames: 0.02 s at 192 kHz
LONGEST = 0.1
LATEST = 0.25
LENGTHS = np.array([0.4093, 0.4711, 0.5347, 0.6067, 0.6883, 0.7727, 0.8663, 0.9601], np.float32)
"""Lengths of the lines as parts of `LONGEST` s at size 1: no two in a simple ratio, so that their echoes do not meet."""
SMEAR = np.array([0.00477, 0.01273, 0.00523, 0.01181], np.float32)
"""Lengths of the diffusers in s: two for the left, two for the right."""
SWAY = 0.0003
"""s by which a line sways at most."""
SQRT_EIGHTH = 0.35355339059327373
LOG2_1000 = 9.965784284662087


def decays(gain, size, decay):
    """Fills gain[k] of every line so that the whole falls by 60 dB in `decay` s."""
    for k in range(LINES):
        gain[k, 0] = exp2(-LOG2_1000 * LONGEST * size * LENGTHS[k] / decay)


def late(pre, at, side, x, frames, size):
    """Writes `x` into one side of the pre-delay at frame `at`; gives what came `frames` (0 … size - 2) ago."""
    pre[2 * at + side, 0] = x
    frames = clamp(frames, 0.0, np.float32(size - 2))
    n = int(frames)
    f = frames - np.float32(n)
    return pre[2 * behind(at, n, size) + side, 0] * (1.0 - f) + pre[2 * behind(at, n + 1, size) + side, 0] * f


def smear(line, at, k, x, sr):
    """One all-pass diffuser (M. Schroeder, 1962), gain 0.6; moves its frame at[k + 1] on."""
    size = min(int(SMEAR[k] * sr) + 1, DIFFUSER)
    row = k * DIFFUSER + at[k + 1, 0]
    old = line[row, 0]
    new = x - 0.6 * old
    line[row, 0] = new
    at[k + 1, 0] = step(at[k + 1, 0], size)
    return old + 0.6 * new


def diffuse(pre, line, at, left, right, frames, sr):
    """Pre-delays both sides by `frames` and smears them: (left, right).  at[0] is the pre-delay's frame."""
    size = min(int(LATEST * sr) + 4, PRE)
    left = late(pre, at[0, 0], 0, left, frames, size)
    right = late(pre, at[0, 0], 1, right, frames, size)
    at[0, 0] = step(at[0, 0], size)
    return smear(line, at, 1, smear(line, at, 0, left, sr), sr), smear(line, at, 3, smear(line, at, 2, right, sr), sr)


def around(sr):
    """Frames that a line uses at rate `sr`: the longest, its sway, and four to interpolate with."""
    return min(int((LONGEST + SWAY) * sr) + 6, LINE)


def taps(line, at, wet, size, motion, sway, sr):
    """Reads every line into wet[k]; `sway` is the phase of the walls in cycles."""
    rows = around(sr)
    for k in range(LINES):
        swing = motion * SWAY * sin_cycles(sway + 0.125 * np.float32(k))
        d = clamp((LONGEST * size * LENGTHS[k] + swing) * sr, 2.0, np.float32(rows - 3))
        n = int(d)
        p = line[LINES * behind(at, n - 1, rows) + k, 0]
        x = line[LINES * behind(at, n, rows) + k, 0]
        y = line[LINES * behind(at, n + 1, rows) + k, 0]
        z = line[LINES * behind(at, n + 2, rows) + k, 0]
        wet[k, 0] = lagrange(p, x, y, z, d - np.float32(n))


def mingle(line, at, wet, left, right, sr):
    """Turns wet by the Hadamard matrix, adds the input, writes frame `at` of every line; gives the next frame."""
    for k in range(4):
        a, b = wet[k, 0], wet[k + 4, 0]
        wet[k, 0], wet[k + 4, 0] = a + b, a - b
    for k in range(0, LINES, 4):
        a, b, c, d = wet[k, 0], wet[k + 1, 0], wet[k + 2, 0], wet[k + 3, 0]
        a, b, c, d = a + c, b + d, a - c, b - d
        wet[k, 0], wet[k + 1, 0], wet[k + 2, 0], wet[k + 3, 0] = a + b, a - b, c + d, c - d
    for k in range(LINES):
        line[LINES * at + k, 0] = clamp(wet[k, 0] * SQRT_EIGHTH + (left if k & 1 == 0 else right), -LIMIT, LIMIT)
    return step(at, around(sr))
