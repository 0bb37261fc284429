"""Numbers as artists type them: `440*3/2`, `c4`, `1/16`, `+=10`, `-6db`, `2k`, `250ms`, `50%`.

What is typed is in the unit of the param unless it says another one: a note or a time becomes hertz where hertz are asked
for, decibels become a factor where there is no unit.  `+=`, `-=`, `*=` and `/=` start from the value as it is, and so do
semitones (`+=7st`).  Nothing of Python is evaluated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from graph.errors import PatchError, show, suggest
from graph.spec import Param, Setting
from graph.values import span

TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+(?![a-z]))?)|(?P<note>[a-g](?:#|♯|b|♭)?-?\d{1,2}(?![\w.]))"
    r"|(?P<word>[a-zµ]+)|(?P<sign>[-+*/^()%]))"
)
RELATIVE = re.compile(r"\s*([-+*/])=")
SEMITONES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
CONSTANTS = {"pi": math.pi}
SCALES: dict[str, tuple[str, float]] = {
    "hz": ("Hz", 1.0), "k": ("", 1e3), "khz": ("Hz", 1e3), "mhz": ("Hz", 1e-3), "s": ("s", 1.0), "sec": ("s", 1.0),
    "ms": ("s", 1e-3), "us": ("s", 1e-6), "µs": ("s", 1e-6), "min": ("s", 60.0), "db": ("dB", 1.0), "bpm": ("bpm", 1.0),
    "v": ("V", 1.0), "mv": ("V", 1e-3), "st": ("st", 1.0), "ct": ("st", 0.01), "x": ("", 1.0), "bits": ("bits", 1.0),
    "cycles": ("cycles", 1.0), "deg": ("cycles", 1 / 360),
}  # fmt: skip
"""What may stand behind a number: the unit it means and how many of that it is."""
DEPTH = 64  # brackets inside each other


def note(text: str) -> float:
    """Number of a note (69 is a4, 60 is c4), or PatchError."""
    match = re.fullmatch(r"([a-g])(#|♯|b|♭)?(-?\d{1,2})", text.strip().lower())
    if match is None:
        raise PatchError(f"{show(text)} is no note, such as c4, f#3 or eb2")
    shift = {"#": 1, "♯": 1, "b": -1, "♭": -1}.get(match[2] or "", 0)
    return float(SEMITONES[match[1]] + shift + 12 * (int(match[3]) + 1))


def hertz(number: float) -> float:
    """Frequency of a note number, a4 at 440 Hz."""
    return float(440.0 * 2.0 ** ((number - 69.0) / 12.0))


def number(text: str, unit: str = "", current: float | None = None) -> float:
    """The value, in `unit`, of what was typed; `current` is what `+=` starts from.  Raises PatchError."""
    text = text.strip().lower().replace("−", "-").replace("×", "*").replace("÷", "/")
    text = re.sub(r"(?<=\d),(?=\d)", ".", text)
    relative = RELATIVE.match(text)
    try:
        if relative is None:
            result = _Reader(text, unit).all()
        elif current is None:
            raise PatchError(f"{show(text)} needs a value to start from")
        else:
            result = _moved(relative[1], text[relative.end() :], unit, current)
    except (ZeroDivisionError, OverflowError, TypeError, ValueError) as e:
        if isinstance(e, PatchError):
            raise
        raise PatchError(f"{show(text)} has no finite value") from None
    if not math.isfinite(result):
        raise PatchError(f"{show(text)} has no finite value")
    return result


def _moved(sign: str, rest: str, unit: str, current: float) -> float:
    """`current` after `+=` and so on; semitones move frequencies by a factor, decibels levels without a unit."""
    step = re.fullmatch(r"\s*([-+]?[\d.]+)\s*(st|ct|db)\s*", rest)
    if step and sign in "+-" and (step[2] == "db") == (unit == "") and unit in ("Hz", ""):
        size = float(step[1]) * (-1.0 if sign == "-" else 1.0)
        exponent = {"st": size / 12, "ct": size / 1200}.get(step[2])
        factor: float = 10.0 ** (size / 20) if exponent is None else 2.0**exponent
        return current * factor
    value = _Reader(rest, "" if sign in "*/" else unit).all()
    if sign == "+":
        return current + value
    return current - value if sign == "-" else current * value if sign == "*" else current / value


class _Reader:
    """Reads sums of products of powers, with units behind the numbers."""

    def __init__(self, text: str, unit: str) -> None:
        self.text, self.unit = text, unit
        self.depth = 0
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            match = TOKEN.match(text, at)
            if match is None:
                raise PatchError(f"{show(text)} is no number: {show(text[at:].strip()[:1])} has no meaning there")
            self.tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            at = match.end()
        self.tokens.reverse()

    def all(self) -> float:
        if not self.tokens:
            raise PatchError("type a number, a note such as c4, or a sum such as 440*3/2")
        value = self.sum()
        if self.tokens:
            raise PatchError(f"{show(self.text)} is no number: {show(self.tokens[-1][1])} has no meaning there")
        return value

    def take(self, signs: str) -> str:
        """The next token where it is one of these signs, else nothing."""
        if self.tokens and self.tokens[-1][0] == "sign" and self.tokens[-1][1] in signs:
            return self.tokens.pop()[1]
        return ""

    def sum(self) -> float:
        value = self.product()
        while sign := self.take("+-"):
            other = self.product()
            value = value + other if sign == "+" else value - other
        return value

    def product(self) -> float:
        value = self.signed()
        while sign := self.take("*/"):
            other = self.signed()
            value = value * other if sign == "*" else value / other
        return value

    def signed(self) -> float:
        turn = False
        while sign := self.take("+-"):
            turn ^= sign == "-"
        return self.power(-1.0 if turn else 1.0)

    def power(self, turn: float) -> float:
        value = self.part(turn)
        if self.take("^"):
            self.deeper()
            raised: float = abs(value) ** self.signed() * turn if turn < 0 else value ** self.signed()
            value = float(raised)
            self.depth -= 1
        return value

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEPTH:
            raise PatchError(f"{show(self.text)} is nested too deeply")

    def part(self, turn: float) -> float:
        """A number with its unit, a note, a constant, or what stands in brackets; `turn` is the sign in front of it."""
        if self.take("("):
            self.deeper()
            value = self.sum()
            self.depth -= 1
            if not self.take(")"):
                raise PatchError(f"{show(self.text)} has a bracket that is not closed")
            return turn * value
        if not self.tokens or self.tokens[-1][0] == "sign":
            raise PatchError(f"{show(self.text)} breaks off")
        kind, text = self.tokens.pop()
        if kind == "note":
            value = note(text)
            return turn * (hertz(value) if self.unit == "Hz" else 1 / hertz(value) if self.unit == "s" else value)
        if kind == "word":
            if text not in CONSTANTS:
                raise PatchError(f"{show(text)} is no number{suggest(text, CONSTANTS)}")
            return turn * CONSTANTS[text]
        value = turn * float(text)
        if self.take("%"):
            return value / 100
        while self.tokens and self.tokens[-1][0] == "word" and self.tokens[-1][1] in SCALES:
            value = self.convert(value, self.tokens.pop()[1])
        return value

    def convert(self, value: float, word: str) -> float:
        """`value` of the unit `word` in the unit asked for, or PatchError."""
        unit, scale = SCALES[word]
        value *= scale
        if unit in ("", self.unit):
            return value
        pair = unit, self.unit
        if pair in (("s", "Hz"), ("Hz", "s")):
            return 1 / value
        if pair in (("bpm", "Hz"), ("Hz", "bpm")):
            return value / 60 if unit == "bpm" else value * 60
        if pair in (("bpm", "s"), ("s", "bpm")):
            return 60 / value
        if pair == ("dB", ""):
            return float(10.0 ** (value / 20))
        if unit == "st":
            raise PatchError(f"semitones move a frequency; write +={value:g}st")
        raise PatchError(f"{unit} cannot be turned into {self.unit}" if self.unit else f"this value takes no {unit}")


def param(text: str, spec: Param, current: float) -> float:
    """The value for a param of what was typed: `50%` of one with a unit is half of the knob's way.

    What is typed must be in range; what `+=` and its like lead to stops at the ends.  Raises PatchError.
    """
    percent = re.fullmatch(r"\s*(\d+(?:[.,]\d+)?)\s*%\s*", text)
    if percent and spec.unit:
        return spec.at(float(percent[1].replace(",", ".")) / 100)
    value = number(text, spec.unit, current)
    if RELATIVE.match(text):
        return min(max(value, spec.low), spec.high)
    if not spec.low <= value <= spec.high:
        raise PatchError(f"this knob takes {span(spec.low, spec.high, spec.unit)}, not {show(value)}")
    return value


def option(text: str, options: Sequence[str]) -> str:
    """The option that was meant: its name, the only one that begins so, or its place from 1.  Raises PatchError."""
    word = text.strip().lower()
    exact = [o for o in options if o.lower() == word]
    begun = exact or [o for o in options if word and o.lower().startswith(word)]
    if len(begun) == 1:
        return begun[0]
    if not begun and word.isdigit() and 1 <= int(word) <= len(options):
        return options[int(word) - 1]
    raise PatchError(f"{show(text)} is none of {', '.join(options)}")


def setting(text: str, spec: Setting, current: int | float | str) -> int | float | str:
    """The value for a setting of what was typed.  Raises PatchError."""
    if spec.kind in ("text", "file"):
        return text.strip()
    if spec.kind == "choice":
        return option(text, spec.options)
    value = number(text, spec.unit, float(current))
    if not spec.low <= value <= spec.high:
        raise PatchError(f"this setting takes {span(spec.low, spec.high, spec.unit)}, not {show(value)}")
    if spec.kind == "int" and value != round(value):
        raise PatchError(f"this setting takes a whole number, not {show(value)}")
    return round(value) if spec.kind == "int" else value


def written(value: float, unit: str = "") -> str:
    """A value for the field where another is typed: exact enough that `number` reads the same value back."""
    text = f"{value:.9g}"
    return f"{text} {unit}" if unit.lower() in SCALES else text
