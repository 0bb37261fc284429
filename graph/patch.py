"""`Patch`: the document.  Nodes, cables, values and layout over a networkx MultiDiGraph.

Reading is free; every change is an edit (`graph.edits`), and the methods below that change something are only short
ways to apply one.  Node data and cables are frozen values that edits replace, so copies share them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import networkx as nx

from graph.errors import PatchError, suggest
from graph.spec import Mode, NodeSpec, registry

if TYPE_CHECKING:
    from graph.edits import Edit

Key = tuple[str, str, str, str]
"""Which cable: (source node, outlet, destination node, inlet)."""


class Absent(Enum):
    """No value: what a write puts where something is to be removed."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT
RATE, BLOCK = 48000, 64  # unless set; also of every embedded patch, where those of the outermost one hold
Change = tuple[str, Any, Any]
"""One write to the store: what ("node", "cable", "value", "attr", "field"), its key, the new value or ABSENT."""

_uids = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Cable:
    """What a cable does on its way: `amount` times the signal; in `knob` mode added to the knob position of a param,
    in `units` mode to its value; `delayed` by one sample (or frame) because it closed a loop when it was drawn.
    """

    amount: float = 1.0
    mode: Mode = "knob"
    delayed: bool = False
    extra: tuple[Any, ...] = ()  # what a newer format appended; kept


@dataclass(frozen=True, slots=True)
class NodeData:
    """One node: values that are not set are the defaults of its type.

    `patch` is the embedded definition of a "rack/patch" node.  `extra` keeps unknown fields of the file.  `uid` is
    the identity of the instance while the program runs: it stays through edits, renames and undo, is never saved and
    does not count in comparisons; a running engine keys the node's state by it.
    """

    type: str
    seed: int = 0
    params: Mapping[str, float] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, int | float | str] = field(default_factory=dict)
    data: Mapping[str, tuple[tuple[float, ...], ...]] = field(default_factory=dict)
    at: tuple[float, float] = (0.0, 0.0)
    bypass: bool = False
    patch: Patch | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    uid: Hashable = field(default_factory=lambda: next(_uids), compare=False)


class Nodes(Mapping[str, NodeData]):
    """The nodes of a patch by name, in order of name."""

    def __init__(self, graph: nx.MultiDiGraph) -> None:
        self._node = graph._node

    def __getitem__(self, name: str) -> NodeData:
        data: NodeData = self._node[name]["data"]
        return data

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._node))

    def __len__(self) -> int:
        return len(self._node)

    def __contains__(self, name: object) -> bool:
        return name in self._node


class Cables(Mapping[Key, Cable]):
    """The cables of a patch by (source, outlet, destination, inlet), in that order."""

    def __init__(self, graph: nx.MultiDiGraph) -> None:
        self._graph = graph

    def __getitem__(self, key: Key) -> Cable:
        src, outlet, dst, inlet = key
        cable: Cable = self._graph._adj[src][dst][outlet, inlet]["cable"]
        return cable

    def __iter__(self) -> Iterator[Key]:
        return iter(sorted((s, o, d, i) for s, d, (o, i) in self._graph.edges(keys=True)))

    def __len__(self) -> int:
        return int(self._graph.number_of_edges())

    def __contains__(self, key: object) -> bool:
        try:
            return bool(self._graph.has_edge(key[0], key[2], key=(key[1], key[3])))  # type: ignore[index]
        except (TypeError, IndexError):
            return False


