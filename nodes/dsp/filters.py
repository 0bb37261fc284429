"""Filter sections that stay stable however fast their cutoff moves: topology-preserving transform (TPT).

The analogue circuit is kept and its integrators are made trapezoidal (V. Zavalishin, "The Art of VA Filter Design";
A. Simper, "Solving the continuous SVF equations using trapezoidal integration", 2013).  Still, the response is that of
the bilinear transform with prewarped cutoff, the same as R. Bristow-Johnson's cookbook ("RBJ").  Moving, the map from
state to next state never makes the state longer, for any sequence of cutoffs and any q > 0, so nothing can blow up.

States are kept halved (h = s / 2), for then the integrator's output is h before + h after and costs one addition.  The
updates are written as h + (small terms), never as (1 - small) * h: at 20 Hz the small terms are 1e-6, which float32
would round away beside 1.  Every sum is in the order that leaves one multiplication and two additions between one
sample's state and the next's: that chain, not the amount of arithmetic, is what a recursion costs.
"""

from __future__ import annotations

from .maths import tan_pi

CEILING = 0.49
"""Highest cutoff as a part of the engine rate."""


def prewarp(sr, freq):  # type: ignore[no-untyped-def]
    """Integrator gain g of a cutoff `freq` Hz at rate `sr`; the cutoff is kept below 0.49 of the rate."""
    ratio = freq / sr
    return tan_pi(ratio if ratio < CEILING else CEILING)


def pole(g):  # type: ignore[no-untyped-def]
    """Coefficient w of `pole_step` from integrator gain g."""
    return 2.0 * g / (1.0 + g)


def pole_step(h, x, w):  # type: ignore[no-untyped-def]
    """Next half state of a one-pole low-pass fed with half the input, `x`; its output is old + new."""
    return (h + w * x) - w * h


def svf(g, k):  # type: ignore[no-untyped-def]
    """Coefficients (w, u, v) of `svf_step` from integrator gain g and damping k = 1 / q."""
    u = 2.0 * g / (1.0 + g * (g + k))
    v = g * u
    return k * u + v, u, v


def svf_step(a, b, x, w, u, v):  # type: ignore[no-untyped-def]
    """Next half states of a state variable filter fed with half the input, `x`.

    Band-pass output (gain q at the centre) is old a + new a, low-pass output old b + new b.
    """
    return (a + u * x) - (w * a + u * b), (b + v * x) + (u * a - v * b)


def svf_run(frames, channels, z, audio, w, u, v, dry, band, low, out):  # type: ignore[no-untyped-def]
    """A whole second-order section: out = dry · input + band · band-pass + low · low-pass; z is float32[2, channels]."""
    if channels == 1:  # state in registers
        a, b = z[0, 0], z[1, 0]
        for i in range(frames):
            x = audio[i, 0]
            m, n = svf_step(a, b, 0.5 * x, w[i, 0], u[i, 0], v[i, 0])
            out[i, 0] = dry[i, 0] * x + (band[i, 0] * (a + m) + low[i, 0] * (b + n))
            a, b = m, n
        z[0, 0], z[1, 0] = a, b
    else:  # channels side by side in vector registers
        for i in range(frames):
            for c in range(channels):
                x, a, b = audio[i, c], z[0, c], z[1, c]
                m, n = svf_step(a, b, 0.5 * x, w[i, c], u[i, c], v[i, c])
                out[i, c] = dry[i, c] * x + (band[i, c] * (a + m) + low[i, c] * (b + n))
                z[0, c], z[1, c] = m, n
