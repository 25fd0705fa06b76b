#!/usr/bin/env python3
"""Turns tests/vectors/*.json into the flat text that tests/c/vectors.c reads. Standard library only.

Every message is read by the small decoder below, which shares nothing with the library: a second opinion.
Where the JSON says what to expect, the two must agree here already.

    make_vectors.py <folder of the JSON files> <output>
"""
import hashlib
import hmac
import json
import os
import struct
import sys
import zlib

COOKIE = 0x2112A442
SHA1, SHA256, FINGERPRINT, ERROR_CODE, NONCE = 0x0008, 0x001C, 0x8028, 0x0009, 0x0015
XORED, PLAIN = {0x0020, 0x0012, 0x0016}, {0x0001, 0x8023, 0x802B, 0x802C}
ABSENT, VALID, INVALID = "absent", "valid", "invalid"
CLASSES = ["request", "indication", "success", "error"]
MAX_REBUILT = 1000  # each call of a builder reads its message again

OUT = []


def expect(condition, *what):
    if not condition:
        sys.exit(f"disagrees with the vectors: {what}")


def hexed(data):
    return data.hex() or "-"


class Message:
    """A decoder of RFC 8489 s5, s14 in as few lines as possible."""

    def __init__(self, data):
        self.data, self.attributes, self.marks = data, [], {}
        self.verdict = self.parse()

    def parse(self):
        data = self.data
        if len(data) < 20 or data[0] & 0xC0 or struct.unpack("!I", data[4:8])[0] != COOKIE:
            return "ignored"
        kind, length = struct.unpack("!HH", data[:4])
        self.cls = kind >> 4 & 1 | kind >> 7 & 2
        self.method = kind & 0xF | kind >> 1 & 0x70 | kind >> 2 & 0xF80
        self.id = data[8:20]
        if length % 4 or length != len(data) - 20:
            return "invalid"
        return "ok" if self.walk() else "invalid"

    def walk(self):
        at = 20
        while at < len(self.data):
            if FINGERPRINT in self.marks or at + 4 > len(self.data):
                return False
            kind, length = struct.unpack("!HH", self.data[at:at + 4])
            end = at + 4 + length + -length % 4
            if end > len(self.data) or not self.mark(kind, at, length):
                return False
            self.attributes.append((kind, at, self.data[at + 4:at + 4 + length], self.data[at + 4 + length:end]))
            at = end
        return True

    def mark(self, kind, at, length):
        counts = {SHA1: not self.marks, SHA256: SHA256 not in self.marks, FINGERPRINT: True}.get(kind, False)
        if not counts:
            return True
        self.marks[kind] = at
        return {SHA1: length == 20, SHA256: length in (16, 20, 24, 28, 32), FINGERPRINT: length == 4}[kind]

    def covered_end(self):
        seals = [at for kind, at in self.marks.items() if kind != FINGERPRINT]
        return min(seals) if seals else self.marks.get(FINGERPRINT, len(self.data))

    def value(self, kind):
        at = self.marks.get(kind)
        return next((value for _, start, value, _ in self.attributes if start == at), None)

    def hashed(self, kind, size):
        at = self.marks[kind]
        return self.data[:2] + struct.pack("!H", at - 20 + 4 + size) + self.data[4:at]

    def check(self, kind, key, least=0):
        value = self.value(kind)
        if value is None:
            return ABSENT
        digest = hashlib.sha1 if kind == SHA1 else hashlib.sha256
        full = 20 if kind == SHA1 else 32
        mac = hmac.new(key, self.hashed(kind, len(value)), digest).digest()
        return VALID if len(value) >= (least or full) and mac[:len(value)] == value else INVALID

    def fingerprint(self):
        value = self.value(FINGERPRINT)
        if value is None:
            return ABSENT
        crc = zlib.crc32(self.hashed(FINGERPRINT, 4)) ^ 0x5354554E
        return VALID if struct.pack("!I", crc) == value else INVALID

    def find(self, kind):
        end = self.covered_end()
        return next((value for ty, at, value, _ in self.attributes if ty == kind and at < end), None)

    def address(self, kind):
        """(family, port, ip), "bad", or None."""
        value = self.find(kind)
        if value is None:
            return None
        if len(value) < 4 or {1: 8, 2: 20}.get(value[1]) != len(value):
            return "bad"
        mask = self.data[4:20] if kind in XORED else bytes(16)
        port = struct.unpack("!H", value[2:4])[0] ^ struct.unpack("!H", mask[:2])[0]
        return {1: 4, 2: 6}[value[1]], port, bytes(a ^ b for a, b in zip(value[4:], mask))

    def error(self):
        value = self.find(ERROR_CODE)
        if value is None:
            return None
        if not 4 <= len(value) <= 4 + 763 or not 3 <= value[2] & 7 <= 6 or value[3] > 99:
            return "bad"
        return (value[2] & 7) * 100 + value[3], value[4:]

    def can_be_rebuilt(self, key):
        seals = [kind for kind, _, _, _ in self.attributes if kind in (SHA1, SHA256, FINGERPRINT)]
        last = [kind for kind, _, _, _ in self.attributes][len(self.attributes) - len(seals):]
        in_order = seals == last == sorted(set(seals))
        signed = all(self.check(kind, key, 16) != INVALID for kind in (SHA1, SHA256)) and self.fingerprint() != INVALID
        padded = all(not any(padding) for _, _, _, padding in self.attributes)
        return in_order and signed and padded and len(self.attributes) <= MAX_REBUILT


