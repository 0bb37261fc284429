"""A model file as large as a real one, and one in its place that computes nothing: for benchmarks."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Big(nn.Module):
    """A decoder as large as RAVE's, with random weights: 16 latents at 2048 samples, 10 million weights, 16 bands."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.register_buffer("decode_params", torch.tensor([16, 2048, 1, 1]))
        layers: list[nn.Module] = [nn.Conv1d(16, 1024, 7, padding=3)]
        for wide, up in ((1024, 4), (512, 4), (256, 4), (128, 2)):
            layers += [nn.LeakyReLU(0.2), nn.ConvTranspose1d(wide, wide // 2, 2 * up, stride=up, padding=up // 2)]
            layers += [Residue(wide // 2, gap) for gap in (1, 3, 9)]
        layers += [nn.LeakyReLU(0.2), nn.Conv1d(64, 16, 7, padding=3), nn.Tanh()]
        self.net = nn.Sequential(*layers)
        self.bands = nn.ConvTranspose1d(16, 1, 256, stride=16, padding=120)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return torch.tanh(self.bands(self.net(z)))

    def forward(self, z: Tensor) -> Tensor:
        return self.decode(z)


class Hush(nn.Module):
    """Takes what `Big` takes, and computes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("decode_params", torch.tensor([16, 2048, 1, 1]))

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return torch.zeros(z.size(0), 1, z.size(2) * 2048)

    def forward(self, z: Tensor) -> Tensor:
        return self.decode(z)


class Residue(nn.Module):
    """What a dilated convolution adds."""

    def __init__(self, wide: int, gap: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.LeakyReLU(0.2), nn.Conv1d(wide, wide, 3, dilation=gap, padding=gap), nn.LeakyReLU(0.2), nn.Conv1d(wide, wide, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.net(x)
