"""What an agent takes: bytes and addresses of every kind, datagrams of others on its socket, failed sends."""

from __future__ import annotations

import array
import copy
import errno
import pickle
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from libstun import (
    Address,
    AddressLike,
    Agent,
    BindingConfig,
    DropReason,
    FailureReason,
    Path,
    PeerData,
    SendError,
    Transmit,
    Transport,
    events,
)
from support import (
    CLIENT,
    MAPPED,
    MS,
    ONCE,
    OTHER,
    PATH,
    SERVER,
    V6,
    event,
    mapped,
    respond,
    seeded,
    started,
)

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
    assert agent.handle_send_error(SERVER, SendError.REFUSED, 0, data=b"\x80" * 20) is False
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


# Values --------------------------------------------------------------------------------------------------------------


def test_paths_transmits_and_data_of_peers_are_values() -> None:
    scoped = Path(("fe80::1", 3478, 0, 3), local=("::", 9), transport=Transport.TLS, socket_id=2**32 - 1, ecn=2)
    request = started()[2]
    received = PeerData(b"hello", Path(OTHER, local=SERVER, socket_id=3))
    for value in (PATH, scoped, request, received, Transmit(b"", SERVER)):
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            assert pickle.loads(pickle.dumps(value, protocol)) == value
        again = copy.deepcopy(value)
        assert (again, hash(again), repr(again)) == (value, hash(value), repr(value))
        assert copy.copy(value) == value
        assert value != object()
        with pytest.raises(AttributeError):
            value.data = b""  # type: ignore[misc, union-attr]
    assert request != Transmit(request.data, Path(SERVER, local=CLIENT, socket_id=8))
    assert request == Transmit(request.data, PATH)
    assert len({PATH, Path(SERVER, local=CLIENT, socket_id=7), scoped}) == 2
    assert (received.data, received.peer, received.relayed, received.socket_id) == (b"hello", OTHER, SERVER, 3)


def test_a_transmit_that_was_pickled_still_says_what_failed() -> None:
    agent, _, request = started(ONCE)
    again = pickle.loads(pickle.dumps(request))
    assert agent.handle_send_error(again, SendError.REFUSED, 0) is True
    assert event(agent, events.Failed).failure.detail == SendError.REFUSED
