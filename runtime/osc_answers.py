"""What the OSC server says: errors within a limit, and changes to those who subscribed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from graph import PatchError

from .addresses import SPECIAL, Directory, like, written
from .osc_packets import message

if TYPE_CHECKING:
    from .osc_socket import Socket
    from .session import Session

Place = tuple[str, int]  # host, port

SUBSCRIBERS = 32
LEASE = 60.0  # seconds without a word, after which a subscriber is forgotten
PERIOD = 0.05  # seconds between two echoes of values
ONE, ALL = 20.0, 100.0  # errors a second that one sender gets, and all together; twice as many at once
SENDERS = 256  # whose errors are counted
WAITING = 4096  # answers that wait to be sent


@dataclass
class Bucket:
    """How many answers may still be sent; fills up by `rate` a second to twice of it."""

    rate: float
    left: float = 0.0
    at: float = 0.0

    def take(self, now: float) -> bool:
        """Whether one more may be sent."""
        self.left = min(self.left + (now - self.at) * self.rate, 2.0 * self.rate) if self.at else 2.0 * self.rate
        self.at = now
        if self.left < 1.0:
            return False
        self.left -= 1.0
        return True


@dataclass
class Subscriber:
    """Who hears of changes: of addresses that begin with `prefix`, or are like it where it is a pattern."""

    prefix: str
    until: float


class Answers:
    """Sends answers, errors and echoes from a thread of its own.

    Whoever receives only leaves them here: a send gives the GIL away, and where other threads want it too that would
    cost more than receiving a hundred messages.  `changed` is called when addresses may mean something else.
    """

    def __init__(self, session: Session, socket: Socket, changed: Callable[[], None]) -> None:
        self.session, self.socket, self.changed = session, socket, changed
        self.subscribers: dict[Place, Subscriber] = {}
        self.unanswered = 0
        self._directory, self._stale = Directory(session), False
        self._all, self._buckets = Bucket(ALL), dict[Place, Bucket]()
        self._lock = threading.Lock()  # around the subscribers and the values
        self._values: dict[tuple[str, str], Any] = {}
        self._todo: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="osc-answers", daemon=True)
        self._thread.start()
        self._deaf = session.listen(self.hear)

    def close(self) -> None:
        """Sends what is left and ends the thread."""
        self._deaf()
        self._todo.put(None)
        self._thread.join()

    # answers

    def answer(self, place: Place, address: str, *args: Any) -> None:
        """Sends a message to `place`."""
        self._do(lambda: self.socket.send(message(address, *args), place))

    def error(self, place: Place, text: Callable[[], str], address: str = "") -> None:
        """Answers at `/error` with a sentence (made only if it is sent), and the address that it is about."""
        now = time.monotonic()
        if place not in self._buckets:
            if len(self._buckets) >= SENDERS:
                self._buckets.clear()
            self._buckets[place] = Bucket(ONE)
        if self._buckets[place].take(now) and self._all.take(now):
            self._do(lambda: self._error(place, text, address))
        else:
            self.unanswered += 1

    def _error(self, place: Place, text: Callable[[], str], address: str) -> None:
        with self.session.lock:  # a sentence may look for names that are alike
            words = [text(), address] if address else [text()]
        self.socket.send(message("/error", *words), place)

    def _do(self, what: Callable[[], object]) -> None:
        if self._todo.qsize() < WAITING:
            self._todo.put(what)
        else:
            self.unanswered += 1

    # subscribers

    def subscribe(self, place: Place, prefix: str) -> None:
        """Echoes changes to `place` from now on.  Raises PatchError where there are too many."""
        with self._lock:
            self._expire()
            if place not in self.subscribers and len(self.subscribers) >= SUBSCRIBERS:
                raise PatchError(f"there are {SUBSCRIBERS} subscribers already")
            self.subscribers[place] = Subscriber(prefix, time.monotonic() + LEASE)

    def unsubscribe(self, place: Place) -> None:
        """Echoes nothing more to `place`."""
        with self._lock:
            self.subscribers.pop(place, None)

    def renew(self, place: Place | None) -> None:
        """A subscriber said something, so it is still there."""
        with self._lock:
            if place in self.subscribers:
                self.subscribers[place].until = time.monotonic() + LEASE

    def _expire(self) -> None:
        now = time.monotonic()
        self.subscribers = {place: s for place, s in self.subscribers.items() if s.until >= now}

    # what the session says

    def hear(self, event: Mapping[str, Any]) -> None:
        """Takes an event of the session; returns at once."""
        kind = event.get("kind")
        if kind in ("op", "loaded"):
            self._stale = True
            self.changed()
        if not self.subscribers:
            return
        if kind == "values":
            with self._lock:
                first = not self._values
                self._values.update(((path, port), value) for path, port, value in event["values"])
            if first:
                self._todo.put(lambda: None)  # so that the thread looks
        elif kind == "op":
            self._say("/patch/changed", str(event.get("label") or ""))
        elif kind == "transport":
            self._say(f"/transport/{event['word']}")
        elif kind == "loaded":
            self._say("/patch/loaded", str(self.session.patch.file))
        elif kind == "error":
            self._say("/error", str(event["text"])[:1024])

    def _say(self, address: str, *args: str) -> None:
        """Tells all subscribers."""
        self._do(lambda: [self.socket.send(message(address, *args), place) for place in list(self.subscribers)])

    # the thread

    def _run(self) -> None:
        echoed = 0.0
        while True:
            due = echoed + PERIOD - time.monotonic() if self._values else None
            try:
                todo = self._todo.get(timeout=due and max(due, 0.0))
                if todo is None:
                    return
                todo()
            except Empty:
                pass
            except Exception as e:  # one answer that cannot be sent must not end the others
                self.session.error(f"OSC: {type(e).__name__}: {e}")
            if self._values and time.monotonic() >= echoed + PERIOD:
                echoed = time.monotonic()
                self._echo_all()

    def _echo_all(self) -> None:
        """Echoes the values that changed since the last time."""
        with self._lock:
            values, self._values = self._values, {}
            self._expire()
            hearers = list(self.subscribers.items())
        if self._stale:
            self._stale = False
            self._directory.clear()
        for (path, port), value in values.items():
            self._echo(written(path, port), value, hearers)

    def _echo(self, address: str, value: Any, hearers: list[tuple[Place, Subscriber]]) -> None:
        """Tells a value to those who want it, as knob position to those who asked for that."""
        data: dict[bool, bytes] = {}
        for place, subscriber in hearers:
            prefix = subscriber.prefix
            knob = prefix.endswith("/knob")
            full = address + "/knob" if knob else address
            if full.startswith(prefix) or (not SPECIAL.isdisjoint(prefix) and like(prefix, full)):
                if knob not in data:
                    try:
                        data[knob] = message(full, self._directory.find(full)[-1].get() if knob else value)
                    except PatchError:
                        continue  # a choice has no knob
                self.socket.send(data[knob], place)
