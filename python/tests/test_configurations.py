"""Configurations: their defaults are the core's, and what contradicts itself is refused with words that say what."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import re
from dataclasses import replace
from functools import partial
from pathlib import Path as File
from typing import Any

import pytest

from libstun import (
    AllocationConfig,
    BindingConfig,
    DiscoveryConfig,
    FailureReason,
    LongTerm,
    Message,
    MessageBuilder,
    MessageClass,
    NaptrRecord,
    NatConfig,
    NatProperty,
    Path,
    PeerRule,
    RedirectPolicy,
    RelayFamily,
    RelayPoolConfig,
    RelayPort,
    Retransmission,
    ServerConfig,
    Service,
    ShortTerm,
    SrvRecord,
    SurveyConfig,
    SurveyTarget,
    Transport,
    Uri,
    _native,
    config,
    events,
)
from support import (
    ALLOCATE,
    ALTERNATE_SERVER,
    BINDING,
    CLIENT,
    MAPPED,
    MS,
    OTHER,
    SECOND,
    SERVER,
    Relays,
    TurnServer,
    event,
    mapped,
    number,
    only,
    respond,
    seeded,
)

CHANGE_REQUEST = 0x0003
UNITS = {"from_secs": SECOND, "from_millis": MS}

SOURCES = {
    "DEFAULT_REFRESH_NS": ("stun/binding/config.rs", "DEFAULT_REFRESH"),
    "DEFAULT_RTO_NS": ("transaction/rto.rs", "initial_rto"),
    "DEFAULT_RC": ("transaction/rto.rs", "rc"),
    "DEFAULT_RM": ("transaction/rto.rs", "rm"),
    "DEFAULT_TI_NS": ("transaction/rto.rs", "ti"),
    "DEFAULT_BACKOFF_FIRST_NS": ("transaction/backoff.rs", "first"),
    "DEFAULT_BACKOFF_MAX_NS": ("transaction/backoff.rs", "max"),
    "DEFAULT_SURVEY_DEADLINE_NS": ("stun/survey/config.rs", "DEFAULT_DEADLINE"),
    "ATTEMPT_DELAY_NS": ("stun/survey/config.rs", "DEFAULT_ATTEMPT_DELAY"),
    "DEFAULT_DISCOVERY_DEADLINE_NS": ("stun/discovery/config.rs", "DEFAULT_DEADLINE"),
    "DEFAULT_RESOLUTION_DELAY_NS": ("stun/discovery/config.rs", "DEFAULT_RESOLUTION_DELAY"),
    "DEFAULT_NAT_PACING_NS": ("nat/config.rs", "MIN_PACING"),
    "DEFAULT_NAT_LIFETIME_MAX_NS": ("nat/config.rs", "max"),
    "DEFAULT_NAT_LIFETIME_PRECISION_NS": ("nat/config.rs", "precision"),
    "DEFAULT_NAT_ATTEMPT_INTERVAL_NS": ("nat/config.rs", "interval"),
    "DEFAULT_NAT_LAST_WAIT_NS": ("nat/config.rs", "last_wait"),
    "DEFAULT_NAT_MAX_ATTEMPTS": ("nat/config.rs", "max_attempts"),
    "DEFAULT_NAT_PADDING": ("nat/config.rs", "padding"),
    "DEFAULT_KEEPALIVE_NS": ("turn/allocation/config.rs", "DEFAULT_KEEPALIVE"),
    "DEFAULT_PATIENCE_NS": ("turn/pool/config.rs", "DEFAULT_PATIENCE"),
    "DEFAULT_SETTLING_NS": ("turn/pool/config.rs", "DEFAULT_SETTLING"),
    "DEFAULT_LEAST_GAIN_NS": ("turn/pool/config.rs", "least_gain"),
    "DEFAULT_HOLD_NS": ("turn/pool/config.rs", "hold"),
    "DEFAULT_AMPLIFICATION_PERCENT": ("stun/server/budget.rs", "DEFAULT_AMPLIFICATION_LIMIT_PERCENT"),
    "DEFAULT_ERROR_BYTES_PER_SECOND": ("stun/server/budget.rs", "DEFAULT_ERROR_BYTES_PER_SECOND"),
    "DEFAULT_ERROR_BURST": ("stun/server/budget.rs", "DEFAULT_ERROR_BURST"),
}
"""Where in the core each constant is said, and under which name."""

FIELDS = {
    (Retransmission, "initial_rto_ns"): "DEFAULT_RTO_NS",
    (Retransmission, "rc"): "DEFAULT_RC",
    (Retransmission, "rm"): "DEFAULT_RM",
    (Retransmission, "ti_ns"): "DEFAULT_TI_NS",
    (BindingConfig, "refresh_ns"): "DEFAULT_REFRESH_NS",
    (BindingConfig, "backoff_first_ns"): "DEFAULT_BACKOFF_FIRST_NS",
    (BindingConfig, "backoff_max_ns"): "DEFAULT_BACKOFF_MAX_NS",
    (ServerConfig, "amplification_percent"): "DEFAULT_AMPLIFICATION_PERCENT",
    (ServerConfig, "error_bytes_per_second"): "DEFAULT_ERROR_BYTES_PER_SECOND",
    (ServerConfig, "error_burst"): "DEFAULT_ERROR_BURST",
    (SurveyConfig, "deadline_ns"): "DEFAULT_SURVEY_DEADLINE_NS",
    (DiscoveryConfig, "deadline_ns"): "DEFAULT_DISCOVERY_DEADLINE_NS",
    (DiscoveryConfig, "resolution_delay_ns"): "DEFAULT_RESOLUTION_DELAY_NS",
    (NatConfig, "pacing_ns"): "DEFAULT_NAT_PACING_NS",
    (NatConfig, "lifetime_max_ns"): "DEFAULT_NAT_LIFETIME_MAX_NS",
    (NatConfig, "lifetime_precision_ns"): "DEFAULT_NAT_LIFETIME_PRECISION_NS",
    (NatConfig, "attempt_interval_ns"): "DEFAULT_NAT_ATTEMPT_INTERVAL_NS",
    (NatConfig, "last_wait_ns"): "DEFAULT_NAT_LAST_WAIT_NS",
    (NatConfig, "max_attempts"): "DEFAULT_NAT_MAX_ATTEMPTS",
    (NatConfig, "padding"): "DEFAULT_NAT_PADDING",
    (AllocationConfig, "keepalive_ns"): "DEFAULT_KEEPALIVE_NS",
    (AllocationConfig, "backoff_first_ns"): "DEFAULT_BACKOFF_FIRST_NS",
    (AllocationConfig, "backoff_max_ns"): "DEFAULT_BACKOFF_MAX_NS",
    (RelayPoolConfig, "patience_ns"): "DEFAULT_PATIENCE_NS",
    (RelayPoolConfig, "settling_ns"): "DEFAULT_SETTLING_NS",
    (RelayPoolConfig, "least_gain_ns"): "DEFAULT_LEAST_GAIN_NS",
    (RelayPoolConfig, "hold_ns"): "DEFAULT_HOLD_NS",
}

CLASSES = [getattr(config, name) for name in config.__all__ if dataclasses.is_dataclass(getattr(config, name))]


def in_core(project: File, path: str, name: str) -> int:
    """What the sources of the core say that a constant is."""
    source = (project / "src" / path).read_text()
    found = re.search(rf"\b{name}: (?:Duration = )?Duration::(from_\w+)\(([\d_]+)\)", source)
    if found:
        return UNITS[found[1]] * int(found[2])
    found = re.search(rf"\b{name}: (?:u32 = )?(\d+)(?: << (\d+))?[,; ]", source)
    assert found, f"{path} does not say what {name} is"
    return int(found[1]) << int(found[2] or 0)


@pytest.mark.parametrize("name", SOURCES)
def test_a_constant_is_what_the_core_says(name: str, project: File) -> None:
    assert getattr(_native, name) == in_core(project, *SOURCES[name])


def test_every_constant_is_looked_at() -> None:
    known = {name for name in vars(_native) if name.isupper()}
    assert known - {"IDLE_SLACK_NS"} == set(SOURCES)
    assert _native.IDLE_SLACK_NS == 10 * SECOND


def test_the_defaults_of_fields_are_those_constants() -> None:
    numbers = {}
    for kind in CLASSES:
        for field in dataclasses.fields(kind):
            if isinstance(field.default, int) and not isinstance(field.default, bool) and field.default != 0:
                numbers[kind, field.name] = field.default
    assert numbers == {place: getattr(_native, constant) for place, constant in FIELDS.items()}


def test_what_a_configuration_says_by_default_is_what_the_core_does() -> None:
    agent = seeded()
    agent.start_binding(BindingConfig(SERVER), 0)
    request = only(agent)
    message = Message.parse(request.data)
    assert [attribute.name for attribute in message] == ["FINGERPRINT"]
    assert (request.local, request.transport, request.socket_id) == (("0.0.0.0", 0), Transport.UDP, 0)
    classic = respond(request.data, lambda answer: answer.add(1, b"\x00\x01\x12\x34\xcb\x00\x71\x07"))
    agent.handle_input(classic, SERVER, 0)
    happened = agent.poll_event()
    assert isinstance(happened, (events.Failed, events.Retrying)), "MAPPED-ADDRESS alone is not taken"
    assert happened.failure.reason == FailureReason.NO_MAPPED_ADDRESS

    agent = seeded()
    agent.start_binding(BindingConfig(SERVER), 0)
    agent.handle_input(mapped(only(agent).data), SERVER, 0)
    event(agent, events.Mapped)
    timeout = agent.poll_timeout()
    assert timeout is not None
    assert 0.5 * _native.DEFAULT_REFRESH_NS <= timeout <= _native.DEFAULT_REFRESH_NS

    agent = seeded()
    agent.start_nat_probe(NatConfig(SERVER, local=CLIENT), 0)
    assert Message.parse(agent.poll_transmits()[0].data).find(0x8028) is None, "a probe goes without FINGERPRINT"

    agent = seeded()
    agent.start_allocation(AllocationConfig(SERVER), 0)
    names = [attribute.name for attribute in Message.parse(only(agent).data)]
    assert names == ["REQUESTED-TRANSPORT", "MOBILITY-TICKET", "FINGERPRINT"]

    agent = seeded()
    agent.start_survey(SurveyConfig([SurveyTarget(SERVER), SurveyTarget(OTHER)]), 0)
    assert len(agent.poll_transmits()) == 2, "all at once"
    last = 0
    for _ in range(20):
        if agent.poll_event() is not None:
            break
        agent.poll_transmits()
        last = agent.poll_timeout() or 0
        agent.handle_timeout(last)
    assert last == _native.DEFAULT_SURVEY_DEADLINE_NS

    agent = seeded()
    agent.start_discovery(DiscoveryConfig(host="example.org"), 0)
    assert {happened.name for happened in agent.poll_events() if isinstance(happened, events.Resolve)} == {
        "_stun._udp.example.org"
    }
    assert agent.poll_timeout() == _native.DEFAULT_DISCOVERY_DEADLINE_NS


def test_surveys_relays_and_servers_do_by_default_what_the_core_does() -> None:
    elsewhere = partial(respond, build=lambda answer: answer.add_address(ALTERNATE_SERVER, OTHER), error=300)
    agent = seeded()
    agent.start_survey(SurveyConfig([SurveyTarget(SERVER)]), 0)
    agent.handle_input(elsewhere(only(agent).data), SERVER, 0)
    request = only(agent)
    assert request.remote == OTHER, "redirections are followed"
    agent.handle_input(
        respond(request.data, lambda answer: answer.add(1, b"\x00\x01\x12\x34\xcb\x00\x71\x07")), OTHER, 0
    )
    assert event(agent, events.Unanswered).failure.reason == FailureReason.NO_MAPPED_ADDRESS

    relays = Relays(TurnServer(refused={ALLOCATE: 300}, redirects_to=OTHER), TurnServer(OTHER))
    relays.allocate(AllocationConfig(SERVER))
    relays.next(events.Redirected)
    relays.next(events.Allocated)
    relays.agent.handle_timeout(_native.DEFAULT_KEEPALIVE_NS)
    assert Message.parse(only(relays.agent).data).message_class == MessageClass.INDICATION

    agent = seeded()
    agent.start_server(ServerConfig(local=SERVER, alternate=OTHER), 0)
    change = MessageBuilder(MessageClass.REQUEST, BINDING).add(CHANGE_REQUEST, number(6))
    agent.handle_input(bytes(change), Path(MAPPED, local=SERVER), 0)
    answer = only(agent)
    assert (answer.local, answer.socket_id) == (OTHER, 0)


def test_configurations_are_frozen_compared_hashed_copied_and_pickled() -> None:
    for one in (
        ShortTerm("alice", "s3cret"),
        LongTerm("alice", "s3cret"),
        Retransmission(rc=3),
        BindingConfig(SERVER, credentials=LongTerm("alice", "s3cret")),
        ServerConfig(realm="example.org", users={"alice": "s3cret"}),
        SurveyTarget(SERVER),
        SurveyConfig((SurveyTarget(SERVER),)),
        DiscoveryConfig(uri="stun:example.org"),
        NatConfig(SERVER, local=CLIENT),
        AllocationConfig(SERVER),
        RelayPoolConfig((AllocationConfig(SERVER),)),
        PeerRule("10.0.0.0", "10.0.0.255", allows=False),
        SrvRecord(priority=0, weight=0, port=1, target="."),
        NaptrRecord(order=0, preference=0, flags="", services="", regexp="", replacement="."),
    ):
        assert copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one
        assert hash(one) == hash(copy.copy(one))
        name = dataclasses.fields(one)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(one, name, None)
        with pytest.raises((AttributeError, TypeError)):
            one.nothing = 1  # type: ignore[union-attr]


def test_secrets_are_not_shown() -> None:
    for one in (
        ShortTerm("alice", "s3cret"),
        LongTerm("alice", "s3cret"),
        BindingConfig(SERVER, credentials=LongTerm("alice", "s3cret")),
        ServerConfig(realm="example.org", users={"alice": "s3cret"}),
    ):
        assert "s3cret" not in repr(one)


# What contradicts itself; of no type, so that it may be wrong ---------------------------------------------------------

ASKING: Any = BindingConfig(SERVER, local=CLIENT)
ALLOCATION: Any = AllocationConfig(SERVER, local=CLIENT)
TCP: Any = replace(ALLOCATION, transport=Transport.TCP, relay_transport=Transport.TCP)
NAT: Any = NatConfig(SERVER, local=CLIENT)
BEHAVIOR: Any = ServerConfig(local=SERVER, alternate=OTHER)
POOL: Any = RelayPoolConfig([ALLOCATION])
TARGET = SurveyTarget(SERVER)
NAMED: Any = DiscoveryConfig(host="example.org")
V6 = ("2001:db8::1", 3478)
ENDPOINT = "has port 0, or is unspecified, multicast or broadcast"
REACHABLE = "behaviour discovery needs one local address, or two IP addresses and two ports"

REFUSED: list[tuple[Any, str]] = [
    (replace(ASKING, server=("192.0.2.1", 0)), ENDPOINT),
    (replace(ASKING, server=("0.0.0.0", 3478)), ENDPOINT),
    (replace(ASKING, server=("224.0.0.1", 3478)), ENDPOINT),
    (replace(ASKING, server=("255.255.255.255", 3478)), ENDPOINT),
    (replace(ASKING, server=V6), "different families"),
    (replace(ASKING, refresh_ns=SECOND - 1), "refresh interval is under one second"),
    (replace(ASKING, retransmission=Retransmission(rc=0)), "Retransmission"),
    (replace(ASKING, retransmission=Retransmission(rm=0)), "Retransmission"),
    (replace(ASKING, retransmission=Retransmission(ti_ns=0)), "Retransmission"),
    (replace(ASKING, retransmission=Retransmission(initial_rto_ns=0)), "Retransmission"),
    (replace(ASKING, credentials=ShortTerm("", "s3cret")), "username.*empty"),
    (replace(ASKING, credentials=ShortTerm("a" * 509, "s3cret")), "username has 1 to 508 bytes"),
    (replace(ASKING, credentials=ShortTerm("alice", "")), "password.*empty"),
    (replace(ASKING, credentials=LongTerm("a\0b", "s3cret")), "username.*forbids"),
    (replace(ASKING, credentials=LongTerm("alice", "a\0b")), "password.*forbids"),
    (replace(ASKING, credentials=LongTerm("a" * 509, "s3cret")), "username has 1 to 508 bytes"),
    (replace(ASKING, transport="sctp"), "BindingConfig.transport: .*'udp', 'tcp', 'tls'"),
    (replace(ASKING, redirects="maybe"), "BindingConfig.redirects"),
    (replace(ASKING, socket_id=2**32), "BindingConfig.socket_id"),
    (replace(ASKING, socket_id=-1), "BindingConfig.socket_id: -1"),
    (replace(ASKING, refresh_ns=2**64), "BindingConfig.refresh_ns"),
    (replace(ASKING, backoff_first_ns=-1), "BindingConfig.backoff_first_ns"),
    (replace(ASKING, server=("stun.example.org", 3478)), "BindingConfig.server: .*resolve names before"),
    (replace(ASKING, server=("192.0.2.1", 65536)), "BindingConfig.server"),
    (replace(ASKING, server=("192.0.2.1", 1, 2)), "BindingConfig.server: .*two or four parts"),
    (SurveyConfig([]), "there is nobody to ask"),
    (SurveyConfig([TARGET] * 65), "targets.*more than 64"),
    (SurveyConfig([TARGET], enough=0), "no answer at all would be enough"),
    (SurveyConfig([TARGET], attempt_delay_ns=10 * MS - 1), "under 10 ms"),
    (SurveyConfig([TARGET] * 11), "more than 10 requests at once to 192.0.2.1:3478"),
    (SurveyConfig([TARGET], redirects=RedirectPolicy.ASK), "cannot ask the host about redirections"),
    (SurveyConfig([TARGET, SurveyTarget(("192.0.2.1", 0))]), f"target 1: .*{ENDPOINT}"),
    (DiscoveryConfig(), "neither a uri nor a host"),
    (DiscoveryConfig(uri="stun:example.org", host="example.org"), "a URI says host, service, port"),
    (DiscoveryConfig(uri="stun:example.org", port=1), "a URI says"),
    (DiscoveryConfig(uri="http://example.org"), "scheme|URI"),
    (replace(NAMED, host="not a name"), "neither a name nor an address"),
    (replace(NAMED, host="127.1"), "neither a name nor an address"),
    (replace(NAMED, port=0), "the port is 0"),
    (DiscoveryConfig(uri="stuns:192.0.2.1"), "a stuns URI needs a name"),
    (DiscoveryConfig(uri="turns:example.org?transport=udp"), "there is no UDP inside TLS"),
    (DiscoveryConfig(uri="turn:example.org?transport=sctp"), "the transport is unknown"),
    (replace(NAMED, transports=[]), "none of the supported transports will do"),
    (replace(NAMED, transports=[Transport.UDP], is_secure=True), "none of the supported transports will do"),
    (replace(NAMED, service="sip"), "DiscoveryConfig.service"),
    (replace(NAT, server=("192.0.2.1", 0)), ENDPOINT),
    (replace(NAT, server=V6), "different families"),
    (replace(NAT, servers=[V6]), "different families"),
    (replace(NAT, servers=[("224.0.0.1", 1)]), ENDPOINT),
    (replace(NAT, second=CLIENT), "cannot be told from the first"),
    (replace(NAT, second=V6), "different families"),
    (replace(NAT, servers=[OTHER] * 9), "NatConfig.servers: there are more than 8"),
    (replace(NAT, properties=["colour"]), "NatConfig.properties: .*no NatProperty"),
    (replace(NAT, padding=65536), "NatConfig.padding"),
    (replace(BEHAVIOR, local=None), REACHABLE),
    (replace(BEHAVIOR, alternate=("192.0.2.1", 3479)), REACHABLE),
    (replace(BEHAVIOR, alternate=("192.0.2.2", 3478)), REACHABLE),
    (replace(BEHAVIOR, local=("0.0.0.0", 3478)), REACHABLE),
    (replace(BEHAVIOR, alternate=V6), REACHABLE),
    (replace(BEHAVIOR, behavior_single=True), REACHABLE),
    (ServerConfig(public_hosts=("192.0.2.1", "192.0.2.2")), REACHABLE),
    (replace(BEHAVIOR, socket_ids=(1, 2, 3)), "ServerConfig.socket_ids"),
    (replace(BEHAVIOR, public_hosts=("192.0.2.1",)), "ServerConfig.public_hosts"),
    (ServerConfig(users={"alice": "s3cret"}), "users need a realm"),
    (ServerConfig(realm="x", credentials=ShortTerm("a", "b")), "a short-term credential or a realm"),
    (ServerConfig(realm="x", users={"": "b"}), "ServerConfig.users: .*empty"),
    (ServerConfig(realm=""), "realm"),
    (ServerConfig(realm="x" * 128), "realm"),
    (ServerConfig(answers_rfc3489=True, realm="x"), "RFC 3489 cannot authenticate"),
    (replace(ALLOCATION, server=("192.0.2.1", 0)), ENDPOINT),
    (replace(ALLOCATION, server=V6), "different families"),
    (replace(ALLOCATION, keepalive_ns=SECOND - 1), "keepalive interval is under one second"),
    (replace(ALLOCATION, lifetime_ns=SECOND - 1), "lifetime is not 1 to"),
    (replace(ALLOCATION, lifetime_ns=2**32 * SECOND), "lifetime is not 1 to"),
    (replace(ALLOCATION, relay_transport=Transport.TCP), "need a stream to the server"),
    (replace(ALLOCATION, relay_transport=Transport.TLS), "AllocationConfig.relay_transport: TLS"),
    (replace(TCP, dont_fragment=True), "not for connections to peers"),
    (replace(TCP, port=RelayPort.EVEN), "not for connections to peers"),
    (replace(TCP, family=RelayFamily.BOTH), "not for connections to peers"),
    (replace(ALLOCATION, family=RelayFamily.BOTH, port=RelayPort.EVEN), "two families without wishes"),
    (replace(ALLOCATION, family=RelayFamily.IPV6, reservation=bytes(8)), "a token goes without a family"),
    (replace(ALLOCATION, reservation=bytes(7)), "AllocationConfig.reservation: a token has 8 bytes"),
    (replace(ALLOCATION, reservation=bytes(8), port=RelayPort.EVEN), "AllocationConfig.reservation"),
    (replace(ALLOCATION, peer_rules=[PeerRule("10.0.0.9", "10.0.0.1", allows=True)]), "peer_rules"),
    (replace(ALLOCATION, peer_rules=[PeerRule("10.0.0.9", "::1", allows=True)]), "peer_rules"),
    (replace(ALLOCATION, family="ipv5"), "AllocationConfig.family"),
    (replace(ALLOCATION, peer_policy="none"), "AllocationConfig.peer_policy"),
    (RelayPoolConfig([]), "there is no relay"),
    (RelayPoolConfig([ALLOCATION] * 17), "RelayPoolConfig.relays: there are more than 16"),
    (replace(POOL, ready=0), "no relay is to be kept ready"),
    (replace(POOL, patience_ns=SECOND - 1), "patience is under one second"),
    (replace(POOL, hold_ns=SECOND - 1), "within a second"),
    (RelayPoolConfig([ALLOCATION] * 2), "relays 0 and 1 are on the same path"),
    (RelayPoolConfig([TCP]), "relay 0 is for connections"),
    (RelayPoolConfig([ALLOCATION, replace(ALLOCATION, server=V6, local=None, lifetime_ns=0)]), "relay 1: the lifetime"),
]


def start_of(given: Any) -> Any:
    """The method that takes a configuration of that class."""
    agent = seeded()
    return {
        BindingConfig: agent.start_binding,
        ServerConfig: agent.start_server,
        SurveyConfig: agent.start_survey,
        DiscoveryConfig: agent.start_discovery,
        NatConfig: agent.start_nat_probe,
        AllocationConfig: agent.start_allocation,
        RelayPoolConfig: agent.start_relay_pool,
    }[type(given)]


@pytest.mark.parametrize(("given", "words"), REFUSED, ids=[f"{words[:40]}-{n}" for n, (_, words) in enumerate(REFUSED)])
def test_what_contradicts_itself_is_refused_with_a_reason(given: Any, words: str) -> None:
    start = start_of(given)
    with pytest.raises(ValueError, match=words):
        start(given, 0)
    agent = start.__self__
    assert (len(agent), agent.poll_timeout(), agent.poll_events(), agent.poll_transmits()) == (0, None, [], [])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (replace(ASKING, server="192.0.2.1:3478"), "BindingConfig.server: str is no address"),
        (replace(ASKING, server=None), "BindingConfig.server"),
        (replace(ASKING, server=(b"192.0.2.1", 3478)), "BindingConfig.server"),
        (replace(ASKING, server=(3221225985, 3478)), "BindingConfig.server"),
        (replace(ASKING, server=("192.0.2.1", "3478")), "BindingConfig.server"),
        (replace(ASKING, server=("192.0.2.1", 3478.0)), "BindingConfig.server"),
        (replace(ASKING, refresh_ns=25.0), "BindingConfig.refresh_ns: float is not a duration in nanoseconds"),
        (replace(ASKING, fingerprint=1), "BindingConfig.fingerprint"),
        (replace(ASKING, credentials="alice"), "LongTerm|credentials"),
        (replace(ASKING, credentials=ShortTerm(b"alice", "s3cret")), "username"),  # type: ignore[arg-type]
        (replace(ASKING, retransmission=None), "Retransmission"),
        (replace(ASKING, transport=1), "BindingConfig.transport"),
        (SurveyConfig(None), "SurveyConfig.targets"),  # type: ignore[arg-type]
        (SurveyConfig([SERVER]), "SurveyConfig.targets: tuple is no SurveyTarget"),  # type: ignore[list-item]
        (DiscoveryConfig(host=7), "DiscoveryConfig.host"),  # type: ignore[arg-type]
        (replace(NAT, properties=[NatProperty.MAPPING, 7]), "NatConfig.properties"),
        (replace(ALLOCATION, reservation="12345678"), "AllocationConfig.reservation"),
        (replace(ALLOCATION, peer_rules=["10.0.0.1"]), "AllocationConfig.peer_rules"),
        (RelayPoolConfig([ASKING]), "BindingConfig is no AllocationConfig"),
        (ServerConfig(users=[("alice", "s3cret")], realm="x"), "ServerConfig.users"),  # type: ignore[arg-type]
        (ServerConfig(users={"alice": 7}, realm="x"), "ServerConfig.users"),  # type: ignore[dict-item]
        (ServerConfig(credentials=LongTerm("a", "b")), "LongTerm is no ShortTerm"),  # type: ignore[arg-type]
        (ServerConfig(socket_ids=7), "ServerConfig.socket_ids"),  # type: ignore[arg-type]
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_what_is_of_another_type_is_a_type_error_that_names_the_field(given: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        start_of(given)(given, 0)


def test_a_configuration_of_another_operation_is_none() -> None:
    agent = seeded()
    with pytest.raises(TypeError, match="NatConfig is no BindingConfig"):
        agent.start_binding(NAT, 0)
    with pytest.raises(TypeError, match="NoneType is no ServerConfig"):
        agent.start_server(None, 0)  # type: ignore[arg-type]


def test_a_discovery_takes_a_uri_that_was_parsed() -> None:
    agent = seeded()
    agent.start_discovery(DiscoveryConfig(uri=Uri.parse("stun:192.0.2.9:7000")), 0)
    (server,) = event(agent, events.ServersFound).servers
    assert server.address == ("192.0.2.9", 7000)
    with pytest.raises(ValueError, match="the host is missing"):
        agent.start_discovery(DiscoveryConfig(uri="stun:"), 0)


def test_what_is_subclassed_is_still_what_it_is() -> None:
    @dataclasses.dataclass(frozen=True)
    class Mine(BindingConfig):
        """A host's own."""

        note: str = ""

    agent = seeded()
    agent.start_binding(Mine(SERVER, note="mine"), 0)
    assert only(agent).remote == SERVER


def test_a_single_host_is_a_range_of_one() -> None:
    agent = seeded()
    id = agent.start_allocation(replace(ALLOCATION, peer_rules=[PeerRule("10.0.0.1", allows=False)]), 0)
    with pytest.raises(ValueError, match="the peer"):
        agent.permit(id, "10.0.0.1", 0)
    agent.permit(id, "10.0.0.2", 0)


def test_words_are_taken_for_members_of_enums() -> None:
    agent = seeded()
    agent.start_discovery(DiscoveryConfig(service="turn", host="example.org", transports=["tcp"]), 0)  # type: ignore[arg-type, list-item]
    assert agent.poll_events()
    assert Service("turn") is Service.TURN
    path = Path(SERVER, transport="tls")  # type: ignore[arg-type]
    assert path.transport is Transport.TLS
