"""What was journalled comes back: after a kill at any moment, from torn and damaged files, across generations."""

from __future__ import annotations

import mmap
import os
import random
import signal
import stat
import threading
import time
from pathlib import Path

import pytest

from graph import Patch, PatchError, disk, file
from graph.edits import AddNode, RemoveNode, SetData, SetPatch
from graph.history import History
from graph.subpatch import flatten
from graph.wire import apply, history_from, history_map, replay, to_map
from runtime import journal, records
from runtime.journal import Journal, crashed, recover, suspects
from tests.kit import SPECS, bass, new, saved, voice


def op_at(i: int) -> dict:
    """The operation number `i` of a session: knobs, edits and steps back and forth."""
    rng = random.Random(i)
    kind = rng.randrange(10)
    if kind < 5:
        return {"set": [["lp", "cutoff", 20.0 + i], ["a/lp", "resonance", rng.random()]], "gesture": i // 7}
    if kind < 7:
        return {"do": to_map(AddNode("source/saw", f"n{i}", {"freq": 1.0 + i}))}
    return [{"undo": 1}, {"undo": 1}, {"redo": 1}][kind - 7]


def start() -> Patch:
    p = bass()
    p.add("rack/patch", "a", patch=voice())
    p.add("source/tape", "tape", tape=[(i / 40000, 0.5) for i in range(20000)])
    return p


def steps(h: History) -> object:
    """All of a history that a person could notice."""
    return [[(s.label, s.serial) for s in part] for part in h.steps], h.marks, h.dirty


def begun(folder: Path, patch: Patch | None = None, **meta: object) -> tuple[Journal, History]:
    j, h = Journal(folder), History(start() if patch is None else patch)
    j.start(h, **meta)
    return j, h


def do(j: Journal, h: History, op: dict) -> None:
    apply(h, op)
    j.append(op)


def test_patch_history_and_meta_come_back(tmp_path):
    j, h = begun(tmp_path / "one", device="default", rate=48000)
    for i in range(200):
        do(j, h, op_at(i))
    j.note(device="other", dirty=True)
    j.flush(sync=True)
    found = recover(tmp_path / "one", SPECS)
    patch, history, meta = found
    assert patch == h.patch and file.dump(patch) == file.dump(h.patch) and patch.notes == []
    assert steps(history) == steps(h) and history_map(history) == history_map(h)
    assert meta == {"device": "other", "rate": 48000, "dirty": True}
    while h.undo():
        history.undo()
        assert patch == h.patch
    assert patch == start()
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "one").iterdir()}
    assert modes == {"base-1.zrack": 0o600, "ops-1.log": 0o600, "lock": 0o600, "data": modes["data"]}
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o700


def test_only_what_was_flushed_is_promised_and_nothing_else_shows(tmp_path):
    j, h = begun(tmp_path / "j")
    do(j, h, op_at(0))
    j.flush()
    middle = file.dump(h.patch)
    do(j, h, op_at(1))
    assert file.dump(recover(tmp_path / "j", SPECS).patch) == middle


def test_generations_keep_history_and_what_comes_meanwhile(tmp_path):
    j, h = begun(tmp_path / "j")
    for i in range(400):
        do(j, h, op_at(i))
        if i % 90 == 50:
            image = j.image(h)
            for more in ({"set": [["osc", "freq", 100.0 + i]], "gesture": i}, {"undo": 1}):
                do(j, h, more)
            if i == 140:
                j.flush()
            j.compact(image)
    j.flush()
    patch, history, _ = recover(tmp_path / "j", SPECS)
    assert patch == h.patch and steps(history) == steps(h)
    assert sorted(p.name for p in (tmp_path / "j").iterdir()) == ["base-5.zrack", "data", "lock", "ops-5.log"]
    for i in range(400, 420):
        apply(history, op_at(i))
        apply(h, op_at(i))
    assert patch == h.patch and steps(history) == steps(h)


def test_a_generation_is_due_after_many_operations(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "OPS", 20)
    j, h = begun(tmp_path / "j")
    for i in range(19):
        do(j, h, op_at(i))
    assert not j.due
    do(j, h, op_at(19))
    assert j.due
    j.compact(j.image(h))
    assert not j.due


