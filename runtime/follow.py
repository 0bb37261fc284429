"""The engine follows the patch: values at once, structure by plans made in a thread of their own."""

from __future__ import annotations

import gc
import threading
import time as clock
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from graph import Patch, PatchError
from graph.patch import NodeData
from graph.spec import Choice, NodeSpec, Param
from graph.subpatch import flatten
from nodes.compile import CompileError

from .engine import FADE, Engine, Refit
from .steps import Plan

Place = tuple[Hashable, str]  # instance of a node, port
Value = float | str
WAIT = 2.0
"""Seconds after which an engine that takes no plan is not waited for."""
AHEAD = 8
"""Plans that an engine which stands still may find when it goes on; what is edited after them is merged into one."""


@dataclass(frozen=True)
class Knob:
    """What a path and a port lead to: the node inside that has it, and what it takes."""

    place: Place
    item: Param | Choice | None  # None: a bypass
    node: str  # as people call it
    port: str


def values(flat: Patch) -> dict[Place, Value]:
    """Every param, choice and bypass of a flat patch by instance."""
    out: dict[Place, Value] = {}
    for name, data in flat.nodes.items():
        spec = flat.spec(name)
        out[data.uid, "bypass"] = float(data.bypass)
        if spec is None:
            continue
        out.update({(data.uid, p): float(data.params.get(p, s.default)) for p, s in spec.params.items()})
        out.update({(data.uid, c): data.choices.get(c, s.default) for c, s in spec.choices.items()})
    return out


def structure(flat: Patch) -> Any:
    """What a plan depends on besides values."""

    def node(name: str, data: NodeData) -> Any:
        return name, data.uid, data.type, dict(data.settings), data.data, data.seed, id(flat.spec(name))

    cables = {k: (c.mode, c.delayed) for k, c in flat.cables.items()}
    return [node(n, d) for n, d in flat.nodes.items()], cables, flat.limiter, flat.rate, flat.block


