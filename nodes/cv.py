"""Control voltage: DC-coupled outputs, calibrated in volts."""

from __future__ import annotations

import numpy as np

from .base import Choice, In, Node, Out, Param, Setting
from .dsp.maths import clamp


class ControlVoltage(Node):
    """Sends pitch, gates and modulation as voltages to a modular synthesiser, past the limiter.

    It needs an interface whose outputs are DC-coupled, and `first` must be one of those: never a channel with a
    loudspeaker. Further channels of the cable leave at the channels that follow. To calibrate a pitch: leave `scale` at 1
    and `offset` at 0, put -2 and then 2 volts into `volts`, and measure `a` and `b` at the jack; then set
    scale = 4 / (b - a) and offset = -scale · (a + b) / 2.
    """

    # A jack gives G · x + D volts for the x volts that it is asked for.  With x = scale · volts + offset it gives what it
    # should where scale = 1 / G and offset = -D / G; a = D - 2G and b = D + 2G give the formula above.

    id = "io/cv"
    tags = ("eurorack", "modular", "volt", "dc", "output")
    volts = In(doc="what to send; `kind` says how it is read")
    full_scale = Param(10.0, 1.0, 20.0, "V", smooth=0.0, doc="what the interface puts out at sample 1.0: see its manual")
    scale = Param(1.0, 0.8, 1.25, smooth=0.0, doc="calibration: corrects the size of an octave")
    offset = Param(0.0, -2.0, 2.0, "V", smooth=0.0, doc="calibration: corrects the zero")
    size = Param(5.0, 0.0, 10.0, "V", smooth=0.0, doc="volts of an open gate, and of modulation at 1")
    kind = Choice(
        "pitch", ("pitch", "gate", "unipolar", "bipolar"),
        doc="pitch: 1 V per octave, 0 = C4; gate: 0 or `size`; unipolar: 0 … 1 is 0 … `size`; bipolar: -1 … 1 is ± `size`",
    )  # fmt: skip
    first = Setting(3, 1, 64, doc="first channel of the device, counted from 1")
    bus = Out(doc="what this node adds to the device's channels, clipped at ±1")
    coefs = ("gain", "shift", "top")

    def prepare(sr, full_scale, scale, offset, size):  # type: ignore[no-untyped-def]
        return scale / full_scale, offset / full_scale, size

    def kernel(frames, channels, sr, state, volts, kind, gain, shift, top, bus):  # type: ignore[no-untyped-def]
        for i in range(frames):
            for c in range(channels):
                x = volts[i, c]
                if kind == 1:
                    x = top[i, c] if x >= 0.5 else np.float32(0.0)
                elif kind == 2:
                    x = clamp(x, 0.0, 1.0) * top[i, c]
                elif kind == 3:
                    x = clamp(x, -1.0, 1.0) * top[i, c]
                bus[i, c] = clamp(x * gain[i, c] + shift[i, c], -1.0, 1.0)
