//! The search for the binding lifetime (RFC 5780 s4.6).
//!
//! ```text
//!   primary --request--> server            the binding is renewed, and then left alone for a while
//!        ... waiting ...
//!   second --RESPONSE-PORT--> server --> the primary's binding: is it still there?
//! ```
//!
//! The wait doubles until the binding is found dead, and then halves the gap between the longest life and the
//! earliest death. The first wait is none at all: it shows that the server does what RESPONSE-PORT says.

use core::net::SocketAddr;
use core::time::Duration;

use super::ask::{Role, Tag};
use super::config::{LifetimeLimits, Patience, Property};
use super::finding::{Confidence, Finding, Reason, Test};
use super::probe::{Probe, Stage, Upshot};
use super::silence::Trial;
use super::value::Lifetime;
use crate::time::Instant;

/// How far the search is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    phase: Phase,
    /// The longest that a binding was seen to live, and the shortest after which it was dead.
    low: Duration,
    high: Option<Duration>,
    /// How often it was found dead at about that age.
    deaths: u32,
    /// The wait that is being tried.
    wait: Duration,
    /// The renewed binding, when its renewal was first sent and when it was answered.
    binding: Option<(SocketAddr, Instant, Instant)>,
    upshot: Upshot,
    /// When the request with that upshot was sent, and when the first one of its trial was due.
    decided: Instant,
    began: Instant,
    /// The distance between the bounds before the last try.
    gap: Duration,
    is_clean: bool,
    failures: u32,
}

/// ```text
///   Renewing --answered--> Waiting --time--> Trying --alive, dead--> Renewing, with another wait
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Renewing,
    Waiting(Instant),
    Trying,
}

impl Search {
    /// When the wait is over, if it waits.
    pub(super) const fn waits_until(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting(until) => Some(until),
            Phase::Renewing | Phase::Trying => None,
        }
    }

    /// The port of the binding that is tried.
    pub(super) fn port(&self) -> Option<u16> {
        self.binding.map(|(mapped, ..)| mapped.port())
    }

    pub(super) fn note(&mut self, upshot: Upshot, sent: Instant) {
        if self.upshot == Upshot::Pending {
            (self.upshot, self.decided) = (upshot, sent);
        }
    }

    fn note_death(&mut self, age: Duration, precision: Duration) {
        let is_news = self.high.is_none_or(|high| age.saturating_add(precision) < high);
        self.deaths = if is_news { 1 } else { self.deaths.saturating_add(1) };
        self.high = Some(self.high.map_or(age, |high| high.min(age)));
    }

    /// What is known so far.
    fn bounds(&self) -> Option<Lifetime> {
        let is_known = self.low > Duration::ZERO || self.high.is_some();
        is_known.then_some(Lifetime { at_least: self.low, below: self.high })
    }

    /// The next wait, or `None` if the bounds are good enough, or cannot be better.
    fn next_wait(&self, limits: &LifetimeLimits) -> Option<Duration> {
        let Some(high) = self.high else {
            return (self.wait < limits.max)
                .then(|| self.wait.saturating_mul(2).max(FIRST_WAIT).min(limits.max));
        };
        let gap = high.saturating_sub(self.low);
        let next = self.low.saturating_add(gap.checked_div(2).unwrap_or_default());
        if gap > limits.precision && gap < self.gap {
            return Some(next);
        }
        // RFC 5780 s4.6: a single death may have been a reboot.
        (self.deaths < 2).then(|| high.saturating_add(MARGIN))
    }
}

impl Probe {
    pub(super) fn begin_search(&mut self) {
        let (Some(mapped), Some(second)) = (self.facts.mapped, self.facts.second_mapped) else {
            let reason = if self.config.second.is_none() { Reason::NoSecondSocket } else { Reason::NoAnswer };
            return self.end_search(Finding::unknown(reason));
        };
        if mapped.ip() != second.ip() {
            return self.end_search(Finding::unknown(Reason::DifferentAddresses));
        }
        self.search = Some(Search {
            phase: Phase::Renewing,
            low: Duration::ZERO,
            high: None,
            deaths: 0,
            wait: Duration::ZERO,
            binding: None,
            upshot: Upshot::Pending,
            decided: Instant::ZERO,
            began: Instant::ZERO,
            gap: Duration::MAX,
            is_clean: true,
            failures: 0,
        });
        self.ask(Test::Renewal, Role::Primary, self.facts.server);
    }

    /// The renewal was answered: from now on the primary socket is silent.
    pub(super) fn note_renewal(&mut self, tag: &Tag, mapped: SocketAddr, now: Instant) {
        if let Some(search) = &mut self.search {
            search.binding = Some((mapped, tag.started, now));
            search.phase = Phase::Waiting(now.saturating_add(search.wait));
        }
    }

