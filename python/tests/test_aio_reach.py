"""Which servers are reached how: names beside a timeout, arguments beside a configuration, families, ports."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from aio_support import both_loops, closed_port, coturn, needs_coturn, needs_ipv6, run, silent_socket
from libstun import AllocationConfig, BindingConfig, Host, LongTerm, NatConfig, RecordKind, RelayFamily, Transport, aio
from libstun.aio import reach
from libstun.aio.stream import Dialer

HOURS = 3600.0


async def never(_: str, __: RecordKind) -> Sequence[Host]:
    await asyncio.sleep(HOURS)
    return []


@both_loops
def test_a_survey_keeps_its_answers_whatever_the_other_names_are(loop: str) -> None:
    async def main() -> None:
        async with aio.open_agent("127.0.0.1:0") as server, server.serve(), aio.open_agent("127.0.0.1:0") as agent:
            bad = ["a..b", "stun:does-not-exist.invalid", "x" * 64 + ".example", "stun:" + "x" * 64, "[::1]:3478"]
            result = await agent.survey([bad[0], server.addresses[0], *bad[1:]], timeout=20)
            assert [answer.address for answer in result.answers] == agent.addresses
            assert list(result.unresolved) == bad
            assert all(isinstance(error, OSError | aio.OperationFailed) for error in result.unresolved.values())
            with pytest.raises(ValueError):
                await agent.survey([server.addresses[0], "no name"])

    run(main, loop)


@both_loops
def test_a_survey_has_one_timeout_for_names_and_answers(loop: str) -> None:
    async def main() -> None:
        async with (
            aio.open_agent("127.0.0.1:0") as server,
            server.serve(),
            aio.open_agent("127.0.0.1:0", resolver=never) as agent,
        ):
            with silent_socket() as silent:
                start = time.monotonic()
                result = await agent.survey(["stun:slow.example", server.addresses[0], silent], timeout=1)
                assert time.monotonic() - start < 15
            assert [answer.server for answer in result.answers] == [server.addresses[0]]
            assert (result.failures, result.unanswered) == ((), (silent,))
            assert isinstance(result.unresolved["stun:slow.example"], TimeoutError)
            assert "in time" in str(result.unresolved["stun:slow.example"])
            assert len(agent.core) == 0

    run(main, loop)


def test_surveys_and_tests_of_the_nat_are_over_udp() -> None:
    async def main() -> None:
        async with aio.open_agent("127.0.0.1:0") as agent:
            for uri in "stuns:127.0.0.1", "turn:127.0.0.1?transport=tcp":
                with pytest.raises(ValueError, match="UDP"):
                    await agent.survey([uri], timeout=0.2)
                with pytest.raises(ValueError, match="UDP"):
                    await agent.nat_report(uri, timeout=0.2)
                with pytest.raises(ValueError, match="UDP"):
                    await agent.nat_report("127.0.0.1", servers=[uri], timeout=0.2)

    run(main)


@both_loops
def test_a_test_of_the_nat_has_one_timeout_for_names_and_answers(loop: str) -> None:
    async def main() -> None:
        async with aio.open_agent("127.0.0.1:0", resolver=never) as agent:
            with pytest.raises(TimeoutError):
                await agent.nat_report("stun:slow.example", timeout=0.05)
            with pytest.raises(TimeoutError):
                await agent.nat_report(("127.0.0.1", 3478), servers=["stun:slow.example"], timeout=0.05)
            assert len(agent.core) == 0
            with silent_socket() as silent:
                config = NatConfig(silent, local=silent)
                async with agent.nat_probe(silent, config=config, timeout=0.2) as probe:
                    await probe.finished()

    run(main, loop)


@both_loops
def test_a_binding_is_asked_for_once_over_tcp_as_configured(loop: str) -> None:
    async def main() -> None:
        async with aio.open_agent("127.0.0.1:0") as agent:
            listener = await asyncio.start_server(answer_nothing, "127.0.0.1", 0)
            address = listener.sockets[0].getsockname()
            with pytest.raises(TimeoutError):
                await agent.binding(BindingConfig(address, transport=Transport.TCP), timeout=0.2)
            assert len(agent.core) == 0
            listener.close()
            await listener.wait_closed()
            with pytest.raises(ConnectionRefusedError):
                await agent.binding(BindingConfig(closed_port(), transport=Transport.TCP), timeout=20)

    run(main, loop)


@needs_coturn
@both_loops
def test_a_server_answers_over_tcp_as_configured(loop: str, tmp_path: Path) -> None:
    async def main() -> None:
        with coturn(tmp_path) as port:
            async with aio.open_agent("127.0.0.1:0") as agent:
                config = BindingConfig(("127.0.0.1", port), transport=Transport.TCP)
                mapped = await agent.binding(config, timeout=20)
                assert mapped.address[0] == "127.0.0.1"
                assert mapped.is_last, "it is asked once, whatever refresh_ns is"
                assert len(agent.core) == 0

    run(main, loop)


async def answer_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("credentials", LongTerm("alice", "s3cret")),
        ("transport", Transport.TCP),
        ("local", "127.0.0.1"),
        ("tls", object()),
    ],
)
def test_a_configuration_stands_alone(name: str, value: Any) -> None:
    async def main() -> None:
        config: Any = BindingConfig(("127.0.0.1", 3478))
        other: dict[str, Any] = {name: value}
        async with aio.open_agent("127.0.0.1:0") as agent:
            with pytest.raises(ValueError, match=f"BindingConfig there is no {name}"):
                await agent.binding(config, timeout=5, **other)
            with pytest.raises(ValueError, match=f"BindingConfig there is no {name}"):
                async with agent.keep_binding(config, timeout=5, **other):
                    pass
            if name != "local":
                relay: Any = AllocationConfig(("127.0.0.1", 3478))
                with pytest.raises(ValueError, match=f"AllocationConfig there is no {name}"):
                    async with agent.allocation(relay, timeout=5, **other):
                        pass
            if name == "credentials":
                nat = NatConfig(("127.0.0.1", 3478), local=("127.0.0.1", 0))
                with pytest.raises(ValueError, match="NatConfig there is no credentials"):
                    async with agent.nat_probe(("127.0.0.1", 3478), config=nat, **other):
                        pass

    run(main)


def test_the_family_of_a_relay_is_not_asked_for_twice() -> None:
    async def main() -> None:
        async with aio.open_agent("127.0.0.1:0") as agent:
            config = AllocationConfig(("127.0.0.1", 3478))
            with pytest.raises(ValueError, match="family"):
                async with agent.allocation(config, family=RelayFamily.IPV6, timeout=5):
                    pass

    run(main)


def test_a_connection_takes_no_local_address() -> None:
    async def main() -> None:
        async with aio.open_agent("127.0.0.1:0") as agent:
            (local,) = agent.addresses
            with pytest.raises(ValueError, match="local"):
                await agent.binding(closed_port(), transport=Transport.TCP, local=local, timeout=5)
            config = BindingConfig(closed_port(), transport=Transport.TCP, local=local)
            with pytest.raises(ValueError, match="local"):
                await agent.binding(config, timeout=5)
            with pytest.raises(ValueError, match="local"):
                async with agent.keep_binding(config, timeout=5):
                    pass

    run(main)


@needs_ipv6
@both_loops
def test_a_local_address_chooses_the_family_of_the_server(loop: str) -> None:
    async def main() -> None:
        name_both_families()
        async with aio.open_agent("127.0.0.1:0") as server, server.serve(), aio.open_agent() as agent:
            (local,) = [address for address in agent.addresses if address[0] == "0.0.0.0"]
            name = f"both.example:{server.addresses[0][1]}"
            assert (await agent.binding(name, local=local, timeout=20)).address == ("127.0.0.1", local[1])
            async with agent.keep_binding(name, local=local, timeout=20) as binding:
                assert binding.address == ("127.0.0.1", local[1])

    run(main, loop)


def name_both_families() -> None:
    """Has every name stand for ::1 and 127.0.0.1."""

    async def getaddrinfo(_: str, port: int, **__: Any) -> list[Any]:
        found = [(socket.AF_INET6, ("::1", port, 0, 0)), (socket.AF_INET, ("127.0.0.1", port))]
        return [(family, socket.SOCK_DGRAM, 17, "", address) for family, address in found]

    asyncio.get_running_loop().getaddrinfo = getaddrinfo  # type: ignore[method-assign, assignment]


@both_loops
def test_tls_without_a_port_goes_to_the_port_of_tls(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    async def dial(_: Any, addresses: Any) -> None:
        asked.extend(addresses)
        raise ConnectionRefusedError

    monkeypatch.setattr(Dialer, "dial", dial)

    async def main() -> None:
        async with aio.open_agent("127.0.0.1:0") as agent:
            for server in "127.0.0.1", "127.0.0.1:3478":
                with pytest.raises(ConnectionRefusedError):
                    await agent.binding(server, transport=Transport.TLS)
                with pytest.raises(ConnectionRefusedError):
                    async with agent.keep_binding(server, transport=Transport.TLS):
                        pass
        assert asked == [("127.0.0.1", 5349)] * 2 + [("127.0.0.1", 3478)] * 2

    run(main, loop)


@needs_ipv6
def test_silence_is_not_waited_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "RACE_DEADLINE_NS", 50_000_000, raising=False)

    async def main() -> None:
        with silent_socket("127.0.0.1") as silent:
            name_both_families()
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
                other.bind(("::1", silent[1]))
                async with (
                    aio.open_agent() as agent,
                    agent.keep_binding(f"both.example:{silent[1]}", wait=False, timeout=20) as binding,
                ):
                    assert binding.address is None
                    assert len(agent.core) == 1

    run(main)
