"""What a NAT does: properties, values, findings and the report of a probe."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, unique

from .aliases import Address
from .enums import SendError

__all__ = [
    "NatConfidence",
    "NatEvidence",
    "NatFinding",
    "NatProperty",
    "NatReason",
    "NatReport",
    "NatValue",
]


@unique
class NatProperty(StrEnum):
    """What can be found out about a NAT."""

    CONNECTIVITY = "connectivity"
    """Whether UDP reaches servers."""
    TRANSLATION = "translation"
    """Whether there is a NAT."""
    MAPPING = "mapping"
    """How it maps (RFC 4787 s4.1)."""
    FILTERING = "filtering"
    """How it filters (RFC 4787 s5)."""
    HAIRPINNING = "hairpinning"
    """Whether two sockets behind it reach each other by their mapped addresses."""
    PORT_PRESERVATION = "port-preservation"
    """Whether the mapped port is the local one."""
    PORT_PARITY = "port-parity"
    """Whether even ports stay even, and odd ones odd."""
    POOLING = "pooling"
    """Whether all mapped addresses of the host have one IP."""
    STABILITY = "stability"
    """Whether the mapped address stays."""
    GATEWAY = "gateway"
    """Whether something rewrites addresses inside messages."""
    FRAGMENTS = "fragments"
    """What becomes of datagrams that are longer than the path's MTU."""
    LIFETIME = "lifetime"
    """How long a binding lives without traffic. Takes up to two hours, and is not tested unless asked for."""


@unique
class NatValue(StrEnum):
    """What a property of a NAT is."""

    OPEN = "open"
    """Connectivity: a server has answered."""
    BLOCKED = "blocked"
    """Connectivity: servers at several addresses were silent."""
    ABSENT = "absent"
    """Translation, gateway: there is none."""
    PRESENT = "present"
    """Translation, gateway: there is one, or several."""
    ENDPOINT_INDEPENDENT = "endpoint-independent"
    """Mapping, filtering: depends on nothing."""
    ADDRESS_DEPENDENT = "address-dependent"
    """Mapping, filtering: depends on the remote IP address."""
    ADDRESS_AND_PORT_DEPENDENT = "address-and-port-dependent"
    """Mapping, filtering: depends on the remote IP address and port."""
    SUPPORTED = "supported"
    """Hairpinning: it works."""
    UNSUPPORTED = "unsupported"
    """Hairpinning: it does not."""
    PRESERVED = "preserved"
    """Ports, parity: it is kept."""
    CHANGED = "changed"
    """Ports, parity, stability: it is not."""
    ONE_ADDRESS = "one-address"
    """Pooling: one IP address."""
    SEVERAL_ADDRESSES = "several-addresses"
    """Pooling: several."""
    STABLE = "stable"
    """Stability: it stays."""
    PASS = "pass"
    """Fragments: they pass both ways."""
    PASS_OUTBOUND = "pass-outbound"
    """Fragments: they pass outwards; the server sent none back."""
    LOST = "lost"
    """Fragments: they are lost, here or elsewhere on the path."""
    BOUNDED = "bounded"
    """Lifetime: between `lifetime_at_least_ns` and `lifetime_below_ns` of the finding."""


@unique
class NatConfidence(StrEnum):
    """How sure a known value is."""

    LOW = "low"
    """Something does not fit, or could not be confirmed."""
    MEDIUM = "medium"
    """One observation, or one that other causes could explain."""
    HIGH = "high"
    """It was seen to happen, or several observations agree."""


