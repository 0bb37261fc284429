"""Files without a window: what is saved, what is never lost, what is never written over."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from graph import PatchError, edits, wire
from graph.check import diff
from graph.edits import Edit
from graph.history import History
from nodes import Patch
from ui import files as files_of
from ui import places, recovery
from ui.becoming import becoming
from ui.files import Files


class Offline:
    """What `Files` needs of the editor, without a session."""

    client: Any = None
    refused = ""

    def __init__(self, patch: Patch) -> None:
        self.patch, self.history, self.lock = patch, History(patch), threading.RLock()

    def do(self, edit: Edit) -> bool:
        wire.apply(self.history, {"do": wire.to_map(edit)})
        return True

    def undo(self) -> str | None:
        return self.history.undo()

    def redo(self) -> str | None:
        return self.history.redo()

    def saved(self, path: str) -> None:
        wire.apply(self.history, {"saved": path})


def small() -> Patch:
    patch = Patch()
    patch.add("source/saw", "osc", freq=220.0)
    patch.add("filter/lowpass", "f")
    patch.add("io/output", "out")
    patch.connect("osc.out", "f.audio")
    patch.connect("f.out", "out.audio", 0.5)
    return patch


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZRACK_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "music").mkdir()
    found = tmp_path / "music" / "song.zrack"
    small().save(found)
    return found


def opened(path: Path) -> Files:
    found = Files(Offline(Patch.load(path)))
    found.opened()
    return found


def later(files: Files, seconds: float = files_of.EVERY + 1) -> bool:
    """Lets time pass, and the autosave end."""
    begun = files.tick(files._at + seconds)
    files._wait()
    return begun


# ---------------------------------------------------------------------------------------------- save


def test_what_is_saved_is_the_patch_and_clean(path: Path) -> None:
    f = opened(path)
    assert not f.dirty and f.title == "song.zrack"
    f.editor.do(edits.SetParam("osc", "freq", 330.0))
    assert f.dirty and f.title == "song.zrack •"
    f.save()
    assert not f.dirty
    assert Patch.load(path) == f.editor.patch
    f.editor.undo()
    assert f.dirty


def test_save_as_takes_the_sounds_along(path: Path, tmp_path: Path) -> None:
    (path.parent / "sounds").mkdir()
    (path.parent / "sounds" / "a.flac").write_bytes(b"a")
    f = opened(path)
    f.editor.do(edits.AddNode("source/sample", "s", {"file": "sounds/a.flac"}))
    there = tmp_path / "there"
    there.mkdir()
    f.save_as(there / "other")
    assert f.path == there / "other.zrack"
    assert (there / "sounds" / "a.flac").read_bytes() == b"a"
    assert not f.dirty
    assert diff(Patch.load(there / "other.zrack"), f.editor.patch) == []
    assert places.recent()[0] == there / "other.zrack"


def test_the_text_form_stays_the_text_form(path: Path) -> None:
    text = path.with_name("song.json")
    small().save(text)
    f = opened(text)
    f.editor.do(edits.SetParam("osc", "freq", 330.0))
    f.save()
    assert text.read_bytes().lstrip()[:1] == b"{"
    assert Patch.load(text) == f.editor.patch
    renamed = path.with_name("text.zrack")
    small().save(renamed, "text")
    g = opened(renamed)
    g.save()
    assert renamed.read_bytes()[:1] == b"{"


def test_a_file_that_somebody_else_changed_is_not_written_over_without_a_word(path: Path) -> None:
    f = opened(path)
    f.editor.do(edits.SetParam("osc", "freq", 330.0))
    other = small()
    other.add("source/sine", "theirs")
    other.save(path)
    with pytest.raises(PatchError, match="changed by another program"):
        f.save()
    assert "theirs" in Patch.load(path).nodes
    f.save(over=True)
    assert "theirs" not in Patch.load(path).nodes


def test_a_disk_that_refuses_leaves_everything_as_it_was(path: Path) -> None:
    before = path.read_bytes()
    f = opened(path)
    f.editor.do(edits.SetParam("osc", "freq", 330.0))
    with pytest.raises(PatchError, match="there is no folder"):
        f.save_as(path.parent / "nowhere" / "x.zrack")
    assert f.dirty and f.path == path and path.read_bytes() == before


# ---------------------------------------------------------------------------------------------- new, recent


def test_a_new_patch_has_no_name_until_it_is_saved(path: Path, tmp_path: Path) -> None:
    assert next(iter(places.templates())) == "empty"
    for name in places.templates():
        new = places.fresh(name)
        f = opened(new)
        assert f.title == "untitled"
        assert not f.dirty
        assert new not in places.recent()
        with pytest.raises(PatchError, match="no name yet"):
            f.save()
        f.save_as(tmp_path / f"{name}.zrack")
        assert f.title == f"{name}.zrack" and not new.exists()
    places.forget(path)
    assert path.exists()
    new = places.fresh()
    with pytest.raises(PatchError, match="choose another folder"):  # that one goes when the patch is closed
        opened(new).save_as(new.with_name("mine.zrack"))


def test_recent_files(path: Path) -> None:
    paths = [path.with_name(f"p{i}.zrack") for i in range(places.RECENT + 3)]
    for p in paths:
        small().save(p)
        places.remember(p)
    assert places.recent() == paths[::-1][: places.RECENT]
    places.remember(paths[10])
    paths[-1].unlink()
    assert places.recent()[0] == paths[10] and paths[-1] not in places.recent()
    (places.state_folder() / "recent.json").write_text('{"no": 1}')
    places.remember(path)
    assert places.recent() == [path]


# ---------------------------------------------------------------------------------------------- unsaved changes


def test_unsaved_changes_are_asked_about(path: Path) -> None:
    gone: list[str] = []
    f = opened(path)
    f.leave(lambda: gone.append("clean"))
    assert gone == ["clean"]
    f.editor.do(edits.SetParam("osc", "freq", 330.0))
    f.leave(lambda: gone.append("cancelled"))
    assert f.pending is not None
    f.answer("cancel")
    assert f.pending is None and gone == ["clean"] and f.dirty
    f.leave(lambda: gone.append("saved"))
    f.answer("save")
    assert gone == ["clean", "saved"] and not f.dirty
    f.editor.do(edits.SetParam("osc", "freq", 440.0))
    assert later(f)
    assert recovery.recovery(path) is not None
    f.leave(lambda: gone.append("discarded"))
    f.answer("discard")
    assert gone[-1] == "discarded"
    assert recovery.recovery(path) is None
    assert Patch.load(path).value("osc", "freq") == 330.0


def test_a_save_that_fails_keeps_the_question(path: Path) -> None:
    f = opened(places.fresh())
    f.editor.do(edits.AddNode("source/saw", "osc"))
    f.leave(lambda: pytest.fail("left"))
    with pytest.raises(PatchError, match="no name yet"):
        f.answer("save")
    assert f.pending is not None


# ---------------------------------------------------------------------------------------------- revert


def test_revert_goes_back_by_undo_where_it_can(path: Path) -> None:
    f = opened(path)
    f.editor.do(edits.SetParam("osc", "freq", 330.0))
    f.save()
    f.editor.do(edits.SetParam("osc", "freq", 440.0))
    f.editor.do(edits.RemoveNode("f"))
    f.revert()
    assert not f.dirty and f.editor.patch == Patch.load(path)
    f.editor.redo()
    f.editor.redo()
    assert "f" not in f.editor.patch.nodes
    f.revert()
    f.editor.undo()
    f.revert()
    assert not f.dirty and f.editor.patch == Patch.load(path)


def test_revert_by_one_step_where_another_way_was_taken(path: Path) -> None:
    f = opened(path)
    f.editor.do(edits.SetParam("osc", "freq", 330.0))
    f.save()
    f.editor.undo()
    f.editor.do(edits.AddNode("source/sine", "s"))
    f.revert()
    assert f.editor.patch == Patch.load(path) and not f.dirty
    assert f.editor.history.undo_label == "revert"
    f.editor.undo()
    assert "s" in f.editor.patch.nodes


# ---------------------------------------------------------------------------------------------- autosave, recovery


def test_autosave_lies_beside_the_patch_and_never_in_it(path: Path) -> None:
    before = path.read_bytes()
    f = opened(path)
    assert not later(f)
    f.editor.do(edits.SetParam("osc", "freq", 330.0))
    assert not f.tick(f._at + files_of.EVERY - 1)
    assert later(f)
    assert path.read_bytes() == before
    assert path.with_name(".song.zrack.autosave").exists()
    assert not later(f), "nothing new"
    again = opened(path)
    assert again.offer is not None and not again.offer.other
    assert again.offer.patch == f.editor.patch
    again.recover()
    assert again.editor.patch == f.editor.patch and again.dirty
    assert path.read_bytes() == before
    again.editor.undo()
    assert again.editor.patch == Patch.load(path)
    again.editor.redo()
    again.save()
    assert not path.with_name(".song.zrack.autosave").exists()
    assert opened(path).offer is None


def asked(files: Files, answer: str) -> None:
    """Answers the question about unsaved work as a window does."""
    text, answers = files.question()
    assert "song.zrack" in text and list(answers) == ["Recover", "Discard", "Later"]
    then = answers[answer]
    if then is not None:
        then()


def test_what_is_asked_about_unsaved_work(path: Path) -> None:
    before = path.read_bytes()
    f = opened(path)
    f.editor.do(edits.RemoveNode("f"))
    later(f)
    again = opened(path)
    asked(again, "Later")
    assert "f" in again.editor.patch.nodes
    again = opened(path)
    asked(again, "Recover")
    assert again.editor.patch == f.editor.patch
    again = opened(path)
    asked(again, "Discard")
    assert "f" in again.editor.patch.nodes
    assert opened(path).offer is None and path.read_bytes() == before


def test_undone_work_leaves_no_autosave(path: Path) -> None:
    f = opened(path)
    f.editor.do(edits.RemoveNode("f"))
    later(f)
    f.editor.undo()
    later(f)
    assert not path.with_name(".song.zrack.autosave").exists()


def test_an_autosave_belongs_to_one_file(path: Path) -> None:
    f = opened(path)
    f.editor.do(edits.RemoveNode("f"))
    later(f)
    moved = path.with_name("moved.zrack")
    moved.write_bytes(path.read_bytes())
    path.with_name(".moved.zrack.autosave").write_bytes(path.with_name(".song.zrack.autosave").read_bytes())
    assert recovery.recovery(moved) is None
    assert recovery.recovery(path) is not None


def test_an_older_autosave_is_not_offered_and_a_newer_one_says_that_the_file_changed(path: Path) -> None:
    f = opened(path)
    f.editor.do(edits.RemoveNode("f"))
    later(f)
    other = small()
    other.add("source/sine", "theirs")
    other.save(path)
    os.utime(path, (time.time() + 10, time.time() + 10))
    assert recovery.recovery(path) is None
    os.utime(path, (time.time() - 10, time.time() - 10))
    found = recovery.recovery(path)
    assert found is not None and found.other


def test_an_autosave_that_equals_the_patch_is_not_offered(path: Path) -> None:
    f = opened(path)
    recovery.autosave(f.editor.patch, path, f.held)
    assert recovery.recovery(path) is None


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x80", b"\x81\xa8autosave\x01"])
def test_a_broken_autosave_stops_nothing(path: Path, junk: bytes) -> None:
    path.with_name(".song.zrack.autosave").write_bytes(junk)
    assert opened(path).offer is None


def test_a_folder_that_cannot_be_written_has_its_autosave_elsewhere(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = recovery.disk.write_atomic

    def refuse(at: Path, data: bytes) -> None:
        if at.parent == path.parent:
            raise PatchError("could not be written")
        write(at, data)

    monkeypatch.setattr(recovery.disk, "write_atomic", refuse)
    f = opened(path)
    f.editor.do(edits.RemoveNode("f"))
    later(f)
    found = opened(path).offer
    assert found is not None and found.autosave.is_relative_to(places.state_folder())


def test_patches_without_a_name_are_offered_too() -> None:
    f = opened(places.fresh())
    f.editor.do(edits.AddNode("source/saw", "osc"))
    later(f)
    assert [r.patch for r in recovery.leftovers()] == [f.editor.patch]
    f.answer("discard")
    assert recovery.leftovers() == []


# ---------------------------------------------------------------------------------------------- from one patch to another


def test_becoming_leads_from_any_example_to_any_other() -> None:
    from patches import make

    a, b = (Patch.load(make.HERE / f"{name}.zrack") for name in ("feedback", "subpatch-twice"))
    b.meta = a.meta
    for one, other in ((a, b), (b, a)):
        now = one.copy()
        now.folder = make.HERE
        edit = becoming(now, other, "change")
        assert edit is not None
        back = edit.apply(now)
        assert now == other
        back.apply(now)
        assert now == one
    assert becoming(a, a.copy()) is None


def test_becoming_changes_only_what_differs() -> None:
    now = small()
    inner = Patch()
    inner.add("source/sine", "deep")
    now.add("rack/patch", "sub", patch=inner)
    then = now.copy()
    then.apply(edits.Inside("sub", edits.SetParam("deep", "freq", 100.0)))
    then.set("osc", freq=100.0)
    then.connect("f.out", "osc.phase")  # closes nothing
    uid = now.nodes["osc"].uid
    edit = becoming(now, then)
    assert edit is not None
    edit.apply(now)
    assert now == then and now.nodes["osc"].uid == uid
    loop = then.copy()
    loop.connect("osc.out", "f.cutoff", 0.1)
    assert becoming(loop, then) is not None


def test_work_that_was_not_taken_up_yet_is_not_written_over(path: Path) -> None:
    f = opened(path)
    f.editor.do(edits.RemoveNode("f"))
    later(f)
    path.with_name("song-recovered.zrack").write_bytes(b"something else")
    again = opened(path)
    asked(again, "Later")
    again.editor.do(edits.SetParam("osc", "freq", 99.0))
    assert later(again)
    found = opened(path).offer
    assert found is not None and found.patch == again.editor.patch
    assert Patch.load(path.with_name("song-recovered-2.zrack")) == f.editor.patch
    again.save()
    assert sorted(p.name for p in path.parent.iterdir()) == ["song-recovered-2.zrack", "song-recovered.zrack", "song.zrack"]
    assert path.with_name("song-recovered.zrack").read_bytes() == b"something else"


@pytest.mark.parametrize("how", ["save", "discard", "revert", "nothing"])
def test_what_was_left_for_later_survives_whatever_comes(path: Path, how: str) -> None:
    f = opened(path)
    f.editor.do(edits.RemoveNode("f"))
    later(f)
    again = opened(path)
    asked(again, "Later")
    if how != "nothing":
        again.editor.do(edits.SetParam("osc", "freq", 99.0))
    if how == "save":
        again.save()
        assert Patch.load(path.with_name("song-recovered.zrack")) == f.editor.patch
        return
    if how == "revert":
        again.revert()
    again.leave(lambda: None)
    if how == "discard":
        again.answer("discard")
    found = opened(path).offer
    assert found is not None and found.patch == f.editor.patch


def test_what_was_left_for_later_in_a_patch_without_a_name_is_offered_again(path: Path) -> None:
    new = places.fresh()
    f = opened(new)
    f.editor.do(edits.AddNode("source/saw", "osc"))
    later(f)
    again = opened(new)
    assert again.offer is not None
    again.leave(lambda: None)
    assert [r.patch for r in recovery.leftovers()] == [f.editor.patch]
    again = opened(new)
    again.editor.do(edits.AddNode("source/sine", "other"))
    again.save_as(path.with_name("other.zrack"))
    assert [r.patch for r in recovery.leftovers()] == [f.editor.patch]


def test_unsaved_changes_are_rescued_where_nobody_can_be_asked(path: Path) -> None:
    f = opened(path)
    f.rescue()
    assert opened(path).offer is None
    f.editor.do(edits.RemoveNode("f"))
    f.rescue()
    found = opened(path).offer
    assert found is not None and found.patch == f.editor.patch


def test_after_save_as_everything_belongs_to_the_new_file(path: Path) -> None:
    f = opened(path)
    files_of.keep_views(path, {"3": ((), 1.0, 2.0, 0.5)})
    f.editor.do(edits.RemoveNode("f"))
    later(f)
    other = path.with_name("other.zrack")
    f.save_as(other)
    assert recovery.recovery(path) is None and f.title == "other.zrack"
    f.editor.do(edits.SetParam("osc", "freq", 99.0))
    assert later(f)
    assert recovery.recovery(path) is None
    found = recovery.recovery(other)
    assert found is not None and found.patch == f.editor.patch and found.path == other
    assert "f" in Patch.load(path).nodes
    assert files_of.views(other) == {"3": ((), 1.0, 2.0, 0.5)}


@pytest.mark.parametrize(
    "junk", ["", "[]", "3", "{", '{"PATH": 3}', '{"PATH": {"1": [[], "x", 0, 1]}}', '{"PATH": {"1": [1]}}']
)
def test_views_that_cannot_be_read_are_none(path: Path, state: Path, junk: str) -> None:
    state.mkdir()
    (state / "views.json").write_text(junk.replace("PATH", str(path)))
    assert files_of.views(path) == {}
    files_of.keep_views(path, {"1": (("voice",), 0.0, 0.0, 1.0)})
    assert files_of.views(path) == {"1": (("voice",), 0.0, 0.0, 1.0)}


def test_views_of_many_patches_do_not_pile_up(path: Path) -> None:
    for k in range(files_of.VIEWS + 5):
        files_of.keep_views(path.with_name(f"{k}.zrack"), {"1": ((), float(k), 0.0, 1.0)})
    assert files_of.views(path.with_name("4.zrack")) == {}
    assert files_of.views(path.with_name("5.zrack"))["1"][1] == 5.0
