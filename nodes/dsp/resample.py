"""From one rate to another by a polyphase low-pass, at positions that are exact numbers: nothing drifts."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

TAPS = 128
STOP = 100.0
"""Stop band in dB."""


@cache
def table(up: int, step: int) -> np.ndarray:
    """A polyphase low-pass for `step / up` source frames a frame, float32 [up, taps]; each phase passes a constant as it is.

    Kaiser-windowed sinc.  What lies above half of the lower rate is down by STOP dB; the pass band ends at about 90% of it.
    """
    taps = 8 * math.ceil(TAPS * max(step / up, 1.0) / 8)
    edge = 0.5 * min(up / step, 1.0)  # half of the lower rate, in cycles a source frame
    slope = (STOP - 7.95) / (14.36 * (taps - 1))  # width of the transition
    cut = edge - slope / 2
    phase = np.arange(up)[:, None] / up
    x = np.arange(taps)[None, :] - (taps // 2 - 1) - phase
    inside = np.clip(1.0 - (2.0 * x / taps) ** 2, 0.0, None)
    h = np.sinc(2.0 * cut * x) * np.i0(0.1102 * (STOP - 8.7) * np.sqrt(inside))
    return np.ascontiguousarray(h / h.sum(1, keepdims=True), np.float32)


class Resampler:
    """`channels` of sound from `source` to `sink` Hz, a run at a time, late by `lag` whole frames.

    The lag is counted at the source's rate, or with `at_sink` at the sink's: the side that keeps time.
    """

    def __init__(self, source: int, sink: int, channels: int, at_sink: bool = False) -> None:
        common = math.gcd(source, sink)
        self.up, self.step = sink // common, source // common
        self.table = table(self.up, self.step)
        self.taps = self.table.shape[1]
        self.lag = lag(source, sink, at_sink)
        self.back = self.lag * (self.step if at_sink else self.up)  # in parts of a source frame, `up` of them
        self.held = np.zeros((0, channels), np.float32)
        self.first = 0  # source frame that `held` begins with

    def run(self, start: int, x: np.ndarray, first: int, count: int) -> np.ndarray:
        """Sink frames from `first` on, float32 [count, channels], once the source frames from `start` on are `x`.

        What came before is remembered; after a gap it is as if the first frame had lasted, so that nothing clicks.
        """
        if start != self.first + len(self.held):
            self.held, self.first = np.repeat(x[:1].astype(np.float32), 2 * self.taps, 0), start - 2 * self.taps
        self.held = np.concatenate([self.held, x.astype(np.float32)])
        at, phase = np.divmod(np.arange(first, first + count) * self.step - self.back, self.up)
        index = at[:, None] - (self.taps // 2 - 1) + np.arange(self.taps) - self.first
        inside = (index >= 0) & (index < len(self.held))
        windows = np.where(inside[:, :, None], self.held[np.clip(index, 0, len(self.held) - 1)], np.float32(0.0))
        made = np.einsum("nt,ntc->nc", self.table[phase], windows)
        keep = max(((first + count) * self.step - self.back) // self.up - self.taps // 2 + 1 - self.first, 0)
        self.held, self.first = self.held[keep:], self.first + keep
        return made


def lag(source: int, sink: int, at_sink: bool = False) -> int:
    """Source frames (or sink frames) by which a `Resampler` between these rates is late; 0 where they are equal."""
    if source == sink:
        return 0
    common = math.gcd(source, sink)
    up, step = sink // common, source // common
    half = 8 * math.ceil(TAPS * max(step / up, 1.0) / 8) // 2
    return math.ceil(half * up / step) if at_sink else half
