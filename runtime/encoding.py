"""A whole sound through a model onto latent tapes: faster than it lasts, from the model's start state, and not a frame late.

`prepare` says what there is to do, `run` does it in a process of its own, so that whoever waits plays on and a model that
crashes takes nobody along, and `edit` is what then changes the patch: one step.  `python -m runtime.encoding` is that process.
"""

from __future__ import annotations

import json
import os
import pickle
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from graph import Patch, PatchError
from graph.edits import Edit, Edits, Inside, SetData, SetSetting
from graph.subpatch import flatten
from nodes import models
from nodes.dsp.paths import LONGEST
from nodes.ml import shelf
from nodes.ml.contract import ModelError

from .tapes import SPACE, TAPE, alike

if TYPE_CHECKING:
    import soundfile

COMMAND = (sys.executable, "-m", "runtime.encoding")
"""The process; see `main`."""
CALL = 1 << 16
"""Samples at the model's rate that it gets at a time, about."""
READ = 1 << 16
"""Frames of the file that are read at a time."""
PATIENCE = 120.0
"""Seconds that loading, or one call, may take."""
SAID = 0.1
"""Least seconds between two words about how far it is."""
MEMORY = 8 << 30
"""Bytes of its own that the process may have."""

Hear = Callable[[int, int], object]


@dataclass(frozen=True)
class Job:
    """What is encoded by what; plain data, for a pipe."""

    node: str  # "sub/inner"
    sound: str
    model: str  # the file
    sha: str
    method: str
    settings: Mapping[str, Any]  # of the node, tables too
    knobs: Mapping[str, float]  # its attributes; a switch is the number of its position
    seed: int
    folder: str | None
    rate: int  # Hz, the model's
    delay: int  # samples at that rate by which the model is late by its nature; 0 where that is not known
    ratio: int  # samples at that rate a latent frame
    frames: int  # of the tape
    spaces: Mapping[str, tuple[str, int, int, int]]  # outlet → its latent space, as in `tapes.SPACE`


def prepare(patch: Patch, node: str, sound: Path) -> Job:
    """What has to be done for a model node ("sub/inner") of a patch and a sound, whose path may start in the patch's folder.

    Nothing is run yet.  Raises PatchError where the node is no model that turns sound into latents, its file is missing or not
    trusted, no tape is patched in, or the sound cannot be read or is too long for a tape.
    """
    flat = flatten(patch)
    data = flat.node(node)
    if data.type != models.Model.id:
        raise patch.error("is no model; a sound is encoded by a model/nn", node)
    with patch.blame(node):
        if not data.settings.get("file"):
            raise PatchError("names no model; set its file", port="file")
        cls: Any = models.Model.variant(data.settings, flat.folder)
        path, about, method, sides, attributes = cls.model
        if method.in_ratio != 1 or not method.inputs or method.out_ratio == 1:
            able = [m.name for m in about.methods if m.in_ratio == 1 and m.inputs and m.out_ratio > 1]
            better = f"set its method to {' or '.join(able)}" if able else f"{path.name} has no method that does"
            raise PatchError(f"its method {method.name} does not turn sound into latents; {better}", port="method")
        outlets = [g.name for g in sides[1]]
        if not any(_tapes(flat, node, outlet) for outlet in outlets):
            raise PatchError(f"nothing keeps what it makes; patch {' or '.join(outlets)} into the z of a {TAPE}")
        rate = about.rate or patch.rate
        sound = (patch.folder or Path.cwd()) / sound
        frames = _frames(sound, rate, method.out_ratio)
    fixed = {outlet: cls.spec.outlets[outlet].fixed for outlet in outlets}
    return Job(
        node=node, sound=str(sound), model=str(path), sha=about.sha, method=method.name,
        settings={name: flat.value(node, name) for name in (*cls.spec.settings, *cls.spec.data)},
        knobs={name: _number(flat, node, name) for _, names in attributes for name in names
               if name in cls.spec.params or name in cls.spec.choices},
        seed=data.seed, folder=str(flat.folder) if flat.folder else None, rate=rate, delay=round(method.delay or 0.0),
        ratio=method.out_ratio, frames=frames,
        spaces={outlet: (f.name, f.dims, f.ratio, f.rate) for outlet, f in fixed.items()},
    )  # fmt: skip


