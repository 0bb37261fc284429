"""Modulators: slow shapes, envelopes, followers, random values."""

from __future__ import annotations

from typing import Any

import numpy as np

from .base import Choice, In, Node, Out, Param, f32, f64, i32
from .dsp.maths import CYCLE, PER_CYCLE, approach, bits_of, edge, exp2, float_of, noise, sin_half, stream, turns

ZERO, ONE, TWO, HALF = np.float64(0.0), np.float64(1.0), np.float64(2.0), np.float64(0.5)
EARLY = np.float64(1e-8)  # cycles by which an edge may come early, so that rounding never makes it a sample late
SIXTY_DB = 9.965784284662087  # log2(1000): a decay's time is until 1/1000 is left
TOP = 1.2  # where an attack is aiming, so that it arrives at 1
TOP_LOG = 2.584962500721156  # log2(TOP / (TOP - 1))
LOW_CYCLE = 1048576.0  # 2^20: one step of an LFO's `high` in its `low`


def bend(x: Any, curve: Any) -> Any:
    """Bends a line 0 … 1: `curve` > 0 begins slowly, < 0 begins fast, 0 stays straight.  x / (x + (1-x)·2^(6·curve))."""
    y = x / (x + (1.0 - x) * exp2(6.0 * curve) + 1e-20)
    return x if curve == 0.0 else y


def lfo_wave(shape: Any, f: Any) -> Any:
    """LFO shapes 1 … 5 at phase `f`, -0.5 … 0.5 cycles."""
    if shape == 1:
        a = abs(f)
        b = 0.5 - a
        t = 4.0 * (a if a < b else b)
        return t if f >= 0.0 else -t
    if shape == 2:
        return 2.0 * f
    ramp = 2.0 * f - 1.0 if f >= 0.0 else 2.0 * f + 1.0
    if shape == 3:
        return ramp
    if shape == 4:
        return -ramp
    return np.float32(1.0 if f >= 0.0 else -1.0)


def lfo_begins(channels: Any, state: Any, reset: Any) -> Any:
    """Whether a reset comes with the first frame."""
    begins = np.int32(0)
    for c in range(channels):
        begins |= np.int32(state.last[c] < 0.5) & np.int32(reset[0, c] >= 0.5)
    return begins != 0


def lfo_still(frames: Any, state: Any, reset: Any, up: Any, fine: Any, at: Any) -> Any:
    """Whether one channel runs through the block at one speed, without a reset."""
    u, f, a = bits_of(up[0, 0]), bits_of(fine[0, 0]), bits_of(at[0, 0])
    moved = np.int32(state.last[0] < 0.5) & np.int32(reset[0, 0] >= 0.5)
    for i in range(1, frames):
        moved |= np.int32(reset[i - 1, 0] < 0.5) & np.int32(reset[i, 0] >= 0.5)
    for i in range(1, frames):
        moved |= np.int32(np.int32(bits_of(up[i, 0]) ^ u) | np.int32(bits_of(fine[i, 0]) ^ f))
        moved |= np.int32(bits_of(at[i, 0]) ^ a)
    return moved == 0


