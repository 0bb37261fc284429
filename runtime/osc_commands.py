"""What OSC can ask for beyond values: each address with its arguments and what it does.

Changes to the patch become the edits of `graph.edits`, so that they are undone and journalled like anyone's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graph import PatchError, disk, edits, values, wire
from graph.editing import Edit
from graph.errors import show

from .tempo import Tap

if TYPE_CHECKING:
    from .session import Session

Arg = Callable[[str, Any], Any]  # (what it is called, the argument) -> the argument as it is used, or PatchError


def text(name: str, value: Any) -> str:
    """Text of at most 4096 characters."""
    return values.text(name, value)


def number(name: str, value: Any) -> float:
    """A finite number; text that is one and true or false too."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise PatchError(f"{name} takes a number, not {show(value)}") from None
    return values.number(name, float(value) if isinstance(value, bool) else value, -1e12, 1e12)


def either(name: str, value: Any) -> str | float:
    """Text or a finite number."""
    return text(name, value) if isinstance(value, str) else number(name, value)


@dataclass(frozen=True)
class Command:
    """`run(desk, *args)`: the first `least` arguments must come, those of `more` may come in any number, in groups."""

    run: Callable[..., None]
    usage: str = ""
    takes: tuple[Arg, ...] = ()
    least: int | None = None
    more: tuple[Arg, ...] = ()

    def wanted(self, args: tuple[Any, ...]) -> bool:
        """False where a button was released."""
        return bool(self.takes) or len(args) != 1 or args[0] is None or bool(args[0])

    def read(self, address: str, args: tuple[Any, ...]) -> list[Any]:
        """The arguments as they are used.  Raises PatchError with the usage."""
        if not self.takes and len(args) == 1 and not isinstance(args[0], str):
            args = ()  # a button sends its state along; `wanted` says whether it was pressed
        least = len(self.takes) if self.least is None else self.least
        rest = len(args) - len(self.takes)
        if len(args) < least or (rest > 0 and (not self.more or rest % len(self.more))):
            wants = f"takes {self.usage}" if self.usage else "takes no arguments"
            raise PatchError(f"{address} {wants}, not {len(args)} argument{'s' * (len(args) != 1)}")
        kinds = [*self.takes, *self.more * (max(rest, 0) // max(len(self.more), 1))]
        names = [w.strip("[]") for w in self.usage.split() if w.strip("[]…")]
        names += names[-len(self.more) :] * (len(args) if self.more else 0)
        return [kind(f"{address}: {name}", arg) for kind, name, arg in zip(kinds, names, args, strict=False)]


class Desk:
    """What the commands work on: a session, and the tapped tempo so far."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.taps = Tap()

    def do(self, edit: Edit) -> None:
        """Applies an edit through the session."""
        self.session.op({"do": wire.to_map(edit)})

    def near(self, make: Callable[..., Edit], *names: str) -> Edit:
        """The edit `make(*names)`, around which stands the sub-patch that all `names` ("sub/inner") lie in."""
        heads = {n.rpartition("/")[0] for n in names}
        if len(heads) > 1:
            raise PatchError(f"{' and '.join(map(show, names))} do not lie in the same patch")
        edit = make(*(n.rpartition("/")[2] for n in names))
        for sub in reversed([part for part in heads.pop().split("/") if part]):
            edit = edits.Inside(sub, edit)
        return edit

    def file(self, name: str) -> str:
        """The name of a patch in the folder of the patch, refused if it could lead out of it."""
        values.filename("a patch", name)
        if not name:
            raise PatchError("a patch needs a name")
        folder = self.session.patch.folder
        if folder is not None:
            path = folder / name
            if any(p.is_symlink() for p in (path, *path.parents) if p != folder and p.is_relative_to(folder)):
                raise PatchError(f"{name} is a link, which is not followed from outside")
            if path.exists():
                disk.confined(folder, name)
        return name

    # snapshots

    def recall(self, name: str, seconds: float = 0.0) -> None:
        self.session.recall(name, max(seconds, 0.0))

    def capture(self, name: str, *only: str) -> None:
        self.session.capture(name, [port(p) for p in only] or None)

    def blend(self, *pairs: Any) -> None:
        weights: dict[str, float] = {}
        for name, weight in zip(pairs[::2], pairs[1::2], strict=True):
            weights[name] = weights.get(name, 0.0) + weight
        self.session.blend(weights)

    def morph(self, a: str, b: str, x: float) -> None:
        x = _unit(x)
        self.blend(a, 1.0 - x, b, x)

    def xy(self, a: str, b: str, c: str, d: str, x: float, y: float) -> None:
        x, y = _unit(x), _unit(y)
        self.blend(a, (1.0 - x) * (1.0 - y), b, x * (1.0 - y), c, (1.0 - x) * y, d, x * y)

    # time

    def tap(self) -> None:
        bpm = self.taps.tap(time.monotonic())
        if bpm is not None:
            self.session.tempo(bpm)

    # the patch

    def add(self, type: str, *rest: Any) -> None:
        name = rest[0] if rest and isinstance(rest[0], str) else ""
        place = rest[1:] if name else rest
        if len(place) not in (0, 2) or any(isinstance(p, str) for p in place):
            raise PatchError("/patch/add takes type [name] [x y]")
        with self.session.lock:
            name = name or self.session.patch.free(type)
        at = (place[0], place[1]) if place else (0.0, 0.0)
        self.do(self.near(lambda n: edits.AddNode(type, n, at=at), name))

    def connect(self, src: str, dst: str, *rest: Any) -> None:
        amount = next((r for r in rest if not isinstance(r, str)), 1.0)
        mode: Any = next((r for r in rest if isinstance(r, str)), None)
        self.do(self.near(lambda a, b: edits.Connect(a, b, amount, mode), src, dst))

    def disconnect(self, src: str, dst: str) -> None:
        self.do(self.near(edits.Disconnect, src, dst))

    def amount(self, src: str, dst: str, amount: float) -> None:
        self.do(self.near(lambda a, b: edits.SetCable(a, b, amount), src, dst))

    def remove(self, name: str) -> None:
        self.do(self.near(edits.RemoveNode, name))

    def rename(self, old: str, new: str) -> None:
        head = old.rpartition("/")[0]
        self.do(self.near(edits.Rename, old, new if "/" in new or not head else f"{head}/{new}"))

    def move(self, name: str, x: float, y: float) -> None:
        self.do(self.near(lambda n: edits.Move(n, (x, y)), name))

    def bypass(self, name: str, on: float = 1.0) -> None:
        self.do(self.near(lambda n: edits.SetBypass(n, on >= 0.5), name))

    def group(self, into: str, *names: str) -> None:
        self.do(self.near(lambda i, *n: edits.Group(n, i), into, *names))

    def setting(self, name: str, port: str, value: str | float) -> None:
        with self.session.lock:
            spec = inside(self.session.patch, name)
        setting = spec.settings.get(port) if spec else None
        whole = setting is not None and setting.kind == "int" and isinstance(value, float) and value.is_integer()
        given: Any = int(value) if whole else value
        if setting is not None and setting.kind == "choice" and given in range(len(setting.options)):
            given = setting.options[int(given)]
        self.do(self.near(lambda n: edits.SetSetting(n, port, given), name))

    def load(self, name: str) -> None:
        self.session.op({"load": self.file(name)})

    def store(self, name: str = "") -> None:
        self.session.op({"save": self.file(name) if name else ""})

    # what the session offers beyond its patch

    def learn(self, target: str) -> None:
        self.session.learn(*port(target))

    def go(self, which: str | float) -> None:
        self.session.go(which if isinstance(which, str) else int(which))

    def record(self, name: str = "") -> None:
        if name and (name != values.filename("a recording", name) or "/" in name):
            raise PatchError(f"a recording takes a plain name, not {show(name)}")
        self.session.record(name or "recording.wav")


def port(target: str) -> tuple[str, str]:
    """(path of a node, port) of "node.port" or "sub/inner.port", or PatchError."""
    path, _, name = target.rpartition(".")
    if not path or not name:
        raise PatchError(f"a port is written node.port, not {show(target)}")
    return path, name


def inside(patch: Any, path: str) -> Any:
    """The type of the node at `path`, None where it is unknown.  Raises PatchError where there is no such node."""
    *subs, name = path.split("/")
    for sub in subs:
        patch = patch.inner(sub)
        if patch is None:
            raise PatchError("holds no patch", node=sub)
    return patch.spec(name) or patch.base(name)


def _unit(x: float) -> float:
    return min(max(x, 0.0), 1.0)


def _transport(word: str) -> Command:
    return Command(lambda desk: desk.session.transport(word))


COMMANDS: Mapping[str, Command] = {
    "/snapshot/recall": Command(Desk.recall, "name [seconds]", (text, number), 1),
    "/snapshot/capture": Command(Desk.capture, "name [node.param …]", (text,), 1, (text,)),
    "/snapshot/blend": Command(Desk.blend, "name weight …", (text, number), 2, (text, number)),
    "/snapshot/morph": Command(Desk.morph, "a b x", (text, text, number)),
    "/snapshot/xy": Command(Desk.xy, "a b c d x y", (text, text, text, text, number, number)),
    "/transport/play": _transport("play"),
    "/transport/stop": _transport("stop"),
    "/transport/reset": _transport("reset"),
    "/transport/panic": _transport("panic"),
    "/clock/tempo": Command(lambda desk, bpm: desk.session.tempo(bpm), "bpm", (number,)),
    "/clock/tap": Command(Desk.tap),
    "/patch/add": Command(Desk.add, "type [name] [x y]", (text, either, either, either), 1),
    "/patch/remove": Command(Desk.remove, "name", (text,)),
    "/patch/connect": Command(Desk.connect, "src dst [amount] [mode]", (text, text, either, either), 2),
    "/patch/disconnect": Command(Desk.disconnect, "src dst", (text, text)),
    "/patch/amount": Command(Desk.amount, "src dst amount", (text, text, number)),
    "/patch/rename": Command(Desk.rename, "old new", (text, text)),
    "/patch/move": Command(Desk.move, "name x y", (text, number, number)),
    "/patch/setting": Command(Desk.setting, "name setting value", (text, text, either)),
    "/patch/bypass": Command(Desk.bypass, "name [on]", (text, number), 1),
    "/patch/group": Command(Desk.group, "name node …", (text, text), 2, (text,)),
    "/patch/undo": Command(lambda desk: desk.session.op({"undo": 1})),
    "/patch/redo": Command(lambda desk: desk.session.op({"redo": 1})),
    "/patch/load": Command(Desk.load, "name", (text,)),
    "/patch/save": Command(Desk.store, "[name]", (text,), 0),
    "/setlist/next": Command(lambda desk: desk.session.next_patch()),
    "/setlist/go": Command(Desk.go, "number-or-name", (either,)),
    "/record/start": Command(Desk.record, "[name]", (text,), 0),
    "/record/stop": Command(lambda desk: desk.session.record(None)),
    "/model/reload": Command(lambda desk, name: desk.session.reload(name), "name", (text,)),
    "/tape/keep": Command(lambda desk, name: desk.session.keep(name), "name", (text,)),
    "/midi/learn": Command(Desk.learn, "node.param", (text,)),
}
"""Every command by address.  `/ping`, `/get`, `/subscribe` and `/unsubscribe` are the server's own."""
