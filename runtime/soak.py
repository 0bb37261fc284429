"""A soak: a patch under the load of a stage for as long as one likes, and figures about what it took.

A supervised session plays on a device.  A client reads its telemetry as an editor draws it, edits its structure once a
second, and sends OSC messages.  Beside it a *bare* stream, the compiled callback with nothing to play in a process of its
own, (`runtime.bare`) shows what the machine alone does to a stream.  All of it runs in processes other than the session's.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import random
import socket
import statistics
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .bare import SETTLE, Bare

if TYPE_CHECKING:
    from graph import Patch

    from .attach import Client
    from .supervise import Supervisor

FRAMES = 60.0  # looks at the telemetry a second
MESSAGES = 1000.0  # a second
MINUTE = 60.0
WINDOW = 10.0  # seconds whose median is one figure of memory
PAGE = os.sysconf("SC_PAGE_SIZE")
WATCHED = 2
POOL = (("source/sine", "audio"), ("filter/svf", "audio"), ("effect/vca", "audio"), ("mod/lfo", ""), ("effect/delay", "audio"))
"""Node types that come and go, and the inlet that hears the patch."""


@dataclass(frozen=True)
class Sample:
    """The figures of one moment, once a second."""

    at: float  # seconds since the start
    memory: int  # bytes of the session's process and its children
    longest: float  # µs of the longest callback so far
    threads: int


@dataclass
class Soak:
    """What was counted so far."""

    start: float = 0.0
    ours: list[float] = field(default_factory=list)  # when our stream was flagged
    bare: Bare | None = None
    samples: list[Sample] = field(default_factory=list)
    looks: int = 0
    sent: int = 0
    edits: int = 0
    refused: int = 0
    restarts: int = 0
    state: dict[str, Any] = field(default_factory=dict)  # the session's last one
    said: list[str] = field(default_factory=list)  # its errors, as sentences

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return self.samples[-1].at if self.samples else 0.0

    def alone(self) -> int:
        """Xruns of ours that the machine has not made."""
        return sum(self.bare is None or not self.bare.shares(t) for t in self.ours)

    def growth(self) -> float:
        """Part by which memory grew from the first minute, or the first third of a shorter run, to the end."""
        end = self.seconds
        since = min(MINUTE, end / 3)
        wide = min(WINDOW, max(end - since, 1.0) / 2)
        first = [s.memory for s in self.samples if since <= s.at <= since + wide]
        last = [s.memory for s in self.samples if s.at >= end - wide]
        return statistics.median(last) / statistics.median(first) - 1 if first and last else 0.0

    def figures(self) -> dict[str, Any]:
        """The result."""
        osc, us = self.state.get("osc", {}), self.state.get("us", {})
        bare, still = (len(self.bare.xruns), len(self.bare.still)) if self.bare else (0, 0)
        memory = [s.memory / 2**20 for s in self.samples] or [0.0]
        return {
            "seconds": round(self.seconds, 1),
            "xruns": self.alone(), "xruns_machine": len(self.ours) - self.alone(), "xruns_bare": bare,
            "cores_still": still,
            "memory_growth": round(self.growth(), 5),
            "memory": {"first": round(memory[0], 1), "most": round(max(memory), 1), "last": round(memory[-1], 1)},
            "late_work": self.state.get("late_work", 0), "late_controls": self.state.get("late_controls", 0),
            "messages": {"sent": self.sent, **{k: osc.get(k, 0) for k in ("applied", "superseded", "refused", "lost")}},
            "edits": self.edits, "edits_refused": self.refused, "plans": self.state.get("plans", 0), "restarts": self.restarts,
            "looks": self.looks, "us": {k: round(v, 1) for k, v in us.items()}, "load": round(self.state.get("load", 0.0), 4),
            "device": self.state.get("device", ""), "errors": self.said[:20],
        }  # fmt: skip


# ------------------------------------------------------------------------------------------------ the load


def packets(patch: Patch, dice: random.Random, near: float = 0.05) -> Callable[[], bytes]:
    """Makes OSC messages for any param of the patch: its knob, close to where the patch has it."""
    heads: list[tuple[bytes, float]] = []
    for name in patch.nodes:
        spec = patch.spec(name)
        for port, param in spec.params.items() if spec else ():
            address = f"/node/{name}/{port}/knob".encode()
            base = param.knob(float(patch.value(name, port)))
            heads.append((address + b"\0" * (4 - len(address) % 4) + b",f\0\0", base))
    if not heads:
        raise ValueError("the patch has no params")

    def packet() -> bytes:
        head, base = dice.choice(heads)
        return head + struct.pack(">f", min(max(base + dice.uniform(-near, near), 0.0), 1.0))

    return packet


def send(packet: Callable[[], bytes], port: int, rate: float, count: Callable[[int], None], over: threading.Event) -> None:
    """Sends packets in small handfuls, `rate` a second, until `over`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.connect(("127.0.0.1", port))
        start, sent = time.monotonic(), 0
        while not over.wait(0.005):
            due = int((time.monotonic() - start) * rate)
            for _ in range(min(due - sent, int(rate / 10) or 1)):
                with contextlib.suppress(OSError):  # nobody listens while the engine starts again
                    out.send(packet())
                    count(1)
            sent = due


