"""Sources of sound: oscillators, noise, impulses, a sample player, a constant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .base import Choice, Data, In, Node, Out, Param, Setting, f32, f64, i32
from .dsp.maths import CYCLE, bits_of, clamp, exp2, float_of, noise, stream
from .dsp.oscillators import PULSE, SAW, SINE, TRIANGLE, increment, oscillate

ZERO, ONE = np.float64(0.0), np.float64(1.0)
EARLY = np.float64(1e-8)  # cycles by which a click may come early, so that rounding never makes it a sample late


class Oscillator(Node):
    """Ports that all oscillators share."""

    pitch = In(doc="raises the frequency, volts: 1 is an octave")
    sync = In(doc="rising through 0 restarts the cycle (hard sync)")
    freq = Param(110.0, 1.0, 20000.0, "Hz", curve="exp", doc="frequency at pitch 0")
    phase = Param(0.0, -4.0, 4.0, "cycles", doc="shifts the wave; at audio rate: phase modulation")
    state = {"angle": i32, "last": f32, "tail": i32, "ring": f32[8]}
    coefs = ("inc",)
    tags = ("source",)

    def prepare(sr: Any, freq: Any, pitch: Any) -> Any:
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


class Phasor(Node):
    """A bare ramp from 0 to 1, `freq` times a second, without anti-aliasing: for driving other nodes, not for ears.

    Patch into `maths` nodes to shape a wave by hand, or into a table's position.
    """

    id = "source/phasor"
    pitch = In(doc="raises the frequency, volts: 1 is an octave")
    reset = In(doc="rising through 0 restarts at 0")
    freq = Param(110.0, 1.0, 20000.0, "Hz", curve="exp", doc="frequency at pitch 0")
    out = Out(doc="0 … 1, rising")
    state = {"angle": i32, "last": f32}
    coefs = ("ratio",)  # of pitch alone: FM by cables into `freq` costs no exponential
    tags = ("source",)

    def prepare(sr, pitch):
        return exp2(pitch) / sr

    def kernel(frames, channels, sr, state, reset, freq, ratio, out):
        if channels == 1:
            edge = np.int32(state.last[0] <= 0.0) & np.int32(reset[0, 0] > 0.0)
            for i in range(1, frames):
                edge |= np.int32(reset[i - 1, 0] <= 0.0) & np.int32(reset[i, 0] > 0.0)
            if edge == 0:  # three short loops: only the sum of the steps is not fit for vector registers
                for i in range(frames):
                    out[i, 0] = float_of(np.int32(clamp(freq[i, 0] * ratio[i, 0], 1e-9, 0.45) * CYCLE))
                s = state.angle[0]
                for i in range(frames):
                    step = bits_of(out[i, 0])
                    out[i, 0] = float_of(s)
                    s = np.int32(s + step)
                for i in range(frames):
                    out[i, 0] = ramp(bits_of(out[i, 0]))
                state.angle[0] = s
                state.last[0] = reset[frames - 1, 0]
                return
        for i in range(frames):
            for c in range(channels):
                now = reset[i, c]
                keep = np.int32(np.int32(np.int32(state.last[c] <= 0.0) & np.int32(now > 0.0)) - 1)  # 0 at an edge
                s = np.int32(state.angle[c] & keep)
                state.last[c] = now
                out[i, c] = ramp(s)
                state.angle[c] = np.int32(s + np.int32(clamp(freq[i, c] * ratio[i, c], 1e-9, 0.45) * CYCLE))


def ramp(s: Any) -> Any:
    """Integer phase as 0 … 1 (24 bits, so never 1)."""
    return np.float32(np.int32(np.int32(s >> 8) & 0xFFFFFF)) * 5.960464477539063e-08


class Noise(Node):
    """White, pink or brown noise.

    White is bright, pink falls 3 dB an octave and suits wind and drums, brown falls 6 and rumbles.  Each channel has
    its own noise; the node's seed makes the same one every time.
    """

    id = "source/noise"
    colour = Choice("white", ("white", "pink", "brown"), doc="spectrum: flat, -3 or -6 dB an octave")
    level = Param(1.0, 0.0, 1.0, doc="loudness; white reaches ±1, pink and brown have 0.25 RMS")
    out = Out(doc="-1 … 1, pink and brown rarely beyond")
    state = {"count": i32, "z": f32[6]}
    tags = ("source",)

    def kernel(frames, channels, sr, state, seed, colour, level, out):
        for c in range(channels):
            own = stream(seed, c)
            n = state.count[c]
            for i in range(frames):
                out[i, c] = noise(own, np.int32(n + np.int32(i)))
            state.count[c] = np.int32(n + np.int32(frames))
        if colour == 1:
            # five one-poles and two taps, fitted to 1/sqrt(f): ±0.1 dB from 0.0003 to 0.45 of the rate
            for c in range(channels):
                last, z0, z1, z2, z3, z4 = (
                    state.z[5, c], state.z[0, c], state.z[1, c], state.z[2, c], state.z[3, c], state.z[4, c]
                )  # fmt: skip
                for i in range(frames):
                    x = out[i, c]
                    z0 = 0.6210402981646149 * z0 + 0.07269471691429966 * x
                    z1 = 0.8883092559713456 * z1 + 0.036810385716119984 * x
                    z2 = 0.9701638231309057 * z2 + 0.019030773162152372 * x
                    z3 = 0.9923902998433388 * z3 + 0.010251762602925419 * x
                    z4 = 0.9985291804801553 * z4 + 0.008679080631683081 * x
                    out[i, c] = 0.0862556225325 * x + 0.0213711 * last + ((z0 + z1) + (z2 + z3) + z4)
                    last = x
                state.z[5, c] = last
                state.z[0, c], state.z[1, c], state.z[2, c], state.z[3, c], state.z[4, c] = z0, z1, z2, z3, z4
        elif colour == 2:
            for c in range(channels):
                z = state.z[0, c]
                for i in range(frames):  # one-pole at 0.0004 of the rate, scaled to 0.25 RMS
                    z = 0.9975 * z + 0.0306 * out[i, c]
                    out[i, c] = z
                state.z[0, c] = z
        for i in range(frames):
            for c in range(channels):
                out[i, c] *= level[i, c]


class Impulse(Node):
    """Single-sample clicks, `freq` times a second, the first one at once.

    Patch into resonators or a ladder near self-oscillation to ping it; slow, it is a trigger.
    """

    id = "source/impulse"
    pitch = In(doc="raises the frequency, volts: 1 is an octave")
    reset = In(doc="rising through 0.5 clicks and starts the count anew")
    freq = Param(2.0, 0.01, 20000.0, "Hz", curve="exp", doc="clicks a second at pitch 0")
    out = Out(doc="1 for one sample, else 0")
    state = {"past": f64, "last": f32}
    coefs = ("period",)
    tags = ("source",)

    def prepare(sr, freq, pitch):
        samples = sr / (freq * exp2(pitch))
        return samples if samples > 1.0 else np.float32(1.0)

    def kernel(frames, channels, sr, state, reset, period, out):
        for c in range(channels):
            past = state.past[c]  # cycles since the last click plus 1, so that zero at first is "due"
            last = state.last[c]
            length = np.float32(0.0)
            inc = ZERO
            for i in range(frames):
                if period[i, c] != length:
                    length = period[i, c]
                    inc = ONE / length
                now = reset[i, c]
                click = past < ONE or past >= 2.0 - EARLY or (last < 0.5 and now >= 0.5)
                if click:
                    past = past - ONE if past >= 2.0 - EARLY else ONE
                out[i, c] = 1.0 if click else 0.0
                past += inc
                last = now
            state.past[c] = past
            state.last[c] = last


class Sample(Node):
    """Plays a sound file, forwards or backwards, once or in a loop, at any speed.

    Leave `gate` open for a loop that simply runs, or patch a clock into it: every rising edge starts from `start`.
    Patch a sequencer into `pitch` to play it as an instrument.
    """

    id = "source/sample"
    gate = In(rest=1.0, doc="rising through 0.5 starts; see `mode` for falling")
    pitch = In(doc="raises speed and pitch, volts: 1 is an octave")
    speed = Param(1.0, 0.0, 8.0, doc="1 is the recording's own")
    start = Param(0.0, 0.0, 1.0, smooth=0.0, doc="where it begins, part of the whole")
    end = Param(1.0, 0.0, 1.0, smooth=0.0, doc="where it ends or turns back to `start`, part of the whole")
    reverse = Choice("off", ("off", "on"), doc="play from `end` back to `start`")
    loop = Choice("on", ("off", "on"), doc="go round, or play once")
    mode = Choice("hold", ("hold", "trigger"), doc="hold: falling gate stops (5 ms fade); trigger: plays on")
    file = Setting("", kind="file", doc="WAV, FLAC, OGG or AIFF, in the patch's folder")
    sound = Data(((0.0,),), columns=1, limit=1 << 28, doc="the recording at the engine rate, [frames, channels]")
    out = Out(doc="all channels of the file, averaged")
    left = Out(doc="first channel of the file")
    right = Out(doc="second channel, or the only one")
    playing = Out(doc="gate: 1 while it sounds")
    state = {"place": f64, "last": f32, "fade": f32, "on": i32}
    coefs = ("rate",)
    tags = ("source",)

    def load(settings: dict[str, Any], sr: int, folder: Path | None) -> dict[str, np.ndarray]:  # type: ignore[misc]
        """The file at the engine rate.  Raises OSError or ValueError where it cannot be read."""
        name = str(settings["file"])
        if not name:
            return {"sound": np.zeros((1, 1), np.float32)}
        import soundfile

        path = Path(name) if folder is None else folder / name
        try:
            sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise ValueError(f"{name}: cannot be read as sound ({error.error_string})") from None
        if rate != sr:
            import soxr

            sound = soxr.resample(sound, rate, sr)
        return {"sound": sound if len(sound) else np.zeros((1, 1), np.float32)}

    def prepare(sr, speed, pitch):
        rate = speed * exp2(pitch)
        return rate if rate < 64.0 else np.float32(64.0)

    def kernel(frames, channels, sr, state, gate, start, end, reverse, loop, mode, sound, rate, out, left, right, playing):
        rows, columns = sound.shape
        whole = np.float64(rows)
        share = np.float32(1.0) / np.float32(columns)
        second = 1 if columns > 1 else 0
        step = np.float32(1.0) / (sr * 0.005)
        for c in range(channels):
            place, last, fade, on = state.place[c], state.last[c], state.fade[c], state.on[c]
            begin, stop = np.float32(-1.0), np.float32(-1.0)
            first, final, low, high = 0, rows - 1, ZERO, whole
            for i in range(frames):
                if start[i, c] != begin or end[i, c] != stop:
                    begin, stop = start[i, c], end[i, c]
                    first = np.int64(min(begin, stop) * whole)
                    final = np.int64(max(begin, stop) * whole) - 1
                    first = min(max(first, 0), rows - 1)
                    final = min(max(final, first), rows - 1)
                    low, high = np.float64(first), np.float64(final + 1)
                now = gate[i, c]
                if last < 0.5 and now >= 0.5:
                    on, fade = np.int32(1), np.float32(1.0)
                    place = high - 1.0 if reverse == 1 else low
                last = now
                if on != 0 and mode == 0 and now < 0.5:
                    fade -= step
                    if fade <= 0.0:
                        on = np.int32(0)
                if on != 0 and (place < low or place >= high):
                    if loop == 1:
                        place -= (high - low) * np.floor((place - low) / (high - low))
                        place = place if place < high else low
                    else:
                        on = np.int32(0)
                if on == 0:
                    out[i, c], left[i, c], right[i, c], playing[i, c] = 0.0, 0.0, 0.0, 0.0
                    continue
                p1 = np.int64(place)
                x = np.float32(place - np.float64(p1))
                p0, p2, p3 = p1 - 1, p1 + 1, p1 + 2
                if p0 < first or p3 > final:
                    p0 = beside(p0, first, final, loop)
                    p2 = beside(p2, first, final, loop)
                    p3 = beside(p3, first, final, loop)
                w0 = x * (-0.5 + x * (1.0 - 0.5 * x))  # cubic Hermite with central differences (Catmull-Rom)
                w1 = 1.0 + x * x * (1.5 * x - 2.5)
                w2 = x * (0.5 + x * (2.0 - 1.5 * x))
                w3 = x * x * (0.5 * x - 0.5)
                total = np.float32(0.0)
                for k in range(columns):
                    y = w0 * sound[p0, k] + w1 * sound[p1, k] + (w2 * sound[p2, k] + w3 * sound[p3, k])
                    total += y
                    if k == 0:
                        left[i, c] = y * fade
                    if k == second:
                        right[i, c] = y * fade
                out[i, c] = total * share * fade
                playing[i, c] = 1.0
                place += -rate[i, c] if reverse == 1 else rate[i, c]
            state.place[c], state.last[c], state.fade[c], state.on[c] = place, last, fade, on


def beside(at: Any, first: Any, final: Any, loop: Any) -> Any:
    """Row `at` kept in first … final: round the loop, or held at the ends."""
    size = final - first + 1
    if at < first:
        at = at + size if loop == 1 else first
    elif at > final:
        at = at - size if loop == 1 else final
    return min(max(at, first), final)


class Constant(Node):
    """A value that stays where you put it.

    Patch into several inlets to turn them with one knob.
    """

    id = "source/constant"
    value = Param(1.0, -100000.0, 100000.0, cable="units", doc="what comes out")
    out = Out(doc="`value`")
    tags = ("source", "modulator")

    def kernel(frames, channels, sr, state, value, out):
        for i in range(frames):
            for c in range(channels):
                out[i, c] = value[i, c]
