"""What a person sees while waiting: a bar on a terminal, a plain line for each kernel in a log, nothing for a pipe's reader.

All of it goes to stderr.  rich is imported only where there is a terminal and something takes long.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


class Progress:
    """Two callbacks, `compiling` and `rendering`; `bar` says whether the render is long enough for a bar.

    `kernels` is how many had to be compiled, `waited` how many seconds passed until the last of them was.
    """

    def __init__(self, bar: bool) -> None:
        self.bar = bar
        self.terminal = sys.stderr.isatty()
        self.kernels, self.waited = 0, 0.0
        self._start = time.perf_counter()
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}

    def compiling(self, done: int, total: int, name: str) -> None:
        """Kernel `name` is being compiled, `done` of `total` are; without a name, the last one is."""
        self.kernels, self.waited = total, time.perf_counter() - self._start
        if self.terminal and (name or self._tasks):
            self._show("compile", f"compiling kernels {name}", done, total)
        elif name and not self.terminal:
            print(f"compiling kernels {done}/{total} {name}", file=sys.stderr, flush=True)  # noqa: T201

    def rendering(self, done: int, total: int) -> None:
        """`done` of `total` frames are rendered."""
        if self.terminal and self.bar:
            self._show("render", "rendering", done, total)

    def _show(self, stage: str, text: str, done: int, total: int) -> None:
        if self._bars is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
            self._bars = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bars.start()
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(text, total=total)
        self._bars.update(self._tasks[stage], completed=done, total=total, description=text)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bars is not None:
            self._bars.stop()
