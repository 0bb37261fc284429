"""View nodes: what comes in goes out unchanged, in a rack too, and a note disturbs nothing."""

from __future__ import annotations

import numpy as np
import pytest

from graph import edits
from nodes import Patch, classes
from runtime.offline import render
from tests.rig import run

THROUGH = ["view/scope", "view/spectrum", "view/spectrogram", "view/meter", "view/history"]


@pytest.mark.parametrize("id", THROUGH)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_comes_in_goes_out(id: str, channels: int) -> None:
    x = np.random.default_rng(1).uniform(-2, 2, (100, channels)).astype(np.float32)
    assert np.array_equal(run(classes[id], frames=100, channels=channels, audio=x)["out"], x)


def test_xy_has_x_and_y_in_two_channels() -> None:
    x, y = np.random.default_rng(1).uniform(-1, 1, (2, 100)).astype(np.float32)
    out = run(classes["view/xy"], frames=100, x=x, y=y)["out"]
    assert np.array_equal(out, np.stack([x, y], 1))


@pytest.mark.parametrize("id", THROUGH)
def test_in_a_cable_the_sound_is_the_same(id: str) -> None:
    patch = Patch()
    patch.add("source/saw", "osc")
    patch.add("io/output", "out")
    patch.connect("osc.out", "out.audio", 0.5)
    dry = render(patch, 0.1).audio
    patch.disconnect("osc.out", "out.audio")
    patch.add(id, "view")
    patch.connect("osc.out", "view.audio")
    patch.connect("view.out", "out.audio", 0.5)
    patch.add("view/note", "note", text="# a title\n\nand more: ünïcode, - lists")
    assert np.array_equal(render(patch, 0.1).audio, dry)


def test_a_note_keeps_its_text(tmp_path) -> None:  # type: ignore[no-untyped-def]
    patch = Patch()
    patch.add("view/note", "note")
    patch.apply(edits.SetSetting("note", "text", "line\nline 2"))
    for name in ("p.zrack", "p.json"):
        patch.save(tmp_path / name)
        assert Patch.load(tmp_path / name).value("note", "text") == "line\nline 2"


def test_views_are_documented_for_the_palette() -> None:
    for id in (*THROUGH, "view/xy", "view/note"):
        spec = classes[id].spec
        assert "display" in spec.tags
        assert {"width", "height"} <= set(spec.settings)
