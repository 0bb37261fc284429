"""Patches in files: msgpack and text form, checks of all that is read, migrations, atomic save.

A file is a map: `zrack` (format version), `rate`, `block`, `limiter`, `nodes` (name → type, seed, params, choices,
settings, data, at, bypass, patch), `cables` (`[from, to, amount, mode, delayed]`), `snapshots`, `exposed`, `meta`.
Unknown node types and fields survive a load and a save.  What is written is in a canonical order: equal patches give
equal bytes.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from graph import codec, fields, rules, subpatch, values
from graph.errors import PatchError, Recursion, show, suggest
from graph.patch import BLOCK, RATE, Cable, Key, NodeData, Patch
from graph.spec import NodeSpec

FORMAT = 1
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""From a format version to what turns its map into the next version's.  Sub-patches inside are migrated by themselves."""

NODES, CABLES = 1 << 16, 1 << 18
Form = Literal["msgpack", "text"]

_TOP = ("zrack", "rate", "block", "limiter", "nodes", "cables", "snapshots", "exposed", "meta")
_NODE = ("type", "seed", "params", "choices", "settings", "data", "at", "bypass", "patch")


# to bytes


def to_map(patch: Patch) -> dict[str, Any]:
    """The patch as plain values, in canonical order; defaults of nodes and cables are left out."""
    return {
        "zrack": FORMAT,
        "rate": patch.rate,
        "block": patch.block,
        "limiter": patch.limiter,
        "nodes": {name: _node_map(node) for name, node in patch.nodes.items()},
        "cables": [_cable_list(key, cable) for key, cable in patch.cables.items()],
        "snapshots": _sorted(patch.snapshots),
        "exposed": _sorted(patch.exposed),
        "meta": _sorted(patch.meta),
        **_sorted(patch.extra),
    }


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _sorted(value[k]) for k in sorted(value)}
    return [_sorted(v) for v in value] if isinstance(value, list | tuple) else value


def _node_map(node: NodeData) -> dict[str, Any]:
    found: dict[str, Any] = {"type": node.type, "seed": node.seed}
    for part in ("params", "choices", "settings", "data"):
        if getattr(node, part):
            found[part] = _sorted(getattr(node, part))
    if node.at != (0.0, 0.0):
        found["at"] = list(node.at)
    if node.bypass:
        found["bypass"] = True
    if node.patch is not None:
        inner = to_map(node.patch)
        del inner["rate"], inner["block"]  # those of the outermost patch hold
        found["patch"] = inner
    return {**found, **_sorted(node.extra)}


def _cable_list(key: Key, cable: Cable) -> list[Any]:
    full = [f"{key[0]}.{key[1]}", f"{key[2]}.{key[3]}", cable.amount, cable.mode, cable.delayed]
    if cable.extra:
        return [*full, *_sorted(cable.extra)]
    for default in (False, "knob", 1.0):
        if full[-1] != default or len(full) == 2:
            break
        full.pop()
    return full


def dump(patch: Patch) -> bytes:
    """The patch as msgpack."""
    return codec.pack(to_map(patch))


def dump_text(patch: Patch) -> str:
    """The patch as JSON for people: one node or cable a line."""
    return codec.to_text(to_map(patch))


# from bytes


def loads(data: bytes | str, specs: Mapping[str, NodeSpec] | None = None, file: str = "") -> Patch:
    """A patch from msgpack or text form; `file` is its name in messages.  Any fault is one PatchError."""
    return _loads(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data, Patch(specs=specs), file)


def _loads(data: bytes, patch: Patch, file: str) -> Patch:
    """Reads `data` into the fresh `patch`, whose folder and lineage are set."""
    patch.file = file
    with patch.blame():
        if len(data) > codec.SIZE:
            raise PatchError(f"is larger than {codec.SIZE >> 20} MiB")
        if not data.strip():
            raise PatchError("is empty")
        text = data.lstrip()[:1] == b"{"
        found = codec.from_text(data) if text else codec.unpack(data)
        if not isinstance(found, dict) or "zrack" not in found:
            raise PatchError("is no patch")
        _fill(patch, found, 0)
    return patch


def migrated(found: dict[str, Any]) -> dict[str, Any]:
    """The map in today's format, or PatchError where it is newer or no version at all."""
    version = found["zrack"]
    if isinstance(version, bool) or not isinstance(version, int) or version < min(MIGRATIONS, default=FORMAT):
        raise PatchError(f"has the format version {show(version)}, which never was")
    if version > FORMAT:
        raise PatchError(f"was written by a newer zrack (format {version}, this one reads up to {FORMAT}); update zrack")
    while version < FORMAT:
        if version not in MIGRATIONS:
            raise PatchError(f"has the format version {version}, which never was")
        found = {**MIGRATIONS[version](found), "zrack": version + 1}
        version += 1
    return found