def edits_for(patch: Patch) -> Iterator[list[dict[str, Any]]]:
    """Structural edits without end, each a list of operations; the patch does not grow."""
    from graph import edits, wire

    def do(edit: edits.Edit) -> dict[str, Any]:
        return {"do": wire.to_map(edit)}

    sounds = [f"{c[0]}.{c[1]}" for c in patch.cables if patch.nodes[c[2]].type in ("io/output", "effect/vca", "effect/pan")]
    sounds = sounds or [f"{c[0]}.{c[1]}" for c in patch.cables]
    out = next(n for n, d in patch.nodes.items() if d.type == "io/output")
    for k in itertools.count():
        type_, inlet = POOL[k % len(POOL)]
        name, sound = f"soak{k % len(POOL)}", sounds[k % len(sounds)] if sounds else ""
        outlet = f"{name}.{'low' if type_ == 'filter/svf' else 'out'}"
        yield [do(edits.AddNode(type_, name))]
        if inlet and sound and type_ != "source/sine":
            yield [do(edits.Connect(sound, f"{name}.{inlet}", 0.5))]
        yield [do(edits.Connect(outlet, f"{out}.audio", 0.01))]
        yield [do(edits.SetBypass(name)), {"undo": 1}, do(edits.SetBypass(name, False))]
        yield [do(edits.Disconnect(outlet, f"{out}.audio"))]
        yield [do(edits.RemoveNode(name))]


