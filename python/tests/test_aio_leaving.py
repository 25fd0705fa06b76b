"""Whatever is left, at whichever step, leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TypeAlias

import pytest

import libstun
from aio_support import LONG_TERM, both_loops, certificate, coturn, needs_coturn, open_sockets, run
from libstun import (
    AllocationConfig,
    BindingConfig,
    LongTerm,
    PeerPolicy,
    RelayPoolConfig,
    Transport,
    aio,
    events,
)
from libstun.aio import binding as binding_module
from libstun.aio import stream as stream_module
from libstun.aio.stream import Connection, Dialer

ALICE = LongTerm("alice", "s3cret")

LONGEST = 60
"""Steps at which what takes longer is cancelled: by then it waits for a timer, and does so at the next one too."""

Body: TypeAlias = Callable[[aio.AsyncAgent, "Servers"], Awaitable[object]]

both_modes = pytest.mark.parametrize("again", [False, True], ids=["once", "again and again"])


class Servers:
    """Where to send to: a server of ours, one for streams, one for TLS, and one that relays."""

    def __init__(self, datagrams: libstun.Address, stream: libstun.Address, relay: int = 0) -> None:
        self.datagrams = datagrams
        self.stream = stream
        self.relay = ("127.0.0.1", relay)
        self.tls: ssl.SSLContext | None = None

    def relay_config(self, transport: Transport = Transport.UDP) -> AllocationConfig:
        return AllocationConfig(self.relay, transport=transport, credentials=ALICE, peer_policy=PeerPolicy.LOOPBACK)


class AnswersOnce(asyncio.Protocol):
    """A server on a connection."""

    def __init__(self) -> None:
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        if len(self.data) >= 20:
            message = libstun.Message.parse(self.data)
            builder = libstun.MessageBuilder(libstun.MessageClass.SUCCESS_RESPONSE, 1, message.transaction_id)
            builder.add_address(libstun.attribute_type("XOR-MAPPED-ADDRESS"), ("192.0.2.1", 5000))
            self.transport.write(bytes(builder))  # type: ignore[attr-defined]
            self.data = b""


@contextlib.asynccontextmanager
async def a_stream_server(context: ssl.SSLContext | None = None) -> AsyncIterator[libstun.Address]:
    server = await asyncio.get_running_loop().create_server(AnswersOnce, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()
        await server.wait_closed()


@contextlib.asynccontextmanager
async def running_servers(relay: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[Servers]:
    async with aio.open_agent("127.0.0.1:0") as agent, agent.serve(), a_stream_server(tls) as stream:
        yield Servers(agent.addresses[0], stream, relay)


def traces(agent: aio.AsyncAgent) -> dict[str, object]:
    """What there is now that somebody could leave behind."""
    driver = agent._driver
    return {
        "sockets": open_sockets(),
        "tasks": len(asyncio.all_tasks()),
        "readers": len(getattr(asyncio.get_running_loop(), "_selector").get_map())  # noqa: B009
        if hasattr(asyncio.get_running_loop(), "_selector")
        else None,
        "links": sorted(driver.links),
        "operations": (len(agent.core), len(driver.operations), len(driver.relays), len(driver.everything)),
        "deadline": agent.core.poll_timeout(),
        "timer": driver._timer,
        "own tasks": len(driver._tasks),
    }


async def cancel_everywhere(agent: aio.AsyncAgent, work: Callable[[], Awaitable[object]], again: bool) -> bool:
    """Cancels it at its first step, at its second, and so on until it comes to its end. Whether it has come to it."""
    before = traces(agent)
    for step in range(LONGEST):
        task = asyncio.ensure_future(work())
        for _ in range(step):
            await asyncio.sleep(0)
        has_ended = task.done()
        task.cancel()
        while again and not task.done():
            await asyncio.sleep(0)
            task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        assert has_ended or isinstance(outcome, asyncio.CancelledError), f"step {step}: {outcome!r}"
        await settled(agent, before, step)
        if has_ended:
            assert not isinstance(outcome, BaseException), f"step {step}: {outcome!r}"
            return True
    return False


async def settled(agent: aio.AsyncAgent, before: dict[str, object], step: int) -> None:
    """Gives the other side and resolvers, which nobody can stop, the time to end as well."""
    for turn in range(2000):
        await asyncio.sleep(0 if turn < 100 else 0.002)
        if turn >= 3 and traces(agent) == before:
            return
    left = {key: (value, before[key]) for key, value in traces(agent).items() if value != before[key]}
    raise AssertionError(f"cancelled at step {step} it leaves behind (now, before): {left}, {asyncio.all_tasks()}")


# What is cancelled ---------------------------------------------------------------------------------------------------


async def resolve(agent: aio.AsyncAgent, servers: Servers) -> object:
    return await agent.resolve(f"stun:127.0.0.1:{servers.datagrams[1]}")


async def binding(agent: aio.AsyncAgent, servers: Servers) -> object:
    return await agent.binding(servers.datagrams, timeout=20)


async def binding_of_a_configuration(agent: aio.AsyncAgent, servers: Servers) -> object:
    return await agent.binding(BindingConfig(servers.datagrams))


async def binding_over_tcp(agent: aio.AsyncAgent, servers: Servers) -> object:
    return await agent.binding(servers.stream, transport=Transport.TCP, timeout=20)


async def keep_binding(agent: aio.AsyncAgent, servers: Servers) -> None:
    async with agent.keep_binding(servers.datagrams, timeout=20):
        await asyncio.sleep(0)


async def keep_binding_over_tcp(agent: aio.AsyncAgent, servers: Servers) -> None:
    async with agent.keep_binding(servers.stream, transport=Transport.TCP, timeout=20):
        await asyncio.sleep(0)


async def survey(agent: aio.AsyncAgent, servers: Servers) -> object:
    return await agent.survey([servers.datagrams, servers.datagrams], timeout=20)


async def by_name(agent: aio.AsyncAgent, servers: Servers) -> object:
    return await agent.binding(f"localhost:{servers.datagrams[1]}", timeout=20)


async def discover(agent: aio.AsyncAgent, servers: Servers) -> object:
    return await agent.discover(f"stun:127.0.0.1:{servers.datagrams[1]}", timeout=20)


async def discover_with_a_resolver(agent: aio.AsyncAgent, servers: Servers) -> None:
    async def resolver(_: str, kind: libstun.RecordKind) -> list[str]:
        await asyncio.sleep(0)
        if kind == libstun.RecordKind.AAAA:
            await asyncio.sleep(3600)
        return [servers.datagrams[0]] if kind == libstun.RecordKind.A else []

    with contextlib.suppress(TimeoutError):
        await agent.discover("stun:example.org", resolver=resolver, timeout=0.01)


async def nat_report(agent: aio.AsyncAgent, servers: Servers) -> object:
    return await agent.nat_report(servers.datagrams, timeout=20)


async def nat_probe(agent: aio.AsyncAgent, servers: Servers) -> None:
    async with agent.nat_probe(servers.datagrams, timeout=20):
        await asyncio.sleep(0)


async def started(agent: aio.AsyncAgent, servers: Servers) -> object:
    async with agent.start(BindingConfig(servers.datagrams, refresh_ns=None)) as operation:
        return [event async for event in agent.events(operation.id)]


async def agent_of_its_own(_: aio.AsyncAgent, servers: Servers) -> None:
    async with aio.open_agent() as other:
        await other.binding(servers.datagrams, timeout=20)
        async with (
            other.keep_binding(servers.stream, transport=Transport.TCP),
            other.keep_binding(servers.datagrams, wait=False),
        ):
            await asyncio.sleep(0)


async def agent_that_is_left_in_use(_: aio.AsyncAgent, servers: Servers) -> None:
    async with aio.open_agent(["127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0"]) as other:
        other.serve()
        await other.keep_binding(servers.stream, transport=Transport.TCP).__aenter__()
        await other.nat_probe(servers.datagrams).__aenter__()


BODIES = [
    resolve,
    binding,
    binding_of_a_configuration,
    binding_over_tcp,
    keep_binding,
    keep_binding_over_tcp,
    survey,
    discover,
    discover_with_a_resolver,
    nat_report,
    nat_probe,
    started,
    by_name,
    agent_of_its_own,
    agent_that_is_left_in_use,
]

LONG = (nat_report, discover_with_a_resolver)
"""What waits for time to pass, in the end."""


@both_loops
@both_modes
@pytest.mark.parametrize("body", BODIES)
def test_what_is_cancelled_at_any_step_leaves_nothing_behind(body: Body, again: bool, loop: str) -> None:
    async def main() -> None:
        async with running_servers() as servers, aio.open_agent("127.0.0.1:0") as agent:
            has_ended = await cancel_everywhere(agent, lambda: body(agent, servers), again)
            assert has_ended or body in LONG, "it was not cancelled at each of its steps"

    run(main, loop)


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    cert, key = certificate(tmp_path_factory.mktemp("tls"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    client = ssl.create_default_context(cafile=str(cert))
    client.check_hostname = False
    return server, client


@both_loops
@both_modes
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is missing")
def test_a_handshake_that_is_cancelled_leaves_nothing_behind(
    again: bool, loop: str, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    async def main() -> None:
        running = asyncio.get_running_loop()
        handler = running.get_exception_handler()
        assert handler is not None

        def heard(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
            if "incoming connection" not in str(context["message"]):  # the server's side, which complains rightly
                handler(loop, context)

        running.set_exception_handler(heard)
        async with running_servers(tls=contexts[0]) as servers, aio.open_agent("127.0.0.1:0") as agent:

            async def work() -> object:
                return await agent.binding(servers.stream, transport=Transport.TLS, tls=contexts[1], timeout=20)

            assert await cancel_everywhere(agent, work, again)

    run(main, loop)


@both_loops
def test_an_exit_that_is_cancelled_has_closed_every_socket(loop: str) -> None:
    async def main() -> None:
        async with running_servers() as servers, aio.open_agent("127.0.0.1:0") as agent:
            before = traces(agent)
            context = aio.open_agent(["127.0.0.1:0", "127.0.0.2:0"])
            other = await context.__aenter__()
            await other.keep_binding(servers.stream, transport=Transport.TCP).__aenter__()
            task = asyncio.ensure_future(context.__aexit__(None, None, None))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await settled(agent, before, 1)

    run(main, loop)


@both_loops
def test_sockets_of_a_probe_are_closed_together(loop: str) -> None:
    async def main() -> None:
        async with running_servers() as servers, aio.open_agent("127.0.0.1:0") as agent:
            before = traces(agent)
            probe = agent.nat_probe(servers.datagrams)
            await probe.__aenter__()
            first, *_ = [link for link in agent._driver.links.values() if getattr(link, "is_private", False)]

            async def stuck() -> None:
                raise asyncio.CancelledError

            first.close = stuck  # type: ignore[method-assign]
            with contextlib.suppress(asyncio.CancelledError):
                await probe.__aexit__(None, None, None)
            await settled(agent, before, 1)

    run(main, loop)


@both_loops
def test_of_two_connections_at_once_one_is_closed(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with running_servers() as servers, aio.open_agent("127.0.0.1:0") as agent:
            before = traces(agent)
            attempt, ready = Dialer._attempt, asyncio.Event()

            async def slow(self: Dialer, address: libstun.Address) -> Connection:
                connection = await attempt(self, address)
                await ready.wait()
                return connection

            monkeypatch.setattr(Dialer, "_attempt", slow)
            monkeypatch.setattr(stream_module, "ATTEMPT_DELAY", 0.01)
            asyncio.get_running_loop().call_later(0.1, ready.set)
            connection = await Dialer(agent._driver, Transport.TCP).dial([servers.stream] * 3)
            assert connection.socket_id in agent._driver.links
            await agent._driver.remove(connection)
            await settled(agent, before, 0)

    run(main, loop)


@both_loops
@pytest.mark.parametrize(("of", "most"), [(Transport.TCP, 2), (Transport.UDP, 1)])
def test_what_cannot_be_started_leaves_no_connection(loop: str, of: Transport, most: int) -> None:
    async def main() -> None:
        async with running_servers() as servers, aio.open_agent("127.0.0.1:0", max_operations=most) as agent:
            agent.serve()
            # As if there had been an allocation already: the next one has a socket of its own.
            agent._driver.allocated_at.add((agent._driver.sockets()[0].socket_id, servers.datagrams))
            before = traces(agent)
            to = servers.stream if of == Transport.TCP else servers.datagrams
            config = AllocationConfig(to, transport=of, credentials=ALICE)
            for context in (
                agent.keep_binding(to, transport=of),
                agent.allocation(to, transport=of),
                agent.allocation(config),
                agent.relay_pool(RelayPoolConfig([config, config])),
            ):
                with pytest.raises(libstun.LimitError):
                    await context.__aenter__()
                await settled(agent, before, 0)

    run(main, loop)


class HangsUp(AnswersOnce):
    """Answers, and leaves."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.close()


