"""What the operations of an agent are told. Durations are nanoseconds; `None` is never, or no limit, as each says.

Every class is frozen: `dataclasses.replace()` makes a changed one. What contradicts itself is refused by the call that
is given it, with a `ValueError` that says what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TypeAlias

from . import _native
from .aliases import AddressLike, Host
from .enums import (
    Integrity,
    KeepaliveKind,
    PeerPolicy,
    RedirectPolicy,
    RelayFamily,
    RelayPort,
    Service,
    Transport,
)
from .nat import NatProperty

__all__ = [
    "ATTEMPT_DELAY_NS",
    "IDLE_SLACK_NS",
    "AllocationConfig",
    "BindingConfig",
    "Credentials",
    "DiscoveryConfig",
    "LongTerm",
    "NaptrRecord",
    "NatConfig",
    "PeerRule",
    "RelayPoolConfig",
    "Retransmission",
    "ServerConfig",
    "ShortTerm",
    "SrvRecord",
    "SurveyConfig",
    "SurveyTarget",
]

ATTEMPT_DELAY_NS = _native.ATTEMPT_DELAY_NS
"""Between two servers of a race (RFC 8305 s5), in nanoseconds."""

IDLE_SLACK_NS = _native.IDLE_SLACK_NS
"""A slack for `Agent.set_power()` that suits a phone in a pocket, in nanoseconds."""


@dataclass(frozen=True, slots=True)
class ShortTerm:
    """A credential that both ends know beforehand; every message is signed (RFC 8489 s9.1).

    Both are UTF-8, and prepared as OpaqueStrings by the library: `username` 1 to 508 bytes, `password` at least 1.

    >>> ShortTerm("alice", "s3cret")
    ShortTerm(username='alice', integrity=None)
    """

    username: str
    password: str = field(repr=False)
    _: KW_ONLY
    integrity: Integrity | None = None
    """The only attribute to sign with and to accept; `None` is both, until the server has shown which one it knows."""


@dataclass(frozen=True, slots=True)
class LongTerm:
    """A credential for which the server challenges, naming the realm and the algorithms (RFC 8489 s9.2).

    Both are UTF-8, and prepared as OpaqueStrings by the library: `username` 1 to 508 bytes, `password` at least 1.

    >>> LongTerm("alice", "s3cret", require_sha256=True)
    LongTerm(username='alice', require_sha256=True, require_anonymity=False)
    """

    username: str
    password: str = field(repr=False)
    _: KW_ONLY
    require_sha256: bool = False
    """Fail unless the server offers SHA-256; nothing else is believed (RFC 8489 s9.2.1)."""
    require_anonymity: bool = False
    """Fail unless the server takes USERHASH: the username is never sent in the clear (RFC 8489 s14.4)."""


Credentials: TypeAlias = ShortTerm | LongTerm


@dataclass(frozen=True, slots=True, kw_only=True)
class Retransmission:
    """When a request is sent again (RFC 8489 s6.2.1)."""

    initial_rto_ns: int = _native.DEFAULT_RTO_NS
    """The first retransmission timeout; it doubles."""
    rc: int = _native.DEFAULT_RC
    """How often a request is sent in all."""
    rm: int = _native.DEFAULT_RM
    """How many times the first RTO to wait after the last send."""
    ti_ns: int = _native.DEFAULT_TI_NS
    """How long to wait for an answer over TCP or TLS."""


@dataclass(frozen=True, slots=True)
class BindingConfig:
    """Asks a STUN server for the host's public address, and goes on asking so that the NAT keeps the binding.

    >>> BindingConfig(("192.0.2.1", 3478), refresh_ns=None).server
    ('192.0.2.1', 3478)
    """

    server: AddressLike
    _: KW_ONLY
    local: AddressLike | None = None
    """What the socket is bound to; `None` if that does not matter. The same for the `local` of every configuration."""
    transport: Transport = Transport.UDP
    socket_id: int = 0
    """The host's number for the socket, handed back in each packet."""
    refresh_ns: int | None = _native.DEFAULT_REFRESH_NS
    """Ask again this long after the last request, at least 1 s; `None` asks once."""
    credentials: Credentials | None = None
    fingerprint: bool = True
    """End requests with FINGERPRINT."""
    accepts_mapped_address: bool = False
    """Take MAPPED-ADDRESS where XOR-MAPPED-ADDRESS is missing, as servers of RFC 3489 send it."""
    redirects: RedirectPolicy = RedirectPolicy.FOLLOW
    retransmission: Retransmission = Retransmission()
    backoff_first_ns: int = _native.DEFAULT_BACKOFF_FIRST_NS
    """The wait after the first failure while refreshing, doubling from there."""
    backoff_max_ns: int = _native.DEFAULT_BACKOFF_MAX_NS
    """The longest such wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Answers Binding requests. The default answers everything that arrives anywhere, within a budget."""

    local: AddressLike | None = None
    """Answer only what arrives here; an unspecified IP is any IP, port 0 any port, `None` everywhere."""
    credentials: ShortTerm | None = None
    """Answer only requests signed with it."""
    realm: str | None = None
    """Answer only users of this realm, who sign with long-term credentials; 1 to 127 bytes."""
    users: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    """The realm's users, name to password; see also `Agent.add_user()`."""
    nonce_lifetime_ns: int | None = None
    """How long a nonce is good for; `None` is ten minutes."""
    password_algorithms: bool = True
    """Offer SHA-256 beside MD5."""
    username_anonymity: bool = True
    """Take USERHASH in place of a username."""
    answers_rfc3489: bool = False
    """Answer clients of RFC 3489 too, whose requests have no magic cookie. Not together with credentials."""
    budget: bool = True
    """Keep networks that have proved nothing to a budget (see the three below)."""
    amplification_percent: int | None = _native.DEFAULT_AMPLIFICATION_PERCENT
    """Bytes sent for a hundred received from a network that has proved nothing; `None` is no limit."""
    error_bytes_per_second: int = _native.DEFAULT_ERROR_BYTES_PER_SECOND
    """Bytes of errors that such a network may be sent in a second."""
    error_burst: int = _native.DEFAULT_ERROR_BURST
    """Bytes of errors that it may be sent at once after a while of quiet."""
    behavior_single: bool = False
    """Serve NAT behaviour discovery with the one address `local`: no OTHER-ADDRESS, and 420 for CHANGE-REQUEST."""
    alternate: AddressLike | None = None
    """Serve NAT behaviour discovery (RFC 5780): another IP address and another port than those of `local`. The host has
    four sockets then, on both addresses with both ports, and each path says in `local` where a packet arrived."""
    public_hosts: tuple[Host, Host] | None = None
    """The two IP addresses as clients see them, where the server is behind a NAT that maps no ports."""
    socket_ids: tuple[int, int, int, int] = (0, 0, 0, 0)
    """The sockets at local IP and port, local IP and other port, other IP and local port, other IP and port."""


