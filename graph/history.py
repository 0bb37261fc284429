"""Undo and redo over edits, knob drags merged into one step, and a mark where the patch was saved."""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

from graph.edits import Edit
from graph.patch import Patch


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


class History:
    """The edits of one patch.  What should be undone goes through `do`; at most `limit` steps are kept."""

    def __init__(self, patch: Patch, limit: int = 1000) -> None:
        self.patch = patch
        self.limit = limit
        self._undo: list[Step] = []
        self._redo: list[Step] = []
        self._serials = itertools.count(1)
        self._base = 0  # the state before the oldest step
        self._saved = 0

    def do(self, edit: Edit, gesture: Hashable = None) -> Edit:
        """Applies `edit` and returns its inverse.  Edits of one `gesture` that write the same place are one step.

        Raises PatchError where the edit is refused; patch and history are then as they were.
        """
        inverse = edit.apply(self.patch)
        self._redo.clear()
        if gesture is not None and edit.key is not None and self._undo and self._state != self._saved:
            top = self._undo[-1]
            if (top.key, top.gesture) == (edit.key, gesture):
                return inverse  # the step already leads back to before the gesture
        self._undo.append(Step(edit.label, inverse, next(self._serials), edit.key, gesture))
        if len(self._undo) > self.limit:
            self._base = self._undo.pop(0).serial
        return inverse

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
        back = source[-1].edit.apply(self.patch)
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

    def saved(self) -> None:
        """Marks the patch as saved as it is now."""
        self._saved = self._state

    @property
    def dirty(self) -> bool:
        """Whether the patch differs from what was saved, as far as history knows."""
        return self._state != self._saved
