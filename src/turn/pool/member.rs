//! One relay of a pool: what the pool notes of it beside the allocation itself.

use alloc::boxed::Box;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use crate::machine::Usage as _;
use crate::net::FiveTuple;
use crate::time::Instant;
use crate::turn::{Allocation, AllocationConfig, KeepaliveKind, PeerError, PeerPolicy, RelayFamily};
use crate::wire::TransactionId;

#[derive(Debug)]
pub(super) struct Member {
    pub(super) progress: Progress,
    family: RelayFamily,
    peers: PeerPolicy,
    /// How often it asks the server whether it is still there, if it does.
    keepalive: Option<Duration>,
    /// What it waits for.
    pub(super) waiting: Option<Waiting>,
    /// It has waited for too long.
    pub(super) is_silent: bool,
    /// How often it has answered all the same, since it has its relayed address.
    pub(super) false_alarms: u32,
    /// Something stands between it and a relay: a failure, or the host.
    pub(super) is_ailing: bool,
    /// The peers that the pool wants have been asked for here.
    pub(super) has_wishes: bool,
    /// When something of the server's was last taken.
    pub(super) heard_at: Instant,
}

/// ```text
///             fewer than wanted are well                 Closed, Failed
///   Spare ------------------------------> Asked(allocation) --------> Asked(ended)
///     |                                   |
///     |          the pool is closed       | another one is on its path
///     +-----------------------------------+-------------------------> Gone
/// ```
///
/// An allocation that has ended of its own stays: the host may still hold bytes that it has lent.
#[derive(Debug)]
pub(super) enum Progress {
    Spare(Box<AllocationConfig>),
    Asked(Box<Allocation>),
    Gone,
}

/// What a relay waits for: an answer to that request, or, with none outstanding, its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    id: Option<TransactionId>,
    pub(super) since: Instant,
}

impl Member {
    pub(super) fn new(config: AllocationConfig, now: Instant) -> Self {
        let asks = config.keepalive_kind == KeepaliveKind::Request && !config.path.transport.is_reliable();
        Self {
            family: config.family,
            peers: config.peers.clone(),
            keepalive: config.keepalive.filter(|_| asks),
            progress: Progress::Spare(Box::new(config)),
            waiting: None,
            is_silent: false,
            false_alarms: 0,
            is_ailing: false,
            has_wishes: false,
            heard_at: now,
        }
    }

    pub(super) fn allocation(&self) -> Option<&Allocation> {
        match &self.progress {
            Progress::Asked(allocation) => Some(allocation),
            Progress::Spare(_) | Progress::Gone => None,
        }
    }

    pub(super) fn allocation_mut(&mut self) -> Option<&mut Allocation> {
        match &mut self.progress {
            Progress::Asked(allocation) => Some(allocation),
            Progress::Spare(_) | Progress::Gone => None,
        }
    }

    /// The path that it has taken, or will take.
    pub(super) fn path(&self) -> Option<FiveTuple> {
        match &self.progress {
            Progress::Spare(config) => Some(config.path),
            Progress::Asked(allocation) => allocation.relay_paths().next(),
            Progress::Gone => None,
        }
    }

    pub(super) const fn is_spare(&self) -> bool {
        matches!(self.progress, Progress::Spare(_))
    }

    /// Whether nothing more comes of it.
    pub(super) fn is_over(&self) -> bool {
        match &self.progress {
            Progress::Spare(_) => false,
            Progress::Asked(allocation) => allocation.is_ended(),
            Progress::Gone => true,
        }
    }

    /// Whether it has a relayed address, even if nothing can be sent at the moment (RFC 8016).
    pub(super) fn has_relay(&self) -> bool {
        self.allocation().is_some_and(|allocation| allocation.relayed_address().is_some())
    }

    /// Whether it may be selected.
    pub(super) fn is_ready(&self) -> bool {
        !self.is_silent && self.allocation().is_some_and(Allocation::is_allocated)
    }

    /// Whether it counts among those that are kept ready: it is, or is about to be.
    pub(super) fn is_well(&self) -> bool {
        let is_at_work = self.has_relay() || !self.is_ailing;
        is_at_work && !self.is_silent && !self.is_spare() && !self.is_over()
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.allocation()?.round_trip()
    }

    /// How many of those families it can reach.
    pub(super) fn reaches(&self, (wants_ipv4, wants_ipv6): (bool, bool)) -> usize {
        let Some(allocation) = self.allocation() else { return 0 };
        let is_reached = |own: SocketAddr| if own.is_ipv4() { wants_ipv4 } else { wants_ipv6 };
        allocation.relayed_addresses().filter(|own| is_reached(*own)).count()
    }

    /// Whether it could ever serve that peer, and what stands against it.
    pub(super) fn check(&self, peer: IpAddr) -> Result<(), PeerError> {
        self.peers.check_ip(peer).map_err(PeerError::Refused)?;
        if self.family.includes(&SocketAddr::new(peer, 0)) { Ok(()) } else { Err(PeerError::OtherFamily) }
    }

    /// How far ahead of its time a keepalive may be asked for, so that it is asked for now.
    pub(super) fn probe_horizon(&self, overridden: Option<Duration>) -> Option<Duration> {
        let own = self.keepalive?;
        Some(overridden.unwrap_or(own).max(own))
    }

    /// Notes since when it waits. A relay that does not wait, or has no relayed address to be replaced, is not timed.
    pub(super) fn watch(&mut self, now: Instant) -> Option<Instant> {
        let waits = match self.allocation() {
            Some(allocation) if self.has_relay() => self.waits_for(allocation),
            _ => {
                (self.is_silent, self.false_alarms) = (false, 0);
                None
            }
        };
        self.waiting = match (waits, self.waiting) {
            (None, _) => None,
            (Some(id), Some(known)) if known.id == id => Some(known),
            (Some(id), _) => Some(Waiting { id, since: now }),
        };
        self.waiting.filter(|_| !self.is_silent).map(|waiting| waiting.since)
    }

    /// The request that it waits for, the one it has waited for already if that is still outstanding.
    fn waits_for(&self, allocation: &Allocation) -> Option<Option<TransactionId>> {
        let known = self.waiting.and_then(|waiting| waiting.id);
        let mut ids = allocation.outstanding().map(|(id, _)| id);
        let first = ids.next();
        let is_known = |id: TransactionId| Some(id) == known;
        match first {
            Some(id) if is_known(id) || ids.any(is_known) => Some(known),
            Some(id) => Some(Some(id)),
            None => (!allocation.is_allocated()).then_some(None),
        }
    }

    /// How long it may leave a request unanswered: the longer, the slower its path, and the more that has lost.
    pub(super) fn patience(&self, least: Duration) -> Duration {
        let four_sends = self.allocation().map_or(Duration::ZERO, Allocation::adaptive_rto).saturating_mul(8);
        let doubled = least.max(four_sends).saturating_mul(1 << self.false_alarms.min(MAX_DOUBLINGS));
        doubled.min(least.max(MAX_ADAPTIVE_PATIENCE))
    }

    /// The server has said something that counts.
    pub(super) fn note_answer(&mut self, now: Instant) {
        self.heard_at = now;
        if core::mem::take(&mut self.is_silent) {
            self.false_alarms = self.false_alarms.saturating_add(1);
        }
        self.waiting = None;
    }
}

/// What a path may raise the patience to: a request lives for 39.5 s (RFC 8489 s6.2.1).
const MAX_ADAPTIVE_PATIENCE: Duration = Duration::from_secs(30);

/// From a second to more than [`MAX_ADAPTIVE_PATIENCE`].
const MAX_DOUBLINGS: u32 = 5;
