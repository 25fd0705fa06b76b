//! The machine: what goes in and out, and when it wakes up. What it asks is in `plan`, what that means in `judge`.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::ask::{Question, Role, Tag};
use super::config::{ConfigError, ProbeConfig, Properties, Property};
use super::event::ProbeEvent;
use super::finding::{Evidence, Reason, Test};
use super::lifetime::Search;
use super::report::Report;
use super::silence::Trial;
use crate::auth::Credentials;
use crate::entropy::Entropy;
use crate::machine::{Counters, Disposition, Machine, Receipt, Usage, WakeReason};
use crate::net::{self, Datagram, FiveTuple, Outcome, SendError, Transmit};
use crate::time::{Instant, Now};
use crate::transaction::{RttEstimator, Transactions};
use crate::wire::TransactionId;

/// Finds out what the NAT before the host does, and then ends.
///
/// # Example
/// ```
/// use libstun::nat::{Probe, ProbeConfig};
/// use libstun::{Entropy, Instant, Machine};
///
/// let config = ProbeConfig::new("10.0.0.2:50000".parse()?, "192.0.2.1:3478".parse()?);
/// let entropy = Entropy::from_seed([7; 32]); // a host takes `Entropy::from_os()`
/// let mut probe = Probe::new(config, entropy, Instant::ZERO)?;
///
/// let request = probe.poll_transmit().expect("a new probe asks at once");
/// assert_eq!(request.path.remote, "192.0.2.1:3478".parse()?);
/// // The host drives it like any machine, until `ProbeEvent::Finished` gives the report.
/// assert_eq!(probe.report().mapped, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Probe {
    pub(super) config: ProbeConfig,
    /// The second socket's own.
    pub(super) second_credentials: Option<Credentials>,
    pub(super) entropy: Entropy,
    pub(super) stage: Stage,
    /// What is to be asked next, as fast as the pacing lets it.
    pub(super) queue: VecDeque<Question>,
    /// When the next transaction may start, and when the last one did.
    pub(super) pace: Instant,
    pub(super) last_start: Instant,
    pub(super) transactions: Transactions<Tag>,
    /// Outstanding requests that are sent once and may well be filtered, with the time.
    pub(super) attempts: VecDeque<(TransactionId, Instant)>,
    pub(super) trial: Option<Trial>,
    pub(super) search: Option<Search>,
    pub(super) facts: Facts,
    /// What was seen so far.
    pub(super) log: Vec<Evidence>,
    pub(super) report: Report,
    pub(super) settled: Properties,
    pub(super) round_trips: RttEstimator,
    pub(super) scratch: Vec<u8>,
    events: VecDeque<ProbeEvent>,
    dropped_events: u32,
    counters: Counters,
    ends: Option<Instant>,
    pub(super) now: Now,
}

/// Everything that decides what the probe does next is here, in the trial of that stage, and in the search of the
/// last one. Each stage is skipped where nobody asked for what it finds, or where it cannot find anything.
///
/// ```text
///   Connecting -----------------> Filtering ---------> Mapping ----------> Comparing
///    |  ^  | silence:              (trial) from         the server's        other servers, if
///    |  +--+ the next server       a fresh port:        other addresses     that was not enough
///    |                             first of all         are asked               |
///    | nobody                                                                    v
///    |       Fragmenting <-- Hairpinning <---- Pairing <---- Confirming <-- Repeating
///    |         (trial)         (trial)       second socket   silence was     the first request
///    |           |                                           the filter's    once more
///    |           v
///    |       Lasting: Renewing -> Waiting -> Trying (trial) -> Renewing ...
///    |           |
///    +-----------+--> Ended <-- the deadline, from everywhere
/// ```
///
/// In a trial, attempts that may be filtered alternate with controls that may not, until one is answered or silence
/// is beyond doubt (`silence`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// An ordinary request (RFC 5780 s4.2).
    Connecting,
    /// Requests to answer from elsewhere (RFC 5780 s4.4): before anything is sent there (RFC 5780 s4.5).
    Filtering,
    /// Requests to the server's other addresses (RFC 5780 s4.3).
    Mapping,
    /// Requests to other servers.
    Comparing,
    /// The first request again: had the mapped address changed, comparing would mean nothing.
    Repeating,
    /// A request to answer from elsewhere that no filter can stop any more.
    Confirming,
    /// A request from the second socket.
    Pairing,
    /// Requests to the sockets' own mapped addresses (RFC 5780 s3.4).
    Hairpinning,
    /// Padded requests (RFC 5780 s3.5).
    Fragmenting,
    /// The search for the binding lifetime (RFC 5780 s4.6).
    Lasting,
    /// The last event has been given.
    Ended,
}

