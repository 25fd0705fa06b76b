//! Writing messages.

use libstun::wire::attribute::{
    AlternateServer, Attribute, AttributeType, ErrorCode, MappedAddress, OtherAddress, ResponseOrigin,
    XorMappedAddress, XorPeerAddress, XorRelayedAddress,
};
use libstun::wire::{BuildError, IntegrityAlgorithm, MessageBuilder, Method, TransactionId};
use libstun_flat::codes::wire_class;

use super::{guarded, parse::algorithm};
use crate::key::{prepared, stun_key};
use crate::pointer::{Slot, buffer, bytes, reference};
use crate::status::{Answer, Misuse, stun_status, stun_status_code::*};
use crate::types::stun_addr;

/// A message under construction in your own buffer. Plain data, nothing to free; each call reads again what
/// is there, so that nothing but the bytes is trusted. After every call the first
/// `len` bytes are a complete message; a call that fails leaves them as they were.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct stun_wire_builder {
    /// Your buffer.
    pub buf: *mut u8,
    /// Its size.
    pub cap: usize,
    /// Bytes written so far.
    pub len: usize,
    /// After STUN_E_BUFFER of a call that adds: the size that the message would have had.
    pub needed: usize,
}

/// Begins a message with its header, 20 bytes: `message_class` is an `enum stun_wire_class`, `id` 12 random bytes, or
/// those of the request that you answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_wire_begin(
    builder: *mut stun_wire_builder,
    buf: *mut u8,
    cap: usize,
    message_class: u32,
    method: u16,
    id: *const u8,
) -> stun_status {
    guarded(|| {
        // SAFETY: the caller's pointers are NULL or valid for their types and lengths; an id has 12 bytes.
        let (slot, room, id) = unsafe { (Slot::new(builder)?, buffer(buf, cap)?, bytes(id, 12)?) };
        let id = <[u8; 12]>::try_from(id).map_err(|_| Misuse(STUN_E_INVALID, "an id has 12 bytes"))?;
        let class = wire_class(message_class)?;
        let method = Method::new(method).ok_or(Misuse(STUN_E_INVALID, "a method has 12 bits"))?;
        let len =
            MessageBuilder::new(room, class, method, TransactionId::new(id)).map_err(misuse)?.finish().len();
        slot.put(stun_wire_builder { buf, cap, len, needed: len });
        Ok(STUN_OK)
    })
}

/// Adds an attribute of any type from raw bytes, with zero padding. Integrity attributes and FINGERPRINT
/// have calls of their own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_wire_add(
    builder: *mut stun_wire_builder,
    attribute_type: u16,
    value: *const u8,
    len: usize,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
    unsafe {
        extend(builder, |message| {
            let value = bytes(value, len)?;
            Ok(message.add_raw(AttributeType::new(attribute_type), value)?)
        })
    }
}

/// Adds an address, XORed where the type says so; for the types that stun_wire_address() reads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_wire_add_address(
    builder: *mut stun_wire_builder,
    attribute_type: u16,
    address: *const stun_addr,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        extend(builder, |message| {
            let address = reference(address)?.to_required()?;
            match AttributeType::new(attribute_type) {
                AttributeType::MAPPED_ADDRESS => add(message, &MappedAddress(address)),
                AttributeType::XOR_MAPPED_ADDRESS => add(message, &XorMappedAddress(address)),
                AttributeType::XOR_PEER_ADDRESS => add(message, &XorPeerAddress(address)),
                AttributeType::XOR_RELAYED_ADDRESS => add(message, &XorRelayedAddress(address)),
                AttributeType::ALTERNATE_SERVER => add(message, &AlternateServer(address)),
                AttributeType::RESPONSE_ORIGIN => add(message, &ResponseOrigin(address)),
                AttributeType::OTHER_ADDRESS => add(message, &OtherAddress(address)),
                _ => Err(Misuse(STUN_E_INVALID, "not the type of an address").into()),
            }
        })
    }
}

