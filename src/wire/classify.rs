//! Which protocol a datagram belongs to, where several share a port (RFC 7983, RFC 9443).

use super::channel_data::ChannelData;
use super::header::{HEADER_LENGTH, MAGIC_COOKIE};

/// What a datagram looks like from outside.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Classification {
    /// STUN: first byte, cookie and Length all agree.
    Stun,
    /// TURN ChannelData: a channel's number, and a Length that fits.
    ChannelData,
    /// DTLS.
    Dtls,
    /// RTP or RTCP.
    Rtp,
    /// ZRTP.
    Zrtp,
    /// QUIC.
    Quic,
    /// WireGuard: type, reserved zeros and length all agree.
    WireGuard,
    /// None of these.
    Unknown,
}

/// Says which protocol a datagram belongs to.
///
/// ```text
///                 +------------------+
///                 |          [0..3] -+--> STUN, if cookie and Length agree
///                 |          [1..4] -+--> WireGuard, if zeros and length agree
///                 |        [16..19] -+--> ZRTP
///                 |        [20..63] -+--> DTLS
///     packet -->  |        [64..79] -+--> ChannelData, if Length fits; else QUIC
///                 |       [80..127] -+--> QUIC
///                 |      [128..191] -+--> RTP, RTCP
///                 |      [192..255] -+--> QUIC
///                 +------------------+
/// ```
///
/// The first byte alone does not tell STUN from WireGuard, whose types are 1 to 4. From 64 to 79 it does not
/// tell ChannelData from a QUIC packet with a short header, and the check of Length errs once in a while:
/// RFC 9443 s3 decides by the source, which only the host and its TURN machine know. A STUN method above
/// 0xFF has a first byte that RFC 7983 gives to others.
///
/// ```
/// use libstun::wire::{Classification, classify};
/// assert_eq!(classify(&[22, 254, 253]), Classification::Dtls);
/// assert_eq!(classify(b"\x40\x00\x00\x02hi"), Classification::ChannelData);
/// ```
#[must_use]
pub fn classify(datagram: &[u8]) -> Classification {
    match datagram.first() {
        Some(0..=3) if is_stun(datagram) => Classification::Stun,
        Some(1..=4) if is_wireguard(datagram) => Classification::WireGuard,
        Some(16..=19) => Classification::Zrtp,
        Some(20..=63) => Classification::Dtls,
        Some(64..=79) if ChannelData::parse_datagram(datagram).is_ok() => Classification::ChannelData,
        Some(128..=191) => Classification::Rtp,
        Some(64..=127 | 192..=255) if datagram.len() >= QUIC_MIN_LENGTH => Classification::Quic,
        _ => Classification::Unknown,
    }
}

/// Length must agree with the datagram: a message that does not end where the datagram does is none
/// (RFC 8489 s6.3).
fn is_stun(datagram: &[u8]) -> bool {
    let Some(([_, _, l0, l1, cookie @ ..], body)) = datagram.split_first_chunk::<HEADER_LENGTH>() else {
        return false;
    };
    let length = usize::from(u16::from_be_bytes([*l0, *l1]));
    cookie.starts_with(&MAGIC_COOKIE.to_be_bytes()) && length == body.len() && length % 4 == 0
}

/// Message type, three reserved zeros, then a fixed length for each type; data is sealed in blocks of 16.
fn is_wireguard(datagram: &[u8]) -> bool {
    match (datagram, datagram.len()) {
        ([1, 0, 0, 0, ..], 148) | ([2, 0, 0, 0, ..], 92) | ([3, 0, 0, 0, ..], 64) => true,
        ([4, 0, 0, 0, ..], length) => length >= 32 && length % 16 == 0,
        _ => false,
    }
}

/// Nothing shorter is a valid QUIC packet (RFC 9000 s10.3).
const QUIC_MIN_LENGTH: usize = 21;

#[cfg(test)]
mod tests {
    use std::vec;

    use super::super::{Class, MessageBuilder, Method, TransactionId};
    use super::*;

    #[test]
    fn the_first_byte_leads_where_rfc_7983_and_rfc_9443_say() {
        for first in 0..=u8::MAX {
            let mut datagram = [0xFF; 40];
            datagram[0] = first;
            let expected = match first {
                16..=19 => Classification::Zrtp,
                20..=63 => Classification::Dtls,
                128..=191 => Classification::Rtp,
                64..=127 | 192..=255 => Classification::Quic,
                _ => Classification::Unknown,
            };
            assert_eq!(classify(&datagram), expected, "{first}");
        }
        assert_eq!(classify(&[]), Classification::Unknown);
    }

    #[test]
    fn wireguard_is_not_taken_for_stun() {
        for (ty, length) in [(1, 148), (2, 92), (3, 64), (4, 32), (4, 1424)] {
            let mut datagram = vec![0xC5; length];
            datagram[..4].copy_from_slice(&[ty, 0, 0, 0]);
            assert_eq!(classify(&datagram), Classification::WireGuard);
            assert_eq!(classify(&datagram[..length - 1]), Classification::Unknown);
            datagram[3] = 1;
            assert_eq!(classify(&datagram), Classification::Unknown);
        }
    }

    #[test]
    fn stun_needs_its_cookie_and_its_length() {
        let mut buffer = [0; 40];
        let id = TransactionId::new([9; 12]);
        let mut builder = MessageBuilder::new(&mut buffer, Class::Request, Method::BINDING, id).unwrap();
        builder.add_fingerprint().unwrap();
        let message = builder.finish().to_vec();
        assert_eq!(classify(&message), Classification::Stun);
        for broken in [3, 4, 7] {
            let mut message = message.clone();
            message[broken] ^= 1;
            assert_eq!(classify(&message), Classification::Unknown);
        }
        assert_eq!(classify(&message[..27]), Classification::Unknown);
    }

    #[test]
    fn a_channel_needs_a_length_that_fits() {
        assert_eq!(classify(b"\x4F\xFF\x00\x05hello"), Classification::ChannelData);
        assert_eq!(classify(b"\x4F\xFF\x00\x06hello"), Classification::Unknown);
        assert_eq!(classify(b"\x50\x00\x00\x05hello"), Classification::Unknown);
    }

    #[test]
    fn every_message_with_a_low_method_is_stun() {
        for method in (0..=0xFFF).filter_map(Method::new) {
            for class in [Class::Request, Class::Indication, Class::SuccessResponse, Class::ErrorResponse] {
                let mut buffer = [0; 20];
                let id = TransactionId::new([9; 12]);
                let message = MessageBuilder::new(&mut buffer, class, method, id).unwrap().finish();
                assert_eq!(classify(message) == Classification::Stun, method.number() <= 0xFF, "{method:?}");
            }
        }
    }
}
