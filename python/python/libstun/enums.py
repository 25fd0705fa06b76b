"""The words of the library. Each is a string, so `Transport.UDP == "udp"` and JSON takes it as it is."""

from __future__ import annotations

import errno
from enum import StrEnum, unique

__all__ = [
    "AuthenticationFailure",
    "Check",
    "CredentialsNeed",
    "DnsFailure",
    "DropReason",
    "FailureReason",
    "Integrity",
    "KeepaliveKind",
    "MessageClass",
    "MigrationReason",
    "ObservedMapping",
    "PeerPolicy",
    "Protocol",
    "RecordKind",
    "RedirectPolicy",
    "RedirectRefusal",
    "RelayFamily",
    "RelayPort",
    "Scheme",
    "SendError",
    "Service",
    "Transport",
    "UnservedReason",
    "WakeReason",
]


@unique
class Transport(StrEnum):
    """How packets travel between the host and a server."""

    UDP = "udp"
    """Datagrams."""
    TCP = "tcp"
    """A byte stream; each packet is one frame."""
    TLS = "tls"
    """A byte stream inside the host's TLS session; each packet is one frame."""


@unique
class Protocol(StrEnum):
    """What a datagram looks like (RFC 7983, with STUN's magic cookie and length checked as well)."""

    UNKNOWN = "unknown"
    STUN = "stun"
    CHANNEL_DATA = "channel-data"
    DTLS = "dtls"
    RTP = "rtp"
    ZRTP = "zrtp"
    QUIC = "quic"
    WIREGUARD = "wireguard"


@unique
class MessageClass(StrEnum):
    """The class of a message (RFC 8489 s5)."""

    REQUEST = "request"
    INDICATION = "indication"
    SUCCESS_RESPONSE = "success-response"
    ERROR_RESPONSE = "error-response"


@unique
class Check(StrEnum):
    """What came of checking an integrity attribute or FINGERPRINT."""

    ABSENT = "absent"
    """The message does not carry it."""
    VALID = "valid"
    INVALID = "invalid"


@unique
class Integrity(StrEnum):
    """An integrity attribute."""

    SHA1 = "sha1"
    """MESSAGE-INTEGRITY (RFC 8489 s14.5)."""
    SHA256 = "sha256"
    """MESSAGE-INTEGRITY-SHA256 (RFC 8489 s14.6)."""


@unique
class SendError(StrEnum):
    """Why a datagram could not be sent, or did not arrive. All but `TRANSIENT` end the request that it was."""

    NO_ROUTE = "no-route"
    """ENETUNREACH, EHOSTUNREACH."""
    FAMILY_UNAVAILABLE = "family-unavailable"
    """EAFNOSUPPORT, EADDRNOTAVAIL."""
    PERMISSION_DENIED = "permission-denied"
    """EPERM, EACCES."""
    REFUSED = "refused"
    """ECONNREFUSED, ECONNRESET, ICMP port unreachable."""
    MESSAGE_TOO_LARGE = "message-too-large"
    """EMSGSIZE."""
    SOCKET_CLOSED = "socket-closed"
    """EBADF, ENOTCONN, EPIPE."""
    TRANSIENT = "transient"
    """Everything else: a passing shortage, which the retransmission covers."""

    @classmethod
    def of(cls, error: OSError) -> SendError:
        """The one that an exception of the operating system stands for.

        >>> SendError.of(ConnectionRefusedError(111, "Connection refused"))
        <SendError.REFUSED: 'refused'>
        """
        return _BY_ERRNO.get(error.errno or 0, cls.TRANSIENT)


_BY_ERRNO = {
    errno.ENETUNREACH: SendError.NO_ROUTE,
    errno.EHOSTUNREACH: SendError.NO_ROUTE,
    errno.ENETDOWN: SendError.NO_ROUTE,
    errno.EHOSTDOWN: SendError.NO_ROUTE,
    errno.EAFNOSUPPORT: SendError.FAMILY_UNAVAILABLE,
    errno.EADDRNOTAVAIL: SendError.FAMILY_UNAVAILABLE,
    errno.EPERM: SendError.PERMISSION_DENIED,
    errno.EACCES: SendError.PERMISSION_DENIED,
    errno.ECONNREFUSED: SendError.REFUSED,
    errno.ECONNRESET: SendError.REFUSED,
    errno.EMSGSIZE: SendError.MESSAGE_TOO_LARGE,
    errno.EBADF: SendError.SOCKET_CLOSED,
    errno.ENOTCONN: SendError.SOCKET_CLOSED,
    errno.EPIPE: SendError.SOCKET_CLOSED,
}


