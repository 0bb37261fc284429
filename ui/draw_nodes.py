"""One node as a picture: body, title, ports, knobs, switches, badges, and the parts of it that move while it sounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graph.patch import Key

from . import text, theme
from .boxes import INSET, NOTE
from .client import Editor
from .draw_pen import LEAST, Pen, arc, configure, loudness
from .flow import Kinds, port_kind
from .model import KNOB_R, PORT_R, ROW, TITLE, Box, Knob, Port, Switch, Wire
from .shapes import BADGE, BADGE_R
from .theme import Colour, faded, mixed

BAR = 34.0  # width of the meter at an outlet
SMALL = 11.0  # text of rows
NAME = 13.0  # text of titles
HOT = 1.06  # peak from which a meter is red: band-limited waves overshoot a little
EASY = 10  # pixels, at UI scale 1, below which notes are not drawn smaller as long as they fit
CPU_FROM = 0.01  # share of the time from which a node wears a badge


@dataclass(slots=True)
class Meter:
    """The level of an outlet: a bar from `x0` to the right, or to the left where the outlet's name is right-aligned."""

    outlet: str
    item: int
    x: float
    y: float
    w: float
    shown: int = -1
    hot: bool = False
    sound: bool = True  # of which more than 1 is too much


@dataclass(slots=True)
class Ring:
    """The part of a knob that its cables move it through right now."""

    knob: Knob
    item: int
    shown: tuple[int, int] = (-1, -1)


@dataclass(slots=True)
class Live:
    """What changes while nothing is edited."""

    meters: list[Meter] = field(default_factory=list)
    rings: list[Ring] = field(default_factory=list)


@dataclass(slots=True)
class Look:
    """What a picture depends on besides its box."""

    selected: bool = False
    problem: bool = False
    cpu: int = 0  # percent, 0 for none


def draw(pen: Pen, box: Box, look: Look, kinds: Kinds, wires: Mapping[Key, Wire]) -> Live:
    """Draws a box with its corner at (0, 0) of the pen's parent."""
    return _far(pen, box, look, kinds) if pen.level == 0 else _near(pen, box, look, kinds, wires)


def title_colour(pen: Pen, box: Box) -> Colour:
    """Colour of the family of a box."""
    t = pen.theme
    if box.placeholder:
        return mixed(t.body, t.bad, 0.35)
    return t.families.get(theme.FAMILIES.get(box.colour, box.colour), t.families["patch"])


def _edge(pen: Pen, look: Look) -> tuple[Colour, float]:
    t = pen.theme
    if look.selected:
        return t.selected, 2.5
    return (t.bad, 2.0) if look.problem else (t.edge, 1.0)


def _far(pen: Pen, box: Box, look: Look, kinds: Kinds) -> Live:
    """A coloured box with a short name and one meter."""
    t = pen.theme
    edge, thick = _edge(pen, look) if look.selected or look.problem else ((0, 0, 0, 0), 1.0)  # an edge costs as much as a box
    fill = title_colour(pen, box)
    pen.rect((0, 0), (box.w, box.h), mixed(fill, t.canvas, 0.6) if box.bypass else fill, edge, thick)
    if box.w * pen.zoom >= 24 * pen.scale:
        size = pen.size(0)
        most = max(int((box.h * pen.zoom - 5 * pen.scale) / size), 1)
        for k, line in enumerate(text.broken(box.title, size, (box.w - 6 / pen.zoom) * pen.zoom, most)):
            pen.text(4 / pen.zoom, (2 * pen.scale + k * size) / pen.zoom, line, 0, t.text)
    outs = [p.name for p in box.ports if p.side == "out"]
    if not outs or box.w * pen.zoom < 6:
        return Live()
    h = 3 / pen.zoom
    item = pen.rect((0, box.h - h), (0, box.h), t.meter)
    sound = kinds.get((box.name, f"out:{outs[0]}")) == theme.SOUND
    return Live([Meter(outs[0], item, 0.0, box.h, box.w, sound=sound)])


