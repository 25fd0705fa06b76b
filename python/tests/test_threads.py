"""Any number of threads on one agent: no exception, nothing lost or counted twice, and no deadlock."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

import pytest

from libstun import (
    Agent,
    BindingConfig,
    DropReason,
    Message,
    MessageBuilder,
    MessageClass,
    Path,
    ServerConfig,
    StunError,
    SurveyConfig,
    SurveyTarget,
    UnknownOperationError,
    events,
)
from support import BINDING, CLIENT, MAPPED, MS, SECOND, SERVER, mapped, seeded

PATH = Path(SERVER, local=CLIENT)
ONCE = BindingConfig(SERVER, local=CLIENT, refresh_ns=None)
SAFETY = 120.0
"""Seconds after which a thread that has not ended is a deadlock."""


@contextmanager
def often() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def together(*works: Callable[[], None]) -> None:
    """Does several things at once, and passes on what one of them raised."""
    errors: list[BaseException] = []
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        try:
            gate.wait(SAFETY)
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    with often():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SAFETY)
    assert not any(thread.is_alive() for thread in threads), "a deadlock"
    if errors:
        raise errors[0]


def test_every_operation_of_every_thread_gets_its_answer() -> None:
    agent, rounds = seeded(), 300
    answers: list[int] = []
    lock = threading.Lock()

    def work(host: str) -> None:
        for round_ in range(rounds):
            now = round_ * MS
            agent.start_binding(BindingConfig((host, 3478), local=CLIENT, refresh_ns=None), now)
            for request in agent.poll_transmits():
                assert agent.handle_input(mapped(request.data), request.path, now) is True
            with lock:
                answers.extend(event.id for event in agent.poll_events() if isinstance(event, events.Mapped))

    together(*(lambda host=host: work(f"192.0.2.{host}") for host in range(1, 5)))
    for request in agent.poll_transmits():
        agent.handle_input(mapped(request.data), request.path, rounds * MS)
    answers.extend(event.id for event in agent.poll_events() if isinstance(event, events.Mapped))
    assert len(answers) == len(set(answers)) == 4 * rounds
    assert (len(agent), agent.poll_timeout(), agent.dropped()) == (0, None, 0)


def test_drops_of_all_threads_add_up() -> None:
    agent, rounds = seeded(), 3000
    stray = bytes(MessageBuilder(MessageClass.SUCCESS_RESPONSE, BINDING))

    def work() -> None:
        for _ in range(rounds):
            assert agent.handle_input(stray, PATH, 0) is True
            assert agent.handle_input(b"not STUN", PATH, 0) is False

    together(work, work, work)
    assert agent.dropped() == agent.dropped(DropReason.UNKNOWN_TRANSACTION) == 3 * rounds


def test_one_thread_polls_while_another_feeds() -> None:
    agent, rounds = seeded(), 3000
    agent.start_server(ServerConfig(budget=False), 0)
    done = threading.Event()
    sent: list[bytes] = []

    def feed() -> None:
        for number in range(rounds):
            request = MessageBuilder(MessageClass.REQUEST, BINDING, number.to_bytes(12, "big"))
            agent.handle_input(bytes(request), Path(MAPPED, local=SERVER), number)
            while number - len(sent) > 8:  # what nobody polls is dropped, as it must be
                pass
        done.set()

    def poll() -> None:
        while True:
            was_done = done.is_set()
            got = agent.poll_transmits()
            sent.extend(transmit.data for transmit in got)
            agent.poll_timeout()
            if was_done and not got:
                return

    together(feed, poll)
    assert [Message.parse(data).transaction_id for data in sent] == [n.to_bytes(12, "big") for n in range(rounds)]
    assert agent.dropped() == 0


def test_every_kind_of_call_at_once() -> None:
    agent, rounds = seeded(), 400
    server = agent.start_server(ServerConfig(realm="x"), 0)

    def bindings() -> None:
        for round_ in range(rounds):
            id = agent.start_binding(ONCE, round_)
            assert id in agent
            agent.set_refresh(id, SECOND, round_)
            agent.alternate_domain(id)
            agent.cancel(id, round_)
            with pytest.raises(UnknownOperationError):
                agent.cancel(id, round_)

    def surveys() -> None:
        for round_ in range(rounds):
            id = agent.start_survey(SurveyConfig([SurveyTarget(("192.0.2.77", 1), local=CLIENT)]), round_)
            agent.handle_timeout(round_)
            agent.cancel(id, round_)

    def users() -> None:
        for round_ in range(rounds):
            agent.add_user(server, f"user {round_ % 7}", "s3cret")
            assert agent.remove_user(server, f"user {round_ % 7}") is True

    def polls() -> None:
        for round_ in range(rounds):
            agent.poll_transmits()
            agent.poll_events()
            agent.poll_timeout()
            agent.wake_reason()
            agent.handle_timeout(round_)
            agent.set_power(round_, max_slack_ns=round_)
            agent.set_pacing(round_)
            agent.network_changed(["10.0.0.2", "10.0.0.3"], round_)
            repr(agent)

    def streams() -> None:
        for round_ in range(rounds):
            id = agent.open_stream(Path(SERVER, local=CLIENT, transport="tcp"), round_)  # type: ignore[arg-type]
            assert agent.handle_stream(id, bytes(3), round_) == []
            agent.close_stream(id, round_)

    together(bindings, surveys, users, polls, streams)
    assert len(agent) == 1


def test_refusals_in_one_thread_are_not_seen_in_another() -> None:
    agent = seeded()

    def wrong() -> None:
        for _ in range(2000):
            with pytest.raises((StunError, ValueError)):
                agent.cancel(12345, 0)
            with pytest.raises(TypeError):
                agent.handle_timeout(1.5)  # type: ignore[arg-type]

    def right() -> None:
        for _ in range(2000):
            agent.cancel(agent.start_binding(ONCE, 0), 0)

    together(wrong, right, wrong)
    assert len(agent) == 0


class Finalized:
    """When it is forgotten it calls an agent, as the finalizer of a host's own object may."""

    all: ClassVar[list[int]] = []

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.me = self  # only the collector ends a circle, at any time

    def __del__(self) -> None:
        self.agent.handle_timeout(0)
        self.agent.poll_events()
        self.agent.cancel(self.agent.start_binding(ONCE, 0), 0)
        Finalized.all.append(1)


