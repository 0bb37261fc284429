"""A bare stream: the compiled callback with nothing to play, `python -m runtime.bare DEVICE RATE BUFFER`.

What it is flagged for, the machine has done, and not what plays beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

SETTLE = 2.0  # seconds until a fresh stream counts


def main(device: str, rate: int, buffer: int) -> None:
    """Plays nothing until standard input ends, and prints a JSON line [monotonic seconds, its xruns so far] ten times a second.

    JACK tells every client of a server when one of them is late, so that a stream beside ours would only repeat our xruns:
    there, the bare stream plays on a server of its own with the same period.
    """
    from .devices import Device

    stream = Device(None, device, rate=rate or None, buffer=buffer)
    stream.play()
    server: subprocess.Popen[bytes] | None = None
    if getattr(stream._now.stream, "jack", False):
        time.sleep(0.3)
        status = stream.status()
        period = round(status["frames"] / max(status["calls"], 1))
        stream.close()
        server = _jack(status["rate"], period)
        stream = Device(None, "")
        stream.play()
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    try:
        while not ended.wait(0.1):
            print(json.dumps([time.monotonic(), sum(stream.status()["xruns"].values())]), flush=True)  # noqa: T201
    finally:
        if server is not None:
            server.terminate()
            server.wait(5)
        os._exit(0)  # PortAudio need not survive its server


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
    """The bare stream's process.  `events` get the time of every xrun after its first seconds."""

    def __init__(self, device: str, rate: int, buffer: int, events: list[float]) -> None:
        self.events, self.lines = events, 0
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
            at, xruns = json.loads(line)
            self.lines += 1
            if first < 0:
                first, last = at, xruns
            if at - first > SETTLE:
                self.events += [at] * (xruns - last)
            last = xruns

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
