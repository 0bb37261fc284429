"""What the editor's compound edits do to a patch: copy, paste, bridge, insert, swap, align, group."""

from __future__ import annotations

import json

import msgpack
import pytest

from graph.errors import PatchError
from graph.patch import Patch
from ui import edits
from ui.client import Editor
from ui.model import Layout

from .test_session import small


@pytest.fixture
def editor() -> Editor:
    return Editor(patch=small())


def test_a_copy_keeps_values_and_inner_cables(editor: Editor) -> None:
    patch = editor.patch
    patch.set("f", cutoff=321.0)
    clip = edits.copy(patch, ["osc", "f", "lfo"])
    clip = json.loads(json.dumps(clip))
    assert edits.copy(patch, []) == {"nodes": [], "cables": [], "lost": []}
    made = edits.paste(patch, msgpack.unpackb(msgpack.packb(clip)), at=(500.0, 600.0))
    assert made is not None
    edit, names = made
    assert sorted(names) == ["f2", "lfo2", "osc2"] and edit.label == "paste 3 nodes"
    before = patch.copy()
    assert editor.do(edit)
    assert patch.value("f2", "cutoff") == 321.0
    assert {k for k in patch.cables if k[0] in names or k[2] in names} == {
        ("osc2", "out", "f2", "audio"),
        ("lfo2", "out", "f2", "cutoff"),
    }
    assert min(patch.nodes[n].at for n in names) == (500.0, 600.0)
    assert editor.undo() == "paste 3 nodes"
    assert patch == before
    with pytest.raises(PatchError):
        edits.paste(patch, {"nodes": [{"edit": "nonsense"}], "cables": []})
    with pytest.raises(PatchError):
        edits.paste(patch, {"what": 1})


def test_a_loop_is_copied_with_the_cable_that_was_delayed(editor: Editor) -> None:
    patch = editor.patch
    patch.connect("amp.out", "f.audio", 0.2)
    made = edits.duplicate(patch, ["f", "amp"])
    assert made is not None and editor.do(made[0])
    assert patch.cables["amp2", "out", "f2", "audio"].delayed
    assert not patch.cables["f2", "low", "amp2", "audio"].delayed


def test_a_duplicate_may_take_the_incoming_cables(editor: Editor) -> None:
    made = edits.duplicate(editor.patch, ["f"], incoming=True)
    assert made is not None and made[1] == ["f2"] and editor.do(made[0])
    assert ("osc", "out", "f2", "audio") in editor.patch.cables
    assert ("lfo", "out", "f2", "cutoff") in editor.patch.cables
    assert editor.patch.nodes["f2"].at == (24.0, 24.0)


def test_a_sub_patch_is_copied_with_what_is_inside(editor: Editor) -> None:
    made = edits.group(editor.patch, ["f", "amp"])
    assert made is not None and made[1] == "group" and editor.do(made[0])
    made = edits.duplicate(editor.patch, ["group"])
    assert made is not None and editor.do(made[0])
    assert editor.patch.nodes["group2"].patch == editor.patch.nodes["group"].patch


def test_removing_bridges_what_passed_through(editor: Editor) -> None:
    patch = editor.patch
    patch.apply(edits.Edits(()))
    before = patch.copy()
    edit = edits.remove(patch, ["f", "amp"], bridge=True)
    assert edit is not None and editor.do(edit)
    assert list(patch.cables) == [("osc", "out", "out", "audio")]
    assert editor.undo() == "remove 2 nodes"
    assert patch == before
    edit = edits.remove(patch, ["f", "amp"])
    assert edit is not None and editor.do(edit)
    assert not patch.cables
    assert edits.remove(patch, ["nobody"]) is None


def test_bridges_multiply_amounts_and_keep_what_is_there(editor: Editor) -> None:
    patch = editor.patch
    patch.disconnect("osc.out", "f.audio")
    patch.connect("osc.out", "f.audio", 0.5)
    patch.disconnect("f.low", "amp.audio")
    patch.connect("f.low", "amp.audio", 0.5)
    edit = edits.remove(patch, ["f"], bridge=True)
    assert edit is not None and editor.do(edit)
    assert patch.cables["osc", "out", "amp", "audio"].amount == 0.25


def test_cables_and_nodes_go_in_one_step(editor: Editor) -> None:
    keys = [("osc", "out", "f", "audio"), ("lfo", "out", "f", "cutoff")]
    edit = edits.remove(editor.patch, [], keys)
    assert edit is not None and edit.label == "disconnect 2 cables"
    edit = edits.remove(editor.patch, ["lfo"], keys)
    assert edit is not None and editor.do(edit)
    assert "lfo" not in editor.patch.nodes and keys[0] not in editor.patch.cables


