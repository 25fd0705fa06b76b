//! Why a request was refused.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Reserved, or Family |      Reserved     |Class|     Number    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      Reason Phrase (variable)                                ..
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! RFC 8489 s14.8; RFC 8656 s18.12 puts a family of eight bits in front. Class is the hundreds digit of the
//! code, Number the rest.

use super::super::header::TransactionId;
use super::super::writer::{BuildError, ValueWriter};
use super::text::under_128_characters;
use super::{AddressFamily, Attribute, AttributeError, AttributeType, Escaped};

/// ERROR-CODE (RFC 8489 s14.8).
///
/// The phrase is for people only and may hold anything, so that no phrase makes a code unreadable. Displayed
/// it is escaped, without the NULs that some servers pad it with.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode<'a> {
    /// 300 to 699.
    pub code: u16,
    /// The phrase as it came, or fewer than 128 characters of UTF-8 to send.
    pub reason: &'a [u8],
}

/// ADDRESS-ERROR-CODE: why one of two requested families was not allocated (RFC 8656 s18.12).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressErrorCode<'a> {
    /// The family that is missing.
    pub family: AddressFamily,
    /// 300 to 699; 440 and 508 are the ones that make sense.
    pub code: u16,
    /// As in [`ErrorCode`].
    pub reason: &'a [u8],
}

/// UNKNOWN-ATTRIBUTES: which attributes a server did not understand (RFC 8489 s14.13).
#[derive(Clone, Copy)]
pub struct UnknownAttributes<'a>(List<'a>);

/// The phrase that goes with a code in the RFC that defines it; empty for a code that none does.
#[must_use]
pub const fn default_reason(code: u16) -> &'static str {
    match code {
        // RFC 8489 s14.8
        300 => "Try Alternate",
        400 => "Bad Request",
        401 => "Unauthenticated",
        420 => "Unknown Attribute",
        438 => "Stale Nonce",
        500 => "Server Error",
        // RFC 8656 s19
        403 => "Forbidden",
        437 => "Allocation Mismatch",
        440 => "Address Family not Supported",
        441 => "Wrong Credentials",
        442 => "Unsupported Transport Protocol",
        443 => "Peer Address Family Mismatch",
        486 => "Allocation Quota Reached",
        508 => "Insufficient Capacity",
        // RFC 8016 s3.4
        405 => "Mobility Forbidden",
        // RFC 6062 s6.3
        446 => "Connection Already Exists",
        447 => "Connection Timeout or Failure",
        // RFC 8445 s16.2
        487 => "Role Conflict",
        _ => "",
    }
}

impl<'a> Attribute<'a> for ErrorCode<'a> {
    const TYPE: AttributeType = AttributeType::ERROR_CODE;

    fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, AttributeError> {
        let ([_, _, class, number], reason) = value.split_first_chunk().ok_or(AttributeError::WrongLength)?;
        Ok(Self { code: code(*class, *number)?, reason })
    }

    fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        encode(0, self.code, self.reason, out)
    }
}

impl<'a> Attribute<'a> for AddressErrorCode<'a> {
    const TYPE: AttributeType = AttributeType::ADDRESS_ERROR_CODE;

    fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, AttributeError> {
        let ([family, _, class, number], reason) =
            value.split_first_chunk().ok_or(AttributeError::WrongLength)?;
        Ok(Self { family: AddressFamily::from_number(*family)?, code: code(*class, *number)?, reason })
    }

    fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        encode(self.family.number(), self.code, self.reason, out)
    }
}

impl<'a> UnknownAttributes<'a> {
    /// A list to send.
    #[must_use]
    pub const fn from_types(types: &'a [AttributeType]) -> Self {
        Self(List::Types(types))
    }

    /// The types, in order.
    pub fn iter(&self) -> impl Iterator<Item = AttributeType> + Clone + use<'a> {
        let (wire, types): (&[u8], &[AttributeType]) = match self.0 {
            List::Wire(wire) => (wire, &[]),
            List::Types(types) => (&[], types),
        };
        let decoded =
            wire.chunks_exact(2).filter_map(|pair| pair.first_chunk().copied().map(u16::from_be_bytes));
        decoded.map(AttributeType::new).chain(types.iter().copied())
    }
}

impl<'a> Attribute<'a> for UnknownAttributes<'a> {
    const TYPE: AttributeType = AttributeType::UNKNOWN_ATTRIBUTES;

    fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, AttributeError> {
        if value.len() % 2 == 0 { Ok(Self(List::Wire(value))) } else { Err(AttributeError::WrongLength) }
    }

    fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        self.iter().for_each(|ty| out.put_u16(ty.number()));
        Ok(())
    }
}

impl core::fmt::Display for ErrorCode<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {}", self.code, Escaped(without_nuls(self.reason)))
    }
}

impl core::fmt::Debug for ErrorCode<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ErrorCode({} {:?})", self.code, Escaped(self.reason))
    }
}

