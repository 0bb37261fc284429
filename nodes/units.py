"""What is compiled at once: a node's kernel or prepare function, the row of cells it reads, and a name by content."""

from __future__ import annotations

import hashlib
import inspect
import platform
import types as pytypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numpy as np

from graph.spec import In, Out

from .base import LEAD, Node

HEAD = 6
"""Row cells before the arguments: function, bytes to the next row, channels, engine rate, record, clock."""


@dataclass(frozen=True)
class Arg:
    """One argument of a compiled function and the row cells it is built from.

    kind: "buffer" (address), "own" (address, channels), "int", "float" (float64 bits), "data" (address, rows, columns),
    "latent" (address, dims; not shifted by s0), "ticks" (address of int32), "state" cell (address, then rows if a line).
    """

    name: str
    kind: str
    dtype: str = "float32"
    size: int | str | None = None
    fixed: int = 0  # channels known when compiling

    @property
    def cells(self) -> int:
        if self.kind == "data":
            return 3
        if self.kind in ("own", "latent"):
            return 2
        return 2 if self.kind == "state" and isinstance(self.size, str) else 1


@dataclass(frozen=True)
class Unit:
    """What is compiled at once: a node's kernel or prepare function, for one channel or for many."""

    name: str
    function: Callable[..., Any]
    args: tuple[Arg, ...]
    mono: bool
    scalar: tuple[str, ...] = ()  # a prepare function: names of the coefficients it returns
    outs: tuple[str, ...] = ()  # names of the arguments that it writes

    def cell(self, name: str) -> int:
        """Index of the first row cell of argument `name`."""
        at = HEAD
        for arg in self.args:
            if arg.name == name:
                return at
            at += arg.cells
        raise KeyError(name)

    @property
    def width(self) -> int:
        """Row cells in all."""
        return HEAD + sum(a.cells for a in self.args)


_units: dict[tuple[type[Node], str, bool], Unit] = {}


def unit(cls: type[Node], part: str = "kernel", mono: bool = True) -> Unit:
    """The kernel or prepare function of a node type with its row layout; made once."""
    found = _units.get((cls, part, mono))
    if found is None:
        found = _units[cls, part, mono] = _make(cls, part, mono)
    return found


def _make(cls: type[Node], part: str, mono: bool) -> Unit:
    spec = cls.spec
    ports: list[In | Out] = [*spec.inlets.values(), *spec.outlets.values()]
    mixed = any(p.latent for p in ports) and (bool(spec.params) or any(not p.latent for p in ports))

    def port(name: str, p: Any) -> Arg:
        if p.latent and mixed:
            return Arg(name, "latent")
        if p.channels is None:
            return Arg(name, "buffer")
        return Arg(name, "own", fixed=p.channels if isinstance(p.channels, int) else 0)

    def arg(name: str) -> Arg:
        if name in spec.inlets:
            return port(name, spec.inlets[name])
        if name in spec.outlets:
            return port(name, spec.outlets[name])
        if name in spec.choices or name in ("seed", "moving"):
            return Arg(name, "int")
        if name in spec.settings:
            return Arg(name, "float" if spec.settings[name].kind == "float" else "int")
        if name in spec.data:
            return Arg(name, "data")
        if name == "ticks" or name.removeprefix("ticks_") in spec.inlets:
            return Arg(name, "ticks")
        return Arg(name, "buffer")

    def params(function: Callable[..., Any], skip: int) -> list[str]:
        return list(inspect.signature(function).parameters)[skip:]

    if part == "prepare":
        names = params(cls.prepare, 1)
        args = (*(arg(n) for n in names), *(Arg(c, "buffer") for c in cls.coefs))
        return Unit(f"{spec.id} prepare", cls.prepare, args, mono, scalar=cls.coefs, outs=cls.coefs)
    state = tuple(Arg(n, "state", c.dtype, c.size) for n, c in cls.state.items())
    names = params(cls.kernel, len(LEAD))
    return Unit(
        spec.id, cls.kernel, (*state, *(arg(n) for n in names)), mono, outs=tuple(n for n in names if n in spec.outlets)
    )


