//! Many servers at once: each is asked by a [`Binding`] of its own, so that one dead server or silent
//! interface neither delays nor fails the rest.
//!
//! Two uses, one machine. [`SurveyConfig::all`] asks every server at once and compares what they saw.
//! [`SurveyConfig::race`] asks several addresses of one service one after the other, 250 ms apart, and takes
//! the first that answers (RFC 8489 s8.1, RFC 8305 s5).

mod config;
mod event;
mod mapping;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

pub(in crate::stun) use config::interleave;
pub use config::{SurveyConfig, SurveyError, SurveyTarget};
pub use event::SurveyEvent;
use mapping::Answer;
pub use mapping::{ObservedMapping, ServersDiffer};

use super::binding::{Binding, BindingConfig, BindingEvent, ConfigError, FailureReason};
use crate::entropy::Entropy;
use crate::machine::{Counters, Disposition, Machine, Receipt, Usage, WakeReason};
use crate::net::{self, Datagram, FiveTuple, Outcome, SendError, Transmit};
use crate::ready::ReadyQueue;
use crate::time::{Instant, Now, TimerTable};
use crate::wire::TransactionId;

/// Asks several servers for the mapped address, until enough have answered, none is left, or time is up.
///
/// ```
/// use libstun::stun::survey::{ServerSurvey, SurveyConfig, SurveyTarget};
/// use libstun::{Entropy, FiveTuple, Instant, Machine};
///
/// let target = |server: &str| -> Result<_, core::net::AddrParseError> {
///     Ok(SurveyTarget::new(FiveTuple::udp("0.0.0.0:5000".parse()?, server.parse()?)))
/// };
/// let targets = vec![target("192.0.2.1:3478")?, target("192.0.2.2:3478")?, target("192.0.2.3:3478")?];
/// let config = SurveyConfig { enough: 2, ..SurveyConfig::all(targets) };
/// let mut survey = ServerSurvey::new(config, Entropy::from_seed([7; 32]), Instant::ZERO)?;
/// assert_eq!(core::iter::from_fn(|| survey.poll_transmit().map(|_| ())).count(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ServerSurvey {
    request: BindingConfig,
    enough: usize,
    attempt_delay: Duration,
    entropy: Entropy,
    state: State,
    attempts: Vec<Attempt>,
    /// The first target that has not been asked.
    next: usize,
    answered: usize,
    failed: usize,
    /// An attempt has failed: the next one need not wait (RFC 8305 s5).
    is_urged: bool,
    /// By place of the target; then [`NEXT_ATTEMPT`] and [`DEADLINE`].
    timers: TimerTable,
    with_transmits: ReadyQueue,
    /// At most one for each target, and the last.
    events: VecDeque<SurveyEvent>,
    /// Bindings that have ended. They go at the next timeout or error, because the host may still hold bytes
    /// that they lent.
    spent: Vec<Binding>,
    counters: Counters,
    now: Now,
}

/// The whole survey.
///
/// ```text
///            start             enough answers, nobody left, deadline
///   (none) --------> Asking -------------------------------------------> Ended
///                    |    ^
///                    +----+ attempt delay, or an attempt that failed: the next target is asked
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Targets are asked, or wait for their turn.
    Asking,
    /// The last event has been given.
    Ended,
}

#[derive(Debug)]
struct Attempt {
    target: SurveyTarget,
    progress: Progress,
}

/// One target.
///
/// ```text
///            its turn              response
///   Waiting ----------> Asking --------------> Answered
///      |                  |  |     failure
///      |                  |  +---------------> Failed
///      |                  v  the survey ends
///      +------------> Unanswered
/// ```
#[derive(Debug)]
enum Progress {
    Waiting,
    Asking(Box<Binding>),
    Answered(SocketAddr),
    Failed,
    Unanswered,
}

impl ServerSurvey {
    /// Targets of one survey at most.
    pub const MAX_TARGETS: usize = 64;

    /// Targets that are one and the same server, asked at once (RFC 8489 s6.2: ten outstanding).
    pub const MAX_PER_SERVER: usize = 10;

    /// Events that can be queued: one for each target, and the last. None is ever dropped.
    pub const MAX_EVENTS: usize = Self::MAX_TARGETS + 1;

    /// A survey that asks at once.
    ///
    /// # Errors
    /// The configuration contradicts itself; the error says where.
    pub fn new(config: SurveyConfig, entropy: Entropy, now: Instant) -> Result<Self, SurveyError> {
        Self::start(config, entropy, now)
    }

