"""Compiled: the control ring, params that move, switches."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
from __future__ import annotations

import math

import numpy as np

from nodes.intrinsics import call_step, load_acquire, p_float32, p_float64, p_int64, store_release

from .jit import F, J
from .layout import *  # noqa: F403 - cell names, all constants


@J
def curve(t, pos):
    """Knob position to unit."""
    d = p_float64(t)
    pos = min(max(pos, 0.0), 1.0)
    if p_int64(t)[T_CURVE] == 1:
        return d[T_LOW] * math.exp(pos * math.log(d[T_HIGH] / d[T_LOW]))
    return d[T_LOW] + (d[T_HIGH] - d[T_LOW]) * pos


@J
def knob(t, value):
    """Unit to knob position; the inverse of `curve`."""
    d = p_float64(t)
    if p_int64(t)[T_CURVE] == 1:
        return math.log(value / d[T_LOW]) / math.log(d[T_HIGH] / d[T_LOW])
    return (value - d[T_LOW]) / (d[T_HIGH] - d[T_LOW])


@J
def fill(t, to):
    """Writes a moving param's buffer up to frame `to`: linear in knob position, exact at the goal."""
    a, d = p_int64(t), p_float64(t)
    buf, ch = p_float32(a[T_BUF]), a[T_CH]
    for s in range(a[T_FILLED], to):
        if a[T_LEFT] > 0:
            a[T_LEFT] -= 1
            d[T_POS] = d[T_POS] + d[T_STEP] if a[T_LEFT] > 0 else d[T_GOAL]
        if a[T_KNOB] != 0:
            v = F(d[T_POS])
        elif a[T_LEFT] > 0:
            v = F(curve(t, d[T_POS]))
        else:
            v = F(d[T_VALUE])
        for c in range(ch):
            buf[s * ch + c] = v
    a[T_FILLED] = max(a[T_FILLED], to)


@J
def tell(t, change):
    """Counts, for the kernels that ask (`moving`), how many of the controls behind their inputs move."""
    a = p_int64(t)
    for k in range(a[T_MOVING_N]):
        p_int64(p_int64(a[T_MOVING])[k])[0] += change


@J
def set_param(plan, index, offset, value, ramp):
    """A param starts to move at frame `offset` of this block."""
    p = p_int64(plan)
    t = p[P_TARGETS] + 8 * T_CELLS * index
    a, d = p_int64(t), p_float64(t)
    if a[T_ACTIVE] == 0:
        a[T_ACTIVE] = 1
        tell(t, 1)
        p_int64(p[P_ACTIVE])[p[P_ACTIVE_N]] = index
        p[P_ACTIVE_N] += 1
        if a[T_OWN] == 0:  # so far it shared a constant buffer: from now on it has its own
            a[T_OWN] = 1
            for k in range(a[T_CELLS_N]):
                p_int64(p_int64(a[T_CELLS_AT])[k])[0] = a[T_BUF]
            a[T_FILLED] = 0
            fill(t, p[P_BLOCK])
        a[T_FILLED] = offset  # before that, the buffer holds the value already
    else:
        fill(t, offset)
    value = min(max(value, d[T_LOW]), d[T_HIGH])
    d[T_VALUE] = value
    d[T_GOAL] = knob(t, value)
    if ramp > 0:
        d[T_STEP] = (d[T_GOAL] - d[T_POS]) / ramp
        a[T_LEFT] = ramp
    else:
        d[T_POS] = d[T_GOAL]
        a[T_LEFT] = 0


@J
def prepare(t, block):
    """Runs the coefficient steps that hang on a target and on nothing that always runs."""
    a = p_int64(t)
    for k in range(a[T_PREPARE_N]):
        row = p_int64(a[T_PREPARE])[k]
        call_step(p_int64(row)[0], row, 0, block)


