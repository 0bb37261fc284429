"""Band-limited oscillators: phases, waveforms whose edges are rounded as a low-pass would, and hard sync.

A phase is an int32 that overflows once a cycle: sums are exact, so a run of frames can be computed from its first
phase in vector registers and still give the bits of a sample-by-sample run.

Anti-aliasing.  A waveform is piecewise polynomial; all its alias comes from steps and corners.  Each is replaced by
the step (or its integral, the corner) of a low-pass with 6 samples of impulse response, which changes only samples
within `REACH` = 3 of it (Stilson & Smith 1996, Brandt 2001; polynomial residuals: Välimäki & Huovilainen 2007).
The impulse response is (1-z)²·p(z) with z = (t/3)², p of degree 5, by linear programming: least ripple up to 15 kHz
(±0.6 dB; -2.5 dB at 18 kHz), at least 50 dB down from 33 kHz, where alias below 15 kHz comes from, at 48 kHz.
Phase tells where the next step is, so the correction starts before it and there is no latency.  A sync pulse cannot be
foreseen: its step is rounded by the minimum-phase twin of the same low-pass, which starts at the pulse.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .maths import CYCLE, PER_CYCLE, bits_of, clamp, exp2, float_of, sin_half, turns

SINE, SAW, PULSE, TRIANGLE = 0, 1, 2, 3
REACH = 3.0  # samples on either side of a step that change
NEAR = 1.0 / 6.0  # cycles a sample up to which only the nearest step is within reach
TAIL = 8  # samples that a sync pulse changes
MUTE = 4  # of them, those in which the step that the phase foresees is not the one that happens
FINE = 64  # entries a sample in `SYNC_STEP`


def _sync_step() -> np.ndarray:
    """Minimum-phase step minus the ideal one, `FINE` values a sample over `TAIL` samples and 2 more to interpolate.

    Magnitude of the low-pass above; phase from its real cepstrum (Oppenheim & Schafer, ch. 13).
    """
    z = (np.arange(-3 * FINE, 3 * FINE + 1) / (3 * FINE)) ** 2
    slopes = [c * (2 * k + 1) for k, c in enumerate(STEP)]
    impulse = sum(c * z**k for k, c in enumerate(slopes)) / (3 * FINE)
    n = 1 << 15
    cepstrum = np.fft.ifft(np.log(np.abs(np.fft.fft(impulse, n)) + 1e-6)).real
    cepstrum[1 : n // 2] *= 2
    cepstrum[n // 2 + 1 :] = 0
    minimum = np.fft.ifft(np.exp(np.fft.fft(cepstrum))).real[: TAIL * FINE]
    step = np.concatenate([[0.0], np.cumsum(minimum), [0.0]])
    step = step / step[TAIL * FINE] - 1.0
    step[6 * FINE :] *= np.clip(np.linspace(1.0, -1.0, len(step) - 6 * FINE), 0.0, 1.0)  # what the cepstrum leaves
    return np.ascontiguousarray(step, np.float32)


STEP = (2.7627697366837958, -12.341931878577448, 34.202412024579175, -58.16660623116874, 62.89489702730172,
        -42.4108602323824, 16.253597299316866, -2.694277745752967)  # fmt: skip
SYNC_STEP = _sync_step()


def step_left(u: Any) -> Any:
    """What a rounded step still lacks at distance `u` ≥ 0 (in reaches) behind it: 0.5 at 0, nothing from 1 on."""
    u = u if u < 1.0 else 1.0
    z = u * u
    p = 62.89489702730172 + z * (-42.4108602323824 + z * (16.253597299316866 + z * -2.694277745752967))
    p = 2.7627697366837958 + z * (-12.341931878577448 + z * (34.202412024579175 + z * (-58.16660623116874 + z * p)))
    return 0.5 - u * p


def corner_left(u: Any) -> Any:
    """Integral of `step_left` from `u` to 1: how far a rounded corner lies inside a sharp one."""
    u = u if u < 1.0 else 1.0
    z = u * u
    p = 6.2894897027301715 + z * (-3.5342383526985333 + z * (1.1609712356654904 + z * -0.16839235910956044))
    p = 1.3813848683418979 + z * (-3.085482969644362 + z * (5.700402004096529 + z * (-7.270825778896093 + z * p)))
    return 0.026691649514460014 - u * 0.5 + z * p


def increment(sr: Any, freq: Any, pitch: Any) -> Any:
    """Cycles a sample for `freq` in Hz raised by `pitch` octaves, at most 0.45."""
    return clamp(freq * exp2(pitch) / sr, 1e-9, 0.45)


def saw(s: Any, sharp: Any, far: Any, muted: Any) -> Any:
    """Rising saw at phase `s`, falling by 2 at phase 0.  `sharp` is 1 / reach in cycles, `far` looks at two steps."""
    f = np.float32(s) * PER_CYCLE
    a = abs(f)
    left = step_left(a * sharp)
    if muted:
        left = left if s < 0 else np.float32(0.0)
    if far:
        left = left - step_left((1.0 - a) * sharp)
    k = 1.0 - 2.0 * left
    return 2.0 * f - (k if s >= 0 else -k)


def triangle(s: Any, reach: Any, sharp: Any, far: Any) -> Any:
    """Triangle at phase `s`, -1 at phase 0."""
    a = abs(np.float32(s) * PER_CYCLE)
    left = corner_left(a * sharp) - corner_left((0.5 - a) * sharp)
    if far:
        left = left + (corner_left((1.0 - a) * sharp) - corner_left((0.5 + a) * sharp))
    return 4.0 * a - 1.0 + 8.0 * reach * left


def wave(kind: Any, s: Any, width: Any, reach: Any, sharp: Any, far: Any, muted: Any) -> Any:
    """Waveform `kind` at integer phase `s`."""
    if kind == SINE:
        return sin_half(np.float32(s) * PER_CYCLE)
    if kind == TRIANGLE:
        return triangle(s, reach, sharp, far)
    if kind == SAW:
        return saw(s, sharp, far, muted)
    late = np.int32(np.int32(s - np.int32((width - 0.5) * CYCLE)) ^ -0x80000000)
    return saw(late, sharp, far, False) - saw(s, sharp, far, muted) + (2.0 * width - 1.0)


def span(inc: Any) -> Any:
    """Reach in cycles at `inc` cycles a sample; above 16 kHz shorter, so that two steps are all that it meets."""
    r = inc * REACH
    return r if r < 1.0 else np.float32(1.0)


def general(kind: Any, frames: Any, c: Any, state: Any, inc: Any, phase: Any, width: Any, sync: Any, out: Any) -> None:
    """One channel sample by sample: sync pulses, their tails, and frequencies where two steps are within reach."""
    ring = state.ring
    s = state.angle[c]
    last = state.last[c]
    tail = state.tail[c]
    for i in range(frames):
        dt = inc[i, c]
        reach = span(dt)
        sharp = 1.0 / reach
        far = dt > NEAR
        step = np.int32(dt * CYCLE)
        at = turns(phase[i, c])
        w = width[i, c]
        now = sync[i, c]
        if last <= 0.0 and now > 0.0:
            ago = now / (now - last)  # samples since the signal crossed 0
            fresh = np.int32(ago * dt * CYCLE)
            before = wave(kind, np.int32(s + at - fresh), w, reach, sharp, far, tail > TAIL - MUTE)
            jump = wave(kind, at, w, reach, sharp, far, True) - before
            for k in range(TAIL):
                x = (np.float32(k) + ago) * FINE
                j = np.int32(x)
                j = j if 0 <= j < TAIL * FINE else np.int32(TAIL * FINE)
                ring[k, c] += jump * (SYNC_STEP[j] + (x - np.float32(j)) * (SYNC_STEP[j + 1] - SYNC_STEP[j]))
            s = fresh
            tail = np.int32(TAIL)
        y = wave(kind, np.int32(s + at), w, reach, sharp, far, tail > TAIL - MUTE)
        if tail > 0:
            y += ring[0, c]
            tail = np.int32(tail - 1)
            for k in range(TAIL - 1):
                ring[k, c] = ring[k + 1, c]
            ring[TAIL - 1, c] = 0.0
        out[i, c] = y
        s = np.int32(s + step)
        last = now
    state.angle[c] = s
    state.last[c] = last
    state.tail[c] = tail


def oscillate(kind: Any, frames: Any, channels: Any, state: Any, inc: Any, phase: Any, width: Any, sync: Any, out: Any) -> None:
    """Fills `out` with waveform `kind`: in vector registers where no sync pulse is in sight, else sample by sample.

    All ways compute each sample by the same operations, so the bits do not depend on which is taken.
    """
    limit = np.float32(1.0 if kind == SINE else NEAR)  # a sine has no steps
    busy = np.int32(0)
    for c in range(channels):
        busy |= np.int32(state.tail[c] > 0) | np.int32(state.last[c] <= 0.0) & np.int32(sync[0, c] > 0.0)
    if channels > 1:
        for i in range(frames):
            for c in range(channels):
                busy |= np.int32(inc[i, c] > limit)
        for i in range(1, frames):
            for c in range(channels):
                busy |= np.int32(sync[i - 1, c] <= 0.0) & np.int32(sync[i, c] > 0.0)
        if busy != 0:
            for c in range(channels):
                general(kind, frames, c, state, inc, phase, width, sync, out)
            return
        for c in range(channels):
            state.last[c] = sync[frames - 1, c]
        for i in range(frames):
            for c in range(channels):
                s = state.angle[c]
                reach = span(inc[i, c])
                at = np.int32(s + turns(phase[i, c]))
                out[i, c] = wave(kind, at, width[i, c], reach, 1.0 / reach, False, False)
                state.angle[c] = np.int32(s + np.int32(inc[i, c] * CYCLE))
        return
    moved = np.int32(0)
    first = inc[0, 0]
    bits = bits_of(first)
    still = bits_of(phase[0, 0])
    for i in range(1, frames):
        moved |= np.int32(bits_of(inc[i, 0]) ^ bits) | np.int32(bits_of(phase[i, 0]) ^ still)
        busy |= np.int32(sync[i - 1, 0] <= 0.0) & np.int32(sync[i, 0] > 0.0)
    if moved == 0:
        busy |= np.int32(first > limit)
    else:
        for i in range(frames):
            busy |= np.int32(inc[i, 0] > limit)
    if busy != 0:
        general(kind, frames, 0, state, inc, phase, width, sync, out)
        return
    state.last[0] = sync[frames - 1, 0]
    s = state.angle[0]
    if moved == 0:
        step = np.int32(first * CYCLE)
        reach = span(first)
        sharp = 1.0 / reach
        begin = np.int32(s + turns(phase[0, 0]))
        for i in range(frames):
            out[i, 0] = wave(kind, np.int32(begin + np.int32(i) * step), width[i, 0], reach, sharp, False, False)
        state.angle[0] = np.int32(s + np.int32(frames) * step)
        return
    for i in range(frames):  # the sum of increments is the one part that cannot be a vector; `out` holds its bits
        out[i, 0] = float_of(s)
        s = np.int32(s + np.int32(inc[i, 0] * CYCLE))
    state.angle[0] = s
    for i in range(frames):
        reach = span(inc[i, 0])
        at = np.int32(bits_of(out[i, 0]) + turns(phase[i, 0]))
        out[i, 0] = wave(kind, at, width[i, 0], reach, 1.0 / reach, False, False)
