//! What each fuzz target checks. A function takes the bytes that the fuzzer made up, does something with the
//! library that they decide, and panics where a promise is broken.
//!
//! The targets in `../fuzz_targets` call these under libFuzzer; `tests/replay.rs` calls them on stable with
//! the committed corpus; `tests/regressions.rs` keeps what was found, by name.

mod agent;

mod c_abi;
mod classify;
mod decode;
mod encode;
pub mod hex;
pub mod naive;
mod nat;
mod replies;
mod stream;
mod turn;

pub use agent::agent;

pub use c_abi::c_abi;
pub use classify::classify;
pub use decode::decode;
pub use encode::encode;
pub use libstun_sim::fuzz_entry as sim;
pub use nat::nat;
pub use stream::stream;
pub use turn::turn;

/// A target: its name, and what it runs.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 9] = [
    ("decode", decode),
    ("encode", encode),
    ("stream", stream),
    ("classify", classify),
    ("agent", agent),
    ("c_abi", c_abi),
    ("nat", nat),
    ("turn", turn),
    ("sim", sim),
];
