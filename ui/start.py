"""The session behind the editor: attach to the one that plays a patch, or start it in a process that outlives the editor.

The session's name is made from the patch's path, so that whoever opens the patch again finds it.  When the editor is
closed properly `stop` ends it, unless the user wants it to play on; when the editor dies, it is not heard.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from graph.errors import PatchError
from runtime import journal
from runtime.attach import Client, page_path, socket_path
from runtime.host import Job
from runtime.telemetry import PID, Page

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 120.0
"""Seconds that a session may take to start: the first time, kernels are compiled."""
OSC = 9000
_children: list[subprocess.Popen[str]] = []  # they outlive us, and are not waited for


def session_name(path: Path) -> str:
    """The name of the session that plays a patch: always the same for the same file."""
    real = os.path.realpath(path)
    stem = re.sub(r"[^A-Za-z0-9_-]", "_", Path(real).stem)[:20]
    return f"ed-{stem}-{hashlib.blake2b(real.encode(errors='surrogateescape'), digest_size=5).hexdigest()}"


def attach(path: Path) -> Client | None:
    """A client of the session that plays a patch; None where none does."""
    name = session_name(path)
    if not socket_path(name).exists():
        return None
    try:
        return Client(name)
    except (OSError, PatchError):  # it ended, or is about to
        return None


def running(path: Path) -> bool:
    """Whether a session plays a patch."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as door:
        door.settimeout(1.0)
        door.connect(str(socket_path(session_name(path))))
        return True
    return False


def unfinished(path: Path) -> bool:
    """Whether a session of this patch died, with all who watched over it, and left a journal to go on from."""
    return not running(path) and journal.place(session_name(path)) in journal.left()


def stop(path: Path, wait: float = 0.0) -> None:
    """Lets the session fade out and end; waits for that at most `wait` seconds."""
    name = session_name(path)
    if not running(path):
        return
    for child in _children:
        child.poll()  # who ended is not left as a zombie
    with contextlib.suppress(OSError, ValueError):
        os.kill(int(Page(page_path(name)).head[PID]), signal.SIGTERM)
    end = time.monotonic() + wait
    while time.monotonic() < end and socket_path(name).exists():
        time.sleep(0.02)


class Opening:
    """Starts the session of a patch, or finds it running, in the background, so that the window need not wait.

    `ready` is set at the end: then there is a `client`, or a sentence in `error`.  `found` says that it ran already,
    `said` are sentences of the session (device missing, …).  `restore` goes on from the journal of a session that died
    (`unfinished`).  `job` are fields of `runtime.host.Job`.  Without a sound device it plays in silence, and says so.
    """

    def __init__(self, path: Path, restore: bool = False, **job: Any) -> None:
        self.path = Path(os.path.realpath(path))
        self.name = session_name(path)
        self.ready = threading.Event()
        self.client: Client | None = None
        self.error = ""
        self.found = False
        self.said: list[str] = []
        self._cancelled = threading.Event()
        given: dict[str, Any] = {"quiet": True, "midi": "all", **job}
        self._job = Job([str(self.path)], name=self.name, restore=restore, **given)
        threading.Thread(target=self._run, name="opening", daemon=True).start()

    def cancel(self) -> None:
        """Nobody wants it any more: what was started is stopped."""
        self._cancelled.set()

    def again(self) -> Client | None:
        """The session after it was lost, for `Editor.reconnect`: its keeper starts it anew when it dies."""
        return attach(self.path)

    def _run(self) -> None:
        try:
            self._open()
        except Exception as error:  # told to who waits
            self.error = f"the session did not start: {' '.join(str(error).split()) or type(error).__name__}"
        if self._cancelled.is_set() and self.client is not None:
            self.client.close()
            self.client = None
            if not self.found:
                stop(self.path)
        self.ready.set()

    def _open(self) -> None:
        self.client = attach(self.path)
        if self.client is not None:
            self.found = True
            return
        with _once(self.name):
            self.client = attach(self.path)  # somebody else was faster
            if self.client is not None:
                self.found = True
                return
            why = self._start(self._job)
            if why and not self._cancelled.is_set() and self._job.device != "null":
                second = self._start(replace(self._job, device="null"))
                if second:
                    self.error = second
                else:
                    self.said.append(f"{why}; it plays in silence")
            else:
                self.error = why

    def _start(self, job: Job) -> str:
        """Starts a session and attaches to it; a sentence where that fails."""
        if job.osc_port == OSC and not _free(job.osc_host, OSC):
            job = replace(job, osc_port=0)
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "ui.keeper"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, text=True,
                start_new_session=True, cwd=ROOT, close_fds=True,
            )  # fmt: skip
            _children.append(process)
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(job.dump())
                process.stdin.close()
            end = time.monotonic() + PATIENCE
            while time.monotonic() < end and not self._cancelled.is_set():
                self.client = attach(self.path)
                if self.client is not None or process.poll() is not None:
                    break
                time.sleep(0.02)
            sentences = _sentences(said)
        if self.client is not None:
            self.said += sentences
            return ""
        if process.poll() is None:
            process.terminate()
            return "stopped before it began" if self._cancelled.is_set() else "the session does not answer"
        return sentences[-1] if sentences else f"the session ended with code {process.returncode} before it began"


def _free(host: str, port: int) -> bool:
    """Whether OSC and OSCQuery may listen at their usual port."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


@contextlib.contextmanager
def _once(name: str) -> Any:
    """Two editors that open the same patch at the same moment start one session."""
    import fcntl

    path = socket_path(name).with_suffix(".starting")
    with open(path, "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _sentences(said: IO[str]) -> list[str]:
    """What a session wrote on stderr."""
    said.seek(0)
    return [line.removeprefix("zrack: ").strip() for line in said.read().splitlines() if line.startswith("zrack: ")]
