//! Addresses, plain and XORed with cookie and transaction id.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |0 0 0 0 0 0 0 0|    Family     |         (X-)Port              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                (X-)Address (32 bits or 128 bits)
//! ```
//!
//! RFC 8489 s14.1, s14.2. The first byte is ignored when reading. XOR hides an address from middleboxes
//! that rewrite every occurrence of one they know.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::super::header::{MAGIC_COOKIE, TransactionId};
use super::super::writer::{BuildError, ValueWriter};
use super::{Attribute, AttributeError, AttributeType};

/// The family of an address (RFC 8489 s14.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl AddressFamily {
    /// That of an address.
    #[must_use]
    pub const fn of(ip: &IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V4 => 1,
            Self::V6 => 2,
        }
    }

    pub(super) const fn from_number(number: u8) -> Result<Self, AttributeError> {
        match number {
            1 => Ok(Self::V4),
            2 => Ok(Self::V6),
            _ => Err(AttributeError::UnknownFamily),
        }
    }
}

macro_rules! address_attributes {
    ($($(#[$doc:meta])* $name:ident = $ty:ident, $mask:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name(pub SocketAddr);

        impl Attribute<'_> for $name {
            const TYPE: AttributeType = AttributeType::$ty;

            fn decode(value: &[u8], id: &TransactionId) -> Result<Self, AttributeError> {
                decode(value, $mask(id)).map(Self)
            }

            fn encode(&self, id: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
                encode(self.0, $mask(id), out);
                Ok(())
            }
        }
    )*};
}

address_attributes! {
    /// MAPPED-ADDRESS: the source as the server saw it, in the clear (RFC 8489 s14.1).
    MappedAddress = MAPPED_ADDRESS, plain;
    /// XOR-MAPPED-ADDRESS: the source as the server saw it (RFC 8489 s14.2).
    XorMappedAddress = XOR_MAPPED_ADDRESS, masked;
    /// ALTERNATE-SERVER: the server to ask instead; may stand more than once (RFC 8489 s14.15).
    AlternateServer = ALTERNATE_SERVER, plain;
    /// RESPONSE-ORIGIN: where the response was sent from (RFC 5780 s7.3).
    ResponseOrigin = RESPONSE_ORIGIN, plain;
    /// OTHER-ADDRESS: where the server would send from if asked to change both (RFC 5780 s7.4).
    OtherAddress = OTHER_ADDRESS, plain;
    /// XOR-PEER-ADDRESS: the peer beyond the relay; may stand more than once (RFC 8656 s18.3).
    XorPeerAddress = XOR_PEER_ADDRESS, masked;
    /// XOR-RELAYED-ADDRESS: the relayed transport address (RFC 8656 s18.5).
    XorRelayedAddress = XOR_RELAYED_ADDRESS, masked;
}

/// What port and address are XORed with: the cookie, then the transaction id.
type Mask = [u8; 16];

fn plain(_: &TransactionId) -> Mask {
    [0; 16]
}

fn masked(id: &TransactionId) -> Mask {
    let [c0, c1, c2, c3] = MAGIC_COOKIE.to_be_bytes();
    let [i0, i1, i2, i3, i4, i5, i6, i7, i8, i9, i10, i11] = *id.as_bytes();
    [c0, c1, c2, c3, i0, i1, i2, i3, i4, i5, i6, i7, i8, i9, i10, i11]
}

fn decode(value: &[u8], mask: Mask) -> Result<SocketAddr, AttributeError> {
    let ([_, family, p0, p1], address) = value.split_first_chunk().ok_or(AttributeError::WrongLength)?;
    let [m0, m1, m2, m3, ..] = mask;
    let port = u16::from_be_bytes([p0 ^ m0, p1 ^ m1]);
    let ip = match AddressFamily::from_number(*family)? {
        AddressFamily::V4 => {
            let [a, b, c, d] = super::exactly(address)?;
            IpAddr::V4(Ipv4Addr::new(a ^ m0, b ^ m1, c ^ m2, d ^ m3))
        }
        AddressFamily::V6 => {
            let bytes = u128::from_be_bytes(super::exactly(address)?);
            IpAddr::V6(Ipv6Addr::from_bits(bytes ^ u128::from_be_bytes(mask)))
        }
    };
    Ok(SocketAddr::new(ip, port))
}

fn encode(address: SocketAddr, mask: Mask, out: &mut ValueWriter<'_>) {
    let [m0, m1, m2, m3, ..] = mask;
    let port = address.port() ^ u16::from_be_bytes([m0, m1]);
    out.put(&[0, AddressFamily::of(&address.ip()).number()]);
    out.put_u16(port);
    match address.ip() {
        IpAddr::V4(ip) => out.put_u32(ip.to_bits() ^ u32::from_be_bytes([m0, m1, m2, m3])),
        IpAddr::V6(ip) => out.put(&(ip.to_bits() ^ u128::from_be_bytes(mask)).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{decode, encode, round_trip};
    use super::*;

    #[test]
    fn an_address_has_the_length_of_its_family() {
        for length in 0..32 {
            let v4 = [&[0xFF, 1, 0x12, 0x34][..], &[0; 28]].concat();
            let v6 = [&[0xFF, 2, 0x12, 0x34][..], &[0; 28]].concat();
            assert_eq!(decode::<XorMappedAddress>(v4.get(..length).unwrap()).is_ok(), length == 8);
            assert_eq!(decode::<MappedAddress>(v6.get(..length).unwrap()).is_ok(), length == 20);
        }
        for family in [0, 3, 255] {
            let value = [0, family, 0, 0, 0, 0, 0, 0];
            assert_eq!(decode::<XorPeerAddress>(&value), Err(AttributeError::UnknownFamily));
        }
    }

    #[test]
    fn an_xored_address_hides_the_plain_one() {
        let address = "192.0.2.1:32853".parse().unwrap();
        assert_eq!(encode(&XorMappedAddress(address)), Ok([0, 1, 0xA1, 0x47, 0xE1, 0x12, 0xA6, 0x43].into()));
        assert_eq!(encode(&MappedAddress(address)), Ok([0, 1, 0x80, 0x55, 192, 0, 2, 1].into()));
    }

    proptest! {
        #[test]
        fn every_address_survives_a_round_trip(ip: IpAddr, port: u16) {
            let address = SocketAddr::new(ip, port);
            round_trip!(MappedAddress(address), XorMappedAddress(address), AlternateServer(address));
            round_trip!(ResponseOrigin(address), OtherAddress(address));
            round_trip!(XorPeerAddress(address), XorRelayedAddress(address));
        }

        #[test]
        fn the_mask_depends_on_the_transaction_id_for_ipv6_alone(ip: IpAddr, port: u16, id: [u8; 12]) {
            let value = encode(&XorMappedAddress(SocketAddr::new(ip, port))).unwrap();
            let read = XorMappedAddress::decode(&value, &TransactionId::new(id)).unwrap().0;
            prop_assert_eq!(read.port(), port);
            prop_assert_eq!(read.ip() == ip, ip.is_ipv4() || id == *super::super::testing::ID.as_bytes());
        }
    }
}
