"""What the library browser lists: node types by family, patches, sounds and models; found by a few letters."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from graph import disk
from graph.errors import PatchError
from graph.patch import Patch
from graph.spec import NodeSpec
from nodes import models as nn
from nodes.ml import shelf

from . import palette, places

Kind = Literal["node", "patch", "sound", "model"]
SOUNDS = (".flac", ".wav", ".aif", ".aiff", ".ogg", ".mp3")
MODELS = (".ts",)
MOST = 400  # files of one kind
EXAMPLES = Path(__file__).parent.parent / "patches"
TITLES = {
    "source": "sources", "filter": "filters", "effect": "effects", "mod": "modulators", "maths": "maths", "latent": "latents",
    "model": "models", "midi": "MIDI", "osc": "OSC", "io": "in and out", "view": "views", "rack": "sub-patches",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One line: what it is called, what it adds (`id`: node type, or path of a file), what is said about it."""

    kind: Kind
    id: str
    label: str
    tip: str = ""
    group: str = ""


def nodes(specs: Mapping[str, NodeSpec], text: str = "", inside: bool = False) -> list[Entry]:
    """Node types: by family, or, where something was typed, the best first."""
    if text.strip():
        found = [f.spec for f in palette.search(specs, text, inside=inside)]
        return [Entry("node", s.id, s.id, s.title, "found") for s in found]
    offered = palette.offered(specs, inside)
    return [Entry("node", s.id, s.id.rpartition("/")[2], s.title, title(s.id.partition("/")[0])) for s in offered]


def title(family: str) -> str:
    """A family as people call it."""
    return TITLES.get(family, family)


def patches(text: str = "", folder: Path | None = None) -> list[Entry]:
    """Patches: recent ones, those beside the open patch, the examples and the templates."""
    groups: list[tuple[str, list[Path]]] = [("recent", places.recent()), ("beside this patch", files(folder, (".zrack",)))]
    groups += [("examples", files(EXAMPLES, (".zrack",), deep=False)), ("templates", list(places.templates().values()))]
    seen: set[Path] = set()
    found = []
    for group, paths in groups:
        for path in paths:
            if path in seen or not _fits(text, path.stem):
                continue
            seen.add(path)
            found.append(Entry("patch", str(path), path.stem, str(path), group))
    return found


def sounds(folder: Path | None, text: str = "") -> list[Entry]:
    """Sound files in the folder of the patch, and those of the examples."""
    return _beside("sound", folder, SOUNDS, text) + [
        Entry("sound", str(p), p.name, str(p), "examples") for p in files(EXAMPLES / "sounds", SOUNDS) if _fits(text, p.name)
    ]


def models(folder: Path | None, text: str = "") -> list[Entry]:
    """Models in the folder of the patch, those that come with zrack, and the user's own."""
    found = _beside("model", folder, MODELS, text)
    for place, group in zip(shelf.folders(), ("that come with zrack", "models folder"), strict=False):
        for path in files(place, MODELS):
            if _fits(text, path.name):
                found.append(Entry("model", str(path), path.relative_to(place).as_posix(), str(path), group))
    return found


def _beside(kind: Kind, folder: Path | None, endings: tuple[str, ...], text: str) -> list[Entry]:
    if folder is None:
        return []
    found = []
    for path in files(folder, endings):
        name = path.relative_to(folder).as_posix()
        if _fits(text, name):
            found.append(Entry(kind, str(path), name, str(path), "beside this patch"))
    return found


def _fits(text: str, name: str) -> bool:
    return all(word in name.lower() for word in text.lower().split())


def files(folder: Path | None, endings: tuple[str, ...], deep: bool = True) -> list[Path]:
    """Files below a folder, at most three folders deep and never hidden ones; in order of name."""
    if folder is None or not folder.is_dir():
        return []
    found: list[Path] = []
    for root, folders, names in os.walk(folder):
        depth = len(Path(root).relative_to(folder).parts)
        folders[:] = sorted(f for f in folders if not f.startswith(".")) if deep and depth < 3 else []
        found += [Path(root, n) for n in sorted(names) if n.endswith(endings) and not n.startswith(".")]
        if len(found) > MOST:
            break
    return found[:MOST]


# bringing one in


def brought(patch: Patch, path: Path, folder: str = "sounds") -> str:
    """The name, relative to the patch, of a file that a node will use: copied into the patch's folder where it lies elsewhere.

    A file of that name with other content is not written over.  PatchError where it cannot be had.
    """
    if patch.folder is None:
        raise PatchError("save the patch first, so that there is a folder for its sounds")
    root, real = patch.folder.resolve(), path.resolve()
    if real.is_relative_to(root):
        return real.relative_to(root).as_posix()
    data = disk.read(real, path.name, 1 << 30)
    stem, suffix = path.stem, path.suffix
    for number in range(1, 1000):
        name = f"{stem}{f'-{number}' if number > 1 else ''}{suffix}"
        target = root / folder / name
        if target.exists() and target.read_bytes() != data:
            continue
        try:
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(real, target)
        except OSError as error:
            raise PatchError(f"{path.name} could not be copied beside the patch: {error.strerror or error}") from None
        return f"{folder}/{name}"
    raise PatchError(f"there are too many files called {path.name} beside the patch")


def adding(patch: Patch, entry: Entry) -> tuple[str, dict[str, str]]:
    """The node type and the settings that an entry becomes.  PatchError where it becomes none."""
    if entry.kind == "node":
        return entry.id, {}
    path = Path(entry.id)
    if entry.kind == "sound":
        return "source/sample", {"file": brought(patch, path)}
    if entry.kind == "patch":
        return "rack/patch", {"file": brought(patch, path, "parts")}
    return nn.Model.id, {"file": model(patch, path)}


def model(patch: Patch, path: Path) -> str:
    """What a node calls a model file, which is copied beside the patch where it lies neither there nor in a models folder."""
    return name_of(path, patch.folder) or brought(patch, path, "models")


def name_of(path: Path, folder: Path | None) -> str:
    """What a node in a patch of this folder calls a model file: its path beside the patch or in a models folder; "" where
    it lies elsewhere, or behind another one of that name.
    """
    real = path.resolve()
    for place in [*([folder] if folder is not None else []), *shelf.folders()]:
        if real.is_relative_to(place.resolve()):
            name = real.relative_to(place.resolve()).as_posix()
            try:
                return name if nn.find(name, folder).resolve() == real else ""
            except PatchError:
                return ""
    return ""


Adder = Callable[[Entry], None]
