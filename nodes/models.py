"""`model/nn`: a neural model as a node.  Its ports follow from its file; it runs in a worker process, a hop at a time."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graph import PatchError
from graph.disk import confined
from graph.spec import NAME, RESERVED, Fixed, registry

from .base import EXTRA, LEAD, Choice, Data, In, Node, Out, Param, Setting
from .dsp.resample import Resampler, lag
from .ml import shelf, trust
from .ml.contract import Attribute, Interface, Method, ModelError

if TYPE_CHECKING:
    from .ml.torchscript import Running

SHORTEST = 256
"""Samples of the shortest hop at the model's rate."""
EMPTY = ((0.0,),)
"""A table that nobody has filled: the model keeps its own."""
LOOK = 1.0
"""Seconds for which a file is believed to be as it was."""
EDGES = re.compile(r"[\s_\-:#([]*\d+[\s)\]]*$|\((signal|list)\)")


@dataclass(frozen=True)
class Group:
    """Neighbouring channels of a method that make one port: its name, first channel, how many, label."""

    name: str
    first: int
    count: int
    doc: str


class Model(Node):
    """Plays a neural model: any file of the nn~ kind, RAVE, AFTER, vschaos2, msprior, or one trained with zrack.

    Choose a `file` and a `method`.  `encode` turns sound into a latent, `decode` a latent into sound, `forward` does both;
    what else there is depends on the model.  A latent cable between two of these nodes can be bent on its way.

    The model is computed beside the sound, so what it makes comes later: once the hop is gathered and the time to compute
    is over.  `hop` trades that latency for work.  A model that is late fades out and in again, and is counted.
    """

    id = "model/nn"
    tags = ("neural", "network", "torch", "rave", "after", "latent", "encode", "decode", "ai")
    file = Setting("", kind="file", doc="the model, a .ts file beside the patch or in the models folder")
    method = Setting("", kind="text", doc="what it does: encode, decode, forward …; empty is its first method")
    hop = Setting(1, 1, 4096, doc="how much is computed at a time, in the shortest steps of the model; more costs less")
    slack = Setting(0, 0, 1 << 20, "samples", doc="time that it has to compute; 0 is as long as a hop lasts")
    voices = Setting(0, 0, 64, doc="streams at once; 0 is as many as arrive, or one where there is a latent")
    device = Setting("cpu", kind="choice", options=("cpu", "cuda", "mps"), doc="what computes it")
    threads = Setting(1, 1, 64, doc="processor cores for it; more than one seldom helps")
    heavy = True

    def variant(settings: Mapping[str, Any], folder: Path | None) -> type[Node]:  # type: ignore[misc]
        name = str(settings.get("file", ""))
        if not name:
            raise PatchError("names no model; set its file", port="file")
        path, interface = found(name, folder)
        asked = str(settings.get("method", ""))
        method = interface.method(asked) if asked else interface.methods[0]
        if method is None:
            known = ", ".join(m.name for m in interface.methods)
            raise PatchError(f"{name} has no method {asked}; it has {known}", port="method")
        return variant(path, interface, method, int(settings.get("voices", 0)))

    def work(thing):  # type: ignore[no-untyped-def]
        return ()


_believed: dict[tuple[str, str], tuple[float, Path, Interface | str]] = {}
_refused: dict[str, str] = {}  # by hash: what was said of a file, so that nobody waits for that twice
_variants: dict[tuple[Any, ...], type[Node]] = {}
describe: Callable[[Path], Interface] = shelf.describe
"""How a file that nobody knows yet is looked at.  The editor puts one here that does not wait."""


def find(name: str, folder: Path | None) -> Path:
    """The file that a node names: beside the patch, else in one of the models folders.  Raises PatchError."""
    try:
        path = confined(folder or Path.cwd(), name)
        if path.is_file():
            return path
        error = None
    except PatchError as e:
        error = e
    last = name.rpartition("/")[2]
    for place in shelf.folders():
        for path in (place / name, place / last):
            if path.is_file() and path.resolve().is_relative_to(place.resolve()):
                return path
    raise error or PatchError(f"there is no {name} beside the patch or in the models folder", port="file")


