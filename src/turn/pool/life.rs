//! What relays tell and time does: spares, silence, ends.

use alloc::boxed::Box;
use core::net::IpAddr;

use super::choice::Departure;
use super::{DOUBT, FASTER, LAST_KEY, LINGERING, Progress, RelayPool, SILENCE, State};
use super::{MigrationReason, PoolEvent};
use crate::machine::{Machine as _, Usage as _};
use crate::time::Instant;
use crate::transaction::RttEstimator;
use crate::turn::allocation::{
    Allocation, AllocationConfig, AllocationEvent, CredentialsNeed, FailureReason,
};

impl RelayPool {
    /// Asks as many as are to be kept ready.
    pub(super) fn open(&mut self, known: impl Fn(IpAddr) -> Option<RttEstimator>, now: Instant) {
        for index in 0..self.ready {
            self.ask(index, &known, now);
        }
        self.settle(now);
    }

    /// Lets one relay do something, and sees to what follows.
    pub(super) fn with(&mut self, index: usize, now: Instant, act: impl FnOnce(&mut Allocation)) {
        if let Some(relay) = self.allocation_mut(index) {
            act(relay);
            self.note(index, now);
            self.settle(now);
        }
    }

    /// After every call to a relay: what it has told, since when it waits, its deadline, and its place in the ready
    /// queue.
    pub(super) fn note(&mut self, index: usize, now: Instant) {
        while let Some(event) = self.allocation_mut(index).and_then(Allocation::poll_event) {
            self.absorb(index, event, now);
        }
        if let Some(other) = self.on_same_path(index) {
            self.retire(index, other);
        }
        let Some(member) = self.members.get_mut(index) else { return };
        let since = member.watch(now);
        let Some(relay) = member.allocation() else { return };
        let (at, is_ready) = (relay.deadline().map(|(at, _)| at), relay.queued_transmits() > 0);
        let patience = self.patience.filter(|_| self.state == State::Running);
        let limit = patience.map(|patience| member.patience(patience));
        let silent_at = since.zip(limit).and_then(|(since, limit)| since.deadline_after(limit));
        self.timers.set(index as u32, at);
        self.timers.set(SILENCE.saturating_add(index as u32), silent_at);
        if is_ready {
            self.with_transmits.push(index as u32);
        } else {
            self.with_transmits.remove(index as u32);
        }
    }

    /// After every step: asks spares, chooses, ends.
    pub(super) fn settle(&mut self, now: Instant) {
        match self.state {
            State::Running => {
                self.ask_spares(now);
                self.choose(now);
                if self.members.iter().all(super::Member::is_over) {
                    let reason = self.failure;
                    self.finish(PoolEvent::Failed { reason });
                }
            }
            State::Closing if self.members.iter().all(super::Member::is_over) => {
                self.finish(PoolEvent::Closed)
            }
            State::Closing | State::Ended => {}
        }
    }

    pub(super) fn pass_time(&mut self, now: Instant) {
        let mut is_due = self.timers.earliest().is_some_and(|(at, _)| at <= now);
        if is_due && self.wishing().is_some() {
            // What was wished before has not been granted: its server is busy, and others need not wait for it.
            self.turn = self.turn.saturating_add(1);
        }
        // Each timer once: were one to stay in the past, the host would see it, not hang.
        for _ in 0..=LAST_KEY {
            let Some(key) = self.timers.pop_due(now) else { break };
            match key {
                FASTER => {} // the choice looks at the time
                DOUBT => self.doubt(now),
                key if key >= LINGERING => self.stop_lingering(key.saturating_sub(LINGERING) as usize),
                key if key >= SILENCE => self.note_silence(key.saturating_sub(SILENCE) as usize, now),
                index => {
                    if let Some(relay) = self.allocation_mut(index as usize) {
                        relay.handle_timeout(now);
                        self.note(index as usize, now);
                    }
                }
            }
            is_due = true;
        }
        if is_due {
            self.settle(now);
        }
    }

