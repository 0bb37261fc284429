"""Priorities: threads that must not wait ask the system to run them before all others."""

from __future__ import annotations

import os


def realtime(pid: int, priority: int) -> str | None:
    """Gives a process or thread (0: the calling thread) first-in-first-out scheduling at `priority`, 1 … 99.

    A sentence where the system does not allow it; then everything runs as before, only less safely.
    """
    if not hasattr(os, "sched_setscheduler"):
        return "this system lets no program ask for real-time priority here, so sound may stall when others work"
    try:
        # children must not inherit it: a shell that an artist's node starts has no business there
        os.sched_setscheduler(pid, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except PermissionError:
        return (
            "no real-time priority: allow it with a line `@audio - rtprio 95` in /etc/security/limits.d/audio.conf and log in "
            "again as a member of the group audio"
        )
    except OSError as error:
        return f"no real-time priority: {error.strerror}"
    return None
