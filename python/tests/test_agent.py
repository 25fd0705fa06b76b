"""The agent's loop: bindings, streams, failed sends, shared sockets, many servers, power and networks."""

from __future__ import annotations

import array
import errno
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from support import (
    ALTERNATE_SERVER,
    CLIENT,
    MAPPED,
    MS,
    OTHER,
    SECOND,
    SERVER,
    XOR_MAPPED_ADDRESS,
    Nat,
    Network,
    event,
    mapped,
    only,
    respond,
    seeded,
)

from libstun import (
    Address,
    AddressLike,
    Agent,
    BindingConfig,
    DropReason,
    FailureReason,
    LimitError,
    Message,
    ObservedMapping,
    Path,
    RedirectPolicy,
    RedirectRefusal,
    SendError,
    ServerConfig,
    SurveyConfig,
    SurveyTarget,
    Transmit,
    Transport,
    UnknownOperationError,
    WakeReason,
    events,
)

CONFIG = BindingConfig(SERVER, local=CLIENT, socket_id=7)
ONCE = replace(CONFIG, refresh_ns=None)
PATH = Path(SERVER, local=CLIENT, socket_id=7)
V6: Address = ("2001:db8::1", 3478, 0, 0)


def started(config: BindingConfig = CONFIG, seed: int = 1) -> tuple[Agent, int, Transmit]:
    """A binding that has asked."""
    agent = seeded(seed)
    id = agent.start_binding(config, 0)
    return agent, id, only(agent)


def test_a_binding_asks_learns_the_address_and_asks_again() -> None:
    agent, id, request = started()
    assert (request.remote, request.local, request.transport, request.socket_id) == (SERVER, CLIENT, "udp", 7)
    assert (len(agent), id in agent) == (1, True)
    assert agent.handle_input(mapped(request.data), PATH, 20 * MS) is True
    happened = event(agent, events.Mapped)
    assert happened == events.Mapped(id=id, is_last=False, address=MAPPED, rtt_ns=20 * MS)
    assert agent.wake_reason() == WakeReason.REFRESH
    due = agent.poll_timeout()
    assert due is not None
    agent.handle_timeout(due)
    agent.handle_input(mapped(only(agent).data), PATH, due)
    assert event(agent, events.Refreshed).address == MAPPED
    due = agent.poll_timeout()
    assert due is not None
    agent.handle_timeout(due)
    agent.handle_input(mapped(only(agent).data, ("203.0.113.8", 1)), PATH, due)
    changed = event(agent, events.AddressChanged)
    assert (changed.address, changed.previous) == (("203.0.113.8", 1), MAPPED)
    agent.cancel(id, due)
    assert (len(agent), id in agent, agent.poll_timeout(), agent.wake_reason()) == (0, False, None, None)
    with pytest.raises(UnknownOperationError):
        agent.cancel(id, due)


def test_a_binding_that_asks_once_ends_with_its_answer() -> None:
    agent, id, request = started(ONCE)
    agent.handle_input(mapped(request.data), PATH, 0)
    assert id in agent, "an operation is there until its last event was polled"
    assert event(agent, events.Mapped).is_last
    assert id not in agent
    assert agent.poll_timeout() is None


def test_a_lost_answer_is_asked_for_again() -> None:
    agent, _, request = started(ONCE)
    assert (agent.poll_timeout(), agent.wake_reason()) == (500 * MS, WakeReason.RETRANSMISSION)
    agent.handle_timeout(500 * MS)
    again = only(agent)
    assert again.data == request.data
    agent.handle_input(mapped(again.data), PATH, 600 * MS)
    assert event(agent, events.Mapped).rtt_ns is None, "which of the two was answered is unknowable"


