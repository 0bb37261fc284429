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


def lines(path: Path, title: str, panels: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]], x: str, y: str, *,
          columns: int = 4, size: tuple[float, float] = (3.2, 2.2), log: bool = False,
          ramp: bool = False) -> None:  # fmt: skip
    """Draws panels of curves: panel → name → x and y, all on the same axes, which `x` and `y` name.

    The names of the first panel are the legend of all.  `size` is a panel's, in inches; `log` is for x; with `ramp`, colours go
    from blue for the first curve to red for the last.
    """
    figure = drawing()
    if figure is None:
        return
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    page = figure(figsize=(size[0] * columns, size[1] * rows + 0.8), layout="constrained")
    page.suptitle(title)
    grid = page.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    most = max(len(curves) for curves in panels.values())
    for axes, (name, curves) in zip(grid.ravel(), panels.items(), strict=False):
        for n, (label, (across, up)) in enumerate(curves.items()):
            colour = _RAMP[round(n * (len(_RAMP) - 1) / max(most - 1, 1))] if ramp else None
            axes.plot(across, up, label=label, linewidth=1.2, color=colour)
        axes.set_title(name, fontsize=9)
        axes.grid(alpha=0.25)
        if log:
            axes.set_xscale("log")
    for axes in grid.ravel()[len(panels) :]:
        axes.set_axis_off()
    for axes in grid.ravel()[max(len(panels) - columns, 0) : len(panels)]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel(x, fontsize=9)
    for axes in grid[:, 0]:
        axes.set_ylabel(y, fontsize=9)
    handles, names = grid[0, 0].get_legend_handles_labels()
    page.legend(handles, names, loc="outside lower center", ncols=len(names), fontsize=9)
    page.savefig(path, dpi=90)


_RAMP = ("#2040c0", "#58a0e8", "#707070", "#f09050", "#c02020")
