"""MIDI as signals: keyboards, controllers and clocks into the patch, and signals out as MIDI.

What comes in is written into the `live` states below by `runtime.midi`, at the edge of a block.
"""

from __future__ import annotations

import numpy as np

from .base import Choice, In, Node, Out, Param, Setting, f32, f64, i32
from .dsp.maths import LOG2E, approach
from .midi_ports import Sender

SETTLE = 0.005  # s until a third of the way to a new bend, pressure or timbre is left, so that their steps are not heard
SHORTEST = 0.001  # s that a gate stays open, so that a pad's shortest note is not lost
TICKS = (24, 12, 8, 6, 4, 3, 2, 1)  # of a MIDI clock in a pulse, for 1, 2, 3, 4, 6, 8, 12, 24 pulses a beat
BRIEF = 16  # samples that a pulse is open where another waits behind it


class Notes(Node):
    """A MIDI keyboard: pitch, gate, velocity, pressure and timbre of every voice.

    Patch `pitch` into an oscillator's pitch, `gate` into an envelope, `velocity` into its level. All that follows has as
    many channels as there are `voices`, until something mixes them. MPE controllers play pitch, pressure and timbre of
    each finger by itself.
    """

    id = "midi/notes"
    tags = ("keyboard", "polyphonic", "mpe", "control")
    live = ("note", "volts", "bend", "force", "press", "colour")
    glide = Param(0.0, 0.0, 10.0, "s", smooth=0.0, doc="time from one note's pitch to the next one's in the same voice")
    voices = Setting(8, 1, 64, doc="how many notes sound at once")
    mode = Setting(
        "poly", kind="choice", options=("poly", "mono last", "mono low", "mono high", "mpe"),
        doc="poly: the voice that rests longest takes a note; mono: the newest, lowest or highest key plays voice 1",
    )  # fmt: skip
    legato = Setting("off", kind="choice", options=("off", "on"), doc="on: in mono modes a key pressed over another ties")
    channel = Setting(0, 0, 16, doc="MIDI channel to listen to; 0: all")
    bend_range = Setting(2.0, 0.0, 96.0, "st", kind="float", doc="pitch wheel from middle to end; MPE fingers begin at 48")
    pitch = Out(doc="volts, 1 per octave, 0 = C4, the pitch wheel counted in", channels="voices")
    gate = Out(doc="1 while the note is held; 0 for one sample where a voice is struck again", channels="voices")
    velocity = Out(doc="0 … 1, how hard the key was struck", channels="voices")
    pressure = Out(doc="0 … 1, how hard it is held down", channels="voices")
    timbre = Out(doc="0 … 1, controller 74: a finger's place along the key", channels="voices")
    # `note` is the number of the voice's strike, below 0 once it is released: one write tells of both at once.
    state = {
        "note": f32["voices"], "volts": f32["voices"], "bend": f32["voices"], "force": f32["voices"],
        "press": f32["voices"], "colour": f32["voices"], "struck": f32["voices"], "was": f32["voices"],
        "open": i32["voices"], "place": f32["voices"], "goal": f32["voices"], "step": f32["voices"], "left": i32["voices"],
        "bent": f32["voices"], "pressed": f32["voices"], "coloured": f32["voices"],
    }  # fmt: skip
    coefs = ("length",)

    def prepare(sr, glide):  # type: ignore[no-untyped-def]
        return np.floor(glide * sr)

    def kernel(frames, channels, sr, state, length, pitch, gate, velocity, pressure, timbre):  # type: ignore[no-untyped-def]
        share, shortest = approach(LOG2E / (SETTLE * sr)), np.int32(SHORTEST * sr)
        for v in range(pitch.shape[1]):
            r, c = v // channels, v % channels  # a state has a column for each channel of `glide`
            note, goal = state.note[r, c], state.volts[r, c]
            bend, press, colour = state.bend[r, c], state.press[r, c], state.colour[r, c]
            strike = abs(note)
            struck, was, open_ = state.struck[r, c], state.was[r, c], state.open[r, c]
            place, step, left = state.place[r, c], state.step[r, c], state.left[r, c]
            bent, pressed, coloured = state.bent[r, c], state.pressed[r, c], state.coloured[r, c]
            for i in range(frames):
                first = struck == 0.0
                if strike != struck:
                    struck = strike
                    open_ = np.int32(shortest + (1 if was >= 0.5 else 0))
                    bent, pressed, coloured = bend, press, colour
                    shut = was >= 0.5
                else:
                    shut = False
                if goal != state.goal[r, c]:
                    n = np.int32(length[i, c])
                    state.goal[r, c] = goal
                    left = np.int32(0 if first else n)
                    step = (goal - place) / max(n, 1)
                if left > 0:
                    left = np.int32(left - 1)
                    place += step
                if left == 0:
                    place = goal
                bent += (bend - bent) * share
                pressed += (press - pressed) * share
                coloured += (colour - coloured) * share
                was = np.float32(0.0 if shut or (note <= 0.0 and open_ <= 0) else 1.0)
                open_ = np.int32(open_ - 1) if open_ > 0 else open_
                pitch[i, v] = place + bent
                gate[i, v] = was
                velocity[i, v] = state.force[r, c]
                pressure[i, v] = pressed
                timbre[i, v] = coloured
            state.struck[r, c], state.was[r, c], state.open[r, c] = struck, was, open_
            state.place[r, c], state.step[r, c], state.left[r, c] = place, step, left
            state.bent[r, c], state.pressed[r, c], state.coloured[r, c] = bent, pressed, coloured


