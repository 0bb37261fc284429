"""A corpus as PyTorch's DataLoader takes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, distributed
from torch.utils.data import IterableDataset, get_worker_info

from .data import Corpus

MISSING = -1
"""The class of an item that lacks the label."""


class Chunks(IterableDataset):
    """Endless random chunks of a split: sound float32 [channels, frames], and a number for each of `labels`.

    That is the label itself where all its values are numbers, else its position in `Corpus.values`.  `first` and `more` go to
    `Corpus.chunks`.  What a batch holds depends on the seed and on how many workers and machines there are.
    """

    def __init__(self, corpus: Corpus, split: str, frames: int, labels: Sequence[str] = (), *, first: int = 0,
                 **more: Any) -> None:  # fmt: skip
        self.corpus, self.split, self.frames, self.first, self.more = corpus, split, frames, first, more
        self.classes: dict[str, list[Any]] = {label: corpus.values(label) for label in labels}

    def __iter__(self) -> Iterator[tuple[Tensor, dict[str, float]]]:
        worker, many = get_worker_info(), distributed.is_available() and distributed.is_initialized()
        workers, number = (worker.num_workers, worker.id) if worker else (1, 0)
        if many:
            number, workers = distributed.get_rank() * workers + number, distributed.get_world_size() * workers
        found = self.corpus.chunks(self.split, self.frames, first=self.first + number, step=workers, **self.more)
        for sound, item in found:
            yield torch.from_numpy(sound), {label: self.number(label, item.labels.get(label)) for label in self.classes}

    def number(self, label: str, value: Any) -> float:
        """A label's value as a number.  Raises ValueError where the corpus has no such value."""
        if value is None:
            return MISSING
        classes = self.classes[label]
        return value if all(isinstance(v, int | float) for v in classes) else classes.index(value)
