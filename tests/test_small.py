"""The small models that are shipped: chunks, delay, latents, speed, and how near they come to their recordings."""

from __future__ import annotations

import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nodes.ml import jit, small_train
from nodes.ml.streaming import reset

MODELS = Path(__file__).parent.parent / "patches" / "models"
SHIPPED = ("guitar", "tabla")


@pytest.fixture(autouse=True)
def _still() -> None:
    torch.manual_seed(1)
    torch.set_num_threads(1)


@pytest.fixture(scope="module", params=SHIPPED)
def shipped(request: pytest.FixtureRequest) -> tuple[str, Any, dict[str, Any], Tensor]:
    """Name, model, card and recording [1, samples]."""
    name = request.param
    model, card = jit.load(MODELS / f"{name}.ts")
    return name, model, json.loads(card), small_train.recording(small_train.SOUNDS / f"{name}.flac")[:1]


def test_hashes_and_sizes() -> None:
    files = sorted(MODELS.glob("*.ts"))
    assert {p.stem for p in files} == {*SHIPPED, "wavae_drums", "wavae_strings", "wavae_voice"}
    hashes = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
    assert json.loads((MODELS / "sha256.json").read_text()) == hashes
    assert all(p.stat().st_size < (3_000_000 if p.stem in SHIPPED else 8_000_000) for p in files)


def test_shipped_chunks_are_the_whole(shipped: tuple[str, Any, dict[str, Any], Tensor]) -> None:
    _, model, _, sound = shipped
    x = torch.stack([sound[:, 24000 : 24000 + 512 * 96], sound[:, 96000 : 96000 + 512 * 96]])
    with torch.inference_mode():
        reset(model)
        z = model.encode(x)
        whole = model.decode(z)
        for frames in (1, 2, 3, 16, 64):
            reset(model)
            chunks = [model.encode(part) for part in x.split(512 * frames, 2)]
            assert (torch.cat(chunks, 2) - z).abs().max() < 1e-5
            back = torch.cat([model.decode(part) for part in z.split(frames, 2)], 2)
            assert (back - whole).abs().max() < 1e-5
            reset(model)
            through = torch.cat([model(part) for part in x.split(512 * frames, 2)], 2)
            assert (through - whole).abs().max() < 1e-5
    assert whole.std() > 0.01