def _near(pen: Pen, box: Box, look: Look, kinds: Kinds, wires: Mapping[Key, Wire]) -> Live:
    t, full = pen.theme, pen.level == 2
    edge, thick = _edge(pen, look)
    if look.selected and full:
        m = 3 / pen.zoom
        pen.rect((-m, -m), (box.w + m, box.h + m), faded(t.selected, 0.18), (0, 0, 0, 0), 1, 7)
    pen.rect((0, 0), (box.w, box.h), t.body, edge, thick, 5 if full else 0)
    fill = title_colour(pen, box)
    in_px = 1 / pen.zoom
    pen.rect((in_px, in_px), (box.w - in_px, TITLE - 2), fill, (0, 0, 0, 0), 1, 4 if full else 0)
    if box.look == "patch" and full:  # a second edge: there is something inside
        pen.rect((3, 3), (box.w - 3, box.h - 3), (0, 0, 0, 0), faded(t.edge, 0.6), 1, 4)
    _title(pen, box, look)
    live = Live()
    for port in box.ports:
        _port(pen, box, port, kinds, live)
    for knob in box.knobs:
        _knob(pen, box, knob, live, wires)
    if full:
        for switch in box.switches:
            _switch(pen, box, switch)
        for k, line in enumerate(box.lines):
            pen.text(8, pen.middle(box.written + ROW * (k + 0.5), SMALL), line, SMALL, t.dim, box.w - 14)
        if box.fold is not None:
            f = box.fold
            word = f"… {f.hidden} more" if f.hidden else "less"
            pen.text(f.x - box.x + 34, pen.middle(f.y - box.y + f.h / 2, SMALL), word, SMALL, t.dim, f.w - 40)
    if box.look == "note" and box.picture:
        _note(pen, box)
    if box.bypass:
        _hatch(pen, box)
    return live


def _switch(pen: Pen, box: Box, switch: Switch) -> None:
    """The name of a choice, and the option that is on in a field as wide as the longest one needs."""
    t, x, y, w = pen.theme, switch.x - box.x, switch.y - box.y, switch.w
    size, middle = pen.size(SMALL), pen.middle(y + switch.h / 2, SMALL)
    need = max(text.width(o, size) for o in switch.item.options) / pen.zoom + 14
    name = text.width(switch.choice, size) / pen.zoom + 12
    field = min(max(need, w * 0.35), max(w - 4 - name, w * 0.5))
    pen.text(x + 6, middle, switch.choice, SMALL, t.dim, w - field - 12)
    pen.rect((x + w - 4 - field, y + 2), (x + w - 4, y + switch.h - 2), t.track, (0, 0, 0, 0), 1, 3)
    pen.text(x + w - 9, middle, switch.option, SMALL, t.text, field - 9, True)


def _title(pen: Pen, box: Box, look: Look) -> None:
    t = pen.theme
    right = box.w - BADGE
    if look.problem:
        r = BADGE_R
        pen.circle((right - r, TITLE / 2 - 0.5), r, t.bad)
        if pen.level == 2:
            pen.text(right - r - 2.2, pen.middle(TITLE / 2 - 0.5, NAME), "!", NAME, t.body)
        right -= 2 * r + 4
    if look.cpu and pen.level == 2:
        badge = f"{look.cpu}%"
        wide = text.width(badge, pen.size(SMALL)) / pen.zoom + 8
        colour = t.bad if look.cpu >= 30 else t.warn if look.cpu >= 10 else t.dim
        pen.rect((right - wide, 5), (right, TITLE - 6), faded(t.body, 0.75), (0, 0, 0, 0), 1, 3)
        pen.text(right - wide + 4, pen.middle(TITLE / 2 - 0.5, SMALL), badge, SMALL, colour)
        right -= wide + 4
    left = 14.0 if box.look == "outlet" else 8.0
    right -= 8.0 if box.look == "inlet" else 0.0
    pen.text(left, pen.middle(TITLE / 2 - 0.5, NAME), box.title, NAME, t.text, right - left)


