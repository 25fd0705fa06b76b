"""`libstun decode` of captures: formats, link types, IP, streams, and everything that may be wrong with them."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli_support import (
    ANSWER,
    CLIENT,
    CLIENT6,
    REQUEST,
    SERVER,
    SERVER6,
    ethernet,
    ip,
    pcap,
    pcapng,
    pcapng_block,
    tcp,
    udp,
)
from libstun import ChannelData, Integrity, Key, MessageBuilder, MessageClass, attribute_type
from libstun.cli import main
from libstun.cli.captures import Frame, read_frames
from libstun.cli.packets import MAX_STREAMS, _Reader, read_packets

EXCHANGE = [udp(CLIENT, SERVER, REQUEST), udp(SERVER, CLIENT, ANSWER)]
EXCHANGE6 = [udp(CLIENT6, SERVER6, REQUEST), udp(SERVER6, CLIENT6, ANSWER)]


class Shown:
    """What `decode --json` has printed about a capture."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], content: bytes, *options: str) -> None:
        file = folder / "capture"
        file.write_bytes(content)
        self.code = main(["decode", "--json", *options, str(file)])
        out, err = capsys.readouterr()
        self.lines: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
        self.said = err.splitlines()

    @property
    def classes(self) -> list[str | None]:
        return [line.get("class") for line in self.lines]

    @property
    def notes(self) -> list[str]:
        return [line["note"] for line in self.lines if "note" in line]


@pytest.fixture
def show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda content, *options: Shown(tmp_path, capsys, content, *options)


def cooked(packet: bytes) -> bytes:
    return struct.pack(">HHH8sH", 0, 1, 6, bytes(8), 0x0800 if packet[0] >> 4 == 4 else 0x86DD) + packet


def cooked2(packet: bytes) -> bytes:
    return struct.pack(">HHIHBB8s", 0x0800 if packet[0] >> 4 == 4 else 0x86DD, 0, 1, 1, 0, 6, bytes(8)) + packet


