"""A relayed address at a TURN server, as a socket that lies there."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
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

__all__ = ["Relay"]

ALLOCATION_MISMATCH = 437
"""The error code of a server that has an allocation for those two addresses already (RFC 8656 s19)."""

MAX_PACKETS = 1024
"""Packets of peers that are kept for a reader. What comes beyond is lost, as in the buffer of a socket."""


class Relay(AsyncIterator[tuple[bytes, Address]]):
    """A relay: `async for data, peer in relay` is what permitted peers send.

    `events` has what happens to it: `Lost` and `Allocated` when it was lost and there is another one, with another
    address and the same peers.
    """

    def __init__(self, driver: Driver, id: int, dialer: Dialer | None = None, link: Link | None = None) -> None:
        self.dropped = 0
        """Packets of peers that nobody has read in time."""
        self._driver = driver
        self._packets: deque[tuple[bytes, Address]] = deque()
        self._allocated: Allocated | None = None
        self._refused: dict[tuple[str, int], PeerRefused] = {}
        self._addresses: list[tuple[str, int]] = []
        self.events = _Allocation(driver, id, self, dialer, link)
        """The operation: iterate over it for events."""

    @property
    def id(self) -> int:
        """The operation's number in the agent."""
        return self.events.id

    @property
    def relayed(self) -> Address:
        """The relayed address, for peers to be told. Raises StateError while there is none."""
        if self._allocated is None:
            raise StateError("there is no relayed address now")
        return self._allocated.relayed

    @property
    def additional(self) -> Address | None:
        """The relayed address of the other family, if there are two."""
        return self._allocated.additional if self._allocated else None

    @property
    def mapped(self) -> Address | None:
        """The host's own public address, if the server has said it."""
        return self._allocated.mapped if self._allocated else None

    @property
    def info(self) -> AllocationInfo | None:
        """What else is known now; `None` once it has ended."""
        try:
            return self._driver.core.allocation(self.id)
        except UnknownOperationError:
            return None

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

    def set_credentials(self, credentials: Credentials, *, expire_ns: int | None = None) -> None:
        """Gives other credentials, best after `CredentialsNeeded`."""
        self.events.forget_rejection()
        self._driver.core.set_credentials(self.id, credentials, self._driver.now(), expire_ns=expire_ns)
        self._driver.flush()

    async def close(self, *, timeout: float = 1.0) -> None:
        """Gives the relay back to the server, and waits `timeout` seconds at most until it has taken it."""
        driver = self._driver
        if self.events.is_running and not driver.is_closed:
            try:
                driver.core.close_relay(self.id, driver.now())
                driver.flush()
                async with asyncio.timeout(timeout):
                    await self.events.until(lambda: self.events.last)
            except (TimeoutError, StateError, UnknownOperationError):
                pass  # the server takes back what nobody refreshes
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

    def _check(self, key: tuple[str, int]) -> None:
        if not self.events.is_running:
            raise StateError("the relay is closed")
        refused = self._refused.get(key)
        if refused is not None:
            failure = Failure(reason=FailureReason.ERROR_RESPONSE, code=refused.code, text=str(refused))
            raise OperationFailed(failure)

    def arrived(self, data: PeerData) -> None:
        """A peer has sent something. For the driver."""
        if len(self._packets) >= MAX_PACKETS:
            self.dropped += 1
            return
        self._packets.append((data.data, data.peer))
        self.events.wake()

    def noticed(self, event: Event) -> None:
        """Something has happened. For the operation."""
        match event:
            case Allocated():
                self._allocated = event
                self._listen_at(event.relayed, event.additional)
            case Lost() | Closed() | Failed():
                self._allocated = None
                self._listen_at()
            case PeerRefused(peer=peer):
                self._refused[_canonical(peer[0]), peer[1]] = event

    def ended(self) -> None:
        """Nobody reads any more. For the operation."""
        self._listen_at()

    def _listen_at(self, *addresses: Address | None) -> None:
        for address in self._addresses:
            self._driver.relays.pop(address, None)
        self._addresses = [(address[0], address[1]) for address in addresses if address is not None]
        for key in self._addresses:
            self._driver.relays[key] = self.arrived


class _Allocation(Lasting):
    """The operation of a relay."""

    def __init__(self, driver: Driver, id: int, relay: Relay, dialer: Dialer | None, link: Link | None) -> None:
        super().__init__(driver, id, dialer, link)
        self._relay = relay
        self._rejection: Failure | None = None
        self._has_changed_port = False

    async def allocated(self) -> None:
        """Waits for the relayed address. Raises OperationFailed if the first attempt to get it fails."""

        def check() -> bool | None:
            if self._relay._allocated is not None:
                return True
            if self._rejection is not None:
                raise OperationFailed(self._rejection)
            if self._failure is not None:
                raise OperationFailed(self._failure.failure)
            if self._has_ended:
                raise StateError("the relay was closed")
            return None

        await self.until(check)

    async def change_port(self) -> None:
        """Asks from another socket."""
        info = self._relay.info
        if info is not None:
            wish = Reconnect(id=self.id, server=info.server, local=info.local, transport=info.transport)
            await self._reconnect(wish)

    def forget_rejection(self) -> None:
        """There are other credentials."""
        self._rejection = None

    def cancel(self) -> None:
        self._relay.ended()
        super().cancel()

    def _notice(self, event: Event) -> None:
        super()._notice(event)
        self._relay.noticed(event)
        match event:
            case CredentialsNeeded(reason=CredentialsNeed.REJECTED):
                self._rejection = _rejected(event)
            case Retrying(failure=failure) if failure.code == ALLOCATION_MISMATCH and not self._has_changed_port:
                # The server still knows an allocation of before on this port: a relay that was closed a moment ago, or
                # one of a program that has crashed. Another port is as good as this one.
                self._has_changed_port, self._failure = True, None
                self._driver.spawn(self.change_port())
            case Allocated():
                self._failure = self._rejection = None


def _canonical(host: Host) -> str:
    ip = ip_address(host)
    mapped = ip.ipv4_mapped if ip.version == 6 else None
    return str(mapped or ip)


def _rejected(event: CredentialsNeeded) -> Failure:
    return Failure(reason=FailureReason.AUTHENTICATION, detail=AuthenticationFailure.REJECTED, text=str(event))
