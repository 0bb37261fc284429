"""The graphs as scores for scsynth's offline mode (formats: SuperCollider help, Synth Definition File Format, 2)."""

from __future__ import annotations

import math
import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .graphs import (
    BLOCK,
    CHAIN,
    CHAIN_HZ,
    GAIN,
    LOOP_CUTOFF,
    LOOP_FEEDBACK,
    LOOP_HZ,
    LOOP_LEVEL,
    OFFSET,
    RATE,
    VOICES,
    voice,
)  # fmt: skip

NAME = "scsynth"
SAW = "LFSaw (naive, ±1)"
R = math.exp(-2 * math.pi * LOOP_CUTOFF / RATE)
POLE = (1 - R, 0.0, R)  # OnePole
CONTROL, AUDIO = 1, 2
ADD, MULTIPLY, TANH = 0, 2, 36  # operators' numbers, as sclang writes them
Wire = tuple[int, int]


def version() -> str | None:
    """What is installed, or None."""
    if not shutil.which("scsynth"):
        return None
    told = subprocess.run(["scsynth", "-v"], capture_output=True, text=True)
    return told.stdout.split(" (")[0].strip()


def _text(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


class Definition:
    """A SynthDef under construction; an input is a number or the outlet of an earlier unit."""

    def __init__(self, name: str, controls: Sequence[str] = ()) -> None:
        self.name, self.controls = name, controls
        self.constants: list[float] = []
        self.units: list[bytes] = []
        if controls:
            self.unit("Control", CONTROL, outs=len(controls))

    def unit(self, kind: str, rate: int, *inputs: float | Wire, outs: int = 1, operator: int = 0) -> Wire:
        wires = b""
        for x in inputs:
            if not isinstance(x, tuple):
                if x not in self.constants:
                    self.constants.append(x)
                x = (-1, self.constants.index(x))
            wires += struct.pack(">ii", *x)
        self.units.append(_text(kind) + struct.pack(">biih", rate, len(inputs), outs, operator) + wires + bytes([rate] * outs))
        return len(self.units) - 1, 0

    def operator(self, number: int, a: Wire, b: float | Wire) -> Wire:
        return self.unit("BinaryOpUGen", AUDIO, a, b, operator=number)

    def data(self) -> bytes:
        controls = b"".join(_text(name) + struct.pack(">i", k) for k, name in enumerate(self.controls))
        return b"".join(
            [
                b"SCgf" + struct.pack(">ih", 2, 1) + _text(self.name),
                struct.pack(f">i{len(self.constants)}f", len(self.constants), *self.constants),
                struct.pack(f">i{len(self.controls)}f", len(self.controls), *[0.0] * len(self.controls)),
                struct.pack(">i", len(self.controls)) + controls,
                struct.pack(">i", len(self.units)) + b"".join(self.units) + struct.pack(">h", 0),
            ]
        )


def _chain() -> tuple[Definition, list[dict[str, float]]]:
    d = Definition("chain")
    x = d.unit("SinOsc", AUDIO, CHAIN_HZ, 0.0)
    for k in range(CHAIN):
        x = d.operator(MULTIPLY, x, GAIN) if k % 2 == 0 else d.operator(ADD, x, OFFSET)
    d.unit("Out", AUDIO, 0.0, x, outs=0)
    return d, [{}]


def _voices() -> tuple[Definition, list[dict[str, float]]]:
    names = ("pitch", "bend", "bend_rate", "cutoff", "sweep", "sweep_rate")
    d = Definition("voice", names)
    at = {name: (0, k) for k, name in enumerate(names)}
    bend = d.unit("MulAdd", AUDIO, d.unit("SinOsc", AUDIO, at["bend_rate"], 0.0), at["bend"], at["pitch"])
    sweep = d.unit("MulAdd", AUDIO, d.unit("SinOsc", AUDIO, at["sweep_rate"], 0.0), at["sweep"], at["cutoff"])
    low = d.unit("RLPF", AUDIO, d.unit("LFSaw", AUDIO, bend, 0.0), sweep, 1 / voice(0).q)
    d.unit("Out", AUDIO, 0.0, d.operator(MULTIPLY, low, voice(0).level), outs=0)
    return d, [{name: getattr(voice(k), name) for name in names} for k in range(VOICES)]


def _loop() -> tuple[Definition, list[dict[str, float]]]:
    d = Definition("loop")
    saw = d.operator(MULTIPLY, d.unit("LFSaw", AUDIO, LOOP_HZ, 1.0), LOOP_LEVEL)  # from -1, as the others
    mixed = d.operator(ADD, saw, d.unit("LocalIn", AUDIO, 0.0))
    low = d.unit("OnePole", AUDIO, d.unit("UnaryOpUGen", AUDIO, mixed, operator=TANH), R)
    d.unit("LocalOut", AUDIO, d.operator(MULTIPLY, low, LOOP_FEEDBACK), outs=0)
    d.unit("Out", AUDIO, 0.0, low, outs=0)
    return d, [{}]


MAKE = {"chain": _chain, "voices": _voices, "loop": _loop}


def _message(address: str, *args: int | float | str | bytes) -> bytes:
    def padded(data: bytes) -> bytes:
        return data + b"\0" * (-len(data) % 4)

    tags, body = ",", b""
    for a in args:
        if isinstance(a, int):
            tags, body = tags + "i", body + struct.pack(">i", a)
        elif isinstance(a, float):
            tags, body = tags + "f", body + struct.pack(">f", a)
        elif isinstance(a, str):
            tags, body = tags + "s", body + padded(a.encode() + b"\0")
        else:
            tags, body = tags + "b", body + struct.pack(">i", len(a)) + padded(a)
    return padded(address.encode() + b"\0") + padded(tags.encode() + b"\0") + body


def _at(seconds: float, message: bytes) -> bytes:
    when = struct.pack(">II", int(seconds), int(seconds % 1 * 2**32))
    data = b"#bundle\0" + when + struct.pack(">i", len(message)) + message
    return struct.pack(">i", len(data)) + data


def command(graph: str, seconds: float, folder: Path, sound: bool = False) -> list[str]:
    """Writes the score and gives the command that plays it; it leaves `<graph>.wav` in `folder`."""
    definition, synths = MAKE[graph]()
    score = _at(0, _message("/d_recv", definition.data()))
    for controls in synths:
        pairs: list[str | float] = [x for pair in controls.items() for x in pair]
        score += _at(0, _message("/s_new", definition.name, -1, 1, 0, *pairs))
    path = folder / f"{graph}-{seconds:g}.osc"
    path.write_bytes(score + _at(seconds, _message("/c_set", 0, 0)))
    block = 1 if graph == "loop" else BLOCK  # feedback takes one block, and blocks are one size for the whole server
    return [
        "scsynth", "-N", str(path), "_", f"{folder / graph}.wav", str(RATE), "WAV", "float",
        "-i", "0", "-o", "1", "-z", str(block), "-m", "65536",
    ]  # fmt: skip
