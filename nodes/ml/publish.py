"""From a run to a model file that says what it is: exported, measured on held-out sound, its card complete."""

from __future__ import annotations

import json
import platform
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from . import evaluate as e
from . import jit, trust
from .data import Corpus
from .shelf import digest
from .streaming import reset
from .train import Job, material, trained


def publish(run: Path, output: Path, data: Path | None = None, description: str = "", licence: str = "",
            excerpt: Path | None = None) -> dict[str, Any]:  # fmt: skip
    """Writes `output` from the last checkpoint of a run and returns its card.  The file is trusted on this machine.

    `excerpt` is where a little of the held-out sound is written; the figures are then of this.  Raises TrainError, DataError,
    ModelError.
    """
    job, system, so_far = trained(run)
    folder = data or Path(job.data)
    corpus = Corpus(folder)
    here = Job(**{**job.__dict__, "data": str(folder)})
    about = {
        "name": output.stem,
        "description": description or f"a {job.system} of {folder.name}",
        "licence": licence or written(folder, "Licence"),
        "training_data": told(corpus),
        "command": command(job),
        "steps": so_far["steps"],
        "seconds": so_far["seconds"],
        "machine": machine(),
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    card = system.export(output, material(here, system), about)
    if excerpt is not None:
        e.excerpt(excerpt, corpus, system.sample_rate)
    held = e.held_out(corpus, system.sample_rate, e.QUICK) if excerpt is None else e.pieces(excerpt)
    figures = import_module(e.MEASURES[job.system]).measure(output, held)
    card |= {"metrics": figures, "thresholds": e.thresholds(job.system, figures)}
    module, _ = jit.load(output)
    reset(module)
    jit.save(module, output, card)
    trust.trust(digest(output), output.name)
    return card


def command(job: Job) -> str:
    """What makes such a run; the corpus by its name only."""
    usual = Job(job.system, "")
    words = ["zrack", "train", job.system, "--data", Path(job.data).name, "-o", "RUN"]
    for name in ("preset", "sound", "steps", "batch", "frames", "rate", "gain", "seed"):
        if getattr(job, name) != getattr(usual, name):
            words += ["--learning-rate" if name == "rate" else f"--{name}", str(getattr(job, name))]
    words += [word for name, value in job.changes.items() for word in ("--set", f"{name}={value:g}")]
    return " ".join(words)


def machine() -> str:
    """In general words."""
    device = "a GPU" if torch.cuda.is_available() else "one core"
    return f"{device}, {platform.machine()}, torch {torch.__version__.split('+')[0]}"


def told(corpus: Corpus) -> str:
    """What a corpus is made of."""
    made = corpus.about.get("made", {})
    kind = f"zrack data {made['make']}, seed {made.get('seed')}" if "make" in made else ", ".join(made.get("from", []))
    return f"{corpus.folder.name}: {corpus.seconds('train') / 60:.1f} minutes ({kind or json.dumps(made)})"


def written(folder: Path, heading: str) -> str:
    """The paragraphs under a heading of a corpus's README, as one line."""
    path = folder / "README.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    found = re.search(rf"^## {heading}\n+(.*?)(?=^#|\Z)", text, re.M | re.S)
    return " ".join(found[1].split()) if found else ""
