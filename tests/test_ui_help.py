"""The help patch of every node type: whole, laid out, and heard wherever the node makes or passes sound."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from graph import Patch, PatchError
from graph.check import check
from graph.spec import registry
from graph.subpatch import BUILTIN
from nodes import catalog
from runtime.offline import render
from ui import help_patch
from ui.model import Layout

catalog.load()
TYPES = sorted({*BUILTIN, *(id for id, spec in registry.items() if not spec.hidden)})
UNHEARD = {"io/cv", "io/input", "maths/ftom", "midi/cc-out", "midi/clock-out", "midi/out", "osc/out", "view/note"}
"""What sends elsewhere, waits for a device, or is only looked at."""
WAITS = {"midi/clock", "midi/notes"}
"""Silent until somebody plays."""


def about(patch: Patch, type: str) -> str:
    """The node that a help patch is about."""
    return next(n for n, d in patch.nodes.items() if d.type == (type if type not in BUILTIN else "rack/patch"))


@pytest.mark.parametrize("type", TYPES)
def test_it_is_whole_and_laid_out(type: str) -> None:
    patch = help_patch.build(type)
    assert check(patch) == []
    name, graph = about(patch, type), nx.DiGraph(patch.graph)
    notes = [d for d in patch.nodes.values() if d.type == "view/note"]
    spec = registry.get(type) or BUILTIN[type]
    assert [str(n.settings["text"]).split("\n")[0] for n in notes] == [f"# {type}"]
    assert spec.title.split()[0] in str(notes[0].settings["text"])
    tied = nx.node_connected_component(graph.to_undirected(), name)
    assert tied == {n for n, d in patch.nodes.items() if d.type != "view/note"} | {name}  # nothing lies about
    heard = any(patch.nodes[n].type == "io/output" for n in nx.descendants(graph, name) | {name})
    assert heard == (type not in UNHEARD)
    shown = patch.spec(name)
    first = next((n for n in shown.inlets if n not in help_patch.ASIDE and not shown.inlets[n].rest), "") if shown else ""
    assert not first or patch.into(name, first), f"{first} is fed"
    boxes = list(Layout(patch).boxes.values())
    for k, a in enumerate(boxes):
        for b in boxes[k + 1 :]:
            assert a.x + a.w <= b.x or b.x + b.w <= a.x or a.y + a.h <= b.y or b.y + b.h <= a.y, (a.name, b.name)
    places = {b.name: b.x for b in boxes}
    assert all(places[src] < places[dst] for src, _, dst, _ in patch.cables)


@pytest.mark.parametrize("type", [t for t in TYPES if t not in UNHEARD])
def test_it_is_heard(type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZRACK_STATE", str(tmp_path))
    patch = Patch.load(help_patch.write(type))  # as it is opened
    assert check(patch) == []
    result = render(patch, 0.5)
    assert not result.faults and np.isfinite(result.audio).all()
    loud = float(np.sqrt(np.mean(np.square(result.audio, dtype=np.float64))))
    assert (loud < 1e-4) if type in WAITS else (loud > 1e-3), loud
    assert np.abs(result.audio).max() <= 1.0


def test_an_unknown_type_has_none() -> None:
    with pytest.raises(PatchError, match="source/nothing"):
        help_patch.build("source/nothing")
