"""Many signals to one and one to many: mixing, choosing, and the channels of a cable."""

from __future__ import annotations

from typing import Any

import numpy as np

from .base import Choice, Data, In, Node, Out, Param, Setting
from .dsp.maths import cos_cycles, noise, sin_cycles


class Mix(Node):
    """Adds up to eight signals, each with its own level.

    Levels are plain factors and cables into them add as they are, so an envelope into a level of 0 is a moving fader; below
    0 turns the phase over.
    """

    id = "maths/mix"
    in1, in2 = In(doc="signal 1"), In(doc="signal 2")
    in3, in4 = In(doc="signal 3"), In(doc="signal 4")
    in5, in6 = In(doc="signal 5"), In(doc="signal 6")
    in7, in8 = In(doc="signal 7"), In(doc="signal 8")
    level1 = Param(1.0, -2.0, 2.0, cable="units", doc="factor of signal 1")
    level2 = Param(1.0, -2.0, 2.0, cable="units", doc="factor of signal 2")
    level3 = Param(1.0, -2.0, 2.0, cable="units", doc="factor of signal 3")
    level4 = Param(1.0, -2.0, 2.0, cable="units", doc="factor of signal 4")
    level5 = Param(1.0, -2.0, 2.0, cable="units", doc="factor of signal 5")
    level6 = Param(1.0, -2.0, 2.0, cable="units", doc="factor of signal 6")
    level7 = Param(1.0, -2.0, 2.0, cable="units", doc="factor of signal 7")
    level8 = Param(1.0, -2.0, 2.0, cable="units", doc="factor of signal 8")
    out = Out(doc="the sum")

    def kernel(
        frames, channels, sr, state, in1, in2, in3, in4, in5, in6, in7, in8,
        level1, level2, level3, level4, level5, level6, level7, level8, out,
    ):  # fmt: skip
        for i in range(frames):
            for c in range(channels):
                y = in1[i, c] * level1[i, c] + in2[i, c] * level2[i, c]
                y += in3[i, c] * level3[i, c] + in4[i, c] * level4[i, c]
                y += in5[i, c] * level5[i, c] + in6[i, c] * level6[i, c]
                out[i, c] = y + in7[i, c] * level7[i, c] + in8[i, c] * level8[i, c]


class MixDown(Node):
    """Adds the channels of one cable to a single channel: voices to a voice, many controls to one."""

    id = "maths/mixdown"
    a = In(channels="any", doc="signal with any number of channels")
    law = Choice("sum", ("sum", "mean", "equal power"), doc="divided by nothing, by the count, or by the root of the count")
    out = Out(channels=1, doc="one channel")

    def kernel(frames, channels, sr, state, a, law, out):
        count = a.shape[1]
        whole = count // 8 * 8
        gain = np.float32(1.0)
        if law == 1:
            gain = np.float32(1.0) / np.float32(count)
        elif law == 2:
            gain = np.float32(1.0) / np.sqrt(np.float32(count))
        for i in range(frames):
            # eight sums side by side fill a vector register; one after the other they would wait for each addition
            s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = np.float32(0.0)
            for c in range(0, whole, 8):
                s0 += a[i, c]
                s1 += a[i, c + 1]
                s2 += a[i, c + 2]
                s3 += a[i, c + 3]
                s4 += a[i, c + 4]
                s5 += a[i, c + 5]
                s6 += a[i, c + 6]
                s7 += a[i, c + 7]
            for c in range(whole, count):
                s0 += a[i, c]
            out[i, 0] = (((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))) * gain


class Crossfade(Node):
    """Goes from one signal to another.

    Equal power keeps the loudness of two different sounds, linear that of two alike.
    """

    id = "maths/crossfade"
    a = In(doc="heard alone at 0")
    b = In(doc="heard alone at 1")
    mix = Param(0.5, 0.0, 1.0, doc="place between a and b")
    law = Choice("equal power", ("equal power", "linear"), doc="equal power for sound, linear for modulators")
    out = Out(doc="the mixture")
    coefs = ("left", "right")

    def prepare(sr, mix, law):
        if law == 1:
            return 1.0 - mix, mix
        return cos_cycles(mix * 0.25), sin_cycles(mix * 0.25)

    def kernel(frames, channels, sr, state, a, b, left, right, out):
        for i in range(frames):
            for c in range(channels):
                out[i, c] = a[i, c] * left[i, c] + b[i, c] * right[i, c]


class Switch(Node):
    """Lets one of up to eight signals through.

    Patch a step sequencer into `select` and eight sounds into the inlets to play them in turn: its values add to the knob
    as they are, so steps of 0 … 7 over a knob at 1 are the eight.
    """

    id = "maths/switch"
    in1, in2 = In(doc="signal 1"), In(doc="signal 2")
    in3, in4 = In(doc="signal 3"), In(doc="signal 4")
    in5, in6 = In(doc="signal 5"), In(doc="signal 6")
    in7, in8 = In(doc="signal 7"), In(doc="signal 8")
    select = Param(1.0, 1.0, 8.0, smooth=0.0, cable="units", doc="which one")
    between = Choice("jump", ("jump", "blend"), doc="blend: 2.5 is half of 2 and half of 3")
    out = Out(doc="the chosen signal")

    def kernel(frames, channels, sr, state, in1, in2, in3, in4, in5, in6, in7, in8, select, between, out):
        for i in range(frames):
            for c in range(channels):
                at = select[i, c]
                at = np.floor(at + 0.5) if between == 0 else at
                # each weighs by its nearness, 0 from one step away on
                front = in1[i, c] * weight(at - 1.0) + in2[i, c] * weight(at - 2.0)
                front += in3[i, c] * weight(at - 3.0) + in4[i, c] * weight(at - 4.0)
                back = in5[i, c] * weight(at - 5.0) + in6[i, c] * weight(at - 6.0)
                back += in7[i, c] * weight(at - 7.0) + in8[i, c] * weight(at - 8.0)
                out[i, c] = front + back


