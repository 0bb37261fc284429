"""The engine: loops, controls, bypass, quarantine, work nodes, and sound that does not depend on how it is cut."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
import soundfile

from graph import PatchError
from nodes import Patch
from nodes import compile as compiler
from runtime.engine import Engine
from runtime.layout import S_FUSED
from runtime.library import addresses
from runtime.offline import Event, render

CUTS = (1, 32, 64, 100, 256, 1000)


def patch_of(*nodes: tuple[str, str, dict[str, object]], cables: str, **kw: object) -> Patch:
    """A patch in two lines: nodes, then cables as `a.out>b.audio b.out>c.audio`."""
    patch = Patch(**kw)
    for kind, name, values in nodes:
        patch.add(kind, name, **values)
    for cable in cables.split():
        a, b = cable.split(">")
        patch.connect(a, b)
    return patch


def loop_patch() -> Patch:
    patch = patch_of(
        ("source/noise", "src", {}), ("maths/add", "sum", {}), ("maths/multiply", "gain", {"b": 0.97}),
        ("maths/delta", "diff", {}), ("io/output", "out", {"to": "channels"}),
        cables="src.out>sum.a sum.out>gain.a gain.out>out.audio sum.out>diff.a",
    )  # fmt: skip
    patch.connect("gain.out", "sum.b", mode="units")
    patch.limiter = False
    return patch


@pytest.mark.parametrize("fused", [True, False])
def test_a_resonator_in_a_one_sample_loop_equals_its_difference_equation(fused: bool) -> None:
    # y[n] = x[n] + a1 y[n-1] + a2 y[n-2], the older sample made as z - delta(z) of the delayed cable z = y[n-1]
    a1, a2 = 1.9, -0.95
    patch = patch_of(
        ("io/input", "x", {}), ("maths/add", "z", {"b": 0.0}), ("maths/multiply", "g1", {"b": a1 + a2}),
        ("maths/delta", "d", {}), ("maths/multiply", "g2", {"b": -a2}), ("maths/add", "y", {"b": 0.0}),
        ("io/output", "out", {"to": "channels"}),
        cables="z.out>g1.a z.out>d.a d.out>g2.a x.out>y.a g1.out>y.a g2.out>y.a y.out>out.audio y.out>z.a",
    )  # fmt: skip
    patch.limiter = False
    assert [k for k, c in patch.cables.items() if c.delayed] == [("y", "out", "z", "a")]
    x = np.zeros((4800, 1), np.float32)
    x[10] = 1.0
    got = render(patch, 0.1, x, fused=fused).audio[:, 0]
    f = np.float32
    y1, before, want = f(0), f(0), np.zeros(4800, np.float32)
    for n in range(4800):
        z = y1
        y1 = f(f(f(z * f(a1 + a2)) + f(f(z - before) * f(-a2))) + x[n, 0])
        before, want[n] = z, y1
    heard = np.abs(want) > 1e-30  # below, the engine flushes denormals
    assert np.array_equal(got[heard], want[heard]) and np.abs(got[~heard]).max() < 1e-29
    assert np.abs(want).max() > 2.0 and np.abs(want[-100:]).max() < 1e-3  # it rings, and dies away


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("cut", CUTS)
def test_a_loop_sounds_the_same_however_it_is_cut(cut: int, fused: bool) -> None:
    assert np.array_equal(render(loop_patch(), 0.05, cut=cut, fused=fused).audio, render(loop_patch(), 0.05).audio)


def test_live_a_loop_sounds_at_once_and_its_fused_kernel_comes_in_unheard() -> None:
    want = render(loop_patch(), 1.0).audio
    for old in compiler.folder().glob("f_*"):
        old.unlink()  # so that it has to be compiled
    with Engine(loop_patch(), offline=False) as engine:
        first = engine.process(640)
        assert not engine.plan.segments[:, S_FUSED].any()  # that took microseconds, the compiler takes longer
        engine.fused.join()
        assert engine.plan.segments[:, S_FUSED].any()
        rest = engine.process(48000 - 640)
    assert np.array_equal(np.concatenate([first, rest]), want)


@pytest.mark.parametrize("cut", CUTS)
def test_input_arrives_sample_for_sample(cut: int) -> None:
    patch = patch_of(
        ("io/input", "in", {"count": 2}), ("io/output", "out", {"to": "channels"}), cables="in.out>out.audio", rate=48000
    )
    x = np.random.default_rng(1).uniform(-0.5, 0.5, (3000, 2)).astype(np.float32)
    assert np.array_equal(render(patch, 3000 / 48000, x, cut=cut).audio, x)


def test_a_still_knob_and_one_that_was_moved_there_end_in_the_same_samples() -> None:
    def patch(value: float) -> Patch:
        return patch_of(
            ("source/saw", "osc", {"freq": 110.0}), ("filter/svf", "f", {"cutoff": value}), ("io/output", "out", {}),
            cables="osc.out>f.audio f.low>out.audio",
        )  # fmt: skip

    still = render(patch(3000.0), 0.5).audio
    moved = render(patch(300.0), 0.5, events=[Event(0.1, "f", "cutoff", 3000.0)]).audio
    assert not np.array_equal(still[:4800], moved[:4800])
    assert np.abs(still[-2400:] - moved[-2400:]).max() < 1e-4
    for cut in CUTS:
        again = render(patch(300.0), 0.2, events=[Event(0.1, "f", "cutoff", 3000.0)], cut=cut).audio
        assert np.array_equal(again, moved[: len(again)])


def test_an_lfo_hears_of_every_rate_and_reset_that_is_set() -> None:
    patch = patch_of(
        ("source/constant", "cv", {"value": 0.0}), ("mod/lfo", "l", {"rate": 30.0}), ("io/output", "out", {"to": "channels"}),
        cables="cv.out>l.reset l.out>out.audio",
    )  # fmt: skip
    patch.limiter = False
    events = [Event(0.1, "l", "rate", 50.0), Event(0.25, "cv", "value", 1.0), Event(0.4, "cv", "bypass", 1.0)]
    y = render(patch, 0.5, events=events).audio[:, 0]
    crossings = [int(np.sum((a[:-1] < 0) & (a[1:] >= 0))) for a in (y[:4800], y[9600:12000], y[14400:19200])]
    assert crossings in ([2, 2, 5], [3, 3, 5], [2, 3, 5], [3, 2, 5])  # 30 Hz, then 50 Hz
    reset = int(np.argmax(np.abs(np.diff(y[11900:13000])))) + 11901
    assert abs(y[reset]) < 0.01 and 12000 <= reset <= 12600  # half-way up its ramp the constant passed 0.5
    for cut in CUTS:
        assert np.array_equal(render(patch, 0.5, events=events, cut=cut).audio[:, 0], y)


def test_a_param_moves_in_a_straight_line_of_knob_position_and_ends_exactly() -> None:
    patch = patch_of(("maths/add", "v", {"b": 0.0}), ("io/output", "out", {"to": "channels"}), cables="v.out>out.audio")
    patch.limiter = False
    smooth = round(patch.spec("v").params["b"].smooth * 48000)
    y = render(patch, 0.1, events=[Event(1000 / 48000, "v", "b", 1.0)]).audio[:, 0]
    assert not y[:1000].any() and (y[1000 + smooth :] == 1.0).all()
    steps = np.diff(y[999 : 1000 + smooth])
    assert np.allclose(steps, 1 / smooth, rtol=0.1)


def test_a_cable_moves_a_knob_by_its_amount_whatever_the_unit() -> None:
    patch = patch_of(
        ("source/constant", "cv", {"value": 1.0}), ("source/constant", "x", {"value": 1.0}), ("test/bomb", "b", {}),
        ("maths/multiply", "m", {"b": 0.0}), ("io/output", "out", {"to": "channels"}),
        cables="x.out>m.a m.out>out.audio",
    )  # fmt: skip
    patch.limiter = False
    patch.connect("cv.out", "m.b", amount=0.5, mode="units")
    assert (render(patch, 0.01).audio[:, 0] == 0.5).all()


def test_bypass_passes_the_sound_on() -> None:
    patch = patch_of(
        ("source/constant", "x", {"value": 0.25}), ("maths/multiply", "m", {"b": 3.0}),
        ("io/output", "out", {"to": "channels"}), cables="x.out>m.a m.out>out.audio",
    )  # fmt: skip
    y = render(patch, 0.1, events=[Event(0.05, "m", "bypass", 1.0)]).audio[:, 0]
    assert y[100] == 0.75 and y[-1] == 0.25


def test_the_engine_is_a_c_function_as_a_sound_device_wants_it() -> None:
    expected = render(loop_patch(), 0.02).audio
    with Engine(loop_patch()) as engine:
        call = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p
        )(addresses()["callback"])
        got = np.zeros_like(expected)
        for start in range(0, len(got), 96):
            n = min(96, len(got) - start)
            assert call(None, got.ctypes.data + 4 * start * got.shape[1], n, None, 0, engine.address) == 0
    assert np.array_equal(got, expected)


# ---------------------------------------------------------------------------------------------- quarantine


def rack_of_200(bomb: bool = True) -> Patch:
    """Forty chains of five nodes, every fourth a loop; one chain holds the bomb."""
    patch = Patch()
    patch.add("io/output", "out", level=-40.0)
    for k in range(40):
        n = f"c{k:02d}"
        patch.add("source/saw", f"{n}a", freq=50.0 + 10 * k)
        patch.add("maths/add", f"{n}b")
        patch.add("test/bomb" if bomb and k == 21 else "maths/multiply", f"{n}c", **({} if bomb and k == 21 else {"b": 0.5}))
        patch.add("filter/svf", f"{n}d", cutoff=500.0)
        patch.connect(f"{n}a.out", f"{n}b.a")
        patch.connect(f"{n}b.out", f"{n}c.audio" if bomb and k == 21 else f"{n}c.a")
        patch.connect(f"{n}c.out", f"{n}d.audio")
        patch.connect(f"{n}d.low", "out.audio")
        if k % 4 == 1:
            patch.connect(f"{n}d.low", f"{n}b.a", amount=0.5)
        patch.add("maths/multiply", f"{n}e", b=0.1)
        patch.connect(f"{n}d.band", f"{n}e.a")
    return patch


@pytest.mark.parametrize("kind", ["nan", "inf"])
@pytest.mark.parametrize("fused", [True, False])
def test_only_the_node_that_puts_out_nan_is_bypassed(kind: str, fused: bool) -> None:
    patch = rack_of_200()
    patch.set("c21c", kind=kind)
    at = 5000
    with Engine(patch, fused=fused) as engine:
        engine.set("c21c", "fuse", 1.0, at)
        before = engine.process(at // 64 * 64)
        block = engine.process(64)
        faults = engine.faults()
        assert [f.node for f in faults] == ["c21c"] and faults[0].time == at
        after = engine.process(6400)
        assert engine.faults() == []
        for step in engine.plan.steps:
            for out in step.outs:
                assert np.isfinite(engine.memory.view(out.at, 4 * out.channels * 64, "float32")).all(), step.node
    for part in (before, block, after):
        assert np.isfinite(part).all()
    assert np.abs(after[-2000:]).max() > 0.001  # the rest of the rack still sounds
    jumps = np.abs(np.diff(np.concatenate([before, block, after])[:, 0]))
    assert jumps[at - 64 : at + 256].max() <= 1.5 * jumps[: at - 64].max() + 0.02


def test_a_node_nobody_hears_is_found_by_the_rotating_check() -> None:
    patch = patch_of(
        ("source/constant", "x", {"value": 0.5}), ("test/bomb", "b", {"fuse": 1.0}), ("io/output", "out", {}),
        cables="x.out>b.audio x.out>out.audio",
    )  # fmt: skip
    result = render(patch, 0.1)
    assert [f.node for f in result.faults] == ["b"] and np.isfinite(result.audio).all() and result.audio[-1, 0] == 0.5


# ---------------------------------------------------------------------------------------------- work


@pytest.mark.parametrize("hop", [64, 100, 256, 1000])
def test_a_work_node_is_late_by_exactly_its_latency(hop: int) -> None:
    patch = patch_of(
        ("test/count", "n", {}), ("test/twice", "w", {"hop": hop}), ("io/output", "out", {"to": "channels"}),
        cables="n.out>w.audio w.out>out.audio",
    )  # fmt: skip
    patch.limiter = False
    with Engine(patch) as engine:
        latency = engine.plan.ports["w"].latency
        y = engine.process(8000)[:, 0]
    assert latency == hop + -(-hop // 64) * 64
    assert not y[:latency].any()
    assert np.array_equal(y[latency:], 2.0 * np.arange(8000 - latency))
    for cut in (1, 100, 1000):
        assert np.array_equal(render(patch, 4000 / 48000, cut=cut).audio[:, 0], y[:4000])


def test_a_loop_through_a_work_node_needs_no_delayed_cable() -> None:
    patch = patch_of(
        ("source/impulse", "i", {}), ("maths/multiply", "g", {"b": 0.25}), ("test/twice", "w", {}), ("io/output", "out", {}),
        cables="i.out>g.a g.out>w.audio w.out>g.a g.out>out.audio",
    )  # fmt: skip
    assert not any(c.delayed for c in patch.cables.values())
    assert np.isfinite(render(patch, 0.1).audio).all()


@pytest.mark.parametrize(
    ("values", "reason"),
    [({"trouble": 5}, "RuntimeError: it was asked to"), ({"bad": 5}, "ValueError: put out a number that is not finite"),
     ({"crash": 5}, "its process ended with code 3")],
)  # fmt: skip
def test_work_that_fails_is_bypassed_and_named(values: dict[str, object], reason: str) -> None:
    patch = patch_of(
        ("test/count", "n", {}), ("test/twice", "w", values), ("io/output", "out", {}),
        cables="n.out>w.audio w.out>out.audio",
    )  # fmt: skip
    patch.limiter = False
    result = render(patch, 0.2)
    assert [(f.node, f.reason) for f in result.faults] == [("w", f"node w: {reason}")]
    assert np.array_equal(result.audio[-1000:, 0], np.arange(9600 - 1512, 9600 - 512))  # the dry sound, one latency late


def test_a_bypassed_work_node_passes_the_sound_on_one_latency_late() -> None:
    patch = patch_of(
        ("test/count", "n", {}), ("test/twice", "w", {}), ("io/output", "out", {}), cables="n.out>w.audio w.out>out.audio"
    )
    patch.limiter = False
    y = render(patch, 0.2, events=[Event(0.1, "w", "bypass", 1.0), Event(0.15, "w", "bypass", 0.0)]).audio[:, 0]
    n = np.arange(9600) - 512
    assert np.array_equal(y[512:4736], 2 * n[512:4736]) and np.array_equal(y[-1000:], 2 * n[-1000:])
    assert np.array_equal(y[6000:7000], n[6000:7000])


def test_a_recording_holds_every_sample_and_is_never_written_over(tmp_path: Path) -> None:
    patch = patch_of(("io/input", "in", {"count": 2}), ("io/record", "rec", {"file": "take.wav"}), cables="in.out>rec.audio")
    patch.save(tmp_path / "tape.zrack")
    patch = Patch.load(tmp_path / "tape.zrack")
    x = np.random.default_rng(3).uniform(-1, 1, (9000, 2)).astype(np.float32)
    for take in ("take.wav", "take-2.wav"):
        assert render(patch, 9000 / 48000, x).faults == []
        assert np.array_equal(soundfile.read(tmp_path / take, dtype="float32")[0][:9000], x)


def test_a_sound_file_outside_the_folder_of_the_patch_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "secret.wav", np.zeros(10), 48000)
    (tmp_path / "inner").mkdir()
    patch = patch_of(("source/sample", "s", {}), ("io/output", "out", {}), cables="s.out>out.audio")
    patch.save(tmp_path / "inner" / "p.zrack")
    (tmp_path / "inner" / "link.wav").symlink_to(tmp_path / "secret.wav")
    patch = Patch.load(tmp_path / "inner" / "p.zrack")
    patch.set("s", file="link.wav")
    with pytest.raises(PatchError, match=r"node s: file: link.wav leads out of the folder"):
        render(patch, 0.1)


def test_every_steps_cpu_is_sampled() -> None:
    with Engine(rack_of_200(bomb=False), fused=False) as engine:
        engine.process(64 * 400)
        cpu = engine.cpu()
    assert all(v > 0 for v in cpu.values()) and len(cpu) >= 150  # a loop counts as its first node
