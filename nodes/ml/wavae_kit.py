"""WaVAE for the training kit: built from a job, and exported with a card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .train import Job
from .wavae import Config, WaVAE, Wavae, config

VOICES = 16
"""Streams at once in an exported model: more than run in real time, and the memory for each is part of the file."""


class Kit:
    """See `nodes.ml.train.System`."""

    def __init__(self, job: Job) -> None:
        kinds = {f.name: int if f.type is int else float for f in fields(Config)}
        changes = {name: kinds[name](value) for name, value in job.changes.items()}
        self.config = config(job.preset, job.sound, **changes)
        if job.frames < 5 * self.config.size + 2048:
            raise ValueError(f"chunks of {job.frames} samples with spectra of {self.config.size}")
        self.net = WaVAE(self.config)
        self.sample_rate, self.unit = self.config.rate, self.config.ratio
        self.starts = (self.config.first,)

    def prepare(self, material: Tensor) -> None:
        self.net.measure(material)

    def losses(self, x: Tensor, done: float) -> dict[str, Tensor]:
        return self.net.losses(x, done)

    def again(self, x: Tensor) -> Tensor:
        heard = self.net.hear(x)
        mel, _ = self.net.decode(self.net.encode(heard.mel)[0], heard.loud)
        return self.net.vocoder(self.net.scale.back(mel), 1.0)

    def model(self, material: Tensor) -> Wavae:
        """The model as it is exported, not streaming yet.  It shares its weights with `net`."""
        model = Wavae(self.net, *self.net.axes(material)).eval()
        model.calibrate(material)
        return model

    def export(self, path: Path, material: Tensor, card: Mapping[str, Any]) -> dict[str, Any]:
        model = self.model(material)
        with torch.no_grad():
            z = model.encode(material).transpose(0, 1).reshape(self.config.latents + 1, -1)
            low, high = torch.quantile(z, torch.tensor([0.01, 0.99]), dim=1)
        late, half = model.vocoder.after, self.config.size // 2
        return model.export(
            path,
            {
                **card,
                "system": "wavae",
                "config": asdict(self.config),
                "delay": {"encode": half, "decode": late - half, "forward": late},
                "latent": {
                    "names": [f"z{i + 1}" for i in range(self.config.latents)] + ["loudness"],
                    "mean": rounded(z.mean(1)),
                    "std": rounded(z.std(1)),
                    "low": rounded(low),  # one frame in a hundred lies below, one above `high`
                    "high": rounded(high),
                },
            },
            VOICES,
        )


def rounded(values: Tensor) -> list[float]:
    return [round(v, 3) + 0.0 for v in values.tolist()]


def build(job: Job) -> Kit:
    """Raises KeyError, TypeError or ValueError where the configuration cannot be."""
    return Kit(job)
