"""nodes.ml.wavae and nodes.ml.vocoder: what they hear, what they learn from, and that streaming changes nothing."""

from __future__ import annotations

import math

import pytest
import torch

from nodes.ml.spectral import STFT
from nodes.ml.streaming import stream
from nodes.ml.vocoder import QUIETEST, Depthwise, Phases, Vocoder, turns, unlikely
from nodes.ml.wavae import SOUNDS, Ear, Obey, WaVAE, Wavae, config

RATE = 24000


@pytest.fixture(autouse=True)
def _still() -> None:
    torch.manual_seed(1)
    torch.set_num_threads(1)


def tones(*freqs: float, samples: int = 24576, level: float = 0.2) -> torch.Tensor:
    t = torch.arange(samples) / RATE
    return torch.stack([level * torch.sin(2 * math.pi * f * t) for f in freqs])[:, None]


def model(sound: str = "speech", seed: int = 0, **changes: float) -> WaVAE:
    torch.manual_seed(seed)
    net = WaVAE(config("tiny", sound, **changes))
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.05 * torch.randn_like(p))
    net.eval()
    return net


def exported(net: WaVAE, material: torch.Tensor) -> Wavae:
    made = Wavae(net, *net.axes(material))
    made.eval()
    return made


@pytest.mark.parametrize("sound", SOUNDS)
def test_a_stream_in_chunks_is_the_whole_sound_late(sound: str) -> None:
    x = torch.randn(2, 1, 24 * 512, generator=torch.Generator().manual_seed(1)) * 0.1
    made = exported(model(sound), x)
    late = made.vocoder.after
    with torch.no_grad():
        whole = made(x)
        stream(made)
        for step in (512, 1536):
            stream(made)
            parts = torch.cat([made(x[..., i : i + step]) for i in range(0, x.size(2), step)], 2)
            assert whole.abs().max() > 1e-3
            assert (parts[..., late:] - whole[..., : x.size(2) - late]).abs().max() < 1e-4


@pytest.mark.parametrize("db", [-50.0, -20.0, -3.0])
def test_loudness_is_the_mean_square_in_db(db: float) -> None:
    x = tones(1000.0, level=math.sqrt(2.0) * 10 ** (db / 20))
    loud = model().hear(x).loud[0, 0, 8:-2]
    assert loud.sub(1.0 + db / 60.0).abs().max() < 0.002


def test_silence_is_loudness_0_and_ranks_are_uniform() -> None:
    net = model()
    assert float(net.hear(torch.zeros(1, 1, 8192)).loud.abs().max()) == 0.0
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(64, 1, 8192, generator=generator) * 10 ** (-2 * torch.rand(64, 1, 1, generator=generator))
    net.measure(x)
    ranks = net.flat(net.hear(x).loud).flatten().sort().values
    assert (ranks - torch.linspace(0, 1, len(ranks))).abs().max() < 0.02


