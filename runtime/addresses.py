"""The address tree: what a value's OSC address names, and which addresses a pattern means.

`/node/<name>/<param>` is a param in its unit or a choice, with `/knob` after it a knob's position 0…1,
`/node/<name>/bypass` takes a node out of the way, `/node/<sub>/node/<inner>/…` goes into a sub-patch.  Any other
address may be one that an `osc/in` node listens to.
"""

from __future__ import annotations

import fnmatch
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from graph import Patch, PatchError
from graph.errors import show, suggest
from graph.spec import Choice, Param
from graph.values import span

if TYPE_CHECKING:
    from .session import Session

LISTEN = "osc/in"  # the node type that listens to any address
LIVE = "live"  # as in `session`: gesture of values that are live input, logged as sound is, but no edits
HITS = 1_000_000  # where the count of messages begins again
MATCHES = 1024  # addresses that one pattern reaches
SPECIAL = frozenset("?*[]{}")
_brace = re.compile(r"\{([^{}]*)\}")


class Unknown(PatchError):
    """An address that names nothing.  The sentence is looked for only when it is read: floods must cost little."""

    def __init__(self, explain: Callable[[], object]) -> None:
        super().__init__("")
        self.explain = explain

    def __str__(self) -> str:
        try:
            return str(self.explain())
        except PatchError as e:
            return str(e)


class Outside(PatchError):
    """A number beyond its range; `value` is the nearest inside, which is taken instead."""

    def __init__(self, text: str, value: float, node: str, port: str) -> None:
        super().__init__(text, node=node, port=port)
        self.value = value


class Target:
    """One value of the patch as an address names it.  `stream`: only the newest of several values counts.

    `index` is which argument it takes, 0 the only one.
    """

    stream = True
    index = 0
    suffix = ""

    def __init__(self, session: Session, path: str, port: str) -> None:
        self.session, self.path, self.port = session, path, port
        self.gesture = ("osc", path, port)
        self.address = written(path, port) + self.suffix

    def convert(self, value: Any) -> float | str:
        """An argument as the value that `put` takes.  Raises Outside or PatchError."""
        raise NotImplementedError

    def put(self, value: float | str, time: int = 0) -> None:
        """Sets the value at sample `time` (0 is now).  Raises PatchError."""
        self.session.set(self.path, self.port, value, time=time, gesture=self.gesture)

    def get(self) -> float | str:
        """The base value now."""
        value: float | str = self.session.get(self.path, self.port)
        return value

    def number(self, value: Any) -> float:
        """An argument as a number, finite or not: text and booleans too.  Raises PatchError."""
        if isinstance(value, int | float):
            return float(value)
        try:
            return float(value) if isinstance(value, str) else float("x")
        except ValueError:
            raise self.error(f"{self.port} takes a number, not {show(value)}") from None

    def error(self, text: str) -> PatchError:
        return PatchError(text, node=self.path, port=self.port)


class Value(Target):
    """A param in its unit."""

    def __init__(self, session: Session, path: str, port: str, param: Param) -> None:
        super().__init__(session, path, port)
        self.param, self.low, self.high, self.unit = param, param.low, param.high, param.unit

    def convert(self, value: Any) -> float:
        if type(value) is not float:
            value = self.number(value)
        if self.low <= value <= self.high:
            return float(value)
        if value - value != 0.0:
            raise self.error(f"{self.port} takes {span(self.low, self.high, self.unit)}, not {show(value)}")
        inside: float = min(max(value, self.low), self.high)
        if abs(value - inside) <= 1e-6 * abs(inside):  # a float32 of the range's end
            return inside
        text = f"{self.port} takes {span(self.low, self.high, self.unit)}; {show(value)} became {show(inside)}"
        raise Outside(text, inside, self.path, self.port)


class Knob(Value):
    """A param by the position of its knob, 0…1."""

    suffix = "/knob"

    def __init__(self, session: Session, path: str, port: str, param: Param) -> None:
        super().__init__(session, path, port, param)
        self.low, self.high, self.unit = 0.0, 1.0, "as knob position"

    def put(self, value: float | str, time: int = 0) -> None:
        self.session.set(self.path, self.port, value, knob=True, time=time, gesture=self.gesture)

    def get(self) -> float:
        return self.param.knob(float(super().get()))