/// Adds ERROR-CODE: 300 to 699, and a phrase in UTF-8, which may be empty.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_wire_add_error(
    builder: *mut stun_wire_builder,
    code: u32,
    reason: *const u8,
    reason_len: usize,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
    unsafe {
        extend(builder, |message| {
            let reason = bytes(reason, reason_len)?;
            let code =
                u16::try_from(code).map_err(|_| Misuse(STUN_E_INVALID, "an error code is 300 to 699"))?;
            add(message, &ErrorCode { code, reason })
        })
    }
}

/// Adds MESSAGE-INTEGRITY (`integrity` STUN_INTEGRITY_SHA1, `len` 0 or 20) or MESSAGE-INTEGRITY-SHA256
/// (STUN_INTEGRITY_SHA256, `len` 0 for 32, or 16 to 32 in steps of 4). SHA-1 goes first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_wire_sign(
    builder: *mut stun_wire_builder,
    integrity: u32,
    key: *const stun_key,
    len: usize,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        extend(builder, |message| {
            let key = prepared(key)?;
            match (algorithm(integrity)?, len) {
                (IntegrityAlgorithm::Sha1, 0 | 20) => message.sign(key)?,
                (IntegrityAlgorithm::Sha256, 0) => message.sign_sha256(key)?,
                (IntegrityAlgorithm::Sha256, len) => message.sign_sha256_truncated(key, len)?,
                (IntegrityAlgorithm::Sha1, _) => return Err(BuildError::InvalidValue.into()),
            }
            Ok(())
        })
    }
}

/// Adds FINGERPRINT. Nothing can follow it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_wire_add_fingerprint(builder: *mut stun_wire_builder) -> stun_status {
    // SAFETY: the caller's builder is NULL or valid.
    unsafe { extend(builder, |message| Ok(message.add_fingerprint()?)) }
}

/// Continues the message in a builder's buffer, and notes how long it has become.
///
/// # Safety
/// `builder` must be NULL or valid, and its buffer writable.
unsafe fn extend(
    builder: *mut stun_wire_builder,
    body: impl FnOnce(&mut MessageBuilder<'_>) -> Result<(), Refused>,
) -> stun_status {
    guarded(|| -> Answer {
        // SAFETY: passed on from the caller.
        let (slot, state) = unsafe { (Slot::new(builder)?, *reference(builder)?) };
        // SAFETY: passed on from the caller.
        let room = unsafe { buffer(state.buf, state.cap)? };
        let mut message = MessageBuilder::resume(room, state.len)
            .map_err(|_| Misuse(STUN_E_STATE, "the builder holds no message: call stun_wire_begin()"))?;
        let result = body(&mut message);
        let len = message.finish().len();
        let needed = match result {
            Err(Refused::Build(BuildError::BufferTooSmall { needed })) => needed,
            _ => len,
        };
        slot.put(stun_wire_builder { len, needed, ..state });
        result.map(|()| STUN_OK).map_err(Misuse::from)
    })
}

/// Why a call was refused: by the core, whose error may say how much room is needed, or before it.
enum Refused {
    Build(BuildError),
    Argument(Misuse),
}

impl From<BuildError> for Refused {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

impl From<Misuse> for Refused {
    fn from(misuse: Misuse) -> Self {
        Self::Argument(misuse)
    }
}

impl From<Refused> for Misuse {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Build(error) => misuse(error),
            Refused::Argument(misuse) => misuse,
        }
    }
}

fn add<'a, A: Attribute<'a>>(message: &mut MessageBuilder<'_>, attribute: &A) -> Result<(), Refused> {
    Ok(message.add(attribute)?)
}

fn misuse(error: BuildError) -> Misuse {
    match error {
        BuildError::BufferTooSmall { .. } => Misuse(STUN_E_BUFFER, "the buffer is too small"),
        BuildError::ValueTooLong => Misuse(STUN_E_INVALID, "a value is longer than its RFC allows"),
        BuildError::InvalidValue => Misuse(STUN_E_INVALID, "a value cannot stand in that attribute"),
        BuildError::OutOfOrder => Misuse(STUN_E_STATE, "the attribute may not follow what is already there"),
    }
}
