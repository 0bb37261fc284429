"""The event log: all that an engine was told since it started, so that offline the same samples come out again.

A log is a file of records (`runtime.records`): a head (patch, versions, channels), then in order

- `["op", operation]`: the patch changed (`graph.wire.apply`);
- `["swap", plans that were freed so far]`: plans were made from the patch as it stands;
- `["controls", now, [[time, target, value bits, more], …]]`: what the audio thread applied, at effective times; a target
  is its name across plans, null for the next plan of the swaps;
- `["skipped", instance, first, end]`: hops that a work node left out, as their time was over;
- `["recording", file, first sample, file of the input or "", frame of the file]`, `["recorded", file]`;
- `["lost", count]`: controls that came too fast to be written down; `["error", text]`: for people.
"""

from __future__ import annotations

import threading
import time as clock
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from graph import Patch, PatchError, wire
from graph.file import dump, loads
from graph.history import History
from graph.subpatch import flatten
from nodes import models
from nodes.compile import CompileError

from . import records
from .engine import Engine
from .hiring import FROM
from .layout import SET_PARAM, SET_PLAN
from .steps import Plan, bits

FORMAT = 1


def _versions() -> dict[str, str]:
    out = {}
    for name in ("zrack", "numba", "llvmlite", "numpy"):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "?"
    return out


def _hashes(patch: Patch) -> dict[str, str]:
    """File → SHA-256 of the models that a patch plays."""
    out = {}
    for node in flatten(patch).nodes.values():
        if node.type == models.Model.id:
            with suppress(PatchError):
                name = str(node.settings.get("file", ""))
                out[name] = models.found(name, patch.folder)[1].sha
    return out


def _plain(value: Any) -> Any:
    """A target's name as msgpack takes it."""
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _name(value: Any) -> Any:
    """The inverse of `_plain`."""
    return tuple(_name(v) for v in value) if isinstance(value, list) else value


