//! Every entry of `tests/vectors/malformed.json`, through the public API. An expectation that this file does
//! not understand fails it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
#![allow(clippy::arithmetic_side_effects)]

mod common;

use common::{bytes, key, list, load, number, text};
use libstun::wire::attribute::{
    AttributeType, AttributeValue, ErrorCode, Lifetime, Nonce, PasswordAlgorithms, Realm, Software, Username,
    XorMappedAddress,
};
use libstun::wire::{
    ChannelData, ChannelNumber, Class, Classification, Integrity, IntegrityAlgorithm, Message,
    MessageBuilder, Method, ParseError, classify,
};
use serde_json::Value;

const SHA1: IntegrityAlgorithm = IntegrityAlgorithm::Sha1;
const SHA256: IntegrityAlgorithm = IntegrityAlgorithm::Sha256;

#[test]
fn malformed_messages_get_the_reaction_they_deserve() {
    let file = load("malformed.json");
    let vectors = list(&file["vectors"]);
    for vector in vectors {
        let datagram = bytes(&vector["hex"]);
        assert_eq!(datagram.len() as u64, number(&vector["length"]));
        check_malformed(vector, &datagram);
    }
    assert_eq!(vectors.len(), 124);
}

fn check_malformed(vector: &Value, datagram: &[u8]) {
    let (name, expected) = (text(&vector["name"]), text(&vector["expect"]["decode"]));
    let parsed = Message::parse(datagram);
    let error = parsed.as_ref().err().copied();
    let values = || decode_all(&parsed.unwrap());
    match expected {
        "error: not STUN / too short" => assert_eq!(error, Some(ParseError::TooShort), "{name}"),
        "error: not STUN (demux elsewhere; 0x4000-0x4FFF = ChannelData on a TURN path)" => {
            assert_eq!(error, Some(ParseError::NotStun), "{name}");
            assert_ne!(classify(datagram), Classification::Stun);
        }
        "error: not RFC 8489 STUN (RFC 3489)" => assert_eq!(error, Some(ParseError::WrongCookie), "{name}"),
        "error: truncated"
        | "error: truncated (20+Length must not wrap u16)"
        | "error: datagram shorter than Length" => assert_eq!(error, Some(ParseError::WrongLength), "{name}"),
        "error: Length not multiple of 4" => assert_eq!(error, Some(ParseError::UnalignedLength), "{name}"),
        "error: FINGERPRINT must be last" | "error or ignore; FINGERPRINT must be last" => {
            assert_eq!(error, Some(ParseError::FingerprintNotLast), "{name}");
        }
        "error" => assert!(error.is_some(), "{name}"),
        "ok, 0 attributes" => assert_eq!(parsed.unwrap().attributes().count(), 0),
        "ok" | "ok (well-formed)" => check_well_formed(vector, &parsed.unwrap()),
        "ok; padding ignored" => assert_eq!(parsed.unwrap().get(), Ok(Some(Software(b"abc")))),
        "ok or error by documented limit; must be O(n)" => assert_eq!(values(), Ok(1000)),
        "ok or limit error; O(n)" => assert_eq!(values(), Ok(16_383)),
        "ok; attribute after MI ignored" => {
            let message = parsed.unwrap();
            assert_eq!(message.check_integrity(SHA1, &key(vector)), Integrity::Valid);
            assert!(message.find(AttributeType::new(0x7FFE)).is_none());
            assert_eq!(message.uncovered().count(), 1);
        }
        "ok; effective LIFETIME = 600" => {
            let message = parsed.unwrap();
            assert_eq!(message.check_integrity(SHA1, &key(vector)), Integrity::Valid);
            assert_eq!(message.get(), Ok(Some(Lifetime(std::time::Duration::from_secs(600)))));
            assert_eq!(message.get_all::<Lifetime>().count(), 1);
        }
        "parse error, FINGERPRINT mismatch or MI invalid" => {
            if let Ok(message) = parsed {
                assert_ne!(message.check_integrity(SHA1, &key(vector)), Integrity::Valid, "{name}");
                assert_ne!(message.check_fingerprint(), Integrity::Valid, "{name}");
            }
        }
        "FINGERPRINT mismatch" => assert_eq!(parsed.unwrap().check_fingerprint(), Integrity::Invalid),
        _ => check_values(name, expected, datagram),
    }
}

