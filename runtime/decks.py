"""An engine as a device hears it: channel maps and, where the rates differ, a converter each way; all memory at hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nodes.dsp.resample import TAPS, table

from .engine import Engine
from .layout import *  # noqa: F403 - cell names, all constants
from .library import addresses

CHUNK = 1024
"""Device frames that are computed at a time; a larger device buffer is cut."""


class Converter:
    """From one rate to another for `channels`, with room for `frames` source frames at a time."""

    def __init__(self, source: int, sink: int, channels: int, frames: int) -> None:
        common = math.gcd(source, sink)
        self.up, self.step = sink // common, source // common
        self.table = table(self.up, self.step)
        self.taps = self.table.shape[1]
        width = self.taps + frames + 8
        self.held = np.zeros((channels, width), np.float32)
        self.cells = v = np.zeros(V_CELLS, np.int64)
        v[[V_UP, V_STEP, V_TAPS, V_WIDTH, V_CH]] = self.up, self.step, self.taps, width, channels
        v[V_TABLE], v[V_HELD] = self.table.ctypes.data, self.held.ctypes.data
        v[V_HAVE] = self.taps - 1  # silence, exactly as much as keeps the input ahead of what the output needs

    @property
    def address(self) -> int:
        return int(self.cells.ctypes.data)


class Deck:
    """`engine` (any that plays live) for a device with `inputs` and `outputs` channels at `rate`.

    `out_map[k]` is the engine channel that device channel k plays, `in_map[k]` the device channel that engine input k hears;
    −1 is silence, what a map leaves out too.  Without maps channels go straight, one channel to a pair.  `notes` are
    sentences about what does not fit.
    """

    def __init__(
        self, engine: Engine, inputs: int, outputs: int, rate: int, device: str = "the device",
        out_map: Sequence[int] | None = None, in_map: Sequence[int] | None = None,
    ) -> None:  # fmt: skip
        self.engine = engine
        self.notes: list[str] = []
        made, heard = engine.out_channels, engine.in_channels
        if out_map is None:
            out_map = [0, 0] if made == 1 else range(made)
        if in_map is None:
            in_map = range(heard)
        self._out = _fit(out_map, outputs, made)
        self._in = _fit(in_map, heard, inputs)
        lost = sorted(set(out_map) - set(self._out.tolist()) - {-1})
        if lost:
            self.notes.append(
                f"{device}: {outputs} output channel{'s' * (outputs != 1)} for the patch's {made}, so {_channels(lost)} "
                "cannot be heard; mix them down with a maths/mixdown before the output"
            )
        deaf = [k for k in range(heard) if self._in[k] < 0 and (k >= len(in_map) or in_map[k] >= 0)]
        if deaf:
            self.notes.append(
                f"{device}: {inputs or 'no'} input channel{'s' * (inputs != 1)} for the patch's {heard}, so {_channels(deaf)} "
                f"{'is' if len(deaf) == 1 else 'are'} silent"
            )
        self.cells = d = np.zeros(DECK_CELLS, np.int64)
        self.latency = 0.0
        most = CHUNK
        if rate != engine.rate:
            most = CHUNK * engine.rate // rate + 2 + TAPS
            self._to = Converter(engine.rate, rate, made, most)
            self._from = Converter(rate, engine.rate, max(heard, 1), CHUNK)
            d[DECK_TO], d[DECK_FROM] = self._to.address, self._from.address if heard else 0
            self.latency = self._to.taps / 2 / engine.rate
        wide = max(made, heard, 1)
        self._buffers = [np.zeros((max(most, CHUNK) + 8) * wide, np.float32) for _ in range(3)]
        d[[DECK_IN, DECK_OUT, DECK_SCRATCH]] = [b.ctypes.data for b in self._buffers]
        d[DECK_ENGINE], d[DECK_EXCHANGE] = engine.address, addresses()["exchange"]
        d[DECK_IN_MAP], d[DECK_OUT_MAP] = self._in.ctypes.data, self._out.ctypes.data

    @property
    def address(self) -> int:
        return int(self.cells.ctypes.data)


def _fit(route: Sequence[int], count: int, sources: int) -> np.ndarray:
    """The first `count` entries of a map, at least one, −1 where there is no such source."""
    out = np.full(max(count, 1), -1, np.int64)
    for k, source in enumerate(route[:count]):
        out[k] = source if 0 <= source < sources else -1
    return out


def _channels(numbers: Sequence[int]) -> str:
    """Channel numbers as people count them."""
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"channels {numbers[0] + 1} … {numbers[-1] + 1}"
    return f"channel{'s' * (len(numbers) != 1)} {', '.join(str(n + 1) for n in numbers)}"