def test_a_silent_server_is_given_up_after_seven_requests() -> None:
    agent, id, _ = started(ONCE)
    times, reasons, count = [], set(), 1
    while (timeout := agent.poll_timeout()) is not None:
        reasons.add(agent.wake_reason())
        times.append(timeout)
        agent.handle_timeout(timeout)
        count += len(agent.poll_transmits())
    assert times == [500 * MS, 1500 * MS, 3500 * MS, 7500 * MS, 15500 * MS, 31500 * MS, 39500 * MS]
    assert reasons == {WakeReason.RETRANSMISSION, WakeReason.TRANSACTION_TIMEOUT}
    assert count == 7
    failed = event(agent, events.Failed)
    assert (failed.id, failed.is_last, failed.failure.reason) == (id, True, FailureReason.TIMEOUT)


def test_a_refresh_that_fails_is_tried_again_after_a_while() -> None:
    agent, _, request = started()
    agent.handle_input(mapped(request.data), PATH, 0)
    event(agent, events.Mapped)
    now = agent.poll_timeout() or 0
    agent.handle_timeout(now)
    agent.handle_input(respond(only(agent).data, error=500), PATH, now)
    retrying = None
    for _ in range(20):
        if (retrying := agent.poll_event()) is not None:
            break
        agent.poll_transmits()
        now = agent.poll_timeout() or 0
        agent.handle_timeout(now)
    assert isinstance(retrying, events.Retrying)
    assert (retrying.failure.reason, retrying.failure.code) == (FailureReason.ERROR_RESPONSE, 500)
    assert retrying.at_ns == agent.poll_timeout()
    assert agent.wake_reason() == WakeReason.RETRY


def test_set_refresh_takes_effect_at_once() -> None:
    agent, id, request = started()
    agent.handle_input(mapped(request.data), PATH, 0)
    agent.set_refresh(id, 2 * SECOND, 0)
    assert agent.poll_timeout() == 2 * SECOND
    agent.set_refresh(id, None, 0)
    assert agent.poll_timeout() is None
    with pytest.raises(UnknownOperationError):
        agent.set_refresh(id + 1, None, 0)


def test_equal_seeds_and_calls_give_equal_bytes() -> None:
    (_, first_id, first), (_, second_id, second), (_, _, other) = started(seed=3), started(seed=3), started(seed=4)
    assert first.data == second.data
    assert first_id == second_id
    assert first.data != other.data
    unseeded = [Agent(0) for _ in range(2)]
    for agent in unseeded:
        agent.start_binding(CONFIG, 0)
    assert only(unseeded[0]).data != only(unseeded[1]).data


# What is taken -------------------------------------------------------------------------------------------------------


def test_bytes_may_come_in_any_buffer_of_bytes() -> None:
    whole = mapped(started()[2].data)
    spread = bytearray(2 * len(whole))
    spread[::2] = whole
    for data in (
        whole,
        bytearray(whole),
        memoryview(whole),
        memoryview(bytearray(whole)),
        memoryview(spread)[::2],
        memoryview(bytes(spread))[::2].toreadonly(),
        array.array("B", whole),
        memoryview(whole).cast("B", (len(whole),)),
    ):
        agent, _, _ = started()
        assert agent.handle_input(data, PATH, 0) is True
        assert event(agent, events.Mapped).address == MAPPED


def test_a_bytearray_is_left_as_it_was_and_unlocked() -> None:
    agent, _, request = started()
    data = bytearray(mapped(request.data))
    before = bytes(data)
    agent.handle_input(data, PATH, 0)
    assert data == before
    data.clear()


@pytest.mark.parametrize(
    "data", ["text", 7, None, [1, 2], (0, 1), array.array("H", [1, 2]), memoryview(array.array("I", [1])), object(), {}]
)
def test_what_is_no_buffer_of_bytes_is_a_type_error(data: Any) -> None:
    agent, id, _ = started()
    stream = agent.open_stream(Path(SERVER, local=CLIENT, transport=Transport.TCP), 0)
    with pytest.raises(TypeError, match="neither bytes, bytearray nor a memoryview of bytes"):
        agent.handle_input(data, PATH, 0)
    with pytest.raises(TypeError, match="neither bytes, bytearray nor a memoryview of bytes"):
        agent.handle_stream(stream, data, 0)
    with pytest.raises(TypeError, match="neither bytes, bytearray nor a memoryview of bytes"):
        agent.send_to_peer(id, SERVER, data, 0)
    if data is not None:
        with pytest.raises(TypeError):
            Agent(0, seed=data)


