"""The compiled callback of a sound device.  Importing this imports numba.

`stream` has the C signature of PortAudio's stream callback.  It plays *decks*: an engine with its channel maps and, where the
device has another rate than the patch, a rate converter each way.  It fades between play and stop, changes decks by a
crossfade, and measures itself.  Between two fades the samples pass as they are, bit for bit.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
from __future__ import annotations

import math

from llvmlite import ir
from numba.extending import intrinsic

from nodes.intrinsics import (
    FLUSH,
    I64,
    cycles,
    get_float_control,
    load_acquire,
    p_float32,
    p_float64,
    p_int64,
    set_float_control,
    store_release,
)  # fmt: skip

from .jit import ONE, ZERO, F, J
from .layout import *  # noqa: F403 - cell names, all constants


@intrinsic
def call_exchange(_context, function, engine, source, sink, frames):
    """Calls the compiled `exchange` by address: it is in the cache already, compiling it in here would take seconds more."""

    def emit(_c, b, _s, args):
        f = b.inttoptr(args[0], ir.PointerType(ir.FunctionType(ir.IntType(32), [ir.IntType(64)] * 4)))
        return b.sext(b.call(f, list(args[1:])), ir.IntType(64))

    return I64(I64, I64, I64, I64, I64), emit


@J
def needed(converter, frames):
    """How many more source frames the next `frames` need."""
    v = p_int64(converter)
    return max((v[V_PHASE] + (frames - 1) * v[V_STEP]) // v[V_UP] + v[V_TAPS] - v[V_HAVE], 0)


@J
def feed(converter, source, frames):
    """Appends source frames; what is not finite becomes 0, or it would stay in the filter."""
    v = p_int64(converter)
    x, held, ch, width, have = p_float32(source), p_float32(v[V_HELD]), v[V_CH], v[V_WIDTH], v[V_HAVE]
    frames = min(frames, width - have)
    for c in range(ch):
        for i in range(frames):
            s = x[i * ch + c]
            held[c * width + have + i] = s if math.isfinite(s) else ZERO
    v[V_HAVE] = have + frames


@J
def convert(converter, sink, frames):
    """The next `frames` at the other rate.  The position is a whole number of 1/V_UP source frames, so nothing drifts."""
    v = p_int64(converter)
    table, held, y = p_float32(v[V_TABLE]), p_float32(v[V_HELD]), p_float32(sink)
    up, step, taps, ch, width, have = v[V_UP], v[V_STEP], v[V_TAPS], v[V_CH], v[V_WIDTH], v[V_HAVE]
    phase, at = v[V_PHASE], 0
    for i in range(frames):
        h = phase * taps
        for c in range(ch):
            x = c * width + at
            s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = ZERO
            if at + taps <= have:
                for t in range(0, taps, 8):
                    s0 += table[h + t] * held[x + t]
                    s1 += table[h + t + 1] * held[x + t + 1]
                    s2 += table[h + t + 2] * held[x + t + 2]
                    s3 += table[h + t + 3] * held[x + t + 3]
                    s4 += table[h + t + 4] * held[x + t + 4]
                    s5 += table[h + t + 5] * held[x + t + 5]
                    s6 += table[h + t + 6] * held[x + t + 6]
                    s7 += table[h + t + 7] * held[x + t + 7]
            y[i * ch + c] = ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))
        phase += step
        at += phase // up
        phase %= up
    at = min(at, have)
    for c in range(ch):
        for i in range(have - at):
            held[c * width + i] = held[c * width + at + i]
    v[V_PHASE], v[V_HAVE] = phase, have - at


@J
def run(deck, source, cols, frames):
    """Computes `frames` of a deck, at the device's rate, into DECK_OUT; `source` is [frames, cols] of the device, or 0."""
    d = p_int64(deck)
    wide = p_int64(d[DECK_ENGINE])[E_IN_CH]
    into, n, sink = d[DECK_IN], frames, d[DECK_OUT]
    if d[DECK_TO] != 0:
        n, sink = needed(d[DECK_TO], frames), d[DECK_SCRATCH]
    if wide > 0:
        picked = p_float32(d[DECK_SCRATCH] if d[DECK_FROM] != 0 else into)
        device, route = p_float32(source), p_int64(d[DECK_IN_MAP])
        for c in range(wide):
            k = route[c]
            for i in range(frames):
                picked[i * wide + c] = device[i * cols + k] if source != 0 and k >= 0 else ZERO
        if d[DECK_FROM] != 0:
            feed(d[DECK_FROM], d[DECK_SCRATCH], frames)
            convert(d[DECK_FROM], into, n)
    call_exchange(d[DECK_EXCHANGE], d[DECK_ENGINE], into if wide > 0 else 0, sink, n)
    if d[DECK_TO] != 0:
        feed(d[DECK_TO], sink, n)
        convert(d[DECK_TO], d[DECK_OUT], frames)


