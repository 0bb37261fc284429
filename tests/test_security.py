"""A supervised session as a stranger meets it: where it listens, what its files allow, and what it refuses over the network."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile

from nodes import Patch
from runtime.attach import page_path, socket_path
from runtime.osc_packets import message

from .osc_stage import Client
from .query_kit import Wire, fetch, talk
from .test_host import Rig
from .test_session import small, until

OUTSIDE = (
    "../secret",
    "/etc/passwd",
    "..",
    "",
    "sub/secret",
    "C:\\secret",
    "\\\\host\\secret",
    "link",
    "new",
    "~/secret",
    "a\nb",
)


class House:
    """A rig beside files that are none of its business, and who talks to it."""

    def __init__(self, place: Path) -> None:
        self.place, self.folder = place, place / "rig"
        self.folder.mkdir()
        other = small()
        other.add("source/sine", "secret")
        for kind in ("zrack", "wav"):
            self.plant(f"secret.{kind}", other)
            (self.folder / f"link.{kind}").symlink_to(place / f"secret.{kind}")
        (self.folder / "sub").symlink_to(place)
        (self.folder / "new.zrack").symlink_to(place / "new.zrack")  # leads to what is not there yet
        self.rig = Rig(self.folder, small(), saving=True, logs=str(self.folder / "logs"))
        self.process = psutil.Process(self.rig.pid())
        (at,) = [c.laddr for c in self.process.net_connections() if c.status == psutil.CONN_NONE and c.laddr]
        self.server: Any = SimpleNamespace(address=tuple(at))
        self.client = Client(self.server)

    def plant(self, name: str, patch: Patch) -> None:
        if name.endswith(".wav"):
            soundfile.write(self.place / name, np.ones(48000), 48000)
        else:
            patch.save(self.place / name)

    def everything(self) -> dict[str, Any]:
        """All that lies about outside of the rig's folder."""
        return {
            str(p): p.stat().st_mtime_ns
            for p in [*self.place.glob("*"), *Path.home().glob("secret*")]
            if p != self.folder and p.name not in ("run", "state")
        }


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    place = tmp_path_factory.mktemp("house")
    (place / "run").mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(place / "run"))
        monkeypatch.setenv("ZRACK_STATE", str(place / "state"))
        with pytest.MonkeyPatch.context() as job:
            job.setattr("tests.test_host.Job", lambda paths, **more: _job(paths, **{**more, "http_port": 0}))
            found = House(place)
        yield found
        found.client.socket.close()
        assert found.rig.close() == 0


def _job(paths: list[str], **more: Any) -> Any:
    from runtime.host import Job

    return Job(paths, **more)


def test_nothing_listens_beyond_loopback(house: House) -> None:
    ours = [house.process, *house.process.children(recursive=True)]
    ends = [c for p in ours for c in p.net_connections("inet") if c.status in (psutil.CONN_NONE, psutil.CONN_LISTEN)]
    assert {c.laddr.ip for c in ends} == {"127.0.0.1"}
    assert len(ends) == 2  # OSC, OSCQuery
    try:
        shown = subprocess.run(["ss", "-lnutp"], capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        return
    mine = [line.split() for line in shown.splitlines() if f"pid={house.process.pid}," in line]
    assert len(mine) == 2 and all(f"127.0.0.1:{house.server.address[1]}" in words for words in mine)


def test_what_others_could_open_belongs_to_the_user_alone(house: House) -> None:
    def mode(path: Path) -> int:
        return stat.S_IMODE(os.stat(path).st_mode)

    assert mode(socket_path("main")) == mode(page_path("main")) == 0o600
    assert mode(house.place / "run") == 0o700
    state = [p for p in (house.place / "state").rglob("*") if p.is_file()]
    logs = list((house.folder / "logs").glob("*.zlog"))
    assert state and logs
    assert {mode(p) for p in [*state, *logs]} == {0o600}


@pytest.mark.parametrize("word", ["/patch/load", "/patch/save", "/record/start"])
def test_names_from_the_network_are_names_inside_the_folder(house: House, word: str) -> None:
    before, patch = house.everything(), house.rig.client.patch.copy()
    ending = ".wav" if word == "/record/start" else ".zrack"
    for name in OUTSIDE:
        full = name + ending if name and "passwd" not in name else name or ending
        if word == "/record/start" and name in ("link", "new"):
            continue  # a recording never writes over anything: it is called link-2
        assert house.client.error(word, full), name
    assert house.everything() == before
    assert house.rig.client.patch == patch


def test_a_recording_does_not_follow_a_link(house: House) -> None:
    before = house.everything()
    (house.folder / "logs" / "away.wav").symlink_to(house.place / "away.wav")
    house.client.send("/record/start", "away.wav")
    until(lambda: (house.folder / "logs" / "away-2.wav").exists())
    house.client.send("/record/stop")
    assert house.everything() == before


@pytest.mark.parametrize(("kind", "ending"), [("source/sample", ".wav"), ("rack/patch", ".zrack"), ("io/record", ".wav")])
def test_file_settings_do_not_lead_out_of_the_folder(house: House, kind: str, ending: str) -> None:
    before = house.everything()
    house.client.send("/subscribe", "/")
    house.client.send("/patch/add", kind, "reader")
    until(lambda: "reader" in house.rig.client.patch.nodes)
    if kind != "rack/patch":
        house.client.send("/patch/connect", "reader.out", "out.audio")
    for name in ("../secret", "/etc/passwd", "sub/secret", "sub/../../secret", "link"):
        full = name + ending if "passwd" not in name else name
        if kind == "io/record" and name == "link":
            continue  # it writes link-2, and never over anything
        house.client.send("/patch/setting", "reader", "file", full)
        while (found := house.client.hear())[0] != "/error":
            pass
        assert "reader" in found[1] or "file" in found[1], found
        inner = house.rig.client.patch.inner("reader") if kind == "rack/patch" else None
        assert inner is None or "secret" not in inner.nodes
    house.client.send("/patch/remove", "reader")
    until(lambda: "reader" not in house.rig.client.patch.nodes)
    house.client.send("/unsubscribe", "/")
    assert house.everything() == before


def test_oscquery_gives_no_file_and_takes_no_command_with_one(house: House) -> None:
    patch, before = house.rig.client.patch.copy(), house.everything()
    for path in ("/../../etc/passwd", "/..%2f..%2fetc/passwd", "/patch/load?../secret.zrack", "//etc/passwd", "/secret.zrack"):
        status, _, text = fetch(house.server, path)
        assert status in (400, 404) and "root:" not in str(text)

    async def write(wire: Wire) -> None:
        for word in ("/patch/load", "/patch/save"):
            for name in ("../secret.zrack", "link.zrack", "/etc/passwd"):
                await wire.socket.send_bytes(message(word, name))
                while isinstance(said := await wire.next(), dict):  # what changed in the tree before
                    pass
                assert said[0] == "/error"

    talk(house.server, write)
    assert house.rig.client.patch == patch and house.everything() == before


def test_a_page_from_elsewhere_is_refused(house: House) -> None:
    port = house.server.address[1]
    for headers in ({"Host": f"rebound.example:{port}"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        status, _, text = fetch(house.server, "/", **headers)
        assert status == 403 and "cutoff" not in str(text)
    assert fetch(house.server, "/node")[0] == 200
