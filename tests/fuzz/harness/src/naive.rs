//! A second decoder, written from RFC 8489 and 8656 alone to disagree with the first: byte by byte, with
//! indices, nothing borrowed, nothing shared with `libstun::wire`. Slow and plain on purpose.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A message as this decoder sees it.
#[derive(Debug)]
pub struct Message {
    /// 0 request, 1 indication, 2 success response, 3 error response.
    pub class: u8,
    /// 12 bits.
    pub method: u16,
    /// The transaction id.
    pub id: [u8; 12],
    /// All attributes in wire order.
    pub attributes: Vec<Attribute>,
    /// How many of them, from the first, may be acted on.
    pub covered: usize,
    /// Places of those behind the first integrity attribute that are neither the integrity attribute for
    /// SHA-256 nor FINGERPRINT in their proper places.
    pub uncovered: Vec<usize>,
    /// Whether FINGERPRINT matches; `None` without one.
    pub fingerprint: Option<bool>,
    /// Whether a MESSAGE-INTEGRITY stands where it counts.
    pub has_sha1: bool,
    /// Whether a MESSAGE-INTEGRITY-SHA256 does.
    pub has_sha256: bool,
}

/// An attribute, copied out.
#[derive(Debug)]
pub struct Attribute {
    /// Its type.
    pub number: u16,
    /// Where its header starts.
    pub offset: usize,
    /// Its value without padding.
    pub value: Vec<u8>,
}

/// Whether the header is one of STUN, cookie and length included, whatever follows it.
#[must_use]
pub fn is_framed(bytes: &[u8]) -> bool {
    if bytes.len() < 20 || bytes[0] >= 0x40 || bytes[4..8] != [0x21, 0x12, 0xA4, 0x42] {
        return false;
    }
    let length = number(bytes, 2);
    length % 4 == 0 && 20 + length == bytes.len()
}

/// Reads a message; `None` if the bytes are none.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Message> {
    if !is_framed(bytes) {
        return None;
    }
    let attributes = attributes(bytes)?;
    let (sha1, sha256, fingerprint) = seals(&attributes)?;
    let integrity = [sha1, sha256].into_iter().flatten().min();
    let covered = integrity.or(fingerprint).unwrap_or(attributes.len());
    let uncovered = match integrity {
        Some(first) => (first..attributes.len())
            .filter(|place| ![sha1, sha256, fingerprint].contains(&Some(*place)))
            .collect(),
        None => Vec::new(),
    };
    let (class, method) = class_and_method(bytes[0], bytes[1]);
    let mut id = [0; 12];
    id.copy_from_slice(&bytes[8..20]);
    let fingerprint = fingerprint.map(|place| {
        let attribute = &attributes[place];
        attribute.value == expected_fingerprint(bytes, attribute.offset).to_be_bytes()
    });
    let (has_sha1, has_sha256) = (sha1.is_some(), sha256.is_some());
    Some(Message { class, method, id, attributes, covered, uncovered, fingerprint, has_sha1, has_sha256 })
}

/// The address in a value (RFC 8489 s14.1, s14.2).
#[must_use]
pub fn address(value: &[u8], is_xored: bool, id: &[u8; 12]) -> Option<SocketAddr> {
    let mut value = value.to_vec();
    if is_xored {
        let mask = [&[0x21, 0x12, 0xA4, 0x42][..], id].concat();
        for place in 0..value.len().min(20) {
            // Port: the first two bytes of the mask. Address: the mask from its start.
            match place {
                0 | 1 => {}
                2 | 3 => value[place] ^= mask[place - 2],
                _ => value[place] ^= mask[place - 4],
            }
        }
    }
    if value.len() < 4 {
        return None;
    }
    let port = number(&value, 2) as u16;
    match (value[1], value.len()) {
        (1, 8) => Some(SocketAddr::new(Ipv4Addr::new(value[4], value[5], value[6], value[7]).into(), port)),
        (2, 20) => {
            let groups: [u16; 8] = std::array::from_fn(|place| number(&value, 4 + 2 * place) as u16);
            Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(groups)), port))
        }
        _ => None,
    }
}

/// Whether a type holds an address, and whether that is XORed.
#[must_use]
pub fn address_type(number: u16) -> Option<bool> {
    match number {
        0x0001 | 0x8023 | 0x802B | 0x802C => Some(false),
        0x0012 | 0x0016 | 0x0020 => Some(true),
        _ => None,
    }
}

