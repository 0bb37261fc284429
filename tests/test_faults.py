"""What goes wrong in one node stays in that node: it is bypassed and named, the rest is not harmed, and it can be re-armed."""

from __future__ import annotations

import ctypes
import math
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nodes import Patch, classes
from nodes.base import Node
from runtime import eventlog
from runtime.engine import Engine
from runtime.library import addresses
from runtime.offline import render
from runtime.osc import Osc
from runtime.session import Session
from runtime.steps import Step

from .osc_stage import Client
from .rig import ENTRY
from .test_engine import patch_of
from .test_session import until

TYPES = [c for i, c in sorted(classes.items()) if not c.hidden and c.__module__.startswith("nodes.")]
KERNELS = [c for c in TYPES if not hasattr(c, "work") and c.spec.outlets]
WORK = [*(c.id for c in TYPES if hasattr(c, "work") and c.spec.shaped is None), "test/twice"]  # a model needs a file


# ---------------------------------------------------------------------------------------------- kernels


def rack() -> Patch:
    """Every compiled node type in a branch of its own, all fed by one sound and all heard."""
    patch = Patch()
    patch.limiter = False
    patch.add("source/saw", "feed", freq=333.0)
    patch.add("mod/clock", "beat", bpm=300.0)
    patch.add("latent/pack", "vectors", ratio=64)
    patch.connect("feed.out", "vectors.signals")
    patch.add("io/output", "out", level=-40.0)
    for cls in KERNELS:
        name, spec = cls.id.replace("/", "_"), cls.spec
        patch.add(cls.id, name, **({"ratio": 64} if "ratio" in spec.settings else {}))
        for port, inlet in spec.inlets.items():
            if cls.id != "io/input":
                source = "vectors.z" if inlet.latent else "beat.out" if port in ("gate", "trigger", "clock") else "feed.out"
                patch.connect(source, f"{name}.{port}")
        for port, outlet in spec.outlets.items():
            if outlet.latent:
                patch.add("latent/unpack", f"{name}_{port}")
                patch.connect(f"{name}.{port}", f"{name}_{port}.z")
                patch.connect(f"{name}_{port}.out", "out.audio", 0.01)
            elif outlet.channels != "any":
                patch.connect(f"{name}.{port}", "out.audio", 0.01)
    return patch


def kernel_of(engine: Engine, node: str) -> tuple[Step, ctypes.c_int64]:
    """The step that fills a node's outlets, and the cell with the function that it calls."""
    plan = engine.plan
    homes = {b.at for (n, _), b in plan.outlets.items() if n == node}
    (step,) = [s for s in plan.steps if s.node == node and homes & {b.at for b in s.outs}]
    return step, ctypes.c_int64.from_address(plan.rows_at + 8 * step.offset)


class Poison:
    """Puts `value` into all outlets of a node, in the place of its kernel, the next time it runs."""

    def __init__(self, engine: Engine, node: str, value: float) -> None:
        step, row = kernel_of(engine, node)
        self.ran = False

        def run(at: int, first: int, end: int) -> int:
            self.ran = True
            for out in step.outs:
                place, n = out.at + 4 * out.channels * first, out.channels * (end - first)
                engine.memory.view(place, 4 * n, "float32")[:] = value
            return 0

        self._entry = ENTRY(run)  # kept as long as it may be called
        row.value = int(ctypes.cast(self._entry, ctypes.c_void_p).value or 0)


def outlets(engine: Engine, but: set[str]) -> dict[tuple[str, str], bytes]:
    """What all outlets hold, except those of some nodes."""
    found = engine.plan.outlets.items()
    return {
        key: engine.memory.view(b.at, 4 * b.channels * (1 if b.clock else engine.block), "uint8").tobytes()
        for key, b in found
        if key[0] not in but
    }


def after(patch: Patch, node: str) -> set[str]:
    """A node, and all that hear it."""
    found, rest = {node, "(master)"}, [node]
    while rest:
        here = rest.pop()
        more = {k[2] for k in patch.cables if k[0] == here} - found
        found |= more
        rest += more
    return found


@pytest.fixture(scope="module")
def engines() -> Any:
    patch = rack()
    with Engine(patch, fused=False) as sick, Engine(patch, fused=False) as well:
        assert np.array_equal(sick.process(640), well.process(640))
        yield patch, sick, well


