"""The session in its own process, watched over: clients come and go, the engine dies and goes on where it was."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph import PatchError, edits, wire
from nodes import Patch
from runtime import journal
from runtime.attach import Client, socket_path
from runtime.host import Job
from runtime.supervise import Supervisor

from .test_session import do_call, small, until


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
    monkeypatch.setenv("ZRACK_STATE", str(tmp_path / "state"))
    return tmp_path


class Rig:
    """A supervised session and a client of it."""

    def __init__(self, place: Path, patch: Patch, **job: object) -> None:
        path = place / "patch.zrack"
        patch.save(path)
        self.said: list[str] = []
        given = {"device": "null", "osc_port": 0, "http_port": -1, "quiet": True, "logs": str(place / "logs"), **job}
        self.supervisor = Supervisor(Job([str(path)], **given), self.said.append)  # type: ignore[arg-type]
        self.thread = threading.Thread(target=lambda: setattr(self, "code", self.supervisor.run()))
        self.code = -1
        self.thread.start()
        self.client = self.attach()

    def attach(self) -> Client:
        until(lambda: self.code >= 0 or socket_path("main").exists(), 20)
        end = time.monotonic() + 20
        while True:
            try:
                client = Client("main")
            except OSError:  # it is there, but nobody answers yet
                assert time.monotonic() < end
                time.sleep(0.01)
                continue
            until(lambda c=client: c.call("now") > 0, 20)  # type: ignore[misc]
            return client

    def pid(self) -> int:
        assert self.supervisor.process is not None
        return self.supervisor.process.pid

    def close(self) -> int:
        self.client.close()
        self.supervisor.stop()
        self.thread.join(15)
        assert not self.thread.is_alive()
        return self.code


@pytest.fixture
def rig(place: Path) -> Iterator[Rig]:
    r = Rig(place, small())
    yield r
    assert r.close() == 0


def test_a_client_edits_reads_and_leaves(rig: Rig) -> None:
    client = rig.client
    do_call(client, edits.AddNode("source/saw", "saw"))
    do_call(client, edits.Connect("saw.out", "f.audio", 0.2))
    client.call("set", "f", "cutoff", 900.0)
    until(lambda: "saw" in client.patch.nodes and client.patch.value("f", "cutoff") == 900.0)
    with pytest.raises(PatchError, match="no node is called 'nobody'"):
        client.call("set", "nobody", "x", 1.0)
    with pytest.raises(PatchError, match="no call '__class__'"):
        client.call("__class__")
    client.call("watch", 0, "osc", "out")
    view = client.view
    assert view is not None
    until(lambda: view.look()[2].get(("osc", "out"), 0.0) > 0.9)
    until(lambda: len(view.samples(0, 480)) == 480)
    assert 0.9 < abs(view.samples(0, 480)).max() <= 1.0
    state, cpu, _ = view.look()
    assert state["nodes"] == 7 and cpu["f"] > 0
    second = rig.attach()
    assert second.patch == client.patch
    assert second.history.undo_label == client.history.undo_label
    second.close()
    client.call("op", {"undo": 1})
    until(lambda: client.patch.value("f", "cutoff") == small().value("f", "cutoff"))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
def test_the_engine_dies_and_goes_on_with_patch_and_knobs_as_they_were(place: Path, how: signal.Signals) -> None:
    rig = Rig(place, small())
    client = rig.client
    do_call(client, edits.AddNode("source/saw", "saw"))
    do_call(client, edits.Connect("saw.out", "f.audio", 0.2))
    client.call("set", "f", "cutoff", 1234.0)
    until(lambda: client.patch.value("f", "cutoff") == 1234.0)
    before = client.patch.copy()
    time.sleep(0.5)  # the journal is written every 0.2 s
    os.kill(rig.pid(), how)
    start = time.monotonic()
    assert client.lost.wait(5)
    again = rig.attach()
    took = time.monotonic() - start
    assert again.patch == before
    assert again.history.undo_label == client.history.undo_label
    assert rig.said and how.name in rig.said[0]
    assert took < 5  # the figure (below 2 s) is that of tests/benchmarks/live.py
    again.call("op", {"undo": 1})
    again.close()
    assert rig.close() == 0


def test_a_kernel_that_hangs_is_bypassed_after_the_restart_and_rearmed_by_hand(place: Path) -> None:
    patch = small()
    patch.add("test/hang", "stuck")
    patch.connect("amp.out", "stuck.audio")
    patch.connect("stuck.out", "out.audio", 0.5)
    rig = Rig(place, patch)
    rig.client.call("set", "stuck", "fuse", 1.0)
    assert rig.client.lost.wait(10)
    heard: list[str] = []
    again = rig.attach()
    assert again.patch.nodes["stuck"].bypass
    assert [n for n, d in again.patch.nodes.items() if d.bypass] == ["stuck"]
    assert "hung" in rig.said[0]
    again.call("set", "stuck", "fuse", 0.0)
    again.call("set", "stuck", "bypass", 0)
    until(lambda: not again.patch.nodes["stuck"].bypass)
    time.sleep(0.3)
    assert not again.lost.is_set()
    again.close()
    assert rig.close() == 0
    del heard


def test_three_crashes_in_a_minute_bypass_what_the_last_edit_touched(place: Path) -> None:
    rig = Rig(place, small())
    client = rig.client
    do_call(client, edits.Connect("osc.out", "amp.cv", 0.1))
    for _ in range(3):
        time.sleep(0.4)
        os.kill(rig.pid(), signal.SIGKILL)
        assert client.lost.wait(5)
        client = rig.attach()
    assert {n for n, d in client.patch.nodes.items() if d.bypass} == {"osc", "amp"}
    client.close()
    assert rig.close() == 0


KEEPER = """
import sys
from runtime.host import Job
from runtime.supervise import Supervisor
Supervisor(Job([sys.argv[1]], device="null", osc_port=0, http_port=-1, quiet=True), print).run()
"""


def test_a_session_whose_keeper_is_killed_ends_and_leaves_its_journal(place: Path) -> None:
    path = place / "patch.zrack"
    small().save(path)
    keeper = subprocess.Popen([sys.executable, "-c", KEEPER, str(path)], cwd=Path(__file__).parents[1])
    try:
        until(lambda: keeper.poll() is not None or socket_path("main").exists(), 20)
        client = Client("main")
        do_call(client, edits.AddNode("source/saw", "saw"))
    finally:
        keeper.kill()
        keeper.wait()
    assert client.lost.wait(10)
    until(lambda: journal.left() == [journal.place("main")], 10)
    assert journal.recover(journal.place("main")).patch == client.patch


def test_where_ports_are_taken_a_session_may_take_others(place: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as osc, socket.socket() as web:
        for taken in (osc, web):
            taken.bind(("127.0.0.1", 0))
        web.listen()
        ports = {"osc_port": osc.getsockname()[1], "http_port": web.getsockname()[1]}
        refused = Supervisor(Job([str(place / "patch.zrack")], device="null", quiet=True, **ports), lambda text: None)
        small().save(place / "patch.zrack")
        assert refused.run() == 1
        rig = Rig(place, small(), **ports, any_port=True)
        assert not rig.client.lost.wait(0.3)
        assert rig.close() == 0


def test_what_cannot_start_says_so_and_is_not_tried_again(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    supervisor = Supervisor(Job([str(place / "none.zrack")], device="null", quiet=True), lambda text: None)
    assert supervisor.run() == 1
    assert "none.zrack" in capfd.readouterr().err
    assert supervisor.restarts == 0


def test_edits_as_maps_go_through_the_same_door(rig: Rig) -> None:
    with pytest.raises(PatchError, match="no edit"):
        rig.client.call("op", {"do": {"edit": "explode"}})
    rig.client.call("op", {"do": wire.to_map(edits.SetBypass("osc"))})
    until(lambda: rig.client.patch.nodes["osc"].bypass)
