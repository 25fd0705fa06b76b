//! When silence means something: attempts that may be filtered beside controls that may not.

use core::time::Duration;

use super::config::Patience;
use crate::time::Instant;

/// A series of attempts, each with a control.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    patience: Patience,
    /// Attempts so far.
    sent: u32,
    /// Attempts before the next look.
    target: u32,
    /// Controls that were answered.
    answered: u32,
    /// Sends that failed for the moment: they may not have been attempts at all.
    unsent: u32,
    /// The next attempt, or the look.
    next: Instant,
}

/// What is due in a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing yet.
    Nothing,
    /// Another attempt.
    Attempt,
    /// All that were sent have had their time.
    Look,
}

/// What silence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The path has not lost all attempts. `is_clean` if it has lost nothing.
    Silent { is_clean: bool },
    /// More attempts were ordered.
    More,
    /// It says nothing.
    Lossy,
}

impl Trial {
    pub(super) const fn new(patience: Patience, now: Instant) -> Self {
        Self { patience, sent: 0, target: Patience::MIN_ATTEMPTS, answered: 0, unsent: 0, next: now }
    }

    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    pub(super) const fn sent(&self) -> u32 {
        self.sent
    }

    pub(super) const fn last_wait(&self) -> Duration {
        self.patience.last_wait
    }

    pub(super) const fn note_control(&mut self) {
        self.answered = self.answered.saturating_add(1);
    }

    pub(super) const fn note_unsent(&mut self) {
        self.unsent = self.unsent.saturating_add(1);
    }

    /// A request was started. However late the host was, the last one has its full wait, and the next attempt does
    /// not follow at once.
    pub(super) fn note_start(&mut self, now: Instant) {
        let wait = if self.sent >= self.target { self.last_wait() } else { MIN_GAP };
        self.next = self.next.max(now.saturating_add(wait));
    }

    pub(super) fn due(&self, now: Instant) -> Due {
        if now < self.next {
            Due::Nothing
        } else if self.sent < self.target {
            Due::Attempt
        } else {
            Due::Look
        }
    }

    /// Notes an attempt whose requests need `spread` to be paced out.
    pub(super) fn note_attempt(&mut self, spread: Duration, now: Instant) {
        self.sent = self.sent.saturating_add(1);
        let wait = if self.sent < self.target {
            self.patience.interval.max(spread)
        } else {
            self.last_wait().saturating_add(spread)
        };
        self.next = now.saturating_add(wait);
    }

    /// What the silence so far says; orders more attempts if they can help.
    pub(super) fn look(&mut self, now: Instant) -> Verdict {
        let lost = self.sent.saturating_sub(self.answered).saturating_add(self.unsent).min(self.sent);
        if is_beyond_doubt(lost, self.sent) {
            return Verdict::Silent { is_clean: lost == 0 };
        }
        // As many as it takes if the path goes on losing what it loses.
        let losing = |attempts: u32| {
            lost.saturating_mul(attempts).checked_div(self.sent).unwrap_or(attempts).saturating_add(1)
        };
        let mut enough = self.sent.saturating_add(1)..=self.patience.max_attempts;
        match enough.find(|attempts| is_beyond_doubt(losing(*attempts).min(*attempts), *attempts)) {
            Some(attempts) => {
                self.target = attempts;
                self.next = now;
                Verdict::More
            }
            None => Verdict::Lossy,
        }
    }
}

/// Between the last request of an attempt and the next attempt, at least.
const MIN_GAP: Duration = Duration::from_millis(100);

/// Whether a path would lose all of `attempts` requests, and of as many controls exactly `lost`, less than once in a
/// million times, whatever its loss rate is. With a loss rate p the chance is
///
/// ```text
///   C(n, k) p^(n+k) (1-p)^(n-k), n attempts, k controls lost: at most what p = (n+k) / 2n makes of it
/// ```
fn is_beyond_doubt(lost: u32, attempts: u32) -> bool {
    let (n, k) = (f64::from(attempts), f64::from(lost));
    if lost >= attempts {
        return false;
    }
    let rate = (n + k) / (2.0 * n);
    let power = |base: f64, times: u32| (0..times).fold(1.0, |product, _| product * base);
    let choices = (1..=lost).map(f64::from).fold(1.0, |product, one| product * (n - k + one) / one);
    let answered = attempts.saturating_sub(lost);
    choices * power(rate, attempts.saturating_add(lost)) * power(1.0 - rate, answered) <= 1e-6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(lost: u32) -> (Trial, Verdict) {
        let mut trial = Trial::new(Patience::default(), Instant::ZERO);
        loop {
            let now = trial.next();
            match trial.due(now) {
                Due::Attempt => {
                    // So many of ten controls are lost.
                    if trial.sent % 10 >= lost {
                        trial.note_control();
                    }
                    trial.note_attempt(Duration::ZERO, now);
                }
                Due::Look => match trial.look(now) {
                    Verdict::More => {}
                    verdict => return (trial, verdict),
                },
                Due::Nothing => panic!("{now:?}"),
            }
        }
    }

    #[test]
    fn a_clean_path_needs_ten_attempts_and_a_lossy_one_more() {
        let (clean, verdict) = trial(0);
        assert_eq!((clean.sent, verdict), (10, Verdict::Silent { is_clean: true }));
        for (lost, attempts) in [(1, 14..=18), (3, 18..=28), (5, 28..=40)] {
            let (lossy, verdict) = trial(lost);
            assert_eq!(verdict, Verdict::Silent { is_clean: false }, "{lost}");
            assert!(attempts.contains(&lossy.sent), "{} at {lost}", lossy.sent);
        }
    }

    /// 4^-10 is the first power of 1/4 below one in a million: a path that loses half is the worst.
    #[test]
    fn the_bound_holds_for_any_loss_rate() {
        assert!(!is_beyond_doubt(0, 9) && is_beyond_doubt(0, 10));
        assert!(!is_beyond_doubt(10, 10) && !is_beyond_doubt(100, 100) && !is_beyond_doubt(99, 100));
    }

    #[test]
    fn silence_on_a_path_that_loses_most_says_nothing() {
        assert_eq!(trial(8).1, Verdict::Lossy);
        assert_eq!(trial(10).1, Verdict::Lossy);
    }

    #[test]
    fn the_last_attempt_has_its_full_wait() {
        let mut trial = Trial::new(Patience::default(), Instant::ZERO);
        while trial.due(trial.next()) == Due::Attempt {
            trial.note_attempt(Duration::from_millis(200), trial.next());
        }
        assert_eq!(trial.next(), Instant::from_millis(9 * 500 + 1500 + 200));
    }
}
