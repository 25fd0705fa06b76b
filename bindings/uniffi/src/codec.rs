//! Messages to bytes and back, for hosts that speak STUN themselves beside their agent.

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use libstun::wire::attribute::{AlternateServer, Attribute, OtherAddress, ResponseOrigin};
use libstun::wire::attribute::{
    AttributeType, MappedAddress, XorMappedAddress, XorPeerAddress, XorRelayedAddress,
};
use libstun::wire::{
    BuildError, Class, IntegrityAlgorithm, Key, Message, MessageBuilder, Method, TransactionId,
};
use libstun_flat::codes::{check_code, protocol_code, wire_class, wire_class_code};

use crate::address::Endpoint;
use crate::config::prepared;
use crate::error::{self, Refusal, invalid};
use crate::secret::Secret;

/// A STUN message, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct RawMessage {
    /// `stun_wire_class`: request, indication, success response, error response.
    pub message_class: u32,
    /// 0 to 4095.
    pub method: u16,
    /// 12 bytes.
    pub transaction_id: Vec<u8>,
    /// In their order. Building, integrity and FINGERPRINT are left out: they are made.
    pub attributes: Vec<RawAttribute>,
}

/// An attribute.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct RawAttribute {
    /// Its type.
    pub attribute_type: u16,
    /// Its value, as on the wire, without padding.
    pub value: Vec<u8>,
}

/// What a key is made of.
#[derive(Clone, uniffi::Record)]
pub struct RawKey {
    /// `stun_key_kind`: 0 short-term, 1 long-term with MD5, 2 long-term with SHA-256.
    pub kind: u32,
    /// Of a long-term one. In UTF-8, prepared here (RFC 8265 s4.2), like the other two.
    pub username: String,
    /// Of a long-term one.
    pub realm: String,
    /// The password.
    pub password: Secret,
}

/// What a datagram looks like: a `stun_protocol_code`.
#[uniffi::export]
pub fn classify(datagram: &[u8]) -> u32 {
    protocol_code(libstun::wire::classify(datagram)) as u32
}

/// Takes a message apart.
///
/// # Errors
/// It is none, or is broken.
#[uniffi::export]
pub fn decode_message(datagram: &[u8]) -> Result<RawMessage, Refusal> {
    contained(|| {
        let message = Message::parse(datagram).map_err(invalid)?;
        let attributes = message
            .attributes()
            .map(|raw| RawAttribute { attribute_type: raw.ty.number(), value: raw.value.to_vec() });
        Ok(RawMessage {
            message_class: wire_class_code(message.class()) as u32,
            method: message.method().number(),
            transaction_id: message.transaction_id().as_bytes().to_vec(),
            attributes: attributes.collect(),
        })
    })
}

/// The address in the first attribute of a type that has one; all zeros if there is none.
///
/// # Errors
/// It is no message, the type is not that of an address, or the value is impossible.
#[uniffi::export]
pub fn decode_address(datagram: &[u8], attribute_type: u16) -> Result<Endpoint, Refusal> {
    contained(|| {
        let message = Message::parse(datagram).map_err(invalid)?;
        let found = match AttributeType::new(attribute_type) {
            AttributeType::MAPPED_ADDRESS => message.get::<MappedAddress>().map(|a| a.map(|a| a.0)),
            AttributeType::XOR_MAPPED_ADDRESS => message.get::<XorMappedAddress>().map(|a| a.map(|a| a.0)),
            AttributeType::XOR_PEER_ADDRESS => message.get::<XorPeerAddress>().map(|a| a.map(|a| a.0)),
            AttributeType::XOR_RELAYED_ADDRESS => message.get::<XorRelayedAddress>().map(|a| a.map(|a| a.0)),
            AttributeType::ALTERNATE_SERVER => message.get::<AlternateServer>().map(|a| a.map(|a| a.0)),
            AttributeType::RESPONSE_ORIGIN => message.get::<ResponseOrigin>().map(|a| a.map(|a| a.0)),
            AttributeType::OTHER_ADDRESS => message.get::<OtherAddress>().map(|a| a.map(|a| a.0)),
            other => return Err(invalid(format_args!("{other:?} is not the type of an address"))),
        };
        Ok(found.map_err(invalid)?.map_or(Endpoint::NONE, Endpoint::from))
    })
}

/// Checks FINGERPRINT: a `stun_check_code`.
///
/// # Errors
/// It is no message.
#[uniffi::export]
pub fn check_fingerprint(datagram: &[u8]) -> Result<u32, Refusal> {
    contained(|| Ok(check_code(Message::parse(datagram).map_err(invalid)?.check_fingerprint()) as u32))
}

/// Checks MESSAGE-INTEGRITY, or MESSAGE-INTEGRITY-SHA256: a `stun_check_code`. The time it takes does not depend on the
/// value.
///
/// # Errors
/// It is no message, or the key is none.
#[uniffi::export]
pub fn check_integrity(datagram: &[u8], key: RawKey, sha256: bool) -> Result<u32, Refusal> {
    contained(|| {
        let message = Message::parse(datagram).map_err(invalid)?;
        let algorithm = if sha256 { IntegrityAlgorithm::Sha256 } else { IntegrityAlgorithm::Sha1 };
        Ok(check_code(message.check_integrity(algorithm, &key.read()?)) as u32)
    })
}

