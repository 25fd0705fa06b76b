//! A world in a test: whole networks, hours of time and hostile peers in microseconds, bit for bit
//! repeatable. Everything comes from one `u64`.
//!
//! ```text
//!   host --link--+                      +--link-- our server
//!   host --link--+ home --NAT-- carrier --NAT-- core --link-- scripted server
//!                                       +--------- attackers, on the path and off it
//!
//!   heap of (time, sequence) --> one step --> model: is that what had to happen?
//! ```
//!
//! The driver of a host sleeps *exactly* to `poll_timeout`. The model knows the truth out of band and reads
//! no message. A failure prints its seed; `SIM_SEED=n cargo test -p libstun-sim replay -- --nocapture` shows
//! every packet of it and leaves a capture file for Wireshark in `target/`.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a simulator may stop at its own mistakes: it is a test"
)]

pub mod alg;
pub mod attacker;
pub mod behaviour_server;
pub mod corpus;
pub mod diagnosis;
pub mod host;
pub mod lab;
pub mod link;
pub mod log;
pub mod model;
pub mod nat;
pub mod net;
pub mod packet;
pub mod pcapng;
pub mod program;
pub mod random;
pub mod scenario;
pub mod server;
pub mod time;
pub mod topology;
pub mod transition;
pub mod turn;
pub mod world;

/// For a fuzzer: runs the world that the bytes describe.
///
/// # Panics
/// A rule of the model was broken.
pub fn fuzz_entry(data: &[u8]) {
    if let Err(sentence) = scenario::apply_bytes(data) {
        panic!("{sentence}");
    }
}
