"""Every sample that is recorded is in the file, at its place, whatever happens to the program."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from graph import Patch, PatchError
from runtime.recorder import Flac, Recorder, Wave, create


class Source:
    """Stands where the audio thread does: lays blocks into rings and counts them."""

    def __init__(self, frames: int = 4096, channels: tuple[int, ...] = (2,), block: int = 64) -> None:
        self.rings = [np.zeros((frames, c), np.float32) for c in channels]
        self.block, self.now = block, 0
        self.sound: list[list[np.ndarray]] = [[] for _ in channels]
        self._rng = np.random.default_rng(1)

    def play(self, blocks: int) -> None:
        for _ in range(blocks):
            at = np.arange(self.now, self.now + self.block) % len(self.rings[0])
            for ring, kept in zip(self.rings, self.sound, strict=True):
                piece = self._rng.uniform(-1, 1, (self.block, ring.shape[1])).astype(np.float32)
                ring[at] = piece
                kept.append(piece)
            self.now += self.block

    def record(self, *paths: Path, **kw: object) -> Recorder:
        return Recorder(list(zip(paths, self.rings, strict=True)), lambda: self.now, 48000, self.block, **kw)

    def heard(self, track: int = 0) -> np.ndarray:
        return np.concatenate(self.sound[track])


def settle(recorder: Recorder, frames: int) -> None:
    end = time.monotonic() + 5.0
    while recorder.frames < frames and time.monotonic() < end:
        time.sleep(0.002)
    assert recorder.frames >= frames


def read(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32", always_2d=True)[0]


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_every_sample_is_there_from_the_first_to_the_last(tmp_path, ending, channels):
    s = Source(4096, (channels,))
    s.play(7)
    r = s.record(tmp_path / f"take.{ending}")
    for _ in range(5):
        s.play(40)
        settle(r, s.now - r.begins)
    s.play(3)
    assert r.stop() == f"take.{ending}" and (r.begins, r.frames, r.lost, r.fault) == (448, s.now - 448, 0, "")
    found, heard = read(tmp_path / f"take.{ending}"), s.heard()[448:]
    assert found.shape == heard.shape
    if ending == "wav":
        assert np.array_equal(found, heard)
    else:
        assert np.abs(found - heard).max() <= 2.0**-23
    info = soundfile.info(tmp_path / f"take.{ending}")
    assert (info.samplerate, info.channels, info.subtype) == (48000, channels, "FLOAT" if ending == "wav" else "PCM_24")


def test_begin_and_end_at_a_sample(tmp_path):
    s = Source()
    r = s.record(tmp_path / "take.wav", start=100)
    s.play(20)
    r.stop(777)
    assert r.begins == 100 and np.array_equal(read(r.path), s.heard()[100:777])
    r = s.record(tmp_path / "none.wav", start=s.now + 5000)
    s.play(5)
    r.stop()
    assert len(read(r.path)) == 0


def test_a_recording_is_never_written_over(tmp_path):
    s = Source(channels=(2, 1))
    names = []
    for _ in range(3):
        r = s.record(tmp_path / "take.wav", tmp_path / "take-input.wav")
        s.play(10)
        r.stop()
        names.append([p.name for p in r.paths])
        assert np.array_equal(read(r.paths[1]), s.heard(1)[r.begins :])
    assert names == [["take.wav", "take-input.wav"], ["take-2.wav", "take-input-2.wav"], ["take-3.wav", "take-input-3.wav"]]


@pytest.mark.parametrize("late", [0, 64, 1000, 4000, 100_000])
def test_what_was_overwritten_is_silent_and_counted_and_the_rest_stays_in_place(tmp_path, late):
    s, said = Source(4096), []
    r = s.record(tmp_path / "take.wav", said=said.append)
    s.play(8)
    settle(r, 512)
    with r._lock:  # the drain is held up
        s.play((4096 - 64 + late) // 64)
    s.play(8)
    settle(r, s.now)
    r.stop()
    found, heard = read(r.path), s.heard()
    assert found.shape == heard.shape
    silent = np.flatnonzero(~found.any(axis=1))
    assert len(silent) == r.lost and late <= r.lost <= late + 640
    assert np.array_equal(np.delete(found, silent, 0), np.delete(heard, silent, 0))
    assert bool(said) == bool(r.lost) and all("came too late and lost" in text for text in said)


def test_what_is_overwritten_while_it_is_taken_never_gets_into_the_file(tmp_path, monkeypatch):
    s = Source(1024)
    r = s.record(tmp_path / "take.wav")
    take, rng = Recorder._oldest, random.Random(5)

    def oldest(self: Recorder) -> int:
        s.play(rng.choice([0, 0, 0, 5, 14, 40]))  # the audio thread goes on meanwhile
        return take(self)

    monkeypatch.setattr(Recorder, "_oldest", oldest)
    for _ in range(30):
        with r._lock:
            s.play(4)
            r._drain(s.now)
    monkeypatch.undo()
    r.stop()
    found, heard = read(r.path), s.heard()[: r.frames]
    same = (found == heard).all(axis=1)
    assert r.lost and (~same).sum() == r.lost and not found[~same].any()


def killed(path: Path) -> int:
    """A recorder that is killed while it writes; returns how many frames it had drained for sure."""
    s = Source(1 << 16)
    out, back = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            r = s.record(path)
            while True:
                s.play(20)
                os.write(back, r.frames.to_bytes(8, "little"))
                time.sleep(0.001)
        finally:
            os._exit(1)
    os.close(back)
    frames = 0
    with open(out, "rb") as pipe:
        while frames < 30000:
            frames = int.from_bytes(pipe.read(8), "little")
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for rest in iter(lambda: pipe.read(8), b""):
            frames = int.from_bytes(rest, "little")
    return frames


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_a_kill_leaves_a_valid_file(tmp_path, ending):
    for turn in range(3):
        path = tmp_path / f"{turn}.{ending}"
        frames = killed(path)
        s = Source(1 << 16)
        s.play(frames // 64 + 400)
        found, heard = read(path), s.heard()
        kept = frames if ending == "wav" else frames - 2 * Flac.BLOCK
        assert len(found) >= kept
        assert np.abs(found - heard[: len(found)]).max() <= (0.0 if ending == "wav" else 2.0**-23)


def test_a_wave_file_grows_beyond_four_gibibytes(tmp_path):
    path = tmp_path / "long.wav"
    path.touch()
    w = Wave(path, 48000, 2)
    size = len(w.head())
    for frames in ((1 << 29) - 40, (1 << 29) - 12, 1 << 29, (1 << 29) + 100):
        w.frames = frames - 10
        os.truncate(path, size + 8 * w.frames)
        os.lseek(w._file, 0, os.SEEK_END)
        w.write(np.full((10, 2), 0.5, np.float32))
        assert len(w.head()) == size
        info = soundfile.info(path)
        assert (info.frames, info.channels, info.subtype, info.samplerate) == (frames, 2, "FLOAT", 48000)
        assert info.format == ("RF64" if 8 * frames + size - 8 > 0xFFFFFFFF else "WAV")
        assert np.array_equal(soundfile.read(path, start=frames - 12)[0][:, 0], [0.0, 0.0, *[0.5] * 10])
    w.close()


@pytest.mark.parametrize(
    ("name", "channels", "sentence"),
    [
        (
            "take.mp3",
            2,
            "take.mp3: cannot be a recording: file is take.mp3, but it must be a plain name ending in .wav or .flac",
        ),
        ("take.flac", 9, "take.flac: cannot be a recording: "),
        ("no/take.wav", 2, "take.wav: could not be written: no such file or directory"),
    ],
)
def test_a_file_that_cannot_be_is_one_sentence(tmp_path, name, channels, sentence):
    with pytest.raises(PatchError) as e:
        create(tmp_path / name, 48000, channels)
    assert str(e.value).startswith(sentence) and "\n" not in str(e.value)


def test_a_full_disk_ends_the_recording_with_a_sentence(tmp_path, monkeypatch):
    s, said = Source(), []
    r = s.record(tmp_path / "take.wav", said=said.append)
    s.play(10)
    settle(r, 640)

    def full(*a: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Wave, "write", full)
    s.play(10)
    r._thread.join(5)
    assert r.stop() == "take.wav"
    assert said == ["take.wav could not be written: no space left on device; the recording ends here"]
    assert np.array_equal(read(r.path), s.heard()[:640])


def rig() -> Patch:
    p = Patch()
    p.add("source/saw", "osc", freq=220.0)
    p.add("io/input", "mic")
    p.add("io/output", "out")
    p.connect("osc.out", "out.audio", amount=0.3)
    p.connect("mic.out", "out.audio", amount=0.3)
    return p


def test_the_engine_is_recorded_bit_for_bit_with_its_input(tmp_path):
    import nodes.catalog  # noqa: F401 - the node types
    from runtime.engine import Engine

    engine, other = Engine(rig(), tap=1 << 14), Engine(rig(), tap=1 << 13)
    engine.process(256, np.zeros((256, 1), np.float32))
    r = Recorder.of(engine, tmp_path / "take.wav")
    source = np.random.default_rng(2).uniform(-0.5, 0.5, (6400, 1)).astype(np.float32)
    heard = engine.process(6400, source)
    r.follow(other)
    again = other.process(3200, source[:3200])
    r.stop()
    assert r.begins == 256 and r.lost == 0
    assert np.array_equal(read(r.paths[0]), np.concatenate([heard, again]))
    assert np.array_equal(read(r.paths[1]), np.concatenate([source, source[:3200]]))
    engine.close()
    other.close()
