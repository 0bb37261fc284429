"""Mute and solo: cables at amount 0, and what they had before kept in the patch's meta, so that it comes back after a reload.

Both are ordinary edits that can be undone.  Meta holds `muted` (node → cable → amount) and `solo` (nodes, cables → amount);
a cable is written "src.outlet>dst.inlet".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import networkx as nx

from graph.edits import Edit, Edits, SetCable, SetPatch
from graph.patch import Key, Patch

from .flow import Kinds
from .theme import SOUND


def _text(key: Key) -> str:
    return f"{key[0]}.{key[1]}>{key[2]}.{key[3]}"


def _map(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _amount(patch: Patch, key: Key, amount: float) -> Edit:
    return SetCable(f"{key[0]}.{key[1]}", f"{key[2]}.{key[3]}", amount)


def cables(patch: Patch, name: str) -> list[Key]:
    """What muting a node silences: the cables out of it, or into it where there are none."""
    found = patch.out_of(name) or patch.into(name)
    return list(dict.fromkeys(key for key, _ in found))


def muted(patch: Patch, name: str) -> bool:
    """Whether all that a node gives goes nowhere."""
    keys = cables(patch, name) if name in patch.nodes else []
    return bool(keys) and all(patch.cables[key].amount == 0.0 for key in keys)


def mute(patch: Patch, names: Collection[str]) -> Edit | None:
    """Silences nodes, or lets them sound again where all of them are silent; None where no cable is at them."""
    names = [n for n in sorted(names) if n in patch.nodes and cables(patch, n)]
    if not names:
        return None
    silent = all(muted(patch, n) for n in names)
    kept = _map(patch.meta.get("muted"))
    edits: list[Edit] = []
    done: set[Key] = set()
    for name in names:
        before = _map(kept.pop(name, {}))
        for key in cables(patch, name):
            if key in done:
                continue
            done.add(key)
            if silent:
                edits.append(_amount(patch, key, _number(before.get(_text(key)))))
            elif patch.cables[key].amount != 0.0:
                before[_text(key)] = patch.cables[key].amount
                edits.append(_amount(patch, key, 0.0))
        if not silent:
            kept[name] = before
    kept = {n: v for n, v in kept.items() if n in patch.nodes}
    word = "sound again" if silent else "mute"
    return Edits((*edits, _meta(patch, "muted", kept)), f"{word} {', '.join(names[:3])}{' …' if len(names) > 3 else ''}")


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 1.0


def _meta(patch: Patch, name: str, value: Any) -> Edit:
    rest = {k: v for k, v in patch.meta.items() if k != name}
    return SetPatch("meta", {**rest, name: value} if value else rest)


def soloed(patch: Patch) -> tuple[str, ...]:
    """The nodes that are heard alone; () where all are."""
    found = _map(patch.meta.get("solo")).get("nodes")
    return tuple(n for n in found if n in patch.nodes) if isinstance(found, list) else ()


def others(patch: Patch, names: Collection[str], kinds: Kinds) -> list[Key]:
    """Cables that bring sound, but not that of `names`, to where theirs goes and to the outputs."""
    graph = nx.DiGraph()
    graph.add_nodes_from(patch.nodes)
    graph.add_edges_from((s, d) for s, _, d, _ in patch.cables)
    after = set(names).union(*(nx.descendants(graph, n) for n in names)) if names else set()
    found = []
    for key in patch.cables:
        src, outlet, dst, inlet = key
        spec = patch.spec(dst)
        if src in after or dst in names or (spec is not None and inlet in spec.params):
            continue
        heard = dst in after or patch.nodes[dst].type.startswith("io/") or patch.nodes[dst].type == "rack/outlet"
        if heard and kinds.get((src, f"out:{outlet}"), SOUND) == SOUND:
            found.append(key)
    return found


def solo(patch: Patch, names: Iterable[str], kinds: Kinds) -> Edit | None:
    """Lets these nodes be heard alone, or all again where these are the ones; None where it changes nothing."""
    chosen = [n for n in sorted(names) if n in patch.nodes]
    before = _map(_map(patch.meta.get("solo")).get("cables"))
    old = {key: _number(before[_text(key)]) for key in patch.cables if _text(key) in before}
    over = not chosen or tuple(chosen) == soloed(patch)
    new = [] if over else others(patch, chosen, kinds)
    now = {key: old.get(key, patch.cables[key].amount) for key in new}
    now = {key: amount for key, amount in now.items() if amount != 0.0}
    edits = [_amount(patch, key, amount) for key, amount in old.items() if key not in now]
    edits += [_amount(patch, key, 0.0) for key in now if patch.cables[key].amount != 0.0]
    if over and not before and not soloed(patch):
        return None
    value = {} if over else {"nodes": chosen, "cables": {_text(k): a for k, a in now.items()}}
    return Edits((*edits, _meta(patch, "solo", value)), "all sound again" if over else f"solo {', '.join(chosen)}")
