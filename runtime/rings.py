"""Compiled: the engine's ends of a work node's rings, which are addressed by absolute time."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
from __future__ import annotations

import math

import numpy as np

from nodes.intrinsics import load_acquire, p_float32, p_int64

from .controls import log
from .jit import ZERO, F, J
from .layout import *  # noqa: F403 - cell names, all constants

LATE, THERE, DRY = (int(np.float64(k).view(np.int64)) for k in (1.0, 2.0, 3.0))  # what is logged of work


@J
def work_write(row, s0, s1):
    """Step: lays the inlets of a work node side by side into its input ring.  Row: port, count, then address, channels."""
    r = p_int64(row)
    w = p_int64(r[6])
    ring, cols, at = p_float32(w[W_IN]), w[W_IN_CH], 0
    for k in range(r[7]):
        x, ch = p_float32(r[8 + 2 * k]), r[9 + 2 * k]
        for i in range(s0, s1):
            base = ((w[W_NOW] + i) % w[W_LENGTH]) * cols + at
            for c in range(ch):
                v = x[i * ch + c]
                ring[base + c] = v if math.isfinite(v) else ZERO  # whoever put it out is bypassed; work hears nothing of it
        at += ch


@J
def work_read(row, s0, s1):
    """Step: what a work node made one latency ago; late work fades to silence and back over 10 ms.

    A bypassed node (or one whose work failed) gives its first inlet instead, as late as its work would be.
    Row: port, count, then address, channels; then the address of the fade's float32: last and residual of each channel,
    and a cell for each frame of the block.  What was there in time depends on the moment, so it is logged: a replay does not
    ask, it finds in these cells when the work came, was late or was bypassed.
    """
    r = p_int64(row)
    w = p_int64(r[6])
    wet, dry, cols, length = p_float32(w[W_OUT]), p_float32(w[W_IN]), w[W_OUT_CH], w[W_LENGTH]
    fade = p_int64(row)[8 + 2 * r[7]]
    last, residual, ramp = p_float32(fade), p_float32(fade + 4 * cols), np.int64(r[3] // 100)
    told, replay = p_float32(fade + 8 * cols), p_int64(w[W_ENGINE])[E_OFFLINE] == 2
    for i in range(s0, s1):
        t = w[W_NOW] + i - w[W_LATENCY]
        ready = 0
        if replay:
            ready = w[W_READY]
            if told[i] != ZERO:
                ready = int(told[i]) - 1
                told[i] = ZERO
        elif t >= 0 and w[W_DRY] != 0:
            ready = 2
        elif t >= 0 and w[W_FROM] >= 0 and t // w[W_HOP] >= w[W_FROM]:
            hop = t // w[W_HOP]
            slot = r[6] + 8 * (W_SEQ + hop % w[W_SLOTS])
            # asked once a hop and block: what was not there at its first sample counts as late until the next
            if i == s0 or t % w[W_HOP] == 0:
                ready = 1 if load_acquire(slot) == hop + 1 else 0
                if ready == 0 and (t % w[W_HOP] == 0 or w[W_READY] == 1):
                    w[W_LATE] += 1
            else:
                ready = w[W_READY]
        flip = ready != w[W_READY]
        w[W_READY] = ready
        if flip:
            w[W_LEFT] = ramp
            log(w[W_ENGINE], w[W_NOW], SET_CELL << 32 | w[W_TELL], DRY if ready == 2 else (THERE if ready == 1 else LATE), i)
        base = ((t + length) % length) * cols
        side = ((t + length) % length) * w[W_IN_CH]
        at = 0
        for k in range(r[7]):
            y, ch = p_float32(r[8 + 2 * k]), r[9 + 2 * k]
            for c in range(ch):
                v = ZERO
                if ready == 1:
                    v = wet[base + at + c]
                elif ready == 2 and k == 0 and c < w[W_IN_CH]:
                    v = dry[side + c]
                v = v if math.isfinite(v) else ZERO
                if flip:
                    residual[at + c] = last[at + c] - v
                if w[W_LEFT] > 0:
                    v += residual[at + c] * F(w[W_LEFT]) / F(ramp)
                last[at + c] = v
                y[i * ch + c] = v
            at += ch
        if w[W_LEFT] > 0:
            w[W_LEFT] -= 1


@J
def missing(eng):
    """Offline: is a hop still to come that the next block needs?"""
    e = p_int64(eng)
    if e[E_PLAN] == 0:
        return False
    p = p_int64(e[E_PLAN])
    for k in range(p[P_PORT_N]):
        at = p_int64(p[P_PORTS])[k]
        w = p_int64(at)
        last = e[E_NOW] + e[E_BLOCK] - 1 - w[W_LATENCY]
        if last >= 0 and w[W_FROM] >= 0 and load_acquire(at + 8 * (W_CTL + 4)) == 0:  # bypassed too: it may end any time
            first = max(max(e[E_NOW] - w[W_LATENCY], 0) // w[W_HOP], w[W_FROM])
            for hop in range(first, last // w[W_HOP] + 1):
                if load_acquire(at + 8 * (W_SEQ + hop % w[W_SLOTS])) != hop + 1:
                    return True
    return False