/// Expectations of single attributes.
fn check_values(name: &str, expected: &str, datagram: &[u8]) {
    let parsed = Message::parse(datagram);
    match expected {
        "attribute error"
        | "attribute error: bad family"
        | "attribute error: length/family mismatch"
        | "attribute error: class 3..6, number 0..99"
        | "attribute error or ignore last byte" => {
            assert_eq!(decode_all(&parsed.unwrap()), Err(()), "{name}");
        }
        "attribute error (expected 0)"
        | "attribute error (expected 1)"
        | "attribute error (expected 4)"
        | "attribute error (expected 8)"
        | "attribute error (expected 20)"
        | "attribute error (expected 32)" => match parsed {
            // A seal of the wrong length already spoils the whole message.
            Err(error) => assert_eq!(error, ParseError::IntegrityLength, "{name}"),
            Ok(message) => assert_eq!(decode_all(&message), Err(()), "{name}"),
        },
        "ok (first byte MUST be ignored)" => {
            assert_eq!(parsed.unwrap().get(), Ok(Some(XorMappedAddress("192.0.2.9:4660".parse().unwrap()))));
        }
        "ok (0.0.0.0:0)" => {
            assert_eq!(parsed.unwrap().get(), Ok(Some(XorMappedAddress("0.0.0.0:0".parse().unwrap()))));
        }
        "ok = 401 (21 reserved bits ignored, class is 3 bits)" => {
            assert_eq!(parsed.unwrap().get(), Ok(Some(ErrorCode { code: 401, reason: b"" })));
        }
        "ok; trailing NULs trimmed for display only" => {
            let error = parsed.unwrap().get::<ErrorCode<'_>>().unwrap().unwrap();
            assert_eq!((error.code, error.reason), (420, &b"Unknown Attribute\0\0\0"[..]));
            assert_eq!(error.to_string(), "420 Unknown Attribute");
        }
        "ok, empty list" => {
            let message = parsed.unwrap();
            let list = message.get::<PasswordAlgorithms<'_>>().unwrap().unwrap();
            assert_eq!(list.iter().count(), 0);
        }
        "ok on decode (763-byte decode limit; our encoder must refuse USERNAME >= 509 bytes and REALM/NONCE/SOFTWARE >= 128 characters)" =>
        {
            check_longest_text(&parsed.unwrap());
        }
        "ok bytes; C API must carry length" => {
            assert!(parsed.unwrap().covered().all(|raw| raw.value == b"al\0ice"), "{name}");
        }
        "bytes preserved; as text = error" => {
            let message = parsed.unwrap();
            let texts = (message.get::<Realm<'_>>().unwrap(), message.get::<Nonce<'_>>().unwrap());
            let bytes = texts.0.map(|realm| (realm.0, realm.as_str().is_err()));
            assert_eq!(
                bytes.or(texts.1.map(|nonce| (nonce.0, nonce.as_str().is_err()))),
                Some((&b"\xFF\xFE\x80"[..], true))
            );
        }
        _ => panic!("{name}: not understood: {expected}"),
    }
}

