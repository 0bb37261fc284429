"""The file of the open patch: new, open, save, revert, what happens to unsaved changes, autosave and recovery.

The patch itself is only written by `save`; autosaves lie beside it (`ui.recovery`).
"""

from __future__ import annotations

import contextlib
import datetime
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from graph import disk, file
from graph.edits import Edit
from graph.errors import PatchError
from graph.history import History
from graph.patch import Patch

from .becoming import becoming
from .places import ENDINGS, carry, digest, forget, form, fresh, remember, state_folder, untitled
from .recovery import Recovery, apart, autosave, discard, recovery

__all__ = ["ENDINGS", "EVERY", "Answer", "Document", "Files", "Recovery", "fresh", "keep_views", "views"]

VIEWS = 200
"""Patches whose views are remembered."""
EVERY = 15.0
"""Seconds between autosaves of a patch that changes."""
Answer = Literal["save", "discard", "cancel"]
Seen = tuple[tuple[str, ...], float, float, float]
"""A place to look at: the sub-patch, the world's position in the middle, and pixels a unit at UI scale 1."""


class Document(Protocol):
    """What files need of `ui.client.Editor`."""

    client: Any
    refused: str

    @property
    def patch(self) -> Patch:
        """The outermost patch."""

    @property
    def history(self) -> History:
        """Its history."""

    @property
    def lock(self) -> threading.RLock:
        """Held while either is read."""

    def do(self, edit: Edit) -> bool:
        """Applies an edit."""

    def undo(self) -> str | None:
        """Takes a step back."""

    def redo(self) -> str | None:
        """Does it again."""

    def saved(self, path: str) -> None:
        """Marks the patch as saved."""


