"""A private JACK server without hardware: the other side of a real PortAudio stream."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

import pytest

_count = itertools.count()

needs_jack = pytest.mark.skipif(
    not (shutil.which("jackd") and shutil.which("jack_lsp")), reason="needs jackd, on Debian: apt install jackd2"
)


class Jack:
    """The server `name`, `rate` Hz, `period` frames, eight channels each way; real-time where the system allows it.

    While it runs, JACK clients of this process find it and no other.
    """

    def __init__(self, rate: int = 48000, period: int = 64) -> None:
        self.name = f"zrack-{os.getpid()}-{next(_count)}"
        self.rate, self.period = rate, period
        self._process: subprocess.Popen[bytes] | None = None
        self._before = os.environ.get("JACK_DEFAULT_SERVER")

    def start(self) -> None:
        dummy = ["-d", "dummy", "-r", f"{self.rate}", "-p", f"{self.period}", "-C", "8", "-P", "8"]
        tied = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []  # JACK has room for eight servers only
        for mode in (["-R", "-P", "60"], ["-r"]):
            self._process = subprocess.Popen(
                [*tied, "jackd", *mode, "-n", self.name, *dummy],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            os.environ["JACK_DEFAULT_SERVER"] = self.name
            for _ in range(100):
                if self._process.poll() is not None:
                    break
                if self.ports():
                    return
                time.sleep(0.05)
            self.kill()
        raise RuntimeError("jackd does not start; it allows eight servers at a time")

    def stop(self) -> None:
        """Ends the server as its user would."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
        self.kill()

    def kill(self) -> None:
        """Ends the server as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ports(self, part: str = "") -> list[str]:
        """Names of ports that begin with `part`."""
        done = subprocess.run(["jack_lsp"], capture_output=True, text=True)
        return [line for line in done.stdout.splitlines() if ":" in line and line.startswith(part)]

    def loop(self, channels: int = 2) -> None:
        """Connects the outputs of our own stream to its inputs, a cable each."""
        ours = self.ports("PortAudio")
        outs, ins = ([p for p in ours if f":{kind}_" in p] for kind in ("out", "in"))
        for out, into in zip(outs[:channels], ins):
            subprocess.run(["jack_connect", out, into], check=True, capture_output=True)

    def __enter__(self) -> Jack:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        if self._before is None:
            os.environ.pop("JACK_DEFAULT_SERVER", None)
        else:
            os.environ["JACK_DEFAULT_SERVER"] = self._before


@contextmanager
def server(rate: int = 48000, period: int = 64) -> Iterator[Jack]:
    """A running server that PortAudio of this process knows."""
    from runtime.portaudio import rescan

    with Jack(rate, period) as jack:
        rescan()
        yield jack
    rescan()
