//! How long to wait before trying again.

use core::time::Duration;

use crate::entropy::Entropy;
use crate::time::nanos;

/// How long to wait between failed attempts: doubling, with a random part so that a crowd of clients does
/// not return in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure. 1 s; at least 100 ms.
    pub first: Duration,
    /// At most. 60 s.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), max: Duration::from_secs(60) }
    }
}

impl Backoff {
    const MIN: Duration = Duration::from_millis(100);

    /// The wait after that many failures in a row: of the doubled time, the last quarter is random.
    pub(crate) fn wait(&self, failures: u32, entropy: &mut Entropy) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let first = self.first.max(Self::MIN);
        let full = first.saturating_mul(1 << doublings).min(self.max.max(first));
        full.saturating_sub(Duration::from_nanos(entropy.below(nanos(full) / 4)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_maximum_and_never_fall_below_three_quarters() {
        let mut entropy = Entropy::from_seed([1; 32]);
        let backoff = Backoff::default();
        for (failures, full) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (1000, 60), (u32::MAX, 60)] {
            let wait = backoff.wait(failures, &mut entropy).as_millis();
            assert!((full * 750..=full * 1000).contains(&wait), "{failures} failures: {wait} ms");
        }
        let zero = Backoff { first: Duration::ZERO, max: Duration::ZERO };
        assert!(zero.wait(1, &mut entropy) >= Duration::from_millis(75));
    }
}
