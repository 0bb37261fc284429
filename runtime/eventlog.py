"""The event log: all that an engine was told since it started, so that offline the same samples come out again.

A log is a file of records (`runtime.records`): a head (patch, versions, channels), then in order

- `["op", operation]`: the patch changed (`graph.wire.apply`); `["swap"]`: plans were made from the patch as it stands;
- `["controls", now, [[time, target, value bits, more], …]]`: what the audio thread applied, at effective times; a target
  is its name across plans, null for the next plan of the swaps;
- `["error", text]`, `["recording", file, first sample]`, `["recorded", file]`: for people.
"""

from __future__ import annotations

import threading
import time as clock
from collections import deque
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from graph import Patch, PatchError, wire
from graph.file import dump, loads
from graph.history import History

from . import records
from .engine import Engine, Refit
from .layout import SET_PARAM, SET_PLAN
from .steps import Plan

FORMAT = 1


def _versions() -> dict[str, str]:
    out = {}
    for name in ("zrack", "numba", "llvmlite", "numpy"):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "?"
    return out


def _plain(value: Any) -> Any:
    """A target's name as msgpack takes it."""
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _name(value: Any) -> Any:
    """The inverse of `_plain`."""
    return tuple(_name(v) for v in value) if isinstance(value, list) else value


class EventLog:
    """Writes one engine's log; without a folder it keeps nothing.  `note` may be called from any thread."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._writer = records.Writer(path) if path else None
        self._waiting: list[Any] = []
        self._lock = threading.Lock()
        self._plans: deque[Plan] = deque()  # as they were published
        self._plan: Plan | None = None
        self._next = 0

    @classmethod
    def start(cls, folder: Path | None, engine: Engine, patch: Patch) -> EventLog:
        """A new log in `folder`, named by the time of day."""
        path = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            stem = f"{Path(patch.file or 'patch').stem}-{clock.strftime('%Y%m%d-%H%M%S')}"
            path = next(p for n in range(1, 10000) if not (p := folder / f"{stem}{f'-{n}' * (n > 1)}.zlog").exists())
        log = cls(path)
        log.note({
            "zrack-log": FORMAT, "rate": patch.rate, "block": patch.block, "patch": dump(patch), "file": patch.file,
            "folder": str(patch.folder or ""), "lead": engine.lead, "inputs": engine.in_channels, "channels": engine.out_channels, "versions": _versions(),
            "started": clock.time(),
        })  # fmt: skip
        engine.published = log._plans.append
        log._plans.append(engine.plan)
        return log

    def note(self, record: Any) -> None:
        """Adds a record; `flush` writes it."""
        if self._writer:
            with self._lock:
                self._waiting.append(record)

    def controls(self, now: int, rows: np.ndarray, engine: Engine) -> None:
        """Adds what the engine applied up to sample `now`: rows of its control log."""
        out = []
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
    """Plays a log again.  Raises PatchError, nodes.compile.CompileError."""

    def __init__(self, path: Path, progress: Any = None) -> None:
        self.head, self.records = read(path)
        folder = Path(self.head["folder"]) if self.head["folder"] else path.parent
        self.patch = loads(self.head["patch"], file=self.head["file"], folder=folder)
        self.history = History(self.patch)
        self.engine = Engine(self.patch.copy(), lead=self.head["lead"], progress=progress, replay=True)
        self.stages: deque[Plan] = deque([self.engine.plan])
        self.numbers: dict[Any, int] = {}

    @property
    def frames(self) -> int:
        """How long the log is, in samples."""
        return max((r[1] for r in self.records if r[0] == "controls"), default=0)

    def play(self, source: np.ndarray | None = None, frames: int | None = None) -> Iterator[np.ndarray]:
        """The sound in pieces, float32 [frames, channels]; `source` is the input that was heard live.

        With `frames`, it ends there; the last state goes on past the end of the log.
        """
        end = self.frames if frames is None else frames
        for record in self.records:
            if record[0] == "op":
                wire.apply(self.history, record[1])
            elif record[0] == "swap":
                try:
                    self.stages.extend(self.engine.stages(self.patch.copy()))
                except Refit:
                    break  # another engine went on, with a log of its own
                except PatchError:
                    pass  # as it was then: the sound stayed
            elif record[0] == "controls":
                for row in record[2]:
                    self._control(*row)
                yield from self._until(min(record[1], end), source)
                self.engine.collect()
        yield from self._until(end, source)

    def _control(self, time: int, target: Any, value: int, more: int) -> None:
        if target is None:
            plan = self.stages.popleft()
            self.numbers = {uid: number for number, uid in plan.uids.items()}
            if plan is not self.engine.plan or self.engine.swaps:
                self.engine.publish(plan, time, ramps=False)
        else:
            self.engine.control(time, SET_PARAM, self.numbers[_name(target)], value, more)

    def _until(self, end: int, source: np.ndarray | None) -> Iterator[np.ndarray]:
        engine = self.engine
        while engine.now < end:
            at = engine.now
            n = min(end - at, 4096)
            n = -(-n // engine.block) * engine.block
            yield engine.process(n, source[at : at + n] if source is not None else None)

    def close(self) -> None:
        self.engine.close()


def render(
    path: Path, source: np.ndarray | None = None, frames: int | None = None, progress: Any = None,
    done: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, int]:  # fmt: skip
    """The sound of a log, float32 [frames, channels], and its rate."""
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
    sound = np.concatenate(parts) if parts else np.zeros((0, replay.engine.out_channels), np.float32)
    lead = replay.engine.lead
    return sound[lead : lead + end], replay.engine.rate
