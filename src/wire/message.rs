//! A STUN message as a checked view of the bytes that arrived.
//!
//! Parsing walks the attributes once, so that nothing afterwards can run off the end. It reports and never
//! judges: whether an invalid FINGERPRINT or a missing signature matters is the usage's business.

use super::attribute::{Attribute, AttributeError, AttributeType, RawAttribute};
use super::header::{ATTRIBUTE_HEADER_LENGTH, Class, HEADER_LENGTH, MAGIC_COOKIE, Method, TransactionId};
use super::header::{padded_length, split_message_type};
use super::integrity::{self, Integrity, IntegrityAlgorithm, Key, MESSAGE_INTEGRITY_LENGTH};
use super::integrity::{MESSAGE_INTEGRITY_SHA256_LENGTH, MESSAGE_INTEGRITY_SHA256_MIN_LENGTH};

/// A well-formed STUN message (RFC 8489 s5, s14), borrowed from the caller's buffer.
///
/// Attributes fall into two lists. *Covered* ones stand before the first integrity attribute and are all
/// that a usage may act on. *Uncovered* ones stand after it, where anybody on the path can append: real
/// servers have honoured such a LIFETIME. In a message without integrity every attribute is covered, in
/// the sense that nothing tells them apart.
///
/// ```
/// use libstun::wire::{Class, Message, Method};
/// let bytes = [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
/// let message = Message::parse(&bytes)?;
/// assert_eq!((message.class(), message.method()), (Class::Request, Method::BINDING));
/// # Ok::<(), libstun::wire::ParseError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    class: Class,
    method: Method,
    transaction_id: TransactionId,
    landmarks: Landmarks,
}

/// Why bytes are not a STUN message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParseError {
    /// Shorter than a header of 20 bytes.
    TooShort,
    /// The two top bits are not zero: another protocol.
    NotStun,
    /// The magic cookie is missing: another protocol, or RFC 3489.
    WrongCookie,
    /// Length is not a multiple of four (RFC 8489 s5).
    UnalignedLength,
    /// Length disagrees with the number of bytes that arrived.
    WrongLength,
    /// An attribute runs past the end of the message.
    AttributeOverrun,
    /// An integrity attribute or FINGERPRINT has an impossible length.
    IntegrityLength,
    /// Something follows FINGERPRINT, which must be last (RFC 8489 s14.7).
    FingerprintNotLast,
}

impl core::fmt::Display for ParseError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::TooShort => "shorter than a STUN header",
            Self::NotStun => "not STUN: the two top bits are set",
            Self::WrongCookie => "not STUN: the magic cookie is missing",
            Self::UnalignedLength => "the message length is not a multiple of four",
            Self::WrongLength => "the message length disagrees with the number of bytes",
            Self::AttributeOverrun => "an attribute runs past the end of the message",
            Self::IntegrityLength => "an integrity attribute or FINGERPRINT has an impossible length",
            Self::FingerprintNotLast => "an attribute follows FINGERPRINT",
        })
    }
}

impl core::error::Error for ParseError {}

/// Offsets of the attributes that split a message; 0 is absent, since the header stands there. The largest
/// possible message is 65 555 bytes, so 32 bits are needed.
#[derive(Clone, Copy, Default)]
struct Landmarks {
    sha1: u32,
    sha256: u32,
    fingerprint: u32,
}

