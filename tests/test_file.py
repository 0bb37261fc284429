"""Files: both forms are lossless, what is broken is one sentence, a save is whole or not at all."""

# ruff: noqa: E501 (a sentence is read best on its line)

from __future__ import annotations

import json
import os
import random
import resource
import tracemalloc
from pathlib import Path

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph import Patch, PatchError, codec, edits, file
from graph.check import check, diff
from tests.kit import SPECS, bass, new, saved, voice


def rich() -> Patch:
    """A patch with something of everything."""
    p = bass()
    p.add("mod/steps", "s", steps=[0, 1.5, -2], at=(3, 4.5))
    p.add("model/encode", "e", dims=16, space="drums")
    p.add("latent/mix", "mix")
    p.connect("e.z", "mix.a")
    p.connect("mix.out", "mix.b", amount=0.5)
    p.add("rack/patch", "v", patch=voice(), tone=500.0, slope="24 dB")
    p.connect("lp.out", "v.in")
    p.connect("v.wet", "lp.audio", amount=-0.5)
    p.connect("s.gate", "v.tone", amount=100.0, mode="units")
    p.expose("bright", "v.tone", 200.0, 2000.0)
    edits.SetPatch("snapshots", {"dark": {"lp": {"cutoff": 100.0, "slope": "12 dB"}}}).apply(p)
    edits.SetPatch("meta", {"title": "Bass 🎛", "$odd": {"$bin": 1}}).apply(p)
    edits.SetBypass("s").apply(p)
    edits.SetPatch("limiter", False).apply(p)
    return p


def plain(**top: object) -> dict:
    """A small patch as a map, for breaking."""
    found = file.to_map(bass())
    found.update(top)
    return found


FORMS = [file.dump, file.dump_text]


@pytest.mark.parametrize("dump", FORMS)
def test_both_forms_keep_everything(dump):
    p = rich()
    q = file.loads(dump(p), SPECS)
    assert q == p
    assert dump(q) == dump(p)
    assert not q.notes
    assert q.delayed == p.delayed
    assert diff(p, q) == []


def test_the_text_form_reads_a_node_and_a_cable_a_line():
    lines = file.dump_text(bass()).splitlines()
    assert any(line.strip().startswith('"lp": {"type": "filter/lowpass"') for line in lines)
    assert '    ["lfo.out", "lp.cutoff", 0.25],' in lines


def test_order_of_making_does_not_show():
    p, q = new(), new()
    for patch, names in ((p, "abc"), (q, "cba")):
        for name in names:
            patch.add("maths/add", name)
    p.connect("a.out", "b.a")
    p.connect("b.out", "c.a")
    q.connect("b.out", "c.a")
    q.connect("a.out", "b.a")
    assert file.dump(p) == file.dump(q)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.just("$bin"), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.text(max_size=8), json_like, max_size=4), json_like)
def test_unknown_fields_and_types_survive_in_both_forms(fields, value):
    body = plain()
    body["nodes"]["alien"] = {"type": "future/thing", "seed": 3, "params": {"warp": value}, "new": value}
    body["nodes"]["lp"].update({f"x-{k}": v for k, v in fields.items()})
    body["cables"].append(["alien.beam", "lp.audio", 1.0, "knob", False, value])
    body["cables"].append(["osc.out", "alien.warp", 0.5])
    body.update({f"x-{k}": v for k, v in fields.items()})
    p = file.loads(codec.pack(body), SPECS)
    assert p.spec("alien") is None
    assert p.nodes["alien"].params == {"warp": value}
    assert p.nodes["lp"].extra == {f"x-{k}": v for k, v in fields.items()}
    for dump in FORMS:
        q = file.loads(dump(p), SPECS)
        assert q == p
        again = file.to_map(q)
        assert again["nodes"]["alien"]["new"] == value
        assert [c[5:] for c in again["cables"] if len(c) > 5] == [[value]]
        assert {k: again[k] for k in again if k.startswith("x-")} == {f"x-{k}": v for k, v in fields.items()}


