"""What a patch answers, which cables and values it takes, and how refusals read."""

# ruff: noqa: E501 (a sentence is read best on its line)

from __future__ import annotations

import math

import pytest

from graph import Cable, NodeData, NodeSpec, Param, Patch, PatchError, rules
from graph.check import check
from graph.errors import PatchError as SameError
from tests.kit import SPECS, bass, new, voice


def refusal(call) -> str:
    with pytest.raises(PatchError) as e:
        call()
    text = str(e.value)
    assert "\n" not in text
    return text


def test_reads_like_the_issue(tmp_path):
    p = bass()
    p.save(tmp_path / "bass.zrack")
    assert list(p.nodes) == ["lfo", "lp", "osc"]
    assert p.cables["lfo", "out", "lp", "cutoff"].amount == 0.25
    assert p.nodes["lp"].params == {"cutoff": 800.0}
    assert p.value("lp", "resonance") == 0.0
    assert p.value("lp", "slope") == "24 dB"
    assert [k[0] for k, _ in p.into("lp")] == ["lfo", "osc"]
    assert [k[2:] for k, _ in p.out_of("osc")] == [("lp", "audio")]
    assert SameError is PatchError


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda p: p.set("lp", cutoff=99999), "b.zrack: node lp: cutoff takes 20 … 20000 Hz, not 99999"),
        (lambda p: p.set("lp", cutoff=math.nan), "b.zrack: node lp: cutoff takes 20 … 20000 Hz, not nan"),
        (lambda p: p.set("lp", cutoff=10**400), "b.zrack: node lp: cutoff takes 20 … 20000 Hz, not a huge number"),
        (lambda p: p.set("lp", cutoff="high"), "b.zrack: node lp: cutoff takes a number, not 'high'"),
        (lambda p: p.set("lp", cutoff=True), "b.zrack: node lp: cutoff takes a number, not True"),
        (lambda p: p.set("lp", cutof=1), "b.zrack: node lp: filter/lowpass has no param 'cutof'; did you mean cutoff?"),
        (lambda p: p.set("lp", slope="6 dB"), "b.zrack: node lp: slope has no option '6 dB'; did you mean 24 dB or 12 dB?"),
        (lambda p: p.set("lp", voices=1.5), "b.zrack: node lp: voices takes a whole number, not 1.5"),
        (lambda p: p.set("lp", longest=11), "b.zrack: node lp: longest takes 0.01 … 10 s, not 11"),
        (lambda p: p.set("pl", cutoff=1), "b.zrack: no node is called 'pl'; there are lfo, lp, osc"),
        (lambda p: p.add("filter/lowpas", "x"), "b.zrack: node x: no node type 'filter/lowpas'; did you mean filter/lowpass?"),
        (lambda p: p.add("filter/lowpass", "lp"), "b.zrack: there is a node lp already"),
        (lambda p: p.add("source/saw", "a/b"), "b.zrack: 'a/b' cannot be a name: letters, digits, _ and -, at most 64, a letter first"),
        (lambda p: p.connect("osc.out", "lp.out"), "b.zrack: node lp: out is an outlet, and a cable ends at an inlet; there are audio, cutoff, resonance"),
        (lambda p: p.connect("osc.freq", "lp.audio"), "b.zrack: node osc: freq is no outlet, and a cable starts at one; there is out"),
        (lambda p: p.connect("osc.out", "lp.slope"), "b.zrack: node lp: slope takes no cable; only inlets and params do; there are audio, cutoff, resonance"),
        (lambda p: p.connect("osc.out", "lp.audoi"), "b.zrack: node lp: filter/lowpass has no inlet 'audoi'; did you mean audio?"),
        (lambda p: p.connect("osc.ut", "lp.audio"), "b.zrack: node osc: source/saw has no outlet 'ut'; did you mean out?"),
        (lambda p: p.connect("osc", "lp.audio"), "b.zrack: a port is written node.port, not 'osc'"),
        (lambda p: p.connect("osc.out", "lp.audio"), "b.zrack: there is a cable from osc.out to lp.audio already; change its amount instead"),
        (lambda p: p.connect("osc.out", "lp.resonance", math.inf), "b.zrack: node lp: amount takes -1000000 … 1000000, not inf"),
        (lambda p: p.connect("osc.out", "lp.resonance", mode="volts"), "b.zrack: node lp: mode has no option 'volts'; there are knob, units"),
        (lambda p: p.disconnect("lfo.out", "lp.audio"), "b.zrack: no cable goes from lfo.out to lp.audio"),
        (lambda p: p.rename("osc", "lp"), "b.zrack: there is a node lp already"),
        (lambda p: p.rename("osc", "2"), "b.zrack: '2' cannot be a name: letters, digits, _ and -, at most 64, a letter first"),
        (lambda p: p.add("mod/steps", "s", steps=[0, 9]), "b.zrack: node s: steps takes -5 … 5, not 9"),
        (lambda p: p.add("mod/steps", "s", pairs=[[1]]), "b.zrack: node s: pairs takes rows of 2 numbers, not a list"),
        (lambda p: p.add("mod/steps", "s", steps=[0] * 65), "b.zrack: node s: steps takes at most 64 rows, not 65"),
        (lambda p: p.add("source/sample", "s", file="../kick.wav"), "b.zrack: node s: file may not leave the folder of the patch, as '../kick.wav' would"),
        (lambda p: p.add("source/sample", "s", file="/etc/passwd"), "b.zrack: node s: file takes a path relative to the patch, not '/etc/passwd'"),
        (lambda p: p.add("source/sample", "s", file="C:\\a.wav"), "b.zrack: node s: file takes a path relative to the patch, not 'C:\\\\a.wav'"),
        (lambda p: p.expose("knob", "lp.cutoff"), "b.zrack: 'knob' is reserved and cannot be the name of a port"),
        (lambda p: p.expose("tone", "lp.cutoff", 500, 100), "b.zrack: exposed tone has a range 500 … 100 that is not in order"),
        (lambda p: p.expose("tone", "lp.voices"), "b.zrack: node lp: voices cannot be exposed"),
    ],
)  # fmt: skip
def test_refusals_name_file_node_and_port_and_change_nothing(call, sentence):
    p = bass()
    p.file = "b.zrack"
    before = p.copy()
    assert refusal(lambda: call(p)) == sentence
    assert p == before


