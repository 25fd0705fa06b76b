//! Prepared keys for the codec.

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use libstun::wire::Key;

use crate::pointer::{Slot, bytes};
use crate::status::{Answer, Misuse, status_of, stun_status, stun_status_code::*};

/// A credential's key with its HMAC pads hashed ahead, for any number of messages: opaque, made by
/// stun_key_new(), erased and freed by stun_key_free(). It never changes, so any number of threads may use
/// it at once.
pub struct stun_key {
    _private: [u8; 0],
}

/// What a key is made of.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_key_kind {
    /// `password` is the short-term password (RFC 8489 s9.1.1); username and realm are not looked at.
    STUN_KEY_SHORT_TERM = 0,
    /// MD5(username ":" realm ":" password) (RFC 8489 s9.2.2).
    STUN_KEY_LONG_TERM_MD5 = 1,
    /// SHA-256 of the same (RFC 8489 s18.5.1.2).
    STUN_KEY_LONG_TERM_SHA256 = 2,
}

/// Prepares a key. Strings are UTF-8, prepared as OpaqueString, with lengths; none is kept. `*out` is yours,
/// to be freed with stun_key_free(); it is written on success only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_key_new(
    kind: u32,
    username: *const u8,
    username_len: usize,
    realm: *const u8,
    realm_len: usize,
    password: *const u8,
    password_len: usize,
    out: *mut *mut stun_key,
) -> stun_status {
    let make = || -> Answer {
        // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
        let (out, username, realm, password) = unsafe {
            (
                Slot::new(out)?,
                bytes(username, username_len)?,
                bytes(realm, realm_len)?,
                bytes(password, password_len)?,
            )
        };
        let key = match kind {
            0 => Key::short_term(password),
            1 => Key::long_term_md5(username, realm, password),
            2 => Key::long_term_sha256(username, realm, password),
            _ => return Err(Misuse(STUN_E_INVALID, "kind is no stun_key_kind")),
        };
        out.put(Box::into_raw(Box::new(key)).cast());
        Ok(STUN_OK)
    };
    status_of(catch_unwind(AssertUnwindSafe(make)).unwrap_or(Ok(STUN_E_PANIC)))
}

/// Erases and frees a key. NULL is a no-op.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_key_free(key: *mut stun_key) {
    if !key.is_null() {
        // SAFETY: not NULL, so by the caller's word it came from `stun_key_new` and is freed once.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(unsafe { Box::from_raw(key.cast::<Key>()) })));
    }
}

/// The core's key behind a pointer of C's.
///
/// # Safety
/// `key` must be NULL or live.
pub(crate) unsafe fn prepared<'a>(key: *const stun_key) -> Result<&'a Key, Misuse> {
    // SAFETY: passed on from the caller; a `stun_key` is a boxed `Key`.
    unsafe { crate::pointer::reference(key.cast::<Key>()) }
}
