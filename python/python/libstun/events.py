"""What an agent tells its host: one frozen, keyword-only class for each kind, made to be matched.

    match event:
        case events.Mapped(address=(host, port)):
            print(f"{host} port {port}")
        case events.Failed(failure=failure):
            print(f"no address: {failure}")

`str(event)` is one line for people. Skip classes that you do not know: there will be more. Times and durations are
nanoseconds of the host's clock; `rtt_ns` is `None` where a retransmission makes the round trip unknowable.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .aliases import Address
from .enums import (
    AuthenticationFailure,
    CredentialsNeed,
    FailureReason,
    MigrationReason,
    ObservedMapping,
    RecordKind,
    RedirectRefusal,
    SendError,
    Transport,
    UnservedReason,
)
from .nat import NatEvidence, NatFinding, NatProperty, NatReport

__all__ = [
    "AddressChanged",
    "Allocated",
    "Answered",
    "AuthenticationFailures",
    "ChannelBound",
    "Close",
    "Closed",
    "ConnectionBound",
    "ConnectionFailed",
    "CredentialsNeeded",
    "DiscoveredServer",
    "Event",
    "Failed",
    "Failure",
    "FamilyRefused",
    "Lost",
    "Mapped",
    "Migrated",
    "Moved",
    "NatEvidence",
    "NatFinding",
    "NatFinished",
    "NatFound",
    "NatReport",
    "NatUnanswered",
    "OpenConnection",
    "PeerRefused",
    "PeerUnreachable",
    "PeerUnserved",
    "Permitted",
    "Reconnect",
    "Redirected",
    "Refreshed",
    "RelayReady",
    "RelaySelected",
    "RelaySuperseded",
    "Resolve",
    "Restarted",
    "Retrying",
    "ServersFound",
    "Surveyed",
    "Throttled",
    "Unanswered",
    "Unknown",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened to an operation. The base of all events."""

    id: int
    """The operation."""
    is_last: bool = False
    """Whether it is the operation's last event: its id is unknown from now on."""
    relay: int | None = None
    """The relay of a pool that it concerns, by its place in the configuration; `None` where it is none of a pool."""
    text: str = field(default="", repr=False, compare=False)
    """One line for people."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why something has failed. `str(failure)` is a sentence for people."""

    reason: FailureReason
    code: int | None = None
    """An error code (RFC 8489 s14.8) or the type of an attribute: see `FailureReason`."""
    count: int | None = None
    """How many unsigned answers came, for `FailureReason.INTEGRITY`."""
    detail: AuthenticationFailure | RedirectRefusal | SendError | None = None
    """More, for `AUTHENTICATION`, `REDIRECTED` and `SEND_FAILED`."""
    text: str = field(default="", repr=False, compare=False)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(Event):
    """A kind that is newer than this module. Skip it."""


# Bindings ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped(Event):
    """The mapped address: the first one, also of another network. The last event of a binding that asks once."""

    address: Address
    rtt_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed(Event):
    """The mapped address is the same as before."""

    address: Address
    rtt_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressChanged(Event):
    """The mapped address is another."""

    address: Address
    previous: Address
    rtt_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying(Event):
    """An attempt has failed, and another follows."""

    failure: Failure
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """The operation, or for good a relay of a pool, has failed."""

    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirected(Event):
    """A server names another one, which is asked from now on, or once `Agent.answer_redirect()` agrees."""

    server: Address
    previous: Address
    awaits_answer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted(Event):
    """The network has changed, and the operation asks again from `local`. If it differs, have a socket there."""

    local: Address
    previous: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnect(Event):
    """Open a connection (with UDP: a socket at another port) to `server`, then call `Agent.reconnected()`."""

    server: Address
    local: Address
    transport: Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Close(Event):
    """Close the connection: what its peer sent cannot be understood."""

    peer: Address


