"""Sub-patches: their ports, their values, what they are when laid out flat, and that none contains itself."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from graph import Param, Patch, PatchError, edits, file, rules
from graph.check import check
from graph.spec import Registry
from graph.subpatch import flatten
from tests.kit import SPECS, new, saved, voice


def flat_cables(p: Patch) -> dict[str, tuple[float, str, bool]]:
    return {f"{s}.{o} -> {d}.{i}": (c.amount, c.mode, c.delayed) for (s, o, d, i), c in flatten(p).cables.items()}


def twice() -> Patch:
    """One voice after the other, an LFO on the second."""
    p = new()
    p.add("source/saw", "osc")
    p.add("rack/patch", "v1", patch=voice(), tone=500.0)
    p.add("rack/patch", "v2", patch=voice())
    p.add("maths/add", "end")
    p.connect("osc.out", "v1.in", amount=0.5)
    p.connect("v1.wet", "v2.in")
    p.connect("v2.wet", "end.a", amount=2.0)
    p.connect("osc.out", "v2.tone", amount=0.3)
    return p


def test_flattening_joins_cables_and_multiplies_amounts():
    p = twice()
    cables = flat_cables(p)
    scale = SPECS["filter/lowpass"].params["cutoff"].knob(10000.0) - SPECS["filter/lowpass"].params["cutoff"].knob(100.0)
    assert cables.pop("osc.out -> v2/lp.cutoff")[0] == pytest.approx(0.3 * scale)
    assert cables == {
        "osc.out -> v1/lp.audio": (0.25, "knob", False),
        "v1/lp.out -> v2/lp.audio": (0.125, "knob", False),
        "v2/lp.out -> end.a": (0.5, "knob", False),
    }
    flat = flatten(p)
    assert list(flat.nodes) == ["end", "osc", "v1/lp", "v2/lp"]
    assert flat.flat
    assert flat.value("v1/lp", "cutoff") == 500.0
    assert flat.value("v2/lp", "cutoff") == 1000.0


def test_an_outer_knob_moves_the_inner_one_over_the_exposed_range():
    """The outer knob at its ends leaves the inner one at the ends of the exposed range, by cable too."""
    p = twice()
    shown, whole = p.spec("v2").params["tone"], SPECS["filter/lowpass"].params["cutoff"]
    amount = flatten(p).cables["osc", "out", "v2/lp", "cutoff"].amount
    for base in (100.0, 400.0, 1000.0):
        outer = shown.at(shown.knob(base) + 0.3)
        inner = whole.at(whole.knob(base) + amount)
        assert inner == pytest.approx(outer)


def test_units_mode_is_not_scaled():
    p = twice()
    edits.SetCable("osc.out", "v2.tone", 100.0, "units").apply(p)
    assert flat_cables(p)["osc.out -> v2/lp.cutoff"] == (100.0, "units", False)


def test_uses_have_seeds_and_identities_of_their_own():
    p = twice()
    flat = flatten(p)
    assert flat.nodes["v1/lp"].seed != flat.nodes["v2/lp"].seed
    assert flat.nodes["v1/lp"].uid != flat.nodes["v2/lp"].uid
    again = flatten(p)
    assert {n: (d.seed, d.uid) for n, d in flat.nodes.items()} == {n: (d.seed, d.uid) for n, d in again.nodes.items()}
    assert flat == again


def test_flattening_leaves_the_patch_alone_and_is_its_own_copy():
    p = twice()
    before = file.dump(p)
    flatten(p).write("node", "x", p.nodes["osc"])
    assert file.dump(p) == before
    q = new()
    q.add("source/saw", "osc")
    flatten(q).write("attr", ("osc", "bypass"), True)
    assert not q.nodes["osc"].bypass


def test_a_bypassed_use_bypasses_what_is_inside():
    p = twice()
    edits.SetBypass("v1").apply(p)
    flat = flatten(p)
    assert flat.nodes["v1/lp"].bypass
    assert not flat.nodes["v2/lp"].bypass


def nested(depth: int) -> Patch:
    p = voice()
    for _ in range(depth):
        outer = new()
        outer.add("rack/inlet", "in")
        outer.add("rack/patch", "lp", patch=p)
        outer.add("rack/outlet", "wet")
        outer.connect("in.out", "lp.in")
        outer.connect("lp.wet", "wet.audio")
        outer.expose("tone", "lp.tone")
        p = outer
    return p


@pytest.mark.parametrize("depth", [1, 5, 20])
def test_any_depth(depth):
    p = new()
    p.add("source/saw", "osc")
    p.add("rack/patch", "v", patch=nested(depth), tone=700.0)
    p.connect("osc.out", "v.in")
    p.connect("osc.out", "v.tone", amount=10.0, mode="units")
    p.connect("v.wet", "v.in")
    inner = "v/" + "lp/" * depth + "lp"
    assert flat_cables(p) == {
        f"osc.out -> {inner}.audio": (0.5, "knob", False),
        f"osc.out -> {inner}.cutoff": (10.0, "units", False),
        f"{inner}.out -> {inner}.audio": (0.125, "knob", True),
    }
    assert flatten(p).value(inner, "cutoff") == 700.0
    for dump in (file.dump, file.dump_text):
        assert file.loads(dump(p), SPECS) == p


def test_too_deep_is_refused():
    p = new()
    p.add("rack/patch", "v", patch=nested(40))
    with pytest.raises(PatchError, match="more than 32 deep"):
        flatten(p)
    with pytest.raises(PatchError, match="more than 32 deep"):
        file.loads(file.dump(p), SPECS)


def test_a_straight_wire_through_a_sub_patch():
    wire = new()
    wire.add("rack/inlet", "in")
    wire.add("rack/outlet", "out1")
    wire.connect("in.out", "out1.audio", amount=0.5)
    p = new()
    p.add("source/saw", "osc")
    p.add("maths/add", "end")
    p.add("rack/patch", "w", patch=wire)
    p.add("rack/patch", "w2", patch=wire)
    p.connect("osc.out", "w.in")
    p.connect("w.out1", "w2.in", amount=0.5)
    p.connect("w2.out1", "end.a")
    p.connect("osc.out", "w2.in")
    assert flat_cables(p) == {"osc.out -> end.a": (0.125 + 0.5, "knob", False)}
    p.connect("w2.out1", "w.in")
    assert check(p) == ["w/in is in a loop of cables that passes no node"]
    with pytest.raises(PatchError, match="loop of cables that passes no node"):
        flatten(p)


def test_a_port_that_nothing_reaches_is_silent():
    p = new()
    p.add("rack/patch", "v", patch=voice())
    assert flat_cables(p) == {}
    assert list(flatten(p).nodes) == ["v/lp"]


def test_two_ways_that_differ_are_said():
    inner = new()
    inner.add("rack/inlet", "x")
    inner.add("rack/inlet", "y")
    inner.add("maths/add", "sum")
    inner.connect("x.out", "sum.b")
    inner.connect("y.out", "sum.b", mode="units")
    p = new()
    p.add("source/saw", "osc")
    p.add("rack/patch", "s", patch=inner)
    p.connect("osc.out", "s.x")
    p.connect("osc.out", "s.y")
    with pytest.raises(PatchError, match=r"node s/sum: b gets osc.out on two ways that differ"):
        flatten(p)


def test_a_value_outside_the_exposed_range_is_clamped_where_it_is_used():
    inner = voice()
    inner.set("lp", cutoff=50.0)
    p = new()
    p.add("rack/patch", "v", patch=inner)
    assert p.value("v", "tone") == 100.0
    assert flatten(p).value("v/lp", "cutoff") == 100.0


def test_a_definition_embedded_is_a_copy():
    inner = voice()
    p = new()
    p.add("rack/patch", "v", patch=inner)
    inner.set("lp", cutoff=50.0)
    assert p.inner("v").value("lp", "cutoff") == 1000.0


def test_a_patch_cannot_hold_itself():
    p = new()
    with pytest.raises(PatchError, match=r"^node me: the patch would contain itself$"):
        p.add("rack/patch", "me", patch=p)
    assert not p.nodes


# by file


def test_by_file_each_use_keeps_its_values(tmp_path):
    (tmp_path / "voices").mkdir()
    inner = voice()
    inner.add("source/sample", "kick", file="sounds/kick.wav")
    inner.save(tmp_path / "voices" / "v.zrack")
    p = new()
    p.save(tmp_path / "main.zrack")
    p.add("rack/patch", "a", file="voices/v.zrack", tone=500.0)
    p.add("rack/patch", "b", file="voices/v.zrack", slope="24 dB")
    p.add("source/sample", "s", file="voices/sounds/kick.wav")
    q = saved(p, tmp_path / "main.zrack")
    assert q == p
    flat = flatten(q)
    assert flat.value("a/lp", "cutoff") == 500.0
    assert flat.value("b/lp", "cutoff") == 1000.0
    assert flat.value("b/lp", "slope") == "24 dB"
    # files inside are relative to the outermost patch once it is flat
    assert flat.value("a/kick", "file") == flat.value("s", "file") == "voices/sounds/kick.wav"
    assert "node a/kick: file: there is no file sounds/kick.wav beside the patch" in check(q)[0]


def test_a_missing_sub_patch_is_a_placeholder_that_keeps_its_values(tmp_path):
    voice().save(tmp_path / "v.zrack")
    p = new()
    p.save(tmp_path / "main.zrack")
    p.add("source/saw", "osc")
    p.add("rack/patch", "a", file="v.zrack", tone=500.0)
    p.connect("osc.out", "a.in")
    p.connect("osc.out", "a.tone")
    p.save(tmp_path / "main.zrack")
    os.rename(tmp_path / "v.zrack", tmp_path / "gone.zrack")
    q = Patch.load(tmp_path / "main.zrack", SPECS)
    assert q.spec("a") is None
    assert q.notes == ["node a: there is no file v.zrack beside the patch"]
    assert check(q) == ["main.zrack: node a: there is no file v.zrack beside the patch"]
    assert saved(q, tmp_path / "main.zrack") == p
    q.set("a", file="gone.zrack")
    assert q.value("a", "tone") == 500.0
    (tmp_path / "v.zrack").write_bytes(b"\x81")
    assert check(Patch.load(tmp_path / "main.zrack", SPECS)) == [
        "main.zrack: node a: v.zrack: ends too early; it was cut off",
    ]


def test_files_that_contain_each_other_are_refused(tmp_path):
    a = new()
    a.save(tmp_path / "a.zrack")
    with pytest.raises(PatchError, match=r"^a.zrack: node s: a.zrack would contain itself$"):
        a.add("rack/patch", "s", file="a.zrack")
    b = new()
    b.save(tmp_path / "b.zrack")
    b.add("rack/patch", "s", file="a.zrack")
    b.save(tmp_path / "b.zrack")
    with pytest.raises(PatchError, match=r"would contain itself$"):
        a.add("rack/patch", "s", file="b.zrack")
    assert not a.nodes
    with pytest.raises(PatchError, match=r"^a.zrack: the patch uses this file as a sub-patch and would contain itself$"):
        b.save(tmp_path / "a.zrack")
    # written by hand, under another name, and through links
    body = file.to_map(b)
    body["nodes"]["s"]["settings"]["file"] = "b.zrack"
    (tmp_path / "a.zrack").write_bytes(file.codec.pack(body))
    with pytest.raises(PatchError, match=r"would contain itself$"):
        Patch.load(tmp_path / "b.zrack", SPECS)
    (tmp_path / "c.zrack").symlink_to(tmp_path / "b.zrack")
    with pytest.raises(PatchError, match=r"would contain itself$"):
        Patch.load(tmp_path / "c.zrack", SPECS)
    body["nodes"]["s"]["settings"]["file"] = "copy.zrack"
    for name in ("d.zrack", "copy.zrack"):
        (tmp_path / name).write_bytes(file.codec.pack(body))
    with pytest.raises(PatchError, match=r"would contain itself$"):
        Patch.load(tmp_path / "d.zrack", SPECS)


def test_links_that_lead_out_are_not_followed(tmp_path):
    (tmp_path / "in").mkdir()
    voice().save(tmp_path / "v.zrack")
    (tmp_path / "in" / "v.zrack").symlink_to(tmp_path / "v.zrack")
    p = new()
    p.save(tmp_path / "in" / "main.zrack")
    with pytest.raises(PatchError, match=r"^main.zrack: node s: v.zrack leads out of the folder of the patch$"):
        p.add("rack/patch", "s", file="v.zrack")


def test_a_ladder_of_files_does_not_explode(tmp_path):
    voice().save(tmp_path / "l0.zrack")
    for i in range(1, 25):
        p = new()
        p.save(tmp_path / f"l{i}.zrack")
        p.add("rack/patch", "x", file=f"l{i - 1}.zrack")
        p.add("rack/patch", "y", file=f"l{i - 1}.zrack")
        p.save(tmp_path / f"l{i}.zrack")
    p = Patch.load(tmp_path / "l24.zrack", SPECS)
    assert {q.file for q in p._files.values()} == {f"l{i}.zrack" for i in range(24)}
    with pytest.raises(PatchError, match=r"^l24.zrack: holds more than 131072 nodes once"):
        flatten(p)
    assert len(check(p)) == 1


# loops and latents through sub-patches


def test_a_loop_through_two_uses_is_delayed_once():
    p = twice()
    p.connect("v2.wet", "v1.in", amount=0.5)
    assert p.delayed == {("v2", "wet", "v1", "in")}
    assert [k for k, c in flatten(p).cables.items() if c.delayed] == [("v2/lp", "out", "v1/lp", "audio")]


def test_a_definition_that_changed_on_disk_closes_no_loop_unseen(tmp_path):
    inner = voice()
    inner.disconnect("lp.out", "wet.audio")
    inner.save(tmp_path / "v.zrack")
    p = new()
    p.save(tmp_path / "main.zrack")
    p.add("rack/patch", "v", file="v.zrack")
    p.connect("v.wet", "v.in")
    assert not p.delayed
    p.save(tmp_path / "main.zrack")
    voice().save(tmp_path / "v.zrack")
    q = Patch.load(tmp_path / "main.zrack", SPECS)
    assert q.delayed == {("v", "wet", "v", "in")}
    assert q.notes == ["v.wet -> v.in closes a loop and is delayed now"]


def test_latent_spaces_are_checked_through_sub_patches():
    inner = new()
    inner.add("rack/inlet", "z", kind="latent")
    inner.add("latent/mix", "m")
    inner.add("rack/outlet", "z2", kind="latent")
    inner.connect("z.out", "m.a")
    inner.connect("m.out", "z2.audio")
    p = new()
    p.add("model/encode", "one")
    p.add("model/encode", "two", dims=16)
    p.add("latent/mix", "mix")
    p.add("rack/patch", "s", patch=inner)
    p.connect("one.z", "s.z")
    p.connect("s.z2", "mix.a")
    with pytest.raises(PatchError, match=r"latent space"):
        p.connect("two.z", "mix.b")
    p.add("maths/add", "mix2")
    with pytest.raises(PatchError, match=r"^node s: z takes a latent, and mix2.out is a signal$"):
        p.connect("mix2.out", "s.z")
    p.set("two", dims=8)
    p.connect("two.z", "mix.b")
    assert file.loads(file.dump(p), SPECS) == p


def test_a_group_of_latent_nodes_keeps_its_cables():
    p = new()
    p.add("model/encode", "one")
    p.add("latent/mix", "m")
    p.add("latent/mix", "n")
    p.connect("one.z", "m.a")
    p.connect("m.out", "n.a")
    plain = flat_cables(p)
    edits.Group(("m",), "sub").apply(p)
    assert flat_cables(p) == {
        k.replace("m.", "sub/m.") if k.startswith("m.") else k.replace("-> m", "-> sub/m"): v for k, v in plain.items()
    }


def test_a_type_that_is_loaded_again_shows_through_sub_patches():
    specs = Registry(SPECS)
    p = Patch(specs=specs)
    inner = voice()
    inner.specs = specs
    p.add("rack/patch", "v", patch=inner)
    assert p.spec("v").params["tone"].unit == "Hz"
    old = specs["filter/lowpass"]
    specs["filter/lowpass"] = replace(old, params={"cutoff": Param(0.5, 0.0, 20000.0, "st")})
    assert p.spec("v").params["tone"].unit == "st"
    assert "slope" in p.spec("v").choices
    p.connect("v.wet", "v.in")
    assert rules.undelayed(p) == []
    assert p.delayed
    specs["filter/lowpass"] = replace(old, work=True)
    assert not rules.closes(p, ("v", "wet", "v", "in"))  # what works elsewhere cuts the way through
    specs.pop("filter/lowpass")
    assert list(p.spec("v").params) == []
    specs.update({"filter/lowpass": old})
    assert p.spec("v").params["tone"].unit == "Hz"
    del specs["filter/lowpass"]
    assert list(p.spec("v").params) == []
    specs["filter/lowpass"] = old
    assert list(p.spec("v").params) == ["tone"]
    specs.clear()
    assert list(p.spec("v").params) == []
