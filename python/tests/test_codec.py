"""The codec: what it reads and writes, what it refuses and how, and its documentation."""

from __future__ import annotations

import doctest
import inspect
import ipaddress
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import libstun
from libstun import (
    ChannelData,
    Check,
    ErrorCode,
    Integrity,
    Key,
    Message,
    MessageBuilder,
    MessageClass,
    ParseError,
    Protocol,
    StateError,
    StunError,
    Uri,
    attribute_name,
    attribute_type,
    classify,
    frame_length,
    method_name,
)

BINDING = 1
ID = bytes(range(12))
KEY = Key.short_term("s3cret")
USERNAME = attribute_type("USERNAME")
SOFTWARE = attribute_type("SOFTWARE")
XOR_MAPPED = attribute_type("XOR-MAPPED-ADDRESS")


def request(transaction_id: bytes | None = ID) -> MessageBuilder:
    return MessageBuilder(MessageClass.REQUEST, BINDING, transaction_id)


def decoded(type: str, value: bytes) -> object:
    """What an attribute of that value means, through a whole message."""
    found = Message.parse(bytes(request().add(attribute_type(type), value))).find(attribute_type(type))
    assert found is not None
    return found.decode()


# Messages that arrive -------------------------------------------------------------------------------------------------


def test_every_kind_of_buffer_is_read() -> None:
    data = bytes(request().add(SOFTWARE, "any"))
    doubled = bytearray(2 * len(data))
    doubled[::2] = data
    expected = Message.parse(data)
    for given in (bytearray(data), memoryview(data), memoryview(doubled)[::2], memoryview(data).toreadonly()):
        assert Message.parse(given) == expected
        assert Message.parse(given).data == data
        assert classify(given) is Protocol.STUN
        assert frame_length(given) == len(data)


def test_bytes_are_kept_and_everything_else_is_copied() -> None:
    class Loud(bytes):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = bytes.__hash__

    data = bytes(request())
    assert Message.parse(data).data is data
    assert type(Message.parse(Loud(data)).data) is bytes
    mutable = bytearray(data)
    message = Message.parse(mutable)
    mutable[0] = 0xFF
    assert message.data == data


@pytest.mark.parametrize("given", ["text", None, 20, [0] * 20, memoryview(b"\0\1\0\0" * 5).cast("I")])
def test_what_is_not_bytes_is_a_type_error(given: object) -> None:
    for function in (Message.parse, ChannelData.parse, classify, frame_length):
        with pytest.raises(TypeError):
            function(given)  # type: ignore[arg-type]


def test_a_parse_error_is_a_value_error_and_says_why() -> None:
    with pytest.raises(ParseError, match="shorter than a STUN header") as caught:
        Message.parse(b"")
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, StunError)


def test_messages_are_equal_by_their_bytes() -> None:
    one, same, other = (Message.parse(bytes(request(id))) for id in (ID, ID, bytes(12)))
    assert one == same
    assert one != other
    assert hash(one) == hash(same)
    assert len({one, same, other}) == 2
    assert one != bytes(one)


def test_a_message_shows_what_it_is() -> None:
    response = MessageBuilder(MessageClass.SUCCESS_RESPONSE, BINDING, ID).add_address(XOR_MAPPED, ("192.0.2.1", 1))
    assert repr(Message.parse(bytes(response))) == "Message(success-response Binding, 1 attribute, 32 bytes)"
    assert repr(Message.parse(bytes(MessageBuilder(MessageClass.INDICATION, 0xFFF, ID)))) == (
        "Message(indication Method(0xfff), 0 attributes, 20 bytes)"
    )
    assert repr(response) == "MessageBuilder(success-response Binding, 32 bytes)"


def test_the_header_is_read() -> None:
    message = Message.parse(bytes(MessageBuilder(MessageClass.ERROR_RESPONSE, 3, ID)))
    assert message.message_class is MessageClass.ERROR_RESPONSE
    assert (message.method, message.method_name, message.transaction_id) == (3, "Allocate", ID)
    assert (message.error, message.mapped_address, list(message), len(message)) == (None, None, [], 0)


