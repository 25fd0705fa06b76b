//! libstun for Kotlin and Swift: a flat facade over the core, from which UniFFI makes the generated layers that the
//! idiomatic packages in `bindings/kotlin` and `bindings/swift` hide.
//!
//! A crossing costs microseconds there, so a datagram costs one: [`RawAgent::exchange`] hands it in and brings back
//! everything that came of it in one buffer, whose layout `output.rs` says. On that path there are only numbers:
//! an address is three of them (see `address.rs`), and no object is made for any. Commands are ordinary calls. Nothing
//! calls back, and nothing is asynchronous.
//!
//! Numbers that stand for something are those of `include/stun.h`, from the same table.

#![forbid(unsafe_code)] // what UniFFI's macros write is its own

mod address;
mod agent;
mod codec;
mod config;
mod defaults;
mod error;
mod output;
mod secret;

pub use address::Endpoint;
pub use agent::RawAgent;
pub use codec::*;
pub use config::*;
pub use defaults::*;
pub use error::Refusal;
pub use secret::Secret;

uniffi::setup_scaffolding!("stun_mobile");

/// The version of the library, such as "0.1.0".
#[uniffi::export]
pub fn library_version() -> String {
    env!("CARGO_PKG_VERSION").into()
}
