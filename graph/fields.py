"""What the fields of a patch and of its nodes may hold, beyond what a type declares."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from graph import subpatch, values
from graph.errors import PatchError, Recursion, show
from graph.patch import BLOCK, RATE, Patch


def port(patch: Patch, text: Any) -> tuple[str, str]:
    """(node, port) of "node.port", or PatchError."""
    if not isinstance(text, str) or text.count(".") != 1 or not all(text.split(".")):
        raise patch.error(f"a port is written node.port, not {show(text)}")
    node, _, name = text.partition(".")
    return node, name


def make_seed(patch: Patch, type: str, name: str) -> int:
    """A seed (31 bits) for a new node: the same for the same patch built again, different for every node in it."""
    taken = {d["data"].seed for _, d in patch.graph.nodes(data=True)} if len(patch.nodes) < 1024 else set()
    for count in range(1 << 10):
        digest = hashlib.blake2b(f"{type} {name} {count}".encode(), digest_size=4).digest()
        seed = int.from_bytes(digest, "little") & 0x7FFFFFFF
        if seed not in taken:
            break
    return seed


def position(at: Any) -> tuple[float, float]:
    """Two finite numbers."""
    if not isinstance(at, Sequence) or isinstance(at, str | bytes) or len(at) != 2:
        raise PatchError(f"at takes two numbers, not {show(at)}")
    return values.number("at", at[0], -1e9, 1e9), values.number("at", at[1], -1e9, 1e9)


def embedded(patch: Patch, name: str, type: str, inner: Patch) -> Patch:
    """A copy of `inner` for the node `name` to hold, or PatchError."""
    if type != subpatch.PATCH:
        raise patch.error(f"only {subpatch.PATCH} holds a patch", name)
    if inner is patch or (inner.lineage and inner.lineage[0] in patch.lineage):
        raise Recursion("the patch would contain itself", file=patch.file, node=name)
    inner = inner.copy()
    inner.file, inner.rate, inner.block = "", RATE, BLOCK
    return inner


def meta(patch: Patch, value: Any) -> dict[str, Any]:
    """Free plain data about the patch: title, author, doc."""
    if not isinstance(value, Mapping):
        raise patch.error(f"meta takes a map, not {show(value)}")
    result: dict[str, Any] = values.plain("meta", value)
    return result


def snapshots(patch: Patch, value: Any) -> dict[str, dict[str, dict[str, float | str]]]:
    """Name → node → param or choice → value.  What does not exist is kept and skipped when recalled."""
    value = values.plain("snapshots", value)
    shapes = [value, *(value.values() if isinstance(value, dict) else ())]
    shapes += [n for s in shapes[1:] if isinstance(s, dict) for n in s.values()]
    leaves = [v for s in shapes[1:] if isinstance(s, dict) for n in s.values() if isinstance(n, dict) for v in n.values()]
    fine = all(isinstance(v, int | float | str) and not isinstance(v, bool) for v in leaves)
    if not fine or not all(isinstance(s, dict) for s in shapes):
        raise patch.error("snapshots takes name → node → param → value")
    result: dict[str, dict[str, dict[str, float | str]]] = value
    return result


def exposed(patch: Patch, value: Any) -> dict[str, dict[str, Any]]:
    """Name → {node, param, low, high}: inner params under their own names; a placeholder's are believed."""
    value = values.plain("exposed", value)
    if not isinstance(value, dict):
        raise patch.error(f"exposed takes a map, not {show(value)}")
    ports = {n for n, d in patch.nodes.items() if d.type in (subpatch.INLET, subpatch.OUTLET)}
    for name, entry in value.items():
        values.port_name(name)
        if name in ports or name == "file":
            raise patch.error(f"exposed {name} is the name of another port already")
        if not isinstance(entry, dict) or not isinstance(entry.get("node"), str) or not isinstance(entry.get("param"), str):
            raise patch.error(f"exposed {name} takes a node and a param")
        node = entry["node"]
        patch.node(node)
        spec = patch.spec(node)
        if spec is None:
            for end in ("low", "high"):
                if end in entry:
                    values.number(end, entry[end], -1e30, 1e30)
            continue
        with patch.blame(node):
            part, param = values.section(spec, entry["param"])
            if part not in ("params", "choices") or (part == "choices" and ("low" in entry or "high" in entry)):
                raise PatchError(f"{param} cannot be exposed{' on a range' if part == 'choices' else ''}", port=param)
        entry["param"] = param
        if part == "params":
            whole = spec.params[param]
            with patch.blame(node):
                for end in ("low", "high"):
                    if end in entry:
                        entry[end] = values.number(end, entry[end], whole.low, whole.high, whole.unit)
            low, high = entry.get("low", whole.low), entry.get("high", whole.high)
            if not low < high:
                raise patch.error(f"exposed {name} has a range {show(low)} … {show(high)} that is not in order")
    result: dict[str, dict[str, Any]] = value
    return result


CHECKS: Mapping[str, Any] = {
    "rate": lambda patch, value: values.whole("rate", value, *values.RATES, "Hz"),
    "block": lambda patch, value: values.whole("block", value, *values.BLOCKS, "samples"),
    "limiter": lambda patch, value: values.flag("limiter", value),
    "meta": meta,
    "snapshots": snapshots,
    "exposed": exposed,
}
