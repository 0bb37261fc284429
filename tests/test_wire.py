"""Edits go over the wire and come back the same; operations replayed give the same patch and the same history."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph import Patch, PatchError, codec, edits, file
from graph.edit_maps import EDITS
from graph.edits import AddNode, Changes, Connect, Edits, Group, Inside, RemoveNode, Rename, SetData, SetParam, SetPatch
from graph.groups import SetValues, shown
from graph.history import History, Step
from graph.wire import apply, from_map, history_from, history_map, replay, to_map
from tests.kit import SPECS, bass, new, saved, voice
from tests.test_edits import all_edits, names

batches = st.lists(
    st.tuples(
        names | st.builds("{}/lp".format, names), st.sampled_from(["cutoff", "b", "tone", "freq", "bypass", "slope"]),
        st.sampled_from([0, 1, 0.5, 300.0, "24 dB"]),
    ),
    min_size=1, max_size=4,
)  # fmt: skip
rich_edits = st.one_of(
    all_edits,
    st.builds(SetValues.of, batches),
    st.builds(Inside, names, st.builds(Inside, names, all_edits)),
    st.builds(Inside, st.sampled_from("ab"), st.builds(SetParam, st.just("lp"), st.just("cutoff"), st.floats(20.0, 9e3))),
    st.builds(Inside, st.sampled_from("ab"), st.builds(Rename, st.just("wet"), st.sampled_from(["wet2", "out"]))),
    st.builds(Inside, st.sampled_from("ab"), st.builds(Connect, st.just("lp.out"), st.just("lp.cutoff"))),
    st.builds(
        Connect, st.sampled_from(["osc.out", "a.wet", "b.wet", "lp.out"]), st.sampled_from(["a.in", "b.tone", "lp.audio"])
    ),
    st.builds(RemoveNode, st.sampled_from(["a", "b", "lp", "osc"])),
    st.builds(Group, st.sampled_from([("osc", "lp"), ("a",), ("a", "b"), ("lp", "lfo")]), st.sampled_from(["g", "a"])),
    st.builds(AddNode, st.just("mod/steps"), names, st.just({"steps": [[1.0], [2.0]], "pairs": [(1, 2), (3, 4)]})),
    st.builds(AddNode, st.just("filter/lowpass"), names, st.just({"slope": "24 dB"}), st.just((3, 4.5)), st.integers(0, 99)),
)


def over(value: object) -> object:
    """What arrives at the other end."""
    return codec.unpack(codec.pack(value))


def outcome(patch: Patch, edit: edits.Edit) -> edits.Edit | str:
    try:
        return edit.apply(patch)
    except PatchError as e:
        return str(e)


def same(a: Patch, b: Patch) -> None:
    assert a == b
    assert file.dump(a) == file.dump(b)
    assert a.delayed == b.delayed


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rich_edits, min_size=8, max_size=25))
def test_an_edit_that_went_over_the_wire_does_the_same_and_so_does_its_inverse(sequence):
    p = start()
    for edit in sequence:
        here, there, before = p.copy(), p.copy(), file.dump(p)
        one = outcome(here, edit)
        again = from_map(over(to_map(edit)), there)
        assert again.label == edit.label and again.key == edit.key
        assert over(to_map(again)) == over(to_map(edit))
        two = outcome(there, again)
        same(here, there)
        if isinstance(one, str):
            assert one == two
            continue
        assert isinstance(two, Changes)
        for inverse in (two, from_map(over(to_map(one)), there, recorded=True)):
            back = there.copy()
            forth = inverse.apply(back)
            same(back, p)
            assert file.dump(back) == before
            from_map(over(to_map(forth)), back, recorded=True).apply(back)
            same(back, here)
        p = here


operations = st.one_of(
    st.builds(lambda e: {"do": to_map(e)}, rich_edits),
    st.builds(lambda e, g: {"do": to_map(e), "gesture": g}, rich_edits, st.sampled_from(["a", 1, ["osc", 2]])),
    st.builds(lambda v, g: {"set": [list(x) for x in v], "gesture": g}, batches, st.sampled_from(["a", 1, ["osc", 2]])),
    st.builds(lambda n, v: {"bypass": [[n, v]]}, names | st.builds("{}/lp".format, names), st.integers(0, 1)),
    st.sampled_from([{"undo": 1}, {"undo": 1}, {"redo": 1}, {"end": 1}, {"saved": "/nowhere/a.zrack"}]),
)


def shape(h: History) -> object:
    """All of a history that a person or a later operation could notice."""
    undo, redo = h.steps

    def seen(s: Step) -> object:
        return s.label, s.serial, s.gesture and (s.key, s.gesture, s.join), to_map(s.edit)

    return [*map(seen, undo)], [*map(seen, redo)], h.marks, h.dirty, h.undo_label, h.redo_label


def start() -> Patch:
    """Something to turn and to break."""
    p = bass()
    for name in "ab":
        p.add("rack/patch", name, patch=voice())
    p.add("filter/lowpass", "c")
    return p


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(operations, min_size=8, max_size=40), st.randoms(use_true_random=False))
def test_operations_replayed_give_the_same_patch_and_history(sequence, rng: random.Random):
    live, done = History(start()), []
    middle = rng.randrange(len(sequence) + 1)
    kept = None
    for i, op in enumerate(sequence):
        if i == middle:  # the journal begins anew here: base and history are written down
            kept = over([file.to_map(live.patch), history_map(live)]), live.patch.folder, len(done)
        before = shape(live), file.dump(live.patch)
        try:
            apply(live, over(op))
            done.append(over(op))
        except PatchError:
            assert (shape(live), file.dump(live.patch)) == before
    again = replay(file.loads(file.dump(start()), SPECS), done)
    same(again.patch, live.patch)
    assert shape(again) == shape(live)
    if kept:
        (base, steps), folder, count = kept
        p = file.loads(codec.pack(base), SPECS, folder=folder)
        h = history_from(steps, p)
        for op in done[count:]:
            apply(h, op)
        same(h.patch, live.patch)
        assert shape(h) == shape(live)
    for h in (live, again):
        while h.undo():
            pass
    same(again.patch, live.patch)


def test_seeds_are_the_same_again():
    ops = [{"do": to_map(AddNode("source/saw", n))} for n in "abc"]
    ops += [{"do": to_map(RemoveNode("b"))}, {"do": to_map(AddNode("source/saw", "b"))}, {"undo": 1}, {"redo": 1}]
    one, two = replay(new(), ops), replay(new(), ops)
    same(one.patch, two.patch)
    assert len({n.seed for n in one.patch.nodes.values()}) == 3


def test_the_map_reads_as_it_is_meant():
    assert to_map(Connect("lfo.out", "filter.cutoff", 0.3)) == {
        "edit": "connect", "src": "lfo.out", "dst": "filter.cutoff", "amount": 0.3,
    }  # fmt: skip
    assert to_map(AddNode("source/saw", "a")) == {"edit": "add", "type": "source/saw", "name": "a"}
    assert to_map(Inside("sub", Rename("a", "b"))) == {
        "edit": "inside", "name": "sub", "inner": {"edit": "rename", "old": "a", "new": "b"},
    }  # fmt: skip
    words = {kind for kind, _ in EDITS.values()}
    known = {getattr(edits, n) for n in edits.__all__ if isinstance(getattr(edits, n), type)} - {edits.Edit}
    assert known <= words


def test_numbers_and_arrays_of_numpy_are_taken():
    np = pytest.importorskip("numpy")
    found = to_map(SetParam("lp", "cutoff", np.float32(0.5)))
    assert found["value"] == 0.5 and type(found["value"]) is float
    rows = to_map(SetData("seq", "steps", np.ones((2, 1), np.float32), np.int64(1)))
    assert rows["rows"] == [[1.0], [1.0]] and over(rows) == rows
    with pytest.raises(PatchError, match="not a finite number"):
        to_map(SetParam("lp", "cutoff", float("nan")))


BROKEN = [
    (None, "edit takes a map, not None"),
    ({}, "there is no edit None"),
    ({"edit": "conect"}, "there is no edit 'conect'; did you mean connect or disconnect?"),
    ({"edit": "connect", "src": "a.out"}, "the edit connect needs dst"),
    ({"edit": "connect", "src": "a", "dst": "b.in"}, "a port is written node.port, not 'a'"),
    ({"edit": "connect", "src": "a.out", "dst": "b.in", "amuont": 1}, "has no field 'amuont'; did you mean amount?"),
    ({"edit": "connect", "src": "a.out", "dst": "b.in", "amount": float("inf")}, "amount takes a finite number"),
    ({"edit": "set", "node": "a", "name": "b", "value": True}, "value takes a number, not True"),
    ({"edit": "add", "type": "a", "name": "b", "values": []}, "values takes a map, not a list"),
    ({"edit": "add", "type": "rack/patch", "name": "b", "patch": {}}, "patch takes the map of a patch"),
    ({"edit": "add", "type": "rack/patch", "name": "b", "patch": {"zrack": 99}}, "written by a newer zrack"),
    ({"edit": "changes", "writes": []}, "recorded writes are only read from a journal"),
    ({"edit": "values", "values": []}, "values takes a list of"),
    ({"edit": "group", "names": "ab", "into": "c"}, "names takes a list, not 'ab'"),
]


@pytest.mark.parametrize(("found", "sentence"), BROKEN)
def test_a_broken_map_is_one_sentence(found, sentence):
    with pytest.raises(PatchError) as e:
        from_map(found, new())
    assert sentence in str(e.value) and "\n" not in str(e.value)


def test_too_deep_and_too_many():
    deep: dict = {"edit": "remove", "name": "a"}
    for _ in range(100):
        deep = {"edit": "inside", "name": "a", "inner": deep}
    with pytest.raises(PatchError, match="nested more than"):
        from_map(deep)
    with pytest.raises(PatchError, match="more than 65536 entries"):
        from_map({"edit": "edits", "edits": [{"edit": "remove", "name": "a"}] * 70000})


JUNK = [None, True, -1, 1 << 70, 0.5, float("nan"), float("inf"), "", "a", "a.out", "sub/lp", "\ud800", b"x", [], {}, [[]],
        {"a": 1}, {1: 2}, {"zrack": 1}, ["x", "y"], object(), (), {"edit": "add"}, [None] * 5]  # fmt: skip


def spoilt(value: object, rng: random.Random) -> object:
    """The value with one thing in it replaced by junk, dropped or doubled."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        rest = {k: v for k, v in value.items() if k != key}
        what = rng.random()
        if what < 0.1:
            return rest
        if what < 0.2:
            return {**value, rng.choice(["x", "edit", 3, "title"]): rng.choice(JUNK)}
        return {**value, key: spoilt(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = rng.randrange(len(value))
        return [*value[:at], spoilt(value[at], rng), *value[at + rng.randrange(1, 3) :]]
    return rng.choice(JUNK)


def examples() -> list[dict]:
    p = start()
    every = [
        AddNode("rack/patch", "v", {"tone": 500.0}, patch=voice()), RemoveNode("lp"), Rename("osc", "x"),
        edits.Move("osc", (1.0, 2.0)), edits.SetBypass("osc"), SetParam("lp", "cutoff", 3e3),
        Connect("osc.out", "c.audio", 0.5), edits.SetSetting("lp", "voices", 3), edits.Disconnect("osc.out", "lp.audio"),
        edits.SetCable("lfo.out", "lp.cutoff", 0.1, "units"), SetPatch("snapshots", {"one": {"lp": {"cutoff": 100.0}}}),
        Group(("osc", "lp"), "g"), Inside("a", RemoveNode("lp")), SetValues((("a/lp", "cutoff", 200.0), ("lp", "bypass", 1))),
        Edits((SetParam("lp", "cutoff", 3e3), Inside("a", edits.Move("lp", (0.0, 1.0)))), "two"),
        AddNode("mod/steps", "seq", {"steps": [[1.0]]}),
    ]  # fmt: skip
    return [over(to_map(e)) for e in every] + [over(to_map(e.apply(p.copy()))) for e in every]


def test_any_garbage_is_an_edit_or_a_sentence():
    rng, p = random.Random(1), start()
    good = examples()
    edits_seen = errors = 0
    sentences = set()
    for _ in range(12000):
        found = rng.choice(good)
        for _ in range(rng.randrange(1, 3)):
            found = spoilt(found, rng)
        try:
            edit = from_map(found, p, recorded=True)
        except PatchError as e:
            sentences.add("\n" in str(e))
            errors += 1
            continue
        edits_seen += 1
        if not isinstance(edit, Changes):
            q = p.copy()
            outcome(q, edit)
    assert edits_seen > 500 and errors > 5000 and sentences == {False}


def test_any_garbage_is_an_operation_or_a_sentence():
    rng = random.Random(2)
    good: list[dict] = [{"do": e, "gesture": 1} for e in examples()[:16]]
    good += [{"undo": 1}, {"redo": 1}, {"set": [["a/lp", "cutoff", 200.0]], "gesture": ["x", 1]}, {"bypass": [["a/lp", 1]]}]
    h = History(start())
    for _ in range(4000):
        before = file.dump(h.patch)
        try:
            apply(h, spoilt(rng.choice(good), rng))
        except PatchError:
            assert file.dump(h.patch) == before
    while h.undo():
        pass
    same(h.patch, start())


# values that stream


def test_a_stream_is_one_step_a_gesture_whatever_it_touches():
    p = start()
    first, h = p.copy(), History(p)
    for x in (200.0, 300.0, 400.0):
        apply(h, {"set": [["lp", "cutoff", x]], "gesture": "pad"})
        apply(h, {"set": [["lp", "cutoff", x], ["c", "cutoff", x]], "gesture": "pad"})
        apply(h, {"set": [["a/lp", "resonance", x / 1000], ["a/lp", "slope", "24 dB"]], "gesture": "pad"})
    last = p.copy()
    assert len(h.steps[0]) == 1
    assert h.undo() and p == first
    assert h.redo() and p == last
    apply(h, {"set": [["lp", "cutoff", 500.0]], "gesture": "other"})
    assert len(h.steps[0]) == 2
    apply(h, {"saved": "/nowhere/x.zrack"})
    apply(h, {"set": [["lp", "cutoff", 600.0]], "gesture": "other"})
    assert len(h.steps[0]) == 3 and h.dirty
    assert h.undo() and not h.dirty and p.value("lp", "cutoff") == 500.0


def test_what_a_sub_patch_exposes_is_set_at_its_use_within_its_range():
    p = start()
    apply(History(p), {"set": [["a/lp", "freq", 50.0], ["a/lp", "resonance", 0.5]]})
    assert p.nodes["a"].params == {"tone": 100.0}  # exposed from 100 to 10000 Hz
    assert p.inner("a").value("lp", "cutoff") == 1000.0 and p.inner("a").value("lp", "resonance") == 0.5
    assert p.inner("b").value("lp", "resonance") == 0.0
    assert shown(p, "a/lp", "cutoff") == ("a", "tone") and shown(p, "a/lp", "resonance") == ("a/lp", "resonance")
    outer = new()
    outer.add("rack/patch", "deep", patch=p)
    p.expose("bright", "a.tone")
    outer.add("rack/patch", "deeper", patch=p)
    apply(History(outer), {"set": [["deep/a/lp", "cutoff", 20.0], ["deeper/a/lp", "cutoff", 300.0]], "gesture": 1})
    assert outer.inner("deep").nodes["a"].params == {"tone": 100.0}
    assert outer.nodes["deeper"].params == {"bright": 300.0}


def test_by_file_only_what_is_exposed_can_be_set(tmp_path):
    saved(voice(), tmp_path / "voice.zrack")
    p = new()
    p.save(tmp_path / "main.zrack")
    p.add("rack/patch", "v", file="voice.zrack")
    h = History(p)
    apply(h, {"set": [["v/lp", "cutoff", 300.0]]})
    assert p.nodes["v"].params == {"tone": 300.0}
    with pytest.raises(PatchError, match="holds no patch of its own"):
        apply(h, {"set": [["v/lp", "cutoff", 400.0], ["v/lp", "resonance", 0.3]]})
    assert p.nodes["v"].params == {"tone": 300.0}
    with pytest.raises(PatchError, match="no node is called 'nothing'"):
        apply(h, {"set": [["nothing/lp", "cutoff", 400.0]]})


def test_bypass_streams_at_any_depth():
    p = start()
    h = History(p)
    apply(h, {"bypass": [["a/lp", 1], ["lp", 1]]})
    assert p.inner("a").nodes["lp"].bypass and p.nodes["lp"].bypass
    h.undo()
    assert p == start()
    with pytest.raises(PatchError, match="bypass takes 0 … 1, not 2"):
        apply(h, {"bypass": [["lp", 2]]})
