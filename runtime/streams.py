"""Values that stream from controllers: to the engine at once, into the patch in batches; snapshots; what waits for its time."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import time as clock
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graph import Patch, PatchError, snapshots, wire
from graph.edits import SetPatch
from graph.history import History
from graph.spec import Choice, Param

from .engine import Engine
from .eventlog import EventLog
from .follow import Follower, Knob, Place, Value

LIVE = "live"
"""Gesture of values that are played and not kept: live input of a node."""
AHEAD = 0.25
"""Seconds before its time at which a control goes to the engine."""
IDLE = 1.0
"""Seconds of silence after which a stream of values is another gesture."""
MORPH = 60.0


@dataclass
class Played:
    """What plays one patch: engine, what keeps it at the patch, its log."""

    engine: Engine
    follower: Follower
    log: EventLog


@dataclass
class Stream:
    """A value on its way into the patch."""

    path: str
    port: str
    value: Value
    gesture: Hashable


@dataclass(order=True)
class Later:
    """A control that waits for its time."""

    time: int
    order: int
    knob: Knob = field(compare=False)
    value: Value = field(compare=False)
    ramp: float | None = field(compare=False)
    expects: int = field(compare=False, default=-1)  # touch count, where another hand may take over meanwhile


class Streams:
    """The part of a session that moves values; `runtime.session.Session` is the whole."""

    patch: Patch
    history: History
    lock: threading.RLock
    now_playing: Played
    op: Callable[[Mapping[str, Any]], Any]
    error: Callable[[str], None]
    _applied: Callable[[Mapping[str, Any]], None]
    _tell: Callable[[dict[str, Any]], None]

    def __init__(self) -> None:
        self.late_controls = 0
        self._numbers = itertools.count()
        self._streams: dict[Place, Stream] = {}
        self._touched: dict[Place, int] = {}
        self._gestures: dict[Hashable, tuple[float, int]] = {}
        self._later: list[Later] = []

    @property
    def engine(self) -> Engine:
        """The engine that plays."""
        return self.now_playing.engine

    @property
    def rate(self) -> int:
        """Samples a second of the playing engine."""
        return self.engine.rate

    def set(
        self, path: str, port: str, value: Value, *, knob: bool = False, time: int = 0, gesture: Hashable = None,
        ramp: float | None = None,
    ) -> None:  # fmt: skip
        """Moves a param (in its unit, or its knob), a choice or "bypass" at a sample; 0 is now.  Raises PatchError.

        `ramp` seconds instead of the param's own smoothing.  With the gesture `LIVE` the patch keeps its value.
        """
        found = self.now_playing.follower.find(path, port)
        value = _fitting(found, value, knob)
        if found.item is None and not value:
            self.engine.again(self.engine.plan.names.get(found.place[0], ""))
        if time > self.engine.now + AHEAD * self.rate:
            with self.lock:
                if len(self._later) > 1 << 16:
                    raise PatchError("too many values wait for their time")
                heapq.heappush(self._later, Later(time, next(self._numbers), found, value, ramp))
            if gesture == LIVE:
                return
            time = -1
        self._set(found, value, time, gesture, ramp)

    def _set(self, found: Knob, value: Value, time: int, gesture: Hashable, ramp: float | None) -> None:
        follower = self.now_playing.follower
        with follower.pushing:
            if gesture != LIVE:
                follower.known[found.place] = value
                self._touched[found.place] = self._touched.get(found.place, 0) + 1
                self._streams[found.place] = Stream(found.node, found.port, value, gesture)
            if time >= 0:
                follower.push(found.place, value, time, ramp)

    def get(self, path: str, port: str) -> Value:
        """Base value of a param, choice or bypass now."""
        found = self.now_playing.follower.find(path, port)
        stream = self._streams.get(found.place)
        if stream is not None:
            return stream.value
        known = self.now_playing.follower.known.get(found.place)
        if known is None:  # the bypass of a sub-patch
            patch, names = self.patch, path.split("/")
            for name in names[:-1]:
                patch = patch.inner(name) or patch
            return float(patch.node(names[-1]).bypass)
        return known

    def cell(self, path: str, state: str, index: int, value: float, time: int = 0) -> None:
        """Writes one number of a node's `live` state, at the edge of a block.  Raises PatchError."""
        follower = self.now_playing.follower
        plan = follower.engine.plan
        name = plan.names.get(follower.find(path, "bypass").place[0])
        if name is None or (name, state) not in plan.targets:
            return  # nothing plays that node yet
        try:
            follower.engine.turn((name, state), value, time, index)
        except BufferError:
            self.late_controls += 1

    def flush(self) -> None:
        """Puts streamed values into the patch, the journal and the ears of those who listen."""
        with self.lock:
            with self.now_playing.follower.pushing:
                streams, self._streams = self._streams, {}
                self.now_playing.follower.held = self._streams.__contains__
            if not streams:
                return
            groups: dict[Hashable, list[list[Any]]] = {}
            for s in streams.values():  # all that hands move at once is one gesture; a recall is one of its own
                own = isinstance(s.gesture, tuple) and s.gesture[:1] == ("recall",)
                groups.setdefault(s.gesture if own else "hands", []).append([s.path, s.port, s.value])
            heard, ops = [], []
            for gesture, rows in groups.items():
                op = {"set": rows, "gesture": self._gesture(gesture)}
                try:
                    wire.apply(self.history, op)
                except PatchError as error:
                    self.error(str(error))
                    continue
                self._applied(op)
                heard += [tuple(row) for row in rows]
                ops.append(op)
            self._tell({"kind": "values", "values": heard, "ops": ops})

    def _gesture(self, key: Hashable) -> str:
        """One name for what is moved without a second's pause: one entry in the history."""
        now = clock.monotonic()
        last, number = self._gestures.get(key, (-math.inf, 0))
        if now - last > IDLE:
            number = next(self._numbers)
        if len(self._gestures) > 1000:
            self._gestures = {k: v for k, v in self._gestures.items() if now - v[0] < IDLE}
        self._gestures[key] = now, number
        return f"{number}"

    def _due(self) -> None:
        horizon = self.engine.now + round(AHEAD * self.rate)
        while self._later and self._later[0].time < horizon:
            with self.lock:
                item = heapq.heappop(self._later)
            if item.expects < 0 or self._touched.get(item.knob.place) == item.expects:
                follower = self.now_playing.follower
                with follower.pushing:
                    follower.push(item.knob.place, item.value, item.time, item.ramp)

    # ------------------------------------------------------------------ snapshots, tempo

    def capture(self, name: str, only: Iterable[tuple[str, str]] | None = None) -> None:
        """Keeps the base values of all params and choices, or of those named, as a snapshot."""
        with self.lock:
            self.flush()
            kept = {**self.patch.snapshots, name: snapshots.capture(self.patch, only)}
            self.op({"do": wire.to_map(SetPatch("snapshots", kept))})

    def recall(self, name: str, seconds: float = 0.0) -> None:
        """Goes to a snapshot: params in knob position over `seconds`, choices half-way.  Raises PatchError."""
        seconds = min(max(float(seconds), 0.0), MORPH * 60)
        with self.lock:
            if name not in self.patch.snapshots:
                raise PatchError(f"there is no snapshot {name!r}")
            goals, notes = snapshots.goals(self.patch, self.patch.snapshots[name])
        for note in notes:
            self.error(note)
        gesture = ("recall", name, next(self._numbers))
        half = self.engine.now + round(seconds * self.rate / 2)
        for node, port, value in goals:
            found = self.now_playing.follower.find(node, port)
            if isinstance(found.item, Param) or not seconds:
                self._set(found, value, 0, gesture, seconds or None)
            else:
                self._set(found, value, -1, gesture, None)
                with self.lock:
                    heapq.heappush(
                        self._later, Later(half, next(self._numbers), found, value, None, self._touched[found.place])
                    )

    def blend(self, weights: Mapping[str, float]) -> None:
        """Mixes snapshots by weight: a fader between two, an XY pad between four.  Raises PatchError."""
        with self.lock:
            goals = snapshots.blend(self.patch, weights)
        for node, port, value in goals:
            self.set(node, port, value, gesture=("blend", *sorted(weights)))

    def tempo(self, bpm: float) -> None:
        """Sets every clock of the patch."""
        with self.lock:
            clocks = [n for n, d in self.patch.nodes.items() if d.type == "mod/clock"]
        for name in clocks:
            self.set(name, "bpm", bpm, gesture="tempo")


def _fitting(found: Knob, value: Value, knob: bool) -> Value:
    """A value as the engine takes it, or PatchError."""
    item, where = found.item, f"node {found.node}: {found.port}"
    if isinstance(item, Choice):
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < len(item.options):
            return item.options[int(value)]
        if value not in item.options:
            raise PatchError(f"{where} is one of {', '.join(item.options)}, not {value}")
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise PatchError(f"{where} takes a number, not {value!r}") from None
    if not math.isfinite(number):
        raise PatchError(f"{where} takes a number, not {number}")
    if item is None:
        return 1.0 if number >= 0.5 else 0.0
    if knob:
        number = item.at(number)
    return min(max(number, item.low), item.high)
