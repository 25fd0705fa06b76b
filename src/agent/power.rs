//! When to wake the host: sooner than needed, so as to wake it less often; and what to do when its network has
//! changed.

use core::net::IpAddr;
use core::time::Duration;

use super::Agent;
use crate::time::Instant;
use crate::transaction::RtoCache;

/// How an agent trades packets for wake-ups.
///
/// A radio that is woken for one packet stays awake for seconds, so that ten keepalives at ten times cost ten
/// times as much as ten at once. With a slack, whenever the host is woken, refreshes that will be due within it
/// are sent too; after the first round they come together. A slack makes none late: what can is a server at which
/// ten requests are outstanding, where a refresh waits its turn like any other request (RFC 8489 s6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerProfile {
    /// How much earlier than due a refresh may be sent. Zero wakes the host for each. With as much as the interval
    /// or more, every wake-up refreshes.
    pub max_slack: Duration,
    /// Refreshes every binding, and keeps the path to every TURN server alive, that often instead of as its
    /// configuration says, also those that start later;
    /// `None` leaves it. Longer than the NAT keeps a binding is too long: see [`crate::nat`] for how to find out.
    pub refresh: Option<Duration>,
}

impl PowerProfile {
    /// Exact times. What an agent begins with.
    pub const ACTIVE: Self = Self { max_slack: Duration::ZERO, refresh: None };

    /// One wake-up for everything that is due within ten seconds, which is less than half of
    /// [`crate::stun::BindingConfig::DEFAULT_REFRESH`].
    pub const IDLE: Self = Self { max_slack: Duration::from_secs(10), refresh: None };
}

impl Default for PowerProfile {
    fn default() -> Self {
        Self::ACTIVE
    }
}

impl Agent {
    /// The profile in force.
    #[must_use]
    pub const fn power(&self) -> PowerProfile {
        self.power
    }

    /// Changes the profile, with effect at once: read [`poll_timeout`](crate::Machine::poll_timeout) anew.
    /// Costs O(n) in the number of operations.
    pub fn set_power(&mut self, profile: PowerProfile, now: Instant) {
        let now = self.begin(now);
        let is_other_interval = profile.refresh != self.power.refresh;
        self.power = profile;
        if is_other_interval {
            self.for_each(|operation| operation.override_refresh(profile.refresh, now));
        }
        self.finish();
    }

    /// The host's local addresses are these from now on: an interface went up or down, or a phone changed from
    /// one network to another.
    ///
    /// Bindings on an address that is still there go on. Those on an unspecified address ask again at once; those
    /// on an address that is gone move to the first one given of their family, where the host opens a socket, or
    /// end if there is none. Each says so with an event. What was learnt of round trips is forgotten.
    ///
    /// Allocations go on from the new address: their server is asked to relay there, where it gave a ticket for that
    /// (RFC 8016), or for another relay. Pools do so with each of their relays; of two that come to share a path, one
    /// ends.
    ///
    /// Surveys and NAT probes compare what several requests have found of one network: where an address that they
    /// ask from is gone, or is unspecified, a survey's targets that have not answered have failed, and a probe ends
    /// with what it has found. Start others.
    pub fn network_changed(&mut self, addresses: &[IpAddr], now: Instant) {
        let now = self.begin(now);
        self.round_trips = RtoCache::default();
        self.for_each(|operation| operation.network_changed(addresses, now));
        self.finish();
    }

    /// The host is awake: sends what would wake it soon (C4: only if something was due).
    pub(super) fn refresh_early(&mut self, now: Instant) {
        if self.power.max_slack.is_zero() {
            return;
        }
        let horizon = now.saturating_add(self.power.max_slack);
        for _ in 0..self.operations.len() {
            let Some(slot) = self.refreshes.pop_due(horizon) else { return };
            if let Some(operation) = self.operations.get_mut(slot as usize) {
                operation.refresh_early(horizon, now);
                self.note(slot);
            }
        }
    }

    fn for_each(&mut self, mut change: impl FnMut(&mut super::Operation)) {
        for slot in 0..self.operations.capacity() as u32 {
            if let Some(operation) = self.operations.get_mut(slot as usize).filter(|one| !one.is_in_ended) {
                change(operation);
                self.note(slot);
            }
        }
    }
}
