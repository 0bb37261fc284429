"""Times of the callback under load, and how long silence lasts after a kill.

The session's process is one of ours (`python -m tests.benchmarks.live_times host BURNERS`): it starts as `runtime.host`
does, beside so many Python threads that hold the GIL all the time, and begins to count two seconds after the sound.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from graph import Patch
from runtime.attach import Client, page_path
from runtime.layout import E_NOW
from runtime.soak import drawn, largest
from runtime.telemetry import PID, View

from .live import Play, play, playing, spread

SECONDS, KILLS = 20.0, 10


def host(burners: int) -> int:
    """The session's process."""
    from runtime import host as process

    def burn() -> None:
        x = 0
        while True:
            x = (x * 31 + 7) % 1000003

    inside = process.Host.run

    def run(self: Any) -> None:
        for _ in range(burners):
            threading.Thread(target=burn, daemon=True).start()
        threading.Timer(2.0, lambda: self.session.device.reset()).start()
        inside(self)

    process.Host.run = run  # type: ignore[method-assign]
    return process.main()


def draw(name: str) -> None:
    """A client that draws 60 times a second and needs a core for it."""
    client = Client(name)
    for slot, key in enumerate(list(client.patch.cables)[:2]):
        client.call("watch", slot, key[0], key[1])
    due = time.monotonic()
    while not client.lost.is_set():
        due += 1 / 60
        drawn(client)
        while time.monotonic() < due:
            sum(range(1000))


def _play(patch: Patch, burners: int) -> Any:
    """`live.play` with our own host."""
    from runtime import supervise

    real = subprocess.Popen

    def popen(command: list[str], **kw: Any) -> Any:
        if command[-1] == "runtime.host":
            command = [sys.executable, "-m", "tests.benchmarks.live_times", "host", str(burners)]
        return real(command, **kw)

    supervise.subprocess.Popen = popen  # type: ignore[misc,assignment,attr-defined]
    return play(patch)


def callback(share: float = 1.0) -> dict[str, Any]:
    """p50, p99, p99.9 and the longest, in µs, in three cases."""
    from nodes import catalog

    catalog.load()
    patch = Patch.load(largest())
    found: dict[str, Any] = {"patch": patch.file}
    for case, burners in (("idle", 0), ("drawing", 0), ("burners", 2)):
        with _play(patch, burners) as on:
            client = None
            if case == "drawing":
                client = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.live_times", "draw", on.stage.name])
            time.sleep(2.5)
            start = time.monotonic()
            time.sleep(SECONDS * share)
            state = on.stage.client.call("state")
            xruns = on.xruns(start)
            if client is not None:
                client.kill()
                client.wait()
        found[case] = {k: round(v, 1) for k, v in state["us"].items()} | {"load": round(state["load"], 4), "xruns": xruns}
    return found


def restart(share: float = 1.0) -> dict[str, Any]:
    """Seconds from `kill -9` until sample time runs again, and until the meter of the device moves."""
    from nodes import catalog

    catalog.load()
    patch = Patch.load(largest())
    found: dict[str, Any] = {"patch": patch.file}
    with play(patch) as on:
        for case in ("client", "headless"):
            if case == "headless":
                on.stage.client.close()
            ran, heard, back = [], [], []
            for _ in range(max(round(KILLS * share), 2)):
                time.sleep(1.0)
                took = _kill(on, case == "client")
                ran.append(took[0])
                heard.append(took[1])
                back += took[2:]
            found[case] = {"s_until_time_runs": spread(ran, 3), "s_until_heard": spread(heard, 3)}
            if back:
                found[case]["s_until_client"] = spread(back, 3)
        found["restarts"] = on.stage.supervisor.restarts
        found["bypassed"] = 0
        client = on.stage.attach()
        found["bypassed"] = [n for n, d in client.patch.nodes.items() if d.bypass]
        client.close()
        on.stage.client = client
    return found


def _kill(on: Play, attached: bool) -> list[float]:
    """Kills the engine once."""
    old = on.stage.pid
    path = page_path(on.stage.name)
    start = time.monotonic()
    os.kill(old, signal.SIGKILL)
    view: View | None = None
    while True:
        view = _page(path, old)
        if view is not None and int(playing(view)[E_NOW]) > 0:
            break
        assert time.monotonic() - start < 30
        time.sleep(0.002)
    ran = time.monotonic() - start
    while not any(p > 1e-4 for p in view.look()[0].get("peaks", [])):
        assert time.monotonic() - start < 30
        time.sleep(0.002)
    out = [ran, time.monotonic() - start]
    if attached:
        on.stage.client = on.stage.attach()
        out.append(time.monotonic() - start)
    return out


def _page(path: Path, old: int) -> View | None:
    """The page of another process than `old`, once it is there."""
    try:
        view = View(path)
    except (OSError, ValueError):  # not there, or not whole yet
        return None
    return view if int(view.page.head[PID]) not in (0, old) else None


if __name__ == "__main__":
    if sys.argv[1] == "host":
        sys.exit(host(int(sys.argv[2])))
    draw(sys.argv[2])