class Controller(Node):
    """One knob, fader or wheel of a MIDI controller as a signal.

    Patch `out` into as many params as it should move at once. For a single param there is a shorter way: let the param
    learn the controller. `fine` takes two controllers as one number of 14 bits, where yours sends that.
    """

    id = "midi/cc"
    tags = ("control", "knob", "fader", "modulation wheel")
    value = Param(0.0, 0.0, 1.0, smooth=0.0, doc="where the controller stands; its messages move it")
    smooth = Param(0.01, 0.0, 10.0, "s", smooth=0.0, doc="time until a third of the way to a new value is left; 0 jumps")
    number = Setting(1, 0, 127, doc="number of the controller; 1 is the modulation wheel")
    fine = Setting("off", kind="choice", options=("off", "on"), doc="on: `number` (0 … 31) and `number` + 32 are one value")
    channel = Setting(0, 0, 16, doc="MIDI channel to listen to; 0: all")
    out = Out(doc="0 … 1")
    gate = Out(doc="1 while the value is 0.5 or more: a pedal, a button")
    state = {"z": f64, "begun": i32}
    coefs = ("share",)

    def prepare(sr, smooth):  # type: ignore[no-untyped-def]
        return approach(LOG2E / (smooth * sr)) if smooth * sr > 0.1 else 1.0

    def kernel(frames, channels, sr, state, value, share, out, gate):  # type: ignore[no-untyped-def]
        for c in range(channels):
            z, begun = state.z[c], state.begun[c]
            for i in range(frames):
                v = value[i, c]
                z = z + (v - z) * share[i, c] if share[i, c] < 1.0 and begun != 0 else np.float64(v)
                begun = np.int32(1)
                out[i, c] = z
                gate[i, c] = 1.0 if v >= 0.5 else 0.0
            state.z[c], state.begun[c] = z, begun


