"""A playing patch, its window and somebody who edits it; what is counted and recorded meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from graph import Patch
from nodes import catalog
from runtime.attach import Client
from runtime.bare import SETTLE, Bare

from .jack import server
from .player import Player, playground
from .screen import Eyes, Hands, Screen, Window, content, desk, sessions, settings, until

PIECE = 0.02  # seconds of a recording that are looked at for silence
CLOSED = {"toured": True, "minimap": False, "panels": {"inspector": False}}


class Stage:
    """A playing patch, its window, and somebody who edits it; `client` follows the session and only ends gestures."""

    def __init__(self, folder: Path, screen: Screen, seed: int, device: str, patch: Patch | None = None) -> None:
        self.folder, self.screen, self.device = folder, screen, device
        self.path, self.logs = folder / "ground.zrack", folder / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        (playground() if patch is None else patch).save(self.path)
        settings(folder, **CLOSED)
        self.hands, self.eyes = Hands(), Eyes(screen.size, inspector=False)
        self.window = self.open()
        self.client = self.attach()
        self.player = Player(self.hands, self.eyes, lambda: self.client, seed)

    def open(self) -> Window:
        """Starts the editor."""
        window = Window(self.folder, str(self.path), "--device", self.device, "--logs", str(self.logs))
        window.opens()
        return window

    def reopen(self) -> None:
        """Starts the editor anew, whose session has ended."""
        self.client.close()
        self.window = self.open()
        self.client = self.attach()

    def attach(self) -> Client:
        """A client of the only session there is, once sound runs."""

        def attempt() -> Client | None:
            for name in sessions():
                with suppress(OSError):
                    client = Client(name)
                    if client.call("now") > 0:
                        return client
                    client.close()
            return None

        found: Client = until(attempt, 120, "a session plays")
        return found

    def now(self) -> dict[str, Any]:
        """The patch of the session, as a file would hold it, once what streams has reached it."""
        self.client.call("op", {"end": 1})
        with self.client.lock:
            return content(self.client.patch.copy())

    def shows(self, seconds: float = 40.0) -> dict[str, Any]:
        """What the editor has before it: it is told to save, and the file is read."""
        before = self.path.stat().st_mtime_ns
        end = time.monotonic() + seconds
        while self.path.stat().st_mtime_ns == before:
            assert time.monotonic() < end, "the editor does not save"
            self.hands.key("ctrl+s")
            with suppress(AssertionError):
                until(lambda: self.path.stat().st_mtime_ns != before, 2.0)
        return content(self.path)

    @property
    def pid(self) -> int:
        """Of the session."""
        return next(iter(sessions().values()), 0)

    def close(self) -> None:
        """The client goes; sessions end with the desk."""
        self.client.close()
        if self.window.process.poll() is None:
            self.window.kill()


@contextmanager
def stage(folder: Path, seed: int = 1, device: str = "JACK:system", patch: Patch | None = None) -> Iterator[Stage]:
    """A stage on a display of its own, and with a device also on a JACK server of its own; for `player`'s patch, or another."""
    catalog.load()
    with ExitStack() as stack:
        screen = stack.enter_context(Screen())
        if device != "null":
            stack.enter_context(server())
        stack.enter_context(desk(folder))
        found = Stage(folder, screen, seed, device, patch)
        stack.callback(found.close)
        try:
            yield found
        except BaseException:
            screen.shoot(folder / "failed.png")
            raise


class Xruns:
    """Counts them, ours and those of a bare stream beside it, from a moment after both have settled."""

    def __init__(self, on: Stage) -> None:
        self.on, self.bare = on, Bare(on.device, 0, 0)
        self.ours: list[float] = []
        self._over = threading.Event()
        time.sleep(SETTLE + 1.0)
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        last = -1
        while not self._over.wait(0.05):
            view = self.on.client.view
            state = view.look()[0] if view is not None else {}
            if state:
                self.ours += [time.monotonic()] * max(state["xruns"] - last, 0) if last >= 0 else []
                last = state["xruns"]

    def figures(self) -> dict[str, int]:
        """Xruns of ours that the bare stream does not share, those that it does, its own, and how often a core stood still."""
        self._over.set()
        alone = sum(not self.bare.shares(t) for t in self.ours)
        found = {"ours": alone, "machine": len(self.ours) - alone, "bare": len(self.bare.xruns), "still": len(self.bare.still)}
        self.bare.close()
        return found


def read(path: Path) -> np.ndarray:
    """A recording, float32 [frames, channels]."""
    import soundfile

    return np.asarray(soundfile.read(path, dtype="float32", always_2d=True)[0])


def silences(sound: np.ndarray, rate: int = 48000) -> float:
    """Seconds of the longest silence."""
    size = round(PIECE * rate)
    peaks = np.abs(sound[: len(sound) // size * size]).max(1).reshape(-1, size).max(1)
    quiet = np.concatenate([[False], peaks < 0.01, [False]])
    edges = np.flatnonzero(np.diff(quiet.astype(np.int8)))
    return float((edges[1::2] - edges[::2]).max() * PIECE) if len(edges) else 0.0
