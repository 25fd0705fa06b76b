"""The values of attributes, for people and for JSON."""

from __future__ import annotations

import json
from typing import Any

from .. import Attribute, ErrorCode, attribute_name
from .packets import address_text
from .screen import count_of

__all__ = ["short_hex", "value_json", "value_text"]

SHOWN_BYTES = 48
"""Longer values are cut for people; JSON has them whole."""

_PROTOCOLS = {6: "TCP", 17: "UDP"}
_ALGORITHMS = {1: "MD5", 2: "SHA-256"}
_REASONS = {
    300: "Try Alternate",
    400: "Bad Request",
    401: "Unauthenticated",
    403: "Forbidden",
    405: "Mobility Forbidden",
    420: "Unknown Attribute",
    437: "Allocation Mismatch",
    438: "Stale Nonce",
    440: "Address Family not Supported",
    441: "Wrong Credentials",
    442: "Unsupported Transport Protocol",
    443: "Peer Address Family Mismatch",
    446: "Connection Already Exists",
    447: "Connection Timeout or Failure",
    486: "Allocation Quota Reached",
    487: "Role Conflict",
    500: "Server Error",
    508: "Insufficient Capacity",
}
"""The registry's words, for servers that give none; they stand in parentheses then."""
_IN_HEX = {"CHANNEL-NUMBER": 4, "FINGERPRINT": 8, "ICE-CONTROLLED": 16, "ICE-CONTROLLING": 16, "CONNECTION-ID": 8}
_FAMILIES = ("REQUESTED-ADDRESS-FAMILY", "ADDITIONAL-ADDRESS-FAMILY")


def value_text(attribute: Attribute) -> str:
    """What an attribute says, in a line; empty if its presence is all.

    Raises `ParseError` if the value is impossible.
    """
    value: Any = attribute.decode()
    name = attribute.name or ""
    match value:
        case None:
            return ""
        case bool():
            return "reserve the next port" if value else "any even port"
        case int():
            return _number_text(name, value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case bytes():
            return short_hex(value)
        case ErrorCode():
            return _family_of(attribute) + _error_text(value)
        case (str(), *_):
            return address_text(value)
        case _:
            return _tuple_text(name, value)


def value_json(attribute: Attribute) -> Any:
    """The same as what JSON has. Raises `ParseError` too."""
    value: Any = attribute.decode()
    match value:
        case ErrorCode():
            return {"code": value.code, "reason": value.reason}
        case (str(), *_):
            return address_text(value)
        case tuple() if attribute.name == "CHANGE-REQUEST":
            return {"change_ip": bool(value[0]), "change_port": bool(value[1])}
        case tuple() if attribute.name in ("PASSWORD-ALGORITHM", "PASSWORD-ALGORITHMS"):
            return [{"algorithm": number, "parameters": bytes(parameters).hex()} for number, parameters in value]
    return value


def short_hex(value: bytes) -> str:
    """Hexadecimal, cut if it is long.

    >>> short_hex(b"ab"), short_hex(b"")
    ('6162', 'nothing')
    """
    if len(value) <= SHOWN_BYTES:
        return value.hex() or "nothing"
    return f"{value[:SHOWN_BYTES].hex()}... ({count_of(len(value), 'bytes')})"


def _error_text(error: ErrorCode) -> str:
    if error.reason or error.code not in _REASONS:
        return f"{error.code} {error.reason}".rstrip()
    return f"{error.code} ({_REASONS[error.code]})"


def _family_of(attribute: Attribute) -> str:
    """What an ADDRESS-ERROR-CODE is about (RFC 8656 s18.12)."""
    is_one = attribute.name == "ADDRESS-ERROR-CODE"
    return {1: "IPv4: ", 2: "IPv6: "}.get(attribute.value[0], "") if is_one else ""


def _number_text(name: str, value: int) -> str:
    if name in _IN_HEX:
        return f"0x{value:0{_IN_HEX[name]}x}"
    if name in ("LIFETIME", "CACHE-TIMEOUT"):
        return f"{value} s"
    if name == "REQUESTED-TRANSPORT":
        return _PROTOCOLS.get(value, f"protocol {value}")
    return f"IPv{value}" if name in _FAMILIES else str(value)


def _tuple_text(name: str, value: tuple[Any, ...]) -> str:
    if name == "CHANGE-REQUEST":
        wishes = [word for word, is_set in zip(("IP", "port"), value, strict=False) if is_set]
        return f"answer from another {' and '.join(wishes)}" if wishes else "answer from here"
    if name in ("PASSWORD-ALGORITHM", "PASSWORD-ALGORITHMS"):
        return ", ".join(_ALGORITHMS.get(number, f"algorithm {number}") for number, _ in value) or "none"
    if name == "UNKNOWN-ATTRIBUTES":
        return ", ".join(attribute_name(number) or f"0x{number:04x}" for number in value) or "none"
    if name == "ICMP":
        return f"type {value[0]}, code {value[1]}"
    return ", ".join(str(part) for part in value)
