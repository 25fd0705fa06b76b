//! Clients of RFC 3489, as far as a server answers them (RFC 8489 s11).
//!
//! Their header has no magic cookie: those four bytes are the first of a transaction id of sixteen.
//!
//! ```text
//!  |0 0|     STUN Message Type     |         Message Length        |
//!  |                  Transaction ID (128 bits) ...                |
//! ```
//!
//! A request is read through a copy in which the cookie stands, and the reply gets its own four bytes back.

use super::header::{HEADER_LENGTH, MAGIC_COOKIE};
use super::message::Message;

/// What RFC 3489 s11.1 lets pass in one datagram on every path: nothing longer is read.
pub(crate) const MAX_CLASSIC_LENGTH: usize = 548;

/// The four bytes of a transaction id that stand where RFC 8489 has its cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClassicId([u8; 4]);

impl ClassicId {
    /// Puts it into a reply in place of the cookie.
    pub(crate) fn restore(self, reply: &mut [u8]) {
        if let Some(cookie) = reply.get_mut(COOKIE) {
            cookie.copy_from_slice(&self.0);
        }
    }
}

/// Reads a Binding request without a cookie through `copy`. `None` is another protocol's datagram: other
/// protocols begin with the same bits, so that everything must agree, the type, the length, and every attribute.
pub(crate) fn read<'c>(
    datagram: &[u8],
    copy: &'c mut [u8; MAX_CLASSIC_LENGTH],
) -> Option<(Message<'c>, ClassicId)> {
    let [0, 1, l0, l1, id @ ..] = datagram.first_chunk::<HEADER_LENGTH>()? else { return None };
    let length = usize::from(u16::from_be_bytes([*l0, *l1]));
    let id = ClassicId(*id.first_chunk()?);
    let is_whole = length.saturating_add(HEADER_LENGTH) == datagram.len();
    if !is_whole || id.0 == MAGIC_COOKIE.to_be_bytes() {
        return None;
    }
    let copy = copy.get_mut(..datagram.len())?;
    copy.copy_from_slice(datagram);
    copy.get_mut(COOKIE)?.copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    Some((Message::parse(copy).ok()?, id))
}

/// Where the cookie stands.
const COOKIE: core::ops::Range<usize> = 4..8;

#[cfg(test)]
mod tests {
    use super::super::attribute::ChangeRequest;
    use super::super::{Class, Method};
    use super::*;

    /// What `stun` 0.97 sends first.
    const REQUEST: [u8; 28] = [
        0, 1, 0, 8, 0x72, 0x90, 0x02, 0xFE, 0xA9, 0x72, 0x70, 0x74, 0x5E, 0x01, 0x6F, 0x44, 0xF7, 0x36, 0x64,
        0, 0, 3, 0, 4, 0, 0, 0, 0,
    ];

    fn is_read(datagram: &[u8]) -> bool {
        read(datagram, &mut [0; MAX_CLASSIC_LENGTH]).is_some()
    }

    #[test]
    fn a_request_of_rfc_3489_is_read_and_its_id_given_back() {
        let mut copy = [0; MAX_CLASSIC_LENGTH];
        let (message, id) = read(&REQUEST, &mut copy).unwrap();
        assert_eq!((message.class(), message.method()), (Class::Request, Method::BINDING));
        assert_eq!(message.get(), Ok(Some(ChangeRequest::default())));
        let mut reply = message.as_bytes().to_vec();
        id.restore(&mut reply);
        assert_eq!(reply, REQUEST);
    }

    #[test]
    fn nothing_else_is_taken_for_one() {
        for place in [0, 1, 2, 3, 23] {
            let mut other = REQUEST;
            other[place] ^= 8;
            assert!(!is_read(&other), "byte {place}");
        }
        for length in 0..REQUEST.len() {
            assert!(!is_read(&REQUEST[..length]));
        }
        let mut modern = REQUEST;
        modern[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
        assert!(!is_read(&modern), "that one has a cookie");
        let mut long = alloc::vec![0; MAX_CLASSIC_LENGTH + 4];
        let body = long.len() - HEADER_LENGTH;
        long[1] = 1;
        long[2..4].copy_from_slice(&(body as u16).to_be_bytes());
        long[22..24].copy_from_slice(&((body - 4) as u16).to_be_bytes());
        assert!(!is_read(&long));
        assert!(!is_read(&[1; 148]), "WireGuard");
    }
}
