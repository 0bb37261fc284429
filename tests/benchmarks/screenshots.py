"""Makes the pictures of the editor for the README: docs/editor-*.png, from a real session that plays in silence.

    python -m tests.benchmarks.screenshots [--to docs] [--only demo,zoom] [--all]

Needs a display; `xvfb-run -s "-screen 0 2560x1440x24" python -m tests.benchmarks.screenshots` will do.  With `--all` each
picture comes in both themes, at 1280×720, and at 2560×1440 with scale 1 and 2: to be looked at, not for the README.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import dearpygui.dearpygui as dpg

from nodes import catalog
from ui import display
from ui.app import App
from ui.gestures import RIGHT
from ui.settings import Settings

PATCHES = Path(__file__).parents[2] / "patches"
FRAMES = 8  # that it takes until a window that has just opened is seen
CLOSED = dict.fromkeys(("browser", "inspector", "snapshots", "log", "perform"), False)


class Stage:
    """One window that plays one patch."""

    def __init__(self, patch: Path, size: tuple[int, int], scale: float, theme: str, panels: dict[str, bool]) -> None:
        settings = Settings(theme=theme, scale=scale, panels={**CLOSED, **panels}, size=size, toured=True)
        self.app = App(patch, settings=settings, size=size, vsync=False, job={"device": "null", "midi": None, "http_port": -1})
        self.app.open_window()
        self.app._begin()
        end = time.monotonic() + 120
        while self.app.waiting and time.monotonic() < end:
            self.app.frame()
        self.play(2.0)
        self.app.said.clear()

    def play(self, seconds: float) -> None:
        """Goes on for a while, and for some frames however slow they are."""
        end, frames = time.monotonic() + seconds, self.app.frames + FRAMES
        while time.monotonic() < end or self.app.frames < frames:
            self.app.frame()

    def close_up(self, node: str, zoom: float = 1.0) -> None:
        """Looks at a node."""
        box = self.app.layout.boxes[node]
        self.app.view.zoom_at(zoom * self.app.scale / self.app.view.zoom, 0, 0)
        self.app.view.centre(box.x + box.w / 2, box.y + box.h / 2)

    def rest_on(self, node: str, port: str) -> None:
        """The pointer rests on an outlet."""
        box = self.app.layout.boxes[node]
        found = box.port("out", port)
        assert found is not None
        at = self.app.view.screen(found.x, found.y)
        self.app.input.frame = lambda: None  # type: ignore[method-assign]
        self.app.input.mouse = lambda: at  # type: ignore[method-assign]
        self.app.input.over_canvas = True
        self.app.gestures.overlay.hover = found
        self.play(1.0)

    def spot(self, node: str) -> tuple[float, float]:
        """In the title of a node."""
        box = self.app.layout.boxes[node]
        return box.x + box.w / 2, box.y + 8

    def begin(self) -> None:
        """Looks as one does who has just opened the patch."""
        self.app.view.begin(self.app.layout.boxes.values(), self.app.layout.output())

    def shoot(self, path: Path) -> None:
        """Writes what is seen."""
        self.play(0.3)
        dpg.output_frame_buffer(str(path))
        self.play(0.3)
        sys.stdout.write(f"{path}\n")

    def close(self) -> None:
        """The window goes, and the session with it."""
        self.app._end()


def demo(stage: Stage) -> None:
    """All of it, and what is in one node."""
    stage.app.editor.selection = {"pad-filter"}
    stage.begin()


def zoom(stage: Stage) -> None:
    """Near enough to read, and the sound at an outlet."""
    stage.app.editor.selection = {"echo"}
    stage.close_up("echo")
    stage.play(0.3)
    stage.rest_on("bell-loudness", "out")


def many(stage: Stage) -> None:
    """Three hundred nodes from far away."""
    stage.app.fit()


def loops(stage: Stage) -> None:
    """Cables that close a loop."""
    stage.begin()


def tour(stage: Stage) -> None:
    """What the first run opens."""
    stage.begin()


def latent(stage: Stage) -> None:
    """The vector on a latent cable."""
    stage.begin()
    stage.rest_on("pack", "z")


def help(stage: Stage) -> None:
    """What F1 opens."""
    stage.begin()
    stage.app.editor.selection = {"pad-filter"}
    stage.app.act("help")


def menu(stage: Stage) -> None:
    """A right-click menu."""
    stage.begin()
    stage.app.gestures.press(RIGHT, *stage.app.view.screen(*stage.spot("pad-filter")))
    stage.app.gestures.release(RIGHT, 0, 0)


def inside(stage: Stage) -> None:
    """In a sub-patch."""
    name = next(n for n, b in sorted(stage.app.layout.boxes.items()) if b.look == "patch")
    stage.app.editor.enter(name)
    stage.play(0.3)
    stage.app.fit()


def snapshots(stage: Stage) -> None:
    """The snapshots panel."""
    if not stage.app.editor.patch.snapshots:
        for name in ("calm", "bright", "wild"):
            stage.app.editor.call("capture", name)
            stage.play(0.3)
    stage.begin()


def perform(stage: Stage) -> None:
    """What an artist put on the performance page."""
    from graph.edits import SetPatch

    wanted = {"tone": ("pad-filter", "cutoff"), "echo": ("echo", "mix"), "repeat": ("echo", "feedback"),
              "room": ("room", "size"), "bass": ("bass-loudness", "gain")}  # fmt: skip
    nodes = stage.app.editor.patch.nodes
    shown = {name: {"node": n, "param": p} for name, (n, p) in wanted.items() if n in nodes}
    stage.app.editor.do(SetPatch("exposed", {**stage.app.editor.patch.exposed, **shown}))


def field(folder: Path) -> Path:
    """A patch of three hundred nodes."""
    from .editor import patch

    path = folder / "many.zrack"
    patch(300).save(path)
    return path


def mixture(folder: Path) -> Path:
    """The help patch of a node with latents."""
    from ui import help_patch

    path = folder / "latent.zrack"
    help_patch.build("latent/mix").save(path)
    return path


SHOTS: dict[str, tuple[str | Callable[[Path], Path], Callable[[Stage], None], dict[str, bool]]] = {
    "demo": ("demo.zrack", demo, {"inspector": True}),
    "zoom": ("demo.zrack", zoom, {}),
    "loops": ("feedback.zrack", loops, {}),
    "many": (field, many, {}),
    "tour": ("tour.zrack", tour, {"inspector": True}),
    "latent": (mixture, latent, {}),
    "help": ("demo.zrack", help, {}),
    "menu": ("demo.zrack", menu, {}),
    "subpatch": ("subpatch-twice.zrack", inside, {"browser": True}),
    "snapshots": ("demo.zrack", snapshots, {"snapshots": True}),
    "perform": ("demo.zrack", perform, {"perform": True}),
}
README = {"demo": "dark", "zoom": "dark", "subpatch": "light", "perform": "dark"}


def shot(name: str, to: Path, size: tuple[int, int], scale: float, theme: str, suffix: str = "") -> None:
    """One picture, of a copy of the patch."""
    source, arrange, panels = SHOTS[name]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "patches"
        shutil.copytree(PATCHES, place, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        stage = Stage(place / source if isinstance(source, str) else source(place), size, scale, theme, panels)
        try:
            arrange(stage)
            stage.shoot(to / f"editor-{name}{suffix}.png")
        finally:
            stage.close()


def main(args: list[str] | None = None) -> int:
    """Makes the pictures, each in a process of its own: a second window after the first crashes DearPyGui now and then."""
    ap = argparse.ArgumentParser()
    ap.add_argument("--to", type=Path, default=Path(__file__).parents[2] / "docs")
    ap.add_argument("--only", default="")
    ap.add_argument("--all", action="store_true")
    ap.add_argument("--one", nargs=4, metavar=("WIDTH", "HEIGHT", "SCALE", "THEME"), help="one picture, in this process")
    ap.add_argument("--suffix", default="")
    given = ap.parse_args(args)
    if why := display.why_not():
        print(f"{why}; run this under xvfb-run", file=sys.stderr)
        return 1
    if given.one:
        width, height, scale, theme = given.one
        catalog.load()
        with tempfile.TemporaryDirectory() as run:
            os.chmod(run, 0o700)
            os.environ |= {"XDG_RUNTIME_DIR": run, "ZRACK_STATE": run, "ZRACK_CONFIG": run}
            shot(given.only, given.to, (int(width), int(height)), float(scale), theme, given.suffix)
        return 0
    given.to.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name in [n for n in given.only.split(",") if n] or (list(SHOTS) if given.all else list(README)):
        looks = [("1280", "720", "1", README.get(name, "dark"), "")]
        if given.all:
            looks = [
                (*size, theme, f"-{size[0]}-{size[2]}-{theme}")
                for size in (("1280", "720", "1"), ("2560", "1440", "1"), ("2560", "1440", "2")) for theme in ("dark", "light")
            ]  # fmt: skip
        for look in looks:
            call = [sys.executable, "-m", __spec__.name, "--to", str(given.to), "--only", name, f"--suffix={look[4]}"]
            failed += subprocess.run([*call, "--one", *look[:4]], check=False).returncode != 0
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
