"""The compiled engine: everything that happens on the audio thread.  Importing this imports numba.

No Python runs here, nothing is allocated, locked or waited for.  `runtime.engine` compiles the exported functions once
into object files and calls them through their addresses; the sound device will call `callback` itself.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
from __future__ import annotations

import math

import numba
import numpy as np

from nodes.intrinsics import (
    FLUSH, call_post, call_step, cycles, get_float_control, load_acquire, p_float32, p_float64, p_int32, p_int64,
    set_float_control, store_release,
)  # fmt: skip
from runtime.layout import *  # noqa: F403 - cell names, all constants

J = numba.njit(error_model="numpy", nogil=True, no_cpython_wrapper=True)
F = np.float32
ZERO, ONE = F(0.0), F(1.0)
SEGMENT_BYTES = 8 * S_CELLS
TARGET_BYTES = 8 * T_CELLS


# ---------------------------------------------------------------------------------------------- steps


@J
def bypass(row, s0, s1):
    """Stands in for a kernel: each outlet gets the source named in the step's record, or silence."""
    record = p_int64(p_int64(row)[4])
    for k in range(record[R_OUT_N]):
        out = p_int64(p_int64(row)[4] + 8 * (R_OUTS + k * OUT_ROW))
        y, ch = p_float32(out[0]), out[1]
        if out[3] == 0:
            for i in range(s0 * ch, s1 * ch):
                y[i] = ZERO
        else:
            x, cols = p_float32(out[3]), out[4]
            for i in range(s0, s1):
                for c in range(ch):
                    y[i * ch + c] = x[i * cols] if cols == 1 else (x[i * cols + c] if c < cols else ZERO)


@J
def first_bad(address, n):
    """Index of the first NaN or Inf among n float32, or -1.  Looks at bits, so no optimisation can delete it."""
    x = p_int32(address)
    worst = np.int32(0)
    for i in range(n):
        worst = max(worst, x[i] & np.int32(0x7FFFFFFF))
    if worst < np.int32(0x7F800000):
        return -1
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
    """First frame at which an outlet of the step is not finite, or -1."""
    record = p_int64(record_at)
    best = -1
    for k in range(record[R_OUT_N]):
        out = p_int64(record_at + 8 * (R_OUTS + k * OUT_ROW))
        at = first_bad(out[0], frames_of(plan, out[2], block) * out[1])
        if at >= 0:
            at = at // max(out[1], 1)
            if best < 0 or at < best:
                best = at
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
        seg = p_int64(p[P_SEGMENTS] + q * SEGMENT_BYTES)
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
    for q in range(p[P_SEG_N]):
        seg = p_int64(p[P_SEGMENTS] + q * SEGMENT_BYTES)
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


@J
def walk(row, count, s0, s1):
    """Runs `count` steps from `row` on; gives the row behind the last."""
    for _k in range(count):
        r = p_int64(row)
        call_step(r[0], row, s0, s1)
        row += r[1]
    return row


@J
def run_loop(plan, seg, block):
    """A loop, one sample after the other; a latent step in it runs at its clock's frames."""
    for s in range(block):
        row = seg[S_FIRST]
        for _k in range(seg[S_COUNT]):
            r = p_int64(row)
            if r[5] == 0:
                call_step(r[0], row, s, s + 1)
            else:
                ticks = p_int32(p_int64(p_int64(plan)[P_CLOCKS] + 8 * L_CELLS * (r[5] - 1))[L_TICKS])
                if ticks[s + 1] > ticks[s]:
                    call_step(r[0], row, np.int64(ticks[s]), np.int64(ticks[s + 1]))
            row += r[1]