def test_addresses_are_tuples_with_text_or_ipaddress() -> None:
    four: list[AddressLike] = [SERVER, (IPv4Address("192.0.2.1"), 3478), ("192.0.2.1", 3478, 0, 0)]
    six: list[AddressLike] = [V6, ("2001:db8::1", 3478), (IPv6Address("2001:db8::1"), 3478), ("2001:DB8:0::1", 3478)]
    for addresses, local in ((four, CLIENT), (six, ("::", 0))):
        given = [started(BindingConfig(address, local=local))[2].remote for address in addresses]
        assert given == [given[0]] * len(given)
        assert {Path(address) for address in addresses} == {Path(addresses[0])}
    assert given[0] == V6


def test_the_scope_of_an_address_survives() -> None:
    scoped: Address = ("fe80::1", 3478, 0, 3)
    agent, _, request = started(BindingConfig(scoped))
    assert request.remote == scoped
    assert agent.handle_input(mapped(request.data), scoped, 0) is True
    assert event(agent, events.Mapped).address == MAPPED
    for address in (("fe80::1%3", 3478), (IPv6Address("fe80::1%3"), 3478), ("fe80::1", 3478, 9, 3)):
        assert Path(address).remote == scoped
    with pytest.raises(ValueError, match="resolve names before"):
        Path(("fe80::1%eth0", 3478))
    with pytest.raises(ValueError, match="an IPv4 address has no scope"):
        Path(("192.0.2.1", 3478, 0, 3))


def test_an_answer_may_be_given_with_the_address_alone() -> None:
    agent, _, request = started(BindingConfig(SERVER))
    assert request.local == ("0.0.0.0", 0)
    assert agent.handle_input(mapped(request.data), SERVER, 0) is True
    assert event(agent, events.Mapped).address == MAPPED


def test_the_two_bits_of_ecn_go_in_and_come_back() -> None:
    path = Path(SERVER, ecn=3, socket_id=2**32 - 1)
    assert (path.ecn, path.socket_id) == (3, 2**32 - 1)
    with pytest.raises(ValueError, match="two ECN bits"):
        Path(SERVER, ecn=4)


def test_a_transmit_can_be_taken_apart() -> None:
    _, _, request = started()
    match request:
        case Transmit(data, remote):
            assert (data, remote) == (request.data, SERVER)
    assert (request.path, request.ecn) == (PATH, 0)
    assert repr(request) == "Transmit(28 bytes to ('192.0.2.1', 3478))"
    assert eval(repr(PATH), {"Path": Path}) == PATH


# Sharing a socket ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"\x00", b"hello", bytes(20), b"\x80" * 40, b"\x16\xfe\xfd" + bytes(40)])
def test_what_is_somebody_elses_is_false(data: bytes) -> None:
    agent, _, _ = started()
    before = (agent.poll_timeout(), agent.dropped())
    assert agent.handle_input(data, PATH, 0) is False
    assert (agent.poll_timeout(), agent.dropped(), agent.poll_transmit()) == (*before, None)


def test_an_answer_to_nobody_is_somebody_elses_or_dropped() -> None:
    agent, _, request = started()
    stranger = Path(OTHER, local=CLIENT)
    assert agent.handle_input(mapped(request.data), stranger, 0) is True
    assert agent.dropped(DropReason.WRONG_SOURCE) == agent.dropped() == 1
    assert agent.poll_event() is None
    assert agent.handle_input(mapped(request.data), PATH, 0) is True


