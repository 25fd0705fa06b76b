"""Pools of relays: which is selected, what happens when its server dies, and what calls and events say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from libstun import (
    Address,
    AllocationConfig,
    ChannelData,
    FailureReason,
    LongTerm,
    MigrationReason,
    Path,
    PeerData,
    PeerRule,
    RedirectPolicy,
    RelayPoolConfig,
    StateError,
    UnknownOperationError,
    UnservedReason,
    events,
)
from support import (
    ALLOCATE,
    CREATE_PERMISSION,
    MAPPED,
    MS,
    PEER,
    REFRESH,
    SECOND,
    Relays,
    TurnServer,
)

HELLO = b"hello"


def server_of(place: int) -> Address:
    return (f"192.0.2.{1 + place}", 3478)


def local_of(place: int) -> Address:
    return ("10.0.0.2", 5000 + place)


def relayed_of(place: int) -> Address:
    return (f"192.0.2.{1 + place}", 49160)


def path_of(place: int) -> Path:
    return Path(server_of(place), local=local_of(place), socket_id=7 + place)


CONFIGS = [AllocationConfig(server_of(n), local=local_of(n), socket_id=7 + n) for n in range(3)]


def between(count: int = 3) -> Relays:
    return Relays(*(TurnServer(server_of(place)) for place in range(count)))


def two_ready() -> tuple[Relays, int]:
    """Two that are ready, of which the first is selected, and a spare; their events are taken."""
    relays = between()
    id = relays.agent.start_relay_pool(RelayPoolConfig(CONFIGS, ready=2), 0)
    assert relays.serve() == 2
    relays.next(events.RelayReady)
    relays.next(events.RelaySelected)
    relays.next(events.RelayReady)
    return relays, id


def bound(relays: Relays, id: int, selected: int) -> None:
    relays.agent.bind_channel(id, PEER, relays.now)
    relays.serve()
    happened = relays.next(events.ChannelBound)
    assert (happened.relay, happened.peer) == (selected, PEER)
    assert happened.channel == relays.agent.channel(id, PEER)
    relays.skip()


def heard(relays: Relays, place: int) -> PeerData:
    """What comes of a peer's data at one relay."""
    channel = relays.servers[server_of(place)].channel
    taken = relays.agent.handle_input(ChannelData(channel, HELLO).to_bytes(), path_of(place), relays.now)
    assert isinstance(taken, PeerData)
    return taken


def test_the_first_that_is_ready_is_selected() -> None:
    relays = between()
    agent = relays.agent
    id = agent.start_relay_pool(RelayPoolConfig(CONFIGS, ready=2), 0)
    info = agent.relay_pool(id)
    assert (info.selected, info.relay_count, info.ready_count, info.relayed) == (None, 3, 0, None)
    first = relays.servers[server_of(0)]
    first.silent = True
    relays.now = 10 * MS
    relays.serve()
    ready, chosen = relays.next(events.RelayReady), relays.next(events.RelaySelected)
    assert (ready.relay, ready.relayed, ready.mapped, ready.rtt_ns) == (1, relayed_of(1), MAPPED, 10 * MS)
    assert (chosen.relay, chosen.relayed, chosen.additional) == (1, relayed_of(1), None)
    first.silent = False
    ready = relays.until(events.RelayReady, SECOND)
    assert (ready.relay, ready.relayed) == (0, relayed_of(0))
    info = agent.relay_pool(id)
    assert (info.selected, info.ready_count, info.relayed, info.dropped_events) == (1, 2, relayed_of(1), 0)
    one = agent.allocation(id, relay=1)
    assert one is not None
    assert (one.is_allocated, one.relayed, one.server) == (True, relayed_of(1), server_of(1))
    assert agent.allocation(id, relay=2) is None
    assert agent.alternate_domain(id, relay=1) is None
    assert relays.servers[server_of(2)].asked[ALLOCATE] == 0


def test_a_server_that_dies_is_left_and_data_goes_on() -> None:
    relays, id = two_ready()
    bound(relays, id, 0)
    agent = relays.agent
    assert agent.send_to_peer(id, PEER, HELLO, 0).path == path_of(0)
    assert heard(relays, 0).relayed == relayed_of(0)
    relays.servers[server_of(0)].silent = True
    relays.now = 2 * SECOND
    agent.send_to_peer(id, PEER, HELLO, relays.now)
    migrated = relays.until(events.Migrated, 12 * SECOND)
    assert (migrated.relay, migrated.previous, migrated.relayed) == (1, 0, relayed_of(1))
    assert (migrated.reason, migrated.failure) == (MigrationReason.UNRESPONSIVE, None)
    assert relays.now > 5 * SECOND
    assert relays.until(events.ChannelBound, 60 * SECOND).relay == 1
    assert agent.relay_pool(id).selected == 1
    sent = agent.send_to_peer(id, PEER, HELLO, relays.now)
    assert (sent.path, ChannelData.parse(sent.data).data) == (path_of(1), HELLO)
    taken = heard(relays, 1)
    assert (taken.data, taken.peer, taken.relayed) == (HELLO, PEER, relayed_of(1))
    lost = relays.until(events.Lost, 120 * SECOND)
    assert (lost.relay, lost.was_selected, lost.failure.reason) == (0, False, FailureReason.TIMEOUT)


