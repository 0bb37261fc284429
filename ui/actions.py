"""The one table of what can be done: menus, keys, right-click menus and the cheat sheet all read it.

An action has an id, a title, keys, a place in the menu bar, and a function of the app.  `run` does one unless it makes no sense
now; keys can be changed in `keys.toml` in the user's config folder (`load_keys`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import commands as do
from . import desk as now
from . import pointed as on
from .desk import Desk
from .menus import MENUS
from .overlay import Mods

BAR = ("File", "Edit", "Node", "View", "Sound", "Help")
"""The menu bar."""
DIGITS = "123456789"
"""Keys of the views that are kept."""


@dataclass(frozen=True)
class Action:
    """`menu` is "" where it is not in the menu bar; `when` says whether it makes sense now."""

    id: str
    title: str
    keys: tuple[str, ...]
    menu: str
    run: Callable[[Desk], object]
    when: Callable[[Desk], bool] = now.always


def _table() -> tuple[Action, ...]:
    a = Action
    return (
        a("new", "New", ("Ctrl+N",), "File", do.new),
        a("open", "Open …", ("Ctrl+O",), "File", do.open_file),
        a("save", "Save", ("Ctrl+S",), "File", do.save),
        a("save-as", "Save as …", ("Ctrl+Shift+S",), "File", do.save_as),
        a("revert", "Revert to the saved patch", (), "File", do.revert, now.dirty),
        a("export-png", "Export a picture of the canvas …", ("Ctrl+Shift+P",), "File", do.export_png),
        a("settings", "Settings …", ("Ctrl+,",), "File", do.panel("settings")),
        a("quit", "Quit", ("Ctrl+Q",), "File", do.quit),
        #
        a("undo", "Undo", ("Ctrl+Z",), "Edit", do.undo, now.can_undo),
        a("redo", "Redo", ("Ctrl+Shift+Z", "Ctrl+Y"), "Edit", do.redo, now.can_redo),
        a("cut", "Cut", ("Ctrl+X",), "Edit", do.cut, now.free_nodes),
        a("copy", "Copy", ("Ctrl+C",), "Edit", do.copy, now.nodes),
        a("paste", "Paste", ("Ctrl+V",), "Edit", do.paste, now.free),
        a("duplicate", "Duplicate", ("Ctrl+D",), "Edit", do.duplicate, now.free_nodes),
        a("duplicate-incoming", "Duplicate with incoming cables", ("Ctrl+Shift+D",), "Edit", do.duplicate_incoming,
          now.free_nodes),
        a("delete", "Delete", ("Delete", "Backspace"), "Edit", do.delete, now.free_some),
        a("delete-bridge", "Delete and bridge the gap", ("Shift+Delete", "Shift+Backspace"), "Edit", do.delete_bridge,
          now.free_nodes),
        a("select-all", "Select all", ("Ctrl+A",), "Edit", do.select_all),
        a("find", "Find …", ("Ctrl+F",), "Edit", do.find),
        a("lock", "Lock for playing", ("Ctrl+E",), "Edit", do.lock),
        #
        a("add", "Add a node …", ("Tab",), "Node", do.add, now.free),
        a("rename", "Rename", ("F2",), "Node", do.rename, now.free_one),
        a("enter", "Enter the sub-patch", ("Enter",), "Node", do.enter, now.holds_patch),
        a("curves", "Edit the curves of the tape …", (), "Node", do.curves, now.tape),
        a("points", "Take the scatter's points from the tape", (), "Node", do.points, now.free_points),
        a("leave", "Leave the sub-patch", ("Ctrl+Up",), "Node", do.leave, now.inside),
        a("group", "Group into a sub-patch", ("Ctrl+Shift+E",), "Node", do.group, now.free_nodes),
        a("connect", "Connect the selection", ("Ctrl+K",), "Node", do.connect, now.free_several),
        a("bypass", "Bypass", ("Ctrl+B",), "Node", do.bypass, now.free_nodes),
        a("mute", "Mute", ("Ctrl+M",), "Node", do.mute, now.free_nodes),
        a("solo", "Solo", ("Ctrl+Shift+M",), "Node", do.solo, now.free_solo),
        a("rearm", "Let it play again after a fault", (), "Node", do.rearm, now.faulty),
        a("trust", "Trust this model …", (), "Node", on.trust, now.stranger),
        a("reload", "Load the model anew", (), "Node", on.reload, now.model),
        a("encode", "Encode a sound onto its tapes …", (), "Node", on.encode, now.free_encoder),
        a("align-left", "Align left", ("Ctrl+Shift+Left",), "Node", do.align("left"), now.free_several),
        a("align-right", "Align right", ("Ctrl+Shift+Right",), "Node", do.align("right"), now.free_several),
        a("align-top", "Align top", ("Ctrl+Shift+Up",), "Node", do.align("top"), now.free_several),
        a("align-bottom", "Align bottom", ("Ctrl+Shift+Down",), "Node", do.align("bottom"), now.free_several),
        a("align-centre", "Align the centres of a column", (), "Node", do.align("centre"), now.free_several),
        a("align-middle", "Align the middles of a row", (), "Node", do.align("middle"), now.free_several),
        a("spread-across", "Spread evenly across", (), "Node", do.align("across"), now.free_several),
        a("spread-down", "Spread evenly down", (), "Node", do.align("down"), now.free_several),
        a("nudge-left", "Move left", ("Left",), "", do.nudge(-8, 0), now.free_nodes),
        a("nudge-right", "Move right", ("Right",), "", do.nudge(8, 0), now.free_nodes),
        a("nudge-up", "Move up", ("Up",), "", do.nudge(0, -8), now.free_nodes),
        a("nudge-down", "Move down", ("Down",), "", do.nudge(0, 8), now.free_nodes),
        #
        a("add-here", "Add what fits …", (), "", on.add_here, now.free_port),
        a("disconnect", "Disconnect", (), "", on.disconnect, now.free_driven),
        a("insert", "Put a node into it …", (), "", on.insert, now.free_wire),
        a("amount", "Type the amount …", (), "", on.amount, now.free_amount),
        a("amount-zero", "Amount 0", (), "", on.amount_zero, now.free_wire),
        a("invert", "Turn it upside down", (), "", on.invert, now.free_wire),
        a("mode", "Knob position or unit", (), "", on.mode, now.free_param_wire),
        a("type-value", "Type a value …", (), "", on.type_value, now.value),
        a("default", "Back to the default", (), "", on.default, now.value),
        a("add-lfo", "Add an LFO", (), "", on.add_lfo, now.free_knob),
        a("learn", "MIDI learn", (), "", on.learn, now.value),
        a("drivers", "See what drives it", (), "", on.drivers, now.anything),
        a("expose", "On the performance page", (), "", on.expose, now.free_value),
        a("copy-address", "Copy the OSC address", (), "", on.copy_address, now.value),
        #
        a("fit", "Show all", ("F",), "View", do.fit),
        a("fit-selection", "Show the selection", ("Shift+F",), "View", do.fit_selection, now.nodes),
        a("zoom-in", "Zoom in", ("Ctrl+=", "Ctrl++"), "View", do.zoom(1.25)),
        a("zoom-out", "Zoom out", ("Ctrl+-",), "View", do.zoom(0.8)),
        a("zoom-actual", "Actual size", ("Ctrl+0",), "View", do.zoom(0.0)),
        a("browser", "Library", ("F5",), "View", do.panel("browser")),
        a("inspector", "Inspector", ("F6",), "View", do.panel("inspector")),
        a("snapshots", "Snapshots", ("F7",), "View", do.panel("snapshots")),
        a("perform", "Performance page", ("F8",), "View", do.panel("perform")),
        a("transport", "Transport", ("F9",), "View", do.panel("transport")),
        a("log", "Log", ("F10",), "View", do.panel("log")),
        a("minimap", "Minimap", ("M",), "View", do.minimap),
        a("cable-levels", "Cables show what they carry", ("L",), "View", do.cable_levels),
        a("theme", "Dark or light", (), "View", do.theme),
        *(a(f"view-{n}", f"Look at view {n}", (f"Shift+{n}",), "", do.go_to_view(n)) for n in DIGITS),
        *(a(f"keep-view-{n}", f"Keep this place as view {n}", (f"Ctrl+Shift+{n}",), "", do.keep_view(n)) for n in DIGITS),
        #
        a("play", "Play or stop", ("Ctrl+Space",), "Sound", do.play),
        a("reset", "Back to the beginning", ("Ctrl+Home",), "Sound", do.reset),
        a("panic", "Panic: silence at once", ("Ctrl+.",), "Sound", do.panic),
        #
        a("help", "Help on the node", ("F1",), "Help", do.help),
        a("cheatsheet", "Keys and gestures", ("?", "Shift+/"), "Help", do.panel("help")),
        a("escape", "Select nothing, then leave the sub-patch", ("Escape",), "", do.escape),
    )  # fmt: skip


ACTIONS: Mapping[str, Action] = {action.id: action for action in _table()}


def title(app: Desk, id: str) -> str:
    """What an action is called now: "Undo connect lfo → cutoff", "Leave out of the way"."""
    more = do.TITLES.get(id)
    return (more(app) if more is not None else "") or ACTIONS[id].title


def checked(app: Desk, id: str) -> bool | None:
    """Whether what an action switches is on; None where it switches nothing."""
    look = do.CHECKED.get(id)
    return look(app) if look is not None else None


def enabled(app: Desk, id: str) -> bool:
    """Whether an action makes sense now."""
    return ACTIONS[id].when(app)


def run(app: Desk, id: str) -> bool:
    """Does an action; False where it makes no sense now (the editor then says why, if it is locked)."""
    action = ACTIONS[id]
    if not action.when(app):
        why = app.gestures.refusal()
        if why and action.when in now.CHANGING:
            app.editor.fail(why)
        return False
    action.run(app)
    return True


def offered(app: Desk, place: str) -> list[str]:
    """A right-click menu without what makes no sense now, and without lines that separate nothing."""
    found: list[str] = []
    for id in MENUS[place]:
        if (id and enabled(app, id)) or (not id and found and found[-1]):
            found.append(id)
    return found[:-1] if found and not found[-1] else found


def bar() -> dict[str, list[str]]:
    """The menu bar: ids by menu."""
    return {menu: [a.id for a in ACTIONS.values() if a.menu == menu] for menu in BAR}


# keys

MODIFIERS = {
    "ctrl": "Ctrl",
    "control": "Ctrl",
    "cmd": "Ctrl",
    "command": "Ctrl",
    "shift": "Shift",
    "alt": "Alt",
    "option": "Alt",
}
NAMES = ("Tab", "Delete", "Backspace", "Escape", "Enter", "Space", "Left", "Right", "Up", "Down", "Home", "End", "PageUp",
         "PageDown", "Insert")  # fmt: skip
_NAMES = {n.lower(): n for n in NAMES} | {"del": "Delete", "esc": "Escape", "return": "Enter", "plus": "+", "minus": "-"}


def chord(name: str, mods: Mods) -> str:
    """How a key with its modifiers is written: "Ctrl+Shift+E"."""
    held = [word for word, on in (("Ctrl", mods.ctrl), ("Alt", mods.alt), ("Shift", mods.shift)) if on]
    return "+".join([*held, name])


def normal(text: str) -> str:
    """A chord as people write it ("ctrl-shift-e", "Cmd+Z") as `chord` does; "" where it is none."""
    rest = text.strip()
    held: set[str] = set()
    while match := re.match(r"([A-Za-z]+)\s*[-+]\s*(?=.)", rest):
        word = MODIFIERS.get(match[1].lower())
        if word is None:
            return ""
        held.add(word)
        rest = rest[match.end() :]
    name = _NAMES.get(rest.lower(), rest.upper() if len(rest) == 1 or re.fullmatch(r"[fF]\d{1,2}", rest) else "")
    return chord(name, Mods("Shift" in held, "Ctrl" in held, "Alt" in held)) if name else ""


class Keys:
    """Which keys do what: those of the table, and others where the user's file says so."""

    def __init__(self, changed: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self.by_action = {a.id: a.keys for a in ACTIONS.values()} | dict(changed or {})
        self.by_chord: dict[str, str] = {}
        given = set(changed or ())
        for id in sorted(self.by_action, key=lambda id: id in given):  # what the user says counts more
            for keys in self.by_action[id]:
                self.by_chord[keys] = id

    def action(self, name: str, mods: Mods) -> str:
        """The action that a key means, "" where it means none."""
        return self.by_chord.get(chord(name, mods), "")

    def of(self, id: str) -> tuple[str, ...]:
        """The keys of an action; without those that another one has taken."""
        return tuple(k for k in self.by_action[id] if self.by_chord.get(k) == id)


def keys_file() -> Path:
    """Where the user's own keys stand."""
    from .settings import folder

    return folder() / "keys.toml"


def load_keys(path: Path | None = None) -> tuple[Keys, list[str]]:
    """The keys, and sentences about what in the user's file could not be understood.  A missing file is no problem.

    The file has a table `[keys]`: `mute = "Ctrl+U"`, `undo = ["Ctrl+Z", "Alt+Backspace"]`, `perform = ""` for no key.
    """
    path = keys_file() if path is None else path
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return Keys(), []
    except (OSError, ValueError) as e:
        return Keys(), [f"{path.name} cannot be read, so the keys are the usual ones: {' '.join(str(e).split())}"]
    table = found.get("keys", {})
    if not isinstance(table, dict):
        return Keys(), [f"{path.name} needs a table [keys]"]
    changed: dict[str, tuple[str, ...]] = {}
    wrong = [f"{path.name} has {name!r}, which is not [keys]" for name in found if name != "keys"]
    for id, value in table.items():
        given = [value] if isinstance(value, str) else value if isinstance(value, list) else [None]
        texts = [t for t in given if isinstance(t, str)]
        if id not in ACTIONS:
            wrong.append(f"{path.name} names {id!r}, which is no action; `?` lists them all")
        elif len(texts) < len(given):
            wrong.append(f'{path.name}: {id} takes a key such as "Ctrl+Shift+M", or a list of them')
        else:
            chords = {t: normal(t) for t in texts if t.strip()}
            wrong += [f"{path.name}: {id} has {t!r}, which is no key" for t, c in chords.items() if not c]
            changed[id] = tuple(c for c in chords.values() if c)
    taken: dict[str, str] = {}
    for id, chords_ in changed.items():
        for c in chords_:
            if taken.setdefault(c, id) != id:
                wrong.append(f"{path.name} gives {c} to {taken[c]} and to {id}; {id} has it")
                taken[c] = id
    return Keys(changed), wrong


def cheatsheet(keys: Keys | None = None) -> str:
    """Everything that keys, menus and the mouse do, as markdown."""
    from . import curve_hands, gestures

    keys = keys or Keys()
    lines = ["# Keys and gestures", "", f"Keys can be changed in `{keys_file().name}` in zrack's config folder.", ""]
    menus = {menu: [a for a in ACTIONS.values() if a.menu == menu] for menu in (*BAR, "")}
    for menu, actions in menus.items():
        lines += [f"## {menu or 'By key or right-click'}", "", "| | keys | right-click on | name in keys.toml |", "|-|-|-|-|"]
        for action in actions:
            shown = " or ".join(f"`{k}`" for k in keys.of(action.id))
            places = ", ".join(place for place, ids in MENUS.items() if action.id in ids)
            lines.append(f"| {action.title} | {shown} | {places} | `{action.id}` |")
        lines.append("")
    lines += ["## Mouse", "", "| on | gesture | what it does |", "|-|-|-|"]
    mouse = (*gestures.MOUSE, *curve_hands.MOUSE)
    lines += [f"| {place} | {gesture} | {what} |" for place, gesture, what in mouse]
    return "\n".join([*lines, ""])
