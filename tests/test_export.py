"""Exported models: what hosts of the nn~ convention ask of a file, and its card."""

# No `from __future__ import annotations` here: TorchScript compiles classes of this file.

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nodes.ml import jit, shelf
from nodes.ml.contract import ModelError
from nodes.ml.export import Module
from nodes.ml.streaming import Conv1d, ConvTranspose1d, reset


@pytest.fixture(autouse=True)
def _still() -> None:
    torch.manual_seed(1)
    torch.set_num_threads(1)


class Coder(Module):
    """Every kind of attribute, two ratios, labels given and made up, one hand-written setter."""

    def __init__(self) -> None:
        super().__init__(44100)
        self.down = Conv1d(1, 4, 32, 16, lookahead=15)
        self.up = ConvTranspose1d(4, 2, 32, 16, lookahead=5)
        self.register_attribute("gain", 1.0, 0.0, 2.0, "x", "level")
        self.register_attribute("mix", (1, 0.5, True, "wet"), 0, 10)
        self.register_attribute("vec", torch.ones(2))
        self.register_attribute("even", 2, doc="an even number")
        self.register_method("encode", 1, 1, 4, 16, ["sound"], ["a", "b", "c", "d"])
        self.register_method("decode", 4, 16, 2, 1)
        self.register_method("forward", 1, 1, 2, 1)

    def encode(self, x: Tensor) -> Tensor:
        return self.down(x) * self.gain[0]

    def decode(self, z: Tensor) -> Tensor:
        return self.up(z) * self.vec[0].sum() * self.mix[1]

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def set_even(self, v: int) -> int:
        if v % 2 == 1:
            return 1
        self.even = (v,)
        return 0


@pytest.fixture(scope="module")
def coder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "coder.ts"
    Coder().export(path, {"name": "coder", "delay": {"encode": 0, "decode": 5, "forward": 5}})
    return path


def test_a_host_finds_what_was_registered(coder: Path) -> None:
    model, _ = jit.load(coder)
    assert model.get_methods() == ["encode", "decode", "forward"]
    assert model.get_attributes() == ["gain", "mix", "vec", "even"]
    assert model.get_sample_rate() == model.sr == 44100
    assert [model.encode_params.tolist(), model.decode_params.tolist()] == [[1, 1, 4, 16], [4, 16, 2, 1]]
    assert model.mix_params.tolist() == [1, 2, 0, 3]
    assert model.vec_params.tolist() == [4]
    assert {model.encode_params.dtype, model.mix_params.dtype} == {torch.int64}
    assert model.encode_output_labels == ["a", "b", "c", "d"]
    assert model.decode_output_labels == ["output 1", "output 2"]


def test_setters_change_what_methods_do_and_refuse_what_is_out_of_range(coder: Path) -> None:
    model, _ = jit.load(coder)
    x = torch.randn(1, 1, 64)
    before = model.encode(x)
    reset(model)
    assert model.set_gain(2.0) == 0
    assert model.get_gain() == (2.0,)
    assert torch.allclose(model.encode(x), 2 * before)
    assert [model.set_gain(v) for v in (2.01, -0.1, float("nan"), float("inf"))] == [-1] * 4
    assert model.get_gain() == model.gain == (2.0,)
    assert model.set_mix(3, 0.25, False, "dry") == 0
    assert model.set_mix(11, 0.25, False, "dry") == -1
    assert model.get_mix() == (3, 0.25, False, "dry")
    assert model.set_vec(torch.zeros(5)) == 0
    assert not model.decode(torch.randn(1, 4, 2)).any()
    assert (model.set_even(3), model.set_even(4), model.get_even()) == (1, 0, (4,))


def test_a_host_may_run_two_copies_and_batches(coder: Path) -> None:
    one, two = jit.load(coder)[0], jit.load(coder)[0]
    x = torch.randn(4, 1, 320)
    with torch.inference_mode():
        whole = one(x)
        chunks = torch.cat([two(part) for part in x.split(16, 2)], 2)
        reset(one)
        rows = []
        for row in x.split(1):
            rows.append(one(row))
            reset(one)
    assert (whole - chunks).abs().max() < 1e-5
    assert (whole - torch.cat(rows)).abs().max() < 1e-5


def test_the_file_starts_silent_although_it_was_tried(coder: Path) -> None:
    model, _ = jit.load(coder)
    state = {name: b for name, b in model.named_buffers() if name.endswith("state")}
    assert set(state) == {"down.state", "up.state"}
    assert not any(b.any() for b in state.values())


