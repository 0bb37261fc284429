"""Improvised control: whatever was done to a session while it was recorded, its event log gives the same samples again."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile

from graph import PatchError, edits
from graph.edits import SetCable
from nodes import Patch
from runtime import eventlog
from runtime.devices import Device
from runtime.session import Session
from runtime.streams import LIVE

from .jack import needs_jack, server
from .test_engine import patch_of
from .test_host import Rig
from .test_session import do, small
from .test_swap import TYPES

SEED = int(os.environ.get("ZRACK_SEED", "0"))
COUNT = int(os.environ.get("ZRACK_SEEDS", "3"))


def rig() -> Patch:
    """A keyboard, a drone in a feedback loop, a sequencer, noise that never repeats, and work in another process."""
    return patch_of(
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
        self.session.set(
            self.rng.choice([n for n in self.nodes() if n not in ("out", "bomb")]), "bypass", self.rng.random() < 0.4
        )

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
            with suppress(PatchError, IndexError):
                self.rng.choice([self.knob, self.add, self.remove, self.undo, self.note, self.connect, self.bypass])()
        time.sleep(self.rng.choice([0.0, 0.02]))
        self.session.transport("play")

    def blow(self) -> None:
        """A node puts out NaN, is bypassed, and plays again."""
        self.session.set("bomb", "fuse", 1.0)
        time.sleep(0.01)
        self.session.set("bomb", "fuse", 0.0)
        time.sleep(0.01)
        self.session.rearm("bomb")

    def reset(self) -> None:
        """Another engine takes over, while one knob is turned on."""
        where = self.param()
        self.session.set(*where, 0.3, knob=True)
        turning = threading.Thread(target=self.session.transport, args=("reset",))
        turning.start()
        while turning.is_alive():
            self.session.set(*where, self.rng.random(), knob=True)
            self.rng.choice([self.knob, self.nothing, self.nothing])()
        turning.join()
        for _ in range(self.rng.randrange(4)):
            self.session.op({"undo": 1})

    def widen(self) -> None:
        """An output on channels that the engine does not have; in another one it is only left out of the recording."""
        with self.session.lock:
            self.added += 1
            do(
                self.session,
                edits.AddNode("io/output", f"n{self.added}", {"to": "channels", "first": 1 + 2 * self.rng.randrange(3)}),
            )
            do(self.session, edits.Connect("drone.out", f"n{self.added}.audio"))

    def nothing(self) -> None:
        time.sleep(0.02)


def improvise(folder: Path, seed: int, seconds: float, **weights: int) -> tuple[Player, list[str]]:
    """Plays and records; gives who played, and what was complained of."""
    with Session(rig(), logs=folder) as session:
        session.record("take.wav")
        session.transport("play")
        player = Player(session, seed)
        player.acts += [(getattr(player, act), weight) for act, weight in weights.items()]
        player.play(seconds)
        session.record(None)
        return player, session.errors


def compare(folder: Path) -> int:
    """The recording and the renders of the logs, sample for sample; gives how many logs there were."""
    heard, _ = soundfile.read(folder / "take.wav", dtype="float32", always_2d=True)
    assert np.abs(heard).max() > 0.01
    parts = []  # where in the recording each engine begins, and with which of its samples
    for log in folder.glob("*.zlog"):
        parts += [(r[4], r[2], log) for r in eventlog.read(log)[1] if r[0] == "recording"]
    parts.sort()
    for (at, begins, log), end in zip(parts, [p[0] for p in parts[1:]] + [len(heard)], strict=True):
        notes: list[str] = []
        again, _ = eventlog.render(log, notes=notes)
        assert notes == []
        a, b = heard[at:end].view(np.int32), again[begins : begins + end - at, :2].copy().view(np.int32)
        assert a.shape == b.shape
        same = np.all(a == b, axis=1)
        assert same.all(), f"{log.name}: sample {int(np.argmin(same)) + begins} is another, {int((~same).sum())} in all"
    return len(parts)


@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT))
def test_an_improvised_session_is_rendered_again_bit_for_bit(tmp_path: Path, seed: int) -> None:
    player, errors = improvise(tmp_path, seed, 3.0)
    assert compare(tmp_path) == 1
    assert player.added
    assert [e for e in errors if not e.startswith("node bomb: bypassed") and not e.endswith("any more")] == []


def test_one_that_goes_through_several_engines_is_rendered_again_from_all_their_logs(tmp_path: Path) -> None:
    _, errors = improvise(tmp_path, SEED, 3.0, reset=2, widen=2)
    assert compare(tmp_path) > 1
    assert [e for e in errors if not e.startswith("node bomb: bypassed") and not e.endswith("any more")] == []


@pytest.mark.slow
def test_five_minutes_of_an_improvised_session_are_rendered_again_bit_for_bit(tmp_path: Path) -> None:
    improvise(tmp_path, random.randrange(1 << 30), 300.0)
    compare(tmp_path)


@needs_jack
def test_what_came_in_live_is_recorded_and_rendered_again(tmp_path: Path) -> None:
    patch = patch_of(
        ("io/input", "mic", {"count": 2}), ("effect/delay", "echo", {"time": 0.01}), ("source/saw", "saw", {"freq": 200.0}),
        ("io/output", "out", {"level": -12.0}),
        cables="mic.out>echo.audio echo.out>out.audio saw.out>out.audio",
    )  # fmt: skip
    with server() as jack, Session(patch, logs=tmp_path, device=lambda engine: Device(engine, "", "")) as session:
        session.record("take.wav")
        session.transport("play")
        jack.loop()
        for k in range(20):
            session.set("echo", "time", 0.005 + 0.001 * k)
            time.sleep(0.02)
        path = session.now_playing.log.path
        assert path is not None
        session.record(None)
        assert session.errors == []
    heard, _ = soundfile.read(tmp_path / "take.wav", dtype="float32", always_2d=True)
    into = eventlog.heard(path)
    assert into is not None and np.abs(into).max() > 0.1 and into.shape == heard.shape
    again, _ = eventlog.render(path, into)
    assert np.array_equal(heard, again[: len(heard)])
    notes: list[str] = []
    assert not np.array_equal(heard, eventlog.render(path, notes=notes)[0][: len(heard)])
    assert notes == ["the patch listens to a live input, and there is no recording of it from the start; it is silent"]


CLIENT = """
import sys, time
from runtime.attach import Client
client = Client("main")
print("streams", flush=True)
while True:
    for k in range(100):
        client.tell("set", "f", "cutoff", k / 100, knob=True)
        client.view.look()
        time.sleep(0.0005)
"""


def test_nobody_hears_the_death_of_a_client_that_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("ZRACK_STATE", str(tmp_path / "state"))
    stage, logs = Rig(tmp_path, small()), tmp_path / "logs"
    stage.client.call("record", "take.wav")
    for _ in range(3):
        guest = subprocess.Popen([sys.executable, "-c", CLIENT], stdout=subprocess.PIPE)
        assert guest.stdout is not None
        assert guest.stdout.readline() == b"streams\n"
        time.sleep(0.2)
        guest.kill()
        guest.wait()
        guest.stdout.close()
    state = stage.client.call("state")
    stage.client.call("record", None)
    assert stage.close() == 0
    assert state["playing"] and state["xruns"] == 0
    assert compare(logs) == 1
    (log,) = logs.glob("*.zlog")
    assert sum(len(r[2]) for r in eventlog.read(log)[1] if r[0] == "controls") > 100  # it was heard while it lived
