//! Attributes of TURN (RFC 8656 s18) and of its extensions to TCP (RFC 6062) and mobility (RFC 8016).

use core::time::Duration;

use super::super::channel_data::ChannelNumber;
use super::super::header::TransactionId;
use super::super::writer::{BuildError, ValueWriter};
use super::{AddressFamily, Attribute, AttributeError, AttributeType, empty, exactly, seconds};

/// CHANNEL-NUMBER (RFC 8656 s18.1). A number outside the channels' range is refused when read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChannelNumberAttribute(pub ChannelNumber);

/// LIFETIME, in whole seconds on the wire (RFC 8656 s18.2). A fraction is dropped when written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lifetime(pub Duration);

/// DATA: what the peer sent or shall receive (RFC 8656 s18.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Data<'a>(pub &'a [u8]);

/// REQUESTED-ADDRESS-FAMILY (RFC 8656 s18.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestedAddressFamily(pub AddressFamily);

/// ADDITIONAL-ADDRESS-FAMILY (RFC 8656 s18.11). Only IPv6 makes sense in an Allocate request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AdditionalAddressFamily(pub AddressFamily);

/// EVEN-PORT (RFC 8656 s18.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EvenPort {
    /// Whether the next-higher port shall be reserved for a second allocation.
    pub reserves_next: bool,
}

/// REQUESTED-TRANSPORT: a protocol number of IP (RFC 8656 s18.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestedTransport(pub u8);

/// DONT-FRAGMENT (RFC 8656 s18.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DontFragment;

/// RESERVATION-TOKEN (RFC 8656 s18.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReservationToken(pub [u8; 8]);

/// ICMP: what came back instead of data (RFC 8656 s18.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Icmp {
    /// The ICMP or ICMPv6 type, by the family of XOR-PEER-ADDRESS.
    pub icmp_type: u8,
    /// The code within that type.
    pub code: u8,
    /// The MTU of the next hop where the packet was too big, otherwise 0.
    pub data: u32,
}

/// CONNECTION-ID: a connection to a peer (RFC 6062 s6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub u32);

/// MOBILITY-TICKET: opaque; empty when asking for one (RFC 8016 s3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MobilityTicket<'a>(pub &'a [u8]);

impl RequestedTransport {
    /// The only one that RFC 8656 allows.
    pub const UDP: Self = Self(17);
    /// RFC 6062 s4.1.
    pub const TCP: Self = Self(6);
}

impl Attribute<'_> for ChannelNumberAttribute {
    const TYPE: AttributeType = AttributeType::CHANNEL_NUMBER;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
        let [n0, n1, _, _] = exactly(value)?;
        ChannelNumber::new(u16::from_be_bytes([n0, n1])).map(Self).ok_or(AttributeError::OutOfRange)
    }

    fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        out.put_u16(self.0.number());
        out.put_u16(0);
        Ok(())
    }
}

impl Attribute<'_> for Lifetime {
    const TYPE: AttributeType = AttributeType::LIFETIME;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
        exactly(value).map(|bytes| Self(Duration::from_secs(u32::from_be_bytes(bytes).into())))
    }

    fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        out.put_u32(seconds(self.0)?);
        Ok(())
    }
}

macro_rules! bytes_attributes {
    ($($name:ident = $ty:ident;)*) => {$(
        impl<'a> Attribute<'a> for $name<'a> {
            const TYPE: AttributeType = AttributeType::$ty;

            fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, AttributeError> {
                Ok(Self(value))
            }

            fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
                out.put(self.0);
                Ok(())
            }
        }
    )*};
}

bytes_attributes! {
    Data = DATA;
    MobilityTicket = MOBILITY_TICKET;
}

/// One byte, then three reserved ones: zero when written, ignored when read.
macro_rules! family_attributes {
    ($($name:ident = $ty:ident;)*) => {$(
        impl Attribute<'_> for $name {
            const TYPE: AttributeType = AttributeType::$ty;

            fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
                let [family, _, _, _] = exactly(value)?;
                AddressFamily::from_number(family).map(Self)
            }

            fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
                out.put(&[self.0.number(), 0, 0, 0]);
                Ok(())
            }
        }
    )*};
}

family_attributes! {
    RequestedAddressFamily = REQUESTED_ADDRESS_FAMILY;
    AdditionalAddressFamily = ADDITIONAL_ADDRESS_FAMILY;
}

impl Attribute<'_> for EvenPort {
    const TYPE: AttributeType = AttributeType::EVEN_PORT;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
        let [flags] = exactly(value)?;
        Ok(Self { reserves_next: flags & EVEN_PORT_R != 0 })
    }

    fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        out.put_u8(if self.reserves_next { EVEN_PORT_R } else { 0 });
        Ok(())
    }
}

