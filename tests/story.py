"""A stranger's first patch: from an empty canvas to a saved file that is opened again, with a picture of each step."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graph import Patch
from nodes import catalog

from .jack import server
from .screen import (
    ROOT,
    Ear,
    Eyes,
    Hands,
    Screen,
    Window,
    alive,
    brightness,
    content,
    desk,
    loudness,
    sessions,
    settings,
    until,
)


@dataclass
class Step:
    """A part of the story: a node that is added, so far from `out`; a cable; or a knob that is turned by so many pixels."""

    what: str
    node: str
    to: str = ""
    at: tuple[float, float] = (0.0, 0.0)
    by: float = 0.0


SHORT = (
    Step("double", "source/saw", at=(-240.0, 0.0)),
    Step("cable", "saw.out", "out.audio"),
    Step("knob", "saw.freq", by=-30.0),
)
LONG = (
    Step("double", "effect/delay", at=(-200.0, 0.0)),
    Step("tab", "filter/lowpass", at=(-400.0, 0.0)),
    Step("tab", "source/saw", at=(-600.0, 48.0)),
    Step("cable", "saw.out", "lowpass.audio"),
    Step("cable", "lowpass.out", "delay.audio"),
    Step("cable", "delay.out", "out.audio"),
    Step("knob", "lowpass.cutoff", by=-40.0),
)
NEW = ROOT / "patches" / "templates" / "empty.zrack"
"""What a new patch has: an output, `out`."""


class Story:
    """Somebody makes a patch; `meant` is what it should be by now."""

    def __init__(self, folder: Path, screen: Screen, ear: Ear, shots: Path | None) -> None:
        self.folder, self.screen, self.ear, self.shots = folder, screen, ear, shots
        self.hands, self.eyes, self.meant = Hands(), Eyes(screen.size), Patch.load(NEW)
        self.eyes.look(self.meant)
        self.count = 0

    def shoot(self, name: str) -> None:
        """A picture, where they are wanted."""
        self.count += 1
        if self.shots is not None:
            time.sleep(0.3)
            self.screen.shoot(self.shots / f"{self.count:02}-{name.replace('/', '-')}.png")

    def appears(self, before: np.ndarray, seconds: float = 5.0) -> bool:
        """Waits for a window over the canvas."""
        with suppress(AssertionError):
            return bool(until(lambda: self.screen.changed(before, 0.1), seconds))
        return False

    def do(self, step: Step) -> None:
        """One step, until it is seen or heard."""
        if step.what in ("double", "tab"):
            self.add(step)
        elif step.what == "cable":
            (source, outlet), (node, inlet) = step.node.split("."), step.to.split(".")
            self.hands.drag(self.eyes.port(source, outlet, "out"), self.eyes.port(node, inlet, "in"))
            self.meant.connect(step.node, step.to)
        else:
            x, y = self.eyes.knob(*step.node.split("."))
            self.hands.drag((x, y), (x, y - step.by), 0.5)

    def add(self, step: Step) -> None:
        """A node by the palette: opened by a double click or Tab, a name, Enter; then all of it is shown."""
        x, y = (a + b for a, b in zip(self.meant.nodes["out"].at, step.at, strict=True))
        spot = self.eyes.spot(x, y)
        self.hands.go((spot[0], spot[1] - 60))
        before = self.screen.pixels()
        for _ in range(6):  # nothing can be added before the session is there
            if step.what == "double":
                self.hands.click(spot, 2)
            else:
                self.hands.go(spot)
                self.hands.key("Tab")
            if self.appears(before):
                break
        else:
            raise AssertionError("no palette")
        self.hands.type(step.node.rpartition("/")[2])
        self.shoot(f"palette-{step.node.rpartition('/')[2]}")
        self.hands.key("Return")
        until(lambda: not self.screen.changed(before, 0.1), 5, "the palette closes")
        self.meant.add(step.node, self.meant.free(step.node), at=(x, y))
        self.hands.key("f")
        self.eyes.look(self.meant)

    def save_as(self, path: Path) -> None:
        """Through the window that asks for a name."""
        before = self.screen.pixels()
        self.hands.key("ctrl+shift+s")
        assert self.appears(before), "no window asks for a name"
        self.hands.do("sleep", "0.3")  # until the field, whose text is marked, has the keys
        self.hands.type(str(path))
        self.shoot(f"save-as-{path.stem}")
        self.hands.key("Return")
        until(path.exists, 10, f"{path.name} is written")
        until(lambda: not self.screen.changed(before, 0.1), 5, "the window closes")


def settled(ear: Ear) -> float:
    """The brightness of a sound, Hz, when its echoes have died away: three hearings of half a second agree."""
    heard = [brightness(ear.hear(0.5)) for _ in range(2)]

    def still() -> bool:
        heard.append(brightness(ear.hear(0.5)))
        return float(np.ptp(heard[-3:])) < 0.02 * heard[-1]

    until(still, 20, f"the sound settles ({heard})")
    return heard[-1]


def whole(folder: Path, shots: Path | None = None, short: bool = False) -> dict[str, Any]:
    """Makes a patch from nothing.  AssertionError where a step does not do what it should; else what was heard and took."""
    catalog.load()
    start = time.monotonic()
    with ExitStack() as stack:
        screen = stack.enter_context(Screen())
        stack.enter_context(desk(folder))
        ear = Ear(stack.enter_context(server(period=256)))
        stack.callback(ear.close)
        story = Story(folder, screen, ear, shots)
        try:
            return {**_whole(story, short), "pictures": story.count, "seconds": round(time.monotonic() - start, 1)}
        except BaseException:
            screen.shoot((shots or folder) / "failed.png")
            raise


def _whole(story: Story, short: bool) -> dict[str, Any]:
    hands, ear, folder = story.hands, story.ear, story.folder
    heard: dict[str, float] = {}
    if short:
        settings(folder, toured=True)
    window = Window(folder, "open", "--device", "JACK:system")
    window.opens()
    first = until(lambda: sessions(), 120, "a session starts")
    if not short:  # who comes for the first time sees and hears the tour
        until(lambda: loudness(ear.hear(0.2)) > 0.001, 20, "the tour sounds")
        story.shoot("tour")
        for _ in range(5):
            hands.key("ctrl+n")
            with suppress(AssertionError):
                until(lambda: not alive(*first.values()), 5)
                break
        until(lambda: sessions(), 30, "a new patch plays")
    story.shoot("new")
    steps = SHORT if short else LONG
    for step in steps[:-1]:
        story.do(step)
        story.shoot(f"{step.what}-{step.node}")
    until(lambda: loudness(ear.hear(0.2)) > 0.05, 10, "the cables carry sound")
    before = ear.hear(0.3)
    story.do(steps[-1])
    story.shoot("knob")
    heard |= {"bright": brightness(before), "turned": settled(ear), "loud": loudness(before)}
    assert heard["turned"] < 0.8 * heard["bright"], heard
    hands.key(*["ctrl+z"] * len(steps))
    until(lambda: float(np.abs(ear.hear(0.3)).max()) == 0.0, 10, "undo leads to silence")
    assert "•" not in window.title, "after undoing all, nothing is to be saved"
    story.shoot("undone")
    hands.key(*["ctrl+shift+z"] * len(steps))
    until(lambda: loudness(ear.hear(0.3)) > 0.05, 10, "redo brings the sound back")
    heard["redone"] = settled(ear)
    assert abs(heard["redone"] / heard["turned"] - 1) < 0.05, heard
    assert "•" in window.title
    story.shoot("redone")
    path = folder / "mine.zrack"
    story.save_as(path)
    until(lambda: window.title == "mine.zrack — zrack", 5, "the title names the file")
    story.shoot("saved")
    saved, meant = content(path), content(story.meant)
    assert [*saved["nodes"]] == [*meant["nodes"]]
    assert saved["cables"] == meant["cables"]
    assert {n: v["at"] for n, v in saved["nodes"].items()} == {n: v["at"] for n, v in meant["nodes"].items()}
    hands.key("ctrl+q")
    said = [window.ends(), window.said]
    until(lambda: not sessions(), 20, "the session ends")
    window = Window(folder, str(path), "--device", "JACK:system")
    window.opens()
    until(lambda: sessions(), 60, "a session starts")
    until(lambda: loudness(ear.hear(0.3)) > 0.05, 20, "the patch sounds again")
    heard["again"] = settled(ear)
    assert abs(heard["again"] / heard["turned"] - 1) < 0.05, heard
    story.shoot("again")
    copy = folder / "copy.zrack"
    story.save_as(copy)
    assert content(copy) == saved, "what was opened is not what was saved"
    hands.key("ctrl+q")
    said += [window.ends(), window.said]
    assert said == [0, "", 0, ""], said
    return {"steps": len(steps), "heard": {k: round(v, 3) for k, v in heard.items()}, "identical": content(copy) == saved}
