"""A NAT probe against the library's own server of RFC 5780: without a NAT, behind several kinds, and in vain."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from libstun import (
    Address,
    NatConfidence,
    NatConfig,
    NatFinding,
    NatProperty,
    NatReason,
    NatReport,
    NatValue,
    SendError,
    ServerConfig,
    UnknownOperationError,
    events,
)
from support import CLIENT, MS, OTHER, SECOND, SERVER, Nat, Network, Node, seeded

FOUR: list[Address] = [SERVER, ("192.0.2.1", 3479), ("192.0.2.2", 3478), OTHER]
NEXT: Address = ("10.0.0.2", 5001)
CONFIG = NatConfig(SERVER, local=CLIENT, socket_id=1, second=NEXT, second_socket_id=2)
QUICK = {property for property in NatProperty if property != NatProperty.LIFETIME}


def probed(nat: Nat | None = None, config: NatConfig = CONFIG, *, is_ordinary: bool = False) -> tuple[Node, NatReport]:
    """A probe that has come to its end, and its report."""
    network = Network()
    server = seeded(9)
    alternate = None if is_ordinary else OTHER
    server.start_server(ServerConfig(local=SERVER, alternate=alternate, socket_ids=(0, 1, 2, 3)), 0)
    network.add(server, {SERVER: 0} if is_ordinary else {address: place for place, address in enumerate(FOUR)})
    client = network.add(seeded(), {CLIENT: 1, NEXT: 2}, nat)
    id = client.agent.start_nat_probe(config, 0)
    assert client.agent.nat_report(id).findings[NatProperty.TRANSLATION].reason == NatReason.NOT_TESTED
    network.run(lambda: bool(client.of(events.NatFinished)), 200 * SECOND)
    (finished,) = client.of(events.NatFinished)
    assert (finished.id, finished.is_last) == (id, True)
    return client, finished.report


def values(report: NatReport) -> dict[str, str | None]:
    """What is known of the four that matter most."""
    names = ("connectivity", "translation", "mapping", "filtering")
    return {name: report.findings[NatProperty(name)].value for name in names}


def test_an_open_host_is_told_from_one_behind_a_nat() -> None:
    _, report = probed()
    assert values(report) == {
        "connectivity": NatValue.OPEN,
        "translation": NatValue.ABSENT,
        "mapping": NatValue.ENDPOINT_INDEPENDENT,
        "filtering": NatValue.ENDPOINT_INDEPENDENT,
    }
    assert (report.server, report.other, report.local, report.mapped) == (SERVER, OTHER, CLIENT, CLIENT)
    assert (report.rfc3489_name, report.depends_on_destination) == ("open Internet", False)


def test_a_full_cone_is_one() -> None:
    client, report = probed(Nat("203.0.113.9"))
    assert values(report) == {
        "connectivity": NatValue.OPEN,
        "translation": NatValue.PRESENT,
        "mapping": NatValue.ENDPOINT_INDEPENDENT,
        "filtering": NatValue.ENDPOINT_INDEPENDENT,
    }
    assert (report.mapped, report.rfc3489_name) == (("203.0.113.9", 5000), "full cone NAT")
    assert report.requests >= report.responses > 3
    assert {found.property for found in client.of(events.NatFound)} == QUICK


def test_a_nat_that_lets_in_only_whom_it_was_sent_to_filters() -> None:
    _, report = probed(Nat("203.0.113.9", filters=True))
    assert values(report)["mapping"] == NatValue.ENDPOINT_INDEPENDENT
    assert values(report)["filtering"] == NatValue.ADDRESS_AND_PORT_DEPENDENT
    assert report.rfc3489_name == "port restricted cone NAT"


def test_a_symmetric_nat_is_one() -> None:
    _, report = probed(Nat("203.0.113.9", shifts=True, filters=True))
    assert values(report)["mapping"] == NatValue.ADDRESS_AND_PORT_DEPENDENT
    assert report.depends_on_destination is True
    assert report.rfc3489_name == "symmetric NAT"


def test_what_an_ordinary_server_cannot_tell_is_unknown_with_the_reason() -> None:
    _, report = probed(Nat("203.0.113.9"), is_ordinary=True)
    assert report.other is None
    filtering = report.findings[NatProperty.FILTERING]
    assert (filtering.value, filtering.confidence, filtering.reason) == (None, None, NatReason.NO_OTHER_ADDRESS)
    assert report.findings[NatProperty.TRANSLATION].value == NatValue.PRESENT


def test_a_silent_server_leaves_all_unknown_or_blocked() -> None:
    agent = seeded()
    network = Network()
    client = network.add(agent, {CLIENT: 1, NEXT: 2})
    agent.start_nat_probe(CONFIG, 0)
    network.run(lambda: bool(client.of(events.NatFinished)), 200 * SECOND)
    findings = client.of(events.NatFinished)[0].report.findings
    assert {(unanswered.server, bool(unanswered.test)) for unanswered in client.of(events.NatUnanswered)} == {
        (SERVER, True)
    }
    assert findings[NatProperty.MAPPING].reason == NatReason.NO_ANSWER
    assert {finding.value for finding in findings.values()} <= {None, NatValue.BLOCKED}


def test_only_what_was_asked_for_is_tested() -> None:
    client, report = probed(config=replace(CONFIG, properties=[NatProperty.MAPPING, NatProperty.TRANSLATION]))
    assert {found.property for found in client.of(events.NatFound)} == {NatProperty.MAPPING, NatProperty.TRANSLATION}
    assert report.findings[NatProperty.FILTERING].reason == NatReason.NOT_TESTED
    assert report.findings[NatProperty.MAPPING].value == NatValue.ENDPOINT_INDEPENDENT


def test_a_report_is_for_people_and_for_machines() -> None:
    _, report = probed(Nat("203.0.113.9"))
    assert set(report.findings) == set(NatProperty)
    assert str(report).startswith("server  ")
    for name in ("mapping", "filtering", "192.0.2.1:3478"):
        assert name in str(report)
    said = json.loads(report.json)
    assert said["mapping"]["value"] == "endpoint-independent"
    mapping = report.findings[NatProperty.MAPPING]
    assert mapping.confidence in list(NatConfidence)
    assert mapping.evidence
    for seen in mapping.evidence:
        assert seen.asked in FOUR
        assert str(seen) == seen.text
        assert seen.text in report.text
    assert all(finding.evidence == () for finding in findings_of_events())


def findings_of_events() -> list[NatFinding]:
    client, _ = probed(Nat("203.0.113.9"))
    return [found.finding for found in client.of(events.NatFound)]


def test_every_finding_is_a_value_or_a_reason() -> None:
    for nat in (None, Nat("203.0.113.9"), Nat("203.0.113.9", shifts=True), Nat("203.0.113.9", filters=True)):
        _, report = probed(nat)
        for finding in report.findings.values():
            assert (finding.value is None) != (finding.reason is None)
            assert (finding.value is None) == (finding.confidence is None)
            assert isinstance(finding.value, NatValue | None)
            assert isinstance(finding.reason, NatReason | None)


def test_the_lifetime_of_a_binding_is_measured_if_asked_for() -> None:
    config = replace(
        CONFIG, properties=[NatProperty.LIFETIME], lifetime_max_ns=30 * SECOND, lifetime_precision_ns=10 * SECOND
    )
    network = Network()
    server = seeded(9)
    server.start_server(ServerConfig(local=SERVER, alternate=OTHER, socket_ids=(0, 1, 2, 3)), 0)
    network.add(server, {address: place for place, address in enumerate(FOUR)})
    client = network.add(seeded(), {CLIENT: 1, NEXT: 2}, Nat("203.0.113.9"))
    client.agent.start_nat_probe(config, 0)
    network.run(lambda: bool(client.of(events.NatFinished)), 1200 * SECOND)
    lifetime = client.of(events.NatFinished)[0].report.findings[NatProperty.LIFETIME]
    assert lifetime.value == NatValue.BOUNDED
    # What is counted ends when the server was asked, a round trip before the answer.
    assert (lifetime.lifetime_at_least_ns, lifetime.lifetime_below_ns) == (30 * SECOND - 20 * MS, None)


def test_another_network_ends_a_probe() -> None:
    agent = seeded()
    id = agent.start_nat_probe(CONFIG, 0)
    agent.network_changed(["10.9.9.9"], SECOND)
    happened = agent.poll_events()
    found = [one.finding.reason for one in happened if isinstance(one, events.NatFound)]
    assert set(found) == {NatReason.NETWORK_CHANGED}
    finished = happened[-1]
    assert isinstance(finished, events.NatFinished)
    assert finished.report.findings[NatProperty.TRANSLATION].reason == NatReason.NETWORK_CHANGED
    assert finished.id == id


def test_a_probe_that_cannot_send_says_why() -> None:
    network = Network()
    client = network.add(seeded(), {CLIENT: 1, NEXT: 2})
    client.agent.start_nat_probe(CONFIG, 0)
    for _ in range(1000):
        for transmit in client.agent.poll_transmits():
            client.agent.handle_send_error(transmit, SendError.NO_ROUTE, network.now)
        client.events.extend(client.agent.poll_events())
        if client.of(events.NatFinished):
            break
        network.now = max(network.now, client.agent.poll_timeout() or 0)
        client.agent.handle_timeout(network.now)
    finding = client.of(events.NatFinished)[0].report.findings[NatProperty.MAPPING]
    assert (finding.reason, finding.send_error) == (NatReason.SEND_FAILED, SendError.NO_ROUTE)


def test_a_report_of_a_probe_that_is_not_there_is_unknown() -> None:
    agent = seeded()
    id = agent.start_nat_probe(CONFIG, 0)
    agent.cancel(id, 0)
    with pytest.raises(UnknownOperationError):
        agent.nat_report(id)
    hurried = agent.start_nat_probe(replace(CONFIG, deadline_ns=MS), 0)
    agent.handle_timeout(MS)
    assert agent.nat_report(hurried).findings[NatProperty.MAPPING].reason == NatReason.DEADLINE
    *_, last = agent.poll_events()
    assert isinstance(last, events.NatFinished)
    with pytest.raises(UnknownOperationError):
        agent.nat_report(hurried)


def test_a_server_that_wants_credentials_is_an_error_response() -> None:
    network = Network()
    server = seeded(9)
    server.start_server(ServerConfig(local=SERVER, realm="example.org", budget=False), 0)
    network.add(server, {SERVER: 0})
    client = network.add(seeded(), {CLIENT: 1, NEXT: 2})
    client.agent.start_nat_probe(CONFIG, 0)
    network.run(lambda: bool(client.of(events.NatFinished)), 200 * SECOND)
    finding = client.of(events.NatFinished)[0].report.findings[NatProperty.MAPPING]
    assert (finding.reason, finding.code) == (NatReason.ERROR_RESPONSE, 401)
