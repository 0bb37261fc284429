"""The command `zrack`: thin, because what it does lives in `graph`, `nodes.catalog` and `runtime.offline`.

Everything that costs time is imported inside the command that needs it: `zrack --help` imports click and nothing else.
Errors are one sentence on stderr.  Exit code 0 is success, 1 a refusal, 2 a command line that was not understood.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .cli_data import data
from .cli_encode import encode
from .cli_live import devices, play
from .cli_models import models
from .cli_soak import soak
from .cli_tape import tape
from .cli_train import evaluate, export, train

if TYPE_CHECKING:
    from graph import Patch
    from graph.spec import NodeSpec

EXISTING = click.Path(path_type=Path)  # not exists=True: our own sentence says more
LONG = 5.0
"""Seconds of sound from which a person is shown a progress bar."""


class Refusal(Exception):
    """What a command will not do; the text is the sentence that the user reads."""


class Commands(click.Group):
    """A first word that is no command is a patch to open."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["open", *args]
        return super().parse_args(ctx, args)


@click.group(cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="zrack", message="zrack %(version)s")
@click.pass_context
def zrack(ctx: click.Context) -> None:
    """A modular rack.  `zrack PATCH` opens the editor, `zrack play PATCH` plays without a window, `zrack nodes` lists what can
    be patched.
    """
    if ctx.invoked_subcommand is None:
        from importlib import import_module

        if import_module("ui.display").why_not():  # by name, because imports run the other way
            click.echo(ctx.get_help())
        else:
            ctx.invoke(open_)


@zrack.command("open")
@click.argument("path", metavar="[PATCH]", required=False, type=EXISTING)
@click.option("--device", help="Output device: its number or a part of its name (`zrack devices`); null plays in silence.")
@click.option("--logs", type=EXISTING, help="Folder for event logs and recordings.")
def open_(path: Path | None, device: str | None, logs: Path | None) -> int:
    """Opens the editor, with a patch or with a new one; `zrack PATCH` does the same."""
    if path is not None and not path.exists():
        raise click.UsageError(f"{path} is neither a command nor a patch; `zrack --help` lists the commands")
    from importlib import import_module

    main: Callable[..., int] = import_module("ui.app").main  # by name, because imports run the other way
    job = {"device": device, "logs": str(logs.resolve()) if logs else None}
    return main(path, **{name: value for name, value in job.items() if value})


