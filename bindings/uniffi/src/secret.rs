//! Passwords on their way to the core.

use libstun::auth::opaque_string;
use zeroize::Zeroizing;

use crate::error::{Refusal, invalid};

/// A text that is erased wherever it is dropped: after use, with a call that is refused, while a bug unwinds. It cannot
/// be printed. The generated layers see a string.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

uniffi::custom_type!(Secret, String, {
    lower: |secret| secret.as_str().to_owned(),
    try_lift: |text| Ok(Secret::from(text)),
});

impl Secret {
    /// As an OpaqueString (RFC 8265 s4.2).
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn prepared(&self) -> Result<Self, Refusal> {
        opaque_string(&self.0).map(|text| Self::from(text.into_owned())).map_err(invalid)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}
