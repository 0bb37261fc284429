"""Notes, phrases and drum patterns made up at random, as MIDI for a General MIDI sound font.

Everything follows from the random generator that is passed in.  What is played is said in labels, with the notes themselves:
[start s, length s, MIDI pitch, velocity] each.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import mido
import numpy as np

DYNAMICS = {"pp": (40, -32.0), "mp": (62, -27.0), "mf": (84, -22.0), "f": (104, -18.0), "ff": (122, -14.0)}
"""MIDI velocity, which is also timbre, and loudness in dBFS: the level of a sound font's instruments is not theirs to say."""
CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
STRINGS = {
    "violin": (40, 55, 93), "viola": (41, 48, 84), "cello": (42, 36, 76), "contrabass": (43, 28, 60),
    "ensemble": (48, 36, 88), "slow ensemble": (49, 36, 88),
}  # fmt: skip
"""General MIDI program, lowest and highest pitch."""
WINDS = {
    "sax": (65, 49, 80), "flute": (73, 60, 93), "horn": (60, 41, 77), "clarinet": (71, 50, 89), "piano": (0, 28, 96),
    "trombone": (57, 40, 70), "trumpet": (56, 55, 82), "violin": (40, 55, 93), "cello": (42, 36, 72),
}  # fmt: skip
"""What single notes are made of."""
KITS = {"standard": 0, "room": 8, "power": 16, "electronic": 24, "TR-808": 25, "jazz": 32, "brush": 40}
KICKS, SNARES, HATS, TOMS = (36, 35), (38, 40, 37, 39), (42, 44, 46), (41, 43, 45, 47, 48, 50)
CYMBALS, PERCUSSION = (49, 51, 53, 57, 59), (54, 56, 60, 61, 62, 63, 64, 65, 66, 69, 70, 75, 76, 77)
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10), (0, 2, 4, 7, 9), (0, 1, 4, 5, 7, 8, 11))
CHORDS = ((0, 7), (0, 4, 7), (0, 3, 7), (0, 5, 9), (0, 3, 8), (0, 4, 7, 11), (0, 3, 7, 10), (0, 7, 12, 16))
VIBRATO, EXPRESSION, TAIL = 1, 11, 1.2
"""Controllers, and the seconds in which the last note dies away."""


@dataclass
class Score:
    """What one channel plays: notes (start s, length s, pitch, velocity) and curves (time s, controller or "bend", value)."""

    program: int
    drums: bool = False
    notes: list[tuple[float, float, int, int]] = field(default_factory=list)
    curves: list[tuple[float, int | str, float]] = field(default_factory=list)
    labels: dict[str, Any] = field(default_factory=dict)

    def note(self, start: float, length: float, pitch: int, velocity: float) -> None:
        self.notes.append((round(start, 4), round(length, 4), int(pitch), int(np.clip(velocity, 1, 127))))

    def told(self) -> dict[str, Any]:
        """Labels for the index.  A single note has its pitch, pitch class and octave (C4 is 60)."""
        labels = {**self.labels, "notes": [list(n) for n in sorted(self.notes)]}
        if len(self.notes) == 1 and not self.drums:
            pitch = self.notes[0][2]
            labels |= {"pitch": pitch, "class": CLASSES[pitch % 12], "octave": pitch // 12 - 1}
        return labels

    def midi(self) -> bytes:
        """As a MIDI file at 1000 ticks a second."""
        channel = 9 if self.drums else 0
        events: list[tuple[float, int, mido.Message]] = [
            (0.0, 0, mido.Message("program_change", channel=channel, program=self.program))
        ]
        for time, which, value in self.curves:
            message = (
                mido.Message("pitchwheel", channel=channel, pitch=int(np.clip(value * 8191, -8191, 8191)))
                if which == "bend"
                else mido.Message("control_change", channel=channel, control=which, value=int(np.clip(value, 0, 127)))
            )
            events.append((time, 1, message))
        for start, length, pitch, velocity in self.notes:
            events.append((start, 2, mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)))
            events.append((start + length, 1, mido.Message("note_off", channel=channel, note=pitch)))
        track, last = mido.MidiTrack(), 0
        for time, _, message in sorted(events, key=lambda e: e[:2]):
            tick = max(round(1000 * time), last)
            track.append(message.copy(time=tick - last))
            last = tick
        track.append(mido.MetaMessage("end_of_track", time=round(1000 * TAIL)))
        file = mido.MidiFile(ticks_per_beat=500, tracks=[track])  # at the 120 beats a minute of a file that says nothing
        memory = io.BytesIO()
        file.save(file=memory)
        return memory.getvalue()


