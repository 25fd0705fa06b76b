"""Servers as people write them, and the addresses that they stand for."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import zip_longest
from typing import Any, TypeAlias, cast

from .._native import Uri
from ..aliases import Address, AddressLike, Host
from ..enums import Scheme

__all__ = [
    "DEFAULT_PORT",
    "Endpoint",
    "ServerLike",
    "first_of_each_family",
    "is_ipv6",
    "literal",
    "lookup",
    "parse_local",
    "parse_server",
    "plain",
]

ServerLike: TypeAlias = str | Uri | Host | AddressLike | tuple[str, int]
"""`"host"`, `"host:port"`, `"192.0.2.1:3478"`, `"[2001:db8::1]:3478"`, a stun: or turn: URI, an address as a tuple,
or one of `ipaddress`. The port is 3478 unless given."""

DEFAULT_PORT = 3478


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host, by name or IP address, and a port."""

    host: str
    port: int
    scope_id: int = 0


def parse_server(server: ServerLike) -> Endpoint | Uri:
    """What a server is called. A URI stays one, because its name has to be discovered.

    >>> parse_server("stun.example.org")
    Endpoint(host='stun.example.org', port=3478, scope_id=0)
    >>> parse_server("[2001:db8::1]:19302")
    Endpoint(host='2001:db8::1', port=19302, scope_id=0)
    >>> parse_server("2001:db8::1").port
    3478

    Raises ValueError for what is none of the forms of `ServerLike`.
    """
    if isinstance(server, Uri):
        return server
    if isinstance(server, IPv4Address | IPv6Address):
        return Endpoint(str(server), DEFAULT_PORT)
    if isinstance(server, tuple):
        return _of_tuple(server)
    if not isinstance(server, str):
        raise TypeError(f"a server is a string, a Uri, an address or a tuple, not {type(server).__name__}")
    text = server.strip()
    if text.partition(":")[0].lower() in _SCHEMES:
        return Uri.parse(text)
    return _of_text(text, DEFAULT_PORT)


def parse_local(local: str | AddressLike, default_port: int = 0) -> Endpoint:
    """A local IP address and port, 0 for any. Raises ValueError for a name.

    >>> parse_local("127.0.0.1:5000")
    Endpoint(host='127.0.0.1', port=5000, scope_id=0)
    >>> parse_local("::1").port
    0
    """
    endpoint = _of_text(local.strip(), default_port) if isinstance(local, str) else _of_tuple(local)
    _ip(endpoint.host)
    return endpoint


async def lookup(endpoint: Endpoint, *, families: Iterable[int]) -> list[Address]:
    """The addresses of a server, off the loop, and both families in turn so that neither delays the other by much.

    Raises `socket.gaierror` if the name has no address of `families`, and OSError (EAFNOSUPPORT) for an IP address of
    another one.
    """
    wanted = set(families)
    address = literal(endpoint)
    if address is not None:
        if (socket.AF_INET6 if is_ipv6(address) else socket.AF_INET) not in wanted:
            raise OSError(errno.EAFNOSUPPORT, f"no socket of this agent's is of the family of {endpoint.host}")
        return [address]
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_DGRAM)
    addresses = [(family, plain(address)) for family, _, _, _, address in found if family in wanted]
    if not addresses:
        raise socket.gaierror(socket.EAI_NONAME, f"{endpoint.host} has no address that this agent has a socket for")
    first = addresses[0][0]
    own = [address for family, address in addresses if family == first]
    other = [address for family, address in addresses if family != first]
    # RFC 8305 s4: the system's first choice leads, and families take turns.
    return list(dict.fromkeys(address for pair in zip_longest(own, other) for address in pair if address is not None))


def literal(endpoint: Endpoint) -> Address | None:
    """The address, if the host is none that has to be looked up."""
    try:
        ip = ip_address(endpoint.host)
    except ValueError:
        return None
    if ip.version == 6:
        return (str(ip), endpoint.port, 0, endpoint.scope_id)
    return (str(ip), endpoint.port)


def plain(address: Any) -> Address:
    """A socket's address without the scope in its text, which its fourth part says.

    >>> plain(("fe80::1%eth0", 3478, 0, 2))
    ('fe80::1', 3478, 0, 2)
    """
    if len(address) == 4:
        return (address[0].partition("%")[0], address[1], 0, address[3])
    return cast(Address, tuple(address))


def first_of_each_family(addresses: Iterable[Address]) -> list[Address]:
    """At most one IPv4 and one IPv6 address, in their order."""
    first: dict[bool, Address] = {}
    for address in addresses:
        first.setdefault(is_ipv6(address), address)
    return list(first.values())


def is_ipv6(address: Address | AddressLike) -> bool:
    """Whether an address is of IPv6."""
    return ":" in str(address[0])


_SCHEMES = frozenset(Scheme)


def _of_tuple(address: tuple[Any, ...]) -> Endpoint:
    if len(address) not in (2, 4) or not isinstance(address[1], int):
        raise ValueError(f"{address!r} is no address: (host, port) or (host, port, flowinfo, scope_id)")
    host, port = str(address[0]), address[1]
    _check_port(port, address)
    return _scoped(Endpoint(host, port, address[3] if len(address) == 4 else 0))


def _of_text(text: str, default_port: int) -> Endpoint:
    if not text:
        raise ValueError("a server has a name or an address")
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is no address: [host] or [host]:port")
        if ":" not in host:
            raise ValueError(f"{text!r}: only IPv6 addresses stand in brackets")
        _ip(host.partition("%")[0])
        return _scoped(Endpoint(host, _port(rest[1:], text) if rest else default_port))
    if text.count(":") > 1:
        _ip(text.partition("%")[0])
        return _scoped(Endpoint(text, default_port))
    host, colon, rest = text.partition(":")
    if not host:
        raise ValueError(f"{text!r} has no host")
    return Endpoint(host, _port(rest, text) if colon else default_port)


def _scoped(endpoint: Endpoint) -> Endpoint:
    """Takes the scope out of an address such as fe80::1%eth0."""
    host, percent, scope = endpoint.host.partition("%")
    if not percent:
        return endpoint
    number = int(scope) if scope.isdecimal() else socket.if_nametoindex(scope)
    return Endpoint(host, endpoint.port, number)


def _port(text: str, whole: str) -> int:
    if not text.isdecimal() or not text.isascii():
        raise ValueError(f"{whole!r} has no port after the colon")
    port = int(text)
    _check_port(port, whole)
    return port


def _check_port(port: int, whole: object) -> None:
    if not 0 <= port <= 65535:
        raise ValueError(f"{whole!r}: a port is 0 to 65535")


def _ip(host: str) -> IPv4Address | IPv6Address:
    return ip_address(host)
