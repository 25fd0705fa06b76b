"""TCP and TLS connections to servers."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from .._native import Path, Transmit
from ..aliases import Address
from ..enums import Transport
from ..errors import StateError, UnknownOperationError
from ..events import Close, Event
from .driver import Driver
from .names import plain

__all__ = ["Connection", "Dialer"]

ATTEMPT_DELAY = 0.25
"""Seconds until the next address is tried beside those before (RFC 8305 s5)."""


class Connection(asyncio.Protocol):
    """One connection over which packets of the agent's travel as frames."""

    def __init__(self, driver: Driver, transport_kind: Transport) -> None:
        self.socket_id = driver.new_socket_id()
        self.transport_kind = transport_kind
        self.local: Address = ("0.0.0.0", 0)
        self.remote: Address = ("0.0.0.0", 0)
        self.id: int | None = None
        self._driver = driver
        self._transport: asyncio.Transport | None = None
        self._is_lost = driver.loop.create_future()

    @property
    def path(self) -> Path:
        """What operations over it are started on."""
        return Path(self.remote, local=self.local, transport=self.transport_kind, socket_id=self.socket_id)

    def start(self) -> None:
        """The agent may use it from now on."""
        self.id = self._driver.core.open_stream(self.path, self._driver.now())
        self._driver.add(self)
        self._driver.operations[self.id] = self

    def carries(self, transmit: Transmit) -> bool:
        """Whether a packet is for this connection."""
        ends = (transmit.local, transmit.remote, transmit.transport)
        return ends == (self.local, self.remote, self.transport_kind)

    def send(self, data: bytes, remote: Address, local: Address) -> None:
        """Writes a frame."""
        if self._transport is None or self._transport.is_closing():
            raise BrokenPipeError(errno.EPIPE, "the connection is closed")
        self._transport.write(data)

    def release(self) -> None:
        """Closes it at once."""
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """The same, and waits until the loop has nothing to do with it any more."""
        self.release()
        if self._transport is not None:
            await asyncio.wait([self._is_lost])  # which leaves it alone if whoever waits is cancelled

    def push(self, event: Event) -> None:
        """The agent tells of it."""
        if isinstance(event, Close) and self._transport is not None:
            self._transport.close()

    def end(self) -> None:
        """The agent is closed, and closes it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not derived from it
        self.local = plain(transport.get_extra_info("sockname"))
        self.remote = plain(transport.get_extra_info("peername"))

    def data_received(self, data: bytes) -> None:
        if self.id is None or self._driver.is_closed:
            return
        try:
            with self._driver.ending_at_bugs():
                arrived = self._driver.core.handle_stream(self.id, data, self._driver.now())
        except UnknownOperationError:
            return  # it was broken before, and is being closed
        for of_peer in arrived:
            self._driver.deliver(of_peer)
        self._driver.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._is_lost.done():
            self._is_lost.set_result(None)
        if self.id is None or self._driver.is_closed:
            return
        self._driver.links.pop(self.socket_id, None)
        self._driver.operations.pop(self.id, None)
        with contextlib.suppress(UnknownOperationError):
            self._driver.core.close_stream(self.id, self._driver.now())
        self._driver.flush()


@dataclass(frozen=True)
class Dialer:
    """Opens connections to one server, again if need be."""

    driver: Driver
    transport: Transport
    context: ssl.SSLContext | None = None
    """For TLS; `None` is a default one, which checks certificates."""
    server_hostname: str | None = None
    """What the certificate has to be for."""

    async def dial(self, addresses: Sequence[Address]) -> Connection:
        """A connection to one of the addresses, which are tried one after the other without much waiting.

        Raises OSError (`ssl.SSLError` is one) if none can be reached: what the last one has met.
        """
        self.driver.now()  # a closed agent says so
        attempts: list[asyncio.Task[Connection]] = []
        won: Connection | None = None
        try:
            won = await self._first(addresses, attempts)
            won.start()
        except BaseException:
            won = None
            raise
        finally:
            # Without an await, where what was opened would be lost if the task is cancelled.
            for attempt in attempts:
                attempt.cancel()
                attempt.add_done_callback(_discard(keep=won))
        self.driver.flush()
        return won

    async def _first(self, addresses: Sequence[Address], attempts: list[asyncio.Task[Connection]]) -> Connection:
        """The first connection that can be had. Appends to `attempts` every one that it starts."""
        remaining = list(addresses)
        running: set[asyncio.Task[Connection]] = set()
        error: OSError = ConnectionError("no address to connect to")
        while remaining or running:
            if remaining:
                attempts.append(self.driver.spawn(self._attempt(remaining.pop(0))))
                running.add(attempts[-1])
            wait = ATTEMPT_DELAY if remaining else None
            done, running = await asyncio.wait(running, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            for attempt in done:
                if attempt.cancelled():
                    raise StateError("the agent is closed")
                try:
                    return attempt.result()
                except OSError as failure:
                    error = failure
        raise error

    async def _attempt(self, address: Address) -> Connection:
        connection = Connection(self.driver, self.transport)
        context: ssl.SSLContext | None = None
        if self.transport == Transport.TLS:
            context = self.context or ssl.create_default_context()
        await self.driver.loop.create_connection(
            lambda: connection,
            address[0],
            address[1],
            ssl=context,
            server_hostname=(self.server_hostname or address[0]) if context else None,
        )
        return connection


def _discard(*, keep: Connection | None) -> Callable[[asyncio.Task[Connection]], None]:
    """Closes what an attempt that has lost has opened in the same turn as the one that has won."""

    def done(attempt: asyncio.Task[Connection]) -> None:
        if attempt.cancelled() or attempt.exception() is not None:
            return
        if attempt.result() is not keep:
            attempt.result().release()

    return done
