"""What makes one latent of several, and several of one: mixtures, a plane of four, parts side by side.

`ticks[i]` is how many latent frames lie before sample i of the block, so a frame lies at sample i where `ticks[i + 1]`
is greater, and `ticks[i]` is its row in the latent buffers.
"""

from __future__ import annotations

import numpy as np

from .base import Choice, Data, In, Node, Out, Param, Setting
from .dsp.maths import clamp
from .latents import DIMS

ZERO, ONE = np.float64(0.0), np.float64(1.0)
NOTHING = np.float64(1e-12)  # a length that has no direction
ALIGNED = np.float64(1e-6)  # sine of an angle at which two directions are one line
FAR = 1e-4  # weight of the points outside of every disc
WIDE, HIGH = (40, 2000), (40, 2000)  # sizes of a picture


class Sphere(Node):
    """Goes from one latent to another along an arc: the length turns as evenly as the direction.

    A straight line (`latent/mix`) cuts the corner and comes out quieter in the middle; an arc keeps what is between as
    strong as its ends.
    """

    id = "latent/sphere"
    a = In(latent="z", doc="the latent at 0")
    b = In(latent="z", doc="the latent at 1; in the same space")
    mix = Param(0.5, -1.0, 2.0, doc="place between a and b")
    out = Out(latent="z", doc="the mixture, in the same space")
    tags = ("slerp", "interpolate", "morph", "arc")

    def kernel(frames, channels, sr, state, ticks, a, b, mix, out):
        # slerp (K. Shoemake, "Animating rotation with quaternion curves", 1985) from an orthonormal pair, in double precision
        dims = a.shape[1]
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                t = np.float64(mix[i, 0])
                one, two, dot, least = ZERO, ZERO, ZERO, 0
                for d in range(dims):
                    x, y = np.float64(a[k, d]), np.float64(b[k, d])
                    one, two, dot = one + x * x, two + y * y, dot + x * y
                    least = d if abs(a[k, d]) < abs(a[k, least]) else least
                one, two = np.sqrt(one), np.sqrt(two)
                if t == 0.0 or t == 1.0 or one < NOTHING or two < NOTHING:  # an end, or no direction: a straight line
                    for d in range(dims):
                        out[k, d] = np.float32(np.float64(a[k, d]) * (ONE - t) + np.float64(b[k, d]) * t)
                    continue
                cosine = dot / (one * two)
                across = ZERO  # length of what b's direction has across a's
                for d in range(dims):
                    q = np.float64(b[k, d]) / two - cosine * np.float64(a[k, d]) / one
                    across += q * q
                across = np.sqrt(across)
                angle = np.arctan2(across, cosine)
                opposite = across < ALIGNED and cosine < 0.0
                lean = np.float64(a[k, least]) / one  # opposite directions: round by the axis that a has least of
                rest = np.sqrt(ONE - lean * lean) if lean * lean < ONE else ZERO
                length = one * (ONE - t) + two * t
                along, over = np.cos(angle * t), np.sin(angle * t)
                for d in range(dims):
                    x, y = np.float64(a[k, d]) / one, np.float64(b[k, d]) / two
                    q = ZERO
                    if across >= ALIGNED:
                        q = (y - cosine * x) / across
                    elif opposite and rest > NOTHING:
                        q = ((ONE if d == least else ZERO) - lean * x) / rest
                    out[k, d] = np.float32((x * along + q * over) * length)


class Blend(Node):
    """Mixes up to eight latents by weight: a mixing desk for the words of one model.

    At normalise on, weights are shares of the whole, so that turning one up turns the others down.
    """

    id = "latent/blend"
    a = In(latent="z", doc="first latent")
    b = In(latent="z", doc="second; all of them in the same space")
    c = In(latent="z", doc="third")
    d = In(latent="z", doc="fourth")
    e = In(latent="z", doc="fifth")
    f = In(latent="z", doc="sixth")
    g = In(latent="z", doc="seventh")
    h = In(latent="z", doc="eighth")
    weight_a = Param(1.0, -2.0, 2.0, doc="how much of a; a cable with many channels weighs each dimension by itself")
    weight_b = Param(0.0, -2.0, 2.0, doc="how much of b")
    weight_c = Param(0.0, -2.0, 2.0, doc="how much of c")
    weight_d = Param(0.0, -2.0, 2.0, doc="how much of d")
    weight_e = Param(0.0, -2.0, 2.0, doc="how much of e")
    weight_f = Param(0.0, -2.0, 2.0, doc="how much of f")
    weight_g = Param(0.0, -2.0, 2.0, doc="how much of g")
    weight_h = Param(0.0, -2.0, 2.0, doc="how much of h")
    normalise = Choice("on", ("on", "off"), doc="on divides by the sum of the weights (without their signs)")
    out = Out(latent="z", doc="the mixture, in the same space; 0 where all weights are")
    tags = ("mix", "weights", "average", "sum")

    def kernel(frames, channels, sr, state, ticks, a, b, c, d, e, f, g, h, weight_a, weight_b, weight_c, weight_d, weight_e,
               weight_f, weight_g, weight_h, normalise, out):  # fmt: skip
        dims = a.shape[1]
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                for n in range(dims):
                    x = min(n, channels - 1)
                    wa, wb, wc, wd = weight_a[i, x], weight_b[i, x], weight_c[i, x], weight_d[i, x]
                    we, wf, wg, wh = weight_e[i, x], weight_f[i, x], weight_g[i, x], weight_h[i, x]
                    total = ((abs(wa) + abs(wb)) + (abs(wc) + abs(wd))) + ((abs(we) + abs(wf)) + (abs(wg) + abs(wh)))
                    y = ((wa * a[k, n] + wb * b[k, n]) + (wc * c[k, n] + wd * d[k, n])) + (
                        (we * e[k, n] + wf * f[k, n]) + (wg * g[k, n] + wh * h[k, n])
                    )
                    if normalise == 0:
                        y = y / total if total > 0.0 else np.float32(0.0)
                    out[k, n] = y