def test_a_placeholder_wakes_when_its_type_is_there():
    data = file.dump(bass())
    p = file.loads(data, {})
    assert check(p) == [
        f"node {n}: no node type '{t}'" for n, t in (("lfo", "source/saw"), ("lp", "filter/lowpass"), ("osc", "source/saw"))
    ]
    assert file.loads(file.dump(p), SPECS) == bass()


BROKEN = [
    (lambda: b"", "is empty"),
    (lambda: b"\x93\x01", "ends too early; it was cut off"),
    (lambda: file.dump(bass())[:-3], "ends too early; it was cut off"),
    (lambda: file.dump(bass()) + b"\xc0", "has bytes behind its end"),
    (lambda: b"\x05", "is no patch"),
    (lambda: codec.pack({"nodes": {}}), "is no patch"),
    (lambda: b"\xd4\x01\x00", "is no patch: it holds an extension type"),
    (lambda: b'{"zrack": 1,}', "is no JSON: expecting property name enclosed in double quotes in line 1, column 13"),
    (lambda: b'{"zrack": 1, "zrack": 1}', "has the key 'zrack' twice in one map"),
    (lambda: b'{"zrack": 1, "meta": {"x": NaN}}', "holds NaN, which is not a finite number"),
    (lambda: b'{"zrack": 1, "meta": {"x": 1e999}}', "meta holds inf, which is not a finite number"),
    (lambda: b'{"zrack": 1, "meta": {"x": ' + b"9" * 5000 + b"}}", "holds a whole number of more than 64 bits"),
    (lambda: b'{"zrack": 1, "meta": {"x": "\\ud800"}}', "is no patch: it holds a value that no patch can hold"),
    (lambda: b'{"zrack": 1, "x": ' + b"[" * 100000 + b"]" * 100000 + b"}", "is nested more than 512 deep"),
    (lambda: b"\x91" * 100000 + b"\xc0", "is nested more than 512 deep"),
    (lambda: plain(zrack=7), "was written by a newer zrack (format 7, this one reads up to 1); update zrack"),
    (lambda: plain(zrack="1"), "has the format version '1', which never was"),
    (lambda: plain(zrack=0), "has the format version 0, which never was"),
    (lambda: plain(rate=1), "rate takes 1000 … 768000 Hz, not 1"),
    (lambda: plain(block=True), "block takes a number, not True"),
    (lambda: plain(limiter=1), "limiter takes true or false, not 1"),
    (lambda: plain(nodes=[]), "nodes takes a map, not a list"),
    (lambda: plain(cables={}), "cables takes a list, not a dict"),
    (lambda: plain(nodes={"a b": {"type": "x"}}), "'a b' cannot be a name: letters, digits, _ and -, at most 64, a letter first"),
    (lambda: plain(nodes={"a": {}}), "node a: has no type"),
    (lambda: plain(nodes={"a": {"type": "maths/add", "seed": -1}}), "node a: seed takes 0 … 2147483647, not -1"),
    (lambda: plain(nodes={"a": {"type": "maths/add", "at": [0]}}), "node a: at takes two numbers, not a list"),
    (lambda: plain(nodes={"a": {"type": "maths/add", "params": {"b": 11}}}, cables=[]), "node a: b takes -10 … 10, not 11"),
    (lambda: plain(nodes={"a": {"type": "maths/add", "params": {"a": 1}}}, cables=[]), "node a: maths/add has no param 'a'; there is b"),
    (lambda: plain(nodes={"a": {"type": "maths/add", "choices": {"b": 1}}}, cables=[]), "node a: b is one of its params, not of its choices"),
    (lambda: plain(nodes={"a": {"type": "maths/add", "patch": {}}}, cables=[]), "node a: is a maths/add and cannot hold a patch"),
    (lambda: plain(nodes={"a": {"type": "rack/patch", "patch": {}}}, cables=[]), "node a: holds something that is no patch"),
    (lambda: plain(cables=[["osc.out"]]), "a cable is written [from, to, amount, mode, delayed]"),
    (lambda: plain(cables=[["osc.out", "lp.audio"], ["osc.out", "lp.audio"]]), "the cable osc.out -> lp.audio is there twice"),
    (lambda: plain(cables=[["osc.out", "lp.x"]]), "node lp: filter/lowpass has no inlet 'x'; there are audio, cutoff, resonance"),
    (lambda: plain(cables=[["ocs.out", "lp.audio"]]), "no node is called 'ocs'; did you mean osc?"),
    (lambda: plain(cables=[["osc.out", "lp.audio", "loud"]]), "node lp: amount takes a number, not 'loud'"),
    (lambda: plain(exposed={"x": {"node": "lp", "param": "voices"}}), "node lp: voices cannot be exposed"),
    (lambda: plain(exposed={"x": 1}), "exposed x takes a node and a param"),
    (lambda: plain(snapshots={"a": {"lp": 1}}), "snapshots takes name → node → param → value"),
    (lambda: plain(meta=3), "meta takes a map, not 3"),
    (
        lambda: plain(
            nodes={"e": {"type": "model/encode"}, "f": {"type": "model/encode", "settings": {"dims": 9}}, "m": {"type": "latent/mix"}},
            cables=[["e.z", "m.a"], ["f.z", "m.b"]],
        ),
        "node m: b takes the latent space voice (8 dims, a frame every 2048 samples), and f.z is voice (9 dims, a frame every 2048 samples)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("make", "sentence"), BROKEN)
def test_broken_files_are_one_sentence(make, sentence, tmp_path):
    made = make()
    data = made if isinstance(made, bytes) else codec.pack(made)
    path = tmp_path / "bad.zrack"
    path.write_bytes(data)
    with pytest.raises(PatchError) as e:
        Patch.load(path, SPECS)
    assert str(e.value) == f"bad.zrack: {sentence}"
    assert [f.name for f in tmp_path.iterdir()] == ["bad.zrack"]


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(PatchError, match=r"^none.zrack: no such file or directory$"):
        Patch.load(tmp_path / "none.zrack", SPECS)
    with pytest.raises(PatchError, match=rf"^{tmp_path.name}: "):
        Patch.load(tmp_path, SPECS)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PatchError, match=r"^pipe: is no regular file$"):
        Patch.load(tmp_path / "pipe", SPECS)


def test_a_loop_without_delay_is_mended_the_same_way_each_time_and_said():
    body = plain(
        nodes={n: {"type": "maths/add"} for n in "abcd"},
        cables=[["a.out", "b.a"], ["b.out", "c.a"], ["c.out", "a.a"], ["c.out", "d.a"], ["d.out", "d.b"]],
    )
    shuffled = {**body, "cables": body["cables"][::-1], "nodes": dict(reversed(body["nodes"].items()))}
    p, q = file.loads(codec.pack(body), SPECS), file.loads(codec.pack(shuffled), SPECS)
    assert p == q
    assert p.delayed == {("c", "out", "a", "a"), ("d", "out", "d", "b")}
    assert p.notes == [
        "c.out -> a.a closes a loop and is delayed now",
        "d.out -> d.b closes a loop and is delayed now",
    ]
    again = file.loads(file.dump(p), SPECS)
    assert again == p
    assert again.notes == []


def test_migrations_run_one_after_the_other(monkeypatch):
    monkeypatch.setattr(file, "FORMAT", 3)
    monkeypatch.setitem(file.MIGRATIONS, 1, lambda m: {**m, "rate": m["rate"] * 2})
    monkeypatch.setitem(file.MIGRATIONS, 2, lambda m: {**m, "block": m["block"] * 2})
    p = file.loads(codec.pack(plain(zrack=1)), SPECS)
    assert (p.rate, p.block) == (96000, 128)
    assert file.to_map(p)["zrack"] == 3


# saving


def test_save_and_load(tmp_path):
    p = rich()
    assert saved(p, tmp_path / "a.zrack") == p
    assert saved(p, tmp_path / "a.json") == p
    assert (tmp_path / "a.json").read_text().startswith("{\n")
    assert p.folder == tmp_path.resolve()
    assert p.file == "a.json"
    assert sorted(f.name for f in tmp_path.iterdir()) == ["a.json", "a.zrack"]


def test_a_failed_save_leaves_the_old_file_and_nothing_beside(tmp_path, monkeypatch):
    path = tmp_path / "a.zrack"
    p = bass()
    p.save(path)
    old = path.read_bytes()
    p.set("lp", cutoff=100.0)

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PatchError, match=r"^a.zrack: could not be written: no space left on device$"):
        p.save(path)
    assert path.read_bytes() == old
    assert [f.name for f in tmp_path.iterdir()] == ["a.zrack"]


