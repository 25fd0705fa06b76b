//! Reading messages.

use core::ffi::c_char;
use core::net::SocketAddr;

use libstun::wire::attribute::{
    AlternateServer, Attribute, AttributeType, ErrorCode, MappedAddress, OtherAddress, RawAttribute,
    ResponseOrigin, XorMappedAddress, XorPeerAddress, XorRelayedAddress,
};
use libstun::wire::{IntegrityAlgorithm, Message, Method, ParseError, TransactionId};
use libstun_flat::codes::{check_code, wire_class_code};

use super::guarded;
use crate::agent::copy_text;
use crate::key::{prepared, stun_key};
use crate::pointer::{Slot, buffer, bytes, reference};
use crate::status::{Answer, Misuse, stun_status, stun_status_code::*};
use crate::types::stun_addr;

/// A parsed message: a view of your own bytes, which must stay as they are while you use it. Plain data,
/// nothing to free. 40 bytes on 64-bit systems, frozen.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct stun_wire_message {
    /// The bytes it was parsed from.
    pub data: *const u8,
    /// How many.
    pub len: usize,
    /// Where the attributes end that anybody may act on: at the first integrity attribute, else at
    /// FINGERPRINT, else at the end. What stands behind it may have been appended by anybody.
    pub covered_end: u32,
    /// 0 to 0xFFF; Binding is 1.
    pub method: u16,
    /// `enum stun_wire_class`.
    pub message_class: u8,
    /// `enum stun_check_code`: FINGERPRINT.
    pub fingerprint: u8,
    /// Whether it carries MESSAGE-INTEGRITY: 0 or 1. Check it with stun_wire_check().
    pub has_sha1: u8,
    /// Whether it carries MESSAGE-INTEGRITY-SHA256: 0 or 1.
    pub has_sha256: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// The transaction id.
    pub id: [u8; 12],
}

/// An attribute: a view of the message's bytes. 24 bytes on 64-bit systems, frozen.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct stun_wire_attribute {
    /// Its value, without padding; never NULL.
    pub value: *const u8,
    /// Where its header starts in the message.
    pub offset: u32,
    /// Bytes of the value.
    pub len: u16,
    /// Its type.
    pub attribute_type: u16,
    /// 1 if it may be acted on, 0 if it stands behind the integrity attribute.
    pub is_covered: u32,
    /// Zero.
    pub reserved: u32,
}

/// Reads a whole message: one datagram, or one frame of a stream. STUN_IGNORED if the bytes are not STUN at
/// all (too short, other first bits, no magic cookie), STUN_E_INVALID if they are STUN and malformed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_wire_parse(
    data: *const u8,
    len: usize,
    out: *mut stun_wire_message,
) -> stun_status {
    guarded(|| {
        // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
        let (out, bytes) = unsafe { (Slot::new(out)?, bytes(data, len)?) };
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(ParseError::TooShort | ParseError::NotStun | ParseError::WrongCookie) => {
                return Ok(STUN_IGNORED);
            }
            Err(_) => return Err(Misuse(STUN_E_INVALID, "malformed STUN")),
        };
        out.put(view(&message));
        Ok(STUN_OK)
    })
}

/// Walks the attributes in their order. Set `*cursor` to 0 before the first call; STUN_EMPTY at the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_wire_next(
    message: *const stun_wire_message,
    cursor: *mut u32,
    out: *mut stun_wire_attribute,
) -> stun_status {
    guarded(|| {
        // SAFETY: the caller's pointers are NULL or valid for their types; the message's bytes are readable.
        let (message, place, out) = unsafe { (reference(message)?, reference(cursor)?, Slot::new(out)?) };
        // SAFETY: as above.
        let bytes = unsafe { bytes(message.data, message.len)? };
        let Some((raw, next)) = RawAttribute::at(bytes, *place) else { return Ok(STUN_EMPTY) };
        out.put(attribute(&raw, message.covered_end));
        // SAFETY: as above.
        unsafe { Slot::new(cursor)? }.put(next);
        Ok(STUN_OK)
    })
}

