"""The UDP sockets that an agent has from the beginning."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias, cast

from ..aliases import AddressLike
from ..config import ServerConfig
from .driver import Driver
from .names import plain
from .udp import UdpSocket, bound_socket

__all__ = ["LocalLike", "bound_sockets", "four_sockets", "private_socket"]

LocalLike: TypeAlias = str | AddressLike | Iterable[str | AddressLike]
"""An IP address and a port (0 is any), as `"192.0.2.7:5000"`, `"[2001:db8::1]:0"` or a tuple; or several."""


def bound_sockets(local: LocalLike | None) -> list[socket.socket]:
    """Sockets at those addresses or, without any, one of each family that the host has, on any port.

    Raises OSError if one of them cannot be bound.
    """
    sockets: list[socket.socket] = []
    try:
        if local is None:
            return _wildcards(sockets)
        for address in _several(local):
            sockets.append(bound_socket(address))  # those that are bound are closed if one fails
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    if not sockets:
        raise ValueError("an agent needs a local address")
    return sockets


async def private_socket(driver: Driver, host: str, scope_id: int = 0) -> UdpSocket:
    """Another socket for one operation, at `host` and any port."""
    sock = bound_socket((host, 0, 0, scope_id) if ":" in host else (host, 0))
    try:
        link = await UdpSocket.open(sock, driver.new_socket_id(), driver)
    except BaseException:
        sock.close()
        raise
    link.is_private = True
    driver.add(link)
    return link


@asynccontextmanager
async def private_sockets(driver: Driver, host: str, count: int) -> AsyncIterator[list[UdpSocket]]:
    """Several of them, for a block."""
    links: list[UdpSocket] = []
    try:
        for _ in range(count):
            links.append(await private_socket(driver, host))  # those that are open are closed if one fails
        yield links
    finally:
        for link in links:
            driver.release(link)  # all of them before the first await, where the task may be cancelled
        for link in links:
            await link.close()


def four_sockets(driver: Driver, config: ServerConfig) -> ServerConfig:
    """The configuration with the numbers of the sockets that RFC 5780 needs, which the agent was opened with.

    Raises ValueError if it has not all of them.
    """
    if config.alternate is None or config.local is None or any(config.socket_ids):
        return config
    first, second = plain(config.local), plain(config.alternate)
    numbers = [_socket_at(driver, ip[0], port[1]) for ip in (first, second) for port in (first, second)]
    return replace(config, socket_ids=(numbers[0], numbers[1], numbers[2], numbers[3]))


def _socket_at(driver: Driver, host: object, port: int) -> int:
    for candidate in driver.sockets():
        if (candidate.local[0], candidate.local[1]) == (str(host), port):
            return candidate.socket_id
    raise ValueError(f"RFC 5780 needs a socket at {host} port {port}: open the agent with it")


def _wildcards(sockets: list[socket.socket]) -> list[socket.socket]:
    error: OSError | None = None
    for address in ("0.0.0.0", 0), ("::", 0, 0, 0):
        try:
            sockets.append(bound_socket(cast(AddressLike, address)))
        except OSError as failure:
            error = failure  # the host has no such family
    if not sockets and error is not None:
        raise error
    return sockets


def _several(local: LocalLike) -> list[str | AddressLike]:
    if isinstance(local, str):
        return [local]
    parts = list(cast(Iterable[object], local))
    if len(parts) in (2, 4) and isinstance(parts[0], str | IPv4Address | IPv6Address) and isinstance(parts[1], int):
        return [cast(AddressLike, tuple(parts))]
    return cast(list[str | AddressLike], parts)
