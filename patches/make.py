"""Builds the patches of this folder: `python -m patches.make [NAME ...]`.

The functions in `patches.pieces`, `studies`, `latents`, `wavae`, `playground` and `starts` are also the longest
documentation of patching from Python: add nodes, connect outlets to inlets, save.  Seeds come from the names of nodes, so
building again gives the same bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import getdoc
from pathlib import Path

import nodes  # noqa: F401 -- makes the node types known
from graph import Patch
from graph.errors import suggest

from . import latents, pieces, playground, starts, studies, wavae

HERE = Path(__file__).parent

PATCHES: dict[str, Callable[[], Patch]] = {
    "parts/pluck": studies.pluck,  # first: a patch that uses it looks for its file
    "a-to-b": wavae.a_to_b,
    "autoencode": latents.autoencode,
    "crossed": latents.crossed,
    "demo": pieces.demo,
    "drone": studies.drone,
    "faders": studies.faders,
    "feedback": studies.feedback,
    "feedback-shaping": wavae.feedback_shaping,
    "generative": pieces.generative,
    "latent-lfos": latents.latent_lfos,
    "latent-loop": latents.latent_loop,
    "playground": playground.playground,
    "poly-synth": studies.poly_synth,
    "polyrhythm": pieces.polyrhythm,
    "recording": pieces.recording,
    "style-transfer": wavae.style_transfer,
    "subpatch-twice": studies.subpatch_twice,
    "tape-morph": latents.tape_morph,
    "tour": starts.tour,
    "templates/effect": starts.effect,
    "templates/empty": starts.empty,
    "templates/voice": starts.voice,
}
"""What is built, by the name of its file."""


def build(name: str) -> Patch:
    """The patch `name`, fresh, with what to listen for as its note."""
    patch = PATCHES[name]()
    patch.meta = {"doc": getdoc(PATCHES[name]) or "", "seconds": 12.0, **patch.meta}
    return patch


def main(names: list[str]) -> int:
    """Builds and saves the patches called `names`, or all of them.  Returns the exit code."""
    for name in names or PATCHES:
        if name not in PATCHES:
            sys.stderr.write(f"no patch is called {name}{suggest(name, PATCHES)}\n")
            return 1
        path = HERE / f"{name}.zrack"
        path.parent.mkdir(exist_ok=True)
        build(name).save(path)
        sys.stdout.write(f"{path.relative_to(HERE.parent)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