@unique
class WakeReason(StrEnum):
    """Why a deadline is wanted (C10)."""

    OUTPUT = "output"
    """A datagram or an event is queued."""
    RETRANSMISSION = "retransmission"
    """A request is due again."""
    TRANSACTION_TIMEOUT = "transaction-timeout"
    """The last wait for a response ends."""
    REFRESH = "refresh"
    """A binding, an allocation, a permission or a channel has to be kept alive."""
    RETRY = "retry"
    """A failed request is due again."""
    PACING = "pacing"
    """A request that had to wait for others to the same server may be sent."""
    ATTEMPT = "attempt"
    """The next of several addresses or servers is tried."""
    MEASUREMENT = "measurement"
    """The next measurement of a NAT probe is due."""
    DEADLINE = "deadline"
    """A deadline that the host gave an operation."""


@unique
class DropReason(StrEnum):
    """Why a message from the network was dropped (C9)."""

    UNKNOWN_TRANSACTION = "unknown-transaction"
    """A response to no outstanding request."""
    WRONG_SOURCE = "wrong-source"
    """A response from another address than the one that was asked."""
    WRONG_METHOD = "wrong-method"
    """A response of another method than its request."""
    BAD_FINGERPRINT = "bad-fingerprint"
    """FINGERPRINT does not match."""
    UNAUTHENTICATED = "unauthenticated"
    """A response to a signed request without a valid signature."""
    MALFORMED_ATTRIBUTE = "malformed-attribute"
    """An attribute that is known and has an impossible value."""
    UNSUPPORTED_METHOD = "unsupported-method"
    """A request of a method that is not served."""
    INDICATION = "indication"
    """An indication."""
    UNUSABLE_SOURCE = "unusable-source"
    """A source that no reply may go to."""
    QUEUE_FULL = "queue-full"
    """The queue for replies is full: drain it."""
    UNEXPECTED = "unexpected"
    """STUN that no operation expects."""
    MALFORMED = "malformed"
    """STUN by its cookie and length, and broken inside."""
    OVER_BUDGET = "over-budget"
    """The network of the source has used up what a server gives to those who have proved nothing."""
    UNKNOWN_CHANNEL = "unknown-channel"
    """ChannelData on a channel that is not bound: late, or forged."""
    UNPERMITTED_PEER = "unpermitted-peer"
    """Data of a peer that is not permitted, or that the policy refuses."""


@unique
class FailureReason(StrEnum):
    """Why something has failed; `Failure` says more."""

    TIMEOUT = "timeout"
    """Nobody answered in time."""
    INTEGRITY = "integrity"
    """`count` answers came, none signed with the password; `code` is the last one's error code."""
    ERROR_RESPONSE = "error-response"
    """The server refused with error `code`."""
    MALFORMED_ERROR = "malformed-error"
    """An error response without a usable ERROR-CODE."""
    UNKNOWN_ATTRIBUTE = "unknown-attribute"
    """The response demands to understand attribute `code`."""
    NOT_UNDERSTOOD = "not-understood"
    """The server does not understand attribute `code` of the request (420)."""
    NO_MAPPED_ADDRESS = "no-mapped-address"
    """A success response without a usable mapped address."""
    SEND_FAILED = "send-failed"
    """It could not be sent: `detail` is the `SendError`."""
    AUTHENTICATION = "authentication"
    """The server's challenge was not met: `detail` is the `AuthenticationFailure`."""
    REDIRECTED = "redirected"
    """The server named another one that was not asked: `detail` is the `RedirectRefusal`. With
    `RedirectPolicy.REFUSE` it is an `ERROR_RESPONSE` with code 300 like any other."""
    NETWORK_CHANGED = "network-changed"
    """The local address is gone, and there is none of its family."""
    NOT_FOUND = "not-found"
    """The DNS has no usable address of a server."""
    NOT_OFFERED = "not-offered"
    """The domain says that it does not offer the service."""
    RESOLVER_FAILED = "resolver-failed"
    """The resolver has failed, and nothing else led to a server."""
    NO_RELAYED_ADDRESS = "no-relayed-address"
    """A success response without a usable relayed address."""
    WRONG_FAMILY = "wrong-family"
    """The relayed address is of a family that was not asked for."""
    IMPOSSIBLE_LIFETIME = "impossible-lifetime"
    """The server gave no lifetime, or an impossible one."""
    EXPIRED = "expired"
    """The relay's lifetime ended before the server could be asked."""
    ALLOCATION_LOST = "allocation-lost"
    """The relay that it belongs to is gone."""
    OTHER = "other"
    """A reason that is newer than this module."""