/// What has been learnt, before it is judged.
#[derive(Debug)]
pub(super) struct Facts {
    /// Who is asked.
    pub(super) server: SocketAddr,
    /// How many of the further servers have been tried in its place.
    pub(super) tried: usize,
    /// The addresses that were silent.
    pub(super) silent: Vec<IpAddr>,
    /// Why no server gave a mapped address.
    pub(super) failure: Option<Reason>,
    /// Whether any server has answered anything.
    pub(super) is_reached: bool,
    /// The mapped address of the primary socket at the server, and of the second one.
    pub(super) mapped: Option<SocketAddr>,
    pub(super) second_mapped: Option<SocketAddr>,
    /// Whether MAPPED-ADDRESS differed, where both were given.
    pub(super) is_rewritten: Option<bool>,
    /// Where the server says that it answers from otherwise.
    pub(super) other: Option<SocketAddr>,
    /// What the primary socket is known as, to whom.
    pub(super) observations: Vec<(SocketAddr, SocketAddr)>,
    /// How often the server has confirmed the primary socket's mapped address, and whether it ever did not.
    pub(super) repeats: u32,
    pub(super) has_changed: bool,
    /// Whether a response was dropped because it was not authentic or broken.
    pub(super) is_altered: bool,
    /// The host's own IP, from an arrival.
    pub(super) local_ip: Option<IpAddr>,
    pub(super) change_both: Upshot,
    pub(super) change_port: Upshot,
    pub(super) confirmation: Upshot,
    pub(super) confirms_by_port: bool,
    pub(super) hairpin: Upshot,
    pub(super) padding: Upshot,
    pub(super) short_padding: Upshot,
    pub(super) is_padded_back: bool,
    /// The longest round trip.
    pub(super) longest_rtt: core::time::Duration,
}

/// What came of a test that may be answered with silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Upshot {
    /// Nothing yet, or it was not tried.
    #[default]
    Pending,
    /// The answer that shows it.
    Answered,
    /// An answer that shows that the server has ignored what it was asked.
    Elsewhere,
    /// An error response.
    Refused(u16),
    /// It could not be sent.
    Failed(SendError),
    /// Silence beyond doubt.
    Silent {
        /// On a path that has lost nothing.
        is_clean: bool,
    },
    /// Silence that says nothing.
    Lossy,
}

impl Probe {
    /// Events kept for a host that does not poll; the oldest goes first, and is counted.
    pub const MAX_EVENTS: usize = 32;
    /// Requests outstanding at most, over all servers.
    pub const MAX_REQUESTS: usize = 32;

    /// A probe that asks at once.
    ///
    /// # Errors
    /// The configuration contradicts itself; the error says where.
    pub fn new(config: ProbeConfig, entropy: Entropy, now: Instant) -> Result<Self, ConfigError> {
        config.check()?;
        let config = config.clamp();
        let mut probe = Self {
            entropy,
            stage: Stage::Connecting,
            queue: VecDeque::new(),
            pace: now,
            last_start: now,
            transactions: Transactions::new(Self::MAX_REQUESTS),
            attempts: VecDeque::new(),
            trial: None,
            search: None,
            facts: Facts::new(config.server),
            log: Vec::new(),
            report: Report::new(config.server, config.primary.local),
            settled: Properties::NONE,
            round_trips: RttEstimator::default(),
            scratch: Vec::new(),
            events: VecDeque::new(),
            dropped_events: 0,
            counters: Counters::default(),
            ends: now.deadline_after(config.duration()),
            now: Now::new(now),
            second_credentials: config.credentials.clone(),
            config,
        };
        probe.report.local = probe.local(Role::Primary);
        probe.ask(Test::Binding, Role::Primary, probe.facts.server);
        probe.proceed(now);
        Ok(probe)
    }

