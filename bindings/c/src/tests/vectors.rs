//! Every message of `tests/vectors` through the C functions and through the Rust API: the same verdicts, the
//! same attributes, the same bytes when it is built again.

use core::mem::MaybeUninit;
use core::ptr::{null, null_mut};
use std::{fs, path::Path};

use libstun::wire::attribute::{ErrorCode, XorMappedAddress};
use libstun::wire::{Integrity, IntegrityAlgorithm, Key, Message, MessageBuilder, ParseError};
use serde_json::Value;

use crate::codec::build::{
    stun_wire_add, stun_wire_add_fingerprint, stun_wire_begin, stun_wire_builder, stun_wire_sign,
};
use crate::codec::parse::{
    stun_wire_address, stun_wire_attribute, stun_wire_check, stun_wire_error, stun_wire_find,
    stun_wire_message, stun_wire_next, stun_wire_parse,
};
use crate::key::{stun_key, stun_key_free, stun_key_new};
use crate::status::{stun_status, stun_status_code::*};
use crate::types::stun_addr;

const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const ERROR_CODE: u16 = 0x0009;

/// Runs a function that fills its last argument, and gives what it filled in.
fn filled<T>(run: impl FnOnce(*mut T) -> stun_status) -> (stun_status, Option<T>) {
    let mut place = MaybeUninit::uninit();
    let status = run(place.as_mut_ptr());
    // SAFETY: every function writes its output when it succeeds.
    (status, (status == STUN_OK as i32).then(|| unsafe { place.assume_init() }))
}

/// Every message of the files, with the key that stands beside it.
fn every_message() -> Vec<(Vec<u8>, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors");
    let mut found = Vec::new();
    for file in ["rfc5769", "rfc8489_b1", "captured_servers", "captured_ice", "malformed"] {
        let json = fs::read_to_string(folder.join(file).with_extension("json")).unwrap();
        collect(&serde_json::from_str(&json).unwrap(), &mut found);
    }
    assert!(found.len() > 250);
    found
}

