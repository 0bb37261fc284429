"""Where patches lie: templates, new ones without a name, recent ones; and what goes along when one moves to another folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from pathlib import Path

from graph import disk, file
from graph.errors import PatchError
from graph.patch import Patch
from nodes import models

MODEL = models.Model.id
RECENT = 20
ENDINGS = (".zrack", ".json")
TEMPLATES = Path(__file__).parent.parent / "patches" / "templates"


def state_folder() -> Path:
    """Where the list of recent files and new patches lie: `$ZRACK_STATE`, else the user's state folder."""
    given = os.environ.get("ZRACK_STATE")
    if given:
        return Path(given)
    import platformdirs

    return Path(platformdirs.user_state_dir("zrack", appauthor=False))


def new_folder() -> Path:
    """Where patches lie that were never saved under a name, each in a folder of its own."""
    return state_folder() / "new"


def untitled(path: Path | None) -> bool:
    """Whether the patch has no name of its own yet."""
    return path is None or path.resolve().is_relative_to(new_folder().resolve())


def templates() -> dict[str, Path]:
    """Patches to begin with, by name; empty first."""
    found = {path.stem: path for path in sorted(TEMPLATES.glob("*.zrack"))}
    return {name: found[name] for name in sorted(found, key=lambda n: (n != "empty", n))}


def fresh(template: str = "empty") -> Path:
    """A new patch from a template, in a place where it can play until it is saved; gives its path."""
    patch = Patch.load(templates()[template]) if template in templates() else Patch()
    patch.meta = {k: v for k, v in patch.meta.items() if k not in ("doc", "seconds")}
    for number in range(1, 1 << 16):
        place = new_folder() / str(number)
        with contextlib.suppress(FileExistsError):
            place.mkdir(parents=True)
            path = place / "untitled.zrack"
            patch.save(path)
            return path
    raise PatchError("there are too many patches without a name")


def forget(path: Path) -> None:
    """Removes a patch that was never given a name; nothing else."""
    if untitled(path) and path.parent.parent.resolve() == new_folder().resolve():
        shutil.rmtree(path.parent, ignore_errors=True)


def recent() -> list[Path]:
    """Patches opened lately that are still there, the last one first."""
    try:
        found = json.loads((state_folder() / "recent.json").read_text("utf-8"))
        names = [name for name in found if isinstance(name, str)]
    except (OSError, ValueError, TypeError):
        return []
    return [path for name in names[:RECENT] if (path := Path(name)).is_file()]


def remember(path: Path) -> None:
    """Puts a patch at the head of the recent ones."""
    real = path.resolve()
    if untitled(real):
        return
    names = [str(real), *(str(other) for other in recent() if other != real)]
    with contextlib.suppress(OSError, PatchError):
        state_folder().mkdir(parents=True, exist_ok=True)
        disk.write_atomic(state_folder() / "recent.json", json.dumps(names[:RECENT], indent=1).encode())


def form(path: Path) -> file.Form:
    """The form in which a patch is written there: that of the file that is there, else what its ending says."""
    try:
        with open(path, "rb") as f:
            head = f.read(64).lstrip()
    except OSError:
        head = b""
    return "text" if head[:1] == b"{" or (not head and path.suffix == ".json") else "msgpack"


def digest(path: Path) -> str:
    """What the file holds, in short; "" where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def carry(patch: Patch, folder: Path) -> list[str]:
    """Copies the files that a patch names (sounds, sub-patches) to another folder; sentences about those it could not."""
    old, said = patch.folder, []
    if old is None or old.resolve() == folder.resolve():
        return []
    for name in patch.nodes:
        node, spec = patch.nodes[name], patch.spec(name) or patch.base(name)
        inner = patch.inner(name) if node.patch is not None else None
        if inner is not None:
            said += carry(inner, folder)
        kinds = {k: s.kind for k, s in spec.settings.items()} if spec else {}
        for item, value in node.settings.items():
            if (kinds.get(item) != "file" and not (item == "file" and node.type == "rack/patch")) or not value:
                continue
            target = folder / str(value)
            if target.exists():
                continue
            try:
                if node.type == MODEL and item == "file" and not (old / str(value)).exists():
                    models.find(str(value), old)  # in a models folder, where it is found from everywhere
                    continue
                source = disk.confined(old, str(value))
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
                if node.type == "rack/patch" and target.suffix in ENDINGS:
                    said += carry(Patch.load(source), target.parent)
            except (OSError, PatchError) as error:
                said.append(f"node {name}: {value} was not copied, {error}")
    return said