    /// The host's local addresses are these now: see [`Allocation::network_changed`]. Spares follow as well.
    pub fn network_changed(&mut self, addresses: &[IpAddr], now: Instant) {
        let now = self.now.advance(now);
        for index in 0..self.members.len() {
            match self.members.get_mut(index).map(|member| &mut member.progress) {
                Some(Progress::Asked(relay)) => {
                    relay.network_changed(addresses, now);
                    self.note(index, now);
                }
                Some(Progress::Spare(config)) => {
                    if let Some(event) = move_spare(config, addresses) {
                        self.push(PoolEvent::Relay { relay: index, event });
                    }
                }
                Some(Progress::Gone) | None => {}
            }
        }
        self.settle(now);
    }

    /// Asks the server of the selected relay whether it is there, if data was sent and nothing has come since.
    fn doubt(&mut self, now: Instant) {
        let (Some(index), Some(patience)) = (self.selected(), self.patience) else { return };
        let Some(member) = self.members.get_mut(index) else { return };
        let Some(horizon) = member.probe_horizon(self.refresh) else { return };
        if member.waiting.is_some() || self.sent_at <= member.heard_at {
            return; // it is asked already, or has answered
        }
        let at = member.heard_at.deadline_after(patience);
        if at.is_none_or(|at| at > now) {
            return self.timers.set(DOUBT, at);
        }
        if let Some(relay) = member.allocation_mut() {
            relay.refresh_early(now.saturating_add(horizon), now);
            self.note(index, now);
        }
    }

    /// Data has been sent through the selected relay: it is to answer, or is asked. What comes meanwhile is not noted
    /// in the timer but looked at when it goes off, so that data costs next to nothing.
    pub(super) fn expect_answer(&mut self, now: Instant) {
        self.sent_at = now;
        if self.timers.get(DOUBT).is_some() {
            return;
        }
        let member = self.selected().and_then(|index| self.members.get(index));
        if member.is_some_and(|member| member.probe_horizon(self.refresh).is_some()) {
            let at = self.patience.and_then(|patience| now.deadline_after(patience));
            self.timers.set(DOUBT, at);
        }
    }

    fn note_silence(&mut self, index: usize, now: Instant) {
        let Some(member) = self.members.get_mut(index) else { return };
        match &mut member.waiting {
            // Data has come meanwhile: the answer alone was lost.
            Some(waiting) if member.heard_at > waiting.since => waiting.since = member.heard_at,
            Some(_) => member.is_silent = true,
            None => {}
        }
        self.note(index, now);
    }

    /// Another relay on the path to which this one has come.
    fn on_same_path(&self, index: usize) -> Option<usize> {
        let path = self.relay(index)?.relay_paths().next()?;
        let mut others = self.members.iter().enumerate().filter(|(other, _)| *other != index);
        others.find(|(_, other)| other.path() == Some(path)).map(|(other, _)| other)
    }

    /// Ends a relay that would ask its server to delete the allocation of another one (437, RFC 8656 s7.4).
    fn retire(&mut self, index: usize, by: usize) {
        if let Some(relayed) = self.relay(index).and_then(Allocation::relayed_address) {
            let reason = FailureReason::NetworkChanged;
            self.absorb(index, AllocationEvent::Lost { relayed, reason }, self.now.get());
        }
        if let Some(member) = self.members.get_mut(index) {
            member.progress = Progress::Gone;
        }
        let key = index as u32;
        for key in [key, SILENCE.saturating_add(key), LINGERING.saturating_add(key)] {
            self.timers.set(key, None);
        }
        self.with_transmits.remove(key);
        self.push(PoolEvent::Superseded { relay: index, by });
    }

