"""Binding servers: open, with credentials of both kinds, within a budget, and what they say of their clients."""

from __future__ import annotations

from dataclasses import replace

import pytest

from libstun import (
    Agent,
    AuthenticationFailure,
    BindingConfig,
    Check,
    Credentials,
    DropReason,
    FailureReason,
    Integrity,
    Key,
    LongTerm,
    Message,
    MessageBuilder,
    MessageClass,
    Path,
    ServerConfig,
    ShortTerm,
    StateError,
    UnknownOperationError,
    events,
)
from support import (
    CLIENT,
    MAPPED,
    MS,
    SECOND,
    SERVER,
    XOR_MAPPED_ADDRESS,
    Network,
    Node,
    event,
    only,
    seeded,
)

PATH = Path(MAPPED, local=SERVER, socket_id=5)
REQUEST = MessageBuilder(MessageClass.REQUEST, 1, bytes(12))


def serving(config: ServerConfig) -> tuple[Agent, int]:
    """A server that runs."""
    agent = seeded(9)
    return agent, agent.start_server(config, 0)


def meet(config: ServerConfig, credentials: Credentials | None) -> tuple[Network, Node, Node, int]:
    """A server and a client that asks it once."""
    network = Network()
    agent, id = serving(config)
    server, client = network.add(agent, {SERVER: 5}), network.add(seeded(), [CLIENT])
    client.agent.start_binding(BindingConfig(SERVER, local=CLIENT, refresh_ns=None, credentials=credentials), 0)
    network.run(lambda: bool(client.events), 60 * SECOND)
    return network, client, server, id


def failure_of(client: Node) -> tuple[FailureReason, int | None, object]:
    (failed,) = client.of(events.Failed)
    return failed.failure.reason, failed.failure.code, failed.failure.detail


def test_a_server_says_where_it_sees_the_client() -> None:
    agent, id = serving(ServerConfig())
    assert id in agent
    assert agent.handle_input(bytes(REQUEST), PATH, 0) is True
    answer = only(agent)
    assert (answer.remote, answer.local, answer.socket_id) == (MAPPED, SERVER, 5)
    message = Message.parse(answer.data)
    assert (message.message_class, message.mapped_address) == (MessageClass.SUCCESS_RESPONSE, MAPPED)
    assert message.find(XOR_MAPPED_ADDRESS) is not None
    agent.cancel(id, 0)
    assert agent.handle_input(bytes(REQUEST), PATH, 0) is not None
    assert agent.poll_transmit() is None


def test_a_server_answers_only_where_it_is_told() -> None:
    agent, _ = serving(ServerConfig(local=SERVER))
    agent.handle_input(bytes(REQUEST), Path(MAPPED, local=("192.0.2.1", 3479)), 0)
    assert agent.poll_transmit() is None
    agent.handle_input(bytes(REQUEST), PATH, 0)
    only(agent)
    with pytest.raises(StateError, match="another server already answers at that address"):
        agent.start_server(ServerConfig(local=SERVER), 0)
    agent.start_server(ServerConfig(local=("192.0.2.1", 3479)), 0)


@pytest.mark.parametrize("integrity", [None, *Integrity])
def test_a_short_term_credential_opens_the_server(integrity: Integrity | None) -> None:
    config = ServerConfig(credentials=ShortTerm("alice", "s3cret"))
    _, client, _, _ = meet(config, ShortTerm("alice", "s3cret", integrity=integrity))
    assert client.of(events.Mapped)[0].address == CLIENT


def test_a_wrong_short_term_credential_does_not() -> None:
    config = ServerConfig(credentials=ShortTerm("alice", "s3cret"))
    _, client, server, _ = meet(config, ShortTerm("alice", "wrong"))
    reason, code, _ = failure_of(client)
    assert (reason, code) == (FailureReason.INTEGRITY, 401)
    assert server.agent.dropped() == 0


