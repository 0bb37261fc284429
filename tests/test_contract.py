"""What holds for every node type: it is documented, stays finite, and computes the same whatever way it is run.

A node type is tested by being in the catalog.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from graph.spec import Param
from nodes import classes, problems
from nodes.base import Node
from tests.rig import run

FRAMES = 1024
TYPES = [c for i, c in sorted(classes.items()) if not c.hidden and c.__module__.startswith("nodes.")]
KERNELS = [c for c in TYPES if not hasattr(c, "work")]
CHANNELS = 3

every = pytest.mark.parametrize("cls", TYPES, ids=lambda c: c.id)
compiled = pytest.mark.parametrize("cls", KERNELS, ids=lambda c: c.id)


# ---------------------------------------------------------------------------------------------- what they are fed


def wave(kind: str, frames: int, channels: int, rng: np.random.Generator) -> np.ndarray:
    """A test signal [frames, channels], other in every channel."""
    if kind == "noise":
        return rng.uniform(-1.0, 1.0, (frames, channels))
    if kind == "loud":
        return rng.uniform(-100.0, 100.0, (frames, channels))
    x = np.zeros((frames, channels))
    if kind == "impulse":
        x[np.arange(channels) * 5] = 1.0
    elif kind == "dc":
        x += np.linspace(1.0, 0.5, channels)
    return x


def knobs(cls: type[Node], kind: str, channels: int, rng: np.random.Generator) -> dict[str, Any]:
    """Params at their default, at an end of their range, or moved all over it at every sample."""
    found: dict[str, Any] = {}
    for name, p in cls.spec.params.items():
        if kind == "moving":
            u = rng.uniform(0.0, 1.0, (FRAMES, channels))
            u[:40] = np.round(u[:40])  # from end to end at once
            x = p.low * (p.high / p.low) ** u if p.curve == "exp" else p.low + (p.high - p.low) * u
            found[name] = np.clip(np.float32(x), np.float32(p.low), np.float32(p.high))
        elif kind != "default":
            found[name] = {"low": p.low, "high": p.high}[kind]
    return found


def columns(cls: type[Node], port: Any, channels: int) -> int:
    if isinstance(port, Param) or port.channels is None:
        return channels
    if isinstance(port.channels, str):
        return channels if port.channels == "any" else int(cls.spec.settings[port.channels].default)
    return int(port.channels)


def feed(cls: type[Node], sound: str = "noise", knob: str = "moving", channels: int = 1, seed: int = 1) -> dict[str, Any]:
    """Arguments of `run` for a node type."""
    rng = np.random.default_rng(seed)
    fed: dict[str, Any] = {"frames": FRAMES, "channels": channels}
    for name, port in cls.spec.inlets.items():
        fed[name] = wave(sound, FRAMES, 8 if port.latent else columns(cls, port, channels), rng)
    fed.update(knobs(cls, knob, channels, rng))
    # an outlet of any width is an output node's; it adds to a master of two channels
    fed.update({n: np.zeros((1, 2)) for n, o in cls.spec.outlets.items() if o.channels == "any"})
    return fed


def positions(cls: type[Node]) -> Iterator[dict[str, str]]:
    """Every option of every choice, the others at their default."""
    yield {}
    for name, choice in cls.spec.choices.items():
        yield from ({name: option} for option in choice.options if option != choice.default)


def tables(cls: type[Node]) -> Iterator[dict[str, np.ndarray]]:
    """Data of one row and of many, with numbers from all over the range."""
    rng = np.random.default_rng(3)
    for rows, wide in ((1, 3), (16, 8)):
        yield {
            n: rng.uniform(max(d.low, -1000.0), min(d.high, 1000.0), (min(rows, d.limit), d.columns or wide))
            for n, d in cls.spec.data.items()
        }


def sizes(cls: type[Node]) -> Iterator[dict[str, Any]]:
    """Every number setting at both ends of its range, every choice among settings at every option."""
    for name, s in cls.spec.settings.items():
        if s.kind == "choice":
            yield from ({name: option} for option in s.options)
        elif s.kind in ("int", "float"):
            yield from ({name: v} for v in (s.low, s.high) if np.isfinite(v))


def bits(result: dict[str, Any]) -> dict[str, bytes]:
    return {n: v.tobytes() for n, v in result.items() if n != "state"}


def finite(result: dict[str, Any]) -> bool:
    arrays = [v for n, v in result.items() if n != "state"] + list(result["state"].values())
    return all(np.isfinite(a).all() for a in arrays)


# ---------------------------------------------------------------------------------------------- what must hold


def test_every_file_loaded() -> None:
    assert problems == []
    assert len(KERNELS) >= 55


@every
def test_documented(cls: type[Node]) -> None:
    spec = cls.spec
    assert spec.title.endswith((".", "!"))
    assert 10 < len(spec.title) < 160
    undocumented = [n for group in (spec.inlets, spec.outlets, spec.params, spec.choices, spec.settings, spec.data)
                    for n, p in group.items() if not p.doc]  # fmt: skip
    assert undocumented == []
    assert spec.outlets or spec.inlets or cls.id == "view/note" or spec.shaped  # a text has no ports
    if "audio" in spec.inlets:
        assert next(iter(spec.inlets)) == "audio"


@every
def test_defaults_in_range(cls: type[Node]) -> None:
    for name, p in cls.spec.params.items():
        assert p.low <= p.default <= p.high, name
        assert p.at(p.knob(p.default)) == pytest.approx(p.default, rel=1e-6, abs=1e-9), name
    for name, s in cls.spec.settings.items():
        if s.kind in ("int", "float"):
            assert s.low <= s.default <= s.high, name  # type: ignore[operator]
        elif s.kind == "choice":
            assert s.default in s.options, name
    for name, d in cls.spec.data.items():
        table = np.asarray(d.default)
        assert table.ndim == 2 and d.columns in (0, table.shape[1]), name
        assert len(table) <= d.limit, name
        assert ((table >= d.low) & (table <= d.high)).all(), name


@compiled
def test_finite(cls: type[Node]) -> None:
    for sound, knob in itertools.product(("silence", "noise", "loud", "impulse", "dc"), ("default", "low", "high", "moving")):
        assert finite(run(cls, **feed(cls, sound, knob))), (sound, knob)
    for chosen in positions(cls):
        assert finite(run(cls, **feed(cls, "loud", "moving"), **chosen)), chosen
        assert finite(run(cls, **feed(cls, "impulse", "high"), **chosen)), chosen
    for rate in (8000, 192000):
        assert finite(run(cls, **feed(cls, "loud", "moving"), sr=rate)), rate
        assert finite(run(cls, **feed(cls, "noise", "high"), sr=rate)), rate
    for table in tables(cls):
        assert finite(run(cls, **feed(cls), **table)), table
    for size in sizes(cls):
        fixed = {s for s in size if any(p.channels == s for p in [*cls.spec.inlets.values(), *cls.spec.outlets.values()])}
        fed = feed(cls)
        for name, port in cls.spec.inlets.items():
            if port.channels in fixed:
                fed[name] = wave("noise", FRAMES, size[port.channels], np.random.default_rng(1))
        assert finite(run(cls, **fed, settings=size)), size


@compiled
def test_polyphonic_is_the_same_channels_one_by_one(cls: type[Node]) -> None:
    spec = cls.spec
    free = [n for n, p in spec.inputs().items() if isinstance(p, Param) or (p.channels is None and not p.latent)]
    outs = [n for n, o in spec.outlets.items() if o.channels is None and not o.latent]
    for chosen in positions(cls):
        fed = feed(cls, channels=CHANNELS)
        many = run(cls, **fed, **chosen)
        # a type that draws random numbers draws others in each channel, by intent
        for c in range(1 if "seed" in cls.kernel.__code__.co_varnames else CHANNELS):
            one = {n: v[:, c : c + 1] if n in free else v for n, v in fed.items() if n != "channels"}
            alone = run(cls, **one, **chosen)
            for name in outs:
                assert alone[name][:, 0].tobytes() == many[name][:, c].tobytes(), (name, c, chosen)


@compiled
@pytest.mark.parametrize("channels", [1, CHANNELS])
def test_cuts_do_not_show(cls: type[Node], channels: int) -> None:
    for chosen in positions(cls):
        fed = feed(cls, channels=channels)
        whole = run(cls, **fed, **chosen, cut=FRAMES)
        for cut in (1, 32, 64, 100, 1000) if not chosen else (1, 100):
            assert bits(run(cls, **fed, **chosen, cut=cut)) == bits(whole), (cut, chosen)


@compiled
def test_state_is_all_there_is_to_remember(cls: type[Node]) -> None:
    fed = feed(cls, channels=CHANNELS)
    moving = [n for n, v in fed.items() if isinstance(v, np.ndarray) and n not in cls.spec.outlets]
    half = FRAMES // 2  # a multiple of the rig's latent period

    def part(rows: slice, state: Any = None) -> dict[str, Any]:
        cut = {n: fed[n][rows if fed[n].shape[0] == FRAMES else slice(None)] for n in moving}
        for name, port in cls.spec.inlets.items():
            if port.latent:
                cut[name] = fed[name][2 * (rows.start or 0) // half :]
        return run(cls, **{**fed, **cut, "frames": half}, state=state)

    whole = run(cls, **fed)
    first = part(slice(0, half))
    kept = copy.deepcopy(first["state"])
    second = part(slice(half, FRAMES), first["state"])
    again = part(slice(half, FRAMES), kept)
    assert bits(again) == bits(second)
    for name in cls.spec.outlets:
        both = np.concatenate([first[name], second[name]])
        assert both.tobytes() == whole[name].tobytes(), name


@compiled
def test_stays_inside_its_arrays(cls: type[Node]) -> None:
    for channels in (1, CHANNELS):
        for chosen in positions(cls):
            run(cls, **feed(cls, "loud", "moving", channels), **chosen, checked=True, mono=False)
        for table in tables(cls):
            run(cls, **feed(cls, channels=channels), **table, checked=True, mono=False)
