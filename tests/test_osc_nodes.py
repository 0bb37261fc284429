"""OSC nodes: what is sent to an address sounds at its sample, what a signal does is sent."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nodes import Patch
from nodes.osc import OscIn
from runtime.offline import Event, render
from runtime.osc import Osc
from runtime.osc_packets import bundle, message, parse, timetag
from runtime.session import Session
from tests.osc_stage import Stage
from tests.rig import run

# in


def test_a_message_opens_the_trigger_and_a_value_of_a_half_the_gate() -> None:
    hits, value = np.zeros(400), np.zeros(400)
    hits[100:], hits[200:], hits[210:], hits[300:] = 1, 2, 3, 0  # the last: the count began again
    value[100:200], value[200:] = 0.5, 0.25
    got = run(OscIn, 400, value=value, hits=hits, smooth=0.0, length=20 / 48000)
    assert np.array_equal(got["out"][:, 0], np.float32(value))
    assert np.array_equal(got["gate"][:, 0], value >= 0.5)
    want = np.zeros(400)
    want[100:120] = want[200:231] = 1.0
    want[210] = 0.0  # so that the second of two close messages is an edge too
    assert np.array_equal(got["trigger"][:, 0], want)


def test_smoothing_goes_to_a_third_in_its_time() -> None:
    out = run(OscIn, 48000, value=1.0, smooth=0.1)["out"][:, 0]
    assert out[4799] == pytest.approx(1.0 - np.exp(-1.0), abs=1e-3)
    assert np.abs(out - (1.0 - np.exp(-np.arange(1, 48001) / 4800.0))).max() < 1e-4


def listening() -> Patch:
    patch = Patch()
    patch.add("osc/in", "pad", address="/pad/1", smooth=0.0)
    patch.add("osc/in", "x", address="/xy")
    patch.add("osc/in", "y", address="/xy", index=2)
    patch.add("io/output", "out", to="channels")
    patch.connect("pad.gate", "out.audio")
    patch.limiter = False
    return patch


@pytest.mark.parametrize("at", [1, 64, 65, 127, 1000])
def test_a_value_sounds_at_its_sample(at: int) -> None:
    events = [Event(at / 48000, "pad", "value", 1.0), Event((at + 77) / 48000, "pad", "value", 0.0)]
    audio = render(listening(), 0.05, events=events).audio[:, 0]
    assert np.flatnonzero(np.diff(audio, prepend=0.0)).tolist() == [at, at + 77]


@pytest.fixture
def stage() -> Stage:
    return Stage(listening())


@pytest.fixture
def server(stage: Stage) -> Iterator[Osc]:
    osc = Osc(stage, port=0)  # type: ignore[arg-type]
    yield osc
    osc.close()


def exchange(server: Osc, *packets: bytes) -> list[tuple[Any, ...]]:
    """What is answered to packets."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(3.0)
        for data in (*packets, message("/ping")):
            one.sendto(data, server.address)
        found = []
        while True:
            (said,) = parse(one.recv(65536))
            if said.address == "/pong":
                return found
            found.append((said.address, *said.args))


def test_messages_to_any_address_are_heard_by_the_nodes_that_listen(stage: Stage, server: Osc) -> None:
    soon = time.time() + 0.5
    assert exchange(
        server, message("/pad/1", 0.75), message("/pad/1", 0.75), message("/pad/1"), message("/xy", 0.25, 3.0),
        bundle([message("/pad/1", 1)], timetag(soon)),
    ) == []  # fmt: skip
    at = stage.sample(soon)
    assert [(p, n, v, t) for p, n, v, _, t in stage.sets] == [
        ("pad", "value", 0.75, 0), ("pad", "hits", 1.0, 0), ("pad", "value", 0.75, 0), ("pad", "hits", 2.0, 0),
        ("pad", "hits", 3.0, 0), ("x", "value", 0.25, 0), ("x", "hits", 4.0, 0), ("y", "value", 3.0, 0), ("y", "hits", 5.0, 0),
        ("pad", "value", 1.0, at), ("pad", "hits", 6.0, at),
    ]  # fmt: skip


def test_wrong_messages_are_told(stage: Stage, server: Osc) -> None:
    said = exchange(
        server, message("/xy", 1.0), message("/pad/1", "loud"), message("/pad/2", 1.0), message("/pad/1", float("nan"))
    )
    assert [text for _, text, *_ in said] == [
        "node y: takes argument 2 of /xy, which has 1", "node pad: value takes a number, not 'loud'",
        "nothing listens at '/pad/2'; did you mean /pad/1?", "node pad: value takes -1000000 … 1000000, not nan",
    ]  # fmt: skip
    assert {p for p, *_ in stage.sets} == {"x"}


