"""What the parts of the editor share: alone with a patch, and with a session in another process."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph import PatchError, edits
from graph.patch import Patch
from runtime import journal, telemetry
from runtime.attach import Client, page_path, socket_path
from runtime.telemetry import PID, Page
from ui import recovery, start
from ui.client import Editor
from ui.edits import group
from ui.files import Files
from ui.keeper import keeper

from .test_host import Rig, place  # noqa: F401 - a fixture
from .test_session import small, until


@pytest.fixture
def alone() -> Editor:
    return Editor(patch=small())


def grouped() -> Editor:
    """An editor with a sub-patch that exposes a param, which its use sets."""
    editor = Editor(patch=small())
    made = group(editor.patch, ["f", "amp"], "voice")
    assert made is not None and editor.do(made[0])
    editor.enter("voice")
    assert editor.do(edits.SetPatch("exposed", {"bright": {"node": "f", "param": "cutoff"}}))
    editor.leave()
    assert editor.do(edits.SetParam("voice", "bright", 555.0))
    return editor


# -------------------------------------------------------------------------------------------------- alone


def test_edits_are_steps_with_names(alone: Editor) -> None:
    before = alone.patch.copy()
    version = alone.version
    assert alone.do(edits.Connect("lfo.out", "amp.gain", 0.3))
    assert alone.version > version and alone.notice == "Connect lfo → amp.gain"
    assert alone.undo() == "connect lfo -> amp.gain" and alone.notice == "Undo connect lfo → amp.gain"
    assert alone.patch == before
    assert alone.redo() == "connect lfo -> amp.gain"
    assert alone.patch != before
    alone.undo()
    assert alone.undo() is None and alone.notice == "Nothing to undo"


def test_what_is_refused_is_a_sentence_and_changes_nothing(alone: Editor) -> None:
    before = alone.patch.copy()
    assert not alone.do(edits.Connect("osc.out", "nobody.audio"))
    assert "nobody" in alone.refused and alone.errors[-1][2] == alone.refused
    assert alone.patch == before
    assert alone.do(edits.SetParam("f", "cutoff", 200.0)) and alone.refused == ""
    assert "node f" in alone.why_not(edits.SetParam("f", "cutoff", "much"))  # type: ignore[arg-type]
    now = alone.patch.copy()
    assert alone.why_not(edits.Connect("osc.out", "amp.audio")) == ""
    assert "there is a cable" in alone.why_not(edits.Connect("osc.out", "f.audio"))
    assert alone.patch == now and alone.history.undo_label == "set f.cutoff"


def test_a_gesture_is_one_step(alone: Editor) -> None:
    for k in range(5):
        alone.stream("f", "cutoff", 100.0 + k, gesture=("drag", 1))
    alone.end()
    alone.stream("f", "cutoff", 1.0, knob=True, gesture=("drag", 1))
    spec = alone.spec("f")
    assert spec is not None and alone.value("f", "cutoff") == spec.params["cutoff"].high
    alone.undo()
    assert alone.value("f", "cutoff") == 104.0
    alone.undo()
    assert alone.value("f", "cutoff") == small().value("f", "cutoff")


def test_the_selection_follows_renames_and_removals(alone: Editor) -> None:
    alone.selection = {"f", "amp"}
    assert alone.do(edits.Rename("f", "lowpass"))
    assert alone.selection == {"lowpass", "amp"}
    alone.undo()
    assert alone.selection == {"f", "amp"}
    assert alone.do(edits.RemoveNode("amp"))
    assert alone.selection == {"f"}


def test_inside_a_sub_patch_edits_are_its_own() -> None:
    editor = grouped()
    assert editor.enter("voice") and editor.inside == ("voice",) and not editor.selection
    assert set(editor.here().nodes) >= {"f", "amp"}
    assert editor.do(edits.Move("f", (7.0, 8.0))) and editor.here().nodes["f"].at == (7.0, 8.0)
    assert editor.do(edits.AddNode("source/saw", "saw"))
    assert editor.path("saw") == "voice/saw"
    editor.undo()
    assert "saw" not in editor.here().nodes
    assert not editor.enter("f")
    editor.leave()
    assert editor.inside == () and editor.selection == {"voice"}
    assert editor.show("voice/amp") == "amp" and editor.inside == ("voice",) and editor.selection == {"amp"}
    assert editor.show("voice/nobody") == ""


def test_inside_exposed_params_show_and_set_the_use() -> None:
    editor = grouped()
    editor.enter("voice")
    assert editor.value("f", "cutoff") == 555.0 and editor.over()["f", "cutoff"] == 555.0
    assert editor.do(edits.SetParam("f", "cutoff", 666.0))
    assert editor.patch.value("voice", "bright") == 666.0
    editor.stream("f", "cutoff", 777.0)
    assert editor.patch.value("voice", "bright") == 777.0
    editor.leave()
    assert editor.over() == {} and editor.value("voice", "bright") == 777.0


def test_a_sub_patch_that_is_undone_is_left() -> None:
    editor = grouped()
    editor.enter("voice")
    while editor.undo():
        pass
    assert editor.inside == () and set(editor.here().nodes) == set(small().nodes)


def test_a_sub_patch_by_file_is_read_only(tmp_path: Path) -> None:
    inner = Patch()
    inner.add("source/saw", "saw")
    inner.add("rack/outlet", "sound")
    inner.connect("saw.out", "sound.audio")
    inner.save(tmp_path / "inner.zrack")
    patch = small()
    patch.save(tmp_path / "outer.zrack")
    patch = Patch.load(tmp_path / "outer.zrack")
    patch.add("rack/patch", "sub", file="inner.zrack")
    editor = Editor(patch=patch)
    assert editor.readonly == "" and editor.enter("sub")
    assert "inner.zrack" in editor.readonly
    assert not editor.do(edits.RemoveNode("saw"))
    assert "inner.zrack" in editor.refused and "inner.zrack" in editor.why_not(edits.RemoveNode("saw"))


def test_snapshots_work_without_a_session(alone: Editor) -> None:
    alone.call("capture", "a")
    alone.do(edits.SetParam("f", "cutoff", 111.0))
    alone.call("recall", "a")
    assert alone.value("f", "cutoff") == pytest.approx(small().value("f", "cutoff"))
    alone.transport("play")
    assert alone.errors[-1][2] == "nothing plays this patch now"
    assert alone.watch("osc", "out") == -1 and alone.level("osc", "out") == 0.0 and not alone.poll()
    with pytest.raises(PatchError):
        alone.value("osc", "nothing")


def test_errors_name_their_node(alone: Editor) -> None:
    alone._hear({"kind": "error", "text": "node f: bypassed at sample 5, it was not finite"})
    alone._hear({"kind": "error", "text": "the disk is full"})
    assert alone.poll()
    assert alone.problem("f").startswith("node f") and alone.problem("osc") == ""
    assert [node for _, node, _ in alone.errors] == ["f", ""]
    alone.do(edits.RemoveNode("f"))
    assert alone.problems == {}


# -------------------------------------------------------------------------------------------------- with a session


@pytest.fixture
def rig(place: Path) -> Iterator[Rig]:  # noqa: F811
    patch = small()
    made = group(patch, ["f", "amp"], "voice")
    assert made is not None
    patch.apply(made[0])
    r = Rig(place, patch)
    yield r
    assert r.close() == 0


def polled(editor: Editor, done: object) -> None:
    def step() -> bool:
        editor.poll()
        return bool(done())  # type: ignore[operator]

    until(step, 10)


def test_an_editor_of_a_session(rig: Rig) -> None:
    editor, second = Editor(rig.client), Editor(rig.attach())
    before = editor.patch.copy()
    assert editor.do(edits.AddNode("source/saw", "saw", at=(9.0, 9.0)))
    assert "saw" in editor.patch.nodes  # at once
    assert editor.do(edits.Connect("saw.out", "out.audio", 0.1))
    polled(second, lambda: ("saw", "out", "out", "audio") in second.patch.cables)
    assert not editor.do(edits.Connect("saw.out", "out.audio")) and "already" in editor.refused
    # knobs
    for k in range(20):
        editor.stream("saw", "freq", 100.0 + k, gesture=1)
        assert editor.value("saw", "freq") == 100.0 + k and editor.over() == {("saw", "freq"): 100.0 + k}
    editor.end()
    assert editor.patch.value("saw", "freq") == 119.0
    polled(editor, lambda: editor.over() == {})
    assert editor.undo() == "set saw.freq"
    # sounds
    slot, again, inner = editor.watch("osc", "out"), editor.watch("osc", "out"), editor.watch("voice", "amp_out")
    assert slot == again != inner >= 0
    polled(editor, lambda: len(editor.samples(slot, 256)) == 256 and len(editor.samples(inner, 256)) == 256)
    assert abs(editor.samples(slot, 480)).max() > 0.5
    polled(editor, lambda: editor.level("osc", "out") > 0.9 and editor.level("voice", "amp_out") > 0.0)
    polled(editor, lambda: editor.share("voice") > 0 and "xruns" in editor.state)
    assert editor.enter("voice") and editor.share("f") > 0
    polled(editor, lambda: editor.level("f", "low") > 0.1)
    editor.leave()
    editor.unwatch(slot)
    assert len(editor.samples(slot, 10)) == 10  # one still needs it
    editor.unwatch(again)
    assert len(editor.samples(slot, 10)) == 0
    # calls
    found: list[object] = []
    editor.call("now", then=found.append)
    polled(editor, lambda: found)
    editor.call("recall", "nothing")
    polled(editor, lambda: editor.errors[-1][2] == "there is no snapshot 'nothing'")
    while editor.undo():
        pass
    assert editor.patch == before
    second.close()


def test_a_session_that_dies_is_found_again(rig: Rig) -> None:
    editor = Editor(rig.client)
    editor.reconnect = rig.attach
    assert editor.do(edits.AddNode("source/saw", "saw"))
    slot = editor.watch("osc", "out")
    time.sleep(0.5)
    os.kill(rig.pid(), signal.SIGKILL)
    polled(editor, lambda: editor.lost)
    assert not editor.do(edits.RemoveNode("saw")) and editor.refused == "the session does not answer"
    polled(editor, lambda: not editor.lost)
    assert "saw" in editor.patch.nodes and editor.do(edits.RemoveNode("saw"))
    polled(editor, lambda: len(editor.samples(slot, 64)) == 64)
    assert editor.client is not None
    rig.client = editor.client


QUIET = {"device": "null", "osc_port": 0, "http_port": -1, "midi": None}


def opened(path: Path, after: start.Opening | None = None) -> tuple[start.Opening, Editor]:
    """An editor that has opened a patch, as the window does it."""
    opening = start.Opening(path, after, **QUIET)
    assert opening.ready.wait(60) and opening.client is not None, opening.error
    editor = Editor(opening.client)
    opening.client, editor.reconnect = None, opening.again
    return opening, editor


def processes(name: str) -> list[int]:
    """The keeper and the engine of a session."""
    keeper_ = keeper(start.lock_path(name))
    return [pid for pid in (keeper_, int(Page(page_path(name)).head[PID])) if pid]


@pytest.fixture
def song(place: Path) -> Iterator[Path]:  # noqa: F811
    """A patch; what plays when the test is over is ended."""
    path = place / "my song (2).zrack"
    small().save(path)
    yield path
    left = start._live()
    for name in left:
        start.stop(name, 10)
    assert start._live() == []
    assert left == [], "a session was left behind"


def test_a_session_is_started_found_and_ended(song: Path) -> None:
    opening, editor = opened(song)
    assert not opening.found and not opening.restored and not opening.error
    assert editor.do(edits.AddNode("source/saw", "saw"))
    second, other = opened(song)
    assert second.found and other.patch == editor.patch and other.history.undo_label == "add saw"
    assert start.alone() == []
    editor.close()
    opening.end()
    assert start.running(second.name) and other.do(edits.RemoveNode("saw")), "the other editor still plays it"
    before = processes(second.name)
    assert len(before) == 2
    other.close()
    second.end()
    until(lambda: not any(alive(pid) for pid in before), 5)
    assert not start.running(second.name) and not socket_path(second.name).exists()
    assert start.attach(second.name) is None and not list(telemetry.folder().glob("*.keeper"))
    assert not list(telemetry.folder().glob("*.editors"))


def alive(pid: int) -> bool:
    """Whether a process does anything yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_an_editor_that_dies_leaves_the_session_to_the_next(song: Path) -> None:
    opening, editor = opened(song)
    assert editor.do(edits.AddNode("source/saw", "saw"))
    editor.close()
    assert opening._seat is not None
    opening._seat.close()  # as the system does it for a process that is killed
    assert start.alone() == [song.resolve()]
    again, other = opened(song)
    assert again.found and "saw" in other.patch.nodes
    other.close()
    again.end()


