//! Rust tests of the C functions, called as C calls them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::undocumented_unsafe_blocks // every call passes what its own lines above made
)]

mod containment;
mod golden;
mod header;
mod layout;
mod vectors;
