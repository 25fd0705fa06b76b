"""Time and errors, as the driver meets them."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

import libstun
from aio_support import both_loops, needs_ipv6, run, silent_socket
from libstun import aio, events
from libstun.aio import driver as driver_module

SECOND = 1_000_000_000


class JumpingClock:
    """Runs as time does, and jumps when it is told to: a host that was suspended."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return time.monotonic_ns() + self.ahead


@both_loops
def test_a_request_to_a_silent_server_ends_in_its_own_time(loop: str) -> None:
    async def main() -> None:
        quick = libstun.Retransmission(initial_rto_ns=20_000_000, rc=3, rm=2)
        with silent_socket() as silent:
            async with aio.open_agent() as agent:
                start = time.monotonic()
                with pytest.raises(aio.OperationFailed) as caught:
                    await agent.binding(libstun.BindingConfig(silent, retransmission=quick))
                assert caught.value.failure.reason == libstun.FailureReason.TIMEOUT
                assert time.monotonic() - start >= 0.098, "20 + 40 + 2 * 20 ms, less what a loop may be early"

    run(main, loop)


@both_loops
def test_timers_that_fire_a_little_early_do_not_spin(loop: str) -> None:
    async def main() -> None:
        calls = 0
        quick = libstun.Retransmission(initial_rto_ns=5_000_000, rc=5, rm=16)
        with silent_socket() as silent:
            async with aio.open_agent() as agent:
                fire = agent._driver._fire

                def counted() -> None:
                    nonlocal calls
                    calls += 1
                    fire()

                agent._driver._fire = counted  # type: ignore[method-assign]
                with pytest.raises(aio.OperationFailed):
                    await agent.binding(libstun.BindingConfig(silent, retransmission=quick))
        assert 5 <= calls <= 8, f"{calls} wake-ups for five deadlines"

    run(main, loop)


@both_loops
def test_time_that_passes_in_suspend_is_noticed(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "LONGEST_SLEEP_NS", 20_000_000)

    async def main() -> None:
        clock = JumpingClock()
        async with (
            aio.open_agent("127.0.0.1:0") as server,
            server.serve(),
            aio.open_agent(clock=clock) as agent,
            agent.keep_binding(server.addresses[0]) as binding,
        ):
            assert isinstance(await anext(binding), events.Mapped)
            clock.ahead += 3600 * SECOND
            assert isinstance(await anext(binding), events.Refreshed)

    run(main, loop)


@needs_ipv6
def test_what_cannot_be_sent_fails_at_once() -> None:
    async def main() -> None:
        async with aio.open_agent("[::1]:0") as agent:
            # An IPv4 address in IPv6's form is out of reach for a socket of IPv6 alone.
            with pytest.raises(aio.OperationFailed) as caught:
                await agent.binding("[::ffff:127.0.0.1]:3478", timeout=20)
            assert caught.value.failure.reason == libstun.FailureReason.SEND_FAILED
            assert len(agent.core) == 0

    run(main)


def test_an_agent_that_does_nothing_has_no_timer() -> None:
    async def main() -> None:
        async with aio.open_agent() as agent, agent.serve():
            assert agent._driver._timer is None

    run(main)


def test_equal_seeds_send_equal_bytes() -> None:
    async def main() -> None:
        sent: list[bytes] = []
        for _ in range(2):
            with silent_socket() as silent:
                async with aio.open_agent("127.0.0.1:0", seed=b"7" * 32, clock=lambda: 0) as agent:
                    agent._driver.send = lambda transmit: sent.append(transmit.data)  # type: ignore[method-assign]
                    agent.start(libstun.BindingConfig(silent))
        assert sent[0] == sent[1]

    run(main)


def test_the_log_tells_events_and_no_secrets(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        config = libstun.ServerConfig(realm="example.test", users={"alice": "s3cret"})
        async with aio.open_agent("127.0.0.1:0") as server, server.serve(config), aio.open_agent() as agent:
            await agent.binding(server.addresses[0], credentials=libstun.LongTerm("alice", "s3cret"))

    with caplog.at_level(logging.DEBUG, logger="libstun"):
        run(main)
    assert any("mapped address 127.0.0.1" in record.getMessage() for record in caplog.records)
    assert not any("s3cret" in record.getMessage() for record in caplog.records)


def test_events_that_nobody_reads_are_dropped_oldest_first() -> None:
    stream = aio.EventStream()
    for id in range(2000):
        stream.push(events.Unknown(id=id))
    stream.end()

    async def main() -> None:
        ids = [event.id async for event in stream]
        assert ids == list(range(2000 - len(ids), 2000))
        assert stream.dropped == 2000 - len(ids) > 0

    run(main)


def test_a_bug_in_the_agent_leaves_nobody_waiting() -> None:
    async def main() -> None:
        async with aio.open_agent("127.0.0.1:0") as agent:
            complaints: list[object] = []
            asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["exception"]))
            with silent_socket() as silent:
                task = asyncio.create_task(agent.binding(silent))
                await asyncio.sleep(0.01)

                def broken(_: object) -> None:
                    raise libstun.InternalError("a bug")

                agent._driver.send = broken  # type: ignore[method-assign, assignment]
                with pytest.raises(libstun.StateError):
                    await task
            assert isinstance(complaints[0], libstun.InternalError)

    run(main)
