"""From names to servers: the questions that a discovery asks, each answer, and each refusal of an answer."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

import pytest

from libstun import (
    Agent,
    DiscoveryConfig,
    DnsFailure,
    FailureReason,
    NaptrRecord,
    RecordKind,
    Service,
    SrvRecord,
    Transport,
    events,
)
from support import SECOND, event, seeded

NAPTR = NaptrRecord(
    order=10, preference=10, flags="s", services="RELAY:turn.udp", regexp="", replacement="_turn._udp.example.org"
)
SRV = SrvRecord(priority=0, weight=0, port=3479, target="one.example.org")


def asked(agent: Agent) -> dict[RecordKind, events.Resolve]:
    """The questions that are open, by kind."""
    questions = agent.poll_events()
    assert all(isinstance(question, events.Resolve) for question in questions)
    return {question.kind: question for question in questions if isinstance(question, events.Resolve)}


def found(agent: Agent) -> list[tuple[str, int, Transport, str]]:
    """The servers that a discovery ends with."""
    happened = event(agent, events.ServersFound)
    assert happened.is_last
    return [(server.address[0], server.address[1], server.transport, server.host) for server in happened.servers]


def test_a_relays_uri_is_resolved_by_naptr_srv_and_both_families() -> None:
    agent = seeded()
    id = agent.start_discovery(DiscoveryConfig(uri="turn:example.org"), 0)
    (naptr,) = asked(agent).values()
    assert (naptr.id, naptr.name, naptr.kind) == (id, "example.org", RecordKind.NAPTR)
    assert agent.answer_naptr(id, naptr.question, [NAPTR], 0) is True
    (srv,) = asked(agent).values()
    assert (srv.name, srv.kind) == ("_turn._udp.example.org", RecordKind.SRV)
    assert agent.answer_services(id, srv.question, iter([SRV]), 0) is True
    hosts = asked(agent)
    assert {kind: question.name for kind, question in hosts.items()} == {
        RecordKind.A: "one.example.org",
        RecordKind.AAAA: "one.example.org",
    }
    assert agent.answer_addresses(id, hosts[RecordKind.A].question, [IPv4Address("192.0.2.9")], 0) is True
    assert agent.answer_addresses(id, hosts[RecordKind.AAAA].question, ["2001:db8::9"], 0) is True
    assert found(agent) == [
        ("2001:db8::9", 3479, Transport.UDP, "example.org"),
        ("192.0.2.9", 3479, Transport.UDP, "example.org"),
    ]
    assert id not in agent


def test_a_name_with_a_port_is_asked_for_addresses_alone() -> None:
    agent = seeded()
    id = agent.start_discovery(DiscoveryConfig(host="example.org", port=7000), 0)
    questions = asked(agent)
    assert set(questions) == {RecordKind.A, RecordKind.AAAA}
    agent.answer_failed(id, questions[RecordKind.AAAA].question, DnsFailure.NOT_FOUND, 0)
    agent.answer_addresses(id, questions[RecordKind.A].question, ["192.0.2.9", "192.0.2.10"], 0)
    assert [server[:2] for server in found(agent)] == [("192.0.2.9", 7000), ("192.0.2.10", 7000)]


def test_an_address_needs_no_dns() -> None:
    agent = seeded()
    agent.start_discovery(DiscoveryConfig(uri="turns:192.0.2.7"), 0)
    assert found(agent) == [("192.0.2.7", 5349, Transport.TLS, "192.0.2.7")]


def test_the_answer_for_one_family_waits_a_little_for_the_other() -> None:
    agent = seeded()
    config = DiscoveryConfig(host="example.org", port=3478, resolution_delay_ns=70_000_000)
    id = agent.start_discovery(config, 0)
    questions = asked(agent)
    agent.answer_addresses(id, questions[RecordKind.A].question, ["192.0.2.9"], SECOND)
    assert agent.poll_event() is None
    assert agent.poll_timeout() == SECOND + 70_000_000
    agent.handle_timeout(SECOND + 70_000_000)
    assert found(agent) == [("192.0.2.9", 3478, Transport.UDP, "example.org")]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (DnsFailure.NOT_FOUND, FailureReason.NOT_FOUND),
        (DnsFailure.FAILED, FailureReason.RESOLVER_FAILED),
        ("failed", FailureReason.RESOLVER_FAILED),
    ],
)
def test_names_that_lead_nowhere_say_why(failure: DnsFailure, reason: FailureReason) -> None:
    agent = seeded()
    id = agent.start_discovery(DiscoveryConfig(host="example.org", port=3478), 0)
    for question in asked(agent).values():
        assert agent.answer_failed(id, question.question, failure, 0) is True
    failed = event(agent, events.Failed)
    assert (failed.is_last, failed.failure.reason) == (True, reason)


def test_a_domain_may_say_that_it_offers_nothing() -> None:
    agent = seeded()
    id = agent.start_discovery(DiscoveryConfig(host="example.org", transports=[Transport.UDP]), 0)
    srv = asked(agent)[RecordKind.SRV]
    agent.answer_services(id, srv.question, [SrvRecord(priority=0, weight=0, port=0, target=".")], 0)
    assert event(agent, events.Failed).failure.reason == FailureReason.NOT_OFFERED


def test_a_silent_resolver_is_given_up_at_the_deadline() -> None:
    agent = seeded()
    agent.start_discovery(DiscoveryConfig(host="example.org", port=3478, deadline_ns=3 * SECOND), 0)
    asked(agent)
    assert agent.poll_timeout() == 3 * SECOND
    agent.handle_timeout(3 * SECOND)
    assert event(agent, events.Failed).failure.reason == FailureReason.TIMEOUT


@pytest.mark.parametrize(
    ("service", "name"),
    [
        (Service.STUN, "_stun._udp.example.org"),
        (Service.STUN_BEHAVIOR, "_stun-behavior._udp.example.org"),
        ("turn", "_turn._udp.example.org"),
    ],
)
def test_each_service_has_records_of_its_own(service: Service, name: str) -> None:
    agent = seeded()
    config = DiscoveryConfig(service=service, host="example.org", transports=[Transport.UDP])
    id = agent.start_discovery(config, 0)
    questions = asked(agent)
    if RecordKind.NAPTR in questions:
        agent.answer_failed(id, questions[RecordKind.NAPTR].question, DnsFailure.NOT_FOUND, 0)
        questions = asked(agent)
    assert questions[RecordKind.SRV].name == name


def test_an_answer_that_nobody_waits_for_is_false() -> None:
    agent = seeded()
    id = agent.start_discovery(DiscoveryConfig(host="example.org", port=3478), 0)
    question = asked(agent)[RecordKind.A].question
    answers: list[Callable[[int, int], bool]] = [
        lambda to, question: agent.answer_addresses(to, question, ["192.0.2.9"], 0),
        lambda to, question: agent.answer_services(to, question, [SRV], 0),
        lambda to, question: agent.answer_naptr(to, question, [NAPTR], 0),
        lambda to, question: agent.answer_failed(to, question, DnsFailure.FAILED, 0),
    ]
    for answer in answers:
        assert answer(id, question + 1000) is False
        assert answer(id + 1, question) is False
    agent.cancel(id, 0)
    for answer in answers:
        assert answer(id, question) is False
    assert agent.poll_event() is None


def test_an_answer_of_another_kind_is_none() -> None:
    agent = seeded()
    id = agent.start_discovery(DiscoveryConfig(host="example.org", port=3478), 0)
    question = asked(agent)[RecordKind.A].question
    agent.answer_services(id, question, [SRV], 0)
    agent.answer_addresses(id, question, ["2001:db8::1"], 0)
    assert not [happened for happened in agent.poll_events() if isinstance(happened, events.ServersFound)]
