"""What a message says, attribute by attribute: the facts that trees and JSON show."""

from __future__ import annotations

import struct
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .. import Attribute, ChannelData, Check, Integrity, Message, ParseError, Protocol, attribute_name, classify
from .keys import Keys, Verdict
from .packets import MAGIC_COOKIE
from .screen import count_of
from .values import value_json, value_text

__all__ = ["AttributeFacts", "PacketFacts", "describe"]

MAX_DEPTH = 4
"""Messages inside DATA of messages inside DATA: hostile input nests as deep as it likes."""

_HEADER = 20
_INTEGRITY = {Integrity.SHA1: "MESSAGE-INTEGRITY", Integrity.SHA256: "MESSAGE-INTEGRITY-SHA256"}


@dataclass(slots=True, kw_only=True)
class AttributeFacts:
    """One attribute."""

    name: str | None
    type: int
    offset: int
    raw: bytes
    is_required: bool
    is_covered: bool | None
    """By an integrity attribute; `None` if there is none, or the message is too damaged to tell."""
    text: str = ""
    value: Any = None
    error: str | None = None
    """What is wrong with the value."""
    verdict: Verdict | None = None
    """Of integrity attributes and FINGERPRINT; `None` if it was not checked."""
    payload: PacketFacts | None = None
    """What DATA carries."""

    @property
    def title(self) -> str:
        """The RFC's name, or the number."""
        return self.name or f"0x{self.type:04x}"

    def as_json(self) -> dict[str, Any]:
        """The facts with the keys of the JSON output."""
        facts: dict[str, Any] = {
            "name": self.name,
            "type": self.type,
            "offset": self.offset,
            "length": len(self.raw),
            "comprehension_required": self.is_required,
            "covered": self.is_covered,
            "value": self.value,
            "hex": self.raw.hex(),
        }
        if self.error is not None:
            facts["error"] = self.error
        if self.verdict is not None:
            facts["check"] = str(self.verdict.check)
            if self.verdict.credential:
                facts["credential"] = self.verdict.credential
        if self.payload is not None:
            facts["payload"] = self.payload.as_json()
        return facts


@dataclass(slots=True, kw_only=True)
class PacketFacts:
    """A packet: a STUN message (whole or damaged), ChannelData, or anything else."""

    protocol: Protocol
    raw: bytes
    error: str | None = None
    """Why it is not what it resembles."""
    stopped: str | None = None
    """Where reading a damaged message had to stop."""
    message_class: str | None = None
    method: int | None = None
    method_name: str | None = None
    transaction_id: bytes = b""
    attributes: list[AttributeFacts] = field(default_factory=list)
    channel: int | None = None
    payload: PacketFacts | None = None
    """What ChannelData carries."""

    @property
    def title(self) -> str:
        """Method and class, as in "Binding success response"."""
        if self.method is not None:
            return f"{self.method_name or f'method 0x{self.method:03x}'} {(self.message_class or '').replace('-', ' ')}"
        if self.channel is not None:
            return f"ChannelData 0x{self.channel:04x}"
        return {
            Protocol.UNKNOWN: "data",
            Protocol.STUN: "malformed STUN",
            Protocol.CHANNEL_DATA: "malformed ChannelData",
        }.get(self.protocol, self.protocol.upper())

    @property
    def is_flawless(self) -> bool:
        """Whether it could be read, and no check has failed."""
        return self.error is None and not any(
            attribute.error or (attribute.verdict is not None and attribute.verdict.check is Check.INVALID)
            for attribute in self.attributes
        )

    def find(self, name: str) -> AttributeFacts | None:
        """The first attribute of that name."""
        return next((attribute for attribute in self.attributes if attribute.name == name), None)

    def as_json(self) -> dict[str, Any]:
        """The facts with the keys of the JSON output."""
        facts: dict[str, Any] = {"protocol": str(self.protocol), "length": len(self.raw)}
        if self.method is not None:
            facts |= {
                "class": self.message_class,
                "method": self.method_name,
                "method_number": self.method,
                "transaction_id": self.transaction_id.hex(),
                "attributes": [attribute.as_json() for attribute in self.attributes],
            }
        if self.channel is not None:
            facts["channel"] = self.channel
        if self.payload is not None:
            facts["payload"] = self.payload.as_json()
        facts |= {key: text for key, text in (("error", self.error), ("stopped", self.stopped)) if text is not None}
        if (self.method is None and self.channel is None) or self.error is not None:
            facts["hex"] = self.raw.hex()
        return facts


def describe(data: bytes, keys: Keys | None = None, conversation: Hashable = None, depth: int = 0) -> PacketFacts:
    """Everything about a packet. Never raises for what it contains."""
    keys = keys or Keys()
    protocol = classify(data)
    if protocol is Protocol.CHANNEL_DATA or (depth == 0 and data[:1] and 0x40 <= data[0] <= 0x4F):
        return _channel_data(data, keys, depth)
    if protocol is not Protocol.STUN and data[4:8] != MAGIC_COOKIE and depth > 0:
        return PacketFacts(protocol=protocol, raw=data)
    try:
        message = Message.parse(data)
    except ParseError as error:
        return _damaged(data, protocol, str(error), keys, depth)
    facts = _with_header(PacketFacts(protocol=Protocol.STUN, raw=data), message)
    verdicts = keys.check(message, conversation)
    for attribute in message:
        is_covered = attribute.is_covered if verdicts else None
        view = _attribute(attribute, attribute.offset, is_covered, keys, depth)
        if facts.find(view.title) is None:  # a second one of the same name is ignored by everybody (RFC 8489 s14)
            view.verdict = _verdict(view, message, verdicts)
        facts.attributes.append(view)
    return facts


