"""Keeps a session alive: starts its process, and starts it again from the journal when it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .host import CRASHED, Job


class Supervisor:
    """One session process at a time.  `say` gets a sentence when it died."""

    def __init__(self, job: Job, say: Callable[[str], None], **popen: Any) -> None:
        self.job, self.say, self.popen = job, say, popen
        self.process: subprocess.Popen[str] | None = None
        self.restarts = 0
        self.stopping = False

    def start(self) -> None:
        """Starts the process."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runtime.host"], stdin=subprocess.PIPE, text=True, start_new_session=True,
            env={"MALLOC_ARENA_MAX": "2", **os.environ}, **self.popen,  # a heap for each thread would grow for hours
        )  # fmt: skip
        assert self.process.stdin is not None
        self.process.stdin.write(self.job.dump())
        self.process.stdin.close()

    def run(self) -> int:
        """Until the session ends by itself or `stop` is called.  Returns the exit code."""
        while True:
            self.start()
            assert self.process is not None
            code = self.process.wait()
            if self.stopping or code in (0, 1, 2):
                return max(code, 0)
            died = -code if code < 0 else -CRASHED
            why = "hung" if code == CRASHED else f"died ({_signal(-code)})" if code < 0 else f"ended with code {code}"
            self.say(f"the engine {why}; it goes on from the journal")
            self.restarts += 1
            self.job = replace(self.job, restore=True, died=died)

    def stop(self, *_: Any) -> None:
        """Lets the session fade out and end."""
        self.stopping = True
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
