"""OSC on a playing patch: a flood with malformed packets in it, a stream that must lose nothing, and times to the sample.

The flood comes from a process of its own over a raw socket (`python -m tests.benchmarks.live_osc PORT RATE SECONDS BAD`).
Times: bundles 0.2 s ahead open and close a gate; the edges in the recording are held against the times that the bundles
named.  The clocks of the machine and of the device run apart by some parts in a million, so a straight line is fitted;
what is left is the error.  The event log says at which sample each message was applied; the edge must be at that sample.
"""

from __future__ import annotations

import json
import math
import random
import socket
import struct
import subprocess
import sys
import time
from typing import Any

import numpy as np

from graph import Patch
from runtime.soak import largest, packets

from .live import RATE, Play, kept, play

AHEAD = 0.2
EPOCH = 2208988800  # seconds from 1900 to 1970
GATES = 200


def message(address: str, *values: float) -> bytes:
    """A message with floats."""
    return text(address) + text("," + "f" * len(values)) + struct.pack(f">{len(values)}f", *values)


def text(word: str) -> bytes:
    """A string as OSC pads it."""
    data = word.encode()
    return data + b"\0" * (4 - len(data) % 4)


def bundle(at: float, *messages: bytes) -> bytes:
    """Messages for a time, seconds since 1970."""
    tag = round((at + EPOCH) * 2**32)
    return b"#bundle\0" + struct.pack(">Q", tag) + b"".join(struct.pack(">i", len(m)) + m for m in messages)


def bad(address: str) -> list[bytes]:
    """Packets that a server must survive: malformed ones, and numbers that are none."""
    deep = b"#bundle\0" + struct.pack(">Q", 1)
    for _ in range(400):
        deep = b"#bundle\0" + struct.pack(">Qi", 1, len(deep)) + deep
    whole = message(address, 0.5)
    return [
        b"#bundle\0" + struct.pack(">Qi", 1, -4), deep, whole[:-3], whole[:9], b"", b"/", b"\xff\xfe/x\0\0,f\0\0\0\0\0\0",
        "/nöde\0\0,f\0\0\0\0\0\0".encode("latin1"), b"#bundle\0" + struct.pack(">Qi", 1, 9999) + whole,
        message(address, math.nan), message(address, math.inf), message(address, -math.inf), message("/no/such/thing", 1.0),
    ]  # fmt: skip


def flood(port: int, rate: float, seconds: float, share: float) -> None:
    """Sends, and prints how many were sent: good and bad."""
    dice = random.Random(3)
    from nodes import catalog

    catalog.load()
    packet = packets(Patch.load(largest()), dice)
    good = [packet() for _ in range(5000)]
    wrong = bad("/node/out/level") if share else []
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.connect(("127.0.0.1", port))
    sent = {"good": 0, "bad": 0, "refused": 0}
    start = time.monotonic()
    total, done = round(rate * seconds), 0
    while done < total:
        due = min(round((time.monotonic() - start) * rate), total)
        for k in range(done, due):
            one = wrong[k % len(wrong)] if wrong and k % round(1 / share) == 0 else good[k % 5000]
            try:
                out.send(one)
            except OSError:
                sent["refused"] += 1
                continue
            sent["bad" if one in wrong else "good"] += 1
        done = due
        time.sleep(0.001)
    sent["seconds"] = round(time.monotonic() - start, 2)
    print(json.dumps(sent))


