"""The ends of a patch: sound in, sound out, sound to a file."""

from __future__ import annotations

from pathlib import Path

from .base import In, Node, Out, Param, Setting
from .dsp.maths import db


class Input(Node):
    """Sound from outside: a microphone, an instrument, or the file given to a render.

    `channel` is the first device channel to take, `count` how many; what the device lacks is silent.
    """

    id = "io/input"
    tags = ("microphone", "line", "adc")
    device = In(doc="the device; nothing can be patched here", channels="any")
    gain = Param(0.0, -60.0, 24.0, "dB", doc="loudness of what comes in")
    channel = Setting(1, 1, 64, doc="first channel of the device, counted from 1")
    count = Setting(1, 1, 64, doc="how many channels to take")
    out = Out(doc="what is heard at the device", channels="count")
    coefs = ("level",)

    def prepare(sr, gain):  # type: ignore[no-untyped-def]
        return db(gain)

    def kernel(frames, channels, sr, state, device, level, channel, out):  # type: ignore[no-untyped-def]
        cols, first = device.shape[1], channel - 1
        for i in range(frames):
            for c in range(out.shape[1]):
                out[i, c] = device[i, first + c] * level[i, 0] if first + c < cols else 0.0


class Output(Node):
    """What goes in here is heard.

    With `to` at stereo, odd channels go left, even ones right and a single channel to both; at channels, each goes out
    on its own, from device channel `first` on (for surround, or for control voltage to a Eurorack).
    """

    id = "io/output"
    tags = ("speaker", "dac", "master")
    audio = In(doc="sound to hear", channels="any")
    level = Param(0.0, -60.0, 12.0, "dB", doc="loudness")
    to = Setting("stereo", kind="choice", options=("stereo", "channels"), doc="mix to stereo, or one channel each")
    first = Setting(1, 1, 64, doc="first channel of the device, counted from 1")
    bus = Out(doc="what this node adds to the master", channels="any")
    coefs = ("gain",)

    def prepare(sr, level):  # type: ignore[no-untyped-def]
        return db(level) if level > -60.0 else 0.0

    def kernel(frames, channels, sr, state, audio, to, gain, bus):  # type: ignore[no-untyped-def]
        cols = audio.shape[1]
        for i in range(frames):
            if to == 1:
                for c in range(bus.shape[1]):
                    bus[i, c] = audio[i, c] * gain[i, 0] if c < cols else 0.0
            elif cols == 1:
                y = audio[i, 0] * gain[i, 0]
                bus[i, 0] = y
                bus[i, 1] = y
            else:
                left, right = 0.0, 0.0
                for c in range(0, cols - 1, 2):
                    left += audio[i, c]
                    right += audio[i, c + 1]
                if cols % 2 == 1:
                    left += audio[i, cols - 1]
                bus[i, 0] = left * gain[i, 0]
                bus[i, 1] = right * gain[i, 0]


class Record(Node):
    """Writes what it hears to a sound file beside the patch, in a process of its own; sound passes through, later.

    A recording is never written over: the next one is called recording-2.wav, then recording-3.wav and so on.
    `gate` above 0.5 records; at rest it is always on.  WAV keeps the exact samples (float), FLAC is smaller (24 bit).
    """

    id = "io/record"
    tags = ("file", "tape", "wav", "flac")
    audio = In(doc="sound to record")
    gate = In(doc="1 records, 0 pauses", rest=1.0)
    file = Setting("recording.wav", kind="text", doc="name of the file, ending in .wav or .flac")
    hop = Setting(4096, 64, 65536, "samples", doc="how much is written at a time")
    out = Out(doc="the same sound, one hop and the time to write later")
    partial = True

    def open(sr, channels, settings, folder, seed):  # type: ignore[no-untyped-def]
        import soundfile

        name = Path(str(settings["file"]))
        if name.name != str(name) or name.suffix not in (".wav", ".flac"):
            raise ValueError(f"file is {name}, but it must be a plain name ending in .wav or .flac")
        subtype = "FLOAT" if name.suffix == ".wav" else "PCM_24"
        path = (folder or Path.cwd()) / name
        take = 1
        while True:
            try:
                path.touch(exist_ok=False)  # takes the name, if nobody has it
                return soundfile.SoundFile(path, "w", sr, channels, subtype)
            except FileExistsError:
                take += 1
                path = path.with_name(f"{name.stem}-{take}{name.suffix}")

    def work(file, audio, gate):  # type: ignore[no-untyped-def]
        file.write(audio[gate[:, 0] > 0.5])
        return audio

    def close(file):  # type: ignore[no-untyped-def]
        file.close()
