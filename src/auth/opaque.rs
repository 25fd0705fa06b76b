//! Preparation of usernames, realms and passwords: the OpaqueString profile of RFC 8265 s4.2.

use alloc::borrow::Cow;

/// Prepares a username, realm or password as an OpaqueString (RFC 8265 s4.2; RFC 8489 s9.2.2, s14.3): other
/// spaces become U+0020, the rest is brought to NFC, and control characters are refused.
///
/// Printable ASCII is as it is. Anything else needs the feature `precis`, which is on by default.
///
/// This is not SASLprep (RFC 4013), which RFC 5389 wanted: that drops U+00AD and spells U+00AA as `a` and U+2168
/// as `IX`, where OpaqueString forbids the first and keeps the others. RFC 5769 s2.4 is a vector of SASLprep, and
/// its password before preparation cannot be used here: pass what SASLprep made of it, `TheMatrIX`.
///
/// ```
/// use libstun::auth::{PrepareError, opaque_string};
/// assert_eq!(opaque_string("pass word")?, "pass word");
/// assert_eq!(opaque_string("bell\u{7}"), Err(PrepareError::Forbidden));
/// # if cfg!(feature = "precis") {
/// assert_eq!(opaque_string("A\u{30A}\u{A0}x")?, "\u{C5} x");
/// # }
/// # Ok::<(), PrepareError>(())
/// ```
///
/// # Errors
/// The string is empty or holds a character that the profile forbids; or, without the feature, one that is
/// not ASCII.
pub fn opaque_string(text: &str) -> Result<Cow<'_, str>, PrepareError> {
    if text.is_empty() {
        return Err(PrepareError::Empty);
    }
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Ok(Cow::Borrowed(text));
    }
    if text.chars().any(|character| character.is_ascii_control()) {
        return Err(PrepareError::Forbidden);
    }
    enforce(text)
}

/// Why a string cannot be prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrepareError {
    /// It is empty (RFC 8265 s4.2.2).
    Empty,
    /// It holds a character that the profile forbids: a control character, an unassigned or an old Hangul one
    /// (RFC 8264 s4.3).
    Forbidden,
    /// It holds a character that is not ASCII, and this build lacks the feature `precis`.
    NotAscii,
}

impl core::fmt::Display for PrepareError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Empty => "the string is empty",
            Self::Forbidden => "the string holds a character that OpaqueString forbids",
            Self::NotAscii => "the string is not ASCII, and this build lacks the feature `precis`",
        })
    }
}

impl core::error::Error for PrepareError {}

#[cfg(feature = "precis")]
fn enforce(text: &str) -> Result<Cow<'_, str>, PrepareError> {
    use precis_profiles::OpaqueString;
    use precis_profiles::precis_core::profile::PrecisFastInvocation as _;
    OpaqueString::enforce(text).map_err(|_| PrepareError::Forbidden)
}

#[cfg(not(feature = "precis"))]
fn enforce(_: &str) -> Result<Cow<'_, str>, PrepareError> {
    Err(PrepareError::NotAscii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_is_as_it_is_and_control_characters_are_refused() {
        assert!(matches!(opaque_string("a b~!\"'"), Ok(Cow::Borrowed("a b~!\"'"))));
        assert_eq!(opaque_string(""), Err(PrepareError::Empty));
        for text in ["\0", "a\nb", "\u{7F}", "é\u{1}"] {
            assert_eq!(opaque_string(text), Err(PrepareError::Forbidden), "{text:?}");
        }
    }

    #[cfg(feature = "precis")]
    #[test]
    fn spaces_become_ascii_and_composition_follows() {
        for (text, prepared) in [
            ("correct\u{A0}horse\u{3000}battery", "correct horse battery"),
            ("A\u{30A}ngstro\u{308}m", "\u{C5}ngstr\u{F6}m"),
            ("π\u{DF}å", "π\u{DF}å"),
            ("マトリックス", "マトリックス"),
            ("Jack of ♦s", "Jack of ♦s"),
        ] {
            assert_eq!(opaque_string(text).unwrap(), prepared);
        }
        assert_eq!(opaque_string("\u{80}"), Err(PrepareError::Forbidden));
        assert_eq!(opaque_string("\u{378}"), Err(PrepareError::Forbidden), "unassigned");
    }

    /// Case 49: RFC 5769 s2.4 was made with SASLprep.
    #[cfg(feature = "precis")]
    #[test]
    fn the_password_of_rfc_5769_is_not_prepared_as_saslprep_would() {
        assert_eq!(opaque_string("The\u{AD}M\u{AA}tr\u{2168}"), Err(PrepareError::Forbidden));
        let without_hyphen = "TheM\u{AA}tr\u{2168}";
        assert_eq!(opaque_string(without_hyphen).unwrap(), without_hyphen, "and not TheMatrIX");
    }

    #[cfg(not(feature = "precis"))]
    #[test]
    fn without_the_feature_other_than_ascii_is_named_as_the_reason() {
        assert_eq!(opaque_string("é"), Err(PrepareError::NotAscii));
    }
}
