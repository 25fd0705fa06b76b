//! Writes a message into the caller's buffer. Nothing is allocated, and every padding or reserved byte is
//! zero whatever the buffer held before.

use super::attribute::{Attribute, AttributeType};
use super::header::{ATTRIBUTE_HEADER_LENGTH, Class, HEADER_LENGTH, MAGIC_COOKIE, Method, TransactionId};
use super::header::{message_type, padded_length};
use super::integrity::{self, IntegrityAlgorithm, Key, MESSAGE_INTEGRITY_LENGTH};
use super::integrity::{MESSAGE_INTEGRITY_SHA256_LENGTH, MESSAGE_INTEGRITY_SHA256_MIN_LENGTH};
use super::writer::{BuildError, ValueWriter};

/// A message under construction.
///
/// Attributes come first, then MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT, each at most
/// once and in that order (RFC 8489 s14.5 to s14.7); the builder refuses anything else. A call that fails
/// leaves the message as it was.
///
/// ```
/// use libstun::wire::{Class, Key, MessageBuilder, Method, TransactionId, attribute::Username};
/// let (id, key) = (TransactionId::new([7; 12]), Key::short_term(b"password"));
/// let mut buffer = [0; 128];
/// let mut builder = MessageBuilder::new(&mut buffer, Class::Request, Method::BINDING, id)?;
/// builder.add(&Username(b"alice"))?;
/// builder.sign(&key)?;
/// builder.add_fingerprint()?;
/// assert_eq!(builder.finish().len(), 20 + 12 + 24 + 8);
/// # Ok::<(), libstun::wire::BuildError>(())
/// ```
#[derive(Debug)]
pub struct MessageBuilder<'b> {
    buffer: &'b mut [u8],
    length: usize,
    id: TransactionId,
    stage: Stage,
}

/// ```text
///  Open --MESSAGE-INTEGRITY--> Signed --…-SHA256--> SignedSha256 --FINGERPRINT--> Sealed
///    \______________________________/________________________________________/
///        each may be left out; nothing goes back
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Open,
    Signed,
    SignedSha256,
    Sealed,
}

impl<'b> MessageBuilder<'b> {
    /// Begins a message with its header.
    ///
    /// # Errors
    /// The buffer has fewer than 20 bytes.
    pub fn new(
        buffer: &'b mut [u8],
        class: Class,
        method: Method,
        id: TransactionId,
    ) -> Result<Self, BuildError> {
        let header = buffer
            .first_chunk_mut::<HEADER_LENGTH>()
            .ok_or(BuildError::BufferTooSmall { needed: HEADER_LENGTH })?;
        let [t0, t1] = message_type(class, method).to_be_bytes();
        let [c0, c1, c2, c3] = MAGIC_COOKIE.to_be_bytes();
        let (fixed, tail) = header.split_at_mut(8);
        fixed.copy_from_slice(&[t0, t1, 0, 0, c0, c1, c2, c3]);
        tail.copy_from_slice(id.as_bytes());
        Ok(Self { buffer, length: HEADER_LENGTH, id, stage: Stage::Open })
    }

    /// Continues a message that an earlier builder left in the first `length` bytes of `buffer`, for
    /// callers who cannot keep the builder alive, such as those behind a C ABI.
    ///
    /// # Errors
    /// Those bytes are not a well-formed message.
    pub fn resume(buffer: &'b mut [u8], length: usize) -> Result<Self, super::ParseError> {
        let message = super::Message::parse(buffer.get(..length).ok_or(super::ParseError::WrongLength)?)?;
        let id = message.transaction_id();
        let stage = if message.check_fingerprint() != super::Integrity::Absent {
            Stage::Sealed
        } else if message.has_integrity(IntegrityAlgorithm::Sha256) {
            Stage::SignedSha256
        } else if message.has_integrity(IntegrityAlgorithm::Sha1) {
            Stage::Signed
        } else {
            Stage::Open
        };
        Ok(Self { buffer, length, id, stage })
    }

    /// Adds an attribute.
    ///
    /// # Errors
    /// The buffer is too small, the value is impossible, or an integrity attribute is already there. Ready-made
    /// integrity attributes are impossible values, whoever implements [`Attribute`] for them.
    pub fn add<'a, A: Attribute<'a>>(&mut self, attribute: &A) -> Result<(), BuildError> {
        if A::TYPE.is_seal() {
            return Err(BuildError::InvalidValue);
        }
        let id = self.id;
        self.append(Stage::Open, Stage::Open, A::TYPE, |value| attribute.encode(&id, value))
    }

    /// Adds an attribute of any type from raw bytes. Integrity attributes and FINGERPRINT are refused as
    /// [`BuildError::InvalidValue`]: they have calls of their own.
    ///
    /// # Errors
    /// As for [`MessageBuilder::add`].
    pub fn add_raw(&mut self, ty: AttributeType, value: &[u8]) -> Result<(), BuildError> {
        if ty.is_seal() {
            return Err(BuildError::InvalidValue);
        }
        self.append(Stage::Open, Stage::Open, ty, |writer| {
            writer.put(value);
            Ok(())
        })
    }

