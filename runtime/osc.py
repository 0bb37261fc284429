"""The OSC server: packets come in over UDP, become values and commands of a session, and are answered.

One thread receives.  While it keeps up, every message is applied; when it is behind, a value that a later valid
message to the same address replaces is left out and counted.  Commands, bundles and what `osc/in` nodes listen to
are never left out.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from graph import PatchError
from graph.errors import show

from .addresses import Directory, Listener, Outside, Target, Unknown
from .osc_answers import Answers
from .osc_commands import COMMANDS, Desk
from .osc_packets import FIXED, NOW, Malformed, Message, parse, unix
from .osc_socket import BATCH, Socket

if TYPE_CHECKING:
    from .session import Session

BEHIND = 2048  # messages that wait: fewer are applied one by one, since the machine itself may have stalled
WAITING, BYTES = 8192, 8 << 20  # messages, and bytes of them, taken from the kernel before they are looked at
AHEAD = 3600.0  # seconds that a bundle may be early
TIMED = 1024  # commands that wait for their time
HEADS = 1 << 14  # beginnings of messages that are kept
NUMBERS = {f",{kind}\0\0".encode(): FIXED[kind] for kind in "fidh"}
Packet = tuple[bytes, bytes]  # what came, from whom
OWN = ("/ping", "/get", "/subscribe", "/unsubscribe")


@dataclass
class Counts:
    """Messages since the start.  A packet that is malformed or a stranger's counts as one."""

    received: int = 0
    applied: int = 0
    superseded: int = 0  # left out, since a later one to the same address came while the server was behind
    malformed: int = 0
    unknown: int = 0  # nothing listens at their address
    refused: int = 0  # a wrong value or a command that cannot be done; answered at /error
    late: int = 0  # of those applied: after their timetag
    strangers: int = 0  # from hosts that are no peers


