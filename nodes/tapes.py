"""The latent tape and the morph between two: paths through a latent space, recorded, played and scrubbed.

`ticks[i]` is how many latent frames lie before sample i of the block, so a frame lies at sample i where `ticks[i + 1]`
is greater, and `ticks[i]` is its row in the latent buffers.  Places on a tape are counted in frames from 0 on, with
fractions between them.
"""

from __future__ import annotations

import numpy as np

from .base import Choice, Data, In, Node, Out, Param, Setting, f32, f64, i32, i64
from .dsp.maths import edge
from .dsp.paths import LONGEST
from .latents import DIMS

ZERO, HALF, ONE, TWO = np.float64(0.0), np.float64(0.5), np.float64(1.0), np.float64(2.0)
EARLY = np.float64(1e-6)  # frames by which a place may miss a whole one, so that rounding never skips a row
LOUD = 1e30  # nothing beyond is written to a tape
LOOP, ONCE, PINGPONG = range(3)
HOLD, LINEAR, CUBIC = range(3)


class Tape(Node):
    """Keeps a path through a latent space and plays it: at any speed, backwards, in loops, or scrubbed by hand.

    Open `record` and what comes into `z` is written from the beginning (and passed on); close it and the tape plays what
    it has.  Until something was recorded it plays `path`, which is stored with the patch: draw it, load it, or keep
    there what was recorded.  At position, a signal in `position` says where on the tape to be.

    It takes the latent space of what is patched into `z`; alone, name the space and its clock in the settings.
    """

    id = "latent/tape"
    z = In(latent="z", doc="what is recorded")
    record = In(channels=1, doc="gate: from 0.5 up `z` is written, from the beginning; what was there before is gone")
    reset = In(channels=1, doc="rising through 0.5 goes to `start` (to `end` at a speed below 0)")
    speed = Param(1.0, -4.0, 4.0, smooth=0.0, doc="1 is as it was recorded, below 0 backwards, 0 stands still")
    position = Param(0.0, 0.0, 1.0, smooth=0.0, doc="place between `start` and `end`, where `drive` is position")
    start = Param(0.0, 0.0, 1.0, smooth=0.0, doc="where what is played begins, part of the whole")
    end = Param(1.0, 0.0, 1.0, smooth=0.0, doc="where it ends")
    drive = Choice("speed", ("speed", "position"), doc="the tape runs, or is where `position` says")
    loop = Choice("loop", ("loop", "once", "pingpong"), doc="go round, stop at the end, or there and back")
    read = Choice("linear", ("hold", "linear", "cubic"), doc="between two frames: the first, a straight line, a smooth curve")
    length = Setting(4096, 1, LONGEST, "frames", doc="how much can be recorded; 4096 frames of ratio 2048 are 3 minutes")
    space = Setting("free", kind="text", doc="name of the latent space of the path")
    dims = Setting(8, 1, DIMS, doc="dimensions of the latent; where a path has fewer, the others are 0")
    ratio = Setting(2048, 1, 1 << 20, "samples", doc="samples from one latent frame to the next")
    rate = Setting(0, 0, 768000, "Hz", doc="rate at which those samples are counted, the model's own; 0 is the rack's")
    path = Data(((0.0,),), columns=0, limit=LONGEST, doc="the stored path: a frame a row, a dimension a column")
    out = Out(latent="z", space=("space", "dims", "ratio", "rate"), doc="the latent on the tape")
    at = Out(channels=1, doc="0 … 1: the place on the whole tape; while it records, how full it is")
    state = {
        "reel": f32["length"], "written": i64, "count": i64, "takes": i32, "recording": i32, "due": i32, "last": f32,
        "place": f64, "turned": i32, "begun": i32, "where": f32, "forget": f32,
    }  # fmt: skip
    live = ("forget",)
    tags = ("record", "playback", "scrub", "loop", "path", "memory")

    def kernel(frames, channels, sr, state, ticks, z, record, reset, speed, position, start, end, drive, loop, read, length,
               path, out, at):  # fmt: skip
        dims, reel = out.shape[1], state.reel
        room = min(reel.shape[0] // max(dims, 1), length)
        for i in range(frames):
            if state.forget[0] > 0.5:  # what was recorded is in the patch now
                state.forget[0], state.count[0] = 0.0, 0
            if edge(state.last[0], reset[i, 0]):
                state.due[0] = np.int32(1)
            state.last[0] = reset[i, 0]
            for k in range(ticks[i], ticks[i + 1]):
                if record[i, 0] >= 0.5 and room > 0:
                    if state.recording[0] == 0:
                        state.recording[0], state.written[0] = np.int32(1), 0
                    n = state.written[0]
                    for d in range(dims):
                        x = z[k, d] if abs(z[k, d]) < LOUD else np.float32(0.0)
                        if n < room:
                            reel[n * dims + d, 0] = x
                        out[k, d] = x
                    state.written[0] = min(n + 1, room)
                    state.where[0] = np.float32(state.written[0]) / np.float32(room)
                    continue
                if state.recording[0] != 0:
                    state.recording[0], state.count[0] = np.int32(0), state.written[0]
                    state.takes[0] = np.int32(state.takes[0] + 1)
                    state.begun[0] = np.int32(0)
                own = state.count[0] > 0
                size = state.count[0] if own else path.shape[0]
                first = min(int(np.float64(min(start[i, 0], end[i, 0])) * size + EARLY), size - 1)
                final = min(max(int(np.float64(max(start[i, 0], end[i, 0])) * size + EARLY) - 1, first), size - 1)
                low, high = np.float64(first), np.float64(final)
                v = np.float64(speed[i, 0])
                if state.due[0] != 0 or state.begun[0] == 0:
                    state.place[0] = low if v >= 0.0 else high
                    state.turned[0], state.due[0], state.begun[0] = np.int32(0), np.int32(0), np.int32(1)
                place = inside(state.place[0], low, high, loop)
                here, round_ = place, loop == LOOP
                if drive == 1:
                    here, round_ = low + (high - low) * np.float64(position[i, 0]), False
                n = int(here)
                x = np.float32(here - np.float64(n))
                for d in range(dims):
                    y = value(reel, path, own, row(n, first, final, round_), d, dims)
                    if read != HOLD and x > 0.0:
                        y2 = value(reel, path, own, row(n + 1, first, final, round_), d, dims)
                        if read == LINEAR:
                            y = y * (1.0 - x) + y2 * x
                        else:  # cubic Hermite with central differences (Catmull-Rom)
                            y0 = value(reel, path, own, row(n - 1, first, final, round_), d, dims)
                            y3 = value(reel, path, own, row(n + 2, first, final, round_), d, dims)
                            y = (x * (-0.5 + x * (1.0 - 0.5 * x)) * y0 + (1.0 + x * x * (1.5 * x - 2.5)) * y) + (
                                x * (0.5 + x * (2.0 - 1.5 * x)) * y2 + x * x * (0.5 * x - 0.5) * y3
                            )
                    out[k, d] = y
                state.where[0] = np.float32(min(here / np.float64(max(size - 1, 1)), ONE))
                if drive == 1:
                    state.place[0] = here
                    continue
                if loop == PINGPONG:
                    v = -v if state.turned[0] != 0 else v
                    place += v
                    if place > high or place < low:
                        state.turned[0] = np.int32(1 - state.turned[0])
                        place = TWO * high - place if place > high else TWO * low - place
                    state.place[0] = min(max(place, low), high)
                else:
                    state.place[0] = inside(place + v, low, high, loop)
            at[i, 0] = state.where[0]


def inside(place, low, high, loop):
    """A place kept in the region low … high: round it in a loop, where the last frame leads to the first, else at its ends."""
    if loop == LOOP:
        size = high - low + ONE
        place -= size * np.floor((place - low) / size)
        return place if low <= place < high + ONE else low
    return min(max(place, low), high)


def row(n, first, final, round_):
    """Row `n` kept in first … final: round the loop, or held at the ends."""
    if round_:
        n = n + (final - first + 1) if n < first else n
        n = n - (final - first + 1) if n > final else n
    return min(max(n, first), final)


def value(reel, path, own, n, d, dims):
    """Dimension `d` of frame `n`: of what was recorded, or of the stored path."""
    if own:
        return reel[n * dims + d, 0]
    return path[n, d] if d < path.shape[1] else np.float32(0.0)


class Morph(Node):
    """Goes from latent a to latent b in a given time, once for every trigger: z = a (1 − n/N) + b n/N.

    Put a tape at each inlet and patch one gate into the `reset` of both and into `trigger`: from the path of one sound to
    that of the other, over the length of a note.  Both run on, also at the ends.
    """

    id = "latent/morph"
    a = In(latent="z", doc="the latent that it starts from")
    b = In(latent="z", doc="the latent that it arrives at; in the same space")
    trigger = In(channels=1, doc="rising through 0.5 starts again; the first time it starts by itself")
    length = Param(100.0, 1.0, 65536.0, "frames", curve="exp", smooth=0.0, doc="N: frames that it takes (a whole number)")
    loop = Choice("once", ("once", "loop", "pingpong"), doc="stay at b, start again at a, or go there and back")
    out = Out(latent="z", doc="the mixture, in the same space")
    at = Out(channels=1, doc="0 … 1: n/N")
    done = Out(channels=1, doc="gate: 1 when it has arrived, until it starts again")
    state = {"n": i64, "back": i32, "last": f32, "due": i32, "where": f32, "there": f32}
    tags = ("crossfade", "interpolate", "transition", "ramp")

    def kernel(frames, channels, sr, state, ticks, a, b, trigger, length, loop, out, at, done):
        dims = a.shape[1]
        for i in range(frames):
            if edge(state.last[0], trigger[i, 0]):
                state.due[0] = np.int32(1)
            state.last[0] = trigger[i, 0]
            for k in range(ticks[i], ticks[i + 1]):
                whole = int(length[i, 0] + 0.5)
                if state.due[0] != 0:
                    state.n[0], state.back[0], state.due[0] = 0, np.int32(0), np.int32(0)
                n = min(state.n[0], whole)
                part = np.float32(n) / np.float32(whole)
                for d in range(dims):
                    out[k, d] = a[k, d] * (1.0 - part) + b[k, d] * part
                state.where[0] = part
                state.there[0] = 1.0 if n == whole else 0.0
                n = n - 1 if state.back[0] != 0 else n + 1
                if n > whole:
                    n = 0 if loop == LOOPED else whole
                    if loop == RETURNS:
                        n, state.back[0] = whole - 1, np.int32(1)
                elif n < 0:
                    n, state.back[0] = 1, np.int32(0)
                state.n[0] = n
            at[i, 0], done[i, 0] = state.where[0], state.there[0]


LOOPED, RETURNS = 1, 2