def found(name: str, folder: Path | None) -> tuple[Path, Interface]:
    """A model file and what it offers; looked at anew about once a second.

    Raises PatchError where it is missing, not trusted, not looked at yet, or no model.
    """
    key = (name, str(folder))
    known = _believed.get(key)
    if known is None or time.monotonic() - known[0] > LOOK:
        known = time.monotonic(), *_look(name, folder)
        was, _believed[key] = _believed.get(key), known
        if was is not None and was[2] != known[2]:
            registry.generation += 1
    if isinstance(known[2], str):
        raise PatchError(known[2], port="file")
    return known[1], known[2]


def forget() -> None:
    """Looks at every file anew: one was trusted, or has changed."""
    _believed.clear()
    _refused.clear()
    registry.generation += 1


def _look(name: str, folder: Path | None) -> tuple[Path, Interface | str]:
    path = Path()
    try:
        path = find(name, folder)
        sha = shelf.digest(path)
        if not trust.is_trusted(sha):
            return path, f"{name} is a program that is not trusted on this machine; zrack models {name} --trust lets it run"
        if sha in _refused:
            return path, _refused[sha]
        try:
            interface = describe(path)
        except ModelError as error:
            if describe is shelf.describe:  # it waited, perhaps long; another one may only be busy
                _refused[sha] = str(error)
            raise
        return path, interface if interface.methods else f"{name} has no method that can be used"
    except (PatchError, ModelError, OSError) as error:
        return path, error.text if isinstance(error, PatchError) else str(error)


def variant(path: Path, interface: Interface, method: Method, voices: int) -> type[Node]:
    """The class of the node that runs this method of this file."""
    key = (str(path), interface.sha, interface.rate, method.name, voices)
    if key not in _variants:
        _variants[key] = _declare(path, interface, method, voices)
    return _variants[key]


# ---------------------------------------------------------------------------------------------------- declaration


