"""The plane of four latents: its weights, discs, switch and cursor, and its picture, where points and cursor are dragged."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph import Patch, PatchError, file
from nodes import latent_mixes as mixes
from runtime.attach import Client
from runtime.offline import render
from tests.hands import ALT, LEFT, SHIFT, Hands
from tests.rig import run
from tests.screen import Eyes, Screen, Spot, Window, desk, needs_hands, sessions, settings, until
from tests.screen import Hands as Fingers
from ui import latent_plane as plane
from ui import latent_views as how
from ui.overlay import NO_MODS
from ui.theme import DARK, Colour

SPACING = 256  # samples a frame in the rig
FOUR = {n: np.float32(np.random.default_rng(k).normal(size=(6, 3)) * 2) for k, n in enumerate("abcd")}
CORNERS = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
AREA = (10.0, 20.0, 210.0, 120.0)


def of(**given: Any) -> np.ndarray:
    """What a plane makes of `FOUR`: [latent frames, dims]."""
    found: np.ndarray = run(mixes.Plane, 6 * SPACING, checked=True, **{**FOUR, **given})["out"]
    return found


def wanted(points: Any, x: float, y: float, radius: float) -> np.ndarray:
    """The same mixture in the plain words of numpy, in double precision."""
    rows = np.asarray(points, float)
    own = rows[:, 2] if rows.shape[1] > 2 else np.ones(len(rows))
    far = np.hypot(rows[:, 0] - x, rows[:, 1] - y)
    disc = np.maximum(1 - np.divide(far, radius * own, out=np.full(len(rows), np.inf), where=own > 0), 0)
    weights = disc**2 + 1e-4 / (far**2 + 1e-4)
    mixed: np.ndarray = np.sum([w * FOUR[n] for w, n in zip(weights / weights.sum(), "abcd", strict=False)], axis=0)
    return mixed


# the node


@pytest.mark.parametrize("radius", [0.2, 1.0, 2.0])
@pytest.mark.parametrize(
    "points",
    [
        CORNERS,
        [(0.2, 0.3, 0.5), (0.8, 0.1, 0.0), (0.4, 0.9, 1.0), (0.7, 0.6, 0.25)],
        [(0.5, 0.5, 0.3), (0.1, 0.9, 1.0)],
        [(0.5, 0.5)],
    ],
    ids=["corners", "own discs", "two rows", "one row"],
)
def test_a_mixture_is_the_sum_by_weight(points: Any, radius: float) -> None:
    for x, y in ((0.0, 0.0), (0.5, 0.5), (0.31, 0.77), (0.8, 0.1)):
        np.testing.assert_allclose(of(points=points, x=x, y=y, radius=radius), wanted(points, x, y, radius), atol=2e-4)


def test_a_third_column_of_ones_is_no_third_column() -> None:
    for x, y in ((0.2, 0.9), (0.5, 0.4)):
        one, two = (of(points=p, x=x, y=y, radius=0.7) for p in (CORNERS, [(*c, 1.0) for c in CORNERS]))
        np.testing.assert_array_equal(one, two)


def test_a_disc_of_its_own_reaches_as_far_as_it_is_wide() -> None:
    points = [(0.2, 0.5, 0.5), (0.8, 0.5, 1.0)]
    inside, outside = (of(points=points, x=x, y=0.5, radius=0.5) for x in (0.21, 0.5))
    np.testing.assert_allclose(inside, FOUR["a"], atol=0.02)
    np.testing.assert_allclose(outside, FOUR["b"], atol=0.05)  # 0.3 from both, but the first reaches 0.25 only
    both = of(points=points, x=0.5, y=0.5, radius=2.0)
    assert np.abs(both - FOUR["b"]).max() > 0.1


def test_discs_without_width_leave_the_nearest_point_most() -> None:
    points = [(*c, 0.0) for c in CORNERS]
    np.testing.assert_allclose(of(points=points), np.mean(list(FOUR.values()), axis=0), atol=1e-5)
    np.testing.assert_allclose(of(points=points, x=1.0, y=1.0), FOUR["d"], atol=2e-3)


@pytest.mark.parametrize("point", [0, 1, 2, 3])
def test_a_table_of_any_width_says_no_more_than_it_has(point: int) -> None:
    """Rows of one number lie on the lower edge; a fourth column means nothing."""
    x, y = CORNERS[point]
    thin = [(c[0],) for c in CORNERS]
    np.testing.assert_array_equal(of(points=thin, x=x, y=y), of(points=[(c[0], 0.0) for c in CORNERS], x=x, y=y))
    wide = [(*c, 0.5, 0.9) for c in CORNERS]
    np.testing.assert_array_equal(of(points=wide, x=x, y=y), of(points=[(*c, 0.5) for c in CORNERS], x=x, y=y))


def test_off_passes_on_what_comes_into_z_to_the_bit() -> None:
    z = np.float32(np.random.default_rng(9).normal(size=(6, 3)))
    np.testing.assert_array_equal(of(z=z, interpolate="off"), z)
    assert not of(interpolate="off").any()  # nothing is patched in
    np.testing.assert_array_equal(of(z=z), of())  # and at on it is not heard


def test_the_cursor_comes_out_and_a_second_plane_follows_it() -> None:
    """Two cables make one cursor of two, bit for bit, while their switches stay apart."""
    patch = Patch()
    patch.add("mod/lfo", "lfo", rate=3.0)
    for k, name in enumerate("abcd"):
        patch.add("latent/pack", name, dims=1)
        patch.add("source/constant", f"v{name}", value=(k + 1) / 8)
        patch.connect(f"v{name}.out", f"{name}.signals")
    for name, at in (("first", 0.5), ("second", 0.0)):
        patch.add("latent/plane", name, x=at, y=at)
        patch.add("latent/unpack", f"{name}-out", count=1)
        for inlet in "abcd":
            patch.connect(f"{inlet}.z", f"{name}.{inlet}")
        patch.connect(f"{name}.out", f"{name}-out.z")
    patch.connect("lfo.out", "first.x", 0.5)
    patch.connect("first.at_x", "second.x")
    patch.connect("first.at_y", "second.y")
    patch.add("io/output", "out")
    patch.connect("first-out.out", "out.audio")
    one = render(patch, 1.0).audio
    patch.disconnect("first-out.out", "out.audio")
    patch.connect("second-out.out", "out.audio")
    two = render(patch, 1.0).audio
    np.testing.assert_array_equal(one, two)
    assert np.ptp(one) > 0.02, "the cursor moves"
    patch.set("first", interpolate="off")
    np.testing.assert_array_equal(render(patch, 1.0).audio, two)  # the cursor goes on where the mixture is off


def test_a_patch_with_two_columns_loads_and_nonsense_does_not() -> None:
    patch = Patch()
    patch.add("latent/plane", "p", points=[[0.25, 0.5], [1, 0]])
    again = file.loads(file.dump(patch), patch.specs)
    assert again.value("p", "points") == ((0.25, 0.5), (1.0, 0.0))
    for bad in ([[0.5, 0.5, 1.5]], [[2.0, 0.0]], [[0, 0]] * 5, [[0, 0], [0, 0, 1]], [["x", 0]]):
        with pytest.raises(PatchError, match="points"):
            patch.add("latent/plane", "q", points=bad)


# the picture


def hands(**values: Any) -> Hands:
    """A plane with a latent from `strings` at its second point."""
    patch = Patch()
    patch.add("latent/plane", "plane", at=(104.0, 104.0), **values)
    patch.add("latent/pack", "strings", at=(504.0, 104.0))
    patch.connect("strings.z", "plane.b")
    return Hands(patch)


def spot(h: Hands, x: float, y: float) -> tuple[float, float]:
    """The pixel of a place on the plane."""
    area = h.box("plane").picture
    assert area is not None
    return h.view.screen(*plane.place(area, x, y))


def cursor(h: Hands) -> tuple[float, float]:
    return float(h.editor.value("plane", "x")), float(h.editor.value("plane", "y"))


def points(h: Hands) -> Any:
    return h.editor.here().value("plane", "points")


def test_dragging_moves_the_cursor_or_a_point() -> None:
    h = hands()
    h.drag(spot(h, 0.3, 0.7), spot(h, 0.6, 0.2), spot(h, 0.4, -2.0))
    assert cursor(h) == pytest.approx((0.4, 0.0)), "at the edge where the pointer is outside"
    assert points(h) == CORNERS and h.editor.selection == {"plane"} and h.box("plane").x == 104.0
    h.drag(spot(h, 1.0, 0.0), spot(h, 0.75, 0.5), spot(h, 0.6, 0.25), drop=False)
    assert h.editor.notice == ""
    h.gestures.release(LEFT, *h.gestures.pointer)
    assert h.editor.notice == "Edit plane.points", "said once, at the end"
    assert points(h) == (CORNERS[0], pytest.approx((0.6, 0.25), abs=1e-3), *CORNERS[2:])
    assert cursor(h) == pytest.approx((0.4, 0.0))
    assert h.undo() == "edit plane.points" and points(h) == CORNERS, "a drag is one step"
    h.undo()
    assert cursor(h) == (0.5, 0.5)
    assert h.undo() is None


def test_alt_and_drag_sets_how_wide_a_disc_is() -> None:
    h = hands(radius=0.5)
    h.drag(spot(h, 0.0, 0.0), spot(h, 0.1, 0.0), spot(h, 0.2, 0.0), mods=ALT)
    assert points(h) == (pytest.approx((0.0, 0.0, 0.4), abs=1e-3), *((*c, 1.0) for c in CORNERS[1:]))
    assert set(h.editor.here().nodes) == {"plane", "strings"}, "no copy was made"
    h.drag(spot(h, 0.0, 0.0), spot(h, 1.0, 1.0), mods=ALT)
    assert points(h)[0] == (0.0, 0.0, 1.0), "no wider than the knob says"
    h.undo()
    assert points(h)[0][2] == pytest.approx(0.4, abs=1e-3)
    h.drag(spot(h, 0.0, 0.0), spot(h, 0.3, 0.3))
    assert points(h)[0] == pytest.approx((0.3, 0.3, 0.4), abs=1e-3), "moved, it keeps its disc"
    h.undo()
    h.undo()
    assert points(h) == CORNERS and h.undo() is None
    h.drag(spot(h, 0.5, 0.6), spot(h, 3.0, 0.6), mods=ALT)
    assert len(h.editor.here().nodes) == 3, "away from the points, Alt and drag is a copy as everywhere"


def test_a_click_on_a_point_puts_the_cursor_there() -> None:
    h = hands(points=[[0.25, 0.75], [0.8, 0.2]])
    x, y = spot(h, 0.25, 0.75)
    h.click((x + 3, y))
    assert cursor(h) == pytest.approx((0.25, 0.75))
    h.double(spot(h, 0.8, 0.2))
    assert cursor(h) == pytest.approx((0.8, 0.2)) and not h.gestures.requests, "quick clicks are played too"
    assert points(h) == ((0.25, 0.75), (0.8, 0.2))
    h.click(spot(h, 0.25, 0.75), mods=ALT)
    assert cursor(h) == pytest.approx((0.8, 0.2)) and points(h) == ((0.25, 0.75), (0.8, 0.2))


def test_escape_leaves_everything_as_it_was() -> None:
    h = hands()
    for start, mods in (((0.5, 0.6), NO_MODS), ((1.0, 1.0), NO_MODS), ((1.0, 1.0), ALT)):
        h.drag(spot(h, *start), spot(h, 0.7, 0.7), mods=mods, drop=False)
        assert (cursor(h), points(h)) != ((0.5, 0.5), CORNERS)
        h.gestures.key("Escape")
        assert (cursor(h), points(h)) == ((0.5, 0.5), CORNERS)


def test_in_a_sub_patch_a_drag_is_one_step_too() -> None:
    use = Patch()
    use.add("rack/patch", "sub", patch=hands().editor.here())
    h = Hands(use)
    h.editor.enter("sub")
    h.follow()
    h.drag(spot(h, 1.0, 0.0), spot(h, 0.7, 0.1), spot(h, 0.5, 0.3))
    h.drag(spot(h, 0.0, 0.0), spot(h, 0.1, 0.0), spot(h, 0.3, 0.0), mods=ALT)
    assert points(h)[:2] == (pytest.approx((0.0, 0.0, 0.3), abs=1e-3), pytest.approx((0.5, 0.3, 1.0), abs=1e-3))
    h.drag(spot(h, 1.0, 1.0), spot(h, 0.7, 0.1), drop=False)
    h.gestures.key("Escape")
    assert points(h)[3] == (1.0, 1.0, 1.0)
    assert h.undo() == h.undo() == "edit plane.points in sub" and points(h) == CORNERS and h.undo() is None


def test_in_a_locked_patch_points_stay_and_the_cursor_moves() -> None:
    h = hands()
    h.editor.locked = True
    h.drag(spot(h, 1.0, 1.0), spot(h, 0.9, 0.8))
    assert cursor(h) == pytest.approx((0.9, 0.8)) and points(h) == CORNERS
    h.drag(spot(h, 1.0, 1.0), spot(h, 0.5, 0.5), mods=ALT, drop=False)
    assert points(h) == CORNERS and h.gestures.overlay.bad and "locked" in h.gestures.overlay.hint
    h.gestures.release(LEFT, *h.gestures.pointer)
    h.editor.locked = False
    h.drag(spot(h, 0.5, 0.5), mods=SHIFT)
    assert cursor(h) == pytest.approx((0.9, 0.8)), "with Shift it is selected"


def test_points_are_called_after_what_is_patched_in() -> None:
    h = hands()
    assert plane.names(h.editor.here(), "plane") == ("", "strings", "", "")
    h.editor.here().add("latent/pack", "voice")
    h.editor.here().connect("voice.z", "plane.b")
    h.editor.here().connect("voice.z", "plane.d")
    assert plane.names(h.editor.here(), "plane") == ("", "strings + voice", "", "voice")
    h.editor.here().connect("voice.z", "plane.z")
    assert plane.names(h.editor.here(), "plane")[0] == "", "what is passed on is no point"


def test_places_lie_on_the_picture_and_back() -> None:
    assert plane.place(AREA, 0.0, 0.0) == (20.0, 110.0) and plane.place(AREA, 1.0, 1.0) == (200.0, 30.0)
    assert plane.position(AREA, *plane.place(AREA, 0.3, 0.8)) == pytest.approx((0.3, 0.8))
    assert plane.position(AREA, -5.0, 500.0) == (0.0, 0.0)


def test_a_hand_takes_the_nearest_point_within_its_reach() -> None:
    box = hands(points=[[0.5, 0.5], [0.55, 0.5]]).box("plane")
    assert box.picture is not None
    x, y = plane.place(box.picture, 0.5, 0.5)
    assert plane.grip(box, x - 8, y) == 0 and plane.grip(box, x + 8, y) == 1
    assert plane.grip(box, x - 12, y) is None and plane.grip(box, x - 12, y, 20.0) == 0


@pytest.mark.parametrize(("x", "y", "radius"), [(0.5, 0.5, 0.3), (0.0, 0.0, 1.0), (1.0, 0.2, 0.4), (0.3, 0.9, 2.0)])
def test_discs_end_at_the_edge_of_the_picture(x: float, y: float, radius: float) -> None:
    shape = np.array(plane.disc(AREA, x, y, radius))
    middle = np.array(plane.place(AREA, x, y))
    far = np.hypot(*((shape - middle) / (180.0, 80.0)).T)  # in units of the plane
    border = np.isclose(shape, AREA[:2]) | np.isclose(shape, AREA[2:])
    assert (shape >= np.array(AREA[:2]) - 1e-9).all() and (shape <= np.array(AREA[2:]) + 1e-9).all()
    assert np.allclose(far[~border.any(1)], radius) and (far < radius + 1e-9).all()
    area = 0.5 * abs(np.sum(shape[:, 0] * np.roll(shape[:, 1], -1) - shape[:, 1] * np.roll(shape[:, 0], -1)))
    across, down = np.meshgrid(np.arange(10.25, 210, 0.5), np.arange(20.25, 120, 0.5))
    inside = np.hypot((across - middle[0]) / 180, (down - middle[1]) / 80) < radius
    assert area == pytest.approx(inside.sum() / 4, rel=0.01)


def test_the_picture_shows_the_shares_that_are_heard() -> None:
    table = ((0.2, 0.3, 0.5), (0.8, 0.1, 0.0), (0.4, 0.9, 1.0))
    shares = plane.shares(table, (0.3, 0.6), 0.8)
    assert sum(shares) == pytest.approx(1.0)
    mixed = sum(w * FOUR[n] for w, n in zip(shares, "abc", strict=True))
    np.testing.assert_allclose(of(points=table, x=0.3, y=0.6, radius=0.8), mixed, atol=1e-4)
    assert math.isfinite(sum(plane.shares(((0.5,),), (0.5, 0.0), 0.01)))


# a real window


def near(pixels: np.ndarray, at: Spot, colour: Colour, tolerance: int = 24) -> bool:
    """Whether a colour is seen within two pixels of a spot."""
    x, y = round(at[0]), round(at[1])
    seen = pixels[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).astype(int)
    return bool((np.abs(seen - np.array(colour[:3])).max(1) <= tolerance).any())


@needs_hands
def test_a_hand_plays_the_plane_in_its_window(tmp_path: Path) -> None:
    """Cursor, point and disc follow the mouse, as steps of the history; the picture shows it, and is dim when it is off."""
    patch = Patch()
    patch.add("latent/plane", "plane", at=(200.0, 0.0))
    for k, name in enumerate(("strings", "voice")):
        patch.add("latent/pack", name, at=(-40.0, 120.0 * k))
        patch.connect(f"{name}.z", f"plane.{'ab'[k]}")
    patch.save(tmp_path / "plane.zrack")
    with Screen() as screen, desk(tmp_path):
        settings(tmp_path, toured=True, minimap=False, panels={"inspector": False})
        eyes, fingers = Eyes(screen.size, inspector=False), Fingers()
        eyes.look(patch)
        window = Window(tmp_path, str(tmp_path / "plane.zrack"), "--device", "null")
        try:
            window.opens()
            client = until(lambda: next((c for c in map(Client, sessions()) if c.call("now") > 0), None), 60, "a session plays")

            def at(x: float, y: float) -> Spot:
                area = eyes.layout.boxes["plane"].picture
                assert area is not None
                return eyes.spot(*plane.place(area, x, y))

            def value(name: str) -> Any:
                with client.lock:
                    return client.patch.value("plane", name)

            def sees(where: Spot, colour: Colour) -> bool:
                return near(screen.pixels(), where, colour)

            fingers.key("f")
            until(lambda: sees(at(0.0, 0.0), how.colour(DARK, 0)), 30, "the first point is drawn")
            assert not sees(at(1.0, 1.0), how.colour(DARK, 3)), "nothing is patched in at the last: it is faint"
            fingers.drag(at(0.5, 0.6), at(0.2, 0.4))
            until(lambda: value("x") == pytest.approx(0.2, abs=0.01) and value("y") == pytest.approx(0.4, abs=0.01))
            x, y = at(0.2, 0.4)
            until(lambda: sees((x + 6 * eyes.view.zoom, y), DARK.good), 10, "the engine says that the cursor is there")
            fingers.drag(at(0.0, 0.0), at(0.4, 0.8))
            until(lambda: value("points")[0] == pytest.approx((0.4, 0.8), abs=0.01))
            until(lambda: sees(at(0.4, 0.8), how.colour(DARK, 0)), 10, "the point is drawn there")
            fingers.do("keydown", "alt")
            fingers.drag(at(1.0, 0.0), at(0.7, 0.0))
            fingers.do("keyup", "alt")
            until(lambda: value("points")[1] == pytest.approx((1.0, 0.0, 0.3), abs=0.01))
            assert value("points")[0] == pytest.approx((0.4, 0.8, 1.0), abs=0.01)
            screen.shoot(tmp_path / "on.png")
            assert len(client.history.steps[0]) == 3, "the cursor, the point, its disc"
            fingers.key("ctrl+z")
            until(lambda: value("points")[1] == (1.0, 0.0))
            switch = eyes.layout.boxes["plane"].switches[0]
            fingers.click(eyes.spot(switch.x + switch.w / 2, switch.y + switch.h / 2))
            until(lambda: value("interpolate") == "off")
            until(lambda: not sees(at(0.4, 0.8), how.colour(DARK, 0)), 10, "the picture is dim")
            screen.shoot(tmp_path / "off.png")
            client.close()
            fingers.key("ctrl+q")
            assert "Traceback" not in window.said, window.said
        finally:
            if window.process.poll() is None:
                window.kill()
