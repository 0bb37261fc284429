"""WebSockets of OSCQuery: what each asked to LISTEN to, what changed in the tree, and OSC packets either way."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from graph import PatchError
from graph.errors import show
from graph.spec import Param

from . import tree
from .osc_packets import message
from .tree_changes import Shape, changes, common, moves, others, shape
from .visitors import Refused

if TYPE_CHECKING:
    from .session import Session

PERIOD = 0.05  # seconds between values of one address
CLIENTS = 32
PATHS = 4096  # that one client listens to
FRAMES = 1024  # that may wait for one client
ERRORS = 64  # the same, while errors are added
COALESCE = 64  # changes; more are told as one
SLOW = 5.0  # seconds for a client to take a frame
PACKET = 65507  # bytes, what fits into UDP
FORGET = 20.0  # seconds between signs of life


@dataclass(eq=False)
class Client:
    """One WebSocket: frames that wait for it, the newest value of each address that does, what it listens to."""

    socket: web.WebSocketResponse
    request: web.BaseRequest
    frames: deque[str | bytes] = field(default_factory=deque)
    values: dict[str, bytes] = field(default_factory=dict)
    paths: set[str] = field(default_factory=set)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    udp: asyncio.DatagramTransport | None = None
    gone: bool = False

    def send(self, frame: str) -> None:
        """Queues what it must know of; a client that lets too many frames wait is dropped."""
        self.gone = self.gone or not self.offer(frame, FRAMES)
        self.wake.set()

    def offer(self, frame: str | bytes, room: int = FRAMES // 2) -> bool:
        """Queues a frame while fewer than `room` wait; else it is left out, as a full UDP socket would do."""
        if len(self.frames) >= room:
            return False
        self.frames.append(frame)
        self.wake.set()
        return True

    def error(self, text: str) -> None:
        """Tells what was wrong, as OSC does."""
        self.offer(message("/error", text), ERRORS)

    async def write(self) -> None:
        """Sends what waits until the client is gone: frames at once, values at most every PERIOD."""
        loop, due = asyncio.get_running_loop(), 0.0
        try:
            while not self.gone:
                await self.wake.wait()
                self.wake.clear()
                while self.frames and not self.gone:
                    await self._put(self.frames.popleft())
                if self.values and loop.time() < due:
                    loop.call_at(due, self.wake.set)
                elif self.values:
                    due = loop.time() + PERIOD
                    values, self.values = self.values, {}
                    for packet in values.values():
                        await self._put(packet)
        except (TimeoutError, ConnectionError):
            self.gone = True
        if self.request.transport:
            self.request.transport.abort()  # a slow client would not take a close frame either

    async def _put(self, frame: str | bytes) -> None:
        send: Any = self.socket.send_str if isinstance(frame, str) else self.socket.send_bytes
        await asyncio.wait_for(send(frame), SLOW)


class _Replies(asyncio.DatagramProtocol):
    """What the OSC server answers a client goes back through its WebSocket."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.client.offer(data)


@dataclass(eq=False)
class Wanted:
    """An address that someone listens to: its port, the param where it is a knob, the last value sent and how many were."""

    path: str
    port: str
    knob: Param | None
    clients: set[Client] = field(default_factory=set)
    last: Any = None
    told: int = 0


