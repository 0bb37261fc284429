"""What went wrong, the latest below: click a line to see the node, copy all."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import dearpygui.dearpygui as dpg

from . import parts

if TYPE_CHECKING:
    from ..app import App

SHOWN = 100


class Panel:
    """The lines and how many errors they showed."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.seen: tuple[int, float] = (-1, 0.0)
        with dpg.group(horizontal=True):
            parts.button(app, "Copy all", self._copy, "Copies every line to the clipboard", small=True)
            parts.button(app, "Clear", self._clear, "Forgets these lines", small=True)
            self.empty = parts.dim(app, "nothing went wrong")
        self.lines = dpg.add_child_window(border=False)

    def _copy(self) -> None:
        dpg.set_clipboard_text("\n".join(line(*error) for error in self.app.editor.errors))

    def _clear(self) -> None:
        self.app.editor.errors.clear()
        self.app.editor.problems.clear()
        self.app.editor.version += 1

    def _show(self, path: str) -> None:
        name = self.app.editor.show(path)
        if not name:
            self.app.say(f"node {path} is gone")
            return
        box = self.app.layout.boxes.get(name)
        if box is not None:
            self.app.view.fit([box])

    def refresh(self) -> None:
        """Shows new lines."""
        errors = self.app.editor.errors
        seen = (len(errors), errors[-1][0] if errors else 0.0)
        if seen == self.seen:
            return
        self.seen = seen
        parts.clear(self.lines)
        dpg.configure_item(self.empty, show=not errors)
        for when, node, text in errors[-SHOWN:]:
            with dpg.group(horizontal=True, parent=self.lines):
                if node:
                    dpg.add_button(label="show node", small=True, user_data=node, callback=lambda s, a, node: self._show(node))
                dpg.add_button(
                    label="copy", small=True, user_data=text, callback=lambda s, a, text: dpg.set_clipboard_text(text)
                )
                dpg.add_text(line(when, node, text))
        dpg.set_y_scroll(self.lines, -1.0)


def line(when: float, node: str, text: str) -> str:
    """One error as people read it."""
    about = f"{node}: " if node and node not in text else ""
    return f"{time.strftime('%H:%M:%S', time.localtime(when))}  {about}{text}"