def test_a_session_is_ended_at_whatever_moment_the_editor_quits(song: Path) -> None:
    for seconds in (0.0, 0.05, 0.2, 0.6, 1.0):
        opening = start.Opening(song, **QUIET)
        time.sleep(seconds)
        opening.end()
        assert opening.client is None and not start.running(opening.name)


def test_one_patch_after_the_other(song: Path) -> None:
    second = song.with_name("second.zrack")
    small().save(second)
    opening, editor = opened(song)
    editor.open(Patch.load(second))
    following = start.Opening(second, opening, **QUIET)
    assert following.ready.wait(60) and following.client is not None
    assert start._live() == [following.name], "the first one ended before the second began"
    again = start.Opening(second, following, **QUIET)  # the same file once more
    assert again.ready.wait(60) and again.client is not None and not again.found
    again.end()


def test_a_session_that_is_just_ending_is_not_taken_for_one_that_plays(song: Path) -> None:
    opening, editor = opened(song)
    for seconds in (0.0, 0.02, 0.1, 0.3):
        ending = threading.Thread(target=opening.end)
        ending.start()
        time.sleep(seconds)
        following = start.Opening(song, **QUIET)
        assert following.ready.wait(60) and following.client is not None
        ending.join()
        assert following.name == opening.name and following.client.call("now") >= 0
        following.client.close()
        following.client = None
        opening = following
    editor.close()
    opening.end()


