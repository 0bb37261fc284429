"""The real window on a display of its own, with a real mouse and real keys."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graph import Patch
from ui import display, flow, model
from ui.settings import Settings

TOOLS = ("Xvfb", "xdotool")
needs_display = pytest.mark.skipif(any(shutil.which(t) is None for t in TOOLS), reason=f"needs {' and '.join(TOOLS)}")
ROOT = Path(__file__).parents[1]
SMOKE = """
import sys, time
start = time.monotonic()
from pathlib import Path
from nodes import catalog
catalog.load()
from graph import Patch
from ui.app import App
from ui.client import Editor
app = App(editor=Editor(None, Patch.load(Path(sys.argv[1]))), size=(1000, 640), vsync=False)
app.open_window()
app.frame()
print("first", time.monotonic() - start)
for _ in range(40):
    app.frame()
for name in ("light", "dark"):
    app.restyle(name)
    [app.frame() for _ in range(6)]
for scale in (2.0, 0.75, 1.0):
    app.restyle(scale=scale)
    [app.frame() for _ in range(6)]
app.act("cable-levels")
for name in ("log", "snapshots", "perform"):
    app.docks.toggle(name)
    [app.frame() for _ in range(12)]
app.docks.toggle("perform")
for zoom in (0.3, 0.1, 1.0):
    app.view.zoom_at(zoom / app.view.zoom, 300, 300)
    app.view.pan(5, 5)
    [app.frame() for _ in range(6)]
print("errors", [e[2] for e in app.editor.errors])
print("shown", len(app.canvas.visible[0]))
app.finish()
app._end()
"""


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    """A display of our own."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x720x24", "+extension", "GLX"], pass_fds=(write,),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    with os.fdopen(read) as f:
        number = f.readline().strip()
    try:
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
def surroundings(tmp_path: Path, screen: str) -> dict[str, str]:
    """An environment in which nothing of this machine's user is touched."""
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    own = {"DISPLAY": screen, "XDG_RUNTIME_DIR": str(run), "ZRACK_STATE": str(tmp_path / "state"),
           "ZRACK_CONFIG": str(tmp_path / "config")}  # fmt: skip
    return {**os.environ, **own}


@needs_display
def test_the_window_opens_in_every_theme_size_and_zoom_without_a_mistake(surroundings: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SMOKE, str(ROOT / "patches" / "feedback.zrack")], env=surroundings, cwd=ROOT, text=True,
        capture_output=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "errors []" in done.stdout, done.stdout + done.stderr
    assert int(re.findall(r"shown (\d+)", done.stdout)[0]) > 0
    assert float(re.findall(r"first ([\d.]+)", done.stdout)[0]) < 5  # the figure (below 1.5 s) is that of the benchmark