def storm(on: Play, rate: float, seconds: float, share: float) -> dict[str, Any]:
    """A flood from another process, and what came of it."""
    client, start, memory = on.stage.client, time.monotonic(), [kept(on)]
    before = client.call("state")["osc"]
    command = [sys.executable, "-m", "tests.benchmarks.live_osc", *map(str, (on.stage.port, rate, seconds, share))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while process.poll() is None:
        memory.append(kept(on))
        time.sleep(0.2)
    assert process.stdout is not None
    sent = json.loads(process.stdout.read())
    last: dict[str, int] = {}
    for _ in range(100):  # until it has caught up
        now = client.call("state")["osc"]
        if now == last:
            break
        last = now
        time.sleep(0.3)
    memory.append(kept(on))
    got = {k: last[k] - before[k] for k in last}
    spent = got["applied"] + got["superseded"]
    return {
        "sent": sent, **got, "good_not_accounted_for": sent["good"] - spent - got["lost"], "xruns": on.xruns(start),
        "mib": [memory[0], max(memory), memory[-1]], "restarts": on.stage.supervisor.restarts,
    }  # fmt: skip


def gates() -> Patch:
    """A patch whose only sound is what comes to /gate."""
    from nodes import Patch as New
    from nodes import catalog

    catalog.load()
    p = New(rate=RATE, block=64)
    p.limiter = False
    p.add("io/output", "out", to="channels")
    p.add("osc/in", "gate", address="/gate", smooth=0.0)
    p.connect("gate.out", "out.audio")
    return p


def times(count: int) -> dict[str, Any]:
    """How far from its time each edge of a gate lands, in samples."""
    import soundfile

    from runtime import eventlog

    dice = random.Random(4)
    with play(gates()) as on, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.connect(("127.0.0.1", on.stage.port))
        start = time.monotonic()
        time.sleep(5.0)  # until the clock is smooth
        name = on.stage.client.call("record", "gates.wav")
        due, named = time.time() + AHEAD + 0.1, []
        for k in range(2 * count):
            due += dice.uniform(0.01, 0.05)
            named.append(due)
            time.sleep(max(due - AHEAD - time.time(), 0.0))
            out.send(bundle(due, message("/gate", 1.0 - k % 2)))
        time.sleep(0.5)
        osc = on.stage.client.call("state")["osc"]
        on.stage.client.call("record", None)
        xruns = on.xruns(start)
        time.sleep(0.2)
        sound, _ = soundfile.read(on.folder / name, dtype="float64", always_2d=True)
        (log,) = on.folder.glob("*.zlog")
        records = eventlog.read(log)[1]
    begins = next(r[2] for r in records if r[0] == "recording")
    applied = sorted(
        row[0] for r in records if r[0] == "controls" for row in r[2] if row[1] is not None and "value" in str(row[1])
    )
    edges = np.flatnonzero(np.diff(sound[:, 0])) + 1 + begins
    result: dict[str, Any] = {"gates": 2 * count, "edges": len(edges), "late": osc["late"], "xruns": xruns}
    if len(edges) != len(named):
        return result
    wall = np.array(named) - named[0]
    line = np.polyfit(wall, edges, 1)
    error = edges - np.polyval(line, wall)
    steps = np.diff(edges) - np.diff(wall) * RATE
    return result | {
        "from_the_line": {"worst": round(float(np.abs(error).max()), 2), "rms": round(float(error.std()), 3)},
        "from_each_other": {"worst": round(float(np.abs(steps).max()), 2)},
        "within_1_sample": round(float((np.abs(error) <= 1.0).mean()), 4),
        "edge_from_log": sorted({int(e - a) for e, a in zip(edges, applied)}) if len(applied) == len(edges) else len(applied),
        "ppm_of_the_clocks": round((float(line[0]) / RATE - 1) * 1e6, 1),
    }  # fmt: skip


def run(share: float = 1.0) -> dict[str, Any]:
    """The figures."""
    from nodes import catalog

    catalog.load()
    patch = Patch.load(largest())
    found: dict[str, Any] = {}
    with play(patch) as on:
        found["flood"] = storm(on, 50000, 10 * share, 0.02)
        found["stream"] = storm(on, 10000, 10 * share, 0.0)
        found["said"] = on.said[:5]
    found["times"] = times(round(GATES * share))
    return found


if __name__ == "__main__":
    flood(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
