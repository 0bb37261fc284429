"""Voice allocation: no note hangs, no two voices share a note, and who has to go when there are too many."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.voices import MODES, Voices, bent, volts

CHANNEL = st.integers(1, 16)
KEY = st.integers(48, 56)  # few, so that they meet
ON = st.tuples(CHANNEL, KEY, st.integers(0, 127)).map(lambda m: (0x90 + m[0] - 1, m[1], m[2]))
OFF = st.tuples(CHANNEL, KEY).map(lambda m: (0x80 + m[0] - 1, m[1], 64))
CONTROLS = (1, 6, 38, 64, 66, 74, 98, 99, 100, 101, 120, 121, 123, 127)
CONTROL = st.tuples(CHANNEL, st.sampled_from(CONTROLS), st.integers(0, 127)).map(lambda m: (0xB0 + m[0] - 1, m[1], m[2]))
OTHER = st.tuples(st.integers(0x80, 0xFF), st.integers(0, 127), st.integers(0, 127))
MESSAGE = ON | ON | OFF | CONTROL | OTHER


class Node:
    """What a midi/notes node would know: the live states of each voice."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.states = {s: [0.0] * count for s in ("note", "volts", "bend", "force", "press", "colour")}

    def take(self, writes: list[tuple[str, int, float]]) -> None:
        for state, index, value in writes:
            assert 0 <= index < self.count
            assert value == value and abs(value) < 1 << 21
            self.states[state][index] = value

    def open(self) -> list[int]:
        return [k for k in range(self.count) if self.states["note"][k] > 0]


def on(key: int, velocity: int = 100, channel: int = 1) -> tuple[int, int, int]:
    return (0x8F + channel, key, velocity)


def off(key: int, channel: int = 1) -> tuple[int, int, int]:
    return (0x7F + channel, key, 64)


def control(number: int, value: int, channel: int = 1) -> tuple[int, int, int]:
    return (0xAF + channel, number, value)


def bend(value: int, channel: int = 1) -> tuple[int, int, int]:
    return (0xDF + channel, value & 127, value >> 7)


def stage(count: int, mode: str = "poly", **more: object) -> tuple[Voices, Node]:
    return Voices(count, mode, **more), Node(count)  # type: ignore[arg-type]


def play(voices: Voices, node: Node, *messages: tuple[int, ...]) -> None:
    for message in messages:
        node.take(voices.hear(message))


# ---------------------------------------------------------------------------------------------- whatever is played


@given(st.sampled_from(MODES), st.integers(1, 6), st.lists(MESSAGE, max_size=60), st.booleans())
@settings(max_examples=400, deadline=None)
def test_nothing_hangs_and_nobody_shares(mode: str, count: int, messages: list[tuple[int, ...]], legato: bool) -> None:
    voices, node = stage(count, mode, legato=legato)
    for message in messages:
        play(voices, node, message)
        assert node.open() == [v.index for v in voices.voices if v.sounds]
        sounding = [v.note for v in voices.voices if v.sounds]
        assert len(set(sounding)) == len(sounding)
        strikes = [abs(n) for n in node.states["note"] if n]
        assert len(set(strikes)) == len(strikes)
    for channel in range(1, 17):  # whatever came before: keys up, pedals up
        play(voices, node, *(off(k, channel) for k in range(128)), control(64, 0, channel), control(66, 0, channel))
    assert node.open() == []


@given(st.sampled_from(MODES), st.lists(MESSAGE, max_size=60), st.sampled_from(("silence", "sound off", "notes off")))
@settings(max_examples=200, deadline=None)
def test_every_kind_of_all_off(mode: str, messages: list[tuple[int, ...]], how: str) -> None:
    voices, node = stage(4, mode)
    play(voices, node, *messages)
    if how == "silence":
        node.take(voices.silence())
    for channel in range(1, 17):
        if how == "sound off":
            play(voices, node, control(120, 0, channel))
        elif how == "notes off":
            play(voices, node, control(123, 0, channel), control(64, 0, channel), control(66, 0, channel))
    assert node.open() == []


@given(st.lists(ON | OFF, max_size=80))
def test_a_voice_is_stolen_only_where_none_rests_and_then_the_oldest(messages: list[tuple[int, ...]]) -> None:
    voices, node = stage(3)
    order: list[int] = []  # voices by the time of their last start or release
    for message in messages:
        rest, before = [v for v in order if v not in node.open()], list(node.states["note"])
        fresh = [k for k in range(3) if k not in order]
        note = (message[0] % 16 + 1, message[1])
        same = [v.index for v in voices.voices if v.sounds and v.note == note]
        starts = message[0] >= 0x90 and message[2] > 0
        play(voices, node, message)
        changed = [k for k in range(3) if node.states["note"][k] != before[k]]
        if starts:
            assert changed == (same or fresh[:1] or rest[:1] or order[:1])
        order = [k for k in order if k not in changed] + changed


@given(st.lists(st.lists(st.integers(0, 255), max_size=4), max_size=20))
def test_no_bytes_do_harm(messages: list[list[int]]) -> None:
    voices, node = stage(2)
    for message in messages:
        if message:
            node.take(voices.hear(message))


# ---------------------------------------------------------------------------------------------- poly


def test_a_note_writes_its_strike_last() -> None:
    writes = Voices(2).hear(on(72, 127))
    assert [w[0] for w in writes][-1] == "note"
    assert {w[0]: w[2] for w in writes} == {"volts": 1.0, "bend": 0.0, "force": 1.0, "press": 0.0, "colour": 0.0, "note": 1.0}


def test_voices_take_turns_so_that_tails_ring() -> None:
    voices, node = stage(3)
    used = []
    for _ in range(6):
        before = list(node.states["note"])
        play(voices, node, on(60), off(60))
        used.append(next(k for k in range(3) if node.states["note"][k] != before[k]))
    assert used == [0, 1, 2, 0, 1, 2]


