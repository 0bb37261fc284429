"""What sounds: levels, samples and costs of the nodes that are looked at, by the session's telemetry."""

from __future__ import annotations

from typing import Any

import numpy as np

from graph.patch import Patch
from runtime.attach import Client

from .replica import Replica
from .watching import Tap, Watches, tap


class Sounding(Replica):
    """The replica with ears.  What lies in sub-patches is known by its full path."""

    def __init__(self, patch: Patch) -> None:
        super().__init__(patch)
        self.state: dict[str, Any] = {}
        """Figures of the session (`runtime.session.Session.state`); empty without one."""
        self.levels: dict[tuple[str, str], float] = {}
        """Peak by (full node path, outlet); see `level`."""
        self.cpu: dict[str, float] = {}
        """Cycles a block by full node path; see `share`."""
        self._watches = Watches()
        self._taps: dict[tuple[str, str], Tap | None] = {}
        self._shares: dict[str, float] = {}
        self._shared = 0.0

    def tell(self, call: str, *args: Any, **kw: Any) -> None:
        """Calls the session without an answer."""
        raise NotImplementedError

    def _changed(self) -> None:
        """As before; and what hangs on names is looked up again."""
        super()._changed()
        self._taps.clear()
        if self._watches.slots:
            with self.lock:
                again = self._watches.changed(self.patch)
            for slot, found in again:
                self.tell("watch", slot, *(found or ()))

    def watch(self, node: str, outlet: str) -> int:
        """A slot whose `samples` are those of an outlet, counted by reference; -1 where none is free (or no session)."""
        if self.client is None:
            return -1
        with self.lock:
            slot, new = self._watches.take(self.patch, (self.inside, node, outlet))
        if new is not None:
            self.tell("watch", slot, *new)
        return slot

    def unwatch(self, slot: int) -> None:
        """Gives the slot back."""
        if self._watches.give(slot) and self.client is not None:
            self.tell("watch", slot)

    def samples(self, slot: int, frames: int) -> np.ndarray:
        """The last frames of a watched outlet, float32 [frames, channels]; empty where nothing was played."""
        view = None if self.client is None else self.client.view
        if view is None or slot not in self._watches.slots:
            return np.zeros((0, 1), np.float32)
        return view.samples(slot, frames)

    def level(self, node: str, outlet: str) -> float:
        """Peak of an outlet lately (1.0 is full scale); sub-patches show what feeds their outlet."""
        try:
            found = self._taps[node, outlet]
        except KeyError:
            with self.lock:
                found = self._taps[node, outlet] = tap(self.patch, self.inside, node, outlet)
        return 0.0 if found is None else self.levels.get(found, 0.0)

    def share(self, node: str) -> float:
        """Part of the available time that a node takes, 0…1; a sub-patch takes what is inside."""
        return self._shares.get(self.path(node), 0.0)

    def problem(self, node: str) -> str:
        """The latest sentence about a node or what is inside it; "" where there is none."""
        if not self.problems:
            return ""
        path = self.path(node)
        return self.problems.get(path) or next((t for p, t in self.problems.items() if p.startswith(path + "/")), "")

    def _look(self, client: Client, now: float) -> None:
        assert client.view is not None
        self.state, self.cpu, self.levels = client.view.look()
        if now - self._shared > 0.25:
            self._shared = now
            total = sum(self.cpu.values())
            scale = float(self.state.get("load", 0.0)) / total if total > 0 else 0.0
            shares: dict[str, float] = {}
            for path, cycles in self.cpu.items():
                shares[path] = shares.get(path, 0.0) + cycles * scale
                while "/" in path:
                    path = path.rpartition("/")[0]
                    shares[path] = shares.get(path, 0.0) + cycles * scale
            self._shares = shares
