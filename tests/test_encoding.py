"""A whole sound onto tapes: what is on them is what the model makes of it, in its place; and what is done with curves then."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nn_tilde
import numpy as np
import pytest
import soundfile
import soxr
import torch
from click.testing import CliRunner
from torch import Tensor

from graph import Patch, PatchError
from graph.edits import RemoveNode
from nodes import catalog
from nodes import models as nn
from nodes.ml import jit, shelf, torchscript, trust
from nodes.ml.contract import ModelError
from nodes.ml.streaming import stream
from runtime import encoding, tapes, telemetry
from runtime.attach import Client, Door, page_path
from runtime.cli_encode import encode as encode_command
from runtime.session import Session
from tests import nn_modules
from tests.hands import Hands
from tests.nn_malformed import load, write
from tests.screen import Screen, until
from tests.test_ui_window import ROOT, needs_display
from tests.test_wavae import exported, model, tones
from ui import actions
from ui.client import Editor

RNG = np.random.default_rng(5)
RATE = 48000
LATE, RATIO = 100, 64

catalog.load()


class Sums(nn_tilde.Module):
    """The sum of every `ratio` samples as they were 100 samples ago, times `gain`, and the largest of them, where it is on."""

    def __init__(self) -> None:
        super().__init__(sr=RATE)
        self.late, self.ratio = LATE, RATIO
        self.register_buffer("past", torch.zeros(4, 1, LATE))
        self.register_attribute("gain", 1.0)
        self.register_attribute("top", True)
        names = ["(signal) sum", "(signal) most"]
        self.register_method("encode", 1, 1, 2, RATIO, output_labels=names, test_buffer_size=1024)
        self.register_method("decode", 2, RATIO, 1, 1, input_labels=names, test_buffer_size=1024)
        self.register_method("forward", 1, 1, 1, 1, test_buffer_size=1024)

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        rows = x.size(0)
        line = torch.cat([self.past[:rows], x], 2)
        self.past[:rows] = line[:, :, -self.late :]
        frames = line[:, :, : x.size(2)].reshape(rows, -1, self.ratio)
        most = frames.abs().amax(2) * float(self.top[0])
        return torch.stack([frames.sum(2) * self.gain[0], most], 1)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return z[:, :1].repeat_interleave(self.ratio, 2)

    @torch.jit.export
    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of model files that somebody looked at."""
    folder = tmp_path_factory.mktemp("made")
    torch.set_num_threads(1)
    files = nn_modules.exported(folder, "coder512", "stereo", "sampling", "stream")
    files["sums"] = write(Sums(), folder / "sums.ts", {"delay": {"encode": LATE}})
    net, material = model(), torch.cat([tones(220.0, 440.0), torch.randn(2, 1, 24576) * 0.1])
    files["wavae"] = folder / "wavae.ts"
    late = net.config.size // 2
    tiny = stream(exported(net, material).eval())  # what `export` writes, without all that it tries first
    jit.save(jit.script(tiny, tiny.accessors()), files["wavae"], {"delay": dict(encode=late, decode=late, forward=2 * late)})
    for path in files.values():
        shelf._keep(shelf.digest(path), {"interface": torchscript.interface(path).to_map()})  # in this process: quicker
    return folder


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a patch, where all these models are trusted."""
    monkeypatch.setenv("ZRACK_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("ZRACK_STATE", str(tmp_path / "state"))
    nn.forget()
    monkeypatch.setattr(nn, "describe", shelf.describe)
    for path in made.glob("*.ts"):
        trust.trust(shelf.digest(path), path.name)
        os.link(path, tmp_path / path.name)
    yield tmp_path
    nn.forget()


def rack(home: Path, file: str, *outlets: str, **settings: Any) -> Patch:
    """A model and a tape for each of these outlets, called as they are."""
    patch = Patch()
    patch.folder = home
    patch.add("model/nn", "enc", file=f"{file}.ts", **{"method": "encode", **settings})
    for k, outlet in enumerate(outlets):
        name = patch.add("latent/tape", f"t_{outlet}", at=(300.0, 200.0 * k))
        patch.connect(f"enc.{outlet}", f"{name}.z")
    return patch


def wav(path: Path, sound: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(path, sound, rate, subtype="FLOAT")
    return path


def encoded(patch: Patch, sound: Path) -> dict[str, np.ndarray]:
    """What is on the tapes afterwards, encoded in this process; what the worker process does is the same call."""
    job = encoding.prepare(patch, "enc", sound)
    far: list[tuple[int, int]] = []
    paths = encoding.encode(job, lambda *told: far.append(told))
    assert far and far[-1][0] == far[-1][1] and [done for done, _ in far] == sorted({done for done, _ in far})
    patch.apply(encoding.edit(patch, job, paths))
    return {outlet: np.float32(patch.value(f"t_{outlet}", "path")) for outlet in paths if f"t_{outlet}" in patch.nodes}


def noise(frames: int, channels: int = 1) -> np.ndarray:
    return np.float32(RNG.normal(size=(frames, channels)) * 0.1)


def direct(path: Path, x: np.ndarray, method: str = "encode") -> np.ndarray:
    """The latents [frames, dims] of samples [frames, channels], by somebody who has only torch."""
    with torch.no_grad():
        z = getattr(load(path), method)(torch.from_numpy(np.ascontiguousarray(x.T))[None])
    found: np.ndarray = z[0].T.numpy()
    return found


# ---------------------------------------------------------------------------------------------- what is on the tapes


def test_a_tape_holds_the_latents_of_the_module(home: Path) -> None:
    """WaVAE, late by half a window: silence before the sound makes that whole frames, and those are left out."""
    late = shelf.card(home / "wavae.ts")["delay"]["encode"]
    x = noise(30_100)
    before = -late % 512
    count = -(-30_100 // 512)
    padded = np.concatenate([np.zeros((before, 1), np.float32), x, np.zeros((8192, 1), np.float32)])
    wanted = direct(home / "wavae.ts", padded[: (count + (late + before) // 512) * 512])[(late + before) // 512 :]
    patch = rack(home, "wavae", "z", "loudness")
    found = encoded(patch, wav(home / "a.wav", x, 24000))
    assert late > 0 and found["z"].shape == (count, wanted.shape[1] - 1) and found["loudness"].shape == (count, 1)
    # the same numbers, but for how many frames torch multiplies in one go
    np.testing.assert_allclose(np.concatenate([found["z"], found["loudness"]], 1), wanted, atol=1e-6)
    assert np.ptp(found["z"], 0).max() > 0.1
    space = [patch.value("t_z", name) for name in tapes.SPACE]
    assert space[0].startswith("wavae-") and space[1:] == [wanted.shape[1] - 1, 512, 24000]
    assert patch.value("t_loudness", "dims") == 1


def test_chunks_are_the_whole_bit_for_bit_where_a_frame_is_on_its_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = noise(50_000)
    sound = wav(home / "a.wav", x)
    whole = direct(home / "coder512.ts", np.pad(x, ((0, -50_000 % 512), (0, 0))))
    np.testing.assert_allclose(encoded(rack(home, "coder512", "z"), sound)["z"], whole, atol=1e-6)
    again = []
    for call in (512, 4096, 1 << 16):
        monkeypatch.setattr(encoding, "CALL", call)
        again.append(encoded(rack(home, "sums", "sum", "most"), sound))
    for found in again[1:]:
        np.testing.assert_array_equal(found["most"], again[0]["most"])
        np.testing.assert_array_equal(found["sum"], again[0]["sum"])


@pytest.mark.parametrize("frame", [0, 1, 7])
def test_what_is_heard_in_a_frame_is_in_that_row(home: Path, frame: int) -> None:
    x = np.zeros((20 * RATIO + 5, 1), np.float32)
    x[frame * RATIO : (frame + 1) * RATIO : RATIO - 1] = (0.25,), (0.5,)  # its first sample and its last
    found = encoded(rack(home, "sums", "sum", "most"), wav(home / "click.wav", x))
    assert len(found["sum"]) == 21
    np.testing.assert_array_equal(np.flatnonzero(found["sum"]), [frame])
    assert found["sum"][frame] == 0.75 and found["most"][frame] == 0.5


def test_the_model_begins_afresh_and_has_the_attributes_of_the_node(home: Path) -> None:
    x = noise(1000)
    sound = wav(home / "a.wav", x)
    patch = rack(home, "sums", "sum", "most")
    plain = encoded(patch, sound)
    np.testing.assert_array_equal(encoded(patch, sound)["sum"], plain["sum"])
    patch.set("enc", gain=3.0, top="off")
    turned = encoded(patch, sound)
    np.testing.assert_allclose(turned["sum"], 3 * plain["sum"], atol=1e-6)
    assert plain["most"].all() and not turned["most"].any()


def test_chance_is_that_of_the_node(home: Path) -> None:
    sound = wav(home / "a.wav", noise(3000))
    patch = rack(home, "sampling", "z")
    one = encoded(patch, sound)["z"]
    np.testing.assert_array_equal(encoded(patch, sound)["z"], one)
    other = Patch()
    other.folder = home
    other.add("model/nn", "enc", file="sampling.ts", method="encode", seed=patch.nodes["enc"].seed + 1)
    other.add("latent/tape", "t_z")
    other.connect("enc.z", "t_z.z")
    assert (encoded(other, sound)["z"] != one).any()


def test_channels_as_the_model_wants_them(home: Path) -> None:
    x = noise(2048, 2)
    mono, both = wav(home / "mono.wav", x[:, :1]), wav(home / "both.wav", x)
    mean = x.mean(1, keepdims=True)
    np.testing.assert_allclose(encoded(rack(home, "coder512", "z"), both)["z"], direct(home / "coder512.ts", mean), atol=1e-6)
    cut = x[: 5 * 384]
    np.testing.assert_allclose(
        encoded(rack(home, "stereo", "z"), wav(home / "cut.wav", cut))["z"],
        direct(home / "stereo.ts", cut),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        encoded(rack(home, "coder512", "z", voices=2), both)["z"],
        np.concatenate([direct(home / "coder512.ts", x[:, k : k + 1]) for k in (0, 1)], 1), atol=1e-6,
    )  # fmt: skip
    twice = encoded(rack(home, "coder512", "z", voices=2), mono)["z"]
    np.testing.assert_array_equal(twice[:, :8], twice[:, 8:])


def test_another_rate_is_resampled_as_sample_files_are(home: Path) -> None:
    x = noise(44_100)
    own = soxr.resample(x, 44_100, RATE)  # source/sample does this
    found = encoded(rack(home, "coder512", "z"), wav(home / "a.wav", x, 44_100))["z"]
    wanted = direct(home / "coder512.ts", np.pad(own, ((0, -len(own) % 512), (0, 0))))
    assert len(found) == -(-48_000 // 512)
    np.testing.assert_allclose(found, wanted[: len(found)], atol=1e-6)


def test_a_long_file_takes_no_more_memory_than_a_short_one(home: Path) -> None:
    path = home / "long.wav"
    with soundfile.SoundFile(path, "w", 44_100, 2, subtype="PCM_16") as file:
        for _ in range(40):
            file.write(noise(1 << 17, 2))
    size = 1 << 16
    count = -(-round(40 * (1 << 17) * RATE / 44_100) // size)
    whole = 4 * count * size
    tracemalloc.start()
    total = sum(len(x) for x in encoding.cut(encoding.sound(path, RATE, 1), 1, 0, size, count))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == count * size and whole > 20e6 and most < 5e6


def test_two_tapes_at_an_outlet_and_one_inside_a_sub_patch(home: Path) -> None:
    patch = rack(home, "coder512", "z")
    patch.add("latent/tape", "second")
    patch.connect("enc.z", "second.z")
    inner = Patch()
    inner.add("rack/inlet", "z", kind="latent")
    inner.add("latent/tape", "reel")
    inner.connect("z.out", "reel.z")
    patch.add("rack/patch", "sub", patch=inner)
    patch.connect("enc.z", "sub.z")
    before = patch.copy()
    job = encoding.prepare(patch, "enc", wav(home / "a.wav", noise(5120)))
    assert encoding.goals(patch, job) == ["second", "sub/reel", "t_z"]
    back = patch.apply(encoding.edit(patch, job, encoding.encode(job, lambda *far: None)))
    held = patch.inner("sub")
    assert held is not None and len(patch.value("second", "path")) == 10
    assert patch.value("second", "path") == patch.value("t_z", "path") == held.value("reel", "path")
    assert held.value("reel", "dims") == 8
    patch.apply(back)
    assert patch == before


def test_a_model_and_its_tape_in_a_sub_patch(home: Path) -> None:
    patch = Patch()
    patch.folder = home
    patch.add("rack/patch", "sub", patch=rack(home, "sums", "sum"))
    x = noise(5 * RATIO)
    job = encoding.prepare(patch, "sub/enc", wav(home / "a.wav", x))
    edit = encoding.edit(patch, job, encoding.encode(job, lambda *far: None))
    patch.apply(edit)
    held = patch.inner("sub")
    assert held is not None and edit.label == "encode a.wav with sub/enc"
    np.testing.assert_allclose(np.float32(held.value("t_sum", "path"))[:, 0], x.reshape(5, RATIO).sum(1), atol=1e-5)
    assert held.value("t_sum", "space").startswith("sums-")


# ---------------------------------------------------------------------------------------------- what cannot be


def test_every_refusal_is_a_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = wav(home / "good.wav", noise(2048))
    (home / "bad.wav").write_bytes(b"no sound")
    soundfile.write(home / "empty.wav", np.zeros((0, 1)), RATE)
    bare = rack(home, "coder512")
    cabled = rack(home, "coder512", "z")
    cases: list[tuple[Patch, str, Path, str]] = [
        (cabled, "t_z", good, "node t_z: is no model; a sound is encoded by a model/nn"),
        (cabled, "nobody", good, "no node is called 'nobody'"),
        (rack(home, ""), "enc", good, "node enc: there is no file .ts"),
        (rack(home, "coder512", method="decode"), "enc", good,
         "node enc: its method decode does not turn sound into latents; set its method to encode"),
        (rack(home, "sums", method="forward"), "enc", good, "method forward does not turn sound into latents"),
        (bare, "enc", good, "node enc: nothing keeps what it makes; patch z into the z of a latent/tape"),
        (rack(home, "wavae"), "enc", good, "patch z or loudness into the z of a latent/tape"),
        (cabled, "enc", home / "none.wav", "none.wav: there is no such sound file"),
        (cabled, "enc", home / "bad.wav", "bad.wav: cannot be read as sound"),
        (cabled, "enc", home / "empty.wav", "empty.wav: holds no sound"),
    ]  # fmt: skip
    for patch, node, sound, sentence in cases:
        with pytest.raises(PatchError) as told:
            encoding.prepare(patch, node, sound)
        assert sentence in str(told.value) and "\n" not in str(told.value)
    monkeypatch.setattr(encoding, "LONGEST", 3)
    with pytest.raises(PatchError, match=r"good.wav: lasts 0 s, and a tape holds 0 s of this model \(3 frames\)"):
        encoding.prepare(cabled, "enc", good)
    monkeypatch.setattr(encoding, "LONGEST", 4)
    job = encoding.prepare(cabled, "enc", good)
    for change, sentence in (
        (lambda p: p.apply(RemoveNode("t_z")), "nothing keeps what it makes any longer"),
        (lambda p: p.set("enc", method="forward"), "node enc: is another one, or gone"),
        (lambda p: p.rename("enc", "coder"), "node enc: is another one, or gone"),
    ):  # what was done to the patch meanwhile
        patch = cabled.copy()
        change(patch)
        with pytest.raises(PatchError, match=sentence):
            encoding.edit(patch, job, {"z": np.zeros((4, 8), np.float32)})
    spoilt = noise(2048)
    spoilt[1000] = np.nan
    with pytest.raises(PatchError, match="holds samples that are not finite"):
        encoded(cabled, wav(home / "nan.wav", spoilt))
    trust.distrust(shelf.digest(home / "coder512.ts"))
    nn.forget()
    with pytest.raises(PatchError, match=r"coder512\.ts is a program that is not trusted on this machine"):
        encoding.prepare(cabled, "enc", good)


def test_a_model_that_turns_bad_crashes_or_hangs_is_a_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    patch = rack(home, "coder512", "z")
    job = encoding.prepare(patch, "enc", wav(home / "a.wav", noise(2048)))
    os.unlink(home / "coder512.ts")
    os.link(home / "stereo.ts", home / "coder512.ts")  # somebody wrote another file
    with pytest.raises(ModelError, match=r"coder512\.ts: is another file by now"):
        encoding.encode(job, lambda *far: None)
    for code, sentence in (
        ("import os, sys; sys.stdin.buffer.read(); os.abort()", "node enc: coder512.ts crashed the process that ran it"),
        ("import sys; sys.stdin.buffer.read(); sys.exit(3)", "exit code 3"),
        (
            'import sys; sys.stdin.buffer.read(); print(\'{"error": "m.ts: method encode raises: no"}\')',
            "node enc: m.ts: method",
        ),
    ):
        monkeypatch.setattr(encoding, "COMMAND", (sys.executable, "-c", code))
        with pytest.raises(PatchError, match=sentence):
            encoding.run(job)
    hangs = "import sys, time; sys.stdin.buffer.read(); time.sleep(60)"
    monkeypatch.setattr(encoding, "COMMAND", (sys.executable, "-c", hangs))
    begun = time.monotonic()
    with pytest.raises(PatchError, match="encoding was stopped"):
        encoding.run(job, stopped=lambda: True)
    monkeypatch.setattr(encoding, "PATIENCE", 0.1)
    with pytest.raises(PatchError, match="said nothing for 0 s"):
        encoding.run(job)
    assert time.monotonic() - begun < 20


# ---------------------------------------------------------------------------------------------- a session, an editor


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A runtime folder with a short name, as sockets need one."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("r")))


def polled(editor: Editor, what: Callable[[], Any]) -> Any:
    """Waits, as the window does: notices on the way are gathered in the answer's place where there are any."""

    def look() -> Any:
        editor.poll()
        return what()

    return until(look, 60.0)


