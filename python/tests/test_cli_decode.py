"""`libstun decode` of single messages: the vectors of the RFCs, nested and malformed ones, any bytes at all."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import libstun
from cli_support import ANSWER, REQUEST, VECTORS, vector, vectors
from libstun import Integrity, Key, MessageBuilder, MessageClass
from libstun.cli import main
from libstun.cli.describe import describe
from libstun.cli.inputs import from_hex
from libstun.cli.keys import REMEMBERED, Keys

PEER = ("198.51.100.7", 9000)


def decode(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code and what is printed, on which nothing was complained."""
    code = main(["decode", *arguments])
    out, err = capsys.readouterr()
    assert err == ""
    return code, out


def decode_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code, out = decode(capsys, "--json", *arguments)
    return code, json.loads(out)


def attributes(facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in facts["attributes"]}


def parse_error(data: bytes) -> str | None:
    """What is wrong with the packet, as the library says it."""
    try:
        if data[0] >> 4 == 4:
            libstun.ChannelData.parse(data)
        else:
            libstun.Message.parse(data)
    except libstun.ParseError as error:
        return str(error)
    return None


def indication(method: int, payload: bytes) -> bytes:
    builder = MessageBuilder(MessageClass.INDICATION, method, bytes(12))
    builder.add_address(libstun.attribute_type("XOR-PEER-ADDRESS"), PEER)
    return bytes(builder.add(libstun.attribute_type("DATA"), payload))


def test_the_tree_of_a_message_is_this(capsys: pytest.CaptureFixture[str]) -> None:
    one = vector("rfc5769-2.1-request")
    code, out = decode(capsys, "--password", one["password"], one["hex"])
    assert code == 0
    assert out == (
        "Binding request  108 bytes\n"
        "├─ transaction        b7e7a701bc34d686fa87dfae\n"
        '├─ SOFTWARE           "STUN test client"  0x8022, at 20, 16 bytes, optional, covered\n'
        "├─ PRIORITY           1845494271  0x0024, at 40, 4 bytes, required, covered\n"
        "├─ ICE-CONTROLLED     0x932ff9b151263b36  0x8029, at 48, 8 bytes, optional, covered\n"
        '├─ USERNAME           "evtj:h6vY"  0x0006, at 60, 9 bytes, required, covered\n'
        "├─ MESSAGE-INTEGRITY  valid (short-term) 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
        "  0x0008, at 76, 20 bytes, required, not covered\n"
        "└─ FINGERPRINT        valid 0xe57a3bcf  0x8028, at 100, 4 bytes, optional, not covered\n"
    )


