//! What a pool of relays tells its host.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use crate::turn::{AllocationEvent, FailureReason, PeerError};

/// What a [`RelayPool`](super::RelayPool) tells its host. `relay` is the place in
/// [`PoolConfig::relays`](super::PoolConfig::relays).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolEvent {
    /// A relay is ready: its relayed address is a candidate from now on, whether it is selected or stands by.
    Ready {
        /// Which one.
        relay: usize,
        /// The relayed transport address; of two, the IPv4 one.
        relayed: SocketAddr,
        /// The other one, of the other family.
        additional: Option<SocketAddr>,
        /// The host's address as the server sees it: its server-reflexive address.
        mapped: Option<SocketAddr>,
        /// The smoothed round trip, once measured.
        rtt: Option<Duration>,
    },
    /// The first relay through which data goes.
    Selected {
        /// Which one.
        relay: usize,
        /// Its relayed address; of two, the IPv4 one.
        relayed: SocketAddr,
        /// The other one, of the other family.
        additional: Option<SocketAddr>,
    },
    /// Data goes through another relayed address from now on, which peers have to be told. Every peer that is wanted
    /// has been asked for there.
    Migrated {
        /// The relay before.
        from: usize,
        /// The relay now; the same, if it was lost and none else was there before it had another address.
        to: usize,
        /// Its relayed address; of two, the IPv4 one.
        relayed: SocketAddr,
        /// The other one, of the other family.
        additional: Option<SocketAddr>,
        /// Why.
        reason: MigrationReason,
    },
    /// A relayed address is gone. If it was the selected one, [`Migrated`](Self::Migrated) follows as soon as another
    /// is ready, which mostly is at once.
    Lost {
        /// Which relay.
        relay: usize,
        /// The relayed address that is gone.
        relayed: SocketAddr,
        /// Why.
        reason: FailureReason,
        /// Whether data went through it.
        was_selected: bool,
    },
    /// A peer that is wanted cannot be asked for at the relay that was selected just now.
    PeerUnserved {
        /// Which relay.
        relay: usize,
        /// The peer; port 0 where a permission is wanted.
        peer: SocketAddr,
        /// Why.
        error: PeerError,
    },
    /// What a relay tells beside that: peers that are permitted, bound or refused, and what the host has to do for it.
    /// Never its [`Allocated`](AllocationEvent::Allocated), [`Lost`](AllocationEvent::Lost) or
    /// [`Closed`](AllocationEvent::Closed). After its [`Failed`](AllocationEvent::Failed) it is never asked again.
    Relay {
        /// Which one.
        relay: usize,
        /// What it tells.
        event: AllocationEvent,
    },
    /// A relay has come to the path of another one, by a redirection or with its host's network. A server knows one
    /// allocation for each 5-tuple (RFC 8656 s3.2): it ends without a word to the server, and is never asked again.
    Superseded {
        /// Which one.
        relay: usize,
        /// The one that stays.
        by: usize,
    },
    /// The pool was closed as the host wished. The last event.
    Closed,
    /// Every relay has failed for good. The last event.
    Failed {
        /// Why the last one has.
        reason: FailureReason,
    },
}

/// Why data goes through another relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MigrationReason {
    /// The relay before is gone.
    Lost {
        /// Why.
        reason: FailureReason,
    },
    /// The relay before has not answered for [`PoolConfig::patience`](super::PoolConfig::patience). It goes on: what
    /// still comes through it is unwrapped.
    Unresponsive,
    /// More of the peers can be reached from this one, for their family.
    Family,
    /// This one is faster.
    Faster,
}

impl fmt::Display for PoolEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { relay, relayed, .. } => write!(f, "relay {relay} is ready: {relayed}"),
            Self::Selected { relay, relayed, .. } => write!(f, "relay {relay} is selected: {relayed}"),
            Self::Migrated { from, to, relayed, reason, .. } => {
                write!(f, "from relay {from} to relay {to}, {relayed}: {reason}")
            }
            Self::Lost { relay, relayed, reason, .. } => {
                write!(f, "relay {relay}: relayed address {relayed} is gone: {reason}")
            }
            Self::PeerUnserved { relay, peer, error } => write!(f, "relay {relay}: {}: {error}", peer.ip()),
            Self::Relay { relay, event } => write!(f, "relay {relay}: {event}"),
            Self::Superseded { relay, by } => write!(f, "relay {relay} has come to where relay {by} is"),
            Self::Closed => f.write_str("closed"),
            Self::Failed { reason } => write!(f, "every relay has failed, the last one: {reason}"),
        }
    }
}

impl fmt::Display for MigrationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { reason } => write!(f, "it is gone: {reason}"),
            Self::Unresponsive => f.write_str("it does not answer"),
            Self::Family => f.write_str("more peers are of its family"),
            Self::Faster => f.write_str("it is faster"),
        }
    }
}
