"""Snapshots come back as they were, mix in knob position, and skip what is gone."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph import Patch, PatchError, snapshots
from graph.edits import SetPatch
from graph.groups import SetValues
from tests.kit import SPECS, bass, new, saved, voice


def rack() -> Patch:
    p = bass()
    p.add("rack/patch", "sub", patch=voice())
    p.add("mod/steps", "seq")
    return p


def store(p: Patch, name: str, only: list[tuple[str, str]] | None = None) -> None:
    SetPatch("snapshots", {**p.snapshots, name: snapshots.capture(p, only)}).apply(p)


def go(p: Patch, goals: list[snapshots.Goal]) -> None:
    SetValues(tuple(goals)).apply(p)


def test_a_snapshot_holds_every_param_and_choice_and_brings_them_back(tmp_path):
    p = rack()
    store(p, "one")
    assert p.snapshots["one"] == {
        "osc": {"freq": 220.0}, "lfo": {"freq": 2.0}, "lp": {"cutoff": 800.0, "resonance": 0.0, "slope": "24 dB"},
        "sub": {"tone": 1000.0, "slope": "12 dB"},
    }  # fmt: skip
    before = saved(p, tmp_path / "p.zrack")
    p.set("lp", cutoff=50.0, slope="12 dB", resonance=1.0)
    p.set("sub", tone=300.0)
    found, notes = snapshots.goals(p, p.snapshots["one"])
    go(p, found)
    assert notes == [] and snapshots.capture(p) == snapshots.capture(before)


def test_only_what_is_chosen():
    p = rack()
    assert snapshots.capture(p, [("lp", "cutoff"), ("sub/lp", "freq")]) == {"lp": {"cutoff": 800.0}, "sub": {"tone": 1000.0}}
    for node, port, sentence in (
        ("gone", "x", "no node is called 'gone'"),
        ("lp", "cutof", "filter/lowpass has no param 'cutof'; did you mean cutoff"),
        ("lp", "voices", "filter/lowpass has no param 'voices'"),
        ("sub/lp", "resonance", "resonance is inside a sub-patch; expose it to keep it in a snapshot"),
    ):
        with pytest.raises(PatchError, match=sentence):
            snapshots.capture(p, [(node, port)])


def test_what_is_gone_is_skipped_and_said():
    p = rack()
    p.add("maths/add", "sum", b=5.0)
    store(p, "one")
    kept = {**p.snapshots["one"], "lp": {"freq": 1e6, "resonance": "much", "slope": "6 dB", "depth": 1.0}}
    p.remove("sum")
    p.specs = {k: v for k, v in SPECS.items() if k != "source/saw"}
    found, notes = snapshots.goals(p, kept)
    assert found == [("lp", "cutoff", 20000.0), ("sub", "slope", "12 dB"), ("sub", "tone", 1000.0)]
    assert notes == [
        "node lfo: its type source/saw is unknown here",
        "node lp: it has no param depth any more",
        "node lp: resonance cannot be 'much' any more",
        "node lp: slope cannot be '6 dB' any more",
        "node osc: its type source/saw is unknown here",
        "there is no node sum any more",
    ]


def test_half_way_is_half_the_knobs_travel():
    p = rack()
    p.set("lp", cutoff=100.0, resonance=0.0, slope="12 dB")
    store(p, "a")
    p.set("lp", cutoff=10000.0, resonance=1.0, slope="24 dB")
    store(p, "b")
    for weights in ({"a": 1, "b": 1}, {"a": 0.2, "b": 0.2}):
        found = {(n, q): v for n, q, v in snapshots.blend(p, weights)}
        assert found["lp", "cutoff"] == pytest.approx(1000.0) and found["lp", "resonance"] == pytest.approx(0.5)
        assert found["lp", "slope"] == "12 dB"  # equally heavy: the first by name
        assert found["osc", "freq"] == 220.0
    assert ("lp", "slope", "24 dB") in snapshots.blend(p, {"a": 0.4, "b": 0.6})
    assert snapshots.blend(p, {"a": 0, "b": 0}) == []
    a, b = p.snapshots["a"], p.snapshots["b"]
    assert ("lp", "slope", "12 dB") in snapshots.morph(p, a, b, 0.49)
    assert ("lp", "slope", "24 dB") in snapshots.morph(p, a, b, 0.5)
    assert snapshots.morph(p, a, b, 1.0) == snapshots.goals(p, b)[0]
    assert snapshots.morph(p, {"lp": {"cutoff": 100.0}}, b, 0.0) == [("lp", "cutoff", 100.0)]


@given(st.floats(20.0, 20000.0), st.floats(20.0, 20000.0), st.floats(0.0, 1.0))
def test_a_blend_lies_between_and_is_exact_at_its_ends(one, two, x):
    p = new()
    p.add("filter/lowpass", "lp")
    for name, hz in (("a", one), ("b", two)):
        p.set("lp", cutoff=hz)
        store(p, name)

    def cutoff(weights: dict[str, float]) -> float:
        return {q: v for _, q, v in snapshots.blend(p, weights)}["cutoff"]

    assert cutoff({"a": 1.0, "b": 0.0}) == one and cutoff({"b": 0.3}) == two
    param = SPECS["filter/lowpass"].params["cutoff"]
    middle = cutoff({"a": 1 - x, "b": x})
    assert min(one, two) * (1 - 1e-9) <= middle <= max(one, two) * (1 + 1e-9)
    assert param.knob(middle) == pytest.approx((1 - x) * param.knob(one) + x * param.knob(two), abs=1e-9)


def test_a_param_that_only_some_have_is_mixed_from_those():
    p = rack()
    store(p, "all")
    p.set("lp", cutoff=100.0)
    store(p, "some", [("lp", "cutoff")])
    found = {(n, q): v for n, q, v in snapshots.blend(p, {"all": 0.1, "some": 0.9})}
    assert found["osc", "freq"] == 220.0 and 100.0 < found["lp", "cutoff"] < 150.0


def test_weights_are_checked():
    p = rack()
    store(p, "one")
    for weights, sentence in (
        ({"ome": 1.0}, "there is no snapshot 'ome'; did you mean one?"),
        ({"one": -1.0}, "one takes 0 … 1000000000, not -1"),
        ({"one": math.nan}, "one takes"),
    ):
        with pytest.raises(PatchError, match=sentence.replace("?", r"\?")):
            snapshots.blend(p, weights)


@given(st.floats(-1.0, 2.0), st.floats(-1.0, 2.0))
def test_corners_add_up(x, y):
    weights = snapshots.corners(x, y)
    assert math.fsum(weights) == pytest.approx(1.0) and min(weights) >= 0.0
    assert snapshots.corners(0, 0) == (1, 0, 0, 0) and snapshots.corners(1, 0) == (0, 1, 0, 0)
    assert snapshots.corners(0, 1) == (0, 0, 1, 0) and snapshots.corners(1, 1) == (0, 0, 0, 1)