@zrack.command()
@click.argument("path", metavar="[PATCH]", required=False, type=EXISTING)
@click.option("-o", "--output", required=True, type=EXISTING, help="Sound file to write; its ending says which kind.")
@click.option("--events", type=EXISTING, metavar="LOG", help="Plays an event log of `zrack play` again, instead of a patch.")
@click.option("--seconds", type=click.FloatRange(0, 86400, min_open=True), help="Length; else the patch's, the input's, or 10.")
@click.option("--input", "source", type=EXISTING, help="Sound file that the patch hears at its input.")
@click.option("--set", "values", multiple=True, metavar="NODE.PARAM=VALUE", help="Turns a knob first; may be repeated.")
@click.option("--rate", type=int, help="Samples a second instead of the patch's.")
@click.option("--block", type=int, help="Frames a block instead of the patch's.")
@click.option("--spectrogram", type=EXISTING, metavar="PNG", help="Also draws the sound (needs matplotlib).")
@click.option("--json", "as_json", is_flag=True, help="Measurements for machines.")
@click.option("--cut", type=click.IntRange(1), hidden=True, help="Frames computed at a time; the sound must not change.")
def render(path: Path | None, output: Path, events: Path | None, seconds: float | None, source: Path | None,
           values: tuple[str, ...], rate: int | None, block: int | None, spectrogram: Path | None, as_json: bool,
           cut: int | None) -> None:  # fmt: skip
    """Renders a patch to a sound file."""
    import time
    from importlib.util import find_spec

    from graph.edits import SetPatch

    from . import report, sounds
    from .progress import Progress

    if events:
        if path or values or rate or block:
            raise click.UsageError("--events plays what the log says; it takes no patch, --set, --rate or --block")
        _replay(events, output, seconds, source, as_json)
        return
    if path is None:
        raise click.UsageError("name a patch to render, or --events LOG")
    sounds.kind(output)
    for written in (output, spectrogram) if spectrogram else (output,):
        _writable(written, path)
    if spectrogram and find_spec("matplotlib") is None:
        raise Refusal(f"{spectrogram}: a spectrogram needs matplotlib; install it with `pip install matplotlib`")
    patch = _load(path)
    for what, number in (("rate", rate), ("block", block)):
        if number is not None:
            patch.apply(SetPatch(what, number))
    for text in values:
        _turn(patch, text)
    _silent(patch)
    heard = sounds.read(source, patch.rate) if source else None
    seconds = seconds or report.default_seconds(patch, len(heard) / patch.rate if heard is not None else None)

    from .offline import render as offline

    with Progress(seconds >= LONG) as progress:
        start = time.perf_counter()
        done = offline(patch, seconds, heard, cut=cut or 0, compiling=progress.compiling, progress=progress.rendering)
        took = time.perf_counter() - start - progress.waited
    sound = done.audio
    sounds.write(output, sound, patch.rate)
    if spectrogram:
        report.spectrogram(sound, patch.rate, spectrogram, path.stem)
    result = report.measure(sound, patch.rate)
    result |= {"patch": str(path), "output": str(output), "render_seconds": round(took, 3)}
    result |= {"compiled": progress.kernels, "compile_seconds": round(progress.waited, 3)}
    result["faults"] = [{"sample": f.time, "node": f.node, "reason": f.reason} for f in done.faults]
    for f in done.faults:
        click.echo(f"zrack: {path}: node {f.node}: bypassed at {f.time / patch.rate:.3f} s, {f.reason}", err=True)
    if as_json:
        click.echo(report.to_json(result))
    else:
        click.echo(
            f"{output}: {result['seconds']:.2f} s, {result['channels']} channels, {result['rate']} Hz, "
            f"peak {result['peak_db']:.1f} dBFS, RMS {result['rms_db']:.1f} dBFS, {result['nan']} NaN, "
            f"rendered in {took:.2f} s ({result['seconds'] / max(took, 1e-9):.0f} × real time)"
            + (f" after {progress.waited:.1f} s for {progress.kernels} new kernels" if progress.kernels else "")
        )
        if spectrogram:
            click.echo(f"{spectrogram}: spectrogram")
    if result["nan"]:
        raise Refusal(f"{output}: {result['nan']} samples are not finite")


@zrack.command()
@click.argument("paths", metavar="PATCH...", nargs=-1, required=True, type=EXISTING)
@click.option("--json", "as_json", is_flag=True, help="A list of {patch, problems}.")
@click.pass_context
def check(ctx: click.Context, paths: tuple[Path, ...], as_json: bool) -> None:
    """Says what is wrong with patches.

    One sentence a problem on stderr; nothing is written.
    """
    _catalog()
    found = {path: _problems(path) for path in paths}
    if as_json:
        from .report import to_json

        click.echo(to_json([{"patch": str(p), "problems": problems} for p, problems in found.items()]))
    else:
        for path, problems in found.items():
            for sentence in problems:
                click.echo(f"zrack: {sentence}", err=True)
            if not problems:
                click.echo(f"{path}: fine")
    if any(found.values()):
        ctx.exit(1)


@zrack.command()
@click.argument("path", metavar="PATCH", type=EXISTING)
@click.option("-o", "--output", type=EXISTING, help="File to write instead of printing.")
def show(path: Path, output: Path | None) -> None:
    """Prints a patch as text (JSON).

    `build` turns it back without loss.
    """
    from graph import file

    patch = _load(path)
    if output:
        _writable(output, path)
        patch.save(output, "text")
    else:
        click.echo(file.dump_text(patch).rstrip("\n"))


@zrack.command()
@click.argument("path", metavar="TEXT", type=EXISTING)
@click.option("-o", "--output", required=True, type=EXISTING, help="Patch to write.")
def build(path: Path, output: Path) -> None:
    """Makes a patch from its text form."""
    _writable(output, path)
    _load(path).save(output, "msgpack")


@zrack.command()
@click.argument("a", type=EXISTING)
@click.argument("b", type=EXISTING)
@click.option("--json", "as_json", is_flag=True, help="A list of sentences.")
def diff(a: Path, b: Path, as_json: bool) -> None:
    """Says what differs between two patches.

    One line a difference, by name; silent where there is none.
    """
    from graph.check import diff as compare

    lines = list(compare(_load(a), _load(b)))
    if as_json:
        from .report import to_json

        click.echo(to_json(lines))
    else:
        for line in lines:
            click.echo(line)


