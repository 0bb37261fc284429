"""Edits around sub-patches: inside one that is embedded, values at any depth, and putting nodes into a new one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from graph import rules, subpatch, values
from graph.editing import Edit, fit, loops, set_value
from graph.patch import ABSENT, BLOCK, RATE, Cable, Key, NodeData, Patch
from graph.spec import In, Out


@dataclass(frozen=True)
class Inside(Edit):
    """An edit to the definition that the node `name` embeds.  Cables and values at ports that vanish go with them."""

    name: str
    edit: Edit

    @property
    def label(self) -> str:
        return f"{self.edit.label} in {self.name}"

    @property
    def key(self) -> tuple[Any, ...] | None:
        # an inner structural edit can write around the use, so only values merge
        return ("Inside", self.name, *self.edit.key) if self.edit.key and self.edit.key[0] in ("SetParam", "Move") else None

    def _run(self, patch: Patch) -> None:
        inner = patch.node(self.name).patch
        if inner is None:
            raise patch.error("holds no patch of its own to edit", self.name)
        inner = patch.inner(self.name)
        assert inner is not None
        changed = inner.copy()
        changed.rate, changed.block = patch.rate, patch.block
        with patch.blame(self.name):
            self.edit.apply(changed)
            if (changed.rate, changed.block) != (patch.rate, patch.block):
                raise changed.error("a sub-patch runs at the rate and block of the patch that it lies in")
        changed.rate, changed.block = RATE, BLOCK
        with loops(patch):
            patch.write("attr", (self.name, "patch"), changed)
            fit(patch, self.name)
        spec = patch.spec(self.name)
        ports: list[In | Out] = [*spec.inlets.values(), *spec.outlets.values()] if spec else []
        if any(rules.is_latent(p) for p in ports):
            rules.check_spaces(patch)


def shown(patch: Patch, path: str, port: str) -> tuple[str, str]:
    """Where the value `port` of the node `path` ("sub/inner") is kept: at the outermost use that exposes it.

    PatchError where there is no such node.
    """
    names = path.split("/")
    holders = [patch]
    for name in names[:-1]:
        inner = holders[-1].inner(name)
        if inner is None:
            raise holders[-1].error("holds no patch that could be looked into", name)
        holders.append(inner)
    spec = holders[-1].spec(names[-1])
    port = port if spec is None else spec.renamed(port)
    while len(names) > 1:
        # exposed twice, the last one counts, as where the patch is laid out
        found = [n for n, e in holders[-1].exposed.items() if (e["node"], e["param"]) == (names[-1], port)]
        if not found:
            break
        port = found[-1]
        names.pop()
        holders.pop()
    return "/".join(names), port


@dataclass(frozen=True)
class SetValues(Edit):
    """Base values of several params and choices at once: (node, port, value), where a node may be "sub/inner".

    What a sub-patch exposes is set at its use, within the exposed range; the rest inside the definition, which must be
    embedded.  The port "bypass" takes 0 or 1.
    """

    values: tuple[tuple[str, str, float | str], ...]

    @property
    def label(self) -> str:
        places = dict.fromkeys((path, port) for path, port, _ in self.values)
        return "set " + (".".join(next(iter(places))) if len(places) == 1 else f"{len(places)} values")

    @property
    def key(self) -> tuple[Any, ...]:
        return tuple(sorted({("SetValues", path, port) for path, port, _ in self.values}))

    def _run(self, patch: Patch) -> None:
        own: dict[tuple[str, str], float | str] = {}
        inside: dict[str, list[tuple[str, str, float | str]]] = {}
        for path, port, value in self.values:
            place = (path, port) if port == "bypass" or "/" not in path else shown(patch, path, port)
            head, _, rest = place[0].partition("/")
            if rest:
                inside.setdefault(head, []).append((path.partition("/")[2], port, value))
            else:
                if place[0] != path and isinstance(value, int | float):  # the use may show a part of the range
                    spec = patch.spec(head)
                    item = spec.params.get(place[1]) if spec else None
                    value = min(max(value, item.low), item.high) if item else value
                own[place] = value
        for (name, port), value in own.items():
            patch.node(name)
            if port == "bypass":
                with patch.blame(name):
                    patch.write("attr", (name, "bypass"), bool(values.whole("bypass", value, 0, 1)))
            else:
                set_value(patch, name, port, value, "params and choices")
        for name, rest_values in inside.items():
            Inside(name, SetValues(tuple(rest_values)))._run(patch)

    @classmethod
    def of(cls, given: Iterable[Iterable[Any]]) -> SetValues:
        """The edit for (node, port, value) in any sequence; the last value for a place counts."""
        last = {(path, port): value for path, port, value in given}
        return cls(tuple((path, port, value) for (path, port), value in last.items()))


@dataclass(frozen=True)
class Group(Edit):
    """Puts nodes into a sub-patch called `into`; what they sound like does not change."""

    names: tuple[str, ...]
    into: str

    @property
    def label(self) -> str:
        return f"group {self.into}"

    def _run(self, patch: Patch) -> None:
        inside = dict.fromkeys(self.names)
        if not inside:
            raise patch.error("a group needs at least one node")
        nodes = {name: patch.node(name) for name in inside}
        into = values.node_name(self.into)
        if into in patch.nodes and into not in inside:
            raise patch.error(f"there is a node {into} already")
        inner = patch.copy()
        inner.rate, inner.block = RATE, BLOCK
        inner.exposed, inner.snapshots, inner.meta, inner.extra, inner.file = {}, {}, {}, {}, ""
        for name in patch.nodes:
            if name not in inside:
                for key in {k: None for k, _ in inner.into(name) + inner.out_of(name)}:
                    inner.write("cable", key, ABSENT)
                inner.write("node", name, ABSENT)
        at = (sum(n.at[0] for n in nodes.values()) / len(nodes), sum(n.at[1] for n in nodes.values()) / len(nodes))
        left, right = min(n.at[0] for n in nodes.values()) - 200.0, max(n.at[0] for n in nodes.values()) + 200.0

        ports: dict[tuple[str, str, str], str] = {}
        outer: dict[Key, Cable] = {}
        for key, cable in patch.cables.items():
            src, out_name, dst, in_name = key
            if src not in inside and dst not in inside:
                continue
            patch.write("cable", key, ABSENT)
            if src in inside and dst in inside:
                continue
            if dst in inside:
                name = self.port(inner, ports, (dst, in_name, cable.mode), subpatch.INLET, (left, nodes[dst].at[1]))
                inner.write("cable", (name, "out", dst, in_name), Cable(1.0, cable.mode))
                outer[src, out_name, into, name] = replace(cable, mode="knob")
            else:
                name = self.port(inner, ports, (src, out_name, ""), subpatch.OUTLET, (right, nodes[src].at[1]))
                inner.write("cable", (src, out_name, name, "audio"), Cable())
                outer[into, name, dst, in_name] = cable
        shown: dict[str, dict[str, Any]] = {}
        for name, entry in patch.exposed.items():
            if entry["node"] in inside:
                inner.exposed = {**inner.exposed, name: entry}
                shown[name] = {"node": into, "param": name}
        for name in inside:
            patch.write("node", name, ABSENT)
        # seed 0 leaves the seeds inside as they are, so that the same noise sounds
        patch.write("node", into, NodeData(subpatch.PATCH, 0, at=at, patch=inner))
        for key, cable in outer.items():
            patch.write("cable", key, cable)
        if shown:
            patch.write("field", "exposed", {**patch.exposed, **shown})
        rules.repair(patch)

    def port(self, inner: Patch, ports: dict[tuple[str, str, str], str], of: tuple[str, str, str], type: str,
             at: tuple[float, float]) -> str:  # fmt: skip
        """The inlet or outlet node inside that stands for an inner port; made when first asked for."""
        if of not in ports:
            found = rules.inlet(inner, of[0], of[1])[1] if type == subpatch.INLET else rules.outlet(inner, of[0], of[1])
            latent = rules.is_latent(found)
            name = inner.free(f"{of[0]}_{of[1]}"[:50])
            settings: dict[str, int | float | str] = {"kind": "latent"} if latent else {}
            inner.write("node", name, NodeData(type, settings=settings, at=at))
            ports[of] = name
        return ports[of]
