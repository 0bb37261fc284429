"""OSCQuery over WebSocket: values, edits, OSC packets, clients that are slow or talk rubbish."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from collections.abc import Iterator

import aiohttp
import psutil
import pytest

from graph import Patch, edits
from nodes import catalog
from runtime import listeners
from runtime.osc import Osc
from runtime.osc_packets import message
from runtime.oscquery import OscQuery
from runtime.session import Session
from tests.osc_stage import Stage
from tests.query_kit import UPGRADE, Wire, edit, fetch, serving, talk, until

Served = tuple[Stage, Osc, OscQuery]


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as found:
        yield found


@pytest.fixture
def stage(served: Served) -> Stage:
    return served[0]


@pytest.fixture
def osc(served: Served) -> Osc:
    return served[1]


@pytest.fixture
def query(served: Served) -> OscQuery:
    return served[2]


def test_listeners_hear_values(query: OscQuery, stage: Stage) -> None:
    async def what(wire: Wire) -> None:
        for port in ("cutoff", "cutoff/knob", "slope", "bypass"):
            await wire.order("LISTEN", f"/node/lp/{port}")
        assert await wire.next() == ("/node/lp/cutoff", 800.0)
        assert (await wire.next())[0] == "/node/lp/cutoff/knob"
        assert await wire.next() == ("/node/lp/slope", "24 dB")
        assert await wire.next() == ("/node/lp/bypass", False)
        stage.tell({"kind": "values", "values": [("lp", "cutoff", 20000.0), ("lp", "bypass", 1.0), ("osc", "freq", 1.0)]})
        heard = {found[0]: found[1:] for found in [await wire.next() for _ in range(3)]}
        assert heard == {"/node/lp/cutoff": (20000.0,), "/node/lp/cutoff/knob": (1.0,), "/node/lp/bypass": (True,)}
        await wire.order("IGNORE", "/node/lp/cutoff")
        await wire.order("IGNORE", "/node/lp/cutoff/knob")
        await asyncio.sleep(0.05)
        stage.tell({"kind": "values", "values": [("lp", "cutoff", 30.0), ("lp", "slope", "12 dB")]})
        assert await wire.next() == ("/node/lp/slope", "12 dB")
        await wire.quiet()

    talk(query, what)
    until(lambda: not query.listeners.wanted)
    assert not query.listeners.ports and not query.listeners.clients


def test_a_fast_stream_is_thinned_to_its_newest(query: OscQuery, stage: Stage) -> None:
    async def what(wire: Wire) -> None:
        await wire.order("LISTEN", "/node/osc/freq")
        await wire.next()
        begin = time.monotonic()
        for i in range(1, 301):
            stage.tell({"kind": "values", "values": [("osc", "freq", float(i))]})
            await asyncio.sleep(0.001)
        heard = [0.0]
        while heard[-1] != 300.0:
            heard.append((await wire.next())[1])
        assert heard == sorted(heard)
        assert len(heard) - 1 <= (time.monotonic() - begin) / listeners.PERIOD + 2

    talk(query, what)


def test_listeners_hear_edits_and_follow_names(query: OscQuery, stage: Stage) -> None:
    async def what(wire: Wire) -> None:
        await wire.order("LISTEN", "/node/lp/cutoff")
        await wire.next()
        edit(stage, edits.SetParam("lp", "cutoff", 50.0))
        assert await wire.next() == ("/node/lp/cutoff", 50.0)
        stage.op({"undo": 1})
        assert await wire.next() == ("/node/lp/cutoff", 800.0)
        edit(stage, edits.Rename("lp", "filter"))
        assert await wire.next() == {"COMMAND": "PATH_RENAMED", "DATA": {"OLD": "/node/lp", "NEW": "/node/filter"}}
        assert await wire.next() == {"COMMAND": "PATH_CHANGED", "DATA": "/node"}
        stage.set("filter", "cutoff", 70.0)
        stage.tell({"kind": "values", "values": [("filter", "cutoff", 70.0)]})
        assert await wire.next() == ("/node/filter/cutoff", 70.0)
        edit(stage, edits.AddNode("source/saw", "saw"), edits.SetPatch("snapshots", {}))
        assert await wire.next() == {"COMMAND": "PATH_ADDED", "DATA": "/node/saw"}
        assert await wire.next() == {"COMMAND": "PATH_CHANGED", "DATA": "/"}
        edit(stage, edits.RemoveNode("filter"))
        assert await wire.next() == {"COMMAND": "PATH_REMOVED", "DATA": "/node/filter"}
        assert await wire.next() == {"COMMAND": "PATH_CHANGED", "DATA": "/node"}
        stage.tell({"kind": "values", "values": [("filter", "cutoff", 80.0)]})
        edit(stage, edits.SetSetting("fader", "address", "/pad/3"))
        assert await wire.next() == {"COMMAND": "PATH_ADDED", "DATA": "/pad/3"}
        await wire.next()
        stage.tell({"kind": "loaded"})
        assert await wire.next() == {"COMMAND": "PATH_CHANGED", "DATA": "/"}

    talk(query, what)


def test_a_name_that_another_node_takes(query: OscQuery, stage: Stage) -> None:
    async def what(wire: Wire) -> None:
        for name in ("osc", "lfo"):
            await wire.order("LISTEN", f"/node/{name}/freq")
            await wire.next()
        edit(stage, edits.Edits((edits.RemoveNode("osc"), edits.Rename("lfo", "osc"))))
        heard = [await wire.next() for _ in range(4)]
        assert ("/node/osc/freq", 2.0) in heard
        assert [found["COMMAND"] for found in heard if isinstance(found, dict)] == [
            "PATH_REMOVED",
            "PATH_RENAMED",
            "PATH_CHANGED",
        ]
        stage.set("osc", "freq", 7.0)
        stage.tell({"kind": "values", "values": [("osc", "freq", 7.0)]})
        assert await wire.next() == ("/node/osc/freq", 7.0)
        await wire.order("IGNORE", "/node/osc/freq")
        until(lambda: not query.listeners.wanted)

    talk(query, what)


def test_packets_go_the_way_of_osc(query: OscQuery, osc: Osc, stage: Stage) -> None:
    async def what(wire: Wire) -> None:
        await wire.socket.send_bytes(message("/node/lp/cutoff", 123.0))
        await wire.socket.send_bytes(message("/ping", 7))
        assert await wire.next() == ("/pong", 7)
        assert ("lp", "cutoff", 123.0, False, 0) in stage.sets
        await wire.socket.send_bytes(message("/node/lp/cutof", 1.0))
        address, text, about = await wire.next()
        assert (address, about) == ("/error", "/node/lp/cutof") and "cutoff" in text
        await wire.socket.send_bytes(b"\xff" * 400)
        assert (await wire.next())[0] == "/error"

    talk(query, what)
    assert osc.counts.malformed == 1


def test_wrong_orders_are_answered_with_a_sentence(query: OscQuery) -> None:
    async def what(wire: Wire) -> None:
        wrong = [
            "",
            "[]",
            "{",
            "7",
            '{"COMMAND": 1, "DATA": "/"}',
            '{"COMMAND": "LISTEN"}',
            "[" * 20_000,
            '{"COMMAND": [], "DATA": {}}',
        ]
        for text in wrong:
            await wire.socket.send_str(text)
            found = await wire.next()
            assert found[0] == "/error" and isinstance(found[1], str), text
        for path in ("/nope", "/node/lp", "/node/lp/nope", "/node/*/cutoff", 7):
            await wire.order("LISTEN", path)
            assert (await wire.next())[0] == "/error", path
        await wire.order("LISTEN", "/transport/play")  # has no value, but some clients listen to all there is
        await wire.order("IGNORE", "/never/heard")
        await wire.order("LISTEN", "/clock/tempo")
        assert await wire.next() == ("/clock/tempo", 90.0)

    talk(query, what)


def test_limits(query: OscQuery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "PATHS", 2)
    monkeypatch.setattr(listeners, "CLIENTS", 1)

    async def what(wire: Wire) -> None:
        assert fetch(query, "/", Upgrade="websocket")[0] == 503
        for port in ("cutoff", "resonance", "slope"):
            await wire.order("LISTEN", f"/node/lp/{port}")
        heard = {(await wire.next())[0] for _ in range(3)}
        assert heard == {"/node/lp/cutoff", "/node/lp/resonance", "/error"}
        await wire.socket.send_bytes(b"x" * (listeners.PACKET + 1))
        frame = await wire.socket.receive(3)
        assert frame.type is aiohttp.WSMsgType.CLOSE and frame.data == 1009

    talk(query, what)
    assert fetch(query, "/node")[0] == 200


def test_a_slow_client_is_dropped(query: OscQuery, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "SLOW", 0.3)
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(query.address)
        upgrade = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in UPGRADE.items())
        s.sendall(f"GET / HTTP/1.1\r\nHost: localhost:{query.address[1]}\r\n{upgrade}\r\n".encode())
        assert s.recv(4096).startswith(b"HTTP/1.1 101")
        until(lambda: bool(query.listeners.clients))
        for i in range(200):  # a client that never reads: its buffers fill, then its queue
            if not query.listeners.clients:
                break
            frame = "x" * (1 << 16)
            for client in list(query.listeners.clients):
                query.listeners.loop.call_soon_threadsafe(client.send, frame)  # type: ignore[union-attr]
            time.sleep(0.02)
        until(lambda: not query.listeners.clients)
    assert fetch(query, "/node")[0] == 200


def test_a_held_lock_does_not_silence_listeners(query: OscQuery, stage: Stage) -> None:
    async def what(wire: Wire) -> None:
        await wire.order("LISTEN", "/node/osc/freq")
        await wire.next()
        held, free = threading.Event(), threading.Event()

        def hold() -> None:
            with stage.lock:
                held.set()
                free.wait(5)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(5)
        asking = asyncio.create_task(asyncio.to_thread(fetch, query, "/node"))
        stage.tell({"kind": "values", "values": [("osc", "freq", 5.0)]})
        assert await wire.next() == ("/node/osc/freq", 5.0)
        assert not asking.done()
        free.set()
        assert (await asking)[0] == 200
        thread.join()

    talk(query, what)


def test_rubbish_harms_nobody(query: OscQuery, stage: Stage) -> None:
    dice = random.Random(1)
    pieces = [
        b"GET ",
        b"/",
        b" HTTP/1.1\r\n",
        b"Host: localhost:",
        str(query.address[1]).encode(),
        b"\r\n",
        b"?VALUE",
        b"%",
        b"\0",
    ]
    pieces += [
        b"Upgrade: websocket\r\n",
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"\xff\xfe",
        b"/node/lp",
    ]
    for _ in range(150):
        with socket.create_connection(query.address, 5) as s:
            s.sendall(b"".join(dice.choice(pieces) for _ in range(dice.randrange(1, 12))))

    async def what(wire: Wire) -> None:
        for _ in range(100):
            size = dice.randrange(1, 200)
            data = dice.choice([b"", b"/node", b"#bundle\0"]) + dice.randbytes(size)
            await wire.socket.send_bytes(data)
            await wire.socket.send_str(data.decode("latin-1"))
        await wire.order("LISTEN", "/node/osc/freq")
        while (await wire.next())[0] != "/node/osc/freq":
            pass

    talk(query, what)
    assert fetch(query, "/node/osc/freq?VALUE")[2] == {"VALUE": [220.0]}
    assert stage.errors == []


def test_osc_at_another_address_of_this_machine_is_reached(stage: Stage) -> None:
    mine = [a.address for s in psutil.net_if_addrs().values() for a in s if a.family == socket.AF_INET]
    server = Osc(stage, mine[-1], 0, peers=["203.0.113.0/24"])  # type: ignore[arg-type]
    query = OscQuery(stage, osc_host=mine[-1], osc_port=server.address[1])  # type: ignore[arg-type]
    query.start()

    async def what(wire: Wire) -> None:
        await wire.socket.send_bytes(message("/ping", 7))
        assert await wire.next() == ("/pong", 7)

    talk(query, what)
    query.close()
    server.close()


def test_closing_says_goodbye(stage: Stage) -> None:
    server = OscQuery(stage)  # type: ignore[arg-type]
    server.start()

    async def what(wire: Wire) -> None:
        await wire.order("LISTEN", "/node/osc/freq")
        await wire.next()
        closing = asyncio.create_task(asyncio.to_thread(server.close))
        frame = await wire.socket.receive(5)
        assert frame.type is aiohttp.WSMsgType.CLOSE and frame.data == 1001
        await closing

    talk(server, what)


def test_a_playing_session_is_heard() -> None:
    catalog.load()
    patch = Patch()
    patch.add("source/saw", "saw")
    patch.add("rack/patch", "sub", patch=Patch())
    patch.add("io/output", "out")
    patch.connect("saw.out", "out.audio")
    with Session(patch) as session:
        osc = Osc(session, port=0)
        query = OscQuery(session, osc_port=osc.address[1])
        query.start()

        async def what(wire: Wire) -> None:
            await wire.order("LISTEN", "/node/saw/freq")
            before = await wire.next()
            await wire.socket.send_bytes(message("/node/saw/freq", 330.0))
            assert await wire.next() == ("/node/saw/freq", 330.0)
            assert session.get("saw", "freq") == 330.0
            session.op({"undo": 1})
            assert await wire.next() == before
            await wire.socket.send_bytes(message("/patch/rename", "saw", "voice"))
            assert (await wire.next())["COMMAND"] == "PATH_RENAMED"
            assert (await wire.next())["COMMAND"] == "PATH_CHANGED"
            session.set("voice", "freq", 440.0)
            assert await wire.next() == ("/node/voice/freq", 440.0)
            session.capture("dawn")
            assert await wire.next() == {"COMMAND": "PATH_CHANGED", "DATA": "/snapshot"}

        talk(query, what)
        assert fetch(query, "/snapshot/recall?RANGE")[2] == {"RANGE": [{"VALS": ["dawn"]}]}
        assert fetch(query, "/node/sub/bypass?VALUE")[2] == {"VALUE": [False]}
        query.close()
        osc.close()
        assert session.errors == []
