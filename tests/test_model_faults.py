"""Models that cannot be used, that nobody trusts, or that go wrong while they play: said in a sentence, and harmless."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from graph import edits
from nodes import Patch, catalog, models
from nodes import compile as compiler
from nodes.ml import shelf, torchscript, trust
from nodes.ml.contract import ModelError
from runtime import nursery
from runtime.cli import main
from runtime.offline import render
from runtime.osc import Osc
from runtime.session import Session

from . import nn_modules
from .osc_stage import Client
from .test_models_files import SAID
from .test_session import do, settle, until

catalog.load()
PROGRAMS = [n for n in SAID if n not in ("huge",)]
"""Bad files; what wants a terabyte is refused by the limits of another process."""


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return nn_modules.malformed(tmp_path_factory.mktemp("bad"))


def fresh_cache(place: Path) -> Path:
    """A cache with the machine code that there is, and nothing known of any model; workers find it as well."""
    place.mkdir()
    kernels = compiler.folder().parent
    (place / kernels.name).symlink_to(kernels)
    return place


@pytest.fixture(autouse=True)
def looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The files that were run to see what they offer; in this process, which is quicker than to start one with torch."""
    monkeypatch.setenv("ZRACK_CONFIG", str(tmp_path / "config"))
    kept = fresh_cache(tmp_path / "cache")
    monkeypatch.setenv("ZRACK_CACHE", str(kept))
    found: list[str] = []

    def look(path: Path, limit: float) -> dict[str, object]:
        found.append(path.name)
        try:
            return {"interface": torchscript.interface(path).to_map()}
        except ModelError as error:
            return {"error": str(error).removeprefix(f"{path.name}: ")}

    monkeypatch.setattr(shelf, "_look", look)
    models.forget()
    yield found
    models.forget()


def trusted(path: Path) -> None:
    trust.trust(shelf.digest(path), path.name)


def saw_of(folder: Path) -> Patch:
    """A saw that is heard as it is."""
    patch = Patch()
    patch.folder, patch.limiter = folder, False
    patch.add("source/saw", "saw")
    patch.add("io/output", "out", to="channels")
    patch.connect("saw.out", "out.audio")
    return patch


def peak(session: Session, node: str, outlet: str = "out") -> float:
    """The loudest sample of an outlet in the last block."""
    buffer = session.engine.plan.outlets[node, outlet]
    return float(np.abs(session.engine.memory.view(buffer.at, 4 * session.block, "float32")).max())


class Told:
    """One command line, and what it said."""

    def __init__(self, *args: object) -> None:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            self.code = main([str(a) for a in args])
        self.out = out.getvalue()
        self.err = [line for line in err.getvalue().splitlines() if not line.startswith("compiling kernels ")]


# ---------------------------------------------------------------------------------------------- bad files


def test_bad_files_are_named_in_a_session_and_everything_else_goes_on(bad: dict[str, Path], tmp_path: Path) -> None:
    folder = bad["nan"].parent
    for name in PROGRAMS:
        trusted(bad[name])
    assert len(PROGRAMS) >= 12
    with Session(saw_of(folder), logs=tmp_path) as session:
        session.record("take.wav")
        session.transport("play")
        for name in PROGRAMS:
            do(session, edits.AddNode("model/nn", f"n_{name}", {"file": f"{name}.ts"}))
        do(session, edits.AddNode("model/nn", "gone", {"file": "gone.ts"}))
        do(session, edits.AddNode("model/nn", "unset"))  # nothing is wrong with it: nobody chose a file yet
        until(lambda: len(session.errors) > len(PROGRAMS), 20)
        settle(session)
        due = [f"node n_{name}: {name}.ts: {SAID[name]}" for name in PROGRAMS]
        due.append("node gone: there is no file gone.ts beside the patch")
        assert sorted(session.errors) == sorted(due)
        session.trusted()
        assert len(session.errors) == len(due)  # once
        assert all(session.patch.spec(n) is None for n in session.patch.nodes if n not in ("saw", "out"))
        assert session.patch.nodes["n_nan"].settings["file"] == "nan.ts" and session.engine.workers == {}
        at = session.now()
        do(session, edits.SetParam("saw", "freq", 220.0))  # it is alive
        until(lambda: session.now() > at + 4800)
        session.record(None)
        session.patch.save(tmp_path / "kept.zrack")
        kept = session.patch.copy()
    heard = soundfile.read(tmp_path / "take.wav", dtype="float32", always_2d=True)[0]
    assert np.array_equal(heard[:at], render(saw_of(folder), at / 48000).audio)
    again = Patch.load(tmp_path / "kept.zrack")
    again.folder = folder
    assert again == kept


def test_the_command_line_names_bad_files_and_plays_the_rest(bad: dict[str, Path], tmp_path: Path) -> None:
    folder = bad["nan"].parent
    patch = saw_of(folder)
    for name in PROGRAMS:
        trusted(bad[name])
        patch.add("model/nn", f"n_{name}", file=f"{name}.ts")
    patch.save(folder / "bad.zrack")
    due = [f"zrack: bad.zrack: node n_{name}: {name}.ts: {SAID[name]}" for name in PROGRAMS]
    told = Told("check", folder / "bad.zrack")
    assert told.code == 1 and sorted(told.err) == sorted(due)
    told = Told("render", folder / "bad.zrack", "-o", tmp_path / "x.wav", "--seconds", "0.1")
    assert told.code == 0 and set(due) <= set(told.err)
    heard = soundfile.read(tmp_path / "x.wav", dtype="float32", always_2d=True)[0]
    assert np.array_equal(heard, render(saw_of(folder), 0.1).audio)


