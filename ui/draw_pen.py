"""The pen that every drawing shares: theme, sizes in pixels, and the raw DearPyGui calls.

Transforms move and scale geometry but not text, radii, lines and roundings: those are given in pixels here (`px`).  The raw
calls cost two thirds of the wrapped ones; they have no defaults for colours, so each call names them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dearpygui._dearpygui as raw

from . import text
from .theme import Colour, Theme

Point = tuple[float, float]
NONE: Colour = (0, 0, 0, 0)
LEAST = 7
"""Pixels (at UI scale 1) below which text is not drawn smaller."""
SWEEP = math.tau * 0.75  # of a knob
START = math.tau * 0.375  # lower left


@dataclass(slots=True)
class Pen:
    """Draws in one node of the canvas: geometry in world units, sizes times `zoom` in pixels."""

    theme: Theme
    zoom: float = 1.0
    scale: float = 1.0
    level: int = 2
    parent: int = 0

    def size(self, base: float) -> int:
        """Whole pixels of text that is `base` units high."""
        return max(int(LEAST * self.scale), int(base * self.zoom + 0.5))

    def text(
        self, x: float, y: float, content: str, base: float, colour: Colour, room: float = 0.0, right: bool = False
    ) -> int:
        """Text with its upper left (or upper right) corner at a place, cut to `room` units; 0 where nothing fits."""
        size = self.size(base)
        if room:
            content = text.fit(content, size, room * self.zoom)
        if not content:
            return 0
        if right:
            x -= text.width(content, size) / self.zoom
        item: int = raw.draw_text((x, y), content, parent=self.parent, size=size, color=colour)
        return item

    def middle(self, y: float, base: float) -> float:
        """Where text begins whose middle is at `y`."""
        return y - self.size(base) / self.zoom / 2

    def rect(self, a: Point, b: Point, fill: Colour, edge: Colour = NONE, thickness: float = 1.0, rounding: float = 0.0) -> int:
        """A rectangle; line and rounding in pixels at zoom 1."""
        item: int = raw.draw_rectangle(
            a, b, parent=self.parent, fill=fill, color=edge, thickness=thickness, rounding=rounding * self.zoom
        )
        return item

    def circle(self, at: Point, radius: float, fill: Colour, edge: Colour = NONE, thickness: float = 1.0) -> int:
        """A circle; its radius in world units."""
        item: int = raw.draw_circle(
            at, radius * self.zoom, parent=self.parent, fill=fill, color=edge, thickness=thickness,
            segments=8 if self.level < 2 else 0,
        )  # fmt: skip
        return item

    def line(self, a: Point, b: Point, colour: Colour, thickness: float = 1.0) -> int:
        """A line; its thickness in pixels."""
        item: int = raw.draw_line(a, b, parent=self.parent, color=colour, thickness=thickness)
        return item

    def path(self, points: Sequence[Point], colour: Colour, thickness: float = 1.0) -> int:
        """A line through points."""
        item: int = raw.draw_polyline(points, parent=self.parent, color=colour, thickness=thickness)
        return item

    def triangle(self, a: Point, b: Point, c: Point, fill: Colour) -> int:
        """A filled triangle."""
        item: int = raw.draw_triangle(a, b, c, parent=self.parent, fill=fill, color=NONE, thickness=1.0)
        return item

    def bezier(self, curve: Sequence[Point], colour: Colour, thickness: float, segments: int = 0) -> int:
        """A cubic curve; 0 segments are as many as it needs."""
        a, b, c, d = curve
        item: int = raw.draw_bezier_cubic(a, b, c, d, parent=self.parent, color=colour, thickness=thickness, segments=segments)
        return item


def arc(x: float, y: float, r: float, low: float, high: float) -> list[Point]:
    """The part of a knob's ring between two positions 0…1."""
    count = max(1, math.ceil(14 * (high - low)))
    step = SWEEP * (high - low) / count
    first = START + SWEEP * low
    return [(x + r * math.cos(first + step * k), y + r * math.sin(first + step * k)) for k in range(count + 1)]


def loudness(level: float) -> float:
    """How much of a meter a peak fills: 48 dB from empty to full."""
    if level <= 0.004:
        return 0.0
    return min(1.0, 1.0 + math.log10(level) / 2.4)


def clear(item: int) -> None:
    """Removes all that lies in a drawing node."""
    raw.delete_item(item, children_only=True)


def configure(item: int, **values: Any) -> None:
    """Changes an item that is there."""
    raw.configure_item(item, **values)
