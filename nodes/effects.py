"""Effects: space, echo, width, loudness, dirt."""

from __future__ import annotations

import numpy as np

from .base import Choice, In, Node, Out, Param, Setting, f32, f64, i64
from .dsp.filters import pole
from .dsp.lines import CUBIC, LIMIT, SHORT, length, read, step
from .dsp.maths import clamp, cos_cycles, db, exp2, nearest, sin_cycles, to_db
from .dsp.space import DIFFUSER, LINE, LINES, PRE, decays, diffuse, mingle, taps

MIX = Param(0.5, 0.0, 1.0, doc="0 is only the dry sound, 1 only the effect")


class Delay(Node):
    """Repeats what it heard, up to ten seconds later.

    With `feedback` the repeats repeat.  Move `time` and the pitch bends like tape; `interpolation` none jumps instead.  At
    `mix` 1 it is a plain delay line, exact to the sample where `time` is a whole number of samples.
    """

    id = "effect/delay"
    audio = In(doc="sound to repeat")
    time = Param(0.3, 0.0001, 10.0, "s", curve="exp", doc="how long ago; from two samples up to `longest`")
    feedback = Param(0.3, -0.999, 0.999, doc="how much of a repeat is repeated")
    mix = MIX
    interpolation = Choice("cubic", ("none", "linear", "cubic"), doc="between samples: hard, dull when moving, or clear")
    longest = Setting(2.0, 0.01, 10.0, "s", kind="float", doc="how much sound is kept")
    out = Out(doc="dry sound and repeats")
    state = {"line": f32["longest"], "at": i64}
    coefs = ("d",)

    def prepare(sr, time):
        return length(sr, time)

    def kernel(frames, channels, sr, state, audio, feedback, mix, interpolation, longest, d, out):
        line = state.line
        size = line.shape[0]
        at = state.at[0]  # all channels write the same row
        for i in range(frames):
            for c in range(channels):
                x, m = audio[i, c], mix[i, c]
                late = read(line, at, size, d[i, c], c, interpolation)
                line[at, c] = clamp(x + feedback[i, c] * late, -LIMIT, LIMIT)
                out[i, c] = (1.0 - m) * x + m * late
            at = step(at, size)
        for c in range(channels):
            state.at[c] = at


class Chorus(Node):
    """Thickens a sound with copies of itself that drift in pitch: chorus, and flanger.

    Chorus: a delay of 10 to 30 ms, some depth, no feedback.  Flanger: one voice, 1 to 5 ms, feedback high, rate low.  For
    a wide stereo set `phase` differently left and right.
    """

    id = "effect/chorus"
    audio = In(doc="sound to thicken")
    rate = Param(0.6, 0.01, 20.0, "Hz", curve="exp", doc="sweeps a second")
    depth = Param(0.003, 0.0, 0.02, "s", doc="how far the delay sweeps to either side")
    delay = Param(0.015, 0.0005, 0.05, "s", curve="exp", doc="delay in the middle of the sweep")
    feedback = Param(0.0, -0.97, 0.97, doc="how much goes round again; whistles like a jet")
    phase = Param(0.0, 0.0, 1.0, "cycles", doc="where in its sweep this side is")
    mix = MIX
    voices = Setting(3, 1, 8, doc="copies, evenly apart in the sweep")
    out = Out(doc="dry sound and copies")
    state = {"line": f32[SHORT], "at": i64, "turn": f64}

    def kernel(frames, channels, sr, state, audio, rate, depth, delay, feedback, phase, mix, voices, out):
        line = state.line
        size = min(int(0.0705 * sr) + 6, SHORT)  # delay and depth together
        apart = 1.0 / np.float32(voices)
        level = np.sqrt(apart)  # copies are hardly alike, so their powers add
        at = state.at[0]  # all channels write the same row
        for i in range(frames):
            for c in range(channels):
                x, m = audio[i, c], mix[i, c]
                base = np.float32(state.turn[c]) + phase[i, c]
                late = 0.0
                for k in range(voices):
                    swing = sin_cycles(base + np.float32(k) * apart)
                    late += read(line, at, size, (delay[i, c] + depth[i, c] * swing) * sr, c, CUBIC)
                line[at, c] = clamp(x + feedback[i, c] * (late * apart), -LIMIT, LIMIT)
                out[i, c] = (1.0 - m) * x + m * (late * level)
                turn = state.turn[c] + rate[i, c] / sr
                state.turn[c] = turn - 1.0 if turn >= 1.0 else turn
            at = step(at, size)
        for c in range(channels):
            state.at[c] = at


