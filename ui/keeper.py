"""The process that keeps a session of the editor alive: `python -m ui.keeper`, with a `runtime.host.Job` as JSON on stdin.

It belongs to no window, so that the sound outlives the editor; it ends when its session ends, or at SIGTERM.
"""

from __future__ import annotations

import json
import signal
import sys

from runtime.host import Job
from runtime.supervise import Supervisor


def main() -> int:
    """Runs until the session ends; gives its exit code."""
    job = Job(**json.loads(sys.stdin.read()))

    def say(text: str) -> None:
        sys.stderr.write(f"zrack: {text}\n")
        sys.stderr.flush()

    supervisor = Supervisor(job, say)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.stop)
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main())
