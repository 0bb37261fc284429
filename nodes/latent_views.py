"""What is seen of latents: the path that they take, their dimensions as bars, and a field of points that is played.

`ticks[i]` is how many latent frames lie before sample i of the block, so a frame lies at sample i where `ticks[i + 1]`
is greater, and `ticks[i]` is its row in the latent buffers.
"""

from __future__ import annotations

import math

import numpy as np

from .base import Choice, Data, In, Node, Out, Param, Setting, f32, i32
from .latents import DIMS

WIDE, HIGH = (40, 2000), (40, 2000)
MOST = 4096
"""Most points of a scatter: all of them are looked at in every latent frame."""
NEAR = 16
"""Most points that are mixed."""
TINY = 1e-9


class LatentView(Node):
    """Base of the views with one latent: what comes in goes out."""

    z = In(latent="z", doc="the latent to look at")
    edge = Param(3.0, 0.1, 100.0, curve="exp", doc="the value at the edge of the picture where `scale` is fixed")
    scale = Choice("fit", ("fit", "fixed"), doc="the edge of the picture follows what came, or is `edge`")
    width = Setting(220, *WIDE, doc="width on the canvas")
    height = Setting(180, *HIGH, doc="height on the canvas")
    out = Out(latent="z", doc="the same, unchanged")


class Path(LatentView):
    """Shows the way that a latent takes: two of its dimensions against each other, with a tail that fades.

    What repeats draws a closed figure, what wanders fills the picture.  At lines every dimension has a line of its own
    that runs from left to right, each in its own colour.
    """

    id = "view/latent-path"
    tags = ("trajectory", "phase", "display")
    time = Param(4.0, 0.2, 60.0, "s", curve="exp", doc="how long the tail is, or how long ago the left edge of the lines is")
    draw = Choice("path", ("path", "lines"), doc="two dimensions against each other, or all of them over time")
    x = Setting(1, 1, DIMS, doc="dimension that goes from left to right")
    y = Setting(2, 1, DIMS, doc="dimension that goes upwards")

    def kernel(frames, channels, sr, state, ticks, z, edge, scale, time, draw, out):
        dims = z.shape[1]
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                for d in range(dims):
                    out[k, d] = z[k, d]


class Bars(LatentView):
    """Shows where every dimension of a latent is now: a bar each, upwards from the middle above 0 and downwards below.

    The line across a bar is its mean over the last seconds, the pale field around it is how far it swings (two standard
    deviations to each side).  A dimension whose field is thin carries little.
    """

    id = "view/latent-bars"
    tags = ("vector", "dimensions", "mean", "spread", "display")
    time = Param(4.0, 0.2, 60.0, "s", curve="exp", doc="how many seconds mean and swing are taken over")

    def kernel(frames, channels, sr, state, ticks, z, edge, scale, time, out):
        dims = z.shape[1]
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                for d in range(dims):
                    out[k, d] = z[k, d]


def spiral(count: int = 24, dims: int = 8) -> tuple[tuple[float, ...], ...]:
    """Points to begin with, `count` rows of `dims` numbers: a spiral in the first two, waves of it in the others."""
    rows = []
    for k in range(count):
        part = (k + 1) / count
        turn = 2 * math.tau * part
        more = [1.2 * part * math.sin(turn * (d + 1) / 3 + d) for d in range(2, dims)]
        rows.append(tuple(round(v, 4) for v in (2.4 * part * math.cos(turn), 2.4 * part * math.sin(turn), *more)))
    return tuple(rows)


class Scatter(Node):
    """A field of latents to play: each point is one of them, and the cursor says which is heard.

    Drag in the picture to move the cursor, or patch signals into `cursor_x` and `cursor_y`: −1 and 1 are the edges.  The
    points lie where two of their dimensions put them; what comes out has all dimensions.  At nearest the sound leaps from
    point to point, at blend the nearest ones are mixed, the closer the more.

    `points` holds what was analysed or recorded.  The latent belongs to the space that the settings name; dimensions that
    the points lack are 0.
    """

    id = "view/latent-scatter"
    tags = ("map", "explore", "points", "instrument", "nearest", "neighbours", "display")
    cursor_x = Param(0.0, -1.0, 1.0, smooth=0.02, doc="place of the cursor from left (−1) to right (1)")
    cursor_y = Param(0.0, -1.0, 1.0, smooth=0.02, doc="place of the cursor from below (−1) to above (1)")
    edge = Param(3.0, 0.1, 100.0, curve="exp", doc="the value at the edge of the picture")
    read = Choice("nearest", ("nearest", "blend"), doc="the nearest point alone, or a mixture of the nearest ones")
    x = Setting(1, 1, DIMS, doc="dimension that goes from left to right")
    y = Setting(2, 1, DIMS, doc="dimension that goes upwards")
    near = Setting(4, 2, NEAR, doc="how many points are mixed at blend")
    space = Setting("free", kind="text", doc="name of the latent space that the points belong to")
    dims = Setting(8, 1, DIMS, doc="dimensions of the latent")
    ratio = Setting(2048, 1, 1 << 20, "samples", doc="samples from one latent frame to the next")
    rate = Setting(0, 0, 768000, "Hz", doc="rate at which those samples are counted, the model's own; 0 is the rack's")
    width = Setting(260, *WIDE, doc="width on the canvas")
    height = Setting(260, *HIGH, doc="height on the canvas")
    points = Data(spiral(), columns=0, limit=MOST, doc="the points, a row each, a column for each dimension")
    z = Out(latent="z", space=("space", "dims", "ratio", "rate"), doc="the latent under the cursor")
    state = {"far": f32[NEAR], "which": i32[NEAR]}

    def kernel(frames, channels, sr, state, ticks, cursor_x, cursor_y, edge, read, x, y, near, points, z):
        far, which = state.far, state.which
        rows, columns, dims = points.shape[0], points.shape[1], z.shape[1]
        wanted = min(near if read == 1 else 1, rows)
        for i in range(frames):
            for k in range(ticks[i], ticks[i + 1]):
                cx, cy = cursor_x[i, 0] * edge[i, 0], cursor_y[i, 0] * edge[i, 0]
                found = 0
                for r in range(rows):  # the nearest ones so far, in order
                    dx = cx - points[r, x - 1] if x <= columns else cx
                    dy = cy - points[r, y - 1] if y <= columns else cy
                    d = dx * dx + dy * dy
                    if found == wanted and d >= far[found - 1, 0]:
                        continue
                    at = found if found < wanted else wanted - 1
                    while at > 0 and far[at - 1, 0] > d:
                        far[at, 0], which[at, 0] = far[at - 1, 0], which[at - 1, 0]
                        at -= 1
                    far[at, 0], which[at, 0] = d, r
                    found = min(found + 1, wanted)
                total = np.float32(0.0)
                for n in range(found):  # Shepard's weights: one over the squared distance
                    total += 1.0 / (far[n, 0] + TINY)
                for d in range(dims):
                    mixed = np.float32(0.0)
                    if d < columns:
                        for n in range(found):
                            mixed += points[which[n, 0], d] / (far[n, 0] + TINY)
                    z[k, d] = mixed / total
