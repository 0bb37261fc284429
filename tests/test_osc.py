"""OSC over real sockets: what is said is done, in time; what is wrong is answered; who asks is told."""

from __future__ import annotations

import math
import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graph import PatchError
from graph.spec import Param
from runtime import osc_answers
from runtime.addresses import Value
from runtime.osc import Osc
from runtime.osc_packets import bundle, message, timetag
from runtime.osc_socket import Socket
from tests import kit
from tests.osc_stage import Client, Stage, until


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


# values


@pytest.mark.parametrize(
    ("address", "arg", "want"),
    [
        ("/node/lp/cutoff", 440.0, ("lp", "cutoff", 440.0, False, 0)),
        ("/node/lp/cutoff", 440, ("lp", "cutoff", 440.0, False, 0)),
        ("/node/lp/cutoff", "440", ("lp", "cutoff", 440.0, False, 0)),
        ("/node/lp/freq", 440.0, ("lp", "cutoff", 440.0, False, 0)),  # what it was called once
        ("/node/lp/resonance", True, ("lp", "resonance", 1.0, False, 0)),
        ("/node/lp/cutoff/knob", 0.25, ("lp", "cutoff", 0.25, True, 0)),
        ("/node/lp/slope", "12 dB", ("lp", "slope", "12 dB", False, 0)),
        ("/node/lp/slope", 1, ("lp", "slope", "24 dB", False, 0)),
        ("/node/lp/slope", 0.0, ("lp", "slope", "12 dB", False, 0)),
        ("/node/lp/bypass", True, ("lp", "bypass", 1.0, False, 0)),
        ("/node/lp/bypass", 0, ("lp", "bypass", 0.0, False, 0)),
        ("/node/lp/bypass", "on", ("lp", "bypass", 1.0, False, 0)),
        ("/node/voice/tone", 500.0, ("voice", "tone", 500.0, False, 0)),
        ("/node/voice/node/lp/resonance", 0.5, ("voice/lp", "resonance", 0.5, False, 0)),
    ],
)
def test_values_are_set(stage: Stage, osc: Osc, client: Client, address: str, arg: Any, want: tuple[Any, ...]) -> None:
    for _ in range(3):  # the first is parsed, the others are known by their bytes
        client.send(address, arg)
    client.raw(bundle([message(address, arg)]))
    client.sync()
    assert stage.sets == [want] * 4
    until(lambda: osc.count()["applied"] == 5)


@pytest.mark.parametrize("kind", "fdih")
def test_numbers_of_every_type(stage: Stage, client: Client, kind: str) -> None:
    for value in (300, 301, -5):
        head = b"/node/lp/cutoff\0," + kind.encode() + b"\0\0"
        client.raw(head + struct.pack(">" + {"h": "q"}.get(kind, kind), value))
    assert client.hear()[0] == "/error"  # -5 Hz
    client.sync()
    assert [v for _, _, v, _, _ in stage.sets] == [300.0, 301.0, 20.0]


