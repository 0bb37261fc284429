"""The command `zrack models`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nodes.ml.contract import Attribute, Interface, Method

HOPS = (1, 4)
"""Calls of a method that are measured, in the shortest that it takes."""
SECONDS = 1.0
"""Each is called for about so long, but not fewer than FEWEST times."""
FEWEST = 20


@click.command()
@click.argument("file", required=False)
@click.option("--bench", "measure", is_flag=True, help="Measures how fast it is on this machine, on one core.")
@click.option("--check", "checked", is_flag=True, help="One sentence for each thing that does not follow the convention.")
@click.option("--trust", "trusted", is_flag=True, help="Lets this very file run here from now on.")
@click.option("--json", "as_json", is_flag=True, help="What was found, for machines.")
def models(file: str | None, measure: bool, checked: bool, trusted: bool, as_json: bool) -> None:
    """Lists the models on this machine, or tells about one.

    A model is a program.  One that nobody trusted yet is not run, so little is told about it; add --trust if you know where
    it comes from.
    """
    from nodes.ml import shelf, trust
    from nodes.ml.contract import ModelError

    from .report import to_json

    if file is None:
        if measure or checked or trusted:
            raise click.UsageError("name a model file")
        rows = [_row(path) for path in shelf.listed()]
        click.echo(to_json(rows) if as_json else _shelves(rows))
        return
    path = _find(file)
    try:
        sha = shelf.digest(path)
        shelf.check(path)
        if trusted:
            click.echo(f"{sha}  {path.name}", err=as_json)
            trust.trust(sha, path.name)
        found: dict[str, Any] = {**_row(path), "card": _card(path)}
        if not trust.is_trusted(sha):
            if measure or checked:
                raise ModelError(f"{path.name}: is not trusted, so it was not run; `zrack models {file} --trust` lets it run")
            click.echo(to_json(found) if as_json else _stranger(file, found))
            return
        about = shelf.describe(path)
        found |= about.to_map()
        if measure:
            found["bench"] = [row for m in about.methods for row in _bench(path, about, m)]
    except ModelError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(to_json(found))
    elif checked:
        for note in about.notes:
            click.echo(f"zrack: {path.name}: {note}", err=True)
        if not about.notes:
            click.echo(f"{path.name}: fine")
    else:
        click.echo(_tell(found, about))
    if measure and not as_json:
        click.echo(_speeds(found["bench"]))
    if checked and about.notes:
        click.get_current_context().exit(1)


def _find(file: str) -> Path:
    """A file by its path, or by its name in one of the folders."""
    from graph.errors import suggest
    from nodes.ml import shelf

    path = Path(file)
    if path.is_file():
        return path
    there = {p.stem: p for p in reversed(shelf.listed())}
    found = there.get(file.removesuffix(".ts")) if path.name == file else None
    if found is None:
        raise click.ClickException(f"{file}: there is no such model{suggest(file, there) or '; `zrack models` lists them'}")
    return found


def _row(path: Path) -> dict[str, Any]:
    """What can be said of a file without running it."""
    from nodes.ml import shelf, trust
    from nodes.ml.contract import ModelError

    try:
        sha, why = shelf.digest(path), ""
        shelf.check(path)
    except (ModelError, OSError) as error:
        sha, why = "", str(error)
    row = {"file": str(path), "bytes": path.stat().st_size, "sha": sha, "trusted": bool(sha) and trust.is_trusted(sha)}
    about = shelf.known(path)
    if about:
        row |= {"rate": about.rate, "methods": [m.name for m in about.methods]}
    return row | ({"problem": why} if why else {})


def _card(path: Path) -> dict[str, Any]:
    from nodes.ml import shelf
    from nodes.ml.contract import ModelError

    try:
        return shelf.card(path)
    except ModelError as error:
        click.echo(f"zrack: {error}", err=True)
        return {}


def _bench(path: Path, about: Interface, m: Method) -> list[dict[str, Any]]:
    """Times of one method: median and worst call in ms, and how many times faster than the sound it stands for."""
    import time

    import numpy as np

    from nodes.ml.torchscript import Running

    rows = []
    running = Running(path, m.name, about=about)
    for hop in HOPS[:1] if m.chunk else HOPS:
        samples = (m.chunk or about.unit) * hop
        x = np.random.default_rng(1).standard_normal((1, m.inputs, samples // m.in_ratio)).astype(np.float32) * 0.1
        times: list[float] = []
        while len(times) < FEWEST or sum(times) < SECONDS:
            start = time.perf_counter()
            running.call(x, len(times))
            times.append(time.perf_counter() - start)
        median, worst = float(np.median(times)), max(times)
        row = {"method": m.name, "samples": samples, "calls": len(times), "median_ms": 1e3 * median, "worst_ms": 1e3 * worst}
        rows.append(row | {"realtime": samples / (about.rate or 48000) / median})
    return rows


# ---------------------------------------------------------------------------------------------- as people read it


def _shelves(rows: list[dict[str, Any]]) -> str:
    """The list of all files."""
    from nodes.ml import shelf

    if not rows:
        return "There are no models in " + " or ".join(map(str, shelf.folders()))
    width = max(len(Path(row["file"]).name) for row in rows)
    lines = []
    for row in rows:
        state = row.get("problem") or ("trusted" if row["trusted"] else "not trusted")
        told = ", ".join(row.get("methods", ()))
        lines.append(f"{Path(row['file']).name:<{width}}  {_size(row['bytes']):>9}  {state}{'  ' + told if told else ''}")
    return "\n".join(lines)


def _stranger(file: str, found: dict[str, Any]) -> str:
    head = _head(found)
    return f"{head}\nIt was not run, so this is all. If you know where it comes from: zrack models {file} --trust"


def _head(found: dict[str, Any]) -> str:
    """Name, size and hash, and what the card says, on a line each."""
    path = Path(found["file"])
    lines = [
        f"{path.name}: {_size(found['bytes'])}, {'trusted' if found['trusted'] else 'not trusted'}, SHA-256 {found['sha']}"
    ]
    shown = {k: v for k, v in found["card"].items() if k not in ("attributes", "delay")}
    return "\n".join(lines + [f"  {_plain(k)}: {_plain(v)}" for k, v in shown.items()])


def _tell(found: dict[str, Any], about: Interface) -> str:
    """Everything about a model that was run."""
    rate = f"{about.rate} Hz" if about.rate else "no sample rate is told"
    streams = "one stream at a time" if about.batch == 1 else f"up to {about.batch} streams at once"
    lines = [_head(found), "", f"{rate}, {streams}, {about.weights} weights, {_size(about.state)} of state"]
    lines += [f"  {_method(m, about)}" for m in about.methods]
    lines += [f"  {_attribute(a)}" for a in about.attributes]
    lines += [f"  note: {note}" for note in about.notes]
    return "\n".join(lines)


def _method(m: Method, about: Interface) -> str:
    sides = [(m.inputs, m.in_ratio), (m.outputs, m.out_ratio)]
    shape = " → ".join(f"{count} × {'sound' if ratio == 1 else f'frame of {ratio}'}" for count, ratio in sides)
    samples = m.chunk or about.unit
    length = "length" if samples == 1 else f"multiple of {samples} samples{_ms(samples, about.rate)}"
    calls = f"calls of {samples} samples{_ms(samples, about.rate)}" if m.chunk else f"calls of any {length}"
    lag = "unknown" if m.delay is None else f"{m.delay:g} samples{_ms(m.delay, about.rate)}"
    return f"{m.name}: {shape}, {calls}, own delay {lag}"


def _attribute(a: Attribute) -> str:
    told = ", ".join(f"{kind} {_plain(v)}" if v is not None else kind for kind, v in zip(a.kinds, a.values))
    span = f", {a.low:g} … {a.high:g} {a.unit}".rstrip() if a.low is not None and a.high is not None else ""
    return f"attribute {a.name}: {told}{span}{f', {_plain(a.doc)}' if a.doc else ''}"


def _speeds(rows: list[dict[str, Any]]) -> str:
    width = max(len(row["method"]) for row in rows)
    return "\n".join(
        f"{row['method']:<{width}}  {row['samples']:>6} samples  {row['realtime']:>8.1f} × real time"
        f"  median {row['median_ms']:.2f} ms, worst of {row['calls']} {row['worst_ms']:.2f} ms"
        for row in rows
    )


def _ms(samples: float, rate: int) -> str:
    return f" ({1e3 * samples / rate:.1f} ms)" if rate else ""


def _size(count: int) -> str:
    return f"{count / (1 << 20):.1f} MiB" if count >= 1 << 20 else f"{count / 1024:.1f} KiB"


def _plain(value: Any) -> str:
    """A value from a stranger's file on one line, without what a terminal would obey."""
    import json

    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= 200 else text[:199] + "…"
