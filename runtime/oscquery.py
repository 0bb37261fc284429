"""OSCQuery: the address tree over HTTP, changes and values over WebSocket, and a name on the local network.

One thread runs an asyncio loop of its own.  A request gets the JSON of one branch of the tree, a WebSocket hears what
it asked to LISTEN to, and its binary frames are OSC packets that go the way of all others: to the session's OSC port.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import logging
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from graph import PatchError
from graph.errors import show

from . import tree
from .announce import Announcement
from .listeners import Listeners
from .visitors import CONNECTIONS, Refused, Visitors

if TYPE_CHECKING:
    from .session import Session

REQUIRED = ("FULL_PATH", "CONTENTS", "TYPE")
OPTIONAL = ("ACCESS", "VALUE", "RANGE", "DESCRIPTION", "TAGS", "EXTENDED_TYPE", "UNIT", "CLIPMODE", "OVERLOADS")
STREAM = ("LISTEN", "PATH_CHANGED", "PATH_RENAMED", "PATH_REMOVED", "PATH_ADDED")
HEADERS = {"Server": "zrack", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
PATIENCE = 10.0  # seconds for a connection to ask something
START = 10.0  # seconds for the thread to start

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())
_log.propagate = False  # what strangers send must not fill anyone's terminal


class OscQuery:
    """An OSCQuery server of a session, on `host` and `port` (0: any free one) from `start` to `close`.

    `osc_port` is where the session's OSC listens (at `osc_host`, else at `host`).  Beyond loopback only `peers`
    (addresses or networks) are answered.  `announce` says whether zeroconf tells the network; None: beyond loopback
    only, since zeroconf opens a socket of its own.  Raises PatchError for peers that cannot be.
    """

    def __init__(
        self, session: Session, host: str = "127.0.0.1", port: int = 0, osc_port: int = 9000, name: str = "zrack",
        peers: Iterable[str] = (), announce: bool | None = None, osc_host: str | None = None,
    ) -> None:  # fmt: skip
        self.session, self.name = session, name
        self.visitors = Visitors(host, peers)
        self.address = (host, port)
        self.osc = (osc_host or host, osc_port)
        self.announce = self.visitors.open if announce is None else announce
        self.listeners = Listeners(session, self.osc)
        self._busy: set[RequestHandler[Any]] = set()
        self._started: concurrent.futures.Future[tuple[str, int]] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, name="oscquery", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> tuple[str, int]:
        """Listens; returns host and port.  Raises PatchError where it cannot."""
        self._thread.start()
        self.address = self._started.result(START)
        return self.address

    def close(self) -> None:
        """Says goodbye to everyone and stops listening."""
        if self._loop is not None and self._thread.is_alive():
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as e:  # a mistake of ours; whoever started us or the log must know
            if self._started.done():
                self.session.error(f"OSCQuery: {type(e).__name__}: {e}")
            else:
                self._started.set_exception(e)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        host, port = self.address
        handler = web.Server(self._answer, access_log=None, logger=_log, keepalive_timeout=PATIENCE, lingering_time=1.0)

        def connect() -> asyncio.Protocol:
            return handler() if len(handler.connections) < CONNECTIONS else _Full()

        try:
            # one address only, IPv4 first as OSC does: "localhost" is two, and port 0 would be another at each
            found = await self._loop.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)
            place = str(sorted(found)[0][4][0])
            server = await self._loop.create_server(connect, place, port, backlog=64)
        except (OSError, UnicodeError) as e:
            reason = (getattr(e, "strerror", None) or str(e)).lower()
            raise PatchError(f"OSCQuery cannot listen at {host} port {port}: {reason}") from None
        bound = server.sockets[0].getsockname()
        self.address = self.visitors.address = bound[0], bound[1]
        self.listeners.loop = self._loop
        forget = self.session.listen(self.listeners.hear)
        tasks = [asyncio.create_task(self._sweep(handler)), asyncio.create_task(self.listeners.follow())]
        announcement = Announcement(self.name, self.address, self.osc, self.session.error) if self.announce else None
        if announcement:
            self.visitors.announced = announcement.server
            tasks.append(asyncio.create_task(announcement.open()))
        self._started.set_result(self.address)
        try:
            await self._stop.wait()
        finally:
            forget()
            server.close()
            await self.listeners.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if announcement:
                await announcement.close()
            await handler.shutdown(1.0)

    async def _sweep(self, handler: web.Server[Any]) -> None:
        """Closes connections that ask nothing: aiohttp waits for a first request as long as it takes."""
        seen: dict[RequestHandler[Any], float] = {}
        assert self._loop is not None
        while True:
            now = self._loop.time()
            for connection in handler.connections:
                if connection in self._busy:
                    seen.pop(connection, None)
                elif now - seen.setdefault(connection, now) > PATIENCE:
                    connection.force_close()
            seen = {c: t for c, t in seen.items() if c in handler.connections}
            await asyncio.sleep(1.0)

    # requests

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        self._busy.add(connection)
        try:
            self.visitors.check(request)
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await self.listeners.serve(request)
            return await self._get(request)
        except Refused as e:
            headers = {**HEADERS, "Allow": "GET, HEAD"} if e.status == 405 else HEADERS
            return web.Response(status=e.status, text=f"{e}\n", headers=headers)
        except Exception as e:
            self.session.error(f"OSCQuery: {type(e).__name__}: {e}")
            return web.Response(status=500, text="something went wrong here; the log says what\n", headers=HEADERS)
        finally:
            self._busy.discard(connection)

    async def _get(self, request: web.BaseRequest) -> web.Response:
        """The JSON of a branch, of some of its attributes, or of the host."""
        if request.method not in ("GET", "HEAD"):
            raise Refused(405, f"{show(request.method)} is not answered here; there is GET")
        asked = [word.partition("=")[0] for word in request.query_string.split("&") if word]
        for word in asked:
            if word not in (*REQUIRED, *OPTIONAL, "HOST_INFO"):
                raise Refused(400, f"there is no attribute {show(word)} here")
        if "HOST_INFO" in asked:
            return _json(self.host_info(self.visitors.local(request)))
        # in a thread: whoever changes the patch may hold its lock for a while, and listeners must not wait for that
        deep = not asked or "CONTENTS" in asked
        body = await asyncio.to_thread(self._find, request.path, deep, asked)
        if body is None:
            raise Refused(404, f"there is nothing at {show(request.path)}")
        return web.Response(status=204, headers=HEADERS) if not body else _json(body)

    def _find(self, path: str, deep: bool, asked: list[str]) -> str | None:
        """The branch as text, "" where it has none of the attributes, None where there is no branch."""
        with self.session.lock:
            found = tree.find(self.session.patch, path.rstrip("/") or "/", self.session.get, deep)
        if found is None:
            return None
        if asked:
            found = {word: found[word] for word in asked if word in found}
        return json.dumps(found, separators=(",", ":"), allow_nan=False) if found else ""

    def host_info(self, local: str) -> dict[str, Any]:
        """What a client must know; `local` is the address of ours that it reached."""
        host, port = self.osc
        return {
            "NAME": self.name,
            "OSC_IP": local if host in ("", "0.0.0.0", "::", "localhost") else host,
            "OSC_PORT": port,
            "OSC_TRANSPORT": "UDP",
            "WS_IP": local,
            "WS_PORT": self.address[1],
            "EXTENSIONS": dict.fromkeys((*OPTIONAL, *STREAM), True),
        }


class _Full(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _json(body: str | dict[str, Any]) -> web.Response:
    text = body if isinstance(body, str) else json.dumps(body)
    return web.Response(text=text, content_type="application/json", headers=HEADERS)
