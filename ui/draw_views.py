"""View nodes: scope, spectrum, spectrogram, meter, XY scope and history, drawn from watched samples while they are seen."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import dearpygui._dearpygui as raw
import numpy as np

from . import latent_plane, latent_views
from .client import Editor
from .draw_latent import Latents
from .draw_pen import Pen, Point, clear
from .model import Box
from .theme import SOUND, faded

FRAMES = 2048  # of sound that a scope looks at
POINTS = 160  # of a trace
BANDS = 64  # of a spectrum
COLUMNS, ROWS = 80, 24  # of a spectrogram
PAST = 240  # looks that a history keeps
NOTHING = np.zeros((0, 1), np.float32)  # heard where nothing is watched


@dataclass(slots=True)
class Picture:
    """The moving part of one view node, in coordinates of its box."""

    item: int
    area: tuple[float, float, float, float]
    slots: list[int] = field(default_factory=list)
    turns: int = 0
    past: deque[np.ndarray] = field(default_factory=lambda: deque(maxlen=PAST))


class Views:
    """The pictures of the view nodes that are seen.  Samples are watched only for those."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self.latents = Latents(editor)
        self.pictures: dict[str, Picture] = {}

    def draw(self, pen: Pen, box: Box) -> None:
        """Prepares the picture of a box whose drawing was begun (`pen.parent`)."""
        assert box.picture is not None
        x0, y0, x1, y1 = box.picture
        area = (x0 - box.x, y0 - box.y, x1 - box.x, y1 - box.y)
        pen.rect(area[:2], area[2:], pen.theme.canvas, faded(pen.theme.edge, 0.5), 1.0, 3)
        if box.data.type in latent_views.KINDS:
            self.latents.still(pen, box, area)
        old = self.pictures.pop(box.name, None)
        made = self.pictures[box.name] = Picture(raw.add_draw_node(parent=pen.parent), area)
        if old is not None:
            made.slots, made.past, made.turns = old.slots, old.past, old.turns

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
                picture.slots = self._watch(box)
            if box.data.type == "view/spectrogram":  # many rectangles: drawn again only when there is another column
                picture.turns += 1
                if picture.turns % max(1, round(param(box, "time", 8.0) * 30 / COLUMNS)):
                    continue
            clear(picture.item)
            pen.parent = picture.item
            heard = self._heard(picture, self._frames(box))
            if not len(heard) and box.data.type not in latent_views.STILL:
                continue
            if box.data.type in latent_views.KINDS:
                self.latents.draw(pen, picture, box, heard)
                continue
            draw = {
                "scope": self._scope, "spectrum": self._spectrum, "spectrogram": self._spectrogram, "meter": self._meter,
                "xy": self._xy, "history": self._history,
            }.get(box.data.type.partition("/")[2], self._scope)  # fmt: skip
            draw(pen, picture, box, heard)

    def _watch(self, box: Box) -> list[int]:
        """Slots for what a picture shows: the first outlet, or both places of a plane's cursor; none where one is missing."""
        first = next(iter(box.spec.outlets), "out") if box.spec else "out"
        outlets = latent_plane.LIVE if box.data.type == latent_plane.PLANE else (first,)
        slots = [self.editor.watch(box.name, outlet) for outlet in outlets]
        if min(slots) >= 0:
            return slots
        for slot in slots:
            if slot >= 0:
                self.editor.unwatch(slot)
        return []

    def _heard(self, picture: Picture, frames: int) -> np.ndarray:
        """The last frames of what is watched, side by side [frames, channels]; none where one of them has none."""
        heard = [self.editor.samples(slot, frames) for slot in picture.slots]
        if len(heard) < 2:
            return heard[0] if heard else NOTHING
        least = min(map(len, heard))
        return np.concatenate([h[len(h) - least :, :1] for h in heard], axis=1)

    def _frames(self, box: Box) -> int:
        """How much of the past a picture needs."""
        kind, rate = box.data.type, self.editor.patch.rate
        if kind in latent_views.KINDS:
            return self.latents.frames(box)
        if kind in ("view/scope", "view/xy"):
            return int(param(box, "time", 0.02) * rate * (2 if kind == "view/scope" else 1)) + 2
        return FRAMES

    # ------------------------------------------------------------------ the kinds

    def _scope(self, pen: Pen, picture: Picture, box: Box, heard: np.ndarray) -> None:
        x0, y0, x1, y1 = picture.area
        pen.line((x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2), faded(pen.theme.edge, 0.6))
        how = box.data.choices.get("trigger", "rising")
        first = heard[:, 0] * (-1 if how == "falling" else 1)
        level = param(box, "level", 0.0) * (-1 if how == "falling" else 1)
        length = len(heard) // 2
        start = len(heard) - length if how == "free" else trigger(first, length, level)
        for channel in heard.T[:8]:
            wave = np.clip(channel[start : start + length] * param(box, "gain", 1.0), -1.2, 1.2)
            pen.path(trace(wave, picture.area, limit=1.2), pen.theme.cables[SOUND], 1.5 * pen.scale)

    def _spectrum(self, pen: Pen, picture: Picture, box: Box, heard: np.ndarray) -> None:
        x0, y0, x1, y1 = picture.area
        bands = spectrum(heard, BANDS, param(box, "floor", -90.0), box.data.choices.get("axis") == "linear")
        if picture.past:  # falls slowly
            seconds = max(param(box, "fall", 0.3), 1 / 30)
            bands = np.maximum(bands, picture.past[-1] - 1 / (30 * seconds))
        picture.past.append(bands)
        w = (x1 - x0) / len(bands)
        for k, level in enumerate(bands.tolist()):
            if level > 0:
                top = y1 - 1 - level * (y1 - y0 - 2)
                pen.rect((x0 + k * w, top), (x0 + (k + 0.85) * w, y1 - 1), pen.theme.cables[SOUND])

    def _spectrogram(self, pen: Pen, picture: Picture, box: Box, heard: np.ndarray) -> None:
        x0, y0, x1, y1 = picture.area
        picture.past.append(spectrum(heard, ROWS, param(box, "floor", -90.0), box.data.choices.get("axis") == "linear"))
        columns = list(picture.past)[-COLUMNS:]
        w, h = (x1 - x0) / COLUMNS, (y1 - y0) / ROWS
        base = pen.theme.cables[SOUND]
        for k, bands in enumerate(columns):
            x = x1 - (len(columns) - k) * w
            for b, level in enumerate(bands.tolist()):
                if level > 0.08:
                    pen.rect((x, y1 - (b + 1) * h), (x + w, y1 - b * h), faded(base, level))

    def _meter(self, pen: Pen, picture: Picture, box: Box, heard: np.ndarray) -> None:
        """A column a channel: the bar is the mean, the line above it the peak; over full scale, the line is red."""
        x0, y0, x1, y1 = picture.area
        floor, count = param(box, "floor", -60.0), min(heard.shape[1], 64)
        w = (x1 - x0) / count
        mean = decibels(np.sqrt(np.mean(np.square(heard[:, :count]), axis=0)), floor)
        peak = np.abs(heard[:, :count]).max(axis=0)
        for k, (bar, high) in enumerate(zip(mean.tolist(), decibels(peak, floor).tolist(), strict=True)):
            left, right = x0 + k * w + 1, x0 + (k + 1) * w - 1
            pen.rect((left, y1 - 1 - bar * (y1 - y0 - 2)), (right, y1 - 1), pen.theme.meter)
            y = y1 - 1 - high * (y1 - y0 - 2)
            pen.line((left, y), (right, y), pen.theme.hot if peak[k] > 1.0 else pen.theme.text, 2.0 * pen.scale)

    def _xy(self, pen: Pen, picture: Picture, box: Box, heard: np.ndarray) -> None:
        x0, y0, x1, y1 = picture.area
        step = max(1, len(heard) // 700)
        a, b = (np.clip(np.nan_to_num(heard[::step, k]) * param(box, "gain", 1.0), -1, 1) for k in (0, -1))
        if len(a) > 1:
            xs, ys = (x0 + x1) / 2 + a * (x1 - x0) / 2, (y0 + y1) / 2 - b * (y1 - y0) / 2
            pen.path(list(zip(xs.tolist(), ys.tolist(), strict=True)), pen.theme.cables[SOUND], 1.0 * pen.scale)

    def _history(self, pen: Pen, picture: Picture, box: Box, heard: np.ndarray) -> None:
        picture.turns += 1
        if picture.turns % max(1, round(param(box, "time", 10.0) * 30 / PAST)) == 0:
            picture.past.append(heard[-1, :4].copy())
        if len(picture.past) < 2:
            return
        scale = box.data.choices.get("scale", "fit")
        for channel in range(min(len(p) for p in picture.past)):
            values = np.array([p[channel] for p in picture.past])
            if scale == "0 to 1":
                values = values * 2 - 1
            wave = trace(values, picture.area, PAST, fitted=scale == "fit")
            pen.path(wave, pen.theme.cables[SOUND], 1.5 * pen.scale)


def param(box: Box, name: str, otherwise: float) -> float:
    """Base value of a param of a view."""
    item = box.spec.params.get(name) if box.spec is not None else None
    return float(box.data.params.get(name, item.default if item is not None else otherwise))


def decibels(levels: np.ndarray, floor: float) -> np.ndarray:
    """Levels as parts 0…1 of the way from `floor` to full scale."""
    found: np.ndarray = np.clip(1 - 20 * np.log10(np.maximum(levels, 1e-9)) / floor, 0.0, 1.0)
    return found


def trigger(samples: np.ndarray, frames: int, level: float) -> int:
    """Where a wave last rises through a level so early that `frames` follow; the latest frames where it does not."""
    early = samples[: max(len(samples) - frames, 1)]
    rises = np.flatnonzero((early[:-1] < level) & (early[1:] >= level))
    return int(rises[-1]) + 1 if len(rises) else len(samples) - frames


def triggered(samples: np.ndarray, frames: int) -> np.ndarray:
    """The part of a wave that begins where it rises through its middle, so that it stands still."""
    if len(samples) <= frames:
        return samples
    start = trigger(samples, frames, (float(samples.max()) + float(samples.min())) / 2)
    return samples[start : start + frames]


def trace(
    samples: np.ndarray, area: tuple[float, float, float, float], points: int = POINTS, fitted: bool = False, limit: float = 0.0
) -> list[Point]:
    """A wave as a line in a rectangle: ±1 (or ±`limit`) fills it, more (or with `fitted` whatever there is) is fitted in."""
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
        ys = ys / (limit or max(1.0, abs(low), abs(high)))
    xs = np.linspace(x0 + 1, x1 - 1, len(ys))
    down = (y0 + y1) / 2 - ys * (y1 - y0) / 2 * 0.92
    return list(zip(xs.tolist(), down.tolist(), strict=True))


def spectrum(samples: np.ndarray, bands: int, floor: float = -90.0, linear: bool = False) -> np.ndarray:
    """Loudness 0…1 above `floor` in bands of equal ratio, or of equal width; all channels added up."""
    if len(samples) < 64:
        return np.zeros(bands)
    wave = np.nan_to_num(samples.sum(axis=1, dtype=float)) * np.hanning(len(samples))
    found = np.abs(np.fft.rfft(wave)) / len(wave) * 4
    if linear:
        at = np.linspace(1, len(found) - 1, bands + 1)
    else:
        at = np.geomspace(1.5, len(found) - 1, bands + 1)
    peak = np.interp((at[:-1] + at[1:]) / 2, np.arange(len(found)), found)  # where a band is narrower than a bin
    for k, (a, b) in enumerate(itertools.pairwise(np.ceil(at).astype(int))):
        if b > a:
            peak[k] = found[a:b].max()
    return decibels(peak, floor)