def test_a_relay_that_is_taken_away_is_replaced_at_once() -> None:
    relays, _ = two_ready()
    relays.servers[server_of(0)].refused[REFRESH] = 437
    lost = relays.until(events.Lost, 600 * SECOND)
    assert (lost.relay, lost.was_selected, lost.relayed) == (0, True, relayed_of(0))
    assert (lost.failure.reason, lost.failure.code) == (FailureReason.ERROR_RESPONSE, 437)
    migrated = relays.next(events.Migrated)
    assert (migrated.relay, migrated.previous, migrated.reason) == (1, 0, MigrationReason.LOST)
    assert migrated.failure == lost.failure


def test_a_faster_relay_takes_over() -> None:
    relays = between(2)
    config = RelayPoolConfig(CONFIGS[:2], settling_ns=SECOND)
    id = relays.agent.start_relay_pool(config, 0)
    slow = relays.agent.poll_transmits()
    relays.now = 200 * MS
    answer = relays.servers[server_of(0)].answer(slow[0].data)
    assert answer is not None
    relays.arrive(answer, slow[0].path)
    relays.next(events.RelayReady)
    relays.next(events.RelaySelected)
    info = relays.agent.allocation(id, relay=0)
    assert info is not None
    assert info.rtt_ns == 200 * MS
    relays.servers[server_of(1)].mapped = ("203.0.113.8", 50000)
    migrated = relays.until(events.Migrated, 120 * SECOND)
    assert (migrated.relay, migrated.previous, migrated.reason) == (1, 0, MigrationReason.FASTER)


def test_peers_are_permitted_and_revoked_by_the_same_calls() -> None:
    relays, id = two_ready()
    agent = relays.agent
    with pytest.raises(ValueError, match="loopback"):
        agent.permit(id, "127.0.0.1", 0)
    assert not agent.is_permitted(id, PEER)
    with pytest.raises(StateError, match="the peer is not permitted yet"):
        agent.send_to_peer(id, PEER, HELLO, 0)
    agent.permit(id, PEER[0], 0)
    assert relays.serve() == 1, "the standby is cold"
    happened = relays.next(events.Permitted)
    assert (happened.relay, happened.host) == (0, PEER[0])
    assert agent.is_permitted(id, PEER)
    assert len(agent.send_to_peer(id, PEER, HELLO, 0).data) == 44
    assert agent.revoke(id, PEER, 0) is True
    assert agent.revoke(id, PEER, 0) is False
    assert agent.release_channel(id, PEER, 0) is False
    agent.bind_channel(id, PEER, 0)
    assert agent.release_channel(id, PEER, 0) is True


def test_a_peer_that_the_next_relay_refuses_is_named() -> None:
    relays = between(2)
    refusing = replace(CONFIGS[1], peer_rules=[PeerRule(PEER[0], PEER[0], allows=False)])
    id = relays.agent.start_relay_pool(RelayPoolConfig([CONFIGS[0], refusing]), 0)
    relays.serve()
    relays.agent.permit(id, PEER[0], 0)
    relays.servers[server_of(0)].refused[REFRESH] = 437
    relays.until(events.Migrated, 600 * SECOND)
    unserved = relays.next(events.PeerUnserved)
    assert (unserved.id, unserved.relay) == (id, 1)
    assert (unserved.peer, unserved.reason) == ((PEER[0], 0), UnservedReason.POLICY)


def test_warm_standbys_know_the_peers() -> None:
    relays = between(2)
    id = relays.agent.start_relay_pool(RelayPoolConfig(CONFIGS[:2], warm_standby=True), 0)
    relays.serve()
    relays.agent.permit(id, PEER[0], 0)
    assert relays.serve() == 2
    assert [server.asked[CREATE_PERMISSION] for server in relays.servers.values()] == [1, 1]


def test_closing_deletes_all_of_them() -> None:
    relays, id = two_ready()
    relays.agent.close_relay(id, SECOND)
    assert relays.serve() == 2
    assert [server.asked[REFRESH] for server in relays.servers.values()] == [1, 1, 0]
    assert relays.next(events.Closed) == events.Closed(id=id, is_last=True, relay=None)
    with pytest.raises(UnknownOperationError):
        relays.agent.close_relay(id, SECOND)
    assert relays.agent.poll_timeout() is None


