"""The question whether a model may run on this machine.  Its first button is all that ever trusts one here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import models, overlay

if TYPE_CHECKING:
    from ..app import App

YES, NO = "Trust and load", "Not now"


class Panel:
    """Asks when it is opened; nothing is shown meanwhile."""

    def __init__(self, app: App) -> None:
        self.app = app

    def open(self, request: overlay.Trust) -> None:
        """Asks about the file of a node, as it is at this moment."""
        editor = self.app.editor
        with editor.lock:
            who = models.stranger(editor.here(), request.node)
        if who is None:
            self.app.say(f"{request.node} names no file that waits for trust")
            return
        self.app.ask(who.question, {YES: lambda: models.let(editor, who), NO: None})

    def refresh(self) -> None:
        """Nothing changes while it waits."""
