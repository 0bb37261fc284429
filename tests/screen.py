"""A display of its own and a person at it: the editor as a user starts it, a mouse, keys, eyes and ears.

Nothing here calls into the editor.  Its window is moved by the X server's own mouse and keys (xdotool) and looked at by the
pixels of the screen.  Where a node lies, `Eyes` reckons from the patch that is in front of them, after "Show all" (the key F)
has put it into view.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pytest

from graph import Patch, codec, file
from ui.model import Layout
from ui.view import View

from .jack import Jack

TOOLS = ("Xvfb", "xdotool")
ROOT = Path(__file__).parents[1]
WINDOW = (1280, 800)  # the editor's size where its user has chosen none
LOOK = 0.02  # seconds between two looks
Spot = tuple[float, float]

needs_hands = pytest.mark.skipif(
    any(shutil.which(t) is None for t in TOOLS), reason=f"needs {' and '.join(TOOLS)}, on Debian: apt install xvfb xdotool"
)


def until(what: Callable[[], Any], seconds: float = 20.0, why: str = "") -> Any:
    """Waits for something that is true, and gives it.  AssertionError where it does not come."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"it did not happen: {why or what.__name__}"
        time.sleep(LOOK)
    return found


class Screen:
    """A display without a monitor, `size` pixels.  While it runs, programs that this process starts draw there."""

    def __init__(self, size: tuple[int, int] = WINDOW) -> None:
        self.size = size
        self.folder = Path(tempfile.mkdtemp(prefix="zrack-screen-"))
        self._server: subprocess.Popen[bytes] | None = None
        self._before = os.environ.get("DISPLAY")

    def __enter__(self) -> Screen:
        read, write = os.pipe()
        tied = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
        wide, high = self.size
        self._server = subprocess.Popen(
            [*tied, "Xvfb", "-displayfd", str(write), "-screen", "0", f"{wide}x{high}x24", "-fbdir", str(self.folder),
             "-nolisten", "tcp", "-noreset", "+extension", "GLX"],
            pass_fds=(write,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(write)
        with os.fdopen(read) as f:
            os.environ["DISPLAY"] = f":{f.readline().strip()}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait(10)
        if self._before is None:
            os.environ.pop("DISPLAY", None)
        else:
            os.environ["DISPLAY"] = self._before
        shutil.rmtree(self.folder, ignore_errors=True)

    def pixels(self) -> np.ndarray:
        """What is seen: uint8 [height, width, 3].  The server keeps it in a file of X's own dump format."""
        data = np.fromfile(self.folder / "Xvfb_screen0", np.uint8)
        head = data[:100].view(">u4")
        wide, high, line, colours = (int(head[k]) for k in (4, 5, 12, 19))
        start = int(head[0]) + 12 * colours
        rows = data[start : start + line * high].reshape(high, line)[:, : 4 * wide].reshape(high, wide, 4)
        return np.ascontiguousarray(rows[..., 2::-1])

    def shoot(self, path: Path) -> None:
        """Writes what is seen to a PNG file."""
        from matplotlib.image import imsave

        path.parent.mkdir(parents=True, exist_ok=True)
        imsave(path, self.pixels())

    def changed(self, before: np.ndarray, share: float = 0.02) -> bool:
        """Whether a window came or went: more than a share of all pixels is another."""
        return float(np.mean(np.any(self.pixels() != before, axis=2))) > share


@contextmanager
def desk(folder: Path) -> Iterator[None]:
    """A user's folders of their own for what this process starts; sessions that are left at the end are ended."""
    run = tempfile.mkdtemp(prefix="zrack-run-")  # the name of a socket must be short
    own = {"XDG_RUNTIME_DIR": run, "ZRACK_STATE": str(folder / "state"), "ZRACK_CONFIG": str(folder / "config")}
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        yield
    finally:
        keepers = [int(path.read_text() or 0) for path in Path(run).glob("*.keeper")]
        left = [pid for pid in (*keepers, *sessions().values()) if pid and alive(pid)]
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        with suppress(AssertionError):
            until(lambda: not any(map(alive, left)), 15)
        shutil.rmtree(run, ignore_errors=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def sessions() -> dict[str, int]:
    """The sessions of this user that can be attached to: the process of each, by name."""
    from runtime.attach import page_path
    from runtime.telemetry import PID, Page, folder

    found = {}
    for path in folder().glob("zrack-*.sock"):
        name = path.stem.removeprefix("zrack-")
        with suppress(OSError, ValueError):
            found[name] = int(Page(page_path(name)).head[PID])
    return {name: pid for name, pid in found.items() if alive(pid)}


def alive(pid: int) -> bool:
    """Whether a process runs, and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat[stat.rindex(")") + 2] not in "ZX"


def parent(pid: int) -> int:
    """Who started a process."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat[stat.rindex(")") + 2 :].split()[1])


def content(patch: Patch | Path) -> dict[str, Any]:
    """All that a file of the patch holds."""
    if isinstance(patch, Path):
        found = codec.unpack(patch.read_bytes())
        assert isinstance(found, dict)
        return found
    held = codec.unpack(file.dump(patch))
    assert isinstance(held, dict)
    return held


class Window:
    """The editor: `zrack` and its arguments, in a process of its own."""

    def __init__(self, folder: Path, *args: str) -> None:
        self._said = (folder / f"said-{time.monotonic_ns()}.txt").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runtime.cli", *args], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=self._said,
        )  # fmt: skip

    @property
    def title(self) -> str:
        """What stands above it; "" while it is not open."""
        found = _x("search", "--all", "--pid", str(self.process.pid), "--name", "zrack")
        return _x("getwindowname", found.split()[-1]).strip() if found else ""

    def opens(self, seconds: float = 60.0) -> None:
        """Waits until it is there."""
        until(lambda: self.title or self.process.poll() is not None, seconds, "the window opens")
        assert self.process.poll() is None, self.said

    @property
    def said(self) -> str:
        """What it wrote on stderr."""
        return Path(self._said.name).read_text(errors="replace")

    def kill(self) -> None:
        """Ends it as a crash would."""
        self.process.kill()
        self.process.wait(10)
        self._said.close()

    def ends(self, seconds: float = 20.0) -> int:
        """Waits until it is gone; gives its exit code."""
        code = self.process.wait(seconds)
        self._said.close()
        return code


def _x(*words: str) -> str:
    """An answer of xdotool, "" where it has none."""
    return subprocess.run(["xdotool", *words], capture_output=True, text=True, timeout=30).stdout


class Hands:
    """A mouse and keys, about as fast as a person's.  Spots are pixels of the screen."""

    def do(self, *words: str) -> None:
        """One or more commands of xdotool, in one go."""
        subprocess.run(["xdotool", *words], check=True, timeout=60, capture_output=True)

    def rest(self) -> None:
        """Lets go of everything."""
        self.do("mouseup", "1", "mouseup", "2", "mouseup", "3", "keyup", "ctrl", "keyup", "shift", "keyup", "alt")

    def go(self, at: Spot) -> None:
        """Moves the pointer."""
        self.do(*_to(at), "sleep", "0.12")

    def click(self, at: Spot, times: int = 1, button: int = 1) -> None:
        """Clicks, `times` times within a moment."""
        words = [
            w
            for _ in range(times)
            for w in ("mousedown", str(button), "sleep", "0.06", "mouseup", str(button), "sleep", "0.06")
        ]
        self.do(*_to(at), "sleep", "0.15", *words, "sleep", "0.1")

    def drag(self, start: Spot, end: Spot, seconds: float = 0.4) -> None:
        """Holds the left button from one spot to another."""
        steps = [(start[0] + (end[0] - start[0]) * k / 8, start[1] + (end[1] - start[1]) * k / 8) for k in range(1, 9)]
        way = [w for spot in steps for w in (*_to(spot), "sleep", f"{seconds / 8:.3f}")]
        self.do(
            *_to(start),
            "sleep",
            "0.15",
            "mousedown",
            "1",
            "sleep",
            "0.15",
            *way,
            "sleep",
            "0.15",
            "mouseup",
            "1",
            "sleep",
            "0.1",
        )

    def key(self, *names: str) -> None:
        """Presses keys, one after the other, such as "ctrl+s"."""
        words: list[str] = []
        for name in names:
            *held, last = name.split("+")
            for h in held:
                words += ["keydown", h, "sleep", "0.05"]
            words += ["key", last, "sleep", "0.05"]
            for h in reversed(held):
                words += ["keyup", h, "sleep", "0.05"]
        self.do(*words, "sleep", "0.1")

    def type(self, text: str) -> None:
        """Types."""
        self.do("type", "--delay", "20", text)
        time.sleep(0.2)


def _to(at: Spot) -> tuple[str, str, str]:
    return "mousemove", str(round(at[0])), str(round(at[1]))


class Eyes:
    """Where things lie on the screen: of `patch`, as it lies there after "Show all"; an empty one lies around the middle.

    `inspector` says whether that panel is open at the right edge; all others are closed, but for the transport.
    """

    def __init__(self, size: tuple[int, int] = WINDOW, inspector: bool = True) -> None:
        from ui.app_docks import SIZES
        from ui.theme import FONT

        self.top = float(round(FONT + 8))  # below the menu
        self.view = View(size[0] - (SIZES["right"] if inspector else 0.0), size[1] - self.top - SIZES["bottom"])
        self.layout = Layout()
        self.look(Patch())

    def look(self, patch: Patch) -> None:
        """This patch is in front of them."""
        self.layout = Layout(patch)
        self.view.fit(self.layout.boxes.values())

    def spot(self, x: float, y: float) -> Spot:
        """The pixel of a place in the patch."""
        across, down = self.view.screen(x, y)
        return across, down + self.top

    def place(self, spot: Spot) -> Spot:
        """The place in the patch at a pixel."""
        return self.view.world(spot[0], spot[1] - self.top)

    def title(self, node: str) -> Spot:
        """In the upper edge of a node."""
        box = self.layout.boxes[node]
        return self.spot(box.x + box.w / 2, box.y + 9)

    def port(self, node: str, name: str, side: str) -> Spot:
        """An outlet ("out") or an inlet ("in")."""
        found = self.layout.boxes[node].port(side, name)
        assert found is not None, (node, name)
        return self.spot(found.x, found.y)

    def knob(self, node: str, name: str) -> Spot:
        """The middle of a knob."""
        found = next(k for k in self.layout.boxes[node].knobs if k.param == name)
        return self.spot(found.x, found.y)

    def at(self, spot: Spot) -> Any:
        """What is at a pixel, as `ui.model.Layout.hit` says; None on free ground."""
        return self.layout.hit(*self.place(spot), self.view.zoom, self.view.level)

    def seen(self, spot: Spot, margin: float = 30.0) -> bool:
        """Whether a pixel is on the canvas, not too near to its edge."""
        x, y = spot[0], spot[1] - self.top
        return margin <= x <= self.view.width - margin and margin <= y <= self.view.height - margin


class Ear:
    """Hears what plays on a JACK server, through an input of its own."""

    def __init__(self, jack: Jack) -> None:
        from runtime.portaudio import find, portaudio

        self.jack = jack
        self._heard: list[np.ndarray] = []
        before = set(jack.ports())
        self._stream = portaudio().InputStream(
            device=find("JACK:system", "input")["index"], channels=2, samplerate=jack.rate, dtype="float32",
            callback=lambda data, *_: self._heard.append(data.copy()),
        )  # fmt: skip
        self._stream.start()
        self._mine = [p for p in jack.ports("PortAudio") if p not in before]

    def hear(self, seconds: float) -> np.ndarray:
        """What is heard from now on, float32 [frames, 2]."""
        for out in [p for p in self.jack.ports("PortAudio") if ":out_" in p]:
            into = next((p for p in self._mine if p.rsplit("_", 1)[-1] == out.rsplit("_", 1)[-1]), None)
            if into is not None:
                subprocess.run(["jack_connect", out, into], capture_output=True)  # a second time it says no, and is right
        first = len(self._heard)
        frames = round(seconds * self.jack.rate)
        until(lambda: sum(map(len, self._heard[first:])) >= frames, seconds + 10, "sound comes in")
        return np.concatenate(self._heard[first:])[:frames]

    def close(self) -> None:
        """Hears no more."""
        self._stream.close()


def loudness(sound: np.ndarray) -> float:
    """RMS of a sound."""
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))


def brightness(sound: np.ndarray, rate: int = 48000) -> float:
    """The middle of a sound's spectrum, Hz."""
    power = np.abs(np.fft.rfft(sound[:, 0] * np.hanning(len(sound)))) ** 2
    return float(np.sum(power * np.fft.rfftfreq(len(sound), 1 / rate)) / max(np.sum(power), 1e-30))


def settings(folder: Path, **given: Any) -> None:
    """What a user has chosen before, in the config folder of a `desk`."""
    import json

    place = folder / "config"
    place.mkdir(parents=True, exist_ok=True)
    (place / "settings.json").write_text(json.dumps(given))


__all__ = [
    "WINDOW", "Ear", "Eyes", "Hands", "Screen", "Window", "alive", "brightness", "content", "desk", "loudness",
    "needs_hands", "parent", "sessions", "settings", "until",
]  # fmt: skip