# Surveys and discoveries ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Event):
    """A server of a survey has answered; `target` is its place in the configuration."""

    target: int
    server: Address
    address: Address
    rtt_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered(Event):
    """A server of a survey will not answer."""

    target: int
    server: Address
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed(Event):
    """A survey is over; `unanswered` were not asked or not waited for."""

    answered: int
    failed: int
    unanswered: int
    mapping: ObservedMapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve(Event):
    """Ask the DNS for records of that kind, and answer with `Agent.answer_addresses()` and its like."""

    question: int
    name: str
    kind: RecordKind


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveredServer:
    """One address of one server that was found."""

    address: Address
    transport: Transport
    host: str
    """What its certificate must be for, if it is TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServersFound(Event):
    """A discovery is over: the servers in the order in which to try them."""

    servers: tuple[DiscoveredServer, ...]


# Servers -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled(Event):
    """A server has refused the network of `host` many replies: it has used up its budget."""

    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticationFailures(Event):
    """The network of `host` keeps failing to authenticate; `is_proven` if that address is not forged."""

    host: str
    is_proven: bool


# NAT probes ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NatUnanswered(Event):
    """A request of a NAT probe was not answered; `test` is what was asked, in a word."""

    test: str
    server: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class NatFound(Event):
    """A property of the NAT is decided."""

    property: NatProperty
    finding: NatFinding


@dataclass(frozen=True, slots=True, kw_only=True)
class NatFinished(Event):
    """Everything is decided."""

    report: NatReport


# Relays --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocated(Event):
    """A TURN server relays: tell the peers `relayed`, and permit them. Comes again after `Lost`."""

    relayed: Address
    additional: Address | None
    """The relayed address of the other family, if there are two."""
    mapped: Address | None
    lifetime_ns: int
    reservation: bytes | None
    """Stands for the next port, if that was asked for: `AllocationConfig.reservation` of another allocation."""
    rtt_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyRefused(Event):
    """Of two families of relayed addresses the server gave one: IP version 4 or 6 is missing, for reason `code`."""

    version: int
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted(Event):
    """The peer at `host` may send and be sent to, whatever its port."""

    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelBound(Event):
    """What is sent to the peer from now on has four bytes of overhead."""

    peer: Address
    channel: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRefused(Event):
    """The server will not relay to the peer, for reason `code`; its port is 0 where it was a permission."""

    peer: Address
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerUnreachable(Event):
    """What was sent to the peer did not arrive. A hint, which anybody could have sent."""

    peer: Address
    icmp_type: int
    icmp_code: int
    mtu: int | None
    """The MTU of the path, where the packet was too big."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost(Event):
    """The relayed address is gone. Another is asked for, and the same peers permitted there."""

    relayed: Address
    failure: Failure
    was_selected: bool = False
    """Whether data of a pool went through it: `Migrated` follows as soon as another relay is ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsNeeded(Event):
    """Call `Agent.set_credentials()`; `at_ns` is when the present ones expire, if that is why."""

    reason: CredentialsNeed
    at_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved(Event):
    """An allocation has moved with the host to another network; relayed address, permissions and channels are kept."""

    mapped: Address | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenConnection(Event):
    """Within 30 s open a connection to `server` from `local`, any port, then call `Agent.connection_opened()`."""

    connection: int
    peer: Address
    is_incoming: bool
    """Whether the peer has connected, or the host has."""
    server: Address
    local: Address
    transport: Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionBound(Event):
    """From now on the connection from `local` to `server` carries the bytes of the peer and nothing else."""

    connection: int
    peer: Address
    server: Address
    local: Address
    transport: Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFailed(Event):
    """A connection to the peer was not made, or not taken in time."""

    peer: Address
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed(Event):
    """The allocation or pool was closed, as the host wished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayReady(Event):
    """A relay of a pool is there: its address is a candidate, selected or not."""

    relayed: Address
    additional: Address | None
    mapped: Address | None
    rtt_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySelected(Event):
    """The first relay through which data of a pool goes. Tell the peers `relayed`."""

    relayed: Address
    additional: Address | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated(Event):
    """Data of a pool goes through another relayed address, which peers have to be told."""

    previous: int
    """The relay before."""
    relayed: Address
    additional: Address | None
    reason: MigrationReason
    failure: Failure | None
    """Why the relay before is gone, for `MigrationReason.LOST`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerUnserved(Event):
    """The peer, of port 0 where it was a permission, cannot be asked for at the relay that was selected just now."""

    peer: Address
    reason: UnservedReason


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySuperseded(Event):
    """A relay of a pool has come to the path of relay `by`: it is never asked again."""

    by: int
