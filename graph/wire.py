"""The operations that change a patch, and the one function that applies them.

An operation is one of `{"do": edit, "gesture": g}` (edits as in `graph.edit_maps`), `{"undo": 1}`, `{"redo": 1}`,
`{"set": [[node, port, value], …], "gesture": g}` (values that stream from a controller), `{"bypass": [[node, 0 or 1], …]}`,
`{"end": 1}` (the gesture is over) and `{"saved": path}`.  A node may be "sub/inner".  The same operations on equal patches
give equal patches and equal histories: the session, its clients, its journal and its event log rely on it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from graph import codec, edits, values
from graph.edit_maps import COUNT, Reader, from_map, items, places, to_map
from graph.errors import PatchError, show
from graph.groups import SetValues
from graph.history import History, Step
from graph.patch import Patch

__all__ = ["apply", "from_map", "history_from", "history_map", "replay", "to_map"]

STEPS = 8 << 20  # bytes of a history that is written down

VERBS = ("do", "undo", "redo", "set", "bypass", "end", "saved")


def apply(history: History, op: Mapping[str, Any]) -> edits.Edit | None:
    """Applies an operation to the history's patch, all or not at all.

    Returns what would take it back (its writes say which places changed), or None where there was nothing to do.
    Raises PatchError where it is refused.
    """
    if not isinstance(op, Mapping):
        raise PatchError(f"an operation takes a map, not {show(op)}")
    verbs = [k for k in op if k in VERBS]
    if len(verbs) != 1 or any(k not in ("gesture", *VERBS) for k in op):
        raise PatchError(f"an operation is one of {', '.join(VERBS)}")
    verb, value, name = verbs[0], op[verbs[0]], gesture(op.get("gesture"))
    if verb in ("undo", "redo", "end"):
        values.whole(verb, value, 1, 1)
    if verb in ("undo", "redo"):
        label = history.undo() if verb == "undo" else history.redo()
        return None if label is None else history.inverse
    if verb == "end":
        history.end()
        return None
    if verb == "saved":
        _saved(history, values.text("saved", value))
        return None
    reader = Reader(history.patch, recorded=False)
    if verb == "do":
        edit = reader.edit("do", value)
        return history.do(edit, name, join=isinstance(edit, SetValues))
    if verb == "bypass":
        value = [[*row[:1], "bypass", *row[1:]] for row in (items(verb, row, 2) for row in items(verb, value, COUNT))]
    return history.do(SetValues.of(places(verb, value, reader)), name, join=True)


def replay(patch: Patch, ops: Sequence[Mapping[str, Any]]) -> History:
    """The history after `ops`, which are applied to `patch`.  Raises PatchError where one is refused."""
    history = History(patch)
    for op in ops:
        apply(history, op)
    return history


def gesture(value: Any) -> Hashable:
    """The name of a gesture; lists become tuples, as they were before they went over the wire."""
    if isinstance(value, list | tuple):
        return tuple(gesture(v) for v in values.plain("gesture", value, 8))
    if value is not None and not isinstance(value, str | int | float):
        raise PatchError(f"gesture takes text or a number, not {show(value)}")
    return value


def _saved(history: History, path: str) -> None:
    """The patch was saved as `path`: it now knows its file and folder, as `graph.file.save` says too."""
    place, patch = Path(path), history.patch
    real = place.resolve()
    if patch.folder != real.parent:
        patch._files = {}
    patch.folder, patch.file, patch.lineage = real.parent, place.name, (str(real),)
    history.saved()


def history_map(history: History, limit: int = STEPS) -> dict[str, Any]:
    """The history as plain data; the oldest steps are left out where all would be larger than `limit` bytes."""
    undo, redo = history.steps
    serial, base, saved = history.marks
    found: dict[str, Any] = {}
    for name, steps in (("redo", redo), ("undo", undo)):
        kept: list[dict[str, Any]] = []
        for step in reversed(steps):
            one: dict[str, Any] = {"label": step.label, "serial": step.serial, "edit": to_map(step.edit)}
            if step.gesture is not None:
                one |= {"key": step.key, "gesture": step.gesture, "join": step.join}
            limit -= len(codec.pack(one))
            if limit < 0:
                base = step.serial if name == "undo" else base
                break
            kept.append(one)
        found[name] = kept[::-1]
    return {**found, "marks": [serial, base, saved]}


def history_from(found: Any, patch: Patch) -> History:
    """The history of `patch` in what `history_map` made, or PatchError.  It is believed: take it from no stranger."""
    history = History(patch)
    try:
        undo, redo = ([_step(one, patch) for one in found[name]] for name in ("undo", "redo"))
        serial, base, saved = (values.whole("marks", m, 0, 1 << 53) for m in found["marks"])
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        raise e if isinstance(e, PatchError) else PatchError("the history is not in a form known here") from None
    history.restore(undo, redo, (serial, base, saved))
    return history


def _step(one: Any, patch: Patch) -> Step:
    key = gesture(one.get("key"))
    return Step(
        values.text("label", one["label"], 1 << 20),
        from_map(one["edit"], patch, recorded=True),
        values.whole("serial", one["serial"], 0, 1 << 53),
        key if isinstance(key, tuple) else None,
        gesture(one.get("gesture")),
        bool(one.get("join")),
    )
