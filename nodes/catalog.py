"""Every node type there is: the built-in ones, those of installed packages, and those in the user's node folder.

`classes` holds the classes by id and `graph.spec.registry` their declarations.  A file that cannot be used never stops
the program: what it declared before stays, and one sentence names the file, the line and what is wrong.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import linecache
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from graph import PatchError
from graph.spec import registry

from .base import Node

BUILT_IN = (
    "plumbing",
    "io",
    "osc",
    "midi",
    "cv",
    "sources",
    "modulators",
    "sequencers",
    "maths",
    "routing",
    "pitch",
    "filters",
    "effects",
    "align",
    "latents",
    "models",
    "latent_maps",
    "latent_mixes",
    "latent_moves",
    "tapes",
    "views",
    "latent_views",
)
GROUP = "zrack.nodes"
"""Entry-point group of installed packages; an entry point names a module or a `Node` class."""
USER = "user_nodes"
"""Package name under which the files of the user's folder are imported."""


@dataclass
class Source:
    """A file that declares node types, as it was when it was last read."""

    path: Path
    stamp: tuple[int, int]  # time of change in ns, bytes
    ids: set[str] = field(default_factory=set)
    only: set[str] = field(default_factory=set)  # names of the classes that entry points chose; empty: all


classes: dict[str, type[Node]] = {}
"""Every node class by id; `nodes.catalog.load` fills it."""
problems: list[str] = []
"""What cannot be used as it stands, one sentence each."""
_sources: dict[str, Source] = {}  # by module name
_said: dict[str, list[str]] = {}  # problems by module name or entry point
_failed: set[str] = set()  # entry points to try again
_lock = threading.RLock()


def folder() -> Path:
    """The user's node folder: `$ZRACK_NODES`, else `nodes` in zrack's folder for user data.  It need not exist."""
    named = os.environ.get("ZRACK_NODES")
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_data_dir("zrack", appauthor=False)) / "nodes"


def load() -> list[str]:
    """Fills `classes` and `graph.spec.registry`.  Never raises; returns a sentence for each thing it cannot use."""
    with _lock:
        for target in [*(f"{__package__}.{name}" for name in BUILT_IN), *_entry_points()]:
            _import(target)
        _user_files()
        return _problems()


def of(kind: str, settings: Mapping[str, Any], folder: Path | None) -> type[Node] | None:
    """The class of a node with these settings in a patch in `folder`; None where it is not known: a placeholder."""
    cls = classes.get(kind)
    if cls is None or cls.spec.shaped is None:
        return cls
    try:
        return cls.variant(settings, folder)
    except PatchError:
        return None


def reload() -> list[str]:
    """Reads again every file that changed, and the user's new ones.  Never raises; returns what is newly wrong.

    A file with a mistake keeps its old classes and yields one sentence with file and line.  A class that its file no
    longer declares goes; the classes of a deleted file stay until the program ends.
    """
    with _lock:
        before = set(problems)
        for name, source in list(_sources.items()):
            stamp = _stamp(source.path)
            if stamp and stamp != source.stamp:
                source.stamp = stamp
                _said[name] = _execute(name, source.path)
                before -= set(_said[name])  # said again when the file was saved again
        for target in sorted(_failed):
            _import(target)
        _user_files()
        return [text for text in _problems() if text not in before]


def _problems() -> list[str]:
    problems[:] = [text for texts in _said.values() for text in texts]
    return list(problems)


def watch(stop: threading.Event | None = None) -> Iterator[list[str]]:
    """Waits for changes to files with node types and reloads; yields `reload`'s sentences after each, until `stop`."""
    from watchfiles import watch as changes

    folder().mkdir(parents=True, exist_ok=True)
    places = {folder(), *(s.path.parent for s in _sources.values() if s.path.parent != Path(__file__).parent)}
    for _ in changes(*places, stop_event=stop, recursive=False, debounce=200):
        yield reload()


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


def _entry_points() -> list[str]:
    from importlib.metadata import entry_points

    return [entry.value.split("[")[0].strip() for entry in sorted(entry_points(group=GROUP))]


