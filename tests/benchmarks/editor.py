"""What a frame of the editor costs: main-thread CPU, with many nodes in view, live levels, panning and zooming.

    python -m tests.benchmarks.editor [--nodes 100,500,1000,2000] [--json]

Needs a display; `xvfb-run` will do.  CPU time of the main thread is what counts, because a software renderer makes wall time
say nothing: it covers our Python and DearPyGui's own work a frame.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from graph.patch import Patch
from nodes import catalog
from ui import display
from ui.app import App
from ui.client import Editor
from ui.settings import Settings

CHAIN = ("source/saw", "filter/lowpass", "effect/vca", "mod/lfo", "mod/adsr", "maths/multiply", "effect/delay", "source/sine")
LIMITS = {500: 10.0, 2000: 25.0}
"""Milliseconds of main-thread CPU a frame, with live levels, everything in view."""


class Lively(Editor):
    """An editor without a session whose outlets go up and down."""

    def poll(self) -> bool:
        """As in `Editor`; levels move."""
        changed = super().poll()
        t = time.monotonic()
        self.sway = [0.5 + 0.5 * math.sin(3 * t + k) for k in range(64)]
        return changed

    def level(self, node: str, outlet: str) -> float:
        """A level of its own for each node."""
        return self.sway[hash(node) & 63] if hasattr(self, "sway") else 0.0


def patch(count: int) -> Patch:
    """A field of nodes, each fed by the one before and moved by one above."""
    made = Patch()
    columns = max(1, round(math.sqrt(count * 1.25)))
    names: list[str] = []
    for i in range(count):
        type = CHAIN[i % len(CHAIN)]
        names.append(made.add(type, f"{type.partition('/')[2]}{i}", at=((i % columns) * 240.0, (i // columns) * 190.0), seed=i))
    for i, name in enumerate(names):
        spec = made.spec(name)
        assert spec is not None
        if i and spec.inlets:
            made.connect(f"{names[i - 1]}.out", f"{name}.{next(iter(spec.inlets))}")
        if i >= columns and spec.params:
            made.connect(f"{names[i - columns]}.out", f"{name}.{next(iter(spec.params))}", 0.2)
    return made


def measure(app: App, frames: int, each: Callable[[int], None] = lambda k: None) -> dict[str, float]:
    """Milliseconds of main-thread CPU a frame."""
    costs, python = [], []
    for k in range(frames):
        each(k)
        import dearpygui.dearpygui as dpg

        start = time.thread_time()
        app.turn()
        middle = time.thread_time()
        dpg.render_dearpygui_frame()
        costs.append(1000 * (time.thread_time() - start))
        python.append(1000 * (middle - start))
    costs.sort()
    return {
        "median": round(statistics.median(costs), 2), "mean": round(statistics.mean(costs), 2),
        "p95": round(costs[int(0.95 * len(costs))], 2), "python": round(statistics.median(python), 2),
    }  # fmt: skip


def case(app: App, count: int, frames: int) -> dict[str, Any]:
    """All figures for one size of patch."""
    made = patch(count)
    app.hold(made)
    for _ in range(12):
        app.frame()
    app.fit()
    for _ in range(8):
        app.frame()
    seen = len(app.canvas.visible[0])
    found: dict[str, Any] = {"nodes": count, "in view": seen, "zoom": round(app.view.zoom, 3), "level": app.view.level}
    found["all, live"] = measure(app, frames)
    found["all, pan"] = measure(app, frames, lambda k: app.view.pan(3 if k % 2 else -3, 0))
    app.canvas.show_levels(True)
    found["all, cables by level"] = measure(app, frames)
    app.canvas.show_levels(False)
    app.view.actual()
    for _ in range(6):
        app.frame()
    found["in view at zoom 1"] = len(app.canvas.visible[0])
    found["zoom 1, live"] = measure(app, frames)
    found["zoom 1, pan"] = measure(app, frames, lambda k: app.view.pan(9 if k % 40 < 20 else -9, 0))
    found["zoom steps"] = measure(app, min(frames, 24), lambda k: app.view.zoom_at(1.1 if k % 12 < 6 else 1 / 1.1, 640, 360))
    return found


def main(args: list[str] | None = None) -> int:
    """Prints a table; exit code 1 where a limit is broken."""
    ap = argparse.ArgumentParser()
    ap.add_argument("--nodes", default="100,500,1000,2000")
    ap.add_argument("--frames", type=int, default=90)
    ap.add_argument("--json", action="store_true")
    given = ap.parse_args(args)
    if why := display.why_not():
        print(f"{why}; run this under xvfb-run", file=sys.stderr)
        return 1
    catalog.load()
    editor = Lively(None, Patch())
    app = App(editor=editor, settings=Settings(panels={"browser": False, "inspector": False}), size=(1600, 1000), vsync=False)
    app.open_window()
    results = [case(app, int(n), given.frames) for n in given.nodes.split(",")]
    broken = [r["nodes"] for r in results if r["all, live"]["median"] > LIMITS.get(r["nodes"], math.inf)]
    if given.json:
        print(json.dumps(results))
    else:
        for r in results:
            print(f"{r['nodes']:5d} nodes, {r['in view']} in view at zoom {r['zoom']} (detail {r['level']})")
            for name, figures in r.items():
                if isinstance(figures, dict):
                    print(f"        {name:24s}" + "  ".join(f"{k} {v:6.2f}" for k, v in figures.items()) + "  ms")
    app.finish()
    app._end()
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
