//! Time as the host tells it. No clock is read here.

mod timer_table;

use core::time::Duration;

pub(crate) use timer_table::TimerTable;

/// A point in time: nanoseconds on a monotonic clock of the host's choosing.
///
/// The clock's zero means nothing. Use one that runs through suspend (`CLOCK_BOOTTIME`,
/// `mach_continuous_time`), and the same one for every call to a machine. Arithmetic saturates: a deadline
/// beyond the end of the clock is at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The clock's zero.
    pub const ZERO: Self = Self(0);
    /// The last point in time.
    pub const MAX: Self = Self(u64::MAX);

    /// From nanoseconds of the host's clock.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// From milliseconds of the host's clock, saturating.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds of the host's clock.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Later by `by`, or the end of time.
    #[must_use]
    pub fn saturating_add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(nanos(by)))
    }

    /// The deadline `by` from now; `None`, never, at or beyond the end of the clock.
    pub(crate) fn deadline_after(self, by: Duration) -> Option<Self> {
        Some(self.saturating_add(by)).filter(|at| *at < Self::MAX)
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Whole nanoseconds of a duration, saturating at 584 years.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The latest time a machine has been told; time never runs backwards inside it (C5).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Now(Instant);

impl Now {
    pub(crate) fn new(now: Instant) -> Self {
        Self(now)
    }

    /// Takes the host's `now`, and returns the one that counts: the latest seen.
    pub(crate) fn advance(&mut self, now: Instant) -> Instant {
        self.0 = self.0.max(now);
        self.0
    }

    pub(crate) fn get(self) -> Instant {
        self.0
    }
}

/// The earlier of two deadlines, where `None` is never.
pub(crate) fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}

/// A monotonic clock for Rust hosts: nanoseconds since it was made. The machines never call it.
///
/// On Linux and Apple systems the standard library's clock stops in suspend. A phone that must notice a
/// night's sleep passes `CLOCK_BOOTTIME` or `mach_continuous_time` instead.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug)]
pub struct Clock(std::time::Instant);

#[cfg(feature = "std")]
impl Clock {
    /// A clock that starts now.
    #[must_use]
    #[allow(clippy::new_without_default, clippy::disallowed_methods)] // reading the clock is its purpose
    pub fn new() -> Self {
        Self(std::time::Instant::now())
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant(nanos(self.0.elapsed()))
    }

    /// How long to sleep for a deadline: zero if it is past, `None` for never.
    #[must_use]
    pub fn until(&self, deadline: Option<Instant>) -> Option<Duration> {
        deadline.map(|at| at.saturating_since(self.now()))
    }

    /// The same for `UdpSocket::set_read_timeout`: in whole milliseconds, rounded up so that a loop does not
    /// spin just before its deadline, and never zero, which the call refuses.
    #[must_use]
    pub fn read_timeout(&self, deadline: Option<Instant>) -> Option<Duration> {
        let millis = self.until(deadline)?.as_nanos().div_ceil(1_000_000).max(1);
        Some(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
    }

    /// The moment on the standard library's clock, for timers of an async runtime; `None` if that clock
    /// cannot say it.
    #[must_use]
    pub fn at(&self, instant: Instant) -> Option<std::time::Instant> {
        self.0.checked_add(Duration::from_nanos(instant.as_nanos()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Instant::MAX.saturating_add(Duration::from_nanos(1)), Instant::MAX);
        assert_eq!(Instant::ZERO.saturating_add(Duration::MAX), Instant::MAX);
        assert_eq!(Instant::ZERO.saturating_since(Instant::MAX), Duration::ZERO);
    }

    #[test]
    fn time_inside_a_machine_never_runs_backwards() {
        let mut now = Now::new(Instant::from_millis(5));
        assert_eq!(now.advance(Instant::from_millis(3)), Instant::from_millis(5));
        assert_eq!(now.advance(Instant::from_millis(9)), Instant::from_millis(9));
    }

    #[test]
    fn never_is_later_than_everything() {
        assert_eq!(earliest(None, Some(Instant::MAX)), Some(Instant::MAX));
        assert_eq!(earliest(None, None), None);
    }
}