impl Attribute<'_> for RequestedTransport {
    const TYPE: AttributeType = AttributeType::REQUESTED_TRANSPORT;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
        let [protocol, _, _, _] = exactly(value)?;
        Ok(Self(protocol))
    }

    fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        out.put(&[self.0, 0, 0, 0]);
        Ok(())
    }
}

impl Attribute<'_> for DontFragment {
    const TYPE: AttributeType = AttributeType::DONT_FRAGMENT;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
        empty(value).map(|()| Self)
    }

    fn encode(&self, _: &TransactionId, _: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        Ok(())
    }
}

impl Attribute<'_> for ReservationToken {
    const TYPE: AttributeType = AttributeType::RESERVATION_TOKEN;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
        exactly(value).map(Self)
    }

    fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        out.put(&self.0);
        Ok(())
    }
}

/// ```text
///  |  Reserved                     |   ICMP Type   |   ICMP Code   |
///  |                          Error Data                           |
/// ```
/// Eight bits each, as all servers write them; the figure of RFC 8656 s18.13 draws seven and nine.
impl Attribute<'_> for Icmp {
    const TYPE: AttributeType = AttributeType::ICMP;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
        let [_, _, icmp_type, code, d0, d1, d2, d3] = exactly(value)?;
        Ok(Self { icmp_type, code, data: u32::from_be_bytes([d0, d1, d2, d3]) })
    }

    fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        out.put(&[0, 0, self.icmp_type, self.code]);
        out.put_u32(self.data);
        Ok(())
    }
}

impl Attribute<'_> for ConnectionId {
    const TYPE: AttributeType = AttributeType::CONNECTION_ID;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
        exactly(value).map(u32::from_be_bytes).map(Self)
    }

    fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        out.put_u32(self.0);
        Ok(())
    }
}

/// The R bit of EVEN-PORT; the other seven are reserved.
const EVEN_PORT_R: u8 = 0x80;

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::super::testing::{decode, encode, round_trip};
    use super::*;

    #[test]
    fn a_channel_number_is_in_the_channels_range() {
        assert_eq!(decode::<ChannelNumberAttribute>(&[0x3F, 0xFF, 0, 0]), Err(AttributeError::OutOfRange));
        assert_eq!(decode::<ChannelNumberAttribute>(&[0x50, 0, 0, 0]), Err(AttributeError::OutOfRange));
        let number = ChannelNumber::new(0x4FFF).unwrap();
        assert_eq!(decode(&[0x4F, 0xFF, 0xAA, 0xAA]), Ok(ChannelNumberAttribute(number)));
    }

    #[test]
    fn reserved_bits_are_ignored_when_read_and_zero_when_written() {
        assert_eq!(decode(&[0x7F]), Ok(EvenPort { reserves_next: false }));
        assert_eq!(decode(&[0xFF]), Ok(EvenPort { reserves_next: true }));
        assert_eq!(encode(&EvenPort { reserves_next: true }), Ok([0x80].into()));
        assert_eq!(decode(&[17, 1, 2, 3]), Ok(RequestedTransport::UDP));
        assert_eq!(encode(&RequestedTransport::UDP), Ok([17, 0, 0, 0].into()));
        assert_eq!(decode(&[2, 1, 2, 3]), Ok(RequestedAddressFamily(AddressFamily::V6)));
        assert_eq!(decode::<AdditionalAddressFamily>(&[0; 4]), Err(AttributeError::UnknownFamily));
        assert_eq!(decode(&[9, 9, 3, 4, 0, 0, 5, 0]), Ok(Icmp { icmp_type: 3, code: 4, data: 1280 }));
    }

    #[test]
    fn a_lifetime_that_the_wire_cannot_carry_is_refused() {
        assert_eq!(encode(&Lifetime(Duration::from_millis(1999))), Ok([0, 0, 0, 1].into()));
        assert_eq!(encode(&Lifetime(Duration::MAX)), Err(BuildError::InvalidValue));
    }

    proptest! {
        #[test]
        fn turn_attributes_survive_a_round_trip(
            number in 0x4000u16..=0x4FFF, word: u32, token: [u8; 8], bytes: Vec<u8>, byte: u8, flag: bool,
        ) {
            let family = if flag { AddressFamily::V4 } else { AddressFamily::V6 };
            round_trip!(ChannelNumberAttribute(ChannelNumber::new(number).unwrap()));
            round_trip!(Lifetime(Duration::from_secs(word.into())), ConnectionId(word), ReservationToken(token));
            round_trip!(Data(&bytes), MobilityTicket(&bytes), DontFragment, EvenPort { reserves_next: flag });
            round_trip!(RequestedAddressFamily(family), AdditionalAddressFamily(family), RequestedTransport(byte));
            round_trip!(Icmp { icmp_type: byte, code: !byte, data: word });
        }
    }
}
