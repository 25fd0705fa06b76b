//! The only file that names crypto crates: HMAC, MD5, SHA-256, CRC-32 and comparison in constant time.

use hmac::{Hmac, KeyInit, Mac};
use md5::Digest;
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// An HMAC key with its inner and outer pads hashed ahead, for both hash functions.
///
/// Made once per credential; signing or checking a message then costs only the blocks of the message and
/// one more. The material is erased when dropped, and never printed.
pub(crate) struct HmacKey {
    sha1: Hmac<Sha1>,
    sha256: Hmac<Sha256>,
}

impl HmacKey {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self { sha1: prepare(key), sha256: prepare(key) }
    }

    pub(crate) fn sha1(&self, parts: [&[u8]; 2]) -> [u8; 20] {
        digest(&self.sha1, parts).into()
    }

    pub(crate) fn sha256(&self, parts: [&[u8]; 2]) -> [u8; 32] {
        digest(&self.sha256, parts).into()
    }
}

/// CRC-32 of ITU V.42, as FINGERPRINT uses it (RFC 8489 s14.7).
pub(crate) fn crc32(parts: [&[u8]; 2]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

/// MD5, for the long-term key of RFC 8489 s9.2.2 only.
pub(crate) fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = md5::Md5::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// SHA-256, for USERHASH and the long-term key of RFC 8489 s18.5.1.2.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// Equality whose time depends on the lengths alone.
pub(crate) fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

fn prepare<M: Mac + KeyInit>(key: &[u8]) -> M {
    match <M as KeyInit>::new_from_slice(key) {
        Ok(mac) => mac,
        // HMAC accepts keys of every length (RFC 2104 s3); the error type exists for other MACs.
        Err(_) => <M as KeyInit>::new(&Default::default()),
    }
}

fn digest<M: Mac + Clone>(prepared: &M, parts: [&[u8]; 2]) -> hmac::digest::Output<M> {
    let mut mac = prepared.clone();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes()
}
