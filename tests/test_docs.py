"""What the documents tell people to do, done: their code runs, the files that they name exist."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from graph import Patch
from nodes import catalog
from runtime.cli import main, zrack
from runtime.offline import render

HERE = Path(__file__).parent.parent


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks of a document in one language."""
    return re.findall(rf"```{language}\n(.*?)```", (HERE / document).read_text(), re.DOTALL)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A node folder of one's own, as the current one; what it declared is gone afterwards."""
    monkeypatch.setenv("ZRACK_NODES", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    (tmp_path / "tremolo.py").write_text("")
    catalog.reload()
    importlib.invalidate_caches()
    sys.modules.pop("user_nodes.tremolo", None)


def test_a_node_in_five_minutes(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    node, patch = blocks("CONTRIBUTING.md", "python")
    (mine / "tremolo.py").write_text(node)
    env = {**os.environ, "PYTHONPATH": str(HERE)}
    subprocess.run([sys.executable, "-c", patch], cwd=mine, env=env, check=True)  # a Python of its own, as a reader's is
    assert main(["nodes", "mine/tremolo"]) == 0
    assert "swings a second" in capsys.readouterr().out
    assert main(["render", "tremolo.zrack", "-o", "tremolo.wav", "--seconds", "1"]) == 0
    p = Patch.load(mine / "tremolo.zrack")
    p.limiter = False
    p.set("tremolo", rate=2.0, depth=1.0)
    wet = render(p, 1.0).audio[:, 0]
    p.connect("osc.out", "out.audio")
    p.remove("tremolo")
    dry = render(p, 1.0).audio[:, 0]
    swing = np.abs(2.0 * (np.arange(48000) * 2.0 / 48000 % 1.0) - 1.0)  # the triangle that the text promises
    assert np.abs(dry).max() > 0.5
    np.testing.assert_allclose(wet, dry * swing, atol=2e-3)


def test_the_first_patch_of_the_readme(mine: Path) -> None:
    (code,) = blocks("README.md", "python")
    exec(code, {})
    assert main(["check", "bass.zrack"]) == 0
    assert np.abs(render(Patch.load("bass.zrack"), 0.5).audio).max() > 0.05


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_every_file_that_is_named_exists(document: str) -> None:
    text = (HERE / document).read_text()
    named = set(re.findall(r"\b(?:graph|nodes|runtime|ui|patches|docs|tests)/[\w/.-]*\w\.(?:py|zrack|png)\b", text))
    named -= {"tests/test_x.py"}  # the pattern of their names
    assert document != "README.md" or len(named) > 20
    assert [n for n in sorted(named) if not (HERE / n).exists()] == []


@pytest.mark.parametrize("room", ["graph", "nodes", "runtime", "ui"])
def test_the_readme_says_what_every_file_is_for(room: str) -> None:
    text = (HERE / "README.md").read_text()
    files = [p for p in sorted((HERE / room).glob("*.py")) if p.name != "__init__.py"]
    assert len(files) > 5
    assert [f"{room}/{p.name}" for p in files if f"`{room}/{p.name}`" not in text] == []


def test_the_page_of_all_nodes_is_made_from_their_help(tmp_path: Path) -> None:
    call = [sys.executable, "-m", "runtime.cli", "nodes", "--sheet"]
    env = {**os.environ, "ZRACK_NODES": str(tmp_path)}  # neither the tests' own types nor the user's
    made = subprocess.run(call, cwd=HERE, env=env, capture_output=True, text=True, check=True).stdout
    assert made == (HERE / "docs/nodes.md").read_text(), "make it again: zrack nodes --sheet > docs/nodes.md"


def test_the_readme_names_every_patch() -> None:
    text = (HERE / "README.md").read_text()
    patches = [p.name for p in sorted((HERE / "patches").glob("*.zrack"))]
    assert len(patches) >= 6
    assert [name for name in patches if f"`patches/{name}`" not in text] == []


def test_every_command_in_the_readme_exists() -> None:
    commands = {c for block in blocks("README.md", "sh") for c in re.findall(r"^zrack (\w+)(?:\s|$)", block, re.MULTILINE)}
    assert {"render", "nodes", "check", "show", "diff"} <= commands <= set(zrack.commands)
