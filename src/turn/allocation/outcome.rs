//! What a response that counts changes.

use core::time::Duration;

use super::answers::{Answer, answer_to};
use super::asking::Ask;
use super::lease::{self, Lease};
use super::response::{Timing, error_code};
use super::{Allocation, AllocationEvent, CredentialsNeed, FailureReason, RelayPort, State};
use crate::auth::AuthFailure;
use crate::net;
use crate::time::Instant;
use crate::transaction::{self, RedirectPolicy};
use crate::turn::permission::BatchId;
use crate::wire::attribute::{
    AddressFamily, AttributeType, ConnectionId, UnknownAttributes, XorMappedAddress,
};
use crate::wire::{Class, Message};

impl Allocation {
    /// Ends a request with the response that counts.
    pub(super) fn conclude(&mut self, response: &Message<'_>, ask: Ask, timing: Timing, now: Instant) {
        if let Some(unknown) = response.covered().find(|raw| raw.ty.is_unknown_and_required()) {
            return self.fail(ask, FailureReason::UnknownAttribute { attribute: unknown.ty }, now);
        }
        match response.class() {
            Class::SuccessResponse => self.succeed(response, ask, timing, now),
            _ => self.refused(response, ask, now),
        }
    }

    fn succeed(&mut self, response: &Message<'_>, ask: Ask, timing: Timing, now: Instant) {
        match ask {
            Ask::Allocate => self.allocated(response, timing, now),
            Ask::Refresh | Ask::Move => self.refreshed(response, ask, timing, now),
            Ask::Free | Ask::Close => {
                self.has_freed = true;
                self.deleted(now);
            }
            Ask::Keepalive => self.kept_alive(response),
            Ask::Permissions(batch) => {
                self.peer_failures = 0;
                let Self { permissions, events, .. } = self;
                permissions.installed(batch, timing.sent_at, |peer| {
                    events.push(AllocationEvent::Permitted { peer });
                });
            }
            Ask::Channel(number) => {
                self.peer_failures = 0;
                let Some(bound) = self.channels.bound(number, timing.sent_at, now) else { return };
                self.permissions.covered(bound.ip(), timing.sent_at);
                if bound.is_new {
                    self.push(AllocationEvent::ChannelBound { peer: bound.peer, number });
                }
            }
            Ask::Connect(key) => match response.get::<ConnectionId>() {
                Ok(Some(connection)) => {
                    let until = now.deadline_after(Self::CONNECTION_TIMEOUT);
                    let path = self.config.path;
                    if let Some(peer) = self.connections.connected(key, connection, until) {
                        let is_incoming = false;
                        self.push(AllocationEvent::OpenConnection { connection, peer, is_incoming, path });
                    }
                }
                _ => self.fail_connection(key, FailureReason::MalformedError),
            },
            Ask::ConnectionBind(key) => {
                let path = self.connections.path(key);
                let bound = self.connections.take(key).and_then(|one| Some((one.id?, one.peer)));
                if let (Some((path, _)), Some((connection, peer))) = (path, bound) {
                    self.push(AllocationEvent::ConnectionBound { connection, peer, path });
                }
            }
        }
    }

    /// RFC 8656 s7.3.
    fn allocated(&mut self, response: &Message<'_>, timing: Timing, now: Instant) {
        let (lease, extras) = match Lease::read(response, self.config.family, timing.sent_at, now) {
            Ok(read) => read,
            Err(reason) => {
                // "the client MUST delete the allocation": it is of no use, and counts against the quota.
                self.state = State::Freeing { then: Some(reason) };
                return self.want(Ask::Free);
            }
        };
        (self.mismatches, self.has_freed, self.unusable_grants) = (0, false, 0);
        if let RelayPort::Reserved(_) = self.config.port {
            self.config.port = RelayPort::Any; // a token counts once (RFC 8656 s7.2)
        }
        self.state = State::Allocated;
        self.push(AllocationEvent::Allocated {
            relayed: lease.relayed,
            additional: lease.additional,
            mapped: lease.mapped,
            lifetime: extras.lifetime,
            reservation: extras.reservation,
            rtt: timing.rtt,
        });
        if let Some((family, code)) = extras.refused {
            self.push(AllocationEvent::FamilyRefused { is_ipv6: family == AddressFamily::V6, code });
        }
        self.lease = Some(lease);
        self.keepalive.start(&self.config);
    }

    /// RFC 8656 s8.3, RFC 8016 s3.2.3.
    fn refreshed(&mut self, response: &Message<'_>, ask: Ask, timing: Timing, now: Instant) {
        self.refresh_failures = 0;
        let lifetime = match lease::lifetime(response) {
            Ok(lifetime) => lifetime,
            Err(reason) => return self.fail(ask, reason, now),
        };
        let Some(lease) = &mut self.lease else { return };
        lease.extend(lifetime, timing.sent_at, now);
        lease.note_ticket(response);
        if ask == Ask::Move {
            // A server need not say where it saw the request come from (RFC 8016 s3.2.2).
            lease.mapped =
                response.get::<XorMappedAddress>().ok().flatten().map(|found| net::canonical(found.0));
            let mapped = lease.mapped;
            self.state = State::Allocated;
            self.keepalive.start(&self.config);
            self.push(AllocationEvent::Moved { mapped });
        }
    }

