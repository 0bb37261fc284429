"""PortAudio: what devices there are, and raw streams whose callback is the compiled function.

The only file that touches private parts of `sounddevice`; a test stands guard over them.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from graph.errors import suggest
from nodes.compile import folder

from .library import addresses, function

NULL = "null"
RATES = (44100, 48000, 88200, 96000, 176400, 192000)
BAD_RATE, BAD_PAIR = -9997, -9993  # PortAudio's paInvalidSampleRate, paBadIODeviceCombination


class DeviceError(Exception):
    """A sound device that cannot be had; the text is one sentence."""


# ------------------------------------------------------------------------------------------------ what there is


@cache
def portaudio() -> Any:
    """The module `sounddevice`.  Raises DeviceError where there is no PortAudio."""
    try:
        import sounddevice
    except OSError as error:
        raise DeviceError(
            f"there is no PortAudio here ({error}); install it, on Debian with `apt install libportaudio2`"
        ) from None
    atexit.register(_leave)
    return sounddevice


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what PortAudio and the systems below it print to themselves; what matters comes as an error."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


_left: list[Any] = []
"""Copies of PortAudio that were left behind."""


def _leave() -> None:
    """At the end of the process: the system cleans up after a JACK client, PortAudio would abort if the server is gone."""
    if portaudio()._initialized and any("JACK" in api["name"] for api in portaudio().query_hostapis()):
        portaudio()._initialized = 0


def _stranded() -> bool:
    """Whether the JACK server of this PortAudio is gone: then no port can be had from it."""
    if not portaudio()._initialized:
        return False
    jack = next((d for d in listing() if "JACK" in d["api"]), None)
    if jack is None:
        return False
    inputs, outputs = (0, 1) if jack["outputs"] else (1, 0)
    try:
        Card((jack["index"], jack["index"]), (inputs, outputs), jack["rate"], 0, 0).shut()
    except portaudio().PortAudioError:
        return True
    return False


def rescan() -> None:
    """Lets PortAudio look for devices again.  This process must have no stream open.

    A PortAudio that has lost its JACK server cannot be ended, as it aborts the process then: another copy of the library
    takes its place.
    """
    sd = portaudio()
    if _stranded():
        with tempfile.NamedTemporaryFile(suffix=".so", dir=folder()) as copy:
            copy.write(Path(_library(sd)).read_bytes())
            copy.flush()
            _left.append(sd._lib)  # threads of its JACK client still run in it
            sd._lib = sd._ffi.dlopen(copy.name)
            sd._initialized = 0
    while sd._initialized:
        sd._terminate()
    sd._initialize()


def _library(sd: Any) -> str:
    """The file that PortAudio was loaded from."""
    maps = Path("/proc/self/maps")
    for line in maps.read_text().splitlines() if maps.exists() else ():
        if "libportaudio" in line and not line.endswith("(deleted)"):
            return line[line.index("/") :]
    return str(sd._libname)


def look() -> list[dict[str, Any]]:
    """`listing` as a new process sees it now: PortAudio itself only knows the devices that were there when it started."""
    command = [sys.executable, "-c", "import json; from runtime.portaudio import listing; print(json.dumps(listing()))"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    try:
        done = subprocess.run(command, env=env, capture_output=True, timeout=20, stdin=subprocess.DEVNULL)
        found: list[dict[str, Any]] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return []
    return found


def listing(rates: bool = False) -> list[dict[str, Any]]:
    """Every device: index, name, api, label, inputs, outputs, default rate, is it the default; with `rates` which it takes."""
    sd = portaudio()
    apis = sd.query_hostapis()
    default_in, default_out = sd.default.device
    out = []
    for index, d in enumerate(sd.query_devices()):
        api = apis[d["hostapi"]]["name"]
        entry = {
            "index": index, "name": d["name"], "api": api, "label": f"{api.split()[0]}:{d['name']}",
            "inputs": d["max_input_channels"], "outputs": d["max_output_channels"], "rate": round(d["default_samplerate"]),
            "default_input": index == default_in, "default_output": index == default_out,
        }  # fmt: skip
        if rates:
            entry["rates"] = [r for r in RATES if _takes(sd, entry, r)]
        out.append(entry)
    return out


def _takes(sd: Any, entry: dict[str, Any], rate: int) -> bool:
    check = sd.check_output_settings if entry["outputs"] else sd.check_input_settings
    try:
        with _quiet():
            check(device=entry["index"], samplerate=rate, dtype="float32")
    except (sd.PortAudioError, ValueError):
        return False
    return True


def find(text: str, kind: str, devices: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The device of `kind` ("input", "output") by index, part of its name, or "API:name"; "" is the system's choice.

    `devices` are those of `listing` unless given.  Raises DeviceError.
    """
    fits = [d for d in (listing() if devices is None else devices) if d[f"{kind}s"] > 0]
    if not fits:
        raise DeviceError(f"there is no {kind} device; `zrack devices` lists what there is, and `null` plays without one")
    if not text:
        return next((d for d in fits if d[f"default_{kind}"]), fits[0])
    if text.isdecimal():
        found = [d for d in fits if d["index"] == int(text)]
    else:
        low = text.lower()
        api, _, part = low.partition(":")
        exact = [d for d in fits if low in (d["name"].lower(), d["label"].lower())]
        found = exact or [
            d for d in fits if low in d["label"].lower() or (part and api in d["api"].lower() and part in d["name"].lower())
        ]
        if len(found) > 1 and all(d["label"].lower().startswith(f"{low}:") for d in found):  # an API: other programs are in it
            found = [d for d in found if d["name"] == "system"] or found
    if not found:
        raise DeviceError(f"there is no {kind} device {text}{suggest(text, (d['label'] for d in fits))}")
    if len({d["label"] for d in found}) > 1:
        names = ", ".join(dict.fromkeys(d["label"] for d in found))
        raise DeviceError(f"{text} is the name of several {kind} devices, {names}; name one of them")
    return found[0]


