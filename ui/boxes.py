"""How a node becomes a box: title, rows of ports, knobs, switches, and what is folded away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from graph import rules, subpatch
from graph.errors import PatchError
from graph.patch import Cable, Key, NodeData, Patch
from graph.spec import In, NodeSpec, Out

from . import text
from .shapes import FOOT, KNOB_R, KNOB_ROW, KNOB_X, ROW, TITLE, WIDEST, WIDTH, Box, Fold, Kind, Knob, Look, Port, Switch

SHOWN = 8  # params beyond these fold, unless connected
PILL = 110.0  # width of the ports of a sub-patch, seen from inside
NAME, SMALL = 13.0, 11.0  # sizes of text, as they are drawn
ESSENTIAL = (("file", "no file yet"), ("method", "its first method"))
"""Settings that a placeholder shows, and what is said where one is empty."""
NOTE, INSET = 12, 6.0  # size of text in notes, and how far it is from the edge
VALUE = text.width("-88.8 kHz", SMALL)
FACES = ("latent/plane",)
"""Types with a picture besides the views."""

Ends = Mapping[str, list[tuple[Key, Cable]]]
"""The cables at a node by port."""


def make(
    name: str, data: NodeData, spec: NodeSpec | None, into: Ends, out_of: Ends, *, over: Mapping[tuple[str, str], Any],
    spaces: Mapping[tuple[str, str], str], unfolded: bool, at: tuple[float, float], lacks: str = "",
) -> Box:  # fmt: skip
    """The box of a node with its corner at `at`; `unfolded` shows all params, `lacks` says why a placeholder is one."""
    look = look_of(data.type, spec)
    box = Box(name, 0.0, 0.0, WIDTH, TITLE, name, colour_of(data.type, look), look, data, spec)
    box.bypass, box.placeholder, box.lacks = data.bypass, spec is None, lacks
    if lacks:
        box.lines = tuple(str(data.settings.get(n, "")) or word for n, word in ESSENTIAL)
    inlets = {n: p.latent or "" for n, p in spec.inlets.items()} if spec else dict.fromkeys(into, "")
    outlets = {n: p.latent or "" for n, p in spec.outlets.items()} if spec else dict.fromkeys(out_of, "")
    shown = list(spec.params) if spec else []
    if spec and not unfolded and (look == "view" or len(shown) > SHOWN + 1):
        keep = 0 if look == "view" else SHOWN
        shown = [p for k, p in enumerate(shown) if k < keep or p in into]
    hidden = len(spec.params) - len(shown) if spec else 0
    foldable = spec is not None and (hidden > 0 or (unfolded and (len(shown) > SHOWN + 1 or (look == "view" and shown))))
    box.w = _width(box, tuple(inlets), tuple(outlets), shown)

    def port(side: Any, n: str, y: float, is_param: bool = False) -> None:
        declared: Any = None
        if spec is not None:
            declared = spec.params[n] if is_param else (spec.outlets if side == "out" else spec.inlets)[n]
        kind: Kind = "latent" if declared is not None and not is_param and rules.is_latent(declared) else "signal"
        space = spaces.get((name, declared.latent or f".{n}"), "") if kind == "latent" else ""
        ends = into if side == "in" else out_of
        x = 0.0 if side == "in" else box.w
        doc = declared.doc if declared is not None else ""
        box.ports.append(Port(name, n, side, kind, is_param, x, y, space, len(ends.get(n, ())), doc))

    if look in ("inlet", "outlet"):
        for n in inlets:
            port("in", n, TITLE / 2)
        for n in outlets:
            port("out", n, TITLE / 2)
    else:
        y = TITLE
        for k, n in enumerate(inlets):
            port("in", n, y + ROW * (k + 0.5))
        for k, n in enumerate(outlets):
            port("out", n, y + ROW * (k + 0.5))
        y += ROW * max(len(inlets), len(outlets))
        if look in ("view", "note"):
            assert spec is not None
            deep = float(data.settings.get("height", spec.settings["height"].default if "height" in spec.settings else 120))
            if look == "note":  # it grows with what is written in it
                content = str(data.settings.get("text", "") or "")
                deep = max(deep, text.note(content, NOTE, box.w - 12.0 - 2 * INSET)[1] + INSET)
            box.picture = (6.0, y, box.w - 6.0, y + deep)
            y += deep
        if spec is not None:
            y = _rows(box, spec, shown, y, into, over, port)
        if box.lines:
            box.written, y = y, y + ROW * len(box.lines)
        if foldable:
            box.fold = Fold(name, 0.0, y, box.w, ROW, hidden)
            y += ROW
        box.h = y + FOOT
    box.move(*at)
    return box


def _rows(
    box: Box, spec: NodeSpec, shown: Iterable[str], y: float, into: Ends, over: Mapping[tuple[str, str], Any], port: Any
) -> float:
    """Knobs and switches from `y` on; where they end."""
    name, data = box.name, box.data
    for n in shown:
        item = spec.params[n]
        port("in", n, y + KNOB_ROW / 2, True)
        value = float(over.get((name, n), data.params.get(n, item.default)))
        driven = tuple((key, cable.amount) for key, cable in into.get(n, ()))
        box.knobs.append(Knob(name, n, KNOB_X, y + KNOB_ROW / 2, value, item.knob(value), item, driven))
        y += KNOB_ROW
    for n, choice in spec.choices.items():
        option = str(over.get((name, n), data.choices.get(n, choice.default)))
        box.switches.append(Switch(name, n, 0.0, y, box.w, ROW, option, choice))
        y += ROW
    return y


def lacks(patch: Patch, node: str) -> str:
    """Why a node whose ports follow from its settings is a placeholder; "" where it is none, or of an unknown type."""
    base = patch.base(node)
    if base is None or base.shaped is None or patch.spec(node) is not None:
        return ""
    try:
        base.shaped(patch.nodes[node].settings, patch.folder)
    except PatchError as error:
        return error.text
    return ""


def look_of(type: str, spec: NodeSpec | None) -> Look:
    """The kind of picture that a node gets."""
    if spec is None:
        return "placeholder"
    if type == "view/note":
        return "note"
    looks: dict[str, Look] = {subpatch.PATCH: "patch", subpatch.INLET: "inlet", subpatch.OUTLET: "outlet"}
    return looks.get(type) or ("view" if type.startswith("view/") or type in FACES else "node")


def colour_of(type: str, look: Look) -> str:
    """The theme's key for a node."""
    return look if look in ("patch", "inlet", "outlet") else type.partition("/")[0]


