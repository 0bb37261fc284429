"""What every edit is made of: the base, the recorded inverse, and the writes that several edits share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from graph import rules, subpatch, values
from graph.errors import PatchError
from graph.patch import ABSENT, Change, Patch
from graph.spec import In, Out


class Edit:
    """Base of every edit."""

    @property
    def label(self) -> str:
        """What history calls it."""
        return type(self).__name__

    @property
    def key(self) -> tuple[Any, ...] | None:
        """Edits with the same key write the same place, so that those of one gesture merge; None never merges."""
        return None

    def apply(self, patch: Patch) -> Edit:
        """Applies itself, all or not at all, and returns its inverse.  Raises PatchError where it is refused."""
        with patch.blame():
            return Changes(patch.transact(lambda: self._run(patch)), self.label)

    def _run(self, patch: Patch) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Changes(Edit):
    """Writes to the store as recorded: the inverse of an edit, good only for the patch as that edit left it."""

    writes: tuple[Change, ...]
    title: str = ""

    @property
    def label(self) -> str:
        return self.title

    def _run(self, patch: Patch) -> None:
        for change in self.writes:
            patch.write(*change)


@dataclass(frozen=True)
class Edits(Edit):
    """Several edits as one: all or none."""

    edits: tuple[Edit, ...]
    title: str = ""

    @property
    def label(self) -> str:
        return self.title or ", ".join(e.label for e in self.edits[:3]) + (" …" if len(self.edits) > 3 else "")

    @property
    def key(self) -> tuple[Any, ...] | None:
        keys = tuple(e.key for e in self.edits)
        return keys if keys and all(keys) else None

    def _run(self, patch: Patch) -> None:
        for edit in self.edits:
            edit._run(patch)


@contextmanager
def loops(patch: Patch) -> Iterator[None]:
    """Around writes that may break a loop: cables whose loop is gone afterwards are no longer delayed."""
    before = rules.closing(patch) if patch.delayed else []
    yield
    rules.loose(patch, before)


def set_value(patch: Patch, node: str, name: str, value: Any, part: str = "") -> None:
    """Sets one value of a node, in whichever section it is; `part` restricts to one or two of them."""
    spec = patch.spec(node)
    with patch.blame(node):
        base = patch.base(node)
        spec = spec or base  # the file of a placeholder can be set
        if spec is None:
            raise patch.error(f"its type {patch.nodes[node].type} is unknown here, so {name} cannot be set")
        found, name = values.section(spec, name)
        if part and found not in part:
            raise PatchError(f"{name} is one of its {found}, not of its {part}", port=name)
        value = values.stored(spec, found, name, value)
        if patch.nodes[node].type == subpatch.PATCH and name == "file" and found == "settings":
            _set_file(patch, node, str(value))
            return
    patch.write("value", (node, found, name), value)
    if found == "settings":
        if base is not None and base.shaped is not None:
            fit(patch, node)
        _settle(patch, node)


def _set_file(patch: Patch, node: str, file: str) -> None:
    """Another definition by file for a "rack/patch" node."""
    if file and patch.folder is not None:
        subpatch.forget(patch, file)  # it may have been mended since
        subpatch.by_file(patch, file)  # refuses what is missing, broken or would contain itself
    patch.write("attr", (node, "patch"), None)
    patch.write("value", (node, "settings", "file"), file if file else ABSENT)
    fit(patch, node)


def _settle(patch: Patch, node: str) -> None:
    """After a setting of `node` changed: cables that its ports no longer carry go, latent spaces must still agree."""
    spec = patch.spec(node)
    if spec is None:
        return
    ports: dict[str, In | Out] = {**spec.inlets, **spec.outlets}
    if patch.nodes[node].type in (subpatch.INLET, subpatch.OUTLET):
        for key, _ in patch.into(node) + patch.out_of(node):
            rules.check_cable(patch, key)
    if any(rules.is_latent(p) for p in ports.values()):
        rules.check_spaces(patch)


def fit(patch: Patch, node: str) -> None:
    """After what a node declares has changed: values and cables at ports that are gone go too; loops are settled."""
    spec = patch.spec(node)
    if spec is None:
        return
    data = patch.nodes[node]
    for part, known in (("params", spec.params), ("choices", spec.choices)):
        for name, value in getattr(data, part).items():
            try:
                if name not in known:
                    raise PatchError("gone")
                values.stored(spec, part, name, value)
            except PatchError:
                patch.write("value", (node, part, name), ABSENT)
    for key, _ in patch.into(node) + patch.out_of(node):
        if key in patch.cables:
            try:
                rules.check_cable(patch, key)
            except PatchError:
                patch.write("cable", key, ABSENT)
    exposed = {k: e for k, e in patch.exposed.items() if e["node"] != node or subpatch.exposed_item(patch, e) is not None}
    if len(exposed) < len(patch.exposed):
        patch.write("field", "exposed", exposed)
    rules.repair(patch)
