"""From frames to packets: link layers, IP, UDP, and the frames of STUN inside TCP streams.

What cannot be read without guessing is said and skipped: fragments, segments that are missing or out of order, data
that the capture has cut off.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from .. import ParseError, Protocol, classify, frame_length
from .captures import Frame
from .keys import Bounded
from .screen import count_of

__all__ = ["Packet", "address_text", "read_packets"]

Endpoint: TypeAlias = tuple[str, int]

MAX_STREAMS = 1024
"""A stream may hold half a message of 64 KB; what was not used for longest is forgotten."""
MAX_CONVERSATIONS = 65_536
"""Pairs of addresses that are known to exchange STUN: a busy server has many, and each is small."""

MAGIC_COOKIE = b"\x21\x12\xa4\x42"

_ETHERNET, _SLL, _SLL2 = 1, 113, 276
_LOOPBACK = (0, 108)
_RAW_IP = (12, 14, 101, 228, 229)
_VLAN_TAGS = (0x8100, 0x88A8, 0x9100)
_IPV4, _IPV6 = 0x0800, 0x86DD
_TCP, _UDP = 6, 17
_EXTENSIONS = (0, 43, 60, 135)
_FRAGMENT, _AUTHENTICATION = 44, 51
_SYN = 0x02


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A datagram, or a frame of a stream, that is STUN or ChannelData, or means to be; or a note in place of one."""

    number: int
    """The capture's number of it, or of the segment that completed it."""
    time_ns: int
    transport: str
    source: Endpoint
    destination: Endpoint
    data: bytes = b""
    note: str | None = None
    """What could not be read here; then there is no data."""

    @property
    def conversation(self) -> frozenset[Endpoint]:
        """The two ends, whatever the direction."""
        return frozenset((self.source, self.destination))


@dataclass(frozen=True, slots=True)
class _Segment:
    transport: int
    source: Endpoint
    destination: Endpoint
    payload: bytes
    is_cut: bool
    sequence: int = 0
    is_start: bool = False


@dataclass(slots=True)
class _Stream:
    """One direction of a TCP connection."""

    expected: int | None = None
    is_stun: bool | None = None
    """Not known before its first bytes; then it stays."""
    buffer: bytearray = field(default_factory=bytearray)


def read_packets(frames: Iterable[Frame], say: Callable[[str], None]) -> Iterator[Packet]:
    """The STUN and ChannelData packets among the frames; `say` is told what was skipped, at the end."""
    reader = _Reader()
    for frame in frames:
        yield from reader.read(frame)
    for text in reader.skipped():
        say(text)