/// Well-formed, and so is every attribute in it; and what the name of the vector promises.
fn check_well_formed(vector: &Value, message: &Message<'_>) {
    let name = text(&vector["name"]);
    assert!(decode_all(message).is_ok(), "{name}");
    let mapped = |address: &str| Ok(Some(XorMappedAddress(address.parse().unwrap())));
    match name {
        "xor-mapped-duplicate-different" => assert_eq!(message.get(), mapped("192.0.2.9:4660")),
        "success-with-unknown-required" => {
            assert_eq!(message.get(), mapped("192.0.2.9:4660"));
            assert!(message.find(AttributeType::new(0x7FFE)).is_some());
        }
        "mi-and-mi-sha256-both-valid" => {
            assert_eq!(message.check_integrity(SHA1, &key(vector)), Integrity::Valid);
            assert_eq!(message.check_integrity(SHA256, &key(vector)), Integrity::Valid);
        }
        "mi-valid-sha256-invalid" => {
            assert_eq!(message.check_integrity(SHA1, &key(vector)), Integrity::Valid);
            assert_eq!(message.check_integrity(SHA256, &key(vector)), Integrity::Invalid);
        }
        "USERNAME-format-chars" => {
            let username = message.get::<Username<'_>>().unwrap().unwrap();
            assert_eq!(username.to_string(), username.as_str().unwrap().replace('%', "\\x25"));
        }
        "binding-indication-fingerprint-only" => assert_eq!(message.check_fingerprint(), Integrity::Valid),
        "max-length-65532-real" => assert_eq!(message.as_bytes().len(), 65_552),
        _ if vector.get("hmac_key_hex").is_some() => {
            assert_eq!(message.check_integrity(SHA1, &key(vector)), Integrity::Valid, "{name}");
        }
        _ => {}
    }
}

fn check_longest_text(message: &Message<'_>) {
    let raw = message.covered().next().unwrap();
    assert_eq!(raw.value.len(), 763);
    assert_eq!(decode_all(message), Ok(1));
    let mut buffer = [0; 900];
    let mut builder =
        MessageBuilder::new(&mut buffer, Class::Request, Method::BINDING, message.transaction_id()).unwrap();
    assert!(builder.add(&Username(&raw.value[..509])).is_err());
    assert!(builder.add(&Realm(&raw.value[..128])).is_err());
    assert!(builder.add(&Nonce(&raw.value[..128])).is_err());
    assert!(builder.add(&Software(&raw.value[..128])).is_err());
    assert!(builder.add(&Username(&raw.value[..508])).is_ok());
    assert!(builder.add(&Realm(&raw.value[..127])).is_ok());
}

#[test]
fn malformed_channel_data_gets_the_reaction_it_deserves() {
    let file = load("malformed.json");
    let vectors = list(&file["channel_data"]);
    for vector in vectors {
        let datagram = bytes(&vector["hex"]);
        let (name, expected) = (text(&vector["name"]), text(&vector["expect"]));
        let parsed = ChannelData::parse_datagram(&datagram);
        let channel = |number, data| Ok(ChannelData { number: ChannelNumber::new(number).unwrap(), data });
        match (name, expected) {
            ("cd-ok-udp-nopad", "ok channel 0x4000, 5 bytes") => {
                assert_eq!(parsed, channel(0x4000, b"hello"))
            }
            ("cd-ok-padded", "ok on UDP (padding optional) and required on TCP") => {
                assert_eq!(parsed, channel(0x4000, b"hello"));
                assert_eq!(ChannelData::parse_frame(&datagram), parsed);
                assert!(ChannelData::parse_frame(&datagram[..9]).is_err());
            }
            ("cd-empty", "ok, 0 bytes") => assert_eq!(parsed, channel(0x4000, b"")),
            ("cd-4fff", "ok") => assert_eq!(parsed, channel(0x4FFF, b"A")),
            (_, discard) if discard.starts_with("discard") => {
                assert!(parsed.is_err(), "{name}");
                assert_ne!(classify(&datagram), Classification::ChannelData, "{name}");
            }
            _ => panic!("{name}: not understood: {expected}"),
        }
        assert!(parsed.is_err() || classify(&datagram) == Classification::ChannelData);
    }
    assert_eq!(vectors.len(), 8);
}

/// Decodes every attribute, and counts them.
fn decode_all(message: &Message<'_>) -> Result<usize, ()> {
    let id = message.transaction_id();
    let values: Result<Vec<_>, _> =
        message.attributes().map(|raw| AttributeValue::decode(raw, &id)).collect();
    values.map(|values| values.len()).map_err(|_| ())
}