impl<'a> Message<'a> {
    /// Reads a whole message, such as one datagram or one frame of a stream.
    ///
    /// # Errors
    /// Says which rule of RFC 8489 s5, s6.3 or s14 the bytes break.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (header, body) = bytes.split_first_chunk::<HEADER_LENGTH>().ok_or(ParseError::TooShort)?;
        let [t0, t1, l0, l1, c0, c1, c2, c3, id @ ..] = *header;
        if t0 & 0xC0 != 0 {
            return Err(ParseError::NotStun);
        }
        if u32::from_be_bytes([c0, c1, c2, c3]) != MAGIC_COOKIE {
            return Err(ParseError::WrongCookie);
        }
        let length = u16::from_be_bytes([l0, l1]);
        if length % 4 != 0 {
            return Err(ParseError::UnalignedLength);
        }
        if usize::from(length) != body.len() {
            return Err(ParseError::WrongLength);
        }
        let landmarks = Landmarks::survey(bytes)?;
        let (class, method) = split_message_type(u16::from_be_bytes([t0, t1]));
        Ok(Self { bytes, class, method, transaction_id: TransactionId::new(id), landmarks })
    }

    /// Request, indication, success response or error response.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// What it is about.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// What pairs it with its request or response.
    #[must_use]
    pub const fn transaction_id(&self) -> TransactionId {
        self.transaction_id
    }

    /// The bytes it was parsed from.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Every attribute in wire order, for tools that show a message. Usages want [`Message::covered`].
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { rest: self.bytes.get(HEADER_LENGTH..).unwrap_or_default(), offset: HEADER_LENGTH as u32 }
    }

    /// The attributes that a usage may act on: those before the first integrity attribute, or all but
    /// FINGERPRINT where there is none (RFC 8489 s14.5, s14.6).
    #[must_use]
    pub fn covered(&self) -> Attributes<'a> {
        Attributes {
            rest: self.bytes.get(HEADER_LENGTH..self.covered_end()).unwrap_or_default(),
            offset: HEADER_LENGTH as u32,
        }
    }

    /// Where [`Message::covered`] ends, in bytes from the first.
    #[must_use]
    pub fn covered_end(&self) -> usize {
        self.landmarks.first_seal().unwrap_or(self.bytes.len())
    }

    /// The attributes after the first integrity attribute, which nobody may act on, without
    /// MESSAGE-INTEGRITY-SHA256 and FINGERPRINT in their proper places.
    pub fn uncovered(&self) -> impl Iterator<Item = RawAttribute<'a>> + use<'a> {
        let landmarks = self.landmarks;
        let start = landmarks.first_integrity().unwrap_or(self.bytes.len());
        let rest = self.bytes.get(start..).unwrap_or_default();
        Attributes { rest, offset: start as u32 }
            .filter(move |attribute| !landmarks.contains(attribute.offset))
    }

    /// The first covered attribute of a type: the one that counts (RFC 8489 s14).
    #[must_use]
    pub fn find(&self, ty: AttributeType) -> Option<RawAttribute<'a>> {
        self.covered().find(|attribute| attribute.ty == ty)
    }

    /// The first covered attribute of type `A`, decoded.
    ///
    /// # Errors
    /// It is there, but its value is not one of that type.
    pub fn get<A: Attribute<'a>>(&self) -> Result<Option<A>, AttributeError> {
        self.find(A::TYPE).map(|raw| A::decode(raw.value, &self.transaction_id)).transpose()
    }

    /// Every covered attribute of type `A`, decoded, for the types that may stand more than once.
    pub fn get_all<A: Attribute<'a>>(&self) -> impl Iterator<Item = Result<A, AttributeError>> + use<'a, A> {
        let id = self.transaction_id;
        self.covered().filter(|raw| raw.ty == A::TYPE).map(move |raw| A::decode(raw.value, &id))
    }

    /// Whether the message carries that integrity attribute.
    #[must_use]
    pub const fn has_integrity(&self, algorithm: IntegrityAlgorithm) -> bool {
        self.landmarks.of(algorithm) != 0
    }

    /// Checks an integrity attribute with a key. A truncated MESSAGE-INTEGRITY-SHA256 is invalid here: no
    /// usage of RFC 8489, 8656 or 8445 allows one.
    pub fn check_integrity(&self, algorithm: IntegrityAlgorithm, key: &Key) -> Integrity {
        let full = match algorithm {
            IntegrityAlgorithm::Sha1 => MESSAGE_INTEGRITY_LENGTH,
            IntegrityAlgorithm::Sha256 => MESSAGE_INTEGRITY_SHA256_LENGTH,
        };
        self.check_integrity_of_length(algorithm, key, full)
    }

    /// The same for a usage that accepts a MESSAGE-INTEGRITY-SHA256 truncated to no fewer than
    /// `min_length` bytes (RFC 8489 s14.6); values under 16 count as 16.
    pub fn check_integrity_of_length(
        &self,
        algorithm: IntegrityAlgorithm,
        key: &Key,
        min_length: usize,
    ) -> Integrity {
        let offset = self.landmarks.of(algorithm);
        let Some(raw) = self.attribute_at(offset) else { return Integrity::Absent };
        let long_enough = raw.value.len() >= min_length.max(MESSAGE_INTEGRITY_SHA256_MIN_LENGTH);
        if long_enough && key.check(algorithm, self.bytes, offset as usize, raw.value) {
            Integrity::Valid
        } else {
            Integrity::Invalid
        }
    }

    /// Checks FINGERPRINT (RFC 8489 s14.7).
    pub fn check_fingerprint(&self) -> Integrity {
        let offset = self.landmarks.fingerprint;
        let Some(raw) = self.attribute_at(offset) else { return Integrity::Absent };
        let carried = raw.value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        if carried.is_some() && carried == integrity::fingerprint(self.bytes, offset as usize) {
            Integrity::Valid
        } else {
            Integrity::Invalid
        }
    }

    fn attribute_at(&self, offset: u32) -> Option<RawAttribute<'a>> {
        if offset == 0 {
            return None;
        }
        Attributes { rest: self.bytes.get(offset as usize..)?, offset }.next()
    }
}

