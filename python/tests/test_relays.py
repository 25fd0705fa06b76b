"""Allocations at a TURN server that answers as the test says: every command and event of theirs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from libstun import (
    Address,
    AllocationConfig,
    ChannelData,
    CredentialsNeed,
    DropReason,
    FailureReason,
    KeepaliveKind,
    Key,
    LongTerm,
    Message,
    MessageClass,
    Path,
    PeerData,
    RedirectPolicy,
    RelayFamily,
    RelayPort,
    StateError,
    Transport,
    UnknownOperationError,
    WakeReason,
    events,
)
from support import (
    ADDITIONAL_ADDRESS_FAMILY,
    ADDRESS_ERROR_CODE,
    ALLOCATE,
    BINDING,
    CHANNEL_BIND,
    CLIENT,
    CREATE_PERMISSION,
    DATA,
    DATA_ATTRIBUTE,
    ICMP,
    MAPPED,
    MOBILITY_TICKET,
    MS,
    NONCE,
    OTHER,
    PEER,
    REFRESH,
    RESERVATION_TOKEN,
    SECOND,
    SEND,
    SERVER,
    USERNAME,
    XOR_PEER_ADDRESS,
    Relays,
    TurnServer,
    indication,
)

CONFIG = AllocationConfig(SERVER, local=CLIENT, socket_id=7)
PATH = Path(SERVER, local=CLIENT, socket_id=7)
RELAYED: Address = ("192.0.2.1", 49160)
KEY = Key.long_term_md5("alice", "example.org", "s3cret")
ALICE = LongTerm("alice", "s3cret")


def permitted(relays: Relays, id: int, peer: Address = PEER) -> None:
    relays.agent.permit(id, peer, relays.now)
    relays.serve()
    assert relays.next(events.Permitted).host == peer[0]


def bound(relays: Relays, id: int, peer: Address = PEER) -> int:
    relays.skip()
    relays.agent.bind_channel(id, peer, relays.now)
    relays.serve()
    happened = relays.next(events.ChannelBound)
    relays.skip()
    assert happened.peer == peer
    return happened.channel


def test_an_allocation_tells_where_it_is() -> None:
    relays = Relays(TurnServer(extra={ALLOCATE: ((RESERVATION_TOKEN, b"12345678"),)}))
    agent = relays.agent
    id = agent.start_allocation(replace(CONFIG, port=RelayPort.EVEN_RESERVING_NEXT), 0)
    info = agent.allocation(id)
    assert info is not None
    assert (info.is_allocated, info.relayed, info.expires_ns, info.rtt_ns) == (False, None, None, None)
    assert (info.server, info.local, info.transport) == (SERVER, CLIENT, Transport.UDP)
    relays.now = 20 * MS
    relays.serve()
    happened = relays.next(events.Allocated)
    assert happened == events.Allocated(
        id=id,
        relayed=RELAYED,
        additional=None,
        mapped=MAPPED,
        lifetime_ns=600 * SECOND,
        reservation=b"12345678",
        rtt_ns=20 * MS,
    )
    info = agent.allocation(id)
    assert info is not None
    assert (info.is_allocated, info.relayed, info.mapped) == (True, RELAYED, MAPPED)
    assert (info.expires_ns, info.rtt_ns, info.dropped_events) == (600 * SECOND, 20 * MS, 0)


def test_a_reservation_is_asked_for_with_its_token() -> None:
    relays = Relays(TurnServer())
    relays.allocate(replace(CONFIG, reservation=b"12345678"))
    token = relays.server.requests[0].find(RESERVATION_TOKEN)
    assert token is not None
    assert token.value == b"12345678"


def test_a_challenge_is_met_with_long_term_credentials() -> None:
    relays = Relays(TurnServer(key=KEY))
    relays.allocate(replace(CONFIG, credentials=ALICE))
    relays.next(events.Allocated)
    first, second = relays.server.requests
    assert first.find(USERNAME) is None
    username = second.find(USERNAME)
    assert username is not None
    assert username.decode() == "alice"


def test_a_stale_nonce_is_replaced_unnoticed() -> None:
    relays = Relays(TurnServer(key=KEY))
    id = relays.allocate(replace(CONFIG, credentials=ALICE))
    relays.next(events.Allocated)
    relays.server.nonce = "second nonce"
    permitted(relays, id)
    nonces = [request.find(NONCE) for request in relays.server.requests]
    assert [nonce and nonce.value for nonce in nonces] == [None, b"first nonce", b"first nonce", b"second nonce"]
    assert relays.server.asked[CREATE_PERMISSION] == 2


def test_rejected_credentials_are_replaced() -> None:
    relays = Relays(TurnServer(key=KEY))
    id = relays.allocate(replace(CONFIG, credentials=LongTerm("alice", "wrong")))
    relays.events.extend(relays.agent.poll_events())
    needed = relays.until(events.CredentialsNeeded, 60 * SECOND)
    assert (needed.reason, needed.at_ns) == (CredentialsNeed.REJECTED, None)
    assert relays.agent.poll_timeout() is None
    relays.agent.set_credentials(id, ALICE, relays.now)
    relays.serve()
    assert relays.next(events.Allocated).relayed == RELAYED


def test_credentials_that_expire_are_asked_for_a_minute_before() -> None:
    relays = Relays(TurnServer(key=KEY))
    id = relays.allocate(replace(CONFIG, credentials=ALICE, credentials_expire_ns=100 * SECOND, keepalive_ns=None))
    relays.next(events.Allocated)
    needed = relays.until(events.CredentialsNeeded, 50 * SECOND)
    assert (needed.reason, needed.at_ns, relays.now) == (CredentialsNeed.EXPIRING, 100 * SECOND, 40 * SECOND)
    relays.agent.set_credentials(id, ALICE, relays.now, expire_ns=None)
    timeout = relays.agent.poll_timeout()
    assert timeout is not None
    assert timeout > 100 * SECOND


def test_wrong_credentials_fail_for_good() -> None:
    relays = Relays(TurnServer(key=KEY, refused={ALLOCATE: 441}))
    relays.allocate(replace(CONFIG, credentials=ALICE))
    failed = relays.next(events.Failed)
    assert failed.is_last
    assert (failed.failure.reason, failed.failure.code) == (FailureReason.ERROR_RESPONSE, 441)


def test_a_server_that_asks_an_anonymous_client_who_it_is_gets_an_answer_later() -> None:
    relays = Relays(TurnServer(key=KEY))
    relays.allocate()
    needed = relays.until(events.CredentialsNeeded, 60 * SECOND)
    assert needed.reason == CredentialsNeed.REJECTED
    assert relays.server.asked[ALLOCATE] == 1


@pytest.mark.parametrize("code", [486, 500, 508])
def test_a_busy_server_is_asked_again_later(code: int) -> None:
    relays = Relays(TurnServer(refused={ALLOCATE: code}))
    relays.allocate()
    retrying = relays.next(events.Retrying)
    assert (retrying.failure.reason, retrying.failure.code) == (FailureReason.ERROR_RESPONSE, code)
    assert relays.agent.wake_reason() == WakeReason.RETRY
    assert retrying.at_ns == relays.agent.poll_timeout()
    relays.server.refused.clear()
    assert relays.until(events.Allocated, 120 * SECOND).relayed == RELAYED
    assert relays.now == retrying.at_ns


def test_an_allocation_mismatch_is_met_with_another_port() -> None:
    relays = Relays(TurnServer(refused={ALLOCATE: 437}))
    id = relays.agent.start_allocation(CONFIG, 0)
    relays.serve()
    wanted = relays.until(events.Reconnect, 60 * SECOND)
    assert (wanted.server, wanted.transport) == (SERVER, Transport.UDP)
    relays.server.refused.clear()
    relays.agent.reconnected(id, Path(SERVER, local=("10.0.0.2", 5009), socket_id=9), relays.now)
    assert relays.until(events.Allocated, relays.now + 10 * SECOND).relayed == RELAYED
    info = relays.agent.allocation(id)
    assert info is not None
    assert info.local == ("10.0.0.2", 5009)


def test_a_relay_that_is_gone_is_asked_for_anew_with_its_peers() -> None:
    relays = Relays(TurnServer())
    id = relays.allocate()
    relays.next(events.Allocated)
    permitted(relays, id)
    relays.server.refused[REFRESH] = 437
    lost = relays.until(events.Lost, 600 * SECOND)
    assert (lost.relayed, lost.was_selected, lost.relay) == (RELAYED, False, None)
    assert (lost.failure.reason, lost.failure.code) == (FailureReason.ERROR_RESPONSE, 437)
    relays.server.refused.clear()
    relays.until(events.Allocated, relays.now + 60 * SECOND)
    relays.serve()
    assert relays.until(events.Permitted, relays.now + SECOND).host == PEER[0]


def test_one_of_two_families_may_be_refused() -> None:
    refusal = bytes([2, 0, 4, 40]) + b"no IPv6"
    relays = Relays(TurnServer(extra={ALLOCATE: ((ADDRESS_ERROR_CODE, refusal),)}))
    relays.allocate(replace(CONFIG, family=RelayFamily.BOTH))
    assert relays.server.requests[0].find(ADDITIONAL_ADDRESS_FAMILY) is not None
    relays.next(events.Allocated)
    refused = relays.next(events.FamilyRefused)
    assert (refused.version, refused.code) == (6, 440)


def test_two_families_are_two_addresses() -> None:
    second: Address = ("2001:db8::9", 49161, 0, 0)
    relays = Relays(TurnServer(additional=second))
    id = relays.allocate(replace(CONFIG, family=RelayFamily.BOTH))
    happened = relays.next(events.Allocated)
    assert (happened.relayed, happened.additional) == (RELAYED, second)
    info = relays.agent.allocation(id)
    assert info is not None
    assert (info.relayed, info.additional) == (RELAYED, second)


def test_a_permitted_peer_is_sent_indications() -> None:
    relays = Relays(TurnServer())
    agent, id = relays.agent, relays.allocate()
    relays.next(events.Allocated)
    assert not agent.is_permitted(id, PEER)
    with pytest.raises(StateError, match="the peer is not permitted yet"):
        agent.send_to_peer(id, PEER, b"hello", 0)
    permitted(relays, id)
    assert agent.is_permitted(id, PEER)
    assert agent.channel(id, PEER) is None
    sent = agent.send_to_peer(id, PEER, memoryview(b"hello"), 0)
    assert (sent.path, len(sent.data)) == (PATH, 44)
    message = Message.parse(sent.data)
    data, peer = message.find(DATA_ATTRIBUTE), message.find(XOR_PEER_ADDRESS)
    assert (message.message_class, message.method) == (MessageClass.INDICATION, SEND)
    assert data is not None
    assert peer is not None
    assert (data.value, peer.decode()) == (b"hello", PEER)
    assert agent.poll_transmit() is None
    assert agent.revoke(id, PEER[0], 0) is True
    assert agent.revoke(id, PEER, 0) is False
    assert not agent.is_permitted(id, PEER)


def test_a_channel_has_four_bytes_of_overhead() -> None:
    relays = Relays(TurnServer())
    agent, id = relays.agent, relays.allocate()
    relays.next(events.Allocated)
    channel = bound(relays, id)
    assert channel == relays.server.channel == agent.channel(id, PEER)
    assert agent.is_permitted(id, PEER)
    sent = agent.send_to_peer(id, PEER, bytearray(b"hello"), 0)
    assert ChannelData.parse(sent.data).data == b"hello"
    assert len(sent.data) == 9
    assert agent.send_to_peer(id, PEER, b"", 0).data == channel.to_bytes(2, "big") + bytes(2)
    assert agent.release_channel(id, PEER, 0) is True
    assert agent.release_channel(id, PEER, 0) is False


def test_data_of_peers_comes_out_of_the_input() -> None:
    relays = Relays(TurnServer())
    agent, id = relays.agent, relays.allocate()
    channel = bound(relays, id)
    for frame in (
        ChannelData(channel, b"hello").to_bytes(),
        indication(DATA, (XOR_PEER_ADDRESS, PEER), (DATA_ATTRIBUTE, b"hello")),
    ):
        taken = agent.handle_input(frame, PATH, 0)
        assert isinstance(taken, PeerData)
        assert (taken.data, taken.peer, taken.relayed, taken.socket_id) == (b"hello", PEER, RELAYED, 7)
        match taken:
            case PeerData(data, peer):
                assert (data, peer) == (b"hello", PEER)
    empty = agent.handle_input(ChannelData(channel, b"").to_bytes(), PATH, 0)
    assert isinstance(empty, PeerData)
    assert empty
    assert empty.data == b""


def test_what_nobody_may_send_is_dropped_and_counted() -> None:
    relays = Relays(TurnServer())
    agent, id = relays.agent, relays.allocate()
    bound(relays, id)
    stranger: Address = ("198.51.100.10", 4000)
    forged = indication(DATA, (XOR_PEER_ADDRESS, stranger), (DATA_ATTRIBUTE, b"hello"))
    assert agent.handle_input(forged, PATH, 0) is True
    assert agent.dropped(DropReason.UNPERMITTED_PEER) == 1
    assert agent.handle_input(ChannelData(0x4FFF, b"hello").to_bytes(), PATH, 0) is True
    assert agent.dropped(DropReason.UNKNOWN_CHANNEL) == 1
    elsewhere = Path(stranger, local=CLIENT)
    assert agent.handle_input(ChannelData(0x4FFF, b"hello").to_bytes(), elsewhere, 0) is False


def test_what_a_peer_lacks_is_said() -> None:
    relays = Relays(TurnServer())
    agent, id = relays.agent, relays.allocate()
    bound(relays, id)
    for code, mtu in ((bytes([0, 0, 3, 4, 0, 0, 5, 0x78]), 1400), (bytes([0, 0, 3, 3, 0, 0, 0, 0]), None)):
        agent.handle_input(indication(DATA, (XOR_PEER_ADDRESS, PEER), (ICMP, code)), PATH, 0)
        happened = relays.next(events.PeerUnreachable)
        assert (happened.peer, happened.icmp_type, happened.icmp_code) == (PEER, 3, code[3])
        assert happened.mtu == mtu


@pytest.mark.parametrize(("method", "port"), [(CREATE_PERMISSION, 0), (CHANNEL_BIND, PEER[1])])
def test_a_peer_that_the_server_refuses_is_named(method: int, port: int) -> None:
    relays = Relays(TurnServer(refused={method: 403}))
    id = relays.allocate()
    relays.next(events.Allocated)
    if method == CHANNEL_BIND:
        relays.agent.bind_channel(id, PEER, 0)
    else:
        relays.agent.permit(id, PEER, 0)
    relays.serve()
    refused = relays.next(events.PeerRefused)
    assert (refused.peer, refused.code) == ((PEER[0], port), 403)


def test_closing_deletes_it_at_the_server() -> None:
    relays = Relays(TurnServer())
    agent, id = relays.agent, relays.allocate()
    relays.next(events.Allocated)
    agent.close_relay(id, SECOND)
    with pytest.raises(StateError, match="the allocation has ended"):
        agent.permit(id, PEER, SECOND)
    with pytest.raises(StateError, match="the allocation has ended"):
        agent.bind_channel(id, PEER, SECOND)
    assert relays.serve() == 1
    assert relays.server.asked[REFRESH] == 1
    assert relays.next(events.Closed) == events.Closed(id=id, is_last=True)
    with pytest.raises(UnknownOperationError, match="no operation of that id"):
        agent.close_relay(id, SECOND)
    assert agent.poll_timeout() is None
    assert id not in agent


def test_an_allocation_moves_with_its_ticket_to_another_network() -> None:
    relays = Relays(TurnServer(extra={ALLOCATE: ((MOBILITY_TICKET, b"ticket"),)}))
    id = relays.allocate()
    relays.next(events.Allocated)
    permitted(relays, id)
    relays.agent.network_changed(["10.9.0.2"], SECOND)
    restarted = relays.next(events.Restarted)
    assert (restarted.local, restarted.previous) == (("10.9.0.2", 5000), CLIENT)
    relays.server.mapped = ("203.0.113.8", 50001)
    relays.server.extra[REFRESH] = ()
    relays.serve()
    ticket = relays.server.requests[-1].find(MOBILITY_TICKET)
    assert ticket is not None
    assert ticket.value == b"ticket"
    moved = relays.next(events.Moved)
    assert moved.id == id
    assert relays.agent.is_permitted(id, PEER)
    info = relays.agent.allocation(id)
    assert info is not None
    assert (info.relayed, info.local) == (RELAYED, ("10.9.0.2", 5000))


def test_without_a_ticket_another_network_is_another_relay() -> None:
    relays = Relays(TurnServer())
    relays.allocate()
    relays.next(events.Allocated)
    relays.agent.network_changed(["10.9.0.2"], SECOND)
    relays.next(events.Restarted)
    assert relays.next(events.Lost).failure.reason == FailureReason.NETWORK_CHANGED


@pytest.mark.parametrize("policy", RedirectPolicy)
def test_a_redirection_is_followed_refused_or_asked_about(policy: RedirectPolicy) -> None:
    first = TurnServer(refused={ALLOCATE: 300}, redirects_to=OTHER)
    relays = Relays(first, TurnServer(OTHER))
    id = relays.agent.start_allocation(replace(CONFIG, redirects=policy), 0)
    relays.serve()
    if policy == RedirectPolicy.REFUSE:
        failure = relays.next(events.Failed).failure
        assert (failure.reason, failure.code) == (FailureReason.ERROR_RESPONSE, 300)
        return
    redirected = relays.next(events.Redirected)
    assert (redirected.server, redirected.previous) == (OTHER, SERVER)
    assert redirected.awaits_answer == (policy == RedirectPolicy.ASK)
    if redirected.awaits_answer:
        assert relays.servers[OTHER].asked[ALLOCATE] == 0
        relays.agent.answer_redirect(id, True, 0)
        relays.serve()
    assert relays.next(events.Allocated).relayed == ("192.0.2.2", 49160)
    assert relays.agent.alternate_domain(id) == "other.example.org"
    info = relays.agent.allocation(id)
    assert info is not None
    assert info.server == OTHER


def test_a_keepalive_is_an_indication_or_a_request() -> None:
    for kind, asked in ((KeepaliveKind.INDICATION, 0), (KeepaliveKind.REQUEST, 1)):
        relays = Relays(TurnServer())
        relays.allocate(replace(CONFIG, keepalive_ns=10 * SECOND, keepalive_kind=kind))
        relays.now = 10 * SECOND
        relays.agent.handle_timeout(relays.now)
        assert relays.serve() == 1
        assert relays.server.asked[BINDING] == asked
