//! What the server has granted: relayed addresses and the time until it takes them back.

use alloc::boxed::Box;
use core::net::SocketAddr;
use core::time::Duration;

use super::{Allocation, FailureReason, RelayFamily};
use crate::net;
use crate::time::Instant;
use crate::wire::Message;
use crate::wire::attribute::{
    AddressErrorCode, AddressFamily, Lifetime, MobilityTicket, ReservationToken, XorMappedAddress,
    XorRelayedAddress,
};

/// An allocation as the server has granted it.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) relayed: SocketAddr,
    pub(super) additional: Option<SocketAddr>,
    pub(super) mapped: Option<SocketAddr>,
    pub(super) granted_at: Instant,
    pub(super) expires_at: Option<Instant>,
    /// `None` while a refresh is wanted or outstanding: one that is due is not due again (RFC 8656 s8).
    pub(super) refresh_at: Option<Instant>,
    /// The ticket to move with (RFC 8016 s3.1.3).
    pub(super) ticket: Option<Box<[u8]>>,
}

/// What a success response to Allocate says beside the lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extras {
    pub(super) lifetime: Duration,
    pub(super) reservation: Option<[u8; 8]>,
    pub(super) refused: Option<(AddressFamily, u16)>,
}

impl Lease {
    /// Reads a success response (RFC 8656 s7.3). The time runs from when the request was last sent.
    pub(super) fn read(
        response: &Message<'_>,
        family: RelayFamily,
        sent_at: Instant,
        now: Instant,
    ) -> Result<(Self, Extras), FailureReason> {
        let mut relayed = response.get_all::<XorRelayedAddress>().map(|found| found.map(|address| address.0));
        let first = match relayed.next() {
            Some(Ok(address)) if net::is_endpoint(&address) => address,
            _ => return Err(FailureReason::NoRelayedAddress),
        };
        // Whoever asked for one looks at one: RFC 8489 s14 ignores what is repeated.
        let second = match relayed.next() {
            Some(Ok(other)) if family == RelayFamily::Both && net::is_endpoint(&other) => Some(other),
            Some(_) if family == RelayFamily::Both => return Err(FailureReason::NoRelayedAddress),
            _ => None,
        };
        if !family.includes(&first) || second.is_some_and(|other| other.is_ipv4() == first.is_ipv4()) {
            return Err(FailureReason::WrongFamily);
        }
        let lifetime = lifetime(response)?;
        let (relayed, additional) = match second {
            Some(other) if other.is_ipv4() => (other, Some(first)),
            second => (first, second),
        };
        let mapped = response.get::<XorMappedAddress>().ok().flatten().map(|found| net::canonical(found.0));
        let mut lease = Self {
            relayed,
            additional,
            mapped,
            granted_at: now,
            expires_at: None,
            refresh_at: None,
            ticket: None,
        };
        lease.note_ticket(response);
        lease.extend(lifetime, sent_at, now);
        let token = response.get::<ReservationToken>().ok().flatten();
        let refused = response.get::<AddressErrorCode<'_>>().ok().flatten();
        let extras = Extras {
            lifetime,
            reservation: token.map(|token| token.0),
            refused: refused.map(|refused| (refused.family, refused.code)),
        };
        Ok((lease, extras))
    }

    /// The server has refreshed it for that long, counted from when it was asked.
    pub(super) fn extend(&mut self, lifetime: Duration, sent_at: Instant, now: Instant) {
        self.expires_at = sent_at.deadline_after(lifetime);
        // Half of it is also a minute before the end or more, where there are two; RFC 8656 s8 suggests the minute,
        // which would leave room for one attempt. An answer that took longer than that starts it anew.
        let due = sent_at.deadline_after(Duration::from_nanos(crate::time::nanos(lifetime) / 2));
        self.refresh_at = due.map(|at| at.max(now.saturating_add(MIN_REFRESH_WAIT)));
    }

    /// Keeps the ticket that a response brings (RFC 8016 s3.1.3, s3.2.3).
    pub(super) fn note_ticket(&mut self, response: &Message<'_>) {
        let ticket = response.get::<MobilityTicket<'_>>().ok().flatten();
        if let Some(ticket) =
            ticket.filter(|ticket| !ticket.0.is_empty() && ticket.0.len() <= Self::MAX_TICKET)
        {
            self.ticket = Some(ticket.0.into());
        }
    }

    /// Both relayed addresses.
    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> + use<> {
        [Some(self.relayed), self.additional].into_iter().flatten()
    }

    /// The relayed address from which the server sends to that peer.
    pub(super) fn address_towards(&self, peer: &SocketAddr) -> Option<SocketAddr> {
        self.addresses().find(|relayed| relayed.is_ipv4() == peer.is_ipv4())
    }

    /// Longest ticket in bytes that is kept and sent. RFC 8016 s3.1.2 wants requests below the path's MTU.
    pub(super) const MAX_TICKET: usize = 512;
}

/// The lifetime that a success response gives, within what is possible.
pub(super) fn lifetime(response: &Message<'_>) -> Result<Duration, FailureReason> {
    match response.get::<Lifetime>() {
        Ok(Some(Lifetime(given))) if given >= Allocation::MIN_LIFETIME => {
            Ok(given.min(Allocation::MAX_LIFETIME))
        }
        _ => Err(FailureReason::ImpossibleLifetime),
    }
}

/// The least time between a refresh and the next.
const MIN_REFRESH_WAIT: Duration = Duration::from_secs(1);
