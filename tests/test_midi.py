"""MIDI into a whole session: notes to sound, learnt knobs, clocks, ports that come and go."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from graph import PatchError, edits
from nodes import Patch
from nodes.midi_ports import Sender, open_output
from runtime import midi as module
from runtime.midi import Midi
from runtime.midi_routes import Knob, walk
from runtime.session import Session
from runtime.tempo import TICKS, Tap, Ticks

from .jack import Jack, needs_jack
from .test_engine import patch_of
from .test_session import do, settle, until

ON, OFF, CC, PROGRAM = 0x90, 0x80, 0xB0, 0xC0


def keyboard() -> Patch:
    """Two voices, their pitch and gate at four outputs as they are."""
    patch = patch_of(
        ("midi/notes", "keys", {"voices": 2}), ("io/output", "pitch", {"to": "channels"}),
        ("io/output", "gate", {"to": "channels", "first": 3}), ("filter/svf", "f", {}), ("midi/clock", "sync", {}),
        ("mod/clock", "clock", {}), ("midi/cc", "wheel", {}),
        cables="keys.pitch>pitch.audio keys.gate>gate.audio",
    )  # fmt: skip
    patch.limiter = False
    return patch


class Watched(Session):
    """A session that remembers what was written into live states."""

    def cell(self, path: str, state: str, index: int, value: float, time: int = 0) -> None:
        super().cell(path, state, index, value, time)
        if not hasattr(self, "cells"):
            self.cells: list[tuple[str, str, int, float]] = []
        self.cells.append((path, state, index, value))

    def notes(self, path: str = "keys") -> dict[int, float]:
        """The last strike of each voice."""
        return {i: v for p, s, i, v in getattr(self, "cells", []) if (p, s) == (path, "note")}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Watched]:
    with Watched(keyboard(), logs=tmp_path) as s:
        s.transport("play")
        until(lambda: s.now() > 9600)
        yield s


@pytest.fixture
def midi(session: Watched) -> Iterator[Midi]:
    """MIDI without ports: messages come from the tests."""
    m = Midi(session, ports=[])
    m.start()
    yield m
    m.close()


def send(midi: Midi, *messages: list[int]) -> None:
    for message in messages:
        midi.put((time.time(), time.perf_counter(), message))


def settings(**values: Any) -> edits.Edit:
    return edits.SetPatch("meta", {"midi": values})


# ---------------------------------------------------------------------------------------------- notes


def test_notes_are_heard_in_the_recording(session: Watched, midi: Midi, tmp_path: Path) -> None:
    session.record("take.wav")
    for key in (72, 48):
        send(midi, [ON, key, 100])
        time.sleep(0.03)
        send(midi, [OFF, key, 0])
        time.sleep(0.03)
    until(lambda: session.notes() == {0: -1.0, 1: -2.0})
    time.sleep(0.05)
    take, _ = soundfile.read(tmp_path / session.record(None), always_2d=True)
    pitch, gate = take[:, :2], take[:, 2:4]
    for voice, volts in ((0, 1.0), (1, -1.0)):
        on = np.flatnonzero(gate[:, voice] >= 0.5)
        assert 0.02 < len(on) / session.rate < 0.2
        assert (pitch[on, voice] == volts).all()
    assert not (gate.min(axis=1) >= 0.5).any()
    assert not session.errors


def test_the_rhythm_stays_though_messages_are_handled_in_heaps(session: Watched, midi: Midi, tmp_path: Path) -> None:
    session.record("take.wav")
    time.sleep(0.05)
    begin = time.time() - 0.05
    times = [begin + 0.01 * k for k in range(10)]  # half of them wait in a queue already, as after a busy moment
    for k, at in enumerate(times):
        time.sleep(max(at - time.time(), 0.0))
        midi.put((at, at, [ON, 61 + k, 100]))
    until(lambda: midi.messages == 10)
    time.sleep(0.15)
    take, _ = soundfile.read(tmp_path / session.record(None), always_2d=True)
    changes = np.flatnonzero(np.abs(np.diff(take[:, :2], axis=0)).max(axis=1) > 1e-6)
    assert len(changes) == 10
    assert np.diff(changes) == pytest.approx(480, abs=session.block + 1)


def test_voices_survive_edits_and_follow_their_node(session: Watched, midi: Midi) -> None:
    send(midi, [ON, 60, 100])
    until(lambda: session.notes() == {0: 1.0})
    do(session, edits.Rename("keys", "piano"))
    do(session, edits.AddNode("source/saw", "saw"))
    settle(session)
    until(lambda: not midi._dirty.is_set())
    send(midi, [OFF, 60, 0])
    until(lambda: session.notes("piano") == {0: -1.0})


def test_another_mode_releases_what_was_held(session: Watched, midi: Midi) -> None:
    send(midi, [ON, 60, 100])
    until(lambda: session.notes() == {0: 1.0})
    do(session, edits.SetSetting("keys", "mode", "mono last"))
    until(lambda: session.notes() == {0: -1.0})
    send(midi, [ON, 60, 100], [ON, 62, 100])
    until(lambda: session.notes() == {0: 3.0})


def test_panic_ends_all_notes(session: Watched, midi: Midi) -> None:
    send(midi, [ON, 60, 100], [ON, 64, 100])
    until(lambda: session.notes() == {0: 1.0, 1: 2.0})
    session.transport("panic")
    until(lambda: session.notes() == {0: -1.0, 1: -2.0})
    send(midi, [OFF, 60, 0], [ON, 60, 100])  # the key that was down is not a new note
    until(lambda: session.notes() == {0: 3.0, 1: -2.0})


def test_nodes_inside_sub_patches_hear_too(session: Watched, midi: Midi) -> None:
    do(session, edits.Group(("keys",), "box"))
    settle(session)
    assert [p for p, *_ in walk(session.patch)] == ["box/keys", "sync", "wheel"]
    until(lambda: not midi._dirty.is_set())
    send(midi, [ON, 60, 100])
    until(lambda: session.notes("box/keys") == {0: 1.0})


def test_whatever_arrives_the_next_note_plays(session: Watched, midi: Midi) -> None:
    rng = np.random.default_rng(1)
    send(midi, [], [60], [ON], [ON, 200, 300], [0xF0, 1, 2], [0xFF])
    send(midi, *(rng.integers(0, 256, rng.integers(1, 4)).tolist() for _ in range(2000)))
    until(lambda: midi._queue.empty())
    send(midi, *([CC | c, 120, 0] for c in range(16)), [ON, 60, 100])
    until(lambda: sorted(v > 0 for v in session.notes().values()) == [False, True])
    assert not session.errors


# ---------------------------------------------------------------------------------------------- controllers


def test_learn_move_unlearn_undo(session: Watched, midi: Midi) -> None:
    session.learn("f", "cutoff")
    send(midi, [ON, 60, 1], [CC | 2, 74, 10])
    until(lambda: session.patch.meta.get("midi") == {"3/74": "f.cutoff"})
    until(lambda: not midi._dirty.is_set())
    send(midi, [CC | 2, 74, 127])
    until(lambda: session.patch.value("f", "cutoff") == session.patch.spec("f").params["cutoff"].high)  # type: ignore[union-attr]
    send(midi, [CC | 2, 74, 0])
    until(lambda: session.get("f", "cutoff") == pytest.approx(20.0))
    session.learn("f", "cutoff")  # another controller takes its place
    send(midi, [CC, 40, 1])
    until(lambda: session.patch.meta["midi"] == {"1/40": "f.cutoff"})
    midi.unlearn("f", "cutoff")
    assert session.patch.meta["midi"] == {}
    session.op({"undo": 1})
    assert session.patch.meta["midi"] == {"1/40": "f.cutoff"}
    with pytest.raises(PatchError, match="no param"):
        session.learn("f", "nothing")


def test_a_controller_of_fourteen_bits_is_learnt_as_one(session: Watched, midi: Midi) -> None:
    session.learn("f", "q")
    send(midi, [CC, 5, 64], [CC, 37, 0])
    until(lambda: session.patch.meta.get("midi") == {"1/5+37": "f.q"})
    until(lambda: not midi._dirty.is_set())
    send(midi, [CC, 5, 64], [CC, 37, 1])
    p = session.patch.spec("f").params["q"]  # type: ignore[union-attr]
    until(lambda: session.get("f", "q") == pytest.approx(p.at(8193 / 16383), abs=1e-6))


def test_choices_and_bypasses_can_be_learnt(session: Watched, midi: Midi) -> None:
    do(session, settings(**{"1/1": "clock.per_beat", "1/2": "f.bypass", "1/3": "gone.gain", "junk": 3}))
    until(lambda: not midi._dirty.is_set())
    send(midi, [CC, 1, 127], [CC, 2, 127], [CC, 3, 1])
    until(lambda: session.patch.value("clock", "per_beat") == "24" and session.patch.nodes["f"].bypass)
    send(midi, [CC, 1, 0], [CC, 2, 0])
    until(lambda: session.patch.value("clock", "per_beat") == "1" and not session.patch.nodes["f"].bypass)


def test_the_controller_node_keeps_its_value_in_the_patch(session: Watched, midi: Midi) -> None:
    send(midi, [CC | 7, 1, 127])
    until(lambda: session.patch.value("wheel", "value") == 1.0)


def test_pickup_waits_until_the_controller_passes() -> None:
    knob = Knob("f", "cutoff", None, 1, 1)
    assert not knob.picked_up(0.5, 0.0)
    assert not knob.picked_up(0.5, 0.2)
    assert knob.picked_up(0.5, 0.6)  # passed it
    assert knob.picked_up(0.6, 0.7)
    assert not knob.picked_up(0.1, 0.75)  # somebody else moved it meanwhile
    assert not knob.picked_up(0.1, 0.5)
    assert knob.picked_up(0.1, 0.12)


def test_programs_recall_snapshots(session: Watched, midi: Midi) -> None:
    session.set("f", "cutoff", 500.0)
    session.capture("low")
    session.set("f", "cutoff", 5000.0)
    do(session, settings(programs={"7": "low", "8": "nothing"}))
    until(lambda: not midi._dirty.is_set())
    send(midi, [PROGRAM, 7])
    until(lambda: session.get("f", "cutoff") == 500.0)
    send(midi, [PROGRAM, 8])
    until(lambda: any("nothing" in e for e in session.errors))


# ---------------------------------------------------------------------------------------------- clock


def ticks(bpm: float, count: int, start: float = 10.0, jitter: float = 0.0) -> list[float]:
    rng = np.random.default_rng(2)
    return list(start + np.arange(count) * 60 / bpm / TICKS + rng.uniform(-jitter, jitter, count))


@pytest.mark.parametrize("bpm", [40.0, 91.7, 120.0, 300.0])
def test_the_tempo_of_an_uneven_clock(bpm: float) -> None:
    clock = Ticks()
    told = [b for b in (clock.tick(t) for t in ticks(bpm, 480, jitter=0.001)) if b is not None]
    assert clock.bpm == pytest.approx(bpm, abs=max(0.004 * bpm, 0.2))
    assert len(told) < 25
    for t in ticks(bpm * 1.5, 30, start=1000.0):  # another machine
        clock.tick(t)
    assert clock.bpm == pytest.approx(1.5 * bpm, abs=0.1)
    for t in ticks(bpm, 60, start=1000.0 + 30 * 60 / bpm / 36):  # it slows down without a pause
        clock.tick(t)
    assert clock.bpm == pytest.approx(bpm, abs=0.1)


def test_tap_tempo_forgets_after_a_pause() -> None:
    tap = Tap()
    assert [tap.tap(t) for t in (0.0, 0.5, 1.0, 1.6, 2.1)][1:] == pytest.approx([120.0, 120.0, 120.0, 120.0])
    assert tap.tap(5.0) is None
    assert tap.tap(6.0) == pytest.approx(60.0)


def test_clock_in_sets_the_tempo_and_drives_its_node(session: Watched, midi: Midi) -> None:
    midi.put((time.time(), 0.0, [0xFA]))
    for t in ticks(140.0, 60):
        midi.put((time.time(), t, [0xF8]))
    until(lambda: session.get("clock", "bpm") == pytest.approx(140.0, abs=0.1))
    until(lambda: [v for p, s, _, v in session.cells if (p, s) == ("sync", "ticks") and v] == list(range(1, 61)))
    assert {("sync", "starts", 0, 1), ("sync", "running", 0, 1.0)} <= set(session.cells)
    midi.put((time.time(), 99.0, [0xFC]))
    until(lambda: session.cells[-1] == ("sync", "running", 0, 0.0))
    do(session, settings(tempo=False))
    until(lambda: not midi._dirty.is_set())
    for t in ticks(70.0, 60, start=200.0):
        midi.put((time.time(), t, [0xF8]))
    until(lambda: midi.ticks.bpm == pytest.approx(70.0, abs=0.1) and midi._chores.empty())
    assert session.get("clock", "bpm") == pytest.approx(140.0, abs=0.1)


def test_start_and_stop_lead_the_transport_where_the_patch_says_so(session: Watched, midi: Midi) -> None:
    words: list[str] = []
    session.listen(lambda e: words.append(e["word"]) if e["kind"] == "transport" else None)
    send(midi, [0xFC], [0xFA])
    until(lambda: midi._queue.empty() and midi._chores.empty())
    do(session, settings(transport=True))
    until(lambda: not midi._dirty.is_set())
    send(midi, [0xFC])
    until(lambda: words == ["stop"])
    send(midi, [0xFA])
    until(lambda: words == ["stop", "play"])


# ---------------------------------------------------------------------------------------------- real ports


def test_where_there_is_no_midi_one_sentence_says_so(session: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "zrack-nobody")
    monkeypatch.setattr(module, "SELDOM", 0.05)
    monkeypatch.setattr("runtime.midi_inputs.api", _nothing)
    midi = Midi(session, ports="virtual")
    midi.start()
    time.sleep(0.2)
    midi.close()
    assert session.errors == ["there is no MIDI here"]


def _nothing() -> int:
    raise ValueError("there is no MIDI here")


@pytest.fixture(scope="module")
def jack() -> Iterator[Jack]:
    with Jack() as server:
        yield server


@needs_jack
def test_real_ports_are_heard_lost_and_found_again(jack: Jack, session: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL", 0.1)
    key = open_output("", "pocket piano")
    midi = Midi(session, ports=["POCKET"])
    midi.start()
    try:
        assert len(midi.state()["midi"]) == 1
        key.send_message([ON, 60, 100])
        until(lambda: session.notes() == {0: 1.0})
        key.delete()
        until(lambda: midi.state()["midi"] == [])
        until(lambda: any("is gone" in e for e in session.errors))
        key = open_output("", "pocket piano")
        until(lambda: len(midi.state()["midi"]) == 1)
        key.send_message([OFF, 60, 100])
        until(lambda: session.notes() == {0: -1.0})
    finally:
        midi.close()
        key.delete()


@needs_jack
def test_our_own_port_takes_notes_and_clock_from_a_sender(jack: Jack, session: Watched) -> None:
    midi = Midi(session, ports="virtual")
    midi.start()
    try:
        sender = Sender(session.rate, {"port": "zrack"})
        gate = np.zeros((256, 1), np.float32)
        gate[10:] = 1.0
        sender.notes(gate * 0, gate, gate)
        sender.clock(gate, gate, gate * 0)
        until(lambda: session.notes() == {0: 1.0})
        until(lambda: ("sync", "ticks", 0, 1) in session.cells)
        sender.close()  # it ends what it began
        until(lambda: session.notes() == {0: -1.0})
        until(lambda: session.cells[-1] == ("sync", "running", 0, 0.0))
    finally:
        midi.close()


@needs_jack
def test_messages_leave_on_time(jack: Jack) -> None:
    """Hops arrive when they are full, as from the engine; what is sent keeps the distances of the samples."""
    sender = Sender(48000, {"port": ""})
    left: list[float] = []
    port, sender.out = sender.out, type("Out", (), {"send_message": lambda self, m: left.append(time.monotonic())})()
    clock = np.zeros((24000, 1), np.float32)
    clock[100::500] = 1.0
    begin = time.monotonic()
    for k in range(0, 24000 - 256, 256):
        time.sleep(max(begin + (k + 256) / 48000 - time.monotonic(), 0.0))
        part = clock[k : k + 256]
        sender.clock(part, part * 0, part * 0)
    port.delete()
    between = np.array([b - a for a, b in itertools.pairwise(left)])
    assert np.median(np.abs(between - 500 / 48000)) < 0.001


@needs_jack
def test_a_port_that_is_not_there_is_refused_in_a_sentence(jack: Jack) -> None:
    with pytest.raises(ValueError, match=r"no MIDI port is called 'nobody'; there are "):
        open_output("nobody", "zrack-test")


@needs_jack
def test_a_patch_plays_another_instrument(jack: Jack, tmp_path: Path) -> None:
    import rtmidi

    patch = patch_of(
        ("mod/clock", "clock", {"bpm": 600.0}), ("mod/steps", "steps", {}), ("midi/out", "out", {"channel": 2}),
        ("io/output", "speaker", {}),
        cables="clock.out>steps.clock steps.pitch>out.pitch steps.gate>out.gate steps.velocity>out.velocity",
    )  # fmt: skip
    heard: list[list[int]] = []
    with Session(patch, logs=tmp_path) as session:
        ear = rtmidi.MidiIn(rtapi=rtmidi.API_UNIX_JACK, name="ear")
        until(lambda: any("zrack-" in p for p in ear.get_ports()), 20.0)
        ear.set_callback(lambda event, _: heard.append(event[0]))
        ear.open_port(next(k for k, p in enumerate(ear.get_ports()) if "zrack-" in p))
        session.transport("play")
        until(lambda: len(heard) >= 12, 20.0)
        ear.delete()
        assert not session.errors
    notes = [m[1] for m in heard if m[0] == 0x91]
    assert {60, 63, 67} >= set(notes[:6])
    assert len(set(notes)) == 3
