"""View nodes: scope, spectrum, spectrogram, meter, XY scope and history, drawn from watched samples while they are seen."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import dearpygui._dearpygui as raw
import numpy as np

from .client import Editor
from .draw_pen import Pen, Point, clear, loudness
from .model import Box
from .theme import SOUND, faded

FRAMES = 2048  # of sound that a scope looks at
POINTS = 160  # of a trace
BANDS = 64  # of a spectrum
COLUMNS = 80  # of a spectrogram
PAST = 240  # looks that a history keeps


@dataclass(slots=True)
class Picture:
    """The moving part of one view node, in coordinates of its box."""

    item: int
    area: tuple[float, float, float, float]
    slots: list[int] = field(default_factory=list)
    past: deque[np.ndarray] = field(default_factory=lambda: deque(maxlen=PAST))


class Views:
    """The pictures of the view nodes that are seen.  Samples are watched only for those."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self.pictures: dict[str, Picture] = {}

    def draw(self, pen: Pen, box: Box) -> None:
        """Prepares the picture of a box whose drawing was begun (`pen.parent`)."""
        assert box.picture is not None
        x0, y0, x1, y1 = box.picture
        area = (x0 - box.x, y0 - box.y, x1 - box.x, y1 - box.y)
        pen.rect(area[:2], area[2:], pen.theme.canvas, faded(pen.theme.edge, 0.5), 1.0, 3)
        old = self.pictures.pop(box.name, None)
        made = self.pictures[box.name] = Picture(raw.add_draw_node(parent=pen.parent), area)
        if old is not None:
            made.slots, made.past = old.slots, old.past

    def rest(self, name: str) -> None:
        """A box is not seen: nothing is watched for it."""
        picture = self.pictures.get(name)
        if picture is not None:
            for slot in picture.slots:
                self.editor.unwatch(slot)
            picture.slots = []

    def drop(self, name: str) -> None:
        """A box is gone."""
        self.rest(name)
        self.pictures.pop(name, None)

    def forget(self) -> None:
        """All are gone."""
        for name in list(self.pictures):
            self.drop(name)

    def enliven(self, pen: Pen, boxes: Iterable[Box]) -> None:
        """Draws what sounds now."""
        for box in boxes:
            picture = self.pictures.get(box.name)
            if picture is None:
                continue
            if not picture.slots:
                slot = self.editor.watch(box.name, "out")
                picture.slots = [slot] if slot >= 0 else []
            clear(picture.item)
            if not picture.slots:
                continue
            pen.parent = picture.item
            heard = [self.editor.samples(slot, FRAMES) for slot in picture.slots]
            if not any(len(h) for h in heard):
                continue
            draw = {
                "scope": self._scope, "spectrum": self._spectrum, "spectrogram": self._spectrogram, "meter": self._meter,
                "xy": self._xy, "history": self._history,
            }.get(box.data.type.partition("/")[2], self._scope)  # fmt: skip
            draw(pen, picture, heard)

    # ------------------------------------------------------------------ the kinds

    def _scope(self, pen: Pen, picture: Picture, heard: list[np.ndarray]) -> None:
        x0, y0, x1, y1 = picture.area
        pen.line((x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2), faded(pen.theme.edge, 0.6))
        for samples in heard:
            for channel in samples.T[:4]:
                pen.path(trace(triggered(channel, FRAMES // 2), picture.area), pen.theme.cables[SOUND], 1.5)

    def _spectrum(self, pen: Pen, picture: Picture, heard: list[np.ndarray]) -> None:
        x0, y0, x1, y1 = picture.area
        bands = spectrum(heard[0], BANDS)
        w = (x1 - x0) / len(bands)
        for k, level in enumerate(bands.tolist()):
            if level > 0:
                top = y1 - 1 - level * (y1 - y0 - 2)
                pen.rect((x0 + k * w, top), (x0 + (k + 0.85) * w, y1 - 1), pen.theme.cables[SOUND])

    def _spectrogram(self, pen: Pen, picture: Picture, heard: list[np.ndarray]) -> None:
        x0, y0, x1, y1 = picture.area
        picture.past.append(spectrum(heard[0], 24))
        columns = list(picture.past)[-COLUMNS:]
        w, h = (x1 - x0) / COLUMNS, (y1 - y0) / 24
        base = pen.theme.cables[SOUND]
        for k, bands in enumerate(columns):
            x = x1 - (len(columns) - k) * w
            for b, level in enumerate(bands.tolist()):
                if level > 0.08:
                    pen.rect((x, y1 - (b + 1) * h), (x + w, y1 - b * h), faded(base, level))

    def _meter(self, pen: Pen, picture: Picture, heard: list[np.ndarray]) -> None:
        x0, y0, x1, y1 = picture.area
        levels = [float(np.abs(c).max()) if len(c) else 0.0 for c in heard[0].T[:16]]
        h = (y1 - y0) / max(len(levels), 1)
        for k, level in enumerate(levels):
            y = y0 + k * h
            fill = pen.theme.hot if level > 1 else pen.theme.meter
            pen.rect((x0 + 1, y + 1), (x0 + 1 + loudness(level) * (x1 - x0 - 2), y + h - 1), fill)

    def _xy(self, pen: Pen, picture: Picture, heard: list[np.ndarray]) -> None:
        x0, y0, x1, y1 = picture.area
        a, b = heard[0][:, 0], heard[0][:, -1]
        n = min(len(a), len(b), 512)
        if n < 2:
            return
        xs = (x0 + x1) / 2 + np.clip(a[-n:], -1, 1) * (x1 - x0) / 2
        ys = (y0 + y1) / 2 - np.clip(b[-n:], -1, 1) * (y1 - y0) / 2
        pen.path(list(zip(xs.tolist(), ys.tolist(), strict=True)), pen.theme.cables[SOUND], 1.0)

    def _history(self, pen: Pen, picture: Picture, heard: list[np.ndarray]) -> None:
        if len(heard[0]):
            picture.past.append(heard[0][-1:, :4].copy())
        width = min(len(p[0]) for p in picture.past)
        for channel in range(width):
            values = np.array([p[0][channel] for p in picture.past])
            if len(values) > 1:
                pen.path(trace(values, picture.area, POINTS, fitted=True), pen.theme.cables[SOUND], 1.5)


def triggered(samples: np.ndarray, frames: int) -> np.ndarray:
    """The part of a wave that begins where it rises through its middle, so that it stands still."""
    if len(samples) <= frames:
        return samples
    early = samples[: len(samples) - frames]
    middle = (float(early.max()) + float(early.min())) / 2
    rises = np.flatnonzero((early[:-1] < middle) & (early[1:] >= middle))
    start = int(rises[-1]) + 1 if len(rises) else 0
    return samples[start : start + frames]


def trace(
    samples: np.ndarray, area: tuple[float, float, float, float], points: int = POINTS, fitted: bool = False
) -> list[Point]:
    """A wave as a line in a rectangle: ±1 fills it, more (or with `fitted` whatever there is) is fitted in."""
    x0, y0, x1, y1 = area
    if len(samples) < 2:
        return [(x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2)]
    if len(samples) > 2 * points:  # the outermost of each stretch, so that nothing is missed
        n = len(samples) // points * points
        parts = samples[-n:].reshape(points, -1)
        at = np.abs(parts).argmax(axis=1)
        samples = parts[np.arange(points), at]
    ys = np.nan_to_num(samples.astype(float), posinf=1.0, neginf=-1.0)
    low, high = float(ys.min()), float(ys.max())
    if fitted and high - low > 1e-9:
        ys = (ys - low) / (high - low) * 1.8 - 0.9
    else:
        ys = ys / max(1.0, abs(low), abs(high))
    xs = np.linspace(x0 + 1, x1 - 1, len(ys))
    down = (y0 + y1) / 2 - ys * (y1 - y0) / 2 * 0.92
    return list(zip(xs.tolist(), down.tolist(), strict=True))


def spectrum(samples: np.ndarray, bands: int) -> np.ndarray:
    """Loudness 0…1 (of 90 dB) in bands of equal ratio; the first channel."""
    if len(samples) < 64:
        return np.zeros(bands)
    wave = np.nan_to_num(samples[:, 0].astype(float)) * np.hanning(len(samples))
    found = np.abs(np.fft.rfft(wave)) / len(wave) * 4
    edges = np.geomspace(1, len(found) - 1, bands + 1).astype(int)
    peak = np.array([found[a : max(b, a + 1)].max() for a, b in itertools.pairwise(edges)])
    loud: np.ndarray = np.clip(1 + 20 * np.log10(np.maximum(peak, 1e-9)) / 90, 0.0, 1.0)
    return loud
