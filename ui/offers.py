"""What the palette and the library offer of models: a line for each method, and the nodes that a model file becomes."""

from __future__ import annotations

import re
import time
from pathlib import Path

from graph import rules
from graph.edits import AddNode, Connect, Edit, Edits
from graph.errors import PatchError
from graph.patch import Patch
from graph.spec import NodeSpec, registry
from nodes import models
from nodes.ml import shelf, trust
from nodes.ml.contract import Interface, ModelError

from . import edits, library
from .models import MODEL
from .palette import Offer

KEPT = 3.0
"""Seconds for which a list of models is believed to be as it was."""
APART = 60.0
"""World units between an encoder and its decoder."""
Point = tuple[float, float]

_kept: dict[Path | None, tuple[float, int, list[Offer]]] = {}


def known(path: Path) -> Interface | None:
    """What a trusted file offers, where somebody looked at it before."""
    try:
        found = shelf.known(path)
        return found if found is not None and trust.is_trusted(shelf.digest(path)) else None
    except (OSError, ModelError):
        return None


def offers(folder: Path | None) -> list[Offer]:
    """A line for each method of each model beside the patch and on the shelf; one for a file that is not known yet."""
    kept = _kept.get(folder)
    if kept is None or time.monotonic() - kept[0] > KEPT or kept[1] != registry.generation:
        kept = time.monotonic(), registry.generation, _offers(folder)
        _kept.clear()
        _kept[folder] = kept
    return kept[2]


def _offers(folder: Path | None) -> list[Offer]:
    found: list[Offer] = []
    seen: set[str] = set()
    for path in [*library.files(folder, library.MODELS), *shelf.listed()]:
        name = library.name_of(path, folder)
        if not name or name in seen:
            continue
        seen.add(name)
        about = known(path)
        if about is None:
            found.append(Offer(f"{path.stem} (model)", models.Model.spec, {"file": name}))
            continue
        for method in about.methods:
            values = {"file": name, "method": method.name}
            found.append(Offer(f"{path.stem}: {method.name}", models.variant(path, about, method, 0).spec, values))
    return found


def title(patch: Patch, values: dict[str, str], taken: tuple[str, ...] = ()) -> str:
    """A free name for a node that plays a model: "guitar_encode"."""
    stem = Path(values.get("file", "")).stem
    words = re.sub(r"[^A-Za-z0-9_]+", "_", "_".join(filter(None, [stem, values.get("method", "")]))).strip("_")[:40]
    words = words if re.match(r"[A-Za-z_]", words) else f"model_{words}".rstrip("_")
    return edits.free({*patch.nodes, *taken}, words)


def become(patch: Patch, file: str, at: Point, room: float) -> tuple[Edit, list[str]]:
    """The nodes that a model file becomes: encoder and decoder with the latent between them, else one node; and their names.

    `room` is the width of a node.  What is not known yet is one node without a method.
    """
    try:
        about = models.found(file, patch.folder)[1]
    except PatchError:
        about = None
    have = [m.name for m in about.methods] if about is not None else []
    pair = [{"file": file, "method": m} for m in ("encode", "decode")]
    specs = [edits.declared(patch, MODEL, values) for values in pair]
    ends = _between(specs[0], specs[1]) if {"encode", "decode"} <= set(have) else None
    if ends is None:
        method = next((m for m in ("forward", *have[:1]) if m in have), "")
        values = {"file": file} | ({"method": method} if method else {})
        name = title(patch, values)
        return AddNode(MODEL, name, values, at), [name]
    one = title(patch, pair[0])
    two = title(patch, pair[1], (one,))
    steps = (
        AddNode(MODEL, one, pair[0], at),
        AddNode(MODEL, two, pair[1], (at[0] + room + APART, at[1])),
        Connect(f"{one}.{ends[0]}", f"{two}.{ends[1]}"),
    )
    return Edits(steps, f"add {Path(file).stem}"), [one, two]


def _between(a: NodeSpec | None, b: NodeSpec | None) -> tuple[str, str] | None:
    """Outlet and inlet of one latent space."""
    if a is None or b is None:
        return None
    outs = [(n, p.fixed) for n, p in a.outlets.items() if rules.is_latent(p)]
    ins = [(n, p.fixed) for n, p in b.inlets.items() if rules.is_latent(p)]
    return next(((o, i) for o, x in outs for i, y in ins if x == y), None)
