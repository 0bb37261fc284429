"""Filters: what of the spectrum stays.  All keep still under audio-rate modulation; see `nodes.dsp.filters`."""

from __future__ import annotations

from .base import Choice, Data, In, Node, Out, Param, Setting, f32, f64, i64
from .dsp.filters import CEILING, pole, pole_step, prewarp, svf, svf_run, svf_step


class StateVariable(Node):
    """Low-pass, band-pass and high-pass of one sound at once.

    Raise `q` until it rings, then move `cutoff` with an LFO or, at audio rate, with another oscillator.  The band-pass
    has gain 1 at the cutoff.  Low + q-scaled band + high give the input back.
    """

    id = "filter/svf"
    audio = In(doc="sound to filter")
    cutoff = Param(1000.0, 20.0, 20000.0, "Hz", curve="exp", doc="corner of low and high, centre of band")
    q = Param(0.7071068, 0.1, 100.0, curve="exp", doc="resonance; 0.7071 is flat")
    low = Out(doc="what lies below the cutoff, 12 dB an octave")
    band = Out(doc="what lies around the cutoff, 6 dB an octave either side")
    high = Out(doc="what lies above the cutoff, 12 dB an octave")
    state = {"z": f32[2]}
    coefs = ("w", "u", "v", "k")

    def prepare(sr, cutoff, q):
        k = 1.0 / q
        w, u, v = svf(prewarp(sr, cutoff), k)
        return w, u, v, k

    def kernel(frames, channels, sr, state, audio, w, u, v, k, low, band, high):
        z = state.z
        if channels == 1:
            a, b = z[0, 0], z[1, 0]
            for i in range(frames):
                x = audio[i, 0]
                m, n = svf_step(a, b, 0.5 * x, w[i, 0], u[i, 0], v[i, 0])
                y = k[i, 0] * (a + m)
                low[i, 0] = b + n
                band[i, 0] = y
                high[i, 0] = x - y - (b + n)
                a, b = m, n
            z[0, 0], z[1, 0] = a, b
        else:
            for i in range(frames):
                for c in range(channels):
                    x, a, b = audio[i, c], z[0, c], z[1, c]
                    m, n = svf_step(a, b, 0.5 * x, w[i, c], u[i, c], v[i, c])
                    y = k[i, c] * (a + m)
                    low[i, c] = b + n
                    band[i, c] = y
                    high[i, c] = x - y - (b + n)
                    z[0, c], z[1, c] = m, n
