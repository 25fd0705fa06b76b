//! Credentials.

use libstun::auth::{Credentials, LongTerm, ShortTerm};
use pyo3::prelude::*;

use super::{Fields, is, prepared};
use crate::convert::word;
use crate::errors;
use crate::words::ALGORITHMS;

/// A client's, of either kind.
///
/// # Errors
/// `TypeError` if it is neither; `ValueError` if a name or a password is none.
pub(crate) fn credentials(given: &Bound<'_, PyAny>) -> PyResult<Credentials> {
    if is(given, "ShortTerm")? {
        return short_term(given).map(Into::into);
    }
    let fields = Fields::of(given, "LongTerm")?;
    let (username, password) = (fields.get::<String>("username")?, fields.get::<String>("password")?);
    let mut credential = LongTerm::new(&username, &password).map_err(errors::value)?;
    if fields.get("require_sha256")? {
        credential = credential.require_sha256();
    }
    if fields.get("require_anonymity")? {
        credential = credential.require_anonymity();
    }
    Ok(credential.into())
}

/// The field `credentials` of a client.
pub(super) fn optional(fields: &Fields<'_, '_>) -> PyResult<Option<Credentials>> {
    let field = fields.raw("credentials")?;
    if field.is_none() { Ok(None) } else { credentials(&field).map(Some) }
}

/// A short-term one, as servers have it too.
pub(super) fn short_term(given: &Bound<'_, PyAny>) -> PyResult<ShortTerm> {
    let fields = Fields::of(given, "ShortTerm")?;
    let username = fields.within("username", prepared(&fields.get::<String>("username")?))?;
    let password = fields.within("password", prepared(&fields.get::<String>("password")?))?;
    let credential = ShortTerm::new(username.as_bytes(), password.as_bytes()).map_err(errors::value)?;
    let only = fields.raw("integrity")?;
    if only.is_none() {
        return Ok(credential);
    }
    Ok(credential.only(word(only.as_borrowed(), "Integrity", ALGORITHMS)?))
}
