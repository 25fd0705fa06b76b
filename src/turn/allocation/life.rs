//! What time does: renewals, keepalives, ends; and how the allocation goes on after a failure.

use core::time::Duration;

use super::answers::Answer;
use super::asking::Ask;
use super::{Allocation, AllocationEvent, CredentialsNeed, FailureReason, KeepaliveKind, RelayPort, State};
use crate::auth::SignedBy;
use crate::machine::{Receipt, WakeReason};
use crate::net::SendError;
use crate::time::Instant;

impl Allocation {
    pub(super) fn next_deadline(&self) -> Option<(Instant, WakeReason)> {
        let refresh = |at: Option<Instant>| at.map(|at| (at, WakeReason::Refresh));
        let deadline = |at: Option<Instant>| at.map(|at| (at, WakeReason::Deadline));
        let lease = self.lease.as_ref();
        let waiting = match self.state {
            State::Waiting { until, .. } => until.map(|at| (at, WakeReason::Retry)),
            State::Allocated => [
                refresh(lease.and_then(|lease| lease.refresh_at)),
                refresh(self.permissions.deadline()),
                refresh(self.channels.deadline()),
                refresh(self.keepalive.deadline()),
                deadline(self.connections.deadline()),
            ]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at),
            _ => None,
        };
        let expiry = deadline(lease.and_then(|lease| lease.expires_at));
        let credentials = deadline(self.credentials_deadline());
        let all = [self.transactions.deadline(), waiting, expiry, credentials];
        all.into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Does what is due.
    pub(super) fn pass_time(&mut self, now: Instant) {
        self.transactions.handle_timeout(now);
        while let Some(tag) = self.transactions.take_expired() {
            if tag.by == SignedBy::Candidate {
                self.forget_candidate();
            }
            if !self.is_asking(tag.ask) {
                let reason = self.silence(tag.ask);
                self.fail(tag.ask, reason, now);
            }
        }
        match self.state {
            State::Waiting { until: Some(at), is_disconnected } if at <= now => {
                self.trail.begin();
                self.start_over(is_disconnected);
            }
            _ => {}
        }
        if self.lease.as_ref().is_some_and(|lease| lease.expires_at.is_some_and(|at| at <= now)) {
            self.lose(FailureReason::Expired, now);
        }
        if self.credentials_deadline().is_some_and(|at| at <= now) {
            let at = self.config.credentials_expire.unwrap_or(now);
            self.want_credentials(CredentialsNeed::Expiring { at });
        }
        while let Some(late) = self.connections.take_due(now) {
            let (peer, reason) = (late.peer, FailureReason::Timeout);
            self.push(AllocationEvent::ConnectionFailed { peer, reason });
        }
        self.renew(now, now);
    }

    /// Renews what is due by `horizon`.
    pub(super) fn renew(&mut self, horizon: Instant, now: Instant) {
        if self.state != State::Allocated {
            return;
        }
        self.renew_lease_and_peers(horizon, now);
        let Some(interval) = self.keepalive.take_due(horizon, now) else { return };
        // A renewal keeps NATs' bindings as well: the one that comes before the next keepalive comes in its place.
        self.renew_lease_and_peers(horizon.saturating_add(interval), now);
        if self.has_request() {
            return;
        }
        let is_request = self.config.keepalive_kind == KeepaliveKind::Request;
        if is_request && self.wanted.is_none() && !self.is_asking(Ask::Keepalive) {
            self.wanted = Some(Ask::Keepalive);
        }
        // What waits for an answer to something else keeps no binding.
        if !self.has_request() {
            let Self { keepalive, entropy, config, .. } = self;
            keepalive.queue(entropy, config.fingerprint, now);
        }
    }

    fn renew_lease_and_peers(&mut self, horizon: Instant, now: Instant) {
        let lease = self.lease.as_ref();
        if lease.and_then(|lease| lease.refresh_at).is_some_and(|at| at <= horizon) {
            self.verify();
        }
        self.channels.due(now, horizon);
        self.permissions.due(now, horizon);
    }

    /// Refreshes now, unless that is under way: whether the relay is still there, the server knows.
    pub(super) fn verify(&mut self) {
        if self.state != State::Allocated || self.wanted == Some(Ask::Refresh) || self.is_asking(Ask::Refresh)
        {
            return;
        }
        if let Some(lease) = &mut self.lease {
            lease.refresh_at = None;
            self.want(Ask::Refresh);
        }
    }

