//! A client of the Binding method: learns the mapped address, keeps the NAT binding alive, tells when the
//! address changes.

mod config;
mod event;

use alloc::collections::VecDeque;
use core::net::SocketAddr;
use core::time::Duration;

pub use config::{Backoff, BindingConfig, ConfigError};
pub use event::{BindingEvent, FailureReason};

use crate::auth::ResponseCheck;
use crate::entropy::Entropy;
use crate::machine::{Counters, Disposition, DropReason, Machine, Receipt, Usage, WakeReason};
use crate::net::{self, Datagram, FiveTuple, Outcome, SendError, Transmit};
use crate::time::{Instant, Now, earliest};
use crate::transaction::{NoMatch, Request, RttEstimator, Transactions};
use crate::wire::attribute::{AttributeType, ErrorCode, MappedAddress, XorMappedAddress};
use crate::wire::{BuildError, Class, Integrity, Message, MessageBuilder, Method, TransactionId};

/// Asks one server for the mapped address, and goes on asking if it is to be kept alive.
///
/// # Example
/// ```
/// use libstun::stun::{Binding, BindingConfig, BindingEvent};
/// use libstun::{Datagram, Entropy, FiveTuple, Instant, Machine};
///
/// let path = FiveTuple::udp("10.0.0.2:5000".parse()?, "192.0.2.1:3478".parse()?);
/// let entropy = Entropy::from_seed([7; 32]); // a host takes `Entropy::from_os()`
/// let mut binding = Binding::new(BindingConfig::new(path), entropy, Instant::ZERO)?;
///
/// let request = binding.poll_transmit().expect("a new binding asks at once");
/// assert_eq!(request.path.remote, "192.0.2.1:3478".parse()?);
/// // The host sends it, sleeps until `binding.poll_timeout()` or input, and calls
/// // `handle_timeout` or `handle_input`; then it drains transmits and events again.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Binding {
    config: BindingConfig,
    entropy: Entropy,
    state: State,
    transactions: Transactions<()>,
    round_trips: RttEstimator,
    mapped: Option<SocketAddr>,
    /// Failed attempts since the last success.
    failures: u32,
    /// The code of the last response that was discarded because nobody signed it, and how many there were.
    unsigned: Option<(u16, u32)>,
    events: VecDeque<BindingEvent>,
    dropped_events: u32,
    counters: Counters,
    now: Now,
}

/// Everything that decides what the next input means is here.
///
/// ```text
///            response: refresh wanted                     response: asked once
///   +--------------------------------------+   +--------------------------------> Ended
///   |                                      |   |        failure that is final
///   v         at the deadline              |   |
///  Waiting -------------------------> Requesting
///   ^                                      |
///   +--------------------------------------+
///            failure that may pass
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A request is outstanding under this id.
    Requesting(TransactionId),
    /// Nothing is outstanding; the next request is due then.
    Waiting { until: Option<Instant>, reason: WakeReason },
    /// The last event has been given.
    Ended,
}

impl Binding {
    /// Events kept for a host that does not poll; the oldest goes first, and is counted.
    pub const MAX_EVENTS: usize = 8;

    /// A binding that asks at once.
    ///
    /// # Errors
    /// The configuration contradicts itself; the error says where.
    pub fn new(config: BindingConfig, entropy: Entropy, now: Instant) -> Result<Self, ConfigError> {
        Self::start(config, entropy, None, now)
    }

    /// The same, starting with what is already known of the path to the server.
    pub(crate) fn start(
        config: BindingConfig,
        entropy: Entropy,
        known: Option<RttEstimator>,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let mut binding = Self {
            config,
            entropy,
            state: State::Ended,
            transactions: Transactions::new(1),
            round_trips: known.unwrap_or_default(),
            mapped: None,
            failures: 0,
            unsigned: None,
            events: VecDeque::with_capacity(1),
            dropped_events: 0,
            counters: Counters::default(),
            now: Now::new(now),
        };
        binding.request(now);
        Ok(binding)
    }

    /// The path it asks on.
    #[must_use]
    pub const fn path(&self) -> &FiveTuple {
        &self.config.path
    }

    /// The mapped address that the last response gave.
    #[must_use]
    pub const fn mapped_address(&self) -> Option<SocketAddr> {
        self.mapped
    }