def test_saving_follows_a_link_and_keeps_the_mode(tmp_path):
    real = tmp_path / "real.zrack"
    bass().save(real)
    real.chmod(0o640)
    link = tmp_path / "link.zrack"
    link.symlink_to(real)
    p = rich()
    p.save(link)
    assert link.is_symlink()
    assert Patch.load(real, SPECS) == p
    assert real.stat().st_mode & 0o777 == 0o640


def test_saving_into_no_folder_is_one_sentence(tmp_path):
    with pytest.raises(PatchError, match=r"^x.zrack: could not be written: no such file or directory$"):
        bass().save(tmp_path / "none" / "x.zrack")


# what differs


def test_diff_names_what_changed():
    a, b = bass(), bass()
    b.rename("osc", "saw")
    b.set("lp", cutoff=500.0, resonance=0.5, slope="12 dB")
    edits.SetCable("lfo.out", "lp.cutoff", 0.5, "units").apply(b)
    edits.SetPatch("rate", 44100).apply(b)
    b.add("rack/patch", "v", patch=voice())
    assert diff(a, b) == [
        "rate: 48000 → 44100",
        "node lp: cutoff 800 Hz → 500 Hz",
        "node lp: resonance default → 0.5",
        "node lp: slope '24 dB' → '12 dB'",
        "node osc removed (source/saw)",
        "node saw added (source/saw)",
        "node v added (rack/patch)",
        "cable lfo.out -> lp.cutoff: amount 0.25 → 0.5",
        "cable lfo.out -> lp.cutoff: mode 'knob' → 'units'",
        "cable osc.out -> lp.audio removed",
        "cable saw.out -> lp.audio added",
    ]
    c = b.copy()
    edits.Inside("v", edits.SetParam("lp", "cutoff", 900.0)).apply(c)
    assert diff(b, c) == ["node v: node lp: cutoff default → 900 Hz"]


