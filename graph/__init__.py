"""The patch as data: what a node type declares, what a patch holds, how it changes, how it is kept in a file."""

from graph.errors import PatchError
from graph.patch import Cable, NodeData, Patch
from graph.spec import Choice, Data, In, NodeSpec, Out, Param, Setting, registry

__all__ = [
    "Cable", "Choice", "Data", "In", "NodeData", "NodeSpec", "Out", "Param", "Patch", "PatchError", "Setting", "registry",
]  # fmt: skip
