"""UDP sockets as an agent sees them: its own ones, and those that it shares with another protocol."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any, Protocol

from .._native import Transmit
from ..aliases import Address
from ..enums import Transport
from . import icmp
from .names import plain

__all__ = ["Receiver", "SharedProtocol", "UdpSocket"]

READ_BATCH = 64
"""Datagrams read from a socket before the rest of the program has its turn."""

MAX_DATAGRAM = 65536


class Receiver(Protocol):
    """Who is told what arrives on a socket."""

    def receive(self, source: UdpSocket, data: bytes, remote: Address) -> bool:
        """A datagram. False if it is another protocol's."""

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
        if self.tap is not None and self.tap.error_received():
            return
        if self.application is not None:
            self.application.error_received(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.tap is not None:
            self.tap.connection_lost()
        if self.application is not None:
            self.application.connection_lost(exc)

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

    @classmethod
    async def open(cls, sock: socket.socket, socket_id: int, receiver: Receiver) -> UdpSocket:
        """Takes over a socket that is bound, and closes it in the end."""
        sock.setblocking(False)
        self = cls(sock, socket_id, receiver)
        loop = asyncio.get_running_loop()

        # A reader of our own wherever the loop has readers. uvloop's datagram transport crashes the interpreter when
        # there is something in the socket's error queue, and asyncio's gives an error without its destination.
        def watch() -> None:
            loop.remove_reader(sock.fileno())
            loop.add_reader(sock.fileno(), self._readable)

        try:
            watch()
        except NotImplementedError:
            protocol = SharedProtocol()
            protocol.tap = self
            transport, _ = await loop.create_datagram_endpoint(lambda: protocol, sock=sock)
            self._gone = loop.create_future()
            self._release = transport.abort
            return self
        self._queues_errors = icmp.enable(sock)
        self._watch = watch

        def release() -> None:
            loop.remove_reader(sock.fileno())
            sock.close()

        self._release = release
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
        sock.setblocking(False)
        self = cls(sock, socket_id, receiver)
        # See open(): on a transport of uvloop's errors have to stay unknown.
        if not type(transport).__module__.startswith("uvloop"):
            self._queues_errors = icmp.enable(sock)
        protocol.tap = self

        def release() -> None:
            protocol.tap = None
            if self._queues_errors:
                icmp.disable(sock)
                icmp.drain(sock)
            sock.close()

        self._release = release
        return self

    def carries(self, transmit: Transmit) -> bool:
        """Whether a packet is for this socket."""
        return transmit.local == self.local and transmit.transport == Transport.UDP

    def send(self, data: bytes, remote: Address) -> None:
        """Sends at once, or raises OSError. What the socket has no room for is lost, as datagrams may be."""
        try:
            self._sock.sendto(data, remote)
        except BlockingIOError:
            return
        except OSError:
            # Linux reports an ICMP error of an earlier datagram with whatever call comes next.
            if not self._queues_errors or not self._drain()[0]:
                raise
            with contextlib.suppress(BlockingIOError):
                self._sock.sendto(data, remote)

    def datagram_received(self, data: bytes, remote: Any) -> bool:
        """What a transport has read."""
        return self._receiver.receive(self, data, plain(remote))

    def error_received(self) -> bool:
        """A transport has met an error. True if it was about what the agent has sent, and nothing else."""
        if not self._queues_errors:
            return False
        count, others = self._drain()
        return count > 0 and not others

    def connection_lost(self) -> None:
        """A transport is closed."""
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
        else:
            self._receiver.closed(self)

    async def close(self) -> None:
        """Lets go of the socket, which is closed then unless it is shared."""
        release, self._release = self._release, lambda: None
        release()
        if self._gone is not None:
            await self._gone

    def _readable(self) -> None:
        for turn in range(READ_BATCH):
            try:
                data, remote = self._sock.recvfrom(MAX_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                if turn == 0:
                    self._recover()  # readable only for what is in the error queue
                return
            except OSError:
                self._recover()
                continue
            self._receiver.receive(self, data, plain(remote))
            if self._sock.fileno() < 0:
                return  # closed by what it led to

    def _recover(self) -> None:
        self._drain()
        if self._sock.fileno() >= 0:
            self._watch()  # libuv, which is uvloop's, stops watching a socket that has had an error

    def _drain(self) -> tuple[int, bool]:
        """Empties the error queue. How many errors there were, and whether any was another protocol's."""
        count, bounces = icmp.drain(self._sock)
        claimed = [self._receiver.bounced(self, bounce) for bounce in bounces]
        return count, not all(claimed)