@J
def route(deck, sink, ch, frames, gain, fade):
    """A deck's sound to the device's channels, over what is there: all of it, or faded in from `gain` on where `fade` > 0."""
    out = p_float32(sink)
    d = p_int64(deck)
    x, channels = p_float32(d[DECK_OUT]), p_int64(d[DECK_OUT_MAP])
    wide = p_int64(d[DECK_ENGINE])[E_OUT_CH]
    for c in range(ch):
        k = channels[c]
        for i in range(frames):
            v = x[i * wide + k] if k >= 0 else ZERO
            if fade > 0 and gain + i + 1 < fade:
                g = F(gain + i + 1) / F(fade)
                v = out[i * ch + c] * (ONE - g) + v * g
            out[i * ch + c] = v


@J
def play(at, source, sink, frames):
    """One chunk: the deck that plays, the one that takes its place, and the fades of play and stop."""
    d = p_int64(at)
    out, ch, fade = p_float32(sink), d[D_OUT_CH], d[D_FADE]
    gain = min(d[D_GAIN], fade)
    want, coming = load_acquire(at + 8 * D_WANT), load_acquire(at + 8 * D_NEXT)
    silent = want == 0 and gain == 0
    deck = d[D_DECK]
    if silent or deck == 0:
        for i in range(frames * ch):
            out[i] = ZERO
    if not silent and deck != 0:
        run(deck, source, d[D_IN_CH], frames)
        route(deck, sink, ch, frames, 0, 0)
    if coming != 0:
        if not silent:
            run(coming, source, d[D_IN_CH], frames)
            route(coming, sink, ch, frames, d[D_MIXED], fade)
        d[D_MIXED] += frames
        if silent or d[D_MIXED] >= fade:
            d[D_DECK], d[D_MIXED] = coming, 0
            store_release(at + 8 * D_NEXT, 0)
    if want == 0 or gain < fade:
        for i in range(frames):
            gain = min(gain + 1, fade) if want != 0 else max(gain - 1, 0)
            for c in range(ch):
                out[i * ch + c] *= F(gain) / F(fade)
        d[D_GAIN] = gain


@J
def follow(at, began, frames):
    """Smooths the time of the callbacks (a delay-locked loop), as their own times jitter: D_AT is when this one is due."""
    d, f = p_int64(at), p_float64(at)
    due = f[D_AT] + d[D_LAST] * f[D_PACE]
    error = float(began) - due
    period = frames / f[D_RATE]
    hz = f[D_NOMINAL] * f[D_RATE]
    d[D_STRIKES] = d[D_STRIKES] + 1 if abs(error) > (0.02 + 2.0 * period) * hz else 0
    if f[D_PACE] == 0.0 or d[D_STRIKES] > 8:  # the first, or time has truly jumped
        due, f[D_PACE], d[D_RUN], d[D_STRIKES] = float(began), f[D_NOMINAL], 0, 0
    elif d[D_STRIKES] == 0:  # a single late one says nothing
        d[D_RUN] += frames
        w = min(6.2832 * max(0.05, 0.5 * f[D_RATE] / d[D_RUN]) * period, 0.3)  # quick at first, then slow
        due += 1.4142 * w * error
        f[D_PACE] += w * w * error / frames
    f[D_AT], d[D_LAST] = due, frames


