//! Attributes that hold text. The bytes are kept as they came: a NONCE must be echoed exactly, and some
//! peers send what is not UTF-8. Displaying them escapes whatever could harm a log or a terminal.

use super::super::header::TransactionId;
use super::super::writer::{BuildError, ValueWriter};
use super::{Attribute, AttributeError, AttributeType};

macro_rules! text_attributes {
    ($($(#[$doc:meta])* $name:ident = $ty:ident, $longest:ident, $check:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name<'a>(pub &'a [u8]);

        impl<'a> $name<'a> {
            /// The value as text.
            ///
            /// # Errors
            /// It is not UTF-8.
            pub const fn as_str(&self) -> Result<&'a str, core::str::Utf8Error> {
                core::str::from_utf8(self.0)
            }
        }

        impl<'a> Attribute<'a> for $name<'a> {
            const TYPE: AttributeType = AttributeType::$ty;

            fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, AttributeError> {
                if value.len() <= $longest { Ok(Self(value)) } else { Err(AttributeError::WrongLength) }
            }

            fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
                $check(self.0)?;
                out.put(self.0);
                Ok(())
            }
        }

        impl core::fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                Escaped(self.0).fmt(f)
            }
        }

        impl core::fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "(\"{}\")"), Escaped(self.0))
            }
        }
    )*};
}

text_attributes! {
    /// USERNAME: who signs (RFC 8489 s14.3). Fewer than 509 bytes are written, 763 are read.
    Username = USERNAME, LONGEST_READ, under_509_bytes;
    /// REALM: where the credentials count (RFC 8489 s14.9). Fewer than 128 characters are written, 763
    /// bytes are read.
    Realm = REALM, LONGEST_READ, under_128_characters;
    /// NONCE: what the server wants back, byte for byte (RFC 8489 s14.10). Limits as for [`Realm`].
    Nonce = NONCE, LONGEST_READ, under_128_characters;
    /// SOFTWARE: what the sender runs, for people only (RFC 8489 s14.14). Limits as for [`Realm`].
    Software = SOFTWARE, LONGEST_READ, under_128_characters;
    /// ALTERNATE-DOMAIN: the name that the certificate of ALTERNATE-SERVER must carry (RFC 8489 s14.16).
    /// 255 ASCII characters at most.
    AlternateDomain = ALTERNATE_DOMAIN, LONGEST_DOMAIN, domain;
}

/// Shows bytes of a peer in a log or on a terminal, whatever they are, in printable characters only.
///
/// Control characters, invisible and direction-changing ones, `"`, `\` and bytes that are not UTF-8 come
/// out escaped, and so does `%`, lest the line become somebody's format string.
///
/// ```
/// use libstun::wire::attribute::Escaped;
/// assert_eq!(Escaped(b"100%n\n\xFF").to_string(), r"100\x25n\n\xff");
/// assert_eq!(Escaped("マト\u{202E}".as_bytes()).to_string(), r"マト\u{202e}");
/// ```
#[derive(Clone, Copy)]
pub struct Escaped<'a>(pub &'a [u8]);

impl core::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        use core::fmt::Write as _;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '%' => f.write_str("\\x25")?,
                    '\'' => f.write_char(c)?,
                    _ => write!(f, "{}", c.escape_debug())?,
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

impl core::fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Fewer than 128 characters, the rule for REALM, NONCE, SOFTWARE and reason phrases. That bounds them to
/// 508 bytes; the RFC's "as long as 509" cannot be reached. What is not UTF-8 counts in bytes.
pub(super) fn under_128_characters(value: &[u8]) -> Result<(), BuildError> {
    // Bytes first: the value may be any length, and counting characters walks it.
    let is_short = value.len() <= LONGEST_WRITTEN;
    let characters = core::str::from_utf8(value).map_or(value.len(), |text| text.chars().count());
    if is_short && characters < 128 { Ok(()) } else { Err(BuildError::ValueTooLong) }
}

fn under_509_bytes(value: &[u8]) -> Result<(), BuildError> {
    if value.len() <= LONGEST_WRITTEN { Ok(()) } else { Err(BuildError::ValueTooLong) }
}

