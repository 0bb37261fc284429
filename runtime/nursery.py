"""Where heavy work nodes start: a process that has torch loaded and forks one child for each, in milliseconds, not seconds.

Linux only, where a child of a process with one thread is a safe copy; elsewhere every worker is a new process.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from typing import Any

_lock = threading.Lock()
_nursery: Nursery | None = None


class Child:
    """A process that the nursery forked; as much of `subprocess.Popen` as a worker needs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        try:
            self._fd: int | None = os.pidfd_open(pid)
        except OSError:  # it is gone already
            self._fd, self.returncode = None, -1

    def poll(self) -> int | None:
        """None while it runs; else −1: how it ended, only the nursery knew."""
        if self._fd is not None and select.select([self._fd], [], [], 0)[0]:
            self.returncode = -1  # the descriptor stays until nobody can ask any more: several threads do
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits until it has ended.  Raises subprocess.TimeoutExpired."""
        if self._fd is not None and not select.select([self._fd], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("worker", timeout or 0.0)
        self.poll()
        return -1

    def kill(self) -> None:
        """Ends it at once."""
        if self._fd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._fd, signal.SIGKILL)

    def __del__(self) -> None:
        if self._fd is not None:
            os.close(self._fd)


class Nursery:
    """The process itself, seen from the one that needs workers; it ends with it."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        path = os.pathsep.join(p for p in sys.path if p)
        env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "runtime.nursery", str(theirs.fileno())], stdin=subprocess.DEVNULL, env=env,
                pass_fds=[theirs.fileno()],
            )  # fmt: skip
        self.pid = os.getpid()

    def child(self, job: dict[str, Any], env: dict[str, str]) -> Child:
        """A new worker for this job.  Raises OSError where the nursery is gone."""
        raw = pickle.dumps((job, env))
        self._ours.sendall(struct.pack("<q", len(raw)) + raw)
        return Child(struct.unpack("<q", _read(self._ours, 8))[0])


def child(job: dict[str, Any], env: dict[str, str]) -> Child:
    """A new worker for this job; the first one waits until the nursery is ready.  Raises OSError."""
    global _nursery
    with _lock:
        if _nursery is None or _nursery.pid != os.getpid():
            _nursery = Nursery()
        try:
            return _nursery.child(job, env)
        except OSError:
            _nursery = Nursery()  # somebody killed it
            return _nursery.child(job, env)


def possible() -> bool:
    """Whether this system can fork safely."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


def _read(stream: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = stream.recv(count - len(data))
        if not part:
            raise ConnectionError("the nursery is gone")
        data += part
    return data


def main(fd: int) -> None:
    """Forks a worker for every job that comes, until whoever sends them is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the session ends us
    with contextlib.suppress(ImportError):
        from nodes.ml import jit  # noqa: F401 - torch, which takes longest
    from nodes import catalog

    from .workers import serve

    catalog.load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they ended
    gc.freeze()  # else collecting garbage would copy what the children share
    stream = socket.socket(fileno=fd)
    while True:
        try:
            job, env = pickle.loads(_read(stream, struct.unpack("<q", _read(stream, 8))[0]))  # noqa: S301 - our own parent
        except ConnectionError:
            return
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            stream.close()
            os.environ.update(env)
            try:
                serve(job)
            finally:
                os._exit(0)
        stream.sendall(struct.pack("<q", pid))


if __name__ == "__main__":
    main(int(sys.argv[1]))