def run(job: Job, hear: Hear | None = None, stopped: Callable[[], bool] | None = None) -> dict[str, np.ndarray]:
    """The path of each outlet: float32 [frames, dims]; frame k is the sound from sample k × ratio on, at the model's rate.

    `hear` gets how many of how many samples are done; `stopped` says, about twice a second, whether nobody wants it any more.
    Raises PatchError where the model fails, crashes, or says nothing for PATIENCE seconds, and where it was stopped.
    """
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    with tempfile.TemporaryDirectory(prefix="zrack-encode-") as folder:
        out = Path(folder) / "paths.npz"
        process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env)
        assert process.stdin is not None and process.stdout is not None
        try:
            with process.stdin as pipe:
                pickle.dump({"out": str(out), **asdict(job)}, pipe)
            for word in _words(process.stdout, stopped or (lambda: False)):
                if "error" in word:
                    raise PatchError(str(word["error"]))
                if hear is not None:
                    hear(*word["done"])
            code = process.wait()
            if code or not out.is_file():
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                raise PatchError(f"{Path(job.model).name} crashed the process that ran it ({how})")
            with np.load(out, allow_pickle=False) as found:
                return {outlet: found[outlet] for outlet in job.spaces}
        except (PatchError, BrokenPipeError) as error:
            text = error.text if isinstance(error, PatchError) else "the process that runs models does not start"
            raise PatchError(text, node=job.node) from None
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def edit(patch: Patch, job: Job, paths: Mapping[str, np.ndarray]) -> Edit:
    """The edit that puts the paths onto the tapes at the outlets, as they are patched now.  Raises PatchError."""
    flat = flatten(patch)
    data = flat.nodes.get(job.node)
    if data is None or any(data.settings.get(name, "") != job.settings[name] for name in ("file", "method")):
        raise patch.error("is another one, or gone, since its sound was encoded", node=job.node)
    steps: list[Edit] = []
    for outlet, rows in paths.items():
        given: dict[str, str | int] = dict(zip(SPACE, job.spaces[outlet], strict=True))
        for tape in _tapes(flat, job.node, outlet):
            *subs, name = tape.split("/")
            changed = [SetSetting(name, step.name, step.value) for step in alike(flat, tape, given)]
            steps += [_inside(subs, step) for step in (*changed, SetData(name, "path", rows.tolist()))]
    if not steps:
        raise patch.error(f"nothing keeps what it makes any longer; patch it into the z of a {TAPE}", job.node)
    return Edits(tuple(steps), f"encode {Path(job.sound).name} with {job.node}")


def goals(patch: Patch, job: Job) -> list[str]:
    """The tapes at the outlets, as they are patched now."""
    flat = flatten(patch)
    return sorted({tape for outlet in job.spaces for tape in _tapes(flat, job.node, outlet)})


def event(job: Job, done: int = 0, wanted: int = 1, kept: Sequence[str] = ()) -> dict[str, Any]:
    """What a session tells of it: samples that are done, of how many, and at last the tapes; `text` is for people, and new at
    every quarter only.
    """
    text = told(job, kept) if kept else f"encoding {Path(job.sound).name} with {job.node}, {25 * (4 * done // wanted)} %"
    found = {"node": job.node, "sound": job.sound, "done": done, "wanted": wanted, "kept": list(kept), "text": text}
    return {"kind": "encoding", **found}


def told(job: Job, tapes: Sequence[str]) -> str:
    """Where the sound went, in a sentence."""
    return f"{Path(job.sound).name} is on {', '.join(tapes)}: {job.frames} frames, {job.frames * job.ratio / job.rate:.2f} s"


def _tapes(flat: Patch, node: str, outlet: str) -> tuple[str, ...]:
    """The tapes that an outlet is patched into."""
    return tuple(dst for (_, _, dst, inlet), _ in flat.out_of(node, outlet) if flat.nodes[dst].type == TAPE and inlet == "z")


def _number(flat: Patch, node: str, name: str) -> float:
    """A param's value, or the position of a choice."""
    spec = flat.spec(node)
    assert spec is not None
    value = flat.value(node, name)
    return float(spec.choices[name].options.index(value) if name in spec.choices else value)


def _inside(subs: list[str], step: Edit) -> Edit:
    """An edit inside sub-patches, from outside."""
    for sub in reversed(subs):
        step = Inside(sub, step)
    return step


# ---------------------------------------------------------------------------------------------------- the sound


def _open(path: Path) -> soundfile.SoundFile:
    """An open sound file.  Raises PatchError."""
    import soundfile

    if not path.is_file():
        raise PatchError(f"{path}: there is no such sound file")
    try:
        return soundfile.SoundFile(path)
    except soundfile.SoundFileError as error:
        reason = str(getattr(error, "error_string", error)).rstrip(".")
        raise PatchError(f"{path}: cannot be read as sound ({reason})") from None


