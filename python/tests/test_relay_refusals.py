"""What allocations refuse, each with the exception and the words that say what was wrong."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from libstun import (
    Address,
    AllocationConfig,
    BindingConfig,
    FailureReason,
    Key,
    LimitError,
    LongTerm,
    MessageBuilder,
    Path,
    PeerPolicy,
    PeerRule,
    RelayPoolConfig,
    SendError,
    StateError,
    Transport,
    UnknownOperationError,
    events,
)
from support import (
    CLIENT,
    OTHER,
    PEER,
    REFRESH,
    SERVER,
    XOR_RELAYED_ADDRESS,
    Relays,
    TurnServer,
    only,
    respond,
)

CONFIG = AllocationConfig(SERVER, local=CLIENT, socket_id=7)
PATH = Path(SERVER, local=CLIENT, socket_id=7)
RELAYED: Address = ("192.0.2.1", 49160)
KEY = Key.long_term_md5("alice", "example.org", "s3cret")
ALICE = LongTerm("alice", "s3cret")


def test_who_may_be_a_peer_is_said_by_policy_and_rules() -> None:
    def permits(host: str, config: AllocationConfig) -> bool:
        relays = Relays(TurnServer())
        id = relays.agent.start_allocation(config, 0)
        try:
            relays.agent.permit(id, host, 0)
        except ValueError:
            return False
        return True

    assert permits("198.51.100.9", CONFIG)
    assert not permits("127.0.0.1", CONFIG)
    assert not permits("169.254.169.254", CONFIG)
    assert permits("127.0.0.1", replace(CONFIG, peer_policy=PeerPolicy.LOOPBACK))
    assert not permits("169.254.169.254", replace(CONFIG, peer_policy=PeerPolicy.LOOPBACK))
    assert permits("169.254.169.254", replace(CONFIG, peer_policy=PeerPolicy.ALL))
    assert not permits("224.0.0.1", replace(CONFIG, peer_policy=PeerPolicy.ALL))
    ten = PeerRule("10.0.0.0", "10.255.255.255", allows=False)
    rules = replace(CONFIG, peer_rules=[ten, PeerRule("10.1.0.7", "10.1.0.7", allows=True)])
    assert [permits(host, rules) for host in ("10.0.0.9", "10.1.0.7", "10.1.0.8", "11.0.0.1")] == [
        False,
        True,
        False,
        True,
    ]


def test_refusals_say_what_is_wrong() -> None:
    relays = Relays(TurnServer())
    agent, id = relays.agent, relays.agent.start_allocation(CONFIG, 0)
    with pytest.raises(StateError, match="there is no relayed address now"):
        agent.send_to_peer(id, PEER, b"hello", 0)
    with pytest.raises(StateError, match="another allocation already relays on that path"):
        agent.start_allocation(CONFIG, 0)
    relays.serve()
    relays.next(events.Allocated)
    with pytest.raises(ValueError, match="other family"):
        agent.permit(id, "2001:db8::1", 0)
    with pytest.raises(ValueError, match="port"):
        agent.bind_channel(id, (PEER[0], 0), 0)
    with pytest.raises(ValueError, match="relay"):
        agent.bind_channel(id, RELAYED, 0)
    relays.agent.bind_channel(id, PEER, 0)
    relays.serve()
    with pytest.raises(ValueError, match="long"):
        agent.send_to_peer(id, PEER, bytes(65_536), 0)
    with pytest.raises(StateError, match="no relay for connections"):
        agent.connect_peer(id, PEER, 0)
    with pytest.raises(ValueError, match="differen"):
        agent.reconnected(id, Path(SERVER, local=("::1", 1)), 0)


def test_there_are_so_many_peers_and_no_more() -> None:
    relays = Relays(TurnServer())
    id = relays.allocate()
    with pytest.raises(LimitError, match="as many peers"):  # noqa: PT012
        for place in range(100_000):
            relays.agent.permit(id, f"10.{place >> 16}.{place >> 8 & 255}.{place & 255}", 0)
            if place % 100 == 0:
                relays.serve()


def test_ids_of_other_operations_are_unknown_to_relays() -> None:
    relays = Relays(TurnServer())
    agent, id = relays.agent, relays.allocate()
    for call in (
        lambda: agent.allocation(id + 1),
        lambda: agent.relay_pool(id),
        lambda: agent.permit(id + 1, PEER, 0),
        lambda: agent.revoke(id + 1, PEER, 0),
        lambda: agent.bind_channel(id + 1, PEER, 0),
        lambda: agent.release_channel(id + 1, PEER, 0),
        lambda: agent.is_permitted(id + 1, PEER),
        lambda: agent.channel(id + 1, PEER),
        lambda: agent.send_to_peer(id + 1, PEER, b"", 0),
        lambda: agent.set_credentials(id + 1, ALICE, 0),
        lambda: agent.set_credentials(id, ALICE, 0, relay=0),
        lambda: agent.connect_peer(id + 1, PEER, 0),
        lambda: agent.connection_opened(id, 1, Path(SERVER, local=CLIENT, transport=Transport.TCP), 0),
        lambda: agent.answer_redirect(id, True, 0, relay=0),
        lambda: agent.reconnected(id, PATH, 0, relay=0),
        lambda: agent.alternate_domain(id, relay=0),
        lambda: agent.allocation(id, relay=0),
    ):
        with pytest.raises((UnknownOperationError, StateError)):
            call()


def test_a_send_that_failed_ends_the_request() -> None:
    relays = Relays(TurnServer())
    agent, id = relays.agent, relays.agent.start_allocation(CONFIG, 0)
    assert agent.handle_send_error(only(agent), ConnectionRefusedError(111, "refused"), 0) is True
    retrying = relays.next(events.Retrying)
    assert (retrying.id, retrying.failure.reason) == (id, FailureReason.SEND_FAILED)
    assert retrying.failure.detail == SendError.REFUSED


def test_an_answer_without_a_relayed_address_or_lifetime_is_none() -> None:
    reasons = []
    relayed: list[tuple[int, Address]] = [(XOR_RELAYED_ADDRESS, RELAYED)]
    for addresses in ([], relayed):
        relays = Relays(TurnServer())
        relays.agent.start_allocation(CONFIG, 0)
        request = only(relays.agent)
        relays.arrive(respond(request.data, partial(add_addresses, addresses)), request.path)
        assert relays.serve() == 1, "what there may be is deleted"
        assert relays.server.asked == {REFRESH: 1}
        happened = relays.agent.poll_event()
        assert isinstance(happened, (events.Retrying, events.Failed))
        reasons.append((type(happened), happened.failure.reason))
    assert reasons == [
        (events.Retrying, FailureReason.NO_RELAYED_ADDRESS),
        (events.Failed, FailureReason.IMPOSSIBLE_LIFETIME),
    ]


def add_addresses(addresses: list[tuple[int, Address]], answer: MessageBuilder) -> None:
    for type, address in addresses:
        answer.add_address(type, address)


def test_a_peer_that_the_policy_refuses_is_not_sent_to() -> None:
    relays = Relays(TurnServer())
    id = relays.allocate()
    with pytest.raises(ValueError, match="loopback"):
        relays.agent.send_to_peer(id, ("127.0.0.1", 9), b"hello", 0)
    with pytest.raises(ValueError, match="port"):
        relays.agent.send_to_peer(id, (PEER[0], 0), b"hello", 0)


def test_paths_that_contradict_themselves_are_refused_to_whom_reconnects() -> None:
    agent = Relays(TurnServer()).agent
    binding = agent.start_binding(BindingConfig(SERVER, local=CLIENT), 0)
    allocation = agent.start_allocation(CONFIG, 0)
    pool = agent.start_relay_pool(RelayPoolConfig([replace(CONFIG, server=OTHER)]), 0)
    nowhere = Path(("192.0.2.1", 0), local=CLIENT)
    for id, relay in ((binding, None), (allocation, None), (pool, 0)):
        with pytest.raises(ValueError, match="has port 0, or is unspecified"):
            agent.reconnected(id, nowhere, 0, relay=relay)
    with pytest.raises(UnknownOperationError):
        agent.reconnected(pool + 1, PATH, 0)


def test_so_many_connections_are_made_at_a_time_and_no_more() -> None:
    relays = Relays(TurnServer())
    relays.open(CLIENT)
    config = replace(CONFIG, transport=Transport.TCP, relay_transport=Transport.TCP)
    id = relays.allocate(config)
    with pytest.raises(LimitError, match="as many connections"):  # noqa: PT012
        for port in range(1, 65_536):
            relays.agent.connect_peer(id, (PEER[0], port), 0)


def test_a_stream_over_udp_is_none() -> None:
    agent = Relays(TurnServer()).agent
    with pytest.raises(ValueError, match="UDP has no connections"):
        agent.open_stream(PATH, 0)
