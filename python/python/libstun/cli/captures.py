"""Packet captures: the files (pcap and pcapng), as frames with their link type and time.

Written here, and not left to a library, for three things that captures of today need: several interfaces with link
types and clocks of their own in one pcapng file, times in whole nanoseconds, damaged files read up to the damage.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from .screen import CommandError

__all__ = ["Frame", "is_capture", "read_frames"]

MAX_BLOCK = 16 << 20
"""No packet is longer: a length above this is damage, and not worth the memory."""

_PCAP_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
"""The byte order, and how many nanoseconds the fraction of the time counts."""
_SECTION = 0x0A0D0D0A
_SECTION_BYTES = b"\x0a\x0d\x0d\x0a"
_INTERFACE, _PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET = 1, 2, 3, 6
_TIME_RESOLUTION, _TIME_OFFSET = 9, 14


@dataclass(frozen=True, slots=True)
class Frame:
    """One packet as the capture has it."""

    number: int
    """From 1, as other programs count."""
    time_ns: int
    """Since 1970; 0 where the capture does not say."""
    link_type: int
    """LINKTYPE_ of tcpdump.org's list."""
    data: bytes


@dataclass(slots=True)
class _Interface:
    link_type: int
    snap_length: int
    resolution: tuple[int, int] = (1000, 1)
    """The nanoseconds of a tick as a fraction; a microsecond unless the interface says otherwise."""
    offset_s: int = 0

    def time_ns(self, ticks: int) -> int:
        numerator, denominator = self.resolution
        return self.offset_s * 1_000_000_000 + ticks * numerator // denominator


@dataclass(slots=True)
class _Section:
    order: str
    interfaces: list[_Interface] = field(default_factory=list)


def is_capture(start: bytes) -> bool:
    """Whether a file that starts so (four bytes are enough) is a capture."""
    return start[:4] in _PCAP_MAGIC or start[:4] == _SECTION_BYTES


def read_frames(file: BinaryIO, say: Callable[[str], None]) -> Iterator[Frame]:
    """The frames of a capture in their order. Where the file is damaged it ends, and `say` is told why."""
    magic = file.read(4)
    if magic in _PCAP_MAGIC:
        yield from _read_pcap(file, say, *_PCAP_MAGIC[magic])
    elif magic == _SECTION_BYTES:
        yield from _read_pcapng(file, say)
    else:
        raise CommandError("neither pcap nor pcapng")


def _read_pcap(file: BinaryIO, say: Callable[[str], None], order: str, scale: int) -> Iterator[Frame]:
    header = file.read(20)
    if len(header) < 20:
        raise CommandError("the capture ends inside its header")
    link_type = struct.unpack(f"{order}I", header[16:20])[0] & 0xFFFF  # above are flags about checksums
    number = 0
    while head := file.read(16):
        number += 1
        if len(head) < 16:
            return say(f"the capture ends inside packet {number}")
        seconds, fraction, length, _ = struct.unpack(f"{order}IIII", head)
        if length > MAX_BLOCK:
            return say(f"the capture is damaged: packet {number} would be {length} bytes long")
        data = file.read(length)
        if len(data) < length:
            return say(f"the capture ends inside packet {number}")
        yield Frame(number, seconds * 1_000_000_000 + fraction * scale, link_type, data)


def _read_pcapng(file: BinaryIO, say: Callable[[str], None]) -> Iterator[Frame]:
    section, kind, number = _Section("<"), _SECTION_BYTES, 0
    while kind:
        order = section.order
        length_bytes = file.read(4)
        if kind == _SECTION_BYTES:
            mark = file.read(4)
            order = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}.get(mark, "")
            if not order:
                return say("the capture is damaged: a section without a byte order")
            section = _Section(order)
        body = _block_body(file, say, order, length_bytes, 4 if kind == _SECTION_BYTES else 0)
        if body is None:
            return
        try:
            frame = _block(section, struct.unpack(f"{order}I", kind)[0], body, number + 1)
        except (struct.error, IndexError, ValueError):
            return say(f"the capture is damaged after packet {number}")
        if frame is not None:
            number += 1
            yield frame
        kind = file.read(4)
        if 0 < len(kind) < 4:
            return say(f"the capture ends inside a block after packet {number}")


def _block_body(
    file: BinaryIO, say: Callable[[str], None], order: str, length_bytes: bytes, consumed: int
) -> bytes | None:
    """What lies between the two lengths of a block."""
    length = struct.unpack(f"{order}I", length_bytes)[0] if len(length_bytes) == 4 else 0
    if length < 12 + consumed or length % 4 or length > MAX_BLOCK:
        say(
            "the capture is damaged: a block of an impossible length" if length_bytes else "the capture ends in a block"
        )
        return None
    body = file.read(length - 12 - consumed)
    if len(body) < length - 12 - consumed or len(file.read(4)) < 4:
        say("the capture ends inside a block")
        return None
    return body


def _block(section: _Section, kind: int, body: bytes, number: int) -> Frame | None:
    order = section.order
    if kind == _INTERFACE:
        link_type, _, snap_length = struct.unpack(f"{order}HHI", body[:8])
        section.interfaces.append(_with_options(_Interface(link_type, snap_length), order, body[8:]))
        return None
    if kind == _SIMPLE_PACKET:
        interface = section.interfaces[0]
        original = struct.unpack(f"{order}I", body[:4])[0]
        return Frame(number, 0, interface.link_type, body[4 : 4 + min(original, interface.snap_length or original)])
    if kind == _ENHANCED_PACKET:
        index, high, low, length = struct.unpack(f"{order}IIII", body[:16])
    elif kind == _PACKET:
        index, _, high, low, length = struct.unpack(f"{order}HHIII", body[:16])
    else:
        return None
    if length > len(body) - 20:
        raise ValueError("a packet longer than its block")
    interface = section.interfaces[index]
    return Frame(number, interface.time_ns(high << 32 | low), interface.link_type, body[20 : 20 + length])


def _with_options(interface: _Interface, order: str, options: bytes) -> _Interface:
    while len(options) >= 4:
        code, length = struct.unpack(f"{order}HH", options[:4])
        value = options[4 : 4 + length]
        if code == _TIME_RESOLUTION and len(value) == 1:
            exponent = value[0] & 0x7F
            interface.resolution = (1_000_000_000, (2 if value[0] & 0x80 else 10) ** exponent)
        elif code == _TIME_OFFSET and len(value) == 8:
            interface.offset_s = struct.unpack(f"{order}q", value)[0]
        elif code == 0:
            break
        options = options[4 + length + -length % 4 :]
    return interface
