"""What is looked at: scopes, spectra, meters and notes.  The editor draws them large from the samples at their `out`.

The sound passes through unchanged, so that a view can be put into a cable, or hang at its end and disturb nothing.
"""

from __future__ import annotations

from .base import Choice, In, Node, Out, Param, Setting

WIDE, HIGH = (40, 2000), (40, 2000)


class View(Node):
    """Base of the views with one inlet: what comes in goes out."""

    audio = In(doc="what to look at; a channel each line")
    out = Out(doc="the same, unchanged")
    width = Setting(260, *WIDE, doc="width on the canvas")
    height = Setting(140, *HIGH, doc="height on the canvas")


class Scope(View):
    """Shows a sound as a line: the shape of a wave, the curve of an envelope, the step of a gate.

    `time` is how much fits in the window.  With `trigger` at rising the picture starts where the line crosses `level`
    upwards, so that a steady tone stands still; at free it runs.  Several channels are drawn over each other.
    """

    id = "view/scope"
    tags = ("oscilloscope", "waveform", "display")
    time = Param(0.02, 0.001, 0.3, "s", curve="exp", doc="length of the picture")
    gain = Param(1.0, 0.05, 100.0, curve="exp", doc="how much larger it is drawn; the sound keeps its loudness")
    level = Param(0.0, -1.0, 1.0, doc="where the line has to cross to start the picture")
    trigger = Choice("rising", ("rising", "falling", "free"), doc="what starts the picture")

    def kernel(frames, channels, sr, state, audio, time, gain, level, trigger, out):
        x, z = audio.flat, out.flat
        for k in range(frames * channels):
            z[k] = x[k]


class Spectrum(View):
    """Shows which frequencies a sound holds, from low on the left to high on the right.

    Peaks are partials; a filter shows as a slope.  `floor` is the quietest level in the picture, `fall` how slowly the
    curve sinks after a peak.
    """

    id = "view/spectrum"
    tags = ("analyser", "fft", "display")
    floor = Param(-90.0, -140.0, -30.0, "dB", doc="lowest level in the picture")
    fall = Param(0.3, 0.0, 5.0, "s", doc="time in which the curve sinks after a peak")
    axis = Choice("octaves", ("octaves", "linear"), doc="equal steps to the right are octaves, or equal numbers of Hz")

    def kernel(frames, channels, sr, state, audio, floor, fall, axis, out):
        x, z = audio.flat, out.flat
        for k in range(frames * channels):
            z[k] = x[k]


class Spectrogram(View):
    """Shows how the frequencies of a sound change: time runs to the left, low is below, bright is loud.

    Glides, vibrato and the ring of a room are seen at once.  All channels are added up.
    """

    id = "view/spectrogram"
    tags = ("sonogram", "waterfall", "fft", "display")
    time = Param(8.0, 1.0, 60.0, "s", curve="exp", doc="how long ago the left edge is")
    floor = Param(-90.0, -140.0, -30.0, "dB", doc="level that is drawn dark")
    axis = Choice("octaves", ("octaves", "linear"), doc="equal steps upwards are octaves, or equal numbers of Hz")

    def kernel(frames, channels, sr, state, audio, time, floor, axis, out):
        x, z = audio.flat, out.flat
        for k in range(frames * channels):
            z[k] = x[k]


class Meter(View):
    """Shows how loud each channel is: the bar is the mean (RMS), the line above it the peak.

    The scale is in dB below full scale; above 0 the peak turns red.
    """

    id = "view/meter"
    tags = ("level", "vu", "loudness", "display")
    hold = Param(1.5, 0.0, 10.0, "s", doc="how long the peak stands before it falls")
    floor = Param(-60.0, -100.0, -20.0, "dB", doc="level at the bottom of the scale")
    width = Setting(120, *WIDE, doc="width on the canvas")

    def kernel(frames, channels, sr, state, audio, hold, floor, out):
        x, z = audio.flat, out.flat
        for k in range(frames * channels):
            z[k] = x[k]


class XY(Node):
    """Draws one signal against another: x to the right, y upwards.

    Left and right of a mix show how wide it is, two tones an interval apart a Lissajous figure, two dimensions of a
    latent the path that it takes.
    """

    id = "view/xy"
    tags = ("lissajous", "phase", "goniometer", "vectorscope", "display")
    x = In(doc="position from left (−1) to right (1)", channels=1)
    y = In(doc="position from below (−1) to above (1)", channels=1)
    gain = Param(1.0, 0.05, 100.0, curve="exp", doc="how much larger it is drawn; the signals keep their size")
    time = Param(0.03, 0.001, 0.3, "s", curve="exp", doc="how much of the past is drawn")
    width = Setting(200, *WIDE, doc="width on the canvas")
    height = Setting(200, *HIGH, doc="height on the canvas")
    out = Out(doc="the same, unchanged: x in channel 1, y in channel 2", channels=2)

    def kernel(frames, channels, sr, state, x, y, gain, time, out):
        for i in range(frames):
            out[i, 0] = x[i, 0]
            out[i, 1] = y[i, 0]


class History(View):
    """Shows where a value went over the last seconds or minutes: knobs, envelopes, slow LFOs, loudness.

    Each column holds the lowest and highest value of its time, so that nothing is missed.  `scale` fits the picture to
    what came, or fixes it.
    """

    id = "view/history"
    tags = ("plot", "chart", "value", "display")
    time = Param(10.0, 1.0, 600.0, "s", curve="exp", doc="how long ago the left edge is")
    scale = Choice("fit", ("fit", "-1 to 1", "0 to 1"), doc="what the picture holds from bottom to top")

    def kernel(frames, channels, sr, state, audio, time, scale, out):
        x, z = audio.flat, out.flat
        for k in range(frames * channels):
            z[k] = x[k]


class Note(Node):
    """A text on the canvas: what a patch does, what to turn, what is left to try.

    It makes no sound and takes no cables.  Lines that begin with # are headings, those that begin with - are a list.
    """

    id = "view/note"
    tags = ("comment", "text", "label", "display")
    text = Setting("", kind="text", doc="the text; an empty line starts a new paragraph")
    width = Setting(260, *WIDE, doc="width on the canvas")
    height = Setting(140, *HIGH, doc="height on the canvas")

    def kernel(frames, channels, sr, state):
        pass
