"""Curves: operators, copies and other lengths as the command line asks for them, and from one tape to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from graph import Patch, PatchError
from nodes import catalog
from nodes.dsp import curves
from runtime import tapes
from runtime.cli_tape import tape as tape_command

RNG = np.random.default_rng(5)

catalog.load()


def test_curves_are_sent_from_tape_to_tape() -> None:
    source, goal = np.float32(RNG.normal(size=(9, 3))), np.float32(RNG.normal(size=(5, 3)))
    patch = Patch()
    for name in ("a", "b", "blank", "far"):
        patch.add("latent/tape", name, dims=4 if name == "far" else 3, ratio=512)
    patch.set("a", path=source.tolist(), space="strings", rate=24000)
    patch.set("b", path=goal.tolist())

    def after(name: str, dims: list[int] | None) -> np.ndarray:
        back = patch.apply(edit := tapes.send(patch, "a", name, dims))
        found = np.float32(patch.value(name, "path"))
        assert edit.label == f"send {'a' if dims is None else f'dimension {dims[0] + 1} of a'} to {name}"
        assert [patch.value(name, key) for key in tapes.SPACE] == ["strings", 3, 512, 24000]
        patch.apply(back)
        return found

    np.testing.assert_array_equal(after("b", None), source)
    one = after("b", [1])
    np.testing.assert_array_equal(one[:, [0, 2]], goal[:, [0, 2]])
    np.testing.assert_allclose(one[:, 1], source[::2, 1], atol=1e-6)  # in as many rows as the others have
    new = after("blank", [2])
    np.testing.assert_array_equal(new[:, 2], source[:, 2])
    assert new.shape == (9, 3) and not new[:, :2].any()
    with pytest.raises(PatchError, match="node a: there is no dimension 4 of 3 to take"):
        tapes.send(patch, "a", "b", [3])
    with pytest.raises(PatchError, match="node a cannot take curves from itself"):
        tapes.send(patch, "a", "a")
    patch.connect("far.out", "b.z")
    with pytest.raises(PatchError, match=r"node b: is in the latent space .*4 dims.* and a in strings \(3 dims"):
        tapes.send(patch, "a", "b")


def call(command: Any, *args: object) -> tuple[int, str]:
    result = CliRunner().invoke(command, [str(a) for a in args])
    assert result.exception is None or isinstance(result.exception, SystemExit | PatchError), result.exception
    return result.exit_code, result.output + str(result.exception or "")


def test_the_command_does_what_the_curves_window_does(tmp_path: Path) -> None:
    file, rows = tmp_path / "p.zrack", np.float32(RNG.normal(size=(20, 3)))
    patch = Patch()
    patch.add("latent/tape", "t", dims=3, path=rows.tolist())
    patch.add("latent/tape", "u", dims=3)
    patch.save(file)

    def path(name: str = "t") -> np.ndarray:
        return np.float32(Patch.load(file).value(name, "path"))

    def done(word: str, amount: float = 1.0, step: int = 1, seed: int = 0, dims: Any = (0, 1, 2)) -> np.ndarray:
        return np.float32(curves.operate(rows, word, dims, 0, len(rows) - 1, curves.Wish(amount, step, seed)))

    for args, wanted in (
        (("--random", 0.5, "--step", 4, "--seed", 7), done("random", 0.5, 4, 7)), (("--scale", -2), done("scale", -2)),
        (("--bias", 0.25), done("bias", 0.25)), (("--smooth", 5), done("smooth", 5)), (("--reverse",), rows[::-1]),
        (("--erase", "--dim", 2), done("erase", dims=[1])),
        (("--scale", 3, "--dim", 1, "--dim", 3), done("scale", 3, dims=[0, 2])),
    ):  # fmt: skip
        patch.save(file)
        code, said = call(tape_command, file, "t", *args)
        assert code == 0 and said.endswith("20 frames of 3 dims\n"), said
        np.testing.assert_allclose(path(), wanted, atol=1e-6)
    patch.save(file)
    assert call(tape_command, file, "t", "--bias", 1, "--scale", 2, "--reverse", "--erase", "--dim", 1)[0] == 0
    np.testing.assert_allclose(path()[:, 0], 1.0)  # erased, reversed, scaled, and only then shifted
    np.testing.assert_array_equal(path()[:, 1:], rows[:, 1:])
    patch.save(file)
    assert call(tape_command, file, "u", "--copy-from", "t", "--dim", 2, "--resample", 39, "--scale", 2)[0] == 0
    np.testing.assert_allclose(path("u")[::2, 1], 2 * rows[:, 1], atol=1e-6)
    assert path("u").shape == (39, 3) and not path("u")[:, [0, 2]].any()
    assert call(tape_command, file, "u", "--copy-from", "t")[0] == 0
    np.testing.assert_array_equal(path("u"), rows)
    assert call(tape_command, file, "u", "--copy-from", "t", "--random", 1, "--save", tmp_path / "q.npy")[0] == 0
    np.testing.assert_array_equal(path("u"), rows)
    assert np.load(tmp_path / "q.npy").shape == (20, 3)
    for args, sentence in (
        (("t", "--scale", 2, "--dim", 4), "there is no dimension 4; the path has 3"),
        (("t", "--copy-from", "x"), "node x is no latent tape"), (("t", "--copy-from", "t"), "cannot take curves from itself"),
    ):  # fmt: skip
        code, said = call(tape_command, file, *args)
        assert code != 0 and sentence in said


def test_what_is_sent_into_a_plane_names_the_space_and_leaves_the_clock() -> None:
    """Its other paths are of the same clock, said in another way; a change of it, however short, would be refused."""
    patch = Patch()
    rest = {"ratio": 512, "rate": 24000}
    patch.add("latent/tape", "now", path=[[0.5, 1.0], [0.25, 2.0]], space="x", dims=2, ratio=8, rate=375)
    patch.add("latent/plane", "plane")
    for name, inlet in (("one", "a"), ("two", "b")):
        patch.add("latent/tape", name, dims=2, **rest)
        patch.connect(f"{name}.out", f"plane.{inlet}")
    patch.apply(tapes.send(patch, "now", "one"))
    assert patch.value("one", "path") == patch.value("now", "path")
    assert [patch.value("one", n) for n in tapes.SPACE] == ["x", 2, 512, 24000]
