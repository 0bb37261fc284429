"""Filters: what of the spectrum stays.  All stay calm under audio-rate modulation; see `nodes.dsp.filters`."""

from __future__ import annotations

import numpy as np

from .base import Choice, Data, In, Node, Out, Param, Setting, f32, f64, i64
from .dsp.filters import (
    ALLPASS,
    BAND,
    HIGH,
    HIGHEST,
    NOTCH,
    blend,
    ladder,
    lowpass,
    pole,
    pole_step,
    prewarp,
    resonant,
    resonant_low,
    section,
    svf,
    three,
    turn,
)
from .dsp.lines import CUBIC, LIMIT, SHORT, read, step
from .dsp.maths import LN2, clamp, cos_cycles, db, exp2, sin_cycles

LOG2_1000 = 9.965784284662087  # 60 dB in octaves of amplitude

FLAT = Param(0.7071068, 0.1, 100.0, curve="exp", doc="resonance; 0.7071 is flat, more peaks at the corner")
WIDTH = Param(1.0, 0.1, 100.0, curve="exp", doc="centre over bandwidth; more is narrower")


class Cornered(Node):
    """What the filters with a corner share."""

    audio = In(doc="sound to filter")
    cutoff = Param(1000.0, 20.0, 20000.0, "Hz", curve="exp", doc="corner: -3 dB at q 0.7071")
    q = FLAT
    state = {"z": f32[2]}
    coefs = ("u", "v", "k")

    def prepare(sr, cutoff, q):
        return resonant(sr, cutoff, q)


class Centred(Node):
    """What the filters with a centre share."""

    audio = In(doc="sound to filter")
    freq = Param(1000.0, 20.0, 20000.0, "Hz", curve="exp", doc="centre")
    q = WIDTH
    state = {"z": f32[2]}
    coefs = ("u", "v", "k")

    def prepare(sr, freq, q):
        return resonant(sr, freq, q)


class Equaliser(Node):
    """What the bands of an equaliser share."""

    audio = In(doc="sound to shape")
    freq = Param(1000.0, 20.0, 20000.0, "Hz", curve="exp", doc="centre")
    q = WIDTH
    gain = Param(0.0, -36.0, 36.0, "dB", doc="how much to lift or lower")
    out = Out(doc="equalised sound")
    state = {"z": f32[2]}
    coefs = ("u", "v", "k", "dry", "band", "low")

    def kernel(frames, channels, sr, state, audio, u, v, k, dry, band, low, out):
        blend(frames, channels, state.z, audio, u, v, k, dry, band, low, out)


class OnePole(Node):
    """The gentlest filter: 6 dB an octave, no resonance.

    Softens a bright sound, or takes the rumble away as a high-pass.  Low-pass and high-pass add up to the input.
    """

    id = "filter/onepole"
    audio = In(doc="sound to filter")
    cutoff = Param(1000.0, 20.0, 20000.0, "Hz", curve="exp", doc="corner: -3 dB")
    mode = Choice("lowpass", ("lowpass", "highpass"), doc="which side of the cutoff stays")
    out = Out(doc="filtered sound")
    state = {"h": f32}
    coefs = ("w",)

    def prepare(sr, cutoff):
        return pole(sr, cutoff)

    def kernel(frames, channels, sr, state, audio, mode, w, out):
        if channels == 1:
            h = state.h[0]
            for i in range(frames):
                x = audio[i, 0]
                n = pole_step(h, 0.5 * x, w[i, 0])
                out[i, 0] = h + n if mode == 0 else x - (h + n)
                h = n
            state.h[0] = h
        else:
            for i in range(frames):
                for c in range(channels):
                    x, h = audio[i, c], state.h[c]
                    n = pole_step(h, 0.5 * x, w[i, c])
                    out[i, c] = h + n if mode == 0 else x - (h + n)
                    state.h[c] = n


