"""Models in the editor: placeholders that say why, files looked at beside the window, trust, the palette, the inspector."""

from __future__ import annotations

import ast
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from graph import Patch
from graph.edits import SetSetting
from nodes import models as nn
from nodes.ml import shelf, torchscript, trust
from nodes.ml.contract import Interface, Method, ModelError
from tests import nn_modules
from tests.hands import RIGHT, Hands, Menu, Palette
from tests.screen import until
from ui import boxes, library, models, offers, overlay, palette, places, sheet
from ui.draw_tip import Tip
from ui.model import ROW, Layout
from ui.panels import trust as question
from ui.theme import THEMES

UI = Path(models.__file__).parent


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of model files that somebody looked at, and the cache that knows them."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZRACK_CACHE", str(folder / "cache"))
        for path in nn_modules.exported(folder, "coder512", "coder128", "plain").values():
            shelf._keep(shelf.digest(path), {"interface": torchscript.interface(path).to_map()})  # in this process: quicker
        yield folder


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a patch, with a shelf beside it (`shelf`), where nothing is trusted yet and nothing comes with zrack."""
    monkeypatch.setenv("ZRACK_CACHE", str(made / "cache"))
    monkeypatch.setenv("ZRACK_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("ZRACK_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ZRACK_MODELS", str(tmp_path / "shelf"))
    monkeypatch.setattr(shelf, "SHIPPED", tmp_path / "shipped")
    found = tmp_path / "home"
    for folder in (found, tmp_path / "shelf", tmp_path / "shipped"):
        folder.mkdir()
    offers._kept.clear()
    nn.forget()
    yield found
    nn.forget()


def put(made: Path, name: str, folder: Path, trusted: bool = True, to: str = "") -> Path:
    """A copy of a model, and whether it is trusted; Path of the copy."""
    path = Path(shutil.copy(made / f"{name}.ts", folder / (to or f"{name}.ts")))
    if trusted:
        trust.trust(shelf.digest(path), path.name)
    nn.forget()
    return path


def hands(home: Path, **nodes: dict[str, Any]) -> Hands:
    """An editor of a patch in this folder with model nodes by name."""
    patch = Patch()
    patch.folder = home
    for k, (name, settings) in enumerate(nodes.items()):
        patch.add("model/nn", name, at=(0.0 + 240 * k, 200.0), **settings)
    return Hands(patch)


# ---------------------------------------------------------------------------------------------- placeholders


def test_a_placeholder_shows_what_it_is_and_why(made: Path, home: Path) -> None:
    put(made, "coder512", home, trusted=False)
    h = hands(home, blank={}, lost={"file": "nowhere.ts"}, strange={"file": "coder512.ts", "method": "decode"})
    blank, lost, strange = (h.box(n) for n in ("blank", "lost", "strange"))
    assert blank.placeholder and blank.lacks == "names no model; set its file"
    assert lost.lacks.startswith("there is no file nowhere.ts beside the patch") and lost.lines[0] == "nowhere.ts"
    assert "is a program that is not trusted on this machine" in strange.lacks
    assert strange.lines == ("coder512.ts", "decode") and strange.written < strange.h - 2 * ROW
    assert lost.w > blank.w or len(lost.lines[0]) < 20


def test_a_placeholder_comes_alive_and_goes_again(made: Path, home: Path) -> None:
    path = put(made, "coder512", home, trusted=False)
    h = hands(home, m={"file": "coder512.ts", "method": "encode"})
    seen = h.box("m").rev
    trust.trust(shelf.digest(path), "coder512")
    nn.forget()
    h.follow()
    assert [p.name for p in h.box("m").ports] == ["audio", "z"] and not h.box("m").lacks and h.box("m").rev > seen
    path.write_bytes(path.read_bytes() + b"\0")  # another file now
    nn.forget()
    h.follow()
    assert h.box("m").placeholder and "not trusted" in h.box("m").lacks


def test_another_reason_is_another_picture(made: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(made, "coder512", home)
    why = ["is being looked at …", "took too long"]

    def describe(path: Path) -> Interface:
        raise ModelError(f"{path.name}: {why[0]}")

    monkeypatch.setattr(nn, "describe", describe)
    h = hands(home, m={"file": "coder512.ts"})
    before = h.box("m")
    assert before.lacks == "coder512.ts: is being looked at …"
    why.pop(0)
    nn.forget()
    h.follow()
    assert h.box("m").lacks == "coder512.ts: took too long" and h.box("m").rev > before.rev


def test_a_type_that_nobody_knows_is_as_before() -> None:
    patch = Patch()
    patch.add("source/saw", "osc")
    patch.write("attr", ("osc", "type"), "nobody/knows")
    box = Layout(patch).boxes["osc"]
    assert box.placeholder and not box.lacks and not box.lines and boxes.lacks(patch, "osc") == ""


def test_the_tip_says_why(home: Path) -> None:
    h = hands(home, m={})
    app = SimpleNamespace(editor=h.editor, theme=THEMES["dark"], layout=h.layout)
    tip, said = Tip(app), []  # type: ignore[arg-type]
    tip._show = lambda pen, lines, *rest: said.extend(lines)  # type: ignore[method-assign]
    tip._draw(None, h.box("m"))  # type: ignore[arg-type]
    assert ("names no model; set its file", THEMES["dark"].bad) in said
    assert not any("unknown here" in words for words, _ in said)


# ---------------------------------------------------------------------------------------------- looked at


class Slow:
    """A look at a file that ends when it is let; `calls` are the files."""

    def __init__(self, found: Callable[[Path], Interface]) -> None:
        self.found, self.go, self.calls, self.threads = found, threading.Event(), [], []  # type: ignore[var-annotated]

    def __call__(self, path: Path) -> Interface:
        self.calls.append(path.name)
        self.threads.append(threading.current_thread())
        assert self.go.wait(10)
        return self.found(path)


def unknown(monkeypatch: pytest.MonkeyPatch, path: Path) -> Slow:
    """Nobody looked at this file yet: the look that is to come."""
    known, about = shelf.known, shelf.describe(path)
    ready: list[bool] = []
    slow = Slow(lambda path: ready.append(True) or about)  # type: ignore[func-returns-value]
    monkeypatch.setattr(shelf, "known", lambda path: known(path) if ready else None)
    monkeypatch.setattr(shelf, "describe", slow)
    looks = models.Looks()
    monkeypatch.setattr(models, "LOOKS", looks)
    monkeypatch.setattr(nn, "describe", looks.describe)
    return slow


def test_a_file_is_looked_at_beside_the_window(made: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = unknown(monkeypatch, put(made, "coder512", home))
    looks = models.LOOKS
    h = hands(home, m={"file": "coder512.ts"})
    window = models.Models(h.editor)
    assert h.box("m").lacks == "coder512.ts: is being looked at …" and looks.busy
    for _ in range(3):  # asked again and again: one look is enough
        nn.forget()
        h.follow()
    version = h.editor.version
    window.tick(0.0)
    h.follow()
    version = h.editor.version
    window.tick(0.1)
    assert h.editor.version == version  # nothing new: nobody draws again
    slow.go.set()
    until(lambda: not looks.busy)
    window.tick(0.2)
    assert h.editor.version > version
    h.follow()
    assert not h.box("m").placeholder and slow.calls == ["coder512.ts"]
    assert slow.threads[0] is not threading.main_thread()


def test_a_file_that_cannot_be_used_says_so_once_and_again_when_asked(
    made: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(made, "coder512", home)

    def broken(path: Path) -> Interface:
        raise ModelError(f"{path.name}: crashed the process that looked at it (signal 11)")

    slow = Slow(broken)
    slow.go.set()
    monkeypatch.setattr(shelf, "known", lambda path: None)
    monkeypatch.setattr(shelf, "describe", slow)
    looks = models.Looks()
    monkeypatch.setattr(models, "LOOKS", looks)
    monkeypatch.setattr(nn, "describe", looks.describe)
    h = hands(home, m={"file": "coder512.ts"})
    until(lambda: not looks.busy)
    assert looks.poll() and not looks.poll()
    for _ in range(2):
        nn.forget()
        h.follow()
        assert h.box("m").lacks == "coder512.ts: crashed the process that looked at it (signal 11)"
    assert len(slow.calls) == 1
    models.reload(h.editor, "m")
    h.follow()
    until(lambda: not looks.busy)
    assert len(slow.calls) == 2


def test_a_look_that_stumbles_ends(home: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(made, "coder512", home)
    monkeypatch.setattr(shelf, "known", lambda path: None)
    monkeypatch.setattr(shelf, "describe", lambda path: 1 / 0)
    looks = models.Looks()
    with pytest.raises(ModelError, match="being looked at"):
        looks.describe(path)
    until(lambda: not looks.busy)
    with pytest.raises(ModelError, match="ZeroDivisionError"):
        looks.describe(path)


def test_a_file_that_changes_is_noticed(made: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(made, "coder512", home)
    h = hands(home, m={"file": "coder512.ts"})
    window = models.Models(h.editor)
    window.tick(0.0)
    version = h.editor.version
    path.write_bytes((made / "plain.ts").read_bytes())
    monkeypatch.setattr(nn, "LOOK", 0.0)  # as after a second
    window.tick(0.5)
    assert h.editor.version == version  # it is looked at once a second only
    window.tick(1.5)
    assert h.editor.version > version
    h.follow()
    assert "not trusted" in h.box("m").lacks


def test_what_a_node_lacked_is_no_problem_once_it_has_it(made: Path, home: Path) -> None:
    path = put(made, "coder512", home, trusted=False)
    h = hands(home, m={"file": "coder512.ts"}, other={})
    for name in ("m", "other"):
        h.editor._take({"kind": "error", "text": f"node {name}: {h.box(name).lacks}"})
    h.editor._take({"kind": "error", "text": "node third: its work died"})
    window = models.Models(h.editor)
    window.tick(1.0)
    assert "not trusted" in h.editor.problem("m")
    trust.trust(shelf.digest(path), "x")
    nn.forget()
    window.tick(2.5)
    assert set(h.editor.problems) == {"other", "third"}


# ---------------------------------------------------------------------------------------------- trust


def test_the_question_tells_what_it_is(made: Path, home: Path) -> None:
    put(made, "plain", home, trusted=False)
    h = hands(home, m={"file": "plain.ts"})
    who = models.stranger(h.editor.here(), "m")
    assert who is not None and who.sha == shelf.digest(home / "plain.ts")
    for part in ("plain.ts", who.sha[:16], "program", "bytes", shelf.card(home / "plain.ts")["licence"]):
        assert part in who.question, part
    assert who.sha[:17] not in who.question


def test_only_the_button_trusts(made: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(made, "coder512", home, trusted=False)
    h = hands(home, m={"file": "coder512.ts"})
    told: list[str] = []
    monkeypatch.setattr(h.editor, "trusted", lambda: told.append("trusted"))
    menu = h.menu(h.spot("m"))
    assert menu[0] == "trust"
    assert h.act("trust")
    wanted = h.gestures.requests[-1]
    assert wanted == overlay.Trust("m") and overlay.PANELS[overlay.Trust] == "trust"
    asked: list[tuple[str, dict[str, Any]]] = []
    app: Any = SimpleNamespace(editor=h.editor, say=h.say, ask=lambda text, answers: asked.append((text, answers)))
    question.Panel(app).open(wanted)
    assert list(asked[0][1]) == ["Trust and load", "Not now"]  # Escape is the last
    assert asked[0][1]["Not now"] is None
    sha = shelf.digest(path)
    assert not trust.is_trusted(sha) and not told
    asked[0][1]["Trust and load"]()
    assert trust.is_trusted(sha) and told == ["trusted"]
    h.follow()
    assert not h.box("m").placeholder and "trust" not in h.menu(h.spot("m"))
    question.Panel(app).open(wanted)
    assert len(asked) == 1 and "no file that waits" in h.said[-1]
    named = {p.name for p in UI.rglob("*.py") if "trust.trust(" in p.read_text("utf-8")}
    calls = {
        p.name for p in UI.rglob("*.py") for n in ast.walk(ast.parse(p.read_text("utf-8")))
        if isinstance(n, ast.Call) and ast.unparse(n.func) == "models.let"
    }  # fmt: skip
    assert named == {"models.py"} and calls == {"trust.py"}


def test_what_was_shown_is_what_is_trusted(made: Path, home: Path) -> None:
    """A file that is replaced while the question waits is not let in by its answer."""
    path = put(made, "coder512", home, trusted=False)
    h = hands(home, m={"file": "coder512.ts"})
    who = models.stranger(h.editor.here(), "m")
    assert who is not None
    path.write_bytes((made / "plain.ts").read_bytes())
    models.let(h.editor, who)
    h.follow()
    assert "not trusted" in h.box("m").lacks and not trust.is_trusted(shelf.digest(path))


def test_a_trusted_file_is_known_before_others_hear_of_it(made: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who plays would look at it at once, and keep everybody waiting."""
    path = put(made, "coder512", home, trusted=False)
    slow = unknown(monkeypatch, path)
    h = hands(home, m={"file": "coder512.ts"})
    window = models.Models(h.editor)
    told: list[bool] = []
    monkeypatch.setattr(h.editor, "trusted", lambda: told.append(trust.is_trusted(shelf.digest(path))))
    who = models.stranger(h.editor.here(), "m")
    assert who is not None
    models.let(h.editor, who)
    window.tick(0.0)
    assert not told and not trust.is_trusted(who.sha) and h.editor.notice == "coder512.ts is being looked at …"
    slow.go.set()
    until(lambda: not models.LOOKS.busy)
    window.tick(0.1)
    h.follow()
    assert told == [True] and not h.box("m").placeholder and slow.calls == ["coder512.ts"]


