"""Tables of how good models are, as Markdown and JSON, and whether shipped ones are as good as their cards say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import jit, shelf
from .data import Corpus, DataError

MEASURES = {"wavae": "nodes.ml.wavae_eval"}
"""Where each system's `measure`, `GOALS`, `MOST` and `TOLD` are."""
LONGEST = 8.0
"""Seconds of a stretch of sound that count."""
ALL, QUICK = 40.0, 12.0
"""Seconds of held-out sound that are measured."""
MATERIAL = 80.0
"""Seconds of training sound that baselines learn from."""
EXCERPTS = "held-out"
"""The folder beside shipped models with a sound for each that it was not trained on."""


def held_out(corpus: Corpus, rate: int, seconds: float, split: str = "test") -> list[Tensor]:
    """Stretches of a split, [samples] each, spread over all of it, `seconds` in all.  Raises DataError where there is none."""
    items = corpus.of(split)
    if not items:
        raise DataError(f"{corpus.folder}: has no sound in its split {split}")
    if corpus.rate != rate:
        raise DataError(f"{corpus.folder}: has a rate of {corpus.rate} Hz, the model {rate} Hz; `zrack data --rate {rate}`")
    order = np.random.default_rng(0).permutation(len(items))
    out, total = [], 0.0
    for i in order:
        sound = corpus.read(items[i], 0, int(LONGEST * rate))[0]
        out.append(torch.from_numpy(np.array(sound)))
        total += len(sound) / rate
        if total >= seconds:
            break
    return out


def evaluate(system: str, model: Path, data: Path, out: Path | None = None, without: Path | None = None,
             quick: bool = False) -> dict[str, Any]:  # fmt: skip
    """The figures of a model file on the test split of a corpus; with `out`, also report.md, figures.json and pictures there.

    Raises DataError, KeyError for an unknown system, and RuntimeError where the file is no model.
    """
    corpus = Corpus(data)
    rate = int(card(model)["config"]["rate"])
    held = held_out(corpus, rate, QUICK if quick else ALL)
    known = [] if quick else held_out(corpus, rate, MATERIAL, "train")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = import_module(MEASURES[system]).measure(model, held, known, without, out)
    if out is not None:
        report(out, system, model, data, figures)
    return figures


def card(model: Path) -> dict[str, Any]:
    """What a file says of itself.  Raises RuntimeError where it is no TorchScript file."""
    return dict(json.loads(jit.load(model)[1] or "{}"))