def test_a_node_is_put_into_a_cable(editor: Editor) -> None:
    patch = editor.patch
    patch.disconnect("lfo.out", "f.cutoff")
    patch.connect("lfo.out", "f.cutoff", 0.25)
    edit = edits.insert(patch, ("lfo", "out", "f", "cutoff"), "soft", "mod/slew", (5.0, 6.0))
    assert edit is not None and editor.do(edit)
    spec = patch.spec("soft")
    assert spec is not None
    first = next(iter(spec.inlets))
    assert patch.cables["soft", "out", "f", "cutoff"].amount == 0.25
    assert patch.cables["lfo", "out", "soft", first].amount == 1.0
    assert ("lfo", "out", "f", "cutoff") not in patch.cables
    patch.add("effect/reverb", "room")
    edit = edits.insert(patch, ("amp", "out", "out", "audio"), "room")
    assert edit is not None and editor.do(edit)
    assert ("room", "out", "out", "audio") in patch.cables
    assert edits.insert(patch, ("amp", "out", "room", "audio"), "amp") is None
    assert edits.insert(patch, ("amp", "out", "room", "audio"), "clock2", "midi/notes") is None


def test_an_end_of_a_cable_is_swapped(editor: Editor) -> None:
    patch = editor.patch
    edit = edits.swap_end(patch, ("lfo", "out", "f", "cutoff"), "dst", "f", "q")
    assert edit is not None and editor.do(edit), editor.refused
    assert [k for k in patch.cables if k[0] == "lfo"] == [("lfo", "out", "f", "q")]
    edit = edits.swap_end(patch, ("f", "low", "amp", "audio"), "src", "f", "high")
    assert edit is not None and editor.do(edit)
    assert ("f", "high", "amp", "audio") in patch.cables
    assert edits.swap_end(patch, ("f", "high", "amp", "audio"), "src", "f", "high") is None


@pytest.mark.parametrize("how", ["left", "right", "top", "bottom", "centre", "middle", "across", "down"])
def test_nodes_are_aligned(editor: Editor, how: str) -> None:
    patch = editor.patch
    for k, name in enumerate(("osc", "f", "amp")):
        patch.apply(edits.Move(name, (k * 200.0 + k * k * 90, k * 130.0 + 5)))
    layout = Layout(patch)
    edit = edits.align(layout, ["osc", "f", "amp"], how)
    assert edit is not None and editor.do(edit)
    layout.update(patch)
    boxes = [layout.boxes[n] for n in ("osc", "f", "amp")]
    same = {
        "left": [b.x for b in boxes], "right": [b.x + b.w for b in boxes], "top": [b.y for b in boxes],
        "bottom": [b.y + b.h for b in boxes], "centre": [b.x + b.w / 2 for b in boxes],
        "middle": [b.y + b.h / 2 for b in boxes],
        "across": [boxes[k + 1].x - boxes[k].x - boxes[k].w for k in (0, 1)],
        "down": [boxes[k + 1].y - boxes[k].y - boxes[k].h for k in (0, 1)],
    }[how]  # fmt: skip
    assert same == pytest.approx([same[0]] * len(same))
    assert edits.align(layout, ["osc"], how) is None


def test_nodes_are_chained_moved_and_bypassed(editor: Editor) -> None:
    patch = editor.patch
    patch.add("source/saw", "saw", at=(5.0, 5.0))
    patch.add("effect/reverb", "room", at=(300.0, 5.0))
    edit = edits.chain(patch, ["room", "saw"])
    assert edit is not None and editor.do(edit)
    assert ("saw", "out", "room", "audio") in patch.cables
    edit = edits.move(Layout(patch), ["saw", "room"], 10.0, 20.0)
    assert edit is not None and editor.do(edit) and editor.history.undo_label == "move 2 nodes"
    assert patch.nodes["saw"].at == (15.0, 25.0)
    for on, label in ((True, "bypass 2 nodes"), (False, "switch on 2 nodes")):
        edit = edits.bypass(patch, ["saw", "room"])
        assert edit is not None and edit.label == label and editor.do(edit)
        assert patch.nodes["saw"].bypass is on


def test_places_that_were_found_are_kept_when_asked(editor: Editor) -> None:
    layout = Layout(editor.patch)
    edit = edits.settle(layout)
    assert edit is not None and editor.do(edit)
    before = {n: (b.x, b.y) for n, b in layout.boxes.items()}
    layout = Layout(editor.patch)
    assert {n: (b.x, b.y) for n, b in layout.boxes.items()} == before
    assert edits.settle(layout) is None


def test_names_count_up() -> None:
    assert edits.free({"a"}, "b") == "b"
    assert edits.free({"a", "a2"}, "a") == "a3"
    assert edits.free({"a9"}, "a9") == "a2"
    assert edits.free({"9"}, "9") == "92"


def test_unknown_types_are_left_out_with_a_word() -> None:
    patch = small()
    patch.specs = {k: v for k, v in patch.specs.items() if k != "filter/svf"}
    clip = edits.copy(patch, ["f", "amp"])
    assert clip["lost"] == ["f"] and len(clip["nodes"]) == 1
    empty = Patch()
    made = edits.paste(empty, clip)
    assert made is not None and made[1] == ["amp"]