@pytest.mark.parametrize("one", vectors("rfc5769.json"), ids=lambda one: one["name"])
def test_vectors_of_rfc_5769_decode_as_the_rfc_says(one: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    password = one.get("password") or one.get("password_prepared")
    options = ["--password", password] if password else []
    code, facts = decode_json(capsys, *options, one["hex"])
    found = attributes(facts)
    expected = one["expect"]
    assert code == (1 if "invalid" in expected.values() else 0)
    for name in ("SOFTWARE", "USERNAME", "PRIORITY", "XOR-MAPPED-ADDRESS", "REALM", "NONCE"):
        if name in expected:
            assert found[name]["value"] == expected[name]
    if password:
        assert found["MESSAGE-INTEGRITY"]["check"] == expected["MESSAGE-INTEGRITY"]
    if "FINGERPRINT" in expected:
        assert found.get("FINGERPRINT", {"check": "absent"})["check"] == expected["FINGERPRINT"]


def test_a_long_term_credential_is_found_by_the_names_in_the_message(capsys: pytest.CaptureFixture[str]) -> None:
    one = vector("rfc5769-2.4-longterm-request")
    _, facts = decode_json(capsys, "--password", "TheMatrIX", one["hex"])
    signature = attributes(facts)["MESSAGE-INTEGRITY"]
    assert (signature["check"], signature["credential"]) == ("valid", "long-term, MD5")


def test_a_username_that_only_its_hash_names_comes_from_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    one = next(one for one in vectors("rfc8489_b1.json") if one["name"] == "rfc8489-B.1-corrected")
    code, facts = decode_json(capsys, "--password", "TheMatrIX", "--user", one["username"], one["hex"])
    signature = attributes(facts)["MESSAGE-INTEGRITY-SHA256"]
    assert (code, signature["check"], signature["credential"]) == (0, "valid", "long-term, SHA-256")
    code, facts = decode_json(capsys, "--password", "TheMatrIX", one["hex"])
    assert (code, attributes(facts)["MESSAGE-INTEGRITY-SHA256"]["check"]) == (1, "invalid")


def test_a_wrong_password_is_said_with_what_was_tried(capsys: pytest.CaptureFixture[str]) -> None:
    one = vector("rfc5769-2.4-longterm-request")
    code, out = decode(capsys, "--password", "wrong", one["hex"])
    assert code == 1
    assert "INVALID (tried long-term, MD5 or long-term, SHA-256 or short-term)" in out


def test_without_a_password_signatures_are_not_checked_and_that_is_no_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out = decode(capsys, vector("rfc5769-2.1-request")["hex"])
    assert code == 0
    assert "not checked (needs --password)" in out


def test_a_password_may_come_from_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = vector("rfc5769-2.1-request")
    monkeypatch.setenv("LIBSTUN_PASSWORD", one["password"])
    assert "valid (short-term)" in decode(capsys, one["hex"])[1]
    assert decode(capsys, "--password", "another", one["hex"])[0] == 1


def test_a_password_is_asked_for_at_the_terminal_and_not_shown() -> None:
    one = vector("rfc5769-2.1-request")
    terminal, other = pty.openpty()
    command = [sys.executable, "-m", "libstun", "decode", "--password", "-", one["hex"]]
    with subprocess.Popen(command, stdin=other, stdout=other, stderr=other, start_new_session=True) as process:
        os.close(other)
        shown = b""
        with contextlib.suppress(OSError):  # when the other end is closed
            while part := os.read(terminal, 65536):
                shown += part
                if shown.endswith(b"Password: "):
                    os.write(terminal, one["password"].encode() + b"\n")
        os.close(terminal)
        assert process.wait(120) == 0
    assert b"valid" in shown
    assert one["password"].encode() not in shown


def test_without_a_terminal_nobody_can_be_asked() -> None:
    command = [sys.executable, "-m", "libstun", "decode", "--password", "-", REQUEST.hex()]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, start_new_session=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == b"libstun: --password - needs a terminal: without one use LIBSTUN_PASSWORD\n"


def test_a_truncated_signature_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    key = Key.short_term("s3cret")
    message = bytes(MessageBuilder(MessageClass.REQUEST, 1, bytes(12)).sign(Integrity.SHA256, key, length=16))
    _, facts = decode_json(capsys, "--password", "s3cret", message.hex())
    signature = attributes(facts)["MESSAGE-INTEGRITY-SHA256"]
    assert (signature["length"], signature["check"]) == (16, "valid")


@pytest.mark.parametrize(
    "text",
    [
        REQUEST.hex(),
        REQUEST.hex().upper(),
        REQUEST.hex(" "),
        REQUEST.hex(":"),
        "0x" + REQUEST.hex(),
        ", ".join(f"0x{byte:02x}" for byte in REQUEST),
        "".join(f"\\x{byte:02x}" for byte in REQUEST),
        REQUEST.hex("\n", 4),
    ],
)
def test_hexadecimal_may_be_written_in_many_ways(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, facts = decode_json(capsys, text)
    assert facts["transaction_id"] == REQUEST[8:].hex()


def test_hexadecimal_may_be_several_words(capsys: pytest.CaptureFixture[str]) -> None:
    _, facts = decode_json(capsys, *REQUEST.hex(" ").split())
    assert facts["transaction_id"] == REQUEST[8:].hex()


@pytest.mark.parametrize("content", [ANSWER, ANSWER.hex().encode(), ANSWER.hex(":", 2).encode() + b"\r\n"])
def test_a_file_may_be_binary_or_hexadecimal(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "message"
    file.write_bytes(content)
    _, facts = decode_json(capsys, str(file))
    assert attributes(facts)["XOR-MAPPED-ADDRESS"]["value"] == "203.0.113.9:4242"


def test_the_standard_input_is_read_where_the_word_is_a_dash() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "libstun", "decode", "--json", "-"],
        input=ANSWER,
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert json.loads(done.stdout)["class"] == "success-response"


def test_an_empty_file_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "message"
    file.write_bytes(b"\n")
    assert main(["decode", str(file)]) == 1
    assert capsys.readouterr().err == f"libstun: {file}: empty\n"


def test_a_folder_is_neither_a_file_nor_hexadecimal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("decode", "trace"):
        assert main([command, str(tmp_path)]) == 1
        assert capsys.readouterr().err == f"libstun: {tmp_path}: is a directory\n"


@pytest.mark.parametrize("command", ["decode", "trace"])
def test_a_file_that_is_not_there_is_said_the_same_way_everywhere(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "nosuch.pcap"]) == 1
    assert capsys.readouterr().err == "libstun: nosuch.pcap: no such file\n"


def test_hexadecimal_with_a_mistake_is_no_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "0001", "00g0"]) == 1
    assert capsys.readouterr().err == "libstun: 0001 00g0: neither a file nor hexadecimal\n"