class LowPass(Cornered):
    """Keeps what lies below the cutoff, 12 dB an octave.

    The subtractive classic: a saw in, an envelope on `cutoff`, `q` to taste.
    """

    id = "filter/lowpass"
    out = Out(doc="what lies below")
    coefs = ("u", "v", "w")

    def prepare(sr, cutoff, q):
        return resonant_low(sr, cutoff, q)

    def kernel(frames, channels, sr, state, audio, u, v, w, out):
        lowpass(frames, channels, state.z, audio, u, v, w, out)


class HighPass(Cornered):
    """Keeps what lies above the cutoff, 12 dB an octave.

    Thins a sound out; sweep it upwards to let a loop vanish into air.
    """

    id = "filter/highpass"
    out = Out(doc="what lies above")

    def kernel(frames, channels, sr, state, audio, u, v, k, out):
        section(HIGH, frames, channels, state.z, audio, u, v, k, out)


class BandPass(Centred):
    """Keeps what lies around one frequency, which passes unchanged.  Raise `q` to keep less.

    Noise through a high `q` whistles a pitch; three of them in parallel make a vowel.
    """

    id = "filter/bandpass"
    out = Out(doc="what is left")

    def kernel(frames, channels, sr, state, audio, u, v, k, out):
        section(BAND, frames, channels, state.z, audio, u, v, k, out)


class Notch(Centred):
    """Removes one frequency and leaves the rest.  Raise `q` to remove less.

    Take out a hum, or sweep several slowly for a phaser.
    """

    id = "filter/notch"
    out = Out(doc="all but the centre")

    def kernel(frames, channels, sr, state, audio, u, v, k, out):
        section(NOTCH, frames, channels, state.z, audio, u, v, k, out)


class AllPass(Centred):
    """Changes phase, not loudness: half a turn at the centre.

    Alone it is hardly heard.  Mix several in a row with the dry sound and sweep `freq`: a phaser.  In a feedback loop it
    bends the overtones.
    """

    id = "filter/allpass"
    q = FLAT
    out = Out(doc="the same spectrum, phases turned")

    def kernel(frames, channels, sr, state, audio, u, v, k, out):
        section(ALLPASS, frames, channels, state.z, audio, u, v, k, out)


class Peak(Equaliser):
    """Lifts or lowers a band around one frequency: one knob group of an equaliser.

    Find what hurts with a narrow lift, then lower it.
    """

    id = "filter/peak"

    def prepare(sr, freq, q, gain):
        a = db(0.5 * gain)
        u, v, k = svf(prewarp(sr, freq), 1.0 / (q * a))
        return u, v, k, 1.0, k * (a * a - 1.0), 0.0


class LowShelf(Equaliser):
    """Lifts or lowers all that lies below a frequency.

    More or less bass.  `q` above 0.7071 overshoots at the corner.
    """

    id = "filter/lowshelf"
    freq = Param(200.0, 20.0, 20000.0, "Hz", curve="exp", doc="half of the gain in dB is reached here")
    q = FLAT

    def prepare(sr, freq, q, gain):
        a = db(0.5 * gain)
        u, v, k = svf(prewarp(sr, freq) * db(-0.25 * gain), 1.0 / q)
        return u, v, k, 1.0, k * (a - 1.0), a * a - 1.0


class HighShelf(Equaliser):
    """Lifts or lowers all that lies above a frequency.

    More or less air.  `q` above 0.7071 overshoots at the corner.
    """

    id = "filter/highshelf"
    freq = Param(4000.0, 20.0, 20000.0, "Hz", curve="exp", doc="half of the gain in dB is reached here")
    q = FLAT

    def prepare(sr, freq, q, gain):
        a = db(0.5 * gain)
        u, v, k = svf(prewarp(sr, freq) * db(0.25 * gain), 1.0 / q)
        return u, v, k, a * a, k * (1.0 - a) * a, 1.0 - a * a


