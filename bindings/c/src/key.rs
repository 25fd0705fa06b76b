//! Prepared keys for the codec.

use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU64, Ordering};
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
        out.put(Box::into_raw(Box::new(Prepared { magic: AtomicU64::new(LIVE), key })).cast());
        Ok(STUN_OK)
    };
    status_of(catch_unwind(AssertUnwindSafe(make)).unwrap_or(Ok(STUN_E_PANIC)))
}

/// Erases and frees a key. NULL is a no-op.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_key_free(key: *mut stun_key) {
    // SAFETY: the caller's key is NULL or live.
    let Ok(live) = (unsafe { Prepared::of(key) }) else { return };
    live.magic.store(FREED, Ordering::Relaxed);
    // SAFETY: `stun_key_new` made it from a box; the magic number is taken away first, so it happens once.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(unsafe { Box::from_raw(key.cast::<Prepared>()) })));
}

/// The memory that a `stun_key` pointer really points to.
#[repr(C)] // the number first, so that looking at it needs no more than eight bytes
struct Prepared {
    /// [`LIVE`] from `new` to `free`.
    magic: AtomicU64,
    key: Key,
}

const LIVE: u64 = u64::from_be_bytes(*b"stun_ke\x01");
const FREED: u64 = u64::from_be_bytes(*b"stun_ke\x00");

impl Prepared {
    /// # Safety
    /// `key` must be NULL, or point to at least eight readable bytes: a key, or something mistaken for one.
    unsafe fn of<'a>(key: *const stun_key) -> Result<&'a Self, Misuse> {
        if key.is_null() {
            return Err(Misuse(STUN_E_NULL, "the key is NULL"));
        }
        let prepared = key.cast::<Self>();
        if !prepared.is_aligned() {
            return Err(Misuse(STUN_E_HANDLE, "not a key"));
        }
        // SAFETY: aligned, not NULL and readable for the length of the number.
        let magic = unsafe { (*core::ptr::addr_of!((*prepared).magic)).load(Ordering::Relaxed) };
        if magic != LIVE {
            return Err(Misuse(STUN_E_HANDLE, "not a key, or one that was freed"));
        }
        // SAFETY: only `stun_key_new` writes that number, into a `Prepared`.
        Ok(unsafe { &*prepared })
    }
}

/// The core's key behind a pointer of C's.
///
/// # Safety
/// `key` must be NULL, or point to at least eight readable bytes.
pub(crate) unsafe fn prepared<'a>(key: *const stun_key) -> Result<&'a Key, Misuse> {
    // SAFETY: passed on from the caller.
    unsafe { Prepared::of(key) }.map(|prepared| &prepared.key)
}