def test_tables_lie_in_the_journal_and_go_with_their_generation(tmp_path):
    j, h = begun(tmp_path / "j")
    assert len(list((tmp_path / "j" / "data").iterdir())) == 1
    do(j, h, {"do": to_map(SetData("tape", "tape", [[0.25, 0.125]], 5))})
    j.compact(j.image(h))
    assert len(list((tmp_path / "j" / "data").iterdir())) == 1
    patch, history, _ = recover(tmp_path / "j", SPECS)
    assert patch == h.patch and patch.value("tape", "tape")[5] == (0.25, 0.125)
    assert history.undo() and patch == start()


def test_two_sessions_never_share_one(tmp_path):
    j, _ = begun(tmp_path / "j")
    with pytest.raises(PatchError, match="j: another session holds this journal"):
        Journal(tmp_path / "j")
    j.close()
    j.close()
    again = Journal(tmp_path / "j")
    again.remove()
    assert not (tmp_path / "j").exists()


def test_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("ZRACK_STATE", str(tmp_path))
    assert journal.place("stage") == tmp_path / "journals" / "stage"
    for bad in ("../x", "a/b", "", "."):
        with pytest.raises(PatchError):
            journal.place(bad)
    assert journal.left() == []
    one, _ = begun(journal.place("one"))
    assert journal.left() == []
    one.close()
    two, _ = begun(journal.place("two"))
    assert journal.left() == [journal.place("one")]
    two.close()
    monkeypatch.delenv("ZRACK_STATE")
    assert journal.home().name == "journals" and "zrack" in str(journal.home())


def test_a_saved_patch_finds_what_lies_beside_it(tmp_path):
    saved(voice(), tmp_path / "voice.zrack")
    p = new()
    j, h = begun(tmp_path / "j", p)
    p.save(tmp_path / "main.zrack")
    do(j, h, {"saved": str(tmp_path / "main.zrack")})
    for op in ({"do": {"edit": "add", "type": "rack/patch", "name": "v", "values": {"file": "voice.zrack", "tone": 300.0}}},
               {"do": {"edit": "add", "type": "source/saw", "name": "s"}},
               {"do": {"edit": "connect", "src": "s.out", "dst": "v.in"}}):  # fmt: skip
        do(j, h, op)
    for _ in range(2):
        j.flush()
        patch, history, meta = recover(tmp_path / "j", SPECS)
        assert patch == p and patch.folder == tmp_path and patch.file == "main.zrack" and patch.lineage == p.lineage
        assert meta["path"] == str(tmp_path / "main.zrack") and history.dirty
        j.compact(j.image(h))
    (tmp_path / "voice.zrack").unlink()  # what is beside it may go; the rest is still there
    patch, _, _ = recover(tmp_path / "j", SPECS)
    assert patch.nodes["v"].params == {"tone": 300.0} and len(patch.cables) == 1 and patch.notes
    j.close()


def test_a_sub_patch_that_changed_meanwhile_loses_nothing(tmp_path):
    saved(voice(), tmp_path / "voice.zrack")
    p = bass()
    p.save(tmp_path / "main.zrack")
    p.add("rack/patch", "v", file="voice.zrack", tone=300.0)
    p.connect("osc.out", "v.tone")
    j, h = begun(tmp_path / "j", p)
    do(j, h, {"set": [["lp", "cutoff", 99.0]]})
    j.flush()
    other = voice()
    SetPatch("exposed", {}).apply(other)
    other.save(tmp_path / "voice.zrack")
    patch, history, _ = recover(tmp_path / "j", SPECS)
    assert patch.nodes["v"].params == {"tone": 300.0} and patch.value("lp", "cutoff") == 99.0 and len(patch.cables) == 3
    assert "a sub-patch has changed meanwhile" in patch.notes[0] and patch.folder == tmp_path
    flatten(patch)
    assert history.undo() and patch.value("lp", "cutoff") == 800.0