def test_a_new_address_is_heard_at_once(stage: Stage, server: Osc) -> None:
    assert exchange(server, message("/patch/setting", "pad", "address", "/kick"), message("/kick", 1.0)) == []
    assert stage.sets[0][:3] == ("pad", "value", 1.0)
    assert "nothing listens at '/pad/1'" in exchange(server, message("/pad/1", 1.0))[0][1]


def test_gates_in_bundles_are_heard_at_their_sample(tmp_path: Path) -> None:
    with Session(listening(), logs=tmp_path) as session:
        session.transport("play")
        time.sleep(0.3)  # the clock settles
        osc = Osc(session, port=0)
        name = session.record("gates.wav")
        assert session.recorder is not None
        begins = session.recorder.begins
        want: list[int] = []
        sample = session.sample

        def noted(unix: float) -> int:  # the device's clock is measured anew all the time: what the server was told counts
            want.append(sample(unix))
            return want[-1]

        session.sample = noted  # type: ignore[method-assign]
        first = time.time() + 0.4
        for k in range(40):
            exchange(osc, bundle([message("/pad/1", 1.0 - k % 2)], timetag(first + 0.0137 * k)))
        while session.now() < want[-1] + 4800 and time.time() < first + 5.0:
            time.sleep(0.01)
        session.record(None)
        osc.close()
    audio, _ = soundfile.read(tmp_path / name, always_2d=True)
    heard = begins + np.flatnonzero(np.diff(audio[:, 0], prepend=0.0))
    assert len(heard) == 40 and np.abs(heard - want).max() <= 1
    assert osc.count()["late"] == 0


# out


def sent(patch: Patch, seconds: float, **settings: Any) -> list[tuple[Any, ...]]:
    """The messages that a patch with an osc/out called `send` sends while it is rendered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
        there.bind(("127.0.0.1", 0))
        there.setblocking(False)
        patch.set("send", to=f"127.0.0.1:{there.getsockname()[1]}", **settings)
        assert render(patch, seconds).faults == []
        found = []
        while True:
            try:
                (said,) = parse(there.recv(65536))
            except BlockingIOError:
                return found
            found.append((said.address, *said.args))


def sending(**ramp: float) -> Patch:
    patch = Patch()
    patch.add("mod/clock", "clock", bpm=60.0)
    patch.add("mod/ramp", "ramp", **ramp)
    patch.add("osc/out", "send", address="/fader")
    patch.connect("clock.out", "ramp.trigger")
    patch.connect("ramp.out", "send.signal")
    return patch


def test_a_signal_is_sent_at_its_rate() -> None:
    found = sent(sending(time=1.0, begin=0.0, end=1.0), 1.0, rate=20.0)
    assert {address for address, _ in found} == {"/fader"}
    np.testing.assert_allclose([v for _, v in found], np.arange(20) / 20, atol=1e-3)


def test_only_what_moves_is_sent() -> None:
    assert len(sent(sending(time=0.1, begin=0.5, end=0.5), 1.0)) == 1
    found = [v for _, v in sent(sending(time=0.5, begin=0.0, end=1.0), 1.0, rate=1000.0, threshold=0.0999)]
    assert len(found) == pytest.approx(11, abs=1) and np.diff(found).min() > 0.0999


def test_channels_are_arguments() -> None:
    patch = Patch()
    patch.add("osc/out", "send")
    patch.add("maths/add", "half", b=0.5)
    patch.add("maths/add", "third", b=0.25)
    patch.add("maths/pack", "both")
    patch.connect("half.out", "both.in1")
    patch.connect("third.out", "both.in2")
    patch.connect("both.out", "send.signal")
    assert sent(patch, 0.1) == [("/out", 0.5, 0.25)]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"to": "nowhere"}, "to is nowhere, but it must be host:port"),
        ({"to": "127.0.0.1:99999"}, "it must be host:port"),
        ({"to": "no such host:9000"}, "there is no host no such host"),
        ({"address": "fader"}, "address is fader, but it must be one that OSC allows"),
        ({"address": "/a*"}, "it must be one that OSC allows"),
    ],
)
def test_a_place_that_cannot_be_is_told(settings: dict[str, str], says: str) -> None:
    patch = sending()
    patch.set("send", **settings)
    (fault,) = render(patch, 0.05).faults
    assert fault.node == "send" and says in fault.reason
