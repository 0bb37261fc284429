"""Times of the callback under load, and how long silence lasts after a kill.

The session's process is one of ours (`python -m tests.benchmarks.live_times host BURNERS`): it starts as `runtime.host`
does, beside so many Python threads that hold the GIL all the time, and begins to count two seconds after the sound.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
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


def spent(pid: int) -> float:
    """CPU seconds of a process."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    fields = stat[stat.rindex(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def callback(share: float = 1.0) -> dict[str, Any]:
    """p50, p99, p99.9 and the longest, in µs, in three cases."""
    from nodes import catalog

    catalog.load()
    patch = Patch.load(largest())
    found: dict[str, Any] = {"patch": patch.file}
    for case, burners in (("idle", 0), ("drawing", 0), ("burners", 2)):
        with tempfile.TemporaryDirectory() as folder, play(patch, executable=_host(Path(folder), burners)) as on:
            client = None
            if case == "drawing":
                client = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.live_times", "draw", on.stage.name])
            time.sleep(2.5)
            start, before = time.monotonic(), spent(on.stage.pid)
            time.sleep(SECONDS * share)
            cores = (spent(on.stage.pid) - before) / (time.monotonic() - start)
            state = on.stage.client.call("state")
            xruns = on.xruns(start)
            if client is not None:
                client.kill()
                client.wait()
        found[case] = {k: round(v, 1) for k, v in state["us"].items()} | {
            "xruns": xruns,
            "cores_of_the_process": round(cores, 2),
        }
    return found


def _host(folder: Path, burners: int) -> str:
    """A program that is our session's process."""
    program = folder / "host"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -m tests.benchmarks.live_times host {burners}\n")
    program.chmod(0o700)
    return str(program)


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
