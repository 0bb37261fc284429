"""What bends one latent, frame by frame: mirrored, kept in bounds, on a grid, dimensions swapped, taken out and put in.

`ticks[i]` is how many latent frames lie before sample i of the block, so a frame lies at sample i where `ticks[i + 1]`
is greater, and `ticks[i]` is its row in the latent buffers.  A param with one channel moves all dimensions alike, one with
many each by itself, the last channel going on for the dimensions beyond.
"""

from __future__ import annotations

import numpy as np

from .base import Choice, Data, In, Node, Out, Param, f32, i64
from .dsp.maths import TINY, clamp, nearest, tanh
from .latents import DIMS

ZERO, ONE = np.float64(0.0), np.float64(1.0)


class Mirror(Node):
    """Turns a latent over around a centre: what lay above goes as far below.

    Where 0 is the middle of what a model knows, this is the opposite of a sound.  `dimension` chooses one, 0 all of them.
    """

    id = "latent/mirror"
    z = In(latent="z", doc="the latent")
    centre = Param(0.0, -8.0, 8.0, doc="what stays where it is; a cable with many channels sets each dimension by itself")
    amount = Param(1.0, 0.0, 1.0, doc="0 leaves it, 1 is the mirror image, 0.5 the centre itself")
    dimension = Param(0.0, 0.0, DIMS, smooth=0.0, doc="the one to turn over (a whole number), 0 all of them")
    out = Out(latent="z", doc="`z`, turned over, in the same space")
    tags = ("invert", "negative", "flip")

    def kernel(frames, channels, sr, state, ticks, z, centre, amount, dimension, out):
        dims = z.shape[1]
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                for d in range(dims):
                    c = min(d, channels - 1)
                    chosen = int(dimension[i, c] + 0.5)
                    part = amount[i, c] if chosen == 0 or chosen == d + 1 else np.float32(0.0)
                    out[k, d] = z[k, d] * (1.0 - part) + (2.0 * centre[i, c] - z[k, d]) * part


class Clamp(Node):
    """Keeps every dimension of a latent between two bounds, so that a model never hears what it cannot know.

    Patch it in front of a decoder when operators or a loop exaggerate.  At soft it bends towards the bounds instead of
    stopping there.
    """

    id = "latent/clamp"
    z = In(latent="z", doc="the latent")
    low = Param(-3.0, -32.0, 32.0, doc="nothing goes below; a cable with many channels sets each dimension by itself")
    high = Param(3.0, -32.0, 32.0, doc="nothing goes above")
    edge = Choice("hard", ("hard", "soft"), doc="hard leaves what is inside as it is; soft bends it (tanh)")
    out = Out(latent="z", doc="`z`, inside the bounds, in the same space")
    tags = ("limit", "bounds", "saturate")

    def kernel(frames, channels, sr, state, ticks, z, low, high, edge, out):
        dims = z.shape[1]
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                for d in range(dims):
                    c = min(d, channels - 1)
                    a, b = min(low[i, c], high[i, c]), max(low[i, c], high[i, c])
                    y = z[k, d]
                    if edge == 1:
                        middle, half = (a + b) * 0.5, (b - a) * 0.5
                        y = middle + half * tanh((y - middle) / (half + TINY))
                    out[k, d] = clamp(y, a, b)


class Quantise(Node):
    """Draws a latent onto a grid: few values where there were many, so that a sound moves in steps.

    At a `strength` between 0 and 1 it only leans towards the grid.
    """

    id = "latent/quantise"
    z = In(latent="z", doc="the latent")
    step = Param(0.5, 0.001, 8.0, curve="exp", doc="from line to line of the grid; many channels: each dimension its own")
    strength = Param(1.0, 0.0, 1.0, doc="0 leaves it, 1 puts it on the grid")
    out = Out(latent="z", doc="`z` on the grid, in the same space")
    tags = ("grid", "round", "steps")

    def kernel(frames, channels, sr, state, ticks, z, step, strength, out):
        dims = z.shape[1]
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                for d in range(dims):
                    c = min(d, channels - 1)
                    on = nearest(z[k, d] / step[i, c]) * step[i, c]
                    out[k, d] = z[k, d] * (1.0 - strength[i, c]) + on * strength[i, c]


