"""`PatchError`: every refusal as one sentence that names file, node and port."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class PatchError(ValueError):
    """A patch, a value, a cable or a file that cannot be.  `str()` is one sentence.

    `file`, `node` and `port` say where; whoever knows more adds it with `within` while the error passes by.
    """

    def __init__(self, text: str, *, file: str = "", node: str = "", port: str = "") -> None:
        super().__init__(text)
        self.text, self.file, self.node, self.port = text, file, node, port

    def within(self, file: str = "", node: str = "") -> PatchError:
        """The same error, seen from outside: `node` goes before the node it names ("voice/lp"), `file` replaces none."""
        if node:
            self.node = f"{node}/{self.node}" if self.node else node
        if file and not self.file:
            self.file = file
        return self

    def __str__(self) -> str:
        parts = [self.file, f"node {self.node}" if self.node else "", self.text]
        return ": ".join(p for p in parts if p)


class Recursion(PatchError):
    """A patch that would contain itself."""


def suggest(word: str, known: Iterable[str]) -> str:
    """The end of a sentence: close names if there are some, all names if they are few, else nothing."""
    names = sorted(set(known))
    close = difflib.get_close_matches(word, names, n=3, cutoff=0.6)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    if 0 < len(names) <= 12:
        return f"; there {'is' if len(names) == 1 else 'are'} {', '.join(names)}"
    return ""


def show(value: Any) -> str:
    """A value as it stands in a sentence: short, on one line."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        text = repr(value) if isinstance(value, str | bool | bytes | None) else f"a {type(value).__name__}"
    elif isinstance(value, int) and abs(value) < 1 << 63:
        text = str(value)
    else:
        try:
            text = f"{float(value):.10g}"
        except OverflowError:
            text = "a huge number"
    return text if len(text) <= 48 else text[:45] + "…" + text[-1]
