"""The command line, called as the console script calls it: what it prints, where, with which exit code."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import soundfile

from graph import Patch
from nodes import catalog
from runtime.cli import main

catalog.load()


@dataclass
class Said:
    code: int
    out: str
    err: str


def zrack(*args: object) -> Said:
    """Runs one command line."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(a) for a in args])
    return Said(code, out.getvalue(), err.getvalue())


def sentences(text: str) -> list[str]:
    """The lines that zrack says on stderr, less those about kernels being compiled."""
    return [line for line in text.splitlines() if not line.startswith("compiling kernels ")]


@pytest.fixture(autouse=True)
def no_nodes_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("ZRACK_NODES", str(tmp_path_factory.mktemp("nodes")))


@pytest.fixture
def bass(tmp_path: Path) -> Path:
    """A small patch: saw through a filter, its cutoff moved by the saw."""
    p = Patch()
    p.add("source/saw", "osc", freq=110.0)
    p.add("filter/lowpass", "lp", cutoff=800.0)
    p.add("io/output", "out")
    p.connect("osc.out", "lp.audio")
    p.connect("osc.out", "lp.cutoff", amount=0.1)
    p.connect("lp.out", "out.audio")
    p.save(tmp_path / "bass.zrack")
    return tmp_path / "bass.zrack"


@pytest.fixture
def through(tmp_path: Path) -> Path:
    """Input to output, without the limiter: what goes in comes out."""
    p = Patch()
    p.limiter = False
    p.add("io/input", "in")
    p.add("io/output", "out")
    p.connect("in.out", "out.audio")
    p.save(tmp_path / "through.zrack")
    return tmp_path / "through.zrack"


# ------------------------------------------------------------------------------------------------ help and errors


def test_help_names_every_command() -> None:
    said = zrack("--help")
    assert said.code == 0
    for command in ("render", "check", "show", "build", "diff", "nodes", "bench"):
        assert f"\n  {command} " in said.out
        assert zrack(command, "--help").code == 0


def test_a_wrong_command_line_exits_with_2() -> None:
    for args in (["rendr"], ["render"], ["render", "x.zrack"], ["nodes", "--loud"], ["check"]):
        said = zrack(*args)
        assert said.code == 2
        assert said.err.startswith("zrack: ")
        assert said.err.count("\n") == 1


