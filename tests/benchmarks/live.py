"""The live engine on a real stream: `python -m tests.benchmarks.live edits|osc|callback|restart [--json]`.

Each plays on a JACK server of its own without hardware (48 kHz, 64 frames, real-time where the system allows it), with a
*bare* stream of nothing on a server beside it, which shows what the machine alone does (`runtime.bare`): an xrun counts as
ours where the bare stream has none within a second, and no core stood still.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graph import Patch
from runtime.bare import Bare
from runtime.layout import E_NOW, E_SWAPS
from runtime.soak import Stage, memory
from runtime.telemetry import View
from tests.jack import Jack

from .shown import show

RATE, PERIOD = 48000, 64


@dataclass
class Play:
    """A session on a stream, what watches it, and a folder for its logs."""

    stage: Stage
    folder: Path
    bare: Bare
    ours: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def cells(self) -> Any:
        """Header of the engine that plays."""
        view = self.stage.client.view
        assert view is not None
        return playing(view)

    def now(self) -> int:
        """Sample time, without asking."""
        return int(self.cells[E_NOW])

    def swaps(self) -> int:
        """Plans taken, without asking."""
        return int(self.cells[E_SWAPS])

    def watch(self) -> None:
        """Notes when our stream is flagged."""
        last = -1
        while not self.over.wait(0.05):
            view = self.stage.client.view
            state = view.look()[0] if view else {}
            if state:
                if last >= 0 and state["xruns"] > last:
                    self.ours.append(time.monotonic())
                last = state["xruns"]

    def xruns(self, since: float = 0.0) -> dict[str, int]:
        """Stalls of our stream since a moment: all, and those that the bare stream does not share."""
        found = [t for t in self.ours if t >= since]
        return {"all": len(found), "ours": sum(not self.bare.shares(t) for t in found)}


def playing(view: View) -> Any:
    """The header of the newer engine of a page."""
    cells = view.page.cells
    return cells[int(cells[1, E_NOW] > cells[0, E_NOW])]


@contextmanager
def play(patch: Patch, **popen: Any) -> Iterator[Play]:
    """A patch on a stream; `popen` goes to the session's process."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zrack-live-")))
        os.environ["XDG_RUNTIME_DIR"], os.environ["ZRACK_STATE"] = str(folder), str(folder / "state")
        folder.chmod(0o700)
        stack.enter_context(Jack(RATE, PERIOD))
        path = folder / "patch.zrack"
        patch.save(path)
        beside = Bare("", 0, 0)
        stack.callback(beside.close)
        said: list[str] = []
        stage = Stage(path, "", 0, 0, folder / "logs", said.append, **popen)
        stack.callback(stage.close)
        found = Play(stage, folder / "logs", beside, said=said)
        time.sleep(2.0)
        threading.Thread(target=found.watch, daemon=True).start()
        try:
            yield found
        finally:
            found.over.set()
            time.sleep(0.1)


def spread(values: Sequence[float], digits: int = 2) -> dict[str, float]:
    """Median, 95 % and worst."""
    ordered = sorted(values)
    if not ordered:
        return {}
    p95 = ordered[min(round(0.95 * (len(ordered) - 1)), len(ordered) - 1)]
    return {"median": round(statistics.median(ordered), digits), "p95": round(p95, digits), "worst": round(ordered[-1], digits)}


def busy() -> float:
    """Processes that want a core, mean of the last minute: figures under load are marked by it."""
    return round(os.getloadavg()[0], 2)


def kept(play: Play) -> float:
    """MiB of the session."""
    return round(memory(play.stage.pid) / 2**20, 1)


def main() -> None:
    """The command line."""
    from . import live_edits, live_osc, live_times

    parts = {"edits": live_edits.run, "osc": live_osc.run, "callback": live_times.callback, "restart": live_times.restart}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=parts)
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--share", type=float, default=1.0, help="how much of the whole to do, for a quick look")
    args = parser.parse_args()
    before = busy()
    figures = {"part": args.part, "load_before": before, **parts[args.part](args.share)}
    show(figures, args.json)


if __name__ == "__main__":
    main()
