"""The edit that turns one patch into another: revert and recovery are one step that can be undone.

What is equal stays as it is, so that it plays on; what differs is set, and replaced where it cannot be set.
"""

from __future__ import annotations

from graph.edits import (
    AddNode,
    Connect,
    Disconnect,
    Edit,
    Edits,
    Inside,
    Move,
    RemoveNode,
    SetBypass,
    SetCable,
    SetData,
    SetParam,
    SetPatch,
    SetSetting,
)
from graph.errors import PatchError
from graph.patch import Key, NodeData, Patch

PARTS = ("settings", "params", "choices", "data")
FIELDS = ("rate", "block", "limiter", "meta", "exposed", "snapshots")


def becoming(now: Patch, then: Patch, title: str = "") -> Edit | None:
    """The edit that makes `now` equal to `then`; None where they are equal.

    PatchError where edits cannot: `then` holds nodes of unknown types that `now` lacks, or fields of a newer format.
    """
    steps = _steps(now, then)
    return Edits(tuple(steps), title) if steps else None


def _steps(now: Patch, then: Patch) -> list[Edit]:
    scratch = now.copy()
    steps: list[Edit] = []

    def do(edit: Edit) -> None:
        edit.apply(scratch)
        steps.append(edit)

    for name in now.nodes:
        if name not in then.nodes or not _reachable(now.nodes[name], then.nodes[name]):
            do(RemoveNode(name))
    _disconnect(scratch, then, do)
    for name, node in then.nodes.items():
        if name not in scratch.nodes:
            do(_added(name, node))
        for edit in _values(scratch, name, node):
            do(edit)
    keys = sorted(then.cables, key=lambda key: then.cables[key].delayed)  # what closes a loop comes last
    for key in keys:
        cable = then.cables[key]
        src, dst = _ends(key)
        if key not in scratch.cables:
            do(Connect(src, dst, cable.amount, cable.mode))
        elif (cable.amount, cable.mode) != (scratch.cables[key].amount, scratch.cables[key].mode):
            do(SetCable(src, dst, cable.amount, cable.mode))
    for field in FIELDS:
        if getattr(scratch, field) != getattr(then, field):
            do(SetPatch(field, getattr(then, field)))
    if scratch != then:
        raise PatchError("it holds what edits cannot make; open it as a file of its own")
    return steps


def _ends(key: Key) -> tuple[str, str]:
    return f"{key[0]}.{key[1]}", f"{key[2]}.{key[3]}"


def _disconnect(scratch: Patch, then: Patch, do) -> None:  # type: ignore[no-untyped-def]
    """Removes cables that are not wanted; where any differ, the delayed ones too: which cable closes a loop is settled anew."""
    wanted = {key: cable.delayed for key, cable in then.cables.items()}
    same = {key: cable.delayed for key, cable in scratch.cables.items()} == wanted
    for key, cable in list(scratch.cables.items()):
        if key not in wanted or (not same and (cable.delayed or wanted[key])):
            do(Disconnect(*_ends(key)))


def _reachable(a: NodeData, b: NodeData) -> bool:
    """Whether edits lead from one node to the other: values can be set, but never unset."""
    if (a.type, a.seed, a.patch is None) != (b.type, b.seed, b.patch is None) or a.extra != b.extra:
        return False
    return all(set(getattr(a, part)) <= set(getattr(b, part)) for part in PARTS)


def _added(name: str, node: NodeData) -> Edit:
    values = {item: value for part in PARTS for item, value in getattr(node, part).items()}
    return AddNode(node.type, name, values, node.at, node.seed, node.patch, node.bypass)


def _values(scratch: Patch, name: str, node: NodeData) -> list[Edit]:
    """What sets the values of a node that is there."""
    old = scratch.nodes[name]
    found: list[Edit] = []
    if node.patch is not None and old.patch is not None and old.patch != node.patch:
        found += [Inside(name, edit) for edit in _steps(old.patch, node.patch)]
    for part, kind in zip(PARTS, (SetSetting, SetParam, SetParam, SetData), strict=True):
        before, after = getattr(old, part), getattr(node, part)
        found += [kind(name, item, value) for item, value in after.items() if item not in before or before[item] != value]
    if old.at != node.at:
        found.append(Move(name, node.at))
    if old.bypass != node.bypass:
        found.append(SetBypass(name, node.bypass))
    return found