    /// Whether it has given its last event: it will not send again.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        Usage::is_ended(self)
    }

    /// What was dropped, by reason.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Events that were dropped because the host did not poll.
    #[must_use]
    pub const fn dropped_events(&self) -> u32 {
        self.dropped_events
    }

    /// What is known of the path to the server.
    pub(crate) const fn round_trips(&self) -> RttEstimator {
        self.round_trips
    }

    fn consider(&mut self, datagram: &Datagram<'_>, now: Instant) -> Disposition {
        let now = self.now.advance(now);
        let Ok(message) = Message::parse(datagram.payload) else { return Disposition::Unclaimed };
        if !message.class().is_response() {
            return Disposition::Unclaimed;
        }
        match self.transactions.find(&datagram.path, message.transaction_id()) {
            Ok(()) => {}
            Err(NoMatch::WrongPath) => return Disposition::Dropped(DropReason::WrongSource),
            Err(NoMatch::UnknownId) => return Disposition::Unclaimed,
        }
        match self.authenticate(&message) {
            Ok(()) => {
                self.conclude(&message, now);
                Disposition::Done
            }
            Err(reason) => {
                self.note_unsigned(&message, reason, now);
                Disposition::Dropped(reason)
            }
        }
    }

    /// The checks of RFC 8489 s6.3 and s9.1.4, none of which changes anything but the credential's
    /// algorithm, and that only for an authentic response.
    fn authenticate(&mut self, response: &Message<'_>) -> Result<(), DropReason> {
        if response.method() != Method::BINDING {
            return Err(DropReason::WrongMethod);
        }
        if response.check_fingerprint() == Integrity::Invalid {
            return Err(DropReason::BadFingerprint);
        }
        let Some(credentials) = self.config.credentials.as_mut() else { return Ok(()) };
        match credentials.accept_response(response) {
            ResponseCheck::Authentic(_) => Ok(()),
            ResponseCheck::Discard => Err(DropReason::Unauthenticated),
        }
    }

    /// Remembers that only unsigned responses came, so that the end is not mistaken for silence. A reliable
    /// transport ends here (RFC 8489 s9.1.4).
    fn note_unsigned(&mut self, response: &Message<'_>, reason: DropReason, now: Instant) {
        if reason != DropReason::Unauthenticated {
            return;
        }
        let code = response.get::<ErrorCode<'_>>().ok().flatten().map_or(0, |error| error.code);
        let seen = self.unsigned.map_or(0, |(_, count)| count);
        self.unsigned = Some((code, seen.saturating_add(1)));
        if self.config.path.transport.is_reliable() {
            self.abandon();
            self.fail(self.silence(), now);
        }
    }

    /// Ends the transaction with its authentic response.
    fn conclude(&mut self, response: &Message<'_>, now: Instant) {
        let Some(completed) = self.transactions.take(response.transaction_id(), now) else { return };
        if let Some(rtt) = completed.rtt {
            self.round_trips.note(rtt);
        }
        if let Some(rto) = completed.retransmitted_after {
            self.round_trips.note_retransmitted(rto);
        }
        match self.verdict(response) {
            Ok(address) => self.succeed(address, completed.rtt, completed.last_sent, now),
            Err(reason) => self.fail(reason, now),
        }
    }

    /// What an authentic response says (RFC 8489 s6.3.3, s6.3.4).
    fn verdict(&self, response: &Message<'_>) -> Result<SocketAddr, FailureReason> {
        if let Some(unknown) = response.covered().find(|raw| is_unknown(raw.ty)) {
            return Err(FailureReason::UnknownAttribute { attribute: unknown.ty });
        }
        if response.class() == Class::ErrorResponse {
            return Err(match response.get::<ErrorCode<'_>>() {
                Ok(Some(error)) => FailureReason::ErrorResponse { code: error.code },
                Ok(None) | Err(_) => FailureReason::MalformedError,
            });
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
        self.state = match self.config.refresh {
            Some(interval) => {
                State::Waiting { until: next_refresh(last_sent, interval, now), reason: WakeReason::Refresh }
            }
            None => State::Ended,
        };
        let event = match self.mapped.replace(address) {
            None => BindingEvent::Mapped { address, rtt },
            Some(previous) if previous == address => BindingEvent::Refreshed { address, rtt },
            Some(previous) => BindingEvent::AddressChanged { previous, address, rtt },
        };
        self.push(event);
    }

    /// Retries what may pass, ends what may not.
    fn fail(&mut self, reason: FailureReason, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let may_retry = match reason {
            // RFC 8489 s6.3.4: a server error is worth four more requests.
            FailureReason::ErrorResponse { code: 500..=599 } => {
                self.failures <= MAX_SERVER_ERROR_RETRIES || self.config.refresh.is_some()
            }
            _ => reason.may_pass() && self.config.refresh.is_some(),
        };
        if may_retry {
            let wait = self.config.backoff.wait(self.failures, &mut self.entropy);
            let until = now.deadline_after(wait);
            self.state = State::Waiting { until, reason: WakeReason::Retry };
            self.push(BindingEvent::Retrying { reason, at: until.unwrap_or(Instant::MAX) });
        } else {
            self.state = State::Ended;
            self.push(BindingEvent::Failed { reason });
        }
    }

    /// Why a request that was never validly answered has failed.
    fn silence(&self) -> FailureReason {
        match self.unsigned {
            Some((code, count)) => FailureReason::IntegrityViolated { code, count },
            None => FailureReason::Timeout,
        }
    }

    /// Starts a transaction.
    fn request(&mut self, now: Instant) {
        let id = TransactionId::new(self.entropy.bytes());
        let mut buffer = [0; MAX_REQUEST];
        let path = self.config.path;
        let is_started = self.write_request(id, &mut buffer).is_ok_and(|bytes| {
            let request = Request { id, bytes, path, socket_id: self.config.socket_id, tag: () };
            self.transactions
                .start(&request, &self.config.retransmission, self.round_trips.rto(), now)
                .is_ok()
        });
        self.unsigned = None;
        if is_started {
            self.state = State::Requesting(id);
        } else {
            // MAX_REQUEST has room for everything; were it wrong, the host should hear of it.
            self.state = State::Ended;
            self.push(BindingEvent::Failed {
                reason: FailureReason::SendFailed { error: SendError::MessageTooLarge },
            });
        }
    }

    fn write_request<'b>(&self, id: TransactionId, buffer: &'b mut [u8]) -> Result<&'b [u8], BuildError> {
        let mut builder = MessageBuilder::new(buffer, Class::Request, Method::BINDING, id)?;
        if let Some(credentials) = &self.config.credentials {
            credentials.sign_request(&mut builder)?;
        }
        if self.config.fingerprint {
            builder.add_fingerprint()?;
        }
        Ok(builder.finish())
    }

    /// Ends the outstanding transaction without a response.
    fn abandon(&mut self) {
        if let State::Requesting(id) = self.state {
            self.transactions.cancel(id);
        }
    }

    fn push(&mut self, event: BindingEvent) {
        if self.events.len() >= Self::MAX_EVENTS {
            self.events.pop_front();
            self.dropped_events = self.dropped_events.saturating_add(1);
        }
        self.events.push_back(event);
    }
}

