"""OSC as signals: messages from the network into the patch, and signals out as messages."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .base import In, Node, Out, Param, Setting, f32, f64, i32
from .dsp.maths import LOG2E, approach


class OscIn(Node):
    """What a controller sends to one OSC address, as a signal, a gate and a trigger.

    Give it an address such as /fader/1 and patch `out` into any param; patch `gate` into an envelope for a button or a
    pad, `trigger` where every message should do something, even one that repeats the last value. A message without
    arguments is a trigger alone. Messages in a bundle arrive at their timetag, to the sample while `smooth` is 0.
    """

    id = "osc/in"
    tags = ("control", "network", "fader", "remote")
    value = Param(0.0, -1e6, 1e6, smooth=0.0, doc="what came last; messages to the address set it")
    hits = Param(0.0, 0.0, 1e6, smooth=0.0, doc="how many messages came; zrack counts here")
    smooth = Param(0.01, 0.0, 10.0, "s", smooth=0.0, doc="time until a third of the way to a new value is left; 0 jumps")
    length = Param(0.001, 0.0, 1.0, "s", smooth=0.0, doc="how long `trigger` stays open")
    address = Setting("/in", kind="text", doc="the OSC address to listen to")
    index = Setting(1, 1, 64, doc="which of its arguments, counted from 1")
    out = Out(doc="the value, smoothed")
    gate = Out(doc="1 while the value is 0.5 or more")
    trigger = Out(doc="opens with every message; it closes for one sample if it is still open")
    state = {"z": f64, "last": f32, "left": i32}
    coefs = ("share", "open")

    def prepare(sr, smooth, length):  # type: ignore[no-untyped-def]
        share = approach(LOG2E / (smooth * sr)) if smooth * sr > 0.1 else 1.0
        return share, np.floor(length * sr + 0.5)

    def kernel(frames, channels, sr, state, value, hits, share, open, out, gate, trigger):  # type: ignore[no-untyped-def]
        for c in range(channels):
            z, last, left = state.z[c], state.last[c], state.left[c]
            for i in range(frames):
                v = value[i, c]
                z = z + (v - z) * share[i, c] if share[i, c] < 1.0 else np.float64(v)
                out[i, c] = z
                gate[i, c] = 1.0 if v >= 0.5 else 0.0
                now = hits[i, c]
                shut = np.int32(0)
                if now != last and now > 0.0:  # 0: the count began again, nothing came
                    shut = np.int32(left > 0)
                    left = np.int32(open[i, c]) + shut
                    left = left if left > 0 else np.int32(1)
                last = now
                trigger[i, c] = 1.0 if left > 0 and shut == 0 else 0.0
                left = np.int32(left - 1) if left > 0 else left
            state.z[c], state.last[c], state.left[c] = z, last, left


class OscOut(Node):
    """Sends a signal as OSC messages to another program or machine, a number for each channel.

    Patch an LFO, an envelope or a descriptor into `signal` and name where it goes: lights, visuals, another rack. It
    sends `rate` times a second at most, and only what has moved by more than `threshold`. Any host may be named; what
    is not 127.0.0.1 leaves this machine. It sends while a patch is rendered to a file, too.
    """

    id = "osc/out"
    tags = ("control", "network", "remote", "send")
    signal = In(doc="what to send")
    to = Setting("127.0.0.1:9001", kind="text", doc="where to: host:port")
    address = Setting("/out", kind="text", doc="the OSC address to send to")
    rate = Setting(50.0, 0.1, 1000.0, "Hz", kind="float", doc="messages a second at most")
    threshold = Setting(0.001, 0.0, 1e6, kind="float", doc="how far a channel has to move before it is sent again")
    hop = Setting(256, 32, 65536, "samples", doc="how much of the signal is looked at in one go")
    partial = True

    def open(sr, channels, settings, folder, seed):  # type: ignore[no-untyped-def]
        return _Sender(sr, settings)

    def work(sender, signal):  # type: ignore[no-untyped-def]
        sender.send(signal)
        return ()

    def close(sender):  # type: ignore[no-untyped-def]
        sender.socket.close()


class _Sender:
    """The sending end of an `osc/out` node."""

    def __init__(self, sr: int, settings: dict[str, Any]) -> None:
        import socket

        to, self.address = str(settings["to"]), str(settings["address"])
        host, _, port = to.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"to is {to}, but it must be host:port such as 127.0.0.1:9001")
        if not re.fullmatch(r"/[!-~]*", self.address) or set(self.address) & set("#*,?[]{}"):
            raise ValueError(f"address is {self.address}, but it must be one that OSC allows, such as /out")
        try:
            family, _, _, _, place = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
        except OSError:
            raise ValueError(f"to is {to}, but there is no host {host}") from None
        self.place: Any = place
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.period = max(sr / float(settings["rate"]), 1.0)  # samples between two messages
        self.threshold = float(settings["threshold"])
        self.due = 0.0  # samples until the next
        self.sent: np.ndarray | None = None

    def send(self, signal: np.ndarray) -> None:
        """Sends what is due of a signal [frames, channels]."""
        from pythonosc.osc_message_builder import OscMessageBuilder

        while self.due < len(signal):
            now = signal[int(self.due)]
            if self.sent is None or (np.abs(now - self.sent) > self.threshold).any():
                builder = OscMessageBuilder(self.address)
                for number in now.tolist():
                    builder.add_arg(number, "f")
                try:
                    self.socket.sendto(builder.build().dgram, self.place)
                    self.sent = now.copy()
                except OSError:
                    pass  # the network may come back
            self.due += self.period
        self.due -= len(signal)
