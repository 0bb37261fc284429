"""Large tables lie in files of their own: the same values, one sentence where they cannot be believed, nothing rewritten."""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph import Patch, PatchError, codec, edits, file, tables, values
from graph.check import check, diff
from graph.history import History
from graph.spec import Data
from tests.kit import SPECS, bass, new, saved

ROWS = values.INLINE // 8 + 1  # of two columns: the smallest table that is large


def tape(rows: int = ROWS, first: float = 0.1) -> Patch:
    """A patch with a table of two columns."""
    p = new()
    p.add("source/tape", "t", tape=[(first, -i / rows) for i in range(rows)])
    return p


def kept(folder: Path) -> Path:
    """The only file in the folder of tables."""
    (found,) = (folder / "data").iterdir()
    return found


def refusal(path: Path) -> str:
    with pytest.raises(PatchError) as e:
        Patch.load(path, SPECS)
    return str(e.value)


@pytest.mark.parametrize("name", ["a.zrack", "a.json"])
def test_a_large_table_goes_to_a_file_named_by_its_contents(tmp_path, name):
    p = tape()
    q = saved(p, tmp_path / name)
    assert q == p
    assert diff(p, q) == check(q) == []
    data = b"".join(struct.pack("<2f", *row) for row in p.value("t", "tape"))
    assert kept(tmp_path).read_bytes() == data
    digest = hashlib.sha256(data).hexdigest()[:32]
    assert kept(tmp_path).name == f"{digest}.f32"
    body = (tmp_path / name).read_bytes()
    found = codec.from_text(body) if name == "a.json" else codec.unpack(body)
    assert found["nodes"]["t"]["data"] == {"tape": {"file": digest, "rows": ROWS, "columns": 2}}
    q.set("t", tape=[(0.5, 0.5)])
    assert diff(p, q) == ["node t: tape changed"]


def test_a_small_table_stays_in_the_patch_as_it_was_written(tmp_path):
    p = tape(ROWS - 1)
    assert p.value("t", "tape")[0] == (0.1, 0.0)
    assert saved(p, tmp_path / "a.zrack") == p
    assert [f.name for f in tmp_path.iterdir()] == ["a.zrack"]


def test_a_large_table_holds_what_its_file_can_hold():
    table = tape(first=0.6).value("t", "tape")
    assert table[0][0] == struct.unpack("f", struct.pack("f", 0.6))[0] > 0.6  # the end of the range, rounded up
    assert all(values.single(x) == x for row in table for x in row)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-3.5e38, 3.5e38) | st.integers(-(2**130), 2**130), min_size=1, max_size=8))
