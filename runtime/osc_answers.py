"""What the OSC server says: errors within a limit, and changes to those who subscribed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
    """Sends errors and echoes from a thread of its own, so that no flood of either holds up what comes in."""

    def __init__(self, session: Session, socket: Socket, changed: Callable[[], None]) -> None:
        self.session, self.socket, self.changed = session, socket, changed
        self._directory, self._stale = Directory(session), False
        self.subscribers: dict[Place, Subscriber] = {}
        self.unanswered = 0
        self._all, self._buckets = Bucket(ALL), dict[Place, Bucket]()
        self._lock, self._wake = threading.Condition(), False
        self._values: dict[tuple[str, str], Any] = {}
        self._texts: list[tuple[str, ...]] = []
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="osc-answers", daemon=True)
        self._thread.start()
        self._deaf = session.listen(self.hear)

    def close(self) -> None:
        """Ends the thread."""
        self._deaf()
        with self._lock:
            self._stop = True
            self._lock.notify()
        self._thread.join()

    # errors

    def error(self, place: Place, text: Callable[[], str], address: str = "") -> None:
        """Answers at `/error` with a sentence (made only if it is sent), and the address that it is about."""
        now = time.monotonic()
        if place not in self._buckets:
            if len(self._buckets) >= SENDERS:
                self._buckets.clear()
            self._buckets[place] = Bucket(ONE)
        if self._buckets[place].take(now) and self._all.take(now):
            self.socket.send(message("/error", text(), *([address] if address else [])), place)
        else:
            self.unanswered += 1

    # subscribers

    def subscribe(self, place: Place, prefix: str) -> None:
        """Echoes changes to `place` from now on.  Raises PatchError where there are too many."""
        with self._lock:
            if place not in self.subscribers and len(self.subscribers) >= SUBSCRIBERS:
                raise PatchError(f"there are {SUBSCRIBERS} subscribers already")
            self.subscribers[place] = Subscriber(prefix, time.monotonic() + LEASE)
            self._lock.notify()

    def unsubscribe(self, place: Place) -> None:
        """Echoes nothing more to `place`."""
        with self._lock:
            self.subscribers.pop(place, None)

    def renew(self, place: Place | None) -> None:
        """A subscriber said something, so it is still there."""
        with self._lock:
            if place in self.subscribers:
                self.subscribers[place].until = time.monotonic() + LEASE

    # what the session says

    def hear(self, event: Mapping[str, Any]) -> None:
        """Takes an event of the session; returns at once."""
        kind = event.get("kind")
        if kind in ("op", "loaded"):
            self._stale = True
            self.changed()
        if not self.subscribers:
            return
        with self._lock:
            if kind == "values":
                self._values.update(((path, port), value) for path, port, value in event["values"])
            elif kind == "op":
                self._say("/patch/changed", str(event.get("label") or ""))
            elif kind == "transport":
                self._say(f"/transport/{event['word']}")
            elif kind == "loaded":
                self._say("/patch/loaded", str(self.session.patch.file))
            elif kind == "error":
                self._say("/error", str(event["text"]))

    def _say(self, address: str, *texts: str) -> None:
        if len(self._texts) < 1024:
            self._texts.append((address, *(text[:1024] for text in texts)))
        self._wake = True
        self._lock.notify()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._stop and not self._wake:
                    self._lock.wait(PERIOD if self.subscribers else None)
                if self._stop:
                    return
                self._wake = False
                values, self._values = self._values, {}
                texts, self._texts = self._texts, []
                now = time.monotonic()
                for place in [p for p, s in self.subscribers.items() if s.until < now]:
                    del self.subscribers[place]
                hearers = list(self.subscribers.items())
            for address, *args in texts:
                data = message(address, *args)
                for place, _ in hearers:
                    self.socket.send(data, place)
            if self._stale:
                self._stale = False
                self._directory.clear()
            for (path, port), value in values.items():
                self._echo(written(path, port), path, port, value, hearers)

    def _echo(self, address: str, path: str, port: str, value: Any, hearers: list[tuple[Place, Subscriber]]) -> None:
        """Tells a value to those who want it, as knob position to those who asked for that."""
        data: dict[bool, bytes] = {}
        for place, subscriber in hearers:
            prefix = subscriber.prefix
            knob = prefix.endswith("/knob")
            full = address + "/knob" if knob else address
            if full.startswith(prefix) or (not SPECIAL.isdisjoint(prefix) and like(prefix, full)):
                if knob not in data:
                    try:
                        value_ = self._directory.find(full)[-1].get() if knob else value
                    except PatchError:
                        continue
                    data[knob] = message(full, value_)
                self.socket.send(data[knob], place)
