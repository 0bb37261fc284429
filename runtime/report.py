"""What the command line says about sounds and node types: numbers, help texts, a picture of a sound.

Imported by the commands that need it, so that `zrack --help` stays quick; numpy and matplotlib only inside functions.
"""

from __future__ import annotations

import io
import json
import math
import shutil
import textwrap
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph.file import write_atomic
from graph.spec import In, NodeSpec, Out, Setting

if TYPE_CHECKING:
    import numpy as np

    from graph import Patch

FLOOR_DB = -200.0
"""What silence is called in dBFS, so that JSON has a number."""

ENGINE = {("io/input", "device"), ("io/output", "bus")}
"""Ports where the engine itself connects."""
COLUMN = 44
"""Characters from which a value stands on a line of its own in a help page."""


def number(value: float) -> str:
    """A number as a person writes it: 1000, 0.25, 1e-05; … ∞ where there is no limit."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return str(int(value)) if value == int(value) and abs(value) < 1e9 else f"{value:.4g}"


def decibel(amplitude: float) -> float:
    """dBFS of an amplitude (1.0 is 0 dB), not below FLOOR_DB."""
    return max(20.0 * math.log10(amplitude), FLOOR_DB) if amplitude > 0 else FLOOR_DB


def measure(sound: np.ndarray, rate: int) -> dict[str, Any]:
    """Peak and RMS in dBFS over the finite samples of `sound` [frames, channels], and how many are not finite."""
    import numpy as np

    good = np.isfinite(sound)
    bad = int(sound.size - np.count_nonzero(good))
    clean = np.where(good, sound, 0.0) if bad else sound
    peak = float(np.max(np.abs(clean), initial=0.0))
    rms = math.sqrt(float(np.mean(np.square(clean, dtype=np.float64)))) if clean.size else 0.0
    return {
        "seconds": len(sound) / rate,
        "frames": len(sound),
        "channels": int(sound.shape[1]),
        "rate": rate,
        "peak_db": round(decibel(peak), 2),
        "rms_db": round(decibel(rms), 2),
        "nan": bad,
    }


def spectrogram(sound: np.ndarray, rate: int, path: Path, title: str) -> None:
    """Draws the channels' mean over time and log frequency, −100…0 dBFS, as a PNG.  Raises PatchError from the disk."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    mono = np.asarray(sound, np.float64).mean(axis=1)
    size, hop = 4096, max(256, len(mono) // 1000)
    mono = np.concatenate([np.zeros(size // 2), mono, np.zeros(size)])
    window = np.hanning(size)
    frames = np.lib.stride_tricks.sliding_window_view(mono, size)[::hop]
    spectrum = np.abs(np.fft.rfft(frames * window, axis=1)) * (2.0 / window.sum())
    pitches = np.geomspace(30.0, rate / 2.0, 400)
    rows = np.minimum((pitches * size / rate).astype(int), size // 2)
    level = 20.0 * np.log10(np.maximum(np.maximum.reduceat(spectrum.T, rows), 1e-5))  # the loudest bin of each row

    figure = Figure(figsize=(12, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    times = np.arange(level.shape[1]) * hop / rate
    mesh = axes.pcolormesh(times, pitches, level, vmin=-100.0, vmax=0.0, cmap="magma", rasterized=True)
    axes.set(yscale="log", xlim=(0.0, len(sound) / rate), xlabel="seconds", ylabel="Hz", title=title)
    axes.yaxis.set_major_formatter("{x:g}")
    figure.colorbar(mesh, ax=axes, label="dBFS", pad=0.01)
    memory = io.BytesIO()
    figure.savefig(memory, format="png", dpi=100)
    write_atomic(path, memory.getvalue())


# ------------------------------------------------------------------------------------------------ node types


def family(spec: NodeSpec) -> str:
    """First part of an id: `filter` of `filter/lowpass`."""
    return spec.id.split("/", 1)[0]


def catalogue(specs: Iterable[NodeSpec]) -> str:
    """Node types by family, each with the first sentence of its help."""
    groups: dict[str, list[NodeSpec]] = {}
    for spec in sorted(specs, key=lambda s: s.id):
        groups.setdefault(family(spec), []).append(spec)
    pad = max((len(s.id) for g in groups.values() for s in g), default=0)
    lines: list[str] = []
    for name, group in groups.items():
        lines += ["", name] if lines else [name]
        lines += [_hang(f"  {s.id:<{pad}}  ", first_sentence(s.title)) for s in group]
    return "\n".join(lines)


def sheet(specs: Iterable[NodeSpec]) -> str:
    """All node types as one Markdown page: a table a family, with inlets, params in their ranges, switches and outlets."""
    groups: dict[str, list[NodeSpec]] = {}
    for spec in sorted(specs, key=lambda s: s.id):
        groups.setdefault(family(spec), []).append(spec)
    lines = ["# Nodes", "", "Made from the help of each node by `zrack nodes --sheet`; `zrack nodes ID` or F1 says more.", ""]
    lines += ["Every param takes a cable too. A star marks the position of a switch that a new node has."]
    for name, group in groups.items():
        lines += ["", f"## {name}", "", "| node | does | inlets | params and switches | outlets |", "|-|-|-|-|-|"]
        for spec in group:
            knobs = [f"**{n}** {' '.join(_span(p.default, p.low, p.high, p.unit).split())}" for n, p in spec.params.items()]
            knobs += [f"**{n}** {', '.join(o + '*' * (o == c.default) for o in c.options)}" for n, c in spec.choices.items()]
            cells = (
                f"`{spec.id}`",
                first_sentence(spec.title),
                ", ".join(spec.inlets),
                "; ".join(knobs),
                ", ".join(spec.outlets),
            )
            lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    return "\n".join(lines)


def first_sentence(text: str) -> str:
    """Up to the first full stop that ends a sentence."""
    head, stop, rest = text.partition(". ")
    return head + "." if stop and rest else text


def explain(spec: NodeSpec) -> str:
    """The help page of one node type: what it does, every port with range and unit, how to patch it from Python."""
    lines = [spec.id, ""]
    for paragraph in spec.doc.split("\n\n"):
        lines += [_wrap(paragraph), ""]

    def section(title: str, rows: Mapping[str, tuple[str, str]]) -> None:
        if not rows:
            return
        lines.append(title)
        left = max(len(n) for n in rows)
        middle = max((len(v) for v, _ in rows.values() if len(v) <= COLUMN), default=0)
        for n, (v, doc) in rows.items():
            name = f"  {n:<{left}}  "
            if len(v) <= COLUMN:
                lines.append(_hang(f"{name}{v:<{middle}}{'  ' if middle else ''}", doc))
            else:
                lines.extend((_hang(name, doc), _hang(" " * len(name), v)))
        lines.append("")

    section("Inlets", {n: (_channels(p), p.doc) for n, p in spec.inlets.items()})
    section(
        "Params (each takes a cable too)",
        {n: (_span(p.default, p.low, p.high, p.unit, p.curve), p.doc) for n, p in spec.params.items()},
    )
    section("Choices", {n: (_options(p.options, p.default), p.doc) for n, p in spec.choices.items()})
    section("Settings (a change makes a new plan)", {n: (_setting(p), p.doc) for n, p in spec.settings.items()})
    section(
        "Data",
        {
            n: ("rows of numbers" if p.columns == 1 else f"rows of {p.columns or 'any number of'} numbers", p.doc)
            for n, p in spec.data.items()
        },
    )
    section("Outlets", {n: (_channels(p), p.doc) for n, p in spec.outlets.items()})
    lines += ["Example", *(f"  {line}" for line in example(spec))]
    return "\n".join(line.rstrip() for line in lines)


def example(spec: NodeSpec) -> list[str]:
    """Lines of Python that put the node into a patch `p` and connect its first inlet and outlet."""
    name = spec.id.rpartition("/")[2].replace("-", "_")
    name += "2" if name in ("osc", "lfo", "out") else ""  # the names of the neighbours below
    shown = [(n, p.default) for n, p in list(spec.params.items())[:2]]
    values = "".join(f", {n}={number(v)}" for n, v in shown)
    values += "".join(f', {n}="{c.options[-1]}"' for n, c in list(spec.choices.items())[:1])
    lines = [f'p.add("{spec.id}", "{name}"{values})']
    inlets = [n for n, p in spec.inlets.items() if p.latent is None and (spec.id, n) not in ENGINE]
    outlets = [n for n, p in spec.outlets.items() if p.latent is None and (spec.id, n) not in ENGINE]
    if inlets:
        lines.append(f'p.connect("osc.out", "{name}.{inlets[0]}")')
    if spec.params:
        lines.append(f'p.connect("lfo.out", "{name}.{next(iter(spec.params))}", amount=0.2)')
    if outlets:
        lines.append(f'p.connect("{name}.{outlets[0]}", "out.audio")')
    return lines


def plain(value: Any) -> Any:
    """Declarations as JSON has them: infinite limits become null, tuples lists."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def to_json(value: Any) -> str:
    """JSON for machines: readable, never NaN."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)


def _channels(port: In | Out) -> str:
    if port.latent is not None:
        return f"latent {port.latent}"
    if port.channels is None:
        return ""
    if isinstance(port.channels, int):
        return "1 channel" if port.channels == 1 else f"{port.channels} channels"
    return "any channels" if port.channels == "any" else f"`{port.channels}` channels"


def _span(default: float, low: float, high: float, unit: str, curve: str = "lin") -> str:
    """A default in its range: `1000 Hz  (20 … 20000, exp)`."""
    start = f"{number(default)} {unit}".rstrip()
    if math.isinf(low) and math.isinf(high):
        return start
    return f"{start:<9}  ({number(low)} … {number(high)}{', exp' if curve == 'exp' else ''})"


def _options(options: Iterable[str], default: Any) -> str:
    return " | ".join(f"[{o}]" if o == default else o for o in options)


def _setting(s: Setting) -> str:
    if s.kind == "choice":
        return _options(s.options, s.default)
    if s.kind in ("text", "file"):
        return s.kind if s.default == "" else f"{s.kind}, {s.default!r}"
    return _span(float(s.default), s.low, s.high, s.unit)


def _width() -> int:
    return min(max(shutil.get_terminal_size((100, 24)).columns, 60), 110)


def _wrap(paragraph: str) -> str:
    if any(line.startswith((" ", "-", "*")) for line in paragraph.splitlines()):
        return paragraph  # a list or an example keeps its lines
    return textwrap.fill(" ".join(paragraph.split()), _width())


def _hang(head: str, text: str) -> str:
    """`text` after `head`, its further lines indented below."""
    indent = " " * min(len(head), 40)
    return textwrap.fill(" ".join(text.split()), _width(), initial_indent=head, subsequent_indent=indent) if text else head


# ------------------------------------------------------------------------------------------------ patches


def default_seconds(patch: Patch, given: float | None) -> float:
    """How long to render: what the patch's author wrote into `meta["seconds"]`, else `given`, else ten seconds."""
    wished = patch.meta.get("seconds")
    if isinstance(wished, int | float) and not isinstance(wished, bool) and 0 < wished <= 3600:
        return float(wished)
    return given if given is not None else 10.0


def cost(patch: Patch, seconds: float, progress: Callable[[int, int, str], None]) -> dict[str, Any]:
    """CPU time of `patch` for each second of sound: the least of three renders, less what setting up costs."""
    from graph.subpatch import flatten

    from .offline import render

    def cpu(length: float) -> float:
        start = time.process_time()
        render(patch, length, compiling=progress)
        return time.process_time() - start

    short = seconds / 10.0
    cpu(short)  # compiles
    spent = max(min(cpu(seconds) for _ in range(3)) - min(cpu(short) for _ in range(3)), 0.0) / (seconds - short)
    nodes = max(len(flatten(patch).nodes), 1)
    per = spent * patch.block / patch.rate / nodes
    return {
        "cpu_per_second": spent,
        "ns_per_node_and_block": per * 1e9,
        "nodes": nodes,
        "rate": patch.rate,
        "block": patch.block,
    }
