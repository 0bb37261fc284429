"""A model file at work: `interface` says what it offers, `Running` calls one of its methods.

Both run the file, which is a program: ask `nodes.ml.trust` first.  `python -m nodes.ml.torchscript FILE` prints the interface
as JSON; `describe`, which everybody calls, runs that in a process of its own and keeps what it says.
"""

from __future__ import annotations

import copy
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .attributes import convert
from .calls import State, attributes, reason, wrong
from .contract import Attribute, Interface, ModelError
from .probe import Probe, body
from .shelf import card, check, describe, digest, known, named

__all__ = ["Running", "card", "describe", "digest", "interface", "known"]

DEVICES = ("cpu", "cuda", "mps")
MEMORY = 8 << 30
"""Bytes that a process which describes a file may use."""
WARM = 2
"""Calls until TorchScript has made its machine code."""


def interface(path: Path) -> Interface:
    """What a model file offers, found by running it in this process.  Raises ModelError, in one sentence."""
    return named(_read(Path(path)), path)


def _read(path: Path) -> Interface:
    """`interface` without what only the file's name says."""
    import torch

    sha = digest(path)
    check(path)
    module, kept = _load(path, "cpu")
    with flushed(), torch.inference_mode():
        try:
            told = card(path)
            sentence = ""
        except ModelError as error:
            told, sentence = {}, str(error).removeprefix(f"{path.name}: ")
        probe = Probe(module, State(module, kept), told)
        if sentence:
            probe.notes.append(sentence)
        try:
            found = probe.interface()
        except ModelError as error:
            raise ModelError(f"{path.name}: {error}") from None
    return Interface.from_map({**found.to_map(), "sha": sha})


class Running:
    """One method of a model, loaded and warm, for `batch` streams at once.

    What a call gives depends on the input, the seed, the attributes and the calls since `reset`, and on nothing else.  It
    belongs to one thread at a time.
    """

    def __init__(
        self,
        path: Path,
        method: str,
        batch: int = 1,
        device: str = "cpu",
        threads: int = 1,
        frames: int = 0,
        about: Interface | None = None,
    ) -> None:
        """`frames` is the length of the input that it is warmed up with, 0 the shortest; `about` saves asking `describe`.

        Raises ModelError, in one sentence, where the file, the method, the batch or the device cannot be.
        """
        import torch

        path = Path(path)
        self.name, self.batch, self.device, self.threads = path.name, batch, device, threads
        self.interface = about or describe(path)
        found = self.interface.method(method)
        if found is None:
            there = ", ".join(m.name for m in self.interface.methods)
            raise ModelError(f"{path.name}: has no method {method}; there are {there}")
        self.method = found
        if not 1 <= batch <= self.interface.batch:
            raise ModelError(f"{path.name}: takes at most {self.interface.batch} streams at once, not {batch}")
        _present(path.name, device)
        self._module, kept = _load(path, device)
        self._part = body(self._module)
        self._state = State(self._module, kept)
        self._values: dict[str, tuple[Any, ...]] = {}  # as they were last set
        self._buffers: dict[str, tuple[np.ndarray, int]] = {}
        torch.set_num_threads(threads)
        frames = frames or (found.chunk or self.interface.unit) // found.in_ratio
        for _ in range(WARM):
            self.call(np.zeros((batch, found.inputs, frames), np.float32), 0)
        self.reset()

    @property
    def state(self) -> int:
        """Bytes that a call may change."""
        return self._state.size

    def copy(self) -> Running:
        """Another one that is warm already, as after `reset`, and shares nothing with this one."""
        import torch

        made = copy.copy(self)
        made._values, made._buffers = dict(self._values), dict(self._buffers)
        with torch.inference_mode():
            made._module = copy.deepcopy(self._module)
            made._part = body(made._module)
            made._state = self._state.of(made._module)
        made.reset()
        return made

    def reset(self) -> None:
        """As a fresh load with the attributes as they were last set, bit for bit."""
        import torch

        with torch.inference_mode():
            self._state.restore()
        for id, (sound, rate) in self._buffers.items():
            self._push(id, sound, rate)
        for name, values in self._values.items():
            self._set(name, values)

    def set(self, attribute: str, values: Sequence[Any]) -> None:
        """Sets all elements of an attribute; a buffer's place among them is ignored.  Raises ModelError."""
        about = self._attribute(attribute)
        values = tuple(values)
        if len(values) != len(about.kinds):
            raise ModelError(f"{self.name}: attribute {attribute} takes {len(about.kinds)} values, not {len(values)}")
        try:
            made = tuple(None if k == "buffer" else convert(k, v) for k, v in zip(about.kinds, values))
        except ModelError as error:
            raise ModelError(f"{self.name}: attribute {attribute}: {error}") from None
        self._set(attribute, made)
        self._values[attribute] = made

    def set_buffer(self, attribute: str, sound: np.ndarray, rate: int) -> None:
        """Gives a buffer attribute its sound [channels, samples]; "name#1" is the element of index 1.  Raises ModelError."""
        name, _, index = attribute.partition("#")
        about = self._attribute(name)
        if "buffer" not in about.kinds:
            raise ModelError(f"{self.name}: attribute {name} takes no sound")
        id = f"{name}#{index or about.kinds.index('buffer')}"
        sound = np.array(sound, np.float32, ndmin=2)
        self._push(id, sound, rate)
        values = self._values.get(name) or about.values
        if not any(v is None for k, v in zip(about.kinds, values) if k == "tensor"):  # else it is set with its tensor
            self._set(name, values)
            self._values[name] = tuple(values)
        self._buffers[id] = sound, int(rate)

    def call(self, x: np.ndarray, seed: int) -> np.ndarray:
        """One call with `x` float32 [batch, inputs, frames]: float32 [batch, outputs, frames × in_ratio ÷ out_ratio].

        A method that returns nothing, as its type may allow, gives zeros.  Raises ModelError, in one sentence that names the
        method, where it raises or returns something else than it promised.
        """
        import torch

        m, frames = self.method, x.shape[-1]
        due = (self.batch, m.outputs, frames * m.in_ratio // m.out_ratio)
        if x.shape != (self.batch, m.inputs, frames) or (frames * m.in_ratio) % m.out_ratio:
            raise ModelError(f"{self.name}: method {m.name} cannot take an input of {' × '.join(map(str, x.shape))}")
        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        try:
            with flushed(), torch.inference_mode():
                if self.device == "cpu":
                    torch.default_generator.manual_seed(int(seed))  # torch.manual_seed looks for GPUs, 0.1 ms each time
                else:
                    torch.manual_seed(int(seed))
                y = getattr(self._part, m.name)(torch.from_numpy(np.array(x, np.float32)).to(self.device))
                if y is None:
                    y = torch.zeros(due)
                why = wrong(y, *due)
                if not why:
                    result: np.ndarray = np.array(y.cpu().numpy(), order="C")
        except Exception as error:
            raise ModelError(f"{self.name}: method {m.name} raises: {reason(error)}") from None
        if why:
            raise ModelError(f"{self.name}: method {m.name} {why}")
        return result

    def _attribute(self, name: str) -> Attribute:
        found = next((a for a in self.interface.attributes if a.name == name), None)
        if found is None:
            raise ModelError(f"{self.name}: has no attribute {name}")
        return found

    def _set(self, name: str, values: Sequence[Any]) -> None:
        """Calls the setter with values of the right kinds; a buffer is named by its id."""
        import torch

        kinds = self._attribute(name).kinds
        args: list[Any] = [f"{name}#{i}" if k == "buffer" else v for i, (k, v) in enumerate(zip(kinds, values))]
        with torch.inference_mode():
            args = [torch.from_numpy(v.copy()).to(self.device) if isinstance(v, np.ndarray) else v for v in args]
            self._asked(f"attribute {name}", f"set_{name}", *args)

    def _push(self, id: str, sound: np.ndarray, rate: int) -> None:
        import torch

        with torch.inference_mode():
            tensor = torch.from_numpy(sound.copy()).to(self.device)
            self._asked(f"buffer {id}", "set_buffer_attribute", id, tensor, int(rate))

    def _asked(self, what: str, setter: str, *args: Any) -> None:
        """Calls a setter; what is neither 0 nor nothing is a refusal."""
        try:
            code = getattr(self._part, setter)(*args)
        except Exception as error:
            raise ModelError(f"{self.name}: {what} cannot be set: {reason(error)}") from None
        if code not in (0, None):
            shown = ", ".join(str(a) for a in args if isinstance(a, bool | int | float | str))[:80]
            raise ModelError(f"{self.name}: {what} refused {shown or 'what it was given'}")


@contextmanager
def flushed() -> Iterator[None]:
    """Denormal numbers are zero in this thread: a silent recursive layer would cost thirty times as much otherwise."""
    import torch

    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)  # others in the process count with them


