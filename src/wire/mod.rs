//! The wire: bytes to values and back. No time, no randomness, no policy.
//!
//! Everything reads through checked access: no input panics, reads out of bounds or allocates. A view
//! ([`Message`], [`ChannelData`]) borrows the caller's buffer; a [`MessageBuilder`] writes into one.

pub mod attribute;
mod builder;
mod channel_data;
pub(crate) mod classic;
mod classify;
mod header;
mod integrity;
mod message;
pub mod stream;
pub mod uri;
mod writer;

pub use builder::MessageBuilder;
pub use channel_data::{ChannelData, ChannelDataError, ChannelNumber};
pub use classify::{Classification, classify};
pub use header::{ATTRIBUTE_HEADER_LENGTH, Class, HEADER_LENGTH, MAGIC_COOKIE, Method, TransactionId};
pub use integrity::{
    Integrity, IntegrityAlgorithm, Key, MESSAGE_INTEGRITY_LENGTH, MESSAGE_INTEGRITY_SHA256_LENGTH,
    MESSAGE_INTEGRITY_SHA256_MIN_LENGTH, userhash,
};
pub use message::{Attributes, Message, ParseError};
pub use writer::{BuildError, ValueWriter};
