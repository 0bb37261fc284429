"""Random structural edits on a playing patch of 200 nodes: is a click heard, and when is an edit heard?

The patch is made of what is smooth by itself (sines below 500 Hz, filters, VCAs moved by sine LFOs, delays), so that a click
stands out.  Two measures of the recorded sound: *jump*, the largest |x[n+1] − x[n]|, and *bend*, the largest
|x[n+1] − 2 x[n] + x[n−1]|.  A click of height A has a jump and a bend of A; a fade of A over 10 ms adds A ÷ 480 to either,
and a sine of 500 Hz bends by 0.4 % of its height.  The recording is cut at the samples where plans were taken, which the
event log has:

- *still*: the ten seconds before the first edit;
- *inside*: the 10 ms of the fades, and one block more;
- *outside*: the rest, which is the same graph states with the same state in them, and no edit; a click that a delay line
  holds back would stand here.

*clicks* are places that bend more than twice as much as the still patch ever does, by the kind of the last edit before.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import Any

import numpy as np

from graph import Patch, PatchError, edits, wire

from .live import PERIOD, RATE, Play, play, spread

NODES, EDITS, PAUSE = 200, 1000, 0.05
FADE = round(0.01 * RATE)
KINDS = ("disconnect", "reconnect", "add", "remove", "rename", "setting", "undo", "bypass", "amount")
TYPES = {"source/sine": "out", "filter/svf": "low", "effect/vca": "out", "effect/delay": "out", "mod/lfo": "out"}


def smooth(count: int = NODES, seed: int = 1) -> Patch:
    """A patch of `count` nodes whose sound has no edge."""
    from nodes import Patch as New
    from nodes import catalog

    catalog.load()
    dice = random.Random(seed)
    p = New(rate=RATE, block=64)
    p.limiter = False
    p.add("io/output", "out", to="channels")
    k = 0
    while len(p.nodes) + 5 <= count:
        sine = p.add("source/sine", f"sine{k}", freq=dice.uniform(60, 500), phase=dice.uniform(0, 1))
        svf = p.add("filter/svf", f"svf{k}", cutoff=dice.uniform(300, 2000))
        vca = p.add("effect/vca", f"vca{k}", gain=dice.uniform(0.3, 1))
        lfo = p.add("mod/lfo", f"lfo{k}", rate=dice.uniform(0.1, 2))
        delay = p.add("effect/delay", f"delay{k}", time=dice.uniform(0.05, 0.4), mix=0.3)
        p.connect(f"{sine}.out", f"{svf}.audio")
        p.connect(f"{svf}.low", f"{vca}.audio")
        p.connect(f"{lfo}.out", f"{vca}.cv")
        p.connect(f"{vca}.out", f"{delay}.audio")
        p.connect(f"{delay}.out", "out.audio", 0.01)
        k += 1
    while len(p.nodes) < count:
        p.add("mod/lfo", f"more{len(p.nodes)}")
    return p


class Dice:
    """Draws random edits that a patch takes, and no more sound than it had."""

    def __init__(self, patch: Patch, seed: int = 2) -> None:
        self.random, self.serial, self.size = random.Random(seed), 0, len(patch.nodes)
        self.removed: list[edits.Connect] = []

    def draw(self, patch: Patch) -> tuple[str, dict[str, Any]]:
        """A kind and an operation."""
        r = self.random
        kind = r.choice(KINDS)
        nodes = [n for n, d in patch.nodes.items() if d.type != "io/output"]
        if kind == "disconnect":
            c = r.choice(list(patch.cables))
            self.removed.append(edits.Connect(f"{c[0]}.{c[1]}", f"{c[2]}.{c[3]}", patch.cables[c].amount))
            return kind, do(edits.Disconnect(f"{c[0]}.{c[1]}", f"{c[2]}.{c[3]}"))
        if kind == "reconnect" and self.removed:
            return kind, do(self.removed.pop(r.randrange(len(self.removed))))
        if kind == "remove" and len(patch.nodes) > self.size - 20:
            name = r.choice(nodes)
            return kind, do(edits.RemoveNode(name))
        if kind == "rename":
            self.serial += 1
            return kind, do(edits.Rename(r.choice(nodes), f"n{self.serial}"))
        if kind == "setting":
            delays = [n for n in nodes if patch.nodes[n].type == "effect/delay"]
            if delays:
                return kind, do(edits.SetSetting(r.choice(delays), "longest", r.uniform(1.0, 3.0)))
        if kind == "undo":
            return kind, {"undo": 1}
        if kind == "bypass":
            name = r.choice(nodes)
            return kind, do(edits.SetBypass(name, not patch.nodes[name].bypass))
        if kind == "amount":
            c = r.choice(list(patch.cables))
            amount = r.uniform(0, 0.01) if patch.nodes[c[2]].type == "io/output" else r.uniform(0.3, 1)
            return kind, do(edits.SetCable(f"{c[0]}.{c[1]}", f"{c[2]}.{c[3]}", amount))
        self.serial += 1
        type_, new = r.choice(list(TYPES)), f"n{self.serial}"
        sounds = [n for n in nodes if patch.nodes[n].type == "effect/vca"]
        if type_ in ("filter/svf", "effect/vca", "effect/delay") and sounds:
            self.removed.append(edits.Connect(f"{r.choice(sounds)}.out", f"{new}.audio", 0.5))
        if type_ == "mod/lfo" and sounds:
            self.removed.append(edits.Connect(f"{new}.out", f"{r.choice(sounds)}.cv", 0.2))
        else:
            self.removed.append(edits.Connect(f"{new}.{TYPES[type_]}", "out.audio", 0.005))
        return "add", do(edits.AddNode(type_, new, {"freq": r.uniform(60, 500)} if type_ == "source/sine" else {}))


def do(edit: edits.Edit) -> dict[str, Any]:
    """An edit as an operation."""
    return {"do": wire.to_map(edit)}


def run(share: float = 1.0) -> dict[str, Any]:
    """The figures."""
    count = max(round(EDITS * share), 10)
    with play(smooth()) as on:
        client = on.stage.client
        started = time.monotonic()
        name = client.call("record", "edits.wav")
        time.sleep(10.0 * min(share * 4, 1.0))
        first, kinds, waits, refused = on.now(), [], [], 0
        dice = Dice(client.patch)
        while len(kinds) < count:
            with client.lock:
                kind, op = dice.draw(client.patch)
            swaps, at, start = on.swaps(), on.now(), time.perf_counter()
            try:
                client.call("op", op)
            except PatchError:
                refused += 1
                continue
            kinds.append((at, kind))
            taken = wait(on, swaps)
            if taken:
                waits.append(1000 * (taken - start))
            time.sleep(PAUSE)
        time.sleep(0.5)
        client.call("record", None)
        xruns = on.xruns(started)
        state = client.call("state")
        sound, begins, plans = heard(on, name)
    return {
        "nodes": [NODES, state["nodes"]], "edits": count, "refused": refused, "plans": len(plans),
        "xruns": xruns, "recorder_lost": state.get("recorder_lost", 0), "faults": on.said,
        "ms_from_edit_to_plan": spread(waits), "edits_without_a_plan": count - len(waits),
        "ms_of_device": round(1000 * state["latency"]["output"], 2),
        "longest_zeros": longest_zeros(sound), "edits_by_kind": dict(Counter(k for _, k in kinds)),
        **clicks(sound, [p - begins for p in plans], first - begins, [(t - begins, k) for t, k in kinds]),
    }  # fmt: skip


def wait(on: Play, swaps: int) -> float:
    """When the first plan after `swaps` was taken; 0 where none comes, as a value needs none."""
    end = time.perf_counter() + 0.3
    while on.swaps() == swaps:
        if time.perf_counter() > end:
            return 0.0
        time.sleep(0.0002)
    return time.perf_counter()


def heard(on: Play, name: str) -> tuple[np.ndarray, int, list[int]]:
    """The recording [n] (its first channel), the sample time that it begins at, and when plans were taken."""
    import soundfile

    from runtime import eventlog

    sound, _ = soundfile.read(on.folder / name, dtype="float64", always_2d=True)
    logs = list(on.folder.glob("*.zlog"))
    if len(logs) > 1:
        raise RuntimeError(f"another engine took over: {on.said or on.stage.supervisor.restarts}")
    records = eventlog.read(logs[0])[1]
    begins = next(r[2] for r in records if r[0] == "recording")
    plans = [row[0] for r in records if r[0] == "controls" for row in r[2] if row[1] is None]
    return sound[:, 0], begins, plans


def clicks(sound: np.ndarray, plans: list[int], first: int, kinds: list[tuple[int, str]]) -> dict[str, Any]:
    """Jumps and bends of the still patch, inside and outside the fades; and the clicks by kind of edit."""
    inside = np.zeros(len(sound), bool)
    for at in (p for p in plans if p >= 0):  # since the recording began
        inside[max(at - 2, 0) : at + FADE + PERIOD] = True
    edited = np.arange(len(sound)) >= first
    out: dict[str, Any] = {"peak": worst(np.abs(sound))}
    for what, order in (("jump", 1), ("bend", 2)):
        x = np.abs(np.diff(sound, order))
        mask, late = inside[: len(x)], edited[: len(x)]
        out[what] = {"still": worst(x[~late & ~mask]), "outside": worst(x[late & ~mask]), "inside": worst(x[late & mask])}
    loud = np.flatnonzero(x > 2 * out["bend"]["still"])
    places = loud[np.diff(loud, prepend=-RATE) > FADE]
    times = [t for t, _ in kinds]
    found = Counter(kinds[max(int(np.searchsorted(times, at, "right")) - 1, 0)][1] for at in places)
    return out | {"clicks": dict(found)}


def worst(x: np.ndarray) -> float:
    """The largest, 0 of none."""
    return round(float(x.max()), 6) if len(x) else 0.0


def longest_zeros(sound: np.ndarray) -> int:
    """Samples in the longest run of exact zeros."""
    zero = np.concatenate([[False], sound == 0, [False]])
    edges = np.flatnonzero(np.diff(zero.astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0