@pytest.mark.parametrize(
    ("address", "args", "says"),
    [
        ("/node/lp/cutoff", ["loud"], "node lp: cutoff takes a number, not 'loud'"),
        ("/node/lp/cutoff", [None], "node lp: cutoff takes a number, not None"),
        ("/node/lp/cutoff", [math.nan], "node lp: cutoff takes 20 … 20000 Hz, not nan"),
        ("/node/lp/cutoff", [math.inf], "node lp: cutoff takes 20 … 20000 Hz, not inf"),
        ("/node/lp/cutoff/knob", [-math.inf], "node lp: cutoff takes 0 … 1 as knob position, not -inf"),
        ("/node/lp/cutoff", [1.0, 2.0], "node lp: cutoff takes one value, not 2"),
        ("/node/lp/slope", ["12 db"], "node lp: slope has no option '12 db'; did you mean 12 dB or 24 dB?"),
        ("/node/lp/slope", [2], "node lp: slope takes 0 … 1 or 12 dB, 24 dB, not 2"),
        ("/node/lp/slope", [math.nan], "node lp: slope takes 0 … 1 or 12 dB, 24 dB, not nan"),
        ("/node/lp/bypass", [math.nan], "node lp: bypass takes 0 or 1, not nan"),
        ("/node/lp/cutof", [1.0], "node lp: filter/lowpass has no param 'cutof'; did you mean cutoff?"),
        ("/node/lp/voices", [2], "node lp: voices is one of its settings; /patch/setting changes them"),
        ("/node/lpp/cutoff", [1.0], "no node is called 'lpp'; did you mean lp?"),
        ("/node/voice/node/lq/cutoff", [1.0], "node voice: no node is called 'lq'; there are in, lp, wet"),
        ("/node/lp/node/x/cutoff", [1.0], "node lp: holds no patch to look into"),
        ("/node", [1.0], "nothing listens at '/node'"),
        ("/node/", [1.0], "no node is called ''"),
        ("/node/lp", [1.0], "node lp: filter/lowpass has no param ''"),
        ("/snapshot/recal", ["a"], "nothing listens at '/snapshot/recal'; did you mean /snapshot/recall"),
        ("/node/*/nothing", [1.0], "no address is like /node/*/nothing"),
        ("/snapshot/recall", [], "/snapshot/recall takes name [seconds], not 0 arguments"),
        ("/snapshot/recall", ["a", "b"], "/snapshot/recall: seconds takes a number, not 'b'"),
        ("/snapshot/recall", ["a", math.nan], "/snapshot/recall: seconds takes"),
        ("/snapshot/recall", ["nothing"], "there is no snapshot nothing"),
        ("/snapshot/blend", ["a", 1.0, "b"], "/snapshot/blend takes name weight …, not 3 arguments"),
        ("/transport/play", ["now"], "/transport/play takes no arguments, not 1 argument"),
        ("/patch/remove", ["lpp"], "no node is called 'lpp'; did you mean lp?"),
        ("/patch/remove", ["voice/lpp"], "node voice: no node is called 'lpp'; did you mean lp?"),
        ("/patch/connect", ["osc.out", "voice/lp.cutoff"], "do not lie in the same patch"),
        ("/patch/load", ["../secret.zrack"], "may not leave the folder"),
        ("/patch/load", ["/etc/passwd"], "takes a path relative to the patch"),
        ("/patch/load", ["a/../../b"], "may not leave the folder"),
        ("/patch/load", ["C:\\b"], "takes a path relative to the patch"),
        ("/record/start", ["sub/../../x.wav"], "may not leave the folder"),
        ("/record/start", ["sub/x.wav"], "a recording takes a plain name"),
        ("/midi/learn", ["lp"], "a port is written node.port, not 'lp'"),
        ("/get", ["/node/lp/cutof"], "did you mean cutoff?"),
        ("/subscribe", ["lp"], "/subscribe takes the beginning of addresses"),
    ],
)
def test_what_is_wrong_is_answered_and_changes_nothing(
    stage: Stage, osc: Osc, client: Client, address: str, args: list[Any], says: str
) -> None:
    before = stage.patch.copy()
    assert says in client.error(address, *args)
    assert stage.sets == [] and stage.calls == [] and stage.patch == before
    counts = osc.count()
    assert counts["refused"] + counts["unknown"] == 1 and counts["applied"] == 0


def test_a_value_out_of_range_is_the_nearest_and_told(stage: Stage, client: Client) -> None:
    for number, nearest in ((30000.0, 20000.0), (-1.0, 20.0)):
        says = f"node lp: cutoff takes 20 … 20000 Hz; {number:.0f} became {nearest:.0f}"
        assert client.error("/node/lp/cutoff", number) == says
        assert stage.sets[-1] == ("lp", "cutoff", nearest, False, 0)
    end = struct.unpack("f", struct.pack("f", 0.1))[0]  # float32 has no 0.1, only a little more
    param = Param(0.0, 0.0, 0.1)
    assert Value(stage, "lp", "x", param).convert(end) == 0.1  # type: ignore[arg-type]


