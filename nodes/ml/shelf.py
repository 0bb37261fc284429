"""Model files on the disk: where they lie, what they hash to, the card inside, and what is known of them.

What a file offers is found by running it, in a process of its own with limits on time and memory, once: it is kept by hash
in `models` in the cache folder.  Nothing here needs torch.  A model file is a program: ask `nodes.ml.trust` before `describe`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .contract import CARD, Interface, ModelError

FORMAT = 1
"""Of what is kept in the cache; another one is made anew."""
SHIPPED = Path(__file__).parents[2] / "patches" / "models"
LARGEST = 4 << 30
"""Bytes of a model file, and of what is in it."""
LONGEST = 60.0
"""Seconds that a file may take to be described."""
CARD_LARGEST = 1 << 20
REMEMBERED = 2000
"""Most files whose hash is remembered."""
RATE = re.compile(r"(?:^|_)r(\d{4,6})(?=_|$)")
"""The sample rate in a file name such as drums_b2048_r48000_z16.ts."""

_files: dict[Path, tuple[int, dict[str, list[Any]]]] = {}  # by cache folder: when it was read, path → [size, mtime, inode, sha]
_interfaces: dict[tuple[Path, str], Interface] = {}


def folders() -> list[Path]:
    """Where models are looked for: those of zrack, then the user's (`$ZRACK_MODELS`, else in the user's data folder)."""
    named = os.environ.get("ZRACK_MODELS")
    if named:
        return [SHIPPED, Path(named)]
    import platformdirs

    return [SHIPPED, Path(platformdirs.user_data_dir("zrack", appauthor=False)) / "models"]


def listed() -> list[Path]:
    """Every model file in these folders and below them."""
    return [path for folder in folders() for path in sorted(folder.rglob("*.ts")) if path.is_file()]


def cache() -> Path:
    """The folder of what is known; it need not exist."""
    named = os.environ.get("ZRACK_CACHE")
    if named:
        return Path(named) / "models"
    import platformdirs

    return Path(platformdirs.user_cache_dir("zrack", appauthor=False)) / "models"


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal; read again only when size, time or inode changed.  Raises ModelError, OSError."""
    path = Path(os.path.realpath(path))
    before = _stamp(path)
    sha = _remembered(path, before)
    while sha is None:
        with path.open("rb") as f:
            found = hashlib.file_digest(f, "sha256").hexdigest()
        after = _stamp(path)
        if after == before:
            sha = found
            _remember(path, [*before, sha])
        before = after  # it was written while it was read
    return sha


def card(path: Path) -> dict[str, Any]:
    """The card inside a model file, {} where it has none.  Raises ModelError where the file or the card cannot be read."""
    path = Path(path)
    with _archive(path) as archive:
        names = [n for n in archive.namelist() if n.split("/", 1)[-1] == f"extra/{CARD}"]
        if not names:
            return {}
        if archive.getinfo(names[0]).file_size > CARD_LARGEST:
            raise ModelError(f"{path.name}: its card is larger than {CARD_LARGEST >> 20} MiB")
        try:
            found = json.loads(archive.read(names[0]))
        except Exception:  # of zipfile, zlib or json: many kinds
            found = None
    if not isinstance(found, dict):
        raise ModelError(f"{path.name}: its card is no JSON object")
    return found


def check(path: Path) -> None:
    """Refuses, without running anything, what cannot be a model.  Raises ModelError, in one sentence, and OSError."""
    with _archive(Path(path)) as archive:
        names = {n.split("/", 1)[-1] for n in archive.namelist()}
        size = sum(item.file_size for item in archive.infolist())
    if "constants.pkl" not in names or not any(n.startswith("code/") for n in names):
        more = "; it holds weights without a program" if "data.pkl" in names else ""
        raise ModelError(f"{Path(path).name}: is a zip archive, but no TorchScript file{more}")
    if size > LARGEST:
        raise ModelError(f"{Path(path).name}: unpacks to more than {LARGEST >> 30} GiB")


def known(path: Path) -> Interface | None:
    """What was found out about this very file before; quick, and nothing runs.  None where nothing is known."""
    try:
        real = Path(os.path.realpath(path))
        sha = _remembered(real, _stamp(real))
    except (OSError, ModelError):
        return None
    found = _kept(sha) if sha else None
    return named(found, path) if isinstance(found, Interface) else None


