"""Bindings that are kept alive, and what else goes on when its connection is lost."""

from __future__ import annotations

import asyncio

from .._native import Path
from ..aliases import Address
from ..enums import Transport
from ..errors import StateError, UnknownOperationError
from ..events import AddressChanged, Event, Failed, Mapped, Reconnect, Redirected, Refreshed, Retrying
from .driver import Driver, Link, logger
from .errors import OperationFailed
from .operation import Operation
from .sockets import private_socket
from .stream import Dialer

__all__ = ["Binding", "Lasting"]

RECONNECT_FIRST = 1.0
RECONNECT_LONGEST = 60.0
"""Seconds between two attempts to connect to a server that is gone; they double in between."""


class Lasting(Operation):
    """An operation that outlives connections: when it asks for another one, it gets it."""

    def __init__(self, driver: Driver, id: int, dialer: Dialer | None = None, link: Link | None = None) -> None:
        super().__init__(driver, id)
        self._dialer = dialer
        self._link = link
        self._releasing: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        super().cancel()
        link, self._link = self._link, None
        if link is not None and not self._driver.is_closed:
            self._releasing = self._driver.spawn(self._driver.remove(link))

    async def released(self) -> None:
        """Waits until its own socket or connection is closed, after it was cancelled."""
        if self._releasing is not None:
            await self._releasing

    def _notice(self, event: Event) -> None:
        super()._notice(event)
        if isinstance(event, Reconnect):
            self._driver.spawn(self._reconnect(event))

    async def _reconnect(self, event: Reconnect) -> None:
        old, self._link = self._link, None
        if old is not None:
            await self._driver.remove(old)
        link, path = await self._connected(event)
        if self._has_ended:
            await self._driver.remove(link)
            return
        self._link = link
        try:
            self._driver.core.reconnected(self.id, path, self._driver.now())
        except UnknownOperationError:
            await self._driver.remove(link)
            self._link = None
        self._driver.flush()

    async def _connected(self, event: Reconnect) -> tuple[Link, Path]:
        wait = RECONNECT_FIRST
        while True:
            try:
                return await self._connect(event)
            except OSError as error:
                logger.debug("no connection to %s: %s", event.server[0], error)
            await asyncio.sleep(wait)
            wait = min(wait * 2, RECONNECT_LONGEST)

    async def _connect(self, event: Reconnect) -> tuple[Link, Path]:
        if event.transport == Transport.UDP:
            link = await private_socket(self._driver, event.local[0])
            return link, Path(event.server, local=link.local, socket_id=link.socket_id)
        dialer = self._dialer or Dialer(self._driver, event.transport)
        connection = await dialer.dial([event.server])
        return connection, connection.path


class Binding(Lasting):
    """A binding that is kept alive. Iterate over it for what happens to it."""

    def __init__(
        self, driver: Driver, id: int, server: Address, dialer: Dialer | None = None, link: Link | None = None
    ) -> None:
        super().__init__(driver, id, dialer, link)
        self.server = server
        """Who is asked."""
        self.address: Address | None = None
        """The public address, as the server saw it last; `None` until it has."""
        self.rtt_ns: int | None = None
        """The last round trip, where it is known."""

    async def mapped(self) -> Address:
        """Waits for the address. Raises OperationFailed if the first attempt to ask for it fails."""
        return await self.until(self._mapped)

    def _mapped(self) -> Address | None:
        if self.address is None and self._failure is not None:
            raise OperationFailed(self._failure.failure)
        if self.address is None and self._has_ended:
            raise StateError("the binding was cancelled")
        return self.address

    def _notice(self, event: Event) -> None:
        super()._notice(event)
        match event:
            case Mapped() | Refreshed() | AddressChanged():
                self.address, self.rtt_ns, self._failure = event.address, event.rtt_ns, None
            case Redirected(server=server, awaits_answer=False):
                self.server = server
            case Failed() | Retrying():
                self._failure = event
