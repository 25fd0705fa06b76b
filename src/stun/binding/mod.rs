//! A client of the Binding method: learns the mapped address, keeps the NAT binding alive, tells when the
//! address changes.

mod answer;
mod asking;
mod command;
mod config;
mod event;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use asking::Wish;
pub use config::{BindingConfig, ConfigError};
pub use event::{BindingEvent, FailureReason};

use crate::auth::{AuthFailure, SignedBy};
use crate::entropy::Entropy;
use crate::machine::{Counters, Disposition, Machine, Receipt, Usage, WakeReason};
use crate::net::{Datagram, FiveTuple, Outcome, SendError, Transmit};
use crate::time::{Instant, Now};
pub use crate::transaction::{Backoff, RedirectPolicy, RedirectRefusal};
use crate::transaction::{RttEstimator, Trail, Transactions};
use crate::wire::TransactionId;

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
    transactions: Transactions<SignedBy>,
    /// Sends a request only when it is granted.
    is_gated: bool,
    wish: Option<Wish>,
    /// How often it refreshes unless overridden.
    own_refresh: Option<Duration>,
    /// Whether it stays after a success: it refreshes, or has been told not to for a while.
    is_kept: bool,
    /// Whether its connection is lost.
    is_disconnected: bool,
    round_trips: RttEstimator,
    mapped: Option<SocketAddr>,
    /// When the request was last sent whose answer gave `mapped`.
    last_sent: Instant,
    trail: Trail,
    domain: Option<Box<str>>,
    /// Failed attempts since the last success.
    failures: u32,
    /// The code of the last response that was discarded because nobody signed it, and how many there were.
    unsigned: Option<(u16, u32)>,
    /// Why the first challenge that could not be met could not.
    rejection: Option<AuthFailure>,
    events: VecDeque<BindingEvent>,
    dropped_events: u32,
    counters: Counters,
    now: Now,
}

/// Everything that decides what the next input means is here.
///
/// ```text
///            response: kept                                response: asked once
///   +--------------------------------------+   +--------------------------------> Ended
///   |                                      |   |        failure that is final
///   v         at the deadline              |   |
///  Waiting -------------------------> Requesting --300, the host is asked--> Redirected
///   |  ^                               ^   |  ^                                   |
///   |  +-------------------------------|---+  +-----------------------------------+
///   |        failure that may pass     |           the host agrees
///   |                                  |
///   +--at the deadline--> Disconnected-+  the host has reconnected
///       of a lost connection
/// ```
///
/// In `Requesting` up to two requests are outstanding: one that was signed with what works, and the retry that
/// an unproven challenge to it has caused. The first response that counts ends both (RFC 8489 s9.2.5). Where
/// requests are granted, one may only be wished for yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A request is outstanding, or wished for.
    Requesting,
    /// Nothing is outstanding; the next request is due then.
    Waiting { until: Option<Instant>, reason: WakeReason },
    /// The host is to say whether that server may be asked.
    Redirected(SocketAddr),
    /// The host is to open a connection.
    Disconnected,
    /// The last event has been given.
    Ended,
}

impl Binding {
    /// Events kept for a host that does not poll; the oldest goes first, and is counted.
    pub const MAX_EVENTS: usize = 8;

    /// How long a request over UDP still waits for its true response after a challenge that cannot be met and that
    /// nobody signed. RFC 8489 has no such wait; without one, whoever sees a request could end it.
    pub const REJECTION_GRACE: Duration = Duration::from_secs(2);

