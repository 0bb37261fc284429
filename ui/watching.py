"""What sounds at an outlet: which inner outlet it really is, and the ring that its samples are copied into."""

from __future__ import annotations

from dataclasses import dataclass

from graph import subpatch
from graph.patch import Patch
from runtime.layout import WATCHES

Tap = tuple[str, str]
"""Full path of a node that computes, and one of its outlets: what telemetry knows it by."""


def holders(patch: Patch, names: tuple[str, ...]) -> list[Patch]:
    """The patch and the definitions inside it along a breadcrumb, as far as there are some."""
    found = [patch]
    for name in names:
        inner = found[-1].inner(name) if name in found[-1].nodes else None
        if inner is None:
            break
        found.append(inner)
    return found


def tap(patch: Patch, inside: tuple[str, ...], node: str, outlet: str) -> Tap | None:
    """What feeds an outlet, through sub-patches and their inlets; None where nothing does."""
    chain = holders(patch, inside)
    if len(chain) <= len(inside):
        return None
    names = list(inside)
    for _ in range(2 * subpatch.NESTING):
        here = chain[-1]
        if node not in here.nodes:
            return None
        data = here.nodes[node]
        if data.type == subpatch.PATCH:
            inner = here.inner(node)
            if inner is None or outlet not in inner.nodes:
                return None
            names.append(node)
            chain.append(inner)
            found = inner.into(outlet, "audio")
        elif data.type == subpatch.INLET:
            if not names:
                return None
            use = names.pop()
            chain.pop()
            found = chain[-1].into(use, node)
        else:
            return "/".join((*names, node)), outlet
        if not found:
            return None
        node, outlet = found[0][0][0], found[0][0][1]
    return None


@dataclass
class Slot:
    """One ring: what was asked for, what is watched for it now, and by how many."""

    asked: tuple[tuple[str, ...], str, str]
    tap: Tap | None
    count: int = 1


class Watches:
    """The rings of one editor, counted by reference."""

    def __init__(self) -> None:
        self.slots: dict[int, Slot] = {}

    def take(self, patch: Patch, asked: tuple[tuple[str, ...], str, str]) -> tuple[int, Tap | None]:
        """A slot for an outlet (breadcrumb, node, outlet), -1 where none is free; and what to watch in it, if that is new."""
        for number, slot in self.slots.items():
            if slot.asked == asked:
                slot.count += 1
                return number, None
        free = next((n for n in range(WATCHES) if n not in self.slots), -1)
        if free < 0:
            return -1, None
        found = tap(patch, *asked)
        self.slots[free] = Slot(asked, found)
        return free, found

    def give(self, number: int) -> bool:
        """One less needs a slot; True where it is free now."""
        slot = self.slots.get(number)
        if slot is None:
            return False
        slot.count -= 1
        if slot.count <= 0:
            del self.slots[number]
            return True
        return False

    def changed(self, patch: Patch) -> list[tuple[int, Tap | None]]:
        """Slots where something else has to be watched after the patch changed."""
        found = []
        for number, slot in self.slots.items():
            now = tap(patch, *slot.asked)
            if now != slot.tap:
                slot.tap = now
                found.append((number, now))
        return found