def test_patterns_reach_every_address_that_is_like_them(stage: Stage, client: Client) -> None:
    client.send("/node/{osc,lfo}/freq", 50.0)
    client.send("/node/l?/[a-c]*", 60.0)
    client.send("/node/*/node/[!i]*/resonance", 0.5)
    client.sync()
    assert [s[:3] for s in stage.sets] == [
        ("lfo", "freq", 50.0), ("osc", "freq", 50.0), ("lp", "cutoff", 60.0), ("lp", "bypass", 1.0),
        ("voice/lp", "resonance", 0.5),
    ]  # fmt: skip
    started = time.monotonic()
    client.send("/node/" + "*a" * 200, 1.0)
    client.send("/" + "{a,b}" * 60, 1.0)
    assert [client.hear()[0], client.hear()[0]] == ["/error", "/error"]
    assert time.monotonic() - started < 1.0


def test_values_are_asked_for(client: Client) -> None:
    assert client.ask("/get", "/node/lp/cutoff") == ("/node/lp/cutoff", 800.0)
    assert client.ask("/get", "/node/lp/cutoff/knob") == ("/node/lp/cutoff/knob", pytest.approx(math.log(40) / math.log(1000)))
    assert client.ask("/node/lp/slope") == ("/node/lp/slope", "24 dB")
    assert client.ask("/get", "/node/lp/bypass") == ("/node/lp/bypass", 0.0)
    client.send("/get", "/node/*/freq")
    assert [client.hear(), client.hear()] == [("/node/lfo/freq", 2.0), ("/node/osc/freq", 220.0)]


def test_an_address_means_what_the_patch_is_now(stage: Stage, osc: Osc, client: Client) -> None:
    client.send("/node/lp/cutoff", 100.0)
    client.send("/patch/rename", "lp", "low")
    client.send("/node/lp/cutoff", 200.0)
    client.send("/node/low/cutoff", 300.0)
    assert client.hear()[0] == "/error"
    client.sync()
    stage.op({"do": {"edit": "remove", "name": "low"}})  # another client's edit
    assert "no node is called 'low'" in client.error("/node/low/cutoff", 400.0)
    assert [s[:3] for s in stage.sets] == [("lp", "cutoff", 100.0), ("low", "cutoff", 300.0)]


# time


def test_bundles_are_set_at_their_sample(stage: Stage, osc: Osc, client: Client) -> None:
    soon = time.time() + 0.5
    for seconds in (soon, soon + 0.001, soon + 0.25):
        client.raw(bundle([message("/node/lp/cutoff", 440.0), message("/node/lp/resonance", 0.5)], timetag(seconds)))
    client.sync()
    want = [stage.sample(s) for s in (soon, soon + 0.001, soon + 0.25) for _ in range(2)]
    assert [t for *_, t in stage.sets] == pytest.approx(want, abs=1)
    assert osc.count()["late"] == 0


def test_a_late_bundle_is_set_at_once_and_counted(stage: Stage, osc: Osc, client: Client) -> None:
    client.raw(bundle([message("/node/lp/cutoff", 440.0)], timetag(time.time() - 1.0)))
    client.raw(bundle([message("/node/lp/cutoff", 441.0)], 0))
    client.raw(bundle([message("/node/lp/cutoff", 442.0)]))
    client.sync()
    assert [s[2:] for s in stage.sets] == [(440.0, False, 0), (441.0, False, 0), (442.0, False, 0)]
    assert osc.count()["late"] == 1


def test_a_bundle_hours_ahead_is_refused(stage: Stage, client: Client) -> None:
    client.raw(bundle([message("/node/lp/cutoff", 440.0)], timetag(time.time() + 4000.0)))
    assert "may be 3600 seconds early" in client.hear()[1]
    client.raw(bundle([message("/transport/play")], (1 << 64) - 1))
    assert "may be 3600 seconds early" in client.hear()[1]
    assert stage.sets == [] and stage.calls == []


