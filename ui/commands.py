"""What the actions of the menu bar do, given the app.  The table is `ui.actions`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from graph import PatchError

from . import curve_tools, edits, entries, flow, muting, sheet
from .desk import Desk, Run, made, one, place, scatter_and_tape, with_
from .drags import snapped
from .files import keep_views, views
from .overlay import Curves, Palette
from .view import Place

# files


def _try(app: Desk, call: Callable[[], object]) -> None:
    try:
        call()
    except (PatchError, OSError) as e:
        app.editor.fail(str(e))


def new(app: Desk) -> None:
    _try(app, app.files.new)
    app.docks.settle()


def open_file(app: Desk) -> None:
    def then(path: Path) -> None:
        _try(app, lambda: app.files.open(path))
        app.docks.settle()

    app.docks.choose_file("Open a patch", then)


def save(app: Desk) -> None:
    try:
        app.files.save()
    except PatchError as e:
        app.say(str(e))
        app.docks.save_as()


def save_as(app: Desk) -> None:
    app.docks.save_as()


def revert(app: Desk) -> None:
    _try(app, app.files.revert)


def export_png(app: Desk) -> None:
    app.docks.choose_file("Export a picture as", app.export_png, new=True, endings=(".png",))


def quit(app: Desk) -> None:
    app.close()


# editing


def undo(app: Desk) -> None:
    app.editor.undo()


def redo(app: Desk) -> None:
    app.editor.redo()


def copy(app: Desk) -> None:
    with app.editor.lock:
        clip = edits.copy(app.editor.here(), sorted(app.editor.selection))
    app.copy_text(json.dumps({"zrack-clip": clip}))
    app.say(f"copied {len(app.editor.selection)} node{'s' if len(app.editor.selection) > 1 else ''}")


def cut(app: Desk) -> None:
    copy(app)
    delete(app)


def paste(app: Desk) -> None:
    try:
        clip: Any = json.loads(app.copied_text())
    except (ValueError, RecursionError):
        clip = None
    if not isinstance(clip, dict) or not isinstance(clip.get("zrack-clip"), dict):
        app.say("there is nothing to paste")
        return
    at = app.view.world(*app.gestures.pointer)
    try:
        if not made(app, lambda here: edits.paste(here, clip["zrack-clip"], (snapped(at[0]), snapped(at[1])))):
            app.say(app.editor.refused or "there is nothing to paste")
    except (PatchError, KeyError, TypeError, ValueError, AttributeError):
        app.say("what was copied is not nodes")


def duplicate(app: Desk) -> None:
    made(app, lambda here: edits.duplicate(here, sorted(app.editor.selection)))


def duplicate_incoming(app: Desk) -> None:
    made(app, lambda here: edits.duplicate(here, sorted(app.editor.selection), incoming=True))


def _delete(app: Desk, bridge: bool) -> None:
    wires = sorted(app.gestures.overlay.wires & set(app.layout.wires))
    if with_(app, lambda here: edits.remove(here, app.editor.selection, wires, bridge)):
        app.gestures.select(set())
        app.gestures.overlay.wires.clear()


def delete(app: Desk) -> None:
    _delete(app, False)


def delete_bridge(app: Desk) -> None:
    _delete(app, True)


def select_all(app: Desk) -> None:
    app.gestures.select(set(app.layout.boxes))


def find(app: Desk) -> None:
    x, y = app.view.width / 2, app.view.height / 4
    app.gestures.ask(Palette(x, y, app.view.world(x, y), find=True))


def lock(app: Desk) -> None:
    app.editor.locked = not app.editor.locked
    app.say("locked for playing: knobs turn, nothing else changes" if app.editor.locked else "unlocked")


# nodes


def add(app: Desk) -> None:
    x, y = app.gestures.pointer
    if not (0 <= x <= app.view.width and 0 <= y <= app.view.height):
        x, y = app.view.width / 2, app.view.height / 2
    app.gestures.ask(Palette(x, y, app.view.world(x, y)))


def rename(app: Desk) -> None:
    app.gestures.ask(entries.rename_entry(app.gestures, one(app)))


def enter(app: Desk) -> None:
    app.editor.enter(one(app))


def curves(app: Desk) -> None:
    app.gestures.ask(Curves(one(app)))


def points(app: Desk) -> None:
    """The rows of the selected tape become the points of the selected scatter."""
    names = scatter_and_tape(app)
    if names is not None:
        with_(app, lambda here: curve_tools.scattered(here, names[1], names[0]))


def leave(app: Desk) -> None:
    app.editor.leave()


def group(app: Desk) -> None:
    with app.editor.lock:
        found = edits.group(app.editor.here(), app.editor.selection)
    if found is not None and app.gestures.change(found[0]):
        app.gestures.select({found[1]})
        app.gestures.ask(entries.rename_entry(app.gestures, found[1]))


def connect(app: Desk) -> None:
    with_(app, lambda here: edits.chain(here, app.editor.selection))


def bypass(app: Desk) -> None:
    with_(app, lambda here: edits.bypass(here, app.editor.selection))


def mute(app: Desk) -> None:
    if not with_(app, lambda here: muting.mute(here, app.editor.selection)):
        app.say(app.editor.refused or "there is no cable to mute")


def solo(app: Desk) -> None:
    kinds = flow.kinds(app.layout.boxes.values(), app.layout.wires.values())
    with_(app, lambda here: muting.solo(here, app.editor.selection, kinds))


def rearm(app: Desk) -> None:
    for name in sorted(app.editor.selection):
        if app.editor.problem(name):
            app.editor.rearm(name)


def align(how: str) -> Run:
    def run(app: Desk) -> None:
        app.gestures.change(edits.align(app.layout, sorted(app.editor.selection), how))

    return run


def nudge(dx: float, dy: float) -> Run:
    def run(app: Desk) -> None:
        edit = edits.move(app.layout, sorted(app.editor.selection), dx, dy)
        if edit is not None:
            app.editor.do(edit, "nudge")

    return run


# the view


def fit(app: Desk) -> None:
    app.view.fit(app.layout.boxes.values())


def fit_selection(app: Desk) -> None:
    app.view.fit([app.layout.boxes[n] for n in app.editor.selection if n in app.layout.boxes])


def zoom(factor: float) -> Run:
    """Zooms about the middle; 0 goes to the actual size."""

    def run(app: Desk) -> None:
        if factor:
            app.view.zoom_at(factor, app.view.width / 2, app.view.height / 2)
        else:
            app.view.actual()

    return run


def _path(app: Desk) -> Path | None:
    """The file of the patch."""
    patch = app.editor.patch
    return patch.folder / patch.file if patch.folder and patch.file else None


def keep_view(digit: str) -> Run:
    """Remembers the place that one looks at."""

    def run(app: Desk) -> None:
        path, view = _path(app), app.view
        if path is None:
            app.say("save the patch first; then its views can be kept")
            return
        x, y = view.world(view.width / 2, view.height / 2)
        keep_views(path, {**views(path), digit: (app.editor.inside, x, y, view.zoom / view.scale)})
        app.say(f"this place is view {digit} now")

    return run


def go_to_view(digit: str) -> Run:
    """Looks there again."""

    def run(app: Desk) -> None:
        path, view = _path(app), app.view
        found = views(path).get(digit) if path is not None else None
        if found is None:
            app.say(f"no place is kept as view {digit} yet")
            return
        way, x, y, zoom = found
        if app.editor.inside != way:
            app.editor.leave(0)
            if not all(app.editor.enter(name) for name in way):
                app.say(f"the sub-patch of view {digit} is gone")
                return
        zoom *= view.scale
        there = view.kept[way] = Place(view.width / 2 - x * zoom, view.height / 2 - y * zoom, zoom)
        if view.key == way:  # else the view goes there as soon as it follows into the sub-patch
            view.place = there

    return run


def panel(name: str) -> Run:
    """Opens or closes a panel."""
    return lambda app: app.docks.toggle(name)


def minimap(app: Desk) -> None:
    app.settings.minimap = not app.settings.minimap


def cable_levels(app: Desk) -> None:
    app.settings.cable_levels = not app.settings.cable_levels
    app.show_levels(app.settings.cable_levels)


def theme(app: Desk) -> None:
    app.restyle("light" if app.settings.theme == "dark" else "dark")


# the sound


def playing(app: Desk) -> bool:
    return bool(app.editor.state.get("playing", True))


def play(app: Desk) -> None:
    app.editor.transport("stop" if playing(app) else "play")


def reset(app: Desk) -> None:
    app.editor.transport("reset")


def panic(app: Desk) -> None:
    app.editor.transport("panic")
    app.say("panic: everything is silent and begins anew")


# help


def help(app: Desk) -> None:
    """Help on the selected node; with none selected, keys and gestures."""
    box = app.layout.boxes.get(one(app))
    if box is None:
        app.docks.toggle("help")
    else:
        app.show_help(box.data.type)


def escape(app: Desk) -> None:
    """Lets go of what is shown or selected; then leaves the sub-patch."""
    over = app.gestures.overlay
    if app.editor.selection or over.wires or over.shown or over.lit:
        app.gestures.select(set())
        over.wires.clear()
        over.shown, over.lit = frozenset(), frozenset()
    elif app.editor.inside:
        app.editor.leave()


# titles that say more, and what is on


def _undone(word: str, label: str | None) -> str:
    return f"{word} {label.replace('->', '→')}" if label else ""


def _all_bypassed(app: Desk) -> bool:
    boxes = [app.layout.boxes[n] for n in app.editor.selection if n in app.layout.boxes]
    return bool(boxes) and all(b.bypass for b in boxes)


def _all_muted(app: Desk) -> bool:
    with app.editor.lock:
        here = app.editor.here()
        return bool(app.editor.selection) and all(muting.muted(here, n) for n in app.editor.selection)


def _solo(app: Desk) -> bool:
    with app.editor.lock:
        return bool(muting.soloed(app.editor.here()))


def _exposed(app: Desk) -> bool:
    at = place(app)
    with app.editor.lock:
        return at is not None and bool(sheet.exposed(app.editor.here(), *at))


def _open(name: str) -> Callable[[Desk], bool]:
    return lambda app: app.docks.is_open(name)


PANELS = ("browser", "inspector", "snapshots", "perform", "transport", "log")
TITLES: Mapping[str, Callable[[Desk], str]] = {
    "undo": lambda app: _undone("Undo", app.editor.history.undo_label),
    "redo": lambda app: _undone("Redo", app.editor.history.redo_label),
    "play": lambda app: "Stop" if playing(app) else "Play",
}
"""Titles that depend on what is there now."""
CHECKED: Mapping[str, Callable[[Desk], bool]] = {
    "lock": lambda app: app.editor.locked, "bypass": _all_bypassed, "mute": _all_muted, "solo": _solo,
    "minimap": lambda app: app.settings.minimap, "cable-levels": lambda app: app.settings.cable_levels, "expose": _exposed,
    **{name: _open(name) for name in PANELS},
}  # fmt: skip
"""Whether what an action switches is on."""