    /// Why a request that was never validly answered has failed.
    pub(super) fn silence(&self, ask: Ask) -> FailureReason {
        match (self.rejection, self.unsigned, self.unreachable) {
            (Some(failure), _, _) if ask.is_own() => FailureReason::Authentication { failure },
            (None, Some((code, count)), _) if ask.is_own() => {
                FailureReason::IntegrityViolated { code, count }
            }
            (_, _, Some(error)) => FailureReason::SendFailed { error },
            _ => FailureReason::Timeout,
        }
    }

    pub(super) fn has_worked(&self) -> bool {
        self.config.credentials.as_ref().is_some_and(|credentials| credentials.first() == SignedBy::Working)
    }

    /// An Allocate has failed.
    pub(super) fn fail_allocation(&mut self, answer: Answer, reason: FailureReason, now: Instant) {
        match answer {
            // What the token stood for is gone (RFC 8656 s7.4): whoever wants another port asks without it.
            Answer::Retry(_)
                if matches!(self.config.port, RelayPort::Reserved(_))
                    && reason == (FailureReason::ErrorResponse { code: 508 }) =>
            {
                self.end(reason);
            }
            Answer::Retry(least) => self.wait(reason, least, now),
            Answer::OtherPort => self.try_other_port(reason, now),
            Answer::Credentials => self.change_credentials(now),
            _ => self.end(reason),
        }
    }

    /// Somebody else's allocation is in the way, or one of our own that we no longer know (RFC 8656 s7.4): it is
    /// deleted if it is ours, and then other ports are tried. A server that has just deleted one may take a moment to
    /// forget it: coturn takes up to a second.
    fn try_other_port(&mut self, reason: FailureReason, now: Instant) {
        if core::mem::take(&mut self.has_freed) {
            return self.wait(reason, FREED_WAIT, now);
        }
        self.mismatches = self.mismatches.saturating_add(1);
        if self.mismatches == 1 {
            self.state = State::Freeing { then: None };
            self.want(Ask::Free);
        } else if self.mismatches <= MAX_PORTS {
            self.want_connection();
        } else {
            self.mismatches = 0;
            self.wait(reason, MISMATCH_WAIT, now);
        }
    }

    /// The server takes these credentials no longer: others, if the host has given some, or asks for them.
    fn change_credentials(&mut self, now: Instant) {
        let has_lease = self.lease.is_some();
        if let Some(next) = self.next_credentials.take() {
            self.config.credentials = Some(next);
            self.change_epoch(now);
            self.want(if has_lease { Ask::Refresh } else { Ask::Allocate });
        } else {
            self.abandon();
            self.state = State::Unauthorized { is_disconnected: false };
            self.want_credentials(CredentialsNeed::Rejected);
        }
    }

    /// A Refresh has failed.
    pub(super) fn fail_refresh(&mut self, answer: Answer, reason: FailureReason, now: Instant) {
        match answer {
            // RFC 8489 s6.3.4
            Answer::Retry(least) if self.refresh_failures < MAX_REFRESH_RETRIES => {
                self.refresh_failures = self.refresh_failures.saturating_add(1);
                let wait = self.config.backoff.wait(self.refresh_failures, &mut self.entropy).max(least);
                let at = now.deadline_after(wait);
                if let Some(lease) = &mut self.lease {
                    lease.refresh_at = at;
                }
                self.push(AllocationEvent::Retrying { reason, at: at.unwrap_or(Instant::MAX) });
            }
            Answer::Credentials if self.next_credentials.is_some() => self.change_credentials(now),
            Answer::Credentials => {
                self.lose_lease(reason);
                self.change_credentials(now);
            }
            _ => self.gone(reason, now),
        }
    }

    /// The server does not know the allocation, or not any more. Where a NAT has changed our address, the ticket says
    /// who we are (RFC 8016 s3.2.1).
    pub(super) fn gone(&mut self, reason: FailureReason, now: Instant) {
        let is_stranger = matches!(
            reason,
            FailureReason::ErrorResponse { code: 437 } | FailureReason::IntegrityViolated { code: 437, .. }
        );
        if is_stranger && self.lease.as_ref().is_some_and(|lease| lease.ticket.is_some()) {
            self.start_move();
            self.moves_because = Some(reason);
        } else {
            self.lose(reason, now);
        }
    }

