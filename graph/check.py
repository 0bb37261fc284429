"""What is wrong with a patch that loaded, and what differs between two: sentences for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graph import file, rules, subpatch
from graph.errors import PatchError, show, suggest
from graph.patch import Patch


def check(patch: Patch) -> list[str]:
    """One sentence for everything that keeps `patch` from playing as it was meant; empty where all is well.

    Loading has refused what is malformed; what is left are placeholders, missing files and what only shows once
    sub-patches are laid out.  Nothing is computed and nothing written.
    """
    found = _check(patch, set())
    try:
        flat = subpatch.flatten(patch)
        rules.check_spaces(flat)
    except PatchError as e:
        found.append(str(e.within(patch.file)))
    return list(dict.fromkeys(found))


def _check(patch: Patch, seen: set[int], prefix: str = "", label: str = "") -> list[str]:
    found: list[str] = []
    seen.add(id(patch))  # a definition is checked once, however often it is used
    label = label or patch.file

    def say(node: str, text: str) -> None:
        found.append(str(PatchError(text, file=label, node=prefix + node)))

    for name, node in patch.nodes.items():
        if node.type == subpatch.PATCH:
            if node.patch is None:
                try:
                    subpatch.by_file(patch, str(node.settings.get("file", "")))
                except PatchError as e:
                    say(name, str(e))
                    continue
            inner = patch.inner(name)
            if inner is not None and id(inner) not in seen:
                found += _check(inner, seen, f"{prefix}{name}/", label)
            continue
        spec = patch.spec(name)
        base = patch.base(name)
        if spec is None and base is not None and base.shaped is not None:
            try:
                base.shaped(node.settings, patch.folder)
            except PatchError as e:
                say(name, str(e))
            continue
        if spec is None:
            known = [n for n, s in {**patch.specs, **subpatch.BUILTIN}.items() if not s.hidden]
            close = suggest(node.type, known)
            say(name, f"no node type {show(node.type)}" + (close if "mean" in close else ""))
            continue
        for item, setting in spec.settings.items():
            value = node.settings.get(item, setting.default)
            if base is not None and base.shaped is not None and item in base.settings:
                continue  # that it is known here says that its file is there
            if setting.kind == "file" and value and patch.folder is not None:
                try:
                    file.confined(patch.folder, str(value))
                except PatchError as e:
                    say(name, f"{item}: {e}")
    for src, out_name, dst, in_name in rules.undelayed(patch):
        found.append(str(PatchError(f"{src}.{out_name} -> {dst}.{in_name} closes a loop without delay", file=label)))
    return found


def diff(a: Patch, b: Patch) -> list[str]:
    """What leads from `a` to `b`, by name, as sentences; empty where they are equal."""
    found = [f"{f}: {show(getattr(a, f))} → {show(getattr(b, f))}" for f in ("rate", "block", "limiter")
             if getattr(a, f) != getattr(b, f)]  # fmt: skip
    for f in ("meta", "snapshots", "exposed", "extra"):
        found += _maps("" if f == "extra" else f, getattr(a, f), getattr(b, f))
    for name in sorted({*a.nodes, *b.nodes}):
        if name not in b.nodes:
            found.append(f"node {name} removed ({a.nodes[name].type})")
        elif name not in a.nodes:
            found.append(f"node {name} added ({b.nodes[name].type})")
        else:
            found += _node(a, b, name)
    for key in sorted({*a.cables, *b.cables}):
        cable = f"cable {key[0]}.{key[1]} -> {key[2]}.{key[3]}"
        if key not in b.cables:
            found.append(f"{cable} removed")
        elif key not in a.cables:
            found.append(f"{cable} added")
        else:
            for f in ("amount", "mode", "delayed", "extra"):
                old, new = getattr(a.cables[key], f), getattr(b.cables[key], f)
                if old != new:
                    found.append(f"{cable}: {f} {show(old)} → {show(new)}")
    return found


def _node(a: Patch, b: Patch, name: str) -> list[str]:
    old, new = a.nodes[name], b.nodes[name]
    found = []
    for f in ("type", "seed", "bypass"):
        if getattr(old, f) != getattr(new, f):
            found.append(f"node {name}: {f} {show(getattr(old, f))} → {show(getattr(new, f))}")
    if old.at != new.at:
        found.append(f"node {name}: moved to {show(new.at[0])}, {show(new.at[1])}")
    for part in ("params", "choices", "settings", "data", "extra"):
        units: Mapping[str, Any] = {}
        spec = b.spec(name)
        if spec is not None and part in ("params", "settings"):
            units = {n: item.unit for n, item in getattr(spec, part).items()}
        found += _maps(f"node {name}", getattr(old, part), getattr(new, part), units)
    if old.patch != new.patch:
        if old.patch is None or new.patch is None:
            found.append(f"node {name}: holds a patch of its own {'now' if old.patch is None else 'no longer'}")
        else:
            found += [f"node {name}: {line}" for line in diff(old.patch, new.patch)]
    return found


def _maps(where: str, a: Mapping[str, Any], b: Mapping[str, Any], units: Mapping[str, str] = {}) -> list[str]:
    """Differences of two maps of values; a missing one is the default."""
    found = []
    where = f"{where}: " if where else ""
    for key in sorted({*a, *b}):
        if a.get(key) == b.get(key) and (key in a) == (key in b):
            continue
        unit = f" {units[key]}" if units.get(key) else ""
        old = f"{show(a[key])}{unit}" if key in a else "default"
        new = f"{show(b[key])}{unit}" if key in b else "default"
        if old == new:
            found.append(f"{where}{key} changed")
        else:
            found.append(f"{where}{key} {old} → {new}")
    return found