@pytest.mark.parametrize("kw", [{"rate": 0}, {"rate": 48000.5}, {"block": 0}, {"block": "64"}])
def test_rate_and_block_are_checked(kw):
    assert "takes" in refusal(lambda: Patch(specs=SPECS, **kw))


def test_seeds_are_given_once_and_differ():
    p, q = new(), new()
    for i in range(200):
        p.add("source/saw", f"a{i}")
        q.add("source/saw", f"a{i}")
    seeds = [n.seed for n in p.nodes.values()]
    assert len(set(seeds)) == 200
    assert all(0 <= s < 1 << 31 for s in seeds)
    assert p == q  # the same script gives the same patch
    p.add("source/saw", "mine", seed=7)
    assert p.nodes["mine"].seed == 7


def test_a_name_is_made_where_none_is_given():
    p = new()
    assert [p.add("source/saw") for _ in range(3)] == ["saw", "saw2", "saw3"]


def test_old_names_of_ports_lead_to_the_new():
    p = bass()
    p.set("lp", freq=500.0)
    p.connect("osc.out", "lp.freq", 0.1)
    assert p.value("lp", "cutoff") == 500.0
    assert ("osc", "out", "lp", "cutoff") in p.cables
    p.disconnect("osc.out", "lp.freq")
    assert ("osc", "out", "lp", "cutoff") not in p.cables


# loops


def ring(n: int) -> Patch:
    p = new()
    for i in range(n):
        p.add("maths/add", f"n{i}")
    for i in range(n):
        p.connect(f"n{i}.out", f"n{(i + 1) % n}.a")
    return p


@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_the_cable_that_closes_a_loop_is_delayed(n):
    p = ring(n)
    assert p.delayed == {(f"n{n - 1}", "out", "n0", "a")}


def test_breaking_a_loop_clears_the_flag_and_undo_restores_it():
    p = ring(4)
    before = p.copy()
    undo = p.disconnect("n1.out", "n2.a")
    assert not p.delayed
    undo.apply(p)
    assert p == before
    undo = p.remove("n2")
    assert not p.delayed
    undo.apply(p)
    assert p == before


def test_a_flag_stays_while_another_loop_needs_it():
    p = ring(3)
    p.add("maths/add", "by")
    p.connect("n0.out", "by.a")
    p.connect("by.out", "n2.a")
    p.disconnect("n0.out", "n1.a")
    assert p.delayed == {("n2", "out", "n0", "a")}
    p.disconnect("n0.out", "by.a")
    assert not p.delayed