    /// What was to be deleted is gone, or never was.
    pub(super) fn deleted(&mut self, now: Instant) {
        match self.state {
            State::Freeing { then: None } => {
                self.state = State::Allocating;
                self.want(Ask::Allocate);
            }
            // coturn grants 0.0.0.0:0 now and then when several clients ask at once: that passes.
            State::Freeing { then: Some(reason @ FailureReason::NoRelayedAddress) }
                if self.unusable_grants < MAX_UNUSABLE_GRANTS =>
            {
                self.unusable_grants = self.unusable_grants.saturating_add(1);
                self.wait(reason, Duration::ZERO, now);
            }
            State::Freeing { then: Some(reason) } => self.end(reason),
            State::Closing => self.finish_close(),
            _ => {}
        }
    }

    /// A NAT that has changed the host's address has made it a stranger to the server; but anyone may have answered,
    /// so that the server is asked.
    fn kept_alive(&mut self, response: &Message<'_>) {
        let seen = response.get::<XorMappedAddress>().ok().flatten().map(|found| net::canonical(found.0));
        let Some(lease) = &self.lease else { return };
        if seen.is_some() && lease.mapped.is_some() && seen != lease.mapped {
            self.verify();
        }
    }

    /// An error response that counts.
    fn refused(&mut self, response: &Message<'_>, ask: Ask, now: Instant) {
        let Some(code) = error_code(response) else {
            return self.fail(ask, FailureReason::MalformedError, now);
        };
        match (ask, answer_to(ask.subject(), code)) {
            // A server that will not say has answered all the same.
            (Ask::Keepalive, _) => {}
            (Ask::Allocate, Answer::Alternate) => self.redirected(response, now),
            (Ask::Allocate, Answer::Without) => self.go_without(response, code),
            _ => self.fail(ask, FailureReason::ErrorResponse { code }, now),
        }
    }

    /// Asks again without what the server cannot or may not do.
    fn go_without(&mut self, response: &Message<'_>, code: u16) {
        let unknown = || response.get::<UnknownAttributes<'_>>().ok().flatten();
        let names = |ty: AttributeType| unknown().is_some_and(|list| list.iter().any(|named| named == ty));
        let before = self.omitted;
        self.omitted.mobility |= code == 405 || names(AttributeType::MOBILITY_TICKET);
        self.omitted.dont_fragment |= names(AttributeType::DONT_FRAGMENT);
        let is_less = (self.config.mobility && self.omitted.mobility && !before.mobility)
            || (self.config.dont_fragment && self.omitted.dont_fragment && !before.dont_fragment);
        if is_less {
            return self.want(Ask::Allocate);
        }
        let reason = match unknown().and_then(|list| list.iter().next()) {
            Some(attribute) if code == 420 => FailureReason::NotUnderstood { attribute },
            _ => FailureReason::ErrorResponse { code },
        };
        self.end(reason);
    }

    /// The server names another (RFC 8489 s10, RFC 8656 s7.4).
    fn redirected(&mut self, response: &Message<'_>, now: Instant) {
        let asked = self.config.path.remote;
        let server = match self.trail.target(response, asked, now) {
            Some(Ok(server)) if self.config.redirects != RedirectPolicy::Refuse => server,
            Some(Err(refusal)) if self.config.redirects != RedirectPolicy::Refuse => {
                return self.fail(Ask::Allocate, FailureReason::Redirected { refusal }, now);
            }
            _ => return self.end(FailureReason::ErrorResponse { code: 300 }),
        };
        self.domain = transaction::domain(response).map(Into::into);
        let awaits_answer = self.config.redirects == RedirectPolicy::Ask;
        self.push(AllocationEvent::Redirected { from: asked, server, awaits_answer });
        if awaits_answer {
            self.state = State::Redirected(server);
        } else {
            self.follow(server, now);
        }
    }

    /// Asks another server from now on, with the same credentials.
    pub(super) fn follow(&mut self, server: core::net::SocketAddr, now: Instant) {
        self.trail.leave(self.config.path.remote, now);
        self.config.path.remote = server;
        self.round_trips = Default::default();
        self.omitted = Default::default();
        (self.mismatches, self.has_freed) = (0, false);
        if let Some(credentials) = &mut self.config.credentials {
            credentials.forget_server();
        }
        self.start_over(self.config.path.transport.is_reliable());
    }

