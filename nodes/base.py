"""`Node`: from one class body to a `NodeSpec`, and to the functions that the compiler turns into machine code.

A kernel is an ordinary Python function over arrays, compiled by numba off the audio path.  Two rules differ from
Python: a Python float (literal or module constant) is float32 in a kernel, so that arithmetic stays in one register
width (write `np.float64(...)` as a module constant where double precision is meant); and a kernel may not allocate
or raise (the compiler refuses it by name).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

from graph.spec import NAME, RESERVED, Choice, Data, In, NodeSpec, Out, Param, Setting

__all__ = ["Cells", "Choice", "Data", "In", "Node", "Out", "Param", "Setting", "f32", "f64", "i32", "i64"]


@dataclass(frozen=True)
class Cells:
    """Typed state cells for each channel, channel-last and zero at first.

    `f64` is one cell a channel (shape `(channels,)`), `f64[2]` two (`(2, channels)`), `f32["longest"]` a line sized
    by a Setting (`(frames, channels)`): seconds become frames at the engine rate plus 4 to interpolate with.
    """

    dtype: str
    size: int | str | None = None

    def __getitem__(self, size: int | str) -> Cells:
        return Cells(self.dtype, size)


f32, f64, i32, i64 = Cells("float32"), Cells("float64"), Cells("int32"), Cells("int64")

LEAD = ("frames", "channels", "sr", "state")
EXTRA = ("seed", "ticks", "moving")


class Node:
    """Base of every node type.  Subclass it; the docstring is the help text that artists read.

    Class body, in order: `id`, `In`s, `Param`s, `Choice`s, `Setting`s, `Data`, `Out`s, `state`, then how it runs:

    `kernel(frames, channels, sr, state, <names>)`
        loops over `[frame, channel]` arrays.  Names may be any inlet, param, choice (its index), number setting, data
        (2-D float32), `seed` (int), `ticks`, `ticks_<inlet>` (of a latent on another clock), `moving` (0: no input changes
        in this block), coefficient or outlet; every inlet and outlet must be among them.
    `coefs = ("g", "k")` and `prepare(sr, <params, inlets, choices, settings>) -> (g, k)`
        scalar maths from params to coefficients: run for every sample while something moves, else once.
    `hop`, `open(...)`, `work(...)`
        ordinary Python in a worker process instead of a kernel; see `runtime.workers`.  `every(settings, rate)` says how
        long a hop is, `later(settings, rate)` by how many samples the work itself lags.
    `variant(settings, folder) -> Node class`
        optional: ports that follow from the settings.  Raises PatchError where they are not known: a placeholder.
    `load(settings, sr, folder) -> {data name: array}`
        optional: makes tables from settings (a sound file) when a plan is made, off the audio path.
    """

    id: ClassVar[str] = ""
    spec: ClassVar[NodeSpec]
    state: ClassVar[dict[str, Cells]] = {}
    coefs: ClassVar[tuple[str, ...]] = ()
    live: ClassVar[tuple[str, ...]] = ()  # float32 states that the session writes from outside: MIDI, OSC
    kernel: ClassVar[Callable[..., Any]]
    prepare: ClassVar[Callable[..., Any]]
    work: ClassVar[Callable[..., Any]]
    load: ClassVar[Callable[..., dict[str, Any]]]
    partial: ClassVar[bool] = False  # a work node that also takes what is left of a hop at the end
    waits: ClassVar[dict[str, str]] = {}  # Settings that, at −1, are what an inlet has to wait for the latest: setting → inlet
    heavy: ClassVar[bool] = False  # a work node that takes long to start: it fades in, nothing waits for it
    variant: ClassVar[Callable[[Mapping[str, Any], Path | None], type[Node]]]
    tags: ClassVar[tuple[str, ...]] = ()
    hidden: ClassVar[bool] = False

    def __init_subclass__(cls, **kw: Any) -> None:
        super().__init_subclass__(**kw)
        if not cls.id:
            return  # a base for a family
        declared: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            declared.update({k: v for k, v in vars(base).items() if isinstance(v, In | Out | Param | Choice | Setting | Data)})

        def of(kind: type) -> dict[str, Any]:
            return {k: v for k, v in declared.items() if isinstance(v, kind)}

        cls.spec = NodeSpec(
            cls.id, inspect.cleandoc(cls.__doc__ or ""), of(In), of(Out), of(Param), of(Choice), of(Setting), of(Data),
            cls.tags, cls.hidden, hasattr(cls, "work"),
        )  # fmt: skip
        for name in ("kernel", "prepare", "load", "open", "work", "close", "every", "later", "lags", "variant"):
            if inspect.isfunction(cls.__dict__.get(name)):
                setattr(cls, name, staticmethod(cls.__dict__[name]))
        if "variant" in cls.__dict__:
            cls.spec = replace(cls.spec, shaped=lambda settings, folder: cls.variant(settings, folder).spec)
        _check(cls)

    @staticmethod
    def every(settings: Mapping[str, Any], rate: int) -> Fraction:
        """Samples of a work node's hop, at an engine of `rate` Hz."""
        return Fraction(int(settings.get("hop", 1024)))

    @staticmethod
    def later(settings: Mapping[str, Any], rate: int) -> int:
        """Samples by which a work node's own resampling lags, besides the latency of its hops."""
        return 0

    @staticmethod
    def lags(settings: Mapping[str, Any], rate: int) -> float | None:
        """Samples by which what a work node makes lags behind what it took, by its nature; None where nobody knows."""
        return 0.0


