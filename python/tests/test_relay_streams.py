"""Relays over TCP: data of peers out of a stream, lost connections, and connections to peers (RFC 6062)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from libstun import (
    Address,
    Agent,
    AllocationConfig,
    ChannelData,
    FailureReason,
    LimitError,
    Message,
    Path,
    SendError,
    StateError,
    Transport,
    UnknownOperationError,
    events,
)
from support import (
    CONNECT,
    CONNECTION_ATTEMPT,
    CONNECTION_BIND,
    CONNECTION_ID,
    PEER,
    SECOND,
    SERVER,
    XOR_PEER_ADDRESS,
    Relays,
    TurnServer,
    indication,
    number,
    only,
)

FIRST: Address = ("10.0.0.2", 5001)
SECOND_LOCAL: Address = ("10.0.0.2", 5003)
CONFIG = AllocationConfig(SERVER, local=FIRST, socket_id=7, transport=Transport.TCP)
FOR_CONNECTIONS = replace(CONFIG, relay_transport=Transport.TCP)
RELAYED: Address = ("192.0.2.1", 49160)


def over_tcp(config: AllocationConfig, piece: int = 1) -> tuple[Relays, int, int]:
    """A relay over a stream whose bytes come in pieces, its id, and that of the stream."""
    relays = Relays(TurnServer())
    relays.piece = piece
    stream = relays.open(FIRST)
    id = relays.allocate(config)
    relays.next(events.Allocated)
    return relays, id, stream


def with_channel(relays: Relays, id: int) -> int:
    relays.agent.bind_channel(id, PEER, 0)
    relays.serve()
    channel = relays.next(events.ChannelBound).channel
    relays.skip()
    return channel


def permitted(relays: Relays, id: int) -> None:
    relays.agent.permit(id, PEER[0], relays.now)
    relays.serve()
    relays.next(events.Permitted)


@pytest.mark.parametrize("piece", [1, 3, 7, 20, 1500])
def test_a_stream_may_be_cut_anywhere(piece: int) -> None:
    relays, id, stream = over_tcp(CONFIG, piece)
    channel = with_channel(relays, id)
    frames = b"".join(ChannelData(channel, bytes(n)).to_bytes(is_stream=True) for n in range(20))
    got = []
    for at in range(0, len(frames), piece):
        got += relays.agent.handle_stream(stream, frames[at : at + piece], 0)
    assert [data.data for data in got] == [bytes(n) for n in range(20)]
    assert {(data.peer, data.relayed, data.socket_id) for data in got} == {(PEER, RELAYED, 7)}


def test_a_stream_gives_data_frame_by_frame() -> None:
    relays, id, stream = over_tcp(CONFIG)
    channel = with_channel(relays, id)
    three = [ChannelData(channel, b"hello"[:n]).to_bytes(is_stream=True) for n in (3, 4, 5)]
    rest = three[0] + three[1] + three[2][:2]
    taken, data = relays.agent.unwrap_stream(stream, rest, 0)
    assert data is not None
    assert (taken, data.data, data.peer) == (8, b"hel", PEER)
    rest = rest[taken:]
    taken, data = relays.agent.unwrap_stream(stream, rest, 0)
    assert data is not None
    assert (taken, data.data) == (8, b"hell")
    assert relays.agent.unwrap_stream(stream, rest[taken:], 0) == (2, None)
    assert relays.agent.unwrap_stream(stream, b"", 0) == (0, None)
    taken, data = relays.agent.unwrap_stream(stream, three[2][2:], 0)
    assert data is not None
    assert data.data == b"hello"


def test_data_for_a_peer_is_padded_on_a_stream() -> None:
    relays, id, _ = over_tcp(CONFIG)
    with_channel(relays, id)
    sent = relays.agent.send_to_peer(id, PEER, b"hel", 0)
    assert (sent.transport, sent.local, len(sent.data)) == (Transport.TCP, FIRST, 8)
    assert ChannelData.parse(sent.data, is_stream=True).data == b"hel"


def test_a_lost_connection_wants_another() -> None:
    relays, id, stream = over_tcp(CONFIG)
    relays.agent.close_stream(stream, 0)
    lost, retrying = relays.agent.poll_events()
    assert isinstance(lost, events.Lost)
    assert isinstance(retrying, events.Retrying)
    assert lost.failure == retrying.failure
    assert (lost.failure.reason, lost.failure.detail) == (FailureReason.SEND_FAILED, SendError.SOCKET_CLOSED)
    wanted = relays.until(events.Reconnect, retrying.at_ns)
    assert wanted == events.Reconnect(id=id, server=SERVER, local=FIRST, transport=Transport.TCP)
    assert relays.now == retrying.at_ns
    for call in (
        lambda: relays.agent.close_stream(stream, 0),
        lambda: relays.agent.handle_stream(stream, b"", 0),
        lambda: relays.agent.unwrap_stream(stream, b"", 0),
    ):
        with pytest.raises(UnknownOperationError):
            call()
    relays.open(SECOND_LOCAL)
    relays.agent.reconnected(id, Path(SERVER, local=SECOND_LOCAL, transport=Transport.TCP, socket_id=7), relays.now)
    assert relays.until(events.Allocated, 60 * SECOND).relayed == RELAYED


def test_a_server_that_has_lost_its_place_is_hung_up_on() -> None:
    relays, _, stream = over_tcp(CONFIG)
    assert relays.agent.handle_stream(stream, b"\xff" * 40, 0) == []
    closed = [event for event in relays.agent.poll_events() if isinstance(event, events.Close)]
    assert [(event.id, event.peer) for event in closed] == [(stream, SERVER)]


def test_a_connection_to_a_peer_is_handed_over() -> None:
    relays, id, _ = over_tcp(FOR_CONNECTIONS)
    agent = relays.agent
    permitted(relays, id)
    agent.connect_peer(id, PEER, 0)
    with pytest.raises(StateError, match="a connection to that peer is being made"):
        agent.connect_peer(id, PEER, 0)
    relays.serve()
    wanted = relays.next(events.OpenConnection)
    assert (wanted.connection, wanted.peer, wanted.is_incoming) == (7, PEER, False)
    assert (wanted.server, wanted.transport) == (SERVER, Transport.TCP)

    path = Path(SERVER, local=SECOND_LOCAL, transport=Transport.TCP, socket_id=7)
    with pytest.raises(UnknownOperationError, match="no such connection waits"):
        agent.connection_opened(id, 8, path, 0)
    with pytest.raises(ValueError, match="not another connection to the server"):
        agent.connection_opened(id, 7, Path(SERVER, local=SECOND_LOCAL), 0)
    stream = relays.open(SECOND_LOCAL)
    agent.connection_opened(id, 7, path, 0)
    bind = only(agent)
    request = Message.parse(bind.data)
    connection = request.find(CONNECTION_ID)
    assert (bind.path, request.method) == (path, CONNECTION_BIND)
    assert connection is not None
    assert connection.value == number(7)
    answer = relays.server.answer(bind.data)
    assert answer is not None
    assert agent.unwrap_stream(stream, answer + b"hello", 0) == (len(answer), None)
    happened = relays.next(events.ConnectionBound)
    assert (happened.connection, happened.peer, happened.server) == (7, PEER, SERVER)
    assert (happened.local, happened.transport) == (SECOND_LOCAL, Transport.TCP)
    assert agent.unwrap_stream(stream, b"hello", 0) == (0, None)
    agent.cancel(stream, 0)
    assert stream not in agent


def test_a_peer_that_connects_is_announced() -> None:
    relays, id, stream = over_tcp(FOR_CONNECTIONS)
    permitted(relays, id)
    attempt = indication(CONNECTION_ATTEMPT, (XOR_PEER_ADDRESS, PEER), (CONNECTION_ID, number(99)))
    assert relays.agent.handle_stream(stream, attempt, 0) == []
    wanted = relays.next(events.OpenConnection)
    assert (wanted.connection, wanted.is_incoming, wanted.peer) == (99, True, PEER)
    failed = relays.until(events.ConnectionFailed, 60 * SECOND)
    assert (failed.peer, failed.failure.reason) == (PEER, FailureReason.TIMEOUT)
    assert relays.now == 30 * SECOND


def test_a_connection_that_the_server_refuses_has_failed() -> None:
    relays, id, _ = over_tcp(FOR_CONNECTIONS)
    permitted(relays, id)
    relays.server.refused[CONNECT] = 447
    relays.agent.connect_peer(id, PEER, 0)
    relays.serve()
    failed = relays.next(events.ConnectionFailed)
    assert (failed.peer, failed.failure.reason, failed.failure.code) == (PEER, FailureReason.ERROR_RESPONSE, 447)


def test_datagrams_and_channels_are_not_for_connections() -> None:
    relays, id, _ = over_tcp(FOR_CONNECTIONS)
    permitted(relays, id)
    with pytest.raises(StateError, match="data for connections goes over those"):
        relays.agent.send_to_peer(id, PEER, b"hello", 0)
    with pytest.raises(StateError, match="channels are not for connections"):
        relays.agent.bind_channel(id, PEER, 0)
    with pytest.raises(ValueError, match="loopback"):
        relays.agent.connect_peer(id, ("127.0.0.1", 1), 0)


def test_streams_are_operations_of_which_there_are_so_many() -> None:
    agent = Agent(0, max_operations=2)
    path = Path(SERVER, local=FIRST, transport=Transport.TCP)
    streams = [agent.open_stream(path, 0) for _ in range(2)]
    with pytest.raises(LimitError, match="as many operations as it may"):
        agent.open_stream(path, 0)
    agent.close_stream(streams[0], 0)
    assert agent.open_stream(path, 0) not in streams