impl core::fmt::Display for AddressErrorCode<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}: {} {}", self.family, self.code, Escaped(without_nuls(self.reason)))
    }
}

impl core::fmt::Debug for AddressErrorCode<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "AddressErrorCode({:?} {} {:?})", self.family, self.code, Escaped(self.reason))
    }
}

impl PartialEq for UnknownAttributes<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for UnknownAttributes<'_> {}

impl core::fmt::Debug for UnknownAttributes<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Received or to be sent.
#[derive(Clone, Copy)]
enum List<'a> {
    Wire(&'a [u8]),
    Types(&'a [AttributeType]),
}

/// Class is three bits, 3 to 6; Number is 0 to 99. The reserved bits before them are ignored.
fn code(class: u8, number: u8) -> Result<u16, AttributeError> {
    let class = class & 0b111;
    if !(3..=6).contains(&class) || number > 99 {
        return Err(AttributeError::OutOfRange);
    }
    Ok(u16::from(class).saturating_mul(100).saturating_add(u16::from(number)))
}

fn encode(first: u8, code: u16, reason: &[u8], out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
    if !(300..=699).contains(&code) {
        return Err(BuildError::InvalidValue);
    }
    under_128_characters(reason)?;
    out.put(&[first, 0, (code / 100) as u8, (code % 100) as u8]);
    out.put(reason);
    Ok(())
}

fn without_nuls(mut reason: &[u8]) -> &[u8] {
    while let [rest @ .., 0] = reason {
        reason = rest;
    }
    reason
}

#[cfg(test)]
mod tests {
    use std::{string::ToString, vec, vec::Vec};

    use proptest::prelude::*;

    use super::super::testing::{decode, encode, round_trip};
    use super::*;

    #[test]
    fn only_codes_from_300_to_699_are_read_and_written() {
        for code in 0..1000 {
            let error = ErrorCode { code, reason: default_reason(code).as_bytes() };
            assert_eq!(encode(&error).is_ok(), (300..=699).contains(&code), "{code}");
        }
        for class in 0..=u8::MAX {
            for number in 0..=u8::MAX {
                let possible = (3..=6).contains(&(class & 7)) && number < 100;
                assert_eq!(decode::<ErrorCode<'_>>(&[0xFF, 0xFF, class, number]).is_ok(), possible);
            }
        }
        assert_eq!(decode::<ErrorCode<'_>>(&[0, 0, 4]), Err(AttributeError::WrongLength));
    }

    #[test]
    fn any_reason_is_kept_and_displayed_without_its_trailing_nuls() {
        let value = b"\0\0\x04\x14Unknown\xFF\n\0\0";
        let error = decode::<ErrorCode<'_>>(value).unwrap();
        assert_eq!((error.code, error.reason), (420, &b"Unknown\xFF\n\0\0"[..]));
        assert_eq!(error.to_string(), r"420 Unknown\xff\n");
        let long = [&b"\0\0\x04\x14"[..], &vec![b'a'; 764]].concat();
        assert_eq!(decode::<ErrorCode<'_>>(&long).unwrap().reason.len(), 764);
        assert_eq!(encode(&ErrorCode { code: 420, reason: &[b'a'; 128] }), Err(BuildError::ValueTooLong));
    }

    #[test]
    fn an_address_error_names_a_family() {
        let value = b"\x02\xFF\xFC\x28no";
        let error = decode::<AddressErrorCode<'_>>(value).unwrap();
        assert_eq!((error.family, error.code, error.reason), (AddressFamily::V6, 440, &b"no"[..]));
        assert_eq!(encode(&error).unwrap(), b"\x02\0\x04\x28no");
        assert_eq!(decode::<AddressErrorCode<'_>>(b"\x03\0\x04\x28"), Err(AttributeError::UnknownFamily));
    }

    #[test]
    fn a_list_of_unknown_attributes_has_whole_entries() {
        let types = [AttributeType::new(0x7FFE), AttributeType::DATA, AttributeType::new(1)];
        let value = encode(&UnknownAttributes::from_types(&types)).unwrap();
        assert_eq!(value, [0x7F, 0xFE, 0, 0x13, 0, 1]);
        assert_eq!(decode::<UnknownAttributes<'_>>(&value).unwrap().iter().collect::<Vec<_>>(), types);
        assert_eq!(decode::<UnknownAttributes<'_>>(&[0; 3]), Err(AttributeError::WrongLength));
    }

    proptest! {
        #[test]
        fn errors_survive_a_round_trip(code in 300u16..=699, reason in "\\PC{0,127}", numbers: Vec<u16>) {
            let reason = reason.as_bytes();
            let types: Vec<_> = numbers.iter().copied().map(AttributeType::new).take(100).collect();
            round_trip!(ErrorCode { code, reason }, UnknownAttributes::from_types(&types));
            round_trip!(AddressErrorCode { family: AddressFamily::V4, code, reason });
        }
    }
}
