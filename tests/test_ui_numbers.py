"""Numbers as they are typed."""

from __future__ import annotations

import math

import pytest

from graph import Choice, Param, PatchError, Setting
from ui import numbers

CUTOFF = Param(1000.0, 20.0, 20000.0, "Hz", "exp")
LEVEL = Param(0.5, 0.0, 2.0)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("440*3/2", "Hz", 660.0),
        ("1/16", "", 0.0625),
        ("c4", "", 60.0),
        ("a4", "Hz", 440.0),
        ("a5*2", "Hz", 1760.0),
        ("eb2", "Hz", 77.7817459),
        ("F#3", "", 54.0),
        ("c-1", "", 0.0),
        ("-6db", "dB", -6.0),
        ("-6 dB", "", 10 ** (-6 / 20)),
        ("2k", "Hz", 2000.0),
        ("1.2 kHz", "Hz", 1200.0),
        ("250ms", "s", 0.25),
        ("250ms", "Hz", 4.0),
        ("120 bpm", "Hz", 2.0),
        ("2hz", "bpm", 120.0),
        ("50%", "", 0.5),
        ("-2^2", "", -4.0),
        ("(-2)^2", "", 4.0),
        ("2^3^2", "", 512.0),
        ("2*-3 + 10", "", 4.0),
        ("−3", "", -3.0),
        ("0,5", "", 0.5),
        (".5", "", 0.5),
        ("1e3", "", 1000.0),
        ("2*pi", "", 2 * math.pi),
        ("90deg", "cycles", 0.25),
    ],
)
def test_typed(text: str, unit: str, value: float) -> None:
    assert numbers.number(text, unit) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("+=10", "Hz", 450.0),
        ("-= 1/4 * 40", "Hz", 430.0),
        ("*=3/2", "Hz", 660.0),
        ("/=2", "Hz", 220.0),
        ("+=12st", "Hz", 880.0),
        ("-=1200ct", "Hz", 220.0),
        ("+=1k", "Hz", 1440.0),
    ],
)
def test_relative(text: str, unit: str, value: float) -> None:
    assert numbers.number(text, unit, 440.0) == pytest.approx(value)


def test_decibels_move_a_factor() -> None:
    assert numbers.number("-=6db", "", 1.0) == pytest.approx(0.501187)
    assert numbers.number("+=6db", "dB", -12.0) == -6.0


@pytest.mark.parametrize(
    "text",
    ["", "  ", "foo", "1/0", "9^9^9^9", "(-2)^0.5", "((1", "1)", "3 3", "a4+", "1..2", "h4", "__import__('os')", "lambda",
     "1;2", "c99", "5s", "3st", "(" * 9999 + "1", "2^" * 9999 + "2", "nan", "inf", "1e999", "\x00", "2**3"],
)  # fmt: skip
def test_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(PatchError) as e:
        numbers.number(text, "", 1.0) if text != "c99" else numbers.param(text, CUTOFF, 1.0)
    assert str(e.value)
    assert "\n" not in str(e.value)


def test_param_range() -> None:
    assert numbers.param("c4", CUTOFF, 1000.0) == pytest.approx(261.6256)
    with pytest.raises(PatchError, match="20 … 20000 Hz, not 30000"):
        numbers.param("30k", CUTOFF, 1000.0)
    assert numbers.param("*=100", CUTOFF, 1000.0) == 20000.0  # a step stops at the end


def test_percent_is_the_knob_where_there_is_a_unit() -> None:
    assert numbers.param("50%", CUTOFF, 1000.0) == pytest.approx(CUTOFF.at(0.5))
    assert numbers.param("50%", LEVEL, 0.1) == 0.5


def test_options_and_settings() -> None:
    shapes = Choice("sine", ("sine", "saw", "square")).options
    assert numbers.option("SQ", shapes) == "square"
    assert numbers.option("2", shapes) == "saw"
    with pytest.raises(PatchError, match="sine, saw, square"):
        numbers.option("s", shapes)
    voices = Setting(1, 1, 64)
    assert numbers.setting("2*4", voices, 1) == 8
    assert isinstance(numbers.setting("+=1", voices, 1), int)
    for text in ("1.5", "65"):
        with pytest.raises(PatchError):
            numbers.setting(text, voices, 1)
    assert numbers.setting(" kick.flac ", Setting("", kind="file"), "") == "kick.flac"
    assert numbers.setting("ups", Setting("up", kind="choice", options=("ups", "up")), "up") == "ups"


@pytest.mark.parametrize("unit", ["Hz", "s", "dB", "", "bpm", "V", "bits", "cycles", "parsec"])
@pytest.mark.parametrize("value", [0.0, 1.0, -6.5, 440.123456, 1e-5, 123456.0])
def test_written_is_read_back(unit: str, value: float) -> None:
    assert numbers.number(numbers.written(value, unit), unit) == pytest.approx(value, rel=1e-8)