def _width(box: Box, inlets: tuple[str, ...], outlets: tuple[str, ...], shown: Iterable[str]) -> float:
    """Wide enough for what is written in the box, within limits."""
    spec, look = box.spec, box.look
    if look in ("view", "note") and spec is not None and "width" in spec.settings:
        return max(float(box.data.settings.get("width", spec.settings["width"].default)) + 12.0, 60.0)
    need = max([_written(box.name, NAME) + 24.0, *(_written(line, SMALL) + 20.0 for line in box.lines)])
    if look in ("inlet", "outlet"):
        return min(max(PILL, round(need / 10 + 0.5) * 10.0), WIDEST)
    for k in range(max(len(inlets), len(outlets))):
        left = _written(inlets[k], SMALL) if k < len(inlets) else 0.0
        right = _written(outlets[k], SMALL) if k < len(outlets) else 0.0
        need = max(need, 2 * max(left, right) + 26.0 if left and right else left + right + 50.0)
    for n in shown:
        need = max(need, KNOB_X + KNOB_R + _written(n, SMALL) + VALUE + 22.0)
    return min(max(WIDTH, round(need / 10 + 0.5) * 10.0), WIDEST)


@lru_cache(8192)
def _written(word: str, size: float) -> float:
    return text.width(word, size)


def size(spec: NodeSpec | None, name: str = "") -> tuple[float, float]:
    """Width and height of a fresh node of a type."""
    type = spec.id if spec is not None else ""
    box = make(name, NodeData(type, uid=0), spec, {}, {}, over={}, spaces={}, unfolded=False, at=(0.0, 0.0))
    return box.w, box.h


def ends(patch: Patch, node: str) -> tuple[dict[str, list[tuple[Key, Cable]]], dict[str, list[tuple[Key, Cable]]]]:
    """The cables into and out of a node by port."""
    into: dict[str, list[tuple[Key, Cable]]] = {}
    out_of: dict[str, list[tuple[Key, Cable]]] = {}
    for src, edges in patch.graph._pred[node].items():
        for (o, i), attrs in edges.items():
            into.setdefault(i, []).append(((src, o, node, i), attrs["cable"]))
    for dst, edges in patch.graph._adj[node].items():
        for (o, i), attrs in edges.items():
            out_of.setdefault(o, []).append(((node, o, dst, i), attrs["cable"]))
    return into, out_of


def spaces(patch: Patch, specs: Mapping[str, NodeSpec | None], latent: Iterable[str]) -> dict[tuple[str, str], str]:
    """Name of the latent space of each (node, letter) that is known; `latent` are the nodes with latent ports."""
    above: dict[tuple[str, str], tuple[str, str]] = {}
    known: dict[tuple[str, str], str] = {}

    def root(letter: tuple[str, str]) -> tuple[str, str]:
        while letter in above:
            letter = above[letter]
        return letter

    nodes = sorted(latent)
    letters: set[tuple[str, str]] = set()
    for name in nodes:
        spec = specs[name]
        ports: dict[str, In | Out] = {**spec.inlets, **spec.outlets} if spec else {}
        for n, port in ports.items():
            if rules.is_latent(port):
                letter = name, port.latent or f".{n}"
                letters.add(letter)
                own = ""
                if isinstance(port, Out) and port.space:
                    own = str(patch.value(name, port.space[0]))
                elif port.latent and len(port.latent) > 1 and not port.latent.endswith("?"):
                    own = port.latent
                if own:
                    known.setdefault(letter, own)
    for name in nodes:
        spec = specs[name]
        for dst, found in patch.graph._adj[name].items():
            other = specs.get(dst)
            for o, i in found:
                start, end = spec.outlets.get(o) if spec else None, other.inlets.get(i) if other else None
                if start is None or end is None or not rules.is_latent(start) or not rules.is_latent(end):
                    continue
                a, b = root((name, start.latent or f".{o}")), root((dst, end.latent or f".{i}"))
                if a != b:
                    above[b] = a
                    if b in known:
                        known.setdefault(a, known[b])
    return {letter: known[root(letter)] for letter in letters if root(letter) in known}
