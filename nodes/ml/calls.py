"""Around the call of a model's method: what went wrong in one sentence, and the state that calls leave behind."""

from __future__ import annotations

import copy
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

REASON = 160
"""Most characters of a reason that torch gives."""


def reason(error: BaseException) -> str:
    """The line of a TorchScript traceback that tells most, short enough for a sentence."""
    if "can't allocate memory" in str(error):
        return "there is not enough memory for it"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if re.match(r"(torch\.jit\.|builtins\.)?\w*(Error|Exception)\b.*:", line)]
    text = (told or lines or [type(error).__name__])[-1 if told else 0]
    text = " ".join(re.sub(r"^(RuntimeError|torch\.jit\.Error|builtins\.\w+):\s*", "", text).split()).rstrip(".")
    text = "".join(c for c in text if c.isprintable()) or type(error).__name__
    return text if len(text) <= REASON else text[: REASON - 1] + "…"


def wrong(y: Any, batch: int, channels: int, frames: int, finite: bool = True) -> str:
    """What is not as promised about what a method returned, as the end of a sentence; "" where all is well."""
    import torch

    if not isinstance(y, torch.Tensor):
        return f"returns {'nothing' if y is None else f'a {type(y).__name__}'} where one tensor is expected"
    if y.dim() != 3:
        return f"returns a tensor of {y.dim()} dimensions where 3 are expected: batch, channels, frames"
    if y.dtype != torch.float32:
        return f"returns {str(y.dtype).removeprefix('torch.')} where float32 is expected"
    for got, due, what in zip(y.shape, (batch, channels, frames), ("streams", "channels", "frames")):
        if got != due:
            return f"returns {got} {what} where {due} are expected"
    if finite and not bool(torch.isfinite(y).all()):
        return "puts out NaN or infinite numbers"
    return ""


class State:
    """All that a call may change in a loaded module, as it was when this object was made.

    That is every buffer and every other tensor, list or number which the code of the module keeps: models name and keep
    their memory in ways of their own.  Objects of classes inside the model (buffer attributes) are not covered.
    """

    def __init__(self, module: Any, kept: dict[str, list[str]]) -> None:
        """`kept` is what `attributes` found in the file."""
        self.kept = kept
        self.entries = [(m, name, value, _clone(value)) for m, name, value in _values(module, kept)]
        self.size = sum(_size(value) for _, _, value, _ in self.entries)  # bytes

    def restore(self) -> None:
        """Puts everything back, bit for bit.  Call it in inference mode."""
        for module, name, first, pristine in self.entries:
            if _is_tensor(first) and first.shape == pristine.shape:  # in place, so that what shared memory still does
                first.copy_(pristine)
                if getattr(module, name) is not first:
                    setattr(module, name, first)
            else:
                setattr(module, name, _clone(pristine))

    def of(self, twin: Any) -> State:
        """The state of a deep copy of the module, with the pristine values of this one."""
        made = State(twin, self.kept)
        made.entries = [(m, n, v, _clone(p)) for (m, n, v, _), (_, _, _, p) in zip(made.entries, self.entries)]
        return made


def attributes(path: Path) -> dict[str, list[str]]:
    """For each class in a TorchScript file, by its full name, the attributes that its code may change, apart from buffers.

    TorchScript lists no attributes, but their types stand in the classes' sources inside the archive.  Tensors, lists and
    dictionaries may change in place; others change only where some line assigns to them.
    """
    found: dict[str, list[str]] = {}
    with zipfile.ZipFile(path) as archive:
        sources = {}
        for item in archive.namelist():
            _, inside, rest = item.partition("/code/")
            if inside and rest.endswith(".py"):
                sources[rest[:-3].replace("/", ".")] = archive.read(item).decode("utf-8", "replace")
    assigned = set(re.findall(r"\.(\w+) = ", "\n".join(sources.values())))
    for place, source in sources.items():
        for name, body in re.findall(r"^class (\w+)\(.*?\):\n((?:  .*\n|\n)*)", source, re.MULTILINE):
            declared = re.findall(r"^  (\w+) : (.+)$", body, re.MULTILINE)
            found[f"{place}.{name}"] = [
                attribute
                for attribute, kind in declared
                if "__torch__" not in kind
                and not kind.startswith("Final[")
                and attribute not in ("training", "_is_full_backward_hook")
                and (attribute in assigned or re.search(r"\b(Tensor|List|Dict)\b", kind))
            ]
    return found


def _values(module: Any, kept: dict[str, list[str]]) -> Iterator[tuple[Any, str, Any]]:
    """(module, name, value) of everything that may change."""
    seen = set()
    for part in module.modules():
        weights = dict(part.named_parameters(recurse=False))
        buffers = dict(part.named_buffers(recurse=False))
        kind = str(part._c._type().qualified_name()) if hasattr(part, "_c") else ""
        for name in dict.fromkeys([*buffers, *kept.get(kind, ())]):
            if name in weights or (id(part), name) in seen:
                continue
            seen.add((id(part), name))
            try:
                value = getattr(part, name)
            except (RuntimeError, AttributeError):  # of a type that Python cannot have
                continue
            yield part, name, value


def _is_tensor(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def _clone(value: Any) -> Any:
    if _is_tensor(value):
        return value.detach().clone()
    if isinstance(value, list | tuple):
        return type(value)(_clone(v) for v in value)
    if isinstance(value, dict):
        return {k: _clone(v) for k, v in value.items()}
    return copy.copy(value)


def _size(value: Any) -> int:
    if _is_tensor(value):
        tensor: torch.Tensor = value
        return tensor.numel() * tensor.element_size()
    if isinstance(value, list | tuple):
        return sum(_size(v) for v in value)
    return sum(_size(v) for v in value.values()) if isinstance(value, dict) else 0
