"""What the inspector shows of a model besides its settings: why it is silent, its card, how late it is; and files to pick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import dearpygui.dearpygui as dpg

from graph import subpatch
from graph.errors import PatchError

from .. import library, models, overlay, sheet
from . import parts

if TYPE_CHECKING:
    from ..app import App

WRAP = 248  # pixels of a line of text


class Model:
    """The widgets about one model, and the button beside the name of a file."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.node = ""
        self.late: parts.Item = 0

    def head(self, made: sheet.Sheet) -> None:
        """Why the node is silent, and what can be done about it."""
        app, self.node, self.late = self.app, "", 0
        if made.lacks:
            dpg.add_text(made.lacks, color=app.theme.bad, wrap=app.px(WRAP))
        if len(made.names) != 1 or made.types[0] != models.MODEL:
            return
        node = self.node = made.names[0]
        with app.editor.lock:
            waits = models.untrusted(app.editor.here(), node) is not None
        if waits:
            parts.button(app, "Trust this model …", lambda: app.gestures.ask(overlay.Trust(node)), "tells what it is, and asks")

    def foot(self, made: sheet.Sheet) -> None:
        """What the file says of itself, and how late it is."""
        if not self.node:
            return
        app, node = self.app, self.node
        parts.heading(app, "Model")
        for word, said in made.card:
            parts.dim(app, f"{word}: {said}" if word else said, app.px(WRAP))
        self.late = parts.dim(app, "", app.px(WRAP))
        dpg.configure_item(self.late, show=False)
        parts.button(
            app, "Reload", lambda: models.reload(app.editor, node), "it starts anew, from its file as it is now, and forgets"
        )

    def update(self) -> None:
        """How late it is now."""
        if not self.late or not dpg.does_item_exist(self.late):
            return
        said = models.lateness(self.app.docks.models.late.get(self.app.editor.path(self.node)))
        if said != dpg.get_value(self.late):
            dpg.set_value(self.late, said)
            dpg.configure_item(self.late, show=bool(said))

    def browse(self, row: sheet.Row) -> None:
        """A button that asks for a file, which is brought beside the patch."""
        kind: library.Kind = "sound"
        if row.names and self._type(row) == models.MODEL and row.name == "file":
            kind = "model"
        elif row.names and self._type(row) == subpatch.PATCH:
            kind = "patch"
        endings = {"sound": library.SOUNDS, "model": library.MODELS, "patch": (".zrack", ".json")}[kind]

        def chosen(path: Path) -> None:
            app = self.app
            try:
                with app.editor.lock:
                    patch = app.editor.patch
                    file = library.model(patch, path) if kind == "model" else library.brought(patch, path, FOLDERS[kind])
            except PatchError as error:
                app.say(str(error))
                return
            self.choose(row, file)

        def ask() -> None:
            self.app.docks.choose_file(f"A {kind} for {row.names[0]}", chosen, endings=endings)

        parts.button(self.app, "Browse …", ask, "picks a file; one that lies elsewhere is copied beside the patch", small=True)

    def choose(self, row: sheet.Row, value: Any) -> None:
        """Sets a setting; a model is looked at before it is named."""
        editor = self.app.editor

        def assign() -> None:
            editor.do(sheet.assigned(row, value))

        model = row.name == "file" and self._type(row) == models.MODEL
        if not (model and models.later(editor, str(value), assign)):
            assign()

    def _type(self, row: sheet.Row) -> str:
        with self.app.editor.lock:
            here = self.app.editor.here()
            return here.nodes[row.names[0]].type if row.names[0] in here.nodes else ""


FOLDERS = {"sound": "sounds", "patch": "parts"}
"""Where files of other kinds are copied to."""
