"""Sound files: read whole, written whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from graph.file import write_atomic

if TYPE_CHECKING:
    import numpy as np

SUBTYPES = {".wav": "FLOAT", ".w64": "FLOAT", ".aiff": "PCM_24", ".aif": "PCM_24", ".flac": "PCM_24", ".ogg": "VORBIS"}
"""Sample format for each ending: float where the file can hold it, so that nothing is clipped."""
CONTAINERS = {".aif": "AIFF"}
"""What soundfile calls the kinds whose ending is not their name."""


class SoundError(Exception):
    """A sound file that cannot be read or written; the text is a sentence that names it."""


def read(path: Path, rate: int) -> np.ndarray:
    """A sound as float32 [frames, channels] at `rate` Hz, resampled where the file has another.  Raises SoundError."""
    import numpy as np
    import soundfile

    if not path.is_file():
        raise SoundError(f"{path}: there is no such sound file")
    try:
        sound, own = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise SoundError(f"{path}: cannot be read as sound ({_reason(error)})") from None
    if not len(sound):
        raise SoundError(f"{path}: holds no sound")
    if own != rate:
        import soxr

        sound = np.ascontiguousarray(soxr.resample(sound, own, rate, quality="VHQ"), np.float32)
    return np.asarray(sound)


def write(path: Path, sound: np.ndarray, rate: int) -> None:
    """Writes float32 [frames, channels]; the ending says the kind.  Raises SoundError, PatchError from the disk."""
    import soundfile

    ending = kind(path)
    memory = io.BytesIO()
    try:
        soundfile.write(memory, sound, rate, subtype=SUBTYPES[ending], format=CONTAINERS.get(ending, ending[1:].upper()))
    except soundfile.SoundFileError as error:
        raise SoundError(f"{path}: cannot be written ({_reason(error)})") from None
    write_atomic(path, memory.getvalue())


def kind(path: Path) -> str:
    """The ending of a sound file that can be written.  Raises SoundError."""
    ending = path.suffix.lower()
    if ending not in SUBTYPES:
        raise SoundError(f"{path}: no sound file can have this ending; there are {', '.join(SUBTYPES)}")
    return ending


def _reason(error: Exception) -> str:
    return str(getattr(error, "error_string", error)).rstrip(".")
