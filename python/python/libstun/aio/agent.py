"""An agent on asyncio, and what can be asked of it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from .._native import Agent, Uri
from ..aliases import Address, AddressLike, Host
from ..config import (
    AllocationConfig,
    BindingConfig,
    Credentials,
    DiscoveryConfig,
    NatConfig,
    RelayPoolConfig,
    ServerConfig,
    SurveyConfig,
    SurveyTarget,
)
from ..enums import RelayFamily, Transport
from ..events import DiscoveredServer, Mapped
from ..nat import NatProperty, NatReport
from .binding import Binding, Lasting
from .discovery import Resolver
from .driver import Driver, Link
from .names import ServerLike, first_of_each_family, is_ipv6, plain, transport_of
from .nat import NatProbe, open_probe
from .operation import EventStream, Operation, SomeEvents
from .pool import RelayPool
from .reach import Deadline, Reach, SurveyResult, Way, alone, collect
from .relay import Relay
from .sockets import four_sockets
from .stream import Dialer

__all__ = ["AsyncAgent", "SurveyResult"]


class AsyncAgent:
    """An agent, its sockets and its timer. `open_agent()` makes it, and closes it.

    All methods belong to the event loop's thread. A `timeout` is in seconds; when it is over there is a TimeoutError,
    and whatever was asked for is cancelled, as it is when the task is.
    """

    def __init__(self, driver: Driver, resolver: Resolver | None = None) -> None:
        self._driver = driver
        self._resolver = resolver
        self._reach = Reach(driver, resolver)

    @property
    def core(self) -> Agent:
        """The agent itself. Tell it `now_ns()`, and call `wake()` after each call."""
        return self._driver.core

    @property
    def addresses(self) -> list[Address]:
        """What the UDP sockets are bound to."""
        return [found.local for found in self._driver.sockets()]

    @property
    def received(self) -> int:
        """How many datagrams have arrived that were this agent's."""
        return self._driver.received

    @property
    def sent(self) -> int:
        """How many packets it has sent."""
        return self._driver.sent

    def now_ns(self) -> int:
        """The agent's time in nanoseconds. Raises StateError once the agent is closed."""
        return self._driver.now()

    def wake(self) -> None:
        """Sends and tells what calls on `core` have led to."""
        self._driver.flush()

    def events(self, id: int | None = None) -> EventStream:
        """Events from now on: of one operation, or of all. Others that read them miss none for that."""
        stream = SomeEvents(self._driver, id)
        if self._driver.is_closed:
            stream.end()
        self._driver.flush()  # which ends it if there is no such operation any more
        return stream

    async def resolve(self, server: ServerLike, transport: Transport | None = None) -> list[Address]:
        """The addresses of a server that this agent can reach, in the order in which to try them.

        Raises OSError if there are none, OperationFailed for a URI that leads nowhere.
        """
        return await self._reach.addresses(server, transport)

    # Bindings

    async def binding(
        self,
        server: ServerLike | BindingConfig,
        *,
        timeout: float | None = None,
        credentials: Credentials | None = None,
        transport: Transport | None = None,
        local: str | AddressLike | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> Mapped:
        """Asks a server once for the public address of this agent's socket.

            mapped = await agent.binding("stun.example.org:3478", timeout=5)
            print(mapped.address)

        A name's addresses are raced, IPv6 and IPv4 in turn (RFC 8305). Without a timeout it takes 39.5 s to give up a
        server that is silent. `local` chooses one of several UDP sockets. `transport` is UDP, unless a URI says TCP or
        TLS; `tls` is the context for that, and the port 5349 then. A `BindingConfig` says all of it, and stands alone.

        Raises OperationFailed, which says why, or OSError where the name has no address.
        """
        async with asyncio.timeout(timeout):
            if isinstance(server, BindingConfig):
                alone(server, credentials=credentials, transport=transport, local=local, tls=tls)
                return await self._ask_as_configured(server)
            transport = transport or transport_of(server)
            addresses = await self._reach.addresses(server, transport, local)
            if transport != Transport.UDP:
                config = BindingConfig(addresses[0], transport=transport, credentials=credentials)
                dialer = self._reach.dialer(server, transport, tls)
                return await self._ask_over_stream(config, await self._reach.way(addresses, transport, None, dialer))
            if len(addresses) == 1:
                target = self._reach.target(addresses[0], local)
                config = BindingConfig(
                    target.server,
                    local=target.local,
                    socket_id=target.socket_id,
                    refresh_ns=None,
                    credentials=credentials,
                )
                return await self._ask(config)
            won = await self._reach.race(addresses, credentials, local)
            return Mapped(id=won.id, is_last=True, address=won.address, rtt_ns=won.rtt_ns, text=str(won))

    @asynccontextmanager
    async def keep_binding(
        self,
        server: ServerLike | BindingConfig,
        *,
        timeout: float | None = None,
        wait: bool = True,
        credentials: Credentials | None = None,
        transport: Transport | None = None,
        local: str | AddressLike | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> AsyncIterator[Binding]:
        """Learns the public address, and keeps the NAT's binding alive for as long as the block runs.

            async with agent.keep_binding("stun.example.org") as binding:
                print(binding.address)
                async for event in binding:
                    if isinstance(event, events.AddressChanged): ...

        The block starts when the address is known; OperationFailed if the first attempt to get it fails, TimeoutError
        after `timeout` seconds. With `wait=False` it starts when it is known which address of the name to ask, and
        `binding.address` comes when it comes. The addresses of a name are raced for that, for 5 s at most; then the
        first is asked, and given up after 39.5 s of silence.
        """
        if isinstance(server, BindingConfig):
            alone(server, credentials=credentials, transport=transport, local=local, tls=tls)
        binding: Binding | None = None
        try:
            async with asyncio.timeout(timeout):
                binding = await self._start_binding(server, credentials, transport, local, tls)
                if wait:
                    await binding.mapped()
            yield binding
        finally:
            if binding is not None:
                binding.cancel()
                await binding.released()

    # Several servers

    async def survey(
        self,
        servers: Iterable[ServerLike],
        *,
        enough: int | None = None,
        timeout: float | None = None,
        credentials: Credentials | None = None,
    ) -> SurveyResult:
        """Asks many servers over UDP at once, each of a name's families, until `enough` have answered (`None`: all).

            result = await agent.survey(["stun.example.org", "stun.example.net"], timeout=5)
            for answer in result.answers:
                print(answer.server, answer.address)

        Here a `timeout` is no error: the result says who has not answered by then. A name that is not found in half of
        it is unresolved, so that there is time left for the others' answers.
        """
        deadline = Deadline(timeout)
        found, unresolved = await self._reach.several(list(servers), None if timeout is None else timeout / 2)
        targets = [SurveyTarget(address) for addresses in found for address in first_of_each_family(addresses)]
        if not targets:
            return SurveyResult(unresolved=unresolved)
        config = SurveyConfig(targets, enough=enough, credentials=credentials)
        if timeout is not None:
            config = replace(config, deadline_ns=deadline.left_ns())
        return await collect(self.start(config), targets, unresolved)

    async def discover(
        self,
        uri: str | Uri | DiscoveryConfig,
        *,
        timeout: float | None = None,
        transports: Sequence[Transport] | None = None,
        resolver: Resolver | None = None,
    ) -> tuple[DiscoveredServer, ...]:
        """Finds the servers of a stun:, stuns:, turn: or turns: URI, best first (RFC 8489 s8, RFC 5928).

        The system's resolver is asked for addresses. It knows no SRV and NAPTR records; give a `resolver` that does,
        here or to `open_agent()`, for domains that have them.

        Raises OperationFailed if there are none.
        """
        config = uri if isinstance(uri, DiscoveryConfig) else DiscoveryConfig(uri=str(uri), transports=transports)
        async with asyncio.timeout(timeout):
            return await self._reach.discover(config, resolver)

    # Servers, NATs, relays

    def serve(self, config: ServerConfig | None = None) -> Operation:
        """Answers Binding requests that arrive on this agent's sockets, until the operation is cancelled.

            async with aio.open_agent(local="192.0.2.1:3478") as agent:
                async for event in agent.serve():
                    print(event)

        For RFC 5780 open the agent with the four sockets: `config.local` and `config.alternate` name the addresses.
        """
        return self.start(config or ServerConfig())

    async def nat_report(
        self,
        server: ServerLike,
        *,
        servers: Iterable[ServerLike] = (),
        properties: Sequence[NatProperty] | None = None,
        timeout: float | None = None,
        credentials: Credentials | None = None,
    ) -> NatReport:
        """Finds out what the NAT does, from two sockets of its own. `nat_probe()` tells of it while it happens.

        `server` is best one of RFC 5780; further, ordinary ones are for when it is not. `None` as `properties` is all
        but the lifetime, and takes some seconds up to 3 minutes. When `timeout` is over, the report says what is known;
        TimeoutError if not even the servers' names were found by then.
        """
        async with self.nat_probe(
            server, servers=servers, properties=properties, timeout=timeout, credentials=credentials
        ) as probe:
            return await probe.finished_report()

    @asynccontextmanager
    async def nat_probe(
        self,
        server: ServerLike,
        *,
        servers: Iterable[ServerLike] = (),
        properties: Sequence[NatProperty] | None = None,
        timeout: float | None = None,
        credentials: Credentials | None = None,
        config: NatConfig | None = None,
    ) -> AsyncIterator[NatProbe]:
        """The same as an operation: iterate over it for what is found, and ask `probe.report` at any time.

        `config` says the rest, and stands alone but for `timeout`; its servers and sockets are replaced.
        """
        if config is not None:
            alone(config, properties=properties, credentials=credentials)
        deadline = Deadline(timeout)
        async with asyncio.timeout(timeout):
            primary = (await self._reach.addresses_by_udp(server))[0]
            others = []
            for other in servers:
                found = await self._reach.addresses_by_udp(other)
                others += [address for address in found if is_ipv6(address) == is_ipv6(primary)][:1]
        base = config or NatConfig(primary, local=primary, properties=properties, credentials=credentials)
        base = replace(base, server=primary, servers=others)
        if timeout is not None:
            base = replace(base, deadline_ns=deadline.left_ns())
        async with open_probe(self._driver, base) as probe:
            yield probe

    @asynccontextmanager
    async def allocation(
        self,
        server: ServerLike | AllocationConfig,
        *,
        credentials: Credentials | None = None,
        timeout: float | None = None,
        transport: Transport | None = None,
        family: RelayFamily = RelayFamily.IPV4,
        tls: ssl.SSLContext | None = None,
    ) -> AsyncIterator[Relay]:
        """A relayed address at a TURN server, for as long as the block runs.

            async with agent.allocation("turn.example.org", credentials=LongTerm("alice", "s3cret")) as relay:
                await relay.permit("192.0.2.7")
                relay.send(b"hello", ("192.0.2.7", 5000))
                async for data, peer in relay: ...

        The block starts when there is a relay; OperationFailed if the first attempt to get one fails, TimeoutError
        after `timeout` seconds. At its end the relay is given back. An `AllocationConfig` says all of it, and stands
        alone.
        """
        if isinstance(server, AllocationConfig):
            other = None if family == RelayFamily.IPV4 else family
            alone(server, credentials=credentials, transport=transport, family=other, tls=tls)
        relay: Relay | None = None
        try:
            async with asyncio.timeout(timeout):
                relay = await self._start_allocation(server, credentials, transport, family, tls)
                await relay.events.until(relay.ready)
            yield relay
        except BaseException:
            if relay is not None:
                await relay.close(timeout=0)
            raise
        else:
            await relay.close()

    @asynccontextmanager
    async def relay_pool(self, config: RelayPoolConfig, *, timeout: float | None = None) -> AsyncIterator[RelayPool]:
        """Relays at several TURN servers as one socket, for as long as the block runs.

            relays = [AllocationConfig(server, credentials=credentials) for server in servers]
            async with agent.relay_pool(RelayPoolConfig(relays), timeout=10) as pool:
                await pool.permit("192.0.2.7")
                pool.send(b"hello", ("192.0.2.7", 5000))

        The block starts when one is selected; OperationFailed if the first attempt of every one fails, TimeoutError
        after `timeout` seconds.
        """
        pool: RelayPool | None = None
        try:
            async with asyncio.timeout(timeout):
                pool = await self._start_pool(config)
                await pool.events.until(pool.ready)
            yield pool
        except BaseException:
            if pool is not None:
                await pool.close(timeout=0)
            raise
        else:
            await pool.close()

    # Anything

    def start(
        self,
        config: BindingConfig
        | SurveyConfig
        | DiscoveryConfig
        | ServerConfig
        | NatConfig
        | AllocationConfig
        | RelayPoolConfig,
    ) -> Operation:
        """Starts an operation on this agent's UDP sockets, each of which is chosen by the family of its server.

        Where `socket_id` is given, the configuration is taken as it is.
        """
        core, driver = self.core, self._driver
        now = driver.now()
        match config:
            case BindingConfig():
                config = self._reach.placed(config)
                operation: Operation = Binding(driver, core.start_binding(config, now), plain(config.server))
            case SurveyConfig():
                config = replace(config, targets=[self._reach.placed(target) for target in config.targets])
                operation = Operation(driver, core.start_survey(config, now))
            case DiscoveryConfig():
                operation = self._reach.discovery(config)
            case ServerConfig():
                operation = Operation(driver, core.start_server(four_sockets(driver, config), now))
            case NatConfig():
                operation = NatProbe(driver, core.start_nat_probe(config, now))
            case AllocationConfig():
                operation = Lasting(driver, core.start_allocation(self._reach.placed(config), now))
            case RelayPoolConfig():
                config = replace(config, relays=[self._reach.placed(relay) for relay in config.relays])
                operation = Operation(driver, core.start_relay_pool(config, now))
        driver.flush()
        return operation

    def network_changed(self, hosts: Iterable[Host]) -> None:
        """The host's IP addresses are these from now on."""
        self.core.network_changed(hosts, self._driver.now())
        self._driver.flush()

    # How

    async def _ask(self, config: BindingConfig) -> Mapped:
        async with self.start(config) as operation:
            last = await operation.finished()
        assert isinstance(last, Mapped)
        return last

    async def _ask_as_configured(self, config: BindingConfig) -> Mapped:
        if config.transport == Transport.UDP or config.socket_id:
            return await self._ask(replace(config, refresh_ns=None))
        way = await self._reach.way([plain(config.server)], config.transport, config.local)
        return await self._ask_over_stream(config, way)

    async def _ask_over_stream(self, config: BindingConfig, way: Way) -> Mapped:
        try:
            return await self._ask(
                replace(config, server=way.server, local=way.local, socket_id=way.socket_id, refresh_ns=None)
            )
        finally:
            if way.link is not None:
                await self._driver.remove(way.link)

    async def _start_binding(
        self,
        server: ServerLike | BindingConfig,
        credentials: Credentials | None,
        transport: Transport | None,
        local: str | AddressLike | None,
        tls: ssl.SSLContext | None,
    ) -> Binding:
        if isinstance(server, BindingConfig):
            config, way = server, await self._reach.way([plain(server.server)], server.transport, server.local)
        else:
            way = await self._reach.way_to(server, transport or transport_of(server), local, tls, credentials)
            config = None
        with self._released_on_failure([way]):
            config = config or BindingConfig(way.server, credentials=credentials)
            config = replace(config, local=way.local, transport=way.transport, socket_id=way.socket_id)
            id = self.core.start_binding(config, self._driver.now())
        binding = Binding(self._driver, id, way.server, way.dialer, way.link)
        self._driver.flush()
        return binding

    async def _start_allocation(
        self,
        server: ServerLike | AllocationConfig,
        credentials: Credentials | None,
        transport: Transport | None,
        family: RelayFamily,
        tls: ssl.SSLContext | None,
    ) -> Relay:
        if isinstance(server, AllocationConfig):
            config, way = server, await self._reach.way([plain(server.server)], server.transport, server.local)
        else:
            way = await self._reach.way_to(server, transport or transport_of(server), None, tls, credentials)
            config = None
        way = await self._reach.to_itself(way)
        with self._released_on_failure([way]):
            config = config or AllocationConfig(way.server, credentials=credentials, family=family)
            config = replace(config, local=way.local, transport=way.transport, socket_id=way.socket_id)
            id = self.core.start_allocation(config, self._driver.now())
        relay = Relay(self._driver, id, way.dialer, way.link)
        self._driver.flush()
        return relay

    async def _start_pool(self, config: RelayPoolConfig) -> RelayPool:
        ways: list[Way] = []
        with self._released_on_failure(ways):
            for relay in config.relays:
                way = await self._reach.way([plain(relay.server)], relay.transport, relay.local)
                ways.append(await self._reach.to_itself(way))
            relays = [
                replace(relay, local=way.local, transport=way.transport, socket_id=way.socket_id)
                for relay, way in zip(config.relays, ways, strict=True)
            ]
            id = self.core.start_relay_pool(replace(config, relays=relays), self._driver.now())
        dialers: dict[int | None, Dialer | None] = {place: way.dialer for place, way in enumerate(ways)}
        links: dict[int | None, Link | None] = {place: way.link for place, way in enumerate(ways)}
        pool = RelayPool(self._driver, id, dialers, links)
        self._driver.flush()
        return pool

    @contextmanager
    def _released_on_failure(self, ways: list[Way]) -> Iterator[None]:
        """For the time in which connections and sockets are open, and no operation has them yet."""
        try:
            yield
        except BaseException:
            for way in ways:
                if way.link is not None:
                    self._driver.release(way.link)
            raise