def test_opening_a_patch_without_a_display_points_to_play(bass: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    said = zrack(bass)
    assert said.code == 1
    assert "zrack play" in said.err
    assert said.err.count("\n") == 1


# ------------------------------------------------------------------------------------------------ nodes


def test_nodes_lists_families_with_first_sentences() -> None:
    said = zrack("nodes")
    assert said.code == 0
    lines = said.out.splitlines()
    assert "filter" in lines
    assert any(line.startswith("  filter/lowpass ") and line.rstrip()[-1] != " " for line in lines)
    assert "rack/knob" not in said.out  # the planner's own steps are not for people


def test_nodes_explains_what_an_artist_needs() -> None:
    said = zrack("nodes", "filter/bandpass")
    spec = catalog.classes["filter/bandpass"].spec
    assert said.code == 0
    assert spec.title.split(".")[0] in " ".join(said.out.split())
    for name, param in spec.params.items():
        row = next(line for line in said.out.splitlines() if line.startswith(f"  {name} "))
        assert param.unit in row
        assert f"({param.low:g} … {param.high:g}" in row
    for name in [*spec.inlets, *spec.outlets]:
        assert f"\n  {name} " in said.out
    assert 'p.add("filter/bandpass"' in said.out


def test_the_example_of_every_node_runs() -> None:
    from runtime.report import example

    for cls in catalog.classes.values():
        if cls.hidden:
            continue
        p = Patch()
        p.add("source/sine", "osc")
        p.add("mod/lfo", "lfo")
        p.add("io/output", "out")
        for line in example(cls.spec):
            exec(line, {"p": p})
        assert len(p.nodes) == 4


def test_nodes_as_json() -> None:
    found = {d["id"]: d for d in json.loads(zrack("nodes", "--json").out)}
    assert found["filter/lowpass"]["params"]["cutoff"]["unit"] == "Hz"
    assert json.loads(zrack("nodes", "filter/lowpass", "--json").out) == found["filter/lowpass"]


def test_an_unknown_node_type_gets_near_names() -> None:
    said = zrack("nodes", "filter/lowpas")
    assert said.code == 1
    assert "filter/lowpass" in said.err


# ------------------------------------------------------------------------------------------------ text form, diff


def test_show_and_build_give_the_same_patch(bass: Path, tmp_path: Path) -> None:
    text, again, twice = tmp_path / "bass.json", tmp_path / "again.zrack", tmp_path / "twice.zrack"
    text.write_text(zrack("show", bass).out)
    assert zrack("build", text, "-o", again).code == 0
    assert zrack("show", bass, "-o", tmp_path / "other.txt").code == 0
    assert zrack("build", tmp_path / "other.txt", "-o", twice).code == 0
    assert bass.read_bytes() == again.read_bytes() == twice.read_bytes()
    assert zrack("show", text).out == text.read_text()


def test_what_is_read_is_not_written_over(bass: Path) -> None:
    before = bass.read_bytes()
    for command in ("show", "build"):
        said = zrack(command, bass, "-o", bass)
        assert said.code == 1
        assert bass.read_bytes() == before


def test_diff_names_what_changed(bass: Path, tmp_path: Path) -> None:
    p = Patch.load(bass)
    p.set("lp", cutoff=500.0)
    p.rename("osc", "saw")
    p.save(tmp_path / "b.zrack")
    assert zrack("diff", bass, bass).out == ""
    said = zrack("diff", bass, tmp_path / "b.zrack")
    assert said.code == 0
    assert "node lp: cutoff 800 Hz → 500 Hz" in said.out.splitlines()
    assert "node saw added (source/saw)" in said.out.splitlines()
    assert json.loads(zrack("diff", bass, tmp_path / "b.zrack", "--json").out) == said.out.splitlines()


# ------------------------------------------------------------------------------------------------ render


def test_render_writes_and_measures(bass: Path, tmp_path: Path) -> None:
    wav = tmp_path / "bass.wav"
    said = zrack("render", bass, "-o", wav, "--seconds", "0.5", "--json")
    assert (said.code, sentences(said.err)) == (0, [])
    result = json.loads(said.out)
    sound, rate = soundfile.read(wav, dtype="float32", always_2d=True)
    assert (len(sound), rate, sound.shape[1]) == (24000, 48000, 2)
    assert (result["frames"], result["rate"], result["channels"], result["nan"]) == (24000, 48000, 2, 0)
    assert result["peak_db"] == pytest.approx(20 * np.log10(np.abs(sound).max()), abs=0.01)
    assert result["rms_db"] == pytest.approx(10 * np.log10(np.mean(np.square(sound, dtype=np.float64))), abs=0.01)
    people = zrack("render", bass, "-o", wav, "--seconds", "0.5")
    for part in ("peak", "RMS", "0 NaN", "0.50 s", str(wav)):
        assert part in people.out


def test_render_does_not_depend_on_the_cut(bass: Path, tmp_path: Path) -> None:
    sounds = []
    for cut in ("1", "100", "64"):
        zrack("render", bass, "-o", tmp_path / f"{cut}.wav", "--seconds", "0.1", "--cut", cut)
        sounds.append((tmp_path / f"{cut}.wav").read_bytes())
    assert sounds[0] == sounds[1] == sounds[2]


def test_render_turns_knobs(bass: Path, tmp_path: Path) -> None:
    a, b = tmp_path / "a.wav", tmp_path / "b.wav"
    assert zrack("render", bass, "-o", a, "--seconds", "0.2", "--set", "lp.cutoff=100", "--set", "osc.freq=55").code == 0
    p = Patch.load(bass)
    p.set("lp", cutoff=100.0)
    p.set("osc", freq=55.0)
    p.save(bass)
    assert zrack("render", bass, "-o", b, "--seconds", "0.2").code == 0
    assert a.read_bytes() == b.read_bytes()


def test_render_turns_switches_and_settings(bass: Path, tmp_path: Path) -> None:
    p = Patch.load(bass)
    p.add("maths/quantise", "q")
    p.add("maths/pack", "many")
    p.save(bass)
    said = zrack(
        "render", bass, "-o", tmp_path / "a.wav", "--seconds", "0.1", "--set", "q.scale=minor", "--set", "many.count=3"
    )
    assert said.code == 0
    assert zrack("render", bass, "-o", tmp_path / "a.wav", "--set", "many.count=2.5").code == 1
    assert zrack("render", bass, "-o", tmp_path / "a.wav", "--set", "q.scale=3").code == 1


@pytest.mark.parametrize("value", ["lp.cutoff=1e9", "lp.cutoff=nan", "lp.cutoff=high", "lp.nothing=1", "nobody.cutoff=1"])
def test_render_refuses_a_bad_knob(bass: Path, tmp_path: Path, value: str) -> None:
    said = zrack("render", bass, "-o", tmp_path / "a.wav", "--set", value)
    assert said.code == 1
    assert said.err.startswith("zrack: bass.zrack: ")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "a.wav").exists()


