"""Sound files: read whole, written beside and moved into place, so that no half file is ever seen."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SUBTYPES = {".wav": "FLOAT", ".w64": "FLOAT", ".aiff": "PCM_24", ".aif": "PCM_24", ".flac": "PCM_24", ".ogg": "VORBIS"}
"""Sample format for each ending: float where the file can hold it, so that nothing is clipped."""


class SoundError(Exception):
    """A sound file that cannot be read or written; the text is a sentence that names it."""


def read(path: Path, rate: int) -> np.ndarray:
    """A sound as float32 [frames, channels] at `rate` Hz, resampled where the file has another.  Raises SoundError."""
    import numpy as np
    import soundfile

    if not path.is_file():
        raise SoundError(f"{path}: there is no such sound file.")
    try:
        sound, own = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        reason = str(getattr(error, "error_string", error)).rstrip(".")
        raise SoundError(f"{path}: cannot be read as sound ({reason}).") from None
    if not len(sound):
        raise SoundError(f"{path}: holds no sound.")
    if own != rate:
        import soxr

        sound = np.ascontiguousarray(soxr.resample(sound, own, rate, quality="VHQ"), np.float32)
    return np.asarray(sound)


def write(path: Path, sound: np.ndarray, rate: int) -> None:
    """Writes float32 [frames, channels]; the ending says the kind.  Raises SoundError, OSError."""
    import soundfile

    kind(path)
    with replacing(path) as part:
        try:
            soundfile.write(part, sound, rate, subtype=SUBTYPES[path.suffix.lower()], format=format_of(path))
        except soundfile.SoundFileError as error:
            reason = str(getattr(error, "error_string", error)).rstrip(".")
            raise SoundError(f"{path}: cannot be written ({reason}).") from None


def kind(path: Path) -> str:
    """The ending of a sound file that can be written.  Raises SoundError."""
    ending = path.suffix.lower()
    if ending not in SUBTYPES:
        raise SoundError(f"{path}: no sound file can have this ending; there are {', '.join(SUBTYPES)}.")
    return ending


def format_of(path: Path) -> str:
    """soundfile's name of the container for a file's ending."""
    ending = kind(path)[1:].upper()
    return "AIFF" if ending == "AIF" else ending


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file beside `path` that takes its place when the block ends without an exception.  Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask)  # mkstemp makes private files
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
