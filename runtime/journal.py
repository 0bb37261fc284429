"""The journal of a session: what is needed to go on after a crash with patch, knobs and history as they were.

A journal is a folder of its own with one *generation*: `base-<n>.zrack` (the patch), `data/` (its large tables) and
`ops-<n>.log` (records: a head with the history and what is known about the session, then every operation since).  A new
generation counts once its log is there, and only then the old one goes; so at any moment one of the two is whole.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from graph import Patch, PatchError, codec, disk, file, tables, values
from graph.history import History
from graph.spec import NodeSpec
from graph.wire import apply, history_from, history_map

from . import records

OPS = 1000  # operations in a generation, before a new one is due
BYTES = 16 << 20  # of them; also of those that wait because the disk refuses them
MINUTE, CRASHES = 60.0, 3

_BASE = re.compile(r"(?:base|ops)-(\d{1,12})\.(?:zrack|log)\Z")


def home() -> Path:
    """The folder of all journals: in the user's state folder, or in the one that ZRACK_STATE names."""
    given = os.environ.get("ZRACK_STATE")
    if given:
        return Path(given) / "journals"
    import platformdirs

    return Path(platformdirs.user_state_dir("zrack", appauthor=False)) / "journals"


def place(id: str) -> Path:
    """The folder of the journal called `id` (a name as nodes have).  Raises PatchError for another."""
    return home() / values.node_name(id)


def left() -> list[Path]:
    """Journals that no session holds, the newest first: of sessions that died and were not taken up again."""
    found = []
    for folder in home().glob("*/"):
        logs = list(folder.glob("ops-*.log"))
        if logs and _free(folder):
            found.append((max(p.stat().st_mtime for p in logs), folder))
    return [folder for _, folder in sorted(found, reverse=True)]


def _free(folder: Path) -> bool:
    try:
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


# writing


@dataclass(frozen=True)
class Image:
    """The history (with a patch of its own) and the meta at one moment; what a generation starts from."""

    history: History
    meta: dict[str, Any]


class Journal:
    """The journal in `folder`, held by one process at a time.

    Operations wait in memory until `flush`.  All methods may be called from any thread.  Raises PatchError where
    another session holds the folder or the disk refuses.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()  # of what waits in memory: never held while the disk works
        self._disk = threading.Lock()  # of the log; taken before the other
        self._log: records.Writer | None = None
        self._wait: list[bytes] = []  # records for the log
        self._next: list[bytes] | None = None  # the same since `image`, for the next log
        self._meta: dict[str, Any] = {}
        self._bytes = self._ops = self._number = self._head = 0
        self._again = 0.0  # when to try once more, after a generation could not be written
        self.lost = 0  # operations that the disk refused for too long; a new generation makes up for them
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as e:
            raise PatchError(f"the journal could not be opened: {(e.strerror or str(e)).lower()}", file=folder.name) from None
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._handle)
            raise PatchError("another session holds this journal", file=folder.name) from None

    def start(self, history: History, **meta: Any) -> None:
        """Begins with the patch and the history as they are now; forgets what the journal held before."""
        self._meta = values.plain("meta", meta)
        self.compact(self.image(history))

    def append(self, op: Mapping[str, Any]) -> None:
        """Notes an operation that was applied; `flush` writes it."""
        self._add(op, 1)

    def note(self, **meta: Any) -> None:
        """Notes what is to be known about the session: device options, the path of the patch, …"""
        found = values.plain("meta", meta)
        with self._lock:
            self._meta |= found
        self._add({"meta": found}, 0)

    def _add(self, record: Mapping[str, Any], count: int) -> None:
        packed = records.pack(record)
        with self._lock:
            self._ops += count
            if self._next is not None:
                self._next.append(packed)
            if self.lost or self._bytes + len(packed) > BYTES + records.LIMIT:
                self.lost += 1
                return
            self._wait.append(packed)
            self._bytes += len(packed)

    def flush(self, sync: bool = False) -> None:
        """Hands all that waits to the system, where it outlives this process; with `sync` to the disk."""
        with self._disk:
            if self._log is None:
                return
            with self._lock:
                packed, self._wait, self._bytes = self._wait, [], 0
            try:
                self._log.write(b"".join(packed))
            except PatchError:
                with self._lock:
                    self._wait[:0] = packed
                    self._bytes += sum(map(len, packed))
                raise
            if sync:
                self._log.fsync()

    @property
    def due(self) -> bool:
        """Whether it is time for a new generation."""
        full = self._ops >= OPS or self.lost or (self._log is not None and self._log.size - self._head > BYTES)
        return bool(full and time.monotonic() >= self._again)

    def image(self, history: History) -> Image:
        """What `compact` needs: cheap, taken while nobody changes the patch.  What is appended from here on follows it."""
        copy = History(history.patch.copy(), history.limit)
        copy.restore(*history.steps, history.marks)
        with self._lock:
            self._next = []
            if copy.patch.lineage:
                self._meta["path"] = copy.patch.lineage[0]
            return Image(copy, dict(self._meta))

    def compact(self, image: Image) -> None:
        """Writes a new generation and removes the old one; operations may be appended meanwhile.

        For one thread at a time.  Where the disk refuses, the old generation goes on.
        """
        number = max([self._number, *_numbers(self.folder)]) + 1
        try:
            kept = _write(self.folder, number, image)
            log = records.Writer(self.folder / f"ops-{number}.log")
        except (OSError, PatchError) as e:
            self._again = time.monotonic() + 10.0
            with self._lock:
                self._next = None
            text = e if isinstance(e, PatchError) else (e.strerror or str(e)).lower()
            raise PatchError(f"the journal could not be written: {text}") from None
        with self._disk:
            with self._lock:
                self._wait, self._next = self._next or [], None
                self._ops, self._bytes, self.lost = len(self._wait), sum(map(len, self._wait)), 0
            if self._log is not None:
                self._log.close()
            self._log, self._number, self._head = log, number, log.size
        self.flush()
        _clean(self.folder, number, kept)

    def close(self) -> None:
        """Writes what waits and gives the folder free; the journal stays.  A second time does nothing."""
        try:
            self.flush(sync=True)
        finally:
            self._release()

    def remove(self) -> None:
        """Removes the journal of a session that ended well."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._release()

    def _release(self) -> None:
        with self._disk:
            if self._log is not None:
                self._log.close()
                self._log = None
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1


