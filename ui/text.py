"""How wide text will be, and text that fits: measured from a table, so that it needs no window."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

LINE = 2384
"""Height of a line of DejaVu Sans in font units: a size of n pixels is a line n pixels high."""
_ASCII = (
    651, 821, 942, 1716, 1303, 1946, 1597, 563, 799, 799, 1024, 1716, 651, 739, 651, 690, 1303, 1303, 1303, 1303, 1303, 1303,
    1303, 1303, 1303, 1303, 690, 690, 1716, 1716, 1716, 1087, 2048, 1401, 1405, 1430, 1577, 1294, 1178, 1587, 1540, 604, 604,
    1343, 1141, 1767, 1532, 1612, 1235, 1612, 1423, 1300, 1251, 1499, 1401, 2025, 1403, 1251, 1403, 799, 690, 799, 1716, 1024,
    1024, 1255, 1300, 1126, 1300, 1260, 721, 1300, 1298, 569, 569, 1186, 569, 1995, 1298, 1253, 1300, 1300, 842, 1067, 803,
    1298, 1212, 1675, 1212, 1212, 1075, 1303, 690, 1303, 1716,
)  # fmt: skip
_OTHER = {"×": 1716, "…": 2048, "–": 1024, "→": 1716, "⁻": 1081, "¹": 821, "·": 651, "▸": 1028, "∞": 1706, "•": 1208}
_ADVANCE = {**{chr(32 + i): w for i, w in enumerate(_ASCII)}, **_OTHER}
_WIDE = 1716  # for what the table lacks


def width(text: str, size: float) -> float:
    """Pixels that `text` takes at a font size."""
    return sum(_ADVANCE.get(c, _WIDE) for c in text) * size / LINE


@lru_cache(4096)
def fit(text: str, size: float, room: float) -> str:
    """`text`, or its beginning and an ellipsis where `room` pixels are too few; "" where not even two letters fit."""
    if width(text, size) <= room:
        return text
    left = room - width("…", size)
    end = 0
    for c in text:
        left -= _ADVANCE.get(c, _WIDE) * size / LINE
        if left < 0:
            break
        end += 1
    return text[:end].rstrip() + "…" if end >= 2 else ""


def lines(text: str, size: float, room: float, most: int = 99) -> list[str]:
    """`text` broken between words into lines of at most `room` pixels; the last of `most` lines ends in an ellipsis."""
    found: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if line and width(longer, size) > room:
                found.append(line)
                longer = word
            line = longer
        found.append(line)
    if len(found) > most:
        found = [*found[: most - 1], found[most - 1] + " …"]
    return [fit(line, size, room) for line in found]


class Run(NamedTuple):
    """Words of one style in a note: place and font size in pixels; `bright` are headings and what is bold."""

    x: float
    y: float
    words: str
    size: int
    bright: bool


HEADINGS = (1.45, 1.25, 1.12)
"""How much larger the headings of a note are: #, ## and ###."""
LEADING = 1.25  # from line to line


@lru_cache(256)
def note(content: str, size: int, room: float) -> tuple[tuple[Run, ...], float]:
    """A note as it is drawn, and its height: light Markdown (headings, lists, **bold**, `code`), broken into `room` pixels."""
    runs: list[Run] = []
    y = 0.0
    for source in content.splitlines():
        line = source.strip()
        if not line:
            y += size * LEADING / 2
            continue
        indent, large = 0.0, size
        if found := re.match(r"(#{1,6})\s+(.*)", line):
            large = round(size * HEADINGS[min(len(found[1]), len(HEADINGS)) - 1])
            y += size * 0.3 if runs else 0.0
            line = f"**{found[2].replace('**', '')}**"
        elif found := re.match(r"([-*+]|\d+[.)])\s+(.*)", line):
            mark = "•" if found[1] in "-*+" else found[1]
            deep = (len(source) - len(source.lstrip())) * size * 0.25
            runs.append(Run(deep, y, mark, size, False))
            indent, line = deep + width(mark + " ", size), found[2]
        y = _flow(runs, line, indent, y, large, room)
    return tuple(runs), y


def _flow(runs: list[Run], line: str, indent: float, y: float, size: int, room: float) -> float:
    """Adds a paragraph with `**` in it to the runs of a note; gives where the next one begins."""
    x, space, bright = indent, 0.0, False
    for part in re.split(r"(\*\*|`)", line):
        if part in ("**", "`"):
            bright = not bright
            continue
        for blank, word in re.findall(r"(\s*)(\S*)", part):
            space = width(" ", size) if blank else space
            while word:
                wide = width(word, size)
                if x + space + wide > room and x > indent:
                    x, y, space = indent, y + size * LEADING, 0.0
                piece = word if indent + wide <= room else _piece(word, size, room - indent)
                last = runs[-1] if runs else None
                if last is not None and space and (last.y, last.size, last.bright) == (y, size, bright) and x > indent:
                    runs[-1] = last._replace(words=f"{last.words} {piece}")
                else:
                    runs.append(Run(x + space, y, piece, size, bright))
                x, space, word = x + space + width(piece, size), 0.0, word[len(piece) :]
    return y + size * LEADING


def _piece(word: str, size: float, room: float) -> str:
    """As many letters of a word as fit, at least one."""
    return next((word[:k] for k in range(len(word), 1, -1) if width(word[:k], size) <= room), word[:1])


@lru_cache(4096)
def broken(name: str, size: float, room: float, most: int) -> tuple[str, ...]:
    """A name in at most so many lines, broken behind - and _ where that helps, else anywhere; the last line may be cut."""
    if most == 1 or width(name, size) <= room:
        return tuple(filter(None, [fit(name, size, room)]))
    joints = [k + 1 for k, c in enumerate(name) if c in "-_"] + [len(name.rstrip("0123456789"))]  # "lowpass" + "12"
    cut = max((k for k in joints if 0 < k < len(name) and width(name[:k], size) <= room), default=0)
    cut = cut or len(_piece(name, size, room))
    if cut < 2:
        return tuple(filter(None, [fit(name, size, room)]))
    return name[:cut], *broken(name[cut:], size, room, most - 1)


@lru_cache(8192)
def number(value: float, unit: str = "") -> str:
    """A value as a knob shows it: three digits that matter, and the unit."""
    size = abs(value)
    if unit == "Hz" and size >= 1000:
        value, size, unit = value / 1000, size / 1000, "kHz"
    elif unit == "s" and 0 < size < 1:
        value, size, unit = value * 1000, size * 1000, "ms"
    digits = 0 if size >= 100 else 1 if size >= 10 else 2
    text = f"{value:.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    text = "0" if text == "-0" else text
    return f"{text} {unit}" if unit else text
