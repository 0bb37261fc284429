"""Pictures of sound and of figures, for runs and reports.  Without matplotlib nothing is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def drawing() -> Any:
    """matplotlib's Figure, which needs no display, or None."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return None
    return Figure


def levels(x: np.ndarray, size: int = 1024, hop: int = 256) -> np.ndarray:
    """Short-time spectrum of `x` [samples] in dB of a full-scale sine, [bins, frames]."""
    x = np.pad(np.asarray(x, np.float64), (size // 2, size))
    frames = np.lib.stride_tricks.sliding_window_view(x, size)[::hop] * np.hanning(size)
    return 20 * np.log10(np.abs(np.fft.rfft(frames, axis=1)).T * 4 / size + 1e-5)


def spectrograms(path: Path, sounds: Mapping[str, np.ndarray], rate: int) -> None:
    """Draws sounds [samples] one below the other, −90 to 0 dB."""
    figure = drawing()
    if figure is None:
        return
    page = figure(figsize=(10, 2.4 * len(sounds)), layout="constrained")
    for axes, (name, x) in zip(page.subplots(len(sounds), squeeze=False)[:, 0], sounds.items(), strict=True):
        axes.imshow(
            levels(x), origin="lower", aspect="auto", cmap="magma", vmin=-90, vmax=0, extent=(0, len(x) / rate, 0, rate / 2000)
        )
        axes.set_ylabel(f"{name}, kHz")
    axes.set_xlabel("s")
    page.savefig(path, dpi=90)


def lines(path: Path, title: str, panels: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]], columns: int = 4) -> None:
    """Draws panels of curves: panel → name → x and y."""
    figure = drawing()
    if figure is None:
        return
    rows = -(-len(panels) // columns)
    page = figure(figsize=(3.2 * min(columns, len(panels)), 2.4 * rows), layout="constrained")
    page.suptitle(title)
    grid = page.subplots(rows, min(columns, len(panels)), squeeze=False).ravel()
    for axes, (name, curves) in zip(grid, panels.items(), strict=False):
        for label, (x, y) in curves.items():
            axes.plot(x, y, label=label, linewidth=1)
        axes.set_title(name, fontsize=9)
        if len(curves) > 1:
            axes.legend(fontsize=6)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    page.savefig(path, dpi=90)