def test_shipped_models_sound_like_their_recordings(shipped: tuple[str, Any, dict[str, Any], Tensor]) -> None:
    """The mean error in mel bands is well below that of the recording's mean spectrum, and as the card says."""
    _, model, card, sound = shipped
    late = int(card["delay"]["forward"])
    x = sound[:, : sound.size(1) // 512 * 512]
    with torch.inference_mode():
        reset(model)
        y = model(x[None])[0][:, late:]
        pieces = small_train.material(sound, torch.Generator().manual_seed(2)).split(25)
        z = torch.cat([(reset(model), model.encode(piece))[1] for piece in pieces]).transpose(0, 1).reshape(8, -1)
    due, got = small_train.level(x[:, : y.size(1)]), small_train.level(y)
    error, plain = (20 * float((a - due).abs().mean()) for a in (got, due.mean(1, keepdim=True)))
    assert error < 0.4 * plain
    assert error == pytest.approx(card["metrics"]["mel_error_db"], abs=0.1)
    assert float(y.std() / x.std()) == pytest.approx(1.0, abs=0.4)
    assert torch.allclose(z.std(1), torch.ones(8), atol=0.15)
    assert torch.allclose(z.mean(1), torch.zeros(8), atol=0.15)
    assert (torch.corrcoef(z) - torch.eye(8)).abs().max() < 0.15


def test_the_delay_on_the_card_is_right_within_a_frame(shipped: tuple[str, Any, dict[str, Any], Tensor]) -> None:
    """The lag at which the mel bands of what comes out are nearest to those of what went in."""
    _, model, card, sound = shipped
    x = sound[:, : 512 * 200]
    with torch.inference_mode():
        reset(model)
        y = model(x[None])[0]
    n = x.size(1) - 2048
    due = small_train.level(x[:, :n])
    errors = {lag: float((small_train.level(y[:, lag : lag + n]) - due).abs().mean()) for lag in range(0, 2049, 64)}
    best = min(errors, key=lambda lag: errors[lag])
    assert abs(best - card["delay"]["forward"]) <= 512
    assert errors[best] < 0.8 * errors[0]
    assert card["delay"]["encode"] + card["delay"]["decode"] == card["delay"]["forward"]


def test_temperature_is_seeded_noise_and_noise_a_level(shipped: tuple[str, Any, dict[str, Any], Tensor]) -> None:
    _, model, _, sound = shipped
    x = sound[None, :, 48000 : 48000 + 512 * 40]

    def play(seed: int) -> Tensor:
        reset(model)
        torch.manual_seed(seed)
        with torch.inference_mode():
            return model(x)

    still = play(1)
    assert torch.equal(still, play(2))
    assert model.set_temperature(1.0) == 0
    warm = play(1)
    assert torch.equal(warm, play(1))
    assert not torch.equal(warm, play(2))
    assert not torch.equal(warm, still)
    assert model.set_temperature(2.5) == -1
    assert model.set_temperature(0.0) == 0
    assert model.set_noise(0.0) == 0
    assert not torch.equal(play(1), still)
    assert model.set_noise(1.0) == 0
    assert torch.equal(play(1), still)


def test_shipped_models_are_bounded_and_cross(shipped: tuple[str, Any, dict[str, Any], Tensor]) -> None:
    """Latents far from any that were learnt, and the other model's, give sound and no explosion."""
    name, model, _, sound = shipped
    other = jit.load(MODELS / f"{next(n for n in SHIPPED if n != name)}.ts")[0]
    with torch.inference_mode():
        reset(model)
        wild = model.decode(torch.randn(1, 8, 100) * 100)
        crossed = other.decode(model.encode(sound[None, :, : 512 * 200]))
        reset(model)
        silent = model(torch.zeros(1, 1, 512 * 100))[..., 512 * 20 :]
    assert torch.isfinite(wild).all()
    assert wild.abs().max() < 100
    assert crossed.std() > 0.005
    assert silent.abs().max() < 0.02


def test_shipped_models_keep_up(shipped: tuple[str, Any, dict[str, Any], Tensor]) -> None:
    """At least ten times as fast as sound on one core, a frame at a time; the median counts what this thread did alone."""
    _, model, _, sound = shipped
    parts = sound[None, :, : 512 * 150].split(512, 2)
    spent = []
    with torch.inference_mode():
        for part in parts:
            began = time.thread_time()
            model(part)
            spent.append(time.thread_time() - began)
    assert sorted(spent[10:])[70] < 512 / 48000 / 5  # half of the real figure, for busy machines


def test_readme_names_the_models() -> None:
    text = (MODELS / "README.md").read_text()
    for name in SHIPPED:
        assert f"`{name}.ts`" in text
        assert f"python -m nodes.ml.small_train {name}" in text
    assert re.search("CC0", text)


@pytest.mark.slow
def test_training_learns(tmp_path: Path) -> None:
    """Sixty steps on two seconds already beat the mean spectrum."""
    sound = small_train.recording(small_train.SOUNDS / "tabla.flac")[:, : 48000 * 4]
    encoder, decoder = small_train.train(sound, 1, steps=60)
    again = small_train.train(sound, 1, steps=3), small_train.train(sound, 1, steps=3)
    scores = small_train.scores(small_train.Autoencoder(encoder, decoder), sound)
    assert scores["mel_error_db"] < scores["mel_error_of_mean_spectrum_db"]
    assert all(torch.equal(a, b) for a, b in zip(again[0][1].parameters(), again[1][1].parameters()))