/// The first attribute of a type that may be acted on; STUN_EMPTY if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_wire_find(
    message: *const stun_wire_message,
    attribute_type: u16,
    out: *mut stun_wire_attribute,
) -> stun_status {
    guarded(|| {
        // SAFETY: the caller's pointers are NULL or valid for their types; the message's bytes are readable.
        let (parsed, end, out) =
            unsafe { (parsed(message)?, reference(message)?.covered_end, Slot::new(out)?) };
        let Some(raw) = parsed.find(AttributeType::new(attribute_type)) else { return Ok(STUN_EMPTY) };
        out.put(attribute(&raw, end));
        Ok(STUN_OK)
    })
}

/// The address in an attribute: MAPPED-ADDRESS, XOR-MAPPED-ADDRESS, XOR-PEER-ADDRESS, XOR-RELAYED-ADDRESS,
/// ALTERNATE-SERVER, RESPONSE-ORIGIN or OTHER-ADDRESS. STUN_E_INVALID for another type or a bad value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_wire_address(
    message: *const stun_wire_message,
    attribute: *const stun_wire_attribute,
    out: *mut stun_addr,
) -> stun_status {
    guarded(|| {
        // SAFETY: the caller's pointers are NULL or valid for their types; their bytes are readable.
        let (message, attribute, out) =
            unsafe { (reference(message)?, reference(attribute)?, Slot::new(out)?) };
        // SAFETY: as above.
        let value = unsafe { bytes(attribute.value, usize::from(attribute.len))? };
        let ty = AttributeType::new(attribute.attribute_type);
        let address = address(ty, value, &TransactionId::new(message.id))
            .ok_or(Misuse(STUN_E_INVALID, "no address"))?;
        out.put(address.into());
        Ok(STUN_OK)
    })
}

/// The code (300 to 699) of ERROR-CODE and, where `reason` is not NULL, its phrase: `*reason_len` bytes
/// inside the message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_wire_error(
    attribute: *const stun_wire_attribute,
    code: *mut u32,
    reason: *mut *const u8,
    reason_len: *mut usize,
) -> stun_status {
    guarded(|| {
        // SAFETY: the caller's pointers are NULL or valid for their types; their bytes are readable.
        let (attribute, code) = unsafe { (reference(attribute)?, Slot::new(code)?) };
        // SAFETY: as above.
        let value = unsafe { bytes(attribute.value, usize::from(attribute.len))? };
        if attribute.attribute_type != AttributeType::ERROR_CODE.number() {
            return Err(Misuse(STUN_E_INVALID, "not ERROR-CODE"));
        }
        let error = ErrorCode::decode(value, &TransactionId::new([0; 12]))
            .map_err(|_| Misuse(STUN_E_INVALID, "bad ERROR-CODE"))?;
        let places = if reason.is_null() {
            None
        } else {
            // SAFETY: as above.
            unsafe { Some((Slot::new(reason)?, Slot::new(reason_len)?)) }
        };
        code.put(u32::from(error.code));
        if let Some((reason, length)) = places {
            reason.put(error.reason.as_ptr());
            length.put(error.reason.len());
        }
        Ok(STUN_OK)
    })
}

/// Checks MESSAGE-INTEGRITY (`integrity` STUN_INTEGRITY_SHA1) or MESSAGE-INTEGRITY-SHA256
/// (STUN_INTEGRITY_SHA256) with a key, in constant time. `min_len` is 0 for the full length, or the shortest
/// truncated MESSAGE-INTEGRITY-SHA256 that your usage accepts. `*out` gets an `enum stun_check_code`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_wire_check(
    message: *const stun_wire_message,
    integrity: u32,
    key: *const stun_key,
    min_len: usize,
    out: *mut u32,
) -> stun_status {
    guarded(|| {
        // SAFETY: the caller's pointers are NULL or valid for their types; their bytes are readable.
        let (message, key, out) = unsafe { (parsed(message)?, prepared(key)?, Slot::new(out)?) };
        let algorithm = algorithm(integrity)?;
        let verdict = match min_len {
            0 => message.check_integrity(algorithm, key),
            1..=32 => message.check_integrity_of_length(algorithm, key, min_len),
            _ => return Err(Misuse(STUN_E_INVALID, "min_len is beyond 32")),
        };
        out.put(check_code(verdict) as u32);
        Ok(STUN_OK)
    })
}