def test_a_session_encodes_for_whoever_asks_and_plays_on(home: Path, short: None) -> None:
    patch = rack(home, "coder512", "z")
    for kind, name in (("latent/unpack", "u"), ("io/output", "out")):
        patch.add(kind, name)
    patch.connect("t_z.out", "u.z")
    patch.connect("u.out", "out.audio")
    x = noise(10 * 512)
    wav(home / "a.wav", x)
    before = patch.copy()
    page = telemetry.Telemetry(page_path("enc"))
    with Session(patch, page=page) as session:
        door = Door(session, page, "enc")
        try:
            session.transport("play")
            events: list[dict[str, Any]] = []
            session.listen(events.append)
            editor = Editor(Client("enc"))
            editor.encode("enc", Path("a.wav"))  # beside the patch
            notices: list[str] = []

            def done() -> bool:
                notices.append(editor.notice)
                return editor.notice.startswith("a.wav is on t_z: 10 frames")

            now = session.now()
            polled(editor, done)
            assert session.now() > now and any("encoding a.wav with enc" in notice for notice in notices)
            wanted = direct(home / "coder512.ts", x)
            for there in (session.patch, editor.patch):
                np.testing.assert_allclose(np.float32(there.value("t_z", "path")), wanted, atol=1e-6)
            assert [e["kind"] for e in events if e["kind"] in ("op", "encoding")][-2:] == ["op", "encoding"]
            assert editor.history.undo_label == "encode a.wav with enc"
            editor.undo()
            assert editor.patch == before and session.patch == before
            editor.encode("enc", home / "none.wav")
            polled(editor, lambda: editor.errors)
            assert "none.wav: there is no such sound file" in editor.errors[-1][2]
            editor.close()
        finally:
            door.close()
    page.close()