    /// Goes on with the search, which has nothing to wait for.
    pub(super) fn search_on(&mut self, now: Instant) {
        let Some(search) = &mut self.search else { return self.finish(Reason::NoAnswer) };
        match search.phase {
            // Not answered.
            Phase::Renewing => self.fail_once(Reason::NoAnswer),
            Phase::Waiting(_) => {
                search.phase = Phase::Trying;
                search.upshot = Upshot::Pending;
                search.began = now;
                let patience = Patience { interval: INTERVAL, ..self.config.patience };
                self.trial = Some(Trial::new(patience, now));
                self.run_trial(now);
            }
            Phase::Trying => self.judge_try(),
        }
    }

    fn judge_try(&mut self) {
        let Some(search) = &mut self.search else { return };
        let Some((_, started, answered)) = search.binding else { return };
        let is_first = search.wait == Duration::ZERO;
        match search.upshot {
            Upshot::Answered => {
                // It was refreshed by the renewal's answer, or by one to a retransmission that is still on its way, at
                // the latest. It was alive when the trial began: later requests of the trial may have refreshed it
                // even if their answers were lost.
                let lived = search.began.saturating_since(answered.saturating_add(self.facts.longest_rtt));
                search.low = search.low.max(lived);
                if search.high.is_some_and(|high| high <= search.low) {
                    // It has outlived its death, which was an accident.
                    (search.high, search.deaths, search.gap) = (None, 0, Duration::MAX);
                    (search.is_clean, search.failures) = (false, search.failures.saturating_add(1));
                    if search.failures >= MAX_FAILURES {
                        return self.end_search(Finding::unknown(Reason::Contradiction));
                    }
                }
            }
            Upshot::Refused(420) => {
                return self.end_search(Finding::unknown(Reason::ResponsePortUnsupported));
            }
            Upshot::Refused(code) => {
                return self.end_search(Finding::unknown(Reason::ErrorResponse { code }));
            }
            Upshot::Elsewhere | Upshot::Silent { .. } if is_first => {
                return self.end_search(Finding::unknown(Reason::ServerIgnoresResponsePort));
            }
            Upshot::Elsewhere | Upshot::Silent { .. } => {
                // Refreshed by the renewal at the earliest, found dead by the last request on its way.
                search.is_clean &= search.upshot != Upshot::Silent { is_clean: false };
                let died = search.decided.saturating_since(started).saturating_add(self.facts.longest_rtt);
                search.note_death(died, self.config.lifetime.precision);
            }
            Upshot::Failed(error) => return self.fail_once(Reason::SendFailed { error }),
            Upshot::Pending | Upshot::Lossy => return self.fail_once(Reason::Lossy),
        }
        self.try_next();
    }

    fn try_next(&mut self) {
        let Some(search) = &mut self.search else { return };
        if search.high.is_some_and(|high| high <= search.low) {
            // RFC 5780 s4.6: "be prepared to get inconsistent results".
            return self.end_search(Finding::unknown(Reason::Contradiction));
        }
        match search.next_wait(&self.config.lifetime) {
            Some(wait) => {
                search.gap = search.high.map_or(Duration::MAX, |high| high.saturating_sub(search.low));
                (search.wait, search.phase, search.binding) = (wait, Phase::Renewing, None);
                self.ask(Test::Renewal, Role::Primary, self.facts.server);
            }
            None => self.finish(Reason::NoAnswer), // with the bounds
        }
    }

    /// Something that says nothing about the binding: the same once more, but not for ever.
    fn fail_once(&mut self, reason: Reason) {
        let Some(search) = &mut self.search else { return };
        search.failures = search.failures.saturating_add(1);
        search.is_clean = false;
        if search.failures < MAX_FAILURES {
            (search.phase, search.binding) = (Phase::Renewing, None);
            return self.ask(Test::Renewal, Role::Primary, self.facts.server);
        }
        match search.bounds() {
            Some(_) => self.finish(reason),
            None => self.end_search(Finding::unknown(reason)),
        }
    }

    /// Reports the bounds as far as they are known.
    pub(super) fn settle_bounds(&mut self) {
        let Some(search) = &self.search else { return };
        let Some(bounds) = search.bounds() else { return };
        let (limits, is_clean) = (&self.config.lifetime, search.is_clean);
        let is_exact = match search.high {
            Some(high) => high.saturating_sub(search.low) <= limits.precision,
            None => search.wait >= limits.max && search.low > Duration::ZERO,
        };
        let confidence = if is_clean && is_exact { Confidence::High } else { Confidence::Medium };
        self.settle(Property::Lifetime, |report| report.lifetime = Finding::known(bounds, confidence));
    }

    fn end_search(&mut self, finding: Finding<Lifetime>) {
        self.search = None;
        self.settle(Property::Lifetime, |report| report.lifetime = finding);
        if self.stage == Stage::Lasting {
            self.finish(Reason::NoAnswer);
        }
    }
}

/// The first wait that is one: no NAT worth the name forgets sooner.
const FIRST_WAIT: Duration = Duration::from_secs(15);

/// Between attempts, so that the last is not much later than the wait that is tried.
const INTERVAL: Duration = Duration::from_millis(200);

/// How much later than at its death a binding is looked for again.
const MARGIN: Duration = Duration::from_secs(1);

/// Requests that may come to nothing.
const MAX_FAILURES: u32 = 4;