def test_two_flags_on_one_ring_do_not_go_together():
    # a ⇄ b twice over: both closing cables are delayed; when the plain ones go, one flag must stay
    p = new()
    for n in "abc":
        p.add("maths/add", n)
    p.connect("a.out", "b.a")
    p.connect("b.out", "a.a")  # closes over a → b
    p.connect("a.out", "c.a")
    p.connect("c.out", "b.b")
    assert p.delayed == {("b", "out", "a", "a")}
    p.disconnect("a.out", "b.a")
    assert p.delayed == {("b", "out", "a", "a")}


def test_a_work_node_cuts_loops():
    p = new()
    p.add("model/slow", "m")
    p.add("maths/add", "a")
    p.connect("m.out", "a.a")
    p.connect("a.out", "m.audio")
    assert not p.delayed


def test_a_sub_patch_closes_a_loop_only_where_a_way_leads_through_it():
    inner = new()
    for name in ("left", "right"):
        inner.add("rack/inlet", f"{name}_in")
        inner.add("maths/add", name)
        inner.add("rack/outlet", f"{name}_out")
        inner.connect(f"{name}_in.out", f"{name}.a")
        inner.connect(f"{name}.out", f"{name}_out.audio")
    p = new()
    p.add("rack/patch", "two", patch=inner)
    p.connect("two.left_out", "two.right_in")
    assert not p.delayed
    p.connect("two.right_out", "two.left_in")
    assert p.delayed == {("two", "right_out", "two", "left_in")}
    p.disconnect("two.right_out", "two.left_in")
    p.connect("two.right_out", "two.right_in")
    assert p.delayed == {("two", "right_out", "two", "right_in")}


def test_drawing_a_long_chain_backwards_searches_from_the_loose_end(monkeypatch):
    p = new()
    for i in range(300):
        p.add("maths/add", f"n{i}")
    steps = 0
    original = rules._after

    def counted(*args):
        nonlocal steps
        steps += 1
        return original(*args)

    monkeypatch.setattr(rules, "_after", counted)
    monkeypatch.setattr(rules, "_before", lambda *args, f=rules._before: counted(*args) and f(*args))
    for i in reversed(range(299)):
        p.connect(f"n{i}.out", f"n{i + 1}.a")
    assert steps < 4 * 300


# latents


def test_a_latent_is_no_signal():
    p = new()
    p.add("model/encode", "e")
    p.add("latent/mix", "mix")
    p.add("maths/add", "a")
    assert refusal(lambda: p.connect("e.z", "a.a")) == "node a: a takes a signal, and e.z is a latent"
    assert refusal(lambda: p.connect("a.out", "mix.a")) == "node mix: a takes a latent, and a.out is a signal"
    assert refusal(lambda: p.connect("e.z", "a.b")) == "node a: b takes a signal, and e.z is a latent"


@pytest.mark.parametrize("other", [{"space": "drums"}, {"dims": 16}, {"ratio": 1024}, {"rate": 44100}])
def test_two_latent_spaces_do_not_meet_however_far_apart(other):
    p = new()
    p.add("model/encode", "one")
    p.add("model/encode", "two", **other)
    for name in ("m1", "m2", "m3"):
        p.add("latent/mix", name)
    p.connect("one.z", "m1.a")
    p.connect("m1.out", "m2.a")
    p.connect("m3.out", "m2.b")
    before = p.copy()
    text = refusal(lambda: p.connect("two.z", "m3.a"))
    assert "latent space" in text
    assert "voice (8 dims, a frame every 2048 samples)" in text
    assert p == before
    p.disconnect("m3.out", "m2.b")
    p.connect("two.z", "m3.a")
    text = refusal(lambda: p.connect("m3.out", "m2.b"))
    assert text.startswith("node m")
    assert "latent space" in text


def test_the_space_reaches_every_letter_that_cables_join():
    p = new()
    p.add("model/encode", "e")
    p.add("latent/mix", "m")
    p.add("latent/mix", "n")
    p.connect("m.out", "n.b")
    p.connect("e.z", "m.b")
    assert rules.spaces(p)["n", "z"] == rules.Space("voice", 8, "2048")


def test_a_setting_may_not_tear_a_space_apart():
    p = new()
    p.add("model/encode", "one")
    p.add("model/encode", "two")
    p.add("latent/mix", "m")
    p.connect("one.z", "m.a")
    p.connect("two.z", "m.b")
    assert "latent space" in refusal(lambda: p.set("two", dims=16))
    assert p.value("two", "dims") == 8


# equality and copies