    /// The same, for an agent.
    pub(crate) fn start(config: SurveyConfig, entropy: Entropy, now: Instant) -> Result<Self, SurveyError> {
        config.check()?;
        let attempts: Vec<Attempt> =
            config.targets.iter().map(|&target| Attempt { target, progress: Progress::Waiting }).collect();
        let mut survey = Self {
            request: BindingConfig { refresh: None, ..config.request },
            enough: config.enough.min(attempts.len()),
            attempt_delay: config.attempt_delay,
            entropy,
            state: State::Asking,
            next: 0,
            answered: 0,
            failed: 0,
            is_urged: false,
            timers: TimerTable::default(),
            with_transmits: ReadyQueue::with_capacity(attempts.len()),
            events: VecDeque::with_capacity(attempts.len().saturating_add(1)),
            spent: Vec::new(),
            counters: Counters::default(),
            now: Now::new(now),
            attempts,
        };
        survey.timers.set(DEADLINE, config.deadline.and_then(|limit| now.deadline_after(limit)));
        survey.ask_next(now);
        survey.settle(now);
        Ok(survey)
    }

    /// The host's local addresses are these now: the network has changed.
    ///
    /// Targets that have not answered and are asked from an address that is gone, or from an unspecified one, have
    /// failed: answers of two networks tell nothing together. The others go on.
    pub fn network_changed(&mut self, addresses: &[IpAddr], now: Instant) {
        let now = self.now.advance(now);
        for index in 0..self.attempts.len() {
            let is_over = self.attempts.get(index).is_some_and(|attempt| {
                !attempt.has_ended() && !net::is_among(&attempt.target.path.local, addresses)
            });
            if is_over {
                self.fail(index, FailureReason::NetworkChanged);
            }
        }
        self.settle(now);
    }

    /// Whether it has given its last event, or will with those that are queued.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Whom it asks, in the order of [`SurveyConfig::targets`].
    pub fn targets(&self) -> impl Iterator<Item = &SurveyTarget> {
        self.attempts.iter().map(|attempt| &attempt.target)
    }

    /// The mapped addresses so far, each with the place of its target.
    pub fn answers(&self) -> impl Iterator<Item = (usize, SocketAddr)> {
        self.attempts.iter().enumerate().filter_map(|(index, attempt)| match attempt.progress {
            Progress::Answered(mapped) => Some((index, mapped)),
            _ => None,
        })
    }

    /// What the answers so far tell about the NAT.
    #[must_use]
    pub fn mapping(&self) -> ObservedMapping {
        mapping::observe(self.attempts.iter().filter_map(|attempt| match attempt.progress {
            Progress::Answered(mapped) => Some(Answer { target: attempt.target, mapped }),
            _ => None,
        }))
    }

    /// What was dropped, by reason.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Asks the next target, or all that are left if there is no delay; those that cannot be asked have
    /// failed.
    fn ask_next(&mut self, now: Instant) {
        while let Some(attempt) = self.attempts.get_mut(self.next) {
            let index = self.next;
            self.next = self.next.saturating_add(1);
            if !matches!(attempt.progress, Progress::Waiting) {
                continue; // the network has changed before its turn
            }
            match ask(&self.request, attempt.target, &mut self.entropy, now) {
                Ok(binding) => {
                    attempt.progress = Progress::Asking(Box::new(binding));
                    self.note(index);
                    if !self.attempt_delay.is_zero() {
                        break;
                    }
                }
                // `SurveyConfig::check` has looked for both kinds; the host hears of whatever it overlooked.
                Err(_) => self.fail(index, FailureReason::SendFailed { error: SendError::FamilyUnavailable }),
            }
        }
        let is_last = self.next >= self.attempts.len();
        let at = if is_last { None } else { now.deadline_after(self.attempt_delay) };
        self.timers.set(NEXT_ATTEMPT, at);
    }

    /// After every step: goes on where an attempt has failed, and ends when there is nothing to wait for.
    fn settle(&mut self, now: Instant) {
        while core::mem::take(&mut self.is_urged) && !self.is_decided() {
            self.ask_next(now);
        }
        if self.state == State::Asking && self.is_decided() {
            self.finish();
        }
    }

    fn is_decided(&self) -> bool {
        self.answered >= self.enough || self.answered.saturating_add(self.failed) >= self.attempts.len()
    }

    /// Lets go of all that are outstanding, and gives the last event.
    fn finish(&mut self) {
        if self.state == State::Ended {
            return;
        }
        self.state = State::Ended;
        for index in 0..self.attempts.len() {
            self.conclude(index, Progress::Unanswered);
        }
        self.timers.set(NEXT_ATTEMPT, None);
        self.timers.set(DEADLINE, None);
        let (answered, failed) = (self.answered, self.failed);
        let unanswered = self.attempts.len().saturating_sub(answered).saturating_sub(failed);
        self.events.push_back(SurveyEvent::Finished {
            answered,
            failed,
            unanswered,
            mapping: self.mapping(),
        });
    }