class StateVariable(Cornered):
    """Low-pass, band-pass and high-pass of one sound at once.

    Raise `q` until it rings, then move `cutoff` with an LFO or, at audio rate, with another oscillator.  The band-pass
    has gain 1 at the cutoff.  The three outlets add up to the input.
    """

    id = "filter/svf"
    low = Out(doc="what lies below the cutoff, 12 dB an octave")
    band = Out(doc="what lies around the cutoff, 6 dB an octave either side")
    high = Out(doc="what lies above the cutoff, 12 dB an octave")

    def kernel(frames, channels, sr, state, audio, u, v, k, low, band, high):
        three(frames, channels, state.z, audio, u, v, k, low, band, high)


class Ladder(Node):
    """A warm low-pass after the transistor ladder: resonance up to a howl, saturation inside the loop.

    `resonance` 1 is where it begins to sing by itself; any sound starts it, and `cutoff` then plays the pitch.  `drive`
    lowers the level at which it saturates.  Bass sinks as resonance rises, as it does in the original.
    """

    id = "filter/ladder"
    audio = In(doc="sound to filter")
    cutoff = Param(1000.0, 20.0, 20000.0, "Hz", curve="exp", doc="corner, and pitch when it sings")
    resonance = Param(0.3, 0.0, 1.5, doc="0 is none; it sings by itself from 1 on")
    drive = Param(0.0, -24.0, 36.0, "dB", doc="how early it saturates; 0 at ±1")
    slope = Choice("24 dB", ("24 dB", "12 dB"), doc="an octave: out after four poles or after two")
    out = Out(doc="filtered sound")
    state = {"h": f32[4]}
    coefs = ("g", "k", "n", "d", "e")

    def prepare(sr, cutoff, resonance, drive):
        g = prewarp(sr, cutoff)
        g = g / (1.0 + g)
        k = 4.0 * resonance
        d = db(drive)
        return g, k, 1.0 / (1.0 + k * (g * g * g * g)), d, 1.0 / d

    def kernel(frames, channels, sr, state, audio, slope, g, k, n, d, e, out):
        ladder(slope, frames, channels, state.h, audio, g, k, n, d, e, out)


class Comb(Node):
    """A row of equally spaced peaks or notches: sound plus itself, a moment later.

    Feedback near 1 makes a string of pitch `freq`: hit it with a noise burst and set `damping`.  Feedforward alone gives
    the hollow notches of a flanger; negative feedback sounds an octave lower.
    """

    id = "filter/comb"
    audio = In(doc="sound to filter")
    freq = Param(220.0, 20.0, 20000.0, "Hz", curve="exp", doc="distance of the peaks; the delay is its period")
    feedback = Param(0.8, -0.9999, 0.9999, doc="how much of the delayed sound goes round again")
    feedforward = Param(0.0, -1.0, 1.0, doc="how much of the delayed sound is added to the output")
    damping = Param(0.0, 0.0, 1.0, doc="how much duller each round is; 0 is not at all")
    out = Out(doc="combed sound")
    state = {"line": f32[SHORT], "at": i64, "dull": f32}
    coefs = ("d",)

    def prepare(sr, freq):
        return sr / freq

    def kernel(frames, channels, sr, state, audio, feedback, feedforward, damping, d, out):
        line = state.line
        size = min(int(0.05 * sr) + 6, SHORT)  # the period of 20 Hz
        at = state.at[0]  # all channels write the same row
        for i in range(frames):
            for c in range(channels):
                late = read(line, at, size, d[i, c], c, CUBIC)
                p = damping[i, c]
                dull = (1.0 - p) * late + p * state.dull[c]
                state.dull[c] = dull
                x = clamp(audio[i, c] + feedback[i, c] * dull, -LIMIT, LIMIT)
                line[at, c] = x
                out[i, c] = x + feedforward[i, c] * late
            at = step(at, size)
        for c in range(channels):
            state.at[c] = at


