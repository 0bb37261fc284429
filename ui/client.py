"""`Editor`: what all parts of the editor share, and their only way to the session.

It holds a replica of the patch (or, without a session, a patch of its own), the selection, the sub-patch that is looked
at, and what the telemetry shows.  All methods are for the main thread, and none raises into the loop: what is refused
becomes a sentence in `errors`.  Never call `do`, `undo`, `redo`, `end` with `lock` held: the answer could not come.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

from graph import snapshots, wire
from graph.edits import Edit, Inside, SetParam, SetPatch
from graph.errors import PatchError
from graph.groups import SetValues
from graph.history import History
from graph.patch import Patch
from graph.spec import Param
from nodes import models
from runtime import encoding
from runtime.attach import Client

from .background import Background
from .replica import Attached, Value
from .sounding import Sounding

LOOK = 1 / 30
"""Seconds between two looks at the telemetry."""
LATE = 0.5
"""Seconds after which a streamed value that the session never told of is forgotten."""
KEPT = 500  # sentences in `errors`
_NODE = re.compile(r"(?:.*: )?node ([A-Za-z0-9_/-]+): ")


class Editor(Sounding):
    """See the module.  Names of nodes are those of the patch that is looked at (`here`), unless said otherwise."""

    def __init__(self, client: Client | None = None, patch: Patch | None = None) -> None:
        super().__init__(Patch() if patch is None else patch)
        self.errors: list[tuple[float, str, str]] = []
        """What went wrong: seconds since 1970, full node path ("" where none is named), sentence."""
        self.refused = ""
        """Why the last `do` was refused; "" where it was not."""
        self.notice = ""
        """What was done last, to show in passing: "Undo connect lfo → cutoff"."""
        self.locked = False
        """Run lock: gestures turn knobs and press switches, but change nothing else."""
        self.lost = False
        """Whether the session is gone; `reconnect` is then asked for it, until it is there or will not come."""
        self.reconnect: Callable[[], Client | None] | None = None
        """Gives the session again, None where it is not there yet; it may take its time.  PatchError where it will not come."""
        self._events: deque[dict[str, Any]] = deque()
        self._background = Background()
        self._looked = self._asked = 0.0
        self._asking = False
        self._no_midi = self._encoding = ""  # what was said
        self.attach(client)

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
            elif call == "encode":
                self._encode(*args)
            elif call not in ("watch", "rearm", "reload", "trusted"):
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

    def keep(self, node: str) -> None:
        """Puts what a tape recorded into the patch."""
        self.call("keep", self.path(node))

    def encode(self, node: str, sound: Path) -> None:
        """Puts a sound file through a model and onto the tapes at its outlets; `notice` tells how far it is."""
        self.call("encode", self.path(node), str(sound))

    def _encode(self, node: str, sound: str) -> None:
        """The same without a session; `node` is a full path."""
        job = encoding.prepare(self.patch.copy(), node, Path(sound))
        self._take(encoding.event(job))

        def store(paths: Mapping[str, Any]) -> None:
            try:
                self._op({"do": wire.to_map(encoding.edit(self.patch, job, paths))})
                self._take(encoding.event(job, kept=encoding.goals(self.patch, job)))
            except PatchError as error:
                self._refuse(error)

        self._background.do(lambda: encoding.run(job, lambda *far: self._events.append(encoding.event(job, *far))), store)

    def reload(self, node: str) -> None:
        """A model starts anew; a changed file is taken."""
        self.call("reload", self.path(node))

    def trusted(self) -> None:
        """A model file was trusted, or has changed: all who play look anew."""
        self.call("trusted")

    def learn(self, node: str, port: str) -> None:
        """MIDI learn."""
        if self._no_midi:
            self.fail(self._no_midi)
        self.call("learn", self.path(node), port)

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
                try:
                    self._look(self.client, now)
                except Exception as error:  # a page that was half written when its session died
                    self.fail(f"the figures of the session cannot be read: {type(error).__name__}")
        if self.lost and self.reconnect is not None and not self._asking and now - self._asked > LATE:
            self._ask(self.reconnect)
        return self.version != before

    def _ask(self, reconnect: Callable[[], Client | None]) -> None:
        """Asks for the session again, in the background."""
        self._asking = True

        def ask() -> tuple[Client | None, PatchError | None]:
            try:
                return reconnect(), None
            except OSError:
                return None, None
            except PatchError as error:
                return None, error

        def answered(found: tuple[Client | None, PatchError | None]) -> None:
            self._asking, self._asked = False, time.monotonic()
            client, error = found
            if not self.lost or self.reconnect != reconnect:  # another patch is open by now
                if client is not None:
                    client.close()
            elif client is not None:
                self.attach(client)
            elif error is not None:
                self.reconnect = None
                self._refuse(error)

        self._background.do(ask, answered)

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
        elif kind == "error" and event["text"].startswith("there is no MIDI here"):
            self._no_midi = event["text"]  # nobody asked for it yet
        elif kind == "error":
            self.fail(event["text"])
            node = self.errors[-1][1]
            if node:
                self.problems = {**self.problems, node: event["text"]}
                self.version += 1
        elif kind == "hello":
            known = {text for _, _, text in self.errors}
            for text in event.get("errors", ()):
                if text not in known:
                    self._take({"kind": "error", "text": text})
        elif kind == "encoding" and event["text"] != self._encoding:
            self._encoding = self.notice = event["text"]
        elif kind == "models":
            models.forget()
            self.version += 1
        elif kind == "loaded":  # another patch: our replica is of the last one
            self.lost = True

    def open(self, patch: Patch) -> None:
        """Another patch, without a session."""
        self.attach(None)
        self.reconnect = None
        self._own, self._history = patch, History(patch)
        self.inside, self.selection, self.problems = (), set(), {}
        self._changed()

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
            for event in client.early if isinstance(client, Attached) else ():
                self._hear(event)
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