class Plane(Node):
    """Four latents on a plane, and a cursor that mixes them: each is heard inside the disc around its point.

    Drag in the picture to move the cursor, or patch two LFOs, a joystick or a touch surface into `x` and `y`.  Drag a point
    to move it; hold Alt and drag to set how wide its own disc is.  Each point bears the name of the node that is patched in.

    Where discs overlap, the nearer point is stronger (z = Σ wᵢ zᵢ / Σ wᵢ, w falling to 0 at the edge of the disc); outside of
    all of them every point is heard, the nearest most, so that there is no hole.

    With `interpolate` off, `z` is passed on instead.  A model with two latents, such as sound and loudness, takes two planes:
    patch `at_x` and `at_y` of the first into `x` and `y` of the second, which stand at 0, and one cursor moves both, while
    each of them is switched by itself.
    """

    id = "latent/plane"
    a = In(latent="z", doc="latent at the first point")
    b = In(latent="z", doc="latent at the second; all of them in the same space")
    c = In(latent="z", doc="latent at the third")
    d = In(latent="z", doc="latent at the fourth")
    z = In(latent="z", doc="what goes on instead of the mixture where `interpolate` is off")
    x = Param(0.5, 0.0, 1.0, doc="cursor from left to right")
    y = Param(0.5, 0.0, 1.0, doc="cursor from below upwards")
    radius = Param(1.0, 0.01, 2.0, doc="of the discs; 1 reaches from corner to corner, a point's own disc is a part of it")
    interpolate = Choice("on", ("on", "off"), doc="on gives the mixture, off gives `z` as it is")
    width = Setting(200, *WIDE, doc="width of the picture on the canvas")
    height = Setting(200, *HIGH, doc="height of the picture on the canvas")
    points = Data(
        ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)), columns=0, limit=4, low=0.0, high=1.0,
        doc="rows of x and y, and in a third column, if there is one, the part of `radius` that the disc of that point has "
        "(1 where there is none); a row for each latent, and one without a row is silent",
    )  # fmt: skip
    out = Out(latent="z", doc="the mixture, in the same space")
    at_x = Out(channels=1, doc="0 … 1: where the cursor is from left to right, as moved by cables")
    at_y = Out(channels=1, doc="0 … 1: where it is from below upwards")
    tags = ("xy", "square", "joystick", "mix", "interpolate", "display")

    def kernel(frames, channels, sr, state, ticks, a, b, c, d, z, x, y, radius, interpolate, points, out, at_x, at_y):
        dims = a.shape[1]
        for i in range(frames):
            at_x[i, 0], at_y[i, 0] = x[i, 0], y[i, 0]
            for k in range(ticks[i], ticks[i + 1]):
                if interpolate == 1:
                    for n in range(dims):
                        out[k, n] = z[k, n]
                    continue
                wa = weight(points, 0, x[i, 0], y[i, 0], radius[i, 0])
                wb = weight(points, 1, x[i, 0], y[i, 0], radius[i, 0])
                wc = weight(points, 2, x[i, 0], y[i, 0], radius[i, 0])
                wd = weight(points, 3, x[i, 0], y[i, 0], radius[i, 0])
                total = (wa + wb) + (wc + wd)
                wa, wb, wc, wd = wa / total, wb / total, wc / total, wd / total
                for n in range(dims):
                    out[k, n] = (wa * a[k, n] + wb * b[k, n]) + (wc * c[k, n] + wd * d[k, n])


