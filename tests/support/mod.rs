//! What the integration tests share: small messages, draining, and the vectors.

#![allow(dead_code, unreachable_pub, reason = "each test crate uses its own part")]

pub mod broken;
pub mod contract;
pub mod heap;
pub mod relay;
pub mod turn_world;

use std::net::SocketAddr;

use libstun::auth::{Credentials, LongTerm};
use libstun::wire::attribute::{
    AlternateServer, AttributeType, ErrorCode, PasswordAlgorithm, PasswordAlgorithms, XorMappedAddress,
};
use libstun::wire::{Class, Key, Message, MessageBuilder, Method, TransactionId};
use libstun::{FiveTuple, Instant, Machine, Outcome};

pub const MAPPED: &str = "203.0.113.9:4242";
pub const USER: &[u8] = b"l:r";
pub const PASSWORD: &[u8] = b"secretpassword-0123456789";
/// Of those who challenge for long-term credentials.
pub const REALM: &[u8] = b"example.org";

pub fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub fn udp(local: &str, remote: &str) -> FiveTuple {
    FiveTuple::udp(addr(local), addr(remote))
}

/// The path from the host to the server that most tests ask.
pub fn asked() -> FiveTuple {
    udp("10.0.0.1:5000", "192.0.2.1:3478")
}

/// The path on which a client's request reaches the server that most tests run.
pub fn served() -> FiveTuple {
    udp("192.0.2.1:3478", "203.0.113.9:4242")
}

pub fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A message; `fill` adds to it.
pub fn message(
    class: Class,
    method: Method,
    id: TransactionId,
    fill: impl FnOnce(&mut MessageBuilder<'_>),
) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let mut builder = MessageBuilder::new(&mut buffer, class, method, id).unwrap();
    fill(&mut builder);
    builder.finish().to_vec()
}

pub fn request(id: TransactionId, fill: impl FnOnce(&mut MessageBuilder<'_>)) -> Vec<u8> {
    message(Class::Request, Method::BINDING, id, fill)
}

pub fn success(id: TransactionId, mapped: &str, key: Option<&Key>) -> Vec<u8> {
    message(Class::SuccessResponse, Method::BINDING, id, |builder| {
        builder.add(&XorMappedAddress(addr(mapped))).unwrap();
        sign(builder, key);
    })
}

pub fn error(id: TransactionId, code: u16, key: Option<&Key>) -> Vec<u8> {
    message(Class::ErrorResponse, Method::BINDING, id, |builder| {
        builder.add(&ErrorCode { code, reason: b"" }).unwrap();
        sign(builder, key);
    })
}

/// A 401 or 438 that offers SHA-256.
pub fn challenge(id: TransactionId, code: u16, realm: &[u8], nonce: &[u8]) -> Vec<u8> {
    message(Class::ErrorResponse, Method::BINDING, id, |builder| {
        builder.add(&ErrorCode { code, reason: b"" }).unwrap();
        builder.add_raw(AttributeType::REALM, realm).unwrap();
        builder.add_raw(AttributeType::NONCE, nonce).unwrap();
        builder.add(&PasswordAlgorithms::from_list(&[PasswordAlgorithm::SHA256])).unwrap();
    })
}

/// A 300 that names another server.
pub fn redirection(id: TransactionId, key: Option<&Key>) -> Vec<u8> {
    message(Class::ErrorResponse, Method::BINDING, id, |builder| {
        builder.add(&ErrorCode { code: 300, reason: b"" }).unwrap();
        builder.add(&AlternateServer(addr("192.0.2.9:3478"))).unwrap();
        sign(builder, key);
    })
}

/// The bytes of the key that long-term credentials make of [`USER`], [`REALM`] and [`PASSWORD`] with SHA-256.
pub fn long_term_key() -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest([USER, REALM, PASSWORD].join(&b':')).into()
}

pub fn long_term() -> Credentials {
    let text = |bytes: &'static [u8]| std::str::from_utf8(bytes).unwrap();
    LongTerm::new(text(USER), text(PASSWORD)).unwrap().into()
}

/// A success that demands to understand attribute 0x7FFE.
pub fn demanding(id: TransactionId, key: Option<&Key>) -> Vec<u8> {
    message(Class::SuccessResponse, Method::BINDING, id, |builder| {
        builder.add(&XorMappedAddress(addr(MAPPED))).unwrap();
        builder.add_raw(AttributeType::new(0x7FFE), b"abcd").unwrap();
        sign(builder, key);
    })
}

fn sign(builder: &mut MessageBuilder<'_>, key: Option<&Key>) {
    if let Some(key) = key {
        builder.sign_sha256(key).unwrap();
    }
}

pub fn id_of(bytes: &[u8]) -> TransactionId {
    Message::parse(bytes).unwrap().transaction_id()
}

pub fn transmits<M: Machine>(machine: &mut M) -> Vec<(FiveTuple, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(transmit) = machine.poll_transmit() {
        all.push((transmit.path, transmit.payload.to_vec()));
    }
    all
}

pub fn events<M: Machine>(machine: &mut M) -> Vec<M::Event> {
    std::iter::from_fn(|| machine.poll_event()).collect()
}

/// Offers bytes that arrived on `path`, and says whether the machine claimed them.
pub fn offer<M: Machine>(machine: &mut M, path: FiveTuple, bytes: &[u8], now: Instant) -> bool {
    machine.handle_input(&libstun::Datagram::new(path, bytes), now) != Outcome::Unclaimed
}

/// One entry of `vectors/malformed.json`.
pub struct Vector {
    pub name: String,
    pub bytes: Vec<u8>,
    pub is_signed: bool,
    pub server: String,
    pub client: Option<String>,
}

pub fn malformed() -> Vec<Vector> {
    let all: serde_json::Value = serde_json::from_str(include_str!("../vectors/malformed.json")).unwrap();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let vectors = all["vectors"].as_array().unwrap().iter();
    vectors
        .map(|vector| Vector {
            name: text(&vector["name"]).unwrap(),
            bytes: unhex(vector["hex"].as_str().unwrap()),
            is_signed: vector.get("hmac_key_hex").is_some(),
            server: text(&vector["expect"]["stun_server"]).unwrap_or_default(),
            client: text(&vector["expect"]["client_with_matching_transaction"]),
        })
        .collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The same message under another transaction id. Only for unsigned ones.
pub fn with_id(bytes: &[u8], id: TransactionId) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    if let Some(field) = copy.get_mut(8..20) {
        field.copy_from_slice(id.as_bytes());
    }
    copy
}
