"""Node types from the user's folder and from installed packages: taken up, reloaded, and refused without harm."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from graph.spec import registry
from nodes import catalog, classes
from nodes.base import Node
from tests.rig import run

ROOT = Path(__file__).parent.parent
GAIN = '''"""A node of mine."""
from nodes.base import In, Node, Out

FACTOR = {factor}


class {name}(Node):
    """Makes it louder."""

    id = "{id}"
    audio = In(doc="sound")
    out = Out(doc="louder")

    def kernel({arguments}):
        for i in range(frames):
            for c in range(channels):
                out[i, c] = audio[i, c] * FACTOR
'''


def gain(factor: float = 2.0, name: str = "Mine", id: str = "mine/gain",
         arguments: str = "frames, channels, sr, state, audio, out") -> str:  # fmt: skip
    return GAIN.format(factor=factor, name=name, id=id, arguments=arguments)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty node folder of the user; the catalog is as before when the test is over."""
    monkeypatch.setenv("ZRACK_NODES", str(tmp_path / "nodes"))
    (tmp_path / "nodes").mkdir()
    kept = [dict(d) for d in (classes, registry, catalog._sources, catalog._said)]
    yield tmp_path / "nodes"
    for now, then in zip((classes, registry, catalog._sources, catalog._said), kept):
        now.clear()
        now.update(then)  # type: ignore[arg-type]
    for name in [n for n in sys.modules if n.startswith("user_nodes.")]:
        del sys.modules[name]
    catalog._problems()


def heard(id: str = "mine/gain") -> float:
    """What a node makes of 1."""
    return float(run(classes[id], frames=4, audio=1.0)["out"][3, 0])


def test_the_catalog_knows_every_declared_class() -> None:
    assert catalog.problems == []
    assert set(classes) == set(registry)
    assert all(issubclass(c, Node) and c.id == i and registry[i] is c.spec for i, c in classes.items())
    assert {"maths/add", "latent/pack", "filter/svf", "io/output", "rack/sum"} <= set(classes)


def test_a_file_in_the_folder_plays_and_is_reloaded_when_saved(folder: Path) -> None:
    file = folder / "louder.py"
    file.write_text(gain(2.0))
    assert catalog.reload() == []
    assert classes["mine/gain"].__module__ == "user_nodes.louder"
    assert registry["mine/gain"].title == "Makes it louder."
    assert heard() == 2.0
    file.write_text(gain(3.0))  # as long as before, within the same second
    assert catalog.reload() == []
    assert heard() == 3.0
    before = classes["mine/gain"]
    assert catalog.reload() == []
    assert classes["mine/gain"] is before  # nothing changed, nothing made anew


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (gain().replace("class Mine(Node):", "class Mine(Node:"), 7, "invalid syntax"),
        (gain(arguments="frames, channels, sr, state, audio"), 7, "'out', which is declared"),
        (gain(arguments="frames, sr, channels, state, audio, out"), 7, "kernel must begin with frames, channels, sr, state"),
        (gain(arguments="frames, channels, sr, state, audio, cutoff, out"), 7, "'cutoff', which is not declared"),
        (gain().replace('    """Makes it louder."""\n', ""), 7, "has no docstring"),
        ("import a_module_that_nobody_has\n" + gain(), 1, "a_module_that_nobody_has"),
        (gain() + "\nraise SystemExit('bye')\n", 19, "bye"),
        (gain() + "\n1 / 0\n", 19, "division by zero"),
        (gain() + "\n\0", 0, "null bytes"),
    ],
    ids=lambda x: str(x)[-24:] if isinstance(x, str) else "",
)
def test_a_mistake_keeps_the_old_class_and_is_told_in_one_sentence(folder: Path, text: str, line: int, says: str) -> None:
    file = folder / "louder.py"
    file.write_text(gain())
    catalog.reload()
    old = classes["mine/gain"]
    file.write_text(text)
    told = catalog.reload()
    assert len(told) == 1
    assert told[0].startswith(f"{file}:{line}: " if line else f"{file}: ")
    assert says in told[0]
    assert "\n" not in told[0]
    assert told[0].endswith(".")
    assert classes["mine/gain"] is old
    assert sys.modules["user_nodes.louder"].Mine is old  # type: ignore[attr-defined]
    assert catalog.problems == told
    assert catalog.reload() == []  # said once
    assert catalog.problems == told  # but still true
    file.write_text(gain(4.0))
    assert catalog.reload() == []
    assert catalog.problems == []
    assert classes["mine/gain"] is not old


