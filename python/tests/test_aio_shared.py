"""One socket for an agent and another protocol."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from aio_support import both_loops, closed_port, needs_linux, received, run, silent_socket
from libstun import aio


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
