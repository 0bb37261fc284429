"""The MIDI and control-voltage nodes by themselves: what a write from outside sounds like, and what is sent."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from nodes.cv import ControlVoltage
from nodes.midi import TICKS, ClockIn, Controller, Notes
from nodes.midi_ports import Sender, Timeline, matching
from tests.rig import cells, run

SR = 48000


class Bench:
    """A node whose live states are written between runs, as the engine writes them at block edges."""

    def __init__(self, cls: Any, channels: int = 1, **settings: Any) -> None:
        self.cls, self.channels = cls, channels
        self.settings = {**{n: s.default for n, s in cls.spec.settings.items()}, **settings}
        self.state = cells(cls, channels, SR, self.settings)

    def write(self, index: int = 0, **values: float) -> None:
        for state, value in values.items():
            assert state in self.cls.live
            self.state[state].reshape(-1)[index] = value

    def run(self, frames: int = 64, **inputs: Any) -> dict[str, np.ndarray]:
        return run(self.cls, frames, SR, self.channels, self.settings, self.state, **inputs)


# ---------------------------------------------------------------------------------------------- midi/notes


def test_silent_until_something_comes() -> None:
    out = Bench(Notes, voices=4).run()
    assert out["pitch"].shape == (64, 4)
    assert not any(out[n].any() for n in Notes.spec.outlets)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_note_is_exact_and_its_own_voice(channels: int) -> None:
    bench = Bench(Notes, channels, voices=5)
    for v, key in enumerate((0, 59, 60, 61, 127)):
        bench.write(v, note=float(v + 1), volts=(key - 60) / 12, force=key / 127)
    out = bench.run()
    assert (out["pitch"] == np.float32([(k - 60) / 12 for k in (0, 59, 60, 61, 127)])).all()
    assert (out["velocity"] == np.float32([k / 127 for k in (0, 59, 60, 61, 127)])).all()
    assert (out["gate"] == 1.0).all()


def test_a_voice_struck_again_closes_for_one_sample() -> None:
    bench = Bench(Notes, voices=2)
    bench.write(0, note=1.0)
    assert bench.run()["gate"][:, 0].all()
    bench.write(0, note=-1.0)
    bench.write(0, note=2.0)  # released and struck in one block
    gate = bench.run()["gate"]
    assert (gate[0, 0], gate[1:, 0].all()) == (0.0, True)
    assert bench.run()["gate"][:, 0].all()
    bench.write(0, note=-2.0)
    assert not bench.run()["gate"].any()


def test_a_note_shorter_than_a_block_is_heard_for_a_millisecond() -> None:
    bench = Bench(Notes, voices=1)
    bench.write(0, note=-1.0)  # struck and released before the block began
    gate = np.concatenate([bench.run()["gate"] for _ in range(2)])
    assert gate[:, 0].tolist() == [1.0] * 48 + [0.0] * 80


def test_glide_goes_straight_and_arrives_exactly() -> None:
    bench = Bench(Notes, voices=1)
    bench.write(0, note=1.0, volts=-1.0)
    assert (bench.run(glide=0.01)["pitch"] == -1.0).all()  # the first note has nowhere to come from
    bench.write(0, note=2.0, volts=1.0)
    pitch = bench.run(960, glide=0.01)["pitch"][:, 0]
    assert pitch[:479] == pytest.approx(-1.0 + np.arange(1, 480) / 240, abs=1e-4)
    assert (pitch[479:] == 1.0).all()


def test_bend_and_pressure_settle_without_steps_and_a_strike_begins_with_them() -> None:
    bench = Bench(Notes, voices=1)
    bench.write(0, note=1.0, bend=0.5, press=1.0, colour=0.25)
    out = bench.run()
    assert (out["pitch"][0, 0], out["pressure"][0, 0], out["timbre"][0, 0]) == (0.5, 1.0, 0.25)
    bench.write(0, bend=0.0, press=0.0)
    out = bench.run(4800)
    assert np.abs(np.diff(out["pitch"][:, 0])).max() < 0.5 * 0.005
    assert abs(out["pitch"][-1, 0]) < 1e-6 and out["pressure"][-1, 0] < 1e-6


# ---------------------------------------------------------------------------------------------- midi/cc, midi/clock


def test_controller_begins_where_it_stands_and_then_settles() -> None:
    bench = Bench(Controller)
    assert (bench.run(value=0.7)["out"] == np.float32(0.7)).all()
    out = bench.run(4800, value=0.2)
    assert out["out"][479, 0] == pytest.approx(0.2 + 0.5 * np.exp(-1), abs=0.002)
    assert out["out"][-1, 0] == pytest.approx(0.2, abs=1e-4)
    assert not out["gate"].any()
    assert (bench.run(value=0.9, smooth=0.0)["out"] == np.float32(0.9)).all()


def pulses(gate: np.ndarray) -> list[int]:
    """Samples at which a gate opens."""
    x = np.concatenate([[0.0], gate[:, 0]])
    return list(np.flatnonzero((x[:-1] < 0.5) & (x[1:] >= 0.5)))


@pytest.mark.parametrize("per_beat", ClockIn.spec.choices["per_beat"].options)
def test_clock_divides_ticks_and_the_first_is_a_pulse(per_beat: str) -> None:
    bench, out, tick = Bench(ClockIn), [], 960
    bench.write(running=1.0, starts=1.0, tempo=125.0)  # 24 ticks a beat of 480 ms are 960 samples apart
    for n in range(48):
        bench.write(ticks=float(n + 1))
        out.append(bench.run(tick, per_beat=per_beat))
    gate = np.concatenate([o["out"] for o in out])
    every = tick * TICKS[ClockIn.spec.choices["per_beat"].options.index(per_beat)]
    assert pulses(gate) == list(range(0, 48 * tick, every))
    assert gate.mean() == pytest.approx(0.5, abs=0.01)
    assert (out[0]["start"].sum(), sum(o["start"].sum() for o in out[1:])) == (1.0, 0.0)
    assert all((o["bpm"] == 125.0).all() and o["run"].all() for o in out)


def test_clock_loses_no_pulse_when_ticks_come_together() -> None:
    bench = Bench(ClockIn)
    bench.write(running=1.0, tempo=120.0)
    rng = np.random.default_rng(1)
    count = opened = 0
    last = 0.0
    for _ in range(300):
        count += int(rng.choice([0, 0, 0, 0, 1, 1, 2, 3]))
        bench.write(ticks=float(count))
        gate = bench.run(512, per_beat="24")["out"][:, 0]
        x = np.concatenate([[last], gate])
        opened += int(((x[:-1] < 0.5) & (x[1:] >= 0.5)).sum())
        last = gate[-1]
    gate = bench.run(4096, per_beat="24")["out"][:, 0]
    x = np.concatenate([[last], gate])
    assert opened + int(((x[:-1] < 0.5) & (x[1:] >= 0.5)).sum()) == count


def test_clock_stops_goes_on_and_starts_from_the_top() -> None:
    bench = Bench(ClockIn)
    bench.write(running=1.0, starts=1.0, tempo=120.0, ticks=1.0)
    assert pulses(bench.run(per_beat="1")["out"]) == [0]
    bench.write(running=0.0)
    out = bench.run(per_beat="1")
    assert not out["out"].any() and not out["run"].any()
    bench.write(running=1.0, ticks=2.0)
    assert not bench.run(30000, per_beat="1")["out"].any()
    bench.write(starts=2.0, ticks=1.0)  # start and first tick before the block
    out = bench.run(per_beat="1")
    assert pulses(out["out"]) == [0]
    assert out["start"][:, 0].tolist() == [1.0] + [0.0] * 63
    bench.run(30000, per_beat="1")
    bench.write(ticks=1000.0)  # told in the middle of the song: no pulses to make up for
    assert pulses(bench.run(30000, per_beat="1")["out"]) == []
    bench.write(ticks=1009.0)
    assert pulses(bench.run(per_beat="1")["out"]) == [0]


# ---------------------------------------------------------------------------------------------- io/cv


def test_an_octave_is_a_volt_at_the_jack() -> None:
    """The clipped range of ±10 V holds 20 octaves; ten of them are asked for."""
    volts = np.linspace(-5.0, 5.0, 12001)[:, None]
    for full_scale in (5.01, 8.0, 9.73, 10.0):
        bus = run(ControlVoltage, len(volts), volts=volts, full_scale=full_scale)["bus"]
        jack = bus.astype(np.float64) * np.float64(np.float32(full_scale))
        assert np.abs(jack - volts).max() * 1200 < 0.01  # cents


def test_calibration_by_the_formula_in_its_help() -> None:
    gain, zero, full_scale = 0.9613, 0.137, 10.0  # what this jack really does with the volts that it is asked for

    def measured(volts: Any, **params: float) -> np.ndarray:
        asked = run(ControlVoltage, len(volts), volts=volts, full_scale=full_scale, **params)["bus"][:, 0]
        return gain * full_scale * asked.astype(np.float64) + zero

    a, b = measured(np.array([-2.0, 2.0]))
    scale = 4 / (b - a)
    octaves = np.arange(-5.0, 6.0)
    jack = measured(octaves, scale=scale, offset=-scale * (a + b) / 2)
    assert np.abs(jack - octaves).max() * 1200 < 1.0


def test_gates_and_modulation_in_volts_and_nothing_beyond_full_scale() -> None:
    x = np.array([-3.0, -1.0, 0.0, 0.49, 0.5, 1.0, 3.0])

    def volts(kind: str, **params: float) -> list[float]:
        return (run(ControlVoltage, len(x), volts=x, kind=kind, **params)["bus"][:, 0] * 10.0).round(4).tolist()

    assert volts("gate", size=8.0) == [0, 0, 0, 0, 8, 8, 8]
    assert volts("unipolar") == pytest.approx([0, 0, 0, 2.45, 2.5, 5, 5])
    assert volts("bipolar") == pytest.approx([-5, -5, 0, 2.45, 2.5, 5, 5])
    assert np.abs(run(ControlVoltage, 7, volts=x * 100)["bus"]).max() == 1.0


# ---------------------------------------------------------------------------------------------- what is sent


class Sent(Sender):
    """A sender whose messages are kept with their frames, instead of a port."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        monkeypatch.setenv("ZRACK_OFFLINE", "1")
        super().__init__(SR, {"port": "", **settings})
        self.at, self.messages = 0, []  # type: ignore[var-annotated]

    def play(self, events: Any, frames: int) -> None:
        self.messages += [(self.at + i, bytes(m).hex(" ")) for i, m in events]
        self.at += frames