@pytest.mark.parametrize("way", ["drop", "palette", "node"])
def test_what_names_an_unknown_file_waits_until_it_is_known(
    made: Path, home: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    path = put(made, "coder512", home)
    slow = unknown(monkeypatch, path)
    h = hands(home, m={})
    window = models.Models(h.editor)
    if way == "drop":
        assert h.gestures.drop_file(path, 300.0, 500.0) == ""
    elif way == "palette":
        assert h.gestures.chosen(Palette(0, 0, (0.0, 500.0)), "model/nn", {"file": "coder512.ts"}) == ""
    else:
        assert h.gestures.drop_file(path, *h.spot("m")) == ""
    window.tick(0.0)
    assert set(h.editor.patch.nodes) == {"m"} and not h.editor.patch.nodes["m"].settings and not h.editor.errors
    slow.go.set()
    until(lambda: not models.LOOKS.busy)
    window.tick(0.1)
    due = {"drop": {"m", "coder512_encode", "coder512_decode"}, "palette": {"m", "coder512"}, "node": {"m"}}
    assert set(h.editor.patch.nodes) == due[way] and slow.calls == ["coder512.ts"]
    assert way != "node" or h.editor.patch.spec("m") is not None


def test_a_disk_that_refuses_is_told(made: Path, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put(made, "coder512", home, trusted=False)
    h = hands(home, m={"file": "coder512.ts"})
    who = models.stranger(h.editor.here(), "m")
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("ZRACK_CONFIG", str(tmp_path / "file" / "no"))
    assert who is not None
    models.let(h.editor, who)
    assert h.editor.errors[-1][2].startswith("coder512.ts could not be trusted")


def test_what_needs_no_trust_offers_none(made: Path, home: Path) -> None:
    put(made, "coder512", home)
    h = hands(home, blank={}, lost={"file": "no.ts"}, fine={"file": "coder512.ts"})
    for name in ("blank", "lost", "fine"):
        assert models.stranger(h.editor.here(), name) is None
        assert "trust" not in h.menu(h.spot(name)) and "reload" in h.menu(h.spot(name))
    (home / "text.ts").write_text("no model")
    h.editor.do(SetSetting("lost", "file", "text.ts"))
    assert models.untrusted(h.editor.here(), "lost") is not None and models.stranger(h.editor.here(), "lost") is None


# ---------------------------------------------------------------------------------------------- inspector


def rows(h: Hands, *names: str) -> dict[str, sheet.Row]:
    return {r.name: r for r in sheet.sheet(h.editor.here(), names).rows}


def test_a_placeholder_can_be_set(made: Path, home: Path) -> None:
    put(made, "coder512", home)
    h = hands(home, m={})
    seen = sheet.sheet(h.editor.here(), ["m"])
    assert seen.lacks == "names no model; set its file"
    assert [r.name for r in seen.rows] == ["file", "method", "hop", "slack", "voices", "device", "threads"]
    assert rows(h, "m")["method"].options == ()
    assert h.editor.do(sheet.assigned(rows(h, "m")["hop"], 4))
    assert h.editor.do(sheet.assigned(rows(h, "m")["file"], "coder512.ts"))
    after = sheet.sheet(h.editor.here(), ["m"])
    assert not after.lacks and after.key != seen.key
    assert rows(h, "m")["method"].options == ("encode", "decode", "forward")
    assert rows(h, "m")["hop"].value == 4
    h.editor.do(sheet.assigned(rows(h, "m")["method"], "decode"))
    assert sheet.sheet(h.editor.here(), ["m"]).key != after.key  # its card is another
    h.editor.undo()
    h.editor.undo()
    assert sheet.sheet(h.editor.here(), ["m"]).lacks == seen.lacks


def test_a_method_that_the_file_lacks_can_be_mended(made: Path, home: Path) -> None:
    put(made, "coder512", home)
    h = hands(home, m={"file": "coder512.ts", "method": "sing"})
    seen = sheet.sheet(h.editor.here(), ["m"])
    assert seen.lacks == "coder512.ts has no method sing; it has encode, decode, forward"
    assert rows(h, "m")["method"].options == ("encode", "decode", "forward") and rows(h, "m")["method"].value == "sing"


def test_two_placeholders_are_set_together(home: Path) -> None:
    h = hands(home, a={}, b={"hop": 3})
    both = rows(h, "a", "b")
    assert both["hop"].mixed and sheet.sheet(h.editor.here(), ["a", "b"]).lacks == ""
    h.editor.do(sheet.assigned(both["hop"], 5))
    assert rows(h, "b")["hop"].value == 5 and not rows(h, "a", "b")["hop"].mixed


def test_the_card_of_a_model(made: Path, home: Path) -> None:
    put(made, "plain", home)
    h = hands(home, m={"file": "plain.ts", "hop": 2}, blank={})
    patch = h.editor.here()
    found = dict(models.card(patch, "m"))
    interface, method = models.interface(patch, "m") or (None, None)
    assert interface is not None and method is not None and method.delay is not None
    assert found["licence"] == interface.card["licence"] and found["sample rate"] == f"{interface.rate} Hz"
    assert found["a hop"] == f"{2 * nn.unit(interface, method) / interface.rate * 1e3:.1f} ms"
    assert found["its own delay"] == f"{method.delay / interface.rate * 1e3:.1f} ms"
    assert models.card(patch, "blank") == [] and models.methods(patch, "blank") == ()


def test_the_card_says_what_is_not_known(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    about = Interface("0" * 64, 0, (Method("forward", 1, 1, 1, 1),), card={"training_data": "a  b\nc"}, notes=("odd",))
    monkeypatch.setattr(nn, "found", lambda name, folder: (home / name, about))
    patch = Patch()
    patch.add("model/nn", "m", file="x.ts")
    found = dict(models.card(patch, "m"))
    assert found["its own delay"] == "not known" and found["sample rate"] == "that of the rack"
    assert found["trained on"] == "a b c" and found["note"] == "odd" and "licence" not in found


def test_how_late_it_is() -> None:
    assert models.lateness(None) == ""
    said = models.lateness({"transport": 0.0426666, "delay": 0.0213333, "late": 0})
    assert said == "What comes out here is 42.7 ms late, and 21.3 ms more by the models' own delay; no hop came too late."
    said = models.lateness({"transport": 0.001, "delay": None, "late": 1})
    assert "is not known; 1 hop came too late" in said


def test_the_session_is_asked_for_a_selected_model_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    h = hands(home, m={})
    asked: list[str] = []
    monkeypatch.setattr(h.editor, "client", SimpleNamespace(patch=h.editor.patch, lock=h.editor.lock))
    monkeypatch.setattr(h.editor, "call", lambda call, then: asked.append(call) or then({"m": {"late": 3}}))  # type: ignore[func-returns-value]
    window = models.Models(h.editor)
    window.tick(1.0)
    assert not asked
    h.editor.selection = {"m"}
    window.tick(1.5)
    assert not asked  # once a second
    window.tick(2.1)
    assert asked == ["late"] and window.late == {"m": {"late": 3}}


def test_calls_to_the_session_name_the_full_path(monkeypatch: pytest.MonkeyPatch) -> None:
    h = Hands()
    said: list[Any] = []
    monkeypatch.setattr(h.editor, "call", lambda *call: said.append(call))
    h.editor.inside = ("voice",)
    h.editor.keep("tape")
    h.editor.reload("m")
    h.editor.trusted()
    assert said == [("keep", "voice/tape"), ("reload", "voice/m"), ("trusted",)]


def test_without_a_session_nothing_is_kept_and_nobody_complains_of_trust() -> None:
    h = Hands()
    h.editor.trusted()
    h.editor.reload("m")
    assert not h.editor.errors
    h.editor.keep("tape")
    assert h.editor.errors[-1][2] == "nothing plays this patch now"


def test_what_the_session_says_of_models_is_heard(made: Path, home: Path) -> None:
    path = put(made, "coder512", home, trusted=False)
    h = hands(home, m={"file": "coder512.ts"})
    trust.trust(shelf.digest(path), "x")  # somebody did so elsewhere
    version = h.editor.version
    h.editor._take({"kind": "models"})
    h.follow()
    assert h.editor.version > version and not h.box("m").placeholder


# ---------------------------------------------------------------------------------------------- palette


def labels(folder: Path) -> list[str]:
    offers._kept.clear()
    return [o.label for o in offers.offers(folder)]


def test_the_palette_offers_every_method(made: Path, home: Path, tmp_path: Path) -> None:
    put(made, "coder512", home, to="guitar.ts")
    put(made, "plain", tmp_path / "shelf")
    put(made, "coder128", home, trusted=False, to="stranger.ts")
    (home / "broken.ts").write_text("no model")
    assert labels(home) == [
        "broken (model)", "guitar: encode", "guitar: decode", "guitar: forward", "stranger (model)", "plain: forward",
    ]  # fmt: skip
    put(made, "plain", home, to="plain.ts")  # hides the one on the shelf
    assert labels(home).count("plain: forward") == 1
    more = offers.offers(home)
    found = palette.search(Patch().specs, "guitar enc", more=more)
    assert found[0].label == "guitar: encode" and found[0].values == {"file": "guitar.ts", "method": "encode"}
    assert found[0].name == "guitar: encode" and found[0].family == "model"
    whole = palette.search(Patch().specs, "", more=more)
    at = [f.family for f in whole]
    assert at.count("model") == 1 + len(more) and at.index("model") + at.count("model") == at.index("midi")  # together
    assert palette.search(Patch().specs, "lfo", more=more)[0].spec.id == "mod/lfo"


def test_a_choice_is_one_step(made: Path, home: Path) -> None:
    put(made, "coder512", home, to="guitar 2.ts")
    h = hands(home)
    offer = next(o for o in offers.offers(home) if o.label == "guitar 2: encode")
    name = h.gestures.chosen(Palette(0, 0, (0.0, 0.0)), offer.spec.id, offer.values)
    assert name == "guitar_2_encode"
    assert dict(h.editor.patch.nodes[name].settings) == {"file": "guitar 2.ts", "method": "encode"}
    h.follow()
    assert [p.name for p in h.box(name).ports] == ["audio", "z"]
    assert h.gestures.chosen(Palette(0, 0, (300.0, 0.0)), offer.spec.id, offer.values) == "guitar_2_encode2"
    h.undo()
    h.undo()
    assert not h.editor.patch.nodes


def test_a_cable_into_space_offers_what_understands_its_latent(made: Path, home: Path) -> None:
    put(made, "coder512", home)
    put(made, "coder128", home)
    h = hands(home, enc={"file": "coder512.ts", "method": "encode"})
    h.editor.patch.add("latent/smooth", "soft")
    h.editor.patch.connect("enc.z", "soft.z")
    h.editor._changed()
    h.follow()
    for node, port in (("enc", "z"), ("soft", "out")):
        want = palette.wish(h.editor.here(), node, port, True)
        assert want is not None and want.latent and want.space.startswith("coder512-") and want.dims == 8
        found = palette.search(h.editor.here().specs, "", want, more=offers.offers(home))
        assert found[0].label == "coder512: decode" and found[0].port == "z"
        assert not [f for f in found if f.label.startswith("coder128")]
        assert "latent/smooth" in [f.spec.id for f in found]
    name = h.gestures.chosen(
        Palette(0, 0, (600.0, 0.0), want, ("soft", "out", "out")), "model/nn", {"file": "coder512.ts", "method": "decode"}
    )
    assert ("soft", "out", name, "z") in h.editor.patch.cables
    h.undo()
    assert name not in h.editor.patch.nodes


def test_a_cable_of_sound_offers_encoders(made: Path, home: Path) -> None:
    put(made, "coder512", home)
    h = hands(home)
    h.editor.patch.add("source/saw", "osc")
    want = palette.wish(h.editor.here(), "osc", "out", True)
    found = palette.search(h.editor.here().specs, "", want, more=offers.offers(home))
    assert {f.label for f in found if f.label} == {"coder512: encode", "coder512: forward"}
    assert found[0].spec.id == "filter/lowpass"  # the usual ones stay first
    back = palette.wish(h.editor.here(), "osc", "freq", False)
    found = palette.search(h.editor.here().specs, "", back, more=offers.offers(home))
    assert {f.label for f in found if f.label} == {"coder512: decode", "coder512: forward"}


def test_a_model_goes_into_a_cable(made: Path, home: Path) -> None:
    put(made, "coder512", home)
    h = hands(home)
    h.editor.patch.add("source/saw", "osc")
    h.editor.patch.add("io/output", "out")
    h.editor.patch.connect("osc.out", "out.audio", 0.5)
    key = ("osc", "out", "out", "audio")
    values = {"file": "coder512.ts", "method": "forward"}
    name = h.gestures.chosen(Palette(0, 0, (100.0, 0.0), wire=key), "model/nn", values)
    assert set(h.editor.patch.cables) == {("osc", "out", name, "audio"), (name, "out", "out", "audio")}
    h.undo()
    assert set(h.editor.patch.cables) == {key}


# ---------------------------------------------------------------------------------------------- files


def test_a_model_that_is_dropped_becomes_encoder_and_decoder(made: Path, home: Path, tmp_path: Path) -> None:
    elsewhere = put(made, "coder512", tmp_path)
    h = hands(home)
    name = h.gestures.drop_file(elsewhere, 300.0, 300.0)
    patch = h.editor.patch
    assert name == "coder512_encode" and (home / "models" / "coder512.ts").read_bytes() == elsewhere.read_bytes()
    assert set(patch.cables) == {("coder512_encode", "z", "coder512_decode", "z")}
    assert {d.settings["file"] for d in patch.nodes.values()} == {"models/coder512.ts"}
    assert h.editor.selection == {"coder512_encode", "coder512_decode"}
    h.follow()
    left, right = h.box("coder512_encode"), h.box("coder512_decode")
    assert left.x + left.w < right.x and left.y == right.y
    h.undo()
    assert not patch.nodes


def test_one_on_the_shelf_is_not_copied(made: Path, home: Path, tmp_path: Path) -> None:
    h = hands(home)
    h.gestures.drop_file(put(made, "plain", tmp_path / "shelf"), 300.0, 300.0)
    assert dict(h.editor.patch.nodes["plain_forward"].settings) == {"file": "plain.ts", "method": "forward"}
    assert not list(home.rglob("*.ts"))
    hidden = put(made, "coder512", home, to="plain.ts")
    assert library.name_of(hidden, home) == "plain.ts" and library.name_of(tmp_path / "shelf" / "plain.ts", home) == ""
    assert library.name_of(tmp_path / "else.ts", home) == ""


def test_a_stranger_that_is_dropped_is_a_placeholder_with_a_way_out(made: Path, home: Path) -> None:
    path = put(made, "coder512", home, trusted=False)
    h = hands(home)
    name = h.gestures.drop_file(path, 300.0, 300.0)
    h.follow()
    assert name == "coder512" and "not trusted" in h.box(name).lacks and "trust" in h.menu(h.spot(name))


def test_a_model_dropped_on_a_model_is_its_file(made: Path, home: Path) -> None:
    put(made, "coder512", home)
    put(made, "coder128", home)
    h = hands(home, m={"file": "coder512.ts"})
    assert h.gestures.drop_file(home / "coder128.ts", *h.spot("m")) == "m"
    assert h.editor.patch.nodes["m"].settings["file"] == "coder128.ts" and len(h.editor.patch.nodes) == 1
    assert h.gestures.drop_file(home / "coder512.ts", *h.spot("m"), onto=False) == "coder512_encode"
    h.undo()
    h.editor.locked = True
    assert h.gestures.drop_file(home / "coder512.ts", *h.spot("m")) == ""
    assert "locked" in h.editor.errors[-1][2]


def test_a_patch_that_moves_takes_its_models_along(made: Path, home: Path, tmp_path: Path) -> None:
    put(made, "coder512", home)
    put(made, "plain", tmp_path / "shelf")
    put(made, "coder128", home, trusted=False)
    h = hands(
        home, mine={"file": "coder512.ts"}, theirs={"file": "plain.ts"}, strange={"file": "coder128.ts"}, lost={"file": "x.ts"}
    )
    said = places.carry(h.editor.patch, tmp_path / "new")
    assert sorted(p.name for p in (tmp_path / "new").rglob("*.ts")) == ["coder128.ts", "coder512.ts"]
    assert len(said) == 1 and "lost" in said[0]


def test_a_right_click_on_a_blank_model(home: Path) -> None:
    h = hands(home, m={})
    h.click(h.spot("m"), button=RIGHT)
    assert isinstance(h.gestures.requests[-1], Menu)
    assert h.act("reload") and not h.act("trust")
