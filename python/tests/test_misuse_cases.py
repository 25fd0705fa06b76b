"""Mistakes that are made: floats for times, names for addresses, odd text, iterators without an end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from libstun import (
    Agent,
    BindingConfig,
    DiscoveryConfig,
    Key,
    LongTerm,
    MessageBuilder,
    MessageClass,
    NatConfig,
    Path,
    ServerConfig,
    ShortTerm,
    StunError,
    SurveyConfig,
    SurveyTarget,
    Uri,
)
from support import BINDING, CLIENT, OTHER, SERVER, only, seeded

PATH = Path(SERVER, local=CLIENT, socket_id=7)


@pytest.mark.parametrize("wrong", [1.0, 0.0, float("nan"), float("inf"), "1", None, b"1", Decimal(1), 1j, [1]])
def test_a_time_is_an_integer(wrong: Any) -> None:
    agent = seeded()
    for call in (
        lambda: Agent(wrong),
        lambda: agent.handle_timeout(wrong),
        lambda: agent.handle_input(b"", PATH, wrong),
        lambda: agent.start_binding(BindingConfig(SERVER), wrong),
        lambda: agent.cancel(0, wrong),
    ):
        with pytest.raises(TypeError, match="is not a time in nanoseconds: an int is"):
            call()


@pytest.mark.parametrize("wrong", [-1, 2**64 - 1, 2**64, -(2**70), 10**400])
def test_a_time_is_from_zero_to_the_end_of_time(wrong: int) -> None:
    agent = seeded()
    with pytest.raises(ValueError, match=r"time|digits"):
        agent.handle_timeout(wrong)
    with pytest.raises(ValueError, match=r"time|digits"):
        Agent(wrong)
    agent.handle_timeout(2**64 - 2)


@pytest.mark.parametrize(
    "name", ["stun.example.org", "localhost", "", "192.0.2", "192.0.2.1.", "[::1]", "::1%", "\uff11.1.1.1"]
)
def test_a_name_is_no_ip_address(name: str) -> None:
    for call in (
        lambda: Path((name, 3478)),
        lambda: seeded().network_changed([name], 0),
        lambda: seeded().answer_addresses(1, 1, [name], 0),
    ):
        with pytest.raises(ValueError, match="is no IP address; resolve names before"):
            call()


def test_text_with_surrogates_or_nul_is_a_value_error() -> None:
    agent = seeded()
    for text in ("\ud800", "a\udfffb"):
        for call in (
            lambda text=text: Path((text, 1)),
            lambda text=text: agent.add_user(1, text, "x"),
            lambda text=text: agent.start_discovery(DiscoveryConfig(host=text), 0),
            lambda text=text: agent.start_discovery(DiscoveryConfig(uri=text), 0),
            lambda text=text: agent.start_binding(BindingConfig(SERVER, credentials=LongTerm(text, "x")), 0),
            lambda text=text: agent.start_binding(BindingConfig(SERVER, credentials=ShortTerm("x", text)), 0),
            lambda text=text: agent.start_server(ServerConfig(realm=text), 0),
            lambda text=text: agent.dropped(text),
            lambda text=text: Key.short_term(text),
            lambda text=text: Uri.parse(text),
        ):
            with pytest.raises(ValueError, match=r"."):
                call()
    with pytest.raises(ValueError, match="neither a name nor an address"):
        agent.start_discovery(DiscoveryConfig(host="a\0b"), 0)


def test_an_iterator_without_an_end_is_a_mistake_and_no_trap() -> None:
    agent = seeded()
    for call in (
        lambda: agent.network_changed(itertools.repeat("10.0.0.1"), 0),
        lambda: agent.answer_addresses(1, 1, itertools.repeat("10.0.0.1"), 0),
        lambda: agent.start_survey(SurveyConfig(itertools.repeat(SurveyTarget(SERVER))), 0),  # type: ignore[arg-type]
        lambda: agent.start_nat_probe(NatConfig(SERVER, local=CLIENT, servers=itertools.repeat(OTHER)), 0),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError, match="more than"):
            call()


def test_an_exception_of_the_callers_own_iterator_is_the_callers() -> None:
    def members(first: object = "10.0.0.1") -> Iterator[Any]:
        yield first
        raise RuntimeError("mine")

    agent = seeded()
    with pytest.raises(RuntimeError, match="mine"):
        agent.network_changed(members(), 0)
    with pytest.raises(RuntimeError, match="mine"):
        agent.answer_addresses(1, 1, members(), 0)
    with pytest.raises(RuntimeError, match="mine"):
        agent.start_survey(SurveyConfig(members(SurveyTarget(SERVER))), 0)  # type: ignore[arg-type]
    agent.start_binding(BindingConfig(SERVER), 0)
    assert only(agent).remote == SERVER


def test_a_bool_is_the_number_that_it_is() -> None:
    agent = seeded()
    assert True not in agent
    with pytest.raises(StunError):
        agent.cancel(True, 0)
    with pytest.raises(TypeError):
        agent.answer_redirect(1, 1, 0)  # type: ignore[arg-type]


def test_whether_an_operation_is_there_can_be_asked_of_anything() -> None:
    agent = seeded()
    for anything in (None, "x", -1, 2**64, 1.0, [], object()):
        assert anything not in agent


def test_a_message_says_where_it_was_asked_for() -> None:
    assert MessageBuilder(MessageClass.REQUEST, BINDING).transaction_id
    for method in (-1, 4096, 1.0, "binding"):
        with pytest.raises((ValueError, TypeError)):
            MessageBuilder(MessageClass.REQUEST, method)  # type: ignore[arg-type]