def test_notes_are_sent_at_their_samples_however_they_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = 2048
    gate = np.zeros((frames, 2), np.float32)
    gate[100:700, 0] = gate[701:900, 0] = gate[300:1500, 1] = 1.0
    pitch = np.full((frames, 2), 0.0, np.float32)
    pitch[:, 1], pitch[701:, 0] = 1.0, 7 / 12
    velocity = np.full((frames, 2), 0.5, np.float32)
    expected = [
        (100, "92 3c 40"),
        (300, "92 48 40"),
        (700, "82 3c 40"),
        (701, "92 43 40"),
        (900, "82 43 40"),
        (1500, "82 48 40"),
    ]
    for hop in (64, 256, 2048):
        sender = Sent(monkeypatch, channel=3)
        for k in range(0, frames, hop):
            sender.notes(pitch[k : k + hop], gate[k : k + hop], velocity[k : k + hop])
        assert sender.messages == expected


def test_a_key_that_two_channels_play_ends_with_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = np.zeros((100, 2), np.float32)
    gate[10:50, 0] = gate[20:80, 1] = 1.0
    sender = Sent(monkeypatch)
    sender.notes(np.zeros((100, 2), np.float32), gate, np.ones((100, 2), np.float32))
    assert sender.messages == [(10, "90 3c 7f"), (20, "90 3c 7f"), (80, "80 3c 40")]


