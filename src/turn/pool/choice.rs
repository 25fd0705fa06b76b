//! Which relay data goes through.

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::SocketAddr;
use core::time::Duration;

use super::{FASTER, LINGERING, MigrationReason, PoolEvent, RelayPool, Switching};
use crate::time::Instant;
use crate::turn::PeerError;

/// The relay that is selected, and what there was before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Selection {
    current: Option<usize>,
    /// The relay that was selected last, when none is.
    departed: Option<Departure>,
    /// Until when the first choice may still be bettered at once.
    settles_at: Option<Instant>,
    /// Since when there has been one that is so much faster that it may take over.
    faster_since: Option<Instant>,
}

/// That a relay is not selected any more, and why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departure {
    pub(super) from: usize,
    pub(super) reason: MigrationReason,
}

impl Selection {
    pub(super) const fn current(&self) -> Option<usize> {
        self.current
    }

    /// The selected relay is gone.
    pub(super) fn leave(&mut self, departure: Departure) {
        self.current = None;
        self.departed = Some(departure);
        self.faster_since = None;
    }
}

impl RelayPool {
    /// Selects another relay if there is a reason to.
    pub(super) fn choose(&mut self, now: Instant) {
        let best = self.best();
        let Some(current) = self.selection.current else {
            self.timers.set(FASTER, None);
            if let Some(best) = best {
                let departed = self.selection.departed.take();
                self.select(best, departed, now);
            }
            return;
        };
        let reason =
            best.filter(|best| *best != current).and_then(|best| self.reason_for(best, current, now));
        if reason.is_none_or(|reason| reason != MigrationReason::Faster) {
            self.selection.faster_since = None;
        }
        let is_held = reason == Some(MigrationReason::Faster) && !self.has_held(now);
        match (best, reason) {
            (Some(best), Some(reason)) if !is_held => {
                self.select(best, Some(Departure { from: current, reason }), now);
                self.linger(current, now);
            }
            _ => {}
        }
        let held_at = self.selection.faster_since.zip(self.switching);
        self.timers.set(FASTER, held_at.and_then(|(since, switching)| since.deadline_after(switching.hold)));
    }

    /// The relay that reaches the most of the families that are wanted, and of those the fastest.
    fn best(&self) -> Option<usize> {
        let wanted = self.wishes.families();
        let ready = self.members.iter().enumerate().filter(|(_, member)| member.is_ready());
        let rank = |(index, member): &(usize, &super::Member)| {
            (Reverse(member.reaches(wanted)), member.round_trip().unwrap_or(Duration::MAX), *index)
        };
        ready.min_by_key(rank).map(|(index, _)| index)
    }

    /// Why data should go through `best` instead.
    fn reason_for(&self, best: usize, current: usize, now: Instant) -> Option<MigrationReason> {
        let (new, old) = (self.members.get(best)?, self.members.get(current)?);
        if old.is_silent {
            return Some(MigrationReason::Unresponsive);
        }
        let wanted = self.wishes.families();
        if new.reaches(wanted) > old.reaches(wanted) {
            return Some(MigrationReason::Family);
        }
        let (new, old) = (new.round_trip()?, old.round_trip());
        let is_much_faster = if self.is_settling(now) {
            old.is_none_or(|old| new.saturating_mul(4) <= old.saturating_mul(3))
        } else {
            let least_gain = self.switching.map(|switching: Switching| switching.least_gain);
            old.zip(least_gain)
                .is_some_and(|(old, gain)| new.saturating_mul(2) <= old && new.saturating_add(gain) <= old)
        };
        is_much_faster.then_some(MigrationReason::Faster)
    }

    /// Whether nobody minds another address yet.
    fn is_settling(&self, now: Instant) -> bool {
        self.wishes.is_empty() && self.selection.settles_at.is_some_and(|at| now < at)
    }

    /// Whether one has been faster for long enough.
    fn has_held(&mut self, now: Instant) -> bool {
        if self.is_settling(now) {
            return true;
        }
        let since = *self.selection.faster_since.get_or_insert(now);
        self.switching.is_some_and(|switching| since.saturating_add(switching.hold) <= now)
    }

    /// Sends data through that relay from now on, and asks it for every peer that is wanted.
    fn select(&mut self, relay: usize, departure: Option<Departure>, now: Instant) {
        self.selection.current = Some(relay);
        self.selection.faster_since = None;
        let Some(mut addresses) = self.relay(relay).map(|relay| relay.relayed_addresses()) else { return };
        let Some(relayed) = addresses.next() else { return };
        let additional = addresses.next();
        drop(addresses);
        if let Some(Departure { from, reason }) = departure {
            self.push(PoolEvent::Migrated { from, to: relay, relayed, additional, reason });
        } else {
            self.selection.settles_at = Some(now.saturating_add(self.settling));
            self.push(PoolEvent::Selected { relay, relayed, additional });
        }
        self.timers.set(LINGERING.saturating_add(relay as u32), None);
        self.ask_for_peers(relay, now);
        self.note(relay, now);
    }

    /// What comes through a relay that was left is unwrapped a little longer.
    fn linger(&mut self, relay: usize, now: Instant) {
        if !self.warm_standby {
            self.timers.set(LINGERING.saturating_add(relay as u32), now.deadline_after(Self::LINGER));
        }
    }

    pub(super) fn stop_lingering(&mut self, relay: usize) {
        if self.selected() != Some(relay) {
            self.forget_peers(relay);
            self.note(relay, self.now.get());
        }
    }

    /// Asks a relay for every peer that is wanted. Those of a family that it has not wait for one that has.
    pub(super) fn ask_for_peers(&mut self, relay: usize, now: Instant) {
        let Self { members, wishes, .. } = self;
        let Some(member) = members.get_mut(relay) else { return };
        member.has_wishes = true;
        let Some(allocation) = member.allocation_mut() else { return };
        let channels = wishes.channels().iter().map(|peer| (*peer, allocation.bind_channel(*peer, now)));
        let mut failed: Vec<_> = channels.filter_map(failure).collect();
        let permissions = wishes.permissions().iter();
        let permissions = permissions.map(|ip| (SocketAddr::new(*ip, 0), allocation.permit(*ip, now)));
        failed.extend(permissions.filter_map(failure));
        if self.selected() != Some(relay) {
            return;
        }
        for (peer, error) in failed {
            self.push(PoolEvent::PeerUnserved { relay, peer, error });
        }
    }

    /// Lets a relay renew what it was asked for no longer, unless it is to be warm: a standby costs its own refreshes
    /// and keepalives only.
    pub(super) fn forget_peers(&mut self, relay: usize) {
        let now = self.now.get();
        let Self { members, wishes, warm_standby, .. } = self;
        let Some(member) = members.get_mut(relay).filter(|member| member.has_wishes && !*warm_standby) else {
            return;
        };
        member.has_wishes = false;
        let Some(allocation) = member.allocation_mut() else { return };
        wishes.channels().iter().for_each(|peer| {
            allocation.release_channel(*peer, now);
        });
        wishes.permissions().iter().for_each(|peer| {
            allocation.revoke(*peer, now);
        });
    }
}

fn failure((peer, result): (SocketAddr, Result<(), PeerError>)) -> Option<(SocketAddr, PeerError)> {
    result.err().map(|error| (peer, error))
}
