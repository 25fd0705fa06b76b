"""Servers as people write them, and the addresses that they stand for."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import zip_longest
from typing import Any, TypeAlias, cast

from .._native import Uri
from ..aliases import Address, AddressLike, Host
from ..enums import Scheme, Transport

__all__ = [
    "DEFAULT_PORT",
    "DEFAULT_TLS_PORT",
    "Endpoint",
    "ServerLike",
    "first_of_each_family",
    "getaddrinfo",
    "is_ipv6",
    "literal",
    "lookup",
    "parse_local",
    "parse_server",
    "plain",
    "transport_of",
]

ServerLike: TypeAlias = str | Uri | Host | AddressLike | tuple[str, int]
"""`"host"`, `"host:port"`, `"192.0.2.1:3478"`, `"[2001:db8::1]:3478"`, a stun: or turn: URI, an address as a tuple,
or one of `ipaddress`. The port is 3478 unless given, and 5349 for TLS. An IPv6 address with a port has brackets:
`"::1:3478"` is the address `::1:3478`."""

DEFAULT_PORT = 3478

DEFAULT_TLS_PORT = 5349
"""The port of stuns: and turns: (RFC 8489 s8.1, RFC 8656 s3.1)."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host, by name or IP address, and a port."""

    host: str
    port: int
    scope_id: int = 0


def parse_server(server: ServerLike, transport: Transport | None = None) -> Endpoint | Uri:
    """What a server is called. A URI stays one, because its name has to be discovered.

    A host may be called "stun" or "turn", and have a port: a URI has more than digits after its colon.

    >>> parse_server("stun.example.org")
    Endpoint(host='stun.example.org', port=3478, scope_id=0)
    >>> parse_server("[2001:db8::1]:19302")
    Endpoint(host='2001:db8::1', port=19302, scope_id=0)
    >>> parse_server("2001:db8::1").port
    3478
    >>> parse_server("turn:3478")
    Endpoint(host='turn', port=3478, scope_id=0)
    >>> parse_server("example.org", Transport.TLS).port
    5349

    Raises ValueError for what is none of the forms of `ServerLike`, and OSError for a scope that names no interface.
    """
    default_port = DEFAULT_TLS_PORT if transport == Transport.TLS else DEFAULT_PORT
    if isinstance(server, Uri):
        return server
    if isinstance(server, IPv4Address | IPv6Address):
        return _scoped(Endpoint(str(server), default_port))
    if isinstance(server, tuple):
        return _of_tuple(server)
    if not isinstance(server, str):
        raise TypeError(f"a server is a string, a Uri, an address or a tuple, not {type(server).__name__}")
    text = server.strip()
    scheme, _, rest = text.partition(":")
    if scheme.lower() in _SCHEMES and rest and not _is_number(rest):
        return Uri.parse(text)
    return _of_text(text, default_port)


def transport_of(server: ServerLike) -> Transport:
    """How a server is to be reached: TLS or TCP where a URI says so, else UDP.

    >>> transport_of("stuns:example.org"), transport_of("turn:example.org?transport=tcp"), transport_of("example.org")
    (<Transport.TLS: 'tls'>, <Transport.TCP: 'tcp'>, <Transport.UDP: 'udp'>)
    """
    parsed = parse_server(server)
    if not isinstance(parsed, Uri):
        return Transport.UDP
    if parsed.scheme in (Scheme.STUNS, Scheme.TURNS):
        return Transport.TLS
    return Transport.TCP if parsed.transport == "tcp" else Transport.UDP


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
    found = await getaddrinfo(endpoint.host, endpoint.port)
    addresses = [(family, plain(address)) for family, _, _, _, address in found if family in wanted]
    if not addresses:
        raise socket.gaierror(socket.EAI_NONAME, f"{endpoint.host} has no address that this agent has a socket for")
    first = addresses[0][0]
    own = [address for family, address in addresses if family == first]
    other = [address for family, address in addresses if family != first]
    # RFC 8305 s4: the system's first choice leads, and families take turns.
    return list(dict.fromkeys(address for pair in zip_longest(own, other) for address in pair if address is not None))


async def getaddrinfo(host: str, port: int | None, *, family: int = 0) -> list[Any]:
    """What the system's resolver says, off the loop. Raises `socket.gaierror`, also for what cannot be a name.

    A lookup that is given up goes on in a thread of the loop's executor until the resolver's own timeout: nothing can
    end it.
    """
    loop = asyncio.get_running_loop()
    try:
        return await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_DGRAM)
    except UnicodeError:  # of the codec for IDNA: a label that is empty, or longer than 63 bytes
        raise socket.gaierror(socket.EAI_NONAME, f"{host} can be no name of a host") from None


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
    if len(address) not in (2, 4) or not isinstance(address[0], str | IPv4Address | IPv6Address):
        raise ValueError(f"{address!r} is no address: (host, port) or (host, port, flowinfo, scope_id)")
    if any(type(number) is not int for number in address[1:]):
        raise ValueError(f"{address!r} is no address: port, flowinfo and scope_id are numbers")
    _check_port(address[1], address)
    return _scoped(Endpoint(str(address[0]), address[1], address[3] if len(address) == 4 else 0))


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
    return _scoped(Endpoint(host, _port(rest, text) if colon else default_port))


def _scoped(endpoint: Endpoint) -> Endpoint:
    """Takes the scope out of an address such as fe80::1%eth0, and refuses what is neither an address nor a name."""
    host, percent, scope = endpoint.host.partition("%")
    if ":" in host:
        _ip(host)
        number = endpoint.scope_id
        if percent:
            number = int(scope) if _is_number(scope) else socket.if_nametoindex(scope)
        if not 0 <= number < 1 << 32:
            raise ValueError(f"{number}: a scope is a number of 32 bits")
        return Endpoint(host, endpoint.port, number)
    # What is not ASCII is up to the codec for IDNA.
    if not host or percent or any(character.isspace() for character in host) or _NO_NAME.search(host):
        raise ValueError(f"{endpoint.host!r} is no name of a host, and no address")
    return endpoint


_NO_NAME = re.compile(r"(?![A-Za-z0-9._-])[\x00-\x7f]")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _port(text: str, whole: str) -> int:
    if not _is_number(text):
        raise ValueError(f"{whole!r} has no port after the colon")
    port = int(text) if len(text) < 10 else -1
    _check_port(port, whole)
    return port


def _check_port(port: int, whole: object) -> None:
    if not 0 <= port <= 65535:
        raise ValueError(f"{whole!r}: a port is 0 to 65535")


def _ip(host: str) -> IPv4Address | IPv6Address:
    return ip_address(host)
