"""Sound devices: real PortAudio streams on a JACK server without hardware, null, and what is said about them."""

from __future__ import annotations

import inspect
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from nodes import Patch, catalog
from runtime import devices, portaudio
from runtime.cli import main
from runtime.devices import Device, DeviceError
from runtime.offline import render
from runtime.realtime import realtime
from runtime.roundtrip import roundtrip

from .jack import Jack, needs_jack, server
from .screen import until
from .test_stream import DEMO, live, sine_error, tone


@pytest.fixture(scope="module")
def jack() -> Iterator[Jack]:
    with server() as running:
        yield running


def retried(attempt: Callable[[], tuple[int, np.ndarray]], tries: int = 5) -> np.ndarray:
    """What `attempt` captured when no xrun was counted: a machine that stalls loses samples that nobody else lost."""
    for _ in range(tries):
        xruns, heard = attempt()
        if xruns == 0:
            return heard
    pytest.fail(f"the machine stalled in each of {tries} attempts")


# ---------------------------------------------------------------------------------------------- private parts


def test_the_private_parts_of_sounddevice_are_as_we_use_them() -> None:
    import sounddevice as sd

    wanted = {
        "kind",
        "samplerate",
        "blocksize",
        "device",
        "channels",
        "dtype",
        "latency",
        "callback",
        "userdata",
        "wrap_callback",
    }
    assert wanted <= set(inspect.signature(sd._StreamBase.__init__).parameters)
    assert "if isinstance(callback" not in inspect.getsource(sd._StreamBase.__init__)  # any C function pointer is taken
    assert sd._ffi.cast("PaStreamCallback*", 16) and callable(sd._ffi.dlopen)
    assert isinstance(sd._initialized, int) and sd._initialized == 1
    assert sd._lib.Pa_GetVersion() > 0 and callable(sd._initialize) and callable(sd._terminate)
    assert sd._ffi.sizeof("PaStreamCallbackTimeInfo") == 24
    code = sorted(p.name for p in Path(devices.__file__).parent.glob("*.py") if "sd._" in p.read_text())
    assert code == ["portaudio.py"]


# ---------------------------------------------------------------------------------------------- no device


def test_null_keeps_time() -> None:
    with live(tone()) as engine, Device(engine, "null", rate=44100) as device:
        assert device.status()["output"] == "null" and engine.now == 0
        device.play()
        start = time.monotonic()
        while engine.now < 9600:
            time.sleep(0.005)
        took = time.monotonic() - start
        ahead = device.sample(time.time() + 0.1) - device.sample(time.time())
        assert 0.15 < took < 3.0 and abs(ahead - 4800) < 100
        device.stop()
        at = engine.now
        assert not device.running and device.status()["calls"] > 10
        time.sleep(0.05)
        assert engine.now == at


def test_without_any_device_it_plays_in_silence_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portaudio, "listing", lambda rates=False: [])
    monkeypatch.setattr(devices, "look", list)
    with live(tone()) as engine:
        with Device(engine) as device:
            assert device.notes == [
                "there is no output device; `zrack devices` lists what there is, and `null` plays without one; "
                "it plays on in silence until a device is there"
            ]
            assert device.lost == "a device" and device.watch() is None
            device.play()
            assert device._until(lambda: engine.now > 1000, 2.0)
        with pytest.raises(DeviceError, match="there is no output device"):
            Device(engine, "studio")