def test_render_hears_its_input(through: Path, tmp_path: Path) -> None:
    x = np.random.default_rng(1).uniform(-0.5, 0.5, 4800).astype(np.float32)
    soundfile.write(tmp_path / "x.wav", x, 48000, subtype="FLOAT")
    said = zrack("render", through, "-o", tmp_path / "y.wav", "--input", tmp_path / "x.wav")
    assert said.code == 0
    y, _ = soundfile.read(tmp_path / "y.wav", dtype="float32", always_2d=True)
    np.testing.assert_array_equal(y, np.stack([x, x], 1))  # as long as its input, mono to both sides


def test_render_resamples_its_input(through: Path, tmp_path: Path) -> None:
    t = np.arange(44100) / 44100
    soundfile.write(tmp_path / "x.wav", 0.5 * np.sin(2 * np.pi * 1000 * t), 44100, subtype="FLOAT")
    assert zrack("render", through, "-o", tmp_path / "y.wav", "--input", tmp_path / "x.wav").code == 0
    y, rate = soundfile.read(tmp_path / "y.wav", always_2d=True)
    inside = slice(4800, 43200)
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000)
    assert (len(y), rate) == (48000, 48000)
    np.testing.assert_allclose(y[inside, 0], expected[inside], atol=1e-4)


def test_render_at_another_rate_and_block(bass: Path, tmp_path: Path) -> None:
    said = zrack("render", bass, "-o", tmp_path / "a.flac", "--seconds", "0.1", "--rate", "44100", "--block", "32", "--json")
    assert said.code == 0
    assert soundfile.info(tmp_path / "a.flac").samplerate == 44100
    assert json.loads(said.out)["frames"] == 4410
    assert zrack("render", bass, "-o", tmp_path / "b.wav", "--rate", "3").code == 1


def test_render_draws_a_spectrogram(bass: Path, tmp_path: Path) -> None:
    picture = tmp_path / "bass.png"
    said = zrack("render", bass, "-o", tmp_path / "a.wav", "--seconds", "0.3", "--spectrogram", picture)
    assert said.code == 0
    from matplotlib.image import imread

    pixels = imread(picture)
    assert pixels.shape[:2] == (500, 1200)
    assert np.ptp(pixels[..., :3]) > 0.9


def test_render_refuses_what_it_cannot_write_or_read(bass: Path, tmp_path: Path) -> None:
    (tmp_path / "noise.wav").write_bytes(b"no sound at all")
    before = sorted(tmp_path.iterdir())
    for args in (
        ["-o", tmp_path / "nowhere" / "a.wav"],
        ["-o", tmp_path / "a.mp7"],
        ["-o", tmp_path],
        ["-o", bass],
        ["-o", tmp_path / "a.wav", "--input", tmp_path / "noise.wav"],
        ["-o", tmp_path / "a.wav", "--input", tmp_path / "none.wav"],
    ):
        said = zrack("render", bass, *args)
        assert said.code == 1
        assert said.err.startswith("zrack: ")
        assert said.err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_placeholder_is_silent_but_not_without_a_word(bass: Path, tmp_path: Path) -> None:
    found = msgpack.unpackb(bass.read_bytes())
    found["nodes"]["osc"]["type"] = "source/from-the-future"
    bass.write_bytes(msgpack.packb(found))
    said = zrack("render", bass, "-o", tmp_path / "a.wav", "--seconds", "0.1", "--json")
    assert said.code == 0
    assert json.loads(said.out)["peak_db"] == -200.0
    assert any("node osc" in s and "source/from-the-future" in s for s in sentences(said.err))


def test_bench_measures_a_patch(bass: Path) -> None:
    said = zrack("bench", bass, "--seconds", "0.5", "--json")
    assert said.code == 0
    result = json.loads(said.out)
    assert (result["nodes"], result["block"], result["rate"]) == (3, 64, 48000)
    assert set(result) == {"patch", "nodes", "block", "rate", "cpu_per_second", "ns_per_node_and_block"}


# ------------------------------------------------------------------------------------------------ check