/// Puts a message together: its attributes, then what integrity it shall have (0 none, 1 MESSAGE-INTEGRITY,
/// 2 MESSAGE-INTEGRITY-SHA256, 3 both), then FINGERPRINT. An empty transaction id is a random one.
///
/// # Errors
/// A part is none, integrity has no key, or it would be too long.
#[uniffi::export]
pub fn encode_message(
    message: RawMessage,
    key: Option<RawKey>,
    integrity: u32,
    fingerprint: bool,
) -> Result<Vec<u8>, Refusal> {
    contained(|| {
        let key = key.map(RawKey::read).transpose()?;
        let keys = match (integrity, &key) {
            (0, _) => (None, None),
            (1..=3, None) => return Err(invalid("integrity needs a key")),
            (1, key) => (key.as_ref(), None),
            (2, key) => (None, key.as_ref()),
            (3, key) => (key.as_ref(), key.as_ref()),
            _ => return Err(invalid("there is no such integrity")),
        };
        let mut buffer = vec![0; MAX_MESSAGE];
        let length = write(&message, keys, fingerprint, &mut buffer)?;
        buffer.truncate(length);
        buffer.shrink_to_fit();
        Ok(buffer)
    })
}

/// An address as the value of an attribute of that type, for `encode_message` with the same transaction id: an IPv6
/// address is hidden with it (RFC 8489 s14.2), so it is always given here.
///
/// # Errors
/// The address or the transaction id is none, or the type is not that of an address.
#[uniffi::export]
pub fn encode_address(
    attribute_type: u16,
    address: Endpoint,
    transaction_id: &[u8],
) -> Result<Vec<u8>, Refusal> {
    contained(|| {
        let (address, id) = (address.to_required()?, given_transaction(transaction_id)?);
        match AttributeType::new(attribute_type) {
            AttributeType::MAPPED_ADDRESS => value(&MappedAddress(address), id),
            AttributeType::XOR_MAPPED_ADDRESS => value(&XorMappedAddress(address), id),
            AttributeType::XOR_PEER_ADDRESS => value(&XorPeerAddress(address), id),
            AttributeType::XOR_RELAYED_ADDRESS => value(&XorRelayedAddress(address), id),
            AttributeType::ALTERNATE_SERVER => value(&AlternateServer(address), id),
            AttributeType::RESPONSE_ORIGIN => value(&ResponseOrigin(address), id),
            AttributeType::OTHER_ADDRESS => value(&OtherAddress(address), id),
            other => Err(invalid(format_args!("{other:?} is not the type of an address"))),
        }
    })
}

impl RawKey {
    fn read(self) -> Result<Key, Refusal> {
        let password = self.password.prepared()?;
        if self.kind == 0 {
            return Ok(Key::short_term(password.as_bytes()));
        }
        let (username, realm) = (prepared(&self.username)?, prepared(&self.realm)?);
        let (username, realm) = (username.as_bytes(), realm.as_bytes());
        match self.kind {
            1 => Ok(Key::long_term_md5(username, realm, password.as_bytes())),
            2 => Ok(Key::long_term_sha256(username, realm, password.as_bytes())),
            _ => Err(invalid("there is no such kind of key")),
        }
    }
}

/// Keeps a bug from reaching the host.
fn contained<R>(f: impl FnOnce() -> Result<R, Refusal>) -> Result<R, Refusal> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| Err(error::caught()))
}

fn write(
    message: &RawMessage,
    (sha1, sha256): (Option<&Key>, Option<&Key>),
    fingerprint: bool,
    buffer: &mut [u8],
) -> Result<usize, Refusal> {
    let class = wire_class(message.message_class)?;
    let method = Method::new(message.method).ok_or_else(|| invalid("a method is 0 to 4095"))?;
    let id = transaction(&message.transaction_id)?;
    let mut builder = MessageBuilder::new(buffer, class, method, id).map_err(refused)?;
    for attribute in &message.attributes {
        let ty = AttributeType::new(attribute.attribute_type);
        if SEALS.contains(&ty) {
            return Err(invalid(format_args!("{ty:?} is not added but made")));
        }
        builder.add_raw(ty, &attribute.value).map_err(refused)?;
    }
    if let Some(key) = sha1 {
        builder.sign(key).map_err(refused)?;
    }
    if let Some(key) = sha256 {
        builder.sign_sha256(key).map_err(refused)?;
    }
    if fingerprint {
        builder.add_fingerprint().map_err(refused)?;
    }
    Ok(builder.finish().len())
}

fn transaction(id: &[u8]) -> Result<TransactionId, Refusal> {
    if id.is_empty() {
        let mut entropy = libstun::Entropy::from_os().map_err(error::no_entropy)?;
        return Ok(TransactionId::new(entropy.bytes()));
    }
    given_transaction(id)
}

fn given_transaction(id: &[u8]) -> Result<TransactionId, Refusal> {
    id.try_into().map(TransactionId::new).map_err(|_| invalid("a transaction id has 12 bytes"))
}

/// The value of an attribute alone, out of a message that carries nothing else.
fn value<'a, A: Attribute<'a>>(attribute: &A, id: TransactionId) -> Result<Vec<u8>, Refusal> {
    let mut buffer = [0; 64];
    let binding = Method::new(1).ok_or_else(|| invalid("a method is 0 to 4095"))?;
    let mut builder = MessageBuilder::new(&mut buffer, Class::Request, binding, id).map_err(refused)?;
    builder.add(attribute).map_err(refused)?;
    let message = Message::parse(builder.finish()).map_err(invalid)?;
    Ok(message.attributes().next().map(|raw| raw.value.to_vec()).unwrap_or_default())
}

fn refused(error: BuildError) -> Refusal {
    match error {
        BuildError::OutOfOrder => error::state(error),
        _ => invalid(error),
    }
}

const SEALS: [AttributeType; 3] =
    [AttributeType::MESSAGE_INTEGRITY, AttributeType::MESSAGE_INTEGRITY_SHA256, AttributeType::FINGERPRINT];
/// The header and the longest body there is (RFC 8489 s5).
const MAX_MESSAGE: usize = 20 + (u16::MAX as usize & !3);

#[cfg(test)]
mod tests;