fn collect(value: &Value, found: &mut Vec<(Vec<u8>, Vec<u8>)>) {
    let key = match (&value["hmac_key_hex"], &value["MI_key"]) {
        (Value::String(hex), _) => bytes(hex),
        (_, Value::String(password)) => password.as_bytes().to_vec(),
        _ => b"no key".to_vec(),
    };
    for field in ["hex", "request", "response"] {
        if let Some(hex) = value[field].as_str() {
            found.push((bytes(hex), key.clone()));
        }
    }
    match value {
        Value::Object(fields) => fields.values().for_each(|field| collect(field, found)),
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn c_key(password: &[u8]) -> *mut stun_key {
    // SAFETY: the password outlives the call.
    filled(|out| unsafe { stun_key_new(0, null(), 0, null(), 0, password.as_ptr(), password.len(), out) })
        .1
        .unwrap()
}

fn parse(datagram: &[u8]) -> (stun_status, Option<stun_wire_message>) {
    // SAFETY: the datagram outlives what is made of it.
    filled(|out| unsafe { stun_wire_parse(datagram.as_ptr(), datagram.len(), out) })
}

fn walk(message: &stun_wire_message) -> Vec<stun_wire_attribute> {
    let mut cursor = 0;
    // SAFETY: the message's bytes outlive the walk.
    core::iter::from_fn(|| filled(|out| unsafe { stun_wire_next(message, &raw mut cursor, out) }).1).collect()
}

fn value_of(attribute: &stun_wire_attribute) -> &[u8] {
    // SAFETY: the attribute is a view of bytes that outlive it.
    unsafe { core::slice::from_raw_parts(attribute.value, usize::from(attribute.len)) }
}

#[test]
fn messages_read_the_same_through_both_apis() {
    for (datagram, _) in every_message() {
        let (status, read) = parse(&datagram);
        let message = match Message::parse(&datagram) {
            Ok(message) => message,
            Err(ParseError::TooShort | ParseError::NotStun | ParseError::WrongCookie) => {
                assert_eq!(status, STUN_IGNORED as i32);
                continue;
            }
            Err(_) => {
                assert_eq!(status, STUN_E_INVALID as i32);
                continue;
            }
        };
        let read = read.unwrap();
        assert_eq!(
            (read.method, read.covered_end as usize),
            (message.method().number(), message.covered_end())
        );
        assert_eq!(&read.id, message.transaction_id().as_bytes());
        assert_eq!(u32::from(read.fingerprint), code(message.check_fingerprint()));
        let through_c = walk(&read);
        let through_c: Vec<_> =
            through_c.iter().map(|raw| (raw.attribute_type, raw.offset, value_of(raw))).collect();
        let through_rust: Vec<_> =
            message.attributes().map(|raw| (raw.ty.number(), raw.offset, raw.value)).collect();
        assert_eq!(through_c, through_rust);
        same_values(&read, &message);
    }
}

fn same_values(read: &stun_wire_message, message: &Message<'_>) {
    // SAFETY: all pointers are to locals, and the message's bytes outlive them.
    unsafe {
        if let (_, Some(found)) = filled(|out| stun_wire_find(read, XOR_MAPPED_ADDRESS, out)) {
            let (_, address) = filled(|out| stun_wire_address(read, &raw const found, out));
            let expected = message.get::<XorMappedAddress>().ok().flatten();
            assert_eq!(address, expected.map(|address| stun_addr::from(address.0)));
        }
        if let (_, Some(found)) = filled(|out| stun_wire_find(read, ERROR_CODE, out)) {
            let (_, code) = filled(|out| stun_wire_error(&raw const found, out, null_mut(), null_mut()));
            let expected = message.get::<ErrorCode<'_>>().ok().flatten();
            assert_eq!(code, expected.map(|error| u32::from(error.code)));
        }
    }
}

fn code(verdict: Integrity) -> u32 {
    match verdict {
        Integrity::Absent => 0,
        Integrity::Valid => 1,
        Integrity::Invalid => 2,
    }
}

#[test]
fn signatures_are_judged_the_same_through_both_apis() {
    let mut valid = 0;
    for (datagram, password) in every_message() {
        let (Ok(message), Some(read)) = (Message::parse(&datagram), parse(&datagram).1) else { continue };
        let (rust, c) = (Key::short_term(&password), c_key(&password));
        for (integrity, algorithm) in [(1, IntegrityAlgorithm::Sha1), (2, IntegrityAlgorithm::Sha256)] {
            for min_len in [0, 16, 20, 32] {
                // SAFETY: all pointers are live.
                let (_, verdict) =
                    filled(|out| unsafe { stun_wire_check(&raw const read, integrity, c, min_len, out) });
                let expected = match min_len {
                    0 => message.check_integrity(algorithm, &rust),
                    _ => message.check_integrity_of_length(algorithm, &rust, min_len),
                };
                assert_eq!(verdict, Some(code(expected)));
                valid += usize::from(expected == Integrity::Valid);
            }
        }
        // SAFETY: made above, freed once.
        unsafe { stun_key_free(c) }
    }
    assert!(valid > 100);
}

#[test]
fn messages_are_built_the_same_through_both_apis() {
    for (datagram, password) in every_message() {
        let (Ok(message), Some(read)) = (Message::parse(&datagram), parse(&datagram).1) else { continue };
        if message.attributes().count() > 1000 {
            continue; // each call of a builder reads its message again
        }
        let key = c_key(&password);
        let (mut by_c, mut by_rust) = (vec![0xA5; datagram.len()], vec![0xA5; datagram.len()]);
        let length = build_with_c(&read, key, &mut by_c);
        let expected = build_with_rust(&message, &Key::short_term(&password), &mut by_rust);
        assert_eq!(by_c[..length], by_rust[..expected]);
        // SAFETY: made above, freed once.
        unsafe { stun_key_free(key) }
    }
}

fn build_with_c(read: &stun_wire_message, key: *const stun_key, room: &mut [u8]) -> usize {
    // SAFETY: all pointers are to live locals, and the builder's buffer is `room`.
    unsafe {
        let begin = |out| {
            stun_wire_begin(
                out,
                room.as_mut_ptr(),
                room.len(),
                u32::from(read.message_class),
                read.method,
                read.id.as_ptr(),
            )
        };
        let mut builder: stun_wire_builder = filled(begin).1.unwrap();
        let to = &raw mut builder;
        for raw in walk(read) {
            match raw.attribute_type {
                0x0008 => stun_wire_sign(to, 1, key, 0),
                0x001C => stun_wire_sign(to, 2, key, usize::from(raw.len)),
                0x8028 => stun_wire_add_fingerprint(to),
                ty => stun_wire_add(to, ty, raw.value, usize::from(raw.len)),
            };
        }
        builder.len
    }
}

/// What the builder refuses, such as an attribute behind a signature, is left out here as there.
fn build_with_rust(message: &Message<'_>, key: &Key, room: &mut [u8]) -> usize {
    let mut builder =
        MessageBuilder::new(room, message.class(), message.method(), message.transaction_id()).unwrap();
    for raw in message.attributes() {
        let _ = match raw.ty.number() {
            0x0008 => builder.sign(key),
            0x001C => builder.sign_sha256_truncated(key, raw.value.len()),
            0x8028 => builder.add_fingerprint(),
            _ => builder.add_raw(raw.ty, raw.value),
        };
    }
    builder.finish().len()
}
