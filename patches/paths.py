"""The paths that patches hold on their tapes, as files: what a model makes of a sound differs in its last bits from machine to
machine, and a patch is to be built to the same bytes on all of them.

`python -m patches.paths` encodes the sounds anew, for when the model was trained anew.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from graph import Patch

from .latents import model

HERE = Path(__file__).parent
PLACE = HERE / "paths"
FILE = "models/wavae_strings.ts"
HELD = "models/held-out/wavae_strings.flac"
SOUNDS: dict[str, dict[str, tuple[str, float, float]]] = {
    "playground": {
        "bowed": (HELD, 0.0, 4.0), "guitar": ("sounds/guitar.flac", 0.0, 4.0), "piano": ("sounds/piano.flac", 0.0, 2.8),
        "tabla": ("sounds/tabla.flac", 0.0, 4.0),
    },
    "a-to-b": {"a": (HELD, 4.0, 8.0), "b": (HELD, 8.0, 12.0)},
}  # fmt: skip
"""For every patch names of paths: which sound, from which second to which."""
Path_ = list[list[float]]


def read(name: str) -> dict[str, Path_]:
    """The paths of a patch: "<name>.z" is [frames][latents], "<name>.loudness" [frames][1]."""
    found: dict[str, Path_] = json.loads((PLACE / f"{name}.json").read_text())
    return found


def encoded(sound: Path, file: str = FILE) -> dict[str, Path_]:
    """What a model's two outlets make of a sound file, to three digits.  Raises PatchError."""
    from runtime import encoding

    p = Patch()
    p.folder = HERE
    model(p, "hear", file, "encode")
    for outlet in ("z", "loudness"):
        p.add("latent/tape", outlet)
        p.connect(f"hear.{outlet}", f"{outlet}.z")
    made = encoding.run(encoding.prepare(p, "hear", sound))
    return {outlet: [[round(float(x), 3) + 0.0 for x in row] for row in rows] for outlet, rows in made.items()}


def main() -> None:
    """Writes all of them."""
    import soundfile

    import nodes  # noqa: F401 -- makes the node types known

    PLACE.mkdir(exist_ok=True)
    for patch, sounds in SOUNDS.items():
        found = {}
        for name, (file, start, end) in sounds.items():
            x, rate = soundfile.read(HERE / file)
            with tempfile.TemporaryDirectory() as folder:
                part = Path(folder) / "part.wav"
                soundfile.write(part, x[round(start * rate) : round(end * rate)], rate, subtype="FLOAT")
                found |= {f"{name}.{outlet}": rows for outlet, rows in encoded(part).items()}
        path = PLACE / f"{patch}.json"
        path.write_text(json.dumps(found, separators=(",", ":")).replace("],[", "],\n[") + "\n")
        sys.stdout.write(f"{path.relative_to(HERE.parent)}\n")


if __name__ == "__main__":
    main()
