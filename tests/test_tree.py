"""The address tree: what it publishes is what OSC takes, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graph import Patch, edits
from runtime import tree, tree_changes
from runtime.addresses import Directory
from runtime.osc_commands import COMMANDS
from tests import kit
from tests.osc_stage import Stage
from tests.query_kit import rack


def leaves(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a tree that can be read or written."""
    if node["ACCESS"]:
        yield node
    for below in node.get("CONTENTS", {}).values():
        yield from leaves(below)


def branches(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a tree."""
    yield node
    for below in node.get("CONTENTS", {}).values():
        yield from branches(below)


def test_every_branch_is_found_at_its_own_address() -> None:
    patch = rack()
    whole = tree.tree(patch)
    found = list(branches(whole))
    assert len(found) > 60
    for one in found:
        assert tree.find(patch, one["FULL_PATH"]) == one
        shallow = {k: v for k, v in one.items() if k != "CONTENTS"}
        assert tree.find(patch, one["FULL_PATH"], deep=False) == shallow
    for nothing in ("", "node", "//", "/node/", "/nope", "/node/nope", "/node/lp/cutoff/x", "/node/lp/node/x", "/node/../lp"):
        assert tree.find(patch, nothing) is None, nothing


def test_the_tree_is_what_osc_takes() -> None:
    stage = Stage(rack())
    directory = Directory(stage)  # type: ignore[arg-type]
    found = {one["FULL_PATH"]: one for one in leaves(tree.tree(stage.patch))}
    values = {address: one for address, one in found.items() if address.startswith("/node/")}
    assert len(values) > 20
    for address, one in values.items():
        target = directory.find(address)[-1]
        value = target.get()
        assert one["VALUE"] == [bool(value) if one["TYPE"] == "T" else pytest.approx(value) if one["TYPE"] == "f" else value]
        assert (one["TYPE"], one["ACCESS"]) in (("f", 3), ("s", 3), ("T", 3))
        for overload in one.get("OVERLOADS", []):
            assert overload["TYPE"] == "i" and target.convert(overload["RANGE"][0]["MAX"]) == one["RANGE"][0]["VALS"][-1]
    ports = {a for a in directory.addresses() if a.startswith("/node/") and a != "/node/osc/freq"}
    assert ports - {f"/node/voice/node/{end}/bypass" for end in ("in", "wet")} <= set(values)


def test_every_command_is_there_and_takes_what_its_types_say() -> None:
    found = {one["FULL_PATH"]: one for one in leaves(tree.tree(rack()))}
    example = {"s": "a", "f": 1.0}
    assert set(COMMANDS) <= set(found)
    for address, command in COMMANDS.items():
        one = found[address]
        assert one["DESCRIPTION"] and one["ACCESS"] in (2, 3)
        for form in (one, *one.get("OVERLOADS", [])):
            args = tuple(example[tag] for tag in form["TYPE"] if tag != "I")
            assert len(command.read(address, args)) == len(args)
            for name in ("RANGE", "EXTENDED_TYPE"):
                assert name not in form or len(form[name]) == len(form["TYPE"])
    assert set(tree.ABOUT) - {a.rpartition("/")[0] for a in COMMANDS} - set(COMMANDS) == {"/", "/node"}
    assert found["/patch/add"]["TYPE"] == "s" and [o["TYPE"] for o in found["/patch/add"]["OVERLOADS"]] == ["ss", "ssff"]
    assert found["/transport/play"]["TYPE"] == "I"


def test_ranges_units_and_choices() -> None:
    p = rack()
    cutoff, bypass, shape = (tree.find(p, f"/node/{a}") or {} for a in ("lp/cutoff", "lp/bypass", "env/shape"))
    assert (cutoff["TYPE"], cutoff["VALUE"], cutoff["RANGE"]) == ("f", [800.0], [{"MIN": 20.0, "MAX": 20000.0}])
    assert (cutoff["UNIT"], cutoff["CLIPMODE"], cutoff["ACCESS"]) == (["time.hz"], ["both"], 3)
    assert 0.5 < cutoff["CONTENTS"]["knob"]["VALUE"][0] < 0.6
    assert (bypass["TYPE"], bypass["VALUE"]) == ("T", [False])
    assert (shape["TYPE"], shape["RANGE"], shape["DESCRIPTION"]) == ("s", [{"VALS": ["lin", "exp"]}], "of the slope")
    recall, tempo, fader = (tree.find(p, a) or {} for a in ("/snapshot/recall", "/clock/tempo", "/fader/1"))
    assert recall["RANGE"] == [{"VALS": ["dawn"]}] and recall["OVERLOADS"][0]["TYPE"] == "sf"
    assert (tempo["VALUE"], tempo["UNIT"], tempo["ACCESS"]) == ([90.0], ["time.bpm"], 3)
    assert (fader["TYPE"], fader["ACCESS"]) == ("ff", 2)
    assert (tree.find(p, "/node/voice/tone") or {})["VALUE"] == [500.0]


def test_a_definition_in_a_file_can_only_be_read(tmp_path: Path) -> None:
    kit.voice().save(tmp_path / "voice.zrack")
    p = kit.new()
    p.save(tmp_path / "rack.zrack")
    p = Patch.load(tmp_path / "rack.zrack", kit.SPECS)
    p.add("rack/patch", "voice", file="voice.zrack")
    assert (tree.find(p, "/node/voice/node/lp/cutoff") or {})["ACCESS"] == 1
    assert (tree.find(p, "/node/voice/tone") or {})["ACCESS"] == 3


def test_one_path_reads_one_value_of_a_large_patch() -> None:
    p = kit.new()
    for i in range(1000):
        p.add("filter/lowpass", f"lp{i}")
    asked: list[tuple[str, str]] = []

    def get(path: str, port: str) -> float:
        asked.append((path, port))
        return 440.0

    assert (tree.find(p, "/node/lp500/cutoff", get) or {})["VALUE"] == [440.0]
    assert asked == [("lp500", "cutoff")]


def test_an_unknown_type_is_there_without_ports() -> None:
    p = Patch(specs={})
    p.write("node", "x", edits.NodeData("gone/away"))
    found = tree.find(p, "/node/x") or {}
    assert "gone/away" in found["DESCRIPTION"] and not found["CONTENTS"]


def test_changes_are_told_by_address() -> None:
    p = rack()
    before = tree_changes.shape(p)
    p.rename("lp", "filter")
    p.remove("env")
    p.add("mod/env", "env2")
    p.set("osc", freq=99.0)
    p.apply(edits.Inside("voice", edits.AddNode("source/saw", "inner")))
    found = tree_changes.changes(before, tree_changes.shape(p))
    assert sorted(found, key=str) == [
        ("ADDED", "/node/env2"), ("ADDED", "/node/voice/node/inner"), ("REMOVED", "/node/env"),
        ("RENAMED", ("/node/lp", "/node/filter")),
    ]  # fmt: skip
    assert tree_changes.common(["/node/a", "/node/b/c"]) == "/node"
    assert tree_changes.common(["/node/a"]) == "/node/a"
    assert tree_changes.common(["/node", "/snapshot"]) == "/"
