"""Views of latents: what comes in goes out, the scatter plays what its cursor is near, and the pictures are right."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from nodes import Patch, classes
from runtime.offline import render
from tests.rig import run
from ui import latent_views as how
from ui.model import Layout
from ui.shapes import Box
from ui.theme import DARK, LIGHT

SCATTER = "view/latent-scatter"
POINTS = np.array([[-1, -1, 5, 1], [1, -1, 6, 2], [1, 1, 7, 3], [-1, 1, 8, 4]], np.float32)
"""The corners of a square in the first two of four dimensions."""


def heard(points: np.ndarray, cursor: tuple[float, float], edge: float = 1.0, **more: object) -> np.ndarray:
    """One frame of a scatter, float32 [dims]; `dims`, `x`, `y` and `near` are settings."""
    settings = {"dims": 4, **{k: more.pop(k) for k in ("dims", "x", "y", "near") if k in more}}
    inputs = {"cursor_x": cursor[0], "cursor_y": cursor[1], "edge": edge, "points": points, **more}
    found: np.ndarray = run(classes[SCATTER], 64, settings=settings, checked=True, **inputs)["z"][0]  # type: ignore[arg-type]
    return found


def shepard(points: np.ndarray, at: tuple[float, float], near: int, x: int = 0, y: int = 1) -> np.ndarray:
    """The same mixture in the plain words of numpy: weights of one over the squared distance of the `near` nearest."""
    far = (points[:, x] - at[0]) ** 2 + (points[:, y] - at[1]) ** 2
    best = np.argsort(far, kind="stable")[:near]
    weights = 1 / (far[best].astype(float) + 1e-9)
    return (points[best] * weights[:, None]).sum(0) / weights.sum()


@pytest.mark.parametrize("id", ["view/latent-path", "view/latent-bars"])
@pytest.mark.parametrize("dims", [1, 16])
def test_what_comes_in_goes_out(id: str, dims: int) -> None:
    z = np.random.default_rng(1).normal(0, 2, (10, dims)).astype(np.float32)
    assert np.array_equal(run(classes[id], 600, spacing=64, z=z, checked=True)["out"], z)


@pytest.mark.parametrize("corner", range(4))
def test_the_nearest_point_is_heard_as_it_is(corner: int) -> None:
    at = (0.9 * POINTS[corner, 0], 0.8 * POINTS[corner, 1])
    assert np.array_equal(heard(POINTS, at), POINTS[corner])


def test_the_cursor_goes_as_far_as_the_edge_says() -> None:
    points = np.array([[0, 0, 1, 0], [4, 0, 2, 0]], np.float32)
    assert heard(points, (0.9, 0.0), edge=2.0)[2] == 1.0  # at 1.8, nearer to 0
    assert heard(points, (0.9, 0.0), edge=4.0)[2] == 2.0


def test_a_blend_mixes_as_many_as_are_set_the_closer_the_more() -> None:
    points = np.random.default_rng(3).normal(0, 1, (500, 4)).astype(np.float32)
    for near in (2, 4, 16):
        found = heard(points, (0.3, -0.2), read="blend", near=near)
        np.testing.assert_allclose(found, shepard(points, (0.3, -0.2), near), rtol=1e-4, atol=1e-5)
    for at in ((0.0, 0.0), (0.5, -0.25)):
        np.testing.assert_allclose(heard(POINTS, at, read="blend"), shepard(POINTS, at, 4), rtol=1e-5)
    assert np.array_equal(heard(POINTS, (0.0, 0.0), read="blend"), POINTS.mean(0))  # in the middle, all alike


def test_a_blend_on_a_point_is_that_point_and_one_point_is_enough() -> None:
    np.testing.assert_allclose(heard(POINTS, (1.0, 1.0), read="blend"), POINTS[2], rtol=1e-5)
    assert np.array_equal(heard(POINTS[:1], (0.3, 0.9), read="blend", near=16), POINTS[0])


def test_other_dimensions_can_be_looked_at() -> None:
    points = np.array([[0, 0, -1, 1], [0, 0, 1, -1]], np.float32)
    assert np.array_equal(heard(points, (-0.5, 0.5), x=3, y=4), points[0])
    assert np.array_equal(heard(points, (0.5, -0.5), x=3, y=4), points[1])


def test_dimensions_that_the_points_lack_are_zero_and_others_are_left_out() -> None:
    assert np.array_equal(heard(POINTS, (1.0, 1.0), dims=6), [1, 1, 7, 3, 0, 0])
    assert np.array_equal(heard(POINTS, (1.0, 1.0), dims=2), [1, 1])
    assert np.array_equal(heard(POINTS[:, :1], (1.0, 0.0), dims=1), [1])
    assert np.isfinite(heard(POINTS, (1.0, 1.0), x=200, y=300, read="blend")).all()


def test_the_cursor_is_read_where_a_frame_lies() -> None:
    cursor = np.where(np.arange(200) < 100, -0.9, 0.9).astype(np.float32)
    settings = {"dims": 4}
    z = run(classes[SCATTER], 200, settings=settings, spacing=50, points=POINTS, edge=1.0, cursor_x=cursor, cursor_y=-1.0)["z"]
    assert z[:, 2].tolist() == [5, 5, 6, 6]


def test_a_scatter_plays_in_a_patch() -> None:
    patch = Patch()
    patch.add(SCATTER, "map")
    patch.add("view/latent-path", "path")
    patch.add("view/latent-bars", "bars")
    patch.add("latent/unpack", "one", count=1)
    patch.add("mod/lfo", "lfo", rate=5.0)
    patch.add("io/output", "out")
    patch.connect("lfo.out", "map.cursor_x", 0.5)
    patch.connect("map.z", "path.z")
    patch.connect("path.out", "bars.z")
    patch.connect("bars.out", "one.z")
    patch.connect("one.out", "out.audio", 0.1)
    sound = render(patch, 0.5).audio[:, 0]
    assert len(set(np.round(sound, 5).tolist())) >= 3, "the LFO leaps from point to point"


def test_views_are_documented_for_the_palette() -> None:
    for id in (SCATTER, "view/latent-path", "view/latent-bars"):
        spec = classes[id].spec
        assert "display" in spec.tags
        assert {"width", "height"} <= set(spec.settings)


# the pictures

AREA = (0.0, 0.0, 200.0, 100.0)


def box(id: str, **values: object) -> Box:
    """The box of a view with these values."""
    patch = Patch()
    patch.add(id, "view", **values)
    return Layout(patch).boxes["view"]


@pytest.mark.parametrize(("most", "edge"), [(0.0, 1.0), (0.3, 0.5), (1.0, 1.0), (1.01, 2.0), (3.0, 5.0), (70.0, 100.0)])
def test_the_edge_of_a_picture_is_a_round_number(most: float, edge: float) -> None:
    assert how.nice(most) == edge


def test_the_edge_follows_what_is_seen_or_stays() -> None:
    seen = np.array([[0.1, -7.0], [np.nan, np.inf]])
    assert how.edge(box("view/latent-path"), seen) == 10.0
    assert how.edge(box("view/latent-path", scale="fixed", edge=4.0), seen) == 4.0


def test_a_tail_fades_and_goes_through_every_frame() -> None:
    way = np.random.default_rng(1).uniform(-1, 1, (50, 2))
    parts = how.tail(way, AREA, 1.0)
    assert [a for _, a in parts] == sorted(a for _, a in parts) and parts[-1][1] == 1.0
    points = [parts[0][0][0], *(p for line, _ in parts for p in line[1:])]
    assert len(points) == 50
    np.testing.assert_allclose(points[-1], (100 + way[-1, 0] * 100, 50 - way[-1, 1] * 50))
    assert all(a[-1] == b[0] for (a, _), (b, _) in pairwise(parts)), "in one piece"
    assert how.tail(way[:1], AREA, 1.0) == []
    assert len(how.tail(way[:3], AREA, 1.0)) == 2


def test_dimensions_that_are_not_there_lie_in_the_middle() -> None:
    assert how.pair(np.array([[1.0, 2.0]]), 2, 9).tolist() == [[2.0, 0.0]]
    assert how.spots_at(np.array([[np.nan, 1e30]]), AREA, 1.0).tolist() == [[100.0, 0.0]]


def test_lines_end_at_the_right_and_begin_when_there_was_something() -> None:
    heard = np.stack([np.linspace(-1, 1, 11), np.zeros(11)], 1)
    lines = how.lines(heard, AREA, 1.0, 21)
    assert lines[0][-1] == (200.0, 0.0) and lines[0][0] == (100.0, 100.0)
    assert {y for _, y in lines[1]} == {50.0}
    np.testing.assert_allclose(how.lines(heard, AREA, 1.0, 3)[0], [(0.0, 20.0), (100.0, 10.0), (200.0, 0.0)], atol=1e-9)
    assert len(how.lines(np.zeros((2, 500)), AREA, 1.0, 2)) == how.LINES


def test_bars_show_now_the_mean_and_the_swing() -> None:
    heard = np.array([[0.0, -1.0], [0.0, 1.0], [0.5, -1.0], [0.5, 1.0]])
    one, two = how.bars(heard, AREA, 2.0)
    assert (one.bar[1], one.bar[3]) == (37.5, 50.0) and one.mean == 43.75
    assert (two.bar[1], two.mean) == (25.0, 50.0)
    assert (two.field[1], two.field[3]) == (0.0, 100.0), "two deviations of 1 reach the edge at 2"
    assert one.field[2] == two.field[0] == 100.0
    assert len(how.bars(np.zeros((1, 512)), AREA, 1.0)) == 512


def test_few_points_are_where_they_are_and_many_become_fewer() -> None:
    few = how.dots(POINTS[:, :2], AREA, 2.0)
    assert sorted(few) == [(50.0, 25.0, 1), (50.0, 75.0, 1), (150.0, 25.0, 1), (150.0, 75.0, 1)]
    many = np.random.default_rng(1).normal(0, 1, (4096, 2))
    found = how.dots(many, (0, 0, 400, 400), 3.0)
    assert len(found) <= how.SPOTS and sum(n for _, _, n in found) == 4096
    assert max(found, key=lambda d: d[2])[:2] == pytest.approx((200, 200), abs=60), "most lie in the middle"


@pytest.mark.parametrize("near", [1, 4, 16])
def test_the_picture_marks_what_is_heard(near: int) -> None:
    points = np.random.default_rng(5).normal(0, 1, (300, 4)).astype(np.float32)
    marked = how.nearest(points[:, :2], (0.3, -0.2), near)
    assert sum(w for _, w in marked) == pytest.approx(1.0)
    mixed = sum(w * points[k] for k, w in marked)
    read = {"read": "blend", "near": near} if near > 1 else {}
    np.testing.assert_allclose(heard(points, (0.3, -0.2), **read), mixed, rtol=1e-4, atol=1e-5)


def test_the_cursor_is_where_the_pointer_is() -> None:
    assert how.position(AREA, 100, 50) == (0.0, 0.0)
    assert how.position(AREA, 150, 25) == (0.5, 0.5)
    assert how.position(AREA, -50, 500) == (-1.0, -1.0)
    assert how.inside(AREA, 200, 0) and not how.inside(AREA, 201, 0) and not how.inside(None, 0, 0)


def test_frames_a_second_come_from_the_latent_space() -> None:
    patch = Patch()
    patch.add("latent/pack", "pack", ratio=1024, rate=44100)
    patch.add("view/latent-path", "view")
    patch.connect("pack.z", "view.z")
    patch.add("view/latent-path", "alone")
    assert how.rate(patch, "view") == pytest.approx(44100 / 1024)
    assert how.rate(patch, "alone") == how.RATE


def test_neighbouring_dimensions_have_other_colours_that_are_seen() -> None:
    for theme in (DARK, LIGHT):
        seen = [np.array(how.colour(theme, k)[:3], float) for k in range(16)]
        assert all(np.abs(a - b).max() > 60 for a, b in pairwise(seen))
        canvas = np.array(theme.canvas[:3], float)
        assert all(np.abs(a - canvas).max() > 90 for a in seen)