def report(out: Path, system: str, model: Path, data: Path, figures: Mapping[str, Any]) -> None:
    """Writes figures.json, and report.md for people: what was measured on what, and every figure with a sentence."""
    about, module = card(model), import_module(MEASURES[system])
    (out / "figures.json").write_text(json.dumps({model.stem: figures}, indent=1) + "\n", encoding="utf-8")
    short = missing(system, figures)
    lines = [
        f"# {model.stem}", "",
        f"{model.name}: {about.get('description') or 'a model without description'}, a `{system}` of "
        f"{about['config']['latents']} latents and a loudness, {model.stat().st_size / 1e6:.1f} MB.",
        f"Trained on {about.get('training_data', 'what it does not say')}: {about.get('steps', '?')} steps, "
        f"{about.get('seconds', 0) / 60:.1f} minutes on {about.get('machine', 'some machine')}.",
        f"Made by `{about.get('command', '?')}`.",
        f"Measured on {figures['seconds']:g} seconds of the held-out sound in {data.name}, which it never heard.", "",
        "It reaches its goals." if not short else f"It falls short: {'; '.join(short)}.",
    ]  # fmt: skip
    for chapter, told in module.TOLD.items():
        lines += ["", f"## {chapter}", "", "| | measured | better | goal | what it says |", "|---|---|---|---|---|"]
        for key, (name, better, says) in told.items():
            if key in figures:
                lines.append(f"| {name} | {figures[key]} | {better} | {goal(module, key)} | {says} |")
    if "traversal_centroid_hz" in figures:
        lines += ["", "## The latents, one by one", "", "| | moves the bands by, dB | spectral centroid on its way, Hz |"]
        lines += ["|---|---|---|"]
        for name, way in figures["traversal_centroid_hz"].items():
            lines.append(f"| {name} | {figures['traversal_moves_db'][name]} | {' → '.join(map(str, way))} |")
        lines += ["", "Each is moved from −1 to 1, three deviations of the training sound either way, while the others are 0."]
    captions = {
        "round_trip.png": "What went in, what comes out, Griffin–Lim of the true bands; `round_trip.flac` is the first two.",
        "traversal.png": "What each latent does to the spectrum.",
        "loudness.png": "The loudness that was asked for, and that is heard.",
    }
    for file, caption in captions.items():
        if (out / file).is_file():
            lines += ["", f"![{caption}]({file})", "", caption]
    (out / "report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def goal(module: Any, name: str) -> str:
    """What a figure has to reach, in words."""
    return f"{'at most' if name in module.MOST else 'at least'} {module.GOALS[name]:g}" if name in module.GOALS else ""


def missing(system: str, figures: Mapping[str, Any]) -> list[str]:
    """The goals of a system that figures do not reach, in words."""
    module = import_module(MEASURES[system])
    names = {key: name for told in module.TOLD.values() for key, (name, _, _) in told.items()}
    return [
        f"{names[key]} is {figures[key]}, the goal is {goal(module, key)}"
        for key, wanted in module.GOALS.items()
        if key in figures and not reaches(module.MOST, key, figures[key], wanted)
    ]


def table(rows: Mapping[str, Mapping[str, Any]], system: str) -> str:
    """Markdown: a column a model, a row a figure; what is no number is left to the JSON."""
    module = import_module(MEASURES[system])
    lines = [f"| | {' | '.join(rows)} | better | goal |", f"|---|{'---|' * len(rows)}---|---|"]
    for told in ({"": {"seconds": ("seconds measured", "", "")}} | module.TOLD).values():
        for key, (name, better, _) in told.items():
            if any(key in row for row in rows.values()):
                values = " | ".join(str(row.get(key, "")) for row in rows.values())
                lines.append(f"| {name} | {values} | {better} | {goal(module, key)} |")
    return "\n".join(lines)


def thresholds(system: str, figures: Mapping[str, float]) -> dict[str, float]:
    """What a model is to reach from now on: the goals of its system, and its mel error and a tenth.

    A goal that it does not reach is replaced by what it has, less a tenth: the card tells both.  Speed is the machine's as much
    as the model's: half of its goal is promised, for a machine that is busy or older.
    """
    module = import_module(MEASURES[system])
    found = {name: goal for name, goal in module.GOALS.items() if name in figures}
    for name, goal in found.items():
        if not reaches(module.MOST, name, figures[name], goal):
            found[name] = round(figures[name] * (1.1 if name in module.MOST else 0.9), 4)
    if "realtime" in found:
        found["realtime"] /= 2
    return {**found, "mel_error_db": round(1.1 * figures["mel_error_db"], 2)}


def reaches(most: set[str], name: str, value: float, goal: float) -> bool:
    return value <= goal if name in most else value >= goal


def shipped(quick: bool = True) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    """Name, figures and shortcomings (a sentence each) of every shipped model that states thresholds.

    They are measured on the excerpts that lie beside them.  `quick` takes a few seconds of each.
    """
    import soundfile

    for path in sorted(shelf.SHIPPED.glob("*.ts")):
        about = shelf.card(path)
        goals, system = about.get("thresholds"), about.get("system", "")
        if not goals or system not in MEASURES:
            continue
        excerpt = shelf.SHIPPED / EXCERPTS / f"{path.stem}.flac"
        try:
            held = pieces(excerpt)
        except (OSError, soundfile.SoundFileError):
            yield path.stem, {}, [f"{excerpt.name}: cannot be read, so {path.name} was not measured"]
            continue
        module = import_module(MEASURES[system])
        figures = module.measure(path, held[:3] if quick else held)
        yield (
            path.stem,
            figures,
            [
                f"{path.name}: {name.replace('_', ' ')} is {figures.get(name)}, its card promises {goal}"
                for name, goal in goals.items()
                if name not in figures or not reaches(module.MOST, name, figures[name], goal)
            ],
        )


def pieces(path: Path) -> list[Tensor]:
    """An excerpt in stretches, [samples] each.  Raises OSError, soundfile.SoundFileError."""
    import soundfile

    sound, rate = soundfile.read(path, dtype="float32")
    return list(torch.from_numpy(sound).split(int(LONGEST / 2 * rate)))


def excerpt(path: Path, corpus: Corpus, rate: int) -> None:
    """Writes QUICK seconds of a corpus's test sound, in stretches of a third where there are such, as a 16-bit FLAC."""
    import soundfile

    third = int(LONGEST / 2 * rate)
    pieces, total = [], 0
    for x in sorted((x[:third] for x in held_out(corpus, rate, 10 * QUICK)), key=len, reverse=True):
        if total < QUICK * rate:
            pieces.append(x)
            total += len(x)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, torch.cat(pieces).clamp(-1, 1).numpy(), rate, subtype="PCM_16")
