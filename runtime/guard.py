"""Compiled: what is looked for in the sound, and what happens to a node that puts out NaN or Inf."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
from __future__ import annotations

import math

import numpy as np

from nodes.intrinsics import call_step, p_float32, p_float64, p_int32, p_int64, store_release

from .controls import touch
from .jit import ONE, ZERO, F, J
from .layout import *  # noqa: F403 - cell names, all constants


@J
def bypass(row, s0, s1):
    """Stands in for a kernel: each outlet gets the source named in the step's record, or silence."""
    record = p_int64(p_int64(row)[4])
    for k in range(record[R_OUT_N]):
        out = p_int64(p_int64(row)[4] + 8 * (R_OUTS + k * OUT_ROW))
        y, ch, first, end = p_float32(out[0]), out[1], s0, s1
        if out[7] != 0:  # a latent: its frames that lie in these samples
            first, end = np.int64(p_int32(out[7])[s0]), np.int64(p_int32(out[7])[s1])
        if out[3] == 0:
            for i in range(first * ch, end * ch):
                y[i] = ZERO
        else:
            x, cols = p_float32(out[3]), out[4]
            for i in range(first, end):
                for c in range(ch):
                    y[i * ch + c] = x[i * cols] if cols == 1 else (x[i * cols + c] if c < cols else ZERO)


@J
def fade(row, s0, s1):
    """Stands in for a kernel on its way to a bypass or back: both at once, for 10 ms.

    A kernel that remembers goes on listening while it is bypassed by hand: a delay line that had stopped would hold two
    sounds that do not belong together, and click where they meet, long after the fade.
    """
    r = p_int64(row)
    record = p_int64(r[4])
    total, left = r[3] // 100, record[R_FADE]
    call_step(record[R_FUNCTION], row, s0, s1)
    for k in range(record[R_OUT_N]):
        out = p_int64(r[4] + 8 * (R_OUTS + k * OUT_ROW))
        y, ch, cols = p_float32(out[0]), out[1], out[4]
        x, first, end = p_float32(out[3]), s0, s1
        if out[7] != 0:
            first, end = np.int64(p_int32(out[7])[s0]), np.int64(p_int32(out[7])[s1])
        for i in range(first, end):
            wet = F(max(left - (i - first), 0)) / F(total)
            if record[R_OFF] == 0:
                wet = ONE - wet
            for c in range(ch):
                dry = ZERO
                if out[3] != 0 and (cols == 1 or c < cols):
                    dry = x[i * cols] if cols == 1 else x[i * cols + c]
                y[i * ch + c] = y[i * ch + c] * wet + dry * (ONE - wet) if wet != 0 else dry
    record[R_FADE] = max(left - (s1 - s0), 0)
    if record[R_FADE] == 0 and record[R_OFF] == 0:
        r[0] = record[R_FUNCTION]
    elif record[R_FADE] == 0 and record[R_STATE_N] == 0:
        r[0] = record[R_OFF]


@J
def top_bits(address, n):
    """Bits of the largest magnitude among n float32; NaN and Inf are above all numbers.  No optimisation can delete it."""
    x = p_int32(address)
    worst = np.int32(0)
    for i in range(n):
        size = np.int32(x[i] & np.int32(0x7FFFFFFF))  # numba's `&` gives int64: half as many lanes
        worst = size if size > worst else worst
    return worst


@J
def first_bad(address, n):
    """Index of the first NaN or Inf among n float32, or -1."""
    if top_bits(address, n) < np.int32(0x7F800000):
        return -1
    x = p_int32(address)
    for i in range(n):
        if (x[i] & np.int32(0x7FFFFFFF)) >= np.int32(0x7F800000):
            return i
    return -1


@J
def frames_of(plan, clock, block):
    """Frames of a clock in this block; clock 0 is audio."""
    if clock == 0:
        return block
    return p_int64(p_int64(plan)[P_CLOCKS] + 8 * L_CELLS * (clock - 1))[L_COUNT]


@J
def bad_frame(plan, record_at, block):
    """First frame at which an outlet of the step is not finite, or -1.  Keeps the peaks for who shows levels."""
    record = p_int64(record_at)
    best = -1
    for k in range(record[R_OUT_N]):
        out = p_int64(record_at + 8 * (R_OUTS + k * OUT_ROW))
        n = frames_of(plan, out[2], block) * out[1]
        top = np.int64(top_bits(out[0], n))
        if top >= 0x7F800000:
            at = first_bad(out[0], n) // max(out[1], 1)
            if best < 0 or at < best:
                best = at
        elif top > out[OUT_PEAK]:
            out[OUT_PEAK] = top
    return best


@J
def scrub(record_at, block):
    """Zeroes what is not finite in a step's outlets and state."""
    record = p_int64(record_at)
    for k in range(record[R_OUT_N]):
        out = p_int64(record_at + 8 * (R_OUTS + k * OUT_ROW))
        start, n = out[0] - 4 * out[1] * out[5], (block + out[5]) * out[1]
        if first_bad(start, n) >= 0:
            y = p_float32(start)
            for i in range(n):
                y[i] = ZERO
    for k in range(record[R_STATE_N]):
        state = p_int64(record[R_STATES] + 8 * k * STATE_ROW)
        if state[2] == 4:
            if first_bad(state[0], state[1]) >= 0:
                z = p_float32(state[0])
                for i in range(state[1]):
                    z[i] = ZERO
        elif state[2] == 8:
            d = p_float64(state[0])
            bad = False
            for i in range(state[1]):
                bad = bad or not math.isfinite(d[i])
            if bad:
                for i in range(state[1]):
                    d[i] = 0.0


@J
def quarantine(eng, plan):
    """Finds the first bad step in order, bypasses it, reports it and cleans up behind it."""
    e, p = p_int64(eng), p_int64(plan)
    block = e[E_BLOCK]
    culprit, when = 0, -1
    for q in range(p[P_SEG_N]):
        seg = p_int64(p[P_SEGMENTS] + q * 8 * S_CELLS)
        row = seg[S_FIRST]
        for _k in range(seg[S_COUNT]):
            r = p_int64(row)
            at = bad_frame(plan, r[4], block)
            # in a loop the earliest bad frame is the culprit's; elsewhere the first step in order
            if at >= 0 and (culprit == 0 or (seg[S_LOOP] == LOOP and at < when)):
                culprit, when = row, at
            row += r[1]
        if culprit != 0:
            break
    if culprit == 0:
        return
    r = p_int64(culprit)
    record = p_int64(r[4])
    r[0] = e[E_BYPASS]
    record[R_BAD] = 1
    if record[R_BYPASS] >= 0:  # the next plan keeps it out too
        touch(plan, record[R_BYPASS])
        p_int64(p[P_TARGETS] + 8 * T_CELLS * record[R_BYPASS])[T_SWITCH] = 1
    for q in range(p[P_SEG_N]):
        seg = p_int64(p[P_SEGMENTS] + q * 8 * S_CELLS)
        row = seg[S_FIRST]
        inside = False
        for _k in range(seg[S_COUNT]):
            inside = inside or row == culprit
            scrub(p_int64(row)[4], block)
            row += p_int64(row)[1]
        if inside:
            seg[S_FUSED] = 0  # a fused loop has the kernel built in: walk its steps from now on
    n = e[E_FAULT_N]
    f = p_int64(e[E_FAULTS] + 8 * FAULT_ROW * (n % FAULT_CAP))
    f[0], f[1], f[2] = e[E_NOW] + max(when, 0), r[4], when
    store_release(eng + 8 * E_FAULT_N, n + 1)
