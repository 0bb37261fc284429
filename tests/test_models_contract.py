"""Model files as other people make them: what is found in them, and that calling them here is calling them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nodes.ml import delay
from nodes.ml.calls import State, attributes
from nodes.ml.contract import Attribute, Interface, Method, ModelError
from nodes.ml.torchscript import Running, interface
from tests import nn_modules

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return nn_modules.exported(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def found(files: dict[str, Path]) -> dict[str, Interface]:
    return {name: interface(path) for name, path in files.items()}


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("ZRACK_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def noise(*shape: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def direct(path: Path, method: str, *blocks: np.ndarray, seed: int = 0) -> list[np.ndarray]:
    """The method called by somebody who has torch and not zrack."""
    module = nn_modules.load(path)
    out = []
    with torch.inference_mode():
        for k, x in enumerate(blocks):
            torch.manual_seed(seed + k)
            out.append(getattr(module, method)(torch.from_numpy(x.copy())).numpy().copy())
    return out


def shape(m: Method) -> tuple[int, ...]:
    return m.inputs, m.in_ratio, m.outputs, m.out_ratio


# ---------------------------------------------------------------------------------------------- what is found


def test_methods_channels_ratios_rate_and_labels(found: dict[str, Interface]) -> None:
    plain = found["plain"]
    assert [(m.name, shape(m)) for m in plain.methods] == [("forward", (2, 1, 1, 1))]
    assert plain.methods[0].in_labels == ("left in", "right in")
    assert plain.methods[0].out_labels == ("sum out",)
    assert plain.rate == 44100  # the file's own rate, not the card's
    for name, ratio, dims, channels in (("coder128", 128, 4, 1), ("coder512", 512, 8, 1), ("coder2048", 2048, 16, 1)):
        about = found[name]
        assert {m.name: shape(m) for m in about.methods} == {
            "encode": (channels, 1, dims, ratio),
            "decode": (dims, ratio, channels, 1),
            "forward": (channels, 1, channels, 1),
        }
        assert about.unit == ratio
        assert about.batch == 64
        assert about.rate == 48000
        assert about.notes == ()
    assert shape(found["stereo"].methods[0]) == (2, 1, 4, 384)
    assert found["stream"].weights == sum(p.numel() for p in nn_modules.Stream().parameters())


def test_attributes_of_every_kind(found: dict[str, Interface]) -> None:
    assert found["attributes"].attributes == (
        Attribute("on", ("bool",), (True,)),
        Attribute("steps", ("int",), (3,)),
        Attribute("gain", ("float",), (0.25,)),
        Attribute("word", ("str",), ("dark",)),
        Attribute("mix", ("int", "float", "bool", "str"), (1, 2.5, True, "a")),
        Attribute("curve", ("tensor",), (None,)),
        Attribute("level", ("float",), (0.5,)),  # its getter gives a scalar
        Attribute("pair", ("float", "float"), (0.5, 1.5)),  # and this one a list
    )
    assert found["buffers"].attributes == (
        Attribute("sound", ("buffer",), (None,)),
        Attribute("both", ("float", "buffer"), (0.5, None)),
    )


def test_the_card_adds_ranges_delays_and_the_rest(found: dict[str, Interface]) -> None:
    assert found["plain"].attributes == (Attribute("gain", ("float",), (0.5,), 0.0, 2.0, "x", "loudness"),)
    assert found["plain"].card["licence"] == "CC0-1.0"
    assert [m.delay for m in found["coder2048"].methods[:2]] == [100.0, 200.5]


def test_exports_without_get_methods(found: dict[str, Interface]) -> None:
    about = found["params_r32000_z2"]
    assert [(m.name, shape(m)) for m in about.methods] == [("encode", (1, 1, 2, 64)), ("decode", (2, 64, 1, 1))]
    assert about.rate == 32000  # from the file's name
    assert about.attributes == (Attribute("tilt", ("float",), (0.5,)),)
    assert about.notes == ()


def test_old_rave(found: dict[str, Interface]) -> None:
    for name in ("rave1", "wrapped"):
        about = found[name]
        assert [m.name for m in about.methods] == ["encode", "decode", "forward"]
        assert about.rate == 44100
        assert about.batch == 2


def test_encode_and_decode_without_params_are_found_by_trying(found: dict[str, Interface]) -> None:
    about = found["wavae_b2048_r48000_z5"]
    assert [(m.name, shape(m)) for m in about.methods] == [("encode", (1, 1, 5, 512)), ("decode", (5, 512, 1, 1))]
    assert about.rate == 48000
    assert any("encode" in n and "found by trying" in n for n in about.notes)
    assert any("forward also wants y" in n for n in about.notes)


def test_a_method_that_needs_one_length(found: dict[str, Interface]) -> None:
    timbre, forward = found["chunk"].methods
    assert (timbre.chunk, forward.chunk) == (1024, 0)
    assert found["chunk"].batch == 1  # it gives every stream what it makes of the first


def test_an_interface_survives_json(found: dict[str, Interface]) -> None:
    import json

    for about in found.values():
        assert Interface.from_map(json.loads(json.dumps(about.to_map()))) == about


def test_the_delay_is_measured(found: dict[str, Interface]) -> None:
    late = {m.name: m.delay for m in found["late"].methods}
    assert late == {"encode": 0.0, "decode": 1500.0, "forward": 1500.0}  # by waveform, to the sample


def test_the_delay_of_cached_convolutions_is_right_to_a_frame(found: dict[str, Interface]) -> None:
    streaming, whole = nn_modules.Stream().eval(), nn_modules.Stream(cached=False).eval()
    whole.load_state_dict({k: v for k, v in streaming.state_dict().items() if k in whole.state_dict()})
    for name, buffer in streaming.named_buffers():
        if name.endswith(("pad", "cache")):
            buffer.zero_()
    late = streaming.delay
    with torch.no_grad():
        x = torch.from_numpy(noise(1, 1, 4096))
        difference = streaming(x)[..., 1000 + late :] - whole(x)[..., 1000 : 4096 - late]
        assert difference.abs().max() < 1e-6  # so `late` is the truth
    measured = {m.name: m.delay or 0.0 for m in found["stream"].methods}
    assert abs(measured["forward"] - late) < 128
    assert abs(measured["encode"] + measured["decode"] - late) < 128


@pytest.mark.parametrize("ratio", [1, 128, 512, 2048])
@pytest.mark.parametrize("late", [0, 700, 30000])
def test_the_delay_of_what_keeps_no_waveform(ratio: int, late: int) -> None:
    def respond(x: np.ndarray) -> np.ndarray:
        """Noise of its own, as loud as the input was `late` samples ago."""
        n = x.shape[2] * ratio
        loud = np.concatenate([np.zeros(late), np.repeat(np.abs(x[0]).sum(0), ratio)])[:n]
        return (loud * np.random.default_rng(3).standard_normal(n))[None, None].astype(np.float32) + noise(1, 1, n, seed=4)

    measured = delay.measure(respond, Method("decode", 2, ratio, 1, 1), ratio)
    assert measured is not None
    assert abs(measured - late) < max(ratio, 64)


def test_what_sounds_for_ever_has_no_delay() -> None:
    def respond(x: np.ndarray) -> np.ndarray:
        return np.cumsum(np.abs(x), 2).astype(np.float32)

    assert delay.measure(respond, Method("forward", 1, 1, 1, 1), 1) is None


# ---------------------------------------------------------------------------------------------- calling


@pytest.mark.parametrize("name", ["plain", "coder128", "coder512", "coder2048", "stereo", "stream", "late", "rave1", "wrapped"])
def test_a_call_is_the_call(name: str, files: dict[str, Path], found: dict[str, Interface]) -> None:
    about = found[name]
    for m in about.methods:
        for batch in (1, about.batch if about.batch < 64 else 3):
            n = about.unit * (2 if about.unit > 1 else 64)
            blocks = [noise(batch, m.inputs, n // m.in_ratio, seed=k) for k in range(4)]
            running = Running(files[name], m.name, batch, about=about)
            inner = nn_modules.load(files[name])
            if name == "wrapped":
                expected = [getattr(inner._rave, m.name)(torch.from_numpy(x)).numpy() for x in blocks]
            else:
                expected = direct(files[name], m.name, *blocks)
            for k, (x, y) in enumerate(zip(blocks, expected)):
                assert np.array_equal(running.call(x, k), y), (m.name, batch, k)


def test_the_input_is_left_alone_and_the_output_is_its_own(files: dict[str, Path], found: dict[str, Interface]) -> None:
    running = Running(files["chunk"], "forward", about=found["chunk"])  # returns its input
    x = noise(1, 1, 1024)
    kept = x.copy()
    y = running.call(x, 0)
    y += 1.0
    assert np.array_equal(x, kept)
    assert np.array_equal(running.call(x, 0), kept)


@pytest.mark.parametrize("name", ["stream", "late", "sampling", "coder512"])
def test_reset_is_a_fresh_load(name: str, files: dict[str, Path], found: dict[str, Interface]) -> None:
    about = found[name]
    m = about.methods[0]
    blocks = [noise(2, m.inputs, 4 * about.unit // m.in_ratio, seed=k) for k in range(3)]
    running = Running(files[name], m.name, 2, about=about)
    expected = direct(files[name], m.name, *blocks, seed=10)
    for _ in range(2):
        for k, x in enumerate(blocks):
            assert np.array_equal(running.call(x, 10 + k), expected[k])
        running.reset()
    fresh = nn_modules.load(files[name])
    for (key, a), (_, b) in zip(running._module.named_buffers(), fresh.named_buffers()):
        assert torch.equal(a, b), key


def test_state_outside_of_buffers_is_found(files: dict[str, Path]) -> None:
    kept = attributes(files["sampling"])
    assert {"last", "calls", "kept"} <= {name for names in kept.values() for name in names}
    module = nn_modules.load(files["sampling"])
    state = State(module, kept)
    before = module.calls, float(module.last), float(module.kept[0])
    module.encode(torch.zeros(1, 1, 64))
    assert module.calls == before[0] + 1
    with torch.inference_mode():
        state.restore()
    assert (module.calls, float(module.last), float(module.kept[0])) == before


def test_a_model_that_samples_gives_the_same_twice(files: dict[str, Path], found: dict[str, Interface]) -> None:
    running = Running(files["sampling"], "encode", about=found["sampling"])
    x = np.zeros((1, 1, 640), np.float32)
    first = [running.call(x, seed) for seed in (1, 2, 2)]
    running.reset()
    torch.rand(17)  # somebody else draws in between
    assert all(np.array_equal(running.call(x, seed), y) for seed, y in zip((1, 2, 2), first))
    assert not np.array_equal(first[0], first[1])


def test_copies_share_nothing(files: dict[str, Path], found: dict[str, Interface]) -> None:
    first = Running(files["stream"], "forward", about=found["stream"])
    blocks = [noise(1, 1, 256, seed=k) for k in range(3)]
    expected = direct(files["stream"], "forward", *blocks)
    first.call(noise(1, 1, 256), 0)
    second = first.copy()
    third = second.copy()
    a, b, c = ({t.data_ptr() for t in r._module.state_dict().values() if t.numel()} for r in (first, second, third))
    assert a
    assert not a & b
    assert not b & c
    for k, x in enumerate(blocks):
        assert np.array_equal(second.call(x, k), expected[k])
        first.call(-x, k)
    for k, x in enumerate(blocks):
        assert np.array_equal(third.call(x, k), expected[k])


# ---------------------------------------------------------------------------------------------- attributes


def shown(running: Running) -> list[float]:
    """What `Attributes` makes visible: on, steps, gain, word, mix[1], curve, level, pair."""
    return [float(v) for v in running.call(np.ones((1, 1, 1), np.float32), 0)[0, :, 0]]


def test_attributes_are_set(files: dict[str, Path], found: dict[str, Interface]) -> None:
    running = Running(files["attributes"], "forward", about=found["attributes"])
    before = [1.0, 3.0, 0.25, 1.0, 2.5, 3.0, 0.5, 2.0]
    assert shown(running) == before
    untouched = running.copy()
    running.set("on", ["false"])
    running.set("steps", [4.6])
    running.set("gain", [2])
    running.set("word", ["light"])
    running.set("mix", (7, 8.5, False, "b"))
    running.set("curve", [np.arange(4)])
    running.set("level", (0.75,))
    running.set("pair", (1.0, 2.0))
    after = [0.0, 5.0, 2.0, 2.0, 8.5, 6.0, 0.75, 3.0]
    assert shown(running) == after
    running.reset()
    assert shown(running) == after  # values belong to the node, not to the past of the sound
    assert shown(running.copy()) == after
    assert shown(untouched) == before


@pytest.mark.parametrize(
    ("attribute", "values", "sentence"),
    [
        ("level", [2.0], "attribute level refused 2.0"),
        ("gain", ["loud"], "attribute gain: 'loud' is no float"),
        ("gain", [float("nan")], "attribute gain: 'nan' is no float"),
        ("steps", [1e30], "attribute steps: '1e.30' is no int"),
        ("mix", [1, 2.0], "attribute mix takes 4 values, not 2"),
        ("colour", [1], "has no attribute colour"),
    ],
)
def test_a_refused_value_changes_nothing(
    attribute: str, values: list[Any], sentence: str, files: dict[str, Path], found: dict[str, Interface]
) -> None:
    running = Running(files["attributes"], "forward", about=found["attributes"])
    before = shown(running)
    with pytest.raises(ModelError, match=f"^attributes.ts: {sentence}$"):
        running.set(attribute, values)
    assert shown(running) == before
    running.reset()
    assert shown(running) == before


def test_buffers_are_filled(files: dict[str, Path], found: dict[str, Interface]) -> None:
    running = Running(files["buffers"], "forward", about=found["buffers"])
    zero = np.zeros((1, 1, 1), np.float32)
    sound = np.full((2, 8), 0.5, np.float32)
    running.set_buffer("sound", sound, 100)
    assert running.call(zero, 0)[0, 0, 0] == 50.0
    running.set_buffer("both", sound * 4, 48000)  # beside a number that stays
    assert running.call(zero, 0)[0, 0, 0] == 51.0
    running.set("both", [1.0, None])
    assert running.call(zero, 0)[0, 0, 0] == 52.0
    running.reset()
    assert running.call(zero, 0)[0, 0, 0] == 52.0
    assert running.copy().call(zero, 0)[0, 0, 0] == 52.0


def test_a_buffer_outside_its_bounds_is_refused(files: dict[str, Path], found: dict[str, Interface]) -> None:
    running = Running(files["buffers"], "forward", about=found["buffers"])
    with pytest.raises(ModelError, match="buffer sound#0 refused"):
        running.set_buffer("sound", np.zeros((1, 2), np.float32), 48000)
    assert running.call(np.ones((1, 1, 1), np.float32), 0)[0, 0, 0] == 1.0


# ---------------------------------------------------------------------------------------------- what cannot be


def test_what_a_method_cannot_take(files: dict[str, Path], found: dict[str, Interface]) -> None:
    with pytest.raises(ModelError, match=r"^stream.ts: has no method paint; there are encode, decode, forward$"):
        Running(files["stream"], "paint", about=found["stream"])
    with pytest.raises(ModelError, match=r"^stream.ts: takes at most 64 streams at once, not 65$"):
        Running(files["stream"], "encode", 65, about=found["stream"])
    with pytest.raises(ModelError, match=r"^stream.ts: there is no device abacus"):
        Running(files["stream"], "encode", device="abacus", about=found["stream"])
    running = Running(files["stream"], "encode", about=found["stream"])
    with pytest.raises(ModelError, match=r"^stream.ts: method encode cannot take an input of 2 × 1 × 128$"):
        running.call(np.zeros((2, 1, 128), np.float32), 0)
    with pytest.raises(ModelError, match=r"^stream.ts: method encode cannot take an input of 1 × 1 × 100$"):
        running.call(np.zeros((1, 1, 100), np.float32), 0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there(files: dict[str, Path], found: dict[str, Interface]) -> None:
    with pytest.raises(ModelError, match=r"^plain.ts: is to run on cuda, which this machine or its torch does not have$"):
        Running(files["plain"], "forward", device="cuda", about=found["plain"])


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("raises", "raises: too loud"),
        ("nan", "puts out NaN or infinite numbers"),
        ("short", "returns 7 frames where 8 are expected"),
        ("flat", "returns a tensor of 1 dimensions where 3 are expected: batch, channels, frames"),
    ],
)
def test_a_method_that_goes_wrong_while_it_plays(kind: str, sentence: str, tmp_path: Path) -> None:
    path = nn_modules.turning(tmp_path)[kind]
    running = Running(path, "forward", about=interface(path))
    x = np.full((1, 1, 8), 0.5, np.float32)
    assert np.array_equal(running.call(x, 0), x / 2)
    with pytest.raises(ModelError, match=f"^{kind}.ts: method forward {sentence}$"):
        running.call(2 * x, 0)
    assert np.array_equal(running.call(x, 0), x / 2)


def test_denormals_are_flushed(files: dict[str, Path], found: dict[str, Interface]) -> None:
    running = Running(files["plain"], "forward", about=found["plain"])
    torch.set_flush_denormal(False)
    x = np.full((1, 2, 4), 4e-38, np.float32)
    x[:, 1] = -3.9e-38  # the sum is a denormal
    assert direct(files["plain"], "forward", x)[0].any()
    assert not running.call(x, 0).any()


def test_nothing_returned_is_silence(tmp_path: Path) -> None:
    path = nn_modules.write(nn_modules.Perhaps(), tmp_path / "perhaps.ts")
    about = interface(path)
    assert about.notes == ()
    running = Running(path, "forward", about=about)
    assert np.array_equal(running.call(np.zeros((1, 1, 4), np.float32), 0), np.zeros((1, 1, 4)))
    assert np.array_equal(running.call(np.ones((1, 1, 4), np.float32), 0), np.ones((1, 1, 4)))