@pytest.mark.parametrize("value", [math.nan, math.inf], ids=["nan", "inf"])
@pytest.mark.parametrize("cls", KERNELS, ids=lambda c: c.id)
def test_a_kernel_that_puts_out_rubbish_is_bypassed_alone(engines: Any, cls: type[Node], value: float) -> None:
    patch, sick, well = engines
    name = cls.id.replace("/", "_")
    own, bypass = kernel_of(sick, name)[1].value, addresses()["bypass"]
    poison = Poison(sick, name, value)
    kernel_of(well, name)[1].value = bypass  # in the other engine it is bypassed from that very block on: all else is the same
    heard = [(sick.process(64), well.process(64))]
    if not poison.ran and cls.spec.params and not cls.spec.inlets:  # it only runs when a control moves it
        param, p = next(iter(cls.spec.params.items()))
        for engine in (sick, well):
            engine.set(name, param, p.at(0.3 if value != value else 0.6))
    while not poison.ran and len(heard) < 64:
        heard.append((sick.process(64), well.process(64)))
    assert poison.ran
    spared = after(patch, name)
    assert outlets(sick, spared) == outlets(well, spared)
    assert all(np.isfinite(a).all() for a, _ in heard)
    assert [(f.node, f.reason) for f in sick.faults()] == [(name, "put out a number that is not finite")]
    assert kernel_of(sick, name)[1].value == bypass
    assert np.isfinite(sick.process(64)).all() and well.process(64) is not None  # the sound comes back
    assert np.array_equal(sick.process(640), well.process(640))
    sick.rearm(name)
    well.set(name, "bypass", 0.0)
    assert np.array_equal(sick.process(1280), well.process(1280))
    assert kernel_of(sick, name)[1].value == kernel_of(well, name)[1].value == own
    assert sick.faults() == well.faults() == []


def test_rubbish_that_only_work_would_hear_bypasses_who_put_it_out_and_not_the_work() -> None:
    patch = patch_of(
        ("source/saw", "saw", {}), ("test/bomb", "bomb", {}), ("test/twice", "w", {}), ("io/output", "out", {}),
        cables="saw.out>bomb.audio bomb.out>w.audio w.out>out.audio",
    )  # fmt: skip
    patch.limiter = False
    for kind in ("nan", "inf"):
        patch.set("bomb", kind=kind)
        with Engine(patch) as engine:
            engine.process(1280)
            engine.set("bomb", "fuse", 1.0)
            heard = engine.process(9600)
            assert [f.node for f in engine.faults()] == ["bomb"]
            assert np.isfinite(heard).all()
        well = render(patch, 10880 / 48000).audio  # a bypassed bomb passes on what it hears
        assert np.array_equal(heard[-8000:], well[-8000:])


# ---------------------------------------------------------------------------------------------- work


TROUBLE = '''
"""Work that does what the file named by ZRACK_TROUBLE says: raise, or sleep for some seconds, once."""
import os, time
from pathlib import Path
from nodes.base import Node

def spoil(cls):
    work, start, file = cls.work, getattr(cls, "open", None), Path(os.environ["ZRACK_TROUBLE"])
    def opened(*given):
        try:
            return start(*given)
        except Exception:
            if not cls.id.startswith("midi/"):
                raise  # a machine may have no MIDI
    if start is not None:
        cls.open = opened
    def spoiled(thing, **inputs):
        word = file.read_text() if file.exists() else ""
        if word:
            file.unlink()
        if word == "raise":
            raise RuntimeError("it was asked to")
        time.sleep(float(word or 0))
        return () if thing is None and cls.id.startswith("midi/") else work(thing, **inputs)
    cls.work = spoiled

for cls in Node.__subclasses__():
    if hasattr(cls, "work"):
        spoil(cls)
'''