    /// What one relay tells, in the words of the pool.
    fn absorb(&mut self, index: usize, event: AllocationEvent, now: Instant) {
        if let AllocationEvent::Failed { reason } = event {
            self.failure = reason;
        }
        if self.state != State::Running {
            return; // of a pool that is closed only the end is told
        }
        let relay = index;
        match event {
            AllocationEvent::Allocated { relayed, additional, mapped, .. } => {
                self.set_ailing(index, false);
                let rtt = self.members.get(index).and_then(super::Member::round_trip);
                self.push(PoolEvent::Ready { relay, relayed, additional, mapped, rtt });
                if self.warm_standby {
                    self.ask_for_peers(index, now);
                }
            }
            AllocationEvent::Lost { relayed, reason } => {
                self.set_ailing(index, true);
                let was_selected = self.selected() == Some(index);
                if was_selected {
                    self.selection.leave(Departure { from: index, reason: MigrationReason::Lost { reason } });
                }
                self.push(PoolEvent::Lost { relay, relayed, reason, was_selected });
                self.forget_peers(index);
            }
            AllocationEvent::Closed => {}
            _ => {
                if is_setback(&event) {
                    self.set_ailing(index, true);
                }
                if let AllocationEvent::Moved { .. } = event {
                    self.set_ailing(index, false);
                }
                self.push(PoolEvent::Relay { relay, event });
            }
        }
    }

    fn set_ailing(&mut self, index: usize, is_ailing: bool) {
        if let Some(member) = self.members.get_mut(index) {
            member.is_ailing = is_ailing;
        }
    }

    /// Asks spares while fewer than are wanted are well. Each is asked once, so that this ends.
    fn ask_spares(&mut self, now: Instant) {
        for index in 0..self.members.len() {
            if self.members.iter().filter(|member| member.is_well()).count() >= self.ready {
                return;
            }
            self.ask(index, &|_| None, now);
        }
    }

    /// Asks a spare.
    fn ask(&mut self, index: usize, known: &impl Fn(IpAddr) -> Option<RttEstimator>, now: Instant) {
        let Some(member) = self.members.get_mut(index).filter(|member| member.is_spare()) else { return };
        let Progress::Spare(config) = core::mem::replace(&mut member.progress, Progress::Gone) else {
            return;
        };
        let entropy = self.entropy.fork();
        let relay = if self.is_gated {
            let known = known(config.path.remote.ip());
            Allocation::start_gated(*config, entropy, known, now)
        } else {
            Allocation::new(*config, entropy, now)
        };
        // `PoolConfig::check` has looked at every configuration, and so do the commands that change one.
        let Ok(mut relay) = relay else { return };
        relay.override_refresh(self.refresh, now);
        member.progress = Progress::Asked(Box::new(relay));
        self.note(index, now);
    }

    fn finish(&mut self, last: PoolEvent) {
        self.state = State::Ended;
        (0..=LAST_KEY).for_each(|key| self.timers.set(key, None));
        self.selection = super::Selection::default();
        self.push(last);
    }
}

/// Whether a relay will not be there soon, or not without its host.
const fn is_setback(event: &AllocationEvent) -> bool {
    matches!(
        event,
        AllocationEvent::Retrying { .. }
            | AllocationEvent::Redirected { awaits_answer: true, .. }
            | AllocationEvent::CredentialsNeeded { reason: CredentialsNeed::Rejected }
            | AllocationEvent::Reconnect { .. }
            | AllocationEvent::Failed { .. }
    )
}

/// A spare on an address that is gone is to be asked from another of its family.
fn move_spare(config: &mut AllocationConfig, addresses: &[IpAddr]) -> Option<AllocationEvent> {
    let previous = config.path.local;
    let is_fixed = !crate::net::canonical(previous).ip().is_unspecified();
    if !is_fixed || crate::net::is_among(&previous, addresses) {
        return None;
    }
    let ip = addresses.iter().find(|ip| ip.is_ipv4() == previous.is_ipv4())?;
    config.path.local.set_ip(*ip);
    Some(AllocationEvent::Restarted { previous, local: config.path.local })
}