def _part(found: Mapping[str, Any], name: str, kind: type, limit: int = codec.COUNT) -> Any:
    value = found.get(name)
    if value is None and name not in found:
        return kind()
    if not isinstance(value, dict | list) or not isinstance(value, kind):
        raise PatchError(f"{name} takes a {'map' if kind is dict else 'list'}, not {show(value)}")
    if len(value) > limit:
        raise PatchError(f"{name} holds more than {limit} entries")
    return value


def _fill(patch: Patch, found: dict[str, Any], depth: int) -> None:
    """Checks a map and puts it into the fresh `patch`.  Values are written directly: there is nothing to undo."""
    if depth > subpatch.NESTING:
        raise PatchError(f"holds sub-patches more than {subpatch.NESTING} deep")
    found = migrated(found)
    for name in ("rate", "block", "limiter"):
        if name in found:
            setattr(patch, name, fields.CHECKS[name](patch, found[name]))
    patch.extra = values.plain("file", {k: v for k, v in found.items() if k not in _TOP})
    for name, record in _part(found, "nodes", dict, NODES).items():
        values.node_name(name)
        with patch.blame(name):
            patch.write("node", name, _node(patch, record, depth))
    for name in patch.nodes:
        with patch.blame(name):
            _values(patch, name)
    for item in _part(found, "cables", list, CABLES):
        key, cable = _cable(patch, item)
        if key in patch.cables:
            raise PatchError(f"the cable {key[0]}.{key[1]} -> {key[2]}.{key[3]} is there twice")
        patch.write("cable", key, cable)
    patch.exposed = fields.exposed(patch, _part(found, "exposed", dict))
    patch.snapshots = fields.snapshots(patch, _part(found, "snapshots", dict))
    patch.meta = fields.meta(patch, _part(found, "meta", dict))
    for src, out_name, dst, in_name in rules.repair(patch):
        patch.notes.append(f"{src}.{out_name} -> {dst}.{in_name} closes a loop and is delayed now")
    if depth == 0:
        rules.check_spaces(patch)
    patch.version = 1


def _node(patch: Patch, record: Any, depth: int) -> NodeData:
    """A node's record, its values as they stand: `_values` checks them once all definitions are there."""
    if not isinstance(record, dict) or not isinstance(record.get("type"), str):
        raise PatchError("has no type")
    type = values.text("type", record["type"], 256)
    parts = {part: _part(record, part, dict) for part in ("params", "choices", "settings", "data")}
    at = fields.position(record["at"]) if "at" in record else (0.0, 0.0)
    inner = None
    if "patch" in record:
        if type != subpatch.PATCH:
            raise PatchError(f"is a {type} and cannot hold a patch")
        inner = Patch(specs=patch.specs)
        inner.folder, inner.lineage, inner._files = patch.folder, patch.lineage, patch._files
        body = _part(record, "patch", dict)
        if "zrack" not in body:
            raise PatchError("holds something that is no patch")
        _fill(inner, body, depth + 1)
        inner.rate, inner.block = RATE, BLOCK
        patch.notes += inner.notes
    return NodeData(
        type,
        values.whole("seed", record.get("seed", 0), 0, (1 << 31) - 1),
        **parts,
        at=at,
        bypass=values.flag("bypass", record.get("bypass", False)),
        patch=inner,
        extra=values.plain("record", {k: v for k, v in record.items() if k not in _NODE}),
    )


def _values(patch: Patch, name: str) -> None:
    """Checks the values of a node against its type; of an unknown type, keeps what a file can hold."""
    node = patch.nodes[name]
    known = node.type in (subpatch.PATCH, *subpatch.BUILTIN) or node.type in patch.specs
    if node.type == subpatch.PATCH and node.patch is None:
        file = node.settings.get("file", "")
        values.filename("file", file)
        try:
            subpatch.by_file(patch, str(file))
        except Recursion:
            raise
        except PatchError as e:
            patch.notes.append(f"node {name}: {e}")
    spec = patch.spec(name) if known else None
    if spec is None:
        for part in ("params", "choices", "settings", "data"):
            values.plain(part, getattr(node, part))
        return
    for part in ("params", "choices", "settings", "data"):
        given = getattr(node, part)
        if not given:
            continue
        checked: dict[str, Any] = {}
        for item, value in given.items():
            found, today = values.section(spec, item)
            if found != part:
                raise PatchError(f"{item} is one of its {found}, not of its {part}", port=item)
            if today in checked:
                raise PatchError(f"{today} is there twice, as {item} too", port=today)
            checked[today] = values.stored(spec, part, today, value)
        patch.write("attr", (name, part), checked)


