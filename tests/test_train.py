"""nodes.ml.train, publish and evaluate, and their commands: WaVAE in miniature, from a corpus to a model that plays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

from nodes.ml import evaluate, shelf, train, wavae_eval
from nodes.ml.data import Corpus, DataError, Writer
from nodes.ml.publish import publish
from nodes.ml.torchscript import Running, interface
from runtime import cli_train

RATE = 24000


class Stopped(Exception):
    pass


@pytest.fixture(autouse=True)
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZRACK_CONFIG", str(tmp_path / "config"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of tones that swell and fade."""
    folder = tmp_path_factory.mktemp("data") / "tones"
    rng = np.random.default_rng(1)
    t = np.arange(4 * RATE) / RATE
    with Writer(folder, RATE, 1, {"make": "tones"}, "# tones\n\n## Licence\n\nNobody's.\n") as writer:
        for n, split in enumerate(["train", "train", "train", "valid", "test", "test"]):
            swell = np.interp(t, np.linspace(0, 4, 9), 10 ** rng.uniform(-2, -0.5, 9))
            sound = swell * np.sin(2 * np.pi * rng.uniform(200, 2000) * t)
            writer.add(f"{n}", [(split, sound.astype(np.float32)[:, None], {})])
    return folder


def job(corpus: Path, **changes: object) -> train.Job:
    return train.Job("wavae", str(corpus), preset="tiny", steps=6, batch=2, frames=8192, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train.train(job(corpus), folder, train.Means(every=3, device="cpu"))
    return folder


@pytest.fixture(scope="module")
def model(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("models")
        patch.setenv("ZRACK_CONFIG", str(folder / "config"))
        publish(run, folder / "tones.ts", excerpt=folder / "held-out" / "tones.flac")
    return folder / "tones.ts"


def test_a_run_leaves_what_was_asked_what_was_lost_and_what_is_heard(run: Path) -> None:
    assert json.loads((run / "job.json").read_text())["steps"] == 6
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert (
        rows[-1]["step"] == 6 and {"mel", "kl", "adversary", "swap"} <= set(rows[0]) and {"level", "on", "up"} <= set(rows[-1])
    )
    assert {p.name for p in (run / "heard").iterdir()} >= {"000003.flac", "000003.png", "000006.flac", "000006.png"}


def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    run: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = train.Watch.keep

    def stop(self: train.Watch, trainer: object, loop: object, hear: bool = True) -> None:
        plain(self, trainer, loop, hear)
        raise Stopped

    monkeypatch.setattr(train.Watch, "keep", stop)
    with pytest.raises(Stopped):
        train.train(job(corpus), tmp_path / "run", train.Means(every=3, device="cpu"))
    monkeypatch.setattr(train.Watch, "keep", plain)
    assert train.restore(tmp_path / "run" / "last.ckpt")["global_step"] == 3
    train.train(job(corpus), tmp_path / "run", train.Means(every=3, device="cpu"))
    one, two = (train.restore(folder / "last.ckpt") for folder in (run, tmp_path / "run"))
    assert two["global_step"] == 6
    for name, value in one["state_dict"].items():
        assert torch.equal(value, two["state_dict"][name]), name


def test_a_folder_belongs_to_one_job(run: Path, corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(train.TrainError, match="seed 1, not 2; name another folder"):
        train.begin(job(corpus, seed=2), run)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(train.TrainError, match="holds something else"):
        train.begin(job(corpus), tmp_path)


def test_a_damaged_checkpoint_is_said(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_bytes(b"no")
    with pytest.raises(train.TrainError, match=r"last\.ckpt: cannot be read"):
        train.restore(tmp_path / "last.ckpt")


def test_a_checkpoint_of_another_version_is_refused(run: Path, corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    kept = train.restore(folder / "last.ckpt")
    name = next(n for n, value in kept["state_dict"].items() if value.dim() == 3)
    kept["state_dict"][name] = kept["state_dict"][name][:-1]  # a layer was narrower then
    torch.save(kept, folder / "last.ckpt")
    for again in (lambda: train.train(job(corpus), folder, train.Means(device="cpu")), lambda: train.trained(folder)):
        with pytest.raises(train.TrainError, match=r"run: was begun by another version of zrack, and cannot go on"):
            again()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"preset": "vast"}, "vast"),
        ({"changes": {"depth": 3.0}}, "depth"),
        ({"frames": 10000}, "no multiple of 512"),
        ({"frames": 1024}, "spectra of 1024"),
    ],
)
def test_jobs_that_cannot_be_are_refused(corpus: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(train.TrainError, match=sentence):
        train.build(train.Job(**{**job(corpus).__dict__, **changes}))


def test_workers_and_devices_share_the_chunks(corpus: Path) -> None:
    whole = train.Chunks(job(corpus), RATE, 0, 1)
    batches = [b for b, _ in zip(whole, range(4), strict=False)]
    second = [b for b, _ in zip(train.Chunks(job(corpus), RATE, 1, 2), range(2), strict=False)]
    assert torch.equal(second[0], batches[1]) and torch.equal(second[1], batches[3])
    assert not torch.equal(batches[0], batches[1])


def test_the_model_is_of_the_convention_and_says_what_it_is(model: Path, run: Path) -> None:
    found = interface(model)
    assert found.notes == ()
    shapes = [(m.name, m.inputs, m.in_ratio, m.outputs, m.out_ratio) for m in found.methods]
    assert shapes == [("encode", 1, 1, 3, 512), ("decode", 3, 512, 1, 1), ("forward", 1, 1, 1, 1)]
    assert found.card["licence"] == "Nobody's."
    assert found.card["command"].startswith("zrack train wavae --data tones -o RUN --preset tiny --steps 6")
    assert found.card["latent"]["names"] == ["z1", "z2", "loudness"]
    assert found.card["metrics"]["streamed_difference"] < 1e-4
    assert set(found.card["thresholds"]) == {"mel_error_db", "loudness_follows", "streamed_difference", "realtime"}


def test_the_model_plays_a_frame_at_a_time_as_all_at_once(model: Path) -> None:
    x = np.random.default_rng(1).standard_normal((1, 1, 16 * 512)).astype(np.float32) * 0.1
    about = interface(model)
    one = Running(model, "forward", about=about)
    whole = one.call(x, 1)
    one.reset()
    parts = np.concatenate([one.call(x[..., i : i + 512], 1) for i in range(0, x.shape[2], 512)], 2)
    assert np.abs(whole).max() > 1e-4
    assert np.abs(parts - whole).max() < 1e-4


def test_an_evaluation_is_a_table_with_baselines_and_pictures(model: Path, corpus: Path, tmp_path: Path) -> None:
    figures = evaluate.evaluate("wavae", model, corpus, tmp_path / "out", without=model)
    assert {"griffin_lim_of_true_mel_db", "pca_of_same_size_db", "mean_spectrum_db", "loudness_follows"} <= set(figures)
    assert figures["griffin_lim_of_true_mel_db"] < figures["mean_spectrum_db"]
    assert figures["loudness_known_from_latents"] == figures["loudness_known_without_adversary"]
    there = {p.name for p in (tmp_path / "out").iterdir()}
    assert there == {"report.md", "figures.json", "traversal.png", "loudness.png", "round_trip.png", "round_trip.flac"}
    assert json.loads((tmp_path / "out" / "figures.json").read_text())["tones"] == figures
    text = (tmp_path / "out" / "report.md").read_text()
    assert f"| what comes out, off by, dB | {figures['mel_error_db']} | lower |" in text
    assert f"Measured on {figures['seconds']:g} seconds of the held-out sound in tones" in text and "6 steps" in text
    told = {key for chapter in wavae_eval.TOLD.values() for key in chapter}
    assert told == {k for k, v in figures.items() if isinstance(v, float)} - {"seconds"}  # each figure has its sentence
    assert all(name in text for name in ("| z1 |", "| z2 |", "| loudness, 0.2 … 1 |"))


def test_a_report_says_which_goals_are_missed() -> None:
    good = {"loudness_follows": 0.95, "streamed_difference": 1e-6, "realtime": 6.0}
    assert evaluate.missing("wavae", good) == []
    assert evaluate.missing("wavae", {**good, "realtime": 3.0}) == ["times faster than it lasts is 3.0, the goal is at least 4"]
    shown = evaluate.table({"a": {"seconds": 1.0, **good}, "b": {"seconds": 2.0}}, "wavae").splitlines()
    assert shown[2] == "| seconds measured | 1.0 | 2.0 |  |  |"
    assert shown[-1] == "| times faster than it lasts | 6.0 |  | higher | at least 4 |"


def test_a_corpus_of_short_sounds_has_an_excerpt_and_one_of_shorter_ones_says_so(tmp_path: Path, model: Path) -> None:
    with Writer(tmp_path / "c", RATE, 1, {}, "") as writer:
        writer.add("a", [("test", np.full((RATE, 1), 0.1, np.float32), {}), ("test", np.ones((4000, 1), np.float32), {})])
    evaluate.excerpt(tmp_path / "x.flac", Corpus(tmp_path / "c"), RATE)
    assert soundfile.info(tmp_path / "x.flac").frames == RATE + 4000
    with pytest.raises(DataError, match=r"no stretch of held-out sound is as long as 0\.34 s"):
        wavae_eval.measure(model, [torch.zeros(4000)])


def test_shipped_models_are_held_to_their_cards(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "SHIPPED", model.parent)
    about = shelf.card(model)
    kept = {"mel_error_db": about["thresholds"]["mel_error_db"] * 2, "streamed_difference": 1e-4}
    monkeypatch.setattr(shelf, "card", lambda path: {**about, "thresholds": kept})
    shown = CliRunner().invoke(cli_train.evaluate, ["--shipped", "--quick", "--json"])
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)["models"]["tones"]["seconds"] > 0
    monkeypatch.setattr(shelf, "card", lambda path: {**about, "thresholds": {"mel_error_db": 0.01}})
    shown = CliRunner().invoke(cli_train.evaluate, ["--shipped", "--quick", "--json"])
    assert shown.exit_code == 1
    assert "its card promises 0.01" in shown.stderr
    monkeypatch.setattr(shelf, "SHIPPED", model.parent / "none")
    assert CliRunner().invoke(cli_train.evaluate, ["--shipped"]).exit_code == 1  # none there is not all are well


def test_thresholds_are_the_goals_or_what_is_reached() -> None:
    good = {"mel_error_db": 5.0, "loudness_follows": 0.95, "streamed_difference": 1e-6, "realtime": 6.0}
    assert evaluate.thresholds("wavae", good) == {
        "loudness_follows": 0.9, "streamed_difference": 1e-4, "realtime": 2.0, "mel_error_db": 5.5,
    }  # fmt: skip
    assert evaluate.thresholds("wavae", {**good, "loudness_follows": 0.8})["loudness_follows"] == pytest.approx(0.72)


def test_commands_refuse_in_a_sentence(tmp_path: Path, corpus: Path, model: Path) -> None:
    call = CliRunner().invoke
    shown = call(cli_train.train, ["wavae", "--data", str(tmp_path), "-o", str(tmp_path / "run")])
    assert shown.exit_code == 1 and "is no corpus" in shown.stderr
    shown = call(cli_train.train, ["raev", "--data", str(corpus), "-o", str(tmp_path / "run")])
    assert shown.exit_code == 1 and "there is no system raev" in shown.stderr
    shown = call(cli_train.export, [str(tmp_path), "-o", str(tmp_path / "x.ts")])
    assert shown.exit_code == 1 and "is no run" in shown.stderr
    shown = call(cli_train.evaluate, ["wavae", "--model", str(model), "--data", str(corpus), "--quick"])
    assert shown.exit_code == 1 and "is not trusted" in shown.stderr


def test_a_corpus_without_sound_to_test_on_is_refused(tmp_path: Path) -> None:
    with Writer(tmp_path / "c", RATE, 1, {}, "") as writer:
        writer.add("a", [("train", np.ones((100, 1), np.float32), {})])
    with pytest.raises(DataError, match="no sound in its split test"):
        train.check(str(tmp_path / "c"))
