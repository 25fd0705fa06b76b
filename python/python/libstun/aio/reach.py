"""How servers are reached: which addresses they have, from which socket or over which connection."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from .._native import Uri
from ..aliases import Address, AddressLike
from ..config import AllocationConfig, BindingConfig, Credentials, DiscoveryConfig, SurveyConfig, SurveyTarget
from ..enums import ObservedMapping, Transport
from ..errors import StateError
from ..events import Answered, DiscoveredServer, ServersFound, Surveyed, Unanswered
from .discovery import Discovery, Resolver
from .driver import Driver, Link
from .errors import OperationFailed
from .names import ServerLike, is_ipv6, lookup, parse_server, plain
from .operation import Operation
from .sockets import private_socket
from .stream import Dialer

__all__ = ["Reach", "SurveyResult", "Way", "collect"]

RACE_DELAY_NS = 250_000_000
"""Until a server's next address is asked beside those before (RFC 8305 s5)."""

MAX_ADDRESSES = 16
"""Addresses of one server that are tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyResult:
    """What several servers have said."""

    answers: tuple[Answered, ...] = ()
    """Who has answered, and with what, in the order of the answers."""
    failures: tuple[Unanswered, ...] = ()
    """Who has not, and why."""
    unanswered: tuple[Address, ...] = ()
    """Who was not asked or not waited for, because enough had answered or the time was over."""
    unresolved: dict[str, OSError] = field(default_factory=dict)
    """Servers whose names have no address, by what they were called."""
    mapping: ObservedMapping = ObservedMapping.UNKNOWN
    """What the answers tell of the NAT."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a server is reached."""

    server: Address
    local: Address
    transport: Transport
    socket_id: int
    dialer: Dialer | None = None
    link: Link | None = None


Placed = TypeVar("Placed", BindingConfig, AllocationConfig, SurveyTarget)


