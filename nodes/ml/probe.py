"""What a loaded model offers: read from it where it says so, tried out where it does not, and every promise put to the test.

Runs in the process that `nodes.ml.shelf.describe` starts, because reading a model means running it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from . import delay
from .calls import State, reason, wrong
from .contract import BATCH, CHANNELS, RATIO, Interface, Method, ModelError, proper

FIRST = ("encode", "decode", "forward", "prior")
"""The order of methods in a file that lists none; others follow by name."""
BARE = ("encode", "decode", "forward")
"""Methods that are tried even where nothing says what they take."""
MOST = 64
"""Methods of a file."""
LABEL = 80
"""Characters of a label."""
LENGTHS = (1, 2, 3, 4, 8)
"""Units that a method must be able to take at once."""
AWKWARD = (16, 32, 64, 5, 6, 7, 12, 24, 48)
"""Units that are tried where a method takes none of them."""
RATES = (1000, 768_000)


def body(module: Any) -> Any:
    """The part of a loaded file that holds the methods: itself, or `_rave` in some old exports."""
    parts = [p for p in (module, getattr(module, "_rave", None)) if hasattr(p, "_c")]
    for has in (_declared, lambda part: compiled(part) & set(BARE)):
        for part in parts:
            if has(part):
                return part
    return module


def compiled(part: Any) -> set[str]:
    """Names of the methods that are really there."""
    return set(part._c._method_names())


def _declared(part: Any) -> list[str]:
    """Compiled methods with params, in a stable order."""
    names = [m for m in compiled(part) if hasattr(part, f"{m}_params")]
    return sorted(names, key=lambda m: (FIRST.index(m) if m in FIRST else len(FIRST), m))


class Probe:
    """Finds out about one module; `notes` gathers what does not follow the convention."""

    def __init__(self, module: Any, state: State, card: Mapping[str, Any]) -> None:
        self.module, self.part, self.state, self.card = module, body(module), state, card
        self.notes: list[str] = []
        self.unit = 1
        self.noise = np.random.default_rng(2)

    def interface(self) -> Interface:
        """Everything, without the hash.  Raises ModelError where no method can be used."""
        from .attributes import attributes

        names = self.names()
        promised = [m for m in map(self.promise, names) if m]
        if not _declared(self.part):
            promised = self.bare([n for n in BARE if n in (names or compiled(self.part))])
        self.unit = math.lcm(1, *(r for m in promised for r in (m.in_ratio, m.out_ratio)))
        if self.unit > 1 << 20:
            self.notes.append(f"the ratios of its methods first meet after {self.unit} samples")
            self.unit = max(r for m in promised for r in (m.in_ratio, m.out_ratio))
        methods = [m for m in map(self.tried, promised) if m]
        if not methods:
            raise ModelError(self.notes[0] if self.notes else "has no method that a node could call")
        batch = self.batch(methods)
        return Interface(
            sha="",
            rate=self.rate(),
            methods=tuple(self.delays(methods)),
            attributes=attributes(self.part, self.card, self.notes),
            batch=batch,
            card=dict(self.card),
            notes=tuple(dict.fromkeys(self.notes)),
            weights=sum(p.numel() for p in self.module.parameters()),
            state=self.state.size,
        )

    # ------------------------------------------------------------------------------------------ what it promises

    def names(self) -> list[str]:
        """The methods that the file lists, else those that have params."""
        if "get_methods" not in compiled(self.part):
            return _declared(self.part)[:MOST]
        try:
            listed = list(dict.fromkeys(self.part.get_methods()))
        except Exception as error:
            self.notes.append(f"get_methods raises: {reason(error)}")
            return _declared(self.part)[:MOST]
        if len(listed) > MOST:
            self.notes.append(f"lists {len(listed)} methods; {MOST} are read")
        return [str(name) for name in listed[:MOST]]

    def promise(self, name: str) -> Method | None:
        """A method as its params describe it."""
        shown = repr(name if len(name) <= 40 else name[:40] + "…")
        if not proper(name):
            self.notes.append(f"lists a method {shown}, which cannot be a name in a patch")
        elif name not in compiled(self.part):
            self.notes.append(f"lists a method {name} that it does not have")
        elif not hasattr(self.part, f"{name}_params"):
            if name not in BARE or _declared(self.part):  # else `bare` says it
                self.notes.append(f"method {name} has no {name}_params, which say what it takes and gives")
        elif why := self.callable(name):
            self.notes.append(f"method {name} {why}")
        else:
            found = _four(getattr(self.part, f"{name}_params"))
            if not isinstance(found, str):
                inlets, outlets = self.labels(name, "input", found[0]), self.labels(name, "output", found[2])
                return Method(name, *found, inlets, outlets)
            self.notes.append(f"method {name} {found}")
        return None

    def callable(self, name: str) -> str:
        """Why a method cannot be called with one tensor; "" where it can."""
        wanted = self.part._c._get_method(name).schema.arguments[1:]
        if not wanted or str(wanted[0].type) not in ("Tensor", "Optional[Tensor]"):
            return "does not take a tensor"
        needed = [a.name for a in wanted[1:] if not a.has_default_value()]
        return f"also wants {' and '.join(needed[:3])}, which no cable carries" if needed else ""

    def labels(self, name: str, side: str, count: int) -> tuple[str, ...]:
        """The labels of one side, () where there are none."""
        given = getattr(self.part, f"{name}_{side}_labels", None)
        if not given:
            return ()
        if not isinstance(given, list | tuple) or len(given) != count:
            self.notes.append(f"method {name} has {len(given)} {side} labels for {count} channels")
            return ()
        return tuple(" ".join("".join(c if c.isprintable() else " " for c in str(text)).split())[:LABEL] for text in given)

    def bare(self, names: list[str]) -> list[Method]:
        """Methods of a file without any params, as trying them tells."""
        found: list[Method] = []
        for name in names:
            if why := self.callable(name):
                self.notes.append(f"method {name} {why}")
                continue
            encoded = found[0].outputs if name == "decode" and found else 0
            shape = self.guess(name, [encoded] if encoded else [*range(1, 129), 256, 512] if name == "decode" else range(1, 17))
            if isinstance(shape, str):
                self.notes.append(f"method {name} {shape}")
            else:
                self.notes.append(f"method {name} has no {name}_params; what it takes and gives was found by trying")
                found.append(Method(name, *shape))
        return found

    def guess(self, name: str, channels: Any) -> tuple[int, int, int, int] | str:
        """[channels in, ratio in, channels out, ratio out] of a method, found with zeros; a string says why not."""
        import torch

        lengths = (8, 16) if name == "decode" else (16384, 32768)
        why = ""
        for inputs in channels:
            shapes = []
            for n in lengths:
                try:
                    y = self.call(name, np.zeros((1, inputs, n), np.float32))
                except Exception as error:
                    why = why or f"raises: {reason(error)}"
                    break
                if not isinstance(y, torch.Tensor) or y.dim() != 3:
                    return wrong(y, 1, 1, 1)
                shapes.append((n, y.shape[1], y.shape[2]))
            if len(shapes) == 2:
                n, outputs, frames = shapes[1]
                long, short = max(n, frames), min(n, frames)
                if not short or long % short or shapes[0][2] * 2 != frames:
                    return f"gives {frames} frames for {n}, which is no whole ratio"
                four = (inputs, long // n, outputs, long // frames)
                return _four(four)
        return why or "has no params, and nothing that was tried fits it"

    # ------------------------------------------------------------------------------------------ what it keeps

    def call(self, name: str, x: np.ndarray) -> Any:
        """One call with a known seed, from the state of a fresh load."""
        import torch

        self.state.restore()
        torch.manual_seed(0)
        return getattr(self.part, name)(torch.from_numpy(x))

    def fails(self, m: Method, n: int, batch: int = 1, silent: bool = False) -> str:
        """What goes wrong when `m` gets `n` samples of noise; "" where nothing does."""
        shape = (batch, m.inputs, n // m.in_ratio)
        x = np.zeros(shape, np.float32) if silent else self.noise.standard_normal(shape).astype(np.float32) * np.float32(0.1)
        try:
            y = self.call(m.name, x)
        except Exception as error:
            return f"raises: {reason(error)}"
        if y is None and self.optional(m.name):
            return ""
        return wrong(y, batch, m.outputs, n // m.out_ratio)

    def optional(self, name: str) -> bool:
        """Whether a method may return nothing."""
        return str(self.part._c._get_method(name).schema.returns[0].type).startswith("Optional")

    def tried(self, m: Method) -> Method | None:
        """The method with the call length that it needs; None where it does not do what it promises."""
        lengths = {n: self.fails(m, n) for n in (self.unit * k for k in LENGTHS)}
        good = [n for n, why in lengths.items() if not why]
        if not good:
            power = [1 << k for k in range(9, 17) if (1 << k) % self.unit == 0 and (1 << k) > self.unit]
            good = [next((n for n in (*power, *(self.unit * k for k in AWKWARD)) if not self.fails(m, n)), 0)]
        if not good[0]:
            self.notes.append(f"method {m.name} {lengths[self.unit]}")
            return None
        if len(good) < len(lengths):
            m = replace(m, chunk=good[0])
            self.notes.append(f"method {m.name} does not take calls of every length; it is called with {m.chunk} samples")
        if why := self.fails(m, good[0], silent=True):
            self.notes.append(f"method {m.name} {why} when it gets silence")
        return m

    def batch(self, methods: list[Method]) -> int:
        """Most streams at once that every method takes, up to BATCH."""
        told = getattr(self.part, "max_batch_size", None)
        try:
            most = min(BATCH, max(1, int(told))) if told is not None else BATCH
        except (TypeError, ValueError, RuntimeError):
            most = BATCH
        for m in methods:
            n, good = m.chunk or self.unit, 1
            while good < most and not self.fails(m, n, batch=min(2 * good, most)):
                good = min(2 * good, most)
            if good > 1 and self.repeats(m, n):
                self.notes.append(f"method {m.name} gives every stream of a batch what it makes of the first")
                good = 1
            most = good
        return most

    def repeats(self, m: Method, n: int) -> bool:
        """Whether two different streams come out the same, though each alone does not."""
        x = self.noise.standard_normal((2, m.inputs, n // m.in_ratio)).astype(np.float32)
        both, first, second = self.call(m.name, x), self.call(m.name, x[:1]), self.call(m.name, x[1:])
        if both is None or first is None or second is None:
            return False
        return bool((both[0] == both[1]).all()) and not bool((first == second).all())

    # ------------------------------------------------------------------------------------------ rate and delay

    def rate(self) -> int:
        """Samples a second, 0 where nothing in the file says."""
        owners = [p for p in (self.module, getattr(self.module, "_rave", None)) if p is not None]
        told = [getattr(p, "sr", None) for p in owners]
        for p in owners:
            if "get_sample_rate" in compiled(p):
                try:
                    told.append(p.get_sample_rate())
                except Exception as error:
                    self.notes.append(f"get_sample_rate raises: {reason(error)}")
        told += [*(getattr(p, "sampling_rate", None) for p in owners), self.card.get("sample_rate")]
        for value in told:
            try:
                rate = int(value)  # type: ignore[arg-type]
            except (TypeError, ValueError, RuntimeError, OverflowError):
                continue
            if RATES[0] <= rate <= RATES[1]:
                return rate
            if rate > 0:
                self.notes.append(f"says that its sample rate is {rate} Hz, which is not believed")
        return 0

    def delays(self, methods: list[Method]) -> list[Method]:
        """The methods with the card's delay, else with the one that is measured."""
        card = self.card.get("delay")
        told = card if isinstance(card, dict) else dict.fromkeys((m.name for m in methods), card)
        known = {m.name: float(v) for m in methods if isinstance(v := told.get(m.name), int | float) and 0 <= v < 1e9}
        by_name = {m.name: m for m in methods}
        encode, decode = (by_name.get(n) if n not in known else None for n in ("encode", "decode"))
        answers: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        found: dict[str, float | None] = dict(known)
        for m in methods:
            if m.name in known:
                continue
            if encode and m is decode and "encode" in answers and _chained(encode, decode):
                found.update(self.through(encode, decode, answers["encode"], found.get("encode")))
                continue
            x, _, _ = delay.burst(m, self.unit, math.lcm(self.unit, m.chunk or 1))
            try:
                quiet, loud = self.respond(m, np.zeros_like(x)), self.respond(m, x)
            except Exception:  # at this length it need not work
                continue
            answers[m.name] = quiet, loud
            found[m.name] = delay.lag(x, m.in_ratio, quiet, loud, m.out_ratio)
        return [replace(m, delay=found.get(m.name)) for m in methods]

    def through(
        self, encode: Method, decode: Method, latents: tuple[np.ndarray, np.ndarray], first: float | None
    ) -> dict[str, float | None]:
        """The decoder's delay as what is left of the whole path's, for which there is a waveform to compare."""
        x, _, _ = delay.burst(encode, self.unit, math.lcm(self.unit, encode.chunk or 1))
        quiet, loud = (self.respond(decode, z) for z in latents)
        whole = delay.lag(x, encode.in_ratio, quiet, loud, decode.out_ratio)
        if whole is None or first is None:
            return {"decode": None}
        return {"encode": min(first, whole), "decode": whole - min(first, whole)}

    def respond(self, m: Method, x: np.ndarray) -> np.ndarray:
        """What `m` makes of `x` [1, inputs, frames] from a fresh state, in as many calls as it needs."""
        import torch

        self.state.restore()
        torch.manual_seed(0)
        step = m.chunk // m.in_ratio or x.shape[2]
        calls = [getattr(self.part, m.name)(torch.from_numpy(x[:, :, i : i + step].copy())) for i in range(0, x.shape[2], step)]
        out: np.ndarray = torch.cat(calls, -1).numpy().copy()
        return out


def _chained(encode: Method, decode: Method) -> bool:
    """Whether what one puts out is what the other takes, and sound lies at both ends."""
    return (encode.outputs, encode.out_ratio) == (decode.inputs, decode.in_ratio) and encode.in_ratio == decode.out_ratio


def _four(params: Any) -> tuple[int, int, int, int] | str:
    """[channels in, ratio in, channels out, ratio out] as whole numbers within the limits; a string says what is wrong."""
    try:
        numbers = [float(v) for v in params]
    except (TypeError, ValueError, RuntimeError):
        return "has params that are no numbers"
    if len(numbers) != 4:
        return f"has {len(numbers)} params where 4 are expected: channels and ratio in, channels and ratio out"
    for value, most, what in zip(numbers, (CHANNELS, RATIO, CHANNELS, RATIO), ("channels", "samples a frame") * 2):
        if not (math.isfinite(value) and value == int(value) and value >= 1):
            return f"says {value:g} {what}; whole numbers from 1 on are expected"
        if value > most:
            return f"says {value:g} {what}; {most} is the most"
    a, b, c, d = map(int, numbers)
    return a, b, c, d