def _present(name: str, device: str) -> None:
    """Refuses a device that is not there."""
    import torch

    if device not in DEVICES:
        raise ModelError(f"{name}: there is no device {device}; there are {', '.join(DEVICES)}")
    if (device == "cuda" and not torch.cuda.is_available()) or (device == "mps" and not torch.backends.mps.is_available()):
        raise ModelError(f"{name}: is to run on {device}, which this machine or its torch does not have")


def _load(path: Path, device: str) -> tuple[Any, dict[str, list[str]]]:
    """The module in a file, and what `calls.attributes` finds in it.  Raises ModelError."""
    from .jit import load

    try:
        return load(path, device)[0], attributes(path)
    except Exception as error:
        raise ModelError(f"{path.name}: cannot be loaded: {reason(error)}") from None


def _limit() -> None:
    """Limits this process, where the system can: memory, processor time even if nobody waits any more, and its priority."""
    import contextlib
    import resource

    from .shelf import LONGEST

    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (2 * int(LONGEST), 2 * int(LONGEST)))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.nice(5)


def main(path: Path) -> None:
    """Prints {"interface": …} or {"error": …}.  What the model itself prints goes nowhere."""
    out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    _limit()
    import torch

    torch.set_num_threads(1)
    torch._C._set_graph_executor_optimize(False)  # every call of a new kind would be slow, and none is made often
    try:
        data: dict[str, Any] = {"interface": _read(path).to_map()}
    except ModelError as error:
        data = {"error": str(error).removeprefix(f"{path.name}: ")}
    except MemoryError:
        data = {"error": f"wants more than {MEMORY >> 30} GiB of memory"}
    with os.fdopen(out, "w") as f:
        json.dump(data, f)
        f.flush()
    os._exit(0)  # without the model's own last words


if __name__ == "__main__":
    main(Path(sys.argv[1]))
