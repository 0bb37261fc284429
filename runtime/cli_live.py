"""The commands that play live: `zrack play` and `zrack devices`."""

from __future__ import annotations

from pathlib import Path

import click

EXISTING = click.Path(path_type=Path)


@click.command()
@click.argument("paths", metavar="PATCH...", nargs=-1, required=True, type=EXISTING)
@click.option("--device", help="Output device: its number or a part of its name (`zrack devices`); null plays in silence.")
@click.option("--input", "source", help="Input device; else the patch hears silence.")
@click.option("--rate", type=click.IntRange(8000, 384000), help="Rate of the device in Hz; else the patch's, where it can.")
@click.option("--block", type=click.IntRange(0, 8192), default=0, help="Frames a device buffer; else as the device likes.")
@click.option("--channels", help="Which channel of the patch each device channel plays: 1,2,0,3 (0 is silence).")
@click.option(
    "--osc-port", type=click.IntRange(0, 65535), default=9000, show_default=True, help="UDP port; 0 takes a free one."
)
@click.option(
    "--osc-host", default="127.0.0.1", show_default=True, help="Address to listen at; 0.0.0.0 opens it to the network."
)
@click.option(
    "--peer", "peers", multiple=True, help="Who may talk to it when it is open: an address or a network; may be repeated."
)
@click.option(
    "--http-port", type=click.IntRange(-1, 65535), default=0, help="OSCQuery port; else the OSC port's number, -1 for none."
)
@click.option("--announce", is_flag=True, help="Announces OSCQuery by zeroconf.")
@click.option("--midi", help="MIDI inputs: parts of their names with commas between, all, or virtual.")
@click.option("--logs", type=EXISTING, help="Folder for event logs and recordings.")
@click.option("--allow-save", is_flag=True, help="Lets controllers save patches in the patch's folder.")
@click.option("--name", default="main", show_default=True, help="Name of the session; two at once need two names.")
@click.option("--every", type=click.FloatRange(0.1), default=1.0, show_default=True, help="Seconds between two lines of state.")
@click.option("--json", "as_json", is_flag=True, help="State as JSON, an object a line.")
@click.option("--quiet", is_flag=True, help="No lines of state.")
def play(
    paths: tuple[Path, ...], device: str | None, source: str | None, rate: int | None, block: int, channels: str | None,
    osc_port: int, osc_host: str, peers: tuple[str, ...], http_port: int, announce: bool, midi: str | None, logs: Path | None,
    allow_save: bool, name: str, every: float, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Plays a patch until it is told to stop (Ctrl-C or SIGTERM), which fades.

    Several patches are a set-list: OSC /setlist/next, or a MIDI program change, goes on without a gap.  When the engine
    dies, it starts again where it was.
    """
    import signal

    from .host import Job
    from .supervise import Supervisor

    try:
        route = [int(c) - 1 for c in channels.split(",")] if channels else []
    except ValueError:
        raise click.UsageError(f"--channels takes numbers with commas between, not {channels!r}") from None
    job = Job(
        [str(p) for p in paths], name, device, source, rate, block, route, osc_host, osc_port, list(peers), http_port, announce,
        midi, str(logs) if logs else None, allow_save, every, as_json, quiet,
    )  # fmt: skip
    supervisor = Supervisor(job, lambda text: click.echo(f"zrack: {text}", err=True))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.stop)
    return supervisor.run()


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.option(
    "--roundtrip", metavar="DEVICE", help="Measures latency: put a cable from an output to an input, turn it down, listen."
)
@click.option("--out", "out_channel", default=1, show_default=True, type=click.IntRange(1), help="Output with the cable.")
@click.option("--in", "in_channel", default=1, show_default=True, type=click.IntRange(1), help="Input with the cable.")
@click.option("--rate", type=click.IntRange(1), help="Rate to measure at; else the device's.")
@click.option("--block", default=0, type=click.IntRange(0), help="Frames a device buffer; else as the device likes.")
def devices(as_json: bool, roundtrip: str | None, out_channel: int, in_channel: int, rate: int | None, block: int) -> None:
    """Lists sound devices, or measures one.

    `--device` of `zrack play` takes a number or any part of a name.
    """
    from . import report
    from .portaudio import listing

    if roundtrip is not None:
        from dataclasses import asdict

        from .roundtrip import roundtrip as measure

        done = measure(roundtrip, rate=rate, buffer=block, out_channel=out_channel - 1, in_channel=in_channel - 1)
        if as_json:
            click.echo(report.to_json({**asdict(done), "ms": done.ms}))
        else:
            click.echo(f"{done.device}: {done.samples} samples there and back, {done.ms:.2f} ms at {done.rate} Hz")
        return
    found = listing(rates=True)
    if as_json:
        click.echo(report.to_json(found))
        return
    if not found:
        click.echo("no sound device here; `null` plays in silence")
    width = max((len(d["label"]) for d in found), default=0)
    for d in found:
        default = [kind for kind in ("output", "input") if d[f"default_{kind}"]]
        click.echo(
            f"{d['index']:3d}  {d['label']:<{width}}  {d['inputs']:3d} in {d['outputs']:3d} out  "
            f"{', '.join(str(r) for r in d['rates']) or d['rate']} Hz"
            + (f"  default {' and '.join(default)}" if default else "")
        )
