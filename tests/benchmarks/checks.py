"""What the quarantine's checks and the CPU sampling cost: `python -m tests.benchmarks.checks`.

The same patch with and without them in turn, best of many: ns a node and block of 64.
"""

from __future__ import annotations

import argparse
import json
import time

from nodes import Patch
from runtime.engine import Engine


def chain(nodes: int) -> Patch:
    """A sine through `nodes` multiplications and additions."""
    patch = Patch()
    last = patch.add("source/sine", "source")
    for k in range(nodes):
        name = f"n{k:05d}"
        patch.add("maths/multiply" if k % 2 else "maths/add", name, b=0.999 if k % 2 else 0.0001)
        patch.connect(f"{last}.out", f"{name}.a")
        last = name
    patch.add("io/output", "out")
    patch.connect(f"{last}.out", "out.audio")
    return patch


def loops(count: int) -> Patch:
    """`count` one-sample loops of four nodes behind one saw."""
    patch = Patch()
    patch.add("source/phasor", "source")
    patch.add("io/output", "out", level=-40.0)
    for k in range(count):
        a, b, c, d = (f"{n}{k:03d}" for n in ("add", "shape", "pole", "gain"))
        patch.add("maths/add", a)
        patch.add("maths/saturate", b)
        patch.add("filter/onepole", c, cutoff=2000.0)
        patch.add("maths/multiply", d, b=0.9)
        for x, y in (("source.out", f"{a}.a"), (f"{a}.out", f"{b}.a"), (f"{b}.out", f"{c}.audio"), (f"{c}.out", f"{d}.a"),
                     (f"{c}.out", "out.audio"), (f"{d}.out", f"{a}.a")):  # fmt: skip
            patch.connect(x, y)
    return patch


def measure(patch: Patch, rounds: int) -> tuple[float, float]:
    """Best seconds for a second of sound, with and without checks."""
    best = [9.0, 9.0]
    with Engine(patch, checks=True) as on, Engine(patch, checks=False) as off:
        for engine in (on, off):
            engine.process(48000)
        for _ in range(rounds):
            for k, engine in enumerate((on, off)):
                start = time.process_time()
                engine.process(48000)
                best[k] = min(best[k], time.process_time() - start)
    return best[0], best[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    out = {}
    for name, patch in (("chain of 1000", chain(1000)), ("50 loops of 4", loops(50))):
        on, off = measure(patch, options.rounds)
        each = 1e9 / 750 / len(patch.nodes)
        out[name] = {"with": on * each, "without": off * each, "cost": (on - off) * each}
    if options.json:
        print(json.dumps(out))
    else:
        for name, row in out.items():
            cost = f"{row['with']:.2f} ns a node and block with checks, {row['without']:.2f} without"
            print(f"{name}: {cost}, {row['cost']:.2f} more")


if __name__ == "__main__":
    main()
