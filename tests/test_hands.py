"""The editor under real hands: a patch from nothing, editing while it plays, and an editor that is killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from .benchmarks.hands import editing, killing
from .jack import needs_jack
from .screen import needs_hands
from .story import whole


@needs_hands
@needs_jack
def test_a_patch_is_made_heard_undone_saved_and_opened_again(tmp_path: Path) -> None:
    assert whole(tmp_path, short=True)["identical"]


@needs_hands
def test_the_sound_outlives_the_editor_and_the_next_one_has_the_last_edit(tmp_path: Path) -> None:
    found = killing(tmp_path, 2, 0, "null", longest=1.5)
    assert found["wrong"] == []
    assert found["same_session"] and found["gestures"] > 0
    assert found["recorded"] > 2 and found["silence"] == 0


@pytest.mark.slow
@needs_hands
@needs_jack
def test_a_stranger_comes_for_the_first_time(tmp_path: Path) -> None:
    found = whole(tmp_path, tmp_path / "pictures")
    assert found["identical"]
    assert len(list((tmp_path / "pictures").glob("*.png"))) == found["pictures"] > 12


@pytest.mark.slow
@needs_hands
@needs_jack
def test_two_minutes_of_editing_are_heard_as_they_were_done(tmp_path: Path) -> None:
    found = editing(tmp_path)
    assert found["xruns"]["ours"] == 0, found
    assert found["frames"] == found["compared"] > 100 * 48000
    assert found["differ"] == found["lost"] == 0, found
    assert found["changed"] and found["editor_has_the_same"] and found["headless_has_the_same"], found
    assert (found["engines"], found["exit"], found["said"], found["errors"]) == (1, 0, "", []), found
    assert found["silence"] == 0 and sum(found["gestures"].values()) > 40, found


@pytest.mark.slow
@needs_hands
@needs_jack
def test_fifty_killed_editors_lose_nothing(tmp_path: Path) -> None:
    found = killing(tmp_path)
    assert found["wrong"] == [] and found["same_session"], found
    assert found["xruns"]["ours"] == 0, found
    assert found["silence"] == 0 and found["recorded"] > 100, found
    assert found["both"] == [""] * len(found["both"]), found