@pytest.mark.slow
def test_every_bad_file_is_refused_by_a_process_of_its_own(
    bad: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("ZRACK_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("ZRACK_CACHE", str(tmp_path / "cache"))
    patch = saw_of(bad["nan"].parent)
    for name in SAID:
        trusted(bad[name])
        patch.add("model/nn", f"n_{name}", file=f"{name}.ts")
    patch.save(patch.folder / "all.zrack")  # type: ignore[operator]
    told = Told("check", bad["nan"].parent / "all.zrack")
    assert sorted(told.err) == sorted(f"zrack: all.zrack: node n_{name}: {name}.ts: {SAID[name]}" for name in SAID)


# ---------------------------------------------------------------------------------------------- while they play


TURNS = {
    "raises": "raises: too loud",
    "nan": "puts out NaN or infinite numbers",
    "short": "returns 255 frames where 256 are expected",
    "flat": "returns a tensor of 1 dimensions where 3 are expected: batch, channels, frames",
}
"""What is said of the models that go wrong when it gets loud."""


def test_a_model_that_goes_wrong_is_bypassed_named_and_can_be_rearmed(tmp_path: Path) -> None:
    patch = saw_of(tmp_path)
    patch.add("source/constant", "dc", value=0.5)
    for kind, path in nn_modules.turning(tmp_path).items():
        trusted(path)
        patch.add("model/nn", kind, file=path.name)
        patch.connect("dc.out", f"{kind}.audio")

    def all_at(level: float) -> None:
        until(lambda: all(peak(session, kind) == level for kind in TURNS), 60)

    with Session(patch, logs=tmp_path) as session:
        session.record("take.wav")
        session.transport("play")
        all_at(0.25)
        session.set("dc", "value", 1.0)
        all_at(1.0)  # they pass on what they hear
        until(lambda: len(session.errors) == len(TURNS))
        for kind, sentence in TURNS.items():
            (text,) = [e for e in session.errors if e.startswith(f"node {kind}: bypassed at sample ")]
            assert text.endswith(f", {kind}.ts: method forward {sentence}")
        session.set("dc", "value", 0.25)
        all_at(0.25)
        for kind in TURNS:
            session.rearm(kind)
        all_at(0.125)
        assert len(session.errors) == len(TURNS)
        session.record(None)
    heard = soundfile.read(tmp_path / "take.wav", dtype="float32", always_2d=True)[0]
    assert len(heard) > 4800 and np.array_equal(heard, render(saw_of(tmp_path), len(heard) / 48000).audio)


# ---------------------------------------------------------------------------------------------- trust


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """A model that nobody trusts, `m.ts`; whether any process was started for a model."""
    nn_modules.write(nn_modules.One("fine"), tmp_path / "m.ts")
    started: list[Any] = []
    child = nursery.child
    monkeypatch.setattr(nursery, "child", lambda job, env: (started.append(job), child(job, env))[1])
    return lambda: bool(started)


SENTENCE = "m.ts is a program that is not trusted on this machine; zrack models m.ts --trust lets it run"


def test_a_stranger_does_not_run_on_the_command_line(tmp_path: Path, looked: list[str], stranger: Callable[[], bool]) -> None:
    patch = saw_of(tmp_path)
    patch.add("model/nn", "m", file="m.ts")
    patch.save(tmp_path / "p.zrack")
    told = Told("check", tmp_path / "p.zrack")
    assert (told.code, told.err) == (1, [f"zrack: p.zrack: node m: {SENTENCE}"])
    told = Told("render", tmp_path / "p.zrack", "-o", tmp_path / "x.wav", "--seconds", "0.1")
    assert told.code == 0 and told.err[0] == f"zrack: p.zrack: node m: {SENTENCE}"
    assert looked == [] and not stranger()
    assert Told("models", tmp_path / "m.ts", "--trust").code == 0
    models.forget()
    assert Told("check", tmp_path / "p.zrack").err == []
    assert looked == ["m.ts"]
    nn_modules.write(nn_modules.One("wide"), tmp_path / "m.ts")  # a changed file asks again
    models.forget()
    assert Told("check", tmp_path / "p.zrack").err == [f"zrack: p.zrack: node m: {SENTENCE}"]
    assert looked == ["m.ts"]


def test_a_stranger_does_not_run_over_osc_and_is_named(tmp_path: Path, looked: list[str], stranger: Callable[[], bool]) -> None:
    with Session(saw_of(tmp_path)) as session, closing(Osc(session, port=0)) as osc:
        session.transport("play")
        client = Client(osc)
        with closing(client.socket):
            client.send("/subscribe", "/")

            def error() -> str:
                while (found := client.hear())[0] != "/error":
                    pass
                return str(found[1])

            client.send("/patch/add", "model/nn", "m")
            client.send("/patch/setting", "m", "file", "m.ts")
            assert error() == f"node m: {SENTENCE}"
            settle(session)
            assert looked == [] and not stranger() and session.patch.spec("m") is None
            assert session.patch.nodes["m"].settings["file"] == "m.ts"
            trusted(tmp_path / "m.ts")
            session.trusted()
            assert session.patch.spec("m") is not None and looked == ["m.ts"]
            until(lambda: "m" in session.engine.plan.ports and session.engine.plan.ports["m"].ready, 30)
            assert stranger()
            shutil.copy(tmp_path / "m.ts", tmp_path / "part")
            nn_modules.write(nn_modules.One("wide"), tmp_path / "part")
            os.replace(tmp_path / "part", tmp_path / "m.ts")  # a changed file asks again
            assert error() == f"node m: {SENTENCE}"
            until(lambda: "m" not in session.engine.plan.ports)
            assert looked == ["m.ts"]