@pytest.mark.parametrize("packets", [EXCHANGE, EXCHANGE6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize(
    ("link_type", "frame"),
    [
        (1, ethernet),
        (1, lambda packet: ethernet(packet, vlans=[7])),
        (1, lambda packet: ethernet(packet, vlans=[7, 8])),
        (113, cooked),
        (276, cooked2),
        (0, lambda packet: struct.pack("<I", 2) + packet),
        (108, lambda packet: struct.pack(">I", 2) + packet),
        (101, bytes),
        (12, bytes),
    ],
    ids=["ethernet", "vlan", "two vlans", "cooked", "cooked2", "null", "loop", "raw", "raw12"],
)
def test_every_link_type_and_family_is_read(link_type: int, frame: Any, packets: list[bytes], show: Any) -> None:
    shown = show(pcap([frame(packet) for packet in packets], link_type=link_type))
    assert shown.code == 0
    assert shown.said == []
    assert shown.classes == ["request", "success-response"]
    assert [line["number"] for line in shown.lines] == [1, 2]
    assert shown.lines[1]["time_ns"] - shown.lines[0]["time_ns"] == 250_000_000
    source = "[2001:db8::1]:5000" if packets is EXCHANGE6 else "10.0.0.1:5000"
    assert (shown.lines[0]["source"], shown.lines[0]["transport"]) == (source, "udp")


def test_the_lines_of_a_capture_are_these(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "capture.pcap"
    file.write_bytes(pcap(map(ethernet, EXCHANGE)))
    assert main(["decode", str(file)]) == 0
    assert capsys.readouterr() == (LINES, "")


@pytest.mark.parametrize("order", ["<", ">"])
def test_interfaces_of_a_pcapng_have_their_own_link_types_and_clocks(order: str, show: Any) -> None:
    nanoseconds = struct.pack(f"{order}HHB3x", 9, 1, 9)
    offset = struct.pack(f"{order}HHq", 14, 8, 1000)
    binary = struct.pack(f"{order}HHB3x", 9, 1, 0x80 | 10)
    interfaces = [(1, b""), (101, nanoseconds + offset), (113, binary)]
    frames = [
        (0, 5_000_001, ethernet(EXCHANGE[0])),
        (1, 6_000_000_001, EXCHANGE[1]),
        (2, 3 * 1024, cooked(EXCHANGE[0])),
    ]
    shown = show(pcapng(interfaces, frames, order=order))
    assert shown.said == []
    assert [line["time_ns"] for line in shown.lines] == [5_000_001_000, 1_006_000_000_001, 3_000_000_000]
    assert shown.classes == ["request", "success-response", "request"]


def test_simple_and_old_packet_blocks_and_new_sections_are_read(show: Any) -> None:
    frame = ethernet(EXCHANGE[0])
    simple = pcapng_block("<", 3, struct.pack("<I", len(frame)) + frame)
    old = pcapng_block("<", 2, struct.pack("<HHIIII", 0, 0, 0, 7, len(frame), len(frame)) + frame)
    unknown = pcapng_block("<", 0x0BAD, b"1234")
    shown = show(
        pcapng([(1, b"")], []) + simple + unknown + old + pcapng([(101, b"")], [(0, 1, EXCHANGE[1])], order=">")
    )
    assert shown.said == []
    assert [line["number"] for line in shown.lines] == [1, 2, 3]
    assert shown.classes == ["request", "request", "success-response"]


@pytest.mark.parametrize(
    ("magic", "order", "scale"),
    [(0xA1B2C3D4, "<", 1000), (0xA1B2C3D4, ">", 1000), (0xA1B23C4D, "<", 1), (0xA1B23C4D, ">", 1)],
)
def test_pcap_has_two_byte_orders_and_two_clocks(magic: int, order: str, scale: int, show: Any) -> None:
    content = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, 101)
    content += struct.pack(f"{order}IIII", 1, 5, len(EXCHANGE[0]), len(EXCHANGE[0])) + EXCHANGE[0]
    shown = show(content)
    assert [line["time_ns"] for line in shown.lines] == [1_000_000_000 + 5 * scale]


def test_a_long_term_credential_is_checked_with_the_realm_of_the_challenge(show: Any) -> None:
    key = Key.long_term_md5("alice", "example.org", "s3cret")
    challenge = MessageBuilder(MessageClass.ERROR_RESPONSE, 1, bytes(12)).add_error(401)
    challenge.add(attribute_type("REALM"), "example.org").add(attribute_type("NONCE"), "n")
    request = MessageBuilder(MessageClass.REQUEST, 1, bytes(12)).add(attribute_type("USERNAME"), "alice")
    answer = MessageBuilder(MessageClass.SUCCESS_RESPONSE, 1, bytes(12)).add_address(0x20, CLIENT)
    packets = [
        udp(SERVER, CLIENT, bytes(challenge)),
        udp(CLIENT, SERVER, bytes(request.sign(Integrity.SHA1, key))),
        udp(SERVER, CLIENT, bytes(answer.sign(Integrity.SHA1, key))),
    ]
    shown = show(pcap(packets, link_type=101), "--password", "s3cret")
    signatures = [line["attributes"][-1] for line in shown.lines[1:]]
    assert [(one["check"], one["credential"]) for one in signatures] == [("valid", "long-term, MD5")] * 2


def test_channel_data_is_found_where_stun_was_and_nowhere_else(show: Any) -> None:
    frame = ChannelData(0x4001, b"\x80\x60" + bytes(20)).to_bytes()
    other = ("192.0.2.9", 443)
    packets = [udp(CLIENT, other, frame), *EXCHANGE, udp(SERVER, CLIENT, frame), udp(SERVER, CLIENT, b"hello")]
    shown = show(pcap(packets, link_type=101))
    assert [line["number"] for line in shown.lines] == [2, 3, 4]
    assert (shown.lines[2]["channel"], shown.lines[2]["payload"]["protocol"]) == (0x4001, "rtp")
    assert shown.said == ["libstun: 1 packet between addresses that exchange STUN, neither STUN nor ChannelData"]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ("10.0.0.1:5000", [1, 2]),
        ("10.0.0.1", [1, 2]),
        ("2001:db8::2", [3, 4]),
        ("[2001:db8::2]:3478", [3, 4]),
        ("b7e7a7", [1, 2, 3, 4]),
        ("0xB7E7A701BC34D686FA87DFAE", [1, 2, 3, 4]),
    ],
)
def test_a_filter_takes_an_address_or_a_transaction(wanted: str, numbers: list[int], show: Any) -> None:
    shown = show(pcap(EXCHANGE + EXCHANGE6, link_type=101), "--filter", wanted)
    assert [line["number"] for line in shown.lines] == numbers


def test_a_filter_that_matches_nothing_is_said(show: Any) -> None:
    shown = show(pcap(EXCHANGE, link_type=101), "--filter", "192.0.2.77")
    assert shown.code == 1
    assert "nothing matches 192.0.2.77" in shown.said[0]


def test_a_capture_without_stun_is_exit_code_1(show: Any) -> None:
    shown = show(pcap([udp(CLIENT, SERVER, b"hello")], link_type=101))
    assert (shown.code, shown.lines) == (1, [])
    assert "no STUN in it" in shown.said[0]


