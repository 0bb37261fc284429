"""OSC when there is too much of it, or what comes is broken: every message counts once, and nothing is harmed."""

from __future__ import annotations

import math
import random
import resource
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from nodes import Patch
from runtime.osc import BEHIND, Osc
from runtime.osc_packets import bundle, message, timetag
from runtime.session import Session
from tests import kit
from tests.osc_stage import FATAL, Client, Stage, until


@pytest.fixture
def stage() -> Stage:
    patch = kit.bass()
    patch.add("rack/patch", "voice", patch=kit.voice())
    return Stage(patch)


@pytest.fixture
def osc(stage: Stage) -> Iterator[Osc]:
    server = Osc(stage, port=0)  # type: ignore[arg-type]
    yield server
    server.close()
    assert stage.errors == []


@pytest.fixture
def client(osc: Osc) -> Iterator[Client]:
    one = Client(osc)
    yield one
    one.socket.close()


# floods


def test_garbage_is_not_answered_with_a_flood(osc: Osc, client: Client) -> None:
    for k in range(5000):
        client.send(f"/node/nobody{k}/cutoff", 1.0)
        if k % 100 == 0:
            time.sleep(0.002)
    until(lambda: osc.count()["unknown"] == 5000)
    answers = client.everything(0.2)
    assert 10 <= len(answers) <= 100
    assert osc.count()["unanswered"] == 5000 - len(answers)


def test_ten_thousand_a_second_are_applied_one_by_one(stage: Stage, osc: Osc, client: Client) -> None:
    heads = [message(a, 0.0)[:-4] for a in ("/node/lp/cutoff", "/node/osc/freq", "/node/voice/node/lp/cutoff")]
    began, n, total = time.perf_counter(), 0, 10000
    while n < total:
        while n < min(total, (time.perf_counter() - began) * 10000):
            client.raw(heads[n % 3] + struct.pack(">f", 100.0 + n))
            n += 1
        time.sleep(0.001)
    until(lambda: osc.count()["received"] == total)
    counts = osc.count()
    assert (counts["applied"], counts["superseded"], counts["lost"]) == (total, 0, 0)
    assert [s[2] for s in stage.sets] == [100.0 + n for n in range(total)]


def test_a_server_that_is_behind_leaves_out_only_what_is_replaced(stage: Stage, osc: Osc, client: Client) -> None:
    hold = threading.Event()
    plain = stage.set

    def slow(*args: Any, **kw: Any) -> None:
        hold.wait()
        plain(*args, **kw)

    stage.set = slow  # type: ignore[method-assign]
    client.send("/node/lp/resonance", 0.125)  # holds the server up
    n = BEHIND + 1000
    for k in range(n):
        client.send("/node/lp/cutoff", 100.0 + k)
    client.send("/node/lp/cutoff", math.nan)  # no value: it replaces nothing
    client.send("/patch/remove", "osc")
    for k in range(100):
        client.send("/node/lp/cutoff/knob", k / 128)
        client.raw(bundle([message("/node/lp/resonance", k / 128)]))
    hold.set()
    until(lambda: osc.count()["received"] == n + 203)
    until(lambda: osc.count()["applied"] + osc.count()["superseded"] == n + 202)
    counts = osc.count()
    assert (counts["refused"], counts["lost"]) == (1, 0)
    assert counts["superseded"] >= BEHIND  # the first ones may have been taken before
    cutoffs = [s[2] for s in stage.sets if s[1] == "cutoff" and not s[3]]
    assert cutoffs[-1] == 100.0 + n - 1
    assert [s[2] for s in stage.sets if s[1] == "resonance"] == [0.125, *(k / 128 for k in range(100))]  # none of a bundle
    assert "osc" not in stage.patch.nodes