impl Usage for Binding {
    fn receive(&mut self, datagram: &Datagram<'_>, now: Instant) -> Disposition {
        let disposition = self.consider(datagram, now);
        self.counters.note(disposition);
        disposition
    }

    fn deadline(&self) -> Option<(Instant, WakeReason)> {
        match self.state {
            State::Requesting(_) => self.transactions.deadline(),
            State::Waiting { until, reason } => until.map(|at| (at, reason)),
            State::Ended => None,
        }
    }

    fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
        self.transactions.transmits()
    }

    fn queued_transmits(&self) -> usize {
        self.transactions.queued()
    }

    fn queued_events(&self) -> usize {
        self.events.len()
    }

    fn outstanding(&self) -> impl Iterator<Item = (TransactionId, SocketAddr)> {
        self.transactions.outstanding()
    }

    fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    fn asks_on(&self, path: &FiveTuple) -> bool {
        self.config.path.admits(path)
    }
}

impl Machine for Binding {
    type Event = BindingEvent;

    fn handle_input<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Outcome<'a> {
        self.receive(datagram, now).outcome()
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        self.transactions.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<BindingEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let queued = self.queued_transmits() > 0 || self.queued_events() > 0;
        earliest(queued.then_some(self.now.get()), self.deadline().map(|(at, _)| at))
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.now.advance(now);
        match self.state {
            State::Requesting(_) => {
                self.transactions.handle_timeout(now);
                if self.transactions.take_expired().is_some() {
                    self.fail(self.silence(), now);
                }
            }
            State::Waiting { until, .. } if until.is_some_and(|at| at <= now) => self.request(now),
            State::Waiting { .. } | State::Ended => {}
        }
    }

    fn handle_send_error(&mut self, failed: &Receipt, error: SendError, now: Instant) {
        let now = self.now.advance(now);
        let mut is_over = false;
        self.transactions.fail(failed, error, |()| is_over = true);
        if is_over {
            self.fail(FailureReason::SendFailed { error }, now);
        }
    }

    fn wake_reason(&self) -> Option<WakeReason> {
        if self.queued_transmits() > 0 || self.queued_events() > 0 {
            return Some(WakeReason::Output);
        }
        self.deadline().map(|(_, reason)| reason)
    }
}

/// The NAT's timer runs from the last request; an answer that took longer than the interval starts it anew.
fn next_refresh(last_sent: Instant, interval: Duration, now: Instant) -> Option<Instant> {
    last_sent.deadline_after(interval).filter(|at| *at > now).or_else(|| now.deadline_after(interval))
}

/// Unknown and required, unlike known but unexpected, which is ignored (RFC 8489 s6.3).
fn is_unknown(ty: AttributeType) -> bool {
    ty.is_comprehension_required() && ty.name().is_none()
}

/// More requests after a server error (RFC 8489 s6.3.4).
const MAX_SERVER_ERROR_RETRIES: u32 = 4;

/// Longest request in bytes: header, the longest USERNAME, both signatures, FINGERPRINT.
const MAX_REQUEST: usize = 20 + 4 + 508 + 24 + 36 + 8;

#[cfg(test)]
mod tests;
