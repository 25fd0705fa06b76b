"""The codec against the repository's vectors: those of the RFCs, captured ones, and malformed ones.

An expectation that this file does not understand fails it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

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
    attribute_type,
    classify,
    method_name,
)

VECTORS = Path(__file__).parents[2] / "tests" / "vectors"
CLASSES = {
    "request": MessageClass.REQUEST,
    "indication": MessageClass.INDICATION,
    "success": MessageClass.SUCCESS_RESPONSE,
    "error": MessageClass.ERROR_RESPONSE,
}


def load(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def short_term(vector: dict[str, Any]) -> Key:
    """The key of a vector whose HMAC key is a password."""
    return Key.short_term(bytes.fromhex(vector["hmac_key_hex"]).decode("ascii"))


def value_of(message: Message, name: str) -> object:
    found = message.find(attribute_type(name))
    assert found is not None, name
    return found.decode()


def socket_address(text: str) -> tuple[str, int] | tuple[str, int, int, int]:
    host, port = text.rsplit(":", 1)
    return (host[1:-1], int(port), 0, 0) if host.startswith("[") else (host, int(port))


# RFC 5769 and RFC 8489 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", load("rfc5769.json")["vectors"], ids=lambda vector: str(vector["name"]))
def test_the_samples_of_rfc_5769_read_and_verify(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    message = Message.parse(data)
    assert (classify(data), len(data), bytes(message)) == (Protocol.STUN, vector["length"], data)
    key = long_term_sample(vector, message) if vector.get("credential") == "long-term-md5" else short_term(vector)
    for field, expected in vector["expect"].items():
        match field:
            case "class":
                assert message.message_class is CLASSES[expected]
            case "method":
                assert (message.method_name or "").lower() == expected
            case "transaction_id":
                assert message.transaction_id.hex() == expected
            case "SOFTWARE" | "USERNAME" | "PRIORITY":
                assert value_of(message, field) == expected
            case "ICE-CONTROLLED":
                assert value_of(message, field) == int(expected, 16)
            case "XOR-MAPPED-ADDRESS":
                assert value_of(message, field) == message.mapped_address == socket_address(expected)
            case "MESSAGE-INTEGRITY":
                assert message.has_integrity(Integrity.SHA1)
                assert message.check(Integrity.SHA1, key) is Check(expected)
            case "FINGERPRINT":
                assert message.fingerprint is Check(expected)
            case _:
                pytest.fail(f"not understood: {field}")


def long_term_sample(vector: dict[str, Any], message: Message) -> Key:
    """RFC 5769 s2.4 prepares its password with SASLprep; OpaqueString refuses what that drops."""
    username, realm = vector["username"], vector["realm"]
    assert (value_of(message, "USERNAME"), value_of(message, "REALM")) == (username, realm)
    assert value_of(message, "NONCE") == vector["nonce"]
    with pytest.raises(ValueError, match="the password: "):
        Key.long_term_md5(username, realm, vector["password_raw"])
    return Key.long_term_md5(username, realm, vector["password_prepared"])


@pytest.mark.parametrize("vector", load("rfc8489_b1.json")["vectors"], ids=lambda vector: str(vector["name"]))
def test_the_sample_of_rfc_8489_reads_and_verifies_once_corrected(vector: dict[str, Any]) -> None:
    data, expected = bytes.fromhex(vector["hex"]), vector["expect"]
    seal = expected["MESSAGE-INTEGRITY-SHA256"]
    if vector["name"] == "rfc8489-B.1-as-printed":
        with pytest.raises(ParseError, match="disagrees with the number of bytes"):
            Message.parse(data)
        return
    if seal.startswith("malformed"):
        with pytest.raises(ParseError, match="impossible length"):
            Message.parse(data)
        return
    message = Message.parse(data)
    sample = load("rfc8489_b1.json")["vectors"][0]
    key = Key.long_term_sha256(sample["username"], sample["realm"], sample["password_prepared"])
    strict, lenient = message.check(Integrity.SHA256, key), message.check(Integrity.SHA256, key, shortest=16)
    if seal == "valid":
        assert value_of(message, "USERHASH") == bytes.fromhex(expected["USERHASH"])
        assert value_of(message, "NONCE") == vector["nonce"]
        assert (expected["PASSWORD-ALGORITHM"], value_of(message, "PASSWORD-ALGORITHM")) == (
            "0x0002 params_len 0",
            ((2, b""),),
        )
        assert (strict, lenient) == (Check.VALID, Check.VALID)
    elif seal == "invalid":
        assert (strict, lenient) == (Check.INVALID, Check.INVALID)
    else:
        policy = {"valid": Check.VALID, "reject": Check.INVALID}
        assert (strict, lenient) == (policy[seal.rsplit(": ", 1)[1]], Check.VALID)


# Captured messages ----------------------------------------------------------------------------------------------------


def test_what_real_servers_sent_reads_and_verifies() -> None:
    file = load("captured_servers.json")
    credentials = file["credentials"]
    key = Key.long_term_md5(credentials["username"], credentials["realm"], credentials["password"])
    read = refused = signed = 0
    for entry in (entry for server in file["servers"].values() for entry in server if entry["response"]):
        request, response = bytes.fromhex(entry["request"]), bytes.fromhex(entry["response"])
        if entry["name"] == "binding-rfc3489-no-cookie":
            for data in (request, response):
                with pytest.raises(ParseError, match="magic cookie"):
                    Message.parse(data)
            refused += 1
            continue
        message = Message.parse(response)
        assert message.transaction_id == Message.parse(request).transaction_id
        check_response(message, entry)
        assert message.check(Integrity.SHA1, key) is (Check.VALID if entry["has_integrity"] else Check.ABSENT)
        signed += entry["has_integrity"]
        read += 1
    assert (read, refused, signed) == (48, 2, 23)


def check_response(message: Message, entry: dict[str, Any]) -> None:
    assert f"0x{message.data[:2].hex()}" == entry["response_type"]
    attributes = [[f"0x{attribute.type:04x}", attribute.value.hex()] for attribute in message]
    assert attributes == entry["response_attrs"]
    for attribute in message:
        attribute.decode()
    assert message.fingerprint is (Check.VALID if entry["has_fingerprint"] else Check.ABSENT)
    if "xor_mapped" in entry:
        assert message.mapped_address == socket_address(entry["xor_mapped"])
    if "xor_relayed" in entry:
        assert value_of(message, "XOR-RELAYED-ADDRESS") == socket_address(entry["xor_relayed"])
    if "error" in entry:
        reason = bytes.fromhex(entry["reason_hex"]).rstrip(b"\0").decode()
        assert message.error is not None
        assert (message.error.code, message.error.reason) == (entry["error"], reason)
    else:
        assert message.error is None


@pytest.mark.parametrize("vector", load("captured_ice.json")["vectors"], ids=lambda vector: str(vector["peer"]))
def test_what_real_ice_agents_sent_reads_and_verifies(vector: dict[str, Any]) -> None:
    message = Message.parse(bytes.fromhex(vector["hex"]))
    assert [f"0x{attribute.type:04x}" for attribute in message] == vector["attr_order"]
    assert message.fingerprint is Check.VALID
    if vector.get("MI_key") is None:
        assert not message.has_integrity(Integrity.SHA1)
    else:
        assert message.check(Integrity.SHA1, Key.short_term(vector["MI_key"])) is Check.VALID
    if "XOR-MAPPED-ADDRESS" in vector:
        assert message.mapped_address == (*vector["XOR-MAPPED-ADDRESS"], 0, 0)
    for name in ("USERNAME", "PRIORITY"):
        if name in vector:
            assert value_of(message, name) == vector[name]
    for name in ("ICE-CONTROLLED", "ICE-CONTROLLING"):
        if name in vector:
            assert value_of(message, name) == int(vector[name], 16)
    if "USE-CANDIDATE" in vector:
        assert value_of(message, "USE-CANDIDATE") is None
    unknown = [attribute for attribute in message if attribute.name is None and attribute.is_covered]
    assert [f"0x{attribute.type:04x}" for attribute in unknown] == vector["other_attrs"]
    assert all(attribute.decode() == attribute.value for attribute in unknown)


# Malformed ones -------------------------------------------------------------------------------------------------------

REASONS: dict[str, str | None] = {
    "error: not STUN / too short": "shorter than a STUN header",
    "error: not STUN (demux elsewhere; 0x4000-0x4FFF = ChannelData on a TURN path)": "the two top bits are set",
    "error: not RFC 8489 STUN (RFC 3489)": "the magic cookie is missing",
    "error: truncated": "disagrees with the number of bytes",
    "error: truncated (20+Length must not wrap u16)": "disagrees with the number of bytes",
    "error: datagram shorter than Length": "disagrees with the number of bytes",
    "error: Length not multiple of 4": "not a multiple of four",
    "error: FINGERPRINT must be last": "an attribute follows FINGERPRINT",
    "error or ignore; FINGERPRINT must be last": "an attribute follows FINGERPRINT",
    "error": None,
}


@pytest.mark.parametrize("vector", load("malformed.json")["vectors"], ids=lambda vector: str(vector["name"]))
def test_malformed_messages_get_the_reaction_that_they_deserve(vector: dict[str, Any]) -> None:
    data, expected = bytes.fromhex(vector["hex"]), vector["expect"]["decode"]
    assert len(data) == vector["length"]
    if expected in REASONS:
        with pytest.raises(ParseError, match=REASONS[expected]):
            Message.parse(data)
    elif expected.startswith("attribute error"):
        with pytest.raises(ParseError):
            _ = [attribute.decode() for attribute in Message.parse(data)]
        check_lenient_accessors(data)
    elif expected == "parse error, FINGERPRINT mismatch or MI invalid":
        try:
            message = Message.parse(data)
        except ParseError:
            return
        assert message.check(Integrity.SHA1, short_term(vector)) is Check.INVALID
        assert message.fingerprint is not Check.VALID
    elif expected == "FINGERPRINT mismatch":
        assert Message.parse(data).fingerprint is Check.INVALID
    else:
        check_well_formed(vector, Message.parse(data), expected)


def check_lenient_accessors(data: bytes) -> None:
    """What is malformed is not there, for those who ask for one thing."""
    try:
        message = Message.parse(data)
    except ParseError:
        return
    broken = {attribute.name for attribute in message if "malformed" in repr(attribute)}
    assert broken
    if "XOR-MAPPED-ADDRESS" in broken:
        assert message.mapped_address is None
    if "ERROR-CODE" in broken:
        assert message.error is None


VALUES: dict[str, list[object]] = {
    "ok, 0 attributes": [],
    "ok; padding ignored": ["abc"],
    "ok bytes; C API must carry length": ["al\0ice"],
    "bytes preserved; as text = error": [b"\xff\xfe\x80"],
    "ok, empty list": [()],
    "ok (first byte MUST be ignored)": [("192.0.2.9", 4660)],
    "ok (0.0.0.0:0)": [("0.0.0.0", 0)],
}
COUNTS = {"ok or error by documented limit; must be O(n)": 1000, "ok or limit error; O(n)": 16_383}
ERRORS = {
    "ok = 401 (21 reserved bits ignored, class is 3 bits)": (401, "", b""),
    "ok; trailing NULs trimmed for display only": (420, "Unknown Attribute", b"Unknown Attribute\0\0\0"),
}


def check_well_formed(vector: dict[str, Any], message: Message, expected: str) -> None:
    values = [attribute.decode() for attribute in message]
    assert len(values) == len(message) == len(message.attributes)
    if expected in ("ok", "ok (well-formed)"):
        check_named(vector, message)
    elif expected in VALUES:
        assert values[-1:] == VALUES[expected]
    elif expected in COUNTS:
        assert len(values) == COUNTS[expected]
    elif expected in ERRORS:
        assert message.error is not None
        raw = message.attributes[0].value[4:]
        assert (message.error.code, message.error.reason, raw) == ERRORS[expected]
    elif expected.startswith("ok on decode (763-byte decode limit"):
        assert [len(attribute.value) for attribute in message] == [763]
    else:
        check_appended(vector, message, expected)


def check_appended(vector: dict[str, Any], message: Message, expected: str) -> None:
    """What somebody has added behind the signature does not count, and the signature stays valid."""
    assert message.check(Integrity.SHA1, short_term(vector)) is Check.VALID
    if expected == "ok; effective LIFETIME = 600":
        assert value_of(message, "LIFETIME") == 600
        assert [a.is_covered for a in message if a.name == "LIFETIME"] == [True, False]
    else:
        assert expected == "ok; attribute after MI ignored", f"not understood: {expected}"
        assert message.find(0x7FFE) is None
        assert [a.is_covered for a in message if a.type == 0x7FFE] == [False]


def check_named(vector: dict[str, Any], message: Message) -> None:
    match vector["name"]:
        case "xor-mapped-duplicate-different" | "success-with-unknown-required":
            assert message.mapped_address == ("192.0.2.9", 4660)
        case "mapped-address-only":
            assert message.mapped_address is not None
            assert message.mapped_address == value_of(message, "MAPPED-ADDRESS")
        case "mi-and-mi-sha256-both-valid":
            assert message.check(Integrity.SHA1, short_term(vector)) is Check.VALID
            assert message.check(Integrity.SHA256, short_term(vector)) is Check.VALID
        case "mi-valid-sha256-invalid":
            assert message.check(Integrity.SHA1, short_term(vector)) is Check.VALID
            assert message.check(Integrity.SHA256, short_term(vector)) is Check.INVALID
        case "binding-indication-fingerprint-only":
            assert message.fingerprint is Check.VALID
        case "max-length-65532-real":
            assert len(bytes(message)) == 65_552
        case _ if "hmac_key_hex" in vector:
            assert message.check(Integrity.SHA1, short_term(vector)) is Check.VALID


@pytest.mark.parametrize("vector", load("malformed.json")["channel_data"], ids=lambda vector: str(vector["name"]))
def test_malformed_channel_data_gets_the_reaction_that_it_deserves(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    expected = {
        "cd-ok-udp-nopad": (0x4000, b"hello"),
        "cd-ok-padded": (0x4000, b"hello"),
        "cd-empty": (0x4000, b""),
        "cd-4fff": (0x4FFF, b"A"),
    }
    if vector["expect"].startswith("discard"):
        with pytest.raises(ParseError):
            ChannelData.parse(data)
        assert classify(data) is not Protocol.CHANNEL_DATA
        return
    message = ChannelData.parse(data)
    assert (message.channel, message.data) == expected[vector["name"]]
    assert classify(data) is Protocol.CHANNEL_DATA
    assert ChannelData.parse(message.to_bytes(is_stream=True), is_stream=True) == message


# Facts ----------------------------------------------------------------------------------------------------------------


def test_message_types_are_those_computed_from_the_rfc() -> None:
    methods = {method_name(method): method for method in range(0x1000)}
    for name, expected in load("facts.json")["message_types"].items():
        method, message_class = name.split("/")
        built = bytes(MessageBuilder(CLASSES[message_class], methods[method], bytes(12)))
        assert f"0x{built[:2].hex()}" == expected, name


def test_every_method_and_class_survives_a_round_trip() -> None:
    for method in range(0x1000):
        for message_class in MessageClass:
            message = Message.parse(bytes(MessageBuilder(message_class, method, bytes(12))))
            assert (message.message_class, message.method) == (message_class, method)


def test_a_fingerprint_is_the_one_computed_from_the_rfc() -> None:
    for example in load("facts.json")["crc32"]["empty_binding_fingerprint"]:
        transaction_id = bytes.fromhex(example["transaction_id"])
        built = MessageBuilder(MessageClass.REQUEST, 1, transaction_id).add_fingerprint()
        assert bytes(built).hex() == example["message"]


def test_long_term_keys_are_the_ones_computed_from_the_rfc() -> None:
    for entry in load("facts.json")["keys"]:
        credential = (entry["username"], entry["realm"], entry["password"])
        for key, derived in (
            (Key.long_term_md5(*credential), bytes.fromhex(entry["md5"])),
            (Key.long_term_sha256(*credential), bytes.fromhex(entry["sha256"])),
        ):
            signed = bytes(MessageBuilder(MessageClass.REQUEST, 1, bytes(12)).sign(Integrity.SHA256, key))
            assert signed[24:] == hmac.new(derived, signed[:20], hashlib.sha256).digest()


def test_hostile_nonces_are_kept_and_echoed_byte_for_byte() -> None:
    file, nonce_type = load("nonce_cookie.json"), attribute_type("NONCE")
    nonces = [(row["prefix"].encode(), "cookie") for row in file["rows"]]
    for row in file["hostile"]:
        if "nonce_hex" in row:
            nonces.append((bytes.fromhex(row["nonce_hex"]), row["expect"]))
        elif "nonce_utf8" in row:
            nonces.append((row["nonce_utf8"].encode(), row["expect"]))
        else:
            nonces.append((b"n" * row["nonce_len"], row["expect"]))
    assert len(nonces) == 16
    for nonce, expected in nonces:
        message = Message.parse(bytes(MessageBuilder(MessageClass.REQUEST, 3).add(nonce_type, nonce)))
        found = message.find(nonce_type)
        assert found is not None
        assert found.value == nonce
        if expected.startswith("reject / ignore"):
            with pytest.raises(ParseError, match="NONCE: not a length"):
                found.decode()
            continue
        value = found.decode()
        assert isinstance(value, str | bytes)
        assert bytes(MessageBuilder(MessageClass.REQUEST, 3).add(nonce_type, value))[20:] == message.data[20:]


def test_an_error_code_matches_by_code_and_reason() -> None:
    message = Message.parse(bytes(MessageBuilder(MessageClass.ERROR_RESPONSE, 1).add_error(401)))
    match message.error:
        case ErrorCode(401, reason):
            assert reason == "Unauthenticated"
        case other:
            pytest.fail(f"no match: {other}")
