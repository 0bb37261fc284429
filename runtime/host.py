"""The session process: `python -m runtime.host`, started and watched over by `runtime.supervise`.

What it plays comes as JSON on standard input; see `Job`.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

CRASHED = 70
"""Exit code after the watchdog found the audio thread hanging."""
HANG = 1.0
"""Seconds that one step may take before the engine counts as hung."""


@dataclass
class Job:
    """What a session is started with."""

    patches: list[str]
    name: str = "main"
    device: str | None = None
    input: str | None = None
    rate: int | None = None
    buffer: int = 0
    channels: list[int] = field(default_factory=list)  # engine channel for each device channel; empty: one after the other
    osc_host: str = "127.0.0.1"
    osc_port: int = 9000
    peers: list[str] = field(default_factory=list)
    http_port: int = 0  # 0: the same number as the OSC port; -1: none
    announce: bool = False
    midi: str | None = None
    logs: str | None = None
    saving: bool = False
    every: float = 1.0
    as_json: bool = False
    quiet: bool = False
    restore: bool = False  # go on from the journal
    died: int = 0  # by which signal the last process ended
    any_port: bool = False  # where a port is taken, another one will do

    def dump(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))


def main() -> int:
    """Runs a session until SIGTERM, SIGINT or the end of the parent.  Returns the exit code."""
    job = Job(**json.loads(sys.stdin.read()))
    from graph import PatchError
    from nodes.compile import CompileError

    from .devices import DeviceError

    try:
        with Host(job) as host:
            host.run()
        return 0
    except (PatchError, CompileError, DeviceError, OSError) as error:
        print(f"zrack: {' '.join(str(error).split())}", file=sys.stderr, flush=True)  # noqa: T201 - a process of its own
        return 1


class Host:
    """A session with everything around it: device, journal, OSC, OSCQuery, MIDI, clients."""

    def __init__(self, job: Job) -> None:
        from graph import Patch, PatchError
        from graph.history import History
        from nodes import catalog

        from . import attach, journal, telemetry
        from .devices import Device
        from .engine import Engine
        from .progress import Progress
        from .session import Session

        self.job = job
        self.parent = os.getppid()
        self.unasked = False  # it ends although nobody told it to
        self.stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        for sentence in catalog.load():
            self.say(sentence)
        self.journal = journal.Journal(journal.place(job.name))
        paths = [Path(p) for p in job.patches]
        page = attach.page_path(job.name)
        history: History | None = None
        sentences = []
        if job.restore:
            found = journal.recover(self.journal.folder)
            patch, history = found.patch, found.history
            sentences = self._suspects(history, page)
        else:
            patch = Patch.load(paths[0])
            for note in patch.notes:
                self.say(f"{patch.file}: {note}")
        history = history or History(patch)
        self.journal.start(history, path=str(patch.folder / patch.file) if patch.folder else str(paths[0]))
        self.page = telemetry.Telemetry(page)

        def device(engine: Engine) -> Device:
            return Device(
                engine,
                job.device or "",
                job.input,
                rate=job.rate,
                buffer=job.buffer,
                out_map=job.channels or None,
                wait=job.restore,
            )

        with Progress(bar=sys.stderr.isatty()) as progress:
            self.session = Session(
                patch, device=device, journal=self.journal, history=history, setlist=paths, saving=job.saving,
                logs=Path(job.logs) if job.logs else None, page=self.page, progress=progress.compiling,
            )  # fmt: skip
        self.session.at = int(found.meta.get("at", 0)) if job.restore else 0
        self.session.listen(self._heard)
        for sentence in sentences:
            self.session.error(sentence)
        self.door: attach.Door | None = None
        self.parts: list[Any] = []
        try:
            self._network()
        except (OSError, PatchError):
            self.unasked = job.restore
            self.close()
            raise
        self.door = attach.Door(self.session, self.page, job.name)  # last: who attaches finds a session that stays
        self.session.transport("play")
        sys.setswitchinterval(0.0005)  # OSC must not wait 5 ms for each turn of another thread
        gc.collect()
        gc.freeze()
        _stay()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def say(self, text: str) -> None:
        """A sentence for who started us."""
        print(f"zrack: {text}", file=sys.stderr, flush=True)  # noqa: T201

    def _heard(self, event: dict[str, Any]) -> None:
        if event["kind"] == "error":
            self.say(event["text"])

    def _suspects(self, history: Any, page: Path) -> list[str]:
        """Bypasses who is likely to have brought the last process down; gives sentences about it."""
        from graph import PatchError, wire

        from . import journal, telemetry

        names: list[str] = []
        why = ""
        number = journal.crashed(self.journal.folder)
        guilty = telemetry.culprit(page) if self.job.died in (-CRASHED, *FAULTS) else None
        if guilty:
            names, why = [guilty], "hung" if self.job.died == -CRASHED else "crashed the engine"
        elif number >= journal.CRASHES:
            names, why = journal.suspects(history), f"belongs to the last edit before {number} crashes in a minute"
        out = []
        for name in names:
            try:
                wire.apply(history, {"bypass": [[name, 1]]})
                out.append(f"node {name}: bypassed, it {why}")
            except PatchError as error:
                out.append(str(error))
        return out

    def _network(self) -> None:
        from .osc import Osc

        job = self.job
        osc = self._bound(lambda port: Osc(self.session, host=job.osc_host, port=port, peers=tuple(job.peers)), job.osc_port)
        self.parts.append(osc)
        host, port = osc.address
        where = [f"OSC {host}:{port}"]
        self.session.extras.append(lambda: {"osc": osc.count()})
        if job.http_port >= 0:
            from .oscquery import OscQuery

            def ask(http_port: int) -> OscQuery:
                query = OscQuery(
                    self.session, job.osc_host, http_port, port, job.name, peers=tuple(job.peers),
                    announce=job.announce or None,
                )  # fmt: skip
                query.start()
                return query

            query = self._bound(ask, job.http_port or port)
            self.parts.append(query)
            where.append(f"OSCQuery http://{query.address[0]}:{query.address[1]}")
        if job.midi:
            from .midi import Midi

            midi = Midi(self.session, ports=job.midi if job.midi == "virtual" else job.midi.split(","))
            self.parts.append(midi)
            midi.start()
            self.session.extras.append(midi.state)
            where.append(f"MIDI {job.midi}")
        if not job.quiet:
            self.say(f"{self.session.patch.file} plays on {self.session.device.status()['output']}; {', '.join(where)}")

    def _bound(self, listen: Callable[[int], T], port: int) -> T:
        """What listens at a port, or at a free one where that is taken and another will do."""
        from graph import PatchError

        try:
            return listen(port)
        except PatchError:
            if not self.job.any_port:
                raise
            return listen(0)

    def run(self) -> None:
        """Until somebody says stop."""
        due = time.monotonic() + self.job.every
        while not self.stopping.wait(0.1):
            if os.getppid() != self.parent:
                self.unasked = True
                return
            if not self.job.quiet and time.monotonic() >= due:
                due += self.job.every
                self._line()

    def _line(self) -> None:
        state = self.session.state()
        if self.job.as_json:
            text = json.dumps(state)
        else:
            text = (
                f"{state['patch']} {state['seconds']:9.1f} s  load {100 * state['load']:4.1f} %  xruns {state['xruns']}  "
                f"peak {_db(max(state['peaks'], default=0.0))}  late {state['late_work']}"
            )
            if state["latency"]["models"]:
                text += f"  models {1000 * state['latency']['models']:.1f} ms"
        print(text, flush=True)  # noqa: T201

    def _watch(self) -> None:
        """Ends the process when one step of the plan does not end: only that frees the audio thread."""
        last, since = (0, 0), time.monotonic()
        while not self.stopping.wait(0.1):
            engine = self.session.engine
            now = (engine.at, engine.now)
            if now != last or not now[0]:
                last, since = now, time.monotonic()
            elif time.monotonic() - since > HANG:
                self.page.write(engine, {})  # so that the names belong to the plan that hangs
                self.journal.flush(sync=True)
                os._exit(CRASHED)

    def close(self) -> None:
        """Fades out and ends; the journal of a session that was told to end goes."""
        self.stopping.set()
        for part in reversed(self.parts):
            part.close()
        if self.door is not None:
            self.door.close()
        self.session.close()
        self.page.close()
        if not self.unasked:
            self.journal.remove()

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _stay() -> None:
    """Keeps what was touched in memory, where the system allows it: a page that has to be fetched is a late block."""
    import ctypes

    current, future, on_fault = 1, 2, 4
    ctypes.CDLL(None).mlockall(current | future | on_fault)


FAULTS = tuple(int(s) for s in (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT))


def _db(x: float) -> str:
    import math

    return f"{20 * math.log10(x):6.1f} dB" if x > 0 else "  -inf dB"


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # sound libraries may fall over while the interpreter takes itself apart
