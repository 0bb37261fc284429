"""What the patches share: notes by name, and nodes laid out from left to right."""

from __future__ import annotations

import networkx as nx

from graph import Patch
from graph.edits import Move

COLUMN, GAP = 270.0, 28.0  # distance of columns, and of nodes in one
TITLE, PORT, KNOB, FOLD = 24.0, 18.0, 22.0, 9  # heights as the editor draws them; knobs beyond which it folds
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def volts(note: str) -> float:
    """A note by name as pitch in volts, 1 per octave, 0 = C4: "A3", "F#5", "Bb2"."""
    letter, accidental, octave = note[0], note[1:-1], int(note[-1])
    return (SEMITONES[letter] + accidental.count("#") - accidental.count("b")) / 12 + octave - 4


def column(notes: str) -> list[list[float]]:
    """Notes as a table of one column, for the values of maths/pack: one row is one channel."""
    return [[volts(note)] for note in notes.split()]


def melody(notes: str) -> list[list[float]]:
    """Notes as rows of pitch and velocity, for mod/steps: "E3 G3:0.5 -" is a loud E, a softer G and a rest."""
    rows = []
    for word in notes.split():
        name, _, velocity = word.partition(":")
        rows.append([0.0, 0.0] if name == "-" else [volts(name), float(velocity or 1.0)])
    return rows


def tidy(patch: Patch) -> Patch:
    """Lays a patch out: signals run from left to right, and only a cable that closes a loop runs back.

    Each node stands as far right as what it feeds allows, so cables are short; within a column, beside what it feeds.
    """
    flow = nx.DiGraph()
    flow.add_nodes_from(patch.nodes)
    flow.add_edges_from((src, dst) for (src, _, dst, _), cable in patch.cables.items() if not cable.delayed)
    while not nx.is_directed_acyclic_graph(
        flow
    ):  # a loop through a model has no delayed cable: it goes back where sound comes in
        ring = nx.find_cycle(flow)
        flow.remove_edge(*max(ring, key=lambda edge: (flow.in_degree(edge[1]), edge)))
    right: dict[str, int] = {}  # columns to the last one
    for name in reversed(list(nx.lexicographical_topological_sort(flow))):
        right[name] = max((right[n] + 1 for n in flow.successors(name)), default=0)
    last = max(right.values())
    middle: dict[str, float] = {}
    for distance in range(last + 1):
        names = [name for name in flow if right[name] == distance]
        wish = {n: _mean([middle[m] for m in flow.successors(n)]) for n in names}
        heights = {n: _height(patch, n) for n in names}
        y = -sum(heights.values()) / 2
        for name in sorted(names, key=lambda n: (wish[n], n)):
            middle[name] = y + heights[name] / 2
            patch.apply(Move(name, ((last - distance) * COLUMN, round(y))))
            y += heights[name]
    return patch


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0


def _height(patch: Patch, name: str) -> float:
    spec = patch.spec(name)
    if spec is None:
        return TITLE + GAP
    rows = max(len(spec.inlets), len(spec.outlets)) + len(spec.choices)
    knobs = 1 if spec.id.startswith("view/") else min(len(spec.params), FOLD)
    picture = float(patch.value(name, "height")) if "height" in spec.settings else 0.0
    return TITLE + PORT * rows + KNOB * knobs + picture + GAP
