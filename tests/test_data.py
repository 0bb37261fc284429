"""Corpora: what is written is what is read, whoever asks; and what cannot be used is said."""

from __future__ import annotations

import itertools
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nodes.ml import corpus, data, instruments, sayings, scores
from nodes.ml.data import Corpus, DataError, Writer
from runtime.cli_data import data as command

RATE = 8000
needs_fluidsynth = pytest.mark.skipif(
    not (shutil.which("fluidsynth") and any(Path(p).is_file() for p in instruments.FONTS)),
    reason="needs FluidSynth and a sound font, on Debian: apt-get install fluidsynth fluid-soundfont-gm",
)
needs_espeak = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="needs espeak-ng, on Debian: apt-get install espeak-ng")


def tone(freq: float, seconds: float, rate: int = RATE, level: float = 0.5) -> np.ndarray:
    """Float32 [frames, 1]."""
    return (level * np.sin(2 * np.pi * freq * np.arange(round(seconds * rate)) / rate)).astype(np.float32)[:, None]


def pitch(sound: np.ndarray, rate: int) -> float:
    """The strongest frequency in Hz."""
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(power.argmax() * rate / len(sound))


def small(folder: Path, count: int = 12, channels: int = 1) -> Corpus:
    """Tones of 200 Hz upward, so that the sound says which item it is."""
    with Writer(folder, RATE, channels, {"make": "tones"}, "free") as writer:
        for i in range(count):
            sound = np.repeat(tone(200.0 + 50.0 * i, 1.0), channels, 1)
            writer.add(f"tone/{i}", [(data.SPLITS[max(i - count + 3, 0)], sound, {"freq": 200 + 50 * i, "kind": "ab"[i % 2]})])
    return Corpus(folder)


def sounds(folder: Path) -> Path:
    """A user's folder: twelve files in two folders, some of them no use."""
    for name in ("flute", "horn"):
        (folder / name).mkdir(parents=True)
        for i in range(5):
            soundfile.write(folder / name / f"{60 + i}_soft.wav", tone(220.0 + 20 * i, 0.6, 16000), 16000)
    (folder / "flute" / "broken.wav").write_bytes(b"RIFF and nothing more")
    soundfile.write(folder / "horn" / "still.flac", np.zeros(4000, np.float32), RATE)
    (folder / "notes.txt").write_text("not a sound")
    (folder / "gone.wav").symlink_to(folder / "nowhere.wav")
    return folder


# ------------------------------------------------------------------------------------------------------- the format


def test_what_is_written_is_read(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).uniform(-1, 1, (1000, 2)).astype(np.float32)
    with Writer(tmp_path / "c", RATE, 2, {}, "free") as writer:
        writer.add("a", [("train", noise[:300], {"n": 1}), ("train", noise[300:400], {})])
        writer.add("b", [("test", noise[400:], {"n": 2, "text": "ö"})])
    c = Corpus(tmp_path / "c")
    np.testing.assert_array_equal(np.concatenate([c.read(i) for i in c.items], 1), noise.T)
    np.testing.assert_array_equal(c.read(c.items[2], 10, 20), noise[410:430].T)
    assert [(i.split, i.frames, i.labels) for i in c.items] == [
        ("train", 300, {"n": 1}), ("train", 100, {}), ("test", 600, {"n": 2, "text": "ö"}),
    ]  # fmt: skip
    assert c.items[0].peak == pytest.approx(np.abs(noise[:300]).max(), abs=1e-4)
    assert c.items[0].loudness == pytest.approx(10 * np.log10(np.mean(noise[:300] ** 2)), abs=0.01)
    assert [i.source for i in c.of("test")] == ["b"]
    assert [i.source for i in c.of("train", n=1)] == ["a"]
    assert c.values("n") == [1, 2]
    heard, rate = soundfile.read(tmp_path / "c" / c.items[0].file, dtype="float32")  # any player plays it
    assert rate == RATE
    np.testing.assert_array_equal(heard, noise)


def test_a_long_corpus_has_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "SHARD", 40000)  # little more than a second
    c = small(tmp_path / "c", 7)
    assert {i.file for i in c.items} == {f"audio/{n:04d}.wav" for n in range(4)}
    for item in c.items:
        assert pitch(c.read(item)[0], RATE) == pytest.approx(item.labels["freq"], abs=1)
    assert soundfile.info(tmp_path / "c" / "audio" / "0000.wav").frames == 2 * RATE


