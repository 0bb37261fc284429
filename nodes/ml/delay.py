"""By how much a method lags, found by listening to what a burst of noise changes in what comes out.

The method is called twice from the same state and with the same random numbers, with silence and with a burst; the
difference is the answer to the burst, even where the method makes sound of its own.  Where the waveform of the burst is found
in the answer, its place is the lag, to the sample.  Else the lag is the time between the middles of their energies, which
for a model with frames is right to about a frame.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .contract import Method

LENGTH = 65536
"""Samples that are listened to: a large RAVE answers 0.6 s late."""
BURST = 256
"""Fewest samples of the burst."""
ALIKE = 0.5
"""Least normalised correlation at which the waveform counts as found."""
STILL = 0.05
"""Most of the energy that may lie in the last eighth; a method that goes on for ever has no lag to measure."""


def burst(method: Method, unit: int, calls: int) -> tuple[np.ndarray, int, int]:
    """Input [1, inputs, frames] with noise in samples [start, end) and zeros around; `calls` samples are fed at a time."""
    length = max(unit, -(-BURST // unit) * unit)
    n = -(-max(LENGTH, 8 * length) // calls) * calls
    x = np.zeros((1, method.inputs, n // method.in_ratio), np.float32)
    start, end = length, 2 * length
    a, b = start // method.in_ratio, end // method.in_ratio
    noise = np.random.default_rng(1).standard_normal((method.inputs, b - a))
    x[0, :, a:b] = noise * (0.3 if method.in_ratio == 1 else 1.0)
    return x, start, end


def lag(x: np.ndarray, in_ratio: int, quiet: np.ndarray, loud: np.ndarray, out_ratio: int) -> float | None:
    """Samples by which `loud` − `quiet` [1, channels, frames] follows `x`; None where that cannot be said."""
    answer = loud[0].astype(np.float64) - quiet[0]
    energy = np.square(answer).sum(0)
    total = energy.sum()
    if not np.isfinite(total) or total <= 1e-20 or energy[-max(1, len(energy) // 8) :].sum() > STILL * total:
        return None
    sent = x[0].astype(np.float64)
    if in_ratio == out_ratio:
        found = _place(sent, answer)
        if found is not None:
            return float(found * in_ratio)
    between = _middle(energy, out_ratio) - _middle(np.square(sent).sum(0), in_ratio)
    return float(max(0.0, round(between)))


def measure(respond: Callable[[np.ndarray], np.ndarray], method: Method, unit: int) -> float | None:
    """The lag of one method in samples at the model's rate; `respond` calls it from a fresh state."""
    x, _, _ = burst(method, unit, max(unit, method.chunk))
    return lag(x, method.in_ratio, respond(np.zeros_like(x)), respond(x), method.out_ratio)


def _place(sent: np.ndarray, answer: np.ndarray) -> int | None:
    """The frame at which one channel of `sent` is found again in one of `answer`, the clearest of all pairs."""
    n = sent.shape[1]
    size = 1 << (2 * n - 1).bit_length()
    best, at = ALIKE, None
    spectra = np.fft.rfft(answer[:8], size)
    for channel in sent[:8]:
        norm = np.sqrt(np.square(channel).sum() * np.square(answer[:8]).sum(1))
        if not norm.any():
            continue
        cross = np.abs(np.fft.irfft(spectra * np.conj(np.fft.rfft(channel, size)), size)[:, :n])
        peaks = cross.max(1) / np.where(norm > 0, norm, np.inf)
        k = int(peaks.argmax())
        if peaks[k] > best:
            best, at = float(peaks[k]), int(cross[k].argmax())
    return at


def _middle(energy: np.ndarray, ratio: int) -> float:
    """The time in samples before which half of the energy comes; a frame's energy is spread evenly over its samples."""
    run = np.cumsum(energy)
    half = 0.5 * run[-1]
    k = int(np.searchsorted(run, half))
    before = run[k - 1] if k else 0.0
    return float((k + (half - before) / max(energy[k], 1e-300)) * ratio)
