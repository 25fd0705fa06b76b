//! Servers that are not ours: scripted ones, each with its way of going wrong. Their answers are built byte
//! by byte, not with the library's builder, so that one bug cannot hide another.

use std::net::{IpAddr, SocketAddr};

use libstun::wire::attribute::XorMappedAddress;
use libstun::wire::{Class, Key, MessageBuilder, Method, TransactionId};

use crate::corpus;
use crate::packet::{Origin, Packet, Verdict};
use crate::time::Nanos;

/// How a scripted server answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Rightly, after a delay.
    Slow(Nanos),
    /// Not at all.
    Silent,
    /// With that response of `captured_servers.json`.
    Captured(usize),
    /// With that entry of `malformed.json`.
    Malformed(usize),
    /// With the address, signed with a password that is not the right one.
    WrongKey,
    /// With an error.
    Error(u16),
    /// As servers of RFC 3489 did: MAPPED-ADDRESS only.
    Legacy,
    /// Rightly, but from another port.
    Elsewhere,
}

impl Script {
    /// The answer to a packet, if there is one.
    #[must_use]
    pub fn answer(self, asked: &Packet) -> Option<Packet> {
        let Origin::Request { binding, serial } = asked.origin else { return None };
        if !asked.is_intact {
            return None;
        }
        let id = corpus::id_of(&asked.payload);
        let seen = asked.source;
        let (payload, verdict) = match self {
            Self::Silent => return None,
            Self::Slow(_) | Self::Elsewhere => (success(id, seen), Verdict::Success(seen)),
            Self::Captured(index) => canned(corpus::captured(), index, id),
            Self::Malformed(index) => canned(corpus::malformed(), index, id),
            Self::WrongKey => (wrongly_signed(id, seen), Verdict::Success(seen)),
            Self::Error(code) => (error(id, code), Verdict::Error(code)),
            Self::Legacy => (legacy(id, seen), Verdict::Legacy(seen)),
        };
        let mut source = asked.destination;
        if self == Self::Elsewhere {
            source.set_port(source.port() + 1);
        }
        let origin = Origin::Reply { binding, serial, verdict, is_signed: false };
        Some(Packet::new(source, asked.source, payload, origin))
    }

    /// How long it takes to answer.
    #[must_use]
    pub const fn delay(self) -> Nanos {
        match self {
            Self::Slow(delay) => delay,
            _ => 0,
        }
    }
}

/// A success with XOR-MAPPED-ADDRESS.
#[must_use]
pub fn success(id: [u8; 12], seen: SocketAddr) -> Vec<u8> {
    let mut mask = COOKIE.to_vec();
    mask.extend(id);
    let mut value = address(seen);
    let port_and_ip = value.iter_mut().skip(2);
    let masks = [COOKIE[0], COOKIE[1]].into_iter().chain(mask);
    port_and_ip.zip(masks).for_each(|(byte, mask)| *byte ^= mask);
    message(0x0101, id, 0x0020, &value)
}

/// A success with MAPPED-ADDRESS only.
#[must_use]
pub fn legacy(id: [u8; 12], seen: SocketAddr) -> Vec<u8> {
    message(0x0101, id, 0x0001, &address(seen))
}

/// An error response.
#[must_use]
pub fn error(id: [u8; 12], code: u16) -> Vec<u8> {
    message(0x0111, id, 0x0009, &[0, 0, (code / 100) as u8, (code % 100) as u8])
}

/// A challenge. With algorithms it is as strong as our servers', with the cookie in its nonce that says so.
#[must_use]
pub fn challenge(id: [u8; 12], code: u16, realm: &[u8], nonce: &[u8], has_algorithms: bool) -> Vec<u8> {
    let mut bytes = error(id, code);
    let (cookie, algorithms): (&[u8], &[u8]) =
        if has_algorithms { (b"obMatJos2AAAD", &[0, 2, 0, 0, 0, 1, 0, 0]) } else { (b"", b"") };
    let attributes =
        [(0x0014u16, realm.to_vec()), (0x0015, [cookie, nonce].concat()), (0x8002, algorithms.to_vec())];
    for (number, value) in attributes.into_iter().filter(|(_, value)| !value.is_empty()) {
        bytes.extend(number.to_be_bytes());
        bytes.extend((value.len() as u16).to_be_bytes());
        bytes.extend(&value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    let length = (bytes.len() - 20) as u16;
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

fn canned(list: &[corpus::Canned], index: usize, id: [u8; 12]) -> (Vec<u8>, Verdict) {
    let canned = &list[index % list.len()];
    (corpus::with_id(&canned.bytes, id), canned.verdict)
}

/// A header and one attribute whose length is a multiple of four.
fn message(ty: u16, id: [u8; 12], attribute: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = ty.to_be_bytes().to_vec();
    bytes.extend((value.len() as u16 + 4).to_be_bytes());
    bytes.extend(COOKIE);
    bytes.extend(id);
    bytes.extend(attribute.to_be_bytes());
    bytes.extend((value.len() as u16).to_be_bytes());
    bytes.extend(value);
    bytes
}

fn address(seen: SocketAddr) -> Vec<u8> {
    let mut value = vec![0, if seen.is_ipv4() { 1 } else { 2 }];
    value.extend(seen.port().to_be_bytes());
    match seen.ip() {
        IpAddr::V4(ip) => value.extend(ip.octets()),
        IpAddr::V6(ip) => value.extend(ip.octets()),
    }
    value
}

fn wrongly_signed(id: [u8; 12], seen: SocketAddr) -> Vec<u8> {
    let key = Key::short_term(b"not the password");
    let mut buffer = [0; 128];
    let id = TransactionId::new(id);
    MessageBuilder::new(&mut buffer, Class::SuccessResponse, Method::BINDING, id)
        .and_then(|mut builder| {
            builder.add(&XorMappedAddress(seen))?;
            builder.sign_sha256(&key)?;
            Ok(builder.finish().to_vec())
        })
        .unwrap_or_default()
}

const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

#[cfg(test)]
mod tests {
    use libstun::wire::Message;

    use super::*;

    #[test]
    fn the_naive_builder_and_the_library_agree() {
        for seen in ["203.0.113.9:4242", "[2001:db8::9]:4242"] {
            let seen: SocketAddr = seen.parse().unwrap();
            let bytes = success([7; 12], seen);
            assert_eq!(Message::parse(&bytes).unwrap().get(), Ok(Some(XorMappedAddress(seen))));
        }
    }
}