class Route(Node):
    """Swaps the dimensions of a latent: what meant one thing to the model now means another.

    Row n of `routes` says which dimension goes out as dimension n, and how strongly; 0 is none.  Dimensions without a row
    go straight through.
    """

    id = "latent/route"
    z = In(latent="z", doc="the latent")
    amount = Param(1.0, 0.0, 1.0, doc="0 leaves it, 1 is as routed; a cable with many channels sets each dimension by itself")
    routes = Data(
        ((2.0, 1.0), (1.0, 1.0)), columns=2, limit=DIMS, low=-float(DIMS), high=float(DIMS),
        doc="rows of dimension (1 is the first, 0 none) and gain",
    )  # fmt: skip
    out = Out(latent="z", doc="`z` with its dimensions routed, in the same space")
    tags = ("swap", "permute", "shuffle", "matrix")

    def kernel(frames, channels, sr, state, ticks, z, amount, routes, out):
        dims, rows = z.shape[1], routes.shape[0]
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                for d in range(dims):
                    y = z[k, d]
                    if d < rows:
                        at = int(routes[d, 0] + 0.5) - 1 if routes[d, 0] > 0.0 else -1
                        y = z[k, at] * routes[d, 1] if 0 <= at < dims else np.float32(0.0)
                    part = amount[i, min(d, channels - 1)]
                    out[k, d] = z[k, d] * (1.0 - part) + y * part


class Pick(Node):
    """Takes one dimension of a latent out as a signal: what a model hears moves a knob.

    `ramp` goes from frame to frame in a straight line, one frame later.  `latent/unpack` takes out many at once.
    """

    id = "latent/pick"
    z = In(latent="z", doc="the latent")
    dimension = Param(1.0, 1.0, DIMS, smooth=0.0, doc="which (a whole number); a cable with many channels takes out as many")
    gain = Param(1.0, -8.0, 8.0, doc="factor")
    shape = Choice("hold", ("hold", "ramp"), doc="stay until the next frame, or reach this one when the next comes")
    out = Out(doc="the dimension × gain; 0 where the latent has no such dimension")
    state = {"goal": f32, "start": f32, "age": i64, "period": i64}
    tags = ("component", "take", "signal", "modulator")

    def kernel(frames, channels, sr, state, ticks, z, dimension, gain, shape, out):
        dims = z.shape[1]
        for c in range(channels):
            goal, start, age, period = state.goal[c], state.start[c], state.age[c], state.period[c]
            for i in range(frames):
                for k in range(ticks[i], ticks[i + 1]):
                    period, age = age, 0
                    d = int(dimension[i, c] + 0.5) - 1
                    start, goal = goal, z[k, d] if 0 <= d < dims else np.float32(0.0)
                # the time between the last two frames is the best guess for the next
                place = np.float32(1.0)
                if shape == 1 and age < period:
                    place = np.float32(age) / np.float32(period)
                out[i, c] = (goal * place + start * (1.0 - place)) * gain[i, c]
                age += 1
            state.goal[c], state.start[c], state.age[c], state.period[c] = goal, start, age, period


class Put(Node):
    """Puts a signal in place of one dimension of a latent: an LFO, a knob or a follower plays what the model played.

    A signal with many channels replaces as many dimensions, from `dimension` on.
    """

    id = "latent/put"
    z = In(latent="z", doc="the latent")
    signal = In(doc="what goes in, read where a frame lies")
    dimension = Param(1.0, 1.0, DIMS, smooth=0.0, doc="where (a whole number)")
    amount = Param(1.0, 0.0, 1.0, doc="0 leaves the latent, 1 is the signal alone")
    mode = Choice("replace", ("replace", "add"), doc="instead of what is there, or on top of it")
    out = Out(latent="z", doc="`z` with the signal in it, in the same space")
    tags = ("component", "insert", "inject", "replace")

    def kernel(frames, channels, sr, state, ticks, z, signal, dimension, amount, mode, out):
        dims = z.shape[1]
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                first = int(dimension[i, 0] + 0.5) - 1
                for d in range(dims):
                    out[k, d] = z[k, d]
                for c in range(channels):
                    d = first + c
                    if 0 <= d < dims:
                        part = amount[i, c]
                        kept = np.float32(1.0) if mode == 1 else 1.0 - part
                        out[k, d] = z[k, d] * kept + signal[i, c] * part


