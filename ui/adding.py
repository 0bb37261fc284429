"""New nodes: chosen in the palette, dropped from the browser or from outside; connected or put into a cable at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph import Patch, PatchError, subpatch
from graph.edits import AddNode, Connect, Edit, Edits, SetSetting
from graph.patch import Key

from . import edits, library, menus, models, offers
from .drags import snapped, wire_below
from .model import ROW, TITLE, WIDTH, Box
from .models import MODEL
from .overlay import PortName
from .palette import fitting

if TYPE_CHECKING:
    from .gestures import Gestures

RECENT = 12


def add(
    g: Gestures, type: str, at: tuple[float, float], port: PortName | None = None, wire: Key | None = None,
    values: Mapping[str, Any] | None = None,
) -> str:  # fmt: skip
    """Adds a node at a world position and selects it; connected to a port, or inside a cable, where one is given.

    Gives its name, "" where it is refused, or where a model has to be looked at first.
    """
    x, y = at
    if type == MODEL and values and models.later(g.editor, str(values["file"]), lambda: add(g, type, at, port, wire, values)):
        return ""
    edit: Edit | None
    with g.editor.lock:
        here = g.editor.here()
        name = here.free(type)
        if type == MODEL and values:
            name = offers.title(here, dict(values))
        spec = edits.declared(here, type, values)
        want = menus.wish_of(here, port)
        inner = Patch(specs=here.specs) if type == subpatch.PATCH and not (values and "file" in values) else None
        if wire is not None:
            edit = edits.insert(here, wire, name, type, (snapped(x - WIDTH / 2), snapped(y - TITLE)), values)
        elif port is not None:  # so that the cable is short and straight
            x, y = (x, y - TITLE - ROW / 2) if port[1] == "out" else (x - WIDTH, y - TITLE - ROW / 2)
            edit = AddNode(type, name, dict(values or {}), (snapped(x), snapped(y)), patch=inner)
            fit = fitting(spec, want) if spec is not None and want is not None else None
            if fit:
                ends = (f"{port[0]}.{port[2]}", f"{name}.{fit}")
                edit = Edits((edit, Connect(*(ends if port[1] == "out" else ends[::-1]))), edit.label)
        else:
            edit = AddNode(type, name, dict(values or {}), (snapped(x), snapped(y)), patch=inner)
    if edit is None:
        g.editor.fail(f"{type} does not fit into that cable")
        return ""
    if not g.change(edit):
        return ""
    g.recent = [type, *(t for t in g.recent if t != type)][:RECENT]
    g.select({name})
    g.overlay.wires.clear()
    return name


def drop(g: Gestures, type: str, x: float, y: float, values: Mapping[str, Any] | None = None) -> str:
    """Adds a node at a pixel; where a cable is and the node fits, into the cable.  Gives its name."""
    wx, wy = g.view.world(x, y)
    wire = wire_below(g, wx - 40.0, wy - 20.0, 80.0, 40.0) if not values else None
    if wire is not None:
        with g.editor.lock:
            here = g.editor.here()
            fits = edits.insert(here, wire.key, here.free(type), type) is not None
        if fits:
            return add(g, type, (wx, wy), wire=wire.key)
    return add(g, type, (wx - WIDTH / 2, wy - TITLE / 2), values=values)


def drop_file(g: Gestures, path: Path, x: float, y: float, onto: bool = True) -> str:
    """Adds the node that plays a sound, uses a patch or runs a model, or, `onto` a model, changes its file.  Gives its name."""
    kinds: dict[str, library.Kind] = {
        **dict.fromkeys(library.SOUNDS, "sound"), **dict.fromkeys(library.MODELS, "model"), ".zrack": "patch", ".json": "patch",
    }  # fmt: skip
    kind = kinds.get(path.suffix.lower())
    if kind is None or g.refusal():
        g.editor.fail(g.refusal() or f"{path.name} is no sound, patch or model")
        return ""
    if kind == "model":
        return drop_model(g, path, g.view.world(x, y), _model_at(g, x, y) if onto else "")
    try:
        with g.editor.lock:
            type, values = library.adding(g.editor.patch, library.Entry(kind, str(path), path.name))
    except PatchError as e:
        g.editor.fail(str(e))
        return ""
    return drop(g, type, x, y, values)


def _model_at(g: Gestures, x: float, y: float) -> str:
    """The model node that lies at a pixel."""
    hit = g.hit(x, y)
    box = g.layout.boxes.get(hit.name if isinstance(hit, Box) else getattr(hit, "node", ""))
    return box.name if box is not None and box.data.type == MODEL else ""


def drop_model(g: Gestures, path: Path, at: tuple[float, float], onto: str = "") -> str:
    """A model becomes its nodes at a world position, or the file of the model node `onto`.  Gives the name of the first, ""
    where it is refused, or has to be looked at first.
    """
    edit: Edit
    try:
        with g.editor.lock:
            file = library.model(g.editor.patch, path)
        if models.later(g.editor, file, lambda: drop_model(g, path, at, onto)):
            return ""
        with g.editor.lock:
            here = g.editor.here()
            if onto in here.nodes:
                edit, names = SetSetting(onto, "file", file), [onto]
            else:
                edit, names = offers.become(here, file, (snapped(at[0] - WIDTH / 2), snapped(at[1] - TITLE / 2)), WIDTH)
    except PatchError as e:
        g.editor.fail(str(e))
        return ""
    if not g.change(edit):
        return ""
    g.select(set(names))
    g.overlay.wires.clear()
    return names[0]