    /// Gives an attempt that has not come to an end this one.
    fn conclude(&mut self, index: usize, end: Progress) {
        let Some(attempt) = self.attempts.get_mut(index) else { return };
        if attempt.has_ended() {
            return;
        }
        if let Progress::Asking(binding) = core::mem::replace(&mut attempt.progress, end) {
            self.spent.push(*binding);
        }
        self.timers.set(index as u32, None);
        self.with_transmits.remove(index as u32);
    }

    fn succeed(&mut self, index: usize, address: SocketAddr, rtt: Option<Duration>) {
        let Some(path) = self.path(index) else { return };
        self.conclude(index, Progress::Answered(address));
        self.answered = self.answered.saturating_add(1);
        self.events.push_back(SurveyEvent::Mapped { target: index, path, address, rtt });
    }

    fn fail(&mut self, index: usize, reason: FailureReason) {
        let Some(path) = self.path(index) else { return };
        self.conclude(index, Progress::Failed);
        self.failed = self.failed.saturating_add(1);
        self.is_urged = true;
        self.events.push_back(SurveyEvent::Failed { target: index, path, reason });
    }

    fn path(&self, index: usize) -> Option<FiveTuple> {
        self.attempts.get(index).map(|attempt| attempt.target.path)
    }

    /// After every call to a binding: what it has told, its deadline, and its place in the ready queue.
    fn note(&mut self, index: usize) {
        while let Some(event) = self.binding_mut(index).and_then(Binding::poll_event) {
            match event {
                BindingEvent::Mapped { address, rtt } => self.succeed(index, address, rtt),
                BindingEvent::Failed { reason } => self.fail(index, reason),
                // RFC 8305 s5: whoever has to wait before it asks again need not be waited for.
                BindingEvent::Retrying { .. } => self.is_urged = true,
                _ => {} // nothing that one question comes to
            }
        }
        let Some(binding) = self.binding_mut(index) else { return };
        if Usage::is_ended(binding) {
            return self.fail(index, FailureReason::NoMappedAddress);
        }
        if waits_for_its_host(binding) {
            return self.fail(index, FailureReason::SendFailed { error: SendError::SocketClosed });
        }
        let (at, is_ready) = (binding.deadline().map(|(at, _)| at), binding.queued_transmits() > 0);
        self.timers.set(index as u32, at);
        // A response or an error takes back a retransmission that nobody has polled.
        if is_ready {
            self.with_transmits.push(index as u32);
        } else {
            self.with_transmits.remove(index as u32);
        }
    }

    fn binding(&self, index: usize) -> Option<&Binding> {
        self.attempts.get(index)?.binding()
    }

    fn binding_mut(&mut self, index: usize) -> Option<&mut Binding> {
        self.attempts.get_mut(index)?.binding_mut()
    }

    fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.attempts.iter().filter_map(Attempt::binding)
    }

    /// Whose transaction that is. A scan: 64 targets are 64 comparisons of twelve bytes, less than the
    /// CRC-32 of the response that follows, and an agent passes on only what one of them waits for.
    fn asked_under(&self, id: TransactionId) -> Option<usize> {
        let waits = |binding: &Binding| binding.outstanding().any(|(known, _)| known == id);
        self.attempts.iter().position(|attempt| attempt.binding().is_some_and(waits))
    }

    fn consider<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Disposition<'a> {
        let now = self.now.advance(now);
        let Some(index) = TransactionId::of_message(datagram.payload).and_then(|id| self.asked_under(id))
        else {
            return Disposition::Unclaimed;
        };
        let Some(binding) = self.binding_mut(index) else { return Disposition::Unclaimed };
        let disposition = binding.receive(datagram, now);
        self.note(index);
        self.settle(now);
        disposition
    }

    fn fail_send(&mut self, index: usize, failed: &Receipt, error: SendError, now: Instant) {
        if let Some(binding) = self.binding_mut(index) {
            binding.handle_send_error(failed, error, now);
            self.note(index);
            self.settle(now);
        }
    }
}

impl Attempt {
    const fn has_ended(&self) -> bool {
        !matches!(self.progress, Progress::Waiting | Progress::Asking(_))
    }

    fn binding(&self) -> Option<&Binding> {
        match &self.progress {
            Progress::Asking(binding) => Some(binding),
            _ => None,
        }
    }

    fn binding_mut(&mut self) -> Option<&mut Binding> {
        match &mut self.progress {
            Progress::Asking(binding) => Some(binding),
            _ => None,
        }
    }
}