# ------------------------------------------------------------------------------------------------ streams


class Null:
    """No sound card: a thread that calls the same compiled function in time, from silence into nothing."""

    latency = (0.0, 0.0)

    def __init__(self, inputs: int, outputs: int, rate: int, buffer: int, cells: int) -> None:
        self.frames, self.rate, self.cells = buffer or 256, rate, cells
        self._in, self._out = (np.zeros((self.frames, max(c, 1)), np.float32) for c in (inputs, outputs))
        self._source = self._in.ctypes.data if inputs else 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="null device", daemon=True)

    def _run(self) -> None:
        call, sink = function("stream"), self._out.ctypes.data
        due = time.monotonic()
        while not self._end.is_set():
            call(self._source, sink, self.frames, 0, 0, self.cells)
            due = max(due + self.frames / self.rate, time.monotonic() - 1.0)
            self._end.wait(max(due - time.monotonic(), 0.0))

    @property
    def active(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def close(self, lost: bool = False) -> None:
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()


class Card:
    """A PortAudio stream whose callback is the compiled function."""

    def __init__(self, devices: tuple[int, int], channels: tuple[int, int], rate: int, buffer: int, cells: int) -> None:
        sd = portaudio()
        kind = "duplex" if all(channels) else "input" if channels[0] else "output"
        both, side = kind == "duplex", int(kind != "input")
        with _quiet():
            self._stream = sd._StreamBase(
                kind=kind, samplerate=rate, blocksize=buffer, latency="low", dtype="float32", wrap_callback=None,
                device=devices if both else devices[side], channels=channels if both else channels[side],
                callback=sd._ffi.cast("PaStreamCallback*", addresses()["stream"]), userdata=sd._ffi.cast("void*", cells),
            )  # fmt: skip
        self.jack = "JACK" in sd.query_hostapis(sd.query_devices(devices[1])["hostapi"])["name"]
        given = self._stream.latency
        self.latency = given if kind == "duplex" else (given, 0.0) if kind == "input" else (0.0, given)

    @property
    def active(self) -> bool:
        try:
            return bool(self._stream.active)
        except portaudio().PortAudioError:
            return False

    def start(self) -> None:
        self._stream.start()

    def close(self, lost: bool = False) -> None:
        """Ends it.  Where its JACK server is gone it is left as it is, as PortAudio would abort the process."""
        if not self.jack or (self.active and not lost):
            self._stream.abort()
            self.shut()

    def shut(self) -> None:
        """Frees a stream that does not run."""
        self._stream.close()
