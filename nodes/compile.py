"""Kernels to machine code, and back from the cache without numba.

numba is only the front end: its optimised LLVM module gets a plain C entry point, is emitted as an object file and
stored under a name that is a hash of everything that went into it.  A later start loads the objects through llvmlite
and never imports numba.  The LLVM bitcode is kept beside the object, so that `fuse` can join the kernels of a loop
into one without compiling Python again.

The entry point of every kernel is `int32 name(int64 row, int64 s0, int64 s1)`: `row` is the address of the step's
record (`runtime.plan` writes it), s0…s1 the frames to compute.  No fast-math flag is set anywhere: each operation is
IEEE, so one sample at a time, a block, a vector or a fused loop give the same bits.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import threading
import types as pytypes
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from .units import HEAD, Unit, key, target, unit, wrapper


class CompileError(Exception):
    """A kernel cannot become machine code; the text says which and why in one sentence."""


def folder() -> Path:
    """Where machine code is kept; `ZRACK_CACHE` overrides the user's cache folder."""
    import platformdirs

    root = os.environ.get("ZRACK_CACHE") or platformdirs.user_cache_dir("zrack", appauthor=False)
    path = Path(root) / "kernels" / target()
    path.mkdir(parents=True, exist_ok=True)
    return path


# ---------------------------------------------------------------------------------------------- Python → LLVM


def _single(value: Any) -> Any:
    """Python floats become float32, as kernels promise."""
    if type(value) is float:
        return np.float32(value)
    return tuple(_single(v) for v in value) if type(value) is tuple else value


