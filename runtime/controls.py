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
def touch(plan, index):
    """Notes that a target no longer stands as the plan was made, so that the next plan takes it over."""
    p = p_int64(plan)
    t = p_int64(p[P_TARGETS] + 8 * T_CELLS * index)
    if t[T_TOUCHED] == 0:
        t[T_TOUCHED] = 1
        p_int64(p[P_TOUCHED])[p[P_TOUCHED_N]] = index
        p[P_TOUCHED_N] += 1


@J
def wake(plan, index, filled):
    """Puts a param among those that move; from now on it has a buffer of its own, filled up to frame `filled`."""
    p = p_int64(plan)
    t = p[P_TARGETS] + 8 * T_CELLS * index
    a = p_int64(t)
    a[T_ACTIVE] = 1
    tell(t, 1)
    p_int64(p[P_ACTIVE])[p[P_ACTIVE_N]] = index
    p[P_ACTIVE_N] += 1
    if a[T_OWN] == 0:  # so far it shared a constant buffer
        a[T_OWN] = 1
        for k in range(a[T_CELLS_N]):
            p_int64(p_int64(a[T_CELLS_AT])[k])[0] = a[T_BUF]
        a[T_FILLED] = 0
        fill(t, filled)


@J
def set_param(plan, index, offset, value, ramp):
    """A param starts to move at frame `offset` of this block."""
    p = p_int64(plan)
    t = p[P_TARGETS] + 8 * T_CELLS * index
    a, d = p_int64(t), p_float64(t)
    touch(plan, index)
    if a[T_ACTIVE] == 0:
        wake(plan, index, p[P_BLOCK])
        a[T_FILLED] = offset  # before that, the buffer holds the value already
    else:
        a[T_ACTIVE] = 1  # it moves again
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
def set_switch(plan, index, value, block, hard):
    """A choice or a bypass, at the block's edge; a bypass fades in 10 ms, unless `hard`."""
    t = p_int64(plan)[P_TARGETS] + 8 * T_CELLS * index
    a = p_int64(t)
    touch(plan, index)
    a[T_SWITCH] = value
    for k in range(a[T_CELLS_N]):
        at = p_int64(a[T_CELLS_AT])[k]
        if a[T_KIND] == SET_CHOICE:
            store_release(at, value)  # it may be a cell that a worker reads
        else:  # `at` is the step's row: T_VALUE holds the bypass function
            r = p_int64(at)
            record = p_int64(r[4])
            goal = a[T_VALUE] if value != 0 else record[R_FUNCTION]
            if hard or a[T_PREPARE_N] > 0 or r[5] != 0:  # what only controls move has no time to fade in
                r[0] = goal
            elif r[0] != goal and (r[0] != a[T_BUF] or (record[R_OFF] != 0) != (value != 0)):
                total = r[3] // 100
                record[R_FADE] = total - record[R_FADE] if r[0] == a[T_BUF] else total
                record[R_OFF] = a[T_VALUE] if value != 0 else 0
                r[0] = a[T_BUF]
            if value == 0:
                record[R_BAD] = 0
            unfuse(plan, at)
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
    if e[E_LOG_CAP] == 0:
        return
    w = e[E_LOG_W]
    if w - load_acquire(eng + 8 * E_LOG_R) >= e[E_LOG_CAP]:
        e[E_LOG_LOST] += 1
        return
    row = p_int64(e[E_LOG] + 8 * CONTROL_ROW * (w & (e[E_LOG_CAP] - 1)))
    row[0], row[1], row[2], row[3] = time, what, value, ramp
    store_release(eng + 8 * E_LOG_W, w + 1)


@J
def stay_aside(t, u):
    """A bypass that fades, or whose kernel goes on listening, does so in the next plan."""
    a, b = p_int64(t), p_int64(u)
    for k in range(min(a[T_CELLS_N], b[T_CELLS_N])):
        was, now = p_int64(p_int64(a[T_CELLS_AT])[k]), p_int64(p_int64(b[T_CELLS_AT])[k])
        if was[0] == a[T_BUF]:
            before, record = p_int64(was[4]), p_int64(now[4])
            record[R_FADE], record[R_OFF] = before[R_FADE], before[R_OFF]
            now[0] = b[T_BUF]


