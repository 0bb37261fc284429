"""Boxes, ports, cables and what is under the pointer, without a window."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest

from graph import edits
from graph.patch import Patch
from nodes import catalog
from ui.model import KNOB_R, SHOWN, TITLE, WIDTH, Layout, curve, size

from .test_session import small

catalog.load()


def placed() -> Patch:
    patch = small()
    for k, name in enumerate(("osc", "f", "amp", "lfo", "clock", "out")):
        patch.apply(edits.Move(name, (k % 3 * 240.0 + 10, k // 3 * 300.0)))
    return patch


def same(a: Layout, b: Layout) -> None:
    """Two layouts show the same, however they came about."""

    def box(x: Any) -> Any:
        parts = [(p.name, p.side, round(p.x, 6), round(p.y, 6), p.cables, p.space) for p in x.ports]
        knobs = [(k.param, round(k.x, 6), round(k.y, 6), k.value, k.position, k.modulation) for k in x.knobs]
        return (
            x.x,
            x.y,
            x.w,
            x.h,
            x.title,
            x.look,
            x.bypass,
            parts,
            knobs,
            [(s.choice, s.option, round(s.y, 6)) for s in x.switches],
        )

    assert {n: box(x) for n, x in a.boxes.items()} == {n: box(x) for n, x in b.boxes.items()}

    def wire(w: Any) -> Any:
        return [(round(x, 6), round(y, 6)) for x, y in w.points], w.delayed, w.kind, w.space, w.amount, w.mode

    assert {k: wire(w) for k, w in a.wires.items()} == {k: wire(w) for k, w in b.wires.items()}
    everything = (-1e6, -1e6, 1e6, 1e6)
    assert {x.name for x in a.within(everything)[0]} == {x.name for x in b.within(everything)[0]}
    for x in b.boxes.values():
        at = x.x + x.w / 2, x.y + 4
        one, two = a.hit(*at), b.hit(*at)
        assert type(one) is type(two)


def test_a_node_has_its_ports_knobs_and_switches() -> None:
    layout = Layout(placed())
    box = layout.boxes["f"]
    assert (box.title, box.colour, box.look, box.w) == ("f", "filter", "node", WIDTH)
    audio, cutoff, low = box.port("in", "audio"), box.port("in", "cutoff"), box.port("out", "low")
    assert audio and cutoff and low
    assert audio.x == box.x and low.x == box.x + box.w and not audio.is_param and cutoff.is_param
    assert (audio.cables, cutoff.cables, low.cables) == (1, 1, 1)
    knob = next(k for k in box.knobs if k.param == "cutoff")
    assert knob.item.at(knob.position) == pytest.approx(knob.value)
    assert knob.modulation == ((("lfo", "out", "f", "cutoff"), 1.0),)
    lfo = layout.boxes["lfo"]
    assert [s.choice for s in lfo.switches] == list(lfo.spec.choices if lfo.spec else ())
    ys = sorted([p.y for p in lfo.ports if p.side == "in"] + [s.y + s.h / 2 for s in lfo.switches])
    assert all(b - a > 15 for a, b in pairwise(ys)) and ys[-1] < lfo.y + lfo.h


def test_a_cable_goes_from_port_to_port() -> None:
    layout = Layout(placed())
    wire = layout.wires["osc", "out", "f", "audio"]
    start, end = layout.boxes["osc"].port("out", "out"), layout.boxes["f"].port("in", "audio")
    assert start and end
    assert wire.curve == curve((start.x, start.y), (end.x, end.y))
    assert wire.points[0] == (start.x, start.y) and wire.points[-1] == pytest.approx((end.x, end.y))


def test_hits_are_port_then_knob_then_node_then_cable() -> None:
    layout = Layout(placed())
    box = layout.boxes["f"]
    port, knob = box.port("in", "audio"), box.knobs[0]
    assert port is not None
    assert layout.hit(port.x - 5, port.y) is port and layout.hit(port.x + 5, port.y) is port
    assert layout.hit(knob.x, knob.y) is knob and layout.hit(knob.x + KNOB_R, knob.y) is knob
    assert layout.hit(box.x + 60, box.y + TITLE / 2) is box
    switch = layout.boxes["lfo"].switches[0]
    assert layout.hit(switch.x + 80, switch.y + 9) is switch
    wire = layout.wires["osc", "out", "f", "audio"]
    middle = wire.points[len(wire.points) // 2]
    assert layout.hit(middle[0], middle[1] + 3) is wire
    assert layout.hit(middle[0], middle[1] + 30) is None
    assert layout.hit(middle[0], middle[1] + 30, zoom=0.1) is wire
    assert layout.hit(port.x + 5, port.y, level=0) is box
    assert layout.port_near(port.x - 20, port.y + 3, 30) is port
    assert layout.port_near(-1000, 0, 30) is None


def test_the_box_on_top_is_hit() -> None:
    patch = placed()
    patch.apply(edits.Move("amp", patch.nodes["f"].at))
    layout = Layout(patch)
    at = layout.boxes["f"].x + 80, layout.boxes["f"].y + 10
    top = layout.hit(*at)
    other = "f" if top is layout.boxes["amp"] else "amp"
    layout.raise_(other)
    assert layout.hit(*at) is layout.boxes[other]
    assert layout.within((at[0], at[1], at[0] + 1, at[1] + 1))[0][-1].name == other


def test_the_layout_follows_every_edit_as_if_it_were_new() -> None:
    patch = placed()
    layout = Layout(patch)
    steps: list[edits.Edit] = [
        edits.AddNode("source/saw", "saw", at=(700.0, 20.0)), edits.Connect("saw.out", "f.audio", 0.5),
        edits.Rename("saw", "ramp"), edits.Rename("ramp", "saw"),
        edits.SetParam("f", "cutoff", 300.0), edits.SetCable("lfo.out", "f.cutoff", 0.25), edits.Move("osc", (44.0, 55.0)),
        edits.Rename("f", "lowpass"), edits.SetBypass("amp"), edits.Connect("amp.out", "lowpass.audio", 0.1),
        edits.Group(("amp", "lowpass"), "voice"), edits.RemoveNode("saw"), edits.Disconnect("osc.out", "voice.lowpass_audio"),
        edits.AddNode("maths/mix", "m", at=(900.0, 900.0)),
    ]  # fmt: skip
    undo = []
    for edit in steps:
        undo.append(edit.apply(patch))
        layout.update(patch)
        same(layout, Layout(patch))
    assert layout.boxes["voice"].look == "patch"
    while undo:
        undo.pop().apply(patch)
        layout.update(patch)
        same(layout, Layout(patch))


def test_only_what_changed_is_drawn_anew() -> None:
    patch = placed()
    layout = Layout(patch)
    before = {n: b.rev for n, b in layout.boxes.items()}
    assert layout.update(patch) == set()
    patch.apply(edits.SetParam("f", "cutoff", 333.0))
    assert layout.update(patch) == {"f"}
    assert {n for n, b in layout.boxes.items() if b.rev != before[n]} == {"f"}
    now = {n: b.rev for n, b in layout.boxes.items()}
    patch.apply(edits.Move("f", (1000.0, 5.0)))
    rev = layout.rev
    assert layout.update(patch) == {"f"} and layout.rev > rev
    assert {n: b.rev for n, b in layout.boxes.items()} == now  # it only moved
    assert layout.wires["osc", "out", "f", "audio"].rev == layout.rev


def test_streamed_values_hold_instead_of_the_patch() -> None:
    patch = placed()
    layout = Layout(patch)
    assert layout.update(patch, {("f", "cutoff"): 77.0}) == {"f"}
    assert next(k for k in layout.boxes["f"].knobs if k.param == "cutoff").value == 77.0
    assert layout.update(patch, {("f", "cutoff"): 77.0}) == set()
    assert layout.update(patch, {}) == {"f"}
    same(layout, Layout(patch))
    assert layout.update(patch, {("nobody", "x"): 1.0}) == set()


def test_boxes_that_are_dragged_come_back_or_stay() -> None:
    patch = placed()
    layout = Layout(patch)
    x, y = layout.boxes["f"].x, layout.boxes["f"].y
    layout.shift(["f", "amp"], 30, 40)
    layout.shift(["f", "amp"], 31, 41)
    assert (layout.boxes["f"].x, layout.boxes["f"].y) == (x + 31, y + 41)
    assert layout.place("f") == (x, y)
    patch.apply(edits.SetParam("f", "cutoff", 400.0))
    layout.update(patch)
    assert layout.boxes["f"].x == x + 31  # a knob that moves meanwhile ends nothing
    patch.apply(edits.Move("f", (x + 31, y + 41)))
    layout.update(patch)
    assert layout.boxes["f"].x == x + 31
    layout.shift(["amp"], 0, 0)
    same(layout, Layout(patch))


def test_many_params_fold_unless_they_are_connected() -> None:
    patch = Patch()
    patch.add("maths/mix", "mix", at=(5, 5))
    patch.add("mod/lfo", "lfo", at=(5, 500))
    inner = Patch()
    for k in range(12):
        inner.add("maths/add", f"n{k}", at=(k * 10.0, 1.0))
        inner.expose(f"p{k}", f"n{k}.b")
    patch.add("rack/patch", "sub", patch=inner, at=(300, 5))
    layout = Layout(patch)
    box = layout.boxes["sub"]
    assert len(box.knobs) == SHOWN and box.fold is not None and box.fold.hidden == 4
    assert layout.hit(box.fold.x + 50, box.fold.y + 5) is box.fold
    assert box.port("in", "p11") is None
    patch.connect("lfo.out", "sub.p11")
    layout.update(patch)
    assert layout.boxes["sub"].port("in", "p11") is not None
    layout.toggle("sub")
    assert layout.update(patch) == {"sub"}
    box = layout.boxes["sub"]
    assert len(box.knobs) == 12 and box.fold is not None and box.fold.hidden == 0
    layout.toggle("sub")
    layout.update(patch)
    same(layout, Layout(patch))


def test_nodes_without_a_place_are_laid_out_without_an_edit() -> None:
    patch = small()
    layout = Layout(patch)
    boxes = list(layout.boxes.values())
    for k, a in enumerate(boxes):
        for b in boxes[k + 1 :]:
            assert a.x + a.w <= b.x or b.x + b.w <= a.x or a.y + a.h <= b.y or b.y + b.h <= a.y, (a.name, b.name)
    for src, _, dst, _ in patch.cables:
        assert layout.boxes[src].x < layout.boxes[dst].x
    before = {b.name: (b.x, b.y) for b in boxes}
    patch.add("source/saw", "late")
    layout.update(patch)
    assert {n: (b.x, b.y) for n, b in layout.boxes.items() if n != "late"} == before
    assert layout.boxes["late"].y >= max(b.y + b.h for b in boxes)
    assert all(d.at == (0.0, 0.0) for d in patch.nodes.values())


def test_a_single_node_at_the_origin_stays_there() -> None:
    patch = placed()
    patch.add("source/saw", "corner")
    patch.apply(edits.Move("osc", (0.0, 700.0)))
    assert (Layout(patch).boxes["corner"].x, Layout(patch).boxes["corner"].y) == (0, 0)


def test_a_loop_at_one_node_goes_round_it() -> None:
    patch = placed()
    patch.connect("amp.out", "amp.audio", 0.3)
    wire = Layout(patch).wires["amp", "out", "amp", "audio"]
    assert wire.delayed and min(y for _, y in wire.points) < patch.nodes["amp"].at[1]


def ring() -> Patch:
    """Four nodes in a row, the third one tall, and a cable that leads back from the last to the first."""
    patch = Patch()
    for k, type in enumerate(("filter/svf", "effect/vca", "effect/reverb", "filter/onepole")):
        patch.add(type, f"n{k}", at=(k * 260.0 + 1, 100.0))
    for k, outlet in enumerate(("low", "out", "out")):
        patch.connect(f"n{k}.{outlet}", f"n{k + 1}.audio")
    patch.connect("n3.out", "n0.audio", 0.4)
    return patch


def behind(layout: Layout, key: Any) -> set[str]:
    """The nodes that a cable runs behind."""
    points = [p for a, b in pairwise(layout.wires[key].points) for t in (0.0, 0.25, 0.5, 0.75)
              for p in [(a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t)]]  # fmt: skip
    return {b.name for b in layout.boxes.values() for x, y in points if b.x < x < b.x + b.w and b.y < y < b.y + b.h}


def test_a_cable_that_leads_back_goes_around_the_nodes() -> None:
    patch = ring()
    layout = Layout(patch)
    key = ("n3", "out", "n0", "audio")
    wire = layout.wires[key]
    assert wire.delayed and wire.curve is None and behind(layout, key) == set()
    (ax, ay), (bx, by) = wire.points[0], wire.points[-1]
    assert wire.points[1][0] > ax and wire.points[1][1] == pytest.approx(ay, abs=8)  # out to the right
    assert wire.points[-2][0] < bx and wire.points[-2][1] == pytest.approx(by, abs=8)  # in from the left
    middle = wire.points[len(wire.points) // 2]
    assert layout.hit(middle[0], middle[1] + 3) is wire  # what is hit is what is drawn
    assert layout.hit((ax + bx) / 2, (ay + by) / 2) is not wire
    assert wire.box[1] == min(y for _, y in wire.points) and layout.within(wire.box)[1].count(wire) == 1


def test_cables_that_lead_back_give_way_to_nodes_that_come_and_go() -> None:
    patch = ring()
    layout = Layout(patch)
    key = ("n3", "out", "n0", "audio")
    x, y = layout.wires[key].points[len(layout.wires[key].points) // 2]
    patch.add("source/saw", "block", at=(round(x) - 80.0, round(y) - 60.0))
    layout.update(patch)
    assert behind(layout, key) == set()
    same(layout, Layout(patch))
    layout.shift(["block"], -130.0, 20.0)  # while it is dragged, too
    assert behind(layout, key) == set()
    layout.shift(["block"], 0, 0)
    same(layout, Layout(patch))
    patch.apply(edits.RemoveNode("block"))
    layout.update(patch)
    same(layout, Layout(patch))
    patch.apply(edits.RemoveNode("n0"))
    layout.update(patch)
    assert key not in layout.wires and not layout._lanes.at
    same(layout, Layout(patch))


def test_a_cable_back_between_rows_takes_the_gap() -> None:
    patch = Patch()
    patch.add("effect/vca", "above", at=(10.0, 10.0))
    patch.add("effect/vca", "below", at=(10.0, 300.0))
    patch.connect("above.out", "below.audio")
    layout = Layout(patch)
    one, two = layout.boxes["above"], layout.boxes["below"]
    points = layout.wires["above", "out", "below", "audio"].points
    assert one.y + one.h < points[len(points) // 2][1] < two.y
    assert behind(layout, ("above", "out", "below", "audio")) == set()


def test_a_note_is_as_high_as_its_text() -> None:
    patch = Patch()
    patch.add("view/note", "short", text="a word", width=200, height=90, at=(1.0, 1.0))
    patch.add("view/note", "long", text="# Head\n" + "many words " * 60, width=200, height=90, at=(300.0, 1.0))
    short, long = (Layout(patch).boxes[n].picture for n in ("short", "long"))
    assert short is not None and long is not None
    assert short[3] - short[1] == 90 and long[3] - long[1] > 200


def test_latent_cables_know_their_space() -> None:
    patch = Patch()
    patch.add("latent/pack", "pack", at=(0, 0), space="timbre")
    patch.add("latent/affine", "scale", at=(300, 0))
    patch.add("latent/unpack", "unpack", at=(600, 0))
    patch.connect("scale.out", "unpack.z")
    layout = Layout(patch)
    wire = layout.wires["scale", "out", "unpack", "z"]
    assert (wire.kind, wire.space) == ("latent", "")
    patch.connect("pack.z", "scale.z")
    layout.update(patch)
    assert {w.space for w in layout.wires.values()} == {"timbre"}
    port = layout.boxes["unpack"].port("in", "z")
    assert port is not None and (port.kind, port.space) == ("latent", "timbre")
    same(layout, Layout(patch))


def test_unknown_nodes_have_the_ports_that_cables_need() -> None:
    patch = placed()
    specs = {k: v for k, v in patch.specs.items() if k != "filter/svf"}
    patch.specs = specs
    layout = Layout(patch)
    box = layout.boxes["f"]
    assert box.placeholder and box.look == "placeholder"
    assert {(p.side, p.name) for p in box.ports} == {("in", "audio"), ("in", "cutoff"), ("out", "low")}


def test_ports_of_a_sub_patch_and_views_look_their_own_way() -> None:
    patch = Patch()
    patch.add("rack/inlet", "left", at=(0, 0))
    patch.add("rack/outlet", "right", at=(300, 0))
    patch.add("view/note", "note", at=(0, 300), text="hello", width=300, height=90)
    patch.add("view/scope", "scope", at=(400, 300))
    layout = Layout(patch)
    looks = {n: b.look for n, b in layout.boxes.items()}
    assert looks == {"left": "inlet", "right": "outlet", "note": "note", "scope": "view"}
    assert layout.boxes["left"].h < 40
    note, scope = layout.boxes["note"], layout.boxes["scope"]
    assert note.picture is not None and note.picture[3] - note.picture[1] == 90 and not note.ports
    assert scope.picture is not None and scope.fold is not None and not scope.knobs
    assert all(b.picture[3] <= b.y + b.h for b in (note, scope) if b.picture)


def test_a_rubber_band_takes_what_lies_in_it_by_half() -> None:
    layout = Layout(placed())
    box = layout.boxes["f"]
    assert layout.inside((box.x - 5, box.y - 5, box.x + box.w * 0.6, box.y + box.h + 5)) == {"f"}
    assert layout.inside((box.x - 5, box.y - 5, box.x + box.w * 0.4, box.y + box.h + 5)) == set()


def test_a_free_place_is_free() -> None:
    layout = Layout(placed())
    box = layout.boxes["f"]
    x, y = layout.free(box.x, box.y)
    assert x == box.x and y >= box.y + box.h
    assert layout.free(5000.0, 5000.0) == (5000.0, 5000.0)


def test_every_node_type_fits() -> None:
    patch = Patch()
    for id, spec in patch.specs.items():
        if not spec.hidden and not id.startswith("view/"):
            w, h = size(spec)
            assert WIDTH <= w <= 220 and h > 0, id


@pytest.mark.slow
def test_two_thousand_nodes_are_quick() -> None:
    patch = Patch()
    for k in range(2000):
        patch.add("filter/svf", f"n{k}", at=(k % 50 * 240.0, k // 50 * 200.0 + 1))
    for k in range(1999):
        patch.connect(f"n{k}.low", f"n{k + 1}.audio")
        patch.connect(f"n{k}.high", f"n{(k + 51) % 2000}.cutoff")

    def seconds(call: Any) -> float:
        start = time.process_time()
        call()
        return time.process_time() - start

    layout = Layout()
    built = seconds(lambda: layout.update(patch))
    times = []
    for k in range(20):
        patch.apply(edits.SetParam(f"n{k}", "cutoff", 300.0))
        times.append(seconds(lambda: layout.update(patch)))
    hits = seconds(lambda: [layout.hit(k * 6.0, k * 4.0) for k in range(1000)]) / 1000
    assert built < 2.0 and min(times) < 0.004 and hits < 4e-4  # four times what a quiet machine takes
