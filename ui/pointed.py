"""Actions on what was right-clicked: a port, a cable, a knob or switch, a model."""

from __future__ import annotations

from graph.edits import AddNode, Connect, Disconnect, Edits, SetCable

from . import entries, library, menus, models, sheet
from .desk import Desk, at_target, driving, ends, one, place, wire, with_
from .drags import snapped
from .model import WIDTH, Box, Knob, Port
from .overlay import Palette, Trust

LFO = "mod/lfo"
DEPTH = 0.25  # amount of the cable of a new LFO


def add_here(app: Desk) -> None:
    port = app.gestures.target
    if isinstance(port, Port):
        x, y = app.gestures.pointer
        with app.editor.lock:
            app.gestures.ask(menus.palette_for(app.editor.here(), port, x, y, (port.x, port.y)))


def disconnect(app: Desk) -> None:
    keys = at_target(app)
    words = f"disconnect {keys[0][2]}.{keys[0][3]}" if len(keys) > 1 else ""
    app.gestures.change(Edits(tuple(Disconnect(*ends(key)) for key in keys), words) if keys else None)


def insert(app: Desk) -> None:
    key = wire(app)
    x, y = app.gestures.pointer
    app.gestures.ask(Palette(x, y, app.view.world(x, y), wire=key))


def amount(app: Desk) -> None:
    key = wire(app) or next(iter(driving(app)), None)
    if key is not None:
        app.gestures.ask(entries.amount_entry(app.gestures, key, *app.gestures.pointer))


def amount_zero(app: Desk) -> None:
    key = wire(app)
    app.gestures.change(SetCable(*ends(key), 0.0) if key else None)


def invert(app: Desk) -> None:
    key = wire(app)
    with_(app, lambda here: SetCable(*ends(key), -here.cables[key].amount) if key else None)


def mode(app: Desk) -> None:
    key = wire(app)
    with_(app, lambda here: SetCable(*ends(key), mode="units" if here.cables[key].mode == "knob" else "knob") if key else None)


def trust(app: Desk) -> None:
    app.gestures.ask(Trust(one(app)))


def reload(app: Desk) -> None:
    models.reload(app.editor, one(app))


def encode(app: Desk) -> None:
    """A sound file goes through the model onto the tapes at its outlets."""
    node = one(app)
    app.docks.choose_file(f"A sound for {node} to encode", lambda path: app.editor.encode(node, path), endings=library.SOUNDS)


def type_value(app: Desk) -> None:
    at = place(app)
    if at:
        app.gestures.ask(entries.param_entry(app.gestures, *at, *app.gestures.pointer))


def default(app: Desk) -> None:
    at = place(app)
    spec = app.editor.spec(at[0]) if at else None
    item = (spec.params.get(at[1]) or spec.choices.get(at[1])) if spec and at else None
    if at and item:
        app.gestures.set(*at, item.default)


def add_lfo(app: Desk) -> None:
    """An LFO left of the node, with a cable into the param that was right-clicked."""
    at = place(app)
    if at is None:
        return
    node, param = at
    box = app.layout.boxes[node]
    y = app.gestures.target.y - 48.0 if isinstance(app.gestures.target, Knob | Port) else box.y
    where = app.layout.free(snapped(box.x - WIDTH - 56.0), snapped(y))
    with app.editor.lock:
        name = app.editor.here().free(LFO)
    edit = Edits(
        (AddNode(LFO, name, at=where), Connect(f"{name}.out", f"{node}.{param}", DEPTH, "knob")),
        f"add {name} to {node}.{param}",
    )
    if app.gestures.change(edit):
        app.gestures.select({name})


def learn(app: Desk) -> None:
    at = place(app)
    if at:
        app.editor.learn(*at)
        app.say(f"{at[0]}.{at[1]} learns the next MIDI controller that moves")


def drivers(app: Desk) -> None:
    """Shows every cable that leads to what was right-clicked, and the nodes that they come from."""
    target = app.gestures.target
    with app.editor.lock:
        here = app.editor.here()
        first = [key for key, _ in here.into(target.name)] if isinstance(target, Box) else at_target(app)
        keys, todo = set(first), [key[0] for key in first]
        seen: set[str] = set()
        while todo:
            name = todo.pop()
            if name not in seen and name in here.nodes:
                seen.add(name)
                more = [key for key, _ in here.into(name)]
                keys.update(more)
                todo += [key[0] for key in more]
        words = ", ".join(f"{key[0]}.{key[1]} × {here.cables[key].amount:g}" for key in first[:6])
    app.gestures.overlay.shown, app.gestures.overlay.lit = frozenset(keys), frozenset(seen)
    app.say(f"driven by {words}" if words else "nothing drives it")


def expose(app: Desk) -> None:
    at = place(app)
    if at:
        with_(app, lambda here: sheet.expose(here, *at, on=not sheet.exposed(here, *at)))


def address(path: str, port: str) -> str:
    """The OSC address of a param or choice."""
    return "".join(f"/node/{name}" for name in path.split("/")) + f"/{port}"


def copy_address(app: Desk) -> None:
    at = place(app)
    if at:
        text = address(app.editor.path(at[0]), at[1])
        app.copy_text(text)
        app.say(f"copied {text}")