class Lfo(Node):
    """A slow wave that moves other params.

    Patch `out` into any param and set how far with the cable's amount.  A clock into `reset` keeps it in time; `phase`
    sets several LFOs against each other.
    """

    id = "mod/lfo"
    reset = In(doc="rising through 0.5 restarts the cycle")
    rate = Param(1.0, 0.001, 200.0, "Hz", curve="exp", doc="cycles a second")
    phase = Param(0.0, 0.0, 1.0, "cycles", doc="shifts the wave")
    shape = Choice(
        "sine",
        ("sine", "triangle", "saw", "ramp up", "ramp down", "square", "sample & hold"),
        doc="saw rises through 0 at the start of a cycle, ramp up begins at the bottom; sample & hold: a new value a cycle",
    )
    unipolar = Choice("off", ("off", "on"), doc="on: 0 … 1 instead of -1 … 1")
    out = Out(doc="-1 … 1, or 0 … 1")
    # The phase has 52 bits in two words, since vector registers have no wide integers: `high`, 2^32 a cycle, and the
    # 20 bits below it in `low`.  Sums are exact, so a block can be computed from its first phase.
    state = {"high": i32, "low": i32, "last": f32, "cycle": i32, "begun": i32}
    coefs = ("up", "fine", "at")  # int32 bits: what a frame adds to `high` and `low`, and the shift
    tags = ("modulator",)

    def prepare(sr, rate, phase):
        x = rate / sr * CYCLE
        up = np.int32(x)
        return float_of(up), float_of(np.int32((x - np.float32(up)) * LOW_CYCLE)), float_of(turns(phase))

    def kernel(frames, channels, sr, state, seed, moving, reset, shape, unipolar, up, fine, at, out):
        still = shape != 6 and frames <= 2048 and moving == 0 and not lfo_begins(channels, state, reset)
        if channels == 1 and shape != 6 and frames <= 2048 and not still:
            still = lfo_still(frames, state, reset, up, fine, at)
        if channels > 1 and still and shape == 0:
            for i in range(frames):
                k = np.int32(i)
                for c in range(channels):
                    carry = np.int32(np.uint32(state.low[c] + k * bits_of(fine[0, c])) >> np.uint32(20))
                    h = np.int32(np.int32(state.high[c] + k * bits_of(up[0, c])) + carry)
                    out[i, c] = sin_half(np.float32(np.int32(h + bits_of(at[0, c]))) * PER_CYCLE)
            for c in range(channels):
                k = np.int32(frames)
                n = np.uint32(state.low[c] + k * bits_of(fine[0, c]))
                state.high[c] = np.int32(np.int32(state.high[c] + k * bits_of(up[0, c])) + np.int32(n >> np.uint32(20)))
                state.low[c] = np.int32(n & np.uint32(0xFFFFF))
                state.last[c] = reset[0, c]
        elif channels == 1 and still:
            u, f, a, h, low = bits_of(up[0, 0]), bits_of(fine[0, 0]), bits_of(at[0, 0]), state.high[0], state.low[0]
            for i in range(frames):  # 2048 · 2^20 is what the sum below holds
                k = np.int32(i)
                carry = np.int32(np.uint32(low + k * f) >> np.uint32(20))
                out[i, 0] = np.float32(np.int32(np.int32(np.int32(h + k * u) + carry) + a)) * PER_CYCLE
            if shape == 0:
                for i in range(frames):
                    out[i, 0] = sin_half(out[i, 0])
            else:
                for i in range(frames):
                    out[i, 0] = lfo_wave(shape, out[i, 0])
            k = np.int32(frames)
            n = np.uint32(low + k * f)
            state.high[0] = np.int32(np.int32(h + k * u) + np.int32(n >> np.uint32(20)))
            state.low[0] = np.int32(n & np.uint32(0xFFFFF))
            state.last[0] = reset[frames - 1, 0]
        elif shape == 0:  # no branches: channels side by side in vector registers
            for i in range(frames):
                for c in range(channels):
                    now = reset[i, c]
                    keep = np.int32(np.int32(np.int32(state.last[c] < 0.5) & np.int32(now >= 0.5)) - 1)
                    h = np.int32(state.high[c] & keep)
                    n = np.int32(np.int32(state.low[c] & keep) + bits_of(fine[i, c]))
                    out[i, c] = sin_half(np.float32(np.int32(h + bits_of(at[i, c]))) * PER_CYCLE)
                    state.last[c] = now
                    state.low[c] = np.int32(n & 0xFFFFF)
                    state.high[c] = np.int32(np.int32(h + bits_of(up[i, c])) + np.int32(n >> 20))
        else:
            for c in range(channels):
                own = stream(seed, c)
                h, low, last, cycle, begun = state.high[c], state.low[c], state.last[c], state.cycle[c], state.begun[c]
                for i in range(frames):
                    if edge(last, reset[i, c]):
                        h, low = np.int32(0), np.int32(0)
                        cycle = np.int32(cycle + (begun if shape == 6 else 0))
                    last, before = reset[i, c], h
                    if shape == 6:
                        out[i, c] = noise(own, cycle)
                    else:
                        out[i, c] = lfo_wave(shape, np.float32(np.int32(h + bits_of(at[i, c]))) * PER_CYCLE)
                    n = np.int32(low + bits_of(fine[i, c]))
                    low = np.int32(n & 0xFFFFF)
                    h = np.int32(np.int32(h + bits_of(up[i, c])) + np.int32(n >> 20))
                    if shape == 6:  # only sample & hold counts cycles, so that the other shapes need not
                        begun = np.int32(1)
                        cycle = np.int32(cycle + (before < 0 and h >= 0))
                state.high[c], state.low[c], state.last[c], state.cycle[c], state.begun[c] = h, low, last, cycle, begun
        if unipolar == 1:
            for i in range(frames):
                for c in range(channels):
                    out[i, c] = out[i, c] * 0.5 + 0.5