def test_mutated_packets_harm_nothing(stage: Stage, osc: Osc, client: Client) -> None:
    rng = random.Random(7)
    good = [
        message("/node/lp/cutoff", 440.0), message("/node/lp/slope", "24 dB"),
        message("/node/lp/resonance", 0.5, True, None, b"abc"),
        bundle([message("/node/lp/cutoff", 440.0), bundle([message("/node/osc/freq", 1.0)])], timetag(time.time() + 1.0)),
        message("/get", "/node/*/freq"), message("/node/{lp,osc}/*", 1.0), message("/snapshot/recall", "a", 1.0),
        *(f for f in FATAL.values() if len(f) < 9000),
    ]  # fmt: skip
    for k in range(3000):
        data = bytearray(rng.choice(good))
        for _ in range(rng.randrange(4)):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        if rng.random() < 0.2:
            data = data[: rng.randrange(len(data) + 1)]
        client.raw(bytes(data))
        if k % 30 == 0:
            client.send("/node/lfo/freq", 10.0 + k)
            time.sleep(0.001)
    while client.everything(0.1):
        pass
    client.sync()
    assert [s[2] for s in stage.sets if s[:2] == ("lfo", "freq") and s[2] >= 10.0][-1] == 10.0 + 2970
    assert {10.0 + k for k in range(0, 3000, 30)} <= {s[2] for s in stage.sets if s[:2] == ("lfo", "freq")}
    assert osc.count()["malformed"] > 500 and osc.count()["lost"] == 0
    assert all(math.isfinite(s[2]) for s in stage.sets if isinstance(s[2], float))


FLOOD = """
import socket, sys, time
host, port, rate, seconds = sys.argv[1], *map(int, sys.argv[2:])
packets = [bytes.fromhex(line) for line in sys.stdin.read().split()]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
    out.connect((host, port))
    began, n = time.perf_counter(), 0
    while n < rate * seconds:
        while n < min(rate * seconds, (time.perf_counter() - began) * rate):
            out.send(packets[n % len(packets)])
            n += 1
        time.sleep(0.0005)
"""


