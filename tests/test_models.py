"""Any nn~ model as a node: what comes out is what the module gives when it is called directly, after the declared latency."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from graph import PatchError
from graph.check import check
from nodes import Patch, catalog, models
from nodes.dsp.resample import Resampler
from nodes.ml import shelf, trust
from nodes.ml.contract import ModelError
from nodes.ml.torchscript import Running
from runtime.engine import Engine
from runtime.hops import timing
from runtime.offline import Event, render

from . import nn_modules

NAMES = ("plain", "coder128", "coder512", "coder2048", "stereo", "attributes", "buffers", "stream", "sampling", "rave1", "late")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of model files, all of them trusted."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZRACK_CONFIG", str(folder / "config"))
        for name, path in nn_modules.exported(folder, *NAMES).items():
            trust.trust(shelf.digest(path), name)
        models.forget()
        yield folder
    models.forget()


def patch_of(files: Path, block: int = 64, rate: int = 48000) -> Patch:
    """An empty patch beside the models, with an input and an output that changes nothing."""
    patch = Patch(rate, block)
    patch.folder, patch.limiter = files, False
    patch.add("io/input", "in")
    patch.add("io/output", "out", to="channels")
    return patch


def chain(files: Path, name: str, block: int = 64, rate: int = 48000, **settings: Any) -> Patch:
    """Sound through `encode` and `decode` of one model, each a node."""
    patch = patch_of(files, block, rate)
    for method in ("encode", "decode"):
        patch.add("model/nn", method, file=f"{name}.ts", method=method, **settings)
    patch.connect("in.out", "encode.audio")
    patch.connect("encode.z", "decode.z")
    patch.connect("decode.out", "out.audio")
    return patch


def noise(seconds: float, rate: int = 48000, channels: int = 1) -> np.ndarray:
    return (np.random.default_rng(5).standard_normal((int(seconds * rate), channels)) * 0.1).astype(np.float32)


def latency(patch: Patch) -> Fraction:
    """The declared transport latency of all models in a patch together, in samples."""
    with Engine(patch) as engine:
        return sum((port.transport for port in engine.plan.ports.values()), Fraction(0))


def called(path: Path, method: str, x: np.ndarray, frames: int) -> np.ndarray:
    """What a method gives for [frames, channels], so many frames at a time, called directly."""
    running = Running(path, method)
    whole = [x[k : k + frames].T[None] for k in range(0, len(x) // frames * frames, frames)]
    return np.concatenate([running.call(np.ascontiguousarray(part), 0)[0].T for part in whole])


@pytest.mark.parametrize(
    ("name", "block", "hop", "cut"),
    [("coder128", 64, 1, 0), ("coder128", 16, 3, 100), ("coder512", 64, 1, 0), ("coder512", 128, 3, 1000),
     ("coder512", 1, 1, 64), ("coder2048", 256, 1, 1024), ("coder2048", 64, 2, 333), ("stream", 64, 4, 0),
     ("stream", 100, 3, 128), ("rave1", 64, 5, 0)],
)  # fmt: skip
def test_two_nodes_give_what_the_module_gives(files: Path, name: str, block: int, hop: int, cut: int) -> None:
    """Sample for sample, at any block and device buffer, after exactly the declared latency; nothing comes before."""
    rate = 44100 if name == "rave1" else 48000
    patch = chain(files, name, block, rate, hop=hop)
    sound = noise(0.5, rate)
    with Engine(patch) as engine:
        encode, decode = (engine.plan.ports[n].rings.times for n in ("encode", "decode"))
    assert latency(patch) == encode.shift * int(encode.period_out or 0) + decode.latency
    heard = render(patch, 0.5, sound, cut=cut)
    z = called(files / f"{name}.ts", "encode", sound, int(encode.hop))
    z = np.concatenate([np.zeros((encode.shift, z.shape[1]), np.float32), z])  # the decoder hears that nothing is there yet
    due = called(files / f"{name}.ts", "decode", z, decode.frames_in)
    count = min(len(due), len(sound) - decode.latency)
    assert not heard.faults and not heard.audio[: decode.latency].any() and count > 4096
    assert np.array_equal(heard.audio[decode.latency : decode.latency + count, 0], due[:count, 0])
    assert np.ptp(due[:count]) > 0.01


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_a_forward_plays_as_many_streams_as_arrive(files: Path, channels: int) -> None:
    patch = patch_of(files)
    patch.set("in", count=channels)
    patch.add("model/nn", "m", file="stream.ts", method="forward")
    patch.connect("in.out", "m.audio")
    patch.connect("m.out", "out.audio")
    sound = noise(0.2, channels=channels)
    late = int(latency(patch))
    heard = render(patch, 0.2, sound).audio
    step = 256
    running = Running(files / "stream.ts", "forward", channels)
    whole = len(sound) // step * step
    due = [running.call(np.ascontiguousarray(sound[k : k + step].T[:, None]), 0)[:, 0].T for k in range(0, whole, step)]
    assert np.array_equal(heard[late:whole, :channels], np.concatenate(due)[: whole - late])


def test_two_channels_of_one_stream_are_one_port(files: Path) -> None:
    patch = chain(files, "stereo", hop=2)
    patch.set("in", count=2)
    sound = noise(0.2, channels=2)
    late = int(latency(patch))
    due = called(files / "stereo.ts", "decode", called(files / "stereo.ts", "encode", sound, 768), 2)
    count = min(len(due), len(sound) - late)
    assert np.array_equal(render(patch, 0.2, sound).audio[late : late + count], due[:count])


def test_labels_make_ports_and_the_card_ranges(files: Path) -> None:
    patch = patch_of(files)
    patch.add("model/nn", "m", file="plain.ts")
    spec = patch.spec("m")
    assert spec is not None
    assert [*spec.inlets] == ["left_in", "right_in"] and [*spec.outlets] == ["out"]
    assert spec.outlets["out"].doc == "sum out"
    gain = spec.params["gain"]
    assert (gain.default, gain.low, gain.high, gain.unit, gain.doc) == (0.5, 0.0, 2.0, "x", "loudness")


def test_attributes_of_every_kind_are_set_between_hops(files: Path) -> None:
    patch = patch_of(files)
    patch.add("model/nn", "m", file="attributes.ts", word="bright", curve=[[1.0], [2.0], [4.0]], on="off", mix_2=0.5)
    patch.connect("in.out", "m.audio")
    patch.connect("m.out", "out.audio")
    events = [Event(0.1, "m", "steps", 7.0), Event(0.1, "m", "on", "on"), Event(0.2, "m", "gain", 0.75)]
    heard = render(patch, 0.3, noise(0.3), events).audio
    late = int(latency(patch))
    interface = shelf.describe(files / "attributes.ts")
    hop = models.unit(interface, interface.methods[0])

    def at(seconds: float) -> list[float]:
        return [float(v) for v in heard[late + math.ceil(seconds * 48000 / hop) * hop, :6]]

    assert at(0.0) == [0.0, 3.0, 0.25, 2.0, 0.5, 7.0]
    assert at(0.1) == [1.0, 7.0, 0.25, 2.0, 0.5, 7.0]
    assert at(0.2) == [1.0, 7.0, 0.75, 2.0, 0.5, 7.0]


def test_a_buffer_is_fed_from_a_sound_file(files: Path) -> None:
    soundfile.write(files / "tone.wav", np.full((100, 1), 0.25, np.float32), 4, subtype="FLOAT")
    patch = patch_of(files)
    patch.add("model/nn", "m", file="buffers.ts", sound="tone.wav")
    patch.connect("in.out", "m.audio")
    patch.connect("m.out", "out.audio")
    late = int(latency(patch))
    assert np.allclose(render(patch, 0.1, np.zeros((4800, 1), np.float32)).audio[late:, 0], 1.0)
    patch.set("m", both_2="tone.wav", both_1=0.75)  # a knob and a sound in one attribute
    assert np.allclose(render(patch, 0.1, np.zeros((4800, 1), np.float32)).audio[late:, 0], 1.0 + 0.75 * 0.25)


def test_a_model_that_draws_renders_twice_the_same_also_beside_another(files: Path) -> None:
    def sampled(*more: str) -> np.ndarray:
        patch = patch_of(files)
        for name in ("m", *more):
            patch.add("model/nn", name, file="sampling.ts", seed=0 if name == "m" else 9)
            patch.add("latent/unpack", f"{name}_u", count=2)
            patch.connect("in.out", f"{name}.audio")
            patch.connect(f"{name}.z", f"{name}_u.z")
        patch.connect("m_u.out", "out.audio")
        return render(patch, 0.2, noise(0.2)).audio

    once = sampled()
    assert np.array_equal(once, sampled()) and np.array_equal(once, sampled("other")) and np.ptp(once) > 1.0


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("hop", [1, 2, 3])
def test_the_declared_latency_is_the_measured_one(files: Path, rate: int, hop: int) -> None:
    """In a rack at 48000, with a model at its own rate or at 44100: to the sample, by where a click comes out."""
    module = nn_modules.Late()  # 256 samples are 256 dims: nothing is lost on the way; it lags by 1500 samples of its own
    module.sr = rate
    trust.trust(shelf.digest(nn_modules.write(module, files / f"late{rate}.ts")), "late")
    patch = chain(files, f"late{rate}", hop=hop)
    late = latency(patch) + Fraction(1500 * 48000, rate)
    at = np.arange(48000)

    def burst(n: np.ndarray) -> np.ndarray:
        """A click of 500 samples around sample 5000, smooth enough to lie between samples."""
        return np.where(abs(n - 5000) < 250, np.cos((n - 5000) * np.pi / 500) ** 2 * np.sin(n * 0.05), 0.0).astype(np.float32)

    heard = render(patch, 1.0, burst(at)[:, None]).audio[:, 0]
    if rate == 48000:
        assert late.denominator == 1 and np.array_equal(heard[int(late) :], burst(at)[: -int(late)])
    else:  # a latent comes in whole frames of 278.64 samples, so the time is exact and no whole number
        assert late.denominator > 1 and np.abs(heard - burst(at - float(late))).max() < 1e-3
        assert np.abs(heard - burst(at - float(late) - 0.1)).max() > 4e-3


def test_latencies_are_exact_for_any_period() -> None:
    """No hop is asked for before it could be made, and what a latent waits is no frame too much."""
    for ratio, rate, frames, block in [(2048, 44100, 1, 64), (512, 44100, 3, 64), (100, 48000, 4, 1), (2048, 22050, 2, 256)]:
        period = Fraction(ratio * 48000, rate)
        t = timing(frames * period, block, period_out=period)
        assert t.latency >= t.gather + block and t.shift * period >= t.latency > (t.shift * period) - 1
        assert t.shift == 2 * frames
        for k in range(50):
            assert t.ready(t.start(k + 1)) == k + 1 and t.ready(t.start(k + 1) - 1) == k and t.at(t.start(k)) == k
        d = timing(frames * period, block, period_in=period)
        for k in range(50):
            last = math.ceil((k * frames + frames - 1) * period)
            assert d.ready(last + 1) == k + 1 and d.ready(last) == k
            assert d.start(k) + d.latency - block >= last  # when the block that needs it begins, its last frame is there


def test_a_resampler_is_the_same_in_pieces_and_late_as_it_says() -> None:
    for source, sink, at_sink in [(48000, 44100, False), (44100, 48000, True), (48000, 22050, False), (16000, 48000, True)]:
        sound = np.sin(np.arange(8000) * 0.1).astype(np.float32)[:, None]
        count = 6000 * sink // source
        whole = Resampler(source, sink, 1, at_sink)
        due = whole.run(0, sound, 0, count)
        parts, pieces, at = Resampler(source, sink, 1, at_sink), [], 0
        for start in range(0, 8000, 500):
            n = min(-(-(start + 500) * sink // source), count) - at
            pieces.append(parts.run(start, sound[start : start + 500], at, n))
            at += n
        assert np.array_equal(np.concatenate(pieces), due)
        late = whole.lag / (sink if at_sink else source)
        ideal = np.sin((np.arange(count) / sink - late) * source * 0.1)
        assert np.abs(due[count // 4 :, 0] - ideal[count // 4 :]).max() < 1e-4


def test_a_file_that_nobody_trusts_is_a_placeholder_that_keeps_everything(files: Path, tmp_path: Path) -> None:
    patch = chain(files, "coder512")
    patch.save(files / "keep.zrack")
    path = files / "coder512.ts"
    sha = shelf.digest(path)
    trust.distrust(sha)
    models.forget()
    try:
        again = Patch.load(files / "keep.zrack")
        assert again.spec("encode") is None and again == patch and again.cables == patch.cables
        assert any("not trusted" in note for note in again.notes)
        assert not render(again, 0.1, noise(0.1)).audio.any()
        again.save(files / "kept.zrack")
        with pytest.raises(PatchError, match="is a program that is not trusted on this machine"):
            again.base("encode").shaped(again.nodes["encode"].settings, files)  # type: ignore[union-attr, misc]
    finally:
        trust.trust(sha, "coder512")
        models.forget()
    assert Patch.load(files / "kept.zrack") == patch
    assert render(Patch.load(files / "kept.zrack"), 0.2, noise(0.2)).audio.any()


def test_a_changed_file_asks_again(files: Path) -> None:
    path = nn_modules.exported(files / "more", "coder128")["coder128"]
    trust.trust(shelf.digest(path), "more")
    patch = chain(files, "more/coder128")
    assert patch.spec("encode") is not None
    nn_modules.write(nn_modules.Coder(128, 6), path)
    models.forget()
    assert patch.spec("encode") is None


def test_another_method_takes_away_only_what_it_cannot_carry(files: Path) -> None:
    patch = chain(files, "coder512")
    before = patch.copy()
    undo = patch.set("encode", method="forward")
    assert ("in", "out", "encode", "audio") in patch.cables and ("encode", "z", "decode", "z") not in patch.cables
    patch.apply(undo)
    assert patch == before


def test_two_spaces_are_told_apart(files: Path) -> None:
    patch = chain(files, "coder512")
    patch.add("model/nn", "stranger", file="coder128.ts", method="decode")
    with pytest.raises(PatchError, match="stranger: z takes the latent space coder128-"):
        patch.connect("encode.z", "stranger.z")
    patch.add("latent/pack", "hand", dims=8, ratio=512)
    patch.connect("hand.z", "decode.z")  # a space without a name goes where its size and clock fit


def test_the_catalog_has_one_entry_for_models() -> None:
    assert catalog.classes["model/nn"].spec.shaped is not None and catalog.of("model/nn", {}, None) is None


def test_a_model_on_the_shelf_is_nothing_to_complain_about(tmp_path: Path) -> None:
    patch = Patch()
    patch.add("model/nn", "m", file="guitar.ts")
    patch.save(tmp_path / "a.zrack")
    assert check(Patch.load(tmp_path / "a.zrack")) == []


def test_a_file_that_took_long_is_not_looked_at_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZRACK_CONFIG", str(tmp_path / "config"))
    (tmp_path / "bad.ts").write_bytes(b"PK nothing")
    trust.trust(shelf.digest(tmp_path / "bad.ts"), "bad")
    calls = []

    def look(path: Path) -> Any:
        calls.append(path)
        raise ModelError("bad.ts: took longer than 60 s to be looked at, so it was stopped")

    monkeypatch.setattr(shelf, "describe", look)
    monkeypatch.setattr(models, "describe", look)
    models.forget()
    for _ in range(3):
        with pytest.raises(PatchError, match="took longer"):
            models.found("bad.ts", tmp_path)
        models._believed.clear()
    assert len(calls) == 1
    models.forget()
