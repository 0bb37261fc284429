"""Themes: text can be read, cable colours stay apart for every kind of eye, sizes fit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from nodes import catalog
from ui import text, theme
from ui.theme import DARK, LIGHT, THEMES, Colour, Theme

EYES = {  # Machado, Oliveira and Fernandes 2009, full severity, on linear RGB
    "normal": np.eye(3),
    "protan": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deutan": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "tritan": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}


def linear(colour: Colour) -> np.ndarray:
    c = np.array(colour[:3]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(a: Colour, b: Colour) -> float:
    la, lb = sorted((float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b)), reverse=True)
    return (la + 0.05) / (lb + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    m = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    f = np.cbrt(np.clip(m @ np.clip(rgb, 0, 1) / [0.9505, 1.0, 1.089], 1e-4, None))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("t", THEMES.values(), ids=THEMES)
@pytest.mark.parametrize("eye", EYES)
def test_cable_colours_stay_apart_for_every_eye(t: Theme, eye: str) -> None:
    named = {**t.cables, **{f"latent {i}": c for i, c in enumerate(t.latents)}}
    for (a, ca), (b, cb) in itertools.combinations(named.items(), 2):
        away = np.linalg.norm(lab(EYES[eye] @ linear(ca)) - lab(EYES[eye] @ linear(cb)))
        both_latent = a.startswith("latent") and b.startswith("latent")  # told apart by the space that is written on hover
        assert away > (12 if both_latent else 18), f"{a} and {b} are {away:.0f} apart"


@pytest.mark.parametrize("t", THEMES.values(), ids=THEMES)
def test_text_and_cables_can_be_seen(t: Theme) -> None:
    for ground in (t.body, t.panel, t.tip, t.canvas, t.field, t.button):
        assert contrast(t.text, ground) > 7
        assert contrast(t.dim, ground) > 4.5
    for colour in (*t.cables.values(), *t.latents, t.bad, t.good, t.selected):
        assert contrast(colour, t.canvas) > 3
        assert contrast(colour, t.body) > 3
    for family, colour in t.families.items():
        assert contrast(t.text, colour) > 4.5, family


def test_both_themes_have_the_same_families_and_every_type_has_one() -> None:
    assert set(DARK.families) == set(LIGHT.families)
    assert set(theme.FAMILIES.values()) <= set(DARK.families)
    catalog.load()
    for id, cls in catalog.classes.items():
        if cls.__module__.startswith("nodes."):  # other tests bring types of their own
            assert id.partition("/")[0] in theme.FAMILIES, f"{id} has no family"


def test_a_latent_space_keeps_its_colour() -> None:
    assert DARK.cable("latent", "rave-v2") == DARK.cable("latent", "rave-v2")
    assert {DARK.cable("latent", f"space {i}") for i in range(60)} == set(DARK.latents)
    assert DARK.cable("sound") == DARK.cables["sound"]


def test_the_scale_is_what_is_set_or_what_the_display_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZRACK_SCALE", raising=False)
    assert [theme.scale_of(None, c) for c in (1.0, 1.9, 9.0)] == [1.0, 2.0, 3.0]
    assert theme.scale_of(0.75, 2.0) == 0.75
    monkeypatch.setenv("ZRACK_SCALE", "1.5")
    assert theme.scale_of(3.0, 2.0) == 1.5


def test_fonts_are_there_with_their_licence() -> None:
    assert theme.SANS.is_file() and theme.MONO.is_file()
    assert "Bitstream" in (theme.FONTS / "LICENSE_DEJAVU").read_text()


def test_text_that_is_cut_says_so_and_fits() -> None:
    assert text.fit("lowpass", 13, 200) == "lowpass"
    cut = text.fit("a very long name of a node", 13, 80)
    assert cut.endswith("…") and text.width(cut, 13) <= 80
    assert text.fit("wide", 13, 10) == ""
    assert text.width("lowpass", 13) == pytest.approx(45, abs=1)  # as DearPyGui draws it
    broken = text.lines("one two three four five six", 13, 60, 2)
    assert len(broken) == 2 and broken[-1].endswith("…") and all(text.width(b, 13) <= 60 for b in broken)


def test_long_names_are_broken_at_their_joints() -> None:
    assert text.broken("bass-overtone", 7, 40, 2) == ("bass-", "overtone")
    assert text.broken("bass", 7, 40, 2) == ("bass",)
    assert text.broken("bass-overtone", 7, 40, 1)[0].endswith("…")
    assert text.broken("x", 7, 1, 3) == ()


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [(1234.0, "Hz", "1.23 kHz"), (440.0, "Hz", "440 Hz"), (0.005, "s", "5 ms"), (0.5, "", "0.5"), (-0.0001, "", "0"),
     (12.345, "dB", "12.3 dB"), (2.0, "s", "2 s"), (100.0, "", "100")],
)  # fmt: skip
def test_numbers_on_knobs_are_short(value: float, unit: str, shown: str) -> None:
    assert text.number(value, unit) == shown


NOTE = """# A heading that is long enough to be broken

plain **bold words** and `code`
- first entry, which is long
- second
12. third"""


@pytest.mark.parametrize("size", [7, 12, 24])
@pytest.mark.parametrize("room", [60.0, 130.0, 400.0])
def test_notes_are_broken_inside_their_room(size: int, room: float) -> None:
    runs, high = text.note(NOTE + "\n" + "w" * 80, size, room)
    assert all(r.x >= 0 and r.x + text.width(r.words, r.size) <= room + 0.01 for r in runs if len(r.words) > 1)
    assert all(r.y + r.size <= high for r in runs)
    lines: dict[float, list[text.Run]] = {}
    for r in runs:
        lines.setdefault(r.y, []).append(r)
    for line in lines.values():  # nothing over another
        line.sort()
        assert all(a.x + text.width(a.words, a.size) <= b.x + 0.01 for a, b in itertools.pairwise(line))
    ys = sorted(lines)
    assert all(b - a >= max(r.size for r in lines[a]) for a, b in itertools.pairwise(ys))
    shown = "".join(r.words for r in sorted(runs, key=lambda r: (r.y, r.x))).replace(" ", "")
    assert shown == "Aheadingthatislongenoughtobebrokenplainboldwordsandcode•firstentry,whichislong•second12.third" + "w" * 80


def test_headings_are_large_and_bold_is_bright() -> None:
    runs, _ = text.note(NOTE, 12, 1000.0)
    look = {r.words: (r.size > 12, r.bright) for r in runs}
    assert look["A heading that is long enough to be broken"] == (True, True)
    assert look["plain"] == (False, False) and look["bold words"] == (False, True) and look["code"] == (False, True)
    assert look["first entry, which is long"] == (False, False)
    marks = [r.x for r in runs if r.words == "•"]
    entries = [r.x for r in runs if r.words in ("first entry, which is long", "second")]
    assert len(marks) == 2 and min(entries) > max(marks) and entries[0] == entries[1]
