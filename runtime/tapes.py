"""What latent tapes recorded while they played: read out of the engine, and kept in the patch by an ordinary edit.

The engine's memory holds what was recorded; the patch does not know of it until an edit puts it into the tape's table
`path` (`keep`); then the tape may play that (`forget`).
"""

from __future__ import annotations

import numpy as np

from graph import Patch, PatchError
from graph.editing import Edit
from nodes.dsp import paths

from .engine import Engine
from .steps import Step

TAPE = "latent/tape"
TRIES = 8


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
