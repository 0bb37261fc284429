"""Undo and redo over edits, knob drags merged into one step, and a mark where the patch was saved."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graph.edits import Changes, Edit
from graph.patch import Change, Patch

WRITES, FEW = 2048, 20
"""Writes that the steps of a history may hold together; so many steps are kept whatever they hold."""


@dataclass(frozen=True)
class Step:
    """One entry: its name, the edit that leads back (or forward again), and what may merge into it.

    `serial` names the state of the patch after the step, for good: it stays through undo and redo.
    """

    label: str
    edit: Edit
    serial: int
    key: tuple[Any, ...] | None = None
    gesture: Hashable = None
    join: bool = False


class History:
    """The edits of one patch.  What should be undone goes through `do`; at most `limit` steps are kept."""

    def __init__(self, patch: Patch, limit: int = 1000) -> None:
        self.patch = patch
        self.limit = limit
        self._undo: list[Step] = []
        self._redo: list[Step] = []
        self._serial = 0
        self._base = 0  # the state before the oldest step
        self._saved = 0
        self.inverse: Edit | None = None
        """What takes back the last `do`, `undo` or `redo`: its writes say which places that one changed."""

    def do(self, edit: Edit, gesture: Hashable = None, *, join: bool = False) -> Edit:
        """Applies `edit` and returns its inverse.  Edits of one `gesture` that write the same place are one step.

        With `join` those that write other places join it too: for batches of values, whose key is a tuple of places.
        Raises PatchError where the edit is refused; patch and history are then as they were.
        """
        inverse = self.inverse = edit.apply(self.patch)
        self._redo.clear()
        if gesture is not None and edit.key is not None and self._undo and self._state != self._saved:
            top = self._undo[-1]
            if (top.key, top.gesture) == (edit.key, gesture):
                return inverse  # the step already leads back to before the gesture
            if join and top.join and top.gesture == gesture and top.key is not None:
                if not set(edit.key) <= set(top.key):
                    back = Changes(_joined(inverse, top.edit), top.label)
                    key = tuple(sorted({*top.key, *edit.key}))
                    self._undo[-1] = replace(top, edit=back, key=key, label=top.label.removesuffix(" …") + " …")
                return inverse
        self._serial += 1
        self._undo.append(Step(edit.label, inverse, self._serial, edit.key, gesture, join))
        self._forget()
        return inverse

    def _forget(self) -> None:
        """Drops the oldest steps: beyond `limit`, and where they hold very much, as the streams of many faders do."""
        spare = len(self._undo) - FEW
        while len(self._undo) > self.limit or (spare > 0 and self._weight() > WRITES):
            self._base = self._undo.pop(0).serial
            spare -= 1

    def _weight(self) -> int:
        return sum(len(s.edit.writes) if isinstance(s.edit, Changes) else 1 for s in self._undo)

    def end(self) -> None:
        """Ends the gesture: what follows is a new step even under the same name (the mouse was released)."""
        if self._undo:
            self._undo[-1] = replace(self._undo[-1], gesture=None)

    def undo(self) -> str | None:
        """Takes the last step back; returns its name, None where there is none."""
        return self._move(self._undo, self._redo)

    def redo(self) -> str | None:
        """Does the last undone step again; returns its name, None where there is none."""
        return self._move(self._redo, self._undo)

    def _move(self, source: list[Step], target: list[Step]) -> str | None:
        if not source:
            return None
        back = self.inverse = source[-1].edit.apply(self.patch)
        step = source.pop()
        target.append(Step(step.label, back, step.serial))
        return step.label

    @property
    def undo_label(self) -> str | None:
        """What `undo` would take back."""
        return self._undo[-1].label if self._undo else None

    @property
    def redo_label(self) -> str | None:
        """What `redo` would do again."""
        return self._redo[-1].label if self._redo else None

    @property
    def _state(self) -> int:
        return self._undo[-1].serial if self._undo else self._base

    @property
    def serial(self) -> int:
        """Names the state that the patch is in: the serial of the step that led to it."""
        return self._state

    def saved(self) -> None:
        """Marks the patch as saved as it is now."""
        self._saved = self._state

    @property
    def dirty(self) -> bool:
        """Whether the patch differs from what was saved, as far as history knows."""
        return self._state != self._saved

    # kept beside the patch, so that another process can go on

    @property
    def steps(self) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
        """What can be undone and what can be done again, the oldest first and the next to redo last."""
        return tuple(self._undo), tuple(self._redo)

    @property
    def marks(self) -> tuple[int, int, int]:
        """The serials of the last step made, of the state before the oldest step, and of what was saved."""
        return self._serial, self._base, self._saved

    def restore(self, undo: Sequence[Step], redo: Sequence[Step], marks: tuple[int, int, int]) -> None:
        """Puts `steps` and `marks` of another history of the same patch in place of its own."""
        self._undo, self._redo = list(undo), list(redo)
        self._serial, self._base, self._saved = marks


def _joined(new: Edit, old: Edit) -> tuple[Change, ...]:
    """The writes that lead back behind both of two steps; of values, only the last write of each place counts."""
    assert isinstance(new, Changes) and isinstance(old, Changes)
    writes = new.writes + old.writes
    if all(what in ("value", "attr", "field") for what, _, _ in writes):
        return tuple({(what, key): (what, key, value) for what, key, value in writes}.values())
    return writes
