"""What a model file offers, as plain data: methods, attributes, rate, and the card that zrack's own exports carry.

The nn~ convention is a TorchScript module with `get_methods()` and, for each method, a tensor `<method>_params` of four
whole numbers: channels in, samples a frame in, channels out, samples a frame out.  Nothing here needs torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from graph.spec import NAME, RESERVED

KINDS = ("bool", "int", "float", "str", "tensor", "buffer")
"""What an element of an attribute is, in the order of the numbers that nn~ gives them."""
CARD = "card.json"
"""The extra file inside a TorchScript archive that holds the card, JSON."""
CHANNELS = 512
"""Most channels, or latent dimensions, of a method on either side."""
RATIO = 65536
"""Most samples a frame."""
BATCH = 64
"""Most streams at once that are tried."""


class ModelError(ValueError):
    """A model file, or a call of its methods, that cannot be.  `str()` is one sentence."""


def proper(name: str) -> bool:
    """Whether a patch can use `name` for a node's method or port."""
    return bool(NAME.match(name)) and name not in RESERVED


@dataclass(frozen=True)
class Method:
    """One method: [batch, inputs, n ÷ in_ratio] → [batch, outputs, n ÷ out_ratio] for n samples at the model's rate."""

    name: str
    inputs: int
    in_ratio: int
    outputs: int
    out_ratio: int
    in_labels: tuple[str, ...] = ()
    out_labels: tuple[str, ...] = ()
    delay: float | None = None  # samples at the model's rate by which what comes out lags: the card's or measured
    chunk: int = 0  # samples at the model's rate that every call must have, where not any multiple of `Interface.unit` will do


@dataclass(frozen=True)
class Attribute:
    """One attribute: the kinds of its elements and what they are when the file is loaded."""

    name: str
    kinds: tuple[str, ...]
    values: tuple[Any, ...]  # None for a tensor or a buffer
    low: float | None = None  # the card's
    high: float | None = None
    unit: str = ""
    doc: str = ""


@dataclass(frozen=True)
class Interface:
    """Everything that a node, the palette and the command line know of a model file."""

    sha: str  # SHA-256 of the file, hexadecimal
    rate: int  # Hz; 0 where the file does not say
    methods: tuple[Method, ...]
    attributes: tuple[Attribute, ...] = ()
    batch: int = 1  # most streams at once
    card: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # what does not follow the convention, a sentence each
    weights: int = 0  # numbers that were trained
    state: int = 0  # bytes that a call may change

    @property
    def unit(self) -> int:
        """Samples at the model's rate that hold a whole number of frames of every method: calls take multiples of it."""
        return math.lcm(1, *(r for m in self.methods for r in (m.in_ratio, m.out_ratio)))

    def method(self, name: str) -> Method | None:
        """The method of that name."""
        return next((m for m in self.methods if m.name == name), None)

    def to_map(self) -> dict[str, Any]:
        """As plain JSON values; `from_map` reads them."""
        return asdict(self)

    @classmethod
    def from_map(cls, data: Mapping[str, Any]) -> Interface:
        """The inverse of `to_map`.  Raises KeyError or TypeError where it is none."""

        def tuples(item: Mapping[str, Any], *names: str) -> dict[str, Any]:
            return {**item, **{n: tuple(item[n]) for n in names}}

        return cls(
            sha=data["sha"],
            rate=int(data["rate"]),
            methods=tuple(Method(**tuples(m, "in_labels", "out_labels")) for m in data["methods"]),
            attributes=tuple(Attribute(**tuples(a, "kinds", "values")) for a in data["attributes"]),
            batch=int(data["batch"]),
            card=dict(data["card"]),
            notes=tuple(data["notes"]),
            weights=int(data.get("weights", 0)),
            state=int(data.get("state", 0)),
        )
