"""Pan, zoom, fit, minimap."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from ui.draw_tip import bars, figures
from ui.view import ALL, FAR, HIGH, LOW, NEAR_ZOOM, SOME, View, bounds


@dataclass
class Sized:
    x: float
    y: float
    w: float = 160.0
    h: float = 100.0


def test_the_world_under_the_pointer_stays_there_while_zooming() -> None:
    view = View(800, 600)
    view.pan(37, -12)
    before = view.world(300, 200)
    for factor in (1.1, 1.1, 0.3, 2.0):
        view.zoom_at(factor, 300, 200)
        assert view.world(300, 200) == pytest.approx(before)
    assert view.screen(*view.world(11, 22)) == pytest.approx((11, 22))


def test_zoom_has_limits_that_follow_the_scale() -> None:
    view = View(800, 600)
    view.zoom_at(1e9, 0, 0)
    assert view.zoom == HIGH
    view.zoom_at(1e-9, 0, 0)
    assert view.zoom == LOW
    view = View(800, 600, scale=2.0)
    view.zoom_at(1e9, 0, 0)
    assert view.zoom == 2 * HIGH


def test_detail_depends_on_zoom_and_scale() -> None:
    view = View()
    levels = []
    for zoom in (1.0, 0.55, 0.54, 0.28, 0.27):
        view.place.zoom = zoom
        levels.append(view.level)
    assert levels == [ALL, ALL, SOME, SOME, FAR]
    view.rescale(2.0)
    assert view.level == FAR and view.zoom == pytest.approx(0.54)


@pytest.mark.parametrize("size", [(1280, 720), (300, 900), (60, 40)])
def test_fit_shows_everything(size: tuple[float, float]) -> None:
    boxes = [Sized(-500, 20), Sized(900, 1400), Sized(100, 100)]
    view = View(*size)
    view.fit(boxes)
    x0, y0, x1, y1 = bounds(boxes) or (0, 0, 0, 0)
    rect = view.rect
    if view.zoom > LOW:
        assert rect[0] <= x0 and rect[1] <= y0 and rect[2] >= x1 and rect[3] >= y1
    view.fit([Sized(0, 0)])
    assert view.zoom <= 1.0
    view.fit([])
    assert view.screen(0, 0) == (size[0] / 2, size[1] / 2)


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_first_look_shows_everything_where_names_can_be_read_then(scale: float) -> None:
    boxes = [Sized(0, 0), Sized(1500, 700)]
    one, two = View(1280 * scale, 720 * scale, scale), View(1280 * scale, 720 * scale, scale)
    one.begin(boxes, boxes[1])
    two.fit(boxes)
    assert one.place == two.place and one.level == ALL


@pytest.mark.parametrize("scale", [1.0, 2.0])
@pytest.mark.parametrize("focus", [Sized(4000, 300), Sized(2000, 300), Sized(0, 0), None])
def test_the_first_look_at_a_wide_patch_is_at_its_output_and_can_be_read(focus: Sized | None, scale: float) -> None:
    boxes = [Sized(0, 0), Sized(4000, 300), Sized(2000, 300), Sized(300, 100)]
    view = View(1280 * scale, 720 * scale, scale)
    view.begin(boxes, focus)
    assert view.zoom == NEAR_ZOOM * scale
    x0, y0, x1, y1 = view.rect
    mid = (focus.x + 80, focus.y + 50) if focus is not None else (2080, 200)
    assert x0 < mid[0] < x1 and y0 < mid[1] < y1
    margin = 40 / NEAR_ZOOM  # nothing is empty but this, as long as there is more on the other side
    assert x0 >= -margin - 0.01 and x1 <= 4160 + margin + 0.01
    assert (y0 + y1) / 2 == pytest.approx(200)


def test_reveal_pans_only_where_it_must() -> None:
    view = View(800, 600)
    view.reveal(Sized(100, 100))
    assert (view.place.x, view.place.y) == (0, 0)
    view.reveal(Sized(1000, 100))
    assert view.screen(1160, 0)[0] == pytest.approx(760) and view.place.y == 0
    view.reveal(Sized(-500, -300))
    assert view.screen(-500, -300) == pytest.approx((40, 40))


def test_each_sub_patch_has_its_own_place() -> None:
    view = View(800, 600)
    view.pan(5, 6)
    outer = view.place
    view.enter(("voice",), [Sized(0, 0), Sized(5000, 0)])
    assert view.zoom == NEAR_ZOOM
    view.pan(1, 1)
    inner = view.place
    view.enter((), [])
    assert view.place is outer
    view.enter(("voice",), [])
    assert view.place is inner


def test_the_minimap_shows_all_boxes_and_what_is_seen() -> None:
    boxes = [Sized(0, 0), Sized(3000, 2000)]
    view = View(800, 600)
    view.pan(-1000, -500)
    small = view.minimap(boxes, 600, 400, 180, 120)
    for box in boxes:
        assert small.over(*small.point(box.x, box.y)) and small.over(*small.point(box.x + box.w, box.y + box.h))
    assert small.seen[:2] == pytest.approx(small.point(1000, 500))
    view.centre(*small.world(*small.point(3000, 2000)))
    assert view.screen(3000, 2000) == pytest.approx((400, 300))
    assert not small.over(10, 10)


def test_a_latent_is_shown_as_a_bar_for_each_dimension() -> None:
    area = (10.0, 20.0, 110.0, 62.0)
    shown = bars(np.array([0.5, -1.0, 0.0, 0.25], np.float32), area)
    assert len(shown) == 4 and all(a[2] < b[0] for a, b in pairwise(shown))
    assert [round(b - t) for _, t, _, b in shown] == [10, 20, 1, 5]  # ±1 is ±20
    assert shown[0][3] == shown[1][1] == 41.0  # up and down from the middle
    for vector in (np.array([4.0, -2.0]), np.array([np.nan, np.inf, 1.0]), np.zeros(512), np.zeros(0)):
        found = bars(vector, area)
        assert len(found) == len(vector)
        assert all(10 <= x0 < x1 <= 110 and 20 <= y0 < y1 <= 62 for x0, y0, x1, y1 in found)
    assert figures(np.array([[0.0, 0.0, 0.0], [0.5, -1.0, 0.25]]), True) == "3 dimensions, -1.00 … +0.50"
    assert figures(np.array([[0.5], [-0.25]]), False) == "-0.250   peak 0.500"
