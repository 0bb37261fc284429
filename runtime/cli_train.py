"""The commands `zrack train`, `zrack evaluate` and `zrack export`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

FOLDER = click.Path(path_type=Path)
R = TypeVar("R")
NEEDED = "training needs torch and lightning; pip install 'zrack[train]'"


def refusals(error: Exception) -> click.ClickException | None:
    """The sentence for a person, of an error that is one."""
    from nodes.ml.contract import ModelError
    from nodes.ml.data import DataError

    known: tuple[type[Exception], ...] = (ModelError, DataError)
    try:
        from nodes.ml.train import TrainError

        known += (TrainError,)
    except ModuleNotFoundError:
        return click.ClickException(NEEDED)
    return click.ClickException(str(error)) if isinstance(error, known) else None


def told(work: Callable[[], R]) -> R:
    """What `work` returns.  Its own errors become sentences."""
    try:
        return work()
    except Exception as error:
        sentence = refusals(error)
        if sentence is None:
            raise
        raise sentence from None


def changed(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    """name=number, as often as it is given."""
    found = {}
    for value in values:
        name, _, number = value.partition("=")
        try:
            found[name] = float(number)
        except ValueError:
            raise click.BadParameter(f"{value}: write name=number") from None
    return found


@click.command()
@click.argument("system")
@click.option("--data", type=FOLDER, required=True, help="Folder of a corpus, as `zrack data` makes them.")
@click.option("-o", "--output", type=FOLDER, required=True, help="Folder of the run; one that was stopped goes on.")
@click.option("--preset", default="small", show_default=True, help="Size: tiny, small or full.")
@click.option("--sound", default="speech", show_default=True, help="How finely to look: tones, speech or drums.")
@click.option("--set", "changes", multiple=True, callback=changed, metavar="NAME=NUMBER", help="Of the system's configuration.")
@click.option("--steps", type=click.IntRange(1), default=1500, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True, help="Chunks in a step.")
@click.option("--frames", type=click.IntRange(1), default=16384, show_default=True, help="Samples in a chunk.")
@click.option("--learning-rate", "rate", type=click.FloatRange(0, min_open=True), default=2e-3, show_default=True)
@click.option(
    "--gain", type=click.FloatRange(0), default=10.0, show_default=True, help="dB that a chunk is changed by, at most."
)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--minutes", type=click.FloatRange(0), default=0.0, help="Stops after so long; the same command goes on.")
@click.option("--every", type=click.IntRange(1), default=200, show_default=True, help="Steps from checkpoint to checkpoint.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, gpu or mps.")
@click.option("--devices", type=click.IntRange(1), default=1, show_default=True)
@click.option("--nodes", type=click.IntRange(1), default=1, show_default=True, help="Machines; start the command on each.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--workers", type=click.IntRange(0), default=0, show_default=True, help="Processes that read sound.")
@click.option("--tensorboard", is_flag=True, help="Also writes for TensorBoard.")
def train(system: str, data: Path, output: Path, **options: Any) -> None:
    """Trains SYSTEM (wavae) on a corpus; `zrack export` makes a model of the run, at any time."""

    def work() -> float:
        from nodes.ml import train as kit

        for name in ("lightning.pytorch", "lightning.fabric"):  # they advertise
            logging.getLogger(name).setLevel(logging.ERROR)
        means = {
            k: options.pop(k) for k in ("minutes", "every", "device", "devices", "nodes", "threads", "workers", "tensorboard")
        }
        kit.check(str(data))
        return kit.train(kit.Job(system, str(data), **options), output, kit.Means(**means), kit.stderr)

    click.echo(f"\n{output}: {told(work):.0f} s in all; `zrack export {output} -o MODEL.ts` makes a model of it", err=True)


@click.command("export")
@click.argument("run", type=FOLDER)
@click.option("-o", "--output", type=FOLDER, required=True, help="Model file to write, ending in .ts.")
@click.option("--data", type=FOLDER, help="Folder of the corpus, where it is not the run's own any more.")
@click.option("--description", default="", help="A sentence for the card.")
@click.option("--licence", default="", help="What may be done with the model; else what the corpus's README says.")
@click.option("--excerpt", type=FOLDER, help="Also writes a little of the held-out sound, a FLAC file.")
@click.option("--json", "as_json", is_flag=True, help="The whole card.")
def export(
    run: Path, output: Path, data: Path | None, description: str, licence: str, excerpt: Path | None, as_json: bool
) -> None:
    """Makes a model file of a run, measures it on held-out sound, and writes both into its card."""

    def work() -> dict[str, Any]:
        from nodes.ml.publish import publish

        return publish(run, output, data, description, licence, excerpt)

    card = told(work)
    from .report import to_json

    if as_json:
        click.echo(to_json(card))
    else:
        figures = ", ".join(f"{k.replace('_', ' ')} {v:g}" for k, v in card["metrics"].items() if isinstance(v, float))
        click.echo(f"{output}: {figures}")


@click.command()
@click.argument("system", required=False)
@click.option("--model", type=FOLDER, help="Model file; a trusted one, for it is run.")
@click.option("--data", type=FOLDER, help="Folder of the corpus with its held-out sound.")
@click.option("--without", type=FOLDER, help="A model without the adversary, to compare with.")
@click.option("-o", "--output", type=FOLDER, help="Folder for report.md, figures.json, pictures and sounds.")
@click.option("--shipped", is_flag=True, help="The models that come with zrack, against what their cards promise.")
@click.option("--quick", is_flag=True, help="On a few seconds of sound, without baselines.")
@click.option("--json", "as_json", is_flag=True, help="Figures for machines.")
def evaluate(
    system: str | None, model: Path | None, data: Path | None, without: Path | None, output: Path | None,
    shipped: bool, quick: bool, as_json: bool,
) -> None:  # fmt: skip
    """Measures a model of SYSTEM on held-out sound, or all shipped ones; exits 1 when one of these falls short."""
    from .report import to_json

    short: list[str] = []

    def work() -> dict[str, Any]:
        from nodes.ml import evaluate as e
        from nodes.ml import shelf, trust
        from nodes.ml.contract import ModelError

        if shipped:
            rows = {}
            for name, figures, wrong in e.shipped(quick):
                rows[name] = figures
                short.extend(wrong)
            return rows
        if not (system and model and data):
            raise click.UsageError("say SYSTEM, --model and --data, or --shipped")
        if system not in e.MEASURES:
            raise ModelError(f"there is no system {system}; there are {', '.join(e.MEASURES)}")
        for path in filter(None, (model, without)):
            if not trust.is_trusted(shelf.digest(path)):
                raise ModelError(f"{path.name}: is not trusted, so it was not run; `zrack models {path} --trust` lets it run")
        return {model.stem: e.evaluate(system, model, data, output, without, quick)}

    rows = told(work)
    if as_json:
        click.echo(to_json({"models": rows, "short": short}))
    elif rows:
        from nodes.ml.evaluate import table

        click.echo(table(rows, system or "wavae"))
    if output and rows:
        click.echo(f"{output / 'report.md'}: the same with what it means, and pictures", err=True)
    for sentence in short:
        click.echo(f"zrack: {sentence}", err=True)
    if short or (shipped and not rows):
        click.get_current_context().exit(1)
