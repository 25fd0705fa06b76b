"""An asyncio driver for agents: sockets, timer, name resolution and ICMP errors, on asyncio's loops and uvloop.

    import asyncio
    from libstun import aio

    async def main():
        async with aio.open_agent() as agent:
            mapped = await agent.binding("stun.example.org:3478", timeout=5)
            print(mapped.address)

    asyncio.run(main())

Whatever leaves the block of `open_agent()` leaves nothing behind: no socket, timer, task or callback (but see there for
names that are being looked up). Timeouts are in seconds here, as everywhere in asyncio; configurations and events are
those of `libstun`, in nanoseconds. The logger `libstun` tells every event at level DEBUG, and no secrets.

There is no such module for trio or anyio: this one consists of asyncio's readers, `call_later()` and futures, and for
other loops examples/python/sans_io.py is the way.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar, cast

from .agent import AsyncAgent
from .binding import Binding
from .clock import Clock, default_clock
from .discovery import Resolver
from .driver import Driver
from .errors import OperationFailed
from .names import DEFAULT_PORT, DEFAULT_TLS_PORT, ServerLike
from .nat import NatProbe
from .operation import EventStream, Operation
from .pool import RelayPool
from .reach import SurveyResult
from .relay import Relay
from .sockets import LocalLike, bound_sockets
from .udp import SharedProtocol, UdpSocket

__all__ = [
    "DEFAULT_PORT",
    "DEFAULT_TLS_PORT",
    "AsyncAgent",
    "Binding",
    "Clock",
    "EventStream",
    "LocalLike",
    "NatProbe",
    "Operation",
    "OperationFailed",
    "Relay",
    "RelayPool",
    "Resolver",
    "ServerLike",
    "SharedProtocol",
    "SurveyResult",
    "default_clock",
    "open_agent",
]


@asynccontextmanager
async def open_agent(
    local: LocalLike | None = None,
    *,
    sock: socket.socket | Iterable[socket.socket] | None = None,
    protocol: SharedProtocol | Iterable[SharedProtocol] | None = None,
    seed: bytes | None = None,
    max_operations: int | None = None,
    clock: Clock | None = None,
    resolver: Resolver | None = None,
) -> AsyncIterator[AsyncAgent]:
    """An agent on the running loop, for as long as the block runs.

    Without arguments it has an IPv4 and an IPv6 socket on any port, or the one that the host can have. Else it has a
    socket at each of the addresses `local`, and those that it is given: `sock` are UDP sockets, which it takes over and
    closes, also if it raises, and binds to any port of all addresses unless they are bound; `protocol` are sockets that
    it shares with another protocol (see `SharedProtocol`).

    An IPv6 socket is for IPv6 servers only, also if it is a dual-stack one, without IPV6_V6ONLY: give an IPv4 socket
    beside it, or write an IPv4 server as `("::ffff:192.0.2.1", 3478)`. Requests are answered on it for both families.

    `seed` makes what it sends repeatable, which is for tests: 32 bytes. `clock` gives its time in nanoseconds.
    `resolver` asks the DNS for SRV and NAPTR records, which the system's resolver does not know.

    One thing can outlive the block: a name that is being looked up by the system's resolver, in a thread of the loop's
    executor, until the resolver's own timeout. Nothing can end that earlier.

    Raises OSError if a socket cannot be opened, ValueError for one that is not of UDP.
    """
    given = _list(sock, socket.socket)
    with _closed_on_failure(given):
        protocols = _list(protocol, SharedProtocol)
        driver = Driver(clock or default_clock(), seed=seed, max_operations=max_operations)
        if local is not None or not (given or protocols):
            given += bound_sockets(local)
    try:
        await _open(driver, given)
        for shared in protocols:
            driver.add(UdpSocket.share(shared, driver.new_socket_id(), driver))
        yield AsyncAgent(driver, resolver)
    finally:
        await driver.close()


async def _open(driver: Driver, sockets: list[socket.socket]) -> None:
    for number, sock in enumerate(sockets):
        with _closed_on_failure(sockets[number:]):
            driver.add(await UdpSocket.open(sock, driver.new_socket_id(), driver))


@contextmanager
def _closed_on_failure(sockets: list[socket.socket]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for sock in sockets:
            sock.close()
        raise


def _list(given: One | Iterable[One] | None, kind: type[One]) -> list[One]:
    if given is None:
        return []
    several = [given] if isinstance(given, kind) else list(cast(Iterable[One], given))
    for one in several:
        if not isinstance(one, kind):
            raise TypeError(f"{one!r} is no {kind.__name__}")
    return several


One = TypeVar("One")
