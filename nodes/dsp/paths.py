"""Paths through a latent space as arrays [frames, dims]: made longer, mixed, measured, read and written.

What is done with single curves of a path is in `nodes.dsp.curves`.

Everything here is ordinary numpy, gives new float32 arrays and changes none that it was given.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from graph.disk import write_atomic

LONGEST = 1 << 16
"""Most frames of a path: 46 minutes of a model with ratio 2048 at 48 kHz."""
WIDEST = 512
"""Most dimensions."""
KINDS = (".npy", ".npz", ".json")


def path(value: Any) -> np.ndarray:
    """Rows of numbers as float32 [frames, dims]; a flat list is a path of one dimension.  Raises ValueError."""
    try:
        rows = np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("a path is rows of numbers, as many in each") from None
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or not rows.size:
        raise ValueError(f"a path has frames and dims, not the shape {rows.shape}")
    if len(rows) > LONGEST or rows.shape[1] > WIDEST:
        raise ValueError(f"a path has at most {LONGEST} frames of {WIDEST} dims, not {len(rows)} of {rows.shape[1]}")
    if not (np.abs(rows) <= np.finfo(np.float32).max).all():
        raise ValueError("a path holds a number that is not finite")
    return rows.astype(np.float32)


def read(rows: np.ndarray, places: np.ndarray, how: str = "linear") -> np.ndarray:
    """The path at `places` (frames, fractions between them; kept inside), "hold", "linear" or "cubic" (Catmull-Rom)."""
    last = len(rows) - 1
    places = np.clip(np.asarray(places, np.float64), 0.0, last)
    at = np.floor(places).astype(int)
    if how == "hold":
        return rows[at].copy()
    x = (places - at)[:, None]

    def row(n: int) -> np.ndarray:
        found: np.ndarray = rows[np.clip(at + n, 0, last)].astype(np.float64)
        return found

    if how == "linear":
        out = row(0) * (1.0 - x) + row(1) * x
    elif how == "cubic":
        out = (
            x * (-0.5 + x * (1.0 - 0.5 * x)) * row(-1) + (1.0 + x * x * (1.5 * x - 2.5)) * row(0)
            + x * (0.5 + x * (2.0 - 1.5 * x)) * row(1) + x * x * (0.5 * x - 0.5) * row(2)
        )  # fmt: skip
    else:
        raise ValueError(f"a path is read by hold, linear or cubic, not by {how}")
    return out.astype(np.float32)


def resample(rows: np.ndarray, frames: int, how: str = "linear") -> np.ndarray:
    """The same way in another number of frames; first and last stay.  `how` as in `read`."""
    if not 1 <= frames <= LONGEST:
        raise ValueError(f"a path has 1 … {LONGEST} frames, not {frames}")
    return read(rows, np.linspace(0.0, len(rows) - 1, frames), how)


def morph(a: np.ndarray, b: np.ndarray, how: str = "linear") -> np.ndarray:
    """From path `a` to path `b` over their length: z = a (1 − n/N) + b n/N, N the last frame.  The shorter one is stretched.

    Raises ValueError where they have not as many dimensions.
    """
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"two paths of {a.shape[1]} and {b.shape[1]} dims cannot be mixed")
    frames = max(len(a), len(b))
    part = np.linspace(0.0, 1.0, frames)[:, None]
    return (resample(a, frames, how) * (1.0 - part) + resample(b, frames, how) * part).astype(np.float32)


def fit(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal axes of a path: mean [1, dims] and matrix [dims, dims], an axis a row, what varies most first.

    The rows are orthonormal, and the largest number of each is positive, so that the same path gives the same axes.
    """
    exact = np.asarray(rows, np.float64)
    mean = exact.mean(0, keepdims=True)
    _, axes = np.linalg.eigh((exact - mean).T @ (exact - mean))  # ascending, an axis a column
    matrix = axes.T[::-1]
    largest = matrix[np.arange(len(matrix)), np.abs(matrix).argmax(1)]
    matrix = matrix * np.where(largest < 0.0, -1.0, 1.0)[:, None]
    return mean.astype(np.float32), np.ascontiguousarray(matrix, np.float32)


def moments(rows: np.ndarray) -> np.ndarray:
    """Mean and deviation of each dimension: [dims, 2]."""
    exact = np.asarray(rows, np.float64)
    return np.stack([exact.mean(0), exact.std(0)], 1).astype(np.float32)


def load(file: Path) -> np.ndarray:
    """The path in a file: .npy, .npz (its array "path", or its only one) or .json (rows of numbers).

    Raises OSError, ValueError with a sentence that names the file.
    """
    kind = _kind(file)
    data = file.read_bytes()
    try:
        if kind == ".json":
            return path(json.loads(data))
        found = np.load(io.BytesIO(data), allow_pickle=False)
        if kind == ".npz":
            names = list(found)
            if "path" not in names and len(names) != 1:
                raise ValueError(f"holds the arrays {', '.join(names) or '(none)'}, and none is called path")
            found = found["path" if "path" in names else names[0]]
        return path(found)
    except (ValueError, EOFError, OSError, KeyError, RecursionError, MemoryError, zipfile.BadZipFile) as error:
        text = str(error) if type(error) is ValueError and "\n" not in str(error) else "holds no path that can be read"
        raise ValueError(f"{file}: {text}") from None


def save(file: Path, rows: np.ndarray) -> None:
    """Writes a path; the ending says how, as `load` reads it.  Raises ValueError, PatchError from the disk."""
    kind = _kind(file)
    made = io.BytesIO()
    if kind == ".json":
        made.write(json.dumps(rows.tolist()).encode())
    elif kind == ".npy":
        np.save(made, rows, allow_pickle=False)
    else:
        np.savez_compressed(made, path=rows)
    write_atomic(file, made.getvalue())


def _kind(file: Path) -> str:
    kind = file.suffix.lower()
    if kind not in KINDS:
        raise ValueError(f"{file}: a path is kept in {', '.join(KINDS)}")
    return kind
