//! What a datagram is, and what a message says of itself.

use libstun::wire::{Class, Classification, Integrity};

use super::stun_status_code::STUN_E_INVALID;
use crate::Misuse;

/// Values of `stun_wire_message.message_class`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_wire_class {
    /// Asks for an answer.
    STUN_WIRE_REQUEST = 0,
    /// Asks for none.
    STUN_WIRE_INDICATION = 1,
    /// The answer: done.
    STUN_WIRE_SUCCESS_RESPONSE = 2,
    /// The answer: not done.
    STUN_WIRE_ERROR_RESPONSE = 3,
}

/// The result of a check.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_check_code {
    /// The message does not carry it.
    STUN_CHECK_ABSENT = 0,
    /// It is what it should be.
    STUN_CHECK_VALID = 1,
    /// It is not.
    STUN_CHECK_INVALID = 2,
}

/// What a datagram looks like (RFC 7983, with the magic cookie and the length of STUN checked as well).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_protocol_code {
    /// None of these.
    STUN_PROTOCOL_UNKNOWN = 0,
    /// STUN.
    STUN_PROTOCOL_STUN = 1,
    /// TURN ChannelData.
    STUN_PROTOCOL_CHANNEL_DATA = 2,
    /// DTLS.
    STUN_PROTOCOL_DTLS = 3,
    /// RTP or RTCP.
    STUN_PROTOCOL_RTP = 4,
    /// ZRTP.
    STUN_PROTOCOL_ZRTP = 5,
    /// QUIC.
    STUN_PROTOCOL_QUIC = 6,
    /// WireGuard.
    STUN_PROTOCOL_WIREGUARD = 7,
}

/// A class, from its number.
///
/// # Errors
/// There is none of that number.
pub const fn wire_class(code: u32) -> Result<Class, Misuse> {
    Ok(match code {
        0 => Class::Request,
        1 => Class::Indication,
        2 => Class::SuccessResponse,
        3 => Class::ErrorResponse,
        _ => return Err(Misuse(STUN_E_INVALID, "message_class is no stun_wire_class")),
    })
}

/// The number of a class.
#[must_use]
pub const fn wire_class_code(class: Class) -> stun_wire_class {
    match class {
        Class::Request => stun_wire_class::STUN_WIRE_REQUEST,
        Class::Indication => stun_wire_class::STUN_WIRE_INDICATION,
        Class::SuccessResponse => stun_wire_class::STUN_WIRE_SUCCESS_RESPONSE,
        Class::ErrorResponse => stun_wire_class::STUN_WIRE_ERROR_RESPONSE,
    }
}

/// What came of a check.
#[must_use]
pub const fn check_code(verdict: Integrity) -> stun_check_code {
    match verdict {
        Integrity::Absent => stun_check_code::STUN_CHECK_ABSENT,
        Integrity::Valid => stun_check_code::STUN_CHECK_VALID,
        Integrity::Invalid => stun_check_code::STUN_CHECK_INVALID,
    }
}

/// What a datagram looks like.
#[must_use]
pub const fn protocol_code(found: Classification) -> stun_protocol_code {
    match found {
        Classification::Stun => stun_protocol_code::STUN_PROTOCOL_STUN,
        Classification::ChannelData => stun_protocol_code::STUN_PROTOCOL_CHANNEL_DATA,
        Classification::Dtls => stun_protocol_code::STUN_PROTOCOL_DTLS,
        Classification::Rtp => stun_protocol_code::STUN_PROTOCOL_RTP,
        Classification::Zrtp => stun_protocol_code::STUN_PROTOCOL_ZRTP,
        Classification::Quic => stun_protocol_code::STUN_PROTOCOL_QUIC,
        Classification::WireGuard => stun_protocol_code::STUN_PROTOCOL_WIREGUARD,
        _ => stun_protocol_code::STUN_PROTOCOL_UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_comes_back_from_its_number() {
        for class in [Class::Request, Class::Indication, Class::SuccessResponse, Class::ErrorResponse] {
            assert_eq!(wire_class(wire_class_code(class) as u32), Ok(class));
        }
        assert!(wire_class(4).is_err() && wire_class(u32::MAX).is_err());
    }
}