def test_copies_are_equal_and_apart():
    p = bass()
    q = p.copy()
    assert p == q
    q.set("lp", cutoff=900.0)
    assert p != q
    assert p.value("lp", "cutoff") == 800.0
    assert p != "a patch"


def test_instances_keep_their_identity_through_edits_and_undo():
    p = bass()
    uid = p.nodes["lp"].uid
    p.set("lp", cutoff=900.0)
    p.rename("lp", "low")
    assert p.nodes["low"].uid == uid
    undo = p.remove("low")
    undo.apply(p)
    assert p.nodes["low"].uid == uid
    p.remove("low")
    p.add("filter/lowpass", "low")
    assert p.nodes["low"].uid != uid


def test_the_registry_is_read_when_asked():
    specs: dict[str, NodeSpec] = {}
    p = Patch(specs=specs)
    assert "no node type" in refusal(lambda: p.add("source/saw", "osc"))
    specs.update(SPECS)
    assert p.add("source/saw", "osc") == "osc"


def test_a_sub_patch_has_the_ports_and_params_of_what_it_holds():
    p = new()
    p.add("rack/patch", "v", patch=voice(), tone=500.0)
    spec = p.spec("v")
    assert list(spec.inlets) == ["in"]
    assert list(spec.outlets) == ["wet"]
    assert (spec.params["tone"].low, spec.params["tone"].high, spec.params["tone"].unit) == (100.0, 10000.0, "Hz")
    assert refusal(lambda: p.set("v", tone=50.0)) == "node v: tone takes 100 … 10000 Hz, not 50"
    assert p.value("v", "tone") == 500.0
    assert p.value("v", "slope") == "12 dB"


def test_a_new_cable_takes_the_mode_that_the_param_asks_for():
    p = bass()
    p.add("maths/multiply", "m")
    p.connect("osc.out", "m.a")
    p.connect("lfo.out", "m.b", 0.5)
    p.connect("lfo.out", "lp.resonance")
    p.connect("osc.out", "m.b", mode="knob")
    p.connect("osc.out", "lp.cutoff", mode="units")
    modes = {f"{s}>{d}.{i}": c.mode for (s, _, d, i), c in p.cables.items()}
    assert modes == {
        "lfo>lp.cutoff": "knob", "lfo>lp.resonance": "knob", "lfo>m.b": "units", "osc>lp.audio": "knob",
        "osc>lp.cutoff": "units", "osc>m.a": "knob", "osc>m.b": "knob",
    }  # fmt: skip


def test_what_a_sub_patch_shows_keeps_the_mode_of_its_cables():
    inner = new()
    inner.add("maths/multiply", "m")
    inner.expose("gain", "m.b", 0.0, 2.0)
    p = new()
    p.add("source/saw", "lfo")
    p.add("rack/patch", "sub", patch=inner)
    p.connect("lfo.out", "sub.gain")
    assert p.cables["lfo", "out", "sub", "gain"].mode == "units"


def test_a_param_knows_only_two_modes():
    with pytest.raises(ValueError, match="unknown mode of a cable 'volts'; there are knob and units"):
        Param(0.0, 0.0, 1.0, cable="volts")


def test_all_cables_in_loops_are_those_that_close_one():
    # two rings that touch, a tail, a node to itself, and a way through a sub-patch
    p = new()
    for n in "abcdef":
        p.add("maths/add", n)
    p.add("rack/patch", "v", patch=voice())
    ends = "a.out>b.a b.out>a.a b.out>c.a c.out>b.b c.out>d.a d.out>e.a f.out>f.a e.out>v.in v.wet>e.b e.out>v.tone"
    for start, end in (cable.split(">") for cable in ends.split()):
        (a, b), (c, d) = start.split("."), end.split(".")
        p.write("cable", (a, b, c, d), Cable())
    assert rules.undelayed(p) == [k for k in p.cables if rules.closes(p, k)]
    assert len(rules.undelayed(p)) == 8
    assert len([s for s in check(p) if "closes a loop without delay" in s]) == 8
    rules.repair(p)
    assert rules.undelayed(p) == check(p) == []


def test_a_check_does_not_search_from_every_cable(monkeypatch):
    p = new()
    for i in range(200):
        p.write("node", f"n{i}", NodeData("maths/add"))
    for i in range(199):
        p.write("cable", (f"n{i}", "out", f"n{i + 1}", "a"), Cable())
    calls = 0
    original = rules._entry

    def counted(*args):
        nonlocal calls
        calls += 1
        return original(*args)

    monkeypatch.setattr(rules, "_entry", counted)
    assert check(p) == []
    assert calls <= 3 * 199