def test_a_device_is_found_by_number_name_and_api() -> None:
    names = [
        ("ALSA", "HDA Intel: Analog", 2, 2),
        ("ALSA", "HDA Intel: HDMI", 0, 8),
        ("JACK Audio", "system", 4, 4),
        ("JACK Audio", "looper", 2, 2),
    ]
    known = [
        {"index": k, "api": api, "name": name, "label": f"{api.split()[0]}:{name}", "inputs": i, "outputs": o, "rate": 48000,
         "default_input": k == 0, "default_output": k == 2}
        for k, (api, name, i, o) in enumerate(names)
    ]  # fmt: skip

    def found(text: str, kind: str = "output") -> int:
        return int(portaudio.find(text, kind, known)["index"])

    assert [found(""), found("", "input"), found("1"), found("analog"), found("JACK:sys"), found("ALSA:HDA Intel: HDMI")] == [
        2, 0, 1, 0, 2, 1,
    ]  # fmt: skip
    assert found("JACK") == 2  # not another program of that server
    with pytest.raises(
        DeviceError, match="HDA is the name of several output devices, ALSA:HDA Intel: Analog, ALSA:HDA Intel: HDMI"
    ):
        found("HDA")
    with pytest.raises(
        DeviceError, match="there is no input device HDMI; there are ALSA:HDA Intel: Analog, JACK:looper, JACK:system"
    ):
        found("HDMI", "input")
    with pytest.raises(DeviceError, match="there is no output device 7"):
        found("7")


def test_real_time_priority_is_given_or_explained() -> None:
    said: list[str | None] = []

    def ask() -> None:
        said.append(realtime(0, 5))
        if said[0] is None:
            assert os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert said[0] is None or "priority" in said[0]


# ---------------------------------------------------------------------------------------------- PortAudio on JACK


@needs_jack
@pytest.mark.parametrize("buffer", [64, 128, 256, 1024])
def test_what_a_device_plays_is_the_offline_render_bit_for_bit(jack: Jack, buffer: int) -> None:
    catalog.load()
    patch = Patch.load(DEMO)
    want = render(patch, 1.0).audio

    def attempt() -> tuple[int, np.ndarray]:
        with live(patch) as engine, Device(engine, "JACK:system", "JACK:system", buffer=buffer, fade=0.0) as device:
            jack.loop()
            time.sleep(0.2)
            device.reset()
            heard = device.exchange(48000 + 8 * 1024)
            device.play()
            assert device._until(lambda: len(heard()) == 48000 + 8 * 1024, 10.0)
            status = device.status()
            assert (status["output"], status["rate"], status["outputs"]) == ("JACK:system", 48000, 8)
            return sum(status["xruns"].values()), heard()[:, :2].copy()

    heard = retried(attempt)
    at = int(np.argmax(heard.any(1))) - int(np.argmax(want.any(1)))
    n = min(len(heard) - at, len(want))
    assert at > 0 and n > 40000 and np.array_equal(heard[at : at + n], want[:n])


@needs_jack
def test_patches_change_on_a_real_device_without_a_gap(jack: Jack) -> None:
    def attempt() -> tuple[int, np.ndarray]:
        with live(tone(997.0)) as one, live(tone(1499.0)) as two, Device(one, "JACK", "JACK", buffer=64) as device:
            jack.loop()
            device.play()
            time.sleep(0.2)
            device.reset()
            heard = device.exchange(24000)
            for engine in (two, one, two):
                device.switch(device.deck(engine))
                time.sleep(0.03)
            assert device._until(lambda: len(heard()) == 24000, 5.0)
            return sum(device.status()["xruns"].values()), heard()[:, 0].copy()

    heard = retried(attempt)
    assert np.abs(np.diff(heard)).max() < 0.5 * 2 * np.pi * 1499 / 48000 + 1.0 / 480
    assert not (np.convolve(np.abs(heard) < 1e-4, np.ones(8)) > 7).any()


@needs_jack
def test_the_wall_clock_knows_its_sample(jack: Jack) -> None:
    with live(tone()) as engine, Device(engine, "JACK:system", buffer=256) as device:
        device.play()
        time.sleep(0.5)
        moment, now = time.time(), engine.now

        def spread() -> float:
            answers = []
            for _ in range(20):
                answers.append(device.sample(moment))
                time.sleep(0.02)
            assert abs(answers[0] - now) < 2400
            return float(np.ptp(answers))

        until(lambda: spread() < 48, 10, "the smoothed clock settles within a millisecond")


