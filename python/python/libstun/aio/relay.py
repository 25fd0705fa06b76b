"""A relayed address at a TURN server, as a socket that lies there."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING

from .._native import PeerData
from ..aliases import Address, AddressLike, Host
from ..config import Credentials
from ..enums import AuthenticationFailure, CredentialsNeed, FailureReason
from ..errors import StateError, UnknownOperationError
from ..events import (
    Allocated,
    Closed,
    CredentialsNeeded,
    Event,
    Failed,
    Failure,
    Lost,
    Moved,
    PeerRefused,
    Reconnect,
    Retrying,
)
from ..info import AllocationInfo
from .binding import Lasting
from .driver import Driver, Link
from .errors import OperationFailed
from .stream import Dialer

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["PeerOperation", "PeerSocket", "Relay", "refusal", "rejection"]

ALLOCATION_MISMATCH = 437
"""The error code of a server that has an allocation for those two addresses already (RFC 8656 s19)."""

MAX_PACKETS = 1024
"""Packets of peers that are kept for a reader. What comes beyond is lost, as in the buffer of a socket."""


class PeerSocket(AsyncIterator[tuple[bytes, Address]]):
    """What a relay and a pool of them have in common: `async for data, peer in relay` is what permitted peers send."""

    def __init__(
        self,
        driver: Driver,
        id: int,
        dialers: Mapping[int | None, Dialer | None],
        links: Mapping[int | None, Link | None],
    ) -> None:
        self.dropped = 0
        """Packets of peers that nobody has read in time."""
        self._driver = driver
        self._packets: deque[tuple[bytes, Address]] = deque()
        self._relayed: Address | None = None
        self._additional: Address | None = None
        self._refused: dict[tuple[str, int], Failure] = {}
        self._keys: dict[int | None, list[tuple[str, int]]] = {}
        self.events = PeerOperation(driver, id, self, dialers, links)
        """The operation: iterate over it for events."""

    @property
    def id(self) -> int:
        """The operation's number in the agent."""
        return self.events.id

    @property
    def relayed(self) -> Address:
        """The relayed address, for peers to be told. Raises StateError while there is none."""
        if self._relayed is None:
            raise StateError("there is no relayed address now")
        return self._relayed

    @property
    def additional(self) -> Address | None:
        """The relayed address of the other family, if there are two."""
        return self._additional

    async def permit(self, host: Host | AddressLike, *, timeout: float | None = None) -> None:
        """Lets the host send to the relay, whatever its port, and be sent to. Returns when that is so.

        Raises OperationFailed if the server refuses, TimeoutError after `timeout` seconds.
        """
        key = (_canonical(host[0] if isinstance(host, tuple) else host), 0)
        self._refused.pop(key, None)
        self._driver.core.permit(self.id, host, self._driver.now())
        self._driver.flush()

        def is_permitted() -> bool | None:
            self._check(key)
            return self._driver.core.is_permitted(self.id, (key[0], 1)) or None

        async with asyncio.timeout(timeout):
            await self.events.until(is_permitted)

    async def bind_channel(self, peer: AddressLike, *, timeout: float | None = None) -> int:
        """Permits the peer, and has four bytes of overhead with it instead of 36 or more. Returns the channel's number.

        Raises OperationFailed if the server refuses, TimeoutError after `timeout` seconds.
        """
        key = (_canonical(peer[0]), peer[1])
        self._refused.pop(key, None)
        self._driver.core.bind_channel(self.id, peer, self._driver.now())
        self._driver.flush()

        def number() -> int | None:
            self._check(key)
            return self._driver.core.channel(self.id, peer)

        async with asyncio.timeout(timeout):
            return await self.events.until(number)

    def send(self, data: Buffer, peer: AddressLike) -> None:
        """Sends a packet to a peer that is permitted; StateError if it is not, or there is no relay at the moment.

        As with any datagram, nobody says whether it arrives.
        """
        self._driver.send(self._driver.core.send_to_peer(self.id, peer, data, self._driver.now()))
        self._driver.flush()

    async def close(self, *, timeout: float = 1.0) -> None:
        """Gives the relay back to the server, and waits `timeout` seconds at most until it has taken it."""
        driver = self._driver
        try:
            if self.events.is_running and not driver.is_closed:
                driver.core.close_relay(self.id, driver.now())
                driver.flush()
                async with asyncio.timeout(timeout):
                    await self.events.until(lambda: self.events.last)
        except (TimeoutError, StateError, UnknownOperationError):
            pass  # the server takes back what nobody refreshes
        finally:
            self.events.cancel()
        await self.events.released()

    async def __anext__(self) -> tuple[bytes, Address]:
        return await self.events.until(self._next)

    def _next(self) -> tuple[bytes, Address] | None:
        if self._packets:
            return self._packets.popleft()
        if not self.events.is_running:
            raise StopAsyncIteration
        return None

    def ready(self) -> bool | None:
        """True when there is a relayed address, `None` while there may be one. Else it raises OperationFailed."""
        if self._relayed is not None:
            return True
        if not self.events.is_running and not isinstance(self.events.last, Failed):
            raise StateError("the relay was closed")
        return None

    def arrived(self, data: PeerData) -> None:
        """A peer has sent something. For the driver."""
        if len(self._packets) >= MAX_PACKETS:
            self.dropped += 1
            return
        self._packets.append((data.data, data.peer))
        self.events.wake()

    def noticed(self, event: Event) -> None:
        """Something has happened. For the operation."""

    def ended(self) -> None:
        """Nobody reads any more. For the operation."""
        self._relayed = self._additional = None
        for relay in list(self._keys):
            self._listen(relay)

    def _check(self, key: tuple[str, int]) -> None:
        if not self.events.is_running:
            raise StateError("the relay is closed")
        if key in self._refused:
            raise OperationFailed(self._refused[key])

    def _refuse(self, peer: Address, failure: Failure) -> None:
        self._refused[_canonical(peer[0]), peer[1]] = failure

    def _listen(self, relay: int | None, *addresses: Address | None) -> None:
        """Takes from now on what is sent to those addresses of a relay, and to no others of it."""
        for key in self._keys.pop(relay, []):
            self._driver.relays.pop(key, None)
        keys = [(address[0], address[1]) for address in addresses if address is not None]
        if keys:
            self._keys[relay] = keys
        for key in keys:
            self._driver.relays[key] = self.arrived