class Patch:
    """A patch.

    `rate` is the engine's rate in Hz, `block` its block in samples, `limiter` whether the master limiter is on.
    `specs` says which node types are known (the registry unless given).  `folder` is where the file lies, None before
    it was saved; `file` is its name, used in messages.  `notes` lists what loading had to repair or miss.
    """

    def __init__(
        self, rate: int = RATE, block: int = BLOCK, specs: Mapping[str, NodeSpec] | None = None, *, flat: bool = False
    ) -> None:
        from graph import values

        self.graph: nx.MultiDiGraph = nx.MultiDiGraph()
        self.nodes = Nodes(self.graph)
        self.cables = Cables(self.graph)
        self.delayed: set[Key] = set()
        self.specs: Mapping[str, NodeSpec] = registry if specs is None else specs
        self.rate = values.whole("rate", rate, *values.RATES, "Hz")
        self.block = values.whole("block", block, *values.BLOCKS, "samples")
        self.limiter = True
        self.meta: Mapping[str, Any] = {}
        self.snapshots: Mapping[str, Mapping[str, Mapping[str, float | str]]] = {}
        self.exposed: Mapping[str, Mapping[str, Any]] = {}
        self.extra: Mapping[str, Any] = {}
        self.folder: Path | None = None
        self.file = ""
        self.notes: list[str] = []
        self.flat = flat
        self.lineage: tuple[str, ...] = ()  # the real path of this file, then of those that it lies in
        self.version = 0  # counts writes
        self.kept: dict[str, tuple[Any, Any]] = {}  # what is derived from the patch, each with its `stamp` then
        self._log: list[Change] | None = None
        self._files: dict[str, Patch | PatchError] = {}  # sub-patches by path, shared with those inside

    # reading

    def node(self, name: str) -> NodeData:
        """The node called `name`, or PatchError with the close names."""
        if name not in self.nodes:
            raise self.error(f"no node is called {name!r}{suggest(str(name), self.graph)}")
        return self.nodes[name]

    def spec(self, name: str) -> NodeSpec | None:
        """The type of the node `name`; None where it is unknown here and the node is a placeholder."""
        from graph import subpatch

        node = self.node(name)
        if node.type == subpatch.PATCH:
            inner = self.inner(name)
            return None if inner is None else subpatch.interface(inner)
        if node.settings.get("kind") == "latent" and node.type in subpatch.LATENT:
            return subpatch.LATENT[node.type]
        spec = self.specs.get(node.type) or subpatch.BUILTIN.get(node.type)
        if spec is not None and spec.shaped is not None:
            try:
                return spec.shaped(node.settings, self.folder)
            except PatchError:
                return None
        return spec

    def base(self, name: str) -> NodeSpec | None:
        """What the type of the node `name` declares whatever its settings are, even while it is a placeholder."""
        from graph import subpatch

        type = self.node(name).type
        return self.specs.get(type) or subpatch.BUILTIN.get(type)

    def inner(self, name: str) -> Patch | None:
        """The definition that the "rack/patch" node `name` holds, embedded or by file; None where it is missing.

        Treat it as read-only: `edits.Inside` changes an embedded one.
        """
        from graph import subpatch

        return subpatch.definition(self, name)

    @property
    def stamp(self) -> tuple[Any, ...]:
        """Another after every write and after every change to the node types, so that what is derived can be kept."""
        return self.version, id(self.specs), getattr(self.specs, "generation", 0)

    def value(self, node: str, name: str) -> Any:
        """A param's, choice's, setting's or table's value: what is set, else the default of the type."""
        from graph import values

        data, spec = self.node(node), self.spec(node)
        if spec is None:
            raise self.error(f"its type {data.type} is unknown here", node)
        with self.blame(node):
            part, name = values.section(spec, name)
        return getattr(data, part).get(name, getattr(spec, part)[name].default)

    def into(self, node: str, inlet: str | None = None) -> list[tuple[Key, Cable]]:
        """The cables that end at `node` (at `inlet`, if given), in order of key."""
        found = self.graph._pred[node].items()
        keys = [(s, o, node, i) for s, edges in found for o, i in edges if inlet is None or i == inlet]
        return [(k, self.cables[k]) for k in sorted(keys)]

    def out_of(self, node: str, outlet: str | None = None) -> list[tuple[Key, Cable]]:
        """The cables that start at `node` (at `outlet`, if given), in order of key."""
        found = self.graph._adj[node].items()
        keys = [(node, o, d, i) for d, edges in found for o, i in edges if outlet is None or o == outlet]
        return [(k, self.cables[k]) for k in sorted(keys)]

    def error(self, text: str, node: str = "", port: str = "") -> PatchError:
        """A PatchError that names this patch's file."""
        return PatchError(text, file=self.file, node=node, port=port)

    @contextmanager
    def blame(self, node: str = "") -> Iterator[None]:
        """Adds this file and `node` to a PatchError that passes."""
        try:
            yield
        except PatchError as e:
            raise e.within(self.file, node) from None

    def __eq__(self, other: object) -> bool:
        """Same content: all that a file would hold, whatever the file is called."""
        if not isinstance(other, Patch):
            return NotImplemented
        if any(getattr(self, f) != getattr(other, f) for f in FIELDS):
            return False
        return dict(self.nodes) == dict(other.nodes) and dict(self.cables) == dict(other.cables)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Patch {self.file or 'unsaved'}: {len(self.nodes)} nodes, {len(self.cables)} cables>"

    def copy(self) -> Patch:
        """A patch of its own with the same content (and the same instance identities)."""
        other = Patch(self.rate, self.block, self.specs, flat=self.flat)
        for name in (*FIELDS, "folder", "file", "lineage"):
            setattr(other, name, getattr(self, name))
        other.notes = list(self.notes)
        other._files = self._files
        other.graph.add_nodes_from((n, {"data": d["data"]}) for n, d in self.graph.nodes(data=True))
        other.graph.add_edges_from((s, d, k, {"cable": a["cable"]}) for s, d, k, a in self.graph.edges(keys=True, data=True))
        other.delayed = set(self.delayed)
        return other

    # changing: each applies one edit and returns what undoes it, unless said otherwise

    def apply(self, edit: Edit) -> Edit:
        """Applies an edit and returns its inverse.  Raises PatchError and changes nothing where it is refused."""
        return edit.apply(self)

    def add(
        self, type: str, name: str | None = None, /, *, at: tuple[float, float] = (0.0, 0.0), seed: int | None = None,
        patch: Patch | None = None, **values: Any,
    ) -> str:  # fmt: skip
        """Adds a node; `values` are params (in their unit), choices, settings and data by name.  Returns its name."""
        from graph import edits

        name = self.free(type) if name is None else name
        edits.AddNode(type, name, values, at, seed, patch).apply(self)
        return name

    def remove(self, name: str) -> Edit:
        """Removes a node and its cables."""
        from graph import edits

        return edits.RemoveNode(name).apply(self)

    def connect(self, src: str, dst: str, amount: float = 1.0, mode: Mode | None = None) -> Edit:
        """Draws a cable from "node.outlet" to "node.inlet"; without a `mode`, in the one that suits the param."""
        from graph import edits

        return edits.Connect(src, dst, amount, mode).apply(self)

    def disconnect(self, src: str, dst: str) -> Edit:
        """Removes the cable from "node.outlet" to "node.inlet"."""
        from graph import edits

        return edits.Disconnect(src, dst).apply(self)

    def set(self, node: str, /, **values: Any) -> Edit:
        """Sets params (in their unit), choices, settings and data of a node."""
        from graph import edits

        return edits.assign(self, node, values).apply(self)

    def rename(self, old: str, new: str) -> Edit:
        """Gives a node another name; its cables follow."""
        from graph import edits

        return edits.Rename(old, new).apply(self)

    def expose(self, name: str, target: str, low: float | None = None, high: float | None = None) -> Edit:
        """Shows the param or choice "node.param" under `name` where this patch is a sub-patch, on a narrower range."""
        from graph import edits, fields

        node, param = fields.port(self, target)
        entry: dict[str, Any] = {"node": node, "param": param}
        entry |= {k: v for k, v in (("low", low), ("high", high)) if v is not None}
        return edits.SetPatch("exposed", {**self.exposed, name: entry}).apply(self)

    def free(self, stem: str) -> str:
        """A name that no node has yet: the last word of `stem`, with a number if it is taken."""
        stem = stem.rsplit("/", 1)[-1][:56] or "node"
        names = itertools.chain([stem], (f"{stem}{i}" for i in itertools.count(2)))
        return next(n for n in names if n not in self.nodes)

    # files

    def save(self, path: str | PathLike[str], form: Literal["msgpack", "text"] | None = None) -> None:
        """Writes the patch to `path`, atomically; text form where the name ends in .json or `form` says so."""
        from graph import file

        file.save(self, path, form)

    @classmethod
    def load(cls, path: str | PathLike[str], specs: Mapping[str, NodeSpec] | None = None) -> Patch:
        """Reads a patch in either form.  Raises PatchError (one sentence) where it cannot."""
        from graph import file

        return file.load(path, specs)

    # the store: used by edits only

    def transact(self, run: Callable[[], None]) -> tuple[Change, ...]:
        """Runs `run`, whose writes happen all or not at all, and returns the writes that undo them, in order."""
        outer, self._log = self._log, []
        try:
            run()
        except BaseException:
            log, self._log = self._log, None
            for change in reversed(log):
                self.write(*change)
            self._log = outer
            raise
        log, self._log = self._log, outer
        if outer is not None:
            outer.extend(log)
        return tuple(reversed(log))

    def write(self, what: str, key: Any, value: Any) -> None:
        """One write, noted for the inverse.  Checks nothing."""
        old: Any
        if what == "node":
            old = self.nodes.get(key, ABSENT)
            if value is ABSENT:
                self.graph.remove_node(key)
            else:
                self.graph.add_node(key, data=value)
        elif what == "cable":
            src, outlet, dst, inlet = key
            old = self.cables.get(key, ABSENT)
            if value is ABSENT:
                self.graph.remove_edge(src, dst, key=(outlet, inlet))
            else:
                self.graph.add_edge(src, dst, key=(outlet, inlet), cable=value)
            if value is not ABSENT and value.delayed:
                self.delayed.add(key)
            else:
                self.delayed.discard(key)
        elif what == "value":
            name, part, item = key
            node = self.nodes[name]
            values: dict[str, Any] = dict(getattr(node, part))
            old = values.pop(item, ABSENT)
            if value is not ABSENT:
                values[item] = value
            changed: dict[str, Any] = {part: values}
            self.graph._node[name]["data"] = replace(node, **changed)
        elif what == "attr":
            name, attr = key
            node = self.nodes[name]
            old = getattr(node, attr)
            self.graph._node[name]["data"] = replace(node, **{attr: value})
        else:
            old = getattr(self, key)
            setattr(self, key, value)
        if self._log is not None:
            self._log.append((what, key, old))
        self.version += 1


FIELDS = ("rate", "block", "limiter", "meta", "snapshots", "exposed", "extra")
"""What a patch holds besides nodes and cables."""
