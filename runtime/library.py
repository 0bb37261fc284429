"""The engine's compiled functions, loaded from the cache or compiled on first use."""

from __future__ import annotations

import ctypes
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from nodes import compile as compiler
from nodes.units import target

ARGUMENTS = {
    "bypass": 3, "work_write": 3, "work_read": 3, "exchange": 4, "callback": 6, "push": 5, "collect": 1, "load": 2, "store": 2,
}  # fmt: skip


SOURCES = ("controls", "executor", "guard", "jit", "layout", "rings")


@cache
def _digest() -> str:
    here = Path(__file__).parent
    sources = [*(here / f"{n}.py" for n in SOURCES), here.parent / "nodes" / "intrinsics.py"]
    return hashlib.sha256(b"\n".join([target().encode(), *(s.read_bytes() for s in sources)])).hexdigest()[:24]


@cache
def addresses() -> dict[str, int]:
    """Entry points of the exported functions of `runtime.executor` by name."""
    out = {}
    for name in ARGUMENTS:
        path = compiler.folder() / f"zrack_{name}-{_digest()}.o"
        if not path.exists():
            from . import executor

            code, _ = executor.build(name)  # type: ignore[no-untyped-call]
            compiler.store(path, code)
        out[name] = compiler.link(f"zrack_{name}", path.read_bytes())
    return out


@cache
def function(name: str) -> Any:
    """A compiled function to call from Python; it runs without the GIL."""
    return ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_int64] * ARGUMENTS[name])(addresses()[name])
