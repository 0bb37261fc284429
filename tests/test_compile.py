"""From Python functions to machine code: what is refused, what float32 means, what a name depends on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nodes import catalog
from nodes import compile as compiler
from nodes.base import In, Node, Out, Setting, f32
from nodes.units import key, unit
from tests.rig import run

THIRD = 1.0 / 3.0


def third(x):  # type: ignore[no-untyped-def]
    return x * THIRD


class Thirds(Node):
    """Test: a third of what comes in, by way of a helper and a module constant."""

    id = "test/thirds"
    a = In(doc="in")
    out = Out(doc="out")

    def kernel(frames, channels, sr, state, a, out):  # type: ignore[no-untyped-def]
        for i in range(frames):
            for c in range(channels):
                out[i, c] = third(a[i, c]) + 0.1


class Raises(Node):
    """Test: raises."""

    id = "test/raises"
    a = In(doc="in")
    out = Out(doc="out")

    def kernel(frames, channels, sr, state, a, out):  # type: ignore[no-untyped-def]
        for i in range(frames):
            if a[i, 0] > 2.0:
                raise ValueError("too loud")
            out[i, 0] = a[i, 0]


class Allocates(Node):
    """Test: allocates."""

    id = "test/allocates"
    a = In(doc="in")
    out = Out(doc="out")

    def kernel(frames, channels, sr, state, a, out):  # type: ignore[no-untyped-def]
        held = np.zeros(frames)
        for i in range(frames):
            held[i] = a[i, 0]
        for i in range(frames):
            out[i, 0] = held[frames - 1 - i]


class Nonsense(Node):
    """Test: cannot be typed."""

    id = "test/nonsense"
    a = In(doc="in")
    out = Out(doc="out")

    def kernel(frames, channels, sr, state, a, out):  # type: ignore[no-untyped-def]
        out[0, 0] = a.no_such_thing


class Beyond(Node):
    """Test: writes behind its line."""

    id = "test/beyond"
    a = In(doc="in")
    size = Setting(4, 1, 16, doc="cells")
    out = Out(doc="out")
    state = {"line": f32["size"]}

    def kernel(frames, channels, sr, state, a, out):  # type: ignore[no-untyped-def]
        for i in range(frames):
            state.line[i, 0] = a[i, 0]
            out[i, 0] = state.line[i, 0]


def test_python_floats_are_float32_in_kernels() -> None:
    x = np.random.default_rng(0).standard_normal(100).astype(np.float32)
    want = x * np.float32(THIRD) + np.float32(0.1)
    assert np.array_equal(run(Thirds, 100, a=x)["out"][:, 0], want)


def test_a_kernel_that_could_raise_is_refused_by_name() -> None:
    with pytest.raises(compiler.CompileError, match="test/raises could raise an exception"):
        compiler.build(unit(Raises))


def test_a_kernel_that_allocates_is_refused_by_name() -> None:
    with pytest.raises(compiler.CompileError, match=r"test/allocates (allocates|could raise)"):
        compiler.build(unit(Allocates))


def test_a_kernel_that_numba_cannot_type_is_one_sentence() -> None:
    with pytest.raises(compiler.CompileError, match=r"kernel of test/nonsense cannot be compiled: .*no_such_thing") as caught:
        compiler.build(unit(Nonsense))
    assert "\n" not in str(caught.value)


def test_bounds_checks_fire_where_a_kernel_leaves_its_arrays() -> None:
    assert run(Beyond, 4, cut=4, checked=True)["out"].shape == (4, 1)
    with pytest.raises(IndexError, match="bounds check"):
        run(Beyond, 5, cut=5, checked=True)


def test_a_name_depends_on_helpers_and_constants_but_not_on_words() -> None:
    first = key(unit(Thirds))

    def other(function: object) -> str:
        body = dict(vars(Thirds))
        made = type(
            "Thirds",
            (Node,),
            {k: v for k, v in body.items() if k in ("id", "a", "out")} | {"__doc__": "Another doc.", "kernel": function},
        )
        return key(unit(made))  # type: ignore[arg-type]

    kernel = Thirds.kernel
    assert other(kernel) == first
    changed = type(kernel)(kernel.__code__, {**kernel.__globals__, "third": lambda x: x * 0.25}, "kernel")
    assert other(changed) != first


def test_a_warm_start_compiles_nothing_and_imports_no_numba(tmp_path: Path) -> None:
    program = (
        "import sys; from nodes import Patch; from runtime.offline import render\n"
        "p = Patch(); p.add('maths/add', 'a', b=0.25); p.add('io/output', 'o'); p.connect('a.out', 'o.audio')\n"
        "print(render(p, 0.1).audio[100, 0], 'numba' in sys.modules, 'torch' in sys.modules)"
    )
    env = {**os.environ, "ZRACK_CACHE": str(tmp_path)}
    runs = [
        subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs == ["0.25 True False\n", "0.25 False False\n"] or runs[1] == "0.25 False False\n"
    assert catalog.classes["maths/add"]
