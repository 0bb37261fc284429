"""MIDI into a session: notes to midi/notes nodes, controllers to learnt params, clocks to the tempo.

rtmidi's thread only puts messages into a queue.  One thread takes them out and tells the engine; another does what may
take longer: looking for ports, learning, changing patches.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from graph import PatchError
from graph.spec import Choice, Param

from .midi_inputs import Arrived, Inputs
from .midi_routes import FINE, Keys, Knob, Routes, bound, routes_of, target
from .tempo import Ticks
from .voices import SOUND_OFF, Write, strikes

if TYPE_CHECKING:
    from .session import Session

POLL = 2.0
"""Seconds between two looks at the ports."""
SELDOM = 30.0
"""The same where there is no MIDI at all: libjack complains on stderr each time."""
PAIR = 0.06
"""Seconds after a controller in which its low seven bits belong to it while a param learns."""
LONGEST = 8192
"""Samples of lateness above which the clocks say nothing."""
LAST = 64
"""Messages whose lateness is looked at."""
LIVE = "live"
TICK, START, CONTINUE, STOP, ACTIVE = 0xF8, 0xFA, 0xFB, 0xFC, 0xFE
COUNT = 24 << 16  # ticks before a clock's count begins anew: whole beats, below 2^24 as the engine's float32 needs


class Midi:
    """MIDI of a session.  `ports`: parts of port names, "all", or "virtual"; `rtapi`: a MIDI system of rtmidi's."""

    def __init__(self, session: Session, ports: Iterable[str] | str = "virtual", rtapi: int | None = None) -> None:
        self.session = session
        wanted = [ports] if isinstance(ports, str) else list(ports)
        self.inputs = Inputs([p.strip() for p in wanted if p.strip()], self.put, rtapi)
        self.messages = 0
        self.ticks = Ticks()
        self._queue: queue.SimpleQueue[Arrived | Callable[[], None] | None] = queue.SimpleQueue()
        self._chores: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._strikes = strikes()
        self._routes = Routes()
        self._engine: Any = None
        self._late: deque[int] = deque(maxlen=LAST)  # samples that the last messages came after their time
        self._count = 0
        self._starts = 0
        self._running = False
        self._spoken = False  # the other machine says start and stop
        self._learning: tuple[str, str] | None = None
        self._pair: tuple[tuple[str, str], int, int] | None = None  # who learns, channel, controller: the low part may follow
        self._missing = ""  # why there is no MIDI
        self._due = 0.0  # when the ports are looked at again
        self._dirty = threading.Event()
        self._unlisten: Callable[[], None] = lambda: None
        self._threads: list[threading.Thread] = []

    # ------------------------------------------------------------------ from outside

    def start(self) -> None:
        """Begins to listen.  Ports that are not there are told to the session and looked for again."""
        self._unlisten = self.session.listen(self._hear_session)
        self.session.learner = self.learn
        self._rebuild()
        self._look()
        self._threads = [
            threading.Thread(target=self._read, name="midi", daemon=True),
            threading.Thread(target=self._do_chores, name="midi ports", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Releases the notes and ends the ports."""
        self._unlisten()
        self.session.learner = None
        self._chores.put(None)
        self._queue.put(self._silence)
        self._queue.put(None)
        for thread in self._threads:
            thread.join(5)
        self.inputs.close()

    def learn(self, path: str, port: str) -> None:
        """Binds the next controller that moves to a param, a choice or a bypass.  Raises PatchError."""
        with self.session.lock:
            target(self.session.patch, path, port)
        self._pair, self._learning = None, (path, port)

    def cancel(self) -> None:
        """Nothing is learnt any more."""
        self._pair = self._learning = None

    def unlearn(self, path: str, port: str) -> None:
        """Lets a param forget its controller.  Raises PatchError."""
        self._bind(path, port, None)

    def state(self) -> dict[str, Any]:
        """Open inputs, messages so far, and the tempo of the clock that comes in (0: none)."""
        return {"midi": list(self.inputs.open), "midi_messages": self.messages, "midi_bpm": self.ticks.bpm}

    def put(self, arrived: Arrived) -> None:
        """Takes a message from any thread."""
        self._queue.put(arrived)

    # ------------------------------------------------------------------ threads

    def _read(self) -> None:
        while True:
            try:
                item = self._queue.get(timeout=PAIR if self._pair else None)
            except queue.Empty:
                self._learn_pair(None)
                continue
            if item is None:
                return
            try:
                if callable(item):
                    item()
                else:
                    self._take(*item)
            except PatchError:
                pass  # the node has just gone
            except Exception as error:  # the next message may be better
                self.session.error(f"MIDI: {type(error).__name__}: {error}")

    def _do_chores(self) -> None:
        while True:
            try:
                chore = self._chores.get(timeout=max(self._due - time.monotonic(), 0.0))
                if chore is None:
                    return
            except queue.Empty:
                chore = self._look
            try:
                chore()
            except PatchError as error:
                self.session.error(f"MIDI: {error}")
            except Exception as error:  # the next chore may go better
                self.session.error(f"MIDI: {type(error).__name__}: {error}")

    def _look(self) -> None:
        """Opens and closes ports; the same sentence is not said twice."""
        said, missing = [], ""
        try:
            said = self.inputs.look()
        except ValueError as error:
            missing = str(error)
        if missing and missing != self._missing:
            said.append(missing)
        self._missing = missing
        self._due = time.monotonic() + (SELDOM if missing else POLL)
        for text in said:
            self.session.error(text)

    def _hear_session(self, event: dict[str, Any]) -> None:
        kind = event.get("kind")
        if kind == "panic":
            self._queue.put(self._silence)
        elif kind in ("op", "loaded", "transport") and not self._dirty.is_set():
            self._dirty.set()
            self._chores.put(self._rebuild)

    # ------------------------------------------------------------------ routes

    def _rebuild(self) -> None:
        """Finds anew what hears MIDI; voices stay with their nodes."""
        self._dirty.clear()
        with self.session.lock:
            found = routes_of(self.session.patch, self._strikes)
        if self._threads:
            self._queue.put(lambda: self._adopt(found))
        else:
            self._adopt(found)

    def _adopt(self, new: Routes) -> None:
        old, self._routes = self._routes, new
        learnt = {(k.path, k.port, k.number): k for ks in old.knobs.values() for k in ks}
        for knob in (k for ks in new.knobs.values() for k in ks):
            before = learnt.get((knob.path, knob.port, knob.number))
            if before is not None:
                knob.high, knob.last, knob.taken = before.high, before.last, before.taken
        for uid, keys in new.keys.items():
            before_keys = old.keys.get(uid)
            if before_keys is None or self._engine is not self._playing():
                continue
            if before_keys.config == keys.config:
                keys.voices = before_keys.voices
            elif len(before_keys.voices.voices) == len(keys.voices.voices):  # with another count they are new voices anyway
                self._write(keys, before_keys.voices.silence(), 0)
        self._freshen()
        for uid, path in new.clocks.items():
            if uid not in old.clocks:
                self._tell_clock(path, 0)

    def _playing(self) -> Any:
        return getattr(self.session, "engine", None)

    def _freshen(self) -> None:
        """Another engine knows nothing of the notes that were held, nor of the clock."""
        if self._engine is self._playing():
            return
        self._engine = self._playing()
        with self.session.lock:
            fresh = routes_of(self.session.patch, self._strikes)
        for uid, keys in self._routes.keys.items():
            if uid in fresh.keys:
                keys.voices = fresh.keys[uid].voices
        for path in self._routes.clocks.values():
            self._tell_clock(path, 0)

    def _silence(self) -> None:
        for keys in self._routes.keys.values():
            self._write(keys, keys.voices.silence(), 0)

    def _write(self, keys: Keys, writes: Iterable[Write], when: int) -> None:
        for state, voice, value in writes:
            self._cell(keys.path, state, voice, value, when)

    def _cell(self, path: str, state: str, index: int, value: float, when: int) -> None:
        with contextlib.suppress(PatchError):  # the node has just gone
            self.session.cell(path, state, index, value, when)

    # ------------------------------------------------------------------ messages

    def _take(self, unix: float, steady: float, message: list[int]) -> None:
        """One message: `unix` and `steady` say when it came."""
        if not message or message[0] < 0x80:
            return
        self.messages += 1
        status = message[0]
        self._freshen()
        when = self._when(unix)
        if status >= 0xF0:
            self._take_clock(status, steady, when)
            return
        for keys in self._routes.keys.values():
            self._write(keys, keys.voices.hear(message), when)
        channel = (status & 15) + 1
        if status & 0xF0 == 0xB0 and len(message) == 3 and message[1] < SOUND_OFF:
            self._take_controller(channel, message[1], message[2], when)
        elif status & 0xF0 == 0xC0 and len(message) == 2:
            number = message[1]
            self._chores.put(lambda: self._program(number))

    def _when(self, unix: float) -> int:
        """The sample for a message: as late as one in ten is, so that the rhythm stays.  0, at once, without a clock."""
        at = self.session.sample(unix)
        late = self.session.now() - at
        if at <= 0 or abs(late) > LONGEST:
            return 0
        self._late.append(late)
        return max(at + sorted(self._late)[len(self._late) * 9 // 10], 0)

    def _take_controller(self, channel: int, number: int, value: int, when: int) -> None:
        if self._learning or self._pair:
            self._learn_pair((channel, number))
        for knob in self._routes.controllers(channel, number):
            position = knob.position(number, value)
            if knob.learnt and self._routes.midi.get("pickup") is True and not self._pick_up(knob, position):
                continue
            gesture: Any = ("midi", channel, knob.number) if knob.kept else LIVE
            try:
                if isinstance(knob.item, Choice):
                    count = len(knob.item.options)
                    option = knob.item.options[min(int(position * count), count - 1)]
                    self.session.set(knob.path, knob.port, option, time=when, gesture=gesture)
                else:
                    self.session.set(knob.path, knob.port, position, knob=True, time=when, gesture=gesture)
            except PatchError:
                pass  # the node has just gone

    def _pick_up(self, knob: Knob, position: float) -> bool:
        if not isinstance(knob.item, Param):
            return True
        return knob.picked_up(knob.item.knob(float(self.session.get(knob.path, knob.port))), position)

    def _learn_pair(self, moved: tuple[int, int] | None) -> None:
        """A param learns `moved`, as one number of 14 bits where the low part follows at once."""
        if self._pair is not None:
            who, channel, number = self._pair
            self._pair = None
            fine = moved == (channel, number + FINE)
            key = f"{channel}/{number}+{number + FINE}" if fine else f"{channel}/{number}"
            self._chores.put(lambda: self._bind(*who, key))
        elif self._learning is not None and moved is not None:
            who, self._learning = self._learning, None
            channel, number = moved
            if number < FINE:
                self._pair = who, channel, number
            else:
                self._chores.put(lambda: self._bind(*who, f"{channel}/{number}"))

    def _bind(self, path: str, port: str, key: str | None) -> None:
        with self.session.lock:
            meta = bound(self.session.patch, path, port, key)
            self.session.op({"do": {"edit": "field", "name": "meta", "value": meta}})

    def _program(self, number: int) -> None:
        """A snapshot, where the patch says so; else a patch of the set-list."""
        programs = self._routes.midi.get("programs")
        name = programs.get(str(number)) if isinstance(programs, dict) else None
        if isinstance(name, str):
            seconds = self._routes.midi.get("morph", 0.0)
            self.session.recall(name, float(seconds) if isinstance(seconds, int | float) else 0.0)
        elif getattr(self.session, "setlist", None):
            self.session.go(number)

    # ------------------------------------------------------------------ clock

    def _take_clock(self, status: int, steady: float, when: int) -> None:
        if status == TICK:
            bpm = self.ticks.tick(steady)
            if bpm is not None:
                for path in self._routes.clocks.values():
                    self._cell(path, "tempo", 0, bpm, when)
                if self._routes.midi.get("tempo") is not False:
                    self._chores.put(lambda: self.session.tempo(bpm))
            if not self._running and not self._spoken:
                self._running = True
                self._tell_clock(None, when)
            if self._running:
                self._count = self._count % COUNT + 1
                for path in self._routes.clocks.values():
                    self._cell(path, "ticks", 0, self._count, when)
        elif status in (START, CONTINUE, STOP):
            if status == START:
                self._count, self._starts = 0, self._starts % 65536 + 1
            self._running, self._spoken = status != STOP, True
            self._tell_clock(None, when)
            if self._routes.midi.get("transport") is True:
                self._chores.put(lambda: self.session.transport("stop" if status == STOP else "play"))

    def _tell_clock(self, path: str | None, when: int) -> None:
        """Everything about the clock to one midi/clock node, or to all."""
        for to in self._routes.clocks.values() if path is None else [path]:
            self._cell(to, "tempo", 0, self.ticks.bpm, when)
            self._cell(to, "ticks", 0, self._count, when)
            self._cell(to, "starts", 0, self._starts, when)
            self._cell(to, "running", 0, float(self._running), when)
