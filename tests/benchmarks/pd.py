"""The graphs as Pure Data patches (file format: puredata.info/docs/developer/PdFileFormat)."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path

from .graphs import CHAIN, CHAIN_HZ, GAIN, LOOP_CUTOFF, LOOP_FEEDBACK, LOOP_HZ, LOOP_LEVEL, OFFSET, RATE, VOICES, voice

NAME = "Pure Data"
SAW = "phasor~ (naive, 0…1)"
G = 2 * math.pi * LOOP_CUTOFF / RATE
POLE = (G, 0.0, 1 - G)  # lop~


def version() -> str | None:
    """What is installed, or None."""
    if not shutil.which("pd"):
        return None
    told = subprocess.run(["pd", "-version"], capture_output=True, text=True)
    return (told.stderr or told.stdout).split(" compiled")[0].strip()


class Canvas:
    """A patch or sub-patch under construction; objects are numbered in the order of their making."""

    def __init__(self) -> None:
        self.objects: list[str] = []
        self.wires: list[str] = []
        self.count = 0

    def add(self, text: str, kind: str = "obj") -> int:
        self.objects.append(f"#X {kind} 10 10 {text};")
        self.count += 1
        return self.count - 1

    def include(self, inner: Canvas) -> int:
        self.objects += ["#N canvas 0 0 400 300 inner 0;", *inner.objects, *inner.wires]
        return self.add("pd inner", "restore")

    def wire(self, source: int, target: int, inlet: int = 0, outlet: int = 0) -> None:
        self.wires.append(f"#X connect {source} {outlet} {target} {inlet};")

    def row(self, source: int, *texts: str) -> int:
        """Objects one after the other behind `source`; gives the last."""
        for text in texts:
            target = self.add(text)
            self.wire(source, target)
            source = target
        return source


def _chain(p: Canvas, out: int) -> None:
    nodes = (f"*~ {GAIN}" if k % 2 == 0 else f"+~ {OFFSET}" for k in range(CHAIN))
    p.wire(p.row(p.add(f"osc~ {CHAIN_HZ}"), *nodes), out)


def _voices(p: Canvas, out: int) -> None:
    for v in map(voice, range(VOICES)):
        saw = p.row(p.add(f"osc~ {v.bend_rate:.8g}"), f"*~ {v.bend:.8g}", f"+~ {v.pitch:.8g}", "phasor~")
        sweep = p.row(p.add(f"osc~ {v.sweep_rate:.8g}"), f"*~ {v.sweep}", f"+~ {v.cutoff}")
        low, level = p.add(f"vcf~ {v.q}"), p.add(f"*~ {v.level}")
        p.wire(saw, low)
        p.wire(sweep, low, inlet=1)
        p.wire(low, level, outlet=1)  # the right outlet is the low-pass
        p.wire(level, out)


def _loop(p: Canvas, out: int) -> None:
    inner = Canvas()
    inlet, _ = inner.add("inlet~"), inner.add("block~ 1")
    add = inner.add("+~")
    low = inner.row(add, "expr~ tanh($v1)", f"lop~ {LOOP_CUTOFF}")
    inner.wire(inlet, add)
    inner.wire(inner.add("delread~ back 0"), add, inlet=1)  # sorted before delwrite~: one block, that is one sample
    inner.wire(inner.row(low, f"*~ {LOOP_FEEDBACK}"), inner.add("delwrite~ back 10"))
    inner.wire(low, inner.add("outlet~"))
    whole = p.include(inner)
    p.wire(p.row(p.add(f"phasor~ {LOOP_HZ}"), f"-~ {LOOP_LEVEL}"), whole)  # ±0.5, as the others after their ×0.5
    p.wire(whole, out)


MAKE = {"chain": _chain, "voices": _voices, "loop": _loop}


def command(graph: str, seconds: float, folder: Path, sound: bool = False) -> list[str]:
    """Writes the patch and gives the command that plays it; with `sound` it also leaves `<graph>.wav` in `folder`."""
    p = Canvas()
    out = p.add("+~" if sound else "dac~ 1")
    MAKE[graph](p, out)
    begin, end, leave = p.add("loadbang"), p.add(f"delay {seconds * 1000:g}"), p.add("\\; pd quit", "msg")
    p.wire(begin, end)
    p.wire(begin, p.add("\\; pd dsp 1", "msg"))
    if sound:
        p.add(f"table sound {round(seconds * RATE)}")
        take, start, then = p.add("tabwrite~ sound"), p.add("bang", "msg"), p.add("t b b")
        write = p.add(f"write -wave -bytes 4 {folder / graph}.wav sound", "msg")
        p.wire(out, take)
        p.wire(begin, start)
        p.wire(start, take)
        p.wire(end, then)
        p.wire(then, write, outlet=1)
        p.wire(write, p.add("soundfiler"))
        p.wire(then, leave)
    else:
        p.wire(end, leave)
    path = folder / f"{graph}-{seconds:g}.pd"
    path.write_text("#N canvas 0 0 600 400 12;\n" + "\n".join([*p.objects, *p.wires]) + "\n")
    return ["pd", "-nogui", "-batch", "-noaudio", "-r", str(RATE), str(path)]
