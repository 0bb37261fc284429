"""For tests of what talks to a session: a patch edited through the real operations, without sound; and who talks OSC to it."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

from graph import Patch, PatchError, wire
from graph.history import History
from runtime.osc import Osc
from runtime.osc_packets import DEPTH, NOW, bundle, message, parse


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


class Client:
    """A socket that talks to a server."""

    def __init__(self, osc: Osc) -> None:
        self.place = osc.address
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(3.0)

    def send(self, address: str, *args: Any) -> None:
        self.raw(message(address, *args))

    def raw(self, data: bytes) -> None:
        self.socket.sendto(data, self.place)

    def hear(self) -> tuple[Any, ...]:
        """The next message: address, arguments."""
        (found,) = parse(self.socket.recv(65536))
        return (found.address, *found.args)

    def ask(self, address: str, *args: Any) -> tuple[Any, ...]:
        self.send(address, *args)
        return self.hear()

    def error(self, address: str, *args: Any) -> str:
        """The sentence that a message is answered with."""
        word, text, *_ = self.ask(address, *args)
        assert word == "/error"
        return str(text)

    def sync(self) -> None:
        """Waits until all that was sent is done."""
        mark = random.getrandbits(30)
        self.send("/ping", mark)
        while self.hear() != ("/pong", mark):
            pass

    def everything(self, seconds: float = 0.2) -> list[tuple[Any, ...]]:
        """What comes within a time."""
        found, end = [], time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                found.append(self.hear())
            except TimeoutError:
                break
        self.socket.settimeout(3.0)
        return found


def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


def nested(depth: int, inner: bytes = b"") -> bytes:
    data = inner
    for _ in range(depth):
        data = bundle([data] if data else [])
    return data


FATAL = {
    "negative size": b"#bundle\0" + struct.pack(">Q", NOW) + b"\xff\xff\xff\xfc",
    "400 deep": nested(400),
    "17 deep": nested(DEPTH + 1, message("/ping")),
    "truncated": message("/node/lp/cutoff", 440.0)[:-2],
    "half a number": message("/node/lp/cutoff", 440.0)[:-4],
    "non-ASCII": "/node/lä/cutoff".encode().ljust(20, b"\0") + b",f\0\0\0\0\0\0",
    "no end of text": b"/node/lp/cutoff/",
    "no tags": b"/a\0\0\0\0\0\1",
    "unknown tag": b"/a\0\0,Q\0\0",
    "array without end": b"/a\0\0,[\0\0",
    "array that never began": b"/a\0\0,]\0\0",
    "blob of size -1": b"/a\0\0,b\0\0\xff\xff\xff\xff",
    "blob too long": b"/a\0\0,b\0\0\0\0\0\x09abcdefgh",
    "element too long": b"#bundle\0" + struct.pack(">Qi", NOW, 9996) + b"/a\0\0",
    "element of size 3": b"#bundle\0" + struct.pack(">Qi", NOW, 3) + b"/a\0\0",
    "element that is nothing": bundle([b"none"]),
    "too many elements": bundle([b""] * 5000),
    "bytes after the end": message("/a", 1.0) + b"\0\0\0\0",
    "not UTF-8": b"/a\0\0,s\0\0\xff\xff\xff\0",
    "nothing": b"",
    "text": b"hello",
}
