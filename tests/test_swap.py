"""Patching while it plays: no click, no state lost, and the same again when the edits are replayed."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from graph import PatchError
from graph.edits import SetBypass
from nodes import Patch
from runtime.engine import FADE, Engine
from runtime.layout import E_LATE, E_LOG_W, SET_PLAN, T_SWITCH
from runtime.steps import Plan

from .test_engine import patch_of


def voice(freq: float = 220.0) -> Patch:
    patch = patch_of(
        ("source/sine", "a", {"freq": freq}), ("source/sine", "b", {"freq": freq * 1.5}), ("maths/add", "mix", {}),
        ("effect/vca", "amp", {}), ("io/output", "out", {"level": -12.0, "to": "channels"}),
        cables="a.out>mix.a mix.out>amp.audio amp.out>out.audio",
    )  # fmt: skip
    patch.limiter = False
    return patch


def live(patch: Patch, **kw: object) -> Engine:
    return Engine(patch, offline=False, **kw)  # type: ignore[arg-type]


def swap(engine: Engine, patch: Patch) -> np.ndarray:
    """Plays through all stages; gives what was heard."""
    heard = []
    for plan in engine.stages(patch):
        engine.publish(plan)
        heard.append(engine.process(64))
        if plan.ramps:
            heard.append(engine.process(round(FADE * engine.rate)))
    engine.collect()
    return np.concatenate(heard)


def bend(sound: np.ndarray) -> float:
    """The largest second difference: a click has one that no smooth signal has."""
    return float(np.abs(np.diff(sound, 2, axis=0)).max())


def test_a_plan_of_the_same_patch_is_not_heard() -> None:
    patch = voice()
    with Engine(patch) as engine:
        want = engine.process(12800)
    with live(patch) as engine:
        parts = []
        for _ in range(40):
            for plan in engine.stages(patch):
                engine.publish(plan)
            parts.append(engine.process(320))
            engine.collect()
        assert engine.swaps == 41
    assert np.array_equal(np.concatenate(parts), want)


def test_cables_nodes_and_amounts_come_and_go_without_a_click() -> None:
    patch = voice()
    with live(patch) as engine:
        own = bend(engine.process(9600)[4800:])
        steps = [
            lambda: patch.connect("b.out", "mix.a"), lambda: patch.disconnect("a.out", "mix.a"),
            lambda: patch.add("source/triangle", "c"), lambda: patch.connect("c.out", "mix.a", 0.5),
            lambda: patch.remove("b"), lambda: patch.rename("c", "d"), lambda: patch.disconnect("mix.out", "amp.audio"),
            lambda: patch.connect("mix.out", "amp.audio"), lambda: patch.remove("out"),
        ]  # fmt: skip
        for step in steps:
            step()
            heard = np.concatenate([swap(engine, patch), engine.process(640)])
            assert bend(heard) < 3 * own + 2e-3, step
        assert not engine.process(640).any()  # the output is gone


def test_a_node_keeps_its_state_through_a_rename_and_a_new_width_is_another_instance() -> None:
    patch = voice()
    with Engine(patch) as engine:
        want = engine.process(4800 + 128)
    with live(patch) as engine:
        engine.process(4800)
        patch.rename("a", "z")
        stages = list(engine.stages(patch))
        assert len(stages) == 1  # nothing to fade
        engine.publish(stages[0])
        assert np.array_equal(engine.process(128), want[4800:])
        before = engine.rack.ids["amp"]  # type: ignore[union-attr]
        patch.add("source/noise", "wide")
        swap(engine, patch)
        assert engine.rack.ids["amp"] == before  # type: ignore[union-attr]


def test_a_knob_that_moves_goes_on_moving_into_the_next_plan() -> None:
    patch = patch_of(
        ("source/constant", "dc", {"value": 0.0}), ("maths/add", "x", {}), ("io/output", "out", {"to": "channels"}),
        cables="dc.out>x.a x.out>out.audio",
    )  # fmt: skip
    patch.limiter = False

    def play(swaps: int) -> np.ndarray:
        with live(patch) as engine:
            engine.process(640)
            engine.set("dc", "value", 0.5, ramp=0.1)
            parts = [engine.process(640)]
            for _ in range(swaps):  # these plans were made from a patch in which the knob still stands at 0
                engine.publish(next(engine.stages(patch)))
                parts.append(engine.process(64))
            parts.append(engine.process(640 * 10))
        return np.concatenate(parts)[:, 0]

    want = play(0)
    assert 0.0 < want[0] < 2e-4 and want[-1] == 0.5 and np.ptp(np.diff(want[:4000])) < 1e-6
    for swaps in (1, 5):
        got = play(swaps)
        n = min(len(got), len(want))
        assert np.array_equal(got[:n], want[:n])


def test_a_bypass_a_choice_and_a_quarantine_stay_through_a_new_plan() -> None:
    patch = voice()
    patch.add("test/bomb", "bomb")
    patch.connect("bomb.out", "mix.a")
    patch.add("mod/lfo", "l", shape="sine")
    with live(patch) as engine:
        engine.process(640)
        engine.set("amp", "bypass", 1)
        engine.set("l", "shape", "square")
        engine.set("bomb", "fuse", 1.0)
        engine.process(1280)
        assert [f.node for f in engine.faults()] == ["bomb"]
        engine.publish(list(engine.stages(patch))[-1])  # made from a patch that knows nothing of all this
        engine.process(64)
        state = {
            key: switch(engine, *key) for key in [("amp", "bypass"), ("bomb", "bypass"), ("l", "shape"), ("mix", "bypass")]
        }
        engine.process(640)
        assert engine.faults() == []
    assert state == {("amp", "bypass"): 1, ("bomb", "bypass"): 1, ("l", "shape"): state["l", "shape"], ("mix", "bypass"): 0}
    assert state["l", "shape"] == patch.spec("l").choices["shape"].options.index("square")  # type: ignore[union-attr]


def switch(engine: Engine, node: str, port: str) -> int:
    """Where a switch stands in the plan that plays."""
    plan = engine.plan
    where = next(k for k, uid in enumerate(plan.targets) if uid == (node, port))
    return int(plan.rows[where, T_SWITCH])


@pytest.mark.parametrize("seed", range(8))
def test_random_edits_sound_the_same_again_from_their_log(seed: int) -> None:
    """The same stages at the logged times, with the logged controls, in an engine that renders offline."""
    rng = random.Random(seed)
    patch = random_patch(rng)
    base = patch.copy()
    edits: list[Patch] = []
    parts = []
    with live(patch.copy(), log=1 << 12) as engine:
        plans = [engine.plan]
        for _ in range(12):
            parts.append(engine.process(rng.randrange(1, 2000)))
            for _ in range(rng.randrange(1, 4)):
                random_edit(patch, rng)
            for plan in engine.stages(patch.copy()):
                engine.publish(plan)
                plans.append(plan)
                for _ in range(rng.randrange(3)):
                    params = {(n, k): p for n, spec in plan.specs.items() if spec for k, p in spec.params.items()}
                    (node, port), p = rng.choice(sorted(params.items(), key=lambda item: item[0]))
                    engine.set(node, port, p.at(rng.random()), engine.now + rng.randrange(-100, 700))
                parts.append(engine.process(rng.randrange(1, 700)))
            engine.collect()
            edits.append(patch.copy())
        heard = np.concatenate(parts)
        log = engine._log[: int(engine._e[E_LOG_W])].copy()
        assert np.isfinite(heard).all() and heard.any()
    with live(base) as engine:
        stages = [engine.plan, *(plan for e in edits for plan in engine.stages(e))]
        at = -1
        for time, what, value, more in log.tolist():
            if what >> 32 == SET_PLAN:
                at += 1
                if at:
                    engine.publish(stages[at], time, ramps=False)
            else:  # numbers of targets depend on when plans were freed, their names do not
                number = names(stages[at])[names(plans[at], True)[what & 0xFFFFFFFF]]
                engine._push(time, what >> 32, number, value, more)
        again = engine.process(len(heard))
        assert engine._e[E_LATE] == 0
    assert np.array_equal(again, heard)


def names(plan: Plan, back: bool = False) -> dict[Any, Any]:
    """Number of each target by its name, or the other way round."""
    return plan.uids if back else {uid: number for number, uid in plan.uids.items()}


TYPES = ("source/sine", "source/saw", "filter/svf", "filter/lowpass", "maths/multiply", "maths/add", "effect/delay",
         "mod/lfo", "effect/vca", "maths/saturate", "maths/mix")  # fmt: skip


def random_patch(rng: random.Random, size: int = 8) -> Patch:
    patch = Patch()
    patch.add("source/sine", "s")
    patch.add("io/output", "out", level=-12.0)
    patch.connect("s.out", "out.audio")
    while len(patch.nodes) < size:
        random_edit(patch, rng, grow=True)
    return patch


def random_edit(patch: Patch, rng: random.Random, grow: bool = False) -> None:
    """One structural edit that the patch accepts."""
    for _ in range(50):
        kind = (
            "add"
            if grow and rng.random() < 0.5
            else rng.choice(["add", "remove", "connect", "connect", "disconnect", "amount"])
        )
        try:
            names = list(patch.nodes)
            if kind == "add" and len(names) < 30:
                patch.add(rng.choice(TYPES), f"n{rng.randrange(10**6)}")
            elif kind == "remove" and not grow and len(names) > 4:
                patch.remove(rng.choice([n for n in names if n not in ("s", "out")]))
            elif kind == "connect":
                src, dst = rng.choice([n for n in names if n != "out"]), rng.choice(names)
                a, b = patch.spec(src), patch.spec(dst)
                assert a is not None
                assert b is not None
                patch.connect(
                    f"{src}.{rng.choice(list(a.outlets))}", f"{dst}.{rng.choice(list(b.inputs()))}", rng.choice([1.0, 0.5, 0.1])
                )
            elif kind == "disconnect" and len(patch.cables) > 1:
                free = [k for k in patch.cables if k[2] != "out" or k[0] != "s"]
                s, o, d, i = rng.choice(free or list(patch.cables))
                patch.disconnect(f"{s}.{o}", f"{d}.{i}")
            elif kind == "amount" and patch.cables:
                from graph.edits import SetCable

                s, o, d, i = rng.choice(list(patch.cables))
                patch.apply(SetCable(f"{s}.{o}", f"{d}.{i}", rng.choice([1.0, 0.3, 0.7])))
            else:
                continue
            return
        except PatchError:
            continue


def test_a_bypass_by_hand_fades_there_and_back_and_turns_round_on_the_way() -> None:
    patch = voice()
    patch.set("amp", gain=0.25)
    with live(patch) as engine:
        own = bend(engine.process(9600)[4800:])
        for value, frames in ((1, 4800), (0, 4800), (1, 128), (0, 4800)):
            engine.set("amp", "bypass", value)
            heard = engine.process(frames)
            assert bend(heard) < 4 * own + 2e-3
        assert abs(float(np.abs(heard[2400:]).max()) - 0.25 * 0.2512) < 0.01
        engine.set("amp", "bypass", 1)
        heard = [engine.process(128)]
        engine.set("amp", "bypass", 1)  # said again on the way, and once it is there
        heard.append(engine.process(4800))
        engine.set("amp", "bypass", 1)
        heard.append(engine.process(9600))
        assert bend(np.concatenate(heard)) < 4 * own + 2e-3
        assert abs(float(np.abs(heard[2][4800:]).max()) - 0.2512) < 0.01


def test_a_new_delay_line_does_not_give_back_the_edge_of_its_beginning() -> None:
    patch = voice()
    patch.add("effect/delay", "echo", time=0.05, mix=1.0)
    with live(patch) as engine:
        own = bend(engine.process(9600)[4800:])
        patch.disconnect("amp.out", "out.audio")
        patch.connect("amp.out", "echo.audio")
        patch.connect("echo.out", "out.audio")
        heard = np.concatenate([swap(engine, patch), engine.process(9600)])
        assert bend(heard) < 4 * own + 2e-3


def test_a_bypass_goes_on_fading_through_a_plan_that_comes_meanwhile() -> None:
    patch = voice()
    patch.set("amp", gain=0.25)
    with live(patch) as engine:
        own = bend(engine.process(9600)[4800:])
        for value in (1, 0):
            engine.set("amp", "bypass", value)
            parts = [engine.process(128)]
            for plan in engine.stages(patch):
                engine.publish(plan)
                parts.append(engine.process(4800))
            assert bend(np.concatenate(parts)) < 4 * own + 2e-3


def test_a_bypass_passes_the_first_inlet_and_no_other_when_its_cable_goes() -> None:
    patch = voice()
    patch.connect("b.out", "amp.cv")
    SetBypass("amp").apply(patch)
    with live(patch) as engine:
        assert engine.process(640).any()
        patch.disconnect("mix.out", "amp.audio")
        swap(engine, patch)
        assert not engine.process(640).any()  # the control voltage is no sound


def test_a_bypassed_source_is_silent_whatever_moves_its_pitch() -> None:
    patch = patch_of(
        ("mod/lfo", "vibrato", {}), ("source/sine", "a", {}), ("io/output", "out", {"to": "channels"}),
        cables="vibrato.out>a.pitch a.out>out.audio",
    )  # fmt: skip
    SetBypass("a").apply(patch)
    with live(patch) as engine:
        assert not engine.process(640).any()


def test_a_bypassed_delay_line_goes_on_listening_and_holds_no_edge() -> None:
    patch = voice()
    patch.add("effect/delay", "echo", time=0.05, mix=1.0)
    patch.disconnect("amp.out", "out.audio")
    patch.connect("amp.out", "echo.audio")
    patch.connect("echo.out", "out.audio")
    with live(patch) as engine:
        own = bend(engine.process(9600)[4800:])
        parts = []
        for value in (1, 0, 1, 0):
            engine.set("echo", "bypass", value)
            parts.append(engine.process(3001))  # not whole periods of the sine
            parts.append(swap(engine, patch))
        assert bend(np.concatenate([*parts, engine.process(9600)])) < 4 * own + 2e-3
