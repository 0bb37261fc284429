"""OSCQuery over HTTP: branches and attributes, who is refused, how it is found."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import psutil
import pytest

from graph import PatchError
from runtime import oscquery, tree
from runtime.osc import Osc
from runtime.oscquery import OscQuery
from tests.osc_stage import Stage
from tests.query_kit import exchange, fetch, rack, serving, talk, until

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


def test_nothing_listens_beyond_loopback() -> None:
    stage = Stage(rack())
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


@pytest.mark.parametrize("host", ["localhost", "::1"])
def test_other_names_of_this_machine(stage: Stage, host: str) -> None:
    server = OscQuery(stage, host, osc_port=9)  # type: ignore[arg-type]
    try:
        server.start()
    except PatchError:
        pytest.skip("this machine has no IPv6")
    name = f"[{host}]" if ":" in host else host
    assert fetch(server, "/node", Host=f"{name}:{server.address[1]}")[0] == 200
    talk(server, lambda wire: wire.order("LISTEN", "/node/osc/freq"), name)
    server.close()


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
