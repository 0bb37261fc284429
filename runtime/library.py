"""The engine's compiled functions, loaded from the cache or compiled on first use."""

from __future__ import annotations

import ctypes
import hashlib
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from nodes import compile as compiler
from nodes.units import Unit, target

ARGUMENTS = {
    "bypass": 3, "fade": 3, "work_write": 3, "work_read": 3, "exchange": 4, "push": 5, "collect": 1, "load": 2, "store": 2,
    "stream": 6, "ticks": 1,
}  # fmt: skip


SOURCES = ("controls", "executor", "guard", "jit", "layout", "rings", "stream")


@cache
def _digest() -> str:
    here = Path(__file__).parent
    sources = [*(here / f"{n}.py" for n in SOURCES), here.parent / "nodes" / "intrinsics.py"]
    return hashlib.sha256(b"\n".join([target().encode(), *(s.read_bytes() for s in sources)])).hexdigest()[:24]


def _path(name: str) -> Path:
    return compiler.folder() / f"zrack_{name}-{_digest()}.o"


def missing() -> bool:
    """Is there something to compile?"""
    return not all(_path(name).exists() for name in ARGUMENTS)


def build() -> None:
    """Compiles what the cache lacks."""
    for name in ARGUMENTS:
        if not _path(name).exists():
            from . import executor

            with compiler.unoptimised():
                code, _ = executor.build(name)  # type: ignore[no-untyped-call]
            compiler.store(_path(name), code)


@cache
def addresses() -> dict[str, int]:
    """Entry points of the exported functions of `runtime.executor` by name; compiled if need be."""
    build()
    beside = {"exchange": ["zrack_callback"]}
    out = {n: compiler.link(f"zrack_{n}", _path(n).read_bytes(), *beside.get(n, ())) for n in ARGUMENTS}
    return {**out, "callback": compiler.link("zrack_callback", b"")}


@cache
def function(name: str) -> Any:
    """A compiled function to call from Python; it runs without the GIL."""
    return ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_int64] * ARGUMENTS[name])(addresses()[name])


ENGINE = "the engine"


def ready(units: Iterable[Unit], progress: Callable[[int, int, str], None] | None = None) -> dict[Unit, int]:
    """Addresses of units; what the cache lacks, the engine included, is compiled first on all cores.

    Raises nodes.compile.CompileError.
    """
    wanted = list(dict.fromkeys(units))
    lacking = sorted(compiler.missing(wanted), key=lambda u: -len(u.function.__code__.co_code))
    jobs = [ENGINE] * missing() + [compiler.job(u) for u in lacking]
    if len(jobs) > 2 or (jobs and "numba" not in sys.modules):  # others compile while this process goes on
        compiler.parallel(jobs, "runtime.library", progress)
    elif jobs and progress:
        progress(0, len(jobs), lacking[0].name)
    return {u: compiler.address(u) for u in wanted}


if __name__ == "__main__":
    compiler.serve(lambda text: build() if text == ENGINE else compiler.do(text))
