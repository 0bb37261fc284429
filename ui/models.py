"""Models in the editor: looked at beside the window, trusted by somebody who was asked, and what is told of them.

A model file is a program.  `trust` is the only way by which the editor lets one run, and only the button of the question
(`ui.panels.trust`) calls it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph.disk import size
from graph.errors import PatchError
from graph.patch import Patch
from graph.spec import registry
from nodes import models
from nodes.ml import shelf, trust
from nodes.ml.contract import Interface, Method, ModelError

from . import boxes
from .background import Background
from .client import Editor

MODEL = models.Model.id
AGAIN = 1.0
"""Seconds between two looks at the files of the models that are in view."""
DIGITS = 16
"""Of a file's SHA-256 that are shown."""


class Looks:
    """Looks at model files one after the other, beside the window: `describe` never waits for one.

    It may be called in any thread, `poll` only in the main one.
    """

    def __init__(self) -> None:
        self._background = Background()
        self._lock = threading.Lock()
        self._asked: set[tuple[str, str]] = set()  # name and SHA-256
        self._wrong: dict[tuple[str, str], str] = {}
        self._waiting: dict[tuple[str, str], list[Callable[[], object]]] = {}
        self._due: list[Callable[[], object]] = []
        self._fresh = False

    def describe(self, path: Path) -> Interface:
        """What a file offers, where that is known.  Raises ModelError where it is not, or not yet; OSError."""
        found = shelf.known(path)
        if found is not None:
            return found
        key = path.name, shelf.digest(path)
        with self._lock:
            if key in self._wrong:
                raise ModelError(self._wrong[key])
            self._ask(path, key)
        raise ModelError(f"{path.name}: is being looked at …")

    def first(self, path: Path, then: Callable[[], object]) -> bool:
        """Whether a file has to be looked at before something is done with it; `due` gives `then` back when that is over.

        Raises ModelError, OSError where it cannot be read.
        """
        if shelf.known(path) is not None:
            return False
        key = path.name, shelf.digest(path)
        with self._lock:
            if key in self._wrong:
                return False
            self._waiting.setdefault(key, []).append(then)
            self._ask(path, key)
        return True

    def _ask(self, path: Path, key: tuple[str, str]) -> None:
        if key not in self._asked:
            self._asked.add(key)
            self._background.do(lambda: self._look(path, key))

    def _look(self, path: Path, key: tuple[str, str]) -> None:
        why = ""
        try:
            shelf.describe(path)
        except (ModelError, OSError) as error:
            why = str(error)
        except Exception as error:  # whatever it was, nobody waits for this file any longer
            why = f"{path.name}: {type(error).__name__}: {error}"
        with self._lock:
            self._asked.discard(key)
            self._due += self._waiting.pop(key, [])
            self._fresh = True
            if why:
                self._wrong[key] = why

    def poll(self) -> bool:
        """Whether something is known that was not."""
        with self._lock:
            fresh, self._fresh = self._fresh, False
        return fresh

    def due(self) -> list[Callable[[], object]]:
        """What waited for files that are known now."""
        with self._lock:
            due, self._due = self._due, []
        return due

    @property
    def busy(self) -> bool:
        """Whether a file is being looked at."""
        with self._lock:
            return bool(self._asked)

    def forget(self) -> None:
        """Files that could not be used are looked at once more."""
        with self._lock:
            self._wrong.clear()


LOOKS = Looks()
"""Those of this program."""


class Models:
    """What the window does about models once a frame; `late` is what the session says of them (see `runtime.asked.late`)."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self.late: Mapping[str, Mapping[str, Any]] = {}
        self._lacked: dict[str, str] = {}
        self._next = 0.0
        self._generation = registry.generation

    def begin(self) -> None:
        """From now on nothing in this program waits until a file was looked at."""
        models.describe = LOOKS.describe

    def tick(self, now: float) -> None:
        """Notices what was found out, and files that changed; asks how late the selected model is."""
        if LOOKS.poll():
            models.forget()
        for call in LOOKS.due():
            call()
        if now >= self._next:
            self._next = now + AGAIN
            with self.editor.lock:
                here = self.editor.here()
                names = [n for n, d in here.graph._node.items() if d["data"].type == MODEL]
                lacks = {self.editor.path(name): boxes.lacks(here, name) for name in names}
            self._mended(lacks)
            if self.editor.client is not None and not self.editor.lost and self.editor.selection.intersection(names):
                self.editor.call("late", then=self._told)
        if registry.generation != self._generation:
            self._generation = registry.generation
            self.editor.version += 1

    def _mended(self, lacks: Mapping[str, str]) -> None:
        """What a node lacked is no problem of it any longer, once it has it; nodes by full path."""
        problems = self.editor.problems
        gone = {path for path, why in self._lacked.items() if lacks.get(path) != why and why in problems.get(path, "")}
        self._lacked = {path: why for path, why in lacks.items() if why}
        if gone:
            self.editor.problems = {path: text for path, text in problems.items() if path not in gone}
            self.editor.version += 1

    def _told(self, late: Mapping[str, Mapping[str, Any]]) -> None:
        self.late = late


def reload(editor: Editor, node: str) -> None:
    """A model starts anew, from its file as it is now; one that could not be used is looked at once more."""
    LOOKS.forget()
    models.forget()
    editor.reload(node)


# ---------------------------------------------------------------------------------------------- trust


@dataclass(frozen=True)
class Stranger:
    """A file that nobody trusted on this machine; read, but not run."""

    path: Path
    sha: str
    bytes: int
    licence: str = ""
    description: str = ""

    @property
    def question(self) -> str:
        """What somebody has to know before it runs."""
        lines = [
            f"Do you trust {self.path.name}?", "",
            "A model is a program: once it runs, it can do what you can do on this machine. Trust it only if you know where "
            "it comes from.", "",
            str(self.path), f"SHA-256 {self.sha[:DIGITS]} …, {size(self.bytes)}",
        ]  # fmt: skip
        lines += [f"It says of itself: {self.description}"] if self.description else []
        lines.append(f"Licence: {self.licence}" if self.licence else "It does not name a licence.")
        return "\n".join(lines)


def untrusted(patch: Patch, node: str) -> tuple[Path, str] | None:
    """File and SHA-256 of a model that waits for somebody's trust; None where that is not what it lacks."""
    if node not in patch.nodes or patch.nodes[node].type != MODEL:
        return None
    name = str(patch.nodes[node].settings.get("file", ""))
    try:
        path = models.find(name, patch.folder) if name else None
        sha = shelf.digest(path) if path is not None else ""
    except (PatchError, ModelError, OSError):
        return None
    return (path, sha) if path is not None and not trust.is_trusted(sha) else None