def _cable(patch: Patch, item: Any) -> tuple[Key, Cable]:
    """A cable's entry, checked."""
    if not isinstance(item, list) or len(item) < 2:
        raise PatchError("a cable is written [from, to, amount, mode, delayed]")
    start, end = fields.port(patch, item[0]), fields.port(patch, item[1])
    key = rules.check_cable(patch, (*start, *end))
    with patch.blame(key[2]):
        amount = values.number("amount", item[2] if len(item) > 2 else 1.0, -values.AMOUNT, values.AMOUNT)
        mode: Any = values.option("mode", item[3] if len(item) > 3 else "knob", ("knob", "units"))
        delayed = values.flag("delayed", item[4] if len(item) > 4 else False)
        return key, Cable(amount, mode, delayed, tuple(values.plain("cable", item[5:])))


# files


def read(path: Path, file: str) -> bytes:
    """The bytes of a regular file within the size limit, or PatchError."""
    try:
        # not blocking: a named pipe must not hold up whoever asks
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as f:
            if not stat.S_ISREG(os.fstat(f.fileno()).st_mode):
                raise PatchError("is no regular file", file=file)
            data = f.read(codec.SIZE + 1)
    except OSError as e:
        raise PatchError((e.strerror or str(e)).lower(), file=file) from None
    if len(data) > codec.SIZE:
        raise PatchError(f"is larger than {codec.SIZE >> 20} MiB", file=file)
    return data


def load(path: str | PathLike[str], specs: Mapping[str, NodeSpec] | None = None) -> Patch:
    """The patch in a file, in either form; `notes` says what was repaired or is missing.  Any fault is one PatchError."""
    path = Path(path)
    data = read(path, path.name)
    patch = Patch(specs=specs)
    real = path.resolve()
    patch.folder = real.parent
    patch.lineage = (str(real),)
    return _loads(data, patch, path.name)


def confined(folder: Path, name: str) -> Path:
    """The file `name` inside `folder`, or PatchError: links may not lead out, and it must be a regular file."""
    values.filename("file", name)
    root = folder.resolve()
    try:
        path = (root / name).resolve(strict=True)
    except (OSError, RuntimeError):
        raise PatchError(f"there is no file {name} beside the patch") from None
    if not path.is_relative_to(root):
        raise PatchError(f"{name} leads out of the folder of the patch")
    if not path.is_file():
        raise PatchError(f"{name} is no regular file")
    return path


def load_inside(patch: Patch, path: Path, name: str) -> Patch:
    """The sub-patch in the file `path`, called `name`; Recursion where a patch inside it is one that it lies in."""
    data = read(path, name)
    if len(patch.lineage) > subpatch.NESTING:
        raise PatchError(f"holds sub-patches more than {subpatch.NESTING} deep")
    inner = Patch(patch.rate, patch.block, patch.specs)
    inner.folder, inner.lineage, inner._files = path.parent, (str(path), *patch.lineage), patch._files
    return _loads(data, inner, name)


def save(patch: Patch, path: str | PathLike[str], form: Form | None = None) -> None:
    """Writes the patch beside `path` and renames it there, so that a crash leaves the old file or the new one.

    Text form where `form` says so or the name ends in .json.  The patch then knows its file and folder.
    """
    path = Path(path)
    if patch.flat:
        raise PatchError("a flattened patch is for planning and is not saved", file=path.name)
    form = form or ("text" if path.suffix == ".json" else "msgpack")
    data = dump_text(patch).encode() if form == "text" else dump(patch)
    if len(data) > codec.SIZE:
        raise PatchError(f"would be larger than {codec.SIZE >> 20} MiB", file=path.name)
    real = path.resolve()
    if str(real) in subpatch.files(patch):
        raise Recursion("the patch uses this file as a sub-patch and would contain itself", file=path.name)
    write_atomic(path, data)
    if patch.folder != real.parent:
        patch._files = {}  # sub-patches by file are looked for in the new folder
    patch.folder, patch.file = real.parent, path.name
    patch.lineage = (str(real),)


def write_atomic(path: Path, data: bytes) -> None:
    """Write beside, fsync, rename.  PatchError names the file where the disk refuses."""
    temporary = ""
    try:
        target = path.resolve()  # a link is followed, not replaced
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~_umask()
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name[:64]}.", delete=False) as f:
            temporary = f.name
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, target)
        temporary = ""
        if hasattr(os, "O_DIRECTORY"):  # the rename itself must reach the disk too
            folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as e:
        raise PatchError(f"could not be written: {(e.strerror or str(e)).lower()}", file=path.name) from None
    finally:
        if temporary:
            os.unlink(temporary)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


__all__ = [
    "FORMAT", "MIGRATIONS", "confined", "dump", "dump_text", "load", "loads", "save", "suggest", "to_map", "write_atomic",
]  # fmt: skip