def test_attributes_say_where_they_stand_and_whether_they_count() -> None:
    message = Message.parse(
        bytes(request().add(0x7FFE, b"a").sign(Integrity.SHA1, KEY).sign(Integrity.SHA256, KEY).add_fingerprint())
    )
    assert [(a.type, a.offset, a.is_covered, a.is_comprehension_required, len(a.value)) for a in message] == [
        (0x7FFE, 20, True, True, 1),
        (0x0008, 28, False, True, 20),
        (0x001C, 52, False, True, 32),
        (0x8028, 88, False, False, 4),
    ]
    assert [attribute.name for attribute in message.attributes] == [
        None,
        "MESSAGE-INTEGRITY",
        "MESSAGE-INTEGRITY-SHA256",
        "FINGERPRINT",
    ]
    assert message.find(attribute_type("FINGERPRINT")) is None
    assert message.find(0x7FFE) == message.attributes[0]
    assert message.attributes[0] != message.attributes[1]
    assert len({message.find(0x7FFE), message.attributes[0], message.attributes[1]}) == 2


def test_an_attribute_shows_what_it_means() -> None:
    message = Message.parse(
        bytes(
            MessageBuilder(MessageClass.ERROR_RESPONSE, BINDING, ID)
            .add(USERNAME, "é'")
            .add(0x7FFE, b"abc")
            .add(attribute_type("DONT-FRAGMENT"), b"")
            .add(attribute_type("LIFETIME"), b"abc")
            .add_address(XOR_MAPPED, ("2001:db8::1", 9))
            .add_error(401)
        )
    )
    assert [repr(attribute) for attribute in message] == [
        'Attribute(USERNAME, "é\'")',
        "Attribute(0x7ffe, 3 bytes)",
        "Attribute(DONT-FRAGMENT)",
        "Attribute(LIFETIME, 3 bytes, malformed)",
        "Attribute(XOR-MAPPED-ADDRESS, ('2001:db8::1', 9, 0, 0))",
        "Attribute(ERROR-CODE, ErrorCode(401, 'Unauthenticated'))",
    ]
    match message.attributes[1]:
        case libstun.Attribute(0x7FFE, value):
            assert value == b"abc"
        case other:
            pytest.fail(f"no match: {other}")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("MAPPED-ADDRESS", "0001 1234 c0000201", ("192.0.2.1", 0x1234)),
        ("ALTERNATE-SERVER", "0002 0001" + "20010db8" + "00" * 11 + "01", ("2001:db8::1", 1, 0, 0)),
        ("USERNAME", "c3a9", "é"),
        ("REALM", "ff", b"\xff"),
        ("NONCE", "", ""),
        ("SOFTWARE", "61", "a"),
        ("ALTERNATE-DOMAIN", "61", "a"),
        ("LIFETIME", "ffffffff", 2**32 - 1),
        ("CACHE-TIMEOUT", "00000102", 258),
        ("CHANNEL-NUMBER", "4fff0000", 0x4FFF),
        ("PRIORITY", "6e0001ff", 0x6E0001FF),
        ("ICE-CONTROLLED", "ff" * 8, 2**64 - 1),
        ("ICE-CONTROLLING", "00" * 7 + "01", 1),
        ("RESPONSE-PORT", "1f900000", 8080),
        ("CONNECTION-ID", "01020304", 0x01020304),
        ("REQUESTED-TRANSPORT", "11000000", 17),
        ("REQUESTED-ADDRESS-FAMILY", "01000000", 4),
        ("ADDITIONAL-ADDRESS-FAMILY", "02000000", 6),
        ("EVEN-PORT", "80", True),
        ("EVEN-PORT", "7f", False),
        ("CHANGE-REQUEST", "00000004", (1, 0)),
        ("CHANGE-REQUEST", "00000002", (0, 1)),
        ("DONT-FRAGMENT", "", None),
        ("USE-CANDIDATE", "", None),
        ("UNKNOWN-ATTRIBUTES", "7ffe0001", (0x7FFE, 1)),
        ("PASSWORD-ALGORITHM", "00020000", ((2, b""),)),
        ("PASSWORD-ALGORITHMS", "0009000161000000" + "00010000", ((9, b"a"), (1, b""))),
        ("ICMP", "0000 03 04 000005dc", (3, 4, 1500)),
        ("DATA", "00ff", b"\x00\xff"),
        ("USERHASH", "ab" * 32, b"\xab" * 32),
        ("RESERVATION-TOKEN", "0102030405060708", bytes(range(1, 9))),
        ("MOBILITY-TICKET", "", b""),
        ("PADDING", "0000", b"\0\0"),
        ("BANDWIDTH", "0001", b"\0\1"),
    ],
)
def test_a_value_is_what_its_type_means(name: str, value: str, expected: object) -> None:
    found = decoded(name, bytes.fromhex(value))
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(("name", "value"), [("ERROR-CODE", "00000414616200"), ("ADDRESS-ERROR-CODE", "020004146162")])
def test_an_error_is_a_code_and_a_reason(name: str, value: str) -> None:
    error = decoded(name, bytes.fromhex(value))
    assert isinstance(error, ErrorCode)
    assert (error.code, error.reason, repr(error)) == (420, "ab", "ErrorCode(420, 'ab')")
    assert error == decoded(name, bytes.fromhex(value))
    assert len({error, decoded(name, bytes.fromhex(value)), decoded("ERROR-CODE", b"\0\0\4\1ab")}) == 2
    assert decoded("ERROR-CODE", b"\0\0\4\1\xffa") == decoded("ERROR-CODE", "\0\0\4\1\ufffda".encode())


