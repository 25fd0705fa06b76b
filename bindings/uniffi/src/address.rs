//! Addresses as three numbers: the 24 bytes of a `stun_addr` in `include/stun.h`, read as little-endian words.
//!
//! | word | bits |
//! |---|---|
//! | `tag` | 0 to 7 the family: 4, 6, or 0 for none; 16 to 31 the port; 32 to 63 the zone of a link-local IPv6 address |
//! | `low` | the first 8 bytes of the IP address, the first of them in bits 0 to 7; an IPv4 address has four |
//! | `high` | the last 8 bytes of an IPv6 address |

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use libstun::FiveTuple;
use libstun_flat::codes;

use crate::error::{Refusal, invalid};

/// An address in commands. One that means a host alone has port 0; one that is not there is all zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Endpoint {
    /// Family, port and zone.
    pub tag: u64,
    /// The first 8 bytes of the IP address.
    pub low: u64,
    /// The last 8.
    pub high: u64,
}

impl Endpoint {
    /// No address.
    pub(crate) const NONE: Self = Self { tag: 0, low: 0, high: 0 };

    /// The address, or `None` if there is none.
    ///
    /// # Errors
    /// The family is none that is known, or there are bits where none belong.
    pub(crate) fn to_optional(self) -> Result<Option<SocketAddr>, Refusal> {
        let [family, _, port @ .., a, b, c, d] = self.tag.to_le_bytes();
        let (port, scope) = (u16::from_le_bytes(port), u32::from_le_bytes([a, b, c, d]));
        let address: Option<SocketAddr> = match family {
            0 => None,
            4 => {
                let [a, b, c, d, ..] = self.low.to_le_bytes();
                Some(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), port))
            }
            6 => {
                let bits = u128::from(self.high.swap_bytes()) | u128::from(self.low.swap_bytes()) << 64;
                Some(SocketAddrV6::new(Ipv6Addr::from_bits(bits), port, 0, scope).into())
            }
            _ => return Err(invalid("an address has a family other than 0, 4 and 6")),
        };
        // One whose family was forgotten must not pass as none.
        if address.map_or(Self::NONE, Self::from) != self {
            return Err(invalid("an address has a bit that means nothing"));
        }
        Ok(address)
    }

    /// The address, which has to be there.
    ///
    /// # Errors
    /// It is not, or is none.
    pub(crate) fn to_required(self) -> Result<SocketAddr, Refusal> {
        self.to_optional()?.ok_or_else(|| invalid("an address that must be given is missing"))
    }

    /// The same without its port.
    pub(crate) fn to_host(self) -> Result<IpAddr, Refusal> {
        self.to_required().map(|address| address.ip())
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        let tag = |family: u64, scope: u32| family | u64::from(address.port()) << 16 | u64::from(scope) << 32;
        match address {
            SocketAddr::V4(v4) => {
                let [a, b, c, d] = v4.ip().octets();
                Self { tag: tag(4, 0), low: u64::from_le_bytes([a, b, c, d, 0, 0, 0, 0]), high: 0 }
            }
            SocketAddr::V6(v6) => {
                let bits = v6.ip().to_bits();
                // Each half keeps the order of the bytes on the wire.
                let (first, last) = ((bits >> 64) as u64, bits as u64);
                Self { tag: tag(6, v6.scope_id()), low: first.swap_bytes(), high: last.swap_bytes() }
            }
        }
    }
}

/// A path. A local address that is missing is unspecified, and of the remote's family.
///
/// # Errors
/// An address is none, or the families differ, or there is no such transport.
pub(crate) fn path(transport: u32, local: Endpoint, remote: Endpoint) -> Result<FiveTuple, Refusal> {
    let remote = remote.to_required()?;
    let unspecified: IpAddr =
        if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let local = local.to_optional()?.unwrap_or(SocketAddr::new(unspecified, 0));
    if local.is_ipv4() != remote.is_ipv4() {
        return Err(invalid("local and remote address are of different families"));
    }
    Ok(FiveTuple { transport: codes::transport(transport)?, local, remote })
}

