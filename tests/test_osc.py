"""OSC over real sockets: what is said is done, in time and once; what is wrong is answered, and harms nothing."""

from __future__ import annotations

import contextlib
import math
import os
import random
import resource
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pythonosc.osc_message import OscMessage

from graph import PatchError
from graph.spec import Param
from nodes import Patch
from runtime import osc_answers
from runtime.addresses import Value
from runtime.osc import BEHIND, Osc
from runtime.osc_packets import DEPTH, NOW, Malformed, bundle, message, parse, timetag
from runtime.osc_socket import Socket
from runtime.session import Session
from tests import kit
from tests.osc_stage import Stage


def nested(depth: int, inner: bytes = b"") -> bytes:
    data = inner
    for _ in range(depth):
        data = bundle([data] if data else [])
    return data


FATAL = {
    "negative size": b"#bundle\0" + struct.pack(">Q", NOW) + b"\xff\xff\xff\xfc",
    "400 deep": nested(400),
    "17 deep": nested(DEPTH + 1, message("/ping")),
    "truncated": message("/node/lp/cutoff", 440.0)[:-2],
    "half a number": message("/node/lp/cutoff", 440.0)[:-4],
    "non-ASCII": "/node/lä/cutoff".encode().ljust(20, b"\0") + b",f\0\0\0\0\0\0",
    "no end of text": b"/node/lp/cutoff/",
    "no tags": b"/a\0\0\0\0\0\1",
    "unknown tag": b"/a\0\0,Q\0\0",
    "array without end": b"/a\0\0,[\0\0",
    "array that never began": b"/a\0\0,]\0\0",
    "blob of size -1": b"/a\0\0,b\0\0\xff\xff\xff\xff",
    "blob too long": b"/a\0\0,b\0\0\0\0\0\x09abcdefgh",
    "element too long": b"#bundle\0" + struct.pack(">Qi", NOW, 9996) + b"/a\0\0",
    "element of size 3": b"#bundle\0" + struct.pack(">Qi", NOW, 3) + b"/a\0\0",
    "element that is nothing": bundle([b"none"]),
    "too many elements": bundle([b""] * 5000),
    "bytes after the end": message("/a", 1.0) + b"\0\0\0\0",
    "not UTF-8": b"/a\0\0,s\0\0\xff\xff\xff\0",
    "nothing": b"",
    "text": b"hello",
}
VALUES = st.one_of(
    st.floats(width=32, allow_nan=False), st.integers(-(2**31), 2**31 - 1), st.integers(2**33, 2**60), st.booleans(), st.none(),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20), st.binary(min_size=1, max_size=9),
)  # fmt: skip
ADDRESSES = st.from_regex(r"/[a-z/_0-9]{1,30}", fullmatch=True)


# packets


@given(ADDRESSES, st.lists(VALUES, max_size=6))
def test_messages_are_read_as_python_osc_reads_them(address: str, args: list[Any]) -> None:
    data = message(address, *args)
    (found,) = parse(data)
    reference = OscMessage(data)
    assert (found.address, list(found.args)) == (reference.address, reference.params) == (address, args)


def test_arguments_that_python_osc_leaves_out() -> None:
    data = b"/a\0\0,cISiT[f]\0\0\0" + b"\0\0\0x" + b"sym\0" + struct.pack(">i", 7) + struct.pack(">f", 0.5)
    assert parse(data)[0].args == ("x", True, "sym", 7, True, [0.5])


@given(st.lists(st.tuples(ADDRESSES, st.lists(VALUES, max_size=2)), max_size=5), st.integers(2, 2**63))
def test_bundles_keep_order_and_an_inner_one_is_never_earlier(messages: list[tuple[str, list[Any]]], tag: int) -> None:
    built = [message(a, *args) for a, args in messages]
    found = parse(bundle([*built, bundle(built, tag + 5), bundle(built, NOW)], tag))
    n = len(messages)
    assert [(m.address, list(m.args)) for m in found] == messages * 3
    assert [m.tag for m in found] == [tag] * n + [tag + 5] * n + [tag] * n


@pytest.mark.parametrize("name", FATAL)
def test_malformed_packets_are_refused_whole(name: str) -> None:
    with pytest.raises(Malformed):
        parse(FATAL[name])