@dataclass(frozen=True, slots=True)
class SurveyTarget:
    """One server, and the socket from which it is asked."""

    server: AddressLike
    _: KW_ONLY
    local: AddressLike | None = None
    transport: Transport = Transport.UDP
    socket_id: int = 0


@dataclass(frozen=True, slots=True)
class SurveyConfig:
    """Asks many servers at once, or one after the other as a race.

    >>> race = SurveyConfig([SurveyTarget(("192.0.2.1", 3478)), SurveyTarget(("2001:db8::1", 3478))],
    ...                     enough=1, attempt_delay_ns=ATTEMPT_DELAY_NS)
    """

    targets: Sequence[SurveyTarget]
    """Whom to ask, in that order: 1 to 64."""
    _: KW_ONLY
    enough: int | None = None
    """Answers after which nobody else is asked; `None` is all."""
    deadline_ns: int | None = _native.DEFAULT_SURVEY_DEADLINE_NS
    """How long the whole may take; `None` leaves each the time of its request."""
    attempt_delay_ns: int = 0
    """How long to wait before the next is asked; a failure does not wait. 0 asks all at once; else at least 10 ms."""
    credentials: Credentials | None = None
    fingerprint: bool = True
    accepts_mapped_address: bool = False
    redirects: RedirectPolicy = RedirectPolicy.FOLLOW
    retransmission: Retransmission = Retransmission()


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryConfig:
    """Finds servers by name, asking the host to ask the DNS (RFC 8489 s8, RFC 5928). Either `uri`, or `host`.

    >>> DiscoveryConfig(uri="turns:example.org?transport=tcp").uri
    'turns:example.org?transport=tcp'
    """

    uri: str | _native.Uri | None = None
    """A stun:, stuns:, turn: or turns: URI; then it alone says what `service`, `is_secure`, `host` and `port` are."""
    service: Service = Service.STUN
    host: str | None = None
    """A name, or an IP address without brackets."""
    port: int | None = None
    """`None` asks the DNS."""
    is_secure: bool = False
    """Only TLS will do."""
    transports: Sequence[Transport] | None = None
    """What the host can use, best first; `None` is UDP for STUN, and UDP, TCP, TLS for relays."""
    deadline_ns: int = _native.DEFAULT_DISCOVERY_DEADLINE_NS
    """How long the whole may take."""
    resolution_delay_ns: int = _native.DEFAULT_RESOLUTION_DELAY_NS
    """How long to wait for more once an address is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SrvRecord:
    """An SRV record (RFC 2782); target "." says that there is no such service."""

    priority: int
    weight: int
    port: int
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NaptrRecord:
    """A NAPTR record (RFC 3403 s4.1)."""

    order: int
    preference: int
    flags: str
    services: str
    regexp: str
    replacement: str


@dataclass(frozen=True, slots=True)
class NatConfig:
    """Finds out what the NAT before the host does (RFC 5780).

    To tell how it filters, the socket at `local` must be fresh: nothing was sent from it before.
    """

    server: AddressLike
    """The server, best one of RFC 5780."""
    _: KW_ONLY
    local: AddressLike
    """What the socket is bound to."""
    socket_id: int = 0
    second: AddressLike | None = None
    """A second socket on another port, for hairpinning and the lifetime."""
    second_socket_id: int = 0
    own: Host | None = None
    """The host's IP address on the way to the server, if the sockets are bound to an unspecified one."""
    servers: Sequence[AddressLike] = ()
    """Further, ordinary servers, for when `server` is an ordinary one or silent; at most 8."""
    properties: Sequence[NatProperty] | None = None
    """What to find out; `None` is all but the lifetime."""
    credentials: Credentials | None = None
    retransmission: Retransmission = Retransmission()
    fingerprint: bool = False
    """End requests with FINGERPRINT, for sockets that other protocols share."""
    deadline_ns: int | None = None
    """When to report what is known; `None` is 3 minutes, and longer with the lifetime."""
    pacing_ns: int = _native.DEFAULT_NAT_PACING_NS
    """Time between the starts of two requests."""
    lifetime_max_ns: int = _native.DEFAULT_NAT_LIFETIME_MAX_NS
    """The longest wait for the lifetime."""
    lifetime_precision_ns: int = _native.DEFAULT_NAT_LIFETIME_PRECISION_NS
    """How exact to be about it."""
    attempt_interval_ns: int = _native.DEFAULT_NAT_ATTEMPT_INTERVAL_NS
    """Time between two attempts where silence is measured."""
    last_wait_ns: int = _native.DEFAULT_NAT_LAST_WAIT_NS
    """How long to wait for the answer to such an attempt."""
    max_attempts: int = _native.DEFAULT_NAT_MAX_ATTEMPTS
    """How often to try at most: 10 to 100."""
    padding: int = _native.DEFAULT_NAT_PADDING
    """Bytes of PADDING: the MTU of the interface."""