@pytest.mark.slow
def test_fifty_thousand_a_second_for_ten_seconds_with_malformed_ones_among_them(stage: Stage, osc: Osc, client: Client) -> None:
    last: dict[str, float | str] = {}

    def keep(path: str, port: str, value: float | str, **kw: Any) -> None:
        last[f"{path}.{port}"] = value

    stage.set = keep  # type: ignore[method-assign]
    bad = [data for data in FATAL.values() if 0 < len(data) < 9000]
    bad += [message("/node/lp/cutoff", math.nan), message("/node/lp/cutoff", math.inf)]
    packets = []
    for k in range(2000):
        packets.append(message(("/node/lp/cutoff", "/node/osc/freq", "/node/lp/resonance/knob")[k % 3], 0.25 + (k % 3 < 2) * k))
        if k % 20 == 0:
            packets.append(bad[k // 20 % len(bad)])
    words = [sys.executable, "-c", FLOOD, *map(str, osc.address), "50000", "10"]
    flood = subprocess.Popen(words, stdin=subprocess.PIPE)
    assert flood.stdin is not None
    flood.stdin.write(" ".join(p.hex() for p in packets).encode())
    flood.stdin.close()
    time.sleep(2.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert flood.wait(30) == 0
    until(lambda: sum(osc.count()[k] for k in ("received", "lost")) >= 500_000)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    counts = osc.count()
    told = ("applied", "superseded", "malformed", "unknown", "refused")
    assert counts["received"] == sum(counts[k] for k in told) and counts["lost"] == 0
    assert counts["malformed"] > 20_000 and counts["applied"] > 100_000
    assert grown < 32 << 10  # KiB of the most it ever had
    client.send("/node/lp/cutoff", 4321.0)
    client.sync()
    assert last["lp.cutoff"] == 4321.0


def test_a_mistake_of_the_session_ends_nothing(stage: Stage) -> None:
    server = Osc(stage, port=0)  # type: ignore[arg-type]
    client = Client(server)
    plain = stage.set

    def broken(path: str, *args: Any, **kw: Any) -> None:
        if path == "osc":
            raise RuntimeError("oh")
        plain(path, *args, **kw)

    stage.set = broken  # type: ignore[method-assign]
    for address in ("/node/osc/freq", "/node/lp/cutoff", "/node/osc/freq", "/node/lp/cutoff"):
        client.send(address, 100.0)
    client.sync()
    assert len(stage.sets) == 2 and stage.errors == ["OSC: RuntimeError: oh"] * 2
    client.socket.close()
    server.close()


# with a real session


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("rig")
    patch = Patch()
    patch.add("source/saw", "saw", freq=110.0)
    patch.add("filter/lowpass", "lp", cutoff=1000.0)
    patch.add("io/output", "out")
    patch.connect("saw.out", "lp.audio")
    patch.connect("lp.out", "out.audio")
    patch.save(folder / "rig.zrack")
    with Session(Patch.load(folder / "rig.zrack"), logs=folder) as one:
        one.transport("play")
        yield one


@pytest.fixture
def rig(session: Session) -> Iterator[Client]:
    osc = Osc(session, port=0)
    one = Client(osc)
    yield one
    one.socket.close()
    osc.close()


def test_a_session_is_played_over_osc(session: Session, rig: Client) -> None:
    rig.send("/subscribe", "/")
    rig.send("/node/lp/cutoff", 440.0)
    assert rig.hear() == ("/node/lp/cutoff", 440.0)
    assert rig.ask("/get", "/node/lp/cutoff") == ("/node/lp/cutoff", 440.0)
    rig.send("/node/lp/cutoff/knob", 1.0)
    high = session.patch.spec("lp").params["cutoff"].high  # type: ignore[union-attr]
    assert rig.hear() == ("/node/lp/cutoff", high)
    for address, *args in (
        ("/snapshot/capture", "bright"), ("/patch/add", "source/saw", "second"),
        ("/patch/connect", "second.out", "lp.audio", 0.25),
        ("/patch/undo",), ("/transport/stop",), ("/transport/play",),
    ):  # fmt: skip
        rig.send(address, *args)
    assert [rig.hear()[0] for _ in range(6)] == ["/patch/changed"] * 4 + ["/transport/stop", "/transport/play"]
    assert "second" in session.patch.nodes and not session.patch.into("lp", "audio")[1:]
    rig.send("/node/second/bypass", True)
    assert rig.hear() == ("/node/second/bypass", 1.0)
    rig.send("/node/lp/cutoff", 100.0)
    assert rig.hear() == ("/node/lp/cutoff", 100.0)
    rig.send("/snapshot/recall", "bright")
    assert ("/node/lp/cutoff", high) in rig.everything(0.3)
    assert "no snapshot 'dull'" in rig.error("/snapshot/recall", "dull")
    assert "saving over the network is off" in rig.error("/patch/save")
    assert "did you mean cutoff" in rig.error("/node/lp/cutof", 1.0)
    assert session.errors == []


def test_a_session_takes_ten_thousand_values_a_second(session: Session) -> None:
    osc = Osc(session, port=0)
    words = [sys.executable, "-c", FLOOD, *map(str, osc.address), "10000", "2"]
    flood = subprocess.Popen(words, stdin=subprocess.PIPE)
    assert flood.stdin is not None
    packets = [message(("/node/lp/cutoff", "/node/saw/freq")[k % 2], 100.0 + k) for k in range(1000)]
    flood.stdin.write(" ".join(p.hex() for p in packets).encode())
    flood.stdin.close()
    assert flood.wait(30) == 0
    until(lambda: osc.count()["received"] == 20_000)
    assert {k: v for k, v in osc.count().items() if v} == {"received": 20_000, "applied": 20_000}
    assert (session.get("lp", "cutoff"), session.get("saw", "freq")) == (1098.0, 1099.0)
    osc.close()