def test_a_file_has_memory_for_as_many_streams_as_asked_and_is_smaller_for_it(coder: Path, tmp_path: Path) -> None:
    card = Coder().export(tmp_path / "few.ts", rows=4)
    assert card["batch"] == 4
    assert shelf.card(tmp_path / "few.ts")["batch"] == 4
    few, many = jit.load(tmp_path / "few.ts")[0], jit.load(coder)[0]
    x = torch.randn(5, 1, 64)
    many(x)
    few(x[:4])
    with pytest.raises(torch.jit.Error, match="5 streams are too many: there is memory for 4"):
        few(x)
    kept = {n: b.numel() for n, b in few.named_buffers() if n.endswith("state")}
    assert kept and kept == {n: b.numel() // 16 for n, b in many.named_buffers() if n.endswith("state")}
    assert (tmp_path / "few.ts").stat().st_size < coder.stat().st_size - 4 * 50 * sum(kept.values()) // 4
    assert Coder().export(tmp_path / "one.ts", rows=1)["batch"] == 1


def test_the_card_is_inside(coder: Path) -> None:
    card = json.loads(jit.load(coder)[1])
    assert card["name"] == "coder"
    assert card["sample_rate"] == 44100
    assert card["batch"] == 64
    assert card["delay"] == {"encode": 0, "decode": 5, "forward": 5}
    assert card["attributes"]["gain"] == {"low": 0.0, "high": 2.0, "unit": "x", "doc": "level"}
    assert jit.load(coder.read_bytes())[1] == jit.load(coder)[1]


def test_a_file_without_card_loads(tmp_path: Path) -> None:
    with jit.quiet():
        jit.script(nn.Identity()).save(str(tmp_path / "bare.ts"))
    model, card = jit.load(tmp_path / "bare.ts")
    assert card == ""
    assert model(torch.ones(1)) == 1


def test_a_loaded_model_needs_nothing_of_ours(coder: Path, tmp_path: Path) -> None:
    code = (
        "import sys, torch, warnings; warnings.simplefilter('ignore'); m = torch.jit.load(sys.argv[1])\n"
        "assert m.decode(torch.zeros(3, 4, 2)).shape == (3, 2, 32) and m.set_gain(0.5) == 0\n"
        "assert not [n for n in sys.modules if n.split('.')[0] == 'nodes']"
    )
    shutil.copy(coder, tmp_path)
    subprocess.run([sys.executable, "-I", "-c", code, str(tmp_path / coder.name)], check=True, timeout=120)


def test_one_class_exports_twice(tmp_path: Path) -> None:
    for name, gain in (("one", 0.5), ("two", 1.5)):
        module = Coder()
        module.gain = (gain,)
        module.export(tmp_path / f"{name}.ts")
    assert [jit.load(tmp_path / f"{n}.ts")[0].get_gain() for n in ("one", "two")] == [(0.5,), (1.5,)]


# --------------------------------------------------------------------------------------- beside the package of nn~


def seen(model: Any) -> dict[str, Any]:
    """All that a host reads of a model before it plays."""
    methods, attributes = model.get_methods(), [a for a in model.get_attributes() if a != "none"]
    values = {a: getattr(model, f"get_{a}")() for a in attributes}
    return {
        "methods": methods,
        "attributes": attributes,
        "params": {n: (p.tolist(), p.dtype) for n in methods + attributes for p in [getattr(model, f"{n}_params")]},
        "labels": {m: (getattr(model, f"{m}_input_labels"), getattr(model, f"{m}_output_labels")) for m in methods},
        "kinds": {a: (type(v), [type(e) for e in v]) for a, v in values.items()},
        "setters": {a: arguments(model, f"set_{a}") for a in attributes},
        "calls": {m: arguments(model, m) for m in methods},
        "sample rate": (model.get_sample_rate(), model.sr),
    }


def arguments(model: Any, name: str) -> tuple[list[str], list[str]]:
    schema = model._c._get_method(name).schema
    return [str(a.type) for a in schema.arguments[1:]], [str(r.type) for r in schema.returns]


def test_a_host_sees_what_it_sees_of_a_module_of_nn_tilde(tmp_path: Path) -> None:
    nn_tilde = pytest.importorskip("nn_tilde")

    class Theirs(nn_tilde.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__(sr=48000)
            self.conv = nn.Conv1d(1, 3, 4, 4)
            self.register_attribute("gain", 1.0)
            self.register_attribute("mix", (1, 0.5, True, "wet"))
            self.register_attribute("vec", torch.ones(2))
            self.register_method("encode", 1, 1, 3, 4, input_labels=["sound"], output_labels=["a", "b", "c"])
            self.register_method("forward", 1, 1, 1, 1, input_labels=["in"], output_labels=["out"])

        @torch.jit.export
        def encode(self, x: Tensor) -> Tensor:
            return self.conv(x)

        def forward(self, x: Tensor) -> Tensor:
            return x * self.gain[0]

    class Ours(Module):
        def __init__(self) -> None:
            super().__init__(sr=48000)
            self.conv = nn.Conv1d(1, 3, 4, 4)
            self.register_attribute("gain", 1.0)
            self.register_attribute("mix", (1, 0.5, True, "wet"))
            self.register_attribute("vec", torch.ones(2))
            self.register_method("encode", 1, 1, 3, 4, ["sound"], ["a", "b", "c"])
            self.register_method("forward", 1, 1, 1, 1, ["in"], ["out"])

        def encode(self, x: Tensor) -> Tensor:
            return self.conv(x)

        def forward(self, x: Tensor) -> Tensor:
            return x * self.gain[0]

    theirs, ours = Theirs(), Ours()
    with jit.quiet():
        theirs.export_to_ts(str(tmp_path / "theirs.ts"))
    ours.export(tmp_path / "ours.ts")
    assert seen(jit.load(tmp_path / "ours.ts")[0]) == seen(jit.load(tmp_path / "theirs.ts")[0])


# --------------------------------------------------------------------------------------- refusals


class Faulty(Module):
    def __init__(self, fault: str) -> None:
        super().__init__(48000)
        self.fault = fault
        self.register_method("forward", 1, 1, 1, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = x[..., ::4]
        if self.fault == "raises":
            raise ValueError("the tape is torn")
        if self.fault == "channels":
            return torch.cat([y, y], 1)
        if self.fault == "frames":
            return x
        if self.fault == "batch":
            return y[:1]
        if self.fault == "nan":
            return y * float("nan")
        if self.fault == "double":
            return y.double()
        return y


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("raises", "method forward raises at batch 1 and 4 frames: the tape is torn"),
        ("channels", "method forward, given 1 streams of 4 frames, returns 2 channels where 1 are expected"),
        ("frames", "returns 4 frames where 1 are expected"),
        ("batch", "given 4 streams of 4 frames, returns 1 streams where 4 are expected"),
        ("nan", "method forward, .* puts out NaN"),
        ("double", "returns float64 where float32 is expected"),
    ],
)
def test_a_method_that_breaks_its_promise_is_not_exported(fault: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=says):
        Faulty(fault).export(tmp_path / "x.ts")
    assert list(tmp_path.iterdir()) == []
    Faulty("").export(tmp_path / "x.ts")


class Uncompilable(Module):
    def __init__(self) -> None:
        super().__init__(48000)
        self.register_method("forward", 1, 1, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * sum(i for i in {1})


def test_what_cannot_be_compiled_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^Uncompilable cannot be compiled: .{10,}") as raised:
        Uncompilable().export(tmp_path / "x.ts")
    assert "\n" not in str(raised.value)


def test_registrations_that_cannot_be() -> None:
    module = Faulty("")
    for name, value, low, high, says in (
        ("sr", 1, None, None, "cannot have an attribute called 'sr'"),
        ("forward", 1, None, None, "cannot have an attribute called 'forward'"),
        ("a b", 1, None, None, "called 'a b'"),
        ("gain", {}, None, None, "attribute gain: an element must be .*, not dict"),
        ("gain", (), None, None, "attribute gain has no elements"),
        ("gain", 1.0, 2.0, 1.0, "attribute gain: its range, 2.0 to 1.0, is empty"),
        ("gain", (0.5, 3.0), 0.0, 1.0, "attribute gain: 3.0 lies outside its range"),
    ):
        with pytest.raises(ModelError, match=says):
            module.register_attribute(name, value, low, high)
    for name, numbers, labels, says in (
        ("forward", (1, 1, 1, 1), [], "'forward' is registered twice"),
        ("sing", (1, 1, 1, 1), [], "Faulty has no method 'sing'"),
        ("eval", (1, 1, 1, 1), [], "Faulty has no method 'eval'"),
        ("forward", (1, 0, 1, 1), [], "method forward: in_ratio must be a whole number from 1 on, not 0"),
        ("forward", (1, 1, 1, 1.5), [], "out_ratio must be a whole number"),
        ("forward", (1, 1, 1, 1), ["a", "b"], "method forward has 1 inputs and 2 labels"),
    ):
        with pytest.raises(ModelError, match=says):
            module.register_method(name, *numbers, labels)  # type: ignore[arg-type]
