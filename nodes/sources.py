"""Sources of sound: oscillators, noise, impulses, a sample player, a constant."""

from __future__ import annotations

from typing import Any

import numpy as np

from .base import Choice, Data, In, Node, Out, Param, Setting, f32, f64, i32
from .dsp.maths import CYCLE, PER_CYCLE, clamp, noise, stream
from .dsp.oscillators import PULSE, SAW, SINE, TRIANGLE, increment, oscillate


class Oscillator(Node):
    """Ports that all oscillators share."""

    pitch = In(doc="raises the frequency, volts: 1 is an octave")
    sync = In(doc="rising through 0 restarts the cycle (hard sync)")
    freq = Param(110.0, 1.0, 20000.0, "Hz", curve="exp", doc="frequency at pitch 0")
    phase = Param(0.0, -4.0, 4.0, "cycles", doc="shifts the wave; at audio rate: phase modulation")
    state = {"angle": i32, "last": f32, "tail": i32, "ring": f32[8]}
    coefs = ("inc",)
    tags = ("source",)

    def prepare(sr: Any, freq: Any, pitch: Any) -> Any:  # noqa: N805
        return increment(sr, freq, pitch)


class Sine(Oscillator):
    """A pure tone: one partial, nothing else.

    Patch one sine into the `phase` of another for FM timbres, or several into a mixer to build a sound from partials.
    """

    id = "source/sine"
    out = Out(doc="-1 … 1")

    def kernel(frames, channels, sr, state, sync, phase, inc, out):
        oscillate(SINE, frames, channels, state, inc, phase, phase, sync, out)


class Saw(Oscillator):
    """A bright wave with all partials, for filters to carve.

    Patch into a low-pass and move its cutoff.  Alias of a 5 kHz saw stays 60 dB below it up to 15 kHz.
    """

    id = "source/saw"
    out = Out(doc="-1 … 1, rising")

    def kernel(frames, channels, sr, state, sync, phase, inc, out):
        oscillate(SAW, frames, channels, state, inc, phase, phase, sync, out)


class Pulse(Oscillator):
    """A hollow wave; `width` 0.5 is a square with odd partials only, narrower is thinner and brighter.

    Patch a slow LFO into `width` for a chorus-like movement.
    """

    id = "source/pulse"
    width = Param(0.5, 0.01, 0.99, doc="part of the cycle that is high")
    out = Out(doc="-1 … 1")

    def kernel(frames, channels, sr, state, sync, phase, width, inc, out):
        oscillate(PULSE, frames, channels, state, inc, phase, width, sync, out)


class Triangle(Oscillator):
    """A soft wave with weak odd partials, near a flute; begins at -1.

    Patch into a folder (`maths/fold`) and raise its gain for West Coast timbres.
    """

    id = "source/triangle"
    out = Out(doc="-1 … 1")

    def kernel(frames, channels, sr, state, sync, phase, inc, out):
        oscillate(TRIANGLE, frames, channels, state, inc, phase, phase, sync, out)