class PeerOperation(Lasting):
    """The operation of a relay or a pool."""

    def __init__(
        self,
        driver: Driver,
        id: int,
        owner: PeerSocket,
        dialers: Mapping[int | None, Dialer | None],
        links: Mapping[int | None, Link | None],
    ) -> None:
        super().__init__(driver, id, dialers, links)
        self._owner = owner

    def cancel(self) -> None:
        self._owner.ended()
        super().cancel()

    def end(self) -> None:
        self._owner.ended()
        super().end()

    def reconnect(self, wish: Reconnect) -> None:
        """Goes on from another socket, or over another connection."""
        self._start_reconnecting(wish)

    def _notice(self, event: Event) -> None:
        super()._notice(event)
        self._owner.noticed(event)


class Relay(PeerSocket):
    """A relay: `async for data, peer in relay` is what permitted peers send.

    `events` has what happens to it: `Lost` and `Allocated` when it was lost and there is another one, with another
    address and the same peers.
    """

    def __init__(self, driver: Driver, id: int, dialer: Dialer | None = None, link: Link | None = None) -> None:
        self._mapped: Address | None = None
        self._failure: Failure | None = None
        self._has_changed_port = False
        super().__init__(driver, id, {None: dialer}, {None: link})

    @property
    def mapped(self) -> Address | None:
        """The host's own public address, if the server has said it."""
        return self._mapped

    @property
    def info(self) -> AllocationInfo | None:
        """What else is known now; `None` once it has ended."""
        try:
            return self._driver.core.allocation(self.id)
        except UnknownOperationError:
            return None

    def set_credentials(self, credentials: Credentials, *, expire_ns: int | None = None) -> None:
        """Gives other credentials, best after `CredentialsNeeded`."""
        self._failure = None
        self._driver.core.set_credentials(self.id, credentials, self._driver.now(), expire_ns=expire_ns)
        self._driver.flush()

    def ready(self) -> bool | None:
        """Whether there is a relayed address; raises OperationFailed if the first attempt to get one has failed."""
        if self._relayed is None and self._failure is not None:
            raise OperationFailed(self._failure)
        return super().ready()

    def noticed(self, event: Event) -> None:
        """Something has happened. For the operation."""
        match event:
            case Allocated():
                self._relayed, self._additional, self._failure = event.relayed, event.additional, None
                self._mapped = event.mapped or self._mapped
                self._listen(None, event.relayed, event.additional)
            case Moved():
                self._mapped = event.mapped or self._mapped
            case Lost() | Closed():
                self.ended()
            case PeerRefused():
                self._refuse(event.peer, refusal(event))
            case CredentialsNeeded(reason=CredentialsNeed.REJECTED):
                self._failure = rejection(event)
            case Retrying(failure=failure) if failure.code == ALLOCATION_MISMATCH and not self._has_changed_port:
                self._has_changed_port = True
                self._change_port()
            case Retrying():
                self._failure = event.failure
            case Failed():
                self._failure = event.failure
                self.ended()

    def _change_port(self) -> None:
        """Asks from another socket.

        The server still knows an allocation of before on this port, such as one of a program that has crashed.
        """
        info = self.info
        if info is not None:
            wish = Reconnect(id=self.id, server=info.server, local=info.local, transport=info.transport)
            self.events.reconnect(wish)


def refusal(event: PeerRefused) -> Failure:
    """What a server says that will not relay to a peer."""
    return Failure(reason=FailureReason.ERROR_RESPONSE, code=event.code, text=str(event))


def rejection(event: CredentialsNeeded) -> Failure:
    """What a server says that does not know whose these credentials are."""
    return Failure(reason=FailureReason.AUTHENTICATION, detail=AuthenticationFailure.REJECTED, text=str(event))


def _canonical(host: Host) -> str:
    ip = ip_address(host)
    mapped = ip.ipv4_mapped if ip.version == 6 else None
    return str(mapped or ip)
