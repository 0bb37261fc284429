"""A session for tests of what talks to one: a real patch, edited through the real operations, and no sound."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

from graph import Patch, PatchError, wire
from graph.history import History


class Stage:
    """Does what `runtime.session.Session` promises to those who control it, without an engine.

    `sets` are the values that came, as (path, port, value, knob, time); `calls` the other methods that were called.
    """

    def __init__(self, patch: Patch) -> None:
        self.patch, self.lock = patch, threading.RLock()
        self.history = History(patch)
        self.rate, self.block = patch.rate, patch.block
        self.started = time.time()
        self.sets: list[tuple[str, str, float | str, bool, int]] = []
        self.values: dict[tuple[str, str], float | str] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.errors: list[str] = []
        self.hearers: list[Callable[[dict[str, Any]], None]] = []

    def op(self, op: Mapping[str, Any]) -> None:
        if "load" in op or "save" in op:
            self.calls.append(("op", dict(op)))
            return
        with self.lock:
            wire.apply(self.history, op)
        self.tell({"kind": "op", "op": op, "label": self.history.undo_label})

    def set(
        self, path: str, port: str, value: float | str, *, knob: bool = False, time: int = 0, gesture: Hashable = None
    ) -> None:
        self.sets.append((path, port, value, knob, time))
        self.values[path, port] = value

    def get(self, path: str, port: str) -> float | str:
        patch, name = self.patch, path
        while "/" in name:
            sub, _, name = name.partition("/")
            inner = patch.inner(sub)
            assert inner is not None
            patch = inner
        value: float | str = float(patch.nodes[name].bypass) if port == "bypass" else patch.value(name, port)
        return self.values.get((path, port), value)

    def now(self) -> int:
        return int((time.time() - self.started) * self.rate)

    def sample(self, unix: float) -> int:
        return round((unix - self.started) * self.rate)

    def listen(self, hear: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        self.hearers.append(hear)
        return lambda: self.hearers.remove(hear)

    def tell(self, event: dict[str, Any]) -> None:
        for hear in self.hearers:
            hear(event)

    def error(self, text: str) -> None:
        self.errors.append(text)

    def capture(self, name: str, only: Iterable[tuple[str, str]] | None = None) -> None:
        self.calls.append(("capture", name, only))

    def recall(self, name: str, seconds: float = 0.0) -> None:
        if name == "nothing":
            raise PatchError("there is no snapshot nothing")
        self.calls.append(("recall", name, seconds))

    def __getattr__(self, word: str) -> Callable[..., None]:
        if word.startswith("_"):
            raise AttributeError(word)
        return lambda *args: self.calls.append((word, *args))
