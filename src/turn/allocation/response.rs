//! The receiving half: whose message it is, and whether a response counts.

use core::time::Duration;

use super::asking::{Ask, Tag};
use super::{Allocation, FailureReason};
use crate::auth::{AuthFailure, ResponseCheck, SignedBy};
use crate::machine::{Disposition, DropReason};
use crate::net::Datagram;
use crate::time::Instant;
use crate::transaction::NoMatch;
use crate::wire::attribute::ErrorCode;
use crate::wire::{Class, Classification, Integrity, Message, Method, TransactionId, classify};

/// When and how fast a response came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) rtt: Option<Duration>,
    /// When it was asked: what the server grants runs from then on, or from later.
    pub(super) sent_at: Instant,
}

impl Allocation {
    pub(super) fn consider<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Disposition<'a> {
        let now = self.now.advance(now);
        if classify(datagram.payload) == Classification::ChannelData {
            return self.receive_channel_data(datagram, now);
        }
        let Ok(message) = Message::parse(datagram.payload) else { return Disposition::Unclaimed };
        match message.class() {
            Class::SuccessResponse | Class::ErrorResponse => self.receive_response(&message, datagram, now),
            Class::Indication if self.config.path.admits(&datagram.path) => match message.method() {
                Method::DATA => self.receive_data(&message, datagram, now),
                Method::CONNECTION_ATTEMPT => self.receive_connection_attempt(&message, now),
                _ => Disposition::Unclaimed,
            },
            Class::Indication | Class::Request => Disposition::Unclaimed,
        }
    }

    fn receive_response(
        &mut self,
        message: &Message<'_>,
        datagram: &Datagram<'_>,
        now: Instant,
    ) -> Disposition<'static> {
        let tag = match self.transactions.find(&datagram.path, message.transaction_id()) {
            Ok(tag) => tag,
            Err(NoMatch::WrongPath) => return Disposition::Dropped(DropReason::WrongSource),
            Err(NoMatch::UnknownId) => return Disposition::Unclaimed,
        };
        if message.method() != tag.ask.method() {
            return Disposition::Dropped(DropReason::WrongMethod);
        }
        if message.check_fingerprint() == Integrity::Invalid {
            return Disposition::Dropped(DropReason::BadFingerprint);
        }
        if let Some(ends) = self.is_overtaken(message, tag) {
            return self.wait_for_proof(message, tag, ends, now);
        }
        let check = match &mut self.config.credentials {
            // Binding is asked without credentials: what its response says is seen to by a Refresh.
            Some(credentials) if tag.ask != Ask::Keepalive => credentials.check_response(message, tag.by),
            _ => ResponseCheck::Accept,
        };
        let disposition = match check {
            ResponseCheck::Accept => {
                self.accept(message, tag, now);
                Disposition::Done
            }
            ResponseCheck::Retry { ends } => {
                self.retry_signed(message, tag, ends, now);
                Disposition::Done
            }
            ResponseCheck::Reject { failure, is_authentic } => {
                self.reject(tag, failure, is_authentic, now);
                Disposition::Done
            }
            ResponseCheck::Discard => {
                self.discard(message, tag, now);
                Disposition::Dropped(DropReason::Unauthenticated)
            }
        };
        self.pump(now);
        disposition
    }

    /// Whether a challenge comes too late to teach anything: another request is about to prove what one like it has
    /// taught, or has proved it. Says whether the challenged request is over: if not, it was not the server who said so.
    fn is_overtaken(&self, message: &Message<'_>, tag: Tag) -> Option<bool> {
        let credentials = self.config.credentials.as_ref()?;
        if tag.by != SignedBy::Working || tag.ask == Ask::Keepalive || !is_challenge(message) {
            return None;
        }
        let is_other = |ask: Ask| ask != tag.ask;
        let is_proving = self.retry.is_some_and(is_other)
            || self.transactions.find_tag(|it| it.by == SignedBy::Candidate && is_other(it.ask)).is_some();
        let ends = self.config.path.transport.is_reliable() || credentials.is_authentic(message, tag.by);
        (is_proving || tag.epoch != self.epoch).then_some(ends)
    }

    /// One request proves for all; the others are asked again when it has.
    fn wait_for_proof(
        &mut self,
        message: &Message<'_>,
        tag: Tag,
        ends: bool,
        now: Instant,
    ) -> Disposition<'static> {
        if !ends {
            self.note_unsigned(message, tag.ask);
            return Disposition::Dropped(DropReason::Unauthenticated);
        }
        self.take(message.transaction_id(), now);
        self.put_back(tag.ask, now);
        self.pump(now);
        Disposition::Done
    }

    /// A response that counts.
    fn accept(&mut self, message: &Message<'_>, tag: Tag, now: Instant) {
        let Some(timing) = self.take(message.transaction_id(), now) else { return };
        // The other request of the same kind, where a challenge has caused a second one.
        self.withdraw(|ask| ask == tag.ask);
        if tag.by == SignedBy::Candidate {
            self.change_epoch(now);
        }
        self.conclude(message, tag.ask, timing, now);
    }

    /// Asks again, signed with what the challenge has taught (RFC 8489 s9.2.5). A request that was signed with what
    /// works stays outstanding: whoever challenges it has proved nothing.
    fn retry_signed(&mut self, challenge: &Message<'_>, tag: Tag, ends: bool, now: Instant) {
        if ends {
            self.take(challenge.transaction_id(), now);
            if tag.ask.is_own() {
                self.rejection = None;
            }
        } else {
            self.note_unsigned(challenge, tag.ask);
        }
        if ends {
            // A retry that an unsigned challenge has caused is of no more use.
            while let Some((id, _)) = self.transactions.find_tag(|other| other.ask == tag.ask) {
                self.transactions.cancel(id);
            }
        }
        self.retry = Some(tag.ask);
    }

    /// The credentials are of no use. Where nobody signed that, the true response may be under way.
    fn reject(&mut self, tag: Tag, failure: AuthFailure, is_authentic: bool, now: Instant) {
        if tag.ask.is_own() {
            self.rejection.get_or_insert(failure);
        }
        if is_authentic || self.config.path.transport.is_reliable() {
            self.withdraw(|ask| ask == tag.ask);
            self.fail(tag.ask, FailureReason::Authentication { failure }, now);
        } else {
            self.give_up_soon(tag.ask, now);
        }
    }

    /// What nobody signed proves nothing. It may be true all the same: a wrong key, a server that has forgotten the
    /// user or the allocation. Then nothing better will come.
    fn discard(&mut self, message: &Message<'_>, tag: Tag, now: Instant) {
        self.note_unsigned(message, tag.ask);
        if self.config.path.transport.is_reliable() {
            // RFC 8489 s9.2.5: a stream brings no other answer.
            let reason = self.silence(tag.ask);
            self.withdraw(|ask| ask == tag.ask);
            self.fail(tag.ask, reason, now);
        } else if message.class() == Class::ErrorResponse && !is_challenge(message) {
            self.give_up_soon(tag.ask, now);
        }
    }

    /// Whatever is outstanding of it is sent no more, and waits for its true response a little while.
    fn give_up_soon(&mut self, ask: Ask, now: Instant) {
        self.transactions.give_up_such_within(|tag| tag.ask == ask, Self::REJECTION_GRACE, now);
    }

    /// Remembers that unsigned responses came, so that the end is not mistaken for silence.
    fn note_unsigned(&mut self, response: &Message<'_>, ask: Ask) {
        if ask.is_own() {
            let seen = self.unsigned.map_or(0, |(_, count)| count);
            self.unsigned = Some((error_code(response).unwrap_or(0), seen.saturating_add(1)));
        }
    }

    /// Ends one transaction with its response.
    fn take(&mut self, id: TransactionId, now: Instant) -> Option<Timing> {
        let completed = self.transactions.take(id, now)?;
        if let Some(rtt) = completed.rtt {
            self.round_trips.note(rtt);
        }
        if let Some(rto) = completed.retransmitted_after {
            self.round_trips.note_retransmitted(rto);
        }
        Some(Timing { rtt: completed.rtt, sent_at: completed.first_sent })
    }
}

/// The code of an error response; `None` where it has none.
pub(super) fn error_code(response: &Message<'_>) -> Option<u16> {
    response.get::<ErrorCode<'_>>().ok().flatten().map(|error| error.code)
}

fn is_challenge(response: &Message<'_>) -> bool {
    matches!(error_code(response), Some(401 | 438))
}