def test_the_menu_of_a_model_asks_for_a_sound_and_encodes_it(home: Path) -> None:
    patch = rack(home, "coder512", "z")
    patch.add("model/nn", "dec", file="coder512.ts", method="decode")
    x = noise(4 * 512)
    h = Hands(patch)
    h.gestures.select({"dec"})
    assert "encode" not in actions.offered(h, "node")
    h.gestures.select({"t_z"})
    assert "encode" not in actions.offered(h, "node")
    h.gestures.select({"enc"})
    assert "encode" in actions.offered(h, "node") and actions.run(h, "encode")
    assert h.docks.said[-1][:2] == ("choose", "A sound for enc to encode") and ".wav" in h.docks.said[-1][3]
    before = patch.copy()
    h.docks.then(wav(home / "a.wav", x))
    polled(h.editor, lambda: h.editor.notice.startswith("a.wav is on t_z"))
    found = np.float32(patch.value("t_z", "path"))
    np.testing.assert_allclose(found, direct(home / "coder512.ts", x), atol=1e-6)
    assert h.editor.undo() == "encode a.wav with enc" and patch == before
    assert h.editor.undo() is None and not h.editor.errors
    h.docks.then(home / "none.wav")
    assert "none.wav: there is no such sound file" in h.editor.errors[-1][2]
    h.editor.locked = True
    assert not actions.run(h, "encode")
    h.editor.close()


