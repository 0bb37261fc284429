"""The curve editor without a window: gestures and operators on a tape, each one step of the history."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest

from graph import Data, NodeSpec, Out, Patch, Setting
from graph.edits import Edits, SetData
from graph.spec import registry
from tests.test_ui_window import ROOT, needs_display, screen, surroundings
from ui import curve_tools as tools
from ui import curves
from ui.actions import cheatsheet
from ui.client import Editor
from ui.curve_hands import MOUSE
from ui.curve_tools import Wish
from ui.curves import Curves

__all__ = ["screen", "surroundings"]  # fixtures
AREA = (0.0, 0.0, 400.0, 200.0)
TYPE = "test/tape"


@pytest.fixture(autouse=True)
def tape_type() -> Iterator[None]:
    """A node type with a table of any width, as tapes have."""
    registry[TYPE] = NodeSpec(
        TYPE, "A tape.", outlets={"z": Out(latent="z", space=("space", "dims", "ratio", "rate"))},
        settings={
            "space": Setting("free", kind="text"), "dims": Setting(3, 1, 64), "ratio": Setting(2400, 1, 65536),
            "rate": Setting(0, 0, 768000),
        },
        data={"path": Data(columns=0)},
    )  # fmt: skip
    yield
    del registry[TYPE]


class Desk:
    """An editor with one tape, and its curves."""

    def __init__(self, rows: int = 101, dims: int = 3) -> None:
        patch = Patch()
        at = np.arange(rows)[:, None] / max(rows - 1, 1)
        patch.add(TYPE, "tape", path=(0.5 * np.sin(6 * at + np.arange(dims))).tolist(), dims=dims)
        self.editor = Editor(patch=patch)
        self.curves = Curves("tape")
        self.curves.area = AREA
        self.look()
        self.curves.edge = 1.0

    def look(self) -> np.ndarray:
        """The table as the patch has it, which the curves see too."""
        rows = self.editor.here().nodes["tape"].data["path"]
        self.curves.look(rows)
        return np.array(rows)

    def at(self, row: float, value: float) -> tuple[float, float]:
        """Where a row and a value are, in pixels."""
        return self.curves.x(row), self.curves.y(value)

    def hand(self, *way: tuple[float, float], **mods: bool) -> np.ndarray:
        """Presses, goes along rows and values, lets go; gives the table afterwards."""
        self.curves.press(*self.at(*way[0]), **mods)
        for spot in way[1:]:
            self.curves.move(*self.at(*spot))
        edit = self.curves.release()
        assert edit is None or self.editor.do(edit), self.editor.refused
        return self.look()

    @property
    def label(self) -> str:
        return self.editor.history.undo_label or ""


@pytest.fixture
def d() -> Desk:
    return Desk()


# the mouse


def test_a_stroke_draws_the_active_curve_and_is_one_step(d: Desk) -> None:
    before = d.look()
    d.curves.pick(2)
    after = d.hand((10, 0.0), (20, 0.5), (30, -0.5))
    assert np.allclose(after[10:21, 2], np.linspace(0, 0.5, 11)) and np.allclose(after[20:31, 2], np.linspace(0.5, -0.5, 11))
    assert np.array_equal(after[:, :2], before[:, :2]), "the others stay"
    assert np.array_equal(after[31:, 2], before[31:, 2]) and np.array_equal(after[:10, 2], before[:10, 2])
    assert d.label == "draw dimension 3 of tape" and d.editor.notice == "Draw dimension 3 of tape"
    assert d.editor.undo() == "draw dimension 3 of tape"
    assert np.array_equal(d.look(), before)
    d.editor.redo()
    assert np.array_equal(d.look(), after)


def test_a_stroke_to_the_left_and_beyond_both_ends(d: Desk) -> None:
    after = d.hand((60, 0.25), (20, 0.25), (-40, 0.25))
    assert np.allclose(after[:61, 0], 0.25)
    after = d.hand((95, -0.25), (300, -0.25))
    assert np.allclose(after[95:, 0], -0.25)
    after = d.hand((50, 0.5), (51, 7.0))
    assert after[51, 0] == pytest.approx(1.0), "at most what is in view"


def test_a_click_draws_one_row(d: Desk) -> None:
    before = d.look()
    after = d.hand((40, 0.75))
    assert after[40, 0] == pytest.approx(0.75)
    assert (after != before).sum() == 1


def test_shift_draws_a_line_from_the_press_to_the_release(d: Desk) -> None:
    after = d.hand((10, -0.8), (70, 0.9), (50, 0.0), shift=True)
    assert np.allclose(after[10:51, 0], np.linspace(-0.8, 0.0, 41))
    assert np.array_equal(after[51:], Desk().look()[51:]), "where the pointer was meanwhile nothing stays"
    assert d.label == "draw a line in dimension 1 of tape"


def test_escape_leaves_everything_as_it_was(d: Desk) -> None:
    before = d.look()
    d.curves.press(*d.at(10, 0.0))
    d.curves.move(*d.at(60, 0.9))
    assert not np.array_equal(d.curves.shown, before)
    d.curves.cancel()
    assert np.array_equal(d.curves.shown, before)
    assert d.curves.release() is None and not d.label


def test_an_edit_from_elsewhere_drops_the_gesture(d: Desk) -> None:
    d.curves.press(*d.at(10, 0.0))
    d.editor.do(SetData("tape", "path", [[0.1, 0.2, 0.3]] * 101))
    d.look()
    assert d.curves.release() is None
    assert np.allclose(d.curves.shown, [0.1, 0.2, 0.3])


def test_ctrl_click_picks_a_curve(d: Desk) -> None:
    table = d.look()
    d.hand((50, table[50, 1]), ctrl=True)
    assert d.curves.active == 1 and not d.label
    d.hand((50, 0.99), ctrl=True)
    assert d.curves.active == 1, "nothing is there"


def test_rows_are_selected_with_alt_or_in_their_mode(d: Desk) -> None:
    d.hand((20, 0.0), (60, 0.3), alt=True)
    assert d.curves.selected == (20, 60)
    d.curves.mode = "select"
    d.hand((90, 0.0), (70, 0.0))
    assert d.curves.selected == (70, 90)
    table = d.look()
    d.hand((50, table[50, 2]))
    assert d.curves.selected is None and d.curves.active == 2
    assert not d.label


# breakpoints


def test_points_are_where_the_curve_bends() -> None:
    curve = np.interp(np.arange(101), [0, 30, 50, 100], [0.0, 1.0, -1.0, 0.5])
    assert tools.breakpoints(curve, 0.001) == [0, 30, 50, 100]
    assert tools.breakpoints(np.zeros(1), 0.1) == [0]
    noise = np.random.default_rng(1).normal(0, 1, 10_000)
    assert len(tools.breakpoints(noise, 0.001, 200)) == 200


def test_a_click_adds_a_point_and_a_drag_moves_it(d: Desk) -> None:
    d.editor.do(SetData("tape", "path", np.zeros((101, 3)).tolist()))
    d.look()
    d.curves.mode = "points"
    after = d.hand((40, 0.5))
    assert d.curves.points() == [0, 40, 100] and d.label == "add a point to dimension 1 of tape"
    assert np.allclose(after[:, 0], np.interp(np.arange(101), [0, 40, 100], [0, 0.5, 0]))
    d.hand((70, -0.5))
    after = d.hand((40, 0.5), (50, 0.2), (30, 0.9))
    assert d.label == "move a point of dimension 1 of tape"
    assert np.allclose(after[:, 0], np.interp(np.arange(101), [0, 30, 70, 100], [0, 0.9, -0.5, 0]))
    d.hand((30, 0.9), (90, 0.9))
    assert d.curves.points() == [0, 69, 70, 100], "not beyond its neighbour"
    after = d.hand((0, 0.0), (20, -0.8))
    assert after[0, 0] == pytest.approx(-0.8), "an end moves only up and down"
    after = d.hand((69, d.look()[69, 0]), shift=True)
    assert d.curves.points() == [0, 70, 100] and d.label == "take a point from dimension 1 of tape"
    assert np.array_equal(after[:, 1:], np.zeros((101, 2)))
    for _ in range(6):
        d.editor.undo()
    assert not d.look().any() and d.label == "edit tape.path"


def test_a_new_point_leaves_what_lies_beyond_its_neighbours(d: Desk) -> None:
    before = d.look()
    d.curves.mode = "points"
    kept = d.curves.points()
    row = (kept[2] + kept[3]) // 2
    after = d.hand((row, 0.9))
    assert after[row, 0] == pytest.approx(0.9)
    assert np.array_equal(after[: kept[2] + 1], before[: kept[2] + 1])
    assert np.array_equal(after[kept[3] :], before[kept[3] :])


# operators


def done(d: Desk, word: str, wish: Wish, every: bool = False) -> np.ndarray:
    edit = d.curves.operate(word, wish, every)
    assert edit is not None and d.editor.do(edit)
    return d.look()


@pytest.mark.parametrize("word", tools.DONE)
@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("selected", [None, (20, 40)])
def test_an_operator_stays_where_it_was_told(d: Desk, word: str, every: bool, selected: tuple[int, int] | None) -> None:
    before = d.look()
    d.curves.pick(1)
    d.curves.selected = selected
    after = done(d, word, Wish(0.5 if word != "smooth" else 5.0, 4, 7), every)
    changed = after != before
    a, b = selected or (0, 100)
    assert changed.any()
    assert not changed[:a].any() and not changed[b + 1 :].any()
    assert changed.any(0).tolist() == [every, True, every]
    assert d.label == f"{tools.DONE[word]} {'all dimensions' if every else 'dimension 2'} of tape"
    d.editor.undo()
    assert np.array_equal(d.look(), before)


def test_what_the_operators_do(d: Desk) -> None:
    x = d.look()
    whole = (0, 100)
    assert np.allclose(tools.operate(x, "scale", [0], *whole, Wish(-2.0))[:, 0], -2 * x[:, 0])
    assert np.allclose(tools.operate(x, "bias", [0], *whole, Wish(0.25))[:, 0], x[:, 0] + 0.25)
    assert np.array_equal(tools.operate(x, "reverse", [0, 1], 10, 20, Wish())[10:21, :2], x[10:21, :2][::-1])
    assert not tools.operate(x, "erase", range(3), *whole, Wish()).any()
    smooth = tools.operate(x, "smooth", [0], *whole, Wish(5.0))[:, 0]
    assert np.allclose(smooth[2:-2], np.convolve(x[:, 0], np.ones(5) / 5, "valid"))
    assert np.isclose(smooth[0], np.mean([x[0, 0]] * 3 + [x[1, 0], x[2, 0]]))
    chance = tools.operate(x, "random", [0, 1], *whole, Wish(0.5, 10, 3))
    assert np.abs(chance[:, :2]).max() <= 0.5 and np.abs(chance[:, 0]).max() > 0.3
    assert np.abs(np.diff(chance[:, 0], 2)).max() < 0.2 and len(tools.breakpoints(chance[:, 0], 1e-6)) <= 11
    assert np.array_equal(chance, tools.operate(x, "random", [0, 1], *whole, Wish(0.5, 10, 3)))
    assert not np.array_equal(chance, tools.operate(x, "random", [0, 1], *whole, Wish(0.5, 10, 4)))


def test_a_curve_is_copied_to_another_dimension(d: Desk) -> None:
    before = d.look()
    d.curves.selected = (5, 30)
    edit = d.curves.copy(2)
    assert edit is not None and d.editor.do(edit)
    after = d.look()
    assert np.array_equal(after[5:31, 2], before[5:31, 0]) and np.array_equal(after[31:], before[31:])
    assert d.label == "copy dimension 1 to 3 of tape"
    assert d.curves.copy(0) is None and d.curves.copy(3) is None


@pytest.mark.parametrize("rows", [1, 51, 101, 1000])
def test_resampling_keeps_the_shape(d: Desk, rows: int) -> None:
    before = d.look()
    edit = d.curves.resample(rows)
    assert (edit is None) == (rows == 101)
    if edit is None:
        return
    assert d.editor.do(edit)
    after = d.look()
    assert after.shape == (rows, 3) and d.label == f"resample tape to {rows} rows"
    assert np.array_equal(after[0], before[0])
    if rows > 1:
        assert np.array_equal(after[-1], before[-1])
        assert np.abs(after[rows // 2] - before[50]).max() < 0.02
    assert d.curves.span == max(rows - 1, 1) and d.curves.selected is None
    d.editor.undo()
    assert np.array_equal(d.look(), before)


def test_edits_are_deltas() -> None:
    d = Desk(10_000, 16)
    d.curves.selected = (500, 520)
    edit = d.curves.operate("erase", Wish())
    assert isinstance(edit, Edits)
    (one,) = edit.edits
    assert isinstance(one, SetData) and (one.start, len(one.rows)) == (500, 21)
    before = d.editor.here().nodes["tape"].data["path"]
    assert d.editor.do(edit)
    after = d.editor.here().nodes["tape"].data["path"]
    assert sum(a is b for a, b in zip(before, after, strict=True)) == 10_000 - 21, "the history shares what stays"


def test_nothing_changed_is_no_edit(d: Desk) -> None:
    assert d.curves.operate("scale", Wish(1.0)) is None
    assert d.curves.operate("bias", Wish(0.0), every=True) is None


# what is seen


def test_the_view_zooms_at_the_pointer_and_stays_inside(d: Desk) -> None:
    c = d.curves
    x = c.x(30)
    c.zoom(4.0, x)
    assert c.x(30) == pytest.approx(x) and c.span == pytest.approx(25)
    c.scroll(1000)
    assert c.row(AREA[2]) == pytest.approx(100)
    c.scroll(-1000)
    assert c.first == 0
    for _ in range(20):
        c.zoom(2.0, 200.0)
    assert c.span == curves.LEAST
    c.zoom(1e-6, 200.0)
    assert (c.first, c.span) == (0, 100)
    assert (c.row(c.x(12.5)), c.value(c.y(0.3))) == (pytest.approx(12.5), pytest.approx(0.3))


def test_the_wheel_zooms_moves_and_makes_higher(d: Desk) -> None:
    c = d.curves
    c.wheel(2.0, c.x(50))
    assert c.span == pytest.approx(64) and c.x(50) == pytest.approx(200)
    c.wheel(-1.0, 0.0, shift=True)
    assert (c.first, c.span) == (pytest.approx(18 + 0.15 * 64), pytest.approx(64))
    c.wheel(1.0, 0.0, ctrl=True)
    assert c.edge == pytest.approx(0.8) and c.span == pytest.approx(64)
    x = c.x(40)
    c.scroll(c.row(200.0) - c.row(220.0))  # the middle button goes 20 pixels to the right
    assert c.x(40) == pytest.approx(x + 20)


def test_many_rows_become_two_points_a_column_and_nothing_is_missed() -> None:
    table = np.zeros((10_000, 2))
    table[7_777, 0], table[1_234, 1] = 5.0, -3.0
    rows, values = tools.outline(table, 0, 9_999, 300)
    assert len(rows) == len(values) == 600
    assert values[:, 0].max() == 5.0 and values[:, 1].min() == -3.0
    assert abs(rows[values[:, 0].argmax()] - 7_777) < 40
    assert (np.diff(rows) > 0).all()
    rows, values = tools.outline(table, 7_700.5, 100, 300)
    assert rows[0] == 7_700 and rows[-1] == 7_801 and values[77, 0] == 5.0


def test_the_lines_lie_in_the_picture(d: Desk) -> None:
    d.curves.edge = 0.2
    for line in [*d.curves.outline(), d.curves.front()]:
        assert all(AREA[0] <= x <= AREA[2] + 1e-6 and AREA[1] <= y <= AREA[3] for x, y in line)
    one = Desk(1, 2)
    assert [len(line) for line in one.curves.outline()] == [2, 2]
    assert np.allclose(one.hand((0, 0.5))[0, 0], 0.5)


def test_another_width_or_length_is_followed(d: Desk) -> None:
    d.curves.pick(2)
    d.editor.do(SetData("tape", "path", [[0.0], [4.0]]))
    d.look()
    assert (d.curves.active, d.curves.dims, d.curves.span, d.curves.edge) == (0, 1, 1.0, 5.0)


def test_a_table_with_fewer_dimensions_than_the_latent_gets_the_others(d: Desk) -> None:
    d.editor.do(SetData("tape", "path", [[0.25]] * 50))
    c = d.curves
    c.look(d.editor.here().value("tape", "path"), curves.dims(d.editor.here(), "tape"))
    assert (c.dims, c.rows) == (3, 50) and not c.table[:, 1:].any()
    assert not c.look(c.source, 3), "nothing is new"
    assert c.operate("scale", Wish(1.0), every=True) is None
    c.pick(2)
    c.edge = 1.0
    after = d.hand((0, 0.5), (49, 0.5))
    assert np.allclose(after, [0.25, 0.0, 0.5])
    d.editor.undo()
    assert d.look().shape == (50, 1)


def test_time_is_read_in_seconds_where_it_is_known(d: Desk) -> None:
    patch = d.editor.here()
    assert curves.period(patch, "tape") == pytest.approx(0.05)
    assert curves.period(patch, "gone") == 0.0
    assert curves.clock(30, 0.05) == "1.50 s" and curves.clock(30, 0.0) == "30"
    assert curves.grid(0, 100, 0.05, 10) == pytest.approx([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100])
    assert curves.grid(3, 4, 0.0, 10) == [3, 4, 5, 6, 7]
    assert curves.head(0.5, 101) == 50 and curves.head(7.0, 101) == 100


def test_ten_thousand_rows_of_sixteen_are_fluid() -> None:
    d = Desk(10_000, 16)
    d.curves.area = (0.0, 0.0, 1000.0, 400.0)
    d.curves.press(*d.at(1000, 0.0))
    spent = []
    for k in range(30):
        start = time.process_time()
        d.curves.move(*d.at(1000 + 30 * k, 0.5))
        d.curves.front()
        spent.append(time.process_time() - start)
    assert sorted(spent)[15] < 0.008, "half of a frame's ten milliseconds at most"
    start = time.process_time()
    d.curves.outline()
    assert time.process_time() - start < 0.1


# the table

TESTS = {
    "drag": test_a_stroke_draws_the_active_curve_and_is_one_step,
    "click at points": test_a_click_adds_a_point_and_a_drag_moves_it,
    "drag a point": test_a_click_adds_a_point_and_a_drag_moves_it,
    "drag at select, or Alt and drag": test_rows_are_selected_with_alt_or_in_their_mode,
    "Ctrl and click, or 1 to 9": test_ctrl_click_picks_a_curve,
    "wheel": test_the_wheel_zooms_moves_and_makes_higher,
    "drag with the middle button": test_the_wheel_zooms_moves_and_makes_higher,
}


def test_every_gesture_has_a_test_and_is_on_the_cheat_sheet() -> None:
    assert set(TESTS) == {gesture for _, gesture, _ in MOUSE}
    page = cheatsheet()
    assert all(f"| {place} | {gesture} | {what} |" in page for place, gesture, what in MOUSE)


# the window

SMOKE = """
import sys
from pathlib import Path
from nodes import catalog
catalog.load()
import dearpygui.dearpygui as dpg
from graph import Patch
from graph.edits import Rename, RemoveNode
from ui.app import App
from ui.client import Editor
from ui.overlay import Curves
patch = Patch()
patch.add("latent/tape", "tape", dims=3)
for k, id in enumerate(("latent-path", "latent-bars", "latent-scatter")):
    patch.add(f"view/{id}", at=(240.0, 260.0 * k))
