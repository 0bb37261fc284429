"""Compiled: the engine's ends of a work node's rings, which are addressed by absolute time.

Signals lie in a ring of samples, latents in a ring of frames of their own clock.
"""

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
def ready_hops(w, position):
    """How many hops can be worked on once the input is written up to `position`."""
    return (position * w[W_DEN] + w[W_OFF]) // w[W_NUM]


@J
def frames_before(t, num, den):
    """How many frames of a clock with period num/den lie before sample t: frame k lies at ceil(k num/den)."""
    return ((t - 1) * den) // num + 1


@J
def work_write(row, s0, s1):
    """Step: lays the inlets of a work node side by side into its input rings.

    Row: port, count, then address, channels and whether it is a latent (its ring has frames, not samples).
    """
    r = p_int64(row)
    w = p_int64(r[6])
    ring, cols, at = p_float32(w[W_IN]), w[W_IN_CH], 0
    zring, zcols, zat = p_float32(w[W_ZIN]), w[W_ZIN_CH], 0
    for k in range(r[7]):
        x, ch = p_float32(r[8 + 3 * k]), r[9 + 3 * k]
        if r[10 + 3 * k] == 0:
            for i in range(s0, s1):
                base = ((w[W_NOW] + i) % w[W_LENGTH]) * cols + at
                for c in range(ch):
                    v = x[i * ch + c]
                    ring[base + c] = v if math.isfinite(v) else ZERO  # whoever put it out is bypassed; work hears nothing of it
            at += ch
        else:
            first = frames_before(w[W_NOW], w[W_ZIN_NUM], w[W_ZIN_DEN])
            for i in range(frames_before(w[W_NOW] + s1, w[W_ZIN_NUM], w[W_ZIN_DEN]) - first):
                base = ((first + i) % w[W_ZIN_FRAMES]) * zcols + zat
                for c in range(ch):
                    v = x[i * ch + c]
                    zring[base + c] = v if math.isfinite(v) else ZERO
            zat += ch


@J
def work_read(row, s0, s1):
    """Step: what a work node made one latency ago; late work fades to silence and back over 10 ms, a latent stays.

    A bypassed node (or one whose work failed) gives its first inlet instead, as late as its work would be, where that is
    of the same kind; else silence.
    Row: port, count of signals, then address, channels; then count of latents, then address, channels; then the address of
    the float32 that it keeps: last and residual of each channel, a cell for each frame of the block, the latent put out last.
    What was there in time depends on the moment, so it is logged: a replay does not ask, it finds in these cells when the
    work came, was late or was bypassed.
    """
    r = p_int64(row)
    w = p_int64(r[6])
    wet, dry, cols, length = p_float32(w[W_OUT]), p_float32(w[W_IN]), w[W_OUT_CH], w[W_LENGTH]
    zwet, zdry, zcols = p_float32(w[W_ZOUT]), p_float32(w[W_ZIN]), w[W_ZOUT_CH]
    num, den, znum, zden = w[W_NUM], w[W_DEN], w[W_ZOUT_NUM], w[W_ZOUT_DEN]
    latents = 8 + 2 * r[7]
    fade = r[latents + 1 + 2 * r[latents]]
    last, residual, ramp = p_float32(fade), p_float32(fade + 4 * cols), np.int64(r[3] // 100)
    told, replay = p_float32(fade + 8 * cols), p_int64(w[W_ENGINE])[E_OFFLINE] == 2
    held = p_float32(fade + 8 * cols + 4 * p_int64(w[W_ENGINE])[E_BLOCK])
    first = frames_before(w[W_NOW], znum, zden)
    for i in range(s0, s1):
        t = w[W_NOW] + i - w[W_LATENCY]
        begins = t >= 0 and (t * den) % num < den  # a hop begins at this sample
        ready = 0
        if replay:
            ready = w[W_READY]
            if told[i] != ZERO:
                ready = int(told[i]) - 1
                told[i] = ZERO
        elif t >= 0 and w[W_DRY] != 0:
            ready = 2
        elif t >= 0 and w[W_FROM] >= 0 and (t * den) // num >= w[W_FROM]:
            hop = (t * den) // num
            slot = r[6] + 8 * (W_SEQ + hop % w[W_SLOTS])
            # asked once a hop and block: what was not there at its first sample counts as late until the next
            if i == s0 or begins:
                ready = 1 if load_acquire(slot) == hop + 1 else 0
                if ready == 0 and (begins or w[W_READY] == 1):
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
                elif ready == 2 and k == 0 and c < w[W_IN_CH] and w[W_ZIN_CH] == 0:
                    v = dry[side + c]
                v = v if math.isfinite(v) else ZERO
                if flip:  # what is there from the first sample on is no change
                    residual[at + c] = last[at + c] - v if t > 0 else ZERO
                if w[W_LEFT] > 0:
                    v += residual[at + c] * F(w[W_LEFT]) / F(ramp)
                last[at + c] = v
                y[i * ch + c] = v
            at += ch
        if w[W_LEFT] > 0:
            w[W_LEFT] -= 1
        s = w[W_NOW] + i
        if zcols > 0 and (s * zden) % znum < zden:  # a frame lies here
            frame = (s * zden) // znum
            source = frame - w[W_SHIFT]
            for c in range(zcols if source >= 0 else 0):
                if ready == 1:
                    held[c] = zwet[(source % w[W_ZOUT_FRAMES]) * zcols + c]
                elif ready == 2:
                    same = zcols == w[W_ZIN_CH] and znum == w[W_ZIN_NUM] and zden == w[W_ZIN_DEN]
                    held[c] = zdry[(source % w[W_ZIN_FRAMES]) * zcols + c] if same else ZERO
            at = 0
            for k in range(r[latents]):
                y, ch = p_float32(r[latents + 1 + 2 * k]), r[latents + 2 + 2 * k]
                for c in range(ch):
                    y[(frame - first) * ch + c] = held[at + c]
                at += ch


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
            first = max((max(e[E_NOW] - w[W_LATENCY], 0) * w[W_DEN]) // w[W_NUM], w[W_FROM])
            for hop in range(first, (last * w[W_DEN]) // w[W_NUM] + 1):
                if load_acquire(at + 8 * (W_SEQ + hop % w[W_SLOTS])) != hop + 1:
                    return True
    return False
