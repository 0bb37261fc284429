"""`zrack tape`: the stored path of a latent tape, from a file into a patch and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import numpy as np

EXISTING = click.Path(path_type=Path)
ORDER = ("erase", "random", "reverse", "scale", "bias", "smooth")
"""The operators (`nodes.dsp.curves.OPERATORS`), as they are done one after the other."""


@click.command()
@click.argument("path", metavar="PATCH", type=EXISTING)
@click.argument("node")
@click.option("--load", "source", type=EXISTING, metavar="FILE", help="Takes the path from a file: .npy, .npz or .json.")
@click.option("--copy-from", "other", metavar="NODE", help="Takes the path of another tape of the patch.")
@click.option("--resample", "frames", type=click.IntRange(1, 1 << 16), metavar="N", help="Brings it to N frames.")
@click.option("--erase", is_flag=True, help="Sets it to 0.")
@click.option("--random", type=float, metavar="AMOUNT", help="New numbers, up to ± AMOUNT.")
@click.option("--step", type=click.IntRange(1), default=1, metavar="N", help="Frames from one random number to the next.")
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="Chooses the random numbers.")
@click.option("--reverse", is_flag=True, help="Turns it round.")
@click.option("--scale", type=float, metavar="X", help="Multiplies it by X.")
@click.option("--bias", type=float, metavar="X", help="Adds X.")
@click.option("--smooth", type=click.IntRange(1), metavar="N", help="The mean of N frames around each.")
@click.option("--dim", "dims", type=click.IntRange(1), multiple=True, metavar="N",
              help="Does that to dimension N only; may be repeated.  Loading and resampling are for all.")  # fmt: skip
@click.option("--fit", metavar="NODE", help="Fits the axes of a latent/rotate, or the moments of a latent/prior, on it.")
@click.option("--save", "output", type=EXISTING, metavar="FILE", help="Writes the path to a file, not into the patch.")
def tape(path: Path, node: str, source: Path | None, other: str | None, frames: int | None, dims: tuple[int, ...],
         fit: str | None, output: Path | None, **wishes: Any) -> None:  # fmt: skip
    """Loads, changes or saves the path that a latent tape stores.

    What is asked for is done in the order of the list below, whatever the order on the command line; for another order call
    it several times.  Without options it says how long the path is.
    """
    from graph import Patch, PatchError
    from nodes import catalog
    from nodes.dsp import paths

    from . import tapes

    for sentence in catalog.load():
        click.echo(f"zrack: {sentence}", err=True)
    patch = Patch.load(path)
    try:
        worked = patch.copy()
        if source:
            tapes.store(worked, node, paths.load(source))
        if other:
            worked.apply(tapes.send(worked, other, node, [dim - 1 for dim in dims] or None))
        stored = tapes.stored(worked, node)
        rows = paths.resample(stored, frames) if frames else stored
        rows = _operated(rows, tapes.wide(worked, node), dims, wishes)
        if rows is not stored:
            tapes.store(worked, node, rows)
        changed = bool(source or other or rows is not stored) and not output
        patch = patch if output else worked
        if fit:
            tapes.fit(patch, fit, rows)
        if output:
            paths.save(output, rows)
        if fit or changed:
            patch.save(path)
    except PatchError as error:
        raise error.within(file=str(path)) from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    where = f"{output}: " if output else f"{path}: node {node}: "
    click.echo(f"{where}{len(rows)} frames of {rows.shape[1]} dims")


def _operated(rows: np.ndarray, wide: int, dims: Sequence[int], wishes: Mapping[str, Any]) -> np.ndarray:
    """A path of a latent with `wide` dimensions after the operators that were asked for; the same one where none was.

    Raises ValueError where it has not the dimensions, which are counted from 1.
    """
    from nodes.dsp import curves

    words = [word for word in ORDER if wishes[word] not in (None, False)]
    if not words:
        return rows
    rows = curves.widened(rows, wide)
    beyond = [dim for dim in dims if dim > rows.shape[1]]
    if beyond:
        raise ValueError(f"there is no dimension {beyond[0]}; the path has {rows.shape[1]}")
    chosen = [dim - 1 for dim in dims] or range(rows.shape[1])
    for word in words:
        wish = curves.Wish(float(wishes[word]), wishes["step"], wishes["seed"])
        rows = curves.operate(rows, word, chosen, 0, len(rows) - 1, wish)
    return rows