def test_an_impossible_value_is_a_parse_error_with_the_attributes_name() -> None:
    with pytest.raises(ParseError, match="LIFETIME: not a length"):
        decoded("LIFETIME", b"abc")
    with pytest.raises(ParseError, match="XOR-MAPPED-ADDRESS: an unknown address family"):
        decoded("XOR-MAPPED-ADDRESS", bytes(8))
    with pytest.raises(ParseError, match="CHANNEL-NUMBER: a number outside"):
        decoded("CHANNEL-NUMBER", bytes(4))


def test_mapped_address_stands_in_for_a_missing_xored_one_only() -> None:
    plain, xored = attribute_type("MAPPED-ADDRESS"), ("192.0.2.2", 2)
    assert Message.parse(bytes(request().add_address(plain, ("192.0.2.1", 1)))).mapped_address == ("192.0.2.1", 1)
    both = request().add_address(plain, ("192.0.2.1", 1)).add_address(XOR_MAPPED, xored)
    assert Message.parse(bytes(both)).mapped_address == xored
    broken = request().add(XOR_MAPPED, b"?").add_address(plain, ("192.0.2.1", 1))
    assert Message.parse(bytes(broken)).mapped_address is None


# Messages to send -----------------------------------------------------------------------------------------------------


def test_transaction_ids_are_given_or_drawn() -> None:
    assert request().transaction_id == ID
    assert MessageBuilder(MessageClass.REQUEST, BINDING, bytearray(ID)).transaction_id == ID
    drawn = {request(None).transaction_id for _ in range(100)}
    assert len(drawn) == 100
    assert {len(id) for id in drawn} == {12}


def test_words_will_do_for_enums() -> None:
    built = MessageBuilder("request", BINDING, ID).sign("sha1", KEY)  # type: ignore[arg-type]
    assert Message.parse(bytes(built)).check("sha1", KEY) is Check.VALID  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is no MessageClass: 'request', 'indication'"):
        MessageBuilder("question", BINDING)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="int is no Integrity"):
        Message.parse(bytes(built)).has_integrity(1)  # type: ignore[arg-type]


def test_calls_chain_on_one_object() -> None:
    builder = request()
    assert builder.add(USERNAME, "a").add_error(400).add_address(XOR_MAPPED, ("192.0.2.1", 1)) is builder
    assert builder.sign(Integrity.SHA1, KEY).add_fingerprint() is builder
    assert len(builder) == len(bytes(builder)) == 20 + 8 + 20 + 12 + 24 + 8


