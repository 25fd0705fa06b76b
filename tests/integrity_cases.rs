//! The catalogue of attacks on integrity, as far as the wire goes: a test each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
#![allow(clippy::arithmetic_side_effects)]

mod common;

use std::time::Duration;

use common::{request_with, signed_messages};
use hmac::{Hmac, KeyInit as _, Mac as _};
use libstun::wire::attribute::{
    Attribute, AttributeError, AttributeType, ErrorCode, Fingerprint, Lifetime, MessageIntegrity,
    MessageIntegritySha256, Software, Username, XorPeerAddress,
};
use libstun::wire::{
    BuildError, Class, Integrity, IntegrityAlgorithm, Key, Message, MessageBuilder, Method, ParseError,
    TransactionId, ValueWriter,
};
use sha1::Sha1;

const SHA1: IntegrityAlgorithm = IntegrityAlgorithm::Sha1;
const SHA256: IntegrityAlgorithm = IntegrityAlgorithm::Sha256;
const ID: TransactionId = TransactionId::new([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);

/// Case 27.
#[test]
fn attributes_after_the_integrity_are_invisible() {
    let key = Key::short_term(b"password");
    let mut buffer = [0; 256];
    let mut builder = MessageBuilder::new(&mut buffer, Class::Request, Method::REFRESH, ID).unwrap();
    builder.add(&Lifetime(Duration::from_secs(600))).unwrap();
    builder.sign(&key).unwrap();
    let signed = builder.finish().to_vec();
    let appended: [(AttributeType, &[u8]); 4] = [
        (AttributeType::LIFETIME, &[0, 0, 3, 9]),
        (AttributeType::XOR_PEER_ADDRESS, &[0, 1, 2, 3, 4, 5, 6, 7]),
        (AttributeType::USERNAME, b"mallory!"),
        (AttributeType::ERROR_CODE, &[0, 0, 4, 1]),
    ];
    let message = with_tail(&signed, &request_with(&appended)[20..]);
    let message = Message::parse(&message).unwrap();
    assert_eq!(message.check_integrity(SHA1, &key), Integrity::Valid);
    assert_eq!(message.get(), Ok(Some(Lifetime(Duration::from_secs(600)))));
    assert_eq!(message.get_all::<Lifetime>().count(), 1);
    assert_eq!(message.get::<XorPeerAddress>(), Ok(None));
    assert_eq!(message.get::<Username<'_>>(), Ok(None));
    assert_eq!(message.get::<ErrorCode<'_>>(), Ok(None));
    assert_eq!((message.covered().count(), message.uncovered().count()), (1, 4));
}

/// Case 28. The second one is made by hand: the builder refuses it.
#[test]
fn the_first_integrity_is_the_boundary_even_if_bogus() {
    let password = b"password";
    let mut buffer = [0; 256];
    let mut builder = MessageBuilder::new(&mut buffer, Class::Request, Method::BINDING, ID).unwrap();
    builder.sign(&Key::short_term(b"bogus")).unwrap();
    assert_eq!(builder.sign(&Key::short_term(password)), Err(BuildError::OutOfOrder));
    let smuggled = with_tail(builder.finish(), &[0, 0x0D, 0, 4, 0, 0, 0, 9]);
    let mut both = with_tail(&smuggled, &[&[0, 8, 0, 20][..], &[0; 20]].concat());
    let mut mac = Hmac::<Sha1>::new_from_slice(password).unwrap();
    mac.update(&both[..smuggled.len()]);
    both[smuggled.len() + 4..].copy_from_slice(&mac.finalize().into_bytes());

    let message = Message::parse(&both).unwrap();
    assert_eq!(message.attributes().filter(|raw| raw.ty == AttributeType::MESSAGE_INTEGRITY).count(), 2);
    assert_eq!(message.check_integrity(SHA1, &Key::short_term(password)), Integrity::Invalid);
    assert_eq!(message.check_integrity(SHA1, &Key::short_term(b"bogus")), Integrity::Valid);
    assert_eq!(message.get::<Lifetime>(), Ok(None));
}

/// Case 29.
#[test]
fn a_fingerprint_that_is_not_last_is_rejected() {
    let mut buffer = [0; 64];
    let mut builder = MessageBuilder::new(&mut buffer, Class::Request, Method::BINDING, ID).unwrap();
    builder.add_fingerprint().unwrap();
    assert_eq!(builder.add(&Software(b"late")), Err(BuildError::OutOfOrder));
    assert_eq!(builder.sign(&Key::short_term(b"password")), Err(BuildError::OutOfOrder));
    let message = with_tail(builder.finish(), &[0x80, 0x22, 0, 0]);
    assert_eq!(Message::parse(&message).unwrap_err(), ParseError::FingerprintNotLast);
}

/// Case 30. Silence is the usage's; the wire only says that it is wrong.
#[test]
fn a_wrong_fingerprint_is_reported() {
    let mut buffer = [0; 28];
    let mut builder = MessageBuilder::new(&mut buffer, Class::Request, Method::BINDING, ID).unwrap();
    builder.add_fingerprint().unwrap();
    let message = builder.finish().to_vec();
    assert_eq!(Message::parse(&message).unwrap().check_fingerprint(), Integrity::Valid);
    for bit in (0..message.len() * 8).filter(|bit| !(16..64).contains(bit)) {
        let mut flipped = message.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Message::parse(&flipped).map_or(true, |read| read.check_fingerprint() != Integrity::Valid));
    }
}

/// Case 31. Each integrity attribute answers for the bits before its end. Those of a later one are not among
/// them: that somebody cut off a MESSAGE-INTEGRITY-SHA256 is for the usage to notice (RFC 8489 s9.2.1).
#[test]
fn no_flipped_bit_authenticates() {
    let mut flips = 0;
    let messages = signed_messages();
    for (message, key) in &messages {
        for (algorithm, end) in seals(message, key) {
            for bit in 0..end * 8 {
                let mut flipped = message.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let answer = Message::parse(&flipped).map(|read| read.check_integrity(algorithm, key));
                assert!(answer != Ok(Integrity::Valid), "bit {bit}");
                flips += 1;
            }
        }
    }
    assert!(messages.len() > 60 && flips > 50_000, "{} messages, {flips} bits", messages.len());
}

/// Case 32. Each answer stands for itself, so that a usage that wants SHA-256 cannot fall back.
#[test]
fn a_good_sha1_does_not_cover_for_a_bad_sha256() {
    let key = Key::short_term(b"password");
    let mut buffer = [0; 128];
    let mut builder = MessageBuilder::new(&mut buffer, Class::Request, Method::BINDING, ID).unwrap();
    builder.sign(&key).unwrap();
    builder.sign_sha256(&Key::short_term(b"other")).unwrap();
    let message = Message::parse(builder.finish()).unwrap();
    assert!(message.has_integrity(SHA1) && message.has_integrity(SHA256));
    assert_eq!(message.check_integrity(SHA1, &key), Integrity::Valid);
    assert_eq!(message.check_integrity(SHA256, &key), Integrity::Invalid);
}

/// Case 33.
#[test]
fn a_sha256_integrity_counts_in_full_unless_the_usage_says_otherwise() {
    let key = Key::short_term(b"password");
    for length in 12..=33 {
        let mut buffer = [0; 128];
        let mut builder = MessageBuilder::new(&mut buffer, Class::Request, Method::BINDING, ID).unwrap();
        let is_possible = (16..=32).contains(&length) && length % 4 == 0;
        let result = builder.sign_sha256_truncated(&key, length);
        assert_eq!(result.is_ok(), is_possible);
        if !is_possible {
            let header = [&[0, 0x1C, 0, length as u8][..], &vec![0; length.next_multiple_of(4)]].concat();
            let message = with_tail(builder.finish(), &header);
            assert_eq!(Message::parse(&message).unwrap_err(), ParseError::IntegrityLength);
            continue;
        }
        let message = Message::parse(builder.finish()).unwrap();
        assert_eq!(message.check_integrity(SHA256, &key) == Integrity::Valid, length == 32);
        assert_eq!(message.check_integrity_of_length(SHA256, &key, 16), Integrity::Valid);
        assert_eq!(message.check_integrity_of_length(SHA256, &key, length), Integrity::Valid);
        let stricter = message.check_integrity_of_length(SHA256, &key, length + 1);
        assert_eq!(stricter, Integrity::Invalid);
    }
}

/// Not in the catalogue: only the builder makes seals, and it takes none ready-made.
#[test]
fn forged_seals_cannot_be_added() {
    struct Forged;
    impl Attribute<'_> for Forged {
        const TYPE: AttributeType = AttributeType::MESSAGE_INTEGRITY;
        fn decode(_: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
            Ok(Self)
        }
        fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
            out.put(&[0; 20]);
            Ok(())
        }
    }
    let mut buffer = [0; 256];
    let mut builder = MessageBuilder::new(&mut buffer, Class::Request, Method::BINDING, ID).unwrap();
    assert_eq!(builder.add(&Forged), Err(BuildError::InvalidValue));
    assert_eq!(builder.add(&MessageIntegrity([0; 20])), Err(BuildError::InvalidValue));
    assert_eq!(builder.add(&MessageIntegritySha256(&[0; 32])), Err(BuildError::InvalidValue));
    assert_eq!(builder.add(&Fingerprint(0)), Err(BuildError::InvalidValue));
    assert_eq!(builder.add_raw(AttributeType::MESSAGE_INTEGRITY, &[0; 20]), Err(BuildError::InvalidValue));
    assert_eq!(builder.finish().len(), 20);
}

/// The integrity attributes that the key made, and where each ends.
fn seals(bytes: &[u8], key: &Key) -> Vec<(IntegrityAlgorithm, usize)> {
    let message = Message::parse(bytes).unwrap();
    let types = [(SHA1, AttributeType::MESSAGE_INTEGRITY), (SHA256, AttributeType::MESSAGE_INTEGRITY_SHA256)];
    let valid = types
        .into_iter()
        .filter(|(algorithm, _)| message.check_integrity(*algorithm, key) == Integrity::Valid);
    valid
        .map(|(algorithm, ty)| {
            let raw = message.attributes().find(|raw| raw.ty == ty).unwrap();
            (algorithm, raw.offset as usize + 4 + raw.value.len())
        })
        .collect()
}

/// The message with attributes appended, as anybody on the path can.
fn with_tail(message: &[u8], tail: &[u8]) -> Vec<u8> {
    let mut bytes = [message, tail].concat();
    let length = u16::try_from(bytes.len() - 20).unwrap();
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes
}