    /// Asks the server to relay to where the host is now.
    pub(super) fn start_move(&mut self) {
        self.abandon();
        self.drop_asked_connections();
        self.moves_because = None;
        self.state = State::Moving { is_connecting: false };
        self.wanted = Some(Ask::Move);
    }

    /// The relay is gone: asks for another one, at once if this one has lived for a while.
    pub(super) fn lose(&mut self, reason: FailureReason, now: Instant) {
        let granted_at = self.lease.as_ref().map(|lease| lease.granted_at);
        let is_connecting = self.state == State::Moving { is_connecting: true };
        self.lose_lease(reason);
        if is_connecting {
            self.want_connection();
        } else if granted_at.is_some_and(|at| now.saturating_since(at) >= STABLE) {
            self.failures = 0;
            self.start_over(self.config.path.transport.is_reliable() && ends_connection(reason));
        } else {
            self.wait(reason, Duration::ZERO, now);
        }
    }

    /// Forgets what the server has granted; what the host has wished for stays.
    pub(super) fn lose_lease(&mut self, reason: FailureReason) {
        self.abandon();
        if let Some(lease) = self.lease.take() {
            self.push(AllocationEvent::Lost { relayed: lease.relayed, reason });
        }
        self.permissions.reset();
        self.channels.reset();
        self.drop_connections();
    }

    /// What the server was asked from where the host no longer is has no answer.
    fn drop_asked_connections(&mut self) {
        while let Some(one) = self.connections.pop_asked() {
            let (peer, reason) = (one.peer, FailureReason::NetworkChanged);
            self.push(AllocationEvent::ConnectionFailed { peer, reason });
        }
    }

    fn drop_connections(&mut self) {
        while let Some(one) = self.connections.pop() {
            let (peer, reason) = (one.peer, FailureReason::AllocationLost);
            self.push(AllocationEvent::ConnectionFailed { peer, reason });
        }
    }

    /// Tries again later.
    pub(super) fn wait(&mut self, reason: FailureReason, least: Duration, now: Instant) {
        self.abandon();
        self.failures = self.failures.saturating_add(1);
        let wait = self.config.backoff.wait(self.failures, &mut self.entropy).max(least);
        let until = now.deadline_after(wait);
        let is_disconnected = self.config.path.transport.is_reliable() && ends_connection(reason);
        self.state = State::Waiting { until, is_disconnected };
        self.push(AllocationEvent::Retrying { reason, at: until.unwrap_or(Instant::MAX) });
    }

    /// Asks for a relay, or first for the connection that it takes.
    pub(super) fn start_over(&mut self, is_disconnected: bool) {
        self.abandon();
        if is_disconnected {
            self.want_connection();
        } else {
            self.state = State::Allocating;
            self.wanted = Some(Ask::Allocate);
        }
    }

    /// Asks the host for a connection or another port, and waits for it.
    pub(super) fn want_connection(&mut self) {
        self.abandon();
        self.state = State::Disconnected;
        self.push(AllocationEvent::Reconnect { path: self.config.path });
    }

    /// Another operation of the host's is on this path: the host is asked for another port.
    pub(super) fn leave_path(&mut self) {
        match self.state {
            State::Ended | State::Disconnected => {}
            State::Closing => self.finish_close(),
            State::Freeing { then: Some(reason) } => self.end(reason),
            _ if self.lease.as_ref().is_some_and(|lease| lease.ticket.is_some()) => self.move_to_connection(),
            _ => {
                self.lose_lease(FailureReason::NetworkChanged);
                self.want_connection();
            }
        }
    }

    /// Ends whatever is outstanding or wanted, without a response.
    pub(super) fn abandon(&mut self) {
        (self.wanted, self.retry) = (None, None);
        self.transactions.cancel_all();
        self.permissions.put_back_all();
        self.channels.put_back_all(self.now.get());
        self.keepalive.stop();
        self.forget_candidate();
        self.refresh_failures = 0;
    }

    /// Fails for good.
    pub(super) fn end(&mut self, reason: FailureReason) {
        self.lose_lease(reason);
        self.state = State::Ended;
        self.push(AllocationEvent::Failed { reason });
    }

    /// Has been closed.
    pub(super) fn finish_close(&mut self) {
        self.abandon();
        self.drop_connections();
        self.lease = None;
        self.state = State::Ended;
        self.push(AllocationEvent::Closed);
    }

