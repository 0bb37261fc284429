"""What happens to a latent in time: shaken, smoothed, delayed, held, sent wandering, or drawn out of nothing.

`ticks[i]` is how many latent frames lie before sample i of the block, so a frame lies at sample i where `ticks[i + 1]`
is greater, and `ticks[i]` is its row in the latent buffers.  Random numbers are counted, not drawn: number n of dimension d
is the same whenever and in whatever block it is asked for, and another in every node, by its seed.
"""

from __future__ import annotations

import numpy as np

from .base import Choice, Data, In, Node, Out, Param, Setting, f32, f64, i32, i64
from .dsp.maths import LN2, LOG2E, approach, clamp, cos_cycles, edge, exp2, log2, noise, stream
from .latents import DIMS

ONE = np.float64(1.0)


def gauss(seed, n):
    """Random number `n` of stream `seed`, normal with mean 0 and deviation 1 (G. Box, M. Muller, 1958); at most 6.5."""
    u = noise(seed, np.int32(2 * n)) * 0.5 + 0.5
    v = noise(seed, np.int32(2 * n + 1))
    return np.sqrt(-2.0 * LN2 * log2(clamp(u, 1e-9, 1.0))) * cos_cycles(v * 0.5)


class Randomise(Node):
    """Shakes a latent: each dimension gets an offset of its own, again and again.

    A little on every frame gives life to a frozen sound; slow and smooth, it drifts.  The node's seed makes the same every
    time.
    """

    id = "latent/randomise"
    z = In(latent="z", doc="the latent")
    amount = Param(0.2, 0.0, 8.0, doc="largest offset; a cable with many channels sets each dimension by itself")
    rate = Param(8.0, 0.01, 400.0, "Hz", curve="exp", doc="new offsets a second")
    shape = Choice("stepped", ("stepped", "smooth", "every frame"), doc="jump, glide in straight lines, or a new one a frame")
    out = Out(latent="z", doc="`z`, shaken, in the same space")
    state = {"place": f64, "count": i32}
    tags = ("jitter", "noise", "random", "humanise")

    def kernel(frames, channels, sr, state, ticks, seed, z, amount, rate, shape, out):
        dims = z.shape[1]
        place, count = state.place[0], state.count[0]
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                for d in range(dims):
                    own = stream(seed, d)
                    x = noise(own, count)
                    if shape == 1:
                        x += (noise(own, np.int32(count + 1)) - x) * np.float32(place)
                    out[k, d] = z[k, d] + amount[i, min(d, channels - 1)] * x
                if shape == 2:
                    count = np.int32(count + 1)
            place += rate[i, 0] / sr
            if place >= ONE:
                place -= ONE
                if shape != 2:
                    count = np.int32(count + 1)
        state.place[0], state.count[0] = place, count


class Smooth(Node):
    """Makes a latent sluggish: it follows what comes in, the later the longer `time` is.

    Takes the nerves out of an encoder's output; with seconds it turns playing into slow clouds.
    """

    id = "latent/smooth"
    z = In(latent="z", doc="the latent")
    time = Param(0.2, 0.0, 30.0, "s", doc="time constant, until a third of the way is left; many channels: one a dimension")
    out = Out(latent="z", doc="`z`, slowed, in the same space; it starts where `z` does")
    state = {"held": f32[DIMS], "age": i64, "begun": i32}
    tags = ("slew", "lag", "glide", "low-pass")

    def kernel(frames, channels, sr, state, ticks, z, time, out):
        dims = z.shape[1]
        held, age, begun = state.held, state.age[0], state.begun[0]
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                for d in range(dims):
                    x = z[k, d]
                    if d < DIMS:
                        samples = time[i, min(d, channels - 1)] * sr
                        if begun != 0 and samples > 0.0:
                            share = approach(LOG2E * (np.float32(age) / samples))
                            x = x if share >= 1.0 else held[d, 0] + (x - held[d, 0]) * share
                        held[d, 0] = x
                    out[k, d] = x
                age, begun = 0, np.int32(1)
            age += 1
        state.age[0], state.begun[0] = age, begun


