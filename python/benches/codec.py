"""What the codec costs beside aioice's, in nanoseconds; the least of several runs.

    python python/benches/codec.py
"""

from __future__ import annotations

import timeit
from collections.abc import Callable

from aioice import stun as aioice

from libstun import Integrity, Key, Message, MessageBuilder, MessageClass, attribute_type

SOFTWARE, XOR_MAPPED = attribute_type("SOFTWARE"), attribute_type("XOR-MAPPED-ADDRESS")
REQUEST, PASSWORD, KEY = MessageClass.REQUEST, b"s3cret", Key.short_term("s3cret")
ID = bytes(range(12))


def response() -> bytes:
    """What a server answers: XOR-MAPPED-ADDRESS, SOFTWARE, FINGERPRINT."""
    builder = MessageBuilder(MessageClass.SUCCESS_RESPONSE, 1, ID).add_address(XOR_MAPPED, ("192.0.2.1", 32853))
    return bytes(builder.add(SOFTWARE, "Coturn-4.6.1 'Gorst'").add_fingerprint())


def build_with_aioice() -> bytes:
    message = aioice.Message(aioice.Method.BINDING, aioice.Class.REQUEST, ID)
    message.add_fingerprint()
    return bytes(message)


def sign_with_aioice() -> bytes:
    message = aioice.Message(aioice.Method.BINDING, aioice.Class.REQUEST, ID, {"USERNAME": "alice"})
    message.add_message_integrity(PASSWORD)
    return bytes(message)


def check_with_aioice(data: bytes) -> bool:
    return aioice.parse_message(data).check_message_integrity(PASSWORD)


def nanoseconds(function: Callable[[], object]) -> float:
    timer = timeit.Timer(function)
    number, _ = timer.autorange()
    return min(timer.repeat(7, number)) / number * 1e9


def main() -> None:
    data = response()
    signed = sign_with_aioice()
    built = MessageBuilder(REQUEST, 1, ID).add(0x0006, "alice").sign(Integrity.SHA1, KEY).add_fingerprint()
    assert bytes(MessageBuilder(REQUEST, 1, ID).add_fingerprint()) == build_with_aioice()
    assert bytes(built) == signed
    assert Message.parse(data).mapped_address == aioice.parse_message(data).attributes["XOR-MAPPED-ADDRESS"]
    rows: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
        (
            "parse a response, mapped address",
            lambda: Message.parse(data).mapped_address,
            lambda: aioice.parse_message(data).attributes["XOR-MAPPED-ADDRESS"],
        ),
        (
            "the same, FINGERPRINT checked",
            lambda: (message := Message.parse(data)).fingerprint == "valid" and message.mapped_address,
            lambda: aioice.parse_message(data).attributes["XOR-MAPPED-ADDRESS"],
        ),
        (
            "parse a request, integrity checked",
            lambda: Message.parse(signed).check(Integrity.SHA1, KEY),
            lambda: check_with_aioice(signed),
        ),
        (
            "build a request with FINGERPRINT",
            lambda: bytes(MessageBuilder(REQUEST, 1, ID).add_fingerprint()),
            build_with_aioice,
        ),
        (
            "the same, signed",
            lambda: bytes(
                MessageBuilder(REQUEST, 1, ID).add(0x0006, "alice").sign(Integrity.SHA1, KEY).add_fingerprint()
            ),
            sign_with_aioice,
        ),
    ]
    print(f"{'ns':36}{'libstun':>10}{'aioice':>10}{'ratio':>8}")
    for name, ours, theirs in rows:
        mine, other = nanoseconds(ours), nanoseconds(theirs)
        print(f"{name:36}{mine:10.0f}{other:10.0f}{other / mine:7.1f}x")


if __name__ == "__main__":
    main()