def test_the_same_key_again_strikes_its_own_voice() -> None:
    voices, node = stage(3)
    play(voices, node, on(60), on(64), on(60, 20))
    assert node.open() == [0, 1]
    assert node.states["note"][:2] == [3.0, 2.0]
    assert node.states["force"][0] == pytest.approx(20 / 127)


def test_channel_filter() -> None:
    voices, node = stage(2, channel=5)
    play(voices, node, on(60, channel=4))
    assert node.open() == []
    play(voices, node, on(60, channel=5))
    assert node.open() == [0]


def test_pedals() -> None:
    voices, node = stage(4)
    play(voices, node, control(64, 127), on(60), off(60))
    assert node.open() == [0]
    play(voices, node, control(64, 0))
    assert node.open() == []
    play(voices, node, on(60), control(66, 127), on(62), off(60), off(62))  # sostenuto holds only what was down
    assert [voices.voices[k].note for k in node.open()] == [(1, 60)]
    play(voices, node, control(66, 0))
    assert node.open() == []


def test_all_notes_off_leaves_what_the_pedal_holds_and_reset_lets_it_go() -> None:
    voices, node = stage(4)
    play(voices, node, control(64, 127), on(60), control(123, 0))
    assert node.open() == [0]
    play(voices, node, control(121, 0))
    assert node.open() == []


def test_bend_reaches_both_ends_and_its_range_can_be_set_over_midi() -> None:
    assert (bent(0), bent(8192), bent(16383)) == (-1.0, 0.0, 1.0)
    voices, node = stage(2)
    play(voices, node, on(60), bend(16383))
    assert node.states["bend"][0] == 2 / 12
    play(voices, node, control(101, 0), control(100, 0), control(6, 12), control(38, 50))
    assert node.states["bend"][0] == pytest.approx(12.5 / 12)
    play(voices, node, bend(8192))
    assert node.states["bend"][0] == 0.0


def test_pressure_of_key_and_channel() -> None:
    voices, node = stage(2)
    play(voices, node, on(60), on(64), (0xA0, 64, 127), (0xD0, 32))
    assert node.states["press"][:2] == pytest.approx([32 / 127, 1.0])


# ---------------------------------------------------------------------------------------------- mono


@pytest.mark.parametrize(("mode", "expected"), [("mono last", [60, 67, 55, 67]), ("mono low", [60, 60, 55, 60]),
                                                ("mono high", [60, 67, 67, 67])])  # fmt: skip
def test_mono_priority(mode: str, expected: list[int]) -> None:
    voices, node = stage(2, mode)
    heard = []
    for message in (on(60), on(67), on(55), off(55)):
        play(voices, node, message)
        heard.append(node.states["volts"][0])
    assert heard == [volts(k) for k in expected]
    assert node.open() == [0]
    play(voices, node, off(67), off(60))
    assert node.open() == []


def test_legato_ties_and_a_return_never_strikes() -> None:
    for legato, strikes in ((False, 2.0), (True, 1.0)):
        voices, node = stage(1, "mono last", legato=legato)
        play(voices, node, on(60), on(64))
        assert node.states["note"][0] == strikes
        play(voices, node, off(64))
        assert (node.states["note"][0], node.states["volts"][0]) == (strikes, 0.0)


# ---------------------------------------------------------------------------------------------- MPE


def test_mpe_fingers_are_apart_and_the_master_moves_all() -> None:
    voices, node = stage(4, "mpe")
    play(voices, node, on(60, channel=2), on(64, channel=3), bend(16383, 2), (0xD0 + 2, 64), control(74, 127, 3))
    assert node.states["bend"][:2] == [4.0, 0.0]  # 48 semitones
    assert node.states["press"][:2] == pytest.approx([0.0, 64 / 127])
    assert node.states["colour"][:2] == pytest.approx([64 / 127, 1.0])
    play(voices, node, bend(16383, 1))
    assert node.states["bend"][:2] == pytest.approx([4.0 + 2 / 12, 2 / 12])
    play(voices, node, control(64, 127, 1), off(60, 2))  # the master's pedal holds the zone
    assert node.open() == [0, 1]


def test_mpe_a_released_voice_no_longer_hears_its_channel_once_that_plays_another() -> None:
    voices, node = stage(4, "mpe")
    play(voices, node, on(60, channel=2), off(60, 2), bend(16383, 2))
    assert node.states["bend"][0] == 4.0  # the tail still follows
    play(voices, node, bend(8192, 2), on(62, channel=2), bend(0, 2))
    assert node.states["bend"][:2] == [0.0, -4.0]


def test_mpe_zones_and_ranges_are_set_over_midi() -> None:
    def rpn(channel: int, number: int, value: int) -> list[tuple[int, int, int]]:
        return [control(101, 0, channel), control(100, number, channel), control(6, value, channel)]

    voices, node = stage(8, "mpe")
    play(voices, node, *rpn(1, 6, 7), *rpn(16, 6, 5))
    assert voices.zones == {1: 7, 16: 5}
    play(voices, node, on(60, channel=9))  # in neither zone
    assert node.open() == []
    play(voices, node, *rpn(3, 0, 24), on(60, channel=2), bend(16383, 2), on(60, channel=12), bend(16383, 12))
    assert node.states["bend"][:2] == [2.0, 4.0]  # told one member, meant all of its zone
    play(voices, node, control(120, 0, 16))
    assert node.open() == [0]
    play(voices, node, *rpn(16, 6, 14))  # the zones never overlap
    assert voices.zones == {16: 14, 1: 0}
    assert node.open() == []