impl Usage for ServerSurvey {
    fn receive<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Disposition<'a> {
        let disposition = self.consider(datagram, now);
        self.counters.note(disposition);
        disposition
    }

    fn deadline(&self) -> Option<(Instant, WakeReason)> {
        let (at, key) = self.timers.earliest()?;
        let reason = match key {
            NEXT_ATTEMPT => WakeReason::Attempt,
            DEADLINE => WakeReason::Deadline,
            index => self.binding(index as usize)?.deadline()?.1,
        };
        Some((at, reason))
    }

    fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
        self.with_transmits.iter().filter_map(|index| self.binding(index as usize)).flat_map(Usage::transmits)
    }

    fn queued_transmits(&self) -> usize {
        let queued = self.with_transmits.iter().filter_map(|index| self.binding(index as usize));
        queued.map(Usage::queued_transmits).sum()
    }

    fn queued_events(&self) -> usize {
        self.events.len()
    }

    fn outstanding(&self) -> impl Iterator<Item = (TransactionId, SocketAddr)> {
        self.bindings().flat_map(Usage::outstanding)
    }

    fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    fn asks_on(&self, path: &FiveTuple) -> bool {
        self.bindings().any(|binding| binding.asks_on(path))
    }

    fn wish(&self) -> Option<SocketAddr> {
        self.bindings().find_map(Usage::wish)
    }

    fn grant(&mut self, now: Instant) {
        let now = self.now.advance(now);
        let wishes = |attempt: &Attempt| attempt.binding().and_then(Usage::wish).is_some();
        let Some(index) = self.attempts.iter().position(wishes) else { return };
        if let Some(binding) = self.binding_mut(index) {
            binding.grant(now);
            self.note(index);
            self.settle(now);
        }
    }

    fn network_changed(&mut self, addresses: &[IpAddr], now: Instant) {
        Self::network_changed(self, addresses, now);
    }
}

impl Machine for ServerSurvey {
    type Event = SurveyEvent;

    fn handle_input<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Outcome<'a> {
        self.receive(datagram, now).outcome()
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        let index = self.with_transmits.first()?;
        let binding = self.attempts.get_mut(index as usize)?.binding_mut()?;
        if binding.queued_transmits() <= 1 {
            self.with_transmits.remove(index);
        }
        binding.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<SurveyEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.wake(self.now.get()).map(|(at, _)| at)
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.now.advance(now);
        self.spent.clear();
        // Each timer once: were one to stay in the past, the host would see it, not hang.
        for _ in 0..=DEADLINE {
            match self.timers.pop_due(now) {
                None => return,
                Some(NEXT_ATTEMPT) => self.ask_next(now),
                Some(DEADLINE) => self.finish(),
                Some(index) => {
                    if let Some(binding) = self.binding_mut(index as usize) {
                        binding.handle_timeout(now);
                        self.note(index as usize);
                    }
                }
            }
            self.settle(now);
        }
    }

    fn handle_send_error(&mut self, failed: &Receipt, error: SendError, now: Instant) {
        let now = self.now.advance(now);
        self.spent.clear();
        if let Some(id) = failed.transaction_id {
            if let Some(index) = self.asked_under(id) {
                self.fail_send(index, failed, error, now);
            }
            return;
        }
        // Nobody said whose datagram it was. Those asked meanwhile have sent nothing that could have failed.
        for index in 0..self.next {
            if self.binding(index).is_some_and(|binding| binding.asks_on(&failed.path)) {
                self.fail_send(index, failed, error, now);
            }
        }
    }

    fn wake_reason(&self) -> Option<WakeReason> {
        self.wake(self.now.get()).map(|(_, reason)| reason)
    }
}

/// The binding that asks one target. It waits for no grant: a survey asks each server once, and is to be
/// delayed by none.
fn ask(
    request: &BindingConfig,
    target: SurveyTarget,
    entropy: &mut Entropy,
    now: Instant,
) -> Result<Binding, ConfigError> {
    let config = BindingConfig { path: target.path, socket_id: target.socket_id, ..request.clone() };
    Binding::new(config, entropy.fork(), now)
}

/// Whether only a command can move it, such as after a redirection to a server that no stream leads to: a
/// survey gives none, and waits for nobody who does.
fn waits_for_its_host(binding: &Binding) -> bool {
    binding.deadline().is_none()
        && binding.queued_transmits() == 0
        && binding.outstanding().next().is_none()
        && binding.wish().is_none()
}

/// When the next target is asked.
const NEXT_ATTEMPT: u32 = ServerSurvey::MAX_TARGETS as u32;
/// When the survey ends, whoever has answered.
const DEADLINE: u32 = NEXT_ATTEMPT + 1;