    /// Requests outstanding at a time: the original, and the retry of one challenge.
    const MAX_OUTSTANDING: usize = 2;

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
        let mut binding = Self::start_gated(config, entropy, known, now)?;
        binding.is_gated = false;
        binding.grant(now);
        Ok(binding)
    }

    /// The same, each new request waiting for its grant (RFC 8489 s6.2): the first one, a refresh, another try,
    /// the signed retry of a challenge. Retransmissions need none.
    pub(crate) fn start_gated(
        config: BindingConfig,
        entropy: Entropy,
        known: Option<RttEstimator>,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let mut binding = Self {
            state: State::Requesting,
            transactions: Transactions::new(Self::MAX_OUTSTANDING),
            is_gated: true,
            wish: None,
            own_refresh: config.refresh,
            is_kept: config.refresh.is_some(),
            is_disconnected: false,
            config,
            entropy,
            round_trips: known.unwrap_or_default(),
            mapped: None,
            last_sent: now,
            trail: Trail::default(),
            domain: None,
            failures: 0,
            unsigned: None,
            rejection: None,
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

    /// The name that the certificate of the server must carry, if the server that redirected here gave one
    /// (ALTERNATE-DOMAIN, RFC 8489 s10). Read it when [`BindingEvent::Redirected`] comes. Of a redirection that
    /// was not signed it is as trustworthy as the network.
    #[must_use]
    pub fn alternate_domain(&self) -> Option<&str> {
        self.domain.as_deref()
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

    /// Whether an error says that the connection has gone, whatever is outstanding on it.
    fn loses_connection(&self, failed: &Receipt, error: SendError) -> bool {
        self.config.path.transport.is_reliable()
            && FailureReason::SendFailed { error }.ends_connection()
            && failed.transaction_id.is_none()
            && self.config.path.admits(&failed.path)
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
    fn receive(&mut self, datagram: &Datagram<'_>, now: Instant) -> Disposition<'static> {
        let disposition = self.consider(datagram, now);
        self.counters.note(disposition);
        disposition
    }

    fn deadline(&self) -> Option<(Instant, WakeReason)> {
        match self.state {
            State::Requesting => self.transactions.deadline(),
            State::Waiting { until, reason } => until.map(|at| (at, reason)),
            State::Redirected(_) | State::Disconnected | State::Ended => None,
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

    fn wish(&self) -> Option<SocketAddr> {
        self.wish.map(|_| self.config.path.remote)
    }

    fn wishes_retry(&self) -> bool {
        self.wish == Some(Wish::SignedRetry) && !self.transactions.is_empty()
    }

    fn grant(&mut self, now: Instant) {
        let now = self.now.advance(now);
        if let Some(wish) = self.wish.take() {
            self.send(wish, now);
        }
    }

    fn refresh_early(&mut self, horizon: Instant, now: Instant) {
        Self::refresh_early(self, horizon, now);
    }

    fn override_refresh(&mut self, interval: Option<Duration>, now: Instant) {
        if self.own_refresh.is_some() {
            self.time_refresh(interval.or(self.own_refresh), now);
        }
    }

    fn network_changed(&mut self, addresses: &[IpAddr], now: Instant) {
        Self::network_changed(self, addresses, now);
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
        self.wake(self.now.get()).map(|(at, _)| at)
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.now.advance(now);
        match self.state {
            State::Requesting => {
                self.transactions.handle_timeout(now);
                self.note_expired(now);
            }
            State::Waiting { until, .. } if until.is_some_and(|at| at <= now) => self.resume(now),
            State::Waiting { .. } | State::Redirected(_) | State::Disconnected | State::Ended => {}
        }
    }

    fn handle_send_error(&mut self, failed: &Receipt, error: SendError, now: Instant) {
        let now = self.now.advance(now);
        let is_lost = self.loses_connection(failed, error);
        if is_lost {
            self.wish = None; // what it wants to send goes nowhere
            self.is_disconnected |= matches!(self.state, State::Waiting { .. });
        }
        let is_idle = matches!(self.state, State::Waiting { reason: WakeReason::Refresh, .. });
        let is_unsent = self.state == State::Requesting && !self.is_asking();
        let (mut is_over, mut is_candidate) = (is_lost && (is_idle || is_unsent), false);
        self.transactions.fail(failed, error, |by| {
            is_over = true;
            is_candidate |= by == SignedBy::Candidate;
        });
        if is_candidate {
            self.forget_candidate();
        }
        if is_over && !self.is_asking() {
            self.fail(FailureReason::SendFailed { error }, now);
        }
    }

    fn wake_reason(&self) -> Option<WakeReason> {
        self.wake(self.now.get()).map(|(_, reason)| reason)
    }
}

#[cfg(test)]
mod tests;