def test_a_message_that_is_damaged_is_shown_and_the_next_too(show: Any) -> None:
    damaged = REQUEST[:2] + b"\x00\x09" + REQUEST[4:] + b"\x80\x22\x00\x04abcdX"
    shown = show(pcap([udp(CLIENT, SERVER, damaged), *EXCHANGE], link_type=101))
    assert shown.code == 1
    assert shown.lines[0]["error"] == "the message length is not a multiple of four"
    assert shown.lines[0]["attributes"][0]["value"] == "abcd"
    assert shown.classes[1:] == ["request", "success-response"]


def test_segments_are_put_together_in_order(show: Any) -> None:
    stream = ANSWER + ChannelData(0x4000, b"abcde").to_bytes(is_stream=True) + ANSWER
    cuts = [0, 3, 21, 40, 41, len(stream)]
    packets = [tcp(SERVER, CLIENT, 99, b"", is_start=True)]
    packets += [tcp(SERVER, CLIENT, 100 + a, stream[a:b]) for a, b in pairwise(cuts)]
    shown = show(pcap(map(ethernet, packets)))
    assert (shown.notes, shown.said) == ([], [])
    assert [line.get("class", "channel") for line in shown.lines] == ["success-response", "channel", "success-response"]
    assert [line["number"] for line in shown.lines] == [4, 6, 6]
    assert {line["transport"] for line in shown.lines} == {"tcp"}


def test_streams_and_conversations_that_are_made_up_are_forgotten() -> None:
    reader = _Reader()
    for number in range(2 * MAX_STREAMS):
        source = (f"10.1.{number >> 8}.{number & 255}", 5000)
        assert not list(reader.read(Frame(number, 0, 101, tcp(source, SERVER, 0, REQUEST[:10]))))
    assert len(reader._streams) == MAX_STREAMS
    # The last is still known, the first is not: what follows there looks like the middle of something.
    assert len(list(reader.read(Frame(1, 0, 101, tcp(source, SERVER, 10, REQUEST[10:]))))) == 1
    assert not list(reader.read(Frame(1, 0, 101, tcp(("10.1.0.0", 5000), SERVER, 10, REQUEST[10:]))))


def test_sequence_numbers_wrap(show: Any) -> None:
    packets = [tcp(CLIENT, SERVER, 0xFFFFFFFE - 1, b"", is_start=True)]
    packets += [tcp(CLIENT, SERVER, 0xFFFFFFFE, REQUEST[:10]), tcp(CLIENT, SERVER, 8, REQUEST[10:])]
    assert show(pcap(packets, link_type=101)).classes == ["request"]


def test_a_segment_that_comes_twice_counts_once(show: Any) -> None:
    packets = [tcp(CLIENT, SERVER, 0, REQUEST[:12]), tcp(CLIENT, SERVER, 0, REQUEST[:12])]
    packets += [tcp(CLIENT, SERVER, 4, REQUEST[4:])]
    shown = show(pcap(packets, link_type=101))
    assert (shown.classes, shown.notes) == (["request"], [])


def test_a_gap_is_said_and_reading_goes_on_at_the_next_message(show: Any) -> None:
    packets = [tcp(CLIENT, SERVER, 0, REQUEST[:12]), tcp(CLIENT, SERVER, 20, REQUEST), tcp(CLIENT, SERVER, 40, REQUEST)]
    shown = show(pcap(packets, link_type=101))
    assert shown.notes == ["8 bytes of the stream missing before this segment, or out of order"]
    assert shown.classes == [None, "request", "request"]


def test_a_stream_that_ends_inside_a_message_is_said(show: Any) -> None:
    shown = show(pcap([tcp(CLIENT, SERVER, 0, REQUEST + REQUEST[:12])], link_type=101))
    assert shown.classes == ["request"]
    assert "ends inside a message, after 12 of its bytes" in shown.said[0]


def test_a_stream_of_another_protocol_is_passed_over(show: Any) -> None:
    packets = [tcp(CLIENT, SERVER, 0, b"GET / HTTP/1.1\r\n"), tcp(CLIENT, SERVER, 16, b"\x16\x03\x01" * 20), *EXCHANGE]
    shown = show(pcap(packets, link_type=101))
    assert [line["number"] for line in shown.lines] == [3, 4]


def test_a_stream_that_stops_being_stun_is_said(show: Any) -> None:
    shown = show(pcap([tcp(CLIENT, SERVER, 0, REQUEST + b"\xff" * 30)], link_type=101))
    assert shown.classes == ["request", None]
    assert shown.notes[0].startswith("the stream is no STUN from here on: ")


