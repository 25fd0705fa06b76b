"""UDP sockets as an agent sees them: its own ones, and those that it shares with another protocol."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable
from typing import Any, Protocol

from .._native import Transmit
from ..aliases import Address, AddressLike
from ..enums import Transport
from . import icmp, pktinfo
from .names import is_ipv6, literal, parse_local, plain

__all__ = ["Receiver", "SharedProtocol", "UdpSocket", "bound_socket"]

READ_BATCH = 64
"""Datagrams read from a socket before the rest of the program has its turn."""

MAX_DATAGRAM = 65536

MAX_ASKED = 1024
"""Requests that are remembered of a shared socket, in case that it is closed."""

HEADER = 20
"""Bytes of the header of a STUN message, with its transaction id."""

MAGIC_COOKIE = bytes.fromhex("2112a442")

WILDCARDS = ("0.0.0.0", "::")
"""What a socket is bound to that takes what comes to any address of the host."""


class Receiver(Protocol):
    """Who is told what arrives on a socket."""

    def receive(self, source: UdpSocket, data: bytes, remote: Address, local: Address) -> bool:
        """A datagram, and where it came to. False if it is another protocol's."""

    def bounced(self, source: UdpSocket, bounce: icmp.Bounce) -> bool:
        """A datagram came back. False if it was another protocol's."""

    def closed(self, source: UdpSocket) -> None:
        """The socket is closed, and not by its owner."""