class Delay(Node):
    """Lets a latent through some frames later: echoes in the words of a model, or a canon of two decoders.

    It repeats once; close a loop through `latent/mix` for more.  A frame of a model with ratio 2048 takes 43 ms at 48 kHz.
    """

    id = "latent/delay"
    z = In(latent="z", doc="the latent")
    time = Param(8.0, 0.0, 4096.0, "frames", smooth=0.0, doc="how many frames later (a whole number, at most `longest`)")
    longest = Setting(256, 1, 4096, "frames", doc="the longest delay")
    out = Out(latent="z", doc="`z`, later; 0 until then")
    state = {"line": f32["longest"], "at": i64}
    tags = ("echo", "later", "canon")

    def kernel(frames, channels, sr, state, ticks, z, time, longest, out):
        dims, line, at = z.shape[1], state.line, state.at[0]
        size = min(line.shape[0] // max(dims, 1), longest)
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                n = min(int(time[i, 0] + 0.5), size)
                row = at - n if at >= n else at - n + size
                for d in range(dims):
                    x = z[k, d]
                    old = line[row * dims + d, 0] if n > 0 else x  # the oldest is read before it is written over
                    if size > 0:
                        line[at * dims + d, 0] = x
                    out[k, d] = old
                at = at + 1 if at + 1 < size else 0
        state.at[0] = at


class Hold(Node):
    """Freezes a latent: while `hold` is open, the frame stays that was heard last.

    A decoder then sings one moment for ever.  Each trigger at `sample` lets one new frame in, held or not: a clock there
    turns speech into chords.
    """

    id = "latent/hold"
    z = In(latent="z", doc="the latent")
    hold = In(doc="gate: from 0.5 up the latent stands still; a cable with many channels holds each dimension by itself")
    sample = In(doc="rising through 0.5 takes the next frame although it is held")
    out = Out(latent="z", doc="`z`, or what is held of it")
    state = {"held": f32[DIMS], "begun": i32, "last": f32, "due": i32}
    tags = ("freeze", "sample and hold", "sustain", "pause")

    def kernel(frames, channels, sr, state, ticks, z, hold, sample, out):
        dims, held = z.shape[1], state.held
        begun = state.begun[0]
        for i in range(frames):
            for c in range(channels):
                if edge(state.last[c], sample[i, c]):
                    state.due[c] = np.int32(1)
                state.last[c] = sample[i, c]
            for k in range(ticks[i], ticks[i + 1]):
                for d in range(dims):
                    c = min(d, channels - 1)
                    x = z[k, d]
                    if d < DIMS:
                        if begun == 0 or hold[i, c] < 0.5 or state.due[c] != 0:
                            held[d, 0] = x
                        x = held[d, 0]
                    out[k, d] = x
                begun = np.int32(1)
                for c in range(channels):
                    state.due[c] = np.int32(0)
        state.begun[0] = begun


class Walk(Node):
    """Lets a latent wander off: a random walk in every dimension, added to what comes in and kept within `reach`.

    `pull` brings it back to where it started.  Patch a latent that stands still in, such as `latent/pack`, to explore the
    neighbourhood of one sound.
    """

    id = "latent/walk"
    z = In(latent="z", doc="the latent")
    reset = In(channels=1, doc="rising through 0.5 returns to `z` itself")
    rate = Param(4.0, 0.01, 400.0, "Hz", curve="exp", doc="steps a second")
    step = Param(0.2, 0.0, 8.0, doc="largest step; a cable with many channels sets each dimension by itself")
    reach = Param(1.0, 0.0, 16.0, doc="how far it goes at most; it turns back there")
    pull = Param(0.0, 0.0, 1.0, doc="share of the way back to the centre with every step")
    shape = Choice("smooth", ("smooth", "stepped"), doc="glide from step to step, or jump")
    out = Out(latent="z", doc="`z` + where the walk is, in the same space")
    state = {"place": f64, "start": f32[DIMS], "goal": f32[DIMS], "count": i32, "last": f32}
    tags = ("random", "drift", "wander", "explore", "brownian")

    def kernel(frames, channels, sr, state, ticks, seed, z, reset, rate, step, reach, pull, shape, out):
        dims, start, goal = z.shape[1], state.start, state.goal
        place, count, last = state.place[0], state.count[0], state.last[0]
        walks = min(dims, DIMS)
        for i in range(frames):
            if edge(last, reset[i, 0]):
                place = ONE - ONE
                for d in range(walks):
                    start[d, 0], goal[d, 0] = 0.0, 0.0
            last = reset[i, 0]
            for k in range(ticks[i], ticks[i + 1]):
                for d in range(dims):
                    x = np.float32(0.0)
                    if d < DIMS:
                        far = reach[i, min(d, channels - 1)]
                        x = goal[d, 0] if shape == 1 else start[d, 0] + (goal[d, 0] - start[d, 0]) * np.float32(place)
                        x = clamp(x, -far, far)
                    out[k, d] = z[k, d] + x
            place += rate[i, 0] / sr
            if place >= ONE:
                place -= ONE
                for d in range(walks):
                    c = min(d, channels - 1)
                    far = reach[i, c]
                    x = goal[d, 0]
                    start[d, 0] = x
                    x += step[i, c] * noise(stream(seed, d), count) - pull[i, c] * x
                    x = 2.0 * far - x if x > far else x
                    x = -2.0 * far - x if x < -far else x
                    goal[d, 0] = clamp(x, -far, far)
                count = np.int32(count + 1)
        state.place[0], state.count[0], state.last[0] = place, count, last


class Prior(Node):
    """Draws latents out of nothing: what a model may say when nobody speaks to it.

    Patch it into a decoder and name the decoder's latent space in `space`.  Raise `time` and one sound grows out of the
    other instead of chattering.  Fit `moments` on what a tape has (`zrack tape PATCH TAPE --fit NODE`) to stay in its
    region.
    """

    id = "latent/prior"
    hold = In(channels=1, doc="gate: from 0.5 up the latent stands still")
    temperature = Param(1.0, 0.0, 5.0, doc="0 is always the mean, above 1 is wilder than the model knows")
    time = Param(0.0, 0.0, 60.0, "s", doc="how long one latent resembles the next (time constant); 0: not at all")
    bias = Param(0.0, -8.0, 8.0, doc="is added to the mean; a cable with many channels moves each dimension by itself")
    space = Setting("free", kind="text", doc="name of the latent space that the vectors belong to")
    dims = Setting(8, 1, DIMS, doc="dimensions of the latent")
    ratio = Setting(2048, 1, 1 << 20, "samples", doc="samples from one latent frame to the next")
    rate = Setting(0, 0, 768000, "Hz", doc="rate at which those samples are counted, the model's own; 0 is the rack's")
    moments = Data(
        ((0.0, 1.0),), columns=2, limit=DIMS, low=-1e6, high=1e6,
        doc="rows of mean and deviation, one a dimension; the last goes on",
    )  # fmt: skip
    z = Out(latent="z", space=("space", "dims", "ratio", "rate"), doc="the latent")
    state = {"held": f32["dims"], "count": i32, "age": i64}
    tags = ("gaussian", "random", "sampler", "generate", "dream")

    def kernel(frames, channels, sr, state, ticks, seed, hold, temperature, time, bias, moments, z):
        dims, rows, held = z.shape[1], moments.shape[0], state.held
        count, age = state.count[0], state.age[0]
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                # a Gauss-Markov process: what is kept and what is new have deviation 1 together, whatever the time
                samples = time[i, 0] * sr
                kept = np.float32(0.0)
                if samples > 0.0 and count != 0:
                    kept = exp2(-LOG2E * (np.float32(age) / samples))
                new = np.sqrt(1.0 - kept * kept)
                moves = hold[i, 0] < 0.5 or count == 0
                for d in range(dims):
                    if moves:
                        held[d, 0] = kept * held[d, 0] + new * gauss(stream(seed, d), count)
                    row, c = min(d, rows - 1), min(d, channels - 1)
                    z[k, d] = moments[row, 0] + bias[i, c] + temperature[i, c] * (moments[row, 1] * held[d, 0])
                if moves:
                    count, age = np.int32(count + 1), 0
            age += 1
        state.count[0], state.age[0] = count, age


class Resample(Node):
    """Brings a latent onto another clock: from the frames of one model to those of another.

    Name the space and the clock it goes to in the settings.  `ramp` goes from frame to frame in a straight line, which is
    smoother but comes one frame later.
    """

    id = "latent/resample"
    z = In(latent="a", doc="the latent, on any clock")
    gain = Param(1.0, -8.0, 8.0, doc="factor; a cable with many channels sets each dimension by itself")
    shape = Choice("hold", ("hold", "ramp"), doc="stay until the next frame, or reach this one when the next comes")
    space = Setting("free", kind="text", doc="name of the latent space that it goes to")
    dims = Setting(8, 1, DIMS, doc="dimensions of that space; 0 where `z` has fewer")
    ratio = Setting(2048, 1, 1 << 20, "samples", doc="samples from one frame to the next, there")
    rate = Setting(0, 0, 768000, "Hz", doc="rate at which those samples are counted, the model's own; 0 is the rack's")
    out = Out(latent="b", space=("space", "dims", "ratio", "rate"), doc="the latent on the new clock")
    state = {"goal": f32["dims"], "start": f32["dims"], "age": i64, "period": i64}
    tags = ("clock", "rate", "convert", "adapt")

    def kernel(frames, channels, sr, state, ticks, ticks_z, z, gain, shape, out):
        dims, known, goal, start = out.shape[1], z.shape[1], state.goal, state.start
        age, period = state.age[0], state.period[0]
        for i in range(frames):
            for k in range(ticks_z[i], ticks_z[i + 1]):
                period, age = age, 0
                for d in range(dims):
                    start[d, 0] = goal[d, 0]
                    goal[d, 0] = z[k, d] if d < known else np.float32(0.0)
            # the time between the last two frames is the best guess for the next
            place = np.float32(1.0)
            if shape == 1 and age < period:
                place = np.float32(age) / np.float32(period)
            for k in range(ticks[i], ticks[i + 1]):
                for d in range(dims):
                    out[k, d] = (goal[d, 0] * place + start[d, 0] * (1.0 - place)) * gain[i, min(d, channels - 1)]
            age += 1
        state.age[0], state.period[0] = age, period
