"""Measured latency: a sweep goes out at one channel, comes back through a cable at another, and is found there."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from .devices import Device, DeviceError

SWEEP = 0.25
"""Length of the sweep in seconds."""
LONGEST = 1.0
"""Seconds within which it must be back."""


@dataclass(frozen=True)
class Roundtrip:
    """From a sample that is put out until it comes in: how many samples at `rate`, and its gain on the way."""

    device: str
    rate: int
    buffer: int
    samples: int
    gain: float

    @property
    def ms(self) -> float:
        """In milliseconds."""
        return 1e3 * self.samples / self.rate


def sweep(rate: int) -> np.ndarray:
    """A sine that rises from 100 Hz to 8 kHz at a quarter of full level, with soft ends; float32 [frames]."""
    n = round(SWEEP * rate)
    t = np.arange(n) / rate
    k = np.log(80.0) / SWEEP
    return np.asarray(0.25 * np.hanning(n) * np.sin(2 * np.pi * 100.0 * (np.exp(k * t) - 1.0) / k), np.float32)


def where(heard: np.ndarray, sent: np.ndarray) -> tuple[int, float]:
    """Where in `heard` [frames] the sound `sent` begins, and its gain there; gain 0 where it cannot be told from the rest."""
    size = 1 << int(np.ceil(np.log2(len(heard) + len(sent))))
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sent, size)), size)[: len(heard) - len(sent) + 1]
    at = int(np.argmax(np.abs(product)))
    gain = float(product[at]) / float(np.dot(sent, sent))
    there = heard[at : at + len(sent)]
    rest = float(np.linalg.norm(there - gain * sent))
    return at, gain if abs(gain) * float(np.linalg.norm(sent)) > rest else 0.0


def roundtrip(
    output: str = "",
    input: str | None = None,
    *,
    rate: int | None = None,
    buffer: int = 0,
    out_channel: int = 0,
    in_channel: int = 0,
) -> Roundtrip:
    """Measures a device whose output channel is cabled to its input channel (counted from 0); it is heard.

    `input` None is the same device.  Raises DeviceError.
    """
    with Device(None, output, output if input is None else input, rate=rate, buffer=buffer) as device:
        status = device.status()
        for channel, kind in ((out_channel, "output"), (in_channel, "input")):
            if not 0 <= channel < status[f"{kind}s"]:
                raise DeviceError(
                    f"{status[kind] or 'null'} has {status[f'{kind}s']} {kind} channels, so none numbered {channel + 1}"
                )
        sent = sweep(status["rate"])
        frames = len(sent) + round(LONGEST * status["rate"])
        time.sleep(0.2)  # streams stumble when they start
        heard = device.exchange(frames, sent, out_channel)
        end = time.monotonic() + SWEEP + LONGEST + 1.0
        while len(heard()) < frames:
            if time.monotonic() > end:
                raise DeviceError(f"{status['input']} gives no sound: only {len(heard())} of {frames} frames came in")
            time.sleep(0.02)
        at, gain = where(heard()[:, in_channel].astype(np.float64), sent.astype(np.float64))
        if gain == 0.0:
            raise DeviceError(
                f"nothing that went out at channel {out_channel + 1} of {status['output']} came in at channel {in_channel + 1} "
                f"of {status['input']}; put a cable between the two and turn them up"
            )
        return Roundtrip(status["output"], status["rate"], buffer, at, gain)