class Switch(Target):
    """A choice, by an option's name or its index, counted from 0."""

    def __init__(self, session: Session, path: str, port: str, choice: Choice) -> None:
        super().__init__(session, path, port)
        self.options = choice.options

    def convert(self, value: Any) -> str:
        if isinstance(value, str):
            if value in self.options:
                return value
            raise self.error(f"{self.port} has no option {show(value)}{suggest(value, self.options)}")
        index = self.number(value)
        if index not in range(len(self.options)):
            raise self.error(f"{self.port} takes 0 … {len(self.options) - 1} or {', '.join(self.options)}, not {show(value)}")
        return self.options[int(index)]


class Bypass(Target):
    """Whether a node is out of the way: 1, true or "on"."""

    def convert(self, value: Any) -> float:
        if isinstance(value, str) and value in ("on", "off"):
            return float(value == "on")
        number = self.number(value)
        if number - number != 0.0:
            raise self.error(f"bypass takes 0 or 1, not {show(value)}")
        return float(number >= 0.5)


class Listener(Target):
    """An `osc/in` node: its argument number `index` becomes its value; every message counts as a hit."""

    stream = False  # a gate or a trigger must not be left out

    def __init__(self, session: Session, path: str, index: int, hits: Iterator[int]) -> None:
        super().__init__(session, path, "value")
        self.index, self.hits = index - 1, hits

    def convert(self, value: Any) -> float:
        number = self.number(value)
        if not -1e6 <= number <= 1e6:
            raise self.error(f"value takes {span(-1e6, 1e6)}, not {show(number)}")
        return number

    def put(self, value: float | str, time: int = 0) -> None:
        self.session.set(self.path, "value", value, time=time, gesture=LIVE)
        self.hit(time)

    def hit(self, time: int = 0) -> None:
        """Counts a message, which opens the node's trigger."""
        self.session.set(self.path, "hits", float(next(self.hits)), time=time, gesture=LIVE)


