"""A bare stream: the compiled callback with nothing to play, `python -m runtime.bare DEVICE RATE BUFFER`.

What it is flagged for, the machine has done, and not what plays beside it.  A virtual machine can also lose one core only,
and then one of two streams: so a thread of real-time priority on every core notes when that core stood still.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

from .realtime import realtime

SETTLE = 2.0  # seconds until a fresh stream counts
NEAR = 1.0  # seconds between two xruns of one cause
CLOSE = 0.25  # seconds between a core that stood still and the xrun that it made, as they are told
TICK = 0.001  # seconds between two looks of a core's thread


def main(device: str, rate: int, buffer: int) -> None:
    """Plays nothing until standard input ends, and prints a JSON line ten times a second: the time (monotonic seconds), its
    xruns so far, and when a core last stood still for longer than a device buffer.

    JACK tells every client of a server when one of them is late, so that a stream beside ours would only repeat our xruns:
    there, the bare stream plays on a server of its own with the same period.
    """
    from .devices import Device

    stream = Device(None, device, rate=rate or None, buffer=buffer)
    stream.play()
    server: subprocess.Popen[bytes] | None = None
    time.sleep(0.3)
    status = stream.status()
    period = round(status["frames"] / max(status["calls"], 1))
    if getattr(stream._now.stream, "jack", False):
        stream.close()
        server = _jack(status["rate"], period)
        stream = Device(None, "")
        stream.play()
    ended = threading.Event()

    def wait() -> None:
        realtime(0, 61)  # whoever holds the interpreter must not wait for a core, or the others would
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    still = [0.0]
    if realtime(0, 61) is None and hasattr(os, "sched_getaffinity"):
        for core in os.sched_getaffinity(0):
            threading.Thread(target=_core, args=(core, period / status["rate"], still), daemon=True).start()
    try:
        while not ended.wait(0.1):
            print(json.dumps([time.monotonic(), max(stream.status()["xruns"].values()), still[0]]), flush=True)  # noqa: T201
    finally:
        if server is not None:
            server.terminate()
            server.wait(5)
        os._exit(0)  # PortAudio need not survive its server


def _core(core: int, longest: float, still: list[float]) -> None:
    """Notes when a core stands still: a thread there that nothing may interrupt comes late all the same."""
    os.sched_setaffinity(0, {core})
    realtime(0, 70)
    while True:
        due = time.monotonic() + TICK
        time.sleep(TICK)
        if (now := time.monotonic()) - due > longest:
            still[0] = now


def _jack(rate: int, period: int) -> subprocess.Popen[bytes]:
    """A JACK server without hardware, which PortAudio of this process uses from now on.  Raises OSError where there is none."""
    from .portaudio import listing, rescan

    os.environ["JACK_DEFAULT_SERVER"] = name = f"zrack-bare-{os.getpid()}"
    for priority in (["-R", "-P", "60"], ["-r"]):
        server = subprocess.Popen(
            ["jackd", *priority, "-n", name, "-d", "dummy", "-r", str(rate), "-p", str(period)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for _ in range(20):
            time.sleep(0.1)
            rescan()
            if any("JACK" in d["api"] for d in listing()):
                return server
            if server.poll() is not None:
                break
        server.kill()
        server.wait()
    raise OSError("jackd does not start")


class Bare:
    """The bare stream's process.  After its first seconds, `xruns` get the time of every xrun and `still` the times when a
    core stood still, for longer than a device buffer."""

    def __init__(self, device: str, rate: int, buffer: int) -> None:
        self.xruns: list[float] = []
        self.still: list[float] = []
        self.lines = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "runtime.bare", device, str(rate), str(buffer)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        first = last = -1
        for line in self._process.stdout:
            at, xruns, still = json.loads(line)
            self.lines += 1
            if first < 0:
                first, last = at, xruns
            if at - first > SETTLE:
                self.xruns += [at] * (xruns - last)
                if still > (self.still[-1] if self.still else first):
                    self.still.append(still)
            last = xruns

    def shares(self, at: float) -> bool:
        """Whether the machine was the cause of an xrun at that time."""
        return any(abs(at - t) <= NEAR for t in self.xruns) or any(abs(at - t) <= CLOSE for t in self.still)

    def close(self) -> None:
        """Ends it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