def strings(rng: np.random.Generator, only: tuple[str, ...] = ()) -> Score:
    """A sustained note, a glide, a chord or a legato phrase of bowed strings, with vibrato and swells."""
    instrument = str(rng.choice([name for name in STRINGS if not only or name in only]))
    program, low, high = STRINGS[instrument]
    dynamics = str(rng.choice(list(DYNAMICS)))
    kind = str(rng.choice(["note", "phrase", "glide", "chord"], p=[0.35, 0.4, 0.1, 0.15]))
    score = Score(program, labels={"instrument": instrument, "kind": kind, "dynamics": dynamics})
    loud = DYNAMICS[dynamics][0] + float(rng.uniform(-6.0, 6.0))
    if kind == "phrase":
        length = _melody(score, rng, low, high, loud)
    else:
        length = float(rng.uniform(2.5, 6.0))
        pitch = int(rng.integers(low, high - (16 if kind == "chord" else 0)))
        for step in CHORDS[rng.integers(len(CHORDS))] if kind == "chord" else (0,):
            score.note(float(rng.uniform(0, 0.03)) if step else 0.0, length, pitch + step, loud)
    if kind == "glide":  # the wheel reaches two semitones each way
        a, b = rng.uniform(-1.0, 1.0, 2)
        times = np.linspace(0.1, 0.9, 100) * length
        score.curves += [(float(t), "bend", float(v)) for t, v in zip(times, a + (b - a) * np.linspace(0, 1, 100))]
        score.curves.append((0.0, "bend", float(a)))
    _swells(score, rng, length)
    return score


def every_note(only: tuple[str, ...] = ()) -> list[tuple[str, int, str]]:
    """Instrument, pitch and dynamics of every single note that there is."""
    return [
        (name, pitch, loud)
        for name, (_, low, high) in WINDS.items()
        if not only or name in only
        for pitch in range(low, high + 1)
        for loud in ("pp", "mf", "ff")
    ]


def note(rng: np.random.Generator, number: int, only: tuple[str, ...] = ()) -> Score:
    """The single note with this number, in an order that follows from the generator."""
    known = every_note(only)
    instrument, pitch, dynamics = known[rng.permutation(len(known))[number]]
    score = Score(WINDS[instrument][0], labels={"instrument": instrument, "kind": "note", "dynamics": dynamics})
    score.note(0.0, 2.8, pitch, DYNAMICS[dynamics][0])
    return score


def drums(rng: np.random.Generator, only: tuple[str, ...] = ()) -> Score:
    """Two or three bars of a pattern that repeats with changes and a fill, a roll, or single strokes."""
    kit = str(rng.choice([name for name in KITS if not only or name in only]))
    kind = str(rng.choice(["pattern", "strokes", "roll"], p=[0.7, 0.18, 0.12]))
    tempo = round(float(rng.uniform(70.0, 165.0)), 1)
    score = Score(KITS[kit], True, labels={"instrument": "drums", "kit": kit, "kind": kind, "tempo": tempo})
    step = 15.0 / tempo  # a sixteenth
    if kind == "strokes":
        pool = (*KICKS, *SNARES, *HATS, *TOMS, *CYMBALS, *PERCUSSION)
        time = 0.0
        for _ in range(rng.integers(4, 9)):
            score.note(time, 0.2, int(rng.choice(pool)), float(rng.uniform(30.0, 127.0)))
            time += float(rng.uniform(0.25, 0.9))
    elif kind == "roll":
        drum, count = int(rng.choice((*SNARES[:2], *TOMS, *PERCUSSION))), int(rng.integers(24, 64))
        start = float(rng.choice([30.0, 120.0]))
        for i, velocity in enumerate(np.linspace(start, 150 - start, count)):
            score.note(i * step / 2, 0.1, drum, velocity + float(rng.uniform(-8.0, 8.0)))
    else:
        _pattern(score, rng, step)
    return score