def test_what_is_longer_than_a_message_can_be_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "program"
    file.write_bytes(b"\x7fELF" + bytes(65_552))
    assert main(["decode", str(file)]) == 1
    assert "neither a capture nor a message, which has at most 65555 bytes" in capsys.readouterr().err
    file.write_bytes(b"\x7fELF" + bytes(65_551))
    main(["decode", str(file)])
    assert capsys.readouterr().out.startswith("QUIC  65555 bytes\n")


def test_one_byte_is_one_byte(capsys: pytest.CaptureFixture[str]) -> None:
    _, out = decode(capsys, indication(6, b"x").hex())
    assert "1 bytes" not in out
    assert "1 byte of payload" in out
    main(["decode", "00"])
    assert "1 byte; the header alone has 20" in capsys.readouterr().out


def test_what_hostile_names_leave_behind_is_bounded() -> None:
    keys = Keys("s3cret", realm="example.org")
    for number in range(3 * REMEMBERED):
        builder = MessageBuilder(MessageClass.REQUEST, 1, bytes(12)).add(6, f"user {number}")
        message = libstun.Message.parse(bytes(builder.sign(Integrity.SHA1, Key.short_term("x"))))
        keys.check(message, number)
    assert len(keys._known) == len(keys._cache) == REMEMBERED


