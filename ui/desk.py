"""What the actions need of the app, when they make sense, and what they are about: the selection, or what was right-clicked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from graph.edits import Edit
from graph.patch import Key, Patch

from . import muting
from .client import Editor
from .curves import is_tape
from .gestures import Gestures
from .model import Box, Knob, Layout, Port, Switch, Wire
from .models import MODEL, interface, untrusted
from .presses import SCATTER
from .settings import Settings
from .view import View


class Files(Protocol):
    """What an app's `files` can do: see `ui.files.Files`."""

    @property
    def dirty(self) -> bool: ...
    def new(self, template: str = "empty") -> None: ...
    def open(self, path: Path) -> None: ...
    def save(self, over: bool = False) -> None: ...
    def revert(self) -> None: ...


class Docks(Protocol):
    """What an app's `docks` can do: see `ui.app_docks.Docks`."""

    def toggle(self, name: str) -> None: ...
    def is_open(self, name: str) -> bool: ...
    def settle(self) -> None: ...
    def save_as(self) -> None: ...
    def choose_file(
        self, title: str, then: Callable[[Path], None], new: bool = False, endings: tuple[str, ...] = ()
    ) -> None: ...


class Desk(Protocol):
    """What the actions need of the app."""

    @property
    def editor(self) -> Editor: ...
    @property
    def layout(self) -> Layout: ...
    @property
    def view(self) -> View: ...
    @property
    def gestures(self) -> Gestures: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def files(self) -> Files: ...
    @property
    def docks(self) -> Docks: ...

    def say(self, text: str) -> None: ...
    def restyle(self, name: str | None = None, scale: float | None = None) -> None: ...
    def close(self) -> None: ...
    def show_help(self, type: str) -> None:
        """Opens the help of a node type."""

    def export_png(self, path: Path) -> None:
        """Writes a picture of the canvas."""

    def show_levels(self, on: bool) -> None:
        """Cables show what they carry, or no longer."""

    def copy_text(self, text: str) -> None:
        """Puts text on the clipboard."""

    def copied_text(self) -> str:
        """The text on the clipboard."""


Run = Callable[[Desk], object]


# when


def always(app: Desk) -> bool:
    return True


def free(app: Desk) -> bool:
    return not app.gestures.refusal()


def nodes(app: Desk) -> bool:
    return bool(app.editor.selection)


def free_nodes(app: Desk) -> bool:
    return free(app) and nodes(app)


def free_several(app: Desk) -> bool:
    return free(app) and len(app.editor.selection) > 1


def free_some(app: Desk) -> bool:
    return free(app) and bool(app.editor.selection or app.gestures.overlay.wires)


def free_one(app: Desk) -> bool:
    return free(app) and len(app.editor.selection) == 1


def free_solo(app: Desk) -> bool:
    return free(app) and (nodes(app) or bool(muting.soloed(app.editor.here())))


def holds_patch(app: Desk) -> bool:
    box = app.layout.boxes.get(one(app))
    return box is not None and box.look == "patch"


def tape(app: Desk) -> bool:
    box = app.layout.boxes.get(one(app))
    return box is not None and is_tape(box.spec)


def free_points(app: Desk) -> bool:
    return free(app) and scatter_and_tape(app) is not None


def inside(app: Desk) -> bool:
    return bool(app.editor.inside)


def dirty(app: Desk) -> bool:
    return app.files.dirty


def can_undo(app: Desk) -> bool:
    return app.editor.history.undo_label is not None


def can_redo(app: Desk) -> bool:
    return app.editor.history.redo_label is not None


def faulty(app: Desk) -> bool:
    return any(app.editor.problem(name) for name in app.editor.selection)


def model(app: Desk) -> bool:
    box = app.layout.boxes.get(one(app))
    return box is not None and box.data.type == MODEL


def free_encoder(app: Desk) -> bool:
    """Whether a model is meant that makes latents of sound."""
    if not (free(app) and model(app)):
        return False
    with app.editor.lock:
        found = interface(app.editor.here(), one(app))
    method = found[1] if found is not None else None
    return method is not None and method.in_ratio == 1 and method.inputs > 0 and method.out_ratio > 1


def stranger(app: Desk) -> bool:
    box = app.layout.boxes.get(one(app))
    if box is None or not box.lacks:
        return False
    with app.editor.lock:
        return untrusted(app.editor.here(), box.name) is not None