/// The code and the phrase in an ERROR-CODE (RFC 8489 s14.8).
#[must_use]
pub fn error_code(value: &[u8]) -> Option<(u16, &[u8])> {
    if value.len() < 4 {
        return None;
    }
    let (class, rest) = (u16::from(value[2] % 8), u16::from(value[3]));
    ((3..=6).contains(&class) && rest <= 99).then(|| (class * 100 + rest, &value[4..]))
}

/// What comes first in a stream (RFC 8489 s6.2.2, RFC 8656 s12.5).
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A frame of so many bytes.
    Whole(usize),
    /// Too few bytes to tell, or fewer than the frame has.
    Part,
    /// No frame begins like that.
    Broken,
}

/// Looks at the start of a stream.
#[must_use]
pub fn frame(bytes: &[u8]) -> Frame {
    if bytes.is_empty() {
        return Frame::Part;
    }
    let length = match bytes[0] >> 4 {
        0..=3 => {
            if bytes.len() < 8 {
                return Frame::Part;
            }
            if bytes[4..8] != [0x21, 0x12, 0xA4, 0x42] || bytes[3] % 4 != 0 {
                return Frame::Broken;
            }
            20 + number(bytes, 2)
        }
        4 => {
            if bytes.len() < 4 {
                return Frame::Part;
            }
            let mut length = 4 + number(bytes, 2);
            while length % 4 != 0 {
                length += 1;
            }
            length
        }
        _ => return Frame::Broken,
    };
    if length <= bytes.len() { Frame::Whole(length) } else { Frame::Part }
}

/// The type's bits, from the left: 00 MMMMM C MMM C MMMM.
fn class_and_method(first: u8, second: u8) -> (u8, u16) {
    let mut class = 0;
    let mut method = 0;
    for place in 2..16 {
        let byte = if place < 8 { first } else { second };
        let bit = (byte >> (7 - place % 8)) & 1;
        if place == 7 || place == 11 {
            class = class * 2 + bit;
        } else {
            method = method * 2 + u16::from(bit);
        }
    }
    (class, method)
}

fn attributes(bytes: &[u8]) -> Option<Vec<Attribute>> {
    let mut found = Vec::new();
    let mut at = 20;
    while at < bytes.len() {
        if at + 4 > bytes.len() {
            return None;
        }
        let length = number(bytes, at + 2);
        let mut end = at + 4 + length;
        while end % 4 != 0 {
            end += 1;
        }
        if end > bytes.len() {
            return None;
        }
        let value = bytes[at + 4..at + 4 + length].to_vec();
        found.push(Attribute { number: number(bytes, at) as u16, offset: at, value });
        at = end;
    }
    Some(found)
}

type Place = Option<usize>;

/// Where MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT stand; `None` if one cannot be.
fn seals(attributes: &[Attribute]) -> Option<(Place, Place, Place)> {
    let first_of = |number: u16| attributes.iter().position(|attribute| attribute.number == number);
    let sha256 = first_of(0x001C);
    // MESSAGE-INTEGRITY behind MESSAGE-INTEGRITY-SHA256 is nothing (RFC 8489 s14.6).
    let sha1 = first_of(0x0008).filter(|place| sha256.is_none_or(|sha256| *place < sha256));
    let fingerprint = first_of(0x8028);
    let length = |place: usize| attributes[place].value.len();
    let is_possible = sha1.is_none_or(|place| length(place) == 20)
        && sha256.is_none_or(|place| [16, 20, 24, 28, 32].contains(&length(place)))
        && fingerprint.is_none_or(|place| length(place) == 4 && place + 1 == attributes.len());
    is_possible.then_some((sha1, sha256, fingerprint))
}

/// RFC 8489 s14.7. FINGERPRINT is last, so the Length field is right as it stands.
fn expected_fingerprint(bytes: &[u8], offset: usize) -> u32 {
    crc32(&bytes[..offset]) ^ 0x5354_554E
}

/// ITU V.42, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = 0xFFFF_FFFF_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

fn number(bytes: &[u8], at: usize) -> usize {
    usize::from(bytes[at]) * 256 + usize::from(bytes[at + 1])
}
