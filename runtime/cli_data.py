"""The command `zrack data`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nodes.ml.data import Corpus

EXISTING = click.Path(path_type=Path)
KINDS = ("strings", "voice", "drums", "notes")
MOST = 12
"""Values of a label that a person is told."""


@click.command()
@click.argument("folders", metavar="[FOLDER]...", nargs=-1, type=EXISTING)
@click.option("-o", "--output", type=EXISTING, metavar="DIR", help="Where the corpus goes; one that was stopped goes on.")
@click.option("--rate", default=24000, show_default=True, type=click.IntRange(4000, 384000), help="Samples a second.")
@click.option("--channels", default=1, show_default=True, type=click.IntRange(1, 2), help="1 mixes down.")
@click.option("--labels", default="", metavar="PATTERN", help="What names mean, as in '{instrument}/{pitch}_*'.")
@click.option("--silence", "quiet", default=-60.0, show_default=True, metavar="DB", help="What is softer counts as silence.")
@click.option("--pause", default=0.5, show_default=True, type=click.FloatRange(0), help="Longer silence is cut out (seconds).")
@click.option("--longest", default=30.0, show_default=True, type=click.FloatRange(0.1), help="Seconds of a stretch at most.")
@click.option("--make", type=click.Choice(KINDS), help="Makes sound with free instruments instead.")
@click.option("--minutes", default=10.0, show_default=True, type=click.FloatRange(0, min_open=True), help="Of what is made.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of what is made.")
@click.option("--only", multiple=True, metavar="NAME", help="Keeps to this instrument, kit or language; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="What is in the corpus, for machines.")
def data(folders: tuple[Path, ...], output: Path | None, rate: int, channels: int, labels: str, quiet: float,
         pause: float, longest: float, make: str | None, minutes: float, seed: int, only: tuple[str, ...],
         as_json: bool) -> None:  # fmt: skip
    """Makes a corpus to train on, or tells what is in one.

    `zrack data SOUNDS -o DIR` takes every sound file in a folder, `zrack data --make strings -o DIR` makes some up, and
    `zrack data DIR` tells.
    """
    from nodes.ml import corpus
    from nodes.ml.data import Corpus, DataError

    from .report import to_json

    if output is None and (make or len(folders) != 1):
        raise click.UsageError("name a corpus to be told about, or a folder of sounds or --make, and -o DIR")
    if output and bool(make) == bool(folders):
        raise click.UsageError("name folders of sounds or --make, one of both")
    bad: list[Path] = []
    try:
        with _bar() as (progress, tell):
            if output and make:
                corpus.make(make, output, rate, minutes, seed, channels=channels, only=only, tell=tell, progress=progress)
            elif output:
                bad = corpus.gather(
                    folders, output, rate, channels=channels, labels=labels, quiet=quiet, pause=pause, longest=longest,
                    tell=tell, progress=progress,
                )  # fmt: skip
        made = Corpus(output or folders[0])
        if not made.items:
            raise DataError(f"{made.folder}: there is no sound in it")
    except DataError as error:
        raise click.ClickException(str(error)) from None
    found = _summary(made) | {"left_out": [str(path) for path in bad]}
    click.echo(to_json(found) if as_json else _tell(found))


def _summary(made: Corpus) -> dict[str, Any]:
    """What is in a corpus; of labels, how many seconds there are of each value."""
    seconds: dict[str, dict[str, float]] = {}
    for item in made.items:
        for label, value in item.labels.items():
            if isinstance(value, str | int):
                of = seconds.setdefault(label, {})
                of[str(value)] = of.get(str(value), 0.0) + item.frames / made.rate
    loudness = sorted(item.loudness for item in made.items)
    return {
        "corpus": str(made.folder), "rate": made.rate, "channels": made.channels, "items": len(made.items),
        "seconds": {"all": made.seconds(), **{s: made.seconds(s) for s in ("train", "valid", "test")}},
        "bytes": sum(path.stat().st_size for path in made.folder.rglob("*") if path.is_file()),
        "peak": max(item.peak for item in made.items),
        "loudness": [loudness[len(loudness) * tenth // 10] for tenth in (1, 5, 9)],
        "labels": {label: dict(sorted(values.items())) for label, values in seconds.items()},
    }  # fmt: skip


def _tell(found: dict[str, Any]) -> str:
    def time(seconds: float) -> str:
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"

    parts = ", ".join(f"{split} {time(s)}" for split, s in found["seconds"].items() if split != "all")
    low, middle, high = found["loudness"]
    lines = [
        f"{found['corpus']}: {time(found['seconds']['all'])} min in {found['items']} stretches ({parts}), {found['rate']} Hz, "
        f"{found['channels']} channel{'s' * (found['channels'] > 1)}, {found['bytes'] / (1 << 20):.1f} MiB",
        f"  loudness {middle:.0f} dBFS, mostly {low:.0f} to {high:.0f}, peak {found['peak']:.2f}",
    ]
    for label, values in found["labels"].items():
        told = ", ".join(f"{v} {time(s)}" for v, s in values.items()) if len(values) <= MOST else f"{len(values)} values"
        lines.append(f"  {label}: {told}")
    return "\n".join(lines + [f"  {len(found['left_out'])} files were left out"] * bool(found["left_out"]))


@contextmanager
def _bar() -> Iterator[tuple[Callable[[float, float, str], None], Callable[[str], None]]]:
    """What shows how far it is, on a terminal, and what says a sentence above that."""
    if not sys.stderr.isatty():
        yield lambda *_: None, lambda sentence: click.echo(f"zrack: {sentence}", err=True)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.description}", markup=False)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None)
        yield (
            lambda done, total, name: bars.update(task, completed=done, total=total, description=name),
            lambda sentence: bars.console.print(f"zrack: {sentence}", markup=False, highlight=False, soft_wrap=True),
        )
