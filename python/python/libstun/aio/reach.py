"""How servers are reached: which addresses they have, from which socket or over which connection."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from .._native import Uri
from ..aliases import Address, AddressLike
from ..config import (
    AllocationConfig,
    BindingConfig,
    Credentials,
    DiscoveryConfig,
    NatConfig,
    SurveyConfig,
    SurveyTarget,
)
from ..enums import ObservedMapping, Transport
from ..errors import StateError
from ..events import Answered, DiscoveredServer, ServersFound, Surveyed, Unanswered
from .discovery import Discovery, Resolver
from .driver import Driver, Link
from .errors import OperationFailed
from .names import ServerLike, is_ipv6, lookup, parse_local, parse_server, plain, transport_of
from .operation import Operation
from .sockets import private_socket
from .stream import Dialer

__all__ = ["Deadline", "Reach", "SurveyResult", "Way", "alone", "collect"]

RACE_DELAY_NS = 250_000_000
"""Until a server's next address is asked beside those before (RFC 8305 s5)."""

RACE_DEADLINE_NS = 5_000_000_000
"""How long the addresses of a name are raced for an operation that can be asked of one only. Were the race as long as
the operation, silence would be waited for twice."""

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
    unresolved: dict[str, OSError | OperationFailed] = field(default_factory=dict)
    """Servers whose names have no address or were not found in time, by what they were called."""
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


class Deadline:
    """The end of a timeout in seconds, which is shared by what is done one after the other."""

    def __init__(self, timeout: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._at = None if timeout is None else self._loop.time() + timeout

    def left_ns(self) -> int | None:
        """What is left of it; `None` if there is no limit."""
        return None if self._at is None else max(0, round((self._at - self._loop.time()) * 1e9))


Placed = TypeVar("Placed", BindingConfig, AllocationConfig, SurveyTarget)


class Reach:
    """Finds ways to servers for one agent."""

    def __init__(self, driver: Driver, resolver: Resolver | None) -> None:
        self._resolver = resolver
        self._driver = driver

    async def addresses(
        self, server: ServerLike, transport: Transport | None = None, local: str | AddressLike | None = None
    ) -> list[Address]:
        """The addresses of a server that can be reached from `local`, in the order in which to try them.

        Raises OSError if there are none.
        """
        transport = transport or transport_of(server)
        families = self._families(transport, local)
        parsed = parse_server(server, transport)
        if not isinstance(parsed, Uri):
            return (await lookup(parsed, families=families))[:MAX_ADDRESSES]
        found = await self.discover(DiscoveryConfig(uri=str(parsed), transports=[transport]))
        addresses = [one.address for one in found if one.transport == transport]
        usable = [one for one in addresses if (socket.AF_INET6 if is_ipv6(one) else socket.AF_INET) in families]
        if not usable:
            raise OSError(f"{server} has no address that this agent has a socket for")
        return usable[:MAX_ADDRESSES]

    async def addresses_by_udp(self, server: ServerLike) -> list[Address]:
        """The same for what is there for UDP only. Raises ValueError for a URI of a server over TCP or TLS."""
        if transport_of(server) != Transport.UDP:
            raise ValueError(f"{server}: only servers over UDP can be asked here")
        return await self.addresses(server, Transport.UDP)

    async def several(
        self, names: Sequence[ServerLike], timeout: float | None
    ) -> tuple[list[list[Address]], dict[str, OSError | OperationFailed]]:
        """The addresses of many servers, and why others have none, not later than after `timeout` seconds."""

        async def find(name: ServerLike) -> list[Address] | OSError | OperationFailed:
            try:
                async with asyncio.timeout(timeout):
                    return await self.addresses_by_udp(name)
            except TimeoutError as error:
                return error if str(error) else TimeoutError("the name was not found in time")
            except (OSError, OperationFailed) as error:
                return error

        found = await asyncio.gather(*(find(name) for name in names), return_exceptions=True)
        addresses: list[list[Address]] = []
        unresolved: dict[str, OSError | OperationFailed] = {}
        for name, outcome in zip(names, found, strict=True):
            if isinstance(outcome, OSError | OperationFailed):
                unresolved[str(name)] = outcome
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                addresses.append(outcome)
        return addresses, unresolved

    def _families(self, transport: Transport, local: str | AddressLike | None) -> set[int]:
        """The families of addresses that can be reached."""
        families = self._driver.families()
        if local is None:
            return families
        if transport != Transport.UDP:
            raise ValueError("`local` chooses one of the UDP sockets: connections choose their own local address")
        wanted = parse_local(local)
        return families & {socket.AF_INET6 if ":" in wanted.host else socket.AF_INET}

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
        result = await self._race(addresses, credentials, local, deadline_ns=None)
        if result.answers:
            return result.answers[0]
        raise OperationFailed(result.failures[-1].failure)

    async def _race(
        self,
        addresses: Sequence[Address],
        credentials: Credentials | None,
        local: str | AddressLike | None,
        *,
        deadline_ns: int | None,
    ) -> SurveyResult:
        targets = [self.target(address, local) for address in addresses]
        race = SurveyConfig(
            targets, enough=1, deadline_ns=deadline_ns, attempt_delay_ns=RACE_DELAY_NS, credentials=credentials
        )
        operation = Operation(self._driver, self._driver.core.start_survey(race, self._driver.now()))
        self._driver.flush()
        return await collect(operation, targets)

    async def way_to(
        self,
        server: ServerLike,
        transport: Transport,
        local: str | AddressLike | None,
        tls: ssl.SSLContext | None,
        credentials: Credentials | None,
    ) -> Way:
        """The best way to a server."""
        addresses = await self.addresses(server, transport, local)
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
        if local is not None:
            raise ValueError("connections choose their own local address: leave out `local`")
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
        """Whoever answers first a Binding request, which TURN servers understand as well; the first if none does."""
        result = await self._race(addresses, credentials, local, deadline_ns=RACE_DEADLINE_NS)
        if not result.answers:
            return addresses[0]  # the operation itself says what is wrong
        return result.answers[0].server

    def target(self, address: Address, local: str | AddressLike | None) -> SurveyTarget:
        """The address, and the socket to ask it from."""
        found = self._driver.pick(address, local)
        return SurveyTarget(address, local=found.local, socket_id=found.socket_id)

    def placed(self, config: Placed) -> Placed:
        """The configuration with a socket of this agent's, unless it has one."""
        if config.socket_id:
            return config
        if config.transport != Transport.UDP:
            raise ValueError("start() does not connect: for TCP and TLS use binding(), keep_binding() or allocation()")
        found = self._driver.pick(config.server, config.local)
        return replace(config, local=found.local, socket_id=found.socket_id)

    def dialer(self, server: ServerLike, transport: Transport, tls: ssl.SSLContext | None) -> Dialer:
        """What opens connections to a server."""
        return Dialer(self._driver, transport, context=tls, server_hostname=parse_server(server).host)


def alone(config: BindingConfig | AllocationConfig | NatConfig, **others: object) -> None:
    """Raises ValueError if there are arguments beside a configuration, which says all that they would."""
    given = [name for name, value in others.items() if value is not None]
    if given:
        kind = type(config).__name__
        raise ValueError(f"beside a {kind} there is no {' and no '.join(given)}: put it in there, or name the server")


async def collect(
    operation: Operation,
    targets: Sequence[SurveyTarget],
    unresolved: dict[str, OSError | OperationFailed] | None = None,
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