def test_an_operation_that_no_longer_applies_is_noted(tmp_path):
    j, h = begun(tmp_path / "j")
    for i in range(12):
        j.append({"do": to_map(RemoveNode(f"gone{i}"))})
    do(j, h, op_at(0))
    j.flush()
    patch, _, _ = recover(tmp_path / "j", SPECS)
    assert patch == h.patch
    assert "no node is called 'gone0'" in patch.notes[0] and patch.notes[10] == "2 more edits could not be done again"


def test_a_history_of_another_form_is_left_out(tmp_path):
    j, h = begun(tmp_path / "j")
    do(j, h, op_at(0))
    j.compact(j.image(h))
    packed = [*records.Reader(tmp_path / "j" / "ops-2.log")]
    for broken in (None, 3, {"undo": [3], "redo": [], "marks": [1, 1, 1]}, {"undo": [{"label": "x"}]}):
        raw = b"".join(records.pack(r) for r in [{**packed[0], "history": broken}, *packed[1:]])
        (tmp_path / "j" / "ops-2.log").write_bytes(raw)
        patch, history, _ = recover(tmp_path / "j", SPECS)
        assert patch == h.patch and not history.undo() and "cannot be undone" in patch.notes[0]


def test_a_history_too_large_keeps_its_latest_steps():
    h = History(bass())
    for i in range(200):
        apply(h, {"set": [["lp", "cutoff", 100.0 + i]]})
    kept = history_from(history_map(h, 4000), h.patch.copy())
    assert 10 < len(kept.steps[0]) < 100 and kept.dirty
    while kept.undo():
        pass
    assert kept.patch.value("lp", "cutoff") == 299.0 - len(kept.steps[1])


# files


def test_records_stop_at_the_first_that_is_torn_or_damaged(tmp_path):
    path = tmp_path / "r.log"
    w = records.Writer(path)
    given = [{"a": 1}, [1.5, "x", b"y", float("inf")], None, "z" * 1000, 7]
    w.append(given)
    w.fsync()
    w.close()
    whole = path.read_bytes()
    ends = []
    for i in range(len(given) + 1):
        ends.append(len(b"".join(records.pack(g) for g in given[:i])))
    rng = random.Random(3)
    for cut in [*range(40), *ends, *(rng.randrange(len(whole)) for _ in range(40))]:
        path.write_bytes(whole[:cut])
        r = records.Reader(path)
        found = list(r)
        count = sum(e <= cut for e in ends) - 1
        assert found == given[:count] and r.size == ends[count]
        assert bool(r.torn) == (cut not in ends) and (not r.torn or f"r.log is cut off after {r.size} bytes" in r.torn)
    for _ in range(200):
        at = rng.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << rng.randrange(8))]) + whole[at + 1 :])
        r = records.Reader(path)
        count = sum(e <= at for e in ends) - 1
        assert list(r) == given[:count] and r.torn
    path.write_bytes(whole + bytes(64))  # what a power cut may leave
    r = records.Reader(path)
    assert list(r) == given and "is damaged" in r.torn
    w = records.Writer(path)
    assert w.torn and w.size == len(whole)
    w.append(["more"])
    w.close()
    assert [*records.Reader(path)] == [*given, "more"]
    assert [*records.Reader(tmp_path / "none.log")] == []


def test_any_bytes_are_records_or_an_end(tmp_path):
    rng, path = random.Random(4), tmp_path / "r.log"
    for _ in range(500):
        body = rng.randbytes(rng.randrange(30))
        crc = records._crc(body)
        path.write_bytes(records._HEAD.pack(len(body), crc) + body + rng.randbytes(rng.randrange(20)))
        list(records.Reader(path))
    path.write_bytes(records._HEAD.pack(0xFFFFFFFF, 0) + bytes(100))
    r = records.Reader(path)
    assert list(r) == [] and r.torn


