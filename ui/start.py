"""The session behind the editor: attach to the one that plays a patch, or start it in a process that outlives the editor.

A session is called after the file that it was started with, so that whoever opens the file again finds it.  What it plays now
is what itself says, or its journal: after "save as" it belongs to another file than its name.  When the last editor that has
the patch open is closed properly, `Opening.end` ends it; when an editor dies, the session does not hear of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
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
from runtime import journal, telemetry
from runtime.attach import socket_path
from runtime.host import Job

from .keeper import TAKEN, keeper, lock
from .places import digest
from .recovery import autosave
from .replica import Attached

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 120.0
"""Seconds that a session may take to start: the first time, kernels are compiled."""
OSC = 9000
LOOK = 0.02  # seconds between two looks
_children: list[subprocess.Popen[str]] = []  # they outlive us, and are not waited for


def session_name(path: Path) -> str:
    """The name of a session that is started for a file: always the same for the same file."""
    real = os.path.realpath(path)
    stem = re.sub(r"[^A-Za-z0-9_-]", "_", Path(real).stem)[:20]
    return f"ed-{stem}-{hashlib.blake2b(real.encode(errors='surrogateescape'), digest_size=5).hexdigest()}"


def lock_path(name: str) -> Path:
    """The file that the keeper of a session holds."""
    return socket_path(name).with_suffix(".keeper")


def _seats(name: str) -> Path:
    """The file that all editors of a session hold together."""
    return socket_path(name).with_suffix(".editors")


def attach(name: str) -> Attached | None:
    """A client of the session called `name`; None where none answers."""
    if not socket_path(name).exists():
        return None
    try:
        return Attached(name)
    except (OSError, PatchError):  # it ended, or is about to
        return None


def _file(client: Attached) -> str:
    """The file whose patch a session plays."""
    with client.lock:
        patch = client.patch
        return os.path.realpath((patch.folder or Path()) / patch.file)


def running(name: str) -> bool:
    """Whether there is a session of this name, or will be in a moment."""
    return keeper(lock_path(name)) is not None


def stop(name: str, wait: float = 0.0) -> None:
    """Lets a session fade out and end; waits for that at most `wait` seconds."""
    end = time.monotonic() + wait
    meant = None
    while (pid := keeper(lock_path(name))) is not None:
        meant = meant or pid
        if pid == meant != 0:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        if pid != meant or time.monotonic() >= end:
            break
        time.sleep(0.1)  # told again: it may have been starting the session anew and missed it
    for child in _children:
        child.poll()  # who ended is not left as a zombie


def _live() -> list[str]:
    """The names of the sessions of editors."""
    found = (path.stem.removeprefix("zrack-") for path in telemetry.folder().glob("zrack-ed-*.keeper"))
    return sorted(name for name in found if running(name))


def _journals() -> dict[str, str]:
    """Sessions that died with their keepers: by name, the file whose patch their journal holds, "" where it cannot be read."""
    found = {}
    for folder in journal.left():
        if folder.name.startswith("ed-") and not running(folder.name):
            try:
                found[folder.name] = os.path.realpath(journal.recover(folder).meta.get("path", ""))
            except PatchError:
                found[folder.name] = ""
    return found


def _settle(name: str, wait: float = 10.0) -> None:
    """Waits for a session whose keeper is gone: until its engine has ended too, and left its journal or removed it."""
    end, folder = time.monotonic() + wait, journal.place(name)
    while time.monotonic() < end and not running(name) and folder.exists() and folder not in journal.left():
        time.sleep(LOOK)


def alone() -> list[Path]:
    """The patches that play without an editor, since theirs died; then those of which only a journal is left."""
    found = []
    for name in _live():
        seats = lock(_seats(name))
        if seats is None:
            continue
        with seats:
            _seats(name).unlink(missing_ok=True)
        client = attach(name)
        if client is not None:
            found.append(_file(client))
            client.close()
    return [Path(name) for name in [*found, *_journals().values()] if os.path.isfile(name)]


class Opening:
    """Starts the session of a patch, or finds it running, in the background, so that the window need not wait.

    `ready` is set when there is a `client`, which who takes it sets to None, or a sentence in `error`.  `found` says that it
    ran already, `restored` that it goes on from the journal of one that died, `said` are sentences of the session (device
    missing, …).  `after` is ended first: two sessions may not get the same sound device.  `job` are fields of
    `runtime.host.Job`.  Without a sound device it plays in silence, and says so.
    """

    def __init__(self, path: Path, after: Opening | None = None, **job: Any) -> None:
        self.path = Path(os.path.realpath(path))
        self.name = session_name(path)
        self.ready = threading.Event()
        self.client: Attached | None = None
        self.error = ""
        self.found = self.restored = False
        self.said: list[str] = []
        self._after = after
        self._cancelled = threading.Event()
        self._seat: IO[str] | None = None
        given: dict[str, Any] = {"quiet": True, "midi": "all", "any_port": True, **job}
        self._job = Job([str(self.path)], **given)
        threading.Thread(target=self._run, name="opening", daemon=True).start()

    def again(self) -> Attached | None:
        """The session after it was lost, for `Editor.reconnect`: started anew by its keeper, or here where that died too.

        PatchError where it has ended, or cannot start.
        """
        client = self._wait()
        if client is None and not self._cancelled.is_set():
            _settle(self.name)
            if self.name not in _journals():
                raise PatchError("the session has ended; what is shown can be saved, and plays when it is opened again")
            self._start(replace(self._job, restore=True))
            client, self.client = self.client, None
            if client is None:
                raise PatchError(self.error)
        return client

    def end(self, wait: float = 10.0) -> None:
        """Nobody here needs it any more: it fades out and ends, unless another editor has the patch open too."""
        self._cancelled.set()
        self.ready.wait(PATIENCE)
        client, self.client = self.client, None
        if client is not None:  # it came too late to be seen: what it holds is offered the next time
            with contextlib.suppress(PatchError, OSError):
                if client.history.dirty:
                    autosave(client.patch, Path(_file(client)), digest(Path(_file(client))))
            client.close()
        if self._seat is None:
            return
        with self._seat, contextlib.suppress(BlockingIOError):
            fcntl.flock(self._seat, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stop(self.name, wait)  # meanwhile nobody sits down
            _seats(self.name).unlink(missing_ok=True)

    def _run(self) -> None:
        try:
            if self._after is not None:
                self._after.end()
                self._after = None
            self._open()
        except Exception as error:  # told to who waits
            self.error = f"the session did not start: {' '.join(str(error).split()) or type(error).__name__}"
        self.ready.set()

    def _open(self) -> None:
        """Finds the session that plays the patch, else the journal of one that did, else starts one."""
        taken = set()
        for name in sorted(_live(), key=lambda name: name != self.name):
            client = self._wait() if name == self.name else attach(name)
            if client is not None and _file(client) == str(self.path):
                self._sit(name)  # waits for who is just ending it
                if running(name):
                    self.name, self.client, self.found = name, client, True
                    return
            if client is not None:
                client.close()
            if running(name):
                taken.add(name)
        _settle(self.name)
        left = _journals()
        mine = [name for name, file in left.items() if file == str(self.path)]
        names = itertools.chain(mine, [self.name], (f"{self.name}-{n}" for n in itertools.count(2)))
        self.name = next(name for name in names if name in mine or (name not in left and name not in taken))
        self.restored = bool(mine)
        if not self._cancelled.is_set():
            self._start(replace(self._job, restore=self.restored))

    def _wait(self) -> Attached | None:
        """A client of the session of our name as soon as it answers; None where nobody keeps it."""
        end = time.monotonic() + PATIENCE
        while (client := attach(self.name)) is None and running(self.name):
            if self._cancelled.is_set() or time.monotonic() > end:
                break
            time.sleep(LOOK)
        return client

    def _sit(self, name: str) -> None:
        """Says that this editor has the session, for as long as it lives."""
        if self._seat is not None:
            if os.fspath(self._seat.name) == os.fspath(_seats(name)):
                return
            self._seat.close()
        while (seat := lock(_seats(name), fcntl.LOCK_SH)) is None:
            time.sleep(LOOK)  # somebody ends it, or looks whether anybody sits here
        self._seat = seat

    def _start(self, job: Job) -> None:
        """Starts a session and attaches to it; in silence where there is no sound device."""
        self._sit(self.name)
        why = self._launch(job)
        if why and not self._cancelled.is_set() and job.device != "null":
            second = self._launch(replace(job, device="null"))
            self.said += [] if second else [f"{why}; it plays in silence"]
            why = second
        self.error = why

    def _launch(self, job: Job) -> str:
        """Starts the process and attaches to it; a sentence where that fails."""
        job = replace(job, name=self.name)
        if job.osc_port == OSC and not _free(job.osc_host, OSC):
            job = replace(job, osc_port=0)
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "ui.keeper", str(lock_path(self.name))], stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL, stderr=said, text=True, start_new_session=True, cwd=ROOT, close_fds=True,
            )  # fmt: skip
            _children.append(process)
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(job.dump())
                process.stdin.close()
            end = time.monotonic() + PATIENCE
            while time.monotonic() < end and (job.restore or not self._cancelled.is_set()):  # a journal is not dropped half-way
                self.client = attach(self.name)
                self.found = process.poll() == TAKEN  # another editor was faster
                if self.client is not None or (process.poll() is not None and not (self.found and running(self.name))):
                    break
                time.sleep(LOOK)
            sentences = _sentences(said)
        if self.client is not None:
            self.said += sentences
            return ""
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
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


def _sentences(said: IO[str]) -> list[str]:
    """What a session wrote on stderr."""
    said.seek(0)
    return [line.removeprefix("zrack: ").strip() for line in said.read().splitlines() if line.startswith("zrack: ")]