class Listeners:
    """The WebSockets of one server.  `osc` is host and port of the session's OSC."""

    def __init__(self, session: Session, osc: tuple[str, int]) -> None:
        self.session = session
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(osc[0], osc[0])
        self.osc = host, osc[1]
        self.clients: set[Client] = set()
        self.wanted: dict[str, Wanted] = {}
        self.ports: dict[tuple[str, str], set[str]] = {}  # the wanted addresses of a port
        self._shape: Shape = {}
        self._rest: dict[str, Any] = {}
        self._dirty = self._loaded = False
        self.loop: asyncio.AbstractEventLoop | None = None

    # clients

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """One WebSocket from its first frame to its last."""
        if len(self.clients) >= CLIENTS:
            raise Refused(503, f"there are {CLIENTS} WebSockets already")
        socket = web.WebSocketResponse(max_msg_size=PACKET, heartbeat=FORGET, compress=False, timeout=1.0)
        if not socket.can_prepare(request):
            raise Refused(400, "this is no request for a WebSocket")
        client = Client(socket, request)
        self.clients.add(client)
        writer = None
        try:
            with suppress(ConnectionError):
                await socket.prepare(request)
                writer = asyncio.create_task(client.write())
                async for frame in socket:
                    if frame.type is WSMsgType.BINARY:
                        await self._packet(client, frame.data)
                    elif frame.type is WSMsgType.TEXT:
                        await self._command(client, frame.data)
        finally:
            self.clients.discard(client)
            for address in list(client.paths):
                self._ignore(client, address)
            client.gone = True
            if writer:
                writer.cancel()
            if client.udp:
                client.udp.close()
        return socket

    async def _packet(self, client: Client, data: bytes) -> None:
        """An OSC packet, handed to the session's OSC as any other."""
        if client.udp is None:
            try:
                client.udp = await self._reach(client)
            except OSError as e:
                return client.error(f"OSC is not to be reached: {(e.strerror or str(e)).lower()}")
        client.udp.sendto(data)
        return None

    async def _reach(self, client: Client) -> asyncio.DatagramTransport:
        """A socket to the session's OSC; bound to loopback, since from there everyone is welcome at any address."""
        assert self.loop is not None
        source = "::1" if ":" in self.osc[0] else "127.0.0.1", 0
        with suppress(OSError):  # not every system lets loopback talk to its other addresses
            return (await self.loop.create_datagram_endpoint(lambda: _Replies(client), source, self.osc))[0]
        return (await self.loop.create_datagram_endpoint(lambda: _Replies(client), None, self.osc))[0]

    async def _command(self, client: Client, text: str) -> None:
        """LISTEN or IGNORE."""
        try:
            order = json.loads(text)
            word, address = order["COMMAND"], order["DATA"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return client.error('a command is {"COMMAND": …, "DATA": …}')
        if word not in ("LISTEN", "IGNORE") or not isinstance(address, str):
            return client.error(f"there is no command {show(word)} here, only LISTEN and IGNORE with an address")
        if word == "IGNORE":
            return self._ignore(client, address)
        if len(client.paths) >= PATHS:
            return client.error(f"you listen to {PATHS} addresses already")
        found = await asyncio.to_thread(self._place, address)
        if found is None:
            if not await asyncio.to_thread(self._exists, address):
                client.error(f"there is nothing at {show(address)} to listen to")
            return None  # clients listen to commands too, which have no value
        path, port, knob, _ = found
        wanted = self.wanted.get(address) or self._add(address, Wanted(path, port, knob))
        wanted.clients.add(client)
        client.paths.add(address)
        # the value is read again now that changes are heard, and is old if one was heard meanwhile
        told, found = wanted.told, await asyncio.to_thread(self._place, address)
        if found is not None and wanted.told == told:
            self._tell(address, wanted, found[3], [client])
        return None

    def _ignore(self, client: Client, address: str) -> None:
        client.paths.discard(address)
        client.values.pop(address, None)
        wanted = self.wanted.get(address)
        if wanted:
            wanted.clients.discard(client)
            if not wanted.clients:
                self._drop(address)

    def _add(self, address: str, wanted: Wanted) -> Wanted:
        self.wanted[address] = wanted
        self.ports.setdefault((wanted.path, wanted.port), set()).add(address)
        return wanted

    def _drop(self, address: str) -> Wanted:
        wanted = self.wanted.pop(address)
        addresses = self.ports[wanted.path, wanted.port]
        addresses.discard(address)
        if not addresses:
            del self.ports[wanted.path, wanted.port]
        return wanted

    def _place(self, address: str) -> tuple[str, str, Param | None, Any] | None:
        """(path, port, knob's param, value) of an address that can be listened to."""
        with self.session.lock:
            found = tree.place(self.session.patch, address)
            if found is None:
                return None
            try:
                return *found, tree.value(self.session.patch, found[0], found[1], self.session.get)
            except PatchError:
                return None

    def _exists(self, address: str) -> bool:
        with self.session.lock:
            found = tree.find(self.session.patch, address, deep=False)
        return found is not None and found["ACCESS"] > 0

    # values

    def hear(self, event: dict[str, Any]) -> None:
        """What the session tells its listeners, on any thread."""
        if self.loop is None or event["kind"] not in ("values", "op", "loaded"):
            return
        with suppress(RuntimeError):  # closed meanwhile
            if event["kind"] == "values":
                self.loop.call_soon_threadsafe(self._values, event["values"])
            else:
                self.loop.call_soon_threadsafe(self._change, event["kind"] == "loaded")

    def _values(self, values: Iterable[tuple[str, str, Any]]) -> None:
        for path, port, value in values:
            for address in self.ports.get((path, port), ()):
                wanted = self.wanted[address]
                self._tell(address, wanted, value, wanted.clients)

    def _tell(self, address: str, wanted: Wanted, value: Any, clients: Iterable[Client]) -> None:
        """Queues a value; one that still waits is replaced."""
        wanted.last, wanted.told = value, wanted.told + 1
        if wanted.port == "bypass":
            value = bool(value)
        elif not isinstance(value, str):
            value = wanted.knob.knob(float(value)) if wanted.knob else float(value)
        packet = message(address, value)
        for client in clients:
            client.values[address] = packet
            client.wake.set()

    # the tree

    def _change(self, loaded: bool) -> None:
        self._dirty, self._loaded = True, self._loaded or loaded

    async def follow(self) -> None:
        """Tells every client what changed in the tree, at most every PERIOD."""
        self._shape, self._rest = await asyncio.to_thread(self._look)
        while True:
            await asyncio.sleep(PERIOD)
            if not self._dirty:
                continue
            loaded, self._dirty, self._loaded = self._loaded, False, False
            try:
                await self._compare(loaded)
            except Exception as e:  # a mistake of ours must not leave everyone deaf
                self.session.error(f"OSCQuery: {type(e).__name__}: {e}")

    def _look(self) -> tuple[Shape, dict[str, Any]]:
        with self.session.lock:
            return shape(self.session.patch), others(self.session.patch)

    async def _compare(self, loaded: bool) -> None:
        before, (self._shape, self._rest) = (self._shape, self._rest), await asyncio.to_thread(self._look)
        found = changes(before[0], self._shape) + moves(before[1], self._rest)
        renamed = [address for kind, address in found if kind == "RENAMED"]
        await self._revise(renamed)
        if loaded:
            found = [("CHANGED", "/")]
        frames = [] if len(found) > COALESCE else [_frame(kind, address) for kind, address in found if kind != "CHANGED"]
        if found:
            frames.append(_frame("CHANGED", common(_reload(kind, address) for kind, address in found)))
        for client in self.clients:
            for frame in frames:
                client.send(frame)

    async def _revise(self, renamed: list[tuple[str, str]]) -> None:
        """Keeps what is listened to true: renamed with its node, dropped with it, told where an edit set it."""
        after = {a: new + a[len(old) :] for old, new in renamed for a in self.wanted if a.startswith(f"{old}/")}
        moved = {address: self._drop(address) for address in after}
        for old, wanted in moved.items():
            if after[old] in self.wanted:  # the name was another's, whose listeners stay and hear the new value
                wanted.clients |= self._drop(after[old]).clients
                wanted.last = None
            self._add(after[old], wanted)
        for client in self.clients:
            client.paths = {after.get(a, a) for a in client.paths}
            client.values = {a: v for a, v in client.values.items() if a not in after}
        told = {address: wanted.told for address, wanted in self.wanted.items()}
        places = await asyncio.to_thread(lambda: {a: self._place(a) for a in told})
        for address, place in places.items():
            if address not in self.wanted:
                continue
            if place is None:
                for client in list(self.wanted[address].clients):
                    self._ignore(client, address)
                continue
            path, port, knob, value = place
            wanted = self._drop(address)
            wanted.path, wanted.port, wanted.knob = path, port, knob
            self._add(address, wanted)
            if value != wanted.last and wanted.told == told[address]:
                self._tell(address, wanted, value, wanted.clients)

    async def close(self) -> None:
        """Says goodbye to all clients."""
        goodbyes = [client.socket.close(code=1001, message=b"the session ends") for client in self.clients]
        await asyncio.gather(*goodbyes, return_exceptions=True)


def _frame(kind: str, address: Any) -> str:
    data = {"OLD": address[0], "NEW": address[1]} if kind == "RENAMED" else address
    return json.dumps({"COMMAND": f"PATH_{kind}", "DATA": data})


def _reload(kind: str, address: Any) -> str:
    """What a client that only knows PATH_CHANGED must read again: around what came, went or moved, its container."""
    if kind == "CHANGED":
        return str(address)
    return str(address[1] if kind == "RENAMED" else address).rpartition("/")[0] or "/"
