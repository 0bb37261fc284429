"""The patches that come with zrack: whole, sounding, in bounds, and the same however they are computed."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from graph import file
from graph.check import check, diff
from nodes import Patch
from patches import make
from patches.layout import melody, volts
from runtime.offline import render

FILES = sorted(make.HERE.glob("**/*.zrack"))
LOOPS = ("latent-loop", "feedback-shaping")
"""Through a model: they go back without a delayed cable, once."""
NAMES = [path.stem for path in make.HERE.glob("*.zrack")]
QUIET, LOUD = 0.02, 0.5  # RMS over four seconds
CUTS = (1, 32, 100, 256, 1000)


@cache
def heard(name: str) -> np.ndarray:
    """Four seconds of a patch."""
    result = render(Patch.load(make.HERE / f"{name}.zrack"), 4.0)
    assert not result.faults
    return result.audio


def test_the_folder_holds_what_is_made() -> None:
    assert {str(path.relative_to(make.HERE).with_suffix("")) for path in FILES} == set(make.PATCHES)
    assert len(NAMES) >= 7


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_files_are_what_make_builds(path: Path) -> None:
    kept = Patch.load(path)
    built = make.build(str(path.relative_to(make.HERE).with_suffix("")))
    assert diff(kept, built) == []
    assert file.dump(built) == path.read_bytes(), "build again with: python -m patches.make"
    assert kept.notes == [] and check(kept) == []
    assert kept.meta["doc"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_signals_run_from_left_to_right(path: Path) -> None:
    patch = Patch.load(path)
    places = [node.at for node in patch.nodes.values()]
    assert len(set(places)) == len(places)
    back = [
        (src, dst) for (src, _, dst, _), cable in patch.cables.items()
        if not cable.delayed and patch.nodes[src].at[0] >= patch.nodes[dst].at[0]
    ]  # fmt: skip
    assert len(back) == (path.stem in LOOPS), back


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_text_form_is_the_same_patch(path: Path, tmp_path: Path) -> None:
    patch = Patch.load(path)
    again = file.loads(file.dump_text(patch), file=path.name)
    again.folder = patch.folder
    assert again == patch


@pytest.mark.parametrize("name", NAMES)
def test_in_bounds_and_never_still(name: str) -> None:
    x = heard(name)
    assert x.shape == (4 * 48000, 2)
    assert np.isfinite(x).all()
    assert 0.2 < np.abs(x).max() <= 1.0
    assert QUIET < np.sqrt(np.mean(np.square(x, dtype=np.float64))) < LOUD
    assert np.abs(x.mean(0, dtype=np.float64)).max() < 0.01, "an offset"
    tenths = np.sqrt(np.square(x, dtype=np.float64).reshape(40, -1, 2).mean((1, 2)))
    assert tenths.min() > 1e-4, "a hole"
    assert tenths.max() > 1.2 * tenths.min(), "nothing happens"
    assert not np.array_equal(x[:, 0], x[:, 1]), "mono"


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("feedback", *LOOPS)])
def test_the_limiter_has_nothing_to_do(name: str) -> None:
    patch = Patch.load(make.HERE / f"{name}.zrack")
    patch.limiter = False
    assert np.abs(render(patch, 4.0).audio).max() < 1.0


def test_feedback_screams_and_the_limiter_holds_it() -> None:
    assert np.abs(heard("feedback")).max() <= 1.0
    patch = Patch.load(make.HERE / "feedback.zrack")
    patch.limiter = False
    assert np.abs(render(patch, 4.0).audio).max() > 1.2
    patch.limiter = True
    patch.set("left-drive", drive=100.0)
    patch.set("right-drive", drive=100.0)
    patch.set("out", level=12.0)
    result = render(patch, 2.0)
    assert not result.faults
    assert 0.99 < np.abs(result.audio).max() <= 1.0


def test_feedback_is_silent_until_it_is_struck() -> None:
    patch = Patch.load(make.HERE / "feedback.zrack")
    patch.set("spark", freq=0.05)
    for side in ("left", "right"):
        patch.disconnect("spark.out", f"{side}-sum.in1")
    assert not render(patch, 0.5).audio.any()


@pytest.mark.parametrize("name", NAMES)
def test_cuts_and_fusing_cannot_be_heard(name: str) -> None:
    patch = Patch.load(make.HERE / f"{name}.zrack")
    whole = render(patch, 0.25).audio
    assert np.abs(whole).max() > 0.01
    assert np.array_equal(render(patch, 0.25, fused=False).audio, whole)
    for cut in CUTS:
        part = render(patch, 0.25 if cut > 1 else 0.02, cut=cut).audio
        assert np.array_equal(part, whole[: len(part)]), cut


@pytest.mark.parametrize("name", NAMES)
def test_twice_is_the_same(name: str) -> None:
    again = render(Patch.load(make.HERE / f"{name}.zrack"), 0.5, cut=512).audio
    assert np.array_equal(again, heard(name)[: len(again)])


def test_the_demo_is_cheap_to_compile() -> None:
    types = {node.type for node in Patch.load(make.HERE / "demo.zrack").nodes.values()}
    assert len(types) <= 25


def test_the_readme_names_every_patch_and_knobs_that_exist() -> None:
    rows = re.findall(r"^\| `(\S+)` \| .* \| (.*) \|$", (make.HERE / "README.md").read_text(), re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(NAMES)
    for name, turn in rows:
        patch = Patch.load(make.HERE / f"{name}.zrack")
        knobs = re.findall(r"`([\w-]+)\.([\w-]+)`", turn)
        assert len(knobs) >= 2, name
        for node, item in knobs:
            patch.value(node, item)


def test_recordings_are_small_and_accounted_for() -> None:
    readme = (make.HERE / "sounds" / "README.md").read_text()
    sounds = sorted((make.HERE / "sounds").glob("*.flac"))
    used = {str(node.settings["file"]) for name in NAMES for node in Patch.load(make.HERE / f"{name}.zrack").nodes.values()
            if node.type == "source/sample"}  # fmt: skip
    assert used == {f"sounds/{path.name}" for path in sounds}
    for path in sounds:
        assert path.stat().st_size < 600_000
        assert re.search(rf"`{path.name}` \|.*https://freesound.org/people/", readme)


def test_one_definition_gives_two_sounds() -> None:
    patch = Patch.load(make.HERE / "subpatch-twice.zrack")
    assert patch.inner("lute") == patch.inner("theorbo")
    assert patch.value("lute", "sustain") == 0.965 and patch.value("theorbo", "sustain") == 0.9985


def test_notes() -> None:
    assert volts("C4") == 0.0 and volts("A4") == 0.75 and volts("Bb2") == pytest.approx(-14 / 12)
    assert melody("F#5 - C3:0.5") == [[pytest.approx(1.5), 1.0], [0.0, 0.0], [-1.0, 0.5]]


def test_make_refuses_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert make.main(["dmeo"]) == 1
    assert "demo" in capsys.readouterr().err
