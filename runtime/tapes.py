"""What latent tapes recorded while they played: read out of the engine, and kept in the patch by an ordinary edit.

The engine's memory holds what was recorded; the patch does not know of it until an edit puts it into the tape's table
`path` (`keep`); then the tape may play that (`forget`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from graph import Patch, PatchError, rules
from graph.edits import Edit, Edits, SetData, SetSetting
from nodes.dsp import curves, paths

from .engine import Engine
from .steps import Step

TAPE = "latent/tape"
TRIES = 8
SPACE = ("space", "dims", "ratio", "rate")
"""Settings that say which latent space a node's latents belong to."""


def tapes(engine: Engine) -> list[str]:
    """Names of the tapes in the plan that plays."""
    return [s.node for s in engine.plan.steps if s.unit is not None and s.unit.name == TAPE]


def recorded(engine: Engine, node: str) -> np.ndarray:
    """What the tape `node` recorded last: float32 [frames, dims], with no frames where it recorded nothing in this run.

    Raises PatchError where no such tape plays, or where it records at this moment: what was there is being written over.
    """
    step = _step(engine, node)
    dims = step.cells["out"][1]
    for _ in range(TRIES):  # until no recording began or ended while it was read
        before = count, _, recording = _marks(engine, step)
        reel = _cells(engine, step, "reel", step.cells["reel"][1], "float32")[: count * dims].copy()
        if not recording and before == _marks(engine, step):
            return reel.reshape(count, dims)
    raise PatchError(f"node {node} is recording; close its gate first")


def forget(engine: Engine, node: str) -> None:
    """Lets the tape `node` play its stored path again: what it recorded is in the patch now, or not wanted."""
    _step(engine, node)
    engine.turn((node, "forget"), 1.0)


def keep(engine: Engine, patch: Patch, node: str) -> Edit:
    """Puts what the tape `node` recorded into the patch; gives the inverse of the edit.

    The caller plays the patch anew (`Engine.stages`), as after every edit, and then lets the tape `forget`: its table holds
    the same, so nothing is heard of it.  Raises PatchError where nothing was recorded.
    """
    path = recorded(engine, node)
    if not len(path):
        raise PatchError(f"node {node} has recorded nothing")
    return store(patch, node, path)


def store(patch: Patch, node: str, path: np.ndarray) -> Edit:
    """Sets the stored path of the tape `node` of a patch; gives the inverse.  Raises PatchError."""
    stored(patch, node)
    return patch.set(node, path=path.tolist())


def stored(patch: Patch, node: str) -> np.ndarray:
    """The path that the tape `node` of a patch stores: float32 [frames, dims].  Raises PatchError."""
    spec = patch.spec(node) if node in patch.nodes else None
    if spec is None or spec.id != TAPE:
        raise PatchError(f"node {node} is no latent tape")
    return np.asarray(patch.value(node, "path"), np.float32)


def space(patch: Patch, node: str) -> dict[str, Any]:
    """The settings that give a node the latent space of this one: what is patched into it says which, else its own settings."""
    found = rules.spaces(patch).get((node, "z")) if patch.into(node, "z") else None
    if found is None or found.dims is None or found.ratio is None:
        return {name: patch.value(node, name) for name in SPACE}
    period = Fraction(found.ratio) / patch.rate  # seconds
    values = found.name or rules.FREE, found.dims, period.numerator, period.denominator
    return dict(zip(SPACE, values, strict=True))


def alike(patch: Patch, node: str, settings: Mapping[str, Any]) -> list[SetSetting]:
    """What gives a node these settings of a latent space, where it has others; two ways to say one clock are not others."""

    def period(ratio: int, rate: int) -> Fraction:
        return Fraction(ratio, rate or patch.rate)

    own = {name: patch.value(node, name) for name in settings}
    if period(own["ratio"], own["rate"]) == period(settings["ratio"], settings["rate"]):
        own |= {name: settings[name] for name in ("ratio", "rate")}
    return [SetSetting(node, name, value) for name, value in settings.items() if own[name] != value]


def send(patch: Patch, source: str, goal: str, dims: Iterable[int] | None = None) -> Edit:
    """The edit that puts the stored path of one tape, or only some of its curves (dimensions from 0 on), on another one.

    The whole path brings its length along; for some curves see `nodes.dsp.curves.sent`.  A tape without a cable takes
    the latent space too.  Raises PatchError.
    """
    rows, old = stored(patch, source), stored(patch, goal)
    if source == goal:
        raise PatchError(f"node {goal} cannot take curves from itself")
    steps: list[Edit] = []
    if patch.into(goal, "z"):  # a cable says which space it is in
        known = rules.spaces(patch)
        one, two = known.get((source, "z")), known.get((goal, "z"))
        if one and two and any(x != y for x, y in zip(one, two, strict=True) if x is not None and y is not None):
            raise PatchError(f"node {goal}: is in the latent space {two}, and {source} in {one}")
    else:
        steps += alike(patch, goal, space(patch, source))
    chosen = None if dims is None else list(dims)
    try:
        rows = rows if chosen is None else curves.sent(curves.widened(rows, wide(patch, source)), old, chosen)
    except ValueError as error:
        raise PatchError(f"node {source}: {error}") from None
    what = source if chosen is None else f"dimension {', '.join(str(d + 1) for d in chosen)} of {source}"
    return Edits((*steps, SetData(goal, "path", rows.tolist())), f"send {what} to {goal}")


def wide(patch: Patch, node: str) -> int:
    """Dimensions of the latent that a tape puts out."""
    return int(space(patch, node)["dims"])


def fit(patch: Patch, node: str, path: np.ndarray) -> Edit:
    """Fits a node on a path: the axes of a rotation, or the moments of a prior; gives the inverse.  Raises PatchError."""
    spec = patch.spec(node) if node in patch.nodes else None
    if spec is not None and spec.id == "latent/rotate":
        mean, matrix = paths.fit(path)
        return patch.set(node, matrix=matrix.tolist(), mean=mean.tolist())
    if spec is not None and spec.id == "latent/prior":
        return patch.set(node, moments=paths.moments(path).tolist())
    raise PatchError(f"node {node} cannot be fitted on a path; a latent/rotate or a latent/prior can")


def _step(engine: Engine, node: str) -> Step:
    for step in engine.plan.steps:
        if step.node == node and step.unit is not None and step.unit.name == TAPE:
            return step
    raise PatchError(f"node {node} is no latent tape that plays")


def _cells(engine: Engine, step: Step, name: str, rows: int, dtype: str) -> np.ndarray:
    """The cells of channel 0 of a tape's state."""
    size = rows * step.channels * np.dtype(dtype).itemsize
    return engine.memory.view(step.cells[name][0], size, dtype).reshape(rows, step.channels)[:, 0]


def _marks(engine: Engine, step: Step) -> tuple[int, int, int]:
    """Frames of the last recording, how many recordings there were, and whether one is under way."""
    count = int(_cells(engine, step, "count", 1, "int64")[0])
    takes, recording = (int(_cells(engine, step, n, 1, "int32")[0]) for n in ("takes", "recording"))
    return count, takes, recording