# ---------------------------------------------------------------------------------------------- the command


def test_the_space_of_a_cable_goes_along(home: Path) -> None:
    patch = rack(home, "wavae", "z")  # its settings say nothing of the model yet
    patch.add("latent/tape", "voice")
    patch.apply(tapes.send(patch, "t_z", "voice"))
    dims = tapes.wide(patch, "t_z")
    space = [patch.value("voice", key) for key in tapes.SPACE]
    assert space[0].startswith("wavae-") and space[1] == dims != patch.value("t_z", "dims")
    assert space[2] / space[3] == 512 / 24000
    patch.add("latent/mix", "m")
    patch.connect("t_z.out", "m.a")
    patch.connect("voice.out", "m.b")


def call(command: Any, *args: object) -> tuple[int, str]:
    result = CliRunner().invoke(command, [str(a) for a in args])
    assert result.exception is None or isinstance(result.exception, SystemExit | PatchError), result.exception
    return result.exit_code, result.output + str(result.exception or "")


def test_the_command_encodes(home: Path) -> None:
    patch = rack(home, "sums", "sum", "most")
    patch.save(home / "p.zrack")
    x = noise(10 * RATIO)
    sound = wav(home / "a.wav", x)
    code, said = call(encode_command, home / "p.zrack", "enc", sound, "--json")
    assert code == 0, said
    told = json.loads(said)
    assert told["tapes"] == ["t_most", "t_sum"] and (told["frames"], told["delay"], told["rate"]) == (10, LATE, RATE)
    kept = Patch.load(home / "p.zrack")
    np.testing.assert_allclose(np.float32(kept.value("t_sum", "path"))[:, 0], x.reshape(10, RATIO).sum(1), atol=1e-5)
    for args, sentence in (
        (("t_sum", sound), "node t_sum: is no model"), (("enc", home / "none.wav"), "none.wav: there is no such sound file"),
    ):  # fmt: skip
        code, said = call(encode_command, home / "p.zrack", *args)
        assert code != 0 and sentence in said and "p.zrack" in said
    assert Patch.load(home / "p.zrack") == kept