def test_a_command_in_a_bundle_waits_for_its_time_and_holds_up_nothing(stage: Stage, client: Client) -> None:
    due = time.time() + 0.3
    client.raw(bundle([message("/snapshot/recall", "b", 1.0)], timetag(due)))
    client.send("/snapshot/recall", "a")
    client.sync()
    assert stage.calls == [("recall", "a", 0.0)]
    until(lambda: len(stage.calls) == 2)
    assert 0.0 <= time.time() - due < 0.15
    assert stage.calls[1] == ("recall", "b", 1.0)


# commands


@pytest.mark.parametrize(
    ("address", "args", "call"),
    [
        ("/snapshot/capture", ["a"], ("capture", "a", None)),
        (
            "/snapshot/capture",
            ["a", "lp.cutoff", "voice/lp.cutoff"],
            ("capture", "a", [("lp", "cutoff"), ("voice/lp", "cutoff")]),
        ),
        ("/snapshot/blend", ["a", 1, "b", 0.5, "a", 1.0], ("blend", {"a": 2.0, "b": 0.5})),
        ("/snapshot/morph", ["a", "b", 0.25], ("blend", {"a": 0.75, "b": 0.25})),
        ("/snapshot/xy", ["a", "b", "c", "d", 1.0, 0.25], ("blend", {"a": 0.0, "b": 0.75, "c": 0.0, "d": 0.25})),
        ("/transport/play", [], ("transport", "play")),
        ("/transport/play", [1], ("transport", "play")),  # as a button sends it
        ("/transport/stop", [], ("transport", "stop")),
        ("/transport/reset", [], ("transport", "reset")),
        ("/transport/panic", [], ("transport", "panic")),
        ("/clock/tempo", [120], ("tempo", 120.0)),
        ("/patch/load", ["other.zrack"], ("op", {"load": "other.zrack"})),
        ("/setlist/next", [], ("next_patch",)),
        ("/setlist/go", [2], ("go", 2)),
        ("/setlist/go", ["intro"], ("go", "intro")),
        ("/record/start", ["take.wav"], ("record", "take.wav")),
        ("/record/stop", [], ("record", None)),
        ("/midi/learn", ["lp.cutoff"], ("learn", "lp", "cutoff")),
    ],
)
def test_commands_reach_the_session(stage: Stage, client: Client, address: str, args: list[Any], call: tuple[Any, ...]) -> None:
    client.send(address, *args)
    client.sync()
    assert stage.calls == [call]


def test_taps_make_a_tempo(stage: Stage, client: Client) -> None:
    for _ in range(4):
        client.send("/clock/tap")
        time.sleep(0.1)
    client.sync()
    assert [c[0] for c in stage.calls] == ["tempo"] * 3
    assert stage.calls[-1][1] == pytest.approx(600.0, rel=0.15)


def test_a_patch_is_built_and_undone_over_osc(stage: Stage, client: Client) -> None:
    before = stage.patch.copy()
    want = stage.patch.copy()
    for address, *args in (
        ("/patch/add", "filter/lowpass", "second", 10.0, 20.0), ("/patch/add", "filter/lowpass"),
        ("/patch/add", "source/saw", 5, 6),
        ("/patch/connect", "lp.out", "second.audio", 0.5), ("/patch/connect", "lfo.out", "second.cutoff", 0.1, "units"),
        ("/patch/amount", "lp.out", "second.audio", 0.75), ("/patch/rename", "second", "third"),
        ("/patch/move", "third", 1.0, 2.0),
        ("/patch/setting", "third", "voices", 4), ("/patch/bypass", "third"), ("/patch/bypass", "lp", False),
        ("/patch/disconnect", "lfo.out", "third.cutoff"), ("/patch/remove", "lowpass"), ("/patch/group", "pair", "lp", "third"),
        ("/patch/add", "source/saw", "voice/extra"), ("/patch/connect", "voice/extra.out", "voice/lp.audio"),
    ):  # fmt: skip
        client.send(address, *args)
    client.sync()
    want.add("filter/lowpass", "second", at=(10.0, 20.0))
    assert set(stage.patch.nodes) == {"lfo", "osc", "saw", "pair", "voice"}
    assert stage.patch.nodes["saw"].at == (5.0, 6.0)
    pair, voice = stage.patch.inner("pair"), stage.patch.inner("voice")
    assert pair is not None and voice is not None
    assert pair.cables["lp", "out", "third", "audio"].amount == 0.75
    assert pair.nodes["third"].settings == {"voices": 4} and pair.nodes["third"].bypass and not pair.nodes["lp"].bypass
    assert ("extra", "out", "lp", "audio") in voice.cables
    for _ in range(16):
        client.send("/patch/undo")
    client.sync()
    assert stage.patch == before
    client.send("/patch/redo")
    client.sync()
    assert stage.patch == want