class Ramp(Node):
    """Goes from `begin` to `end` once, each time it is triggered.

    Patch a slow ramp into a cutoff for a build-up; patch `done` into the next ramp's `trigger` for a chain.
    """

    id = "mod/ramp"
    trigger = In(doc="rising through 0.5 starts from the beginning")
    time = Param(1.0, 0.001, 600.0, "s", curve="exp", smooth=0.0, doc="how long it takes")
    begin = Param(0.0, -1.0, 1.0, doc="value before and at the start")
    end = Param(1.0, -1.0, 1.0, doc="value at the end and after it")
    curve = Param(0.0, -1.0, 1.0, doc="0 straight, above 0 slow at first, below 0 fast at first")
    out = Out(doc="`begin` … `end`")
    done = Out(doc="gate: 1 from the end until the next trigger")
    state = {"place": f64, "last": f32, "on": i32}
    coefs = ("period",)
    tags = ("modulator",)

    def prepare(sr, time):
        return time * sr

    def kernel(frames, channels, sr, state, trigger, begin, end, curve, period, out, done):
        for c in range(channels):
            place, last, on = state.place[c], state.last[c], state.on[c]
            for i in range(frames):
                now = trigger[i, c]
                if edge(last, now):
                    place, on = ZERO, np.int32(1)
                last = now
                if place >= 1.0 - EARLY:
                    place = ONE
                x = bend(np.float32(place), curve[i, c])
                out[i, c] = begin[i, c] + (end[i, c] - begin[i, c]) * x
                done[i, c] = 1.0 if place >= 1.0 else 0.0
                if on != 0 and place < 1.0:
                    place += ONE / period[i, c]
            state.place[c], state.last[c], state.on[c] = place, last, on


class Adsr(Node):
    """An envelope: rises while a gate opens, falls to a level, stays, and fades when the gate closes.

    Patch a gate (a clock, a sequencer, a keyboard) into `gate` and `out` into a VCA's gain.
    """

    id = "mod/adsr"
    gate = In(doc="open from 0.5 up")
    attack = Param(0.01, 0.0005, 20.0, "s", curve="exp", doc="from 0 to 1")
    decay = Param(0.2, 0.001, 20.0, "s", curve="exp", doc="until 1/1000 of the way to `sustain` is left")
    sustain = Param(0.6, 0.0, 1.0, doc="level while the gate stays open")
    release = Param(0.3, 0.001, 20.0, "s", curve="exp", doc="until 1/1000 is left")
    out = Out(doc="0 … 1")
    state = {"level": f64, "last": f32, "rising": i32}
    coefs = ("up", "down", "off")
    tags = ("modulator", "envelope")

    def prepare(sr, attack, decay, release):
        return approach(TOP_LOG / (attack * sr)), approach(SIXTY_DB / (decay * sr)), approach(SIXTY_DB / (release * sr))

    def kernel(frames, channels, sr, state, gate, sustain, up, down, off, out):
        for c in range(channels):
            level, last, rising = state.level[c], state.last[c], state.rising[c]
            for i in range(frames):
                now = gate[i, c]
                if edge(last, now):
                    rising = np.int32(1)
                last = now
                out[i, c] = level
                if now < 0.5:
                    rising = np.int32(0)
                    level -= level * off[i, c]
                    if level < 1e-7:
                        level = ZERO
                elif rising != 0:
                    climb = (TOP - level) * up[i, c]
                    level += climb
                    if level >= 1.0 - 0.25 * climb:  # a quarter of a sample early, so that rounding makes none late
                        level, rising = ONE, np.int32(0)
                else:
                    level += (sustain[i, c] - level) * down[i, c]
            state.level[c], state.last[c], state.rising[c] = level, last, rising


class Follower(Node):
    """How loud a sound is, as a control signal.

    Patch a voice into `audio` and `out` into a filter's cutoff: an auto-wah; into a VCA upside down: a ducker.
    """

    id = "mod/follower"
    audio = In(doc="sound to follow")
    attack = Param(0.005, 0.0001, 2.0, "s", curve="exp", doc="time constant when it grows louder")
    release = Param(0.1, 0.001, 10.0, "s", curve="exp", doc="time constant when it grows softer")
    mode = Choice("peak", ("peak", "RMS"), doc="peak follows the highest samples, RMS the power")
    out = Out(doc="0 … 1 for sound within ±1")
    state = {"z": f32}
    coefs = ("up", "down")
    tags = ("modulator", "envelope")

    def prepare(sr, attack, release):
        return approach(1.4426950408889634 / (attack * sr)), approach(1.4426950408889634 / (release * sr))

    def kernel(frames, channels, sr, state, audio, mode, up, down, out):
        if channels == 1:
            z = state.z[0]
            for i in range(frames):
                z = follow(z, audio[i, 0], mode, up[i, 0], down[i, 0])
                out[i, 0] = z
            state.z[0] = z
        else:
            for i in range(frames):
                for c in range(channels):
                    state.z[c] = follow(state.z[c], audio[i, c], mode, up[i, c], down[i, c])
                    out[i, c] = state.z[c]
        if mode == 1:
            for i in range(frames):
                for c in range(channels):
                    out[i, c] = np.sqrt(out[i, c])


