//! Attributes of NAT behaviour discovery (RFC 5780 s7).

use core::time::Duration;

use super::super::header::TransactionId;
use super::super::writer::{BuildError, ValueWriter};
use super::{Attribute, AttributeError, AttributeType, exactly, seconds};

/// CHANGE-REQUEST: answer from elsewhere (RFC 5780 s7.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ChangeRequest {
    /// From another IP address.
    pub change_ip: bool,
    /// From another port.
    pub change_port: bool,
}

/// PADDING: makes a message long enough to be fragmented; the bytes do not matter (RFC 5780 s7.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Padding<'a>(pub &'a [u8]);

/// RESPONSE-PORT: answer to this port of the same address (RFC 5780 s7.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResponsePort(pub u16);

/// CACHE-TIMEOUT, in whole seconds on the wire. RFC 5780 s9.1 registers it and nothing but the drafts
/// before it says what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CacheTimeout(pub Duration);

impl Attribute<'_> for ChangeRequest {
    const TYPE: AttributeType = AttributeType::CHANGE_REQUEST;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
        let flags = u32::from_be_bytes(exactly(value)?);
        Ok(Self { change_ip: flags & CHANGE_IP != 0, change_port: flags & CHANGE_PORT != 0 })
    }

    fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        let ip = if self.change_ip { CHANGE_IP } else { 0 };
        let port = if self.change_port { CHANGE_PORT } else { 0 };
        out.put_u32(ip | port);
        Ok(())
    }
}

impl<'a> Attribute<'a> for Padding<'a> {
    const TYPE: AttributeType = AttributeType::PADDING;

    fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, AttributeError> {
        Ok(Self(value))
    }

    fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        out.put(self.0);
        Ok(())
    }
}

/// "A 16-bit unsigned integer followed by 2 bytes of padding": servers disagree whether Length counts the
/// padding, so both are read. Four bytes are written, as coturn does.
impl Attribute<'_> for ResponsePort {
    const TYPE: AttributeType = AttributeType::RESPONSE_PORT;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
        match value {
            [p0, p1] | [p0, p1, _, _] => Ok(Self(u16::from_be_bytes([*p0, *p1]))),
            _ => Err(AttributeError::WrongLength),
        }
    }

    fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        out.put_u16(self.0);
        out.put_u16(0);
        Ok(())
    }
}

impl Attribute<'_> for CacheTimeout {
    const TYPE: AttributeType = AttributeType::CACHE_TIMEOUT;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
        exactly(value).map(|bytes| Self(Duration::from_secs(u32::from_be_bytes(bytes).into())))
    }

    fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        out.put_u32(seconds(self.0)?);
        Ok(())
    }
}

/// The A and B flags of CHANGE-REQUEST; all others are zero.
const CHANGE_IP: u32 = 4;
const CHANGE_PORT: u32 = 2;

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::super::testing::{decode, encode, round_trip};
    use super::*;

    #[test]
    fn change_flags_stand_where_the_rfc_draws_them() {
        assert_eq!(encode(&ChangeRequest { change_ip: true, change_port: false }), Ok([0, 0, 0, 4].into()));
        assert_eq!(encode(&ChangeRequest { change_ip: false, change_port: true }), Ok([0, 0, 0, 2].into()));
        assert_eq!(decode(&[0xFF, 0xFF, 0xFF, 0xF9]), Ok(ChangeRequest::default()));
    }

    #[test]
    fn a_response_port_may_count_its_padding_or_not() {
        assert_eq!(decode(&[0x12, 0x34]), Ok(ResponsePort(0x1234)));
        assert_eq!(decode(&[0x12, 0x34, 1, 1]), Ok(ResponsePort(0x1234)));
        assert_eq!(decode::<ResponsePort>(&[0x12, 0x34, 1]), Err(AttributeError::WrongLength));
    }

    proptest! {
        #[test]
        fn nat_attributes_survive_a_round_trip(
            change_ip: bool, change_port: bool, bytes: Vec<u8>, port: u16, timeout: u32,
        ) {
            round_trip!(ChangeRequest { change_ip, change_port }, Padding(&bytes), ResponsePort(port));
            round_trip!(CacheTimeout(Duration::from_secs(timeout.into())));
        }
    }
}