def test_files_stay_inside_the_folder_of_the_patch(stage: Stage, tmp_path: Path) -> None:
    folder = tmp_path / "rig"
    folder.mkdir()
    (tmp_path / "secret.zrack").write_bytes(b"x")
    os.symlink(tmp_path / "secret.zrack", folder / "link.zrack")
    os.symlink(tmp_path, folder / "out")
    stage.patch.folder = folder
    server = Osc(stage, port=0)  # type: ignore[arg-type]
    client = Client(server)
    try:
        for word in ("/patch/load", "/patch/save"):
            for name in ("link.zrack", "out/secret.zrack", "../secret.zrack", "~/x\n", "/tmp/x"):
                assert client.error(word, name)
        client.send("/patch/save", "mine.zrack")
        client.send("/patch/save")
        client.sync()
        assert stage.calls == [("op", {"save": "mine.zrack"}), ("op", {"save": ""})]
    finally:
        client.socket.close()
        server.close()


# subscribers


def test_changes_are_echoed_to_those_who_asked(stage: Stage, osc: Osc) -> None:
    everything, some, knobs, left = (Client(osc) for _ in range(4))
    everything.send("/subscribe")
    some.send("/subscribe", "/node/lp")
    knobs.send("/subscribe", "/node/*/cutoff/knob")
    left.send("/subscribe")
    left.send("/unsubscribe")
    for one in (everything, some, knobs, left):
        one.sync()
    stage.values["lp", "cutoff"] = 20000.0
    stage.tell({"kind": "values", "values": [("lp", "cutoff", 20000.0), ("osc", "freq", 3.0), ("voice/lp", "resonance", 0.5)]})
    assert {everything.hear() for _ in range(3)} == {
        ("/node/lp/cutoff", 20000.0), ("/node/osc/freq", 3.0), ("/node/voice/node/lp/resonance", 0.5),
    }  # fmt: skip
    assert some.hear() == ("/node/lp/cutoff", 20000.0)
    assert knobs.hear() == ("/node/lp/cutoff/knob", 1.0)
    stage.op({"do": {"edit": "remove", "name": "osc"}})
    stage.tell({"kind": "error", "text": "node lp: put out NaN"})
    stage.tell({"kind": "transport", "word": "stop"})
    stage.tell({"kind": "loaded", "patch": "next.zrack"})
    assert [everything.hear() for _ in range(4)] == [
        ("/patch/changed", "remove osc"), ("/error", "node lp: put out NaN"), ("/transport/stop",), ("/patch/loaded", ""),
    ]  # fmt: skip
    assert left.everything(0.1) == []
    for one in (everything, some, knobs, left):
        one.socket.close()


def test_values_are_echoed_at_most_every_50_ms_and_newest_only(stage: Stage, client: Client) -> None:
    client.send("/subscribe")
    client.sync()
    end, n = time.monotonic() + 0.4, 0
    while time.monotonic() < end:
        n += 1
        stage.tell({"kind": "values", "values": [("lp", "cutoff", float(n))]})
        time.sleep(0.001)
    found = client.everything(0.2)
    assert 2 <= len(found) <= 10 and found[-1] == ("/node/lp/cutoff", float(n))