@J
def run_plan(eng, plan):
    """One block.  Returns True where a check saw something that is not finite."""
    e, p = p_int64(eng), p_int64(plan)
    block, bad = e[E_BLOCK], False
    for k in range(p[P_CARRY_N]):
        carry = p_int64(p[P_CARRY] + 8 * C_ROW * k)
        x, ch = p_float32(carry[0]), carry[1]
        n = block
        if carry[2] > 0:
            n = p_int64(p[P_CLOCKS] + 8 * L_CELLS * (carry[2] - 1))[L_BEFORE]
        front = p_float32(carry[0] - 4 * ch)
        if n > 0:
            for c in range(ch):
                front[c] = x[(n - 1) * ch + c]
    # metering and the rotating check visit a window of steps each block
    cursor, window, seen = p[P_CURSOR], e[E_WINDOW], 0
    for q in range(p[P_SEG_N]):
        seg = p_int64(p[P_SEGMENTS] + q * SEGMENT_BYTES)
        n = frames_of(plan, seg[S_CLOCK], block)
        here = cursor - seen
        visit = window > 0 and here >= 0 and here < seg[S_COUNT]
        if seg[S_LOOP] == STILL:
            continue
        if seg[S_LOOP] == LOOP:
            t0 = cycles()
            if seg[S_FUSED] != 0:
                call_step(seg[S_FUSED], seg[S_FUSED_ROW], 0, block)
            else:
                run_loop(plan, seg, block)
            if visit:
                record = p_int64(p_int64(seg[S_FIRST])[4])  # a loop is one unit
                record[R_TICKS] += cycles() - t0
                record[R_CALLS] += 1
                row = seg[S_FIRST]
                for _k in range(seg[S_COUNT]):
                    bad = bad or bad_frame(plan, p_int64(row)[4], block) >= 0
                    row += p_int64(row)[1]
                cursor = seen + seg[S_COUNT]
        elif n > 0 or visit:
            row, left = seg[S_FIRST], seg[S_COUNT]
            if visit:
                row = walk(row, here, 0, n)
                m = min(window, left - here)
                for _k in range(m):
                    r = p_int64(row)
                    record = p_int64(r[4])
                    t0 = cycles()
                    call_step(r[0], row, 0, n)
                    record[R_TICKS] += cycles() - t0
                    record[R_CALLS] += 1
                    bad = bad or bad_frame(plan, r[4], block) >= 0
                    row += r[1]
                left -= here + m
                cursor = seen + here + m
            walk(row, left, 0, n)
        seen += seg[S_COUNT]
        if visit:
            window = 0
    p[P_CURSOR] = cursor if cursor < seen else 0
    if e[E_CHECKS] != 0:
        for k in range(p[P_CHECK_N]):
            check = p_int64(p[P_CHECK] + 8 * K_ROW * k)
            bad = bad or first_bad(check[0], frames_of(plan, check[2], block) * check[1]) >= 0
    return bad


# ---------------------------------------------------------------------------------------------- work nodes


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
                ring[base + c] = x[i * ch + c]
        at += ch