def describe(path: Path, limit: float = LONGEST) -> Interface:
    """What a model file offers; the first time it runs in a process of its own, for at most `limit` seconds.

    Raises ModelError, in one sentence, where the file cannot be used.
    """
    path = Path(path)
    try:
        sha = digest(path)
        found = _kept(sha)
        if found is None:
            check(path)
            found = _keep(sha, _look(path, limit))
    except OSError as error:
        raise ModelError(f"{path.name}: {(error.strerror or str(error)).lower()}") from None
    if isinstance(found, str):
        raise ModelError(f"{path.name}: {found}")
    return named(found, path)


def named(found: Interface, path: Path) -> Interface:
    """With the sample rate that the name of the file tells, where the file itself tells none."""
    told = RATE.search(Path(path).stem)
    return replace(found, rate=int(told[1])) if told and not found.rate else found


def write(path: Path, data: bytes) -> None:
    """Writes a file that only its owner reads, whole or not at all.  Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as f:
        try:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
            os.replace(f.name, path)
        except BaseException:
            os.unlink(f.name)
            raise


def _archive(path: Path) -> zipfile.ZipFile:
    """The file as a zip archive.  Raises ModelError, OSError."""
    _stamp(path)
    with path.open("rb") as f:
        start = f.read(2)
    try:
        return zipfile.ZipFile(path)
    except Exception:  # zipfile raises many kinds where the bytes are spoilt
        why = "is cut off; it was not copied or downloaded to its end" if start == b"PK" else "is no TorchScript file"
    raise ModelError(f"{path.name}: {why}")


def _stamp(path: Path) -> list[int]:
    """[size, time, inode] of a regular file of a bearable size.  Raises ModelError, OSError."""
    about = path.stat()
    if not path.is_file():
        raise ModelError(f"{path.name}: is no regular file")
    if about.st_size > LARGEST:
        raise ModelError(f"{path.name}: is larger than {LARGEST >> 30} GiB")
    return [about.st_size, about.st_mtime_ns, about.st_ino]


def _hashes(folder: Path) -> dict[str, list[Any]]:
    """Path → [size, time, inode, sha] as last written to the cache."""
    try:
        when = (folder / "files.json").stat().st_mtime_ns
        if folder not in _files or _files[folder][0] != when:
            data = json.loads((folder / "files.json").read_bytes())
            _files[folder] = when, {k: v for k, v in data.items() if isinstance(v, list) and len(v) == 4}
    except (OSError, ValueError, AttributeError):
        return {}
    return _files[folder][1]


def _remembered(path: Path, stamp: list[int]) -> str | None:
    entry = _hashes(cache()).get(str(path))
    return str(entry[3]) if entry and entry[:3] == stamp else None


def _remember(path: Path, entry: list[Any]) -> None:
    """Keeps a hash; a cache that cannot be written only costs time."""
    kept = {k: v for k, v in _hashes(cache()).items() if k != str(path)}
    recent = dict(list(kept.items())[-REMEMBERED + 1 :])
    _write_quietly(cache() / "files.json", {**recent, str(path): entry})


def _write_quietly(path: Path, data: Mapping[str, Any]) -> None:
    try:
        write(path, json.dumps(data).encode())
    except OSError:
        return


def _kept(sha: str) -> Interface | str | None:
    """What the cache holds for a file of this hash: its interface, or why it has none."""
    folder = cache()
    found = _interfaces.get((folder, sha))
    if found is None:
        try:
            data = json.loads((folder / f"{sha}.json").read_bytes())
            if data["format"] != FORMAT:
                return None
            if "error" in data:
                return str(data["error"])
            found = Interface.from_map(data["interface"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        _interfaces[folder, sha] = found
    return found


def _look(path: Path, limit: float) -> dict[str, Any]:
    """Runs the file in a process of its own: {"interface": …} or {"error": …}.  Raises ModelError where that tells nothing."""
    if find_spec("torch") is None:
        raise ModelError(f"{path.name}: models need torch: pip install 'zrack[models]'")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", f"{__package__}.torchscript", str(path.resolve())]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, timeout=limit
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"{path.name}: took longer than {limit:g} s to be looked at, so it was stopped") from None
    try:
        data = json.loads(done.stdout)
        return (
            {"error": str(data["error"])} if "error" in data else {"interface": Interface.from_map(data["interface"]).to_map()}
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        raise ModelError(f"{path.name}: crashed the process that looked at it ({how})") from None


def _keep(sha: str, data: dict[str, Any]) -> Interface | str:
    """Keeps what was found out about a file of this hash, and gives it as `_kept` does."""
    _write_quietly(cache() / f"{sha}.json", {"format": FORMAT, **data})
    if "error" in data:
        return str(data["error"])
    found = _interfaces[cache(), sha] = replace(Interface.from_map(data["interface"]), sha=sha)
    return found
