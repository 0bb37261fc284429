"""OSCQuery over real sockets: what is published is what OSC takes, listeners hear every change, strangers hear nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from graph import Choice, NodeSpec, Param, Patch, PatchError, Setting, edits, wire
from runtime import listeners, oscquery, tree, tree_changes
from runtime.addresses import Directory
from runtime.osc import Osc
from runtime.osc_commands import COMMANDS
from runtime.osc_packets import message, parse
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


@pytest.fixture
def stage() -> Stage:
    return Stage(rack())


@pytest.fixture
def osc(stage: Stage) -> Iterator[Osc]:
    server = Osc(stage, port=0)  # type: ignore[arg-type]
    yield server
    server.close()


@pytest.fixture
def query(stage: Stage, osc: Osc) -> Iterator[OscQuery]:
    server = OscQuery(stage, port=0, osc_port=osc.address[1], name="test rack")  # type: ignore[arg-type]
    server.start()
    yield server
    server.close()
    assert stage.errors == []


UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13", "Sec_WebSocket_Key": f"{'A' * 22}=="}


def leaves(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a tree that can be read or written."""
    if node["ACCESS"]:
        yield node
    for below in node.get("CONTENTS", {}).values():
        yield from leaves(below)


def branches(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a tree."""
    yield node
    for below in node.get("CONTENTS", {}).values():
        yield from branches(below)


# the tree


def test_every_branch_is_found_at_its_own_address() -> None:
    patch = rack()
    whole = tree.tree(patch)
    found = list(branches(whole))
    assert len(found) > 60
    for one in found:
        assert tree.find(patch, one["FULL_PATH"]) == one
        shallow = {k: v for k, v in one.items() if k != "CONTENTS"}
        assert tree.find(patch, one["FULL_PATH"], deep=False) == shallow
    for nothing in ("", "node", "//", "/node/", "/nope", "/node/nope", "/node/lp/cutoff/x", "/node/lp/node/x", "/node/../lp"):
        assert tree.find(patch, nothing) is None, nothing


def test_the_tree_is_what_osc_takes(stage: Stage) -> None:
    directory = Directory(stage)  # type: ignore[arg-type]
    found = {one["FULL_PATH"]: one for one in leaves(tree.tree(stage.patch))}
    values = {address: one for address, one in found.items() if address.startswith("/node/")}
    assert len(values) > 20
    for address, one in values.items():
        target = directory.find(address)[-1]
        value = target.get()
        assert one["VALUE"] == [bool(value) if one["TYPE"] == "T" else pytest.approx(value) if one["TYPE"] == "f" else value]
        assert (one["TYPE"], one["ACCESS"]) in (("f", 3), ("s", 3), ("T", 3))
        for overload in one.get("OVERLOADS", []):
            assert overload["TYPE"] == "i" and target.convert(overload["RANGE"][0]["MAX"]) == one["RANGE"][0]["VALS"][-1]
    ports = {a for a in directory.addresses() if a.startswith("/node/") and a != "/node/osc/freq"}
    assert ports - {f"/node/voice/node/{end}/bypass" for end in ("in", "wet")} <= set(values)


def test_every_command_is_there_and_takes_what_its_types_say() -> None:
    found = {one["FULL_PATH"]: one for one in leaves(tree.tree(rack()))}
    example = {"s": "a", "f": 1.0}
    assert set(COMMANDS) <= set(found)
    for address, command in COMMANDS.items():
        one = found[address]
        assert one["DESCRIPTION"] and one["ACCESS"] in (2, 3)
        for form in (one, *one.get("OVERLOADS", [])):
            args = tuple(example[tag] for tag in form["TYPE"] if tag != "I")
            assert len(command.read(address, args)) == len(args)
            for name in ("RANGE", "EXTENDED_TYPE"):
                assert name not in form or len(form[name]) == len(form["TYPE"])
    assert set(tree.ABOUT) - {a.rpartition("/")[0] for a in COMMANDS} - set(COMMANDS) == {"/", "/node"}
    assert found["/patch/add"]["TYPE"] == "s" and [o["TYPE"] for o in found["/patch/add"]["OVERLOADS"]] == ["ss", "ssff"]
    assert found["/transport/play"]["TYPE"] == "I"


def test_ranges_units_and_choices() -> None:
    p = rack()
    cutoff, bypass, shape = (tree.find(p, f"/node/{a}") or {} for a in ("lp/cutoff", "lp/bypass", "env/shape"))
    assert (cutoff["TYPE"], cutoff["VALUE"], cutoff["RANGE"]) == ("f", [800.0], [{"MIN": 20.0, "MAX": 20000.0}])
    assert (cutoff["UNIT"], cutoff["CLIPMODE"], cutoff["ACCESS"]) == (["time.hz"], ["both"], 3)
    assert 0.5 < cutoff["CONTENTS"]["knob"]["VALUE"][0] < 0.6
    assert (bypass["TYPE"], bypass["VALUE"]) == ("T", [False])
    assert (shape["TYPE"], shape["RANGE"], shape["DESCRIPTION"]) == ("s", [{"VALS": ["lin", "exp"]}], "of the slope")
    recall, tempo, fader = (tree.find(p, a) or {} for a in ("/snapshot/recall", "/clock/tempo", "/fader/1"))
    assert recall["RANGE"] == [{"VALS": ["dawn"]}] and recall["OVERLOADS"][0]["TYPE"] == "sf"
    assert (tempo["VALUE"], tempo["UNIT"], tempo["ACCESS"]) == ([90.0], ["time.bpm"], 3)
    assert (fader["TYPE"], fader["ACCESS"]) == ("ff", 2)
    assert (tree.find(p, "/node/voice/tone") or {})["VALUE"] == [500.0]


def test_a_definition_in_a_file_can_only_be_read(tmp_path: Path) -> None:
    kit.voice().save(tmp_path / "voice.zrack")
    p = kit.new()
    p.save(tmp_path / "rack.zrack")
    p = Patch.load(tmp_path / "rack.zrack", kit.SPECS)
    p.add("rack/patch", "voice", file="voice.zrack")
    assert (tree.find(p, "/node/voice/node/lp/cutoff") or {})["ACCESS"] == 1
    assert (tree.find(p, "/node/voice/tone") or {})["ACCESS"] == 3


def test_one_path_reads_one_value_of_a_large_patch() -> None:
    p = kit.new()
    for i in range(1000):
        p.add("filter/lowpass", f"lp{i}")
    asked: list[tuple[str, str]] = []

    def get(path: str, port: str) -> float:
        asked.append((path, port))
        return 440.0

    assert (tree.find(p, "/node/lp500/cutoff", get) or {})["VALUE"] == [440.0]
    assert asked == [("lp500", "cutoff")]


def test_an_unknown_type_is_there_without_ports() -> None:
    p = Patch(specs={})
    p.write("node", "x", edits.NodeData("gone/away"))
    found = tree.find(p, "/node/x") or {}
    assert "gone/away" in found["DESCRIPTION"] and not found["CONTENTS"]


def test_changes_are_told_by_address() -> None:
    p = rack()
    before = tree_changes.shape(p)
    p.rename("lp", "filter")
    p.remove("env")
    p.add("mod/env", "env2")
    p.set("osc", freq=99.0)
    p.apply(edits.Inside("voice", edits.AddNode("source/saw", "inner")))
    found = tree_changes.changes(before, tree_changes.shape(p))
    assert sorted(found, key=str) == [
        ("ADDED", "/node/env2"), ("ADDED", "/node/voice/node/inner"), ("REMOVED", "/node/env"),
        ("RENAMED", ("/node/lp", "/node/filter")),
    ]  # fmt: skip
    assert tree_changes.common(["/node/a", "/node/b/c"]) == "/node"
    assert tree_changes.common(["/node/a"]) == "/node/a"
    assert tree_changes.common(["/node", "/snapshot"]) == "/"


# HTTP


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


def test_a_branch_and_its_attributes(query: OscQuery, stage: Stage) -> None:
    status, headers, whole = fetch(query, "/")
    assert status == 200 and headers["content-type"].startswith("application/json")
    assert whole == tree.tree(stage.patch, stage.get)
    assert "access-control-allow-origin" not in headers
    stage.set("lp", "cutoff", 440.0)
    assert fetch(query, "/node/lp/cutoff?VALUE")[2] == {"VALUE": [440.0]}
    assert fetch(query, "/node/lp/cutoff?VALUE&TYPE")[2] == {"VALUE": [440.0], "TYPE": "f"}
    assert set(fetch(query, "/node/lp?CONTENTS")[2]["CONTENTS"]) == {"cutoff", "resonance", "slope", "bypass"}
    assert fetch(query, "/node/lp/")[2]["FULL_PATH"] == "/node/lp"
    for path in ("/node/lp?VALUE", "/node?RANGE", "/transport/play?VALUE", "/node/lp/bypass?UNIT"):
        assert fetch(query, path)[0] == 204, path
    for path in ("/?FROB", "/node/lp/cutoff?value", "/?HTML", "/?VALUE&FROB"):
        status, _, text = fetch(query, path)
        assert status == 400 and text.startswith("there is no attribute") and text.count("\n") == 1
    for path in ("/nope", "/node/nope?VALUE", "/node/lp/cutoff/knob/x"):
        assert fetch(query, path)[0] == 404, path


def test_the_host_tells_where_osc_and_websocket_are(query: OscQuery, osc: Osc) -> None:
    for path in ("/?HOST_INFO", "/whatever?HOST_INFO"):
        info = fetch(query, path)[2]
        assert info["NAME"] == "test rack" and info["OSC_TRANSPORT"] == "UDP"
        assert (info["OSC_IP"], info["OSC_PORT"]) == osc.address == ("127.0.0.1", info["OSC_PORT"])
        assert (info["WS_IP"], info["WS_PORT"]) == query.address
        assert info["EXTENSIONS"]["LISTEN"] and info["EXTENSIONS"]["PATH_RENAMED"]
        assert "HTML" not in info["EXTENSIONS"]


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/node/..%2f..%2fetc",
        "//etc/passwd",
        "/node/lp%00",
        "/node/*",
        "/%ff%fe",
    ],
)
def test_paths_lead_nowhere_but_into_the_tree(query: OscQuery, path: str) -> None:
    status, _, text = fetch(query, path)
    assert status in (400, 404) and "root:" not in str(text)


def test_foreign_names_and_pages_are_refused(query: OscQuery) -> None:
    port = query.address[1]
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "A" * 22 + "==",
    }
    strangers: list[dict[str, str]] = [
        {"Host": f"evil.example:{port}"}, {"Host": "127.0.0.1:1"}, {"Host": "127.0.0.1"}, {"Host": ""}, {"Host": "127.0.0.1:x"},
        {"Host": f"127.0.0.1.evil.example:{port}"}, {"Origin": "http://evil.example"}, {"Origin": "null"},
        {"Origin": f"https://127.0.0.1:{port}"}, {"Origin": "http://127.0.0.1:1"}, {"Origin": f"http://localhost:{port}@evil.example"},
        {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"},
    ]  # fmt: skip
    for headers in strangers:
        for more in ({}, upgrade):
            status, _, text = fetch(query, "/", **headers, **more)
            assert status in (400, 403), headers
            assert "lp" not in str(text)
    for name in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        assert fetch(query, "/", Host=f"{name}:{port}")[0] == 200
        assert fetch(query, "/", Origin=f"http://{name}:{port}", Sec_Fetch_Site="same-origin")[0] == 200
    assert fetch(query, "/", **upgrade, Origin=f"http://localhost:{port}")[0] == 101


def test_other_methods_and_rubbish_are_refused(query: OscQuery) -> None:
    host = f"Host: 127.0.0.1:{query.address[1]}\r\nConnection: close\r\n"
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        status, headers, _ = exchange(query, f"{method} / HTTP/1.1\r\n{host}Content-Length: 0\r\n\r\n".encode())
        assert status == 405 and headers["allow"] == "GET, HEAD"
    assert exchange(query, b"\x16\x03\x01 rubbish\r\n\r\n")[0] == 400
    assert exchange(query, f"GET /{'a' * 100_000} HTTP/1.1\r\n{host}\r\n".encode())[0] == 400
    assert fetch(query, "/node")[0] == 200


def test_a_connection_that_asks_nothing_is_closed(query: OscQuery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oscquery, "PATIENCE", 0.2)
    with socket.create_connection(query.address, 5) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: ")
        s.settimeout(5)
        assert s.recv(100) == b""


def test_nothing_listens_beyond_loopback(stage: Stage) -> None:
    with pytest.raises(PatchError, match="without peers"):
        OscQuery(stage, "0.0.0.0")  # type: ignore[arg-type]
    with pytest.raises(PatchError, match="no network such as"):
        OscQuery(stage, "0.0.0.0", peers=["next door"])  # type: ignore[arg-type]
    before = set(psutil.Process().net_connections())
    server = OscQuery(stage)  # type: ignore[arg-type]
    address = server.start()
    opened = [c for c in psutil.Process().net_connections() if c not in before and not c.raddr]
    assert [tuple(c.laddr) for c in opened] == [address]
    assert address[0] == "127.0.0.1"
    with pytest.raises(PatchError, match=r"cannot listen at 127\.0\.0\.1 port \d+: .*in use"):
        OscQuery(stage, port=address[1]).start()  # type: ignore[arg-type]
    server.close()
    server.close()
    assert stage.hearers == []


def test_opened_it_answers_peers_only(stage: Stage) -> None:
    mine = [a.address for s in psutil.net_if_addrs().values() for a in s if a.family == socket.AF_INET]
    mine = [a for a in mine if not a.startswith("127.")]
    if not mine:
        pytest.skip("this machine has loopback only")
    for peers, status in ((["203.0.113.0/24"], 403), ([mine[0]], 200)):
        server = OscQuery(stage, "0.0.0.0", peers=peers, announce=False)  # type: ignore[arg-type]
        port = server.start()[1]
        server.address = (mine[0], port)
        assert fetch(server, "/?HOST_INFO", Host=f"{mine[0]}:{port}")[0] == status
        assert fetch(server, "/?HOST_INFO", Host=f"evil.example:{port}")[0] == 403
        if status == 200:
            assert fetch(server, "/?HOST_INFO", Host=f"{mine[0]}:{port}")[2]["OSC_IP"] == mine[0]
        server.close()


# WebSocket


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


def talk(query: OscQuery, what: Callable[[Wire], Coroutine[Any, Any, None]]) -> None:
    """Runs `what` over a WebSocket."""

    async def run() -> None:
        url = f"http://{query.address[0]}:{query.address[1]}/"
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


# discovery


def test_it_is_announced_when_asked(stage: Stage, osc: Osc) -> None:
    from zeroconf import Zeroconf

    server = OscQuery(stage, osc_port=osc.address[1], name="rack.of test", announce=True)  # type: ignore[arg-type]
    port = server.start()[1]
    looking = Zeroconf(interfaces=["127.0.0.1"])
    try:
        for kind, where in (("_oscjson._tcp.local.", port), ("_osc._udp.local.", osc.address[1])):
            found = looking.get_service_info(kind, f"rack-of test.{kind}", 5000)
            assert found is not None
            assert (found.parsed_addresses(), found.port) == (["127.0.0.1"], where)
        assert fetch(server, "/node", Host=f"{server.visitors.announced}:{port}")[0] == 200
        server.close()
        assert looking.get_service_info("_oscjson._tcp.local.", "rack-of test._oscjson._tcp.local.", 200) is None
    finally:
        server.close()
        looking.close()
    assert stage.errors == []


def test_a_public_client_discovers_reads_and_writes(stage: Stage, osc: Osc) -> None:
    """python-oscquery as it is.  It cannot read a node that has a value and contents, as a param with its knob does."""
    browser = pytest.importorskip("pythonoscquery.osc_query_browser").OSCQueryBrowser()
    from pythonosc.udp_client import SimpleUDPClient
    from pythonoscquery.osc_query_client import OSCQueryClient

    server = OscQuery(stage, osc_port=osc.address[1], name="public rack", announce=True)  # type: ignore[arg-type]
    server.start()
    try:
        until(lambda: any("public rack" in s.name for s in browser.get_discovered_oscquery()))
        client = OSCQueryClient(browser.find_service_by_name("public rack"))
        host = client.get_host_info()
        assert (host.osc_ip, host.osc_port) == osc.address
        assert client.query_node("/node/lp/bypass").value == [False]
        assert client.query_node("/node/env/shape").value == ["lin"]
        assert client.query_node("/node/nope") is None
        with SimpleUDPClient(host.osc_ip, host.osc_port) as send:
            send.send_message("/node/lp/cutoff", 20000.0)
        until(lambda: stage.sets != [])
        assert client.query_node("/node/lp/cutoff/knob").value == [1.0]
    finally:
        server.close()
        browser.zc.close()
