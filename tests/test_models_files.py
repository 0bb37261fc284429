"""Model files on the disk: what is told of bad ones, what is remembered, what the command line says."""

from __future__ import annotations

import io
import json
import os
import random
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from nodes.ml import shelf, torchscript, trust
from nodes.ml.contract import ModelError
from runtime.cli import main
from tests import nn_modules

SAID = {
    "truncated": "is cut off; it was not copied or downloaded to its end",
    "text": "is no TorchScript file",
    "weights": "is a zip archive, but no TorchScript file; it holds weights without a program",
    "zip": "is a zip archive, but no TorchScript file",
    "scrambled": "cannot be loaded: Expected PROTO opcode at the start of pickle archive, found 46",
    "wrong_ratio": "method forward returns 64 frames where 1 are expected",
    "half_ratio": "method forward says 1.5 samples a frame; whole numbers from 1 on are expected",
    "no_ratio": "method forward says 0 samples a frame; whole numbers from 1 on are expected",
    "giant_latent": "method forward says 100000 channels; 512 is the most",
    "three_params": "method forward has 3 params where 4 are expected: channels and ratio in, channels and ratio out",
    "raises": "method forward raises: the weights are missing",
    "flat": "method forward returns a tensor of 1 dimensions where 3 are expected: batch, channels, frames",
    "wide": "method forward returns 2 channels where 1 are expected",
    "nan": "method forward puts out NaN or infinite numbers",
    "double": "method forward returns float64 where float32 is expected",
    "huge": "method forward raises: there is not enough memory for it",
    "missing_params": "method paint has no paint_params, which say what it takes and gives",
    "hostile_names": "lists a method '../../etc/passwd', which cannot be a name in a patch",
    "two_tensors": "method forward also wants y, which no cable carries",
    "no_method": "has no method that a node could call",
}
"""What is said of each bad file but the one that hangs."""


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return nn_modules.malformed(tmp_path_factory.mktemp("bad"))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return nn_modules.exported(tmp_path_factory.mktemp("good"), "plain", "coder128", "chunk", "wavae_b2048_r48000_z5")


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ZRACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZRACK_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("ZRACK_MODELS", str(tmp_path / "models"))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at files in this process, which is quicker than to start one with torch."""

    def look(path: Path, limit: float) -> dict[str, object]:
        try:
            return {"interface": torchscript.interface(path).to_map()}
        except ModelError as error:
            return {"error": str(error).removeprefix(f"{path.name}: ")}

    monkeypatch.setattr(shelf, "_look", look)


class Told:
    """One command line, and what it said."""

    def __init__(self, *args: object) -> None:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            self.code = main([str(a) for a in args])
        self.out, self.err = out.getvalue(), err.getvalue()


# ---------------------------------------------------------------------------------------------- bad files


def test_every_bad_file_is_known(bad: dict[str, Path]) -> None:
    assert set(bad) - {"hangs"} == set(SAID)


@pytest.mark.parametrize("name", SAID)
def test_a_bad_file_is_refused_in_one_sentence(name: str, bad: dict[str, Path]) -> None:
    with pytest.raises(ModelError) as caught:
        torchscript.interface(bad[name])
    assert str(caught.value) == f"{name}.ts: {SAID[name]}"


def test_a_bad_file_cannot_be_described_and_is_run_once(bad: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        with pytest.raises(ModelError, match=r"^nan.ts: method forward puts out NaN or infinite numbers$"):
            shelf.describe(bad["nan"])
        assert shelf.known(bad["nan"]) is None
        monkeypatch.setattr(shelf, "_look", None)  # a second look would raise TypeError


def test_a_file_that_hangs_is_stopped(bad: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match=r"^hangs.ts: took longer than 4 s to be looked at, so it was stopped$"):
        shelf.describe(bad["hangs"], limit=4)
    assert not list(shelf.cache().glob(f"{shelf.digest(bad['hangs'])}*"))  # the machine may have been to blame


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("import os; os.abort()", "crashed the process that looked at it (signal 6)"),
        ("print('{\"interface\": {}}')", "crashed the process that looked at it (exit code 0)"),
        ("print('[' * 100000)", "crashed the process that looked at it (exit code 0)"),
        ('print(\'{"error": "is odd"}\')', "is odd"),
    ],
)
def test_a_crash_or_nonsense_is_a_sentence(
    program: str, sentence: str, good: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stub = tmp_path / "python"
    stub.write_text(f"#!{sys.executable}\n{program}\n")
    stub.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stub))
    with pytest.raises(ModelError) as caught:
        shelf.describe(good["plain"])
    assert str(caught.value) == f"plain.ts: {sentence}"


def test_no_file_a_folder_and_a_huge_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^none.ts: no such file or directory$"):
        shelf.describe(tmp_path / "none.ts")
    with pytest.raises(ModelError, match="is no regular file"):
        shelf.describe(tmp_path)
    with (tmp_path / "huge.ts").open("wb") as f:
        f.truncate(shelf.LARGEST + 1)  # sparse: it takes no room
    with pytest.raises(ModelError, match=r"^huge.ts: is larger than 4 GiB$"):
        shelf.describe(tmp_path / "huge.ts")
    assert shelf.known(tmp_path / "none.ts") is None
    assert shelf.known(tmp_path / "huge.ts") is None


def test_any_bytes_give_an_answer_or_a_sentence(good: dict[str, Path], tmp_path: Path) -> None:
    whole, draw, path = good["plain"].read_bytes(), random.Random(7), tmp_path / "spoilt.ts"
    said = []
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(draw.choice((1, 3, 30))):
            at = draw.choice((draw.randrange(len(data)), len(data) - 1 - draw.randrange(1500)))  # the directory is at the end
            data[at] = draw.randrange(256)
        path.write_bytes(data[: draw.choice((len(data), len(data), draw.randrange(len(data))))])
        for ask in (shelf.check, shelf.card):
            try:
                ask(path)
            except ModelError as error:
                said.append(str(error))
    assert 100 < len(said) < 800
    assert all(text.startswith("spoilt.ts: ") and "\n" not in text for text in said)


def test_without_torch_it_says_what_to_install(good: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"^plain.ts: models need torch: pip install 'zrack\[models\]'$"):
        shelf.describe(good["plain"])


# ---------------------------------------------------------------------------------------------- what is remembered


def test_described_once_and_known_from_then_on(good: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "some_r44100_b128.ts"
    path.write_bytes(good["wavae_b2048_r48000_z5"].read_bytes())
    assert shelf.known(path) is None
    about = shelf.describe(path)
    assert about == torchscript.interface(path)
    assert about.rate == 44100
    monkeypatch.setattr(shelf, "_look", None)
    for forget in (False, True):
        if forget:  # as another process starts
            shelf._files.clear()
            shelf._interfaces.clear()
        assert shelf.known(path) == about
        assert shelf.describe(path) == about
    copy = tmp_path / "other.ts"
    copy.write_bytes(path.read_bytes())
    assert shelf.known(copy) is None  # it was never hashed
    assert shelf.describe(copy).rate == 0  # nothing but the name of the first said it
    assert shelf.known(copy) == shelf.describe(copy)


def test_a_hash_is_made_again_when_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(b"one")
    first = shelf.digest(path)
    os.utime(path, ns=(1, 1))
    assert shelf.digest(path) == first
    path.write_bytes(b"two")
    second = shelf.digest(path)
    assert second != first
    (tmp_path / "b.ts").write_bytes(b"six")  # the same size
    (tmp_path / "b.ts").replace(path)
    assert shelf.digest(path) not in (first, second)
    monkeypatch.setattr(shelf.hashlib, "file_digest", None)  # reading it again would raise TypeError
    assert shelf.digest(path) not in (first, second)
    assert len(json.loads((shelf.cache() / "files.json").read_text())) == 1


@pytest.mark.usefixtures("at_once")
def test_a_cache_that_is_spoilt_or_shut_only_costs_time(good: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    sha = shelf.digest(good["plain"])
    shelf.write(shelf.cache() / f"{sha}.json", b'{"format": 1, "interface": {"sha": 3}}')
    assert shelf.known(good["plain"]) is None
    shelf.write(shelf.cache() / "files.json", b"[1]")
    assert shelf.known(good["plain"]) is None
    assert shelf.digest(good["plain"]) == sha

    def shut(path: Path, data: bytes) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shelf, "write", shut)
    assert shelf.describe(good["plain"]).sha == sha


def test_what_is_written_is_its_owners(tmp_path: Path) -> None:
    shelf.write(tmp_path / "deep" / "a.json", b"1")
    assert (tmp_path / "deep" / "a.json").stat().st_mode & 0o777 == 0o600
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.json"]


# ---------------------------------------------------------------------------------------------- the card


def test_a_card_is_read_without_running_anything(good: dict[str, Path]) -> None:
    assert shelf.card(good["plain"])["licence"] == "CC0-1.0"
    assert shelf.card(good["coder128"]) == {}


@pytest.mark.parametrize("card", [b"{", b"[1, 2]", b"[" * 100_000, b'{"a": "' + b"x" * (1 << 20) + b'"}'])
def test_a_bad_card_is_noted_and_the_model_loads(card: bytes, tmp_path: Path) -> None:
    path = nn_modules.write(nn_modules.Plain(), tmp_path / "plain.ts", card)
    with pytest.raises(ModelError, match=r"^plain.ts: its card is "):
        shelf.card(path)
    about = torchscript.interface(path)
    assert len(about.notes) == 1
    assert about.notes[0].startswith("its card is ")
    assert [m.name for m in about.methods] == ["forward"]


@pytest.mark.parametrize(
    "card",
    [
        {"attributes": {"gain": {"low": 1, "high": 0}}, "delay": {"forward": -1}},
        {"attributes": {"gain": {"low": "a", "high": float("nan")}}, "delay": "long", "sample_rate": "fast"},
        {"attributes": [1], "delay": [1]},
        {"attributes": {"gain": 3}, "delay": {"forward": float("inf")}, "sample_rate": -1},
    ],
)
def test_nonsense_in_a_card_is_not_believed(card: object, tmp_path: Path) -> None:
    about = torchscript.interface(nn_modules.write(nn_modules.Plain(), tmp_path / "plain.ts", card))
    assert (about.attributes[0].low, about.attributes[0].high) == (None, None)
    assert about.methods[0].delay == 0.0
    assert about.rate == 44100


# ---------------------------------------------------------------------------------------------- zrack models


@pytest.mark.usefixtures("at_once")
def test_the_list(good: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "SHIPPED", tmp_path / "shipped")
    told = Told("models")
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("There are no models in ")
    (tmp_path / "models" / "deep").mkdir(parents=True)
    (tmp_path / "models" / "deep" / "plain.ts").write_bytes(good["plain"].read_bytes())
    (tmp_path / "models" / "cut.ts").write_bytes(b"PK half")
    trust.trust(shelf.digest(good["plain"]), "plain.ts")
    lines = Told("models").out.splitlines()
    assert [" ".join(line.split()[:4]) for line in lines] == [
        "cut.ts 0.0 KiB cut.ts:",
        f"plain.ts {good['plain'].stat().st_size / 1024:.1f} KiB trusted",
    ]
    rows = json.loads(Told("models", "--json").out)
    assert [row["trusted"] for row in rows] == [False, True]
    shelf.describe(tmp_path / "models" / "deep" / "plain.ts")
    assert json.loads(Told("models", "--json").out)[1]["methods"] == ["forward"]


def test_an_untrusted_file_is_not_run(good: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def run(path: Path) -> None:
        raise AssertionError("it was run")

    monkeypatch.setattr(shelf, "describe", run)
    told = Told("models", good["plain"])
    assert (told.code, told.err) == (0, "")
    assert shelf.digest(good["plain"]) in told.out
    assert "licence: CC0-1.0" in told.out
    assert f"zrack models {good['plain']} --trust" in told.out
    for option in ("--check", "--bench"):
        told = Told("models", good["plain"], option)
        assert (told.code, told.out) == (1, "")
        assert told.err.startswith("zrack: plain.ts: is not trusted, so it was not run; ")
    assert json.loads(Told("models", good["plain"], "--json").out)["trusted"] is False


@pytest.mark.usefixtures("at_once")
def test_trust_then_everything_is_told(good: dict[str, Path]) -> None:
    sha = shelf.digest(good["plain"])
    told = Told("models", good["plain"], "--trust")
    assert told.code == 0
    assert told.out.startswith(f"{sha}  plain.ts\n")
    assert trust.is_trusted(sha)
    for text in (
        "44100 Hz, up to 64 streams",
        "forward: 2 × sound → 1 × sound",
        "attribute gain: float 0.5, 0 … 2 x, loudness",
    ):
        assert text in told.out
    data = json.loads(Told("models", good["plain"], "--json").out)
    assert data["methods"][0]["in_labels"] == ["left in", "right in"]
    assert (data["rate"], data["batch"], data["trusted"]) == (44100, 64, True)


@pytest.mark.usefixtures("at_once")
def test_check_says_a_sentence_for_each_violation(good: dict[str, Path]) -> None:
    told = Told("models", good["coder128"], "--trust", "--check")
    assert (told.code, told.err) == (0, "")
    assert told.out.endswith("coder128.ts: fine\n")
    told = Told("models", good["chunk"], "--trust", "--check")
    assert told.code == 1
    assert told.err.splitlines() == [
        "zrack: chunk.ts: method timbre does not take calls of every length; it is called with 1024 samples",
        "zrack: chunk.ts: method timbre gives every stream of a batch what it makes of the first",
    ]


@pytest.mark.usefixtures("at_once")
def test_bench_measures_every_method(good: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from runtime import cli_models

    monkeypatch.setattr(cli_models, "SECONDS", 0.0)
    rows = json.loads(Told("models", good["coder128"], "--trust", "--bench", "--json").out)["bench"]
    assert [(row["method"], row["samples"], row["calls"]) for row in rows] == [
        (name, samples, 20) for name in ("encode", "decode", "forward") for samples in (128, 512)
    ]
    for row in rows:
        assert 0 < row["median_ms"] <= row["worst_ms"]
        assert row["realtime"] == pytest.approx(row["samples"] / 48.0 / row["median_ms"])
    assert len(Told("models", good["coder128"], "--bench").out.splitlines()) >= 6


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        (lambda bad: ["--check"], 2, "zrack: name a model file"),
        (lambda bad: ["nothing"], 1, "zrack: nothing: there is no such model"),
        (lambda bad: [bad["truncated"]], 1, "zrack: truncated.ts: is cut off; it was not copied or downloaded to its end"),
        (lambda bad: [bad["text"], "--trust"], 1, "zrack: text.ts: is no TorchScript file"),
        (lambda bad: [bad["flat"], "--trust"], 1, "zrack: flat.ts: method forward returns a tensor of 1 dimensions"),
    ],
)
@pytest.mark.usefixtures("at_once")
def test_what_is_refused(
    args: Callable[[dict[str, Path]], list[object]], code: int, sentence: str, bad: dict[str, Path]
) -> None:
    told = Told("models", *args(bad))
    assert told.code == code
    assert told.err.startswith(sentence)
    assert len(told.err.splitlines()) == 1


def test_a_strangers_card_does_not_speak_to_the_terminal(tmp_path: Path) -> None:
    card = {"name": "\x1b[2J\x07 hello\nworld", "\x1b[31m": ["\x1b[0m"], "long": "x" * 5000}
    told = Told("models", nn_modules.write(nn_modules.Plain(), tmp_path / "plain.ts", card))
    assert "\x1b" not in told.out
    assert "\x07" not in told.out
    assert "name: [2J hello world" in told.out
    assert max(map(len, told.out.splitlines())) < 300
