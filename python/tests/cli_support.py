"""What the tests of the command line share: the vectors, and captures that are made here."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import socket
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dpkt  # type: ignore[import-untyped]

VECTORS = Path(__file__).resolve().parents[2] / "tests" / "vectors"
CLIENT = ("10.0.0.1", 5000)
SERVER = ("192.0.2.1", 3478)
CLIENT6 = ("2001:db8::1", 5000)
SERVER6 = ("2001:db8::2", 3478)
REQUEST = bytes.fromhex("000100002112a442b7e7a701bc34d686fa87dfae")
ANSWER = bytes.fromhex("0101000c2112a442b7e7a701bc34d686fa87dfae0020000800013180ea12d54b")

ENVIRONMENT = {**os.environ, "PYTHONIOENCODING": "utf-8"}

Address = tuple[str, int]


def vectors(name: str) -> list[dict[str, Any]]:
    """The vectors of a file of tests/vectors."""
    content: list[dict[str, Any]] = json.loads((VECTORS / name).read_text(encoding="utf-8"))["vectors"]
    return content


def vector(name: str) -> dict[str, Any]:
    """One vector of RFC 5769, by its name."""
    return next(one for one in vectors("rfc5769.json") if one["name"] == name)


def ip(source: Address, destination: Address, protocol: int, packet: bytes) -> bytes:
    """An IP packet, its headers made by dpkt."""
    if ":" in source[0]:
        ends = [socket.inet_pton(socket.AF_INET6, host) for host, _ in (source, destination)]
        return bytes(dpkt.ip6.IP6(src=ends[0], dst=ends[1], nxt=protocol, plen=len(packet), data=packet))
    ends = [socket.inet_aton(host) for host, _ in (source, destination)]
    return bytes(dpkt.ip.IP(src=ends[0], dst=ends[1], p=protocol, len=20 + len(packet), data=packet))


def udp(source: Address, destination: Address, payload: bytes) -> bytes:
    """An IP packet with a datagram in it."""
    datagram = dpkt.udp.UDP(sport=source[1], dport=destination[1], ulen=8 + len(payload), data=payload)
    return ip(source, destination, 17, bytes(datagram))


def tcp(source: Address, destination: Address, sequence: int, payload: bytes, *, is_start: bool = False) -> bytes:
    """An IP packet with a segment in it."""
    flags = dpkt.tcp.TH_SYN if is_start else dpkt.tcp.TH_ACK
    segment = dpkt.tcp.TCP(sport=source[1], dport=destination[1], seq=sequence, flags=flags, data=payload)
    return ip(source, destination, 6, bytes(segment))


def ethernet(packet: bytes, *, vlans: Iterable[int] = ()) -> bytes:
    """A frame of Ethernet, with VLAN tags."""
    tags = b"".join(struct.pack(">HH", 0x8100, vlan) for vlan in vlans)
    return bytes(12) + tags + struct.pack(">H", 0x0800 if packet[0] >> 4 == 4 else 0x86DD) + packet


def pcap(frames: Iterable[bytes], *, link_type: int = 1, start: float = 1000.0, step: float = 0.25) -> bytes:
    """A capture that dpkt has written."""
    file = io.BytesIO()
    writer = dpkt.pcap.Writer(file, linktype=link_type)
    for number, frame in enumerate(frames):
        writer.writepkt(frame, start + number * step)
    return file.getvalue()


def pcapng_block(order: str, kind: int, body: bytes) -> bytes:
    """A block of pcapng."""
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", 12 + len(body))
    return struct.pack(f"{order}I", kind) + length + body + length


def pcapng(
    interfaces: Iterable[tuple[int, bytes]], frames: Iterable[tuple[int, int, bytes]], *, order: str = "<"
) -> bytes:
    """A capture with several interfaces (link type, options), and frames of them (interface, ticks, bytes)."""
    content = pcapng_block(order, 0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))
    for link_type, options in interfaces:
        content += pcapng_block(order, 1, struct.pack(f"{order}HHI", link_type, 0, 0) + options)
    for interface, ticks, frame in frames:
        head = struct.pack(f"{order}IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
        content += pcapng_block(order, 6, head + frame)
    return content


def read_terminal(command: list[str], **environment: str) -> str:
    """What a program prints on a terminal."""
    reader, writer = pty.openpty()
    variables = {key: value for key, value in ENVIRONMENT.items() if key != "NO_COLOR"}
    variables |= {"TERM": "xterm-256color", "COLUMNS": "80", **environment}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer, env=variables) as process:
        os.close(writer)
        output = b""
        with contextlib.suppress(OSError):  # when the other end is closed
            while part := os.read(reader, 65536):
                output += part
        os.close(reader)
        assert process.wait(120) == 0
    return output.decode()
