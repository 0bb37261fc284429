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
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from graph.spec import registry

from .base import Node

BUILT_IN = ("plumbing", "io", "sources", "modulators", "maths", "routing", "pitch", "filters", "effects", "latents")
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


classes: dict[str, type[Node]] = {}
"""Every node class by id; `nodes.catalog.load` fills it."""
problems: list[str] = []
"""What the last `load` or `reload` could not use, one sentence each."""
_sources: dict[str, Source] = {}  # by module name
_lock = threading.RLock()


def folder() -> Path:
    """The user's node folder: `$ZRACK_NODES`, else `nodes` in zrack's folder for user data.  It need not exist."""
    named = os.environ.get("ZRACK_NODES")
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_data_dir("zrack", appauthor=False)) / "nodes"


def load() -> list[str]:
    """Fills `classes` and `graph.spec.registry`.  Never raises; returns a sentence for each file it cannot use."""
    found: list[str] = []
    with _lock:
        for name in BUILT_IN:
            _import(f"{__package__}.{name}", found)
        for entry in _entry_points():
            _import(entry, found)
        _user_files(found)
        problems[:] = found
    return found


def reload() -> list[str]:
    """Reads again every file that changed, and the user's new ones.  Never raises.

    A file with a mistake keeps its old classes and yields one sentence with file and line.  A class that its file no
    longer declares goes; the classes of a deleted file stay until the program ends.
    """
    found: list[str] = []
    with _lock:
        for name, source in list(_sources.items()):
            stamp = _stamp(source.path)
            if stamp and stamp != source.stamp:
                source.stamp = stamp
                _execute(name, source.path, found)
        _user_files(found)
        problems[:] = found
    return found


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


def _import(target: str, found: list[str]) -> None:
    """Imports `module` or `module:Class` and takes up the node types in it."""
    name, _, attribute = target.partition(":")
    try:
        module = importlib.import_module(name)
        item = module
        for part in attribute.split(".") if attribute else ():
            item = getattr(item, part)
    except ModuleNotFoundError as error:
        if error.name == name and name.startswith(f"{__package__}."):
            return
        found.append(_sentence(error, name, None))
        return
    except (Exception, SystemExit) as error:  # a stranger's module may raise anything
        found.append(_sentence(error, name, None))
        return
    if isinstance(item, type) and issubclass(item, Node):
        _take(item.__module__, [item], found)
    elif isinstance(item, ModuleType):
        # a package may collect in its __init__ what its modules declare
        every = _declared(item, lambda at: at == name or at.startswith(name + "."))
        for home in dict.fromkeys([c.__module__ for c in every] or [name]):
            _take(home, [c for c in every if c.__module__ == home], found)
    else:
        found.append(f"{target} is neither a module nor a Node class, so it adds no node type.")


def _user_files(found: list[str]) -> None:
    place = folder()
    if USER not in sys.modules:
        sys.modules[USER] = ModuleType(USER, "The files of the user's node folder.")
    sys.modules[USER].__path__ = [str(place)]
    try:
        paths = sorted(place.glob("*.py"))
    except OSError as error:
        found.append(f"{place}: {error.strerror}.")
        return
    for path in paths:
        name = f"{USER}.{path.stem}"
        known = _sources.get(name)
        stamp = _stamp(path)
        if path.stem.startswith("_") or stamp is None or (known and known.path == path):
            continue
        _sources[name] = Source(path, stamp, known.ids if known else set())
        _execute(name, path, found)


def _execute(name: str, path: Path, found: list[str]) -> None:
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
        found.append(_sentence(error, name, path))
        if old is None:
            del sys.modules[name]
        else:
            sys.modules[name] = old
        return
    parent, _, last = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], last, module)
    _take(name, _declared(module, name.__eq__), found)


def _declared(module: ModuleType, belongs) -> list[type[Node]]:  # type: ignore[no-untyped-def]
    every = [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, Node) and c.id]
    return [c for c in dict.fromkeys(every) if belongs(c.__module__)]


def _take(name: str, declared: list[type[Node]], found: list[str]) -> None:
    """Registers the classes of one module, and drops what it no longer declares."""
    if name not in _sources:
        path = Path(getattr(sys.modules.get(name), "__file__", None) or name)
        _sources[name] = Source(path, _stamp(path) or (0, 0))
    source = _sources[name]
    ids: set[str] = set()
    for cls in declared:
        owner = next((s for n, s in _sources.items() if cls.id in s.ids and n != name), None)
        if cls.id in ids or (owner and owner.path.exists()):
            at = owner.path if owner else source.path
            found.append(f"{source.path}:{_line(source.path, cls.__name__)}: the id {cls.id} is taken by {at}; "
                         f"{cls.__name__} is not used.")  # fmt: skip
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


def _line(path: Path, name: str) -> int:
    """Line of the last class called `name` in a file."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return 1
    return max([n.lineno for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == name], default=1)


def _sentence(error: BaseException, name: str, path: Path | None) -> str:
    """File, line and message of an exception that a file's code raised, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    where, line = str(path or name), 0
    if isinstance(error, SyntaxError) and error.filename:
        where, line = error.filename, error.lineno or 0
        text = error.msg
    else:
        inside = [f for f in frames if not path or f.filename == str(path)]
        if inside and (path or inside[-1].filename.endswith(".py")):
            where, line = inside[-1].filename, inside[-1].lineno or 0
        text = str(error) or type(error).__name__
    text = " ".join(text.split()).rstrip(".")
    return f"{where}:{line}: {text}." if line else f"{where}: {text}."