class ClockIn(Node):
    """The clock of another machine: pulses in its time, whether it runs, and its tempo.

    Patch `out` into a sequencer's clock and `start` into its reset. A machine that sends its clock without ever saying
    start counts as running.
    """

    id = "midi/clock"
    tags = ("sync", "tempo", "transport")
    live = ("ticks", "running", "starts", "tempo")
    per_beat = Choice("4", ("1", "2", "3", "4", "6", "8", "12", "24"), doc="pulses a beat")
    out = Out(doc="gate, half of a pulse's time open", channels=1)
    start = Out(doc="1 for one sample where the song starts from the top, else 0", channels=1)
    run = Out(doc="gate: open while the other machine plays", channels=1)
    bpm = Out(doc="its tempo in beats a minute, for a cable in `units` mode; 120 until it is known", channels=1)
    state = {
        "ticks": f32, "running": f32, "starts": f32, "tempo": f32, "pulse": i32, "begun": f32, "owed": i32, "open": i32,
        "was": f32,
    }  # fmt: skip

    def kernel(frames, channels, sr, state, per_beat, out, start, run, bpm):  # type: ignore[no-untyped-def]
        division = TICKS[min(max(per_beat, 0), 7)]
        beats = state.tempo[0] if state.tempo[0] > 1.0 else np.float32(120.0)
        half = np.int32(max(sr * np.float32(1.25) * division / beats, 1.0))  # 60 s / 24 ticks / 2
        going = state.running[0] >= 0.5
        pulse, owed, open_, was = state.pulse[0], state.owed[0], state.open[0], state.was[0]
        for i in range(frames):
            start[i, 0] = 0.0
            now = np.int32((np.int32(state.ticks[0]) + division - 1) // division)  # pulses so far: the first tick is one
            if state.starts[0] != state.begun[0]:
                state.begun[0] = state.starts[0]
                pulse, owed = np.int32(0 if now <= 1 else now), np.int32(0)
                start[i, 0] = 1.0
            if now != pulse:
                more = np.int32(now - pulse)  # above 8 it is another place in the song; below 0 the count began anew
                more = np.int32(1 if more < 0 else 0 if more > 8 else more)
                owed = np.int32(owed + more) if going else owed
                pulse = now
            if not going:
                owed, open_ = np.int32(0), np.int32(0)
            elif owed > 0 and (open_ <= 0 or open_ > BRIEF):
                if was < 0.5:
                    open_ = half if owed == 1 else np.int32(min(half, BRIEF))
                    owed = np.int32(owed - 1)
                else:
                    open_ = np.int32(0)  # closes first, for one sample
            was = np.float32(1.0 if open_ > 0 else 0.0)
            open_ = np.int32(open_ - 1) if open_ > 0 else open_
            out[i, 0] = was
            run[i, 0] = 1.0 if going else 0.0
            bpm[i, 0] = beats
        state.pulse[0], state.owed[0], state.open[0], state.was[0] = pulse, owed, open_, was


_port = Setting("", kind="text", doc="part of a port's name, or of its program's; empty: a port of our own")
_channel = Setting(1, 1, 16, doc="MIDI channel to send on")
_hop = Setting(256, 32, 65536, "samples", doc="how much of the signal is looked at in one go")


class NotesOut(Node):
    """Plays another instrument over MIDI: a note each time a gate opens, from as many channels as come in.

    Patch a sequencer's or a keyboard's pitch, gate and velocity here. A note keeps the pitch that it began with.
    """

    id = "midi/out"
    tags = ("synthesiser", "send", "hardware")
    pitch = In(doc="volts, 1 per octave, 0 = C4; the nearest note is played")
    gate = In(doc="the note begins where it rises through 0.5 and ends where it falls")
    velocity = In(doc="0 … 1, read when the gate rises", rest=0.8)
    port, channel, hop = _port, _channel, _hop
    partial = True

    def open(sr, channels, settings, folder, seed):  # type: ignore[no-untyped-def]
        return Sender(sr, settings)

    def work(sender, pitch, gate, velocity):  # type: ignore[no-untyped-def]
        sender.notes(pitch, gate, velocity)
        return ()

    def close(sender):  # type: ignore[no-untyped-def]
        sender.close()


class ControllerOut(Node):
    """Turns knobs of another instrument over MIDI.

    Patch an LFO or an envelope into `value`. Further channels of the cable move the controllers that follow `number`.
    """

    id = "midi/cc-out"
    tags = ("send", "hardware", "automation")
    value = In(doc="0 … 1")
    number = Setting(1, 0, 127, doc="number of the controller")
    rate = Setting(100.0, 1.0, 1000.0, "Hz", kind="float", doc="messages a second at most, sent only where it moved")
    port, channel, hop = _port, _channel, _hop
    partial = True

    def open(sr, channels, settings, folder, seed):  # type: ignore[no-untyped-def]
        return Sender(sr, settings)

    def work(sender, value):  # type: ignore[no-untyped-def]
        sender.controllers(value)
        return ()

    def close(sender):  # type: ignore[no-untyped-def]
        sender.close()


class ClockOut(Node):
    """Leads other machines: MIDI clock, start, stop and continue.

    Patch a mod/clock with `per_beat` at 24 into `clock`. When `run` falls it says stop; when it rises again, continue, or
    start where `reset` has risen meanwhile.
    """

    id = "midi/clock-out"
    tags = ("sync", "tempo", "transport", "send")
    clock = In(doc="each pulse is a tick; there are 24 a beat")
    run = In(doc="plays while 0.5 or more", rest=1.0)
    reset = In(doc="rising through 0.5: back to the start of the song")
    port, hop = _port, _hop
    partial = True

    def open(sr, channels, settings, folder, seed):  # type: ignore[no-untyped-def]
        return Sender(sr, settings)

    def work(sender, clock, run, reset):  # type: ignore[no-untyped-def]
        sender.clock(clock, run, reset)
        return ()

    def close(sender):  # type: ignore[no-untyped-def]
        sender.close()