def emit(name, data, key=b"no key", more_keys=()):
    """Writes one message with everything that can be asked about it; returns it for more questions."""
    message = Message(data)
    OUT.append(f"message {name.replace(' ', '_')}")
    OUT.append(f"hex {hexed(data)}")
    OUT.append(f"parse {message.verdict}")
    if message.verdict == "ok":
        emit_content(message)
        for each in (key, *more_keys):
            OUT.append(f"check sha1 {hexed(each)} 0 {message.check(SHA1, each)}")
            OUT.append(f"check sha256 {hexed(each)} 0 {message.check(SHA256, each)}")
            OUT.append(f"check sha256 {hexed(each)} 16 {message.check(SHA256, each, 16)}")
        if message.can_be_rebuilt(key):
            OUT.append(f"rebuild {hexed(key)}")
    OUT.append("end")
    return message


def emit_content(message):
    end = message.covered_end()
    OUT.append(f"head {message.cls} {message.method} {message.id.hex()} {end} {message.fingerprint()}")
    for kind, at, value, _ in message.attributes:
        OUT.append(f"attr {kind} {at} {int(at < end)} {hexed(value)}")
    OUT.append(f"attrs {len(message.attributes)}")
    for kind in sorted(XORED | PLAIN):
        address = message.address(kind)
        if address == "bad":
            OUT.append(f"address {kind} bad 0 -")
        elif address:
            OUT.append(f"address {kind} {address[0]} {address[1]} {hexed(address[2])}")
    error = message.error()
    if error == "bad":
        OUT.append("error bad -")
    elif error:
        OUT.append(f"error {error[0]} {hexed(error[1])}")


def socket_address(text):
    """"192.0.2.1:80" or "[::1]:80" as the decoder gives it."""
    import ipaddress
    ip, port = text.rsplit(":", 1)
    ip = ipaddress.ip_address(ip.strip("[]"))
    return ip.version, int(port), ip.packed


def rfc5769(file):
    for vector in file["vectors"]:
        name, key, wanted = vector["name"], bytes.fromhex(vector["hmac_key_hex"]), vector["expect"]
        more = []
        if "password_raw" in vector:
            text = ":".join([vector["username"], vector["realm"], vector["password_raw"]])
            more.append(hashlib.md5(text.encode()).digest())
        message = emit(name, bytes.fromhex(vector["hex"]), key, more)
        expect(message.verdict == "ok", name)
        expect(message.check(SHA1, key) == wanted["MESSAGE-INTEGRITY"], name)
        expect(message.fingerprint() == wanted.get("FINGERPRINT", message.fingerprint()), name)
        if "class" in wanted:
            expect((CLASSES[message.cls], message.method) == (wanted["class"], 1), name)
        if "XOR-MAPPED-ADDRESS" in wanted:
            expect(message.address(0x20) == socket_address(wanted["XOR-MAPPED-ADDRESS"]), name)


def rfc8489_b1(file):
    for vector in file["vectors"]:
        name, key, wanted = vector["name"], bytes.fromhex(vector["hmac_key_hex"]), vector["expect"]
        message = emit(name, bytes.fromhex(vector["hex"]), key)
        seal = wanted["MESSAGE-INTEGRITY-SHA256"]
        if wanted.get("parse", "").startswith("error") or seal.startswith("malformed"):
            expect(message.verdict == "invalid", name)
        elif seal in (VALID, INVALID):
            expect(message.check(SHA256, key) == seal, name)
        else:
            full = VALID if seal.endswith(VALID) else INVALID
            expect((message.check(SHA256, key), message.check(SHA256, key, 16)) == (full, VALID), name)


def captured_servers(file):
    login = file["credentials"]
    login = ":".join([login["username"], login["realm"], login["password"]])
    for server, entries in file["servers"].items():
        for entry in entries:
            name = f"{server}/{entry['name']}"
            emit(name + "/request", bytes.fromhex(entry["request"]))
            if entry.get("response") is None:
                continue
            key = bytes.fromhex(entry["hmac_key_hex"]) if "hmac_key_hex" in entry else b"no key"
            message = emit(name + "/response", bytes.fromhex(entry["response"]), key, [hashlib.md5(login.encode()).digest()])
            if message.verdict == "ok":
                agrees_with_capture(name, message, entry, key)
            else:
                expect("rfc3489" in name, name)