# Failed sends --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", SendError)
def test_a_failed_send_ends_the_request_unless_it_is_transient(error: SendError) -> None:
    agent, _, request = started(ONCE)
    assert agent.handle_send_error(request, error, 0) is True
    happened = agent.poll_event()
    if error == SendError.TRANSIENT:
        assert happened is None
        assert agent.poll_timeout() == 500 * MS
        return
    assert isinstance(happened, events.Failed)
    assert (happened.failure.reason, happened.failure.detail) == (FailureReason.SEND_FAILED, error)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ECONNREFUSED, SendError.REFUSED),
        (errno.EHOSTUNREACH, SendError.NO_ROUTE),
        (errno.EPERM, SendError.PERMISSION_DENIED),
        (errno.EMSGSIZE, SendError.MESSAGE_TOO_LARGE),
        (errno.EAFNOSUPPORT, SendError.FAMILY_UNAVAILABLE),
        (errno.EBADF, SendError.SOCKET_CLOSED),
    ],
)
def test_the_exception_of_a_socket_says_why(number: int, expected: SendError) -> None:
    agent, _, request = started(ONCE)
    assert agent.handle_send_error(request, OSError(number, "as the system says"), 0) is True
    assert event(agent, events.Failed).failure.detail == expected


def test_an_exception_without_a_number_is_transient() -> None:
    for error in (OSError("something"), TimeoutError(), OSError(errno.EAGAIN, "again")):
        agent, _, request = started(ONCE)
        assert agent.handle_send_error(request, error, 0) is True
        assert agent.poll_event() is None


def test_what_icmp_quotes_is_enough_to_know_the_request() -> None:
    agent, _, request = started(ONCE)
    assert agent.handle_send_error(SERVER, "refused", 0, data=b"\x80" * 20) is False
    other = respond(request.data)[:8] + bytes(12)
    agent.handle_send_error(PATH, SendError.REFUSED, 0, data=other)
    assert agent.poll_event() is None
    assert agent.handle_send_error(PATH, SendError.REFUSED, 0, data=bytearray(request.data[:20])) is True
    assert event(agent, events.Failed).failure.detail == SendError.REFUSED


def test_a_path_alone_concerns_all_that_is_outstanding_there() -> None:
    agent = seeded()
    ids = [agent.start_binding(ONCE, 0) for _ in range(3)]
    elsewhere = agent.start_binding(replace(ONCE, server=OTHER), 0)
    agent.poll_transmits()
    assert agent.handle_send_error(PATH, SendError.REFUSED, 0) is True
    assert [happened.id for happened in agent.poll_events()] == ids
    assert elsewhere in agent


# Streams -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [1, 2, 19, 20, 21, 100])
def test_a_stream_may_be_cut_anywhere(piece: int) -> None:
    agent = seeded()
    path = Path(SERVER, local=CLIENT, transport=Transport.TCP, socket_id=7)
    stream = agent.open_stream(path, 0)
    for _ in range(3):
        agent.start_binding(replace(ONCE, transport=Transport.TCP), 0)
    requests = agent.poll_transmits()
    assert {request.transport for request in requests} == {Transport.TCP}
    assert agent.poll_timeout() == 39_500 * MS
    answers = b"".join(mapped(request.data) for request in requests)
    for at in range(0, len(answers), piece):
        assert agent.handle_stream(stream, memoryview(answers)[at : at + piece], 0) == []
    assert [happened.is_last for happened in agent.poll_events()] == [True] * 3


def test_a_connection_that_breaks_is_asked_for_again() -> None:
    agent = seeded()
    path = Path(SERVER, local=CLIENT, transport=Transport.TLS, socket_id=7)
    stream = agent.open_stream(path, 0)
    id = agent.start_binding(replace(CONFIG, transport=Transport.TLS), 0)
    agent.handle_stream(stream, mapped(only(agent).data), 0)
    event(agent, events.Mapped)
    agent.close_stream(stream, 0)
    now, wanted = 0, None
    while not isinstance(wanted, events.Reconnect):
        wanted = agent.poll_event()
        if wanted is None:
            now = agent.poll_timeout() or now
            agent.handle_timeout(now)
    assert (wanted.id, wanted.server, wanted.transport) == (id, SERVER, Transport.TLS)
    another = Path(SERVER, local=("10.0.0.2", 5001), transport=Transport.TLS, socket_id=8)
    stream = agent.open_stream(another, now)
    agent.reconnected(id, another, now)
    request = only(agent)
    assert request.local == ("10.0.0.2", 5001)
    agent.handle_stream(stream, mapped(request.data), now)
    assert isinstance(agent.poll_event(), (events.Refreshed, events.Mapped))