    /// Adds an attribute whose value of `length` bytes lies already where it belongs, 4 bytes after the end of
    /// the message so far: those 4 bytes and the padding are written, and the value is not copied.
    ///
    /// # Errors
    /// As for [`MessageBuilder::add`].
    pub(crate) fn add_in_place(&mut self, ty: AttributeType, length: usize) -> Result<(), BuildError> {
        self.append(Stage::Open, Stage::Open, ty, |writer| {
            writer.keep(length);
            Ok(())
        })
    }

    /// Adds MESSAGE-INTEGRITY (RFC 8489 s14.5).
    ///
    /// # Errors
    /// The buffer is too small, or an integrity attribute or FINGERPRINT is already there.
    pub fn sign(&mut self, key: &Key) -> Result<(), BuildError> {
        self.add_integrity(IntegrityAlgorithm::Sha1, key, MESSAGE_INTEGRITY_LENGTH)
    }

    /// Adds MESSAGE-INTEGRITY-SHA256 in full (RFC 8489 s14.6).
    ///
    /// # Errors
    /// The buffer is too small, or that attribute or FINGERPRINT is already there.
    pub fn sign_sha256(&mut self, key: &Key) -> Result<(), BuildError> {
        self.add_integrity(IntegrityAlgorithm::Sha256, key, MESSAGE_INTEGRITY_SHA256_LENGTH)
    }

    /// Adds MESSAGE-INTEGRITY-SHA256 truncated to `length` bytes: 16 to 32, a multiple of four.
    ///
    /// # Errors
    /// As for [`MessageBuilder::sign_sha256`]; [`BuildError::InvalidValue`] for another length.
    pub fn sign_sha256_truncated(&mut self, key: &Key, length: usize) -> Result<(), BuildError> {
        let possible = MESSAGE_INTEGRITY_SHA256_MIN_LENGTH..=MESSAGE_INTEGRITY_SHA256_LENGTH;
        if !possible.contains(&length) || length % 4 != 0 {
            return Err(BuildError::InvalidValue);
        }
        self.add_integrity(IntegrityAlgorithm::Sha256, key, length)
    }

    /// Adds FINGERPRINT (RFC 8489 s14.7). Nothing can follow it.
    ///
    /// # Errors
    /// The buffer is too small, or there is one already.
    pub fn add_fingerprint(&mut self) -> Result<(), BuildError> {
        let offset = self.length;
        let value = integrity::fingerprint(self.buffer, offset).ok_or(BuildError::ValueTooLong)?;
        self.append(Stage::SignedSha256, Stage::Sealed, AttributeType::FINGERPRINT, |writer| {
            writer.put(&value.to_be_bytes());
            Ok(())
        })
    }

    /// The transaction id it was begun with.
    #[must_use]
    pub const fn transaction_id(&self) -> TransactionId {
        self.id
    }

    /// The message so far: complete and well-formed after every call.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }

    /// The finished message, a slice of the caller's buffer.
    #[must_use]
    pub fn finish(self) -> &'b [u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }

    fn add_integrity(
        &mut self,
        algorithm: IntegrityAlgorithm,
        key: &Key,
        length: usize,
    ) -> Result<(), BuildError> {
        let (allowed, next, ty) = match algorithm {
            IntegrityAlgorithm::Sha1 => (Stage::Open, Stage::Signed, AttributeType::MESSAGE_INTEGRITY),
            IntegrityAlgorithm::Sha256 => {
                (Stage::Signed, Stage::SignedSha256, AttributeType::MESSAGE_INTEGRITY_SHA256)
            }
        };
        let signature =
            key.sign(algorithm, self.buffer, self.length, length).ok_or(BuildError::ValueTooLong)?;
        self.append(allowed, next, ty, |writer| {
            writer.put(signature.as_bytes().get(..length).unwrap_or_default());
            Ok(())
        })
    }

    /// Writes one attribute, then makes it part of the message by moving `length` and the Length field.
    fn append(
        &mut self,
        allowed: Stage,
        next: Stage,
        ty: AttributeType,
        encode: impl FnOnce(&mut ValueWriter<'_>) -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        if self.stage > allowed {
            return Err(BuildError::OutOfOrder);
        }
        let capacity = self.buffer.len();
        let room = self.buffer.get_mut(self.length..).unwrap_or_default();
        let (header, room) = room.split_at_mut_checked(ATTRIBUTE_HEADER_LENGTH).unwrap_or_default();
        let mut writer = ValueWriter::new(room);
        encode(&mut writer)?;
        let value_length = writer.written();
        let length = u16::try_from(value_length).map_err(|_| BuildError::ValueTooLong)?;
        let total =
            self.length.saturating_add(ATTRIBUTE_HEADER_LENGTH).saturating_add(padded_length(value_length));
        let body =
            u16::try_from(total.saturating_sub(HEADER_LENGTH)).map_err(|_| BuildError::ValueTooLong)?;
        if total > capacity {
            return Err(BuildError::BufferTooSmall { needed: total });
        }
        let padding = padded_length(value_length).saturating_sub(value_length);
        writer.put([0; 3].get(..padding).unwrap_or_default());
        let ([t0, t1], [l0, l1]) = (ty.number().to_be_bytes(), length.to_be_bytes());
        header.copy_from_slice(&[t0, t1, l0, l1]);
        if let Some(field) = self.buffer.get_mut(2..4) {
            field.copy_from_slice(&body.to_be_bytes());
        }
        self.length = total;
        self.stage = next;
        Ok(())
    }
}
