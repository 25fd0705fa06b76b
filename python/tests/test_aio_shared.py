"""One socket for an agent and another protocol."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from aio_support import both_loops, closed_port, needs_ipv6, needs_linux, received, run, silent_socket
from libstun import BindingConfig, Retransmission, aio
from libstun.aio import icmp


class Application(asyncio.DatagramProtocol):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.transport: asyncio.DatagramTransport | None = None
        self.arrived: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()
        self.errors: list[Exception] = []
        self.lost: list[Exception | None] = []
        self.is_lost = asyncio.Event()
        self.has_error = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.arrived.put_nowait((data, addr))

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)
        self.has_error.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)
        self.is_lost.set()


async def shared_socket() -> tuple[asyncio.DatagramTransport, aio.SharedProtocol, Application]:
    application = Application()
    transport, shared = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: aio.SharedProtocol(application), local_addr=("127.0.0.1", 0)
    )
    return transport, shared, application


async def closed(transport: asyncio.DatagramTransport, application: Application) -> None:
    transport.close()
    await application.is_lost.wait()


@both_loops
def test_an_application_and_an_agent_share_a_socket(loop: str) -> None:
    async def main() -> None:
        transport, shared, application = await shared_socket()
        own = transport.get_extra_info("sockname")
        async with aio.open_agent("127.0.0.1:0") as server, server.serve():
            async with aio.open_agent(protocol=shared) as agent:
                assert agent.addresses == [own]
                mapped = await agent.binding(server.addresses[0])
                assert mapped.address == own
                # What is the application's goes both ways, from the same port.
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                    peer.bind(("127.0.0.1", 0))
                    peer.setblocking(False)
                    transport.sendto(b"hello", peer.getsockname())
                    assert await received(peer) == (b"hello", own)
                    peer.sendto(b"and back", own)
                    assert await application.arrived.get() == (b"and back", peer.getsockname())
                assert application.arrived.empty(), "the agent's answers are not the application's"
            assert not transport.is_closing(), "the application owns it"
            # Without an agent everything is the application's, STUN too.
            async with aio.open_agent("127.0.0.1:0") as other:
                task = asyncio.create_task(other.binding(own))
                data, _ = await application.arrived.get()
                assert data[4:8] == bytes.fromhex("2112a442")
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await closed(transport, application)
        assert application.lost == [None]

    run(main, loop)


@both_loops
def test_an_agent_notices_that_its_shared_socket_is_closed(loop: str) -> None:
    async def main() -> None:
        transport, shared, application = await shared_socket()
        with silent_socket() as silent:
            async with aio.open_agent("127.0.0.1:0", protocol=shared) as agent:
                local = transport.get_extra_info("sockname")
                task = asyncio.create_task(agent.binding(silent, local=local))
                await asyncio.sleep(0.01)
                await closed(transport, application)
                with pytest.raises(aio.OperationFailed) as caught:
                    await task
                assert caught.value.failure.detail == "socket-closed"
                assert len(agent.addresses) == 1

    run(main, loop)


@needs_linux
def test_an_icmp_error_of_a_shared_socket_goes_to_whom_it_concerns() -> None:
    async def main() -> None:
        transport, shared, application = await shared_socket()
        async with aio.open_agent(protocol=shared) as agent:
            with pytest.raises(aio.OperationFailed) as caught:
                await agent.binding(closed_port())
            assert caught.value.failure.detail == "refused"
            assert application.errors == []
            transport.sendto(b"not STUN, and longer than its header", closed_port())
            await application.has_error.wait()
            assert isinstance(application.errors[0], ConnectionRefusedError)
        await closed(transport, application)

    run(main)


@needs_linux
def test_an_agent_that_meets_the_errors_of_the_application_hands_them_over() -> None:
    async def main() -> None:
        transport, shared, application = await shared_socket()
        async with aio.open_agent("127.0.0.1:0") as server, server.serve(), aio.open_agent(protocol=shared) as agent:
            # In between the loop does not run: the agent's next call on the socket meets the errors.
            for _ in range(3):
                transport.sendto(b"not STUN, and longer than its header", closed_port())
                await_no_loop()
                assert await agent.binding(server.addresses[0], timeout=20)
            await application.has_error.wait()
            assert [type(error) for error in application.errors] == [ConnectionRefusedError] * 3
        await closed(transport, application)

    run(main)


@needs_linux
def test_errors_that_may_pass_go_to_whom_they_concern(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icmp, "_HARD", {})  # then this host can make some

    async def main() -> None:
        transport, shared, application = await shared_socket()
        async with aio.open_agent(protocol=shared) as agent:
            binding = asyncio.create_task(agent.binding(closed_port()))
            await asyncio.sleep(0.05)
            assert not binding.done()
            assert application.errors == []
            transport.sendto(b"not STUN, and longer than its header", closed_port())
            await application.has_error.wait()
            assert [type(error) for error in application.errors] == [ConnectionRefusedError]
            binding.cancel()
            await asyncio.gather(binding, return_exceptions=True)
        await closed(transport, application)

    run(main)


@needs_linux
def test_an_error_of_a_relayed_packet_is_the_agents() -> None:
    async def main() -> None:
        transport, shared, application = await shared_socket()
        async with aio.open_agent(protocol=shared) as agent:
            server, other = closed_port(), closed_port()
            with pytest.raises(aio.OperationFailed):
                await agent.binding(server)
            channel_data = bytes.fromhex("4000001000000000000000000000000000000000")
            assert shared.tap is not None
            shared.tap.send(channel_data, server, agent.addresses[0])
            await asyncio.sleep(0.05)
            assert application.errors == []
            transport.sendto(channel_data, other)
            await application.has_error.wait()
            assert len(application.errors) == 1
        await closed(transport, application)

    run(main)


@needs_linux
def test_an_error_that_the_application_is_told_when_it_sends_is_its_own() -> None:
    async def main() -> None:
        transport, shared, application = await shared_socket()
        async with aio.open_agent(protocol=shared):
            transport.sendto(bytes(65520), ("127.0.0.1", 9))
            await application.has_error.wait()
            assert [error.errno for error in application.errors if isinstance(error, OSError)] == [errno.EMSGSIZE]
        await closed(transport, application)

    run(main)


@needs_linux
def test_errors_that_come_before_the_agent_goes_are_still_told() -> None:
    async def main() -> None:
        transport, shared, application = await shared_socket()
        async with aio.open_agent(protocol=shared):
            transport.sendto(b"not STUN, and longer than its header", closed_port())
            await_no_loop()
        await application.has_error.wait()
        assert [type(error) for error in application.errors] == [ConnectionRefusedError]
        await closed(transport, application)

    run(main)


def await_no_loop() -> None:
    """Gives the kernel time for an ICMP error, and the loop none."""
    time.sleep(0.02)


@both_loops
def test_a_shared_socket_that_is_closed_fails_what_was_asked_from_it_at_once(loop: str) -> None:
    async def main() -> None:
        transport, shared, application = await shared_socket()
        patient = Retransmission(initial_rto_ns=3_600_000_000_000)
        with silent_socket() as silent, silent_socket() as another:
            async with aio.open_agent(protocol=shared) as agent:
                configs = [BindingConfig(to, retransmission=patient) for to in (silent, silent, another)]
                tasks = [asyncio.create_task(agent.binding(config, timeout=20)) for config in configs]
                await asyncio.sleep(0.01)
                await closed(transport, application)
                for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                    assert isinstance(outcome, aio.OperationFailed)
                    assert outcome.failure.detail == "socket-closed"
                assert agent.addresses == []

    run(main, loop)


@pytest.mark.parametrize(
    ("family", "kind"), [(socket.AF_INET, socket.SOCK_STREAM), (getattr(socket, "AF_UNIX", 1), socket.SOCK_DGRAM)]
)
def test_what_is_no_udp_socket_is_refused(family: int, kind: int) -> None:
    async def main() -> None:
        good = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock = socket.socket(family, kind)
        with pytest.raises(ValueError, match="UDP"):
            async with aio.open_agent(sock=[good, sock]):
                pass
        assert (good.fileno(), sock.fileno()) == (-1, -1), "they were taken over"

    run(main)


def test_what_is_no_socket_at_all_is_refused() -> None:
    async def main() -> None:
        wrong: Any = ["127.0.0.1:0"]
        with pytest.raises(TypeError, match="socket"):
            async with aio.open_agent(sock=wrong):
                pass
        with pytest.raises(TypeError, match="SharedProtocol"):
            async with aio.open_agent(protocol=wrong):
                pass

    run(main)


def test_a_shared_socket_of_another_kind_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        application = Application()
        transport, shared = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: aio.SharedProtocol(application), local_addr=str(tmp_path / "socket"), family=socket.AF_UNIX
        )
        with pytest.raises(ValueError, match="AF_UNIX"):
            async with aio.open_agent(protocol=shared):
                pass
        await closed(transport, application)

    run(main)


@both_loops
@pytest.mark.parametrize("family", [socket.AF_INET, pytest.param(socket.AF_INET6, marks=needs_ipv6)])
def test_a_socket_that_is_not_bound_is_bound(loop: str, family: socket.AddressFamily) -> None:
    async def main() -> None:
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        sock = socket.socket(family, socket.SOCK_DGRAM)
        async with aio.open_agent((host, 0)) as server, server.serve(), aio.open_agent(sock=sock) as agent:
            assert agent.addresses[0][1] != 0
            assert (await agent.binding(server.addresses[0], timeout=20)).address[1] == agent.addresses[0][1]

    run(main, loop)


@needs_ipv6
@needs_linux
@both_loops
def test_a_dual_stack_socket_serves_both_families_and_asks_ipv6(loop: str) -> None:
    async def main() -> None:
        def dual_stack() -> socket.socket:
            sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            return sock

        async with aio.open_agent(sock=dual_stack()) as server, server.serve(), aio.open_agent() as client:
            port = server.addresses[0][1]
            assert (await client.binding(("127.0.0.1", port), timeout=20)).address[0] == "127.0.0.1"
            assert (await client.binding(("::1", port), timeout=20)).address[0] == "::1"
            async with aio.open_agent(sock=dual_stack()) as agent:
                assert (await agent.binding(("::ffff:127.0.0.1", port), timeout=20)).address[0] == "127.0.0.1"
                with pytest.raises(OSError, match="family"):
                    await agent.binding(("127.0.0.1", port), timeout=20)
                for host in "127.0.0.1", "::1":
                    closed_to = (f"::ffff:{host}" if "." in host else host, closed_port(host)[1])
                    with pytest.raises(aio.OperationFailed) as caught:
                        await agent.binding(closed_to, timeout=20)
                    assert caught.value.failure.detail == "refused"

    run(main, loop)


def test_a_protocol_is_shared_once_and_while_it_is_open() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="no open transport"):
            async with aio.open_agent(protocol=aio.SharedProtocol()):
                pass
        transport, shared, application = await shared_socket()
        async with aio.open_agent(protocol=shared):
            with pytest.raises(ValueError, match="has an agent"):
                async with aio.open_agent(protocol=shared):
                    pass
        async with aio.open_agent(protocol=shared) as agent:
            assert agent.addresses == [transport.get_extra_info("sockname")]
        await closed(transport, application)
        with pytest.raises(ValueError, match="no open transport"):
            async with aio.open_agent(protocol=shared):
                pass

    run(main)


@both_loops
def test_a_bound_socket_is_taken_over(loop: str) -> None:
    async def main() -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        async with aio.open_agent("127.0.0.1:0") as server, server.serve(), aio.open_agent(sock=sock) as agent:
            assert (await agent.binding(server.addresses[0])).address == sock.getsockname()
        assert sock.fileno() == -1

    run(main, loop)


def test_an_address_in_use_leaves_no_socket_behind() -> None:
    async def main() -> None:
        with silent_socket() as taken, pytest.raises(OSError):
            async with aio.open_agent(["127.0.0.1:0", taken]):
                pass
        with pytest.raises(ValueError):
            async with aio.open_agent("localhost:0"):
                pass
        with pytest.raises(ValueError):
            async with aio.open_agent([]):
                pass

    run(main)