@pytest.mark.parametrize("kind", WORK)
def test_work_that_raises_is_late_or_dies_is_bypassed_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    nodes, trouble = tmp_path / "nodes", tmp_path / "trouble"
    nodes.mkdir()
    shutil.copy(Path(__file__).parent / "rack_nodes" / "for_tests.py", nodes)
    (nodes / "zz_trouble.py").write_text(TROUBLE)
    monkeypatch.setenv("ZRACK_NODES", str(nodes))
    monkeypatch.setenv("ZRACK_TROUBLE", str(trouble))
    patch = patch_of(
        ("source/constant", "dc", {"value": 0.5}), (kind, "w", {"hop": 256}), ("io/output", "a", {"to": "channels"}),
        ("source/saw", "saw", {}), ("io/output", "b", {"to": "channels", "first": 2}), cables="saw.out>b.audio",
    )  # fmt: skip
    patch.limiter = False
    spec = patch.spec("w")
    assert spec is not None
    for inlet in spec.inlets:
        if inlet != "gate":
            patch.connect("dc.out", f"w.{inlet}")
    if spec.outlets:
        patch.connect(f"w.{next(iter(spec.outlets))}", "a.audio")
    patch.save(tmp_path / "p.zrack")
    patch = Patch.load(tmp_path / "p.zrack")
    level = 1.0 if kind == "test/twice" else 0.5  # of what it puts out
    errors: list[str] = []
    with Session(patch, logs=tmp_path) as session:
        session.listen(lambda e: errors.append(e["text"]) if e["kind"] == "error" else None)
        session.record("take.wav")
        session.transport("play")

        def port() -> Any:
            return session.engine.plan.ports["w"]

        def sound() -> float:
            buffer = session.engine.plan.outlets.get(("a", "bus"))
            assert buffer is not None
            return float(session.engine.memory.view(buffer.at, 4, "float32")[0])

        def works() -> None:
            done = port().rings.get(43)  # hops
            until(lambda: port().rings.get(43) > done and (not spec.outlets or sound() == level))

        def failed(reason: str) -> None:
            until(lambda: bool(errors))
            assert len(errors) == 1
            assert errors[0].startswith("node w: bypassed at sample ") and errors[0].endswith(reason)
            until(lambda: not spec.outlets or sound() == 0.5)  # the dry sound
            errors.clear()
            session.rearm("w")
            works()

        works()
        trouble.write_text("0.2")
        until(lambda: not trouble.exists())
        until(lambda: session.engine.late_work() > 0)
        works()  # it comes back by itself
        assert errors == [] and port().late[1] > 0
        trouble.write_text("raise")
        failed("RuntimeError: it was asked to")
        before = port().process.pid
        os.kill(before, signal.SIGKILL)
        failed("its process ended with code -9")
        assert port().process.pid != before
        time.sleep(0.05)
        path = session.now_playing.log.path
        session.record(None)
    heard, rate = soundfile.read(tmp_path / "take.wav", dtype="float32", always_2d=True)
    assert np.array_equal(heard[:, 1], render(patch, len(heard) / rate).audio[:, 1])  # the rest is not harmed
    if spec.outlets:
        begins = int(np.argmax(heard[:, 0] > 0.0))  # a constant arrives as it is, one latency after it began
        assert np.abs(np.diff(heard[begins:, 0])).max() <= 1.001 * level / (0.01 * rate)  # and nothing clicks
    assert path is not None
    notes: list[str] = []
    again, _ = eventlog.render(path, notes=notes)
    assert notes == []
    assert np.array_equal(heard, again[: len(heard)])  # late, skipped and lost work is in the log


# ---------------------------------------------------------------------------------------------- who is told


def test_faults_are_told_over_osc_and_what_was_bypassed_is_rearmed_there() -> None:
    patch = patch_of(
        ("source/saw", "saw", {}), ("test/bomb", "bomb", {}), ("test/twice", "w", {"hop": 64}), ("io/output", "out", {}),
        cables="saw.out>bomb.audio bomb.out>out.audio saw.out>w.audio w.out>out.audio",
    )  # fmt: skip
    with Session(patch) as session:
        osc = Osc(session, port=0)
        session.transport("play")
        client = Client(osc)
        client.send("/subscribe", "/")

        def error() -> str:
            while (found := client.hear())[0] != "/error":
                pass
            return str(found[1])

        def peak(node: str) -> float:
            b = session.engine.plan.outlets[node, "out"]
            return float(np.abs(session.engine.memory.view(b.at, 4 * 64, "float32")).max())

        client.send("/node/bomb/fuse", 1.0)
        text = error()
        assert text.startswith("node bomb: bypassed at sample ") and text.endswith("put out a number that is not finite")
        until(lambda: 0.0 < peak("bomb") <= 1.1)  # it passes on what it hears
        client.send("/node/bomb/fuse", 0.0)
        client.send("/node/bomb/bypass", 0)
        until(lambda: 1.5 < peak("w") < 2.5)
        first = session.engine.plan.ports["w"].process.pid
        os.kill(first, signal.SIGKILL)
        text = error()
        assert text.startswith("node w: bypassed at sample ") and text.endswith("its process ended with code -9")
        until(lambda: 0.5 < peak("w") < 1.2)
        client.send("/node/w/bypass", 0)
        until(lambda: 1.5 < peak("w") < 2.5)
        assert session.engine.plan.ports["w"].process.pid != first
        assert len(session.errors) == 2
        client.socket.close()
        osc.close()
