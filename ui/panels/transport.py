"""Play, stop, reset, panic; tempo; recording; device, CPU, xruns, latency; master meters."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import dearpygui.dearpygui as dpg

from .. import readings
from . import parts

if TYPE_CHECKING:
    from ..app import App

WIDTHS = {
    "play": 116, "reset": 120, "tempo": 176, "record": 84, "device": 200, "CPU": 84, "xruns": 76, "latency": 116, "meters": 150,
}  # fmt: skip
"""Width of each part at scale 1."""
KEEP = ("play", "meters", "CPU", "xruns", "tempo", "reset", "latency", "record", "device")
"""Which parts are left out last where the window is narrow, the last one first."""
METER = 130


class Panel:
    """The widgets and what they showed last."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.taps = readings.Taps()
        self.shown: dict[str, Any] = {}
        self.groups: dict[str, parts.Item] = {}
        self.texts: dict[str, parts.Item] = {}
        self.peaks: list[float] = []
        self.devices: list[str] = []
        with dpg.group(horizontal=True):
            with self._part("play"):
                self.play = parts.button(app, "Stop", self._play, "Plays, or stands still (space)", width=app.px(50))
                self.time = dpg.add_text("0:00.0")
                parts.tip(app, self.time, "time of the patch")
            with self._part("reset"):
                parts.button(app, "Reset", lambda: app.editor.transport("reset"), "Starts again from the first sample")
                parts.button(app, "Panic", lambda: app.editor.transport("panic"), "Silences all that rings")
            with self._part("tempo"):
                self.tempo = dpg.add_drag_float(
                    width=app.px(92), min_value=1, max_value=999, speed=0.2, clamped=True, format="%.1f bpm",
                    callback=lambda s, value: self._tempo(value),
                )  # fmt: skip
                parts.tip(app, self.tempo, "tempo of all clocks of the patch; drag, or Ctrl-click to type")
                parts.button(app, "Tap", self._tap, "Tap four times in the tempo you mean", width=app.px(50))
            with self._part("record"):
                self.record = parts.button(app, "Record", self._record, "Records what is heard, beside the patch")
            with self._part("device"):
                self.device = parts.button(app, "no session", self._choose, "Where it sounds; click to choose")
            for name, help in (
                ("CPU", "part of its time that the sound needs; near 100 % it breaks up"),
                ("xruns", "blocks that came too late; each may be heard as a click"),
                ("latency", "from input to output"),
            ):
                with self._part(name):
                    parts.dim(app, name)
                    self.texts[name] = dpg.add_text("–")
                    parts.tip(app, self.texts[name], help)
            with self._part("meters"):
                self.meters = dpg.add_drawlist(width=app.px(METER), height=app.px(22))
                parts.tip(app, self.groups["meters"], "loudness of each channel that is heard, from -60 to +6 dB")
        self.menu = dpg.add_window(popup=True, show=False, no_title_bar=True, autosize=True)

    def _part(self, name: str) -> Any:
        self.groups[name] = dpg.add_group(horizontal=True)
        return _Inside(self.groups[name])

    # what hands do

    def _play(self) -> None:
        self.app.editor.transport("stop" if self.app.editor.state.get("playing") else "play")

    def _tempo(self, value: float) -> None:
        editor = self.app.editor
        with editor.lock:
            clocks = [n for n, d in editor.patch.nodes.items() if d.type == "mod/clock"]
        if editor.client is not None:
            editor.tell("tempo", float(value))
        else:
            for name in clocks:
                editor.stream(name, "bpm", float(value), gesture="tempo")

    def _tap(self) -> None:
        found = self.taps.tap(time.monotonic())
        if found is not None:
            self._tempo(found)

    def _record(self) -> None:
        editor = self.app.editor
        if editor.state.get("recording"):
            editor.call("record", None, then=lambda name: self.app.say(f"recorded {name}"))
            return
        stem = (self.app.files.path.stem if self.app.files.path else "recording")[:40]
        name = f"{stem}-{time.strftime('%Y%m%d-%H%M%S')}.wav"
        editor.call("record", name, then=lambda made: self.app.say(f"recording {made}"))

    def _choose(self) -> None:
        """Lists the devices; asking the system takes a while."""
        threading.Thread(target=self._ask, name="devices", daemon=True).start()

    def _ask(self) -> None:
        try:
            from runtime.portaudio import listing

            found = [str(d["label"]) for d in listing() if d["outputs"]]
        except Exception as error:  # no PortAudio here
            found = []
            self.app.later(lambda error=error: self.app.say(str(error)))  # type: ignore[misc]
        self.devices = [*found, "null"]
        self.app.later(self._offer)

    def _offer(self) -> None:
        parts.clear(self.menu)
        for name in self.devices:
            dpg.add_selectable(
                label=f"{name} (no sound)" if name == "null" else name, parent=self.menu, user_data=name,
                callback=lambda s, a, name: self.app.editor.call("use", name),
            )  # fmt: skip
        x, y = dpg.get_item_rect_min(self.device)
        dpg.configure_item(self.menu, show=True, pos=parts.place(self.app, x, y - self.app.px(26) * len(self.devices), 200, 20))

    # what is shown

    def refresh(self) -> None:
        """Shows the state of the moment."""
        app, state = self.app, self.app.editor.state
        self._fit()
        self._set("play", self.play, "Stop" if state.get("playing") else "Play")
        self._set("record", self.record, "Stop rec" if state.get("recording") else "Record")
        self._set("device", self.device, readings.device(state))
        self._set("time", self.time, readings.clock(float(state.get("seconds", 0.0) or 0.0)), True)
        for name, value in readings.figures(state):
            self._set(name, self.texts[name], value, True)
        warm = readings.load(state) > 0.8
        if self.shown.get("warm") != warm:
            self.shown["warm"] = warm
            dpg.configure_item(self.texts["CPU"], color=app.theme.bad if warm else app.theme.text)
        with app.editor.lock:
            tempo = readings.tempo(app.editor.patch)
        if not dpg.is_item_active(self.tempo) and self.shown.get("tempo", 0) != tempo:
            self.shown["tempo"] = tempo
            dpg.configure_item(self.tempo, enabled=tempo is not None, format="%.1f bpm" if tempo is not None else "no clock")
            dpg.set_value(self.tempo, tempo or 0.0)
        self._draw([float(p) for p in state.get("peaks", ()) or ()][:16])

    def _set(self, key: str, item: parts.Item, text: str, value: bool = False) -> None:
        if self.shown.get(key) != text:
            self.shown[key] = text
            if value:
                dpg.set_value(item, text)
            else:
                dpg.configure_item(item, label=text)

    def _fit(self) -> None:
        wide = dpg.get_viewport_client_width()
        if self.shown.get("wide") == wide:
            return
        self.shown["wide"] = wide
        room = wide / self.app.scale - 20
        for name in KEEP:
            room -= WIDTHS[name] + 8
            dpg.configure_item(self.groups[name], show=room >= 0)

    def _draw(self, peaks: list[float]) -> None:
        falling = [p * 0.85 if p > 1e-4 else 0.0 for p in self.peaks] + [0.0] * (len(peaks) - len(self.peaks))
        self.peaks = [max(p, f) for p, f in zip(peaks, falling)] if peaks else [f for f in falling if f > 1e-4]
        bars = tuple(round(readings.height(p) * METER) for p in self.peaks)
        key = (bars, tuple(p > 1.0 for p in self.peaks), self.app.theme.name)
        if self.shown.get("bars") == key:
            return
        self.shown["bars"] = key
        app, theme = self.app, self.app.theme
        parts.clear(self.meters)
        w, h = app.px(METER), app.px(22)
        dpg.draw_rectangle((0, 0), (w, h), color=theme.border, fill=theme.field, parent=self.meters)
        rows = max(len(bars), 1)
        for k, bar in enumerate(bars):
            top, high = 1 + k * (h - 2) / rows, max((h - 2) / rows - 1, 1)
            colour = theme.hot if self.peaks[k] > 1.0 else theme.meter
            dpg.draw_rectangle(
                (1, top), (max(bar / METER * (w - 2), 1), top + high), color=colour, fill=colour, parent=self.meters
            )
        zero = w * readings.height(1.0)
        dpg.draw_line((zero, 0), (zero, h), color=theme.text, thickness=1, parent=self.meters)

    def remove(self) -> None:
        """Takes away what lies outside the dock."""
        parts.gone(self.menu)


class _Inside:
    """Puts what is made inside an item."""

    def __init__(self, item: parts.Item) -> None:
        self.item = item

    def __enter__(self) -> None:
        dpg.push_container_stack(self.item)

    def __exit__(self, *_: object) -> None:
        dpg.pop_container_stack()