    /// What has been found so far. A property that is not decided yet is unknown as not tested.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// The host's local addresses are these now: the network has changed. If the one of a socket is gone, or is
    /// unspecified, it ends with what it has found: requests from now on would tell of another network.
    pub fn network_changed(&mut self, addresses: &[IpAddr], now: Instant) {
        self.now.advance(now);
        let mut sockets = [Some(self.config.primary), self.config.second].into_iter().flatten();
        if self.stage != Stage::Ended && sockets.any(|socket| !net::is_among(&socket.local, addresses)) {
            self.finish(Reason::NetworkChanged);
        }
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

    pub(super) fn push(&mut self, event: ProbeEvent) {
        if self.events.len() >= Self::MAX_EVENTS {
            self.events.pop_front();
            self.dropped_events = self.dropped_events.saturating_add(1);
        }
        self.events.push_back(event);
    }

    /// Decides what is left with that reason, and ends.
    pub(super) fn finish(&mut self, reason: Reason) {
        self.stage = Stage::Ended;
        self.trial = None;
        self.queue.clear();
        self.attempts.clear();
        while let Some((id, _)) = { self.transactions.outstanding().next() } {
            self.transactions.cancel(id);
        }
        self.settle_bounds();
        for property in Property::ALL {
            self.settle(property, |report| report.set_unknown(property, reason));
        }
        self.push(ProbeEvent::Finished(Box::new(self.report.clone())));
    }

    /// A request has come to nothing: it has waited long enough, or could not be sent.
    pub(super) fn end_unanswered(&mut self, tag: Tag, error: Option<SendError>) {
        if tag.is_attempt {
            if let Some(error) = error {
                self.note_failed_attempt(tag, error);
            }
        } else {
            self.note_unanswered(tag, error);
        }
    }
}

impl Facts {
    fn new(server: SocketAddr) -> Self {
        Self {
            server,
            tried: 0,
            silent: Vec::new(),
            failure: None,
            is_reached: false,
            mapped: None,
            second_mapped: None,
            is_rewritten: None,
            other: None,
            observations: Vec::new(),
            repeats: 0,
            has_changed: false,
            is_altered: false,
            local_ip: None,
            change_both: Upshot::Pending,
            change_port: Upshot::Pending,
            confirmation: Upshot::Pending,
            confirms_by_port: false,
            hairpin: Upshot::Pending,
            padding: Upshot::Pending,
            short_padding: Upshot::Pending,
            is_padded_back: false,
            longest_rtt: core::time::Duration::ZERO,
        }
    }
}

impl Usage for Probe {
    fn receive(&mut self, datagram: &Datagram<'_>, now: Instant) -> Disposition<'static> {
        let disposition = self.consider(datagram, now);
        self.counters.note(disposition);
        disposition
    }

    fn deadline(&self) -> Option<(Instant, WakeReason)> {
        if self.stage == Stage::Ended {
            return None;
        }
        let queued = || (self.pace, WakeReason::Pacing);
        let next = if self.queue.is_empty() {
            let trial = self.trial.map(|trial| trial.next());
            let wait = trial.or_else(|| self.search.as_ref().and_then(Search::waits_until));
            wait.map(|at| (at, WakeReason::Measurement))
        } else {
            Some(queued())
        };
        let end = self.ends.map(|at| (at, WakeReason::Deadline));
        [self.transactions.deadline(), next, end].into_iter().flatten().min_by_key(|(at, _)| *at)
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
        self.stage == Stage::Ended
    }

    fn asks_on(&self, path: &FiveTuple) -> bool {
        self.transactions.outstanding().any(|(_, remote)| net::same_endpoint(&remote, &path.remote))
    }

    fn network_changed(&mut self, addresses: &[IpAddr], now: Instant) {
        Self::network_changed(self, addresses, now);
    }
}

impl Machine for Probe {
    type Event = ProbeEvent;

    fn handle_input<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Outcome<'a> {
        self.receive(datagram, now).outcome()
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        self.transactions.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<ProbeEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.wake(self.now.get()).map(|(at, _)| at)
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.now.advance(now);
        if self.stage == Stage::Ended {
            return;
        }
        if self.ends.is_some_and(|at| at <= now) {
            return self.finish(Reason::Deadline);
        }
        self.transactions.handle_timeout(now);
        while let Some(tag) = self.transactions.take_expired() {
            self.end_unanswered(tag, None);
        }
        self.run_trial(now);
        self.proceed(now);
    }

    fn handle_send_error(&mut self, failed: &Receipt, error: SendError, now: Instant) {
        let now = self.now.advance(now);
        if self.stage == Stage::Ended {
            return;
        }
        self.note_soft_error(failed, error);
        let mut ended = Vec::new();
        self.transactions.fail(failed, error, |tag| ended.push(tag));
        for tag in ended {
            self.end_unanswered(tag, Some(error));
        }
        self.proceed(now);
    }

    fn wake_reason(&self) -> Option<WakeReason> {
        self.wake(self.now.get()).map(|(_, reason)| reason)
    }
}
