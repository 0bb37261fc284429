"""Runs one node type by itself, without plan or engine: a row built by hand and the compiled entry point."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from graph.spec import Param
from nodes import compile as compiler
from nodes.base import Node
from nodes.units import Unit, key
from nodes.units import unit as unit_of

ENTRY = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
_checked: dict[str, int] = {}


def entry(u: Unit, checked: bool = False) -> Any:
    """The compiled function of a unit; `checked` compiles it with bounds checks (it then returns 1 where one fired)."""
    if not checked:
        return ENTRY(compiler.address(u))
    name = f"k_{key(u)}"
    if name not in _checked:
        path = compiler.folder() / f"{name}.checked.o"
        if not path.exists():
            compiler.store(path, compiler.build(u, checked=True)[0])
        library = llvm.JITLibraryBuilder().add_object_img(path.read_bytes()).add_current_process().export_symbol(name)
        tracker = library.link(compiler._jit(), f"checked {name}")
        _checked[name] = tracker[name]
        _keep.append(tracker)
    return ENTRY(_checked[name])


_keep: list[Any] = []


def cells(cls: type[Node], channels: int, sr: int, settings: dict[str, Any]) -> dict[str, np.ndarray]:
    """Zeroed state arrays of a node."""
    out = {}
    for name, c in cls.state.items():
        rows: Any = c.size
        if isinstance(rows, str):
            value = settings[rows]
            unit = cls.spec.settings[rows].unit
            rows = (
                math.ceil(value * sr) + 4 if unit == "s" else int(value) * (settings.get("dims", 8) if unit == "frames" else 1)
            )
        out[name] = np.zeros((channels,) if rows is None else (rows, channels), c.dtype)
    return out


def run(
    cls: type[Node], frames: int = 4800, sr: int = 48000, channels: int = 1, settings: dict[str, Any] | None = None,
    state: dict[str, np.ndarray] | None = None, seed: int = 1, cut: int = 64, checked: bool = False,
    mono: bool | None = None, moving: int = 1, spacing: int = 256, **inputs: Any,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Outlets of a node fed with `inputs`: {outlet: float32 [frames, channels]}, plus "state".

    Inlets and params take a number or an array `[frames]` or `[frames, channels]` (params in their unit); choices take
    an option's name; data an array.  `cut` is how many frames are computed at a time.  A latent has a frame every `spacing`
    samples from sample 0 on: an array `[latent frames, dims]`, or a number for 8 dimensions that stay.
    """
    spec = cls.spec
    settings = {**{n: s.default for n, s in spec.settings.items()}, **(settings or {})}
    state = state if state is not None else cells(cls, channels, sr, settings)
    tables = {n: np.ascontiguousarray(inputs.get(n, d.default), np.float32) for n, d in spec.data.items()}
    if hasattr(cls, "load"):
        tables.update({n: np.ascontiguousarray(v, np.float32) for n, v in cls.load(settings, sr, None).items()})
    buffers: dict[str, np.ndarray] = {}

    ticks = np.ascontiguousarray(-(-np.arange(frames + 1) // spacing), np.int32)  # latent frames before each sample
    rows = max(int(ticks[-1]), 1)

    def width(port: Any, name: str) -> int:
        if port.latent:
            made = [int(settings[o.space[1]]) for o in spec.outlets.values() if o.space and o.latent == port.latent]
            given = [np.asarray(inputs[n]) for n, p in spec.inlets.items() if p.latent == port.latent and n in inputs]
            return made[0] if made else max([g.shape[1] for g in given if g.ndim == 2], default=8)
        if port.channels == "any":
            given = np.asarray(inputs.get(name, 0.0))
            return given.shape[1] if given.ndim == 2 else 1
        if isinstance(port.channels, str):
            return int(settings[port.channels])
        return port.channels or channels

    for name, port in spec.inputs().items():
        cols = channels if isinstance(port, Param) else width(port, name)
        rest = port.default if isinstance(port, Param) else port.rest
        given = np.asarray(inputs.get(name, rest), np.float32)
        given = given[:, None] if given.ndim == 1 else given
        latent = not isinstance(port, Param) and port.latent
        if latent and given.ndim:  # of another width than the node's own space: some dimensions, or zeros behind
            given = given[:rows, :cols]
            given = np.pad(given, ((0, 0), (0, cols - given.shape[1])))
        buffers[name] = np.ascontiguousarray(np.broadcast_to(given, (rows if latent else frames, cols)))
    for name, out in spec.outlets.items():
        buffers[name] = np.zeros((rows if out.latent else frames, width(out, name)), np.float32)
    for name in cls.coefs:
        buffers[name] = np.zeros((frames, channels), np.float32)
    one = channels == 1 if mono is None else mono
    calls = []
    for part in ("prepare", "kernel") if cls.coefs else ("kernel",):
        u = unit_of(cls, part, one)
        row = np.zeros(u.width, np.int64)
        row[1:4] = u.width * 8, channels, sr
        for a in u.args:
            i = u.cell(a.name)
            if a.kind == "state":
                row[i] = state[a.name].ctypes.data
                if a.cells == 2:
                    row[i + 1] = len(state[a.name])
            elif a.kind in ("buffer", "own", "latent"):
                row[i] = buffers[a.name].ctypes.data
                if a.cells == 2:
                    row[i + 1] = buffers[a.name].shape[1]
            elif a.kind == "data":
                row[i : i + 3] = tables[a.name].ctypes.data, *tables[a.name].shape
            elif a.kind == "ticks":
                row[i] = ticks.ctypes.data
            elif a.kind == "float":
                row[i] = np.float64(settings[a.name]).view(np.int64)
            elif a.name == "seed":
                row[i] = seed
            elif a.name == "moving":
                row[i] = moving
            elif a.name in spec.choices:
                row[i] = spec.choices[a.name].options.index(inputs.get(a.name, spec.choices[a.name].default))
            else:
                s = spec.settings[a.name]
                row[i] = s.options.index(settings[a.name]) if s.kind == "choice" else int(settings[a.name])
        calls.append((entry(u, checked), row))
    for start in range(0, frames, cut):
        for call, row in calls:
            if call(row.ctypes.data, start, min(start + cut, frames)):
                raise IndexError(f"{spec.id}: a bounds check fired in frames {start} … {min(start + cut, frames)}")
    return {**{n: buffers[n] for n in spec.outlets}, "state": state}
