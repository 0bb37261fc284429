"""What counts and remembers: clocks, dividers, sequencers, euclidean rhythms, curves."""

from __future__ import annotations

import numpy as np

from .base import Choice, Data, In, Node, Out, Param, f32, f64, i32
from .dsp.maths import edge, noise, stream

ZERO, ONE, TWO, HALF = np.float64(0.0), np.float64(1.0), np.float64(2.0), np.float64(0.5)
EARLY = np.float64(1e-8)  # cycles by which an edge may come early, so that rounding never makes it a sample late
SLACK = np.float64(0.01)  # the same in samples, for times that were rounded to float32 seconds


class Clock(Node):
    """The pulse of a patch: gates at a tempo, with swing.

    Patch `out` into sequencers, dividers and envelopes.  Close `run` to halt; it goes on where it stood.
    """

    id = "mod/clock"
    run = In(rest=1.0, doc="runs while 0.5 or more")
    reset = In(doc="rising through 0.5 starts the bar anew, with a pulse")
    bpm = Param(120.0, 1.0, 999.0, "bpm", smooth=0.0, doc="beats a minute")
    per_beat = Choice("1", ("1", "2", "3", "4", "6", "8", "12", "24"), doc="pulses a beat")
    width = Param(0.5, 0.01, 0.99, doc="part of a pulse's time that the gate is open")
    swing = Param(0.0, 0.0, 0.9, doc="lateness of every second pulse, part of a pulse's time")
    out = Out(doc="gate")
    beat = Out(doc="0 … 1 through each pair of pulses, for reading tables in time")
    state = {"place": f64, "last": f32}
    coefs = ("period",)
    tags = ("modulator", "clock")

    def prepare(sr, bpm, per_beat):
        count = 1.0 if per_beat == 0 else 2.0 if per_beat == 1 else 3.0 if per_beat == 2 else 4.0
        count = count if per_beat < 4 else 6.0 if per_beat == 4 else 8.0 if per_beat == 5 else 12.0 if per_beat == 6 else 24.0
        return sr * 60.0 / (bpm * count)

    def kernel(frames, channels, sr, state, run, reset, width, swing, period, out, beat):
        for c in range(channels):
            place, last = state.place[c], state.last[c]
            for i in range(frames):
                now = reset[i, c]
                if edge(last, now):
                    place = ZERO
                last = now
                if place >= 2.0 - EARLY:
                    place -= TWO
                late = np.float64(swing[i, c]) + ONE
                w = np.float64(width[i, c])
                on = place < w - EARLY or (place >= late - EARLY and place < late + w * (TWO - late) - EARLY)
                running = run[i, c] >= 0.5
                out[i, c] = 1.0 if on and running else 0.0
                x = np.float32(place * HALF)
                beat[i, c] = x if x > 0.0 else np.float32(0.0)
                if running:
                    place += ONE / period[i, c]
            state.place[c], state.last[c] = place, last


class Divider(Node):
    """Lets every n-th pulse through.

    Patch a clock into two dividers by 3 and 4 for polyrhythm.
    """

    id = "mod/divider"
    clock = In(doc="gate to divide")
    reset = In(doc="rising through 0.5: the next pulse counts as the first")
    by = Param(2.0, 1.0, 64.0, smooth=0.0, doc="one pulse in this many (a whole number)")
    shift = Param(0.0, 0.0, 63.0, smooth=0.0, doc="which of them, 0 the first")
    out = Out(doc="the gates that pass")
    state = {"count": i32, "last": f32, "zero": f32, "on": i32}
    tags = ("modulator", "clock")

    def kernel(frames, channels, sr, state, clock, reset, by, shift, out):
        for c in range(channels):
            count, last, zero, on = state.count[c], state.last[c], state.zero[c], state.on[c]
            for i in range(frames):
                if edge(zero, reset[i, c]):
                    count = np.int32(0)
                zero = reset[i, c]
                now = clock[i, c]
                if edge(last, now):
                    n = np.int32(by[i, c] + 0.5)
                    count = count if count < n else np.int32(0)
                    k = np.int32(shift[i, c] + 0.5)
                    on = np.int32(1 if count == (k if k < n else n - 1) else 0)
                    count = np.int32(count + 1)
                last = now
                out[i, c] = now if on != 0 and now >= 0.5 else np.float32(0.0)
            state.count[c], state.last[c], state.zero[c], state.on[c] = count, last, zero, on