class Follower:
    """Keeps one engine at one patch; `given` is the copy of it that the engine was made of.

    `lock` is held while the patch is read; `note(record)` takes what the event log needs; `error(text)` what people
    should read; `refit()` is called where only another engine can play the patch; `took(seconds)` is told how long an
    edit took until its plan played.
    """

    def __init__(
        self, engine: Engine, patch: Patch, given: Patch, lock: threading.RLock, note: Callable[[list[Any]], None],
        error: Callable[[str], None], refit: Callable[[], None], running: Callable[[], bool],
    ) -> None:  # fmt: skip
        self.engine, self.patch, self.lock = engine, patch, lock
        self.note, self.error, self.refit, self.running = note, error, refit, running
        flat = flatten(given)
        self.known = values(flat)
        self.structure = structure(flat)
        self.amounts = {k: c.amount for k, c in flat.cables.items()}
        self.pushing = threading.Lock()  # around `known` and what is pushed for it
        self.missed: dict[Place, Value] = {}  # set while the engine stood still and its ring was full
        self.held: Callable[[Place], bool] = lambda place: False  # a stream holds this place
        self.knobs: dict[tuple[str, str], Knob] = {}
        self.delays: deque[float] = deque(maxlen=10000)  # seconds from an edit to its plan
        self.idle = threading.Event()  # nothing is left to plan
        self.idle.set()
        self._wake = threading.Event()
        self._since = 0.0
        self._stop = False
        self.thread = threading.Thread(target=self._plan, name="planner", daemon=True)
        self.thread.start()

    # ------------------------------------------------------------------ values

    def find(self, path: str, port: str) -> Knob:
        """What `path` ("sub/inner") and `port` lead to.  Raises PatchError."""
        knob = self.knobs.get((path, port))
        if knob is None:
            with self.lock:
                knob = self.knobs[path, port] = self._find(path, port)
        return knob

    def _find(self, path: str, port: str) -> Knob:
        patch, names = self.patch, path.split("/")
        uid: Hashable = None
        for name in names[:-1]:
            uid = (uid, patch.node(name).uid) if uid else patch.node(name).uid
            inner = patch.inner(name)
            if inner is None:
                raise patch.error("holds no patch that could be looked into", name)
            patch = inner
        data, spec = patch.node(names[-1]), patch.spec(names[-1])
        here: Hashable = (uid, data.uid) if uid else data.uid
        if port == "bypass":
            return Knob((here, port), None, path, port)
        if spec is None:
            raise patch.error(f"its type {data.type} is unknown here, so {port} cannot be set", names[-1])
        item, port = _item(spec, port, path)
        # a use's value is that of the node inside that it exposes
        name, inside, found = names[-1], port, patch
        while found.inner(name) is not None and inside in found.inner(name).exposed:  # type: ignore[union-attr]
            entry = found.inner(name).exposed[inside]  # type: ignore[union-attr]
            found = found.inner(name)  # type: ignore[assignment]
            name, inside = entry["node"], entry["param"]
            here = (here, found.nodes[name].uid)
        return Knob((here, inside), item, path, port)

    def push(self, place: Place, value: Value, time: int = 0, ramp: float | None = None) -> bool:
        """Tells the engine; False where it does not play that node yet."""
        plan = self.engine.plan
        name = plan.names.get(place[0])
        if name is None or (name, place[1]) not in plan.targets:
            return False
        while True:
            try:
                self.engine.set(name, place[1], value, time, ramp)
                return True
            except BufferError:  # the ring is full: the audio thread empties it within a block
                if not self.running():
                    self.missed[place] = value
                    return False
                clock.sleep(0.001)

    def catch_up(self) -> None:
        """The engine runs again."""
        with self.pushing:
            missed, self.missed = self.missed, {}
            for place in missed:
                if place in self.known:
                    self.push(place, self.known[place])

    def told(self) -> None:
        """After every edit, with `lock` held: values go to the engine, structure to the planner."""
        flat = flatten(self.patch)
        if structure(flat) != self.structure:
            self.structure = structure(flat)
            self.knobs.clear()
            self._since = self._since or clock.perf_counter()
            self.idle.clear()
            self._wake.set()
        self._values(flat)

    def _values(self, flat: Patch) -> None:
        new = values(flat)
        for place, value in new.items():
            if self.known.get(place) != value:
                with self.pushing:
                    if not self.held(place):
                        self.known[place] = value
                        self.push(place, value)
        for place in [p for p in self.known if p not in new]:
            del self.known[place]
        for key, cable in flat.cables.items():
            if self.amounts.get(key) != cable.amount:
                known = key in self.amounts
                self.amounts[key] = cable.amount
                if known and not self._amount(flat, key, cable.mode, cable.delayed, cable.amount):
                    self._since = self._since or clock.perf_counter()
                    self.idle.clear()
                    self._wake.set()

    def _amount(self, flat: Patch, key: tuple[str, str, str, str], mode: str, delayed: bool, amount: float) -> bool:
        names = self.engine.plan.names
        src, dst = names.get(flat.nodes[key[0]].uid), names.get(flat.nodes[key[2]].uid)
        if src is None or dst is None:
            return False
        return self.engine.amount((src, key[1], dst, key[3]), mode, delayed, amount)

    # ------------------------------------------------------------------ plans

    def _plan(self) -> None:
        while True:
            self._wake.wait()
            while self.engine.coming > AHEAD and not self.running() and not self._stop:
                clock.sleep(0.01)
            if self._stop:
                return
            self._wake.clear()
            with self.lock:
                patch, since, self._since = self.patch.copy(), self._since, 0.0
                self.note(["swap", self.engine.collected])
            try:
                self._lead(self.engine.stages(patch), since)
            except Refit:
                self.refit()
                return
            except (PatchError, CompileError) as error:
                self.error(f"{error}; the sound stays as it was")
                self._rest()
                continue
            with self.lock:  # what was set meanwhile on nodes that nothing played yet
                flat = flatten(self.patch)
                now = values(flatten(patch))
                for place, value in values(flat).items():
                    if now.get(place) != value:
                        with self.pushing:
                            if not self.held(place):
                                self.push(place, value)
            self._rest()

    def _lead(self, stages: Iterator[Plan], since: float) -> None:
        """Publishes one stage after the other; each is made while the one before it fades."""
        plan: Plan | None = next(stages)
        first = True
        while plan is not None:
            before = self.engine.swaps
            while self.engine.room <= 1 + len(plan.ramps) and not self._stop:
                clock.sleep(0.001)
            self.engine.publish(plan)
            self._until(lambda n=before: self.engine.swaps > n)  # type: ignore[misc]
            over = self.engine.now + round(FADE * self.engine.rate) + self.engine.block if plan.ramps else 0
            if first and since:
                self.delays.append(clock.perf_counter() - since)
            plan, first = next(stages, None), False
            self._until(lambda t=over: self.engine.now > t)  # type: ignore[misc]
        self.engine.collect()

    def _rest(self) -> None:
        if not self._wake.is_set():
            if gc.get_freeze_count():  # in a session's process, where that is quick: what was planned refers to itself, piles
                gc.collect()  # up, and scatters what stays over ever more pages
            self.idle.set()

    def _until(self, done: Callable[[], bool]) -> None:
        """Waits, but not for an engine that stands still."""
        end = clock.monotonic() + WAIT
        while not done() and not self._stop and self.running() and clock.monotonic() < end:
            clock.sleep(0.001)

    def close(self) -> None:
        """Ends the planner."""
        self._stop = True
        self._wake.set()
        if self.thread is not threading.current_thread():
            self.thread.join(10)


def _item(spec: NodeSpec, port: str, path: str) -> tuple[Param | Choice, str]:
    from graph.errors import suggest

    port = spec.renamed(port)
    items: dict[str, Param | Choice] = {**spec.params, **spec.choices}
    if port not in items:
        raise PatchError(f"node {path} has no param or choice {port}{suggest(port, items)}")
    return items[port], port
