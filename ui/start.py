"""The session behind the editor: attach to the one that plays a patch, or start it in a process that outlives the editor."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from runtime.attach import Client


def session_name(path: Path) -> str:
    """The name of the session that plays a patch: always the same for the same file."""
    raise NotImplementedError


def attach(path: Path) -> Client | None:
    """A client of the session that plays a patch; None where none does."""
    raise NotImplementedError


def stop(path: Path) -> None:
    """Lets the session fade out and end."""
    raise NotImplementedError


class Opening:
    """Starts the session of a patch, or finds it running, in the background, so that the window need not wait.

    `ready` is set at the end: then there is a `client`, or a sentence in `error`.  `found` says that it ran already,
    `said` are sentences of the session (device missing, …).  `job` are fields of `runtime.host.Job`.
    """

    def __init__(self, path: Path, restore: bool = False, **job: Any) -> None:
        self.path = path
        self.ready = threading.Event()
        self.client: Client | None = None
        self.error = ""
        self.found = False
        self.said: list[str] = []