@dataclass(frozen=True, slots=True)
class PeerRule:
    """A range of addresses of one family that may, or may not, be reached. Of several that match the last decides."""

    first: Host
    last: Host | None = None
    """`None` for a range of one."""
    _: KW_ONLY
    allows: bool


@dataclass(frozen=True, slots=True)
class AllocationConfig:
    """A relayed address at a TURN server, kept as a socket of the host's that lies there (RFC 8656).

    >>> AllocationConfig(("192.0.2.1", 3478), credentials=LongTerm("alice", "s3cret")).family
    <RelayFamily.IPV4: 'ipv4'>
    """

    server: AddressLike
    _: KW_ONLY
    local: AddressLike | None = None
    transport: Transport = Transport.UDP
    """Between the host and the server. A TCP or TLS connection is the host's to open, before the start."""
    socket_id: int = 0
    credentials: Credentials | None = None
    """`None` for a server that asks nobody who it is."""
    credentials_expire_ns: int | None = None
    """When they expire by the host's clock: a minute before, `CredentialsNeeded` asks for others. `None` is never."""
    family: RelayFamily = RelayFamily.IPV4
    """Of the relayed address, or addresses; not of the path to the server."""
    relay_transport: Transport = Transport.UDP
    """Between the server and peers: UDP, or TCP for connections (RFC 6062), over TCP or TLS only."""
    port: RelayPort = RelayPort.ANY
    """A wish for the relayed port (RFC 8656 s7.1)."""
    reservation: bytes | None = None
    """The token of another allocation's `Allocated.reservation`: the port that it stands for, and no wish in `port`."""
    dont_fragment: bool = False
    """Ask the server to set the DF bit of what it sends to peers (RFC 8656 s18.9)."""
    lifetime_ns: int | None = None
    """The time-to-expiry to ask for; `None` leaves it to the server. It is renewed in any case."""
    mobility: bool = True
    """Ask for a ticket with which the allocation can move to another network (RFC 8016)."""
    keepalive_ns: int | None = _native.DEFAULT_KEEPALIVE_NS
    """Over UDP, send something at least that often; at least 1 s; `None` sends nothing for that."""
    keepalive_kind: KeepaliveKind = KeepaliveKind.INDICATION
    peer_policy: PeerPolicy = PeerPolicy.DEFAULT
    peer_rules: Sequence[PeerRule] = ()
    """Rules that go before `peer_policy`."""
    redirects: RedirectPolicy = RedirectPolicy.FOLLOW
    fingerprint: bool = True
    retransmission: Retransmission = Retransmission()
    backoff_first_ns: int = _native.DEFAULT_BACKOFF_FIRST_NS
    """The wait after the first failure that may pass, doubling from there."""
    backoff_max_ns: int = _native.DEFAULT_BACKOFF_MAX_NS
    """The longest such wait."""


@dataclass(frozen=True, slots=True)
class RelayPoolConfig:
    """Several relays as one socket: the best that is ready is selected, and another one when that dies."""

    relays: Sequence[AllocationConfig]
    """1 to 16, each on a path of its own, over UDP to peers. Events and calls name a relay by its place here.
    `keepalive_kind` is not looked at: a pool keeps alive with requests."""
    _: KW_ONLY
    ready: int | None = None
    """How many are kept ready; the others are spares. `None` is all."""
    warm_standby: bool = False
    """Ask for every peer at every relay that is ready: a migration costs no round trip then."""
    patience_ns: int | None = _native.DEFAULT_PATIENCE_NS
    """A relay that has not answered for so long is unresponsive; at least 1 s; `None` waits until it is lost."""
    settling_ns: int = _native.DEFAULT_SETTLING_NS
    """For so long after the first selection a relay that is faster by a quarter takes over at once."""
    least_gain_ns: int = _native.DEFAULT_LEAST_GAIN_NS
    """After that a faster one takes over if its round trip is at most half as long, and shorter by this."""
    hold_ns: int | None = _native.DEFAULT_HOLD_NS
    """And has been for so long; at least 1 s; `None`: none takes over because it is faster."""
