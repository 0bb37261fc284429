"""Whether a window can be opened here, how large its pixels are, and files that are dropped on it.

GLFW ends the process where there is no display, so that is asked first.
"""

from __future__ import annotations

import ctypes
import os
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def reachable(display: str, timeout: float = 2.0) -> bool:
    """Whether an X server listens at a display such as ":0" or "host:10.0"."""
    found = re.match(r"(?:(?:[^/:]+/)?([^:]*)):(\d+)(?:\.\d+)?\Z", display)
    if not found:
        return display.startswith("/")  # macOS: the path of a launchd socket
    host, number = found[1], int(found[2])
    if host in ("", "unix"):
        for name in (f"\0/tmp/.X11-unix/X{number}", f"/tmp/.X11-unix/X{number}"):
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(timeout)
                try:
                    s.connect(name)
                    return True
                except OSError:
                    continue
        host = "localhost"
    try:
        with socket.create_connection((host, 6000 + number), timeout):
            return True
    except OSError:
        return False


def why_not() -> str:
    """One sentence why no window can be opened here; "" where one can."""
    if sys.platform != "linux":
        return ""
    display = os.environ.get("DISPLAY", "")
    if display and reachable(display):
        return ""
    return f"display {display} does not answer" if display else "there is no display here"


def _window() -> tuple[Any, Any] | None:
    """GLFW inside DearPyGui and the window of this thread; None where they cannot be had."""
    import dearpygui._dearpygui as inside

    try:
        glfw = ctypes.CDLL(inside.__file__)
        current = glfw.glfwGetCurrentContext
    except (OSError, AttributeError):
        return None
    current.restype = ctypes.c_void_p
    window = current()
    return (glfw, window) if window else None


def content_scale() -> float:
    """How many pixels the display has for each that programs think of; 1 where that is unknown."""
    found = _window()
    if found is None or sys.platform == "darwin":  # macOS scales by itself
        return 1.0
    glfw, window = found
    x, y = ctypes.c_float(1.0), ctypes.c_float(1.0)
    try:
        glfw.glfwGetWindowContentScale(ctypes.c_void_p(window), ctypes.byref(x), ctypes.byref(y))
    except AttributeError:
        return 1.0
    return float(x.value) if 0.5 <= x.value <= 4 else 1.0


def room() -> tuple[int, int] | None:
    """Width and height that a window may have on the first display, in pixels; None where that is unknown."""
    found = _window()
    if found is None:
        return None
    box = [ctypes.c_int() for _ in range(4)]
    try:
        found[0].glfwGetPrimaryMonitor.restype = ctypes.c_void_p
        monitor = found[0].glfwGetPrimaryMonitor()
        if not monitor:
            return None
        found[0].glfwGetMonitorWorkarea(ctypes.c_void_p(monitor), *(ctypes.byref(n) for n in box))
    except AttributeError:
        return None
    return (box[2].value, box[3].value) if box[2].value > 0 and box[3].value > 0 else None


_keep: list[Any] = []  # callbacks that C holds


def on_drop(take: Callable[[list[Path]], None]) -> bool:
    """Calls `take` with the files that are dropped on the window, in the thread that renders.  False where it cannot."""
    found = _window()
    if found is None:
        return False
    glfw, window = found
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_char_p))

    def dropped(_: Any, count: int, names: Any) -> None:
        take([Path(os.fsdecode(names[i])) for i in range(count)])

    called = kind(dropped)
    try:
        glfw.glfwSetDropCallback(ctypes.c_void_p(window), called)
    except AttributeError:
        return False
    _keep.append(called)
    return True