class SharedProtocol(asyncio.DatagramProtocol):
    """Puts an agent in front of the `DatagramProtocol` of an application, on one socket.

        transport, shared = await loop.create_datagram_endpoint(
            lambda: aio.SharedProtocol(Application()), local_addr=("0.0.0.0", 5000)
        )
        async with aio.open_agent(protocol=shared) as agent:
            mapped = await agent.binding("stun.example.org")

    What arrives goes to the agent, and to the application whatever the agent does not claim. The application sends with
    its transport as ever, and owns it: without an agent, and when the agent is closed, everything is the application's.
    So are the ICMP errors of what the application has sent: on Linux it is told all of them while there is an agent,
    but for those that quote STUN of its own, which count as the agent's.
    When it closes its transport, what the agent has asked from there fails.
    """

    def __init__(self, application: asyncio.DatagramProtocol | None = None) -> None:
        self.application = application
        self.transport: asyncio.DatagramTransport | None = None
        self.tap: UdpSocket | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # as in typeshed
        self.transport = transport
        if self.application is not None:
            self.application.connection_made(transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self.tap is not None and self.tap.datagram_received(data, addr):
            return
        if self.application is not None:
            self.application.datagram_received(data, addr)

    def error_received(self, exc: Exception) -> None:
        if self.tap is not None and self.tap.error_received(exc):
            return
        if self.application is not None:
            self.application.error_received(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.tap is not None:
            self.tap.connection_lost()
        if self.application is not None:
            self.application.connection_lost(exc)

    def bounced(self, error: OSError) -> None:
        """What the application has sent has come back. For the agent."""
        if self.application is not None and self.transport is not None and not self.transport.is_closing():
            self.application.error_received(error)

    def pause_writing(self) -> None:
        if self.application is not None:
            self.application.pause_writing()

    def resume_writing(self) -> None:
        if self.application is not None:
            self.application.resume_writing()


class UdpSocket:
    """One UDP socket of an agent, known to it by `socket_id`."""

    transport_kind = Transport.UDP

    def __init__(self, sock: socket.socket, socket_id: int, receiver: Receiver) -> None:
        self.socket_id = socket_id
        self.family = sock.family
        self.local = plain(sock.getsockname())
        self.is_private = False
        """Whether it is for one operation only."""
        self._sock = sock
        self._receiver = receiver
        self._release: Callable[[], None] = lambda: None
        self._watch: Callable[[], None] = lambda: None
        self._gone: asyncio.Future[None] | None = None
        self._queues_errors = False
        self._knows_local = False
        self._is_lost = False
        self._asked: dict[bytes, Address] | None = None
        """Of a shared socket the headers of requests, and whom they went to."""
        self._tell_owner: Callable[[OSError], object] = lambda _: None

    @classmethod
    async def open(cls, sock: socket.socket, socket_id: int, receiver: Receiver) -> UdpSocket:
        """Takes over a socket, binds it to any port of all addresses if it is not bound, and closes it in the end.

        Raises ValueError if it is no UDP socket, OSError if it cannot be bound.
        """
        _check(sock)
        _bind(sock)
        try:
            return cls.open_now(sock, socket_id, receiver)
        except NotImplementedError:
            self = cls(sock, socket_id, receiver)
        loop = asyncio.get_running_loop()
        protocol = SharedProtocol()
        protocol.tap = self
        transport, _ = await loop.create_datagram_endpoint(lambda: protocol, sock=sock)
        self._gone = loop.create_future()
        self._release = transport.abort
        return self

    @classmethod
    def open_now(cls, sock: socket.socket, socket_id: int, receiver: Receiver) -> UdpSocket:
        """The same, on loops that have readers; else it raises NotImplementedError.

        A reader of our own wherever there are some: uvloop's datagram transport crashes the interpreter when there is
        something in the socket's error queue, and asyncio's gives an error without its destination.
        """
        sock.setblocking(False)
        self = cls(sock, socket_id, receiver)
        loop = asyncio.get_running_loop()

        def watch() -> None:
            loop.remove_reader(sock.fileno())
            loop.add_reader(sock.fileno(), self._readable)

        def release() -> None:
            if sock.fileno() >= 0:
                loop.remove_reader(sock.fileno())
            sock.close()

        watch()
        self._queues_errors = icmp.enable(sock)
        self._knows_local = self.local[0] in WILDCARDS and pktinfo.enable(sock)
        self._watch, self._release = watch, release
        return self

    @classmethod
    def share(cls, protocol: SharedProtocol, socket_id: int, receiver: Receiver) -> UdpSocket:
        """Puts itself in front of an application's protocol. Raises ValueError if that is not possible."""
        transport = protocol.transport
        if transport is None or transport.is_closing():
            raise ValueError("the shared protocol has no open transport: give it to create_datagram_endpoint() first")
        if protocol.tap is not None:
            raise ValueError("the shared protocol has an agent already")
        sock = transport.get_extra_info("socket").dup()
        try:
            _check(sock)
        except ValueError:
            sock.close()
            raise
        sock.setblocking(False)
        self = cls(sock, socket_id, receiver)
        # See open(): on a transport of uvloop's errors have to stay unknown.
        if not type(transport).__module__.startswith("uvloop"):
            self._queues_errors = icmp.enable(sock)
        protocol.tap = self
        self._asked = {}
        loop = asyncio.get_running_loop()
        self._tell_owner = lambda error: loop.call_soon(protocol.bounced, error)

        def release() -> None:
            protocol.tap = None
            if self._queues_errors:
                self._drain()
                icmp.disable(sock)
            sock.close()

        self._release = release
        return self

    def carries(self, transmit: Transmit) -> bool:
        """Whether a packet is for this socket."""
        if transmit.transport != Transport.UDP:
            return False
        if not self._knows_local:
            return transmit.local == self.local
        return transmit.local[1] == self.local[1] and len(transmit.local) == len(self.local)

    def send(self, data: bytes, remote: Address, local: Address) -> None:
        """Sends at once, or raises OSError. What the socket has no room for is lost, as datagrams may be."""
        if self._is_lost:
            raise BrokenPipeError(errno.EPIPE, "the application has closed the socket")
        if self._asked is not None and _is_request(data):
            self._remember(self._asked, data[:HEADER], remote)
        try:
            self._send(data, remote, local)
        except BlockingIOError:
            return
        except OSError:
            # Linux reports an ICMP error of an earlier datagram with whatever call comes next.
            if not self._queues_errors or self._drain() is None:
                raise
            with contextlib.suppress(BlockingIOError):
                self._send(data, remote, local)

    def datagram_received(self, data: bytes, remote: Any) -> bool:
        """What a transport has read."""
        return self._receiver.receive(self, data, plain(remote), self.local)

    def error_received(self, error: Exception) -> bool:
        """A transport has met an error. True if it was one of those in the queue, each of which is told to whom it
        concerns; else it is the application's."""
        if not self._queues_errors or not isinstance(error, OSError):
            return False
        return error.errno in (self._drain() or ())

    def connection_lost(self) -> None:
        """A transport is closed."""
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
            return
        self._is_lost = True
        self._receiver.closed(self)
        asked, self._asked = self._asked or {}, None
        for header, remote in asked.items():
            error = BrokenPipeError(errno.EPIPE, "the application has closed the socket")
            self._receiver.bounced(self, icmp.Bounce(destination=remote, error=error, data=header))

    def release(self) -> None:
        """Lets go of the socket, which is closed then unless it is shared."""
        release, self._release = self._release, lambda: None
        release()

    async def close(self) -> None:
        """The same, and waits until the loop has nothing to do with it any more."""
        self.release()
        if self._gone is not None:
            await asyncio.wait([self._gone])  # which leaves it alone if whoever waits is cancelled

    def _readable(self) -> None:
        for turn in range(READ_BATCH):
            try:
                data, remote, local = self._read()
            except (BlockingIOError, InterruptedError):
                if turn == 0:
                    self._recover()  # readable only for what is in the error queue
                return
            except OSError:
                self._recover()
                continue
            self._receiver.receive(self, data, plain(remote), local)
            if self._sock.fileno() < 0:
                return  # closed by what it led to

    def _read(self) -> tuple[bytes, Any, Address]:
        if not self._knows_local:
            return (*self._sock.recvfrom(MAX_DATAGRAM), self.local)
        data, ancillary, _, remote = self._sock.recvmsg(MAX_DATAGRAM, pktinfo.ANCILLARY)
        return data, remote, pktinfo.destination(ancillary, self.local)

    def _send(self, data: bytes, remote: Address, local: Address) -> None:
        if self._knows_local and local[0] not in WILDCARDS:
            pktinfo.send_from(self._sock, data, remote, local)
        else:
            self._sock.sendto(data, remote)

    def _recover(self) -> None:
        self._drain()
        if self._sock.fileno() >= 0:
            self._watch()  # libuv, which is uvloop's, stops watching a socket that has had an error

    def _drain(self) -> set[int | None] | None:
        """Empties the error queue, and tells each whom it concerns. Their numbers, or `None` if there was none."""
        count, bounces = icmp.drain(self._sock)
        for bounce in bounces:
            if not self._claim(bounce):
                self._tell_owner(bounce.error)
        return {bounce.error.errno for bounce in bounces} if count else None

    def _claim(self, bounce: icmp.Bounce) -> bool:
        """Whether it was the agent's datagram."""
        if bounce.is_hard and self._receiver.bounced(self, bounce):
            return True
        is_stun = len(bounce.data) >= HEADER and bounce.data[0] < 0x40 and bounce.data[4:8] == MAGIC_COOKIE
        if is_stun or self._asked is None:
            return True
        is_channel = 0x40 <= int.from_bytes(bounce.data[:1], "big") < 0x50
        return is_channel and plain(bounce.destination) in self._asked.values()

    def _remember(self, asked: dict[bytes, Address], header: bytes, remote: Address) -> None:
        asked.pop(header, None)  # the latest is the last
        asked[header] = remote
        if len(asked) > MAX_ASKED:
            del asked[next(iter(asked))]


def bound_socket(local: str | AddressLike) -> socket.socket:
    """A socket at that address. Raises OSError if it cannot be bound, ValueError for a name."""
    address = literal(parse_local(local))
    assert address is not None  # or parse_local() has raised
    family = socket.AF_INET6 if is_ipv6(address) else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot bind {address[0]} port {address[1]}: {error.strerror}") from None
    return sock


def _check(sock: socket.socket) -> None:
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_DGRAM:
        raise ValueError(f"an agent needs UDP sockets, and this is one of {sock.family!r}, {sock.type!r}")


def _bind(sock: socket.socket) -> None:
    try:
        is_bound = sock.getsockname()[1] != 0
    except OSError:  # as Windows says it
        is_bound = False
    if not is_bound:
        sock.bind(("::" if sock.family == socket.AF_INET6 else "0.0.0.0", 0))


def _is_request(data: bytes) -> bool:
    """Whether it is a STUN request, whose answer is waited for."""
    return len(data) >= HEADER and data[0] & 0xC1 == 0 and data[1] & 0x10 == 0