@zrack.command()
@click.argument("id", required=False)
@click.option("--json", "as_json", is_flag=True, help="The declarations.")
@click.option("--sheet", is_flag=True, help="All of them as one Markdown page.")
def nodes(id: str | None, as_json: bool, sheet: bool) -> None:
    """Lists what can be patched, or explains one type.

    `zrack nodes` lists, `zrack nodes filter/bandpass` explains.
    """
    from graph.errors import suggest
    from graph.spec import describe

    from . import report

    specs = _catalog()
    if id is None:
        shown = [s for i, s in sorted(specs.items()) if not s.hidden]
        listed = report.sheet(shown) if sheet else report.catalogue(shown)
        click.echo(report.to_json([describe(s) for s in shown]) if as_json else listed)
        return
    if id not in specs:
        near = suggest(id, (i for i, spec in specs.items() if not spec.hidden))
        raise Refusal(f"there is no node type {id}{near or '; `zrack nodes` lists them all'}")
    click.echo(report.to_json(describe(specs[id])) if as_json else report.explain(specs[id]))


class Measurements(click.Group):
    """What is no measurement is a patch, whose cost is measured."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["cost", *args]
        return super().parse_args(ctx, args)


@zrack.group(cls=Measurements)
def bench() -> None:
    """Measures what a patch costs, or how it bears a long night.

    `zrack bench PATCH` is short for `zrack bench cost PATCH`.
    """


bench.add_command(soak)


@bench.command()
@click.argument("path", metavar="[PATCH]", required=False, type=EXISTING)
@click.option("--seconds", default=4.0, show_default=True, type=click.FloatRange(0.1, 600), help="Sound to compute.")
@click.option("--json", "as_json", is_flag=True, help="Measurements for machines.")
def cost(path: Path | None, seconds: float, as_json: bool) -> None:
    """Measures what a patch costs.

    Without a patch, a chain of 1000 trivial nodes.
    """
    from . import report
    from .progress import Progress

    patch = _load(path) if path else _chain(1000)
    with Progress(bar=False) as progress:
        result = {"patch": str(path) if path else "chain of 1000", **report.cost(patch, seconds, progress.compiling)}
    if as_json:
        click.echo(report.to_json(result))
    else:
        click.echo(
            f"{result['patch']}: {result['cpu_per_second']:.5f} CPU s a second of sound, "
            f"{result['ns_per_node_and_block']:.1f} ns a node and block "
            f"({result['nodes']} nodes, block {result['block']}, {result['rate']} Hz)"
        )


def _replay(log: Path, output: Path, seconds: float | None, source: Path | None, as_json: bool) -> None:
    """Renders an event log; its samples are those that were heard."""
    from . import eventlog, report, sounds
    from .progress import Progress

    sounds.kind(output)
    _writable(output, log)
    _catalog()
    with Progress(bar=True) as progress:
        head, _ = eventlog.read(log)
        heard = sounds.read(source, head["rate"]) if source else eventlog.heard(log)
        frames = round(seconds * head["rate"]) if seconds else None
        notes: list[str] = []
        sound, rate = eventlog.render(log, heard, frames, progress.compiling, progress.rendering, notes)
    for note in notes:
        click.echo(f"zrack: {log} may sound other than it did: {note}", err=True)
    sounds.write(output, sound, rate)
    result = {**report.measure(sound, rate), "events": str(log), "output": str(output)}
    if as_json:
        click.echo(report.to_json(result))
    else:
        click.echo(
            f"{output}: {result['seconds']:.2f} s, {result['channels']} channels, {rate} Hz, "
            f"peak {result['peak_db']:.1f} dBFS, RMS {result['rms_db']:.1f} dBFS, as {log} was heard"
        )


zrack.add_command(play)
zrack.add_command(devices)
zrack.add_command(models)
zrack.add_command(data)
for command in (train, evaluate, export):
    zrack.add_command(command)
zrack.add_command(encode)
zrack.add_command(tape)


# ------------------------------------------------------------------------------------------------ shared by commands


def _catalog() -> dict[str, NodeSpec]:
    """Every node type's declaration by id; what could not be loaded is said on stderr and stops nothing."""
    from graph.spec import registry
    from graph.subpatch import BUILTIN
    from nodes import catalog

    for sentence in catalog.load():
        click.echo(f"zrack: {sentence}", err=True)
    return {**BUILTIN, **registry}