def test_plain_numbers_and_those_that_are_looked_at_closer_give_the_same_table(numbers):
    class Number(float):
        """No plain float, so that the table is looked at value by value."""

    spec = Data()
    rows = (numbers * (values.INLINE // 4 + 1))[: values.INLINE // 4 + 1]

    def tried(table):
        try:
            return values.table("x", spec, table)
        except PatchError as e:
            return str(e)

    assert tried(rows) == tried([Number(x) if isinstance(x, float) else x for x in rows]) == tried([[x] for x in rows])


@pytest.mark.parametrize("bad", [0.61, -1.01, float("nan"), float("inf"), True, "0", None, 10**400])
def test_one_bad_number_in_a_large_table_is_said(bad):
    rows = [(0.0, 0.0)] * ROWS + [(0.0, bad)]
    with pytest.raises(PatchError, match=r"^node t: tape takes "):
        new().add("source/tape", "t", tape=rows)


def test_a_file_that_is_there_is_not_written_again(tmp_path):
    p = tape()
    p.save(tmp_path / "a.zrack")
    os.utime(kept(tmp_path), ns=(1, 1))
    p.save(tmp_path / "a.zrack")
    p.save(tmp_path / "b.zrack")
    p.add("source/tape", "again", tape=p.value("t", "tape"))
    p.save(tmp_path / "a.zrack")
    assert kept(tmp_path).stat().st_mtime_ns == 1
    kept(tmp_path).write_bytes(b"")
    with pytest.raises(PatchError, match=r"^a.zrack: data/\w{32}.f32 was altered: .*; remove it and save again$"):
        p.save(tmp_path / "a.zrack")


def test_what_is_missing_or_altered_is_one_sentence(tmp_path):
    path = tmp_path / "a.zrack"
    tape().save(path)
    table = kept(tmp_path)
    good, where = table.read_bytes(), f"data/{table.name}"
    table.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert refusal(path) == f"a.zrack: node t: tape: {where} was altered: its hash is another"
    table.write_bytes(good + b"\0")
    assert refusal(path) == f"a.zrack: node t: tape: {where} was altered: it holds {len(good) + 1} bytes, not {len(good)}"
    table.unlink()
    assert refusal(path) == f"a.zrack: node t: tape: there is no file {where} beside the patch"
    table.mkdir()
    assert refusal(path) == f"a.zrack: node t: tape: {where} is no regular file"


def test_a_table_stays_in_the_folder(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    tape().save(inside / "a.zrack")
    table, away = kept(inside), tmp_path / "away.f32"
    table.rename(away)
    table.symlink_to(away)
    assert refusal(inside / "a.zrack") == f"a.zrack: node t: tape: data/{table.name} leads out of the folder of the patch"
    table.unlink()
    table.parent.rmdir()
    (tmp_path / "elsewhere").mkdir()
    table.parent.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PatchError, match=r"^a.zrack: data leads out of the folder of the patch$"):
        tape().save(inside / "a.zrack")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"file": "../../etc/passwd"}, "tape takes rows of numbers, or file, rows and columns of a table, not a dict"),
        ({"file": 3}, "tape takes rows of numbers, or file, rows and columns of a table, not a dict"),
        ({"x": 1}, "tape takes rows of numbers, or file, rows and columns of a table, not a dict"),
        ({"columns": 1}, "tape takes rows of 2 numbers, not of 1"),
        ({"columns": True}, "columns takes a number, not True"),
        ({"rows": 2**40}, "rows takes 1 … 1048576, not 1099511627776"),
        ({"rows": 0}, "rows takes 1 … 1048576, not 0"),
    ],
)
def test_references_are_checked(tmp_path, change, sentence):
    path = tmp_path / "a.zrack"
    tape().save(path)
    body = codec.unpack(path.read_bytes())
    body["nodes"]["t"]["data"]["tape"].update(change)
    path.write_bytes(codec.pack(body))
    assert refusal(path) == f"a.zrack: node t: {sentence}"


