//! What integration tests share: reading `tests/vectors`, and making messages.

// Each test binary uses a part of it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use libstun::wire::attribute::AttributeType;
use libstun::wire::{
    Class, Integrity, IntegrityAlgorithm, Key, Message, MessageBuilder, Method, TransactionId,
};
use serde_json::Value;

/// A file of `tests/vectors`.
pub fn load(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    let json = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&json).unwrap()
}

pub fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}"))
}

pub fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("not a number: {value}"))
}

/// The bytes that a hexadecimal string stands for.
pub fn bytes(value: &Value) -> Vec<u8> {
    let digits = text(value).as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The key of a vector.
pub fn key(vector: &Value) -> Key {
    Key::from_bytes(&bytes(&vector["hmac_key_hex"]))
}

/// A Binding request with those attributes, well-formed or not.
pub fn request_with(attributes: &[(AttributeType, &[u8])]) -> Vec<u8> {
    let mut buffer = vec![0; 65_555];
    let id = TransactionId::new([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    let mut builder = MessageBuilder::new(&mut buffer, Class::Request, Method::BINDING, id).unwrap();
    attributes.iter().for_each(|(ty, value)| builder.add_raw(*ty, value).unwrap());
    builder.finish().to_vec()
}

/// Every well-formed message of the vectors.
pub fn every_message() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for file in
        ["rfc5769.json", "rfc8489_b1.json", "captured_servers.json", "captured_ice.json", "malformed.json"]
    {
        visit(&load(file), &mut |object| {
            let fields = ["hex", "request", "response"].iter().filter_map(|name| object.get(*name));
            found.extend(fields.filter(|field| field.is_string()).map(bytes));
        });
    }
    found.retain(|message| Message::parse(message).is_ok());
    found
}

/// Every message of the vectors that a key of theirs authenticates.
pub fn signed_messages() -> Vec<(Vec<u8>, Key)> {
    let mut found = Vec::new();
    for file in ["rfc5769.json", "rfc8489_b1.json", "captured_servers.json", "malformed.json"] {
        visit(&load(file), &mut |object| {
            if object.get("hmac_key_hex").is_some() {
                let fields = ["hex", "request", "response"].iter().filter_map(|name| object.get(*name));
                found.extend(
                    fields.filter(|field| field.is_string()).map(|field| (bytes(field), key(object))),
                );
            }
        });
    }
    for vector in list(&load("captured_ice.json")["vectors"]) {
        if let Some(password) = vector["MI_key"].as_str() {
            found.push((bytes(&vector["hex"]), Key::short_term(password.as_bytes())));
        }
    }
    found.retain(|(message, key)| authenticates(message, key));
    found
}

/// As a usage decides: every integrity attribute there is must be valid, and one must be.
pub fn authenticates(bytes: &[u8], key: &Key) -> bool {
    let Ok(message) = Message::parse(bytes) else { return false };
    let answers = [IntegrityAlgorithm::Sha1, IntegrityAlgorithm::Sha256]
        .map(|algorithm| message.check_integrity(algorithm, key));
    answers.contains(&Integrity::Valid) && !answers.contains(&Integrity::Invalid)
}

fn visit(value: &Value, found: &mut dyn FnMut(&Value)) {
    match value {
        Value::Object(fields) => {
            found(value);
            fields.values().for_each(|field| visit(field, found));
        }
        Value::Array(values) => values.iter().for_each(|value| visit(value, found)),
        _ => {}
    }
}