def address_text(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """An address for people.

    >>> address_text(("2001:db8::1", 3478))
    '[2001:db8::1]:3478'
    """
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"{host}:{address[1]}"


class _Reader:
    def __init__(self) -> None:
        self._streams: Bounded[tuple[Endpoint, Endpoint], _Stream] = Bounded(MAX_STREAMS)
        self._stun_between: Bounded[frozenset[Endpoint], bool] = Bounded(MAX_CONVERSATIONS)
        self._fragments = self._others = 0
        self._foreign_links: dict[int, int] = {}

    def read(self, frame: Frame) -> Iterator[Packet]:
        try:
            segment = self._segment(frame)
        except (struct.error, IndexError, ValueError):
            return  # shorter than its own headers
        if segment is None:
            return
        ends = (segment.source, segment.destination)
        if segment.transport == _UDP:
            if self._is_ours(segment.payload, frozenset(ends)):
                note = "the capture has cut this packet off" if segment.is_cut else None
                yield _packet(frame, "udp", ends, b"" if note else segment.payload, note)
            elif frozenset(ends) in self._stun_between:
                self._others += 1
        else:
            for data, note in self._stream(ends, segment):
                yield _packet(frame, "tcp", ends, data, note)

    def skipped(self) -> Iterator[str]:
        if self._fragments:
            yield f"{count_of(self._fragments, 'fragments')} of IP packets skipped: they are not put together"
        if self._others:
            others = count_of(self._others, "packets")
            yield f"{others} between addresses that exchange STUN, neither STUN nor ChannelData"
        for link_type, count in sorted(self._foreign_links.items()):
            yield f"{count_of(count, 'packets')} of link type {link_type} skipped: it is not known"
        for (source, destination), stream in self._streams.items():
            if stream.is_stun and stream.buffer:
                ends = f"{address_text(source)} to {address_text(destination)}"
                yield f"the stream from {ends} ends inside a message, after {len(stream.buffer)} of its bytes"

    def _is_ours(self, data: bytes, conversation: frozenset[Endpoint]) -> bool:
        """ChannelData has no cookie: it is believed between addresses that have exchanged STUN, and nowhere else."""
        if _resembles_stun(data):
            self._stun_between.put(conversation, True)
            return True
        return conversation in self._stun_between and classify(data) is Protocol.CHANNEL_DATA

    def _segment(self, frame: Frame) -> _Segment | None:
        packet = _network_layer(frame)
        if packet is None:
            self._foreign_links[frame.link_type] = self._foreign_links.get(frame.link_type, 0) + 1
            return None
        if not packet:
            return None
        version = packet[0] >> 4
        parts = _ipv4(packet) if version == 4 else _ipv6(packet) if version == 6 else None
        if parts is None:
            return None
        protocol, source, destination, payload, length = parts
        if protocol == _FRAGMENT:
            self._fragments += 1
            return None
        if protocol == _UDP:
            return _udp(source, destination, payload)
        return _tcp(source, destination, payload, length) if protocol == _TCP else None

    def _stream(self, ends: tuple[Endpoint, Endpoint], segment: _Segment) -> Iterator[tuple[bytes, str | None]]:
        if segment.is_start:
            self._streams.put(ends, _Stream(expected=(segment.sequence + 1) & 0xFFFFFFFF))
            return
        if not segment.payload:
            return
        stream = self._streams.get(ends, _Stream)
        payload = segment.payload
        ahead = 0 if stream.expected is None else _distance(stream.expected, segment.sequence)
        if ahead > 0:
            if stream.is_stun:
                yield b"", f"{count_of(ahead, 'bytes')} of the stream missing before this segment, or out of order"
            stream = _Stream()  # read on where a segment begins with a message
            self._streams.put(ends, stream)
        elif ahead < 0:
            payload = payload[-ahead:]  # sent again
        if not payload:
            return
        stream.expected = (segment.sequence + len(segment.payload)) & 0xFFFFFFFF
        yield from _read_stream(stream, payload)
        if segment.is_cut and stream.is_stun:
            yield b"", "the capture has cut this segment off"
            self._streams.put(ends, _Stream())


def _read_stream(stream: _Stream, payload: bytes) -> Iterator[tuple[bytes, str | None]]:
    """The frames that the bytes complete."""
    if stream.is_stun is False and _resembles_stun(payload):
        stream.is_stun = None  # the capture began, or went on, in the middle of something
    if stream.is_stun is not False:
        stream.buffer += payload
    if stream.is_stun is None:
        stream.is_stun = _is_stun(bytes(stream.buffer[:8]))
    while stream.is_stun and stream.buffer:
        try:
            length = frame_length(bytes(stream.buffer[:20]))
        except ParseError as error:
            yield b"", f"the stream is no STUN from here on: {error}"
            stream.is_stun = False
            break
        if length is None or len(stream.buffer) < length:
            return
        yield bytes(stream.buffer[:length]), None
        del stream.buffer[:length]
    if stream.is_stun is False:
        stream.buffer.clear()


def _is_stun(start: bytes) -> bool | None:
    """Whether a stream that starts so is STUN; `None` if more is needed to know."""
    if len(start) >= 8:
        return _resembles_stun(start)
    return None if start[0] < 0x40 else False


def _packet(frame: Frame, transport: str, ends: tuple[Endpoint, Endpoint], data: bytes, note: str | None) -> Packet:
    source, destination = ends
    return Packet(
        number=frame.number,
        time_ns=frame.time_ns,
        transport=transport,
        source=source,
        destination=destination,
        data=data,
        note=note,
    )


def _resembles_stun(data: bytes) -> bool:
    return len(data) >= 8 and data[0] < 0x40 and data[4:8] == MAGIC_COOKIE


def _distance(expected: int, sequence: int) -> int:
    """How far ahead the segment is, modulo 2^32 and with a sign."""
    return (sequence - expected + 0x80000000) % 0x100000000 - 0x80000000


def _network_layer(frame: Frame) -> bytes | None:
    """The IP packet; empty if it is another protocol, `None` if the link type is not known."""
    data, kind = frame.data, frame.link_type
    if kind in _RAW_IP:
        return data
    if kind in _LOOPBACK:
        return data[4:]  # the family has different numbers on different systems; IP's version is clear enough
    if kind == _ETHERNET:
        ether_type, offset = _u16(data, 12), 14
    elif kind == _SLL:
        ether_type, offset = _u16(data, 14), 16
    elif kind == _SLL2:
        ether_type, offset = _u16(data, 0), 20
    else:
        return None
    while ether_type in _VLAN_TAGS:
        ether_type, offset = _u16(data, offset + 2), offset + 4
    return data[offset:] if ether_type in (_IPV4, _IPV6) else b""


def _ipv4(packet: bytes) -> tuple[int, str, str, bytes, int] | None:
    """Protocol, source, destination, payload, and the length that the payload should have."""
    header_length = (packet[0] & 15) * 4
    if header_length < 20:
        return None
    total = _u16(packet, 2) or len(packet)  # 0: cut into segments by the network card later
    source, destination = str(IPv4Address(packet[12:16])), str(IPv4Address(packet[16:20]))
    protocol = _FRAGMENT if _u16(packet, 6) & 0x3FFF else packet[9]
    return protocol, source, destination, packet[header_length:total], total - header_length


def _ipv6(packet: bytes) -> tuple[int, str, str, bytes, int]:
    total = 40 + (_u16(packet, 4) or len(packet) - 40)
    source, destination = str(IPv6Address(packet[8:24])), str(IPv6Address(packet[24:40]))
    protocol, offset = packet[6], 40
    while protocol in _EXTENSIONS or protocol == _AUTHENTICATION:
        length = (packet[offset + 1] + 2) * 4 if protocol == _AUTHENTICATION else (packet[offset + 1] + 1) * 8
        protocol, offset = packet[offset], offset + length
    return protocol, source, destination, packet[offset:total], total - offset


def _udp(source: str, destination: str, packet: bytes) -> _Segment:
    from_port, to_port, length = struct.unpack(">HHH", packet[:6])
    payload = packet[8 : length or None]
    is_cut = len(payload) < length - 8
    return _Segment(_UDP, (source, from_port), (destination, to_port), payload, is_cut)


def _tcp(source: str, destination: str, packet: bytes, length: int) -> _Segment:
    from_port, to_port, sequence = struct.unpack(">HHI", packet[:8])
    header_length, flags = (packet[12] >> 4) * 4, packet[13]
    ends = (source, from_port), (destination, to_port)
    return _Segment(_TCP, *ends, packet[header_length:], len(packet) < length, sequence, bool(flags & _SYN))


def _u16(data: bytes, offset: int) -> int:
    return int(struct.unpack_from(">H", data, offset)[0])
