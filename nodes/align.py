"""Ways through models are late, each by its own time: what brings them together again."""

from __future__ import annotations

from .base import In, Node, Out, Setting, f32, i64
from .dsp.lines import behind, step


def wait(line, at, size, n, was, fade, c, x):
    """`x` as it was `n` samples ago; on the way from `was` to `n` samples while `fade` goes from 1 to 0."""
    y = x if n == 0 else line[behind(at, min(n, size), size), c]
    if fade > 0.0:
        old = x if was == 0 else line[behind(at, min(was, size), size), c]
        y += (old - y) * fade
    line[at, c] = x
    return y


class Align(Node):
    """Delays what comes early, so that a dry sound and one that went through a model are heard at the same time.

    Patch the model's way into one inlet and the dry one into another: each waits for the latest of them, by the latency that
    zrack adds and the delay of the models themselves where it is known.  What lies in a loop, or has no cable, does not wait.
    """

    id = "effect/align"
    tags = ("latency", "delay", "compensation", "sync", "dry", "wet")
    a = In(doc="one way, the dry sound for instance")
    b = In(doc="another way")
    c = In(doc="a third way")
    wait_a = Setting(-1, -1, 1 << 20, "samples", doc="how long a waits; −1 is as long as it must")
    wait_b = Setting(-1, -1, 1 << 20, "samples", doc="how long b waits")
    wait_c = Setting(-1, -1, 1 << 20, "samples", doc="how long c waits")
    longest = Setting(2.0, 0.01, 20.0, "s", kind="float", doc="how much sound is kept; what is later than that stays early")
    out_a = Out(doc="a, in time")
    out_b = Out(doc="b, in time")
    out_c = Out(doc="c, in time")
    waits = {"wait_a": "a", "wait_b": "b", "wait_c": "c"}
    state = {
        "line_a": f32["longest"], "line_b": f32["longest"], "line_c": f32["longest"], "at": i64, "was_a": i64, "was_b": i64,
        "was_c": i64, "now_a": i64, "now_b": i64, "now_c": i64, "left": i64, "runs": i64,
    }  # fmt: skip

    def kernel(frames, channels, sr, state, a, b, c, wait_a, wait_b, wait_c, longest, out_a, out_b, out_c):
        size = state.line_a.shape[0]
        ramp = max(int(sr * 0.01), 1)
        at, left = state.at[0], state.left[0]
        moved = state.now_a[0] != wait_a or state.now_b[0] != wait_b or state.now_c[0] != wait_c
        if moved:  # another way, another time: crossfaded, but not before the first sample
            left = ramp if state.runs[0] == 1 else 0
            for k in range(channels):
                state.was_a[k], state.was_b[k], state.was_c[k] = state.now_a[k], state.now_b[k], state.now_c[k]
                state.now_a[k], state.now_b[k], state.now_c[k] = wait_a, wait_b, wait_c
        for i in range(frames):
            fade = float(left) / float(ramp)
            for k in range(channels):
                out_a[i, k] = wait(state.line_a, at, size, state.now_a[k], state.was_a[k], fade, k, a[i, k])
                out_b[i, k] = wait(state.line_b, at, size, state.now_b[k], state.was_b[k], fade, k, b[i, k])
                out_c[i, k] = wait(state.line_c, at, size, state.now_c[k], state.was_c[k], fade, k, c[i, k])
            at = step(at, size)
            left = left - 1 if left > 0 else left
        for k in range(channels):
            state.at[k], state.left[k], state.runs[k] = at, left, 1
