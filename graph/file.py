"""Patches in files: msgpack and text form, checks of all that is read, migrations, atomic save.

A file is a map: `zrack` (format version), `rate`, `block`, `limiter`, `nodes` (name → type, seed, params, choices,
settings, data, at, bypass, patch), `cables` (`[from, to, amount, mode, delayed]`), `snapshots`, `exposed`, `meta`.
Unknown node types and fields survive a load and a save.  What is written is in a canonical order: equal patches give
equal bytes.  A large table lies in a file of its own beside the patch (`graph.tables`), which holds
`{"file": hash, "rows": n, "columns": c}` in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from graph import codec, disk, fields, rules, subpatch, tables, values
from graph.disk import confined, write_atomic
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


def to_map(patch: Patch, keep: tables.Keep | None = None) -> dict[str, Any]:
    """The patch as plain values, in canonical order; defaults of nodes and cables are left out.

    `keep` takes the bytes of large tables and says what to call them; without it the numbers stand in the map.
    """
    return {
        "zrack": FORMAT,
        "rate": patch.rate,
        "block": patch.block,
        "limiter": patch.limiter,
        "nodes": {name: _node_map(node, keep) for name, node in patch.nodes.items()},
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


def _node_map(node: NodeData, keep: tables.Keep | None) -> dict[str, Any]:
    found: dict[str, Any] = {"type": node.type, "seed": node.seed}
    for part in ("params", "choices", "settings"):
        if getattr(node, part):
            found[part] = _sorted(getattr(node, part))
    if node.data:
        found["data"] = _sorted({item: tables.outward(value, keep) for item, value in node.data.items()})
    if node.at != (0.0, 0.0):
        found["at"] = list(node.at)
    if node.bypass:
        found["bypass"] = True
    if node.patch is not None:
        inner = to_map(node.patch, keep)
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
    """The patch as msgpack, with all its tables inside."""
    return codec.pack(to_map(patch))


def dump_text(patch: Patch) -> str:
    """The patch as JSON for people: one node or cable a line.  Large tables that lie beside the patch are only named."""
    return codec.to_text(to_map(patch, tables.beside(patch.folder)))


# from bytes


def loads(data: bytes | str, specs: Mapping[str, NodeSpec] | None = None, file: str = "", folder: Path | None = None) -> Patch:
    """A patch from msgpack or text form; `file` is its name in messages.  Any fault is one PatchError.

    Sub-patches and large tables by file are looked for in `folder`.
    """
    patch = Patch(specs=specs)
    patch.folder = folder
    return _loads(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data, patch, file)


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
        _fill(patch, found, 0, tables.Reader(patch.folder))
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


def _fill(patch: Patch, found: dict[str, Any], depth: int, reader: tables.Reader) -> None:
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
            patch.write("node", name, _node(patch, record, depth, reader))
    for name in patch.nodes:
        with patch.blame(name):
            _values(patch, name, reader)
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


def _node(patch: Patch, record: Any, depth: int, reader: tables.Reader) -> NodeData:
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
        _fill(inner, body, depth + 1, reader)
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


def _values(patch: Patch, name: str, reader: tables.Reader) -> None:
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
    shaped = base if (base := patch.specs.get(node.type)) and base.shaped else None
    if spec is None:
        for part in ("params", "choices", "settings", "data"):
            values.plain(part, getattr(node, part))
        for item, value in node.settings.items():
            if shaped and item in shaped.settings:
                values.stored(shaped, "settings", item, value)
        if shaped and shaped.shaped:
            try:
                shaped.shaped(node.settings, patch.folder)
            except PatchError as e:
                patch.notes.append(f"node {name}: {e}")
        _believed(patch, name, reader)
        return
    for part in ("params", "choices", "settings", "data"):
        given = getattr(node, part)
        if not given:
            continue
        checked: dict[str, Any] = {}
        for item, value in given.items():
            try:
                found, today = values.section(spec, item)
            except PatchError as e:
                if not shaped:
                    raise
                patch.notes.append(f"node {name}: {e}; its file is another now")
                continue
            if found != part:
                raise PatchError(f"{item} is one of its {found}, not of its {part}", port=item)
            if today in checked:
                raise PatchError(f"{today} is there twice, as {item} too", port=today)
            if part == "data":
                value = reader.table(today, value, spec.data[today])
            checked[today] = values.stored(spec, part, today, value)
        patch.write("attr", (name, part), checked)


def _believed(patch: Patch, name: str, reader: tables.Reader) -> None:
    """Reads the tables of a placeholder where it can, so that a save elsewhere takes them along; the rest stays."""
    data: dict[str, Any] = dict(patch.nodes[name].data)
    for item, value in data.items():
        if isinstance(value, dict) and set(value) == tables.FIELDS:
            try:
                data[item] = [list(row) for row in reader.table(item, value, None)]
            except PatchError as e:
                patch.notes.append(f"node {name}: {e}")
    patch.write("attr", (name, "data"), data)


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


def load(path: str | PathLike[str], specs: Mapping[str, NodeSpec] | None = None) -> Patch:
    """The patch in a file, in either form; `notes` says what was repaired or is missing.  Any fault is one PatchError."""
    path = Path(path)
    data = disk.read(path, path.name, codec.SIZE)
    patch = Patch(specs=specs)
    real = path.resolve()
    patch.folder = real.parent
    patch.lineage = (str(real),)
    return _loads(data, patch, path.name)


def load_inside(patch: Patch, path: Path, name: str) -> Patch:
    """The sub-patch in the file `path`, called `name`; Recursion where a patch inside it is one that it lies in."""
    data = disk.read(path, name, codec.SIZE)
    if len(patch.lineage) > subpatch.NESTING:
        raise PatchError(f"holds sub-patches more than {subpatch.NESTING} deep")
    inner = Patch(patch.rate, patch.block, patch.specs)
    inner.folder, inner.lineage, inner._files = path.parent, (str(path), *patch.lineage), patch._files
    return _loads(data, inner, name)


def save(patch: Patch, path: str | PathLike[str], form: Form | None = None) -> None:
    """Writes the patch beside `path` and renames it there, so that a crash leaves the old file or the new one.

    Text form where `form` says so or the name ends in .json.  Large tables are written first, into a folder beside it.
    The patch then knows its file and folder.
    """
    path = Path(path)
    if patch.flat:
        raise PatchError("a flattened patch is for planning and is not saved", file=path.name)
    form = form or ("text" if path.suffix == ".json" else "msgpack")
    real = path.resolve()
    writer = tables.Writer(real.parent)
    found = to_map(patch, writer.keep)
    data = codec.to_text(found).encode() if form == "text" else codec.pack(found)
    if len(data) > codec.SIZE:
        raise PatchError(f"would be larger than {codec.SIZE >> 20} MiB", file=path.name)
    if str(real) in subpatch.files(patch):
        raise Recursion("the patch uses this file as a sub-patch and would contain itself", file=path.name)
    try:
        writer.write()
    except PatchError as e:
        raise e.within(path.name) from None
    write_atomic(path, data)
    if patch.folder != real.parent:
        patch._files = {}  # sub-patches by file are looked for in the new folder
    patch.folder, patch.file = real.parent, path.name
    patch.lineage = (str(real),)


__all__ = [
    "FORMAT", "MIGRATIONS", "confined", "dump", "dump_text", "load", "loads", "save", "suggest", "to_map", "write_atomic",
]  # fmt: skip