class Reverb(Node):
    """A room, from a cupboard to a cathedral: eight echoing lines that feed each other.

    `decay` is the time to fall by 60 dB, at low frequencies whatever `damping` takes from the high ones.  Any number of
    channels goes in, odd ones left, even ones right (one alone goes to both); two come out.
    """

    id = "effect/reverb"
    audio = In(channels="any", doc="sound in the room")
    decay = Param(2.0, 0.1, 60.0, "s", curve="exp", doc="time to fall by 60 dB")
    size = Param(0.6, 0.1, 1.0, smooth=0.3, doc="distance of the walls; moving it bends pitch")
    damping = Param(6000.0, 500.0, 20000.0, "Hz", curve="exp", doc="the walls swallow what lies above")
    predelay = Param(0.01, 0.0, 0.25, "s", smooth=0.1, doc="silence before the room answers")
    motion = Param(0.3, 0.0, 1.0, doc="how much the walls sway; takes the metal out of long decays")
    mix = Param(0.35, 0.0, 1.0, doc="0 is only the dry sound, 1 only the room")
    out = Out(channels=2, doc="left and right")
    state = {
        "line": f32[LINES * LINE], "pre": f32[2 * PRE], "diffuser": f32[4 * DIFFUSER], "dull": f32[LINES], "wet": f32[LINES],
        "gain": f32[LINES], "known": f32[2], "at": i64[6], "sway": f64,
    }  # fmt: skip
    coefs = ("w",)

    def prepare(sr, damping):
        return 0.5 * pole(sr, damping)

    def kernel(frames, channels, sr, state, audio, decay, size, predelay, motion, mix, w, out):
        # The node has as many channels as its params bring; the room is the first one's.
        wet, width = state.wet, audio.shape[1]
        sway = state.sway[0]
        for i in range(frames):
            left, right = 0.0, 0.0
            for c in range(0, width, 2):
                left += audio[i, c]
            for c in range(1, width, 2):
                right += audio[i, c]
            if width == 1:
                right = left
            if decay[i, 0] != state.known[0, 0] or size[i, 0] != state.known[1, 0]:  # so never a function of the past
                state.known[0, 0], state.known[1, 0] = decay[i, 0], size[i, 0]
                decays(state.gain, size[i, 0], decay[i, 0])
            a, b = diffuse(state.pre, state.diffuser, state.at, left, right, length(sr, predelay[i, 0]), sr)
            taps(state.line, state.at[5, 0], wet, size[i, 0], motion[i, 0], np.float32(sway), sr)
            for k in range(LINES):
                dull = wet[k, 0] * w[i, 0] + state.dull[k, 0] * (1.0 - w[i, 0])
                state.dull[k, 0] = dull
                wet[k, 0] = dull * state.gain[k, 0]
            m, dry = mix[i, 0], 1.0 - mix[i, 0]
            out[i, 0] = dry * left + m * 0.5 * ((wet[0, 0] - wet[2, 0]) + (wet[4, 0] - wet[6, 0]))
            out[i, 1] = dry * right + m * 0.5 * ((wet[1, 0] - wet[3, 0]) + (wet[5, 0] - wet[7, 0]))
            state.at[5, 0] = mingle(state.line, state.at[5, 0], wet, a, b, sr)
            sway += 0.37 / sr
            if sway >= 1.0:
                sway -= 1.0
        state.sway[0] = sway


def approach(sr, seconds):
    """Part of the way to go in one sample to come within 1/e in `seconds`: 1 - e^(-1 / (seconds · sr)), bilinear."""
    x = 0.5 / (seconds * sr)
    return min(2.0 * x / (1.0 + x), 1.0)


class Compressor(Node):
    """Makes loud parts quieter, so that all of it can be louder.

    Drums: short attack, release near the beat.  Feed a kick into `sidechain` and set `listen` to it: the pad breathes.
    Each channel is its own; for a linked stereo send the mix of both into `sidechain`.
    """

    id = "effect/compressor"
    audio = In(doc="sound to hold down")
    sidechain = In(doc="sound that decides, when `listen` says so")
    threshold = Param(-18.0, -80.0, 0.0, "dB", doc="level above which it acts")
    ratio = Param(4.0, 1.0, 100.0, curve="exp", doc="so many dB more in give one dB more out")
    attack = Param(0.005, 0.0001, 1.0, "s", curve="exp", doc="time to act")
    release = Param(0.1, 0.005, 5.0, "s", curve="exp", doc="time to let go")
    knee = Param(6.0, 0.0, 24.0, "dB", doc="how softly it begins around the threshold")
    makeup = Param(0.0, -24.0, 36.0, "dB", doc="gain after it")
    listen = Choice("audio", ("audio", "sidechain"), doc="which sound decides")
    out = Out(doc="the sound, held down")
    gain = Out(doc="what it multiplies by, makeup not included: 1 is nothing; patch it into another VCA")
    state = {"drop": f64}  # dB; with 5 s of release a step is 4e-6 of the way: in float32 it would stop 0.2 dB short
    coefs = ("up", "down", "slope", "level")

    def prepare(sr, attack, release, ratio, makeup):
        return approach(sr, attack), approach(sr, release), 1.0 / ratio - 1.0, db(makeup)

    def kernel(
        frames, channels, sr, state, audio, sidechain, threshold, knee, listen, up, down, slope, level, out, gain
    ):  # fmt: skip
        # Gain computer and branching smoother in dB: Giannoulis, Massberg, Reiss, "Digital dynamic range compressor
        # design", JAES 60 (6), 2012.
        for i in range(frames):
            for c in range(channels):
                heard = abs(audio[i, c] if listen == 0 else sidechain[i, c])
                over, half = to_db(heard) - threshold[i, c], 0.5 * knee[i, c]
                into = clamp(over + half, 0.0, knee[i, c])
                bent = into * into / (2.0 * knee[i, c] + 1e-6)
                want = slope[i, c] * (over if over > half else bent)
                drop = state.drop[c]
                drop += (want - drop) * (up[i, c] if want < drop else down[i, c])
                state.drop[c] = drop
                g = db(np.float32(drop))
                gain[i, c] = g
                out[i, c] = audio[i, c] * (g * level[i, c])


