"""The compiled engine: everything that happens on the audio thread.  Importing this imports numba.

No Python runs here, nothing is allocated, locked or waited for.  `runtime.engine` compiles the exported functions once
into object files and calls them through their addresses; the sound device will call `callback` itself.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
from __future__ import annotations

import math

import numpy as np

from nodes.intrinsics import (
    FLUSH,
    call_post,
    call_step,
    cycles,
    get_float_control,
    load_acquire,
    p_float32,
    p_int32,
    p_int64,
    set_float_control,
    store_release,
)  # fmt: skip

from .controls import log, move_params, set_switch, take_controls
from .guard import bad_frame, bypass, fade, first_bad, frames_of, quarantine
from .jit import ONE, ZERO, F, J
from .layout import *  # noqa: F403 - cell names, all constants
from .rings import missing, ready_hops, work_read, work_write
from .stream import stream, ticks

ONE_BITS = int(np.float64(1.0).view(np.int64))


@J
def walk(eng, row, count, s0, s1):
    """Runs `count` steps from `row` on; gives the row behind the last."""
    for _k in range(count):
        r = p_int64(row)
        p_int64(eng)[E_AT] = row  # should it hang or crash, this names the node
        call_step(r[0], row, s0, s1)
        row += r[1]
    return row


@J
def run_loop(eng, plan, seg, block):
    """A loop, one sample after the other; a latent step in it runs at its clock's frames."""
    for s in range(block):
        row = seg[S_FIRST]
        for _k in range(seg[S_COUNT]):
            r = p_int64(row)
            p_int64(eng)[E_AT] = row
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
        seg = p_int64(p[P_SEGMENTS] + q * 8 * S_CELLS)
        n = frames_of(plan, seg[S_CLOCK], block)
        here = cursor - seen
        visit = window > 0 and here >= 0 and here < seg[S_COUNT]
        if seg[S_LOOP] == STILL:
            continue
        if seg[S_LOOP] == LOOP:
            t0 = cycles()
            e[E_AT] = seg[S_FIRST]
            if seg[S_FUSED] != 0:
                call_step(seg[S_FUSED], seg[S_FUSED_ROW], 0, block)
            else:
                run_loop(eng, plan, seg, block)
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
                row = walk(eng, row, here, 0, n)
                m, wide = 0, 0
                while here + m < left and wide < window:  # a wide step costs as much to look at as many narrow ones
                    r = p_int64(row)
                    record = p_int64(r[4])
                    t0 = cycles()
                    e[E_AT] = row
                    call_step(r[0], row, 0, n)
                    record[R_TICKS] += cycles() - t0
                    record[R_CALLS] += 1
                    bad = bad or bad_frame(plan, r[4], block) >= 0
                    wide += r[2]
                    m += 1
                    row += r[1]
                left -= here + m
                cursor = seen + here + m
            walk(eng, row, left, 0, n)
        seen += seg[S_COUNT]
        if visit:
            window = 0
    p[P_CURSOR] = cursor if cursor < seen else 0
    if e[E_CHECKS] != 0:
        for k in range(p[P_CHECK_N]):
            check = p_int64(p[P_CHECK] + 8 * K_ROW * k)
            bad = bad or first_bad(check[0], frames_of(plan, check[2], block) * check[1]) >= 0
    return bad


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
def watch(eng, plan):
    """Copies what somebody looks at into rings in shared memory."""
    e = p_int64(eng)
    for k in range(WATCHES if e[E_WATCH] != 0 else 0):
        w = p_int64(e[E_WATCH] + 8 * WATCH_ROW * k)
        if w[WATCH_SOURCE] == 0:
            continue
        x, ring, ch = p_float32(w[WATCH_SOURCE]), p_float32(w[WATCH_RING]), w[WATCH_CH]
        n = frames_of(plan, w[WATCH_CLOCK], e[E_BLOCK])
        for i in range(n):
            at = ((w[WATCH_N] + i) % w[WATCH_FRAMES]) * ch
            for c in range(ch):
                ring[at + c] = x[i * ch + c]
        store_release(e[E_WATCH] + 8 * (WATCH_ROW * k + WATCH_N), w[WATCH_N] + n)


@J
def tap(eng, fifo, base):
    """Keeps the block that is put out (and the input that made it) for who records."""
    e = p_int64(eng)
    block, ch, cols = e[E_BLOCK], e[E_OUT_CH], e[E_IN_CH]
    ring, side, x = p_float32(e[E_TAP]), p_float32(e[E_TAP_IN]), p_float32(e[E_IN_BUF])
    for i in range(block):
        at = (e[E_TAPPED] + i) % e[E_TAP_FRAMES]
        for c in range(ch):
            ring[at * ch + c] = fifo[base + i * ch + c]
        for c in range(cols):
            side[at * cols + c] = x[i * cols + c]
    store_release(eng + 8 * E_TAPPED, e[E_TAPPED] + block)


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
            at = p_int64(p[P_PORTS])[k]
            w = p_int64(at)
            w[W_NOW] = e[E_NOW]
            if w[W_DRY] == 0 and e[E_OFFLINE] < 2 and load_acquire(at + 8 * (W_CTL + 4)) != 0:  # its work failed
                what = SET_CHOICE << 32 | w[W_UID]
                set_switch(plan, p_int64(p[P_TARGET_MAP])[w[W_UID]], 1, block, False)
                log(eng, e[E_NOW], what, ONE_BITS, 0)
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
            if w[W_SEM] != 0 and ready_hops(w, e[E_NOW] + block) > ready_hops(w, e[E_NOW]):
                call_post(e[E_SEM_POST], w[W_SEM])
        watch(eng, plan)
    e[E_AT] = 0
    if e[E_TAP] != 0:
        tap(eng, fifo, base)
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


EXPORTS = {
    "bypass": (bypass, 3), "fade": (fade, 3), "collect": (collect, 1), "exchange": (exchange, 4), "load": (load, 2),
    "push": (push, 5), "store": (store, 2), "stream": (stream, 6),
    "ticks": (ticks, 1), "work_read": (work_read, 3), "work_write": (work_write, 3),
}  # fmt: skip
"""Functions with a C entry point and how many int64 each takes."""

CALLBACK = f"""
define i32 @zrack_callback(i64 %in, i64 %out, i64 %frames, i64 %time, i64 %flags, i64 %eng) {{
 %e = inttoptr i64 %eng to ptr
 %at = getelementptr i64, ptr %e, i64 {E_CALLS}
 %n = load i64, ptr %at
 %m = add i64 %n, 1
 store i64 %m, ptr %at
 %z = call i32 @zrack_exchange(i64 %eng, i64 %in, i64 %out, i64 %frames)
 ret i32 0
}}
"""
"""PortAudio's stream callback beside `exchange`, in the same object file; user data is the engine's address."""


def build(name):
    """(object file, bitcode) of an exported function."""
    from nodes.compile import export

    function, arguments = EXPORTS[name]
    signature = f"void({', '.join(['int64'] * arguments)})"
    function.compile(signature)
    result = next(iter(function.overloads.values()))
    return export(
        result, f"zrack_{name}", ["i64"] * arguments, f"the engine's {name}", more=CALLBACK if name == "exchange" else ""
    )