def test_subscribers_are_few_and_their_lease_ends(
    stage: Stage, osc: Osc, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(osc_answers, "LEASE", 0.4)
    others = [Client(osc) for _ in range(osc_answers.SUBSCRIBERS)]
    for one in others:
        one.send("/subscribe")
        one.sync()
    assert "32 subscribers already" in client.error("/subscribe")
    end = time.monotonic() + 0.8
    while time.monotonic() < end:  # the first says something now and then
        others[0].sync()
        time.sleep(0.05)
    stage.tell({"kind": "values", "values": [("lp", "cutoff", 1.0)]})
    assert others[0].everything(0.2) == [("/node/lp/cutoff", 1.0)]
    assert others[1].everything(0.05) == []
    for one in others:
        one.socket.close()


# where it listens


def test_it_listens_on_this_machine_only(osc: Osc) -> None:
    assert osc.address[0] == "127.0.0.1"
    lines = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
    assert [w[1].split(":")[0] for w in lines if int(w[1].split(":")[1], 16) == osc.address[1]] == ["0100007F"]


def test_a_port_that_is_taken_is_told(stage: Stage, osc: Osc) -> None:
    with pytest.raises(PatchError, match=f"at 127.0.0.1 port {osc.address[1]}: the port is taken by another program"):
        Osc(stage, port=osc.address[1])  # type: ignore[arg-type]


def test_it_opens_to_peers_that_are_named_and_to_nobody_else(stage: Stage) -> None:
    with pytest.raises(PatchError, match="without peers"):
        Osc(stage, "0.0.0.0", 0)  # type: ignore[arg-type]
    with pytest.raises(PatchError, match=r"kitchen is no address and no network"):
        Osc(stage, "0.0.0.0", 0, ["kitchen"])  # type: ignore[arg-type]
    with pytest.raises(PatchError, match="no such host"):
        Osc(stage, "no host", 0)  # type: ignore[arg-type]
    opened = Socket("0.0.0.0", 0, ["192.168.1.0/24", "10.0.0.7"])
    try:
        for host, welcome in (
            ("192.168.1.9", True),
            ("10.0.0.7", True),
            ("127.0.0.1", True),
            ("10.0.0.8", False),
            ("8.8.8.8", False),
        ):
            name = struct.pack("=H", socket.AF_INET) + struct.pack("!H", 5000) + socket.inet_aton(host) + bytes(20)
            assert opened.sender(name) == ((host, 5000) if welcome else None)
    finally:
        opened.close()


# other people's programs


@pytest.mark.skipif(not shutil.which("oscsend") or not shutil.which("oscdump"), reason="liblo-tools are not installed")
def test_liblo_talks_to_it_and_understands_it(stage: Stage, osc: Osc, tmp_path: Path) -> None:
    port = str(osc.address[1])
    for words in (
        ["/node/lp/cutoff", "f", "440"],
        ["/node/lp/slope", "s", "12 dB"],
        ["/node/lp/bypass", "T"],
        ["/node/lp/cutoff", "d", "441"],
    ):
        subprocess.run(["oscsend", "127.0.0.1", port, *words], check=True)
    until(lambda: len(stage.sets) == 4)
    assert [s[2] for s in stage.sets] == [440.0, "12 dB", 1.0, 441.0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        there = probe.getsockname()[1]
    with (tmp_path / "heard").open("w+") as heard:
        dump = subprocess.Popen(["stdbuf", "-oL", "oscdump", str(there)], stdout=heard)
        try:
            places = (("/node/lp/cutoff", 440.5), ("/error", "node lp: cutoff takes 20 … 20000 Hz"))
            deadline = time.monotonic() + 5.0
            while (text := (tmp_path / "heard").read_text()).count("\n") < 2 and time.monotonic() < deadline:
                for place in places:  # until it listens
                    osc.socket.send(message(*place), ("127.0.0.1", there))
                time.sleep(0.05)
        finally:
            dump.terminate()
            dump.wait()
    assert "/node/lp/cutoff f 440.5" in text and '/error s "node lp: cutoff takes 20 … 20000 Hz"' in text
