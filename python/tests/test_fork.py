"""Forks: the child's copy of an agent would repeat its parent's secrets, so it refuses every call."""

from __future__ import annotations

import inspect
import multiprocessing
import os
import pickle
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from libstun import (
    Agent,
    AllocationConfig,
    BindingConfig,
    DiscoveryConfig,
    InternalError,
    LongTerm,
    NatConfig,
    Path,
    RelayPoolConfig,
    ServerConfig,
    StateError,
    SurveyConfig,
    SurveyTarget,
    Transport,
    enums,
    events,
)
from support import CLIENT, SERVER, mapped, only, seeded

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here"),
    # Newer Pythons warn of forks while there are other threads, which is what some of these are about.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

CONFIG = BindingConfig(SERVER, local=CLIENT, refresh_ns=None)
PATH = Path(SERVER, local=CLIENT)
SAFETY = 60.0


def in_child(work: Callable[[], Any]) -> Any:
    """What a function returns in a forked child; `SAFETY` seconds later it hangs."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        status = 1
        try:
            with os.fdopen(writing, "wb") as out:
                try:
                    out.write(pickle.dumps(work()))
                    status = 0
                except BaseException as error:
                    out.write(pickle.dumps(error))
        finally:
            os._exit(status)
    os.close(writing)
    guard = threading.Timer(SAFETY, lambda: os.kill(child, 9))
    guard.start()
    try:
        with os.fdopen(reading, "rb") as inside:
            said = inside.read()
        _, status = os.waitpid(child, 0)
    finally:
        guard.cancel()
    assert said, f"the child ended with {status} and said nothing"
    result = pickle.loads(said)
    if isinstance(result, BaseException):
        raise result
    return result


ARGUMENTS: dict[str, Any] = {
    "data": b"",
    "path": Path(SERVER, local=CLIENT, transport=Transport.TCP),
    "failed": PATH,
    "error": enums.SendError.REFUSED,
    "config": CONFIG,
    "hosts": [],
    "records": [],
    "failure": enums.DnsFailure.FAILED,
    "credentials": LongTerm("alice", "s3cret"),
    "host": "192.0.2.9",
    "peer": SERVER,
    "name": "alice",
    "password": "s3cret",
    "accept": True,
}
METHODS = [
    name
    for name in dir(Agent)
    if callable(getattr(Agent, name)) and (not name.startswith("_") or name in ("__len__", "__contains__"))
]


def arguments(name: str) -> dict[str, Any]:
    configs = {
        "start_server": ServerConfig(),
        "start_survey": SurveyConfig([SurveyTarget(SERVER)]),
        "start_discovery": DiscoveryConfig(host="example.org"),
        "start_nat_probe": NatConfig(SERVER, local=CLIENT),
        "start_allocation": AllocationConfig(SERVER),
        "start_relay_pool": RelayPoolConfig([AllocationConfig(SERVER)]),
    }
    given = {}
    for known, parameter in inspect.signature(getattr(Agent, name)).parameters.items():
        if known != "self" and parameter.default is parameter.empty:
            given[known] = configs[name] if known == "config" and name in configs else ARGUMENTS.get(known, 1)
    return given


@pytest.mark.parametrize("name", METHODS)
def test_the_childs_copy_refuses_every_call(name: str) -> None:
    agent = seeded()

    def work() -> str:
        try:
            if name == "__len__":
                len(agent)
            elif name == "__contains__":
                assert 1 in agent
            else:
                getattr(agent, name)(**arguments(name))
        except StateError as error:
            return str(error)
        return "it was taken"

    assert "before a fork" in in_child(work)


def test_the_parent_goes_on() -> None:
    agent = seeded()
    agent.start_binding(CONFIG, 0)
    request = only(agent)
    assert in_child(lambda: "nothing") == "nothing"
    assert agent.handle_input(mapped(request.data), PATH, 0) is True
    assert isinstance(agent.poll_event(), events.Mapped)


def test_a_new_agent_in_the_child_works_and_says_something_else() -> None:
    def ask() -> bytes:
        agent = Agent(0)
        agent.start_binding(CONFIG, 0)
        request = only(agent)
        assert agent.handle_input(mapped(request.data), PATH, 0) is True
        assert isinstance(agent.poll_event(), events.Mapped)
        return request.data

    assert len({ask(), in_child(ask), in_child(ask), ask()}) == 4


def test_an_agent_of_the_child_is_refused_to_the_grandchild() -> None:
    def work() -> tuple[int, str]:
        agent = seeded()

        def below() -> str:
            with pytest.raises(StateError, match="before a fork") as caught:
                agent.poll_timeout()
            return str(caught.value)

        said = in_child(below)
        return agent.start_binding(CONFIG, 0), said

    id, said = in_child(work)
    assert id > 0
    assert "make another" in said


def test_configurations_and_events_pass_through_a_fork() -> None:
    agent = seeded()
    agent.start_binding(CONFIG, 0)
    request = only(agent)
    assert in_child(lambda: (CONFIG, request.data, request.remote)) == (CONFIG, request.data, SERVER)


def test_processes_of_multiprocessing_are_forks_too() -> None:
    context = multiprocessing.get_context("fork")
    agent = seeded()
    here, there = context.Pipe()

    def work() -> None:
        try:
            agent.poll_transmits()
        except StateError as error:
            fresh = Agent(0)
            fresh.start_binding(CONFIG, 0)
            there.send((str(error), only(fresh).data))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        process = context.Process(target=work)
        process.start()
    assert here.poll(SAFETY), "the child hangs"
    said, data = here.recv()
    process.join(SAFETY)
    assert process.exitcode == 0
    assert "before a fork" in said
    assert data[:2] == b"\x00\x01"


def test_a_fork_while_another_thread_is_inside_does_not_hang_the_child() -> None:
    agent, done = seeded(), threading.Event()

    def work() -> None:
        for now in range(10_000_000):
            if done.is_set():
                return
            agent.start_binding(CONFIG, now)
            agent.poll_transmits()
            agent.network_changed(["10.0.0.2"], now)
            agent.poll_events()

    def child() -> str:
        with pytest.raises(StateError):
            agent.poll_events()
        fresh = Agent(0)
        fresh.start_binding(CONFIG, 0)
        return "well" if len(fresh.poll_transmits()) == 1 else "ill"

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=work, daemon=True) for _ in range(2)]
    try:
        for thread in threads:
            thread.start()
        assert [in_child(child) for _ in range(30)] == ["well"] * 30
    finally:
        done.set()
        sys.setswitchinterval(before)
        for thread in threads:
            thread.join(SAFETY)
    assert not any(thread.is_alive() for thread in threads)
    assert agent.poll_timeout() is not None


def test_what_the_child_refuses_is_no_bug_of_the_agents() -> None:
    agent = seeded()

    def work() -> bool:
        try:
            agent.handle_timeout(0)
        except InternalError:
            return False
        except StateError:
            return True
        return False

    assert in_child(work) is True
    agent.handle_timeout(0)
