"""What part of the patch is seen: pan, zoom, detail, minimap.  Arithmetic only.

World units are those of `NodeData.at`; screen units are pixels from the canvas's upper left corner.  One world unit is
`View.zoom` pixels; the UI scale of a HiDPI screen is a factor of it (`scale`), so that `level` means the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

ALL, SOME, FAR = 2, 1, 0
"""Detail: everything; title, knobs, ports and bars; a coloured box with a meter."""
NEAR_ZOOM, MID_ZOOM = 0.55, 0.28
LOW, HIGH = 0.05, 2.5  # zoom, at scale 1
MARGIN = 40.0  # pixels around everything after `fit`

Rect = tuple[float, float, float, float]
"""Left, top, right, bottom."""


class Sized(Protocol):
    """What has a place and a size: `ui.model.Box`."""

    x: float
    y: float
    w: float
    h: float


@dataclass
class Place:
    """Where one looks: the screen's position of world (0, 0), and pixels a unit."""

    x: float = 0.0
    y: float = 0.0
    zoom: float = 1.0


@dataclass
class View:
    """The view of one canvas of `width` × `height` pixels.  `key` is the sub-patch (breadcrumb) whose place it is."""

    width: float = 1280.0
    height: float = 720.0
    scale: float = 1.0
    place: Place = field(default_factory=Place)
    key: tuple[str, ...] = ()
    kept: dict[tuple[str, ...], Place] = field(default_factory=dict)

    # what is seen

    @property
    def zoom(self) -> float:
        """Pixels a world unit."""
        return self.place.zoom

    @property
    def level(self) -> int:
        """ALL, SOME or FAR."""
        z = self.place.zoom / self.scale
        return ALL if z >= NEAR_ZOOM else SOME if z >= MID_ZOOM else FAR

    @property
    def rect(self) -> Rect:
        """The part of the world that is seen."""
        return (*self.world(0.0, 0.0), *self.world(self.width, self.height))

    def world(self, x: float, y: float) -> tuple[float, float]:
        """World position of a pixel."""
        p = self.place
        return (x - p.x) / p.zoom, (y - p.y) / p.zoom

    def screen(self, x: float, y: float) -> tuple[float, float]:
        """Pixel of a world position."""
        p = self.place
        return x * p.zoom + p.x, y * p.zoom + p.y

    # moving

    def resize(self, width: float, height: float) -> None:
        """The canvas has another size; what was in the upper left corner stays there."""
        self.width, self.height = max(width, 1.0), max(height, 1.0)

    def rescale(self, scale: float) -> None:
        """Another UI scale; what is in the middle stays there."""
        old, self.scale = self.scale, scale
        self._zoom_to(self.place.zoom * scale / old, self.width / 2, self.height / 2)

    def pan(self, dx: float, dy: float) -> None:
        """Moves the picture by pixels."""
        self.place.x += dx
        self.place.y += dy

    def zoom_at(self, factor: float, x: float, y: float) -> None:
        """Zooms by `factor`; the world under the pixel (x, y) stays under it."""
        self._zoom_to(self.place.zoom * factor, x, y)

    def actual(self) -> None:
        """Zoom 1 (times the UI scale), about the middle."""
        self._zoom_to(self.scale, self.width / 2, self.height / 2)

    def _zoom_to(self, zoom: float, x: float, y: float) -> None:
        wx, wy = self.world(x, y)
        zoom = min(max(zoom, LOW * self.scale), HIGH * self.scale)
        self.place = Place(x - wx * zoom, y - wy * zoom, zoom)

    def fit(self, boxes: Iterable[Sized], most: float = 1.0) -> None:
        """Shows all boxes; no larger than `most`."""
        rect = bounds(boxes)
        if rect is None:
            self.place = Place(self.width / 2, self.height / 2, self.scale)
            return
        w, h = max(rect[2] - rect[0], 1.0), max(rect[3] - rect[1], 1.0)
        margin = min(MARGIN * self.scale, self.width / 8, self.height / 8)
        zoom = min((self.width - 2 * margin) / w, (self.height - 2 * margin) / h, most * self.scale)
        zoom = min(max(zoom, LOW * self.scale), HIGH * self.scale)
        self.place = Place(
            self.width / 2 - (rect[0] + rect[2]) / 2 * zoom, self.height / 2 - (rect[1] + rect[3]) / 2 * zoom, zoom
        )

    def begin(self, boxes: Iterable[Sized], focus: Sized | None = None) -> None:
        """The first look: all boxes, but never so small that names cannot be read; then `focus`, or else the middle."""
        boxes = list(boxes)
        self.fit(boxes)
        rect = bounds(boxes)
        if rect is None or self.level == ALL:
            return
        self._zoom_to(NEAR_ZOOM * self.scale, 0.0, 0.0)
        x0, y0, x1, y1 = (focus.x, focus.y, focus.x + focus.w, focus.y + focus.h) if focus is not None else rect
        self.centre((x0 + x1) / 2, (y0 + y1) / 2)
        self.pan(
            self._filled(rect[0], rect[2], self.place.x, self.width), self._filled(rect[1], rect[3], self.place.y, self.height)
        )

    def _filled(self, low: float, high: float, start: float, size: float) -> float:
        """How far to pan along one axis so that nothing but the margin is empty while boxes lie beyond the other edge."""
        margin = min(MARGIN * self.scale, size / 8)
        first, last = low * self.zoom + start, high * self.zoom + start
        if last - first <= size - 2 * margin:
            return size / 2 - (first + last) / 2
        return min(margin - first, 0.0) if first > margin else max(size - margin - last, 0.0)

    def centre(self, x: float, y: float) -> None:
        """Puts a world position into the middle."""
        self.place.x = self.width / 2 - x * self.place.zoom
        self.place.y = self.height / 2 - y * self.place.zoom

    def reveal(self, box: Sized) -> None:
        """Pans, as little as needed, until the box is seen."""
        x0, y0 = self.screen(box.x, box.y)
        x1, y1 = self.screen(box.x + box.w, box.y + box.h)
        margin = min(MARGIN * self.scale, self.width / 8, self.height / 8)
        self.pan(_into(x0, x1, margin, self.width - margin), _into(y0, y1, margin, self.height - margin))

    # sub-patches

    def enter(self, key: tuple[str, ...], boxes: Iterable[Sized]) -> None:
        """Looks at another sub-patch: where one looked the last time, else at all of it."""
        if key == self.key:
            return
        self.kept[self.key] = self.place
        self.key = key
        if key in self.kept:
            self.place = self.kept[key]
        else:
            self.begin(boxes)

    # the minimap

    def minimap(self, boxes: Iterable[Sized], x: float, y: float, w: float, h: float) -> Minimap:
        """A map of everything and of what is seen, in a rectangle of the screen."""
        seen = self.rect
        whole = bounds(boxes) or seen
        whole = min(whole[0], seen[0]), min(whole[1], seen[1]), max(whole[2], seen[2]), max(whole[3], seen[3])
        zoom = min(w / max(whole[2] - whole[0], 1.0), h / max(whole[3] - whole[1], 1.0))
        left = x + (w - (whole[2] - whole[0]) * zoom) / 2 - whole[0] * zoom
        top = y + (h - (whole[3] - whole[1]) * zoom) / 2 - whole[1] * zoom
        corner = (seen[0] * zoom + left, seen[1] * zoom + top, seen[2] * zoom + left, seen[3] * zoom + top)
        return Minimap((x, y, x + w, y + h), left, top, zoom, corner)


