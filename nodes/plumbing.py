"""What the planner puts between nodes: sums of cables, modulation on a knob's curve, the master bus.

These are nodes like any other (one declaration, one kernel), hidden from people.
"""

from __future__ import annotations

from .base import In, Node, Out, Setting, f32
from .dsp.maths import exp2


class Sum(Node):
    """Adds one cable, times its amount, to what came before; one channel spreads, missing channels are silent."""

    id = "rack/sum"
    hidden = True
    before = In(doc="sum so far")
    audio = In(doc="the cable", channels="any")
    amount = In(doc="its amount", channels=1)
    out = Out(doc="sum")

    def kernel(frames, channels, sr, state, before, audio, amount, out):  # type: ignore[no-untyped-def]
        cols = audio.shape[1]
        if cols == channels:
            for i in range(frames):
                for c in range(channels):
                    out[i, c] = before[i, c] + audio[i, c] * amount[i, 0]
        elif cols == 1:
            for i in range(frames):
                for c in range(channels):
                    out[i, c] = before[i, c] + audio[i, 0] * amount[i, 0]
        else:
            for i in range(frames):
                for c in range(channels):
                    out[i, c] = before[i, c] + (audio[i, c] * amount[i, 0] if c < cols else 0.0)


class Linear(Node):
    """Moves a knob with a straight curve by a cable: position + amount × signal, then to the unit."""

    id = "rack/knob-lin"
    hidden = True
    base = In(doc="knob position 0…1")
    audio = In(doc="the cable")
    amount = In(doc="its amount", channels=1)
    low = Setting(0.0, kind="float", doc="range")
    high = Setting(1.0, kind="float", doc="range")
    out = Out(doc="value in the param's unit")

    def kernel(frames, channels, sr, state, base, audio, amount, low, high, out):  # type: ignore[no-untyped-def]
        for i in range(frames):
            for c in range(channels):
                p = base[i, c] + amount[i, 0] * audio[i, c]
                p = min(max(p, 0.0), 1.0)
                out[i, c] = min(max(low + (high - low) * p, low), high)


class Exponential(Node):
    """Moves a knob with an exponential curve by a cable: position + amount × signal, then low × (high/low)^position."""

    id = "rack/knob-exp"
    hidden = True
    base = In(doc="knob position 0…1")
    audio = In(doc="the cable")
    amount = In(doc="its amount", channels=1)
    low = Setting(1.0, kind="float", doc="range")
    high = Setting(2.0, kind="float", doc="range")
    octaves = Setting(1.0, kind="float", doc="log2(high / low)")
    out = Out(doc="value in the param's unit")

    def kernel(frames, channels, sr, state, base, audio, amount, low, high, octaves, out):  # type: ignore[no-untyped-def]
        for i in range(frames):
            for c in range(channels):
                p = base[i, c] + amount[i, 0] * audio[i, c]
                p = min(max(p, 0.0), 1.0)
                out[i, c] = min(max(low * exp2(p * octaves), low), high)


class Units(Node):
    """Moves a param by a cable that is in its unit already: value + amount × signal, clamped to the range."""

    id = "rack/units"
    hidden = True
    base = In(doc="value")
    audio = In(doc="the cable")
    amount = In(doc="its amount", channels=1)
    low = Setting(0.0, kind="float", doc="range")
    high = Setting(1.0, kind="float", doc="range")
    out = Out(doc="value in the param's unit")

    def kernel(frames, channels, sr, state, base, audio, amount, low, high, out):  # type: ignore[no-untyped-def]
        for i in range(frames):
            for c in range(channels):
                out[i, c] = min(max(base[i, c] + amount[i, 0] * audio[i, c], low), high)


class Bus(Node):
    """Adds an output node to the master, from channel `first` on."""

    id = "rack/bus"
    hidden = True
    audio = In(doc="an output node", channels="any")
    gain = In(doc="1, or on the way there where the node comes or goes", channels=1)
    first = Setting(0, doc="channel of the master that its first channel goes to")
    out = Out(doc="the master", channels="any")

    def kernel(frames, channels, sr, state, audio, gain, first, out):  # type: ignore[no-untyped-def]
        n = min(audio.shape[1], out.shape[1] - first)
        for i in range(frames):
            for c in range(n):
                out[i, first + c] += audio[i, c] * gain[i, 0]


class Master(Node):
    """Keeps the master within ±1: exact below, the gain of all channels drops at once above and returns in 100 ms."""

    id = "rack/master"
    hidden = True
    audio = In(doc="the master", channels="any")
    limiter = Setting(1, doc="0 lets everything through")
    out = Out(doc="what is heard", channels="any")
    bus = Out(doc="the sum, made silent again for the next block", channels="any")
    state = {"peak": f32}

    def kernel(frames, channels, sr, state, audio, limiter, out, bus):  # type: ignore[no-untyped-def]
        cols = audio.shape[1]
        fall = 1.0 - 10.0 / sr
        peak = state.peak[0]
        for i in range(frames):
            top = 0.0
            for c in range(cols):
                top = max(top, abs(audio[i, c]))
            peak = max(top, peak * fall)
            gain = 1.0 / peak if limiter > 0 and peak > 1.0 else 1.0
            for c in range(cols):
                y = audio[i, c] * gain
                out[i, c] = min(max(y, -1.0), 1.0) if limiter > 0 else y
                bus[i, c] = 0.0
        state.peak[0] = peak
