"""MIDI ports, and what sends to one on the sample.

Ports are found by a part of their name; ALSA's sequencer is used where there is one, else JACK.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

Event = tuple[int, bytes]
"""Frame of the hop, message."""


def api() -> int:
    """The number of the MIDI system to use.  Raises ValueError where there is none."""
    import rtmidi

    there = rtmidi.get_compiled_api()
    if rtmidi.API_MACOSX_CORE in there:
        return int(rtmidi.API_MACOSX_CORE)
    if rtmidi.API_LINUX_ALSA in there and Path("/dev/snd/seq").exists():
        return int(rtmidi.API_LINUX_ALSA)
    if rtmidi.API_UNIX_JACK in there and _jack():
        return int(rtmidi.API_UNIX_JACK)
    raise ValueError("there is no MIDI here: neither ALSA's sequencer (/dev/snd/seq) nor a running JACK server")


def _jack() -> bool:
    """Whether a JACK server runs."""
    import rtmidi

    try:
        rtmidi.MidiOut(rtapi=rtmidi.API_UNIX_JACK, name="zrack look").delete()
    except Exception:  # rtmidi's own errors share no base
        return False
    return True


def matching(names: Iterable[str], wanted: str) -> list[tuple[int, str]]:
    """Index and name of the ports whose name contains `wanted` ("all": each), in any case."""
    text = wanted.lower()
    return [(k, n) for k, n in enumerate(names) if text == "all" or text in n.lower()]


def open_output(wanted: str, own: str, rtapi: int | None = None) -> Any:
    """An rtmidi output to the first port whose name contains `wanted`; a virtual port called `own` where that is empty.

    Raises ValueError, one sentence, where that cannot be.
    """
    import rtmidi

    rtapi = api() if rtapi is None else rtapi
    try:
        out = rtmidi.MidiOut(rtapi=rtapi, name=own)
        if not wanted:
            return out.open_virtual_port("out")
        names = out.get_ports()
        found = matching(names, wanted)
        if not found:
            out.delete()
            raise ValueError(f"no MIDI port is called {wanted!r}; there are {', '.join(names) or 'none'}")
        return out.open_port(found[0][0], "out")
    except ValueError:
        raise
    except Exception as error:  # rtmidi's own errors share no base
        raise ValueError(f"MIDI cannot be opened: {error}") from None


class Timeline:
    """When the frames of a hop are due: hops arrive in bursts and late, the line through them is even.

    A hop is due at the latest of the lags that the last `memory` hops had, so that none of them would have been late.
    """

    def __init__(self, rate: int, memory: int = 64) -> None:
        self.rate, self.frames = rate, 0
        self.lags: deque[float] = deque(maxlen=memory)

    def begin(self, frames: int, now: float) -> float:
        """The time of a hop's first frame; the hop of `frames` has just arrived, at `now`."""
        at = self.frames / self.rate
        self.lags.append(now - at)
        self.frames += frames
        return at + max(self.lags)


class Sender:
    """The sending end of the midi/… nodes that send: signals become messages, each at its frame."""

    def __init__(self, sr: int, settings: dict[str, Any]) -> None:
        offline = os.environ.get("ZRACK_OFFLINE") == "1"  # a render plays nobody's instrument
        own = f"zrack-{os.environ.get('ZRACK_NODE') or 'midi'}"
        self.out = None if offline else open_output(str(settings["port"]), own)
        self.line = Timeline(sr)
        self.channel = int(settings.get("channel", 1)) - 1
        self.number = int(settings.get("number", 1))
        self.period = max(sr / float(settings.get("rate", 100.0)), 1.0)
        self.due = 0.0  # frames until the controllers are looked at
        self.was: np.ndarray = np.zeros((1, 0), bool)  # last frame of the gates
        self.held: dict[int, int] = {}  # note of each column that sounds
        self.sent: dict[int, int] = {}  # value of each controller
        self.running = self.stopped = False

    def play(self, events: Iterable[Event], frames: int) -> None:
        """Sends the messages of a hop at their times."""
        begin = self.line.begin(frames, time.monotonic())
        if self.out is None:
            return
        for frame, message in events:
            wait = begin + frame / self.line.rate - time.monotonic()
            if wait > 0.0:
                time.sleep(wait)
            self.out.send_message(message)

    def rises(self, gates: np.ndarray) -> list[tuple[int, int, bool]]:
        """(frame, column, whether it opens) of every edge in [frames, columns], in order."""
        now = gates >= 0.5
        if self.was.shape[1] != now.shape[1]:
            self.was = np.zeros((1, now.shape[1]), bool)
        edges = now != np.concatenate([self.was, now[:-1]])
        self.was = now[-1:].copy()
        return [(int(i), int(c), bool(now[i, c])) for i, c in np.argwhere(edges)]

    def notes(self, pitch: np.ndarray, gate: np.ndarray, velocity: np.ndarray) -> None:
        """Notes of [frames, channels] arrays."""
        events: list[Event] = []
        for i, c, opens in self.rises(gate):
            note = self.held.pop(c, None)
            if note is not None and note not in self.held.values():
                events.append((i, bytes([0x80 | self.channel, note, 64])))
            if opens:
                note = int(np.clip(np.round(60.0 + 12.0 * np.clip(pitch[i, c], -20.0, 20.0)), 0, 127))
                self.held[c] = note
                events.append((i, bytes([0x90 | self.channel, note, max(seven(velocity[i, c]), 1)])))
        self.play(events, len(gate))

    def controllers(self, value: np.ndarray) -> None:
        """Controllers of [frames, channels], where they moved."""
        events: list[Event] = []
        while self.due < len(value):
            i = int(self.due)
            for c in range(min(value.shape[1], 128 - self.number)):
                number, level = self.number + c, seven(value[i, c])
                if self.sent.get(number) != level:
                    self.sent[number] = level
                    events.append((i, bytes([0xB0 | self.channel, number, level])))
            self.due += self.period
        self.due -= len(value)
        self.play(events, len(value))

    def clock(self, clock: np.ndarray, run: np.ndarray, reset: np.ndarray) -> None:
        """Ticks, start, stop and continue of [frames, channels] arrays; the first channel counts."""
        events: list[Event] = []
        for i, what, opens in self.rises(np.concatenate([run[:, :1], reset[:, :1], clock[:, :1]], axis=1)):
            if what == 0:
                events.append((i, bytes([0xFC if not opens else 0xFB if self.stopped else 0xFA])))
                self.running, self.stopped = opens, not opens
            elif what == 1 and opens:
                self.stopped = False
                if self.running:
                    events.append((i, b"\xfa"))
            elif what == 2 and opens:
                events.append((i, b"\xf8"))
        self.play(events, len(clock))

    def close(self) -> None:
        """Ends what sounds, and the port."""
        if self.out is None:
            return
        for note in set(self.held.values()):
            self.out.send_message([0x80 | self.channel, note, 64])
        if self.running:
            self.out.send_message([0xFC])
        time.sleep(0.02)  # JACK takes what was sent at its next period
        self.out.delete()


def seven(value: float) -> int:
    """0 … 1 as 0 … 127."""
    return int(np.clip(np.round(np.clip(value, 0.0, 1.0) * 127.0), 0, 127))
