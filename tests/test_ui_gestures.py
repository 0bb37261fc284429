"""Every gesture, by mouse and keys on an editor without a window."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from graph import Patch
from graph.edits import AddNode, Group, RemoveNode, SetParam
from tests import test_plane
from tests.hands import ALT, CTRL, LEFT, MIDDLE, NO_MODS, RIGHT, SHIFT, SPACE, Entry, Hands, Menu, Mods, Palette, rack
from ui.gestures import MOUSE
from ui.menus import MENUS
from ui.model import TITLE, Wire
from ui.overlay import Curves
from ui.shapes import BADGE, BADGE_R


@pytest.fixture
def h() -> Hands:
    return rack()


EMPTY = (900.0, 600.0)


# the palette


def test_double_click_on_nothing_is_the_palette(h: Hands) -> None:
    h.double(EMPTY)
    assert h.gestures.requests[-1] == Palette(*EMPTY, EMPTY)
    name = h.choose("source/noise")
    assert name == "noise"
    assert h.editor.here().nodes["noise"].at == (904.0, 600.0)  # on the grid
    assert h.editor.selection == {"noise"}
    assert h.gestures.recent == ["source/noise"]
    assert h.undo() == "add noise"
    assert "noise" not in h.editor.here().nodes


def test_tab_is_the_palette_at_the_pointer(h: Hands) -> None:
    h.gestures.move(*EMPTY)
    assert h.key("Tab") == "add"
    assert h.asked(Palette).at == EMPTY


def test_a_new_sub_patch_is_empty_and_can_be_entered(h: Hands) -> None:
    h.double(EMPTY)
    name = h.choose("rack/patch")
    h.double(h.spot(name))
    assert h.editor.inside == (name,)
    h.double(EMPTY)
    assert h.choose("rack/inlet")
    assert h.editor.patch.nodes[name].patch is not None


def test_two_slow_clicks_are_no_double_click(h: Hands) -> None:
    h.click(EMPTY)
    h.click(EMPTY)
    h.click((200.0, 600.0))
    h.drag(EMPTY, now=0.1)  # elsewhere
    assert not h.gestures.requests
    h.drag(EMPTY, now=0.1)
    h.drag(EMPTY, now=0.1)  # the third click is none either
    assert len(h.gestures.requests) == 1


# cables


def test_cable_from_an_outlet(h: Hands) -> None:
    h.drag(h.port("lp", "out"), h.port("vca", "audio"))
    assert "lp.out vca.audio" in h.cables
    assert h.editor.history.undo_label == "connect lp -> vca.audio"


def test_cable_from_an_inlet(h: Hands) -> None:
    h.drag(h.port("vca", "audio"), h.port("lp", "out"))
    assert "lp.out vca.audio" in h.cables


def test_cable_while_it_is_drawn(h: Hands) -> None:
    h.drag(h.port("lp", "out"), h.port("vca", "audio"), drop=False)
    over = h.gestures.overlay
    assert over.cable is not None
    assert (over.cable.port, over.cable.over, over.cable.ok) == (("lp", "out", "out"), ("vca", "in", "audio"), True)
    assert over.cable.forward
    assert over.cable.seeks == "in"
    assert over.hint == "lp.out → vca.audio"
    assert not over.bad
    h.gestures.release(LEFT, *h.gestures.pointer)
    assert over.cable is None
    assert not over.hint


def test_cable_that_closes_a_loop_says_so(h: Hands) -> None:
    h.drag(h.port("lp", "out"), h.port("lp", "q", "in"))
    assert "lp.out lp.q" in h.cables  # a node to itself
    h.drag(h.port("lp", "out"), h.port("vca", "audio"))
    h.drag(h.port("vca", "out"), h.port("lp", "audio"), drop=False)
    assert "loop" in h.gestures.overlay.hint
    h.gestures.release(LEFT, *h.gestures.pointer)
    assert [c.delayed for k, c in h.editor.here().cables.items() if k[0] == "vca"] == [True]


def test_a_refused_cable_says_why_while_it_is_dragged() -> None:
    patch = Patch()
    patch.add("latent/pack", "pack", at=(0.0, 0.0))
    patch.add("effect/vca", "vca", at=(300.0, 0.0))
    h = Hands(patch)
    tried = []
    why_not = h.editor.why_not
    h.editor.why_not = lambda edit: tried.append(edit) or why_not(edit)  # type: ignore[method-assign, func-returns-value]
    at = h.port("vca", "audio")
    h.drag(h.port("pack", "z"), at, (at[0] + 1, at[1] + 1), (at[0] + 2, at[1]), drop=False)
    over = h.gestures.overlay
    assert over.bad
    assert "takes a signal" in over.hint
    assert over.cable is not None
    assert over.cable.ok is False
    assert len(tried) == 1  # asked only when the port under the pointer is another
    h.gestures.release(LEFT, *h.gestures.pointer)
    assert not h.cables
    assert "takes a signal" in h.errors[-1]
    assert not h.gestures.requests


def test_outlet_to_outlet_is_refused(h: Hands) -> None:
    h.drag(h.port("lp", "out"), h.port("vca", "out"), drop=False)
    assert h.gestures.overlay.bad
    h.gestures.release(LEFT, *h.gestures.pointer)
    assert len(h.cables) == 3


def test_the_same_cable_again_is_refused(h: Hands) -> None:
    h.drag(h.port("osc", "out"), h.port("lp", "audio"))
    assert "already" in h.errors[-1]


def test_cable_into_space_is_the_palette_of_what_fits(h: Hands) -> None:
    h.drag(h.port("lp", "out"), EMPTY)
    request = h.gestures.requests[-1]
    assert isinstance(request, Palette)
    assert request.wish is not None
    assert request.wish.start
    name = h.choose("effect/reverb")
    assert f"lp.out {name}.audio" in h.cables
    box, dropped = h.box(name), h.view.world(*EMPTY)
    inlet = box.port("in", "audio")
    assert inlet is not None
    assert abs(inlet.x - dropped[0]) < 8
    assert abs(inlet.y - dropped[1]) < 16
    h.undo()
    assert name not in h.editor.here().nodes  # node and cable are one step


def test_cable_from_a_param_into_space(h: Hands) -> None:
    h.drag(h.port("vca", "gain", "in"), (200.0, 700.0))
    request = h.gestures.requests[-1]
    assert isinstance(request, Palette)
    assert request.wish is not None
    assert request.wish.param
    name = h.choose("mod/lfo")
    assert f"{name}.out vca.gain" in h.cables
    assert h.box(name).x + h.box(name).w <= 210


def test_cable_onto_a_node_takes_the_first_port_that_fits(h: Hands) -> None:
    h.drag(h.port("lp", "out"), h.spot("vca"))
    assert "lp.out vca.audio" in h.cables
    h.drag(h.port("lfo", "out"), h.spot("vca"))
    assert "lfo.out vca.cv" in h.cables  # audio is taken


def test_cable_onto_a_knob(h: Hands) -> None:
    h.drag(h.port("lfo", "out"), h.knob("vca", "gain"))
    assert "lfo.out vca.gain" in h.cables


def test_taking_the_end_of_a_cable_elsewhere(h: Hands) -> None:
    h.drag(h.port("lp", "cutoff", "in"), h.port("vca", "gain", "in"))
    assert "lfo.out vca.gain" in h.cables
    assert "lfo.out lp.cutoff" not in h.cables
    assert h.editor.here().cables["lfo", "out", "vca", "gain"].amount == 0.5
    h.undo()
    assert "lfo.out lp.cutoff" in h.cables


def test_taking_the_end_of_a_cable_into_space_unplugs_it(h: Hands) -> None:
    h.drag(h.port("lp", "audio"), EMPTY)
    assert "osc.out lp.audio" not in h.cables
    assert not h.gestures.requests


def test_taking_the_end_of_a_cable_and_putting_it_back(h: Hands) -> None:
    before = h.editor.history.undo_label
    h.drag(h.port("lp", "audio"), EMPTY, h.port("lp", "audio"))
    assert "osc.out lp.audio" in h.cables
    assert h.editor.history.undo_label == before


def test_shift_draws_another_cable_from_a_connected_inlet(h: Hands) -> None:
    h.drag(h.port("lp", "audio"), h.port("vca", "out"), mods=SHIFT)
    assert {"osc.out lp.audio", "vca.out lp.audio"} < set(h.cables)


def test_a_click_on_a_port_does_nothing(h: Hands) -> None:
    before = h.cables
    h.click(h.port("lp", "audio"))
    h.click(h.port("lp", "out"))
    assert h.cables == before
    assert not h.gestures.requests


def test_double_click_on_a_port_is_the_palette_of_what_fits(h: Hands) -> None:
    h.double(h.port("vca", "gain", "in"))
    assert f"{h.choose('mod/adsr')}.out vca.gain" in h.cables


def test_escape_gives_the_cable_up(h: Hands) -> None:
    h.drag(h.port("lp", "audio"), EMPTY, drop=False)
    assert h.key("Escape") == "gesture"
    h.gestures.release(LEFT, *EMPTY)
    assert "osc.out lp.audio" in h.cables
    assert h.gestures.overlay.cable is None


def test_cables_snap_at_any_zoom(h: Hands) -> None:
    h.view.zoom_at(0.3, 0.0, 0.0)
    x, y = h.port("vca", "audio")
    h.drag(h.port("lp", "out"), (x - 6, y - 3))
    assert "lp.out vca.audio" in h.cables


# inserting


def test_dropping_a_node_on_a_cable_inserts_it(h: Hands) -> None:
    x, y = h.wire(list(h.layout.wires).index(("lp", "out", "out", "audio")))
    grab, box = h.spot("vca"), h.box("vca")
    to = (x - box.w / 2 + (grab[0] - box.x), y - box.h / 2 + (grab[1] - box.y))
    h.drag(grab, to, drop=False)
    assert h.gestures.overlay.insert == ("lp", "out", "out", "audio")
    h.gestures.release(LEFT, *to)
    h.follow()
    assert {"lp.out vca.audio", "vca.out out.audio"} < set(h.cables)
    assert "lp.out out.audio" not in h.cables
    h.undo()
    assert "lp.out out.audio" in h.cables
    assert h.editor.here().nodes["vca"].at == (400.0, 480.0)


def test_a_connected_node_is_not_inserted(h: Hands) -> None:
    h.drag(h.spot("osc"), h.wire(0), drop=False)
    assert h.gestures.overlay.insert is None


def test_double_click_on_a_cable_puts_a_node_into_it(h: Hands) -> None:
    index = list(h.layout.wires).index(("lp", "out", "out", "audio"))
    h.double(h.wire(index))
    assert h.gestures.requests[-1].wire == ("lp", "out", "out", "audio")  # type: ignore[union-attr]
    name = h.choose("effect/delay")
    assert {f"lp.out {name}.audio", f"{name}.out out.audio"} < set(h.cables)


def test_dropping_a_type_from_the_browser(h: Hands) -> None:
    assert h.gestures.drop("source/noise", *EMPTY) == "noise"
    h.follow()
    x, y = h.wire(list(h.layout.wires).index(("lp", "out", "out", "audio")))
    assert h.gestures.drop("effect/delay", x, y) == "delay"
    h.follow()
    assert "lp.out delay.audio" in h.cables
    assert h.gestures.drop("mod/lfo", *h.wire(0)) == "lfo2"  # has no inlet that a cable passes: it lands beside
    assert h.gestures.drop("no/such", *EMPTY) == ""
    assert "no/such" in h.errors[-1]


def test_dropping_a_sound_file(h: Hands, tmp_path: Path) -> None:
    (tmp_path / "kick.wav").write_bytes(b"RIFF")
    assert h.gestures.drop_file(tmp_path / "kick.wav", *EMPTY) == ""
    assert "save" in h.errors[-1]
    h.editor.patch.folder = tmp_path
    name = h.gestures.drop_file(tmp_path / "kick.wav", *EMPTY)
    assert h.editor.here().nodes[name].settings["file"] == "kick.wav"


# selecting


def test_click_selects_and_shift_adds_or_takes_out(h: Hands) -> None:
    h.click(h.spot("osc"))
    assert h.editor.selection == {"osc"}
    h.click(h.spot("lp"))
    assert h.editor.selection == {"lp"}
    h.click(h.spot("osc"), SHIFT)
    assert h.editor.selection == {"osc", "lp"}
    h.click(h.spot("lp"), SHIFT)
    assert h.editor.selection == {"osc"}
    h.click(EMPTY)
    assert h.editor.selection == set()


def test_click_on_one_of_many_selects_it_alone(h: Hands) -> None:
    h.key("A", CTRL)
    assert len(h.editor.selection) == 5
    h.click(h.spot("lp"))
    assert h.editor.selection == {"lp"}


def test_box_select_and_shift_adds(h: Hands) -> None:
    h.drag((10.0, 10.0), (300.0, 290.0), drop=False)
    assert h.gestures.overlay.band == (10.0, 10.0, 300.0, 290.0)
    h.gestures.release(LEFT, 300.0, 290.0)
    assert h.gestures.overlay.band is None
    assert h.editor.selection == {"osc"}
    h.drag((1000.0, 790.0), (390.0, 470.0), mods=SHIFT)
    assert h.editor.selection == {"osc", "vca"}


def test_escape_gives_the_box_up(h: Hands) -> None:
    h.click(h.spot("lp"))
    h.drag((10.0, 10.0), (300.0, 290.0), drop=False)
    h.key("Escape")
    assert h.editor.selection == {"lp"}


def test_click_on_a_cable_selects_it(h: Hands) -> None:
    h.click(h.spot("osc"))
    h.click(h.wire(0))
    assert h.gestures.overlay.wires == {next(iter(h.layout.wires))}
    assert h.editor.selection == set()
    h.click(h.wire(1), SHIFT)
    assert len(h.gestures.overlay.wires) == 2
    assert h.key("Delete") == "delete"
    assert len(h.cables) == 1


# moving


def test_moving_nodes_on_the_grid(h: Hands) -> None:
    h.click(h.spot("osc"))
    h.click(h.spot("lp"), SHIFT)
    x, y = h.spot("osc")
    h.drag((x, y), (x + 33, y + 22), drop=False)
    assert h.box("osc").x == 72.0  # seen at once
    assert h.editor.here().nodes["osc"].at == (40.0, 40.0)
    h.gestures.release(LEFT, x + 33, y + 22)
    h.follow()
    assert h.editor.here().nodes["osc"].at == (72.0, 64.0)
    assert h.editor.here().nodes["lp"].at == (432.0, 64.0)
    h.undo()
    assert h.editor.here().nodes["osc"].at == (40.0, 40.0)
    assert h.editor.here().nodes["lp"].at == (400.0, 40.0)


def test_ctrl_while_dragging_moves_off_the_grid(h: Hands) -> None:
    x, y = h.spot("osc")
    h.drag((x, y), drop=False)
    h.gestures.move(x + 33, y + 22, CTRL)
    h.gestures.release(LEFT, x + 33, y + 22, CTRL)
    h.follow()
    assert h.editor.here().nodes["osc"].at == (73.0, 62.0)


@pytest.mark.parametrize("mods", [NO_MODS, ALT])
def test_a_trembling_click_moves_nothing(h: Hands, mods: Mods) -> None:
    x, y = h.spot("osc")
    h.drag((x, y), (x + 3, y + 1), mods=mods)
    assert h.editor.history.undo_label is None


def test_alt_drag_makes_copies_with_the_cables_between_them(h: Hands) -> None:
    h.click(h.spot("osc"))
    h.click(h.spot("lp"), SHIFT)
    before, cables = dict(h.editor.here().nodes), h.cables
    x, y = h.spot("osc")
    h.drag((x, y), (x + 33, y + 202), mods=ALT, drop=False)
    over = h.gestures.overlay
    assert set(over.ghosts) == {"osc", "lp"} and over.ghosts_by == (32.0, 200.0)  # seen before anything is done
    assert dict(h.editor.here().nodes) == before
    h.gestures.release(LEFT, x + 33, y + 202, ALT)
    h.follow()
    nodes = h.editor.here().nodes
    assert not over.ghosts and h.editor.selection == {"osc2", "lp2"}
    assert (nodes["osc2"].at, nodes["lp2"].at) == ((72.0, 240.0), (432.0, 240.0))
    assert (nodes["osc"].at, nodes["lp"].at) == ((40.0, 40.0), (400.0, 40.0))
    assert set(h.cables) - set(cables) == {"osc2.out lp2.audio"}  # not the LFO's: it was not dragged
    assert h.undo() == "duplicate 2 nodes"
    assert dict(h.editor.here().nodes) == before and h.cables == cables


def test_alt_drag_can_be_given_up_and_is_refused_where_the_patch_is_locked(h: Hands) -> None:
    x, y = h.spot("osc")
    h.drag((x, y), (x + 80, y + 80), mods=ALT, drop=False)
    h.key("Escape", ALT)
    assert not h.gestures.overlay.ghosts
    h.gestures.release(LEFT, x + 80, y + 80, ALT)
    h.editor.locked = True
    h.drag((x, y), (x + 80, y + 80), mods=ALT)
    assert h.editor.history.undo_label is None and len(h.editor.here().nodes) == 5


def test_escape_moves_nothing(h: Hands) -> None:
    x, y = h.spot("osc")
    h.drag((x, y), (x + 80, y), drop=False)
    h.key("Escape")
    assert h.box("osc").x == 40.0
    assert h.editor.history.undo_label is None


def test_arrows_move_and_are_one_step(h: Hands) -> None:
    h.click(h.spot("osc"))
    h.key("Right")
    h.key("Right")
    h.key("Down")
    assert h.editor.here().nodes["osc"].at == (56.0, 48.0)


# knobs


def test_knob_drag(h: Hands) -> None:
    x, y = h.knob("vca", "gain")
    item = h.box("vca").spec.params["gain"]  # type: ignore[union-attr]
    start = item.knob(h.editor.value("vca", "gain"))  # type: ignore[arg-type]
    h.drag((x, y), (x, y + 10), (x, y + 20))
    assert item.knob(h.editor.value("vca", "gain")) == pytest.approx(start - 0.1)  # type: ignore[arg-type]
    assert h.undo() == "set vca.gain"  # the whole drag is one step
    assert h.editor.history.undo_label is None


def test_knob_whole_way_is_200_pixels_and_shift_is_fine(h: Hands) -> None:
    x, y = h.knob("vca", "gain")
    item = h.box("vca").spec.params["gain"]  # type: ignore[union-attr]
    h.drag((x, y), (x, y + 500), (x, y + 300))
    assert h.editor.value("vca", "gain") == item.at(1.0)
    h.drag((x, y), (x, y + 100))
    h.drag((x, y), (x, y - 100), mods=SHIFT)
    assert item.knob(h.editor.value("vca", "gain")) == pytest.approx(0.55)  # type: ignore[arg-type]


def test_two_drags_are_two_steps(h: Hands) -> None:
    x, y = h.knob("vca", "gain")
    h.drag((x, y), (x, y + 20))
    h.drag((x, y), (x, y + 20))
    h.undo()
    assert h.editor.history.undo_label == "set vca.gain"


def test_escape_turns_the_knob_back(h: Hands) -> None:
    before = h.editor.value("vca", "gain")
    x, y = h.knob("vca", "gain")
    h.drag((x, y), (x, y + 50), drop=False)
    h.key("Escape")
    assert h.editor.value("vca", "gain") == before


def test_double_click_on_a_knob_is_its_default(h: Hands) -> None:
    x, y = h.knob("lp", "cutoff")
    h.drag((x, y), (x, y + 70))
    h.double((x, y))
    assert h.editor.value("lp", "cutoff") == h.editor.spec("lp").params["cutoff"].default  # type: ignore[union-attr]
    assert not h.gestures.requests


def test_ctrl_click_types_a_number(h: Hands) -> None:
    h.click(h.knob("lp", "cutoff"), CTRL)
    request = h.gestures.requests[-1]
    assert isinstance(request, Entry)
    assert (request.what, request.node, request.name) == ("param", "lp", "cutoff")
    assert request.text.endswith("Hz")
    assert h.type("440*3/2") == ""
    assert h.editor.value("lp", "cutoff") == 660.0
    h.click(h.knob("lp", "cutoff"), CTRL)
    assert "20 … 20000 Hz" in h.type("99k")
    assert h.editor.value("lp", "cutoff") == 660.0
    assert h.undo() == "set lp.cutoff"


def test_ctrl_wheel_turns_a_knob(h: Hands) -> None:
    at = h.knob("vca", "gain")
    item = h.box("vca").spec.params["gain"]  # type: ignore[union-attr]
    start = item.knob(h.editor.value("vca", "gain"))  # type: ignore[arg-type]
    for _ in range(5):
        h.gestures.wheel(-1.0, *at, CTRL)
    h.follow()
    assert item.knob(h.editor.value("vca", "gain")) == pytest.approx(start - 0.05)  # type: ignore[arg-type]
    h.gestures.wheel(-1.0, *at, Mods(ctrl=True, shift=True))
    assert item.knob(h.editor.value("vca", "gain")) == pytest.approx(start - 0.051)  # type: ignore[arg-type]
    h.gestures.move(*EMPTY)
    assert h.undo() == "set vca.gain"
    assert h.editor.history.undo_label is None
    assert h.view.zoom == 1.0


def test_ring_sets_the_amount(h: Hands) -> None:
    x, y = h.ring("lp", "cutoff")
    h.drag((x, y), (x, y - 50), drop=False)
    assert h.gestures.overlay.shown == {("lfo", "out", "lp", "cutoff")}
    h.gestures.release(LEFT, x, y - 50)
    assert h.editor.here().cables["lfo", "out", "lp", "cutoff"].amount == pytest.approx(0.75)
    assert h.undo() == "set lfo -> lp.cutoff"
    assert h.editor.here().cables["lfo", "out", "lp", "cutoff"].amount == 0.5
    assert h.editor.history.undo_label is None


def test_alt_drag_on_the_knob_sets_the_amount_too(h: Hands) -> None:
    x, y = h.knob("lp", "cutoff")
    h.drag((x, y), (x, y + 100), mods=ALT)
    assert h.editor.here().cables["lfo", "out", "lp", "cutoff"].amount == pytest.approx(0.0)
    h.drag((x, y), (x, y + 50), drop=False, mods=ALT)
    h.key("Escape")
    assert h.editor.here().cables["lfo", "out", "lp", "cutoff"].amount == pytest.approx(0.0)


def test_switches(h: Hands) -> None:
    options = h.box("lfo").switches[0].item.options
    name = h.box("lfo").switches[0].choice
    at = h.switch("lfo", name)
    first = h.editor.value("lfo", name)
    h.click(at)
    assert h.editor.value("lfo", name) == options[1]
    h.click(at, SHIFT)
    h.click(at, SHIFT)
    assert h.editor.value("lfo", name) == options[-1]
    h.click(at, CTRL)
    assert h.type(str(first)[:3]) == ""
    assert h.editor.value("lfo", name) == first


def test_fold() -> None:
    patch = Patch()
    patch.add("maths/mix", "mix", at=(40.0, 40.0))
    patch.add("effect/compressor", "comp", at=(400.0, 40.0))
    h = Hands(patch)
    folded = [b for b in h.layout.boxes.values() if b.fold is not None]
    for box in folded:
        assert box.fold is not None
        tall = box.h
        h.click(h.view.screen(box.fold.x + 10, box.fold.y + box.fold.h / 2))
        assert h.box(box.name).h != tall


# nodes


def test_rename_in_place(h: Hands) -> None:
    h.click(h.spot("osc"))
    assert h.key("F2") == "rename"
    assert h.gestures.requests[-1].text == "osc"  # type: ignore[union-attr]
    assert h.type("my saw") == ""
    assert "my_saw" in h.editor.here().nodes
    assert h.editor.selection == {"my_saw"}
    h.double(h.spot("lfo"))
    assert "already" in h.type("lp")
    assert h.undo() == "rename osc -> my_saw"


def test_sub_patch_opens_and_escape_leaves(h: Hands) -> None:
    h.editor.do(Group(("lp", "lfo"), "voice"))
    h.follow()
    h.double(h.spot("voice"))
    assert h.editor.inside == ("voice",)
    assert set(h.layout.boxes) >= {"lp", "lfo"}
    x, y = h.knob("lp", "cutoff")
    h.drag((x, y), (x, y - 20))
    h.drag(h.port("lfo", "out"), h.port("lp", "q", "in"))
    assert "lfo.out lp.q" in h.cables
    inner = h.editor.patch.nodes["voice"].patch
    assert inner is not None
    assert inner.nodes["lp"].params["cutoff"] > 1000.0
    h.key("Escape")
    h.key("Escape")
    assert h.editor.inside == ()


# the lock


def test_locked_for_playing(h: Hands) -> None:
    assert h.key("E", CTRL) == "lock"
    before, cables = h.editor.history.undo_label, h.cables
    x, y = h.spot("osc")
    h.drag((x, y), (x + 80, y))
    h.drag(h.port("lp", "out"), h.port("vca", "audio"))
    h.drag(h.ring("lp", "cutoff"), (0.0, 0.0))
    h.click(h.spot("osc"))
    for key in ("Delete", "Right"):
        h.key(key)
    assert "locked" in h.errors[-1]
    h.key("D", CTRL)
    assert h.gestures.drop("source/noise", *EMPTY) == ""
    h.double(EMPTY)
    h.double(h.wire(0))
    h.double(h.spot("osc"))
    assert not h.gestures.requests
    assert (h.editor.history.undo_label, h.cables) == (before, cables)
    assert h.editor.here().nodes["osc"].at == (40.0, 40.0)
    kx, ky = h.knob("vca", "gain")
    h.drag((kx, ky), (kx, ky + 20))
    assert h.editor.history.undo_label == "set vca.gain"  # knobs still turn
    h.click(h.switch("lfo", h.box("lfo").switches[0].choice))
    assert h.editor.history.undo_label == f"set lfo.{h.box('lfo').switches[0].choice}"
    h.key("E", CTRL)
    h.drag((x, y), (x + 80, y))
    assert h.editor.here().nodes["osc"].at == (120.0, 40.0)


# the view


def test_pan(h: Hands) -> None:
    h.drag(h.spot("osc"), (0.0, 0.0), button=MIDDLE)
    assert h.view.screen(40.0, 40.0) != (40.0, 40.0)
    h.view.place.x = h.view.place.y = 0.0
    h.drag((300.0, 300.0), (350.0, 280.0), mods=SPACE)
    assert (h.view.place.x, h.view.place.y) == (50.0, -20.0)
    assert h.editor.history.undo_label is None


def test_wheel_zooms_at_the_pointer(h: Hands) -> None:
    for mods in (NO_MODS, CTRL):
        zoom, world = h.view.zoom, h.view.world(*EMPTY)
        h.gestures.wheel(-2.0, *EMPTY, mods)
        assert h.view.zoom < zoom
        assert h.view.world(*EMPTY) == pytest.approx(world)


def test_trackpad_scroll_pans(h: Hands) -> None:
    h.gestures.wheel(0.25, *EMPTY)
    assert h.view.zoom == 1.0
    assert (h.view.place.x, h.view.place.y) == (0.0, 15.0)
    h.gestures.wheel(0.0, *EMPTY, sideways=-0.5)
    assert (h.view.place.x, h.view.place.y) == (-30.0, 15.0)
    h.gestures.wheel(1.0, *EMPTY, SHIFT)
    assert (h.view.place.x, h.view.place.y) == (30.0, 15.0)


def test_a_drag_goes_on_while_the_wheel_turns(h: Hands) -> None:
    h.drag(h.port("lp", "out"), (650.0, 600.0), drop=False)
    h.gestures.wheel(-3.0, 650.0, 600.0)
    at = h.port("vca", "audio")
    h.gestures.move(*at)
    h.gestures.release(LEFT, *at)
    assert "lp.out vca.audio" in h.cables


def test_minimap(h: Hands) -> None:
    h.gestures.minimap = h.view.minimap(h.layout.boxes.values(), 1000.0, 650.0, 180.0, 120.0)
    m = h.gestures.minimap
    h.drag(m.point(3000.0, 2000.0), drop=True) if m.over(*m.point(3000.0, 2000.0)) else h.drag(m.point(100.0, 700.0))
    assert h.view.place.x != 0.0
    assert h.editor.selection == set()


# menus


def test_right_click_menus(h: Hands) -> None:
    assert h.menu(EMPTY)[0] == "add"
    found = h.menu(h.spot("osc"))
    assert h.editor.selection == {"osc"}
    assert {"rename", "delete", "bypass", "mute", "help"} < set(found)
    assert "enter" not in found
    assert "align-left" not in found
    assert {"type-value", "add-lfo", "learn", "expose", "copy-address", "drivers"} < set(h.menu(h.knob("lp", "cutoff")))
    assert {"add-here", "copy-address"} <= set(h.menu(h.port("vca", "gain", "in")))
    assert h.menu(h.port("vca", "audio")) == ["add-here"]
    assert {"insert", "amount", "delete"} < set(h.menu(h.wire(0)))
    assert len(h.gestures.overlay.wires) == 1
    assert {"type-value", "copy-address"} < set(h.menu(h.switch("lfo", h.box("lfo").switches[0].choice)))
    for found in (h.menu(h.spot("osc")), h.menu(EMPTY)):
        assert found[0]
        assert found[-1]
        assert not any(a == b == "" for a, b in pairwise(found))


def busy() -> Hands:
    """Inside a sub-patch: three nodes selected, one of them faulty, something to paste, steps to undo and redo."""
    h = rack()
    h.editor.do(Group(("lp", "lfo", "vca"), "voice"))
    h.editor.enter("voice")
    h.follow()
    h.editor.do(SetParam("vca", "gain", 0.5))
    h.editor.do(SetParam("lp", "cutoff", 333.0))
    h.editor.undo()
    h.editor.do(SetParam("lp", "q", 2.0))
    h.editor.undo()
    h.editor.problems = {"voice/lp": "not a number"}
    h.follow()
    h.click(h.spot("lp"))
    h.act("copy")
    h.click(h.spot("lfo"), SHIFT)
    h.click(h.spot("vca"), SHIFT)
    h.said.clear()
    return h


def seen(h: Hands) -> tuple[object, ...]:
    """All that an action can change."""
    e, over = h.editor, h.gestures.overlay
    return (
        e.patch.copy(), e.history.undo_label, len(e.errors), dict(e.problems), e.inside, e.locked, set(e.selection),
        set(over.wires), over.shown, over.lit, h.view.place, list(h.gestures.requests), list(h.said), h.clipboard,
        list(h.docks.said), list(h.files.said), dict(vars(h.settings)),
    )  # fmt: skip


NOT_NOW = {"node": ("curves", "points", "enter", "rename", "trust", "reload", "encode")}
"""What a menu does not offer in that rack, where three nodes are selected."""
SPOTS: dict[str, Callable[[Hands], tuple[float, float]]] = {
    "canvas": lambda h: (1100.0, 780.0), "node": lambda h: h.spot("lp"), "port": lambda h: h.port("lp", "cutoff", "in"),
    "cable": lambda h: h.wire(0), "knob": lambda h: h.knob("lp", "cutoff"),
    "switch": lambda h: h.switch("lfo", h.box("lfo").switches[0].choice),
}  # fmt: skip


@pytest.mark.parametrize("place", SPOTS)
def test_every_entry_of_a_right_click_menu_does_something(place: str) -> None:
    ids = [id for id in busy().menu(SPOTS[place](busy())) if id]
    assert set(ids) == set(MENUS[place]) - {"", *NOT_NOW.get(place, ())}
    for id in ids:
        h = busy()
        h.menu(SPOTS[place](h))
        before = seen(h)
        assert h.act(id), id
        assert seen(h) != before, id


def test_the_mark_of_a_fault_is_a_menu(h: Hands) -> None:
    h.editor.do(AddNode("model/nn", "m", at=(400.0, 400.0)))
    h.follow()
    box = h.box("m")
    assert box.lacks == "names no model; set its file" and box.lines == ("no file yet", "its first method")
    h.click(h.view.screen(box.x + box.w - BADGE - BADGE_R, box.y + TITLE / 2))
    wanted = h.gestures.requests[-1]
    assert isinstance(wanted, Menu) and wanted.place == "node" and h.editor.selection == {"m"}
    h.gestures.requests.clear()
    lp = h.box("lp")  # nothing is wrong with this one
    h.click(h.view.screen(lp.x + lp.w - BADGE - BADGE_R, lp.y + TITLE / 2))
    assert not h.gestures.requests and h.editor.selection == {"lp"}


def test_right_click_keeps_a_selection_that_it_is_in(h: Hands) -> None:
    h.key("A", CTRL)
    h.click(h.spot("lp"), button=RIGHT)
    assert len(h.editor.selection) == 5
    assert isinstance(h.gestures.requests[-1], Menu)


def test_hover(h: Hands) -> None:
    h.gestures.move(*h.wire(0))
    assert isinstance(h.gestures.overlay.hover, Wire)
    h.gestures.move(*h.knob("lp", "q"))
    assert h.gestures.overlay.cursor == "turn"
    h.gestures.move(*EMPTY)
    assert h.gestures.overlay.hover is None


def test_found_nodes_come_into_view(h: Hands) -> None:
    h.editor.do(Group(("lp", "lfo"), "voice"))
    h.follow()
    h.view.pan(-5000.0, 0.0)
    h.gestures.found("voice/lp")
    h.follow()
    assert h.editor.inside == ("voice",)
    assert h.editor.selection == {"lp"}
    x, y = h.spot("lp")
    assert 0 < x < 1200
    assert 0 < y < 800


def test_quick_in_a_large_patch() -> None:
    import time

    patch = Patch()
    for i in range(300):
        patch.add("filter/lowpass", f"f{i}", at=(200.0 * (i % 20), 250.0 * (i // 20)))
        if i:
            patch.connect(f"f{i - 1}.out", f"f{i}.audio")
    h = Hands(patch)
    h.drag(h.port("f0", "out"), h.port("f1", "cutoff", "in"), drop=False)
    start = time.process_time()
    for i in range(50):
        h.gestures.move(300.0 + i, 200.0 + i)
    assert time.process_time() - start < 0.25


# somebody else changes the patch meanwhile


@pytest.mark.parametrize("what", ["move", "cable", "end", "knob", "ring", "band"])
@pytest.mark.parametrize("how", ["release", "escape"])
def test_the_patch_changes_under_the_hand(h: Hands, what: str, how: str) -> None:
    start, end = {
        "move": (h.spot("lp"), EMPTY), "cable": (h.port("lp", "out"), h.port("vca", "audio")), "band": ((10.0, 10.0), EMPTY),
        "end": (h.port("lp", "audio"), h.port("vca", "audio")), "knob": (h.knob("lp", "q"), EMPTY),
        "ring": (h.ring("lp", "cutoff"), (0.0, 0.0)),
    }[what]  # fmt: skip
    h.drag(start, end, drop=False)
    h.editor.do(RemoveNode("lp"))
    h.editor.do(RemoveNode("vca"))
    h.follow()
    h.gestures.move(end[0] + 9, end[1] + 9)
    if how == "escape":
        h.key("Escape")
    h.gestures.release(LEFT, end[0] + 9, end[1] + 9)
    h.follow()
    assert set(h.editor.here().nodes) == {"osc", "lfo", "out"}
    assert h.gestures.overlay.cable is None


def test_leaving_a_sub_patch_forgets_what_was_pointed_at(h: Hands) -> None:
    h.editor.do(Group(("lp", "lfo"), "voice"))
    h.follow()
    h.editor.enter("voice")
    h.follow()
    h.menu(h.knob("lp", "cutoff"))
    h.editor.leave()
    h.follow()
    assert h.gestures.target is None
    assert not h.gestures.overlay.wires


def test_a_knob_inside_a_file_does_not_turn(h: Hands, tmp_path: Path) -> None:
    part = Patch()
    part.add("filter/lowpass", "lp", at=(40.0, 40.0))
    part.expose("tone", "lp.cutoff")
    part.save(tmp_path / "part.zrack")
    h.editor.patch.folder = tmp_path
    name = h.gestures.drop("rack/patch", *EMPTY, {"file": "part.zrack"})
    h.follow()
    h.double(h.spot(name))
    x, y = h.knob("lp", "q")
    h.drag((x, y), (x, y - 30), drop=False)
    assert h.gestures.overlay.bad
    h.gestures.release(LEFT, x, y - 30)
    assert h.editor.value("lp", "q") == part.value("lp", "q")
    x, y = h.knob("lp", "cutoff")
    h.drag((x, y), (x, y - 30))
    assert h.editor.patch.value(name, "tone") > 1000.0  # what it shows belongs to its use
    h.drag(h.spot("lp"), EMPTY)
    assert "part.zrack" in h.editor.readonly


# latents


def test_dragging_in_a_scatter_moves_its_cursor() -> None:
    patch = Patch()
    patch.add("view/latent-scatter", "map", at=(104.0, 104.0))
    h = Hands(patch)
    left, top, right, bottom = h.box("map").picture or (0, 0, 0, 0)

    def spot(x: float, y: float) -> tuple[float, float]:
        return h.view.screen((left + right) / 2 + x * (right - left) / 2, (top + bottom) / 2 - y * (bottom - top) / 2)

    def cursor() -> tuple[float, float]:
        return tuple(float(h.editor.value("map", port)) for port in ("cursor_x", "cursor_y"))  # type: ignore[return-value]

    h.drag(spot(0.2, 0.4))
    assert cursor() == pytest.approx((0.2, 0.4)), "a press is enough"
    assert h.editor.selection == {"map"}
    h.drag(spot(0.5, -0.5), spot(0.0, 0.0), spot(-0.25, 3.0))
    assert cursor() == pytest.approx((-0.25, 1.0)), "at the edge where the pointer is outside"
    assert h.box("map").x == 104.0
    h.undo()
    assert cursor() == pytest.approx((0.2, 0.4)), "a drag is one step"
    h.drag(spot(0.9, 0.9), spot(0.7, 0.7), drop=False)
    h.gestures.key("Escape")
    assert cursor() == pytest.approx((0.2, 0.4))
    h.editor.locked = True
    h.double(spot(0.1, 0.1))  # quick clicks are played too
    assert cursor() == pytest.approx((0.1, 0.1)) and not h.gestures.requests
    h.editor.locked = False
    h.drag(h.spot("map"), (h.spot("map")[0] + 80, h.spot("map")[1]))
    assert h.box("map").x == 184.0, "by its title it is moved"


def test_double_click_on_a_tape_opens_its_curves() -> None:
    patch = Patch()
    patch.add("latent/tape", "tape")
    h = Hands(patch)
    h.double(h.spot("tape"))
    assert h.gestures.requests == [Curves("tape")]
    h.gestures.requests.clear()
    assert "curves" in h.menu(h.spot("tape"))
    assert h.act("curves")
    assert h.asked(Curves) == Curves("tape")
    patch.add("view/scope", "scope", at=(600.0, 0.0))
    h.follow()
    assert "curves" not in h.menu(h.spot("scope"))


def test_a_scatter_takes_its_points_from_a_tape() -> None:
    patch = Patch()
    rows = [[k * 0.5, -1.0, 2.0] for k in range(5000)]
    patch.add("latent/tape", "tape", path=rows, dims=3, space="voice", ratio=1024)
    patch.add("view/latent-scatter", "map", at=(304.0, 0.0))
    h = Hands(patch)
    h.click(h.spot("tape"))
    assert "points" not in h.menu(h.spot("tape"))
    h.click(h.spot("map"), SHIFT)
    before = patch.value("map", "points")
    assert h.editor.locked is False and h.act("points")
    points = patch.value("map", "points")
    assert len(points) == 4096 and points[0] == (0.0, -1.0, 2.0) and points[-1] == (2499.5, -1.0, 2.0)
    assert [patch.value("map", s) for s in ("space", "dims", "ratio")] == ["voice", 3, 1024]
    patch.connect("map.z", "tape.z")  # they are one space now
    h.undo()
    h.undo()
    assert patch.value("map", "points") == before
    h.editor.locked = True
    assert not h.act("points") and "locked" in h.editor.errors[-1][2]


# the table

TESTS = {
    ("canvas", "double-click"): test_double_click_on_nothing_is_the_palette,
    ("canvas", "drag"): test_box_select_and_shift_adds,
    ("canvas", "Space and drag, or drag with the middle button"): test_pan,
    ("canvas", "wheel"): test_wheel_zooms_at_the_pointer,
    ("canvas", "scroll on a trackpad, or Shift and wheel"): test_trackpad_scroll_pans,
    ("canvas", "click in the minimap"): test_minimap,
    ("canvas", "drop a node type, a patch or a sound"): test_dropping_a_type_from_the_browser,
    ("node", "click"): test_click_selects_and_shift_adds_or_takes_out,
    ("node", "drag"): test_moving_nodes_on_the_grid,
    ("node", "Alt and drag"): test_alt_drag_makes_copies_with_the_cables_between_them,
    ("node", "drag one without cables onto a cable"): test_dropping_a_node_on_a_cable_inserts_it,
    ("node", "double-click"): test_sub_patch_opens_and_escape_leaves,
    ("node", "click on its !"): test_the_mark_of_a_fault_is_a_menu,
    ("node", "drag in the picture of a latent scatter or plane"): test_dragging_in_a_scatter_moves_its_cursor,
    ("node", "Alt and drag a point of a latent plane"): test_plane.test_alt_and_drag_sets_how_wide_a_disc_is,
    ("port", "drag"): test_cable_from_an_outlet,
    ("port", "drag into empty space"): test_cable_into_space_is_the_palette_of_what_fits,
    ("port", "drag onto a node"): test_cable_onto_a_node_takes_the_first_port_that_fits,
    ("port", "drag from an inlet with a cable"): test_taking_the_end_of_a_cable_elsewhere,
    ("port", "Shift and drag from an inlet with a cable"): test_shift_draws_another_cable_from_a_connected_inlet,
    ("port", "double-click"): test_double_click_on_a_port_is_the_palette_of_what_fits,
    ("cable", "click"): test_click_on_a_cable_selects_it,
    ("cable", "double-click"): test_double_click_on_a_cable_puts_a_node_into_it,
    ("knob", "drag up or down"): test_knob_drag,
    ("knob", "Ctrl and wheel"): test_ctrl_wheel_turns_a_knob,
    ("knob", "double-click"): test_double_click_on_a_knob_is_its_default,
    ("knob", "Ctrl and click"): test_ctrl_click_types_a_number,
    ("knob", "drag its ring, or Alt and drag"): test_ring_sets_the_amount,
    ("switch", "click"): test_switches,
    ("switch", "Ctrl and click"): test_switches,
    ("all", "right-click"): test_right_click_menus,
    ("all", "Escape while dragging"): test_escape_gives_the_cable_up,
}


def test_every_gesture_of_the_table_has_a_test() -> None:
    assert set(TESTS) == {(place, gesture) for place, gesture, _ in MOUSE}
