"""The editor under real hands: `python -m tests.benchmarks.hands whole|editing|killing [--share S] [--to FOLDER] [--json]`.

- *whole*: a stranger's first patch, from an empty canvas to a saved file that is opened again, with a picture of each step.
- *editing*: two minutes of knobs, cables, nodes and undo on a playing patch; the recording is held against the render of
  the event log, and the patch against that of a session without a window that was given the same edits.
- *killing*: the editor is killed at 50 random moments of such a script, then ten times with its session.

Each has a display and a JACK server of its own; xruns are counted beside a bare stream (`runtime.bare`).
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from graph import Patch, codec
from graph.check import diff
from graph.file import loads
from tests.player import Player
from tests.screen import ROOT, alive, content, parent, until
from tests.story import whole
from tests.window_stage import Stage, Xruns, read, silences, stage

from .shown import show

SECONDS, KILLS, BOTH = 120.0, 50, 10


# ------------------------------------------------------------------------------------------------ editing while it plays


def editing(folder: Path, share: float = 1.0, device: str = "JACK:system") -> dict[str, Any]:
    """Two minutes of editing; figures."""
    with stage(folder, 3, device) as on:
        original = content(on.path)
        begun = folder / "begun.zrack"
        shutil.copy(on.path, begun)
        xruns = Xruns(on) if device != "null" else None
        name = on.client.call("record", "heard.wav")
        on.eyes.look(on.client.patch.copy())
        start = time.monotonic()
        while time.monotonic() < start + SECONDS * share:
            on.player.step()
        took = time.monotonic() - start
        on.hands.rest()
        last = on.now()
        shown = on.shows()
        on.client.call("record", None)
        state, steps = on.client.call("state"), len(on.client.history.steps[0])
        counted = xruns.figures() if xruns is not None else {}
        session = on.pid
        on.hands.key("ctrl+q")
        code = on.window.ends()
        said = on.window.said
        until(lambda: not alive(session), 20, "the session ends, and its log with it")
    logs = sorted(on.logs.glob("*.zlog"))
    return {
        "seconds": round(took, 1), "gestures": dict(on.player.count), "missed": on.player.missed, "steps": steps,
        "changed": last != original, "editor_has_the_same": shown == last, "xruns": counted, "plans": state["plans"],
        "late_work": state["late_work"], "us": {k: round(v) for k, v in state["us"].items()}, "load": round(state["load"], 4),
        "silence": round(silences(read(on.logs / name)), 3), "engines": len(logs), "exit": code, "said": said,
        **again(logs[0], on.logs / name, begun, last),
    }  # fmt: skip


def again(log: Path, recording: Path, begun: Path, last: dict[str, Any]) -> dict[str, Any]:
    """The recording against a render of the log, and the patch against that of a session given the same edits."""
    from runtime import eventlog
    from runtime.session import Session

    made = recording.with_name("rendered.wav")
    subprocess.run(
        [sys.executable, "-m", "runtime.cli", "render", "--events", str(log), "-o", str(made)], cwd=ROOT, check=True,
        capture_output=True,
    )  # fmt: skip
    records = eventlog.read(log)[1]
    begins = next(r[2] for r in records if r[0] == "recording")
    heard, rendered = read(recording), read(made)[begins:]
    frames = min(len(heard), len(rendered))
    other = np.flatnonzero(np.any(heard[:frames] != rendered[:frames], axis=1))
    ops = [r[1] for r in records if r[0] == "op"]
    with Session(Patch.load(begun)) as headless:
        for op in ops:
            if "saved" not in op:  # that is for who wrote a file
                headless.op(op)
        with headless.lock:
            same = content(headless.patch) == last
    return {
        "frames": len(heard), "compared": frames, "differ": len(other), "first_other": int(other[0]) if len(other) else -1,
        "operations": dict(Counter(next(k for k in op if k != "gesture") for op in ops)), "headless_has_the_same": same,
        "lost": sum(r[1] for r in records if r[0] == "lost"), "errors": [r[1] for r in records if r[0] == "error"],
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------ killing it


class Script(threading.Thread):
    """Edits until it is told to stop."""

    def __init__(self, player: Player) -> None:
        super().__init__(daemon=True)
        self.player, self.over, self.wrong = player, threading.Event(), ""
        self.start()

    def run(self) -> None:
        try:
            while not self.over.is_set():
                self.player.step()
        except (OSError, AssertionError, subprocess.SubprocessError) as error:  # its session has died
            self.wrong = str(error) or type(error).__name__

    def stop(self) -> None:
        """Ends after the gesture of the moment."""
        self.over.set()
        self.join(30)


def killing(
    folder: Path, kills: int = KILLS, both: int = BOTH, device: str = "JACK:system", longest: float = 5.0
) -> dict[str, Any]:
    """Kills the editor `kills` times, then `both` times all that plays the patch too; figures."""
    dice = random.Random(5)
    with stage(folder, 4, device) as on:
        xruns = Xruns(on) if device != "null" else None
        name = on.client.call("record", "heard.wav")
        session, wrong, opened, begun = on.pid, [], [], time.monotonic()
        for number in range(kills):
            script = Script(on.player)
            time.sleep(dice.uniform(0.2, longest))
            on.window.kill()
            script.stop()
            on.hands.rest()
            at = on.client.call("now")
            last = on.now()
            if script.wrong or on.pid != session or not until(lambda at=at: on.client.call("now") > at, 5):  # type: ignore[misc]
                wrong.append(f"{number}: {script.wrong or 'the session is another'}")
            start = time.monotonic()
            on.window = on.open()
            opened.append(time.monotonic() - start)
            if on.shows() != last:
                wrong.append(f"{number}: the editor has another patch")
        took = time.monotonic() - begun
        edits = len(on.client.history.steps[0]) + len(on.client.history.steps[1])
        on.client.call("record", None)
        counted = xruns.figures() if xruns is not None else {}
        sound = read(on.logs / name)
        found = {
            "kills": kills, "wrong": wrong, "seconds": round(took, 1), "gestures": sum(on.player.count.values()),
            "missed": on.player.missed, "steps": edits, "same_session": on.pid == session, "xruns": counted,
            "recorded": round(len(sound) / 48000, 1), "silence": round(silences(sound), 3),
            "seconds_to_open": round(statistics.median(opened), 2) if opened else 0.0,
        }  # fmt: skip
        return found | {"both": [_both(on, dice, number) for number in range(both)]}


def _both(on: Stage, dice: random.Random, number: int) -> str:
    """Kills editor, keeper and session at a random moment, every third time only the first two; "" where nothing is lost."""
    script = Script(on.player)
    time.sleep(dice.uniform(0.5, 4.0))
    session = on.pid
    keeper, editor = parent(session), on.window.process.pid
    order = (keeper, editor) if number % 3 == 2 else (editor, keeper, session)
    for pid in order:  # a session without its keeper ends by itself
        os.kill(pid, signal.SIGKILL)
    on.window.process.wait(10)
    script.stop()
    on.hands.rest()
    until(lambda: on.client.lost.is_set() and not alive(session), 20, "the session is gone")
    with on.client.lock:
        last = content(on.client.patch.copy())
    held = on.path.read_bytes()
    on.reopen()
    if on.path.read_bytes() != held:
        return "the file was written over"
    found = on.now()
    if found != last:
        return f"the session has another patch: {_differ(last, found)}"
    if on.shows() != last:
        return "the editor has another patch"
    session = on.pid
    on.hands.key("ctrl+q")  # an end that was meant: or the third crash in a minute would bypass the nodes of the last edit
    on.window.ends()
    until(lambda: not alive(session), 20, "the session ends")
    on.reopen()
    return ""


def _differ(a: dict[str, Any], b: dict[str, Any]) -> str:
    """What is other in two contents, in short."""
    one, two = (loads(codec.pack(content)) for content in (a, b))
    return "; ".join(diff(one, two))[:300]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("whole", "editing", "killing"))
    parser.add_argument("--share", type=float, default=1.0, help="how much of the whole to do, for a quick look")
    parser.add_argument("--to", type=Path, help="folder for pictures, and for what is left to look at")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zrack-hands-") as place:
        folder = args.to.resolve() if args.to else Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        if args.part == "whole":
            figures = whole(folder, folder / "pictures")
        elif args.part == "editing":
            figures = editing(folder, args.share)
        else:
            figures = killing(folder, max(round(KILLS * args.share), 1), max(round(BOTH * args.share), 1))
    show(figures, args.json)


if __name__ == "__main__":
    main()
