"""Sums, shapes, comparison and logic: what stands between a modulator and what it moves.

Params without a unit of their own (`cable="units"`) take a signal as it is, where a knob would move on its travel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .base import Choice, In, Node, Out, Param, f32
from .dsp.maths import exp2, log2, tanh

WIDE = 100000.0


class Add(Node):
    """Adds a second signal or a fixed amount to the first.

    Patch a pitch into `a` and set `b` to 1 to go up an octave, or patch a vibrato into `b`: cables into it add as they are.
    """

    id = "maths/add"
    a = In(doc="first signal")
    b = Param(0.0, -WIDE, WIDE, smooth=0.01, cable="units", doc="what is added, a number or a signal")
    out = Out(doc="a + b")

    def kernel(frames, channels, sr, state, a, b, out):
        x, y, z = a.flat, b.flat, out.flat
        for k in range(frames * channels):
            z[k] = x[k] + y[k]


class Multiply(Node):
    """Multiplies two signals: an amplifier where one is slow, a ring modulator where both are sound.

    Patch an envelope into `b` and set `b` itself to 0 to shape the sound in `a`: cables into `b` add to it as they are.
    """

    id = "maths/multiply"
    a = In(doc="first signal")
    b = Param(1.0, -WIDE, WIDE, smooth=0.01, cable="units", doc="what it is multiplied by, a number or a signal")
    out = Out(doc="a × b")

    def kernel(frames, channels, sr, state, a, b, out):
        x, y, z = a.flat, b.flat, out.flat
        for k in range(frames * channels):
            z[k] = x[k] * y[k]


class Scale(Node):
    """Moves a signal from one range to another: −1 … 1 to 200 … 2000, or the other way round.

    Set the range that the signal has and the range that it should have; low above high turns it over.
    """

    id = "maths/scale"
    a = In(doc="signal")
    in_low = Param(-1.0, -WIDE, WIDE, cable="units", doc="value of the signal that becomes `out_low`")
    in_high = Param(1.0, -WIDE, WIDE, cable="units", doc="value of the signal that becomes `out_high`")
    out_low = Param(0.0, -WIDE, WIDE, cable="units", doc="lower end of the new range")
    out_high = Param(1.0, -WIDE, WIDE, cable="units", doc="upper end of the new range")
    limit = Choice("off", ("off", "on"), doc="on: what lies outside the old range stays at the ends of the new one")
    out = Out(doc="the signal in its new range")

    def kernel(frames, channels, sr, state, a, in_low, in_high, out_low, out_high, limit, out):
        for i in range(frames):
            for c in range(channels):
                span = in_high[i, c] - in_low[i, c]
                at = np.float32(0.0)  # a range without width has one value only
                if abs(span) > 1e-6:
                    at = (a[i, c] - in_low[i, c]) / span
                if limit == 1:
                    at = min(max(at, 0.0), 1.0)
                out[i, c] = out_low[i, c] + (out_high[i, c] - out_low[i, c]) * at


class Clip(Node):
    """Cuts off what lies above or below two limits.

    On sound it is the hardest distortion; on a modulator it keeps a knob inside the part of its travel that you like.
    """

    id = "maths/clip"
    a = In(doc="signal")
    low = Param(-1.0, -WIDE, WIDE, cable="units", doc="nothing goes below")
    high = Param(1.0, -WIDE, WIDE, cable="units", doc="nothing goes above")
    out = Out(doc="what is left")

    def kernel(frames, channels, sr, state, a, low, high, out):
        for i in range(frames):
            for c in range(channels):
                out[i, c] = min(max(a[i, c], low[i, c]), high[i, c])


class Fold(Node):
    """Folds what exceeds two limits back inside, like a wave folder: louder in means brighter out.

    Patch a sine into `a` and an envelope into `drive`.
    """

    id = "maths/fold"
    a = In(doc="signal")
    drive = Param(1.0, 0.1, 64.0, curve="exp", doc="factor before folding")
    low = Param(-1.0, -WIDE, WIDE, cable="units", doc="lower mirror")
    high = Param(1.0, -WIDE, WIDE, cable="units", doc="upper mirror")
    out = Out(doc="folded signal, between the mirrors")

    def kernel(frames, channels, sr, state, a, drive, low, high, out):
        for i in range(frames):
            for c in range(channels):
                span = max(high[i, c] - low[i, c], 1e-6)
                at = (a[i, c] * drive[i, c] - low[i, c]) / (span + span)
                at -= np.floor(at)
                out[i, c] = low[i, c] + span * (1.0 - abs(1.0 - (at + at)))


class Wrap(Node):
    """Wraps a signal round between two limits, as a phase does: what leaves at the top comes in at the bottom."""

    id = "maths/wrap"
    a = In(doc="signal")
    low = Param(0.0, -WIDE, WIDE, cable="units", doc="lower end")
    high = Param(1.0, -WIDE, WIDE, cable="units", doc="upper end; the signal never reaches it")
    out = Out(doc="wrapped signal")

    def kernel(frames, channels, sr, state, a, low, high, out):
        for i in range(frames):
            for c in range(channels):
                span = max(high[i, c] - low[i, c], 1e-6)
                at = (a[i, c] - low[i, c]) / span
                y = low[i, c] + span * (at - np.floor(at))
                out[i, c] = y if y < low[i, c] + span else low[i, c]  # rounding can reach the end


class Absolute(Node):
    """Turns the negative half of a signal up, a full-wave rectifier; or keeps only one half."""

    id = "maths/absolute"
    a = In(doc="signal")
    keep = Choice("both", ("both", "positive", "negative"), doc="both halves turned up, or only one of them")
    out = Out(doc="never below 0")

    def kernel(frames, channels, sr, state, a, keep, out):
        up = np.float32(0.0) if keep == 2 else np.float32(1.0)
        down = np.float32(0.0) if keep == 1 else np.float32(1.0)
        for i in range(frames):
            for c in range(channels):
                out[i, c] = up * max(a[i, c], 0.0) + down * max(-a[i, c], 0.0)


class Min(Node):
    """Gives the lower of two signals at every moment."""

    id = "maths/min"
    a = In(doc="first signal")
    b = Param(0.0, -WIDE, WIDE, cable="units", doc="second signal, or a ceiling")
    out = Out(doc="the lower one")

    def kernel(frames, channels, sr, state, a, b, out):
        x, y, z = a.flat, b.flat, out.flat
        for k in range(frames * channels):
            z[k] = min(x[k], y[k])


class Max(Node):
    """Gives the higher of two signals at every moment."""

    id = "maths/max"
    a = In(doc="first signal")
    b = Param(0.0, -WIDE, WIDE, cable="units", doc="second signal, or a floor")
    out = Out(doc="the higher one")

    def kernel(frames, channels, sr, state, a, b, out):
        x, y, z = a.flat, b.flat, out.flat
        for k in range(frames * channels):
            z[k] = max(x[k], y[k])


class Power(Node):
    """Bends a signal: raises its size to a power and keeps its sign.

    On an envelope, 2 makes it start slower and 0.5 faster; on sound it is a gentle distortion that leaves ±1 in place.
    """

    id = "maths/power"
    a = In(doc="signal")
    exponent = Param(2.0, 0.05, 16.0, curve="exp", doc="power; 1 changes nothing")
    out = Out(doc="sign of a times |a| to the power")

    def kernel(frames, channels, sr, state, a, exponent, out):
        for i in range(frames):
            for c in range(channels):
                size = abs(a[i, c])
                y = exp2(min(exponent[i, c] * log2(max(size, 1e-30)), 120.0))
                y = y if size > 1e-30 else np.float32(0.0)
                out[i, c] = -y if a[i, c] < 0.0 else y


class Saturate(Node):
    """Drives a signal into a soft limit, as tape, tubes and diodes do: it gets denser and never leaves ±1 by much.

    In a feedback loop it keeps the howl in bounds.  `bias` makes it lopsided, which adds even harmonics.
    """

    id = "maths/saturate"
    a = In(doc="signal")
    drive = Param(1.0, 0.1, 100.0, curve="exp", doc="factor before the curve")
    bias = Param(0.0, -1.0, 1.0, doc="offset before the curve, taken out again behind it")
    shape = Choice("tanh", ("tanh", "cubic", "soft", "diode"),
                   doc="tanh: tape; cubic: flat from ±1 on; soft: x ÷ (1 + |x|); diode: cubic above, soft below 0")  # fmt: skip
    out = Out(doc="saturated signal")

    def kernel(frames, channels, sr, state, a, drive, bias, shape, out):
        if shape == 0:
            for i in range(frames):
                for c in range(channels):
                    out[i, c] = tanh(a[i, c] * drive[i, c] + bias[i, c]) - tanh(bias[i, c])
        elif shape == 1:
            for i in range(frames):
                for c in range(channels):
                    out[i, c] = cubic(a[i, c] * drive[i, c] + bias[i, c]) - cubic(bias[i, c])
        elif shape == 2:
            for i in range(frames):
                for c in range(channels):
                    out[i, c] = soft(a[i, c] * drive[i, c] + bias[i, c]) - soft(bias[i, c])
        else:
            for i in range(frames):
                for c in range(channels):
                    x = a[i, c] * drive[i, c] + bias[i, c]
                    out[i, c] = diode(x) - diode(bias[i, c])


def cubic(x: Any) -> Any:
    """1.5·x − 0.5·x³ inside ±1, flat outside: the lowest polynomial that meets its limits without a corner."""
    x = min(max(x, -1.0), 1.0)
    return 1.5 * x - 0.5 * x * x * x


def soft(x: Any) -> Any:
    """x ÷ (1 + |x|)."""
    return x / (1.0 + abs(x))


def diode(x: Any) -> Any:
    """`cubic` above 0 and `soft` below."""
    return cubic(max(x, 0.0)) + soft(min(x, 0.0))


class Compare(Node):
    """Makes a gate from a comparison: 1 while it holds, else 0.

    `margin` keeps a trembling signal from making the gate chatter.
    """

    id = "maths/compare"
    a = In(doc="signal")
    b = Param(0.0, -WIDE, WIDE, cable="units", doc="what it is compared with, a number or a signal")
    margin = Param(0.0, 0.0, 1000.0, cable="units",
                   doc="how far the signal must pass b before the gate changes; near: how near is near")  # fmt: skip
    test = Choice("above", ("above", "below", "near"), doc="a above b, a below b, or a within margin of b")
    out = Out(doc="gate")
    state = {"on": f32}

    def kernel(frames, channels, sr, state, a, b, margin, test, out):
        side = np.float32(-1.0) if test == 1 else np.float32(1.0)
        for i in range(frames):
            for c in range(channels):
                over = side * (a[i, c] - b[i, c])
                if test == 2:
                    on = np.float32(1.0) if abs(over) <= margin[i, c] else np.float32(0.0)
                else:
                    # once on it stays until the signal is as far on the other side
                    edge = -margin[i, c] if state.on[c] > 0.5 else margin[i, c]
                    on = np.float32(1.0) if over > edge else np.float32(0.0)
                state.on[c] = on
                out[i, c] = on


class Logic(Node):
    """Combines gates: both, either, only one, neither; or remembers them.

    Two clocks through `xor` make a rhythm that neither has alone; `toggle` makes a switch from a button.
    """

    id = "maths/logic"
    a = In(doc="first gate")
    b = In(doc="second gate")
    rule = Choice("and", ("and", "or", "xor", "nand", "nor", "xnor", "not", "toggle", "latch"),
                  doc="not: a turned over; toggle: turns over when a rises; latch: a sets, b resets")  # fmt: skip
    out = Out(doc="gate")
    state = {"kept": f32, "last": f32}

    def kernel(frames, channels, sr, state, a, b, rule, out):
        for i in range(frames):
            for c in range(channels):
                p, q = a[i, c] >= 0.5, b[i, c] >= 0.5
                on = False
                if rule == 0:
                    on = p and q
                elif rule == 1:
                    on = p or q
                elif rule == 2:
                    on = p != q
                elif rule == 3:
                    on = not (p and q)
                elif rule == 4:
                    on = not (p or q)
                elif rule == 5:
                    on = p == q
                elif rule == 6:
                    on = not p
                else:
                    on = state.kept[c] > 0.5
                    if rule == 7:
                        on = on != (p and state.last[c] < 0.5)
                    else:
                        on = (on or p) and not q
                state.kept[c] = 1.0 if on else 0.0
                state.last[c] = 1.0 if p else 0.0
                out[i, c] = state.kept[c]


class Delta(Node):
    """How much a signal changes: from one sample to the next, or per second.

    On sound it takes the bass away; on a modulator it tells how fast it moves, and in which direction.
    """

    id = "maths/delta"
    a = In(doc="signal")
    unit = Choice("per sample", ("per sample", "per second"), doc="per second is the slope whatever the engine rate")
    out = Out(doc="the change")
    state = {"last": f32}

    def kernel(frames, channels, sr, state, a, unit, out):
        gain = np.float32(sr) if unit == 1 else np.float32(1.0)
        for c in range(channels):
            last = state.last[c]
            for i in range(frames):
                out[i, c] = (a[i, c] - last) * gain
                last = a[i, c]
            state.last[c] = last