def _write(folder: Path, number: int, image: Image) -> set[str]:
    """Writes base and log of a generation, the log last; returns the hashes of the tables that belong to it."""
    writer, kept = tables.Writer(folder), set()

    def keep(data: bytes) -> str:
        digest = writer.keep(data)
        kept.add(digest)
        return digest

    base = codec.pack(file.to_map(image.history.patch, keep))
    writer.write()
    head = {"journal": 1, "meta": image.meta, "history": history_map(image.history)}
    try:
        packed = records.pack(head)
    except PatchError:
        packed = records.pack({**head, "history": None})
    for name, data in ((f"base-{number}.zrack", base), (f"ops-{number}.log", packed)):
        os.close(os.open(folder / name, os.O_WRONLY | os.O_CREAT, 0o600))  # the mode stays when it is replaced
        disk.write_atomic(folder / name, data)
    return kept


def _numbers(folder: Path) -> list[int]:
    """The generations of which something is there, the newest first."""
    found = {int(m[1]) for m in (_BASE.match(name) for name in os.listdir(folder)) if m}
    return sorted(found, reverse=True)


def _clean(folder: Path, number: int, kept: set[str]) -> None:
    """Removes all that does not belong to generation `number`, half-written files of a crash among it."""
    for path in folder.iterdir():
        found = _BASE.match(path.name)
        if (found and int(found[1]) != number) or re.match(r"\.(base|ops)-", path.name):
            path.unlink(missing_ok=True)
    for path in (folder / tables.FOLDER).glob("*"):
        if path.stem not in kept:
            path.unlink(missing_ok=True)


# reading


class Recovered(NamedTuple):
    """What a journal held; `patch.notes` says what could not be believed."""

    patch: Patch
    history: History
    meta: dict[str, Any]


def recover(folder: Path, specs: Mapping[str, NodeSpec] | None = None) -> Recovered:
    """The patch, the history and the meta of the last session in `folder`.

    Changes nothing there.  An operation that no longer applies is left out and noted.  Raises PatchError where no
    generation is whole.
    """
    fault: PatchError | None = None
    try:
        numbers = _numbers(folder)
    except OSError:
        numbers = []
    for number in numbers:
        try:
            return _read(folder, number, specs)
        except PatchError as e:
            fault = fault or e
    raise fault or PatchError("holds no journal", file=folder.name)


