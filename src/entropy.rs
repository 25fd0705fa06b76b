//! Randomness: a ChaCha12 stream from a 32-byte seed. Nothing else in the crate is random.

use chacha20::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

/// A deterministic, cryptographically strong source of random bytes.
///
/// Equal seeds give equal bytes, for ever and on every platform (C8). A host gives a fresh, secret seed
/// per agent; tests and simulations give a fixed one. The state is erased when dropped.
pub struct Entropy(ChaCha12Rng);

impl Entropy {
    /// A source from the caller's seed. Two sources of one seed repeat each other: never reuse a seed
    /// outside tests.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// A source with a seed of the operating system.
    ///
    /// # Errors
    /// The system's random number generator failed; nothing sensible can be done without one.
    #[cfg(feature = "std")]
    #[allow(clippy::disallowed_methods)] // the one place that may ask the system
    pub fn from_os() -> Result<Self, getrandom::Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        let source = Self::from_seed(seed);
        zeroize::Zeroize::zeroize(&mut seed);
        Ok(source)
    }

    /// An independent source for a part of the whole, so that parts do not disturb each other's bytes.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        let mut seed = self.bytes();
        let child = Self::from_seed(seed);
        zeroize::Zeroize::zeroize(&mut seed);
        child
    }

    /// An independent source for a part that must not disturb this one's bytes at all. Equal numbers give equal
    /// sources, wherever this one stands; 0 counts as 1, since 0 is its own stream.
    pub(crate) fn aside(&self, part: u64) -> Self {
        let mut seed = self.0.get_seed();
        let mut stream = ChaCha12Rng::from_seed(seed);
        zeroize::Zeroize::zeroize(&mut seed);
        stream.set_stream(part.max(1));
        Self(stream).fork()
    }

    /// Random bytes. Twelve of them make a transaction id, uniform and unpredictable (RFC 8489 s5).
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// A number below `bound`; 0 when `bound` is 0. The bias is below `bound / 2^64`.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.0.next_u64()).saturating_mul(u128::from(bound));
        (wide >> 64) as u64
    }
}

impl core::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Entropy(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_repeat_and_forks_differ() {
        let mut a = Entropy::from_seed([7; 32]);
        let mut b = Entropy::from_seed([7; 32]);
        assert_eq!(a.bytes::<12>(), b.bytes::<12>());
        let (mut fork, mut same) = (a.fork(), b.fork());
        assert_eq!(fork.bytes::<12>(), same.bytes::<12>());
        assert_ne!(fork.bytes::<12>(), a.bytes::<12>());
    }

    #[test]
    fn a_source_aside_is_independent_and_disturbs_nothing() {
        let (mut a, mut b) = (Entropy::from_seed([7; 32]), Entropy::from_seed([7; 32]));
        let (mut one, mut two) = (a.aside(1), a.aside(2));
        assert_ne!(one.bytes::<12>(), two.bytes::<12>());
        assert_eq!(a.bytes::<12>(), b.bytes::<12>());
        assert_ne!(a.aside(1).bytes::<12>(), Entropy::from_seed([7; 32]).bytes::<12>());
        assert_eq!(a.aside(3).bytes::<12>(), b.aside(3).bytes::<12>());
    }

    #[test]
    fn below_stays_below() {
        let mut source = Entropy::from_seed([1; 32]);
        assert_eq!(source.below(0), 0);
        assert!((0..1000).all(|_| source.below(3) < 3));
        assert!((0..100).any(|_| source.below(3) == 2));
    }

    #[test]
    fn debug_shows_no_state() {
        assert_eq!(alloc::format!("{:?}", Entropy::from_seed([9; 32])), "Entropy(..)");
    }
}
