"""Which voice plays which note: MIDI channel messages become writes to the live states of a midi/notes node.

Pure Python without time or ports.  A voice is an index; a note is a channel (1 … 16) and a key (0 … 127).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

Write = tuple[str, int, float]
"""State, voice, value."""
Note = tuple[int, int]
"""Channel, key."""
MODES = ("poly", "mono last", "mono low", "mono high", "mpe")
STRIKES = 1 << 20  # a strike's number, a float32 of the engine, begins anew here
SUSTAIN, SOSTENUTO, TIMBRE = 64, 66, 74
SOUND_OFF, RESET, NOTES_OFF = 120, 121, 123
DATA_HIGH, DATA_LOW, NRPN_LOW, NRPN_HIGH, RPN_LOW, RPN_HIGH = 6, 38, 98, 99, 100, 101
NO_RPN = (127, 127)
BEND_RPN, MPE_RPN = (0, 0), (0, 6)


def strikes() -> Iterator[int]:
    """Numbers of strikes, 1 … 2^20 - 1 and again."""
    return itertools.cycle(range(1, STRIKES))


def volts(key: float) -> float:
    """A key (60 is C4, parts of semitones allowed) in volts, 1 per octave."""
    return (key - 60.0) / 12.0


def bent(value: int) -> float:
    """A pitch wheel's 0 … 16383 as -1 … 1, each end reached."""
    return (value - 8192) / (8192 if value < 8192 else 8191)


@dataclass
class Channel:
    """What a MIDI channel has been told."""

    bend: float = 0.0  # -1 … 1
    range: float = 2.0  # st
    pressure: float = 0.0  # 0 … 1
    timbre: float = 0.0  # 0 … 1
    sustain: bool = False
    sostenuto: bool = False
    rpn: tuple[int, int] = NO_RPN
    touch: dict[int, float] = field(default_factory=dict)  # key → its own pressure


@dataclass
class Voice:
    """What a voice plays, or played last."""

    index: int
    note: Note | None = None
    strike: int = 0
    velocity: float = 0.0
    held: bool = False  # by the key
    pedal: bool = False  # by a pedal
    caught: bool = False  # by the sostenuto pedal, which catches what is held when it goes down
    since: int = -1  # order of its last start or release

    @property
    def sounds(self) -> bool:
        """Whether its gate is open."""
        return self.held or self.pedal