def test_a_pool_fails_when_the_last_relay_has() -> None:
    relays = between(2)
    for server in relays.servers.values():
        server.refused[ALLOCATE] = 403
    id = relays.agent.start_relay_pool(RelayPoolConfig(CONFIGS[:2], ready=1), 0)
    assert relays.serve() == 2, "the spare as soon as the first has failed"
    for relay, is_last in ((0, False), (1, False), (None, True)):
        failed = relays.next(events.Failed)
        assert (failed.id, failed.relay, failed.is_last, failed.failure.code) == (id, relay, is_last, 403)


def test_one_relay_can_be_told() -> None:
    relays, id = two_ready()
    agent, alice = relays.agent, LongTerm("alice", "s3cret")
    agent.set_credentials(id, alice, 0, relay=0)
    agent.set_credentials(id, alice, 0, relay=2, expire_ns=1000 * SECOND)
    agent.answer_redirect(id, True, 0, relay=0)
    calls: list[Callable[[], object]] = [
        lambda: agent.set_credentials(id, alice, 0, relay=3),
        lambda: agent.answer_redirect(id, True, 0, relay=3),
        lambda: agent.reconnected(id, Path(server_of(0), local=("10.0.0.2", 7000)), 0, relay=3),
        lambda: agent.allocation(id, relay=3),
    ]
    for call in calls:
        with pytest.raises(UnknownOperationError, match="relay"):
            call()
    with pytest.raises(StateError, match="another relay is on that path"):
        agent.reconnected(id, path_of(1), 0, relay=0)
    agent.reconnected(id, Path(server_of(0), local=("10.9.0.2", 6000), socket_id=77), 0, relay=0)
    lost, migrated = relays.next(events.Lost), relays.next(events.Migrated)
    assert (lost.relay, lost.was_selected) == (0, True)
    assert (migrated.relay, migrated.reason) == (1, MigrationReason.LOST)
    spare, again = agent.poll_transmits()
    assert (spare.socket_id, again.socket_id, again.local) == (9, 77, ("10.9.0.2", 6000))


def test_paths_are_not_shared_with_allocations() -> None:
    relays = between()
    agent = relays.agent
    other = agent.start_allocation(CONFIGS[1], 0)
    with pytest.raises(StateError, match="another allocation already relays on that path"):
        agent.start_relay_pool(RelayPoolConfig(CONFIGS), 0)
    agent.cancel(other, 0)
    id = agent.start_relay_pool(RelayPoolConfig(CONFIGS), 0)
    with pytest.raises(StateError, match="another allocation already relays on that path"):
        agent.start_allocation(CONFIGS[1], 0)
    agent.cancel(id, 0)


def test_a_relay_that_is_redirected_to_anothers_path_is_superseded() -> None:
    """Two relays from one socket, at two servers of which the first sends its clients to the second."""
    relays = between(2)
    relays.servers[server_of(0)].refused[ALLOCATE] = 300
    relays.servers[server_of(0)].redirects_to = server_of(1)
    same = [replace(config, local=local_of(0), socket_id=7) for config in CONFIGS[:2]]
    id = relays.agent.start_relay_pool(RelayPoolConfig(same), 0)
    relays.serve()
    superseded = relays.until(events.RelaySuperseded, SECOND)
    assert (superseded.id, superseded.relay, superseded.by) == (id, 0, 1)
    assert relays.agent.allocation(id, relay=0) is None


def test_a_redirection_inside_a_pool_names_its_relay() -> None:
    relays = between(3)
    relays.servers[server_of(0)].refused[ALLOCATE] = 300
    relays.servers[server_of(0)].redirects_to = server_of(2)
    configs = [replace(CONFIGS[0], redirects=RedirectPolicy.ASK), CONFIGS[1]]
    id = relays.agent.start_relay_pool(RelayPoolConfig(configs), 0)
    relays.serve()
    redirected = relays.until(events.Redirected, SECOND)
    assert (redirected.relay, redirected.server, redirected.awaits_answer) == (0, server_of(2), True)
    relays.skip()
    relays.agent.answer_redirect(id, True, relays.now, relay=0)
    relays.serve()
    ready = {event.relay: event.relayed for event in relays.agent.poll_events() if isinstance(event, events.RelayReady)}
    assert ready == {0: relayed_of(2)}
    assert relays.agent.alternate_domain(id, relay=0) == "other.example.org"


def test_an_unknown_relay_of_a_pool_has_no_domain() -> None:
    relays, id = two_ready()
    with pytest.raises(UnknownOperationError):
        relays.agent.alternate_domain(id, relay=3)
    with pytest.raises(UnknownOperationError):
        relays.agent.alternate_domain(id + 1, relay=0)