class Limiter(Node):
    """Nothing above the ceiling leaves it; what stays below passes bit for bit.

    Put it last, or into a feedback loop that must not explode.  It acts at once and lets go in `release`.
    """

    id = "effect/limiter"
    audio = In(doc="sound to keep in bounds")
    ceiling = Param(0.0, -48.0, 0.0, "dB", doc="loudest sample; 0 is ±1")
    release = Param(0.1, 0.001, 5.0, "s", curve="exp", doc="time in which the gain recovers by 8.7 dB")
    out = Out(doc="the sound, in bounds")
    state = {"peak": f32}
    coefs = ("top", "keep")

    def prepare(sr, ceiling, release):
        return db(ceiling), 1.0 - approach(sr, release)

    def kernel(frames, channels, sr, state, audio, top, keep, out):
        # The peak decays, not the gain: so the gain comes back to exactly 1, and soon.
        for i in range(frames):
            for c in range(channels):
                x, t = audio[i, c], top[i, c]
                peak = max(clamp(abs(x), 0.0, LIMIT), state.peak[c] * keep[i, c])  # so even infinity is forgotten
                state.peak[c] = peak
                y = x * (t / peak) if peak > t else x
                out[i, c] = clamp(y, -t, t)  # against rounding in the division, and for what exceeds LIMIT


class Pan(Node):
    """Places a sound between left and right at equal power.

    A slow LFO on `position` walks it about.  A polyphonic sound is mixed, each channel at its own place: `spread` fans the
    channels out around `position`, first to the left, last to the right.
    """

    id = "effect/pan"
    audio = In(doc="sound to place")
    position = Param(0.0, -1.0, 1.0, doc="-1 left, 0 middle (each side -3 dB), 1 right")
    spread = Param(0.0, -1.0, 1.0, doc="how far apart the channels of a polyphonic sound lie")
    out = Out(channels=2, doc="left and right")

    def kernel(frames, channels, sr, state, audio, position, spread, out):
        last = np.float32(channels - 1)
        apart = 2.0 / last if channels > 1 else 0.0
        for i in range(frames):
            left, right = 0.0, 0.0
            for c in range(channels):
                place = np.float32(c) * apart - (1.0 if channels > 1 else 0.0)
                turn = (clamp(position[i, c] + spread[i, c] * place, -1.0, 1.0) + 1.0) * 0.125
                left += audio[i, c] * cos_cycles(turn)
                right += audio[i, c] * sin_cycles(turn)
            out[i, 0] = left
            out[i, 1] = right


class VCA(Node):
    """A volume knob that a cable can turn: sound times control voltage times gain.

    Patch an envelope into `cv` for a note, an LFO for tremolo, another oscillator for ring modulation.
    """

    id = "effect/vca"
    audio = In(doc="sound")
    cv = In(rest=1.0, doc="what it is multiplied by; 1 when nothing is patched")
    gain = Param(1.0, 0.0, 4.0, doc="1 leaves it as it is")
    out = Out(doc="the product")

    def kernel(frames, channels, sr, state, audio, cv, gain, out):
        for i in range(frames):
            for c in range(channels):
                out[i, c] = audio[i, c] * (cv[i, c] * gain[i, c])


class Crush(Node):
    """Dirt from early digital machines: fewer bits, fewer samples a second.

    Few `bits` add grit that is worst when it is quiet; a low `rate` folds bright sounds into clanging ones.  Both move well.
    """

    id = "effect/crush"
    audio = In(doc="sound to crush")
    bits = Param(8.0, 1.0, 24.0, "bits", doc="resolution of ±1; broken numbers too")
    rate = Param(12000.0, 50.0, 192000.0, "Hz", curve="exp", doc="samples a second; the engine's rate or more leaves all")
    out = Out(doc="crushed sound")
    state = {"left": f32, "held": f32}  # left: part of a crushed sample still to hold
    coefs = ("levels",)

    def prepare(sr, bits):
        return exp2(bits - 1.0)

    def kernel(frames, channels, sr, state, audio, rate, levels, out):
        for i in range(frames):
            for c in range(channels):
                left, held = state.left[c], state.held[c]
                fresh = left <= 0.0
                held = nearest(audio[i, c] * levels[i, c]) / levels[i, c] if fresh else held
                left = (left + 1.0 if fresh else left) - min(rate[i, c] / sr, 1.0)
                state.left[c], state.held[c] = left, held
                out[i, c] = held
