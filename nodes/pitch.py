"""Pitch: scales, notes and frequencies."""

from __future__ import annotations

import numpy as np

from .base import Choice, Data, In, Node, Out, Param, f32
from .dsp.maths import exp2, log2

SCALES = {
    "chromatic": (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "melodic minor": (0, 2, 3, 5, 7, 9, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "locrian": (0, 1, 3, 5, 6, 8, 10),
    "major pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "whole tone": (0, 2, 4, 6, 8, 10),
    "diminished": (0, 2, 3, 5, 6, 8, 9, 11),
    "fifths": (0, 7),
    "octaves": (0,),
}
"""Semitones above the root."""
MASKS = np.array([sum(1 << n for n in notes) for notes in SCALES.values()], np.int64)  # bit n: semitone n is in the scale
CUSTOM = len(SCALES)
NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


class Quantise(Node):
    """Moves a pitch to the nearest note of a scale.

    Patch any modulator into `a` (volts, 1 per octave) and `out` into an oscillator's pitch; `changed` plucks an
    envelope at every new note.
    """

    id = "maths/quantise"
    a = In(doc="pitch in volts, 1 per octave, 0 = C4")
    root = Choice("C", NOTES, doc="the note on which the scale stands")
    scale = Choice("chromatic", (*SCALES, "custom"), doc="the notes there are; custom: those of `notes`")
    notes = Data(((0.0,), (4.0,), (7.0,)), limit=12, low=0.0, high=11.0, unit="st", doc="custom scale, above the root")
    out = Out(doc="pitch in volts")
    changed = Out(doc="1 for one sample when the note becomes another, else 0")
    state = {"note": f32}

    def kernel(frames, channels, sr, state, a, root, scale, notes, out, changed):
        mask = MASKS[min(max(scale, 0), CUSTOM - 1)]
        if scale == CUSTOM:
            mask = 0
            for k in range(notes.shape[0]):
                mask |= 1 << min(max(int(notes[k, 0] + 0.5), 0), 11)
        if mask == 0:
            mask = 1  # a scale without notes has its root
        for i in range(frames):
            for c in range(channels):
                at = min(max(a[i, c], -100.0), 100.0) * 12.0 - np.float32(root)
                below = int(np.floor(at))
                above = below + 1
                for _ in range(12):
                    if (mask >> (below + 2400) % 12) & 1:
                        break
                    below -= 1
                for _ in range(12):
                    if (mask >> (above + 2400) % 12) & 1:
                        break
                    above += 1
                chosen = below if at - np.float32(below) <= np.float32(above) - at else above
                note = np.float32(chosen + root)
                changed[i, c] = 1.0 if note != state.note[c] else 0.0
                state.note[c] = note
                out[i, c] = note * (1.0 / 12.0)


class MidiToFrequency(Node):
    """Turns a note number, or a pitch in volts, into a frequency in hertz.

    Patch it into a frequency and set the cable to `units` mode, which adds hertz.
    """

    id = "maths/mtof"
    a = In(doc="note", rest=0.0)
    tuning = Param(440.0, 220.0, 880.0, "Hz", doc="frequency of the A above middle C")
    unit = Choice("MIDI note", ("MIDI note", "volts"), doc="69 is that A; or 1 V per octave with 0 = C4")
    out = Out(doc="frequency in Hz")

    def kernel(frames, channels, sr, state, a, tuning, unit, out):
        gain = np.float32(1.0 / 12.0) if unit == 0 else np.float32(1.0)
        zero = np.float32(69.0 / 12.0) if unit == 0 else np.float32(0.75)
        for i in range(frames):
            for c in range(channels):
                out[i, c] = tuning[i, c] * exp2(min(max(a[i, c] * gain - zero, -40.0), 40.0))


class FrequencyToMidi(Node):
    """Turns a frequency in hertz into a note number, or a pitch in volts.  The inverse of maths/mtof."""

    id = "maths/ftom"
    a = In(doc="frequency in Hz", rest=440.0)
    tuning = Param(440.0, 220.0, 880.0, "Hz", doc="frequency of the A above middle C")
    unit = Choice("MIDI note", ("MIDI note", "volts"), doc="69 is that A; or 1 V per octave with 0 = C4")
    out = Out(doc="note")

    def kernel(frames, channels, sr, state, a, tuning, unit, out):
        gain = np.float32(12.0) if unit == 0 else np.float32(1.0)
        zero = np.float32(69.0) if unit == 0 else np.float32(0.75)
        for i in range(frames):
            for c in range(channels):
                out[i, c] = log2(max(a[i, c], 1e-6) / tuning[i, c]) * gain + zero
