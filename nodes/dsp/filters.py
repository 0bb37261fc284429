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

import numpy as np

from .maths import clamp, sin_quarter, tan_pi

HIGHEST = 0.49
"""Highest cutoff as a part of the engine rate."""

LOW, HIGH, BAND, NOTCH, ALLPASS = range(5)
"""What `section` puts out."""


def turn(sr, freq):
    """`freq` Hz in cycles per sample, kept below 0.49."""
    ratio = freq * (1.0 / sr)
    return ratio if ratio < HIGHEST else HIGHEST


def prewarp(sr, freq):
    """Integrator gain g = tan(π f / sr) of a cutoff `freq` Hz; the cutoff is kept below 0.49 of the rate."""
    return tan_pi(turn(sr, freq))


def pole(sr, freq):
    """Coefficient w = 2g / (1 + g), g = tan(π f / sr), of `pole_step`; written with sin / cos to save a division."""
    s = sin_quarter(0.5 * turn(sr, freq))
    return 2.0 * s / (s + np.sqrt(1.0 - s * s))


def pole_step(h, x, w):
    """Next half state of a one-pole low-pass fed with half the input, `x`; its output is old + new."""
    return (h + w * x) - w * h


def resonant(sr, freq, q):
    """Coefficients (u, v, k) of `svf_step` for centre `freq` Hz and `q`.

    The same as `svf(prewarp(sr, freq), 1 / q)` with g = sin / cos multiplied out, which saves a division.
    """
    s = sin_quarter(0.5 * turn(sr, freq))  # sin(π f / sr)
    z = s * s
    p = s * np.sqrt(1.0 - z)
    e = (q + q) / (q + p)
    return p * e, z * e, 1.0 / q


def resonant_low(sr, freq, q):
    """Coefficients (u, v, w) for `lowpass`: u and v as `resonant` gives them, w = k u + v."""
    u, v, k = resonant(sr, freq, q)
    return u, v, k * u + v


def svf(g, k):
    """Coefficients (u, v, k) of `svf_step` from integrator gain g and damping k = 1 / q."""
    u = 2.0 * g / (1.0 + g * (g + k))
    return u, g * u, k


def svf_step(a, b, x, u, v, k):
    """Next half states of a state variable filter fed with half the input, `x`.

    Band-pass output (gain q at the centre) is old a + new a, low-pass output old b + new b.
    """
    return (a + u * x) - ((k * u + v) * a + u * b), (b + v * x) + (u * a - v * b)


def respond(kind, x, band, low):
    """One response of a state variable filter from its input, its band-pass times k, and its low-pass."""
    if kind == LOW:
        return low
    if kind == HIGH:
        return x - band - low
    if kind == BAND:
        return band
    if kind == NOTCH:
        return x - band
    return x - (band + band)


def section(kind, frames, channels, z, audio, u, v, k, out):
    """A second-order section with a fixed response; z is float32[2, channels]."""
    if channels == 1:  # state in registers
        a, b = z[0, 0], z[1, 0]
        for i in range(frames):
            x = audio[i, 0]
            m, n = svf_step(a, b, 0.5 * x, u[i, 0], v[i, 0], k[i, 0])
            out[i, 0] = respond(kind, x, k[i, 0] * (a + m), b + n)
            a, b = m, n
        z[0, 0], z[1, 0] = a, b
    else:  # channels side by side in vector registers
        for i in range(frames):
            for c in range(channels):
                x, a, b = audio[i, c], z[0, c], z[1, c]
                m, n = svf_step(a, b, 0.5 * x, u[i, c], v[i, c], k[i, c])
                out[i, c] = respond(kind, x, k[i, c] * (a + m), b + n)
                z[0, c], z[1, c] = m, n


def lowpass(frames, channels, z, audio, u, v, w, out):
    """`section` for the low-pass output alone, which needs k only in w = k u + v; z as in `section`."""
    if channels == 1:
        a, b = z[0, 0], z[1, 0]
        for i in range(frames):
            x = 0.5 * audio[i, 0]
            m = (a + u[i, 0] * x) - (w[i, 0] * a + u[i, 0] * b)
            n = (b + v[i, 0] * x) + (u[i, 0] * a - v[i, 0] * b)
            out[i, 0] = b + n
            a, b = m, n
        z[0, 0], z[1, 0] = a, b
    else:
        for i in range(frames):
            for c in range(channels):
                x, a, b = 0.5 * audio[i, c], z[0, c], z[1, c]
                n = (b + v[i, c] * x) + (u[i, c] * a - v[i, c] * b)
                z[0, c] = (a + u[i, c] * x) - (w[i, c] * a + u[i, c] * b)
                out[i, c] = b + n
                z[1, c] = n


