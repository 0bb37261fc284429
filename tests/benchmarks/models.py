"""Models while they play: `python -m tests.benchmarks.models latency|late|swaps|feedback|cpu [--json]`.

`latency` measures what is declared, beside what nn~ would take; `late` slows models down for a second; `swaps` changes a
model again and again on a JACK server of its own, as `tests.benchmarks.live` does; `feedback` plays a loop through a model
for minutes, twice, and as it was live; `cpu` compares a large decoder in a patch with a bare loop that calls it.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from graph import edits
from nodes import Patch
from nodes.ml import shelf
from runtime import eventlog
from runtime.engine import Engine
from runtime.offline import render
from runtime.session import Session
from runtime.soak import family
from tests import nn_modules, test_model_life
from tests.test_session import until

from .live import RATE, busy, kept, play, spread
from .live_edits import do, wait
from .models_cpu import cpu
from .models_files import made, trusted
from .shown import show

VECTOR = 64  # of nn~'s host
PULSE = 250  # half the samples of a test sound


# ---------------------------------------------------------------------------------------------- latency


def pulse(n: np.ndarray) -> np.ndarray:
    """A sound around sample 5000 that is smooth enough to lie between samples."""
    return np.where(abs(n - 5000) < PULSE, np.cos((n - 5000) * np.pi / (2 * PULSE)) ** 2 * np.sin(n * 0.05), 0.0)


def delay_of(times: np.ndarray, values: np.ndarray) -> float:
    """How late `values` at `times` (in samples) are against the pulse: the least squares, looked for in ever finer steps."""
    best, step = 0.0, 8.0
    tries = np.arange(0.0, 40000.0, step)
    near = np.abs(values) > 1e-6
    first, last = times[near].min() - 5000 - PULSE, times[near].max() - 5000 + PULSE
    tries = tries[(tries >= first - 100) & (tries <= last + 100)]
    while step > 1e-4:
        best = min(tries, key=lambda d: float(np.sum((values - pulse(times - d)) ** 2)))
        tries, step = np.linspace(best - step, best + step, 17), step / 8
    return float(best)


def through(folder: Path, file: str, hop: int, *methods: str) -> tuple[Fraction, float]:
    """Declared and measured latency of methods one behind the other, in samples of the rack."""
    patch = test_model_life.rack(folder, ("io/input", "in", {}), test_model_life.out("out", 1), cables="")
    last = "in.out"
    for method in methods:
        patch.add("model/nn", method, file=file, method=method, hop=hop)
        patch.connect(last, f"{method}.{next(iter(patch.spec(method).inlets))}")  # type: ignore[union-attr]
        last = f"{method}.{next(iter(patch.spec(method).outlets))}"  # type: ignore[union-attr]
    sound = pulse(np.arange(RATE)).astype(np.float32)[:, None]
    if methods[-1] != "encode":
        patch.connect(last, "out.audio")
    with Engine(patch) as engine:
        due = sum((p.transport for p in engine.plan.ports.values()), Fraction(0))
        if methods[-1] != "encode":
            return due, delay_of(np.arange(RATE), engine.process(RATE, sound)[:, 0])
        buffer, frames = engine.plan.outlets["encode", "z"], []
        period = Fraction(engine.plan.ports["encode"].rings.times.period_out or 1)
        for at in range(0, RATE - 64, 64):  # the frames that lie in each block, as they are in memory
            engine.process(64, sound[at : at + 64])
            count = math.floor((at + 63) / period) - math.floor((at - 1) / period)
            view = engine.memory.view(buffer.at, 4 * buffer.channels * count, "float32")
            frames += [*view.reshape(count, buffer.channels).copy()]
        step = float(period) / buffer.channels  # a dimension is a sample of the model
        return due, delay_of(np.arange(len(frames) * buffer.channels) * step, np.concatenate(frames))


def latency(share: float = 1.0) -> dict[str, Any]:
    """Rows: ratio, rate of the model, hop in ratios, method, samples declared and measured, ms, and ms of nn~."""
    rows = []
    for ratio in (256, 512)[: 2 if share >= 1.0 else 1]:
        for rate in (48000, 44100):
            with made() as folder:
                file = f"late{ratio}-{rate}.ts"
                trusted(nn_modules.write(nn_modules.Late(ratio, rate), folder / file))
                for hop in (1, 2, 3):
                    own = 1500 * RATE / rate  # of the model, in those methods that have it
                    declared, found = {}, {}
                    for name, ways, delay in (("encode", ["encode"], 0.0), ("forward", ["forward"], own),
                                              ("both", ["encode", "decode"], own)):  # fmt: skip
                        declared[name], got = through(folder, file, hop, *ways)
                        found[name] = got - delay
                    declared["decode"], found["decode"] = declared["both"] - declared["encode"], found["both"] - found["encode"]
                    size = 1 << math.ceil(math.log2(hop * ratio))
                    for name in ("encode", "decode", "both", "forward"):
                        theirs = (2 * size - VECTOR) * (1 + (name == "both"))
                        rows.append({
                            "ratio": ratio, "rate": rate, "hop": hop, "method": name,
                            "declared": round(float(declared[name]), 3), "measured": round(found[name], 3),
                            "ms": round(1000 * float(declared[name]) / RATE, 2), "ms of nn~": round(1000 * theirs / rate, 2),
                        })  # fmt: skip
    worst = max(abs(r["declared"] - r["measured"]) for r in rows)
    return {"rows": rows, "largest_error": round(worst, 4)}


def table(rows: list[dict[str, Any]]) -> str:
    """As Markdown."""
    heads = ["ratio", "model at", "hop", "method", "declared, samples", "measured", "ms", "nn~, 2B−V, ms"]
    lines = [f"| {' | '.join(heads)} |", f"|{' ---: |' * len(heads)}"]
    for r in rows:
        hop = f"{r['hop']} × {r['ratio']}"
        cells = [r["ratio"], r["rate"], hop, r["method"], r["declared"], r["measured"], r["ms"], r["ms of nn~"]]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


# ---------------------------------------------------------------------------------------------- late, changed, in a loop


def late(share: float = 1.0) -> dict[str, Any]:
    """What a second of models at 150 % of their budget sounds like."""
    names = ("same", "same_r44100", "late", "coder2048", "sampling")
    with made(*names) as folder, tempfile.TemporaryDirectory() as place:
        take = test_model_life.slowed(folder, Path(place))
        well = render(take.patch, len(take.heard) / RATE).audio
        notes: list[str] = []
        again, _ = eventlog.render(take.log, notes=notes)
        found: dict[str, Any] = {"replay_equal": bool(np.array_equal(take.heard, again[: len(take.heard)])), "notes": notes}
        for name, channel in (("sound", 0), ("other", 4), ("keeps", 5), ("frames", 1)):
            times, missed = take.ports[name].rings.times, take.missed(name)
            heard, due = take.heard[:, channel], well[: len(take.heard), channel]
            back = times.start(missed[-1] + 1) + times.latency
            wrong = np.flatnonzero(heard[back:] != due[back:])
            found[name] = {
                "hops_slow": list(take.slow[name]), "hops_late": [missed[0], missed[-1]], "counted": take.late[name],
                "jump": round(float(np.abs(np.diff(heard)).max()), 5), "own_jump": round(float(np.abs(np.diff(due)).max()), 5),
                "fade": round(2 * float(np.abs(due).max()) / test_model_life.FADE, 5),
                "ms_until_equal": round(1000 * (int(wrong[-1]) + 1 if len(wrong) else 0) / RATE, 2),
            }  # fmt: skip
    return found


def swaps(share: float = 1.0) -> dict[str, Any]:
    """A model swapped, rewritten, turned and started afresh while it plays."""
    count, sizes, waits = max(round(200 * share), 4), [], []
    with made("tuned1", "tuned2") as folder:
        for name in ("a.ts", "b.ts"):
            shutil.copy(folder / f"tuned{1 + (name == 'b.ts')}.ts", folder / name)
        patch = Patch(RATE, 64)
        for kind, name, values in (("source/saw", "saw", {}), ("model/nn", "m", {"file": "a.ts", "method": "tuned", "hop": 8}),
                                   ("io/output", "out", {"level": -20.0})):  # fmt: skip
            patch.add(kind, name, **values)
        for cable in ("saw.out m.audio", "m.out out.audio"):
            patch.connect(*cable.split())
        with play(patch) as on:
            client = on.stage.client

            def rewrite(k: int) -> None:
                for name in ("a.ts", "b.ts"):
                    shutil.copy(folder / f"tuned{1 + k // 4 % 2}.ts", folder / "part")
                    os.replace(folder / "part", folder / name)
                client.call("reload", "m")

            changes: list[Callable[[int], Any]] = [
                lambda k: client.call("op", do(edits.SetSetting("m", "file", "b.ts" if k // 4 % 2 else "a.ts"))),
                rewrite, lambda k: client.call("set", "m", "gain", 0.5 + k % 7 / 14), lambda k: client.call("reload", "m"),
            ]  # fmt: skip
            playing(on)
            workers, started = len(family(on.stage.pid)), time.monotonic()
            for k in range(count):
                swaps, at = on.swaps(), time.perf_counter()
                changes[k % len(changes)](k)
                taken = wait(on, swaps) if k % 4 < 2 else 0.0
                waits += [1000 * (taken - at)] if taken else []
                time.sleep(0.5)
                playing(on)
                sizes.append(kept(on))
            time.sleep(1.0)
            state = client.call("state")
            left = {
                "processes": len(family(on.stage.pid)) - workers,
                "files": len([*on.folder.parent.glob("zrack-work-*")]) - 1,
            }
            tenth = max(count // 10, 2)
            sized = {"first": statistics.median(sizes[:tenth]), "last": statistics.median(sizes[-tenth:]), "most": max(sizes)}
            return {
                "changes": count, "seconds": round(time.monotonic() - started), "xruns": on.xruns(started),
                "late_work": state["late_work"], "said": on.said, "restarts": on.stage.supervisor.restarts, "left": left,
                "MiB": sized,
                "ms_from_change_to_plan": spread(waits), "us": state["us"],
            }  # fmt: skip


def playing(on: Any) -> None:
    """Waits until the model is heard."""
    view = on.stage.client.view
    until(lambda: view.look()[2].get(("m", "out"), 0.0) > 0.001, 30)


def feedback(share: float = 1.0, minutes: float = 10.0) -> dict[str, Any]:
    """A loop through a model: encoder → operator → decoder → band-pass → gain 4 → encoder."""
    found: dict[str, Any] = {"minutes": minutes * share}
    with made("stream") as folder, tempfile.TemporaryDirectory() as place:
        for file in [p.name for p in sorted(shelf.SHIPPED.glob("*.ts"))][:1] or ["stream.ts"]:
            patch = test_model_life.loop_of(folder, file)
            twice = [_loop(patch, minutes * share) for _ in range(2)]
            with Session(patch, logs=Path(place)) as session:
                session.record(f"{file}.wav")
                session.transport("play")
                test_model_life.begun(session, "into", "back")
                at = session.now()
                until(lambda: session.now() > at + 10 * RATE, 60)  # noqa: B023
                log = session.now_playing.log.path
                session.record(None)
            assert log is not None
            heard, _ = soundfile.read(Path(place) / f"{file}.wav", dtype="float32", always_2d=True)
            again, _ = eventlog.render(log)
            found[file] = {
                **twice[0], "same_bits_twice": twice[0]["sha"] == twice[1]["sha"],
                "live_seconds": round(len(heard) / RATE, 1), "live_equal": bool(np.array_equal(heard, again[: len(heard)])),
            }  # fmt: skip
    return found


def _loop(patch: Patch, minutes: float) -> dict[str, Any]:
    """Peak, loudness of the first and last tenth, and hash of a render, which is not kept."""
    sha, peak, finite, rms = hashlib.sha256(), 0.0, True, []
    started = time.perf_counter()
    with Engine(patch) as engine:
        for _ in range(max(round(60 * minutes), 10)):
            sound = engine.process(RATE)
            sha.update(sound.tobytes())
            peak, finite = max(peak, float(np.abs(sound).max())), finite and bool(np.isfinite(sound).all())
            rms.append(float(np.sqrt(np.mean(sound**2))))
        faults = [f.reason for f in engine.faults()]
    tenth = len(rms) // 10
    return {
        "seconds": len(rms), "peak": round(peak, 4), "finite": finite, "faults": faults, "sha": sha.hexdigest()[:16],
        "rms": [round(statistics.mean(rms[:tenth]), 4), round(statistics.mean(rms[-tenth:]), 4)],
        "times_real_time": round(len(rms) / (time.perf_counter() - started), 1),
    }  # fmt: skip


def main() -> None:
    """The command line."""
    parts: dict[str, Callable[..., dict[str, Any]]] = {
        "latency": latency, "late": late, "swaps": swaps, "feedback": feedback, "cpu": cpu,
    }  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=parts)
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--share", type=float, default=1.0, help="how much of the whole to do, for a quick look")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the loop")
    parser.add_argument("--pairs", type=int, default=15, help="of windows for the CPU time")
    args = parser.parse_args()
    more = {"feedback": {"minutes": args.minutes}, "cpu": {"pairs": args.pairs}}.get(args.part, {})
    before = busy()
    figures = {"part": args.part, "load_before": before, **parts[args.part](args.share, **more)}
    if args.part == "latency" and not args.json:
        print(table(figures.pop("rows")), end="\n\n")
    show(figures, args.json)


if __name__ == "__main__":
    main()
