//! The C ABI of libstun.
//!
//! One opaque handle, `stun_agent`, and the five calls of the design; a public codec beside them. Everything
//! here converts, checks arguments and contains panics; no protocol logic lives in this crate. Events as flat structs
//! and the table of numbers, which other bindings need as well, are in `libstun-flat`. It is the
//! only crate of the workspace's default members with `unsafe` code: every block says why it is sound.
//!
//! The comments on exported items become the comments of `include/stun.h`; they speak to C programmers.

#![allow(non_camel_case_types)] // these are the names that C sees
#![allow(clippy::missing_safety_doc)] // the header's contract is on each function, in C's words
#![deny(unsafe_op_in_unsafe_fn)]

// In the order in which the header shows them.
pub mod agent;

pub mod operation;

pub mod binding;

pub mod credential;

pub mod server;

pub mod survey;

pub mod uri;

pub mod discovery;

pub mod nat;

pub mod nat_report;

pub mod peers;

pub mod allocation;

pub mod relay;

pub mod relay_data;

pub mod relay_pool;

pub mod input;

pub mod output;

pub mod stream;

pub mod power;

pub mod event;

pub mod status;

pub mod codec;

pub mod key;

pub mod sockaddr;

pub mod config;
pub mod handle;
mod pointer;
pub mod types;

#[cfg(test)]
mod tests;