/// What a packet says beside its addresses and bytes: bits 0 to 7 the transport, 8 and 9 the ECN bits, 32 to 63 the
/// number of the host's socket.
#[derive(Clone, Copy)]
pub(crate) struct Meta {
    pub(crate) transport: u32,
    pub(crate) ecn: u8,
    pub(crate) socket_id: u32,
}

impl TryFrom<u64> for Meta {
    type Error = Refusal;

    fn try_from(bits: u64) -> Result<Self, Refusal> {
        let [transport, ecn, 0, 0, a, b, c, d] = bits.to_le_bytes() else {
            return Err(invalid("a packet has a bit that means nothing"));
        };
        if ecn > 3 {
            return Err(invalid("ECN has two bits"));
        }
        Ok(Self { transport: transport.into(), ecn, socket_id: u32::from_le_bytes([a, b, c, d]) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test may

    use super::*;

    #[test]
    fn an_address_comes_back_as_it_went() {
        for text in ["192.0.2.1:3478", "255.255.255.255:65535", "[2001:db8::1:2]:1", "[fe80::1%7]:9"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Endpoint::from(address).to_required().unwrap(), address);
        }
    }

    #[test]
    fn the_words_are_the_bytes_of_a_stun_addr() {
        let address = Endpoint::from("[2001:db8::f]:513".parse::<SocketAddr>().unwrap());
        assert_eq!(address.tag.to_le_bytes(), [6, 0, 1, 2, 0, 0, 0, 0]);
        assert_eq!(address.low.to_le_bytes(), [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0]);
        assert_eq!(address.high.to_le_bytes(), [0, 0, 0, 0, 0, 0, 0, 0xf]);
        let address = Endpoint::from("192.0.2.1:513".parse::<SocketAddr>().unwrap());
        assert_eq!((address.tag.to_le_bytes(), address.high), ([4, 0, 1, 2, 0, 0, 0, 0], 0));
        assert_eq!(address.low.to_le_bytes(), [192, 0, 2, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert_eq!(Endpoint::NONE.to_optional(), Ok(None));
        assert!(Endpoint::NONE.to_required().is_err());
        for tag in [1, 5, 255, 0x104] {
            assert!(Endpoint { tag, ..Endpoint::NONE }.to_optional().is_err(), "{tag:#x}");
        }
    }

    #[test]
    fn an_address_with_bits_where_none_belong_is_refused() {
        let four = Endpoint::from("192.0.2.1:1".parse::<SocketAddr>().unwrap());
        for forgotten in [Endpoint { tag: 0, ..four }, Endpoint { tag: 1 << 16, ..Endpoint::NONE }] {
            assert!(forgotten.to_optional().is_err(), "the family was forgotten: {forgotten:?}");
        }
        let zone = Endpoint { tag: four.tag | 1 << 32, ..four };
        for long in [zone, Endpoint { low: four.low | 1 << 32, ..four }, Endpoint { high: 1, ..four }] {
            assert!(long.to_optional().is_err(), "an IPv4 address has four bytes and no zone: {long:?}");
        }
    }

    #[test]
    fn a_path_is_of_one_family() {
        let (four, six) = ("192.0.2.1:1", "[2001:db8::1]:1");
        let [four, six] = [four, six].map(|text| Endpoint::from(text.parse::<SocketAddr>().unwrap()));
        assert!(path(0, four, six).is_err() && path(3, four, four).is_err());
        assert!(path(0, Endpoint::NONE, Endpoint::NONE).is_err());
        assert!(path(2, Endpoint::NONE, six).unwrap().local.is_ipv6());
    }

    #[test]
    fn bits_that_mean_nothing_are_refused() {
        let meta = Meta::try_from(9 << 32 | 3 << 8 | 1).unwrap();
        assert_eq!((meta.transport, meta.ecn, meta.socket_id), (1, 3, 9));
        assert!(Meta::try_from(4 << 8).is_err() && Meta::try_from(1 << 16).is_err());
    }
}