class EventLog:
    """Writes one engine's log into `folder`, named by the time of day; without a folder it keeps nothing.

    It begins with a patch and its history as they are now, waits for the engine that is made of them (`begin`), and keeps
    what is noted meanwhile.  `note` may be called from any thread.
    """

    def __init__(self, folder: Path | None, patch: Patch, history: History) -> None:
        self.folder = folder
        self.path: Path | None = None
        self._writer: records.Writer | None = None
        self._waiting: list[Any] = []
        self._lock = threading.Lock()
        self._plans: deque[Plan] = deque()  # as they were published
        self._plan: Plan | None = None
        self._next = self._lost = 0
        if folder is not None:
            self.note({
                "zrack-log": FORMAT, "rate": patch.rate, "block": patch.block, "patch": dump(patch), "file": patch.file,
                "folder": str(patch.folder or ""), "history": wire.history_map(history), "versions": _versions(),
                "models": _hashes(patch),
                "started": clock.time(),
            })  # fmt: skip

    def begin(self, engine: Engine) -> None:
        """This is the engine.  Raises PatchError where the log cannot be written."""
        if self.folder is not None:
            self._waiting[0] |= {"lead": engine.lead, "inputs": engine.in_channels, "channels": engine.out_channels}
            self.folder.mkdir(parents=True, exist_ok=True)
            stem = f"{Path(self._waiting[0]['file'] or 'patch').stem}-{clock.strftime('%Y%m%d-%H%M%S')}"
            names = (self.folder / f"{stem}{f'-{n}' * (n > 1)}.zlog" for n in range(1, 10000))
            self.path = next(p for p in names if not p.exists())
            self._writer = records.Writer(self.path)
        engine.published = self._plans.append
        self._plans.append(engine.plan)

    def note(self, record: Any) -> None:
        """Adds a record; `flush` writes it."""
        if self.folder is not None:
            with self._lock:
                self._waiting.append(record)

    def controls(self, now: int, rows: np.ndarray, engine: Engine) -> None:
        """Adds what the engine applied up to sample `now`: rows of its control log."""
        out = []
        for id, first, end in engine.skipped():
            self.note(["skipped", id, first, end])
        if engine.log_lost > self._lost:
            self.note(["lost", engine.log_lost - self._lost])
            self._lost = engine.log_lost
        for time, what, value, more in rows.tolist():
            if what >> 32 == SET_PLAN:
                self._plan = self._plans.popleft()
                out.append([time, None, 0, 0])
            elif self._plan is not None:
                out.append([time, _plain(self._plan.uids[what & 0xFFFFFFFF]), value, more])
        if out or now >= self._next:
            self._next = now + engine.rate  # so that a log without an end knows how long it is
            self.note(["controls", now, out])

    def flush(self) -> None:
        """Writes what waits."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if self._writer and waiting:
            self._writer.append(waiting)

    def close(self, now: int = 0) -> None:
        """Ends the log at sample `now`."""
        self.note(["controls", now, []])
        self.flush()
        if self._writer:
            self._writer.close()


def read(path: Path) -> tuple[dict[str, Any], list[Any]]:
    """Head and records of a log.  Raises PatchError where it is none."""
    if not path.is_file():
        raise PatchError("there is no such event log", file=str(path))
    found = list(records.Reader(path))
    if not found or not isinstance(found[0], dict) or "zrack-log" not in found[0]:
        raise PatchError("is no event log", file=path.name)
    if found[0]["zrack-log"] > FORMAT:
        raise PatchError("was written by a newer zrack; update zrack", file=path.name)
    return found[0], found[1:]


def heard(path: Path) -> np.ndarray | None:
    """The live input that was recorded with a log from its first sample on, if it was."""
    import soundfile

    for record in read(path)[1]:
        if record[0] == "recording" and record[2] == 0 and len(record) > 3 and record[3]:
            sound, _ = soundfile.read(path.parent / record[3], dtype="float32", always_2d=True)
            return np.asarray(sound)
    return None


class Replay:
    """Plays a log again.  Raises PatchError, nodes.compile.CompileError.

    `notes` are sentences on why it may sound other than what was heard; they are whole when it has been played.
    """

    def __init__(self, path: Path, progress: Any = None) -> None:
        self.head, self.records = read(path)
        folder = Path(self.head["folder"]) if self.head["folder"] else path.parent
        self.patch = loads(self.head["patch"], file=self.head["file"], folder=folder)
        self.history = wire.history_from(self.head["history"], self.patch) if "history" in self.head else History(self.patch)
        skips: dict[Any, list[tuple[int, int]]] = {}
        for record in self.records:
            if record[0] == "skipped":
                skips.setdefault(_name(record[1]), []).append((record[2], record[3]))
        self.engine = Engine(self.patch.copy(), lead=self.head["lead"], progress=progress, replay=True, skips=skips)
        self.stages: deque[Plan] = deque([self.engine.plan])
        self.numbers: dict[Any, int] = {}
        self.rows = deque(row for record in self.records if record[0] == "controls" for row in record[2])
        self.notes = [
            f"{name} was {then} then and is {now} now"
            for name, now in _versions().items()
            if (then := self.head["versions"].get(name, now)) != now
        ]
        now = _hashes(self.patch)
        self.notes += [
            f"{name} is not the model that it was then"
            for name, sha in self.head.get("models", {}).items()
            if now.get(name) != sha
        ]
        lost = sum(r[1] for r in self.records if r[0] == "lost")
        if lost:
            self.notes.append(f"{lost} controls came too fast to be written down")

    @property
    def frames(self) -> int:
        """How long the log is, in samples."""
        return max((r[1] for r in self.records if r[0] == "controls"), default=0)

    def play(self, source: np.ndarray | None = None, frames: int | None = None) -> Iterator[np.ndarray]:
        """The sound in pieces, float32 [frames, channels]; `source` is the input that was heard live.

        With `frames`, it ends there; the last state goes on past the end of the log.
        """
        end = self.frames if frames is None else frames
        if self.engine.in_channels and source is None:
            self.notes.append("the patch listens to a live input, and there is no recording of it from the start; it is silent")
        for record in self.records:
            if record[0] == "op":
                wire.apply(self.history, record[1])
            elif record[0] == "swap":
                while 0 < record[1] >= self.engine.swaps and self.engine.now < end:  # so many were freed by then
                    yield from self._advance(end, source)
                self.engine.collect(record[1])
                with suppress(PatchError, CompileError):  # as then: the sound stayed, or an engine with another log went on
                    self.stages.extend(self.engine.stages(self.patch.copy()))
                self._failed()
        while self.engine.now < end:
            yield from self._advance(end, source)
        self._failed()

    def _advance(self, end: int, source: np.ndarray | None) -> Iterator[np.ndarray]:
        """Hands over the controls of the next block, and plays up to the block of those that follow."""
        engine, block = self.engine, self.engine.block
        while self.rows and self.rows[0][0] < engine.now + block:
            self._control(*self.rows.popleft())
        upto = min(end, self.rows[0][0] // block * block) if self.rows else end
        while engine.now < upto:
            at, n = engine.now, -(-min(upto - engine.now, 4096) // block) * block
            yield engine.process(n, source[at : at + n] if source is not None else None)

    def _failed(self) -> None:
        """Work that fails here and did not then."""
        then = [r[1] for r in self.records if r[0] == "error"]
        for fault in self.engine.faults():
            reason = fault.reason.removeprefix(f"node {fault.node}: ")
            if reason != fault.reason and not any(reason in text for text in then):  # a kernel does what it did
                self.notes.append(f"node {fault.node}: {reason}, as it did not when it was heard")

    def _control(self, time: int, target: Any, value: int, more: int) -> None:
        if target is None:
            plan = self.stages.popleft()
            self.numbers = {uid: number for number, uid in plan.uids.items()}
            if plan is not self.engine.plan or self.engine.swaps:
                self.engine.publish(plan, time, ramps=False)
            return
        name = _name(target)
        port = self.engine.workers.get(name[0]) if name[1] == FROM and value == bits(-1.0) else None
        if port is not None:
            port.again()  # it was re-armed, and had a new process from here on
        self.engine.control(time, SET_PARAM, self.numbers[name], value, more)

    def close(self) -> None:
        self.engine.close()


def render(
    path: Path, source: np.ndarray | None = None, frames: int | None = None, progress: Any = None,
    done: Callable[[int, int], None] | None = None, notes: list[str] | None = None,
) -> tuple[np.ndarray, int]:  # fmt: skip
    """The sound of a log, float32 [frames, channels], and its rate; `notes` takes sentences on why it may sound otherwise."""
    replay = Replay(path, progress)
    end = replay.frames if frames is None else frames
    parts, at = [], 0
    try:
        for part in replay.play(source, frames):
            parts.append(part)
            at += len(part)
            if done:
                done(min(at, end), end)
    finally:
        replay.close()
        if notes is not None:
            notes += replay.notes
    sound = np.concatenate(parts) if parts else np.zeros((0, replay.engine.out_channels), np.float32)
    lead = replay.engine.lead
    return sound[lead : lead + end], replay.engine.rate
