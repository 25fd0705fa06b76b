//! Credentials, as every configuration gives them.

use core::mem::offset_of;

use libstun::Instant;
use libstun::auth::{Credentials, LongTerm, ShortTerm, opaque_string};
use libstun_flat::codes::{integrity as integrity_of, stun_integrity_code};

use crate::pointer::{Growable, bytes};
use crate::status::{Misuse, STUN_NEVER, stun_status_code::*, stun_time};

/// How a credential is used.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_credential_kind {
    /// Both ends know it beforehand, and every message is signed (RFC 8489 s9.1).
    STUN_SHORT_TERM = 0,
    /// The server challenges for it, and names the realm and the algorithms (RFC 8489 s9.2).
    STUN_LONG_TERM = 1,
}

/// What a long-term credential demands, or-ed. Without it the request fails.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_credential_flag {
    /// SHA-256 for keys and signatures; what is not signed so is not believed (RFC 8489 s9.2.1).
    STUN_CREDENTIAL_REQUIRE_SHA256 = 1,
    /// USERHASH: the username is never sent in the clear (RFC 8489 s14.4).
    STUN_CREDENTIAL_REQUIRE_ANONYMITY = 2,
}

/// A long-term credential (RFC 8489 s9.2), as TURN servers ask for one (RFC 8656 s5). Zero in a field is its default.
/// Strings are copied, and prepared as OpaqueStrings.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_credentials {
    /// sizeof(stun_credentials).
    pub struct_size: u32,
    /// `enum stun_credential_flag`, or-ed.
    pub flags: u32,
    /// UTF-8.
    pub username: *const u8,
    /// 1 to 508.
    pub username_len: usize,
    /// UTF-8.
    pub password: *const u8,
    /// At least 1.
    pub password_len: usize,
    /// When they expire by your clock, as time-limited ones do: a minute before, STUN_EV_CREDENTIALS_NEEDED asks for
    /// others. 0 and STUN_NEVER are never.
    pub expire: stun_time,
}

/// A string of the caller's, as a pointer and a length.
pub(crate) type Text = (*const u8, usize);

/// The short-term credential of a configuration, `None` where nothing is given.
///
/// # Safety
/// Both strings must be readable for their lengths.
pub(crate) unsafe fn short_term(
    username: Text,
    password: Text,
    integrity: u32,
) -> Result<Option<ShortTerm>, Misuse> {
    let only = integrity_of(integrity)?;
    // SAFETY: passed on from the caller.
    let (username, password) = unsafe { (bytes(username.0, username.1)?, bytes(password.0, password.1)?) };
    if username.is_empty() && password.is_empty() {
        return Ok(None);
    }
    let credential = ShortTerm::new(username, password)?;
    Ok(Some(match only {
        Some(algorithm) => credential.only(algorithm),
        None => credential,
    }))
}

/// A client's credential, `None` where nothing is given.
///
/// # Safety
/// As for [`short_term`].
pub(crate) unsafe fn client(
    (kind, flags, integrity): (u32, u32, u32),
    username: Text,
    password: Text,
) -> Result<Option<Credentials>, Misuse> {
    if kind > stun_credential_kind::STUN_LONG_TERM as u32 {
        return Err(Misuse(STUN_E_INVALID, "credential_kind is no stun_credential_kind"));
    }
    let is_long_term = kind == stun_credential_kind::STUN_LONG_TERM as u32;
    if flags & !(SHA256 | ANONYMITY) != 0 || (flags != 0 && !is_long_term) {
        return Err(Misuse(STUN_E_INVALID, "credential_flags are those of a long-term credential"));
    }
    if !is_long_term {
        // SAFETY: passed on from the caller.
        return Ok(unsafe { short_term(username, password, integrity)? }.map(Into::into));
    }
    if integrity != stun_integrity_code::STUN_INTEGRITY_BOTH as u32 {
        return Err(Misuse(STUN_E_INVALID, "the server chooses the integrity of a long-term credential"));
    }
    // SAFETY: passed on from the caller.
    let (username, password) = unsafe { (text(username)?, text(password)?) };
    Ok(Some(long_term(flags, username, password)?.into()))
}

/// A long-term credential that demands what the flags say.
fn long_term(flags: u32, username: &str, password: &str) -> Result<LongTerm, Misuse> {
    if flags & !(SHA256 | ANONYMITY) != 0 {
        return Err(Misuse(STUN_E_INVALID, "an unknown flag of a credential is set"));
    }
    let mut credential = LongTerm::new(username, password)?;
    if flags & SHA256 != 0 {
        credential = credential.require_sha256();
    }
    if flags & ANONYMITY != 0 {
        credential = credential.require_anonymity();
    }
    Ok(credential)
}

/// Text of the caller's.
///
/// # Safety
/// It must be readable for its length, for as long as the text lives.
pub(crate) unsafe fn text<'a>((data, len): Text) -> Result<&'a str, Misuse> {
    // SAFETY: passed on from the caller.
    core::str::from_utf8(unsafe { bytes(data, len)? })
        .map_err(|_| Misuse(STUN_E_INVALID, "a string is not UTF-8"))
}

/// A name or password as an OpaqueString (RFC 8265 s4.2).
///
/// # Safety
/// As for [`text`].
pub(crate) unsafe fn prepared<'a>(given: Text) -> Result<std::borrow::Cow<'a, str>, Misuse> {
    // SAFETY: passed on from the caller.
    Ok(opaque_string(unsafe { text(given)? })?)
}

const SHA256: u32 = stun_credential_flag::STUN_CREDENTIAL_REQUIRE_SHA256 as u32;
const ANONYMITY: u32 = stun_credential_flag::STUN_CREDENTIAL_REQUIRE_ANONYMITY as u32;

impl stun_credentials {
    /// The credentials, and when they expire.
    ///
    /// # Safety
    /// The strings must be readable for their lengths.
    pub(crate) unsafe fn to_core(self) -> Result<(Credentials, Option<Instant>), Misuse> {
        // SAFETY: passed on from the caller.
        let (username, password) =
            unsafe { (text((self.username, self.username_len))?, text((self.password, self.password_len))?) };
        let credential = long_term(self.flags, username, password)?;
        let expire =
            (self.expire != 0 && self.expire != STUN_NEVER).then(|| Instant::from_nanos(self.expire));
        Ok((credential.into(), expire))
    }
}

// SAFETY: `repr(C)`, `struct_size` first, and only integers and raw pointers.
unsafe impl Growable for stun_credentials {
    fn defaults() -> Self {
        Self {
            struct_size: 0,
            flags: 0,
            username: core::ptr::null(),
            username_len: 0,
            password: core::ptr::null(),
            password_len: 0,
            expire: 0,
        }
    }

    // The whole of the first version, which later ones only extend.
    const MIN_SIZE: u32 = (offset_of!(Self, expire) + size_of::<stun_time>()) as u32;
}
