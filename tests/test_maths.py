"""The maths nodes against what numpy computes, and their edges."""

from __future__ import annotations

import re

import llvmlite.binding as llvm
import numpy as np
import pytest

from nodes import classes
from nodes import compile as compiler
from nodes.pitch import SCALES
from nodes.units import key
from nodes.units import unit as unit_of
from tests.rig import run

N = 512
RNG = np.random.default_rng(7)
A = RNG.uniform(-3.0, 3.0, N).astype(np.float32)
B = RNG.uniform(-3.0, 3.0, N).astype(np.float32)


def out(id: str, port: str = "out", **inputs: object) -> np.ndarray:
    """One outlet of a node type, its first channel."""
    return run(classes[id], frames=N, **inputs)[port][:, 0]  # type: ignore[arg-type]


def fold(x: np.ndarray) -> np.ndarray:
    """Mirrors at ±1, one at a time."""
    x = x.astype(np.float64)
    while (abs(x) > 1.0).any():
        x = np.where(x > 1.0, 2.0 - x, x)
        x = np.where(x < -1.0, -2.0 - x, x)
    return x


@pytest.mark.parametrize(
    ("id", "given", "expected"),
    [
        ("maths/add", {"b": B}, A + B),
        ("maths/multiply", {"b": B}, A * B),
        ("maths/min", {"b": B}, np.minimum(A, B)),
        ("maths/max", {"b": B}, np.maximum(A, B)),
        ("maths/clip", {"low": -0.5, "high": 0.7}, np.clip(A, -0.5, 0.7)),
        ("maths/scale", {"out_low": 200.0, "out_high": 2000.0}, 1100.0 + 900.0 * A),
        ("maths/scale", {"in_low": 1.0, "in_high": -1.0, "limit": "on"}, np.clip(0.5 - A / 2, 0.0, 1.0)),
        ("maths/scale", {"in_low": 0.5, "in_high": 0.5, "out_low": 3.0}, np.full(N, 3.0)),
        ("maths/fold", {"drive": 4.0}, fold(A * 4)),
        ("maths/wrap", {"low": -1.0, "high": 0.5}, (A + 1.0) % 1.5 - 1.0),
        ("maths/absolute", {}, abs(A)),
        ("maths/absolute", {"keep": "positive"}, np.maximum(A, 0.0)),
        ("maths/absolute", {"keep": "negative"}, np.maximum(-A, 0.0)),
        ("maths/power", {"exponent": 3.0}, A.astype(float) ** 3),
        ("maths/power", {"exponent": 0.5}, np.sign(A) * np.sqrt(abs(A))),
        ("maths/saturate", {"drive": 2.0, "bias": 0.3}, np.tanh(2.0 * A + 0.3) - np.tanh(0.3)),
        ("maths/saturate", {"shape": "soft"}, A / (1.0 + abs(A))),
        ("maths/saturate", {"shape": "cubic"}, 1.5 * np.clip(A, -1, 1) - 0.5 * np.clip(A, -1, 1) ** 3),
        ("maths/compare", {"b": B}, (A > B) * 1.0),
        ("maths/compare", {"b": B, "test": "below"}, (A < B) * 1.0),
        ("maths/compare", {"b": B, "test": "near", "margin": 0.4}, (abs(A - B) <= np.float32(0.4)) * 1.0),
        ("maths/delta", {}, np.diff(A, prepend=np.float32(0.0))),
        ("maths/delta", {"unit": "per second"}, np.diff(A, prepend=np.float32(0.0)) * 48000.0),
        ("maths/mtof", {"tuning": 442.0}, 442.0 * 2.0 ** ((A - 69.0) / 12.0)),
        ("maths/mtof", {"unit": "volts"}, 261.6255653 * 2.0 ** A.astype(float)),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_against_numpy(id: str, given: dict[str, object], expected: np.ndarray) -> None:
    top = max(1.0, float(abs(expected).max()))
    assert out(id, a=A, **given) == pytest.approx(expected.astype(float), rel=2e-6, abs=2e-6 * top)


@pytest.mark.parametrize("unit", ["MIDI note", "volts"])
def test_ftom_undoes_mtof(unit: str) -> None:
    notes = np.linspace(-5.0, 8.0, N) * (12.0 if unit == "MIDI note" else 1.0)
    hertz = out("maths/mtof", a=notes, unit=unit)
    assert out("maths/ftom", a=hertz, unit=unit) == pytest.approx(notes, abs=1e-4)
    assert np.isfinite(out("maths/ftom", a=-A)).all()  # a frequency below 0 has no note, but makes no NaN either


def test_known_notes() -> None:
    assert out("maths/mtof", a=69.0)[0] == 440.0
    assert out("maths/mtof", a=60.0)[0] == pytest.approx(261.6255653, rel=1e-6)
    assert out("maths/ftom", a=440.0, unit="volts")[0] == pytest.approx(0.75, abs=1e-6)


@pytest.mark.parametrize("scale", list(SCALES))
@pytest.mark.parametrize("root", ["C", "D", "B"])
def test_quantise_finds_the_nearest_note(scale: str, root: str) -> None:
    volts = np.linspace(-5.0, 5.0, N).astype(np.float32)
    shift = {"C": 0, "D": 2, "B": 11}[root]
    allowed = np.array([12 * o + s + shift for o in range(-8, 8) for s in SCALES[scale]])
    got = out("maths/quantise", a=volts, scale=scale, root=root) * 12
    assert np.isin(np.round(got).astype(int), allowed).all()
    assert got == pytest.approx(np.round(got), abs=1e-4)
    nearest = abs(volts.astype(float)[:, None] * 12 - allowed[None]).min(axis=1)
    assert abs(got - volts.astype(float) * 12) == pytest.approx(nearest, abs=1e-4)


def test_quantise_custom_scale_and_changes() -> None:
    volts = np.repeat([0.0, 0.02, 0.3, 0.33, 1.0, 0.0, 0.0, 0.0], N // 8)
    given = {"a": volts, "scale": "custom", "notes": [[0.0], [4.0]]}
    assert list(np.round(out("maths/quantise", **given)[:: N // 8] * 12)) == [0, 0, 4, 4, 12, 0, 0, 0]
    assert list(np.flatnonzero(out("maths/quantise", "changed", **given))) == [2 * N // 8, 4 * N // 8, 5 * N // 8]


def test_compare_margin_holds_a_trembling_gate() -> None:
    x = 0.2 * np.sin(np.arange(N)) + np.where(np.arange(N) < N // 2, 1.0, -1.0)
    x[N // 4] = -0.3  # below b, but not by the margin
    assert list(out("maths/compare", a=x, margin=0.5)) == [1.0] * (N // 2) + [0.0] * (N // 2)
    assert out("maths/compare", a=x)[N // 4] == 0.0


def test_logic() -> None:
    p, q = np.tile([0.0, 0.0, 1.0, 1.0], N // 4), np.tile([0.0, 1.0, 0.0, 1.0], N // 4)
    tables = {"and": "0001", "or": "0111", "xor": "0110", "nand": "1110", "nor": "1000", "xnor": "1001", "not": "1100"}
    for rule, expected in tables.items():
        assert "".join(str(int(x)) for x in out("maths/logic", a=p, b=q, rule=rule)[:4]) == expected, rule
    assert list(out("maths/logic", a=p, rule="toggle")[:12]) == [0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1]
    assert list(out("maths/logic", a=[0, 1, 0, 0, 0, 1, 0, 0] * (N // 8), b=[0, 0, 0, 1, 0, 0, 0, 0] * (N // 8),
                    rule="latch")[:9]) == [0, 1, 1, 0, 0, 1, 1, 1, 1]  # fmt: skip


def test_crossfade_ends_are_exact_and_power_is_equal() -> None:
    assert (out("maths/crossfade", a=A, b=B, mix=0.0) == A).all()
    assert out("maths/crossfade", a=A, b=B, mix=1.0) == pytest.approx(B, abs=1e-6)
    mix = np.linspace(0.0, 1.0, N)
    left, right = out("maths/crossfade", a=1.0, mix=mix), out("maths/crossfade", b=1.0, mix=mix)
    assert left**2 + right**2 == pytest.approx(np.ones(N), abs=1e-6)
    assert out("maths/crossfade", a=A, b=B, mix=0.25, law="linear") == pytest.approx(0.75 * A + 0.25 * B, abs=1e-6)


def test_switch_jumps_or_blends() -> None:
    sounds = {f"in{k}": float(k) * 10.0 for k in range(1, 9)}
    at = np.linspace(1.0, 8.0, N).astype(np.float32)
    assert (out("maths/switch", select=at, **sounds) == np.floor(at + np.float32(0.5)) * 10.0).all()
    assert out("maths/switch", select=at, between="blend", **sounds) == pytest.approx(at * 10.0, rel=1e-5)


def test_mix_and_mixdown() -> None:
    levels = {f"level{k}": k / 4 - 1.0 for k in range(1, 9)}
    sounds = {f"in{k}": A * k for k in range(1, 9)}
    assert out("maths/mix", **sounds, **levels) == pytest.approx(sum(A * k * (k / 4 - 1.0) for k in range(1, 9)), abs=1e-4)
    four = np.stack([A, B, A, B], axis=1)
    assert out("maths/mixdown", a=four) == pytest.approx(2 * (A + B), abs=1e-5)
    assert out("maths/mixdown", a=four, law="mean") == pytest.approx((A + B) / 2, abs=1e-5)
    assert out("maths/mixdown", a=four, law="equal power") == pytest.approx(A + B, abs=1e-5)


def test_pack_unpack() -> None:
    pack, unpack = classes["maths/pack"], classes["maths/unpack"]
    given = {f"in{k}": A * k for k in range(1, 9)}
    packed = run(pack, frames=N, settings={"count": 10}, values=[[5.0], [6.0]], **given)["out"]
    assert packed.shape == (N, 10)
    assert (packed[:, 0] == A + np.float32(5.0)).all()
    assert (packed[:, 7] == A * 8).all()
    assert (packed[:, 8:] == 0.0).all()
    for first in (1, 4):
        parts = run(unpack, frames=N, settings={"first": first}, a=packed)
        for k in range(8):
            column = first - 1 + k
            expected = packed[:, column] if column < 10 else np.zeros(N)
            assert (parts[f"out{k + 1}"][:, 0] == expected).all()


def test_a_pack_of_64_constants() -> None:
    table = np.arange(64.0)[:, None] * 10
    assert (run(classes["maths/pack"], frames=4, settings={"count": 64}, values=table)["out"] == table[:, 0]).all()


def test_spread() -> None:
    def spread(**given: object) -> np.ndarray:
        return run(classes["maths/spread"], frames=4, settings={"count": 5}, a=1.0, spread=0.5, **given)["out"][0]  # type: ignore[arg-type]

    assert spread() == pytest.approx([0.5, 0.75, 1.0, 1.25, 1.5])
    assert spread(shape="upward") == pytest.approx([1.0, 1.125, 1.25, 1.375, 1.5])
    random = spread(shape="random")
    assert len(set(random)) == 5
    assert (abs(random - 1.0) <= 0.5).all()
    assert (spread(shape="random") == random).all()
    assert (spread(shape="random", seed=2) != random).all()
    assert (run(classes["maths/spread"], frames=4, settings={"count": 1}, a=1.0)["out"] == 1.0).all()


@pytest.mark.parametrize("id", ["maths/add", "maths/multiply", "maths/clip", "maths/saturate", "maths/mtof"])
@pytest.mark.parametrize("mono", [True, False])
def test_hot_kernels_use_vector_registers(id: str, mono: bool) -> None:
    unit = unit_of(classes[id], "kernel", mono)
    compiler.address(unit)
    text = str(llvm.parse_bitcode((compiler.folder() / f"k_{key(unit)}.bc").read_bytes()))
    assert re.search(r"<\d+ x float>", text)


# ---------------------------------------------------------------------------------------------- latents


def test_latent_pack_reads_the_sample_before_the_frame_or_the_mean() -> None:
    x = np.arange(N, dtype=np.float32)
    pack, settings = classes["latent/pack"], {"dims": 2}
    two = np.stack([x, -x], axis=1)
    last = run(pack, frames=N, settings=settings, signals=two, spacing=100)["z"]
    assert last.tolist() == [[0, 0], [99, -99], [199, -199], [299, -299], [399, -399], [499, -499]]
    mean = run(pack, frames=N, settings=settings, signals=two, spacing=100, read="mean", cut=7)["z"]
    assert mean[:3].tolist() == [[0, 0], [49.5, -49.5], [149.5, -149.5]]


def test_latent_unpack_holds_or_ramps() -> None:
    z = np.arange(12.0).reshape(6, 2)
    unpack = classes["latent/unpack"]
    held = run(unpack, frames=N, settings={"count": 3}, z=z, spacing=100)["out"]
    assert (held[:, :2] == z[np.arange(N) // 100]).all()
    assert (held[:, 2] == 0.0).all()
    ramp = run(unpack, frames=N, settings={"count": 1, "first": 2}, z=z, spacing=100, shape="ramp")["out"][:, 0]
    # one frame later, in straight lines
    assert ramp[200:] == pytest.approx(np.interp(np.arange(N) - 100, np.arange(6) * 100, z[:, 1])[200:], abs=1e-5)
    assert abs(np.diff(ramp[100:])).max() == pytest.approx(0.02, abs=1e-5)


def test_latent_operators_follow_the_clock() -> None:
    a, b = np.arange(8.0).reshape(4, 2), -np.ones((4, 2))
    gain = np.repeat([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]], 128, axis=0)
    got = run(classes["latent/affine"], frames=N, channels=2, z=a, gain=gain, bias=1.0, spacing=128)["out"]
    assert got.tolist() == (a * gain[::128] + 1.0).tolist()
    assert run(classes["latent/affine"], frames=N, z=a, gain=2.0, spacing=128)["out"].tolist() == (a * 2).tolist()
    mixed = run(classes["latent/mix"], frames=N, a=a, b=b, mix=np.repeat([0.0, 1.0, 0.5, 2.0], 128), spacing=128)["out"]
    assert mixed.tolist() == [[0, 1], [-1, -1], [1.5, 2.0], [-8.0, -9.0]]
