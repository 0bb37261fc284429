"""Zeroconf: tells the local network that an OSCQuery server and an OSC port are here."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

QUERY, OSC = "_oscjson._tcp.local.", "_osc._udp.local."
GOODBYE = 1.0  # seconds


class Announcement:
    """The announced names of one server.

    `address` and `osc` are host and port of either; on loopback only the loopback interface is used.  Where the
    network refuses, `report` hears one sentence, and the server goes on unannounced.
    """

    def __init__(self, name: str, address: tuple[str, int], osc: tuple[str, int], report: Callable[[str], None]) -> None:
        self.name = name.replace(".", "-").strip().encode()[:60].decode(errors="ignore") or "zrack"
        self.address, self.osc, self.report = address, osc, report
        self.server = f"{_label(socket.gethostname())}-zrack.local"  # not that of the machine, which is its own to announce
        self._zeroconf: Any = None
        self._infos: list[Any] = []

    async def open(self) -> None:
        """Announces; takes about a second."""
        from zeroconf import InterfaceChoice, IPVersion, ServiceInfo, get_all_addresses
        from zeroconf.asyncio import AsyncZeroconf

        host = self.address[0]
        everywhere = host in ("0.0.0.0", "::")
        found = await asyncio.to_thread(get_all_addresses) if everywhere else [host]
        addresses = [a for a in found if not everywhere or not ipaddress.ip_address(a).is_loopback] or ["127.0.0.1"]
        try:
            self._zeroconf = AsyncZeroconf(
                interfaces=InterfaceChoice.All if everywhere else [host],
                ip_version=IPVersion.V6Only if ":" in host and not everywhere else IPVersion.V4Only,
            )
            for kind, port in ((QUERY, self.address[1]), (OSC, self.osc[1])):
                info = ServiceInfo(
                    kind, f"{self.name}.{kind}", port=port, parsed_addresses=addresses, server=f"{self.server}.",
                    properties={"txtvers": "1"},
                )  # fmt: skip
                self._infos.append(info)
            done = [await self._zeroconf.async_register_service(i, allow_name_change=True) for i in self._infos]
            await asyncio.gather(*done)
        except asyncio.CancelledError:
            raise
        except Exception as e:  # zeroconf raises errors of many kinds, none of which may end the session
            self.report(f"zeroconf cannot announce {self.name}: {str(e) or type(e).__name__}")

    async def close(self) -> None:
        """Takes the names back."""
        if self._zeroconf is None:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._zeroconf.async_unregister_all_services(), GOODBYE)
        await self._zeroconf.async_close()


def _label(text: str) -> str:
    """A host name that a name on the local network may have."""
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in text.partition(".")[0]).strip("-").lower() or "zrack"