def test_check_finds_files_that_are_not_there(tmp_path):
    p = new()
    p.add("source/sample", "kick", file="kick.wav")
    p.add("source/sample", "out", file="out.wav")
    p.save(tmp_path / "a.zrack")
    (tmp_path / "out.wav").symlink_to("/dev/null")
    assert check(p) == [
        "a.zrack: node kick: file: there is no file kick.wav beside the patch",
        "a.zrack: node out: file: out.wav leads out of the folder of the patch",
    ]
    (tmp_path / "kick.wav").write_bytes(b"")
    (tmp_path / "out.wav").unlink()
    (tmp_path / "out.wav").symlink_to("kick.wav")
    assert check(p) == []


# whatever bytes come


def believed(data: bytes) -> bool:
    """Whether `data` is a patch; any other exception than PatchError fails the test."""
    try:
        p = file.loads(data, SPECS)
    except PatchError as e:
        sentence = str(e)
    else:
        assert file.loads(file.dump(p), SPECS) == p
        return True
    assert "\n" not in sentence
    return False


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, cut, doubled or put in."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(out) + 1)
        kind = rng.randrange(5)
        if kind == 0 and at < len(out):
            out[at] = rng.randrange(256)
        elif kind == 1:
            del out[at : at + rng.randrange(1, 9)]
        elif kind == 2:
            out[at:at] = rng.randbytes(rng.randrange(1, 6))
        elif kind == 3:
            out[at:at] = out[at : at + rng.randrange(1, 60)]
        else:
            out[at : at + 1] = bytes([rng.choice((0x80, 0x90, 0xC0, 0xC1, 0xC6, 0xC9, 0xCB, 0xD9, 0xDB, 0xDD, 0xDF, 0xFF))])
    return bytes(out)


