"""The free programs that make sound for those who have none: FluidSynth with a General MIDI sound font, and espeak-ng."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import sayings, scores
from .data import DataError
from .scores import Score

FONTS = (
    "/usr/share/sounds/sf2/FluidR3_GM.sf2", "/usr/share/soundfonts/FluidR3_GM.sf2", "/usr/share/soundfonts/default.sf2",
    "/usr/share/sounds/sf2/default-GM.sf2", "/usr/local/share/soundfonts/FluidR3_GM.sf2",
    "/opt/homebrew/share/soundfonts/FluidR3_GM.sf2",
)  # fmt: skip
"""Where a sound font lies on one system or another."""
RATE = 48000
"""Hz at which FluidSynth renders: it has no filter against aliases, so lower rates are made from this one."""
LOUDEST = 0.95
KINDS = ("strings", "voice", "drums", "notes")
LICENCES = {
    "fluid": """\
Played by FluidSynth (LGPL-2.1-or-later; a player's licence does not reach what it plays) with the sound font `{font}`.
If that is FluidR3 GM, as in Debian's package fluid-soundfont-gm: copyright © 2000-2002, 2008 Frank Wen, released under the
MIT licence ("Permission is hereby granted, free of charge …", in full in /usr/share/doc/fluid-soundfont-gm/copyright), built
from his own recordings, those of contributors, and samples from the public domain. The notes were made up by zrack.
""",
    "espeak": """\
Spoken by espeak-ng. The program and its voices are under GPL-3.0-or-later, whose section 2 says of its output: "The output
from running a covered work is covered by this License only if the output, given its content, constitutes a covered work."
Speech from formants is no copy of the program; some of its consonants are short recordings from the program's data. Ask
somebody who knows before you publish the sound itself. The sentences were written for zrack and are free for any use.
""",
}  # fmt: skip


def take(kind: str, seed: int, number: int, only: tuple[str, ...] = ()) -> tuple[np.ndarray, int, dict[str, Any]]:
    """Take `number` of a kind: sound float32 [frames, channels], its rate, and labels.  It depends on nothing but these four.

    `only` keeps to these instruments, kits or languages.  Raises DataError where the program is missing or fails.
    """
    rng = np.random.default_rng([seed, KINDS.index(kind), number])
    labels: dict[str, Any] = {"domain": kind, "seed": seed, "take": number}
    if kind == "voice":
        said = sayings.saying(rng, only)
        sound, rate = speak(said)
        return sound, rate, labels | {"instrument": "voice"} | said
    if kind == "notes":
        score = scores.note(np.random.default_rng([seed, KINDS.index(kind)]), number, only)
    else:
        score = (scores.strings if kind == "strings" else scores.drums)(rng, only)
    return _levelled(perform(score, find_font()), score, rng), RATE, labels | score.told()


def choices(kind: str) -> tuple[str, ...]:
    """What `only` may name."""
    known: dict[str, Iterable[str]] = {
        "strings": scores.STRINGS, "voice": sayings.TEXTS, "drums": scores.KITS, "notes": scores.WINDS,
    }  # fmt: skip
    return tuple(known[kind])


def most(kind: str, only: tuple[str, ...] = ()) -> float:
    """How many takes differ."""
    return len(scores.every_note(only)) if kind == "notes" else float("inf")


def licence(kind: str) -> str:
    """What the README of a corpus says about its sound.  Raises DataError where what makes it is missing."""
    if kind == "voice":
        _need_espeak()
    return LICENCES["espeak"] if kind == "voice" else LICENCES["fluid"].format(font=Path(find_font()).resolve().name)


def find_font() -> str:
    """A sound font, if FluidSynth is here too.  Raises DataError with what to install."""
    install = "on Debian: apt-get install fluidsynth fluid-soundfont-gm"
    if shutil.which("fluidsynth") is None:
        raise DataError(f"the program fluidsynth is not installed; {install}")
    for path in FONTS:
        if Path(path).is_file():
            return path
    raise DataError(f"there is no General MIDI sound font in {Path(FONTS[0]).parent} or where else they lie; {install}")


def perform(score: Score, font: str) -> np.ndarray:
    """A score as sound, float32 [frames, 2] at RATE, dry.  Raises DataError."""
    with tempfile.TemporaryDirectory() as folder:
        tune, heard = Path(folder) / "tune.mid", Path(folder) / "heard.wav"
        tune.write_bytes(score.midi())
        call = ["fluidsynth", "-ni", "-q", "-R", "0", "-C", "0", "-g", "1", "-r", str(RATE), "-T", "wav", "-O", "float"]
        return _run([*call, "-o", "synth.dynamic-sample-loading=1", "-F", str(heard), font, str(tune)], heard)[0]


def speak(said: Mapping[str, Any]) -> tuple[np.ndarray, int]:
    """A saying as sound, float32 [frames, 1], and its rate.  Raises DataError."""
    _need_espeak()
    with tempfile.TemporaryDirectory() as folder:
        heard = Path(folder) / "heard.wav"
        numbers = ["-p", said["pitch_setting"], "-s", said["speed"], "-a", said["amplitude"]]
        return _run(["espeak-ng", "-v", said["voice"], *map(str, numbers), "-w", str(heard), "--", said["text"]], heard)


def _need_espeak() -> None:
    if shutil.which("espeak-ng") is None:
        raise DataError("the program espeak-ng is not installed; on Debian: apt-get install espeak-ng")


def _levelled(sound: np.ndarray, score: Score, rng: np.random.Generator) -> np.ndarray:
    """As loud as its dynamics say, or drums with a peak of -9 to -1 dBFS; never over full scale."""
    peak = float(np.abs(sound).max(initial=1e-9))
    wanted = LOUDEST / peak
    if "dynamics" in score.labels:
        held = sound[: round(RATE * max(start + length for start, length, *_ in score.notes))]
        power = float(np.mean(np.square(held, dtype=np.float64)))
        wanted = min(10.0 ** (scores.DYNAMICS[score.labels["dynamics"]][1] / 20.0) / max(power, 1e-12) ** 0.5, wanted)
    else:
        wanted = min(10.0 ** (float(rng.uniform(-9.0, -1.0)) / 20.0) / peak, wanted)
    return sound * np.float32(wanted)


def _run(call: list[str], heard: Path) -> tuple[np.ndarray, int]:
    """What a program writes, and its rate.  Raises DataError with what it complained of."""
    import soundfile

    try:
        done = subprocess.run(call, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        sound, rate = soundfile.read(heard, dtype="float32", always_2d=True)
    except subprocess.TimeoutExpired:
        raise DataError(f"{call[0]} did not finish within two minutes") from None
    except soundfile.SoundFileError:
        said = " ".join(done.stderr.split())[:200]
        raise DataError(f"{call[0]} made no sound{f' and said: {said}' if said else ''}") from None
    return sound, int(rate)
