//! Attributes: one type each, one file a family.
//!
//! A value is decoded when somebody asks for it and only then; text stays bytes until it is displayed.
//! Whatever this crate does not know is kept as a [`RawAttribute`].

mod address;
mod auth;
mod error;
mod ice;
mod nat;
mod registry;
mod text;
mod turn;

pub use address::*;
pub use auth::*;
pub use error::*;
pub use ice::*;
pub use nat::*;
pub use registry::{AttributeType, AttributeValue};
pub use text::*;
pub use turn::*;

use super::header::TransactionId;
use super::writer::{BuildError, ValueWriter};

/// A typed attribute: what its value means, in both directions.
pub trait Attribute<'a>: Sized {
    /// The number it is registered under.
    const TYPE: AttributeType;

    /// Reads a value. `id` is the message's transaction id, which some addresses are XORed with.
    ///
    /// # Errors
    /// The value is not one of this attribute.
    fn decode(value: &'a [u8], id: &TransactionId) -> Result<Self, AttributeError>;

    /// Writes the value.
    ///
    /// # Errors
    /// [`BuildError::InvalidValue`] or [`BuildError::ValueTooLong`]; a lack of room is not the
    /// attribute's business.
    fn encode(&self, id: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError>;
}

/// An attribute as it stands in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawAttribute<'a> {
    /// Its type.
    pub ty: AttributeType,
    /// Its value, without padding.
    pub value: &'a [u8],
    /// Where its header starts in the message, in bytes from the first.
    pub offset: u32,
}

/// Why a value is not one of its attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttributeError {
    /// Not a length that the attribute can have.
    WrongLength,
    /// An address family other than IPv4 (1) and IPv6 (2).
    UnknownFamily,
    /// A number outside the attribute's range.
    OutOfRange,
}

impl core::fmt::Display for AttributeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::WrongLength => "not a length that the attribute can have",
            Self::UnknownFamily => "an unknown address family",
            Self::OutOfRange => "a number outside the attribute's range",
        })
    }
}

impl core::error::Error for AttributeError {}

/// Seconds as the wire carries them.
fn seconds(duration: core::time::Duration) -> Result<u32, BuildError> {
    u32::try_from(duration.as_secs()).map_err(|_| BuildError::InvalidValue)
}

/// Reads the value of a flag, which has none.
fn empty(value: &[u8]) -> Result<(), AttributeError> {
    if value.is_empty() { Ok(()) } else { Err(AttributeError::WrongLength) }
}

/// Reads a value of exactly `N` bytes.
fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N], AttributeError> {
    <[u8; N]>::try_from(value).map_err(|_| AttributeError::WrongLength)
}

/// What the tests of every family share.
#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod testing {
    use std::vec::Vec;

    use super::super::{Class, Message, MessageBuilder, Method};
    use super::*;

    pub(super) const ID: TransactionId = TransactionId::new([7, 6, 5, 4, 3, 2, 1, 0, 255, 254, 253, 252]);

    /// The value of an attribute, out of a whole message, which was written into a dirty buffer.
    pub(super) fn encode<'a, A: Attribute<'a>>(attribute: &A) -> Result<Vec<u8>, BuildError> {
        let mut buffer = std::vec![0xAA; 65_555];
        let mut builder = MessageBuilder::new(&mut buffer, Class::Request, Method::BINDING, ID)?;
        builder.add(attribute)?;
        let bytes = builder.finish();
        let raw = Message::parse(bytes).unwrap().find(A::TYPE).unwrap();
        assert!(bytes.iter().skip(24 + raw.value.len()).all(|padding| *padding == 0));
        Ok(raw.value.to_vec())
    }

    pub(super) fn decode<'a, A: Attribute<'a>>(value: &'a [u8]) -> Result<A, AttributeError> {
        A::decode(value, &ID)
    }

    macro_rules! round_trip {
        ($($attribute:expr),*) => {$({
            let attribute = $attribute;
            let value = crate::wire::attribute::testing::encode(&attribute).unwrap();
            assert_eq!(crate::wire::attribute::testing::decode(&value), Ok(attribute));
        })*};
    }
    pub(super) use round_trip;
}