def unit(interface: Interface, method: Method) -> int:
    """Samples at the model's rate that it computes at least at a time: whole frames of every method."""
    one = math.lcm(interface.unit, method.chunk or 1)
    return one * -(-SHORTEST // one)


def groups(labels: tuple[str, ...], count: int, lone: str, taken: set[str]) -> list[Group]:
    """The ports that the labels of `count` channels make: neighbours that differ only in a number go together.

    Where nothing tells them apart they are one port, called `lone`.
    """
    stems = [EDGES.sub("", EDGES.sub("", label)).strip(" :,-_") for label in labels] if len(labels) == count else [""] * count
    found: list[Group] = []
    for k, stem in enumerate(stems):
        if found and stem == stems[k - 1]:
            last = found[-1]
            found[-1] = Group(last.name, last.first, last.count + 1, last.doc)
        else:
            found.append(Group(stem, k, 1, stem))
    if len(found) == 1 or any(not g.name for g in found):
        found = [Group(lone, 0, count, found[0].doc)] if found else []
    return [Group(name(g.name, lone, taken), g.first, g.count, g.doc) for g in found]


def name(text: str, other: str, taken: set[str]) -> str:
    """A port's name made of a label, and not `taken` yet (it is now)."""
    stem = re.sub(r"[^a-z0-9]+", "_", re.sub(r"\(signal\)", "", text.lower())).strip("_")[:32] or other
    stem = stem if NAME.match(stem) else f"{other}_{stem}"
    stem = f"{stem}_" if stem in RESERVED or stem in LEAD or stem in EXTRA else stem
    found, k = stem, 2
    while found in taken:
        found, k = f"{stem}{k}", k + 1
    taken.add(found)
    return found


def _declare(path: Path, interface: Interface, method: Method, voices: int) -> type[Node]:
    """One node class.  Names that its settings have are not given to ports."""
    taken = set(Model.spec.settings)
    space = f"{path.stem}-{interface.sha[:8]}"
    both = method.in_ratio == method.out_ratio == 1
    streams = voices or 1
    body: dict[str, Any] = {
        "id": Model.id,
        "__doc__": _help(path, interface, method),
        "tags": Model.tags,
        "__module__": __name__,
    }
    # a single control on a latent clock is a signal, read at the last sample before each frame, unless a method makes such
    spaces = {
        (g.count, m.out_ratio)
        for m in interface.methods
        for g in groups(m.out_labels, m.outputs, "z", set())
        if m.out_ratio > 1
    }
    sides: list[list[Group]] = []
    for side, labels, count, ratio in (
        ("in", method.in_labels, method.inputs, method.in_ratio),
        ("out", method.out_labels, method.outputs, method.out_ratio),
    ):
        lone = "z" if ratio > 1 else "audio" if side == "in" else "out"
        sides.append(groups(labels, count, lone if lone not in taken else f"{lone}_{side}", taken))
        for g in sides[-1]:
            latent = ratio > 1 and (side == "out" or g.count > 1 or (1, ratio) in spaces)
            fixed = Fixed(space, g.count * streams, ratio, interface.rate) if latent else None
            wide = None if latent or (both and not voices and g.count == 1) else g.count * streams
            kind: Any = In if side == "in" else Out
            doc = g.doc or ("the latent" if latent else "sound")
            body[g.name] = kind(doc=doc, channels=wide, latent=f"z{g.name}" if latent else None, fixed=fixed)
    attributes: list[tuple[Attribute, list[str]]] = []
    for a in interface.attributes:
        elements = []
        for k, (what, value) in enumerate(zip(a.kinds, a.values, strict=True)):
            n = name(a.name if len(a.kinds) == 1 else f"{a.name}_{k + 1}", "value", taken)
            body[n] = _widget(a, what, value)
            elements.append(n)
        attributes.append((a, elements))
    body["model"] = path, interface, method, sides, attributes

    def open(sr: int, channels: int, settings: Mapping[str, Any], folder: Path | None, seed: int) -> Player:
        return Player(cls, settings, sr, seed, channels, folder)

    def work(thing: Player, hop: int, **given: np.ndarray) -> tuple[np.ndarray, ...]:
        return thing.play(hop, given)

    def every(settings: Mapping[str, Any], rate: int) -> Fraction:
        return Fraction(int(settings.get("hop", 1)) * unit(interface, method) * rate, interface.rate or rate)

    def later(settings: Mapping[str, Any], rate: int) -> int:
        own = interface.rate or rate
        into = lag(rate, own) if method.in_ratio == 1 else 0
        return into + (lag(own, rate, True) if method.out_ratio == 1 else 0)

    def lags(settings: Mapping[str, Any], rate: int) -> float | None:
        return None if method.delay is None else method.delay * rate / (interface.rate or rate)

    body |= {"open": open, "work": work, "every": every, "later": later, "lags": lags}
    cls: type[Node] = type("Model", (Model,), body)
    return cls


def _widget(a: Attribute, what: str, value: Any) -> Param | Choice | Setting | Data:
    """What an element of an attribute is turned or set with."""
    doc = a.doc or f"the model's {a.name}"
    if what == "bool":
        return Choice("on" if value else "off", ("off", "on"), doc=doc)
    if what in ("int", "float"):
        v = float(value)
        reach = 4.0 * abs(v) if v else 1.0
        low = a.low if a.low is not None else min(0.0, 4.0 * v)
        high = a.high if a.high is not None else max(16.0 if what == "int" else 1.0, reach)
        return Param(v, min(low, v), max(high, v), a.unit, smooth=0.0, doc=doc + (", whole numbers" if what == "int" else ""))
    if what == "tensor":
        return Data(EMPTY, limit=1 << 16, doc=doc)
    return Setting(str(value) if what == "str" else "", kind="text" if what == "str" else "file", doc=doc)


def _help(path: Path, interface: Interface, method: Method) -> str:
    """The help text of one method of one model."""
    card = interface.card
    title = str(card.get("description") or card.get("name") or f"{path.stem}, a neural model")
    rate = f"{interface.rate} Hz" if interface.rate else "the rate of the rack"
    lines = [f"{title.rstrip('.')}: {method.name}.", "", f"It runs at {rate}, {unit(interface, method)} samples at a time."]
    if card.get("licence"):
        lines.append(f"Licence of the model: {card['licence']}.")
    return "\n".join([*lines, *(f"Note: {note}" for note in interface.notes)])


# ---------------------------------------------------------------------------------------------------- at work


class Player:
    """One method at work: ports to tensor, resampling where the rates differ, attributes between hops."""

    def __init__(self, cls: Any, settings: Mapping[str, Any], rate: int, seed: int, channels: int, folder: Path | None) -> None:
        from .ml.torchscript import Running

        path, interface, method, sides, attributes = cls.model
        self.spec, self.interface, self.method, self.sides, self.attributes = cls.spec, interface, method, sides, attributes
        self.seed, self.rate, self.settings, self.folder = seed, rate, settings, folder or Path.cwd()
        self.own = interface.rate or rate
        self.samples = int(settings.get("hop", 1)) * unit(interface, method)  # a hop at the model's rate
        outs = [cls.spec.outlets[g.name] for g in sides[1]]
        lone = channels if outs and outs[0].channels is None and not outs[0].latent else 0
        self.streams = lone or int(settings.get("voices", 0)) or 1
        if self.streams > interface.batch:
            raise ModelError(f"{path.name} plays at most {interface.batch} streams at once, not {self.streams}")
        self.model: Running = Running(
            path, method.name, self.streams, str(settings.get("device", "cpu")), int(settings.get("threads", 1)),
            self.samples // method.in_ratio,
        )  # fmt: skip
        into = method.inputs * self.streams
        out = method.outputs * self.streams
        self.into = Resampler(rate, self.own, into) if self.own != rate and method.in_ratio == 1 else None
        self.out = Resampler(self.own, rate, out, True) if self.own != rate and method.out_ratio == 1 else None
        self.told = {a.name: a.values for a, _ in attributes}
        for a, names in attributes:
            self._feed(a, names)

    def play(self, hop: int, given: Mapping[str, np.ndarray]) -> tuple[np.ndarray, ...]:
        """The outlets of hop `hop`, each [samples or frames, channels]."""
        self._turn(given)
        period = Fraction(self.rate, self.own)
        start = math.ceil(hop * self.samples * period)
        end = math.ceil((hop + 1) * self.samples * period)
        n, m = self.samples // self.method.in_ratio, self.samples // self.method.out_ratio
        lines = []
        for g in self.sides[0]:
            x = given[g.name].reshape(len(given[g.name]), self.streams, g.count)
            if not self.spec.inlets[g.name].latent and self.method.in_ratio > 1:  # the last sample before each frame
                at = [math.ceil((hop * n + k + 1) * self.method.in_ratio * period) - 1 - start for k in range(n)]
                x = x[np.clip(at, 0, len(x) - 1)]
            lines.append(x)
        if lines:
            x = np.concatenate(lines, axis=2)
        else:
            x = np.zeros((n, self.streams, self.method.inputs), np.float32)
        if self.into is not None:
            flat = self.into.run(start, x.reshape(len(x), -1), hop * self.samples, self.samples)
            x = flat.reshape(self.samples, self.streams, -1)
        y = self.model.call(np.ascontiguousarray(x.transpose(1, 2, 0)), hash_of(self.seed, hop))
        y = np.ascontiguousarray(y.transpose(2, 0, 1))  # [frames, streams, channels]
        if self.out is not None:
            flat = self.out.run(hop * self.samples, y.reshape(m, -1), start, end - start)
            y = flat.reshape(end - start, self.streams, -1)
        return tuple(y[:, :, g.first : g.first + g.count].reshape(len(y), -1) for g in self.sides[1])

    def _turn(self, given: Mapping[str, np.ndarray]) -> None:
        """Gives the model the attributes that changed, as they are at the first sample of the hop."""
        for a, names in self.attributes:
            values = tuple(self._element(n, what, given) for n, what in zip(names, a.kinds, strict=True))
            if values != self.told[a.name]:
                self.model.set(a.name, [np.asarray(v, np.float32) if isinstance(v, tuple) else v for v in values])
                self.told[a.name] = values

    def _element(self, n: str, what: str, given: Mapping[str, np.ndarray]) -> Any:
        """One element now; None for a sound, and for a table that nobody has filled."""
        if what == "str":
            return str(self.settings.get(n, ""))
        if what == "buffer":
            return None
        if what == "tensor":
            rows = self.settings.get(n, EMPTY)
            return None if rows == EMPTY else tuple(row[0] for row in rows)
        value = float(given[n][0, 0])
        return bool(round(value)) if what == "bool" else round(value) if what == "int" else value

    def _feed(self, a: Attribute, names: list[str]) -> None:
        """Gives the model its sounds, once; the files lie beside the patch."""
        for k, (n, what) in enumerate(zip(names, a.kinds, strict=True)):
            if what == "buffer" and self.settings.get(n):
                import soundfile

                path = confined(self.folder, str(self.settings[n]))
                sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
                self.model.set_buffer(f"{a.name}#{k}", np.ascontiguousarray(sound.T), rate)


def hash_of(seed: int, hop: int) -> int:
    """The seed of one hop: no two hops and no two nodes share one."""
    return (seed * 0x9E3779B97F4A7C15 + hop * 0xD1B54A32D192ED03 + 0x632BE59BD9B4E019) & 0x7FFFFFFFFFFFFFFF
