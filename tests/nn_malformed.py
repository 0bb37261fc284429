"""Model files that no node can use, and files that look good and go wrong while they play.

`malformed(folder)` writes the first, `turning(folder)` the second: they turn when the input exceeds 0.9.
"""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn


def write(module: nn.Module, path: Path, card: object = None) -> Path:
    """Scripts and saves, with a card (JSON, or bytes as they are) where one is given."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls TorchScript deprecated
        scripted = torch.jit.script(module.eval())
        extra = {"card.json": card if isinstance(card, bytes) else json.dumps(card)} if card is not None else {}
        torch.jit.save(scripted, str(path), _extra_files=extra)
    return path


def load(path: Path) -> torch.jit.ScriptModule:
    """As somebody without zrack loads it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.load(str(path)).eval()


class One(nn.Module):
    """A method `forward` with any params, that does what `kind` says."""

    def __init__(self, kind: str, params: Tensor | None = None) -> None:
        super().__init__()
        self.kind = kind
        if params is None:
            params = torch.tensor([1, 1, 1, 1])
        if params.numel():
            self.register_buffer("forward_params", params)

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "raises":
            raise RuntimeError("the weights are missing")
        if self.kind == "flat":
            return x.flatten()
        if self.kind == "wide":
            return x.repeat(1, 2, 1)
        if self.kind == "nan":
            return x * float("nan")
        if self.kind == "double":
            return x.double()
        if self.kind == "huge":
            return x.repeat(1, 1, 1 << 40)
        if self.kind == "hangs":
            while bool((x == x).all()):
                x = x + 0.0
        return x


class Hostile(nn.Module):
    """Names that no address and no file system should meet."""

    def __init__(self) -> None:
        super().__init__()
        self.long = "x" * 5000
        self.register_buffer("knob_params", torch.tensor([1, 1, 1, 1]))

    @torch.jit.export
    def get_methods(self) -> list[str]:
        return ["../../etc/passwd", "a b; rm -rf", "\x1b[31mred\n", "knob", self.long, "missing"]

    @torch.jit.export
    def knob(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor) -> Tensor:
        return x


class Several(nn.Module):
    """Wants two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("forward_params", torch.tensor([1, 1, 1, 1]))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class Turning(nn.Module):
    """Does what it promises until the input exceeds 0.9; then what `kind` says."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.register_buffer("forward_params", torch.tensor([1, 1, 1, 1]))

    def forward(self, x: Tensor) -> Tensor:
        if bool((x > 0.9).any()):
            if self.kind == "raises":
                raise RuntimeError("too loud")
            if self.kind == "nan":
                return x * float("inf") * 0.0
            if self.kind == "short":
                return x[:, :, 1:]
            if self.kind == "flat":
                return x.flatten()
        return x * 0.5


class NoMethod(nn.Module):
    """A program with nothing to call."""

    @torch.jit.export
    def get_methods(self) -> list[str]:
        return torch.jit.annotate(list[str], [])

    @torch.jit.export
    def train_step(self, x: Tensor) -> Tensor:
        return x


class MissingParams(nn.Module):
    """Lists a method and says nothing of what it takes."""

    @torch.jit.export
    def get_methods(self) -> list[str]:
        return ["paint"]

    @torch.jit.export
    def paint(self, x: Tensor) -> Tensor:
        return x


def malformed(folder: Path) -> dict[str, Path]:
    """Name → file of what no node can use; "hangs" takes as long as it is given."""
    folder.mkdir(parents=True, exist_ok=True)
    path = {name: folder / f"{name}.ts" for name in ("truncated", "text", "weights", "zip")}
    whole = write(One("fine"), folder / "whole.bin").read_bytes()
    path["truncated"].write_bytes(whole[: len(whole) * 2 // 3])
    path["text"].write_text("<html>404 not found</html>\n")
    torch.save({"w": torch.zeros(3)}, path["weights"])
    with zipfile.ZipFile(path["zip"], "w") as archive:
        archive.writestr("readme.txt", "nothing")
    path["scrambled"] = folder / "scrambled.ts"
    with zipfile.ZipFile(folder / "whole.bin") as old, zipfile.ZipFile(path["scrambled"], "w") as new:
        for item in old.namelist():
            data = old.read(item)
            new.writestr(item, data[::-1] if item.endswith(".pkl") else data)
    numbers = {
        "wrong_ratio": torch.tensor([1, 1, 1, 64]),
        "half_ratio": torch.tensor([1.0, 1.5, 1.0, 1.0]),
        "no_ratio": torch.tensor([1, 0, 1, 1]),
        "giant_latent": torch.tensor([1, 1, 100_000, 64]),
        "three_params": torch.tensor([1, 1, 1]),
    }
    for name, params in numbers.items():
        path[name] = write(One("fine", params), folder / f"{name}.ts")
    for name in ("raises", "flat", "wide", "nan", "double", "huge", "hangs"):
        path[name] = write(One(name), folder / f"{name}.ts")
    path["missing_params"] = write(MissingParams(), folder / "missing_params.ts")
    path["hostile_names"] = write(Hostile(), folder / "hostile_names.ts")
    path["two_tensors"] = write(Several(), folder / "two_tensors.ts")
    path["no_method"] = write(NoMethod(), folder / "no_method.ts")
    return path


def turning(folder: Path) -> dict[str, Path]:
    """Name → file of what goes wrong only when its input exceeds 0.9."""
    folder.mkdir(parents=True, exist_ok=True)
    return {name: write(Turning(name), folder / f"{name}.ts") for name in ("raises", "nan", "short", "flat")}