    pub(super) fn note_send_error(&mut self, failed: &Receipt, error: SendError, now: Instant) {
        let reason = FailureReason::SendFailed { error };
        let is_ours = failed.transaction_id.is_none() && self.config.path.admits(&failed.path);
        if is_ours && self.lease.is_some() && !self.config.path.transport.is_reliable() {
            return self.doubt(error, now);
        }
        let mut ended = [None; Self::MAX_OUTSTANDING];
        let mut places = ended.iter_mut();
        self.transactions.fail(failed, error, |tag| {
            if let Some(place) = places.next() {
                *place = Some(tag);
            }
        });
        if is_ours && self.config.path.transport.is_reliable() && ends_connection(reason) {
            return self.lose_connection(reason, now);
        }
        let state = self.state;
        for tag in ended.into_iter().flatten() {
            if self.state != state {
                return; // what failed first has ended or begun all the others anew
            }
            if tag.by == SignedBy::Candidate {
                self.forget_candidate();
            }
            if self.is_asking(tag.ask) {
                continue;
            }
            if tag.ask == Ask::Refresh && !self.config.path.transport.is_reliable() {
                // The network may be changing under the host, and the server knows nothing of it.
                self.fail_refresh(Answer::Retry(Duration::ZERO), reason, now);
            } else {
                self.fail(tag.ask, reason, now);
            }
        }
    }

    /// ICMP names a path only, and may come from anybody. It is worth a question, one at a time; and whoever has been
    /// asked before answers soon, or is believed not to.
    fn doubt(&mut self, error: SendError, now: Instant) {
        if error.is_hard() && error != SendError::MessageTooLarge {
            self.transactions.give_up_such_within(|_| true, Self::REJECTION_GRACE, now);
            self.unreachable = (!self.transactions.is_empty()).then_some(error);
            self.verify();
        }
    }

    /// The connection to the server is gone, and the relay with it unless it can move to another one.
    fn lose_connection(&mut self, reason: FailureReason, now: Instant) {
        match self.state {
            State::Ended | State::Redirected(_) | State::Disconnected => {}
            State::Unauthorized { .. } => self.state = State::Unauthorized { is_disconnected: true },
            State::Closing => self.finish_close(),
            State::Moving { is_connecting: true } => {}
            // A server that ends each connection over which it is asked to move would be asked for ever.
            State::Moving { is_connecting: false } => self.lose(reason, now),
            State::Waiting { until, .. } => self.state = State::Waiting { until, is_disconnected: true },
            State::Freeing { then: Some(end) } => self.end(end),
            _ if self.lease.as_ref().is_some_and(|lease| lease.ticket.is_some()) => self.move_to_connection(),
            _ => self.lose(reason, now),
        }
    }

    /// Asks the host for a connection over which to move the allocation.
    pub(super) fn move_to_connection(&mut self) {
        self.abandon();
        self.drop_asked_connections();
        self.state = State::Moving { is_connecting: true };
        self.push(AllocationEvent::Reconnect { path: self.config.path });
    }

    fn credentials_deadline(&self) -> Option<Instant> {
        let is_over = matches!(self.state, State::Ended | State::Closing | State::Unauthorized { .. });
        let expire = self.config.credentials_expire.filter(|_| !is_over && !self.has_asked_credentials)?;
        Some(Instant::from_nanos(
            expire.as_nanos().saturating_sub(crate::time::nanos(Self::CREDENTIALS_MARGIN)),
        ))
    }
}

/// Whether a stream is of no more use after it.
const fn ends_connection(reason: FailureReason) -> bool {
    matches!(
        reason,
        FailureReason::Timeout
            | FailureReason::NetworkChanged
            | FailureReason::SendFailed { error: SendError::SocketClosed | SendError::Refused }
    )
}

/// A relay that was there for so long was no flapping one: another is asked for at once when it is lost.
const STABLE: Duration = Duration::from_secs(60);

/// More refreshes after a server error (RFC 8489 s6.3.4).
const MAX_REFRESH_RETRIES: u32 = 4;

/// "three different client transport addresses before giving up on this server" (RFC 8656 s7.4), and the first, where
/// what is in the way may be our own.
const MAX_PORTS: u32 = 4;

/// How long a server may take to forget what it has deleted.
const FREED_WAIT: Duration = Duration::from_secs(1);

/// "it SHOULD NOT try to create another allocation on the server for 2 minutes" (RFC 8656 s7.4).
const MISMATCH_WAIT: Duration = Duration::from_secs(120);
