"""`zrack tape`: the stored path of a latent tape, from a file into a patch and back."""

from __future__ import annotations

from pathlib import Path

import click

EXISTING = click.Path(path_type=Path)


@click.command()
@click.argument("path", metavar="PATCH", type=EXISTING)
@click.argument("node")
@click.option("--load", "source", type=EXISTING, metavar="FILE", help="Takes the path from a file: .npy, .npz or .json.")
@click.option("--resample", "frames", type=click.IntRange(1, 1 << 16), metavar="N", help="Brings it to N frames.")
@click.option("--reverse", is_flag=True, help="Turns it round.")
@click.option("--fit", metavar="NODE", help="Fits the axes of a latent/rotate, or the moments of a latent/prior, on it.")
@click.option("--save", "output", type=EXISTING, metavar="FILE", help="Writes the path to a file, not into the patch.")
def tape(path: Path, node: str, source: Path | None, frames: int | None, reverse: bool, fit: str | None,
         output: Path | None) -> None:  # fmt: skip
    """Loads, changes or saves the path that a latent tape stores.

    Without options it says how long it is.
    """
    from graph import Patch, PatchError
    from nodes import catalog
    from nodes.dsp import paths

    from . import tapes

    for sentence in catalog.load():
        click.echo(f"zrack: {sentence}", err=True)
    patch = Patch.load(path)
    try:
        rows = paths.load(source) if source else tapes.stored(patch, node)
        rows = paths.resample(rows, frames) if frames else rows
        rows = paths.reverse(rows) if reverse else rows
        if fit:
            tapes.fit(patch, fit, rows)
        if output:
            paths.save(output, rows)
        elif source or frames or reverse:
            tapes.store(patch, node, rows)
        if fit or (not output and (source or frames or reverse)):
            patch.save(path)
    except PatchError as error:
        raise error.within(file=str(path)) from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    where = f"{output}: " if output else f"{path}: node {node}: "
    click.echo(f"{where}{len(rows)} frames of {rows.shape[1]} dims")