def test_the_same_id_from_two_modules_is_refused(folder: Path) -> None:
    (folder / "a.py").write_text(gain())
    catalog.reload()
    first = classes["mine/gain"]
    (folder / "b.py").write_text(gain(5.0, name="Other") + gain(name="Fresh", id="mine/fresh").split("\n\n\n")[1])
    told = catalog.reload()
    assert told == [f"{folder / 'b.py'}:7: the id mine/gain is taken by {folder / 'a.py'}, so Other is not used."]
    assert classes["mine/gain"] is first
    assert "mine/fresh" in classes  # the rest of the file is used


def test_a_built_in_id_is_refused(folder: Path) -> None:
    built_in = classes["maths/add"]
    (folder / "add.py").write_text(gain(id="maths/add"))
    told = catalog.reload()
    assert len(told) == 1
    assert "the id maths/add is taken by" in told[0]
    assert "maths.py" in told[0]
    assert classes["maths/add"] is built_in
    assert registry["maths/add"] is built_in.spec


def test_an_id_twice_in_one_file_is_refused(folder: Path) -> None:
    file = folder / "twice.py"
    file.write_text(gain() + "\n\n" + gain(name="Again"))
    told = catalog.reload()
    assert told == [f"{file}:26: the id mine/gain is taken by another class of this file, so Again is not used."]
    assert classes["mine/gain"].__name__ == "Mine"


def test_what_a_file_no_longer_declares_goes_and_a_renamed_file_takes_over(folder: Path) -> None:
    file = folder / "louder.py"
    file.write_text(gain())
    catalog.reload()
    file.write_text(gain(id="mine/renamed"))
    assert catalog.reload() == []
    assert "mine/gain" not in classes
    assert "mine/gain" not in registry
    old = classes["mine/renamed"]
    file.unlink()
    assert catalog.reload() == []
    assert classes["mine/renamed"] is old  # an editor may delete a file before it writes it anew
    (folder / "moved.py").write_text(gain(id="mine/renamed"))
    assert catalog.reload() == []
    assert classes["mine/renamed"].__module__ == "user_nodes.moved"


def test_files_share_helpers_whose_name_begins_with_an_underscore(folder: Path) -> None:
    (folder / "_shared.py").write_text("FACTOR = 7.0\n")
    (folder / "louder.py").write_text(gain().replace("FACTOR = 2.0", "from user_nodes._shared import FACTOR"))
    assert catalog.reload() == []
    assert heard() == 7.0


def test_a_folder_that_is_not_there_holds_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ZRACK_NODES", str(tmp_path / "none"))
    assert catalog.reload() == []
    assert not (tmp_path / "none").exists()


def test_watch_reloads_when_a_file_is_saved(folder: Path) -> None:
    stop, told = threading.Event(), queue.Queue[list[str]]()
    thread = threading.Thread(target=lambda: [told.put(x) for x in catalog.watch(stop)], daemon=True)
    thread.start()
    try:
        for attempt in range(60):  # the watcher needs a moment to begin; what was saved before it is not seen
            (folder / "seen.py").write_text(gain(attempt + 2.0, id="mine/seen"))
            try:
                assert told.get(timeout=0.5) == []
                break
            except queue.Empty:
                continue
        assert "mine/seen" in classes
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