def test_without_a_display_one_sentence_says_so_and_names_play(tmp_path: Path) -> None:
    for shown in ("", ":4711"):
        env = {k: v for k, v in os.environ.items() if k != "DISPLAY"} | ({"DISPLAY": shown} if shown else {})
        done = subprocess.run(
            [sys.executable, "-c", "import sys; from ui.app import main; sys.exit(main('a.zrack'))"], env=env, cwd=ROOT,
            text=True, capture_output=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "zrack play a.zrack" in done.stderr


@pytest.mark.parametrize("name", ["", "host", ":x", "::1"])
def test_what_is_no_display_cannot_be_reached(name: str) -> None:
    assert not display.reachable(name)


def test_settings_survive_and_nonsense_in_them_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZRACK_CONFIG", str(tmp_path / "config"))
    assert Settings.load() == Settings()
    mine = Settings(theme="light", scale=1.5, panels={"log": True}, size=(1000, 700), minimap=False)
    mine.save()
    assert Settings.load() == mine
    place = tmp_path / "config" / "settings.json"
    place.write_text('{"theme": "pink", "scale": "huge", "size": [1, -5], "panels": {"log": 0}, "minimap": 3}')
    assert Settings.load() == Settings(size=(640, 400), panels={"log": False})
    place.write_text("{")
    assert Settings.load() == Settings()


def test_sound_and_modulation_are_told_apart() -> None:
    from nodes import catalog

    catalog.load()
    p = Patch()
    for type, name in (
        ("source/saw", "saw"), ("mod/lfo", "lfo"), ("maths/add", "offset"), ("maths/add", "mixed"), ("filter/lowpass", "lp"),
    ):  # fmt: skip
        p.add(type, name)
    p.connect("lfo.out", "offset.a")
    p.connect("saw.out", "mixed.a")
    p.connect("lfo.out", "mixed.a")
    p.connect("offset.out", "lp.cutoff", 0.2)
    p.connect("saw.out", "lp.cutoff", 0.1)
    p.connect("mixed.out", "lp.audio")
    layout = model.Layout()
    layout.update(p)
    kinds = flow.kinds(layout.boxes.values(), layout.wires.values())
    assert kinds["offset", "out:out"] == "modulation"
    assert kinds["mixed", "out:out"] == "sound"
    wires = {k: flow.wire_kind(kinds, w, k[3] == "cutoff") for k, w in layout.wires.items()}
    assert wires["saw", "out", "lp", "cutoff"] == "modulation"
    assert wires["saw", "out", "mixed", "a"] == "sound"
    assert wires["lfo", "out", "mixed", "a"] == "modulation"


# ------------------------------------------------------------------------------------------------ hands


class Hands:
    """Mouse and keys of one display."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env

    def do(self, *words: str) -> None:
        subprocess.run(["xdotool", *words], env=self.env, check=True, timeout=30)

    def go(self, x: float, y: float) -> None:
        self.do("mousemove", str(round(x)), str(round(y)), "sleep", "0.15")

    def click(self, x: float, y: float, times: int = 1, button: int = 1) -> None:
        self.go(x, y)
        for _ in range(times):
            self.do("mousedown", str(button), "sleep", "0.06", "mouseup", str(button), "sleep", "0.06")
        time.sleep(0.3)

    def drag(self, a: tuple[float, float], b: tuple[float, float]) -> None:
        self.go(*a)
        self.do("mousedown", "1", "sleep", "0.15")
        for k in range(1, 9):
            self.do(
                "mousemove", str(round(a[0] + (b[0] - a[0]) * k / 8)), str(round(a[1] + (b[1] - a[1]) * k / 8)), "sleep", "0.03"
            )
        self.do("sleep", "0.15", "mouseup", "1", "sleep", "0.3")

    def key(self, name: str) -> None:
        *held, last = name.split("+")
        for h in held:
            self.do("keydown", h, "sleep", "0.06")
        self.do("key", last, "sleep", "0.06")
        for h in reversed(held):
            self.do("keyup", h, "sleep", "0.06")
        time.sleep(0.25)

    def tap(self, name: str) -> None:
        """A chord that is over before the next picture."""
        self.do("key", "--delay", "2", name)
        time.sleep(0.4)

    def type(self, text: str) -> None:
        self.do("type", "--delay", "50", text)
        time.sleep(0.4)


def until(what: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


@pytest.mark.slow
@needs_display
def test_a_node_is_added_by_palette_saved_and_found_again(surroundings: dict[str, str], tmp_path: Path) -> None:
    from nodes import catalog

    catalog.load()
    path = tmp_path / "mine.zrack"
    p = Patch()
    p.add("io/output", "out", at=(600.0, 100.0))
    p.save(path)
    window = subprocess.Popen(
        [sys.executable, "-m", "runtime.cli", "open", str(path), "--device", "null"], env=surroundings, cwd=ROOT, text=True,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    hands = Hands(surroundings)
    try:
        until(lambda: any(Path(surroundings["XDG_RUNTIME_DIR"]).glob("*.page")), 120)
        time.sleep(3.0)
        hands.click(400, 450, 2)
        hands.type("saw")
        hands.key("Return")
        time.sleep(1.0)
        hands.key("ctrl+s")
        until(lambda: "saw" in Patch.load(path).nodes)
        hands.tap("F1")  # Escape closes the help, and what is selected stays so
        hands.tap("Escape")
        hands.tap("ctrl+z")
        hands.key("ctrl+s")
        until(lambda: "saw" not in Patch.load(path).nodes)
        hands.key("ctrl+shift+z")
        hands.key("ctrl+s")
        until(lambda: "saw" in Patch.load(path).nodes)
        hands.key("ctrl+q")
        assert window.wait(20) == 0
    finally:
        window.kill()
        assert window.stderr is not None
        with window.stderr:
            said = window.stderr.read()
    assert "Traceback" not in said, said
