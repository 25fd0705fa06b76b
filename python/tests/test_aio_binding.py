"""Bindings and surveys on asyncio, asked of our own server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import libstun
from aio_support import both_loops, closed_port, needs_ipv6, needs_linux, run, silent_socket
from libstun import FailureReason, LongTerm, ObservedMapping, SendError, ServerConfig, aio, events


@asynccontextmanager
async def a_server(
    local: aio.LocalLike = ("127.0.0.1", 0), config: ServerConfig | None = None
) -> AsyncIterator[aio.AsyncAgent]:
    async with aio.open_agent(local) as agent, agent.serve(config):
        yield agent


@both_loops
def test_a_server_says_the_public_address(loop: str) -> None:
    async def main() -> None:
        async with a_server() as server, aio.open_agent("127.0.0.1:0") as agent:
            mapped = await agent.binding(server.addresses[0])
            assert mapped.address == agent.addresses[0]
            assert mapped.is_last
            assert mapped.rtt_ns is not None
            assert len(agent.core) == 0

    run(main, loop)


@needs_ipv6
@both_loops
def test_one_agent_asks_over_both_families(loop: str) -> None:
    async def main() -> None:
        async with a_server(["127.0.0.1:0", "[::1]:0"]) as server, aio.open_agent() as agent:
            for address, own in zip(server.addresses, agent.addresses, strict=True):
                mapped = await agent.binding(address)
                assert mapped.address[:2] == (address[0], own[1])

    run(main, loop)


@both_loops
@pytest.mark.parametrize("form", ["localhost:{}", "stun:localhost:{}", "127.0.0.1:{}", "stun:127.0.0.1:{}"])
def test_a_server_is_asked_by_its_name(loop: str, form: str) -> None:
    async def main() -> None:
        async with a_server() as server, aio.open_agent() as agent:
            mapped = await agent.binding(form.format(server.addresses[0][1]))
            assert mapped.address[0] == "127.0.0.1"
            assert len(agent.core) == 0

    run(main, loop)


@needs_ipv6
@both_loops
def test_a_family_that_is_silent_does_not_delay_the_other(loop: str) -> None:
    async def main() -> None:
        with silent_socket("::1") as silent:
            async with a_server(("127.0.0.1", silent[1])) as server, aio.open_agent() as agent:
                mapped = await agent.binding(f"localhost:{server.addresses[0][1]}", timeout=10)
                assert mapped.address[0] == "127.0.0.1"
                assert len(agent.core) == 0

    run(main, loop)


@needs_linux
@both_loops
@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6)])
def test_a_closed_port_fails_fast(loop: str, host: str) -> None:
    async def main() -> None:
        async with aio.open_agent() as agent:
            start = time.monotonic()
            with pytest.raises(aio.OperationFailed) as caught:
                await agent.binding(closed_port(host))
            assert caught.value.failure.reason == FailureReason.SEND_FAILED
            assert caught.value.failure.detail == SendError.REFUSED
            assert time.monotonic() - start < 39, "that was the timeout, and not the ICMP error"
            # The socket goes on.
            async with a_server((host, 0)) as server:
                assert await agent.binding(server.addresses[0])

    run(main, loop)


@needs_linux
@both_loops
def test_an_icmp_error_concerns_only_the_request_that_it_quotes(loop: str) -> None:
    async def main() -> None:
        with silent_socket() as silent:
            async with aio.open_agent("127.0.0.1:0") as agent:
                waiting = asyncio.create_task(agent.binding(silent))
                for _ in range(3):
                    with pytest.raises(aio.OperationFailed):
                        await agent.binding(closed_port())
                assert not waiting.done()
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
                assert len(agent.core) == 0

    run(main, loop)


@both_loops
def test_a_timeout_cancels_the_operation(loop: str) -> None:
    async def main() -> None:
        with silent_socket() as silent:
            async with aio.open_agent() as agent:
                with pytest.raises(TimeoutError):
                    await agent.binding(silent, timeout=0.05)
                assert len(agent.core) == 0
                assert agent.core.poll_timeout() is None

    run(main, loop)


@both_loops
def test_a_task_that_is_cancelled_cancels_its_operation(loop: str) -> None:
    async def main() -> None:
        with silent_socket() as silent:
            async with aio.open_agent() as agent:
                task = asyncio.create_task(agent.binding(silent))
                await asyncio.sleep(0.02)
                assert len(agent.core) == 1
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert len(agent.core) == 0

    run(main, loop)


@both_loops
def test_leaving_the_agent_ends_whatever_runs_on_it(loop: str) -> None:
    async def main() -> None:
        with silent_socket() as silent:
            async with aio.open_agent() as agent:
                tasks = [
                    asyncio.create_task(agent.binding(silent)),
                    asyncio.create_task(agent.discover("stun:localhost")),
                ]
                stream = agent.events()
                await asyncio.sleep(0)
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert isinstance(outcomes[0], libstun.StateError)
            async for _ in stream:
                pass  # it ends
            with pytest.raises(libstun.StateError):
                await agent.binding(silent)
            with pytest.raises(libstun.StateError):
                agent.now_ns()
            agent.wake()

    run(main, loop)


@both_loops
def test_a_lost_answer_is_asked_for_again(loop: str) -> None:
    async def main() -> None:
        asked: list[bytes] = []

        class Deaf(asyncio.DatagramProtocol):
            """Hears only what is said twice."""

            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                asked.append(data)
                if len(asked) == 2:
                    self.transport.sendto(answer(data, addr), addr)  # type: ignore[attr-defined]

        running = asyncio.get_running_loop()
        transport, _ = await running.create_datagram_endpoint(Deaf, local_addr=("127.0.0.1", 0))
        try:
            async with aio.open_agent() as agent:
                mapped = await agent.binding(transport.get_extra_info("sockname"))
            assert mapped.address[0] == "127.0.0.1"
            assert mapped.rtt_ns is None, "nobody knows which of the two was answered"
            assert asked[0] == asked[1]
        finally:
            transport.close()
            await asyncio.sleep(0.01)

    run(main, loop)


def answer(request: bytes, to: tuple[str, int]) -> bytes:
    message = libstun.Message.parse(request)
    builder = libstun.MessageBuilder(libstun.MessageClass.SUCCESS_RESPONSE, 1, message.transaction_id)
    return bytes(builder.add_address(libstun.attribute_type("XOR-MAPPED-ADDRESS"), to[:2]))


@both_loops
def test_a_realm_is_met_with_credentials(loop: str) -> None:
    async def main() -> None:
        config = ServerConfig(realm="example.test", users={"alice": "s3cret"})
        async with a_server(config=config) as server, aio.open_agent() as agent:
            to = server.addresses[0]
            assert await agent.binding(to, credentials=LongTerm("alice", "s3cret"))
            with pytest.raises(aio.OperationFailed) as caught:
                await agent.binding(to, credentials=LongTerm("alice", "wrong"))
            assert caught.value.failure.reason == FailureReason.AUTHENTICATION
            assert "s3cret" not in str(caught.value)
            with pytest.raises(aio.OperationFailed) as caught:
                await agent.binding(to)
            assert caught.value.failure.code == 401

    run(main, loop)


@both_loops
def test_a_binding_is_kept_alive(loop: str) -> None:
    async def main() -> None:
        async with a_server() as server, aio.open_agent("127.0.0.1:0") as agent:
            config = libstun.BindingConfig(server.addresses[0], refresh_ns=1_000_000_000)
            async with agent.keep_binding(config) as binding:
                assert binding.address == agent.addresses[0]
                kinds = []
                async for event in binding:
                    kinds.append(type(event))
                    if len(kinds) == 2:
                        break
                assert kinds == [events.Mapped, events.Refreshed]
                assert agent.core.poll_timeout() is not None
            assert not binding.is_running
            assert len(agent.core) == 0

    run(main, loop)


@both_loops
def test_a_binding_without_an_answer_says_why_or_waits(loop: str) -> None:
    async def main() -> None:
        quick = libstun.Retransmission(initial_rto_ns=10_000_000, rc=2, rm=2)
        with silent_socket() as silent:
            config = libstun.BindingConfig(silent, retransmission=quick)
            async with aio.open_agent() as agent:
                with pytest.raises(aio.OperationFailed) as caught:
                    async with agent.keep_binding(config):
                        raise AssertionError("there is no address")
                assert caught.value.failure.reason == FailureReason.TIMEOUT
                async with agent.keep_binding(config, wait=False) as binding:
                    assert binding.address is None
                    assert isinstance(await anext(binding), events.Retrying)
                with pytest.raises(TimeoutError):
                    async with agent.keep_binding(silent, timeout=0.02):
                        raise AssertionError("there is no address")
                assert len(agent.core) == 0

    run(main, loop)


@both_loops
def test_a_survey_compares_servers(loop: str) -> None:
    async def main() -> None:
        with silent_socket() as silent:
            async with (
                a_server() as one,
                a_server("127.0.0.2:0") as two,
                aio.open_agent("127.0.0.1:0", resolver=None) as agent,
            ):
                servers = [one.addresses[0], two.addresses[0], silent, "does-not-exist.invalid"]
                result = await agent.survey(servers, timeout=1)
                assert {answer.server for answer in result.answers} == {one.addresses[0], two.addresses[0]}
                assert all(answer.address == agent.addresses[0] for answer in result.answers)
                assert (result.failures, result.unanswered) == ((), (silent,))
                assert list(result.unresolved) == ["does-not-exist.invalid"]
                assert result.mapping == ObservedMapping.SAME_EVERYWHERE
                enough = await agent.survey([one.addresses[0], silent], enough=1)
                assert len(enough.answers) == 1
                nobody = await agent.survey(["does-not-exist.invalid"])
                assert (nobody.answers, nobody.failures) == ((), ())

    run(main, loop)


@both_loops
def test_one_of_several_sockets_is_chosen(loop: str) -> None:
    async def main() -> None:
        async with a_server() as server, aio.open_agent(["127.0.0.1:0", "127.0.0.2:0"]) as agent:
            for local in agent.addresses:
                assert (await agent.binding(server.addresses[0], local=local)).address == local
                async with agent.keep_binding(server.addresses[0], local=local) as binding:
                    assert binding.address == local
            with pytest.raises(OSError, match=r"127\.0\.0\.3"):
                await agent.binding(server.addresses[0], local="127.0.0.3")
            with pytest.raises(OSError, match="::1"):
                await agent.binding("[::1]:3478")

    run(main, loop)


@both_loops
def test_events_of_everything_or_of_one_operation_can_be_read(loop: str) -> None:
    async def main() -> None:
        async with a_server() as server, aio.open_agent() as agent:
            everything = agent.events()
            config = libstun.BindingConfig(server.addresses[0], refresh_ns=None)
            first = agent.start(config)
            own = agent.events(first.id)
            second = agent.start(config)
            assert [type(event) async for event in own] == [events.Mapped]
            assert [event.id async for event in second] == [second.id]
            assert {(await anext(everything)).id, (await anext(everything)).id} == {first.id, second.id}

    run(main, loop)


@both_loops
def test_the_agent_itself_can_be_used_beside(loop: str) -> None:
    async def main() -> None:
        async with a_server() as server, aio.open_agent() as agent:
            stream = agent.events()
            config = libstun.BindingConfig(server.addresses[0], refresh_ns=None)
            id = agent.core.start_binding(config, agent.now_ns())
            agent.wake()
            event = await anext(stream)
            assert isinstance(event, events.Mapped)
            assert event.id == id

    run(main, loop)


@both_loops
def test_a_burst_of_bindings_all_get_their_answers(loop: str) -> None:
    async def main() -> None:
        async with a_server() as server, aio.open_agent() as agent:
            found = await asyncio.gather(*(agent.binding(server.addresses[0], timeout=20) for _ in range(200)))
            assert {mapped.address[1] for mapped in found} == {agent.addresses[0][1]}
            assert len(agent.core) == 0

    run(main, loop)
