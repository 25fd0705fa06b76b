"""ChannelData, URIs, framing of streams, telling protocols apart, names and numbers."""

from __future__ import annotations

import pytest

from libstun import (
    ChannelData,
    MessageBuilder,
    MessageClass,
    ParseError,
    Protocol,
    Scheme,
    Uri,
    attribute_name,
    attribute_type,
    classify,
    frame_length,
    method_name,
)


def test_channel_data_is_padded_in_streams() -> None:
    message = ChannelData(0x4FFF, bytearray(b"hello"))
    assert (message.channel, message.data, repr(message)) == (0x4FFF, b"hello", "ChannelData(0x4fff, 5 bytes)")
    assert message.to_bytes() == b"\x4f\xff\0\5hello"
    assert message.to_bytes(is_stream=True) == b"\x4f\xff\0\5hello\0\0\0"
    assert ChannelData.parse(message.to_bytes()) == message
    assert hash(ChannelData.parse(message.to_bytes())) == hash(message)
    assert message != ChannelData(0x4000, b"hello")
    with pytest.raises(ParseError, match="shorter than its header says"):
        ChannelData.parse(message.to_bytes(), is_stream=True)
    assert len(ChannelData(0x4000, bytes(65_535)).to_bytes(is_stream=True)) == 65_540
    match message:
        case ChannelData(channel, data):
            assert (channel, data) == (0x4FFF, b"hello")


@pytest.mark.parametrize(("channel", "length"), [(0x3FFF, 0), (0x5000, 0), (-1, 0), (0x4000, 65_536)])
def test_impossible_channel_data_is_refused(channel: int, length: int) -> None:
    with pytest.raises(ValueError, match=r"no channel|0 to 65535|at most 65535"):
        ChannelData(channel, bytes(length))


def test_a_uri_is_read_and_written_in_its_canonical_form() -> None:
    uri = Uri.parse("TURNS:[2001:DB8::1]:05349?transport=TCP")
    assert (uri.scheme, uri.host, uri.is_ip, uri.port) == (Scheme.TURNS, "2001:db8::1", True, 5349)
    assert (uri.default_port, uri.transport) == (5349, "tcp")
    assert str(uri) == "turns:[2001:db8::1]:5349?transport=tcp"
    assert repr(uri) == "Uri('turns:[2001:db8::1]:5349?transport=tcp')"
    named = Uri.parse("stun:Example.ORG")
    assert (named.host, named.is_ip, named.port, named.default_port) == ("Example.ORG", False, None, 3478)
    assert named.transport is None
    assert named == Uri.parse("STUN:example.org")
    assert hash(named) == hash(Uri.parse("STUN:example.org"))
    assert named != Uri.parse("stun:example.org:3478")
    assert Uri.parse("turn:a?transport=SCTP").transport == "SCTP"
    assert repr(Uri.parse("turn:o'a")) == 'Uri("turn:o\'a")'
    for text, reason in (("http://a", "the scheme is not"), ("stun://a", "no //"), ("stun:a:0", "1 to 65535")):
        with pytest.raises(ParseError, match=reason):
            Uri.parse(text)


def test_a_prefix_tells_the_length_of_its_frame() -> None:
    frame = bytes(MessageBuilder(MessageClass.REQUEST, 1).add(attribute_type("SOFTWARE"), "abc"))
    assert {frame_length(frame[:length]) for length in range(20, 29)} == {28}
    assert frame_length(b"") is None
    assert frame_length(b"\x40\0\0") is None
    assert frame_length(b"\x40\0\0\5") == 12
    for prefix in (b"\x50", b"\x16\x03\x01\x02\x00\x01\x00\x01"):
        with pytest.raises(ParseError):
            frame_length(prefix)


def test_protocols_are_told_apart() -> None:
    assert classify(b"\x16\xfe\xfd") is Protocol.DTLS
    assert classify(b"\x80") is Protocol.RTP
    assert classify(b"\x10") is Protocol.ZRTP
    assert classify(b"\xc0" + bytes(20)) is Protocol.QUIC
    assert classify(b"\x01\0\0\0" + bytes(144)) is Protocol.WIREGUARD
    assert classify(b"") is Protocol.UNKNOWN


def test_names_and_numbers_of_attributes_are_each_others_reverse() -> None:
    named = {number: name for number in range(0x10000) if (name := attribute_name(number)) is not None}
    assert len(named) == 48
    assert all(attribute_type(name) == number for number, name in named.items())
    for name in ("", "xor-mapped-address", "NONSENSE"):
        with pytest.raises(ValueError, match="is no attribute that is known here"):
            attribute_type(name)
    assert [method_name(method) for method in (1, 2, 0xC, 0xFFF)] == ["Binding", None, "ConnectionAttempt", None]
    with pytest.raises(ValueError, match="4096 is no method"):
        method_name(0x1000)
