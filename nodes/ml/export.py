"""Writes models in the nn~ convention: TorchScript files that play here, in Max and in Pure Data.

Derive from `Module`, register methods and attributes, call `export(path, card)`.  `nodes.ml.contract` says what a file offers.
A class that TorchScript compiles needs annotations that are types, so leave `from __future__ import annotations` out of the
file in which you write it.
"""

# It is left out here for the same reason.

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from . import jit
from .calls import reason, wrong
from .contract import KINDS, Attribute, Method, ModelError, proper
from .streaming import ROWS, Layer, crop, reset, stream

TYPES = {"bool": "bool", "int": "int", "float": "float", "str": "str", "tensor": "Tensor"}
"""What an element of an attribute may be, and its type in TorchScript."""
LENGTHS = (1, 3)
"""How many of the shortest possible chunks methods are tried with."""
BATCHES = (1, 4)


class Module(nn.Module):
    """A model with named methods and attributes.

    A method takes float32 [batch, inputs, n ÷ in_ratio] and returns one float32 tensor [batch, outputs, n ÷ out_ratio].  An
    attribute is a tuple `self.<name>` of its elements, one as well; methods read it as `self.<name>[0]`.
    """

    _methods: list[str]
    _attributes: list[str]

    def __init__(self, sr: int) -> None:
        """`sr` is the sample rate in Hz that the model was made for."""
        super().__init__()
        self.sr = int(sr)
        self._methods = []
        self._attributes = []
        self._told: dict[str, Method | Attribute] = {}

    def register_method(
        self,
        name: str,
        inputs: int,
        in_ratio: int,
        outputs: int,
        out_ratio: int,
        in_labels: Sequence[str] = (),
        out_labels: Sequence[str] = (),
    ) -> None:
        """Makes the method `name` of this class callable from hosts.  Ratios are samples a frame.  Raises ModelError."""
        own = name == "forward" or not hasattr(nn.Module, name)
        if not proper(name) or not own or not callable(getattr(type(self), name, None)):
            raise ModelError(f"{type(self).__name__} has no method {name!r} that could be registered")
        for what, number in (("inputs", inputs), ("in_ratio", in_ratio), ("outputs", outputs), ("out_ratio", out_ratio)):
            if not isinstance(number, int) or number < 1:
                raise ModelError(f"method {name}: {what} must be a whole number from 1 on, not {number!r}")
        given = {"input": (inputs, list(in_labels)), "output": (outputs, list(out_labels))}
        for way, (count, labels) in given.items():
            if labels and len(labels) != count:
                raise ModelError(f"method {name} has {count} {way}s and {len(labels)} labels for them")
            setattr(self, f"{name}_{way}_labels", labels or [f"{way} {i + 1}" for i in range(count)])
        self._new(name, Method(name, inputs, in_ratio, outputs, out_ratio, tuple(in_labels), tuple(out_labels)))
        self.register_buffer(f"{name}_params", torch.tensor([inputs, in_ratio, outputs, out_ratio]))
        jit.export(getattr(type(self), name))
        self._methods.append(name)

    def register_attribute(
        self, name: str, value: Any, low: float | None = None, high: float | None = None, unit: str = "", doc: str = ""
    ) -> None:
        """Lets hosts read and set `name`: a bool, number, text, tensor of one dimension, or a tuple of these.

        Numbers outside `low` … `high` are refused.  A class may bring its own `get_<name>` and `set_<name>`; a setter takes all
        elements and returns 0, or another number where it refuses them.  Raises ModelError.
        """
        values = tuple(value) if isinstance(value, tuple | list) else (value,)
        if not proper(name) or name == "sr" or hasattr(self, name):
            raise ModelError(f"{type(self).__name__} cannot have an attribute called {name!r}")
        kinds = tuple("tensor" if isinstance(v, Tensor) else type(v).__name__ for v in values)
        for kind in kinds:
            if kind not in TYPES:
                raise ModelError(f"attribute {name}: an element must be a bool, int, float, str or tensor, not {kind}")
        if not values:
            raise ModelError(f"attribute {name} has no elements")
        if low is not None and high is not None and low >= high:
            raise ModelError(f"attribute {name}: its range, {low} to {high}, is empty")
        least, most = -math.inf if low is None else low, math.inf if high is None else high
        for v, kind in zip(values, kinds):
            if kind in ("int", "float") and not least <= v <= most:
                raise ModelError(f"attribute {name}: {v} lies outside its range, {low} to {high}")
        plain = tuple(None if isinstance(v, Tensor) else v for v in values)
        self._new(name, Attribute(name, kinds, plain, low, high, unit, doc))
        setattr(self, name, values)
        self.register_buffer(f"{name}_params", torch.tensor([KINDS.index(kind) for kind in kinds]))
        for own in (f"get_{name}", f"set_{name}"):
            if hasattr(type(self), own):
                jit.export(getattr(type(self), own))
        self._attributes.append(name)

    def _new(self, name: str, told: Method | Attribute) -> None:
        if name in self._told:
            raise ModelError(f"{name!r} is registered twice")
        self._told[name] = told

    @jit.export
    def get_methods(self) -> list[str]:
        return self._methods

    @jit.export
    def get_attributes(self) -> list[str]:
        return self._attributes

    @jit.export
    def get_sample_rate(self) -> int:
        return self.sr

    def accessors(self) -> list[tuple[str, str]]:
        """Names and TorchScript sources of the getters and setters that the class does not bring itself."""
        found = []
        for told in self._told.values():
            if isinstance(told, Attribute):
                sources = (f"get_{told.name}", _getter(told)), (f"set_{told.name}", _setter(told))
                found += [(name, source) for name, source in sources if not hasattr(type(self), name)]
        return found

    def export(self, path: Path | str, card: Mapping[str, Any] | None = None, rows: int = ROWS) -> dict[str, Any]:
        """Tries every method, then writes the file and returns its card: `card` plus rate, attributes and batch.

        `rows` is how many streams at once layers have memory for.  Layers are switched to streaming and everything to
        evaluation, and both stay so.  Raises ModelError, which names the method, where one does not keep its promise or cannot
        be compiled.
        """
        path = Path(path)
        methods = [m for m in self._told.values() if isinstance(m, Method)]
        if not methods:
            raise ModelError(f"{type(self).__name__} has no registered method")
        unit = math.lcm(*(r for m in methods for r in (m.in_ratio, m.out_ratio)))  # hosts call every method in such steps
        crop(stream(self.eval()), rows)
        for method in methods:
            try_method(self, method, unit, rows)
        reset(self)
        try:
            scripted = jit.script(self, self.accessors())
        except Exception as error:  # TorchScript raises many kinds
            raise ModelError(f"{type(self).__name__} cannot be compiled: {reason(error)}") from error
        for method in methods:
            try_method(scripted, method, unit, rows)
        reset(scripted)
        attributes = {a.name: asdict(a) for a in self._told.values() if isinstance(a, Attribute)}
        layers = any(isinstance(m, Layer) for m in self.modules())
        full = {
            "sample_rate": self.sr,
            "attributes": {name: {k: a[k] for k in ("low", "high", "unit", "doc")} for name, a in attributes.items()},
            **({"batch": rows} if layers else {}),
            **(card or {}),
        }
        jit.save(scripted, path, full)
        return full