@settings(max_examples=1000)
@given(
    st.binary(max_size=64),
    st.sampled_from([b"", b"/a\0\0,", b"#bundle\0\0\0\0\0\0\0\0\1", b"#bundle\0\0\0\0\0\0\0\0\1\0\0\0\x08/a\0\0"]),
)
def test_any_bytes_are_messages_or_malformed(data: bytes, start: bytes) -> None:
    with contextlib.suppress(Malformed):
        parse(start + data)


# a server, and one who talks to it


class Client:
    """A socket that talks to a server."""

    def __init__(self, osc: Osc) -> None:
        self.place = osc.address
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(3.0)

    def send(self, address: str, *args: Any) -> None:
        self.raw(message(address, *args))

    def raw(self, data: bytes) -> None:
        self.socket.sendto(data, self.place)

    def hear(self) -> tuple[Any, ...]:
        """The next message: address, arguments."""
        (found,) = parse(self.socket.recv(65536))
        return (found.address, *found.args)

    def ask(self, address: str, *args: Any) -> tuple[Any, ...]:
        self.send(address, *args)
        return self.hear()

    def error(self, address: str, *args: Any) -> str:
        """The sentence that a message is answered with."""
        word, text, *_ = self.ask(address, *args)
        assert word == "/error"
        return str(text)

    def sync(self) -> None:
        """Waits until all that was sent is done."""
        mark = random.getrandbits(30)
        self.send("/ping", mark)
        while self.hear() != ("/pong", mark):
            pass

    def everything(self, seconds: float = 0.2) -> list[tuple[Any, ...]]:
        """What comes within a time."""
        found, end = [], time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                found.append(self.hear())
            except TimeoutError:
                break
        self.socket.settimeout(3.0)
        return found


def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


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
        ("/transport/play", [1], "/transport/play takes no arguments, not 1 argument"),
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
    patch.add("filter/svf", "lp", freq=1000.0)
    patch.add("io/output", "out")
    patch.connect("saw.out", "lp.audio")
    patch.connect("lp.out", "out.audio")
    patch.save(folder / "rig.zrack")
    with Session(Patch.load(folder / "rig.zrack"), logs=folder) as one:
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
    rig.send("/node/lp/freq", 440.0)
    assert rig.hear() == ("/node/lp/freq", 440.0)
    assert rig.ask("/get", "/node/lp/freq") == ("/node/lp/freq", 440.0)
    rig.send("/node/lp/freq/knob", 1.0)
    high = session.patch.spec("lp").params["freq"].high  # type: ignore[union-attr]
    assert rig.hear() == ("/node/lp/freq", high)
    for address, *args in (
        ("/snapshot/capture", "bright"), ("/patch/add", "source/saw", "second"), ("/patch/connect", "second.out", "lp.audio", 0.25),
        ("/patch/undo",), ("/transport/stop",), ("/transport/play",),
    ):  # fmt: skip
        rig.send(address, *args)
    assert [rig.hear()[0] for _ in range(6)] == ["/patch/changed"] * 4 + ["/transport/stop", "/transport/play"]
    assert "second" in session.patch.nodes and not session.patch.into("lp", "audio")[1:]
    rig.send("/node/second/bypass", True)
    assert rig.hear() == ("/node/second/bypass", 1.0)
    rig.send("/node/lp/freq", 100.0)
    assert rig.hear() == ("/node/lp/freq", 100.0)
    rig.send("/snapshot/recall", "bright")
    assert ("/node/lp/freq", high) in rig.everything(0.3)
    assert "no snapshot 'dull'" in rig.error("/snapshot/recall", "dull")
    assert "saving over the network is off" in rig.error("/patch/save")
    assert "did you mean freq" in rig.error("/node/lp/frq", 1.0)
    assert session.errors == []


def test_a_session_takes_ten_thousand_values_a_second(session: Session) -> None:
    osc = Osc(session, port=0)
    words = [sys.executable, "-c", FLOOD, *map(str, osc.address), "10000", "2"]
    flood = subprocess.Popen(words, stdin=subprocess.PIPE)
    assert flood.stdin is not None
    packets = [message(("/node/lp/freq", "/node/saw/freq")[k % 2], 100.0 + k) for k in range(1000)]
    flood.stdin.write(" ".join(p.hex() for p in packets).encode())
    flood.stdin.close()
    assert flood.wait(30) == 0
    until(lambda: osc.count()["received"] == 20_000)
    assert {k: v for k, v in osc.count().items() if v} == {"received": 20_000, "applied": 20_000}
    assert (session.get("lp", "freq"), session.get("saw", "freq")) == (1098.0, 1099.0)
    osc.close()


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