# ---------------------------------------------------------------------------------------------- installed packages

ASK = """
import json, sys, nodes
print(json.dumps({"ids": {i: c.__module__ for i, c in nodes.classes.items()}, "problems": nodes.problems,
                  "heavy": [m for m in ("numba", "llvmlite", "torch", "librosa", "scipy") if m in sys.modules]}))
"""


def install(place: Path, entries: str, files: dict[str, str]) -> None:
    """A package as pip leaves it: its modules, and a dist-info folder that names its entry points."""
    info = place / "fancy_nodes-1.0.dist-info"
    files = files | {
        f"{info.name}/METADATA": "Metadata-Version: 2.1\nName: fancy-nodes\nVersion: 1.0\n",
        f"{info.name}/entry_points.txt": f"[zrack.nodes]\n{entries}\n",
    }
    for name, text in files.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(text)


def ask(place: Path, code: str = ASK) -> dict[str, object]:
    """What a new Python with this package installed prints."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{place}", "ZRACK_NODES": str(place / "none")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, cwd=place)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_entry_points_name_modules_classes_or_packages(tmp_path: Path) -> None:
    install(
        tmp_path,
        "a = fancy_module\nb = fancy_class:Second\nc = fancy_class:Third\n"
        "d = fancy_package\ne = fancy_broken\nf = fancy_class:nothing",
        {
            "fancy_module.py": gain(name="First", id="fancy/first"),
            "fancy_class.py": "\n\n".join(gain(name=n, id=f"fancy/{n.lower()}") for n in ("Second", "Third", "Unnamed")),
            "fancy_package/__init__.py": "from .inner import Fourth\n",
            "fancy_package/inner.py": gain(name="Fourth", id="fancy/fourth"),
            "fancy_broken.py": "def\n",
        },
    )
    found = ask(tmp_path)
    ids, problems = found["ids"], found["problems"]
    assert isinstance(ids, dict)
    assert isinstance(problems, list)
    assert {i: m for i, m in ids.items() if i.startswith("fancy")} == {
        "fancy/first": "fancy_module", "fancy/second": "fancy_class", "fancy/third": "fancy_class",
        "fancy/fourth": "fancy_package.inner",
    }  # fmt: skip
    assert len(problems) == 2
    assert problems[1] == "fancy_class: module 'fancy_class' has no attribute 'nothing'."
    assert problems[0].startswith(f"{tmp_path / 'fancy_broken.py'}:1: ")
    assert found["heavy"] == []


def test_an_installed_package_is_reloaded_too(tmp_path: Path) -> None:
    install(tmp_path, "a = fancy:Mine", {"fancy.py": gain(id="fancy/one") + gain(name="Hidden", id="fancy/hidden")})
    file = tmp_path / "fancy.py"
    code = f"""
import json, pathlib, nodes
file = pathlib.Path({str(file)!r})
first = nodes.classes["fancy/one"]
file.write_text({gain(9.0, id="fancy/one") + gain(9.0, name="Hidden", id="fancy/hidden")!r})
told = nodes.reload()
new = nodes.classes["fancy/one"]
file.write_text("def\\n")
bad = nodes.reload()
print(json.dumps({{"told": told, "changed": new is not first, "factor": new.kernel.__globals__["FACTOR"], "bad": bad,
                  "kept": nodes.classes["fancy/one"] is new, "hidden": "fancy/hidden" in nodes.classes}}))
"""
    found = ask(tmp_path, code)
    expected = {"told": [], "changed": True, "factor": 9.0, "bad": [f"{file}:1: invalid syntax."], "kept": True}
    assert found == {**expected, "hidden": False}


def test_patch_comes_with_all_node_types() -> None:
    from nodes import Patch

    p = Patch()
    p.add("maths/multiply", "m", b=0.5)
    assert p.nodes["m"].params == {"b": 0.5}
    assert np.isclose(registry["maths/multiply"].params["b"].default, 1.0)
