"""The table of actions: what each does, and that menus, keys and the cheat sheet say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from graph import Patch
from graph.edits import Group, Move, Rename
from runtime import addresses
from tests.hands import CTRL, NO_MODS, SHIFT, Entry, Hands, Mods, Palette, rack
from ui import actions, commands, desk, muting, pointed
from ui.actions import ACTIONS, Keys, cheatsheet, load_keys, normal
from ui.gestures import MOUSE
from ui.menus import MENUS

CTRL_SHIFT = Mods(ctrl=True, shift=True)
EMPTY = (900.0, 600.0)


@pytest.fixture
def h() -> Hands:
    return rack()


def select(h: Hands, *names: str) -> None:
    h.gestures.select(set(names))


# the table


def test_menus_keys_and_sheet_agree() -> None:
    sheet = cheatsheet()
    named = re.findall(r"\| `([a-z0-9-]+)` \|$", sheet, re.MULTILINE)
    assert sorted(named) == sorted(ACTIONS)  # all of them, each once, nothing else
    for id, action in ACTIONS.items():
        line = next(line for line in sheet.splitlines() if line.endswith(f"| `{id}` |"))
        assert action.title in line
        assert all(f"`{key}`" in line for key in action.keys)
        assert [p for p in MENUS if id in MENUS[p]] == [p for p in line.split("|")[3].strip().split(", ") if p]
        assert action.menu in ("", *actions.BAR)
        assert action.menu or action.keys or any(id in ids for ids in MENUS.values()), f"{id} cannot be reached"
    for ids in MENUS.values():
        assert {id for id in ids if id} <= set(ACTIONS)
        assert len([id for id in ids if id]) == len({id for id in ids if id})
    shown = re.findall(r"`((?:Ctrl\+|Shift\+|Alt\+)*[^`\s]+)`", sheet.split("## Mouse")[0])
    keys = {key for action in ACTIONS.values() for key in action.keys}
    assert keys <= set(shown) <= keys | set(ACTIONS) | {"keys.toml"}
    for place, gesture, what in MOUSE:
        assert f"| {place} | {gesture} | {what} |" in sheet


def test_every_function_exists() -> None:
    for action in ACTIONS.values():
        assert callable(action.run)
        assert callable(action.when)
    used = {a.run for a in ACTIONS.values()}
    for module in (commands, pointed):
        public = [
            f for n, f in vars(module).items()
            if callable(f) and getattr(f, "__module__", "") == module.__name__ and getattr(f, "__annotations__", {}).get("app")
            and not n.startswith("_") and f.__annotations__["return"] == "None"
        ]  # fmt: skip
        assert set(public) <= used
    for extra in (commands.TITLES, commands.CHECKED):
        assert set(extra) <= set(ACTIONS)


def test_keys_are_unique_and_as_chord_writes_them() -> None:
    keys = [key for action in ACTIONS.values() for key in action.keys]
    assert len(keys) == len(set(keys))
    assert [k for k in keys if normal(k) != k] == []


def test_bar_holds_everything_with_a_menu() -> None:
    assert sorted(id for ids in actions.bar().values() for id in ids) == sorted(a.id for a in ACTIONS.values() if a.menu)


@pytest.mark.parametrize("where", ["nothing", "canvas", "node", "port", "cable", "knob", "switch", "empty", "stale"])
def test_every_action_runs_or_says_no(where: str) -> None:
    for id in ACTIONS:
        h = Hands() if where == "empty" else rack()
        spots = {
            "canvas": lambda h: EMPTY, "node": lambda h: h.spot("osc"), "port": lambda h: h.port("lp", "audio"),
            "cable": lambda h: h.wire(0), "knob": lambda h: h.knob("lp", "cutoff"), "stale": lambda h: h.knob("lp", "cutoff"),
            "switch": lambda h: h.switch("lfo", h.box("lfo").switches[0].choice),
        }  # fmt: skip
        if where in spots:
            h.menu(spots[where](h))
        if where == "stale":  # what was right-clicked is gone meanwhile
            h.editor.do(Group(("lp", "lfo"), "voice"))
            h.follow()
        before = h.editor.patch.copy()
        sense = actions.enabled(h, id)
        assert actions.title(h, id)
        assert actions.checked(h, id) in (True, False, None)
        assert h.act(id) == sense, id
        if not sense:
            assert h.editor.patch == before, id
        h.editor.locked = True
        h.act(id)


# editing


def test_undo_and_redo_say_what(h: Hands) -> None:
    assert actions.title(h, "undo") == "Undo"
    assert not actions.enabled(h, "undo")
    h.drag(h.port("lfo", "out"), h.port("vca", "gain", "in"))
    assert actions.title(h, "undo") == "Undo connect lfo → vca.gain"
    h.key("Z", CTRL)
    assert "lfo.out vca.gain" not in h.cables
    assert actions.title(h, "redo") == "Redo connect lfo → vca.gain"
    assert h.editor.notice == "Undo connect lfo → vca.gain"
    for mods, key in ((CTRL_SHIFT, "Z"), (CTRL, "Y")):
        h.key(key, mods)
        assert "lfo.out vca.gain" in h.cables
        h.key("Z", CTRL)


def test_copy_and_paste_keep_inner_cables(h: Hands) -> None:
    h.drag(h.knob("lp", "cutoff"), (h.knob("lp", "cutoff")[0], 0.0))
    select(h, "lp", "lfo")
    h.key("C", CTRL)
    h.gestures.move(*EMPTY)
    assert h.key("V", CTRL) == "paste"
    assert h.editor.selection == {"lp2", "lfo2"}
    assert "lfo2.out lp2.cutoff" in h.cables
    assert not [c for c in h.cables if "osc.out lp2" in c]
    here = h.editor.here()
    assert here.cables["lfo2", "out", "lp2", "cutoff"].amount == 0.5
    assert here.nodes["lp2"].params == here.nodes["lp"].params
    assert min(here.nodes[n].at[0] for n in ("lp2", "lfo2")) == 904.0
    h.undo()
    assert "lp2" not in h.editor.here().nodes


def test_paste_into_another_editor_and_into_a_sub_patch(h: Hands) -> None:
    select(h, "lp", "lfo")
    h.key("C", CTRL)
    other = Hands()
    other.clipboard = h.clipboard
    other.key("V", CTRL)
    assert other.cables == ["lfo.out lp.cutoff"]
    other.editor.do(Group(("lp",), "voice"))
    other.follow()
    other.editor.enter("voice")
    other.follow()
    other.key("V", CTRL)
    assert "lfo" in other.editor.here().nodes


@pytest.mark.parametrize(
    "text",
    ["", "hello", "[1]", '{"zrack-clip": 1}', '{"zrack-clip": {}}', '{"zrack-clip": {"nodes": [1], "cables": []}}', "[" * 9999],
)
def test_paste_of_something_else(h: Hands, text: str) -> None:
    h.clipboard = text
    before = h.editor.patch.copy()
    h.key("V", CTRL)
    assert h.editor.patch == before
    assert h.said


def test_cut(h: Hands) -> None:
    select(h, "lp", "lfo")
    h.key("X", CTRL)
    assert "lp" not in h.editor.here().nodes
    h.key("V", CTRL)
    assert "lfo.out lp.cutoff" in h.cables


def test_duplicate(h: Hands) -> None:
    select(h, "lp")
    h.key("D", CTRL)
    assert h.editor.selection == {"lp2"}
    assert not [c for c in h.cables if "lp2" in c]
    select(h, "lp")
    h.key("D", CTRL_SHIFT)
    assert {"osc.out lp3.audio", "lfo.out lp3.cutoff"} <= set(h.cables)


def test_delete_and_bridge(h: Hands) -> None:
    select(h, "lp")
    h.key("Delete")
    assert h.cables == []
    h.undo()
    select(h, "lp")
    assert h.key("Delete", SHIFT) == "delete-bridge"
    assert h.cables == ["osc.out out.audio"]
    assert h.editor.selection == set()


def test_align_and_spread(h: Hands) -> None:
    select(h, "osc", "lfo", "lp")
    h.key("Left", CTRL_SHIFT)
    assert {h.box(n).x for n in h.editor.selection} == {40.0}
    h.key("Up", CTRL_SHIFT)
    assert {h.box(n).y for n in h.editor.selection} == {40.0}
    h.undo()
    assert h.act("spread-down")


def test_group_asks_for_a_name_and_can_be_entered(h: Hands) -> None:
    select(h, "lp", "lfo")
    assert h.key("E", CTRL_SHIFT) == "group"
    group = next(iter(h.editor.selection))
    assert h.type("voice") == ""
    assert h.editor.selection == {"voice"}
    assert group not in h.editor.here().nodes
    assert h.key("Enter") == "enter"
    assert h.editor.inside == ("voice",)
    assert actions.enabled(h, "leave")
    h.key("Up", CTRL)
    assert h.editor.inside == ()


def test_connect_the_selection(h: Hands) -> None:
    select(h, "lp", "vca")
    h.editor.do(Move("vca", (700.0, 300.0)))
    h.follow()
    h.key("K", CTRL)
    assert "lp.out vca.audio" in h.cables


def test_bypass(h: Hands) -> None:
    select(h, "lp")
    h.key("B", CTRL)
    assert h.editor.here().nodes["lp"].bypass
    assert actions.checked(h, "bypass")
    h.key("B", CTRL)
    assert not h.editor.here().nodes["lp"].bypass


# mute and solo


def amounts(h: Hands) -> dict[str, float]:
    return {f"{k[0]}>{k[2]}": c.amount for k, c in h.editor.here().cables.items()}


def test_mute_is_there_and_back(h: Hands) -> None:
    select(h, "lfo", "osc")
    before = amounts(h)
    h.key("M", CTRL)
    assert (amounts(h)["lfo>lp"], amounts(h)["osc>lp"], amounts(h)["lp>out"]) == (0.0, 0.0, 1.0)
    assert actions.checked(h, "mute")
    assert h.editor.history.undo_label == "mute lfo, osc"
    text = h.editor.patch.copy()
    h.key("M", CTRL)
    assert amounts(h) == before
    assert "muted" not in h.editor.patch.meta
    h.undo()
    assert h.editor.patch == text
    h.undo()
    assert amounts(h) == before


def test_mute_of_one_that_gives_nothing_silences_what_it_gets(h: Hands) -> None:
    select(h, "out")
    h.key("M", CTRL)
    assert amounts(h)["lp>out"] == 0.0
    select(h, "vca")
    h.key("M", CTRL)
    assert "no cable" in h.said[-1]


def test_unmute_after_a_rename_sounds_again(h: Hands) -> None:
    select(h, "osc")
    h.key("M", CTRL)
    h.editor.do(Rename("osc", "saw"))
    h.follow()
    select(h, "saw")
    h.key("M", CTRL)
    assert amounts(h)["saw>lp"] == 1.0
    assert "muted" not in h.editor.patch.meta


def band() -> Hands:
    """Two voices with envelopes into a mixer, a filter behind it, and a dry path round the filter."""
    p = Patch()
    for name, type in (
        ("saw", "source/saw"), ("noise", "source/noise"), ("adsr", "mod/adsr"), ("vca", "effect/vca"), ("mix", "maths/mix"),
        ("lfo", "mod/lfo"), ("lp", "filter/lowpass"), ("out", "io/output"),
    ):  # fmt: skip
        p.add(type, name)
    for cable in ("saw.out vca.audio", "adsr.out vca.cv", "vca.out mix.in1", "noise.out mix.in2", "mix.out lp.audio",
                  "lfo.out lp.cutoff", "lp.out out.audio", "noise.out out.audio"):  # fmt: skip
        p.connect(*cable.split())
    return Hands(p)


def silent(h: Hands) -> set[str]:
    return {name for name, amount in amounts(h).items() if amount == 0.0}


def test_solo_leaves_modulation_alone() -> None:
    h = band()
    before = h.editor.patch.copy()
    select(h, "saw")
    h.key("M", CTRL_SHIFT)
    assert silent(h) == {"noise>mix", "noise>out"}
    assert actions.checked(h, "solo")
    select(h, "noise")
    h.key("M", CTRL_SHIFT)  # another one instead
    assert silent(h) == {"vca>mix"}
    h.key("M", CTRL_SHIFT)
    assert h.editor.patch == before
    assert not actions.checked(h, "solo")


def test_solo_of_an_effect_silences_the_dry_path() -> None:
    h = band()
    select(h, "lp")
    h.key("M", CTRL_SHIFT)
    assert silent(h) == {"noise>out"}
    select(h)
    h.key("M", CTRL_SHIFT)  # with nothing selected: all again
    assert silent(h) == set()


def test_solo_keeps_what_was_silent() -> None:
    h = band()
    h.act("solo")
    select(h, "noise")
    h.key("M", CTRL)
    select(h, "saw")
    h.key("M", CTRL_SHIFT)
    h.key("M", CTRL_SHIFT)
    assert silent(h) == {"noise>mix", "noise>out"}
    assert muting.muted(h.editor.patch, "noise")


# what was right-clicked


def test_add_an_lfo(h: Hands) -> None:
    assert "add-lfo" in h.menu(h.knob("vca", "gain"))
    h.act("add-lfo")
    here = h.editor.here()
    cable = here.cables["lfo2", "out", "vca", "gain"]
    assert (cable.amount, cable.mode) == (0.25, "knob")
    assert here.nodes["lfo2"].type == "mod/lfo"
    assert h.box("lfo2").x + h.box("lfo2").w < h.box("vca").x
    for other in ("osc", "lp", "vca", "out"):
        a, b = h.box("lfo2"), h.box(other)
        assert a.x + a.w <= b.x or b.x + b.w <= a.x or a.y + a.h <= b.y or b.y + b.h <= a.y
    assert h.undo() == "add lfo2 to vca.gain"
    assert "lfo2" not in h.editor.here().nodes


def test_learn_and_panic_reach_the_session(h: Hands) -> None:
    calls: list[Any] = []
    h.editor.learn = lambda *a: calls.append(("learn", *a))  # type: ignore[method-assign]
    h.editor.transport = lambda *a: calls.append(a)  # type: ignore[method-assign]
    h.menu(h.knob("vca", "gain"))
    h.act("learn")
    assert h.key(".", CTRL) == "panic"
    h.key("Space", CTRL)
    h.key("Home", CTRL)
    assert calls[:2] == [("learn", "vca", "gain"), ("panic",)]
    assert [c[0] for c in calls[2:]] in (["stop", "reset"], ["play", "reset"])


def test_copy_the_osc_address(h: Hands) -> None:
    h.editor.do(Group(("lp", "lfo"), "voice"))
    h.follow()
    h.editor.enter("voice")
    h.follow()
    h.menu(h.knob("lp", "cutoff"))
    h.act("copy-address")
    assert h.clipboard == "/node/voice/node/lp/cutoff"
    assert pointed.address("lp", "cutoff") == "/node/lp/cutoff"
    assert addresses.__doc__
    assert "/node/<sub>/node/<inner>/" in addresses.__doc__


def test_see_what_drives_it(h: Hands) -> None:
    h.menu(h.knob("lp", "cutoff"))
    h.act("drivers")
    assert h.gestures.overlay.lit == {"lfo"}
    assert h.gestures.overlay.shown == {("lfo", "out", "lp", "cutoff")}
    assert "lfo.out × 0.5" in h.said[-1]
    h.key("Escape")
    assert not h.gestures.overlay.lit
    h.menu(h.spot("out"))
    h.act("drivers")
    assert h.gestures.overlay.lit == {"osc", "lp", "lfo"}  # the whole way
    h.menu(h.knob("vca", "gain"))
    assert not h.act("drivers")


def test_expose(h: Hands) -> None:
    h.menu(h.knob("lp", "cutoff"))
    h.act("expose")
    assert {"node": "lp", "param": "cutoff"} in h.editor.patch.exposed.values()
    assert actions.checked(h, "expose")
    h.act("expose")
    assert not h.editor.patch.exposed


def test_typed_values_and_defaults(h: Hands) -> None:
    h.menu(h.knob("lp", "cutoff"))
    h.act("type-value")
    assert h.type("c4") == ""
    assert h.editor.value("lp", "cutoff") == pytest.approx(261.6256)
    h.act("default")
    assert h.editor.value("lp", "cutoff") == h.editor.spec("lp").params["cutoff"].default  # type: ignore[union-attr]


def test_cable_menu(h: Hands) -> None:
    key = ("lfo", "out", "lp", "cutoff")
    at = h.wire(list(h.layout.wires).index(key))

    def cable() -> Any:
        return h.editor.here().cables[key]

    h.menu(at)
    h.act("amount")
    assert h.asked(Entry).text == "0.5"
    h.act("amount")
    assert h.type("-6db") == ""
    assert cable().amount == pytest.approx(0.501187)
    h.act("invert")
    assert cable().amount == pytest.approx(-0.501187)
    h.act("mode")
    assert cable().mode == "units"
    h.act("amount-zero")
    assert cable().amount == 0.0
    h.act("insert")
    name = h.choose("maths/scale")
    assert {f"lfo.out {name}.a", f"{name}.out lp.cutoff"} <= set(h.cables)
    h.menu(h.wire(0))
    h.act("delete")
    assert len(h.cables) == 3


def test_disconnect_a_knob(h: Hands) -> None:
    h.menu(h.knob("lp", "cutoff"))
    h.act("disconnect")
    assert "lfo.out lp.cutoff" not in h.cables


# the rest


def test_find(h: Hands) -> None:
    from ui import palette

    assert h.key("F", CTRL) == "find"
    assert h.asked(Palette).find
    h.editor.do(Group(("lp", "lfo"), "voice"))
    assert palette.find(h.editor.patch, "lp")[0] == ("voice/lp", "filter/lowpass")
    assert [path for path, _ in palette.find(h.editor.patch, "mod lfo")] == ["voice/lfo"]
    assert len(palette.find(h.editor.patch, "")) >= 6


def test_help(h: Hands) -> None:
    select(h, "lp")
    h.key("F1")
    assert h.said[-1] == ("help", "filter/lowpass")
    select(h)
    h.key("?")
    h.key("/", SHIFT)
    assert h.docks.said == [("toggle", "help")] * 2


def test_fit(h: Hands) -> None:
    h.view.pan(5000.0, 0.0)
    h.key("F")
    left, top, right, bottom = h.view.rect
    assert all(left < b.x and b.x + b.w < right and top < b.y and b.y + b.h < bottom for b in h.layout.boxes.values())
    select(h, "osc")
    h.key("F", SHIFT)
    assert 300 < h.spot("osc")[0] < 900
    h.key("=", CTRL)
    h.key("0", CTRL)
    assert h.view.zoom == 1.0


def test_files_and_panels(h: Hands) -> None:
    for key, said in (("N", "new"), ("S", "save")):
        h.key(key, CTRL)
        assert h.files.said[-1][0] == said
    h.key("O", CTRL)
    h.docks.then(Path("a.zrack"))
    assert h.files.said[-1] == ("open", Path("a.zrack"))
    h.key("S", CTRL_SHIFT)
    assert h.docks.said[-1] == ("save_as",)
    h.act("revert")
    assert h.files.said[-1][0] == "revert"
    h.key(",", CTRL)
    assert h.docks.said[-1] == ("toggle", "settings")
    h.key("F8")
    assert h.docks.said[-1] == ("toggle", "perform")
    assert actions.checked(h, "perform")
    h.act("theme")
    assert h.said[-1] == ("restyle", "light")
    h.key("M")
    assert not h.settings.minimap
    h.key("L")
    assert h.said[-1] == ("levels", True)
    h.key("Q", CTRL)
    assert h.said[-1] == ("close",)


def test_views_are_kept_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZRACK_STATE", str(tmp_path / "state"))
    patch = rack().editor.patch
    patch.save(tmp_path / "a.zrack")
    h = Hands(Patch.load(tmp_path / "a.zrack"))
    h.view.zoom_at(0.5, 100.0, 100.0)
    h.view.pan(33.0, -20.0)
    before = h.view.rect
    assert h.key("1", CTRL_SHIFT) == "keep-view-1"
    h.key("F")
    assert h.key("1", SHIFT) == "view-1"
    assert h.view.rect == pytest.approx(before)
    assert not h.editor.history.dirty
    h.key("2", SHIFT)
    assert "no place" in h.said[-1]
    assert h.view.rect == pytest.approx(before)
    # another window, larger and on a finer screen: the same middle
    other = Hands(Patch.load(tmp_path / "a.zrack"))
    other.view.resize(2400.0, 1600.0)
    other.view.rescale(2.0)
    other.key("1", SHIFT)
    assert other.view.rect == pytest.approx(before)


def test_a_view_leads_into_its_sub_patch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZRACK_STATE", str(tmp_path / "state"))
    patch = rack().editor.patch
    patch.apply(Group(("lp", "lfo"), "voice"))
    patch.save(tmp_path / "a.zrack")
    h = Hands(Patch.load(tmp_path / "a.zrack"))
    h.editor.enter("voice")
    h.follow()
    h.view.enter(h.editor.inside, h.layout.boxes.values())
    h.view.pan(55.0, 5.0)
    inside = h.view.rect
    h.key("9", CTRL_SHIFT)
    h.key("Up", CTRL)
    h.view.enter(h.editor.inside, h.layout.boxes.values())
    h.key("9", SHIFT)
    assert h.editor.inside == ("voice",)
    h.view.enter(h.editor.inside, h.layout.boxes.values())
    assert h.view.rect == pytest.approx(inside)
    h.key("Up", CTRL)
    h.editor.do(Rename("voice", "chant"))
    h.follow()
    h.key("9", SHIFT)
    assert "gone" in h.said[-1]


def test_views_of_a_patch_without_a_file_are_not_kept(h: Hands) -> None:
    h.key("1", CTRL_SHIFT)
    assert "save the patch first" in h.said[-1]
    h.key("1", SHIFT)
    assert "no place" in h.said[-1]


def test_save_without_a_name_asks_for_one(h: Hands) -> None:
    from graph import PatchError

    def save() -> None:
        raise PatchError("the patch has no name yet")

    h.files.save = save
    h.key("S", CTRL)
    assert h.docks.said[-1] == ("save_as",)


def test_a_lock_says_so(h: Hands) -> None:
    select(h, "lp")
    h.editor.locked = True
    assert not actions.run(h, "delete")
    assert "locked" in h.errors[-1]
    assert desk.free_nodes in desk.CHANGING


# keys


def test_normal() -> None:
    assert normal("ctrl-shift-e") == "Ctrl+Shift+E"
    assert normal("Shift + Ctrl + e") == "Ctrl+Shift+E"
    assert normal("Cmd+Z") == "Ctrl+Z"
    assert normal("f5") == "F5"
    assert normal("esc") == "Escape"
    assert normal("Ctrl++") == "Ctrl++"
    assert normal("-") == "-"
    for wrong in ("", "hyper+x", "abc", "ctrl+", "ctrl+shift"):
        assert normal(wrong) == "", wrong


def test_keys_file(h: Hands, tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text('[keys]\nmute = "ctrl-u"\nundo = ["Ctrl+Z", "Alt+Backspace"]\nperform = ""\nadd = "A"\nfit = "M"\n')
    keys, wrong = load_keys(file)
    assert wrong == []
    assert keys.action("U", CTRL) == "mute"
    assert keys.action("M", CTRL) == ""
    assert keys.action("Backspace", Mods(alt=True)) == "undo"
    assert keys.action("F8", NO_MODS) == ""
    assert keys.action("A", NO_MODS) == "add"
    assert keys.action("M", NO_MODS) == "fit"  # the user's word counts more than the table's
    assert keys.of("minimap") == ()
    sheet = cheatsheet(keys)
    assert "| Mute | `Ctrl+U` |" in sheet
    assert "| Minimap |  |" in sheet
    h.keys = keys
    select(h, "osc")
    h.key("U", CTRL)
    assert amounts(h)["osc>lp"] == 0.0


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[keys\n", "cannot be read"),
        ("keys = 3\n", "needs a table"),
        ('[keys]\nfly = "F"\n', "no action"),
        ("[keys]\nmute = 3\n", "takes a key"),
        ('[keys]\nmute = [1, "A"]\n', "takes a key"),
        ('[keys]\nmute = "hyper+x"\n', "no key"),
        ('[keys]\nmute = "A"\nsolo = "a"\n', "to mute and to solo"),
        ('mute = "A"\n', "not \\[keys\\]"),
    ],
)
def test_wrong_keys_files_are_told_and_stop_nothing(tmp_path: Path, text: str, word: str) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(text)
    keys, wrong = load_keys(file)
    assert len(wrong) == 1
    assert re.search(word, wrong[0])
    assert "\n" not in wrong[0]
    assert keys.action("Z", CTRL) == "undo"


def test_no_keys_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZRACK_CONFIG", str(tmp_path / "none"))
    keys, wrong = load_keys()
    assert wrong == []
    assert keys.by_chord == Keys().by_chord