# ---------------------------------------------------------------------------------------------- the window

SMOKE = """
import sys, time
from pathlib import Path
from nodes import catalog
catalog.load()
import dearpygui.dearpygui as dpg
import numpy as np
from graph import Patch
from ui import actions
from ui.app import App
from ui.client import Editor
from ui.overlay import Curves
folder = Path(sys.argv[1])
patch = Patch.load(folder / "p.zrack")
app = App(editor=Editor(None, patch), size=(1180, 760), vsync=False)
app.open_window()
def play(n=8):
    for _ in range(n):
        app._refreshed = 0.0
        app.frame()
def until(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, app.editor.errors
        play(1)
        time.sleep(0.03)  # as a screen does between two frames: the model has work to do
play()
until(lambda: app.editor.here().spec("enc") is not None)
app.gestures.select({"enc"})
play(2)
print("offered", "encode" in actions.offered(app, "node"))
actions.run(app, "encode")
play(4)
chooser = app.docks._chooser
print("asks", dpg.get_item_label(chooser.window))
dpg.set_value(chooser.field, str(folder / "a.wav"))
chooser.take()
until(lambda: len(patch.value("t_z", "path")) > 1)
play(4)
print("encoded", len(patch.value("t_z", "path")), app.editor.history.undo_label)
app.gestures.ask(Curves("t_z"))
play()
panel = app.docks.made("curves")
c = panel.curves
print("tapes", dpg.get_item_configuration(panel.tape)["items"], c.rows, c.dims)
dpg.set_value(panel.tape, "void1")
panel.every = True
panel._send()
play(2)
print("current", patch.value("void1", "path") == patch.value("t_z", "path"), app.editor.history.undo_label)
dpg.set_value(panel.tape, "void0")
panel.every = False
panel._pick(1)
panel._send()
play(4)
sent, whole = np.array(patch.value("void0", "path")), np.array(patch.value("t_z", "path"))
print("one", (sent[:, 1] == whole[:, 1]).all(), np.abs(np.delete(sent, 1, 1)).max(), app.editor.history.undo_label)
print("errors", [e[2] for e in app.editor.errors])
print("shoot", flush=True)
sys.stdin.readline()
app.finish()
app._end()
"""