@J
def stamp(at, timing):
    """Says which sample of the engine is next and when it was due."""
    d = p_int64(at)
    deck = load_acquire(at + 8 * D_NEXT)
    if deck == 0:
        deck = d[D_DECK]
    now, engine = 0, 0
    if deck != 0:
        engine = p_int64(deck)[DECK_ENGINE]
        now = p_int64(engine)[E_NOW] - p_int64(engine)[E_OUT_HAVE]
        to = p_int64(deck)[DECK_TO]
        if to != 0:
            now += p_int64(to)[V_TAPS] // 2 - 1 - p_int64(to)[V_HAVE]
    seq = d[D_SEQ]
    store_release(at + 8 * D_SEQ, seq + 1)
    store_release(at + 8 * (D_SEQ + 1), d[D_AT])
    store_release(at + 8 * (D_SEQ + 2), d[D_PACE])
    store_release(at + 8 * (D_SEQ + 3), now)
    store_release(at + 8 * (D_SEQ + 4), engine)
    store_release(at + 8 * (D_SEQ + 5), p_int64(timing)[1] if timing != 0 else 0)
    store_release(at + 8 * (D_SEQ + 6), p_int64(timing)[2] if timing != 0 else 0)
    store_release(at + 8 * D_SEQ, seq + 2)


@J
def lend(at, source, sink, frames):
    """Captures what comes in and, from the same frame on, sends a given sound: round trips, and tests."""
    d = p_int64(at)
    capture = load_acquire(at + 8 * D_CAPTURE)
    if capture == 0:
        return
    ch, wide, sent, captured = d[D_IN_CH], d[D_OUT_CH], d[D_SENT], d[D_CAPTURED]
    x, out = p_float32(d[D_SEND]), p_float32(sink)
    n = min(frames, d[D_SEND_N] - sent)
    for i in range(n):
        out[i * wide + d[D_SEND_CH]] += x[sent + i]
    d[D_SENT] = sent + n
    if source != 0:
        heard, kept = p_float32(source), p_float32(capture + 4 * ch * captured)
        n = min(frames, d[D_CAPTURE_N] - captured)
        for i in range(n * ch):
            kept[i] = heard[i]
        store_release(at + 8 * D_CAPTURED, captured + n)


@J
def measure(at, sink, frames, flags, began):
    """Counts the call, PortAudio's flags, the largest sample of each channel and the time it took."""
    d = p_int64(at)
    counts = p_int64(d[D_FLAGS])
    for k in range(5):
        counts[k] += (flags >> k) & 1
    out, peaks, ch = p_float32(sink), p_float32(d[D_PEAKS]), d[D_OUT_CH]
    for c in range(ch):
        peak = peaks[c]
        for i in range(frames):
            peak = max(peak, abs(out[i * ch + c]))
        peaks[c] = peak
    d[D_FRAMES] += frames
    took = max(cycles() - began, 1)
    d[D_BUSY] += took
    d[D_LONGEST] = max(d[D_LONGEST], took)
    p_int64(d[D_HIST])[min(int(16.0 * math.log2(float(took))), HISTOGRAM - 1)] += 1
    store_release(at + 8 * D_CALLS, d[D_CALLS] + 1)


@J
def stream(source, sink, frames, timing, flags, at):
    """PortAudio's callback: `at` is the address of the D_ cells; float32, interleaved; `source` is 0 without input."""
    began = cycles()
    d = p_int64(at)
    control = get_float_control()
    set_float_control(control | FLUSH)
    follow(at, began, frames)
    stamp(at, timing)
    done = 0
    while done < frames:
        n = min(d[D_CHUNK], frames - done)
        play(at, source + 4 * done * d[D_IN_CH] if source != 0 else 0, sink + 4 * done * d[D_OUT_CH], n)
        done += n
    lend(at, source, sink, frames)
    measure(at, sink, frames, flags, began)
    set_float_control(control)


@J
def ticks(into):
    """The cycle counter, for Python."""
    p_int64(into)[0] = cycles()
