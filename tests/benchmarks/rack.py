"""The graphs as zrack patches, rendered in a process of their own."""

from __future__ import annotations

import importlib.util
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .graphs import (
    BLOCK,
    CHAIN,
    CHAIN_HZ,
    GAIN,
    LOOP_CUTOFF,
    LOOP_FEEDBACK,
    LOOP_HZ,
    LOOP_LEVEL,
    OFFSET,
    RATE,
    VOICES,
    voice,
)  # fmt: skip

if TYPE_CHECKING:
    from graph import Patch

NAME = "zrack"
SAW = "source/phasor (naive, 0…1)"
G = math.tan(math.pi * LOOP_CUTOFF / RATE)
POLE = (G / (1 + G), G / (1 + G), (1 - G) / (1 + G))  # filter/onepole is the bilinear transform
COMMAND = [sys.executable, "-m", "tests.benchmarks.peers"]


def version() -> str | None:
    """What is there, or None."""
    if not importlib.util.find_spec("runtime.offline"):
        return None
    from importlib.metadata import version as of

    return f"zrack of this folder (numba {of('numba')})"


def _patch() -> Patch:
    from nodes import Patch

    p = Patch(rate=RATE, block=BLOCK)
    p.add("io/output", "out")
    return p


def lowest(node: str, param: str) -> float:
    """Low end of a param: what a knob rests at where a cable brings the whole value."""
    from nodes import catalog

    return float(catalog.classes[node].spec.params[param].low)


def _chain(nodes: int = CHAIN) -> Patch:
    p = _patch()
    last = p.add("source/sine", "sine", freq=CHAIN_HZ)
    for k in range(nodes):
        name = p.add("maths/multiply", f"n{k}", b=GAIN) if k % 2 == 0 else p.add("maths/add", f"n{k}", b=OFFSET)
        p.connect(f"{last}.out", f"{name}.a")
        last = name
    p.connect(f"{last}.out", "out.audio")
    return p


def _voices() -> Patch:
    p = _patch()
    for k in range(VOICES):
        v = voice(k)
        p.add("mod/lfo", f"bend{k}", rate=v.bend_rate)
        p.add("maths/multiply", f"depth{k}", b=v.bend)
        p.add("maths/add", f"pitch{k}", b=v.pitch - lowest("source/phasor", "freq"))
        p.add("mod/lfo", f"sweep{k}", rate=v.sweep_rate)
        p.connect(f"{_voice(p, str(k))}.out", "out.audio")
    return p


def _polyphonic() -> Patch:
    p = _patch()
    rests = {"pitch": lowest("source/phasor", "freq"), "bend": 0.0}
    for name in ("pitch", "bend", "bend_rate", "sweep_rate"):
        rest = rests.get(name, lowest("mod/lfo", "rate"))
        p.add("maths/pack", f"all_{name}", count=VOICES, values=tuple((getattr(voice(k), name) - rest,) for k in range(VOICES)))
    p.add("mod/lfo", "bend", rate=lowest("mod/lfo", "rate"))
    p.add("maths/multiply", "depth", b=0.0)
    p.add("maths/add", "pitch", b=0.0)
    p.add("mod/lfo", "sweep", rate=lowest("mod/lfo", "rate"))
    p.add("maths/mixdown", "mix")
    for source, target in (("bend_rate", "bend.rate"), ("bend", "depth.b"), ("pitch", "pitch.b"), ("sweep_rate", "sweep.rate")):
        p.connect(f"all_{source}.out", target, mode="units")
    p.connect(f"{_voice(p, '')}.out", "mix.a")
    p.connect("mix.out", "out.audio")
    return p


def _voice(p: Patch, k: str) -> str:
    """What is the same in every voice, and its cables; gives the name of its last node."""
    v = voice(0)
    cutoff = lowest("filter/lowpass", "cutoff")
    p.add("source/phasor", f"saw{k}", freq=lowest("source/phasor", "freq"))
    p.add("maths/multiply", f"swing{k}", b=v.sweep)
    p.add("maths/add", f"centre{k}", b=v.cutoff - cutoff)
    p.add("filter/lowpass", f"low{k}", cutoff=cutoff, q=v.q)
    p.add("maths/multiply", f"level{k}", b=v.level)
    for source, target in (("bend", "depth"), ("depth", "pitch"), ("sweep", "swing"), ("swing", "centre"), ("low", "level")):
        p.connect(f"{source}{k}.out", f"{target}{k}.a")
    p.connect(f"pitch{k}.out", f"saw{k}.freq", mode="units")
    p.connect(f"centre{k}.out", f"low{k}.cutoff", mode="units")
    p.connect(f"saw{k}.out", f"low{k}.audio")
    return f"level{k}"


def _loop() -> Patch:
    p = _patch()
    p.add("source/phasor", "saw", freq=LOOP_HZ)
    p.add("maths/add", "centred", b=-LOOP_LEVEL)  # ±0.5, as the others
    p.add("maths/add", "sum", b=0.0)
    p.add("maths/saturate", "tanh")
    p.add("filter/onepole", "low", cutoff=LOOP_CUTOFF)
    p.add("maths/multiply", "back", b=LOOP_FEEDBACK)
    p.connect("saw.out", "centred.a")
    p.connect("centred.out", "sum.a")
    p.connect("sum.out", "tanh.a")
    p.connect("tanh.out", "low.audio")
    p.connect("low.out", "back.a")
    p.connect("low.out", "out.audio")
    p.connect("back.out", "sum.b", mode="units")
    return p


MAKE: dict[str, Callable[[], Patch]] = {
    "chain": _chain, "voices": _voices, "polyphonic": _polyphonic, "loop": _loop, "loop_fused": _loop,
}  # fmt: skip


def command(graph: str, seconds: float, folder: Path, sound: bool = False) -> list[str]:
    """The command that renders a graph; with `sound` it also leaves `<graph>.wav` in `folder`."""
    return [*COMMAND, "--one", graph, f"{seconds:g}", *([f"{folder / graph}.wav"] if sound else [])]


def one(graph: str, seconds: float, wav: Path | None = None) -> None:
    """Renders a graph in this process."""
    from runtime.offline import render

    sound = render(MAKE[graph](), seconds, fused=graph == "loop_fused").audio
    if wav:
        import soundfile

        soundfile.write(wav, sound, RATE, subtype="FLOAT")


def growth(sizes: Sequence[int]) -> list[dict[str, float]]:
    """Chains of these sizes: wall seconds to plan one and give its first block, and ns a node and block from then on."""
    from runtime.offline import render

    render(_chain(2), BLOCK / RATE)  # kernels into memory
    rows = []
    for nodes in sizes:
        seconds = max(20.0, 20000.0 / nodes)  # planning, which both renders do, must be small beside it
        patch = _chain(nodes)
        begun = time.perf_counter()
        render(patch, BLOCK / RATE)
        plan = time.perf_counter() - begun
        short, long = (_cpu(render, patch, s) for s in (BLOCK / RATE, seconds))
        rows.append({"nodes": nodes, "plan": plan, "node": (long - short) / (seconds * RATE / BLOCK) / nodes * 1e9})
    return rows


def _cpu(render: Callable[[Patch, float], object], patch: Patch, seconds: float) -> float:
    """CPU seconds of this process for a render."""
    begun = time.process_time()
    render(patch, seconds)
    return time.process_time() - begun
