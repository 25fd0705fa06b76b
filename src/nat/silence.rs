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
        let lost = self.sent.saturating_sub(self.answered).saturating_add(self.unsent);
        if is_beyond_doubt(lost, self.sent, self.sent) {
            return Verdict::Silent { is_clean: lost == 0 };
        }
        let enough = (self.sent.saturating_add(1)..=self.patience.max_attempts)
            .find(|attempts| is_beyond_doubt(lost, self.sent, *attempts));
        match enough {
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

/// Whether a path that lost `lost` of `controls` would lose all of `attempts` less than once in a million times.
/// The loss rate is estimated by the rule of succession: (lost + 1) / (controls + 2).
fn is_beyond_doubt(lost: u32, controls: u32, attempts: u32) -> bool {
    const SCALE: u64 = 1_000_000_000;
    let (lost, controls) = (u64::from(lost).saturating_add(1), u64::from(controls).saturating_add(2));
    let rate = lost.saturating_mul(SCALE).checked_div(controls).unwrap_or(SCALE).min(SCALE);
    let all = (0..attempts).fold(SCALE, |chance, _| chance.saturating_mul(rate) / SCALE);
    all <= SCALE / 1_000_000
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
    fn a_clean_path_needs_seven_attempts_and_a_lossy_one_more() {
        let (clean, verdict) = trial(0);
        assert_eq!((clean.sent, verdict), (7, Verdict::Silent { is_clean: true }));
        let (lossy, verdict) = trial(2);
        assert_eq!(verdict, Verdict::Silent { is_clean: false });
        assert!((10..=16).contains(&lossy.sent), "{}", lossy.sent);
    }

    #[test]
    fn silence_on_a_path_that_loses_most_says_nothing() {
        assert_eq!(trial(7).1, Verdict::Lossy);
        assert_eq!(trial(10).1, Verdict::Lossy);
    }

    #[test]
    fn the_last_attempt_has_its_full_wait() {
        let mut trial = Trial::new(Patience::default(), Instant::ZERO);
        while trial.due(trial.next()) == Due::Attempt {
            trial.note_attempt(Duration::from_millis(200), trial.next());
        }
        assert_eq!(trial.next(), Instant::from_millis(6 * 500 + 1500 + 200));
    }
}