@J
def move_params(plan, block):
    """Fills the buffers of moving params for this block; those that came to rest leave the list."""
    p = p_int64(plan)
    active = p_int64(p[P_ACTIVE])
    for k in range(p[P_ACTIVE_N]):
        fill(p[P_TARGETS] + 8 * T_CELLS * active[k], block)
    keep = 0
    for k in range(p[P_ACTIVE_N]):
        t = p[P_TARGETS] + 8 * T_CELLS * active[k]
        a = p_int64(t)
        prepare(t, block)
        still = a[T_LEFT] == 0 and a[T_ACTIVE] == 2  # a whole block at the goal: the buffer is constant now
        a[T_FILLED] = 0
        if still:
            a[T_ACTIVE] = 0
            tell(p[P_TARGETS] + 8 * T_CELLS * active[k], -1)
        else:
            a[T_ACTIVE] = 2 if a[T_LEFT] == 0 else 1
            active[keep] = active[k]
            keep += 1
    p[P_ACTIVE_N] = keep


@J
def set_switch(plan, index, kind, value, block):
    """A choice or a bypass, at the block's edge."""
    t = p_int64(plan)[P_TARGETS] + 8 * T_CELLS * index
    a = p_int64(t)
    for k in range(a[T_CELLS_N]):
        at = p_int64(a[T_CELLS_AT])[k]
        if kind == SET_CHOICE:
            p_int64(at)[0] = value
        else:  # `at` is the step's row: T_VALUE holds the bypass function
            record = p_int64(p_int64(at)[4])
            p_int64(at)[0] = a[T_VALUE] if value != 0 else record[R_FUNCTION]
            if value == 0:
                record[R_BAD] = 0
    prepare(t, block)


@J
def unfuse(plan, row):
    """Makes the loop that holds `row` walk its steps."""
    p = p_int64(plan)
    for q in range(p[P_SEG_N]):
        seg = p_int64(p[P_SEGMENTS] + q * 8 * S_CELLS)
        at = seg[S_FIRST]
        for _k in range(seg[S_COUNT]):
            if at == row:
                seg[S_FUSED] = 0
            at += p_int64(at)[1]


@J
def log(eng, time, what, value, ramp):
    e = p_int64(eng)
    if e[E_LOG_N] < e[E_LOG_CAP]:
        row = p_int64(e[E_LOG] + 8 * CONTROL_ROW * e[E_LOG_N])
        row[0], row[1], row[2], row[3] = time, what, value, ramp
        e[E_LOG_N] += 1


@J
def take_controls(eng):
    """Applies the records of the control ring that fall into this block, in order."""
    e = p_int64(eng)
    now, block = e[E_NOW], e[E_BLOCK]
    written, read = load_acquire(eng + 8 * E_CW), e[E_CR]
    while read < written:
        at = e[E_RING] + 8 * CONTROL_ROW * (read & e[E_MASK])
        record = p_int64(at)
        time = record[0]
        if time >= now + block:
            break
        if time < now:
            e[E_LATE] += 1 if time > 0 else 0  # time 0 means now
            time = now
        kind, target = record[1] >> 32, record[1] & 0xFFFFFFFF
        if kind == SET_PLAN:
            if e[E_PLAN] != 0:
                w = e[E_RW]
                p_int64(e[E_RETURNED])[w & 63] = e[E_PLAN]
                store_release(eng + 8 * E_RW, w + 1)
            e[E_PLAN] = record[2]
            e[E_SWAPS] += 1
            log(eng, now, record[1], p_int64(record[2])[P_ID], 0)
        elif e[E_PLAN] != 0 and target < p_int64(e[E_PLAN])[P_MAP_N]:
            index = p_int64(p_int64(e[E_PLAN])[P_TARGET_MAP])[target]
            if index >= 0:
                if kind == SET_PARAM:
                    set_param(e[E_PLAN], index, time - now, p_float64(at)[2], record[3])
                else:
                    t = p_int64(p_int64(e[E_PLAN])[P_TARGETS] + 8 * T_CELLS * index)
                    kind = t[T_KIND]  # the bypass of a work node is a switch in its port
                    if kind == SET_BYPASS:
                        for k in range(t[T_CELLS_N]):
                            unfuse(e[E_PLAN], p_int64(t[T_CELLS_AT])[k])
                    set_switch(e[E_PLAN], index, kind, np.int64(p_float64(at)[2]), block)
                log(eng, time, record[1], record[2], record[3])
        read += 1
    store_release(eng + 8 * E_CR, read)