@J
def work_read(row, s0, s1):
    """Step: what a work node made one latency ago; late work fades to silence and back over 10 ms.

    Row: port, count, then address, channels; then the address of the fade's float32: last and residual of each channel.
    """
    r = p_int64(row)
    w = p_int64(r[6])
    ring, cols, length = p_float32(w[W_OUT]), w[W_OUT_CH], w[W_LENGTH]
    fade = p_int64(row)[8 + 2 * r[7]]
    last, residual, ramp = p_float32(fade), p_float32(fade + 4 * cols), np.int64(r[3] // 100)
    for i in range(s0, s1):
        t = w[W_NOW] + i - w[W_LATENCY]
        ready = 0
        if t >= 0 and w[W_DEAD] == 0:
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
        base = ((t + length) % length) * cols
        at = 0
        for k in range(r[7]):
            y, ch = p_float32(r[8 + 2 * k]), r[9 + 2 * k]
            for c in range(ch):
                v = ring[base + at + c] if ready != 0 else ZERO
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


# ---------------------------------------------------------------------------------------------- controls


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
def set_param(plan, index, offset, value, ramp):
    """A param starts to move at frame `offset` of this block."""
    p = p_int64(plan)
    t = p[P_TARGETS] + TARGET_BYTES * index
    a, d = p_int64(t), p_float64(t)
    if a[T_ACTIVE] == 0:
        a[T_ACTIVE] = 1
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
        fill(p[P_TARGETS] + TARGET_BYTES * active[k], block)
    keep = 0
    for k in range(p[P_ACTIVE_N]):
        t = p[P_TARGETS] + TARGET_BYTES * active[k]
        a = p_int64(t)
        prepare(t, block)
        still = a[T_LEFT] == 0 and a[T_ACTIVE] == 2  # a whole block at the goal: the buffer is constant now
        a[T_FILLED] = 0
        if still:
            a[T_ACTIVE] = 0
        else:
            a[T_ACTIVE] = 2 if a[T_LEFT] == 0 else 1
            active[keep] = active[k]
            keep += 1
    p[P_ACTIVE_N] = keep


@J
def set_switch(plan, index, kind, value, block):
    """A choice or a bypass, at the block's edge."""
    t = p_int64(plan)[P_TARGETS] + TARGET_BYTES * index
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
        seg = p_int64(p[P_SEGMENTS] + q * SEGMENT_BYTES)
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
                    if kind == SET_BYPASS:
                        t = p_int64(p_int64(e[E_PLAN])[P_TARGETS] + TARGET_BYTES * index)
                        for k in range(t[T_CELLS_N]):
                            unfuse(e[E_PLAN], p_int64(t[T_CELLS_AT])[k])
                    set_switch(e[E_PLAN], index, kind, np.int64(p_float64(at)[2]), block)
                log(eng, time, record[1], record[2], record[3])
        read += 1
    store_release(eng + 8 * E_CR, read)


# ---------------------------------------------------------------------------------------------- blocks


@J
def set_clocks(plan, now, block):
    """How many frames of each latent clock this block holds, and before which sample each lies."""
    p = p_int64(plan)
    for k in range(p[P_CLOCK_N]):
        clock = p_int64(p[P_CLOCKS] + 8 * L_CELLS * k)
        num, den, ticks = clock[L_NUM], clock[L_DEN], p_int32(clock[L_TICKS])
        # frame k lies at ceil(k num/den), so floor((t - 1) den/num) + 1 frames lie before sample t
        base = ((now - 1) * den) // num + 1
        clock[L_BEFORE] = clock[L_COUNT]
        for s in range(block + 1):
            ticks[s] = np.int32(((now + s - 1) * den) // num + 1 - base)
        clock[L_COUNT] = np.int64(ticks[block])


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
        if last >= 0 and w[W_DEAD] == 0 and load_acquire(at + 8 * (W_CTL + 4)) == 0:
            first = max(e[E_NOW] - w[W_LATENCY], 0) // w[W_HOP]
            for hop in range(first, last // w[W_HOP] + 1):
                if load_acquire(at + 8 * (W_SEQ + hop % w[W_SLOTS])) != hop + 1:
                    return True
    return False


@J
def run_block(eng):
    """One block of sound into the output queue."""
    e = p_int64(eng)
    block, ch = e[E_BLOCK], e[E_OUT_CH]
    take_controls(eng)
    plan = e[E_PLAN]
    fifo = p_float32(e[E_OUT_FIFO])
    base = e[E_OUT_HAVE] * ch
    if plan == 0:
        for i in range(block * ch):
            fifo[base + i] = ZERO
    else:
        p = p_int64(plan)
        set_clocks(plan, e[E_NOW], block)
        for k in range(p[P_PORT_N]):
            p_int64(p_int64(p[P_PORTS])[k])[W_NOW] = e[E_NOW]
        move_params(plan, block)
        bad = run_plan(eng, plan)
        y, last = p_float32(p[P_OUT]), p_float32(e[E_LAST])
        good = block
        if bad:
            for k in range(p[P_CHECK_N]):
                check = p_int64(p[P_CHECK] + 8 * K_ROW * k)
                at = first_bad(check[0], block * check[1]) if check[3] != 0 else -1
                if at >= 0:
                    good = min(good, at // check[1])
        fade = bad and good < block
        for s in range(block):
            for c in range(ch):
                v = y[s * ch + c] if s < good else ZERO
                if fade:  # what was sounding goes to zero by the end of the block
                    v = (v if s < good else last[c]) * (ONE - F(s + 1) / F(block))
                    if s < good:
                        last[c] = y[s * ch + c]
                elif e[E_FADE] != 0:  # and comes back over the next one
                    v *= F(s + 1) / F(block)
                fifo[base + s * ch + c] = v
        e[E_FADE] = 1 if fade else 0
        if not fade:
            for c in range(ch):
                last[c] = y[(block - 1) * ch + c]
        if bad:
            quarantine(eng, plan)
        for k in range(p[P_PORT_N]):
            at = p_int64(p[P_PORTS])[k]
            w = p_int64(at)
            store_release(at + 8 * W_POS, e[E_NOW] + block)
            if w[W_SEM] != 0 and (e[E_NOW] + block) // w[W_HOP] > e[E_NOW] // w[W_HOP]:
                call_post(e[E_SEM_POST], w[W_SEM])
    e[E_OUT_HAVE] += block
    store_release(eng + 8 * E_NOW, e[E_NOW] + block)


@J
def exchange(eng, source, sink, frames):
    """Takes `frames` of input (address, or 0) and gives as many of output, whatever the block; counts in E_DONE.

    Offline it stops before a block whose work is not done yet, so E_DONE may be less than `frames`.
    """
    e = p_int64(eng)
    control = get_float_control()
    set_float_control(control | FLUSH)
    block, ch, cols = e[E_BLOCK], e[E_OUT_CH], e[E_IN_CH]
    x, inbuf, fifo, out = p_float32(source), p_float32(e[E_IN_BUF]), p_float32(e[E_OUT_FIFO]), p_float32(sink)
    taken, done = 0, 0
    while done < frames:
        if e[E_OUT_HAVE] == 0:
            if e[E_OFFLINE] != 0 and missing(eng):
                break
            if cols > 0:
                n = min(block - e[E_IN_HAVE], frames - taken)
                for i in range(n * cols):
                    v = x[taken * cols + i] if source != 0 else ZERO
                    inbuf[e[E_IN_HAVE] * cols + i] = v if math.isfinite(v) else ZERO
                e[E_IN_HAVE] += n
                taken += n
                if e[E_IN_HAVE] < block:  # cannot happen with the right lead; say so rather than hang
                    e[E_UNDERRUN] += 1
                    for i in range(done * ch, frames * ch):
                        out[i] = ZERO
                    done = frames
                    break
                e[E_IN_HAVE] = 0
            run_block(eng)
        n = min(e[E_OUT_HAVE], frames - done)
        for i in range(n * ch):
            out[done * ch + i] = fifo[i]
        e[E_OUT_HAVE] -= n
        for i in range(e[E_OUT_HAVE] * ch):
            fifo[i] = fifo[n * ch + i]
        done += n
    if cols > 0 and taken < done:
        n = min(block - e[E_IN_HAVE], done - taken)
        for i in range(n * cols):
            v = x[taken * cols + i] if source != 0 else ZERO
            inbuf[e[E_IN_HAVE] * cols + i] = v if math.isfinite(v) else ZERO
        e[E_IN_HAVE] += n
    e[E_DONE] = done
    set_float_control(control)


@J
def callback(source, sink, frames, _time, _flags, eng):
    """PortAudio's stream callback: user data is the engine's address."""
    p_int64(eng)[E_CALLS] += 1
    exchange(eng, source, sink, frames)


@J
def push(eng, time, what, value, ramp):
    """Python's end of the control ring; E_DONE-like answer in the cell behind E_CW: 1 taken, 0 full."""
    e = p_int64(eng)
    w = e[E_CW]
    if w - load_acquire(eng + 8 * E_CR) > e[E_MASK]:
        e[E_CW + 1] = 0
        return
    record = p_int64(e[E_RING] + 8 * CONTROL_ROW * (w & e[E_MASK]))
    record[0], record[1], record[2], record[3] = time, what, value, ramp
    e[E_CW + 1] = 1
    store_release(eng + 8 * E_CW, w + 1)


@J
def collect(eng):
    """Python's end of the returned plans: the address in the cell behind E_RR, or 0."""
    e = p_int64(eng)
    r = e[E_RR]
    e[E_RR + 1] = 0
    if r < load_acquire(eng + 8 * E_RW):
        e[E_RR + 1] = p_int64(e[E_RETURNED])[r & 63]
        store_release(eng + 8 * E_RR, r + 1)


@J
def load(address, into):
    """Atomic acquire load of one cell into another, for Python."""
    p_int64(into)[0] = load_acquire(address)


@J
def store(address, value):
    """Atomic release store, for Python."""
    store_release(address, value)


EXPORTS = {"load": 2, "store": 2, "bypass": 3, "work_write": 3, "work_read": 3, "exchange": 4, "callback": 6, "push": 5, "collect": 1}
"""Functions with a C entry point and how many int64 each takes."""


def build(name):
    """(object file, bitcode) of an exported function."""
    from nodes.compile import export

    function = globals()[name]
    signature = f"void({', '.join(['int64'] * EXPORTS[name])})"
    function.compile(signature)
    result = next(iter(function.overloads.values()))
    return export(result, f"zrack_{name}", ["i64"] * EXPORTS[name], f"the engine's {name}")
