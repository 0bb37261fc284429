"""Streaming layers: chunks laid end to end are the whole, late by exactly the declared delay."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import cycle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nodes.ml import jit
from nodes.ml.spectral import ISTFT, STFT, pqmf
from nodes.ml.streaming import GRU, ROWS, Conv1d, ConvTranspose1d, Delay, Layer, Parallel, Residual, Sequential, reset, stream

CLOSE = 1e-5
CHUNKS = (1, 64, 2, 7, 64, 1, 33)
"""Sizes of chunks in the layer's grid, one after the other."""


@pytest.fixture(autouse=True)
def _still() -> None:
    torch.manual_seed(1)
    torch.set_num_threads(1)


def noise(net: Layer, channels: int, units: int, batch: int = 2) -> Tensor:
    return torch.randn(batch, channels, units * net.grid)


def in_chunks(net: Callable[[Tensor], Tensor], x: Tensor, grid: int, sizes: tuple[int, ...] = CHUNKS) -> Tensor:
    out, at = [], 0
    for size in cycle(sizes):
        if at >= x.size(2):
            return torch.cat(out, 2)
        out.append(net(x[..., at : at + size * grid]))
        at += size * grid
    raise AssertionError


def error(net: Layer, channels: int, units: int = 100) -> float:
    """The largest difference between chunks and whole, from the very first frame, once the delay is taken off."""
    late = -(-net.after // net.rate) + net.grid
    x = noise(net, channels, units)
    more = torch.zeros(2, channels, int(late + net.grid - 1) // net.grid * net.grid + 64 * net.grid)
    with torch.no_grad():
        whole = stream(net, False)(torch.cat([x, more], 2))
        chunks = in_chunks(stream(net), torch.cat([x, more], 2), net.grid)
    n = int(x.size(2) * net.rate)
    assert chunks.shape == whole.shape
    assert whole[..., :n].abs().max() > 0.01
    return float((chunks[..., net.after : net.after + n] - whole[..., :n]).abs().max())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_convolution(data: st.DataObject) -> None:
    kernel, stride, dilation = (data.draw(st.integers(1, most)) for most in (9, 6, 4))
    look = data.draw(st.integers(0, (kernel - 1) * dilation))
    layer = Conv1d(4, 6, kernel, stride, dilation, data.draw(st.sampled_from((1, 2))), lookahead=look)
    assert layer.delay == look // stride * stride  # what arrives together with the newest frame is known
    assert error(layer, 4) < CLOSE


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_transposed_convolution(data: st.DataObject) -> None:
    kernel, stride = data.draw(st.integers(1, 17)), data.draw(st.integers(1, 6))
    look = data.draw(st.integers(0, kernel - 1))
    layer = ConvTranspose1d(4, 6, kernel, stride, data.draw(st.sampled_from((1, 2))), lookahead=look)
    assert layer.delay == Fraction(look, stride)
    assert error(layer, 4) < CLOSE


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 90), st.integers(1, 40), st.integers(0, 89))
def test_spectra(size: int, hop: int, look: int) -> None:
    hop = min(hop, size)
    layer = STFT(2, size, hop, min(look, size - 1))
    assert layer.delay == min(look, size - 1) // hop * hop
    assert error(layer, 2) < CLOSE
    if size % 2 == 0 and hop * 2 <= size:
        back = ISTFT(2, size, hop)
        assert back.delay * hop == size - hop
        assert error(back, 2 * (size + 2)) < CLOSE


@pytest.mark.parametrize("channels", [1, 3])
def test_spectra_and_back_are_the_identity(channels: int) -> None:
    both = Sequential(STFT(channels, 64, 16), nn.Identity(), ISTFT(channels, 64, 16))
    assert both.delay == 64 - 16
    x = noise(both, channels, 50)
    assert (both(x) - x)[..., : -both.after].abs().max() < CLOSE
    y = in_chunks(stream(both), x, both.grid)
    assert (y[..., both.after :] - x[..., : -both.after]).abs().max() < CLOSE
    assert y[..., : both.after].abs().max() < CLOSE


def test_a_gru_carries_on() -> None:
    assert error(GRU(3, 5, 2), 3) < CLOSE
    assert error(Sequential(Conv1d(3, 4, 9, lookahead=5), nn.Sigmoid(), GRU(4, 4)), 3) < CLOSE  # its start waits for the delay


@pytest.mark.parametrize("bands", [2, 4, 16])
def test_pqmf_splits_and_joins(bands: int) -> None:
    analysis, synthesis = pqmf(bands)
    both = Sequential(analysis, synthesis)
    assert analysis.delay == 0
    assert both.after == 15 * bands
    assert error(both, 1) < CLOSE
    x = noise(both, 1, 300)
    with torch.no_grad():
        off = (stream(both, False)(x) - x)[..., 16 * bands : -16 * bands]
        tone = torch.cos(torch.arange(300 * bands) * (torch.pi * 1.5 / bands))[None, None]  # the middle of the second band
        power = analysis(tone)[0, :, 40:-40].square().mean(1)
    assert 20 * torch.log10(off.std() / x.std()) < -55
    assert power.argmax() == 1
    assert torch.cat([power[:1], power[2:]]).sum() < 1e-5 * power[1]