def test_text_is_written_as_utf_8() -> None:
    assert bytes(request().add(USERNAME, "é")) == bytes(request().add(USERNAME, b"\xc3\xa9"))
    with pytest.raises(ValueError, match="surrogates"):
        request().add(USERNAME, "\ud800")
    with pytest.raises(TypeError, match="int is neither str, bytes"):
        request().add(USERNAME, 5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    [
        "MAPPED-ADDRESS",
        "XOR-MAPPED-ADDRESS",
        "XOR-PEER-ADDRESS",
        "XOR-RELAYED-ADDRESS",
        "ALTERNATE-SERVER",
        "RESPONSE-ORIGIN",
        "OTHER-ADDRESS",
    ],
)
def test_addresses_survive_a_round_trip(name: str) -> None:
    type = attribute_type(name)
    for given, expected in (
        (("192.0.2.1", 65535), ("192.0.2.1", 65535)),
        ((ipaddress.ip_address("2001:db8::1"), 0), ("2001:db8::1", 0, 0, 0)),
        (("fe80::1", 7, 0, 3), ("fe80::1", 7, 0, 0)),
    ):
        message = Message.parse(bytes(request().add_address(type, given)))
        assert [attribute.decode() for attribute in message] == [expected]
        is_xored = b"\xc0\x00\x02\x01" not in message.data
        assert expected[0] != "192.0.2.1" or is_xored == name.startswith("XOR")


def test_only_the_types_of_addresses_take_one() -> None:
    for type in (USERNAME, 0x7FFE, attribute_type("SOURCE-ADDRESS")):
        with pytest.raises(ValueError, match="is not the type of an address"):
            request().add_address(type, ("192.0.2.1", 1))


def test_an_error_has_the_rfcs_phrase_unless_another_is_given() -> None:
    for reason, expected in ((None, "Stale Nonce"), ("", ""), ("é", "é")):
        message = Message.parse(bytes(request().add_error(438, reason)))
        assert message.error is not None
        assert (message.error.code, message.error.reason) == (438, expected)
    for code in (0, 299, 700, 65535):
        with pytest.raises(ValueError, match=f"{code} is no error code: 300 to 699 are"):
            request().add_error(code)
    with pytest.raises(ValueError, match="longer than its RFC allows"):
        request().add_error(400, "a" * 128)


def test_seals_are_made_and_not_added() -> None:
    for name in ("MESSAGE-INTEGRITY", "MESSAGE-INTEGRITY-SHA256", "FINGERPRINT"):
        with pytest.raises(ValueError, match=rf"{name} is not added but made"):
            request().add(attribute_type(name), bytes(20))


def test_nothing_goes_back_and_a_refusal_changes_nothing() -> None:
    signed = request().sign(Integrity.SHA256, KEY)
    before = bytes(signed)
    for integrity in Integrity:
        with pytest.raises(StateError, match="may not follow what is already in the message"):
            signed.sign(integrity, KEY)
    sealed = request().add_fingerprint()
    calls: list[Callable[[], object]] = [
        lambda: signed.add(USERNAME, "a"),
        lambda: signed.add_error(400),
        lambda: signed.add_address(XOR_MAPPED, ("192.0.2.1", 1)),
        lambda: sealed.add(USERNAME, "a"),
        lambda: sealed.sign(Integrity.SHA1, KEY),
        sealed.add_fingerprint,
    ]
    for call in calls:
        with pytest.raises(StateError, match="may not follow"):
            call()
    assert bytes(signed) == before
    assert len(sealed) == 28


def test_a_signature_may_be_truncated_as_far_as_the_rfc_allows() -> None:
    for length in range(40):
        if length not in (16, 20, 24, 28, 32):
            with pytest.raises(ValueError, match="16 to 32 bytes, a multiple of four"):
                request().sign(Integrity.SHA256, KEY, length=length)
            continue
        message = Message.parse(bytes(request().sign(Integrity.SHA256, KEY, length=length)))
        assert message.check(Integrity.SHA256, KEY) is (Check.VALID if length == 32 else Check.INVALID)
        assert message.check(Integrity.SHA256, KEY, shortest=length) is Check.VALID
        if length < 32:
            assert message.check(Integrity.SHA256, KEY, shortest=length + 1) is Check.INVALID
    with pytest.raises(ValueError, match="MESSAGE-INTEGRITY has 20 bytes"):
        request().sign(Integrity.SHA1, KEY, length=16)
    assert len(request().sign(Integrity.SHA1, KEY, length=20)) == 44
    message = Message.parse(bytes(request().sign(Integrity.SHA1, KEY)))
    assert message.check(Integrity.SHA1, KEY, shortest=20) is Check.VALID
    for integrity, shortest in ((Integrity.SHA1, 16), (Integrity.SHA256, 15), (Integrity.SHA256, 33)):
        with pytest.raises(ValueError, match=f"{shortest} is not a length"):
            message.check(integrity, KEY, shortest=shortest)


