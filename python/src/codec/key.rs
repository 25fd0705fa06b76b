//! Prepared keys.

use libstun::auth::opaque_string;
use libstun::wire::Key as WireKey;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::contained;
use crate::errors;

/// The key of a credential, prepared for signing and checking any number of messages.
///
/// Make one per credential and keep it. Strings are prepared as OpaqueString (RFC 8265 s4.2), as RFC 8489 asks.
/// A key never shows what it was made of, and may be used by any number of threads.
///
/// >>> import libstun
/// >>> libstun.Key.short_term("VOkJxbRl1RmTxUk/WvJxBt")
/// Key(short-term)
#[pyclass(frozen, module = "libstun")]
pub(crate) struct Key {
    pub(super) key: WireKey,
    kind: &'static str,
}

#[pymethods]
impl Key {
    /// The key of a short-term credential: the password alone (RFC 8489 s9.1.1).
    ///
    /// Raises ValueError if the password is empty or holds what OpaqueString forbids, such as a control character.
    #[classmethod]
    fn short_term(_class: &Bound<'_, PyType>, password: &str) -> PyResult<Self> {
        let password = Prepared::new("password", password)?;
        Ok(Self { key: WireKey::short_term(password.bytes()), kind: "short-term" })
    }

    /// The key of a long-term credential: MD5 of username, realm and password (RFC 8489 s9.2.2).
    ///
    /// It goes with either integrity attribute; PASSWORD-ALGORITHM says by which hash a key was made.
    /// Raises ValueError if a string is empty or holds what OpaqueString forbids.
    ///
    /// >>> import libstun
    /// >>> libstun.Key.long_term_md5("user", "example.org", "s3cret")
    /// Key(long-term, MD5)
    #[classmethod]
    fn long_term_md5(
        _class: &Bound<'_, PyType>,
        username: &str,
        realm: &str,
        password: &str,
    ) -> PyResult<Self> {
        let [username, realm, password] = prepared(username, realm, password)?;
        let key = WireKey::long_term_md5(username.bytes(), realm.bytes(), password.bytes());
        Ok(Self { key, kind: "long-term, MD5" })
    }

    /// The key of a long-term credential: SHA-256 of username, realm and password (RFC 8489 s18.5.1.2).
    ///
    /// Raises ValueError if a string is empty or holds what OpaqueString forbids.
    ///
    /// >>> import libstun
    /// >>> libstun.Key.long_term_sha256("user", "example.org", "s3cret")
    /// Key(long-term, SHA-256)
    #[classmethod]
    fn long_term_sha256(
        _class: &Bound<'_, PyType>,
        username: &str,
        realm: &str,
        password: &str,
    ) -> PyResult<Self> {
        let [username, realm, password] = prepared(username, realm, password)?;
        let key = WireKey::long_term_sha256(username.bytes(), realm.bytes(), password.bytes());
        Ok(Self { key, kind: "long-term, SHA-256" })
    }

    fn __repr__(&self) -> String {
        format!("Key({})", self.kind)
    }
}

/// A string as an OpaqueString.
struct Prepared<'a>(std::borrow::Cow<'a, str>);

impl<'a> Prepared<'a> {
    fn new(what: &str, text: &'a str) -> PyResult<Self> {
        contained(|| {
            let prepared = opaque_string(text);
            prepared.map(Self).map_err(|error| errors::value(format_args!("the {what}: {error}")))
        })
    }

    fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn prepared<'a>(username: &'a str, realm: &'a str, password: &'a str) -> PyResult<[Prepared<'a>; 3]> {
    Ok([
        Prepared::new("username", username)?,
        Prepared::new("realm", realm)?,
        Prepared::new("password", password)?,
    ])
}
