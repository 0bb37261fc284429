"""The selected nodes: every param, switch, setting and table, what moves them, help, and why a node was bypassed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dearpygui.dearpygui as dpg

from graph.edits import Rename
from graph.errors import PatchError

from .. import numbers, overlay, sheet
from .. import text as words
from ..curves import is_tape
from . import inspector_model, inspector_tables, parts

if TYPE_CHECKING:
    from ..app import App

GESTURE = "inspector"
WRAP = 248  # pixels of a line of text


class Panel:
    """The widgets of one sheet; they are made again when another sheet needs others."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.sheet = sheet.Sheet()
        self.key: object = None
        self.seen: object = None
        self.rows: list[tuple[parts.Item, sheet.Row]] = []
        self.amounts: dict[Any, parts.Item] = {}
        self.values: dict[parts.Item, parts.Item] = {}  # the text beside each slider
        self.shown: dict[parts.Item, Any] = {}
        self.tables = inspector_tables.Tables(app)
        self.model = inspector_model.Model(app)
        self.body = dpg.add_child_window(border=False)
        self.problem: parts.Item = 0
        self.bypass: parts.Item = 0
        self.field: parts.Item = 0  # the name
        self.said = ""
        with dpg.item_handler_registry() as self.on_slider:
            dpg.add_item_deactivated_after_edit_handler(callback=lambda s, a: self.app.editor.end())
            dpg.add_item_clicked_handler(callback=lambda s, hit: self._menu(hit[1]) if hit[0] == 1 else self._entry(hit[1]))
            dpg.add_item_double_clicked_handler(callback=lambda s, hit: self._default(hit[1]))
        self.popup = dpg.add_window(popup=True, show=False, no_title_bar=True, autosize=True)

    # ------------------------------------------------------------------ what hands do

    def _row(self, item: parts.Item) -> sheet.Row | None:
        return next((row for it, row in self.rows if it == item), None)

    def _stream(self, row: sheet.Row, value: float | str) -> None:
        for name in row.names:
            self.app.editor.stream(name, row.name, value, gesture=GESTURE)

    def _slid(self, item: parts.Item, position: float) -> None:
        row = self._row(item)
        if row is None:
            return
        if ctrl():  # a number is about to be typed
            dpg.set_value(item, row.item.knob(float(row.value)))
        else:
            self._stream(row, row.item.at(position))

    def _entry(self, item: parts.Item) -> None:
        """Ctrl-click: a number is typed."""
        row = self._row(item)
        if row is None or not ctrl():
            return
        self._type(row, item)

    def _type(self, row: sheet.Row, item: parts.Item) -> None:
        from . import entry

        x, y = dpg.get_item_rect_min(item)
        left, top = self.app.docks.origin
        written = numbers.written(float(row.value), row.item.unit)
        title = f"{row.names[0]}.{row.name}" if len(row.names) == 1 else row.name
        request = overlay.Entry(x - left, y - top, "param", title, written, row.names[0], row.name)
        entry.open(self.app, request, lambda text: self._take(row, text))

    def _take(self, row: sheet.Row, text: str) -> str:
        """Sets what was typed on all nodes of a row; why not, where it is refused."""
        try:
            value = numbers.param(text, row.item, float(row.value))
        except PatchError as error:
            return str(error)
        self._stream(row, value)
        self.app.editor.end()
        return ""

    def _default(self, item: parts.Item) -> None:
        row = self._row(item)
        if row is not None and row.part == "params":
            self._stream(row, row.item.default)
            self.app.editor.end()

    def _choose(self, row: sheet.Row, value: Any) -> None:
        editor = self.app.editor
        if row.part == "choices":
            self._stream(row, value)
            editor.end()
        elif value != row.value or row.mixed:
            self.model.choose(row, value)

    def _typed(self, row: sheet.Row, written: str) -> None:
        try:
            value = numbers.setting(written, row.item, row.value)
        except PatchError as error:
            self.app.say(str(error))
            self.shown.clear()
            return
        self._choose(row, value)

    def _rename(self, new: str) -> None:
        editor = self.app.editor
        old = self.sheet.title
        if new.strip() and new.strip() != old and editor.do(Rename(old, new.strip())):
            editor.selection = {new.strip()}
        self.shown.clear()

    def _menu(self, item: parts.Item) -> None:
        """Right click on a param."""
        row = self._row(item)
        if row is None:
            return
        app, editor = self.app, self.app.editor
        node = row.names[0]
        parts.clear(self.popup)

        def add(label: str, call: Any) -> None:
            dpg.add_selectable(label=label, parent=self.popup, callback=lambda: call())

        add("Type a value …", lambda: self._type(row, item))
        add(f"Default ({words.number(row.item.default, row.item.unit)})", lambda: self._default(item))
        if len(row.names) == 1:
            with editor.lock:
                name = sheet.exposed(editor.here(), node, row.name)
            label = f"Take {name} off the performance page" if name else "Show on the performance page"
            add(label, lambda: self._expose(node, row.name, not name))
            add("Learn from MIDI", lambda: editor.learn(node, row.name))
            path = "/node/" + "/node/".join(editor.path(node).split("/")) + f"/{row.name}"
            add("Copy OSC address", lambda: self._copy(path))
        x, y = dpg.get_mouse_pos(local=False)
        dpg.configure_item(self.popup, show=True, pos=parts.place(app, x, y, app.px(240), app.px(130)))

    def _copy(self, path: str) -> None:
        dpg.set_clipboard_text(path)
        self.app.say(f"copied {path}")

    def _expose(self, node: str, param: str, on: bool) -> None:
        editor = self.app.editor
        with editor.lock:
            edit = sheet.expose(editor.here(), node, param, on)
        editor.do(edit)

    # ------------------------------------------------------------------ what is shown

    def refresh(self) -> None:
        """Looks at the selection; makes widgets again only where others are needed."""
        app, editor = self.app, self.app.editor
        self.model.update()
        seen = (editor.version, frozenset(editor.selection), editor.inside, tuple(editor.problems.items()), app.theme.name)
        if seen == self.seen and not self.shown.get("stale"):
            return
        self.seen = seen
        self.shown.pop("stale", None)
        with editor.lock:
            self.sheet = sheet.sheet(editor.here(), editor.selection, editor.over())
        key = (self.sheet.key, len(self.sheet.names) == 1 and editor.problem(self.sheet.names[0]))
        if key != self.key:
            if self._busy():
                self.seen = None  # somebody is typing; look again soon
            else:
                self.key = key
                self._make()
        self._update()

    def _busy(self) -> bool:
        return any(dpg.does_item_exist(item) and dpg.is_item_active(item) for item, _ in self.rows)

    def _make(self) -> None:
        app, made = self.app, self.sheet
        parts.clear(self.body)
        self.rows, self.amounts, self.values, self.shown = [], {}, {}, {}
        self.problem = self.bypass = self.field = 0
        dpg.push_container_stack(self.body)
        try:
            if not made.names:
                parts.heading(app, "Inspector")
                parts.dim(app, "Select a node to see and turn everything that it has.", app.px(WRAP))
                return
            self._head()
            for part, title in (("params", ""), ("choices", ""), ("settings", "Settings"), ("data", "Tables")):
                rows = [r for r in made.rows if r.part == part]
                if rows and title:
                    parts.heading(app, title)
                for row in rows:
                    self._widget(row)
            if len(made.names) > 1 and not made.rows:
                parts.dim(app, "They have no knob or switch in common.", app.px(WRAP))
            self.model.foot(made)
            if made.fed:
                parts.heading(app, "Cables in")
                for key, cable in made.fed:
                    self._cable(key, cable, f"{key[0]}.{key[1]} → {key[3]}")
            if made.spec is not None:
                parts.heading(app, "Help")
                if not made.card:  # which tells the same
                    dpg.add_text(plain(made.spec.doc), wrap=app.px(WRAP))
                from . import help as help_window

                dpg.add_button(label="Ports and examples", callback=lambda: help_window.open(app, made.types[0]))
        finally:
            dpg.pop_container_stack()

    def _head(self) -> None:
        app, made, editor = self.app, self.sheet, self.app.editor
        if len(made.names) == 1:
            self.field = dpg.add_input_text(
                default_value=made.title, on_enter=True, width=-1, callback=lambda s, new: self._rename(new)
            )
            parts.tip(app, self.field, "name of the node; Enter renames it, its cables and OSC addresses follow")
            parts.dim(app, made.types[0])
        else:
            dpg.add_text(made.title)
            parts.dim(app, "what is set here is set on all of them", app.px(WRAP))
        self.bypass = dpg.add_checkbox(
            label="bypass", default_value=bool(made.bypass), callback=lambda s, on: editor.do(sheet.bypassed(made.names, on))
        )
        parts.tip(app, self.bypass, "takes the node out of the way: what comes in goes out")
        if is_tape(made.spec) and len(made.names) == 1:
            parts.button(app, "Edit curves", lambda: app.gestures.ask(overlay.Curves(made.names[0])), "draw and bend its path")
        said = editor.problem(made.names[0]) if len(made.names) == 1 else ""
        if said and not (made.lacks and made.lacks in said):
            dpg.add_text(said, color=app.theme.bad, wrap=app.px(WRAP))
            parts.button(app, "Re-arm", lambda: editor.rearm(made.names[0]), "lets it play again")
        self.model.head(made)
        if made.spec is None and len(made.names) == 1:
            parts.dim(app, "This type is unknown here; its values are kept and it is silent.", app.px(WRAP))

    def _widget(self, row: sheet.Row) -> None:
        app = self.app
        item: parts.Item
        if row.part == "params":
            with dpg.group(horizontal=True):
                dpg.add_text(row.name)
                said = parts.dim(app, "")
            item = dpg.add_slider_float(
                width=-1, max_value=1.0, no_input=True, format="", callback=lambda s, x: self._slid(s, x)
            )
            self.values[item] = said
            dpg.bind_item_handler_registry(item, self.on_slider)
            parts.tip(app, item, f"{row.tip}\n\nCtrl-click types a value, a double click goes back to the default")
            for key, cable in row.cables:
                self._cable(key, cable, f"{key[0]}.{key[1]}")
        elif row.part == "choices" or (row.part == "settings" and (row.item.kind == "choice" or row.options)):
            dpg.add_text(row.name)
            item = dpg.add_combo(
                items=list(row.options or row.item.options),
                width=-1,
                user_data=row.name,
                callback=lambda s, value: self._picked(s, value),
            )
            parts.tip(app, item, row.tip)
        elif row.part == "settings":
            tall = row.item.kind == "text" and row.name == "text"
            with dpg.group(horizontal=True):
                dpg.add_text(row.name)
                if row.item.kind == "file":
                    self.model.browse(row)
            item = dpg.add_input_text(
                width=-1, on_enter=not tall, multiline=tall, height=app.px(160) if tall else 0,
                callback=None if tall else lambda s, value: self._written(s, value),
            )  # fmt: skip
            if tall:
                with dpg.item_handler_registry() as done:
                    dpg.add_item_deactivated_after_edit_handler(
                        callback=lambda s, it: self._written(it, str(dpg.get_value(it)))
                    )
                dpg.bind_item_handler_registry(item, done)
            parts.tip(app, item, row.tip)
        elif row.item.columns:
            dpg.add_text(row.name)
            item = self.tables.make(row)
        else:
            parts.tip(app, dpg.add_text(f"{row.name}: {len(row.value)} × {len(row.value[0])}"), row.tip)
            return
        self.rows.append((item, row))

    def _picked(self, item: parts.Item, value: str) -> None:
        row = self._row(item)
        if row is not None:
            self._choose(row, value)

    def _written(self, item: parts.Item, value: str) -> None:
        row = self._row(item)
        if row is None:
            return
        if row.item.kind in ("text", "file"):
            self._choose(row, value if row.item.kind == "text" else value.strip())
        else:
            self._typed(row, value)

    def _cable(self, key: Any, cable: Any, label: str) -> None:
        """One cable that ends here: its amount, and a button that removes it."""
        app, editor = self.app, self.app.editor
        with dpg.group(horizontal=True):
            off = dpg.add_button(label="x", callback=lambda: editor.do(sheet.unplugged(key)))
            parts.tip(app, off, "removes the cable")
            drag = dpg.add_drag_float(
                width=app.px(70), default_value=cable.amount, speed=0.005, format="× %.3g",
                callback=lambda s, x: editor.do(sheet.amount(key, x), gesture=("amount", *key)),
            )  # fmt: skip
            dpg.bind_item_handler_registry(drag, self._ending())
            how = "of the knob's way" if cable.mode == "knob" else "in the unit of the param"
            parts.tip(app, drag, f"how much it does, {how}; drag, or Ctrl-click to type")
            dpg.add_text(label + (" (delayed)" if cable.delayed else ""), color=app.theme.dim)
        self.amounts[key] = drag

    def _ending(self) -> parts.Item:
        with dpg.item_handler_registry() as made:
            dpg.add_item_deactivated_after_edit_handler(callback=lambda s, a: self.app.editor.end())
        item: parts.Item = made
        return item

    def _update(self) -> None:
        """Brings values up to date where nobody is at the widget."""
        made = self.sheet
        fresh = {(r.part, r.name): r for r in made.rows}
        for k, (item, old) in enumerate(self.rows):
            row = fresh.get((old.part, old.name))
            if row is None or not dpg.does_item_exist(item):
                continue
            self.rows[k] = (item, row)
            if row.part == "data":
                self.tables.update(row)
                continue
            said = face(row)
            busy = dpg.is_item_active(item)
            if row.part == "params":
                if self.shown.get(item) != (said, row.value):
                    self.shown[item] = (said, row.value)
                    dpg.set_value(self.values[item], said)
                    if not busy:
                        dpg.set_value(item, row.item.knob(float(row.value)))
            elif self.shown.get(item) != said and not busy:
                self.shown[item] = said
                dpg.set_value(item, said)
        cables = {key: cable for row in made.rows for key, cable in row.cables} | dict(made.fed)
        for key, item in self.amounts.items():
            if key in cables and dpg.does_item_exist(item) and not dpg.is_item_active(item):
                dpg.set_value(item, cables[key].amount)
        if self.bypass and dpg.does_item_exist(self.bypass):
            dpg.set_value(self.bypass, bool(made.bypass))

    def remove(self) -> None:
        """Takes away what lies outside the dock."""
        parts.gone(self.popup, self.on_slider)


def ctrl() -> bool:
    """Whether Ctrl is held."""
    return bool(dpg.is_key_down(dpg.mvKey_LControl) or dpg.is_key_down(dpg.mvKey_RControl))


def plain(doc: str) -> str:
    """A docstring as paragraphs without marks."""
    return "\n\n".join(" ".join(p.split()) for p in doc.split("\n\n")).replace("`", "")


def face(row: sheet.Row) -> str:
    """What a widget says of its value; several that differ say so."""
    if row.part == "params":
        said = words.number(float(row.value), row.item.unit)
        return f"{said}, others differ" if row.mixed else said
    if row.part == "settings" and row.item.kind in ("int", "float"):
        return numbers.written(float(row.value), row.item.unit)
    return str(row.value) or next(iter(row.options), "")