def weight(points, n, x, y, radius):
    """Weight of point `n` under a cursor: a disc, and a little of the inverse squared distance (D. Shepard, 1968) that
    counts only where there is no disc, so that nothing jumps at an edge.

    `points` are rows of x, y and the part of `radius` that is the point's own; without that column it is 1, without y 0.
    """
    rows, columns = points.shape
    if n >= rows:
        return np.float32(0.0)
    dx, dy = points[n, 0] - x, -y
    if columns > 1:
        dy = points[n, 1] - y
    wide = radius
    if columns > 2:
        wide = radius * points[n, 2]
    away = dx * dx + dy * dy
    inside = np.float32(0.0)
    if wide * wide > away:  # not so where the disc has no width
        inside = 1.0 - np.sqrt(away) / wide
    return inside * inside + FAR / (away + FAR)


class Splice(Node):
    """Takes the first dimensions from one latent and the rest from another: the pitch of this, the timbre of that.

    `soft` widens the seam, so that dimensions near it are of both.
    """

    id = "latent/splice"
    a = In(latent="z", doc="gives the first dimensions")
    b = In(latent="z", doc="gives the rest; in the same space")
    seam = Param(4.0, 0.0, DIMS, doc="how many dimensions are of a")
    soft = Param(0.0, 0.0, 64.0, doc="dimensions over which one goes into the other; 0 is a clean cut")
    out = Out(latent="z", doc="both, in the same space")
    tags = ("crossfade", "dimensions", "hybrid", "cross")

    def kernel(frames, channels, sr, state, ticks, a, b, seam, soft, out):
        dims = a.shape[1]
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                for d in range(dims):
                    past = np.float32(d) + 0.5 - seam[i, 0]
                    wide = soft[i, 0]
                    part = np.float32(1.0) if past > 0.0 else np.float32(0.0)
                    if wide > 0.0:
                        part = clamp(past / wide + 0.5, 0.0, 1.0)
                    out[k, d] = a[k, d] * (1.0 - part) + b[k, d] * part


class Join(Node):
    """Puts two latents side by side: the dimensions of a, then those of b, as one latent of a space of its own.

    For models that take two kinds of latents at once, such as structure and timbre.  Both must have the same clock; name it
    in `ratio` and `rate`.
    """

    id = "latent/join"
    a = In(latent="a", doc="gives the first dimensions")
    b = In(latent="b", doc="gives those behind")
    gain_a = Param(1.0, -8.0, 8.0, doc="factor of a")
    gain_b = Param(1.0, -8.0, 8.0, doc="factor of b")
    space = Setting("free", kind="text", doc="name of the latent space that both together belong to")
    dims = Setting(16, 1, DIMS, doc="dimensions in all; 0 where a and b have fewer")
    ratio = Setting(2048, 1, 1 << 20, "samples", doc="samples from one latent frame to the next, as a and b have them")
    rate = Setting(0, 0, 768000, "Hz", doc="rate at which those samples are counted, the model's own; 0 is the rack's")
    z = Out(latent="z", space=("space", "dims", "ratio", "rate"), doc="both side by side")
    tags = ("concat", "concatenate", "merge", "combine")

    def kernel(frames, channels, sr, state, ticks, a, b, gain_a, gain_b, z):
        dims, first, second = z.shape[1], a.shape[1], b.shape[1]
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                for d in range(dims):
                    if d < first:
                        z[k, d] = a[k, d] * gain_a[i, 0]
                    elif d - first < second:
                        z[k, d] = b[k, d - first] * gain_b[i, 0]
                    else:
                        z[k, d] = 0.0


class Split(Node):
    """Takes a latent apart into two, each of a space of its own: the first dimensions, and those behind.

    The opposite of `latent/join`.  Name the clock of `z` in `ratio` and `rate`.
    """

    id = "latent/split"
    z = In(latent="z", doc="the latent")
    gain_a = Param(1.0, -8.0, 8.0, doc="factor of a")
    gain_b = Param(1.0, -8.0, 8.0, doc="factor of b")
    space_a = Setting("free", kind="text", doc="name of the latent space of a")
    space_b = Setting("free", kind="text", doc="name of the latent space of b")
    dims_a = Setting(4, 1, DIMS, doc="how many dimensions go to a")
    dims_b = Setting(4, 1, DIMS, doc="how many of the following go to b; 0 where `z` has no more")
    ratio = Setting(2048, 1, 1 << 20, "samples", doc="samples from one latent frame to the next, as `z` has them")
    rate = Setting(0, 0, 768000, "Hz", doc="rate at which those samples are counted, the model's own; 0 is the rack's")
    a = Out(latent="a", space=("space_a", "dims_a", "ratio", "rate"), doc="the first dimensions")
    b = Out(latent="b", space=("space_b", "dims_b", "ratio", "rate"), doc="the dimensions behind")
    tags = ("part", "separate", "divide")

    def kernel(frames, channels, sr, state, ticks, z, gain_a, gain_b, a, b):
        dims, first, second = z.shape[1], a.shape[1], b.shape[1]
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                for d in range(first):
                    a[k, d] = z[k, d] * gain_a[i, 0] if d < dims else np.float32(0.0)
                for d in range(second):
                    b[k, d] = z[k, first + d] * gain_b[i, 0] if first + d < dims else np.float32(0.0)