/// The RFC's name of an attribute, such as "XOR-MAPPED-ADDRESS". Writes at most `cap` bytes, NUL included,
/// and sets `*len` to the length without it. STUN_EMPTY if the type has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_wire_attribute_name(
    attribute_type: u16,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> stun_status {
    guarded(|| {
        // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
        unsafe { name(AttributeType::new(attribute_type).name(), buf, cap, len) }
    })
}

/// The RFC's name of a method, such as "Binding"; like stun_wire_attribute_name().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_wire_method_name(
    method: u16,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> stun_status {
    guarded(|| {
        // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
        unsafe { name(Method::new(method).and_then(Method::name), buf, cap, len) }
    })
}

pub(super) fn algorithm(integrity: u32) -> Result<IntegrityAlgorithm, Misuse> {
    match integrity {
        1 => Ok(IntegrityAlgorithm::Sha1),
        2 => Ok(IntegrityAlgorithm::Sha256),
        _ => Err(Misuse(STUN_E_INVALID, "integrity is neither SHA1 nor SHA256")),
    }
}

/// # Safety
/// The pointers must be NULL or writable for their types and lengths.
unsafe fn name(name: Option<&str>, buf: *mut c_char, cap: usize, len: *mut usize) -> Answer {
    // SAFETY: passed on from the caller.
    let (buf, len) = unsafe { (buffer(buf.cast(), cap)?, Slot::new(len)?) };
    let Some(name) = name else { return Ok(STUN_EMPTY) };
    len.put(copy_text(name, buf));
    Ok(STUN_OK)
}

/// # Safety
/// `message` must be NULL or valid, and its bytes readable.
unsafe fn parsed<'a>(message: *const stun_wire_message) -> Result<Message<'a>, Misuse> {
    // SAFETY: passed on from the caller.
    let message = unsafe { reference(message)? };
    // SAFETY: passed on from the caller.
    let bytes = unsafe { bytes(message.data, message.len)? };
    Message::parse(bytes).map_err(|_| Misuse(STUN_E_INVALID, "not a message that stun_wire_parse() made"))
}

fn view(message: &Message<'_>) -> stun_wire_message {
    let bytes = message.as_bytes();
    stun_wire_message {
        data: bytes.as_ptr(),
        len: bytes.len(),
        covered_end: u32::try_from(message.covered_end()).unwrap_or(u32::MAX),
        method: message.method().number(),
        message_class: wire_class_code(message.class()) as u8,
        fingerprint: check_code(message.check_fingerprint()) as u8,
        has_sha1: u8::from(message.has_integrity(IntegrityAlgorithm::Sha1)),
        has_sha256: u8::from(message.has_integrity(IntegrityAlgorithm::Sha256)),
        reserved: [0; 2],
        id: *message.transaction_id().as_bytes(),
    }
}

fn attribute(raw: &RawAttribute<'_>, covered_end: u32) -> stun_wire_attribute {
    stun_wire_attribute {
        value: raw.value.as_ptr(),
        offset: raw.offset,
        len: u16::try_from(raw.value.len()).unwrap_or(u16::MAX),
        attribute_type: raw.ty.number(),
        is_covered: u32::from(raw.offset < covered_end),
        reserved: 0,
    }
}

fn address(ty: AttributeType, value: &[u8], id: &TransactionId) -> Option<SocketAddr> {
    match ty {
        AttributeType::MAPPED_ADDRESS => MappedAddress::decode(value, id).ok().map(|found| found.0),
        AttributeType::XOR_MAPPED_ADDRESS => XorMappedAddress::decode(value, id).ok().map(|found| found.0),
        AttributeType::XOR_PEER_ADDRESS => XorPeerAddress::decode(value, id).ok().map(|found| found.0),
        AttributeType::XOR_RELAYED_ADDRESS => XorRelayedAddress::decode(value, id).ok().map(|found| found.0),
        AttributeType::ALTERNATE_SERVER => AlternateServer::decode(value, id).ok().map(|found| found.0),
        AttributeType::RESPONSE_ORIGIN => ResponseOrigin::decode(value, id).ok().map(|found| found.0),
        AttributeType::OTHER_ADDRESS => OtherAddress::decode(value, id).ok().map(|found| found.0),
        _ => None,
    }
}
