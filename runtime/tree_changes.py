"""What an edit changed in the address tree: addresses that came, went, have another name or other attributes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import takewhile
from typing import Any

from graph import Patch
from graph.subpatch import PATCH

from .tree import ENDS, heard

Shape = dict[str, tuple[Any, Any, "Shape | None"]]
"""The structure of a patch: name → (instance, type declaration, structure inside)."""


def shape(patch: Patch) -> Shape:
    """The structure of a patch as far as addresses and their attributes depend on it; values do not count."""
    found: Shape = {}
    for name, node in patch.nodes.items():
        if node.type in ENDS:
            continue
        inner = patch.inner(name) if node.type == PATCH else None
        found[name] = node.uid, patch.spec(name), None if inner is None else shape(inner)
    return found


def changes(old: Shape, new: Shape, at: str = "/node") -> list[tuple[str, Any]]:
    """What leads from one structure to the next: (REMOVED | ADDED | CHANGED, address) and (RENAMED, (old, new))."""
    found: list[tuple[str, Any]] = []
    gone = {uid: name for name, (uid, *_) in old.items() if name not in new or new[name][0] != uid}
    came = [name for name, (uid, *_) in new.items() if name not in old or old[name][0] != uid]
    moved = {name: gone.pop(new[name][0]) for name in came if new[name][0] in gone}
    found += [("REMOVED", f"{at}/{name}") for name in gone.values()]
    found += [("RENAMED", (f"{at}/{before}", f"{at}/{name}")) for name, before in moved.items()]
    found += [("ADDED", f"{at}/{name}") for name in came if name not in moved]
    for name, (_, spec, inner) in new.items():
        before = old.get(moved.get(name, name))
        if before is None or (name in came and name not in moved):
            continue
        if inner is None or before[2] is None:
            same = spec is before[1] and inner is before[2]
            found += [] if same else [("CHANGED", f"{at}/{name}")]
        elif spec is not before[1] and spec != before[1]:
            found.append(("CHANGED", f"{at}/{name}"))
        else:
            found += changes(before[2], inner, f"{at}/{name}/node")
    return found


def others(patch: Patch) -> dict[str, Any]:
    """The addresses outside /node that come and go, and what else depends on the patch, by the address that tells it."""
    return {"/snapshot": sorted(patch.snapshots), **{a: t["TYPE"] for a, t in heard(patch).items()}}


def moves(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What leads from one state of `others` to the next, as `changes` tells it."""
    found: list[tuple[str, Any]] = [("REMOVED", a) for a in old if a not in new]
    found += [("ADDED", a) for a in new if a not in old]
    return found + [("CHANGED", a) for a in new if a in old and old[a] != new[a]]


def common(addresses: Iterable[str]) -> str:
    """The longest address that all lie at or below."""
    words = [a.rstrip("/").split("/") for a in addresses]
    return "/".join(w[0] for w in takewhile(lambda w: len(set(w)) == 1, zip(*words))) or "/"