def test_an_answer_to_a_signed_request_is_signed() -> None:
    agent, _ = serving(ServerConfig(credentials=ShortTerm("alice", "s3cret")))
    key = Key.short_term("s3cret")
    request = MessageBuilder(MessageClass.REQUEST, 1).add(6, "alice").sign(Integrity.SHA256, key)
    agent.handle_input(bytes(request), PATH, 0)
    answer = Message.parse(only(agent).data)
    assert answer.check(Integrity.SHA256, key) == Check.VALID
    assert answer.mapped_address == MAPPED


REALM = ServerConfig(realm="example.org", users={"alice": "s3cret"})


@pytest.mark.parametrize("algorithms", [True, False])
@pytest.mark.parametrize("anonymity", [True, False])
def test_a_long_term_credential_meets_the_challenge(algorithms: bool, anonymity: bool) -> None:
    config = replace(REALM, password_algorithms=algorithms, username_anonymity=anonymity)
    network, client, _, _ = meet(config, LongTerm("alice", "s3cret"))
    assert client.of(events.Mapped)[0].address == CLIENT
    assert network.sent == 5, "the challenge is too long for one request of a stranger, and not for two"


@pytest.mark.parametrize(
    ("config", "credentials", "detail"),
    [
        (REALM, LongTerm("alice", "wrong"), AuthenticationFailure.REJECTED),
        (REALM, LongTerm("bob", "s3cret"), AuthenticationFailure.REJECTED),
        (
            replace(REALM, password_algorithms=False),
            LongTerm("alice", "s3cret", require_sha256=True),
            AuthenticationFailure.SHA256_NOT_OFFERED,
        ),
        (
            replace(REALM, username_anonymity=False),
            LongTerm("alice", "s3cret", require_anonymity=True),
            AuthenticationFailure.ANONYMITY_NOT_OFFERED,
        ),
    ],
)
def test_a_challenge_that_cannot_be_met_says_why(
    config: ServerConfig, credentials: LongTerm, detail: AuthenticationFailure
) -> None:
    _, client, _, _ = meet(config, credentials)
    assert failure_of(client) == (FailureReason.AUTHENTICATION, None, detail)


def test_who_demands_security_gets_it() -> None:
    _, client, _, _ = meet(REALM, LongTerm("alice", "s3cret", require_sha256=True, require_anonymity=True))
    assert client.of(events.Mapped)


def test_users_come_and_go_while_the_server_runs() -> None:
    network, _, server, id = meet(REALM, LongTerm("alice", "s3cret"))
    agent = server.agent

    def may(name: str, password: str) -> bool:
        client = network.add(seeded(len(network.nodes) + 20), [("10.0.0.9", 6000 + len(network.nodes))])
        local = next(iter(client.sockets))
        config = BindingConfig(SERVER, local=local, refresh_ns=None, credentials=LongTerm(name, password))
        client.agent.start_binding(config, network.now)
        network.run(lambda: bool(client.events), network.now + 60 * SECOND)
        return bool(client.of(events.Mapped))

    assert not may("bob", "hunter2")
    agent.add_user(id, "bob", "hunter2")
    assert may("bob", "hunter2")
    agent.add_user(id, "bob", "changed")
    assert not may("bob", "hunter2")
    assert may("bob", "changed")
    assert agent.remove_user(id, "bob") is True
    assert agent.remove_user(id, "bob") is False
    assert not may("bob", "changed")
    with pytest.raises(UnknownOperationError):
        agent.add_user(id + 1, "bob", "hunter2")
    with pytest.raises(UnknownOperationError):
        agent.remove_user(id + 1, "bob")
    open_agent, open_id = serving(ServerConfig())
    with pytest.raises(UnknownOperationError):
        open_agent.add_user(open_id, "bob", "hunter2")


def test_names_are_prepared_as_opaque_strings() -> None:
    agent, id = serving(REALM)
    agent.add_user(id, "x\u00a0y", "s3cret")
    assert agent.remove_user(id, "x y") is True, "other spaces become U+0020 (RFC 8265 s4.2)"
    with pytest.raises(ValueError, match=r"character|empty|prepare"):
        agent.add_user(id, "a\u0000b", "s3cret")