def _port(pen: Pen, box: Box, port: Port, kinds: Kinds, live: Live) -> None:
    t, full = pen.theme, pen.level == 2
    x, y = port.x - box.x, port.y - box.y
    pill = box.look in ("inlet", "outlet")  # its title is the port's name
    colour = t.cable(port_kind(kinds, port), port.space)
    empty = port.cables == 0
    if port.side == "in":
        if port.is_param and empty:
            if full:
                pen.circle((x, y), PORT_R * 0.62, t.body, faded(t.edge, 0.9))
            return
        r = PORT_R * (1.0 if full else 1.2)
        a, b, c = (x - r * 0.7, y - r), (x + r, y), (x - r * 0.7, y + r)
        if empty:
            colour = mixed(colour, t.body, 0.3) if port.kind == "latent" else t.edge  # what it takes, not what it gets
        pen.triangle(a, b, c, colour)
        if full and not port.is_param and not pill:
            pen.text(x + 10, pen.middle(y, SMALL), port.name, SMALL, t.dim, box.w * 0.5 - 12)
        return
    pen.circle((x, y), PORT_R, mixed(colour, t.body, 0.35) if empty else colour, t.body if full else (0, 0, 0, 0))
    if full and not pill:
        pen.text(x - 10, pen.middle(y, SMALL), port.name, SMALL, t.dim, box.w * 0.5 - 12, True)
    wide = BAR
    y += 6 if full else 2.5
    tall = 2.2 if full else 2 / pen.zoom
    x -= 10
    if full:
        pen.rect((x - wide, y), (x, y + tall), faded(t.track, 0.7))
    item = pen.rect((x - wide, y), (x - wide, y + tall), t.meter)
    sound = port_kind(kinds, port) == theme.SOUND
    live.meters.append(Meter(port.name, item, x - wide, y + tall, wide, sound=sound))


def _knob(pen: Pen, box: Box, knob: Knob, live: Live, wires: Mapping[Key, Wire]) -> None:
    t, full = pen.theme, pen.level == 2
    x, y = knob.x - box.x, knob.y - box.y
    thick = max(1.5, 2.6 * pen.zoom)
    if not full:  # a bar is enough
        w = (box.w - x - 8) * 1.0
        pen.rect((x, y - 2), (x + w, y + 2), t.track)
        pen.rect((x, y - 2), (x + w * knob.position, y + 2), t.value)
        return
    pen.path(arc(x, y, KNOB_R, 0.0, 1.0), t.track, thick)
    middle = knob.item.low < 0 < knob.item.high
    zero = knob.item.knob(0.0) if middle else 0.0
    low, high = min(zero, knob.position), max(zero, knob.position)
    if high - low > 0.004:
        pen.path(arc(x, y, KNOB_R, low, high), t.value, thick)
    hand = arc(x, y, 1.0, knob.position, knob.position)[0]
    dx, dy = hand[0] - x, hand[1] - y
    pen.line((x + dx * 2, y + dy * 2), (x + dx * KNOB_R, y + dy * KNOB_R), t.text, max(1.5, 1.6 * pen.zoom))
    if knob.modulation:
        colour = t.cables[theme.MODULATION]
        low, high = reach(knob, wires, {})
        pen.path(arc(x, y, KNOB_R + 3, low, high), faded(colour, 0.4), max(1.0, 1.6 * pen.zoom))
        item = pen.path(arc(x, y, KNOB_R + 3, knob.position, knob.position), colour, max(1.5, 2.4 * pen.zoom))
        live.rings.append(Ring(knob, item))
    value = text.number(knob.value, knob.item.unit)
    left, right = x + KNOB_R + 7, box.w - 8
    wide = text.width(value, pen.size(SMALL)) / pen.zoom
    pen.text(right, pen.middle(y, SMALL), value, SMALL, t.text, right - left, True)
    pen.text(left, pen.middle(y, SMALL), knob.param, SMALL, t.dim, right - left - wide - 5)