@both_loops
def test_a_binding_that_was_left_does_not_reconnect_any_more(loop: str) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(HangsUp, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        async with aio.open_agent("127.0.0.1:0") as agent:
            before = traces(agent)
            async with agent.keep_binding(address, transport=Transport.TCP) as binding:
                server.close()
                await server.wait_closed()
                # Each attempt that fails is told.
                async for event in binding:
                    if isinstance(event, events.Retrying) and event.failure.detail == libstun.SendError.REFUSED:
                        break
                assert isinstance(event, events.Retrying)
                assert event.at_ns > agent.now_ns()
                assert agent._driver._tasks
            await settled(agent, before | {"sockets": open_sockets(), "readers": traces(agent)["readers"]}, 0)

    run(main, loop)


def test_a_socket_for_another_attempt_is_on_the_same_link(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        asked: list[tuple[object, ...]] = []

        async def opened(_: object, *where: object) -> None:
            asked.append(where)
            raise OSError("no such link")

        monkeypatch.setattr(binding_module, "private_socket", opened)
        async with (
            running_servers() as servers,
            aio.open_agent("127.0.0.1:0") as agent,
            agent.keep_binding(servers.datagrams) as binding,
        ):
            at, to, by = ("fe80::1", 5000, 0, 7), servers.datagrams, Transport.UDP
            binding.push(events.Reconnect(id=binding.id, server=to, local=at, transport=by))
            await anext(event async for event in binding if isinstance(event, events.Retrying))
        assert asked == [("fe80::1", 7)]

    run(main)


# Relays --------------------------------------------------------------------------------------------------------------


async def allocation(agent: aio.AsyncAgent, servers: Servers) -> None:
    async with agent.allocation(servers.relay_config(), timeout=20) as relay:
        await relay.permit("127.0.0.1", timeout=20)
        await relay.bind_channel(("127.0.0.1", 5000), timeout=20)


async def allocation_over_tcp(agent: aio.AsyncAgent, servers: Servers) -> None:
    async with agent.allocation(servers.relay_config(Transport.TCP), timeout=20) as relay:
        await relay.permit("127.0.0.1", timeout=20)


async def relay_pool(agent: aio.AsyncAgent, servers: Servers) -> None:
    config = RelayPoolConfig([servers.relay_config(), servers.relay_config(Transport.TCP), servers.relay_config()])
    async with agent.relay_pool(config, timeout=20) as pool:
        await pool.permit("127.0.0.1", timeout=20)


@pytest.fixture(scope="module")
def relay_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with coturn(tmp_path_factory.mktemp("relay"), *LONG_TERM, "allow-loopback-peers") as port:
        yield port


@needs_coturn
@both_loops
@both_modes
@pytest.mark.parametrize("body", [allocation, allocation_over_tcp, relay_pool])
def test_a_relay_that_is_left_at_any_step_leaves_nothing_behind(
    body: Body, again: bool, loop: str, relay_port: int
) -> None:
    async def main() -> None:
        async with running_servers(relay_port) as servers, aio.open_agent("127.0.0.1:0") as agent:
            before = traces(agent)
            if not await cancel_everywhere(agent, lambda: body(agent, servers), again):
                # coturn is another process: a loop turns as often as it likes until that answers.
                await body(agent, servers)
                await settled(agent, before, LONGEST)

    run(main, loop)
