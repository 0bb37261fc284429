"""What a session is asked about models and tapes while it plays."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from graph import PatchError
from nodes import Patch, models
from nodes.ml import shelf, trust
from runtime.osc import Osc
from runtime.session import Session

from . import nn_modules
from .osc_stage import Client
from .test_session import until


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nn_modules.exported(tmp_path_factory.mktemp("made"), "coder128", "stream")["coder128"].parent


@pytest.fixture
def files(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with one model, `m.ts`, that nobody trusts yet."""
    monkeypatch.setenv("ZRACK_CONFIG", str(tmp_path / "config"))
    shutil.copy(made / "coder128.ts", tmp_path / "m.ts")
    models.forget()
    yield tmp_path
    models.forget()


def patch_of(files: Path) -> Patch:
    patch = Patch()
    patch.folder = files
    patch.add("source/saw", "saw")
    patch.add("model/nn", "m", file="m.ts", method="forward")
    patch.add("io/output", "out")
    patch.connect("saw.out", "m.audio")
    patch.connect("m.out", "out.audio")
    return patch


def sounding(session: Session) -> bool:
    session.device.peaks()
    time.sleep(0.05)
    return max(session.device.peaks()) > 0.01


def test_a_model_is_heard_once_it_is_trusted_and_again_when_its_file_changes(files: Path, made: Path) -> None:
    with Session(patch_of(files)) as session:
        session.transport("play")
        assert not sounding(session) and "m" not in session.engine.plan.ports
        trust.trust(shelf.digest(files / "m.ts"), "m.ts")
        session.trusted()
        until(lambda: sounding(session), 30.0)
        first = session.engine.plan.ports["m"]
        session.reload("m")  # the same file: another process in the same place
        until(lambda: sounding(session) and session.engine.plan.ports["m"] is first and first.ready, 30.0)
        shutil.copy(made / "stream.ts", files / "m.ts")
        trust.trust(shelf.digest(files / "m.ts"), "m.ts")
        session.reload("m")
        until(lambda: session.engine.plan.ports["m"] is not first and sounding(session), 30.0)
        late = session.late()
        port = session.engine.plan.ports["m"]
        assert late["m"]["transport"] == late["out"]["transport"] == float(port.transport) / 48000
        assert session.state()["latency"]["models"] >= late["out"]["transport"]
        with pytest.raises(PatchError):
            session.reload("nobody")


def test_a_file_that_changes_into_an_unknown_one_falls_silent_by_itself(files: Path, made: Path) -> None:
    trust.trust(shelf.digest(files / "m.ts"), "m.ts")
    with Session(patch_of(files)) as session:
        session.transport("play")
        until(lambda: sounding(session), 30.0)
        shutil.copy(made / "stream.ts", files / "m.ts")
        until(lambda: "m" not in session.engine.plan.ports, 20.0)
        until(lambda: not sounding(session))
        assert session.patch == patch_of(files)


def test_what_a_tape_recorded_is_kept_by_an_edit(files: Path) -> None:
    patch = Patch()
    patch.folder = files
    for kind, name in (("latent/walk", "walk"), ("latent/prior", "prior"), ("latent/tape", "tape"), ("latent/unpack", "u"),
                       ("io/output", "out"), ("source/constant", "gate")):  # fmt: skip
        patch.add(kind, name)
    for a, b in (("prior.z", "walk.z"), ("walk.out", "tape.z"), ("tape.out", "u.z"), ("u.out", "out.audio"),
                 ("gate.out", "tape.record")):  # fmt: skip
        patch.connect(a, b)
    patch.set("gate", value=0.0)
    with Session(patch) as session, closing(Osc(session, port=0)) as osc:
        session.transport("play")
        with pytest.raises(PatchError, match="recorded nothing"):
            session.keep("tape")
        session.set("gate", "value", 1.0)
        until(lambda: session.now() > 24000)
        session.set("gate", "value", 0.0)
        until(lambda: session.now() > 30000)
        client = Client(osc)
        client.send("/tape/keep", "tape")
        client.socket.close()
        until(lambda: len(session.patch.value("tape", "path")) > 5)
        path = np.asarray(session.patch.value("tape", "path"))
        assert path.shape[1] == 8 and np.ptp(path) > 0.1
        session.op({"undo": 1})
        assert len(session.patch.value("tape", "path")) == 1
