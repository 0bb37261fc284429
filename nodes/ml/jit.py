"""The one place that calls `torch.jit`: a module becomes TorchScript, a file is written, a file is loaded.

A TorchScript file is a program: call `load` only for a file that is trusted on this machine.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from .contract import CARD

export = torch.jit.export
"""Marks a method of a module as one to compile."""


def script(module: torch.nn.Module, methods: Iterable[tuple[str, str]] = ()) -> torch.jit.ScriptModule:
    """`module` compiled, with `methods` added to it: names and their TorchScript sources (`def name(self, …) -> …`).

    Raises RuntimeError or torch.jit.frontend.FrontendError where TorchScript cannot compile it.
    """
    with quiet():
        scripted = torch.jit.script(module)
        for name, source in methods:
            if not hasattr(scripted, name):  # modules of one class and one set of constants share their compiled type
                scripted.define(source)
    return scripted


def save(scripted: torch.jit.ScriptModule, path: Path, card: Mapping[str, Any]) -> None:
    """Writes `scripted` with its card (JSON values) inside, beside `path` first so that no half file stays there."""
    part = path.with_name(path.name + ".part")
    with quiet():
        torch.jit.save(scripted, str(part), _extra_files={CARD: json.dumps(card, indent=1, sort_keys=True)})
    part.replace(path)


def load(file: Path | bytes, device: str = "cpu") -> tuple[torch.jit.ScriptModule, str]:
    """The module in `file` (a path or the bytes of one), in eval mode, and the text of its card ("" where it has none).

    Raises RuntimeError where it is no TorchScript file.
    """
    extra = {CARD: ""}
    with quiet():
        source = io.BytesIO(file) if isinstance(file, bytes) else str(file)
        module = torch.jit.load(source, map_location=device, _extra_files=extra)
    text = extra[CARD]
    return module.eval(), text.decode() if isinstance(text, bytes) else text


def quiet() -> warnings.catch_warnings:
    """Keeps to itself that torch calls TorchScript deprecated: the convention of the model files is what it is."""
    return warnings.catch_warnings(action="ignore", category=DeprecationWarning)
