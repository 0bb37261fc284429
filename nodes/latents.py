"""Between signals and latents, and what can be done with latents on their own clock.

`ticks[i]` is how many latent frames lie before sample i of the block, so a frame lies at sample i where `ticks[i + 1]`
is greater, and `ticks[i]` is its row in the latent buffers.
"""

from __future__ import annotations

import numpy as np

from .base import Choice, In, Node, Out, Param, Setting, f32, i64

DIMS = 512
"""Most dimensions of a latent."""


class Pack(Node):
    """Makes a latent from signals: each channel is one dimension.

    Patch eight LFOs into it and its outlet into a decoder to play the model by hand.  Name the decoder's latent space in
    `space`, so that the cable is allowed.
    """

    id = "latent/pack"
    signals = In(channels="dims", doc="one channel for each dimension; a single one goes to all")
    space = Setting("free", kind="text", doc="name of the latent space that the vectors belong to")
    dims = Setting(8, 1, DIMS, doc="dimensions of the latent")
    ratio = Setting(2048, 1, 1 << 20, "samples", doc="samples from one latent frame to the next")
    rate = Setting(0, 0, 768000, "Hz", doc="rate at which those samples are counted, the model's own; 0 is the rack's")
    read = Choice("last", ("last", "mean"), doc="a frame has the last sample before it, or the mean since the one before")
    z = Out(latent="z", space=("space", "dims", "ratio", "rate"), doc="the latent")
    state = {"held": f32["dims"], "total": f32["dims"], "count": i64}

    def kernel(frames, channels, sr, state, ticks, signals, read, z):
        dims = signals.shape[1]
        held, total, count = state.held, state.total, state.count[0]
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                scale = np.float32(1.0) / np.float32(max(count, 1))
                for d in range(dims):
                    z[k, d] = total[d, 0] * scale if read == 1 else held[d, 0]
                    total[d, 0] = 0.0
                count = 0
            for d in range(dims):
                held[d, 0] = signals[i, d]
                total[d, 0] += signals[i, d]
            count += 1
        state.count[0] = count


class Unpack(Node):
    """Takes the dimensions of a latent out as signals, one channel each: what a model hears moves any knob.

    `ramp` goes from frame to frame in a straight line, which makes a smooth modulator but comes one frame later.
    """

    id = "latent/unpack"
    z = In(latent="z", doc="the latent")
    first = Setting(1, 1, DIMS, doc="dimension that becomes channel 1")
    count = Setting(8, 1, DIMS, doc="channels that come out; 0 where the latent has no such dimension")
    shape = Choice("hold", ("hold", "ramp"), doc="stay until the next frame, or reach this one when the next comes")
    out = Out(channels="count", doc="one channel for each dimension")
    state = {"goal": f32["count"], "start": f32["count"], "age": i64, "period": i64}

    def kernel(frames, channels, sr, state, ticks, z, first, shape, out):
        count, dims = out.shape[1], z.shape[1]
        goal, start = state.goal, state.start
        age, period = state.age[0], state.period[0]
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                period, age = age, 0
                for c in range(count):
                    d = first - 1 + c
                    start[c, 0] = goal[c, 0]
                    goal[c, 0] = z[k, d] if d < dims else 0.0
            # the time between the last two frames is the best guess for the next
            place = np.float32(1.0)
            if shape == 1 and age < period:
                place = np.float32(age) / np.float32(period)
            for c in range(count):
                out[i, c] = goal[c, 0] * place + start[c, 0] * (1.0 - place)
            age += 1
        state.age[0] = age
        state.period[0] = period


class Affine(Node):
    """Scales and shifts a latent: `gain` exaggerates what the model heard, `bias` leans it to one side.

    A cable with one channel moves all dimensions alike; one with many moves each by itself, the last channel going on
    for the dimensions beyond.  Both are read where a frame lies.
    """

    id = "latent/affine"
    z = In(latent="z", doc="the latent")
    gain = Param(1.0, -8.0, 8.0, doc="factor; below 0 turns every dimension over")
    bias = Param(0.0, -8.0, 8.0, doc="what is added")
    out = Out(latent="z", doc="z × gain + bias, in the same space")

    def kernel(frames, channels, sr, state, ticks, z, gain, bias, out):
        dims = z.shape[1]
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                for d in range(dims):
                    c = min(d, channels - 1)
                    out[k, d] = z[k, d] * gain[i, c] + bias[i, c]


class Mix(Node):
    """Goes from one latent to another in a straight line: between two sounds in the words of one model.

    Beyond the ends, at −1 or 2, what tells the two apart is exaggerated.
    """

    id = "latent/mix"
    a = In(latent="z", doc="the latent at 0")
    b = In(latent="z", doc="the latent at 1; in the same space")
    mix = Param(0.5, -1.0, 2.0, doc="place between a and b; a cable with many channels moves each dimension by itself")
    out = Out(latent="z", doc="the mixture, in the same space")

    def kernel(frames, channels, sr, state, ticks, a, b, mix, out):
        dims = a.shape[1]
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                for d in range(dims):
                    at = mix[i, min(d, channels - 1)]
                    out[k, d] = a[k, d] * (1.0 - at) + b[k, d] * at