def _load(path: Path) -> Patch:
    """A patch from either form; what had to be repaired or is missing is said on stderr.  Raises PatchError."""
    from graph import Patch

    _catalog()
    patch = Patch.load(path)
    for note in patch.notes:
        click.echo(f"zrack: {patch.file}: {note}", err=True)
    return patch


def _silent(patch: Patch) -> None:
    """Says which nodes cannot sound, because nothing is silent without a word."""
    from graph.subpatch import flatten

    flat = flatten(patch)
    for name, node in flat.nodes.items():
        if flat.spec(name) is None:
            click.echo(f"zrack: {patch.file}: node {name}: no node type {node.type} here, so it is silent", err=True)


def _problems(path: Path) -> list[str]:
    """What is wrong with the patch in a file: why it cannot be loaded, else what in it cannot play."""
    from graph import Patch, PatchError
    from graph.check import check as inspect

    from .order import arrange, rack_of

    try:
        patch = Patch.load(path)
    except PatchError as error:
        return [str(error)]
    found = inspect(patch) or [f"{patch.file}: {note}" for note in patch.notes]
    if not found:
        try:
            arrange(rack_of(patch))
        except PatchError as error:
            found = [str(error.within(file=patch.file))]
    return found


def _turn(patch: Patch, text: str) -> None:
    """Sets one value from `node.param=value`.  Raises PatchError, UsageError."""
    where, equals, value = text.partition("=")
    name, _, port = where.rpartition(".")
    if not (equals and name and port):
        raise click.UsageError(f"--set takes node.param=value, not {text!r}")
    spec = patch.spec(name)
    given: float | str = value
    if spec and (port in spec.params or (port in spec.settings and spec.settings[port].kind in ("int", "float"))):
        with suppress(ValueError):
            given = float(value)
    patch.set(name, **{port: given})


def _writable(output: Path, source: Path) -> None:
    """Refuses, before any work is done, an output that cannot be written or would replace what is read."""
    if not output.parent.is_dir():
        raise Refusal(f"{output}: there is no folder {output.parent}")
    if output.is_dir():
        raise Refusal(f"{output}: is a folder")
    if output.exists() and source.exists() and output.samefile(source):
        raise Refusal(f"{output}: is what is read; name another file to write")


def _chain(count: int) -> Patch:
    """A constant and `count` trivial nodes in a row."""
    from graph import Patch

    _catalog()
    patch = Patch()
    patch.add("source/saw", "first")
    last = "first"
    for i in range(count):
        last_, last = last, patch.add("maths/add", f"n{i}", b=1e-3)
        patch.connect(f"{last_}.out", f"{last}.a")
    patch.add("io/output", "out")
    patch.connect(f"{last}.out", "out.audio")
    return patch


def _sentence(error: BaseException) -> str:
    """An exception that concerns the user, in one line."""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())


def main(args: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code.  Bugs keep their traceback; refusals are one sentence."""
    try:
        return int(zrack.main(args, prog_name="zrack", standalone_mode=False) or 0)
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except click.UsageError as error:
        code, text = 2, error.format_message()
    except click.exceptions.Abort:
        code, text = 130, "stopped"
    except click.ClickException as error:
        code, text = 1, error.format_message()
    except Exception as error:
        if not _expected(error):
            raise
        code, text = 1, _sentence(error)
    click.echo(f"zrack: {text}", err=True)
    return code


def _expected(error: Exception) -> bool:
    """Whether an exception is about what the user gave, and not a bug.  The modules are loaded if they raised it."""
    if isinstance(error, Refusal | OSError):
        return True
    kinds = (
        ("graph.errors", "PatchError"),
        ("nodes.compile", "CompileError"),
        ("runtime.sounds", "SoundError"),
        ("runtime.portaudio", "DeviceError"),
    )
    return any(module in sys.modules and isinstance(error, getattr(sys.modules[module], name)) for module, name in kinds)


if __name__ == "__main__":
    sys.exit(main())