def drawn(client: Client) -> dict[str, Any]:
    """Reads all that an editor shows and turns it into the numbers that it would draw; gives the session's state."""
    view = client.view
    assert view is not None
    state, cpu, levels = view.look()
    total = sum(cpu.values()) or 1.0
    bars = [max(0.0, 1 + 20 * math.log10(max(level, 1e-6)) / 60) for level in levels.values()]
    bars += [c / total for c in cpu.values()]
    for slot in range(WATCHED):
        wave = view.samples(slot, 800)
        if len(wave):
            columns = wave[: len(wave) // 8 * 8, 0].reshape(-1, 8)
            bars += columns.max(1).tolist() + columns.min(1).tolist()
    return state


# ------------------------------------------------------------------------------------------------ memory


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            stat = (place / "stat").read_text()
            parents.setdefault(int(stat[stat.rindex(")") + 2 :].split()[1]), []).append(int(place.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def memory(pid: int) -> int:
    """Bytes that a process and its descendants hold; 0 where the system does not say."""
    total = 0
    for one in family(pid):
        with contextlib.suppress(OSError, ValueError, IndexError):
            total += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * PAGE
    return total


# ------------------------------------------------------------------------------------------------ all of it


class Stage:
    """A supervised session, and the client that watches it; `popen` goes to the supervisor.

    Raises RuntimeError where the session does not start.
    """

    def __init__(
        self, patch: Path, device: str, rate: int, buffer: int, logs: Path, said: Callable[[str], None], **popen: Any
    ) -> None:
        from .host import Job
        from .supervise import Supervisor

        self.name, self.said = f"soak-{os.getpid()}", said
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        job = Job(
            [str(patch)], self.name, device or None, rate=rate or None, buffer=buffer, osc_port=self.port, http_port=-1,
            logs=str(logs), quiet=True,
        )  # fmt: skip
        logs.mkdir(parents=True, exist_ok=True)
        self._log = logs / "said.txt"
        self._output = self._log.open("w")
        self.supervisor: Supervisor = Supervisor(job, said, stderr=self._output, **popen)
        self._code = -1
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.client = self.attach()

    def _run(self) -> None:
        self._code = self.supervisor.run()

    def attach(self, seconds: float = 120.0) -> Client:
        """A client, as soon as sound runs; the first start may have kernels to compile."""
        from graph import PatchError

        from .attach import Client

        end = time.monotonic() + seconds
        while self._code < 0 and time.monotonic() < end:
            with contextlib.suppress(OSError, PatchError):
                client = Client(self.name, self._heard)
                if client.call("now") > 0:
                    for slot, (node, outlet) in enumerate(dict.fromkeys(c[:2] for c in [*client.patch.cables][:WATCHED])):
                        client.call("watch", slot, node, outlet)
                    return client
                client.close()
            time.sleep(0.02)
        why = [t for t in self._log.read_text(errors="replace").splitlines() if t.startswith("zrack: ")]
        raise RuntimeError(why[-1].removeprefix("zrack: ") if why else "the session does not start")

    def _heard(self, event: dict[str, Any]) -> None:
        if event["kind"] == "error":
            self.said(event["text"])

    @property
    def pid(self) -> int:
        """Of the session's process."""
        process = self.supervisor.process
        return process.pid if process else 0

    def close(self) -> None:
        """Ends the session."""
        self.supervisor.stop()
        self._thread.join(20)
        self._output.close()


def largest() -> Path:
    """The shipped patch with the most nodes, sub-patches laid out."""
    from importlib.resources import files

    from graph import Patch
    from graph.subpatch import flatten
    from nodes import catalog

    catalog.load()
    shipped = Path(str(files("patches"))).glob("*.zrack")
    return max(shipped, key=lambda p: (len(flatten(Patch.load(p)).nodes), p.name))


def soak(
    patch: Path, minutes: float, device: str = "", *, rate: int = 0, buffer: int = 0, messages: float = MESSAGES,
    show: Callable[[Soak], None] = lambda so_far: None, every: float = 10.0,
) -> dict[str, Any]:  # fmt: skip
    """Plays `patch` for `minutes` under load and gives the figures; Ctrl-C ends it early with those so far.

    `show` is called every few seconds.  Raises DeviceError without a device, PatchError, RuntimeError.
    """
    import tempfile

    from graph import Patch
    from nodes import catalog

    from .portaudio import NULL, find, look

    catalog.load()
    Patch.load(patch)
    if device != NULL:
        find(device, "output", look())
    found = Soak()
    over = threading.Event()
    with contextlib.ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zrack-soak-")))
        found.bare = beside = Bare(device, rate, buffer)
        stack.callback(beside.close)
        stage = Stage(patch, device, rate, buffer, logs, found.said.append)
        stack.callback(stage.close)
        stack.callback(over.set)
        time.sleep(SETTLE)
        dice = random.Random(1)

        def count(n: int) -> None:
            found.sent += n

        sender = (packets(stage.client.patch, dice), stage.port, messages, count, over)
        threads = [threading.Thread(target=send, args=sender, daemon=True)] if messages else []
        threads.append(threading.Thread(target=_edit, args=(stage, found, over), daemon=True))
        found.start = time.monotonic()
        for thread in threads:
            thread.start()
        with contextlib.suppress(KeyboardInterrupt):
            _watch(stage, found, found.start + MINUTE * minutes, show, every)
        over.set()
        for thread in threads:
            thread.join(15)
        if beside.lines == 0:
            found.said.append("no bare stream could be opened beside ours: all xruns count as ours")
        _last(stage, found)
    return {"patch": patch.name, **found.figures()}


def _watch(stage: Stage, found: Soak, end: float, show: Callable[[Soak], None], every: float) -> None:
    """Draws, and takes a sample every second, until `end`."""
    xruns, due, shown = -1, found.start, found.start + every
    while (now := time.monotonic()) < end:
        if stage.client.lost.is_set():
            found.restarts += 1
            stage.client = stage.attach()
            xruns = -1
            continue
        state = drawn(stage.client)
        found.looks += 1
        if state:
            found.state = state
            if xruns >= 0:
                found.ours += [now] * max(state["xruns"] - xruns, 0)
            xruns = state["xruns"]
        if now >= due:
            due += 1.0
            threads = len(list(Path(f"/proc/{stage.pid}/task").glob("*"))) if stage.pid else 0
            found.samples.append(Sample(now - found.start, memory(stage.pid), state.get("us", {}).get("max", 0.0), threads))
        if now >= shown:
            shown += every
            show(found)
        time.sleep(max(0.0, now + 1 / FRAMES - time.monotonic()))


def _edit(stage: Stage, found: Soak, over: threading.Event) -> None:
    """A structural edit every second."""
    from graph import PatchError

    for ops in edits_for(stage.client.patch.copy()):
        if over.wait(1.0):
            return
        for op in ops:
            try:
                stage.client.call("op", op)
                found.edits += 1
            except PatchError:
                found.refused += 1
            except OSError:  # it starts again
                found.refused += 1


def _last(stage: Stage, found: Soak) -> None:
    """The counters after the last message."""
    with contextlib.suppress(OSError):
        time.sleep(0.3)
        found.state = {**found.state, **stage.client.call("state")}


def line(found: Soak) -> str:
    """The figures so far, for people."""
    f = found.figures()
    return (
        f"{f['seconds']:7.0f} s  xruns {f['xruns']} (machine {f['xruns_machine']})  "
        f"{f['memory']['last']:.1f} MiB ({100 * f['memory_growth']:+.2f} %)  late work {f['late_work']}  "
        f"messages {f['messages']['applied']}  edits {f['edits']}  "
        f"callback {f['us'].get('p99.9', 0.0):.0f} µs, longest {f['us'].get('max', 0.0):.0f}"
    )