# Redirections, networks, power ---------------------------------------------------------------------------------------


def redirected(request: Transmit, to: Address = OTHER) -> bytes:
    return respond(request.data, lambda answer: answer.add_address(ALTERNATE_SERVER, to), error=300)


@pytest.mark.parametrize("accept", [True, False])
def test_the_host_may_be_asked_about_a_redirection(accept: bool) -> None:
    agent, id, request = started(replace(ONCE, redirects=RedirectPolicy.ASK))
    agent.handle_input(redirected(request), PATH, 0)
    assert event(agent, events.Redirected) == events.Redirected(
        id=id, server=OTHER, previous=SERVER, awaits_answer=True
    )
    assert agent.poll_transmit() is None
    agent.answer_redirect(id, accept, 0)
    if accept:
        assert only(agent).remote == OTHER
        assert agent.alternate_domain(id) is None
        return
    failure = event(agent, events.Failed).failure
    assert (failure.reason, failure.detail) == (FailureReason.REDIRECTED, RedirectRefusal.DECLINED)


def test_a_redirection_in_a_circle_is_not_followed() -> None:
    agent, _, request = started(ONCE)
    agent.handle_input(redirected(request), PATH, 0)
    assert event(agent, events.Redirected).awaits_answer is False
    agent.handle_input(redirected(only(agent), SERVER), Path(OTHER, local=CLIENT, socket_id=7), 0)
    failure = event(agent, events.Failed).failure
    assert (failure.reason, failure.detail) == (FailureReason.REDIRECTED, RedirectRefusal.LOOP)


def test_another_network_moves_bindings_or_ends_them() -> None:
    agent, id, request = started()
    agent.handle_input(mapped(request.data), PATH, 0)
    event(agent, events.Mapped)
    agent.network_changed([IPv6Address("2001:db8::7"), "10.9.0.2"], SECOND)
    assert event(agent, events.Restarted) == events.Restarted(id=id, local=("10.9.0.2", 5000), previous=CLIENT)
    assert only(agent).local == ("10.9.0.2", 5000)
    agent.network_changed(["2001:db8::7"], SECOND)
    assert event(agent, events.Failed).failure.reason == FailureReason.NETWORK_CHANGED


def test_slack_wakes_the_host_once_for_many_refreshes() -> None:
    def wakes(slack: int) -> int:
        agent, now = seeded(), 0
        for place in range(20):
            agent.start_binding(replace(CONFIG, server=(f"192.0.2.{place + 1}", 3478)), now)
            now += 300 * MS
            agent.handle_timeout(now)
            for request in agent.poll_transmits():
                agent.handle_input(mapped(request.data), request.path, now)
        agent.set_power(max_slack_ns=slack, now_ns=now)
        count = 0
        while now < 300 * SECOND:
            now = agent.poll_timeout() or 0
            count += 1
            agent.handle_timeout(now)
            for request in agent.poll_transmits():
                agent.handle_input(mapped(request.data), request.path, now)
            agent.poll_events()
        return count

    assert wakes(10 * SECOND) * 5 < wakes(0)


def test_a_power_profile_sets_the_interval_of_all() -> None:
    agent, _, request = started()
    agent.handle_input(mapped(request.data), PATH, 0)
    agent.set_power(max_slack_ns=0, refresh_ns=100 * SECOND, now_ns=0)
    assert agent.poll_timeout() == 100 * SECOND


def test_more_than_ten_requests_at_one_server_are_paced() -> None:
    agent = seeded()
    for _ in range(13):
        agent.start_binding(ONCE, 0)
    assert len(agent.poll_transmits()) == 10
    agent = seeded()
    agent.set_pacing(20 * MS)
    for _ in range(13):
        agent.start_binding(ONCE, 0)
    first = agent.poll_transmits()
    for request in first:
        agent.handle_input(mapped(request.data), PATH, MS)
    times = []
    while (timeout := agent.poll_timeout()) is not None and timeout < 500 * MS:
        agent.handle_timeout(timeout)
        times.extend([timeout] * len(agent.poll_transmits()))
    assert len(times) == 3
    assert [later - earlier for earlier, later in zip(times, times[1:], strict=False)] == [20 * MS] * 2


