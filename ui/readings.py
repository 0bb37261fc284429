"""Figures as the transport shows them: tempo by tapping, load, xruns, latency, loudness."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graph.patch import Patch

PAUSE = 2.0
"""Seconds after which a tap begins anew."""


@dataclass
class Taps:
    """Tempo from taps: the mean of the last eight distances."""

    times: list[float] = field(default_factory=list)

    def tap(self, now: float) -> float | None:
        """Beats a minute after this tap; None after the first."""
        if self.times and now - self.times[-1] > PAUSE:
            self.times.clear()
        self.times = [*self.times[-8:], now]
        if len(self.times) < 2 or self.times[-1] <= self.times[0]:
            return None
        return min(max(60.0 * (len(self.times) - 1) / (self.times[-1] - self.times[0]), 1.0), 999.0)


def tempo(patch: Patch) -> float | None:
    """Beats a minute of the patch's first clock; None where it has none."""
    clocks = [name for name, node in patch.nodes.items() if node.type == "mod/clock"]
    return float(patch.value(clocks[0], "bpm")) if clocks else None


def db(level: float) -> float:
    """Level in dB below full scale, at least -90."""
    return max(20.0 * math.log10(level), -90.0) if level > 0 else -90.0


def height(level: float, floor: float = -60.0) -> float:
    """How far a meter goes, 0…1, from `floor` dB to +6 dB."""
    return min(max((db(level) - floor) / (6.0 - floor), 0.0), 1.0)


def latency(state: Mapping[str, Any]) -> float:
    """Seconds from input to output: the device's own and the block in between; 0 where nothing is known."""
    found = state.get("latency")
    if not isinstance(found, Mapping):
        return 0.0
    return float(sum(v for v in found.values() if isinstance(v, int | float) and math.isfinite(v)))


def device(state: Mapping[str, Any]) -> str:
    """The device and its rate: "null · 48 kHz"."""
    if not state:
        return "no session"
    name = str(state.get("device") or "no device")
    rate = state.get("device_rate")
    lost = " (lost)" if state.get("lost") else ""
    return f"{name}{lost}" + (f" · {float(rate) / 1000:g} kHz" if rate else "")


def load(state: Mapping[str, Any]) -> float:
    """Part of the time of a block that the engine needs, 0…1 and more."""
    found = state.get("load", 0.0)
    return float(found) if isinstance(found, int | float) else 0.0


def figures(state: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the transport says: (what, value)."""
    out = [("CPU", f"{100 * load(state):.0f} %")]
    xruns = int(state.get("xruns", 0) or 0)
    out.append(("xruns", str(xruns)))
    late = latency(state)
    out.append(("latency", f"{1000 * late:.1f} ms" if late else "–"))
    return out


def clock(seconds: float) -> str:
    """Time of the patch: 1:02.3."""
    minutes, rest = divmod(max(seconds, 0.0), 60.0)
    return f"{int(minutes)}:{rest:04.1f}"