def test_work_that_came_too_late_to_be_seen_is_offered_the_next_time(song: Path) -> None:
    opening, editor = opened(song)
    assert editor.do(edits.AddNode("source/saw", "saw"))
    editor.close()
    assert opening._seat is not None
    opening._seat.close()
    late = start.Opening(song, **QUIET)
    late.end()
    assert not start.running(late.name)
    found = recovery.recovery(song)
    assert found is not None and "saw" in found.patch.nodes


def test_after_save_as_the_session_is_that_of_the_new_file(song: Path, tmp_path: Path) -> None:
    opening, editor = opened(song)
    files = Files(editor)
    files.opened()
    other = tmp_path / "other.zrack"
    files.save_as(other)
    assert editor.do(edits.AddNode("source/saw", "saw"))
    old, untouched = opened(song)
    assert not old.found and old.name != opening.name and "saw" not in untouched.patch.nodes
    new, found = opened(other)
    assert new.found and new.name == opening.name and found.patch == editor.patch
    for one in (editor, untouched, found):
        one.close()
    for session in (opening, old, new):
        session.end()
    # and the same where everything died
    opening, editor = opened(song)
    files = Files(editor)
    files.opened()
    files.save_as(other)
    assert editor.do(edits.AddNode("source/sine", "sine"))
    time.sleep(0.5)  # the journal is written every 0.2 s
    before = processes(opening.name)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    until(journal.left, 5)  # their locks are free
    editor.close()
    assert opening._seat is not None
    opening._seat.close()
    assert start.alone() == [other.resolve()]
    old, untouched = opened(song)
    assert not old.restored and "sine" not in untouched.patch.nodes
    new, found = opened(other)
    assert new.restored and "sine" in found.patch.nodes and found.history.dirty
    for one in (untouched, found):
        one.close()
    for session in (old, new):
        session.end()


