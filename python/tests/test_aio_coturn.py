"""Relays, credentials and tests of the NAT at coturn."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from aio_support import LONG_TERM, both_loops, coturn, free_ports, needs_coturn, received, run
from libstun import (
    AllocationConfig,
    LongTerm,
    NatProperty,
    NatValue,
    PeerPolicy,
    ServerConfig,
    StateError,
    Transport,
    aio,
    events,
)

ALICE = LongTerm("alice", "s3cret")

pytestmark = needs_coturn


@pytest.fixture(scope="module")
def relay_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with coturn(tmp_path_factory.mktemp("relay"), *LONG_TERM, "allow-loopback-peers", "mobility") as port:
        yield port


@contextlib.contextmanager
def a_peer() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield sock


def config(port: int, transport: Transport = Transport.UDP) -> AllocationConfig:
    return AllocationConfig(
        ("127.0.0.1", port), transport=transport, credentials=ALICE, peer_policy=PeerPolicy.LOOPBACK
    )


@both_loops
@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_a_peer_is_talked_to_through_a_relay(loop: str, transport: Transport, relay_port: int) -> None:
    async def main() -> None:
        with a_peer() as peer:
            async with aio.open_agent() as agent:
                async with agent.allocation(config(relay_port, transport), timeout=10) as relay:
                    to = peer.getsockname()
                    with pytest.raises(StateError):
                        relay.send(b"too early", to)
                    await relay.permit(to[0], timeout=10)
                    relay.send(b"hello", to)
                    assert await received(peer) == (b"hello", relay.relayed)
                    peer.sendto(b"and back", relay.relayed)
                    assert await anext(relay) == (b"and back", to)
                    # And the same over a channel.
                    assert await relay.bind_channel(to, timeout=10) >= 0x4000
                    relay.send(memoryview(b"shorter"), to)
                    assert await received(peer) == (b"shorter", relay.relayed)
                    for number in range(100):
                        peer.sendto(b"%d" % number, relay.relayed)
                    assert [int((await anext(relay))[0]) for _ in range(100)] == list(range(100))
                    info = relay.info
                    assert info is not None and info.is_allocated
                assert relay.info is None
                assert [data async for data in relay] == []
                assert len(agent.core) == 0

    run(main, loop)


@both_loops
def test_two_relays_of_one_agent_are_told_apart(loop: str, relay_port: int) -> None:
    async def main() -> None:
        async with (
            aio.open_agent("127.0.0.1:0") as agent,
            agent.allocation(config(relay_port), timeout=10) as one,
            agent.allocation(config(relay_port), timeout=10) as two,
        ):
            await asyncio.gather(one.permit("127.0.0.1"), two.permit("127.0.0.1"))
            one.send(b"from one", two.relayed)
            assert await anext(two) == (b"from one", one.relayed)
            two.send(b"from two", one.relayed)
            assert await anext(one) == (b"from two", two.relayed)

    run(main, loop)


@both_loops
def test_a_relay_can_be_had_again_right_after_it_was_closed(loop: str, relay_port: int) -> None:
    async def main() -> None:
        async with aio.open_agent("127.0.0.1:0") as agent:
            for _ in range(3):
                async with agent.allocation(("127.0.0.1", relay_port), credentials=ALICE, timeout=10) as relay:
                    assert relay.relayed[0] == "127.0.0.1"

    run(main, loop)


def test_wrong_credentials_are_an_error_and_others_can_follow(relay_port: int) -> None:
    async def main() -> None:
        async with aio.open_agent() as agent:
            with pytest.raises(aio.OperationFailed, match="credentials") as caught:
                async with agent.allocation(("127.0.0.1", relay_port), credentials=LongTerm("alice", "wrong")):
                    pass
            assert caught.value.failure.reason == "authentication"
            assert len(agent.core) == 0
            with pytest.raises(aio.OperationFailed):
                async with agent.allocation(("127.0.0.1", relay_port)):
                    pass
            assert len(agent.core) == 0

    run(main)


def test_a_relay_that_is_left_by_cancellation_is_given_back(relay_port: int) -> None:
    async def main() -> None:
        async with aio.open_agent() as agent:
            entered = asyncio.Event()

            async def hold() -> None:
                async with agent.allocation(config(relay_port)):
                    entered.set()
                    await asyncio.sleep(3600)

            task = asyncio.create_task(hold())
            await entered.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert len(agent.core) == 0
            with pytest.raises(TimeoutError):
                async with agent.allocation(config(relay_port), timeout=0.0001):
                    pass
            assert len(agent.core) == 0

    run(main)


def test_a_peer_that_the_server_refuses_is_an_error(tmp_path: Path) -> None:
    async def main() -> None:
        with coturn(tmp_path, *LONG_TERM) as port:
            async with aio.open_agent() as agent, agent.allocation(config(port), timeout=10) as relay:
                with pytest.raises(aio.OperationFailed) as caught:
                    await relay.permit("127.0.0.1", timeout=10)
                assert caught.value.failure.code == 403
                with pytest.raises(aio.OperationFailed) as caught:
                    await relay.bind_channel(("127.0.0.1", 5000), timeout=10)
                assert caught.value.failure.code == 403
                with pytest.raises(ValueError):
                    await relay.permit("224.0.0.1")

    run(main)


def test_a_connection_that_is_lost_is_opened_again(tmp_path: Path) -> None:
    async def main() -> None:
        port = free_ports(1)[0]
        options = (*LONG_TERM, "allow-loopback-peers")
        async with aio.open_agent() as agent:
            with coturn(tmp_path, *options, port=port):
                to = ("127.0.0.1", port)
                context = agent.keep_binding(to, transport=Transport.TCP, timeout=10)
                binding = await context.__aenter__()
                first = binding.address
                assert (await agent.binding(to, transport=Transport.TCP, timeout=10)).address != first
            kinds: list[type[events.Event]] = []
            with coturn(tmp_path, *options, port=port):
                async for event in binding:
                    kinds.append(type(event))
                    if isinstance(event, events.AddressChanged | events.Refreshed):
                        break
            assert events.Reconnect in kinds
            assert binding.address != first
            await context.__aexit__(None, None, None)

    run(main)


def test_a_server_that_refuses_connections_is_an_error() -> None:
    async def main() -> None:
        async with aio.open_agent() as agent:
            with pytest.raises(ConnectionRefusedError):
                await agent.binding(("127.0.0.1", free_ports(1)[0]), transport=Transport.TCP, timeout=10)
            assert len(agent.core) == 0

    run(main)


@both_loops
def test_what_the_nat_does_is_found_out(loop: str, tmp_path: Path) -> None:
    async def main() -> None:
        alternate = free_ports(1)[0]
        lines = ("listening-ip=127.0.0.2", f"alt-listening-port={alternate}", "no-auth")
        with coturn(tmp_path, *lines) as port:
            async with aio.open_agent() as agent:
                async with agent.nat_probe(("127.0.0.1", port), timeout=20) as probe:
                    found = [event async for event in probe]
                assert isinstance(found[-1], events.NatFinished)
                decided = {event.property for event in found if isinstance(event, events.NatFound)}
                assert NatProperty.MAPPING in decided
                report = probe.report
                assert report.findings[NatProperty.TRANSLATION].value == NatValue.ABSENT
                assert report.findings[NatProperty.CONNECTIVITY].value == NatValue.OPEN
                assert "mapping" in str(report)
                assert len(agent.core) == 0
                only = await agent.nat_report(("127.0.0.1", port), properties=[NatProperty.TRANSLATION])
                assert only.findings[NatProperty.TRANSLATION].value == NatValue.ABSENT

    run(main, loop)


@both_loops
def test_our_server_answers_as_rfc_5780_wants(loop: str) -> None:
    async def main() -> None:
        one, two = free_ports(2)
        sockets = [(ip, port) for ip in ("127.0.0.1", "127.0.0.2") for port in (one, two)]
        async with aio.open_agent(sockets) as server, aio.open_agent() as agent:
            with pytest.raises(ValueError, match="needs a socket"):
                server.serve(ServerConfig(local=("127.0.0.1", one), alternate=("127.0.0.3", two)))
            async with server.serve(ServerConfig(local=("127.0.0.1", one), alternate=("127.0.0.2", two))):
                report = await agent.nat_report(("127.0.0.1", one), timeout=20)
            assert report.other == ("127.0.0.2", two)
            assert report.findings[NatProperty.FILTERING].value == NatValue.ENDPOINT_INDEPENDENT

    run(main, loop)
