"""Tempo from what people tap and from MIDI clocks."""

from __future__ import annotations

import itertools
import statistics
from collections import deque

import numpy as np

SLOWEST = 2.0
"""Seconds between two taps after which the counting begins anew."""
TICKS = 24
"""MIDI clock ticks a beat."""
LONG = 4 * TICKS + 1
CHANGE = 0.01
"""Part of a beat by which its length may differ from the steady one before the tempo has changed."""
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
    """The tempo of a MIDI clock whose ticks arrive unevenly.

    A line through the last four beats says it well; where it changes, the median of the last beats says it soon.
    """

    def __init__(self) -> None:
        self.times: deque[float] = deque(maxlen=LONG)
        self.bpm = 0.0  # to a tenth, 0 while it is unknown

    def tick(self, now: float) -> float | None:
        """Beats a minute where this tick (at `now`, in seconds) shows another tempo, else None."""
        if self.times and not 0.0 <= now - self.times[-1] <= LOST:
            self.times.clear()
        self.times.append(now)
        times = np.array(self.times)
        if len(times) > TICKS:
            last = times[-2 * TICKS :]
            beat = float(np.median(last[TICKS:] - last[:-TICKS]))
            steady = TICKS * float(np.polyfit(np.arange(len(times)), times - times[0], 1)[0])
            beat = steady if abs(steady - beat) < CHANGE * beat else beat
        elif len(times) == 1 + TICKS // 2 and not self.bpm:  # a first guess after half a beat
            beat = 2.0 * float(times[-1] - times[0])
        else:
            return None
        bpm = 60.0 / max(beat, 0.06)
        if abs(bpm - self.bpm) <= max(SAME, SAME / 120.0 * bpm):
            return None
        self.bpm = round(bpm, 1)
        return self.bpm