def test_the_contest_teaches_the_adversary_only_by_what_it_says_and_the_encoder_only_until_it_knows_nothing() -> None:
    net = model()
    rank = torch.linspace(0, 1, 64).reshape(1, 1, 64)
    z = torch.randn(1, 2, 64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    made = net.contest(z, rank, 1.0)
    made["adversary"].backward()
    assert z.grad is None and any(p.grad is not None for p in net.adversary.parameters())
    net.zero_grad()
    optimiser = torch.optim.Adam(net.adversary.parameters(), 0.01)
    known = torch.cat([rank, rank], 1)  # latents that give loudness away
    for _ in range(60):
        optimiser.zero_grad()
        net.contest(known, rank, 1.0)["adversary"].backward()
        optimiser.step()
    net.zero_grad()
    z = known.clone().requires_grad_()
    fooled = net.contest(z, rank, 1.0)["fooled"]
    fooled.backward()
    assert fooled > 0.1 and z.grad is not None and z.grad.abs().max() > 0
    assert all(p.grad is None for p in net.adversary.parameters())
    assert float(net.contest(known.roll(32, 2), rank, 1.0)["fooled"]) == 0.0  # wrong is not better than knowing nothing


def test_a_phase_is_most_likely_where_it_is_said_to_be() -> None:
    angle = torch.linspace(-3, 3, 61)
    z, one = torch.polar(torch.ones(61), angle), torch.ones(1)
    at = torch.stack([unlikely(2 * one, 0 * one, z[i : i + 1], one) for i in range(61)])
    assert int(at.argmin()) == 30
    assert float(at.min()) < 0 < float(at.max())
    assert float(unlikely(0 * one, 0 * one, z[:1], one)) == pytest.approx(0.0, abs=1e-3)  # who knows nothing


def steps(z: torch.Tensor, size: int, hop: int, sure: float) -> torch.Tensor:
    """What is to be said of a spectrum z [bins, frames] that is known by heart, as surely as `sure`: [4, 1, frames, bins]."""
    step = z / z.abs().clamp(min=1e-9)
    on, up = torch.zeros_like(step), torch.zeros_like(step)
    on[:, 1:] = step[:, 1:] * step[:, :-1].conj() * turns(size, hop).conj()[:, None]
    up[1:] = -step[1:] * step[:-1].conj()
    return sure * torch.stack([on.real, on.imag, up.real, up.imag]).transpose(1, 2)[:, None]


def knowing(x: torch.Tensor, sure: float) -> tuple[Vocoder, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Such a vocoder, the levels of x, and its spectrum."""
    voc = Vocoder(RATE, 16, 1024, 256, 8, 1, 0)
    re, im = STFT(1, 1024, 256)(x).chunk(2, 1)
    z = torch.complex(re, im)
    said = steps(z[0], 1024, 256, sure)
    voc.phases.said = lambda level, past: said  # type: ignore[method-assign]
    return voc, torch.log(z.abs().clamp(min=1e-6) / 256) - QUIETEST, re, im


def test_phases_that_are_known_make_the_sound_again_and_unknown_ones_noise_as_loud() -> None:
    x = tones(443.7)
    voc, level, _, _ = knowing(x, 400.0)
    y = voc.sound(level, 1.0)[0, 0]
    middle = y[4096:-4096]
    spectrum = torch.fft.rfft(middle * torch.hann_window(len(middle))).abs()
    assert float(spectrum.argmax()) * RATE / len(middle) == pytest.approx(443.7, abs=2 * RATE / len(middle))
    swell = middle.unfold(0, 1024, 512).square().mean(1).sqrt()
    assert swell.max() / swell.min() < 1.25
    assert float(swell.mean()) == pytest.approx(0.2 / math.sqrt(2), rel=0.15)
    noise = torch.randn(1, 1, 24576, generator=torch.Generator().manual_seed(4)) * 0.1
    voc, level, _, _ = knowing(noise, 0.0)
    y = voc.sound(level, 1.0)[0, 0, 4096:-4096]
    assert float(y.square().mean().sqrt()) == pytest.approx(0.1, rel=0.15)


def test_what_a_vocoder_knows_is_less_unlikely() -> None:
    found = {}
    for sure in (20.0, 0.0):
        voc, level, re, im = knowing(tones(443.7), sure)
        found[sure] = {k: float(v) for k, v in voc.losses(level.clamp(min=0), re, im).items()}
    assert found[20.0]["level"] < 0.01
    assert found[20.0]["on"] < -1.0 and found[20.0]["up"] < -1.0
    assert found[0.0]["on"] == pytest.approx(0.0, abs=2e-3)


def test_no_chance_means_the_same_phases_for_all_and_draws_are_the_same_every_time() -> None:
    x = 12.0 * torch.rand(1, 513, 12, generator=torch.Generator().manual_seed(5))
    phases = Phases(1024, 256)
    assert torch.equal(phases(x, 1.0), phases(x, 1.0))
    assert not torch.equal(phases(x, 1.0), phases(x, 0.0))


def test_a_depthwise_layer_is_the_convolution_that_it_stands_for() -> None:
    layer = Depthwise(6, 7)
    x = torch.randn(2, 6, 20)
    whole = layer(x)
    assert torch.allclose(whole, layer.conv(torch.nn.functional.pad(x, [6, 0])), atol=1e-6)
    stream(layer)
    assert torch.allclose(torch.cat([layer(x[..., :3]), layer(x[..., 3:4]), layer(x[..., 4:])], 2), whole, atol=1e-6)


def test_exported_latents_are_principal_axes_and_three_deviations_are_one() -> None:
    net = model()
    x = torch.cat([tones(200.0, 900.0, 4000.0), tones(333.0, 50.0, level=0.02), torch.randn(2, 1, 24576) * 0.1])
    with torch.no_grad():
        z = exported(net, x).encode(x)
    flat = z[:, :-1].transpose(0, 1).reshape(2, -1)[:, z[:, -1].flatten() > 0.02]
    covariance = torch.cov(3 * flat)
    assert torch.allclose(covariance, torch.eye(2), atol=0.02)
    assert flat.mean(1).abs().max() < 0.01


def test_wild_latents_make_no_wild_sound() -> None:
    made = exported(model(), torch.randn(4, 1, 8192))
    with torch.no_grad():
        y = made.decode(torch.randn(1, 3, 40) * 1e6)
    assert torch.isfinite(y).all() and y.abs().max() < 8.0


def test_training_losses_are_finite_and_reach_every_part() -> None:
    net = model().train()
    net.measure(torch.randn(4, 1, 16384) * 0.1)
    x = torch.randn(4, 1, 16384) * 0.1
    first, last = net.losses(x, 0.3), net.losses(x, 0.95)
    assert set(first) == {"mel", "kl", "adversary", "fooled", "swap"} and set(last) == {"level", "on", "up", "sound"}
    torch.stack([*first.values(), *last.values()]).sum().backward()
    for name, p in net.named_parameters():
        assert p.grad is not None and torch.isfinite(p.grad).all(), name


def test_configurations_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="no small multiple"):
        WaVAE(config("tiny", hop=300))


@pytest.mark.parametrize("sound", SOUNDS)
def test_loudness_is_obeyed_up_to_twelve_decibels(sound: str) -> None:
    c = config("tiny", sound)
    ear = Ear(c)
    obey, late = Obey(ear, c.size, c.ahead), c.ahead
    x = tones(700.0, level=0.1)
    with torch.no_grad():
        re, im, _, loud = ear(x)
        level = torch.log(torch.sqrt(re * re + im * im) / (c.size / 4) + 1e-9) - QUIETEST
        own = loud.repeat_interleave(ear.steps, 2)
        inside = slice(8 * ear.steps, -8 * ear.steps)
        for wanted, got in ((0.0, 0.0), (6.0, 6.0), (-9.0, -9.0), (30.0, 12.0), (-30.0, -12.0)):
            change = (obey(level, own + wanted / 60.0) - level)[..., inside] * 20 / math.log(10.0)
            assert change.sub(got).abs().max() < 0.05, wanted
        # a stream, in which magnitudes come later than what was asked
        loud = torch.rand(1, 1, 64, generator=torch.Generator().manual_seed(1)) * 0.2 + 0.5
        level = torch.rand(1, c.size // 2 + 1, 64, generator=torch.Generator().manual_seed(2)) * 3 + 4
        whole = obey(level, loud)
        stream(obey)
        delayed = torch.cat([torch.zeros_like(level[..., :late]), level], 2)[..., :64]
        parts = torch.cat([obey(delayed[..., i : i + 8], loud[..., i : i + 8]) for i in range(0, 64, 8)], 2)
        assert (parts[..., late:] - whole[..., : 64 - late]).abs().max() < 1e-5


def test_what_a_model_lacks_as_a_rule_it_goes_on_lacking() -> None:
    x = tones(300.0, 900.0, level=0.2)
    made = exported(model(), x)
    with torch.no_grad():
        z = made.encode(x)
        loud = z[:, made.latents :]
        before = made.obey.lacking(made.levels(z, loud), loud.repeat_interleave(made.ear.steps, 2))
        made.calibrate(x)
        change = made.obey(made.levels(z, loud), loud.repeat_interleave(made.ear.steps, 2)) - made.levels(z, loud)
    assert before.median().abs() > 0.05
    assert change.amax(1).median().abs() < 0.05