class Reach:
    """Finds ways to servers for one agent."""

    def __init__(self, driver: Driver, resolver: Resolver | None) -> None:
        self._resolver = resolver
        self._driver = driver

    async def addresses(self, server: ServerLike, transport: Transport = Transport.UDP) -> list[Address]:
        """The addresses of a server, in the order in which to try them. Raises OSError if there are none."""
        families = self._driver.families()
        parsed = parse_server(server)
        if not isinstance(parsed, Uri):
            return (await lookup(parsed, families=families))[:MAX_ADDRESSES]
        found = await self.discover(DiscoveryConfig(uri=str(parsed), transports=[transport]))
        addresses = [one.address for one in found if one.transport == transport]
        usable = [one for one in addresses if (socket.AF_INET6 if is_ipv6(one) else socket.AF_INET) in families]
        if not usable:
            raise OSError(f"{server} has no address that this agent has a socket for")
        return usable[:MAX_ADDRESSES]

    async def discover(self, config: DiscoveryConfig, resolver: Resolver | None = None) -> tuple[DiscoveredServer, ...]:
        """The servers that a URI stands for, best first."""
        async with self.discovery(config, resolver) as discovery:
            last = await discovery.finished()
        assert isinstance(last, ServersFound)
        return last.servers

    def discovery(self, config: DiscoveryConfig, resolver: Resolver | None = None) -> Discovery:
        """Starts to find them."""
        id = self._driver.core.start_discovery(config, self._driver.now())
        discovery = Discovery(self._driver, id, resolver or self._resolver)
        self._driver.flush()
        return discovery

    async def race(
        self, addresses: Sequence[Address], credentials: Credentials | None, local: str | AddressLike | None
    ) -> Answered:
        """Asks one address after the other without much waiting, until one has answered (RFC 8305).

        Raises OperationFailed with what the last one has failed of.
        """
        targets = [self.target(address, local) for address in addresses]
        race = SurveyConfig(
            targets, enough=1, deadline_ns=None, attempt_delay_ns=RACE_DELAY_NS, credentials=credentials
        )
        operation = Operation(self._driver, self._driver.core.start_survey(race, self._driver.now()))
        self._driver.flush()
        result = await collect(operation, targets)
        if result.answers:
            return result.answers[0]
        raise OperationFailed(result.failures[-1].failure)

    async def way_to(
        self,
        server: ServerLike,
        transport: Transport,
        local: str | AddressLike | None,
        tls: ssl.SSLContext | None,
        credentials: Credentials | None,
    ) -> Way:
        """The best way to a server."""
        addresses = await self.addresses(server, transport)
        if transport == Transport.UDP and len(addresses) > 1:
            addresses = [await self.fastest(addresses, credentials, local)]
        return await self.way(addresses, transport, local, self.dialer(server, transport, tls))

    async def way(
        self,
        addresses: Sequence[Address],
        transport: Transport,
        local: str | AddressLike | None,
        dialer: Dialer | None = None,
    ) -> Way:
        """A way to the first of the addresses or, by TCP or TLS, to the first that takes a connection."""
        if transport == Transport.UDP:
            found = self._driver.pick(addresses[0], local)
            return Way(addresses[0], found.local, transport, found.socket_id)
        dialer = dialer or Dialer(self._driver, transport)
        link = await dialer.dial(addresses)
        return Way(link.remote, link.local, transport, link.socket_id, dialer, link)

    async def to_itself(self, way: Way) -> Way:
        """The way for an allocation, of which there is one between two addresses: the first has the agent's socket, and
        every other one to that server a socket of its own."""
        used = self._driver.allocated_at
        if way.transport == Transport.UDP and (way.socket_id, way.server) in used:
            scope_id = way.local[3] if len(way.local) == 4 else 0
            link = await private_socket(self._driver, way.local[0], scope_id)
            return replace(way, local=link.local, socket_id=link.socket_id, link=link)
        used.add((way.socket_id, way.server))
        return way

    async def fastest(
        self, addresses: Sequence[Address], credentials: Credentials | None, local: str | AddressLike | None
    ) -> Address:
        """Whoever answers first a Binding request, which TURN servers understand as well."""
        try:
            won = await self.race(addresses, credentials, local)
        except OperationFailed:
            return addresses[0]  # the operation itself says what is wrong
        return won.server

    def target(self, address: Address, local: str | AddressLike | None) -> SurveyTarget:
        """The address, and the socket to ask it from."""
        found = self._driver.pick(address, local)
        return SurveyTarget(address, local=found.local, socket_id=found.socket_id)

    def placed(self, config: Placed) -> Placed:
        """The configuration with a socket of this agent's, unless it has one."""
        if config.socket_id:
            return config
        if config.transport != Transport.UDP:
            raise ValueError("for TCP and TLS use binding(), keep_binding() or allocation(), which connect")
        found = self._driver.pick(config.server, config.local)
        return replace(config, local=found.local, socket_id=found.socket_id)

    def dialer(self, server: ServerLike, transport: Transport, tls: ssl.SSLContext | None) -> Dialer:
        """What opens connections to a server."""
        return Dialer(self._driver, transport, context=tls, server_hostname=parse_server(server).host)


async def collect(
    operation: Operation, targets: Sequence[SurveyTarget], unresolved: dict[str, OSError] | None = None
) -> SurveyResult:
    """Everything that a survey has to say, when it is over."""
    answers: list[Answered] = []
    failures: list[Unanswered] = []
    mapping = ObservedMapping.UNKNOWN
    async with operation:
        async for event in operation:
            match event:
                case Answered():
                    answers.append(event)
                case Unanswered():
                    failures.append(event)
                case Surveyed():
                    mapping = event.mapping
    if operation.last is None:
        raise StateError("the agent was closed")
    told = {event.target for event in answers} | {event.target for event in failures}
    return SurveyResult(
        answers=tuple(answers),
        failures=tuple(failures),
        unanswered=tuple(plain(target.server) for place, target in enumerate(targets) if place not in told),
        unresolved=unresolved or {},
        mapping=mapping,
    )
