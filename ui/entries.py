"""Fields in which something is typed: a value, a cable's amount, a name; and what is done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graph.edits import Rename, SetCable, SetPatch
from graph.errors import PatchError
from graph.patch import Key
from graph.spec import Choice

from . import numbers
from .overlay import Entry

if TYPE_CHECKING:
    from .gestures import Gestures


def param_entry(g: Gestures, node: str, name: str, x: float, y: float) -> Entry:
    """A field for a param or choice, with its value in it."""
    spec = g.editor.spec(node)
    value = g.editor.value(node, name)
    item = spec.params.get(name) if spec else None
    text = value if isinstance(value, str) else numbers.written(value, item.unit if item else "")
    return Entry(x, y, "param", f"{node}.{name}", text, node, name)


def amount_entry(g: Gestures, key: Key, x: float, y: float) -> Entry:
    """A field for the amount of a cable."""
    with g.editor.lock:
        cable = g.editor.here().cables.get(key)
    text = numbers.written(cable.amount if cable else 1.0)
    return Entry(x, y, "amount", f"{key[0]}.{key[1]} → {key[2]}.{key[3]}", text, key=key)


def rename_entry(g: Gestures, node: str) -> Entry:
    """A field over the title of a node."""
    box = g.layout.boxes.get(node)
    x, y = g.view.screen(box.x, box.y) if box else g.pointer
    return Entry(x, y, "rename", "name", node, node)


def typed(g: Gestures, request: Entry, text: str) -> str:
    """Does what was typed; gives the sentence why it is refused, "" where it is taken."""
    try:
        if request.what == "param":
            _param(g, request, text)
            return ""
        why = g.refusal()
        if why:
            return why
        if request.what == "amount":
            return _amount(g, request, text)
        return _expose(g, request, text) if request.what == "expose" else _rename(g, request, text.strip())
    except PatchError as e:
        return str(e)


def _param(g: Gestures, request: Entry, text: str) -> None:
    node, name = request.node, request.name
    spec = g.editor.spec(node)
    current = g.editor.value(node, name)
    item = (spec.params.get(name) or spec.choices.get(name)) if spec else None
    if item is None:
        raise PatchError("it is gone", node=node, port=name)
    if isinstance(item, Choice):
        g.set(node, name, numbers.option(text, item.options))
    else:
        g.set(node, name, numbers.param(text, item, float(current)))


def _amount(g: Gestures, request: Entry, text: str) -> str:
    assert request.key is not None
    src, outlet, dst, inlet = request.key
    with g.editor.lock:
        cable = g.editor.here().cables.get(request.key)
    if cable is None:
        return "the cable is gone"
    amount = numbers.number(text, "", cable.amount)
    return "" if g.editor.do(SetCable(f"{src}.{outlet}", f"{dst}.{inlet}", amount)) else g.editor.refused


def _rename(g: Gestures, request: Entry, text: str) -> str:
    if text in ("", request.node):
        return ""
    text = "_".join(text.split())
    if not g.editor.do(Rename(request.node, text)):
        return g.editor.refused
    if request.node in g.editor.selection:
        g.select((g.editor.selection - {request.node}) | {text})
    return ""


def _expose(g: Gestures, request: Entry, text: str) -> str:
    with g.editor.lock:
        exposed = dict(g.editor.here().exposed)
    name = "_".join(text.split())
    if name in exposed:
        return f"{name} is shown already; choose another name"
    edit = SetPatch("exposed", {**exposed, name: {"node": request.node, "param": request.name}})
    return "" if g.editor.do(edit) else g.editor.refused
