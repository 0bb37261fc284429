"""The soak: its figures are right, and a short one is as calm as a long one must be."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from runtime.bare import Bare
from runtime.cli import main
from runtime.soak import Sample, Soak, edits_for, largest, memory, packets, soak

from .jack import Jack, needs_jack
from .test_session import small, until

MIB = 1 << 20


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
    monkeypatch.setenv("ZRACK_STATE", str(tmp_path / "state"))
    return tmp_path


def test_xruns_near_those_of_the_bare_stream_are_the_machines() -> None:
    bare = Bare("null", 0, 0)
    bare.close()
    bare.xruns, bare.still = [10.9, 29.0, 40.0], [50.1, 60.0]
    found = Soak(ours=[10.0, 20.0, 30.0, 31.5, 50.0, 61.0], bare=bare)
    assert found.alone() == 3
    assert found.figures()["xruns_machine"] == 3


def test_memory_growth_is_counted_from_the_end_of_the_first_minute() -> None:
    def grown(kept: list[float]) -> float:
        return Soak(samples=[Sample(float(k), round(m * MIB), 0.0, 1) for k, m in enumerate(kept)]).growth()

    assert grown([50 + min(k, 60) for k in range(300)]) == 0.0  # it may grow in the first minute
    assert grown([100.0] * 200 + [101.0] * 100) == pytest.approx(0.01)
    assert grown([100.0] * 150 + [200.0] + [100.0] * 149) == 0.0  # a peak is no leak
    assert grown([]) == grown([100.0]) == 0.0


def test_the_patch_does_not_grow_under_the_edits() -> None:
    from graph import Patch, wire
    from graph.history import History
    from nodes import catalog

    catalog.load()
    patch = Patch.load(largest())
    history, before = History(patch), len(patch.nodes)
    sizes = []
    for _, ops in zip(range(200), edits_for(patch.copy())):
        for op in ops:
            wire.apply(history, op)
        sizes.append(len(patch.nodes))
    assert min(sizes) == before
    assert max(sizes) == before + 1


def test_every_message_is_one_that_the_patch_takes() -> None:
    import random

    from runtime.osc_packets import parse

    packet = packets(small(), random.Random(1))
    seen = set()
    for _ in range(500):
        (message,) = parse(packet())
        assert message.address.endswith("/knob")
        assert 0.0 <= message.args[0] <= 1.0
        seen.add(message.address)
    assert len(seen) > 8


def test_a_short_soak_on_the_null_device(place: Path) -> None:
    patch = place / "small.zrack"
    small().save(patch)
    shown: list[float] = []
    figures = soak(patch, 4.0 / 60, "null", show=lambda so_far: shown.append(so_far.seconds), every=1.0)
    assert 2.5 < figures["seconds"] < 4.5
    assert len(shown) >= 2
    assert figures["edits"] >= 3
    assert figures["edits_refused"] == figures["restarts"] == figures["late_work"] == 0
    assert figures["messages"]["sent"] == figures["messages"]["applied"] + figures["messages"]["superseded"] > 2000
    assert figures["plans"] >= 3
    assert figures["looks"] > 60
    assert not figures["errors"]
    assert not list((place / "run").glob("zrack-soak*"))


def test_without_a_device_or_a_patch_it_says_so_in_a_sentence(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "soak", "--device", "no such thing", "--minutes", "0.1"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["bench", "soak", "--device", "null", "--patch", "nothing.zrack"]) == 1
    assert "nothing.zrack" in capsys.readouterr().err


def test_the_memory_of_a_process_and_its_children_is_counted() -> None:
    import os
    import subprocess
    import sys

    before = memory(os.getpid())
    child = subprocess.Popen([sys.executable, "-c", "x = bytearray(64 << 20); print(len(x), flush=True); input()"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert child.stdout is not None
    child.stdout.readline()
    assert memory(os.getpid()) - before > 60 * MIB
    child.communicate(b"\n")


@needs_jack
def test_the_bare_stream_is_not_flagged_for_what_another_client_does(place: Path) -> None:
    """JACK tells every client of a server about a late one: the bare stream has a server of its own."""
    import sounddevice as sd

    from runtime.portaudio import rescan

    with Jack() as jack:
        rescan()
        bare = Bare("", 0, 0)
        until(lambda: bare.lines, 20)
        assert not jack.ports("PortAudio:out")
        flags: list[Any] = []
        turn = iter(range(1 << 30))

        def late(out: Any, frames: int, when: Any, status: Any) -> None:
            out[:] = 0
            flags.extend([time.monotonic()] if status else [])
            if next(turn) % 400 == 399:
                time.sleep(0.005)

        with sd.OutputStream(callback=late, channels=2, samplerate=48000):
            threading.Event().wait(5.0)
        bare.close()
        assert len(flags) > 3
        assert len(bare.xruns) < len(flags)
    rescan()


@pytest.mark.slow
@needs_jack
def test_three_minutes_on_a_real_stream(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Jack():
        assert main(["bench", "soak", "--minutes", "3", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["xruns"] == 0
    assert figures["late_work"] == 0
    assert figures["memory_growth"] < 0.01
    assert figures["messages"]["applied"] == figures["messages"]["sent"] > 170_000
    assert figures["edits"] > 170
    assert figures["restarts"] == 0
