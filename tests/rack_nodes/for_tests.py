"""Node types that only tests need, in a folder that tests name as the user's (`ZRACK_NODES`)."""

from __future__ import annotations

import os
import time

import numpy as np

from nodes.base import Choice, In, Node, Out, Param, Setting, f32, i64


class Bomb(Node):
    """Passes sound through until `fuse` is above one half; then it puts out NaN and remembers it."""

    id = "test/bomb"
    audio = In(doc="sound")
    fuse = Param(0.0, 0.0, 1.0, smooth=0.0, doc="above 0.5 it goes off")
    kind = Choice("nan", ("nan", "inf"), doc="what it puts out")
    out = Out(doc="sound, or worse")
    state = {"memory": f32}

    def kernel(frames, channels, sr, state, audio, fuse, kind, out):  # type: ignore[no-untyped-def]
        for i in range(frames):
            for c in range(channels):
                bad = np.float32(np.inf) if kind == 1 else np.float32(np.nan)
                state.memory[c] = bad if fuse[i, c] > 0.5 else audio[i, c]
                out[i, c] = state.memory[c]


class Count(Node):
    """Puts out 0, 1, 2 … one step a sample."""

    id = "test/count"
    out = Out(doc="the number of the sample")
    state = {"n": i64}

    def kernel(frames, channels, sr, state, out):  # type: ignore[no-untyped-def]
        for i in range(frames):
            for c in range(channels):
                out[i, c] = np.float32(state.n[c])
                state.n[c] += 1


class Twice(Node):
    """Doubles what it hears, in a process of its own; `trouble` is the hop at which it raises, `nap` how long it sleeps."""

    id = "test/twice"
    audio = In(doc="sound")
    hop = Setting(256, 64, 65536, "samples", doc="hop")
    trouble = Setting(-1, -1, 1 << 30, doc="hop at which it raises")
    bad = Setting(-1, -1, 1 << 30, doc="hop at which it puts out NaN")
    crash = Setting(-1, -1, 1 << 30, doc="hop at which its process dies")
    nap = Setting(0.0, 0.0, 10.0, "s", kind="float", doc="sleeps at every hop")
    out = Out(doc="twice the sound")

    def open(sr, channels, settings, folder, seed):  # type: ignore[no-untyped-def]
        return {"settings": settings, "hop": 0}

    def work(me, audio):  # type: ignore[no-untyped-def]
        if me["hop"] == me["settings"]["trouble"]:
            raise RuntimeError("it was asked to")
        if me["hop"] == me["settings"]["crash"]:
            os._exit(3)
        if me["hop"] == me["settings"]["bad"]:
            audio = audio * np.nan
        me["hop"] += 1
        time.sleep(me["settings"]["nap"])
        return 2.0 * audio


class Hang(Node):
    """Passes sound through until `fuse` is above one half; then it never ends."""

    id = "test/hang"
    audio = In(doc="sound")
    fuse = Param(0.0, 0.0, 1.0, smooth=0.0, doc="above 0.5 it hangs")
    out = Out(doc="sound, or nothing ever again")
    state = {"n": i64}

    def kernel(frames, channels, sr, state, audio, fuse, out):  # type: ignore[no-untyped-def]
        for i in range(frames):
            for c in range(channels):
                out[i, c] = audio[i, c]
                while fuse[i, c] > 0.5 and state.n[c] >= 0:
                    state.n[c] = (state.n[c] + 1) & 0xFFFF
