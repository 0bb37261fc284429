"""The patch that the editor shows, where in it one looks, and what is selected: what `ui.client.Editor` begins with."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

from graph.errors import PatchError
from graph.groups import shown
from graph.history import History
from graph.patch import Patch
from graph.spec import NodeSpec
from runtime.attach import Client

from .watching import holders

Value = float | str


class Attached(Client):
    """A client that keeps what it is told until somebody listens; first of all comes what was wrong before."""

    def __init__(self, name: str, timeout: float = 10.0) -> None:
        self.early: list[dict[str, Any]] = []
        super().__init__(name, self.early.append, timeout)


class Replica:
    """A patch of its own, or the replica of a session's.  Names of nodes are those of `here`, unless said otherwise."""

    def __init__(self, patch: Patch) -> None:
        self.client: Client | None = None
        self.selection: set[str] = set()
        self.inside: tuple[str, ...] = ()
        self.version = 0
        """Counts changes of the patch, of streamed values and of `inside`: who draws looks again when it is another."""
        self.problems: dict[str, str] = {}
        """Latest sentence about a node, by full path."""
        self._own = patch
        self._history = History(patch)
        self._lock = threading.RLock()
        self._pending: dict[tuple[str, str], tuple[Value, float]] = {}  # streamed, not told of yet: value, when
        self._uids: dict[str, Hashable] = {}  # of what is selected

    @property
    def patch(self) -> Patch:
        """The whole patch.  Read it with `lock` held, or in one go on the main thread between two calls of `poll`."""
        return self._own if self.client is None else self.client.patch

    @property
    def history(self) -> History:
        """Its history: labels, whether it is dirty.  Changed by `do`, `undo` and `redo` only."""
        return self._history if self.client is None else self.client.history

    @property
    def lock(self) -> threading.RLock:
        """Held while the replica changes."""
        return self._lock if self.client is None else self.client.lock

    def here(self) -> Patch:
        """The patch that is looked at: the outermost, or the definition inside the node `inside[-1]`."""
        found = holders(self.patch, self.inside)
        if len(found) <= len(self.inside):
            self._go(self.inside[: len(found) - 1])
        return found[-1]

    def path(self, node: str) -> str:
        """Full path of a node of `here`: "voice/osc"."""
        return "/".join((*self.inside, node))

    def enter(self, node: str) -> bool:
        """Looks into a sub-patch; False where it holds none."""
        with self.lock:
            here = self.here()
            if node not in here.nodes or here.inner(node) is None:
                return False
        self._go((*self.inside, node))
        return True

    def leave(self, depth: int | None = None) -> None:
        """Goes one sub-patch up, or to a depth of the breadcrumb (0: the outermost patch)."""
        depth = max(len(self.inside) - 1, 0) if depth is None else depth
        if depth < len(self.inside):
            left = self.inside[depth]
            self._go(self.inside[:depth])
            self.selection = {left}

    def _go(self, inside: tuple[str, ...]) -> None:
        self.inside, self.selection = inside, set()
        self._changed()

    def show(self, path: str) -> str:
        """Looks where the node of a full path is and selects it; gives its name there, "" where it is gone."""
        *names, node = path.split("/")
        with self.lock:
            found = holders(self.patch, tuple(names))
            if len(found) <= len(names) or node not in found[-1].nodes:
                return ""
        if tuple(names) != self.inside:
            self._go(tuple(names))
        self.selection = {node}
        return node

    @property
    def readonly(self) -> str:
        """Why the patch that is looked at cannot be changed (a sub-patch by file); "" where it can."""
        with self.lock:
            found = holders(self.patch, self.inside)
            for outer, name in zip(found, self.inside):
                if name in outer.nodes and outer.nodes[name].patch is None:
                    file = outer.nodes[name].settings.get("file", "")
                    return f"{name} is the file {file}, shared by all who use it; open that file to change it"
        return ""

    def over(self) -> dict[tuple[str, str], Value]:
        """Values that hold instead of those in `here`: being turned now, or set where the sub-patch is used."""
        if not self._pending and not self.inside:
            return {}
        prefix = "".join(f"{name}/" for name in self.inside)
        found: dict[tuple[str, str], Value] = {}
        with self.lock:
            if self.inside:
                for entry in self.here().exposed.values():
                    try:
                        found[entry["node"], entry["param"]] = self.value(entry["node"], entry["param"])
                    except PatchError:
                        continue
        for (path, port), (value, _) in self._pending.items():
            node = path.removeprefix(prefix)
            if path.startswith(prefix) and "/" not in node:
                found[node, port] = value
        return found

    def value(self, node: str, port: str) -> Value:
        """Base value of a param or choice as it sounds now.  PatchError where there is none."""
        path = self.path(node)
        if (path, port) in self._pending:
            return self._pending[path, port][0]
        with self.lock:
            path, port = shown(self.patch, path, port)
            if (path, port) in self._pending:
                return self._pending[path, port][0]
            *names, last = path.split("/")
            value: Value = holders(self.patch, tuple(names))[-1].value(last, port)
            return value

    def spec(self, node: str) -> NodeSpec | None:
        """Type of a node; None where it is gone or unknown here."""
        with self.lock:
            here = self.here()
            return here.spec(node) if node in here.nodes else None

    # ------------------------------------------------------------------ when it changes

    def _changed(self) -> None:
        """After any change of the patch or of where one looks: who was renamed stays selected."""
        self.version += 1
        with self.lock:
            here = self.here() if self.inside else self.patch
            gone = [n for n in self.selection if n not in here.nodes]
            if gone:
                lost = {self._uids[n] for n in gone if n in self._uids}
                self.selection -= set(gone)
                if lost:
                    self.selection |= {n for n, d in here.graph._node.items() if d["data"].uid in lost}
            self._uids = {n: here.nodes[n].uid for n in self.selection}
            if self.problems:
                self.problems = {p: t for p, t in self.problems.items() if p.partition("/")[0] in self.patch.nodes}

    def _settle(self) -> None:
        """Remembers who is selected before an edit may rename them."""
        with self.lock:
            here = self.here()
            self._uids = {n: here.nodes[n].uid for n in self.selection if n in here.nodes}
