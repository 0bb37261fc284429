"""Models while they play: late and back in time, changed, in a loop, drawing at random; and each of it again from the log."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from graph import edits
from nodes import Patch, models
from nodes.ml import shelf, trust
from runtime import eventlog, nursery
from runtime.devices import Device
from runtime.offline import render
from runtime.session import Session
from runtime.soak import family

from . import nn_modules
from .jack import needs_jack, server
from .test_session import do, settle, until

RATE, FADE = 48000, 480
SLOW = '''
"""Makes models slow: the file $ZRACK_SLOW/NODE holds the first and the last slow hop of that node, and how many seconds."""
import os, time
from pathlib import Path
from nodes import models

play = models.Player.play

def slowly(self, hop, given):
    begun = time.monotonic()
    made = play(self, hop, given)
    place = Path(os.environ["ZRACK_SLOW"], os.environ["ZRACK_NODE"])
    first, last, seconds = place.read_text().split() if place.is_file() else (1, 0, 0)
    if int(first) <= hop <= int(last):
        time.sleep(max(0.0, begun + float(seconds) - time.monotonic()))
    return made

models.Player.play = slowly
'''


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of model files, all of them trusted."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZRACK_CONFIG", str(folder / "config"))
        for name, path in nn_modules.exported(
            folder, "same", "same_r44100", "late", "coder2048", "sampling", "stream", "tuned1", "tuned2"
        ).items():
            trust.trust(shelf.digest(path), name)
        models.forget()
        yield folder
    models.forget()


def rack(folder: Path, *nodes: tuple[str, str, dict[str, Any]], cables: str) -> Patch:
    """A patch beside the models whose outputs are as they are."""
    patch = Patch(RATE, 64)
    patch.folder, patch.limiter = folder, False
    for kind, name, values in nodes:
        patch.add(kind, name, **values)
    for cable in cables.split():
        patch.connect(*cable.split(">"))
    return patch


def out(name: str, first: int) -> tuple[str, str, dict[str, Any]]:
    return "io/output", name, {"to": "channels", "first": first}


def begun(session: Session, *names: str) -> None:
    """Waits until these models play."""
    ports = [session.engine.plan.ports[n] for n in names]
    until(lambda: all(p.begins >= 0 and session.now() > p.rings.times.start(p.begins + 2) + p.latency for p in ports), 60)


# ---------------------------------------------------------------------------------------------- late


@dataclass
class Take:
    """What was heard while models were slow, and what is known about it."""

    heard: np.ndarray
    log: Path
    ports: dict[str, Any]
    ids: dict[str, Any]  # instances of the nodes, as the log calls them
    patch: Patch
    slow: dict[str, tuple[int, int]]  # first and last slow hop
    late: dict[str, tuple[int, int]]

    def flips(self, node: str) -> list[tuple[int, int]]:
        """(sample, 1 late / 2 there / 3 bypassed) whenever that changed."""
        found = []
        for record in eventlog.read(self.log)[1]:
            for time, target, value, more in record[2] if record[0] == "controls" else ():
                if target == [self.ids[node], "~told"]:
                    found.append((time + more, int(np.int64(value).view(np.float64))))
        return found

    def missed(self, node: str) -> list[int]:
        """The hops whose first sample was not there, as the log has it."""
        times, begins = self.ports[node].rings.times, self.ports[node].begins
        flips, found, state, at = self.flips(node), [], 1, 0
        for k in range(begins, times.at(len(self.heard) - times.latency) + 1):
            start = times.start(k) + times.latency
            while at < len(flips) and flips[at][0] <= start:
                state, at = flips[at][1], at + 1
            if state == 1:
                found.append(k)
        return found


def slowed(files: Path, place: Path) -> Take:
    """A second in which four models take 1.5 times as long as they may: one of its rack's rate, one of another, one that
    remembers, one that makes latents.

    In real time, without a device; two models that draw play beside.
    """
    (place / "nodes").mkdir()
    (place / "nodes" / "slow.py").write_text(SLOW)
    patch = rack(
        files,
        ("source/sine", "tone", {"freq": 220.0}),
        ("model/nn", "sound", {"file": "same.ts", "hop": 16}), ("model/nn", "other", {"file": "same_r44100.ts", "hop": 16}),
        ("model/nn", "keeps", {"file": "late.ts", "hop": 16}), ("model/nn", "frames", {"file": "coder2048.ts", "hop": 2}),
        ("model/nn", "draws", {"file": "sampling.ts", "seed": 4}), ("model/nn", "beside", {"file": "sampling.ts", "seed": 9}),
        *(("latent/unpack", f"{n}_1", {"count": 1}) for n in ("frames", "draws", "beside")),
        *(out(n, k + 1) for k, n in enumerate("abcdef")),
        cables="tone.out>sound.audio tone.out>frames.audio tone.out>draws.audio tone.out>beside.audio sound.out>a.audio "
        "frames.z>frames_1.z draws.z>draws_1.z beside.z>beside_1.z frames_1.out>b.audio draws_1.out>c.audio "
        "beside_1.out>d.audio tone.out>other.audio other.out>e.audio tone.out>keeps.audio keeps.out>f.audio",
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as env:
        env.setenv("ZRACK_NODES", str(place / "nodes"))
        env.setenv("ZRACK_SLOW", str(place))
        slow = {}
        with Session(patch, logs=place) as session:
            session.record("take.wav")
            session.transport("play")
            begun(session, *(n for n, d in patch.nodes.items() if d.type == "model/nn"))
            ports, ids = dict(session.engine.plan.ports), dict(session.engine.plan.ids)
            for name in ("sound", "frames", "other", "keeps"):
                times = ports[name].rings.times
                first = times.at(session.now()) + 3
                slow[name] = first, first + round(RATE / float(times.hop)) - 1
                (place / "part").write_text(f"{first} {slow[name][1]} {1.5 * times.slack / RATE}")
                os.replace(place / "part", place / name)
            until(lambda: all(session.now() > p.rings.times.start(slow[n][1] + 8) for n, p in ports.items() if n in slow), 60)
            late = {n: p.late for n, p in ports.items()}
            log = session.now_playing.log.path
            session.record(None)
            assert session.errors == [] and log is not None
        for name in slow:
            (place / name).unlink()
    heard = soundfile.read(place / "take.wav", dtype="float32", always_2d=True)[0]
    return Take(heard, log, ports, ids, patch, slow, late)


@pytest.fixture(scope="module")
def take(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Take:
    return slowed(files, tmp_path_factory.mktemp("take"))


@pytest.fixture(scope="module")
def well(take: Take) -> np.ndarray:
    """The same offline, where nothing is late."""
    return render(take.patch, len(take.heard) / RATE).audio


@pytest.mark.parametrize(("node", "channel"), [("sound", 0), ("other", 4)])
def test_a_late_model_fades_out_and_in_and_is_counted(take: Take, well: np.ndarray, node: str, channel: int) -> None:
    """Also where its rate is another one: no step is louder than the fade of 10 ms and the sound itself make it."""
    first, last = take.slow[node]
    missed = take.missed(node)
    assert missed == list(range(first, missed[-1] + 1)) and last <= missed[-1] <= last + 3  # some waited behind the slow ones
    late, skipped = take.late[node]
    assert late == len(missed) and 0 < skipped < late
    sound, due = take.heard[:, channel], well[:, channel]
    assert np.abs(np.diff(sound)).max() <= np.abs(np.diff(due)).max() + 2 * np.abs(due).max() / FADE
    times = take.ports[node].rings.times
    out, back = (times.start(k) + times.latency for k in (first, missed[-1] + 2))
    assert (sound[out:back] == 0.0).sum() > times.hop / 2  # it is out, not held


@pytest.mark.parametrize(("node", "channel"), [("sound", 0), ("other", 4), ("keeps", 5)])
def test_after_it_a_model_is_in_time_to_the_sample(take: Take, well: np.ndarray, node: str, channel: int) -> None:
    """Also one of another rate, and one that remembers what it heard."""
    times, heard, due = take.ports[node].rings.times, take.heard[:, channel], well[: len(take.heard), channel]
    hops = take.ports[node].begins + 1, take.slow[node][0], take.missed(node)[-1] + 2
    start, end, again = (times.start(k) + times.latency for k in hops)
    assert np.array_equal(heard[start:end], due[start:end]) and end - start >= math.floor(times.hop)
    assert np.array_equal(heard[again:], due[again:]) and len(heard) - again > times.hop
    assert np.ptp(due[again:]) > 1.0


def test_a_late_latent_stays_as_it_was(take: Take, well: np.ndarray) -> None:
    times = take.ports["frames"].rings.times
    first, last = take.slow["frames"]
    missed = take.missed("frames")
    assert missed == list(range(first, missed[-1] + 1)) and last <= missed[-1] <= last + 3
    assert take.late["frames"][0] == len(missed)
    flips = [f for f in take.flips("frames") if f[0] >= times.start(first) + times.latency]
    held = [(a, b) for (a, what), (b, _) in pairwise(flips) if what == 1]
    assert held and all((take.heard[a:b, 1] == take.heard[a - 1, 1]).all() for a, b in held)
    assert sum(b - a for a, b in held) > 0.9 * RATE and np.ptp(well[held[0][0] : held[-1][1], 1]) > 0.1
    again = times.start(missed[-1] + 2) + times.latency
    assert np.array_equal(take.heard[again:, 1], well[again : len(take.heard), 1])


def test_late_skipped_and_drawn_hops_are_played_again_from_the_log(take: Take) -> None:
    notes: list[str] = []
    again, _ = eventlog.render(take.log, notes=notes)
    assert notes == [] and np.array_equal(take.heard, again[: len(take.heard)])
    drawn = take.heard[:, 2:]
    assert np.ptp(drawn, axis=0).min() > 1.0 and not np.array_equal(drawn[:, 0], drawn[:, 1])


# ---------------------------------------------------------------------------------------------- changed


@needs_jack
def test_a_model_is_swapped_reloaded_and_turned_while_it_plays(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a real stream: each change is heard, nothing beside it is harmed, and nothing stays behind."""
    run = tmp_path / "run"
    run.mkdir(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
    for name in ("tuned1", "tuned2"):
        shutil.copy(files / f"{name}.ts", tmp_path)
    patch = rack(
        tmp_path, ("source/sine", "tone", {"freq": 750.0}), ("model/nn", "m", {"file": "tuned1.ts", "method": "tuned"}),
        ("source/saw", "saw", {}), out("a", 1), out("b", 2), cables="tone.out>m.audio m.out>a.audio saw.out>b.audio",
    )  # fmt: skip
    full = float(np.abs(render(patch, 0.5).audio[-4800:, 0]).max())
    assert full > 0.05
    with server(), Session(patch, device=lambda e: Device(e, "JACK:system", buffer=64), logs=tmp_path) as session:

        def peak() -> float:
            buffer = session.engine.plan.outlets["m", "out"]
            return float(np.abs(session.engine.memory.view(buffer.at, 4 * session.block, "float32")).max())

        def heard(due: float) -> None:
            until(lambda: abs(peak() / full - due) < 0.02, 30)

        def rewrite() -> None:
            shutil.copy(tmp_path / "tuned2.ts", tmp_path / "part")
            os.replace(tmp_path / "part", tmp_path / "tuned1.ts")
            session.reload("m")

        session.record("take.wav")
        session.transport("play")
        begun(session, "m")
        heard(1.0)
        changes: list[tuple[Callable[[], Any], float]] = [
            (lambda: do(session, edits.SetSetting("m", "file", "tuned2.ts")), 0.5),
            (lambda: session.set("m", "gain", 0.25), 0.125),
            (lambda: session.op({"undo": 1}), 0.5), (lambda: do(session, edits.SetSetting("m", "file", "tuned1.ts")), 1.0),
            (rewrite, 0.5), (lambda: session.set("m", "gain", 2.0), 1.0), (lambda: session.reload("m"), 1.0),
        ]  # fmt: skip
        for change, due in changes:
            change()
            settle(session)
            heard(due)
        until(lambda: len([*run.glob("zrack-work-*")]) == len(session.engine.workers) == 1)
        mine = session.engine.plan.ports["m"].process
        until(lambda: [p for p in family(os.getpid()) if p in pids(nursery._nursery)] == [mine.pid])
        session.record(None)
        assert session.errors == []
    assert not [*run.glob("zrack-work-*")] and mine.poll() is not None
    sound = soundfile.read(tmp_path / "take.wav", dtype="float32", always_2d=True)[0]
    assert np.array_equal(sound[:, 1], render(patch, len(sound) / RATE).audio[: len(sound), 1])


def pids(of: nursery.Nursery | None) -> list[int]:
    """The workers that a nursery forked."""
    assert of is not None
    return family(of._process.pid)[1:]


# ---------------------------------------------------------------------------------------------- in a loop


def loop_of(folder: Path, file: str = "stream.ts") -> Patch:
    """Encoder → operator → decoder → band-pass → gain 4 → encoder, started by a little noise, behind the limiter."""
    patch = rack(
        folder, ("source/noise", "spark", {}), ("model/nn", "into", {"file": file, "method": "encode"}),
        ("latent/affine", "bend", {"gain": 1.2, "bias": 0.1}), ("model/nn", "back", {"file": file, "method": "decode"}),
        ("filter/bandpass", "band", {"freq": 700.0, "q": 2.0}), ("maths/multiply", "loud", {"b": 4.0}),
        ("io/output", "out", {}),
        cables="into.z>bend.z bend.out>back.z back.out>band.audio band.out>loud.a loud.out>into.audio back.out>out.audio",
    )  # fmt: skip
    patch.connect("spark.out", "into.audio", 0.05)
    patch.limiter = True
    return patch


def test_a_loop_through_a_model_is_bounded_and_the_same_every_time(files: Path) -> None:
    patch = loop_of(files)
    once = render(patch, 5.0)
    assert once.faults == [] and np.abs(once.audio).max() <= 1.0
    late = once.audio[-RATE:]
    assert np.sqrt(np.mean(late**2)) > 0.01  # it goes on
    silent = loop_of(files)
    silent.disconnect("loud.out", "into.audio")
    assert np.abs(render(silent, 1.0).audio[-RATE // 2 :]).max() < np.abs(late).max()  # and it is the loop that sounds
    assert np.array_equal(once.audio, render(patch, 5.0).audio)
    assert np.array_equal(once.audio[:RATE], render(patch, 1.0, cut=100).audio)


def test_a_loop_through_a_model_sounds_offline_as_it_did_live(files: Path, tmp_path: Path) -> None:
    with Session(loop_of(files), logs=tmp_path) as session:
        session.record("take.wav")
        session.transport("play")
        begun(session, "into", "back")
        at = session.now()
        session.set("band", "freq", 1200.0)
        until(lambda: session.now() > at + RATE, 30)
        log = session.now_playing.log.path
        session.record(None)
        assert session.errors == [] and log is not None
    heard = soundfile.read(tmp_path / "take.wav", dtype="float32", always_2d=True)[0]
    notes: list[str] = []
    again, _ = eventlog.render(log, notes=notes)
    assert notes == [] and np.array_equal(heard, again[: len(heard)]) and np.ptp(heard[-RATE // 4 :]) > 0.01
