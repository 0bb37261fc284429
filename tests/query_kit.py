"""An OSCQuery server for tests, real sockets to talk to it, and a patch that has one of everything it publishes."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest

from graph import Choice, NodeSpec, Param, Patch, Setting, edits, wire
from runtime.osc import Osc
from runtime.osc_packets import parse
from runtime.oscquery import OscQuery
from tests import kit
from tests.osc_stage import Stage

SPECS = kit.SPECS | {
    "osc/in": NodeSpec("osc/in", "Listens.", settings={"address": Setting("/in", kind="text"), "index": Setting(1, 1, 64)}),
    "mod/clock": NodeSpec("mod/clock", "Beats.", params={"bpm": Param(120.0, 1.0, 999.0, "bpm", doc="beats a minute")}),
    "mod/env": NodeSpec("mod/env", "Rises.", choices={"shape": Choice("lin", ("lin", "exp"), doc="of the slope")}),
}


def rack() -> Patch:
    """A bass, a clock, two osc/in, a sub-patch, and a snapshot."""
    p = kit.bass()
    p.specs = SPECS
    p.add("mod/clock", "clock", bpm=90.0)
    p.add("mod/env", "env")
    p.add("osc/in", "fader", address="/fader/1")
    p.add("osc/in", "fader2", address="/fader/1", index=2)
    p.add("osc/in", "odd", address="/node/osc/freq")
    p.add("rack/patch", "voice", patch=kit.voice(), tone=500.0)
    p.apply(edits.SetPatch("snapshots", {"dawn": {"lp": {"cutoff": 100.0}}}))
    return p


@contextmanager
def serving() -> Iterator[tuple[Stage, Osc, OscQuery]]:
    """A stage with that patch, its OSC, and an OSCQuery server that has nothing to complain of until the end."""
    stage = Stage(rack())
    osc = Osc(stage, port=0)  # type: ignore[arg-type]
    query = OscQuery(stage, port=0, osc_port=osc.address[1], name="test rack")  # type: ignore[arg-type]
    query.start()
    try:
        yield stage, osc, query
    finally:
        query.close()
        osc.close()
    assert stage.errors == []


UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13", "Sec_WebSocket_Key": f"{'A' * 22}=="}


def fetch(query: OscQuery, path: str, **headers: str) -> tuple[int, dict[str, str], Any]:
    """(status, headers, JSON or text) of a GET as it is, without a library that would tidy the path."""
    given = {"Host": f"127.0.0.1:{query.address[1]}", **headers}
    head = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in given.items() if v)
    return exchange(query, f"GET {path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())


def exchange(query: OscQuery, request: bytes) -> tuple[int, dict[str, str], Any]:
    """Sends bytes and reads the one answer."""
    with socket.create_connection(query.address, 5) as s:
        s.sendall(request)
        data = b""
        while more := s.recv(1 << 16):
            data += more
            if b"Upgrade" in data:
                break
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    plain = body.decode()
    return int(first.split()[1]), headers, json.loads(plain) if "json" in headers.get("content-type", "") else plain


class Wire:
    """One WebSocket as a client has it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def order(self, command: str, path: Any) -> None:
        await self.socket.send_str(json.dumps({"COMMAND": command, "DATA": path}))

    async def next(self, seconds: float = 3.0) -> Any:
        """The next frame: (address, *args) or the JSON."""
        frame = await self.socket.receive(seconds)
        if frame.type is aiohttp.WSMsgType.BINARY:
            (found,) = parse(frame.data)
            return found.address, *found.args
        assert frame.type is aiohttp.WSMsgType.TEXT, frame
        return json.loads(frame.data)

    async def quiet(self, seconds: float = 0.2) -> None:
        """Nothing comes."""
        with pytest.raises(asyncio.TimeoutError):
            await self.next(seconds)


def talk(query: OscQuery, what: Callable[[Wire], Coroutine[Any, Any, None]], host: str = "127.0.0.1") -> None:
    """Runs `what` over a WebSocket."""

    async def run() -> None:
        url = f"http://{host}:{query.address[1]}/"
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            await what(Wire(socket))

    asyncio.run(run())


def until(done: Callable[[], bool]) -> None:
    """Waits for something that happens soon."""
    end = time.monotonic() + 5.0
    while not done():
        assert time.monotonic() < end
        time.sleep(0.005)


def edit(stage: Stage, *edits_: edits.Edit) -> None:
    """Applies edits through the session."""
    for one in edits_:
        stage.op({"do": wire.to_map(one)})