@pytest.mark.parametrize("who", ["engine", "keeper", "both"])
def test_who_dies_comes_back(song: Path, who: str) -> None:
    opening, editor = opened(song)
    assert editor.do(edits.AddNode("source/saw", "saw"))
    time.sleep(0.5)  # the journal is written every 0.2 s
    keeper_, engine = processes(opening.name)
    if who != "engine":
        os.kill(keeper_, signal.SIGKILL)
    if who != "keeper":
        os.kill(engine, signal.SIGKILL)
    polled(editor, lambda: editor.lost)
    polled(editor, lambda: not editor.lost)
    assert "saw" in editor.patch.nodes and editor.do(edits.RemoveNode("saw"))
    editor.close()
    opening.end()


def test_a_session_that_somebody_ended_is_not_asked_for_for_ever(song: Path) -> None:
    opening, editor = opened(song)
    start.stop(opening.name, 10)
    polled(editor, lambda: editor.lost)
    polled(editor, lambda: editor.reconnect is None)
    assert "the session has ended" in editor.errors[-1][2]
    editor.close()
    opening.end()


def test_a_session_that_comes_back_too_late_is_not_taken(rig: Rig) -> None:
    editor = Editor(rig.client)
    second = rig.attach()
    asked, answer = threading.Event(), threading.Event()

    def slow() -> Client:
        asked.set()
        assert answer.wait(10)
        return second

    editor.reconnect = slow
    editor.lost = True
    polled(editor, asked.is_set)
    editor.open(small())
    answer.set()
    polled(editor, lambda: not editor._asking)
    assert editor.client is None and second.lost.wait(5)
    rig.client = rig.attach()


