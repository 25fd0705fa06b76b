//! The table of numbers. They are permanent and never reused.
//!
//! The enums have their names in C, where they are declared from these very sources: `bindings/c/src/tests/header.rs`
//! lists the files. Constants that C shall not see stay out of them.

#![allow(non_camel_case_types)] // these are the names that C sees

mod call;
mod config;
mod event;
mod message;
mod nat;

pub use call::*;
pub use config::*;
pub use event::*;
pub use message::*;
pub use nat::*;