def weight(x: Any) -> Any:
    """1 at 0, falling to 0 at ±1."""
    return max(1.0 - abs(x), 0.0)


class Pack(Node):
    """Puts single channels side by side into one cable of many, each with a constant added.

    With nothing patched it is a table of constants: sixty-four frequencies for sixty-four voices.
    """

    id = "maths/pack"
    count = Setting(2, 1, 64, doc="channels of the cable")
    in1, in2 = In(channels=1, doc="channel 1"), In(channels=1, doc="channel 2")
    in3, in4 = In(channels=1, doc="channel 3"), In(channels=1, doc="channel 4")
    in5, in6 = In(channels=1, doc="channel 5"), In(channels=1, doc="channel 6")
    in7, in8 = In(channels=1, doc="channel 7"), In(channels=1, doc="channel 8")
    values = Data(((0.0,),), limit=64, doc="constant of each channel, from the first on; 0 where there is none")
    out = Out(channels="count", doc="channel n is constant n plus inlet n")

    def kernel(frames, channels, sr, state, in1, in2, in3, in4, in5, in6, in7, in8, values, out):
        count, known = out.shape[1], values.shape[0]
        for i in range(frames):
            for c in range(count):
                out[i, c] = values[c, 0] if c < known else 0.0
            out[i, 0] += in1[i, 0]
            if count > 1:
                out[i, 1] += in2[i, 0]
            if count > 2:
                out[i, 2] += in3[i, 0]
            if count > 3:
                out[i, 3] += in4[i, 0]
            if count > 4:
                out[i, 4] += in5[i, 0]
            if count > 5:
                out[i, 5] += in6[i, 0]
            if count > 6:
                out[i, 6] += in7[i, 0]
            if count > 7:
                out[i, 7] += in8[i, 0]


class Unpack(Node):
    """Takes the channels of one cable apart, eight at a time."""

    id = "maths/unpack"
    a = In(channels="any", doc="signal with any number of channels")
    first = Setting(1, 1, 64, doc="channel that comes out at out1")
    out1, out2 = Out(channels=1, doc="channel `first`"), Out(channels=1, doc="the next, or silence where there is none")
    out3, out4 = Out(channels=1, doc="channel `first` + 2"), Out(channels=1, doc="channel `first` + 3")
    out5, out6 = Out(channels=1, doc="channel `first` + 4"), Out(channels=1, doc="channel `first` + 5")
    out7, out8 = Out(channels=1, doc="channel `first` + 6"), Out(channels=1, doc="channel `first` + 7")

    def kernel(frames, channels, sr, state, a, first, out1, out2, out3, out4, out5, out6, out7, out8):
        count, at = a.shape[1], first - 1
        for i in range(frames):
            out1[i, 0] = a[i, at] if at < count else 0.0
            out2[i, 0] = a[i, at + 1] if at + 1 < count else 0.0
            out3[i, 0] = a[i, at + 2] if at + 2 < count else 0.0
            out4[i, 0] = a[i, at + 3] if at + 3 < count else 0.0
            out5[i, 0] = a[i, at + 4] if at + 4 < count else 0.0
            out6[i, 0] = a[i, at + 5] if at + 5 < count else 0.0
            out7[i, 0] = a[i, at + 6] if at + 6 < count else 0.0
            out8[i, 0] = a[i, at + 7] if at + 7 < count else 0.0


class Spread(Node):
    """Makes many channels from one, each a little off: detunes voices, pans or phases of a polyphonic patch.

    Patch a pitch into `a` and the outlet into an oscillator's pitch; a `spread` of 0.01 V is a warm unison.
    """

    id = "maths/spread"
    count = Setting(8, 1, 64, doc="channels that come out")
    a = In(channels=1, doc="the centre")
    spread = Param(0.1, -100.0, 100.0, cable="units", doc="how far the outermost channel goes, in the unit of `a`")
    shape = Choice("even", ("even", "upward", "random"),
                   doc="even: −spread … +spread; upward: 0 … spread; random: anywhere between, by the seed")  # fmt: skip
    out = Out(channels="count", doc="the centre, spread out")

    def kernel(frames, channels, sr, state, seed, a, spread, shape, out):
        count = out.shape[1]
        step = np.float32(1.0) / np.float32(max(count - 1, 1))
        for c in range(count):
            place = np.float32(c) * step
            if shape == 0:
                place = place + place - np.float32(1.0) if count > 1 else np.float32(0.0)
            elif shape == 2:
                place = noise(seed, c)
            for i in range(frames):
                out[i, c] = a[i, 0] + place * spread[i, 0]
