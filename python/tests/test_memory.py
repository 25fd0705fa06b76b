"""Memory: what is made is freed again, and what is given is let go."""

from __future__ import annotations

import contextlib
import gc
import sys
import weakref
from collections.abc import Callable
from pathlib import Path as File
from typing import Any

import pytest

from libstun import (
    Agent,
    BindingConfig,
    DropReason,
    LongTerm,
    Message,
    MessageBuilder,
    MessageClass,
    Path,
    ServerConfig,
    StunError,
    events,
)
from support import BINDING, CLIENT, MAPPED, OTHER, SERVER, mapped, only, respond, seeded

STATM = File("/proc/self/statm")
PAGE = 4096
SEED = bytes(32)
PATH = Path(SERVER, local=CLIENT)
ONCE = BindingConfig(SERVER, local=CLIENT, refresh_ns=None)
needs_statm = pytest.mark.skipif(not STATM.exists(), reason="only Linux says how much memory a process has")


def resident() -> int:
    """Bytes of memory that the process has."""
    return int(STATM.read_text().split()[1]) * PAGE


def grows(work: Callable[[], None], warm: Callable[[], None]) -> int:
    """By how many bytes the process has grown after work, once it was warm."""
    warm()
    gc.collect()
    before = resident()
    work()
    gc.collect()
    return resident() - before


@needs_statm
def test_a_million_agents_are_made_and_freed() -> None:
    config = BindingConfig(SERVER, refresh_ns=None, credentials=LongTerm("alice", "s3cret"))

    def cycle(count: int) -> None:
        for number in range(count):
            agent = Agent(0, seed=SEED)
            if number % 50 == 0:
                agent.start_binding(config, 0)
                agent.poll_transmits()

    assert grows(lambda: cycle(1_000_000), lambda: cycle(20_000)) < 4 << 20, "less than 5 bytes an agent"


@needs_statm
def test_a_hundred_thousand_requests_answers_and_events_leave_nothing() -> None:
    agent = seeded()

    def cycle(count: int) -> None:
        for _ in range(count):
            agent.start_binding(ONCE, 0)
            request = agent.poll_transmit()
            assert request is not None
            agent.handle_input(mapped(request.data), PATH, 0)
            assert isinstance(agent.poll_event(), events.Mapped)

    assert grows(lambda: cycle(100_000), lambda: cycle(5_000)) < 4 << 20
    assert len(agent) == 0


@needs_statm
def test_refusals_and_garbage_leave_nothing() -> None:
    agent = seeded()
    stray = bytes(MessageBuilder(MessageClass.SUCCESS_RESPONSE, BINDING))

    def cycle(count: int) -> None:
        for _ in range(count):
            agent.handle_input(b"not STUN", PATH, 0)
            agent.handle_input(bytearray(stray), PATH, 0)
            with contextlib.suppress(StunError):
                agent.cancel(7, 0)
            with contextlib.suppress(ValueError):
                agent.handle_timeout(-1)

    assert grows(lambda: cycle(100_000), lambda: cycle(5_000)) < 4 << 20
    assert agent.dropped(DropReason.UNKNOWN_TRANSACTION) == 105_000


@needs_statm
def test_a_server_of_strangers_does_not_grow_without_bound() -> None:
    agent = seeded()
    agent.start_server(ServerConfig(realm="x"), 0)
    request = bytes(MessageBuilder(MessageClass.REQUEST, BINDING))

    def cycle(count: int) -> None:
        for number in range(count):
            host = f"{11 + number % 89}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
            agent.handle_input(request, Path((host, 1000), local=SERVER), number)
            agent.poll_transmits()
        agent.poll_events()

    assert grows(lambda: cycle(100_000), lambda: cycle(20_000)) < 8 << 20


def made_and_freed() -> list[Callable[[], Any]]:
    """Calls whose results are dropped."""
    agent = seeded()
    agent.start_binding(BindingConfig(OTHER), 0)
    request = only(agent)
    answer = respond(request.data)
    builder = MessageBuilder(MessageClass.REQUEST, BINDING)
    return [
        lambda: Agent(0),
        lambda: Path(SERVER),
        agent.poll_transmits,
        agent.poll_events,
        lambda: agent.cancel(agent.start_binding(ONCE, 0), 0),
        lambda: request.path,
        lambda: request.data,
        lambda: request.remote,
        lambda: Message.parse(answer),
        lambda: list(Message.parse(request.data)),
        lambda: bytes(builder),
        lambda: repr(agent),
        agent.wake_reason,
        lambda: agent.dropped(DropReason.INDICATION),
        lambda: agent.handle_send_error(PATH, ConnectionRefusedError(111, "x"), 0, data=bytearray(20)),
        lambda: agent.network_changed(iter(["10.0.0.2"]), 0),
        lambda: agent.answer_addresses(1, 1, ["192.0.2.9"], 0),
    ]


@pytest.mark.parametrize("place", range(len(made_and_freed())))
def test_a_call_leaves_no_objects_and_no_blocks(place: int) -> None:
    call = made_and_freed()[place]
    for _ in range(200):
        call()
    gc.collect()
    gc.disable()
    try:
        objects, blocks = len(gc.get_objects()), sys.getallocatedblocks()
        for _ in range(2000):
            call()
        assert len(gc.get_objects()) - objects < 20
        assert sys.getallocatedblocks() - blocks < 200
    finally:
        gc.enable()


def test_arguments_are_let_go() -> None:
    agent = seeded()
    agent.start_binding(ONCE, 0)
    request = only(agent)
    data, array, config = mapped(request.data), bytearray(100), BindingConfig(OTHER, credentials=LongTerm("a", "b"))
    host, hosts, now = "10.0.0.222", ["10.0.0.222"], 10**15
    given: list[Any] = [data, array, config, config.credentials, host, hosts, now, SERVER, PATH, request]

    def counts() -> list[int]:
        return [sys.getrefcount(one) for one in given]

    before = counts()
    for _ in range(100):
        agent.handle_input(data, PATH, now)
        agent.handle_input(array, SERVER, now)
        agent.cancel(agent.start_binding(config, now), now)
        agent.network_changed(hosts, now)
        agent.handle_send_error(request, ConnectionRefusedError(111, "x"), now)
        with pytest.raises(TypeError):
            agent.handle_input(data, hosts, now)  # type: ignore[arg-type]
        with pytest.raises(StunError):
            agent.permit(now, host, now)
    agent.poll_events()
    assert counts() == before
    array.append(1)


def test_what_refers_to_an_agent_does_not_keep_it() -> None:
    class Mine:
        """What a host hangs an agent on."""

        def __init__(self) -> None:
            self.agent = Agent(0)

    mine = Mine()
    mine.agent.start_binding(ONCE, 0)
    transmit, repr_ = only(mine.agent), repr(mine.agent)
    seen = weakref.ref(mine)
    before = sys.getrefcount(transmit)
    del mine
    gc.collect()
    assert seen() is None
    assert (transmit.remote, bool(repr_)) == (SERVER, True)
    assert sys.getrefcount(transmit) == before


def test_a_transmit_lives_longer_than_its_agent() -> None:
    agent = seeded()
    agent.start_server(ServerConfig(), 0)
    agent.handle_input(bytes(MessageBuilder(MessageClass.REQUEST, BINDING)), Path(MAPPED, local=SERVER), 0)
    answer = only(agent)
    data, path = answer.data, answer.path
    del agent, answer
    gc.collect()
    assert Message.parse(data).mapped_address == MAPPED
    assert path.remote == MAPPED
