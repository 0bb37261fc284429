"""The playground under real hands: `python -m tests.benchmarks.playground [--to FOLDER] [--json]`.

A sound is encoded through the model's menu, a curve of its path is drawn, turned round, sent to a named path, the cursor of the
plane is dragged to each of the four, and both planes are switched off one by one.  Mouse and keys only, on a display of its
own; every step is seen in the patch of the session, most are heard in a recording, and each leaves a picture.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from graph import Patch
from tests.screen import ROOT, brightness, loudness, until
from tests.window_stage import Stage, read, stage
from ui.latent_plane import place
from ui.menus import MENUS

from .shown import show

PATCH = ROOT / "patches" / "playground.zrack"
SOUND = ROOT / "patches" / "models" / "held-out" / "wavae_voice.flac"
HEARD = 4.2
"""Seconds of a recording: once round the tapes."""
ENTRY, LINE, ROOM, FIRST = 19, 5, 23, 15
"""Pixels of a menu: an entry, a line between two, what it reserves for either, and from its top to its first entry."""
ALWAYS = "cut copy duplicate duplicate-incoming delete delete-bridge"
MENU = {
    "encode": f"rename help | {ALWAYS} | bypass mute solo reload encode | group",
    "now": f"curves rename help | {ALWAYS} | bypass mute solo | group",
}
"""What is offered for a node, in the order of `ui.menus`; checked against it."""
WINDOW = (860, 460)
"""Pixels of the window with the curves, which opens in the middle below."""
BUTTONS = {"reverse": (202, 69), "on all": (668, 69), "send": (378, 96), "from": (14, 150), "to": (846, 370)}
"""In this window; "from" and "to" are on the curves."""
CORNERS = {"bowed": (0.15, 0.15), "guitar": (0.85, 0.15), "piano": (0.15, 0.85), "tabla": (0.85, 0.85)}
"""Near the points, not on them: they would be dragged."""


class Hand:
    """Somebody at the playground."""

    def __init__(self, on: Stage, shots: Path) -> None:
        self.on, self.shots, self.count = on, shots, 0
        self.heard: dict[str, dict[str, float]] = {}
        self.sounds: list[np.ndarray] = []

    def shoot(self, name: str) -> None:
        self.count += 1
        time.sleep(0.5)
        self.on.screen.shoot(self.shots / f"{self.count:02}-{name}.png")

    def value(self, node: str, name: str) -> Any:
        """Of the patch in the session."""
        with self.on.client.lock:
            return self.on.client.patch.value(node, name)

    def menu(self, node: str, wanted: str) -> None:
        """Right-click, and the entry."""
        words = MENU[node].split()
        order = [id for id in MENUS["node"] if id]
        assert [order.index(w) for w in words if w != "|"] == sorted(order.index(w) for w in words if w != "|")
        x, y = self.on.eyes.title(node)
        before = self.on.screen.pixels()
        self.on.hands.click((x, y), 1, 3)
        until(lambda: self.on.screen.changed(before, 0.05), 5, "a menu opens")
        self.shoot(f"menu-{node}")
        top = max(min(y, self.on.screen.size[1] - len(words) * ROOM - 16), 0)
        down = sum(LINE if w == "|" else ENTRY for w in words[: words.index(wanted)])
        self.on.hands.click((x + 60, top + FIRST + down))

    def switch(self, node: str, wanted: str) -> None:
        """Turns a plane on or off by a click on its switch."""
        box = self.on.eyes.layout.boxes[node]
        s = next(s for s in box.switches if s.choice == "interpolate")
        self.on.hands.click(self.on.eyes.spot(s.x + s.w / 2, s.y + s.h / 2))
        until(lambda: self.value(node, "interpolate") == wanted, 5, f"{node} is {wanted}")

    def cursor(self, to: tuple[float, float]) -> None:
        """Drags the cursor of the plane from where it is to a place."""
        picture = self.on.eyes.layout.boxes["plane"].picture
        assert picture is not None
        x, y = self.value("plane", "x"), self.value("plane", "y")
        start, end = (self.on.eyes.spot(*place(picture, *at)) for at in ((x, y), to))
        self.on.hands.drag(start, end, 1.0)
        until(lambda: self.away(to) < 0.03, 10, f"the cursor is at {to}")

    def away(self, to: tuple[float, float]) -> float:
        """How far the cursor is from a place."""
        self.on.client.call("op", {"end": 1})
        return float(np.hypot(self.value("plane", "x") - to[0], self.value("plane", "y") - to[1]))

    def changed(self, node: str, old: np.ndarray) -> list[np.ndarray]:
        """The path of a tape, once it is another."""
        new = np.array(self.value(node, "path"))
        return [new] if new.tolist() != old.tolist() else []

    def hear(self, name: str) -> None:
        """Records once round the tapes."""
        on = self.on
        on.client.call("op", {"end": 1})
        file = on.client.call("record", f"{name}.wav")
        time.sleep(HEARD)
        on.client.call("record", None)
        sound = until(lambda: whole(on.logs / file), 10, "the recording is closed")[0]
        self.heard[name] = {"loud": round(loudness(sound), 4), "bright": round(brightness(sound))}
        self.sounds.append(sound)


def whole(path: Path) -> list[np.ndarray]:
    """A recording that is closed, or nothing."""
    try:
        return [found] if len(found := read(path)) > 48000 else []
    except (OSError, soundfile.SoundFileError):
        return []


def play(folder: Path, device: str = "JACK:system") -> dict[str, Any]:
    """All of it; figures.  AssertionError where a step does not do what it should."""
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    voice = folder / "voice.wav"
    sound, rate = soundfile.read(SOUND)
    soundfile.write(voice, sound[: 4 * rate], rate)
    with stage(folder / "desk", 1, device, Patch.load(PATCH)) as on:
        hand, hands, eyes = Hand(on, folder / "pictures"), on.hands, on.eyes
        hands.go((640, 60))
        hands.key("f")
        eyes.look(on.client.patch.copy())
        until(lambda: on.client.call("state")["late_work"] == 0, 20)
        time.sleep(2.0)
        hand.shoot("open")
        hand.hear("interpolated")

        # a sound onto the tapes
        old = np.array(hand.value("now", "path"))
        hand.menu("encode", "encode")
        time.sleep(1.0)
        hands.key("ctrl+a")
        hands.type(str(voice))
        hand.shoot("encode-which")
        hands.key("Return")
        until(lambda: np.array(hand.value("now", "path")).tolist() != old.tolist(), 60, "the sound is on the tape")
        path, loud = (np.array(hand.value(n, "path")) for n in ("now", "now-loud"))
        assert len(path) == len(loud) == -(-4 * rate // 512), (path.shape, loud.shape)
        hand.shoot("encoded")

        # the planes let it through, one by one
        for name in ("plane", "plane-loud"):
            hand.switch(name, "off")
            hand.hear(f"{name}-off")
        hand.shoot("through")

        # its curves: one is drawn, turned round, and the whole path sent to a path with a name
        hand.menu("now", "curves")
        time.sleep(1.5)
        hand.shoot("curves")
        left, top = (on.screen.size[0] - WINDOW[0]) / 2, on.screen.size[1] - WINDOW[1] - 60
        at = {name: (left + x, top + y) for name, (x, y) in BUTTONS.items()}
        (x0, y0), (x1, y1) = at["from"], at["to"]
        hands.drag((x0, y1), (x1, y0), 2.0)
        drawn = until(lambda: hand.changed("now", path), 10, "a curve is drawn")[0]
        assert (drawn[:, 1:] == path[:, 1:]).all()
        rising = float(np.corrcoef(np.arange(len(drawn)), drawn[:, 0])[0, 1])
        assert rising > 0.95, rising
        hand.shoot("drawn")
        hand.hear("drawn")
        hands.click(at["reverse"])
        turned = until(lambda: hand.changed("now", drawn), 10, "it is turned round")[0]
        assert (turned[:, 0] == drawn[::-1, 0]).all()
        assert (turned[:, 1:] == path[:, 1:]).all()
        hand.shoot("reversed")
        hand.hear("reversed")
        hands.click(at["on all"])
        hands.click(at["send"])
        until(lambda: np.array_equal(np.float32(hand.value("bowed", "path")), np.float32(turned)), 10, "it is sent")
        hand.shoot("sent")
        hands.key("Escape")
        time.sleep(0.5)

        # the plane: from path to path
        for name in ("plane", "plane-loud"):
            hand.switch(name, "on")
        for name, corner in CORNERS.items():
            hand.cursor(corner)
            hand.hear(name)
            hand.shoot(f"at-{name}")
        hand.cursor((0.5, 0.5))
        hand.hear("all four")
        hand.shoot("all-four")
        steps = len(on.client.history.steps[0])
        shown, state = on.shows(), on.client.call("state")
        assert shown == on.now()
        hands.key(*["ctrl+z"] * steps)
        until(lambda: np.array(hand.value("now", "path")).tolist() == old.tolist(), 10, "all is undone")
        return {
            "seconds": round(time.monotonic() - begun, 1), "pictures": hand.count, "steps": steps, "frames": len(path),
            "late_work": state["late_work"], "heard": hand.heard,
        }  # fmt: skip


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, help="folder for pictures and sounds")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zrack-playground-") as place_:
        figures = play(args.to.resolve() if args.to else Path(place_))
    show(figures, args.json)


if __name__ == "__main__":
    main()