def test_fragments_are_counted_and_not_put_together(show: Any) -> None:
    fragment = bytearray(EXCHANGE[0])
    fragment[6:8] = b"\x20\x00"
    shown = show(pcap([bytes(fragment), EXCHANGE[1]], link_type=101))
    assert shown.classes == ["success-response"]
    assert "1 fragment of IP packets skipped" in shown.said[0]


def test_extension_headers_of_ipv6_are_stepped_over(show: Any) -> None:
    datagram = EXCHANGE6[0][40:]
    options = bytes([60, 0, 1, 4, 0, 0, 0, 0]) + bytes([17, 1]) + bytes(14) + datagram
    shown = show(pcap([ip(CLIENT6, SERVER6, 0, options)], link_type=101))
    assert shown.classes == ["request"]


def test_a_packet_that_the_capture_has_cut_off_is_said(show: Any) -> None:
    shown = show(pcap([udp(SERVER, CLIENT, ANSWER)[:-4], *EXCHANGE], link_type=101))
    assert shown.notes == ["the capture has cut this packet off"]
    assert shown.classes == [None, "request", "success-response"]


def test_padding_of_short_frames_is_no_payload(show: Any) -> None:
    shown = show(pcap([ethernet(EXCHANGE[0]) + bytes(30)]))
    assert shown.lines[0]["length"] == 20


def test_a_link_type_that_is_not_known_is_said(show: Any) -> None:
    shown = show(pcap(EXCHANGE, link_type=147))
    assert shown.code == 1
    assert "2 packets of link type 147 skipped" in shown.said[0]


@pytest.mark.parametrize(
    "whole", [pcap(EXCHANGE, link_type=101), pcapng([(101, b"")], [(0, 1, one) for one in EXCHANGE])]
)
def test_a_capture_that_is_cut_off_anywhere_is_read_up_to_there(whole: bytes, show: Any) -> None:
    both = len(whole)
    for length in range(4, both):
        shown = show(whole[:length])
        assert shown.code in (0, 1)
        assert shown.classes in ([], ["request"])
        assert all(line.startswith("libstun: ") for line in shown.said)
        assert shown.said or shown.classes == ["request"]
    assert show(whole).classes == ["request", "success-response"]


def test_damaged_lengths_end_the_capture_and_are_said(show: Any) -> None:
    content = pcap(EXCHANGE, link_type=101)
    damaged = bytearray(content)
    second = 24 + 16 + len(EXCHANGE[0])
    damaged[second + 8 : second + 12] = b"\xff\xff\xff\x7f"
    shown = show(bytes(damaged))
    assert shown.classes == ["request"]
    assert "damaged: packet 2 would be" in shown.said[0]


def test_a_live_capture_shows_packets_as_they_come() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "libstun", "decode", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        content = pcap(EXCHANGE, link_type=101)
        first = len(content) - 16 - len(EXCHANGE[1])
        process.stdin.write(content[:first])
        process.stdin.flush()
        assert process.stdout.readline().startswith(b"#1 ")  # before the end of the input
        process.stdin.write(content[first:])
        process.stdin.close()
        assert b"#2 " in process.stdout.read()
        assert process.wait(120) == 0


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_damage_to_a_capture_raises(data: st.DataObject) -> None:
    packets = [*EXCHANGE, *EXCHANGE6, tcp(CLIENT, SERVER, 0, ANSWER), tcp(CLIENT, SERVER, 32, ANSWER)]
    whole = data.draw(
        st.sampled_from(
            [
                pcap(map(ethernet, packets)),
                pcap(map(cooked2, packets), link_type=276),
                pcapng(
                    [(1, b""), (101, b"")],
                    [(n % 2, n, ethernet(one) if n % 2 == 0 else one) for n, one in enumerate(packets)],
                ),
            ]
        )
    )
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    said: list[str] = []
    frames = read_frames(io.BytesIO(bytes(content[: data.draw(st.integers(24, len(content)))])), said.append)
    found = list(read_packets(frames, said.append))
    assert len(found) <= 3 * len(packets)
    assert all(packet.note or packet.data for packet in found)


LINES = """\
#1  +0.000000  10.0.0.1:5000 -> 192.0.2.1:3478  udp  Binding request  20 bytes
└─ transaction  b7e7a701bc34d686fa87dfae
#2  +0.250000  192.0.2.1:3478 -> 10.0.0.1:5000  udp  Binding success response  32 bytes
├─ transaction         b7e7a701bc34d686fa87dfae
└─ XOR-MAPPED-ADDRESS  203.0.113.9:4242  0x0020, at 20, 8 bytes, required
"""