def three(frames, channels, z, audio, u, v, k, low, band, high):
    """A second-order section that puts out low-pass, band-pass of gain 1 and high-pass; z as in `section`."""
    if channels == 1:
        a, b = z[0, 0], z[1, 0]
        for i in range(frames):
            x = audio[i, 0]
            m, n = svf_step(a, b, 0.5 * x, u[i, 0], v[i, 0], k[i, 0])
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
                m, n = svf_step(a, b, 0.5 * x, u[i, c], v[i, c], k[i, c])
                y = k[i, c] * (a + m)
                low[i, c] = b + n
                band[i, c] = y
                high[i, c] = x - y - (b + n)
                z[0, c], z[1, c] = m, n


def blend(frames, channels, z, audio, u, v, k, dry, band, low, out):
    """A second-order section that puts out dry · input + band · band-pass + low · low-pass; z as in `section`."""
    for i in range(frames):
        for c in range(channels):
            x, a, b = audio[i, c], z[0, c], z[1, c]
            m, n = svf_step(a, b, 0.5 * x, u[i, c], v[i, c], k[i, c])
            out[i, c] = dry[i, c] * x + (band[i, c] * (a + m) + low[i, c] * (b + n))
            z[0, c], z[1, c] = m, n


def soft(x):
    """A saturation close to tanh (within 0.024) and flat from |x| = 3 on, at half its latency: Padé's (3, 2)."""
    x = clamp(x, -3.0, 3.0)
    z = x * x
    return x * (27.0 + z) / (27.0 + 9.0 * z)


def ladder_step(h1, h2, h3, h4, x, f, k, n, d, e):
    """One sample of four equal poles in a saturating loop: (outputs after two and four poles, four half states).

    f = g / (1 + g), k the feedback, n = 1 / (1 + k f^4), d and e = 1 / d the gains before and after saturation.  The
    loop is solved for its linear part without delay, then its one saturation is applied.  What enters the poles is
    bounded by it, hence so are they, at any feedback.  A pole's output is f · input + (2 - 2f) h.  Powers of f are
    multiplied out, so that little waits for the saturation, which waits for everything.
    """
    w = f + f
    r = 2.0 - w
    z = f * f
    s2 = h2 + f * h1
    s4 = r * ((h4 + f * h3) + z * s2)
    x = soft(d * ((x - k * s4) * n)) * e
    y1 = f * x + r * h1
    y2 = z * x + r * s2
    y3 = (z * f) * x + r * (h3 + f * s2)
    return (
        y2, (z * z) * x + s4, pole_step(h1, 0.5 * x, w), pole_step(h2, 0.5 * y1, w), pole_step(h3, 0.5 * y2, w),
        pole_step(h4, 0.5 * y3, w),
    )  # fmt: skip


def ladder(slope, frames, channels, h, audio, g, k, n, d, e, out):
    """A block of `ladder_step`: out after four poles (slope 0) or two (slope 1); h is float32[4, channels]."""
    if channels == 1:
        h1, h2, h3, h4 = h[0, 0], h[1, 0], h[2, 0], h[3, 0]
        for i in range(frames):
            y, x, h1, h2, h3, h4 = ladder_step(h1, h2, h3, h4, audio[i, 0], g[i, 0], k[i, 0], n[i, 0], d[i, 0], e[i, 0])
            out[i, 0] = x if slope == 0 else y
        h[0, 0], h[1, 0], h[2, 0], h[3, 0] = h1, h2, h3, h4
    else:
        for i in range(frames):
            for c in range(channels):
                y, x, h1, h2, h3, h4 = ladder_step(
                    h[0, c], h[1, c], h[2, c], h[3, c], audio[i, c], g[i, c], k[i, c], n[i, c], d[i, c], e[i, c]
                )
                out[i, c] = x if slope == 0 else y
                h[0, c], h[1, c], h[2, c], h[3, c] = h1, h2, h3, h4
