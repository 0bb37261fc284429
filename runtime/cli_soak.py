"""The command `zrack bench soak`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import click

EXISTING = click.Path(path_type=Path)


@click.command()
@click.option("--minutes", default=30.0, show_default=True, type=click.FloatRange(0.05), help="How long.")
@click.option("--patch", "path", type=EXISTING, help="Patch to play; else the largest that comes with zrack.")
@click.option("--device", default="", help="Output device: its number or a part of its name (`zrack devices`).")
@click.option("--rate", type=click.IntRange(8000, 384000), help="Rate of the device in Hz; else the patch's, where it can.")
@click.option("--block", type=click.IntRange(0, 8192), default=0, help="Frames a device buffer; else as the device likes.")
@click.option("--messages", default=1000.0, show_default=True, type=click.FloatRange(0), help="OSC messages a second.")
@click.option("--json", "as_json", is_flag=True, help="Figures for machines.")
def soak(minutes: float, path: Path | None, device: str, rate: int | None, block: int, messages: float, as_json: bool) -> None:
    """Plays a patch under the load of a stage.

    A client that draws, OSC messages and an edit every second; then says how many xruns the program made, how many the
    machine, and how much memory grew.  Ctrl-C ends it early.
    """
    from . import report
    from .soak import Soak, largest, line
    from .soak import soak as run

    path = path or largest()
    if sys.stderr.isatty():
        click.echo(f"zrack: {path.name} plays for {minutes:g} minutes; Ctrl-C ends it early", err=True)

    def show(so_far: Soak) -> None:
        click.echo(f"{100 * so_far.seconds / (60 * minutes):3.0f} %  {line(so_far)}", err=True)

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    try:
        figures: dict[str, Any] = run(path, minutes, device, rate=rate or 0, buffer=block, messages=messages, show=show)
    except RuntimeError as error:
        raise click.ClickException(str(error)) from None
    finally:
        signal.signal(signal.SIGTERM, before)
    if as_json:
        click.echo(report.to_json(figures))
        return
    f, sent, us = figures, figures["messages"], figures["us"]
    click.echo(
        f"{f['patch']}, {f['seconds']:.0f} s on {f['device']}: {f['xruns']} xruns, {f['xruns_machine']} more of the machine\n"
        f"memory {f['memory']['last']:.1f} MiB, {100 * f['memory_growth']:+.2f} % after the first minute\n"
        f"callback {us['p50']:.0f} µs, 99 % below {us['p99']:.0f}, 99.9 % below {us['p99.9']:.0f}, longest {us['max']:.0f}\n"
        f"{sent['applied']} of {sent['sent']} messages applied, {sent['superseded']} superseded; {f['edits']} edits; "
        f"{f['late_work']} late hops; {f['restarts']} restarts"
    )
    for sentence in figures["errors"]:
        click.echo(f"zrack: {sentence}", err=True)