def try_method(module: nn.Module, method: Method, unit: int, rows: int = ROWS) -> None:
    """Calls a method with noise, in batches up to `rows` and multiples of `unit` samples.

    Raises ModelError where it breaks its promise.
    """
    name = method.name
    generator = torch.Generator().manual_seed(0)
    for batch in (b for b in BATCHES if b <= rows):
        for units in LENGTHS:
            x = torch.rand(batch, method.inputs, unit * units // method.in_ratio, generator=generator) - 0.5
            try:
                with torch.no_grad():
                    y = getattr(module, name)(x)
            except Exception as error:
                raise ModelError(f"method {name} raises at batch {batch} and {x.size(2)} frames: {reason(error)}") from error
            fault = wrong(y, batch, method.outputs, unit * units // method.out_ratio)
            if fault:
                raise ModelError(f"method {name}, given {batch} streams of {x.size(2)} frames, {fault}")


def _getter(a: Attribute) -> str:
    return f"def get_{a.name}(self):\n    return self.{a.name}\n"


def _setter(a: Attribute) -> str:
    names = [f"v{i}" for i in range(len(a.kinds))]
    lines = [f"def set_{a.name}(self, {', '.join(f'{n}: {TYPES[k]}' for n, k in zip(names, a.kinds))}) -> int:"]
    for n, kind in zip(names, a.kinds):
        inside = [f"{n} >= {a.low!r}"] * (a.low is not None) + [f"{n} <= {a.high!r}"] * (a.high is not None)
        if inside and kind in ("int", "float"):
            lines += [f"    if not ({' and '.join(inside)}):", "        return -1"]  # `not`, so that NaN is refused too
    return "\n".join([*lines, f"    self.{a.name} = ({', '.join(names)},)", "    return 0", ""])