ODD = [
    None, True, -1, 0, 2**63, 1.5, -0.0, 1e308, "", "lp", "osc.out", "lp.cutoff", "a/b", "..", "rack/patch", "rack/inlet", b"\xff",
    [], {}, [[]], {"file": "0" * 32, "rows": 2, "columns": 1}, {"type": "rack/patch"}, ["osc.out", "lp.audio"], {"zrack": 1}, "\x00", "é" * 70,
]  # fmt: skip


def mutate_plain(value: object, rng: random.Random) -> object:
    """One place in plain values changed, dropped or doubled."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        kind = rng.random()
        if kind < 0.1:
            return {k: v for k, v in value.items() if k != key}
        if kind < 0.2:
            return {**value, rng.choice(["x", "lp", "type", "patch", "a b", "file", "in"]): value[key]}
        return {**value, key: mutate_plain(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = rng.randrange(len(value))
        kind = rng.random()
        if kind < 0.1:
            return value[:at] + value[at + 1 :]
        if kind < 0.2:
            return [*value, value[at]]
        return [*value[:at], mutate_plain(value[at], rng), *value[at + 1 :]]
    return rng.choice(ODD)


def test_twenty_thousand_byte_strings_and_mutated_patches():
    rng = random.Random(20)
    small, big = bass(), rich()
    seeds = [file.dump(small), file.dump(big), file.dump_text(small).encode(), file.dump_text(big).encode()]
    maps = [file.to_map(p) for p in (small, small, voice(), voice(), big)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    good = 0
    for i in range(20_000):
        if i % 4 == 0:
            data = rng.randbytes(rng.randrange(64))
        elif i % 4 == 1:
            data = mutate_bytes(seeds[i // 4 % 4], rng)
        else:
            body = rng.choice(maps)
            for _ in range(rng.choice((1, 1, 2, 3))):
                body = mutate_plain(body, rng)
            data = codec.pack(body)
        good += believed(data)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100_000  # KiB
    assert 500 < good < 15_000  # the mutations reach both sides


@pytest.mark.parametrize(
    "bomb",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\x81\xa5zrack" + b"\xdd\x0f\xff\xff\xff" * 400,
        b"\xdf\x7f\xff\xff\xff" + b"\x01" * 64,
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff" + b"a" * 100,
        b"\xdd\x00\x30\x00\x00" + b"\x80" * 0x300000,
        b'{"zrack": 1, "x": [' + b"[]," * 1_500_000 + b"[]]}",
    ],
)
def test_claims_are_not_believed(bomb):
    tracemalloc.start()
    try:
        with pytest.raises(PatchError):
            file.loads(bomb, SPECS)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=200)
    | st.builds(lambda v: msgpack.packb(v), json_like)
    | st.builds(lambda v: json.dumps(v).encode(), st.text() | st.lists(st.floats()))
)
def test_any_bytes_are_a_patch_or_a_sentence(data):
    believed(data)


def test_files_stay_in_the_folder(tmp_path: Path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "a.wav").write_bytes(b"x")
    (tmp_path / "b.wav").write_bytes(b"x")
    (tmp_path / "inside" / "link.wav").symlink_to(tmp_path / "b.wav")
    (tmp_path / "inside" / "dir").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "inside" / "pipe")
    assert file.confined(tmp_path / "inside", "a.wav").name == "a.wav"
    for name in ("../b.wav", "link.wav", "dir/b.wav", "pipe", "none.wav", "", ".", "a.wav/", "/a.wav", "dir"):
        with pytest.raises(PatchError):
            file.confined(tmp_path / "inside", name)
