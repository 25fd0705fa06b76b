//! What an allocation tells its host.

use alloc::collections::VecDeque;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::Allocation;
use crate::auth::AuthFailure;
use crate::net::{FiveTuple, SendError};
use crate::time::Instant;
use crate::transaction::RedirectRefusal;
use crate::wire::ChannelNumber;
use crate::wire::attribute::{AttributeType, ConnectionId, Icmp};

/// What an [`Allocation`](super::Allocation) tells its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllocationEvent {
    /// The relay is there. Tell the peers `relayed`, and permit them.
    Allocated {
        /// The relayed transport address; of two, the IPv4 one.
        relayed: SocketAddr,
        /// The other one, of the other family.
        additional: Option<SocketAddr>,
        /// The host's address as the server sees it: its server-reflexive address.
        mapped: Option<SocketAddr>,
        /// How long the server keeps it without a refresh.
        lifetime: Duration,
        /// The token for the next port, if [`EvenReservingNext`](super::RelayPort::EvenReservingNext) was asked for.
        reservation: Option<[u8; 8]>,
        /// The round trip of the last request, or `None` where a retransmission makes it unknowable.
        rtt: Option<Duration>,
    },
    /// Of two families, the server gave one.
    FamilyRefused {
        /// Whether IPv6 is missing; else IPv4.
        is_ipv6: bool,
        /// Its reason: 440, never; 508, not now (RFC 8656 s7.3).
        code: u16,
    },
    /// The peer may send and be sent to, whatever its port.
    Permitted {
        /// The peer.
        peer: IpAddr,
    },
    /// What is sent to that peer from now on has four bytes of overhead.
    ChannelBound {
        /// The peer.
        peer: SocketAddr,
        /// The channel.
        number: ChannelNumber,
    },
    /// The server will not relay to that peer. It is forgotten: it may be permitted or bound again.
    PeerRefused {
        /// The peer; port 0 where a permission was refused.
        peer: SocketAddr,
        /// The server's reason, 300 to 699: 403 is its policy, 443 the family (RFC 8656 s10.2, s12.2).
        code: u16,
    },
    /// What was sent to a peer did not arrive: an ICMP message came back to the relayed address (RFC 8656 s11.5).
    PeerUnreachable {
        /// The peer.
        peer: SocketAddr,
        /// The message. Not signed: a hint, such as a path's MTU.
        icmp: Icmp,
    },
    /// The server no longer relays. Permissions and channels are asked for again as soon as there is another
    /// relayed address, which peers have to be told.
    Lost {
        /// The relayed address that is gone.
        relayed: SocketAddr,
        /// Why.
        reason: FailureReason,
    },
    /// An attempt has failed, and another follows.
    Retrying {
        /// Why it failed.
        reason: FailureReason,
        /// When the next one is due.
        at: Instant,
    },
    /// The server names another in its place (RFC 8656 s7.4), which is asked from now on; or only if the host agrees.
    /// [`Allocation::alternate_domain`](super::Allocation::alternate_domain) is the name that its certificate must
    /// carry.
    Redirected {
        /// The server that redirects.
        from: SocketAddr,
        /// The server to ask.
        server: SocketAddr,
        /// Whether the allocation waits for [`Allocation::answer_redirect`](super::Allocation::answer_redirect).
        awaits_answer: bool,
    },
    /// The host is to give other credentials with
    /// [`Allocation::set_credentials`](super::Allocation::set_credentials).
    CredentialsNeeded {
        /// Why.
        reason: CredentialsNeed,
    },
    /// The host is to open a new connection or, over UDP, a socket at another port along `path`, and to call
    /// [`Allocation::reconnected`](super::Allocation::reconnected). Nothing is due until then.
    Reconnect {
        /// Where to.
        path: FiveTuple,
    },
    /// The network has changed: requests go out from `local` from now on, where the host must open a socket.
    Restarted {
        /// The local address before.
        previous: SocketAddr,
        /// The local address now.
        local: SocketAddr,
    },
    /// The allocation has moved with the host: relayed address, permissions and channels are as before (RFC 8016).
    /// Send something to any peer: until then the server relays what peers send to where the host was before
    /// (RFC 8016 s3.2.2), and only the host knows what a peer can make of it.
    Moved {
        /// The host's address as the server sees it now.
        mapped: Option<SocketAddr>,
    },
    /// A connection to a peer is there on the server's side (RFC 6062 s4.3, s4.4). The host is to open one to the
    /// server along `path`, from another port than any other, and to call
    /// [`Allocation::connection_opened`](super::Allocation::connection_opened) within
    /// [`CONNECTION_TIMEOUT`](super::Allocation::CONNECTION_TIMEOUT).
    OpenConnection {
        /// Names the connection.
        connection: ConnectionId,
        /// The peer.
        peer: SocketAddr,
        /// Whether the peer has opened it; otherwise the host asked for it.
        is_incoming: bool,
        /// Where to.
        path: FiveTuple,
    },
    /// From now on the connection along `path` carries the peer's bytes and nothing else.
    ConnectionBound {
        /// Names the connection.
        connection: ConnectionId,
        /// The peer.
        peer: SocketAddr,
        /// The connection between host and server.
        path: FiveTuple,
    },
    /// A connection to a peer was not made, or not taken in time. Close the one to the server, if there is one.
    ConnectionFailed {
        /// The peer.
        peer: SocketAddr,
        /// Why. 447: the peer does not answer, to be asked after ten seconds at the earliest (RFC 6062 s4.3).
        reason: FailureReason,
    },
    /// The allocation was closed as the host wished. The last event.
    Closed,
    /// The allocation has failed for good. The last event.
    Failed {
        /// Why.
        reason: FailureReason,
    },
}