def _import(target: str) -> None:
    """Imports `module` or `module:Class` and takes up the node types in it."""
    name, _, attribute = target.partition(":")
    _failed.discard(target)
    _said.pop(target, None)
    try:
        module = importlib.import_module(name)
        item = module
        for part in attribute.split(".") if attribute else ():
            item = getattr(item, part)
        if isinstance(item, type) and issubclass(item, Node) and item.id:
            home = sys.modules[item.__module__]
            _source(home.__name__).only.add(item.__name__)
            declared = _declared(home, home.__name__.__eq__)
        elif isinstance(item, ModuleType):
            # a package may collect in its __init__ what its modules declare
            declared = _declared(item, lambda at: at == name or at.startswith(name + "."))
        else:
            raise TypeError(f"{target} is neither a module nor a node type with an id, so it adds nothing")
    except (Exception, SystemExit) as error:  # a stranger's module may raise anything
        _failed.add(target)
        _said[target] = [_sentence(error, name, None)]
        return
    for home in dict.fromkeys([c.__module__ for c in declared] or [name]):
        _said[home] = _take(home, [c for c in declared if c.__module__ == home])


def _user_files() -> None:
    """Takes up the files of the user's folder that are not known yet."""
    place = folder()
    package = sys.modules.setdefault(USER, ModuleType(USER, "The files of the user's node folder."))
    package.__path__ = [str(place)]
    try:
        paths = sorted(place.glob("*.py"))
    except OSError:  # a folder that cannot be read holds nothing
        return
    for path in paths:
        name = f"{USER}.{path.stem}"
        known = _sources.get(name)
        stamp = _stamp(path)
        if path.stem.startswith("_") or stamp is None or (known and known.path == path):
            continue
        _sources[name] = Source(path, stamp, known.ids if known else set())
        _said[name] = _execute(name, path)


def _execute(name: str, path: Path) -> list[str]:
    """Runs a file as module `name` and takes up its node types; where it fails the old module stays.

    The text is compiled here because Python's own cache of bytecode misses a change within one second.
    """
    inside = [str(path.parent)] if path.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=inside)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    old = sys.modules.get(name)
    linecache.checkcache(str(path))
    sys.modules[name] = module  # dataclasses and the like look themselves up while they are made
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)  # noqa: S102 - the user's own file
    except (Exception, SystemExit) as error:
        if old is None:
            del sys.modules[name]
        else:
            sys.modules[name] = old
        return [_sentence(error, name, path)]
    parent, _, last = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], last, module)
    return _take(name, _declared(module, name.__eq__))


def _declared(module: ModuleType, belongs: Callable[[str], bool]) -> list[type[Node]]:
    """Node types among a module's names that come from a module with a name that `belongs`."""
    every = [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, Node) and c.id]
    return [c for c in dict.fromkeys(every) if belongs(c.__module__)]


def _source(name: str) -> Source:
    """What is known of a module's file."""
    if name not in _sources:
        path = Path(getattr(sys.modules.get(name), "__file__", None) or name)
        _sources[name] = Source(path, _stamp(path) or (0, 0))
    return _sources[name]


def _take(name: str, declared: list[type[Node]]) -> list[str]:
    """Registers the classes of one module, and drops what it no longer declares; returns what it refuses."""
    source, ids, refused = _source(name), set[str](), []
    for cls in declared:
        if source.only and cls.__name__ not in source.only:
            continue
        owner = next((s for n, s in _sources.items() if cls.id in s.ids and n != name), None)
        if cls.id in ids or (owner and owner.path.exists()):
            taken = owner.path if owner else "another class of this file"
            refused.append(
                f"{source.path}:{_line(source.path, cls.__name__)}: the id {cls.id} is taken by {taken}, "
                f"so {cls.__name__} is not used."
            )
            continue
        if owner:  # its file was renamed
            owner.ids.discard(cls.id)
        ids.add(cls.id)
        classes[cls.id] = cls
        registry[cls.id] = cls.spec
    for gone in source.ids - ids:
        classes.pop(gone, None)
        registry.pop(gone, None)
    source.ids = ids
    return refused


def _line(path: Path, name: str) -> int:
    """Line of the last class called `name` in a file."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return 1
    return max([n.lineno for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == name], default=1)


def _sentence(error: BaseException, name: str, path: Path | None) -> str:
    """File, line and message of an exception that a file's code raised, in one line."""
    where, line, text = str(path or name), 0, str(error) or type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        where, line, text = error.filename, error.lineno or 0, error.msg
    else:
        for frame in traceback.extract_tb(error.__traceback__):
            at = frame.filename
            if at == str(path) if path else at.endswith(".py") and at not in (__file__, importlib.__file__):
                where, line = at, frame.lineno or 0  # the innermost wins
    text = " ".join(text.split()).rstrip(".")
    return f"{where}:{line}: {text}." if line else f"{where}: {text}."