def test_clients_of_rfc_3489_are_answered_if_told_so() -> None:
    classic = bytes([0, 1, 0, 0]) + bytes(16)
    agent, _ = serving(ServerConfig())
    agent.handle_input(classic, PATH, 0)
    assert agent.poll_transmit() is None
    agent, _ = serving(ServerConfig(answers_rfc3489=True))
    assert agent.handle_input(classic, PATH, 0) is True
    assert only(agent).data[:2] == b"\x01\x01"


def test_a_network_that_proves_nothing_is_kept_to_a_budget() -> None:
    agent, id = serving(ServerConfig(error_bytes_per_second=100, error_burst=300))
    asked = bytes(MessageBuilder(MessageClass.REQUEST, 1).add(0x7FFF, b""))
    happened = None
    for _ in range(10_000):
        agent.handle_input(asked, PATH, 0)
        agent.poll_transmits()
        if (happened := agent.poll_event()) is not None:
            break
    assert happened == events.Throttled(id=id, host=MAPPED[0])
    assert agent.dropped(DropReason.OVER_BUDGET) > 0
    unlimited, _ = serving(ServerConfig(budget=False))
    for _ in range(1000):
        unlimited.handle_input(asked, PATH, 0)
        only(unlimited)
    assert unlimited.dropped() == 0


def test_who_keeps_failing_to_authenticate_is_named() -> None:
    network = Network()
    agent, id = serving(REALM)
    server = network.add(agent, {SERVER: 0})
    for place in range(1000):
        client = network.add(seeded(place % 200), [("10.0.0.2", 10_000 + place)])
        local = next(iter(client.sockets))
        wrong = LongTerm("alice", "wrong")
        client.agent.start_binding(BindingConfig(SERVER, local=local, refresh_ns=None, credentials=wrong), network.now)
        network.pass_time(100 * MS)
        network.nodes.remove(client)
        if server.of(events.AuthenticationFailures):
            break
    (happened, *_) = server.of(events.AuthenticationFailures)
    assert (happened.id, happened.host, happened.is_proven) == (id, "10.0.0.2", True)


def test_what_a_server_does_not_answer_is_dropped_and_counted() -> None:
    agent, _ = serving(ServerConfig())
    for method, kind, reason in (
        (1, MessageClass.INDICATION, DropReason.INDICATION),
        (3, MessageClass.REQUEST, None),
        (1, MessageClass.SUCCESS_RESPONSE, DropReason.UNKNOWN_TRANSACTION),
    ):
        before = agent.dropped()
        agent.handle_input(bytes(MessageBuilder(kind, method)), PATH, 0)
        if reason is not None:
            assert (agent.dropped() - before, agent.dropped(reason)) == (1, 1)
    assert all(Message.parse(sent.data).error is not None for sent in agent.poll_transmits())


def test_one_address_serves_behaviour_discovery_as_far_as_it_can() -> None:
    agent, _ = serving(ServerConfig(local=SERVER, behavior_single=True, socket_ids=(4, 0, 0, 0)))
    agent.handle_input(bytes(MessageBuilder(MessageClass.REQUEST, 1).add(3, bytes([0, 0, 0, 6]))), PATH, 0)
    error = Message.parse(only(agent).data).error
    assert error is not None
    assert error.code == 420
    agent.handle_input(bytes(REQUEST), PATH, 0)
    assert Message.parse(only(agent).data).mapped_address == MAPPED
    assert agent.poll_event() is None


def test_a_client_hears_nothing_of_a_server_that_is_not_there() -> None:
    agent, _ = serving(ServerConfig(local=SERVER))
    client = seeded()
    client.start_binding(BindingConfig(SERVER, local=CLIENT, refresh_ns=None), 0)
    request = only(client)
    agent.handle_input(request.data, Path(CLIENT, local=SERVER), 0)
    client.handle_input(only(agent).data, request.path, 0)
    assert event(client, events.Mapped).address == CLIENT
