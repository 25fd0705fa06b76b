#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;
#[cfg(all(test, not(feature = "std")))]
extern crate std;

pub mod agent;
pub mod auth;
mod crypto;
mod entropy;
mod machine;
mod net;
pub mod stun;
mod time;
pub mod transaction;
pub mod wire;

pub use agent::{Agent, AgentEvent, Event, OperationId};
pub use entropy::Entropy;
pub use machine::{Counters, DropReason, Machine, Receipt, WakeReason};
pub use net::{Datagram, FiveTuple, Outcome, SendError, Transmit, Transport};
#[cfg(feature = "std")]
pub use time::Clock;
pub use time::Instant;
