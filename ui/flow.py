"""What a cable means to a person: sound that is heard, modulation that moves something, or a latent vector.

To the engine sound and control are the same.  To the eye a cable is modulation where it ends at a knob, or where what it
carries comes from modulators only; gates and pitches are thus told apart from sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .model import Box, Port, Wire
from .theme import LATENT, MODULATION, SOUND

Kinds = Mapping[tuple[str, str], str]
"""SOUND, MODULATION or LATENT of each outlet (node, outlet), and of each inlet that a cable reaches."""

MOVING = ("mod", "midi", "osc")  # families whose outlets move things
PASSING = ("maths", "rack", "patch", "inlet", "outlet", "view")  # families that hand on what they are given


def port_kind(kinds: Kinds, port: Port) -> str:
    """Kind of a port, for its colour."""
    if port.kind == "latent":
        return LATENT
    if port.is_param:
        return MODULATION
    return kinds.get((port.node, f"{port.side}:{port.name}"), SOUND)


def wire_kind(kinds: Kinds, wire: Wire, into_param: bool) -> str:
    """Kind of a cable."""
    if wire.kind == "latent":
        return LATENT
    return MODULATION if into_param else kinds.get((wire.key[0], f"out:{wire.key[1]}"), SOUND)


def kinds(boxes: Iterable[Box], wires: Iterable[Wire]) -> dict[tuple[str, str], str]:
    """Kinds of all ports.  What passes something on is modulation where all that reaches its inlets is."""
    family: dict[str, str] = {}
    params: set[tuple[str, str]] = set()
    found: dict[tuple[str, str], str] = {}
    passing: dict[str, list[str]] = {}  # node: where its inlets come from
    outlets: dict[str, list[str]] = {}
    for box in boxes:
        first = box.data.type.partition("/")[0]
        kind = MODULATION if first in MOVING or box.data.type == "source/constant" else SOUND
        family[box.name] = kind
        if first in PASSING or box.look in ("patch", "inlet"):
            passing[box.name] = []
        outlets[box.name] = [p.name for p in box.ports if p.side == "out"]
        params.update((box.name, p.name) for p in box.ports if p.is_param)
    signal = [w for w in wires if w.kind != "latent"]
    for w in signal:
        src, _, dst, inlet = w.key
        if dst in passing and (dst, inlet) not in params:
            passing[dst].append(src)
    heard = {name for name, kind in family.items() if kind == SOUND and (name not in passing)}
    front = list(heard)
    after: dict[str, list[str]] = {}
    for name, sources in passing.items():
        for source in sources:
            after.setdefault(source, []).append(name)
    while front:  # sound goes on through what passes it on
        for name in after.get(front.pop(), ()):
            if name not in heard:
                heard.add(name)
                front.append(name)
    for name, names in outlets.items():
        kind = SOUND if name in heard else MODULATION
        found.update({(name, f"out:{outlet}"): kind for outlet in names})
    for w in signal:
        src, outlet, dst, inlet = w.key
        at = (dst, f"in:{inlet}")
        kind = found.get((src, f"out:{outlet}"), SOUND)
        if kind == SOUND or at not in found:
            found[at] = kind
    return found
