"""Which model files may run here.  A TorchScript file is a program from a stranger, so each needs a yes, once.

Only the SHA-256 of a file counts: a changed file asks again, a copy or a renamed one does not.  Files that come with zrack
are trusted by the list beside them.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from . import shelf

SHA = re.compile(r"[0-9a-f]{64}\Z")


def place() -> Path:
    """The file that holds the user's answers: in `$ZRACK_CONFIG`, else in the user's config folder."""
    named = os.environ.get("ZRACK_CONFIG")
    if named:
        return Path(named) / "trusted-models.json"
    import platformdirs

    return Path(platformdirs.user_config_dir("zrack", appauthor=False)) / "trusted-models.json"


def is_trusted(sha: str) -> bool:
    """Whether a file of this hash may run."""
    return sha in _shipped() or sha in _trusted()


def trust(sha: str, name: str) -> None:
    """Lets files of this hash run from now on; `name` is only there for people.  Raises ValueError, OSError."""
    if not SHA.match(sha):
        raise ValueError(f"{sha!r} is no SHA-256")
    shelf.write(place(), json.dumps({**_trusted(), sha: name}, indent=1).encode())


def distrust(sha: str) -> None:
    """Takes it back; a file that comes with zrack stays trusted.  Raises OSError."""
    kept = _trusted()
    if kept.pop(sha, None) is not None:
        shelf.write(place(), json.dumps(kept, indent=1).encode())


def _trusted() -> dict[str, str]:
    """Hash → name, as the user said; nothing where the file cannot be read."""
    return {sha: str(name) for sha, name in _read(place()).items() if SHA.match(sha)}


def _shipped() -> set[str]:
    return {str(sha) for sha in _read(shelf.SHIPPED / "sha256.json").values()}


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
