"""Clients of a session on the same machine: a Unix socket in the user's runtime folder, msgpack both ways.

A client sends maps with a `call` (the name of a session's method, see `CALLS`), `args`, `kw` and an `id`; it gets
`{"id", "ok"}` or `{"id", "error"}`, and every event of the session as it happens.  A client that does not read is
dropped; its death is not heard.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack

from graph import Patch, PatchError
from graph.file import dump, loads
from graph.history import History
from graph.wire import apply, history_from, history_map

from . import telemetry
from .session import Session

CALLS = frozenset(
    {"op", "set", "get", "cell", "capture", "recall", "blend", "transport", "tempo", "learn", "record", "rearm", "go",
     "next_patch", "saved", "state", "now", "use", "reload", "trusted", "keep", "encode", "late"}
)  # fmt: skip
"""What a client may call."""
WAITING = 1 << 12  # events that wait for a slow client


def socket_path(name: str) -> Path:
    """Where the session called `name` listens."""
    return telemetry.folder() / f"zrack-{name}.sock"


def page_path(name: str) -> Path:
    """Where its telemetry is."""
    return telemetry.folder() / f"zrack-{name}.page"


class Door:
    """The session's side of the socket."""

    def __init__(self, session: Session, page: telemetry.Telemetry, name: str) -> None:
        self.session, self.page = session, page
        self.path = socket_path(name)
        self.path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX)
        before = os.umask(0o177)
        try:
            self._socket.bind(str(self.path))
        finally:
            os.umask(before)
        self._socket.listen(8)
        self._guests: set[_Guest] = set()
        threading.Thread(target=self._accept, name="door", daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._guests.add(_Guest(self, connection))

    def close(self) -> None:
        self._socket.close()
        self.path.unlink(missing_ok=True)
        for guest in list(self._guests):
            guest.leave()

    def gone(self, guest: _Guest) -> None:
        self._guests.discard(guest)


class _Guest:
    """One client: a thread that reads, a thread that writes."""

    def __init__(self, door: Door, connection: socket.socket) -> None:
        self.door, self.connection = door, connection
        self.out: queue.Queue[bytes | None] = queue.Queue(WAITING)
        session = door.session
        with session.lock:  # between this picture of the patch and the first event, nothing is missed
            session.flush()
            self.stop = session.listen(self.send)
            self.send(
                {"kind": "hello", "patch": dump(session.patch), "file": session.patch.file,
                 "folder": str(session.patch.folder or ""), "history": history_map(session.history),
                 "errors": list(session.errors),
                 "page": str(door.page.page.path)}
            )  # fmt: skip
        threading.Thread(target=self._write, name="guest out", daemon=True).start()
        threading.Thread(target=self._read, name="guest in", daemon=True).start()

    def send(self, message: dict[str, Any]) -> None:
        try:
            self.out.put_nowait(msgpack.packb(message))
        except queue.Full:
            self.leave()

    def leave(self) -> None:
        self.stop()
        self.door.gone(self)
        with contextlib.suppress(queue.Full):
            self.out.put_nowait(None)
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _write(self) -> None:
        try:
            while (data := self.out.get()) is not None:
                self.connection.sendall(data)
        except OSError:
            pass
        self.leave()

    def _read(self) -> None:
        unpacker = msgpack.Unpacker(max_buffer_size=64 << 20)
        try:
            while data := self.connection.recv(1 << 16):
                unpacker.feed(data)
                for message in unpacker:
                    self.send(self._answer(message))
        except (OSError, ValueError, msgpack.UnpackException):
            pass
        self.leave()

    def _answer(self, message: Any) -> dict[str, Any]:
        if not isinstance(message, dict):
            return {"id": None, "error": "a call is a map"}
        number, call = message.get("id"), message.get("call")
        args, kw = message.get("args", ()), message.get("kw", {})
        try:
            if call == "watch":
                self.door.page.watch(self.door.session.engine, *args)
                return {"id": number, "ok": None}
            if call not in CALLS:
                raise PatchError(f"a session has no call {call!r}")
            found = getattr(self.door.session, call)(*args, **kw)
            return {"id": number, "ok": found if isinstance(found, str | int | float | dict | list | None) else None}
        except (PatchError, TypeError, ValueError) as error:
            return {"id": number, "error": str(error)}


class Client:
    """A replica of the session's patch and history that follows its events, and calls into it.

    `hear(event)` is called for every event, in the thread that reads.  Raises OSError where no session listens.
    """

    def __init__(self, name: str, hear: Callable[[dict[str, Any]], None] | None = None, timeout: float = 10.0) -> None:
        self.hear = hear or (lambda event: None)
        self.timeout = timeout
        self.lock = threading.RLock()
        self.patch = Patch()
        self.history = History(self.patch)
        self.view: telemetry.View | None = None
        self.lost = threading.Event()
        self._numbers = itertools.count(1)
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._ready = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(str(socket_path(name)))
        except OSError:
            self._socket.close()
            raise
        threading.Thread(target=self._read, name="client", daemon=True).start()
        if not self._ready.wait(timeout) or self.lost.is_set():
            raise ConnectionError("the session does not answer")

    def call(self, call: str, *args: Any, **kw: Any) -> Any:
        """Calls the session and waits for the answer.  Raises PatchError with its sentence, ConnectionError."""
        number = next(self._numbers)
        answer = self._answers[number] = queue.Queue(1)
        self._socket.sendall(msgpack.packb({"id": number, "call": call, "args": args, "kw": kw}))
        try:
            found = answer.get(timeout=self.timeout)
        except queue.Empty:
            raise ConnectionError("the session does not answer") from None
        finally:
            del self._answers[number]
        if "error" in found:
            raise PatchError(found["error"])
        return found.get("ok")

    def tell(self, call: str, *args: Any, **kw: Any) -> None:
        """Calls without waiting: for streams."""
        self._socket.sendall(msgpack.packb({"id": 0, "call": call, "args": args, "kw": kw}))

    def _read(self) -> None:
        unpacker = msgpack.Unpacker(max_buffer_size=64 << 20, strict_map_key=False)
        try:
            while data := self._socket.recv(1 << 16):
                unpacker.feed(data)
                for message in unpacker:
                    self._take(message)
        except OSError:
            pass
        self._socket.close()
        self.lost.set()
        self._ready.set()  # the socket of a process that is just dying still takes callers

    def _take(self, message: dict[str, Any]) -> None:
        if "kind" not in message:
            answer = self._answers.get(message["id"])
            if answer is not None:
                answer.put(message)
            return
        kind = message["kind"]
        with self.lock:
            if kind == "hello":
                folder = Path(message["folder"]) if message["folder"] else None
                self.patch = loads(message["patch"], file=message["file"], folder=folder)
                self.history = history_from(message["history"], self.patch)
                self.view = telemetry.View(Path(message["page"]))
                self._ready.set()
            for op in message.get("ops", [message["op"]] if kind == "op" else []):
                apply(self.history, op)
        self.hear(message)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
