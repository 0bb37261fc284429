"""The command `zrack devices`."""

from __future__ import annotations

import click


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
