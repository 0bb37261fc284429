"""What the palette offers: node types found by a few letters of name, tag or help, best first, and what fits a port."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from graph import rules, subpatch
from graph.errors import PatchError
from graph.patch import Patch
from graph.spec import In, NodeSpec, Out, Param
from graph.values import span

FAMILIES = ("source", "filter", "effect", "mod", "maths", "latent", "model", "midi", "osc", "io", "view", "rack")
"""In which order families stand where nothing was typed; others follow."""
MOVERS = ("mod", "midi", "osc", "maths")
"""Families that are offered first for a param."""
FIRST = {
    "param": ("mod/lfo", "mod/adsr", "mod/steps", "midi/cc", "source/constant"),
    "to": ("source/saw", "source/sine", "source/noise", "source/sample", "io/input"),
    "from": ("filter/lowpass", "effect/vca", "effect/delay", "effect/reverb", "maths/mix", "io/output"),
}
"""What is offered first where nothing was typed: for a param, to an inlet, from an outlet."""
ALSO = {
    "oscillator": "source/saw source/sine source/triangle source/pulse", "vco": "source/saw source/sine source/pulse",
    "vcf": "filter/lowpass filter/ladder filter/svf", "lpf": "filter/lowpass", "lp": "filter/lowpass filter/onepole",
    "hpf": "filter/highpass", "hp": "filter/highpass", "bpf": "filter/bandpass", "bp": "filter/bandpass",
    "eq": "filter/peak filter/lowshelf filter/highshelf", "moog": "filter/ladder", "envelope": "mod/adsr mod/curve",
    "eg": "mod/adsr", "keyboard": "midi/notes", "sequencer": "mod/steps mod/euclid", "seq": "mod/steps mod/euclid",
    "sh": "mod/sample-hold", "s&h": "mod/sample-hold", "random": "mod/random-walk source/noise",
    "glide": "mod/slew", "portamento": "mod/slew",
    "distortion": "maths/saturate maths/fold maths/clip effect/crush", "overdrive": "maths/saturate",
    "bitcrusher": "effect/crush", "echo": "effect/delay", "flanger": "effect/chorus", "amp": "effect/vca",
    "amplifier": "effect/vca", "gain": "effect/vca", "volume": "effect/vca", "tremolo": "effect/vca mod/lfo",
    "ring": "maths/multiply", "mixer": "maths/mix", "sum": "maths/add maths/mix", "attenuverter": "maths/scale",
    "offset": "maths/add source/constant", "square": "source/pulse", "mic": "io/input", "out": "io/output",
    "speaker": "io/output", "metronome": "mod/clock", "sampler": "source/sample", "player": "source/sample",
    "oscilloscope": "view/scope", "fft": "view/spectrum view/spectrogram", "comment": "view/note", "group": "rack/patch",
    "subpatch": "rack/patch",
}  # fmt: skip
"""Words that hands know from elsewhere, and the types that they mean here."""


@dataclass(frozen=True)
class Wish:
    """What must fit: a cable comes from an outlet (`start`) or goes to an inlet or param."""

    start: bool
    latent: bool = False
    param: bool = False
    space: str = ""  # the latent space and its dimensions, where they are known
    dims: int = 0


@dataclass(frozen=True)
class Found:
    """One line of the palette: the type, the port that the cable would join, how well it fits, and what is set at once."""

    spec: NodeSpec
    port: str = ""
    score: float = 0.0
    label: str = ""
    values: Mapping[str, str] | None = None

    @property
    def name(self) -> str:
        return self.label or self.spec.id.rsplit("/", 1)[-1]

    @property
    def family(self) -> str:
        return self.spec.id.partition("/")[0]


@dataclass(frozen=True)
class Offer:
    """A type with settings, under a name of its own: one method of a model."""

    label: str
    spec: NodeSpec
    values: Mapping[str, str]


def wish(patch: Patch, node: str, port: str, start: bool) -> Wish | None:
    """What a cable from the outlet `port` (`start`), or to the inlet or param, asks of a new node; None: anything."""
    try:
        if start:
            out = rules.outlet(patch, node, port)
            return None if out is None else Wish(True, rules.is_latent(out), False, *_there(patch, node, port, out))
        item = rules.inlet(patch, node, port)[1]
        if item is None:
            return None
        return Wish(False, rules.is_latent(item), isinstance(item, Param), *_there(patch, node, port, item))
    except PatchError:
        return None


def _there(patch: Patch, node: str, name: str, port: In | Out | Param) -> tuple[str, int]:
    """The latent space at a port and its dimensions, by what it is connected to; "" and 0 where nobody knows."""
    if isinstance(port, Param) or not rules.is_latent(port):
        return "", 0
    found = rules.spaces(patch).get((node, port.latent or f".{name}"))
    return (found.name or "", found.dims or 0) if found is not None else _space(port)


def _space(port: In | Out | Param) -> tuple[str, int]:
    """The latent space that a port insists on: its own, or a name of more than one letter."""
    fixed = getattr(port, "fixed", None)
    if fixed is not None:
        return fixed.name, fixed.dims
    found = getattr(port, "latent", None) or ""
    return (found if len(found) > 1 else ""), 0


def fitting(spec: NodeSpec, want: Wish) -> str | None:
    """The port of a type that a cable would join, None where there is none: inlets before params."""
    ports: Mapping[str, In | Out | Param] = spec.inputs() if want.start else spec.outlets
    for name, port in ports.items():
        own = _space(port)
        spaces, dims = {own[0], want.space} - {"", rules.FREE}, {own[1], want.dims} - {0}
        if rules.is_latent(port) == want.latent and len(spaces) < 2 and len(dims) < 2:
            return name
    return None


def offered(specs: Mapping[str, NodeSpec], inside: bool = False) -> list[NodeSpec]:
    """All types that people may add; `inside` a sub-patch its ports too."""
    own = [subpatch.PATCH, *((subpatch.INLET, subpatch.OUTLET) if inside else ())]
    found = {s.id: s for s in specs.values() if not s.hidden}
    found |= {id: subpatch.BUILTIN[id] for id in own}
    return sorted(found.values(), key=lambda s: (_family(s.id.partition("/")[0]), s.id))


def _family(name: str) -> tuple[int, str]:
    return (FAMILIES.index(name) if name in FAMILIES else len(FAMILIES), name)


def search(
    specs: Mapping[str, NodeSpec], text: str, fits: Wish | None = None, *, recent: Iterable[str] = (), inside: bool = False,
    more: Iterable[Offer] = (),
) -> list[Found]:  # fmt: skip
    """What was meant by `text`, best first.  Every word of it must be somewhere; what was `recent`ly added gains a little.

    `more` stands after the types of its family.
    """
    words = re.findall(r"[a-z0-9#&]+", text.lower())
    late = {id: n for n, id in enumerate(dict.fromkeys(recent))}
    found = []
    lines = [*(Found(spec) for spec in offered(specs, inside)), *(Found(o.spec, "", 0.0, o.label, o.values) for o in more)]
    for line in sorted(lines, key=lambda f: _family(f.family)) if more else lines:
        spec = line.spec
        port = "" if fits is None else fitting(spec, fits)
        if port is None:
            continue
        scores = [max(_named(word, line.label), 0.9 * score(word, spec)) if line.label else score(word, spec) for word in words]
        if not all(scores):
            continue
        total = sum(scores) + (0.0 if line.label else max(0.0, 3.0 - late.get(spec.id, 99)))
        if fits is not None:
            total += _first(spec, fits)
        if len(words) > 1 and "".join(words) == _plain(line.label or spec.id.rpartition("/")[2]):
            total += 100.0
        found.append(replace(line, port=port, score=total))
    return sorted(found, key=lambda f: -f.score)  # stable: equal ones stay by family and name


def _named(word: str, label: str) -> float:
    """How well one word fits the name of an offer."""
    parts = _words(label.lower())
    if word in parts:
        return 100.0
    return next((80.0 for part in parts if part.startswith(word)), 50.0 if word in label.lower() else 0.0)


def _first(spec: NodeSpec, want: Wish) -> float:
    """How much earlier than others a type is offered for a port."""
    first = FIRST["param" if want.param else "from" if want.start else "to"]
    more = 5.0 if want.param and spec.id.partition("/")[0] in MOVERS else 0.0
    if want.latent and want.space not in ("", rules.FREE):  # what understands this very space
        ports = (spec.inlets if want.start else spec.outlets).values()
        more += 12.0 * any(_space(p)[0] == want.space for p in ports)
    return more + (10.0 - first.index(spec.id) if spec.id in first and not want.latent else 0.0)


def score(word: str, spec: NodeSpec) -> float:
    """How well one word fits a type: name 100 and less, another name for it or a tag 62, family 55, title 30, letters in
    order 22, help 12; 0 where it does not."""
    name, family, title, rest, tags = _texts(spec)
    if word == name:
        return 100.0
    best = 0.0
    if name.startswith(word):
        best = 80.0 + 10.0 * len(word) / len(name)
    elif any(part.startswith(word) for part in name.split("-")):
        best = 65.0
    elif word in name:
        best = 50.0 + 10.0 * len(word) / len(name)
    also = ALSO.get(word, "").split()
    if spec.id in also:
        best = max(best, 62.0 - also.index(spec.id))
    if word in tags:
        best = max(best, 60.0)
    elif any(part.startswith(word) for tag in tags for part in tag.split()):
        best = max(best, 45.0)
    if family == word:
        best = max(best, 55.0)
    elif family.startswith(word):
        best = max(best, 40.0)
    if not best and len(word) > 1:
        best = _in_order(word, name)
    if any(part.startswith(word) for part in title):
        best = max(best, 30.0)
    if len(word) > 2:
        if any(part.startswith(word) for part in rest):
            best = max(best, 12.0)
        elif not best and len(word) > 3 and _typo(word, name):
            best = 18.0
    return best


def _in_order(word: str, name: str) -> float:
    """22 and less where the letters of `word` stand in `name` in order, the first of both the same; closer is more."""
    if not name.startswith(word[0]):
        return 0.0
    at, gaps = 0, 0
    for letter in word[1:]:
        found = name.find(letter, at + 1)
        if found < 0:
            return 0.0
        gaps += found - at - 1
        at = found
    return max(14.0, 22.0 - gaps)


def _typo(word: str, name: str) -> bool:
    """Whether one letter is wrong, missing, too much, or two are swapped."""
    if abs(len(word) - len(name)) > 1:
        return False
    at = next((i for i, (a, b) in enumerate(zip(word, name)) if a != b), min(len(word), len(name)))
    a, b = word[at:], name[at:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (len(a) > 1 and a[1::-1] == b[:2] and a[2:] == b[2:])


@lru_cache(4096)
def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[a-z0-9&]+", text.lower()))


_kept: dict[int, tuple[NodeSpec, tuple[str, str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]]] = {}


def _texts(spec: NodeSpec) -> tuple[str, str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """(name, family, words of the title, words of the rest of the help, tags), all in small letters."""
    kept = _kept.get(id(spec))
    if kept is not None and kept[0] is spec:
        return kept[1]
    family, _, name = spec.id.lower().rpartition("/")
    rest = " ".join([spec.doc, *(p.doc for p in spec.params.values()), *(c.doc for c in spec.choices.values())])
    options = (o for c in spec.choices.values() for o in c.options if len(o) > 2)
    texts = name, family, _words(spec.title), _words(rest), tuple(t.lower() for t in (*spec.tags, *options))
    _kept[id(spec)] = spec, texts
    return texts


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def help_lines(spec: NodeSpec) -> list[tuple[str, str]]:
    """The help beside the palette as ("text" | "title" | "port", line): what it does, then every port and what it is for."""
    found = [("text", " ".join(paragraph.split())) for paragraph in spec.doc.strip().split("\n\n")]
    sections: dict[str, Mapping[str, Any]] = {
        "Inlets": spec.inlets, "Knobs": spec.params, "Switches": spec.choices, "Settings": spec.settings,
        "Outlets": spec.outlets,
    }  # fmt: skip
    for title, ports in sections.items():
        found += [("title", title)] if ports else []
        for name, port in ports.items():
            reach = span(port.low, port.high, port.unit) if isinstance(port, Param) else ""
            found.append(("port", ": ".join(filter(None, [name, port.doc])) + (f" ({reach})" if reach else "")))
    return found


def find(patch: Patch, text: str, most: int = 100) -> list[tuple[str, str]]:
    """Nodes of a patch, at any depth, by (full path, type): those whose name, type or text has every word of `text`."""
    words = text.lower().split()
    found: list[tuple[int, str, str]] = []
    todo: list[tuple[str, Patch]] = [("", patch)]
    while todo and len(found) < 10 * most:
        prefix, holder = todo.pop(0)
        for name, data in holder.nodes.items():
            where = f"{prefix}{name} {data.type} {data.settings.get('text', '')}".lower()
            if all(word in where for word in words):
                begins = bool(words) and name.lower().startswith(words[0])
                found.append((0 if begins else 1, prefix + name, data.type))
            inner = holder.inner(name) if data.type == subpatch.PATCH and data.patch is not None else None
            if inner is not None:
                todo.append((f"{prefix}{name}/", inner))
    return [(path, type) for _, path, type in sorted(found)[:most]]