class Rotate(Node):
    """Turns a latent so that its first dimension is what varies most (PCA), bends it there, and turns it back.

    `gain` and `bias` work on the turned axes: patch many channels in to move each.  The axes are fitted on what a tape has
    (`zrack tape PATCH TAPE --fit NODE`).  At forward the turned axes come out themselves: take them out as signals, put
    others in, and turn back with a second node at inverse.
    """

    id = "latent/rotate"
    z = In(latent="z", doc="the latent; at inverse, one that was turned forward")
    gain = Param(1.0, -8.0, 8.0, doc="factor of each turned axis")
    bias = Param(0.0, -8.0, 8.0, doc="what is added to each turned axis")
    way = Choice("there and back", ("there and back", "forward", "inverse"), doc="which turns are done")
    matrix = Data(((0.0,),), columns=0, limit=DIMS, doc="an axis a row, of unit length, one number a dimension of the latent")
    mean = Data(((0.0,),), columns=0, limit=1, doc="the middle of what the axes were fitted on; one number a dimension")
    out = Out(latent="z", doc="`z`, turned; without a matrix of its width, `z` itself")
    tags = ("pca", "principal", "components", "axes", "basis")

    def kernel(frames, channels, sr, state, ticks, z, gain, bias, way, matrix, mean, out):
        dims, axes, last = z.shape[1], min(matrix.shape[0], z.shape[1]), channels - 1
        fits = matrix.shape[1] == dims
        known = min(mean.shape[1], dims)
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                for d in range(dims):
                    out[k, d] = np.float32(0.0) if fits and way == 1 else z[k, d]
                    if fits and way == 2:
                        out[k, d] = mean[0, d] if d < known else np.float32(0.0)
                for a in range(axes if fits else 0):
                    y = np.float32(0.0)
                    if way == 2:
                        y = z[k, a] * gain[i, min(a, last)] + bias[i, min(a, last)]
                    else:
                        for d in range(dims):
                            y += matrix[a, d] * (z[k, d] - mean[0, d] if d < known else z[k, d])
                        if way == 1:
                            out[k, a] = y * gain[i, min(a, last)] + bias[i, min(a, last)]
                        # what lies across all axes stays, and at gain 1 everything does, to the bit
                        y = y * (gain[i, min(a, last)] - 1.0) + bias[i, min(a, last)]
                    if way != 1:
                        for d in range(dims):
                            out[k, d] += matrix[a, d] * y


class Distance(Node):
    """How far a latent is from a place, and whether it is near: a sound that is recognised opens a gate.

    The place is a row of numbers in `point`, or a second latent at `to`.  Patch `near` into an envelope, or `out` upside
    down into a knob: the closer, the more.
    """

    id = "latent/distance"
    z = In(latent="z", doc="the latent")
    to = In(latent="z", doc="the other one, in the same space")
    radius = Param(1.0, 0.0, 100.0, doc="where near ends")
    place = Choice("point", ("point", "to"), doc="measured from the stored point, or from the latent at `to`")
    measure = Choice("euclidean", ("euclidean", "cosine"), doc="length of the way, or 1 − cosine of the angle (0 … 2)")
    point = Data(((0.0,),), columns=0, limit=1, doc="the place, one number a dimension; those that lack are 0")
    out = Out(doc="the distance, until the next frame")
    near = Out(doc="gate: 1 while the distance is less than `radius`")
    state = {"held": f32, "begun": i64}
    tags = ("similarity", "compare", "recognise", "gate", "cosine")

    def kernel(frames, channels, sr, state, ticks, z, to, radius, place, measure, point, out, near):
        dims, columns = z.shape[1], point.shape[1]
        for c in range(channels):
            held, begun = state.held[c], state.begun[c]
            for i in range(frames):
                for k in range(ticks[i], ticks[i + 1]):
                    way, one, two, dot = ZERO, ZERO, ZERO, ZERO
                    for d in range(dims):
                        x = np.float64(z[k, d])
                        y = np.float64(to[k, d]) if place == 1 else np.float64(point[0, d]) if d < columns else ZERO
                        way += (x - y) * (x - y)
                        one, two, dot = one + x * x, two + y * y, dot + x * y
                    begun = 1
                    if measure == 0:
                        held = np.float32(np.sqrt(way))
                    elif one > 0.0 and two > 0.0:
                        held = np.float32(ONE - dot / (np.sqrt(one) * np.sqrt(two)))
                    else:  # nothing has no direction
                        held = np.float32(1.0)
                out[i, c] = held
                near[i, c] = 1.0 if begun != 0 and held < radius[i, c] else 0.0
            state.held[c], state.begun[c] = held, begun