def test_check_finds_nothing_wrong_with_a_good_patch(bass: Path) -> None:
    said = zrack("check", bass)
    assert (said.code, said.err) == (0, "")
    assert json.loads(zrack("check", bass, "--json").out) == [{"patch": str(bass), "problems": []}]


def latents(one: str, two: str) -> Callable[[dict[str, Any]], None]:
    """Two latents of the spaces `one` and `two` into one mixer."""

    def change(p: dict[str, Any]) -> None:
        for name, space in (("pa", one), ("pb", two)):
            p["nodes"][name] = {"type": "latent/pack", "seed": 1, "settings": {"space": space}}
        p["nodes"]["mix"] = {"type": "latent/mix", "seed": 1}
        p["cables"] += [["pa.z", "mix.a"], ["pb.z", "mix.b"]]

    return change


def node(**record: Any) -> Callable[[dict[str, Any]], None]:
    return lambda p: p["nodes"].update(extra={"type": "filter/lowpass", "seed": 1, **record})


def cable(*entry: Any) -> Callable[[dict[str, Any]], None]:
    return lambda p: p["cables"].append(list(entry))


def top(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda p: p.update(fields)


def nested(p: dict[str, Any]) -> None:
    deep: Any = 0
    for _ in range(700):
        deep = [deep]
    p["meta"] = {"deep": deep}


# what is done to a good patch, and words of the sentence that must come
BROKEN: dict[str, tuple[Callable[[dict[str, Any]], None], tuple[str, ...]]] = {
    "unknown node type": (node(type="filter/lowpas"), ("node extra", "filter/lowpas", "filter/lowpass")),
    "missing outlet": (cable("osc.sound", "lp.audio"), ("node osc", "no outlet 'sound'")),
    "missing inlet": (cable("osc.out", "lp.sound"), ("node lp", "no inlet 'sound'")),
    "cable into a missing node": (cable("osc.out", "reverb.audio"), ("'reverb'",)),
    "cable twice": (cable("osc.out", "lp.audio", 0.5), ("osc.out -> lp.audio", "twice")),
    "cable without an end": (cable("osc.out"), ("cable",)),
    "cable of the wrong mode": (cable("osc.out", "osc.freq", 1.0, "loud"), ("mode", "'loud'")),
    "endless amount": (cable("osc.out", "osc.freq", float("inf")), ("amount",)),
    "a signal into a latent": (
        lambda p: (p["nodes"].update(un={"type": "latent/unpack", "seed": 1}), p["cables"].append(["osc.out", "un.z"])),
        ("node un", "latent", "signal"),
    ),
    "two latent spaces": (latents("voice", "drums"), ("node mix", "voice", "drums")),
    "value out of range": (node(params={"cutoff": 1e9}), ("node extra", "cutoff", "20 … 20000 Hz")),
    "value of the wrong type": (node(params={"cutoff": "high"}), ("node extra", "cutoff", "'high'")),
    "NaN": (node(params={"cutoff": float("nan")}), ("node extra", "cutoff", "nan")),
    "unknown param": (node(params={"colour": 1.0}), ("node extra", "'colour'")),
    "unknown option": (
        lambda p: p["nodes"].update(q={"type": "maths/quantise", "choices": {"scale": "wobble"}}),
        ("node q", "scale", "'wobble'"),
    ),
    "node without a type": (lambda p: p["nodes"].update(extra={"seed": 1}), ("node extra", "type")),
    "a name that is none": (lambda p: p["nodes"].update({"a b": {"type": "source/saw"}}), ("'a b'",)),
    "file outside the folder": (
        lambda p: p["nodes"].update(sub={"type": "rack/patch", "settings": {"file": "../other.zrack"}}),
        ("node sub", "../other.zrack"),
    ),
    "file that is missing": (
        lambda p: p["nodes"].update(sub={"type": "rack/patch", "settings": {"file": "other.zrack"}}),
        ("node sub", "other.zrack"),
    ),
    "patch inside itself": (
        lambda p: p["nodes"].update(sub={"type": "rack/patch", "settings": {"file": "bass.zrack"}}),
        ("bass.zrack", "contain itself"),
    ),
    "newer version": (top(zrack=999), ("newer", "999")),
    "version that never was": (top(zrack=-3), ("-3",)),
    "no patch": (lambda p: p.pop("zrack"), ("no patch",)),
    "impossible rate": (top(rate=0), ("rate",)),
    "impossible block": (top(block=1 << 40), ("block",)),
    "nodes that are a list": (top(nodes=[1, 2, 3]), ("nodes",)),
    "nested too deeply": (nested, ("deep",)),
    "exposed without a node": (top(exposed={"tone": {"node": "nobody", "param": "cutoff"}}), ("'nobody'",)),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_check_says_what_is_broken(bass: Path, fault: str) -> None:
    change, words = BROKEN[fault]
    found = msgpack.unpackb(bass.read_bytes())
    change(found)
    bass.write_bytes(msgpack.packb(found))
    assert_one_sentence(bass, *words)


RAW: dict[str, tuple[Callable[[bytes], bytes], tuple[str, ...]]] = {
    "empty": (lambda b: b"", ("empty",)),
    "cut off": (lambda b: b[: len(b) // 2], ("cut off",)),
    "bytes behind its end": (lambda b: b + b"\x00", ("behind its end",)),
    "prose": (lambda b: b"Dear editor, please find enclosed", ()),
    "JSON cut off": (lambda b: b'{"zrack": 1, "nodes": {', ("JSON", "line 1")),
    "JSON with a name twice": (lambda b: b'{"zrack": 1, "nodes": {"a": {"type": "source/saw"}, "a": {}}}', ("'a' twice",)),
    "name twice": (lambda b: b.replace(b"\xa3osc", b"\xa3out", 1), ("'out' twice",)),
    "four thousand million entries": (lambda b: b"\xdf\xff\xff\xff\xff" + b, ("cut off",)),
    "extension type": (lambda b: b"\x81\xa5zrack\xd4\x01\x00", ("extension",)),
    "text that is not UTF-8": (lambda b: b.replace(b"\xa3osc", b"\xa3o\xff\xff", 1), ("UTF-8",)),
}


@pytest.mark.parametrize("fault", RAW)
def test_check_says_what_is_wrong_with_the_bytes(bass: Path, fault: str) -> None:
    change, words = RAW[fault]
    bass.write_bytes(change(bass.read_bytes()))
    assert_one_sentence(bass, *words)


def assert_one_sentence(patch: Path, *words: str) -> None:
    """`zrack check` says one sentence that names the file and holds the words, exits with 1 and writes nothing."""
    before = {p: p.read_bytes() for p in patch.parent.iterdir()}
    said = zrack("check", patch)
    assert said.code == 1
    assert said.out == ""
    assert said.err.startswith(f"zrack: {patch.name}: ")
    assert said.err.count("\n") == 1
    for word in words:
        assert word in said.err
    assert {p: p.read_bytes() for p in patch.parent.iterdir()} == before


def test_check_goes_through_all_patches(bass: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.zrack"
    broken.write_bytes(b"")
    said = zrack("check", bass, broken, tmp_path / "none.zrack")
    assert said.code == 1
    assert said.out == f"{bass}: fine\n"
    assert [line.split(": ")[1] for line in said.err.splitlines()] == ["broken.zrack", "none.zrack"]


def test_check_reports_a_loop_whose_delay_was_not_stored(bass: Path) -> None:
    found = msgpack.unpackb(bass.read_bytes())
    found["cables"].append(["lp.out", "lp.cutoff", 0.1])
    bass.write_bytes(msgpack.packb(found))
    assert_one_sentence(bass, "closes a loop")


# ------------------------------------------------------------------------------------------------ measurements


def test_measure_counts_what_is_not_finite() -> None:
    from runtime.report import measure

    sound = np.full((48000, 2), 0.5, np.float32)
    sound[7, 0], sound[9, 1] = np.nan, np.inf
    found = measure(sound, 48000)
    assert (found["nan"], found["seconds"], found["channels"]) == (2, 1.0, 2)
    assert found["peak_db"] == found["rms_db"] == pytest.approx(-6.02, abs=0.01)
    assert measure(np.zeros((0, 2), np.float32), 48000)["peak_db"] == -200.0


@pytest.mark.parametrize(("ending", "tolerance"), [(".wav", 0.0), (".flac", 2**-23), (".aif", 2**-23), (".w64", 0.0)])
def test_sound_files_keep_the_samples(tmp_path: Path, ending: str, tolerance: float) -> None:
    from runtime import sounds

    x = np.random.default_rng(2).uniform(-0.9, 0.9, (1000, 2)).astype(np.float32)
    sounds.write(tmp_path / f"a{ending}", x, 44100)
    np.testing.assert_allclose(sounds.read(tmp_path / f"a{ending}", 44100), x, rtol=0, atol=tolerance)
