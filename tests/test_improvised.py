"""Improvised control: whatever was done to a session while it was recorded, its event log gives the same samples again."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from graph import PatchError, edits
from graph.edits import SetCable
from nodes import Patch
from nodes.midi import Notes
from runtime import eventlog
from runtime.session import LIVE, Session

from .test_engine import patch_of
from .test_session import do, until
from .test_swap import TYPES

SEED = int(os.environ.get("ZRACK_SEED", "0"))
COUNT = int(os.environ.get("ZRACK_SEEDS", "3"))


def rig() -> Patch:
    """A keyboard, a drone in a feedback loop, a sequencer, noise that never repeats, and work in another process."""
    patch = patch_of(
        ("midi/notes", "keys", {"voices": 4}), ("mod/adsr", "env", {}), ("source/saw", "osc", {}), ("effect/vca", "amp", {}),
        ("maths/mixdown", "mono", {}), ("filter/svf", "f", {}), ("mod/lfo", "lfo", {"rate": 3.0}), ("mod/clock", "clock", {}),
        ("mod/steps", "steps", {}), ("source/sine", "drone", {"freq": 70.0}), ("maths/add", "sum", {}),
        ("effect/delay", "echo", {"time": 0.05}), ("maths/saturate", "sat", {}), ("source/noise", "hiss", {"level": 0.03}),
        ("test/twice", "far", {"hop": 256}), ("test/bomb", "bomb", {}), ("io/output", "out", {"level": -12.0}),
        cables="keys.pitch>osc.pitch keys.gate>env.gate osc.out>amp.audio env.out>amp.cv amp.out>mono.a mono.out>f.audio "
        "lfo.out>f.cutoff f.low>out.audio clock.out>steps.clock steps.pitch>drone.pitch drone.out>sum.a sum.out>echo.audio "
        "echo.out>sat.a sat.out>sum.a sat.out>out.audio hiss.out>far.audio far.out>out.audio drone.out>bomb.audio "
        "bomb.out>out.audio",
    )  # fmt: skip
    return patch


class Player:
    """Does one thing after the other to a session, whatever comes to its mind."""

    def __init__(self, session: Session, seed: int) -> None:
        self.session, self.rng = session, random.Random(seed)
        self.strikes = self.added = 0
        self.said: dict[str, int] = {}
        self.acts: list[tuple[Callable[[], None], int]] = [
            (self.knob, 8), (self.sweep, 2), (self.choice, 2), (self.note, 6), (self.connect, 2), (self.disconnect, 2),
            (self.amount, 3), (self.add, 2), (self.remove, 2), (self.undo, 3), (self.redo, 2), (self.rename, 1),
            (self.capture, 1), (self.recall, 2), (self.blend, 1), (self.bypass, 2), (self.bundle, 3), (self.tempo, 1),
            (self.work, 1), (self.pause, 1), (self.blow, 1), (self.live, 2), (self.setting, 1), (self.nothing, 4),
        ]  # fmt: skip

    def play(self, seconds: float) -> None:
        acts, weights = zip(*self.acts, strict=True)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            act = self.rng.choices(acts, weights)[0]
            try:
                act()
            except (PatchError, KeyError, IndexError) as error:
                self.said[str(error)] = self.said.get(str(error), 0) + 1
            time.sleep(self.rng.choice([0.0, 0.001, 0.005, 0.02, 0.05]))

    # what it may do

    def nodes(self) -> list[str]:
        return list(self.session.patch.nodes)

    def param(self) -> tuple[str, str]:
        with self.session.lock:
            found = [(n, p) for n in self.nodes() for p in self.session.patch.spec(n).params]  # type: ignore[union-attr]
        return self.rng.choice([f for f in found if f[0] not in ("out", "bomb") and f[1] != "feedback"])

    def knob(self) -> None:
        self.session.set(*self.param(), self.rng.random(), knob=True)

    def sweep(self) -> None:
        where, gesture = self.param(), self.rng.random()
        for k in range(self.rng.randrange(5, 30)):
            self.session.set(*where, (k % 20) / 20, knob=True, gesture=gesture)
            time.sleep(0.001)

    def live(self) -> None:
        self.session.set(*self.param(), self.rng.random(), knob=True, gesture=LIVE)

    def choice(self) -> None:
        with self.session.lock:
            found = [(n, c, o) for n in self.nodes() for c, s in self.session.patch.spec(n).choices.items() for o in s.options]  # type: ignore[union-attr]
        self.session.set(*self.rng.choice([f for f in found if f[0] != "bomb"]))

    def note(self) -> None:
        self.strikes += 1
        voice, when = self.rng.randrange(4), self.rng.choice([0, self.session.now() + self.rng.randrange(3000)])
        for state, value in (("volts", self.rng.randrange(-24, 24) / 12), ("force", self.rng.random()), ("note", self.strikes)):
            self.session.cell("keys", state, voice, value, when)
        if self.rng.random() < 0.7:
            self.session.cell("keys", "note", voice, -self.strikes, self.session.now() + self.rng.randrange(12000))

    def connect(self) -> None:
        with self.session.lock:
            src = self.rng.choice([n for n in self.nodes() if n != "out"])
            dst = self.rng.choice(self.nodes())
            outlet = self.rng.choice(list(self.session.patch.spec(src).outlets))  # type: ignore[union-attr]
            inlet = self.rng.choice(list(self.session.patch.spec(dst).inputs()))  # type: ignore[union-attr]
            do(self.session, edits.Connect(f"{src}.{outlet}", f"{dst}.{inlet}", self.rng.choice([1.0, 0.3, 0.05])))

    def disconnect(self) -> None:
        with self.session.lock:
            s, o, d, i = self.rng.choice(list(self.session.patch.cables))
            do(self.session, edits.Disconnect(f"{s}.{o}", f"{d}.{i}"))

    def amount(self) -> None:
        with self.session.lock:
            s, o, d, i = self.rng.choice(list(self.session.patch.cables))
            do(self.session, SetCable(f"{s}.{o}", f"{d}.{i}", self.rng.uniform(-1.0, 1.0)))

    def add(self) -> None:
        self.added += 1
        name = f"n{self.added}"
        with self.session.lock:
            do(self.session, edits.AddNode(self.rng.choice([*TYPES, "source/noise", "mod/random-walk"]), name))
            spec = self.session.patch.spec(name)
            assert spec is not None
            do(self.session, edits.Connect(f"{name}.{next(iter(spec.outlets))}", "f.audio", 0.2))
            if spec.inlets:
                do(self.session, edits.Connect("drone.out", f"{name}.{next(iter(spec.inlets))}", 0.5))
        if self.rng.random() < 0.5:
            self.session.set(*self.param(), 0.5, knob=True)

    def remove(self) -> None:
        with self.session.lock:
            do(self.session, edits.RemoveNode(self.rng.choice([n for n in self.nodes() if n.startswith("n")])))

    def undo(self) -> None:
        for _ in range(self.rng.choice([1, 1, 2, 5])):
            self.session.op({"undo": 1})

    def redo(self) -> None:
        for _ in range(self.rng.choice([1, 1, 2, 5])):
            self.session.op({"redo": 1})

    def rename(self) -> None:
        with self.session.lock:
            name = self.rng.choice([n for n in self.nodes() if n.startswith("n")])
            self.added += 1
            do(self.session, edits.Rename(name, f"n{self.added}"))

    def setting(self) -> None:
        do(self.session, edits.SetSetting("echo", "longest", self.rng.choice([0.5, 1.0, 2.0])))

    def capture(self) -> None:
        self.session.capture(self.rng.choice("abc"))

    def recall(self) -> None:
        self.session.recall(self.rng.choice("abc"), self.rng.choice([0.0, 0.05, 0.3]))

    def blend(self) -> None:
        for k in range(5):
            self.session.blend({"a": k / 4, "b": 1 - k / 4})

    def bypass(self) -> None:
        self.session.set(self.rng.choice([n for n in self.nodes() if n not in ("out", "bomb")]), "bypass", self.rng.random() < 0.4)

    def bundle(self) -> None:
        at = self.session.now() + self.rng.randrange(-500, 20000)
        for _ in range(self.rng.randrange(1, 6)):
            self.session.set(*self.param(), self.rng.random(), knob=True, time=at)

    def tempo(self) -> None:
        self.session.tempo(self.rng.uniform(60, 240))

    def work(self) -> None:
        """A work node comes, or goes again."""
        with self.session.lock:
            name = next((n for n in self.nodes() if n.startswith("work")), None)
            if name is not None:
                do(self.session, edits.RemoveNode(name))
                return
            self.added += 1
            do(self.session, edits.AddNode("test/twice", f"work{self.added}", {"hop": self.rng.choice([100, 256, 1024])}))
            do(self.session, edits.Connect("drone.out", f"work{self.added}.audio"))
            do(self.session, edits.Connect(f"work{self.added}.out", "out.audio", 0.3))

    def pause(self) -> None:
        self.session.transport("stop")
        for _ in range(self.rng.randrange(6)):
            try:
                self.rng.choice([self.knob, self.add, self.remove, self.undo, self.note, self.connect, self.bypass])()
            except (PatchError, IndexError):
                pass
        time.sleep(self.rng.choice([0.0, 0.02]))
        self.session.transport("play")

    def blow(self) -> None:
        """A node puts out NaN, is bypassed, and plays again."""
        self.session.set("bomb", "fuse", 1.0)
        time.sleep(0.01)
        self.session.set("bomb", "fuse", 0.0)
        time.sleep(0.01)
        self.session.rearm("bomb")

    def nothing(self) -> None:
        time.sleep(0.02)


def improvise(folder: Path, seed: int, seconds: float) -> tuple[Path, Player, list[str]]:
    """Plays and records; gives the log and who played."""
    with Session(rig(), logs=folder) as session:
        session.record("take.wav")
        session.transport("play")
        player = Player(session, seed)
        player.play(seconds)
        path = session.now_playing.log.path
        assert path is not None
        session.record(None)
        return path, player, session.errors


def compare(folder: Path, path: Path) -> None:
    """The recording and the render of the log, sample for sample."""
    heard, _ = soundfile.read(folder / "take.wav", dtype="float32", always_2d=True)
    again, _ = eventlog.render(path)
    assert len(again) >= len(heard)
    same = np.all(heard.view(np.int32) == again[: len(heard)].view(np.int32), axis=1)
    assert same.all(), f"sample {int(np.argmin(same))} of {len(heard)} is another, {int((~same).sum())} in all"
    assert np.abs(heard).max() > 0.01


@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT))
def test_an_improvised_session_is_rendered_again_bit_for_bit(tmp_path: Path, seed: int) -> None:
    path, player, errors = improvise(tmp_path, seed, 3.0)
    compare(tmp_path, path)
    assert player.added
    assert [e for e in errors if not e.startswith("node bomb: bypassed") and not e.endswith("any more")] == []


@pytest.mark.slow
def test_five_minutes_of_an_improvised_session_are_rendered_again_bit_for_bit(tmp_path: Path) -> None:
    path, _, _ = improvise(tmp_path, random.randrange(1 << 30), 300.0)
    compare(tmp_path, path)