class Voices:
    """The voices of one midi/notes node.

    `channel` 1 … 16 hears only that one, 0 all; `bend_range` is in semitones, from the middle of the wheel to its end.
    `counter` numbers the strikes: nodes that may follow each other in one place share one.
    """

    def __init__(
        self, count: int, mode: str = "poly", *, channel: int = 0, bend_range: float = 2.0, legato: bool = False,
        counter: Iterator[int] | None = None,
    ) -> None:  # fmt: skip
        self.mode, self.channel, self.legato = mode, channel, legato
        self.mpe, self.mono = mode == "mpe", mode.startswith("mono")
        self.voices = [Voice(k) for k in range(count)]
        self.channels = {c: Channel(range=bend_range, timbre=64 / 127 if self.mpe else 0.0) for c in range(1, 17)}
        self.stack: list[tuple[Note, float]] = []  # mono: keys that are down, oldest first, with their velocities
        self.zones: dict[int, int] = {}  # MPE: master channel → how many members
        self._order = itertools.count()
        self._counter = strikes() if counter is None else counter
        if self.mpe:
            self._zone(1, 15)
            self.channels[1].range = bend_range

    # ------------------------------------------------------------------ messages

    def hear(self, message: Iterable[int]) -> list[Write]:
        """What a channel message (its two or three bytes) changes; nothing where it is of no concern or not whole."""
        status, *data = message
        channel, kind = (status & 15) + 1, status & 0xF0
        if self.channel and not self.mpe and channel != self.channel:
            return []
        if len(data) < (1 if kind in (0xC0, 0xD0) else 2) or any(not 0 <= d < 128 for d in data):
            return []
        if kind == 0x90 and data[1]:
            return self._on((channel, data[0]), data[1] / 127)
        if kind in (0x80, 0x90):
            return self._off((channel, data[0]))
        if kind == 0xA0:
            self.channels[channel].touch[data[0]] = data[1] / 127
            return self._writes("press", channel)
        if kind == 0xD0:
            self.channels[channel].pressure = data[0] / 127
            return self._writes("press", channel)
        if kind == 0xE0:
            self.channels[channel].bend = bent(data[0] | data[1] << 7)
            return self._writes("bend", channel)
        return self._control(channel, data[0], data[1]) if kind == 0xB0 else []

    def silence(self) -> list[Write]:
        """Releases every voice, whatever holds it."""
        self.stack.clear()
        return [w for v in self.voices for w in self._release(v)]

    def _control(self, channel: int, number: int, value: int) -> list[Write]:
        state = self.channels[channel]
        if number == TIMBRE:
            state.timbre = value / 127
            return self._writes("colour", channel)
        if number == SUSTAIN:
            state.sustain = value >= 64
            return [] if state.sustain else self._pedal_up(channel)
        if number == SOSTENUTO:
            down = value >= 64
            if down and not state.sostenuto:
                for v in self._reached(channel):
                    v.caught = v.held
            state.sostenuto = down
            return [] if down else self._pedal_up(channel)
        if number == SOUND_OFF:
            self.stack = [k for k in self.stack if k[0][0] not in self._span(channel)]
            return [w for v in self._reached(channel) for w in self._release(v)]
        if number == RESET:
            span = [self.channels[c] for c in self._span(channel)]
            for s in span:
                s.bend = s.pressure = 0.0
                s.touch.clear()
                s.sustain = s.sostenuto = False
                s.rpn = NO_RPN
            return [*self._pedal_up(channel), *self._writes("bend", channel), *self._writes("press", channel)]
        if number >= NOTES_OFF:  # 124 … 127 change modes that are set otherwise here, and end notes
            self.stack = [k for k in self.stack if k[0][0] not in self._span(channel)]
            return [w for v in self._reached(channel) if v.held for w in self._let_go(v)]
        return self._registered(state, channel, number, value)

    def _registered(self, state: Channel, channel: int, number: int, value: int) -> list[Write]:
        """Registered parameters: bend range and MPE's zones."""
        if number in (NRPN_LOW, NRPN_HIGH):
            state.rpn = NO_RPN
        elif number == RPN_HIGH:
            state.rpn = (value, state.rpn[1])
        elif number == RPN_LOW:
            state.rpn = (state.rpn[0], value)
        elif state.rpn == BEND_RPN and number in (DATA_HIGH, DATA_LOW):
            old = state.range
            semitones = float(value) + old % 1.0 if number == DATA_HIGH else old // 1.0 + value / 100
            members = self._span(self._master(channel) or channel) if self._member(channel) else [channel]
            for c in members:  # of one member it means all members, but not the master
                if not self._member(channel) or self._member(c):
                    self.channels[c].range = semitones
            return [w for c in members for w in self._writes("bend", c)]
        elif self.mpe and state.rpn == MPE_RPN and number == DATA_HIGH and channel in (1, 16):
            released = self.silence()
            self._zone(channel, min(value, 15))
            return released
        return []

    # ------------------------------------------------------------------ MPE

    def _zone(self, master: int, members: int) -> None:
        """Makes a zone (or ends it, with 0 members); it takes channels from the other one."""
        self.zones[master] = members
        other = 17 - master
        if self.zones.get(other, 0) > 14 - members:
            self.zones[other] = max(14 - members, 0)
        self.channels[master].range = 2.0
        for c in self._span(master):
            if c != master:
                self.channels[c].range = 48.0

    def _span(self, channel: int) -> list[int]:
        """The channels that a message on `channel` reaches: a master's is for its zone."""
        count = self.zones.get(channel, 0) if self.mpe else 0
        if not count:
            return [channel]
        return list(range(1, 2 + count)) if channel == 1 else list(range(16 - count, 17))

    def _master(self, channel: int) -> int | None:
        """The master of a channel, itself included; None without a zone."""
        return next((m for m, count in self.zones.items() if count and channel in self._span(m)), None) if self.mpe else None

    def _member(self, channel: int) -> bool:
        return self._master(channel) not in (None, channel)

    def _reached(self, channel: int) -> list[Voice]:
        span = self._span(channel)
        return [v for v in self.voices if v.note and v.note[0] in span]

    # ------------------------------------------------------------------ notes

    def _on(self, note: Note, velocity: float) -> list[Write]:
        if self.mpe and self._master(note[0]) is None:
            return []
        self.channels[note[0]].touch.pop(note[1], None)
        if self.mono:
            self.stack = [*(k for k in self.stack if k[0] != note), (note, velocity)]
            return self._solo(pressed=note)
        voice = self._free(note)
        if self.mpe:  # the channel speaks for the new note from here on
            for v in self.voices:
                if v is not voice and v.note and v.note[0] == note[0] and not v.sounds:
                    v.note = None
        return self._start(voice, note, velocity)

    def _off(self, note: Note) -> list[Write]:
        if self.mono:
            self.stack = [k for k in self.stack if k[0] != note]
            return self._solo(released=note)
        out: list[Write] = []
        for v in self.voices:
            if v.note == note and v.held:
                out += self._let_go(v)
        return out

    def _free(self, note: Note) -> Voice:
        """The voice for a note: the one that sounds it already, else the one released longest ago, else the oldest."""
        same = next((v for v in self.voices if v.note == note and v.sounds), None)
        return same or min(self.voices, key=lambda v: (v.sounds, v.since))

    def _solo(self, pressed: Note | None = None, released: Note | None = None) -> list[Write]:
        """Mono: the key that counts plays voice 1."""
        voice = self.voices[0]
        if not self.stack:
            return self._let_go(voice) if voice.held and voice.note == released else []
        if self.mode == "mono last":
            note, velocity = self.stack[-1]
        else:
            note, velocity = (min if self.mode == "mono low" else max)(self.stack, key=lambda k: k[0][1])
        if note == voice.note and voice.held and pressed != note:
            return []
        if voice.held and (self.legato or pressed != note):  # a key that comes back ties to the one that goes
            voice.note = note
            return self._sound(voice, "volts", "bend", "press", "colour")
        return self._start(voice, note, velocity)

    def _start(self, voice: Voice, note: Note, velocity: float) -> list[Write]:
        voice.note, voice.velocity, voice.held, voice.pedal, voice.caught = note, velocity, True, False, False
        voice.strike, voice.since = next(self._counter), next(self._order)
        # the strike comes last: whoever sees it finds the rest in place
        return self._sound(voice, "volts", "bend", "force", "press", "colour", "note")

    def _let_go(self, voice: Voice) -> list[Write]:
        """The key is up; pedals may hold the note."""
        assert voice.note is not None
        if voice.caught or self._pedals(voice.note[0]):
            voice.held, voice.pedal = False, True
            return []
        return self._release(voice)

    def _pedals(self, channel: int) -> bool:
        return self.channels[channel].sustain or self.channels[self._master(channel) or channel].sustain

    def _pedal_up(self, channel: int) -> list[Write]:
        out: list[Write] = []
        for v in self._reached(channel):
            assert v.note is not None
            here = {v.note[0], self._master(v.note[0]) or v.note[0]}
            v.caught = v.caught and any(self.channels[c].sostenuto for c in here)
            if v.pedal and not v.caught and not self._pedals(v.note[0]):
                out += self._release(v)
        return out

    def _release(self, voice: Voice) -> list[Write]:
        if not voice.sounds:
            return []
        voice.held = voice.pedal = voice.caught = False
        voice.since = next(self._order)
        return self._sound(voice, "note")

    # ------------------------------------------------------------------ writes

    def _writes(self, state: str, channel: int) -> list[Write]:
        """A state of every voice that `channel` speaks for; a released one still follows the wheel."""
        return [w for v in self._reached(channel) for w in self._sound(v, state)]

    def _sound(self, voice: Voice, *states: str) -> list[Write]:
        return [(s, voice.index, self._value(voice, s)) for s in states]

    def _value(self, voice: Voice, state: str) -> float:
        if state == "note":
            return float(voice.strike if voice.sounds else -voice.strike)
        if state == "force":
            return voice.velocity
        assert voice.note is not None
        channel, key = voice.note
        own, master = self.channels[channel], self._master(channel)
        over = self.channels[master] if master is not None and master != channel else None
        if state == "volts":
            return volts(key)
        if state == "bend":
            return (own.bend * own.range + (over.bend * over.range if over else 0.0)) / 12.0
        if state == "press":
            return max(own.pressure, own.touch.get(key, 0.0), over.pressure if over else 0.0)
        return own.timbre
