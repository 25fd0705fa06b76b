"""The codec against arbitrary input, and against aioice, whose codec of STUN shares nothing with this one."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import Any

import pytest
from aioice import stun as aioice
from hypothesis import given, settings
from hypothesis import strategies as st

from libstun import (
    Attribute,
    ChannelData,
    Check,
    Integrity,
    Key,
    Message,
    MessageBuilder,
    MessageClass,
    ParseError,
    StunError,
    Uri,
    attribute_name,
    attribute_type,
    classify,
    frame_length,
    method_name,
)

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

transaction_ids = st.binary(min_size=12, max_size=12)
ports = st.integers(0, 0xFFFF)
addresses = st.tuples(st.ip_addresses().map(str), ports)
passwords = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
types = st.integers(0, 0xFFFF).filter(lambda number: number not in (0x0008, 0x001C, 0x8028))
raw_attributes = st.lists(st.tuples(types, st.binary(max_size=40)), max_size=12)


# What is written is read back -----------------------------------------------------------------------------------------


@given(st.sampled_from(MessageClass), st.integers(0, 0xFFF), transaction_ids, raw_attributes, passwords)
def test_what_is_built_is_read_back(
    message_class: MessageClass, method: int, id: bytes, attributes: list[tuple[int, bytes]], password: str
) -> None:
    builder, key = MessageBuilder(message_class, method, id), Key.short_term(password)
    for type, value in attributes:
        builder.add(type, value)
    builder.sign(Integrity.SHA1, key).sign(Integrity.SHA256, key).add_fingerprint()
    message = Message.parse(bytes(builder))
    assert (message.message_class, message.method, message.transaction_id) == (message_class, method, id)
    assert [(a.type, a.value) for a in message if a.is_covered] == attributes
    assert [message.check(integrity, key) for integrity in Integrity] == [Check.VALID, Check.VALID]
    assert message.check(Integrity.SHA1, Key.short_term(password + "x")) is Check.INVALID
    assert message.fingerprint is Check.VALID
    rebuilt = MessageBuilder(message_class, method, id)
    for attribute in message:
        if attribute.is_covered:
            rebuilt.add(attribute.type, attribute.value)
    assert bytes(rebuilt.sign(Integrity.SHA1, key).sign(Integrity.SHA256, key).add_fingerprint()) == message.data


@given(st.integers(0x4000, 0x4FFF), st.binary(max_size=100), st.booleans())
def test_channel_data_is_read_back(channel: int, data: bytes, is_stream: bool) -> None:
    written = ChannelData(channel, data).to_bytes(is_stream=is_stream)
    assert ChannelData.parse(written, is_stream=is_stream) == ChannelData(channel, data)
    assert frame_length(written) == 4 + len(data) + -len(data) % 4


@given(st.text(max_size=127), st.integers(300, 699))
def test_an_error_is_read_back_without_nuls_at_its_end(reason: str, code: int) -> None:
    message = Message.parse(bytes(MessageBuilder(MessageClass.ERROR_RESPONSE, 1).add_error(code, reason)))
    assert message.error is not None
    assert (message.error.code, message.error.reason) == (code, reason.rstrip("\0"))


# Whatever it is, nothing but the documented errors --------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_parse_errors(data: bytes) -> None:
    classify(data)
    for read in (Message.parse, ChannelData.parse, frame_length):
        with suppress(ParseError):
            read(data)


@given(st.binary(max_size=200), transaction_ids, st.integers(0, 0x3FFF))
def test_arbitrary_bytes_behind_a_header_raise_only_parse_errors(body: bytes, id: bytes, type: int) -> None:
    body += bytes(-len(body) % 4)
    use(type.to_bytes(2) + len(body).to_bytes(2) + b"\x21\x12\xa4\x42" + id + body)


@given(transaction_ids, st.lists(st.tuples(st.sampled_from(range(0x30)), st.binary(max_size=24)), max_size=6))
def test_arbitrary_values_raise_nothing_but_parse_errors(id: bytes, values: list[tuple[int, bytes]]) -> None:
    attributes = b""
    for low, value in values:
        for type in (low, 0x8000 | low):
            attributes += type.to_bytes(2) + len(value).to_bytes(2) + value + bytes(-len(value) % 4)
    use(b"\1\1" + len(attributes).to_bytes(2) + b"\x21\x12\xa4\x42" + id + attributes)


def use(data: bytes) -> None:
    """Everything that a message can be asked."""
    try:
        message = Message.parse(data)
    except ParseError:
        return
    key = Key.short_term("s3cret")
    assert message == Message.parse(data)
    assert message.fingerprint in Check
    assert {message.check(integrity, key) for integrity in Integrity} <= {Check.ABSENT, Check.INVALID}
    assert hash(message) == hash(Message.parse(data))
    assert repr(message).endswith(f"{len(data)} bytes)")
    assert message.mapped_address is None or len(message.mapped_address) in (2, 4)
    assert message.error is None or 300 <= message.error.code <= 699
    for attribute in message:
        assert data[attribute.offset :].startswith(attribute.type.to_bytes(2) + len(attribute.value).to_bytes(2))
        check_decoding(attribute)


def check_decoding(attribute: Attribute) -> None:
    if repr(attribute).endswith("malformed)"):
        with pytest.raises(ParseError, match=f"^{attribute.name}: "):
            attribute.decode()
    else:
        assert attribute.decode() == attribute.decode()


things = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=16),
    st.binary(max_size=16).map(bytearray),
    st.sampled_from(
        [Integrity.SHA1, Integrity.SHA256, MessageClass.REQUEST, 0x0020, ("192.0.2.1", 1), [], {}, object()]
    ),
    st.builds(Key.short_term, passwords),
    st.tuples(st.text(max_size=12), st.integers()),
    st.tuples(st.ip_addresses(), st.integers(), st.integers(), st.integers()),
)


@given(st.data())
@settings(max_examples=500)
def test_arbitrary_arguments_raise_nothing_but_the_documented_errors(data: st.DataObject) -> None:
    builder = MessageBuilder(MessageClass.REQUEST, 1)
    message = Message.parse(bytes(builder))
    call: Any = data.draw(
        st.sampled_from(
            [
                Message.parse,
                MessageBuilder,
                ChannelData,
                ChannelData.parse,
                Uri.parse,
                Key.short_term,
                Key.long_term_md5,
                Key.long_term_sha256,
                classify,
                frame_length,
                attribute_name,
                attribute_type,
                method_name,
                message.find,
                message.check,
                message.has_integrity,
                builder.add,
                builder.add_address,
                builder.add_error,
                builder.sign,
            ]
        )
    )
    arguments = data.draw(st.lists(things, max_size=4))
    keywords = data.draw(st.dictionaries(st.sampled_from(["length", "shortest", "is_stream"]), things, max_size=1))
    with suppress(ValueError, TypeError, StunError):
        call(*arguments, **keywords)
    assert Message.parse(bytes(builder)) is not None


# aioice ---------------------------------------------------------------------------------------------------------------

AIOICE_CLASSES = {
    MessageClass.REQUEST: aioice.Class.REQUEST,
    MessageClass.INDICATION: aioice.Class.INDICATION,
    MessageClass.SUCCESS_RESPONSE: aioice.Class.RESPONSE,
    MessageClass.ERROR_RESPONSE: aioice.Class.ERROR,
}
ADDRESS_NAMES = (
    "MAPPED-ADDRESS",
    "XOR-PEER-ADDRESS",
    "XOR-RELAYED-ADDRESS",
    "XOR-MAPPED-ADDRESS",
    "RESPONSE-ORIGIN",
    "OTHER-ADDRESS",
)
foreign_values: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(ADDRESS_NAMES, addresses),
    **dict.fromkeys(("USERNAME", "REALM", "SOFTWARE"), st.text(max_size=40)),
    **dict.fromkeys(("LIFETIME", "PRIORITY"), st.integers(0, 2**32 - 1)),
    **dict.fromkeys(("ICE-CONTROLLED", "ICE-CONTROLLING"), st.integers(0, 2**64 - 1)),
    "CHANNEL-NUMBER": st.integers(0x4000, 0x4FFF),
    "NONCE": st.binary(max_size=40),
    "DATA": st.binary(max_size=40),
    "USE-CANDIDATE": st.none(),
    "ERROR-CODE": st.tuples(st.integers(300, 699), st.text(max_size=40).filter(lambda text: not text.endswith("\0"))),
}
foreign_attributes = st.fixed_dictionaries({}, optional=foreign_values)
foreign_methods = st.sampled_from(list(aioice.Method))


@given(st.sampled_from(MessageClass), foreign_methods, transaction_ids, foreign_attributes, passwords)
def test_what_aioice_builds_is_read(
    message_class: MessageClass, method: aioice.Method, id: bytes, attributes: dict[str, Any], password: str
) -> None:
    foreign = aioice.Message(method, AIOICE_CLASSES[message_class], id, dict(attributes))
    foreign.add_message_integrity(password.encode())
    message = Message.parse(bytes(foreign))
    assert (message.message_class, message.method, message.transaction_id) == (message_class, int(method), id)
    assert message.check(Integrity.SHA1, Key.short_term(password)) is Check.VALID
    assert message.check(Integrity.SHA1, Key.short_term(password + "x")) is Check.INVALID
    assert (message.check(Integrity.SHA256, Key.short_term(password)), message.fingerprint) == (
        Check.ABSENT,
        Check.VALID,
    )
    assert {attribute.name: as_aioice(attribute) for attribute in message if attribute.is_covered} == attributes


@given(st.sampled_from(MessageClass), foreign_methods, transaction_ids, foreign_attributes, passwords)
def test_what_is_built_aioice_reads(
    message_class: MessageClass, method: aioice.Method, id: bytes, attributes: dict[str, Any], password: str
) -> None:
    builder = MessageBuilder(message_class, method, id)
    for name, value in attributes.items():
        add(builder, name, value)
    builder.sign(Integrity.SHA1, Key.short_term(password)).add_fingerprint()
    foreign = aioice.parse_message(bytes(builder))  # which checks FINGERPRINT
    assert (foreign.message_class, foreign.message_method) == (AIOICE_CLASSES[message_class], method)
    assert foreign.transaction_id == id
    assert foreign.check_message_integrity(password.encode())
    assert not foreign.check_message_integrity(password.encode() + b"x")
    assert {name: foreign.attributes[name] for name in attributes} == attributes
    assert set(foreign.attributes) == {*attributes, "MESSAGE-INTEGRITY", "FINGERPRINT"}


@given(foreign_attributes)
def test_both_build_the_same_bytes(attributes: dict[str, Any]) -> None:
    builder = MessageBuilder(MessageClass.SUCCESS_RESPONSE, 1, bytes(12))
    for name, value in attributes.items():
        add(builder, name, value)
    foreign = aioice.Message(aioice.Method.BINDING, aioice.Class.RESPONSE, bytes(12), dict(attributes))
    assert bytes(builder) == bytes(foreign)
    foreign.add_fingerprint()
    assert bytes(builder.add_fingerprint()) == bytes(foreign)


def test_a_spoiled_message_is_valid_for_neither() -> None:
    key, password = Key.short_term("s3cret"), b"s3cret"
    signed = bytes(MessageBuilder(MessageClass.REQUEST, 1, bytes(12)).add(0x0006, "alice").sign(Integrity.SHA1, key))
    for place in range(24, 29):
        spoiled = bytearray(signed)
        spoiled[place] ^= 1
        assert Message.parse(spoiled).check(Integrity.SHA1, key) is Check.INVALID
        assert not aioice.parse_message(bytes(spoiled)).check_message_integrity(password)
    sealed = bytearray(bytes(MessageBuilder(MessageClass.REQUEST, 1, bytes(12)).add_fingerprint()))
    sealed[-1] ^= 1
    assert Message.parse(sealed).fingerprint is Check.INVALID
    with pytest.raises(ValueError, match="fingerprint"):
        aioice.parse_message(bytes(sealed))


def as_aioice(attribute: Attribute) -> object:
    """A value as aioice has it: addresses of two parts, errors as tuples, a NONCE as bytes."""
    if attribute.name in ADDRESS_NAMES:
        address: Any = attribute.decode()
        return str(ipaddress.ip_address(address[0])), address[1]
    if attribute.name == "ERROR-CODE":
        error: Any = attribute.decode()
        return error.code, error.reason
    return attribute.value if attribute.name == "NONCE" else attribute.decode()


def add(builder: MessageBuilder, name: str, value: Any) -> None:
    type = attribute_type(name)
    lengths = {"LIFETIME": 4, "PRIORITY": 4, "ICE-CONTROLLED": 8, "ICE-CONTROLLING": 8}
    if name in ADDRESS_NAMES:
        builder.add_address(type, value)
    elif name == "ERROR-CODE":
        builder.add_error(*value)
    elif name == "CHANNEL-NUMBER":
        builder.add(type, value.to_bytes(2) + bytes(2))
    elif isinstance(value, int):
        builder.add(type, value.to_bytes(lengths[name]))
    else:
        builder.add(type, b"" if value is None else value)
