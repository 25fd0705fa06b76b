//! The nonce cookie: how a server says in its NONCE which features of RFC 8489 it has, where an attacker
//! cannot take them out without making the nonce useless (RFC 8489 s9.2, s18.1).
//!
//! ```text
//!  o b M a t J o s 2 | A A A D | opaque ...
//!  magic, 9 bytes    | base64 of 24 feature bits
//! ```
//!
//! The RFC's text counts bit 0 from the left, its example and erratum 6290 from the right. Written here is the
//! rightmost; either counts when read, so that whoever is misread fails closed.

use base64ct::{Base64, Encoding};

/// Length in bytes of a cookie in front of a nonce.
pub const NONCE_COOKIE_LENGTH: usize = 13;

const MAGIC: [u8; 9] = *b"obMatJos2";

/// The STUN security feature set of a server (RFC 8489 s18.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SecurityFeatures {
    /// It accepts other password algorithms than MD5 and lists them.
    pub password_algorithms: bool,
    /// It accepts USERHASH in place of USERNAME.
    pub username_anonymity: bool,
}

impl SecurityFeatures {
    /// What a nonce says; `None` if it begins with no well-formed cookie, and then says nothing.
    ///
    /// ```
    /// use libstun::auth::SecurityFeatures;
    /// let features = SecurityFeatures::of_nonce(b"obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA");
    /// assert!(features.is_some_and(|features| features.username_anonymity && !features.password_algorithms));
    /// ```
    #[must_use]
    pub fn of_nonce(nonce: &[u8]) -> Option<Self> {
        let encoded: &[u8; 4] = nonce.strip_prefix(&MAGIC)?.first_chunk()?;
        let mut bits = [0; 3];
        let [left, _, right] = *Base64::decode(encoded, &mut bits).ok()?.first_chunk()?;
        Some(Self {
            password_algorithms: right & 1 != 0 || left & 0x80 != 0,
            username_anonymity: right & 2 != 0 || left & 0x40 != 0,
        })
    }

    /// The cookie that says so.
    #[must_use]
    pub fn to_cookie(self) -> [u8; NONCE_COOKIE_LENGTH] {
        let bits = [0, 0, u8::from(self.password_algorithms) | u8::from(self.username_anonymity) << 1];
        let mut cookie = [0; NONCE_COOKIE_LENGTH];
        let (magic, encoded) = cookie.split_at_mut(MAGIC.len());
        magic.copy_from_slice(&MAGIC);
        // Three bytes fill four characters, which is the room there is.
        let _ = Base64::encode(&bits, encoded);
        cookie
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(password_algorithms: bool, username_anonymity: bool) -> Option<SecurityFeatures> {
        Some(SecurityFeatures { password_algorithms, username_anonymity })
    }

    #[test]
    fn what_is_written_is_read_and_stands_at_the_right() {
        for (cookie, [algorithms, anonymity]) in [
            (b"obMatJos2AAAA", [false, false]),
            (b"obMatJos2AAAB", [true, false]),
            (b"obMatJos2AAAC", [false, true]),
            (b"obMatJos2AAAD", [true, true]),
        ] {
            let expected = features(algorithms, anonymity);
            assert_eq!(SecurityFeatures::of_nonce(cookie), expected);
            assert_eq!(&expected.unwrap().to_cookie(), cookie);
        }
    }

    #[test]
    fn either_order_of_the_bits_counts_as_advertised() {
        assert_eq!(SecurityFeatures::of_nonce(b"obMatJos2gAAAxyz"), features(true, false));
        assert_eq!(SecurityFeatures::of_nonce(b"obMatJos2QAAA"), features(false, true));
        assert_eq!(SecurityFeatures::of_nonce(b"obMatJos2wAAA"), features(true, true));
    }

    #[test]
    fn what_is_no_cookie_says_nothing() {
        for nonce in [&b""[..], b"obMatJos2", b"obMatJos2AAA", b"obMatJos2====zz", b"obmatjos2AAAB"] {
            assert_eq!(SecurityFeatures::of_nonce(nonce), None);
        }
        assert_eq!(SecurityFeatures::of_nonce("obMatJos2abc€".as_bytes()), None);
        assert_eq!(SecurityFeatures::of_nonce(b"obMatJos2\xff\xfe\xfd\xfc\0"), None);
    }
}