class Directory:
    """Every value address of the patch that plays, found when first asked for; `clear` after the patch changed.

    `words` are other addresses, to be suggested where one is unknown.  For one thread.
    """

    def __init__(self, session: Session, words: Iterable[str] = ()) -> None:
        self.session, self.words = session, tuple(words)
        self._hits = itertools.cycle(range(1, HITS))
        self.clear()

    def clear(self) -> None:
        """Forgets what was found."""
        self._found: dict[str, list[Target]] = {}
        self._listeners: dict[str, list[Target]] | None = None
        self._all: list[str] | None = None

    def find(self, address: str) -> list[Target]:
        """What the address or pattern names, at least one.  Raises Unknown."""
        found = self._found.get(address)
        if found is None:
            if not SPECIAL.isdisjoint(address):
                found = [t for one in self.match(address) for t in self.find(one)]
                if not found:
                    raise Unknown(lambda: f"no address is like {address}")
            else:
                with self.session.lock:
                    found = [*self.listeners().get(address, ())]
                    if address.startswith("/node/"):
                        found.append(self._target(address))
                if not found:
                    raise Unknown(lambda: f"nothing listens at {show(address)}{suggest(address, self.known())}")
            if len(self._found) >= 1 << 14:
                self._found.clear()
            self._found[address] = found
        return found

    def known(self) -> list[str]:
        """The addresses outside `/node` that mean something."""
        return [*self.words, *self.listeners()]

    def listeners(self) -> dict[str, list[Target]]:
        """What `osc/in` nodes listen to, by address."""
        if self._listeners is None:
            found: dict[str, list[Target]] = {}
            for path, patch, name in _walk(self.session.patch, ""):
                if patch.nodes[name].type == LISTEN and patch.spec(name) is not None:
                    address, index = str(patch.value(name, "address")), int(patch.value(name, "index"))
                    found.setdefault(address, []).append(Listener(self.session, path, index, self._hits))
            self._listeners = found
        return self._listeners

    def addresses(self) -> list[str]:
        """Every value address there is."""
        if self._all is None:
            with self.session.lock:
                found = list(self.listeners())
                for path, patch, name in _walk(self.session.patch, ""):
                    spec = patch.spec(name)
                    if spec is not None:
                        found += [written(path, port) for port in (*spec.params, *spec.choices, "bypass")]
                        found += [written(path, port) + "/knob" for port in spec.params]
            self._all = found
        return self._all

    def match(self, pattern: str) -> list[str]:
        """The value addresses that a pattern means, at most `MATCHES`; `*` stays within one word of an address."""
        found = (address for address in self.addresses() if like(pattern, address))
        return list(itertools.islice(found, MATCHES))

    def _target(self, address: str) -> Target:
        """The target of a plain `/node/` address, or Unknown."""
        patch, words = self.session.patch, address.split("/")[2:]
        name = path = words[0]
        while name in patch.nodes and len(words) > 2 and words[1] == "node":
            inner = patch.inner(name)
            if inner is None:
                raise _unknown("holds no patch to look into", path)
            patch, words = inner, words[2:]
            name = words[0]
            path = f"{path}/{name}"
        if name not in patch.nodes:
            raise Unknown(lambda: _no_node(patch, path))
        spec, rest = patch.spec(name), words[1:]
        if spec is None:
            raise _unknown(f"its type {patch.nodes[name].type} is unknown here", path)
        port = spec.renamed(rest[0]) if rest else ""
        if port in spec.params and rest[1:] in ([], ["knob"]):
            return (Knob if rest[1:] else Value)(self.session, path, port, spec.params[port])
        if port in spec.choices and len(rest) == 1:
            return Switch(self.session, path, port, spec.choices[port])
        if rest == ["bypass"]:
            return Bypass(self.session, path, "bypass")
        if port in spec.settings:
            raise _unknown(f"{port} is one of its settings; /patch/setting changes them", path)
        known = [*spec.params, *spec.choices, "bypass"]
        raise Unknown(lambda: _none(spec.id, path, "/".join(rest), known))


def _unknown(text: str, path: str) -> Unknown:
    return Unknown(lambda: PatchError(text, node=path))


def _no_node(patch: Patch, path: str) -> PatchError:
    sub, _, name = path.rpartition("/")
    return PatchError(f"no node is called {show(name)}{suggest(name, patch.nodes)}", node=sub)


def _none(type: str, path: str, port: str, known: list[str]) -> PatchError:
    return PatchError(f"{type} has no param {show(port)}{suggest(port, known)}", node=path)


def written(path: str, port: str) -> str:
    """The address of a port of the node `path` ("sub/inner" inside a sub-patch)."""
    return f"/node/{path.replace('/', '/node/')}/{port}"


def _walk(patch: Patch, prefix: str) -> Iterator[tuple[str, Patch, str]]:
    """(path, the patch it lies in, its name there) of every node, those in sub-patches too."""
    for name in patch.nodes:
        yield prefix + name, patch, name
        if patch.nodes[name].type == "rack/patch":
            inner = patch.inner(name)
            if inner is not None:
                yield from _walk(inner, f"{prefix}{name}/")


@lru_cache(256)
def _shapes(pattern: str) -> list[list[re.Pattern[str]]]:
    """A pattern as expressions for the words of an address, one list for each of at most 64 ways to choose in braces."""
    done: list[str] = []
    todo = [pattern[:512]]
    while todo and len(done) + len(todo) <= 64:
        one = todo.pop()
        brace = _brace.search(one)
        if brace is None:
            done.append(one)
        else:
            todo += [one[: brace.start()] + word + one[brace.end() :] for word in brace[1].split(",")]
    return [[re.compile(fnmatch.translate(word)) for word in one.split("/")] for one in done]


def like(pattern: str, address: str) -> bool:
    """Whether an address is one that a pattern of `?`, `*`, `[a-z]`, `[!a-z]` and `{this,that}` means."""
    words = address.split("/")
    return any(len(s) == len(words) and all(map(re.Pattern.match, s, words)) for s in _shapes(pattern))
