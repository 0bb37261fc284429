"""What a model costs in a patch, and whether the audio thread feels it: the part `cpu` of `tests.benchmarks.models`."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

from nodes import Patch
from runtime.devices import Device
from runtime.session import Session
from tests.jack import server
from tests.nn_big import Big
from tests.test_session import until

from .live import RATE, spread
from .models_files import made

BARE = """
import sys, time, torch
from pathlib import Path
from nodes.ml import jit
torch.set_num_threads(1)
torch.set_flush_denormal(True)
model, z = jit.load(Path(sys.argv[1]))[0], torch.randn(1, 16, 1)
period = float(sys.argv[2])
for line in sys.stdin:
    due = time.monotonic()
    with torch.inference_mode():
        for _ in range(int(line)):
            model.decode(z)
            due += period
            time.sleep(max(0.0, due - time.monotonic()))
    print("done", flush=True)
"""


def spent(pid: int) -> float:
    """CPU seconds of a process so far, to the nanosecond."""
    return sum(int((p / "schedstat").read_text().split()[0]) for p in Path(f"/proc/{pid}/task").glob("*")) / 1e9


def cpu(share: float = 1.0, pairs: int = 15, seconds: float = 3.0) -> dict[str, Any]:
    """A large decoder in a patch against a bare loop that calls it as often; and the audio thread with it, with a model in its
    place that computes nothing, and without any.

    CPU time, not time on the wall; the figures of a round are measured one after the other, nobody always first.
    """
    pairs = max(round(pairs * share), 3)
    period = 2048 / RATE
    hops = round(seconds / period)
    with made("big", "hush") as folder, ExitStack() as stack:
        bare = stack.enter_context(subprocess.Popen(
            [sys.executable, "-c", BARE, str(folder / "big.ts"), str(period)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"},
        ))  # fmt: skip
        stack.callback(bare.kill)
        stack.enter_context(server() if shutil.which("jackd") else nullcontext())
        output = "JACK:system" if shutil.which("jackd") else "null"
        sessions = {
            file: stack.enter_context(Session(_rest(folder, file), device=lambda e: Device(e, output, buffer=64)))
            for file in ("big.ts", "hush.ts", "")
        }

        def loop(count: int) -> float:
            """CPU seconds a call."""
            assert bare.stdin is not None and bare.stdout is not None
            before = spent(bare.pid)
            print(count, file=bare.stdin, flush=True)
            bare.stdout.readline()
            return (spent(bare.pid) - before) / count

        def window(file: str) -> tuple[float, float, dict[str, float]]:
            """CPU seconds a hop of all workers, and of this process; times of the callback in µs."""
            session = sessions[file]
            stood = session.now()
            session.transport("play")
            ports = [*session.engine.plan.ports.values()]
            until(lambda: session.now() > stood + RATE // 2 and all(p.begins >= 0 for p in ports), 60)
            session.device.reset()
            workers = [p.process.pid for p in ports if p.process]
            at, own, theirs = session.now(), time.process_time(), sum(map(spent, workers))
            time.sleep(seconds)
            done = (session.now() - at) / 2048
            figures = (sum(map(spent, workers)) - theirs) / done, (time.process_time() - own) / done
            us = session.device.status()["us"]
            session.transport("stop")
            return *figures, us

        loop(hops // 2)
        for file in sessions:
            window(file)
        before = sessions["big.ts"].engine.late_work()
        bares, windows = [], {file: [] for file in sessions}  # type: ignore[var-annotated]
        for k in range(pairs):
            for what in [*[None, *sessions][k % 4 :], *[None, *sessions][: k % 4]]:
                if what is None:
                    bares.append(loop(hops))
                else:
                    windows[what].append(window(what))
        late = sessions["big.ts"].engine.late_work() - before
    big, rest = windows["big.ts"], windows[""]
    names = {"big.ts": "with", "hush.ts": "with one that computes nothing", "": "without"}
    return {
        "weights": sum(p.numel() for p in Big().parameters()), "pairs": pairs, "hops_each": hops, "device": output,
        "ms_a_call_bare": round(1000 * statistics.median(bares), 3),
        "ms_a_hop_in_the_patch": round(1000 * statistics.median(w[0] for w in big), 3), "late_work": late,
        "worker_by_bare": spread([w[0] / b for b, w in zip(bares, big)], 4),
        "all_of_zrack_by_bare": spread([(w[0] + w[1] - o[1]) / b for b, w, o in zip(bares, big, rest)], 4),
        **{
            f"audio_{q}_us": {names[file]: spread([w[2][q] for w in found]) for file, found in windows.items()}
            for q in ("p50", "p99")
        },
    }  # fmt: skip


def _rest(folder: Path, file: str) -> Patch:
    """Eight voices, and beside them the decoder in `file`, or none."""
    patch = Patch(RATE, 64)
    patch.folder = folder
    patch.add("io/output", "out", level=-20.0)
    for k in range(8):
        patch.add("source/saw", f"saw{k}", freq=55.0 * (k + 1))
        patch.add("filter/svf", f"svf{k}")
        patch.connect(f"saw{k}.out", f"svf{k}.audio")
        patch.connect(f"svf{k}.low", "out.audio", 0.1)
    patch.add("source/noise", "noise")
    patch.add("latent/pack", "pack", dims=16)
    patch.connect("noise.out", "pack.signals")
    if file:
        patch.add("model/nn", "model", file=file)
        patch.connect("pack.z", "model.z")
        patch.connect("model.out", "out.audio")
    return patch
