"""The address tree as plain data: what OSC reaches in a patch, described in the attributes of OSCQuery.

A tree is nested dicts: FULL_PATH, DESCRIPTION, ACCESS (0 a container, 1 read, 2 write, 3 both), TYPE (OSC type tags),
VALUE, RANGE, UNIT, CLIPMODE and EXTENDED_TYPE (lists with one entry a type tag), TAGS, OVERLOADS, and CONTENTS, the
tree's branches by name.  Nothing is kept: `find` builds the one branch that is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from graph import Patch, PatchError
from graph.spec import Choice, NodeSpec, Param
from graph.subpatch import INLET, OUTLET, PATCH

from .addresses import LISTEN
from .osc_commands import COMMANDS, Command, number, text

Tree = dict[str, Any]
Get = Callable[[str, str], Any]
"""The base value of a port ("bypass" too) of the node at a path ("sub/inner" inside a sub-patch)."""

UNITS = {
    "Hz": "time.hz", "s": "time.second", "ms": "time.ms", "samples": "time.samples", "bpm": "time.bpm", "cents": "time.cents",
    "dB": "gain.db-raw",
}  # fmt: skip
"""Our units under the names that OSCQuery has for them; others keep ours."""

ENDS = (INLET, OUTLET)  # of a sub-patch: nothing that could be moved or bypassed

CLOCK = ("mod/clock", "bpm")  # the node type and param that /clock/tempo moves

ABOUT = {
    "/": "what can be played and patched here",
    "/node": "the nodes of the patch and their params",
    "/snapshot": "captured knobs and switches",
    "/snapshot/recall": "goes to a snapshot, in so many seconds",
    "/snapshot/capture": "captures all knobs and switches, or those that are named",
    "/snapshot/blend": "mixes snapshots, each by its weight",
    "/snapshot/morph": "goes from one snapshot (0) to another (1)",
    "/snapshot/xy": "goes between four snapshots at the corners of a square",
    "/transport": "sample time",
    "/transport/play": "goes on",
    "/transport/stop": "freezes sample time",
    "/transport/reset": "goes back to sample 0 and the initial state",
    "/transport/panic": "silences everything at once",
    "/clock": "the tempo",
    "/clock/tempo": "beats a minute of every clock",
    "/clock/tap": "taps the tempo",
    "/patch": "changes to the patch, each undone by /patch/undo",
    "/patch/add": "adds a node",
    "/patch/remove": "removes a node and its cables",
    "/patch/connect": "draws a cable from node.outlet to node.inlet",
    "/patch/disconnect": "removes a cable",
    "/patch/amount": "the amount of a cable",
    "/patch/rename": "gives a node another name",
    "/patch/move": "moves a node on the canvas",
    "/patch/setting": "changes a setting of a node",
    "/patch/bypass": "takes a node out of the way, or back in",
    "/patch/group": "puts nodes into a sub-patch",
    "/patch/undo": "takes the last change back",
    "/patch/redo": "does the last undone change again",
    "/patch/load": "loads another patch of the same folder",
    "/patch/save": "saves the patch, where that is allowed",
    "/setlist": "the patches of the set-list",
    "/setlist/next": "goes to the next patch",
    "/setlist/go": "goes to a patch by number or name",
    "/record": "the recorder",
    "/record/start": "records the master",
    "/record/stop": "ends the recording",
    "/midi": "MIDI",
    "/midi/learn": "binds the next controller that moves to a param",
}


def find(patch: Patch, address: str, get: Get | None = None, deep: bool = True) -> Tree | None:
    """The branch at `address`, None where there is nothing; without CONTENTS where it is not to be `deep`.

    `get` reads values; without one, and where it raises PatchError (it may know what plays only), they are what the
    patch holds.  Whoever shares the patch holds its lock.
    """
    words = address.split("/")[1:]
    if not address.startswith("/") or (words[-1] == "" and len(words) > 1):
        return None
    view = View(patch, lambda path, port: value(patch, path, port, get))
    if words == [""]:
        return _root(view, deep)
    if words[0] == "node":
        return view.find(words[1:], deep)
    return _branch(_flat(view, words[0]), address, deep)


def tree(patch: Patch, get: Get | None = None) -> Tree:
    """The whole tree."""
    found = find(patch, "/", get)
    assert found is not None
    return found


def value(patch: Patch, path: str, port: str, get: Get | None = None) -> Any:
    """The value of a port ("bypass" too) of the node at `path`, read as in `find`.  Raises PatchError."""
    if get is not None:
        with suppress(PatchError):
            return get(path, port)
    *subs, name = path.split("/")
    for sub in subs:
        inner = patch.inner(sub)
        if inner is None:
            raise patch.error("holds no patch", sub)
        patch = inner
    return patch.node(name).bypass if port == "bypass" else patch.value(name, port)


def place(patch: Patch, address: str) -> tuple[str, str, Param | None] | None:
    """(path, port, the param if the address is its knob's) of an address with a value, None for any other."""
    if address == "/clock/tempo":
        clock = _clock(patch)
        return (clock, CLOCK[1], None) if clock else None
    words, path = address.split("/")[1:], ""
    inner: Patch | None = patch
    while len(words) > 2 and words[0] == "node" and inner is not None and words[1] in inner.nodes:
        inside, name, words = inner, words[1], words[2:]
        path = f"{path}/{name}" if path else name
        if words[0] != "node":
            spec = inside.spec(name)
            knob = spec.params.get(words[0]) if spec and words[1:] == ["knob"] else None
            return (path, words[0], knob) if knob or len(words) == 1 else None
        inner = inside.inner(name)
    return None


# nodes


@dataclass(frozen=True)
class View:
    """A patch as it is seen at `address`: the outermost one, or one inside the node at `path`.

    A patch inside that is a file is every use's definition, so that its values can only be read.
    """

    patch: Patch
    get: Get
    path: str = ""
    address: str = "/node"
    writable: bool = True

    def find(self, words: list[str], deep: bool) -> Tree | None:
        """What lies at the rest of an address."""
        if not words:
            return self.all(deep)
        name, rest = words[0], words[1:]
        if name not in self.patch.nodes or self.patch.nodes[name].type in ENDS:
            return None
        if rest[:1] == ["node"]:
            inner = self.inner(name)
            return inner.find(rest[1:], deep) if inner else None
        if not rest:
            return self.node(name, deep)
        if len(rest) > 2:
            return None
        found = self.port(name, self.patch.spec(name), rest[0])
        if found is None or len(rest) == 1:
            return _shallow(found, deep)
        below: Tree = found.get("CONTENTS", {})
        return below.get(rest[1])

    def all(self, deep: bool) -> Tree:
        found = _container(self.address, ABOUT["/node"])
        if deep:
            found["CONTENTS"] = {name: self.node(name) for name, node in self.patch.nodes.items() if node.type not in ENDS}
        return found

    def inner(self, name: str) -> View | None:
        """The view of the sub-patch that a node holds."""
        if self.patch.nodes[name].type != PATCH:
            return None
        inner = self.patch.inner(name)
        path, embedded = self._path(name), self.patch.nodes[name].patch is not None
        at = f"{self.address}/{name}/node"
        return None if inner is None else replace(self, patch=inner, path=path, address=at, writable=self.writable and embedded)

    def node(self, name: str, deep: bool = True) -> Tree:
        """A node with its ports."""
        node, spec = self.patch.nodes[name], self.patch.spec(name)
        about = spec.title if spec else f"its type {node.type} is unknown here"
        found = _container(f"{self.address}/{name}", about) | {"TAGS": [node.type]}
        if not deep:
            return found
        ports = [*spec.params, *spec.choices, "bypass"] if spec else []
        contents: Tree = {port: self.port(name, spec, port) for port in ports}
        inner = self.inner(name)
        if inner:
            contents["node"] = inner.all(True)
        return found | {"CONTENTS": contents}

    def port(self, name: str, spec: NodeSpec | None, port: str) -> Tree | None:
        """A param with its knob, a choice, or bypass; None where the node has no such port."""
        if spec is None:
            return None
        path, at = self._path(name), f"{self.address}/{name}/{port}"
        access = 3 if self.writable else 1
        if port == "bypass":
            value = bool(self.get(path, port))
            found = {"ACCESS": access, "TYPE": "T", "VALUE": [value], "DESCRIPTION": "takes the node out of the way"}
        elif port in spec.params:
            found = _param(spec.params[port], float(self.get(path, port)), access, at)
        elif port in spec.choices:
            found = _choice(spec.choices[port], str(self.get(path, port)), access)
        else:
            return None
        return {"FULL_PATH": at, **found}

    def _path(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name


def _param(param: Param, value: float, access: int, at: str) -> Tree:
    base = {"TYPE": "f", "ACCESS": access, "CLIPMODE": ["both"]}
    about = {"DESCRIPTION": param.doc} if param.doc else {}
    unit = {"UNIT": [UNITS.get(param.unit, param.unit)]} if param.unit else {}
    knob = {"VALUE": [param.knob(value)], **_range(0.0, 1.0), "DESCRIPTION": "knob position"}
    return {
        **base, **about, **unit, "VALUE": [value], **_range(param.low, param.high),
        "CONTENTS": {"knob": {"FULL_PATH": f"{at}/knob", **base, **knob}},
    }  # fmt: skip


def _choice(choice: Choice, value: str, access: int) -> Tree:
    found = {"TYPE": "s", "ACCESS": access, "VALUE": [value], "RANGE": [{"VALS": list(choice.options)}]}
    index = {"TYPE": "i", "RANGE": [{"MIN": 0, "MAX": len(choice.options) - 1}], "DESCRIPTION": "by number, from 0"}
    return found | ({"DESCRIPTION": choice.doc} if choice.doc else {}) | {"OVERLOADS": [index]}


# what is not a node: commands, and whatever osc/in nodes listen to


def _root(view: View, deep: bool) -> Tree:
    found = _branch(_flat(view), "/", deep)
    assert found is not None
    if deep:
        found["CONTENTS"] = {"node": view.all(True), **found["CONTENTS"]}
    return found


def _flat(view: View, first: str = "") -> dict[str, Tree]:
    """Leaves outside /node by address; only those below /`first` where that is a word of commands."""
    commands = {a: c for a, c in COMMANDS.items() if not first or a.startswith(f"/{first}/")}
    found = {} if commands and first else heard(view.patch)
    names = sorted(view.patch.snapshots)
    for address, command in commands.items():
        found[address] = command_leaf(address, command, names)
    if "/clock/tempo" in found:
        found["/clock/tempo"] |= _tempo(view)
    return found


def _branch(leaves: Mapping[str, Tree], address: str, deep: bool) -> Tree | None:
    """The branch at `address` among leaves by address."""
    if address in leaves:
        return leaves[address]
    head = "/" if address == "/" else f"{address}/"
    below = sorted({a[len(head) :].split("/")[0] for a in leaves if a.startswith(head)})
    if not below:
        return None
    found = _container(address, ABOUT.get(address, ""))
    if deep:
        found["CONTENTS"] = {word: _branch(leaves, head + word, True) for word in below}
    return found


def command_leaf(address: str, command: Command, snapshots: list[str]) -> Tree:
    """A command: write-only, its type tags and the names of its arguments; its longer forms as OVERLOADS."""
    first, *longer = [_form(address, words, tags, snapshots) for words, tags in _forms(command)]
    about = {"DESCRIPTION": ABOUT.get(address) or command.usage or address.rpartition("/")[2]}
    more = {"OVERLOADS": longer} if longer else {}
    return {"FULL_PATH": address, "ACCESS": 2, **about, **first, **more}


def _form(address: str, words: list[str], tags: str, snapshots: list[str]) -> Tree:
    found: Tree = {"TYPE": tags or "I"}  # I is a bang: a button
    if words:
        found["EXTENDED_TYPE"] = words
    if address.startswith("/snapshot/") and address != "/snapshot/capture" and "s" in tags:
        found["RANGE"] = [{"VALS": snapshots} if tag == "s" else None for tag in tags]
    return found


@cache
def _forms(command: Command) -> list[tuple[list[str], str]]:
    """The ways to call a command, (argument names, type tags), from its usage: "name [seconds]" has two."""
    words: list[str] = []
    forms = []
    kinds = [*command.takes, *command.more]
    for group in re.findall(r"\[([^]]*)\]|([^\[\s]+)", command.usage.replace("…", "")):
        optional, plain = group[0].split(), group[1]
        if optional:
            forms.append(list(words))
        words += optional or [plain]
    forms.append(words)
    return [(f, "".join(map(_tag, kinds, f))) for f in forms]


def _tag(kind: Any, word: str) -> str:
    if kind in (text, number):
        return "s" if kind is text else "f"
    return "f" if word in ("x", "y", "amount", "value") else "s"  # takes either


def _tempo(view: View) -> Tree:
    """What /clock/tempo has beyond a command: range and unit, and a value where there is a clock."""
    kind, port = CLOCK
    spec = view.patch.specs.get(kind)
    param = spec.params.get(port) if spec else None
    if param is None:
        return {}
    found = {**_range(param.low, param.high), "UNIT": [UNITS.get(param.unit, param.unit)], "CLIPMODE": ["both"]}
    clock = _clock(view.patch)
    return found | ({"ACCESS": 3, "VALUE": [float(view.get(clock, port))]} if clock else {})


def _clock(patch: Patch) -> str | None:
    """The clock whose tempo is told for all."""
    return next((name for name, node in patch.nodes.items() if node.type == CLOCK[0]), None)


def _range(low: float, high: float) -> Tree:
    return {"RANGE": [{"MIN": float(low), "MAX": float(high)}]}


def heard(patch: Patch) -> dict[str, Tree]:
    """The addresses that osc/in nodes listen to, those in sub-patches too, but for those that mean something else."""
    found: dict[str, Tree] = {}
    todo = [(patch, "")]
    while todo:
        one, prefix = todo.pop()
        for name, node in one.nodes.items():
            inner = one.inner(name) if node.type == PATCH else None
            if inner is not None:
                todo.append((inner, f"{prefix}{name}/"))
            if node.type != LISTEN or one.spec(name) is None:
                continue
            address, index = str(one.value(name, "address")), int(one.value(name, "index"))
            words = address.split("/")
            if words[0] or not all(words[1:]) or f"/{words[1]}" in ABOUT:
                continue
            tags = max(found.get(address, {}).get("TYPE", ""), "f" * index, key=len)
            about = f"what {prefix}{name} listens to"
            found[address] = {"FULL_PATH": address, "ACCESS": 2, "TYPE": tags, "DESCRIPTION": about}
    return {a: t for a, t in found.items() if not any(o.startswith(f"{a}/") for o in found)}


def _container(address: str, about: str) -> Tree:
    return {"FULL_PATH": address, "ACCESS": 0, **({"DESCRIPTION": about} if about else {})}


def _shallow(found: Tree | None, deep: bool) -> Tree | None:
    if found and not deep:
        found.pop("CONTENTS", None)
    return found
