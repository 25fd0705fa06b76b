//! The sending half: requests, the wishes that come before them, and what follows when none is answered.

use super::{Binding, BindingEvent, FailureReason, State};
use crate::auth::{Credentials, SignedBy};
use crate::machine::WakeReason;
use crate::net::SendError;
use crate::time::Instant;
use crate::transaction::Request;
use crate::wire::{BuildError, Class, MessageBuilder, Method, TransactionId};

/// A request that is to be sent as soon as whoever counts requests lets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// The first one, a refresh, or another try after a failure.
    Request,
    /// The same again, signed with what a challenge has taught.
    SignedRetry,
}

impl Binding {
    /// Asks anew: nothing of an earlier request counts any more.
    pub(super) fn request(&mut self, now: Instant) {
        self.abandon();
        self.unsigned = None;
        self.rejection = None;
        if let Some(credentials) = &mut self.config.credentials {
            credentials.begin();
        }
        self.want(Wish::Request, now);
    }

    /// Sends a request, at once or when it is granted.
    pub(super) fn want(&mut self, wish: Wish, now: Instant) {
        self.state = State::Requesting;
        if self.is_gated {
            self.wish = Some(wish);
        } else {
            self.send(wish, now);
        }
    }

    /// Starts a transaction.
    pub(super) fn send(&mut self, wish: Wish, now: Instant) {
        let by = match (&self.config.credentials, wish) {
            (None, _) => SignedBy::Nobody,
            (Some(credentials), Wish::Request) => credentials.first(),
            (Some(_), Wish::SignedRetry) => SignedBy::Candidate,
        };
        let id = TransactionId::new(self.entropy.bytes());
        let mut buffer = [0; MAX_REQUEST];
        let path = self.config.path;
        let is_started = self.write_request(id, by, &mut buffer).is_ok_and(|bytes| {
            let request = Request { id, bytes, path, socket_id: self.config.socket_id, tag: by };
            self.transactions
                .start(&request, &self.config.retransmission, self.round_trips.rto(), now)
                .is_ok()
        });
        if !is_started {
            // MAX_REQUEST has room for everything; were it wrong, the host should hear of it.
            self.abandon();
            self.end(FailureReason::SendFailed { error: SendError::MessageTooLarge });
        }
    }

    fn write_request<'b>(
        &self,
        id: TransactionId,
        by: SignedBy,
        buffer: &'b mut [u8],
    ) -> Result<&'b [u8], BuildError> {
        let mut builder = MessageBuilder::new(buffer, Class::Request, Method::BINDING, id)?;
        if let Some(credentials) = &self.config.credentials {
            credentials.sign_request(by, &mut builder)?;
        }
        if self.config.fingerprint {
            builder.add_fingerprint()?;
        }
        Ok(builder.finish())
    }

    /// Ends whatever is outstanding or wished for, without a response.
    pub(super) fn abandon(&mut self) {
        self.wish = None;
        self.transactions.cancel_all();
        self.forget_candidate();
    }

    pub(super) fn forget_candidate(&mut self) {
        if let Some(credentials) = &mut self.config.credentials {
            credentials.forget_candidate();
        }
    }

    /// Ends the transactions that were given up, and the request with the last one.
    pub(super) fn note_expired(&mut self, now: Instant) {
        let mut is_over = false;
        while let Some(by) = self.transactions.take_expired() {
            is_over = true;
            if by == SignedBy::Candidate {
                self.forget_candidate();
            }
        }
        if is_over && !self.is_asking() {
            self.fail(self.silence(), now);
        }
    }

    /// Whether an answer may still come.
    pub(super) fn is_asking(&self) -> bool {
        self.wish.is_some() || !self.transactions.is_empty()
    }

    /// Why a request that was never validly answered has failed.
    pub(super) fn silence(&self) -> FailureReason {
        match (self.rejection, self.unsigned) {
            (Some(failure), _) => FailureReason::Authentication { failure },
            (None, Some((code, count))) => FailureReason::IntegrityViolated { code, count },
            (None, None) => FailureReason::Timeout,
        }
    }

    /// Retries what may pass, ends what may not.
    pub(super) fn fail(&mut self, reason: FailureReason, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let has_worked = self.config.credentials.as_ref().is_some_and(|c| c.first() == SignedBy::Working);
        let may_retry = match reason {
            // RFC 8489 s6.3.4: a server error is worth four more requests.
            FailureReason::ErrorResponse { code: 500..=599 } => {
                self.failures <= MAX_SERVER_ERROR_RETRIES || self.is_kept
            }
            _ => reason.may_pass(has_worked) && self.is_kept,
        };
        if !may_retry {
            self.end(reason);
            return;
        }
        self.is_disconnected |= self.config.path.transport.is_reliable() && reason.ends_connection();
        let wait = self.config.backoff.wait(self.failures, &mut self.entropy);
        let until = now.deadline_after(wait);
        self.state = State::Waiting { until, reason: WakeReason::Retry };
        self.push(BindingEvent::Retrying { reason, at: until.unwrap_or(Instant::MAX) });
    }

    /// Fails for good.
    pub(super) fn end(&mut self, reason: FailureReason) {
        self.state = State::Ended;
        self.push(BindingEvent::Failed { reason });
    }

    /// The wait is over: asks again, or first for the connection that it takes.
    pub(super) fn resume(&mut self, now: Instant) {
        self.trail.begin();
        if self.is_disconnected {
            self.want_connection();
        } else {
            self.request(now);
        }
    }

    /// Asks the host for a connection, and waits for it.
    pub(super) fn want_connection(&mut self) {
        self.abandon();
        self.is_disconnected = true;
        self.state = State::Disconnected;
        self.push(BindingEvent::Reconnect { path: self.config.path });
    }
}

/// More requests after a server error (RFC 8489 s6.3.4).
const MAX_SERVER_ERROR_RETRIES: u32 = 4;

/// Longest request in bytes: header, credentials, FINGERPRINT.
const MAX_REQUEST: usize = 20 + Credentials::MAX_SIGNATURE + 8;
