"""Who may talk to a web server of ours: this machine and listed peers, never a page of some other site."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from aiohttp import web

from graph import PatchError
from graph.errors import show

from .osc_socket import network

CONNECTIONS = 256  # open at a time
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_host = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^][:/?#@\s]+)(?::(\d{1,5}))?\Z")


class Refused(Exception):
    """A request that is answered with an HTTP status and one sentence."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Visitors:
    """The door of a server bound to `host`.

    `peers` are addresses or networks that may come from other machines, `address` is where the server listens once it
    does, `announced` another name that it may be called by.  Raises PatchError where it is open to others without peers.
    """

    def __init__(self, host: str, peers: Iterable[str] = ()) -> None:
        self.peers = [network(p) for p in peers]
        self.open = host not in LOOPBACK and not _ip(host, "0.0.0.0").is_loopback
        if self.open and not self.peers:
            raise PatchError(f"the web server cannot be open at {host} without peers; name the addresses or networks")
        self.names = {*LOOPBACK, host.lower()} - {"", "0.0.0.0", "::"}
        self.address = (host, 0)
        self.announced = ""

    def check(self, request: web.BaseRequest) -> None:
        """Raises Refused for strangers, for a name that is not ours and for pages of other sites.

        A page whose own name was made to point at this machine sends that name as Host.
        """
        peername = request.transport and request.transport.get_extra_info("peername")
        remote = _ip(peername[0] if peername else "", "0.0.0.0")
        if not remote.is_loopback and not any(remote in network for network in self.peers):
            raise Refused(403, f"{remote} is none of the peers")
        local = self.local(request)
        host = request.headers.get("Host", "")
        if not self._ours(host, local):
            raise Refused(403, f"{show(host)} is not the name of this server")
        origin = request.headers.get("Origin")
        if origin is not None and not (origin.startswith("http://") and self._ours(origin[7:], local)):
            raise Refused(403, f"pages of {show(origin)} may not come here")
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise Refused(403, "pages of other sites may not come here")

    def local(self, request: web.BaseRequest) -> str:
        """The address of ours that a request reached."""
        name = request.transport and request.transport.get_extra_info("sockname")
        return str(_ip(name[0] if name else "", self.address[0]))

    def _ours(self, host: str, local: str) -> bool:
        """Whether "name:port" of a request means this server."""
        found = _host.match(host)
        if not found or int(found[2] or 80) != self.address[1]:
            return False
        name = found[1].strip("[]").lower().rstrip(".")
        return name in self.names or name in (local, self.announced)


def _ip(text: str, otherwise: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IP address of a host, IPv4 where it is one in IPv6's clothes; `otherwise` where it is a name."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ipaddress.ip_address(otherwise if otherwise != text and otherwise else "0.0.0.0")
    return getattr(found, "ipv4_mapped", None) or found