@unique
class NatReason(StrEnum):
    """Why a value is unknown."""

    NOT_TESTED = "not-tested"
    """Nobody asked for it, or it has not been decided yet."""
    DEADLINE = "deadline"
    """The deadline came first."""
    NETWORK_CHANGED = "network-changed"
    """The host's network changed first."""
    NO_ANSWER = "no-answer"
    """Nobody answered."""
    LOSSY = "lossy"
    """The path loses too much for silence to say anything."""
    SEND_FAILED = "send-failed"
    """It could not be sent: see `send_error`."""
    ERROR_RESPONSE = "error-response"
    """The server answered with error `code`."""
    RESPONSES_ALTERED = "responses-altered"
    """Responses were altered or not signed."""
    NO_MAPPED_ADDRESS = "no-mapped-address"
    """The server does not give the mapped addresses that it takes."""
    NO_OTHER_ADDRESS = "no-other-address"
    """The server has no other address to answer from."""
    ALTERNATE_SILENT = "alternate-silent"
    """The server's other address does not answer."""
    SERVER_IGNORES_CHANGE_REQUEST = "server-ignores-change-request"
    """The server does not answer from elsewhere when asked to."""
    CHANGE_REQUEST_UNSUPPORTED = "change-request-unsupported"
    """The server refuses to."""
    SERVER_IGNORES_RESPONSE_PORT = "server-ignores-response-port"
    """The server does not answer to another port when asked to."""
    RESPONSE_PORT_UNSUPPORTED = "response-port-unsupported"
    """The server refuses to."""
    PADDING_UNSUPPORTED = "padding-unsupported"
    """The server refuses PADDING."""
    NO_SECOND_SOCKET = "no-second-socket"
    """It takes a second socket."""
    LOCAL_ADDRESS_UNKNOWN = "local-address-unknown"
    """The local address is not known."""
    NO_NAT = "no-nat"
    """There is no NAT."""
    CONTRADICTION = "contradiction"
    """Observations contradict each other."""
    ONE_SERVER_ONLY = "one-server-only"
    """Only one server address could be asked."""
    ONE_ADDRESS_ONLY = "one-address-only"
    """Only one IP address could be asked; it does not depend on the port."""
    DEPENDS_ON_DESTINATION = "depends-on-destination"
    """It depends on the destination; on the address alone or also on the port cannot be told."""
    FILTERING_HIDES = "filtering-hides"
    """What was sent may have been filtered."""
    TOO_FEW_OBSERVATIONS = "too-few-observations"
    """Too few observations: they may agree by chance."""
    DIFFERENT_ADDRESSES = "different-addresses"
    """The two sockets have different public IP addresses."""
    OTHER_FAMILY = "other-family"
    """The mapped addresses are of another family than the sockets."""
    OTHER = "other"
    """A reason that is newer than this module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NatEvidence:
    """One observation: what was asked, in a word, and of whom. `text` says what came of it, as in the report."""

    test: str
    asked: Address
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class NatFinding:
    """What was found of one property: a value and how sure it is, or the reason why there is none."""

    value: NatValue | None = None
    confidence: NatConfidence | None = None
    reason: NatReason | None = None
    code: int | None = None
    """The server's error code, for `NatReason.ERROR_RESPONSE`."""
    send_error: SendError | None = None
    """Why, for `NatReason.SEND_FAILED`."""
    lifetime_at_least_ns: int | None = None
    """How long a binding lives at least, for `NatValue.BOUNDED`."""
    lifetime_below_ns: int | None = None
    """And below what, if that is known."""
    evidence: tuple[NatEvidence, ...] = ()
    """What it rests on, oldest first. In reports only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NatReport:
    """Everything that a probe has found. `str(report)` is the whole report for people."""

    server: Address
    """The server that answered, or else the first that was asked."""
    other: Address | None
    """Its other address."""
    local: Address
    mapped: Address | None
    requests: int
    """Each counted once, however often it was sent."""
    responses: int
    depends_on_destination: bool | None
    """Whether the mapped address depends on the destination, which is known more often than on what of it."""
    rfc3489_name: str | None
    """What RFC 3489 would have called it, such as "full cone NAT", where it has a word for it."""
    findings: dict[NatProperty, NatFinding] = field(hash=False)
    """Every property is there."""
    json: str = field(repr=False)
    """The same as one JSON object."""
    text: str = field(repr=False, compare=False)

    def __str__(self) -> str:
        return self.text