/// Why other credentials are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CredentialsNeed {
    /// The server rejects those that it was given. Nothing is sent until there are others.
    Rejected,
    /// The host said that they expire then. What is there goes on meanwhile.
    Expiring {
        /// When.
        at: Instant,
    },
}

/// Why an attempt has failed, or a relay is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureReason {
    /// Nobody answered in time.
    Timeout,
    /// Answers came, but none was signed with the password (RFC 8489 s9.2.5).
    IntegrityViolated {
        /// The error code of the last one, 0 for a success.
        code: u16,
        /// How many.
        count: u32,
    },
    /// The server refused.
    ErrorResponse {
        /// Its code, 300 to 699 (RFC 8489 s14.8, RFC 8656 s19).
        code: u16,
    },
    /// The server refused because it does not understand an attribute that it must (RFC 8489 s6.3.1).
    NotUnderstood {
        /// The first such attribute.
        attribute: AttributeType,
    },
    /// The server's challenge was not met (RFC 8489 s9.2.5).
    Authentication {
        /// Why.
        failure: AuthFailure,
    },
    /// The server named another that was not asked (RFC 8489 s10).
    Redirected {
        /// Why.
        refusal: RedirectRefusal,
    },
    /// The local address has gone, and the allocation could not move with the host.
    NetworkChanged,
    /// An error response without a usable ERROR-CODE.
    MalformedError,
    /// A response with an attribute that one would have to understand, and does not (RFC 8489 s6.3.3).
    UnknownAttribute {
        /// The first such attribute.
        attribute: AttributeType,
    },
    /// A success response without a usable relayed address.
    NoRelayedAddress,
    /// The relayed address is of a family that was not asked for.
    WrongFamily,
    /// LIFETIME is missing, or under [`Allocation::MIN_LIFETIME`](super::Allocation::MIN_LIFETIME).
    ImpossibleLifetime,
    /// The time-to-expiry ended before the server could be asked.
    Expired,
    /// The host could not send, or ICMP said that nobody is there and nobody answered within
    /// [`Allocation::REJECTION_GRACE`](super::Allocation::REJECTION_GRACE).
    SendFailed {
        /// What the host reported.
        error: SendError,
    },
    /// The relay that it belongs to is gone.
    AllocationLost,
}

/// The events that wait for the host. The oldest goes first when it does not poll, and is counted.
#[derive(Debug)]
pub(super) struct Events {
    queue: VecDeque<AllocationEvent>,
    dropped: u32,
}

impl Events {
    pub(super) fn new() -> Self {
        Self { queue: VecDeque::with_capacity(1), dropped: 0 }
    }

