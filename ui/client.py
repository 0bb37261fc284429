"""`Editor`: what all parts of the editor share, and their only way to the session.

It holds a replica of the patch (or, without a session, a patch of its own), the selection, the sub-patch that is looked
at, and what the telemetry shows.  All methods are for the main thread, and none raises into the loop: what is refused
becomes a sentence in `errors`.  Never call `do`, `undo`, `redo`, `end` with `lock` held: the answer could not come.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np

from graph import snapshots, wire
from graph.edits import Edit, Inside, Move, SetParam, SetPatch
from graph.errors import PatchError
from graph.groups import SetValues, shown
from graph.history import History
from graph.patch import Patch
from graph.spec import NodeSpec, Param
from runtime.attach import Client

from .background import Background
from .watching import Tap, Watches, holders, tap

Value = float | str
LOOK = 1 / 30
"""Seconds between two looks at the telemetry."""
LATE = 0.5
"""Seconds after which a streamed value that the session never told of is forgotten."""
KEPT = 500  # sentences in `errors`
_NODE = re.compile(r"(?:.*: )?node ([A-Za-z0-9_/-]+): ")


class Editor:
    """See the module.  Names of nodes are those of the patch that is looked at (`here`), unless said otherwise."""

    def __init__(self, client: Client | None = None, patch: Patch | None = None) -> None:
        self.client: Client | None = None
        self.selection: set[str] = set()
        self.inside: tuple[str, ...] = ()
        self.version = 0
        """Counts changes of the patch, of streamed values and of `inside`: who draws looks again when it is another."""
        self.errors: list[tuple[float, str, str]] = []
        """What went wrong: seconds since 1970, full node path ("" where none is named), sentence."""
        self.refused = ""
        """Why the last `do` was refused; "" where it was not."""
        self.notice = ""
        """What was done last, to show in passing: "Undo connect lfo → cutoff"."""
        self.problems: dict[str, str] = {}
        """Latest sentence about a node, by full path."""
        self.state: dict[str, Any] = {}
        self.levels: dict[tuple[str, str], float] = {}
        """Peak by (full node path, outlet); see `level`."""
        self.cpu: dict[str, float] = {}
        """Cycles a block by full node path; see `share`."""
        self.locked = False
        """Run lock: gestures turn knobs and press switches, but change nothing else."""
        self.lost = False
        """Whether the session is gone; where `reconnect` is set, it is asked for another until there is one."""
        self.reconnect: Callable[[], Client | None] | None = None
        self._own = Patch() if patch is None else patch
        self._history = History(self._own)
        self._lock = threading.RLock()
        self._events: deque[dict[str, Any]] = deque()
        self._pending: dict[tuple[str, str], tuple[Value, float]] = {}  # streamed, not told of yet: value, when
        self._background = Background()
        self._watches = Watches()
        self._taps: dict[tuple[str, str], Tap | None] = {}
        self._uids: dict[str, Hashable] = {}  # of what is selected
        self._shares: dict[str, float] = {}
        self._looked = self._shared = self._asked = 0.0
        self.attach(client)

    @property
    def patch(self) -> Patch:
        """The whole patch.  Read it with `lock` held, or in one go on the main thread between two calls of `poll`."""
        return self._own if self.client is None else self.client.patch

    @patch.setter
    def patch(self, patch: Patch) -> None:
        """Another patch, without a session."""
        self.attach(None)
        self._own, self._history = patch, History(patch)
        self.inside, self.selection, self.problems = (), set(), {}
        self._changed()

    @property
    def history(self) -> History:
        """Its history: labels, whether it is dirty.  Changed by `do`, `undo` and `redo` only."""
        return self._history if self.client is None else self.client.history

    @property
    def lock(self) -> threading.RLock:
        """Held while the replica changes."""
        return self._lock if self.client is None else self.client.lock

    # ------------------------------------------------------------------ the patch that is looked at

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

    # ------------------------------------------------------------------ changing it

    def do(self, edit: Edit, gesture: Hashable = None) -> bool:
        """Applies an edit to `here`; False where it is refused (`refused` says why, and so does `errors`)."""
        self.refused = ""
        try:
            wrapped = self._wrap(edit)
            label = wrapped.label.replace("->", "→")
            self._op({"do": wire.to_map(wrapped)} | ({} if gesture is None else {"gesture": gesture}))
        except (PatchError, OSError) as error:
            return self._refuse(error)
        self.notice = label[:1].upper() + label[1:]
        return True

    def _wrap(self, edit: Edit) -> Edit:
        """The edit as one to the outermost patch."""
        if not self.inside:
            return edit
        if isinstance(edit, SetParam):  # where the sub-patch is used, if it shows the param there
            return SetValues.of([(self.path(edit.node), edit.name, edit.value)])
        if isinstance(edit, SetValues):
            return SetValues.of([(self.path(node), port, value) for node, port, value in edit.values])
        why = self.readonly
        if why:
            raise PatchError(why)
        for name in reversed(self.inside):
            edit = Inside(name, edit)
        return edit

    def _op(self, op: Mapping[str, Any]) -> None:
        """An operation, applied here and in the session when it returns."""
        self._settle()
        if self.client is None:
            with self._lock:
                wire.apply(self._history, op)
        else:
            self.client.call("op", dict(op))
        self._changed()

    def _refuse(self, error: Exception) -> bool:
        self.refused = _sentence(error)
        self.fail(self.refused)
        return False

    def why_not(self, edit: Edit) -> str:
        """Why `do` would refuse an edit, "" where it would not; changes nothing.  For cables while they are drawn."""
        with self.lock:
            patch = self.patch
            try:
                wrapped = self._wrap(edit)

                def attempt() -> None:
                    wrapped.apply(patch)
                    raise _Fine

                patch.transact(attempt)
            except _Fine:
                return ""
            except PatchError as error:
                return _sentence(error)
        return ""

    def stream(self, node: str, port: str, value: Value, *, knob: bool = False, gesture: Hashable = None) -> None:
        """Sets a value at once and does not wait: knobs while they are turned.  `knob`: the value is a position 0…1.

        One gesture is one step of the history; call `end` when the mouse is released.
        """
        path = self.path(node)
        spec = self.spec(node)
        item = spec.params.get(port) if spec is not None else None
        if isinstance(item, Param) and not isinstance(value, str):
            value = item.at(value) if knob else min(max(float(value), item.low), item.high)
        if self.client is None:
            try:
                self._op({"set": [[path, port, value]], "gesture": gesture})
            except PatchError as error:
                self._refuse(error)
            return
        self._pending[path, port] = value, time.monotonic()
        self.version += 1
        self.tell("set", path, port, value, gesture=repr(gesture) if gesture is not None else None)

    def end(self) -> None:
        """The gesture is over: what follows is another step."""
        try:
            self._op({"end": 1})
        except (PatchError, OSError) as error:
            self._refuse(error)

    def undo(self) -> str | None:
        """Takes the last step back; gives its name."""
        return self._step("undo")

    def redo(self) -> str | None:
        """Does it again; gives its name."""
        return self._step("redo")

    def _step(self, word: str) -> str | None:
        label = self.history.undo_label if word == "undo" else self.history.redo_label
        if label is None and not self._pending:
            self.notice = f"Nothing to {word}"
            return None
        try:
            self._op({word: 1})
        except (PatchError, OSError) as error:
            self._refuse(error)
            return None
        label = (self.history.redo_label if word == "undo" else self.history.undo_label) or label or ""
        self.notice = f"{word.capitalize()} {label}".replace("->", "→")
        return label

    def saved(self, path: str) -> None:
        """The patch was saved there, as it is now."""
        try:
            if self.client is None:
                self._op({"saved": path})
            else:
                self.client.call("saved", path, self.history.serial)
                self._changed()
        except (PatchError, OSError) as error:
            self._refuse(error)

    # ------------------------------------------------------------------ the session

    def call(self, call: str, *args: Any, then: Callable[[Any], None] | None = None, **kw: Any) -> None:
        """Calls the session in the background (see `runtime.attach.CALLS`); `then` gets the answer in `poll`."""
        client = self.client
        if client is None:
            self._alone(call, args)
            return
        self._background.do(lambda: client.call(call, *args, **kw), then)

    def tell(self, call: str, *args: Any, **kw: Any) -> None:
        """Calls without an answer: streams such as `blend`."""
        if self.client is None:
            self._alone(call, args)
            return
        try:
            self.client.tell(call, *args, **kw)
        except OSError as error:
            self._refuse(error)

    def _alone(self, call: str, args: tuple[Any, ...]) -> None:
        """What a call does without a session."""
        try:
            patch = self.patch
            if call == "capture":
                kept = {**patch.snapshots, args[0]: snapshots.capture(patch, *args[1:])}
                self._op({"do": wire.to_map(SetPatch("snapshots", kept))})
            elif call in ("recall", "blend"):
                if call == "recall":
                    goals, _ = snapshots.goals(patch, patch.snapshots.get(args[0], {}))
                else:
                    goals = snapshots.blend(patch, args[0])
                if goals:
                    self._op({"set": [list(goal) for goal in goals], "gesture": call})
            elif call not in ("watch", "rearm"):
                self.fail("nothing plays this patch now")
        except PatchError as error:
            self._refuse(error)

    def fail(self, text: str, node: str = "") -> None:
        """A sentence for `errors`; `node` is a full path."""
        found = _NODE.match(text)
        node = node or (found[1] if found else "")
        if self.errors and self.errors[-1][1:] == (node, text):
            self.errors.pop()  # said again
        self.errors = [*self.errors[1 - KEPT :], (time.time(), node, text)]

    def transport(self, word: str) -> None:
        """play, stop, reset or panic."""
        self.call("transport", word)

    def rearm(self, node: str) -> None:
        """Lets a node play that was bypassed for its faults; its problem is forgotten."""
        path = self.path(node)
        self.problems = {p: text for p, text in self.problems.items() if p != path and not p.startswith(path + "/")}
        self.call("rearm", path)

    def learn(self, node: str, port: str) -> None:
        """MIDI learn."""
        self.call("learn", self.path(node), port)

    # ------------------------------------------------------------------ what sounds

    def watch(self, node: str, outlet: str) -> int:
        """A slot whose `samples` are those of an outlet, counted by reference; -1 where none is free (or no session)."""
        if self.client is None:
            return -1
        with self.lock:
            slot, new = self._watches.take(self.patch, (self.inside, node, outlet))
        if new is not None:
            self.tell("watch", slot, *new)
        return slot

    def unwatch(self, slot: int) -> None:
        """Gives the slot back."""
        if self._watches.give(slot) and self.client is not None:
            self.tell("watch", slot)

    def samples(self, slot: int, frames: int) -> np.ndarray:
        """The last frames of a watched outlet, float32 [frames, channels]; empty where nothing was played."""
        view = None if self.client is None else self.client.view
        if view is None or slot not in self._watches.slots:
            return np.zeros((0, 1), np.float32)
        return view.samples(slot, frames)

    def level(self, node: str, outlet: str) -> float:
        """Peak of an outlet lately (1.0 is full scale); sub-patches show what feeds their outlet."""
        try:
            found = self._taps[node, outlet]
        except KeyError:
            with self.lock:
                found = self._taps[node, outlet] = tap(self.patch, self.inside, node, outlet)
        return 0.0 if found is None else self.levels.get(found, 0.0)

    def share(self, node: str) -> float:
        """Part of the available time that a node takes, 0…1; a sub-patch takes what is inside."""
        return self._shares.get(self.path(node), 0.0)

    def problem(self, node: str) -> str:
        """The latest sentence about a node or what is inside it; "" where there is none."""
        if not self.problems:
            return ""
        path = self.path(node)
        return self.problems.get(path) or next((t for p, t in self.problems.items() if p.startswith(path + "/")), "")

    # ------------------------------------------------------------------ once a frame

    def poll(self) -> bool:
        """Once a frame: takes in what the session told; True where `version` changed."""
        before = self.version
        for error in self._background.collect():
            self._refuse(error)
        while self._events:
            self._take(self._events.popleft())
        now = time.monotonic()
        if self._pending:
            late = [place for place, (_, at) in self._pending.items() if now - at > LATE]
            for place in late:
                del self._pending[place]
            self.version += bool(late)
        if self.client is not None:
            if self.client.lost.is_set() and not self.lost:
                self.lost = True
                self.fail("the session is gone")
            if not self.lost and now - self._looked >= LOOK and self.client.view is not None:
                self._looked = now
                self._look(self.client, now)
        if self.lost and self.reconnect is not None and now - self._asked > LATE:
            self._asked = now
            self._background.do(self.reconnect, self._reconnected)
        return self.version != before

    def _look(self, client: Client, now: float) -> None:
        assert client.view is not None
        try:
            self.state, self.cpu, self.levels = client.view.look()
        except Exception as error:  # a page that was half written when its session died
            self.fail(f"the figures of the session cannot be read: {type(error).__name__}")
            return
        if now - self._shared > 0.25:
            self._shared = now
            total = sum(self.cpu.values())
            scale = float(self.state.get("load", 0.0)) / total if total > 0 else 0.0
            shares: dict[str, float] = {}
            for path, cycles in self.cpu.items():
                shares[path] = shares.get(path, 0.0) + cycles * scale
                while "/" in path:
                    path = path.rpartition("/")[0]
                    shares[path] = shares.get(path, 0.0) + cycles * scale
            self._shares = shares

    def _hear(self, event: dict[str, Any]) -> None:
        """In the client's thread: keeps the event for `poll`."""
        if event["kind"] != "state":
            self._events.append(event)

    def _take(self, event: dict[str, Any]) -> None:
        kind = event["kind"]
        if kind in ("op", "values"):
            for path, port, value in event.get("values", ()):
                mine = self._pending.get((path, port))
                if mine is not None and (mine[0] == value or time.monotonic() - mine[1] > LATE / 2):
                    del self._pending[path, port]
            self._changed()
        elif kind == "error":
            self.fail(event["text"])
            node = self.errors[-1][1]
            if node:
                self.problems = {**self.problems, node: event["text"]}
                self.version += 1
        elif kind == "loaded":  # another patch: our replica is of the last one
            self.lost = True

    def _changed(self) -> None:
        """After any change of the patch or of where one looks: what hangs on names is looked up again."""
        self.version += 1
        self._taps.clear()
        with self.lock:
            here = self.here() if self.inside else self.patch
            gone = [n for n in self.selection if n not in here.nodes]
            if gone:
                lost = {self._uids[n] for n in gone if n in self._uids}
                self.selection -= set(gone)
                if lost:
                    self.selection |= {n for n, d in here.graph._node.items() if d["data"].uid in lost}
            self._uids = {n: here.nodes[n].uid for n in self.selection}
            again = self._watches.changed(self.patch) if self._watches.slots else []
            if self.problems:
                self.problems = {p: t for p, t in self.problems.items() if p.partition("/")[0] in self.patch.nodes}
        for slot, found in again:
            self.tell("watch", slot, *(found or ()))

    def _settle(self) -> None:
        """Remembers who is selected before an edit may rename them."""
        with self.lock:
            here = self.here()
            self._uids = {n: here.nodes[n].uid for n in self.selection if n in here.nodes}

    def _reconnected(self, client: Client | None) -> None:
        if client is not None:
            self.attach(client)

    def attach(self, client: Client | None) -> None:
        """Goes on with another session, or with none."""
        old, self.client = self.client, client
        if old is not None:
            old.hear = lambda event: None
            if client is None:
                self._own, self._history = old.patch, old.history
            old.close()
        self._pending.clear()
        self._events.clear()
        self.lost = False
        if client is None:
            self.state, self.levels, self.cpu, self._shares = {}, {}, {}, {}
        else:
            client.hear = self._hear
            for number, slot in self._watches.slots.items():
                if slot.tap is not None:
                    self.tell("watch", number, *slot.tap)
        self._changed()

    def close(self) -> None:
        """Leaves the session, which plays on."""
        self._background.close()
        if self.client is not None:
            for slot in self._watches.slots:
                self.tell("watch", slot)
            self.client.hear = lambda event: None
            self.client.close()


class _Fine(Exception):
    """An attempt that went well, and is taken back."""


def _sentence(error: Exception) -> str:
    if isinstance(error, PatchError):
        return str(error)
    if isinstance(error, OSError):
        return "the session does not answer" if not str(error) or error.errno else str(error)
    return f"{type(error).__name__}: {error}"