    /// Asks the host for other credentials, once for those that it has given.
    pub(super) fn want_credentials(&mut self, reason: CredentialsNeed) {
        if !core::mem::replace(&mut self.has_asked_credentials, true) || reason == CredentialsNeed::Rejected {
            self.push(AllocationEvent::CredentialsNeeded { reason });
        }
    }

    /// What an error, silence or a failed send does to the request (see [`answer_to`]).
    pub(super) fn fail(&mut self, ask: Ask, reason: FailureReason, now: Instant) {
        let answer = match reason {
            FailureReason::ErrorResponse { code } => answer_to(ask.subject(), code),
            // The server's rule for 401, whoever found it out.
            FailureReason::Authentication { failure: AuthFailure::Rejected } => answer_to(ask.subject(), 401),
            FailureReason::IntegrityViolated { code: code @ 437, .. } => answer_to(ask.subject(), code),
            FailureReason::Timeout
            | FailureReason::IntegrityViolated { .. }
            | FailureReason::SendFailed { .. }
            | FailureReason::Redirected { .. } => unanswered(ask),
            FailureReason::Authentication { .. } if self.has_worked() => unanswered(ask),
            _ => answer_to(ask.subject(), 400),
        };
        match ask {
            Ask::Allocate => self.fail_allocation(answer, reason, now),
            Ask::Refresh => self.fail_refresh(answer, reason, now),
            Ask::Move => {
                let reason = self.moves_because.take().unwrap_or(reason);
                self.lose(reason, now);
            }
            Ask::Free | Ask::Close => self.deleted(now),
            Ask::Keepalive => self.verify(),
            Ask::Permissions(batch) => self.fail_permissions(batch, answer, reason, now),
            Ask::Channel(number) => self.fail_channel(number, answer, reason, now),
            Ask::Connect(key) | Ask::ConnectionBind(key) => match answer {
                Answer::Gone => self.gone(reason, now),
                Answer::Verify => {
                    self.fail_connection(key, reason);
                    self.verify();
                }
                _ => self.fail_connection(key, reason),
            },
        }
    }

    /// When to ask again about peers: ever later.
    fn peer_retry(&mut self, least: Duration, now: Instant) -> Instant {
        self.peer_failures = self.peer_failures.saturating_add(1);
        now.saturating_add(self.config.backoff.wait(self.peer_failures, &mut self.entropy).max(least))
    }

    fn fail_connection(&mut self, key: u32, reason: FailureReason) {
        if let Some(one) = self.connections.take(key) {
            self.push(AllocationEvent::ConnectionFailed { peer: one.peer, reason });
        }
    }

    fn fail_channel(
        &mut self,
        number: crate::wire::ChannelNumber,
        answer: Answer,
        reason: FailureReason,
        now: Instant,
    ) {
        match (answer, reason) {
            (Answer::Gone, _) => self.gone(reason, now),
            (Answer::Refuse, FailureReason::ErrorResponse { code }) => {
                if let Some(peer) = self.channels.refused(number, now) {
                    self.push(AllocationEvent::PeerRefused { peer, code });
                }
            }
            (Answer::Retry(least), _) => {
                let at = self.peer_retry(least, now);
                self.channels.retry_later(number, at, now);
            }
            _ => {
                let at = self.peer_retry(Duration::ZERO, now);
                self.channels.retry_later(number, at, now);
                self.verify();
            }
        }
    }

    fn fail_permissions(&mut self, batch: BatchId, answer: Answer, reason: FailureReason, now: Instant) {
        match (answer, reason) {
            (Answer::Gone, _) => self.gone(reason, now),
            (Answer::Refuse, FailureReason::ErrorResponse { code }) => {
                // Of several it is not said which: each is asked for alone then (RFC 8656 s10.2).
                let mut asked = self.permissions.batch(batch);
                match (asked.next(), asked.next()) {
                    (Some(ip), None) => {
                        drop(asked);
                        self.permissions.refuse(batch);
                        let peer = core::net::SocketAddr::new(ip, 0);
                        self.push(AllocationEvent::PeerRefused { peer, code });
                    }
                    _ => {
                        drop(asked);
                        self.permissions.failed(batch, true);
                    }
                }
            }
            (Answer::Retry(least), _) => {
                let at = self.peer_retry(least, now);
                self.permissions.retry_later(batch, at);
            }
            _ => {
                let at = self.peer_retry(Duration::ZERO, now);
                self.permissions.retry_later(batch, at);
                self.verify();
            }
        }
    }
}

/// Grants without a usable address before the end, in a row.
const MAX_UNUSABLE_GRANTS: u32 = 4;

/// What is done when no answer counts.
fn unanswered(ask: Ask) -> Answer {
    match answer_to(ask.subject(), 500) {
        // A refresh that was given up is not asked again (RFC 8656 s8).
        Answer::Retry(_) if ask == Ask::Refresh => Answer::Gone,
        Answer::Retry(wait) if ask == Ask::Allocate => Answer::Retry(wait),
        Answer::Done => Answer::Done,
        _ => Answer::Verify,
    }
}
