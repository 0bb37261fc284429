"""Python's side of the compiled engine: memory, plans, controls and what it reports."""

from __future__ import annotations

import ctypes
import math
import threading
import time as clock
from dataclasses import dataclass
from typing import Any

import numpy as np

from graph import Patch, PatchError

from .layout import *  # noqa: F403 - cell names, all constants
from .library import addresses, function
from .memory import Memory
from .plan import make_plan
from .steps import Plan, Progress, bits

RING = 4096
LOG = 1 << 16


@dataclass(frozen=True)
class Fault:
    """A node that was bypassed: when (sample), which, and why."""

    time: int
    node: str
    reason: str


class Engine:
    """Runs plans block by block.  Knows no device, no file, no screen.

    `lead` is how many frames the output is behind the input; block − 1 serves any device buffer, 0 needs buffers that
    are whole blocks.
    """

    def __init__(
        self, patch: Patch, offline: bool = True, lead: int = 0, fused: bool = True, checks: bool = True,
        progress: Progress | None = None,
    ) -> None:  # fmt: skip
        self.rate, self.block, self.offline = patch.rate, patch.block, offline
        self.memory = Memory()
        plan = make_plan(patch, self.memory, progress)
        self.out_channels, self.in_channels = plan.out_channels, plan.in_channels
        self.lead = lead = lead if self.in_channels else 0
        self._e = e = np.zeros(E_CELLS, np.int64)
        self.address = int(e.ctypes.data)
        self._ring = np.zeros((RING, CONTROL_ROW), np.int64)
        self._log = np.zeros((LOG, CONTROL_ROW), np.int64)
        self._faults = np.zeros((FAULT_CAP, FAULT_ROW), np.int64)
        self._fifo = np.zeros(((self.block + lead) * self.out_channels + 16), np.float32)
        self._last = np.zeros(max(self.out_channels, 1), np.float32)
        e[[E_BLOCK, E_MASK, E_OUT_CH, E_IN_CH]] = self.block, RING - 1, self.out_channels, self.in_channels
        e[E_RING], e[E_FAULTS], e[E_OUT_FIFO] = self._ring.ctypes.data, self._faults.ctypes.data, self._fifo.ctypes.data
        e[E_LOG], e[E_LOG_CAP], e[E_LAST] = self._log.ctypes.data, LOG, self._last.ctypes.data
        e[E_IN_BUF] = self.memory.take("device input", 4 * self.block * max(self.in_channels, 1))
        e[E_OFFLINE], e[E_OUT_HAVE], e[E_BYPASS] = offline, lead, addresses()["bypass"]
        e[E_SEM_POST] = ctypes.cast(ctypes.CDLL(None).sem_post, ctypes.c_void_p).value or 0
        e[E_CHECKS], e[E_WINDOW] = int(checks), 8 if checks else 0
        self._seen_faults = 0
        self._failed: set[str] = set()
        self.plan: Plan = plan
        for port in plan.ports.values():
            port.start(offline)
        for port in plan.ports.values():
            port.wait_ready()
        self.fused = threading.Thread(target=plan.fuse, daemon=True)
        if fused:  # live, the loops are walked until their fused kernels are there; the samples are the same
            self.fused.start()
            if offline:
                self.fused.join()
        self._push(0, SET_PLAN, 0, plan.address, 0)

    # ------------------------------------------------------------------ controls

    def _push(self, time: int, kind: int, target: int, value: int, ramp: int) -> None:
        function("push")(self.address, time, kind << 32 | target, value, ramp)
        if not self._e[E_CW + 1]:
            raise BufferError("the control ring is full")

    @property
    def room(self) -> int:
        """Controls that still fit into the ring."""
        return RING - int(self._e[E_CW] - self._e[E_CR])

    def set(self, node: str, port: str, value: float | str, time: int = 0) -> None:
        """Moves a param (in its unit) or a choice (its name) at sample `time`; 0 is at once.

        Times must not go back.  Raises PatchError where there is no such param.
        """
        target = self.plan.targets.get((node, port))
        if target is None:
            raise PatchError(f"node {node} has no param or choice {port}")
        spec: Any = self.plan.specs[node]
        if port == "bypass":
            self._push(time, SET_BYPASS, target, bits(float(value)), 0)
        elif port in spec.choices:
            options = spec.choices[port].options
            if value not in options:
                raise PatchError(f"node {node}: {port} is one of {', '.join(options)}, not {value}")
            self._push(time, SET_CHOICE, target, bits(float(options.index(value))), 0)
        else:
            p = spec.params[port]
            number = float(value)
            if not math.isfinite(number):
                raise PatchError(f"node {node}: {port} takes a number, not {value}")
            self._push(time, SET_PARAM, target, bits(number), round(p.smooth * self.rate))

    # ------------------------------------------------------------------ sound

    @property
    def now(self) -> int:
        """Samples computed so far."""
        return int(self._e[E_NOW])

    def process(self, frames: int, source: np.ndarray | None = None) -> np.ndarray:
        """The next `frames` of output, float32 [frames, channels]; `source` is as many frames of input.

        Offline it waits for work nodes; one that failed is bypassed and stands in `faults`.
        """
        out = np.zeros((frames, self.out_channels), np.float32)
        x = None
        if source is not None and self.in_channels:
            x = np.zeros((frames, self.in_channels), np.float32)
            n = min(self.in_channels, source.shape[1])
            x[: len(source), :n] = source[:, :n]
        done = 0
        exchange = function("exchange")
        while done < frames:
            at = x.ctypes.data + 4 * done * self.in_channels if x is not None else 0
            exchange(self.address, at, out.ctypes.data + 4 * done * self.out_channels, frames - done)
            n = int(self._e[E_DONE])
            done += n
            if n == 0:
                for port in self.plan.ports.values():
                    port.fault()  # marks a dead process, so that nobody waits for it
                clock.sleep(0.0002)
        return out

    def faults(self) -> list[Fault]:
        """What was bypassed since the last call."""
        out = []
        n = int(self._e[E_FAULT_N])
        for k in range(max(self._seen_faults, n - FAULT_CAP), n):
            time, record, _, _ = self._faults[k % FAULT_CAP]
            out.append(Fault(int(time), self.plan.records[int(record)].node, "put out a number that is not finite"))
        self._seen_faults = n
        for port in self.plan.ports.values():
            text = port.fault()
            if text and port.name not in self._failed:
                self._failed.add(port.name)
                out.append(Fault(self.now, port.name, text))
        return out

    def cpu(self) -> dict[str, float]:
        """Mean CPU cycles a block of each node since the plan was made; a loop counts as its first node."""
        total: dict[str, float] = {}
        for at, step in self.plan.records.items():
            cells = self.plan.record(at)
            if cells[R_CALLS]:
                total[step.node] = total.get(step.node, 0.0) + cells[R_TICKS] / cells[R_CALLS]
        return total

    def clock_frames(self) -> list[int]:
        """Frames of each latent clock in the block that was computed last."""
        return [int(c[L_COUNT]) for c in self.plan.clocks]

    def close(self) -> None:
        """Ends the workers."""
        for port in self.plan.ports.values():
            port.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