def wrapper(u: Unit) -> str:
    """Source of the function that turns a row and s0…s1 into the kernel's arguments."""
    lines: list[str] = []
    values: list[str] = []
    states: list[str] = []
    at = HEAD
    ch = "1" if u.mono else "ch"
    for a in u.args:
        c = f"row(r, {at})"
        shift = f"{c} + s0 * {{}} * 4"
        if a.kind == "buffer" and u.scalar:
            v = f"carray(p_float32({shift.format(ch)}), (n * {ch},))"
        elif a.kind == "buffer":
            v = f"carray(p_float32({shift.format(ch)}), (n, {ch}))"
        elif a.kind == "own":
            cols = str(a.fixed) if a.fixed else f"row(r, {at + 1})"
            v = f"carray(p_float32({shift.format(cols)}), (n, {cols}))"
        elif a.kind == "latent":
            v = f"carray(p_float32({c}), (1 << 20, row(r, {at + 1})))"
        elif a.kind == "int":
            v = c
        elif a.kind == "float":
            v = f"np.float32(p_float64(r + {8 * at})[0])"
        elif a.kind == "data":
            v = f"carray(p_float32({c}), (row(r, {at + 1}), row(r, {at + 2})))"
        elif a.kind == "ticks":
            v = f"carray(p_int32({shift.format(1)}), (n + 1,))"
        else:
            rows = f"row(r, {at + 1})" if isinstance(a.size, str) else a.size
            v = f"carray(p_{a.dtype}({c}), ({f'{rows}, ' if rows is not None else ''}{ch},))"
        lines.append(f"    a_{a.name} = {v}")
        (states if a.kind == "state" else values).append(f"a_{a.name}")
        at += a.cells
    head = "def entry(r, s0, s1):\n    n = s1 - s0\n    ch = row(r, 2)\n    sr = np.float32(row(r, 3))\n"
    if u.scalar:
        ins = ", ".join(f"a_{a.name}[i]" if a.kind == "buffer" else f"a_{a.name}" for a in u.args if a.name not in u.scalar)
        outs = ", ".join(f"a_{c}[i]" for c in u.scalar)
        # all channels as one row of numbers: one long loop is quicker than a short one a frame
        body = f"    for i in range(n * {ch}):\n        {outs} = f(sr, {ins})\n"
    else:
        state = f"State({', '.join(states)})" if states else "0"
        body = f"    f(n, {ch}, sr, {state}, {', '.join(values)})\n"
    return head + "\n".join(lines) + "\n" + body


# ---------------------------------------------------------------------------------------------- names by content


@cache
def target() -> str:
    """What machine code depends on besides the source: versions and CPU."""
    features = llvm.get_host_cpu_features().flatten()
    text = "|".join([_numba_version(), llvmlite.__version__, platform.python_version(), llvm.get_host_cpu_name(), features])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _numba_version() -> str:
    from importlib.metadata import version  # asks for the version without importing numba

    return version("numba")


def _digest(function: Callable[..., Any], seen: dict[int, Any], out: list[str]) -> None:
    """Bytecode, constants and every global that the function names, followed into other functions."""
    if id(function) in seen:
        return
    seen[id(function)] = function

    def code(co: pytypes.CodeType) -> None:
        out.append(co.co_code.hex() + repr(co.co_varnames))
        for c in co.co_consts[1:] if co.co_consts[:1] == (function.__doc__,) else co.co_consts:
            if isinstance(c, pytypes.CodeType):
                code(c)
            else:
                out.append(repr(c))
        for name in co.co_names:
            value = function.__globals__.get(name, "")  # type: ignore[attr-defined]
            if isinstance(value, pytypes.FunctionType):
                out.append(name)
                _digest(value, seen, out)
            elif isinstance(value, np.ndarray):
                out.append(name + hashlib.sha256(value.tobytes()).hexdigest())
            else:
                out.append(name + (value.__name__ if isinstance(value, pytypes.ModuleType) else repr(value)))

    code(function.__code__)  # type: ignore[attr-defined]


@cache
def key(u: Unit) -> str:
    """Hash of all that the machine code of `u` is made from."""
    out: list[str] = [target(), wrapper(u), repr(u.args), str(u.mono)]
    _digest(u.function, {}, out)
    return hashlib.sha256("\n".join(out).encode()).hexdigest()[:24]