def test_a_writer_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "SHARD", 40000)
    whole = small(tmp_path / "whole", 6)
    broken = tmp_path / "broken"
    small(broken, 4)
    with (broken / "audio" / "0001.wav").open("ab") as file:
        file.write(b"half a source, not in the index")
    shutil.copy(broken / "audio" / "0000.wav", broken / "audio" / "0002.wav")
    with (broken / "index.jsonl").open("a") as file:
        file.write('{"file": "audio/0002.wav", "sta')
    assert len(Corpus(broken).items) == 4
    with Writer(broken, RATE, 1, {"make": "tones"}, "free") as writer:
        assert writer.done == {f"tone/{i}" for i in range(4)}
        for item in whole.items[4:]:
            writer.add(item.source, [(item.split, whole.read(item).T, item.labels)])
    for path in sorted((tmp_path / "whole" / "audio").iterdir()):
        assert path.read_bytes() == (broken / "audio" / path.name).read_bytes()
    assert [i.start for i in Corpus(broken).items] == [i.start for i in whole.items]


def test_a_source_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "SHARD", 40000)

    def failing():
        for _ in range(4):
            yield "train", tone(100, 1), {}
        raise DataError("the rest is damaged")

    with Writer(tmp_path / "c", RATE, 1, {}, "free") as writer:
        writer.add("a", [("train", tone(300, 1), {})])
        with pytest.raises(DataError, match="damaged"):
            writer.add("b", failing())
        writer.add("c", [("train", tone(500, 1), {})])
    c = Corpus(tmp_path / "c")
    assert [(i.source, i.file, round(pitch(c.read(i)[0], RATE))) for i in c.items] == [
        ("a", "audio/0000.wav", 300), ("c", "audio/0000.wav", 500),
    ]  # fmt: skip
    assert len(list((tmp_path / "c" / "audio").iterdir())) == 1


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="holds something else"):
        Writer(tmp_path, RATE, 1, {}, "free")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    small(tmp_path / "c")
    with pytest.raises(DataError, match=r"holds a corpus made with make tones, not drums; rate 8000, not 24000; name another"):
        Writer(tmp_path / "c", 24000, 1, {"make": "drums"}, "free")


def test_damage_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no corpus"):
        Corpus(tmp_path)
    c = small(tmp_path / "c")
    sound, index = tmp_path / "c" / c.items[0].file, tmp_path / "c" / "index.jsonl"
    sound.write_bytes(sound.read_bytes()[:10000])
    with pytest.raises(DataError, match=r"0000\.wav: is shorter than the index says"):
        Corpus(tmp_path / "c").read(c.items[5])
    sound.unlink()
    with pytest.raises(DataError, match=r"0000\.wav: cannot be read"):
        Corpus(tmp_path / "c").read(c.items[5])
    index.write_text('{"file": 3}\n')
    with pytest.raises(DataError, match=r"index\.jsonl: line 1 is damaged"):
        Corpus(tmp_path / "c")
    (tmp_path / "c" / "corpus.json").write_text('{"format": 99}')
    with pytest.raises(DataError, match=r"corpus\.json: is not in a form"):
        Corpus(tmp_path / "c")


# ------------------------------------------------------------------------------------------------------------ chunks


def test_chunks_are_where_they_say(tmp_path: Path) -> None:
    c = small(tmp_path / "c")
    for sound, item in itertools.islice(c.chunks("train", 4000, seed=3), 40):
        assert sound.shape == (1, 4000)
        assert sound.dtype == np.float32
        assert item.split == "train"
        assert pitch(sound[0], RATE) == pytest.approx(item.labels["freq"], abs=2)
        assert 0.45 < np.abs(sound).max() <= 0.5