def _melody(score: Score, rng: np.random.Generator, low: int, high: int, loud: float) -> float:
    """A walk through a scale; each note reaches a little into the next.  Returns its length in seconds."""
    scale = SCALES[rng.integers(len(SCALES))]
    root = int(rng.integers(low, low + 12))
    steps = [root + 12 * octave + s for octave in range(6) for s in scale]
    steps = [s for s in steps if low <= s <= high]
    at, time, beat = int(rng.integers(len(steps))), 0.0, float(rng.uniform(0.16, 0.5))
    for _ in range(rng.integers(5, 12)):
        length = beat * float(rng.choice([1.0, 1.0, 1.5, 2.0, 3.0]))
        over = float(rng.choice([0.06, -0.04], p=[0.8, 0.2]))
        score.note(time, length + over, steps[at], loud + float(rng.uniform(-10.0, 10.0)))
        time += length
        turn = int(rng.choice([-4, -2, -1, -1, 1, 1, 2, 4]))
        at += turn if 0 <= at + turn < len(steps) else -turn  # never the same twice: the end of one would end the other
    return time


def _swells(score: Score, rng: np.random.Generator, length: float) -> None:
    """Expression and vibrato through three random points each."""
    times = np.linspace(0.0, length, 40)
    for which, low, high in ((EXPRESSION, 55, 127), (VIBRATO, 0, 70)):
        curve = np.interp(times, np.linspace(0.0, length, 3), rng.uniform(low, high, 3))
        score.curves += [(round(float(t), 4), which, float(v)) for t, v in zip(times, curve)]


def _pattern(score: Score, rng: np.random.Generator, step: float) -> None:
    """Euclidean rhythms, one a drum: k strokes spread evenly over 16 steps and turned; swing, ghost notes, a fill."""
    swing = float(rng.uniform(0.0, 0.3)) * step
    parts = [(int(rng.choice(KICKS)), int(rng.integers(2, 6)), 0, 112), (int(rng.choice(SNARES)), 2, 4, 104)]
    parts += [(HATS[0], int(rng.choice([4, 8, 8, 12, 16])), int(rng.integers(3)), 78)]
    more: tuple[tuple[tuple[int, ...], float], ...] = ((PERCUSSION, 0.5), (TOMS, 0.35), (CYMBALS[1:3], 0.25), ((46,), 0.3))
    for pool, chance in more:
        if rng.random() < chance:
            parts.append((int(rng.choice(pool)), int(rng.integers(1, 8)), int(rng.integers(16)), 84))
    bars = int(rng.integers(2, 4))
    for bar in range(bars):
        fill = bar == bars - 1 and rng.random() < 0.5
        if rng.random() < 0.2:
            score.note(16 * bar * step, 0.3, CYMBALS[0], 100)
        for drum, count, turn, loud in parts:
            for i in range(16):
                there = (i - turn) * count % 16 < count
                if (there and not (fill and i >= 12)) or rng.random() < 0.02:
                    late = swing if i % 2 else 0.0
                    time = max((16 * bar + i) * step + late + float(rng.normal(0.0, 0.004)), 0.0)
                    score.note(time, 0.15, drum, loud * (1.0 if there else 0.45) + rng.normal(0.0, 9.0))
        if fill:
            for i, tom in enumerate(sorted(rng.choice(TOMS, 4), reverse=True)):
                score.note((16 * bar + 12 + i) * step, 0.2, tom, 90 + 8 * i)
