"""Time and errors, as the driver meets them."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable

import pytest

import libstun
from aio_support import SAFETY, both_loops, closed_port, needs_ipv6, needs_linux, run, silent_socket
from libstun import aio, events
from libstun.aio import driver as driver_module
from libstun.aio.udp import UdpSocket

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


@both_loops
@pytest.mark.parametrize("arrives", ["a message", "something else"])
def test_what_arrives_after_suspend_wakes_the_timer(loop: str, arrives: str) -> None:
    async def main() -> None:
        clock = JumpingClock()
        async with (
            aio.open_agent("127.0.0.1:0") as server,
            server.serve(),
            aio.open_agent("127.0.0.1:0", clock=clock) as agent,
            agent.keep_binding(server.addresses[0]) as binding,
        ):
            assert isinstance(await anext(binding), events.Mapped)
            timer = agent._driver._timer
            assert timer is not None and timer.when() > asyncio.get_running_loop().time() + 5
            clock.ahead += 3600 * SECOND
            if arrives == "a message":
                agent.start(libstun.BindingConfig(server.addresses[0], refresh_ns=None))
            else:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                    peer.sendto(b"something else", agent.addresses[0])
            async with asyncio.timeout(4):  # less than the timer had to go
                assert isinstance(await anext(binding), events.Refreshed)

    run(main, loop)


@both_loops
def test_a_timer_that_is_due_fires_while_packets_arrive(loop: str) -> None:
    async def main() -> None:
        quick = libstun.Retransmission(initial_rto_ns=5_000_000, rc=2, rm=2)
        with silent_socket() as silent:
            async with aio.open_agent("127.0.0.1:0") as agent:
                operation = agent.start(libstun.BindingConfig(silent, refresh_ns=None, retransmission=quick))
                turns = 0
                while operation.is_running:
                    agent.wake()  # as every packet does
                    await asyncio.sleep(0)
                    turns += 1
                assert isinstance(operation.last, events.Failed)
                assert turns > 0

    run(main, loop)


def test_other_threads_and_loops_are_turned_away() -> None:
    async def main() -> None:
        async with aio.open_agent("127.0.0.1:0") as agent, agent.serve() as operation:
            refused: list[BaseException] = []

            async def elsewhere(work: Callable[[], Awaitable[object]]) -> None:
                with pytest.raises(libstun.StateError, match="another event loop") as caught:
                    await work()
                refused.append(caught.value)

            async def as_coroutine(call: Callable[[], object]) -> None:
                call()

            to = agent.addresses[0]
            works: list[Callable[[], Awaitable[object]]] = [
                lambda: agent.binding(to),
                lambda: agent.survey([to]),
                lambda: agent.discover("stun:127.0.0.1"),
                lambda: agent.keep_binding(to).__aenter__(),
                lambda: agent.allocation(to).__aenter__(),
                operation.finished,
                lambda: anext(operation),
                lambda: as_coroutine(agent.wake),
                lambda: as_coroutine(agent.serve),
                lambda: as_coroutine(operation.cancel),
            ]
            for work in works:
                await asyncio.to_thread(lambda work=work: asyncio.run(elsewhere(work)))  # type: ignore[misc]
            with pytest.raises(libstun.StateError, match="another event loop"):
                await asyncio.to_thread(agent.wake)
            assert len(refused) == len(works)
            assert operation.is_running
            assert (await agent.binding(to)).address == to

    run(main)


@both_loops
def test_streams_of_events_end_with_their_operation(loop: str) -> None:
    async def main() -> None:
        async with aio.open_agent("127.0.0.1:0") as agent:
            operation = agent.serve()
            stream = agent.events(operation.id)
            operation.cancel()
            assert [event async for event in stream] == []
            assert [event async for event in agent.events(operation.id)] == []
            # One that was started and cancelled on the agent itself too.
            id = agent.core.start_server(libstun.ServerConfig(), agent.now_ns())
            stream = agent.events(id)
            agent.core.cancel(id, agent.now_ns())
            agent.wake()
            assert [event async for event in stream] == []
            # What is not told yet is not lost.
            id = agent.core.start_discovery(libstun.DiscoveryConfig(uri="stun:127.0.0.1"), agent.now_ns())
            assert [type(event) async for event in agent.events(id)] == [events.ServersFound]

    run(main, loop)


def test_a_socket_that_was_given_is_closed_when_no_agent_comes_of_it() -> None:
    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            bad: list[dict[str, object]] = [
                {"seed": b"short"},
                {"local": f"127.0.0.1:{taken.getsockname()[1]}"},
                {"local": "192.0.2.1:5000"},
                {"protocol": aio.SharedProtocol()},
            ]
            for options in bad:
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                sock.bind(("127.0.0.1", 0))
                with pytest.raises((ValueError, OSError)):
                    async with aio.open_agent(sock=sock, **options):  # type: ignore[arg-type]
                        raise AssertionError("it is open")
                assert sock.fileno() < 0, options

    run(main)


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


@pytest.mark.parametrize("call", ["handle_timeout", "handle_input"])
def test_a_bug_in_a_call_of_the_agent_leaves_nobody_waiting(call: str) -> None:
    class Broken:
        """An agent that is caught in a bug by one of its calls."""

        def __init__(self, core: libstun.Agent) -> None:
            self._core = core

        def __getattr__(self, name: str) -> object:
            if name == call:
                raise libstun.InternalError("a bug")
            return getattr(self._core, name)

        def __contains__(self, id: object) -> bool:
            return id in self._core

        def __len__(self) -> int:
            return len(self._core)

    async def main() -> None:
        async with aio.open_agent("127.0.0.1:0") as server, server.serve(), aio.open_agent("127.0.0.1:0") as agent:
            complaints: list[object] = []
            asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["exception"]))
            agent._driver.core = Broken(agent.core)  # type: ignore[assignment]
            with silent_socket() as silent:
                task = asyncio.create_task(agent.binding(silent if call == "handle_timeout" else server.addresses[0]))
                with pytest.raises(libstun.StateError):
                    await asyncio.wait_for(task, SAFETY)
            assert isinstance(complaints[0], libstun.InternalError)

    run(main)


@both_loops
def test_a_bug_in_the_agent_keeps_no_socket_open(loop: str) -> None:
    async def main() -> None:
        def broken() -> None:
            raise libstun.InternalError("a bug")

        context = aio.open_agent()
        agent = await context.__aenter__()
        agent.serve()
        stream = agent.events()
        agent._driver.flush = broken  # type: ignore[method-assign]
        with pytest.raises(libstun.InternalError):
            await context.__aexit__(None, None, None)
        assert [event async for event in stream] == []
        assert agent.addresses == []

    run(main, loop)


def test_what_is_left_of_the_events_can_be_read_on_another_loop() -> None:
    streams: list[aio.EventStream] = []

    async def main() -> None:
        async with aio.open_agent("127.0.0.1:0") as agent, agent.serve():
            streams.append(agent.events())
            await agent.binding(agent.addresses[0])

    async def later() -> None:
        assert events.Mapped in [type(event) async for event in streams[0]]

    run(main)
    run(later)


class NoReaders(asyncio.SelectorEventLoop):
    """A loop without readers, as Windows has one."""

    def add_reader(self, fd: object, callback: object, *args: object) -> None:
        raise NotImplementedError

    def remove_reader(self, fd: object) -> bool:
        raise NotImplementedError


def test_a_loop_without_readers_will_do() -> None:
    async def main() -> None:
        async with aio.open_agent("127.0.0.1:0") as server, server.serve(), aio.open_agent("127.0.0.1:0") as agent:
            assert (await agent.binding(server.addresses[0])).address == agent.addresses[0]
            async with agent.nat_probe(server.addresses[0], timeout=10) as probe:
                assert (await probe.finished_report()).mapped is not None
        assert server.received > 1

    run(main, NoReaders)


@needs_linux
@both_loops
def test_icmp_errors_do_not_keep_the_loop_busy(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    readable = UdpSocket._readable

    def counted(self: UdpSocket) -> None:
        nonlocal calls
        calls += 1
        readable(self)

    monkeypatch.setattr(UdpSocket, "_readable", counted)

    async def main() -> None:
        async with aio.open_agent() as agent:
            for _ in range(3):
                with pytest.raises(aio.OperationFailed):
                    await agent.binding(closed_port())
            await asyncio.sleep(0.2)
        assert 3 <= calls <= 9, f"{calls} wake-ups for three errors"

    run(main, loop)


@needs_linux
@both_loops
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", pytest.param("::1", marks=needs_ipv6)])
def test_a_server_that_listens_everywhere_answers_from_where_it_was_asked(loop: str, host: str) -> None:
    async def main() -> None:
        config = libstun.ServerConfig(realm="example.test", users={"alice": "s3cret"})
        credentials = libstun.LongTerm("alice", "s3cret")
        async with aio.open_agent() as server, server.serve(config), aio.open_agent() as agent:
            (port,) = [address[1] for address in server.addresses if (":" in address[0]) == (":" in host)]
            mapped = await agent.binding((host, port), timeout=20, credentials=credentials)
            assert mapped.address[0] in ("127.0.0.1", "::1")

    run(main, loop)