@needs_jack
def test_a_device_at_another_rate_is_converted_to() -> None:
    def attempt() -> tuple[int, np.ndarray]:
        with live(tone()) as engine, Device(engine, "JACK:system", "JACK:system") as device:
            other.loop()
            device.play()
            time.sleep(0.2)
            device.reset()
            heard = device.exchange(22050)
            assert device._until(lambda: len(heard()) == 22050, 5.0)
            status = device.status()
            assert (status["rate"], status["engine_rate"]) == (44100, 48000) and status["latency"]["conversion"] > 0
            return sum(status["xruns"].values()), heard()[:, 0].copy()

    with server(44100) as other:
        amplitude, noise = sine_error(retried(attempt), 997, 44100)
        with (
            live(tone()) as engine,
            pytest.raises(DeviceError, match="JACK:system cannot be opened at 48000 Hz: Invalid sample rate"),
        ):
            Device(engine, "JACK:system", rate=48000)
    assert abs(amplitude - 0.5) < 1e-3 and noise > 80


def told(device: Device) -> str:
    """What `watch` says next."""
    end = time.monotonic() + 15.0
    while time.monotonic() < end:
        if text := device.watch():
            return text
        time.sleep(0.02)
    pytest.fail("watch says nothing")


@needs_jack
def test_a_lost_device_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "RETRY", 0.2)
    with server() as mortal, live(tone()) as engine, Device(engine, "JACK:system", buffer=64) as device:
        device.play()
        assert device._until(lambda: engine.now > 9600, 5.0) and device.watch() is None
        mortal.kill()
        assert told(device) == "JACK:system is gone; it plays on in silence until JACK:system is there"
        assert device.status()["lost"] == "JACK:system" and device.status()["output"] == "null"
        at = engine.now
        assert device._until(lambda: engine.now > at + 4800, 2.0)
        mortal.start()
        assert told(device) == "JACK:system is there and plays"
        at = engine.now
        assert device._until(lambda: engine.now > at + 4800, 2.0)
        assert device.status()["output"] == "JACK:system" and not device.lost


@needs_jack
def test_a_device_that_comes_later_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "RETRY", 0.2)
    with monkeypatch.context() as nowhere, live(tone()) as engine:
        nowhere.setenv("JACK_DEFAULT_SERVER", "nobody")
        portaudio.rescan()
        with Device(engine, "JACK:system", wait=True) as device:
            device.play()
            assert device.lost == "JACK:system" and device.watch() is None
            with Jack():
                assert told(device) == "JACK:system is there and plays"
                at = engine.now
                assert device._until(lambda: engine.now > at + 4800, 2.0)
                device.close()
    portaudio.rescan()


@needs_jack
def test_the_round_trip_is_measured(jack: Jack, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DeviceError, match=r"nothing that went out at channel 1 of JACK:system came in at channel 2"):
        roundtrip("JACK:system", buffer=64, in_channel=1)
    with pytest.raises(DeviceError, match="JACK:system has 8 output channels, so none numbered 9"):
        roundtrip("JACK:system", out_channel=8)

    def cable() -> None:
        while not jack.ports("PortAudio"):
            time.sleep(0.01)
        jack.loop()

    thread = threading.Thread(target=cable)
    thread.start()
    assert main(["devices", "--roundtrip", "JACK:system", "--block", "128", "--json"]) == 0
    thread.join()
    done = json.loads(capsys.readouterr().out)
    assert done["samples"] % 64 == 0 and 64 <= done["samples"] <= 512 and abs(done["gain"] - 1.0) < 1e-3
    assert done["ms"] == pytest.approx(done["samples"] / 48)


@needs_jack
def test_devices_are_listed(jack: Jack, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices"]) == 0
    assert "JACK:system" in (text := capsys.readouterr().out) and "8 in   8 out  48000 Hz" in text
    assert main(["devices", "--json"]) == 0
    (found,) = (d for d in json.loads(capsys.readouterr().out) if d["label"] == "JACK:system")
    assert found["inputs"] == found["outputs"] == 8 and found["rates"] == [48000]