@unique
class AuthenticationFailure(StrEnum):
    """Why a challenge was not met (RFC 8489 s9.2.5)."""

    REJECTED = "rejected"
    """The server rejects the credentials."""
    NO_REALM = "no-realm"
    NO_NONCE = "no-nonce"
    SAME_NONCE = "same-nonce"
    """The nonce that is called stale is offered again."""
    TOO_MANY_CHALLENGES = "too-many-challenges"
    BID_DOWN = "bid-down"
    """Somebody on the path takes security away."""
    NO_KNOWN_ALGORITHM = "no-known-algorithm"
    SHA256_NOT_OFFERED = "sha256-not-offered"
    ANONYMITY_NOT_OFFERED = "anonymity-not-offered"
    OTHER = "other"


@unique
class RedirectPolicy(StrEnum):
    """What to do when a server names another one in its place (300, RFC 8489 s10)."""

    FOLLOW = "follow"
    """Ask the other one, and say so with `Redirected`."""
    REFUSE = "refuse"
    """Fail."""
    ASK = "ask"
    """Say so with `Redirected`, and wait for `Agent.answer_redirect()`."""


@unique
class RedirectRefusal(StrEnum):
    """Why a redirection was not followed."""

    DECLINED = "declined"
    OTHER_FAMILY = "other-family"
    UNUSABLE_ADDRESS = "unusable-address"
    LOOP = "loop"
    """It leads back to a server that was asked in the last five minutes."""
    TOO_MANY = "too-many"
    """Four servers in a row have redirected."""
    OTHER = "other"


@unique
class ObservedMapping(StrEnum):
    """What the answers to one socket tell of the NAT."""

    UNKNOWN = "unknown"
    """Too few answers to compare."""
    SAME_EVERYWHERE = "same-everywhere"
    DEPENDS_ON_ADDRESS = "depends-on-address"
    """Servers of different IP addresses saw different addresses: peers need a relay."""
    DEPENDS_ON_PORT = "depends-on-port"
    """Even two ports of one server saw different ones."""


@unique
class Scheme(StrEnum):
    """The schemes of URIs (RFC 7064, RFC 7065)."""

    STUN = "stun"
    STUNS = "stuns"
    TURN = "turn"
    TURNS = "turns"


@unique
class Service(StrEnum):
    """What a server is to do, which is what its SRV records are named after."""

    STUN = "stun"
    TURN = "turn"
    STUN_BEHAVIOR = "stun-behavior"


@unique
class RecordKind(StrEnum):
    """Kinds of DNS records that a discovery asks for."""

    A = "A"
    AAAA = "AAAA"
    SRV = "SRV"
    NAPTR = "NAPTR"


@unique
class DnsFailure(StrEnum):
    """Why the DNS has no answer."""

    NOT_FOUND = "not-found"
    """There is no such name or record, or the host cannot ask for that kind of record."""
    FAILED = "failed"
    """The resolver gave up, or the server had failed."""


@unique
class PeerPolicy(StrEnum):
    """Which peers may be reached where no rule says anything. Unspecified, multicast and broadcast never are."""

    DEFAULT = "default"
    """All but loopback and link-local addresses, which mean the relay's own machine and link (RFC 8656 s21.2.2)."""
    LOOPBACK = "loopback"
    """Loopback addresses too: for tests on one machine."""
    ALL = "all"


@unique
class RelayFamily(StrEnum):
    """The families of the relayed addresses. They need not be the family of the path to the server."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"
    BOTH = "both"
    """One of each; one of them may be refused."""


@unique
class RelayPort(StrEnum):
    """Which port the relayed address shall have."""

    ANY = "any"
    EVEN = "even"
    """An even one (RFC 8656 s18.7)."""
    EVEN_RESERVING_NEXT = "even-reserving-next"
    """An even one; the next is kept for 30 s for a second allocation, and `Allocated.reservation` stands for it."""


@unique
class KeepaliveKind(StrEnum):
    """What keeps the NATs' bindings alive while nothing else is sent."""

    INDICATION = "indication"
    """A Binding indication: one packet, and no answer."""
    REQUEST = "request"
    """A Binding request: two packets. Its answer tells when a NAT has changed the address."""


@unique
class CredentialsNeed(StrEnum):
    """Why an allocation needs other credentials."""

    REJECTED = "rejected"
    """The server rejects those that it was given. Nothing is sent until there are others."""
    EXPIRING = "expiring"
    """They expire. What is there goes on meanwhile."""
    OTHER = "other"


@unique
class MigrationReason(StrEnum):
    """Why data goes through another relay."""

    LOST = "lost"
    UNRESPONSIVE = "unresponsive"
    FAMILY = "family"
    """More of the peers can be reached from this one, for their family."""
    FASTER = "faster"
    OTHER = "other"


@unique
class UnservedReason(StrEnum):
    """Why a peer cannot be asked for at a relay."""

    POLICY = "policy"
    """The policy of this relay refuses the address, or it is the relayed address itself."""
    FULL = "full"
    """As many peers are permitted or bound there as may be."""
    FAMILY = "family"
    """The relayed address is of another family."""
    OTHER = "other"
