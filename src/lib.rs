#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;
#[cfg(all(test, not(feature = "std")))]
extern crate std;

mod crypto;
mod entropy;
mod net;
mod time;
pub mod wire;

pub use entropy::Entropy;
pub use net::{Datagram, FiveTuple, Outcome, SendError, Transmit, Transport};
#[cfg(feature = "std")]
pub use time::Clock;
pub use time::Instant;
