"""Which model files may run here: only those whose hash somebody said yes to, on this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from nodes.ml import shelf, trust
from tests.test_imports import modules

A, B = "a" * 64, "b" * 64


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ZRACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZRACK_CONFIG", str(tmp_path / "config"))
    monkeypatch.setattr(shelf, "SHIPPED", tmp_path / "shipped")


def test_nothing_is_trusted_until_somebody_says_so() -> None:
    assert not trust.is_trusted(A)
    trust.trust(A, "drums.ts")
    assert trust.is_trusted(A)
    assert not trust.is_trusted(B)
    trust.trust(B, "voice.ts")
    trust.distrust(A)
    trust.distrust(A)
    assert (trust.is_trusted(A), trust.is_trusted(B)) == (False, True)


def test_answers_are_the_owners_and_written_whole() -> None:
    trust.trust(A, "drums.ts")
    trust.trust(B, "voice.ts")
    assert trust.place().stat().st_mode & 0o777 == 0o600
    assert [p.name for p in trust.place().parent.iterdir()] == ["trusted-models.json"]
    assert json.loads(trust.place().read_text()) == {A: "drums.ts", B: "voice.ts"}


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"everything": "yes"}', "\xff"])
def test_a_spoilt_file_trusts_nothing_and_can_be_written_again(text: str) -> None:
    trust.place().parent.mkdir(parents=True)
    trust.place().write_text(text, "latin-1")
    assert not trust.is_trusted(A)
    assert not trust.is_trusted("everything")
    trust.trust(A, "drums.ts")
    assert trust.is_trusted(A)


def test_only_a_hash_can_be_trusted() -> None:
    for nonsense in ("", "drums.ts", "A" * 64, "a" * 63, "a" * 64 + "\n"):
        with pytest.raises(ValueError, match="is no SHA-256"):
            trust.trust(nonsense, "drums.ts")
        assert not trust.is_trusted(nonsense)


def test_what_comes_with_zrack_is_trusted() -> None:
    assert not trust.is_trusted(A)  # the list may be missing
    shelf.write(shelf.SHIPPED / "sha256.json", json.dumps({"drums.ts": A}).encode())
    assert trust.is_trusted(A)
    assert not trust.is_trusted(B)
    trust.distrust(A)
    assert trust.is_trusted(A)


def test_the_hash_counts_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "drums.ts"
    path.write_bytes(b"a model")
    when = path.stat().st_mtime_ns
    trust.trust(shelf.digest(path), path.name)
    path.rename(tmp_path / "renamed.ts")
    assert trust.is_trusted(shelf.digest(tmp_path / "renamed.ts"))
    path.write_bytes(b"another")  # the same name and size, and soon the same time
    os.utime(path, ns=(when, when))
    assert not trust.is_trusted(shelf.digest(path))


def test_without_a_folder_of_its_own_it_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZRACK_CONFIG")
    assert trust.place().name == "trusted-models.json"
    assert trust.place().parent.name == "zrack"


def test_neither_trust_nor_the_list_of_models_needs_torch() -> None:
    code = (
        "from nodes.ml import contract, shelf, torchscript, trust\nfrom runtime.cli import main\n"
        f"assert not trust.is_trusted('{A}')\nassert shelf.known(__import__('pathlib').Path('none.ts')) is None\n"
        "assert main(['models']) == 0"
    )
    assert not modules(code) & {"torch", "numba", "nn_tilde", "cached_conv", "soundfile"}
