"""How late what comes out is, shown for every way and brought together where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nodes import Patch, models
from nodes.ml import shelf, trust
from runtime.engine import Engine
from runtime.offline import render

from . import nn_modules


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZRACK_CONFIG", str(folder / "config"))
        path = nn_modules.write(
            nn_modules.Late(), folder / "late.ts", {"delay": {"forward": 1500, "encode": 0, "decode": 1500}}
        )
        trust.trust(shelf.digest(path), "late")
        models.forget()
        yield folder
    models.forget()


def wet_and_dry(files: Path, hop: int = 1) -> Patch:
    """Sound through an encoder and a decoder beside the sound itself, aligned; left is dry, right is wet."""
    patch = Patch()
    patch.folder, patch.limiter = files, False
    patch.add("io/input", "in")
    for method in ("encode", "decode"):
        patch.add("model/nn", method, file="late.ts", method=method, hop=hop)
    patch.add("effect/align", "align")
    patch.add("io/output", "left", to="channels")
    patch.add("io/output", "right", to="channels", first=2)
    for a, b in (("in.out", "encode.audio"), ("encode.z", "decode.z"), ("decode.out", "align.a"), ("in.out", "align.b"),
                 ("align.out_a", "right.audio"), ("align.out_b", "left.audio")):  # fmt: skip
        patch.connect(a, b)
    return patch


@pytest.mark.parametrize("hop", [1, 3])
def test_a_dry_way_waits_for_the_one_through_a_model(files: Path, hop: int) -> None:
    patch = wet_and_dry(files, hop)
    sound = (np.random.default_rng(1).standard_normal((48000, 1)) * 0.1).astype(np.float32)
    with Engine(patch) as engine:
        found = engine.plan.lags
    late = found["right"]
    assert (
        late.known
        and late.delay == 1500.0
        and late.transport == sum(found[n].transport - found[b].transport for n, b in (("encode", "in"), ("decode", "encode")))
    )
    heard = render(patch, 1.0, sound).audio
    total = int(late.total)
    assert np.array_equal(heard[:, 0], heard[:, 1]) and np.array_equal(heard[total:, 0], sound[:-total, 0])


def test_a_loop_counts_once_and_is_never_aligned(files: Path) -> None:
    patch = wet_and_dry(files)
    patch.add("effect/vca", "back", gain=0.1)
    patch.connect("align.out_a", "back.audio")
    patch.connect("back.out", "encode.audio")
    with Engine(patch) as engine:
        lags = engine.plan.lags
    assert lags["right"].total == lags["decode"].total > 2000.0
    sound = (np.random.default_rng(1).standard_normal((24000, 1)) * 0.1).astype(np.float32)
    heard = render(patch, 0.5, sound).audio
    assert np.array_equal(heard[:, 0], sound[:, 0]), "the dry way does not wait for a loop"


def test_a_model_whose_delay_nobody_knows_is_said_to_be_so(files: Path) -> None:
    path = nn_modules.exported(files, "sampling")["sampling"]
    trust.trust(shelf.digest(path), "sampling")
    patch = Patch()
    patch.folder = files
    patch.add("model/nn", "m", file="sampling.ts")
    patch.add("latent/unpack", "u", count=2)
    patch.add("io/output", "out")
    patch.connect("m.z", "u.z")
    patch.connect("u.out", "out.audio")
    with Engine(patch) as engine:
        assert not engine.plan.lags["out"].known and engine.plan.lags["out"].transport == engine.plan.ports["m"].transport


def test_without_models_nothing_is_late_and_nothing_waits() -> None:
    patch = Patch()
    patch.limiter = False
    patch.add("source/saw", "saw")
    patch.add("effect/delay", "delay", feedback=0.0)
    patch.add("effect/align", "align")
    patch.add("io/output", "out", to="channels")
    for a, b in (("saw.out", "align.a"), ("saw.out", "delay.audio"), ("delay.out", "align.b"), ("align.out_a", "out.audio")):
        patch.connect(a, b)
    with Engine(patch) as engine:
        assert engine.plan.lags == {}
    heard = render(patch, 0.1).audio
    patch.disconnect("align.out_a", "out.audio")
    patch.connect("saw.out", "out.audio")
    assert heard.any() and np.array_equal(heard, render(patch, 0.1).audio)
