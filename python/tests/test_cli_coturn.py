"""`libstun decode` and `trace` of what a real server says: exchanges with coturn, recorded as the client has them."""

from __future__ import annotations

import io
import json
import select
import socket
import time
from pathlib import Path
from typing import Any, Self, TypeVar

import dpkt  # type: ignore[import-untyped]
import pytest

import libstun
from aio_support import LONG_TERM, SAFETY, coturn, needs_coturn
from cli_support import tcp, udp
from libstun import Agent, AllocationConfig, LongTerm, PeerData, PeerPolicy, Transport, events
from libstun.cli import main

pytestmark = needs_coturn
PEER = "127.0.0.9"
E = TypeVar("E", bound=events.Event)


class Recording:
    """An agent with one socket, and the capture of what passes it."""

    def __init__(self, server: tuple[str, int], transport: Transport) -> None:
        self._is_stream = transport == Transport.TCP
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM if self._is_stream else socket.SOCK_DGRAM)
        self._socket.settimeout(SAFETY)
        self._socket.connect(server)
        self._ends = (self._socket.getsockname(), server)
        self.path = libstun.Path(server, local=self._ends[0], transport=transport)
        self._frames: list[tuple[float, bytes]] = []
        self._sequences = [0, 0]
        self.agent = Agent(self.now)
        self._stream = self.agent.open_stream(self.path, self.now) if self._is_stream else None
        self._data: list[PeerData] = []

    @property
    def now(self) -> int:
        return time.monotonic_ns()

    def until(self, wanted: type[E]) -> E:
        """Goes on until that event."""
        end = time.monotonic() + SAFETY
        while time.monotonic() < end:
            for event in self.agent.poll_events():
                assert not isinstance(event, events.Failed), event
                if isinstance(event, wanted):
                    return event
            self._step()
        raise AssertionError(f"no {wanted.__name__}")

    def received(self) -> PeerData:
        """Goes on until a peer's data comes."""
        end = time.monotonic() + SAFETY
        while not self._data and time.monotonic() < end:
            self._step()
        return self._data.pop(0)

    def send(self, data: bytes) -> None:
        self._record(0, data)
        self._socket.sendall(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def capture(self) -> bytes:
        """What has passed so far."""
        file = io.BytesIO()
        writer = dpkt.pcap.Writer(file, linktype=101)
        for at, frame in self._frames:
            writer.writepkt(frame, at)
        return file.getvalue()

    def _step(self) -> None:
        for transmit in self.agent.poll_transmits():
            self.send(transmit.data)
        if select.select([self._socket], [], [], 0.02)[0]:
            data = self._socket.recv(65536)
            assert data
            self._record(1, data)
            if self._stream is not None:
                self._data += self.agent.handle_stream(self._stream, data, self.now)
            elif isinstance(found := self.agent.handle_input(data, self.path, self.now), PeerData):
                self._data.append(found)
        self.agent.handle_timeout(self.now)

    def _record(self, sender: int, data: bytes) -> None:
        source, destination = self._ends[sender], self._ends[1 - sender]
        if self._is_stream:
            frame = tcp(source, destination, self._sequences[sender], data)
            self._sequences[sender] += len(data)
        else:
            frame = udp(source, destination, data)
        self._frames.append((time.time(), frame))


def exchange(server: tuple[str, int], transport: Transport) -> bytes:
    """An allocation, data of a peer in indications and on a channel, and the end; as a capture."""
    with Recording(server, transport) as recording:
        agent = recording.agent
        config = AllocationConfig(
            server,
            local=recording.path.local,
            transport=transport,
            credentials=LongTerm("alice", "s3cret"),
            peer_policy=PeerPolicy.LOOPBACK,
        )
        id = agent.start_allocation(config, recording.now)
        recording.until(events.Allocated)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.settimeout(SAFETY)
            peer.bind((PEER, 0))
            agent.permit(id, PEER, recording.now)
            recording.until(events.Permitted)
            for word in (b"an indication", b"a channel"):
                recording.send(agent.send_to_peer(id, peer.getsockname(), word, recording.now).data)
                data, relayed = peer.recvfrom(100)
                assert data == word
                peer.sendto(word + b", back", relayed)
                assert recording.received().data == word + b", back"
                if word == b"an indication":
                    agent.bind_channel(id, peer.getsockname(), recording.now)
                    recording.until(events.ChannelBound)
        agent.close_relay(id, recording.now)
        recording.until(events.Closed)
        return recording.capture()


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_all_that_coturn_says_is_known_and_validly_signed(
    transport: Transport, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with coturn(tmp_path, *LONG_TERM, "allow-loopback-peers") as port:
        content = exchange(("127.0.0.1", port), transport)
    file = tmp_path / "call.pcap"
    file.write_bytes(content)
    assert main(["decode", "--json", "--password", "s3cret", str(file)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    messages: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    assert not any("error" in message or "note" in message for message in messages)
    assert {message["transport"] for message in messages} == {str(transport)}
    kinds = [f"{message['method']} {message['class']}" for message in messages if "method" in message]
    assert kinds[:2] == ["Allocate request", "Allocate error-response"], "the challenge"
    for kind in (
        "Allocate success-response",
        "CreatePermission success-response",
        "ChannelBind success-response",
        "Refresh success-response",
    ):
        assert kind in kinds
    assert (kinds.count("Send indication"), kinds.count("Data indication")) == (1, 1)
    channel = [bytes.fromhex(message["payload"]["hex"]) for message in messages if "channel" in message]
    assert channel == [b"a channel", b"a channel, back"]
    assert len(kinds) + len(channel) == len(messages)
    attributes = [attribute for message in messages for attribute in message.get("attributes", ())]
    assert all(attribute["name"] and "error" not in attribute for attribute in attributes)
    checks = {attribute["name"]: set[str]() for attribute in attributes if "check" in attribute}
    for attribute in attributes:
        if attribute["name"] in checks:
            checks[attribute["name"]].add(attribute["check"])
    assert "FINGERPRINT" in checks
    assert set(checks) & {"MESSAGE-INTEGRITY", "MESSAGE-INTEGRITY-SHA256"}
    assert all(found == {"valid"} for found in checks.values())
    signed = [
        message for message in messages if any("INTEGRITY" in one["name"] for one in message.get("attributes", ()))
    ]
    assert len(signed) >= 8, "four requests with their answers"
    assert main(["decode", "--json", "--password", "wrong", str(file)]) == 1
    assert '"check": "invalid"' in capsys.readouterr().out
    assert main(["trace", "--password", "s3cret", str(file)]) == 0
    drawn = capsys.readouterr().out
    assert "MESSAGE-INTEGRITY" in drawn and " valid" in drawn and "invalid" not in drawn
    assert "client" in drawn.splitlines()[0]