    pub(super) fn push(&mut self, event: AllocationEvent) {
        if self.queue.len() >= Allocation::MAX_EVENTS {
            self.queue.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.queue.push_back(event);
    }

    pub(super) fn pop(&mut self) -> Option<AllocationEvent> {
        self.queue.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) const fn dropped(&self) -> u32 {
        self.dropped
    }
}

impl fmt::Display for AllocationEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allocated { relayed, additional: Some(other), .. } => {
                write!(f, "relayed addresses {relayed} and {other}")
            }
            Self::Allocated { relayed, .. } => write!(f, "relayed address {relayed}"),
            Self::FamilyRefused { is_ipv6, code } => {
                write!(f, "no relayed address of IPv{}: {code}", if *is_ipv6 { 6 } else { 4 })
            }
            Self::Permitted { peer } => write!(f, "{peer} is permitted"),
            Self::ChannelBound { peer, number } => write!(f, "channel {number:?} is bound to {peer}"),
            Self::PeerRefused { peer, code } if peer.port() == 0 => {
                write!(f, "{} is refused: {code}", peer.ip())
            }
            Self::PeerRefused { peer, code } => write!(f, "{peer} is refused: {code}"),
            Self::PeerUnreachable { peer, icmp } => {
                write!(f, "{peer} is unreachable: ICMP type {} code {}", icmp.icmp_type, icmp.code)
            }
            Self::Lost { relayed, reason } => write!(f, "relayed address {relayed} is gone: {reason}"),
            Self::Retrying { reason, .. } => write!(f, "{reason}; trying again"),
            Self::Redirected { from, server, awaits_answer: false } => {
                write!(f, "{from} redirects to {server}")
            }
            Self::Redirected { from, server, .. } => write!(f, "{from} redirects to {server}; follow?"),
            Self::CredentialsNeeded { reason: CredentialsNeed::Rejected } => {
                f.write_str("other credentials are needed: the server rejects these")
            }
            Self::CredentialsNeeded { .. } => f.write_str("other credentials are needed: these expire"),
            Self::Reconnect { path } => write!(f, "a new socket to {} is needed", path.remote),
            Self::Restarted { previous, local } => {
                write!(f, "the network has changed; asking from {local}, no longer {previous}")
            }
            Self::Moved { .. } => f.write_str("the allocation has moved to another network"),
            Self::OpenConnection { peer, is_incoming: true, .. } => {
                write!(f, "{peer} has opened a connection")
            }
            Self::OpenConnection { peer, .. } => write!(f, "the connection to {peer} can be opened"),
            Self::ConnectionBound { peer, .. } => write!(f, "connected to {peer}"),
            Self::ConnectionFailed { peer, reason } => write!(f, "no connection to {peer}: {reason}"),
            Self::Closed => f.write_str("closed"),
            Self::Failed { reason } => reason.fmt(f),
        }
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("nobody answered"),
            Self::IntegrityViolated { code: 0, count } => {
                write!(f, "integrity violated: saw {count} unsigned responses")
            }
            Self::IntegrityViolated { code, count } => {
                write!(f, "integrity violated: saw {code} x{count} unsigned")
            }
            Self::ErrorResponse { code } => write!(f, "the server answered {code}"),
            Self::NotUnderstood { attribute } => {
                write!(f, "the server does not understand {attribute:?}")
            }
            Self::Authentication { failure } => failure.fmt(f),
            Self::Redirected { refusal } => write!(f, "redirected, and not followed: {refusal}"),
            Self::NetworkChanged => f.write_str("the local address has gone"),
            Self::MalformedError => f.write_str("the server answered an error without a code"),
            Self::UnknownAttribute { attribute } => {
                write!(f, "the response demands to understand {attribute:?}")
            }
            Self::NoRelayedAddress => f.write_str("the response has no usable relayed address"),
            Self::WrongFamily => f.write_str("the relayed address is of another family than was asked for"),
            Self::ImpossibleLifetime => f.write_str("the response has no possible lifetime"),
            Self::Expired => f.write_str("the time-to-expiry has ended"),
            Self::SendFailed { error } => write!(f, "sending failed: {error}"),
            Self::AllocationLost => f.write_str("the relay is gone"),
        }
    }
}