def _frames(path: Path, rate: int, ratio: int) -> int:
    """Latent frames that hold a sound.  Raises PatchError where it holds none, or more than a tape takes."""
    with _open(path) as file:
        seconds = file.frames / file.samplerate
        samples = round(file.frames * rate / file.samplerate)
    frames: int = -(-samples // ratio)
    if not frames:
        raise PatchError(f"{path}: holds no sound")
    if frames > LONGEST:
        most = LONGEST * ratio / rate
        raise PatchError(f"{path}: lasts {seconds:.0f} s, and a tape holds {most:.0f} s of this model ({LONGEST} frames)")
    return frames


def sound(path: Path, rate: int, channels: int) -> Iterator[np.ndarray]:
    """A file from the disk a piece at a time, float32 [frames, channels] at `rate` Hz, resampled as sample files are.

    One channel is the mean of all that it has; mono goes to every channel; else they are taken in order, and those that are
    missing are silent.  Raises PatchError.
    """
    import soundfile
    import soxr

    with _open(path) as file:
        own, count = file.samplerate, 1 if channels == 1 else file.channels
        stream = soxr.ResampleStream(own, rate, count, dtype="float32", quality="HQ") if own != rate else None
        last = False
        while not last:
            try:
                piece = file.read(READ, dtype="float32", always_2d=True)
            except soundfile.SoundFileError as error:
                reason = str(getattr(error, "error_string", error)).rstrip(".")
                raise PatchError(f"{path}: cannot be read as sound ({reason})") from None
            last = len(piece) < READ
            if not np.isfinite(piece).all():
                raise PatchError(f"{path}: holds samples that are not finite")
            piece = piece.mean(1, keepdims=True) if channels == 1 else piece
            if stream is not None:
                piece = stream.resample_chunk(np.ascontiguousarray(piece), last=last)
            if piece.shape[1] == 1:
                piece = np.repeat(piece, channels, 1)
            yield np.pad(piece[:, :channels], ((0, 0), (0, max(channels - piece.shape[1], 0))))


def cut(pieces: Iterator[np.ndarray], channels: int, before: int, size: int, count: int) -> Iterator[np.ndarray]:
    """`count` calls of `size` samples: `before` samples of silence, the pieces, and silence again."""
    held = np.zeros((before, channels), np.float32)
    for _ in range(count):
        while len(held) < size and (piece := next(pieces, None)) is not None:
            held = np.concatenate([held, piece])
        yield np.pad(held[:size], ((0, max(size - len(held), 0)), (0, 0)))
        held = held[size:]


# ------------------------------------------------------------------------------------------------ the process


def encode(job: Job, hear: Hear) -> dict[str, np.ndarray]:
    """What `run` gives, in this process, which runs the file.  Raises ModelError, PatchError, OSError."""
    path = Path(job.model)
    about = shelf.describe(path)
    method = about.method(job.method)
    if about.sha != job.sha or method is None:
        raise ModelError(f"{path.name}: is another file by now")
    cls: Any = models.variant(path, about, method, int(job.settings["voices"]))
    unit = models.unit(about, method)
    # silence before the sound, so that what the model is late by is a whole number of frames, which are left out
    before = -job.delay % job.ratio
    skipped = (job.delay + before) // job.ratio
    wanted = (job.frames + skipped) * job.ratio
    hops = 1 if method.chunk else min(-(-wanted // unit), max(CALL // unit, 1))
    size, count = hops * unit, -(-wanted // (hops * unit))
    folder = Path(job.folder) if job.folder else None
    player = models.Player(cls, {**job.settings, "hop": hops}, job.rate, job.seed, 1, folder)
    given = {name: np.full((1, 1), value, np.float32) for name, value in job.knobs.items()}
    channels = method.inputs * player.streams
    made: dict[str, list[np.ndarray]] = {g.name: [] for g in player.sides[1]}
    for k, x in enumerate(cut(sound(Path(job.sound), job.rate, channels), channels, before, size, count)):
        streams = x.reshape(size, player.streams, method.inputs)
        inlets = {g.name: streams[:, :, g.first : g.first + g.count].reshape(size, -1) for g in player.sides[0]}
        for outlet, rows in zip(made, player.play(k, {**given, **inlets}), strict=True):
            made[outlet].append(rows)
        hear(min((k + 1) * size, wanted), wanted)
    return {outlet: np.concatenate(rows)[skipped : skipped + job.frames] for outlet, rows in made.items()}


def _words(pipe: IO[bytes], stopped: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    """What the process says, a JSON object a line.  Raises PatchError where it says nothing for too long, or is stopped."""
    held, since = b"", time.monotonic()
    while True:
        if select.select([pipe], [], [], 0.5)[0]:
            data = os.read(pipe.fileno(), 1 << 16)
            if not data:
                return
            *lines, held = (held + data).split(b"\n")
            since = time.monotonic()
            yield from map(json.loads, lines)
        if stopped():
            raise PatchError("encoding was stopped")
        if time.monotonic() - since > PATIENCE:
            raise PatchError(f"the model said nothing for {PATIENCE:.0f} s, so it was stopped")


def main() -> None:
    """Takes a job from standard input, and says how far it is.  What the model itself prints goes nowhere."""
    import resource

    task = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent, over a pipe
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    place, job = task.pop("out"), Job(**task)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if job.settings["device"] == "cpu":
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    os.nice(5)  # others play meanwhile
    last = 0.0

    def say(**word: Any) -> None:
        print(json.dumps(word), file=out, flush=True)

    def hear(done: int, wanted: int) -> None:
        nonlocal last
        if time.monotonic() - last > SAID or done == wanted:
            last = time.monotonic()
            say(done=(done, wanted))

    try:
        np.savez(place, **encode(job, hear))  # type: ignore[arg-type]
    except (ModelError, OSError) as error:
        say(error=str(error))
    except PatchError as error:
        say(error=error.text)
    except MemoryError:
        say(error=f"{Path(job.model).name}: wants more memory than there is")
    os._exit(0)  # without the model's own last words


if __name__ == "__main__":
    main()
