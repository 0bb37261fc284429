"""MIDI inputs: opened by name, lost and found again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from nodes.midi_ports import api, matching

OWN = "zrack"
VIRTUAL = "virtual"
Arrived = tuple[float, float, list[int]]
"""Unix time, seconds of the steady clock, message."""


class Inputs:
    """The open inputs.  `wanted` are parts of names, "all", or "virtual" for a port of our own called zrack.

    `heard` is called in rtmidi's thread with each message and must do next to nothing.
    """

    def __init__(self, wanted: Iterable[str], heard: Callable[[Arrived], None], rtapi: int | None = None) -> None:
        self.wanted, self.heard, self.rtapi = tuple(wanted), heard, rtapi
        self.open: dict[str, Any] = {}
        self._probe: Any = None

    def look(self) -> list[str]:
        """Opens what has come and closes what is gone; returns a sentence for each.  Raises ValueError: no MIDI here."""
        said: list[str] = []
        if not self.wanted:
            return said
        if self._probe is None:
            import rtmidi

            self.rtapi = api() if self.rtapi is None else self.rtapi
            try:
                self._probe = rtmidi.MidiIn(rtapi=self.rtapi, name=f"{OWN} look")
            except Exception as error:  # rtmidi's own errors share no base
                raise ValueError(f"MIDI cannot be opened: {error}") from None
        try:
            names = self._probe.get_ports()
        except Exception as error:
            self._probe = None
            raise ValueError(f"MIDI ports cannot be listed: {error}") from None
        found: dict[str, int | None] = {VIRTUAL: None} if VIRTUAL in self.wanted else {}
        for part in self.wanted:
            if part != VIRTUAL:
                found.update({n: k for k, n in matching(names, part) if part != "all" or not n.startswith(OWN)})
        for name in [n for n in self.open if n not in found]:
            self._close(name)
            said.append(f"the MIDI input {name} is gone")
        for name, index in found.items():
            if name not in self.open:
                try:
                    self.open[name] = self._open(index)
                except Exception as error:  # it went while we looked, or somebody else has it
                    said.append(f"the MIDI input {name} cannot be opened: {error}")
        return said

    def _open(self, index: int | None) -> Any:
        import rtmidi

        port = rtmidi.MidiIn(rtapi=self.rtapi, name=OWN)
        port.ignore_types(sysex=True, timing=False, active_sense=True)
        heard = self.heard

        def arrived(event: tuple[list[int], float], _: Any) -> None:
            heard((time.time(), time.perf_counter(), event[0]))

        port.set_callback(arrived)
        if index is None:
            port.open_virtual_port("in")
        else:
            port.open_port(index, "in")
        return port

    def _close(self, name: str) -> None:
        port = self.open.pop(name)
        port.cancel_callback()
        port.close_port()
        port.delete()

    def close(self) -> None:
        """Closes all."""
        for name in list(self.open):
            self._close(name)
        if self._probe is not None:
            self._probe.delete()
            self._probe = None