impl core::fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?} {:?} {:?} ", self.method, self.class, self.transaction_id)?;
        f.debug_list().entries(self.attributes().map(|attribute| attribute.ty)).finish()
    }
}

impl Landmarks {
    /// Walks all attributes and notes those that split the message.
    fn survey(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut found = Self::default();
        let mut rest = bytes.get(HEADER_LENGTH..).unwrap_or_default();
        let mut offset = HEADER_LENGTH as u32;
        while !rest.is_empty() {
            if found.fingerprint != 0 {
                return Err(ParseError::FingerprintNotLast);
            }
            let (raw, after) = split_attribute(rest, offset).ok_or(ParseError::AttributeOverrun)?;
            found.note(&raw)?;
            offset = offset.saturating_add(rest.len().saturating_sub(after.len()) as u32);
            rest = after;
        }
        Ok(found)
    }

    /// MESSAGE-INTEGRITY counts before MESSAGE-INTEGRITY-SHA256 only, and the first of each
    /// (RFC 8489 s14, s14.6).
    fn note(&mut self, raw: &RawAttribute<'_>) -> Result<(), ParseError> {
        let length = raw.value.len();
        let (slot, is_possible) = match raw.ty {
            AttributeType::MESSAGE_INTEGRITY if self.sha1 == 0 && self.sha256 == 0 => {
                (&mut self.sha1, length == MESSAGE_INTEGRITY_LENGTH)
            }
            AttributeType::MESSAGE_INTEGRITY_SHA256 if self.sha256 == 0 => {
                (&mut self.sha256, (16..=32).contains(&length) && length % 4 == 0)
            }
            AttributeType::FINGERPRINT => (&mut self.fingerprint, length == 4),
            _ => return Ok(()),
        };
        *slot = raw.offset;
        if is_possible { Ok(()) } else { Err(ParseError::IntegrityLength) }
    }

    const fn of(&self, algorithm: IntegrityAlgorithm) -> u32 {
        match algorithm {
            IntegrityAlgorithm::Sha1 => self.sha1,
            IntegrityAlgorithm::Sha256 => self.sha256,
        }
    }

    fn first_integrity(&self) -> Option<usize> {
        [self.sha1, self.sha256].into_iter().filter(|offset| *offset != 0).min().map(|offset| offset as usize)
    }

    fn first_seal(&self) -> Option<usize> {
        self.first_integrity().or((self.fingerprint != 0).then_some(self.fingerprint as usize))
    }

    fn contains(&self, offset: u32) -> bool {
        [self.sha1, self.sha256, self.fingerprint].contains(&offset)
    }
}

/// Attributes in wire order. Made by [`Message`], which has checked them.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
    offset: u32,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = RawAttribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (raw, after) = split_attribute(self.rest, self.offset)?;
        self.offset = self.offset.saturating_add(self.rest.len().saturating_sub(after.len()) as u32);
        self.rest = after;
        Some(raw)
    }
}

impl<'a> RawAttribute<'a> {
    /// The attribute whose header starts at `offset` of a message's bytes, and where the next one does.
    /// 0 stands for the first. For walks that cannot keep an iterator, such as those behind a C ABI.
    #[must_use]
    pub fn at(message: &'a [u8], offset: u32) -> Option<(Self, u32)> {
        let offset = offset.max(HEADER_LENGTH as u32);
        let mut walk = Attributes { rest: message.get(offset as usize..)?, offset };
        let raw = walk.next()?;
        Some((raw, walk.offset))
    }
}

/// Takes one attribute and its padding off the front; `None` at the end and on an overrun.
///
/// ```text
///  |         Type          |        Length         |  Value, then 0..3 bytes of padding ...
/// ```
/// RFC 8489 s14. Padding may be anything and is not looked at.
fn split_attribute(bytes: &[u8], offset: u32) -> Option<(RawAttribute<'_>, &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<ATTRIBUTE_HEADER_LENGTH>()?;
    let [t0, t1, l0, l1] = *header;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let (padded, after) = rest.split_at_checked(padded_length(length))?;
    let value = padded.get(..length)?;
    Some((RawAttribute { ty: AttributeType::new(u16::from_be_bytes([t0, t1])), value, offset }, after))
}