def test_a_message_grows_to_the_longest_that_there_is() -> None:
    builder = request()
    for _ in range(15):
        builder.add(0x7FFE, bytes(4092))
    assert len(builder.add(0x7FFE, bytes(4088))) == 65_552
    with pytest.raises(ValueError, match="longer than its RFC allows"):
        builder.add(0x7FFE, b"")
    with pytest.raises(ValueError, match="longer than its RFC allows"):
        request().add(0x7FFE, bytes(65_536))
    assert len(Message.parse(bytes(builder))) == 16


@pytest.mark.parametrize(
    ("method", "transaction_id", "reason"),
    [(0x1000, None, "no method"), (-1, None, "0 to 65535"), (1, bytes(11), "12 bytes, not 11"), (1, bytes(16), "16")],
)
def test_an_impossible_header_is_refused(method: int, transaction_id: bytes | None, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        MessageBuilder(MessageClass.REQUEST, method, transaction_id)


def test_threads_may_share_a_builder() -> None:
    builder = request()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: builder.add(0x7FFE, number.to_bytes(2)), range(400)))
    values = [int.from_bytes(attribute.value) for attribute in Message.parse(bytes(builder))]
    assert sorted(values) == list(range(400))


# Keys -----------------------------------------------------------------------------------------------------------------


def test_keys_show_their_kind_and_never_a_secret() -> None:
    keys = [KEY, Key.long_term_md5("alice", "realm", "s3cret"), Key.long_term_sha256("alice", "realm", "s3cret")]
    assert [repr(key) for key in keys] == ["Key(short-term)", "Key(long-term, MD5)", "Key(long-term, SHA-256)"]


def test_strings_of_keys_are_prepared() -> None:
    message = Message.parse(bytes(request().sign(Integrity.SHA1, Key.short_term("\u00c5 x"))))
    assert message.check(Integrity.SHA1, Key.short_term("A\u030a\u00a0x")) is Check.VALID
    for string, reason in (("", "is empty"), ("bell\7", "OpaqueString forbids")):
        with pytest.raises(ValueError, match=f"the password: the string .*{reason}"):
            Key.short_term(string)
        for make in (Key.long_term_md5, Key.long_term_sha256):
            with pytest.raises(ValueError, match="the username: "):
                make(string, "realm", "password")
            with pytest.raises(ValueError, match="the realm: "):
                make("username", string, "password")
            with pytest.raises(ValueError, match="the password: "):
                make("username", "realm", string)
    with pytest.raises(TypeError):
        Key.short_term(b"s3cret")  # type: ignore[arg-type]


# Documentation --------------------------------------------------------------------------------------------------------

DOCUMENTED = [Message, MessageBuilder, libstun.Attribute, ErrorCode, Key, ChannelData, Uri]
FUNCTIONS = [classify, frame_length, attribute_name, attribute_type, method_name]


@pytest.mark.parametrize("thing", [*DOCUMENTED, *FUNCTIONS], ids=lambda thing: str(thing.__name__))
def test_everything_is_documented_and_every_example_runs(thing: object) -> None:
    docs = {"": inspect.getdoc(thing)}
    if isinstance(thing, type):
        public = [name for name in vars(thing) if not name.startswith("_")]
        docs |= {name: inspect.getdoc(getattr(thing, name)) for name in public}
    assert ">>>" in (docs[""] or "")
    runner = doctest.DocTestRunner(verbose=False)
    for name, text in docs.items():
        assert text, name
        runner.run(doctest.DocTestParser().get_doctest(text, {}, name, None, None))
    assert runner.summarize().failed == 0
