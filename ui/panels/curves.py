"""The curves of a tape: one a dimension over time, the active one in front, drawn and bent with the mouse."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import dearpygui._dearpygui as raw
import dearpygui.dearpygui as dpg

from graph.edits import Edit
from graph.errors import PatchError
from runtime import tapes
from runtime.tapes import TAPE

from .. import overlay
from ..curve_tools import DONE, Wish
from ..curves import MODES, Curves, clock, dims, grid, head, period
from ..draw_pen import NONE, Pen, clear
from ..latent_views import colour
from ..theme import faded
from . import parts

if TYPE_CHECKING:
    from ..app import App

WIDE, HIGH = 860, 460  # of the window when it opens
FAINT = 0.4
HINTS = {
    "draw": "Drag to draw, Shift-drag for a straight line.",
    "points": "Click to add a point, drag to move it, Shift-click to take it away.",
    "select": "Drag to select a time for the operators, click a curve to make it active.",
}
MORE = "Ctrl-click picks a curve, Alt-drag selects a time; wheel zooms, with Shift scrolls, with Ctrl makes higher."
SHORT = 'This tape has one row only: give it a length with "resample to", then draw.'
FRESH = 256  # rows that such a tape is offered
TIPS = {
    "random": "new numbers, up to ± amount; one every `step` rows and straight lines between", "scale": "× amount",
    "bias": "+ amount", "reverse": "backwards in time", "smooth": "the mean of `amount` rows around each", "erase": "0",
}  # fmt: skip


class Panel:
    """The window.  `keep` gets a node's name when somebody keeps what was recorded; without one it is `Editor.keep`, and
    there is a button where the node records."""

    def __init__(self, app: App, keep: Callable[[str], object] | None = None) -> None:
        self.app, self.keep = app, keep
        self.curves: Curves | None = None
        self.uid: object = None  # of the node, which may be renamed
        self.slot = -1  # where its play head is watched
        self.period = 0.0
        self.window: parts.Item = 0
        self.every = False
        self._listed: list[str] = []  # tapes that curves can be sent to
        self._drawn: object = None
        self._live: object = None
        self._head = -1.0
        self._grip = 0.0  # where the middle button was
        self._panning = self._over = False
        with dpg.handler_registry() as self.handlers:
            dpg.add_mouse_click_handler(callback=lambda s, button: self._press(button))
            dpg.add_mouse_release_handler(callback=lambda s, button: self._release(button))
            dpg.add_mouse_move_handler(callback=lambda s, at: self._move())
            dpg.add_mouse_wheel_handler(callback=lambda s, turn: self._wheel(turn))
            dpg.add_key_press_handler(callback=lambda s, key: self._key(key))

    # ------------------------------------------------------------------ the window

    def open(self, request: overlay.Curves) -> None:
        """Opens on the curves of a node."""
        app = self.app
        self.close()
        with app.editor.lock:
            here = app.editor.here()
            if request.node not in here.nodes:
                return
            self.uid = here.nodes[request.node].uid
        self.curves = Curves(request.node)
        self.curves.scale = app.scale
        w, h = dpg.get_viewport_client_width(), dpg.get_viewport_client_height()
        wide, high = min(app.px(WIDE), w - 20), min(app.px(HIGH), h - 60)
        with dpg.window(
            label=f"Curves of {request.node}", width=wide, height=high, pos=((w - wide) // 2, max(h - high - app.px(60), 30)),
            no_collapse=True, no_saved_settings=True, no_scrollbar=True, no_scroll_with_mouse=True,
            min_size=(app.px(560), app.px(280)), on_close=lambda: self.close(),
        ) as self.window:  # fmt: skip
            self._fill()
        self._drawn = self._live = None
        self._listed = []
        self.slot = self._watch(request.node)
        self.refresh()
        if self.curves is not None:
            self.curves.fit()

    def _watch(self, node: str) -> int:
        spec = self.app.editor.spec(node)
        return self.app.editor.watch(node, "at") if spec is not None and "at" in spec.outlets else -1

    def close(self) -> None:
        """The window goes."""
        if self.slot >= 0:
            self.app.editor.unwatch(self.slot)
        self.slot, self.curves = -1, None
        parts.gone(self.window)
        self.window = 0

    def escape(self) -> bool:
        """Escape was pressed: ends a gesture, else closes the window; False where there is none."""
        if self.curves is None:
            return False
        if self.curves.held is not None:
            self.curves.cancel()
            self._draw()
        else:
            self.close()
        return True

    def remove(self) -> None:
        """Takes everything away."""
        self.close()
        parts.gone(self.handlers)

    def _fill(self) -> None:
        app, px = self.app, self.app.px
        with dpg.group(horizontal=True):
            self.mode = dpg.add_radio_button(
                items=list(MODES), default_value="draw", horizontal=True, callback=lambda s, word: self._mode(word)
            )
            dpg.add_text("   dimension", color=app.theme.dim)
            self.number = dpg.add_input_int(
                width=px(90), default_value=1, min_value=1, min_clamped=True, callback=lambda s, n: self._pick(n - 1)
            )
            parts.tip(app, self.number, "the active curve; the keys 1 to 9 pick one too while the pointer is on the curves")
            self.list = dpg.add_combo(width=px(64), callback=lambda s, word: self._pick(int(word) - 1))
            parts.tip(app, self.list, "all dimensions")
            parts.button(app, "Show all", self._fit, "all rows, and as high as the curves are")
            if self.keep is not None or self._records():
                parts.button(app, "Keep what was recorded", self._keep, "makes what the node recorded the tape of the patch")
        with dpg.group(horizontal=True):
            for word in DONE:
                parts.button(app, word, lambda word=word: self._operate(word), TIPS[word])  # type: ignore[misc]
            parts.dim(app, " amount")
            self.amount = dpg.add_input_float(width=px(104), default_value=0.5, step=0.1, format="%.3g")
            parts.tip(app, self.amount, "a factor, a shift, the reach of chance, or rows that are smoothed over")
            parts.dim(app, "step")
            self.step = dpg.add_input_int(width=px(84), default_value=8, min_value=1, min_clamped=True)
            parts.tip(app, self.step, "rows from one random number to the next")
            on = dpg.add_checkbox(label="on all", callback=lambda s, on: self._all(on))
            parts.tip(app, on, "operators change every dimension, not only the active one")
        with dpg.group(horizontal=True):
            parts.button(app, "copy to", self._copy, "the active curve in another dimension too")
            self.goal = dpg.add_input_int(width=px(84), default_value=2, min_value=1, min_clamped=True)
            parts.button(app, "resample to", self._resample, "as many rows; the tape becomes longer or shorter, not its shape")
            self.length = dpg.add_input_int(width=px(84), default_value=1, min_value=1, min_clamped=True, step=0)
            parts.button(app, "send to", self._send, 'the active curve to another tape; with "on all" the whole path')
            self.tape = dpg.add_combo(width=px(110))
            self.said = dpg.add_text("", color=app.theme.dim)
        self.picture = dpg.add_drawlist(100, 100)
        self.back, self.faint, self.front, self.mark = (dpg.add_draw_node(parent=self.picture) for _ in range(4))
        self.hint = parts.dim(app, "")

    # ------------------------------------------------------------------ what hands do

    def _mode(self, word: str) -> None:
        if self.curves is not None:
            self.curves.mode = word
            self.curves.rev += 1

    def _pick(self, dim: int) -> None:
        if self.curves is not None:
            self.curves.pick(dim)
            self._draw()

    def _all(self, on: bool) -> None:
        self.every = bool(on)

    def _fit(self) -> None:
        if self.curves is not None:
            self.curves.fit()

    def _keep(self) -> None:
        if self.curves is not None:
            (self.keep or self.app.editor.keep)(self.curves.node)

    def _records(self) -> bool:
        """Whether the node records while it is played."""
        editor = self.app.editor
        spec = editor.spec(self.curves.node) if self.curves is not None and editor.client is not None else None
        return spec is not None and spec.id == TAPE

    def _operate(self, word: str) -> None:
        if self.curves is not None:
            wish = Wish(float(dpg.get_value(self.amount)), int(dpg.get_value(self.step)), random.getrandbits(31))
            self._do(self.curves.operate(word, wish, self.every))

    def _copy(self) -> None:
        if self.curves is not None:
            self._do(self.curves.copy(int(dpg.get_value(self.goal)) - 1))

    def _send(self) -> None:
        c, goal = self.curves, dpg.get_value(self.tape)
        if c is None or not goal:
            return
        try:
            with self.app.editor.lock:
                edit = tapes.send(self.app.editor.here(), c.node, goal, None if self.every else [c.active])
        except PatchError as error:
            self.app.say(str(error))
            return
        self._do(edit)

    def _resample(self) -> None:
        if self.curves is not None:
            self._do(self.curves.resample(int(dpg.get_value(self.length))))

    def _do(self, edit: Edit | None) -> None:
        """Does an edit; where it is refused, all is shown as it was."""
        if self.curves is None or edit is None:
            return
        if not self.app.gestures.change(edit):
            self.curves.show(self.curves.table)
        self.refresh()

    def _mouse(self) -> tuple[float, float]:
        """The pointer in the picture, in pixels."""
        x, y = dpg.get_mouse_pos(local=False)
        left, top = dpg.get_item_rect_min(self.picture)
        return x - left, y - top

    @property
    def _hovered(self) -> bool:
        return self.curves is not None and dpg.does_item_exist(self.picture) and dpg.is_item_hovered(self.picture)

    def _press(self, button: int) -> None:
        if self.curves is None or not self._hovered or self.app.docks.asking:
            return
        x, y = self._mouse()
        if button == 2:
            self._panning, self._grip = True, x
        elif button == 0:
            mods = self.app.input.mods()
            self.curves.press(x, y, mods.shift, mods.ctrl, mods.alt)
            self._draw()

    def _move(self) -> None:
        c, over = self.curves, self._hovered
        if c is None:
            return
        if over != self._over:  # else a drag in the picture would move the window
            self._over = over
            dpg.configure_item(self.window, no_move=over)
        x, y = self._mouse()
        if self._panning:
            c.scroll(c.row(self._grip) - c.row(x))
            self._grip = x
            self._draw()
        elif c.held is not None:
            c.move(x, y)
            self._draw()
        if over or c.held is not None:
            row = min(max(c.row(x), 0.0), c.rows - 1.0)
            self._say(f"{clock(round(row), self.period)}   row {round(row) + 1}   {c.value(y):+.3f}")

    def _release(self, button: int) -> None:
        if button == 2:
            self._panning = False
        elif button == 0 and self.curves is not None and self.curves.held is not None:
            self._do(self.curves.release())
            self._draw()

    def _wheel(self, turn: float) -> None:
        if self.curves is not None and self._hovered:
            mods = self.app.input.mods()
            self.curves.wheel(turn, self._mouse()[0], mods.shift, mods.ctrl)
            self._draw()

    def _key(self, key: int) -> None:
        digit = key - dpg.mvKey_0
        if 1 <= digit <= 9 and self._hovered and not self.app.input.typing():
            self._pick(digit - 1)

    # ------------------------------------------------------------------ what is shown

    def refresh(self) -> None:
        """Follows the node: its name, its table, and where it plays."""
        c = self.curves
        if c is None:
            return
        editor = self.app.editor
        with editor.lock:
            here = editor.here()
            name = c.node if c.node in here.nodes and here.nodes[c.node].uid == self.uid else ""
            name = name or next((n for n, d in here.nodes.items() if d.uid == self.uid), "")
            rows = here.value(name, c.name) if name else None
            wide = dims(here, name) if name else 1
            self.period = period(here, name) if name else 0.0
            others = [n for n, data in here.nodes.items() if data.type == TAPE and n != name]
        if rows is None:
            self.close()
            return
        if name != c.node:
            c.node = name
            dpg.configure_item(self.window, label=f"Curves of {name}")
        self._offer(others)
        if c.look(rows, wide):
            dpg.configure_item(self.list, items=[str(k + 1) for k in range(c.dims)])
            dpg.set_value(self.length, c.rows if c.rows > 1 else FRESH)
        w = max(dpg.get_item_width(self.window) - 2 * self.app.px(10), 100)
        top = dpg.get_item_pos(self.picture)[1] or self.app.px(120)
        h = max(dpg.get_item_height(self.window) - top - self.app.px(44), 60)
        if c.area[2:] != (w, h):
            c.area = (0.0, 0.0, float(w), float(h))
            dpg.configure_item(self.picture, width=int(w), height=int(h))
            c.rev += 1
        self._draw()
        self._play()

    def _offer(self, others: list[str]) -> None:
        """Lists the tapes that curves can be sent to."""
        if others != self._listed:
            self._listed = others
            chosen = dpg.get_value(self.tape)
            dpg.configure_item(self.tape, items=others, enabled=bool(others))
            dpg.set_value(self.tape, chosen if chosen in others else next(iter(others), ""))

    def _say(self, what: str) -> None:
        c = self.curves
        if c is not None:
            ends = [clock(row, self.period) for row in c.selected or ()]
            chosen = f"   selected {ends[0]} … {ends[1]}" if ends else ""
            dpg.set_value(self.said, f"{c.rows} rows × {c.dims}   {what}{chosen}")

    def _draw(self) -> None:
        """Draws what changed."""
        c, t = self.curves, self.app.theme
        if c is None or self.window == 0:
            return
        pen = Pen(t, 1.0, self.app.scale, 2, self.back)
        seen = c.rev, t.name
        if seen != self._drawn:
            self._drawn, self._live = seen, None
            dpg.set_value(self.number, c.active + 1)
            dpg.set_value(self.list, str(c.active + 1))
            dpg.set_value(self.mode, c.mode)
            dpg.set_value(self.hint, f"{HINTS[c.mode]}  {MORE}" if c.rows > 1 else SHORT)
            self._ground(pen)
            clear(self.faint)
            pen.parent = self.faint
            for dim, line in enumerate(c.outline()):
                if dim != c.active:
                    pen.path(line, faded(colour(t, dim), FAINT), 1.0 * pen.scale)
            self._say("")
        live = c.live, c.active, c.selected
        if live == self._live:
            return
        self._live = live
        clear(self.front)
        pen.parent = self.front
        if c.selected is not None:
            a, b = (min(max(c.x(row), 0.0), c.area[2]) for row in c.selected)
            pen.rect((a, 0), (max(b, a + 1), c.area[3]), faded(t.selected, 0.15), faded(t.selected, 0.6))
        pen.path(c.front(), colour(t, c.active), 2.2 * pen.scale)
        if c.mode == "points":
            for row in c.points():
                at = c.x(row), c.y(float(c.shown[row, c.active]))
                if 0 <= at[0] <= c.area[2]:
                    pen.circle(at, 4.0 * pen.scale, t.canvas, t.text, 1.5 * pen.scale)

    def _ground(self, pen: Pen) -> None:
        """What lies behind the curves: time and height."""
        c, t, px = self.curves, self.app.theme, self.app.px
        assert c is not None
        clear(self.back)
        w, h = c.area[2:]
        pen.rect((0, 0), (w, h), t.canvas, t.border)
        for row in grid(c.first, c.span, self.period, w / px(90)):
            pen.line((c.x(row), 0), (c.x(row), h), t.grid_strong)
            word = f"{row * self.period:g} s" if self.period else f"{row + 1:.0f}"
            raw.draw_text((c.x(row) + 3, h - px(15)), word, parent=pen.parent, size=px(12), color=t.dim)
        for part in (-0.5, 0.0, 0.5):
            pen.line((0, c.y(part * c.edge)), (w, c.y(part * c.edge)), t.edge if part == 0 else t.grid_strong)
        for value, y in ((c.edge, 1.0), (-c.edge, h - px(28))):
            raw.draw_text((3, y), f"{value:+g}", parent=pen.parent, size=px(12), color=t.dim)

    def _play(self) -> None:
        """Where the tape plays."""
        c, found = self.curves, self.app.editor.samples(self.slot, 1) if self.slot >= 0 else ()
        assert c is not None
        x = c.x(head(float(found[-1, 0]), c.rows)) if len(found) else -1.0  # type: ignore[call-overload]
        if x == self._head:
            return
        self._head = x
        clear(self.mark)
        if 0 <= x <= c.area[2]:
            pen = Pen(self.app.theme, 1.0, self.app.scale, 2, self.mark)
            pen.line((x, 0), (x, c.area[3]), self.app.theme.good, 1.5 * pen.scale)
            pen.circle((x, 4), 4, self.app.theme.good, NONE)
