"""The latent tape: what was recorded comes back, forwards, backwards, scrubbed and in loops; and paths as arrays and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from graph import Patch, PatchError, codec, values
from graph.edits import SetPatch
from graph.spec import Data
from nodes import Patch as Rack
from nodes.dsp import paths
from nodes.tapes import Morph, Tape
from runtime import tapes
from runtime.cli_tape import tape as command
from runtime.engine import Engine
from runtime.offline import render
from tests.rig import run

SPACING = 64  # samples a frame in the rig
RNG = np.random.default_rng(8)
PATH = np.float32(RNG.normal(size=(10, 8)))
COUNT = 60


def play(frames: int = COUNT, path: np.ndarray = PATH, **more: Any) -> np.ndarray:
    """What the tape plays: [latent frames, dims]."""
    return run(Tape, frames * SPACING, spacing=SPACING, path=path, **more)["out"]


def signal(frames: list[float]) -> np.ndarray:
    """A signal with one value for each latent frame."""
    return np.repeat(np.float32(frames), SPACING)


def gate(first: int, last: int, frames: int = COUNT) -> np.ndarray:
    """Open from latent frame `first` to before `last`."""
    return signal([1.0 if first <= k < last else 0.0 for k in range(frames)])


# ---------------------------------------------------------------------------------------------- a stored path


def test_forwards_is_the_path_and_backwards_the_path_turned_round() -> None:
    np.testing.assert_array_equal(play(), np.tile(PATH, (6, 1)))
    np.testing.assert_array_equal(play(speed=-1.0), np.tile(PATH[::-1], (6, 1)))
    once = play(loop="once")
    np.testing.assert_array_equal(once[:10], PATH)
    assert (once[10:] == PATH[-1]).all()
    back = play(loop="once", speed=-1.0)
    np.testing.assert_array_equal(back[:10], PATH[::-1])
    assert (back[10:] == PATH[0]).all()
    there = np.concatenate([PATH, PATH[-2:0:-1]])
    np.testing.assert_array_equal(play(54, loop="pingpong"), np.tile(there, (3, 1)))
    assert (play(speed=0.0) == PATH[0]).all()


@pytest.mark.parametrize("how", ["hold", "linear", "cubic"])
@pytest.mark.parametrize("speed", [0.5, 0.3, 1.7, 4.0])
def test_any_speed_reads_between_frames(how: str, speed: float) -> None:
    place = np.arange(COUNT) * np.float64(np.float32(speed))
    np.testing.assert_allclose(play(speed=speed, loop="once", read=how), paths.read(PATH, place, how), atol=1e-5)
    back = play(speed=-speed, loop="once", read=how)
    np.testing.assert_allclose(back, paths.read(PATH, 9 - place, how), atol=1e-5)


def test_a_loop_goes_round_without_a_seam() -> None:
    place = np.arange(COUNT) * 0.5 % 10
    round_ = np.concatenate([PATH, PATH[:1]])
    np.testing.assert_allclose(play(speed=0.5), paths.read(round_, place), atol=1e-6)


@pytest.mark.parametrize("how", ["hold", "linear", "cubic"])
def test_a_position_is_a_place_on_the_path(how: str) -> None:
    sweep = np.linspace(0, 1, COUNT, dtype=np.float32)
    y = run(Tape, COUNT * SPACING, spacing=SPACING, path=PATH, position=np.repeat(sweep, SPACING), drive="position", read=how)
    np.testing.assert_allclose(y["out"], paths.read(PATH, sweep.astype(float) * 9, how), atol=1e-5)
    np.testing.assert_allclose(y["at"][::SPACING, 0], sweep, atol=1e-6)
    np.testing.assert_array_equal(y["out"][[0, -1]], PATH[[0, -1]])
    again = run(Tape, COUNT * SPACING, spacing=SPACING, path=PATH, position=y["at"], drive="position", read=how)
    np.testing.assert_allclose(again["out"], y["out"], atol=1e-5)


def test_a_region() -> None:
    np.testing.assert_array_equal(play(9, start=0.2, end=0.5), np.tile(PATH[2:5], (3, 1)))
    np.testing.assert_array_equal(play(9, start=0.5, end=0.2), np.tile(PATH[2:5], (3, 1)))
    assert (play(start=0.7, end=0.7) == PATH[7]).all()
    assert (play(start=1.0) == PATH[9]).all()
    np.testing.assert_array_equal(play(9, end=0.3, speed=-1.0), np.tile(PATH[2::-1], (3, 1)))
    sweep = play(3, start=0.2, end=0.5, drive="position", position=signal([0.0, 0.5, 1.0]))
    np.testing.assert_array_equal(sweep, PATH[[2, 3, 4]])
    late = play(8, start=signal([0, 0, 0, 0.5, 0.5, 0.5, 0.5, 0.5]), loop="once")  # the region moves on over the place
    np.testing.assert_array_equal(late, PATH[[0, 1, 2, 5, 6, 7, 8, 9]])


@pytest.mark.parametrize("loop", ["loop", "once", "pingpong"])
@pytest.mark.parametrize("rows", [1, 2])
def test_short_paths_and_wild_speeds_stay_on_the_tape(loop: str, rows: int) -> None:
    speed = np.float32(RNG.uniform(-4, 4, COUNT * SPACING))
    for how in ("linear", "cubic"):
        y = play(path=PATH[:rows], speed=speed, loop=loop, read=how)
        assert PATH[:rows].min() * 1.3 - 1 <= y.min() and y.max() <= PATH[:rows].max() * 1.3 + 1
        if rows == 1:
            np.testing.assert_allclose(y, np.tile(PATH, (COUNT, 1))[: COUNT * 10 : 10], atol=1e-6)


def test_reset_goes_to_the_beginning_even_between_two_frames() -> None:
    reset = np.zeros(COUNT * SPACING, np.float32)
    reset[4 * SPACING + 5 : 4 * SPACING + 9] = 1.0
    np.testing.assert_array_equal(play(10, reset=reset[: 10 * SPACING]), PATH[[0, 1, 2, 3, 4, 0, 1, 2, 3, 4]])
    back = play(10, reset=reset[: 10 * SPACING], speed=-1.0)
    np.testing.assert_array_equal(back, PATH[[9, 8, 7, 6, 5, 9, 8, 7, 6, 5]])


def test_a_path_of_another_width() -> None:
    y = play(path=PATH[:, :3])
    np.testing.assert_array_equal(y[:10, :3], PATH[:, :3])
    assert not y[:, 3:].any()
    wide = np.concatenate([PATH, PATH], 1)
    np.testing.assert_array_equal(play(10, path=wide), PATH)


# ---------------------------------------------------------------------------------------------- recording


def test_recorded_and_played_at_once_is_a_delay() -> None:
    z = np.float32(RNG.normal(size=(COUNT, 8)))
    y = play(z=z, record=gate(0, 25))
    np.testing.assert_array_equal(y[:25], z[:25])  # it is passed on while it is recorded
    np.testing.assert_array_equal(y[25:50], z[:25])
    np.testing.assert_array_equal(y[50:], z[:10])
    back = play(z=z, record=gate(5, 25), speed=-1.0)
    np.testing.assert_array_equal(back[:5], PATH[[9, 8, 7, 6, 5]])
    np.testing.assert_array_equal(back[25:45], z[24:4:-1])


def test_a_second_recording_takes_the_place_of_the_first() -> None:
    z = np.float32(RNG.normal(size=(COUNT, 8)))
    both = np.maximum(gate(0, 20), gate(30, 35))
    y = run(Tape, COUNT * SPACING, spacing=SPACING, path=PATH, z=z, record=both)
    np.testing.assert_array_equal(y["out"][20:30], z[:10])
    np.testing.assert_array_equal(y["out"][35:45], np.tile(z[30:35], (2, 1)))
    assert y["state"]["takes"][0] == 2 and y["state"]["count"][0] == 5


def test_a_full_tape_goes_on_passing_what_comes() -> None:
    z = np.float32(RNG.normal(size=(COUNT, 8)))
    short = {"length": 20}
    y = run(Tape, COUNT * SPACING, spacing=SPACING, path=PATH, z=z, record=gate(0, 40), settings=short)
    room = y["state"]["count"][0]
    assert room == 20
    np.testing.assert_array_equal(y["out"][:40], z[:40])
    np.testing.assert_array_equal(y["out"][40:], np.tile(z[:room], (20, 1))[:20])
    np.testing.assert_allclose(y["at"][: 40 * SPACING : SPACING, 0], np.minimum(np.arange(1, 41) / room, 1.0), atol=1e-6)


def test_a_gate_too_short_for_a_frame_records_nothing() -> None:
    record = np.zeros(COUNT * SPACING, np.float32)
    record[10 * SPACING + 3 : 10 * SPACING + 20] = 1.0
    np.testing.assert_array_equal(play(z=PATH[[3] * COUNT], record=record), np.tile(PATH, (6, 1)))


def test_what_is_not_finite_is_not_kept() -> None:
    z = np.ones((COUNT, 8), np.float32)
    z[3, 2], z[4, 1] = np.nan, np.inf
    y = play(z=z, record=gate(0, 10))
    assert np.isfinite(y).all() and y[13, 2] == y[14, 1] == 0.0 and y.sum() == 8 * COUNT - 2 * 6


# ---------------------------------------------------------------------------------------------- morph


def test_a_morph_takes_n_frames() -> None:
    a, b = (np.float32(RNG.normal(size=(COUNT, 8))) for _ in range(2))
    y = run(Morph, COUNT * SPACING, spacing=SPACING, a=a, b=b, length=20.0)
    part = np.minimum(np.arange(COUNT) / 20, 1.0)[:, None]
    np.testing.assert_allclose(y["out"], a * (1 - part) + b * part, atol=1e-5)
    np.testing.assert_array_equal(y["out"][0], a[0])
    np.testing.assert_array_equal(y["out"][20:], b[20:])
    np.testing.assert_allclose(y["at"][::SPACING, 0], part[:, 0], atol=1e-6)
    np.testing.assert_array_equal(y["done"][::SPACING, 0], np.arange(COUNT) >= 20)
    again = run(Morph, COUNT * SPACING, spacing=SPACING, a=a, b=b, length=20.0, trigger=gate(30, 31))
    np.testing.assert_allclose(again["at"][::SPACING, 0][30:], np.minimum(np.arange(30) / 20, 1.0), atol=1e-6)
    loop = run(Morph, COUNT * SPACING, spacing=SPACING, a=a, b=b, length=4.0, loop="loop")["at"][::SPACING, 0]
    np.testing.assert_allclose(loop[:10], [0, 0.25, 0.5, 0.75, 1, 0, 0.25, 0.5, 0.75, 1])
    there = run(Morph, COUNT * SPACING, spacing=SPACING, a=a, b=b, length=2.0, loop="pingpong")["at"][::SPACING, 0]
    np.testing.assert_allclose(there[:9], [0, 0.5, 1, 0.5, 0, 0.5, 1, 0.5, 0])


def test_two_tapes_and_a_morph_are_the_morph_of_two_paths() -> None:
    other = np.float32(RNG.normal(size=(10, 8)))
    p = Rack()
    p.limiter = False
    for name, path in (("a", PATH), ("b", other)):
        p.add("latent/tape", name, path=path.tolist(), loop="once", ratio=300, rate=44100)
    p.add("latent/morph", "m", length=9.0)
    p.add("latent/unpack", "u", count=8)
    p.add("io/output", "out", to="channels")
    for x, y in (("a.out", "m.a"), ("b.out", "m.b"), ("m.out", "u.z"), ("u.out", "out.audio")):
        p.connect(x, y)
    at = np.ceil(np.arange(10) * 300 * 480 / 441).astype(int)
    np.testing.assert_allclose(render(p, 0.1).audio[at], paths.morph(PATH, other), atol=1e-5)


# ---------------------------------------------------------------------------------------------- out of the engine


def rack(**tape: Any) -> Patch:
    """A prior into a tape, and what it plays as 8 channels; a frame every 326.5 samples."""
    p = Rack()
    p.limiter = False
    clock = {"ratio": 300, "rate": 44100, "dims": 8}
    p.add("latent/prior", "z", seed=3, **clock)
    p.add("source/constant", "gate", value=0.0)
    p.add("latent/tape", "t", path=PATH.tolist(), **clock, **tape)
    p.add("latent/unpack", "u", count=8)
    p.add("io/output", "out", to="channels")
    for a, b in (("z.z", "t.z"), ("gate.out", "t.record"), ("t.out", "u.z"), ("u.out", "out.audio")):
        p.connect(a, b)
    return p


def frames_of(sound: np.ndarray, first: int = 0) -> np.ndarray:
    """The latent frames that a sound of the rack holds."""
    at = np.ceil(np.arange(2000) * 300 * 480 / 441).astype(int) - first
    return sound[at[(at >= 0) & (at < len(sound))]]


def test_what_was_recorded_can_be_read_kept_and_saved(tmp_path: Path) -> None:
    p = rack()
    with Engine(p) as engine:
        assert tapes.tapes(engine) == ["t"]
        assert tapes.recorded(engine, "t").shape == (0, 8)
        with pytest.raises(PatchError, match="node t has recorded nothing"):
            tapes.keep(engine, p, "t")
        engine.process(4800)
        engine.set("gate", "value", 1.0, ramp=0.0)
        heard = engine.process(9600)
        with pytest.raises(PatchError, match="node t is recording"):
            tapes.recorded(engine, "t")
        engine.set("gate", "value", 0.0, ramp=0.0)
        start = engine.now
        played = frames_of(engine.process(9600), start)
        path = tapes.recorded(engine, "t")
        np.testing.assert_array_equal(path, frames_of(heard, 4800))
        np.testing.assert_array_equal(played, path[: len(played)])
        assert 0 <= len(path) - len(played) <= 1
        undo = tapes.keep(engine, p, "t")
        for plan in engine.stages(p):
            engine.publish(plan)
        tapes.forget(engine, "t")
        after = engine.process(9600)
        assert len(tapes.recorded(engine, "t")) == 0
        np.testing.assert_array_equal(tapes.stored(p, "t"), path)
        with Engine(rack()) as other:  # where nothing was kept, the same is heard
            for value, frames in ((0.0, 4800), (1.0, 9600), (0.0, 9600)):
                other.set("gate", "value", value, ramp=0.0)
                other.process(frames)
            np.testing.assert_array_equal(after, other.process(9600))
        for sentence, node in (("node u is no latent tape that plays", "u"), ("node x is no latent tape that plays", "x")):
            with pytest.raises(PatchError, match=sentence):
                tapes.recorded(engine, node)
            with pytest.raises(PatchError, match=sentence):
                tapes.forget(engine, node)
    for name in ("a.zrack", "a.json"):
        p.save(tmp_path / name)
        again = Patch.load(tmp_path / name)
        assert again == p
        np.testing.assert_array_equal(frames_of(render(again, 0.1).audio)[: len(path)], path[: len(frames_of(np.zeros(4800)))])
    undo.apply(p)
    np.testing.assert_array_equal(tapes.stored(p, "t"), PATH)


def test_a_tape_holds_as_many_frames_as_it_says() -> None:
    p = rack(length=20)
    with Engine(p) as engine:
        engine.set("gate", "value", 1.0, ramp=0.0)
        engine.process(9600)
        engine.set("gate", "value", 0.0, ramp=0.0)
        engine.process(4800)
        assert tapes.recorded(engine, "t").shape == (20, 8)


def test_a_recording_lives_through_an_edit() -> None:
    p = rack()
    with Engine(p, offline=False) as engine:
        engine.set("gate", "value", 1.0, ramp=0.0)
        engine.process(4800)
        engine.set("gate", "value", 0.0, ramp=0.0)
        engine.process(4800)
        path = tapes.recorded(engine, "t")
        assert len(path) > 10
        p.add("source/saw", "new")
        p.set("t", path=[[0.0] * 8])
        for plan in engine.stages(p):
            engine.publish(plan)
        engine.process(4800)
        np.testing.assert_array_equal(tapes.recorded(engine, "t"), path)
        assert engine.process(4800).any()
        tapes.forget(engine, "t")
        engine.process(4800)
        assert not engine.process(4800).any()


def test_blocks_do_not_show_while_it_records_and_plays() -> None:
    def made(block: int) -> np.ndarray:
        p = rack(speed=0.7, read="cubic", loop="pingpong")
        p.add("mod/lfo", "g", rate=9.1, shape="square")
        p.connect("g.out", "t.record")
        p.apply(SetPatch("block", block))
        return render(p, 0.3).audio

    want = made(64)
    for block in (1, 16, 256):
        np.testing.assert_array_equal(made(block), want)


# ---------------------------------------------------------------------------------------------- tables of any width

ANY = Data(((0.0,),), columns=0, limit=1000, doc="rows of any width")


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 1 << 30))
def test_a_table_of_any_width_is_kept(rows: int, columns: int, seed: int) -> None:
    table = np.random.default_rng(seed).normal(size=(rows, columns))
    assert values.table("path", ANY, table) == tuple(map(tuple, table.tolist()))
    assert values.table("path", ANY, table[:, 0].tolist()) == tuple((x,) for x in table[:, 0].tolist())


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([[1.0, 2.0], [1.0]], "path takes rows of 2 numbers as its first row has, not a list"),
        ([[1.0, 2.0]] * 900 + [[1.0] * 3] * 99, "path takes rows of 2 numbers as its first row has, not a list"),
        ([[1.0] * 50] * 900 + [[1.0] * 51], "path takes rows of 50 numbers as its first row has, not a list"),
        ([[]], "path takes rows of numbers, not a list"),
        (["ab"], "path takes rows of numbers, not 'ab'"),
        ([None], "path takes rows of numbers, not None"),
        ([[float("nan")]], "path takes -3.402823466e+38 … 3.402823466e+38, not nan"),
        ([[1.0]] * 1001, "path takes at most 1000 rows, not 1001"),
        ([], "path takes at least one row"),
    ],
)
def test_rows_that_do_not_belong_together_are_refused(rows: Any, sentence: str) -> None:
    with pytest.raises(PatchError) as e:
        values.table("path", ANY, rows)
    assert str(e.value) == sentence


@pytest.mark.parametrize("name", ["a.zrack", "a.json"])
@pytest.mark.parametrize("rows", [5, 4000])
def test_a_path_goes_through_a_file(tmp_path: Path, name: str, rows: int) -> None:
    """Small in the patch itself, large in a file of its own beside it."""
    p = Rack()
    path = np.float32(RNG.normal(size=(rows, 7)))
    p.add("latent/tape", "t", path=path)
    p.save(tmp_path / name)
    body = (tmp_path / name).read_bytes()
    kept = (codec.from_text(body) if name == "a.json" else codec.unpack(body))["nodes"]["t"]["data"]["path"]
    assert isinstance(kept, dict) == (rows > 1000)
    again = Patch.load(tmp_path / name)
    assert again == p
    np.testing.assert_array_equal(tapes.stored(again, "t"), path)


# ---------------------------------------------------------------------------------------------- paths as arrays and files


def test_paths_are_resampled_and_mixed() -> None:
    np.testing.assert_array_equal(paths.resample(PATH, 10), PATH)
    for how in ("linear", "cubic"):
        np.testing.assert_array_equal(paths.resample(PATH, 19, how)[::2], PATH)
        np.testing.assert_array_equal(paths.resample(PATH, 4, how), PATH[[0, 3, 6, 9]])
    straight = np.float32(np.outer(np.linspace(0, 1, 10), [1, -2]))
    np.testing.assert_allclose(paths.resample(straight, 33), np.outer(np.linspace(0, 1, 33), [1, -2]), atol=1e-6)
    inner = paths.read(straight, np.linspace(1, 8, 50), "cubic")  # a cubic through points of a line is the line
    np.testing.assert_allclose(inner, np.outer(np.linspace(1, 8, 50) / 9, [1, -2]), atol=1e-6)
    assert len(paths.resample(PATH, 1)) == 1 and len(paths.resample(PATH[:1], 7)) == 7
    mixed = paths.morph(PATH, PATH[:5])
    np.testing.assert_array_equal(mixed[[0, -1]], [PATH[0], PATH[4]])
    assert len(mixed) == 10


def test_principal_axes() -> None:
    rng = np.random.default_rng(2)
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    path = np.float32((rng.normal(size=(3000, 4)) * [4.0, 2.0, 1.0, 0.5]) @ turn.T + [1, 2, 3, 4])
    mean, matrix = paths.fit(path)
    assert mean.shape == (1, 4) and matrix.shape == (4, 4) and matrix.flags.c_contiguous
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(4), atol=1e-5)
    np.testing.assert_allclose(np.abs(matrix @ turn), np.eye(4), atol=0.05)
    np.testing.assert_allclose(((path - mean) @ matrix.T).std(0), [4, 2, 1, 0.5], rtol=0.05)
    np.testing.assert_allclose(paths.moments(path), np.stack([path.mean(0), path.std(0)], 1), rtol=1e-4)
    np.testing.assert_allclose(paths.fit(PATH[:1])[1] @ paths.fit(PATH[:1])[1].T, np.eye(8), atol=1e-6)  # one point


@pytest.mark.parametrize("kind", paths.KINDS)
def test_paths_go_through_files(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"p{kind}"
    paths.save(file, PATH)
    np.testing.assert_array_equal(paths.load(file), PATH)


def bad_files(folder: Path) -> dict[Path, str]:
    """Files that hold no path, and what is said of them."""
    made = {
        name: folder / name for name in ("a.json", "b.json", "c.npy", "d.npz", "e.npy", "f.npz", "g.txt", "h.npy", "i.json")
    }
    made["a.json"].write_text("[[1, 2], [3]]")
    made["b.json"].write_text("[" * 100_000)
    made["c.npy"].write_bytes(b"no array")
    made["d.npz"].write_bytes(b"PK\x03\x04 cut off")
    np.save(made["e.npy"], np.array([{}], object))
    np.savez(made["f.npz"], x=PATH, y=PATH)
    made["g.txt"].write_text("1")
    np.save(made["h.npy"], np.array([[np.nan]]))
    made["i.json"].write_text("[]")
    said = {
        "a.json": "rows of numbers",
        "f.npz": "none is called path",
        "g.txt": r"\.npy, \.npz, \.json",
        "h.npy": "not finite",
    }
    return {file: said.get(name, "") for name, file in made.items()}


def test_files_without_a_path_are_one_sentence(tmp_path: Path) -> None:
    for file, sentence in bad_files(tmp_path).items():
        with pytest.raises(ValueError, match=f"{file.name}: .*{sentence}") as e:
            paths.load(file)
        assert "\n" not in str(e.value)
    with pytest.raises(OSError):
        paths.load(tmp_path / "none.npy")
    for wrong in (np.zeros((1, 513)), np.zeros((1 << 16) + 1), np.zeros((2, 2, 2)), np.full((1, 1), 1e39)):
        with pytest.raises(ValueError, match="a path "):
            paths.path(wrong)


# ---------------------------------------------------------------------------------------------- the command


def call(*args: object) -> tuple[int, str]:
    result = CliRunner().invoke(command, [str(a) for a in args])
    assert result.exception is None or isinstance(result.exception, SystemExit | PatchError | OSError), result.exception
    return result.exit_code, result.output + str(result.exception or "")


def test_the_command_brings_a_path_into_a_patch_and_out_again(tmp_path: Path) -> None:
    rack().save(tmp_path / "a.zrack")
    other = np.float32(RNG.normal(size=(20, 8)))
    paths.save(tmp_path / "p.npz", other)
    code, text = call(tmp_path / "a.zrack", "t", "--save", tmp_path / "q.npy")
    assert code == 0 and "10 frames of 8 dims" in text
    np.testing.assert_array_equal(np.load(tmp_path / "q.npy"), PATH)
    assert call(tmp_path / "a.zrack", "t", "--load", tmp_path / "p.npz", "--resample", 39, "--reverse")[0] == 0
    kept = tapes.stored(Patch.load(tmp_path / "a.zrack"), "t")
    np.testing.assert_array_equal(kept[::2], other[::-1])
    code, text = call(tmp_path / "a.zrack", "t")
    assert code == 0 and text.endswith("node t: 39 frames of 8 dims\n")
    for args, sentence in (
        (["u"], "node u is no latent tape"), (["x", "--resample", 5], "node x is no latent tape"),
        (["t", "--load", tmp_path / "p.json"], "p.json"), (["t", "--load", tmp_path / "a.zrack"], "a path is kept in"),
    ):  # fmt: skip
        code, text = call(tmp_path / "a.zrack", *args)
        assert code != 0 and sentence in text
    (tmp_path / "p.json").write_text(json.dumps([[1.0, 2.0]]))
    p = Patch.load(tmp_path / "a.zrack")
    p.add("latent/rotate", "r")
    p.save(tmp_path / "a.zrack")
    assert call(tmp_path / "a.zrack", "t", "--fit", "r")[0] == call(tmp_path / "a.zrack", "t", "--fit", "z")[0] == 0
    fitted = Patch.load(tmp_path / "a.zrack")
    mean, matrix = paths.fit(kept)
    np.testing.assert_array_equal(np.float32(fitted.value("r", "matrix")), matrix)
    np.testing.assert_array_equal(np.float32(fitted.value("r", "mean")), mean)
    np.testing.assert_array_equal(np.float32(fitted.value("z", "moments")), paths.moments(kept))
    assert "node u cannot be fitted" in call(tmp_path / "a.zrack", "t", "--fit", "u")[1]
    assert call(tmp_path / "a.zrack", "t", "--load", tmp_path / "p.json")[0] == 0
    assert Patch.load(tmp_path / "a.zrack").value("t", "path") == ((1.0, 2.0),)
