"""Servers as people write them."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from aio_support import run
from libstun import Transport, Uri
from libstun.aio.names import Endpoint, first_of_each_family, lookup, parse_local, parse_server, plain


@pytest.mark.parametrize(
    ("server", "host", "port"),
    [
        ("stun.example.org", "stun.example.org", 3478),
        ("stun.example.org:19302", "stun.example.org", 19302),
        ("192.0.2.1", "192.0.2.1", 3478),
        ("192.0.2.1:5000", "192.0.2.1", 5000),
        ("[2001:db8::1]", "2001:db8::1", 3478),
        ("[2001:db8::1]:5000", "2001:db8::1", 5000),
        ("2001:db8::1", "2001:db8::1", 3478),
        (("192.0.2.1", 5000), "192.0.2.1", 5000),
        (("stun.example.org", 5000), "stun.example.org", 5000),
        ((IPv6Address("2001:db8::1"), 5000), "2001:db8::1", 5000),
        (("2001:db8::1", 5000, 0, 0), "2001:db8::1", 5000),
        ("stun", "stun", 3478),
        ("turn:3479", "turn", 3479),
        ("turns:5000", "turns", 5000),
        ("my_host-1.example.", "my_host-1.example.", 3478),
        ("bücher.example", "bücher.example", 3478),
        ("::1:3478", "::1:3478", 3478),
        (IPv4Address("192.0.2.1"), "192.0.2.1", 3478),
        (IPv6Address("2001:db8::1"), "2001:db8::1", 3478),
    ],
)
def test_a_server_is_written_in_many_ways(server: Any, host: str, port: int) -> None:
    assert parse_server(server) == Endpoint(host, port)


def test_the_scope_of_a_link_local_address_is_kept() -> None:
    assert parse_server("[fe80::1%7]:5000") == Endpoint("fe80::1", 5000, 7)
    assert parse_server(("fe80::1", 5000, 0, 7)) == Endpoint("fe80::1", 5000, 7)
    name = socket.if_indextoname(1)
    assert parse_server(f"fe80::1%{name}") == Endpoint("fe80::1", 3478, 1)
    assert plain(("fe80::1%eth0", 5000, 3, 7)) == ("fe80::1", 5000, 0, 7)


@pytest.mark.parametrize("text", ["stun:example.org", "turns:example.org?transport=tcp", "STUN:example.org:5000"])
def test_a_uri_stays_one(text: str) -> None:
    uri = parse_server(text)
    assert isinstance(uri, Uri)
    assert parse_server(uri) is uri


@pytest.mark.parametrize(
    "server",
    [
        "", ":3478", "example.org:", "example.org:stun", "example.org:65536", "example.org:-1", "[2001:db8::1",
        "[2001:db8::1]3478", "[example.org]:3478", "2001:db8::1::", ("192.0.2.1",), ("192.0.2.1", "3478"),
        ("192.0.2.1", 65536), "ho st", "a/b", "user@example.org", "user@example.org:3478", "a\x00b", "a\tb",
        "192.0.2.1%1", "example.org:99999999999999999999", "turn:", "stun://example.org", ("example.org", True),
        ("a b", 3478), ("[::1]", 3478), ("", 3478), (None, 3478), ("::1", 3478, 0, -1), ("::1", 3478, 0, True),
        "[fe80::1%99999999999]:3478", ("fe80::1", 3478, 0, 1 << 32),
    ],
)  # fmt: skip
def test_what_is_no_server_is_refused(server: Any) -> None:
    with pytest.raises(ValueError):
        parse_server(server)


def test_tls_has_a_port_of_its_own() -> None:
    for server in "example.org", "192.0.2.1", "[2001:db8::1]", IPv4Address("192.0.2.1"):
        assert parse_server(server, Transport.TLS).port == 5349
        assert parse_server(server, Transport.TCP).port == 3478
    assert parse_server("example.org:3478", Transport.TLS).port == 3478


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".example", "\u202eabc"])
def test_what_the_dns_cannot_ask_for_has_no_address(name: str) -> None:
    async def main() -> None:
        with pytest.raises(socket.gaierror):
            await lookup(Endpoint(name, 3478), families={socket.AF_INET})

    run(main)


def test_what_is_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError):
        parse_server(3478)  # type: ignore[arg-type]


def test_a_local_address_is_never_a_name() -> None:
    assert parse_local("127.0.0.1") == Endpoint("127.0.0.1", 0)
    assert parse_local(("::1", 5000)) == Endpoint("::1", 5000)
    with pytest.raises(ValueError):
        parse_local("localhost:5000")


def test_families_of_a_name_take_turns() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        order = ["2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"]

        async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
            assert (host, port) == ("example.org", 5000)
            return [
                (socket.AF_INET6, 2, 17, "", (ip, port, 0, 0)) if ":" in ip else (socket.AF_INET, 2, 17, "", (ip, port))
                for ip in order
            ]

        loop.getaddrinfo = getaddrinfo  # type: ignore[method-assign, assignment]
        both = {socket.AF_INET, socket.AF_INET6}
        found = await lookup(Endpoint("example.org", 5000), families=both)
        assert [address[0] for address in found] == [
            "2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "192.0.2.3",
        ]  # fmt: skip
        assert [address[0] for address in first_of_each_family(found)] == ["2001:db8::1", "192.0.2.1"]
        only = await lookup(Endpoint("example.org", 5000), families={socket.AF_INET})
        assert [address[0] for address in only] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]

    run(main)


def test_an_address_of_a_family_without_a_socket_is_an_error() -> None:
    async def main() -> None:
        with pytest.raises(OSError, match="2001:db8::1"):
            await lookup(Endpoint("2001:db8::1", 3478), families={socket.AF_INET})

    run(main)
