"""A whole session, in silence (the null device): the one door, streams, snapshots, transport, set-lists, its log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph import PatchError, edits, wire
from graph.history import History
from nodes import Patch
from runtime import eventlog, journal
from runtime.session import Session

from .test_engine import patch_of


def until(done: Callable[[], Any], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.005)


def do(session: Session, edit: edits.Edit) -> None:
    session.op({"do": wire.to_map(edit)})


def settle(session: Session) -> None:
    until(session.now_playing.follower.idle.is_set)


def small() -> Patch:
    return patch_of(
        ("source/sine", "osc", {"freq": 220.0}), ("filter/svf", "f", {}), ("effect/vca", "amp", {}),
        ("mod/lfo", "lfo", {"rate": 2.0}), ("mod/clock", "clock", {}), ("io/output", "out", {"level": -20.0}),
        cables="osc.out>f.audio f.low>amp.audio amp.out>out.audio lfo.out>f.cutoff",
    )  # fmt: skip


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(small(), logs=tmp_path) as s:
        s.transport("play")
        yield s


def test_edits_are_heard_and_undone(session: Session) -> None:
    before = session.patch.copy()
    do(session, edits.AddNode("source/saw", "saw"))
    do(session, edits.Connect("saw.out", "f.audio", 0.2))
    settle(session)
    assert "saw" in session.engine.plan.names.values()
    session.op({"undo": 1})
    session.op({"undo": 1})
    settle(session)
    assert session.patch == before
    assert "saw" not in session.engine.plan.names.values()
    with pytest.raises(PatchError, match="no node is called 'nobody'"):
        do(session, edits.RemoveNode("nobody"))
    assert not session.errors


def test_a_streamed_knob_is_heard_at_once_told_in_batches_and_undone_as_one_gesture(session: Session) -> None:
    told: list[Any] = []
    session.listen(lambda e: told.extend(e["values"]) if e["kind"] == "values" else None)
    until(lambda: session.engine.swaps)
    plans = session.engine.swaps
    for k in range(100):
        session.set("f", "cutoff", 200.0 + 10 * k)
        time.sleep(0.001)
    assert session.get("f", "cutoff") == 1190.0
    until(lambda: session.patch.value("f", "cutoff") == 1190.0)
    assert told[-1] == ("f", "cutoff", 1190.0)
    assert len(told) < 20
    assert session.engine.swaps == plans  # turning knobs never makes a plan
    session.op({"undo": 1})
    assert session.patch.value("f", "cutoff") == small().value("f", "cutoff")
    assert session.get("f", "cutoff") == small().value("f", "cutoff")


def test_values_in_knob_position_choices_and_wrong_ones(session: Session) -> None:
    session.set("f", "cutoff", 0.5, knob=True)
    item = session.patch.spec("f").params["cutoff"]  # type: ignore[union-attr]
    assert session.get("f", "cutoff") == item.at(0.5)
    session.set("lfo", "shape", 1)
    assert session.get("lfo", "shape") == session.patch.spec("lfo").choices["shape"].options[1]  # type: ignore[union-attr]
    for bad in ("loud", float("nan"), float("inf")):
        with pytest.raises(PatchError, match="node f: cutoff takes a number"):
            session.set("f", "cutoff", bad)
    with pytest.raises(PatchError, match="did you mean cutoff"):
        session.set("f", "cutof", 1.0)
    session.set("osc", "bypass", 1)
    until(lambda: session.patch.nodes["osc"].bypass)


def test_a_node_that_is_set_before_it_plays_is_heard_with_its_value(session: Session) -> None:
    do(session, edits.AddNode("source/constant", "dc"))
    session.set("dc", "value", 0.25)
    do(session, edits.Connect("dc.out", "out.audio"))
    settle(session)
    plan = session.engine.plan
    where = list(plan.targets).index(("dc", "value"))
    from runtime.layout import T_VALUE

    until(lambda: plan.rows.view(np.float64)[where, T_VALUE] == 0.25)


def test_snapshots_morph_and_another_hand_takes_over(session: Session) -> None:
    session.capture("a")
    session.set("f", "cutoff", 5000.0)
    session.set("lfo", "shape", "square")
    session.capture("b")
    session.recall("a", 0.2)
    session.set("lfo", "shape", "saw")  # within the morph
    until(lambda: session.patch.value("f", "cutoff") == small().value("f", "cutoff"))
    time.sleep(0.2)
    assert session.get("lfo", "shape") == "saw"
    session.blend({"a": 1.0, "b": 1.0})
    item = session.patch.spec("f").params["cutoff"]  # type: ignore[union-attr]
    want = (item.knob(5000.0) + item.knob(small().value("f", "cutoff"))) / 2
    assert abs(item.knob(float(session.get("f", "cutoff"))) - want) < 1e-9
    with pytest.raises(PatchError, match="no snapshot 'c'"):
        session.recall("c")


def test_stop_freezes_sample_time_and_reset_begins_anew(session: Session) -> None:
    until(lambda: session.now() > 1000)
    session.transport("stop")
    stood = session.now()
    time.sleep(0.05)
    assert session.now() == stood
    do(session, edits.AddNode("source/saw", "saw"))  # edits go on meanwhile
    settle(session)
    session.transport("play")
    until(lambda: session.now() > stood)
    session.transport("reset")
    assert session.now() < stood + 48000
    assert "saw" in session.patch.nodes


def test_a_set_list_goes_on_without_a_gap(tmp_path: Path) -> None:
    for name in ("one", "two"):
        patch = small()
        patch.set("osc", freq=220.0 if name == "one" else 330.0)
        patch.save(tmp_path / f"{name}.zrack")
    lists = [tmp_path / "one.zrack", tmp_path / "two.zrack"]
    with Session(Patch.load(lists[0]), setlist=lists) as session:
        session.transport("play")
        session.next_patch()
        assert session.patch.file == "two.zrack"
        session.go("one")
        assert session.patch.value("osc", "freq") == 220.0
        with pytest.raises(PatchError, match="set-list has no patch three; it has one, two"):
            session.go("three")
        for bad in ("../one.zrack", "/etc/passwd", "sub/one.zrack", "one.txt"):
            with pytest.raises(PatchError, match="not the plain name"):
                session.op({"load": bad})
        with pytest.raises(PatchError, match="saving over the network is off"):
            session.op({"save": "x.zrack"})


def test_what_was_heard_is_rendered_again_from_the_log(tmp_path: Path) -> None:
    with Session(small(), logs=tmp_path) as session:
        session.record("take.wav")
        session.transport("play")
        do(session, edits.AddNode("source/noise", "noise"))
        do(session, edits.Connect("noise.out", "f.audio", 0.3))
        for k in range(30):
            session.set("f", "cutoff", 200.0 + 100 * k, time=session.now() + 100 * k)
            time.sleep(0.002)
        do(session, edits.Disconnect("osc.out", "f.audio"))
        do(session, edits.SetCable("noise.out", "f.audio", 0.8))
        settle(session)
        session.capture("x")
        session.set("amp", "gain", 0.3)
        do(session, edits.Rename("noise", "hiss"))
        session.recall("x", 0.1)
        session.op({"undo": 1})
        settle(session)
        time.sleep(0.2)
        path = session.now_playing.log.path
        session.record(None)
        assert session.errors == []
    import soundfile

    heard, rate = soundfile.read(tmp_path / "take.wav", dtype="float32", always_2d=True)
    assert path is not None
    again, _ = eventlog.render(path)
    n = min(len(heard), len(again))
    assert n > rate / 10
    assert len(again) >= len(heard)
    assert np.array_equal(heard[:n], again[:n])
    assert heard.any()


def test_listeners_hear_edits_in_the_order_in_which_they_were_applied(session: Session) -> None:
    told: list[str] = []
    others: list[threading.Thread] = []

    def hear(event: dict[str, Any]) -> None:
        if event["kind"] == "op":
            if not others:  # while the first edit is told, another hand makes the second
                others.append(threading.Thread(target=do, args=(session, edits.AddNode("source/saw", "second"))))
                others[0].start()
                others[0].join(0.2)
            told.append(event["label"])

    session.listen(hear)
    do(session, edits.AddNode("source/saw", "first"))
    others[0].join()
    assert told == ["add first", "add second"]


def test_an_edit_that_was_answered_is_in_the_journal(tmp_path: Path) -> None:
    kept = journal.Journal(tmp_path / "journal")
    patch = small()
    history = History(patch)
    kept.start(history)
    with Session(patch, history=history, journal=kept) as session:
        for k in range(20):
            do(session, edits.AddNode("source/saw", f"saw{k}"))
            assert journal.recover(kept.folder).patch == session.patch


def do_call(client: Any, edit: edits.Edit) -> None:
    """An edit by a client of a session in another process."""
    client.call("op", {"do": wire.to_map(edit)})