def stranger(patch: Patch, node: str) -> Stranger | None:
    """What is known of such a file without running it."""
    found = untrusted(patch, node)
    if found is None:
        return None
    path, sha = found
    try:
        card = shelf.card(path)
        count = path.stat().st_size
    except (ModelError, OSError):
        return None
    said = {k: " ".join(str(card.get(k, "")).split())[:200] for k in ("licence", "description")}
    return Stranger(path, sha, count, said["licence"], said["description"])


def let(editor: Editor, who: Stranger) -> None:
    """Lets this very file run from now on: somebody pressed the button that says so.

    It is looked at before others hear of that, so that nobody who plays has to wait for it.
    """

    def trusted() -> None:
        try:
            trust.trust(who.sha, who.path.name)
        except (OSError, ValueError) as error:
            editor.fail(f"{who.path.name} could not be trusted: {error}")
            return
        models.forget()
        editor.trusted()

    try:
        looking = shelf.digest(who.path) == who.sha and LOOKS.first(who.path, trusted)
    except (ModelError, OSError):
        looking = False
    if looking:
        editor.notice = f"{who.path.name} is being looked at …"
    else:
        trusted()


def later(editor: Editor, file: str, then: Callable[[], object]) -> bool:
    """Whether the model called `file` is one that may run and has to be looked at first; then `then` is done afterwards.

    Whatever names such a file in a patch waits for this: a session that plays would look at it at once, and keep us waiting.
    """
    try:
        path = models.find(file, editor.patch.folder)
        waits = trust.is_trusted(shelf.digest(path)) and LOOKS.first(path, then)
    except (PatchError, ModelError, OSError):
        return False
    if waits:
        editor.notice = f"{path.name} is being looked at …"
    return waits


# ---------------------------------------------------------------------------------------------- what is told


def interface(patch: Patch, node: str) -> tuple[Interface, Method | None] | None:
    """What the file of a node offers, and the method that the node is; None where the file is not known."""
    settings = patch.nodes[node].settings
    name = str(settings.get("file", ""))
    try:
        found = models.found(name, patch.folder)[1] if name else None
    except PatchError:
        return None
    if found is None:
        return None
    asked = str(settings.get("method", ""))
    return found, found.method(asked) if asked else found.methods[0]


def methods(patch: Patch, node: str) -> tuple[str, ...]:
    """Names of the methods of a node's file, as far as it is known."""
    found = interface(patch, node)
    return tuple(m.name for m in found[0].methods) if found else ()


def card(patch: Patch, node: str) -> list[tuple[str, str]]:
    """What the file of a node says of itself, by what it is."""
    found = interface(patch, node)
    if found is None:
        return []
    about, method = found
    rows = [(word, str(about.card.get(key) or "")) for word, key in (("", "description"), ("licence", "licence"))]
    rows.append(("sample rate", f"{about.rate} Hz" if about.rate else "that of the rack"))
    rows.append(("trained on", str(about.card.get("training_data") or "")))
    rows.append(("weights", f"{about.weights:,}".replace(",", " ") if about.weights else ""))
    if method is not None:
        hop = models.unit(about, method) * int(patch.nodes[node].settings.get("hop", 1)) / (about.rate or patch.rate)
        rows.append(("a hop", milliseconds(hop)))
        delay = None if method.delay is None else method.delay / (about.rate or patch.rate)
        rows.append(("its own delay", "not known" if delay is None else milliseconds(delay)))
    rows += [("note", note) for note in about.notes]
    return [(word, " ".join(said.split())[:400]) for word, said in rows if said]


def lateness(late: Mapping[str, Any] | None) -> str:
    """What the session says of one node, as people read it; "" where it says nothing."""
    if not late:
        return ""
    own = late.get("delay")
    more = "more by the models' own delay, which is not known"
    if own is not None:
        more = f"{milliseconds(float(own))} more by the models' own delay"
    count = int(late.get("late", 0))
    hops = f"{count} hop{'' if count == 1 else 's'} came too late" if count else "no hop came too late"
    return f"What comes out here is {milliseconds(float(late['transport']))} late, and {more}; {hops}."


def milliseconds(seconds: float) -> str:
    """A time as it is written beside a model."""
    return f"{seconds * 1e3:.1f} ms"
