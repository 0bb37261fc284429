"""A session: one patch playing, the one door for its changes, and what listens to them.

Every change of the patch is an operation (`graph.wire.apply`): it is applied, journalled, logged and told to whoever
listens, in that order, under one lock.  Values that stream from controllers go to the engine at once and into the
patch in batches.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from graph import Patch, PatchError, values, wire
from graph.disk import confined
from graph.history import History
from nodes.compile import CompileError

from . import asked
from .devices import Device, DeviceError
from .engine import Engine
from .eventlog import EventLog
from .follow import Follower
from .journal import Journal
from .recorder import Recorder
from .streams import Played, Streams
from .telemetry import Telemetry

TAP = 1 << 17
"""Frames that the recorder may be late."""


class Session(Streams):
    """See the module.  `setlist` are the patch files that `next_patch` and `go` lead through; `saving` allows
    `{"save": …}`, `logs` is the folder for event logs and recordings.
    """

    def __init__(
        self, patch: Patch, *, device: Callable[[Engine], Device] | None = None, journal: Journal | None = None,
        history: History | None = None, setlist: Iterable[Path] = (), saving: bool = False, logs: Path | None = None,
        page: Telemetry | None = None, progress: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.lock = threading.RLock()
        self.patch = patch
        self.history = history or History(patch)
        self.journal = journal
        self.setlist = list(setlist)
        self.at = 0
        self.saving = saving
        self.logs = logs
        self.page = page
        self.recorder: Recorder | None = None
        self.learner: Callable[[str, str], None] | None = None  # MIDI learn, where there is MIDI
        self.extras: list[Callable[[], dict[str, Any]]] = []  # more figures for the state
        self.errors: list[str] = []
        self._hear: dict[int, Callable[[dict[str, Any]], None]] = {}
        self._stopping = threading.Event()
        self._kept: list[Played] = []  # engines that a device which does not run may still look at
        self._handling = threading.Lock()  # of the device: one thread at a time
        self._changing = threading.Lock()  # of the engine
        self._draining = threading.Lock()  # of its control log
        self._coming: EventLog | None = None  # of an engine that is being made for this patch
        self.now_playing = self._play(patch, progress)
        self._coming = None
        self.device = device(self.engine) if device else Device(self.engine, "null")
        for note in [*self.device.notes, *self._short()]:
            self.error(note)
        self._house = threading.Thread(target=self._keep, name="housekeeping", daemon=True)
        self._house.start()

    # ------------------------------------------------------------------ what plays

    @property
    def playing(self) -> bool:
        """Whether sample time runs."""
        return hasattr(self, "device") and self.device.running

    @property
    def block(self) -> int:
        """Frames a block of the playing engine."""
        return self.engine.block

    def now(self) -> int:
        """Sample time of the engine."""
        return self.engine.now

    def sample(self, unix: float) -> int:
        """The sample that sounds at a wall-clock time (seconds since 1970)."""
        return self.device.sample(unix)

    def _play(self, patch: Patch, progress: Any = None) -> Played:
        """An engine for a patch, not heard yet.  What is edited while it is made is in its log, but not in its plan."""
        cells = self.page.spare() if self.page else None
        with self.lock:
            given = patch.copy()
            log = EventLog(self.logs, patch, self.history if patch is self.patch else History(patch))
            self._coming = log if patch is self.patch else None
        engine = Engine(given, offline=False, lead=patch.block - 1, log=1 << 14, tap=TAP, progress=progress, cells=cells)
        if self.page:
            self.page.attach(engine)
        log.begin(engine)
        follower = Follower(engine, patch, given, self.lock, log.note, self.error, self._refit, lambda: self.playing)
        return Played(engine, follower, log)

    def _replace(self, patch: Patch | None) -> None:
        """Another engine takes over in 10 ms; the old one ends.  None is the patch as it is."""
        while not self._changing.acquire(timeout=0.1):
            if self._stopping.is_set():
                return
        try:
            self._take_over(self._play(patch or self.patch), patch)
        finally:
            self._coming = None
            self._changing.release()

    def _take_over(self, new: Played, patch: Patch | None) -> None:
        with self.lock:
            self.flush()
            old, self.now_playing, self._coming = self.now_playing, new, None
            with old.follower.pushing:
                streams, self._streams = self._streams, {}
                new.follower.held = self._streams.__contains__
            if patch is not None:
                self.patch, self.history = patch, History(patch)
                self._later.clear()
            new.follower.told()  # what was edited while the engine was made
            if patch is None:
                passed = old.engine.now
                for item in self._later:  # in the order that they have
                    item.time = max(item.time - passed, 0)
                for s in streams.values():
                    self._set(new.follower.find(s.path, s.port), s.value, 0, s.gesture, None)
        with self._handling:
            deck = self.device.deck(new.engine)
            try:
                self.device.switch(deck)  # until it returns, both are heard
            except DeviceError as error:  # it takes the new one when it runs again; until then the old one must stay
                self._kept.append(old)
                self.error(str(error))
        if self.recorder:
            try:
                at, begins = self.recorder.follow(new.engine)
                heard = self.recorder.paths[1].name if len(self.recorder.paths) > 1 else ""
                new.log.note(["recording", self.recorder.path.name, begins, heard, at])
            except PatchError as error:  # another rate
                self.error(f"{error}; the recording ends here")
                self._recorded()
        for note in deck.notes:
            self.error(note)
        old.follower.close()
        self._drain(old)
        old.log.close(old.engine.now)
        old.engine.close()

    def _refit(self) -> None:
        """Another engine for the same patch: it needs more channels, or another rate or block."""
        try:
            self._replace(None)
        except (PatchError, CompileError, DeviceError) as error:
            self.error(f"{error}; the sound stays as it was")

    def use(self, output: str, input: str | None = None, rate: int | None = None, buffer: int = 0) -> None:
        """Plays on another device, after a fade.  Raises DeviceError; then it plays where it played."""
        with self._handling:
            old, running = self.device, self.device.running
            old.stop()
            try:
                new = Device(self.engine, output, input, rate=rate, buffer=buffer)
            except DeviceError:
                if running:
                    old.play()
                raise
            self.device = new
            old.close()
            if running:
                new.play()
        for note in [*new.notes, *self._short()]:
            self.error(note)

    def _short(self) -> list[str]:
        """Sentences about work nodes that have less time than the device takes at once."""
        status = self.device.status()
        buffer = status["buffer"] * self.rate // status["rate"]
        return [
            f"node {name}: its work has {port.slack} samples of time, and {status['output']} takes {buffer} at once; "
            f"raise its {'slack' if port.heavy else 'hop'} to {buffer} or take a smaller --block"
            for name, port in self.engine.plan.ports.items()
            if port.slack < buffer
        ]

    # ------------------------------------------------------------------ the door

    def op(self, op: Mapping[str, Any]) -> Any:
        """Applies an operation: those of `graph.wire.apply`, and {"load": name}, {"save": name}.

        Returns what would take it back, None where there was nothing to do.  Raises PatchError and changes nothing
        where it is refused.
        """
        if "load" in op:
            return self.load(self._inside(str(op["load"])))
        if "save" in op:
            return self.save(str(op["save"]))
        if "saved" in op:
            raise PatchError("only saving marks a patch as saved")
        return self._op(op)

    def _op(self, op: Mapping[str, Any]) -> Any:
        with self.lock:
            self.flush()
            rate, block = self.patch.rate, self.patch.block
            inverse = wire.apply(self.history, op)
            self._applied(op)
            if (rate, block) != (self.patch.rate, self.patch.block):
                threading.Thread(target=self._refit, daemon=True).start()
            else:
                self.now_playing.follower.told()
            # with the lock held, so that replicas hear everything in the order in which it was applied
            self._tell({"kind": "op", "op": dict(op), "label": self.history.undo_label or ""})
        self._keep_journal()
        return inverse

    def _applied(self, op: Mapping[str, Any]) -> None:
        """With `lock` held: what was applied is written down before anybody hears of it."""
        for log in (self.now_playing.log, self._coming):
            if log is not None:
                log.note(["op", dict(op)])
        if self.journal:
            self.journal.append(dict(op))

    def _keep_journal(self) -> None:
        """Hands the journal to the system, so that what was answered outlives this process; a disk that refuses is told of
        by housekeeping."""
        if self.journal:
            with suppress(PatchError):
                self.journal.flush()

    def load(self, path: Path) -> None:
        """Plays another patch instead, in 10 ms.  Raises PatchError."""
        self._replace(Patch.load(path))
        if self.journal:
            self.journal.start(self.history, path=str(path))
        self._tell({"kind": "loaded", "patch": path.name})

    def save(self, name: str = "") -> None:
        """Saves the patch under a name in its folder.  Raises PatchError where that is not allowed."""
        if not self.saving:
            raise PatchError("saving over the network is off; start with --allow-save")
        with self.lock:
            self.flush()
            path = self._inside(name or self.patch.file, new=True)
            self.patch.save(path)
            self._op({"saved": str(path)})

    def saved(self, path: str, serial: int | None = None) -> bool:
        """A client has written the patch to `path`.  False where it has changed since the step `serial` that was written."""
        with self.lock:
            self.flush()
            if serial is not None and serial != self.history.serial:
                return False
            self._op({"saved": str(path)})
        return True

    def _inside(self, name: str, new: bool = False) -> Path:
        """A file in the folder of the patch.  Raises PatchError for every other."""
        folder = self.patch.folder
        if folder is None:
            raise PatchError("the patch has no folder yet; save it once")
        if not _plain(name, ".zrack"):
            raise PatchError(f"{name!r} is not the plain name of a patch in the patch folder")
        if new and not os.path.lexists(folder / name):
            return folder / name
        return confined(folder, name)

    def next_patch(self) -> None:
        """The next patch of the set-list; after the last one the first."""
        self.go((self.at + 1) % max(len(self.setlist), 1))

    def go(self, which: int | str) -> None:
        """A patch of the set-list by number (from 0) or name.  Raises PatchError."""
        names = [p.stem for p in self.setlist]
        index = names.index(which) if which in names else which
        if not isinstance(index, int) or not 0 <= index < len(self.setlist):
            raise PatchError(f"the set-list has no patch {which}" + (f"; it has {', '.join(names)}" if names else ""))
        self.load(self.setlist[index])
        self.at = index
        if self.journal:
            self.journal.note(at=index)

    def transport(self, word: str) -> None:
        """play; stop (sample time stands still); reset (sample 0, initial state); panic (all that rings is silent)."""
        if word == "play":
            self.device.play()
            self.now_playing.follower.catch_up()
        elif word == "stop":
            with self._handling:
                self.device.stop()
        elif word in ("reset", "panic"):
            if word == "panic":
                self._tell({"kind": "panic"})
            self._refit()
        else:
            raise PatchError(f"the transport has play, stop, reset and panic, not {word}")
        self._tell({"kind": "transport", "word": word})

    def learn(self, path: str, port: str) -> None:
        """Binds the next MIDI controller that moves to a param.  Raises PatchError."""
        self.now_playing.follower.find(path, port)
        if self.learner is None:
            raise PatchError("there is no MIDI here to learn from; start with --midi")
        self.learner(path, port)

    def record(self, name: str | None) -> str:
        """Records the master (and live input) to a file, until called with None; gives the file's name."""
        with self.lock:
            if name is None and self.recorder is None:
                raise PatchError("nothing is being recorded")
            if self.recorder is not None:
                ended = self._recorded()
                if name is None:
                    return ended
            assert name is not None
            if not _plain(name, ".wav", ".flac"):
                raise PatchError(f"{name!r} must be a plain name ending in .wav or .flac")
            return self._recording(self.now_playing, name)

    def _recording(self, played: Played, name: str) -> str:
        folder = self.logs or self.patch.folder or Path.cwd()
        self.recorder = recorder = Recorder.of(played.engine, folder / name, self.error)
        heard = recorder.paths[1].name if len(recorder.paths) > 1 else ""
        played.log.note(["recording", recorder.path.name, recorder.begins, heard, 0])
        return recorder.path.name

    def _recorded(self) -> str:
        assert self.recorder is not None
        name, self.recorder = self.recorder.stop(), None
        self.now_playing.log.note(["recorded", name])
        return name

    def rearm(self, name: str) -> None:
        """Lets a node that was bypassed for its faults play again."""
        with self.lock:
            found = self.now_playing.follower.find(name, "bypass")
        self.engine.rearm(self.engine.plan.names.get(found.place[0], name))

    encode, keep, late, reload, trusted = asked.encode, asked.keep, asked.late, asked.reload, asked.trusted

    # ------------------------------------------------------------------ who listens

    def listen(self, hear: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """Tells `hear` of everything that happens; returns what ends it."""
        number = next(self._numbers)
        self._hear[number] = hear

        def stop() -> None:
            self._hear.pop(number, None)

        return stop

    def _tell(self, event: dict[str, Any]) -> None:
        for hear in list(self._hear.values()):
            try:
                hear(event)
            except Exception as error:  # one listener's fault is nobody else's
                self.errors.append(f"{type(error).__name__}: {error}")

    def error(self, text: str) -> None:
        """Tells everybody what went wrong."""
        self.errors = [*self.errors[-99:], text]
        if hasattr(self, "now_playing"):
            self.now_playing.log.note(["error", text])
        self._tell({"kind": "error", "text": text})

    def state(self) -> dict[str, Any]:
        """Figures of the moment: device, load, faults."""
        engine = self.engine
        out = {
            "patch": self.patch.file, "seconds": round(engine.now / engine.rate, 3), "nodes": len(self.patch.nodes),
            "plans": engine.swaps, "late_work": engine.late_work(), "late_controls": self.late_controls + engine.late,
        }  # fmt: skip
        status = self.device.status()
        out |= {
            "device": status["output"], "input": status["input"], "lost": status["lost"], "playing": status["playing"],
            "device_rate": status["rate"], "buffer": status["buffer"], "load": status["load"], "us": status["us"],
            "xruns": max(status["xruns"].values()), "peaks": self.device.peaks(),
            "latency": {**status["latency"], "models": asked.heard_late(self)},
        }  # fmt: skip
        if self.recorder:
            out |= self.recorder.state()
        for more in self.extras:
            out |= more()
        return out

    # ------------------------------------------------------------------ housekeeping

    def _keep(self) -> None:
        """Every few milliseconds: what waits for its time, batches, logs, faults, the device."""
        tick = 0
        while not self._stopping.wait(0.01):
            tick += 1
            try:
                self._due()
                if tick % 5 == 0:
                    self.flush()
                    self._keep_journal()
                    self._drain(self.now_playing)
                    for fault in self.engine.faults():
                        reason = fault.reason.removeprefix(f"node {fault.node}: ")
                        self.error(f"node {fault.node}: bypassed at sample {fault.time}, {reason}")
                    self.engine.begin()
                if tick % 10 == 0:
                    state = self.state()
                    if self.page:
                        self.page.write(self.engine, state)
                    self._tell({"kind": "state", **state})
                if tick % 20 == 0 and self.journal:
                    self.journal.flush()
                    if self.journal.due:
                        with self.lock:
                            image = self.journal.image(self.history)
                        self.journal.compact(image)
                if tick % 50 == 0:
                    with self._handling:
                        said = self.device.watch()
                    if said:
                        self.error(said)
                if tick % 200 == 0:
                    asked.look(self)
            except Exception as error:  # the session goes on
                self.error(f"housekeeping: {type(error).__name__}: {error}")

    def _drain(self, played: Played) -> None:
        with self._draining:
            now, rows = played.engine.read_log()
            played.log.controls(now, rows, played.engine)
            played.log.flush()

    def close(self, fade: bool = True) -> None:
        """Fades out and ends everything."""
        self._stopping.set()
        self._house.join(5)
        self._changing.acquire()  # whatever is being made ends first, and nothing begins any more
        with self._handling:
            self.device.stop(fade)
        if self.recorder is not None:
            self.record(None)
        self.flush()
        self.device.close()
        self.now_playing.follower.close()
        self._drain(self.now_playing)
        self.now_playing.log.close(self.engine.now)
        self.engine.close()
        if self.journal:
            self.journal.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _plain(name: str, *endings: str) -> bool:
    """Whether this is the name of a file that a stranger may choose: no path on any system, not hidden, and of this kind."""
    try:
        return Path(values.filename("file", name)).name == name and not name.startswith(".") and name.endswith(endings)
    except PatchError:
        return False
