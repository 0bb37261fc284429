"""Every edit undone leaves the identical patch; history merges drags and knows what was saved."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph import Patch, PatchError, edits, file, rules
from graph.edits import (
    AddNode,
    Connect,
    Disconnect,
    Edits,
    Group,
    Inside,
    Move,
    RemoveNode,
    Rename,
    SetBypass,
    SetCable,
    SetData,
    SetParam,
    SetPatch,
    SetSetting,
)
from graph.history import History
from graph.subpatch import flatten
from tests.kit import SPECS, bass, new, voice

NAMES = ["a", "b", "c", "d"]
TYPES = ["source/saw", "filter/lowpass", "maths/add", "mod/steps", "model/slow", "model/encode", "latent/mix"]
INLETS = ["audio", "a", "b", "cutoff", "clock", "in", "tone", "z"]
OUTLETS = ["out", "gate", "z", "wet"]

names = st.sampled_from(NAMES)
src = st.builds("{}.{}".format, names, st.sampled_from(OUTLETS))
dst = st.builds("{}.{}".format, names, st.sampled_from(INLETS))
numbers = st.floats(-2.0, 25000.0) | st.integers(0, 20)

plain_edits = st.one_of(
    st.builds(AddNode, st.sampled_from(TYPES), names),
    st.builds(AddNode, st.just("filter/lowpass"), names, st.fixed_dictionaries({"cutoff": numbers})),
    st.builds(RemoveNode, names),
    st.builds(Connect, src, dst, st.floats(-2, 2), st.sampled_from(["knob", "units"])),
    st.builds(Connect, src, dst),
    st.builds(Disconnect, src, dst),
    st.builds(SetParam, names, st.sampled_from(["cutoff", "freq", "b", "slope", "tone"]), numbers | st.just("24 dB")),
    st.builds(SetSetting, names, st.sampled_from(["voices", "dims", "longest", "ratio"]), numbers),
    st.builds(SetData, names, st.just("steps"), st.lists(st.floats(-5, 5), min_size=1, max_size=4), st.none() | st.just(0)),
    st.builds(Rename, names, names),
    st.builds(Move, names, st.tuples(numbers, numbers)),
    st.builds(SetBypass, names, st.booleans()),
    st.builds(SetCable, src, dst, st.none() | st.floats(-2, 2), st.none() | st.sampled_from(["knob", "units"])),
    st.builds(SetPatch, st.sampled_from(["rate", "block", "limiter"]), st.integers(0, 96000) | st.booleans()),
    st.builds(
        SetPatch,
        st.just("exposed"),
        st.dictionaries(
            st.sampled_from(["tone", "x"]), st.fixed_dictionaries({"node": names, "param": st.sampled_from(["cutoff", "b"])})
        ),
    ),
    st.builds(
        SetPatch, st.just("snapshots"), st.dictionaries(st.just("one"), st.dictionaries(names, st.just({"cutoff": 100.0})))
    ),
    st.builds(SetPatch, st.just("meta"), st.just({"title": "loop"})),
)
all_edits = st.one_of(
    plain_edits,
    st.builds(lambda n: AddNode("rack/patch", n, {"tone": 500.0}, patch=voice()), names),
    st.builds(Inside, names, plain_edits),
    st.builds(Inside, names, st.builds(RemoveNode, st.sampled_from(["in", "lp", "wet"]))),
    st.builds(Inside, names, st.builds(Disconnect, st.just("in.out"), st.just("lp.audio"))),
    st.builds(Inside, names, st.builds(Rename, st.just("in"), names)),
    st.builds(Group, st.lists(names, min_size=1, max_size=3).map(tuple), names),
    st.builds(Edits, st.lists(plain_edits, min_size=2, max_size=3).map(tuple)),
)


def sound(p: Patch) -> None:
    """What must hold after any edit."""
    for key, cable in p.cables.items():
        assert cable.delayed or not rules.closes(p, key)
        assert rules.check_cable(p, key) == key
    assert p.delayed == {k for k, c in p.cables.items() if c.delayed}
    rules.check_spaces(p)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(all_edits, max_size=30))
def test_any_sequence_of_edits_undone_gives_the_identical_patch(sequence):
    p = bass()
    for name in ("a", "b"):
        p.add("filter/lowpass", name)
    p.add("rack/patch", "c", patch=voice())
    p.connect("a.out", "b.audio")
    p.connect("b.out", "a.audio")
    first, first_bytes = p.copy(), file.dump(p)
    undo = []
    for edit in sequence:
        before = file.dump(p)
        try:
            undo.append(edit.apply(p))
        except PatchError:
            assert file.dump(p) == before  # a refused edit changes nothing
    sound(p)
    last, last_bytes = p.copy(), file.dump(p)
    assert file.loads(last_bytes, SPECS) == p
    redo = [edit.apply(p) for edit in reversed(undo)]
    assert p == first
    assert file.dump(p) == first_bytes
    for edit in reversed(redo):
        edit.apply(p)
    assert p == last
    assert file.dump(p) == last_bytes


@settings(max_examples=60, deadline=None)
@given(st.lists(plain_edits, max_size=25), st.randoms(use_true_random=False))
def test_history_walks_back_and_forth(sequence, rng: random.Random):
    p = bass()
    h = History(p)
    states = [file.dump(p)]
    for edit in sequence:
        try:
            h.do(edit)
        except PatchError:
            continue
        states.append(file.dump(p))
    at = len(states) - 1
    for _ in range(40):
        if rng.random() < 0.5:
            moved = h.undo()
            at -= moved is not None
        else:
            moved = h.redo()
            at += moved is not None
        assert file.dump(p) == states[at]
        assert h.dirty == (at != 0)


def test_labels_name_what_was_done():
    p = bass()
    h = History(p)
    h.do(Connect("lfo.out", "lp.resonance"))
    assert h.undo_label == "connect lfo -> lp.resonance"
    assert h.undo() == "connect lfo -> lp.resonance"
    assert h.redo_label == "connect lfo -> lp.resonance"
    assert h.undo() is None


def test_a_knob_drag_is_one_step():
    p = bass()
    h = History(p)
    for hz in (810.0, 820.0, 830.0):
        h.do(SetParam("lp", "cutoff", hz), gesture=1)
    h.do(SetParam("lp", "resonance", 0.5), gesture=1)
    h.do(SetParam("lp", "cutoff", 900.0), gesture=2)
    h.do(SetParam("lp", "cutoff", 950.0), gesture=2)
    h.end()
    h.do(SetParam("lp", "cutoff", 999.0), gesture=2)
    seen = []
    while h.undo():
        seen.append((p.value("lp", "cutoff"), p.value("lp", "resonance")))
    assert seen == [(950.0, 0.5), (830.0, 0.5), (830.0, 0.0), (800.0, 0.0)]
    while h.redo():
        pass
    assert (p.value("lp", "cutoff"), p.value("lp", "resonance")) == (999.0, 0.5)


def test_the_saved_mark_follows_undo_and_ends_a_merge():
    p = bass()
    h = History(p)
    assert not h.dirty
    h.do(SetParam("lp", "cutoff", 810.0), gesture=1)
    assert h.dirty
    h.saved()
    assert not h.dirty
    h.do(SetParam("lp", "cutoff", 820.0), gesture=1)
    assert h.dirty
    h.undo()
    assert not h.dirty
    assert p.value("lp", "cutoff") == 810.0
    h.undo()
    assert h.dirty
    h.do(SetParam("lp", "cutoff", 830.0))
    assert h.dirty
    h.undo()
    assert h.dirty  # the saved state lay on a branch that is gone


def test_history_forgets_what_is_old_but_not_that_it_was_saved_before():
    p = bass()
    h = History(p, limit=3)
    for hz in (100.0, 200.0, 300.0, 400.0, 500.0):
        h.do(SetParam("lp", "cutoff", hz))
    while h.undo():
        pass
    assert p.value("lp", "cutoff") == 200.0
    assert h.dirty


def test_a_refused_step_leaves_patch_and_history_alone():
    p = bass()
    h = History(p)
    before = p.copy()
    with pytest.raises(PatchError):
        h.do(Edits((SetParam("lp", "cutoff", 100.0), RemoveNode("osc"), SetParam("lp", "cutoff", -1.0))))
    assert p == before
    assert h.undo_label is None


def test_table_edits_are_deltas():
    p = new()
    p.add("mod/steps", "s", steps=[1, 2, 3, 4])
    undo = SetData("s", "steps", [9 / 2, 0], start=3).apply(p)
    assert p.value("s", "steps") == ((1.0,), (2.0,), (3.0,), (4.5,), (0.0,))
    undo.apply(p)
    assert p.value("s", "steps") == ((1.0,), (2.0,), (3.0,), (4.0,))
    with pytest.raises(PatchError, match="start takes 0 … 4, not 5"):
        SetData("s", "steps", [1], start=5).apply(p)


def test_a_rename_takes_cables_exposed_params_and_snapshots_along():
    p = bass()
    p.expose("tone", "lp.cutoff")
    SetPatch("snapshots", {"dark": {"lp": {"cutoff": 100.0}, "osc": {"freq": 50.0}}}).apply(p)
    before = p.copy()
    undo = p.rename("lp", "low")
    assert ("osc", "out", "low", "audio") in p.cables
    assert p.exposed["tone"]["node"] == "low"
    assert p.snapshots["dark"] == {"low": {"cutoff": 100.0}, "osc": {"freq": 50.0}}
    undo.apply(p)
    assert p == before


def test_edits_from_inside_take_outer_cables_and_values_with_them():
    p = bass()
    p.add("rack/patch", "v", patch=voice(), tone=500.0)
    p.connect("lp.out", "v.in")
    p.connect("lfo.out", "v.tone")
    before = p.copy()
    undo = Inside("v", RemoveNode("lp")).apply(p)
    assert ("lfo", "out", "v", "tone") not in p.cables
    assert ("lp", "out", "v", "in") in p.cables
    assert p.nodes["v"].params == {}
    undo.apply(p)
    assert p == before


def test_an_edit_inside_can_close_a_loop_outside():
    p = new()
    inner = voice()
    inner.disconnect("lp.out", "wet.audio")
    p.add("rack/patch", "v", patch=inner)
    p.connect("v.wet", "v.in")
    assert not p.delayed
    undo = Inside("v", Connect("lp.out", "wet.audio")).apply(p)
    assert p.delayed == {("v", "wet", "v", "in")}
    undo.apply(p)
    assert not p.delayed


def wires(p: Patch, names: dict[str, str]) -> dict[tuple[str, ...], tuple[float, str]]:
    """The cables of the flat patch with its nodes called as before they were grouped."""
    return {
        (names.get(s, s), o, names.get(d, d), i): (c.amount, c.mode) for (s, o, d, i), c in flatten(p).cables.items()
    }  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(names, names, st.floats(-1, 1), st.sampled_from(["a", "b"])), max_size=12), st.sets(names, min_size=1)
)
def test_a_group_sounds_like_what_it_holds(cables, inside):
    p = new()
    for name in NAMES:
        p.add("maths/add", name, b=0.5)
    for s, d, amount, port in cables:
        if (s, "out", d, port) not in p.cables:
            p.connect(f"{s}.out", f"{d}.{port}", amount, "units" if amount > 0 else "knob")
    plain = wires(p, {})
    seeds = {n: d.seed for n, d in p.nodes.items()}
    before = p.copy()
    undo = edits.Group(tuple(sorted(inside)), "sub").apply(p)
    sound(p)
    names = {f"sub/{n}": n for n in inside}
    assert wires(p, names) == plain
    assert {names.get(n, n): d.seed for n, d in flatten(p).nodes.items()} == seeds
    undo.apply(p)
    assert p == before