def wide() -> Sequential:
    """Everything at once: strides, a skip past a delay, branches of different delays, memory, a changed rate."""
    inner = Residual(Conv1d(8, 8, 3, lookahead=1), nn.ELU(), GRU(8, 8), Conv1d(8, 8, 5, dilation=2, lookahead=4), channels=8)
    branches = Parallel(Conv1d(8, 4, 5, lookahead=4), Conv1d(8, 6, 1), GRU(8, 2), channels=(4, 6, 2), join="cat")
    return Sequential(
        Conv1d(2, 8, 5, lookahead=1), nn.Sigmoid(), Conv1d(8, 8, 4, 2, lookahead=2), nn.GELU(), inner, branches, Delay(12, 3),
        ConvTranspose1d(12, 6, 7, 3, lookahead=3), Residual(nn.Tanh()), Conv1d(6, 2, 6, 2, lookahead=5),
    )  # fmt: skip


def test_delays_add_up_and_branches_meet() -> None:
    net = wide()
    assert (net.rate, net.grid) == (Fraction(3, 4), 4)
    # 1 sample; (1 + 2) ÷ 2 → 1 frame; + 1 + 4; the longest branch + 4; + 3; × 3 + 3; (42 + 5) ÷ 2
    assert net.after == 23
    assert net.delay == 23 / Fraction(3, 4)
    assert error(net, 2) < CLOSE


def test_an_odd_delay_before_a_stride_keeps_frames_in_step() -> None:
    for before in range(5):
        net = Sequential(Delay(2, before), Conv1d(2, 3, 7, 4, lookahead=3), ConvTranspose1d(3, 2, 8, 4))
        assert net.after == (before + 3) // 4 * 4
        assert error(net, 2) < CLOSE


def test_reset_and_offline_forget() -> None:
    net = wide()
    x = noise(net, 2, 40)
    with torch.no_grad():
        first = stream(net)(x)
        second = net(x)
        net.reset()
        third = net(x)
        offline = stream(net, False)(x)
        assert torch.equal(net(x), offline)  # keeps nothing
    assert torch.equal(first, third)
    assert not torch.allclose(first, second)


def test_rows_are_independent_streams() -> None:
    net = wide()
    x = noise(net, 2, 60, batch=5)
    with torch.no_grad():
        together = in_chunks(stream(net), x, net.grid)
        for row in range(5):
            reset(net)
            alone = in_chunks(net, x[row : row + 1], net.grid)
            assert (alone - together[row : row + 1]).abs().max() < CLOSE
        reset(net)  # rows that come later start then
        head = net(x[:2, :, : 20 * net.grid])
        tail = net(torch.cat([x[:2, :, 20 * net.grid :], x[:3, :, : 40 * net.grid]]))
    assert (torch.cat([head, tail[:2]], 2) - together[:2]).abs().max() < CLOSE
    assert (tail[2:] - together[:3, :, : tail.size(2)]).abs().max() < CLOSE


def test_compiled_is_the_same() -> None:
    net = stream(Sequential(STFT(1, 16, 4), wide_from(18), ISTFT(1, 16, 4))).eval()
    assert isinstance(net, Sequential)
    x = noise(net, 1, 64)
    scripted = jit.script(net)
    with torch.no_grad():
        eager = in_chunks(net, x, net.grid, (1, 5))
        reset(scripted)
        compiled = in_chunks(scripted, x, net.grid, (5, 1, 2))
        reset(scripted)
        again = in_chunks(scripted, x, net.grid, (5, 1, 2))
    assert (eager - compiled).abs().max() < CLOSE
    assert torch.equal(compiled, again)


def wide_from(channels: int) -> Sequential:
    return Sequential(nn.Conv1d(channels, 2, 1), wide(), nn.Conv1d(2, channels, 1))


def test_weights_are_kept_without_state() -> None:
    net = wide()
    names = set(net.state_dict())
    assert names == {name for name, _ in net.named_parameters()}
    stream(net)(noise(net, 2, 9))
    other = wide()
    other.load_state_dict(net.state_dict())
    x = noise(net, 2, 9)
    assert torch.equal(stream(other)(x), stream(net)(x))


def test_training_runs_offline_and_a_stream_drops_gradients() -> None:
    net = wide()
    net(noise(net, 2, 20)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
    stream(net)
    for _ in range(3):
        net(noise(net, 2, 4)).sum().backward()  # no graph is held from chunk to chunk
    assert not any(b.requires_grad for b in net.buffers())


def test_refusals_say_why() -> None:
    with pytest.raises(ValueError, match="can look 0 to 4 ahead, not 5"):
        Conv1d(1, 1, 5, lookahead=5)
    with pytest.raises(ValueError, match="can look 0 to 4 ahead, not 5"):
        ConvTranspose1d(1, 1, 5, lookahead=5)
    with pytest.raises(ValueError, match="at most 8 to overlap, not 9"):
        ISTFT(1, 16, 9)
    with pytest.raises(ValueError, match="look at most 15 ahead"):
        STFT(1, 16, 4, 16)
    with pytest.raises(ValueError, match="waits 2 frames for another"):
        Residual(Conv1d(1, 1, 3, lookahead=2))
    with pytest.raises(ValueError, match="need one rate"):
        Parallel(Conv1d(1, 1, 3, 2), nn.Identity())
    with pytest.raises(ValueError, match="not 'sum'"):
        Parallel(nn.Identity(), join="sum")
    with pytest.raises(ValueError, match="multiple of 4 frames, this one has 6"):
        Conv1d(1, 1, 4, 4)(torch.zeros(1, 1, 6))
    with pytest.raises(ValueError, match="65 streams are too many"):
        stream(Conv1d(1, 1, 4))(torch.zeros(ROWS + 1, 1, 6))