def test_what_was_wrong_before_is_told_once(rig: Rig) -> None:
    first = Editor(rig.client)
    assert first.do(edits.AddNode("source/sample", "s", {"file": "nowhere.wav"}))
    polled(first, lambda: first.errors)
    told = [text for _, _, text in first.errors]
    client = start.attach("main")
    assert client is not None
    second = Editor(client)
    polled(second, lambda: second.errors)
    assert [text for _, _, text in second.errors] == told
    again = start.attach("main")
    second.attach(again)
    second.poll()
    assert [text for _, _, text in second.errors] == told
    second.close()


def test_a_session_that_cannot_start_says_why(place: Path) -> None:  # noqa: F811
    path = place / "broken.zrack"
    path.write_bytes(b"nothing")
    opening = start.Opening(path, **QUIET)
    assert opening.ready.wait(60) and opening.client is None
    assert "broken.zrack" in opening.error and "\n" not in opening.error
    opening.end()


def test_session_names_are_those_of_the_file(tmp_path: Path) -> None:
    one = tmp_path / "a b.zrack"
    one.touch()
    (tmp_path / "link.zrack").symlink_to(one)
    assert start.session_name(one) == start.session_name(tmp_path / "link.zrack") == start.session_name(one)
    assert start.session_name(one) != start.session_name(tmp_path / "x" / "a b.zrack")
    assert len(start.session_name(tmp_path / ("long" * 40))) < 40
