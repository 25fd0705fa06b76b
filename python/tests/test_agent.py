"""The agent's loop: bindings, streams, failed sends, shared sockets, many servers, power and networks."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address
from itertools import pairwise

import pytest

from libstun import (
    Address,
    Agent,
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
from support import (
    ALTERNATE_SERVER,
    CLIENT,
    CONFIG,
    MAPPED,
    MS,
    ONCE,
    OTHER,
    PATH,
    SECOND,
    SERVER,
    V6,
    XOR_MAPPED_ADDRESS,
    Nat,
    Network,
    event,
    mapped,
    only,
    respond,
    seeded,
    started,
)


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
    times: list[int | None] = []
    reasons, count = set(), 1
    for _ in range(7):
        timeout = agent.poll_timeout()
        assert timeout is not None
        reasons.add(agent.wake_reason())
        times.append(timeout)
        agent.handle_timeout(timeout)
        count += len(agent.poll_transmits())
    assert times == [500 * MS, 1500 * MS, 3500 * MS, 7500 * MS, 15500 * MS, 31500 * MS, 39500 * MS]
    assert reasons == {WakeReason.RETRANSMISSION, WakeReason.TRANSACTION_TIMEOUT}
    assert count == 7
    failed = event(agent, events.Failed)
    assert (failed.id, failed.is_last, failed.failure.reason) == (id, True, FailureReason.TIMEOUT)
    assert agent.poll_timeout() is None


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
    event(agent, events.Mapped)
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
    now, wanted = 0, agent.poll_event()
    for _ in range(10):
        if isinstance(wanted, events.Reconnect):
            break
        now = agent.poll_timeout() or now
        agent.handle_timeout(now)
        wanted = agent.poll_event()
    assert isinstance(wanted, events.Reconnect)
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
        agent.poll_events()
        for _ in range(10_000):
            now = agent.poll_timeout() or 0
            if now > 300 * SECOND:
                break
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
    event(agent, events.Mapped)
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
    agent.poll_events()
    times: list[int] = []
    for _ in range(10):
        timeout = agent.poll_timeout() or 0
        if timeout >= 500 * MS:
            break
        agent.handle_timeout(timeout)
        times.extend([timeout] * len(agent.poll_transmits()))
    assert len(times) == 3
    assert [later - earlier for earlier, later in pairwise(times)] == [20 * MS] * 2


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
        network = Network(loses=lambda number, _source, _to: number % 7 == 0)
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