def test_controllers_are_sent_when_they_move_at_most_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    value = np.linspace(0.0, 1.0, SR)[:, None].repeat(2, axis=1)
    value[:, 1] = 1.0
    sender = Sent(monkeypatch, number=20, rate=50.0)
    for k in range(0, SR, 256):
        sender.controllers(value[k : k + 256])
    ramp = [m for m in sender.messages if m[1].startswith("b0 14")]
    assert [m for m in sender.messages if m[1].startswith("b0 15")] == [(0, "b0 15 7f")]
    assert 48 <= len(ramp) <= 50
    assert all(b[0] - a[0] >= 960 for a, b in itertools.pairwise(ramp))


def test_clock_out_says_start_stop_and_continue(monkeypatch: pytest.MonkeyPatch) -> None:
    n = 1000
    clock, run_, reset = (np.zeros((n, 1), np.float32) for _ in range(3))
    clock[::100], run_[50:400], run_[500:700], reset[800:], run_[900:] = 1, 1, 1, 1, 1
    sender = Sent(monkeypatch)
    sender.clock(clock, run_, reset)
    words = [(i, m) for i, m in sender.messages if m != "f8"]
    assert words == [(50, "fa"), (400, "fc"), (500, "fb"), (700, "fc"), (900, "fa")]
    assert [i for i, m in sender.messages if m == "f8"] == list(range(0, n, 100))


def test_timeline_is_even_though_hops_come_in_bursts() -> None:
    line, begins = Timeline(SR), []
    for k in range(200):
        begins.append(line.begin(256, 5.0 + (k // 4) * 4 * 256 / SR))  # four at once
    assert np.diff(begins) == pytest.approx(256 / SR)


def test_ports_by_a_part_of_their_name() -> None:
    names = ["Midi Through:0", "nanoKONTROL2 20:0", "Keystep 24:0"]
    assert matching(names, "nano") == [(1, "nanoKONTROL2 20:0")]
    assert len(matching(names, "all")) == 3
    assert matching(names, "volca") == []
