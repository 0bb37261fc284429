"""Tempo from what people tap and from MIDI clocks."""

from __future__ import annotations

import itertools
import statistics
from collections import deque

SLOWEST = 2.0
"""Seconds between two taps after which the counting begins anew."""
TICKS = 24
"""MIDI clock ticks a beat."""
LOST = 0.5
"""Seconds without a tick after which a clock counts as gone."""
SAME = 0.07
"""Beats a minute by which a measured tempo may wander before it is another."""


class Tap:
    """Tap tempo: the median of the last intervals."""

    def __init__(self, memory: int = 8) -> None:
        self.times: deque[float] = deque(maxlen=memory + 1)

    def tap(self, now: float) -> float | None:
        """Beats a minute after a tap at `now` (seconds of any clock that never goes back); None after the first."""
        if self.times and not 0.0 <= now - self.times[-1] <= SLOWEST:
            self.times.clear()
        self.times.append(now)
        times = list(self.times)
        between = [b - a for a, b in itertools.pairwise(times)]
        return 60.0 / max(statistics.median(between), 0.06) if between else None


class Ticks:
    """The tempo of a MIDI clock whose ticks arrive unevenly: the median of the last beats, each from tick to tick 24 on."""

    def __init__(self) -> None:
        self.times: deque[float] = deque(maxlen=2 * TICKS + 1)
        self.bpm = 0.0  # to a tenth, 0 while it is unknown

    def tick(self, now: float) -> float | None:
        """Beats a minute where this tick (at `now`, in seconds) shows another tempo, else None."""
        if self.times and not 0.0 <= now - self.times[-1] <= LOST:
            self.times.clear()
        self.times.append(now)
        times = list(self.times)
        if len(times) > TICKS:
            beat = statistics.median(b - a for a, b in zip(times, times[TICKS:], strict=False))
        elif len(times) == 1 + TICKS // 2 and not self.bpm:  # a first guess after half a beat
            beat = 2.0 * (times[-1] - times[0])
        else:
            return None
        bpm = 60.0 / max(beat, 0.06)
        if abs(bpm - self.bpm) <= SAME:
            return None
        self.bpm = round(bpm, 1)
        return self.bpm