@needs_display
@pytest.mark.slow
def test_a_sound_is_encoded_in_a_window_and_its_curves_sent_on(home: Path, short: None) -> None:
    patch = rack(home, "coder512", "z")
    patch.add("latent/tape", "void0", at=(560.0, 0.0))
    patch.add("latent/tape", "void1", at=(560.0, 200.0))
    patch.save(home / "p.zrack")
    t = np.arange(2 * RATE) / RATE
    sweep = 0.4 * np.sin(2 * np.pi * (20 + 30 * t) * t) * np.abs(np.sin(2 * np.pi * t))
    wav(home / "a.wav", sweep[:, None].astype(np.float32))
    dims = tapes.wide(patch, "t_z")
    with Screen() as screen:
        window = subprocess.Popen(
            [sys.executable, "-c", SMOKE, str(home)], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        assert window.stdout is not None
        said: list[str] = []
        for line in window.stdout:
            if line == "shoot\n":
                break
            said.append(line.rstrip("\n"))
        else:
            pytest.fail("".join(window.communicate()))
        pixels = screen.pixels()
        if os.environ.get("ZRACK_SHOTS"):
            screen.shoot(Path(os.environ["ZRACK_SHOTS"]) / "encoded.png")
        _, wrong = window.communicate("\n", timeout=60)
    assert window.returncode == 0, wrong
    assert said == [
        "offered True", "asks A sound for enc to encode", "encoded 188 encode a.wav with enc",
        f"tapes ['void0', 'void1'] 188 {dims}", "current True send t_z to void1",
        "one True 0.0 send dimension 2 of t_z to void0", "errors []",
    ], wrong  # fmt: skip
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20  # the curves in their colours
