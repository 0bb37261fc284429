"""A UDP socket that is emptied many packets at a time, and knows who may talk to it.

Each call of Python gives the GIL away and has to wait for it again, so on Linux one `recvmmsg` takes up to `BATCH`
packets; elsewhere a loop does.
"""

from __future__ import annotations

import ctypes
import errno
import ipaddress
import select
import socket
import struct
import sys
from collections.abc import Iterable

from graph import PatchError

BATCH = 512  # packets a system call
STRIDE = 1 << 16  # bytes for a packet; a page is real only once something was written to it
BUFFER = 8 << 20  # bytes asked of the kernel: what it keeps while nobody reads
NAME = 28  # bytes of a sender's address, IPv4 or IPv6
SENDERS = 4096  # kept decoded
SO_RCVBUFFORCE, SO_MEMINFO, MSG_TRUNC = 33, 55, 0x20


class _Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Header(ctypes.Structure):  # struct mmsghdr
    _fields_ = [
        ("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p), ("vector_n", ctypes.c_size_t),
        ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_size_t), ("length", ctypes.c_size_t),
    ]  # fmt: skip


class Socket:
    """A bound UDP socket.  `peers` are addresses or networks that may talk to it beside this machine.

    Raises PatchError where the port is taken, the host is not this machine's, or it is open to others without peers.
    """

    def __init__(self, host: str, port: int, peers: Iterable[str] = ()) -> None:
        self.peers = [network(p) for p in peers]
        where = f"OSC cannot listen at {host} port {port}"
        try:
            family, _, _, _, place = sorted(socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM))[0]
        except (OSError, UnicodeError):
            raise PatchError(f"{where}: no such host") from None
        self.open = not ipaddress.ip_address(str(place[0]).partition("%")[0]).is_loopback
        if self.open and not self.peers:
            raise PatchError(f"{where} without peers; name the addresses or networks that may talk to it")
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self.socket.setblocking(False)
            self._grow()
            self.socket.bind(place)
        except OSError as e:
            self.socket.close()
            taken = f"{where}: the port is taken by another program; choose another"
            raise PatchError(taken if e.errno == errno.EADDRINUSE else f"{where}: {(e.strerror or str(e)).lower()}") from None
        name = self.socket.getsockname()
        self.address: tuple[str, int] = name[0], name[1]
        self._poll = select.poll()
        self._poll.register(self.socket, select.POLLIN)
        self._senders: dict[bytes, tuple[str, int] | None] = {}
        self._mmsg = sys.platform == "linux" and ctypes.sizeof(_Header) == 64
        if self._mmsg:
            self._prepare()

    def _grow(self) -> None:
        """Asks for a large buffer: by force where we may, else as large as allowed."""
        for option in (SO_RCVBUFFORCE, socket.SO_RCVBUF) if sys.platform == "linux" else (socket.SO_RCVBUF,):
            try:
                self.socket.setsockopt(socket.SOL_SOCKET, option, BUFFER)
                return
            except OSError:
                continue

    def _prepare(self) -> None:
        self._recvmmsg = ctypes.CDLL(None, use_errno=True).recvmmsg
        self._data = bytearray(BATCH * STRIDE)
        self._names = bytearray(BATCH * NAME)
        data, names = ((ctypes.c_char * len(b)).from_buffer(b) for b in (self._data, self._names))
        at, name_at = ctypes.addressof(data), ctypes.addressof(names)
        self._vectors = (_Vector * BATCH)(*(_Vector(at + i * STRIDE, STRIDE) for i in range(BATCH)))
        vectors = ctypes.addressof(self._vectors)
        self._headers = (_Header * BATCH)(
            *(_Header(name_at + i * NAME, NAME, vectors + i * ctypes.sizeof(_Vector), 1) for i in range(BATCH))
        )
        self._written = memoryview(self._headers).cast("B")
        self._fresh = bytes(self._headers)  # the kernel writes lengths into the headers
        self._view = memoryview(self._data)
        self._lengths = self._written.cast("I")

    def wait(self, seconds: float) -> bool:
        """Whether something has come, at most `seconds` later."""
        return bool(self._poll.poll(max(seconds, 0.0) * 1000.0))

    def take(self) -> list[tuple[bytes, bytes]]:
        """Up to `BATCH` packets that wait, each with its sender as `sender` reads it.  Never blocks."""
        if not self._mmsg:
            return self._loop()
        self._written[:] = self._fresh
        n = self._recvmmsg(self.socket.fileno(), self._headers, BATCH, socket.MSG_DONTWAIT, None)
        if n <= 0:
            return []
        lengths, view, names = self._lengths.tolist()[14 : 16 * n : 16], self._view, bytes(self._names)
        starts = range(0, n * STRIDE, STRIDE)
        name = range(0, n * NAME, NAME)
        return [(view[s : s + k].tobytes(), names[a : a + NAME]) for s, k, a in zip(starts, lengths, name, strict=True)]

    def _loop(self) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        for _ in range(BATCH):
            try:
                data, place = self.socket.recvfrom(STRIDE)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:  # an answer of ours met a closed port
                continue
            name = repr(place).encode()
            self._know(name, (place[0], place[1]))
            found.append((data, name))
        return found

    def sender(self, name: bytes) -> tuple[str, int] | None:
        """Host and port of a sender, None for a stranger who gets no answer."""
        try:
            return self._senders[name]
        except KeyError:
            family, port = struct.unpack_from("=H", name)[0], struct.unpack_from("!H", name, 2)[0]
            v4 = family == socket.AF_INET
            host = socket.inet_ntop(socket.AF_INET, name[4:8]) if v4 else socket.inet_ntop(socket.AF_INET6, name[8:24])
            return self._know(name, (host, port))

    def _know(self, name: bytes, place: tuple[str, int]) -> tuple[str, int] | None:
        if len(self._senders) >= SENDERS:
            self._senders.clear()
        address = ipaddress.ip_address(place[0].partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        welcome = address.is_loopback or (self.open and any(address in network for network in self.peers))
        self._senders[name] = place if welcome else None
        return self._senders[name]

    def send(self, data: bytes, place: tuple[str, int]) -> bool:
        """Sends a packet; one that cannot leave at once is dropped.  Any thread may call it."""
        try:
            self.socket.sendto(data, place)
        except OSError:
            return False
        return True

    def lost(self) -> int:
        """Packets that the kernel had no room for, so far; 0 where it does not say (only Linux does)."""
        try:
            return int(struct.unpack("9I", self.socket.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))[8])
        except (OSError, struct.error):
            return 0

    def close(self) -> None:
        """Closes it; nobody may be inside `take` or `wait`."""
        self.socket.close()


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """An address or a network that a user lists as a peer.  Raises PatchError."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise PatchError(f"{text} is no address and no network such as 192.168.1.0/24") from None
