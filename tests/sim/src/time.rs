//! Virtual time: nanoseconds since the world began.

/// A point in virtual time, or a span of it.
pub type Nanos = u64;

/// A millisecond.
pub const MILLISECOND: Nanos = 1_000_000;

/// A second.
pub const SECOND: Nanos = 1000 * MILLISECOND;
