"""Discovery, with the questions answered by the host's resolver."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import pytest

from aio_support import both_loops, run
from libstun import Host, NaptrRecord, RecordKind, SrvRecord, Transport, aio


@both_loops
def test_a_name_is_found_by_the_systems_resolver(loop: str) -> None:
    async def main() -> None:
        async with aio.open_agent() as agent:
            servers = await agent.discover("stun:localhost:5000")
            assert ("127.0.0.1", 5000) in [server.address[:2] for server in servers]
            assert {server.host for server in servers} == {"localhost"}
            assert len(agent.core) == 0

    run(main, loop)


def test_a_resolver_of_the_hosts_finds_services() -> None:
    asked: list[tuple[str, RecordKind]] = []

    async def resolver(name: str, kind: RecordKind) -> Sequence[Host] | Sequence[SrvRecord] | Sequence[NaptrRecord]:
        asked.append((name, kind))
        if kind == RecordKind.SRV and name == "_turn._udp.example.org":
            return [SrvRecord(priority=1, weight=1, port=5000, target="relay.example.org")]
        if kind == RecordKind.A and name == "relay.example.org":
            return ["192.0.2.7"]
        return []

    async def main() -> None:
        async with aio.open_agent(resolver=resolver) as agent:
            servers = await agent.discover("turn:example.org", transports=[Transport.UDP])
            assert [(server.address, server.transport) for server in servers] == [(("192.0.2.7", 5000), Transport.UDP)]
            assert ("_turn._udp.example.org", RecordKind.SRV) in asked

    run(main)


def test_a_name_without_addresses_is_not_found() -> None:
    async def nothing(_: str, __: RecordKind) -> Sequence[Host]:
        return []

    async def broken(_: str, __: RecordKind) -> Sequence[Host]:
        raise OSError("the resolver is on fire")

    async def main() -> None:
        async with aio.open_agent() as agent:
            with pytest.raises(aio.OperationFailed) as caught:
                await agent.discover("stun:example.org", resolver=nothing)
            assert caught.value.failure.reason == "not-found"
            with pytest.raises(aio.OperationFailed) as caught:
                await agent.discover("stun:example.org", resolver=broken)
            assert caught.value.failure.reason == "resolver-failed"

    run(main)


@pytest.mark.parametrize("error", [RuntimeError("no reply"), KeyError("rdata"), UnicodeError("label too long")])
def test_whatever_a_resolver_raises_is_an_answer(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_: str, __: RecordKind) -> Sequence[Host]:
        raise error

    async def main() -> None:
        async with aio.open_agent(resolver=broken) as agent:
            with pytest.raises(aio.OperationFailed) as caught:
                await agent.discover("stun:example.org", timeout=20)
            assert caught.value.failure.reason == "resolver-failed"

    run(main)
    warnings = [record for record in caplog.records if record.levelname == "WARNING" and record.name == "libstun"]
    assert any(repr(error) in record.getMessage() for record in warnings)


@pytest.mark.parametrize(
    ("bad_kind", "bad"),
    [
        (RecordKind.A, ["not an address"]),
        (RecordKind.A, [3478]),
        (RecordKind.SRV, ["192.0.2.7"]),
        (RecordKind.NAPTR, ["192.0.2.7"]),
    ],
)
def test_records_that_are_none_are_no_answer(bad_kind: RecordKind, bad: Any, caplog: pytest.LogCaptureFixture) -> None:
    asked: list[RecordKind] = []

    async def resolver(_: str, kind: RecordKind) -> Any:
        asked.append(kind)
        return bad if kind == bad_kind else []

    async def main() -> None:
        async with aio.open_agent(resolver=resolver) as agent:
            with pytest.raises(aio.OperationFailed):
                await agent.discover("turn:example.org", timeout=20)

    run(main)
    assert bad_kind in asked
    assert any(record.levelname == "WARNING" for record in caplog.records)


def test_a_label_that_is_too_long_is_not_found() -> None:
    async def main() -> None:
        async with aio.open_agent() as agent:
            with pytest.raises(aio.OperationFailed) as caught:
                await agent.discover("stun:" + "x" * 64 + ".example", timeout=20)
            assert caught.value.failure.reason == "not-found"

    run(main)


def test_a_name_that_the_system_does_not_know_is_not_found() -> None:
    async def main() -> None:
        async def getaddrinfo(*_: object, **__: object) -> list[object]:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")

        asyncio.get_running_loop().getaddrinfo = getaddrinfo  # type: ignore[method-assign, assignment]
        async with aio.open_agent() as agent:
            with pytest.raises(aio.OperationFailed) as caught:
                await agent.binding("stun:nowhere.example")
            assert caught.value.failure.reason == "not-found"
            with pytest.raises(socket.gaierror):
                await agent.binding("nowhere.example")

    run(main)


@both_loops
def test_a_discovery_that_is_given_up_leaves_no_resolver_behind(loop: str) -> None:
    async def main() -> None:
        was_cancelled = []

        async def slow(_: str, kind: RecordKind) -> Sequence[Host]:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                was_cancelled.append(kind)
                raise
            return []

        async with aio.open_agent(resolver=slow) as agent:
            with pytest.raises(TimeoutError):
                await agent.discover("stun:example.org", timeout=0.05)
            assert len(agent.core) == 0
        assert was_cancelled

    run(main, loop)