def _with_header(facts: PacketFacts, message: Message) -> PacketFacts:
    facts.message_class = str(message.message_class)
    facts.method = message.method
    facts.method_name = message.method_name
    facts.transaction_id = message.transaction_id
    return facts


def _verdict(attribute: AttributeFacts, message: Message, verdicts: dict[Integrity, Verdict | None]) -> Verdict | None:
    if attribute.name == "FINGERPRINT":
        return Verdict(message.fingerprint, "")
    return next((verdicts.get(kind) for kind, name in _INTEGRITY.items() if attribute.name == name), None)


def _attribute(attribute: Attribute, offset: int, is_covered: bool | None, keys: Keys, depth: int) -> AttributeFacts:
    facts = AttributeFacts(
        name=attribute.name,
        type=attribute.type,
        offset=offset,
        raw=attribute.value,
        is_required=attribute.is_comprehension_required,
        is_covered=is_covered,
    )
    try:
        facts.text, facts.value = value_text(attribute), value_json(attribute)
    except ParseError as error:
        facts.error = str(error)
    if attribute.name == "DATA" and depth < MAX_DEPTH:
        facts.payload = describe(attribute.value, keys, None, depth + 1)
    return facts


def _channel_data(data: bytes, keys: Keys, depth: int) -> PacketFacts:
    facts = PacketFacts(protocol=Protocol.CHANNEL_DATA, raw=data)
    try:
        frame = ChannelData.parse(data)
    except ParseError as error:
        facts.error = str(error)
        return facts
    facts.channel = frame.channel
    if depth < MAX_DEPTH:
        facts.payload = describe(frame.data, keys, None, depth + 1)
    return facts


def _damaged(data: bytes, protocol: Protocol, error: str, keys: Keys, depth: int) -> PacketFacts:
    """What can be read of a message that is none: its header, and the attributes that fit."""
    facts = PacketFacts(protocol=protocol, raw=data, error=error)
    if len(data) < _HEADER:
        facts.stopped = f"{count_of(len(data), 'bytes')}; the header alone has 20"
        return facts
    length = int(struct.unpack_from(">H", data, 2)[0])
    has_cookie = data[4:8] == MAGIC_COOKIE
    if not has_cookie and length != len(data) - _HEADER:  # else it might be RFC 3489
        return facts
    try:
        header = _salvage(data, b"")
    except ParseError:
        return facts
    facts.protocol = Protocol.STUN
    _with_header(facts, header)
    if not has_cookie:
        facts.transaction_id = data[4:20]  # RFC 3489 had 16 bytes
    if length != len(data) - _HEADER:
        facts.stopped = f"the header says {count_of(length, 'bytes')} follow, and {len(data) - _HEADER} do"
    for item in _walk(data):
        if isinstance(item, str):
            facts.stopped = item
        else:
            facts.attributes.append(_salvaged_attribute(data, *item, keys, depth))
    return facts


def _walk(data: bytes) -> Iterator[tuple[int, bytes] | str]:
    """Offsets and bytes of the attributes that fit, and a sentence about the one that does not."""
    offset = _HEADER
    while offset < len(data):
        if offset + 4 > len(data):
            yield f"{count_of(len(data) - offset, 'bytes')} at {offset}: too few for an attribute"
            return
        type_, length = struct.unpack_from(">HH", data, offset)
        if offset + 4 + length > len(data):
            name = attribute_name(type_) or "an attribute"
            left = len(data) - offset - 4
            says = f"says it has {count_of(length, 'bytes')}, and {left} {'is' if left == 1 else 'are'} left"
            yield f"{name} (0x{type_:04x}) at {offset} {says}"
            return
        yield offset, data[offset : offset + 4 + length]
        offset += 4 + length + -length % 4


def _salvaged_attribute(data: bytes, offset: int, raw: bytes, keys: Keys, depth: int) -> AttributeFacts:
    try:
        attribute = next(iter(_salvage(data, raw)))
    except (ParseError, StopIteration) as error:
        type_ = int(struct.unpack_from(">H", raw)[0])
        return AttributeFacts(
            name=attribute_name(type_),
            type=type_,
            offset=offset,
            raw=raw[4:],
            is_required=type_ < 0x8000,
            is_covered=None,
            error=str(error),
        )
    return _attribute(attribute, offset, None, keys, depth)


def _salvage(data: bytes, attributes: bytes) -> Message:
    """The message with these attributes instead of its own, and a header that says so."""
    attributes += bytes(-len(attributes) % 4)
    return Message.parse(data[:2] + struct.pack(">H", len(attributes)) + MAGIC_COOKIE + data[8:20] + attributes)
