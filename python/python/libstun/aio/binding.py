"""Bindings that are kept alive, and what else goes on when its connection is lost."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

from .._native import Path
from ..aliases import Address
from ..enums import FailureReason, SendError, Transport
from ..errors import StateError, UnknownOperationError
from ..events import AddressChanged, Event, Failed, Failure, Mapped, Reconnect, Redirected, Refreshed, Retrying
from .driver import Driver, Link
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

    def __init__(
        self,
        driver: Driver,
        id: int,
        dialers: Mapping[int | None, Dialer | None] | None = None,
        links: Mapping[int | None, Link | None] | None = None,
    ) -> None:
        """Both by the relay of a pool that they are for, or None. The links are its own, and closed with it."""
        super().__init__(driver, id)
        self._dialers = dict(dialers or {})
        self._links = {relay: link for relay, link in (links or {}).items() if link is not None}
        self._reconnecting: dict[int | None, asyncio.Task[None]] = {}
        self._released: list[Link] = []

    def cancel(self) -> None:
        try:
            super().cancel()
        finally:
            links, self._links = list(self._links.values()), {}
            self._released += links
            for link in links:
                self._driver.release(link)

    async def released(self) -> None:
        """Waits until its own sockets and connections are closed, after it was cancelled."""
        for link in self._released:
            await link.close()

    def _notice(self, event: Event) -> None:
        super()._notice(event)
        if isinstance(event, Reconnect):
            self._start_reconnecting(event)

    def _start_reconnecting(self, event: Reconnect) -> None:
        before = self._reconnecting.pop(event.relay, None)
        if before is not None:
            before.cancel()
        self._reconnecting[event.relay] = self._spawn(self._reconnect(event))

    async def _reconnect(self, event: Reconnect) -> None:
        old = self._links.pop(event.relay, None)
        if old is not None:
            await self._driver.remove(old)
        link, path = await self._connected(event)
        try:
            self._driver.core.reconnected(self.id, path, self._driver.now(), relay=event.relay)
        except UnknownOperationError:
            self._driver.release(link)  # it has ended
        else:
            self._links[event.relay] = link
        self._driver.flush()

    async def _connected(self, event: Reconnect) -> tuple[Link, Path]:
        """Another connection, when there is one: until then each failure is told, as those of requests are."""
        wait = RECONNECT_FIRST
        while True:
            try:
                return await self._connect(event)
            except OSError as error:
                self._tell(event, error, wait)
            await asyncio.sleep(wait)
            wait = min(wait * 2, RECONNECT_LONGEST)

    def _tell(self, event: Reconnect, error: OSError, wait: float) -> None:
        text = f"no connection to {event.server[0]} port {event.server[1]}: {error}"
        # The numbers of errors of TLS are none of the system's.
        detail = SendError.TRANSIENT if isinstance(error, ssl.SSLError) else SendError.of(error)
        failure = Failure(reason=FailureReason.SEND_FAILED, detail=detail, text=text)
        at_ns = self._driver.now() + round(wait * 1e9)
        self._driver.publish(Retrying(id=self.id, relay=event.relay, failure=failure, at_ns=at_ns, text=text))

    async def _connect(self, event: Reconnect) -> tuple[Link, Path]:
        if event.transport == Transport.UDP:
            scope_id = event.local[3] if len(event.local) == 4 else 0
            link = await private_socket(self._driver, event.local[0], scope_id)
            return link, Path(event.server, local=link.local, socket_id=link.socket_id)
        dialer = self._dialers.get(event.relay) or Dialer(self._driver, event.transport)
        connection = await dialer.dial([event.server])
        return connection, connection.path


class Binding(Lasting):
    """A binding that is kept alive. Iterate over it for what happens to it."""

    def __init__(
        self, driver: Driver, id: int, server: Address, dialer: Dialer | None = None, link: Link | None = None
    ) -> None:
        super().__init__(driver, id, {None: dialer}, {None: link})
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