def test_a_finalizer_that_calls_the_agent_does_not_deadlock() -> None:
    agent, rounds = seeded(), 500
    Finalized.all.clear()

    def forget() -> None:
        for _ in range(rounds):
            Finalized(agent)

    def work() -> None:
        for round_ in range(rounds):
            agent.start_survey(SurveyConfig([SurveyTarget(("192.0.2.77", 1))]), round_)
            for request in agent.poll_transmits():
                if request.remote != SERVER:  # only finalizers ask there
                    agent.handle_input(mapped(request.data), request.path, round_)
            agent.poll_events()

    thresholds = gc.get_threshold()
    gc.set_threshold(3)
    try:
        together(forget, work, work)
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    assert len(Finalized.all) == rounds


def test_an_iterator_that_calls_the_agent_does_not_deadlock() -> None:
    """Arguments are read before the agent is locked, so what they run may call it."""
    agent = seeded()

    def hosts() -> Iterator[str]:
        agent.handle_timeout(0)
        assert agent.poll_timeout() is None
        yield "10.0.0.2"

    together(lambda: agent.network_changed(hosts(), 0))


def test_agents_in_threads_of_their_own_are_equal() -> None:
    results: dict[int, list[bytes]] = {}

    def work(number: int) -> None:
        agent, sent = seeded(7), []
        for round_ in range(300):
            agent.start_binding(ONCE, round_)
            sent += [request.data for request in agent.poll_transmits()]
        results[number] = sent

    together(*(lambda number=number: work(number) for number in range(4)))
    assert results[0] == results[1] == results[2] == results[3]
    assert len(results[0]) == 10, "ten requests at a server at a time"
