//! The receiving half: what a response is to the request that it answers.

use core::net::SocketAddr;
use core::time::Duration;

use super::asking::Wish;
use super::{Binding, BindingEvent, FailureReason, RedirectPolicy, State};
use crate::auth::{AuthFailure, ResponseCheck, SignedBy};
use crate::machine::{Disposition, DropReason, WakeReason};
use crate::net::{self, Datagram};
use crate::time::Instant;
use crate::transaction::{self, NoMatch};
use crate::wire::attribute::{ErrorCode, MappedAddress, UnknownAttributes, XorMappedAddress};
use crate::wire::{Class, Integrity, Message, Method, TransactionId};

impl Binding {
    pub(super) fn consider(&mut self, datagram: &Datagram<'_>, now: Instant) -> Disposition<'static> {
        let now = self.now.advance(now);
        let Ok(message) = Message::parse(datagram.payload) else { return Disposition::Unclaimed };
        if !message.class().is_response() {
            return Disposition::Unclaimed;
        }
        let by = match self.transactions.find(&datagram.path, message.transaction_id()) {
            Ok(by) => by,
            Err(NoMatch::WrongPath) => return Disposition::Dropped(DropReason::WrongSource),
            Err(NoMatch::UnknownId) => return Disposition::Unclaimed,
        };
        if message.method() != Method::BINDING {
            return Disposition::Dropped(DropReason::WrongMethod);
        }
        if message.check_fingerprint() == Integrity::Invalid {
            return Disposition::Dropped(DropReason::BadFingerprint);
        }
        let check = match &mut self.config.credentials {
            Some(credentials) => credentials.check_response(&message, by),
            None => ResponseCheck::Accept,
        };
        match check {
            ResponseCheck::Accept => self.conclude(&message, now),
            ResponseCheck::Retry { ends } => self.retry_signed(&message, by, ends, now),
            ResponseCheck::Reject { failure, is_authentic } => {
                self.reject(message.transaction_id(), failure, is_authentic, now);
            }
            ResponseCheck::Discard => {
                self.note_unsigned(&message);
                if self.config.path.transport.is_reliable() {
                    // RFC 8489 s9.1.4, s9.2.5: a stream brings no other answer.
                    self.abandon();
                    self.fail(self.silence(), now);
                }
                return Disposition::Dropped(DropReason::Unauthenticated);
            }
        }
        Disposition::Done
    }

    /// Remembers that unsigned responses came, so that the end is not mistaken for silence.
    fn note_unsigned(&mut self, response: &Message<'_>) {
        let code = response.get::<ErrorCode<'_>>().ok().flatten().map_or(0, |error| error.code);
        let seen = self.unsigned.map_or(0, |(_, count)| count);
        self.unsigned = Some((code, seen.saturating_add(1)));
    }

    /// Asks again, signed with what the challenge has taught (RFC 8489 s9.2.5). A request that was signed with
    /// what works stays outstanding: whoever challenges it has proved nothing.
    fn retry_signed(&mut self, challenge: &Message<'_>, by: SignedBy, ends: bool, now: Instant) {
        if ends {
            self.take(challenge.transaction_id(), now);
            self.rejection = None;
        } else {
            self.note_unsigned(challenge);
        }
        if ends && by == SignedBy::Working {
            self.transactions.cancel_all(); // a retry that an unsigned challenge has caused is of no more use
        }
        self.want(Wish::SignedRetry, now);
    }

    /// The credentials are of no use. Where nobody signed that, the true response may be under way: the request
    /// is not sent again, and given up after a while.
    fn reject(&mut self, id: TransactionId, failure: AuthFailure, is_authentic: bool, now: Instant) {
        self.rejection.get_or_insert(failure);
        if is_authentic || self.config.path.transport.is_reliable() {
            self.abandon();
            self.fail(self.silence(), now);
        } else {
            self.transactions.give_up_within(id, Self::REJECTION_GRACE, now);
        }
    }

    /// Ends the request with the response that counts.
    fn conclude(&mut self, response: &Message<'_>, now: Instant) {
        let Some((rtt, last_sent)) = self.take(response.transaction_id(), now) else { return };
        self.abandon();
        match self.verdict(response) {
            Ok(address) => self.succeed(address, rtt, last_sent, now),
            Err(FailureReason::ErrorResponse { code: TRY_ALTERNATE }) => self.redirected(response, now),
            Err(reason) => self.fail(reason, now),
        }
    }

    /// Ends one transaction with its response; gives the round trip and when the request was last sent.
    fn take(&mut self, id: TransactionId, now: Instant) -> Option<(Option<Duration>, Instant)> {
        let completed = self.transactions.take(id, now)?;
        if let Some(rtt) = completed.rtt {
            self.round_trips.note(rtt);
        }
        if let Some(rto) = completed.retransmitted_after {
            self.round_trips.note_retransmitted(rto);
        }
        Some((completed.rtt, completed.last_sent))
    }

    /// What a response that counts says (RFC 8489 s6.3.3, s6.3.4).
    fn verdict(&self, response: &Message<'_>) -> Result<SocketAddr, FailureReason> {
        if let Some(unknown) = response.covered().find(|raw| raw.ty.is_unknown_and_required()) {
            return Err(FailureReason::UnknownAttribute { attribute: unknown.ty });
        }
        if response.class() == Class::ErrorResponse {
            return Err(error(response));
        }
        let mapped = response.get::<XorMappedAddress>().map(|found| found.map(|address| address.0));
        let legacy = self.config.accepts_mapped_address;
        let mapped = match mapped {
            Ok(None) if legacy => response.get::<MappedAddress>().map(|found| found.map(|address| address.0)),
            other => other,
        };
        match mapped {
            Ok(Some(address)) if net::is_endpoint(&address) => Ok(net::canonical(address)),
            _ => Err(FailureReason::NoMappedAddress),
        }
    }

    fn succeed(&mut self, address: SocketAddr, rtt: Option<Duration>, last_sent: Instant, now: Instant) {
        self.failures = 0;
        self.last_sent = last_sent;
        self.state = match self.config.refresh {
            Some(interval) => {
                State::Waiting { until: next_refresh(last_sent, interval, now), reason: WakeReason::Refresh }
            }
            None if self.is_kept => State::Waiting { until: None, reason: WakeReason::Refresh },
            None => State::Ended,
        };
        let event = match self.mapped.replace(address) {
            None => BindingEvent::Mapped { address, rtt },
            Some(previous) if previous == address => BindingEvent::Refreshed { address, rtt },
            Some(previous) => BindingEvent::AddressChanged { previous, address, rtt },
        };
        self.push(event);
    }

    /// The server names another (RFC 8489 s10).
    fn redirected(&mut self, response: &Message<'_>, now: Instant) {
        let asked = self.config.path.remote;
        let server = match self.trail.target(response, asked, now) {
            Some(Ok(server)) if self.config.redirects != RedirectPolicy::Refuse => server,
            Some(Err(refusal)) if self.config.redirects != RedirectPolicy::Refuse => {
                return self.fail(FailureReason::Redirected { refusal }, now);
            }
            _ => return self.fail(FailureReason::ErrorResponse { code: TRY_ALTERNATE }, now),
        };
        self.domain = transaction::domain(response).map(Into::into);
        let awaits_answer = self.config.redirects == RedirectPolicy::Ask;
        self.push(BindingEvent::Redirected { from: asked, server, awaits_answer });
        if awaits_answer {
            self.state = State::Redirected(server);
        } else {
            self.follow(server, now);
        }
    }

    /// Asks another server from now on, with the same credentials.
    pub(super) fn follow(&mut self, server: SocketAddr, now: Instant) {
        self.trail.leave(self.config.path.remote, now);
        self.config.path.remote = server;
        self.round_trips = Default::default();
        if let Some(credentials) = &mut self.config.credentials {
            credentials.forget_server();
        }
        if self.config.path.transport.is_reliable() {
            self.want_connection();
        } else {
            self.request(now);
        }
    }
}

/// Why an error response is one (RFC 8489 s6.3.4).
fn error(response: &Message<'_>) -> FailureReason {
    let unknown = || response.get::<UnknownAttributes<'_>>().ok().flatten()?.iter().next();
    match response.get::<ErrorCode<'_>>() {
        Ok(Some(ErrorCode { code: UNKNOWN_ATTRIBUTE, .. })) => match unknown() {
            Some(attribute) => FailureReason::NotUnderstood { attribute },
            None => FailureReason::ErrorResponse { code: UNKNOWN_ATTRIBUTE },
        },
        Ok(Some(error)) => FailureReason::ErrorResponse { code: error.code },
        Ok(None) | Err(_) => FailureReason::MalformedError,
    }
}

/// The NAT's timer runs from the last request; an answer that took longer than the interval starts it anew.
fn next_refresh(last_sent: Instant, interval: Duration, now: Instant) -> Option<Instant> {
    last_sent.deadline_after(interval).filter(|at| *at > now).or_else(|| now.deadline_after(interval))
}

const TRY_ALTERNATE: u16 = 300;
const UNKNOWN_ATTRIBUTE: u16 = 420;
