"""What panels show and do, without a window: the inspector's sheet, the performance page, the library, the transport."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from graph import PatchError
from graph.spec import Param
from nodes import Patch
from ui import library, readings, sheet
from ui.settings import Settings


def small() -> Patch:
    patch = Patch()
    patch.add("source/saw", "osc", freq=220.0)
    patch.add("source/sine", "low", freq=55.0)
    patch.add("filter/lowpass", "f", at=(300, 0))
    patch.add("filter/lowpass", "g", cutoff=200.0)
    patch.add("mod/lfo", "lfo")
    patch.add("mod/steps", "steps")
    patch.add("io/output", "out")
    patch.connect("osc.out", "f.audio")
    patch.connect("lfo.out", "f.cutoff", 0.3)
    patch.connect("f.out", "out.audio", 0.5)
    return patch


# ---------------------------------------------------------------------------------------------- inspector


def row(patch: Patch, name: str, *names: str) -> sheet.Row:
    return next(r for r in sheet.sheet(patch, names).rows if r.name == name)


def test_a_sheet_has_everything_of_a_node() -> None:
    patch = small()
    made = sheet.sheet(patch, ["f"])
    spec = patch.spec("f")
    assert spec is not None and made.spec is spec
    assert [r.name for r in made.rows] == [*spec.params, *spec.choices, *spec.settings, *spec.data]
    cutoff = row(patch, "cutoff", "f")
    assert [(k, c.amount) for k, c in cutoff.cables] == [(("lfo", "out", "f", "cutoff"), 0.3)]
    assert [k for k, _ in made.fed] == [("osc", "out", "f", "audio")]
    assert "Hz" in cutoff.tip and cutoff.item.doc in cutoff.tip
    assert made.title == "f" and made.bypass is False


def test_nothing_selected_and_what_is_gone() -> None:
    assert sheet.sheet(small(), []).names == ()
    assert sheet.sheet(small(), ["nobody"]).names == ()


def test_several_nodes_show_what_they_share_and_are_set_together() -> None:
    patch = small()
    made = sheet.sheet(patch, {"f", "g"})
    cutoff = next(r for r in made.rows if r.name == "cutoff")
    assert cutoff.mixed and cutoff.names == ("f", "g") and made.title == "2 nodes"
    patch.apply(sheet.assigned(cutoff, 500.0))
    assert patch.value("f", "cutoff") == patch.value("g", "cutoff") == 500.0
    assert not row(patch, "cutoff", "f", "g").mixed
    both = {r.name for r in sheet.sheet(patch, {"osc", "low"}).rows}
    assert "freq" in both
    assert sheet.sheet(patch, {"osc", "f"}).rows == []
    patch.apply(sheet.bypassed(("f", "g"), True))
    assert patch.nodes["g"].bypass and sheet.sheet(patch, {"f", "g"}).bypass is True
    patch.apply(sheet.bypassed(("f",), False))
    assert sheet.sheet(patch, {"f", "g"}).bypass is None


def test_values_that_stream_are_shown_at_once() -> None:
    made = sheet.sheet(small(), ["f"], {("f", "cutoff"): 4321.0})
    assert next(r for r in made.rows if r.name == "cutoff").value == 4321.0


def test_amounts_modes_and_removal_of_cables() -> None:
    patch = small()
    key = ("lfo", "out", "f", "cutoff")
    patch.apply(sheet.amount(key, -0.5))
    patch.apply(sheet.mode(key, "units"))
    assert (patch.cables[key].amount, patch.cables[key].mode) == (-0.5, "units")
    patch.apply(sheet.unplugged(key))
    assert key not in patch.cables
    patch.apply(sheet.plugged("lfo.out", "g.cutoff"))
    assert ("lfo", "out", "g", "cutoff") in patch.cables


def test_tables_are_edited_by_cell_and_row() -> None:
    patch = small()
    steps = row(patch, "steps", "steps")
    before = len(steps.value)
    edit = sheet.longer(steps)
    assert edit is not None
    patch.apply(edit)
    steps = row(patch, "steps", "steps")
    assert len(steps.value) == before + 1 and steps.value[-1] == steps.value[-2]
    patch.apply(sheet.cell(steps, 0, 1, 1e9))
    steps = row(patch, "steps", "steps")
    assert steps.value[0][1] == steps.item.high or steps.value[0][1] == 1e9
    for _ in range(before):
        edit = sheet.shorter(row(patch, "steps", "steps"))
        assert edit is not None
        patch.apply(edit)
    assert sheet.shorter(row(patch, "steps", "steps")) is None


def test_a_placeholder_has_a_sheet_without_rows() -> None:
    patch = small()
    patch.write("attr", ("osc", "type"), "nobody/knows")
    made = sheet.sheet(patch, ["osc"])
    assert made.spec is None and made.rows == [] and made.title == "osc"


# ---------------------------------------------------------------------------------------------- performance page


def test_the_page_has_what_is_exposed_on_its_range() -> None:
    patch = small()
    patch.expose("bright", "f.cutoff", 100.0, 1000.0)
    patch.apply(sheet.expose(patch, "lfo", "shape"))
    bright, shape = sheet.controls(patch)
    assert (bright.shape, shape.shape) == ("knob", "switch")
    assert bright.at(0.0) == pytest.approx(100.0) and bright.at(1.0) == pytest.approx(1000.0)
    assert bright.at(0.5) == pytest.approx(316.2, rel=1e-3)
    again = sheet.Control("x", "f", "cutoff", bright.item, bright.at(0.25), bright.low, bright.high)
    assert again.position() == pytest.approx(0.25)
    assert sheet.exposed(patch, "f", "cutoff") == "bright"
    patch.apply(sheet.expose(patch, "f", "cutoff", False))
    assert [c.name for c in sheet.controls(patch)] == ["shape"]
    assert sheet.exposed(patch, "f", "cutoff") == ""


def test_names_on_the_page_are_free_ones() -> None:
    patch = small()
    patch.apply(sheet.expose(patch, "f", "cutoff"))
    patch.apply(sheet.expose(patch, "g", "cutoff"))
    assert set(patch.exposed) == {"cutoff", "g-cutoff"}


# ---------------------------------------------------------------------------------------------- library


def test_node_types_by_family_and_by_search() -> None:
    specs = small().specs
    every = library.nodes(specs)
    assert {"sources", "filters", "effects", "views"} <= {e.group for e in every}
    assert [e.group for e in every] == sorted((e.group for e in every), key=[e.group for e in every].index)
    assert not any(e.id == "rack/sum" for e in every)
    assert library.nodes(specs, "reverb")[0].id == "effect/reverb"
    assert library.nodes(specs, "oscilloscope")[0].id == "view/scope"


def test_files_beside_the_patch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZRACK_STATE", str(tmp_path / "state"))
    home = tmp_path / "home"
    (home / "sounds" / ".hidden").mkdir(parents=True)
    (home / "sounds" / "kick.wav").write_bytes(b"1")
    (home / "sounds" / ".hidden" / "no.wav").write_bytes(b"1")
    (home / "sounds" / "notes.txt").write_bytes(b"1")
    assert [e.label for e in library.sounds(home) if e.group == "beside this patch"] == ["sounds/kick.wav"]
    assert library.sounds(home, "snare") == []
    assert "demo" in [e.label for e in library.patches("demo", home)]
    monkeypatch.setenv("ZRACK_MODELS", str(tmp_path / "models"))
    assert {e.group for e in library.models(None)} <= {"that come with zrack"}
    (home / "mine.ts").write_bytes(b"1")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "voice.ts").write_bytes(b"1")
    found = [(e.label, e.group) for e in library.models(home) if e.group != "that come with zrack"]
    assert found == [("mine.ts", "beside this patch"), ("voice.ts", "models folder")]


def test_a_sound_from_elsewhere_is_copied_beside_the_patch(tmp_path: Path) -> None:
    patch = small()
    with pytest.raises(PatchError, match="save the patch first"):
        library.brought(patch, tmp_path / "a.wav")
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    other.mkdir()
    patch.save(home / "p.zrack")
    (other / "a.wav").write_bytes(b"one")
    assert library.brought(patch, other / "a.wav") == "sounds/a.wav"
    assert library.brought(patch, other / "a.wav") == "sounds/a.wav"
    (other / "a.wav").write_bytes(b"two")
    assert library.brought(patch, other / "a.wav") == "sounds/a-2.wav"
    assert (home / "sounds" / "a.wav").read_bytes() == b"one"
    assert library.brought(patch, home / "sounds" / "a.wav") == "sounds/a.wav"
    entry = library.Entry("sound", str(other / "a.wav"), "a")
    assert library.adding(patch, entry) == ("source/sample", {"file": "sounds/a-2.wav"})
    assert library.adding(patch, library.Entry("node", "mod/lfo", "lfo")) == ("mod/lfo", {})


# ---------------------------------------------------------------------------------------------- transport


def test_tempo_by_tapping() -> None:
    taps = readings.Taps()
    assert taps.tap(0.0) is None
    assert taps.tap(0.5) == pytest.approx(120.0)
    assert taps.tap(1.1) == pytest.approx(109.09, rel=1e-3)
    assert taps.tap(9.0) is None, "a pause begins anew"
    assert taps.tap(9.001) == 999.0


def test_figures_of_the_session() -> None:
    state = {"device": "null", "device_rate": 48000, "load": 0.123, "xruns": 2,
             "latency": {"input": 0.0, "output": 0.005, "conversion": 0.001}}  # fmt: skip
    assert readings.device(state) == "null · 48 kHz"
    assert dict(readings.figures(state)) == {"CPU": "12 %", "xruns": "2", "latency": "6.0 ms"}
    assert readings.device({}) == "no session"
    assert dict(readings.figures({}))["latency"] == "–"
    assert readings.clock(62.34) == "1:02.3"


def test_loudness() -> None:
    assert readings.db(1.0) == 0.0 and readings.db(0.0) == -90.0
    assert readings.height(0.0) == 0.0 and readings.height(10.0) == 1.0
    assert 0.9 < readings.height(1.0) < 1.0


def test_tempo_of_a_patch() -> None:
    patch = small()
    assert readings.tempo(patch) is None
    patch.add("mod/clock", "clock", bpm=97)
    assert readings.tempo(patch) == 97.0


# ---------------------------------------------------------------------------------------------- panels that need no window


def test_faces_and_lines() -> None:
    dpg = pytest.importorskip("dearpygui.dearpygui")
    assert dpg
    from ui.panels import help, inspector, log, perform, snapshots

    patch = small()
    assert inspector.face(row(patch, "freq", "osc")) == "220 Hz"
    assert inspector.face(row(patch, "freq", "osc", "low")).endswith("others differ")
    assert log.line(0.0, "f", "bypassed").endswith("f: bypassed")
    assert log.line(0.0, "f", "node f: bypassed").count("f:") == 1
    assert snapshots.free({"snapshot 1": {}}) == "snapshot 2"
    assert len(perform.arc(0, 0, 10, 0.0, 1.0)) == 49
    assert perform.enlarged(1, 1200.0, 700.0) == perform.LARGEST
    assert perform.enlarged(100, 1200.0, 700.0) == perform.enlarged(1, 100.0, 100.0) == 1.0
    for count in (3, 8, 20):
        big = perform.enlarged(count, 1200.0, 700.0)
        assert -(-count // int(1200 // (perform.CELL * big))) * perform.HIGH * big <= 700.0
    text = "# Keys\n\n| a | b |\n|---|---|\n| `Ctrl+Z` | undo \\| back |\n\n## None\n"
    assert help.tables(text) == [("Keys", [["Ctrl+Z", "undo | back"]])]
    assert all(isinstance(p, Param) for p in patch.specs["filter/ladder"].params.values())


def test_the_performance_page_has_the_window_to_itself_and_gives_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dearpygui.dearpygui")
    from ui.app_docks import PLACES, Docks, Panel

    docks = Docks.__new__(Docks)
    docks.app = SimpleNamespace(settings=Settings(panels=dict.fromkeys(PLACES, True) | {"perform": False}))  # type: ignore[assignment]
    docks.panels = {name: Panel(name, place) for name, place in PLACES.items()}
    monkeypatch.setattr(Docks, "arrange", lambda self: None)

    def shown() -> set[str]:
        return {name for name, panel in docks.panels.items() if panel.place != "window" and docks.shown(panel)}

    sides = {"transport", "log", "browser", "snapshots", "inspector"}
    assert shown() == sides
    docks.toggle("perform")
    assert shown() == {"perform"}
    docks.toggle("perform")
    assert shown() == sides
    docks.toggle("perform")
    docks.toggle("log")  # who asks for another panel wants to see it
    assert shown() == sides
    docks.toggle("perform")
    docks.panels["perform"].failed = True
    assert shown() == sides