def free_port(app: Desk) -> bool:
    return free(app) and isinstance(app.gestures.target, Port)


def free_wire(app: Desk) -> bool:
    return free(app) and wire(app) is not None


def free_amount(app: Desk) -> bool:
    return free_wire(app) or (free(app) and len(driving(app)) > 0)


def free_param_wire(app: Desk) -> bool:
    key = wire(app)
    spec = app.editor.spec(key[2]) if key else None
    return free(app) and key is not None and spec is not None and key[3] in spec.params


def free_driven(app: Desk) -> bool:
    return free(app) and bool(at_target(app))


def value(app: Desk) -> bool:
    return place(app) is not None


def free_value(app: Desk) -> bool:
    return free(app) and value(app)


def free_knob(app: Desk) -> bool:
    at = place(app)
    spec = app.editor.spec(at[0]) if at else None
    return free(app) and spec is not None and at is not None and at[1] in spec.params


def anything(app: Desk) -> bool:
    return bool(at_target(app)) or isinstance(app.gestures.target, Wire | Box)


CHANGING = frozenset(
    {free, free_nodes, free_several, free_some, free_one, free_solo, free_port, free_wire, free_amount, free_param_wire,
     free_driven, free_value, free_knob, free_points, free_encoder}
)  # fmt: skip
"""Conditions of what changes the patch: under a lock, they say so."""


# what is meant


def one(app: Desk) -> str:
    """The node that an action on one is about: the one that was right-clicked if it is selected, else the selected one."""
    target, selection = app.gestures.target, app.editor.selection
    if isinstance(target, Box) and target.name in selection:
        return target.name
    return next(iter(sorted(selection)), "")


def wire(app: Desk) -> Key | None:
    """The cable that was right-clicked, or the only one selected."""
    target, wires = app.gestures.target, app.gestures.overlay.wires
    key = target.key if isinstance(target, Wire) else next(iter(wires)) if len(wires) == 1 else None
    return key if key in app.layout.wires else None


def place(app: Desk) -> tuple[str, str] | None:
    """Node and param or choice that was right-clicked; None where it is gone."""
    target = app.gestures.target
    if getattr(target, "node", "") not in app.layout.boxes:
        return None
    if isinstance(target, Knob):
        return target.node, target.param
    if isinstance(target, Switch):
        return target.node, target.choice
    if isinstance(target, Port) and target.is_param:
        return target.node, target.name
    return None


def scatter_and_tape(app: Desk) -> tuple[str, str] | None:
    """The two selected nodes, if they are a scatter and a tape."""
    boxes = [app.layout.boxes[n] for n in app.editor.selection if n in app.layout.boxes]
    scatters = [b.name for b in boxes if b.data.type == SCATTER]
    tapes = [b.name for b in boxes if is_tape(b.spec)]
    return (scatters[0], tapes[0]) if len(boxes) == 2 and scatters and tapes else None


def at_target(app: Desk) -> list[Key]:
    """The cables at what was right-clicked: into a knob or inlet, out of an outlet, or the cable itself."""
    target = app.gestures.target
    with app.editor.lock:
        here = app.editor.here()
        if isinstance(target, Wire):
            return [target.key] if target.key in here.cables else []
        node, name = (target.node, target.name) if isinstance(target, Port) else place(app) or ("", "")
        if node not in here.nodes:
            return []
        out = isinstance(target, Port) and target.side == "out"
        return [key for key, _ in (here.out_of(node, name) if out else here.into(node, name))]


def driving(app: Desk) -> list[Key]:
    """The cables into the knob that was right-clicked."""
    return at_target(app) if place(app) else []


def with_(app: Desk, make: Callable[[Patch], Edit | None]) -> bool:
    """Makes an edit of the patch that is looked at, and does it."""
    with app.editor.lock:
        edit = make(app.editor.here())
    return app.gestures.change(edit)


def made(app: Desk, make: Callable[[Patch], tuple[Edit, list[str]] | None]) -> bool:
    """The same where new nodes come of it, which are then selected."""
    with app.editor.lock:
        found = make(app.editor.here())
    if found is None or not app.gestures.change(found[0]):
        return False
    app.gestures.select(set(found[1]))
    app.gestures.overlay.wires.clear()
    return True


def ends(key: Key) -> tuple[str, str]:
    return f"{key[0]}.{key[1]}", f"{key[2]}.{key[3]}"