class Steps(Node):
    """A step sequencer: each clock pulse goes to the next row of `steps`.

    Patch a clock into `clock`, `pitch` into an oscillator's pitch and `gate` into an envelope.  A row with velocity 0
    is a rest.
    """

    id = "mod/steps"
    clock = In(doc="rising through 0.5 goes on by a step")
    reset = In(doc="rising through 0.5: the next pulse plays the first step")
    order = Choice("forward", ("forward", "backward", "there and back", "random"), doc="which step comes next")
    steps = Data(
        ((0.0, 1.0), (0.25, 0.7), (0.5833333, 1.0), (0.0, 0.0)), columns=2, limit=4096, unit="V, 0 … 1",
        doc="rows of pitch (volts, 1 is an octave) and velocity (0 is a rest)",
    )  # fmt: skip
    gate = Out(doc="open while the clock is, unless it is a rest")
    pitch = Out(doc="volts; a rest keeps the pitch before")
    velocity = Out(doc="0 … 1; a rest keeps the one before")
    state = {"count": i32, "last": f32, "zero": f32, "on": i32, "volts": f32, "force": f32, "pulses": i32}
    tags = ("modulator", "clock")

    def kernel(frames, channels, sr, state, seed, clock, reset, order, steps, gate, pitch, velocity):
        rows = np.int32(steps.shape[0])
        for c in range(channels):
            own = stream(seed, c)
            count, last, zero, on = state.count[c], state.last[c], state.zero[c], state.on[c]
            volts, force, pulses = state.volts[c], state.force[c], state.pulses[c]
            turn = np.int32(2 * rows - 2) if order == 2 and rows > 1 else rows
            for i in range(frames):
                if edge(zero, reset[i, c]):
                    count = np.int32(0)
                zero = reset[i, c]
                now = clock[i, c]
                if edge(last, now) and rows > 0:
                    count = count if count < turn else np.int32(0)
                    row = count
                    if order == 1:
                        row = np.int32(rows - 1 - count)
                    elif order == 2 and count >= rows:
                        row = np.int32(turn - count)
                    elif order == 3:
                        row = np.int32((noise(own, pulses) * 0.5 + 0.5) * np.float32(rows))
                    row = row if row < rows else np.int32(rows - 1)
                    pulses = np.int32(pulses + 1)
                    count = np.int32(count + 1)
                    on = np.int32(1 if steps[row, 1] > 0.0 else 0)
                    if on != 0:
                        volts, force = steps[row, 0], steps[row, 1]
                last = now
                gate[i, c] = 1.0 if on != 0 and now >= 0.5 else 0.0
                pitch[i, c] = volts
                velocity[i, c] = force
            state.count[c], state.last[c], state.zero[c], state.on[c] = count, last, zero, on
            state.volts[c], state.force[c], state.pulses[c] = volts, force, pulses


class Euclid(Node):
    """Spreads a number of pulses as evenly as possible over a bar of steps.

    3 in 8 is the tresillo, 5 in 8 the cinquillo, 7 in 16 a samba bell.  Patch a clock in and drums behind.
    """

    id = "mod/euclid"
    clock = In(doc="rising through 0.5 goes on by a step")
    reset = In(doc="rising through 0.5: the next pulse is the first step")
    pulses = Param(3.0, 0.0, 64.0, smooth=0.0, doc="gates in a bar (a whole number)")
    length = Param(8.0, 1.0, 64.0, smooth=0.0, doc="steps in a bar (a whole number)")
    rotate = Param(0.0, 0.0, 63.0, smooth=0.0, doc="begins the bar this many steps later")
    out = Out(doc="gate, open while the clock is")
    state = {"count": i32, "last": f32, "zero": f32, "on": i32}
    tags = ("modulator", "clock")

    def kernel(frames, channels, sr, state, clock, reset, pulses, length, rotate, out):
        for c in range(channels):
            count, last, zero, on = state.count[c], state.last[c], state.zero[c], state.on[c]
            for i in range(frames):
                if edge(zero, reset[i, c]):
                    count = np.int32(0)
                zero = reset[i, c]
                now = clock[i, c]
                if edge(last, now):
                    n = np.int32(length[i, c] + 0.5)
                    count = count if count < n else np.int32(0)
                    k = np.int32(pulses[i, c] + 0.5)
                    at = (count + np.int32(rotate[i, c] + 0.5)) % n
                    on = np.int32(1 if (at * k) % n < k else 0)  # Bjorklund's rhythm by Bresenham's line
                    count = np.int32(count + 1)
                last = now
                out[i, c] = 1.0 if on != 0 and now >= 0.5 else 0.0
            state.count[c], state.last[c], state.zero[c], state.on[c] = count, last, zero, on


class CurvePlayer(Node):
    """Plays a curve that you draw, point by point, once or round and round.

    Patch `out` into a cutoff and a clock into `trigger`; `stretch` makes it longer or shorter.
    """

    id = "mod/curve"
    trigger = In(doc="rising through 0.5 starts from the beginning")
    stretch = Param(1.0, 0.01, 100.0, curve="exp", doc="2 takes twice as long")
    loop = Choice("off", ("off", "on"), doc="on: runs at once and goes round; off: once for each trigger")
    curve = Data(
        ((0.0, 0.0), (0.1, 1.0), (1.0, 0.0)), columns=2, limit=65536, unit="s, value",
        doc="rows of time in seconds (rising) and value",
    )  # fmt: skip
    out = Out(doc="straight lines from point to point; the first value before, the last after")
    done = Out(doc="gate: 1 after the last point, for one sample a turn in a loop")
    state = {"place": f64, "row": i32, "last": f32, "on": i32}
    tags = ("modulator", "envelope")

    def kernel(frames, channels, sr, state, trigger, stretch, loop, curve, out, done):
        rows = np.int32(curve.shape[0])
        total = np.float64(curve[rows - 1, 0]) * np.float64(sr)
        for c in range(channels):
            place, row, last, on = state.place[c], state.row[c], state.last[c], state.on[c]
            row = row if row < rows else np.int32(rows - 1)
            for i in range(frames):
                now = trigger[i, c]
                if edge(last, now):
                    place, row, on = ZERO, np.int32(0), np.int32(1)
                last = now
                over = place >= total - SLACK
                if over and loop == 1:
                    place = place - total if place < total + 1000.0 and total > 0.0 else ZERO
                    row = np.int32(0)
                while row + 1 < rows and curve[row + 1, 0] * np.float64(sr) <= place + SLACK:
                    row = np.int32(row + 1)
                y = curve[row, 1]
                if row + 1 < rows:
                    a, b = curve[row, 0] * np.float64(sr), curve[row + 1, 0] * np.float64(sr)
                    x = np.float32((place - a) / (b - a)) if place > a else np.float32(0.0)
                    y += (curve[row + 1, 1] - y) * x
                out[i, c] = y
                done[i, c] = 1.0 if over and (on != 0 or loop == 1) else 0.0
                if loop == 1 or (on != 0 and not over):
                    place += ONE / stretch[i, c]
            state.place[c], state.row[c], state.last[c], state.on[c] = place, row, last, on