def _check(cls: type[Node]) -> None:
    """Refuses a declaration whose functions do not fit its ports, naming what is wrong.  Raises TypeError."""
    spec, where = cls.spec, f"{cls.__module__}.{cls.__qualname__}"

    def fail(text: str) -> None:
        raise TypeError(f"{where} ({spec.id}): {text}")

    if not spec.doc:
        fail("has no docstring; it is the node's help text")
    for name in [*spec.inlets, *spec.outlets, *spec.params, *spec.choices, *spec.settings, *spec.data]:
        if not NAME.match(name) or name in RESERVED or name in LEAD or name in EXTRA:
            fail(f"{name!r} cannot be the name of a port")
    for name in cls.state:
        if name in {*spec.inlets, *spec.outlets, *spec.params, *spec.choices, *spec.settings, *spec.data, *cls.coefs}:
            fail(f"{name!r} is the name of a state and of a port")
    if hasattr(cls, "work"):
        return
    if not hasattr(cls, "kernel"):
        fail("has neither a kernel nor a work function")
    names = list(inspect.signature(cls.kernel).parameters)
    if tuple(names[:4]) != LEAD:
        fail(f"kernel must begin with {', '.join(LEAD)}, not {', '.join(names[:4])}")
    known = {*spec.inlets, *spec.params, *spec.choices, *spec.settings, *spec.data, *spec.outlets, *cls.coefs, *EXTRA}
    known |= {f"ticks_{n}" for n, p in spec.inlets.items() if p.latent}
    used = set(names[4:])
    if cls.coefs:
        if not hasattr(cls, "prepare"):
            fail("has coefs but no prepare function to make them")
        given = list(inspect.signature(cls.prepare).parameters)
        if given[:1] != ["sr"]:
            fail(f"prepare must begin with sr, not {', '.join(given[:1]) or 'nothing'}")
        for name in given[1:]:
            if name not in {*spec.inlets, *spec.params, *spec.choices, *spec.settings}:
                fail(f"prepare takes {name!r}, which is no inlet, param, choice or setting")
        used |= set(given[1:])
    for name in names[4:]:
        if name not in known:
            fail(f"kernel takes {name!r}, which is not declared")
    for name in [*spec.inlets, *spec.outlets, *spec.params, *spec.choices, *cls.coefs]:
        if name not in used and not (name in spec.outlets and name in names):
            fail(f"kernel does not take {name!r}, which is declared")