@cache
def _narrow(function: Any, checked: bool = False) -> Any:
    """A copy of `function`, and of every Python function it calls, with float32 constants, as numba takes it.

    Kept for the life of the process: a helper that many kernels call is then compiled once.
    """
    import numba

    co = function.__code__.replace(co_consts=tuple(_single(c) for c in function.__code__.co_consts))
    scope = dict(function.__globals__)
    for name in co.co_names:
        value = scope.get(name)
        if isinstance(value, pytypes.FunctionType):
            scope[name] = _narrow(value, checked)
        elif name in scope:
            scope[name] = _single(value)
    copy = pytypes.FunctionType(co, scope, function.__name__, function.__defaults__, function.__closure__)
    options = {"error_model": "numpy", "boundscheck": checked, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(**options)(copy)


@cache
def _intrinsics() -> dict[str, Any]:
    """numba names that the generated entry functions use; the first call imports numba."""
    from . import intrinsics

    return intrinsics.names()


def build(u: Unit, checked: bool = False) -> tuple[bytes, bytes]:
    """(object file, bitcode) of one unit.  `checked` keeps bounds checks: its entry point returns 1 where one fired."""
    import numba
    from numba.core.errors import NumbaError

    scope = dict(_intrinsics(), np=np, f=_narrow(u.function, checked))
    names = [a.name for a in u.args if a.kind == "state"]
    if names:
        scope["State"] = namedtuple("State", names)  # type: ignore[misc]
    exec(wrapper(u), scope)  # noqa: S102 - our own text, made from declarations
    try:
        dispatcher = numba.njit("void(int64, int64, int64)", error_model="numpy", nogil=True, boundscheck=checked,
                                no_cpython_wrapper=True)(scope["entry"])  # fmt: skip
    except (NumbaError, TypeError, NotImplementedError, AssertionError) as error:
        raise CompileError(f"the kernel of {u.name} cannot be compiled: {_reason(error)}") from None
    result = next(iter(dispatcher.overloads.values()))
    return export(result, f"k_{key(u)}", ["i64", "i64", "i64"], u.name, refuse=not checked)


TELLING = r"Unknown attribute|Untyped global|Use of |Cannot |Invalid use|not defined|No implementation|nsupported|not supported"


def _reason(error: Exception) -> str:
    """The line of a numba error that tells most, and where in the file it happened."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line.strip(" >-") for line in text.splitlines() if line.strip(" >-")]
    lines = [x for x in lines if not re.search(r"Failed in|During:|Enable |Function\(<function", x)]
    best = next((x for k in TELLING.split("|") for x in lines if k in x), (lines or [type(error).__name__])[0])
    at = re.findall(r'File "[^"]*?([^"/\\]+\.py)", line (\d+)', text)
    return best[:200].rstrip(":. ") + (f" ({at[0][0]}, line {at[0][1]})" if at else "")


def export(result: Any, name: str, args: Sequence[str], who: str, refuse: bool = True, more: str = "") -> tuple[bytes, bytes]:
    """A numba compile result as a C function `int32 name(args)`; everything else in the module becomes internal.

    `more` is LLVM text of further functions around it; those are kept too.
    """
    inner = llvm.parse_assembly(result.library.get_llvm_str())
    symbol, triple = result.fndesc.llvm_func_name, inner.triple
    given = ", ".join(f"{t} %a{i}" for i, t in enumerate(args))
    outer = llvm.parse_assembly(
        f'declare i32 @"{symbol}"(ptr, ptr, {", ".join(args)})\n'
        f"define i32 @{name}({given}) {{\n %x = alloca ptr\n %y = alloca ptr\n"
        f' %z = call i32 @"{symbol}"(ptr %x, ptr %y, {given})\n ret i32 %z\n}}\n{more}'
    )
    kept = {f.name for f in outer.functions if not f.is_declaration}
    outer.link_in(inner)
    outer.triple = triple
    bitcode = optimise(outer, kept)
    text = str(outer)
    ends = re.findall(r"ret i32 (\S+)", text.split(f"@{name}(", 1)[1].split("\n}", 1)[0])
    if refuse and "NRT_" in text:
        raise CompileError(f"the kernel of {who} allocates memory, which the audio thread must not do")
    if refuse and set(ends) != {"0"}:  # numba returns a status; where nothing can raise LLVM has found that it is 0
        raise CompileError(f"the kernel of {who} could raise an exception, which the audio thread cannot handle")
    return machine().emit_object(outer), bitcode


def optimise(module: Any, kept: set[str]) -> bytes:
    """Makes all but `kept` internal, runs LLVM's -O3 and gives the bitcode."""
    for f in module.functions:
        if not f.is_declaration and f.name not in kept:
            f.linkage = "internal"
    module.data_layout = str(machine().target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    builder = llvm.create_pass_builder(machine(), options)
    builder.getModulePassManager().run(module, builder)
    return bytes(module.as_bitcode())


@cache
def machine() -> Any:
    """LLVM's description of this computer's CPU."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    host = llvm.Target.from_triple(llvm.get_process_triple())
    features = llvm.get_host_cpu_features().flatten()
    return host.create_target_machine(llvm.get_host_cpu_name(), features, opt=3, reloc="pic", codemodel="default")


def fuse(units: Sequence[Unit], order: Sequence[int], equal: Sequence[tuple[int, int, int, int]] = ()) -> tuple[str, bytes]:
    """One loop over samples that calls the kernels `units[k] for k in order` in turn, inlined: (name, object file).

    The row given to the entry point holds the addresses of the steps' rows from cell HEAD on.  Each of `equal`, (step,
    cell, step, cell), names two cells that hold the same address: LLVM is told, so that what one step writes stays in a
    register for the next.  Made from stored bitcode, so it takes tens of milliseconds and needs no numba.
    """
    used = sorted({key(units[k]) for k in order})
    calls = []
    for i, k in enumerate(order):
        calls.append(
            f" %p{i} = getelementptr i64, ptr %rows, i64 {HEAD + i}\n %r{i} = load i64, ptr %p{i}, !invariant.load !0\n"
        )
    for n, (i, x, j, y) in enumerate(equal):
        for k, (step, cell) in enumerate(((i, x), (j, y))):
            calls.append(
                f" %n{n}_{k} = add i64 %r{step}, {8 * cell}\n %q{n}_{k} = inttoptr i64 %n{n}_{k} to ptr\n"
                f" %v{n}_{k} = load i64, ptr %q{n}_{k}, !invariant.load !0\n"
            )
        calls.append(f" %same{n} = icmp eq i64 %v{n}_0, %v{n}_1\n call void @llvm.assume(i1 %same{n})\n")
    body = "".join(f" %c{i} = call i32 @k_{key(units[k])}(i64 %r{i}, i64 %s, i64 %e)\n" for i, k in enumerate(order))
    told = "".join([target(), repr(equal), *(key(units[k]) for k in order)])
    name = "f_" + hashlib.sha256(told.encode()).hexdigest()[:24]
    path = folder() / f"{name}.o"
    if path.exists():
        return name, path.read_bytes()
    module = llvm.parse_assembly(
        "".join(f"declare i32 @k_{k}(i64, i64, i64)\n" for k in used) + "declare void @llvm.assume(i1)\n"
        f"define i32 @{name}(i64 %row, i64 %s0, i64 %s1) {{\nstart:\n %rows = inttoptr i64 %row to ptr\n{''.join(calls)}"
        " br label %head\nhead:\n %s = phi i64 [ %s0, %start ], [ %e, %body ]\n %more = icmp slt i64 %s, %s1\n"
        f" br i1 %more, label %body, label %done\nbody:\n %e = add i64 %s, 1\n{body} br label %head\n"
        "done:\n ret i32 0\n}\n!0 = !{}\n"
    )
    for one in used:
        module.link_in(llvm.parse_bitcode((folder() / f"k_{one}.bc").read_bytes()))
    for f in module.functions:
        if not f.is_declaration and f.name != name:
            f.add_function_attribute("alwaysinline")
    optimise(module, {name})
    obj = machine().emit_object(module)
    store(path, obj)
    return name, obj


# ---------------------------------------------------------------------------------------------- addresses

_lock = threading.RLock()
_loaded: dict[str, tuple[int, Any]] = {}


def link(name: str, obj: bytes, *more: str) -> int:
    """Address of `name` in an object file; loaded once, with the other functions `more` in it, and kept for good."""
    with _lock:
        if name not in _loaded:
            library = llvm.JITLibraryBuilder().add_object_img(obj).add_current_process()
            for symbol in (name, *more):
                library.export_symbol(symbol)
            tracker = library.link(_jit(), name)
            _loaded.update({symbol: (tracker[symbol], tracker) for symbol in (name, *more)})
        return _loaded[name][0]


@cache
def _jit() -> Any:
    return llvm.create_lljit_compiler(machine())


def store(path: Path, data: bytes) -> None:
    part = path.with_suffix(f"{path.suffix}.{os.getpid()}-{threading.get_ident()}")
    part.write_bytes(data)
    part.replace(path)


def compile_units(units: Iterable[Unit]) -> None:
    """Compiles what the cache lacks; the work of one process."""
    for u in units:
        path = folder() / f"k_{key(u)}.o"
        if not path.exists():
            obj, bitcode = build(u)
            store(path.with_suffix(".bc"), bitcode)
            store(path, obj)


def job(u: Unit) -> str:
    """A unit as text that another process understands."""
    return f"{u.name}|{int(u.mono)}"


def do(text: str) -> None:
    """Compiles the unit that `job` wrote."""
    from . import catalog

    if not catalog.classes:
        catalog.load()
    name, mono = text.rsplit("|", 1)
    kind, _, part = name.partition(" ")
    if kind in catalog.classes:
        compile_units([unit(catalog.classes[kind], part or "kernel", mono == "1")])


def parallel(jobs: Sequence[str], module: str, progress: Callable[[int, int, str], None] | None = None) -> None:
    """Does `jobs` in as many processes as there are cores, each `python -m module`; longest first is quickest.

    `progress(done, all, name)` is told when a job begins.  What fails there is left for the caller to do and to explain.
    """
    import subprocess

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    queue, lock, begun = list(jobs), threading.Lock(), 0
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}

    def run() -> None:
        nonlocal begun
        with subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        ) as worker:
            assert worker.stdin is not None and worker.stdout is not None
            while True:
                with lock:
                    if not queue:
                        break
                    text = queue.pop(0)
                    if progress:
                        progress(begun, len(jobs), text.split("|")[0])
                    begun += 1
                try:
                    worker.stdin.write(text + "\n")
                    worker.stdin.flush()
                except BrokenPipeError:
                    break
                if not worker.stdout.readline():
                    break
            worker.stdin.close()

    threads = [threading.Thread(target=run) for _ in range(min(cores, len(jobs)))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if progress:
        progress(len(jobs), len(jobs), "")


@contextlib.contextmanager
def unoptimised() -> Iterator[None]:
    """Leaves all optimisation to `optimise`: for code without arrays, whose references numba would have to prune first."""
    from numba.core.codegen import CPUCodeLibrary

    kept = CPUCodeLibrary._optimize_functions, CPUCodeLibrary._optimize_final_module
    CPUCodeLibrary._optimize_functions = lambda self, module: None
    CPUCodeLibrary._optimize_final_module = lambda self: None
    try:
        yield
    finally:
        CPUCodeLibrary._optimize_functions, CPUCodeLibrary._optimize_final_module = kept


def serve(work: Callable[[str], None]) -> None:
    """A process of `parallel`: a job a line, and the line back when it is done."""
    from numba.core.codegen import JITCodeLibrary

    # numba would also make machine code of every function for itself, which nobody runs in this process
    JITCodeLibrary._finalize_specific = lambda self: None
    for line in sys.stdin:
        with contextlib.suppress(Exception):  # the process that asked does it again, and says what is wrong
            work(line.strip())
        sys.stdout.write(line)
        sys.stdout.flush()


def missing(units: Iterable[Unit]) -> list[Unit]:
    """Which of them the cache lacks."""
    place, lacking = folder(), []
    for u in dict.fromkeys(units):
        name = f"k_{key(u)}"
        if name not in _loaded and not (place / f"{name}.o").exists():
            lacking.append(u)
    return lacking


def address(u: Unit) -> int:
    """Entry point of a unit, compiled if need be.  Raises CompileError."""
    name = f"k_{key(u)}"
    if name in _loaded:
        return _loaded[name][0]
    compile_units([u])
    return link(name, (folder() / f"{name}.o").read_bytes())
