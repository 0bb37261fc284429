"""Cables as pictures: sound plain, modulation thin, latents double, the cable that closes a loop dashed with its delay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from zlib import crc32

from . import text, theme
from .draw_pen import Pen, Point, configure
from .model import Wire
from .theme import Colour, faded

THICK = {theme.SOUND: 2.6, theme.MODULATION: 1.7, theme.LATENT: 5.0}
LOUD = 3.0  # how many times thicker a cable is that carries full scale, where levels are shown
DELAY = "z⁻¹"
FEW = (0, 4, 8, -9, -5, -1)  # points that do for a small cable that goes around: its ends, and the turns


@dataclass(slots=True)
class Drawn:
    """The items of one cable, and what they were drawn for."""

    items: list[int] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    key: tuple[object, ...] = ()
    bold: float = 1.0  # of the level that it shows
    pulse: int = 0  # the dot that runs along it
    tone: Colour = (0, 0, 0, 0)
    kind: str = theme.SOUND


def draw(pen: Pen, over: Pen, wire: Wire, kind: str, drawn: Drawn) -> None:
    """Draws a wire below the nodes, and its delay mark above them (`over`)."""
    t = pen.theme
    colour = t.cable(kind, wire.space)
    if kind == theme.MODULATION and abs(wire.amount) < 1.0:
        colour = faded(colour, 0.55 + 0.45 * abs(wire.amount))
    drawn.tone, drawn.kind, drawn.bold, drawn.pulse = colour, kind, 1.0, 0
    thick = thickness(pen, kind)
    segments = 0 if pen.level else 8 if pen.zoom > 0.18 * pen.scale else 5
    if wire.delayed and pen.level:
        drawn.items = _dashes(pen, wire.points, colour, thick)
        aside = crc32("".join(wire.key).encode()) % 16 / 16  # so that marks of cables side by side are apart
        drawn.marks = _mark(over, along(wire.points, 0.35 + 0.3 * aside), colour)
        return
    drawn.items = [_line(pen, wire, colour, thick, segments)]
    if kind == theme.LATENT and pen.level:
        drawn.items.append(_line(pen, wire, t.canvas, thick * 0.4, segments))


def _line(pen: Pen, wire: Wire, colour: Colour, thick: float, segments: int) -> int:
    """The line itself."""
    if wire.curve is not None:
        return pen.bezier(wire.curve, colour, thick, segments)
    points = wire.points
    return pen.path(points if pen.level else [points[k] for k in FEW], colour, thick)


def thickness(pen: Pen, kind: str) -> float:
    """Pixels."""
    return max(1.0 * pen.scale, THICK[kind] * pen.zoom)


def embolden(pen: Pen, drawn: Drawn, level: float) -> None:
    """Thickens a cable by what it carries."""
    bold = round(1.0 + (LOUD - 1.0) * level, 1)
    if bold == drawn.bold or drawn.kind == theme.LATENT:
        return
    drawn.bold = bold
    for item in drawn.items:
        configure(item, thickness=thickness(pen, drawn.kind) * bold)


def pulse(pen: Pen, drawn: Drawn, wire: Wire, phase: float, level: float) -> None:
    """A dot that runs from the outlet to the inlet while something flows."""
    if level <= 0.0:
        if drawn.pulse:
            configure(drawn.pulse, show=False)
        return
    at = along(wire.points, phase)
    if drawn.pulse:
        configure(drawn.pulse, center=at, show=True)
    else:
        drawn.pulse = pen.circle(at, 2.6, pen.theme.text)
        drawn.items.append(drawn.pulse)


def along(points: Sequence[Point], phase: float) -> Point:
    """The point at a part 0…1 of a sampled curve."""
    at = phase * (len(points) - 1)
    k = min(int(at), len(points) - 2)
    (ax, ay), (bx, by), t = points[k], points[k + 1], at - k
    return ax + (bx - ax) * t, ay + (by - ay) * t


def _dashes(pen: Pen, points: Sequence[Point], colour: Colour, thick: float) -> list[int]:
    """A dashed line along a curve."""
    length, steps = 9.0, max(2, len(points) * 6)
    found: list[int] = []
    part: list[Point] = []
    run, on, last = 0.0, True, points[0]
    for k in range(steps + 1):
        at = along(points, k / steps)
        run += ((at[0] - last[0]) ** 2 + (at[1] - last[1]) ** 2) ** 0.5
        last = at
        if on:
            part.append(at)
        if run > (length if on else length * 0.6):
            if on and len(part) > 1:
                found.append(pen.path(part, colour, thick))
            on, run, part = not on, 0.0, [at]
    if on and len(part) > 1:
        found.append(pen.path(part, colour, thick))
    return found


def _mark(pen: Pen, at: Point, colour: Colour) -> list[int]:
    """The sign of one sample (or frame) of delay, with its middle at a place."""
    x, y = at
    size = max(12.0, 10.0 * pen.scale / pen.zoom)
    high = pen.size(size) / pen.zoom
    wide = text.width(DELAY, pen.size(size)) / pen.zoom
    a, b = (x - wide / 2 - high / 2, y - high * 0.75), (x + wide / 2 + high / 2, y + high * 0.75)
    found = [
        pen.rect(a, b, pen.theme.canvas, colour, 1.5, 8),
        pen.text(x - wide / 2, pen.middle(y, size), DELAY, size, pen.theme.text),
    ]
    return [item for item in found if item]