fn domain(value: &[u8]) -> Result<(), BuildError> {
    match value.len() {
        0 => Err(BuildError::InvalidValue),
        1..=LONGEST_DOMAIN if value.is_ascii() => Ok(()),
        1..=LONGEST_DOMAIN => Err(BuildError::InvalidValue),
        _ => Err(BuildError::ValueTooLong),
    }
}

/// What RFC 5389 allowed, at six bytes a character, must still be read (RFC 8489 s14.3).
const LONGEST_READ: usize = 763;
/// "Fewer than 509 bytes" (RFC 8489 s14.3).
const LONGEST_WRITTEN: usize = 508;
/// RFC 8489 s14.16.
const LONGEST_DOMAIN: usize = 255;

#[cfg(test)]
mod tests {
    use std::{format, string::ToString, vec};

    use proptest::prelude::*;

    use super::super::testing::{decode, encode, round_trip};
    use super::*;

    #[test]
    fn names_and_phrases_have_the_limits_of_the_rfc() {
        let long = vec![b'a'; 764];
        let first = |length: usize| long.get(..length).unwrap();
        assert!(encode(&Username(first(508))).is_ok());
        assert_eq!(encode(&Username(first(509))), Err(BuildError::ValueTooLong));
        assert!(encode(&Realm(first(127))).is_ok());
        assert_eq!(encode(&Realm(first(128))), Err(BuildError::ValueTooLong));
        assert_eq!(encode(&Nonce(first(128))), Err(BuildError::ValueTooLong));
        assert_eq!(encode(&Software(first(128))), Err(BuildError::ValueTooLong));
        assert_eq!(decode::<Realm<'_>>(first(763)), Ok(Realm(first(763))));
        assert_eq!(decode::<Realm<'_>>(first(764)), Err(AttributeError::WrongLength));
        assert_eq!(decode::<Username<'_>>(first(764)), Err(AttributeError::WrongLength));
    }

    #[test]
    fn characters_are_counted_where_there_are_any_and_bytes_where_not() {
        let astral = "\u{1F600}".repeat(128);
        assert!(encode(&Software(astral.as_bytes().get(..508).unwrap())).is_ok());
        assert_eq!(encode(&Software(astral.as_bytes())), Err(BuildError::ValueTooLong));
        assert!(encode(&Nonce(&[0xFF; 127])).is_ok());
        assert_eq!(encode(&Nonce(&[0xFF; 128])), Err(BuildError::ValueTooLong));
    }

    #[test]
    fn a_domain_is_ascii_and_short() {
        assert!(encode(&AlternateDomain(b"turn.example.org")).is_ok());
        assert_eq!(encode(&AlternateDomain(b"")), Err(BuildError::InvalidValue));
        assert_eq!(encode(&AlternateDomain("münchen.example".as_bytes())), Err(BuildError::InvalidValue));
        assert_eq!(encode(&AlternateDomain(&[b'a'; 256])), Err(BuildError::ValueTooLong));
        assert_eq!(decode::<AlternateDomain<'_>>(&[b'a'; 256]), Err(AttributeError::WrongLength));
    }

    #[test]
    fn what_could_harm_a_log_comes_out_escaped() {
        let hostile = b"%s%n\x1B[2J\r\nroot\0\"\\";
        assert_eq!(Username(hostile).to_string(), r#"\x25s\x25n\u{1b}[2J\r\nroot\0\"\\"#);
        assert_eq!(format!("{:?}", Realm(b"a\xFF")), r#"Realm("a\xff")"#);
        for bidi in ["\u{202E}", "\u{2066}", "\u{200F}", "\u{061C}", "\u{FEFF}", "\u{2028}", "\u{E000}"] {
            assert!(Escaped(bidi.as_bytes()).to_string().starts_with("\\u{"), "{bidi:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_displayed_without_control_characters(bytes: std::vec::Vec<u8>) {
            let shown = Escaped(&bytes).to_string();
            prop_assert!(shown.chars().all(|c| !c.is_control() && c != '%'));
        }

        #[test]
        fn text_survives_a_round_trip(text in "\\PC{0,127}") {
            round_trip!(Username(text.as_bytes()), Realm(text.as_bytes()), Nonce(text.as_bytes()));
            round_trip!(Software(text.as_bytes()));
        }
    }
}
