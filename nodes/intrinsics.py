"""The few machine operations that numba does not offer, as intrinsics.  Importing this imports numba."""

from __future__ import annotations

import platform
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_I64, _I32, _VOID = ir.IntType(64), ir.IntType(32), ir.VoidType()
I64 = types.int64


def _pointer(dtype: Any) -> Any:
    @intrinsic
    def cast(_context, address):  # type: ignore[no-untyped-def]
        def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
            return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

        return types.CPointer(dtype)(I64), emit

    return cast


p_float32, p_float64, p_int32, p_int64 = (_pointer(t) for t in (types.float32, types.float64, types.int32, types.int64))


@intrinsic
def row(_context, address, cell):  # type: ignore[no-untyped-def]
    """Cell of a step's row.  Rows never change while a kernel runs; LLVM is told, so it may keep them in registers."""

    def emit(_c, b, _s, args):  # type: ignore[no-untyped-def]
        at = b.add(args[0], b.mul(args[1], ir.Constant(_I64, 8)))
        value = b.load(b.inttoptr(at, ir.PointerType(_I64)))
        value.set_metadata("invariant.load", b.module.add_metadata([]))
        return value

    return I64(I64, I64), emit


@intrinsic
def load_acquire(_context, address):  # type: ignore[no-untyped-def]
    """Atomic int64 load; nothing after it is moved before it."""

    def emit(_c, b, _s, args):  # type: ignore[no-untyped-def]
        return b.load_atomic(b.inttoptr(args[0], ir.PointerType(_I64)), "acquire", 8)

    return I64(I64), emit


@intrinsic
def store_release(_context, address, value):  # type: ignore[no-untyped-def]
    """Atomic int64 store; nothing before it is moved after it."""

    def emit(c, b, _s, args):  # type: ignore[no-untyped-def]
        b.store_atomic(args[1], b.inttoptr(args[0], ir.PointerType(_I64)), "release", 8)
        return c.get_dummy_value()

    return types.void(I64, I64), emit


@intrinsic
def cycles(_context):  # type: ignore[no-untyped-def]
    """The CPU's time stamp counter."""

    def emit(_c, b, _s, _a):  # type: ignore[no-untyped-def]
        return b.call(b.module.declare_intrinsic("llvm.readcyclecounter", (), ir.FunctionType(_I64, [])), [])

    return I64(), emit


@intrinsic
def call_step(_context, function, row_, s0, s1):  # type: ignore[no-untyped-def]
    """Calls a kernel by address: int32 f(int64 row, int64 s0, int64 s1)."""

    def emit(_c, b, _s, args):  # type: ignore[no-untyped-def]
        f = b.inttoptr(args[0], ir.PointerType(ir.FunctionType(_I32, [_I64] * 3)))
        return b.sext(b.call(f, list(args[1:])), _I64)

    return I64(I64, I64, I64, I64), emit


@intrinsic
def call_post(_context, function, argument):  # type: ignore[no-untyped-def]
    """Calls int f(void *) by address (sem_post)."""

    def emit(_c, b, _s, args):  # type: ignore[no-untyped-def]
        f = b.inttoptr(args[0], ir.PointerType(ir.FunctionType(_I32, [_I64])))
        return b.sext(b.call(f, [args[1]]), _I64)

    return I64(I64, I64), emit


_ARM = platform.machine().lower() in ("aarch64", "arm64")
FLUSH = 1 << 24 if _ARM else 0x8040
"""Bits that make denormals zero: FZ of FPCR on AArch64, FTZ | DAZ of MXCSR on x86."""


@intrinsic
def get_float_control(_context):  # type: ignore[no-untyped-def]
    """FPCR (AArch64) or MXCSR (x86) of this thread."""

    def emit(_c, b, _s, _a):  # type: ignore[no-untyped-def]
        if _ARM:
            return b.call(b.module.declare_intrinsic("llvm.aarch64.get.fpcr", (), ir.FunctionType(_I64, [])), [])
        cell = cgutils.alloca_once(b, _I32)
        f = b.module.declare_intrinsic("llvm.x86.sse.stmxcsr", (), ir.FunctionType(_VOID, [ir.PointerType(ir.IntType(8))]))
        b.call(f, [b.bitcast(cell, ir.PointerType(ir.IntType(8)))])
        return b.zext(b.load(cell), _I64)

    return I64(), emit


@intrinsic
def set_float_control(_context, value):  # type: ignore[no-untyped-def]
    """Sets what `get_float_control` reads."""

    def emit(c, b, _s, args):  # type: ignore[no-untyped-def]
        if _ARM:
            f = b.module.declare_intrinsic("llvm.aarch64.set.fpcr", (), ir.FunctionType(_VOID, [_I64]))
            b.call(f, [args[0]])
            return c.get_dummy_value()
        cell = cgutils.alloca_once(b, _I32)
        b.store(b.trunc(args[0], _I32), cell)
        f = b.module.declare_intrinsic("llvm.x86.sse.ldmxcsr", (), ir.FunctionType(_VOID, [ir.PointerType(ir.IntType(8))]))
        b.call(f, [b.bitcast(cell, ir.PointerType(ir.IntType(8)))])
        return c.get_dummy_value()

    return types.void(I64), emit


def names() -> dict[str, Any]:
    """What the entry functions that `nodes.compile` generates refer to."""
    return {
        "carray": numba.carray, "row": row, "p_float32": p_float32, "p_float64": p_float64,
        "p_int32": p_int32, "p_int64": p_int64,
    }  # fmt: skip