class DCBlock(Node):
    """Removes what does not move: the offset that feedback and waveshaping leave behind.

    Put it into every feedback loop, and after rectifiers.
    """

    id = "filter/dcblock"
    audio = In(doc="sound to centre")
    cutoff = Param(10.0, 1.0, 100.0, "Hz", curve="exp", doc="corner: -3 dB, 6 dB an octave below")
    out = Out(doc="the same around zero")
    state = {"h": f64}  # at 1 Hz a step is 1e-4 of what is left: in float32 it would stop 70 dB below the offset
    coefs = ("w",)

    def prepare(sr, cutoff):
        return pole(sr, cutoff)

    def kernel(frames, channels, sr, state, audio, w, out):
        for i in range(frames):
            for c in range(channels):
                x, h = audio[i, c], state.h[c]
                n = pole_step(h, 0.5 * x, w[i, c])
                out[i, c] = x - (h + n)
                state.h[c] = n


class Resonators(Node):
    """A struck body: a bank of tuned resonances, each with its own pitch, loudness and ring time.

    Send in clicks, noise or a voice.  Each row of `partials` is one resonance: ratio to `freq`, gain, and ring time as a
    part of `decay`.  The default is a bar of metal; 1 2 3 4 … makes a string, your own list makes your own bell.
    """

    id = "filter/resonators"
    audio = In(doc="what strikes or excites")
    freq = Param(220.0, 20.0, 20000.0, "Hz", curve="exp", doc="pitch of ratio 1")
    decay = Param(1.0, 0.01, 60.0, "s", curve="exp", doc="time to fall by 60 dB where a row says 1")
    level = Choice("noise", ("strike", "noise", "steady"), doc="which input comes out as loud as it went in")
    count = Setting(8, 1, 64, doc="resonances at most: further rows are left out")
    partials = Data(
        (
            (1.0, 1.0, 1.0), (2.756, 0.7, 0.7), (5.404, 0.5, 0.5), (8.933, 0.35, 0.35),
            (13.345, 0.25, 0.25), (18.64, 0.2, 0.18), (24.82, 0.15, 0.12), (31.87, 0.1, 0.08),
        ),
        columns=3, limit=64, low=0.0, high=1000.0, doc="rows of ratio, gain, ring time",
    )  # fmt: skip
    out = Out(doc="all resonances together")
    state = {
        "re": f32["count"], "im": f32["count"], "cos": f32["count"], "sin": f32["count"], "amp": f32["count"],
        "pitch": f32, "ring": f32,
    }  # fmt: skip

    def kernel(frames, channels, sr, state, audio, freq, decay, level, partials, out):
        # A rotation and shrinking of (re, im) a sample: moving frequency cannot add energy.  The coefficients are made
        # anew at the first frame of a call and when a param moved, so they depend on nothing but the params.
        re, im, cos, sin, amp = state.re, state.im, state.cos, state.sin, state.amp
        many = min(re.shape[0], partials.shape[0])
        for c in range(channels):
            state.pitch[c] = -1.0
        for i in range(frames):
            for c in range(channels):
                pitch, ring = freq[i, c], decay[i, c]
                if pitch != state.pitch[c] or ring != state.ring[c]:
                    state.pitch[c], state.ring[c] = pitch, ring
                    for k in range(many):
                        x = pitch * partials[k, 0]
                        t = turn(sr, x)
                        loss = LOG2_1000 / (clamp(ring * partials[k, 2], 0.001, 600.0) * sr)
                        r = exp2(-loss)
                        cos[k, c], sin[k, c] = r * cos_cycles(t), r * sin_cycles(t)
                        lost = clamp(loss * LN2, 0.0, 1.0)  # 1 - r, nearly: exact for what rings
                        scale = 1.0 if level == 0 else 2.0 * np.sqrt(lost) if level == 1 else 2.0 * lost
                        amp[k, c] = scale * partials[k, 1] if x < HIGHEST * sr else 0.0  # above the top: mute, do not fold
            for k in range(many):
                for c in range(channels):
                    a, b = re[k, c], im[k, c]
                    re[k, c] = (cos[k, c] * a - sin[k, c] * b) + audio[i, c]
                    im[k, c] = sin[k, c] * a + cos[k, c] * b
            for c in range(channels):
                out[i, c] = 0.0
            for k in range(many):
                for c in range(channels):
                    out[i, c] += amp[k, c] * im[k, c]
