"""Calls that the window does not wait for: one thread, answers taken in by the main loop."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

Job = tuple[Callable[[], Any], Callable[[Any], None] | None]


class Background:
    """Runs functions one after the other.  `collect` gives what came back to where it belongs, in the caller's thread."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._done: deque[tuple[Callable[[Any], None] | None, Any, Exception | None]] = deque()
        self._thread: threading.Thread | None = None

    def do(self, run: Callable[[], Any], then: Callable[[Any], None] | None = None) -> None:
        """Runs `run`; `then` gets what it returned."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="background calls", daemon=True)
            self._thread.start()
        self._jobs.put((run, then))

    def collect(self) -> list[Exception]:
        """Hands out the answers that came; gives what went wrong."""
        wrong = []
        while self._done:
            then, answer, error = self._done.popleft()
            if error is not None:
                wrong.append(error)
            elif then is not None:
                then(answer)
        return wrong

    def _loop(self) -> None:
        while (job := self._jobs.get()) is not None:
            run, then = job
            try:
                self._done.append((then, run(), None))
            except Exception as error:  # told by `collect`
                self._done.append((then, None, error))

    def close(self) -> None:
        """Ends after what waits."""
        if self._thread is not None:
            self._jobs.put(None)