def placed(folder: Path, numbers: list[float], rows: int | None = None) -> Path:
    """A patch that refers to a table of two columns with these numbers."""
    data = struct.pack(f"<{len(numbers)}f", *numbers)
    digest = tables.hashed(data)
    (folder / "data").mkdir(exist_ok=True)
    (folder / tables.name(digest)).write_bytes(data)
    reference = {"file": digest, "rows": rows or len(numbers) // 2, "columns": 2}
    body = {"zrack": 1, "nodes": {"t": {"type": "source/tape", "data": {"tape": reference}}}}
    (folder / "p.json").write_text(codec.to_text(body))
    return folder / "p.json"


def test_the_numbers_of_a_file_are_checked(tmp_path):
    assert Patch.load(placed(tmp_path, [0.25, -0.5]), SPECS).value("t", "tape") == ((0.25, -0.5),)
    assert refusal(placed(tmp_path, [0.0, 2.0])) == "p.json: node t: tape takes -1 … 0.6, not 2"
    assert refusal(placed(tmp_path, [0.0, float("nan")])).endswith(".f32 holds a number that is not finite")
    assert "was altered: it holds 8 bytes, not 16" in refusal(placed(tmp_path, [0.0, 0.0], rows=2))


def test_all_tables_together_have_a_limit(tmp_path, monkeypatch):
    p = tape()
    p.add("source/tape", "u", tape=p.value("t", "tape"))
    p.add("source/tape", "v", tape=p.value("t", "tape")[::-1])
    p.save(tmp_path / "a.zrack")
    monkeypatch.setattr(tables, "TOTAL", 16 * ROWS)
    assert Patch.load(tmp_path / "a.zrack", SPECS) == p  # the one that two nodes share counts once
    monkeypatch.setattr(tables, "TOTAL", 16 * ROWS - 1)
    assert refusal(tmp_path / "a.zrack").startswith("a.zrack: node v: tape exceeds ")
    with pytest.raises(PatchError, match=r"^b.zrack: has tables of "):
        p.save(tmp_path / "b.zrack")
    assert not (tmp_path / "b.zrack").exists()


def test_tables_go_along_to_another_folder_and_into_sub_patches(tmp_path):
    p = new()
    p.add("rack/patch", "sub", patch=tape())
    p.save(tmp_path / "a.zrack")
    (tmp_path / "far").mkdir()
    Patch.load(tmp_path / "a.zrack", SPECS).save(tmp_path / "far" / "b.json")
    q = Patch.load(tmp_path / "far" / "b.json", SPECS)
    assert q == p
    assert kept(tmp_path / "far").read_bytes() == kept(tmp_path).read_bytes()


def test_an_unknown_type_keeps_its_tables(tmp_path):
    p = tape()
    p.save(tmp_path / "a.zrack")
    (tmp_path / "far").mkdir()
    q = Patch.load(tmp_path / "a.zrack", {})
    q.save(tmp_path / "far" / "b.zrack")
    assert Patch.load(tmp_path / "far" / "b.zrack", SPECS) == p
    before = (tmp_path / "a.zrack").read_bytes()
    kept(tmp_path).unlink()
    q = Patch.load(tmp_path / "a.zrack", {})
    assert len(q.notes) == 1 and q.notes[0].startswith("node t: tape: there is no file data/")
    q.save(tmp_path / "a.zrack")
    assert (tmp_path / "a.zrack").read_bytes() == before


def test_text_names_a_table_where_it_lies_beside_and_else_holds_it(tmp_path):
    p = tape()
    assert file.loads(file.dump_text(p), SPECS) == p
    p.save(tmp_path / "a.zrack")
    text = file.dump_text(p)
    assert len(text) < 500
    assert file.loads(text, SPECS, folder=tmp_path) == p
    with pytest.raises(PatchError, match=r"^node t: tape is kept in data/\w+.f32 beside the patch, which lies nowhere yet$"):
        file.loads(text, SPECS)
    assert file.loads(file.dump(p), SPECS) == p  # bytes hold everything
    kept(tmp_path).unlink()
    assert file.loads(file.dump_text(p), SPECS) == p


def test_a_failed_save_of_a_table_leaves_the_old_patch(tmp_path, monkeypatch):
    path = tmp_path / "a.zrack"
    bass().save(path)
    old = path.read_bytes()

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PatchError, match=r"could not be written: no space left on device$"):
        tape().save(path)
    assert path.read_bytes() == old
    assert list((tmp_path / "data").iterdir()) == []


def test_deltas_of_a_large_table_undo_and_redo_to_the_same_bytes(tmp_path):
    p = tape(ROWS - 2)
    h = History(p)
    states = [file.dump(p)]
    for rows, start in (([(0.3, 0.3)], 0), ([(0.2, 0.1)] * 9, ROWS - 2), ([(0.1, 0.1)], 77), ([(0.1, 0.2)], None)):
        h.do(edits.SetData("t", "tape", rows, start))
        states.append(file.dump(p))
    p.save(tmp_path / "a.zrack")
    for state in states[-2::-1]:
        assert h.undo() == "edit t.tape"
        assert file.dump(p) == state
    assert p.value("t", "tape")[0] == (0.1, 0.0)  # not rounded: it was small then
    for state in states[1:]:
        h.redo()
        assert file.dump(p) == state


def test_the_steps_of_a_history_share_the_rows_that_stayed():
    p = tape()
    before = p.value("t", "tape")
    edits.SetData("t", "tape", [(0.1, 0.2)], 5).apply(p)
    after = p.value("t", "tape")
    assert after[5] == (values.single(0.1), values.single(0.2))
    assert sum(a is b for a, b in zip(before, after, strict=True)) == ROWS - 1
