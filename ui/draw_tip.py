"""What the pointer rests on: value and wave of a port or cable, a latent vector, what drives a knob, what a node does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dearpygui._dearpygui as raw
import numpy as np

from graph.patch import Key

from . import flow, model, text
from .draw_pen import Pen, clear
from .draw_views import trace, triggered
from .theme import Colour, faded
from .view import Rect

if TYPE_CHECKING:
    from .app import App

REST = 0.15  # seconds that the pointer rests before a port, cable or knob is explained
LONG = 0.8  # … before a node is
FRAMES = 2400
RATE = 20.0  # times a second that the wave is drawn


class Tip:
    """The box at the pointer."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._what: object = None
        self._since = 0.0
        self._slot = -1
        self._next = 0.0
        self._drawn = False

    def update(self, pen: Pen, now: float) -> None:
        """Once a frame."""
        g, o = self.app.gestures, self.app.gestures.overlay
        hit = o.hover if g.drag is None and not o.hint and self.app.input.over_canvas else None
        what = _identity(hit)
        if what != self._what:
            self._what, self._since, self._next = what, now, 0.0
            self._forget()
            if self._drawn:
                clear(pen.parent)
                self._drawn = False
        if hit is None or now - self._since < (LONG if isinstance(hit, model.Box) else REST) or now < self._next:
            return
        self._next = now + 1 / RATE
        clear(pen.parent)
        self._drawn = True
        self._draw(pen, hit)

    def _forget(self) -> None:
        if self._slot >= 0:
            self.app.editor.unwatch(self._slot)
        self._slot = -1

    # ------------------------------------------------------------------ what is said

    def _draw(self, pen: Pen, hit: model.Hit) -> None:
        app = self.app
        t = app.theme
        lines: list[tuple[str, Colour]] = []
        source: tuple[str, str] | None = None
        colour, latent = t.text, False
        if isinstance(hit, model.Wire):
            key = hit.key
            source, latent = (key[0], key[1]), hit.kind == "latent"
            colour = t.cable(app.canvas.kind(hit), hit.space)
            lines.append((f"{key[0]}.{key[1]} → {key[2]}.{key[3]}", t.text))
            how = "" if hit.amount == 1.0 and hit.mode != "units" else f"× {hit.amount:g}"
            how += " in the unit of the knob" if hit.mode == "units" else ""
            if hit.delayed:
                how += ("  " if how else "") + f"closes a loop: one {'frame' if latent else 'sample'} later"
            lines.append((how or hit.space, t.dim))
        elif isinstance(hit, model.Port):
            latent = hit.kind == "latent"
            colour = t.cable(flow.port_kind(app.canvas.kinds, hit), hit.space)
            lines.append((f"{hit.node}.{hit.name}", t.text))
            lines.append((hit.doc, t.dim))
            into = [k for k in app.layout.wires if (k[2], k[3]) == (hit.node, hit.name)] if hit.side == "in" else []
            if hit.side == "out":
                source = (hit.node, hit.name)
            elif into:
                source = (into[0][0], into[0][1])
                lines.append((self._driven(into), colour))
            if hit.space:
                lines.append((f"latent space {hit.space}", t.dim))
        elif isinstance(hit, model.Knob):
            item = hit.item
            lines.append((f"{hit.param}  {text.number(hit.value, item.unit)}", t.text))
            lines.append((f"{text.number(item.low, item.unit)} … {text.number(item.high, item.unit)}", t.dim))
            lines.append((item.doc, t.dim))
            if hit.modulation:
                lines.append((self._driven([k for k, _ in hit.modulation]), t.cables["modulation"]))
        elif isinstance(hit, model.Switch):
            lines.append((f"{hit.choice}: {hit.option}", t.text))
            lines.append((hit.item.doc, t.dim))
            lines.append((", ".join(hit.item.options), t.dim))
        elif isinstance(hit, model.Box):
            problem = app.editor.problem(hit.name)
            lines.append((f"{hit.name}  ({hit.data.type})", t.text))
            if problem:
                lines.append((problem, t.bad))
            if hit.lacks:
                lines.append((hit.lacks, t.bad))
                lines.append(("a click on its ! tells what can be done", t.dim))
            elif hit.placeholder:
                lines.append(("its type is unknown here; what it holds is kept", t.bad))
            lines.append((hit.spec.title if hit.spec is not None else "", t.dim))
        else:
            return
        self._show(pen, [(w, c) for w, c in lines if w], source, colour, latent)

    def _driven(self, keys: list[Key]) -> str:
        wires = self.app.layout.wires
        return "driven by " + ", ".join(f"{k[0]}.{k[1]} × {wires[k].amount:g}" for k in keys[:4] if k in wires)

    def _heard(self, source: tuple[str, str] | None) -> np.ndarray | None:
        if source is None or self.app.editor.client is None:
            return None
        if self._slot < 0:
            self._slot = self.app.editor.watch(*source)
        return self.app.editor.samples(self._slot, FRAMES) if self._slot >= 0 else None

    # ------------------------------------------------------------------ the picture

    def _show(
        self, pen: Pen, lines: list[tuple[str, Colour]], source: tuple[str, str] | None, colour: Colour, latent: bool
    ) -> None:
        app = self.app
        t, size, pad = app.theme, app.px(13), app.px(8)
        room = app.px(300)
        broken = [(part, c) for words, c in lines for part in text.lines(words, size, room, 4)]
        heard = self._heard(source)
        if heard is not None and len(heard):
            broken.append((figures(heard, latent), t.text))
        wave = app.px(64) if heard is not None and len(heard) else 0
        wide = max([text.width(w, size) for w, _ in broken] + [app.px(200) if wave else 0]) + 2 * pad
        high = len(broken) * size * 1.25 + 2 * pad + (wave + pad if wave else 0)
        x, y = app.input.mouse()
        x, y = x + app.px(18), y + app.px(20)
        if x + wide > app.view.width - 2:
            x = max(2.0, x - wide - app.px(30))
        if y + high > app.view.height - 2:
            y = max(2.0, y - high - app.px(34))
        pen.rect((x, y), (x + wide, y + high), t.tip, faded(colour, 0.9), 1.0, 5)
        at = y + pad
        for words, c in broken:
            raw.draw_text((x + pad, at), words, parent=pen.parent, size=size, color=c)
            at += size * 1.25
        if not wave or heard is None:
            return
        area = (x + pad, at + pad / 2, x + wide - pad, at + pad / 2 + wave)
        pen.rect(area[:2], area[2:], t.canvas, t.border, 1.0, 3)
        middle = (area[1] + area[3]) / 2
        pen.line((area[0], middle), (area[2], middle), t.border)
        if latent:
            for bar in bars(heard[-1], area):
                pen.rect(bar[:2], bar[2:], colour)
            return
        loudest = min(
            max(float(np.nanmax(np.abs(heard))), 1e-3), 1.0
        )  # what is quiet is drawn larger; the figure says how quiet
        for channel in heard.T[:4]:
            pen.path(trace(triggered(channel, len(channel) // 2) / loudest, area, 120), colour, 1.5 * app.scale)


def bars(vector: np.ndarray, area: Rect) -> list[Rect]:
    """A latent vector: one bar a dimension, up and down from the middle; ±1, or what is farthest from 0, fills."""
    x0, y0, x1, y1 = area
    middle, half = (y0 + y1) / 2, (y1 - y0) / 2 - 1
    values = np.nan_to_num(vector.astype(float), posinf=0.0, neginf=0.0)
    w = (x1 - x0) / max(len(values), 1)
    found = []
    for k, value in enumerate((values / max(1.0, float(np.abs(values).max(initial=0.0)))).tolist()):
        top, bottom = sorted((middle - value * half, middle))
        found.append((x0 + (k + 0.1) * w, top, x0 + (k + 0.9) * w, max(bottom, top + 1)))
    return found


def figures(heard: np.ndarray, latent: bool) -> str:
    """The latest value, its peak, how many channels; of a latent how many dimensions, the least and the greatest."""
    channels = heard.shape[1]
    if latent:
        low, high = float(heard[-1].min()), float(heard[-1].max())
        return f"{channels} dimension{'s' if channels > 1 else ''}, {low:+.2f} … {high:+.2f}"
    found = f"{float(heard[-1, 0]):+.3f}   peak {float(np.abs(heard).max()):.3f}"
    return found + (f"   {channels} channels" if channels > 1 else "")


def _identity(hit: model.Hit | None) -> object:
    if hit is None:
        return None
    if isinstance(hit, model.Wire):
        return hit.key
    if isinstance(hit, model.Box):
        return hit.name
    return hit.type, hit.node, hit.x, hit.y