@dataclass
class Files:
    """The file of the patch that is open.  `play(path)` makes the editor play another one; `say(text)` tells people."""

    editor: Document
    play: Callable[[Path], None] = lambda path: None
    say: Callable[[str], None] = lambda text: None
    pending: Callable[[], None] | None = None  # what waits for an answer about unsaved changes
    offer: Recovery | None = None  # what waits for an answer about unsaved work of a crash
    held: str = ""  # digest of the file as it was opened or saved
    _at: float = 0.0
    _kept: int = -1  # the state that the last autosave holds
    _writing: threading.Thread | None = field(default=None, repr=False)

    @property
    def path(self) -> Path | None:
        """The file of the patch, None where it was never one."""
        patch = self.editor.patch
        return patch.folder / patch.file if patch.folder and patch.file else None

    @property
    def dirty(self) -> bool:
        """Whether there are unsaved changes."""
        return self.editor.history.dirty

    @property
    def title(self) -> str:
        """For the window: name of the patch, with a dot where it has unsaved changes."""
        name = "untitled" if untitled(self.path) else (self.path or Path("untitled")).name
        return f"{name}{' •' if self.dirty else ''}"

    def opened(self) -> None:
        """The editor plays a patch now: remembers it, and looks for unsaved work of it."""
        self._kept, self._at = -1, time.monotonic()
        path = self.path
        if path is None:
            return
        self.held = digest(path)
        remember(path)
        self.offer = None if self.dirty else recovery(path)  # a session that went on has the work itself

    # new, open

    def new(self, template: str = "empty") -> None:
        """Plays a new patch, once unsaved changes are settled."""
        self.leave(lambda: self.play(fresh(template)))

    def open(self, path: Path) -> None:
        """Plays a patch, once unsaved changes are settled.  PatchError where it is none."""
        Patch.load(path)
        self.leave(lambda: self.play(path))

    # save

    def save(self, over: bool = False) -> None:
        """Writes the patch to its file.  PatchError where it has none yet, or the file was changed by another program."""
        if untitled(self.path):
            raise PatchError("the patch has no name yet; say where to save it")
        assert self.path is not None
        now = digest(self.path)
        if now and self.held and now != self.held and not over:
            raise PatchError("was changed by another program since it was opened", file=self.path.name)
        self._write(self.path)

    def save_as(self, path: Path, as_text: bool | None = None) -> None:
        """Writes the patch to another file, with the sounds and sub-patches that it names.  Raises PatchError."""
        if path.suffix not in ENDINGS:
            path = path.with_name(path.name + (".json" if as_text else ".zrack"))
        if not path.parent.is_dir():
            raise PatchError(f"there is no folder {path.parent}")
        if untitled(path):
            raise PatchError(f"{path.parent} is for patches that have no name yet; choose another folder")
        old = self.path
        with self.editor.lock:
            patch = self.editor.patch.copy()
        for sentence in carry(patch, path.parent):
            self.say(sentence)
        self._write(path, None if as_text is None else "text" if as_text else "msgpack")
        if old is not None and old.resolve() != path.resolve():
            keep_views(path, views(old))
            discard(old)
            forget(old)

    def export_text(self, path: Path) -> None:
        """Writes the text form to another file; the patch stays where it is."""
        with self.editor.lock:
            patch = self.editor.patch.copy()
        patch.save(path, "text")

    def _write(self, path: Path, given: file.Form | None = None) -> None:
        self._wait()
        self._spare()
        name = str(path.resolve())
        for _ in range(3):  # a controller may turn a knob meanwhile
            self._marked(name, -1)  # what is on its way from knobs reaches the patch
            with self.editor.lock:
                patch, serial = self.editor.patch.copy(), self.editor.history.serial
            file.save(patch, path, given or form(path))
            if self._marked(name, serial):
                break
        self.held = digest(path)
        self._kept = -1
        discard(path)
        remember(path)

    def _marked(self, path: str, serial: int) -> bool:
        """Tells the session that the step `serial` was saved; False where it is at another one by now."""
        client = self.editor.client
        if client is None:
            if serial >= 0:
                self.editor.saved(path)
            return True
        try:
            return bool(client.call("saved", path, serial))
        except OSError:  # it is gone, and the file is written all the same
            return True

    # revert

    def revert(self) -> None:
        """Goes back to what the file holds: by undo where that leads there, else by one step that can be undone."""
        path = self.path
        if path is None:
            raise PatchError("the patch was never saved")
        then = Patch.load(path)
        history = self.editor.history
        undo, redo = history.steps
        _, base, saved = history.marks
        back = [base, *(step.serial for step in undo)]
        if saved in back:
            for _ in range(len(back) - 1 - back.index(saved)):
                self.editor.undo()
        else:
            ahead = [step.serial for step in reversed(redo)]
            for _ in range(ahead.index(saved) + 1 if saved in ahead else 0):
                self.editor.redo()
        if self.editor.patch != then:
            self.become(then, "revert")
            self._mark(path, then)
        if self.offer is None:
            discard(path)

    def _mark(self, path: Path, then: Patch) -> None:
        """Says that the patch is what the file holds."""
        with self.editor.lock:
            same, serial = self.editor.patch == then, self.editor.history.serial
        if not same:
            return
        self._marked(str(path.resolve()), serial)
        self.held = digest(path)

    def become(self, then: Patch, title: str) -> None:
        """Makes the patch equal to another by one edit."""
        with self.editor.lock:
            edit = becoming(self.editor.patch, then, title)
        if edit is not None and not self.editor.do(edit):
            raise PatchError(self.editor.refused or f"{title} was refused")

    # unsaved changes

    def leave(self, then: Callable[[], None]) -> None:
        """Does `then` at once where nothing is unsaved, else when `answer` allows it."""
        if self.dirty:
            self.pending = then
        else:
            self._gone()
            then()

    def answer(self, word: Answer) -> None:
        """What to do with the unsaved changes.  With "save" PatchError where that fails; the question stays then."""
        then = self.pending
        if word == "save":
            self.save()
        elif word == "discard" and self.path is not None:
            self._wait()
            if self.offer is None:
                discard(self.path)
            self._gone()
        self.pending = None
        if then is not None and word != "cancel":
            then()

    def _gone(self) -> None:
        if self.path is not None and untitled(self.path) and self.offer is None:
            forget(self.path)

    # autosave and recovery

    def tick(self, now: float | None = None) -> bool:
        """Call it often: every 15 s, unsaved changes are written beside the patch, in the background.  True when begun."""
        now = time.monotonic() if now is None else now
        if now - self._at < EVERY or (self._writing is not None and self._writing.is_alive()):
            return False
        self._at = now
        path = self.path
        if path is None:
            return False
        history = self.editor.history
        if not history.dirty:
            if self._kept >= 0:
                discard(path)  # undone, back to what was saved
                self._kept = -1
            return False
        with self.editor.lock:
            patch, state = self.editor.patch.copy(), self.editor.patch.version
        if state == self._kept:
            return False
        self._spare()
        self._kept = state
        self._writing = threading.Thread(target=self._autosave, args=(patch, path, self.held), name="autosave", daemon=True)
        self._writing.start()
        return True

    def _autosave(self, patch: Patch, path: Path, held: str) -> None:
        try:
            autosave(patch, path, held)
        except (PatchError, OSError) as error:
            self.say(f"autosave failed, {error}")

    def _wait(self) -> None:
        """Until an autosave that is being written is done, so that none is left behind."""
        if self._writing is not None:
            self._writing.join(10)

    def rescue(self) -> None:
        """Keeps unsaved changes beside the patch at once, where nobody can be asked any more."""
        self._wait()
        if self.path is not None and self.dirty:
            self._spare()
            with self.editor.lock:
                patch = self.editor.patch.copy()
            self._autosave(patch, self.path, self.held)

    def question(self) -> tuple[str, dict[str, Callable[[], None] | None]]:
        """What to ask about the offered work, and what each answer does."""
        assert self.offer is not None
        when = datetime.datetime.fromtimestamp(self.offer.time).strftime("%d %B, %H:%M")
        other = "  Another program has changed the file since." if self.offer.other else ""
        text = f"There are unsaved changes to {self.title.removesuffix(' •')} from {when}.{other}  Recover them?"
        return text, {"Recover": self.recover, "Discard": self.decline, "Later": None}

    def recover(self) -> None:
        """Takes the offered work: the patch becomes it in one step, which can be undone; the file stays as it was."""
        offer, self.offer = self.offer, None
        if offer is None:
            return
        try:
            self.become(offer.patch, "recover unsaved work")
        except PatchError:
            copy = apart(offer)
            discard(offer.path)
            self.say(f"the unsaved work is in {copy.name}")
            self.play(copy)

    def _spare(self) -> None:
        """Offered work that was left for later becomes a patch of its own, before its autosave is written over or goes."""
        offer = self.offer
        if offer is None:
            return
        if not untitled(offer.path):
            with contextlib.suppress(PatchError):
                self.say(f"the unsaved work of before is in {apart(offer).name}")
                self.offer = None
                return
        copy = fresh()  # without a name, or beside nothing that can be written: offered again as one without a name
        carry(offer.patch, copy.parent)
        autosave(offer.patch, copy, digest(copy))
        self.offer = None

    def decline(self) -> None:
        """Does not want the offered work: its file goes."""
        offer, self.offer = self.offer, None
        if offer is not None:
            discard(offer.path)


# places to look at, kept on this machine: a patch does not become dirty by being looked at


def views(path: Path) -> dict[str, Seen]:
    """The places of a patch that were kept, by their digit."""
    found = _views().get(str(path.resolve()), {})
    try:
        return {n: (tuple(map(str, way)), float(x), float(y), float(zoom)) for n, (way, x, y, zoom) in found.items()}
    except (AttributeError, TypeError, ValueError):
        return {}


def keep_views(path: Path, kept: Mapping[str, Seen]) -> None:
    """Keeps the places of a patch; those of the patches where that was done longest ago are forgotten."""
    if not kept:
        return
    name = str(path.resolve())
    every = {n: found for n, found in _views().items() if n != name} | {name: kept}
    with contextlib.suppress(OSError, PatchError):
        state_folder().mkdir(parents=True, exist_ok=True)
        disk.write_atomic(state_folder() / "views.json", json.dumps(dict([*every.items()][-VIEWS:])).encode())


def _views() -> dict[str, Any]:
    try:
        found = json.loads((state_folder() / "views.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
