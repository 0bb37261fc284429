"""`Editor`: what all parts of the editor share, and their only way to the session.

It holds a replica of the patch (or, without a session, a patch of its own), the selection, the sub-patch that is looked
at, and what the telemetry shows.  All methods are for the main thread, and none raises into the loop: what is refused
becomes a sentence in `errors`.  Never call `do`, `undo`, `redo`, `end` with `lock` held: the answer could not come.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np

from graph.edits import Edit
from graph.history import History
from graph.patch import Patch
from graph.spec import NodeSpec
from runtime.attach import Client

Value = float | str


class Editor:
    """See the module.  Names of nodes are those of the patch that is looked at (`here`), unless said otherwise."""

    def __init__(self, client: Client | None = None, patch: Patch | None = None) -> None:
        self.client = client
        self.selection: set[str] = set()
        self.inside: tuple[str, ...] = ()
        self.version = 0
        """Counts changes of the patch, of streamed values and of `inside`: who draws looks again when it is another."""
        self.errors: list[tuple[float, str, str]] = []
        """What went wrong: seconds since 1970, node path ("" where none is named), sentence."""
        self.refused = ""
        """Why the last `do` was refused; "" where it was not."""
        self.notice = ""
        """What was done last, to show in passing: "Undo connect lfo -> cutoff"."""
        self.problems: dict[str, str] = {}
        """Latest sentence about a node, by full path."""
        self.state: dict[str, Any] = {}
        self.levels: dict[tuple[str, str], float] = {}
        """Peak by (full node path, outlet); see `level`."""
        self.cpu: dict[str, float] = {}
        """Cycles a block by full node path; see `share`."""
        self.locked = False
        """Run lock: gestures turn knobs and press switches, but change nothing else."""
        self.lost = False

    patch: Patch
    history: History
    lock: threading.RLock

    # the patch that is looked at

    def here(self) -> Patch:
        """The patch that is looked at: the outermost, or the definition inside the node `inside[-1]`."""
        raise NotImplementedError

    def path(self, node: str) -> str:
        """Full path of a node of `here`: "voice/osc"."""
        raise NotImplementedError

    def enter(self, node: str) -> bool:
        """Looks into a sub-patch; False where it holds none."""
        raise NotImplementedError

    def leave(self, depth: int | None = None) -> None:
        """Goes one sub-patch up, or to a depth of the breadcrumb (0: the outermost patch)."""
        raise NotImplementedError

    def show(self, path: str) -> str:
        """Looks where the node of a full path is and selects it; gives its name there, "" where it is gone."""
        raise NotImplementedError

    @property
    def readonly(self) -> str:
        """Why the patch that is looked at cannot be changed (a sub-patch by file); "" where it can."""
        raise NotImplementedError

    def over(self) -> dict[tuple[str, str], Value]:
        """Values that hold instead of those in `here`: being turned now, or set where the sub-patch is used."""
        raise NotImplementedError

    def value(self, node: str, port: str) -> Value:
        """Base value of a param or choice as it sounds now."""
        raise NotImplementedError

    def spec(self, node: str) -> NodeSpec | None:
        """Type of a node; None where it is gone or unknown here."""
        raise NotImplementedError

    # changing it

    def do(self, edit: Edit, gesture: Hashable = None) -> bool:
        """Applies an edit to `here`; False where it is refused (`refused` says why, and so does `errors`)."""
        raise NotImplementedError

    def why_not(self, edit: Edit) -> str:
        """Why `do` would refuse an edit, "" where it would not; changes nothing.  For cables while they are drawn."""
        raise NotImplementedError

    def stream(self, node: str, port: str, value: Value, *, knob: bool = False, gesture: Hashable = None) -> None:
        """Sets a value at once and does not wait: knobs while they are turned.  `knob`: the value is a position 0…1.

        One gesture is one step of the history; call `end` when the mouse is released.
        """
        raise NotImplementedError

    def end(self) -> None:
        """The gesture is over: what follows is another step."""
        raise NotImplementedError

    def undo(self) -> str | None:
        """Takes the last step back; gives its name."""
        raise NotImplementedError

    def redo(self) -> str | None:
        """Does it again; gives its name."""
        raise NotImplementedError

    def saved(self, path: str) -> None:
        """The patch was saved there."""
        raise NotImplementedError

    # the session

    def call(self, call: str, *args: Any, then: Callable[[Any], None] | None = None, **kw: Any) -> None:
        """Calls the session in the background (see `runtime.attach.CALLS`); `then` gets the answer in `poll`."""
        raise NotImplementedError

    def tell(self, call: str, *args: Any, **kw: Any) -> None:
        """Calls without an answer: streams such as `blend`."""
        raise NotImplementedError

    def fail(self, text: str, node: str = "") -> None:
        """A sentence for `errors`."""
        raise NotImplementedError

    def transport(self, word: str) -> None:
        """play, stop, reset or panic."""
        raise NotImplementedError

    def rearm(self, node: str) -> None:
        """Lets a node play that was bypassed for its faults; its problem is forgotten."""
        raise NotImplementedError

    def learn(self, node: str, port: str) -> None:
        """MIDI learn."""
        raise NotImplementedError

    def watch(self, node: str, outlet: str) -> int:
        """A slot whose `samples` are those of an outlet, counted by reference; -1 where none is free (or no session)."""
        raise NotImplementedError

    def unwatch(self, slot: int) -> None:
        """Gives the slot back."""
        raise NotImplementedError

    def samples(self, slot: int, frames: int) -> np.ndarray:
        """The last frames of a watched outlet, float32 [frames, channels]; empty where nothing was played."""
        raise NotImplementedError

    def level(self, node: str, outlet: str) -> float:
        """Peak of an outlet lately (1.0 is full scale); sub-patches show what feeds their outlet."""
        raise NotImplementedError

    def share(self, node: str) -> float:
        """Part of the available time that a node takes, 0…1; a sub-patch takes what is inside."""
        raise NotImplementedError

    def problem(self, node: str) -> str:
        """The latest sentence about a node or what is inside it; "" where there is none."""
        raise NotImplementedError

    def poll(self) -> bool:
        """Once a frame: takes in what the session told; True where `version` changed."""
        raise NotImplementedError

    def attach(self, client: Client | None) -> None:
        """Goes on with another session, or with none."""
        raise NotImplementedError

    def close(self) -> None:
        """Leaves the session, which plays on."""
        raise NotImplementedError
