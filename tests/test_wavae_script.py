"""examples/wavae.sh in miniature: from a folder of recordings to a model that plays in a patch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from graph.file import load
from nodes import catalog  # noqa: F401 - declares the node types that the patch has

HERE = Path(__file__).parent.parent


def script(*words: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Runs the script with zrack as it is here, and with answers about trust of its own."""
    env = {**os.environ, "ZRACK": f"{sys.executable} -m runtime.cli", "OMP_NUM_THREADS": "1"}
    env |= {f"ZRACK_{name}": str(home / name.lower()) for name in ("CONFIG", "STATE")}
    call = ["bash", str(HERE / "examples/wavae.sh"), *map(str, words)]
    return subprocess.run(call, cwd=HERE, env=env, capture_output=True, text=True, timeout=300)


def test_from_recordings_to_a_model_that_plays(tmp_path: Path) -> None:
    out = tmp_path / "my model"
    done = script(out, "--from", HERE / "patches/sounds", "--tiny", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line[10:16] for line in done.stdout.splitlines() if " of 6: " in line] == [f"{n} of 6" for n in range(1, 7)]
    sound, rate = soundfile.read(out / "play.wav")
    assert np.isfinite(sound).all() and len(sound) == 4 * rate
    assert np.sqrt(np.mean(np.square(sound[rate:]))) > 1e-4  # after the first second the model is heard
    assert {path.name for path in (out / "report").iterdir()} == {
        "report.md", "figures.json", "round_trip.png", "round_trip.flac", "traversal.png", "loudness.png",
    }  # fmt: skip
    figures = json.loads((out / "report/figures.json").read_text())["model"]
    assert figures["mel_error_db"] > 0 and figures["griffin_lim_of_true_mel_db"] > 0
    assert "of the held-out sound in corpus" in (out / "report/report.md").read_text()
    assert soundfile.info(out / "held-out.flac").frames > 0
    patch = load(out / "play.zrack")
    assert patch.node("decode").type == "model/nn"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["out", "--form", "x"], "wavae.sh: there is no option --form"),
        (["out", "--from"], "wavae.sh: --from needs a value"),
        ([], "examples/wavae.sh FOLDER --from SOUNDS"),
    ],
)
def test_it_says_how_it_is_called(words: list[str], says: str, tmp_path: Path) -> None:
    done = script(*words, home=tmp_path)
    assert done.returncode == 2
    assert says in done.stdout + done.stderr