def reach(knob: Knob, wires: Mapping[Key, Wire], levels: Mapping[Key, float]) -> tuple[float, float]:
    """Knob positions that its cables move it between, were each source as loud as `levels` says (1 where unknown)."""
    swing = {"knob": 0.0, "units": 0.0}
    for key, amount in knob.modulation:
        wire = wires.get(key)
        swing["units" if wire is not None and wire.mode == "units" else "knob"] += abs(amount) * min(levels.get(key, 1.0), 1.0)
    low = knob.item.knob(knob.value - swing["units"]) if swing["units"] else knob.position
    high = knob.item.knob(knob.value + swing["units"]) if swing["units"] else knob.position
    return min(max(low - swing["knob"], 0.0), 1.0), min(max(high + swing["knob"], 0.0), 1.0)


def _note(pen: Pen, box: Box) -> None:
    """The text of a note, as large as it fits; bars in its place where it would be too small to be read."""
    assert box.picture is not None
    t, zoom = pen.theme, pen.zoom
    x0, y0, x1, y1 = box.picture
    left, top = x0 - box.x + INSET, y0 - box.y
    content = str(box.data.settings.get("text", "") or "")
    room, deep = (x1 - x0 - 2 * INSET) * zoom, (y1 - y0) * zoom
    least, easy = int(LEAST * pen.scale), int(EASY * pen.scale)
    for size in range(max(pen.size(NOTE), easy), least - 1, -1):
        runs, high = text.note(content, size, room)
        if high <= deep:
            for run in runs:
                colour = t.text if run.bright else t.dim
                pen.text(left + run.x / zoom, top + run.y / zoom, run.words, run.size / zoom, colour)
            return
    for run in text.note(content, NOTE, x1 - x0 - 2 * INSET)[0]:
        a = (left + run.x, top + run.y + run.size * 0.35)
        b = (a[0] + text.width(run.words, run.size), a[1] + run.size * 0.4)
        pen.rect(a, b, faded(t.text if run.bright else t.dim, 0.5))


def _hatch(pen: Pen, box: Box) -> None:
    """Out of the way: shaded, with slanting lines."""
    t = pen.theme
    pen.rect((0, TITLE - 2), (box.w, box.h), t.shade)
    step = 14.0 if pen.level == 2 else 28.0
    x = TITLE
    while x < box.w + box.h:
        a = (min(x, box.w), TITLE - 2 + max(0.0, x - box.w))
        drop = box.h - TITLE + 2
        b = (max(0.0, x - drop), TITLE - 2 + min(drop, x))
        if a[1] < box.h and b[0] < box.w:
            pen.line(a, b, faded(t.edge, 0.7), 1.0)
        x += step


def enliven(live: Live, box: Box, editor: Editor, pen: Pen, wires: Mapping[Key, Wire]) -> None:
    """Moves meters and rings to what sounds now; what would not move a pixel is left alone."""
    t = pen.theme
    for meter in live.meters:
        level = editor.level(box.name, meter.outlet)
        shown = int(loudness(level) * meter.w * pen.zoom + 0.5)
        hot = level > HOT and meter.sound
        if shown != meter.shown or hot != meter.hot:
            meter.shown, meter.hot = shown, hot
            configure(meter.item, pmax=(meter.x + shown / pen.zoom, meter.y), fill=t.hot if hot else t.meter)
    for ring in live.rings:
        knob = ring.knob
        levels = {key: editor.level(key[0], key[1]) for key, _ in knob.modulation}
        low, high = reach(knob, wires, levels)
        now = (int(low * 60), int(high * 60 + 0.999))
        if now != ring.shown:
            ring.shown = now
            x, y = knob.x - box.x, knob.y - box.y
            configure(ring.item, points=arc(x, y, KNOB_R + 3, low, max(high, low + 0.004)))
