//! Randomness of a simulation: one seed, forked for each part.

use libstun::Entropy;

/// A stream of choices. Equal seeds make equal choices, and parts that were forked do not disturb each other.
#[derive(Debug)]
pub struct Random(Entropy);

impl Random {
    /// From the one number that a whole simulation is made of.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut bytes = [0x51; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        Self(Entropy::from_seed(bytes))
    }

    /// A stream for a part of the whole.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.0.fork())
    }

    /// A source for a machine.
    #[must_use]
    pub fn entropy(&mut self) -> Entropy {
        self.0.fork()
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in so many of a thousand cases. Draws nothing for 0.
    pub fn chance(&mut self, permille: u16) -> bool {
        permille > 0 && self.below(1000) < u64::from(permille)
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// Random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        self.0.bytes()
    }
}
