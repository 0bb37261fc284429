"""When a work node takes and gives: hops, latency and rings as exact numbers.

Hop k of a node covers the samples from ceil(k·hop) to ceil((k + 1)·hop), where `hop` may be a fraction (a model at another
rate); frame k of a latent clock lies at ceil(k·period).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from .layout import W_MAX_SLOTS


@dataclass(frozen=True)
class Timing:
    """The exact times of one work node, in samples of the engine.

    `gather` is the time from the first sample (or frame) of a hop until all of it is there, `latency` from an inlet to a
    signal outlet, `shift` to a latent outlet in frames of its clock.  `period_in` is None where signals are gathered.
    """

    hop: Fraction
    gather: int
    latency: int
    shift: int
    slots: int
    period_in: Fraction | None
    period_out: Fraction | None

    @property
    def slack(self) -> int:
        """Samples of time that the work has."""
        return self.latency - self.gather

    @property
    def frames_in(self) -> int:
        """Latent frames that go into a hop."""
        return int(self.hop / self.period_in) if self.period_in else 0

    @property
    def frames_out(self) -> int:
        """Latent frames that a hop makes."""
        return int(self.hop / self.period_out) if self.period_out else 0

    @property
    def ratio(self) -> tuple[int, int, int]:
        """num, den and offset, so that hop k begins at ceil(k num/den), and (position·den + offset) // num hops can be worked
        on: one of signals when it has ended, one of latents when its last frame has come.
        """
        if self.period_in is None:
            return self.hop.numerator, self.hop.denominator, 0
        num, den = self.period_in.as_integer_ratio()
        return self.frames_in * num, den, num - den

    def start(self, k: int) -> int:
        """The first sample of hop k."""
        return -(-k * self.hop.numerator // self.hop.denominator)

    def ready(self, position: int) -> int:
        """Hops that can be worked on once the input is written up to `position`."""
        num, den, offset = self.ratio
        return (position * den + offset) // num

    def due(self, k: int) -> int:
        """The position from which on hop k can be worked on."""
        num, den, offset = self.ratio
        return -(-((k + 1) * num - offset) // den)

    def at(self, sample: int) -> int:
        """The hop that `sample` lies in."""
        return sample * self.hop.denominator // self.hop.numerator


def timing(
    hop: Fraction, block: int, slack: int = 0, period_in: Fraction | None = None, period_out: Fraction | None = None
) -> Timing:
    """The times of a node with this hop; `slack` samples for its work, 0 for one hop.

    A latent comes out in whole frames of its clock, so its latency is the shortest one that leaves the slack.
    Raises ValueError where the hop is too short for the block.
    """
    exact = hop - period_in if period_in else hop
    gather = math.ceil(exact)
    if slack:
        slack = -(-slack // block) * block
    elif period_out:
        slack = math.floor(exact + hop) - gather
    else:
        slack = -(-math.ceil(hop) // block) * block
    latency = gather + max(slack, block)
    shift = 0
    if period_out:
        shift = math.ceil(latency / period_out)
        while math.floor(shift * period_out) < latency:
            shift += 1
        latency = math.floor(shift * period_out)
    slots = math.ceil((latency + hop + block) / hop) + 1
    if slots > W_MAX_SLOTS:
        raise ValueError(f"a hop of {float(hop):g} samples is too short for a block of {block} and a latency of {latency}")
    return Timing(hop, gather, latency, shift, slots, period_in, period_out)