def test_a_full_disk_leaves_whole_records_and_nothing_is_lost(tmp_path, monkeypatch):
    j, h = begun(tmp_path / "j")
    do(j, h, op_at(0))
    write, room = os.write, [5]

    def full(handle: int, data: bytes) -> int:
        if room[0] == 0:
            raise OSError(28, "No space left on device")
        count = write(handle, data[: room[0]])
        room[0] -= count
        return count

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(PatchError, match=r"ops-1.log: could not be written: no space left on device"):
        j.flush()
    do(j, h, op_at(1))
    assert recover(tmp_path / "j", SPECS).patch == start()
    monkeypatch.undo()
    j.flush()
    patch, history, _ = recover(tmp_path / "j", SPECS)
    assert patch == h.patch and steps(history) == steps(h) and patch.notes == []


def test_a_disk_that_stays_full_costs_bounded_memory_and_is_made_up_for(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "BYTES", 2000)
    monkeypatch.setattr(records, "LIMIT", 2000)
    j, h = begun(tmp_path / "j", bass())
    for i in range(200):
        do(j, h, {"set": [["lp", "cutoff", 100.0 + i]], "gesture": 1})
    assert j.lost and j.due and j._bytes <= 4000
    monkeypatch.setattr(journal, "_write", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(PatchError, match="the journal could not be written: no space left"):
        j.compact(j.image(h))
    assert not j.due  # not at once again
    monkeypatch.undo()
    j.compact(j.image(h))
    assert not j.lost and recover(tmp_path / "j", SPECS).patch == h.patch


def test_a_generation_that_is_not_whole_does_not_count(tmp_path):
    j, h = begun(tmp_path / "j")
    for i in range(30):
        do(j, h, op_at(i))
    j.flush()
    folder = tmp_path / "j"
    (folder / "base-2.zrack").write_bytes((folder / "base-1.zrack").read_bytes())
    assert recover(folder, SPECS).patch == h.patch
    for junk in (b"", b"\x10\0\0\0abcd", (folder / "ops-1.log").read_bytes()[:20]):
        (folder / "ops-2.log").write_bytes(junk)
        assert recover(folder, SPECS).patch == h.patch
    (folder / "base-1.zrack").write_bytes(b"")
    with pytest.raises(PatchError):
        recover(folder, SPECS)
    with pytest.raises(PatchError, match="nothing: holds no journal"):
        recover(tmp_path / "nothing", SPECS)


# crashes


def test_three_crashes_in_a_minute(tmp_path):
    assert [crashed(tmp_path, t) for t in (1000.0, 1030.0, 1059.0, 1095.0, 1300.0)] == [1, 2, 3, 2, 1]
    assert crashed(tmp_path) == 1
    assert journal.CRASHES == 3


def test_the_last_edit_names_its_nodes():
    p = start()
    p.expose("hot", "osc.freq")
    h = History(p)
    cases = [
        ({"do": {"edit": "add", "type": "maths/add", "name": "bad"}}, ["bad"]),
        ({"do": {"edit": "connect", "src": "osc.out", "dst": "bad.a"}}, ["osc", "bad"]),
        ({"set": [["lp", "cutoff", 99.0], ["bad", "b", 1.0]], "gesture": 1}, ["bad", "lp"]),
        ({"set": [["a/lp", "resonance", 0.9]]}, ["a/lp"]),
        ({"do": {"edit": "inside", "name": "a", "inner": {"edit": "connect", "src": "in.out", "dst": "lp.cutoff"}}},
         ["a/in", "a/lp"]),
        ({"undo": 1}, ["a/in", "a/lp"]),
        ({"redo": 1}, ["a/in", "a/lp"]),
        ({"do": {"edit": "remove", "name": "bad"}}, ["osc"]),
        ({"undo": 1}, ["bad", "osc"]),
        ({"do": {"edit": "group", "names": ["osc"], "into": "g"}}, ["g", "lp", "bad"]),
    ]  # fmt: skip
    assert suspects(h) == []
    for op, names in cases:
        apply(h, op)
        assert sorted(suspects(h)) == sorted(names), op
        assert set(suspects(h)) <= {*p.nodes, "a/in", "a/lp"}


def session(folder: Path, path: Path, count: mmap.mmap, seed: int) -> None:
    """A session that is killed: it journals, flushes, saves and begins generations, and counts what it flushed."""
    j, h = Journal(folder), History(small())
    j.start(h)
    count[8] = 1
    for i in range(100_000):
        op = op_at(i)
        do(j, h, op)
        if i % 3 == seed % 3:
            j.flush()
            count[:8] = (i + 1).to_bytes(8, "little")
        if i % 5 == seed % 5:
            h.patch.save(path)
        if i % 11 == seed % 11:
            j.compact(j.image(h))


def small() -> Patch:
    p = bass()
    p.add("rack/patch", "a", patch=voice())
    return p


def kill(times: int, tmp_path: Path) -> None:
    """Kills `times` sessions at random moments and looks at what each left behind."""
    states, h = [file.dump(small())], History(small())
    histories = [steps(h)]
    rng = random.Random(times)
    reached = 0
    for turn in range(times):
        folder, path = tmp_path / f"j{turn}", tmp_path / f"{turn}.zrack"
        count = mmap.mmap(-1, 16)
        pid = os.fork()
        if pid == 0:
            try:
                session(folder, path, count, turn)
            finally:
                os._exit(1)
        end, enough = time.monotonic() + 10.0, rng.random() ** 2 * 40  # operations, so that a slow machine gets as far
        while (count[8] == 0 or int.from_bytes(count[:8], "little") < enough) and time.monotonic() < end:
            time.sleep(0.0005)
        time.sleep(rng.random() * 0.005)
        os.kill(pid, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        flushed = int.from_bytes(count[:8], "little")
        patch, history, _ = recover(folder, SPECS)
        now = file.dump(patch)
        while len(states) < flushed + 200:
            apply(h, op_at(len(states) - 1))
            states.append(file.dump(h.patch))
            histories.append(steps(h))
        found = [k for k in range(flushed, flushed + 200) if states[k] == now and histories[k] == steps(history)]
        assert found and found[0] <= flushed + 11, (turn, flushed)
        if path.exists():
            assert file.dump(Patch.load(path, SPECS)) in states
        reached = max(reached, flushed)
        after = Journal(folder)  # the next session goes on from there, and nothing is left lying about
        after.start(history)
        after.append({"do": to_map(AddNode("maths/add", "next"))})
        after.close()
        assert "next" in recover(folder, SPECS).patch.nodes
        assert {p.suffix for p in folder.iterdir()} <= {".zrack", ".log", ""} and len(list(folder.iterdir())) <= 4
    assert reached > 20


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_session_killed_at_any_moment_comes_back_whole(tmp_path):
    kill(20, tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_two_hundred_sessions_killed(tmp_path):
    kill(200, tmp_path)


def test_threads_may_append_while_a_generation_is_written(tmp_path):
    j, h = begun(tmp_path / "j", bass())
    lock, going = threading.Lock(), threading.Event()

    def turn(k: int) -> None:
        for i in range(150):
            with lock:  # as a session does: applied and appended under one lock
                do(j, h, {"set": [["lp", "cutoff", 100.0 + i + k]], "gesture": k})
            if i == 20:
                going.set()

    threads = [threading.Thread(target=turn, args=(k,)) for k in range(3)]
    for t in threads:
        t.start()
    going.wait()
    while any(t.is_alive() for t in threads):
        with lock:
            image = j.image(h)
        j.flush()
        j.compact(image)
    j.close()
    patch, history, _ = recover(tmp_path / "j", SPECS)
    assert patch == h.patch and steps(history) == steps(h)


def test_nothing_half_written_is_left_where_a_save_was_killed(tmp_path, monkeypatch):
    p = small()
    p.save(tmp_path / "p.zrack")
    old = (tmp_path / "p.zrack").read_bytes()
    monkeypatch.setattr(os, "replace", lambda *a: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    p.set("lp", cutoff=50.0)
    with pytest.raises(PatchError):
        disk.write_atomic(tmp_path / "p.zrack", file.dump(p))
    assert (tmp_path / "p.zrack").read_bytes() == old


def test_replay_is_what_a_journal_does(tmp_path):
    done = [op_at(i) for i in range(50)]
    j, h = begun(tmp_path / "j")
    for op in done:
        do(j, h, op)
    j.flush()
    again = replay(start(), done)
    assert again.patch == recover(tmp_path / "j", SPECS).patch == h.patch