def test_stun_inside_data_is_decoded_one_level_deeper(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = decode(capsys, indication(7, ANSWER).hex())
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("Data indication")
    nested = next(line for line in lines if "Binding success response" in line)
    assert nested.startswith("   └─ carries ")
    assert any("XOR-MAPPED-ADDRESS" in line and line.startswith("      ") for line in lines)
    _, facts = decode_json(capsys, indication(6, ANSWER).hex())
    assert attributes(attributes(facts)["DATA"]["payload"])["XOR-MAPPED-ADDRESS"]["value"] == "203.0.113.9:4242"


@pytest.mark.parametrize(
    ("payload", "protocol"),
    [(bytes([22, 254, 253]) + bytes(20), "dtls"), (bytes([0x80, 96]) + bytes(20), "rtp"), (b"hello", "unknown")],
)
def test_what_a_payload_is_is_said(payload: bytes, protocol: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert libstun.classify(payload) == protocol
    code, facts = decode_json(capsys, indication(6, payload).hex())
    carried = attributes(facts)["DATA"]["payload"]
    assert (code, carried["protocol"], carried["hex"]) == (0, protocol, payload.hex())
    _, facts = decode_json(capsys, libstun.ChannelData(0x4001, payload).to_bytes().hex())
    assert (facts["channel"], facts["payload"]["protocol"]) == (0x4001, protocol)


def test_messages_nested_without_end_are_followed_only_so_far(capsys: pytest.CaptureFixture[str]) -> None:
    message = ANSWER
    for _ in range(50):
        message = indication(6, message)
    code, out = decode(capsys, message.hex())
    assert code == 0
    assert out.count("Send indication") == 5


def test_an_unknown_attribute_is_shown_by_number_and_in_hexadecimal(capsys: pytest.CaptureFixture[str]) -> None:
    message = bytes(MessageBuilder(MessageClass.REQUEST, 1, bytes(12)).add(0x7FFE, b"\x01\xff\x02"))
    code, out = decode(capsys, message.hex())
    assert code == 0
    assert "└─ 0x7ffe       01ff02  at 20, 3 bytes, required\n" in out


def test_an_unknown_method_is_shown_by_number(capsys: pytest.CaptureFixture[str]) -> None:
    message = bytes(MessageBuilder(MessageClass.REQUEST, 0x0FE, bytes(12)))
    _, out = decode(capsys, message.hex())
    assert out.startswith("method 0x0fe request")


def test_an_attribute_with_an_impossible_value_is_shown_and_does_not_stop_the_rest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    builder = MessageBuilder(MessageClass.SUCCESS_RESPONSE, 1, bytes(12))
    message = bytes(builder.add(libstun.attribute_type("XOR-MAPPED-ADDRESS"), b"\x00\x09ab").add(0x8022, "after"))
    code, facts = decode_json(capsys, message.hex())
    found = attributes(facts)
    assert code == 1
    assert found["XOR-MAPPED-ADDRESS"]["error"]
    assert found["XOR-MAPPED-ADDRESS"]["hex"] == "00096162"
    assert found["SOFTWARE"]["value"] == "after"


def test_a_message_that_is_cut_off_is_shown_up_to_there(capsys: pytest.CaptureFixture[str]) -> None:
    full = bytes.fromhex(vector("rfc5769-2.1-request")["hex"])
    code, facts = decode_json(capsys, full[:70].hex())
    assert code == 1
    assert facts["error"] == "the message length disagrees with the number of bytes"
    assert [one["name"] for one in facts["attributes"]] == ["SOFTWARE", "PRIORITY", "ICE-CONTROLLED"]
    assert facts["stopped"] == "USERNAME (0x0006) at 60 says it has 9 bytes, and 6 are left"
    _, out = decode(capsys, full[:70].hex())
    assert "malformed: the message length disagrees" in out


def test_a_message_of_rfc_3489_is_shown_and_called_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    old = bytes.fromhex("0001000800112233445566778899aabbccddeeff0003000400000006")
    code, facts = decode_json(capsys, old.hex())
    assert code == 1
    assert "magic cookie is missing" in facts["error"]
    assert facts["transaction_id"] == "00112233445566778899aabbccddeeff"
    assert attributes(facts)["CHANGE-REQUEST"]["value"] == {"change_ip": True, "change_port": True}


def test_a_second_signature_of_the_same_kind_is_not_checked() -> None:
    once = bytearray.fromhex(vector("rfc5769-2.2-ipv4-response")["hex"])
    signature = once[48:72]
    twice = once[:72] + signature
    twice[2:4] = (len(twice) - 20).to_bytes(2, "big")
    facts = describe(bytes(twice), Keys("VOkJxbRl1RmTxUk/WvJxBt"))
    checks = [one.verdict for one in facts.attributes if one.name == "MESSAGE-INTEGRITY"]
    assert len(checks) == 2
    assert checks[0] is not None
    assert checks[1] is None


def test_values_have_their_units_and_words(capsys: pytest.CaptureFixture[str]) -> None:
    builder = MessageBuilder(MessageClass.ERROR_RESPONSE, 3, bytes(12)).add_error(438)
    for name, value in (
        ("LIFETIME", bytes([0, 0, 2, 88])),
        ("REQUESTED-TRANSPORT", bytes([17, 0, 0, 0])),
        ("CHANNEL-NUMBER", bytes([0x40, 1, 0, 0])),
        ("EVEN-PORT", bytes([0x80])),
        ("DONT-FRAGMENT", b""),
        ("UNKNOWN-ATTRIBUTES", bytes([0, 0x24, 0x7F, 0xFF])),
        ("PASSWORD-ALGORITHMS", bytes([0, 2, 0, 0, 0, 1, 0, 0])),
        ("CHANGE-REQUEST", bytes([0, 0, 0, 6])),
        ("REQUESTED-ADDRESS-FAMILY", bytes([2, 0, 0, 0])),
        ("ADDRESS-ERROR-CODE", bytes([2, 0, 4, 40])),
        ("CONNECTION-ID", bytes([0, 0, 1, 2])),
        ("ICMP", bytes([0, 0, 3, 1, 0, 0, 0, 0])),
        ("RESERVATION-TOKEN", bytes(range(8))),
    ):
        builder.add(libstun.attribute_type(name), value)
    _, out = decode(capsys, bytes(builder).hex())
    shown = {
        line[3:].split("  ")[0]: line[3:].split("  ", 1)[1].strip().split("  ")[0] for line in out.splitlines()[1:]
    }
    assert shown["ERROR-CODE"].startswith("438 ")
    assert shown["LIFETIME"] == "600 s"
    assert shown["REQUESTED-TRANSPORT"] == "UDP"
    assert shown["CHANNEL-NUMBER"] == "0x4001"
    assert shown["EVEN-PORT"] == "reserve the next port"
    assert shown["DONT-FRAGMENT"] == "present"
    assert shown["UNKNOWN-ATTRIBUTES"] == "PRIORITY, 0x7fff"
    assert shown["PASSWORD-ALGORITHMS"] == "SHA-256, MD5"
    assert shown["CHANGE-REQUEST"] == "answer from another IP and port"
    assert shown["REQUESTED-ADDRESS-FAMILY"] == "IPv6"
    assert shown["ADDRESS-ERROR-CODE"] == "IPv6: 440 (Address Family not Supported)"
    assert shown["CONNECTION-ID"] == "0x00000102"
    assert shown["ICMP"] == "type 3, code 1"
    assert shown["RESERVATION-TOKEN"] == "0001020304050607"


def test_text_from_the_network_cannot_move_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    message = MessageBuilder(MessageClass.REQUEST, 1, bytes(12)).add(0x8022, "\x1b[2J\x9b1m\u202etxt\n├─ fake")
    _, out = decode(capsys, bytes(message).hex())
    assert not set(out) & {"\x1b", "\x9b", "\u202e"}
    assert len(out.splitlines()) == 3


def test_json_cannot_move_the_terminal_either_and_keeps_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    text = "\x1b[2J\x9b1m\u202etxt\u2028\x7fマ😀"
    message = MessageBuilder(MessageClass.REQUEST, 1, bytes(12)).add(0x8022, text)
    _, out = decode(capsys, "--json", bytes(message).hex())
    assert out.rstrip("\n").isprintable()
    assert out.isascii()
    assert attributes(json.loads(out))["SOFTWARE"]["value"] == text


@pytest.mark.parametrize(
    "one", json.loads((VECTORS / "malformed.json").read_text("utf-8"))["vectors"], ids=lambda one: one["name"]
)
def test_adversarial_messages_are_shown_without_a_traceback(
    one: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "message.bin"
    file.write_bytes(bytes.fromhex(one["hex"]))
    code = main(["decode", "--json", "--password", "x", str(file)])
    out, err = capsys.readouterr()
    assert code in (0, 1)
    assert err.count("\n") <= 1
    assert bool(out) == bool(one["hex"])
    if out:
        assert json.loads(out).get("error") == parse_error(bytes.fromhex(one["hex"]))


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_described(data: bytes) -> None:
    for content in (data, b"\x01\x01" + len(data).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12) + data):
        facts = describe(content, Keys("password"))
        json.dumps(facts.as_json(), default=bytes.hex)
        assert facts.is_flawless or facts.error or any(one.error or one.verdict for one in facts.attributes)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_change_to_a_message_is_shown_without_a_traceback(data: st.DataObject) -> None:
    message = bytearray.fromhex(vector("rfc5769-2.4-longterm-request")["hex"])
    for _ in range(data.draw(st.integers(1, 6))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(1, len(message)))
    output, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", output)
        patch.setattr(sys, "stderr", errors)
        code = main(["decode", "--password", "TheMatrIX", message[:end].hex()])
    assert code in (0, 1)
    assert output.getvalue()
    assert errors.getvalue() == ""


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60).filter(lambda text: text != "-"))
def test_any_text_is_a_file_hexadecimal_or_an_error_of_one_line(text: str) -> None:
    output, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", output)
        patch.setattr(sys, "stderr", errors)
        code = main(["decode", "--", text])
    assert code in (0, 1)
    if errors.getvalue():
        assert errors.getvalue().count("\n") == 1
    else:
        assert from_hex(text.encode("utf-8", "replace")) is not None or Path(text).exists()
