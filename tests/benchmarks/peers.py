"""zrack beside Pure Data and scsynth: CPU seconds for a second of sound, in one run (DESIGN.md §13).

    python -m tests.benchmarks.peers [--json] [--rounds 5] [--quick]

CPU is user + system time of the whole process, less that of a start-up (a render of 0.1 s); every peer plays the same
graphs (`graphs.py`) at 48 kHz in blocks of 64 on one thread.  Rounds are interleaved, so that a busy machine is unfair to
all alike; figures are medians.  Before anything is timed, the sounds are compared: nobody measures silence.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from . import graphs, pd, rack, supercollider
from .graphs import BLOCK, CHAIN, GRAPHS, RATE, VOICES

START = 0.1  # seconds
SECONDS = {"chain": 100.0, "voices": 30.0, "polyphonic": 60.0, "loop": 200.0, "loop_fused": 200.0}
REFERENCE = {"chain": pd, "voices": supercollider, "polyphonic": supercollider, "loop": pd, "loop_fused": pd}
TARGET = {"chain": 1.0, "voices": 1.0, "polyphonic": 0.35, "loop": 1.0, "loop_fused": 0.8}
SAME = {"polyphonic": "voices", "loop_fused": "loop"}  # what a peer without the variant plays
SIZES = (100, 300, 1000, 2000, 5000)
PEERS: tuple[Any, ...] = (pd, supercollider, rack)


def cpu(command: list[str], folder: Path) -> float:
    """CPU seconds of a process and its children.  Raises RuntimeError if it fails, with the end of what it said."""
    log = folder / "log"
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} gave {process.returncode}: {log.read_text(errors='replace')[-2000:]}")
    return used.ru_utime + used.ru_stime


def plays(peer: Any) -> list[str]:
    """Graphs that this peer plays."""
    return [g for g in GRAPHS if g in peer.MAKE]


def sound(peer: Any, graph: str, folder: Path, seconds: float = 1.0) -> np.ndarray:
    """The first channel of what a peer makes of a graph."""
    import soundfile

    cpu(peer.command(graph, seconds, folder, sound=True), folder)
    data, rate = soundfile.read(folder / f"{graph}.wav", dtype="float64", always_2d=True)
    if rate != RATE:
        raise RuntimeError(f"{peer.NAME} rendered {graph} at {rate} Hz")
    return np.asarray(data[:, 0])


def compare(present: list[Any], folder: Path) -> list[str]:
    """Sentences on what was heard.  Raises RuntimeError where a peer plays something else than the graph."""
    lines: list[str] = []

    def expect(right: bool, text: str) -> None:
        if not right:
            raise RuntimeError(f"not the same sound, so not the same work: {text}")
        lines.append(text)

    mean, deviation = graphs.chain_level()
    levels: dict[str, float] = {}
    for peer in present:
        x = sound(peer, "chain", folder)
        text = f"chain, {peer.NAME}: mean {x.mean():.4f}, deviation {x.std():.4f} (theory {mean:.4f}, {deviation:.4f})"
        expect(abs(x.mean() - mean) < 2e-3 and abs(x.std() - deviation) < 2e-3, text)
        for graph in [g for g in plays(peer) if g.startswith("loop")]:
            # After scsynth's initial sample has died away; before the saw's jump first falls right on a sample, 4800.
            x, y = sound(peer, graph, folder), graphs.loop_sound(4000, peer.POLE)
            best = min(_apart(x[200:3990], y[200 + k :]) for k in (-1, 0, 1))
            expect(best < 2e-4, f"{graph}, {peer.NAME}: at most {best:.1e} from a float64 loop, peak {np.abs(x).max():.3f}")
        x = sound(peer, "voices", folder)
        # scsynth's saw goes from -1 to 1, the others' from 0 to 1; the mean is left out.
        levels[peer.NAME] = float(x[RATE // 10 :].std()) * (1 if peer is supercollider else 2)
    middle = statistics.median(levels.values())
    text = "voices, deviation: " + ", ".join(f"{name} {level:.4f}" for name, level in levels.items())
    expect(all(0.4 < level / middle < 2.5 for level in levels.values()), text)  # resonant filters differ in gain
    if rack in present:
        apart = _apart(sound(rack, "voices", folder), sound(rack, "polyphonic", folder))
        expect(apart < 1e-3, f"voices, zrack: separate and polyphonic at most {apart:.1e} apart")
    return lines


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    frames = min(len(a), len(b))
    return float(np.abs(a[:frames] - b[:frames]).max())


def measure(present: list[Any], rounds: int, shorter: float, folder: Path) -> dict[tuple[str, str], list[float]]:
    """{(graph, peer's name): CPU seconds for a second of sound, one figure a round}."""
    jobs = [(graph, peer, SECONDS[graph] / shorter) for graph in GRAPHS for peer in present if graph in peer.MAKE]
    used: dict[tuple[str, str, bool], list[float]] = {}
    for k in range(rounds):
        for graph, peer, seconds in jobs:
            for long in (False, True):
                command = peer.command(graph, seconds if long else START, folder)
                used.setdefault((graph, peer.NAME, long), []).append(cpu(command, folder))
        print(f"round {k + 1} of {rounds}", file=sys.stderr, flush=True)
    out = {}
    for graph, peer, seconds in jobs:
        start = statistics.median(used[graph, peer.NAME, False])
        out[graph, peer.NAME] = [(x - start) / (seconds - START) for x in used[graph, peer.NAME, True]]
    return out


def unit(graph: str, cost: float) -> str:
    """A cost in the terms that its graph is discussed in."""
    if graph == "chain":
        return f"{cost / CHAIN / (RATE / BLOCK) * 1e9:6.1f} ns a node and block"
    if graph.startswith("loop"):
        return f"{cost / RATE * 1e9:6.1f} ns a sample"
    return f"{cost / VOICES / (RATE / BLOCK) * 1e9:6.0f} ns a voice and block"


def report(costs: dict[tuple[str, str], list[float]], present: list[Any]) -> dict[str, float]:
    """Prints the table; gives {graph: zrack ÷ reference}."""
    ratios = {}
    print(f"{'graph':11}{'peer':11}{'CPU s/s':>9}{'least…most':>18}  {'':28}{'ratio':>6}  target")
    for (graph, name), figures in costs.items():
        middle = statistics.median(figures)
        line = f"{graph:11}{name:11}{middle:9.5f}{min(figures):10.5f}…{max(figures):.5f}  {unit(graph, middle):28}"
        reference = REFERENCE[graph]
        if name == rack.NAME and reference in present:
            ratios[graph] = middle / statistics.median(costs[SAME.get(graph, graph), reference.NAME])
            line += f"{ratios[graph]:6.2f}  ≤ {TARGET[graph]} × {reference.NAME}"
        print(line)
    return ratios


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="figures as JSON on standard output, the table on standard error")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a quarter of the sound, two rounds, no growth")
    parser.add_argument("--only", choices=[p.NAME for p in PEERS], action="append", help="measure this peer only")
    parser.add_argument("--one", nargs="+", metavar="GRAPH SECONDS WAV", help="render one graph with zrack in this process")
    parser.add_argument("--growth", nargs="*", type=int, metavar="NODES", help="zrack's growth only, in this process")
    args = parser.parse_args()
    if args.one:
        graph, seconds, *wav = args.one
        rack.one(graph, float(seconds), Path(wav[0]) if wav else None)
    elif args.growth is not None:
        json.dump(rack.growth(args.growth or SIZES), sys.stdout)
    else:
        table(args)


def table(args: argparse.Namespace) -> None:
    """Compares, measures and prints."""
    out = sys.stdout
    sys.stdout = sys.stderr if args.json else sys.stdout
    present = []
    for peer in PEERS:
        version = peer.version()
        if args.only and peer.NAME not in args.only:
            continue
        print(f"{version}, saw: {peer.SAW}" if version else f"{peer.NAME} is not installed: left out")
        if version:
            present.append(peer)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        heard = compare(present, folder)
        print(*heard, sep="\n")
        rounds = min(args.rounds, 2) if args.quick else args.rounds
        costs = measure(present, rounds, 4.0 if args.quick else 1.0, folder)
    ratios = report(costs, present)
    growth: list[dict[str, float]] = []
    if rack in present and not args.quick:
        growth = json.loads(subprocess.run([*rack.COMMAND, "--growth"], check=True, capture_output=True, text=True).stdout)
        print("zrack's growth, kernels cached:")
        for row in growth:
            print(f"{row['nodes']:6.0f} nodes: planned in {row['plan']:.3f} s, {row['node']:.1f} ns a node and block")
    if args.json:
        rows = [{"graph": g, "peer": n, "cpu": statistics.median(c), "rounds": c} for (g, n), c in costs.items()]
        json.dump({"ratios": ratios, "costs": rows, "growth": growth, "sounds": heard}, out, ensure_ascii=False, indent=1)
        out.write("\n")


if __name__ == "__main__":
    main()