def _read(folder: Path, number: int, specs: Mapping[str, NodeSpec] | None) -> Recovered:
    log = records.Reader(folder / f"ops-{number}.log")
    found = iter(log)
    head = next(found, None)
    if not isinstance(head, dict) or head.get("journal") != 1 or not isinstance(head.get("meta"), dict):
        raise PatchError("is no journal of a kind known here", file=log.path.name)
    meta = dict(head["meta"])
    patch = _base(folder, f"base-{number}.zrack", meta, specs)
    try:
        history = history_from(head.get("history"), patch)
    except PatchError as e:
        patch.notes.append(f"what was done before cannot be undone: {e}")
        history = History(patch)
    refused = 0
    for op in found:
        if isinstance(op, dict) and isinstance(op.get("meta"), dict):
            meta |= op["meta"]
            continue
        try:
            apply(history, op)
        except PatchError as e:
            refused += 1
            if refused <= 10:
                patch.notes.append(f"an edit could not be done again: {e}")
    if refused > 10:
        patch.notes.append(f"{refused - 10} more edits could not be done again")
    if log.torn:
        patch.notes.append(f"the journal {log.torn}; what came later is lost")
    if patch.lineage:
        meta["path"] = patch.lineage[0]
    return Recovered(patch, history, meta)


def _base(folder: Path, name: str, meta: Mapping[str, Any], specs: Mapping[str, NodeSpec] | None) -> Patch:
    """The patch of a generation: its tables lie in the journal, its sub-patches beside the patch itself."""
    found = codec.unpack(disk.read(folder / name, name, codec.SIZE))
    if not isinstance(found, dict) or "zrack" not in found:
        raise PatchError("is no patch", file=name)
    path, patch = meta.get("path"), Patch(specs=specs)
    if not isinstance(path, str) or not path:
        file._fill(patch, found, 0, tables.Reader(folder))
        return patch
    real = Path(path).resolve()
    patch.folder, patch.lineage = real.parent, (str(real),)
    try:
        file._fill(patch, found, 0, tables.Reader(folder))
    except PatchError as e:  # a sub-patch by file may be another by now: what was set and patched there is believed
        patch = Patch(specs=specs)
        file._fill(patch, found, 0, tables.Reader(folder))
        patch.notes = [f"a sub-patch has changed meanwhile: {e}"]
        patch.folder, patch.lineage = real.parent, (str(real),)
    patch.file = real.name
    return patch


# crashes


def crashed(folder: Path, when: float | None = None) -> int:
    """Notes that the session died (at `when`, seconds since 1970); returns how often it did within the last minute."""
    now = time.time() if when is None else when
    writer = records.Writer(folder / "crashes.log")
    try:
        writer.append([now])
    finally:
        writer.close()
    times = [t for t in records.Reader(folder / "crashes.log") if isinstance(t, float)]
    return sum(now - MINUTE <= t <= now for t in times)


def suspects(history: History) -> list[str]:
    """The nodes ("sub/inner" where it is one of those inside) that the last edit touched and that are still there."""
    undo, _ = history.steps
    last = history.inverse or (undo[-1].edit if undo else None)
    found: dict[str, None] = {}
    for what, key, value in getattr(last, "writes", ()):
        if what == "attr" and key[1] == "patch" and isinstance(value, Patch):
            inner = history.patch.nodes[key[0]].patch if key[0] in history.patch.nodes else None
            found |= dict.fromkeys(_changed(value, inner, f"{key[0]}/") if inner is not None else [key[0]])
        elif what in ("value", "attr"):
            found[key[0]] = None
        elif what == "node":
            found[key] = None
        elif what == "cable":
            found[key[0]] = found[key[2]] = None
    return [name for name in found if name.partition("/")[0] in history.patch.nodes]


def _changed(old: Patch, new: Patch, prefix: str) -> list[str]:
    """The nodes of `new` that `old` has not, or has otherwise; those at the ends of cables that only one has."""
    found = []
    ends = {name for key in {*old.cables} ^ {*new.cables} for name in (key[0], key[2])}
    for name, node in new.nodes.items():
        was = old.nodes.get(name)
        if was is not None and was.patch is not None and node.patch is not None and was != node:
            found += _changed(was.patch, node.patch, f"{prefix}{name}/") or [prefix + name]
        elif was != node or name in ends:
            found.append(prefix + name)
    return found