@dataclass(frozen=True)
class Minimap:
    """Where the map is (`area`), how the world lies in it, and the rectangle that is seen (`seen`), all in pixels."""

    area: Rect
    left: float
    top: float
    zoom: float
    seen: Rect

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Pixel of a world position in the map."""
        return x * self.zoom + self.left, y * self.zoom + self.top

    def world(self, x: float, y: float) -> tuple[float, float]:
        """World position of a pixel of the map: a click there calls `View.centre` with it."""
        return (x - self.left) / self.zoom, (y - self.top) / self.zoom

    def over(self, x: float, y: float) -> bool:
        """Whether a pixel lies in the map."""
        return self.area[0] <= x <= self.area[2] and self.area[1] <= y <= self.area[3]


def bounds(boxes: Iterable[Sized]) -> Rect | None:
    """The rectangle around boxes; None around nothing."""
    found = [(b.x, b.y, b.x + b.w, b.y + b.h) for b in boxes]
    if not found:
        return None
    return min(f[0] for f in found), min(f[1] for f in found), max(f[2] for f in found), max(f[3] for f in found)


def _into(low: float, high: float, least: float, most: float) -> float:
    """How far [low, high] must move to lie in [least, most]; its beginning counts where it is too long."""
    if low < least or high - low > most - least:
        return least - low
    return min(0.0, most - high)