def agrees_with_capture(name, message, entry, key):
    expect([[f"0x{kind:04x}", value.hex()] for kind, _, value, _ in message.attributes] == entry["response_attrs"], name)
    expect(message.check(SHA1, key) == (VALID if entry["has_integrity"] else ABSENT), name)
    expect(message.fingerprint() == (VALID if entry["has_fingerprint"] else ABSENT), name)
    for field, kind in (("xor_mapped", 0x20), ("xor_relayed", 0x16)):
        expect(message.address(kind) == (socket_address(entry[field]) if field in entry else None), name, field)
    error = message.error()
    expect((error and error[0]) == entry.get("error"), name)
    expect((error and error[1].hex()) == entry.get("reason_hex"), name)


def captured_ice(file):
    for number, vector in enumerate(file["vectors"]):
        key = (vector["MI_key"] or "no key").encode()
        message = emit(f"ice-{number}-{vector['peer']}", bytes.fromhex(vector["hex"]), key)
        expect([f"0x{kind:04x}" for kind, _, _, _ in message.attributes] == vector["attr_order"], number)
        expect(message.check(SHA1, key) == (VALID if vector["MI_key"] else ABSENT), number)
        expect(message.fingerprint() == VALID, number)


def malformed(file):
    for vector in file["vectors"]:
        name, wanted = vector["name"], vector["expect"]["decode"]
        key = bytes.fromhex(vector.get("hmac_key_hex", b"no key".hex()))
        message = emit(name, bytes.fromhex(vector["hex"]), key)
        got = message.verdict
        if wanted.startswith(("error: not STUN", "error: not RFC")):
            expect(got == "ignored", name)
        elif wanted.startswith("error"):
            expect(got == "invalid", name)
        elif wanted.startswith("parse error"):
            expect(got != "ok" or message.check(SHA1, key) != VALID, name)
        elif wanted == "FINGERPRINT mismatch":
            expect(message.fingerprint() == INVALID, name)
        elif wanted.startswith("attribute error"):
            seal = got == "invalid" and name.startswith(("FINGERPRINT", "MESSAGE-INTEGRITY"))
            spoilt = "bad" in (message.address(0x20), message.error()) if name.startswith(("xor-", "error-")) else True
            expect(seal or got == "ok" and spoilt, name)
        else:
            expect(got == "ok" and wanted.startswith(("ok", "bytes preserved")), name)
    for vector in file["channel_data"]:
        channel_data(vector["name"], bytes.fromhex(vector["hex"]), vector["expect"])


def channel_data(name, data, wanted):
    number, length = struct.unpack("!HH", data[:4]) if len(data) >= 4 else (0, 0)
    rest = len(data) - 4 - length
    for is_stream, room in ((0, range(4)), (1, [-length % 4])):
        fits = 0x4000 <= number <= 0x4FFF and rest in room
        expect(is_stream or fits == wanted.startswith("ok"), name)
        OUT.append(f"channel {name} {is_stream} {hexed(data)} " + (f"{number} {hexed(data[4:4 + length])}" if fits else "0 none"))


def nonce_cookie(file):
    nonces = [row["prefix"].encode() for row in file["rows"]]
    for row in file["hostile"]:
        if "nonce_hex" in row:
            nonces.append(bytes.fromhex(row["nonce_hex"]))
        elif "nonce_utf8" in row:
            nonces.append(row["nonce_utf8"].encode())
        else:
            nonces.append(b"n" * row["nonce_len"])
    OUT.extend(f"echo {NONCE} {hexed(nonce)}" for nonce in nonces)


def facts(file):
    for name, number in file["message_types"].items():
        method, cls = name.split("/")
        OUT.append(f"type {method} {CLASSES.index(cls)} {int(number, 16)}")
    for row in file["keys"]:
        parts = [row[part].encode() for part in ("username", "realm", "password")]
        expect(hashlib.md5(b":".join(parts)).hexdigest() == row["md5"], row)
        expect(hashlib.sha256(b":".join(parts)).hexdigest() == row["sha256"], row)
        for kind, name in ((1, "md5"), (2, "sha256")):
            OUT.append(f"key {kind} {' '.join(hexed(part) for part in parts)} {row[name]}")
    expect(f"{zlib.crc32(b'123456789'):08x}" == file["crc32"]["check_123456789"], "crc32")
    for row in file["crc32"]["empty_binding_fingerprint"]:
        message = emit("empty-binding-fingerprint", bytes.fromhex(row["message"]))
        expect(message.fingerprint() == VALID and message.id.hex() == row["transaction_id"], row)


def main():
    folder, output = sys.argv[1:]
    for part in (rfc5769, rfc8489_b1, captured_servers, captured_ice, malformed, nonce_cookie, facts):
        with open(os.path.join(folder, part.__name__ + ".json"), encoding="utf-8") as file:
            part(json.load(file))
    with open(output, "w", encoding="ascii") as file:
        file.write("\n".join(OUT) + "\n")
    print(f"{sum(line.startswith('message ') for line in OUT)} messages, {len(OUT)} lines")


if __name__ == "__main__":
    main()