def follow(z: Any, x: Any, mode: Any, up: Any, down: Any) -> Any:
    """One step towards |x|, or x² when `mode` is 1, by share `up` or `down`."""
    x = x * x if mode == 1 else abs(x)
    x = x if x < 1e15 else np.float32(1e15)
    d = x - z
    return z + d * (up if d > 0.0 else down)


class Slew(Node):
    """Lets a signal move only so fast: glide for pitches, soft edges for gates.

    Patch a sequencer's `pitch` through it for portamento.
    """

    id = "mod/slew"
    signal = In(doc="what to slow down")
    rise = Param(0.1, 0.0001, 60.0, "s", curve="exp", doc="time to rise by 1 (linear), or to a third of the way left (curved)")
    fall = Param(0.1, 0.0001, 60.0, "s", curve="exp", doc="time to fall by 1, or to a third of the way left")
    shape = Choice("linear", ("linear", "curved"), doc="constant speed, or ever slower near the goal")
    out = Out(doc="`signal`, slowed")
    state = {"z": f64}
    coefs = ("up", "down")
    tags = ("modulator",)

    def prepare(sr, rise, fall, shape):
        a, b = 1.0 / (rise * sr), 1.0 / (fall * sr)
        up = approach(1.4426950408889634 * a) if shape == 1 else a
        down = approach(1.4426950408889634 * b) if shape == 1 else b
        return up, down

    def kernel(frames, channels, sr, state, signal, shape, up, down, out):
        for c in range(channels):
            z = state.z[c]
            for i in range(frames):
                d = signal[i, c] - z
                if shape == 1:
                    z += d * (up[i, c] if d > 0.0 else down[i, c])
                elif d > 0.0:
                    z += d if d < up[i, c] else np.float64(up[i, c])
                else:
                    z += d if -d < down[i, c] else -np.float64(down[i, c])
                out[i, c] = z
            state.z[c] = z


class SampleHold(Node):
    """Catches a value when a gate rises and keeps it until the next.

    Patch noise into `signal`, a clock into `trigger` and `out` into a pitch for random melodies.
    """

    id = "mod/sample-hold"
    signal = In(doc="what to catch")
    trigger = In(doc="rising through 0.5 catches")
    mode = Choice("sample", ("sample", "track"), doc="track: follows while the gate is open, keeps when it closes")
    out = Out(doc="the value kept, 0 at first")
    state = {"z": f32, "last": f32}
    tags = ("modulator",)

    def kernel(frames, channels, sr, state, signal, trigger, mode, out):
        for c in range(channels):
            z, last = state.z[c], state.last[c]
            for i in range(frames):
                now = trigger[i, c]
                if edge(last, now) or (mode == 1 and now >= 0.5):
                    z = signal[i, c]
                last = now
                out[i, c] = z
            state.z[c], state.last[c] = z, last


class RandomWalk(Node):
    """Wanders without aim between -1 and 1, in steps or smoothly.

    Patch into detune, panorama or a latent dimension for movement that never repeats.
    """

    id = "mod/random-walk"
    reset = In(doc="rising through 0.5 returns to 0")
    rate = Param(4.0, 0.01, 1000.0, "Hz", curve="exp", doc="steps a second")
    step = Param(0.2, 0.0, 1.0, doc="largest step; the walk turns back at ±1")
    shape = Choice("smooth", ("smooth", "stepped"), doc="glide from step to step, or jump")
    out = Out(doc="-1 … 1")
    state = {"place": f64, "from_": f32, "to": f32, "count": i32, "last": f32}
    coefs = ("period",)
    tags = ("modulator", "random")

    def prepare(sr, rate):
        return sr / rate

    def kernel(frames, channels, sr, state, seed, reset, step, shape, period, out):
        for c in range(channels):
            own = stream(seed, c)
            place, a, b, count, last = state.place[c], state.from_[c], state.to[c], state.count[c], state.last[c]
            for i in range(frames):
                now = reset[i, c]
                if edge(last, now):
                    place, a, b = ZERO, np.float32(0.0), np.float32(0.0)
                last = now
                if place < ONE or place >= 2.0 - EARLY:  # 1 … 2 within a step; zero at first: a step is due
                    place = place - ONE if place >= 2.0 - EARLY else ONE
                    a = b
                    b += step[i, c] * noise(own, count)
                    b = 2.0 - b if b > 1.0 else b
                    b = -2.0 - b if b < -1.0 else b
                    count = np.int32(count + 1)
                out[i, c] = b if shape == 1 else a + (b - a) * np.float32(place - ONE)
                place += ONE / period[i, c]
            state.place[c], state.from_[c], state.to[c], state.count[c], state.last[c] = place, a, b, count, last