def test_chunks_depend_on_seed_and_number_alone(tmp_path: Path) -> None:
    c = small(tmp_path / "c")

    def take(count: int, **more: int) -> list[bytes]:
        return [sound.tobytes() for sound, _ in itertools.islice(c.chunks("train", 1000, **more), count)]

    alone = take(12, seed=5)
    assert len(set(alone)) == 12
    assert take(12, seed=6) != alone
    assert take(6, seed=5, first=6) == alone[6:]
    for workers in (2, 3):
        shared = [take(12 // workers, seed=5, first=w, step=workers) for w in range(workers)]
        assert [sound for row in zip(*shared) for sound in row] == alone
    again = pickle.loads(pickle.dumps(c))  # noqa: S301
    assert next(again.chunks("train", 1000, seed=5))[0].tobytes() == alone[0]


def test_every_moment_is_as_likely(tmp_path: Path) -> None:
    with Writer(tmp_path / "c", RATE, 1, {}, "free") as writer:
        writer.add("long", [("train", tone(500, 9), {"kind": "x"})])
        writer.add("short", [("train", tone(700, 1), {"kind": "y"})])
    c = Corpus(tmp_path / "c")

    def share(**more: str) -> float:
        return sum(item.source == "short" for _, item in itertools.islice(c.chunks("train", 100, **more), 1000)) / 1000

    assert share() == pytest.approx(0.1, abs=0.04)
    assert share(balance="kind") == pytest.approx(0.5, abs=0.06)


def test_short_items_and_other_rates(tmp_path: Path) -> None:
    c = small(tmp_path / "c")
    for sound, _ in itertools.islice(c.chunks("test", 12000), 5):  # half as long again as an item
        loud = np.flatnonzero(np.abs(sound[0]) > 0)
        assert 7980 <= loud[-1] - loud[0] <= 8000
    for sound, item in itertools.islice(c.chunks("train", 5001, rate=11025), 5):
        assert sound.shape == (1, 5001)
        assert pitch(sound[0], 11025) == pytest.approx(item.labels["freq"], abs=3)


def test_gain_and_polarity(tmp_path: Path) -> None:
    with Writer(tmp_path / "c", RATE, 1, {}, "free") as writer:
        writer.add("a", [("train", np.full((2000, 1), 0.25, np.float32), {})])
    found = [s[0, 0] for s, _ in itertools.islice(Corpus(tmp_path / "c").chunks("train", 9, gain=6.0, polarity=True), 400)]
    levels = 20 * np.log10(np.abs(np.array(found)) / 0.25)
    assert -6 <= levels.min() < -5.5
    assert 5.5 < levels.max() <= 6
    assert 0.4 < np.mean(np.array(found) < 0) < 0.6


def test_an_empty_split_is_said(tmp_path: Path) -> None:
    with Writer(tmp_path / "c", RATE, 1, {}, "free") as writer:
        writer.add("a", [("train", tone(300, 1), {})])
    with pytest.raises(DataError, match="no sound in its split test"):
        next(Corpus(tmp_path / "c").chunks("test", 100))
    with pytest.raises(ValueError, match="no split exam; there are train, valid, test"):
        Corpus(tmp_path / "c").of("exam")


@pytest.mark.parametrize("workers", [0, 2])
def test_as_pytorch_takes_it(tmp_path: Path, workers: int) -> None:
    from torch.utils.data import DataLoader

    from nodes.ml.batches import Chunks

    c = small(tmp_path / "c")
    stream = Chunks(c, "train", 2000, ("freq", "kind", "nothing"), seed=5)
    batches = list(itertools.islice(DataLoader(stream, 4, num_workers=workers), 4))
    seen = {
        sound.numpy().tobytes(): labels for x, of in batches for sound, *labels in zip(x, of["freq"], of["kind"], of["nothing"])
    }
    alone = list(itertools.islice(c.chunks("train", 2000, seed=5), 16))
    assert set(seen) == {sound.tobytes() for sound, _ in alone}
    for sound, item in alone:
        freq, kind, nothing = seen[sound.tobytes()]
        assert (int(freq), "ab"[int(kind)], int(nothing)) == (item.labels["freq"], item.labels["kind"], -1)


# ------------------------------------------------------------------------------------------------- a folder of sounds


def test_a_folder_of_sounds(tmp_path: Path) -> None:
    said: list[str] = []
    bad = corpus.gather([sounds(tmp_path / "in")], tmp_path / "c", RATE, labels="{instrument}/{pitch}_*", tell=said.append)
    assert sorted(p.name for p in bad) == ["broken.wav", "still.flac"]
    assert len(said) == 3
    assert said[2].endswith("its name does not follow {instrument}/{pitch}_*, so it has no labels; 2 files are like that")
    assert sum("broken.wav: cannot be read as sound" in s for s in said) == 1
    assert sum("still.flac: holds nothing louder than -60 dBFS" in s for s in said) == 1
    c = Corpus(tmp_path / "c")
    assert c.values("instrument") == ["flute", "horn"]
    assert c.values("pitch") == [60, 61, 62, 63, 64]
    assert {s: len(c.of(s)) for s in data.SPLITS} == {"train": 8, "valid": 1, "test": 1}
    for item in c.items:
        assert pitch(c.read(item)[0], RATE) == pytest.approx(220 + 20 * (item.labels["pitch"] - 60), abs=2)
        assert item.frames == pytest.approx(0.6 * RATE, abs=RATE / 50)
    assert "files that it was made of" in (tmp_path / "c" / "README.md").read_text()


def test_a_file_stays_in_its_split(tmp_path: Path) -> None:
    source = sounds(tmp_path / "in")
    corpus.gather([source], tmp_path / "c", RATE)
    first = {i.source: i.split for i in Corpus(tmp_path / "c").items}
    corpus.gather([source], tmp_path / "other", RATE)
    assert first == {i.source: i.split for i in Corpus(tmp_path / "other").items}
    for i in range(12):
        soundfile.write(source / f"new{i}.wav", tone(300, 0.3), RATE)
    corpus.gather([source], tmp_path / "c", RATE)
    c = Corpus(tmp_path / "c")
    assert len(c.items) == 22
    assert first.items() <= {i.source: i.split for i in c.items}.items()
    assert len({i.source for i in c.items}) == 22
    assert c.values("folder") == ["flute", "horn"]


def test_one_long_file_does_not_fill_a_split(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for i in range(10):
        soundfile.write(tmp_path / "in" / f"{i}.wav", tone(300, 1.0), RATE)
    soundfile.write(tmp_path / "in" / "long.wav", tone(300, 40.0), RATE)
    corpus.gather([tmp_path / "in"], tmp_path / "c", RATE, longest=2.0)
    c = Corpus(tmp_path / "c")
    assert [c.seconds(s) for s in data.SPLITS] == pytest.approx([40, 5, 5], abs=2)
    mixed = {i.source for i in c.of("train")} & {i.source for i in c.of("valid") + c.of("test")}
    assert mixed == {"long.wav"}


def test_silence_is_cut(tmp_path: Path) -> None:
    still = np.zeros((RATE, 1), np.float32)
    loud = [tone(f, s) for f, s in ((300, 1.0), (500, 0.4), (700, 2.5))]
    long = np.concatenate([still, loud[0], still[: RATE // 5], loud[1], still, still, loud[2], still])
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "long.wav", long, RATE, subtype="FLOAT")
    corpus.gather([tmp_path / "in"], tmp_path / "c", RATE, pause=0.5, longest=2.0)
    c = Corpus(tmp_path / "c")
    assert [i.frames / RATE for i in c.items] == pytest.approx([1.6, 2.0, 0.5], abs=0.1)
    assert [i.split for i in c.items] == ["train", "valid", "test"]  # a file alone is split by its stretches
    np.testing.assert_array_equal(np.concatenate([c.read(i)[0] for i in c.items[1:]])[320:20320], loud[2][:, 0])


@pytest.mark.parametrize("wanted", [1, 2])
def test_channels_and_rates(tmp_path: Path, wanted: int) -> None:
    (tmp_path / "in").mkdir()
    left, right = tone(400, 1, 44100), tone(900, 1, 44100, 0.25)
    soundfile.write(tmp_path / "in" / "stereo.flac", np.concatenate([left, right], 1), 44100)
    soundfile.write(tmp_path / "in" / "mono.ogg", tone(600, 1, 22050), 22050)
    corpus.gather([tmp_path / "in"], tmp_path / "c", RATE, channels=wanted)
    c = Corpus(tmp_path / "c")
    found = {i.source: [round(pitch(x, RATE)) for x in c.read(i)] for i in c.items}
    assert found == {"mono.ogg": [600] * wanted, "stereo.flac": [400] if wanted == 1 else [400, 900]}
    (stereo,) = (i for i in c.items if i.source == "stereo.flac")
    middle = c.read(stereo, 2000, 4000)[0]
    level = 2 * np.abs(np.fft.rfft(middle * np.hanning(4000))).max() / np.hanning(4000).sum()
    assert level == pytest.approx(0.25 if wanted == 1 else 0.5, rel=0.01)


def test_a_resampled_file_is_the_whole_resampled(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).normal(0, 0.2, (200_001, 1)).astype(np.float32)  # several blocks, and a bit
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "noise.wav", noise, 44100, subtype="FLOAT")
    corpus.gather([tmp_path / "in"], tmp_path / "c", 24000, pause=10)
    (item,) = (c := Corpus(tmp_path / "c")).items
    expected = data.resampled(noise, 44100, 24000)[:, 0]
    assert item.frames == len(expected)
    np.testing.assert_allclose(c.read(item)[0], expected, atol=1e-5)


def test_what_cannot_be_gathered(tmp_path: Path) -> None:
    source = sounds(tmp_path / "in")
    with pytest.raises(DataError, match="there is no such file or folder"):
        corpus.gather([tmp_path / "none"], tmp_path / "c", RATE)
    (tmp_path / "void").mkdir()
    with pytest.raises(DataError, match="holds no sound files"):
        corpus.gather([tmp_path / "void"], tmp_path / "c", RATE)
    for pattern in ("{a}/{a}", "{1}_x"):
        with pytest.raises(DataError, match="is no pattern of labels"):
            corpus.gather([source], tmp_path / "c", RATE, labels=pattern)
    assert not (tmp_path / "c").exists()
    soundfile.write(source / "nan.wav", np.full(900, np.nan, np.float32), RATE, subtype="FLOAT")
    soundfile.write(source / "huge.wav", np.full(900, 1e30, np.float32), RATE, subtype="FLOAT")
    said: list[str] = []
    corpus.gather([source], source / "c", RATE, tell=said.append)
    for name in ("nan", "huge"):
        assert any(f"{name}.wav: holds samples that are not finite, or far over full scale" in s for s in said)
    corpus.gather([source], source / "c", RATE)  # what it made itself is no source
    assert {i.source.split("/")[0] for i in Corpus(source / "c").items} == {"flute", "horn"}


# ------------------------------------------------------------------------------------------------- free instruments


def test_scores_are_what_their_labels_say() -> None:
    import io

    import mido

    for make in (scores.strings, scores.drums):
        for seed in range(60):
            score = make(np.random.default_rng(seed))
            assert score == make(np.random.default_rng(seed))
            told = score.told()
            json.dumps(told)
            assert told["notes"]
            heard, on, now = [], {}, 0.0
            for message in mido.MidiFile(file=io.BytesIO(score.midi())):
                now += message.time
                if message.type == "note_on":
                    on.setdefault(message.note, []).append((now, message.velocity))
                elif message.type == "note_off":
                    start, velocity = on[message.note].pop(0)
                    heard.append((start, now - start, message.note, velocity))
            expected = sorted(told["notes"])
            assert len(heard) == len(expected)
            if not score.drums:  # of drums only the start counts, and strokes of one may overlap
                for a, b in zip(sorted(heard), expected):
                    assert a == pytest.approx(tuple(b), abs=2e-3)
            assert all(start >= 0 and 1 <= v <= 127 for start, _, _, v in expected)


def test_no_note_is_cut_by_the_one_before() -> None:
    for seed in range(200):
        last: dict[int, float] = {}
        for start, length, key, _ in scores.strings(np.random.default_rng(seed)).notes:
            assert start >= last.get(key, 0.0)
            last[key] = start + length


def test_single_notes_are_all_different() -> None:
    count = instruments.most("notes", ("flute",))
    assert count == 34 * 3
    notes = [scores.note(np.random.default_rng(7), n, ("flute",)).told() for n in range(count)]
    assert len({(n["pitch"], n["dynamics"]) for n in notes}) == count
    middle = next(n for n in notes if n["pitch"] == 69)
    assert (middle["class"], middle["octave"], middle["instrument"]) == ("A", 4, "flute")


def test_sayings() -> None:
    said = [sayings.saying(np.random.default_rng(n)) for n in range(300)]
    assert {s["language"] for s in said} == set(sayings.TEXTS)
    assert all(s["text"] in sayings.TEXTS[s["language"]] for s in said)
    assert {sayings.saying(np.random.default_rng(n), ("sv",))["language"] for n in range(9)} == {"sv"}


@needs_fluidsynth
def test_notes_sound_as_their_labels_say(tmp_path: Path) -> None:
    corpus.make("notes", tmp_path / "c", 24000, 0.12, seed=1, only=("flute", "clarinet"))
    c = Corpus(tmp_path / "c")
    assert len(c.items) >= 2
    for item in c.items:
        sound = c.read(item, 12000, 24000)[0]
        onset = np.flatnonzero(np.abs(c.read(item)[0]) > item.peak / 20)[0] / 24000
        assert onset < 0.15
        ratio = pitch(sound, 24000) / (440.0 * 2 ** ((item.labels["pitch"] - 69) / 12))
        assert abs(ratio - round(ratio)) < 0.03  # of the strongest partial
        assert item.loudness == pytest.approx(scores.DYNAMICS[item.labels["dynamics"]][1], abs=4)
        assert item.peak <= 1.0
    assert "MIT" in (tmp_path / "c" / "README.md").read_text()


@needs_fluidsynth
@pytest.mark.parametrize("kind", ["strings", "drums"])
def test_phrases_and_patterns(tmp_path: Path, kind: str) -> None:
    corpus.make(kind, tmp_path / "c", 24000, 0.2, seed=1)
    c = Corpus(tmp_path / "c")
    assert 12 <= c.seconds() < 30
    assert {i.labels["domain"] for i in c.items} == {kind}
    before = [c.read(i).tobytes() for i in c.items]
    corpus.make(kind, tmp_path / "c", 24000, 0.3, seed=1)  # asked for more, it goes on
    more = Corpus(tmp_path / "c")
    assert [more.read(i).tobytes() for i in more.items][: len(before)] == before
    assert len(more.items) > len(before)
    corpus.make(kind, tmp_path / "again", 24000, 0.3, seed=1)
    assert (tmp_path / "again/audio/0000.wav").read_bytes() == (tmp_path / "c/audio/0000.wav").read_bytes()


@needs_espeak
def test_voices(tmp_path: Path) -> None:
    corpus.make("voice", tmp_path / "c", 24000, 0.2, seed=1, only=("en-us", "fi"))
    c = Corpus(tmp_path / "c")
    assert {i.labels["language"] for i in c.items} <= {"en-us", "fi"}
    assert all(-45 < i.loudness < -10 for i in c.items)
    assert {i.split for i in itertools.islice(c.items, 3)} == set(data.SPLITS)
    assert "GPL-3.0" in (tmp_path / "c" / "README.md").read_text()


def test_missing_programs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    for kind, package in (("drums", "fluid-soundfont-gm"), ("voice", "espeak-ng")):
        with pytest.raises(DataError, match=f"is not installed; on Debian: apt-get install .*{package}"):
            corpus.make(kind, tmp_path / kind, RATE, 1)
        assert not (tmp_path / kind).exists()
    with pytest.raises(DataError, match="there is no kazoo among notes; there are sax, flute"):
        corpus.make("notes", tmp_path / "c", RATE, 1, only=("kazoo",))
    monkeypatch.undo()
    monkeypatch.setattr(instruments, "FONTS", ("/nowhere/at.sf2",))
    if shutil.which("fluidsynth"):
        with pytest.raises(DataError, match="no General MIDI sound font in /nowhere"):
            instruments.find_font()


# ------------------------------------------------------------------------------------------------------- the command


def test_the_command(tmp_path: Path) -> None:
    from click.testing import CliRunner

    def run(*args: object) -> tuple[int, str, str]:
        done = CliRunner().invoke(command, [str(a) for a in args])
        return done.exit_code, done.stdout, done.stderr

    source = sounds(tmp_path / "in")
    code, out, err = run(source, "-o", tmp_path / "c", "--rate", RATE, "--labels", "{instrument}/{pitch}_*", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["items"] == 10
    assert sorted(found["left_out"]) == [str(source / "flute/broken.wav"), str(source / "horn/still.flac")]
    assert found["seconds"]["all"] == pytest.approx(6.0, abs=0.3)
    assert found["labels"]["instrument"] == pytest.approx({"flute": 3.0, "horn": 3.0}, abs=0.15)
    assert "zrack: " in err
    assert "broken.wav: cannot be read as sound" in err
    code, out, _ = run(tmp_path / "c")
    assert code == 0
    assert "0:06 min in 10 stretches" in out
    assert "instrument: flute 0:03, horn 0:03" in out
    for args, sentence in (
        ((source,), "is no corpus"),
        ((source, "-o", tmp_path / "c"), "holds a corpus made with"),
        ((), "name a corpus to be told about"),
        (("-o", tmp_path / "d"), "one of both"),
    ):
        code, _, err = run(*args)
        assert code != 0
        assert sentence in err