class Osc:
    """An OSC server of a session, bound to `host` and `port` (0: any free one) until `close`.

    `peers` may talk to it from other machines.  `address` is where it listens.  Raises PatchError where it cannot listen.
    """

    def __init__(self, session: Session, host: str = "127.0.0.1", port: int = 9000, peers: Iterable[str] = ()) -> None:
        self.session = session
        self.counts = Counts()
        self.directory = Directory(session, (*COMMANDS, *OWN))
        self.socket = Socket(host, port, peers)
        self.address = self.socket.address
        self._desk = Desk(session)
        self._heads: dict[int, dict[bytes, tuple[Target, Callable[..., tuple[Any, ...]]]]] = {4: {}, 8: {}}
        self._newest: dict[Target, tuple[float | str, bytes]] = {}
        self._tag = (NOW, 0)
        self._timed: list[tuple[float, int, Message, bytes]] = []
        self._serial = itertools.count()
        self._stale = self._stop = self._behind = False
        self._answers = Answers(session, self.socket, self._changed)
        self._thread = threading.Thread(target=self._run, name="osc", daemon=True)
        self._thread.start()

    def count(self) -> dict[str, int]:
        """All counters by name; `lost` is what the kernel had no room for, `unanswered` the errors not sent."""
        return {**asdict(self.counts), "lost": self.socket.lost(), "unanswered": self._answers.unanswered}

    def close(self) -> None:
        """Stops listening."""
        self._stop = True
        self._thread.join()
        self._answers.close()
        self.socket.close()

    def _changed(self) -> None:
        self._stale = True

    # receiving

    def _run(self) -> None:
        while not self._stop:
            packets = self._collect()
            if self._answers.subscribers:
                for name in {name for _, name in packets}:
                    self._answers.renew(self.socket.sender(name))
            self._behind = len(packets) > BEHIND
            todo = iter(packets)
            while True:
                try:
                    self._take(todo)
                    self._flush()
                    self._do_timed()
                    break
                except Exception as e:  # a mistake of ours or of the session must not end the thread
                    self.session.error(f"OSC: {type(e).__name__}: {e}")

    def _collect(self) -> list[Packet]:
        """What has come.  Waits for the first, but not longer than the next command or a look around may."""
        packets: list[Packet] = []
        size = 0
        while size < BYTES and len(packets) < WAITING:
            some = self.socket.take()
            packets += some
            size += sum(len(data) for data, _ in some)
            if not packets:
                due = self._timed[0][0] - time.time() if self._timed else 0.1
                if not self.socket.wait(min(due, 0.1)):
                    break
            elif len(some) < BATCH:
                break
        return packets

    def _take(self, packets: Iterator[Packet]) -> None:
        """Applies packets in order."""
        counts, four, eight, stranger = self.counts, self._heads[4], self._heads[8], self.socket.open
        for data, name in packets:
            if self._stale:
                self._forget()
            if stranger and self.socket.sender(name) is None:
                counts.received += 1
                counts.strangers += 1
                continue
            # all before a last number, as bytes, says whose it is: it was checked when it first came
            if (head := four.get(data[:-4])) is not None:
                counts.received += 1
                self._value(head[0], head[1](data, len(data) - 4)[0], name)
            elif (head := eight.get(data[:-8])) is not None:
                counts.received += 1
                self._value(head[0], head[1](data, len(data) - 8)[0], name)
            else:
                try:
                    messages = parse(data)
                except Malformed as e:
                    counts.received += 1
                    counts.malformed += 1
                    self._error(name, partial(_malformed, data, e))
                    continue
                for message in messages:
                    counts.received += 1
                    self._message(message, name, data)

    def _forget(self) -> None:
        """The patch has changed: addresses may mean something else now."""
        self._stale = False
        self._flush()
        self.directory.clear()
        for heads in self._heads.values():
            heads.clear()

    # values

    def _value(self, target: Target, arg: Any, name: bytes) -> None:
        """One argument of a plain message for one value, now."""
        try:
            value = target.convert(arg)
        except Outside as e:
            self._outside(target, e, name)
            return
        except PatchError as e:
            self._refuse(name, e, target.address)
            return
        if self._behind and target.stream:
            if self._newest.pop(target, None) is not None:
                self.counts.superseded += 1
            self._newest[target] = value, name
        else:
            self._put(target, value, name)

    def _put(self, target: Target, value: float | str, name: bytes) -> None:
        """Sets a value now."""
        try:
            target.put(value)
            self.counts.applied += 1
        except PatchError as e:
            self._refuse(name, e, target.address)

    def _outside(self, target: Target, error: Outside, name: bytes) -> None:
        """Sets the nearest value of the range, and says so."""
        self._flush()
        self._put(target, error.value, name)
        self._error(name, partial(str, error), target.address)

    def _flush(self) -> None:
        """Applies the values that waited for a newer one."""
        newest, self._newest = self._newest, {}
        for target, (value, name) in newest.items():
            self._put(target, value, name)

    def _message(self, message: Message, name: bytes, data: bytes) -> None:
        """Any message, of a bundle or on its own."""
        address, args, tag = message
        try:
            command = address in COMMANDS or address in OWN
            targets = [] if command else self.directory.find(address)
            if tag == NOW and len(targets) == 1 and len(args) == 1 and targets[0].index <= 0 and data[:1] == b"/":
                self._learn(data, address, targets[0])
                self._value(targets[0], args[0], name)
                return
            self._flush()  # what came before happens before
            at, late = self._when(tag)
            if command:
                if at:
                    self._later(message, name)
                    return
                self._command(address, args, name)
            else:
                self._values(targets, address, args, at, name)
            self.counts.applied += 1
            self.counts.late += late
        except Unknown as e:
            self.counts.unknown += 1
            self._error(name, partial(str, e), address)
        except PatchError as e:
            self._refuse(name, e, address)

    def _learn(self, data: bytes, address: str, target: Target) -> None:
        """Remembers the bytes before a single number."""
        tags = 4 * (len(address) // 4 + 1)
        found = NUMBERS.get(data[tags : tags + 4])
        if found is not None:
            heads = self._heads[found.size]
            if len(heads) >= HEADS:
                heads.clear()
            heads[data[: tags + 4]] = target, found.unpack_from

    def _values(self, targets: list[Target], address: str, args: tuple[Any, ...], at: int, name: bytes) -> None:
        """A message for values at sample `at`; without arguments it asks for them, or is a bang."""
        for target in targets:
            if isinstance(target, Listener):
                if not args:
                    target.hit(at)
                    continue
                if len(args) <= target.index:
                    raise target.error(f"takes argument {target.index + 1} of {address}, which has {len(args)}")
                arg = args[target.index]
            elif not args:
                self._reply(name, target.address, target.get())
                continue
            elif len(args) == 1:
                arg = args[0]
            else:
                raise target.error(f"{target.port} takes one value, not {len(args)}")
            try:
                target.put(target.convert(arg), at)
            except Outside as e:
                target.put(e.value, at)
                self._error(name, partial(str, e), target.address)

    # time

    def _when(self, tag: int) -> tuple[int, bool]:
        """The sample of a timetag, 0 for at once, and whether it is past.  Raises PatchError where it is far ahead."""
        if tag == NOW:
            return 0, False
        if tag != self._tag[0] or self._tag[1] <= self.session.now():
            seconds = unix(tag)
            if seconds > time.time() + AHEAD:
                raise PatchError(f"a bundle may be {AHEAD:.0f} seconds early, not {show(seconds - time.time())}")
            self._tag = tag, self.session.sample(seconds)
        at = self._tag[1]
        return (at, False) if at > self.session.now() else (0, True)

    def _later(self, message: Message, name: bytes) -> None:
        """Keeps a command until its time comes, by the clock of the machine."""
        if len(self._timed) >= TIMED:
            raise PatchError(f"{TIMED} commands wait for their time already")
        heapq.heappush(self._timed, (unix(message.tag), next(self._serial), message, name))

    def _do_timed(self) -> None:
        """Runs the commands whose time has come."""
        while self._timed and self._timed[0][0] <= time.time():
            _, _, (address, args, _), name = heapq.heappop(self._timed)
            self._message(Message(address, args), name, b"")

    # commands

    def _command(self, address: str, args: tuple[Any, ...], name: bytes) -> None:
        place = self.socket.sender(name)
        command = COMMANDS.get(address)
        if command is not None:
            try:
                if command.wanted(args):
                    command.run(self._desk, *command.read(address, args))
            finally:
                if address.startswith("/patch/"):
                    self._stale = True
        elif place is None:
            return
        elif address == "/ping":
            self._reply(name, "/pong", *args)
        elif address == "/get":
            if not args or not all(isinstance(a, str) for a in args):
                raise PatchError("/get takes an address")
            for arg in args:
                for target in self.directory.find(arg):
                    self._reply(name, target.address, target.get())
        elif address == "/unsubscribe":
            self._answers.unsubscribe(place)
        else:
            prefix = args[0] if args else "/"
            if not isinstance(prefix, str) or not prefix.startswith("/"):
                raise PatchError(f"/subscribe takes the beginning of addresses, such as /node/filter, not {show(prefix)}")
            self._answers.subscribe(place, prefix)

    # answers

    def _reply(self, name: bytes, address: str, *args: Any) -> None:
        place = self.socket.sender(name)
        if place is not None:
            self._answers.answer(place, address, *args)

    def _refuse(self, name: bytes, error: PatchError, address: str) -> None:
        self.counts.refused += 1
        self._error(name, partial(str, error), address)

    def _error(self, name: bytes, text: Callable[[], str], address: str = "") -> None:
        place = self.socket.sender(name)
        if place is not None:
            self._answers.error(place, text, address)


def _malformed(data: bytes, error: Malformed) -> str:
    return f"a packet of {len(data)} bytes was left out: {error}"
