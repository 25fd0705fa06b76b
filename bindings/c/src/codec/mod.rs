//! The public codec: messages, frames and keys without an agent.
//!
//! No call here keeps anything; each is free to be used from any thread.

pub mod build;
pub mod frame;
pub mod parse;

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use crate::status::{Answer, status_of, stun_status, stun_status_code::STUN_E_PANIC};

/// Runs a call of the codec, which has no handle to poison.
fn guarded(body: impl FnOnce() -> Answer) -> stun_status {
    status_of(catch_unwind(AssertUnwindSafe(body)).unwrap_or(Ok(STUN_E_PANIC)))
}
