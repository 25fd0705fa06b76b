//! What libstun tells, as numbers and flat structs.
//!
//! Languages without sum types read an event as one struct with a kind, and a reason as a number. The C ABI and the
//! bindings of other languages share what is here, so that a number means the same in each of them:
//!
//! - [`codes`], the table of numbers, with the conversions from and to the core's values;
//! - [`flatten`], any event as a [`FlatEvent`], and [`flatten_report`], a NAT probe's report as a [`FlatReport`];
//! - [`Misuse`], the status and the sentence for a command that was refused.
//!
//! Nothing here has state, and no protocol logic lives in this crate. The comments on the codes become those of
//! `include/stun.h`; they speak to C programmers.

#![forbid(unsafe_code)]

pub mod codes;

mod event;
mod flatten;
mod flatten_pool;
mod flatten_relay;
mod misuse;
mod nat_report;

pub use event::{FlatEvent, NEVER, NO_RELAY, flatten, name_of, nanos, write_text};
pub use misuse::{Misuse, UNKNOWN_OPERATION};
pub use nat_report::{FlatFinding, FlatReport, flatten as flatten_report, found_value};
