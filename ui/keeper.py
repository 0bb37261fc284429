"""The process that keeps a session of the editor alive: `python -m ui.keeper LOCK`, with a `runtime.host.Job` as JSON on stdin.

It belongs to no window, so that the sound outlives the editor; it ends when its session ends, or at SIGTERM.  As long as it
lives it holds the lock of the file LOCK, in which its process id stands: so a session that is being started, or started anew,
is not started twice, and who ends it reaches it at any moment.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from runtime.host import Job
from runtime.supervise import Supervisor

TAKEN = 3
"""Exit code where another process keeps the session already."""


def lock(path: Path, kind: int = fcntl.LOCK_EX) -> IO[str] | None:
    """Takes the lock of a file, which is made for it; None where another has it.  It is free when the file is closed."""
    while True:
        file = open(path, "a+")  # noqa: SIM115 - it stays open for as long as it is held
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except BlockingIOError:
            file.close()
            return None
        except FileNotFoundError:
            pass  # who had it has just removed it
        file.close()


def keeper(path: Path) -> int | None:
    """The process that has a lock: its id, 0 where that is not written yet, None where there is none."""
    with suppress(OSError, ValueError), open(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read() or 0)
    return None


def main() -> int:
    """Runs until the session ends; gives its exit code."""
    path = Path(sys.argv[1])
    job = Job(**json.loads(sys.stdin.read()))
    held = lock(path)
    for _ in range(10):  # somebody may only be looking whether it is held
        if held is None:
            time.sleep(0.02)
            held = lock(path)
    if held is None:
        return TAKEN

    def say(text: str) -> None:
        sys.stderr.write(f"zrack: {text}\n")
        sys.stderr.flush()

    supervisor = Supervisor(job, say)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.stop)
    held.truncate(0)
    held.write(str(os.getpid()))
    held.flush()
    try:
        return supervisor.run()
    finally:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