app = App(editor=Editor(None, patch), size=(1000, 700), vsync=False)
app.open_window()
def play(n=8):
    for _ in range(n):
        app._refreshed = 0.0
        app.frame()
for theme in ("light", "dark"):
    app.restyle(theme)
    play()
    panel = app.docks.made("curves")
    app.gestures.ask(Curves("tape"))
    play()
    c = panel.curves
    dpg.set_value(panel.length, 64)
    panel._resample()
    play()
    for mode in ("draw", "points", "select"):
        panel._mode(mode)
        c.press(c.x(10), c.y(0.1))
        c.move(c.x(30), c.y(0.6))
        panel._draw()
        panel._do(c.release())
        play(4)
    panel.every = True
    for word in ("random", "smooth"):
        panel._operate(word)
    panel._copy()
    panel._wheel(1.0)
    play(4)
    print("steps", app.editor.history.undo_label, len(patch.value("tape", "path")), c.dims)
    panel.escape()
    play(4)
    print("closed", panel.curves is None, panel.escape())
def button():
    return any(dpg.get_item_label(item) == "Keep what was recorded" for item in dpg.get_all_items())
print("button", button())
kept = []
panel.keep = kept.append
app.gestures.ask(Curves("tape"))
play()
panel._keep()
print("button", button(), kept)
app.editor.do(Rename("tape", "reel"))
play(4)
print("followed", panel.curves.node, dpg.get_item_label(panel.window))
app.editor.do(RemoveNode("reel"))
play(4)
print("gone", panel.curves is None)
print("errors", [e[2] for e in app.editor.errors])
app.finish()
app._end()
"""


@needs_display
def test_the_panel_in_a_window(surroundings: dict[str, str]) -> None:
    done = subprocess.run([sys.executable, "-c", SMOKE], env=surroundings, cwd=ROOT, text=True, capture_output=True, timeout=60)
    said = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert said == [
        *["steps copy dimension 1 to 2 of tape 64 3", "closed True False"] * 2, "button False",
        "button True ['tape']", "followed reel Curves of reel", "gone True",
        "errors []",
    ], done.stdout + done.stderr  # fmt: skip
