"""`zrack encode`: a whole sound through a model of a patch onto its latent tapes."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path

import click

EXISTING = click.Path(path_type=Path)


@click.command()
@click.argument("path", metavar="PATCH", type=EXISTING)
@click.argument("node")
@click.argument("sound", type=EXISTING)
@click.option("--json", "as_json", is_flag=True, help="What was done, for machines.")
def encode(path: Path, node: str, sound: Path, as_json: bool) -> None:
    """Encodes a sound file with the model NODE and puts it onto the latent tapes that its outlets are patched into.

    It takes a fraction of the time that the sound lasts.  Frame k of a tape is what the sound is from sample k × ratio on: the
    delay of the model is taken out.
    """
    import time

    from graph import Patch, PatchError
    from nodes import catalog

    from . import encoding
    from .report import to_json

    for sentence in catalog.load():
        click.echo(f"zrack: {sentence}", err=True)
    patch = Patch.load(path)
    begun = time.perf_counter()
    try:
        job = encoding.prepare(patch, node, sound.absolute())
        with click.progressbar(length=1000, label="encoding", file=sys.stderr) if sys.stderr.isatty() else nullcontext() as bar:
            paths = encoding.run(job, lambda done, all: bar.update(1000 * done // all - bar.pos) if bar else None)
        patch.apply(encoding.edit(patch, job, paths))
    except PatchError as error:
        raise error.within(file=str(path)) from None
    patch.save(path)
    took, tapes = time.perf_counter() - begun, encoding.goals(patch, job)
    if as_json:
        found = {"patch": str(path), "node": node, "sound": str(sound), "tapes": tapes, "frames": job.frames}
        found |= {"seconds": job.frames * job.ratio / job.rate, "ratio": job.ratio, "rate": job.rate, "delay": job.delay}
        click.echo(to_json({**found, "took": round(took, 3)}))
    else:
        click.echo(f"{path}: {encoding.told(job, tapes)}, encoded in {took:.1f} s")