def test_there_are_so_many_operations_and_no_more() -> None:
    agent = Agent(0, max_operations=2)
    ids = [agent.start_binding(CONFIG, 0) for _ in range(2)]
    with pytest.raises(LimitError, match="as many operations as it may"):
        agent.start_binding(CONFIG, 0)
    agent.cancel(ids[0], 0)
    agent.start_binding(CONFIG, 0)
    assert bool(Agent(0)), "an agent is true also while it has nothing to do"


def test_the_repr_of_an_agent_says_what_it_is_about() -> None:
    agent, _, _ = started()
    assert repr(agent) == "<libstun.Agent: 1 operations, poll_timeout 500000000>"


# Surveys and the network ---------------------------------------------------------------------------------------------


def test_a_survey_tells_each_answer_and_what_they_say_together() -> None:
    network = Network()
    for host in ("192.0.2.1", "192.0.2.2"):
        server = seeded(9)
        server.start_server(ServerConfig(), 0)
        network.add(server, [(host, 3478)])
    client = network.add(seeded(), [CLIENT], Nat("203.0.113.9", shifts=True))
    targets = [SurveyTarget((f"192.0.2.{place}", 3478), local=CLIENT) for place in (1, 2, 3)]
    id = client.agent.start_survey(SurveyConfig(targets, deadline_ns=3 * SECOND), 0)
    network.run(lambda: bool(client.of(events.Surveyed)), 4 * SECOND)
    answers = client.of(events.Answered)
    assert [(answer.target, answer.rtt_ns) for answer in answers] == [(0, 20 * MS), (1, 20 * MS)]
    assert {answer.address[0] for answer in answers} == {"203.0.113.9"}
    assert client.events[-1] == events.Surveyed(
        id=id, is_last=True, answered=2, failed=0, unanswered=1, mapping=ObservedMapping.DEPENDS_ON_ADDRESS
    )


def test_a_race_asks_the_next_one_when_the_first_is_late_or_fails() -> None:
    agent = seeded()
    targets = [SurveyTarget((f"192.0.2.{place}", 3478), local=CLIENT) for place in (1, 2, 3)]
    agent.start_survey(SurveyConfig(targets, enough=1, attempt_delay_ns=250 * MS), 0)
    first = only(agent)
    agent.handle_timeout(250 * MS)
    second = only(agent)
    assert agent.wake_reason() is not None
    agent.handle_send_error(second, SendError.NO_ROUTE, 260 * MS)
    third = only(agent)
    assert [transmit.remote[0] for transmit in (first, second, third)] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert event(agent, events.Unanswered).failure.detail == SendError.NO_ROUTE
    agent.handle_input(mapped(third.data), third.path, 300 * MS)
    assert event(agent, events.Answered).target == 2
    assert event(agent, events.Surveyed).is_last


def test_a_lossy_network_is_the_same_in_every_run() -> None:
    def run() -> list[object]:
        network = Network(loses=lambda number, _source, _to: number % 3 == 0)
        server = seeded(9)
        server.start_server(ServerConfig(), 0)
        network.add(server, [SERVER])
        client = network.add(seeded(), {CLIENT: 7}, Nat("203.0.113.9"))
        client.agent.start_binding(replace(CONFIG, refresh_ns=5 * SECOND), 0)
        network.pass_time(60 * SECOND)
        assert len(client.of(events.Mapped)) == 1
        assert len(client.of(events.Refreshed)) >= 8
        return [network.sent, client.wakes, *client.events]

    assert run() == run()


def test_what_a_client_sees_is_what_the_server_wrote() -> None:
    agent, _, request = started()
    message = Message.parse(mapped(request.data, V6))
    assert message.mapped_address == V6
    found = message.find(XOR_MAPPED_ADDRESS)
    assert found is not None
    assert found.decode() == V6
    assert agent.handle_input(message.data, PATH, 0) is True
    assert event(agent, events.Mapped).address == V6