@J
def adopt(eng, new):
    """Another plan from this block on.  What was moved since the new one was made stays where it is."""
    e, p = p_int64(eng), p_int64(new)
    old = e[E_PLAN]
    e[E_PLAN] = new
    e[E_SWAPS] += 1
    if old == 0:
        return
    q = p_int64(old)
    for k in range(q[P_TOUCHED_N]):
        t = q[P_TARGETS] + 8 * T_CELLS * p_int64(q[P_TOUCHED])[k]
        a, d = p_int64(t), p_float64(t)
        index = p_int64(p[P_TARGET_MAP])[a[T_UID]] if a[T_UID] < p[P_MAP_N] else -1
        if index < 0:
            continue
        u = p[P_TARGETS] + 8 * T_CELLS * index
        b, f = p_int64(u), p_float64(u)
        if a[T_KIND] != b[T_KIND]:
            continue
        if a[T_KIND] != SET_PARAM:
            if a[T_SWITCH] != b[T_SWITCH]:
                set_switch(new, index, a[T_SWITCH], e[E_BLOCK], True)
            if a[T_KIND] == SET_BYPASS and b[T_PREPARE_N] == 0:
                touch(new, index)  # for the plan after the next
                stay_aside(t, u)
        elif a[T_ACTIVE] != 0 or d[T_VALUE] != f[T_VALUE]:
            f[T_VALUE], f[T_GOAL], f[T_POS], f[T_STEP] = d[T_VALUE], d[T_GOAL], d[T_POS], d[T_STEP]
            b[T_LEFT] = a[T_LEFT]
            b[T_OWN] = 0
            touch(new, index)
            wake(new, index, 0)
    for k in range(p[P_CLOCK_N]):  # latent clocks go on
        clock = p_int64(p[P_CLOCKS] + 8 * L_CELLS * k)
        for j in range(q[P_CLOCK_N]):
            before = p_int64(q[P_CLOCKS] + 8 * L_CELLS * j)
            if before[L_NUM] == clock[L_NUM] and before[L_DEN] == clock[L_DEN]:
                clock[L_COUNT] = before[L_COUNT]
    w = e[E_RW]
    p_int64(e[E_RETURNED])[w & 63] = old
    store_release(eng + 8 * E_RW, w + 1)


@J
def apply(eng, at, time):
    """One control record, at `time` in this block."""
    e, record = p_int64(eng), p_int64(at)
    now, block, plan = e[E_NOW], e[E_BLOCK], e[E_PLAN]
    kind, target = record[1] >> 32, record[1] & 0xFFFFFFFF
    if kind == SET_PLAN:
        adopt(eng, record[2])
        log(eng, now, record[1], p_int64(record[2])[P_ID], 0)
        return
    if kind == SET_WATCH:  # target: the slot; value: address of a row to copy
        into, row = p_int64(e[E_WATCH] + 8 * WATCH_ROW * target), p_int64(record[2])
        for k in range(WATCH_N):
            into[k] = row[k]
        return
    if plan == 0 or target >= p_int64(plan)[P_MAP_N]:
        return
    index = p_int64(p_int64(plan)[P_TARGET_MAP])[target]
    if index < 0:
        return
    t = p_int64(p_int64(plan)[P_TARGETS] + 8 * T_CELLS * index)
    if t[T_KIND] == SET_PARAM:
        set_param(plan, index, time - now, p_float64(at)[2], record[3])
    elif t[T_KIND] == SET_CELL:
        if record[3] < t[T_CELLS_N]:
            p_float32(t[T_BUF])[record[3]] = F(p_float64(at)[2])
    else:  # the bypass of a work node is a choice in its port
        set_switch(plan, index, np.int64(p_float64(at)[2]), block, False)
    log(eng, time, record[1], record[2], record[3])


@J
def take_controls(eng):
    """Applies what is due in this block: first what came without a time or too late, then what waited for its time."""
    e = p_int64(eng)
    now, block = e[E_NOW], e[E_BLOCK]
    written, read, n = load_acquire(eng + 8 * E_CW), e[E_CR], e[E_PENDING_N]
    size = 8 * CONTROL_ROW
    while read < written and n < PENDING:
        at = e[E_RING] + size * (read & e[E_MASK])
        record = p_int64(at)
        if record[0] <= now:
            e[E_LATE] += 1 if 0 < record[0] < now else 0  # time 0 means now
            apply(eng, at, now)
        else:  # behind all that are not later, so that those of one time keep their order
            k = n
            while k > 0 and p_int64(e[E_PENDING] + size * (k - 1))[0] > record[0]:
                to, of = p_int64(e[E_PENDING] + size * k), p_int64(e[E_PENDING] + size * (k - 1))
                to[0], to[1], to[2], to[3] = of[0], of[1], of[2], of[3]
                k -= 1
            to = p_int64(e[E_PENDING] + size * k)
            to[0], to[1], to[2], to[3] = record[0], record[1], record[2], record[3]
            n += 1
        read += 1
    store_release(eng + 8 * E_CR, read)
    due = 0
    while due < n and p_int64(e[E_PENDING] + size * due)[0] < now + block:
        at = e[E_PENDING] + size * due
        apply(eng, at, p_int64(at)[0])
        due += 1
    if due > 0:
        for k in range(due, n):
            to, of = p_int64(e[E_PENDING] + size * (k - due)), p_int64(e[E_PENDING] + size * k)
            to[0], to[1], to[2], to[3] = of[0], of[1], of[2], of[3]
        n -= due
    e[E_PENDING_N] = n
