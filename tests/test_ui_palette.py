"""The palette: what a few letters mean, and what fits a port."""

from __future__ import annotations

import time

import pytest

from graph import NodeSpec, Patch
from graph.spec import In, Out, registry
from nodes import catalog
from ui import palette
from ui.palette import Wish, search

catalog.load()


def ids(text: str, fits: Wish | None = None) -> list[str]:
    return [f.spec.id for f in search(registry, text, fits)]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("lfo", "mod/lfo"),
        ("LOWP", "filter/lowpass"),
        ("lp", "filter/lowpass"),
        ("rev", "effect/reverb"),
        ("random walk", "mod/random-walk"),
        ("pink noise", "source/noise"),
        ("s&h", "mod/sample-hold"),
        ("clok", "mod/clock"),
        ("adr", "mod/adsr"),
        ("reverv", "effect/reverb"),
        ("dealy", "effect/delay"),
        ("distortion", "maths/saturate"),
        ("keyboard", "midi/notes"),
        ("midi cc", "midi/cc"),
        ("effect/delay", "effect/delay"),
        ("speaker", "io/output"),
        ("flanger", "effect/chorus"),
        ("vco", "source/saw"),
    ],
)
def test_the_top_hit(text: str, first: str) -> None:
    assert ids(text)[0] == first


def test_every_type_is_first_under_its_own_name() -> None:
    for spec in palette.offered(registry):
        assert ids(spec.id)[0] == spec.id, spec.id


def test_nothing_typed_offers_all_and_hides_the_planners_own() -> None:
    found = ids("")
    assert {s.id for s in registry.values() if not s.hidden} < set(found)
    assert not [id for id in found if id in registry and registry[id].hidden]
    assert found[0].startswith("source/")
    assert "rack/inlet" not in found
    assert "rack/inlet" in {f.spec.id for f in search(registry, "inlet", inside=True)}


def test_nonsense_finds_nothing() -> None:
    assert ids("qqxyzzy") == []
    assert ids("lfo qqxyzzy") == []
    assert len(ids("!!!")) == len(ids(""))


def test_all_words_must_fit() -> None:
    assert "mod/clock" not in ids("midi clock")
    assert ids("midi clock")[0] == "midi/clock"


def test_recent_ones_gain_a_little() -> None:
    assert search(registry, "", recent=["effect/pan"])[0].spec.id == "effect/pan"
    assert search(registry, "lfo", recent=["effect/pan"])[0].spec.id == "mod/lfo"


def test_what_fits_a_param() -> None:
    patch = Patch()
    patch.add("filter/lowpass", "lp")
    want = palette.wish(patch, "lp", "cutoff", start=False)
    assert want == Wish(False, False, True)
    found = search(registry, "", want)
    assert (found[0].spec.id, found[0].port) == ("mod/lfo", "out")
    assert "io/output" not in [f.spec.id for f in found if not f.spec.outlets]
    assert all(f.port in f.spec.outlets for f in found)


def test_what_fits_an_outlet() -> None:
    patch = Patch()
    patch.add("source/saw", "osc")
    want = palette.wish(patch, "osc", "out", start=True)
    found = {f.spec.id: f.port for f in search(registry, "", want)}
    assert found["filter/lowpass"] == "audio"  # an inlet before a param
    assert found["mod/random-walk"] == "reset"
    assert found["source/noise"] == "level"
    assert found["latent/mix"] == "mix"  # not a or b, which take latents


def test_latents_fit_latents() -> None:
    patch = Patch()
    patch.add("latent/mix", "mix")
    for name, start in (("a", False), ("out", True)):
        want = palette.wish(patch, "mix", name, start)
        assert want is not None
        assert want.latent
        assert all(i.startswith(("latent/", "model/", "view/")) for i in ids("", want))
    assert "latent/affine" in ids("", palette.wish(patch, "mix", "out", True))
    assert "source/saw" not in ids("", palette.wish(patch, "mix", "out", True))


def test_named_latent_spaces() -> None:
    voice = NodeSpec("a/voice", "A.", inlets={"z": In(latent="voice")}, outlets={"out": Out(latent="voice")})
    any_space = NodeSpec("a/any", "B.", inlets={"z": In(latent="z")})
    assert palette.fitting(voice, Wish(True, True, space="voice")) == "z"
    assert palette.fitting(voice, Wish(True, True, space="drums")) is None
    assert palette.fitting(any_space, Wish(True, True, space="drums")) == "z"


def test_a_placeholder_takes_anything() -> None:
    assert palette.wish(Patch(), "gone", "out", True) is None


def test_help_names_every_port() -> None:
    for spec in palette.offered(registry, inside=True):
        text = "\n".join(line for _, line in palette.help_lines(spec))
        assert spec.title.split()[0] in text
        for name in (*spec.inlets, *spec.params, *spec.choices, *spec.outlets):
            assert name in text


def test_quick() -> None:
    ids("warm")
    start = time.process_time()
    for text in ("l", "lf", "lfo", "lfo s", "resonant filter"):
        ids(text)
    assert time.process_time() - start < 0.1  # five keys
