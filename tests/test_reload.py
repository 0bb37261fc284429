"""Node types from the user's folder and from an installed package: they appear, they play, they are reloaded."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from nodes import Patch, catalog
from nodes.compile import CompileError
from runtime.offline import render

NODE = '''"""A node type of the user's own."""

from nodes.base import In, Node, Out


class Mine(Node):
    """Multiplies by a number of mine."""

    id = "{id}"
    a = In(doc="in")
    out = Out(doc="out")

    def kernel({arguments}):
        for i in range(frames):
            for c in range(channels):
                out[i, c] = {expression}
'''
ARGUMENTS = "frames, channels, sr, state, a, out"


def write(path: Path, expression: str, id: str = "user/mine", arguments: str = ARGUMENTS) -> None:
    """Writes the node's file and makes sure that its time of change is another."""
    path.write_text(NODE.format(id=id, expression=expression, arguments=arguments))
    os.utime(path, ns=(time.time_ns(), time.time_ns() + write_count(path)))


def write_count(path: Path, seen: dict[Path, int] = {}) -> int:  # noqa: B006 - counts over calls on purpose
    seen[path] = seen.get(path, 0) + 1_000_000
    return seen[path]


def level(id: str = "user/mine") -> float:
    """What the node makes of one."""
    patch = Patch()
    patch.add("source/constant", "one", value=1.0)
    patch.add(id, "mine")
    patch.add("io/output", "out")
    patch.connect("one.out", "mine.a")
    patch.connect("mine.out", "out.audio")
    return float(render(patch, 0.01).audio[-1, 0])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZRACK_NODES", str(tmp_path / "nodes"))
    (tmp_path / "nodes").mkdir()
    return tmp_path / "nodes"


def test_a_node_of_the_users_plays_and_is_reloaded_while_a_render_loop_runs(folder: Path) -> None:
    file = folder / "mine.py"
    write(file, "a[i, c] * 0.5")
    assert catalog.reload() == [] and level() == 0.5
    heard: list[float] = []
    stop = threading.Event()

    def play() -> None:
        while not stop.is_set():
            with contextlib.suppress(CompileError):
                heard.append(level())

    player = threading.Thread(target=play)
    player.start()
    try:
        write(file, "a[i, c] * 0.25")
        assert catalog.reload() == [] and level() == 0.25
        write(file, "a[i, c] * (")
        (problem,) = catalog.reload()
        assert "mine.py:16:" in problem and "\n" not in problem
        assert level() == 0.25
        write(file, "a[i, c]", arguments="frames, channels, sr, state, b, out")
        (problem,) = catalog.reload()
        assert "mine.py" in problem and "'b'" in problem and "\n" not in problem
        assert level() == 0.25
        write(file, "a[i, c].no_such_thing")
        catalog.reload()
        with pytest.raises(CompileError, match="user/mine cannot be compiled"):
            level()
        write(file, "a[i, c] * 0.75")
        assert catalog.reload() == [] and level() == 0.75
    finally:
        stop.set()
        player.join()
    assert set(heard) <= {0.5, 0.25, 0.75}


def test_a_node_of_an_installed_package_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zrack_extra.py").write_text(NODE.format(id="extra/mine", expression="a[i, c] * 0.125", arguments=ARGUMENTS))
    info = tmp_path / "zrack_extra-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zrack-extra\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[zrack.nodes]\nextra = zrack_extra\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    catalog.load()
    try:
        assert level("extra/mine") == 0.125
        assert np.isfinite(level("extra/mine"))
    finally:
        sys.modules.pop("zrack_extra", None)
