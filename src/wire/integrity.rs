//! MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT: what they cover and how they are computed.
//!
//! All three hash the message from its first byte to just before themselves, as received, padding
//! included, with the Length field set as if the message ended with them (RFC 8489 s14.5 to s14.7):
//!
//! ```text
//!  type | Length := end of this attribute | cookie, id | attributes ... | this attribute | later ones
//!  |<------------------------ hashed ------------------------------->|
//! ```

use alloc::sync::Arc;

use zeroize::Zeroize;

use super::header::{ATTRIBUTE_HEADER_LENGTH, HEADER_LENGTH};
use crate::crypto::{self, HmacKey};

/// Full length of a MESSAGE-INTEGRITY value in bytes.
pub const MESSAGE_INTEGRITY_LENGTH: usize = 20;
/// Full length of a MESSAGE-INTEGRITY-SHA256 value in bytes.
pub const MESSAGE_INTEGRITY_SHA256_LENGTH: usize = 32;
/// The shortest MESSAGE-INTEGRITY-SHA256 that RFC 8489 s14.6 allows a usage to truncate to.
pub const MESSAGE_INTEGRITY_SHA256_MIN_LENGTH: usize = 16;

/// FINGERPRINT is a CRC-32 XORed with this, "STUN" in ASCII (RFC 8489 s14.7).
const FINGERPRINT_XOR: u32 = 0x5354_554E;

/// Which of the two integrity attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntegrityAlgorithm {
    /// MESSAGE-INTEGRITY: HMAC-SHA1, 20 bytes.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256: HMAC-SHA256, 32 bytes unless truncated.
    Sha256,
}

/// The result of checking an integrity attribute.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Integrity {
    /// The message carries no such attribute.
    Absent,
    /// It carries one, and the key made it.
    Valid,
    /// It carries one that the key did not make.
    Invalid,
}

/// A credential's key, prepared for signing and checking any number of messages.
///
/// Preparing hashes the inner and outer pads ahead, which halves the work on a small message. Make one per
/// credential and keep it. It is erased when dropped and never printed.
///
/// ```
/// use libstun::wire::Key;
/// let short_term = Key::short_term(b"VOkJxbRl1RmTxUk/WvJxBt");
/// let long_term = Key::long_term_md5(b"user", b"realm", b"pass");
/// assert_eq!(format!("{short_term:?}"), "Key(..)");
/// # let _ = long_term;
/// ```
///
/// Clones share the prepared key.
#[derive(Clone)]
pub struct Key(Arc<HmacKey>);

impl Key {
    /// From the raw bytes of an HMAC key.
    #[must_use]
    pub fn from_bytes(key: &[u8]) -> Self {
        Self(Arc::new(HmacKey::new(key)))
    }

    /// The key of a short-term credential: the password, already prepared as an OpaqueString
    /// (RFC 8489 s9.1.1). ASCII passwords need no preparation.
    #[must_use]
    pub fn short_term(password: &[u8]) -> Self {
        Self::from_bytes(password)
    }

    /// The key of a long-term credential: MD5(username ":" realm ":" password) (RFC 8489 s9.2.2,
    /// s18.5.1.1). Inputs are prepared strings.
    #[must_use]
    pub fn long_term_md5(username: &[u8], realm: &[u8], password: &[u8]) -> Self {
        Self::from_derived(crypto::md5(&[username, b":", realm, b":", password]))
    }

    /// The same with SHA-256 (RFC 8489 s18.5.1.2).
    #[must_use]
    pub fn long_term_sha256(username: &[u8], realm: &[u8], password: &[u8]) -> Self {
        Self::from_derived(crypto::sha256(&[username, b":", realm, b":", password]))
    }

    fn from_derived<const N: usize>(mut derived: [u8; N]) -> Self {
        let key = Self::from_bytes(&derived);
        derived.zeroize();
        key
    }

    /// The value of an integrity attribute that starts at `offset` of `message` and is `length` bytes.
    pub(crate) fn sign(
        &self,
        algorithm: IntegrityAlgorithm,
        message: &[u8],
        offset: usize,
        length: usize,
    ) -> Option<Signature> {
        let (head, body) = covered(message, offset, length)?;
        Some(match algorithm {
            IntegrityAlgorithm::Sha1 => Signature::Sha1(self.0.sha1([&head, body])),
            IntegrityAlgorithm::Sha256 => Signature::Sha256(self.0.sha256([&head, body])),
        })
    }

    /// Whether this key made the value that a message carries at `offset`, compared in constant time.
    pub(crate) fn check(
        &self,
        algorithm: IntegrityAlgorithm,
        message: &[u8],
        offset: usize,
        value: &[u8],
    ) -> bool {
        self.sign(algorithm, message, offset, value.len())
            .and_then(|signature| {
                signature
                    .as_bytes()
                    .get(..value.len())
                    .map(|ours| crypto::equal_in_constant_time(ours, value))
            })
            .unwrap_or(false)
    }
}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// USERHASH: SHA-256(username ":" realm) (RFC 8489 s14.4). Inputs are prepared strings.
#[must_use]
pub fn userhash(username: &[u8], realm: &[u8]) -> [u8; 32] {
    crypto::sha256(&[username, b":", realm])
}

/// A full HMAC, before any truncation.
pub(crate) enum Signature {
    Sha1([u8; MESSAGE_INTEGRITY_LENGTH]),
    Sha256([u8; MESSAGE_INTEGRITY_SHA256_LENGTH]),
}

impl Signature {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha1(bytes) => bytes,
            Self::Sha256(bytes) => bytes,
        }
    }
}

/// The value of a FINGERPRINT that starts at `offset` of `message`.
pub(crate) fn fingerprint(message: &[u8], offset: usize) -> Option<u32> {
    let (head, body) = covered(message, offset, 4)?;
    Some(crypto::crc32([&head, body]) ^ FINGERPRINT_XOR)
}

/// What an attribute at `offset` with a value of `length` bytes covers: type and patched Length, then the
/// bytes from the cookie to the attribute.
fn covered(message: &[u8], offset: usize, length: usize) -> Option<([u8; 4], &[u8])> {
    let end = offset.checked_add(ATTRIBUTE_HEADER_LENGTH)?.checked_add(length)?;
    let patched = u16::try_from(end.checked_sub(HEADER_LENGTH)?).ok()?;
    let [t0, t1] = *message.first_chunk()?;
    let [l0, l1] = patched.to_be_bytes();
    Some(([t0, t1, l0, l1], message.get(4..offset)?))
}
